/* Plans: made once for a problem, however it is asked; found again without memory; kept while somebody uses them, and
 * no longer than there is room. */
#include "tests/runtime/tools.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "tests/mock/mock.h"

enum { ELEMENTS = 1 << 16 };

typedef struct world {
    hone_context *hone;
    hone_device  *device;
    hone_stream  *stream;
    hone_buffer  *memory[3];
} world;

/* On the mock, which counts what is prepared. */
static void open_world(world *w)
{
    works(mock_context(NULL, &w->hone));
    works(hone_device_find(w->hone, "mock:0", &w->device));
    works(hone_stream_create(w->device, &w->stream));
    for (int i = 0; i < 3; i++) works(hone_buffer_create(w->device, ELEMENTS * sizeof(float), &w->memory[i]));
}

static void close_world(world *w)
{
    works(hone_stream_destroy(w->stream));
    for (int i = 0; i < 3; i++) works(hone_buffer_destroy(w->memory[i]));
    works(hone_context_destroy(w->hone));
}

static hone_tensor in(world *w, int which, size_t offset, int rank, const int64_t *shape)
{
    return hone_tensor_in(w->memory[which], offset, hone_tensor_dense(HONE_F32, rank, shape, NULL));
}

static hone_status multiply(world *w, int64_t m, int64_t n, int64_t k)
{
    hone_tensor a = in(w, 0, 0, 2, (int64_t[]){m, k}), b = in(w, 1, 0, 2, (int64_t[]){k, n});
    hone_tensor c = in(w, 2, 0, 2, (int64_t[]){m, n});
    return hone_matmul(w->stream, &a, &b, &c, NULL);
}

static int begin(void **state)
{
    (void)state;
    mock_reset();
    tools_allocator_use();
    return 0;
}

static int end(void **state)
{
    (void)state;
    assert_int_equal(hone_alloc_live(), 0);
    assert_int_equal(mock_live(), 0);
    assert_null(mock_complaint());
    tools_allocator_end();
    return 0;
}

static void the_second_call_needs_no_memory(void **state)
{
    static _Alignas(64) float a[200 * 200], b[200 * 200], c[200 * 200];
    hone_context             *hone;
    hone_device              *cpu;
    hone_stream              *stream;
    hone_plan                *plan;
    const void               *as[5], *bs[5];
    void                     *cs[5];
    (void)state;
    for (int i = 0; i < 5; i++) {
        as[i] = a + 64 * i;
        bs[i] = b + 64 * i;
        cs[i] = c + 64 * i;
    }
    works(hone_context_create(NULL, &hone));
    works(hone_device_find(hone, "cpu:0", &cpu));
    works(hone_stream_create(cpu, &stream));
    for (int side = 1; side <= 200; side = 2 * side + 1) {
        hone_tensor         ta = hone_matrix(HONE_F32, side, side, a), tb = hone_matrix(HONE_F32, side, side, b);
        hone_tensor         tc = hone_matrix(HONE_F32, side, side, c), bias = hone_vector(HONE_F32, side, b);
        hone_matmul_options options = HONE_MATMUL_OPTIONS;
        options.step_count = 2;
        options.steps[0] = (hone_step){HONE_STEP_BIAS, 0, &bias};
        options.steps[1] = (hone_step){HONE_STEP_GELU, 0, NULL};
        works(hone_matmul(stream, &ta, &tb, &tc, NULL));
        works(hone_matmul(stream, &ta, &tb, &tc, &options));
        int64_t before = tools_allocations();
        for (int i = 0; i < 3; i++) {
            works(hone_matmul(stream, &ta, &tb, &tc, NULL));
            works(hone_matmul(stream, &ta, &tb, &tc, &options));
            works(hone_stream_wait(stream));
        }
        assert_int_equal(tools_allocations(), before);
    }
    hone_tensor t = hone_matrix(HONE_F32, 8, 8, NULL);
    works(hone_matmul_many(stream, 5, &t, as, &t, bs, &t, cs, NULL));
    int64_t before = tools_allocations();
    works(hone_matmul_many(stream, 5, &t, as, &t, bs, &t, cs, NULL));
    works(hone_matmul_many(stream, 5, &t, as, &t, bs, &t, cs, NULL));
    assert_int_equal(tools_allocations(), before);

    t = hone_matrix(HONE_F32, 200, 200, NULL);
    works(hone_matmul_plan(cpu, &t, &t, &t, NULL, &plan));
    size_t bytes;
    works(hone_plan_scratch(plan, &bytes));
    void               *scratch = aligned_alloc(64, bytes / 64 * 64 + 64);
    hone_operand        operands[3] = {{NULL, a, 0, sizeof a}, {NULL, b, 0, sizeof b}, {NULL, c, 0, sizeof c}};
    const double        values[2] = {1, 0};
    hone_plan_arguments arguments = {.size = sizeof arguments,
                                     .operands = operands,
                                     .operand_count = 3,
                                     .values = values,
                                     .value_count = 2,
                                     .scratch = {NULL, scratch, 0, bytes}};
    before = tools_allocations();
    for (int i = 0; i < 3; i++) works(hone_plan_run(stream, plan, &arguments));
    assert_int_equal(tools_allocations(), before);
    works(hone_plan_destroy(plan));
    works(hone_stream_destroy(stream));
    works(hone_context_destroy(hone));
    free(scratch);
}

static void equal_questions_share_a_plan(void **state)
{
    world        w;
    hone_stream *second;
    (void)state;
    open_world(&w);
    works(multiply(&w, 6, 8, 4));
    works(multiply(&w, 6, 8, 4));
    assert_int_equal(mock_count(MOCK_PREPARE), 1);
    works(hone_stream_create(w.device, &second));
    hone_stream *first = w.stream;
    w.stream = second;
    works(multiply(&w, 6, 8, 4));
    w.stream = first;
    works(hone_stream_destroy(second));
    assert_int_equal(mock_count(MOCK_PREPARE), 1);

    /* a batch that shares b is one taller product, whatever its dimensions of 1 */
    hone_tensor a = in(&w, 0, 0, 3, (int64_t[]){2, 3, 4}), b = in(&w, 1, 0, 2, (int64_t[]){4, 8});
    hone_tensor c = in(&w, 2, 0, 3, (int64_t[]){2, 3, 8});
    works(hone_matmul(w.stream, &a, &b, &c, NULL));
    a = in(&w, 0, 0, 5, (int64_t[]){1, 3, 1, 2, 4});
    c = in(&w, 2, 0, 5, (int64_t[]){1, 3, 1, 2, 8});
    a.stride[0] = c.stride[2] = 12345;
    works(hone_matmul(w.stream, &a, &b, &c, NULL));
    b = in(&w, 1, 0, 3, (int64_t[]){1, 4, 8});
    works(hone_matmul(w.stream, &a, &b, &c, NULL));
    assert_int_equal(mock_count(MOCK_PREPARE), 1);
    /* scalars are no part of the problem, but for whether c is read */
    hone_matmul_options options = HONE_MATMUL_OPTIONS;
    options.alpha = 7;
    works(hone_matmul(w.stream, &a, &b, &c, &options));
    assert_int_equal(mock_count(MOCK_PREPARE), 1);
    options.beta = 2;
    works(hone_matmul(w.stream, &a, &b, &c, &options));
    options.beta = 3;
    works(hone_matmul(w.stream, &a, &b, &c, &options));
    assert_int_equal(mock_count(MOCK_PREPARE), 2);
    /* strides along extents of 1 say nothing */
    works(multiply(&w, 1, 8, 4));
    a = in(&w, 0, 0, 2, (int64_t[]){1, 4});
    b = in(&w, 1, 0, 2, (int64_t[]){4, 8});
    c = in(&w, 2, 0, 2, (int64_t[]){1, 8});
    a.stride[0] = 99;
    c.stride[0] = -3;
    works(hone_matmul(w.stream, &a, &b, &c, NULL));
    assert_int_equal(mock_count(MOCK_PREPARE), 3);
    /* three classes of alignment */
    for (size_t offset = 0; offset < 256; offset += 4) {
        a = in(&w, 0, offset, 2, (int64_t[]){6, 4});
        b = in(&w, 1, 0, 2, (int64_t[]){4, 8});
        c = in(&w, 2, 0, 2, (int64_t[]){6, 8});
        works(hone_matmul(w.stream, &a, &b, &c, NULL));
    }
    assert_int_equal(mock_count(MOCK_PREPARE), 5);
    close_world(&w);
    assert_int_equal(mock_count(MOCK_RELEASE), 5);
}

/* What is dense is described as people would write it, though extents of 0 and 1 leave its strides open. */
static void dense_problems_have_one_text(void **state)
{
    static const int64_t extents[] = {0, 1, 2, 7, 64};
    world                w;
    (void)state;
    open_world(&w);
    for (int i = 0; i < 125; i++) {
        int64_t     m = extents[i % 5], n = extents[i / 5 % 5], k = extents[i / 25];
        char        text[256], expected[64];
        hone_plan  *plan;
        hone_tensor a = hone_matrix(HONE_F32, m, k, NULL), b = hone_matrix(HONE_F32, k, n, NULL);
        hone_tensor c = hone_matrix(HONE_F32, m, n, NULL);
        snprintf(expected, sizeof expected, "matmul f32 nn %dx%dx%d:", (int)m, (int)n, (int)k);
        works(hone_matmul_plan(w.device, &a, &b, &c, NULL, &plan));
        works(hone_plan_describe(plan, text, sizeof text));
        if (strncmp(text, expected, strlen(expected))) fail_msg("'%s' does not begin with '%s'", text, expected);
        works(hone_plan_destroy(plan));
    }
    close_world(&w);
}

/* More problems than the stream's own table holds push each other out of it; the context remembers them. */
static void collisions_in_the_front_table(void **state)
{
    world w;
    (void)state;
    enum { SIDES = 25 };
    open_world(&w);
    for (int round = 0; round < 3; round++) {
        int64_t before = tools_allocations();
        for (int m = 1; m <= SIDES; m++)
            for (int n = 1; n <= SIDES; n++) works(multiply(&w, m, n, 2));
        if (round) assert_int_equal(tools_allocations(), before);
        assert_int_equal(mock_count(MOCK_PREPARE), SIDES * SIDES);
    }
    assert_int_equal(mock_count(MOCK_RELEASE), 0);
    close_world(&w);
    assert_int_equal(mock_count(MOCK_RELEASE), SIDES * SIDES);
}

/* Plan number `which` of many. */
static hone_status plan_at(world *w, int which, hone_plan **out)
{
    hone_tensor a = hone_matrix(HONE_F32, 1 + which % 150, 1, NULL),
                b = hone_matrix(HONE_F32, 1, 1 + which / 150, NULL);
    hone_tensor c = hone_matrix(HONE_F32, 1 + which % 150, 1 + which / 150, NULL);
    return hone_matmul_plan(w->device, &a, &b, &c, NULL, out);
}

static void the_cache_has_an_end(void **state)
{
    world      w;
    hone_plan *first, *plan;
    char       text[256], again[256];
    (void)state;
    enum { PLANS = 20000 };
    open_world(&w);
    works(plan_at(&w, 0, &first));
    works(hone_plan_describe(first, text, sizeof text));
    works(multiply(&w, 7, 3, 5));
    for (int i = 1; i < PLANS; i++) {
        works(plan_at(&w, i, &plan));
        works(hone_plan_destroy(plan));
    }
    assert_int_equal(mock_count(MOCK_PREPARE), PLANS + 1);
    assert_in_range(mock_count(MOCK_RELEASE), 1, PLANS - 1); /* idle ones made room, those in use did not */
    assert_true(mock_live() < 17000);
    works(hone_plan_describe(first, again, sizeof again));
    assert_string_equal(text, again);
    works(multiply(&w, 7, 3, 5));
    works(plan_at(&w, 0, &plan));
    works(hone_plan_destroy(plan));
    assert_int_equal(mock_count(MOCK_PREPARE), PLANS + 1);
    works(plan_at(&w, 1, &plan)); /* forgotten, and made again */
    works(hone_plan_destroy(plan));
    assert_int_equal(mock_count(MOCK_PREPARE), PLANS + 2);
    works(hone_plan_destroy(first));
    close_world(&w);
    assert_int_equal(mock_count(MOCK_PREPARE), mock_count(MOCK_RELEASE));
}

static void plans_in_use_stay(void **state)
{
    world       w;
    hone_plan **held;
    (void)state;
    enum { PLANS = 16600 };
    held = calloc(PLANS, sizeof *held);
    open_world(&w);
    for (int i = 0; i < PLANS; i++) works(plan_at(&w, i, &held[i]));
    assert_int_equal(mock_count(MOCK_RELEASE), 0);
    for (int i = 0; i < PLANS; i += 1000) {
        hone_plan *again;
        works(plan_at(&w, i, &again));
        works(hone_plan_destroy(again));
    }
    assert_int_equal(mock_count(MOCK_PREPARE), PLANS);
    for (int i = 0; i < PLANS; i++) works(hone_plan_destroy(held[i]));
    close_world(&w);
    free(held);
}

static void a_plan_outlives_its_context(void **state)
{
    static _Alignas(64) float a[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, b[12] = {1, 0, 0, 0, 1, 0, 0, 0, 1},
                              c[12];
    hone_context             *hone;
    hone_device              *cpu;
    hone_stream              *stream;
    hone_plan                *plan;
    char                      text[256];
    (void)state;
    works(hone_context_create(NULL, &hone));
    works(hone_device_find(hone, "cpu:0", &cpu));
    works(hone_stream_create(cpu, &stream));
    hone_tensor ta = hone_matrix(HONE_F32, 4, 3, NULL), tb = hone_matrix(HONE_F32, 3, 3, NULL);
    works(hone_matmul_plan(cpu, &ta, &tb, &ta, NULL, &plan));
    works(hone_context_destroy(hone));
    refused(hone_device_describe(cpu, &(hone_device_facts){.size = sizeof(hone_device_facts)}), HONE_ERROR_HANDLE,
            "was destroyed");
    hone_operand        operands[3] = {{NULL, a, 0, sizeof a}, {NULL, b, 0, sizeof b}, {NULL, c, 0, sizeof c}};
    const double        values[2] = {2, 0};
    hone_plan_arguments arguments = {.size = sizeof arguments,
                                     .operands = operands,
                                     .operand_count = 3,
                                     .values = values,
                                     .value_count = 2};
    works(hone_plan_run(stream, plan, &arguments));
    for (int i = 0; i < 12; i++) assert_true(c[i] == 2 * a[i]);
    works(hone_stream_destroy(stream));
    works(hone_plan_describe(plan, text, sizeof text));
    assert_true(!strncmp(text, "matmul f32 nn 4x3x3", 19) && strstr(text, ": cpu."));
    assert_int_not_equal(hone_alloc_live(), 0);
    works(hone_plan_destroy(plan));
    assert_int_equal(hone_alloc_live(), 0);
}

static void a_description_is_cut_to_its_room(void **state)
{
    world      w;
    hone_plan *plan;
    char       whole[256], part[256];
    (void)state;
    mock.kernel[MOCK_QUICK].seconds = 0.1;
    open_world(&w);
    works(plan_at(&w, 777, &plan));
    works(hone_plan_describe(plan, whole, sizeof whole));
    assert_string_equal(whole, "matmul f32 nn 28x6x1: mock.quick block=2 (estimated, ceilings built in)");
    for (size_t room = 1; room <= strlen(whole) + 3; room++) {
        memset(part, 'x', sizeof part);
        works(hone_plan_describe(plan, part, room));
        assert_true(strlen(part) == (room <= strlen(whole) ? room - 1 : strlen(whole)));
        assert_memory_equal(part, whole, strlen(part));
        assert_int_equal(part[room], 'x');
    }
    works(hone_plan_destroy(plan));
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_second_call_needs_no_memory, begin, end),
        cmocka_unit_test_setup_teardown(equal_questions_share_a_plan, begin, end),
        cmocka_unit_test_setup_teardown(dense_problems_have_one_text, begin, end),
        cmocka_unit_test_setup_teardown(collisions_in_the_front_table, begin, end),
        cmocka_unit_test_setup_teardown(the_cache_has_an_end, begin, end),
        cmocka_unit_test_setup_teardown(plans_in_use_stay, begin, end),
        cmocka_unit_test_setup_teardown(a_plan_outlives_its_context, begin, end),
        cmocka_unit_test_setup_teardown(a_description_is_cut_to_its_room, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
