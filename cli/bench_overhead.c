/* hone bench overhead: what a call costs beyond the kernel itself, and whether a repeated one allocates.
 *
 * The subject is the smallest product worth a call. Level 0, level 1 and the bare launch of the same plan run beside
 * each other in every round; the figure is the median of the rounds' differences. */
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/verb_bench.h"
#include "tuner/contest.h"

enum { FIRST_CALLS = 200, CREATES = 40, REPEATED = 1000, ROWS = 4 };
#define SUBJECT "matmul f32 nn 8x8x8"

typedef struct figure {
    const char   *name, *what;
    double        goal_s;
    int64_t       allocations; /* in REPEATED calls; -1: not counted */
    hone_interval seconds;
} figure;

/* Everything that level 0, level 1 and the bare launch need. */
typedef struct overhead {
    const cli_call *call;
    cli_hone        hone;
    hone_stream    *stream;
    hone_plan      *held;
    hone_rt_plan   *plan;
    hone_operands  *operands;
    hone_be_stream *bare;
    hone_tensor     a, b, c;
    hone_arguments  arguments;
    hone_scalar     scalars[HONE_SCALARS_MAX];
    hone_operand    operand[HONE_MATMUL_OPERANDS];
    double          values[HONE_MATMUL_VALUES];
    hone_span       scratch;
    figure          figures[ROWS];
} overhead;

/* --- counting allocations -------------------------------------------------------------------------------------- */

static _Atomic int64_t allocations;

static void *counted_allocate(void *user, size_t bytes, size_t alignment)
{
    void *memory = NULL;
    (void)user;
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    return posix_memalign(&memory, alignment < sizeof(void *) ? sizeof(void *) : alignment, bytes ? bytes : 1) ? NULL
                                                                                                               : memory;
}

static void counted_release(void *user, void *memory, size_t bytes)
{
    (void)user;
    (void)bytes;
    free(memory);
}

/* --- what is timed --------------------------------------------------------------------------------------------- */

static hone_status level0_run(void *self, int repeats)
{
    overhead *o = self;
    if (cli_interrupted()) return hone_fail(HONE_ERROR_INTERRUPTED, "it was asked to stop");
    for (int i = 0; i < repeats; i++) HONE_TRY(hone_matmul(o->stream, &o->a, &o->b, &o->c, NULL));
    return HONE_OK;
}

static hone_status level1_run(void *self, int repeats)
{
    overhead           *o = self;
    hone_plan_arguments arguments = {sizeof arguments, o->operand, HONE_MATMUL_OPERANDS, HONE_MATMUL_VALUES, o->values,
                                     {NULL, o->scratch.host, 0, o->scratch.bytes}, 0};
    if (cli_interrupted()) return hone_fail(HONE_ERROR_INTERRUPTED, "it was asked to stop");
    for (int i = 0; i < repeats; i++) HONE_TRY(hone_plan_run(o->stream, o->held, &arguments));
    return HONE_OK;
}

static hone_status bare_run(void *self, int repeats)
{
    overhead *o = self;
    if (cli_interrupted()) return hone_fail(HONE_ERROR_INTERRUPTED, "it was asked to stop");
    for (int i = 0; i < repeats; i++) HONE_TRY(hone_rt_plan_launch(o->plan, o->bare, &o->arguments, o->scratch));
    return HONE_OK;
}

static hone_status interval_of(double *values, int count, hone_interval *out)
{
    hone_stats_sort(values, count);
    return hone_stats_median_bootstrap(values, count, 0.95, HONE_STATS_RESAMPLES, 1, out);
}

static hone_status difference(const hone_measurement *m, int one, int other, hone_interval *out)
{
    double     *values = cli_alloc((size_t)m->rounds, sizeof *values);
    for (int i = 0; i < m->rounds; i++) values[i] = m->timings[one].samples[i] - m->timings[other].samples[i];
    hone_status status = interval_of(values, m->rounds, out);
    free(values);
    return status;
}

/* --- repeated calls -------------------------------------------------------------------------------------------- */

static hone_status set_up(overhead *o)
{
    hone_rt_problem problem;
    const hone_op  *op;
    const char     *names[HONE_SCALARS_MAX];
    double          neutral[HONE_SCALARS_MAX];
    hone_device    *device;
    HONE_TRY(hone_device_find(o->hone.handle, o->hone.device->name, &device));
    HONE_TRY(hone_stream_create(device, &o->stream));
    HONE_TRY(hone_rt_problem_parse(o->hone.context, SUBJECT, &op, &problem));
    hone_request request = cli_request(&o->hone, op, problem.bytes);
    HONE_TRY(hone_rt_plan_for(o->hone.context, &request, &o->plan));
    HONE_TRY(hone_operands_make(o->hone.context, &request, 1, &o->operands));
    HONE_TRY(o->hone.device->backend->stream_create(o->hone.device, &o->bare));

    const hone_arguments *made = hone_operands_of(o->operands, 0);
    o->arguments = *made;
    o->arguments.scalars = o->scalars;
    int count = op->scalars(problem.bytes, names, neutral);
    for (int i = 0; i < count; i++) o->scalars[i] = (hone_scalar){neutral[i], NULL};
    for (int i = 0; i < made->count; i++) o->operand[i] = (hone_operand){NULL, made->at[i].host, 0, 0};
    o->values[HONE_MATMUL_ALPHA] = 1;
    o->a = hone_matrix(HONE_F32, 8, 8, made->at[HONE_MATMUL_A].host);
    o->b = hone_matrix(HONE_F32, 8, 8, made->at[HONE_MATMUL_B].host);
    o->c = hone_matrix(HONE_F32, 8, 8, made->at[HONE_MATMUL_C].host);
    HONE_TRY(hone_matmul_plan(device, &o->a, &o->b, &o->c, NULL, &o->held));
    if (o->plan->needs.scratch_bytes) {
        o->scratch = (hone_span){NULL, aligned_alloc(4096, (o->plan->needs.scratch_bytes + 4095) & ~(size_t)4095), 0,
                                 o->plan->needs.scratch_bytes};
        HONE_CHECK(o->scratch.host, HONE_ERROR_MEMORY, "out of memory: %zu bytes of scratch", o->scratch.bytes);
    }
    return HONE_OK;
}

static void tear_down(overhead *o)
{
    if (o->bare) o->hone.device->backend->stream_destroy(o->bare);
    if (o->plan) hone_rt_plan_release(o->plan);
    hone_operands_free(o->operands);
    hone_plan_destroy(o->held);
    hone_stream_destroy(o->stream);
    free(o->scratch.host);
    cli_close(&o->hone);
}

static hone_status count_allocations(hone_status (*run)(void *self, int repeats), overhead *o, int64_t *out)
{
    HONE_TRY(run(o, 1));
    int64_t before = atomic_load(&allocations);
    HONE_TRY(run(o, REPEATED));
    *out = atomic_load(&allocations) - before;
    return HONE_OK;
}

static hone_status repeated_calls(overhead *o)
{
    hone_measurement     *m;
    const hone_contestant lanes[] = {{.name = "the bare launch", .run = bare_run, .self = o},
                                     {.name = "level 0", .run = level0_run, .self = o},
                                     {.name = "level 1", .run = level1_run, .self = o}};
    hone_measure_options  how = hone_measure_defaults();
    how.sample_s = 2e-4;
    how.goal = 0;
    how.rounds_max = (int)cli_number(o->call, "rounds", 200);
    if (how.rounds_min > how.rounds_max) how.rounds_min = how.rounds_max;
    how.budget_s = cli_number(o->call, "budget", 0);
    how.seed = (uint64_t)cli_number(o->call, "seed", 1);
    HONE_TRY(count_allocations(level0_run, o, &o->figures[0].allocations));
    HONE_TRY(count_allocations(level1_run, o, &o->figures[1].allocations));
    HONE_TRY(hone_measure(lanes, 3, &how, &m));
    hone_status status = difference(m, 1, 0, &o->figures[0].seconds);
    if (status == HONE_OK) status = difference(m, 2, 0, &o->figures[1].seconds);
    hone_measurement_destroy(m);
    return status;
}

/* --- first calls ----------------------------------------------------------------------------------------------- */

static double seconds_since(int64_t start)
{
    return (double)(hone_now_ns() - start) * 1e-9;
}

/* What the kernel itself takes to be made ready and launched once, by its own functions. */
static hone_status kernel_alone(overhead *o, int size, double *seconds)
{
    hone_rt_candidate candidates[HONE_RT_KERNELS_MAX];
    hone_rt_problem   problem;
    const hone_op    *op;
    const char       *rule;
    char              text[64];
    void             *ready;
    hone_needs        needs = {0};
    snprintf(text, sizeof text, "matmul f32 nn %dx%dx%d", size % 8 + 1, size / 8 % 8 + 1, size / 64 + 1);
    HONE_TRY(hone_rt_problem_parse(o->hone.context, text, &op, &problem));
    hone_request request = cli_request(&o->hone, op, problem.bytes);
    int count = hone_rt_rank(o->hone.context, &request, candidates, HONE_RT_KERNELS_MAX, &rule);
    HONE_CHECK(count && !candidates[0].refusal, HONE_ERROR_UNSUPPORTED, "nothing takes %s", text);
    const hone_kernel *kernel = candidates[0].kernel;
    int64_t            start = hone_now_ns();
    HONE_TRY(kernel->prepare(&request, &candidates[0].config, NULL, &ready, &needs));
    *seconds = seconds_since(start);
    hone_span scratch = o->scratch;
    void     *own =
        needs.scratch_bytes > scratch.bytes ? aligned_alloc(4096, (needs.scratch_bytes + 4095) & ~(size_t)4095) : NULL;
    if (own) scratch = (hone_span){NULL, own, 0, needs.scratch_bytes};
    start = hone_now_ns();
    hone_status status = kernel->launch(ready, o->bare, &o->arguments, scratch);
    *seconds += seconds_since(start);
    kernel->release(ready);
    free(own);
    return status;
}

static hone_status first_call(overhead *o, int size, double *seconds)
{
    int64_t     m = size % 8 + 1, n = size / 8 % 8 + 1, k = size / 64 + 1;
    hone_tensor a = hone_matrix(HONE_F32, m, k, o->a.data), b = hone_matrix(HONE_F32, k, n, o->b.data);
    hone_tensor c = hone_matrix(HONE_F32, m, n, o->c.data);
    int64_t     start = hone_now_ns();
    HONE_TRY(hone_matmul(o->stream, &a, &b, &c, NULL));
    *seconds = seconds_since(start);
    return HONE_OK;
}

/* New problems, each once: 1x1x1, 2x1x1, ... Which of the two comes first changes from one to the next. */
static hone_status first_calls(overhead *o)
{
    double values[FIRST_CALLS];
    for (int i = 0; i < FIRST_CALLS; i++) {
        double call, kernel;
        if (cli_interrupted()) return hone_fail(HONE_ERROR_INTERRUPTED, "it was asked to stop");
        if (i & 1) HONE_TRY(kernel_alone(o, i, &kernel));
        HONE_TRY(first_call(o, i, &call));
        if (!(i & 1)) HONE_TRY(kernel_alone(o, i, &kernel));
        values[i] = call - kernel;
    }
    return interval_of(values, FIRST_CALLS, &o->figures[2].seconds);
}

static hone_status creates(overhead *o)
{
    double values[CREATES];
    for (int i = 0; i < CREATES; i++) {
        hone_context *context;
        int64_t       start = hone_now_ns();
        HONE_TRY(hone_context_create(NULL, &context));
        values[i] = seconds_since(start);
        hone_context_destroy(context);
    }
    return interval_of(values, CREATES, &o->figures[3].seconds);
}

/* --- the answer ------------------------------------------------------------------------------------------------ */

static void print_json(const overhead *o)
{
    json_t *answer = cli_object(), *rows = cli_array();
    for (int i = 0; i < ROWS; i++) {
        const figure *f = &o->figures[i];
        json_t       *it = cli_object();
        char         *name = cli_format("overhead/%s", f->name);
        cli_set(it, "name", cli_string(name));
        cli_set(it, "run_name", cli_string(name));
        cli_set(it, "run_type", cli_string("iteration"));
        cli_set(it, "repetitions", json_integer(1));
        cli_set(it, "repetition_index", json_integer(0));
        cli_set(it, "threads", json_integer(1));
        cli_set(it, "iterations", json_integer(1));
        cli_set(it, "real_time", cli_real(f->seconds.mid * 1e9));
        cli_set(it, "cpu_time", cli_real(f->seconds.mid * 1e9));
        cli_set(it, "time_unit", cli_string("ns"));
        cli_set(it, "what", cli_string(f->what));
        cli_set(it, "lo_ns", cli_real(f->seconds.lo * 1e9));
        cli_set(it, "hi_ns", cli_real(f->seconds.hi * 1e9));
        cli_set(it, "goal_ns", cli_real(f->goal_s * 1e9));
        cli_set(it, "allocations", f->allocations < 0 ? json_null() : json_integer(f->allocations));
        cli_append(rows, it);
        free(name);
    }
    cli_set(answer, "context", cli_bench_context(o->hone.device));
    cli_set(answer, "benchmarks", rows);
    cli_print_json(answer);
}

static void print_text(const overhead *o)
{
    cli_table *table = cli_table_new((const char *[]){"~what", ">median", ">95 %", ">goal", ">allocations", NULL});
    for (int i = 0; i < ROWS; i++) {
        const figure *f = &o->figures[i];
        char         *count = f->allocations < 0 ? cli_format("-") : cli_format("%" PRId64, f->allocations);
        bool          less = !(f->seconds.mid > 0); /* than can be told */
        cli_table_row(table, (const char *[]){f->what, less ? "0 ns" : cli_time(f->seconds.mid).text,
                                              cli_interval(f->seconds).text, cli_time(f->goal_s).text, count});
        free(count);
    }
    cli_table_print(table, stdout, 0);
    printf("%s, %s, 1 thread; allocations: of %d calls\n", SUBJECT, o->plan->kernel->name, REPEATED);
}

static hone_status measure(overhead *o)
{
    HONE_TRY(set_up(o));
    HONE_TRY(repeated_calls(o));
    HONE_TRY(first_calls(o));
    return creates(o);
}

int cli_bench_overhead(const cli_call *call)
{
    overhead *o = cli_alloc(1, sizeof *o);
    *o = (overhead){.call = call,
                    .figures = {{"level0", "a level-0 call, beyond the kernel", 150e-9, -1, {0, 0, 0}},
                                {"level1", "a level-1 call, beyond the kernel", 40e-9, -1, {0, 0, 0}},
                                {"first_call",
                                 "the first call of a new problem, beyond the kernel's preparation and launch",
                                 50e-6,
                                 -1,
                                 {0, 0, 0}},
                                {"context_create", "hone_context_create", 5e-3, -1, {0, 0, 0}}}};
    hone_allocator   counting = {NULL, counted_allocate, counted_release};
    cli_hone_options how = {.device = cli_text(call, "device", NULL)};
    hone_status      status = hone_allocator_set(&counting);
    int              code = status == HONE_OK ? cli_open(call, &how, &o->hone) : cli_fail_status(call, status);
    if (code == CLI_FINE && (status = measure(o)) != HONE_OK) code = cli_fail_status(call, status);
    if (code == CLI_FINE) {
        if (call->json)
            print_json(o);
        else
            print_text(o);
        if (o->figures[0].allocations || o->figures[1].allocations) code = CLI_NO;
    }
    tear_down(o);
    free(o);
    return code;
}
