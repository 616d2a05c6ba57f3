/* Misuse of every public function but matmul's own doors (test_misuse_matmul.c). */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/random.h"
#include "tests/runtime/misuse.h"

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

static hone_status matmul_grouped_on(world *w, void *h)
{
    hone_tensor b = w->b, offsets = hone_vector(HONE_S32, 2, arena + T_AT);
    b.rank = 3, b.shape[0] = 1, b.stride[0] = 0;
    for (int d = 0; d < 2; d++) b.shape[d + 1] = w->b.shape[d], b.stride[d + 1] = w->b.stride[d];
    return hone_matmul_grouped(h, &w->a, &b, &offsets, &w->c, NULL);
}

static hone_status matmul_grouped_plan(world *w, void *h)
{
    hone_plan  *out = (void *)w;
    hone_tensor b = w->b, offsets = hone_vector(HONE_S32, 2, arena + T_AT);
    b.rank = 3, b.shape[0] = 1, b.stride[0] = 0;
    for (int d = 0; d < 2; d++) b.shape[d + 1] = w->b.shape[d], b.stride[d + 1] = w->b.stride[d];
    hone_status status = hone_matmul_grouped_plan(h, &w->a, &b, &offsets, &w->c, NULL, &out);
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
    {"matmul_grouped", STREAM, matmul_grouped_on, false},
    {"matmul_grouped_plan", DEVICE, matmul_grouped_plan, false},
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
    misuse_begin(w);
    misuse_freeze();
    misuse_expect(w, door->call(w, handle), status, words, what, door->name, __FILE__, __LINE__);
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
    misuse_begin(w);
    works(hone_context_create(NULL, (hone_context **)&made[1]));
    misuse_handles_make(made[1], made);
    void *kept[DEAD];
    memcpy(kept, made, sizeof kept);
    misuse_handles_end(made);
    CASE(HONE_ERROR_HANDLE, "was destroyed", hone_matmul_weights_destroy(kept[7]));
    CASE(HONE_ERROR_HANDLE, "was destroyed", hone_plan_destroy(kept[6]));
    CASE(HONE_ERROR_HANDLE, "was destroyed", hone_event_destroy(kept[5]));
    CASE(HONE_ERROR_HANDLE, "was destroyed", hone_buffer_destroy(kept[4]));
    CASE(HONE_ERROR_HANDLE, "was destroyed", hone_stream_destroy(kept[3]));
    CASE(HONE_ERROR_HANDLE, "was destroyed", hone_context_destroy(kept[1]));
    CASE(HONE_ERROR_HANDLE, "the device handle|was destroyed", hone_device_describe(kept[2], &w->facts));
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
    misuse_begin(w);
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
    misuse_begin(w);
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
        misuse_freeze();
        hone_status got = hone_plan_run(w->stream, plan, &w->arguments);
        misuse_expect(w, got, status, rows[i].words, "scratch", "plan_run", __FILE__, __LINE__);
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
    misuse_begin(w);
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
    misuse_begin(w);
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
    CASE(HONE_ERROR_TYPE, "b is s32; it should be f32, f64, bf16, f16, s8", (w->b.dtype = HONE_S32, pack(w)));
    CASE(HONE_ERROR_ARGUMENT, "options.b_group is -1", (w->packing.b_group = -1, pack(w)));
    CASE(HONE_ERROR_TYPE, "a is u8, b is f32", (w->packing.a_type = HONE_U8, pack(w)));
    CASE(HONE_ERROR_TYPE, "a is f64, b is s8", (w->b.dtype = HONE_S8, w->packing.a_type = HONE_F64, pack(w)));
    CASE(HONE_ERROR_ARGUMENT, "two in a byte, and strides are 0, 3, 1",
         (w->b.dtype = HONE_S4, w->packing.layout = "n8k8", pack(w)));
    CASE(HONE_ERROR_ARGUMENT, "its batch stride 0 is 15",
         (w->b = (hone_tensor){arena + B_AT, NULL, 0, HONE_U4, 3, {2, 3, 4}, {15, 4, 1}}, w->packing.layout = "n8k8",
          pack(w)));
    CASE(HONE_OK, "", (w->b = hone_matrix(HONE_S4, 5, 4, arena + B_AT), w->packing.layout = "n8k8", pack(w)));
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
    CASE(HONE_ERROR_TYPE, "weights adopt: b is s32", (w->packed.dtype = HONE_S32, adopt(w)));
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
    misuse_begin(w);
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
    misuse_begin(w);
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
    misuse_begin(w);
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
    misuse_cases += 3;
    misuse_refusals += 2;
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
        misuse_cases += 4;
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
    misuse_cases += 8;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(wrong_handles_are_told, misuse_none_wrong),
        cmocka_unit_test_teardown(nothing_dies_twice, misuse_none_wrong),
        cmocka_unit_test_teardown(plans, misuse_none_wrong),
        cmocka_unit_test_teardown(scratch, misuse_none_wrong),
        cmocka_unit_test_teardown(buffers, misuse_none_wrong),
        cmocka_unit_test_teardown(weights, misuse_none_wrong),
        cmocka_unit_test_teardown(dlpack, misuse_none_wrong),
        cmocka_unit_test_teardown(streams_and_events, misuse_none_wrong),
        cmocka_unit_test_teardown(contexts, misuse_none_wrong),
        cmocka_unit_test_teardown(names_of_what_is_not, misuse_none_wrong),
    };
    const struct CMUnitTest nothing_lives[] = {cmocka_unit_test_teardown(the_allocator, misuse_none_wrong)};
    int                     failed = cmocka_run_group_tests(nothing_lives, NULL, NULL);
    return failed + cmocka_run_group_tests(tests, misuse_set_up, misuse_tear_down);
}
