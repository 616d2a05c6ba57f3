/* The worker's side: candidates prepared, judged and timed, one question after the other. See worker.h. */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "backends/cpu/cpu.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/status.h"
#include "tuner/wire.h"
#include "tuner/worker.h"
#include "tuner/worker_page.h"

enum { CANDIDATES_MAX = 4096, LANES_MAX = 256, ROUNDS_AT_ONCE = 6 };
/* Each question warms up: what it asks for was launched before, and on a shared machine samples hardly ever agree. */
enum { WARM_SAMPLES = 6 };
#define OTHERS_SPIN_S 0.04 /* idle threads of other people's pools look for work for so long */

typedef struct candidate {
    uint32_t       id;
    hone_rt_plan  *plan;
    hone_runner   *runner;
    bool           spins; /* a pool that is not hone's stands behind it */
    struct worker *worker;
} candidate;

typedef struct worker {
    hone_context      *handle;
    hone_rt_context   *context;
    hone_be_device    *device;
    hone_worker_page  *page;
    int                threads;
    bool               cold;
    uint64_t           memory_bytes;
    /* of the problem at hand */
    hone_request       request;
    hone_rt_problem    problem;
    hone_operands     *operands;
    hone_judge_case   *judged;
    uint64_t           seed;
    int                count;
    candidate         *candidates[CANDIDATES_MAX];
    uint32_t           last; /* whose launch was the last one */
    bool               last_spins;
    hone_wire          in, out;
} worker;

/* --- talking ----------------------------------------------------------------------------------------------------- */

static bool read_all(void *out, size_t bytes)
{
    char *at = out;
    while (bytes) {
        ssize_t got = read(HONE_WORKER_TALK, at, bytes);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        at += got;
        bytes -= (size_t)got;
    }
    return true;
}

static bool write_all(const void *data, size_t bytes)
{
    const char *at = data;
    while (bytes) {
        ssize_t put = write(HONE_WORKER_TALK, at, bytes);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return false;
        at += put;
        bytes -= (size_t)put;
    }
    return true;
}

/* A status and, where it is not HONE_OK, its sentence. */
static void answer_status(worker *w, hone_status status)
{
    hone_wire_put_number(&w->out, (uint32_t)status);
    hone_wire_put_text(&w->out, status == HONE_OK ? "" : hone_last_error());
}

/* --- the context ------------------------------------------------------------------------------------------------- */

static hone_status hello(worker *w, const hone_module *const *modules, int count)
{
    char                 device[64], path[4096];
    hone_context_options how = HONE_CONTEXT_OPTIONS;
    uint32_t             protocol = hone_wire_number(&w->in);
    hone_wire_text(&w->in, device, sizeof device);
    hone_wire_text(&w->in, path, sizeof path);
    w->threads = (int)hone_wire_number(&w->in);
    w->cold = hone_wire_number(&w->in) != 0;
    w->memory_bytes = hone_wire_size(&w->in);
    HONE_CHECK(hone_wire_ended(&w->in) && protocol == HONE_WIRE_PROTOCOL, HONE_ERROR_FORMAT,
               "the worker speaks protocol %d, its parent %u", HONE_WIRE_PROTOCOL, protocol);
    how.thread_count = w->threads;
    how.tune = HONE_TUNE_OFF; /* what it packs with must not depend on rows that a session is writing */
    if (*path) how.profile_path = path;
    HONE_TRY(hone_rt_context_create(&how, modules, count, &w->handle));
    HONE_TRY(hone_rt_context_hold(w->handle, &w->context));
    w->device = hone_rt_device_find(w->context, device);
    return w->device ? HONE_OK : HONE_ERROR_NOT_FOUND;
}

/* --- the problem ------------------------------------------------------------------------------------------------- */

static void drop_candidate(worker *w, int at)
{
    candidate *c = w->candidates[at];
    hone_runner_close(c->runner);
    if (c->plan) hone_rt_plan_release(c->plan);
    hone_free(c);
    w->candidates[at] = w->candidates[--w->count];
}

static void drop_all(worker *w)
{
    while (w->count) drop_candidate(w, w->count - 1);
    hone_judge_case_destroy(w->judged);
    hone_operands_free(w->operands);
    w->judged = NULL;
    w->operands = NULL;
}

/* From here on so much more memory than now. What is reserved counts, and is not used: so the limit is wide, and stands
 * against what grows without end. */
static void limit_memory(const worker *w)
{
    unsigned long long pages;
    FILE              *file = fopen("/proc/self/statm", "re");
    bool               known = file && fscanf(file, "%llu", &pages) == 1;
    if (file) fclose(file);
    if (!known) return;
    rlim_t         most = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + (rlim_t)w->memory_bytes;
    struct rlimit  limit;
    if (getrlimit(RLIMIT_AS, &limit) != 0 || (limit.rlim_max != RLIM_INFINITY && most > limit.rlim_max)) return;
    limit.rlim_cur = most; /* the hard one stands, for the next problem's */
    setrlimit(RLIMIT_AS, &limit);
}

static hone_status unlimit_memory(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_AS, &limit);
    }
    return HONE_OK;
}

static hone_status take_problem(worker *w)
{
    char               text[HONE_PROBLEM_TEXT_MAX + 64];
    const hone_op     *op;
    const hone_kernel *kernels[HONE_RT_KERNELS_MAX];
    hone_wire_text(&w->in, text, sizeof text);
    uint32_t alignment = hone_wire_number(&w->in), flags = hone_wire_number(&w->in);
    uint64_t cap = hone_wire_size(&w->in);
    w->seed = hone_wire_size(&w->in);
    HONE_CHECK(hone_wire_ended(&w->in), HONE_ERROR_FORMAT, "worker: a problem is not of the form it should have");
    drop_all(w);
    HONE_TRY(unlimit_memory());
    HONE_TRY(hone_rt_problem_parse(w->context, text, &op, &w->problem));
    w->request = (hone_request){.device = w->device, .op = op, .problem = w->problem.bytes, .threads = w->threads,
                                .alignment = alignment, .flags = flags, .scratch_cap = (size_t)cap};
    hone_judge_options how = {.seed = w->seed};
    hone_rt_kernels(w->context, op, w->device, kernels,
                    HONE_RT_KERNELS_MAX); /* opens what is found, before the limit */
    HONE_TRY(hone_operands_make(w->context, &w->request, hone_random_at(w->seed, 1), &w->operands));
    HONE_TRY(hone_judge_case_create(op, w->problem.bytes, alignment, &how, &w->judged));
    limit_memory(w);
    return HONE_OK;
}

/* --- a candidate ------------------------------------------------------------------------------------------------- */

static void at_work(worker *w, uint32_t id)
{
    atomic_store_explicit(&w->page->at_work, id, memory_order_relaxed);
    atomic_fetch_add_explicit(&w->page->steps, 1, memory_order_relaxed);
}

/* Before a launch of another one: those whose idle threads look for work are left alone until they sleep. */
static void turn_to(worker *w, const candidate *c)
{
    if (w->last != c->id && w->last_spins) usleep((useconds_t)(OTHERS_SPIN_S * 1e6));
    w->last = c->id;
    w->last_spins = c->spins;
}

typedef struct outcome {
    hone_fate   fate;
    char        why[256];
    double      seconds;
    int64_t     compared;
    hone_status launched; /* what a launch under the judge gave */
    worker     *judged_by;
} outcome;

static void HONE_PRINTF(3, 4) end(outcome *out, hone_fate fate, const char *format, ...)
{
    va_list list;
    out->fate = fate;
    va_start(list, format);
    vsnprintf(out->why, sizeof out->why, format, list);
    va_end(list);
}

static void end_by_status(outcome *out, hone_status status)
{
    end(out, status == HONE_ERROR_MEMORY ? HONE_FATE_MEMORY
             : status == HONE_ERROR_UNSUPPORTED ? HONE_FATE_REFUSED : HONE_FATE_FAILED, "%s", hone_last_error());
}

static hone_status judged_launch(void *self, const hone_rt_plan *plan, hone_be_stream *stream,
                                 const hone_arguments *arguments, hone_span scratch)
{
    outcome *out = self;
    /* Truths and comparisons lie between launches, and may take longer than a candidate is allowed: each launch is a
     * step (hone_worker_is_late), so that who launches on is not ended for the judge's time. */
    atomic_fetch_add_explicit(&out->judged_by->page->steps, 1, memory_order_relaxed);
    return out->launched = hone_rt_plan_launch(plan, stream, arguments, scratch);
}

static const hone_kernel *kernel_named(const worker *w, const char *name, uint32_t version, const char *identity)
{
    const hone_kernel *kernels[HONE_RT_KERNELS_MAX];
    int count = hone_rt_kernels(w->context, w->request.op, w->device, kernels, HONE_RT_KERNELS_MAX);
    for (int i = 0; i < count; i++) {
        const char *its = kernels[i]->identity ? kernels[i]->identity(w->device) : NULL;
        if (!strcmp(kernels[i]->name, name) && kernels[i]->version == version && !strcmp(its ? its : "", identity))
            return kernels[i];
    }
    return NULL;
}

/* The time of one launch, once it has run: what its deadlines rest on. */
static hone_status first_launches(worker *w, candidate *c, outcome *out)
{
    for (int i = 0; i < 2; i++) {
        int64_t start = hone_now_ns();
        turn_to(w, c);
        HONE_TRY(hone_runner_launch(c->runner, hone_operands_of(w->operands, i)));
        out->seconds = (double)(hone_now_ns() - start) * 1e-9;
    }
    hone_operands_restore(w->operands);
    return HONE_OK;
}

/* Operands that were damaged are made again, so that the next one finds sound ones. */
static hone_status harmed(worker *w, outcome *out, const char *when)
{
    const char *harm = hone_operands_harm(w->operands);
    if (!harm) return HONE_OK;
    end(out, HONE_FATE_CORRUPTED, "it changed what it must not, %s: an input, or the guard zone, of %s", when, harm);
    for (int i = 0; i < w->count; i++) { /* runners hold the operands */
        hone_runner_close(w->candidates[i]->runner);
        w->candidates[i]->runner = NULL;
    }
    hone_operands_free(w->operands);
    w->operands = NULL;
    HONE_TRY(hone_operands_make(w->context, &w->request, hone_random_at(w->seed, 1), &w->operands));
    for (int i = 0; i < w->count; i++) {
        candidate *c = w->candidates[i];
        HONE_TRY(hone_runner_open(c->plan, w->operands, NULL, &c->runner));
        if (w->threads > 1) hone_runner_join(c->runner);
    }
    return HONE_OK;
}

/* Only what is wrong with the worker itself is a failure. */
static hone_status try_candidate(worker *w, candidate *c, const hone_kernel *kernel, const char *settings, outcome *out)
{
    hone_config  config;
    hone_verdict verdict;
    hone_status  status = hone_config_parse(&w->request, kernel, settings, &config);
    const char  *refusal = kernel->refuses(&w->request);
    if (refusal) {
        end(out, HONE_FATE_REFUSED, "%s", refusal);
        return HONE_OK;
    }
    if (status == HONE_OK) status = hone_rt_plan_with(w->context, &w->request, kernel, &config, &c->plan);
    if (status != HONE_OK) {
        end_by_status(out, status);
        return HONE_OK;
    }
    HONE_TRY(hone_judge_case_plan(w->judged, w->context, c->plan, judged_launch, out, &verdict));
    out->compared = verdict.compared;
    if (verdict.fault == HONE_FAULT_STATUS && out->launched == HONE_ERROR_MEMORY)
        end(out, HONE_FATE_MEMORY, "%s", verdict.sentence);
    else if (verdict.fault != HONE_FAULT_NONE)
        end(out, verdict.fault == HONE_FAULT_STATUS ? HONE_FATE_FAILED
                 : verdict.fault == HONE_FAULT_FOOTPRINT ? HONE_FATE_CORRUPTED : HONE_FATE_WRONG, "%s",
            verdict.sentence);
    if (out->fate != HONE_FATE_RIGHT) return HONE_OK;
    status = hone_runner_open(c->plan, w->operands, NULL, &c->runner);
    if (status == HONE_OK && w->threads > 1) hone_runner_join(c->runner);
    if (status == HONE_OK) status = first_launches(w, c, out);
    if (status != HONE_OK) {
        end_by_status(out, status);
        return HONE_OK;
    }
    return harmed(w, out, "launched on operands to be timed");
}

static hone_status admit(worker *w)
{
    char     name[128], identity[256], settings[512];
    outcome  out = {.judged_by = w};
    uint32_t id = hone_wire_number(&w->in), version;
    hone_wire_text(&w->in, name, sizeof name);
    version = hone_wire_number(&w->in);
    hone_wire_text(&w->in, identity, sizeof identity);
    hone_wire_text(&w->in, settings, sizeof settings);
    HONE_CHECK(hone_wire_ended(&w->in) && w->judged && w->count < CANDIDATES_MAX, HONE_ERROR_FORMAT,
               "worker: a candidate is not of the form it should have");
    candidate *c = hone_alloc(1, sizeof *c);
    if (!c) return HONE_ERROR_MEMORY;
    *c = (candidate){.id = id, .worker = w};
    w->candidates[w->count++] = c;
    at_work(w, id);
    const hone_kernel *kernel = kernel_named(w, name, version, identity);
    hone_status        status = HONE_OK;
    if (!kernel) {
        end(&out, HONE_FATE_REFUSED, "the worker knows no %s of version %u%s%s", name, version,
            *identity ? ", " : "", identity);
    } else {
        c->spins = w->threads > 1 && hone_kernel_is_foreign(kernel, w->device) &&
                   !(kernel->properties & HONE_ONE_THREAD);
        status = try_candidate(w, c, kernel, settings, &out);
    }
    if (status != HONE_OK || out.fate != HONE_FATE_RIGHT) drop_candidate(w, w->count - 1);
    at_work(w, 0);
    HONE_TRY(status);
    answer_status(w, HONE_OK);
    hone_wire_put_number(&w->out, (uint32_t)out.fate);
    hone_wire_put_text(&w->out, out.why);
    hone_wire_put_real(&w->out, out.seconds);
    hone_wire_put_size(&w->out, (uint64_t)out.compared);
    return HONE_OK;
}

/* --- timing ------------------------------------------------------------------------------------------------------ */

typedef struct lane {
    candidate      *who;
    hone_contestant inner;
    outcome         out;
} lane;

static hone_status lane_run(void *self, int repeats)
{
    lane *l = self;
    at_work(l->who->worker, l->who->id);
    l->out.launched = l->inner.run(l->inner.self, repeats);
    return l->out.launched;
}

static void lane_reset(void *self)
{
    lane *l = self;
    turn_to(l->who->worker, l->who);
    if (l->inner.reset) l->inner.reset(l->inner.self);
}

static void lane_evict(void *self)
{
    lane *l = self;
    l->inner.evict(l->inner.self);
}

static hone_contestant contestant_of(lane *l)
{
    l->inner = hone_runner_contestant(l->who->runner, l->who->plan->kernel->name);
    hone_contestant outer = l->inner;
    outer.run = lane_run;
    outer.reset = l->inner.reset || l->who->worker->threads > 1 ? lane_reset : NULL;
    outer.evict = l->inner.evict ? lane_evict : NULL;
    outer.self = l;
    return outer;
}

static void join_chunk(void *argument, int chunk)
{
    (void)argument, (void)chunk;
}

/* A fork and join alone: what stands before each launch on several threads, and is taken off again. */
static hone_status join_run(void *self, int repeats)
{
    const hone_team *team = self;
    for (int i = 0; i < repeats; i++) hone_cpu_each(team, team->count, 0, join_chunk, NULL);
    return HONE_OK;
}

typedef struct timing {
    worker  *w;
    lane    *lanes[LANES_MAX];
    int      count, rounds;
    double   sample_s;
    uint64_t seed;
    double  *seconds; /* rounds x count */
} timing;

/* Some rounds of those that have not failed; HONE_OK also where one failed now: then `again` is true. */
static hone_status take_rounds(timing *t, int from, int rounds, int *taken, bool *again)
{
    hone_contestant      who[LANES_MAX + 1];
    int                  place[LANES_MAX], racing = 0;
    hone_measurement    *m;
    hone_measure_options how = hone_measure_defaults();
    const hone_team     *team = NULL;
    *again = false;
    *taken = rounds;
    for (int i = 0; i < t->count; i++) {
        if (t->lanes[i]->out.fate != HONE_FATE_RIGHT) continue;
        t->lanes[i]->out.launched = HONE_OK;
        team = hone_runner_team(t->lanes[i]->who->runner);
        place[racing] = i;
        who[racing++] = contestant_of(t->lanes[i]);
    }
    if (!racing) return HONE_OK;
    int lanes = racing;
    if (team->count > 1)
        who[lanes++] = (hone_contestant){.name = "fork and join", .run = join_run, .self = (void *)(uintptr_t)team};
    how.cache = t->w->cold ? HONE_CACHE_COLD : HONE_CACHE_WARM;
    how.threads = t->w->threads;
    how.rounds_min = how.rounds_max = rounds;
    how.goal = how.budget_s = 0;
    how.sample_s = t->sample_s;
    how.warm_max = WARM_SAMPLES;
    how.seed = hone_random_at(t->seed, (uint64_t)from);
    hone_status status = hone_measure(who, lanes, &how, &m);
    at_work(t->w, 0);
    if (status != HONE_OK) {
        for (int i = 0; i < racing; i++) {
            lane *l = t->lanes[place[i]];
            if (l->out.launched == HONE_OK) continue;
            end_by_status(&l->out, l->out.launched);
            *again = true;
        }
        return *again ? HONE_OK : status;
    }
    *taken = m->rounds;
    for (int i = 0; i < racing; i++)
        for (int r = 0; r < m->rounds; r++) {
            double raw = m->timings[i].samples[r];
            double join = lanes > racing ? m->timings[racing].seconds.mid : 0;
            t->seconds[(size_t)(from + r) * (size_t)t->count + (size_t)place[i]] = fmax(raw - join, raw / 10);
        }
    hone_measurement_destroy(m);
    return HONE_OK;
}

static hone_status all_rounds(timing *t)
{
    for (int from = 0, taken; from < t->rounds; from += taken) {
        bool again;
        /* Where too little peace leaves rounds missing, few at a time always come back full (tuner/measure.c). */
        int wanted = from && t->rounds - from > ROUNDS_AT_ONCE ? ROUNDS_AT_ONCE : t->rounds - from;
        HONE_TRY(take_rounds(t, from, wanted, &taken, &again));
        if (again) taken = 0;
    }
    return HONE_OK;
}

static hone_status judged_again(void *self, const hone_arguments *arguments)
{
    const lane *l = self;
    at_work(l->who->worker, l->who->id); /* a step, as under the first judge */
    turn_to(l->who->worker, l->who);
    return hone_runner_launch(l->who->runner, arguments);
}

/* Whoever did the damage: each alone, and the operands looked at behind it. */
static hone_status find_culprits(timing *t, const char *harm)
{
    worker *w = t->w;
    bool    found = false;
    outcome all = {0};
    HONE_TRY(harmed(w, &all, "while several were timed"));
    for (int i = 0; i < t->count; i++) {
        lane *l = t->lanes[i];
        if (l->out.fate != HONE_FATE_RIGHT) continue;
        at_work(w, l->who->id);
        contestant_of(l);
        for (int n = 0; n < 4 && l->out.launched == HONE_OK; n++) {
            if (l->inner.reset) l->inner.reset(l->inner.self);
            l->out.launched = l->inner.run(l->inner.self, 1);
        }
        if (l->out.launched != HONE_OK) end_by_status(&l->out, l->out.launched);
        HONE_TRY(harmed(w, &l->out, "while it was timed"));
        found |= l->out.fate != HONE_FATE_RIGHT;
    }
    for (int i = 0; i < t->count && !found; i++)
        if (t->lanes[i]->out.fate == HONE_FATE_RIGHT)
            end(&t->lanes[i]->out, HONE_FATE_CORRUPTED,
                "it, or one timed beside it, changed an input or the guard zone of %s", harm);
    at_work(w, 0);
    return HONE_OK;
}

/* What was timed must be right still, on the memory it was timed with. */
static hone_status look_back(timing *t)
{
    char        wrong[200];
    worker     *w = t->w;
    const char *harm = hone_operands_harm(w->operands);
    char        kept[96];
    if (harm) {
        snprintf(kept, sizeof kept, "%s", harm);
        HONE_TRY(find_culprits(t, kept));
    }
    for (int i = 0; i < t->count; i++) {
        lane *l = t->lanes[i];
        if (l->out.fate != HONE_FATE_RIGHT) continue;
        at_work(w, l->who->id);
        HONE_TRY(hone_operands_judge(w->operands, w->context, &w->request, hone_random_at(t->seed, 1000 + (uint64_t)i),
                                     judged_again, l, wrong, sizeof wrong));
        if (*wrong)
            end(&l->out, HONE_FATE_WRONG, "it was right when it was judged, and is wrong on what it was timed with: %s",
                wrong);
        HONE_TRY(harmed(w, &l->out, "judged again"));
    }
    at_work(w, 0);
    return HONE_OK;
}

static hone_status time_lanes(worker *w, timing *t)
{
    HONE_TRY(all_rounds(t));
    HONE_TRY(look_back(t));
    answer_status(w, HONE_OK);
    for (int i = 0; i < t->count; i++) {
        hone_wire_put_number(&w->out, (uint32_t)t->lanes[i]->out.fate);
        hone_wire_put_text(&w->out, t->lanes[i]->out.why);
    }
    for (int i = 0; i < t->count * t->rounds; i++)
        hone_wire_put_real(&w->out, t->lanes[i % t->count]->out.fate == HONE_FATE_RIGHT ? t->seconds[i] : NAN);
    return HONE_OK;
}

static int find(const worker *w, uint32_t id)
{
    for (int i = 0; i < w->count; i++)
        if (w->candidates[i]->id == id) return i;
    return -1;
}

static hone_status time_some(worker *w)
{
    timing t = {.w = w};
    t.count = (int)hone_wire_number(&w->in);
    t.rounds = (int)hone_wire_number(&w->in);
    t.seed = hone_wire_size(&w->in);
    t.sample_s = hone_wire_real(&w->in);
    HONE_CHECK(t.count >= 1 && t.count <= LANES_MAX && t.rounds >= 1 && t.rounds <= 10000 && w->operands,
               HONE_ERROR_FORMAT, "worker: %d candidates in %d rounds cannot be timed", t.count, t.rounds);
    lane *lanes = hone_alloc((size_t)t.count, sizeof *lanes);
    t.seconds = hone_alloc((size_t)t.count * (size_t)t.rounds, sizeof *t.seconds);
    hone_status status = lanes && t.seconds ? HONE_OK : HONE_ERROR_MEMORY;
    for (int i = 0; i < t.count && status == HONE_OK; i++) {
        int at = find(w, hone_wire_number(&w->in));
        if (at < 0) {
            status = hone_fail(HONE_ERROR_FORMAT, "worker: a candidate that is timed was never admitted");
            break;
        }
        lanes[i].who = w->candidates[at];
        t.lanes[i] = &lanes[i];
    }
    if (status == HONE_OK) status = time_lanes(w, &t);
    for (int i = 0; i < t.count && status == HONE_OK; i++)
        if (lanes[i].out.fate != HONE_FATE_RIGHT) drop_candidate(w, find(w, lanes[i].who->id));
    hone_free(t.seconds);
    hone_free(lanes);
    return status;
}

static hone_status drop(worker *w)
{
    int at = find(w, hone_wire_number(&w->in));
    if (at >= 0) drop_candidate(w, at);
    answer_status(w, HONE_OK);
    return HONE_OK;
}

/* --- all of it --------------------------------------------------------------------------------------------------- */

static hone_status do_as_asked(worker *w, uint32_t kind, const hone_module *const *modules, int count)
{
    hone_status status;
    switch (kind) {
    case HONE_WIRE_HELLO: status = hello(w, modules, count); break;
    case HONE_WIRE_PROBLEM: status = take_problem(w); break;
    case HONE_WIRE_ADMIT: return admit(w);
    case HONE_WIRE_TIME: return time_some(w);
    case HONE_WIRE_DROP: return drop(w);
    default: return hone_fail(HONE_ERROR_FORMAT, "worker: there is no question of kind %u", kind);
    }
    if (status == HONE_OK) answer_status(w, HONE_OK);
    return status;
}

int hone_worker_serve(const hone_module *const *modules, int count)
{
    static unsigned char in[HONE_WIRE_BODY_MAX], out[HONE_WIRE_HEAD + HONE_WIRE_BODY_MAX];
    worker              *w = hone_alloc(1, sizeof *w);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* whoever died before this is found by the first read */
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    if (!w) return 2;
    w->page = mmap(NULL, sizeof *w->page, PROT_READ | PROT_WRITE, MAP_SHARED, HONE_WORKER_PAGE, 0);
    if (w->page == MAP_FAILED) {
        fprintf(stderr, "hone-worker is started by hone's tuner, and by nobody else\n");
        return 2;
    }
    for (;;) {
        unsigned char head[HONE_WIRE_HEAD];
        uint32_t      kind, serial;
        if (!read_all(head, sizeof head)) break;
        int64_t bytes = hone_wire_open(head, &kind, &serial);
        if (bytes < 0 || !read_all(in, (size_t)bytes)) break;
        w->in = (hone_wire){.at = in, .length = (size_t)bytes};
        w->out = (hone_wire){.at = out, .capacity = sizeof out};
        hone_wire_begin(&w->out);
        hone_status status = do_as_asked(w, kind, modules, count);
        if (status != HONE_OK) {
            hone_wire_begin(&w->out);
            answer_status(w, status);
        }
        if (!hone_wire_seal(&w->out, HONE_WIRE_ANSWER + kind, serial) || !write_all(out, w->out.length)) break;
    }
    /* The parent is done, or gone: what libraries want done at exit is nobody's business here. */
    _exit(0);
}
