/* The subjects: see subjects.h. They come from the tables; only what a call costs needs an op of its own, a product. */
#include "bench/subjects.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tuner/contest.h"
#include "tuner/roofline.h"

#define SAMPLE_S 20e-6 /* a thousand steps of the clock */
#define TINY     "matmul f32 nn 8x8x8"

struct bench_subject {
    char              *name;
    const hone_op     *op;
    const hone_kernel *kernel; /* NULL: `call` is the subject */
    hone_rt_problem    problem;
    hone_status (*call)(int64_t repeats);
    hone_request    request;
    hone_rt_plan   *plan;
    hone_operands  *operands;
    hone_runner    *runner;
    hone_contestant contestant;
    int64_t         batch;
    char            why[640];
};

static hone_context    *handle;
static hone_rt_context *context;
static hone_be_device  *device;
static bench_subject  **list;
static int              list_count;

static void *or_end(void *memory)
{
    if (memory) return memory;
    fputs("hone_bench: out of memory\n", stderr);
    exit(1);
}

static bench_subject *add(const char *first, const char *second, const char *third)
{
    char name[2048];
    snprintf(name, sizeof name, "%s/%s%s%s", first, second, *third ? "/" : "", third);
    list = or_end(reallocarray(list, (size_t)list_count + 1, sizeof(bench_subject *)));
    bench_subject *subject = list[list_count++] = or_end(calloc(1, sizeof *subject));
    subject->name = or_end(strdup(name));
    return subject;
}

/* --- what a call costs ------------------------------------------------------------------------------------------- */

static float         memory[3][64] __attribute__((aligned(64)));
static hone_tensor   a, b, c;
static hone_stream  *stream;
static hone_plan    *held;
static void         *scratch;
static size_t        scratch_bytes;
static hone_operand  operands[HONE_MATMUL_OPERANDS];
static const double  values[HONE_MATMUL_VALUES] = {1};
static hone_rt_plan *tiny;

static hone_status call_level0(int64_t repeats)
{
    for (int64_t i = 0; i < repeats; i++) HONE_TRY(hone_matmul(stream, &a, &b, &c, NULL));
    return HONE_OK;
}

static hone_status call_level1(int64_t repeats)
{
    hone_plan_arguments with = {sizeof with, operands, HONE_MATMUL_OPERANDS, HONE_MATMUL_VALUES, values,
                                {NULL, scratch, 0, scratch_bytes}, 0};
    for (int64_t i = 0; i < repeats; i++) HONE_TRY(hone_plan_run(stream, held, &with));
    return HONE_OK;
}

static hone_status call_plan(int64_t repeats)
{
    for (int64_t i = 0; i < repeats; i++) {
        hone_rt_plan *made;
        HONE_TRY(hone_rt_plan_with(context, &tiny->request, tiny->kernel, &tiny->config, &made));
        hone_rt_plan_release(made);
    }
    return HONE_OK;
}

static hone_status call_rank(int64_t repeats)
{
    hone_rt_candidate candidates[HONE_RT_KERNELS_MAX];
    const char       *rule;
    for (int64_t i = 0; i < repeats; i++)
        (void)hone_rt_rank(context, &tiny->request, candidates, HONE_RT_KERNELS_MAX, &rule);
    return HONE_OK;
}

static hone_status add_calls(void)
{
    hone_device    *of;
    const hone_op  *op;
    hone_rt_problem problem;
    HONE_TRY(hone_device_find(handle, device->name, &of));
    HONE_TRY(hone_stream_create(of, &stream));
    for (int i = 0; i < 192; i++) memory[i / 64][i % 64] = (float)(i % 7) * 0.25f - 0.5f;
    a = hone_matrix(HONE_F32, 8, 8, memory[0]);
    b = hone_matrix(HONE_F32, 8, 8, memory[1]);
    c = hone_matrix(HONE_F32, 8, 8, memory[2]);
    for (int i = 0; i < 3; i++) operands[i].host = memory[i];
    HONE_TRY(hone_matmul_plan(of, &a, &b, &c, NULL, &held));
    HONE_TRY(hone_plan_scratch(held, &scratch_bytes));
    scratch = or_end(aligned_alloc(64, (scratch_bytes + 64) & ~(size_t)63));
    HONE_TRY(hone_rt_problem_parse(context, TINY, &op, &problem));
    hone_request request = {.device = device, .op = op, .problem = problem.bytes, .threads = 1,
                            .alignment = HONE_KERNEL_ALIGNMENT_MAX};
    HONE_TRY(hone_rt_plan_for(context, &request, &tiny));
    add("dispatch", "level 0", TINY)->call = call_level0;
    add("dispatch", "level 1", TINY)->call = call_level1;
    add("plan", "choose", TINY)->call = call_rank;
    add("plan", "create", TINY)->call = call_plan;
    return HONE_OK;
}

/* --- problems by kernels ------------------------------------------------------------------------------------------ */

static hone_status add_problem(const char *suite, const hone_op *op, const char *text)
{
    hone_rt_candidate candidates[HONE_RT_KERNELS_MAX];
    hone_rt_problem   problem = {{0}};
    const char       *rule;
    char              whole[HONE_PROBLEM_TEXT_MAX + 64];
    HONE_TRY(op->parse(text, problem.bytes));
    hone_rt_problem_print(op, problem.bytes, whole, sizeof whole);
    hone_request request = {.device = device, .op = op, .problem = problem.bytes, .threads = 1,
                            .alignment = HONE_KERNEL_ALIGNMENT_MAX};
    int count = hone_rt_rank(context, &request, candidates, HONE_RT_KERNELS_MAX, &rule);
    for (int i = 0; i < count; i++) {
        if (candidates[i].refusal || candidates[i].kernel->properties & HONE_IS_REFERENCE) continue;
        bench_subject *subject = add(suite, whole, candidates[i].kernel->name);
        subject->op = op;
        subject->kernel = candidates[i].kernel;
        subject->problem = problem;
    }
    return HONE_OK;
}

static hone_status add_suites(void)
{
    static const char *const suites[] = {"smoke", "quick"};
    const hone_op           *op;
    for (int s = 0; s < 2; s++)
        for (int i = 0; (op = hone_rt_op_at(context, i)); i++) {
            const char *const *texts = op->suite ? op->suite(suites[s]) : NULL;
            for (; texts && *texts; texts++) HONE_TRY(add_problem(suites[s], op, *texts));
        }
    return HONE_OK;
}

static void close_all(void)
{
    for (int i = 0; i < list_count; i++) {
        bench_close(list[i]);
        free(list[i]->name);
        free(list[i]);
    }
    free(list);
    if (tiny) hone_rt_plan_release(tiny);
    hone_plan_destroy(held);
    hone_stream_destroy(stream);
    free(scratch);
    if (context) hone_rt_context_release(context);
    hone_context_destroy(handle);
}

static hone_status open_all(void)
{
    HONE_TRY(hone_context_create(NULL, &handle));
    HONE_TRY(hone_rt_context_hold(handle, &context));
    device = hone_rt_device_at(context, 0);
    HONE_TRY(add_suites());
    return add_calls();
}

bench_subject *const *bench_subjects(int *count)
{
    atexit(close_all);
    if (open_all() != HONE_OK) {
        fprintf(stderr, "hone_bench: %s\n", hone_last_error());
        return NULL;
    }
    *count = list_count;
    return list;
}

/* --- one subject -------------------------------------------------------------------------------------------------- */

static hone_status prepare(bench_subject *subject)
{
    hone_verdict       verdict;
    hone_judge_options how = {.seed = 1};
    subject->request = (hone_request){.device = device, .op = subject->op, .problem = subject->problem.bytes,
                                      .threads = 1, .alignment = HONE_KERNEL_ALIGNMENT_MAX};
    HONE_TRY(hone_rt_plan_with(context, &subject->request, subject->kernel, NULL, &subject->plan));
    HONE_TRY(hone_judge_plan(context, subject->plan, &how, &verdict));
    HONE_CHECK(verdict.fault == HONE_FAULT_NONE, HONE_ERROR_WRONG, "%s", verdict.sentence);
    HONE_TRY(hone_operands_make(context, &subject->request, 1, &subject->operands));
    HONE_TRY(hone_runner_open(subject->plan, subject->operands, NULL, &subject->runner));
    subject->contestant = hone_runner_contestant(subject->runner, subject->name);
    return HONE_OK;
}

const char *bench_open(bench_subject *subject)
{
    if (!subject->call && !subject->runner && prepare(subject) != HONE_OK) {
        snprintf(subject->why, sizeof subject->why, "%s", hone_last_error());
        bench_close(subject);
        return subject->why;
    }
    int64_t batch = 1;
    double  seconds = bench_run(subject, 1); /* pages, caches */
    for (; seconds >= 0 && (seconds = bench_run(subject, batch)) < SAMPLE_S; batch *= 2)
        if (batch >= 1 << 20 || (subject->contestant.repeats_max && 2 * batch > subject->contestant.repeats_max)) break;
    subject->batch = batch;
    return NULL;
}

double bench_run(bench_subject *subject, int64_t launches)
{
    const hone_contestant *it = &subject->contestant;
    if (!subject->call && it->reset) it->reset(it->self);
    int64_t     start = hone_now_ns();
    hone_status status = subject->call ? subject->call(launches) : it->run(it->self, (int)launches);
    double      seconds = (double)(hone_now_ns() - start) * 1e-9;
    return status == HONE_OK ? seconds : -1;
}

void bench_close(bench_subject *subject)
{
    hone_runner_close(subject->runner);
    hone_operands_free(subject->operands);
    if (subject->plan) hone_rt_plan_release(subject->plan);
    subject->runner = NULL;
    subject->operands = NULL;
    subject->plan = NULL;
}

const char *bench_name(const bench_subject *subject)
{
    return subject->name;
}

int64_t bench_batch(const bench_subject *subject)
{
    return subject->batch;
}

double bench_flops(const bench_subject *subject)
{
    return subject->call ? 0 : subject->op->cost(subject->problem.bytes).flops;
}

double bench_bytes(const bench_subject *subject)
{
    if (subject->call) return 0;
    hone_cost cost = subject->op->cost(subject->problem.bytes);
    return cost.bytes_read + cost.bytes_written;
}

double bench_roofline(const bench_subject *subject)
{
    return subject->call ? 0 : hone_roof_of(&subject->request, false).seconds;
}
