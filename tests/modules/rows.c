/* The rows of one vendor module under test: rows.h. */
#include "tests/modules/rows.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tuner/judge.h"

hone_rt_context   *rows_context;
hone_be_device    *rows_device;
const hone_kernel *rows_kernels[HONE_RT_KERNELS_MAX];
int                rows_count;
const hone_kernel *rows_packed[HONE_RT_KERNELS_MAX];
int                rows_packed_count;
uint64_t           rows_cases = 400 / HONE_TEST_SHARE;

static hone_context *handle;
static char          profiles[64] = "/tmp/hone-rows-XXXXXX";

hone_request rows_request(const hone_matmul_problem *p)
{
    return (hone_request){.device = rows_device, .op = &hone_matmul_op, .problem = p, .threads = 1, .alignment = 8};
}

const hone_kernel *rows_find(const char *name)
{
    for (int i = 0; i < rows_count; i++)
        if (!strcmp(rows_kernels[i]->name, name)) return rows_kernels[i];
    return NULL;
}

static void open_hone(const char *prefix)
{
    const hone_kernel *all[HONE_RT_KERNELS_MAX];
    assert_non_null(mkdtemp(profiles));
    setenv("HONE_PROFILE_PATH", profiles, 1);
    assert_int_equal(hone_context_create(NULL, &handle), HONE_OK);
    assert_int_equal(hone_rt_context_hold(handle, &rows_context), HONE_OK);
    rows_device = hone_rt_device_find(rows_context, "cpu:0");
    int count = hone_rt_kernels(rows_context, &hone_matmul_op, rows_device, all, HONE_RT_KERNELS_MAX);
    for (int i = 0; i < count; i++)
        if (!strncmp(all[i]->name, prefix, strlen(prefix))) {
            if (strstr(all[i]->name, ".packed"))
                rows_packed[rows_packed_count++] = all[i];
            else
                rows_kernels[rows_count++] = all[i];
            printf("%s: %s\n", all[i]->name, all[i]->identity(rows_device));
        }
}

static int close_hone(void)
{
    char command[128];
    hone_rt_context_release(rows_context);
    assert_int_equal(hone_context_destroy(handle), HONE_OK);
    snprintf(command, sizeof command, "rm -rf %s", profiles);
    return system(command);
}

int rows_main(int count, char **words, const char *prefix, const struct CMUnitTest *tests, size_t test_count)
{
    if (count < 3) return 2;
    if (count > 3) rows_cases = strtoull(words[3], NULL, 10);
    hone_rt_modules_at(words[2], words[1]);
    open_hone(prefix);
    if (!rows_count) {
        hone_rt_module_remark remarks[16];
        int                   said = hone_rt_module_remarks(rows_context, remarks, 16);
        printf("skipped: no row is called %s...\n", prefix);
        for (int i = 0; i < said; i++) printf("%s: %s\n", remarks[i].name, remarks[i].sentence);
        close_hone();
        return 77;
    }
    int failed = _cmocka_run_group_tests(prefix, tests, test_count, NULL, NULL);
    close_hone();
    return failed;
}

/* Scratch for a plan, of which each thread has one. */
static hone_span room(const hone_rt_plan *plan)
{
    static _Thread_local char memory[1 << 16] __attribute__((aligned(64)));
    assert_true(plan->needs.scratch_bytes <= sizeof memory);
    return (hone_span){.host = memory, .bytes = sizeof memory};
}

/* A problem drawn at random; one in two of those with steps is left without. */
static hone_matmul_problem draw(uint64_t seed, bool steps)
{
    hone_matmul_problem p;
    do {
        memset(&p, 0, sizeof p);
        hone_matmul_op.random(seed, seed % 20 ? 1e5 : 4e6, &p);
        if (!steps || seed % 2) {
            memset(p.step, 0, sizeof p.step);
            p.step_count = 0;
        }
        seed += 1000003;
    } while (hone_matmul_op.check(&p) != HONE_OK);
    return p;
}

void rows_judge(bool steps, uint64_t one_in)
{
    int64_t taken[HONE_RT_KERNELS_MAX] = {0}, refused = 0;
    for (uint64_t seed = 1; seed <= rows_cases; seed++) {
        hone_matmul_problem p = draw(seed, steps);
        hone_request        request = rows_request(&p);
        hone_judge_options  options = {.seed = seed, .sample = 256};
        hone_judge_case    *judged;
        char                text[HONE_PROBLEM_TEXT_MAX];
        assert_int_equal(hone_judge_case_create(&hone_matmul_op, &p, 8, &options, &judged), HONE_OK);
        for (int i = 0; i < rows_count; i++) {
            hone_rt_plan *plan;
            hone_verdict  verdict;
            if (rows_kernels[i]->refuses(&request)) {
                refused++;
                continue;
            }
            assert_true(isfinite(rows_kernels[i]->estimate(&request, NULL)));
            hone_status status = hone_rt_plan_with(rows_context, &request, rows_kernels[i], NULL, &plan);
            if (status == HONE_ERROR_UNSUPPORTED) {
                refused++;
                continue;
            }
            assert_int_equal(status, HONE_OK);
            assert_int_equal(hone_judge_case_plan(judged, rows_context, plan, NULL, NULL, &verdict), HONE_OK);
            if (verdict.fault) {
                hone_matmul_op.print(&p, text, sizeof text);
                fail_msg("%s, seed %lu: matmul %s: %s", rows_kernels[i]->name, (unsigned long)seed, text,
                         verdict.sentence);
            }
            hone_rt_plan_release(plan);
            taken[i]++;
        }
        hone_judge_case_destroy(judged);
    }
    for (int i = 0; i < rows_count; i++) {
        printf("%s: %ld problems judged\n", rows_kernels[i]->name, (long)taken[i]);
        assert_true(taken[i] > (int64_t)(rows_cases / one_in));
    }
    printf("%ld refused\n", (long)refused);
}

void rows_judge_packed(uint64_t one_in)
{
    int64_t taken[HONE_RT_KERNELS_MAX] = {0};
    for (uint64_t seed = 1; seed <= rows_cases; seed++) {
        hone_matmul_problem plain = draw(seed, true);
        for (int i = 0; i < rows_packed_count; i++) {
            hone_problem_bytes packed;
            hone_layout        layout;
            hone_rt_plan      *plan;
            hone_judge_case   *judged;
            hone_verdict       verdict;
            hone_judge_options options = {.seed = seed, .sample = 256};
            hone_request       request = rows_request(&plain);
            if (!rows_packed[i]->layouts(&request, HONE_MATMUL_B, &layout, 1)) continue;
            assert_int_equal(hone_matmul_op.lay_out(&plain, HONE_MATMUL_B, &layout, packed.bytes), HONE_OK);
            request.problem = packed.bytes;
            if (rows_packed[i]->refuses(&request)) continue;
            assert_int_equal(hone_rt_plan_with(rows_context, &request, rows_packed[i], NULL, &plan), HONE_OK);
            assert_int_equal(hone_judge_case_create(&hone_matmul_op, packed.bytes, 8, &options, &judged), HONE_OK);
            assert_int_equal(hone_judge_case_plan(judged, rows_context, plan, NULL, NULL, &verdict), HONE_OK);
            if (verdict.fault)
                fail_msg("%s, seed %lu: %s", rows_packed[i]->name, (unsigned long)seed, verdict.sentence);
            hone_judge_case_destroy(judged);
            hone_rt_plan_release(plan);
            taken[i]++;
        }
    }
    for (int i = 0; i < rows_packed_count; i++) {
        printf("%s: %ld problems judged\n", rows_packed[i]->name, (long)taken[i]);
        assert_true(taken[i] > (int64_t)(rows_cases / one_in));
    }
}

/* c of a 40 x 50 product over k, every element of a, b and c given. */
void rows_run(const hone_kernel *kernel, int64_t k, bool reads_c, double alpha, double beta, float a_value,
                float odd_b, float *c)
{
    enum { M = 40, N = 50 };
    static float        a[M * 64], b[64 * N];
    hone_matmul_problem p = {.type_a = HONE_F32, .type_b = HONE_F32, .type_c = HONE_F32, .m = M, .n = N, .k = k,
                             .a_row = k ? k : 1, .a_column = 1, .b_row = N, .b_column = 1, .c_row = N, .c_column = 1,
                             .reads_c = reads_c};
    hone_request        request = rows_request(&p);
    hone_rt_plan       *plan;
    hone_be_stream     *stream;
    hone_span           spans[HONE_ROLES_MAX] = {{.host = a}, {.host = b}, {.host = c}};
    hone_scalar         scalars[HONE_SCALARS_MAX] = {{.value = alpha}, {.value = beta}};
    hone_arguments      arguments = {HONE_ROLES_MAX, HONE_SCALARS_MAX, spans, scalars, 0};
    for (int i = 0; i < M * 64; i++) a[i] = a_value;
    for (int i = 0; i < 64 * N; i++) b[i] = 1;
    b[3] = odd_b; /* of column 3 */
    assert_int_equal(hone_rt_plan_with(rows_context, &request, kernel, NULL, &plan), HONE_OK);
    assert_int_equal(rows_device->backend->stream_create(rows_device, &stream), HONE_OK);
    assert_int_equal(hone_rt_plan_launch(plan, stream, &arguments, room(plan)), HONE_OK);
    rows_device->backend->stream_destroy(stream);
    hone_rt_plan_release(plan);
}

void rows_edges(void)
{
    float c[40 * 50];
    for (int i = 0; i < rows_count; i++) {
        for (int at = 0; at < 2000; at++) c[at] = NAN; /* not read */
        rows_run(rows_kernels[i], 7, false, 1, 0, 2, 1, c);
        for (int at = 0; at < 2000; at++) assert_true(c[at] == 14);
        rows_run(rows_kernels[i], 7, true, 0.5, 2, 2, 1, c);
        for (int at = 0; at < 2000; at++) assert_true(c[at] == 35);
        rows_run(rows_kernels[i], 7, true, 0, 2, 2, 1, c);
        for (int at = 0; at < 2000; at++) assert_true(c[at] == 70);
        rows_run(rows_kernels[i], 7, true, 0, 1, 2, NAN, c); /* NaN * 0 is NaN, and in column 3 alone */
        for (int at = 0; at < 2000; at++) assert_true(at % 50 == 3 ? isnan(c[at]) : c[at] == 70);
        for (int at = 0; at < 2000; at++) c[at] = 3;
        rows_run(rows_kernels[i], 0, true, 2, 4, 0, 0, c);
        for (int at = 0; at < 2000; at++) assert_true(c[at] == 12);
        for (int at = 0; at < 2000; at++) c[at] = NAN;
        rows_run(rows_kernels[i], 0, false, 2, 0, 0, 0, c);
        for (int at = 0; at < 2000; at++) assert_true(c[at] == 0);
        rows_run(rows_kernels[i], 7, false, 1, 0, 0, INFINITY, c);
        for (int at = 0; at < 2000; at++) assert_true(at % 50 == 3 ? isnan(c[at]) : c[at] == 0);
    }
}

void *rows_call_often(void *argument)
{
    float c[40 * 50];
    hone_matmul_problem p = {.type_a = HONE_F32, .type_b = HONE_F32, .type_c = HONE_F32, .m = 40, .n = 50, .k = 16,
                             .a_row = 16, .a_column = 1, .b_row = 50, .b_column = 1, .c_row = 50, .c_column = 1};
    static float   a[40 * 16], b[16 * 50];
    hone_request   request = rows_request(&p);
    hone_rt_plan  *plan;
    hone_be_stream stream = {.device = rows_device, .team = {NULL, 1}};
    hone_span      spans[HONE_ROLES_MAX] = {{.host = a}, {.host = b}, {.host = c}};
    hone_scalar    scalars[HONE_SCALARS_MAX] = {{.value = 1}};
    hone_arguments arguments = {HONE_ROLES_MAX, HONE_SCALARS_MAX, spans, scalars, 0};
    if (hone_rt_plan_with(rows_context, &request, argument, NULL, &plan) != HONE_OK) return "no plan";
    for (int i = 0; i < 300; i++)
        if (hone_rt_plan_launch(plan, &stream, &arguments, room(plan)) != HONE_OK) return "no launch";
    hone_rt_plan_release(plan);
    return NULL;
}

void rows_launch(const hone_kernel *kernel, const hone_matmul_problem *p, int threads, unsigned flags)
{
    static float   a[4096], b[4096], c[4096];
    hone_request   request = rows_request(p);
    hone_rt_plan  *plan;
    hone_be_stream stream = {.device = rows_device, .team = {NULL, 1}};
    hone_span      spans[HONE_ROLES_MAX] = {{.host = a}, {.host = b}, {.host = c}};
    hone_scalar    scalars[HONE_SCALARS_MAX] = {{.value = 1}};
    hone_arguments arguments = {HONE_ROLES_MAX, HONE_SCALARS_MAX, spans, scalars, 0};
    request.threads = threads;
    request.flags = flags;
    assert_int_equal(hone_rt_plan_with(rows_context, &request, kernel, NULL, &plan), HONE_OK);
    assert_int_equal(hone_rt_plan_launch(plan, &stream, &arguments, room(plan)), HONE_OK);
    hone_rt_plan_release(plan);
}

void rows_call_at_once(const hone_kernel *kernel)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    void     *why;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, rows_call_often, (void *)(uintptr_t)kernel), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &why);
        assert_null(why);
    }
}
