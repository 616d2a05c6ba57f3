/* The judge, judged: every seeded fault is caught, and no sound way to compute is ever accused.
 *
 *     test_judge                        the faults, and sound ways over a few thousand cases
 *     test_judge --cases N [--seed S]   sound ways and all kernels over N cases: the long run */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kernels/matmul/problem.h"
#include "tests/tuner/faults.h"

enum { CAUGHT_WITHIN = 3 }; /* cases of one problem */

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

static hone_rt_plan *plan_of(const hone_kernel *kernel, const void *problem, int threads)
{
    hone_request request = {
        .device = device, .op = &hone_matmul_op, .problem = problem, .threads = threads, .alignment = 8};
    hone_rt_plan *plan;
    if (kernel->refuses(&request)) return NULL;
    hone_status status = hone_rt_plan_with(context, &request, kernel, NULL, &plan);
    if (status && status != HONE_ERROR_UNSUPPORTED) fail_msg("%s: %s", kernel->name, hone_last_error());
    return status ? NULL : plan;
}

/* --- faults --------------------------------------------------------------------------------------------------------
 */

/* In how many cases of this problem the fault is caught; 0: it is not. */
static int caught_after(fault f, const char *text, hone_verdict *verdict)
{
    hone_matmul_problem problem;
    if (hone_matmul_op.parse(text, &problem)) fail_msg("'%s': %s", text, hone_last_error());
    hone_rt_plan *plan = plan_of(&subject_kernel, &problem, 1);
    int           after = 0;
    for (int seed = 1; seed <= CAUGHT_WITHIN && !after; seed++) {
        matmul_way         way = {.wrong = f};
        hone_judge_options options = {.seed = (uint64_t)seed, .bits = true, .in_place = f == FAULT_RESIDUAL_LATE};
        assert_int_equal(hone_judge_launch_of(context, plan, matmul_launch, &way, &options, verdict), HONE_OK);
        if (verdict->fault) after = seed;
#if defined(__SSE__)
        __builtin_ia32_ldmxcsr(0x1f80);
#endif
    }
    hone_rt_plan_release(plan);
    return after;
}

static void every_fault_is_caught(void **state)
{
    int missed = 0, problems = 0, kinds[HONE_FAULT_BITS + 1] = {0};
    (void)state;
    for (fault f = (fault)(FAULT_NONE + 1); f < FAULT_COUNT; f++) {
        char list[512], *rest = list;
        snprintf(list, sizeof list, "%s", fault_problems(f));
#if !defined(__SSE__)
        if (f == FAULT_MODES) continue;
#endif
        for (const char *text; (text = strsep(&rest, "|"));) {
            hone_verdict verdict;
            int          after = caught_after(f, text, &verdict);
            problems++;
            kinds[verdict.fault]++;
            if (!after) {
                missed++;
                print_error("not caught: %s, on %s (%.2f of what is allowed)\n", fault_meaning(f), text, verdict.worst);
            } else if (getenv("HONE_TEST_SAY")) {
                print_message("%-45s %-28s %s\n", fault_meaning(f), text, verdict.sentence);
            }
        }
    }
    print_message(
        "%d faults on %d problems: %d by status, %d by footprint, %d by what is missing, %d exact, %d bounded, "
        "%d relative, %d biased, %d by bits\n",
        FAULT_COUNT - 1, problems, kinds[HONE_FAULT_STATUS], kinds[HONE_FAULT_FOOTPRINT], kinds[HONE_FAULT_MISSED],
        kinds[HONE_FAULT_EXACT], kinds[HONE_FAULT_BOUNDED], kinds[HONE_FAULT_RELATIVE], kinds[HONE_FAULT_BIASED],
        kinds[HONE_FAULT_BITS]);
    assert_int_equal(missed, 0);
}

/* --- no fault ------------------------------------------------------------------------------------------------------
 */

/* Judges one random problem done in a sound way and, in turn, by every kernel; gives how many were accused. */
static int accused_in(uint64_t seed, double *worst, int64_t *judged)
{
    hone_matmul_problem problem;
    hone_verdict        verdict;
    hone_judge_case    *judge_case;
    char                text[HONE_PROBLEM_TEXT_MAX];
    int                 accused = 0, count;
    const hone_kernel  *kernels[HONE_RT_KERNELS_MAX];
    hone_judge_options  options = {.seed = seed, .in_place = seed & 1, .bits = seed % 8 == 0};
    hone_matmul_op.random(seed, seed % 16 ? 3e4 : 1e6, &problem);
    hone_matmul_op.print(&problem, text, sizeof text);
    assert_int_equal(hone_judge_case_create(&hone_matmul_op, &problem, 8, &options, &judge_case), HONE_OK);
    matmul_way    way = {.wrong = FAULT_NONE, .right = (honest)(seed % HONEST_COUNT)};
    hone_rt_plan *plan = plan_of(&subject_kernel, &problem, 1);
    if (hone_judge_case_plan(judge_case, context, plan, matmul_launch, &way, &verdict))
        fail_msg("%s", hone_last_error());
    hone_rt_plan_release(plan);
    *worst = fmax(*worst, verdict.worst);
    ++*judged;
    if (verdict.fault) {
        accused++;
        print_error("seed %llu, way %d: %s\n", (unsigned long long)seed, way.right, verdict.sentence);
    }
    count = hone_rt_kernels(context, &hone_matmul_op, device, kernels, HONE_RT_KERNELS_MAX);
    for (int i = 0; i < count; i++) {
        plan = plan_of(kernels[i], &problem, 1 + (int)(seed % 3));
        if (!plan) continue;
        if (hone_judge_case_plan(judge_case, context, plan, NULL, NULL, &verdict)) fail_msg("%s", hone_last_error());
        hone_rt_plan_release(plan);
        *worst = fmax(*worst, verdict.worst);
        ++*judged;
        if (!verdict.fault) continue;
        accused++;
        print_error("seed %llu: %s\n", (unsigned long long)seed, verdict.sentence);
    }
    hone_judge_case_destroy(judge_case);
    return accused;
}

static uint64_t first_seed = 1;
static int64_t  cases = 2500 / HONE_TEST_SHARE;

static void nobody_is_accused_wrongly(void **state)
{
    double  worst = 0;
    int64_t judged = 0;
    int     accused = 0;
    (void)state;
    for (uint64_t seed = first_seed; seed < first_seed + (uint64_t)cases && accused < 20; seed++)
        accused += accused_in(seed, &worst, &judged);
    print_message("%lld cases, %lld judgements, %d accused; the worst used %.0f %% of what is allowed\n",
                  (long long)cases, (long long)judged, accused, 100 * worst);
    assert_int_equal(accused, 0);
}

/* --- how it judges --------------------------------------------------------------------------------------------------
 */

static void nothing_is_judged_too(void **state)
{
    static const char *const texts[] = {"f32 nn 0x4x4", "f32 nn 4x0x4 +bias", "f64 nn 4x4x0", "f32 nn 4x4x0 beta=1",
                                        "f32 nn 4x4x4 batch=0", "f32 nn 4x4x4 batch=0 pointers=1", "f32 nn 1x1x1"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        hone_matmul_problem problem;
        hone_verdict        verdict;
        matmul_way          way = {0};
        hone_judge_options  options = {.seed = 3, .bits = true};
        assert_int_equal(hone_matmul_op.parse(texts[i], &problem), HONE_OK);
        hone_rt_plan *plan = plan_of(&subject_kernel, &problem, 1);
        assert_int_equal(hone_judge_launch_of(context, plan, matmul_launch, &way, &options, &verdict), HONE_OK);
        if (verdict.fault) fail_msg("%s: %s", texts[i], verdict.sentence);
        hone_rt_plan_release(plan);
    }
}

/* A large output is sampled, scanned whole, and judged at its last rows and columns. */
static void large_outputs_are_sampled(void **state)
{
    (void)state;
    hone_matmul_problem problem;
    hone_verdict        verdict;
    matmul_way          way = {0};
    hone_judge_options  options = {.seed = 5};
    assert_int_equal(hone_matmul_op.parse("f32 nn 301x203x16", &problem), HONE_OK);
    hone_rt_plan *plan = plan_of(&subject_kernel, &problem, 1);
    assert_int_equal(hone_judge_launch_of(context, plan, matmul_launch, &way, &options, &verdict), HONE_OK);
    assert_int_equal(verdict.fault, HONE_FAULT_NONE);
    assert_int_equal(verdict.compared, 4 * 512);
    static const fault tails[] = {FAULT_TAIL_M_TWICE, FAULT_TAIL_N, FAULT_SWAPPED_LANES, FAULT_UNWRITTEN};
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        way = (matmul_way){.wrong = tails[i]};
        assert_int_equal(hone_judge_launch_of(context, plan, matmul_launch, &way, &options, &verdict), HONE_OK);
        if (tails[i] != FAULT_SWAPPED_LANES && !verdict.fault) fail_msg("not caught: %s", fault_meaning(tails[i]));
    }
    options.sample = 100;
    way = (matmul_way){0};
    assert_int_equal(hone_judge_launch_of(context, plan, matmul_launch, &way, &options, &verdict), HONE_OK);
    assert_int_equal(verdict.compared, 4 * 100);
    hone_rt_plan_release(plan);
}

/* The sentence names kernel, element, values, seed and problem: enough to do it again. */
static void sentences_tell_all(void **state)
{
    (void)state;
    hone_matmul_problem problem;
    hone_verdict        verdict;
    matmul_way          way = {.wrong = FAULT_BIAS_LAST};
    hone_judge_options  options = {.seed = 77};
    assert_int_equal(hone_matmul_op.parse("f32 nn 4x6x8 +bias", &problem), HONE_OK);
    hone_rt_plan *plan = plan_of(&subject_kernel, &problem, 1);
    assert_int_equal(hone_judge_launch_of(context, plan, matmul_launch, &way, &options, &verdict), HONE_OK);
    assert_int_equal(verdict.fault, HONE_FAULT_EXACT);
    assert_int_equal(verdict.role, HONE_MATMUL_C);
    assert_int_equal(verdict.element % 6, 5);
    assert_true(verdict.got != verdict.truth);
    assert_non_null(strstr(verdict.sentence, "subject: "));
    assert_non_null(strstr(verdict.sentence, "c[0,5]"));
    assert_non_null(strstr(verdict.sentence, "seed 77"));
    assert_non_null(strstr(verdict.sentence, "matmul f32 nn 4x6x8 +bias"));
    hone_rt_plan_release(plan);
}

/* A plan of another problem, or one that wants more alignment than the case has, is refused. */
static void cases_are_for_their_plans(void **state)
{
    (void)state;
    hone_matmul_problem one, other;
    hone_verdict        verdict;
    hone_judge_case    *judge_case;
    assert_int_equal(hone_matmul_op.parse("f32 nn 4x6x8", &one), HONE_OK);
    assert_int_equal(hone_matmul_op.parse("f32 nn 4x6x9", &other), HONE_OK);
    assert_int_equal(hone_judge_case_create(&hone_matmul_op, &one, 4, NULL, &judge_case), HONE_OK);
    hone_rt_plan *plan = plan_of(&subject_kernel, &other, 1);
    assert_int_equal(hone_judge_case_plan(judge_case, context, plan, NULL, NULL, &verdict), HONE_ERROR_ARGUMENT);
    hone_rt_plan_release(plan);
    plan = plan_of(&subject_kernel, &one, 1); /* for operands aligned to 8 */
    assert_int_equal(hone_judge_case_plan(judge_case, context, plan, NULL, NULL, &verdict), HONE_ERROR_ARGUMENT);
    hone_rt_plan_release(plan);
    hone_judge_case_destroy(judge_case);
    hone_judge_case_destroy(NULL);
    other.m = -1;
    assert_int_equal(hone_judge_case_create(&hone_matmul_op, &other, 4, NULL, &judge_case), HONE_ERROR_SHAPE);
    assert_null(judge_case);
    for (int f = HONE_FAULT_NONE; f <= HONE_FAULT_BITS; f++) assert_true(strlen(hone_fault_text((hone_fault)f)) > 4);
}

static void count_chunk(void *argument, int chunk)
{
    __atomic_fetch_add((int *)argument + chunk, 1, __ATOMIC_RELAXED);
}

static void pools_run_every_chunk_once(void **state)
{
    (void)state;
    hone_judge_pool *pool;
    assert_int_equal(hone_judge_pool_create(0, &pool), HONE_ERROR_ARGUMENT);
    assert_null(pool);
    assert_int_equal(hone_judge_pool_create(3, &pool), HONE_OK);
    const hone_threads *threads = hone_judge_pool_threads(pool);
    assert_int_equal(threads->count, 3);
    for (int round = 0; round < 200; round++) {
        int count[64] = {0};
        threads->run(threads->user, round % 65, count_chunk, count);
        for (int i = 0; i < 64; i++) assert_int_equal(count[i], i < round % 65);
    }
    hone_judge_pool_destroy(pool);
    hone_judge_pool_destroy(NULL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pools_run_every_chunk_once), cmocka_unit_test(every_fault_is_caught),
        cmocka_unit_test(nothing_is_judged_too),      cmocka_unit_test(large_outputs_are_sampled),
        cmocka_unit_test(sentences_tell_all),         cmocka_unit_test(cases_are_for_their_plans),
        cmocka_unit_test(nobody_is_accused_wrongly),
    };
    const struct CMUnitTest long_run[] = {cmocka_unit_test(nobody_is_accused_wrongly)};
    bool                    asked = false;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--cases") == 0) cases = atoll(argv[i + 1]), asked = true;
        if (strcmp(argv[i], "--seed") == 0) first_seed = strtoull(argv[i + 1], NULL, 10);
    }
    if (asked) return cmocka_run_group_tests(long_run, open_context, close_context);
    return cmocka_run_group_tests(tests, open_context, close_context);
}
