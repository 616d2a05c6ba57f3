/* The vector vocabulary on AVX2 with FMA and F16C: 8 floats or 4 doubles a vector. See simd_avx512.h. */
#ifndef HONE_KERNELS_COMMON_SIMD_AVX2_H
#define HONE_KERNELS_COMMON_SIMD_AVX2_H

#include <immintrin.h>
#include <stdint.h>

#include "kernels/common/stored.h"

typedef __m256 vec_f32;
typedef __m256d vec_f64;
typedef struct vec_mask_f32 { __m256i lanes; } vec_mask_f32;
typedef struct vec_mask_f64 { __m256i lanes; } vec_mask_f64;
#define VEC_LANES_F32 8
#define VEC_LANES_F64 4
#define VEC_MASKS_ARE_FREE 0 /* is a masked load as quick as a plain one? */
#define VEC_REGISTERS 16

static inline vec_f32 vec_load_f32(const float *p) { return _mm256_loadu_ps(p); }
static inline vec_f64 vec_load_f64(const double *p) { return _mm256_loadu_pd(p); }
static inline void vec_store_f32(float *p, vec_f32 x) { _mm256_storeu_ps(p, x); }
static inline void vec_store_f64(double *p, vec_f64 x) { _mm256_storeu_pd(p, x); }
static inline vec_f32 vec_broadcast_f32(float x) { return _mm256_set1_ps(x); }
static inline vec_f64 vec_broadcast_f64(double x) { return _mm256_set1_pd(x); }
static inline vec_f32 vec_fma_f32(vec_f32 a, vec_f32 b, vec_f32 c) { return _mm256_fmadd_ps(a, b, c); }
static inline vec_f64 vec_fma_f64(vec_f64 a, vec_f64 b, vec_f64 c) { return _mm256_fmadd_pd(a, b, c); }

static inline vec_mask_f32 vec_first_f32(int64_t n)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return (vec_mask_f32){_mm256_cmpgt_epi32(_mm256_set1_epi32(n < 8 ? (int)n : 8), lane)};
}

static inline vec_mask_f64 vec_first_f64(int64_t n)
{
    return (vec_mask_f64){_mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3))};
}

static inline vec_f32 vec_load_first_f32(const float *p, vec_mask_f32 m) { return _mm256_maskload_ps(p, m.lanes); }
static inline vec_f64 vec_load_first_f64(const double *p, vec_mask_f64 m) { return _mm256_maskload_pd(p, m.lanes); }
static inline void vec_store_first_f32(float *p, vec_mask_f32 m, vec_f32 x) { _mm256_maskstore_ps(p, m.lanes, x); }
static inline void vec_store_first_f64(double *p, vec_mask_f64 m, vec_f64 x) { _mm256_maskstore_pd(p, m.lanes, x); }

/* Stored ones: see simd_avx512.h. */
static inline vec_f32 vec_widen_bf16(__m128i x)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16));
}

static inline __m128i vec_narrow_bf16(vec_f32 x)
{
    const __m256i bits = _mm256_castps_si256(x), high = _mm256_srli_epi32(bits, 16);
    const __m256i half = _mm256_add_epi32(_mm256_and_si256(high, _mm256_set1_epi32(1)), _mm256_set1_epi32(0x7fff));
    const __m256i near = _mm256_srli_epi32(_mm256_add_epi32(bits, half), 16);
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    const __m256i all = _mm256_blendv_epi8(near, _mm256_or_si256(high, _mm256_set1_epi32(0x40)), nan);
    return _mm_packus_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
}

static inline __m128i vec_narrow_f16(vec_f32 x)
{
    return _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* No instruction loads or stores a first part of 16-bit lanes: whole pairs of them, and the last one if it is odd. */
static inline __m128i vec_pairs_mask_16(vec_mask_f32 m)
{
    const __m256i even = _mm256_and_si256(m.lanes, _mm256_srli_epi64(m.lanes, 32)); /* low half: both of the pair */
    return _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(even, _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6)));
}

static inline __m128i vec_first_16(const uint16_t *p, vec_mask_f32 m)
{
    const int count = __builtin_popcount((unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(m.lanes)));
    __m128i x = _mm_maskload_epi32((const int *)(const void *)p, vec_pairs_mask_16(m));
    if (count & 1) {
        const __m128i lane = _mm_setr_epi16(0, 1, 2, 3, 4, 5, 6, 7);
        const __m128i here = _mm_cmpeq_epi16(lane, _mm_set1_epi16((short)(count - 1)));
        x = _mm_or_si128(x, _mm_and_si128(here, _mm_set1_epi16((short)p[count - 1])));
    }
    return x;
}

static inline void vec_put_first_16(uint16_t *p, vec_mask_f32 m, __m128i x)
{
    const int count = __builtin_popcount((unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(m.lanes)));
    _mm_maskstore_epi32((int *)(void *)p, vec_pairs_mask_16(m), x);
    if (count & 1) {
        const __m128i at = _mm_set1_epi16((short)(2 * (count - 1) | (2 * (count - 1) + 1) << 8));
        p[count - 1] = (uint16_t)_mm_extract_epi16(_mm_shuffle_epi8(x, at), 0);
    }
}

static inline vec_f32 vec_load_bf16(const stored_bf16 *p) { return vec_widen_bf16(_mm_loadu_si128((const void *)p)); }
static inline vec_f32 vec_load_f16(const stored_f16 *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const void *)p)); }

static inline vec_f32 vec_load_first_bf16(const stored_bf16 *p, vec_mask_f32 m)
{
    return vec_widen_bf16(vec_first_16(&p->bits, m));
}

static inline vec_f32 vec_load_first_f16(const stored_f16 *p, vec_mask_f32 m)
{
    return _mm256_cvtph_ps(vec_first_16(&p->bits, m));
}

static inline void vec_store_bf16(stored_bf16 *p, vec_f32 x) { _mm_storeu_si128((void *)p, vec_narrow_bf16(x)); }
static inline void vec_store_f16(stored_f16 *p, vec_f32 x) { _mm_storeu_si128((void *)p, vec_narrow_f16(x)); }

static inline void vec_store_first_bf16(stored_bf16 *p, vec_mask_f32 m, vec_f32 x)
{
    vec_put_first_16(&p->bits, m, vec_narrow_bf16(x));
}

static inline void vec_store_first_f16(stored_f16 *p, vec_mask_f32 m, vec_f32 x)
{
    vec_put_first_16(&p->bits, m, vec_narrow_f16(x));
}

/* Whole numbers in memory: see simd_avx512.h. */
static inline __m256i vec_whole(vec_f32 x)
{
    const __m256 many = _mm256_cmp_ps(x, _mm256_set1_ps(0x1p31f), _CMP_GE_OQ), number = _mm256_cmp_ps(x, x, _CMP_ORD_Q);
    const __m256i most = _mm256_set1_epi32(INT32_MAX);
    const __m256i whole = _mm256_blendv_epi8(_mm256_cvtps_epi32(x), most, _mm256_castps_si256(many));
    return _mm256_and_si256(whole, _mm256_castps_si256(number));
}

static inline int vec_count_of(vec_mask_f32 m)
{
    return __builtin_popcount((unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(m.lanes)));
}

static inline __m128i vec_first_8(const void *p, int count)
{
    int64_t bytes = 0;
    if (count == 8)
        __builtin_memcpy(&bytes, p, 8);
    else
        for (int i = 0; i < count; i++) bytes |= (int64_t)((const uint8_t *)p)[i] << (8 * i);
    return _mm_cvtsi64_si128(bytes);
}

static inline void vec_put_first_8(void *p, int count, __m128i x)
{
    const int64_t bytes = _mm_cvtsi128_si64(x);
    if (count == 8)
        __builtin_memcpy(p, &bytes, 8);
    else
        for (int i = 0; i < count; i++) ((uint8_t *)p)[i] = (uint8_t)(bytes >> (8 * i));
}

static inline vec_f32 vec_load_first_s32(const int32_t *p, vec_mask_f32 m)
{
    return _mm256_cvtepi32_ps(_mm256_maskload_epi32(p, m.lanes));
}

static inline vec_f32 vec_load_first_s8(const int8_t *p, vec_mask_f32 m)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(vec_first_8(p, vec_count_of(m))));
}

static inline vec_f32 vec_load_first_u8(const uint8_t *p, vec_mask_f32 m)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(vec_first_8(p, vec_count_of(m))));
}

static inline void vec_store_first_s32(int32_t *p, vec_mask_f32 m, vec_f32 x)
{
    _mm256_maskstore_epi32(p, m.lanes, vec_whole(x));
}

static inline __m128i vec_whole_16(vec_f32 x)
{
    const __m256i whole = vec_whole(x);
    return _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
}

static inline void vec_store_first_s8(int8_t *p, vec_mask_f32 m, vec_f32 x)
{
    const __m128i whole = vec_whole_16(x);
    vec_put_first_8(p, vec_count_of(m), _mm_packs_epi16(whole, whole));
}

static inline void vec_store_first_u8(uint8_t *p, vec_mask_f32 m, vec_f32 x)
{
    const __m128i whole = vec_whole_16(x);
    vec_put_first_8(p, vec_count_of(m), _mm_packus_epi16(whole, whole));
}

static inline vec_f32 vec_if_less_f32(vec_f32 a, vec_f32 b, vec_f32 x, vec_f32 y)
{
    return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}

static inline vec_f64 vec_if_less_f64(vec_f64 a, vec_f64 b, vec_f64 x, vec_f64 y)
{
    return _mm256_blendv_pd(y, x, _mm256_cmp_pd(a, b, _CMP_LT_OQ));
}

static inline vec_f32 vec_round_f32(vec_f32 x)
{
    return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

static inline vec_f64 vec_round_f64(vec_f64 x)
{
    return _mm256_round_pd(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* x * 2^n for x near 1 and n whole, within the range of twice an exponent: rounded once, as the first of
 * the two factors leaves x exact. */
static inline vec_f32 vec_scale2_f32(vec_f32 x, vec_f32 n)
{
    __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1), one = _mm256_set1_epi32(127);
    __m256i rest = _mm256_sub_epi32(whole, half);
    x *= _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, one), 23));
    return x * _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, one), 23));
}

static inline vec_f64 vec_scale2_f64(vec_f64 x, vec_f64 n)
{
    __m128i whole = _mm256_cvtpd_epi32(n), half = _mm_srai_epi32(whole, 1), one = _mm_set1_epi32(1023);
    __m128i rest = _mm_sub_epi32(whole, half);
    x *= _mm256_castsi256_pd(_mm256_slli_epi64(_mm256_cvtepi32_epi64(_mm_add_epi32(half, one)), 52));
    return x * _mm256_castsi256_pd(_mm256_slli_epi64(_mm256_cvtepi32_epi64(_mm_add_epi32(rest, one)), 52));
}

static inline vec_f32 vec_with_sign_f32(vec_f32 x, vec_f32 s)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return _mm256_or_ps(_mm256_andnot_ps(sign, x), _mm256_and_ps(sign, s));
}

static inline vec_f64 vec_with_sign_f64(vec_f64 x, vec_f64 s)
{
    const __m256d sign = _mm256_set1_pd(-0.0);
    return _mm256_or_pd(_mm256_andnot_pd(sign, x), _mm256_and_pd(sign, s));
}

static inline void vec_transpose_f32(vec_f32 x[VEC_LANES_F32])
{
    __m256 y[8];
    for (int i = 0; i < 8; i += 2) {
        y[i] = _mm256_unpacklo_ps(x[i], x[i + 1]);
        y[i + 1] = _mm256_unpackhi_ps(x[i], x[i + 1]);
    }
    for (int i = 0; i < 8; i += 4)
        for (int j = 0; j < 2; j++) {
            x[i + 2 * j] = _mm256_shuffle_ps(y[i + j], y[i + 2 + j], 0x44);
            x[i + 2 * j + 1] = _mm256_shuffle_ps(y[i + j], y[i + 2 + j], 0xee);
        }
    for (int j = 0; j < 4; j++) {
        y[j] = _mm256_permute2f128_ps(x[j], x[4 + j], 0x20);
        y[4 + j] = _mm256_permute2f128_ps(x[j], x[4 + j], 0x31);
    }
    for (int j = 0; j < 8; j++)
        x[j] = y[j];
}

static inline void vec_transpose_f64(vec_f64 x[VEC_LANES_F64])
{
    __m256d y[4];
    for (int i = 0; i < 4; i += 2) {
        y[i] = _mm256_unpacklo_pd(x[i], x[i + 1]);
        y[i + 1] = _mm256_unpackhi_pd(x[i], x[i + 1]);
    }
    for (int j = 0; j < 2; j++) {
        x[j] = _mm256_permute2f128_pd(y[j], y[2 + j], 0x20);
        x[2 + j] = _mm256_permute2f128_pd(y[j], y[2 + j], 0x31);
    }
}

/* Lane i is the sum of the lanes of x[i], by the same tree for each. In: lanes vectors, which are spent. */
static inline vec_f32 vec_sums_f32(vec_f32 x[VEC_LANES_F32])
{
    for (int i = 0; i < 4; i++)
        x[i] = _mm256_unpacklo_ps(x[2 * i], x[2 * i + 1]) + _mm256_unpackhi_ps(x[2 * i], x[2 * i + 1]);
    for (int i = 0; i < 2; i++)
        x[i] = _mm256_shuffle_ps(x[2 * i], x[2 * i + 1], 0x44) + _mm256_shuffle_ps(x[2 * i], x[2 * i + 1], 0xee);
    return _mm256_permute2f128_ps(x[0], x[1], 0x20) + _mm256_permute2f128_ps(x[0], x[1], 0x31);
}

static inline vec_f64 vec_sums_f64(vec_f64 x[VEC_LANES_F64])
{
    for (int i = 0; i < 2; i++)
        x[i] = _mm256_unpacklo_pd(x[2 * i], x[2 * i + 1]) + _mm256_unpackhi_pd(x[2 * i], x[2 * i + 1]);
    return _mm256_permute2f128_pd(x[0], x[1], 0x20) + _mm256_permute2f128_pd(x[0], x[1], 0x31);
}

static inline vec_f32 vec_load_group_f32(const float *p, int count)
{
    double two;
    switch (count) {
    case 1: return vec_broadcast_f32(*p);
    case 2: __builtin_memcpy(&two, p, sizeof two); return _mm256_castpd_ps(_mm256_set1_pd(two));
    case 4: return _mm256_broadcast_ps((const __m128 *)p);
    default: return vec_load_f32(p);
    }
}

static inline vec_f64 vec_load_group_f64(const double *p, int count)
{
    switch (count) {
    case 1: return vec_broadcast_f64(*p);
    case 2: return _mm256_broadcast_pd((const __m128d *)p);
    default: return vec_load_f64(p);
    }
}

/* The sums of neighbours: those of x, then those of y. */
static inline vec_f32 vec_pairs_f32(vec_f32 x, vec_f32 y)
{
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(_mm256_hadd_ps(x, y)), 0xd8));
}

static inline vec_f64 vec_pairs_f64(vec_f64 x, vec_f64 y) { return _mm256_permute4x64_pd(_mm256_hadd_pd(x, y), 0xd8); }

/* Lane i of vec_permute(x, index) is lane index[i] of x; a double moves as two halves. */
typedef __m256i vec_index_f32;
typedef __m256i vec_index_f64;
static inline void vec_index_put_f32(void *room, int lane, int from) { ((int32_t *)room)[lane] = from; }

static inline void vec_index_put_f64(void *room, int lane, int from)
{
    ((int32_t *)room)[2 * lane] = 2 * from;
    ((int32_t *)room)[2 * lane + 1] = 2 * from + 1;
}

static inline vec_index_f32 vec_index_load_f32(const void *room) { return _mm256_loadu_si256(room); }
static inline vec_index_f64 vec_index_load_f64(const void *room) { return _mm256_loadu_si256(room); }
static inline vec_f32 vec_permute_f32(vec_f32 x, vec_index_f32 index) { return _mm256_permutevar8x32_ps(x, index); }

static inline vec_f64 vec_permute_f64(vec_f64 x, vec_index_f64 index)
{
    return _mm256_castps_pd(_mm256_permutevar8x32_ps(_mm256_castpd_ps(x), index));
}

#include "kernels/common/simd_words.h"

#endif
