/* Hashes of keys and lines: xxHash's, the same on every machine. */
#ifndef HONE_BASE_HASH_H
#define HONE_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t hone_hash(const void *data, size_t bytes, uint64_t seed);

#endif
