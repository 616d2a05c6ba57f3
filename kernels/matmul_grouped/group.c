/* The groups of one launch: their offsets, read and checked, and each as a matmul of its own. */
#include <string.h>

#include "base/status.h"
#include "kernels/matmul_grouped/problem.h"

int64_t hone_matmul_grouped_offset(const hone_matmul_grouped_problem *p, const hone_arguments *arguments, int64_t index)
{
    const char *at = hone_span_host(&arguments->at[HONE_MATMUL_GROUPED_OFFSETS]);
    int64_t     wide;
    int32_t     narrow;
    if (p->offsets == HONE_S64) {
        memcpy(&wide, at + index * (int64_t)sizeof wide, sizeof wide);
        return wide;
    }
    memcpy(&narrow, at + index * (int64_t)sizeof narrow, sizeof narrow);
    return narrow;
}

hone_status hone_matmul_grouped_offsets_check(const hone_matmul_grouped_problem *p, const hone_arguments *arguments)
{
    const int64_t rows = hone_matmul_grouped_rows(p);
    int64_t       last = hone_matmul_grouped_offset(p, arguments, 0);
    HONE_CHECK(last >= 0, HONE_ERROR_ARGUMENT, "matmul_grouped: offsets[0] is %" PRId64 "; it should be 0 or more",
               last);
    for (int64_t g = 1; g <= p->groups; g++) {
        const int64_t next = hone_matmul_grouped_offset(p, arguments, g);
        HONE_CHECK(next >= last, HONE_ERROR_ARGUMENT,
                   "matmul_grouped: offsets[%" PRId64 "] is %" PRId64 " and offsets[%" PRId64 "] is %" PRId64
                   "; group %" PRId64 " cannot have fewer than 0 rows",
                   g - 1, last, g, next, g - 1);
        last = next;
    }
    HONE_CHECK(last <= rows, HONE_ERROR_ARGUMENT,
               "matmul_grouped: offsets[%" PRId64 "] is %" PRId64 ", but there are %" PRId64 " rows", p->groups, last,
               rows);
    return HONE_OK;
}

static void move(hone_span *span, const hone_span *from, hone_dtype type, int64_t elements)
{
    char *host = hone_span_host(from);
    *span = (hone_span){NULL, host ? host + elements * (hone_dtype_bits(type) / 8) : NULL, 0, 0};
}

void hone_matmul_grouped_part_of(const hone_matmul_grouped_problem *p, const hone_arguments *arguments, int64_t group,
                                 int64_t begin, int64_t end, hone_matmul_grouped_part *out)
{
    const hone_matmul_problem *one = &p->one;
    const hone_span           *at = arguments->at;
    const int64_t              rows = p->sums ? 0 : begin, ks = p->sums ? begin : 0;
    const int64_t              b = ks * one->b_row + (p->sums ? 0 : group * p->group_stride);
    const int64_t              c = rows * one->c_row + (p->sums ? group * p->group_stride : 0);
    out->problem = *one;
    *(p->sums ? &out->problem.k : &out->problem.m) = end - begin;
    move(&out->at[HONE_MATMUL_A], &at[HONE_MATMUL_A], (hone_dtype)one->type_a,
         rows * one->a_row + ks * one->a_column);
    move(&out->at[HONE_MATMUL_B], &at[HONE_MATMUL_B], (hone_dtype)one->type_b, b);
    move(&out->at[HONE_MATMUL_C], &at[HONE_MATMUL_C], (hone_dtype)one->type_c, c);
    for (int i = 0; i < one->step_count; i++)
        move(&out->at[HONE_MATMUL_STEP0 + i], &at[HONE_MATMUL_STEP0 + i], hone_matmul_step_type(one, i),
             rows * one->step[i].row_stride + group * p->step_group[i]);
    out->arguments = (hone_arguments){HONE_MATMUL_STEP0 + one->step_count, arguments->scalar_count, out->at,
                                      arguments->scalars, 0};
}
