/* Misuse of every public function: a table of calls that must be answered with a status and a sentence, or, where they
 * only look wrong, with the right result.
 *
 *     case      begin: everything stands as in make_world()      the row's edit      the call      finish
 *     finish    status and words as the row says; outputs, guards and inputs untouched; nothing new in memory;
 *               and the same stream still computes a right product
 *
 * A row of matmul is asked at up to four doors: the call, its plan, and both for arrays of pointers. */
#include "tests/runtime/tools.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/random.h"

enum { ARENA = 65536, DEAD = 8 };

/* What the rows change. The arena holds all host memory that calls are given, so that one comparison finds whatever was
 * written. */
typedef struct world {
    hone_context *hone, *other;
    hone_device  *cpu, *other_cpu;
    hone_stream  *stream, *other_stream;
    hone_event   *event, *other_event;
    hone_buffer  *buffer, *other_buffer; /* 4096 bytes */
    hone_plan    *plan, *many_plan;      /* of a, b, c as they stand; two items */
    hone_matmul_weights *weights, *other_weights; /* of a b as it stands */
    void         *dead[DEAD];            /* by hone_handle_kind's numbers: 1 context ... 7 weights */
    void         *alive[DEAD];

    hone_tensor         a, b, c, t[HONE_STEPS_MAX];
    const hone_tensor  *a_at, *b_at, *c_at; /* what is given for them */
    hone_matmul_options options;
    const hone_matmul_options *options_at;
    int64_t             count; /* of arrays of pointers */
    const void         *a_items[4], *b_items[4];
    void               *c_items[4];
    const void *const  *a_array, *const *b_array;
    void *const        *c_array;

    hone_operand        operand[HONE_MATMUL_OPERANDS];
    double              value[HONE_MATMUL_VALUES];
    hone_plan_arguments arguments;
    hone_context_options context_options;
    hone_threads        threads;
    hone_device_facts   facts;
    hone_matmul_pack_options  packing;
    hone_matmul_weights_facts packed; /* as a saved b of 5 x 3 in panels of 8 */
} world;

static _Alignas(64) char arena[ARENA], before[ARENA], after[ARENA];
static int64_t           live_before;
static int               cases, refusals, wrong;

/* Where things lie in the arena. */
enum { A_AT = 1024, B_AT = 4096, C_AT = 8192, T_AT = 16384, SECOND = 1024, SCRATCH_AT = 32768, SCRATCH = 24576 };

static void begin(world *w)
{
    tools_fill(HONE_F32, arena, ARENA / 4, 7);
    w->a = hone_matrix(HONE_F32, 4, 5, arena + A_AT);
    w->b = hone_matrix(HONE_F32, 5, 3, arena + B_AT);
    w->c = hone_matrix(HONE_F32, 4, 3, arena + C_AT);
    w->a_at = &w->a;
    w->b_at = &w->b;
    w->c_at = &w->c;
    for (int s = 0; s < HONE_STEPS_MAX; s++) w->t[s] = hone_matrix(HONE_F32, 4, 3, arena + T_AT + 1024 * s);
    w->options = (hone_matmul_options)HONE_MATMUL_OPTIONS;
    w->options_at = &w->options;
    w->count = 2;
    for (int i = 0; i < 4; i++) {
        w->a_items[i] = arena + A_AT + SECOND / 2 * i;
        w->b_items[i] = arena + B_AT + SECOND / 2 * i;
        w->c_items[i] = arena + C_AT + SECOND / 2 * i;
    }
    w->a_array = w->a_items;
    w->b_array = w->b_items;
    w->c_array = w->c_items;
    memset(w->operand, 0, sizeof w->operand);
    w->operand[HONE_MATMUL_A] = (hone_operand){NULL, arena + A_AT, 0, 80};
    w->operand[HONE_MATMUL_B] = (hone_operand){NULL, arena + B_AT, 0, 60};
    w->operand[HONE_MATMUL_C] = (hone_operand){NULL, arena + C_AT, 0, 48};
    memset(w->value, 0, sizeof w->value);
    w->value[HONE_MATMUL_ALPHA] = 1;
    w->arguments = (hone_plan_arguments){.size = sizeof w->arguments,
                                         .operands = w->operand,
                                         .operand_count = HONE_MATMUL_STEP0,
                                         .value_count = HONE_MATMUL_VALUE0,
                                         .values = w->value,
                                         .scratch = {NULL, arena + SCRATCH_AT, 0, SCRATCH}};
    w->context_options = (hone_context_options)HONE_CONTEXT_OPTIONS;
    w->threads = (hone_threads){0};
    w->facts = (hone_device_facts){.size = sizeof w->facts};
    w->packing = (hone_matmul_pack_options)HONE_MATMUL_PACK_OPTIONS;
    w->packed = (hone_matmul_weights_facts){.size = sizeof w->packed,
                                            .layout = "n8",
                                            .dtype = HONE_F32,
                                            .rank = 2,
                                            .shape = {5, 3},
                                            .memory = {NULL, arena + B_AT, 0, 160}};
}

static void set_step(world *w, int s, hone_step_kind kind, hone_tensor *t)
{
    w->options.steps[s] = (hone_step){kind, 2, t};
    if (w->options.step_count <= s) w->options.step_count = s + 1;
}

/* A small product of another shape, on the stream that was just misused. */
static void still_multiplies(world *w)
{
    static _Alignas(64) float a[6] = {1, 2, 3, 4, 5, 6}, b[6] = {1, 0, 2, 1, 0, 3}, c[4];
    const float               expected[4] = {5, 11, 14, 23};
    hone_tensor               ta = hone_matrix(HONE_F32, 2, 3, a), tb = hone_matrix(HONE_F32, 3, 2, b);
    hone_tensor               tc = hone_matrix(HONE_F32, 2, 2, c);
    for (int i = 0; i < 4; i++) c[i] = NAN;
    works(hone_matmul(w->stream, &ta, &tb, &tc, NULL));
    works(hone_stream_wait(w->stream));
    assert_memory_equal(c, expected, sizeof c);
}

static void freeze(void)
{
    memcpy(before, arena, ARENA);
    live_before = hone_alloc_live();
    tools_forget();
}

/* A row that fails is told, and the others are still asked. */
static void fail_case(const char *what, const char *row, const char *door, int line)
{
    print_error("%s:%d: %s%s%s\n  %s\n  the last sentence: %s\n", __FILE__, line, row, door ? ", at the door of " : "",
                door ? door : "", what, hone_last_error());
    wrong++;
}

static int none_was_wrong(void **state)
{
    (void)state;
    int count = wrong;
    wrong = 0;
    return count ? -1 : 0;
}

/* For calls that must change nothing: refusals, and what is empty. */
static void expect(world *w, hone_status got, hone_status status, const char *words, const char *row, const char *door,
                   int line)
{
    char text[128];
    cases++;
    refusals += status != HONE_OK;
    if (got != status) {
        snprintf(text, sizeof text, "gave %s, not %s", hone_status_name(got), hone_status_name(status));
        fail_case(text, row, door, line);
    }
    const char *lacks = status == HONE_OK ? NULL : tools_sentence_lacks(words);
    if (lacks) {
        snprintf(text, sizeof text, "wanted: %.100s", lacks);
        fail_case(text, row, door, line);
    }
    if (memcmp(before, arena, ARENA) != 0) fail_case("memory was written", row, door, line);
    if (status != HONE_OK && hone_alloc_live() != live_before) fail_case("memory was kept", row, door, line);
    still_multiplies(w);
}

#define CASE(status, words, ...)                                                                                       \
    do {                                                                                                               \
        freeze();                                                                                                      \
        hone_status case_gave = (__VA_ARGS__);                                                                         \
        expect(w, case_gave, status, words, #__VA_ARGS__, NULL, __LINE__);                                             \
        begin(w);                                                                                                      \
    } while (0)

/* --- the world ---------------------------------------------------------------------------------------------------- */

static void make_handles(hone_context *context, void *out[DEAD])
{
    hone_device *device;
    hone_tensor  a = hone_matrix(HONE_F32, 4, 5, NULL), b = hone_matrix(HONE_F32, 5, 3, NULL);
    hone_tensor  c = hone_matrix(HONE_F32, 4, 3, NULL), packed = hone_matrix(HONE_F32, 5, 3, arena + B_AT);
    works(hone_device_find(context, "cpu:0", &device));
    out[1] = context;
    out[2] = device;
    works(hone_stream_create(device, (hone_stream **)&out[3]));
    works(hone_buffer_create(device, 4096, (hone_buffer **)&out[4]));
    works(hone_event_create(device, (hone_event **)&out[5]));
    works(hone_matmul_plan(device, &a, &b, &c, NULL, (hone_plan **)&out[6]));
    works(hone_matmul_pack(out[3], &packed, NULL, (hone_matmul_weights **)&out[7]));
}

static void end_handles(void *const handle[DEAD])
{
    works(hone_matmul_weights_destroy(handle[7]));
    works(hone_plan_destroy(handle[6]));
    works(hone_event_destroy(handle[5]));
    works(hone_buffer_destroy(handle[4]));
    works(hone_stream_destroy(handle[3]));
    works(hone_context_destroy(handle[1]));
}

static void make_world(world *w)
{
    void *others[DEAD];
    memset(w, 0, sizeof *w);
    begin(w);
    works(hone_context_create(NULL, &w->hone));
    make_handles(w->hone, w->dead);
    works(hone_matmul_weights_destroy(w->dead[7]));
    works(hone_plan_destroy(w->dead[6]));
    works(hone_event_destroy(w->dead[5]));
    works(hone_buffer_destroy(w->dead[4]));
    works(hone_stream_destroy(w->dead[3]));
    works(hone_context_destroy(w->dead[1]));
    works(hone_context_create(NULL, &w->hone));
    make_handles(w->hone, w->alive);
    w->cpu = w->alive[2];
    w->stream = w->alive[3];
    w->buffer = w->alive[4];
    w->event = w->alive[5];
    w->plan = w->alive[6];
    w->weights = w->alive[7];
    works(hone_matmul_many_plan(w->cpu, 2, &w->a, &w->b, &w->c, NULL, &w->many_plan));
    works(hone_context_create(NULL, &w->other));
    make_handles(w->other, others);
    w->other_cpu = others[2];
    w->other_stream = others[3];
    w->other_buffer = others[4];
    w->other_event = others[5];
    w->other_weights = others[7];
    works(hone_plan_destroy(others[6]));
    still_multiplies(w);
    begin(w);
}

static void end_world(world *w)
{
    void *others[DEAD] = {NULL, w->other, w->other_cpu, w->other_stream, w->other_buffer, w->other_event, NULL,
                           w->other_weights};
    works(hone_plan_destroy(w->many_plan));
    end_handles(w->alive);
    end_handles(others);
    assert_int_equal(hone_alloc_live(), 0);
}

/* --- handles ------------------------------------------------------------------------------------------------------ */

typedef struct handle_door {
    const char *name;
    int         kind; /* hone_handle_kind */
    hone_status (*call)(world *, void *);
    bool null_is_fine;
} handle_door;

static hone_status context_destroy(world *w, void *h)
{
    (void)w;
    return hone_context_destroy(h);
}

static hone_status device_count(world *w, void *h)
{
    int count = 77;
    (void)w;
    hone_status status = hone_device_count(h, &count);
    assert_int_equal(count, 0);
    return status;
}

static hone_status context_choices(world *w, void *h)
{
    uint64_t    hash = 7;
    int64_t     count = 7;
    hone_status status = hone_context_choices(h, &hash, &count);
    (void)w;
    assert_true(status == HONE_OK || (hash == 0 && count == 0));
    return status;
}

static hone_status device_at(world *w, void *h)
{
    hone_device *out = (void *)w;
    hone_status  status = hone_device_at(h, 0, &out);
    assert_null(out);
    return status;
}

static hone_status device_find(world *w, void *h)
{
    hone_device *out = (void *)w;
    hone_status  status = hone_device_find(h, "cpu:0", &out);
    assert_null(out);
    return status;
}

static hone_status device_describe(world *w, void *h)
{
    return hone_device_describe(h, &w->facts);
}

static hone_status stream_create(world *w, void *h)
{
    hone_stream *out = (void *)w;
    hone_status  status = hone_stream_create(h, &out);
    assert_null(out);
    return status;
}

static hone_status stream_destroy(world *w, void *h)
{
    (void)w;
    return hone_stream_destroy(h);
}

static hone_status stream_wait(world *w, void *h)
{
    (void)w;
    return hone_stream_wait(h);
}

static hone_status stream_reset(world *w, void *h)
{
    (void)w;
    return hone_stream_reset(h);
}

static hone_status event_create(world *w, void *h)
{
    hone_event *out = (void *)w;
    hone_status status = hone_event_create(h, &out);
    assert_null(out);
    return status;
}

static hone_status event_destroy(world *w, void *h)
{
    (void)w;
    return hone_event_destroy(h);
}

static hone_status event_record(world *w, void *h)
{
    return hone_event_record(h, w->stream);
}

static hone_status event_record_on(world *w, void *h)
{
    return hone_event_record(w->event, h);
}

static hone_status event_wait(world *w, void *h)
{
    (void)w;
    return hone_event_wait(h);
}

static hone_status stream_wait_event(world *w, void *h)
{
    return hone_stream_wait_event(h, w->event);
}

static hone_status stream_wait_event_of(world *w, void *h)
{
    return hone_stream_wait_event(w->stream, h);
}

static hone_status buffer_create(world *w, void *h)
{
    hone_buffer *out = (void *)w;
    hone_status  status = hone_buffer_create(h, 64, &out);
    assert_null(out);
    return status;
}

static void never_release(void *user)
{
    (void)user;
    fail_msg("memory that was not adopted was released");
}

static hone_status buffer_adopt(world *w, void *h)
{
    hone_buffer *out = (void *)w;
    hone_status  status = hone_buffer_adopt(h, arena, 64, never_release, w, &out);
    assert_null(out);
    return status;
}

static hone_status buffer_destroy(world *w, void *h)
{
    (void)w;
    return hone_buffer_destroy(h);
}

static hone_status buffer_size(world *w, void *h)
{
    size_t bytes = 77;
    (void)w;
    hone_status status = hone_buffer_size(h, &bytes);
    assert_int_equal(bytes, 0);
    return status;
}

static hone_status buffer_write(world *w, void *h)
{
    return hone_buffer_write(w->stream, h, 0, arena, 64);
}

static hone_status buffer_write_on(world *w, void *h)
{
    return hone_buffer_write(h, w->buffer, 0, arena, 64);
}

static hone_status buffer_read(world *w, void *h)
{
    return hone_buffer_read(w->stream, h, 0, arena, 64);
}

static hone_status buffer_read_on(world *w, void *h)
{
    return hone_buffer_read(h, w->buffer, 0, arena, 64);
}

static hone_status buffer_map(world *w, void *h)
{
    void       *out = w;
    hone_status status = hone_buffer_map(w->stream, h, &out);
    assert_null(out);
    return status;
}

static hone_status buffer_map_on(world *w, void *h)
{
    void       *out = w;
    hone_status status = hone_buffer_map(h, w->buffer, &out);
    assert_null(out);
    return status;
}

static hone_status buffer_unmap(world *w, void *h)
{
    return hone_buffer_unmap(w->stream, h);
}

static hone_status buffer_unmap_on(world *w, void *h)
{
    return hone_buffer_unmap(h, w->buffer);
}

static hone_status matmul_on(world *w, void *h)
{
    return hone_matmul(h, &w->a, &w->b, &w->c, NULL);
}

static hone_status matmul_in(world *w, void *h)
{
    if (h) w->a = hone_tensor_in(h, 0, w->a);
    if (!h) return hone_matmul(NULL, &w->a, &w->b, &w->c, NULL);
    return hone_matmul(w->stream, &w->a, &w->b, &w->c, NULL);
}

static hone_status matmul_many_on(world *w, void *h)
{
    return hone_matmul_many(h, w->count, &w->a, w->a_items, &w->b, w->b_items, &w->c, w->c_items, NULL);
}

static hone_status matmul_plan(world *w, void *h)
{
    hone_plan  *out = (void *)w;
    hone_status status = hone_matmul_plan(h, &w->a, &w->b, &w->c, NULL, &out);
    assert_null(out);
    return status;
}

static hone_status matmul_many_plan(world *w, void *h)
{
    hone_plan  *out = (void *)w;
    hone_status status = hone_matmul_many_plan(h, 2, &w->a, &w->b, &w->c, NULL, &out);
    assert_null(out);
    return status;
}

static hone_status plan_scratch(world *w, void *h)
{
    size_t bytes = 77;
    (void)w;
    hone_status status = hone_plan_scratch(h, &bytes);
    assert_int_equal(bytes, 0);
    return status;
}

static hone_status plan_run(world *w, void *h)
{
    return hone_plan_run(w->stream, h, &w->arguments);
}

static hone_status plan_run_on(world *w, void *h)
{
    return hone_plan_run(h, w->plan, &w->arguments);
}

static hone_status plan_run_in(world *w, void *h)
{
    w->operand[HONE_MATMUL_B] = (hone_operand){h, NULL, 0, 60};
    if (!h) return hone_plan_run(w->stream, NULL, &w->arguments);
    return hone_plan_run(w->stream, w->plan, &w->arguments);
}

static hone_status plan_describe(world *w, void *h)
{
    char        text[64] = "something";
    hone_status status = hone_plan_describe(h, text, sizeof text);
    (void)w;
    assert_string_equal(text, "");
    return status;
}

static hone_status plan_destroy(world *w, void *h)
{
    (void)w;
    return hone_plan_destroy(h);
}

/* The beginning of DLPack's struct; the device is looked at before the rest of it. */
struct DLManagedTensorVersioned {
    uint32_t major, minor;
    void    *manager;
};

static hone_status dlpack_import(world *w, void *h)
{
    struct DLManagedTensorVersioned managed = {1, 0, NULL};
    hone_buffer                    *buffer = (void *)w;
    hone_tensor                     out;
    hone_status                     status = hone_dlpack_import(h, &managed, &buffer, &out, NULL);
    assert_null(buffer);
    assert_int_equal(out.rank, -1);
    return status;
}

static hone_status dlpack_export(world *w, void *h)
{
    struct DLManagedTensorVersioned *out = (void *)w;
    hone_status                      status = hone_dlpack_export(h, &w->a, 0, &out);
    assert_null(out);
    return status;
}

static hone_status dlpack_export_in(world *w, void *h)
{
    struct DLManagedTensorVersioned *out = (void *)w;
    w->a = hone_tensor_in(h, 0, w->a);
    hone_status status = hone_dlpack_export(h ? w->cpu : NULL, &w->a, 0, &out);
    assert_null(out);
    return status;
}

static hone_status pack_on(world *w, void *h)
{
    hone_matmul_weights *out = (void *)w;
    hone_status          status = hone_matmul_pack(h, &w->b, NULL, &out);
    assert_null(out);
    return status;
}

static hone_status prepacked_on(world *w, void *h)
{
    return hone_matmul_prepacked(h, &w->a, w->weights, &w->c, NULL);
}

static hone_status prepacked_with(world *w, void *h)
{
    return hone_matmul_prepacked(w->stream, &w->a, h, &w->c, NULL);
}

static hone_status prepacked_plan_on(world *w, void *h)
{
    hone_plan  *out = (void *)w;
    hone_status status = hone_matmul_prepacked_plan(h, &w->a, w->weights, &w->c, NULL, &out);
    assert_null(out);
    return status;
}

static hone_status prepacked_plan_with(world *w, void *h)
{
    hone_plan  *out = (void *)w;
    hone_status status = hone_matmul_prepacked_plan(w->cpu, &w->a, h, &w->c, NULL, &out);
    assert_null(out);
    return status;
}

static hone_status unpack_on(world *w, void *h)
{
    return hone_matmul_unpack(h, w->weights, &w->b);
}

static hone_status unpack_of(world *w, void *h)
{
    return hone_matmul_unpack(w->stream, h, &w->b);
}

static hone_status weights_describe(world *w, void *h)
{
    return hone_matmul_weights_describe(h, &w->packed);
}

static hone_status weights_adopt(world *w, void *h)
{
    hone_matmul_weights *out = (void *)w;
    hone_status          status = hone_matmul_weights_adopt(h, &w->packed, &out);
    assert_null(out);
    return status;
}

static hone_status weights_adopt_in(world *w, void *h)
{
    hone_matmul_weights *out = (void *)w;
    w->packed.memory = (hone_operand){h, NULL, 0, 160};
    hone_status status = hone_matmul_weights_adopt(h ? w->cpu : NULL, &w->packed, &out);
    assert_null(out);
    return status;
}

static hone_status weights_destroy(world *w, void *h)
{
    (void)w;
    return hone_matmul_weights_destroy(h);
}

enum { CONTEXT = 1, DEVICE, STREAM, BUFFER, EVENT, PLAN, WEIGHTS };

static const char *const kind_names[DEAD] = {"", "context", "device", "stream", "buffer", "event", "plan", "weights"};

static const handle_door handle_doors[] = {
    {"context_destroy", CONTEXT, context_destroy, true},
    {"device_count", CONTEXT, device_count, false},
    {"device_at", CONTEXT, device_at, false},
    {"context_choices", CONTEXT, context_choices, false},
    {"device_find", CONTEXT, device_find, false},
    {"device_describe", DEVICE, device_describe, false},
    {"stream_create", DEVICE, stream_create, false},
    {"stream_destroy", STREAM, stream_destroy, true},
    {"stream_wait", STREAM, stream_wait, false},
    {"stream_reset", STREAM, stream_reset, false},
    {"event_create", DEVICE, event_create, false},
    {"event_destroy", EVENT, event_destroy, true},
    {"event_record", EVENT, event_record, false},
    {"event_record, stream", STREAM, event_record_on, false},
    {"event_wait", EVENT, event_wait, false},
    {"stream_wait_event", STREAM, stream_wait_event, false},
    {"stream_wait_event, event", EVENT, stream_wait_event_of, false},
    {"buffer_create", DEVICE, buffer_create, false},
    {"buffer_adopt", DEVICE, buffer_adopt, false},
    {"buffer_destroy", BUFFER, buffer_destroy, true},
    {"buffer_size", BUFFER, buffer_size, false},
    {"buffer_write", BUFFER, buffer_write, false},
    {"buffer_write, stream", STREAM, buffer_write_on, false},
    {"buffer_read", BUFFER, buffer_read, false},
    {"buffer_read, stream", STREAM, buffer_read_on, false},
    {"buffer_map", BUFFER, buffer_map, false},
    {"buffer_map, stream", STREAM, buffer_map_on, false},
    {"buffer_unmap", BUFFER, buffer_unmap, false},
    {"buffer_unmap, stream", STREAM, buffer_unmap_on, false},
    {"matmul", STREAM, matmul_on, false},
    {"matmul, a's buffer", BUFFER, matmul_in, false},
    {"matmul_many", STREAM, matmul_many_on, false},
    {"matmul_plan", DEVICE, matmul_plan, false},
    {"matmul_many_plan", DEVICE, matmul_many_plan, false},
    {"plan_scratch", PLAN, plan_scratch, false},
    {"plan_run", PLAN, plan_run, false},
    {"plan_run, stream", STREAM, plan_run_on, false},
    {"plan_run, an operand's buffer", BUFFER, plan_run_in, false},
    {"plan_describe", PLAN, plan_describe, false},
    {"plan_destroy", PLAN, plan_destroy, true},
    {"matmul_pack", STREAM, pack_on, false},
    {"matmul_prepacked", STREAM, prepacked_on, false},
    {"matmul_prepacked, weights", WEIGHTS, prepacked_with, false},
    {"matmul_prepacked_plan", DEVICE, prepacked_plan_on, false},
    {"matmul_prepacked_plan, weights", WEIGHTS, prepacked_plan_with, false},
    {"matmul_unpack", STREAM, unpack_on, false},
    {"matmul_unpack, weights", WEIGHTS, unpack_of, false},
    {"matmul_weights_describe", WEIGHTS, weights_describe, false},
    {"matmul_weights_adopt", DEVICE, weights_adopt, false},
    {"matmul_weights_adopt, buffer", BUFFER, weights_adopt_in, false},
    {"matmul_weights_destroy", WEIGHTS, weights_destroy, true},
    {"dlpack_import", DEVICE, dlpack_import, false},
    {"dlpack_export", DEVICE, dlpack_export, false},
    {"dlpack_export, the tensor's buffer", BUFFER, dlpack_export_in, false},
};

static void ask_handle(world *w, const handle_door *door, void *handle, hone_status status, const char *words,
                       const char *what)
{
    begin(w);
    freeze();
    expect(w, door->call(w, handle), status, words, what, door->name, __LINE__);
}

static void wrong_handles_are_told(void **state)
{
    world      *w = *state;
    char        words[64];
    int         on_the_stack = 0;
    void       *on_the_heap = malloc(64);
    hone_random r = hone_random_seeded(1);
    for (size_t i = 0; i < sizeof handle_doors / sizeof *handle_doors; i++) {
        const handle_door *door = &handle_doors[i];
        for (int kind = CONTEXT; kind <= WEIGHTS; kind++) {
            if (kind == door->kind) continue;
            snprintf(words, sizeof words, "%s %s, not %s %s", kind == EVENT ? "an" : "a", kind_names[kind],
                     door->kind == EVENT ? "an" : "a", kind_names[door->kind]);
            ask_handle(w, door, w->alive[kind], HONE_ERROR_HANDLE, words, "a living handle of another kind");
            snprintf(words, sizeof words, "%s that was destroyed, not a", kind_names[kind]);
            ask_handle(w, door, w->dead[kind], HONE_ERROR_HANDLE, words, "a dead handle of another kind");
        }
        snprintf(words, sizeof words, "the %s handle|was destroyed", kind_names[door->kind]);
        ask_handle(w, door, w->dead[door->kind], HONE_ERROR_HANDLE, words, "a dead handle");
        if (door->null_is_fine)
            ask_handle(w, door, NULL, HONE_OK, "", "NULL");
        else
            ask_handle(w, door, NULL, HONE_ERROR_HANDLE, "handle is NULL", "NULL");
        ask_handle(w, door, &on_the_stack, HONE_ERROR_HANDLE, "none of hone's", "a pointer to the stack");
        ask_handle(w, door, on_the_heap, HONE_ERROR_HANDLE, "none of hone's", "a pointer to the heap");
        ask_handle(w, door, (void *)(uintptr_t)1, HONE_ERROR_HANDLE, "none of hone's", "1");
        ask_handle(w, door, (void *)UINTPTR_MAX, HONE_ERROR_HANDLE, "", "all bits");
        for (int random = 0; random < 4; random++)
            ask_handle(w, door, (void *)(uintptr_t)hone_random_next(&r), HONE_ERROR_HANDLE, "", "a random number");
        for (int bit = 0; bit < 64; bit += 9)
            ask_handle(w, door, (void *)((uintptr_t)w->alive[door->kind] ^ (uintptr_t)1 << bit), HONE_ERROR_HANDLE, "",
                       "a living handle with one bit turned");
    }
    free(on_the_heap);
}

static void nothing_dies_twice(void **state)
{
    world *w = *state;
    void  *made[DEAD];
    begin(w);
    works(hone_context_create(NULL, (hone_context **)&made[1]));
    make_handles(made[1], made);
    void *kept[DEAD];
    memcpy(kept, made, sizeof kept);
    end_handles(made);
    CASE(HONE_ERROR_HANDLE, "was destroyed", hone_matmul_weights_destroy(kept[7]));
    CASE(HONE_ERROR_HANDLE, "was destroyed", hone_plan_destroy(kept[6]));
    CASE(HONE_ERROR_HANDLE, "was destroyed", hone_event_destroy(kept[5]));
    CASE(HONE_ERROR_HANDLE, "was destroyed", hone_buffer_destroy(kept[4]));
    CASE(HONE_ERROR_HANDLE, "was destroyed", hone_stream_destroy(kept[3]));
    CASE(HONE_ERROR_HANDLE, "was destroyed", hone_context_destroy(kept[1]));
    CASE(HONE_ERROR_HANDLE, "the device handle|was destroyed", hone_device_describe(kept[2], &w->facts));
}

/* --- matmul ------------------------------------------------------------------------------------------------------- */

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
            begin(w);                                                                                                  \
            __VA_ARGS__;                                                                                               \
            freeze();                                                                                                  \
            hone_status row_gave = ask_matmul(w, row_door);                                                            \
            expect(w, row_gave, status, words, #__VA_ARGS__, door_names[row_door], __LINE__);                          \
        }                                                                                                              \
    } while (0)

/* Rows that only look wrong: the call is accepted, and gives what plain loops give, bit for bit; nothing else changes.
 */
static void expect_right(world *w, const char *row, int line)
{
    cases++;
    tools_forget();
    memcpy(before, arena, ARENA);
    hone_status status = ask_matmul(w, DOOR_CALL);
    if (status != HONE_OK) fail_case("was refused", row, door_names[DOOR_CALL], line);
    works(hone_stream_wait(w->stream));
    memcpy(after, arena, ARENA);
    memcpy(arena, before, ARENA);
    tools_matmul(w->a_at, w->b_at, w->c_at, w->options_at);
    if (memcmp(after, arena, ARENA) != 0) fail_case("the result is wrong", row, door_names[DOOR_CALL], line);
    still_multiplies(w);
}

#define RIGHT(...)                                                                                                     \
    do {                                                                                                               \
        begin(w);                                                                                                      \
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
    hone_dtype  narrow[] = {HONE_F16, HONE_BF16, HONE_S64, HONE_S32, HONE_S8, HONE_U8, HONE_S4};
    const char *names[] = {"f16", "bf16", "s64", "s32", "s8", "u8", "s4"};
    ROW(EVERY, HONE_ERROR_TYPE, "matmul: a has the type 0, which is none", w->a.dtype = HONE_DTYPE_NONE);
    ROW(EVERY, HONE_ERROR_TYPE, "matmul: b has the type 10", w->b.dtype = (hone_dtype)10);
    ROW(EVERY, HONE_ERROR_TYPE, "matmul: c has the type -1", w->c.dtype = (hone_dtype)-1);
    ROW(EVERY, HONE_ERROR_TYPE, "matmul: c has the type 2147483647", w->c.dtype = (hone_dtype)2147483647);
    ROW(EVERY, HONE_ERROR_TYPE, "a is f64, b is f32 and c is f32", w->a.dtype = HONE_F64);
    ROW(EVERY, HONE_ERROR_TYPE, "a is f32, b is f64 and c is f32", w->b.dtype = HONE_F64);
    ROW(EVERY, HONE_ERROR_TYPE, "a is f32, b is f32 and c is f64", w->c.dtype = HONE_F64);
    ROW(EVERY, HONE_ERROR_TYPE, "a is f64, b is f64 and c is f32", w->a.dtype = w->b.dtype = HONE_F64);
    for (int i = 0; i < 7; i++)
        ROW(EVERY, HONE_ERROR_TYPE, names[i], w->a.dtype = w->b.dtype = w->c.dtype = narrow[i]);
    ROW(EVERY, HONE_ERROR_TYPE, "the operand of step 0 is f64, c is f32", set_step(w, 0, HONE_STEP_BIAS, &w->t[0]);
        w->t[0] = hone_vector(HONE_F64, 3, arena + T_AT));
    ROW(SINGLE, HONE_ERROR_TYPE, "the operand of step 1", set_step(w, 0, HONE_STEP_RELU, NULL);
        set_step(w, 1, HONE_STEP_RESIDUAL, &w->t[0]); w->t[0].dtype = (hone_dtype)99);
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
    ROW(EVERY, HONE_ERROR_TYPE, "f16", w->a = hone_matrix(HONE_F16, 0, 5, NULL); w->b.dtype = HONE_F16;
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
    ROW(EVERY, HONE_ERROR_ARGUMENT, "step 0 is of the kind 14", set_step(w, 0, (hone_step_kind)14, NULL));
    ROW(EVERY, HONE_ERROR_ARGUMENT, "step 0 is of the kind -1", set_step(w, 0, (hone_step_kind)-1, NULL));
    ROW(EVERY, HONE_ERROR_ARGUMENT, "step 0 is of the kind", set_step(w, 0, (hone_step_kind)0x7fffffff, NULL));
    ROW(EVERY, HONE_ERROR_ARGUMENT, "the operand of step 0 is NULL", set_step(w, 0, HONE_STEP_BIAS_ROWS, NULL));
    for (int kind = HONE_STEP_RESIDUAL; kind <= HONE_STEP_SILU_GRADIENT; kind++)
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

/* --- plans -------------------------------------------------------------------------------------------------------- */

static hone_status run(world *w)
{
    return hone_plan_run(w->stream, w->plan, &w->arguments);
}

/* Arrays of four pointers. */
static hone_status run_arrays(world *w)
{
    w->operand[HONE_MATMUL_A] = (hone_operand){NULL, (void *)(uintptr_t)w->a_array, 0, 32};
    w->operand[HONE_MATMUL_B] = (hone_operand){NULL, (void *)(uintptr_t)w->b_array, 0, 32};
    w->operand[HONE_MATMUL_C] = (hone_operand){NULL, (void *)(uintptr_t)w->c_array, 0, 32};
    return hone_plan_run(w->stream, w->many_plan, &w->arguments);
}

static void plans(void **state)
{
    world     *w = *state;
    hone_plan *plan = NULL, *foreign = NULL;
    char       text[8];
    size_t     bytes;
    begin(w);
    CASE(HONE_ERROR_ARGUMENT, "out) is NULL", hone_matmul_plan(w->cpu, &w->a, &w->b, &w->c, NULL, NULL));
    CASE(HONE_ERROR_ARGUMENT, "out) is NULL", hone_matmul_many_plan(w->cpu, 2, &w->a, &w->b, &w->c, NULL, NULL));
    CASE(HONE_ERROR_ARGUMENT, "bytes) is NULL", hone_plan_scratch(w->plan, NULL));
    CASE(HONE_ERROR_ARGUMENT, "no room for text", hone_plan_describe(w->plan, NULL, 10));
    CASE(HONE_ERROR_ARGUMENT, "no room for text", hone_plan_describe(w->plan, text, 0));
    CASE(HONE_OK, "", hone_plan_describe(w->plan, text, 1));
    assert_string_equal(text, "");
    CASE(HONE_OK, "", hone_plan_describe(w->plan, text, sizeof text));
    assert_string_equal(text, "matmul ");
    works(hone_plan_scratch(w->plan, &bytes));

    CASE(HONE_ERROR_ARGUMENT, "the arguments are NULL", hone_plan_run(w->stream, w->plan, NULL));
    CASE(HONE_ERROR_ARGUMENT, "arguments.size is 0, where", (w->arguments.size = 0, run(w)));
    CASE(HONE_ERROR_ARGUMENT, "arguments.size is", (w->arguments.size += 8, run(w)));
    CASE(HONE_ERROR_ARGUMENT, "3 operands at|the plan takes 3", (w->arguments.operands = NULL, run(w)));
    CASE(HONE_ERROR_ARGUMENT, "2 operands at|the plan takes 3", (w->arguments.operand_count = 2, run(w)));
    CASE(HONE_ERROR_ARGUMENT, "-1 operands at", (w->arguments.operand_count = -1, run(w)));
    CASE(HONE_ERROR_ARGUMENT, "2 values at|the plan takes 2", (w->arguments.values = NULL, run(w)));
    CASE(HONE_ERROR_ARGUMENT, "1 values at|the plan takes 2", (w->arguments.value_count = 1, run(w)));
    CASE(HONE_ERROR_ARGUMENT, "-2147483648 values", (w->arguments.value_count = INT32_MIN, run(w)));
    CASE(HONE_ERROR_ARGUMENT, "-1 items", (w->arguments.items = -1, run(w)));
    CASE(HONE_ERROR_ARGUMENT, "operand 0 (a) is missing", (w->operand[0] = (hone_operand){0}, run(w)));
    CASE(HONE_ERROR_ARGUMENT, "operand 1 (b) is missing", (w->operand[1].host = NULL, run(w)));
    CASE(HONE_ERROR_ARGUMENT, "operand 2 (c) is missing", (w->operand[2].host = NULL, run(w)));
    CASE(HONE_ERROR_ARGUMENT, "operand 0 (a) at|not aligned to the 4 bytes",
         (w->operand[0].host = arena + A_AT + 2, run(w)));
    CASE(HONE_ERROR_ARGUMENT, "operand 2 (c) at|not aligned", (w->operand[2].host = arena + C_AT + 1, run(w)));
    CASE(HONE_ERROR_ARGUMENT, "operand 0 (a) has 79 bytes, the plan touches 80", (w->operand[0].bytes = 79, run(w)));
    CASE(HONE_ERROR_ARGUMENT, "operand 1 (b) has 1 bytes, the plan touches 60", (w->operand[1].bytes = 1, run(w)));
    CASE(HONE_ERROR_ARGUMENT, "operand 2 (c) has 47 bytes, the plan touches 48", (w->operand[2].bytes = 47, run(w)));
    /* in buffers */
    CASE(HONE_ERROR_ARGUMENT, "go past the buffer's end, it has 4096",
         (w->operand[0] = (hone_operand){w->buffer, NULL, 4090, 80}, run(w)));
    CASE(HONE_ERROR_ARGUMENT, "go past the buffer's end",
         (w->operand[0] = (hone_operand){w->buffer, NULL, 4097, 0}, run(w)));
    CASE(HONE_ERROR_ARGUMENT, "go past the buffer's end",
         (w->operand[0] = (hone_operand){w->buffer, NULL, SIZE_MAX, 2}, run(w)));
    CASE(HONE_ERROR_ARGUMENT, "go past the buffer's end",
         (w->operand[0] = (hone_operand){w->buffer, NULL, 4, SIZE_MAX}, run(w)));
    CASE(HONE_ERROR_ARGUMENT, "operand 0 (a) has 76 bytes, the plan touches 80",
         (w->operand[0] = (hone_operand){w->buffer, NULL, 4020, 0}, run(w)));
    CASE(HONE_ERROR_ARGUMENT, "operand 0 (a) has 0 bytes, the plan touches 80",
         (w->operand[0] = (hone_operand){w->buffer, NULL, 4096, 0}, run(w)));
    CASE(HONE_ERROR_ARGUMENT, "operand 2 (c) has 0 bytes, the plan touches 48",
         (w->operand[2] = (hone_operand){w->buffer, NULL, 4096, 0}, run(w)));
    CASE(HONE_ERROR_ARGUMENT, "not aligned", (w->operand[1] = (hone_operand){w->buffer, NULL, 1022, 60}, run(w)));
    CASE(HONE_ERROR_ARGUMENT, "buffer of cpu:0 of another context",
         (w->operand[1] = (hone_operand){w->other_buffer, NULL, 0, 60}, run(w)));
    CASE(HONE_ERROR_ARGUMENT, "both host memory|and a buffer",
         (w->operand[1] = (hone_operand){w->buffer, arena, 0, 60}, run(w)));
    /* of another device */
    works(hone_matmul_plan(w->other_cpu, &w->a, &w->b, &w->c, NULL, &foreign));
    CASE(HONE_ERROR_ARGUMENT, "the plan is of cpu:0 of another context",
         hone_plan_run(w->stream, foreign, &w->arguments));
    works(hone_plan_destroy(foreign));
    /* alignment is what the plan was made for */
    works(hone_matmul_plan(w->cpu, &w->a, &w->b, &w->c, NULL, &plan));
    for (int by = 4; by < 64; by += 4)
        CASE(HONE_ERROR_ARGUMENT, "operand 1 (b) at|not aligned to the 64 bytes",
             (w->operand[1].host = arena + B_AT + by, hone_plan_run(w->stream, plan, &w->arguments)));
    works(hone_plan_destroy(plan));
    /* negative strides reach below the operand */
    w->a.stride[0] = -5;
    w->a.data = NULL;
    works(hone_matmul_plan(w->cpu, &w->a, &w->b, &w->c, NULL, &plan));
    CASE(HONE_ERROR_ARGUMENT, "operand 0 (a) at offset 56|60 bytes below",
         (w->operand[0] = (hone_operand){w->buffer, NULL, 56, 0}, hone_plan_run(w->stream, plan, &w->arguments)));
    CASE(HONE_ERROR_ARGUMENT, "operand 0 (a)|60 bytes below", (w->operand[0] = (hone_operand){w->buffer, NULL, 0, 0},
                                                              hone_plan_run(w->stream, plan, &w->arguments)));
    works(hone_plan_destroy(plan));
    /* steps */
    set_step(w, 0, HONE_STEP_RELU, NULL);
    set_step(w, 1, HONE_STEP_BIAS, &w->t[0]);
    w->t[0] = hone_vector(HONE_F32, 3, NULL);
    works(hone_matmul_plan(w->cpu, &w->a, &w->b, &w->c, &w->options, &plan));
    CASE(HONE_ERROR_ARGUMENT, "3 operands at|the plan takes 5", hone_plan_run(w->stream, plan, &w->arguments));
    CASE(HONE_ERROR_ARGUMENT, "2 values at|the plan takes 4",
         (w->arguments.operand_count = 5, hone_plan_run(w->stream, plan, &w->arguments)));
    CASE(HONE_ERROR_ARGUMENT, "operand 4 (step 1) is missing",
         (w->arguments.operand_count = 5, w->arguments.value_count = 4, hone_plan_run(w->stream, plan, &w->arguments)));
    works(hone_plan_destroy(plan));
    /* arrays of pointers */
    CASE(HONE_OK, "", (w->arguments.items = 0, run_arrays(w)));
    CASE(HONE_ERROR_ARGUMENT, "-2 items", (w->arguments.items = -2, run_arrays(w)));
    CASE(HONE_ERROR_ARGUMENT, "operand 0 (a) has 32 bytes; that is not 5 pointers",
         (w->arguments.items = 5, run_arrays(w)));
    CASE(HONE_ERROR_ARGUMENT, "operand 0 (a)|pointers", (w->arguments.items = INT64_MAX, run_arrays(w)));
    CASE(HONE_ERROR_ARGUMENT, "3 items, but the plan takes no arrays", (w->arguments.items = 3, run(w)));
    CASE(HONE_ERROR_ARGUMENT, "operand 1 (b) is missing", (w->arguments.items = 2, w->b_array = NULL, run_arrays(w)));
    CASE(HONE_ERROR_ARGUMENT, "operand 0 (a) at|not aligned as an array of pointers",
         (w->arguments.items = 1, w->a_array = (const void *const *)(const void *)(arena + 4), run_arrays(w)));
}

static hone_plan *hungry_plan(world *w, size_t *bytes)
{
    hone_plan  *plan;
    hone_tensor a = hone_matrix(HONE_F32, 300, 300, NULL);
    works(hone_matmul_plan(w->cpu, &a, &a, &a, NULL, &plan));
    works(hone_plan_scratch(plan, bytes));
    return plan;
}

static void scratch(void **state)
{
    world     *w = *state;
    size_t     bytes;
    hone_plan *plan = hungry_plan(w, &bytes);
    float     *memory = aligned_alloc(64, 3 * 360064), *room = aligned_alloc(64, (bytes + 127) / 64 * 64);
    begin(w);
    if (!bytes) {
        print_message("no kernel here wants scratch for 300x300x300\n");
        works(hone_plan_destroy(plan));
        free(memory);
        free(room);
        skip();
    }
    for (int i = 0; i < 3; i++)
        w->operand[i] = (hone_operand){NULL, (char *)memory + (size_t)i * 360064, 0, 360000};
    memset(memory, 0, 2 * 360064);
    memset((char *)memory + 2 * 360064, 0xff, 360064);
    hone_operand operand[3];
    memcpy(operand, w->operand, sizeof operand);
    const struct {
        hone_operand scratch;
        const char  *words;
    } rows[] = {
        {{0}, "0 bytes of scratch"},
        {{NULL, NULL, 0, bytes}, "bytes of scratch"},
        {{NULL, room, 0, bytes - 1}, "the plan needs"},
        {{NULL, room, 0, 0}, "0 bytes of scratch"},
        {{NULL, (char *)room + 4, 0, bytes}, "not aligned to 64 bytes"},
        {{NULL, (char *)room + 32, 0, bytes}, "not aligned to 64 bytes"},
        {{w->buffer, NULL, 0, 0}, "4096 bytes of scratch"},
        {{w->buffer, NULL, 4096, 0}, "0 bytes of scratch"},
        {{w->buffer, NULL, 5000, 0}, "go past the buffer's end"},
        {{w->other_buffer, NULL, 0, 0}, "of another context"},
        {{(hone_buffer *)w->stream, NULL, 0, 0}, "not a buffer"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        memcpy(w->operand, operand, sizeof operand);
        w->arguments.scratch = rows[i].scratch;
        hone_status status = i == 10 ? HONE_ERROR_HANDLE : HONE_ERROR_ARGUMENT;
        freeze();
        hone_status got = hone_plan_run(w->stream, plan, &w->arguments);
        expect(w, got, status, rows[i].words, "scratch", "plan_run", __LINE__);
        for (size_t at = 0; at < 360064; at++) assert_int_equal(((unsigned char *)memory)[2 * 360064 + at], 0xff);
    }
    w->arguments.scratch = (hone_operand){NULL, room, 0, bytes};
    works(hone_plan_run(w->stream, plan, &w->arguments));
    for (int i = 0; i < 90000; i++) assert_true(((float *)(void *)((char *)memory + 2 * 360064))[i] == 0);
    works(hone_plan_destroy(plan));
    free(memory);
    free(room);
}

/* --- buffers and events ------------------------------------------------------------------------------------------- */

static void buffers(void **state)
{
    world       *w = *state;
    hone_buffer *out = NULL;
    void        *address;
    begin(w);
    CASE(HONE_ERROR_ARGUMENT, "out) is NULL", hone_buffer_create(w->cpu, 64, NULL));
    CASE(HONE_ERROR_MEMORY, "18446744073709551615 bytes", hone_buffer_create(w->cpu, SIZE_MAX, &out));
    CASE(HONE_ERROR_MEMORY, "bytes", hone_buffer_create(w->cpu, (size_t)PTRDIFF_MAX + 1, &out));
    CASE(HONE_ERROR_MEMORY, "bytes", hone_buffer_create(w->cpu, SIZE_MAX - 63, &out));
    assert_null(out);
    CASE(HONE_ERROR_ARGUMENT, "out) is NULL", hone_buffer_adopt(w->cpu, arena, 64, never_release, NULL, NULL));
    CASE(HONE_ERROR_ARGUMENT, "the memory is NULL, but has 64 bytes",
         hone_buffer_adopt(w->cpu, NULL, 64, never_release, NULL, &out));
    CASE(HONE_ERROR_OVERFLOW, "more than memory can have",
         hone_buffer_adopt(w->cpu, arena, SIZE_MAX, never_release, NULL, &out));
    CASE(HONE_ERROR_ARGUMENT, "past the end of the address space",
         hone_buffer_adopt(w->cpu, (void *)(UINTPTR_MAX - 16), 64, never_release, NULL, &out));
    assert_null(out);
    CASE(HONE_ERROR_ARGUMENT, "bytes) is NULL", hone_buffer_size(w->buffer, NULL));
    CASE(HONE_ERROR_ARGUMENT, "1 bytes from offset 4096 go past the buffer's end, it has 4096",
         hone_buffer_write(w->stream, w->buffer, 4096, arena, 1));
    CASE(HONE_ERROR_ARGUMENT, "4097 bytes from offset 0", hone_buffer_write(w->stream, w->buffer, 0, arena, 4097));
    CASE(HONE_ERROR_ARGUMENT, "go past", hone_buffer_write(w->stream, w->buffer, 4097, arena, 0));
    CASE(HONE_ERROR_ARGUMENT, "go past", hone_buffer_write(w->stream, w->buffer, SIZE_MAX, arena, 2));
    CASE(HONE_ERROR_ARGUMENT, "go past", hone_buffer_write(w->stream, w->buffer, 2, arena, SIZE_MAX));
    CASE(HONE_ERROR_ARGUMENT, "host memory is NULL, but 8 bytes", hone_buffer_write(w->stream, w->buffer, 0, NULL, 8));
    CASE(HONE_ERROR_ARGUMENT, "1 bytes from offset 4096", hone_buffer_read(w->stream, w->buffer, 4096, arena, 1));
    CASE(HONE_ERROR_ARGUMENT, "4097 bytes from offset 0", hone_buffer_read(w->stream, w->buffer, 0, arena, 4097));
    CASE(HONE_ERROR_ARGUMENT, "go past", hone_buffer_read(w->stream, w->buffer, SIZE_MAX - 1, arena, 4));
    CASE(HONE_ERROR_ARGUMENT, "go past", hone_buffer_read(w->stream, w->buffer, 4, arena, SIZE_MAX - 3));
    CASE(HONE_ERROR_ARGUMENT, "host memory is NULL, but 8 bytes", hone_buffer_read(w->stream, w->buffer, 0, NULL, 8));
    CASE(HONE_OK, "", hone_buffer_write(w->stream, w->buffer, 4096, NULL, 0));
    CASE(HONE_OK, "", hone_buffer_read(w->stream, w->buffer, 0, NULL, 0));
    CASE(HONE_ERROR_ARGUMENT, "the buffer is of cpu:0 of another context",
         hone_buffer_write(w->stream, w->other_buffer, 0, arena, 8));
    CASE(HONE_ERROR_ARGUMENT, "the buffer is of cpu:0 of another context",
         hone_buffer_read(w->stream, w->other_buffer, 0, arena, 8));
    CASE(HONE_ERROR_ARGUMENT, "the buffer is of cpu:0 of another context",
         hone_buffer_map(w->stream, w->other_buffer, &address));
    CASE(HONE_ERROR_ARGUMENT, "the buffer is of cpu:0 of another context",
         hone_buffer_unmap(w->stream, w->other_buffer));
    CASE(HONE_ERROR_ARGUMENT, "out) is NULL", hone_buffer_map(w->stream, w->buffer, NULL));
    CASE(HONE_ERROR_STATE, "not mapped", hone_buffer_unmap(w->stream, w->buffer));
    works(hone_buffer_map(w->stream, w->buffer, &address));
    void *again = w;
    CASE(HONE_ERROR_STATE, "mapped already", hone_buffer_map(w->stream, w->buffer, &again));
    assert_null(again);
    works(hone_buffer_unmap(w->stream, w->buffer));
    CASE(HONE_ERROR_STATE, "not mapped", hone_buffer_unmap(w->stream, w->buffer));

    /* nothing is a legal size */
    works(hone_buffer_create(w->cpu, 0, &out));
    CASE(HONE_ERROR_ARGUMENT, "1 bytes from offset 0 go past the buffer's end, it has 0",
         hone_buffer_write(w->stream, out, 0, arena, 1));
    CASE(HONE_OK, "", hone_buffer_write(w->stream, out, 0, arena, 0));
    works(hone_buffer_destroy(out));
    works(hone_buffer_adopt(w->cpu, NULL, 0, NULL, NULL, &out));
    CASE(HONE_ERROR_ARGUMENT, "go past", hone_buffer_read(w->stream, out, 0, arena, 1));
    works(hone_buffer_destroy(out));
}

static hone_status pack(world *w)
{
    hone_matmul_weights *out = (void *)w;
    hone_status          status = hone_matmul_pack(w->stream, w->b_at, &w->packing, &out);
    if (status == HONE_OK) works(hone_matmul_weights_destroy(out));
    if (status != HONE_OK) assert_null(out);
    return status;
}

static hone_status prepacked(world *w)
{
    hone_plan  *plan = (void *)w;
    hone_status status =
        hone_matmul_prepacked(w->stream, w->a_at, w->weights, (hone_tensor *)(uintptr_t)w->c_at, w->options_at);
    if (status == HONE_ERROR_OVERLAP) return status; /* what rests on memory is asked of calls alone */
    assert_int_equal(
        hone_matmul_prepacked_plan(w->cpu, w->a_at, w->weights, w->c_at, w->options_at, &plan), status);
    assert_null(plan);
    return status;
}

static hone_status adopt(world *w)
{
    return weights_adopt(w, w->cpu);
}

static void weights(void **state)
{
    world                    *w = *state;
    hone_matmul_weights      *out = NULL;
    hone_matmul_weights_facts facts = {.size = sizeof facts};
    float                    *inside;
    begin(w);
    /* packing */
    CASE(HONE_ERROR_ARGUMENT, "out) is NULL", hone_matmul_pack(w->stream, &w->b, NULL, NULL));
    CASE(HONE_ERROR_ARGUMENT, "b is NULL", (w->b_at = NULL, pack(w)));
    CASE(HONE_ERROR_ARGUMENT, "options.size is 0, where", (w->packing.size = 0, pack(w)));
    CASE(HONE_ERROR_ARGUMENT, "options.m_typical is -1", (w->packing.m_typical = -1, pack(w)));
    CASE(HONE_ERROR_OVERFLOW, "63 bits", (w->packing.m_typical = INT64_MAX, pack(w)));
    CASE(HONE_ERROR_ARGUMENT, "the layout of b has no name", (w->packing.layout = "", pack(w)));
    CASE(HONE_ERROR_ARGUMENT, "'m32' is no layout", (w->packing.layout = "m32", pack(w)));
    CASE(HONE_ERROR_ARGUMENT, "longer than the 31 bytes",
         (w->packing.layout = "n0123456789012345678901234567890123", pack(w)));
    CASE(HONE_ERROR_UNSUPPORTED, "no kernel offers the layout 'nobody:x'", (w->packing.layout = "nobody:x", pack(w)));
    CASE(HONE_OK, "", pack(w));
    CASE(HONE_OK, "", (w->packing.layout = "n3", pack(w)));
    CASE(HONE_ERROR_SHAPE, "b has rank 1", (w->b = hone_vector(HONE_F32, 5, arena + B_AT), pack(w)));
    CASE(HONE_ERROR_SHAPE, "b has rank -1", (w->b.rank = -1, pack(w)));
    CASE(HONE_ERROR_TYPE, "b is s8; it should be f32 or f64", (w->b.dtype = HONE_S8, pack(w)));
    CASE(HONE_ERROR_TYPE, "b has the type 99", (w->b.dtype = (hone_dtype)99, pack(w)));
    CASE(HONE_ERROR_ARGUMENT, "b has 15 elements, but no memory", (w->b.data = NULL, pack(w)));
    CASE(HONE_ERROR_ARGUMENT, "not aligned to its 4-byte", (w->b.data = arena + B_AT + 1, pack(w)));
    CASE(HONE_ERROR_SHAPE, "extent 1 is -3", (w->b.shape[1] = -3, pack(w)));
    CASE(HONE_ERROR_OVERFLOW, "63 bits", (w->b.shape[0] = w->b.shape[1] = (int64_t)1 << 32, pack(w)));
    CASE(HONE_ERROR_OVERFLOW, "1048576 matrices|do not fit 63 bits",
         (w->b = (hone_tensor){arena + B_AT, NULL, 0, HONE_F32, 3, {1 << 20, (int64_t)1 << 40, 1}, {0}}, pack(w)));
    CASE(HONE_ERROR_OVERFLOW, "63 bits",
         (w->b.shape[0] = (int64_t)1 << 58, w->b.stride[0] = 0, w->packing.layout = "n32", pack(w)));
    CASE(HONE_ERROR_ARGUMENT, "b is in a buffer of cpu:0 of another context",
         (w->b = hone_tensor_in(w->other_buffer, 0, w->b), pack(w)));
    CASE(HONE_OK, "", (w->b.shape[0] = 0, pack(w)));
    CASE(HONE_OK, "", (w->b.shape[1] = 0, pack(w)));
    CASE(HONE_OK, "", (w->b.stride[0] = w->b.stride[1] = 0, pack(w)));
    /* products */
    CASE(HONE_ERROR_ARGUMENT, "out) is NULL",
         hone_matmul_prepacked_plan(w->cpu, &w->a, w->weights, &w->c, NULL, NULL));
    CASE(HONE_ERROR_ARGUMENT, "a is NULL", (w->a_at = NULL, prepacked(w)));
    CASE(HONE_ERROR_ARGUMENT, "c is NULL", (w->c_at = NULL, prepacked(w)));
    CASE(HONE_ERROR_ARGUMENT, "options.size is 0", (w->options.size = 0, prepacked(w)));
    CASE(HONE_ERROR_SHAPE, "a has 4 columns, b has 5 rows", (w->a.shape[1] = 4, prepacked(w)));
    CASE(HONE_ERROR_SHAPE, "c has 2 columns, b has 3", (w->c.shape[1] = 2, prepacked(w)));
    CASE(HONE_ERROR_TYPE, "f64", (w->a.dtype = w->c.dtype = HONE_F64, prepacked(w)));
    CASE(HONE_ERROR_OVERLAP, "shares memory with a", (w->c.data = w->a.data, prepacked(w)));
    CASE(HONE_ERROR_ARGUMENT, "the weights are of cpu:0 of another context, the call is for cpu:0",
         hone_matmul_prepacked(w->stream, &w->a, w->other_weights, &w->c, NULL));
    works(hone_matmul_weights_describe(w->weights, &facts));
    works(hone_buffer_map(w->stream, facts.memory.buffer, (void **)&inside));
    CASE(HONE_ERROR_OVERLAP, "c at|shares memory with b", (w->c.data = inside, prepacked(w)));
    CASE(HONE_ERROR_OVERLAP, "c at|shares memory with b", (w->c.data = inside + 1, prepacked(w)));
    /* unpacking */
    CASE(HONE_ERROR_OVERLAP, "b at|shares memory with the weights",
         (w->b.data = inside, hone_matmul_unpack(w->stream, w->weights, &w->b)));
    works(hone_buffer_unmap(w->stream, facts.memory.buffer));
    CASE(HONE_ERROR_ARGUMENT, "b is NULL", hone_matmul_unpack(w->stream, w->weights, NULL));
    CASE(HONE_ERROR_TYPE, "b is f64, the weights are f32",
         (w->b.dtype = HONE_F64, hone_matmul_unpack(w->stream, w->weights, &w->b)));
    CASE(HONE_ERROR_SHAPE, "extent 0 of b is 4, of what was packed 5",
         (w->b.shape[0] = 4, hone_matmul_unpack(w->stream, w->weights, &w->b)));
    CASE(HONE_ERROR_SHAPE, "b has rank 3, what was packed had 2",
         (w->b.rank = 3, w->b.shape[2] = w->b.stride[2] = 1, hone_matmul_unpack(w->stream, w->weights, &w->b)));
    CASE(HONE_ERROR_OVERLAP, "two elements at one place",
         (w->b.stride[0] = 0, hone_matmul_unpack(w->stream, w->weights, &w->b)));
    CASE(HONE_ERROR_ARGUMENT, "b has 15 elements, but no memory",
         (w->b.data = NULL, hone_matmul_unpack(w->stream, w->weights, &w->b)));
    CASE(HONE_ERROR_ARGUMENT, "the weights are of cpu:0 of another context",
         hone_matmul_unpack(w->stream, w->other_weights, &w->b));
    /* told and adopted */
    CASE(HONE_ERROR_ARGUMENT, "facts) is NULL", hone_matmul_weights_describe(w->weights, NULL));
    CASE(HONE_ERROR_ARGUMENT, "facts.size is 8", (w->packed.size = 8, weights_describe(w, w->weights)));
    CASE(HONE_ERROR_ARGUMENT, "out) is NULL", hone_matmul_weights_adopt(w->cpu, &w->packed, NULL));
    CASE(HONE_ERROR_ARGUMENT, "facts are NULL", hone_matmul_weights_adopt(w->cpu, NULL, &out));
    CASE(HONE_ERROR_ARGUMENT, "facts.size is 0", (w->packed.size = 0, adopt(w)));
    CASE(HONE_ERROR_ARGUMENT, "not ended by a zero", (memset(w->packed.layout, 'n', 32), adopt(w)));
    CASE(HONE_ERROR_ARGUMENT, "'k8' is no layout", (w->packed.layout[0] = 'k', adopt(w)));
    CASE(HONE_ERROR_ARGUMENT, "has no name", (w->packed.layout[0] = w->packed.layout[1] = 0, adopt(w)));
    CASE(HONE_ERROR_TYPE, "the type is s8", (w->packed.dtype = HONE_S8, adopt(w)));
    CASE(HONE_ERROR_TYPE, "the type 0", (w->packed.dtype = HONE_DTYPE_NONE, adopt(w)));
    CASE(HONE_ERROR_SHAPE, "rank is 1", (w->packed.rank = 1, adopt(w)));
    CASE(HONE_ERROR_SHAPE, "rank 9", (w->packed.rank = 9, adopt(w)));
    CASE(HONE_ERROR_SHAPE, "extent 0 is -5", (w->packed.shape[0] = -5, adopt(w)));
    CASE(HONE_ERROR_OVERFLOW, "63 bits", (w->packed.shape[0] = w->packed.shape[1] = (int64_t)1 << 31, adopt(w)));
    CASE(HONE_ERROR_ARGUMENT, "memory.bytes is 159|take 160", (w->packed.memory.bytes = 159, adopt(w)));
    CASE(HONE_ERROR_ARGUMENT, "memory.bytes is 0|take 160", (w->packed.memory.bytes = 0, adopt(w)));
    CASE(HONE_ERROR_ARGUMENT, "160 bytes, but no memory", (w->packed.memory.host = NULL, adopt(w)));
    CASE(HONE_ERROR_ARGUMENT, "offset is 4 without a buffer", (w->packed.memory.offset = 4, adopt(w)));
    CASE(HONE_ERROR_ARGUMENT, "not aligned to its 4-byte", (w->packed.memory.host = arena + B_AT + 2, adopt(w)));
    CASE(HONE_ERROR_ARGUMENT, "both host memory|and a buffer", (w->packed.memory.buffer = w->buffer, adopt(w)));
    CASE(HONE_ERROR_ARGUMENT, "go past the buffer's end, it has 4096",
         (w->packed.memory = (hone_operand){w->buffer, NULL, 3940, 160}, adopt(w)));
    CASE(HONE_ERROR_ARGUMENT, "the buffer is of cpu:0 of another context",
         (w->packed.memory = (hone_operand){w->other_buffer, NULL, 0, 160}, adopt(w)));
    /* a layout that nobody here reads is told by the product */
    memcpy(w->packed.layout, "nobody:x", 9);
    works(hone_matmul_weights_adopt(w->cpu, &w->packed, &out));
    CASE(HONE_ERROR_UNSUPPORTED, "nothing on cpu:0 takes|b=nobody:x",
         hone_matmul_prepacked(w->stream, &w->a, out, &w->c, NULL));
    CASE(HONE_ERROR_UNSUPPORTED, "nothing on cpu:0 takes|b=nobody:x",
         (w->b.data = arena + C_AT, hone_matmul_unpack(w->stream, out, &w->b)));
    works(hone_matmul_weights_destroy(out));
}

static void dlpack(void **state)
{
    world                           *w = *state;
    struct DLManagedTensorVersioned  managed = {2, 7, NULL}, *out = NULL;
    hone_buffer                     *buffer = NULL;
    hone_tensor                      tensor;
    begin(w);
    CASE(HONE_ERROR_ARGUMENT, "DLPack tensor is NULL", hone_dlpack_import(w->cpu, NULL, &buffer, &tensor, NULL));
    CASE(HONE_ERROR_ARGUMENT, "the buffer or the tensor is NULL",
         hone_dlpack_import(w->cpu, &managed, NULL, &tensor, NULL));
    CASE(HONE_ERROR_ARGUMENT, "the buffer or the tensor is NULL",
         hone_dlpack_import(w->cpu, &managed, &buffer, NULL, NULL));
    CASE(HONE_ERROR_FORMAT, "DLPack 2.7", hone_dlpack_import(w->cpu, &managed, &buffer, &tensor, NULL));
    CASE(HONE_ERROR_ARGUMENT, "out) is NULL", hone_dlpack_export(w->cpu, &w->a, 0, NULL));
    CASE(HONE_ERROR_ARGUMENT, "the tensor is NULL", hone_dlpack_export(w->cpu, NULL, 0, &out));
    CASE(HONE_ERROR_ARGUMENT, "20 elements, but no memory",
         (w->a.data = NULL, hone_dlpack_export(w->cpu, &w->a, 0, &out)));
    CASE(HONE_ERROR_SHAPE, "rank -1", (w->a.rank = -1, hone_dlpack_export(w->cpu, &w->a, 0, &out)));
    CASE(HONE_ERROR_SHAPE, "extent 0 is -4", (w->a.shape[0] = -4, hone_dlpack_export(w->cpu, &w->a, 0, &out)));
    CASE(HONE_ERROR_TYPE, "the type 99", (w->a.dtype = (hone_dtype)99, hone_dlpack_export(w->cpu, &w->a, 0, &out)));
    CASE(HONE_ERROR_TYPE, "s4", (w->a.dtype = HONE_S4, hone_dlpack_export(w->cpu, &w->a, 0, &out)));
    CASE(HONE_ERROR_ARGUMENT, "of another context",
         (w->a = hone_tensor_in(w->other_buffer, 0, w->a), hone_dlpack_export(w->cpu, &w->a, 0, &out)));
    assert_null(out);
}

static void streams_and_events(void **state)
{
    world *w = *state;
    begin(w);
    CASE(HONE_ERROR_ARGUMENT, "out) is NULL", hone_stream_create(w->cpu, NULL));
    CASE(HONE_ERROR_ARGUMENT, "out) is NULL", hone_event_create(w->cpu, NULL));
    CASE(HONE_ERROR_ARGUMENT, "the event is of cpu:0 of another context", hone_event_record(w->other_event, w->stream));
    CASE(HONE_ERROR_ARGUMENT, "the event is of cpu:0 of another context", hone_event_record(w->event, w->other_stream));
    CASE(HONE_OK, "", hone_stream_wait_event(w->stream, w->other_event)); /* never recorded */
    CASE(HONE_OK, "", hone_event_wait(w->event));
    CASE(HONE_OK, "", hone_event_record(w->event, w->stream));
    CASE(HONE_OK, "", hone_event_record(w->event, w->stream));
    CASE(HONE_OK, "", hone_event_wait(w->event));
    CASE(HONE_OK, "", hone_stream_wait_event(w->other_stream, w->event));
    CASE(HONE_OK, "", hone_stream_reset(w->stream));
    CASE(HONE_OK, "", hone_stream_wait(w->stream));
}

/* --- contexts and devices ----------------------------------------------------------------------------------------- */

static void run_inline(void *user, int chunks, void (*work)(void *argument, int chunk), void *argument)
{
    (void)user;
    for (int i = 0; i < chunks; i++) work(argument, i);
}

static void *allocate_nothing(void *user, size_t bytes, size_t alignment)
{
    (void)user;
    (void)bytes;
    (void)alignment;
    return NULL;
}

static hone_status create_with(world *w, const char *variable, const char *value)
{
    hone_context *out = (void *)w;
    if (variable) setenv(variable, value, 1);
    hone_status status = hone_context_create(&w->context_options, &out);
    if (variable) unsetenv(variable);
    if (status != HONE_OK) assert_null(out);
    if (status == HONE_OK) works(hone_context_destroy(out));
    return status;
}

static hone_status create(world *w)
{
    return create_with(w, NULL, NULL);
}

static hone_status create_with_threads(world *w, int count, bool run_is_there)
{
    w->threads = (hone_threads){NULL, count, run_is_there ? run_inline : NULL};
    w->context_options.threads = &w->threads;
    return create(w);
}

static void contexts(void **state)
{
    world         *w = *state;
    hone_allocator allocator = {NULL, allocate_nothing, NULL};
    begin(w);
    CASE(HONE_ERROR_ARGUMENT, "out) is NULL", hone_context_create(NULL, NULL));
    CASE(HONE_ERROR_ARGUMENT, "options.size is 0", (w->context_options.size = 0, create(w)));
    CASE(HONE_ERROR_ARGUMENT, "options.size is 8", (w->context_options.size = 8, create(w)));
    CASE(HONE_ERROR_ARGUMENT, "options.size is", (w->context_options.size -= 3, create(w)));
    CASE(HONE_ERROR_ARGUMENT, "older than the header", (w->context_options.size += 8, create(w)));
    CASE(HONE_ERROR_ARGUMENT, "options.size is 18446744073709551608",
         (w->context_options.size = SIZE_MAX - 7, create(w)));
    CASE(HONE_OK, "", (w->context_options.size = offsetof(hone_context_options, log), create(w)));
    CASE(HONE_ERROR_ARGUMENT, "threads.run is NULL", create_with_threads(w, 2, false));
    CASE(HONE_ERROR_ARGUMENT, "threads.count is 0; it may be 1 .. 4096", create_with_threads(w, 0, true));
    CASE(HONE_ERROR_ARGUMENT, "threads.count is -1", create_with_threads(w, -1, true));
    CASE(HONE_ERROR_ARGUMENT, "threads.count is 4097", create_with_threads(w, 4097, true));
    CASE(HONE_ERROR_ARGUMENT, "threads.count is 2147483647", create_with_threads(w, INT32_MAX, true));
    CASE(HONE_OK, "", create_with_threads(w, 4096, true));
    CASE(HONE_ERROR_ARGUMENT, "log_level is 5", (w->context_options.log_level = (hone_log_level)5, create(w)));
    CASE(HONE_ERROR_ARGUMENT, "log_level is -1", (w->context_options.log_level = (hone_log_level)-1, create(w)));
    CASE(HONE_OK, "", (w->context_options.size = offsetof(hone_context_options, thread_count), create(w)));
    CASE(HONE_ERROR_ARGUMENT, "thread_count is -1; it may be 1 .. 4096, or 0",
         (w->context_options.thread_count = -1, create(w)));
    CASE(HONE_ERROR_ARGUMENT, "thread_count is 4097", (w->context_options.thread_count = 4097, create(w)));
    CASE(HONE_ERROR_ARGUMENT, "thread_count is 2, but threads were given",
         (w->context_options.thread_count = 2, create_with_threads(w, 2, true)));
    CASE(HONE_OK, "", (w->context_options.thread_count = 4096, create(w)));
    CASE(HONE_OK, "", (w->context_options.bind_threads = 1, create(w)));
    CASE(HONE_ERROR_ARGUMENT, "HONE_THREADS is '0'; it may be 1 .. 4096", create_with(w, "HONE_THREADS", "0"));
    CASE(HONE_ERROR_ARGUMENT, "HONE_THREADS is '4097'", create_with(w, "HONE_THREADS", "4097"));
    CASE(HONE_ERROR_ARGUMENT, "HONE_THREADS is '-1'", create_with(w, "HONE_THREADS", "-1"));
    CASE(HONE_ERROR_ARGUMENT, "HONE_THREADS is '2 '", create_with(w, "HONE_THREADS", "2 "));
    CASE(HONE_ERROR_ARGUMENT, "HONE_THREADS is '99999999999999999999'",
         create_with(w, "HONE_THREADS", "99999999999999999999"));
    CASE(HONE_OK, "", create_with(w, "HONE_THREADS", "3"));
    CASE(HONE_OK, "", create_with(w, "HONE_THREADS", ""));
    CASE(HONE_ERROR_ARGUMENT, "HONE_BIND is 'yes'; it may be 0 or 1", create_with(w, "HONE_BIND", "yes"));
    CASE(HONE_OK, "", create_with(w, "HONE_BIND", "0"));
    CASE(HONE_ERROR_ARGUMENT, "HONE_ISA is 'avx1024'; it may be portable, avx2 or avx512",
         create_with(w, "HONE_ISA", "avx1024"));
    CASE(HONE_ERROR_ARGUMENT, "HONE_ISA is ' avx2'", create_with(w, "HONE_ISA", " avx2"));
    CASE(HONE_ERROR_ARGUMENT, "HONE_ISA is 'AVX2x'", create_with(w, "HONE_ISA", "AVX2x"));
    CASE(HONE_ERROR_ARGUMENT, "HONE_ISA is 'avx'", create_with(w, "HONE_ISA", "avx"));
    CASE(HONE_OK, "", create_with(w, "HONE_ISA", ""));
    CASE(HONE_OK, "", create_with(w, "HONE_ISA", "portable"));
    CASE(HONE_ERROR_ARGUMENT, "HONE_LOG is 'loud'; it may be error, warning, info or select",
         create_with(w, "HONE_LOG", "loud"));
    CASE(HONE_ERROR_ARGUMENT, "HONE_LOG is", create_with(w, "HONE_LOG", "errors"));
    CASE(HONE_OK, "", create_with(w, "HONE_PROFILE_PATH", "/nowhere/at:all"));
    CASE(HONE_OK, "", (w->context_options.size = offsetof(hone_context_options, tune), create(w)));
    CASE(HONE_ERROR_ARGUMENT, "tune is 5; it may be HONE_TUNE_OFF .. HONE_TUNE_PINNED (1 .. 4), or 0",
         (w->context_options.tune = (hone_tune_mode)5, create(w)));
    CASE(HONE_ERROR_ARGUMENT, "tune is -1", (w->context_options.tune = (hone_tune_mode)-1, create(w)));
    CASE(HONE_ERROR_ARGUMENT, "pinned|deterministic|choose one",
         (w->context_options.tune = HONE_TUNE_PINNED, w->context_options.deterministic = 1, create(w)));
    CASE(HONE_ERROR_ARGUMENT, "tune_seconds is -1; it may be more than 0 and up to 86400",
         (w->context_options.tune_seconds = -1, create(w)));
    CASE(HONE_ERROR_ARGUMENT, "tune_seconds is", (w->context_options.tune_seconds = NAN, create(w)));
    CASE(HONE_ERROR_ARGUMENT, "tune_seconds is 1e+06", (w->context_options.tune_seconds = 1e6, create(w)));
    CASE(HONE_OK, "", (w->context_options.tune = HONE_TUNE_MISSING, create(w)));
    CASE(HONE_ERROR_ARGUMENT, "HONE_TUNE is 'on'; it may be off, read, missing or pinned",
         create_with(w, "HONE_TUNE", "on"));
    CASE(HONE_ERROR_ARGUMENT, "HONE_TUNE is 'OFF'", create_with(w, "HONE_TUNE", "OFF"));
    CASE(HONE_OK, "", create_with(w, "HONE_TUNE", "pinned"));
    CASE(HONE_ERROR_ARGUMENT, "HONE_TUNE is pinned|deterministic",
         (w->context_options.deterministic = 1, create_with(w, "HONE_TUNE", "pinned")));
    CASE(HONE_ERROR_ARGUMENT, "HONE_TUNE_SECONDS is '0'; it may be more than 0",
         create_with(w, "HONE_TUNE_SECONDS", "0"));
    CASE(HONE_ERROR_ARGUMENT, "HONE_TUNE_SECONDS is '2s'", create_with(w, "HONE_TUNE_SECONDS", "2s"));
    CASE(HONE_ERROR_ARGUMENT, "HONE_TUNE_SECONDS is 'inf'", create_with(w, "HONE_TUNE_SECONDS", "inf"));
    CASE(HONE_ERROR_ARGUMENT, "HONE_TUNE_SECONDS is '1e300'", create_with(w, "HONE_TUNE_SECONDS", "1e300"));
    CASE(HONE_OK, "", create_with(w, "HONE_TUNE_SECONDS", "0.5"));
    uint64_t hash;
    CASE(HONE_ERROR_ARGUMENT, "hash) is NULL", hone_context_choices(w->hone, NULL, NULL));
    CASE(HONE_OK, "", hone_context_choices(w->hone, &hash, NULL));

    CASE(HONE_ERROR_STATE, "blocks of the present allocator are in use", hone_allocator_set(NULL));
    CASE(HONE_ERROR_STATE, "blocks of the present allocator are in use", hone_allocator_set(&allocator));

    hone_device *device = (void *)w;
    CASE(HONE_ERROR_ARGUMENT, "out) is NULL", hone_device_count(w->hone, NULL));
    CASE(HONE_ERROR_ARGUMENT, "out) is NULL", hone_device_at(w->hone, 0, NULL));
    CASE(HONE_ERROR_ARGUMENT, "no device 1; the context has 1", hone_device_at(w->hone, 1, &device));
    assert_null(device);
    CASE(HONE_ERROR_ARGUMENT, "no device -1", hone_device_at(w->hone, -1, &device));
    CASE(HONE_ERROR_ARGUMENT, "no device 2147483647", hone_device_at(w->hone, INT32_MAX, &device));
    CASE(HONE_ERROR_ARGUMENT, "no device -2147483648", hone_device_at(w->hone, INT32_MIN, &device));
    CASE(HONE_ERROR_ARGUMENT, "out) is NULL", hone_device_find(w->hone, "cpu:0", NULL));
    CASE(HONE_ERROR_ARGUMENT, "the name is NULL", hone_device_find(w->hone, NULL, &device));
    device = (void *)w;
    CASE(HONE_ERROR_NOT_FOUND, "no device 'gpu:0'; there are cpu:0, and 'best'",
         hone_device_find(w->hone, "gpu:0", &device));
    assert_null(device);
    CASE(HONE_ERROR_NOT_FOUND, "no device ''", hone_device_find(w->hone, "", &device));
    CASE(HONE_ERROR_NOT_FOUND, "no device 'cpu'", hone_device_find(w->hone, "cpu", &device));
    CASE(HONE_ERROR_NOT_FOUND, "no device 'CPU:0'", hone_device_find(w->hone, "CPU:0", &device));
    CASE(HONE_ERROR_NOT_FOUND, "no device 'cpu:00'", hone_device_find(w->hone, "cpu:00", &device));
    char *long_name = calloc(1, 100001);
    memset(long_name, 'c', 100000);
    CASE(HONE_ERROR_NOT_FOUND, "no device 'cccc", hone_device_find(w->hone, long_name, &device));
    free(long_name);
    CASE(HONE_ERROR_NOT_FOUND, "no device '", hone_device_find(w->hone, "%s%n%p", &device));
    CASE(HONE_ERROR_ARGUMENT, "facts) is NULL", hone_device_describe(w->cpu, NULL));
    CASE(HONE_ERROR_ARGUMENT, "facts->size is 0", (w->facts.size = 0, hone_device_describe(w->cpu, &w->facts)));
    CASE(HONE_ERROR_ARGUMENT, "facts->size is 7", (w->facts.size = 7, hone_device_describe(w->cpu, &w->facts)));
    CASE(HONE_ERROR_ARGUMENT, "facts->size is 18446744073709551615",
         (w->facts.size = SIZE_MAX, hone_device_describe(w->cpu, &w->facts)));
    /* an older caller's smaller struct is filled as far as it goes */
    hone_device_facts facts;
    memset(&facts, 0x55, sizeof facts);
    facts.size = offsetof(hone_device_facts, label);
    works(hone_device_describe(w->cpu, &facts));
    assert_string_equal(facts.name, "cpu:0");
    for (size_t at = offsetof(hone_device_facts, label); at < sizeof facts; at++)
        assert_int_equal(((unsigned char *)&facts)[at], 0x55);
}

static void the_allocator(void **state)
{
    hone_allocator allocator = {NULL, allocate_nothing, NULL};
    (void)state;
    refused(hone_allocator_set(&allocator), HONE_ERROR_ARGUMENT, "both allocate and release");
    allocator = (hone_allocator){NULL, NULL, NULL};
    refused(hone_allocator_set(&allocator), HONE_ERROR_ARGUMENT, "both allocate and release");
    works(hone_allocator_set(NULL));
    cases += 3;
    refusals += 2;
}

static void names_of_what_is_not(void **state)
{
    const int numbers[] = {-1, 18, 1000000, INT32_MIN, INT32_MAX};
    (void)state;
    for (int i = 0; i < 5; i++) {
        assert_string_equal(hone_dtype_name((hone_dtype)numbers[i]), "?");
        assert_int_equal(hone_dtype_bits((hone_dtype)numbers[i]), 0);
        assert_string_equal(hone_status_name((hone_status)numbers[i]), "?");
        assert_non_null(strstr(hone_status_text((hone_status)numbers[i]), "no status"));
        cases += 4;
    }
    int64_t     shape[] = {-1, 5};
    hone_tensor t = hone_transposed((hone_tensor){.rank = 99});
    assert_int_equal(t.rank, 99);
    t = hone_transposed((hone_tensor){.rank = -5});
    assert_int_equal(t.rank, -5);
    assert_int_equal(hone_tensor_dense(HONE_F32, HONE_RANK_MAX + 1, shape, NULL).rank, -1);
    assert_int_equal(hone_tensor_dense(HONE_F32, INT32_MIN, shape, NULL).rank, -1);
    assert_int_equal(hone_tensor_dense(HONE_F32, 1, NULL, NULL).rank, -1);
    assert_int_equal(hone_tensor_dense(HONE_F32, 0, NULL, NULL).rank, 0);
    assert_int_equal(hone_tensor_dense(HONE_F32, 2, shape, NULL).shape[0], -1);
    int64_t huge[] = {(int64_t)1 << 40, (int64_t)1 << 40, 1};
    assert_int_equal(hone_tensor_dense(HONE_F32, 3, huge, NULL).rank, -1);
    cases += 8;
}

static int set_up(void **state)
{
    static world it;
    make_world(&it);
    *state = &it;
    return 0;
}

static int tear_down(void **state)
{
    world *w = *state;
    end_world(w);
    print_message("%d misuse cases, %d of them refused\n", cases, refusals);
    return cases >= 300 ? 0 : 1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(wrong_handles_are_told, none_was_wrong),
        cmocka_unit_test_teardown(nothing_dies_twice, none_was_wrong),
        cmocka_unit_test_teardown(matmul_without_operands, none_was_wrong),
        cmocka_unit_test_teardown(matmul_types, none_was_wrong),
        cmocka_unit_test_teardown(matmul_shapes, none_was_wrong),
        cmocka_unit_test_teardown(matmul_ranks, none_was_wrong),
        cmocka_unit_test_teardown(matmul_sizes, none_was_wrong),
        cmocka_unit_test_teardown(matmul_alignment, none_was_wrong),
        cmocka_unit_test_teardown(matmul_zero_sizes, none_was_wrong),
        cmocka_unit_test_teardown(matmul_overlap, none_was_wrong),
        cmocka_unit_test_teardown(matmul_step_overlap, none_was_wrong),
        cmocka_unit_test_teardown(matmul_options_and_steps, none_was_wrong),
        cmocka_unit_test_teardown(plans, none_was_wrong),
        cmocka_unit_test_teardown(scratch, none_was_wrong),
        cmocka_unit_test_teardown(buffers, none_was_wrong),
        cmocka_unit_test_teardown(weights, none_was_wrong),
        cmocka_unit_test_teardown(dlpack, none_was_wrong),
        cmocka_unit_test_teardown(streams_and_events, none_was_wrong),
        cmocka_unit_test_teardown(contexts, none_was_wrong),
        cmocka_unit_test_teardown(names_of_what_is_not, none_was_wrong),
    };
    const struct CMUnitTest nothing_lives[] = {cmocka_unit_test_teardown(the_allocator, none_was_wrong)};
    int                     failed = cmocka_run_group_tests(nothing_lives, NULL, NULL);
    return failed + cmocka_run_group_tests(tests, set_up, tear_down);
}
