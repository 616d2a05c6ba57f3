/* The door of matmul against plain loops over tensors: batches that broadcast, merge and fold, any ranks, orders and
 * strides, steps with operands that broadcast, arrays of pointers; bit for bit, on every instruction set of this CPU.
 *
 * HONE_ISA=level and the case's number repeat a failure: --case N */
#include "tests/runtime/tools.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/element.h"
#include "base/random.h"

enum { CASES = 2500 / HONE_TEST_SHARE };

static const char *const levels[] = {"portable", "avx2", "avx512"};

typedef struct world {
    hone_context *hone;
    hone_device  *cpu;
    hone_stream  *stream;
    char         *memory, *before, *after; /* one arena for all operands */
    size_t        used;
} world;

enum { ARENA = 64 << 20, GAP = 256 };

static int only_case = -1;

static bool open_world(world *w, const char *level)
{
    hone_device_facts facts = {.size = sizeof facts};
    setenv("HONE_ISA", level, 1);
    works(hone_context_create(NULL, &w->hone));
    unsetenv("HONE_ISA");
    works(hone_device_find(w->hone, "cpu:0", &w->cpu));
    works(hone_device_describe(w->cpu, &facts));
    works(hone_stream_create(w->cpu, &w->stream));
    return !strncmp(facts.instructions, level, strlen(level));
}

static void close_world(world *w)
{
    works(hone_stream_destroy(w->stream));
    works(hone_context_destroy(w->hone));
}

/* --- random calls ------------------------------------------------------------------------------------------------- */

static int64_t extent(hone_random *r)
{
    static const int64_t usual[] = {1, 2, 3, 4, 5, 7, 8, 13, 16, 17, 31, 33};
    return hone_random_below(r, 40) == 0 ? 0 : usual[hone_random_below(r, 12)];
}

/* Places a tensor of this shape in the arena: dense in a random order of its dimensions, with gaps, some backwards. An
 * output's elements are all different. */
static hone_tensor place(world *w, hone_random *r, hone_dtype type, int rank, const int64_t *shape)
{
    hone_tensor t = {.dtype = type, .rank = rank};
    int         order[HONE_RANK_MAX];
    int64_t     step = 1, below = 0, size = hone_dtype_bits(type) / 8, gap = (int64_t)hone_random_below(r, 3);
    bool        plain = hone_random_below(r, 2);
    for (int i = 0; i < rank; i++) order[i] = i;
    for (int i = rank - 1; i > 0 && !plain; i--) {
        int j = (int)hone_random_below(r, (uint64_t)i + 1), other = order[i];
        order[i] = order[j];
        order[j] = other;
    }
    for (int i = rank - 1; i >= 0; i--) {
        int d = order[i];
        t.shape[d] = shape[d];
        t.stride[d] = step;
        if (shape[d] > 0) step *= shape[d];
        step += plain ? 0 : gap;
        if (!plain && hone_random_below(r, 6) == 0) {
            t.stride[d] = -t.stride[d];
            if (shape[d] > 0) below += -t.stride[d] * (shape[d] - 1);
        }
        if (shape[d] <= 1 && hone_random_below(r, 2)) t.stride[d] = (int64_t)hone_random_below(r, 1000) - 500;
    }
    size_t at = w->used + (hone_random_below(r, 2) ? 0 : (size_t)size * hone_random_below(r, 16));
    t.data = w->memory + at + (size_t)(below * size);
    w->used = (at + (size_t)((step + 8) * size) + GAP + 63) / 64 * 64;
    assert_true(w->used < ARENA);
    return t;
}

/* An input may repeat elements: by a stride of 0, or one of its others, so that rows are windows of each other. */
static hone_tensor place_input(world *w, hone_random *r, hone_dtype type, int rank, const int64_t *shape)
{
    hone_tensor t = place(w, r, type, rank, shape);
    if (rank == 0 || hone_random_below(r, 6)) return t;
    int     d = (int)hone_random_below(r, (uint64_t)rank), other = (int)hone_random_below(r, (uint64_t)rank);
    int64_t stride = hone_random_below(r, 2) ? 0 : t.stride[other];
    bool    within =
        stride == 0 || (t.stride[d] > 0 ? stride > 0 && stride <= t.stride[d] : stride < 0 && stride >= t.stride[d]);
    if (within) t.stride[d] = stride;
    return t;
}

/* A shape that broadcasts to `batch`: some extents 1, some leading ones missing; then `own` more. */
static int broadcast_shape(hone_random *r, const int64_t *batch, int lead, const int64_t *own, int count,
                           int64_t *shape)
{
    int rank = 0, skip = hone_random_below(r, 3) == 0 ? (int)hone_random_below(r, (uint64_t)lead + 1) : 0;
    for (int i = skip; i < lead; i++) shape[rank++] = hone_random_below(r, 4) == 0 ? 1 : batch[i];
    for (int i = 0; i < count; i++) shape[rank++] = own[i];
    return rank;
}

typedef struct call {
    hone_tensor         a, b, c, t[HONE_STEPS_MAX];
    hone_matmul_options options;
} call;

static void add_step(world *w, hone_random *r, call *it, const int64_t *batch, int lead, int64_t m, int64_t n)
{
    static const hone_step_kind kinds[] = {HONE_STEP_BIAS,  HONE_STEP_BIAS_ROWS, HONE_STEP_RELU, HONE_STEP_RESIDUAL,
                                           HONE_STEP_SCALE, HONE_STEP_STORE,     HONE_STEP_RELU_GRADIENT};
    int            s = it->options.step_count++;
    hone_step     *step = &it->options.steps[s];
    int64_t        shape[HONE_RANK_MAX], own[] = {m, n};
    int            rank = 0;
    *step = (hone_step){kinds[hone_random_below(r, 7)], 2, &it->t[s]};
    switch (step->kind) {
    case HONE_STEP_BIAS: rank = broadcast_shape(r, batch, lead, &n, 1, shape); break;
    case HONE_STEP_BIAS_ROWS: rank = broadcast_shape(r, batch, lead, &m, 1, shape); break;
    case HONE_STEP_RESIDUAL:
    case HONE_STEP_RELU_GRADIENT: rank = broadcast_shape(r, batch, lead, own, 2, shape); break;
    case HONE_STEP_STORE:
        memcpy(shape, batch, (size_t)lead * sizeof *shape);
        memcpy(shape + lead, own, sizeof own);
        rank = lead + 2;
        break;
    default: step->tensor = NULL; return;
    }
    if (step->kind == HONE_STEP_RESIDUAL && hone_random_below(r, 3) == 0)
        it->t[s] = it->c; /* in place */
    else
        it->t[s] = step->kind == HONE_STEP_STORE ? place(w, r, it->c.dtype, rank, shape)
                                                 : place_input(w, r, it->c.dtype, rank, shape);
}

static void draw(world *w, uint64_t seed, call *it)
{
    hone_random r = hone_random_seeded(seed);
    static const hone_dtype types[] = {HONE_F32, HONE_F32, HONE_F32, HONE_F32, HONE_F64, HONE_F64, HONE_BF16, HONE_F16};
    hone_dtype  type = types[hone_random_below(&r, 8)];
    int64_t     batch[HONE_RANK_MAX], shape[HONE_RANK_MAX], m = extent(&r), n = extent(&r), k = extent(&r);
    int         lead = (int)hone_random_below(&r, 5);
    memset(it, 0, sizeof *it);
    w->used = GAP;
    for (int i = 0; i < lead; i++) batch[i] = hone_random_below(&r, 30) ? 1 + (int64_t)hone_random_below(&r, 4) : 0;
    memcpy(shape, batch, (size_t)lead * sizeof *shape);
    shape[lead] = m;
    shape[lead + 1] = n;
    it->c = place(w, &r, type, lead + 2, shape);
    int rank = broadcast_shape(&r, batch, lead, (int64_t[]){m, k}, 2, shape);
    it->a = place_input(w, &r, type, rank, shape);
    rank = broadcast_shape(&r, batch, lead, (int64_t[]){k, n}, 2, shape);
    it->b = place_input(w, &r, type, rank, shape);
    it->options = (hone_matmul_options)HONE_MATMUL_OPTIONS;
    if (hone_random_below(&r, 3) == 0) it->options.alpha = (double)hone_random_below(&r, 5) - 2;
    if (hone_random_below(&r, 3) == 0) it->options.beta = (double)hone_random_below(&r, 5) - 2;
    int steps = hone_random_below(&r, 2) ? (int)hone_random_below(&r, HONE_STEPS_MAX + 1) : 0;
    for (int s = 0; s < steps; s++) add_step(w, &r, it, batch, lead, m, n);
    tools_fill(type, w->memory, (int64_t)(w->used + GAP) / (hone_dtype_bits(type) / 8), seed);
}

static void tell(const char *name, const hone_tensor *t)
{
    print_error("  %s %s:", name, hone_dtype_name(t->dtype));
    for (int i = 0; i < t->rank; i++) print_error(" %d by %d", (int)t->shape[i], (int)t->stride[i]);
    print_error("\n");
}

static void tell_case(const call *it, const char *level, int which)
{
    print_error("case %d on %s, alpha %g, beta %g\n", which, level, it->options.alpha, it->options.beta);
    tell("a", &it->a);
    tell("b", &it->b);
    tell("c", &it->c);
    for (int s = 0; s < it->options.step_count; s++) {
        print_error("  step %d of kind %d\n", s, (int)it->options.steps[s].kind);
        if (it->options.steps[s].tensor) tell("  ", it->options.steps[s].tensor);
    }
}

/* 0: more batch dimensions than merge, which the door may refuse. */
static int agrees(world *w, call *it, const char *level, int which)
{
    size_t bytes = w->used + GAP;
    memcpy(w->before, w->memory, bytes);
    tools_forget();
    hone_status status = hone_matmul(w->stream, &it->a, &it->b, &it->c, &it->options);
    if (status == HONE_ERROR_UNSUPPORTED && !tools_sentence_lacks("batch dimensions that do not merge")) return 0;
    if (status != HONE_OK) {
        tell_case(it, level, which);
        works(status);
    }
    works(hone_stream_wait(w->stream));
    memcpy(w->after, w->memory, bytes);
    memcpy(w->memory, w->before, bytes);
    tools_matmul(&it->a, &it->b, &it->c, &it->options);
    if (!memcmp(w->after, w->memory, bytes)) return 1;
    /* numbers, not bits: -0 is 0 */
    size_t size = (size_t)hone_dtype_bits(it->c.dtype) / 8;
    for (size_t at = 0; at + size <= bytes; at += size) {
        double got = hone_element_load(it->c.dtype, w->after + at, 0);
        double truth = hone_element_load(it->c.dtype, w->memory + at, 0);
        if (got == truth) continue;
        tell_case(it, level, which);
        fail_msg("byte %zu of the arena is %g, and should be %g", at, got, truth);
    }
    return 1;
}

/* Narrow operands beside an f32 result, and a narrow result beside f32 vectors. */
static void types_are_mixed(void **state)
{
    static const hone_dtype types[][3] = {{HONE_BF16, HONE_BF16, HONE_F32}, {HONE_F16, HONE_F16, HONE_F32},
                                          {HONE_F32, HONE_BF16, HONE_BF16}, {HONE_F16, HONE_BF16, HONE_F16},
                                          {HONE_F16, HONE_F32, HONE_F32},   {HONE_BF16, HONE_BF16, HONE_BF16}};
    enum { M = 5, N = 33, K = 17 };
    world *w = *state;
    assert_true(open_world(w, "portable"));
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        for (int narrow = 0; narrow < 2; narrow++) {
            char      *at[5];
            hone_dtype of_bias = narrow ? types[i][2] : HONE_F32;
            for (int o = 0; o < 5; o++) at[o] = w->memory + o * 8192;
            call it = {.a = hone_matrix(types[i][0], M, K, at[0]),
                       .b = hone_matrix(types[i][1], K, N, at[1]),
                       .c = hone_matrix(types[i][2], M, N, at[2]),
                       .t = {hone_vector(of_bias, N, at[3]), hone_matrix(types[i][2], M, N, at[4])},
                       .options = HONE_MATMUL_OPTIONS};
            it.options.steps[it.options.step_count++] = (hone_step){HONE_STEP_BIAS, 0, &it.t[0]};
            it.options.steps[it.options.step_count++] = (hone_step){HONE_STEP_STORE, 0, &it.t[1]};
            it.options.steps[it.options.step_count++] = (hone_step){HONE_STEP_RELU, 0, NULL};
            memset(w->memory, 0, 5 * 8192);
            tools_fill(types[i][0], at[0], M * K, i);
            tools_fill(types[i][1], at[1], K * N, i + 100);
            tools_fill(of_bias, at[3], N, i + 200);
            w->used = 5 * 8192;
            assert_int_equal(agrees(w, &it, "portable", (int)i), 1);
            int some = 0; /* and they are not all 0 */
            for (int e = 0; e < M * N; e++) some += hone_element_load(types[i][2], w->after + 2 * 8192, e) != 0;
            assert_true(some > M * N / 4);
        }
    close_world(w);
}

/* Weights of few bits, plain and packed, give what the product with the real numbers gives that they stand for; packed
 * and unpacked they are what they were. */
static void weights_agree(void **state)
{
    static const hone_dtype kept[] = {HONE_S4, HONE_U4, HONE_S8, HONE_U8}, real[] = {HONE_F32, HONE_BF16, HONE_F16};
    static const char *const layouts[] = {"n32k8", "n8", "n5k2", "n16k4", "n3"};
    enum { PART = 16384 };
    world *w = *state;
    assert_true(open_world(w, "portable"));
    for (int i = 0; i < 60; i++) {
        hone_random r = hone_random_seeded((uint64_t)i);
        int64_t     m = 1 + (int64_t)hone_random_below(&r, 5), n = 1 + (int64_t)hone_random_below(&r, 20);
        int64_t     k = 1 + (int64_t)hone_random_below(&r, 40), group = (int64_t)hone_random_below(&r, 4) * 8;
        int64_t     batch = 1 + (int64_t)hone_random_below(&r, 3), groups = group ? (k + group - 1) / group : 1;
        bool        across = hone_random_below(&r, 2), shared = hone_random_below(&r, 2), zeros = i % 3;
        hone_dtype  type = kept[i % 4], other = real[hone_random_below(&r, 3)];
        char       *at[6];
        for (int o = 0; o < 6; o++) at[o] = w->memory + o * PART;
        memset(w->memory, 0, 6 * PART);
        int64_t     line = (across ? k : n) + (across ? k : n) % 2, of_b[] = {batch, k, n};
        hone_tensor a = hone_tensor_dense(other, 3, (int64_t[]){batch, m, k}, at[0]);
        hone_tensor b = hone_tensor_dense(type, 3, of_b, at[1]), c = hone_tensor_dense(HONE_F32, 3, of_b, at[2]);
        hone_tensor plain = hone_tensor_dense(HONE_F32, 3, of_b, at[3]);
        hone_tensor scales = hone_tensor_dense(other, 3, (int64_t[]){batch, groups, n}, at[4]), zero = scales;
        b.stride[1] = across ? 1 : line, b.stride[2] = across ? line : 1, b.stride[0] = line * (across ? n : k);
        c.shape[1] = m, c.stride[0] = m * n;
        zero.data = at[5];
        if (shared) b.shape[0] = scales.shape[0] = zero.shape[0] = plain.shape[0] = 1;
        tools_fill(other, at[0], batch * m * k, (uint64_t)i);
        tools_fill(other, at[4], batch * groups * n, (uint64_t)i + 100);
        tools_fill(other, at[5], batch * groups * n, (uint64_t)i + 200);
        for (int64_t e = 0; e < plain.shape[0] * k * n; e++) {
            int64_t x = e / n / k, row = e / n % k, column = e % n, in = group ? row / group : 0;
            int64_t place_g = (x * groups + in) * n + column;
            int64_t place_b = x * b.stride[0] + row * b.stride[1] + column * b.stride[2];
            hone_element_store(type, at[1], place_b, (double)hone_random_below(&r, 256) - 100);
            double q = hone_element_load(type, at[1], place_b);
            double z = zeros ? hone_element_load(other, at[5], place_g) : 0;
            hone_element_store(HONE_F32, at[3], e, (q - z) * hone_element_load(other, at[4], place_g));
        }
        hone_matmul_options      options = HONE_MATMUL_OPTIONS, none = HONE_MATMUL_OPTIONS;
        hone_matmul_pack_options packing = HONE_MATMUL_PACK_OPTIONS;
        hone_matmul_weights     *weights;
        options.b_scales = &scales;
        options.b_zeros = zeros ? &zero : NULL;
        options.b_group = group;
        size_t bytes = (size_t)(batch * m * n) * sizeof(float);
        works(hone_matmul(w->stream, &a, &b, &c, &options));
        works(hone_stream_wait(w->stream));
        memcpy(w->after, at[2], bytes);
        tools_matmul(&a, &plain, &c, &none);
        for (size_t e = 0; e < bytes / sizeof(float); e++)
            if (((float *)(void *)w->after)[e] != ((float *)(void *)at[2])[e]) fail_msg("case %d: element %zu", i, e);

        packing.layout = layouts[hone_random_below(&r, 5)];
        packing.a_type = other;
        packing.b_group = group;
        works(hone_matmul_pack(w->stream, &b, &packing, &weights));
        memset(at[2], 0x11, bytes);
        works(hone_matmul_prepacked(w->stream, &a, weights, &c, &options));
        works(hone_stream_wait(w->stream));
        for (size_t e = 0; e < bytes / sizeof(float); e++)
            if (((float *)(void *)w->after)[e] != ((float *)(void *)at[2])[e])
                fail_msg("case %d, packed as %s: element %zu", i, packing.layout, e);
        memcpy(w->before, at[1], PART);
        memset(at[1], 0, PART);
        works(hone_matmul_unpack(w->stream, weights, &b));
        works(hone_stream_wait(w->stream));
        assert_memory_equal(at[1], w->before, PART);
        works(hone_matmul_weights_destroy(weights));
    }
    close_world(w);
}

static void random_calls_agree(void **state)
{
    world *w = *state;
    for (int level = 0; level < 3; level++) {
        int  asked = 0;
        bool there = open_world(w, levels[level]);
        if (!there) print_message("%s: this CPU has it not\n", levels[level]);
        for (int i = 0; there && i < CASES; i++) {
            call it;
            if (only_case >= 0 && i != only_case) continue;
            draw(w, (uint64_t)i + 1, &it);
            asked += agrees(w, &it, levels[level], i);
        }
        if (there)
            print_message("%s: %d of %d calls agree, bit for bit; the others have too many batch dimensions\n",
                          levels[level], asked, CASES);
        if (there && only_case < 0) assert_true(asked > CASES * 3 / 4);
        close_world(w);
    }
}

/* --- large ones --------------------------------------------------------------------------------------------------- */

/* Long sums go through c in several rounds: what is read of it, and what may lie there, is read in time. */
static void long_sums_in_place(void **state)
{
    world              *w = *state;
    const struct sizes {
        int64_t m, n, k;
    } sizes[] = {{5, 7, 3000}, {1, 64, 4096}, {64, 1, 4096}, {40, 33, 2049}, {130, 70, 1111}};
    for (int level = 0; level < 3; level++) {
        bool there = open_world(w, levels[level]);
        tools_fill(HONE_F32, w->memory, (3 << 20) / 4, (uint64_t)level);
        for (int i = 0; there && i < (HONE_TEST_SHARE > 1 ? 2 : 5); i++)
            for (int kind = 0; kind < 8; kind++) {
                call    it;
                int64_t m = sizes[i].m, n = sizes[i].n, k = sizes[i].k;
                memset(&it, 0, sizeof it);
                it.a = hone_matrix(HONE_F32, m, k, w->memory + GAP);
                it.b = hone_matrix(HONE_F32, k, n, w->memory + (1 << 20));
                it.c = hone_matrix(HONE_F32, m, n, w->memory + (2 << 20));
                it.t[0] = hone_matrix(HONE_F32, m, n, w->memory + (2 << 20) + (1 << 16));
                if (kind & 4) {
                    it.a = hone_transposed(hone_matrix(HONE_F32, k, m, it.a.data));
                    it.b = hone_transposed(hone_matrix(HONE_F32, n, k, it.b.data));
                    it.c = hone_transposed(hone_matrix(HONE_F32, n, m, it.c.data));
                }
                it.options = (hone_matmul_options)HONE_MATMUL_OPTIONS;
                it.options.beta = kind & 1 ? 2 : 0;
                it.options.step_count = kind & 2 ? 2 : 0;
                it.options.steps[0] = (hone_step){HONE_STEP_RESIDUAL, 0, &it.c};
                it.options.steps[1] = (hone_step){HONE_STEP_STORE, 0, &it.t[0]};
                w->used = (2 << 20) + (1 << 17);
                assert_int_equal(agrees(w, &it, levels[level], 1000 * i + kind), 1);
            }
        close_world(w);
    }
}

/* --- arrays of pointers ------------------------------------------------------------------------------------------- */

enum { ITEMS_MAX = 300 };

static void many_agree(void **state)
{
    world      *w = *state;
    const void *as[ITEMS_MAX], *bs[ITEMS_MAX];
    void       *cs[ITEMS_MAX];
    for (int level = 0; level < 3; level++) {
        bool there = open_world(w, levels[level]);
        for (int i = 0; there && i < 400 / HONE_TEST_SHARE; i++) {
            hone_random r = hone_random_seeded((uint64_t)i + 77);
            hone_dtype  type = i % 3 ? HONE_F32 : HONE_F64;
            int64_t     m = extent(&r), n = extent(&r), k = extent(&r);
            int         items = (int)hone_random_below(&r, i % 20 ? 9 : ITEMS_MAX);
            hone_tensor a, b, c, bias;
            hone_matmul_options options = HONE_MATMUL_OPTIONS;
            w->used = GAP;
            bias = place(w, &r, type, 1, &n);
            if (i % 2) {
                options.beta = (double)(i % 3);
                options.step_count = 2;
                options.steps[0] = (hone_step){HONE_STEP_BIAS, 0, &bias};
                options.steps[1] = (hone_step){HONE_STEP_RELU, 0, NULL};
            }
            hone_random again = r;
            for (int item = 0; item < items; item++) {
                hone_random same = again; /* the same strides for all */
                a = place(w, &same, type, 2, (int64_t[]){m, k});
                b = place(w, &same, type, 2, (int64_t[]){k, n});
                c = place(w, &same, type, 2, (int64_t[]){m, n});
                as[item] = item % 3 == 1 ? as[0] : a.data; /* inputs may be shared */
                bs[item] = b.data;
                cs[item] = c.data;
            }
            if (!items) {
                a = hone_matrix(type, m, k, NULL);
                b = hone_matrix(type, k, n, NULL);
                c = hone_matrix(type, m, n, NULL);
            }
            size_t bytes = w->used + GAP;
            tools_fill(type, w->memory, (int64_t)bytes / (hone_dtype_bits(type) / 8), (uint64_t)i);
            memcpy(w->before, w->memory, bytes);
            a.data = b.data = c.data = NULL;
            works(hone_matmul_many(w->stream, items, &a, as, &b, bs, &c, cs, &options));
            works(hone_stream_wait(w->stream));
            memcpy(w->after, w->memory, bytes);
            memcpy(w->memory, w->before, bytes);
            for (int item = 0; item < items; item++) {
                a.data = (void *)(uintptr_t)as[item];
                b.data = (void *)(uintptr_t)bs[item];
                c.data = cs[item];
                tools_matmul(&a, &b, &c, &options);
            }
            if (memcmp(w->after, w->memory, bytes)) fail_msg("call %d on %s: the products differ", i, levels[level]);
        }
        close_world(w);
    }
}

/* --- equal results by other ways ---------------------------------------------------------------------------------- */

/* A plan that the caller holds, and the same call: the same bits, with values that change from run to run. */
static void plans_agree(void **state)
{
    world *w = *state;
    bool   there = open_world(w, "avx512");
    (void)there; /* whatever this CPU has at most */
    for (int i = 0; i < 1000 / HONE_TEST_SHARE; i++) {
        call        it;
        hone_plan  *plan;
        size_t      scratch_bytes;
        draw(w, (uint64_t)i + 4000, &it);
        size_t bytes = w->used + GAP;
        tools_forget();
        hone_status status = hone_matmul_plan(w->cpu, &it.a, &it.b, &it.c, &it.options, &plan);
        if (status == HONE_ERROR_UNSUPPORTED && !tools_sentence_lacks("batch dimensions that do not merge")) continue;
        works(status);
        works(hone_plan_scratch(plan, &scratch_bytes));
        void         *scratch = aligned_alloc(64, scratch_bytes / 64 * 64 + 64);
        hone_operand  operands[HONE_MATMUL_OPERANDS] = {{0}};
        double        values[HONE_MATMUL_VALUES] = {it.options.alpha, it.options.beta};
        hone_tensor  *tensors[] = {&it.a, &it.b, &it.c};
        for (int o = 0; o < 3; o++) operands[o].host = tensors[o]->data;
        for (int s = 0; s < it.options.step_count; s++) {
            if (it.options.steps[s].tensor) operands[HONE_MATMUL_STEP0 + s].host = it.t[s].data;
            values[HONE_MATMUL_VALUE0 + s] = it.options.steps[s].value;
        }
        hone_plan_arguments arguments = {.size = sizeof arguments,
                                         .operands = operands,
                                         .operand_count = HONE_MATMUL_OPERANDS,
                                         .values = values,
                                         .value_count = HONE_MATMUL_VALUES,
                                         .scratch = {NULL, scratch, 0, scratch_bytes}};
        memcpy(w->before, w->memory, bytes);
        works(hone_plan_run(w->stream, plan, &arguments));
        works(hone_stream_wait(w->stream));
        memcpy(w->after, w->memory, bytes);
        memcpy(w->memory, w->before, bytes);
        works(hone_matmul(w->stream, &it.a, &it.b, &it.c, &it.options));
        works(hone_stream_wait(w->stream));
        if (memcmp(w->after, w->memory, bytes)) {
            tell_case(&it, "a plan", i);
            fail_msg("the plan and the call differ");
        }
        works(hone_plan_destroy(plan));
        free(scratch);
    }
    close_world(w);
}

static int set_up(void **state)
{
    static world w;
    w.memory = aligned_alloc(64, ARENA);
    w.before = aligned_alloc(64, ARENA);
    w.after = aligned_alloc(64, ARENA);
    *state = &w;
    return 0;
}

static int tear_down(void **state)
{
    world *w = *state;
    free(w->memory);
    free(w->before);
    free(w->after);
    return 0;
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_are_mixed), cmocka_unit_test(weights_agree), cmocka_unit_test(random_calls_agree),
        cmocka_unit_test(long_sums_in_place),
        cmocka_unit_test(many_agree),
        cmocka_unit_test(plans_agree),
    };
    if (count == 3 && !strcmp(arguments[1], "--case")) only_case = atoi(arguments[2]);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
