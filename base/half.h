/* bf16 and f16 as numbers: their bits to float, and back, rounded to nearest even; NaN stays NaN. Every value of both
 * is a float. Vectors of them are the kernels' own affair (kernels/common/simd_*.h). */
#ifndef HONE_BASE_HALF_H
#define HONE_BASE_HALF_H

#include <stdint.h>
#include <string.h>

static inline uint32_t hone_f32_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float hone_f32_of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline float hone_bf16_to_f32(uint16_t half)
{
    return hone_f32_of_bits((uint32_t)half << 16);
}

static inline uint16_t hone_bf16_from_f32(float x)
{
    uint32_t bits = hone_f32_bits(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(bits >> 16 | 0x40u); /* quiet, so that cuts keep it NaN */
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

static inline float hone_f16_to_f32(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, rest = half & 0x7fffu;
    if (rest >= 0x7c00u) return hone_f32_of_bits(sign | 0x7f800000u | (rest & 0x3ffu) << 13);
    if (rest >= 0x400u) return hone_f32_of_bits(sign | ((rest << 13) + (112u << 23)));
    float small = (float)rest * 0x1p-24f; /* 0 and the denormals */
    return sign ? -small : small;
}

static inline uint16_t hone_f16_from_f32(float x)
{
    uint32_t bits = hone_f32_bits(x), sign = bits >> 16 & 0x8000u, rest = bits & 0x7fffffffu;
    if (rest > 0x7f800000u) return (uint16_t)(sign | 0x7e00u | (rest >> 13 & 0x1ffu));
    if (rest >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u); /* 65520 and beyond */
    if (rest >= 0x38800000u) return (uint16_t)(sign | (rest - (112u << 23) + 0xfffu + (rest >> 13 & 1)) >> 13);
    /* Below 2^-14 an ulp is 2^-24: adding 0.5, whose ulp in float that is, rounds to it. */
    return (uint16_t)(sign | (hone_f32_bits(hone_f32_of_bits(rest) + 0.5f) - 0x3f000000u));
}

/* A double cut to float, its last bit set where something was cut off ("round to odd"): rounded further, to a type
 * that is narrower by two bits and more, it gives what the double itself would. */
static inline float hone_f32_odd(double x)
{
    float    near = (float)x;
    uint32_t bits = hone_f32_bits(near);
    if ((double)near == x || x != x) return near;
    if ((x < 0 ? -(double)near : (double)near) > (x < 0 ? -x : x)) bits--; /* towards 0; from infinity too */
    return hone_f32_of_bits(bits | 1);
}

static inline uint16_t hone_bf16_from_f64(double x)
{
    return hone_bf16_from_f32(hone_f32_odd(x));
}

static inline uint16_t hone_f16_from_f64(double x)
{
    return hone_f16_from_f32(hone_f32_odd(x));
}

#endif
