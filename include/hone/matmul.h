/* Matrix products: c = epilogue(alpha * a * b + beta * c). */
#ifndef HONE_MATMUL_H
#define HONE_MATMUL_H

#include <hone/accuracy.h>
#include <hone/api.h>
#include <hone/plan.h>
#include <hone/status.h>
#include <hone/stream.h>
#include <hone/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HONE_STEPS_MAX 4

/* The steps of an epilogue. x is the value so far; the operand t is read or written at the same place. The gradient
 * steps are for backward products: they multiply by the slope of an activation at its stored input t.
 *
 * Those of a and b are done while that operand is read, before it is multiplied, and know nothing of x: slopes, whose t
 * is of a's (b's) shape and type, and sums of what is multiplied, slopes and all, along k, which are written to t. */
#define HONE_STEP_LIST(X)                                                                                              \
    X(HONE_STEP_BIAS, 1, "bias")                          /* x + t[j]: a vector along the columns */                  \
    X(HONE_STEP_BIAS_ROWS, 2, "bias_rows")                /* x + t[i]: a vector along the rows */                     \
    X(HONE_STEP_RELU, 3, "relu")                          /* max(x, 0); NaN stays NaN */                              \
    X(HONE_STEP_GELU, 4, "gelu")                          /* x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) */          \
    X(HONE_STEP_GELU_ERF, 5, "gelu_erf")                  /* x/2 (1 + erf(x / sqrt 2)) */                              \
    X(HONE_STEP_SILU, 6, "silu")                          /* x / (1 + exp(-x)) */                                      \
    X(HONE_STEP_RESIDUAL, 7, "residual")                  /* x + t[i][j]; t may be c itself */                         \
    X(HONE_STEP_SCALE, 8, "scale")                        /* x * value */                                              \
    X(HONE_STEP_STORE, 9, "store")                        /* t[i][j] = x, and goes on with x */                        \
    X(HONE_STEP_RELU_GRADIENT, 10, "relu_gradient")       /* x * (t[i][j] > 0) */                                      \
    X(HONE_STEP_GELU_GRADIENT, 11, "gelu_gradient")       /* x * gelu'(t[i][j]) */                                     \
    X(HONE_STEP_GELU_ERF_GRADIENT, 12, "gelu_erf_gradient")                                                            \
    X(HONE_STEP_SILU_GRADIENT, 13, "silu_gradient")                                                                    \
    X(HONE_STEP_SCALE_COLUMNS, 14, "scale_columns")       /* x * t[j]: a vector along the columns */                  \
    X(HONE_STEP_SCALE_ROWS, 15, "scale_rows")             /* x * t[i]: a vector along the rows */                     \
    X(HONE_STEP_SHIFT, 16, "shift")                       /* x + value */                                              \
    X(HONE_STEP_SUM_A, 17, "sum_a")                       /* t[i] = sum over k of a[i][k], not of alpha */             \
    X(HONE_STEP_SUM_B, 18, "sum_b")                       /* t[j] = sum over k of b[k][j] */                           \
    X(HONE_STEP_A_RELU_GRADIENT, 19, "a_relu_gradient")   /* a[i][k] * (t[i][k] > 0) */                                \
    X(HONE_STEP_A_GELU_GRADIENT, 20, "a_gelu_gradient")   /* a[i][k] * gelu'(t[i][k]) ... */                           \
    X(HONE_STEP_A_GELU_ERF_GRADIENT, 21, "a_gelu_erf_gradient")                                                        \
    X(HONE_STEP_A_SILU_GRADIENT, 22, "a_silu_gradient")                                                                \
    X(HONE_STEP_B_RELU_GRADIENT, 23, "b_relu_gradient")   /* b[k][j] * (t[k][j] > 0) ... */                            \
    X(HONE_STEP_B_GELU_GRADIENT, 24, "b_gelu_gradient")                                                                \
    X(HONE_STEP_B_GELU_ERF_GRADIENT, 25, "b_gelu_erf_gradient")                                                        \
    X(HONE_STEP_B_SILU_GRADIENT, 26, "b_silu_gradient")

#define HONE_STEP_ENUM(name, number, text) name = number,
typedef enum hone_step_kind { HONE_STEP_NONE = 0, HONE_STEP_LIST(HONE_STEP_ENUM) } hone_step_kind;
#undef HONE_STEP_ENUM

typedef struct hone_step {
    hone_step_kind     kind;
    double             value;  /* of HONE_STEP_SCALE and HONE_STEP_SHIFT */
    const hone_tensor *tensor; /* t: of c's type (a vector may be f32 where c is bf16 or f16, and is where c holds
                                  whole numbers); a vector, or of c's shape; its batch extents may broadcast. Of the
                                  steps of a and b: of that operand's type, and of its shape */
} hone_step;

typedef struct hone_matmul_options {
    size_t    size;       /* sizeof(hone_matmul_options) */
    double    alpha;
    double    beta;       /* exactly 0: c is never read, it may hold NaN */
    unsigned  accuracy;   /* HONE_ACCURACY_*: what less than the types' full accuracy is allowed; 0: nothing less */
    int       step_count; /* 0 .. HONE_STEPS_MAX, done in order */
    hone_step steps[HONE_STEPS_MAX];
    double    a_zero; /* zero points, whole numbers that a's and b's types hold: (a - a_zero) (b - b_zero) are */
    double    b_zero; /* ... multiplied; of whole numbers alone, else 0 */
    const hone_tensor *b_scales; /* weights of few bits: b stands for (b - b_zeros) * b_scales; NULL: for itself */
    const hone_tensor *b_zeros;  /* of b_scales' type and shape; NULL: 0 */
    int64_t            b_group;  /* how many consecutive k share a scale; 0: all of them */
} hone_matmul_options;

/** alpha 1, beta 0, no steps: start from this, then set what differs. */
#define HONE_MATMUL_OPTIONS                                                                                            \
    {                                                                                                                  \
        sizeof(hone_matmul_options), 1.0, 0.0, 0u, 0,                                                                  \
        {                                                                                                              \
            {                                                                                                          \
                HONE_STEP_NONE, 0.0, 0                                                                                 \
            }                                                                                                          \
        },                                                                                                             \
            0.0, 0.0, 0, 0, 0                                                                                          \
    }

/** c = a * b, with what `options` adds (NULL: nothing), queued on `stream`; may return before it is done.
 *  a is [...] x m x k, b is [...] x k x n, c is [...] x m x n; any strides; leading extents are a batch, and those of a
 *  and b broadcast against c's. All f64, or each of them f32, bf16 or f16: then products are summed, and steps
 *  are done, in f32, and c is rounded once, to nearest even. Or a is u8 or s8, b s8, and c s32, f32, s8 or u8: then
 *  (a - a_zero) (b - b_zero) are summed in 32 bits, which wrap, what follows is f32, and c is rounded to nearest even
 *  and held at the ends of its type (NaN: 0); with alpha 1, no beta and no steps an s32 c is the sum itself. Or b is
 * s8, u8, s4 or u4 with options->b_scales, [...] x ceil(k / b_group) x n of f32, bf16 or f16, beside an a and a c of
 * these: then (b - b_zeros) * b_scales, as f32 has it, is multiplied; of four bits two elements lie in a byte, the low
 * half first, along n or along k, and all other strides of b are even. An extent of 0 is legal: an empty c is left
 * alone, and k = 0 gives epilogue(beta * c). Operands are borrowed until the stream passes. Without beta c is never
 * read. HONE_ERROR_SHAPE, _TYPE, _OVERLAP (c must not share an element with an input or with itself; a residual may be
 * exactly c), _OVERFLOW, _ARGUMENT, and _UNSUPPORTED (more than three batch dimensions that cannot be merged): c is
 * untouched. One stream, one thread at a time. */
HONE_API HONE_MUST_USE hone_status hone_matmul(hone_stream *stream, const hone_tensor *a, const hone_tensor *b,
                                               hone_tensor *c, const hone_matmul_options *options);

/** Many small products of one shape: c_at[i] = a_at[i] * b_at[i] for i in 0 .. count-1. a, b and c are matrices that
 *  tell type, shape and strides; their own data is not looked at. Steps may be those without an operand, and biases,
 *  which all products share. The arrays and what they point to are borrowed until the stream passes. That the c_at do
 *  not overlap is the caller's promise. Host memory only: a buffer is HONE_ERROR_UNSUPPORTED, and so is a step whose
 *  operand is a matrix. `count` is at most 2^40. A NULL in an array is HONE_ERROR_ARGUMENT before anything is
 *  written. */
HONE_API HONE_MUST_USE hone_status hone_matmul_many(hone_stream *stream, int64_t count, const hone_tensor *a,
                                                    const void *const *a_at, const hone_tensor *b,
                                                    const void *const *b_at, const hone_tensor *c, void *const *c_at,
                                                    const hone_matmul_options *options);

/* Operands and values of a matmul plan, in this order. Operands of steps without one may be left empty. */
enum {
    HONE_MATMUL_A = 0,
    HONE_MATMUL_B,
    HONE_MATMUL_C,
    HONE_MATMUL_STEP0, /* ... STEP0 + HONE_STEPS_MAX - 1 */
    HONE_MATMUL_B_SCALES = HONE_MATMUL_STEP0 + HONE_STEPS_MAX,
    HONE_MATMUL_B_ZEROS,
    HONE_MATMUL_OPERANDS
};
enum {
    HONE_MATMUL_ALPHA = 0,
    HONE_MATMUL_BETA,
    HONE_MATMUL_VALUE0, /* the value of step 0, ... */
    HONE_MATMUL_A_ZERO = HONE_MATMUL_VALUE0 + HONE_STEPS_MAX,
    HONE_MATMUL_B_ZERO,
    HONE_MATMUL_VALUES
};

/** A plan that the caller holds, for operands of these types, shapes, strides and alignments; give it back by
 *  hone_plan_destroy. The plan runs with any memory and values from then on; only whether beta and the zero points
 *  are 0 is fixed here.
 *  A tensor without data promises no more than the alignment of its type. On failure *out is NULL. */
HONE_API HONE_MUST_USE hone_status hone_matmul_plan(hone_device *device, const hone_tensor *a, const hone_tensor *b,
                                                    const hone_tensor *c, const hone_matmul_options *options,
                                                    hone_plan **out);

/** The same for arrays of pointers: the operands a, b and c of a run are then the arrays, and `items` their length.
 *  `count` is what to expect, a help for choosing. */
HONE_API HONE_MUST_USE hone_status hone_matmul_many_plan(hone_device *device, int64_t count, const hone_tensor *a,
                                                         const hone_tensor *b, const hone_tensor *c,
                                                         const hone_matmul_options *options, hone_plan **out);

#ifdef __cplusplus
}
#endif
#endif
