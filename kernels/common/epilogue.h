/* The steps done to a result before it is stored: the same list for every op that has an epilogue. Which step does what
 * is told in hone/matmul.h, at HONE_STEP_LIST. */
#ifndef HONE_KERNELS_COMMON_EPILOGUE_H
#define HONE_KERNELS_COMMON_EPILOGUE_H

#include <stdbool.h>
#include <stdint.h>

#include <hone/matmul.h>

#define HONE_BATCH_MAX 3

/* What a step's operand is. */
typedef enum hone_step_operand {
    HONE_OPERAND_NONE = 0,
    HONE_OPERAND_COLUMNS, /* a vector along n */
    HONE_OPERAND_ROWS,    /* a vector along m */
    HONE_OPERAND_MATRIX,  /* of the result's shape */
    HONE_OPERAND_A,       /* of that of a, */
    HONE_OPERAND_B        /* and of b */
} hone_step_operand;

/* A step as part of a problem; strides in elements, those that do not apply are 0. */
typedef struct hone_epilogue_step {
    int32_t kind; /* hone_step_kind */
    int32_t type; /* hone_dtype of a vector, where it is f32 beside a c of fewer bits; 0: what operands usually are */
    int64_t row_stride, column_stride, batch_stride[HONE_BATCH_MAX];
} hone_epilogue_step;

/* A step as it is launched on one matrix of a batch. `at` is the operand's element (0, 0). */
typedef struct hone_epilogue_now {
    hone_step_kind kind;
    double         value;
    void          *at;
    int64_t        row_stride, column_stride;
    hone_dtype     type; /* of what lies there */
} hone_epilogue_now;

static inline hone_step_operand hone_step_operand_of(hone_step_kind kind)
{
    switch (kind) {
    case HONE_STEP_BIAS:
    case HONE_STEP_SUM_B:
    case HONE_STEP_SCALE_COLUMNS: return HONE_OPERAND_COLUMNS;
    case HONE_STEP_BIAS_ROWS:
    case HONE_STEP_SUM_A:
    case HONE_STEP_SCALE_ROWS: return HONE_OPERAND_ROWS;
    case HONE_STEP_RESIDUAL:
    case HONE_STEP_STORE:
    case HONE_STEP_RELU_GRADIENT:
    case HONE_STEP_GELU_GRADIENT:
    case HONE_STEP_GELU_ERF_GRADIENT:
    case HONE_STEP_SILU_GRADIENT: return HONE_OPERAND_MATRIX;
    case HONE_STEP_A_RELU_GRADIENT:
    case HONE_STEP_A_GELU_GRADIENT:
    case HONE_STEP_A_GELU_ERF_GRADIENT:
    case HONE_STEP_A_SILU_GRADIENT: return HONE_OPERAND_A;
    case HONE_STEP_B_RELU_GRADIENT:
    case HONE_STEP_B_GELU_GRADIENT:
    case HONE_STEP_B_GELU_ERF_GRADIENT:
    case HONE_STEP_B_SILU_GRADIENT: return HONE_OPERAND_B;
    default: return HONE_OPERAND_NONE;
    }
}

static inline bool hone_operand_is_matrix(hone_step_operand form)
{
    return form >= HONE_OPERAND_MATRIX;
}

/* Steps of a and of b, done while that operand is read: sums of it along k, and slopes. */
static inline bool hone_step_is_sum(hone_step_kind kind)
{
    return kind == HONE_STEP_SUM_A || kind == HONE_STEP_SUM_B;
}

static inline bool hone_step_of_a(hone_step_kind kind)
{
    return kind == HONE_STEP_SUM_A || hone_step_operand_of(kind) == HONE_OPERAND_A;
}

static inline bool hone_step_of_b(hone_step_kind kind)
{
    return kind == HONE_STEP_SUM_B || hone_step_operand_of(kind) == HONE_OPERAND_B;
}

static inline bool hone_step_of_operand(hone_step_kind kind)
{
    return kind >= HONE_STEP_SUM_A && kind <= HONE_STEP_B_SILU_GRADIENT;
}

/* The slope of a (b) as a step of the result, whose slope of an activation it is; and back. */
static inline hone_step_kind hone_step_slope_of(hone_step_kind kind)
{
    if (hone_step_operand_of(kind) == HONE_OPERAND_A)
        return (hone_step_kind)(kind - HONE_STEP_A_RELU_GRADIENT + HONE_STEP_RELU_GRADIENT);
    if (hone_step_operand_of(kind) == HONE_OPERAND_B)
        return (hone_step_kind)(kind - HONE_STEP_B_RELU_GRADIENT + HONE_STEP_RELU_GRADIENT);
    return kind;
}

static inline hone_step_kind hone_step_slope_on(hone_step_kind kind, hone_step_operand operand)
{
    return (hone_step_kind)(kind - HONE_STEP_RELU_GRADIENT +
                            (operand == HONE_OPERAND_A ? HONE_STEP_A_RELU_GRADIENT : HONE_STEP_B_RELU_GRADIENT));
}

/* The step of b that does what this one does to a, and the other way round: of the transposed product. */
static inline hone_step_kind hone_step_mirrored(hone_step_kind kind)
{
    switch (hone_step_operand_of(kind)) {
    case HONE_OPERAND_A: return hone_step_slope_on(hone_step_slope_of(kind), HONE_OPERAND_B);
    case HONE_OPERAND_B: return hone_step_slope_on(hone_step_slope_of(kind), HONE_OPERAND_A);
    default: break;
    }
    switch (kind) {
    case HONE_STEP_BIAS: return HONE_STEP_BIAS_ROWS;
    case HONE_STEP_BIAS_ROWS: return HONE_STEP_BIAS;
    case HONE_STEP_SCALE_COLUMNS: return HONE_STEP_SCALE_ROWS;
    case HONE_STEP_SCALE_ROWS: return HONE_STEP_SCALE_COLUMNS;
    case HONE_STEP_SUM_A: return HONE_STEP_SUM_B;
    case HONE_STEP_SUM_B: return HONE_STEP_SUM_A;
    default: return kind;
    }
}

/* Does it multiply by the slope of an activation? */
static inline bool hone_step_is_slope(hone_step_kind kind)
{
    return kind >= HONE_STEP_RELU_GRADIENT && kind <= HONE_STEP_SILU_GRADIENT;
}

/* Does it multiply by an operand, a vector? */
static inline bool hone_step_is_scales(hone_step_kind kind)
{
    return kind == HONE_STEP_SCALE_COLUMNS || kind == HONE_STEP_SCALE_ROWS;
}

/* Is the step exact on integers, so that its result can be told bit for bit? */
static inline bool hone_step_exact(hone_step_kind kind)
{
    switch (kind) {
    case HONE_STEP_BIAS:
    case HONE_STEP_BIAS_ROWS:
    case HONE_STEP_RELU:
    case HONE_STEP_RESIDUAL:
    case HONE_STEP_SCALE:
    case HONE_STEP_SCALE_COLUMNS:
    case HONE_STEP_SCALE_ROWS:
    case HONE_STEP_SHIFT:
    case HONE_STEP_STORE:
    case HONE_STEP_SUM_A:
    case HONE_STEP_SUM_B:
    case HONE_STEP_A_RELU_GRADIENT:
    case HONE_STEP_B_RELU_GRADIENT:
    case HONE_STEP_RELU_GRADIENT: return true;
    default: return false;
    }
}

#endif
