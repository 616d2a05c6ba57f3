/* Runners and contests: see contest.h. */
#include "tuner/contest.h"

#include <string.h>

#include "backends/cpu/cpu.h"
#include "base/alloc.h"
#include "base/random.h"

enum { PAGE = 4096 };

/* --- runners --------------------------------------------------------------------------------------------------- */

struct hone_runner {
    const hone_rt_plan *plan;
    hone_operands      *operands;
    hone_stop           stop;
    hone_be_stream     *stream;
    hone_span           scratch;
    bool                flushes, joins;
};

static void nothing(void *argument, int chunk)
{
    (void)argument, (void)chunk;
}

static hone_status runner_run(void *self, int repeats)
{
    hone_runner *runner = self;
    uint64_t     failed;
    if (runner->stop && runner->stop()) return hone_fail(HONE_ERROR_INTERRUPTED, "it was asked to stop");
    for (int i = 0; i < repeats; i++) {
        if (runner->joins) hone_cpu_each(&runner->stream->team, runner->stream->team.count, 0, nothing, NULL);
        HONE_TRY(hone_rt_plan_launch(runner->plan, runner->stream, hone_operands_of(runner->operands, i),
                                     runner->scratch));
    }
    return runner->stream->device->backend->stream_wait(runner->stream, &failed);
}

static void runner_reset(void *self)
{
    hone_operands_restore(((hone_runner *)self)->operands);
}

static void runner_evict(void *self)
{
    hone_runner *runner = self;
    hone_operands_flush(runner->operands);
    if (runner->scratch.bytes) hone_watch_flush(runner->scratch.host, runner->scratch.bytes);
}

hone_status hone_runner_open(const hone_rt_plan *plan, hone_operands *operands, hone_stop stop, hone_runner **out)
{
    hone_be_device *device = (hone_be_device *)(uintptr_t)plan->request.device;
    *out = NULL;
    hone_runner *runner = hone_alloc(1, sizeof *runner);
    if (!runner) return HONE_ERROR_MEMORY;
    *runner = (hone_runner){.plan = plan, .operands = operands, .stop = stop, .flushes = hone_operands_flush(operands)};
    hone_status status = device->backend->stream_create(device, &runner->stream);
    if (status == HONE_OK && plan->needs.scratch_bytes) {
        runner->scratch =
            (hone_span){NULL, hone_alloc_raw(plan->needs.scratch_bytes, PAGE), 0, plan->needs.scratch_bytes};
        if (!runner->scratch.host) status = HONE_ERROR_MEMORY;
    }
    if (status != HONE_OK) {
        hone_runner_close(runner);
        return status;
    }
    *out = runner;
    return HONE_OK;
}

void hone_runner_close(hone_runner *runner)
{
    if (!runner) return;
    if (runner->stream) runner->stream->device->backend->stream_destroy(runner->stream);
    hone_free(runner->scratch.host);
    hone_free(runner);
}

void hone_runner_join(hone_runner *runner)
{
    runner->joins = runner->stream->team.count > 1;
}

hone_status hone_runner_launch(hone_runner *runner, const hone_arguments *arguments)
{
    uint64_t failed;
    HONE_TRY(hone_rt_plan_launch(runner->plan, runner->stream, arguments, runner->scratch));
    return runner->stream->device->backend->stream_wait(runner->stream, &failed);
}

const hone_team *hone_runner_team(const hone_runner *runner)
{
    return &runner->stream->team;
}

hone_contestant hone_runner_contestant(hone_runner *runner, const char *name)
{
    int turns = hone_operands_turns(runner->operands);
    return (hone_contestant){.name = name,
                             .run = runner_run,
                             .reset = turns ? runner_reset : NULL,
                             .evict = runner->flushes ? runner_evict : NULL,
                             .repeats_max = turns,
                             .self = runner};
}

/* --- contests -------------------------------------------------------------------------------------------------- */

static void note_why(hone_entrant *entrant, const char *why)
{
    size_t length = strlen(why);
    if (length >= sizeof entrant->why) length = sizeof entrant->why - 1;
    memcpy(entrant->why, why, length);
    entrant->why[length] = 0;
}

/* Makes one kernel ready to be timed, or notes why it is not. */
static hone_status enter(hone_contest *contest, const hone_contest_options *options, hone_entrant *entrant)
{
    hone_judge_options how = {.seed = options->seed};
    if (entrant->candidate.refusal) {
        note_why(entrant, entrant->candidate.refusal);
        return HONE_OK;
    }
    hone_status status = hone_rt_plan_with(contest->context, &contest->request, entrant->candidate.kernel,
                                           &entrant->candidate.config, &entrant->plan);
    if (status == HONE_ERROR_UNSUPPORTED) {
        note_why(entrant, hone_last_error());
        return HONE_OK;
    }
    HONE_TRY(status);
    HONE_TRY(hone_judge_plan(contest->context, entrant->plan, &how, &entrant->verdict));
    if (entrant->verdict.fault != HONE_FAULT_NONE) {
        note_why(entrant, entrant->verdict.sentence);
        entrant->wrong = true;
        contest->wrong++;
        return HONE_OK;
    }
    return hone_runner_open(entrant->plan, contest->operands, options->stop, &entrant->runner);
}

static bool wanted(const hone_contest_options *options, const hone_kernel *kernel)
{
    if (options->wants) return options->wants(options->self, kernel);
    return !(kernel->properties & HONE_IS_REFERENCE);
}

static hone_status enter_all(hone_contest *contest, const hone_contest_options *options)
{
    hone_rt_candidate candidates[HONE_RT_KERNELS_MAX];
    int count = hone_rt_rank(contest->context, &contest->request, candidates, HONE_RT_KERNELS_MAX, &contest->rule);
    contest->entrants = hone_alloc((size_t)count + 1, sizeof *contest->entrants);
    if (!contest->entrants) return HONE_ERROR_MEMORY;
    HONE_TRY(
        hone_operands_make(contest->context, &contest->request, hone_random_at(options->seed, 1), &contest->operands));
    for (int i = 0; i < count; i++) {
        bool chosen = i == 0 && !candidates[i].refusal;
        if (!chosen && !wanted(options, candidates[i].kernel)) continue;
        if (options->stop && options->stop()) return hone_fail(HONE_ERROR_INTERRUPTED, "it was asked to stop");
        hone_entrant *entrant = &contest->entrants[contest->count++];
        *entrant = (hone_entrant){.candidate = candidates[i], .lane = -1};
        HONE_TRY(enter(contest, options, entrant));
    }
    return HONE_OK;
}

hone_status hone_contest_open(hone_rt_context *context, const hone_request *request,
                              const hone_contest_options *options, hone_contest *out)
{
    *out = (hone_contest){.context = context, .request = *request};
    memcpy(out->problem.bytes, request->problem, request->op->problem_size);
    out->request.problem = out->problem.bytes;
    hone_status status = enter_all(out, options);
    if (status != HONE_OK) hone_contest_close(out);
    return status;
}

hone_status hone_contest_time(hone_contest *contest, const hone_measure_options *options)
{
    hone_contestant lanes[HONE_RT_KERNELS_MAX];
    int             count = 0;
    for (int i = 0; i < contest->count; i++) {
        hone_entrant *entrant = &contest->entrants[i];
        if (!entrant->runner) continue;
        entrant->lane = count;
        lanes[count++] = hone_runner_contestant(entrant->runner, entrant->candidate.kernel->name);
    }
    HONE_CHECK(count, HONE_ERROR_UNSUPPORTED, "no kernel that takes the problem is right");
    hone_measurement_destroy(contest->measurement);
    return hone_measure(lanes, count, options, &contest->measurement);
}

void hone_contest_close(hone_contest *contest)
{
    hone_measurement_destroy(contest->measurement);
    for (int i = 0; i < contest->count; i++) {
        hone_runner_close(contest->entrants[i].runner);
        if (contest->entrants[i].plan) hone_rt_plan_release(contest->entrants[i].plan);
    }
    hone_free(contest->entrants);
    hone_operands_free(contest->operands);
    *contest = (hone_contest){0};
}
