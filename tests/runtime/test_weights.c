/* Weights packed once: for b of any strides, batch and layout, products give bit for bit what plain loops give on every
 * instruction set; unpacking gives the bytes back; what was saved is adopted again; plans and threads share weights. */
#include "tests/runtime/tools.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/random.h"

enum { CASES = 700 / HONE_TEST_SHARE, FLOATS = 1 << 16 };

static const char *const levels[] = {"portable", "avx2", "avx512"};

typedef struct world {
    hone_context *hone;
    hone_device  *cpu;
    hone_stream  *stream;
    double       *a, *b, *c, *truth, *again; /* FLOATS doubles each */
} world;

static bool open_world(world *w, const char *level)
{
    hone_device_facts facts = {.size = sizeof facts};
    if (level) setenv("HONE_ISA", level, 1);
    works(hone_context_create(NULL, &w->hone));
    unsetenv("HONE_ISA");
    works(hone_device_find(w->hone, "cpu:0", &w->cpu));
    works(hone_device_describe(w->cpu, &facts));
    works(hone_stream_create(w->cpu, &w->stream));
    double **memory[] = {&w->a, &w->b, &w->c, &w->truth, &w->again};
    for (int i = 0; i < 5; i++) *memory[i] = aligned_alloc(64, FLOATS * sizeof(double));
    return !level || !strncmp(facts.instructions, level, strlen(level));
}

static void close_world(world *w)
{
    free(w->a), free(w->b), free(w->c), free(w->truth), free(w->again);
    works(hone_stream_destroy(w->stream));
    works(hone_context_destroy(w->hone));
    assert_int_equal(hone_alloc_live(), 0);
}

/* [lead ...] x rows x columns in a random order of dimensions, in this memory. */
static hone_tensor place(hone_random *r, hone_dtype type, const int64_t *lead, int count, int64_t rows, int64_t columns,
                         void *memory)
{
    hone_tensor t = {.data = memory, .dtype = type, .rank = count + 2};
    int         order[HONE_RANK_MAX];
    int64_t     step = 1 + (int64_t)(hone_random_below(r, 6) == 0), gap = (int64_t)hone_random_below(r, 3);
    for (int i = 0; i < count; i++) t.shape[i] = lead[i];
    t.shape[count] = rows, t.shape[count + 1] = columns;
    for (int i = 0; i < t.rank; i++) order[i] = i;
    for (int i = t.rank - 1; i > 0 && hone_random_below(r, 2); i--) {
        int j = (int)hone_random_below(r, (uint64_t)i + 1), other = order[i];
        order[i] = order[j];
        order[j] = other;
    }
    for (int i = t.rank - 1; i >= 0; i--) {
        t.stride[order[i]] = step;
        step *= t.shape[order[i]] ? t.shape[order[i]] : 1;
        step += gap;
        assert_true(step < FLOATS / 2);
    }
    for (int i = 0; i < t.rank; i++) /* backwards */
        if (t.shape[i] > 1 && hone_random_below(r, 8) == 0) {
            t.data = (char *)t.data + (t.shape[i] - 1) * t.stride[i] * (type == HONE_F32 ? 4 : 8);
            t.stride[i] = -t.stride[i];
        }
    return t;
}

static int64_t extent(hone_random *r)
{
    static const int64_t usual[] = {1, 2, 3, 5, 8, 13, 16, 17, 31, 33, 48};
    return hone_random_below(r, 40) == 0 ? 0 : usual[hone_random_below(r, 11)];
}

/* The product by the call, or by a plan. */
static void multiply(world *w, hone_random *r, const hone_tensor *a, hone_matmul_weights *weights, hone_tensor *c,
                     const hone_matmul_options *options)
{
    hone_matmul_weights_facts facts = {.size = sizeof facts};
    hone_plan                *plan;
    size_t                    bytes;
    if (hone_random_below(r, 3)) {
        works(hone_matmul_prepacked(w->stream, a, weights, c, options));
        return;
    }
    works(hone_matmul_weights_describe(weights, &facts));
    works(hone_matmul_prepacked_plan(w->cpu, a, weights, c, options, &plan));
    works(hone_plan_scratch(plan, &bytes));
    void               *scratch = aligned_alloc(64, bytes / 64 * 64 + 64);
    hone_operand        operands[HONE_MATMUL_OPERANDS] = {{.host = a->data}, facts.memory, {.host = c->data}};
    double              values[HONE_MATMUL_VALUES] = {options->alpha, options->beta};
    for (int s = 0; s < options->step_count; s++)
        if (options->steps[s].tensor) operands[HONE_MATMUL_STEP0 + s].host = options->steps[s].tensor->data;
    hone_plan_arguments run = {.size = sizeof run,
                               .operands = operands,
                               .values = values,
                               .scratch = {.host = scratch, .bytes = bytes},
                               .operand_count = HONE_MATMUL_OPERANDS,
                               .value_count = HONE_MATMUL_VALUES};
    works(hone_plan_run(w->stream, plan, &run));
    works(hone_plan_destroy(plan));
    free(scratch);
}

static void one_case(world *w, uint64_t seed)
{
    static const char *const layouts[] = {NULL, NULL, "n32", "n16", "n8", "n48", "n5"};
    hone_random              random = hone_random_seeded(seed), *r = &random;
    hone_dtype               type = hone_random_below(r, 3) ? HONE_F32 : HONE_F64;
    int64_t                  m = extent(r), n = extent(r), k = extent(r), lead[3], of_b[3];
    int                      count = hone_random_below(r, 3) ? 0 : (int)hone_random_below(r, 4), skip;
    for (int i = 0; i < count; i++) lead[i] = 1 + (int64_t)hone_random_below(r, count > 1 ? 2 : 3);
    for (int i = 0; i < count; i++) of_b[i] = hone_random_below(r, 3) ? lead[i] : 1;
    skip = (int)hone_random_below(r, (uint64_t)count + 1);
    while (m * n > 900) n = n / 2 + 1;
    while (n * k > 900) k = k / 2 + 1;

    hone_tensor a = place(r, type, lead, count, m, k, w->a), b = place(r, type, of_b + skip, count - skip, k, n, w->b);
    hone_tensor c = place(r, type, lead, count, m, n, w->c), bias = hone_vector(type, n, w->a);
    hone_matmul_options      options = HONE_MATMUL_OPTIONS;
    hone_matmul_pack_options packing = HONE_MATMUL_PACK_OPTIONS;
    hone_matmul_weights     *weights = NULL, *adopted = NULL;
    tools_fill(type, w->a, FLOATS, seed);
    tools_fill(type, w->b, FLOATS, seed + 1);
    tools_fill(type, w->c, FLOATS, seed + 2);
    options.alpha = hone_random_below(r, 2) ? 1 : -2;
    options.beta = hone_random_below(r, 3) ? 0 : 2;
    if (hone_random_below(r, 3) == 0) {
        options.step_count = 2;
        options.steps[0] = (hone_step){HONE_STEP_BIAS, 0, &bias};
        options.steps[1] = (hone_step){HONE_STEP_RELU, 0, NULL};
    }
    packing.layout = layouts[hone_random_below(r, sizeof layouts / sizeof *layouts)];
    packing.m_typical = (int64_t)hone_random_below(r, 3) * m;
    memcpy(w->truth, w->c, FLOATS * sizeof(double));

    works(hone_matmul_pack(w->stream, &b, packing.layout || packing.m_typical ? &packing : NULL, &weights));
    hone_matmul_weights_facts facts = {.size = sizeof facts};
    works(hone_matmul_weights_describe(weights, &facts));
    if (packing.layout) assert_string_equal(facts.layout, packing.layout);
    assert_int_equal(facts.layout[0], 'n');
    assert_int_equal(facts.rank, b.rank);
    assert_memory_equal(facts.shape, b.shape, sizeof b.shape);

    multiply(w, r, &a, weights, &c, &options);
    works(hone_stream_wait(w->stream));
    hone_tensor truth = c;
    truth.data = (char *)w->truth + ((char *)c.data - (char *)w->c);
    tools_matmul(&a, &b, &truth, &options);
    if (memcmp(w->c, w->truth, FLOATS * sizeof(double))) fail_msg("case %d: the product is wrong", (int)seed);

    /* saved, and back: by host memory or by the buffer itself */
    void *saved = aligned_alloc(64, facts.memory.bytes / 64 * 64 + 64);
    works(hone_buffer_read(w->stream, facts.memory.buffer, 0, saved, facts.memory.bytes));
    if (hone_random_below(r, 2)) facts.memory = (hone_operand){.host = saved, .bytes = facts.memory.bytes};
    works(hone_matmul_weights_adopt(w->cpu, &facts, &adopted));
    works(hone_matmul_weights_destroy(weights));
    memcpy(w->c, w->truth, FLOATS * sizeof(double));
    multiply(w, r, &a, adopted, &c, &options);
    tools_matmul(&a, &b, &truth, &options);
    if (memcmp(w->c, w->truth, FLOATS * sizeof(double))) fail_msg("case %d: adopted, it is wrong", (int)seed);

    /* and plain again: what lies between the elements is left alone */
    hone_tensor plain = b;
    memset(w->again, 0xff, FLOATS * sizeof(double));
    plain.data = (char *)w->again + ((char *)b.data - (char *)w->b);
    works(hone_matmul_unpack(w->stream, adopted, &plain));
    for (int64_t at = 0, size = type == HONE_F32 ? 4 : 8; at < FLOATS * 8 / size; at++) {
        const char *got = (char *)w->again + at * size, *was = (char *)w->b + at * size;
        static const uint8_t untouched[8] = {255, 255, 255, 255, 255, 255, 255, 255};
        if (memcmp(got, untouched, (size_t)size) && memcmp(got, was, (size_t)size))
            fail_msg("case %d: element %d came back as another", (int)seed, (int)at);
    }
    int64_t index[HONE_RANK_MAX] = {0}, elements = 1;
    for (int i = 0; i < b.rank; i++) elements *= b.shape[i];
    for (int64_t i = 0; i < elements; i++) { /* every one is there */
        int64_t offset = 0, size = type == HONE_F32 ? 4 : 8;
        for (int d = 0; d < b.rank; d++) offset += index[d] * b.stride[d];
        assert_memory_equal((char *)plain.data + offset * size, (char *)b.data + offset * size, (size_t)size);
        for (int d = b.rank - 1; d >= 0 && ++index[d] == b.shape[d]; d--) index[d] = 0;
    }
    works(hone_matmul_weights_destroy(adopted));
    free(saved);
}

static void every_b_on_every_level(void **state)
{
    (void)state;
    for (size_t level = 0; level < sizeof levels / sizeof *levels; level++) {
        world w;
        if (open_world(&w, levels[level]))
            for (uint64_t seed = 1; seed <= CASES; seed++) one_case(&w, seed);
        close_world(&w);
    }
}

/* Packed and plain, the same kernel sums in the same order: real numbers too are the same bits. */
static void packed_is_plain_bit_for_bit(void **state)
{
    enum { M = 37, N = 100, K = 700 };
    hone_context_options options = HONE_CONTEXT_OPTIONS;
    static float         a_values[M * K], b_values[K * N], plain[M * N], packed[M * N];
    hone_context        *hone;
    hone_device         *cpu;
    hone_stream         *stream;
    hone_matmul_weights *weights;
    hone_random          r = hone_random_seeded(5);
    (void)state;
    options.deterministic = 1; /* one kernel and configuration for both */
    for (int i = 0; i < M * K; i++) a_values[i] = (float)hone_random_signed(hone_random_next(&r));
    for (int i = 0; i < K * N; i++) b_values[i] = (float)hone_random_signed(hone_random_next(&r));
    hone_tensor a = hone_matrix(HONE_F32, M, K, a_values), b = hone_matrix(HONE_F32, K, N, b_values);
    hone_tensor c = hone_matrix(HONE_F32, M, N, plain), d = hone_matrix(HONE_F32, M, N, packed);
    works(hone_context_create(&options, &hone));
    works(hone_device_find(hone, "cpu:0", &cpu));
    works(hone_stream_create(cpu, &stream));
    works(hone_matmul(stream, &a, &b, &c, NULL));
    works(hone_matmul_pack(stream, &b, NULL, &weights));
    works(hone_matmul_prepacked(stream, &a, weights, &d, NULL));
    works(hone_stream_wait(stream));
    assert_memory_equal(plain, packed, sizeof plain);
    works(hone_matmul_weights_destroy(weights));
    works(hone_stream_destroy(stream));
    works(hone_context_destroy(hone));
}

static bool is_one_of(const char *const *names, const char *name)
{
    while (*names && strcmp(*names, name)) names++;
    return *names != NULL;
}

/* Nobody asks for a layout: its panels are as wide as one of the tiles that the level would choose for so small a b. */
static void the_layout_is_chosen(void **state)
{
    static const struct {
        const char *level, *names[2][4]; /* of f32, of f64 */
    } expected[] = {{"portable", {{"n8"}, {"n4"}}},
                    {"avx2", {{"n16"}, {"n8"}}},
                    {"avx512", {{"n32", "n48", "n64"}, {"n16", "n24", "n32"}}}};
    (void)state;
    for (int i = 0; i < 3; i++) {
        world w;
        bool  there = open_world(&w, expected[i].level);
        for (int type = 0; there && type < 2; type++) {
            hone_matmul_weights_facts facts = {.size = sizeof facts};
            hone_matmul_weights      *weights;
            hone_tensor b = hone_matrix(type ? HONE_F64 : HONE_F32, 20, 192, w.b); /* whole panels of each */
            tools_fill(b.dtype, w.b, 3840, 1);
            works(hone_matmul_pack(w.stream, &b, NULL, &weights));
            works(hone_matmul_weights_describe(weights, &facts));
            assert_true(is_one_of(expected[i].names[type], facts.layout));
            assert_int_equal(facts.memory.bytes, 3840 * (type ? 8 : 4));
            works(hone_matmul_weights_destroy(weights));
        }
        close_world(&w);
    }
}

/* --- shared --------------------------------------------------------------------------------------------------- */

typedef struct sharer {
    hone_device         *cpu;
    hone_matmul_weights *weights;
    int                  rows;
    _Atomic(int)        *wrong;
} sharer;

enum { SHARERS = 4, SHARED_K = 60, SHARED_N = 50, TURNS = 300 / HONE_TEST_SHARE };
static float shared_a[SHARERS * SHARED_K], shared_b[SHARED_K * SHARED_N];

static void *share(void *argument)
{
    const sharer *s = argument;
    float         got[SHARERS * SHARED_N], truth[SHARERS * SHARED_N];
    hone_tensor   a = hone_matrix(HONE_F32, s->rows, SHARED_K, shared_a);
    hone_tensor   b = hone_matrix(HONE_F32, SHARED_K, SHARED_N, shared_b);
    hone_tensor c = hone_matrix(HONE_F32, s->rows, SHARED_N, got), t = hone_matrix(HONE_F32, s->rows, SHARED_N, truth);
    hone_stream  *stream;
    int           wrong = hone_stream_create(s->cpu, &stream) != HONE_OK;
    tools_matmul(&a, &b, &t, NULL);
    for (int turn = 0; turn < TURNS && !wrong; turn++) {
        memset(got, 0xff, sizeof got);
        wrong = hone_matmul_prepacked(stream, &a, s->weights, &c, NULL) || hone_stream_wait(stream) ||
                memcmp(got, truth, (size_t)s->rows * SHARED_N * sizeof *got);
    }
    wrong |= hone_stream_destroy(stream) != HONE_OK;
    atomic_fetch_add(s->wrong, wrong);
    return NULL;
}

static void threads_share_weights(void **state)
{
    world        w;
    pthread_t    threads[SHARERS];
    sharer       sharers[SHARERS];
    _Atomic(int) wrong = 0;
    (void)state;
    open_world(&w, NULL);
    tools_fill(HONE_F32, shared_a, SHARERS * SHARED_K, 1);
    tools_fill(HONE_F32, shared_b, SHARED_K * SHARED_N, 2);
    hone_matmul_weights *weights;
    hone_tensor          b = hone_matrix(HONE_F32, SHARED_K, SHARED_N, shared_b);
    works(hone_matmul_pack(w.stream, &b, NULL, &weights));
    works(hone_stream_wait(w.stream));
    for (int i = 0; i < SHARERS; i++) {
        sharers[i] = (sharer){w.cpu, weights, i + 1, &wrong};
        assert_int_equal(pthread_create(&threads[i], NULL, share, &sharers[i]), 0);
    }
    for (int i = 0; i < SHARERS; i++) pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&wrong), 0);
    works(hone_matmul_weights_destroy(weights));
    close_world(&w);
}

/* After the first, a product with weights allocates nothing. */
static void calls_allocate_nothing(void **state)
{
    world                w;
    hone_matmul_weights *weights;
    (void)state;
    tools_allocator_use();
    open_world(&w, NULL);
    tools_fill(HONE_F32, w.a, 6400, 1);
    tools_fill(HONE_F32, w.b, 6400, 2);
    hone_tensor a = hone_matrix(HONE_F32, 80, 80, w.a), b = hone_matrix(HONE_F32, 80, 80, w.b);
    hone_tensor c = hone_matrix(HONE_F32, 80, 80, w.c);
    works(hone_matmul_pack(w.stream, &b, NULL, &weights));
    works(hone_matmul_prepacked(w.stream, &a, weights, &c, NULL));
    int64_t before = tools_allocations();
    for (int i = 0; i < 10; i++) works(hone_matmul_prepacked(w.stream, &a, weights, &c, NULL));
    assert_int_equal(tools_allocations(), before);
    works(hone_matmul_weights_destroy(weights));
    close_world(&w);
    tools_allocator_end();
}

/* Weights may outlive the handle of their context, and a plan the weights. */
static void lives_are_apart(void **state)
{
    hone_context        *hone;
    hone_device         *cpu;
    hone_stream         *stream;
    hone_matmul_weights *weights;
    hone_plan           *plan;
    float                values[16] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1}, out[16];
    hone_tensor          t = hone_matrix(HONE_F32, 4, 4, values), c = hone_matrix(HONE_F32, 4, 4, out);
    (void)state;
    works(hone_context_create(NULL, &hone));
    works(hone_device_find(hone, "cpu:0", &cpu));
    works(hone_stream_create(cpu, &stream));
    works(hone_matmul_pack(stream, &t, NULL, &weights));
    works(hone_matmul_prepacked_plan(cpu, &t, weights, &c, NULL, &plan));
    works(hone_context_destroy(hone));
    works(hone_matmul_prepacked(stream, &t, weights, &c, NULL));
    assert_memory_equal(out, values, sizeof out);
    works(hone_matmul_weights_destroy(weights));
    works(hone_plan_destroy(plan));
    works(hone_stream_destroy(stream));
    assert_int_equal(hone_alloc_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_allocate_nothing), cmocka_unit_test(every_b_on_every_level),
        cmocka_unit_test(packed_is_plain_bit_for_bit), cmocka_unit_test(the_layout_is_chosen),
        cmocka_unit_test(threads_share_weights), cmocka_unit_test(lives_are_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
