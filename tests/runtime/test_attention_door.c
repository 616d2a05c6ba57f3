/* The door of attention: tensors of any order become the right problem, held against plain loops over the tensors; what
 * is wrong is refused in words, and nothing is written; plans and buffers. */
#include "tests/runtime/tools.h"

#include <math.h>
#include <stdlib.h>

#include "base/element.h"
#include "base/random.h"

enum { FLOATS = 1 << 16 };

typedef struct world {
    hone_context          *hone;
    hone_device           *cpu;
    hone_stream           *stream;
    float                 *memory; /* inputs, random */
    float                  out[4096], lse[1024], kept[4096];
    hone_tensor            q, k, v, o, l, bias, slopes, sinks, q_list, k_list;
    int32_t                q_numbers[8], k_numbers[8];
    hone_attention_options options;
} world;

static hone_tensor tensor(void *data, hone_dtype type, int rank, const int64_t *shape, const int64_t *stride)
{
    hone_tensor t = {.data = data, .dtype = type, .rank = rank};
    int64_t     dense = 1;
    for (int i = rank - 1; i >= 0; i--) {
        t.shape[i] = shape[i];
        t.stride[i] = stride ? stride[i] : dense;
        dense *= shape[i];
    }
    return t;
}

#define SHAPE(...) ((const int64_t[]){__VA_ARGS__})

/* Two sequences of 5 queries and 7 keys, 4 heads of 6 and 3 that share 2 of k and v. */
static void begin(world *w)
{
    w->q = tensor(w->memory, HONE_F32, 4, SHAPE(2, 5, 4, 6), NULL);
    w->k = tensor(w->memory + 1000, HONE_F32, 4, SHAPE(2, 7, 2, 6), SHAPE(200, 6, 60, 1)); /* heads outside */
    w->v = tensor(w->memory + 2000, HONE_F32, 4, SHAPE(2, 7, 2, 3), NULL);
    w->o = tensor(w->out, HONE_F32, 4, SHAPE(2, 5, 4, 3), SHAPE(60, 3, 15, 1));
    w->l = tensor(w->lse, HONE_F32, 3, SHAPE(2, 4, 5), NULL);
    w->bias = tensor(w->memory + 3000, HONE_F32, 3, SHAPE(4, 1, 7), NULL);
    w->slopes = tensor(w->memory + 4000, HONE_F32, 1, SHAPE(4), NULL);
    w->sinks = tensor(w->memory + 4100, HONE_F32, 1, SHAPE(4), NULL);
    w->q_list = tensor(w->q_numbers, HONE_S32, 1, SHAPE(2), NULL);
    w->k_list = tensor(w->k_numbers, HONE_S32, 1, SHAPE(2), NULL);
    memcpy(w->q_numbers, (int32_t[]){5, 3}, 8);
    memcpy(w->k_numbers, (int32_t[]){7, 4}, 8);
    w->options = (hone_attention_options)HONE_ATTENTION_OPTIONS;
    memset(w->out, 0x5a, sizeof w->out);
    memset(w->lse, 0x5a, sizeof w->lse);
    memcpy(w->kept, w->out, sizeof w->out);
    tools_forget();
}

static double element(const hone_tensor *t, int64_t a, int64_t b, int64_t c, int64_t d)
{
    const int64_t at[4] = {a, b, c, d};
    int64_t       offset = 0;
    for (int i = 0; i < t->rank; i++) {
        const int64_t index = at[4 - t->rank + i];
        offset += (t->shape[i] == 1 ? 0 : index) * t->stride[i];
    }
    return hone_element_load(t->dtype, t->data, offset);
}

/* Every result against plain loops over the tensors, which know nothing of problems. */
static void expect_right(world *w, int first_row, int rows, int first_key, int keys, int item, int length)
{
    const hone_attention_options *o = &w->options;
    const double                  scale = o->scale != 0 ? o->scale : 1 / sqrt(6);
    const int                     shift = o->align == HONE_ALIGN_FIRST ? 0 : keys - length;
    for (int i = 0; i < rows; i++)
        for (int h = 0; h < 4; h++) {
            double weight[8], total = 0, most = -INFINITY;
            for (int j = 0; j < keys; j++) {
                double x = 0;
                for (int t = 0; t < 6; t++)
                    x += element(&w->q, item, first_row + i, h, t) * element(&w->k, item, first_key + j, h / 2, t);
                x *= scale;
                if (o->soft_cap > 0) x = o->soft_cap * tanh(x / o->soft_cap);
                if (o->bias) x += element(o->bias, item, h, first_row + i, j);
                if (o->slopes) x -= element(o->slopes, 0, 0, 0, h) * abs(i + shift - j);
                if ((o->causal || o->after >= 0) && j > i + shift + (o->causal ? 0 : o->after)) x = -INFINITY;
                if (o->before >= 0 && j < i + shift - o->before) x = -INFINITY;
                if (i >= length) x = -INFINITY;
                weight[j] = x;
                most = fmax(most, x);
            }
            const double sink = o->sinks && i < length ? element(o->sinks, 0, 0, 0, h) : -INFINITY;
            most = fmax(most, sink);
            for (int j = 0; j < keys; j++) total += weight[j] = most == -INFINITY ? 0 : exp(weight[j] - most);
            if (sink > -INFINITY) total += exp(sink - most);
            for (int c = 0; c < 3; c++) {
                double sum = 0;
                for (int j = 0; j < keys; j++) sum += weight[j] * element(&w->v, item, first_key + j, h / 2, c);
                const double got = element(&w->o, item, first_row + i, h, c), want = total > 0 ? sum / total : 0;
                if (!(fabs(got - want) <= 1e-5)) fail_msg("row %d head %d: %g, not %g", i, h, got, want);
            }
            if (!o->lse) continue;
            const double lse = o->lse->rank == 3 ? element(o->lse, 0, item, h, first_row + i)
                                                 : element(o->lse, 0, 0, h, first_row + i);
            const double want = total > 0 ? most + log(total) : -INFINITY;
            if (!(lse == want || fabs(lse - want) <= 1e-5))
                fail_msg("lse of row %d head %d: %g, not %g", i, h, lse, want);
        }
}

static void both_right(world *w)
{
    works(hone_attention(w->stream, &w->q, &w->k, &w->v, &w->o, &w->options));
    works(hone_stream_wait(w->stream));
    const bool padded = w->options.q_lengths != NULL;
    for (int b = 0; b < 2; b++)
        expect_right(w, 0, 5, 0, padded ? w->k_numbers[b] : 7, b, padded ? w->q_numbers[b] : 5);
}

static void options_mean_what_they_say(void **state)
{
    world *w = *state;
    begin(w);
    both_right(w);
    begin(w), w->options.causal = 1, w->options.lse = &w->l;
    both_right(w);
    begin(w), w->options.causal = 1, w->options.align = HONE_ALIGN_FIRST, w->options.scale = -0.7;
    both_right(w);
    begin(w), w->options.before = 2, w->options.after = 1, w->options.soft_cap = 0.5;
    both_right(w);
    begin(w), w->options.slopes = &w->slopes, w->options.sinks = &w->sinks, w->options.lse = &w->l;
    both_right(w);
    begin(w), w->options.bias = &w->bias, w->options.causal = 1;
    both_right(w);
    begin(w), w->options.q_lengths = &w->q_list, w->options.k_lengths = &w->k_list, w->options.lse = &w->l;
    w->options.causal = 1, w->options.sinks = &w->sinks;
    both_right(w);
}

static void packed_sequences(void **state)
{
    world *w = *state;
    begin(w);
    w->q = tensor(w->memory, HONE_F32, 3, SHAPE(11, 4, 6), NULL);
    w->k = tensor(w->memory + 1000, HONE_F32, 3, SHAPE(13, 2, 6), NULL);
    w->v = tensor(w->memory + 2000, HONE_F32, 3, SHAPE(13, 2, 3), NULL);
    w->o = tensor(w->out, HONE_F32, 3, SHAPE(11, 4, 3), NULL);
    w->l = tensor(w->lse, HONE_F32, 2, SHAPE(4, 11), NULL);
    w->q_list.shape[0] = w->k_list.shape[0] = 4;
    memcpy(w->q_numbers, (int32_t[]){1, 6, 4, 9}, 16); /* one row outside, one offset that falls, two rows outside */
    memcpy(w->k_numbers, (int32_t[]){0, 5, 5, 99}, 16);
    w->options.q_offsets = &w->q_list, w->options.k_offsets = &w->k_list;
    w->options.causal = 1, w->options.lse = &w->l;
    works(hone_attention(w->stream, &w->q, &w->k, &w->v, &w->o, &w->options));
    works(hone_stream_wait(w->stream));
    expect_right(w, 0, 1, 0, 0, 0, 0);
    expect_right(w, 1, 5, 0, 5, 0, 5);
    expect_right(w, 6, 3, 5, 8, 0, 3);
    expect_right(w, 9, 2, 0, 0, 0, 0);
}

static void refusals(void **state)
{
    world *w = *state;
#define ROW(status, words, ...)                                                                                        \
    do {                                                                                                               \
        begin(w);                                                                                                      \
        __VA_ARGS__;                                                                                                   \
        refused(hone_attention(w->stream, &w->q, &w->k, &w->v, &w->o, &w->options), status, words);                    \
        assert_memory_equal(w->out, w->kept, sizeof w->out);                                                           \
        hone_plan *plan = (void *)w;                                                                                   \
        hone_status planned = hone_attention_plan(w->cpu, &w->q, &w->k, &w->v, &w->o, &w->options, &plan);             \
        if (planned == HONE_OK) works(hone_plan_destroy(plan));                                                        \
        else assert_null(plan);                                                                                        \
    } while (0)
    ROW(HONE_ERROR_ARGUMENT, "options.size is 3", w->options.size = 3);
    ROW(HONE_ERROR_ARGUMENT, "scale is", w->options.scale = NAN);
    ROW(HONE_ERROR_ARGUMENT, "soft_cap is -1", w->options.soft_cap = -1);
    ROW(HONE_ERROR_ARGUMENT, "causal is 2", w->options.causal = 2);
    ROW(HONE_ERROR_ARGUMENT, "align is 7", w->options.align = 7);
    ROW(HONE_ERROR_ARGUMENT, "causal, but after is 4", w->options.causal = 1; w->options.after = 4);
    ROW(HONE_ERROR_ARGUMENT, "k_lengths is NULL", w->options.q_lengths = &w->q_list);
    ROW(HONE_ERROR_ARGUMENT, "q_offsets is NULL", w->options.k_offsets = &w->q_list);
    ROW(HONE_ERROR_ARGUMENT, "both lengths and offsets", w->options.q_lengths = w->options.k_lengths = &w->q_list;
        w->options.q_offsets = w->options.k_offsets = &w->q_list);
    ROW(HONE_ERROR_SHAPE, "q has rank 3|should be 4", w->q.rank = 3);
    ROW(HONE_ERROR_SHAPE, "q has rank 4|should be 3 where there are offsets", w->options.q_offsets = &w->q_list;
        w->options.k_offsets = &w->k_list);
    ROW(HONE_ERROR_SHAPE, "k has an extent of 5|want 6", w->k.shape[3] = 5);
    ROW(HONE_ERROR_SHAPE, "v has an extent of 6|want 7", w->v.shape[1] = 6);
    ROW(HONE_ERROR_SHAPE, "out has an extent of 1", w->o.shape[0] = 1);
    ROW(HONE_ERROR_SHAPE, "multiple", w->q.shape[2] = w->o.shape[2] = 3);
    ROW(HONE_ERROR_SHAPE, "1 or more", w->q.shape[3] = w->k.shape[3] = 0);
    ROW(HONE_ERROR_SHAPE, "lse has rank 2", w->l.rank = 2; w->options.lse = &w->l);
    ROW(HONE_ERROR_SHAPE, "bias has an extent of 4|want 7", w->bias.shape[2] = 4; w->options.bias = &w->bias);
    ROW(HONE_ERROR_SHAPE, "bias has rank 5", w->bias.rank = 5; w->options.bias = &w->bias);
    ROW(HONE_ERROR_SHAPE, "slopes has rank 1 and 3|list of 4", w->slopes.shape[0] = 3; w->options.slopes = &w->slopes);
    ROW(HONE_ERROR_UNSUPPORTED, "sinks has a stride of 2", w->sinks.stride[0] = 2; w->options.sinks = &w->sinks);
    ROW(HONE_ERROR_TYPE, "v is f16|should be f32", w->v.dtype = HONE_F16);
    ROW(HONE_ERROR_TYPE, "q is f64", w->q = tensor(w->memory, HONE_F64, 4, SHAPE(2, 5, 4, 6), NULL);
        w->k.dtype = w->v.dtype = w->o.dtype = HONE_F64);
    ROW(HONE_ERROR_TYPE, "bias is f16", w->bias.dtype = HONE_F16; w->options.bias = &w->bias);
    ROW(HONE_ERROR_TYPE, "lse is f16", w->l.dtype = HONE_F16; w->options.lse = &w->l);
    ROW(HONE_ERROR_TYPE, "lengths or offsets is f32", w->q_list.dtype = HONE_F32; w->options.q_lengths = &w->q_list;
        w->options.k_lengths = &w->k_list);
    ROW(HONE_ERROR_OVERLAP, "out at|shares memory with q", w->o.data = w->memory + 3);
    ROW(HONE_ERROR_OVERLAP, "out at|shares memory with lse", w->l.data = w->out + 3; w->options.lse = &w->l);
    ROW(HONE_ERROR_OVERLAP, "lse at|shares memory with sinks", w->l.data = w->memory + 4101; w->options.lse = &w->l;
        w->options.sinks = &w->sinks);
    ROW(HONE_ERROR_OVERLAP, "two elements at one place", w->o.stride[0] = 0);
    ROW(HONE_ERROR_ARGUMENT, "k has 168 elements, but no memory", w->k.data = NULL);
    ROW(HONE_ERROR_UNSUPPORTED, "bias goes with batches",
        w->q = tensor(w->memory, HONE_F32, 3, SHAPE(5, 4, 6), NULL);
        w->k = tensor(w->memory + 1000, HONE_F32, 3, SHAPE(7, 2, 6), NULL);
        w->v = tensor(w->memory + 2000, HONE_F32, 3, SHAPE(7, 2, 3), NULL);
        w->o = tensor(w->out, HONE_F32, 3, SHAPE(5, 4, 3), NULL); w->options.bias = &w->bias;
        w->options.q_offsets = &w->q_list; w->options.k_offsets = &w->k_list);
#undef ROW
    begin(w);
    refused(hone_attention(w->stream, NULL, &w->k, &w->v, &w->o, NULL), HONE_ERROR_ARGUMENT, "q is NULL");
    refused(hone_attention(w->stream, &w->q, &w->k, &w->v, NULL, NULL), HONE_ERROR_ARGUMENT, "out is NULL");
    refused(hone_attention(NULL, &w->q, &w->k, &w->v, &w->o, NULL), HONE_ERROR_HANDLE, "attention");
    refused(hone_attention_plan(w->cpu, &w->q, &w->k, &w->v, &w->o, NULL, NULL), HONE_ERROR_ARGUMENT, "(plan) is NULL");
    hone_plan *plan = (void *)w;
    refused(hone_attention_plan(NULL, &w->q, &w->k, &w->v, &w->o, NULL, &plan), HONE_ERROR_HANDLE, "attention plan");
    assert_null(plan);
}

static void empty_ones(void **state)
{
    world *w = *state;
    begin(w), w->q.shape[1] = w->o.shape[1] = 0;
    works(hone_attention(w->stream, &w->q, &w->k, &w->v, &w->o, &w->options));
    assert_memory_equal(w->out, w->kept, sizeof w->out);
    begin(w), w->k.shape[1] = w->v.shape[1] = 0, w->options.lse = &w->l; /* nothing is seen */
    works(hone_attention(w->stream, &w->q, &w->k, &w->v, &w->o, &w->options));
    works(hone_stream_wait(w->stream));
    for (int i = 0; i < 2 * 5 * 4 * 3; i++) assert_true(w->out[i] == 0);
    for (int i = 0; i < 2 * 4 * 5; i++) assert_true(w->lse[i] == -INFINITY);
}

/* A plan, with other memory and scratch of the caller's. */
static void plans(void **state)
{
    world     *w = *state;
    hone_plan *plan;
    size_t     bytes;
    char       text[256];
    begin(w), w->options.causal = 1;
    hone_tensor q = w->q, k = w->k, v = w->v, o = w->o;
    q.data = k.data = v.data = o.data = NULL;
    works(hone_attention_plan(w->cpu, &q, &k, &v, &o, &w->options, &plan));
    works(hone_plan_describe(plan, text, sizeof text));
    assert_non_null(strstr(text, "attention f32 causal b2 h4 q5 k7 d6"));
    works(hone_plan_scratch(plan, &bytes));
    void               *scratch = aligned_alloc(64, (bytes + 127) / 64 * 64);
    const hone_operand  operands[HONE_ATTENTION_OPERANDS] = {
        {.host = w->memory}, {.host = w->memory + 1000}, {.host = w->memory + 2000}, {.host = w->out}};
    const double        values[HONE_ATTENTION_VALUES] = {1 / sqrt(6), 0};
    hone_plan_arguments arguments = {.size = sizeof arguments,
                                     .operands = operands,
                                     .operand_count = HONE_ATTENTION_OPERANDS,
                                     .values = values,
                                     .value_count = HONE_ATTENTION_VALUES,
                                     .scratch = {.host = scratch, .bytes = bytes}};
    works(hone_plan_run(w->stream, plan, &arguments));
    works(hone_stream_wait(w->stream));
    for (int b = 0; b < 2; b++) expect_right(w, 0, 5, 0, 7, b, 5);
    works(hone_plan_destroy(plan));
    free(scratch);
}

static int open_world(void **state)
{
    world *w = calloc(1, sizeof *w);
    works(hone_context_create(NULL, &w->hone));
    works(hone_device_find(w->hone, "cpu:0", &w->cpu));
    works(hone_stream_create(w->cpu, &w->stream));
    w->memory = malloc(FLOATS * sizeof *w->memory);
    for (int i = 0; i < FLOATS; i++) w->memory[i] = (float)hone_random_signed(hone_random_at(5, (uint64_t)i));
    *state = w;
    return 0;
}

static int close_world(void **state)
{
    world *w = *state;
    works(hone_stream_destroy(w->stream));
    works(hone_context_destroy(w->hone));
    free(w->memory);
    free(w);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_mean_what_they_say), cmocka_unit_test(packed_sequences), cmocka_unit_test(refusals),
        cmocka_unit_test(empty_ones), cmocka_unit_test(plans),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
