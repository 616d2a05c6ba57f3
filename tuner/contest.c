/* Operands, runners and contests: see contest.h. */
#include "tuner/contest.h"

#include <string.h>

#include "base/alloc.h"
#include "base/random.h"
#include "base/size.h"

enum {
    PAGE = 4096,
    COLOUR = 320,     /* operands begin so many bytes apart within a page, so that stores do not stall loads */
    COPIES_MAX = 256, /* of what is read and written */
};

/* --- operands -------------------------------------------------------------------------------------------------- */

/* The memory of one argument: `copies` blocks of `bytes`, and behind them the block they are restored from. */
typedef struct argument {
    char  *memory;
    size_t bytes;  /* of one copy, a multiple of 64 */
    int    copies; /* 1: shared by all turns */
    size_t before; /* bytes before the first element (negative strides) */
    size_t item;   /* of an array of pointers: bytes from one item to the next */
    void **at;     /* ... and the pointers, for each copy */
} argument;

struct hone_operands {
    int            roles, scalar_count, turns;
    int64_t        items;
    argument       arguments[HONE_ROLES_MAX];
    hone_scalar    scalars[HONE_SCALARS_MAX];
    hone_span     *spans; /* turns x roles */
    hone_arguments of[COPIES_MAX];
};

static hone_status too_large(void)
{
    return hone_fail(HONE_ERROR_OVERFLOW, "the operands take more bytes than there are addresses");
}

static hone_status size_of(const hone_role *role, argument *out)
{
    int64_t low, high;
    size_t  bytes;
    if (!hone_role_fits(role)) return too_large();
    hone_role_extent(role, &low, &high);
    bytes = (size_t)(high - low + 63) & ~(size_t)63;
    out->before = (size_t)((-low + 63) & ~(int64_t)63);
    if (!hone_size_add(bytes, out->before, &bytes)) return too_large();
    out->item = bytes;
    if (role->indirect && !hone_size_mul(bytes, (size_t)role->items, &bytes)) return too_large();
    out->bytes = bytes;
    return HONE_OK;
}

static hone_status take_memory(const hone_role *role, int index, argument *it)
{
    size_t blocks = (size_t)it->copies + (it->copies > 1), bytes;
    if (!hone_size_mul(it->bytes, blocks, &bytes) || !hone_size_add(bytes, (size_t)index * COLOUR, &bytes))
        return too_large();
    it->memory = hone_alloc_raw(bytes, PAGE);
    if (!it->memory) return HONE_ERROR_MEMORY;
    memset(it->memory, 0, bytes);
    if (!role->indirect) return HONE_OK;
    it->at = hone_alloc((size_t)it->copies * (size_t)role->items + 1, sizeof *it->at);
    return it->at ? HONE_OK : HONE_ERROR_MEMORY;
}

/* Where a copy of the argument begins. */
static char *copy_at(const argument *it, int index, int copy)
{
    return it->memory + (size_t)index * COLOUR + (size_t)copy * it->bytes;
}

static hone_span span_of(const hone_role *role, const argument *it, int index, int copy)
{
    char *first = copy_at(it, index, copy);
    if (!role->indirect) return (hone_span){NULL, first + it->before, 0, it->bytes - it->before};
    void **at = it->at + (size_t)copy * (size_t)role->items;
    for (int64_t i = 0; i < role->items; i++) at[i] = first + (size_t)i * it->item + it->before;
    return (hone_span){NULL, at, 0, (size_t)role->items * sizeof *at};
}

/* So many copies that they stay in half of the second cache, where launches would find operands that they share. */
static int copies_of(const hone_request *request, const hone_role *roles, const argument *arguments, int count)
{
    size_t bytes = 0, room = request->device->cpu.cache_bytes[HONE_LEVEL_L2] / 2;
    for (int i = 0; i < count; i++)
        if (roles[i].direction == HONE_IN_OUT) bytes += arguments[i].bytes;
    if (!bytes) return 1;
    size_t copies = room / bytes;
    return copies < 2 ? 2 : copies > COPIES_MAX ? COPIES_MAX : (int)copies;
}

static hone_status lay_out(hone_operands *o, const hone_request *request, hone_role *roles)
{
    bool        rotates = false;
    const char *names[HONE_SCALARS_MAX];
    double      neutral[HONE_SCALARS_MAX];
    o->roles = request->op->roles(request->problem, roles);
    o->scalar_count = request->op->scalars(request->problem, names, neutral);
    for (int i = 0; i < o->roles; i++) {
        if (roles[i].direction == HONE_UNUSED) continue;
        HONE_TRY(size_of(&roles[i], &o->arguments[i]));
        if (roles[i].indirect && roles[i].items > o->items) o->items = roles[i].items;
        rotates |= roles[i].direction == HONE_IN_OUT;
    }
    o->turns = rotates ? copies_of(request, roles, o->arguments, o->roles) : 1;
    o->spans = hone_alloc((size_t)(o->turns * o->roles) + 1, sizeof *o->spans);
    if (!o->spans) return HONE_ERROR_MEMORY;
    for (int i = 0; i < o->roles; i++) {
        argument *it = &o->arguments[i];
        it->copies = roles[i].direction == HONE_IN_OUT ? o->turns : 1;
        if (roles[i].direction != HONE_UNUSED) HONE_TRY(take_memory(&roles[i], i, it));
    }
    for (int turn = 0; turn < o->turns; turn++) {
        hone_span *spans = o->spans + turn * o->roles;
        for (int i = 0; i < o->roles; i++)
            if (roles[i].direction != HONE_UNUSED)
                spans[i] = span_of(&roles[i], &o->arguments[i], i, o->arguments[i].copies > 1 ? turn : 0);
        o->of[turn] = (hone_arguments){o->roles, o->scalar_count, spans, o->scalars, o->items};
    }
    return HONE_OK;
}

/* Random data; for an opaque argument those of the plain problem, packed. */
static hone_status fill(hone_operands *o, hone_rt_context *context, const hone_request *request, uint64_t seed)
{
    const hone_op *op = request->op;
    hone_packing   packing;
    hone_role      roles[HONE_ROLES_MAX];
    hone_span      spans[HONE_ROLES_MAX];
    hone_arguments into = o->of[0];
    int64_t        low, high;
    if (!op->take_apart || !op->take_apart(request->problem, &packing))
        return op->generate(request->problem, HONE_DATA_RANDOM, seed, &into, o->scalars);
    op->roles(packing.plain.bytes, roles);
    hone_role_extent(&roles[packing.role], &low, &high); /* dense: low is 0 */
    memcpy(spans, into.at, (size_t)o->roles * sizeof *spans);
    spans[packing.role] = (hone_span){NULL, hone_alloc_raw((size_t)high + 1, PAGE), 0, (size_t)high};
    if (!spans[packing.role].host) return HONE_ERROR_MEMORY;
    memset(spans[packing.role].host, 0, (size_t)high);
    into.at = spans;
    hone_status status = op->generate(packing.plain.bytes, HONE_DATA_RANDOM, seed, &into, o->scalars);
    if (status == HONE_OK)
        status = hone_rt_layout_pack(context, request, &packing, spans[packing.role], o->of[0].at[packing.role]);
    hone_free(spans[packing.role].host);
    return status;
}

hone_status hone_operands_make(hone_rt_context *context, const hone_request *request, uint64_t seed,
                               hone_operands **out)
{
    hone_role roles[HONE_ROLES_MAX];
    *out = NULL;
    HONE_CHECK(!strcmp(request->device->backend->name, "cpu"), HONE_ERROR_UNSUPPORTED,
               "operands are made in the host's memory, and %s has its own", request->device->name);
    const char *names[HONE_SCALARS_MAX];
    double      neutral[HONE_SCALARS_MAX];
    hone_operands *o = hone_alloc(1, sizeof *o);
    if (!o) return HONE_ERROR_MEMORY;
    hone_status status = lay_out(o, request, roles);
    if (status == HONE_OK) status = fill(o, context, request, seed);
    if (status != HONE_OK) {
        hone_operands_free(o);
        return status;
    }
    /* Timed with the values that calls have: a library may be quicker where alpha is 1. */
    int scalars = request->op->scalars(request->problem, names, neutral);
    for (int i = 0; i < scalars; i++) o->scalars[i] = (hone_scalar){neutral[i], NULL};
    for (int i = 0; i < o->roles; i++) {
        argument *it = &o->arguments[i];
        if (it->copies > 1) memcpy(copy_at(it, i, it->copies), copy_at(it, i, 0), it->bytes);
    }
    hone_operands_restore(o);
    *out = o;
    return HONE_OK;
}

void hone_operands_free(hone_operands *operands)
{
    if (!operands) return;
    for (int i = 0; i < operands->roles; i++) {
        hone_free(operands->arguments[i].memory);
        hone_free(operands->arguments[i].at);
    }
    hone_free(operands->spans);
    hone_free(operands);
}

const hone_arguments *hone_operands_of(const hone_operands *operands, int turn)
{
    return &operands->of[turn % operands->turns];
}

int hone_operands_turns(const hone_operands *operands)
{
    return operands->turns > 1 ? operands->turns : 0;
}

void hone_operands_restore(hone_operands *operands)
{
    for (int i = 0; i < operands->roles; i++) {
        argument *it = &operands->arguments[i];
        for (int copy = 0; it->copies > 1 && copy < it->copies; copy++)
            memcpy(copy_at(it, i, copy), copy_at(it, i, it->copies), it->bytes);
    }
}

bool hone_operands_flush(const hone_operands *operands)
{
    bool able = true;
    for (int i = 0; i < operands->roles && able; i++) {
        const argument *it = &operands->arguments[i];
        if (it->memory) able = hone_watch_flush(copy_at(it, i, 0), (size_t)it->copies * it->bytes);
    }
    return able;
}

/* --- runners --------------------------------------------------------------------------------------------------- */

struct hone_runner {
    const hone_rt_plan *plan;
    hone_operands      *operands;
    hone_stop           stop;
    hone_be_stream     *stream;
    hone_span           scratch;
    bool                flushes;
};

static hone_status runner_run(void *self, int repeats)
{
    hone_runner *runner = self;
    uint64_t     failed;
    if (runner->stop && runner->stop()) return hone_fail(HONE_ERROR_INTERRUPTED, "it was asked to stop");
    for (int i = 0; i < repeats; i++)
        HONE_TRY(hone_rt_plan_launch(runner->plan, runner->stream, hone_operands_of(runner->operands, i),
                                     runner->scratch));
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
