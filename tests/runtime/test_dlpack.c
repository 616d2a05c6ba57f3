/* DLPack in and out: the struct as its specification writes it (here once more, on purpose), every field doubted, and
 * memory that lives exactly as long as somebody holds it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <stdlib.h>

#include <hone/hone.h>

#include "base/alloc.h"
#include "tests/memory.h"

struct DLManagedTensorVersioned {
    struct {
        uint32_t major, minor;
    } version;
    void *manager_ctx;
    void (*deleter)(struct DLManagedTensorVersioned *self);
    uint64_t flags;
    struct {
        void *data;
        struct {
            int32_t device_type, device_id;
        } device;
        int32_t ndim;
        struct {
            uint8_t  code, bits;
            uint16_t lanes;
        } dtype;
        int64_t *shape, *strides;
        uint64_t byte_offset;
    } dl_tensor;
};
typedef struct DLManagedTensorVersioned managed;

static hone_context *context;
static hone_device  *device;
static int           deleted;

static int make_context(void **state)
{
    (void)state;
    deleted = 0;
    return hone_context_create(NULL, &context) || hone_device_at(context, 0, &device);
}

static int end_context(void **state)
{
    (void)state;
    hone_status status = hone_context_destroy(context);
    return status != HONE_OK || hone_alloc_live() != 0; /* nothing is left, whatever the test did */
}

static void count_deleted(managed *self)
{
    (void)self;
    deleted++;
}

static float   data[64];
static int64_t shape[9] = {3, 4, 1, 1, 1, 1, 1, 1, 1}, strides[9] = {4, 1, 1, 1, 1, 1, 1, 1, 1};

/* A 3 x 4 matrix of f32. */
static managed matrix(void)
{
    managed it = {.version = {1, 1}, .deleter = count_deleted};
    it.dl_tensor.data = data;
    it.dl_tensor.device.device_type = 1;
    it.dl_tensor.ndim = 2;
    it.dl_tensor.dtype.code = 2;
    it.dl_tensor.dtype.bits = 32;
    it.dl_tensor.dtype.lanes = 1;
    it.dl_tensor.shape = shape;
    it.dl_tensor.strides = strides;
    return it;
}

/* --- in -------------------------------------------------------------------------------------------------------- */

static void a_matrix_comes_in(void **state)
{
    managed      it = matrix();
    hone_buffer *buffer;
    hone_tensor  t;
    int          read_only = 7;
    size_t       bytes;
    (void)state;
    assert_int_equal(hone_dlpack_import(device, &it, &buffer, &t, &read_only), HONE_OK);
    assert_int_equal(read_only, 0);
    assert_ptr_equal(t.buffer, buffer);
    assert_null(t.data);
    assert_true(t.offset_bytes == 0 && t.dtype == HONE_F32 && t.rank == 2);
    assert_true(t.shape[0] == 3 && t.shape[1] == 4 && t.stride[0] == 4 && t.stride[1] == 1);
    assert_int_equal(hone_buffer_size(buffer, &bytes), HONE_OK);
    assert_int_equal(bytes, 48);
    assert_int_equal(deleted, 0);
    assert_int_equal(hone_buffer_destroy(buffer), HONE_OK);
    assert_int_equal(deleted, 1);

    it.flags = 1;
    it.deleter = NULL; /* there may be none */
    assert_int_equal(hone_dlpack_import(device, &it, &buffer, &t, NULL), HONE_OK);
    assert_int_equal(hone_buffer_destroy(buffer), HONE_OK);
    assert_int_equal(hone_dlpack_import(device, &it, &buffer, &t, &read_only), HONE_OK);
    assert_int_equal(read_only, 1);
    assert_int_equal(hone_buffer_destroy(buffer), HONE_OK);
}

static void it_can_be_computed_with(void **state)
{
    managed      a = matrix(), b = matrix();
    int64_t      backwards[] = {-4, -1}, identity[] = {4, 4};
    float        eye[16] = {0}, product[12];
    hone_stream *stream;
    hone_buffer *in_a, *in_b;
    hone_tensor  ta, tb, tc = hone_matrix(HONE_F32, 3, 4, product);
    (void)state;
    for (int i = 0; i < 64; i++) data[i] = (float)i;
    for (int i = 0; i < 4; i++) eye[5 * i] = 1;
    a.dl_tensor.strides = backwards; /* a from its last element on */
    a.dl_tensor.byte_offset = 11 * sizeof(float);
    b.dl_tensor.data = eye;
    b.dl_tensor.shape = identity;
    b.dl_tensor.strides = NULL;
    assert_int_equal(hone_dlpack_import(device, &a, &in_a, &ta, NULL), HONE_OK);
    assert_int_equal(ta.offset_bytes, 44);
    assert_int_equal(hone_dlpack_import(device, &b, &in_b, &tb, NULL), HONE_OK);
    assert_true(tb.stride[0] == 4 && tb.stride[1] == 1);
    assert_int_equal(hone_stream_create(device, &stream), HONE_OK);
    if (hone_matmul(stream, &ta, &tb, &tc, NULL) != HONE_OK) fail_msg("%s", hone_last_error());
    assert_int_equal(hone_stream_wait(stream), HONE_OK);
    for (int i = 0; i < 12; i++) assert_true(product[i] == (float)(11 - i));
    assert_int_equal(hone_stream_destroy(stream) | hone_buffer_destroy(in_a) | hone_buffer_destroy(in_b), HONE_OK);
    assert_int_equal(deleted, 2);
}

static void every_type_comes_in(void **state)
{
    static const struct {
        uint8_t    code, bits;
        hone_dtype type;
    } types[] = {{2, 64, HONE_F64}, {2, 32, HONE_F32}, {2, 16, HONE_F16}, {4, 16, HONE_BF16},
                 {0, 64, HONE_S64}, {0, 32, HONE_S32}, {0, 8, HONE_S8},   {1, 8, HONE_U8}};
    (void)state;
    int taken = 0;
    for (int code = 0; code < 20; code++)
        for (int bits = 0; bits < 256; bits++) {
            managed      it = matrix();
            hone_buffer *buffer;
            hone_tensor  t;
            hone_dtype   expected = HONE_DTYPE_NONE;
            for (size_t i = 0; i < sizeof types / sizeof *types; i++)
                if (types[i].code == code && types[i].bits == bits) expected = types[i].type;
            it.dl_tensor.dtype.code = (uint8_t)code;
            it.dl_tensor.dtype.bits = (uint8_t)bits;
            hone_status status = hone_dlpack_import(device, &it, &buffer, &t, NULL);
            assert_int_equal(status, expected ? HONE_OK : HONE_ERROR_TYPE);
            if (status != HONE_OK) continue;
            taken++;
            assert_int_equal(t.dtype, expected);
            managed *out;
            assert_int_equal(hone_dlpack_export(device, &t, 0, &out), HONE_OK);
            assert_int_equal(out->dl_tensor.dtype.code, code);
            assert_int_equal(out->dl_tensor.dtype.bits, bits);
            out->deleter(out);
            assert_int_equal(hone_buffer_destroy(buffer), HONE_OK);
        }
    assert_int_equal(taken, 8);
}

static void shapes_of_all_ranks_come_in(void **state)
{
    (void)state;
    for (int32_t rank = 0; rank <= HONE_RANK_MAX; rank++) {
        managed      it = matrix();
        hone_buffer *buffer;
        hone_tensor  t;
        it.dl_tensor.ndim = rank;
        if (rank == 0) it.dl_tensor.shape = it.dl_tensor.strides = NULL;
        assert_int_equal(hone_dlpack_import(device, &it, &buffer, &t, NULL), HONE_OK);
        assert_int_equal(t.rank, rank);
        assert_int_equal(hone_buffer_destroy(buffer), HONE_OK);
    }
    int64_t      empty[] = {5, 0};
    managed      it = matrix();
    hone_buffer *buffer;
    hone_tensor  t;
    it.dl_tensor.data = NULL;
    it.dl_tensor.shape = empty;
    assert_int_equal(hone_dlpack_import(device, &it, &buffer, &t, NULL), HONE_OK);
    assert_true(t.shape[0] == 5 && t.shape[1] == 0);
    assert_int_equal(hone_buffer_destroy(buffer), HONE_OK);

    int64_t repeated[] = {0, 1}; /* one row, three times */
    it = matrix();
    it.dl_tensor.strides = repeated;
    size_t bytes;
    assert_int_equal(hone_dlpack_import(device, &it, &buffer, &t, NULL), HONE_OK);
    assert_int_equal(hone_buffer_size(buffer, &bytes), HONE_OK);
    assert_int_equal(bytes, 16);
    assert_int_equal(hone_buffer_destroy(buffer), HONE_OK);
}

static void assert_refused(managed *it, hone_status expected, const char *sentence)
{
    hone_buffer *buffer = (hone_buffer *)(void *)it;
    hone_tensor  t = {.rank = 3};
    hone_status  status = hone_dlpack_import(device, it, &buffer, &t, NULL);
    if (status != expected || !strstr(hone_last_error(), sentence))
        fail_msg("%s '%s', not %s '%s'", hone_status_name(status), hone_last_error(), hone_status_name(expected),
                 sentence);
    assert_null(buffer);
    assert_int_equal(t.rank, -1);
    assert_int_equal(deleted, 0); /* it stays the caller's */
}

static void what_is_wrong_is_refused(void **state)
{
    int64_t negative[] = {3, -4}, huge[] = {INT64_MAX, 4}, far[] = {INT64_MAX / 4, 1},
            wide[] = {(int64_t)1 << 59, -((int64_t)1 << 59)};
    int64_t two[] = {2, 2};
    managed it;
    (void)state;
#define REFUSED(status, sentence, ...) it = matrix(), __VA_ARGS__, assert_refused(&it, status, sentence)
    REFUSED(HONE_ERROR_FORMAT, "of DLPack 0.8, and this hone speaks 1.x", it.version.major = 0, it.version.minor = 8);
    REFUSED(HONE_ERROR_FORMAT, "of DLPack 2.0", it.version.major = 2, it.version.minor = 0);
    REFUSED(HONE_ERROR_FORMAT, "has -1 dimensions", it.dl_tensor.ndim = -1);
    REFUSED(HONE_ERROR_SHAPE, "has 9 dimensions", it.dl_tensor.ndim = 9);
    REFUSED(HONE_ERROR_SHAPE, "dimensions", it.dl_tensor.ndim = INT32_MAX);
    REFUSED(HONE_ERROR_FORMAT, "its shape is NULL", it.dl_tensor.shape = NULL);
    REFUSED(HONE_ERROR_SHAPE, "extent 1 is -4", it.dl_tensor.shape = negative);
    REFUSED(HONE_ERROR_OVERFLOW, "product of its extents", it.dl_tensor.shape = huge);
    REFUSED(HONE_ERROR_OVERFLOW, "product of its extents", it.dl_tensor.shape = huge, it.dl_tensor.strides = NULL);
    REFUSED(HONE_ERROR_OVERFLOW, "strides reach", it.dl_tensor.strides = far);
    REFUSED(HONE_ERROR_OVERFLOW, "", it.dl_tensor.strides = wide, it.dl_tensor.shape = two,
            it.dl_tensor.dtype.bits = 64, it.dl_tensor.data = (void *)((uintptr_t)1 << 63));
    REFUSED(HONE_ERROR_ARGUMENT, "no memory", it.dl_tensor.data = NULL);
    REFUSED(HONE_ERROR_FORMAT, "from NULL", it.dl_tensor.data = NULL, it.dl_tensor.byte_offset = 4);
    REFUSED(HONE_ERROR_OVERFLOW, "leaves the address space", it.dl_tensor.byte_offset = UINT64_MAX);
    REFUSED(HONE_ERROR_OVERFLOW, "address space", it.dl_tensor.byte_offset = UINT64_MAX - (uintptr_t)data - 2);
    REFUSED(HONE_ERROR_ARGUMENT, "not aligned", it.dl_tensor.byte_offset = 2);
    REFUSED(HONE_ERROR_TYPE, "float32 (code 2) with 4 lanes", it.dl_tensor.dtype.lanes = 4);
    REFUSED(HONE_ERROR_TYPE, "with 0 lanes", it.dl_tensor.dtype.lanes = 0);
    REFUSED(HONE_ERROR_TYPE, "complex64", it.dl_tensor.dtype.code = 5, it.dl_tensor.dtype.bits = 64);
    REFUSED(HONE_ERROR_TYPE, "bool8", it.dl_tensor.dtype.code = 6, it.dl_tensor.dtype.bits = 8);
    REFUSED(HONE_ERROR_TYPE, "other8", it.dl_tensor.dtype.code = 200, it.dl_tensor.dtype.bits = 8);
    static const int32_t elsewhere[] = {0, 2, 4, 7, 8, 10, 12, 13, 14, 99, -1};
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
        REFUSED(HONE_ERROR_ARGUMENT, "which cpu:0 does not reach", it.dl_tensor.device.device_type = elsewhere[i]);
}

static void misuse_is_refused(void **state)
{
    managed      it = matrix(), *out = &it;
    hone_buffer *buffer;
    hone_tensor  t;
    (void)state;
    assert_int_equal(hone_dlpack_import(device, &it, NULL, &t, NULL), HONE_ERROR_ARGUMENT);
    assert_int_equal(hone_dlpack_import(device, &it, &buffer, NULL, NULL), HONE_ERROR_ARGUMENT);
    assert_int_equal(hone_dlpack_import(device, NULL, &buffer, &t, NULL), HONE_ERROR_ARGUMENT);
    assert_int_equal(hone_dlpack_import(NULL, &it, &buffer, &t, NULL), HONE_ERROR_HANDLE);
    assert_int_equal(hone_dlpack_import((hone_device *)(void *)context, &it, &buffer, &t, NULL), HONE_ERROR_HANDLE);
    t = hone_matrix(HONE_F32, 3, 4, data);
    assert_int_equal(hone_dlpack_export(device, &t, 0, NULL), HONE_ERROR_ARGUMENT);
    assert_int_equal(hone_dlpack_export(device, NULL, 0, &out), HONE_ERROR_ARGUMENT);
    assert_null(out);
    assert_int_equal(hone_dlpack_export(NULL, &t, 0, &out), HONE_ERROR_HANDLE);
    t.rank = 9;
    assert_int_equal(hone_dlpack_export(device, &t, 0, &out), HONE_ERROR_SHAPE);
    t = hone_matrix(HONE_F32, 3, 4, NULL);
    assert_int_equal(hone_dlpack_export(device, &t, 0, &out), HONE_ERROR_ARGUMENT);
    t = hone_matrix(HONE_S4, 3, 4, data);
    assert_int_equal(hone_dlpack_export(device, &t, 0, &out), HONE_ERROR_TYPE);
    t = hone_matrix((hone_dtype)77, 3, 4, data);
    assert_int_equal(hone_dlpack_export(device, &t, 0, &out), HONE_ERROR_TYPE);

    assert_int_equal(hone_buffer_create(device, 47, &buffer), HONE_OK);
    t = hone_tensor_in(buffer, 0, hone_matrix(HONE_F32, 3, 4, NULL));
    assert_int_equal(hone_dlpack_export(device, &t, 0, &out), HONE_ERROR_ARGUMENT); /* a byte too few */
    assert_int_equal(hone_buffer_destroy(buffer), HONE_OK);
    assert_int_equal(hone_dlpack_export(device, &t, 0, &out), HONE_ERROR_HANDLE);
    assert_null(out);
    assert_int_equal(deleted, 0);
}

/* --- out ------------------------------------------------------------------------------------------------------- */

static void host_memory_goes_out(void **state)
{
    hone_tensor t = hone_transposed(hone_matrix(HONE_F32, 3, 4, data));
    managed    *out;
    (void)state;
    assert_int_equal(hone_dlpack_export(device, &t, 1, &out), HONE_OK);
    assert_int_equal(out->version.major, 1);
    assert_int_equal(out->flags, 1);
    assert_ptr_equal((char *)out->dl_tensor.data + out->dl_tensor.byte_offset, data);
    assert_int_equal(out->dl_tensor.device.device_type, 1);
    assert_int_equal(out->dl_tensor.device.device_id, 0);
    assert_int_equal(out->dl_tensor.ndim, 2);
    assert_int_equal(out->dl_tensor.dtype.lanes, 1);
    assert_true(out->dl_tensor.shape[0] == 4 && out->dl_tensor.shape[1] == 3);
    assert_true(out->dl_tensor.strides[0] == 1 && out->dl_tensor.strides[1] == 4);
    out->deleter(out);

    t = hone_matrix(HONE_F32, 0, 4, data); /* an empty one has no data */
    assert_int_equal(hone_dlpack_export(device, &t, 0, &out), HONE_OK);
    assert_null(out->dl_tensor.data);
    assert_int_equal(out->flags, 0);
    out->deleter(out);
}

static void a_buffer_lives_while_it_is_out(void **state)
{
    managed      theirs = matrix(), *out, *again;
    hone_buffer *buffer, *second;
    hone_tensor  t, back;
    (void)state;
    data[0] = 42;
    assert_int_equal(hone_dlpack_import(device, &theirs, &buffer, &t, NULL), HONE_OK);
    assert_int_equal(hone_dlpack_export(device, &t, 0, &out), HONE_OK);
    assert_int_equal(hone_dlpack_export(device, &t, 0, &again), HONE_OK);
    assert_int_equal(hone_buffer_destroy(buffer), HONE_OK);
    assert_int_equal(deleted, 0);
    assert_true(*(float *)out->dl_tensor.data == 42);
    assert_int_equal(hone_dlpack_import(device, out, &second, &back, NULL), HONE_OK); /* round, and round again */
    again->deleter(again);
    assert_int_equal(deleted, 0);
    assert_int_equal(hone_buffer_destroy(second),
                     HONE_OK); /* ends `out`, which ends the first buffer, which ends theirs */
    assert_int_equal(deleted, 1);

    /* even beyond the context */
    assert_int_equal(hone_buffer_create(device, 64, &buffer), HONE_OK);
    t = hone_tensor_in(buffer, 16, hone_matrix(HONE_F32, 3, 4, NULL));
    assert_int_equal(hone_dlpack_export(device, &t, 0, &out), HONE_OK);
    assert_int_equal(hone_buffer_destroy(buffer), HONE_OK);
    assert_int_equal(hone_context_destroy(context), HONE_OK);
    memset(out->dl_tensor.data, 1, 48);
    out->deleter(out);
    assert_int_equal(hone_alloc_live(), 0);
    assert_int_equal(make_context(state), 0);
}

static void short_memory_leaves_it_with_the_caller(void **state)
{
    test_memory memory;
    (void)state;
    for (int64_t n = 1, reached = 1; reached; n++) {
        managed      theirs = matrix(), *out = NULL;
        hone_buffer *buffer = NULL;
        hone_tensor  t;
        assert_int_equal(hone_context_destroy(context), HONE_OK);
        assert_int_equal(test_memory_use(&memory), HONE_OK);
        assert_int_equal(make_context(state), 0);
        int64_t before = memory.calls;
        memory.fail_at = before + n;
        hone_status status = hone_dlpack_import(device, &theirs, &buffer, &t, NULL);
        assert_true(status == HONE_OK || (status == HONE_ERROR_MEMORY && !buffer && !deleted));
        if (status == HONE_OK) status = hone_dlpack_export(device, &t, 0, &out);
        assert_true(status == HONE_OK || (status == HONE_ERROR_MEMORY && !out));
        reached = memory.calls >= before + n;
        assert_int_equal(status == HONE_OK, !reached);
        if (out) out->deleter(out);
        assert_int_equal(deleted, 0);
        assert_int_equal(hone_buffer_destroy(buffer), HONE_OK);
        assert_int_equal(deleted, buffer ? 1 : 0);
        assert_int_equal(hone_context_destroy(context), HONE_OK);
        assert_int_equal(memory.blocks, 0);
        assert_int_equal(test_memory_use(NULL), HONE_OK);
        assert_int_equal(make_context(state), 0);
        if (!reached) assert_true(n > 3);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_context, end_context)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_matrix_comes_in),
        TEST(it_can_be_computed_with),
        TEST(every_type_comes_in),
        TEST(shapes_of_all_ranks_come_in),
        TEST(what_is_wrong_is_refused),
        TEST(misuse_is_refused),
        TEST(host_memory_goes_out),
        TEST(a_buffer_lives_while_it_is_out),
        TEST(short_memory_leaves_it_with_the_caller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
