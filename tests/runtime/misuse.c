/* The world of the misuse tests, made, held against what it was, and ended: see misuse.h. */
#include "tests/runtime/misuse.h"

#include <math.h>

#include "base/alloc.h"

_Alignas(64) char arena[ARENA];
static _Alignas(64) char before[ARENA];
static int64_t           live_before;
int                      misuse_cases, misuse_refusals;
static int               wrong;

void misuse_begin(world *w)
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

/* A small product of another shape, on the stream that was just misused. */
void misuse_still_multiplies(world *w)
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

void misuse_freeze(void)
{
    memcpy(before, arena, ARENA);
    live_before = hone_alloc_live();
    tools_forget();
}

/* A row that fails is told, and the others are still asked. */
void misuse_fail(const char *what, const char *row, const char *door, const char *file, int line)
{
    print_error("%s:%d: %s%s%s\n  %s\n  the last sentence: %s\n", file, line, row, door ? ", at the door of " : "",
                door ? door : "", what, hone_last_error());
    wrong++;
}

int misuse_none_wrong(void **state)
{
    (void)state;
    int count = wrong;
    wrong = 0;
    return count ? -1 : 0;
}

/* For calls that must change nothing: misuse_refusals, and what is empty. */
void misuse_expect(world *w, hone_status got, hone_status status, const char *words, const char *row, const char *door,
                   const char *file, int line)
{
    char text[128];
    misuse_cases++;
    misuse_refusals += status != HONE_OK;
    if (got != status) {
        snprintf(text, sizeof text, "gave %s, not %s", hone_status_name(got), hone_status_name(status));
        misuse_fail(text, row, door, file, line);
    }
    const char *lacks = status == HONE_OK ? NULL : tools_sentence_lacks(words);
    if (lacks) {
        snprintf(text, sizeof text, "wanted: %.100s", lacks);
        misuse_fail(text, row, door, file, line);
    }
    if (memcmp(before, arena, ARENA) != 0) misuse_fail("memory was written", row, door, file, line);
    if (status != HONE_OK && hone_alloc_live() != live_before) misuse_fail("memory was kept", row, door, file, line);
    misuse_still_multiplies(w);
}

void misuse_handles_make(hone_context *context, void *out[DEAD])
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

void misuse_handles_end(void *const handle[DEAD])
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
    misuse_begin(w);
    works(hone_context_create(NULL, &w->hone));
    misuse_handles_make(w->hone, w->dead);
    works(hone_matmul_weights_destroy(w->dead[7]));
    works(hone_plan_destroy(w->dead[6]));
    works(hone_event_destroy(w->dead[5]));
    works(hone_buffer_destroy(w->dead[4]));
    works(hone_stream_destroy(w->dead[3]));
    works(hone_context_destroy(w->dead[1]));
    works(hone_context_create(NULL, &w->hone));
    misuse_handles_make(w->hone, w->alive);
    w->cpu = w->alive[2];
    w->stream = w->alive[3];
    w->buffer = w->alive[4];
    w->event = w->alive[5];
    w->plan = w->alive[6];
    w->weights = w->alive[7];
    works(hone_matmul_many_plan(w->cpu, 2, &w->a, &w->b, &w->c, NULL, &w->many_plan));
    works(hone_context_create(NULL, &w->other));
    misuse_handles_make(w->other, others);
    w->other_cpu = others[2];
    w->other_stream = others[3];
    w->other_buffer = others[4];
    w->other_event = others[5];
    w->other_weights = others[7];
    works(hone_plan_destroy(others[6]));
    misuse_still_multiplies(w);
    misuse_begin(w);
}

static void end_world(world *w)
{
    void *others[DEAD] = {NULL, w->other, w->other_cpu, w->other_stream, w->other_buffer, w->other_event, NULL,
                           w->other_weights};
    works(hone_plan_destroy(w->many_plan));
    misuse_handles_end(w->alive);
    misuse_handles_end(others);
    assert_int_equal(hone_alloc_live(), 0);
}

int misuse_set_up(void **state)
{
    static world it;
    make_world(&it);
    *state = &it;
    return 0;
}

int misuse_tear_down(void **state)
{
    world *w = *state;
    end_world(w);
    print_message("%d misuse cases, %d of them refused\n", misuse_cases, misuse_refusals);
    return misuse_cases >= 300 ? 0 : 1;
}
