/* What a softmax needs of vectors: the larger of two, and powers of 2, over the vocabulary of simd_<isa>.h, of which
 * one is included before this, with simd_math.h. In f32 alone. */
#ifndef HONE_KERNELS_COMMON_SIMD_EXP2_H
#define HONE_KERNELS_COMMON_SIMD_EXP2_H

#include "kernels/common/simd_math.h"

/* x where it is larger, else y: also where either is not a number. */
static inline vec_f32 vec_larger_f32(vec_f32 x, vec_f32 y)
{
#if VEC_LANES_F32 == 16
    return _mm512_max_ps(x, y);
#elif VEC_LANES_F32 == 8
    return _mm256_max_ps(x, y);
#else
    return vec_if_less_f32(y, x, x, y);
#endif
}

/* (2^r - 1) / r on |r| <= 1/2; its first coefficient is the nearest to ln 2, the others fit what is left. */
static const float vec_exp2_c_f32[] = {
    0x1.62e43p-1f, 0x1.ebfbep-3f, 0x1.c6afeep-5f, 0x1.3b2a8p-7f, 0x1.5ec866p-10f, 0x1.43e716p-13f};

/* 2^x for x <= 0: 1 at 0, 0 at -infinity, NaN of NaN; off by at most 0.81 units in the last place, without fused
 * multiply-add 1.07: looked for by tests/kernels/test_simd_math.c. */
static inline vec_f32 vec_exp2_f32(vec_f32 x)
{
    x = vec_larger_f32(vec_broadcast_f32(-160.0f), x);
    vec_f32 n = vec_round_f32(x), r = x - n;
    vec_f32 y = vec_polynomial_f32(r, vec_exp2_c_f32, VEC_COUNT(vec_exp2_c_f32));
    return vec_scale2_f32(vec_fma_f32(y, r, vec_broadcast_f32(1.0f)), n);
}

#endif
