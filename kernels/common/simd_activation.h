/* The activations of epilogues (hone/matmul.h, HONE_STEP_LIST) and their slopes, for whole vectors.
 *
 * gelu in its tanh form is x times a sigmoid, as (1 + tanh u) / 2 = 1 / (1 + e^-2u): so nothing cancels for negative x.
 * Slopes take their argument no further from 0 than where they are constant, so that no square of it overflows. */
#ifndef HONE_KERNELS_COMMON_SIMD_ACTIVATION_H
#define HONE_KERNELS_COMMON_SIMD_ACTIVATION_H

#include "kernels/common/simd_math.h"

/* 1 / (1 + e^-x) */
static inline vec_f32 vec_sigmoid_f32(vec_f32 x)
{
    const vec_f32 one = vec_broadcast_f32(1.0f);
    return one / (one + vec_exp_f32(-x));
}

/* 1 / (1 + e^-x), and what it lacks to 1: not by subtraction, which would lose places where the lack is small. */
static inline vec_f32 vec_sigmoid_and_rest_f32(vec_f32 x, vec_f32 *rest)
{
    const vec_f32 one = vec_broadcast_f32(1.0f);
    vec_f32 e = vec_exp_f32(-x), s = one / (one + e);
    *rest = vec_if_less_f32(x, vec_broadcast_f32(-40.0f), one, e * s);
    return s;
}

static inline vec_f32 vec_relu_f32(vec_f32 x)
{
    const vec_f32 zero = vec_broadcast_f32(0.0f);
    return vec_if_less_f32(x, zero, zero, x);
}

static inline vec_f32 vec_relu_slope_f32(vec_f32 x)
{
    const vec_f32 zero = vec_broadcast_f32(0.0f);
    return vec_if_less_f32(zero, x, vec_broadcast_f32(1.0f), zero);
}

/* x between -limit and limit; NaN stays NaN. */
static inline vec_f32 vec_within_f32(vec_f32 x, vec_f32 limit)
{
    x = vec_if_less_f32(limit, x, limit, x);
    return vec_if_less_f32(x, -limit, -limit, x);
}

/* 2 sqrt(2 / pi) (x + 0.044715 x^3) */
static inline vec_f32 vec_gelu_f32(vec_f32 x)
{
    const vec_f32 once = vec_broadcast_f32(1.5957691216057307117f), thrice = vec_broadcast_f32(0.071354816272600249f);
    return x * vec_sigmoid_f32(x * vec_fma_f32(x * x, thrice, once));
}

static inline vec_f32 vec_gelu_slope_f32(vec_f32 x)
{
    const vec_f32 once = vec_broadcast_f32(1.5957691216057307117f), thrice = vec_broadcast_f32(0.071354816272600249f);
    x = vec_within_f32(x, vec_broadcast_f32(32.0f));
    vec_f32 square = x * x, rest, s = vec_sigmoid_and_rest_f32(x * vec_fma_f32(square, thrice, once), &rest);
    vec_f32 slope = vec_fma_f32(square, vec_broadcast_f32(0.214064448817800747f), once);
    return vec_fma_f32(x * slope, s * rest, s);
}

static inline vec_f32 vec_gelu_erf_f32(vec_f32 x)
{
    const vec_f32 half = x * vec_broadcast_f32(0.5f);
    return vec_fma_f32(half, vec_erf_f32(x * vec_broadcast_f32(0.70710678118654752440f)), half);
}

static inline vec_f32 vec_gelu_erf_slope_f32(vec_f32 x)
{
    const vec_f32 half = vec_broadcast_f32(0.5f);
    x = vec_within_f32(x, vec_broadcast_f32(64.0f));
    vec_f32 bell = vec_exp_f32(x * x * -half) * vec_broadcast_f32(0.39894228040143267794f);
    vec_f32 share = vec_fma_f32(half, vec_erf_f32(x * vec_broadcast_f32(0.70710678118654752440f)), half);
    return vec_fma_f32(x, bell, share);
}

static inline vec_f32 vec_silu_f32(vec_f32 x) { return x * vec_sigmoid_f32(x); }

static inline vec_f32 vec_silu_slope_f32(vec_f32 x)
{
    const vec_f32 one = vec_broadcast_f32(1.0f);
    x = vec_within_f32(x, vec_broadcast_f32(1024.0f));
    vec_f32 rest, s = vec_sigmoid_and_rest_f32(x, &rest);
    return s * vec_fma_f32(x, rest, one);
}

/* 1 / (1 + e^-x) */
static inline vec_f64 vec_sigmoid_f64(vec_f64 x)
{
    const vec_f64 one = vec_broadcast_f64(1.0);
    return one / (one + vec_exp_f64(-x));
}

/* 1 / (1 + e^-x), and what it lacks to 1: not by subtraction, which would lose places where the lack is small. */
static inline vec_f64 vec_sigmoid_and_rest_f64(vec_f64 x, vec_f64 *rest)
{
    const vec_f64 one = vec_broadcast_f64(1.0);
    vec_f64 e = vec_exp_f64(-x), s = one / (one + e);
    *rest = vec_if_less_f64(x, vec_broadcast_f64(-40.0), one, e * s);
    return s;
}

static inline vec_f64 vec_relu_f64(vec_f64 x)
{
    const vec_f64 zero = vec_broadcast_f64(0.0);
    return vec_if_less_f64(x, zero, zero, x);
}

static inline vec_f64 vec_relu_slope_f64(vec_f64 x)
{
    const vec_f64 zero = vec_broadcast_f64(0.0);
    return vec_if_less_f64(zero, x, vec_broadcast_f64(1.0), zero);
}

/* x between -limit and limit; NaN stays NaN. */
static inline vec_f64 vec_within_f64(vec_f64 x, vec_f64 limit)
{
    x = vec_if_less_f64(limit, x, limit, x);
    return vec_if_less_f64(x, -limit, -limit, x);
}

/* 2 sqrt(2 / pi) (x + 0.044715 x^3) */
static inline vec_f64 vec_gelu_f64(vec_f64 x)
{
    const vec_f64 once = vec_broadcast_f64(1.5957691216057307117), thrice = vec_broadcast_f64(0.071354816272600249);
    return x * vec_sigmoid_f64(x * vec_fma_f64(x * x, thrice, once));
}

static inline vec_f64 vec_gelu_slope_f64(vec_f64 x)
{
    const vec_f64 once = vec_broadcast_f64(1.5957691216057307117), thrice = vec_broadcast_f64(0.071354816272600249);
    x = vec_within_f64(x, vec_broadcast_f64(32.0));
    vec_f64 square = x * x, rest, s = vec_sigmoid_and_rest_f64(x * vec_fma_f64(square, thrice, once), &rest);
    vec_f64 slope = vec_fma_f64(square, vec_broadcast_f64(0.214064448817800747), once);
    return vec_fma_f64(x * slope, s * rest, s);
}

static inline vec_f64 vec_gelu_erf_f64(vec_f64 x)
{
    const vec_f64 half = x * vec_broadcast_f64(0.5);
    return vec_fma_f64(half, vec_erf_f64(x * vec_broadcast_f64(0.70710678118654752440)), half);
}

static inline vec_f64 vec_gelu_erf_slope_f64(vec_f64 x)
{
    const vec_f64 half = vec_broadcast_f64(0.5);
    x = vec_within_f64(x, vec_broadcast_f64(64.0));
    vec_f64 bell = vec_exp_f64(x * x * -half) * vec_broadcast_f64(0.39894228040143267794);
    vec_f64 share = vec_fma_f64(half, vec_erf_f64(x * vec_broadcast_f64(0.70710678118654752440)), half);
    return vec_fma_f64(x, bell, share);
}

static inline vec_f64 vec_silu_f64(vec_f64 x) { return x * vec_sigmoid_f64(x); }

static inline vec_f64 vec_silu_slope_f64(vec_f64 x)
{
    const vec_f64 one = vec_broadcast_f64(1.0);
    x = vec_within_f64(x, vec_broadcast_f64(1024.0));
    vec_f64 rest, s = vec_sigmoid_and_rest_f64(x, &rest);
    return s * vec_fma_f64(x, rest, one);
}

#define vec_relu(x)            _Generic((x), vec_f32: vec_relu_f32, vec_f64: vec_relu_f64)(x)
#define vec_relu_slope(x)      _Generic((x), vec_f32: vec_relu_slope_f32, vec_f64: vec_relu_slope_f64)(x)
#define vec_gelu(x)            _Generic((x), vec_f32: vec_gelu_f32, vec_f64: vec_gelu_f64)(x)
#define vec_gelu_slope(x)      _Generic((x), vec_f32: vec_gelu_slope_f32, vec_f64: vec_gelu_slope_f64)(x)
#define vec_gelu_erf(x)        _Generic((x), vec_f32: vec_gelu_erf_f32, vec_f64: vec_gelu_erf_f64)(x)
#define vec_gelu_erf_slope(x)  _Generic((x), vec_f32: vec_gelu_erf_slope_f32, vec_f64: vec_gelu_erf_slope_f64)(x)
#define vec_silu(x)            _Generic((x), vec_f32: vec_silu_f32, vec_f64: vec_silu_f64)(x)
#define vec_silu_slope(x)      _Generic((x), vec_f32: vec_silu_slope_f32, vec_f64: vec_silu_slope_f64)(x)

#endif
