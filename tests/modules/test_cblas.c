/* The CBLAS libraries of this machine as kernels: each judged on problems drawn at random, with NaN in a and b and
 * alpha = 0, without k; and their counts of threads left as they were, whoever calls at once.
 *
 *     test_cblas PROBE MODULE_FOLDER [CASES] */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/matmul/problem.h"
#include "runtime/hall.h"
#include "runtime/modules.h"
#include "tuner/judge.h"

static hone_context     *handle;
static hone_rt_context  *context;
static hone_be_device   *device;
static const hone_kernel *kernels[HONE_RT_KERNELS_MAX];
static int               kernel_count;
static uint64_t          case_count = 400 / HONE_TEST_SHARE;
static char              profiles[64] = "/tmp/hone-cblas-XXXXXX";

static hone_request request_of(const hone_matmul_problem *p)
{
    return (hone_request){.device = device, .op = &hone_matmul_op, .problem = p, .threads = 1, .alignment = 8};
}

static int open_hone(void **state)
{
    const hone_kernel *all[HONE_RT_KERNELS_MAX];
    (void)state;
    assert_non_null(mkdtemp(profiles));
    setenv("HONE_PROFILE_PATH", profiles, 1);
    assert_int_equal(hone_context_create(NULL, &handle), HONE_OK);
    assert_int_equal(hone_rt_context_hold(handle, &context), HONE_OK);
    device = hone_rt_device_find(context, "cpu:0");
    int count = hone_rt_kernels(context, &hone_matmul_op, device, all, HONE_RT_KERNELS_MAX);
    for (int i = 0; i < count; i++)
        if (!strncmp(all[i]->name, "cblas.", 6)) {
            kernels[kernel_count++] = all[i];
            printf("%s: %s\n", all[i]->name, all[i]->identity(device));
        }
    return 0;
}

static int close_hone(void **state)
{
    char command[128];
    (void)state;
    hone_rt_context_release(context);
    assert_int_equal(hone_context_destroy(handle), HONE_OK);
    snprintf(command, sizeof command, "rm -rf %s", profiles);
    return system(command);
}

/* A problem drawn at random, that CBLAS has words for. */
static hone_matmul_problem draw(uint64_t seed)
{
    hone_matmul_problem p;
    do {
        memset(&p, 0, sizeof p);
        hone_matmul_op.random(seed, seed % 20 ? 1e5 : 4e6, &p);
        memset(p.step, 0, sizeof p.step);
        p.step_count = 0;
        seed += 1000003;
    } while (hone_matmul_op.check(&p) != HONE_OK);
    return p;
}

static void test_judged(void **state)
{
    int64_t taken[HONE_RT_KERNELS_MAX] = {0}, refused = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= case_count; seed++) {
        hone_matmul_problem p = draw(seed);
        hone_request        request = request_of(&p);
        hone_judge_options  options = {.seed = seed, .sample = 256};
        hone_judge_case    *judged;
        char                text[HONE_PROBLEM_TEXT_MAX];
        assert_int_equal(hone_judge_case_create(&hone_matmul_op, &p, 8, &options, &judged), HONE_OK);
        for (int i = 0; i < kernel_count; i++) {
            hone_rt_plan *plan;
            hone_verdict  verdict;
            if (kernels[i]->refuses(&request)) {
                refused++;
                continue;
            }
            assert_true(isfinite(kernels[i]->estimate(&request, NULL)));
            assert_int_equal(hone_rt_plan_with(context, &request, kernels[i], NULL, &plan), HONE_OK);
            assert_int_equal(hone_judge_case_plan(judged, context, plan, NULL, NULL, &verdict), HONE_OK);
            if (verdict.fault) {
                hone_matmul_op.print(&p, text, sizeof text);
                fail_msg("%s, seed %lu: matmul %s: %s", kernels[i]->name, (unsigned long)seed, text, verdict.sentence);
            }
            hone_rt_plan_release(plan);
            taken[i]++;
        }
        hone_judge_case_destroy(judged);
    }
    for (int i = 0; i < kernel_count; i++) {
        printf("%s: %ld problems judged\n", kernels[i]->name, (long)taken[i]);
        assert_true(taken[i] > (int64_t)case_count / 4);
    }
    printf("%ld refused\n", (long)refused);
}

/* c of a 40 x 50 product over k, every element of a, b and c given. */
static void run(const hone_kernel *kernel, int64_t k, bool reads_c, double alpha, double beta, float a_value,
                float odd_b, float *c)
{
    enum { M = 40, N = 50 };
    static float        a[M * 64], b[64 * N];
    hone_matmul_problem p = {.type_a = HONE_F32, .type_b = HONE_F32, .type_c = HONE_F32, .m = M, .n = N, .k = k,
                             .a_row = k ? k : 1, .a_column = 1, .b_row = N, .b_column = 1, .c_row = N, .c_column = 1,
                             .reads_c = reads_c};
    hone_request        request = request_of(&p);
    hone_rt_plan       *plan;
    hone_be_stream     *stream;
    hone_span           spans[HONE_ROLES_MAX] = {{.host = a}, {.host = b}, {.host = c}};
    hone_scalar         scalars[HONE_SCALARS_MAX] = {{.value = alpha}, {.value = beta}};
    hone_arguments      arguments = {HONE_ROLES_MAX, HONE_SCALARS_MAX, spans, scalars, 0};
    for (int i = 0; i < M * 64; i++) a[i] = a_value;
    for (int i = 0; i < 64 * N; i++) b[i] = 1;
    b[3] = odd_b; /* of column 3 */
    assert_int_equal(hone_rt_plan_with(context, &request, kernel, NULL, &plan), HONE_OK);
    assert_int_equal(device->backend->stream_create(device, &stream), HONE_OK);
    assert_int_equal(hone_rt_plan_launch(plan, stream, &arguments, (hone_span){0}), HONE_OK);
    device->backend->stream_destroy(stream);
    hone_rt_plan_release(plan);
}

static void test_edges(void **state)
{
    float c[40 * 50];
    (void)state;
    for (int i = 0; i < kernel_count; i++) {
        for (int at = 0; at < 2000; at++) c[at] = NAN; /* not read */
        run(kernels[i], 7, false, 1, 0, 2, 1, c);
        for (int at = 0; at < 2000; at++) assert_true(c[at] == 14);
        run(kernels[i], 7, true, 0.5, 2, 2, 1, c);
        for (int at = 0; at < 2000; at++) assert_true(c[at] == 35);
        run(kernels[i], 7, true, 0, 2, 2, 1, c);
        for (int at = 0; at < 2000; at++) assert_true(c[at] == 70);
        run(kernels[i], 7, true, 0, 1, 2, NAN, c); /* NaN * 0 is NaN, and in column 3 alone */
        for (int at = 0; at < 2000; at++) assert_true(at % 50 == 3 ? isnan(c[at]) : c[at] == 70);
        for (int at = 0; at < 2000; at++) c[at] = 3;
        run(kernels[i], 0, true, 2, 4, 0, 0, c);
        for (int at = 0; at < 2000; at++) assert_true(c[at] == 12);
        for (int at = 0; at < 2000; at++) c[at] = NAN;
        run(kernels[i], 0, false, 2, 0, 0, 0, c);
        for (int at = 0; at < 2000; at++) assert_true(c[at] == 0);
        run(kernels[i], 7, false, 1, 0, 0, INFINITY, c);
        for (int at = 0; at < 2000; at++) assert_true(at % 50 == 3 ? isnan(c[at]) : c[at] == 0);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    const hone_matmul_problem plain = {.type_a = HONE_F32, .type_b = HONE_F32, .type_c = HONE_F32,
                                       .m = 4, .n = 5, .k = 6, .a_row = 6, .a_column = 1,
                                       .b_row = 5, .b_column = 1, .c_row = 5, .c_column = 1};
    for (int i = 0; i < kernel_count; i++) {
        hone_matmul_problem p = plain;
        hone_request        request = request_of(&p);
        assert_null(kernels[i]->refuses(&request));
        p.b_row = -5;
        assert_non_null(kernels[i]->refuses(&request));
        p = plain, p.a_row = 0;
        assert_non_null(kernels[i]->refuses(&request));
        p = plain, p.a_column = 2, p.a_row = 12;
        assert_non_null(kernels[i]->refuses(&request));
        p = plain, p.step_count = 1, p.step[0].kind = HONE_STEP_RELU;
        assert_non_null(strstr(kernels[i]->refuses(&request), "no steps"));
        p = plain, p.m = (int64_t)1 << 31, p.k = p.n = 1, p.b_row = p.a_row = p.c_row = 1;
        assert_non_null(strstr(kernels[i]->refuses(&request), "31 bits"));
        p = plain, p.a_row = (int64_t)1 << 31;
        assert_non_null(strstr(kernels[i]->refuses(&request), "31 bits"));
        assert_int_equal(kernels[i]->properties & HONE_BITWISE_ALL, 0);
    }
}

/* --- counts of threads ------------------------------------------------------------------------------------------ */

static const hone_kernel *kernel_named(const char *name)
{
    for (int i = 0; i < kernel_count; i++)
        if (!strcmp(kernels[i]->name, name)) return kernels[i];
    return NULL;
}

static void *calls_often(void *argument)
{
    float c[40 * 50];
    hone_matmul_problem p = {.type_a = HONE_F32, .type_b = HONE_F32, .type_c = HONE_F32, .m = 40, .n = 50, .k = 16,
                             .a_row = 16, .a_column = 1, .b_row = 50, .b_column = 1, .c_row = 50, .c_column = 1};
    static float   a[40 * 16], b[16 * 50];
    hone_request   request = request_of(&p);
    hone_rt_plan  *plan;
    hone_be_stream stream = {.device = device, .team = {NULL, 1}};
    hone_span      spans[HONE_ROLES_MAX] = {{.host = a}, {.host = b}, {.host = c}};
    hone_scalar    scalars[HONE_SCALARS_MAX] = {{.value = 1}};
    hone_arguments arguments = {HONE_ROLES_MAX, HONE_SCALARS_MAX, spans, scalars, 0};
    if (hone_rt_plan_with(context, &request, argument, NULL, &plan) != HONE_OK) return "no plan";
    for (int i = 0; i < 300; i++)
        if (hone_rt_plan_launch(plan, &stream, &arguments, (hone_span){0}) != HONE_OK) return "no launch";
    hone_rt_plan_release(plan);
    return NULL;
}

static void call_at_once(const hone_kernel *kernel)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    void     *why;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, calls_often, (void *)(uintptr_t)kernel), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &why);
        assert_null(why);
    }
}

static void test_openblas_count(void **state)
{
    (void)state;
    const hone_kernel *kernel = kernel_named("cblas.openblas");
    void              *object = kernel ? dlopen("libopenblas.so.0", RTLD_NOW | RTLD_NOLOAD) : NULL;
    if (!object) skip();
    int (*get)(void);
    void (*set)(int);
    *(void **)&get = dlsym(object, "openblas_get_num_threads");
    *(void **)&set = dlsym(object, "openblas_set_num_threads");
    set(2);
    int before = get();
    call_at_once(kernel);
    assert_int_equal(get(), before);
    set(1);
    call_at_once(kernel);
    assert_int_equal(get(), 1);
}

static void test_mkl_count(void **state)
{
    (void)state;
    const hone_kernel *kernel = kernel_named("cblas.mkl");
    void              *object = kernel ? dlopen("libmkl_rt.so.2", RTLD_NOW | RTLD_NOLOAD) : NULL;
    _Atomic(int)      *many = object ? dlsym(object, "stand_in_calls_of_many") : NULL;
    if (!many) skip(); /* the true one is here */
    int (*set)(int);
    *(void **)&set = dlsym(object, "MKL_Set_Num_Threads_Local");
    assert_string_equal(kernel->identity(device), "mkl 2020.4");
    set(5);
    call_at_once(kernel);
    assert_null(calls_often((void *)(uintptr_t)kernel));
    assert_int_equal(set(0), 5);
    assert_int_equal(*many, 0);
}

int main(int count, char **words)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_judged),         cmocka_unit_test(test_edges),     cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_openblas_count), cmocka_unit_test(test_mkl_count),
    };
    if (count < 3) return 2;
    if (count > 3) case_count = strtoull(words[3], NULL, 10);
    hone_rt_modules_at(words[2], words[1]);
    open_hone(NULL);
    if (!kernel_count) {
        hone_rt_module_remark remark = {.sentence = "there is no module"};
        hone_rt_module_remarks(context, &remark, 1);
        printf("skipped: no CBLAS: %s\n", remark.sentence);
        close_hone(NULL);
        return 77;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    close_hone(NULL);
    return failed;
}
