/* Words of 4 bytes on AVX2: see inner_avx512.h. u8s8 wants AVX-VNNI. */
#ifndef HONE_KERNELS_MATMUL_INNER_AVX2_H
#define HONE_KERNELS_MATMUL_INNER_AVX2_H

#include <string.h>

#include "kernels/common/simd_avx2.h"
#include "kernels/matmul/inner.h"

typedef __m256i words;
typedef vec_mask_f32 words_mask;
#define WORD_LANES          8
#define WORD_MASKS_ARE_FREE 0

static inline words words_zero(void) { return _mm256_setzero_si256(); }
static inline words words_load(const void *p) { return _mm256_loadu_si256(p); }
static inline void words_store(void *p, words x) { _mm256_storeu_si256(p, x); }
static inline words_mask words_first(int64_t n) { return vec_first_f32(n); }
static inline words words_load_first(const void *p, words_mask m) { return _mm256_maskload_epi32(p, m.lanes); }
static inline void words_store_first(void *p, words_mask m, words x) { _mm256_maskstore_epi32(p, m.lanes, x); }
static inline words words_set(int32_t x) { return _mm256_set1_epi32(x); }
static inline words words_add(words x, words y) { return _mm256_add_epi32(x, y); }
static inline vec_f32 words_floats(words x) { return _mm256_cvtepi32_ps(x); }

/* The first n bytes of at most 32 or 16, zeros behind them. */
static inline __m256i bytes_first(const void *p, int64_t n)
{
    char room[32] = {0};
    if (n >= 32) return _mm256_loadu_si256(p);
    if (n > 0) memcpy(room, p, (size_t)n);
    return _mm256_loadu_si256((const void *)room);
}

static inline __m128i half_first(const void *p, int64_t n)
{
    char room[16] = {0};
    if (n >= 16) return _mm_loadu_si128(p);
    if (n > 0) memcpy(room, p, (size_t)n);
    return _mm_loadu_si128((const void *)room);
}

typedef struct words_change { words flip, less; } words_change;

static inline words_change words_change_of(hone_matmul_change change)
{
    return (words_change){_mm256_set1_epi8((char)change.flip), _mm256_set1_epi16((short)change.less)};
}

/* 0xff in the first n bytes. */
static inline __m256i bytes_mask(int64_t n)
{
    static const char ones[64] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
                                  -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256((const void *)(ones + 32 - (n > 32 ? 32 : n)));
}

#if INNER_WORD == 0
static inline words words_dot(words sum, words a, words b) { return _mm256_dpbusd_avx_epi32(sum, a, b); }

/* Four lines of 32 columns become four vectors, or of 16 become two: in each 128 bits of a line those words are brought
 * together that belong there after two rounds of unpacking, so that columns come out in order. */
static inline __attribute__((always_inline)) void words_group(const char *from, int64_t line, int64_t lines, int64_t n,
                                                              words_change change, words out[4])
{
    const __m256i order = _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7);
    __m256i x[4];
    HONE_UNROLL
    for (int i = 0; i < 4; i++)
        x[i] = i >= lines ? words_zero()
                          : _mm256_permutevar8x32_epi32(
                                _mm256_xor_si256(n == 16 ? _mm256_castsi128_si256(half_first(from + i * line, 16))
                                                         : bytes_first(from + i * line, n),
                                                 change.flip), order);
    const __m256i low = _mm256_unpacklo_epi8(x[0], x[1]), high = _mm256_unpackhi_epi8(x[0], x[1]);
    const __m256i low2 = _mm256_unpacklo_epi8(x[2], x[3]), high2 = _mm256_unpackhi_epi8(x[2], x[3]);
    out[0] = _mm256_unpacklo_epi16(low, low2);
    out[1] = _mm256_unpackhi_epi16(low, low2);
    out[2] = _mm256_unpacklo_epi16(high, high2);
    out[3] = _mm256_unpackhi_epi16(high, high2);
}

/* The words of n elements that lie together. */
static inline words words_along(const void *from, int64_t n, words_change change)
{
    const __m256i x = _mm256_xor_si256(bytes_first(from, n), change.flip);
    return n >= 32 ? x : _mm256_and_si256(x, bytes_mask(n));
}
#else
static inline words words_dot(words sum, words a, words b)
{
    return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
}

static inline words widened(__m128i x, words_change change)
{
    return _mm256_sub_epi16(_mm256_cvtepi8_epi16(_mm_xor_si128(x, _mm256_castsi256_si128(change.flip))), change.less);
}

/* Two lines of 16 columns become two vectors; a line that is not there counts as zeros. */
static inline __attribute__((always_inline)) void words_group(const char *from, int64_t line, int64_t lines, int64_t n,
                                                              words_change change, words out[2])
{
    const __m128i x = half_first(from, n), y = lines < 2 ? _mm_setzero_si128() : half_first(from + line, n);
    const __m256i there = _mm256_set1_epi32(lines < 2 ? 0xffff : -1);
    out[0] = _mm256_and_si256(there, widened(_mm_unpacklo_epi8(x, y), change));
    out[1] = _mm256_and_si256(there, widened(_mm_unpackhi_epi8(x, y), change));
}

static inline words words_along(const void *from, int64_t n, words_change change)
{
    const words x = widened(half_first(from, n), change);
    return n >= 16 ? x : _mm256_and_si256(x, bytes_mask(2 * n));
}
#endif

#endif
