/* The one place that knows xxHash. */
#include "base/hash.h"

#include <xxhash.h>

uint64_t hone_hash(const void *data, size_t bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, bytes, seed);
}
