/* The CBLAS libraries of this machine as kernels: each judged on problems drawn at random, with NaN in a and b and
 * alpha = 0, without k; and their counts of threads left as they were, whoever calls at once.
 *
 *     test_cblas PROBE MODULE_FOLDER [CASES] */
#include "tests/modules/rows.h"

#include <dlfcn.h>
#include <string.h>

static void test_judged(void **state)
{
    (void)state;
    rows_judge(false, 4);
}

static void test_edges(void **state)
{
    (void)state;
    rows_edges();
}

static void test_refusals(void **state)
{
    (void)state;
    const hone_matmul_problem plain = {.type_a = HONE_F32, .type_b = HONE_F32, .type_c = HONE_F32,
                                       .m = 4, .n = 5, .k = 6, .a_row = 6, .a_column = 1,
                                       .b_row = 5, .b_column = 1, .c_row = 5, .c_column = 1};
    for (int i = 0; i < rows_count; i++) {
        hone_matmul_problem p = plain;
        hone_request        request = rows_request(&p);
        assert_null(rows_kernels[i]->refuses(&request));
        p.b_row = -5;
        assert_non_null(rows_kernels[i]->refuses(&request));
        p = plain, p.a_row = 0;
        assert_non_null(rows_kernels[i]->refuses(&request));
        p = plain, p.a_column = 2, p.a_row = 12;
        assert_non_null(rows_kernels[i]->refuses(&request));
        p = plain, p.step_count = 1, p.step[0].kind = HONE_STEP_RELU;
        assert_non_null(strstr(rows_kernels[i]->refuses(&request), "no steps"));
        p = plain, p.m = (int64_t)1 << 31, p.k = p.n = 1, p.b_row = p.a_row = p.c_row = 1;
        assert_non_null(strstr(rows_kernels[i]->refuses(&request), "31 bits"));
        p = plain, p.a_row = (int64_t)1 << 31;
        assert_non_null(strstr(rows_kernels[i]->refuses(&request), "31 bits"));
        assert_int_equal(rows_kernels[i]->properties & HONE_BITWISE_ALL, 0);
    }
}

/* --- counts of threads ------------------------------------------------------------------------------------------ */

static void test_openblas_count(void **state)
{
    (void)state;
    const hone_kernel *kernel = rows_find("cblas.openblas");
    void              *object = kernel ? dlopen("libopenblas.so.0", RTLD_NOW | RTLD_NOLOAD) : NULL;
    if (!object) skip();
    int (*get)(void);
    void (*set)(int);
    *(void **)&get = dlsym(object, "openblas_get_num_threads");
    *(void **)&set = dlsym(object, "openblas_set_num_threads");
    set(2);
    int before = get();
    rows_call_at_once(kernel);
    assert_int_equal(get(), before);
    set(1);
    rows_call_at_once(kernel);
    assert_int_equal(get(), 1);
}

static void test_blis_count(void **state)
{
    (void)state;
    const hone_kernel *kernel = rows_find("cblas.blis");
    void              *object = kernel ? dlopen("libblis.so.4", RTLD_NOW | RTLD_NOLOAD) : NULL;
    if (!object) skip();
    long (*get)(void);
    void (*set)(long);
    *(void **)&get = dlsym(object, "bli_thread_get_num_threads");
    *(void **)&set = dlsym(object, "bli_thread_set_num_threads");
    const long first = get();
    rows_call_at_once(kernel);
    assert_int_equal(get(), first);
    set(2);
    rows_call_at_once(kernel);
    assert_int_equal(get(), 2);
    set(first);
}

static void test_mkl_count(void **state)
{
    (void)state;
    const hone_kernel *kernel = rows_find("cblas.mkl");
    void              *object = kernel ? dlopen("libmkl_rt.so.2", RTLD_NOW | RTLD_NOLOAD) : NULL;
    _Atomic(int)      *many = object ? dlsym(object, "stand_in_calls_of_many") : NULL;
    if (!many) skip(); /* the true one is here */
    int (*set)(int);
    *(void **)&set = dlsym(object, "MKL_Set_Num_Threads_Local");
    assert_string_equal(kernel->identity(rows_device), "mkl 2020.4");
    set(5);
    rows_call_at_once(kernel);
    assert_null(rows_call_often((void *)(uintptr_t)kernel));
    assert_int_equal(set(0), 5);
    assert_int_equal(*many, 0);

    hone_matmul_problem p = {.type_a = HONE_F32, .type_b = HONE_F32, .type_c = HONE_F32, .m = 40, .n = 50, .k = 16,
                             .a_row = 16, .a_column = 1, .b_row = 50, .b_column = 1, .c_row = 50, .c_column = 1};
    rows_launch(kernel, &p, 2, HONE_REQUEST_CALLERS_THREADS); /* beside the caller's pool: one */
    assert_int_equal(*many, 0);
    rows_launch(kernel, &p, 2, 0);
    assert_int_equal(*many, 1);
    assert_int_equal(set(0), 0);
}

int main(int count, char **words)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_judged),         cmocka_unit_test(test_edges),     cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_openblas_count), cmocka_unit_test(test_blis_count), cmocka_unit_test(test_mkl_count),
    };
    return ROWS_MAIN(count, words, "cblas.", tests);
}
