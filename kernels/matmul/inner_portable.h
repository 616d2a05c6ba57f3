/* Words of 4 bytes in GNU vector extensions, for any machine: see inner_avx512.h. s16 alone. */
#ifndef HONE_KERNELS_MATMUL_INNER_PORTABLE_H
#define HONE_KERNELS_MATMUL_INNER_PORTABLE_H

#include <string.h>
#ifdef __SSE2__
#include <immintrin.h>
#endif

#include "kernels/common/simd_portable.h"
#include "kernels/matmul/inner.h"

typedef vec_i32 words;
typedef uint32_t words_unsigned __attribute__((vector_size(16)));
typedef vec_mask_f32 words_mask;
#define WORD_LANES          4
#define WORD_MASKS_ARE_FREE 0

static inline words words_zero(void) { return (words){0}; }
static inline words words_set(int32_t x) { return (words){x, x, x, x}; }
static inline words words_add(words x, words y) { return (words)((words_unsigned)x + (words_unsigned)y); }
static inline words_mask words_first(int64_t n) { return vec_first_f32(n); }
static inline void words_store(void *p, words x) { memcpy(p, &x, sizeof x); }
static inline vec_f32 words_floats(words x) { return __builtin_convertvector(x, vec_f32); }

static inline words words_load(const void *p)
{
    words x;
    memcpy(&x, p, sizeof x);
    return x;
}

static inline words words_load_first(const void *p, words_mask m)
{
    words x = words_zero();
    memcpy(&x, p, (size_t)m.lanes * 4);
    return x;
}

static inline void words_store_first(void *p, words_mask m, words x) { memcpy(p, &x, (size_t)m.lanes * 4); }

static inline words words_dot(words sum, words a, words b)
{
#ifdef __SSE2__
    return words_add(sum, (words)_mm_madd_epi16((__m128i)a, (__m128i)b));
#else
    const words low = (a << 16 >> 16) * (b << 16 >> 16), high = (a >> 16) * (b >> 16);
    return words_add(sum, words_add(low, high));
#endif
}

typedef struct words_change { int flip, less; } words_change;

static inline words_change words_change_of(hone_matmul_change change)
{
    return (words_change){change.flip, change.less};
}

static inline int16_t widened(char byte, words_change change)
{
    return (int16_t)((int8_t)(byte ^ change.flip) - change.less);
}

/* Two lines of 8 columns become two vectors; what is not there counts as zeros. */
static inline void words_group(const char *from, int64_t line, int64_t lines, int64_t n, words_change change,
                               words out[2])
{
    int16_t room[16] = {0};
    for (int i = 0; i < 2 && i < lines; i++)
        for (int64_t j = 0; j < 8 && j < n; j++) room[2 * j + i] = widened(from[i * line + j], change);
    memcpy(out, room, sizeof room);
}

/* The words of n elements that lie together. */
static inline words words_along(const void *from, int64_t n, words_change change)
{
    int16_t room[8] = {0};
    for (int64_t i = 0; i < 8 && i < n; i++) room[i] = widened(((const char *)from)[i], change);
    return words_load(room);
}

#endif
