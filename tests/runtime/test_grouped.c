/* The door of grouped matmul: every group against hone_matmul on it alone, on every instruction set of this CPU and on
 * one and two threads; a plan that serves every routing; and what it refuses, with c untouched. */
#include "tests/runtime/tools.h"

#include <stdlib.h>

#include "base/element.h"
#include "base/random.h"

enum { ROWS = 70, N = 37, K = 29, GROUPS = 6 };

typedef struct world {
    hone_context *hone;
    hone_device  *cpu;
    hone_stream  *stream;
} world;

static bool open_world(world *w, const char *level, int threads)
{
    hone_device_facts    facts = {.size = sizeof facts};
    hone_context_options options = HONE_CONTEXT_OPTIONS;
    options.thread_count = threads;
    setenv("HONE_ISA", level, 1);
    works(hone_context_create(&options, &w->hone));
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

static hone_tensor cube(hone_dtype type, int64_t groups, int64_t rows, int64_t columns, void *data)
{
    return (hone_tensor){.data = data, .dtype = type, .rank = 3, .shape = {groups, rows, columns},
                         .stride = {rows * columns, columns, 1}};
}

static hone_tensor vector(hone_dtype type, int64_t length, void *data)
{
    return (hone_tensor){.data = data, .dtype = type, .rank = 1, .shape = {length}, .stride = {1}};
}

/* Rows begin .. end-1. */
static hone_tensor rows_of(const hone_tensor *t, int64_t begin, int64_t end)
{
    hone_tensor part = *t;
    part.data = (char *)t->data + begin * t->stride[0] * (hone_dtype_bits(t->dtype) / 8);
    part.shape[0] = end - begin;
    return part;
}

static hone_tensor group_of(const hone_tensor *t, int64_t g)
{
    hone_tensor part = {.dtype = t->dtype, .rank = t->rank - 1};
    part.data = (char *)t->data + g * t->stride[0] * (hone_dtype_bits(t->dtype) / 8);
    for (int d = 0; d < part.rank; d++) part.shape[d] = t->shape[d + 1], part.stride[d] = t->stride[d + 1];
    return part;
}

typedef struct memory {
    double a[ROWS * K], b[GROUPS * K * N], c[ROWS * N], d[GROUPS * K * N], bias[GROUPS * N], expected[GROUPS * K * N];
} memory;

static memory m;

static const int64_t routings[][GROUPS + 1] = {{0, 1, 3, 3, 20, 69, 70},  {0, 0, 0, 0, 0, 0, 70},
                                               {5, 5, 6, 14, 30, 44, 60}, {0, 0, 0, 0, 0, 0, 0},
                                               {0, 1, 2, 3, 4, 5, 6},     {70, 70, 70, 70, 70, 70, 70}};

static void all_groups(world *w, hone_dtype type, const int64_t *at, bool wide)
{
    int32_t     narrow[GROUPS + 1];
    int64_t     copy[GROUPS + 1];
    hone_tensor a = hone_matrix(type, ROWS, K, m.a), b = cube(type, GROUPS, K, N, m.b);
    hone_tensor c = hone_matrix(type, ROWS, N, m.c), truth = hone_matrix(type, ROWS, N, m.expected);
    hone_tensor bias = hone_matrix(type, GROUPS, N, m.bias);
    hone_tensor offsets = vector(wide ? HONE_S64 : HONE_S32, GROUPS + 1, wide ? (void *)copy : (void *)narrow);
    hone_matmul_options options = HONE_MATMUL_OPTIONS, each;
    options.alpha = 2;
    options.steps[options.step_count++] = (hone_step){HONE_STEP_BIAS, 0, &bias};
    options.steps[options.step_count++] = (hone_step){HONE_STEP_RELU, 0, NULL};
    for (int g = 0; g <= GROUPS; g++) copy[g] = at[g], narrow[g] = (int32_t)at[g];
    tools_fill(type, m.a, ROWS * K, 1);
    tools_fill(type, m.b, GROUPS * K * N, 2);
    tools_fill(type, m.bias, GROUPS * N, 3);
    memset(m.c, 0x41, sizeof m.c);
    memset(m.expected, 0x41, sizeof m.expected);
    for (int64_t g = 0; g < GROUPS; g++) {
        hone_tensor a_g = rows_of(&a, at[g], at[g + 1]), b_g = group_of(&b, g), c_g = rows_of(&truth, at[g], at[g + 1]);
        hone_tensor bias_g = group_of(&bias, g);
        each = options;
        each.steps[0].tensor = &bias_g;
        if (at[g] < at[g + 1]) tools_matmul(&a_g, &b_g, &c_g, &each);
    }
    works(hone_matmul_grouped(w->stream, &a, &b, &offsets, &c, &options));
    works(hone_stream_wait(w->stream));
    assert_memory_equal(m.c, m.expected, sizeof m.c);

    /* and the gradient of b: a^T and the rows of c */
    hone_tensor turned = a, sums = cube(type, GROUPS, K, N, m.d), rows = hone_matrix(type, ROWS, N, m.c);
    turned.shape[0] = K, turned.shape[1] = ROWS, turned.stride[0] = 1, turned.stride[1] = K;
    tools_fill(type, m.c, ROWS * N, 4);
    memset(m.d, 0x41, sizeof m.d);
    memset(m.expected, 0x41, sizeof m.expected);
    hone_tensor truths = cube(type, GROUPS, K, N, m.expected);
    for (int64_t g = 0; g < GROUPS; g++) {
        hone_tensor part = rows_of(&a, at[g], at[g + 1]), b_g = rows_of(&rows, at[g], at[g + 1]);
        hone_tensor a_g = part, c_g = group_of(&truths, g);
        a_g.shape[0] = K, a_g.shape[1] = part.shape[0], a_g.stride[0] = 1, a_g.stride[1] = K;
        tools_matmul(&a_g, &b_g, &c_g, NULL);
    }
    works(hone_matmul_grouped(w->stream, &turned, &rows, &offsets, &sums, NULL));
    works(hone_stream_wait(w->stream));
    assert_memory_equal(m.d, m.expected, sizeof m.d);
}

static void groups_are_products(void **state)
{
    static const char *const levels[] = {"portable", "avx2", "avx512"};
    static const hone_dtype  types[] = {HONE_F32, HONE_F64, HONE_BF16};
    (void)state;
    for (int level = 0; level < 3; level++)
        for (int threads = 1; threads <= 2; threads++) {
            world w;
            if (open_world(&w, levels[level], threads))
                for (size_t i = 0; i < sizeof routings / sizeof *routings; i++)
                    for (int t = 0; t < 3; t++) all_groups(&w, types[t], routings[i], (i + (size_t)t) % 2);
            close_world(&w);
        }
}

/* One plan, other offsets in each run. */
static void a_plan_serves_every_routing(void **state)
{
    world       w;
    int64_t     at[GROUPS + 1];
    float      *a = (float *)(void *)m.a, *b = (float *)(void *)m.b, *c = (float *)(void *)m.c;
    hone_tensor ta = hone_matrix(HONE_F32, ROWS, K, NULL), tb = cube(HONE_F32, GROUPS, K, N, NULL);
    hone_tensor tc = hone_matrix(HONE_F32, ROWS, N, NULL), to = vector(HONE_S64, GROUPS + 1, NULL);
    hone_plan  *plan;
    size_t      bytes;
    (void)state;
    open_world(&w, "avx512", 2);
    works(hone_matmul_grouped_plan(w.cpu, &ta, &tb, &to, &tc, NULL, &plan));
    works(hone_plan_scratch(plan, &bytes));
    void        *scratch = aligned_alloc(64, (bytes + 127) / 64 * 64);
    hone_operand operands[HONE_MATMUL_GROUPED_OPERANDS] = {{NULL, a, 0, 0}, {NULL, b, 0, 0}, {NULL, c, 0, 0}};
    operands[HONE_MATMUL_GROUPED_OFFSETS] = (hone_operand){NULL, at, 0, sizeof at};
    const double        values[] = {1, 0};
    hone_plan_arguments run = {.size = sizeof run, .operands = operands,
                               .operand_count = HONE_MATMUL_GROUPED_OPERANDS, .values = values, .value_count = 2,
                               .scratch = {NULL, scratch, 0, bytes}};
    tools_fill(HONE_F32, a, ROWS * K, 5);
    tools_fill(HONE_F32, b, GROUPS * K * N, 6);
    for (size_t i = 0; i < sizeof routings / sizeof *routings; i++) {
        hone_tensor ha = hone_matrix(HONE_F32, ROWS, K, a), hb = cube(HONE_F32, GROUPS, K, N, b);
        hone_tensor truth = hone_matrix(HONE_F32, ROWS, N, m.expected);
        memcpy(at, routings[i], sizeof at);
        memset(m.c, 0x41, sizeof m.c);
        memset(m.expected, 0x41, sizeof m.expected);
        for (int64_t g = 0; g < GROUPS; g++) {
            hone_tensor a_g = rows_of(&ha, at[g], at[g + 1]), b_g = group_of(&hb, g),
                        c_g = rows_of(&truth, at[g], at[g + 1]);
            if (at[g] < at[g + 1]) tools_matmul(&a_g, &b_g, &c_g, NULL);
        }
        works(hone_plan_run(w.stream, plan, &run));
        works(hone_stream_wait(w.stream));
        assert_memory_equal(m.c, m.expected, sizeof(float) * ROWS * N);
    }
    at[2] = -7;
    memset(m.c, 0x41, sizeof m.c);
    memcpy(m.expected, m.c, sizeof m.c);
    refused(hone_plan_run(w.stream, plan, &run), HONE_ERROR_ARGUMENT, "offsets[2] is -7");
    assert_memory_equal(m.c, m.expected, sizeof m.c);
    works(hone_plan_destroy(plan));
    free(scratch);
    close_world(&w);
}

static void what_is_wrong_is_refused(void **state)
{
    world       w;
    int64_t     at[GROUPS + 1] = {0, 1, 2, 3, 4, 5, 6}, out[4];
    hone_tensor a = hone_matrix(HONE_F32, ROWS, K, m.a), b = cube(HONE_F32, GROUPS, K, N, m.b);
    hone_tensor c = hone_matrix(HONE_F32, ROWS, N, m.c), o = vector(HONE_S64, GROUPS + 1, at), other;
    hone_tensor bias = hone_matrix(HONE_F32, GROUPS, N, m.bias);
    hone_plan  *plan = NULL;
    hone_matmul_options options = HONE_MATMUL_OPTIONS;
    (void)state, (void)out;
    open_world(&w, "avx512", 1);
    memset(m.c, 0x41, sizeof m.c);
    memcpy(m.expected, m.c, sizeof m.c);
#define REFUSED(status, words, ...)                                                                                    \
    do {                                                                                                               \
        refused(hone_matmul_grouped(__VA_ARGS__), status, words);                                                      \
        assert_memory_equal(m.c, m.expected, sizeof m.c);                                                              \
    } while (0)
    REFUSED(HONE_ERROR_HANDLE, "stream", NULL, &a, &b, &o, &c, NULL);
    REFUSED(HONE_ERROR_ARGUMENT, "a is NULL", w.stream, NULL, &b, &o, &c, NULL);
    REFUSED(HONE_ERROR_ARGUMENT, "b is NULL", w.stream, &a, NULL, &o, &c, NULL);
    REFUSED(HONE_ERROR_ARGUMENT, "offsets is NULL", w.stream, &a, &b, NULL, &c, NULL);
    REFUSED(HONE_ERROR_ARGUMENT, "c is NULL", w.stream, &a, &b, &o, NULL, NULL);
    REFUSED(HONE_ERROR_SHAPE, "ranks 2, 2 and 2", w.stream, &a, &a, &o, &c, NULL);
    REFUSED(HONE_ERROR_SHAPE, "ranks 3, 3 and 2", w.stream, &b, &b, &o, &c, NULL);
    other = o, other.shape[0] = GROUPS;
    REFUSED(HONE_ERROR_SHAPE, "6 elements|vector of 7", w.stream, &a, &b, &other, &c, NULL);
    other = o, other.stride[0] = 2;
    REFUSED(HONE_ERROR_SHAPE, "2 elements apart", w.stream, &a, &b, &other, &c, NULL);
    other = o, other.dtype = HONE_F32;
    REFUSED(HONE_ERROR_TYPE, "offsets are f32", w.stream, &a, &b, &other, &c, NULL);
    other = o, other.data = NULL;
    REFUSED(HONE_ERROR_ARGUMENT, "offsets|no memory", w.stream, &a, &b, &other, &c, NULL);
    other = o, other.data = m.c;
    REFUSED(HONE_ERROR_OVERLAP, "offsets", w.stream, &a, &b, &other, &c, NULL);
    other = b, other.data = m.c;
    REFUSED(HONE_ERROR_OVERLAP, "c|b", w.stream, &a, &other, &o, &c, NULL);
    other = b, other.shape[1] = K + 1;
    REFUSED(HONE_ERROR_SHAPE, "29|30", w.stream, &a, &other, &o, &c, NULL);
    other = b, other.data = NULL;
    REFUSED(HONE_ERROR_ARGUMENT, "b|no memory", w.stream, &a, &other, &o, &c, NULL);
    options.size = 8;
    REFUSED(HONE_ERROR_ARGUMENT, "options.size is 8", w.stream, &a, &b, &o, &c, &options);
    options.size = sizeof options;
    options.step_count = 1;
    options.steps[0] = (hone_step){HONE_STEP_BIAS, 0, &bias};
    bias.shape[0] = GROUPS - 1;
    REFUSED(HONE_ERROR_SHAPE, "5 vectors|6", w.stream, &a, &b, &o, &c, &options);
    bias.shape[0] = GROUPS, bias.shape[1] = N - 1;
    REFUSED(HONE_ERROR_SHAPE, "36|37", w.stream, &a, &b, &o, &c, &options);
    at[3] = 1;
    REFUSED(HONE_ERROR_ARGUMENT, "offsets[2] is 2 and offsets[3] is 1", w.stream, &a, &b, &o, &c, NULL);
    at[3] = 3, at[6] = 71;
    REFUSED(HONE_ERROR_ARGUMENT, "offsets[6] is 71|70 rows", w.stream, &a, &b, &o, &c, NULL);
    at[6] = 6, at[0] = -1;
    REFUSED(HONE_ERROR_ARGUMENT, "offsets[0] is -1", w.stream, &a, &b, &o, &c, NULL);
    refused(hone_matmul_grouped_plan(NULL, &a, &b, &o, &c, NULL, &plan), HONE_ERROR_HANDLE, "device");
    refused(hone_matmul_grouped_plan(w.cpu, &a, &b, &o, &c, NULL, NULL), HONE_ERROR_ARGUMENT, "out");
    refused(hone_matmul_grouped_plan(w.cpu, &a, &b, NULL, &c, NULL, &plan), HONE_ERROR_ARGUMENT, "offsets");
    assert_null(plan);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(groups_are_products),
                                       cmocka_unit_test(a_plan_serves_every_routing),
                                       cmocka_unit_test(what_is_wrong_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
