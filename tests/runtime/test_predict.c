/* Predictions from a table that a test made up: two kernels whose estimates are off in ways that neighbours show. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/status.h"
#include "kernels/matmul/problem.h"
#include "runtime/predict.h"
#include "tests/memory.h"

static const hone_be_device device = {.name = "cpu:0", .threads = 1};

/* --- kernels whose estimates are plain, and whose times are not ------------------------------------------------- */

static const int64_t        sizes[] = {1, 2, 3};
static const hone_parameter parameter = {"size", 1, 3, sizes, NULL, ""};
static const hone_space     space = {1, &parameter, 0, NULL, 0, NULL};

static const char *takes_all(const hone_request *request)
{
    (void)request;
    return NULL;
}
static int suggest_first(const hone_request *request, hone_config *configs, int cap)
{
    (void)request, (void)cap;
    configs[0] = (hone_config){{1}};
    return 1;
}
static double work_of(const hone_request *request)
{
    const hone_matmul_problem *p = request->problem;
    return 2e-9 * (double)p->m * (double)p->n * (double)p->k;
}
static double broad_estimate(const hone_request *r, const hone_config *c) { return (void)c, work_of(r); }
static double narrow_estimate(const hone_request *r, const hone_config *c) { return (void)c, 1.3 * work_of(r); }
static const char *somebody(const hone_be_device *d) { return (void)d, "somebody 1"; }

static const hone_kernel broad = {.name = "broad", .refuses = takes_all, .space = &space, .suggest = suggest_first,
                                  .estimate = broad_estimate};
static const hone_kernel narrow = {.name = "narrow", .refuses = takes_all, .space = &space, .suggest = suggest_first,
                                   .estimate = narrow_estimate};
static const hone_kernel foreign = {.name = "foreign", .identity = somebody, .refuses = takes_all,
                                    .suggest = suggest_first, .estimate = broad_estimate};
static const hone_kernel *const kernels[] = {&broad, &narrow, &foreign};

/* The truth: the broad one takes twice as long where n is below 64; size 3 is a tenth better for it. */
static double truth(const hone_request *request, const hone_kernel *kernel, const hone_config *config)
{
    const hone_matmul_problem *p = request->problem;
    if (kernel == &foreign) return 5 * work_of(request);
    double seconds = kernel == &broad ? (p->n < 64 ? 2 : 1) * work_of(request) : 1.3 * work_of(request);
    return config->value[0] == 3 ? 0.9 * seconds : seconds;
}

enum { ROWS_MAX = 40 };
static hone_matmul_problem problems[ROWS_MAX];
static hone_rt_known       rows[ROWS_MAX];
static int                 row_count;

static hone_request ask(const char *text, hone_matmul_problem *problem)
{
    memset(problem, 0, sizeof *problem);
    assert_int_equal(hone_matmul_op.parse(text, problem), HONE_OK);
    return (hone_request){&device, &hone_matmul_op, problem, 1, 64, 0, 0};
}

static void know(const char *text)
{
    hone_rt_known *row = &rows[row_count];
    hone_request   request = ask(text, &problems[row_count++]);
    const hone_rt_known_figure all[] = {
        {&broad, {{3}}, truth(&request, &broad, &(hone_config){{3}})},
        {&narrow, {{3}}, truth(&request, &narrow, &(hone_config){{3}})},
        {&broad, {{1}}, truth(&request, &broad, &(hone_config){{1}})}};
    *row = (hone_rt_known){.request = request, .count = 3};
    memcpy(row->figures, all, sizeof all);
    if (all[1].seconds < all[0].seconds) row->figures[0] = all[1], row->figures[1] = all[0];
}

static void know_some(void)
{
    static const char *const texts[] = {"f32 nn 128x16x128", "f32 nn 256x16x256", "f32 nn 128x32x128",
                                        "f32 nn 256x32x128", "f32 nn 128x256x128", "f32 nn 256x256x256",
                                        "f32 nn 128x512x256", "f32 nn 256x512x256"};
    row_count = 0;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) know(texts[i]);
}

static const hone_kernel *predicted(const char *text, hone_rt_prediction *out)
{
    hone_matmul_problem problem;
    hone_request        request = ask(text, &problem);
    return hone_rt_predict(&request, kernels, 3, rows, row_count, -1, out) ? out->kernel : NULL;
}

static void neighbours_correct_estimates(void **state)
{
    hone_rt_prediction it;
    (void)state;
    know_some();
    assert_ptr_equal(predicted("f32 nn 192x16x128", &it), &narrow); /* by estimate it would be the broad one */
    assert_int_equal(it.config.value[0], 3);                        /* as measured near by, not as suggested */
    assert_true(it.nearest == 0 && it.weight > 0.5);
    assert_ptr_equal(predicted("f32 nn 192x256x256", &it), &broad);
    assert_int_equal(it.config.value[0], 3);
    hone_matmul_problem problem;
    hone_request        request = ask("f32 nn 192x256x256", &problem);
    double              seconds = truth(&request, &broad, &it.config);
    assert_true(it.seconds > 0.9 * seconds && it.seconds < 1.1 * seconds);
}

static double apart(const hone_request *one, const hone_request *other)
{
    const hone_rt_placed here = hone_rt_place_of(one);
    return hone_rt_apart(&here, other);
}

static void what_is_not_alike_says_nothing(void **state)
{
    hone_rt_prediction  it;
    hone_matmul_problem one, other;
    hone_request        a = ask("f32 nn 64x64x64", &one);
    (void)state;
    know_some();
    assert_null(predicted("f64 nn 192x16x128", &it));
    assert_null(predicted("f32 tn 192x16x128", &it));
    assert_null(predicted("f32 nn 192x16x128 +bias", &it));
    assert_null(predicted("f32 nn 192x16x128 batch=4", &it));
    assert_null(predicted("f32 nn 192x16x128 +relu", &it)); /* the same arguments, and another epilogue */
    assert_null(predicted("f32 nn 1x1x1", &it)); /* too far */
    assert_int_equal(it.nearest, -1);
    row_count = 0;
    assert_null(predicted("f32 nn 192x16x128", &it));

    hone_request b = ask("f32 nn 64x64x64", &other);
    assert_true(apart(&a, &b) == 0);
    b = ask("f32 nn 128x64x64", &other);
    double doubled = apart(&a, &b);
    assert_true(doubled > 0.9 && doubled < 1.1);
    b = ask("f32 nn 65x64x64", &other); /* a tile more, nearly empty, is further than a tile more that is full */
    assert_true(apart(&a, &b) > 0.8 && apart(&a, &b) == apart(&b, &a));
    b.threads = 2;
    assert_true(apart(&a, &b) < 0);
}

/* A library is believed where it was measured, and nowhere else; left out, a row says nothing. */
static void evidence_alone_counts(void **state)
{
    hone_rt_prediction it;
    (void)state;
    know_some();
    assert_ptr_not_equal(predicted("f32 nn 128x16x128", &it), &foreign);
    rows[0].figures[0] = (hone_rt_known_figure){&foreign, {{0}}, 0.1 * work_of(&rows[0].request)};
    assert_ptr_equal(predicted("f32 nn 128x16x128", &it), &foreign);
    assert_true(hone_rt_predict(&rows[0].request, kernels, 3, rows, row_count, 0, &it));
    assert_ptr_equal(it.kernel, &narrow);
    assert_int_not_equal(it.nearest, 0);
}

/* What was measured for the problem itself outweighs all others; who was not tried there is held to nothing. */
static void the_problem_itself_goes_first(void **state)
{
    hone_rt_prediction it;
    (void)state;
    know_some();
    know("f32 nn 192x48x128");
    hone_rt_known *row = &rows[row_count - 1];
    row->count = 1; /* the narrow one alone, and its neighbours say that it is the better one */
    row->figures[0] = (hone_rt_known_figure){&narrow, {{2}}, 3 * work_of(&row->request)};
    row->next_s = 3.5 * work_of(&row->request);
    assert_ptr_equal(predicted("f32 nn 192x48x128", &it), &narrow);
    assert_int_equal(it.config.value[0], 2);
    assert_true(fabs(it.seconds / (3 * work_of(&row->request)) - 1) < 0.1);
    row->unmet_count = 1; /* in the version that is here the broad one was not tried: its estimate may be true */
    row->unmet[0] = &broad;
    assert_ptr_equal(predicted("f32 nn 192x48x128", &it), &broad);
    row->unmet_count = 0;
    row->next_s = -1; /* nobody knows who was tried */
    assert_ptr_equal(predicted("f32 nn 192x48x128", &it), &broad);
}

static int         measured;
static hone_status measure(void *self, const hone_rt_known *row, const hone_kernel *kernel, const hone_config *config,
                           double *seconds)
{
    *seconds = truth(&row->request, kernel, config);
    return measured++ == *(int *)self ? hone_fail(HONE_ERROR_DEVICE, "no power") : HONE_OK;
}

static void the_price_of_guessing(void **state)
{
    hone_rt_regret regret;
    int            never = -1, at_once = 0;
    (void)state;
    know_some();
    measured = 0;
    assert_int_equal(hone_rt_predict_evaluate(kernels, 3, rows, row_count, measure, &never, &regret), HONE_OK);
    assert_true(regret.count == row_count && regret.unpredicted == 0);
    assert_true(regret.mean < 0.01 && regret.p95 < 0.01 && measured == 0); /* all was among the figures */

    know("f64 nn 64x64x64"); /* nothing like it: charged what the untuned choice took, a ninth more */
    know("f64 tn 64x64x64");
    assert_int_equal(hone_rt_predict_evaluate(kernels, 3, rows, row_count, measure, &never, &regret), HONE_OK);
    assert_true(regret.count == 10 && regret.unpredicted == 2);
    assert_true(fabs(regret.worst - 1.0 / 9) < 1e-9 && fabs(regret.p95 - 1.0 / 9) < 1e-9);
    assert_true(fabs(regret.mean - 2.0 / 90) < 1e-6 && regret.worst_row == 8);
    rows[8].untuned_s = 1.5 * rows[8].figures[0].seconds; /* told apart from the last figure */
    assert_int_equal(hone_rt_predict_evaluate(kernels, 3, rows, row_count, measure, &never, &regret), HONE_OK);
    assert_true(fabs(regret.worst - 0.5) < 1e-9);
    assert_true(regret.untuned_worst > 0.7); /* the broad one at few columns: 2 / (0.9 * 1.3) */
    assert_true(regret.untuned_mean > regret.mean && regret.untuned_p95 >= regret.p95);

    row_count = 8;
    for (int i = 0; i < row_count; i++) rows[i].count = 1; /* only the best is known: others must be measured */
    rows[0].figures[0] = (hone_rt_known_figure){&narrow, {{2}}, rows[0].figures[0].seconds};
    measured = 0;
    assert_int_equal(hone_rt_predict_evaluate(kernels, 3, rows, row_count, measure, &never, &regret), HONE_OK);
    assert_true(measured > 0);
    measured = 0;
    assert_int_equal(hone_rt_predict_evaluate(kernels, 3, rows, row_count, measure, &at_once, &regret),
                     HONE_ERROR_DEVICE);
    assert_int_equal(regret.count, 0);
    assert_int_equal(hone_rt_predict_evaluate(kernels, 3, rows, 0, measure, &never, &regret), HONE_ERROR_ARGUMENT);

    test_memory memory;
    assert_int_equal(test_memory_use(&memory), HONE_OK);
    memory.fail_at = 1;
    assert_int_equal(hone_rt_predict_evaluate(kernels, 3, rows, row_count, measure, &never, &regret),
                     HONE_ERROR_MEMORY);
    assert_int_equal(memory.blocks, 0);
    assert_int_equal(test_memory_use(NULL), HONE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(neighbours_correct_estimates),
        cmocka_unit_test(what_is_not_alike_says_nothing),
        cmocka_unit_test(evidence_alone_counts),
        cmocka_unit_test(the_problem_itself_goes_first),
        cmocka_unit_test(the_price_of_guessing),
    };
    return cmocka_run_group_tests_name("runtime.predict", tests, NULL, NULL);
}
