/* What is asked of a grouped matmul, and where its arguments stand: one product for each group of rows, as in a mixture
 * of experts, where an expert is a group and has a b of its own.
 *
 *     rows   c[rows of g] = steps(alpha * a[rows of g] * b[g] + beta * c[rows of g])                    g < groups
 *     sums   c[g] = alpha * a[:, k of g] * b[k of g] + beta * c[g]               the gradient of b: groups cut k
 *
 * Group g is offsets[g] .. offsets[g+1]-1. The offsets are an argument, read when it runs: one plan serves every
 * routing of up to as many rows as the problem has. They may not fall, nor leave 0 .. rows; a group may be empty (of
 * sums: its c becomes beta * c), and rows that belong to no group are left as they are.
 *
 * Arguments, in this order: those of a matmul (a, b, c, the operand of each of up to four steps), and at
 * HONE_MATMUL_GROUPED_OFFSETS the offsets, s32 or s64 and groups + 1 of them. Scalars are a matmul's.
 *
 * As text, the matmul of all rows (of sums: of all k) at once, and what is more:
 *
 *     matmul_grouped f32 nn 4096x1408x2048 +bias groups=64
 *
 * groups= must be told; sums=1; offsets=s64; gs= is how far one group's b (of sums: c) is from the next, in elements,
 * gs0= .. gs3= the same of a step's vector along the columns (0: one for all groups). Dense where they are not told. */
#ifndef HONE_KERNELS_MATMUL_GROUPED_PROBLEM_H
#define HONE_KERNELS_MATMUL_GROUPED_PROBLEM_H

#include <hone/grouped.h>

#include "kernels/matmul/problem.h"

typedef struct hone_matmul_grouped_problem {
    int64_t groups;
    int64_t group_stride;               /* from one group's b (sums: c) to the next, in elements */
    int64_t step_group[HONE_STEPS_MAX]; /* the same of vectors along the columns */
    uint8_t sums;                       /* 1: groups cut k; 0: they cut the rows */
    uint8_t offsets;                    /* HONE_S32 or HONE_S64 */
    uint8_t zero[6];
    hone_matmul_problem one; /* the product of all rows, or of all k, with the first group's b, or c */
} hone_matmul_grouped_problem;

_Static_assert(sizeof(hone_matmul_grouped_problem) <= HONE_PROBLEM_MAX, "a problem must fit its slot");

extern const hone_op hone_matmul_grouped_op;

/* How many rows, or k, the groups share. */
static inline int64_t hone_matmul_grouped_rows(const hone_matmul_grouped_problem *p)
{
    return p->sums ? p->one.k : p->one.m;
}

/* The offset of this number, however it is aligned. */
int64_t hone_matmul_grouped_offset(const hone_matmul_grouped_problem *p, const hone_arguments *arguments,
                                   int64_t index);

/* Do the offsets of a launch rise, and stay within the rows? Else the sentence that says where they do not. Every
 * kernel asks before it writes anything. */
hone_status hone_matmul_grouped_offsets_check(const hone_matmul_grouped_problem *p, const hone_arguments *arguments);

/* A part of one group as a matmul of its own: rows (of sums: k) begin .. end-1 with group g's b, or c. */
typedef struct hone_matmul_grouped_part {
    hone_matmul_problem problem;
    hone_span           at[HONE_MATMUL_OPERANDS];
    hone_arguments      arguments;
} hone_matmul_grouped_part;

/* `out` holds pointers into itself: it is not copied. */
void hone_matmul_grouped_part_of(const hone_matmul_grouped_problem *p, const hone_arguments *arguments, int64_t group,
                                 int64_t begin, int64_t end, hone_matmul_grouped_part *out);

#endif
