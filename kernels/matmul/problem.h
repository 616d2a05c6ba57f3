/* What is asked of a matmul, and where its arguments stand.
 *
 *     c[m, n] = steps(alpha * sum over k of a[m, k] * b[k, n]  +  beta * c[m, n])      for each matrix of the batch
 *
 * Arguments, in this order (HONE_MATMUL_A ... of hone/matmul.h): a, b, c, the operand of each of up to four steps, and
 * of weights their scales and zeros.
 * Scalars: alpha, beta, the value of each step, and where they count the zero points of a and b (HONE_MATMUL_ALPHA
 * ...): then (a - a_zero) (b - b_zero) are multiplied.
 *
 * Weights: a, c and the scales are real numbers of at most 32 bits, b whole ones of 8 or 4, and what is multiplied is
 *
 *     (b[k, n] - zeros[k / group_k, n / group_n]) * scales[k / group_k, n / group_n]
 *
 * group_k is as many k as share a scale, group_n as many columns (1, but where the gradient of a turns b round); 0:
 * all. Zeros are real numbers of the scales' type, and may be left out: 0. Elements of four bits lie two in a byte, the
 * low half first, along k or along n, and each line of them begins with a byte: all other strides of b are even.
 *
 * As text, sizes first, then what is not the default:
 *
 *     matmul f32 nn 128x3072x768 +bias+gelu batch=4 ldb=4096
 *
 * One type for all, or those of a, b and c: bf16:bf16:f32. m x n x k. The letters tell how a and b lie: n row-major, t
 * transposed (column-major); c is row-major. Strides that no leading dimension tells are written whole: sa=ROWxCOLUMN,
 * sb=, sc=; batch strides bsa=, bsb=, bsc= (0 repeats). beta=1 says that c is read, a_zero=1 and b_zero=1 that there
 * are zero points; pointers=1 that each operand is an array of pointers, `batch` of them expected. b=n32 says that b is
 * packed (layout.h): it then has no strides, counts as n, and its batch strides count whole matrices; b_bytes= is what
 * one matrix takes, where the tag is a kernel's own.
 *
 * Of weights: group=128, or group=KxN; scales=bf16 where they are not f32; zeros=1 that there are zeros. Where they lie
 * is told by ss=ROWxCOLUMN, bss= and sz=, bsz= where they are not dense, along k first where b is t, else along n.
 */
#ifndef HONE_KERNELS_MATMUL_PROBLEM_H
#define HONE_KERNELS_MATMUL_PROBLEM_H

#include "kernels/common/epilogue.h"
#include "kernels/matmul/layout.h"
#include "kernels/op.h"

enum { HONE_MATMUL_ZERO_A = 1, HONE_MATMUL_ZERO_B = 2, HONE_MATMUL_ZERO_GROUPS = 4 };

/* Where the scales or the zeros of weights lie: a matrix of groups of k by groups of n. Strides in elements. */
typedef struct hone_matmul_groups {
    int64_t row, column, batch[HONE_BATCH_MAX];
} hone_matmul_groups;

typedef struct hone_matmul_problem {
    uint8_t  type_a, type_b, type_c; /* hone_dtype */
    uint8_t  reads_c;                /* 1: the scalar beta counts; 0: c is never read */
    uint8_t  pointers;               /* 1: a, b and c are arrays of pointers; batch[0] is how many are expected */
    uint8_t  batch_rank;             /* 0 .. HONE_BATCH_MAX */
    uint8_t  step_count;
    uint8_t  zeros;                  /* HONE_MATMUL_ZERO_*: whose zero points count; the others are 0 */
    uint32_t accuracy;
    uint8_t  type_scale;             /* of weights: hone_dtype of their scales and zeros; 0: b is what it says */
    uint8_t  zero_too[3];
    int64_t  m, n, k;
    int64_t  a_row, a_column, b_row, b_column, c_row, c_column;  /* strides in elements */
    char     b_layout[HONE_LAYOUT_NAME_MAX];                     /* empty: b is plain; else its strides are 0 */
    int64_t  b_bytes;                                            /* of one packed b; 0: it is plain, or empty */
    int64_t  batch[HONE_BATCH_MAX];                              /* slowest first */
    int64_t  a_batch[HONE_BATCH_MAX], b_batch[HONE_BATCH_MAX], c_batch[HONE_BATCH_MAX];
    hone_epilogue_step step[HONE_STEPS_MAX];
    int64_t            group_k, group_n; /* of weights: how many share a scale; 0: all. Else 0, and so are: */
    hone_matmul_groups scale, zero;
} hone_matmul_problem;

_Static_assert(sizeof(hone_matmul_problem) <= HONE_PROBLEM_MAX, "a problem must fit its slot");

extern const hone_op hone_matmul_op;

/* Weights of few bits, which scales make real numbers. */
static inline bool hone_matmul_is_scaled(const hone_matmul_problem *p)
{
    return p->type_scale != 0;
}

/* Kernels that have not learnt of them must refuse, with this sentence. */
#define HONE_MATMUL_SCALED_REFUSED "b is weights of few bits with scales, which it does not read"

/* How many groups there are along an extent, and which one an index is in. */
static inline int64_t hone_matmul_group_count(int64_t extent, int64_t group)
{
    return extent == 0 ? 0 : group <= 0 ? 1 : extent / group + (extent % group != 0);
}
static inline int64_t hone_matmul_group_of(int64_t index, int64_t group)
{
    return group == 0 ? 0 : index / group;
}

/* Whole numbers: their products are summed in 32 bits, which wrap, so that no order of summing tells. Alpha, beta and
 * the steps are done in f32 behind that; only where alpha is 1 and there are none, an s32 c is the sum itself. */
static inline bool hone_matmul_integers(const hone_matmul_problem *p)
{
    return p->type_b == HONE_S8 && !hone_matmul_is_scaled(p);
}

/* What steps are done in, and products of real numbers are summed in. */
static inline hone_dtype hone_matmul_arithmetic(const hone_matmul_problem *p)
{
    return p->type_c == HONE_F64 ? HONE_F64 : HONE_F32;
}

/* Kernels that know one type alone refuse all others with this sentence; NULL: all operands are of this type. */
static inline const char *hone_matmul_not_all(const hone_matmul_problem *p, hone_dtype type)
{
    if (hone_matmul_is_scaled(p)) return HONE_MATMUL_SCALED_REFUSED;
    if (p->type_a != p->type_b || p->type_a != p->type_c) return "the operands are of different types";
    return p->type_c == type ? NULL : "the operands are of a type that it does not multiply";
}

/* The type of a step's operand. */
static inline hone_dtype hone_matmul_step_type(const hone_matmul_problem *p, int index)
{
    hone_step_operand form = hone_step_operand_of((hone_step_kind)p->step[index].kind);
    if (p->step[index].type) return (hone_dtype)p->step[index].type;
    if (hone_step_of_a((hone_step_kind)p->step[index].kind)) return (hone_dtype)p->type_a;
    if (hone_step_of_b((hone_step_kind)p->step[index].kind)) return (hone_dtype)p->type_b;
    return hone_matmul_integers(p) && form != HONE_OPERAND_MATRIX ? HONE_F32 : (hone_dtype)p->type_c;
}

/* Steps of a and b: kernels that have not learnt of them must refuse, with this sentence. */
static inline bool hone_matmul_operand_steps(const hone_matmul_problem *p)
{
    for (int i = 0; i < p->step_count; i++)
        if (hone_step_of_operand((hone_step_kind)p->step[i].kind)) return true;
    return false;
}
#define HONE_MATMUL_OPERAND_STEPS_REFUSED "there are steps of a or b, which it reads as they are"

/* How many matrices the batch has (pointers: how many are expected). */
static inline int64_t hone_matmul_batch(const hone_matmul_problem *p)
{
    int64_t count = 1;
    for (int i = 0; i < p->batch_rank; i++) count *= p->batch[i];
    return count;
}

/* A packed b: kernels that have not learnt of it must refuse, with this sentence. */
static inline bool hone_matmul_packed_b(const hone_matmul_problem *p)
{
    return p->b_layout[0] != 0;
}
#define HONE_MATMUL_PACKED_REFUSED "b is packed, in a layout that it does not read"

/* Where element (k, j) of b stands, plain or in hone's own layout; in elements. For plain loops. */
static inline int64_t hone_matmul_b_offset(const hone_matmul_problem *p, int64_t k, int64_t j)
{
    if (!hone_matmul_packed_b(p)) return k * p->b_row + j * p->b_column;
    return hone_matmul_layout_at(hone_matmul_layout_width(p->b_layout), hone_matmul_layout_group(p->b_layout), p->k, k,
                                 j);
}

/* Offsets, in elements, of matrix `index` of the batch. */
static inline int64_t hone_matmul_batch_offset(const hone_matmul_problem *p, const int64_t *stride, int64_t index)
{
    int64_t offset = 0;
    for (int i = p->batch_rank - 1; i >= 0; i--) {
        offset += index % p->batch[i] * stride[i];
        index /= p->batch[i];
    }
    return offset;
}

/* How many elements one packed b has room for. */
static inline int64_t hone_matmul_b_places(const hone_matmul_problem *p)
{
    const int bits = hone_dtype_bits((hone_dtype)p->type_b);
    return bits < 8 ? p->b_bytes * (8 / bits) : p->b_bytes / (bits / 8);
}

/* The same for b, whose matrices may be packed. */
static inline int64_t hone_matmul_b_batch_offset(const hone_matmul_problem *p, int64_t index)
{
    int64_t offset = hone_matmul_batch_offset(p, p->b_batch, index);
    return hone_matmul_packed_b(p) ? offset * hone_matmul_b_places(p) : offset;
}

#endif
