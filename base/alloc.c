/* Memory through one hook. A block carries its size in front, because the hook's release wants it:
 *
 *     raw ... [ header: raw, bytes ] user memory, aligned
 */
#include "base/alloc.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "base/status.h"

typedef struct header {
    void  *raw;
    size_t bytes;
} header;

static void *allocate_from_c(void *user, size_t bytes, size_t alignment)
{
    (void)user;
    return aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

static void release_to_c(void *user, void *memory, size_t bytes)
{
    (void)user;
    (void)bytes;
    free(memory);
}

static hone_allocator   allocator = {NULL, allocate_from_c, release_to_c};
static _Atomic(int64_t) live;

hone_status hone_allocator_set(const hone_allocator *chosen)
{
    int64_t blocks = atomic_load(&live);
    HONE_CHECK(blocks == 0, HONE_ERROR_STATE,
               "allocator: %" PRId64 " blocks of the present allocator are in use; destroy every context, stream, "
               "plan, buffer and event first",
               blocks);
    HONE_CHECK(!chosen || (chosen->allocate && chosen->release), HONE_ERROR_ARGUMENT,
               "allocator: both allocate and release must be given");
    allocator = chosen ? *chosen : (hone_allocator){NULL, allocate_from_c, release_to_c};
    return HONE_OK;
}

void *hone_alloc_raw(size_t bytes, size_t alignment)
{
    size_t whole;
    if (alignment < HONE_CACHE_LINE) alignment = HONE_CACHE_LINE;
    HONE_ASSERT((alignment & (alignment - 1)) == 0);
    if (!hone_size_add(bytes, alignment, &whole) || whole > PTRDIFF_MAX) {
        hone_fail(HONE_ERROR_MEMORY, "out of memory: %zu bytes are more than an address space holds", bytes);
        return NULL;
    }
    char *raw = allocator.allocate(allocator.user, whole, alignment);
    if (!raw) {
        hone_fail(HONE_ERROR_MEMORY, "out of memory: %zu bytes were asked for", bytes);
        return NULL;
    }
    if ((uintptr_t)raw % alignment) { /* a fault of the host's hook: told, not built upon */
        allocator.release(allocator.user, raw, whole);
        hone_fail(HONE_ERROR_MEMORY, "out of memory: the allocator was asked for an alignment of %zu bytes and gave %p",
                  alignment, (void *)raw);
        return NULL;
    }
    header *front = (header *)(void *)(raw + alignment) - 1;
    front->raw = raw;
    front->bytes = whole;
    atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
    return raw + alignment;
}

void *hone_alloc(size_t count, size_t size)
{
    size_t bytes;
    if (!hone_size_mul(count, size, &bytes)) {
        hone_fail(HONE_ERROR_MEMORY, "out of memory: %zu times %zu bytes do not fit a size", count, size);
        return NULL;
    }
    void *memory = hone_alloc_raw(bytes, HONE_CACHE_LINE);
    return memory ? memset(memory, 0, bytes) : NULL;
}

void hone_free(void *memory)
{
    if (!memory) return;
    header front = ((header *)memory)[-1];
    allocator.release(allocator.user, front.raw, front.bytes);
    atomic_fetch_sub_explicit(&live, 1, memory_order_release); /* last: from here on the allocator may be exchanged */
}

hone_status hone_grow(void *array, int count, int *room, size_t size)
{
    enum { FIRST = 8 };
    void *old;
    int   more = FIRST;
    if (count < *room) return HONE_OK;
    HONE_CHECK(!*room || !__builtin_mul_overflow(*room, 2, &more), HONE_ERROR_MEMORY,
               "out of memory: a list has %d elements, and twice as many cannot be counted", *room);
    void *larger = hone_alloc((size_t)more, size);
    if (!larger) return HONE_ERROR_MEMORY;
    memcpy(&old, array, sizeof old);
    if (count) memcpy(larger, old, (size_t)count * size);
    hone_free(old);
    memcpy(array, &larger, sizeof larger);
    *room = more;
    return HONE_OK;
}

int64_t hone_alloc_live(void)
{
    return atomic_load(&live);
}
