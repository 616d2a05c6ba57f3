/* The steps of an epilogue on one element: as they are defined (double), more exactly (double-double), as a plain loop
 * does them (the type itself, with libm), and how far a sound way to compute them may go astray.
 *
 * x is the value so far, `value` the step's own number, t the element of its operand where it reads one. */
#ifndef HONE_KERNELS_COMMON_STEP_H
#define HONE_KERNELS_COMMON_STEP_H

#include <float.h>
#include <math.h>

#include "kernels/common/dd.h"
#include "kernels/common/epilogue.h"

#define HONE_SQRT_2_BY_PI 0.79788456080286535587989211986876373695L
#define HONE_SQRT_1_BY_2  0.70710678118654752440084436210484903928L
#define HONE_1_BY_SQRT_PI 0.56418958354775628694807945156077258584L
#define HONE_GELU_CUBE    0.044715L

#define STEP_T     float
#define STEP_SLOPE hone_step_slope_f32
#define STEP_APPLY hone_step_f32
#define STEP_TANH  tanhf
#define STEP_ERF   erff
#define STEP_EXP   expf
#include "kernels/common/step.inl"

#define STEP_T     double
#define STEP_SLOPE hone_step_slope_f64
#define STEP_APPLY hone_step_f64
#define STEP_TANH  tanh
#define STEP_ERF   erf
#define STEP_EXP   exp
#include "kernels/common/step.inl"

#define STEP_T     long double
#define STEP_SLOPE hone_step_slope_long
#define STEP_APPLY hone_step_long
#define STEP_TANH  tanhl
#define STEP_ERF   erfl
#define STEP_EXP   expl
#include "kernels/common/step.inl"

/* The truth where double is not enough. Activations go through long double: 11 bits more than is judged, or 60. */
static inline hone_dd hone_step_dd(hone_step_kind kind, hone_dd x, double value, double t)
{
    switch (kind) {
    case HONE_STEP_BIAS:
    case HONE_STEP_BIAS_ROWS:
    case HONE_STEP_RESIDUAL: return hone_dd_add(x, hone_dd_of(t));
    case HONE_STEP_RELU: return x.high <= 0 ? hone_dd_of(0) : x;
    case HONE_STEP_SCALE: return hone_dd_mul(x, hone_dd_of(value));
    case HONE_STEP_SCALE_COLUMNS:
    case HONE_STEP_SCALE_ROWS: return hone_dd_mul(x, hone_dd_of(t));
    case HONE_STEP_SHIFT: return hone_dd_add(x, hone_dd_of(value));
    case HONE_STEP_RELU_GRADIENT: return hone_dd_mul(x, hone_dd_of(hone_step_slope_f64(kind, t)));
    case HONE_STEP_NONE:
    case HONE_STEP_STORE: return x;
    default: return hone_dd_from_long(hone_step_long(kind, hone_dd_long(x), value, t));
    }
}

/* By how much, at most, an error of x grows in the step. */
static inline double hone_step_growth(hone_step_kind kind, double value, double t)
{
    switch (kind) {
    case HONE_STEP_SCALE: return fabs(value);
    case HONE_STEP_SCALE_COLUMNS:
    case HONE_STEP_SCALE_ROWS: return fabs(t);
    case HONE_STEP_GELU: return 1.13; /* the steepest place of each activation, rounded up */
    case HONE_STEP_GELU_ERF: return 1.13;
    case HONE_STEP_SILU: return 1.10;
    default: return fabs(hone_step_slope_f64(kind, t)); /* 1 for what has no slope */
    }
}

/* What evaluating the step may add, in arithmetic of unit roundoff u, whose smallest normal number is `tiny`: each
 * operation rounds once, tanh, erf and exp are within 2 ulp (4u of their value). The sums 1 + tanh and 1 + erf cancel
 * for negative x, so that these errors, not their share of what is left, are what counts there; and where exp leaves
 * the range on either side, a sigmoid may be off by a few tiny numbers. */
static inline double hone_step_error(hone_step_kind kind, double x, double value, double t, double u, double tiny)
{
    switch (kind) {
    case HONE_STEP_BIAS:
    case HONE_STEP_BIAS_ROWS:
    case HONE_STEP_RESIDUAL: return u * fabs(x + t);
    case HONE_STEP_SCALE: return 2 * u * fabs(x * value); /* value is rounded to the type too */
    case HONE_STEP_SCALE_COLUMNS:
    case HONE_STEP_SCALE_ROWS: return u * fabs(x * t);
    case HONE_STEP_SHIFT: return u * (fabs(x + value) + fabs(value)); /* value is rounded too */
    case HONE_STEP_RELU_GRADIENT: return u * fabs(x);
    case HONE_STEP_GELU: {
        double z = (double)HONE_SQRT_2_BY_PI * (x + (double)HONE_GELU_CUBE * x * x * x), h = tanh(z);
        double flat = isfinite(z) ? fabs(z) * (1 - h * h) : 0; /* z is within 8u of its value: seven roundings */
        return u * (fabs(x) / 2 * (4 * fabs(h) + 8 * flat + (1 + h)) + 3 * fabs(x) / 2 * (1 + h)) + 4 * tiny * fabs(x);
    }
    case HONE_STEP_GELU_ERF: {
        double z = x * (double)HONE_SQRT_1_BY_2, h = erf(z);
        double flat = 2 * (double)HONE_1_BY_SQRT_PI * fabs(z) * exp(-z * z); /* z is within 3u */
        return u * (fabs(x) / 2 * (4 * fabs(h) + 3 * flat + (1 + h)) + 3 * fabs(x) / 2 * (1 + h)) + 4 * tiny * fabs(x);
    }
    case HONE_STEP_SILU: {
        double s = 1 / (1 + exp(-x));
        return u * fabs(x) * s * (4 * (1 - s) + 4) + 4 * tiny * fabs(x);
    }
    case HONE_STEP_GELU_GRADIENT: {
        double z = (double)HONE_SQRT_2_BY_PI * (t + (double)HONE_GELU_CUBE * t * t * t), h = tanh(z);
        double dz = (double)HONE_SQRT_2_BY_PI * (1 + 3 * (double)HONE_GELU_CUBE * t * t), steep = fabs(t) / 2 * dz;
        double flat = isfinite(z) ? fabs(z) * (1 - h * h) : 0;
        double of_tanh = 4 * fabs(h) + 8 * flat;
        double of_slope = of_tanh / 2 + (1 + h) + steep * (2 * fabs(h) * of_tanh + 2 + 8 * (1 - h * h));
        return u * fabs(x) * (of_slope + 3 * fabs(hone_step_slope_f64(kind, t)));
    }
    case HONE_STEP_GELU_ERF_GRADIENT: {
        double z = t * (double)HONE_SQRT_1_BY_2, h = erf(z);
        double bell = (double)HONE_1_BY_SQRT_PI * exp(-z * z);
        double of_slope = 2 * fabs(h) + 3 * fabs(z) * bell + (1 + h) + fabs(z) * bell * (10 + 8 * z * z);
        return u * fabs(x) * (of_slope + 3 * fabs(hone_step_slope_f64(kind, t))) + 4 * tiny * fabs(x);
    }
    case HONE_STEP_SILU_GRADIENT: {
        double s = 1 / (1 + exp(-t));
        double of_slope = s * (8 + 10 * fabs(t));
        return u * fabs(x) * (of_slope + 3 * fabs(hone_step_slope_f64(kind, t))) + 4 * tiny * fabs(x) * (1 + fabs(t));
    }
    default: return 0;
    }
}

#endif
