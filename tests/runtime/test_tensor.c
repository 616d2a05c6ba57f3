/* Views: shapes, strides, transposes, and those that cannot be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <hone/tensor.h>

static void assert_strides(const hone_tensor *tensor, int rank, const int64_t *stride)
{
    assert_int_equal(tensor->rank, rank);
    for (int i = 0; i < rank; i++) assert_true(tensor->stride[i] == stride[i]);
}

static void dense_views_are_row_major(void **state)
{
    float       data[24];
    hone_tensor t = hone_tensor_dense(HONE_F32, 3, (int64_t[]){2, 3, 4}, data);
    (void)state;
    assert_strides(&t, 3, (int64_t[]){12, 4, 1});
    assert_ptr_equal(t.data, data);
    assert_null(t.buffer);
    assert_int_equal(t.dtype, HONE_F32);
    assert_int_equal(t.shape[2], 4);
    assert_int_equal(t.shape[3], 0);

    t = hone_matrix(HONE_F64, 5, 7, data);
    assert_strides(&t, 2, (int64_t[]){7, 1});
    t = hone_vector(HONE_S8, 9, data);
    assert_strides(&t, 1, (int64_t[]){1});
    assert_int_equal(t.shape[0], 9);
    t = hone_tensor_dense(HONE_F32, 0, NULL, data); /* a scalar */
    assert_int_equal(t.rank, 0);
    t = hone_tensor_dense(HONE_F32, 8, (int64_t[]){1, 2, 1, 2, 1, 2, 1, 2}, data);
    assert_strides(&t, 8, (int64_t[]){16, 8, 8, 4, 4, 2, 2, 1});
}

static void empty_views_are_legal(void **state)
{
    hone_tensor t = hone_matrix(HONE_F32, 0, 5, NULL);
    (void)state;
    assert_strides(&t, 2, (int64_t[]){5, 1});
    t = hone_tensor_dense(HONE_F32, 3, (int64_t[]){4, 0, 3}, NULL);
    assert_strides(&t, 3, (int64_t[]){3, 3, 1});
}

static void impossible_views_have_no_rank(void **state)
{
    const int64_t huge = (int64_t)1 << 62, shape[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    (void)state;
    assert_int_equal(hone_tensor_dense(HONE_F32, 9, shape, NULL).rank, -1);
    assert_int_equal(hone_tensor_dense(HONE_F32, -1, shape, NULL).rank, -1);
    assert_int_equal(hone_tensor_dense(HONE_F32, -2147483647 - 1, shape, NULL).rank, -1);
    assert_int_equal(hone_tensor_dense(HONE_F32, 1, NULL, NULL).rank, -1);
    assert_int_equal(hone_matrix(HONE_F32, 2, huge, NULL).rank, -1);
    assert_int_equal(hone_matrix(HONE_F32, huge, 2, NULL).rank, -1);
    assert_int_equal(hone_tensor_dense(HONE_F32, 3, (int64_t[]){1, huge, huge}, NULL).rank, -1);
    assert_int_equal(hone_matrix(HONE_F32, 1, INT64_MAX, NULL).rank, 2);
    assert_int_equal(hone_matrix(HONE_F32, -3, 4, NULL).shape[0], -3); /* for the operation to name */
    assert_int_equal(hone_matrix(HONE_F32, INT64_MIN, INT64_MIN, NULL).rank, 2);
}

static void a_transpose_exchanges_the_last_two(void **state)
{
    hone_tensor t = hone_transposed(hone_tensor_dense(HONE_F32, 3, (int64_t[]){2, 3, 4}, NULL));
    (void)state;
    assert_strides(&t, 3, (int64_t[]){12, 1, 4});
    assert_int_equal(t.shape[1], 4);
    assert_int_equal(t.shape[2], 3);
    t = hone_transposed(t);
    assert_strides(&t, 3, (int64_t[]){12, 4, 1});
    t = hone_transposed(hone_vector(HONE_F32, 3, NULL));
    assert_int_equal(t.shape[0], 3);
    t.rank = -1;
    assert_int_equal(hone_transposed(t).rank, -1);
    t.rank = 77; /* whoever fills a view by hand may be wrong */
    assert_int_equal(hone_transposed(t).rank, 77);
}

static void a_view_moves_into_a_buffer(void **state)
{
    int          memory;
    hone_buffer *buffer = (hone_buffer *)(void *)&memory; /* never looked at here */
    hone_tensor  t = hone_tensor_in(buffer, 64, hone_transposed(hone_matrix(HONE_F32, 2, 3, &memory)));
    (void)state;
    assert_null(t.data);
    assert_ptr_equal(t.buffer, buffer);
    assert_int_equal(t.offset_bytes, 64);
    assert_strides(&t, 2, (int64_t[]){1, 3});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dense_views_are_row_major),      cmocka_unit_test(empty_views_are_legal),
        cmocka_unit_test(impossible_views_have_no_rank),  cmocka_unit_test(a_transpose_exchanges_the_last_two),
        cmocka_unit_test(a_view_moves_into_a_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
