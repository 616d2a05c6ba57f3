/* Sizes that notice when they overflow. Each function says whether the result fits. */
#ifndef HONE_BASE_SIZE_H
#define HONE_BASE_SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool hone_size_mul(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

static inline bool hone_size_add(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

static inline bool hone_extent_mul(int64_t a, int64_t b, int64_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

static inline bool hone_extent_add(int64_t a, int64_t b, int64_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

static inline int64_t hone_divide_up(int64_t a, int64_t b)
{
    return a / b + (a % b != 0);
}

static inline int64_t hone_round_up(int64_t a, int64_t b)
{
    return hone_divide_up(a, b) * b;
}

static inline int64_t hone_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t hone_max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

#endif
