/* Layouts that only a kernel reads: two kernels of a module that keep b backwards behind a mark, and what the house
 * does for them. Problems with them are judged and timed by the plain ones they come from, the door packs, multiplies,
 * unpacks and adopts; a packing that goes wrong is found by the product that reads it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "kernels/matmul/problem.h"
#include "kernels/matmul_pack/problem.h"
#include "tests/runtime/tools.h"
#include "tuner/contest.h"

#define LAYOUT "odd:backwards"
enum { MARK = 16 }; /* bytes before the elements, which are all ones */

static bool loses_one; /* the packing forgets the last element */

static int64_t size_of(uint8_t type)
{
    return type == HONE_F32 ? 4 : 8;
}

/* Element (k, j) of one matrix. */
static int64_t place(int64_t rows, int64_t columns, int64_t k, int64_t j)
{
    return (rows - 1 - k) + (columns - 1 - j) * rows;
}

/* --- the kernels -------------------------------------------------------------------------------------------------- */

static const char *odd_refuses(const hone_request *request)
{
    const hone_matmul_problem *p = request->problem;
    if (strcmp(p->b_layout, LAYOUT)) return "b is not backwards";
    if (p->b_bytes != p->k * p->n * size_of(p->type_b) + MARK) return "b has not the bytes that it has backwards";
    return p->step_count ? "it has no steps" : NULL;
}

static int odd_layouts(const hone_request *request, int role, hone_layout *out, int cap)
{
    const hone_matmul_problem *p = request->problem;
    if (role != HONE_MATMUL_B || cap < 1 || p->step_count || p->pointers || hone_matmul_packed_b(p)) return 0;
    memset(out, 0, sizeof *out);
    strcpy(out->name, LAYOUT);
    out->bytes = p->k * p->n * size_of(p->type_b) + MARK;
    return 1;
}

static int suggest(const hone_request *request, hone_config *configs, int cap)
{
    (void)request;
    if (cap > 0) memset(configs, 0, sizeof *configs);
    return cap > 0;
}

static double estimate(const hone_request *request, const hone_config *config)
{
    (void)request, (void)config;
    return 1; /* never chosen unasked */
}

static hone_status prepare(const hone_request *request, const hone_config *config, const hone_details *details,
                           void **ready, hone_needs *needs)
{
    (void)config, (void)details;
    *ready = hone_alloc(1, HONE_PROBLEM_MAX);
    if (!*ready) return HONE_ERROR_MEMORY;
    memcpy(*ready, request->problem, request->op->problem_size);
    needs->scratch_bytes = 64; /* for the asking */
    return HONE_OK;
}

static double load(const char *at, uint8_t type, int64_t offset)
{
    return type == HONE_F32 ? (double)((const float *)(const void *)at)[offset]
                            : ((const double *)(const void *)at)[offset];
}

static void store(char *at, uint8_t type, int64_t offset, double x)
{
    if (type == HONE_F32)
        ((float *)(void *)at)[offset] = (float)x;
    else
        ((double *)(void *)at)[offset] = x;
}

static hone_status odd_launch(void *ready, hone_be_stream *stream, const hone_arguments *arguments, hone_span scratch)
{
    const hone_matmul_problem *p = ready;
    const double alpha = arguments->scalars[HONE_MATMUL_ALPHA].value, beta = arguments->scalars[HONE_MATMUL_BETA].value;
    (void)stream, (void)scratch;
    for (int64_t i = 0; i < hone_matmul_batch(p) && p->m && p->n; i++) {
        const char *a = hone_span_host(&arguments->at[HONE_MATMUL_A]),
                   *b = hone_span_host(&arguments->at[HONE_MATMUL_B]);
        char       *c = hone_span_host(&arguments->at[HONE_MATMUL_C]);
        int64_t at_a = hone_matmul_batch_offset(p, p->a_batch, i), at_c = hone_matmul_batch_offset(p, p->c_batch, i);
        b += hone_matmul_batch_offset(p, p->b_batch, i) * p->b_bytes;
        for (int at = 0; at < MARK; at++)
            if ((unsigned char)b[at] != 0xff) return hone_fail(HONE_ERROR_STATE, "b bears no mark");
        for (int64_t row = 0; row < p->m; row++)
            for (int64_t j = 0; j < p->n; j++) {
                double  sum = 0;
                int64_t out = at_c + row * p->c_row + j * p->c_column;
                for (int64_t k = 0; k < p->k; k++)
                    sum += load(a, p->type_a, at_a + row * p->a_row + k * p->a_column) *
                           load(b + MARK, p->type_b, place(p->k, p->n, k, j));
                store(c, p->type_c, out, alpha * sum + (p->reads_c ? beta * load(c, p->type_c, out) : 0));
            }
    }
    return HONE_OK;
}

static const char *packs_refuses(const hone_request *request)
{
    const hone_matmul_pack_problem *p = request->problem;
    return strcmp(p->layout, LAYOUT) ? "the layout is not backwards" : NULL;
}

static hone_status packs_launch(void *ready, hone_be_stream *stream, const hone_arguments *arguments, hone_span scratch)
{
    const hone_matmul_pack_problem *p = ready;
    char *from = hone_span_host(&arguments->at[HONE_PACK_FROM]), *to = hone_span_host(&arguments->at[HONE_PACK_TO]);
    (void)stream, (void)scratch;
    for (int64_t i = 0; i < p->count; i++) {
        char *plain = (p->unpack ? to : from) + i * p->matrix * size_of(p->type);
        char *packed = (p->unpack ? from : to) + i * p->bytes;
        if (!p->unpack) memset(packed, 0xff, MARK);
        for (int64_t k = 0; k < p->k; k++)
            for (int64_t j = 0; j < p->n; j++) {
                int64_t there = place(p->k, p->n, k, j), here = k * p->row + j * p->column;
                if (p->unpack)
                    store(plain, p->type, here, load(packed + MARK, p->type, there));
                else
                    store(packed + MARK, p->type, there, loses_one && !k && !j ? 0 : load(plain, p->type, here));
            }
    }
    return HONE_OK;
}

static void release(void *ready)
{
    hone_free(ready);
}

static const hone_kernel odd = {.name = "odd.matmul", .op = "matmul", .op_version = 2,
                                .problem_size = sizeof(hone_matmul_problem), .backend = "cpu", .version = 1,
                                .properties = HONE_BITWISE_ALL | HONE_ONE_THREAD, .refuses = odd_refuses,
                                .layouts = odd_layouts, .suggest = suggest, .estimate = estimate, .prepare = prepare,
                                .launch = odd_launch, .release = release};
static const hone_kernel packs = {.name = "odd.pack", .op = "matmul_pack", .op_version = 1,
                                  .problem_size = sizeof(hone_matmul_pack_problem), .backend = "cpu", .version = 1,
                                  .properties = HONE_BITWISE_ALL | HONE_ONE_THREAD, .refuses = packs_refuses,
                                  .suggest = suggest, .estimate = estimate, .prepare = prepare,
                                  .launch = packs_launch, .release = release};
static const hone_kernel *const kernels[] = {&odd, &packs, NULL};
static const hone_module        module = {HONE_MODULE_ABI, "odd", NULL, NULL, kernels};

/* --- what the house does with them -------------------------------------------------------------------------------- */

typedef struct world {
    hone_context    *handle;
    hone_rt_context *context;
    hone_be_device  *device;
    hone_device     *cpu;
    hone_stream     *stream;
} world;

static void open_world(world *w)
{
    const hone_module *list[] = {&module};
    setenv("HONE_MODULES", "off", 1);
    works(hone_rt_context_create(NULL, list, 1, &w->handle));
    works(hone_rt_context_hold(w->handle, &w->context));
    works(hone_device_find(w->handle, "cpu:0", &w->cpu));
    works(hone_stream_create(w->cpu, &w->stream));
    w->device = hone_rt_device_find(w->context, "cpu:0");
    loses_one = false;
}

static void close_world(world *w)
{
    works(hone_stream_destroy(w->stream));
    hone_rt_context_release(w->context);
    works(hone_context_destroy(w->handle));
    assert_int_equal(hone_alloc_live(), 0);
}

static hone_request request_of(const world *w, const void *problem)
{
    return (hone_request){
        .device = w->device, .op = &hone_matmul_op, .problem = problem, .threads = 1, .alignment = 16};
}

static const char *const plain_texts[] = {"f32 nn 7x9x5",      "f64 nt 3x4x11 beta=1", "f32 tn 5x6x7 batch=3",
                                          "f32 nn 4x8x6 batch=2x3 bsb=0x48", "f64 nn 2x3x4 batch=2 sc=2x6 bsc=1 bsb=0"};

/* Judged by the plain problem: right where it is, and wrong where the packing loses an element. */
static void judged_by_the_plain_problem(void **state)
{
    world w;
    (void)state;
    open_world(&w);
    for (size_t i = 0; i < sizeof plain_texts / sizeof *plain_texts; i++)
        for (int wrong = 0; wrong < 2; wrong++) {
            hone_matmul_problem plain, packed;
            hone_layout         layout;
            hone_rt_plan       *plan;
            hone_verdict        verdict;
            hone_judge_options  how = {.seed = 3 + i, .bits = true};
            works(hone_matmul_op.parse(plain_texts[i], &plain));
            hone_request request = request_of(&w, &plain);
            assert_int_equal(hone_rt_layouts(&request, &odd, HONE_MATMUL_B, &layout, 1), 1);
            works(hone_matmul_op.lay_out(&plain, HONE_MATMUL_B, &layout, &packed));
            request.problem = &packed;
            works(hone_rt_plan_with(w.context, &request, &odd, NULL, &plan));
            loses_one = wrong;
            works(hone_judge_plan(w.context, plan, &how, &verdict));
            loses_one = false;
            if (!wrong && verdict.fault) fail_msg("%s", verdict.sentence);
            if (wrong) assert_true(verdict.fault == HONE_FAULT_EXACT);
            hone_rt_plan_release(plan);
        }
    close_world(&w);
}

/* Timed on data that were packed: the kernel would complain of others. */
static void timed_on_packed_data(void **state)
{
    world                w;
    hone_contest         contest;
    hone_matmul_problem  p;
    hone_measure_options how = hone_measure_defaults();
    (void)state;
    open_world(&w);
    works(hone_matmul_op.parse("f32 nn 7x9x5 batch=2 b=" LAYOUT " b_bytes=196", &p));
    hone_request request = request_of(&w, &p);
    request.alignment = 64;
    works(hone_contest_open(w.context, &request, &(hone_contest_options){.seed = 1}, &contest));
    how.rounds_min = how.rounds_max = 1;
    how.sample_s = 1e-6;
    works(hone_contest_time(&contest, &how));
    assert_ptr_equal(contest.entrants[0].candidate.kernel, &odd);
    assert_true(contest.measurement->timings[0].rounds >= 1);
    hone_contest_close(&contest);

    works(hone_matmul_op.parse("f32 nn 7x9x5 b=nobody:x b_bytes=196", &p));
    refused(hone_contest_open(w.context, &request, &(hone_contest_options){.seed = 1}, &contest),
            HONE_ERROR_UNSUPPORTED, "nothing on cpu:0 takes|matmul_pack");
    close_world(&w);
}

static void through_the_door(void **state)
{
    enum { M = 4, N = 6, K = 5, BATCH = 2 };
    world                     w;
    double                    a_values[M * K], b_values[BATCH * K * N], c_values[BATCH * M * N], truth[BATCH * M * N];
    double                    again[BATCH * K * N];
    hone_matmul_weights      *weights, *adopted;
    hone_matmul_pack_options  how = HONE_MATMUL_PACK_OPTIONS;
    hone_matmul_weights_facts facts = {.size = sizeof facts};
    const int64_t             b_shape[] = {BATCH, N, K}, c_shape[] = {BATCH, M, N};
    (void)state;
    open_world(&w);
    tools_fill(HONE_F64, a_values, M * K, 1);
    tools_fill(HONE_F64, b_values, BATCH * K * N, 2);
    hone_tensor a = hone_matrix(HONE_F64, M, K, a_values);
    hone_tensor b = hone_transposed(hone_tensor_dense(HONE_F64, 3, b_shape, b_values));
    hone_tensor c = hone_tensor_dense(HONE_F64, 3, c_shape, c_values), t = c, out = b;
    t.data = truth;
    out.data = again;
    tools_matmul(&a, &b, &t, NULL);

    works(hone_matmul_pack(w.stream, &b, NULL, &weights)); /* unasked, hone's own */
    works(hone_matmul_weights_describe(weights, &facts));
    assert_int_equal(facts.layout[0], 'n');
    works(hone_matmul_weights_destroy(weights));
    how.layout = LAYOUT;
    works(hone_matmul_pack(w.stream, &b, &how, &weights));
    works(hone_matmul_weights_describe(weights, &facts));
    assert_string_equal(facts.layout, LAYOUT);
    assert_int_equal(facts.memory.bytes, BATCH * (K * N * 8 + MARK));
    works(hone_matmul_weights_adopt(w.cpu, &facts, &adopted));
    works(hone_matmul_weights_destroy(weights));
    works(hone_matmul_prepacked(w.stream, &a, adopted, &c, NULL));
    assert_memory_equal(c_values, truth, sizeof truth);
    works(hone_matmul_unpack(w.stream, adopted, &out));
    assert_memory_equal(again, b_values, sizeof b_values);
    hone_matmul_options relu = HONE_MATMUL_OPTIONS;
    relu.step_count = 1;
    relu.steps[0].kind = HONE_STEP_RELU;
    refused(hone_matmul_prepacked(w.stream, &a, adopted, &c, &relu), HONE_ERROR_UNSUPPORTED,
            "odd.matmul: it has no steps");
    works(hone_matmul_weights_destroy(adopted));
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(judged_by_the_plain_problem),
                                       cmocka_unit_test(timed_on_packed_data), cmocka_unit_test(through_the_door)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
