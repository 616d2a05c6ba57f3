/* Words of 4 bytes on AVX-512: what inner.inl and inner_pack.inl are written in. The file that includes this says, as
 * INNER_WORD, which words it means: 0 u8s8, 1 s16, 2 bf16, 3 f16 (hone_matmul_word). */
#ifndef HONE_KERNELS_MATMUL_INNER_AVX512_H
#define HONE_KERNELS_MATMUL_INNER_AVX512_H

#include "kernels/common/simd_avx512.h"
#include "kernels/matmul/inner.h"

typedef __m512i words;
typedef __mmask16 words_mask;
#define WORD_LANES          16
#define WORD_MASKS_ARE_FREE 1

static inline words words_zero(void) { return _mm512_setzero_si512(); }
static inline words words_load(const void *p) { return _mm512_loadu_si512(p); }
static inline void words_store(void *p, words x) { _mm512_storeu_si512(p, x); }
static inline words_mask words_first(int64_t n) { return vec_first_f32(n); }
static inline words words_load_first(const void *p, words_mask m) { return _mm512_maskz_loadu_epi32(m, p); }
static inline void words_store_first(void *p, words_mask m, words x) { _mm512_mask_storeu_epi32(p, m, x); }
static inline words words_set(int32_t x) { return _mm512_set1_epi32(x); }
static inline words words_add(words x, words y) { return _mm512_add_epi32(x, y); }
static inline vec_f32 words_floats(words x) { return _mm512_cvtepi32_ps(x); }

/* The first n bytes, zeros behind them: n may be more than there are. */
static inline __m512i bytes_first(const void *p, int64_t n)
{
    if (n >= 64) return _mm512_loadu_si512(p);
    return _mm512_maskz_loadu_epi8(n <= 0 ? 0 : ((uint64_t)1 << n) - 1, p);
}

typedef struct words_change { words flip, less; } words_change;

static inline words_change words_change_of(hone_matmul_change change)
{
    return (words_change){_mm512_set1_epi8((char)change.flip), _mm512_set1_epi16((short)change.less)};
}

#if INNER_WORD == 0
static inline words words_dot(words sum, words a, words b) { return _mm512_dpbusd_epi32(sum, a, b); }

static inline __m512i bytes_changed(const void *p, int64_t n, words_change change)
{
    return _mm512_xor_si512(bytes_first(p, n), change.flip);
}

/* Four lines of 64 columns become four vectors: in each 128 bits of a line those words are brought together that belong
 * there after two rounds of unpacking, so that columns come out in order. */
static inline __attribute__((always_inline)) void words_group(const char *from, int64_t line, int64_t lines, int64_t n,
                                                              words_change change, words out[4])
{
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    __m512i x[4];
    HONE_UNROLL
    for (int i = 0; i < 4; i++)
        x[i] = i < lines ? _mm512_permutexvar_epi32(order, bytes_changed(from + i * line, n, change)) : words_zero();
    const __m512i low = _mm512_unpacklo_epi8(x[0], x[1]), high = _mm512_unpackhi_epi8(x[0], x[1]);
    const __m512i low2 = _mm512_unpacklo_epi8(x[2], x[3]), high2 = _mm512_unpackhi_epi8(x[2], x[3]);
    out[0] = _mm512_unpacklo_epi16(low, low2);
    out[1] = _mm512_unpackhi_epi16(low, low2);
    out[2] = _mm512_unpacklo_epi16(high, high2);
    out[3] = _mm512_unpackhi_epi16(high, high2);
}

/* The words of n elements that lie together. */
static inline words words_along(const void *from, int64_t n, words_change change)
{
    const __m512i x = bytes_changed(from, n, change);
    return n >= 64 ? x : _mm512_maskz_mov_epi8(((uint64_t)1 << n) - 1, x);
}
#elif INNER_WORD == 1
static inline words words_dot(words sum, words a, words b)
{
    return _mm512_add_epi32(sum, _mm512_madd_epi16(a, b));
}

static inline __m512i widened(__m256i x, words_change change)
{
    return _mm512_sub_epi16(_mm512_cvtepi8_epi16(_mm256_xor_si256(x, _mm512_castsi512_si256(change.flip))),
                            change.less);
}

/* Two lines of 32 columns become two vectors; a line that is not there counts as zeros. */
static inline __attribute__((always_inline)) void words_group(const char *from, int64_t line, int64_t lines, int64_t n,
                                                              words_change change, words out[2])
{
    const __m256i x = _mm256_permute4x64_epi64(_mm512_castsi512_si256(bytes_first(from, n < 32 ? n : 32)), 0xd8);
    const __m256i y = lines < 2 ? _mm256_setzero_si256() : _mm256_permute4x64_epi64(
                                      _mm512_castsi512_si256(bytes_first(from + line, n < 32 ? n : 32)), 0xd8);
    const __mmask32 there = lines < 2 ? 0x55555555u : 0xffffffffu;
    out[0] = _mm512_maskz_mov_epi16(there, widened(_mm256_unpacklo_epi8(x, y), change));
    out[1] = _mm512_maskz_mov_epi16(there, widened(_mm256_unpackhi_epi8(x, y), change));
}

static inline words words_along(const void *from, int64_t n, words_change change)
{
    const __mmask32 there = n >= 32 ? 0xffffffffu : (1u << n) - 1;
    return _mm512_maskz_mov_epi16(there,
                                  widened(_mm512_castsi512_si256(bytes_first(from, n < 32 ? n : 32)), change));
}
#else
#if INNER_WORD == 2
static inline words words_dot(words sum, words a, words b)
{
    return _mm512_castps_si512(_mm512_dpbf16_ps(_mm512_castsi512_ps(sum), (__m512bh)a, (__m512bh)b));
}
#else
#ifndef INNER_F16_STEP
static inline words words_dot(words sum, words a, words b)
{
    return (words)_mm512_fmadd_ph((__m512h)a, (__m512h)b, (__m512h)sum);
}
#else
static inline words words_dot(words sum, words a, words b) { return INNER_F16_STEP(sum, a, b); }
#endif

/* The sums of a run, added to floats: those of even k in the low halves of lanes, those of odd k in the high ones. */
static inline words words_fold(words run, words floats)
{
    const __m512 even = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(run));
    const __m512 odd = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(run, 16)));
    return _mm512_castps_si512(_mm512_add_ps(_mm512_castsi512_ps(floats), _mm512_add_ps(even, odd)));
}
#endif

/* Two lines of 32 columns become two vectors. */
static inline __attribute__((always_inline)) void words_group(const char *from, int64_t line, int64_t lines, int64_t n,
                                                              words_change change, words out[2])
{
    const __m512i order = _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7);
    (void)change;
    const __m512i x = _mm512_permutexvar_epi64(order, bytes_first(from, 2 * n));
    const __m512i y = lines < 2 ? words_zero() : _mm512_permutexvar_epi64(order, bytes_first(from + line, 2 * n));
    out[0] = _mm512_unpacklo_epi16(x, y);
    out[1] = _mm512_unpackhi_epi16(x, y);
}

#if INNER_WORD == 2
/* Sums as bf16, to nearest even; what is denormal becomes zero, as within the sums. */
static inline void words_store_narrow(void *p, words_mask m, words x)
{
    _mm256_mask_storeu_epi16(p, m, (__m256i)_mm512_cvtneps_pbh(_mm512_castsi512_ps(x)));
}
#endif

static inline words words_along(const void *from, int64_t n, words_change change)
{
    (void)change;
    return bytes_first(from, 2 * n);
}
#endif

#endif
