/* One step on one element in the type STEP_T; step.h includes this once a type, and says more. */

/* How steep an activation is at t. */
static inline STEP_T STEP_SLOPE(hone_step_kind kind, STEP_T t)
{
    switch (kind) {
    case HONE_STEP_RELU_GRADIENT: return t > 0 ? 1 : 0;
    case HONE_STEP_GELU_GRADIENT: {
        STEP_T h = STEP_TANH((STEP_T)HONE_SQRT_2_BY_PI * (t + (STEP_T)HONE_GELU_CUBE * t * t * t));
        STEP_T dz = (STEP_T)HONE_SQRT_2_BY_PI * (1 + 3 * (STEP_T)HONE_GELU_CUBE * t * t);
        return (1 + h) / 2 + t / 2 * (1 - h * h) * dz;
    }
    case HONE_STEP_GELU_ERF_GRADIENT: {
        STEP_T z = t * (STEP_T)HONE_SQRT_1_BY_2;
        return (1 + STEP_ERF(z)) / 2 + z * (STEP_T)HONE_1_BY_SQRT_PI * STEP_EXP(-z * z);
    }
    case HONE_STEP_SILU_GRADIENT: {
        STEP_T s = 1 / (1 + STEP_EXP(-t));
        return s + t * s * (1 - s);
    }
    default: return 1;
    }
}

static inline STEP_T STEP_APPLY(hone_step_kind kind, STEP_T x, STEP_T value, STEP_T t)
{
    switch (kind) {
    case HONE_STEP_BIAS:
    case HONE_STEP_BIAS_ROWS:
    case HONE_STEP_RESIDUAL: return x + t;
    case HONE_STEP_RELU: return x <= 0 ? 0 : x;
    case HONE_STEP_GELU:
        return x / 2 * (1 + STEP_TANH((STEP_T)HONE_SQRT_2_BY_PI * (x + (STEP_T)HONE_GELU_CUBE * x * x * x)));
    case HONE_STEP_GELU_ERF: return x / 2 * (1 + STEP_ERF(x * (STEP_T)HONE_SQRT_1_BY_2));
    case HONE_STEP_SILU: return x / (1 + STEP_EXP(-x));
    case HONE_STEP_SCALE: return x * value;
    case HONE_STEP_SCALE_COLUMNS:
    case HONE_STEP_SCALE_ROWS: return x * t;
    case HONE_STEP_SHIFT: return x + value;
    case HONE_STEP_RELU_GRADIENT:
    case HONE_STEP_GELU_GRADIENT:
    case HONE_STEP_GELU_ERF_GRADIENT:
    case HONE_STEP_SILU_GRADIENT: return x * STEP_SLOPE(kind, t);
    default: break; /* a store; and what is not done to x */
    }
    return x;
}

#undef STEP_T
#undef STEP_SLOPE
#undef STEP_APPLY
#undef STEP_TANH
#undef STEP_ERF
#undef STEP_EXP
