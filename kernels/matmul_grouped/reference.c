/* What a grouped matmul is: for each group, a matmul (kernels/matmul/reference.c), as the judge's truth and as the
 * kernel of plain loops. */
#include <math.h>

#include "base/alloc.h"
#include "base/status.h"
#include "kernels/kernel.h"
#include "kernels/matmul/parts.h"
#include "kernels/matmul_grouped/parts.h"

/* The group of this row; -1: none. */
static int64_t group_of(const hone_matmul_grouped_problem *p, const hone_arguments *arguments, int64_t row)
{
    int64_t low = 0, high = p->groups; /* offsets[low] <= row < offsets[high], where there is such a thing */
    if (row < hone_matmul_grouped_offset(p, arguments, low) || row >= hone_matmul_grouped_offset(p, arguments, high))
        return -1;
    while (high - low > 1) {
        const int64_t middle = low + (high - low) / 2;
        *(hone_matmul_grouped_offset(p, arguments, middle) <= row ? &low : &high) = middle;
    }
    return low;
}

hone_status hone_matmul_grouped_truth(const void *problem, const hone_arguments *before, const hone_sample *sample,
                                      hone_truth *truth)
{
    const hone_matmul_grouped_problem *p = problem;
    HONE_TRY(hone_matmul_grouped_offsets_check(p, before));
    for (int64_t e = 0; e < sample->count; e++) {
        hone_matmul_grouped_part part;
        const int64_t            column = sample->at[e] % p->one.n, row = sample->at[e] / p->one.n;
        int64_t                  at = column, group = p->sums ? row / p->one.m : group_of(p, before, row);
        if (group < 0) {
            truth[e] = (hone_truth){.high = NAN, .naive = NAN, .bound = -1}; /* left as it is */
            continue;
        }
        if (p->sums) {
            at += row % p->one.m * p->one.n;
            hone_matmul_grouped_part_of(p, before, group, hone_matmul_grouped_offset(p, before, group),
                                        hone_matmul_grouped_offset(p, before, group + 1), &part);
        } else {
            hone_matmul_grouped_part_of(p, before, group, row, row + 1, &part);
        }
        const hone_sample it = {sample->role, 1, &at};
        HONE_TRY(hone_matmul_truth(&part.problem, &part.arguments, &it, &truth[e]));
    }
    return HONE_OK;
}

/* --- the kernel ------------------------------------------------------------------------------------------------- */

static const char *reference_refuses(const hone_request *request)
{
    (void)request;
    return NULL;
}

static int reference_suggest(const hone_request *request, hone_config *configs, int cap)
{
    (void)request;
    if (cap < 1) return 0;
    hone_config_standard(NULL, configs);
    return 1;
}

static double reference_estimate(const hone_request *request, const hone_config *config)
{
    (void)config;
    return 1e-8 + 2e-9 * hone_matmul_grouped_op.cost(request->problem).flops; /* as matmul's */
}

static hone_status reference_prepare(const hone_request *request, const hone_config *config,
                                     const hone_details *details, void **ready, hone_needs *needs)
{
    (void)config, (void)details;
    hone_matmul_grouped_problem *p = hone_alloc(1, sizeof *p);
    if (!p) return HONE_ERROR_MEMORY;
    *p = *(const hone_matmul_grouped_problem *)request->problem;
    *needs = (hone_needs){0};
    *ready = p;
    return HONE_OK;
}

static hone_status reference_launch(void *ready, hone_be_stream *stream, const hone_arguments *arguments,
                                    hone_span scratch)
{
    const hone_matmul_grouped_problem *p = ready;
    (void)stream, (void)scratch;
    HONE_TRY(hone_matmul_grouped_offsets_check(p, arguments));
    for (int64_t g = 0; g < p->groups; g++) {
        hone_matmul_grouped_part part;
        hone_matmul_grouped_part_of(p, arguments, g, hone_matmul_grouped_offset(p, arguments, g),
                                    hone_matmul_grouped_offset(p, arguments, g + 1), &part);
        hone_matmul_plainly(&part.problem, &part.arguments);
    }
    return HONE_OK;
}

static void reference_release(void *ready)
{
    hone_free(ready);
}

extern const hone_kernel hone_matmul_grouped_reference;
const hone_kernel        hone_matmul_grouped_reference = {
    .name = "cpu.reference",
    .op = "matmul_grouped",
    .op_version = 1,
    .problem_size = sizeof(hone_matmul_grouped_problem),
    .backend = "cpu",
    .version = 1,
    .properties = HONE_BITWISE_ALL | HONE_ONE_THREAD | HONE_IS_REFERENCE,
    .refuses = reference_refuses,
    .suggest = reference_suggest,
    .estimate = reference_estimate,
    .prepare = reference_prepare,
    .launch = reference_launch,
    .release = reference_release,
};
