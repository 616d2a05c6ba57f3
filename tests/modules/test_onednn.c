/* oneDNN as kernels, by each version of its C API that is found: judged on problems drawn at random, at the edges, its
 * count of threads left as it was, and, where the stand-ins of stand_in_dnnl.c are what is found, what it was asked.
 *
 *     test_onednn PROBE MODULE_FOLDER [CASES] */
#include "tests/modules/rows.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/matmul_pack/problem.h"

static void test_judged(void **state)
{
    (void)state;
    rows_judge(true, 10);
}

static void test_packed(void **state)
{
    (void)state;
    if (!rows_packed_count) skip();
    rows_judge_packed(20);
}

/* Two matrices with room between their rows, packed and unpacked: as they were, and the room untouched. */
static void goes_there_and_back(const hone_kernel *kernel)
{
    enum { K = 51, N = 70, ROW = 75, MATRIX = K * ROW + 9, BYTES = 64 * 128 * 4 };
    static float packed[2 * BYTES / 4] __attribute__((aligned(64))), plain[2 * MATRIX], back[2 * MATRIX];
    for (int i = 0; i < 2 * MATRIX; i++) plain[i] = (float)(i + 1), back[i] = -1;
    for (int way = 0; way < 2; way++) {
        hone_matmul_pack_problem p = {.type = HONE_F32, .unpack = (uint8_t)way, .k = K, .n = N, .row = ROW, .column = 1,
                                      .count = 2, .matrix = MATRIX, .bytes = BYTES, .layout = "onednn:BA16a64b"};
        hone_request request = {.device = rows_device, .op = &hone_matmul_pack_op, .problem = &p, .threads = 1,
                                .alignment = 4};
        hone_be_stream stream = {.device = rows_device, .team = {NULL, 1}};
        hone_span      spans[2] = {{.host = way ? packed : plain}, {.host = way ? back : packed}};
        hone_arguments arguments = {2, 0, spans, NULL, 0};
        hone_rt_plan  *plan;
        assert_int_equal(hone_rt_plan_with(rows_context, &request, kernel, NULL, &plan), HONE_OK);
        assert_int_equal(plan->needs.scratch_bytes, 0);
        assert_int_equal(hone_rt_plan_launch(plan, &stream, &arguments, (hone_span){0}), HONE_OK);
        hone_rt_plan_release(plan);
    }
    for (int i = 0; i < 2 * MATRIX; i++) {
        const int  in = i % MATRIX;
        const bool of_it = in / ROW < K && in % ROW < N;
        assert_true(back[i] == (of_it ? plain[i] : -1));
    }
    assert_true(packed[0] == 1 && packed[64] == 1 + ROW && packed[BYTES / 4] == 1 + MATRIX);
}

static void test_packing(void **state)
{
    const hone_kernel *kernels[HONE_RT_KERNELS_MAX];
    int count = hone_rt_kernels(rows_context, &hone_matmul_pack_op, rows_device, kernels, HONE_RT_KERNELS_MAX),
        tried = 0;
    (void)state;
    for (int i = 0; i < count; i++) {
        hone_matmul_pack_problem p = {.type = HONE_F32, .k = 5, .n = 6, .row = 6, .column = 1, .count = 1, .bytes = 480,
                                      .layout = "n8"};
        hone_request             request = {.device = rows_device, .op = &hone_matmul_pack_op, .problem = &p};
        if (strncmp(kernels[i]->name, "onednn", 6)) continue;
        assert_non_null(strstr(kernels[i]->refuses(&request), "not oneDNN's"));
        goes_there_and_back(kernels[i]);
        tried++;
    }
    if (!tried) skip();
}

static void test_edges(void **state)
{
    (void)state;
    rows_edges();
}

static hone_matmul_problem plain(int64_t m, int64_t n, int64_t k)
{
    return (hone_matmul_problem){.type_a = HONE_F32, .type_b = HONE_F32, .type_c = HONE_F32, .m = m, .n = n, .k = k,
                                 .a_row = k, .a_column = 1, .b_row = n, .b_column = 1, .c_row = n, .c_column = 1};
}

static void must_refuse(const hone_kernel *kernel, const hone_matmul_problem *p, const char *part)
{
    hone_request request = rows_request(p);
    const char  *why = kernel->refuses(&request);
    assert_non_null(why);
    if (!strstr(why, part)) fail_msg("%s: '%s' lacks '%s'", kernel->name, why, part);
}

static void test_refusals(void **state)
{
    (void)state;
    for (int i = 0; i < rows_count; i++) {
        const bool          steps = strstr(rows_kernels[i]->name, "matmul") != NULL;
        hone_matmul_problem p = plain(4, 5, 6);
        hone_request        request = rows_request(&p);
        assert_null(rows_kernels[i]->refuses(&request));
        p.type_a = p.type_b = p.type_c = HONE_F64;
        must_refuse(rows_kernels[i], &p, "f32");
        p.type_a = HONE_U8, p.type_b = HONE_S8, p.type_c = HONE_S32, p.zeros = HONE_MATMUL_ZERO_A;
        must_refuse(rows_kernels[i], &p, steps ? "zero points" : "f32 alone");
        p = plain(4, 5, 6), p.type_a = HONE_BF16;
        must_refuse(rows_kernels[i], &p, steps ? "different types" : "f32 alone");
        p = plain(4, 5, 6), p.b_row = -5;
        must_refuse(rows_kernels[i], &p, "contiguous");
        p = plain(4, 5, 6), p.step_count = 1, p.step[0].kind = HONE_STEP_RELU;
        must_refuse(rows_kernels[i], &p, steps ? "NaN" : "no steps");
        p = plain(4, 5, 6), p.step_count = 2, p.step[0].kind = HONE_STEP_SILU, p.step[1].kind = HONE_STEP_GELU;
        must_refuse(rows_kernels[i], &p, steps ? "at most one" : "no steps");
        p = plain(4, 5, 6), p.step_count = 1, p.step[0].kind = HONE_STEP_SCALE;
        must_refuse(rows_kernels[i], &p, steps ? "at most a bias" : "no steps");
        assert_int_equal(rows_kernels[i]->properties & HONE_BITWISE_ALL, 0);
    }
}

/* The count of OpenMP's threads that each thread has, as it was. */
static void test_count(void **state)
{
    int checked = 0;
    (void)state;
    for (int i = 0; i < rows_count; i++) {
        void *object = dlopen(strncmp(rows_kernels[i]->name, "onednn2", 7) ? "libdnnl.so.3" : "libdnnl.so.2",
                              RTLD_NOW | RTLD_NOLOAD);
        int (*get)(void);
        void (*set)(int);
        assert_non_null(object);
        *(void **)&get = dlsym(object, "omp_get_max_threads");
        *(void **)&set = dlsym(object, "omp_set_num_threads");
        if (!get || !set) continue; /* it has threads of another kind */
        set(3);
        assert_null(rows_call_often((void *)(uintptr_t)rows_kernels[i]));
        assert_int_equal(get(), 3);
        rows_call_at_once(rows_kernels[i]);
        assert_int_equal(get(), 3);
        set(1);
        assert_null(rows_call_often((void *)(uintptr_t)rows_kernels[i]));
        assert_int_equal(get(), 1);
        checked++;
    }
    if (!checked) skip();
}

/* --- the stand-ins ------------------------------------------------------------------------------------------------ */

typedef struct account {
    atomic_int *live, *faults, *primitives, *calls, *wide, *threads;
} account;

static bool account_of(const char *library, account *out)
{
    void *object = dlopen(library, RTLD_NOW | RTLD_NOLOAD);
    if (!object) return false;
    out->live = dlsym(object, "stand_in_live");
    out->faults = dlsym(object, "stand_in_faults");
    out->primitives = dlsym(object, "stand_in_primitives");
    out->calls = dlsym(object, "stand_in_calls");
    out->wide = dlsym(object, "stand_in_wide");
    out->threads = dlsym(object, "stand_in_threads");
    return out->live != NULL;
}

static hone_status plan_of(const hone_kernel *kernel, const hone_matmul_problem *p, hone_rt_plan **out)
{
    hone_request request = rows_request(p);
    return hone_rt_plan_with(rows_context, &request, kernel, NULL, out);
}

static void launch(hone_rt_plan *plan, double alpha, double beta)
{
    static float   a[4096], b[4096], c[4096], scratch[64] __attribute__((aligned(64)));
    hone_be_stream stream = {.device = rows_device, .team = {NULL, 1}};
    hone_span      spans[HONE_ROLES_MAX] = {{.host = a}, {.host = b}, {.host = c}};
    hone_scalar    scalars[HONE_SCALARS_MAX] = {{.value = alpha}, {.value = beta}};
    hone_arguments arguments = {HONE_ROLES_MAX, HONE_SCALARS_MAX, spans, scalars, 0};
    assert_int_equal(hone_rt_plan_launch(plan, &stream, &arguments, (hone_span){.host = scratch}), HONE_OK);
}

static void asks_rightly(const hone_kernel *kernel, const account *it)
{
    hone_matmul_problem p = plain(4, 5, 32);
    hone_rt_plan       *plan;
    const int           live = *it->live;
    assert_int_equal(plan_of(kernel, &p, &plan), HONE_OK);
    int primitives = *it->primitives, calls = *it->calls, wide = *it->wide;
    launch(plan, 1, 0);
    assert_int_equal(*it->primitives, primitives + 1);
    assert_int_equal(*it->calls, calls);
    launch(plan, 2, 0); /* by the call */
    assert_int_equal(*it->primitives, primitives + 1);
    assert_int_equal(*it->calls, calls + 1);
    assert_true(*it->live > live);
    hone_rt_plan_release(plan);
    assert_int_equal(*it->live, live);

    p = plain(4, 5, 6), p.batch_rank = 1, p.batch[0] = 3, p.a_batch[0] = 24, p.c_batch[0] = 20; /* b repeats */
    assert_int_equal(plan_of(kernel, &p, &plan), HONE_OK);
    launch(plan, 1, 0);
    assert_int_equal(*it->wide, wide + 1);
    hone_rt_plan_release(plan);
    p = plain(4, 3, 6), p.batch_rank = 1, p.batch[0] = 3, p.a_batch[0] = 24, p.c_batch[0] = 12;
    primitives = *it->primitives;
    assert_int_equal(plan_of(kernel, &p, &plan), HONE_OK); /* the batch would be done by "ref": one by one */
    launch(plan, 1, 0);
    assert_int_equal(*it->wide, wide + 1);
    assert_int_equal(*it->primitives, primitives + 3);
    hone_rt_plan_release(plan);

    p = plain(4, 5, 6);
    rows_launch(kernel, &p, 2, 0);
    assert_int_equal(*it->threads, 2);
    rows_launch(kernel, &p, 2, HONE_REQUEST_CALLERS_THREADS); /* beside the caller's pool: one */
    assert_int_equal(*it->threads, 1);

    p = plain(13, 5, 6);
    assert_int_equal(plan_of(kernel, &p, &plan), HONE_ERROR_UNSUPPORTED);
    assert_non_null(strstr(hone_last_error(), "reference code"));
    p = plain(10007, 5, 6);
    assert_int_equal(plan_of(kernel, &p, &plan), HONE_ERROR_MEMORY);
    p = plain(10009, 5, 6);
    assert_int_equal(plan_of(kernel, &p, &plan), HONE_ERROR_UNSUPPORTED);
    assert_int_equal(*it->live, live);
    assert_int_equal(*it->faults, 0);
}

/* What the call says is not lost. */
static void tells_failures(const hone_kernel *kernel)
{
    hone_matmul_problem p = plain(10007, 5, 6);
    hone_be_stream      stream = {.device = rows_device, .team = {NULL, 1}};
    static float        a[10007 * 6], b[6 * 5], c[10007 * 5];
    hone_span           spans[HONE_ROLES_MAX] = {{.host = a}, {.host = b}, {.host = c}};
    hone_scalar         scalars[HONE_SCALARS_MAX] = {{.value = 1}};
    hone_arguments      arguments = {HONE_ROLES_MAX, HONE_SCALARS_MAX, spans, scalars, 0};
    hone_rt_plan       *plan;
    assert_non_null(kernel);
    assert_int_equal(plan_of(kernel, &p, &plan), HONE_OK);
    assert_int_equal(hone_rt_plan_launch(plan, &stream, &arguments, (hone_span){0}), HONE_ERROR_DEVICE);
    assert_non_null(strstr(hone_last_error(), "sgemm failed with status 1"));
    hone_rt_plan_release(plan);
}

static void test_stand_ins(void **state)
{
    account it;
    (void)state;
    if (!account_of("libdnnl.so.3", &it)) skip(); /* the true ones are here */
    assert_non_null(rows_find("onednn.matmul"));
    asks_rightly(rows_find("onednn.matmul"), &it);
    tells_failures(rows_find("onednn.gemm"));
    assert_true(account_of("libdnnl.so.2", &it));
    assert_non_null(rows_find("onednn2.matmul"));
    asks_rightly(rows_find("onednn2.matmul"), &it);
    tells_failures(rows_find("onednn2.gemm"));
}

/* Version 2's says that it leaves AVX-512 unused, where this CPU has that. */
static void test_remarks(void **state)
{
    hone_rt_module_remark remarks[32];
    account               it;
    bool                  told = false;
    (void)state;
    if (!account_of("libdnnl.so.2", &it) || rows_device->cpu.isa < HONE_ISA_AVX512) skip();
    int count = hone_rt_module_remarks(rows_context, remarks, 32);
    for (int i = 0; i < count; i++)
        told |= remarks[i].state == HONE_RT_MODULE_SAYS && strstr(remarks[i].sentence, "ONEDNN_MAX_CPU_ISA");
    assert_true(told);
}

int main(int count, char **words)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_judged), cmocka_unit_test(test_packed), cmocka_unit_test(test_packing),
        cmocka_unit_test(test_edges),     cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_count),  cmocka_unit_test(test_stand_ins), cmocka_unit_test(test_remarks),
    };
    return ROWS_MAIN(count, words, "onednn", tests);
}
