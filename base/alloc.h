/* Memory of the library: all of it comes through here, so that one hook sees, counts and fails it. */
#ifndef HONE_BASE_ALLOC_H
#define HONE_BASE_ALLOC_H

#include <stdint.h>

#include <hone/context.h>

#define HONE_CACHE_LINE 64

/* Zeroed memory of count * size bytes, aligned to 64. NULL, with the sentence set, when there is none or the product
 * overflows. 0 bytes gives a pointer that hone_free takes. */
void *hone_alloc(size_t count, size_t size) __attribute__((malloc, warn_unused_result));

/* The same, aligned to a greater power of two, its content undefined. */
void *hone_alloc_raw(size_t bytes, size_t alignment) __attribute__((malloc, warn_unused_result));

void hone_free(void *memory); /* NULL is fine */

/* Room for one element more behind `count` of `size` bytes each. `array` is the address of the pointer to them, *room
 * how many it has room for; both are exchanged for twice as many where it is full. What is new is zero. On failure all
 * stays as it was. */
hone_status hone_grow(void *array, int count, int *room, size_t size) HONE_MUST_USE;

/* How many blocks are out: 0 when nothing of hone lives. */
int64_t hone_alloc_live(void);

#endif
