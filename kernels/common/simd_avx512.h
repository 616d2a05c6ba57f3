/* The vector vocabulary on AVX-512 (F, BW, DQ, VL): 16 floats or 8 doubles a vector.
 *
 * The three simd_<isa>.h say the same words for different machines, so that a text written in them is
 * compiled once an instruction set. A file includes exactly one of them. simd_words.h, included at the
 * end, turns the typed functions below into words that fit either type: vec_load(p), vec_fma(a, b, c).
 * Sums, products, quotients and signs are the operators + - * / of GNU C. */
#ifndef HONE_KERNELS_COMMON_SIMD_AVX512_H
#define HONE_KERNELS_COMMON_SIMD_AVX512_H

#include <immintrin.h>
#include <stdint.h>

#include "kernels/common/stored.h"

typedef __m512 vec_f32;
typedef __m512d vec_f64;
typedef __mmask16 vec_mask_f32; /* the first n lanes, and the outcome of a comparison */
typedef __mmask8 vec_mask_f64;
#define VEC_LANES_F32 16
#define VEC_LANES_F64 8
#define VEC_MASKS_ARE_FREE 1 /* is a masked load as quick as a plain one? */
#define VEC_REGISTERS 32

static inline vec_f32 vec_load_f32(const float *p) { return _mm512_loadu_ps(p); }
static inline vec_f64 vec_load_f64(const double *p) { return _mm512_loadu_pd(p); }
static inline void vec_store_f32(float *p, vec_f32 x) { _mm512_storeu_ps(p, x); }
static inline void vec_store_f64(double *p, vec_f64 x) { _mm512_storeu_pd(p, x); }
static inline vec_f32 vec_broadcast_f32(float x) { return _mm512_set1_ps(x); }
static inline vec_f64 vec_broadcast_f64(double x) { return _mm512_set1_pd(x); }
static inline vec_f32 vec_fma_f32(vec_f32 a, vec_f32 b, vec_f32 c) { return _mm512_fmadd_ps(a, b, c); }
static inline vec_f64 vec_fma_f64(vec_f64 a, vec_f64 b, vec_f64 c) { return _mm512_fmadd_pd(a, b, c); }

/* The first n lanes: n may lie outside 0 .. lanes, and is then taken as the nearer end. */
static inline vec_mask_f32 vec_first_f32(int64_t n)
{
    return (vec_mask_f32)(n >= 16 ? 0xffffu : n <= 0 ? 0u : (1u << n) - 1u);
}

static inline vec_mask_f64 vec_first_f64(int64_t n)
{
    return (vec_mask_f64)(n >= 8 ? 0xffu : n <= 0 ? 0u : (1u << n) - 1u);
}

/* Lanes outside the mask are zero when loaded, left alone when stored; their memory is not touched. */
static inline vec_f32 vec_load_first_f32(const float *p, vec_mask_f32 m) { return _mm512_maskz_loadu_ps(m, p); }
static inline vec_f64 vec_load_first_f64(const double *p, vec_mask_f64 m) { return _mm512_maskz_loadu_pd(m, p); }
static inline void vec_store_first_f32(float *p, vec_mask_f32 m, vec_f32 x) { _mm512_mask_storeu_ps(p, m, x); }
static inline void vec_store_first_f64(double *p, vec_mask_f64 m, vec_f64 x) { _mm512_mask_storeu_pd(p, m, x); }

/* Numbers of 16 bits are stored ones (stored.h): floats once loaded, rounded to nearest even when stored; NaN stays. */
static inline vec_f32 vec_widen_bf16(__m256i x)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16));
}

static inline __m256i vec_narrow_bf16(vec_f32 x)
{
    const __m512i bits = _mm512_castps_si512(x), high = _mm512_srli_epi32(bits, 16);
    const __m512i half = _mm512_add_epi32(_mm512_and_si512(high, _mm512_set1_epi32(1)), _mm512_set1_epi32(0x7fff));
    const __m512i near = _mm512_srli_epi32(_mm512_add_epi32(bits, half), 16);
    const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    return _mm512_cvtepi32_epi16(_mm512_mask_or_epi32(near, nan, high, _mm512_set1_epi32(0x40)));
}

static inline __m256i vec_narrow_f16(vec_f32 x)
{
    return _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

static inline vec_f32 vec_load_bf16(const stored_bf16 *p)
{
    return vec_widen_bf16(_mm256_loadu_si256((const void *)p));
}

static inline vec_f32 vec_load_f16(const stored_f16 *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const void *)p));
}

static inline vec_f32 vec_load_first_bf16(const stored_bf16 *p, vec_mask_f32 m)
{
    return vec_widen_bf16(_mm256_maskz_loadu_epi16(m, p));
}

static inline vec_f32 vec_load_first_f16(const stored_f16 *p, vec_mask_f32 m)
{
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(m, p));
}

static inline void vec_store_bf16(stored_bf16 *p, vec_f32 x) { _mm256_storeu_si256((void *)p, vec_narrow_bf16(x)); }
static inline void vec_store_f16(stored_f16 *p, vec_f32 x) { _mm256_storeu_si256((void *)p, vec_narrow_f16(x)); }

static inline void vec_store_first_bf16(stored_bf16 *p, vec_mask_f32 m, vec_f32 x)
{
    _mm256_mask_storeu_epi16(p, m, vec_narrow_bf16(x));
}

static inline void vec_store_first_f16(stored_f16 *p, vec_mask_f32 m, vec_f32 x)
{
    _mm256_mask_storeu_epi16(p, m, vec_narrow_f16(x));
}

/* Whole numbers in memory are floats once loaded; stored, rounded to nearest even and held at the ends of their type,
 * and 0 where x is not a number. */
static inline __m512i vec_whole(vec_f32 x)
{
    const __mmask16 many = _mm512_cmp_ps_mask(x, _mm512_set1_ps(0x1p31f), _CMP_GE_OQ);
    const __mmask16 number = _mm512_cmp_ps_mask(x, x, _CMP_ORD_Q);
    const __m512i whole = _mm512_mask_mov_epi32(_mm512_cvtps_epi32(x), many, _mm512_set1_epi32(INT32_MAX));
    return _mm512_maskz_mov_epi32(number, whole);
}

static inline vec_f32 vec_load_first_s32(const int32_t *p, vec_mask_f32 m)
{
    return _mm512_cvtepi32_ps(_mm512_maskz_loadu_epi32(m, p));
}

static inline vec_f32 vec_load_first_s8(const int8_t *p, vec_mask_f32 m)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(m, p)));
}

static inline vec_f32 vec_load_first_u8(const uint8_t *p, vec_mask_f32 m)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(m, p)));
}

static inline void vec_store_first_s32(int32_t *p, vec_mask_f32 m, vec_f32 x)
{
    _mm512_mask_storeu_epi32(p, m, vec_whole(x));
}

static inline void vec_store_first_s8(int8_t *p, vec_mask_f32 m, vec_f32 x)
{
    _mm512_mask_cvtsepi32_storeu_epi8(p, m, vec_whole(x));
}

static inline void vec_store_first_u8(uint8_t *p, vec_mask_f32 m, vec_f32 x)
{
    _mm512_mask_cvtusepi32_storeu_epi8(p, m, _mm512_max_epi32(vec_whole(x), _mm512_setzero_si512()));
}

/* x where a < b, else y: also where a or b is not a number. */
static inline vec_f32 vec_if_less_f32(vec_f32 a, vec_f32 b, vec_f32 x, vec_f32 y)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), y, x);
}

static inline vec_f64 vec_if_less_f64(vec_f64 a, vec_f64 b, vec_f64 x, vec_f64 y)
{
    return _mm512_mask_blend_pd(_mm512_cmp_pd_mask(a, b, _CMP_LT_OQ), y, x);
}

static inline vec_f32 vec_round_f32(vec_f32 x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT); }
static inline vec_f64 vec_round_f64(vec_f64 x) { return _mm512_roundscale_pd(x, _MM_FROUND_TO_NEAREST_INT); }

/* x * 2^n, rounded once; n is whole, of any size. */
static inline vec_f32 vec_scale2_f32(vec_f32 x, vec_f32 n) { return _mm512_scalef_ps(x, n); }
static inline vec_f64 vec_scale2_f64(vec_f64 x, vec_f64 n) { return _mm512_scalef_pd(x, n); }

/* The magnitude of x with the sign of s. */
static inline vec_f32 vec_with_sign_f32(vec_f32 x, vec_f32 s)
{
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff); /* in the table: magnitude ? x : s */
    return _mm512_castsi512_ps(
        _mm512_ternarylogic_epi32(magnitude, _mm512_castps_si512(x), _mm512_castps_si512(s), 0xca));
}

static inline vec_f64 vec_with_sign_f64(vec_f64 x, vec_f64 s)
{
    const __m512i magnitude = _mm512_set1_epi64(INT64_MAX);
    return _mm512_castsi512_pd(
        _mm512_ternarylogic_epi64(magnitude, _mm512_castpd_si512(x), _mm512_castpd_si512(s), 0xca));
}

/* out[i] lane j = in[j] lane i. In: lanes vectors. The blocks double at each step: 1x1, 2x2, 4x4, 8x8. */
static inline void vec_transpose_f32(vec_f32 x[VEC_LANES_F32])
{
    __m512 y[16];
    for (int i = 0; i < 16; i += 2) {
        y[i] = _mm512_unpacklo_ps(x[i], x[i + 1]);
        y[i + 1] = _mm512_unpackhi_ps(x[i], x[i + 1]);
    }
    for (int i = 0; i < 16; i += 4)
        for (int j = 0; j < 2; j++) {
            __m512d low = _mm512_castps_pd(y[i + j]), high = _mm512_castps_pd(y[i + 2 + j]);
            x[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
            x[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
        }
    for (int i = 0; i < 16; i += 8)
        for (int j = 0; j < 4; j++) {
            y[i + j] = _mm512_shuffle_f32x4(x[i + j], x[i + 4 + j], 0x88);
            y[i + 4 + j] = _mm512_shuffle_f32x4(x[i + j], x[i + 4 + j], 0xdd);
        }
    for (int j = 0; j < 8; j++) {
        x[j] = _mm512_shuffle_f32x4(y[j], y[8 + j], 0x88);
        x[8 + j] = _mm512_shuffle_f32x4(y[j], y[8 + j], 0xdd);
    }
}

static inline void vec_transpose_f64(vec_f64 x[VEC_LANES_F64])
{
    __m512d y[8];
    for (int i = 0; i < 8; i += 2) {
        y[i] = _mm512_unpacklo_pd(x[i], x[i + 1]);
        y[i + 1] = _mm512_unpackhi_pd(x[i], x[i + 1]);
    }
    for (int i = 0; i < 8; i += 4)
        for (int j = 0; j < 2; j++) {
            x[i + j] = _mm512_shuffle_f64x2(y[i + j], y[i + 2 + j], 0x88);
            x[i + 2 + j] = _mm512_shuffle_f64x2(y[i + j], y[i + 2 + j], 0xdd);
        }
    for (int j = 0; j < 4; j++) {
        y[j] = _mm512_shuffle_f64x2(x[j], x[4 + j], 0x88);
        y[4 + j] = _mm512_shuffle_f64x2(x[j], x[4 + j], 0xdd);
    }
    for (int j = 0; j < 8; j++)
        x[j] = y[j];
}

/* Lane i is the sum of the lanes of x[i], by the same tree for each. In: lanes vectors, which are spent. */
static inline vec_f32 vec_sums_f32(vec_f32 x[VEC_LANES_F32])
{
    for (int i = 0; i < 8; i++)
        x[i] = _mm512_unpacklo_ps(x[2 * i], x[2 * i + 1]) + _mm512_unpackhi_ps(x[2 * i], x[2 * i + 1]);
    for (int i = 0; i < 4; i++) {
        __m512d low = _mm512_castps_pd(x[2 * i]), high = _mm512_castps_pd(x[2 * i + 1]);
        x[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high)) + _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
    }
    for (int half = 2; half; half /= 2)
        for (int i = 0; i < half; i++)
            x[i] = _mm512_shuffle_f32x4(x[2 * i], x[2 * i + 1], 0x88) +
                   _mm512_shuffle_f32x4(x[2 * i], x[2 * i + 1], 0xdd);
    return x[0];
}

static inline vec_f64 vec_sums_f64(vec_f64 x[VEC_LANES_F64])
{
    for (int i = 0; i < 4; i++)
        x[i] = _mm512_unpacklo_pd(x[2 * i], x[2 * i + 1]) + _mm512_unpackhi_pd(x[2 * i], x[2 * i + 1]);
    for (int half = 2; half; half /= 2)
        for (int i = 0; i < half; i++)
            x[i] = _mm512_shuffle_f64x2(x[2 * i], x[2 * i + 1], 0x88) +
                   _mm512_shuffle_f64x2(x[2 * i], x[2 * i + 1], 0xdd);
    return x[0];
}

/* Lane i is p[i % count], for a count of 1, 2, 4, ... lanes: literal, so that nothing else is left of it. */
static inline vec_f32 vec_load_group_f32(const float *p, int count)
{
    double two;
    switch (count) {
    case 1: return vec_broadcast_f32(*p);
    case 2: __builtin_memcpy(&two, p, sizeof two); return _mm512_castpd_ps(_mm512_set1_pd(two));
    case 4: return _mm512_broadcast_f32x4(_mm_loadu_ps(p));
    case 8: return _mm512_broadcast_f32x8(_mm256_loadu_ps(p));
    default: return vec_load_f32(p);
    }
}

static inline vec_f64 vec_load_group_f64(const double *p, int count)
{
    switch (count) {
    case 1: return vec_broadcast_f64(*p);
    case 2: return _mm512_broadcast_f64x2(_mm_loadu_pd(p));
    case 4: return _mm512_broadcast_f64x4(_mm256_loadu_pd(p));
    default: return vec_load_f64(p);
    }
}

/* The sums of neighbours: those of x, then those of y. */
static inline vec_f32 vec_pairs_f32(vec_f32 x, vec_f32 y)
{
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    return _mm512_permutex2var_ps(x, even, y) + _mm512_permutex2var_ps(x, odd, y);
}

static inline vec_f64 vec_pairs_f64(vec_f64 x, vec_f64 y)
{
    const __m512i even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14),
                  odd = _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15);
    return _mm512_permutex2var_pd(x, even, y) + _mm512_permutex2var_pd(x, odd, y);
}

/* Lane i of vec_permute(x, index) is lane index[i] of x. */
typedef __m512i vec_index_f32;
typedef __m512i vec_index_f64;
static inline void vec_index_put_f32(void *room, int lane, int from) { ((int32_t *)room)[lane] = from; }
static inline void vec_index_put_f64(void *room, int lane, int from) { ((int64_t *)room)[lane] = from; }
static inline vec_index_f32 vec_index_load_f32(const void *room) { return _mm512_loadu_si512(room); }
static inline vec_index_f64 vec_index_load_f64(const void *room) { return _mm512_loadu_si512(room); }
static inline vec_f32 vec_permute_f32(vec_f32 x, vec_index_f32 index) { return _mm512_permutexvar_ps(index, x); }
static inline vec_f64 vec_permute_f64(vec_f64 x, vec_index_f64 index) { return _mm512_permutexvar_pd(index, x); }

#include "kernels/common/simd_words.h"

#endif
