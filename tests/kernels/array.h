/* Numbers between guards (guarded.h), floats or doubles alike: what the tests of micro-kernels multiply. */
#ifndef HONE_TESTS_KERNELS_ARRAY_H
#define HONE_TESTS_KERNELS_ARRAY_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/random.h"
#include "tests/kernels/guarded.h"

/* Floats or doubles between guards. */
typedef struct array {
    guarded memory;
    bool    wide;
    int64_t count;
    char   *at;
} array;

static inline int64_t element(const array *x)
{
    return x->wide ? (int64_t)sizeof(double) : (int64_t)sizeof(float);
}

static inline double get(const array *x, int64_t i)
{
    const void *at = x->at + i * element(x);
    return x->wide ? *(const double *)at : (double)*(const float *)at;
}

static inline void set(array *x, int64_t i, double value)
{
    void *at = x->at + i * element(x);
    if (x->wide)
        *(double *)at = value;
    else
        *(float *)at = (float)value;
}

/* So many elements at one end of the pages. Small whole numbers, of which all sums are exact; NaN where r is NULL. */
static inline void lay(array *x, int64_t count, int at_end, hone_random *r)
{
    x->count = count;
    x->at = guarded_at(&x->memory, (size_t)(count * element(x)), at_end);
    for (int64_t i = 0; i < count; i++) set(x, i, r ? (double)(hone_random_next(r) % 15) - 7 : (double)NAN);
}

#endif
