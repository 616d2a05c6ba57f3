/* The hall upon a backend that can do everything wrong: streams, events, buffers and plans live their whole lives on
 * the mock, every one of its calls fails in turn, late errors find their way back, and what queued work uses stays
 * alive. */
#include "tests/runtime/tools.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "kernels/matmul/problem.h"
#include "tests/mock/mock.h"

static void *no_context_lives(void)
{
    assert_int_equal(mock_live(), 0);
    assert_int_equal(mock_queued(), 0);
    assert_int_equal(hone_alloc_live(), 0);
    if (mock_complaint()) fail_msg("the mock complains: %s", mock_complaint());
    return NULL;
}

static int begin(void **state)
{
    (void)state;
    mock_reset();
    return 0;
}

static int end(void **state)
{
    (void)state;
    no_context_lives();
    return 0;
}

/* --- a world on one device --------------------------------------------------------------------------------------- */

enum { M = 4, N = 3, K = 5 };

/* c = a * b in buffers of the device. */
typedef struct world {
    hone_context *hone;
    hone_device  *device;
    hone_stream  *stream;
    hone_buffer  *memory[3];
    hone_tensor   tensor[3];
} world;

static const float a_values[M * K] = {1, 2, 0, -1, 3, 0, 1, 1, 2, 0, -2, 0, 1, 0, 1, 3, 1, 0, 0, 2};
static const float b_values[K * N] = {1, 0, 2, 0, 1, 1, 2, 2, 0, -1, 0, 1, 1, 1, 0};

static void product(float *c)
{
    hone_tensor a = hone_matrix(HONE_F32, M, K, (void *)(uintptr_t)a_values);
    hone_tensor b = hone_matrix(HONE_F32, K, N, (void *)(uintptr_t)b_values), t = hone_matrix(HONE_F32, M, N, c);
    tools_matmul(&a, &b, &t, NULL);
}

static void open_world(world *w, const hone_context_options *options)
{
    const size_t  bytes[] = {sizeof a_values, sizeof b_values, M * N * sizeof(float)};
    const int64_t rows[] = {M, K, M}, columns[] = {K, N, N};
    works(mock_context(options, &w->hone));
    works(hone_device_find(w->hone, "mock:0", &w->device));
    works(hone_stream_create(w->device, &w->stream));
    for (int i = 0; i < 3; i++) {
        works(hone_buffer_create(w->device, bytes[i], &w->memory[i]));
        w->tensor[i] = hone_tensor_in(w->memory[i], 0, hone_matrix(HONE_F32, rows[i], columns[i], NULL));
    }
    works(hone_buffer_write(w->stream, w->memory[0], 0, a_values, sizeof a_values));
    works(hone_buffer_write(w->stream, w->memory[1], 0, b_values, sizeof b_values));
}

/* Destroys a stream that work may have failed on: it may tell so, and is dead in any case. */
static void ends(hone_stream *stream)
{
    hone_status status = hone_stream_destroy(stream);
    if (status != HONE_OK) assert_string_not_equal(hone_last_error(), "");
    if (stream) assert_int_equal(hone_stream_destroy(stream), HONE_ERROR_HANDLE);
}

static void close_world(world *w)
{
    ends(w->stream);
    for (int i = 0; i < 3; i++) works(hone_buffer_destroy(w->memory[i]));
    works(hone_context_destroy(w->hone));
}

static hone_status multiply(world *w)
{
    return hone_matmul(w->stream, &w->tensor[0], &w->tensor[1], &w->tensor[2], NULL);
}

static void multiplies(world *w)
{
    float c[M * N], expected[M * N];
    memset(c, 0xff, sizeof c);
    product(expected);
    works(hone_buffer_write(w->stream, w->memory[2], 0, c, sizeof c));
    works(multiply(w));
    works(hone_buffer_read(w->stream, w->memory[2], 0, c, sizeof c));
    works(hone_stream_wait(w->stream));
    assert_memory_equal(c, expected, sizeof c);
}

/* What the plan for a * b says of itself. */
static const char *described(world *w)
{
    static char text[512];
    hone_plan  *plan;
    works(hone_matmul_plan(w->device, &w->tensor[0], &w->tensor[1], &w->tensor[2], NULL, &plan));
    works(hone_plan_describe(plan, text, sizeof text));
    works(hone_plan_destroy(plan));
    return text;
}

/* --- one whole life, and every call of it failing ----------------------------------------------------------------- */

/* What has come to be so far; what is there already is not made again, so that a life goes on where it failed. */
typedef struct life {
    hone_context *hone;
    hone_device  *device, *second;
    hone_stream  *stream, *other;
    hone_event   *event;
    hone_buffer  *a, *b, *c, *scratch, *adopted;
    hone_plan    *plan;
    void         *address;
    float         result[M * N], again[M * N];
    int           released;
} life;

static float far_memory[16];

static void count_release(void *user)
{
    ++*(int *)user;
}

#define TRY(call)                                                                                                      \
    do {                                                                                                               \
        hone_status try_status = (call);                                                                               \
        if (try_status != HONE_OK) return try_status;                                                                  \
    } while (0)

static hone_status run_plan(life *l)
{
    hone_operand        operands[3] = {{l->a, NULL, 0, 0}, {l->b, NULL, 0, 0}, {l->c, NULL, 0, 0}};
    const double        values[2] = {1, 0};
    hone_plan_arguments arguments = {.size = sizeof arguments,
                                     .operands = operands,
                                     .operand_count = 3,
                                     .values = values,
                                     .value_count = 2,
                                     .scratch = {l->scratch, NULL, 64, 0}};
    return hone_plan_run(l->stream, l->plan, &arguments);
}

static hone_status live(life *l)
{
    hone_tensor a, b, c;
    size_t      scratch_bytes;
    if (!l->hone) TRY(mock_context(NULL, &l->hone));
    TRY(hone_device_find(l->hone, "mock:0", &l->device));
    TRY(hone_device_find(l->hone, "mock:1", &l->second));
    if (!l->stream) TRY(hone_stream_create(l->device, &l->stream));
    if (!l->other) TRY(hone_stream_create(l->second, &l->other));
    if (!l->event) TRY(hone_event_create(l->device, &l->event));
    if (!l->a) TRY(hone_buffer_create(l->device, sizeof a_values, &l->a));
    if (!l->b) TRY(hone_buffer_create(l->device, sizeof b_values, &l->b));
    if (!l->c) TRY(hone_buffer_create(l->device, sizeof l->result, &l->c));
    if (!l->adopted)
        TRY(hone_buffer_adopt(l->second, far_memory, sizeof far_memory, count_release, &l->released, &l->adopted));
    TRY(hone_buffer_write(l->stream, l->a, 0, a_values, sizeof a_values));
    TRY(hone_buffer_write(l->stream, l->b, 0, b_values, sizeof b_values));
    a = hone_tensor_in(l->a, 0, hone_matrix(HONE_F32, M, K, NULL));
    b = hone_tensor_in(l->b, 0, hone_matrix(HONE_F32, K, N, NULL));
    c = hone_tensor_in(l->c, 0, hone_matrix(HONE_F32, M, N, NULL));
    TRY(hone_matmul(l->stream, &a, &b, &c, NULL));
    TRY(hone_buffer_read(l->stream, l->c, 0, l->result, sizeof l->result));
    TRY(hone_event_record(l->event, l->stream));
    TRY(hone_event_wait(l->event));
    TRY(hone_stream_wait_event(l->other, l->event));
    TRY(hone_stream_wait(l->stream));
    if (!l->plan) TRY(hone_matmul_plan(l->device, &a, &b, &c, NULL, &l->plan));
    TRY(hone_plan_scratch(l->plan, &scratch_bytes));
    if (!l->scratch) TRY(hone_buffer_create(l->device, 64 + scratch_bytes, &l->scratch));
    TRY(run_plan(l));
    if (!l->address) TRY(hone_buffer_map(l->stream, l->c, &l->address));
    memcpy(l->again, l->address, sizeof l->again);
    TRY(hone_buffer_unmap(l->stream, l->c));
    l->address = NULL;
    TRY(hone_stream_wait(l->other));
    return hone_stream_wait(l->stream);
}

static void end_life(life *l)
{
    works(hone_plan_destroy(l->plan));
    works(hone_event_destroy(l->event));
    ends(l->other);
    ends(l->stream);
    works(hone_buffer_destroy(l->a));
    works(hone_buffer_destroy(l->b));
    works(hone_buffer_destroy(l->c));
    works(hone_buffer_destroy(l->scratch));
    works(hone_buffer_destroy(l->adopted));
    works(hone_context_destroy(l->hone));
    assert_int_equal(l->released, l->adopted != NULL);
    no_context_lives();
}

static void lived_right(const life *l)
{
    float expected[M * N];
    product(expected);
    assert_memory_equal(l->result, expected, sizeof expected);
    assert_memory_equal(l->again, expected, sizeof expected);
}

/* Scratch is wanted, so that its buffer can fail too. */
static void with_scratch(bool late)
{
    mock_reset();
    mock.late = late;
    mock.kernel[MOCK_HUNGRY].seconds = 0.5;
}

static void one_whole_life(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        life l = {0};
        with_scratch(late);
        works(live(&l));
        works(live(&l)); /* and once more with everything there */
        lived_right(&l);
        assert_int_equal(mock_count(MOCK_PREPARE), 1);
        assert_int_equal(mock_count(MOCK_LAUNCH), 4);
        assert_int_equal(mock_count(MOCK_EXECUTE), late ? 4 : 0);
        end_life(&l);
        assert_int_equal(mock_count(MOCK_OPEN), mock_count(MOCK_CLOSE));
        assert_int_equal(mock_count(MOCK_STREAM_CREATE), mock_count(MOCK_STREAM_DESTROY));
        assert_int_equal(mock_count(MOCK_EVENT_CREATE), mock_count(MOCK_EVENT_DESTROY));
        assert_int_equal(mock_count(MOCK_BUFFER_CREATE) + mock_count(MOCK_BUFFER_ADOPT),
                         mock_count(MOCK_BUFFER_DESTROY));
        assert_int_equal(mock_count(MOCK_PREPARE), mock_count(MOCK_RELEASE));
    }
}

/* The nth call fails; what was reached stays usable, and the life is lived to its end. */
static int fail_each(bool late, hone_status status)
{
    for (int n = 1;; n++) {
        life l = {0};
        with_scratch(late);
        mock_fail(MOCK_ANY, n, status);
        tools_forget();
        hone_status got = live(&l);
        if (!mock_failed()) {
            works(got);
            end_life(&l);
            return n - 1;
        }
        if (got != status) fail_msg("call %d failed with %s, and the life gave %s", n, hone_status_name(status),
                                    hone_status_name(got));
        const char *lacks = tools_sentence_lacks("was told to fail");
        if (lacks) fail_msg("call %d: '%s' lacks '%s'", n, hone_last_error(), lacks);
        mock_fail(MOCK_ANY, 0, HONE_OK);
        if (l.stream) works(hone_stream_reset(l.stream));
        if (l.other) works(hone_stream_reset(l.other));
        works(live(&l));
        lived_right(&l);
        end_life(&l);
    }
}

static void every_call_fails_in_turn(void **state)
{
    (void)state;
    int eager = fail_each(false, HONE_ERROR_DEVICE), late = fail_each(true, HONE_ERROR_DEVICE);
    assert_true(eager >= 20 && late >= eager);
    assert_int_equal(fail_each(false, HONE_ERROR_MEMORY), eager);
    assert_int_equal(fail_each(true, HONE_ERROR_TIMEOUT), late);
    print_message("%d calls failed in turn, %d where they are late\n", eager, late);
}

static void destroying_a_stream_tells_what_failed_late(void **state)
{
    world w;
    (void)state;
    mock_reset();
    mock.late = true;
    open_world(&w, NULL);
    mock_fail(MOCK_EXECUTE, 1, HONE_ERROR_DEVICE);
    works(multiply(&w));
    refused(hone_stream_destroy(w.stream), HONE_ERROR_DEVICE, "matmul f32 nn 4x3x5");
    refused(hone_stream_destroy(w.stream), HONE_ERROR_HANDLE, "destroyed");
    w.stream = NULL;
    close_world(&w);
}

static void a_life_ends_where_it_failed(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++)
        for (int n = 1;; n++) {
            life l = {0};
            with_scratch(late);
            mock_fail(MOCK_ANY, n, HONE_ERROR_DEVICE);
            hone_status got = live(&l);
            end_life(&l); /* with an error pending, or still to come */
            if (!mock_failed()) {
                works(got);
                break;
            }
        }
}

static void what_waits_in_destroy_may_fail(void **state)
{
    world w;
    (void)state;
    mock.late = true;
    open_world(&w, NULL);
    works(multiply(&w));
    mock_fail(MOCK_EXECUTE, 1, HONE_ERROR_DEVICE);
    close_world(&w);
    assert_true(mock_failed());
}

/* --- late errors -------------------------------------------------------------------------------------------------- */

static void a_late_error_stays(void **state)
{
    world         w;
    hone_event   *event;
    hone_plan    *plan;
    hone_stream  *bystander;
    void         *address;
    float         c[M * N];
    hone_tensor   b2;
    hone_operand  operands[3] = {{0}};
    const double  values[2] = {1, 0};
    const char   *words = "failed late, in \"matmul f32 nn 4x2x5|by mock.plain|hone_stream_reset|told to fail";
    (void)state;
    mock.late = true;
    open_world(&w, NULL);
    works(hone_event_create(w.device, &event));
    works(hone_stream_create(w.device, &bystander));
    works(hone_matmul_plan(w.device, &w.tensor[0], &w.tensor[1], &w.tensor[2], NULL, &plan));
    hone_plan_arguments arguments = {.size = sizeof arguments,
                                     .operands = operands,
                                     .operand_count = 3,
                                     .values = values,
                                     .value_count = 2};
    for (int i = 0; i < 3; i++) operands[i].buffer = w.memory[i];

    /* the second of three launches fails: another problem than the first and the third */
    b2 = w.tensor[1];
    b2.shape[1] = 2;
    hone_tensor c2 = w.tensor[2];
    c2.shape[1] = 2;
    mock_fail(MOCK_EXECUTE, 2, HONE_ERROR_DEVICE);
    works(multiply(&w));
    works(hone_matmul(w.stream, &w.tensor[0], &b2, &c2, NULL));
    works(multiply(&w));
    assert_false(mock_failed());
    refused(hone_stream_wait(w.stream), HONE_ERROR_DEVICE, words);
    assert_true(mock_failed());

    int calls = mock_recorded();
    refused(hone_stream_wait(w.stream), HONE_ERROR_DEVICE, words);
    refused(multiply(&w), HONE_ERROR_DEVICE, words);
    refused(hone_matmul(w.stream, NULL, NULL, NULL, NULL), HONE_ERROR_DEVICE, words);
    refused(hone_plan_run(w.stream, plan, &arguments), HONE_ERROR_DEVICE, words);
    refused(hone_buffer_write(w.stream, w.memory[0], 0, a_values, 4), HONE_ERROR_DEVICE, words);
    refused(hone_buffer_read(w.stream, w.memory[2], 0, c, 4), HONE_ERROR_DEVICE, words);
    refused(hone_buffer_map(w.stream, w.memory[2], &address), HONE_ERROR_DEVICE, words);
    refused(hone_buffer_unmap(w.stream, w.memory[2]), HONE_ERROR_DEVICE, words);
    refused(hone_event_record(event, w.stream), HONE_ERROR_DEVICE, words);
    refused(hone_stream_wait_event(w.stream, event), HONE_ERROR_DEVICE, words);
    assert_int_equal(mock_recorded(), calls); /* none of them came to the device */

    /* others do not suffer */
    world other = w;
    other.stream = bystander;
    multiplies(&other);
    works(hone_event_wait(event));

    works(hone_stream_reset(w.stream));
    works(hone_stream_wait(w.stream));
    multiplies(&w);
    works(hone_plan_run(w.stream, plan, &arguments));

    /* a second late error is told as well as the first, and the reset itself finds one that nobody was told */
    mock_fail(MOCK_EXECUTE, 1, HONE_ERROR_TIMEOUT);
    refused(hone_stream_wait(w.stream), HONE_ERROR_TIMEOUT, "failed late, in \"matmul f32 nn 4x3x5|by mock.plain");
    works(hone_stream_reset(w.stream));
    works(multiply(&w));
    mock_fail(MOCK_EXECUTE, 1, HONE_ERROR_DEVICE);
    works(hone_stream_reset(w.stream));
    assert_true(mock_failed());
    multiplies(&w);

    works(hone_plan_destroy(plan));
    works(hone_stream_destroy(bystander));
    works(hone_event_destroy(event));
    close_world(&w);
}

/* Whichever of many launches fails, it is found by name; the mapping of a buffer waits, and so tells too. */
static void any_of_many_is_named(void **state)
{
    world w;
    void *address;
    (void)state;
    enum { LAUNCHES = 60 };
    for (int which = 1; which <= LAUNCHES; which += 7) {
        char words[64];
        mock_reset();
        mock.late = true;
        open_world(&w, NULL);
        mock_fail(MOCK_EXECUTE, which, HONE_ERROR_DEVICE);
        for (int i = 1; i <= LAUNCHES; i++) {
            hone_tensor a = w.tensor[0], b = w.tensor[1], c = w.tensor[2];
            a.shape[1] = b.shape[0] = 1 + i % 5;
            a.shape[0] = c.shape[0] = 1 + i / 5 % 4;
            works(hone_matmul(w.stream, &a, &b, &c, NULL));
        }
        snprintf(words, sizeof words, "in \"matmul f32 nn %dx3x%d", 1 + which / 5 % 4, 1 + which % 5);
        refused(hone_buffer_map(w.stream, w.memory[2], &address), HONE_ERROR_DEVICE, words);
        works(hone_stream_reset(w.stream));
        works(hone_buffer_map(w.stream, w.memory[2], &address));
        works(hone_buffer_unmap(w.stream, w.memory[2]));
        close_world(&w);
        no_context_lives();
    }
}

/* Far more in flight than a stream remembers: the error is told all the same. */
static void the_first_of_thousands(void **state)
{
    world w;
    (void)state;
    for (int launches = 10; launches <= 10000; launches *= 10) {
        mock_reset();
        mock.late = true;
        open_world(&w, NULL);
        mock_fail(MOCK_EXECUTE, 1, HONE_ERROR_DEVICE);
        for (int i = 0; i < launches; i++) works(multiply(&w));
        refused(hone_stream_wait(w.stream), HONE_ERROR_DEVICE,
                launches <= 1000 ? "mock:0 failed late, in \"matmul f32 nn 4x3x5|mock.plain" : "mock:0 failed late");
        works(hone_stream_reset(w.stream));
        multiplies(&w);
        close_world(&w);
        no_context_lives();
    }
}

/* --- what queued work uses ---------------------------------------------------------------------------------------- */

/* One of the many products that one world can ask for; `which` tells them apart. */
static hone_status multiply_other(world *w, int which)
{
    hone_tensor a = w->tensor[0], b = w->tensor[1], c = w->tensor[2];
    a.shape[0] = c.shape[0] = 1;
    a.shape[1] = b.shape[0] = 1;
    b.shape[1] = c.shape[1] = 2;
    b.stride[1] = 1;
    c.stride[1] = 1;
    a.shape[1] = b.shape[0] = 2;
    b.stride[0] = which % 12;
    a.stride[1] = which / 12 % 16;
    hone_matmul_options options = HONE_MATMUL_OPTIONS;
    hone_step_kind      kinds[] = {HONE_STEP_RELU, HONE_STEP_SCALE, HONE_STEP_RELU};
    for (int rest = which / (12 * 16); rest && options.step_count < 4; rest /= 3)
        options.steps[options.step_count++] = (hone_step){kinds[rest % 2], 1 + rest % 3, NULL};
    options.beta = which / (12 * 16) % 3 == 2 ? 1 : 0;
    return hone_matmul(w->stream, &a, &b, &c, &options);
}

/* Plans for which there is no room in the cache live in the stream alone, which must not let go of them too early. */
static void plans_outlive_what_uses_them(void **state)
{
    world w;
    (void)state;
    tools_allocator_use();
    mock.late = true;
    open_world(&w, NULL);
    for (int i = 0; i < 400; i++) {
        tools_allocator_fail(3, 0); /* of a new plan: itself, what it prepared, then the room for it */
        works(multiply_other(&w, i));
        tools_allocator_fail(0, 0);
    }
    for (int i = 0; i < 200; i++) works(multiply(&w));
    works(hone_stream_wait(w.stream));
    assert_null(mock_complaint());
    assert_true(mock_count(MOCK_RELEASE) > 0);
    close_world(&w);
    no_context_lives();
    tools_allocator_end();
}

/* A plan is pushed out of every table while its launch is queued. */
static void the_cache_forgets_what_is_queued(void **state)
{
    world       w, other;
    hone_stream *second;
    (void)state;
    mock.late = true;
    open_world(&w, NULL);
    works(hone_stream_create(w.device, &second));
    other = w;
    other.stream = second;
    for (int i = 0; i < 200; i++) works(multiply_other(&w, i));
    mock.late = false; /* the second stream does its work at once */
    for (int rows = 1; rows <= 130; rows++)
        for (int columns = 1; columns <= 130; columns++) {
            hone_plan  *plan;
            hone_tensor a = hone_matrix(HONE_F32, rows, 1, NULL), b = hone_matrix(HONE_F32, 1, columns, NULL);
            hone_tensor c = hone_matrix(HONE_F32, rows, columns, NULL);
            works(hone_matmul_plan(w.device, &a, &b, &c, NULL, &plan));
            works(hone_plan_destroy(plan));
        }
    assert_true(mock_count(MOCK_RELEASE) > 0);
    for (int i = 0; i < 200; i++) works(multiply_other(&other, i));
    works(hone_stream_wait(w.stream));
    works(hone_stream_wait(second));
    works(hone_stream_destroy(second));
    close_world(&w);
}

static void handles_end_before_the_work(void **state)
{
    world      w;
    hone_plan *plan;
    (void)state;
    mock.late = true;
    open_world(&w, NULL);
    works(hone_matmul_plan(w.device, &w.tensor[0], &w.tensor[1], &w.tensor[2], NULL, &plan));
    hone_operand        operands[3] = {{w.memory[0], NULL, 0, 0}, {w.memory[1], NULL, 0, 0}, {w.memory[2], NULL, 0, 0}};
    const double        values[2] = {1, 0};
    hone_plan_arguments arguments = {.size = sizeof arguments,
                                     .operands = operands,
                                     .operand_count = 3,
                                     .values = values,
                                     .value_count = 2};
    works(hone_plan_run(w.stream, plan, &arguments));
    works(hone_plan_destroy(plan));
    works(hone_context_destroy(w.hone)); /* the stream and the buffers go on */
    w.hone = NULL;
    multiplies(&w);
    refused(hone_buffer_create(w.device, 4, &w.memory[0]), HONE_ERROR_HANDLE, "was destroyed");
    assert_null(w.memory[0]);
    w.memory[0] = w.tensor[0].buffer;
    close_world(&w);
}

static void scratch_grows_while_work_is_queued(void **state)
{
    world w;
    (void)state;
    mock.late = true;
    mock.kernel[MOCK_HUNGRY].seconds = 0.1;
    open_world(&w, NULL);
    for (int i = 0; i < 40; i++) {
        mock.scratch_bytes = (size_t)1000 << (i / 4);
        works(multiply_other(&w, i));
    }
    multiplies(&w);
    close_world(&w);
    mock_reset();
    mock.kernel[MOCK_HUNGRY].seconds = 0.1;
    mock.scratch_bytes = (size_t)1 << 40; /* more than there is */
    open_world(&w, NULL);
    refused(multiply(&w), HONE_ERROR_MEMORY, "mock:0 has no");
    mock.kernel[MOCK_HUNGRY].seconds = 9;
    works(multiply_other(&w, 1));
    close_world(&w);
}

/* --- order -------------------------------------------------------------------------------------------------------- */

static void events_order_streams(void **state)
{
    world        w;
    hone_device *second;
    hone_stream *reader, *far, *cpu_stream;
    hone_device *cpu;
    hone_event  *event, *foreign;
    float        seen[2] = {0};
    const float  first = 1, next = 2;
    (void)state;
    mock.late = true;
    open_world(&w, NULL);
    works(hone_device_find(w.hone, "mock:1", &second));
    works(hone_device_find(w.hone, "cpu:0", &cpu));
    works(hone_stream_create(w.device, &reader));
    works(hone_stream_create(second, &far));
    works(hone_stream_create(cpu, &cpu_stream));
    works(hone_event_create(w.device, &event));
    works(hone_event_create(second, &foreign));
    works(hone_buffer_write(w.stream, w.memory[0], 0, &first, 4));
    works(hone_event_record(event, w.stream));
    works(hone_buffer_write(w.stream, w.memory[0], 0, &next, 4));
    works(hone_stream_wait_event(reader, event));
    works(hone_buffer_read(reader, w.memory[0], 0, &seen[0], 4));
    works(hone_stream_wait(reader));
    assert_true(seen[0] == first); /* after the mark, not before it, and not after what follows it */
    works(hone_stream_wait(w.stream));
    works(hone_buffer_read(reader, w.memory[0], 0, &seen[1], 4));
    works(hone_stream_wait(reader));
    assert_true(seen[1] == next);

    /* other devices, and other backends, wait as well */
    works(hone_buffer_write(w.stream, w.memory[0], 0, &first, 4));
    works(hone_event_record(event, w.stream));
    works(hone_stream_wait_event(far, event));
    works(hone_stream_wait(far));
    assert_int_equal(mock_queued(), 0);
    works(hone_buffer_write(w.stream, w.memory[0], 0, &next, 4));
    works(hone_event_record(event, w.stream));
    works(hone_stream_wait_event(cpu_stream, event));
    assert_int_equal(mock_queued(), 0);
    refused(hone_event_record(foreign, w.stream), HONE_ERROR_ARGUMENT, "the event is of mock:1, the stream of mock:0");
    refused(hone_event_record(event, cpu_stream), HONE_ERROR_ARGUMENT, "the event is of mock:0, the stream of cpu:0");
    works(hone_event_destroy(event));
    works(hone_event_destroy(foreign));
    works(hone_stream_destroy(reader));
    works(hone_stream_destroy(far));
    works(hone_stream_destroy(cpu_stream));
    close_world(&w);
}

static void devices_are_not_mixed(void **state)
{
    world        w;
    hone_device *second;
    hone_buffer *there;
    hone_plan   *plan;
    hone_stream *stream;
    float        host[M * K] = {0};
    (void)state;
    open_world(&w, NULL);
    works(hone_device_find(w.hone, "mock:1", &second));
    works(hone_buffer_create(second, sizeof a_values, &there));
    works(hone_stream_create(second, &stream));
    hone_tensor a = hone_tensor_in(there, 0, w.tensor[0]);
    refused(hone_matmul(w.stream, &a, &w.tensor[1], &w.tensor[2], NULL), HONE_ERROR_ARGUMENT,
            "a is in a buffer of mock:1, the call is for mock:0");
    refused(hone_buffer_write(w.stream, there, 0, a_values, 4), HONE_ERROR_ARGUMENT, "of mock:1, the stream of mock:0");
    works(hone_matmul_plan(w.device, &w.tensor[0], &w.tensor[1], &w.tensor[2], NULL, &plan));
    hone_operand        operands[3] = {{there, NULL, 0, 0}, {w.memory[1], NULL, 0, 0}, {w.memory[2], NULL, 0, 0}};
    const double        values[2] = {1, 0};
    hone_plan_arguments arguments = {.size = sizeof arguments,
                                     .operands = operands,
                                     .operand_count = 3,
                                     .values = values,
                                     .value_count = 2};
    refused(hone_plan_run(w.stream, plan, &arguments), HONE_ERROR_ARGUMENT, "of mock:1, the plan is of mock:0");
    refused(hone_plan_run(stream, plan, &arguments), HONE_ERROR_ARGUMENT,
            "the plan is of mock:0, the stream of mock:1");
    operands[0] = (hone_operand){w.memory[0], NULL, 4, 0};
    refused(hone_plan_run(w.stream, plan, &arguments), HONE_ERROR_ARGUMENT,
            "operand 0 (a)|not aligned to the 64 bytes");
    operands[0] = (hone_operand){NULL, host, 0, 0};
    if ((uintptr_t)host % 64 == 0)
        refused(hone_plan_run(w.stream, plan, &arguments), HONE_ERROR_ARGUMENT,
                "host memory, which mock:0 does not reach");
    a = hone_matrix(HONE_F32, M, K, host);
    refused(hone_matmul(w.stream, &a, &w.tensor[1], &w.tensor[2], NULL), HONE_ERROR_ARGUMENT,
            "host memory, which mock:0 does not reach");
    multiplies(&w);
    works(hone_plan_destroy(plan));
    works(hone_stream_destroy(stream));
    works(hone_buffer_destroy(there));
    close_world(&w);
}

static void scratch_of_a_plan_is_checked(void **state)
{
    world        w;
    hone_plan   *plan;
    hone_buffer *scratch;
    size_t       bytes;
    (void)state;
    mock.kernel[MOCK_HUNGRY].seconds = 0.1;
    open_world(&w, NULL);
    works(hone_matmul_plan(w.device, &w.tensor[0], &w.tensor[1], &w.tensor[2], NULL, &plan));
    works(hone_plan_scratch(plan, &bytes));
    assert_int_equal(bytes, 1000);
    works(hone_buffer_create(w.device, 1128, &scratch));
    hone_operand        operands[3] = {{w.memory[0], NULL, 0, 0}, {w.memory[1], NULL, 0, 0}, {w.memory[2], NULL, 0, 0}};
    const double        values[2] = {1, 0};
    hone_plan_arguments arguments = {.size = sizeof arguments,
                                     .operands = operands,
                                     .operand_count = 3,
                                     .values = values,
                                     .value_count = 2};
    refused(hone_plan_run(w.stream, plan, &arguments), HONE_ERROR_ARGUMENT, "0 bytes of scratch|the plan needs 1000");
    arguments.scratch = (hone_operand){scratch, NULL, 192, 0};
    refused(hone_plan_run(w.stream, plan, &arguments), HONE_ERROR_ARGUMENT, "936 bytes of scratch|the plan needs 1000");
    arguments.scratch = (hone_operand){scratch, NULL, 128, 999};
    refused(hone_plan_run(w.stream, plan, &arguments), HONE_ERROR_ARGUMENT, "999 bytes of scratch|the plan needs 1000");
    arguments.scratch = (hone_operand){scratch, NULL, 4, 0};
    refused(hone_plan_run(w.stream, plan, &arguments), HONE_ERROR_ARGUMENT, "not aligned to 64 bytes");
    assert_int_equal(mock_count(MOCK_LAUNCH), 0);
    arguments.scratch = (hone_operand){scratch, NULL, 128, 0};
    works(hone_plan_run(w.stream, plan, &arguments));
    assert_int_equal(mock_count(MOCK_LAUNCH), 1);
    works(hone_plan_destroy(plan));
    works(hone_buffer_destroy(scratch));
    close_world(&w);
}

static void overlap_is_seen_in_memory_out_of_reach(void **state)
{
    world w;
    (void)state;
    open_world(&w, NULL);
    hone_buffer *all;
    works(hone_buffer_create(w.device, 4096, &all));
    hone_tensor a = hone_tensor_in(all, 0, w.tensor[0]), b = hone_tensor_in(all, 1024, w.tensor[1]);
    hone_tensor c = hone_tensor_in(all, 76, w.tensor[2]);
    refused(hone_matmul(w.stream, &a, &b, &c, NULL), HONE_ERROR_OVERLAP, "c at|shares memory with a");
    c.offset_bytes = 1024 - 44;
    refused(hone_matmul(w.stream, &a, &b, &c, NULL), HONE_ERROR_OVERLAP, "c at|shares memory with b");
    c.offset_bytes = 80;
    works(hone_matmul(w.stream, &a, &b, &c, NULL));
    /* the same offset in two buffers is not the same place */
    works(multiply(&w));
    works(hone_buffer_destroy(all));
    close_world(&w);
}

/* --- the choice --------------------------------------------------------------------------------------------------- */

/* What is chosen for these estimates, in the order of the rows: plain, quick, hungry. */
static void choice(double plain, double quick, double hungry, int deterministic, const char *words)
{
    const double         seconds[] = {plain, quick, hungry};
    hone_context_options options = HONE_CONTEXT_OPTIONS;
    world                w;
    mock_reset();
    for (int i = 0; i < MOCK_KERNELS; i++) mock.kernel[i].seconds = seconds[i];
    options.deterministic = deterministic;
    open_world(&w, &options);
    const char *text = described(&w);
    if (!strstr(text, words)) fail_msg("%g %g %g: '%s' is not in '%s'", plain, quick, hungry, words, text);
    multiplies(&w);
    close_world(&w);
    no_context_lives();
}

static void the_fastest_is_chosen(void **state)
{
    (void)state;
    choice(1, 2, 3, 0, "matmul f32 nn 4x3x5: mock.plain (estimated, ceilings built in)");
    choice(2, 1, 3, 0, ": mock.quick block=2 (estimated");
    choice(3, 2, 1, 0, ": mock.hungry (estimated");
    /* near-ties go to the order of the rows, near to the best one alone */
    choice(1.019, 1, 5, 0, ": mock.plain (estimated alike, order of the rows)");
    choice(1.021, 1, 5, 0, ": mock.quick block=2 (estimated, ");
    choice(1.019, 5, 1, 0, ": mock.plain (estimated alike, order of the rows)");
    choice(5, 1.019, 1, 0, ": mock.quick block=2 (estimated alike, order of the rows)");
    choice(1.03, 1.015, 1, 0, ": mock.quick block=2 (estimated alike, order of the rows)");
    choice(1, 1, 1, 0, ": mock.plain (estimated, ");
    choice(1e-9, 1.001e-9, 1, 0, ": mock.plain (estimated, ");
    choice(1.001e-9, 1e-9, 1, 0, ": mock.plain (estimated alike");
    /* what says nothing comes behind what says something */
    choice(0, 2, 1, 0, ": mock.hungry (estimated, ");
    choice(0, 0, 7, 0, ": mock.hungry (estimated, ");
    choice(0, 0, 0, 0, ": mock.plain (order of the rows)");
    choice((double)NAN, 2, 3, 0, ": mock.quick block=2 (estimated, ");
    choice(-1, 2, 3, 0, ": mock.quick block=2 (estimated, ");
    choice(-(double)INFINITY, (double)INFINITY, 3, 0, ": mock.hungry (estimated, ");
    choice((double)NAN, (double)NAN, (double)NAN, 0, ": mock.plain (order of the rows)");
    /* deterministic: the first row whose bits are its own, whatever it takes */
    choice(1, 2, 3, 1, ": mock.plain (order of the rows)");
    choice(9, 2, 1, 1, ": mock.plain (order of the rows)");
    choice(9, 1, 9, 1, ": mock.plain (order of the rows)");
}

static void refusals_are_told(void **state)
{
    world                w;
    hone_context_options options = HONE_CONTEXT_OPTIONS;
    (void)state;
    open_world(&w, NULL);
    mock.kernel[MOCK_PLAIN].refusal = "it is Monday";
    assert_non_null(strstr(described(&w), ": mock.quick"));
    close_world(&w);

    for (int i = 0; i < MOCK_KERNELS; i++) mock.kernel[i].refusal = "it is Tuesday";
    mock.kernel[MOCK_QUICK].refusal = "n is too odd";
    open_world(&w, NULL);
    refused(multiply(&w), HONE_ERROR_UNSUPPORTED,
            "nothing on mock:0 takes \"matmul f32 nn 4x3x5\": |mock.plain, mock.hungry: it is Tuesday|; mock.quick: n "
            "is too odd");
    for (int i = 0; i < MOCK_KERNELS; i++) mock.kernel[i].refusal = NULL;
    multiplies(&w); /* a refusal is not remembered */
    close_world(&w);

    options.deterministic = 1;
    mock.kernel[MOCK_PLAIN].refusal = mock.kernel[MOCK_HUNGRY].refusal = "it is Wednesday";
    open_world(&w, &options);
    refused(multiply(&w), HONE_ERROR_UNSUPPORTED, "mock.quick: its bits may depend|the context is deterministic");
    close_world(&w);

    mock_reset();
    open_world(&w, NULL);
    hone_plan *plan = (void *)&w;
    refused(hone_matmul_many_plan(w.device, 3, &w.tensor[0], &w.tensor[1], &w.tensor[2], NULL, &plan),
            HONE_ERROR_UNSUPPORTED, "a is in a buffer");
    hone_tensor a = hone_matrix(HONE_F32, M, K, NULL), b = hone_matrix(HONE_F32, K, N, NULL);
    hone_tensor c = hone_matrix(HONE_F32, M, N, NULL);
    refused(hone_matmul_many_plan(w.device, 3, &a, &b, &c, NULL, &plan), HONE_ERROR_UNSUPPORTED,
            ": mock.plain, mock.quick, mock.hungry: it takes no arrays of pointers");
    assert_null(plan);
    close_world(&w);
}

static void a_kernel_may_refuse_when_it_prepares(void **state)
{
    world w;
    (void)state;
    mock.kernel[MOCK_PLAIN].refuses_prepare = true;
    open_world(&w, NULL);
    assert_non_null(strstr(described(&w), ": mock.quick"));
    assert_int_equal(mock_count_of(MOCK_PREPARE, "mock.plain"), 1);
    assert_int_equal(mock_count_of(MOCK_PREPARE, "mock.quick"), 1);
    multiplies(&w);
    close_world(&w);

    mock_reset();
    for (int i = 0; i < MOCK_KERNELS; i++) mock.kernel[i].refuses_prepare = true;
    open_world(&w, NULL);
    refused(multiply(&w), HONE_ERROR_UNSUPPORTED,
            ": mock.plain, mock.quick, mock.hungry: refused while");
    assert_int_equal(mock_count(MOCK_PREPARE), 3);
    close_world(&w);
}

static void scratch_may_be_capped(void **state)
{
    world            w;
    hone_rt_context *context;
    hone_rt_plan    *plan;
    hone_rt_problem  problem;
    const hone_op   *op;
    (void)state;
    mock.kernel[MOCK_HUNGRY].seconds = 0.1;
    open_world(&w, NULL);
    works(hone_rt_context_hold(w.hone, &context));
    works(hone_rt_problem_parse(context, "matmul f32 nn 4x3x5", &op, &problem));
    hone_request       request = {.device = hone_rt_device_find(context, "mock:0"),
                                  .op = op,
                                  .problem = problem.bytes,
                                  .threads = 1,
                                  .alignment = 64,
                                  .scratch_cap = 999};
    const hone_kernel *hungry = mock_module.kernels[MOCK_HUNGRY];
    refused(hone_rt_plan_with(context, &request, hungry, NULL, &plan), HONE_ERROR_UNSUPPORTED,
            "mock.hungry needs 1000 bytes of scratch; 999 are allowed");
    works(hone_rt_plan_for(context, &request, &plan));
    assert_string_equal(plan->kernel->name, "mock.plain");
    hone_rt_plan_release(plan);
    request.scratch_cap = 1000;
    works(hone_rt_plan_for(context, &request, &plan));
    assert_string_equal(plan->kernel->name, "mock.hungry");
    hone_rt_plan_release(plan);
    request.scratch_cap = 0;
    works(hone_rt_plan_for(context, &request, &plan));
    assert_string_equal(plan->kernel->name, "mock.hungry");
    hone_rt_plan_release(plan);
    hone_rt_context_release(context);
    close_world(&w);
}

static char said[4][256];
static int  lines;

static void hear(void *user, hone_log_level level, const char *line)
{
    (void)user;
    (void)level;
    if (lines < 4) snprintf(said[lines], sizeof said[lines], "%s", line);
    lines++;
}

static void the_choice_is_logged_once(void **state)
{
    world                w;
    hone_context_options options = HONE_CONTEXT_OPTIONS;
    (void)state;
    options.log = hear;
    options.log_level = HONE_LOG_SELECT;
    open_world(&w, &options);
    lines = 0;
    multiplies(&w);
    multiplies(&w);
    assert_int_equal(lines, 1);
    assert_non_null(strstr(said[0], "matmul f32 nn 4x3x5: mock.plain (estimated"));
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_whole_life, begin, end),
        cmocka_unit_test_setup_teardown(every_call_fails_in_turn, begin, end),
        cmocka_unit_test_setup_teardown(a_life_ends_where_it_failed, begin, end),
        cmocka_unit_test_setup_teardown(destroying_a_stream_tells_what_failed_late, begin, end),
        cmocka_unit_test_setup_teardown(what_waits_in_destroy_may_fail, begin, end),
        cmocka_unit_test_setup_teardown(a_late_error_stays, begin, end),
        cmocka_unit_test_setup_teardown(any_of_many_is_named, begin, end),
        cmocka_unit_test_setup_teardown(the_first_of_thousands, begin, end),
        cmocka_unit_test_setup_teardown(plans_outlive_what_uses_them, begin, end),
        cmocka_unit_test_setup_teardown(the_cache_forgets_what_is_queued, begin, end),
        cmocka_unit_test_setup_teardown(handles_end_before_the_work, begin, end),
        cmocka_unit_test_setup_teardown(scratch_grows_while_work_is_queued, begin, end),
        cmocka_unit_test_setup_teardown(events_order_streams, begin, end),
        cmocka_unit_test_setup_teardown(devices_are_not_mixed, begin, end),
        cmocka_unit_test_setup_teardown(scratch_of_a_plan_is_checked, begin, end),
        cmocka_unit_test_setup_teardown(overlap_is_seen_in_memory_out_of_reach, begin, end),
        cmocka_unit_test_setup_teardown(the_fastest_is_chosen, begin, end),
        cmocka_unit_test_setup_teardown(refusals_are_told, begin, end),
        cmocka_unit_test_setup_teardown(a_kernel_may_refuse_when_it_prepares, begin, end),
        cmocka_unit_test_setup_teardown(scratch_may_be_capped, begin, end),
        cmocka_unit_test_setup_teardown(the_choice_is_logged_once, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
