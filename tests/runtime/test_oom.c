/* Out of memory: each allocation of each public function fails in turn, once, and then it and all that follow. Always
 * HONE_ERROR_MEMORY with a sentence, or success where the memory was not needed; what was there stays usable, the next
 * attempt succeeds, and at the end nothing is left. */
#include "tests/runtime/tools.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/handle.h"
#include "runtime/hall.h"
#include "tests/mock/mock.h"

enum { SIDE = 200, COUNT = 3 };

/* What scenes stand on, and what they make. */
typedef struct world {
    hone_context *hone;
    hone_device  *cpu, *far; /* far: a device whose memory the host does not reach */
    hone_stream  *stream, *far_stream;
    hone_buffer  *far_buffer;
    hone_plan    *plan, *far_plan;
    hone_matmul_weights *weights;
    /* made by the scene, ended after it */
    hone_context *made_context;
    hone_stream  *made_stream;
    hone_event   *made_event;
    hone_buffer  *made_buffer;
    hone_plan    *made_plan;
    hone_matmul_weights *made_weights;
    void         *address;
    struct DLManagedTensorVersioned *exported;
    int           released;
} world;

/* The beginning of DLPack's struct: all that is needed to end one. */
struct DLManagedTensorVersioned {
    uint32_t major, minor;
    void    *manager;
    void (*deleter)(struct DLManagedTensorVersioned *self);
};

static float *a_memory, *b_memory, *c_memory, *expected;

static hone_tensor matrix(float *memory, int64_t rows, int64_t columns)
{
    return hone_matrix(HONE_F32, rows, columns, memory);
}

static void run_inline(void *user, int chunks, void (*work)(void *argument, int chunk), void *argument)
{
    (void)user;
    for (int i = chunks; i-- > 0;) work(argument, i);
}

static char profiles[32]; /* where rows are kept */

static hone_threads pool = {NULL, 3, run_inline};

static void open_world(world *w)
{
    hone_context_options options = HONE_CONTEXT_OPTIONS;
    hone_tensor          t = hone_matrix(HONE_F32, 4, 4, NULL);
    memset(w, 0, sizeof *w);
    options.threads = &pool;
    works(mock_context(&options, &w->hone));
    works(hone_device_find(w->hone, "cpu:0", &w->cpu));
    works(hone_device_find(w->hone, "mock:0", &w->far));
    works(hone_stream_create(w->cpu, &w->stream));
    works(hone_stream_create(w->far, &w->far_stream));
    works(hone_buffer_create(w->far, 4096, &w->far_buffer));
    works(hone_matmul_plan(w->cpu, &t, &t, &t, NULL, &w->plan));
    works(hone_matmul_plan(w->far, &t, &t, &t, NULL, &w->far_plan));
    t.data = b_memory;
    works(hone_matmul_pack(w->stream, &t, NULL, &w->weights));
}

static void end_made(world *w)
{
    if (w->address) works(hone_buffer_unmap(w->far_stream, w->far_buffer));
    if (w->exported) w->exported->deleter(w->exported);
    works(hone_matmul_weights_destroy(w->made_weights));
    works(hone_plan_destroy(w->made_plan));
    works(hone_buffer_destroy(w->made_buffer));
    works(hone_event_destroy(w->made_event));
    works(hone_stream_destroy(w->made_stream));
    works(hone_context_destroy(w->made_context));
    w->address = NULL;
    w->exported = NULL;
    w->made_plan = NULL;
    w->made_weights = NULL;
    w->made_buffer = NULL;
    w->made_event = NULL;
    w->made_stream = NULL;
    w->made_context = NULL;
}

static void close_world(world *w)
{
    end_made(w);
    works(hone_matmul_weights_destroy(w->weights));
    works(hone_plan_destroy(w->plan));
    works(hone_plan_destroy(w->far_plan));
    works(hone_buffer_destroy(w->far_buffer));
    works(hone_stream_destroy(w->far_stream));
    works(hone_stream_destroy(w->stream));
    works(hone_context_destroy(w->hone));
    assert_int_equal(hone_alloc_live(), 0);
    assert_int_equal(tools_blocks(), 0);
    assert_int_equal(mock_live(), 0);
    assert_null(mock_complaint());
}

/* --- scenes ------------------------------------------------------------------------------------------------------- */

static hone_status context_create(world *w)
{
    return hone_context_create(NULL, &w->made_context);
}

static hone_status context_with_modules(world *w)
{
    hone_context_options options = HONE_CONTEXT_OPTIONS;
    options.threads = &pool;
    return mock_context(&options, &w->made_context);
}

static hone_status context_with_rows(world *w)
{
    hone_context_options options = HONE_CONTEXT_OPTIONS;
    uint64_t             hash;
    options.threads = &pool;
    options.tune = HONE_TUNE_READ;
    options.profile_path = profiles;
    hone_status status = hone_context_create(&options, &w->made_context);
    return status == HONE_OK ? hone_context_choices(w->made_context, &hash, NULL) : status;
}

/* The first choice that rests on a row. */
static hone_status measured_plan(world *w)
{
    char         text[256];
    hone_device *device;
    hone_tensor  t = matrix(NULL, 4, 4);
    if (w->made_context) works(hone_context_destroy(w->made_context)); /* the attempt before came so far */
    w->made_context = NULL;
    hone_status status = context_with_rows(w);
    if (status == HONE_OK) status = hone_device_find(w->made_context, "cpu:0", &device);
    if (status == HONE_OK) status = hone_matmul_plan(device, &t, &t, &t, NULL, &w->made_plan);
    if (status != HONE_OK) return status;
    works(hone_plan_describe(w->made_plan, text, sizeof text));
    assert_non_null(strstr(text, "(measured)"));
    return status;
}

static hone_status stream_create(world *w)
{
    return hone_stream_create(w->cpu, &w->made_stream);
}

static hone_status far_stream_create(world *w)
{
    return hone_stream_create(w->far, &w->made_stream);
}

static hone_status event_create(world *w)
{
    return hone_event_create(w->cpu, &w->made_event);
}

static hone_status buffer_create(world *w)
{
    return hone_buffer_create(w->cpu, 100000, &w->made_buffer);
}

static hone_status empty_buffer_create(world *w)
{
    return hone_buffer_create(w->cpu, 0, &w->made_buffer);
}

static hone_status far_buffer_create(world *w)
{
    return hone_buffer_create(w->far, 100000, &w->made_buffer);
}

static void count_release(void *user)
{
    ++*(int *)user;
}

static hone_status buffer_adopt(world *w)
{
    hone_status status = hone_buffer_adopt(w->cpu, a_memory, 4096, count_release, &w->released, &w->made_buffer);
    assert_int_equal(w->released, 0);
    return status;
}

static hone_status buffer_map(world *w)
{
    return hone_buffer_map(w->far_stream, w->far_buffer, &w->address);
}

static hone_status buffer_write_and_read(world *w)
{
    hone_status status = hone_buffer_write(w->far_stream, w->far_buffer, 0, a_memory, 4096);
    return status != HONE_OK ? status : hone_buffer_read(w->far_stream, w->far_buffer, 0, c_memory, 4096);
}

/* Right where it succeeds, untouched where it does not. */
static hone_status multiply(world *w, int64_t m, int64_t n, int64_t k, const hone_matmul_options *options)
{
    hone_tensor a = matrix(a_memory, m, k), b = matrix(b_memory, k, n), c = matrix(c_memory, m, n);
    int64_t     looked_at = m * n + 64 < SIDE * SIDE ? m * n + 64 : SIDE * SIDE;
    memset(expected, 0xff, (size_t)looked_at * sizeof *expected);
    memset(c_memory, 0xff, (size_t)looked_at * sizeof *c_memory);
    hone_status status = hone_matmul(w->stream, &a, &b, &c, options);
    if (status == HONE_OK) {
        hone_tensor truth = matrix(expected, m, n);
        tools_matmul(&a, &b, &truth, options);
    }
    assert_memory_equal(c_memory, expected, (size_t)looked_at * sizeof *expected);
    return status;
}

static hone_status small_matmul(world *w)
{
    return multiply(w, 3, 5, 2, NULL);
}

static hone_status matmul_with_scratch(world *w)
{
    return multiply(w, SIDE, SIDE, SIDE, NULL);
}

static hone_status matmul_with_steps(world *w)
{
    hone_matmul_options options = HONE_MATMUL_OPTIONS;
    hone_tensor         bias = hone_vector(HONE_F32, 70, b_memory);
    options.step_count = 2;
    options.steps[0] = (hone_step){HONE_STEP_BIAS, 0, &bias};
    options.steps[1] = (hone_step){HONE_STEP_RELU, 0, NULL};
    return multiply(w, 90, 70, 50, &options);
}

/* Other types than f32: c is untouched where it fails. */
static hone_status typed_matmul(world *w, hone_dtype type_a, hone_dtype type_b, hone_dtype type_c, double a_zero)
{
    enum { M = 9, N = 40, K = 33 };
    hone_matmul_options options = HONE_MATMUL_OPTIONS;
    hone_tensor         a = hone_matrix(type_a, M, K, a_memory), b = hone_matrix(type_b, K, N, b_memory);
    hone_tensor         c = hone_matrix(type_c, M, N, c_memory);
    const size_t        bytes = M * N * sizeof(float);
    options.a_zero = a_zero;
    memset(c_memory, 0x11, bytes);
    memset(expected, 0x11, bytes);
    hone_status status = hone_matmul(w->stream, &a, &b, &c, &options);
    if (status != HONE_OK) assert_memory_equal(c_memory, expected, bytes);
    return status;
}

static hone_status matmul_of_halves(world *w)
{
    return typed_matmul(w, HONE_BF16, HONE_BF16, HONE_F16, 0);
}

static hone_status matmul_of_whole(world *w)
{
    return typed_matmul(w, HONE_U8, HONE_S8, HONE_S8, 7);
}

static hone_status matmul_of_weights(world *w)
{
    enum { M = 3, N = 40, K = 34, GROUP = 16 };
    hone_matmul_options options = HONE_MATMUL_OPTIONS;
    hone_tensor         a = hone_matrix(HONE_F32, M, K, a_memory), b = hone_matrix(HONE_S4, K, N, b_memory);
    hone_tensor         c = hone_matrix(HONE_F32, M, N, c_memory);
    hone_tensor         scales = hone_matrix(HONE_F32, (K + GROUP - 1) / GROUP, N, a_memory), zeros = scales;
    const size_t        bytes = M * N * sizeof(float);
    options.b_scales = &scales;
    options.b_zeros = &zeros;
    options.b_group = GROUP;
    memset(c_memory, 0x11, bytes);
    memset(expected, 0x11, bytes);
    hone_status status = hone_matmul(w->stream, &a, &b, &c, &options);
    if (status != HONE_OK) assert_memory_equal(c_memory, expected, bytes);
    return status;
}

static hone_status far_matmul(world *w)
{
    hone_tensor a = hone_tensor_in(w->far_buffer, 0, matrix(NULL, 4, 3)),
                b = hone_tensor_in(w->far_buffer, 256, matrix(NULL, 3, 4));
    hone_tensor c = hone_tensor_in(w->far_buffer, 512, matrix(NULL, 4, 4));
    return hone_matmul(w->far_stream, &a, &b, &c, NULL);
}

static hone_status many_plans(world *w)
{
    for (int n = 1; n <= 70; n++) {
        hone_status status = multiply(w, 2, n, 3, NULL);
        if (status != HONE_OK) return status;
    }
    return HONE_OK;
}

static hone_status matmul_many(world *w)
{
    hone_tensor a = matrix(NULL, 4, 4), b = matrix(NULL, 4, 4), c = matrix(NULL, 4, 4);
    const void *as[COUNT] = {a_memory, a_memory + 16, a_memory + 32}, *bs[COUNT] = {b_memory, b_memory, b_memory};
    void       *cs[COUNT] = {c_memory, c_memory + 16, c_memory + 32};
    return hone_matmul_many(w->stream, COUNT, &a, as, &b, bs, &c, cs, NULL);
}

static hone_tensor tokens(float *memory)
{
    return hone_tensor_dense(HONE_F32, 4, (int64_t[]){1, 20, 2, 8}, memory);
}

/* Right where it succeeds is another test's; here nothing is written where it fails. */
static hone_status attention(world *w)
{
    hone_tensor  q = tokens(a_memory), k = tokens(b_memory), v = tokens(b_memory), out = tokens(c_memory);
    const size_t bytes = 20 * 2 * 8 * sizeof(float);
    memset(c_memory, 0x11, bytes);
    memset(expected, 0x11, bytes);
    hone_status status = hone_attention(w->stream, &q, &k, &v, &out, NULL);
    if (status != HONE_OK) assert_memory_equal(c_memory, expected, bytes);
    return status;
}

static hone_status attention_plan(world *w)
{
    hone_tensor t = tokens(NULL);
    return hone_attention_plan(w->cpu, &t, &t, &t, &t, NULL, &w->made_plan);
}

static hone_status matmul_plan(world *w)
{
    hone_tensor t = matrix(NULL, SIDE, SIDE);
    return hone_matmul_plan(w->cpu, &t, &t, &t, NULL, &w->made_plan);
}

/* Three groups of a few rows, of which one has none: right where it succeeds, untouched where it does not. */
static hone_status matmul_grouped(world *w)
{
    enum { ROWS = 30, N = 20, K = 10, GROUPS = 3 };
    static const int32_t at[GROUPS + 1] = {1, 8, 8, 30};
    hone_tensor a = matrix(a_memory, ROWS, K), c = matrix(c_memory, ROWS, N);
    hone_tensor offsets = hone_vector(HONE_S32, GROUPS + 1, (void *)(uintptr_t)at);
    hone_tensor b = {.data = b_memory, .dtype = HONE_F32, .rank = 3, .shape = {GROUPS, K, N}, .stride = {K * N, N, 1}};
    memset(expected, 0xff, ROWS * N * sizeof *expected);
    memset(c_memory, 0xff, ROWS * N * sizeof *c_memory);
    hone_status status = hone_matmul_grouped(w->stream, &a, &b, &offsets, &c, NULL);
    for (int g = 0; g < GROUPS && status == HONE_OK; g++) {
        hone_tensor rows = matrix(a_memory + at[g] * K, at[g + 1] - at[g], K), its = matrix(b_memory + g * K * N, K, N);
        hone_tensor truth = matrix(expected + at[g] * N, at[g + 1] - at[g], N);
        if (at[g] < at[g + 1]) tools_matmul(&rows, &its, &truth, NULL);
    }
    assert_memory_equal(c_memory, expected, ROWS * N * sizeof *expected);
    return status;
}

static hone_status matmul_grouped_plan(world *w)
{
    hone_tensor t = matrix(NULL, 6, 6), offsets = hone_vector(HONE_S64, 3, NULL);
    hone_tensor b = {.dtype = HONE_F32, .rank = 3, .shape = {2, 6, 6}, .stride = {36, 6, 1}};
    return hone_matmul_grouped_plan(w->cpu, &t, &b, &offsets, &t, NULL, &w->made_plan);
}

static hone_status matmul_many_plan(world *w)
{
    hone_tensor t = matrix(NULL, 6, 6);
    return hone_matmul_many_plan(w->cpu, 1000, &t, &t, &t, NULL, &w->made_plan);
}

static hone_status plan_run(world *w)
{
    hone_operand        operands[3] = {{NULL, a_memory, 0, 0}, {NULL, b_memory, 0, 0}, {NULL, c_memory, 0, 0}};
    const double        values[2] = {1, 0};
    hone_plan_arguments arguments = {.size = sizeof arguments,
                                     .operands = operands,
                                     .operand_count = 3,
                                     .values = values,
                                     .value_count = 2};
    char                text[256];
    size_t              bytes;
    hone_status         status = hone_plan_describe(w->plan, text, sizeof text);
    if (status == HONE_OK) status = hone_plan_scratch(w->plan, &bytes);
    return status == HONE_OK ? hone_plan_run(w->stream, w->plan, &arguments) : status;
}

static hone_status matmul_pack(world *w)
{
    hone_tensor b = matrix(b_memory, SIDE, SIDE);
    return hone_matmul_pack(w->stream, &b, NULL, &w->made_weights);
}

static hone_status matmul_prepacked(world *w)
{
    hone_tensor a = matrix(a_memory, 4, 4), b = matrix(b_memory, 4, 4), c = matrix(c_memory, 4, 4);
    hone_tensor truth = matrix(expected, 4, 4);
    memset(expected, 0xff, 64);
    memset(c_memory, 0xff, 64);
    hone_status status = hone_matmul_prepacked(w->stream, &a, w->weights, &c, NULL);
    if (status == HONE_OK) tools_matmul(&a, &b, &truth, NULL);
    assert_memory_equal(c_memory, expected, 64);
    return status;
}

static hone_status matmul_prepacked_plan(world *w)
{
    hone_tensor t = matrix(NULL, 4, 4);
    return hone_matmul_prepacked_plan(w->cpu, &t, w->weights, &t, NULL, &w->made_plan);
}

static hone_status matmul_unpack(world *w)
{
    hone_tensor c = matrix(c_memory, 4, 4);
    hone_status status = hone_matmul_unpack(w->stream, w->weights, &c);
    if (status == HONE_OK) assert_memory_equal(c_memory, b_memory, 64);
    return status;
}

static hone_status weights_adopt(world *w)
{
    hone_matmul_weights_facts facts = {.size = sizeof facts};
    hone_status               status = hone_matmul_weights_describe(w->weights, &facts);
    return status == HONE_OK ? hone_matmul_weights_adopt(w->cpu, &facts, &w->made_weights) : status;
}

static hone_status devices(world *w)
{
    hone_device_facts facts = {.size = sizeof facts};
    hone_device      *device;
    int               count;
    hone_status       status = hone_device_count(w->hone, &count);
    if (status == HONE_OK) status = hone_device_at(w->hone, 0, &device);
    if (status == HONE_OK) status = hone_device_find(w->hone, "best", &device);
    return status == HONE_OK ? hone_device_describe(device, &facts) : status;
}

static hone_status waits(world *w)
{
    hone_status status = hone_stream_wait(w->stream);
    if (status == HONE_OK) status = hone_stream_wait(w->far_stream);
    return status == HONE_OK ? hone_stream_reset(w->far_stream) : status;
}

static hone_status dlpack_export(world *w)
{
    hone_tensor t = matrix(a_memory, 4, 4);
    return hone_dlpack_export(w->cpu, &t, 0, &w->exported);
}

static hone_status dlpack_there_and_back(world *w)
{
    hone_tensor t;
    if (w->exported) { /* the attempt before came so far */
        w->exported->deleter(w->exported);
        w->exported = NULL;
    }
    hone_status status = dlpack_export(w);
    if (status != HONE_OK) return status;
    status = hone_dlpack_import(w->cpu, w->exported, &w->made_buffer, &t, NULL);
    if (status == HONE_OK) w->exported = NULL; /* the buffer's now */
    return status;
}

/* From the first call to the last. What fails leaves its handles to be ended. */
static hone_status whole_life(world *w)
{
    hone_device *device;
    end_made(w);
    hone_status status = hone_context_create(NULL, &w->made_context);
    if (status == HONE_OK) status = hone_device_find(w->made_context, "best", &device);
    if (status == HONE_OK) status = hone_stream_create(device, &w->made_stream);
    if (status == HONE_OK) status = hone_event_create(device, &w->made_event);
    if (status == HONE_OK) status = hone_buffer_create(device, SIDE * SIDE * sizeof(float), &w->made_buffer);
    hone_tensor a = matrix(a_memory, SIDE, SIDE), b = matrix(b_memory, SIDE, SIDE);
    hone_tensor c = hone_tensor_in(w->made_buffer, 0, a);
    if (status == HONE_OK) status = hone_matmul(w->made_stream, &a, &b, &c, NULL);
    if (status == HONE_OK) status = hone_matmul_plan(device, &a, &b, &c, NULL, &w->made_plan);
    if (status == HONE_OK) status = hone_event_record(w->made_event, w->made_stream);
    if (status == HONE_OK) status = hone_event_wait(w->made_event);
    if (status == HONE_OK)
        status = hone_buffer_read(w->made_stream, w->made_buffer, 0, c_memory, SIDE * SIDE * sizeof(float));
    if (status == HONE_OK) status = hone_stream_wait(w->made_stream);
    return status;
}

static const struct scene {
    const char *name;
    hone_status (*act)(world *);
    int needs; /* allocations at least, so that the sweep sweeps something */
} scenes[] = {
    {"context_create", context_create, 2},
    {"context_create with modules", context_with_modules, 3},
    {"context_create with rows, context_choices", context_with_rows, 6},
    {"matmul_plan by a row", measured_plan, 7},
    {"stream_create", stream_create, 2},
    {"stream_create on the mock", far_stream_create, 2},
    {"event_create", event_create, 2},
    {"buffer_create", buffer_create, 3},
    {"buffer_create, empty", empty_buffer_create, 2},
    {"buffer_create on the mock", far_buffer_create, 3},
    {"buffer_adopt", buffer_adopt, 2},
    {"buffer_map", buffer_map, 1},
    {"buffer_write, buffer_read", buffer_write_and_read, 0},
    {"matmul", small_matmul, 1},
    {"matmul with scratch", matmul_with_scratch, 2},
    {"matmul with steps", matmul_with_steps, 1},
    {"matmul of halves", matmul_of_halves, 1},
    {"matmul of whole numbers", matmul_of_whole, 1},
    {"matmul of weights of few bits", matmul_of_weights, 1},
    {"matmul on the mock, with scratch", far_matmul, 3},
    {"matmul, seventy problems", many_plans, 70},
    {"matmul_many", matmul_many, 1},
    {"matmul_grouped", matmul_grouped, 2},
    {"matmul_grouped_plan", matmul_grouped_plan, 2},
    {"matmul_plan", matmul_plan, 1},
    {"attention", attention, 2},
    {"attention_plan", attention_plan, 1},
    {"matmul_many_plan", matmul_many_plan, 1},
    {"plan_run, plan_describe, plan_scratch", plan_run, 0},
    {"matmul_pack", matmul_pack, 4},
    {"matmul_prepacked", matmul_prepacked, 1},
    {"matmul_prepacked_plan", matmul_prepacked_plan, 1},
    {"matmul_unpack", matmul_unpack, 1},
    {"matmul_weights_describe, matmul_weights_adopt", weights_adopt, 1},
    {"device_count, device_at, device_find, device_describe", devices, 0},
    {"stream_wait, stream_reset", waits, 0},
    {"dlpack_export", dlpack_export, 1},
    {"dlpack_export, dlpack_import", dlpack_there_and_back, 3},
    {"a whole life", whole_life, 8},
};

/* Gives how many allocations were failed. */
static int sweep(const struct scene *scene, int for_ever, int *survived)
{
    for (int n = 1;; n++) {
        world w;
        open_world(&w);
        tools_forget();
        tools_allocator_fail(n, for_ever);
        hone_status status = scene->act(&w);
        int         failed = tools_allocator_failed();
        tools_allocator_fail(0, 0);
        const char *lacks = status == HONE_OK ? NULL : tools_sentence_lacks("out of memory");
        if (lacks) fail_msg("%s, allocation %d: '%s' lacks '%s'", scene->name, n, hone_last_error(), lacks);
        if (status != HONE_OK && status != HONE_ERROR_MEMORY)
            fail_msg("%s, allocation %d: %s: %s", scene->name, n, hone_status_name(status), hone_last_error());
        if (status != HONE_OK && !failed) fail_msg("%s: failed without a cause: %s", scene->name, hone_last_error());
        if (status == HONE_OK && failed) ++*survived;
        if (status != HONE_OK) {
            if (w.made_buffer || w.made_plan || w.made_event || w.made_weights)
                assert_true(scene->act == whole_life || scene->act == dlpack_there_and_back);
            works(scene->act(&w));
        }
        works(multiply(&w, 4, 4, 4, NULL));
        close_world(&w);
        if (!failed) return n - 1;
    }
}

static void every_allocation_fails_in_turn(void **state)
{
    int total = 0, survived = 0;
    (void)state;
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++) {
        mock_reset();
        mock.kernel[MOCK_HUNGRY].seconds = 0.1;
        int once = sweep(&scenes[i], 0, &survived), for_ever = sweep(&scenes[i], 1, &survived);
        if (once < scenes[i].needs)
            fail_msg("%s: %d allocations, where at least %d were expected", scenes[i].name, once, scenes[i].needs);
        total += once + for_ever;
    }
    print_message("%d allocations failed in turn in %zu scenes; %d calls did without\n", total,
                  sizeof scenes / sizeof *scenes, survived);
}

/* --- handles run out ---------------------------------------------------------------------------------------------- */

static void handles_run_out(void **state)
{
    const size_t most = (size_t)1 << 20;
    void       **tokens = malloc(most * sizeof *tokens);
    size_t       count = 0;
    int          object;
    world        w;
    (void)state;
    mock_reset();
    open_world(&w);
    while (count < most && hone_handle_new(HONE_HANDLE_EVENT, &object, &tokens[count]) == HONE_OK) count++;
    assert_true(count < most);
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++) {
        int64_t blocks = tools_blocks();
        tools_forget();
        hone_status status = scenes[i].act(&w);
        if (status == HONE_OK) continue; /* needs no handle */
        if (status != HONE_ERROR_MEMORY || tools_sentence_lacks("handles live already, the most there can be"))
            fail_msg("%s: %s: %s", scenes[i].name, hone_status_name(status), hone_last_error());
        /* A plan may be, for later; that of groups is made of several. */
        if (tools_blocks() > blocks + (strncmp(scenes[i].name, "matmul_grouped", 14) ? 4 : 32))
            fail_msg("%s: memory was kept", scenes[i].name);
    }
    works(multiply(&w, 4, 4, 4, NULL));
    close_world(&w);
    for (size_t i = 0; i < count; i++) assert_ptr_equal(hone_handle_take(tokens[i], HONE_HANDLE_EVENT), &object);
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++) {
        world fresh;
        open_world(&fresh);
        works(scenes[i].act(&fresh));
        close_world(&fresh);
    }
    free(tokens);
}

/* Rows of more problems than a table has room for at first, one of them for matmul_plan by a row. */
static void keep_rows(void)
{
    hone_context        *hone;
    hone_rt_context     *context;
    hone_rt_journal     *journal;
    hone_rt_candidate    candidates[HONE_RT_KERNELS_MAX];
    hone_rt_problem      problem;
    const hone_op       *op;
    const char          *rule;
    hone_context_options options = HONE_CONTEXT_OPTIONS;
    options.threads = &pool;
    strcpy(profiles, "/tmp/hone-test-oom-XXXXXX");
    assert_non_null(mkdtemp(profiles));
    works(hone_context_create(&options, &hone));
    works(hone_rt_context_hold(hone, &context));
    hone_be_device *device = hone_rt_device_at(context, 0);
    works(hone_rt_journal_open(device, profiles, &journal));
    for (int i = 4; i < 74; i++) {
        hone_rt_row row = {.kind = HONE_RT_ROW_MEASURED, .complete = true};
        snprintf(row.problem, sizeof row.problem, "matmul f32 nn %dx4x4", i);
        works(hone_rt_problem_parse(context, row.problem, &op, &problem));
        hone_request request = hone_rt_request(context, device, op, problem.bytes, 64);
        hone_rt_rank_first(context, &request, candidates, HONE_RT_KERNELS_MAX, &rule);
        row.threads = request.threads;
        row.alignment = request.alignment;
        row.flags = request.flags;
        snprintf(row.best.kernel, sizeof row.best.kernel, "%s", candidates[0].kernel->name);
        row.best.version = candidates[0].kernel->version;
        hone_config_print(candidates[0].kernel->space, &candidates[0].config, row.best.config, sizeof row.best.config);
        works(hone_rt_journal_add(journal, &row));
    }
    hone_rt_journal_close(journal);
    hone_rt_context_release(context);
    works(hone_context_destroy(hone));
}

static int set_up(void **state)
{
    const size_t bytes = SIDE * SIDE * sizeof(float);
    (void)state;
    a_memory = aligned_alloc(64, bytes);
    b_memory = aligned_alloc(64, bytes);
    c_memory = aligned_alloc(64, bytes);
    expected = aligned_alloc(64, bytes);
    tools_fill(HONE_F32, a_memory, SIDE * SIDE, 1);
    tools_fill(HONE_F32, b_memory, SIDE * SIDE, 2);
    mock_reset();
    keep_rows();
    tools_allocator_use();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tools_allocator_end();
    free(a_memory);
    free(b_memory);
    free(c_memory);
    free(expected);
    char command[96];
    snprintf(command, sizeof command, "rm -r %s", profiles);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_fails_in_turn),
        cmocka_unit_test(handles_run_out),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
