/* Numbers between guards (guarded.h), of any type alike: what the tests of micro-kernels multiply. */
#ifndef HONE_TESTS_KERNELS_ARRAY_H
#define HONE_TESTS_KERNELS_ARRAY_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/element.h"
#include "base/random.h"
#include "tests/kernels/guarded.h"

/* Numbers of one type between guards. */
typedef struct array {
    guarded    memory;
    hone_dtype type;
    int64_t    count;
    char      *at;
} array;

static inline int64_t element(const array *x)
{
    return hone_dtype_bits(x->type) / 8;
}

static inline double get(const array *x, int64_t i)
{
    return hone_element_load(x->type, x->at, i);
}

static inline void set(array *x, int64_t i, double value)
{
    hone_element_store(x->type, x->at, i, value);
}

/* So many elements at one end of the pages. Small whole numbers, of which all sums are exact; NaN where r is NULL. */
static inline void lay(array *x, int64_t count, int at_end, hone_random *r)
{
    x->count = count;
    x->at = guarded_at(&x->memory, (size_t)(count * element(x)), at_end);
    for (int64_t i = 0; i < count; i++) set(x, i, r ? (double)(hone_random_next(r) % 15) - 7 : (double)NAN);
}

#endif
