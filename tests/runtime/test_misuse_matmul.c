/* Misuse of matmul's four doors: the call, its plan, and both for arrays of pointers. A row says where it is asked. */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/random.h"
#include "tests/runtime/misuse.h"

typedef enum matmul_door { DOOR_CALL = 0, DOOR_PLAN, DOOR_MANY, DOOR_MANY_PLAN, DOORS } matmul_door;

/* Which doors a row is asked at. */
enum {
    CALL = 1u << DOOR_CALL,
    PLANS = 1u << DOOR_PLAN,
    MANY = 1u << DOOR_MANY,
    MANY_PLANS = 1u << DOOR_MANY_PLAN,
    SINGLE = CALL | PLANS,
    RUNS = CALL | MANY,
    EVERY = CALL | PLANS | MANY | MANY_PLANS
};

static const char *const door_names[DOORS] = {"matmul", "matmul_plan", "matmul_many", "matmul_many_plan"};

static hone_status ask_matmul(world *w, matmul_door door)
{
    hone_plan  *plan = (void *)w;
    hone_status status = HONE_OK;
    switch (door) {
    case DOOR_CALL:
        return hone_matmul(w->stream, w->a_at, w->b_at, (hone_tensor *)(uintptr_t)w->c_at, w->options_at);
    case DOOR_MANY:
        return hone_matmul_many(w->stream, w->count, w->a_at, w->a_array, w->b_at, w->b_array, w->c_at, w->c_array,
                                w->options_at);
    case DOOR_PLAN: status = hone_matmul_plan(w->cpu, w->a_at, w->b_at, w->c_at, w->options_at, &plan); break;
    case DOOR_MANY_PLAN:
        status = hone_matmul_many_plan(w->cpu, w->count, w->a_at, w->b_at, w->c_at, w->options_at, &plan);
        break;
    case DOORS: break;
    }
    if (status == HONE_OK) works(hone_plan_destroy(plan));
    if (status != HONE_OK) assert_null(plan);
    return status;
}

/* The edit, then the call at each of the doors. */
#define ROW(doors, status, words, ...)                                                                                 \
    do {                                                                                                               \
        for (matmul_door row_door = 0; row_door < DOORS; row_door++) {                                                 \
            if (!((doors) & 1u << row_door)) continue;                                                                 \
            misuse_begin(w);                                                                                           \
            __VA_ARGS__;                                                                                               \
            misuse_freeze();                                                                                           \
            hone_status row_gave = ask_matmul(w, row_door);                                                            \
            misuse_expect(w, row_gave, status, words, #__VA_ARGS__, door_names[row_door], __FILE__, __LINE__);         \
        }                                                                                                              \
    } while (0)

/* Rows that only look wrong: the call is accepted, and gives what plain loops give, bit for bit; nothing else changes.
 */
static void expect_right(world *w, const char *row, int line)
{
    static _Alignas(64) char before[ARENA], after[ARENA];
    misuse_cases++;
    tools_forget();
    memcpy(before, arena, ARENA);
    hone_status status = ask_matmul(w, DOOR_CALL);
    if (status != HONE_OK) misuse_fail("was refused", row, door_names[DOOR_CALL], __FILE__, line);
    works(hone_stream_wait(w->stream));
    memcpy(after, arena, ARENA);
    memcpy(arena, before, ARENA);
    tools_matmul(w->a_at, w->b_at, w->c_at, w->options_at);
    if (memcmp(after, arena, ARENA) != 0)
        misuse_fail("the result is wrong", row, door_names[DOOR_CALL], __FILE__, line);
    misuse_still_multiplies(w);
}

#define RIGHT(...)                                                                                                     \
    do {                                                                                                               \
        misuse_begin(w);                                                                                               \
        __VA_ARGS__;                                                                                                   \
        expect_right(w, #__VA_ARGS__, __LINE__);                                                                       \
    } while (0)

static void matmul_without_operands(void **state)
{
    world *w = *state;
    ROW(EVERY, HONE_ERROR_ARGUMENT, "matmul: a is NULL", w->a_at = NULL);
    ROW(EVERY, HONE_ERROR_ARGUMENT, "matmul: b is NULL", w->b_at = NULL);
    ROW(EVERY, HONE_ERROR_ARGUMENT, "matmul: c is NULL", w->c_at = NULL);
    ROW(CALL, HONE_ERROR_ARGUMENT, "matmul: a has 20 elements, but no memory", w->a.data = NULL);
    ROW(CALL, HONE_ERROR_ARGUMENT, "matmul: b has 15 elements, but no memory", w->b.data = NULL);
    ROW(CALL, HONE_ERROR_ARGUMENT, "matmul: c has 12 elements, but no memory", w->c.data = NULL);
    ROW(PLANS | MANY | MANY_PLANS, HONE_OK, "", w->a.data = w->b.data = w->c.data = NULL; w->count = 0);
    ROW(SINGLE, HONE_ERROR_ARGUMENT, "offset_bytes is 4 without a buffer", w->a.offset_bytes = 4);
    ROW(CALL, HONE_ERROR_ARGUMENT, "a has both host memory|and a buffer", w->a.buffer = w->buffer);
    ROW(SINGLE, HONE_ERROR_ARGUMENT, "a is in a buffer of cpu:0 of another context",
        w->a = hone_tensor_in(w->other_buffer, 0, w->a));
    ROW(MANY | MANY_PLANS, HONE_ERROR_UNSUPPORTED, "a is in a buffer|host memory",
        w->a = hone_tensor_in(w->buffer, 0, w->a));
    ROW(MANY, HONE_ERROR_ARGUMENT, "the array a_at is NULL", w->a_array = NULL);
    ROW(MANY, HONE_ERROR_ARGUMENT, "the array b_at is NULL", w->b_array = NULL);
    ROW(MANY, HONE_ERROR_ARGUMENT, "the array c_at is NULL", w->c_array = NULL);
    for (int i = 0; i < 2; i++) {
        const char *words = i ? "_at[1] is NULL" : "_at[0] is NULL";
        ROW(MANY, HONE_ERROR_ARGUMENT, words, w->a_items[i] = NULL);
        ROW(MANY, HONE_ERROR_ARGUMENT, words, w->b_items[i] = NULL);
        ROW(MANY, HONE_ERROR_ARGUMENT, words, w->c_items[i] = NULL);
    }
    ROW(MANY, HONE_ERROR_ARGUMENT, "a_at[1] at|not aligned to its 4-byte", w->a_items[1] = arena + A_AT + 1);
    ROW(MANY, HONE_ERROR_ARGUMENT, "b_at[0] at|not aligned to its 4-byte", w->b_items[0] = arena + B_AT + 2);
    ROW(MANY, HONE_ERROR_ARGUMENT, "c_at[1] at|not aligned to its 4-byte", w->c_items[1] = arena + C_AT + 3);
    ROW(MANY | MANY_PLANS, HONE_ERROR_ARGUMENT, "-1 products", w->count = -1);
    ROW(MANY | MANY_PLANS, HONE_ERROR_ARGUMENT, "products", w->count = INT64_MIN);
    ROW(MANY | MANY_PLANS, HONE_ERROR_ARGUMENT, "9223372036854775807 products", w->count = INT64_MAX);
    ROW(MANY, HONE_OK, "", w->count = 0);
    ROW(MANY, HONE_OK, "", w->count = 0; w->a_array = w->b_array = NULL; w->c_array = NULL);
}

static void matmul_types(void **state)
{
    world      *w = *state;
    hone_dtype  narrow[] = {HONE_S64, HONE_S32, HONE_U8, HONE_S4};
    const char *names[] = {"s64", "s32", "u8", "s4"};
    ROW(EVERY, HONE_ERROR_TYPE, "matmul: a has the type 0, which is none", w->a.dtype = HONE_DTYPE_NONE);
    ROW(EVERY, HONE_ERROR_TYPE, "matmul: b has the type 11", w->b.dtype = (hone_dtype)11);
    ROW(EVERY, HONE_ERROR_TYPE, "matmul: c has the type -1", w->c.dtype = (hone_dtype)-1);
    ROW(EVERY, HONE_ERROR_TYPE, "matmul: c has the type 2147483647", w->c.dtype = (hone_dtype)2147483647);
    ROW(EVERY, HONE_ERROR_TYPE, "a is f64, b is f32 and c is f32", w->a.dtype = HONE_F64);
    ROW(EVERY, HONE_ERROR_TYPE, "a is f32, b is f64 and c is f32", w->b.dtype = HONE_F64);
    ROW(EVERY, HONE_ERROR_TYPE, "a is f32, b is f32 and c is f64", w->c.dtype = HONE_F64);
    ROW(EVERY, HONE_ERROR_TYPE, "a is f64, b is f64 and c is f32", w->a.dtype = w->b.dtype = HONE_F64);
    ROW(EVERY, HONE_ERROR_TYPE, "a is f64, b is bf16 and c is f64", w->a.dtype = w->c.dtype = HONE_F64;
        w->b.dtype = HONE_BF16);
    ROW(SINGLE, HONE_ERROR_TYPE, "the operand of step 0 is f32, c is bf16",
        set_step(w, 0, HONE_STEP_RESIDUAL, &w->t[0]);
        w->a.dtype = w->b.dtype = w->c.dtype = HONE_BF16; w->t[0] = hone_matrix(HONE_F32, 4, 3, arena + T_AT));
    ROW(EVERY, HONE_ERROR_TYPE, "the operand of step 0 is f16, c is bf16", set_step(w, 0, HONE_STEP_BIAS, &w->t[0]);
        w->a.dtype = w->b.dtype = w->c.dtype = HONE_BF16; w->t[0] = hone_vector(HONE_F16, 3, arena + T_AT));
    ROW(EVERY, HONE_ERROR_TYPE, "a is s8, b is u8 and c is s32", w->a.dtype = HONE_S8; w->b.dtype = HONE_U8;
        w->c.dtype = HONE_S32);
    ROW(EVERY, HONE_ERROR_TYPE, "a is u8, b is s8 and c is bf16", w->a.dtype = HONE_U8; w->b.dtype = HONE_S8;
        w->c.dtype = HONE_BF16);
    ROW(EVERY, HONE_ERROR_TYPE, "the operand of step 0 is s32, c is s32; it must be f32",
        w->a.dtype = w->b.dtype = HONE_S8; w->c.dtype = HONE_S32; set_step(w, 0, HONE_STEP_SCALE_COLUMNS, &w->t[0]);
        w->t[0] = hone_vector(HONE_S32, 3, arena + T_AT));
    ROW(EVERY, HONE_ERROR_ARGUMENT, "zero points are told, but a is f32", w->options.b_zero = 1);
    ROW(EVERY, HONE_ERROR_ARGUMENT, "a_zero is 256", w->a.dtype = HONE_U8; w->b.dtype = HONE_S8;
        w->c.dtype = HONE_S32; w->options.a_zero = 256);
    ROW(EVERY, HONE_ERROR_ARGUMENT, "a_zero is -1", w->a.dtype = HONE_U8; w->b.dtype = HONE_S8;
        w->c.dtype = HONE_S32; w->options.a_zero = -1);
    ROW(EVERY, HONE_ERROR_ARGUMENT, "b_zero is 0.5", w->a.dtype = HONE_U8; w->b.dtype = HONE_S8;
        w->c.dtype = HONE_S32; w->options.b_zero = 0.5);
    ROW(EVERY, HONE_ERROR_ARGUMENT, "b_zero is nan", w->a.dtype = HONE_U8; w->b.dtype = HONE_S8;
        w->c.dtype = HONE_S32; w->options.b_zero = NAN);
    for (int i = 0; i < 4; i++)
        ROW(EVERY, HONE_ERROR_TYPE, names[i], w->a.dtype = w->b.dtype = w->c.dtype = narrow[i]);
    ROW(EVERY, HONE_ERROR_TYPE, "the operand of step 0 is f64, c is f32", set_step(w, 0, HONE_STEP_BIAS, &w->t[0]);
        w->t[0] = hone_vector(HONE_F64, 3, arena + T_AT));
    ROW(SINGLE, HONE_ERROR_TYPE, "the operand of step 1", set_step(w, 0, HONE_STEP_RELU, NULL);
        set_step(w, 1, HONE_STEP_RESIDUAL, &w->t[0]); w->t[0].dtype = (hone_dtype)99);
}

/* b of four bits, of whose five rows each begins with a byte, and a scale for each of its three columns. */
static void scaled(world *w)
{
    w->b = hone_matrix(HONE_S4, 5, 4, arena + B_AT);
    w->b.shape[1] = 3;
    w->t[0] = hone_matrix(HONE_F32, 1, 3, arena + T_AT);
    w->t[1] = hone_matrix(HONE_F32, 1, 3, arena + T_AT + 64);
    w->options.b_scales = &w->t[0];
    w->options.b_zeros = &w->t[1];
}

static void matmul_of_weights(void **state)
{
    world *w = *state;
    ROW(EVERY, HONE_ERROR_ARGUMENT, "b_group is -1", w->options.b_group = -1);
    ROW(EVERY, HONE_ERROR_ARGUMENT, "b_group is told, but b_scales is NULL", w->options.b_group = 4);
    ROW(EVERY, HONE_ERROR_ARGUMENT, "b_zeros is told, but b_scales is NULL", w->options.b_zeros = &w->t[0]);
    ROW(EVERY, HONE_ERROR_TYPE, "b may be s8, u8, s4 or u4 with scales", w->b.dtype = HONE_S8);
    ROW(EVERY, HONE_ERROR_TYPE, "b is f32 with scales of f32", scaled(w); w->b.dtype = HONE_F32);
    ROW(EVERY, HONE_ERROR_TYPE, "a is f64, b is s4", scaled(w); w->a.dtype = HONE_F64);
    ROW(EVERY, HONE_ERROR_TYPE, "with scales of f64", scaled(w); w->t[0].dtype = w->t[1].dtype = HONE_F64);
    ROW(EVERY, HONE_ERROR_TYPE, "b_scales has the type 99", scaled(w); w->t[0].dtype = w->t[1].dtype = (hone_dtype)99);
    ROW(EVERY, HONE_ERROR_TYPE, "b_scales has the type 0", scaled(w); w->t[0].dtype = HONE_DTYPE_NONE);
    ROW(EVERY, HONE_ERROR_TYPE, "b_scales has the type 0", scaled(w); w->t[0].dtype = (hone_dtype)256);
    ROW(EVERY, HONE_ERROR_TYPE, "b_zeros is f16, b_scales is f32", scaled(w); w->t[1].dtype = HONE_F16);
    ROW(EVERY, HONE_ERROR_SHAPE, "b_scales is 2x3; 5 k in groups of 5, and 3 columns, want 1x3", scaled(w);
        w->t[0].shape[0] = 2);
    ROW(EVERY, HONE_ERROR_SHAPE, "b_zeros is 1x2", scaled(w); w->t[1].shape[1] = 2);
    ROW(EVERY, HONE_ERROR_SHAPE, "want 3x3", scaled(w); w->options.b_group = 2);
    ROW(EVERY, HONE_ERROR_SHAPE, "b_scales has rank 1", scaled(w); w->t[0] = hone_vector(HONE_F32, 3, arena + T_AT));
    ROW(EVERY, HONE_ERROR_SHAPE, "b_scales has rank -1", scaled(w); w->t[0].rank = -1);
    ROW(EVERY, HONE_ERROR_SHAPE, "b_zeros has rank 3, c has 2", scaled(w); w->t[1].rank = 3);
    ROW(EVERY, HONE_ERROR_OVERFLOW, "b_scales: its strides reach further", scaled(w); w->t[0].stride[1] = INT64_MAX);
    ROW(CALL, HONE_ERROR_ARGUMENT, "b_scales has 3 elements, but no memory", scaled(w); w->t[0].data = NULL);
    ROW(SINGLE, HONE_ERROR_ARGUMENT, "b_zeros at|not aligned", scaled(w); w->t[1].data = arena + T_AT + 2);
    ROW(SINGLE, HONE_ERROR_ARGUMENT, "each line begins with a byte", scaled(w); w->b.stride[0] = 3);
    ROW(SINGLE, HONE_ERROR_ARGUMENT, "a matrix beside them", scaled(w); w->options.b_zero = 1);
    ROW(CALL, HONE_ERROR_OVERLAP, "shares memory with b_scales", scaled(w); w->t[0].data = w->c.data);
    ROW(CALL, HONE_ERROR_OVERLAP, "shares memory with b at", scaled(w); w->b.data = (char *)w->c.data + 47);
    ROW(CALL, HONE_OK, "", scaled(w); w->c.shape[0] = w->a.shape[0] = 0);
    ROW(MANY | MANY_PLANS, HONE_ERROR_UNSUPPORTED, "do not go with weights of few bits", scaled(w));
    ROW(PLANS, HONE_OK, "", scaled(w); w->t[0].data = w->t[1].data = NULL);
}

static void matmul_shapes(void **state)
{
    world *w = *state;
    ROW(EVERY, HONE_ERROR_SHAPE, "a has 6 columns, b has 5 rows", w->a.shape[1] = 6);
    ROW(EVERY, HONE_ERROR_SHAPE, "a has 5 columns, b has 4 rows", w->b.shape[0] = 4);
    ROW(EVERY, HONE_ERROR_SHAPE, "c has 4 rows, a has 3", w->a.shape[0] = 3);
    ROW(EVERY, HONE_ERROR_SHAPE, "c has 3 rows, a has 4", w->c.shape[0] = 3);
    ROW(EVERY, HONE_ERROR_SHAPE, "c has 3 columns, b has 2", w->b.shape[1] = 2);
    ROW(EVERY, HONE_ERROR_SHAPE, "c has 2 columns, b has 3", w->c.shape[1] = 2);
    ROW(EVERY, HONE_ERROR_SHAPE, "must agree", w->a = hone_transposed(w->a));
    ROW(EVERY, HONE_ERROR_SHAPE, "must agree", w->b = hone_transposed(w->b));
    ROW(EVERY, HONE_ERROR_SHAPE, "must agree", w->c = hone_transposed(w->c));
    ROW(EVERY, HONE_ERROR_SHAPE, "b has 0 rows", w->b.shape[0] = 0);
    ROW(EVERY, HONE_ERROR_SHAPE, "c has 0 rows", w->c.shape[0] = 0);
    /* extents that agree in their lower halves */
    ROW(EVERY, HONE_ERROR_SHAPE, "4294967300", w->a.shape[0] = ((int64_t)1 << 32) + 4);
    ROW(EVERY, HONE_ERROR_SHAPE, "4294967301", w->b.shape[0] = ((int64_t)1 << 32) + 5; w->b.stride[0] = 0);
    ROW(EVERY, HONE_ERROR_SHAPE, "4294967299", w->c.shape[1] = ((int64_t)1 << 32) + 3);
    for (int dimension = 0; dimension < 2; dimension++) {
        const char *words = dimension ? "extent 1 is -1; none may be negative" : "extent 0 is -1; none may be negative";
        ROW(EVERY, HONE_ERROR_SHAPE, words, w->a.shape[dimension] = -1);
        ROW(EVERY, HONE_ERROR_SHAPE, words, w->b.shape[dimension] = -1);
        ROW(EVERY, HONE_ERROR_SHAPE, words, w->c.shape[dimension] = -1);
        ROW(EVERY, HONE_ERROR_SHAPE, "-9223372036854775808", w->a.shape[dimension] = INT64_MIN);
        ROW(EVERY, HONE_ERROR_SHAPE, "-9223372036854775808", w->c.shape[dimension] = INT64_MIN);
    }
    /* negative extents beside each other, whose product is not negative */
    ROW(EVERY, HONE_ERROR_SHAPE, "none may be negative", w->a.shape[0] = w->c.shape[0] = -4;
        w->a.shape[1] = w->b.shape[0] = -5);
}

static void matmul_ranks(void **state)
{
    world *w = *state;
    for (int rank = -1; rank <= 9; rank += 10) {
        const char *words = rank < 0 ? "rank -1; it may be 0 .. 8" : "rank 9; it may be 0 .. 8";
        ROW(EVERY, HONE_ERROR_SHAPE, words, w->a.rank = rank);
        ROW(EVERY, HONE_ERROR_SHAPE, words, w->b.rank = rank);
        ROW(EVERY, HONE_ERROR_SHAPE, words, w->c.rank = rank);
        ROW(SINGLE, HONE_ERROR_SHAPE, "rank", set_step(w, 0, HONE_STEP_RESIDUAL, &w->t[0]); w->t[0].rank = rank);
    }
    ROW(EVERY, HONE_ERROR_SHAPE, "rank 2147483647", w->a.rank = INT32_MAX);
    ROW(EVERY, HONE_ERROR_SHAPE, "rank -2147483648", w->c.rank = INT32_MIN);
    ROW(EVERY, HONE_ERROR_SHAPE, "a has rank 0; a matrix has 2", w->a.rank = 0);
    ROW(EVERY, HONE_ERROR_SHAPE, "b has rank 1; a matrix has 2", w->b.rank = 1);
    ROW(EVERY, HONE_ERROR_SHAPE, "c has rank 1; a matrix has 2", w->c.rank = 1);
    ROW(EVERY, HONE_ERROR_SHAPE, "rank -1", w->a = hone_tensor_dense(HONE_F32, 9, w->a.shape, arena));
    ROW(EVERY, HONE_ERROR_SHAPE, "rank -1", w->a = hone_tensor_dense(HONE_F32, -3, NULL, arena));
    ROW(EVERY, HONE_ERROR_SHAPE, "rank -1", w->b = hone_tensor_dense(HONE_F32, 2, NULL, arena));
    int64_t three[] = {2, 4, 5}, c_three[] = {2, 4, 3};
    ROW(SINGLE, HONE_ERROR_SHAPE, "a has rank 3, c has 2", w->a = hone_tensor_dense(HONE_F32, 3, three, arena + A_AT));
    ROW(SINGLE, HONE_ERROR_SHAPE, "batch extent 0 is 2, c's is 3",
        w->a = hone_tensor_dense(HONE_F32, 3, three, arena + A_AT);
        c_three[0] = 3; w->c = hone_tensor_dense(HONE_F32, 3, c_three, arena + C_AT); c_three[0] = 2);
    ROW(MANY | MANY_PLANS, HONE_ERROR_SHAPE, "has rank 3; matmul many takes matrices",
        w->a = hone_tensor_dense(HONE_F32, 3, three, arena + A_AT);
        w->c = hone_tensor_dense(HONE_F32, 3, c_three, arena + C_AT));
    /* the batch of an input may be 1, the batch of c may not stand for more */
    int64_t b_three[] = {2, 5, 3}, c_one[] = {1, 4, 3};
    ROW(SINGLE, HONE_ERROR_SHAPE, "batch extent 0 is 2, c's is 1",
        w->b = hone_tensor_dense(HONE_F32, 3, b_three, arena + B_AT);
        w->c = hone_tensor_dense(HONE_F32, 3, c_one, arena + C_AT));
    /* four batch dimensions that no order of strides merges */
    ROW(SINGLE, HONE_ERROR_UNSUPPORTED, "4 batch dimensions that do not merge", {
        int64_t shape[] = {2, 2, 2, 2, 4, 3}, strides[] = {12 * 128, 12 * 32, 12 * 8, 12 * 2, 3, 1};
        w->c = hone_tensor_dense(HONE_F32, 6, shape, arena + C_AT);
        memcpy(w->c.stride, strides, sizeof strides);
    });
}

static void matmul_sizes(void **state)
{
    world  *w = *state;
    int64_t big = (int64_t)1 << 32, huge = (int64_t)1 << 62;
    /* products past 2^63: of extents, of strides and extents, of bytes */
    ROW(EVERY, HONE_ERROR_OVERFLOW, "a: the product of its extents", w->a.shape[0] = big; w->a.shape[1] = big);
    ROW(EVERY, HONE_ERROR_OVERFLOW, "b: the product of its extents", w->b.shape[0] = huge; w->b.shape[1] = 3);
    ROW(EVERY, HONE_ERROR_OVERFLOW, "c: the product of its extents", w->c.shape[0] = INT64_MAX; w->c.shape[1] = 2);
    ROW(EVERY, HONE_ERROR_OVERFLOW, "a: its strides reach further", w->a.stride[0] = huge);
    ROW(EVERY, HONE_ERROR_OVERFLOW, "a: its strides reach further", w->a.stride[0] = INT64_MAX);
    ROW(EVERY, HONE_ERROR_OVERFLOW, "b: its strides reach further", w->b.stride[1] = INT64_MIN);
    ROW(EVERY, HONE_ERROR_OVERFLOW, "c: its strides reach further", w->c.stride[0] = INT64_MIN / 4);
    ROW(EVERY, HONE_ERROR_OVERFLOW, "c: its strides reach further", w->c.stride[0] = huge / 2;
        w->c.stride[1] = huge / 2);
    ROW(EVERY, HONE_ERROR_OVERFLOW, "a: the product of its extents", w->a.shape[0] = w->c.shape[0] = huge;
        w->c.stride[0] = 0);
    /* what fits 63 bits, and no address space */
    ROW(CALL, HONE_ERROR_OVERFLOW, "a: its strides reach from|out of the address space", w->a.stride[0] = -(huge / 8));
    ROW(CALL, HONE_ERROR_OVERFLOW, "b: its strides reach from", w->b.stride[0] = -((int64_t)1 << 46));
    /* past 2^31 and 2^32 a plan without memory is legal: the sizes are not cut short */
    ROW(PLANS | MANY_PLANS, HONE_OK, "", {
        int64_t m = ((int64_t)1 << 31) + 5, n = 3;
        w->a = hone_matrix(HONE_F32, m, 5, NULL);
        w->b = hone_matrix(HONE_F32, 5, n, NULL);
        w->c = hone_matrix(HONE_F32, m, n, NULL);
    });
    ROW(PLANS | MANY_PLANS, HONE_OK, "", {
        int64_t side = (int64_t)1 << 20;
        w->a = w->b = w->c = hone_matrix(HONE_F32, side, side, NULL);
    });
    /* tensors in buffers, whose bytes wrap around at 2^32 */
    ROW(SINGLE, HONE_ERROR_ARGUMENT, "a: bytes 0 .. 80 around offset 4020 leave its buffer, which has 4096",
        w->a = hone_tensor_in(w->buffer, 4020, w->a));
    ROW(SINGLE, HONE_ERROR_ARGUMENT, "leave its buffer", w->a = hone_tensor_in(w->buffer, 4100, w->a));
    ROW(SINGLE, HONE_ERROR_ARGUMENT, "leave its buffer", w->a = hone_tensor_in(w->buffer, SIZE_MAX - 3, w->a));
    ROW(SINGLE, HONE_ERROR_ARGUMENT, "leave its buffer", w->a = hone_tensor_in(w->buffer, SIZE_MAX - 79, w->a));
    ROW(SINGLE, HONE_ERROR_ARGUMENT, "bytes -60 .. 20 around offset 56", w->a = hone_tensor_in(w->buffer, 56, w->a);
        w->a.stride[0] = -5);
    ROW(SINGLE, HONE_ERROR_ARGUMENT, "leave its buffer", w->a = hone_tensor_in(w->buffer, 0, w->a);
        w->a.stride[0] = (int64_t)1 << 30);
    ROW(SINGLE, HONE_ERROR_ARGUMENT, "leave its buffer", w->a = hone_tensor_in(w->buffer, 0, w->a);
        w->a.stride[0] = (int64_t)1 << 28; w->a.shape[0] = w->c.shape[0] = 17; w->a.stride[1] = 0);
    ROW(SINGLE, HONE_ERROR_ARGUMENT, "leave its buffer", w->c = hone_tensor_in(w->buffer, 0, w->c);
        w->c.stride[1] = -1);
    ROW(SINGLE, HONE_ERROR_ARGUMENT, "not aligned", w->b = hone_tensor_in(w->buffer, 2, w->b));
    ROW(SINGLE, HONE_ERROR_ARGUMENT, "leave its buffer", set_step(w, 0, HONE_STEP_RESIDUAL, &w->t[0]);
        w->t[0] = hone_tensor_in(w->buffer, 4052, w->t[0]));
}

static void matmul_alignment(void **state)
{
    world *w = *state;
    for (int by = 1; by < 4; by++) {
        ROW(SINGLE, HONE_ERROR_ARGUMENT, "matmul: a at|not aligned to its 4-byte elements",
            w->a.data = arena + A_AT + by);
        ROW(SINGLE, HONE_ERROR_ARGUMENT, "matmul: b at|not aligned to its 4-byte elements",
            w->b.data = arena + B_AT + by);
        ROW(SINGLE, HONE_ERROR_ARGUMENT, "matmul: c at|not aligned to its 4-byte elements",
            w->c.data = arena + C_AT + by);
    }
    ROW(SINGLE, HONE_ERROR_ARGUMENT, "not aligned to its 8-byte elements",
        w->a.dtype = w->b.dtype = w->c.dtype = HONE_F64;
        w->a.data = arena + A_AT + 4);
    ROW(EVERY, HONE_ERROR_ARGUMENT, "step 0|not aligned to its 4-byte", set_step(w, 0, HONE_STEP_BIAS, &w->t[0]);
        w->t[0] = hone_vector(HONE_F32, 3, arena + T_AT + 1));
    /* arrays of pointers: the tensors' own data is not looked at */
    ROW(MANY_PLANS, HONE_OK, "", w->a.data = arena + A_AT + 1; w->c.data = (void *)(uintptr_t)3);
    for (int at = 0; at < 64; at += 4)
        RIGHT(w->a.data = arena + A_AT + at; w->b.data = arena + B_AT + 4 * (at % 7);
              w->c.data = arena + C_AT + (at ^ 12));
}

static void matmul_zero_sizes(void **state)
{
    world *w = *state;
    ROW(EVERY, HONE_OK, "", w->a = hone_matrix(HONE_F32, 0, 5, arena + A_AT);
        w->c = hone_matrix(HONE_F32, 0, 3, arena + C_AT));
    ROW(EVERY, HONE_OK, "", w->b = hone_matrix(HONE_F32, 5, 0, arena + B_AT);
        w->c = hone_matrix(HONE_F32, 4, 0, arena + C_AT));
    ROW(EVERY, HONE_OK, "", w->a = hone_matrix(HONE_F32, 0, 0, NULL); w->b = hone_matrix(HONE_F32, 0, 0, NULL);
        w->c = hone_matrix(HONE_F32, 0, 0, NULL));
    ROW(SINGLE, HONE_OK, "", w->a = hone_matrix(HONE_F32, 0, 5, NULL); w->c = hone_matrix(HONE_F32, 0, 3, NULL));
    ROW(EVERY, HONE_OK, "", w->a = hone_matrix(HONE_F64, 0, 5, NULL); w->b = hone_matrix(HONE_F64, 5, 3, arena + B_AT);
        w->c = hone_matrix(HONE_F64, 0, 3, NULL));
    ROW(EVERY, HONE_OK, "", w->options.beta = NAN; w->a.shape[0] = w->c.shape[0] = 0);
    ROW(SINGLE, HONE_OK, "", {
        int64_t a[] = {0, 4, 5}, c[] = {0, 4, 3};
        w->a = hone_tensor_dense(HONE_F32, 3, a, arena + A_AT);
        w->c = hone_tensor_dense(HONE_F32, 3, c, arena + C_AT);
    });
    /* strides of what is empty lead nowhere, and yet fit what counts them */
    ROW(SINGLE, HONE_ERROR_OVERFLOW, "its strides reach further", {
        int64_t a[] = {3, 2, 0, 5}, b[] = {5, 4}, c[] = {3, 2, 0, 4};
        w->a = hone_tensor_dense(HONE_F32, 4, a, arena + A_AT);
        w->b = hone_tensor_dense(HONE_F32, 2, b, arena + B_AT);
        w->c = hone_tensor_dense(HONE_F32, 4, c, arena + C_AT);
        for (int d = 0; d < 4; d++) w->a.stride[d] = w->c.stride[d] = ((int64_t)1 << 62) + 3;
    });
    ROW(EVERY, HONE_OK, "", w->a.shape[0] = w->c.shape[0] = 0; w->a.stride[0] = INT64_MIN; w->c.stride[0] = INT64_MAX);
    ROW(EVERY, HONE_OK, "", w->a = hone_matrix(HONE_F32, (int64_t)1 << 40, 0, NULL);
        w->b = hone_matrix(HONE_F32, 0, 0, NULL); w->c = hone_matrix(HONE_F32, (int64_t)1 << 40, 0, NULL));
    /* empty, and wrong nevertheless */
    ROW(EVERY, HONE_ERROR_SHAPE, "c has 0 rows, a has 4", w->c.shape[0] = 0);
    ROW(EVERY, HONE_ERROR_TYPE, "s64", w->a = hone_matrix(HONE_S64, 0, 5, NULL); w->b.dtype = HONE_S64;
        w->c = hone_matrix(HONE_S64, 0, 3, NULL));
    ROW(EVERY, HONE_OK, "", w->a = hone_matrix(HONE_F16, 0, 5, NULL); w->b.dtype = HONE_F16;
        w->c = hone_matrix(HONE_F16, 0, 3, NULL));
    ROW(EVERY, HONE_ERROR_ARGUMENT, "accuracy", w->options.accuracy = 1u << 20; w->a.shape[0] = w->c.shape[0] = 0);
    ROW(MANY | MANY_PLANS, HONE_ERROR_ARGUMENT, "products", w->count = -7; w->a.shape[0] = w->c.shape[0] = 0);
    /* no terms: nothing is summed, the rest is done */
    RIGHT(w->a = hone_matrix(HONE_F32, 4, 0, arena + A_AT); w->b = hone_matrix(HONE_F32, 0, 3, arena + B_AT));
    RIGHT(w->a = hone_matrix(HONE_F32, 4, 0, NULL); w->b = hone_matrix(HONE_F32, 0, 3, NULL); w->options.beta = 3);
    RIGHT(w->a = hone_matrix(HONE_F32, 4, 0, NULL); w->b = hone_matrix(HONE_F32, 0, 3, NULL);
          set_step(w, 0, HONE_STEP_RESIDUAL, &w->t[0]));
    RIGHT(w->a = hone_matrix(HONE_F32, 4, 0, NULL); w->b = hone_matrix(HONE_F32, 0, 3, NULL);
          w->b.stride[0] = INT64_MIN; w->a.stride[1] = INT64_MAX);
    ROW(SINGLE, HONE_ERROR_OVERFLOW, "a: its strides reach further", w->a = hone_matrix(HONE_F32, 4, 0, NULL);
        w->b = hone_matrix(HONE_F32, 0, 3, NULL); w->a.stride[0] = INT64_MAX);
}

static void matmul_overlap(void **state)
{
    world *w = *state;
    /* c with a, with b, partly and by one element */
    ROW(CALL, HONE_ERROR_OVERLAP, "c at|shares memory with a", w->c.data = w->a.data);
    ROW(CALL, HONE_ERROR_OVERLAP, "c at|shares memory with b", w->c.data = w->b.data);
    ROW(CALL, HONE_ERROR_OVERLAP, "shares memory with a", w->c.data = arena + A_AT + 76);
    ROW(CALL, HONE_ERROR_OVERLAP, "shares memory with a", w->c.data = arena + A_AT - 44);
    ROW(CALL, HONE_ERROR_OVERLAP, "shares memory with b", w->c.data = arena + B_AT + 56);
    ROW(CALL, HONE_ERROR_OVERLAP, "shares memory with b", w->b.data = arena + C_AT + 44);
    RIGHT(w->c.data = arena + A_AT + 80);
    RIGHT(w->c.data = arena + A_AT - 48);
    RIGHT(w->b.data = w->a.data);
    /* c with itself */
    ROW(EVERY, HONE_ERROR_OVERLAP, "c is written, but its strides put two elements at one place", w->c.stride[0] = 0);
    ROW(EVERY, HONE_ERROR_OVERLAP, "c is written", w->c.stride[1] = 0);
    ROW(EVERY, HONE_ERROR_OVERLAP, "c is written", w->c.stride[0] = 1);
    ROW(EVERY, HONE_ERROR_OVERLAP, "c is written", w->c.stride[0] = 2);
    ROW(EVERY, HONE_ERROR_OVERLAP, "c is written", w->c.stride[0] = -2);
    ROW(EVERY, HONE_ERROR_OVERLAP, "c is written", w->c.stride[0] = 2; w->c.stride[1] = 3);
    RIGHT(w->c.stride[0] = 2; w->c.stride[1] = 7);
    RIGHT(w->c.stride[0] = 3; w->c.stride[1] = -1);
    RIGHT(w->c.stride[0] = 4; w->c.stride[1] = 5); /* 4i + 5j, i < 4, j < 3: all different */
    ROW(SINGLE, HONE_ERROR_OVERLAP, "c is written", {
        int64_t a[] = {2, 4, 5}, c[] = {2, 4, 3};
        w->a = hone_tensor_dense(HONE_F32, 3, a, arena + A_AT);
        w->c = hone_tensor_dense(HONE_F32, 3, c, arena + C_AT);
        w->c.stride[0] = 0;
    });
    ROW(SINGLE, HONE_ERROR_OVERLAP, "c is written", {
        int64_t c[] = {2, 4, 3};
        w->c = hone_tensor_dense(HONE_F32, 3, c, arena + C_AT);
        w->c.stride[0] = 11;
    });
    /* views of one parent that are woven into each other, and share nothing */
    RIGHT(w->a = hone_matrix(HONE_F32, 4, 5, arena + A_AT); w->a.stride[0] = w->c.stride[0] = 16;
          w->c.data = (float *)w->a.data + 5); /* column blocks */
    RIGHT(w->a.stride[0] = w->b.stride[0] = w->c.stride[0] = 16; w->b.data = (float *)w->a.data + 5;
          w->c.data = (float *)w->a.data + 8);
    RIGHT(w->a.stride[0] = 16; w->a.stride[1] = 2; w->c.stride[0] = 16; w->c.stride[1] = 2;
          w->c.data = (float *)w->a.data + 1); /* odd and even columns */
    RIGHT(w->a.stride[0] = 10; w->c.stride[0] = 10; w->c.data = (float *)w->a.data + 5); /* odd and even rows */
    RIGHT(w->a.data = arena + A_AT + 76; w->a.stride[0] = -5; w->a.stride[1] = -1; w->c.data = arena + A_AT + 80);
    RIGHT(w->c.data = arena + C_AT + 44; w->c.stride[0] = -3; w->c.stride[1] = -1); /* written backwards */
    RIGHT(w->c.data = arena + A_AT - 4; w->c.stride[0] = -3; w->c.stride[1] = -1);
    ROW(CALL, HONE_ERROR_OVERLAP, "shares memory with a", w->c.data = arena + A_AT; w->c.stride[0] = -3;
        w->c.stride[1] = -1);
    ROW(CALL, HONE_ERROR_OVERLAP, "shares memory with a", w->a.stride[0] = 16; w->c.stride[0] = 16;
        w->c.data = (float *)w->a.data + 4); /* blocks that share a column */
    ROW(CALL, HONE_ERROR_OVERLAP, "shares memory with a", w->a.stride[0] = 16; w->a.stride[1] = 2; w->c.stride[0] = 16;
        w->c.stride[1] = 2; w->c.data = (float *)w->a.data + 2);
    /* one byte is enough */
    ROW(CALL, HONE_ERROR_OVERLAP, "shares memory with a", w->a.stride[0] = 16; w->a.stride[1] = 2; w->c.stride[0] = 16;
        w->c.stride[1] = 2; w->c.data = (float *)w->a.data - 4);
    /* one buffer */
    ROW(CALL, HONE_ERROR_OVERLAP, "shares memory with a", w->a = hone_tensor_in(w->buffer, 0, w->a);
        w->c = hone_tensor_in(w->buffer, 76, w->c));
}

static void matmul_step_overlap(void **state)
{
    world *w = *state;
    /* a residual may be c itself, and nothing near it */
    RIGHT(set_step(w, 0, HONE_STEP_RESIDUAL, &w->c));
    RIGHT(set_step(w, 0, HONE_STEP_RELU, NULL); set_step(w, 1, HONE_STEP_RESIDUAL, &w->c); w->options.beta = 2);
    RIGHT(set_step(w, 0, HONE_STEP_RESIDUAL, &w->c); set_step(w, 1, HONE_STEP_RESIDUAL, &w->c));
    RIGHT(w->c = hone_transposed(hone_matrix(HONE_F32, 3, 4, w->c.data)); set_step(w, 0, HONE_STEP_RESIDUAL, &w->c));
    RIGHT({
        int64_t a[] = {3, 4, 5}, c[] = {3, 4, 3};
        w->a = hone_tensor_dense(HONE_F32, 3, a, arena + A_AT);
        w->c = hone_tensor_dense(HONE_F32, 3, c, arena + C_AT);
        set_step(w, 0, HONE_STEP_RESIDUAL, &w->c);
    });
    for (int by = -4; by <= 4; by += 8)
        ROW(CALL, HONE_ERROR_OVERLAP, "c at|shares memory with the operand of step 0",
            w->t[0].data = (char *)w->c.data + by; set_step(w, 0, HONE_STEP_RESIDUAL, &w->t[0]));
    ROW(CALL, HONE_ERROR_OVERLAP, "shares memory with the operand of step 0", w->t[0].data = w->c.data;
        w->t[0].stride[0] = 4; set_step(w, 0, HONE_STEP_RESIDUAL, &w->t[0]));
    ROW(CALL, HONE_ERROR_OVERLAP, "shares memory with the operand of step 1", w->t[0].data = (char *)w->c.data + 44;
        set_step(w, 0, HONE_STEP_SILU, NULL); set_step(w, 1, HONE_STEP_RESIDUAL, &w->t[0]));
    ROW(CALL, HONE_ERROR_OVERLAP, "shares memory with the operand of step 0", {
        int64_t a[] = {3, 4, 5}, c[] = {3, 4, 3};
        w->a = hone_tensor_dense(HONE_F32, 3, a, arena + A_AT);
        w->c = hone_tensor_dense(HONE_F32, 3, c, arena + C_AT);
        w->t[0] = hone_matrix(HONE_F32, 4, 3, arena + C_AT); /* the first of the batch, for all */
        set_step(w, 0, HONE_STEP_RESIDUAL, &w->t[0]);
    });
    /* other steps may not lie there at all */
    ROW(CALL, HONE_ERROR_OVERLAP, "step 0", w->t[0] = hone_vector(HONE_F32, 3, w->c.data);
        set_step(w, 0, HONE_STEP_BIAS, &w->t[0]));
    ROW(CALL, HONE_ERROR_OVERLAP, "step 0", w->t[0] = hone_vector(HONE_F32, 4, w->c.data);
        set_step(w, 0, HONE_STEP_BIAS_ROWS, &w->t[0]));
    ROW(CALL, HONE_ERROR_OVERLAP, "step 0", set_step(w, 0, HONE_STEP_STORE, &w->c));
    ROW(CALL, HONE_ERROR_OVERLAP, "step 0", set_step(w, 0, HONE_STEP_RELU_GRADIENT, &w->c));
    ROW(CALL, HONE_ERROR_OVERLAP, "step 0", set_step(w, 0, HONE_STEP_GELU_GRADIENT, &w->c));
    ROW(CALL, HONE_ERROR_OVERLAP, "step 0", set_step(w, 0, HONE_STEP_GELU_ERF_GRADIENT, &w->c));
    ROW(CALL, HONE_ERROR_OVERLAP, "step 0", set_step(w, 0, HONE_STEP_SILU_GRADIENT, &w->c));
    /* what a step stores is an output too */
    ROW(CALL, HONE_ERROR_OVERLAP, "the operand of step 0 at|shares memory with a", w->t[0].data = w->a.data;
        set_step(w, 0, HONE_STEP_STORE, &w->t[0]));
    ROW(CALL, HONE_ERROR_OVERLAP, "the operand of step 0 at|shares memory with b", w->t[0].data = arena + B_AT + 56;
        set_step(w, 0, HONE_STEP_STORE, &w->t[0]));
    ROW(CALL, HONE_ERROR_OVERLAP, "the operand of step", w->t[1] = hone_vector(HONE_F32, 3, w->t[0].data);
        set_step(w, 0, HONE_STEP_BIAS, &w->t[1]); set_step(w, 1, HONE_STEP_STORE, &w->t[0]));
    ROW(CALL, HONE_ERROR_OVERLAP, "the operand of step", set_step(w, 0, HONE_STEP_STORE, &w->t[0]);
        set_step(w, 1, HONE_STEP_STORE, &w->t[0]));
    ROW(CALL, HONE_ERROR_OVERLAP, "the operand of step", set_step(w, 0, HONE_STEP_RESIDUAL, &w->t[0]);
        set_step(w, 1, HONE_STEP_STORE, &w->t[0]));
    ROW(SINGLE, HONE_ERROR_OVERLAP, "step 0", w->t[0].stride[0] = 0; set_step(w, 0, HONE_STEP_STORE, &w->t[0]));
    ROW(SINGLE, HONE_ERROR_OVERLAP, "step 0", {
        int64_t c[] = {2, 4, 3};
        w->c = hone_tensor_dense(HONE_F32, 3, c, arena + C_AT);
        set_step(w, 0, HONE_STEP_STORE, &w->t[0]); /* one for both of the batch */
    });
    RIGHT(set_step(w, 0, HONE_STEP_STORE, &w->t[0]); set_step(w, 1, HONE_STEP_RELU, NULL));
    /* and so is what it sums */
    ROW(CALL, HONE_ERROR_OVERLAP, "step 0", w->t[0] = hone_vector(HONE_F32, 3, w->c.data);
        set_step(w, 0, HONE_STEP_SUM_B, &w->t[0]));
    ROW(CALL, HONE_ERROR_OVERLAP, "the operand of step 0 at|shares memory with a",
        w->t[0] = hone_vector(HONE_F32, 4, w->a.data); set_step(w, 0, HONE_STEP_SUM_A, &w->t[0]));
    ROW(SINGLE, HONE_ERROR_OVERLAP, "step 0", w->t[0] = hone_vector(HONE_F32, 4, arena + T_AT);
        w->t[0].stride[0] = 0; set_step(w, 0, HONE_STEP_SUM_A, &w->t[0]));
    RIGHT(w->t[0] = hone_vector(HONE_F32, 4, arena + T_AT); set_step(w, 0, HONE_STEP_SUM_A, &w->t[0]));
    RIGHT(w->t[0] = hone_vector(HONE_F32, 3, arena + T_AT); set_step(w, 0, HONE_STEP_SUM_B, &w->t[0]);
          set_step(w, 1, HONE_STEP_RELU, NULL));
    ROW(SINGLE, HONE_ERROR_SHAPE, "has 3 elements along its last dimension; c wants 4",
        w->t[0] = hone_vector(HONE_F32, 3, arena + T_AT); set_step(w, 0, HONE_STEP_SUM_A, &w->t[0]));
    ROW(SINGLE, HONE_ERROR_SHAPE, "along its last dimension; a wants 5",
        set_step(w, 0, HONE_STEP_A_RELU_GRADIENT, &w->t[0]));
    ROW(SINGLE, HONE_ERROR_SHAPE, "rows, b has 5", set_step(w, 0, HONE_STEP_B_GELU_GRADIENT, &w->t[0]));
    ROW(SINGLE, HONE_ERROR_TYPE, "the operand of step 0 is f64, b is f32",
        set_step(w, 0, HONE_STEP_B_SILU_GRADIENT, &w->t[0]);
        w->t[0] = hone_matrix(HONE_F64, 5, 3, arena + T_AT));
    ROW(MANY | MANY_PLANS, HONE_ERROR_UNSUPPORTED, "an operand of its own",
        w->t[0] = hone_vector(HONE_F32, 3, arena + T_AT);
        set_step(w, 0, HONE_STEP_SUM_B, &w->t[0]));
    RIGHT(w->t[0].data = w->a.data; w->t[0].stride[0] = 5; set_step(w, 0, HONE_STEP_RESIDUAL, &w->t[0]));
    RIGHT(w->t[0].stride[0] = w->c.stride[0] = 8; w->t[0].data = (float *)w->c.data + 3;
          set_step(w, 0, HONE_STEP_STORE, &w->t[0]));
}

static void matmul_options_and_steps(void **state)
{
    world *w = *state;
    RIGHT(w->options_at = NULL);
    ROW(EVERY, HONE_ERROR_ARGUMENT, "options.size is 0, where sizeof(hone_matmul_options) is", w->options.size = 0);
    ROW(EVERY, HONE_ERROR_ARGUMENT, "options.size is", w->options.size--);
    ROW(EVERY, HONE_ERROR_ARGUMENT, "options.size is", w->options.size++);
    ROW(EVERY, HONE_ERROR_ARGUMENT, "options.size is 18446744073709551615", w->options.size = SIZE_MAX);
    ROW(EVERY, HONE_ERROR_ARGUMENT, "-1 steps; there may be 0 .. 4", w->options.step_count = -1);
    ROW(EVERY, HONE_ERROR_ARGUMENT, "5 steps; there may be 0 .. 4", w->options.step_count = 5);
    ROW(EVERY, HONE_ERROR_ARGUMENT, "steps; there may be", w->options.step_count = INT32_MIN);
    ROW(EVERY, HONE_ERROR_ARGUMENT, "steps; there may be", w->options.step_count = INT32_MAX);
    ROW(EVERY, HONE_ERROR_ARGUMENT, "accuracy is 0x10", w->options.accuracy = 16);
    ROW(EVERY, HONE_ERROR_ARGUMENT, "accuracy is 0x80000000", w->options.accuracy = 1u << 31);
    ROW(EVERY, HONE_ERROR_ARGUMENT, "accuracy is 0xffffffff", w->options.accuracy = ~0u);
    for (int s = 0; s < HONE_STEPS_MAX; s++) {
        char words[64];
        for (int before_it = 0; before_it < s; before_it++) set_step(w, before_it, HONE_STEP_RELU, NULL);
        snprintf(words, sizeof words, "step %d is of the kind 0, which is none", s);
        ROW(EVERY, HONE_ERROR_ARGUMENT, words, for (int i = 0; i < s; i++) set_step(w, i, HONE_STEP_RELU, NULL);
            set_step(w, s, HONE_STEP_NONE, NULL));
        snprintf(words, sizeof words, "the operand of step %d is NULL; the step needs one", s);
        ROW(EVERY, HONE_ERROR_ARGUMENT, words, for (int i = 0; i < s; i++) set_step(w, i, HONE_STEP_RELU, NULL);
            set_step(w, s, HONE_STEP_BIAS, NULL));
    }
    ROW(EVERY, HONE_ERROR_ARGUMENT, "step 0 is of the kind 27", set_step(w, 0, (hone_step_kind)27, NULL));
    ROW(EVERY, HONE_ERROR_ARGUMENT, "step 0 is of the kind -1", set_step(w, 0, (hone_step_kind)-1, NULL));
    ROW(EVERY, HONE_ERROR_ARGUMENT, "step 0 is of the kind", set_step(w, 0, (hone_step_kind)0x7fffffff, NULL));
    ROW(EVERY, HONE_ERROR_ARGUMENT, "the operand of step 0 is NULL", set_step(w, 0, HONE_STEP_BIAS_ROWS, NULL));
    for (int kind = HONE_STEP_RESIDUAL; kind <= HONE_STEP_SCALE_ROWS; kind++)
        if (kind != HONE_STEP_SCALE)
            ROW(SINGLE, HONE_ERROR_ARGUMENT, "the operand of step 0 is NULL",
                set_step(w, 0, (hone_step_kind)kind, NULL));
    ROW(MANY | MANY_PLANS, HONE_ERROR_UNSUPPORTED, "step 0 has an operand of its own for each product",
        set_step(w, 0, HONE_STEP_RESIDUAL, &w->t[0]));
    ROW(MANY | MANY_PLANS, HONE_ERROR_UNSUPPORTED, "step 1 has an operand of its own",
        set_step(w, 0, HONE_STEP_RELU, NULL);
        set_step(w, 1, HONE_STEP_STORE, &w->t[0]));
    ROW(MANY, HONE_ERROR_ARGUMENT, "the operand of step 0 has no memory", w->t[0] = hone_vector(HONE_F32, 3, NULL);
        set_step(w, 0, HONE_STEP_BIAS, &w->t[0]));
    /* shapes of operands */
    ROW(EVERY, HONE_ERROR_SHAPE, "step 0 has 4 elements along its last dimension; c wants 3",
        w->t[0] = hone_vector(HONE_F32, 4, arena + T_AT); set_step(w, 0, HONE_STEP_BIAS, &w->t[0]));
    ROW(EVERY, HONE_ERROR_SHAPE, "step 0 has 3 elements along its last dimension; c wants 4",
        w->t[0] = hone_vector(HONE_F32, 3, arena + T_AT); set_step(w, 0, HONE_STEP_BIAS_ROWS, &w->t[0]));
    ROW(EVERY, HONE_ERROR_SHAPE, "step 0 has rank 2; the step takes a vector", w->t[0].shape[0] = 1;
        set_step(w, 0, HONE_STEP_BIAS, &w->t[0]));
    ROW(EVERY, HONE_ERROR_SHAPE, "step 0 has rank 0", w->t[0].rank = 0; set_step(w, 0, HONE_STEP_BIAS, &w->t[0]));
    ROW(SINGLE, HONE_ERROR_SHAPE, "step 0 has rank 1; the step takes a matrix",
        w->t[0] = hone_vector(HONE_F32, 3, arena + T_AT);
        set_step(w, 0, HONE_STEP_RESIDUAL, &w->t[0]));
    ROW(SINGLE, HONE_ERROR_SHAPE, "step 0 has 3 rows, c has 4", w->t[0].shape[0] = 3;
        set_step(w, 0, HONE_STEP_RESIDUAL, &w->t[0]));
    ROW(SINGLE, HONE_ERROR_SHAPE, "step 0 has 1 elements", w->t[0].shape[1] = 1;
        set_step(w, 0, HONE_STEP_STORE, &w->t[0]));
    ROW(SINGLE, HONE_ERROR_SHAPE, "step 0 has rank 3", {
        int64_t t[] = {1, 4, 3};
        w->t[0] = hone_tensor_dense(HONE_F32, 3, t, arena + T_AT);
        set_step(w, 0, HONE_STEP_RESIDUAL, &w->t[0]);
    });
    ROW(SINGLE, HONE_ERROR_SHAPE, "extent 1 is -3", w->t[0].shape[1] = -3; w->c.shape[1] = w->b.shape[1] = -3;
        set_step(w, 0, HONE_STEP_RESIDUAL, &w->t[0]));
    ROW(SINGLE, HONE_ERROR_SHAPE, "step 0|batch extent 0 is 3, c's is 2", {
        int64_t t[] = {3, 4, 3}, c[] = {2, 4, 3};
        w->c = hone_tensor_dense(HONE_F32, 3, c, arena + C_AT);
        w->t[0] = hone_tensor_dense(HONE_F32, 3, t, arena + T_AT);
        set_step(w, 0, HONE_STEP_RESIDUAL, &w->t[0]);
    });
    ROW(SINGLE, HONE_ERROR_SHAPE, "step 0: extent 0 is -2", {
        int64_t t[] = {-2, 4, 3}, c[] = {2, 4, 3};
        w->c = hone_tensor_dense(HONE_F32, 3, c, arena + C_AT);
        w->t[0] = hone_tensor_dense(HONE_F32, 3, t, arena + T_AT);
        set_step(w, 0, HONE_STEP_RESIDUAL, &w->t[0]);
    });
    ROW(SINGLE, HONE_ERROR_OVERFLOW, "step 0: its strides reach further", w->t[0].stride[0] = INT64_MAX;
        set_step(w, 0, HONE_STEP_RESIDUAL, &w->t[0]));
    ROW(CALL, HONE_ERROR_ARGUMENT, "step 0 has 12 elements, but no memory", w->t[0].data = NULL;
        set_step(w, 0, HONE_STEP_STORE, &w->t[0]));
    /* what a step does not need is not looked at; what behind the count is neither */
    RIGHT(w->t[0].rank = 77; set_step(w, 0, HONE_STEP_RELU, &w->t[0]));
    RIGHT(w->options.steps[0] = (hone_step){(hone_step_kind)99, 0, NULL});
    RIGHT(w->options.accuracy = HONE_ACCURACY_ALL; w->options.accuracy = 0);
    RIGHT(w->options.alpha = 0; w->options.beta = 1);
    RIGHT(w->options.alpha = -2; w->options.beta = -0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(matmul_without_operands, misuse_none_wrong),
        cmocka_unit_test_teardown(matmul_types, misuse_none_wrong),
        cmocka_unit_test_teardown(matmul_of_weights, misuse_none_wrong),
        cmocka_unit_test_teardown(matmul_shapes, misuse_none_wrong),
        cmocka_unit_test_teardown(matmul_ranks, misuse_none_wrong),
        cmocka_unit_test_teardown(matmul_sizes, misuse_none_wrong),
        cmocka_unit_test_teardown(matmul_alignment, misuse_none_wrong),
        cmocka_unit_test_teardown(matmul_zero_sizes, misuse_none_wrong),
        cmocka_unit_test_teardown(matmul_overlap, misuse_none_wrong),
        cmocka_unit_test_teardown(matmul_step_overlap, misuse_none_wrong),
        cmocka_unit_test_teardown(matmul_options_and_steps, misuse_none_wrong),
    };
    return cmocka_run_group_tests(tests, misuse_set_up, misuse_tear_down);
}
