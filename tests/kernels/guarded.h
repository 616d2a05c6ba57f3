/* Memory between two pages that nobody may touch: one element too far, either way, ends the test. */
#ifndef HONE_TESTS_KERNELS_GUARDED_H
#define HONE_TESTS_KERNELS_GUARDED_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

typedef struct guarded {
    char  *map;
    size_t page, bytes; /* what can be touched: whole pages */
} guarded;

static inline guarded guarded_make(size_t bytes)
{
    guarded g = {.page = 65536}; /* a multiple of every machine's page */
    g.bytes = (bytes + g.page - 1) / g.page * g.page;
    g.map = mmap(NULL, g.bytes + 2 * g.page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (g.map == MAP_FAILED || mprotect(g.map, g.page, PROT_NONE) ||
        mprotect(g.map + g.page + g.bytes, g.page, PROT_NONE))
        abort();
    return g;
}

static inline void guarded_free(guarded *g)
{
    munmap(g->map, g->bytes + 2 * g->page);
    g->map = NULL;
}

/* `bytes` that end at the page behind, or begin at the page before; what else can be touched is filled with ones: NaN.
 */
static inline void *guarded_at(const guarded *g, size_t bytes, int at_end)
{
    if (bytes > g->bytes) abort();
    memset(g->map + g->page, 0xff, g->bytes);
    return g->map + g->page + (at_end ? g->bytes - bytes : 0);
}

#endif
