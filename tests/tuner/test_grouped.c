/* Grouped matmuls that are wrong in one way each: the judge finds every one. Each fault is done to what a right launch
 * left, in one group, by plain loops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/element.h"
#include "kernels/matmul/parts.h"
#include "kernels/matmul_grouped/problem.h"
#include "tuner/judge.h"

#define FAULTS(X)                                                                                                      \
    X(NONE, "nothing",                                                                                                 \
      "f32 nn 40x33x17 groups=5|bf16 nn 40x33x17 +bias+residual groups=5|f32 nn 9x10x40 groups=5 sums=1")              \
    X(NEIGHBOUR, "a group with its neighbour's b", "f32 nn 40x33x17 groups=5|bf16 nn 20x8x64 +relu groups=3")          \
    X(LAST_ROW, "the last row of a group with the next one's b", "f32 nn 40x33x17 groups=5|f64 nt 30x5x8 groups=4")    \
    X(ROW_MISSED, "the last row of a group not written", "f32 nn 40x33x17 groups=5|f32 nn 30x5x8 beta=1 groups=4")     \
    X(ROW_BEYOND, "the row behind the last group written", "f32 nn 40x33x17 groups=5|f32 nn 40x33x17 beta=1 groups=5") \
    X(BIAS, "the first group's bias for all", "f32 nn 40x33x17 +bias groups=5|bf16 nn 40x9x17 +bias+relu groups=5")    \
    X(EMPTY, "an empty group's c not written",                                                                         \
      "f32 nn 9x10x20 groups=12 sums=1|f64 tn 9x10x9 groups=12 sums=1 beta=1")                                         \
    X(LAST_K, "the last k of a group left out", "f32 nn 9x10x40 groups=5 sums=1|f64 nt 3x3x50 groups=4 sums=1")

#define FAULT_ENUM(name, text, problems) FAULT_##name,
typedef enum fault { FAULTS(FAULT_ENUM) FAULT_COUNT } fault;
#define FAULT_ROW(name, text, problems) {text, problems},
static const struct {
    const char *text, *problems;
} faults[] = {FAULTS(FAULT_ROW)};

static hone_context    *handle;
static hone_rt_context *context;
static hone_be_device  *device;

static int open_context(void **state)
{
    (void)state;
    if (hone_context_create(NULL, &handle) || hone_rt_context_hold(handle, &context)) return -1;
    device = hone_rt_device_find(context, "cpu:0");
    return device ? 0 : -1;
}

static int close_context(void **state)
{
    (void)state;
    hone_rt_context_release(context);
    return hone_context_destroy(handle) == HONE_OK ? 0 : -1;
}

/* A matrix of c, as it lies there, kept and put back. */
typedef struct kept {
    const hone_matmul_problem *p;
    char                      *at;
    double                    *values;
} kept;

static kept keep(const hone_matmul_grouped_part *part)
{
    const hone_matmul_problem *p = &part->problem;
    kept k = {p, part->at[HONE_MATMUL_C].host, calloc((size_t)(p->m * p->n) + 1, sizeof *k.values)};
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < p->n; j++)
            k.values[i * p->n + j] = hone_element_load((hone_dtype)p->type_c, k.at, i * p->c_row + j * p->c_column);
    return k;
}

static void put_back(kept *k)
{
    const hone_matmul_problem *p = k->p;
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < p->n; j++)
            hone_element_store((hone_dtype)p->type_c, k->at, i * p->c_row + j * p->c_column, k->values[i * p->n + j]);
    free(k->values);
    k->values = NULL;
}

static int64_t offset(const hone_matmul_grouped_problem *p, const hone_arguments *a, int64_t g)
{
    return hone_matmul_grouped_offset(p, a, g);
}

/* The part that is done wrong: of group g, from the row (or k) `begin` on. False: this routing has none. */
static bool part_for(fault f, const hone_matmul_grouped_problem *p, const hone_arguments *a,
                     hone_matmul_grouped_part *part)
{
    for (int64_t g = 0; g < p->groups; g++) {
        const int64_t begin = offset(p, a, g), end = offset(p, a, g + 1), other = g ? g - 1 : g + 1;
        if (f == FAULT_EMPTY ? begin != end : begin == end) continue;
        if (f == FAULT_BIAS && g == 0) continue;
        switch (f) {
        case FAULT_NEIGHBOUR: hone_matmul_grouped_part_of(p, a, other, begin, end, part); return true;
        case FAULT_LAST_ROW: hone_matmul_grouped_part_of(p, a, other, end - 1, end, part); return true;
        case FAULT_ROW_MISSED: hone_matmul_grouped_part_of(p, a, g, end - 1, end, part); return true;
        case FAULT_BIAS: {
            hone_matmul_grouped_part first;
            hone_matmul_grouped_part_of(p, a, g, begin, end, part);
            hone_matmul_grouped_part_of(p, a, 0, begin, end, &first);
            part->at[HONE_MATMUL_STEP0] = first.at[HONE_MATMUL_STEP0];
            return true;
        }
        case FAULT_LAST_K: hone_matmul_grouped_part_of(p, a, g, begin, end - 1, part); return true;
        case FAULT_EMPTY: hone_matmul_grouped_part_of(p, a, g, begin, end, part); return true;
        default: return false;
        }
    }
    return false;
}

static hone_status wrong(void *self, const hone_rt_plan *plan, hone_be_stream *stream, const hone_arguments *arguments,
                         hone_span scratch)
{
    const fault                        f = *(const fault *)self;
    const hone_matmul_grouped_problem *p = (const hone_matmul_grouped_problem *)(const void *)plan->problem.bytes;
    hone_matmul_grouped_part           part;
    const int64_t                      last = offset(p, arguments, p->groups);
    bool some = f == FAULT_ROW_BEYOND ? last < p->one.m : part_for(f, p, arguments, &part);
    if (!some) return hone_rt_plan_launch(plan, stream, arguments, scratch);
    if (f == FAULT_ROW_BEYOND) hone_matmul_grouped_part_of(p, arguments, 0, last, last + 1, &part);
    kept        before = keep(&part);
    hone_status status = hone_rt_plan_launch(plan, stream, arguments, scratch);
    put_back(&before);
    if (status || f == FAULT_ROW_MISSED || f == FAULT_EMPTY) return status;
    hone_matmul_plainly(&part.problem, &part.arguments);
    return HONE_OK;
}

/* How often of so many cases it is caught. */
static int caught(fault f, const char *text, int cases)
{
    hone_matmul_grouped_problem problem;
    hone_rt_plan               *plan;
    int                         count = 0;
    if (hone_matmul_grouped_op.parse(text, &problem)) fail_msg("'%s': %s", text, hone_last_error());
    hone_request request = {
        .device = device, .op = &hone_matmul_grouped_op, .problem = &problem, .threads = 1, .alignment = 8};
    assert_int_equal(hone_rt_plan_for(context, &request, &plan), HONE_OK);
    for (int seed = 1; seed <= cases; seed++) {
        hone_verdict       verdict;
        hone_judge_options options = {.seed = (uint64_t)seed};
        assert_int_equal(hone_judge_launch_of(context, plan, wrong, &f, &options, &verdict), HONE_OK);
        count += verdict.fault != HONE_FAULT_NONE;
        if (f == FAULT_NONE && verdict.fault) print_error("%s\n", verdict.sentence);
    }
    hone_rt_plan_release(plan);
    return count;
}

static void every_fault_is_caught(void **state)
{
    enum { CASES = 6 };
    int missed = 0;
    (void)state;
    for (fault f = FAULT_NONE; f < FAULT_COUNT; f++) {
        char list[256], *rest = list;
        snprintf(list, sizeof list, "%s", faults[f].problems);
        for (const char *text; (text = strsep(&rest, "|"));) {
            const int count = caught(f, text, CASES);
            if (f == FAULT_NONE ? count == 0 : count > 0) continue;
            print_error("%s: %s, on %s\n", f == FAULT_NONE ? "accused" : "not caught", faults[f].text, text);
            missed++;
        }
    }
    assert_int_equal(missed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_fault_is_caught)};
    return cmocka_run_group_tests(tests, open_context, close_context);
}
