/* Figures from this process: see here.h. */
#include "tuner/here.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/random.h"

enum { RETRIES = 2 };

/* One candidate that was admitted; without a runner the slot is free. */
typedef struct slot {
    hone_rt_plan   *plan;
    hone_runner    *runner;
    hone_contestant who;
    int             repeats; /* launches in a sample */
} slot;

struct hone_here {
    hone_rt_context  *context;
    hone_request      request;
    hone_here_options options;
    hone_operands    *operands;
    hone_judge_case  *judge_case;
    const hone_watch *watch;
    int64_t           began_ns;
    slot             *slots;
    int               slot_count;
    void             *sweep; /* cold, where operands cannot be flushed */
};

enum { SWEEP_BYTES = 64 << 20 };

hone_here_options hone_here_defaults(void)
{
    return (hone_here_options){.seed = 1, .sample_s = 2e-4};
}

static hone_status stopped(const hone_here *here)
{
    if (here->options.stop && here->options.stop()) return hone_fail(HONE_ERROR_INTERRUPTED, "it was asked to stop");
    return HONE_OK;
}

static void empty_slot(slot *it)
{
    hone_runner_close(it->runner);
    if (it->plan) hone_rt_plan_release(it->plan);
    *it = (slot){0};
}

static hone_status free_slot(hone_here *here, int *out)
{
    for (*out = 0; *out < here->slot_count; ++*out)
        if (!here->slots[*out].runner) return HONE_OK;
    return hone_grow(&here->slots, here->slot_count, &here->slot_count, sizeof *here->slots);
}

/* --- samples --------------------------------------------------------------------------------------------------- */

/* Seconds of so many launches; what comes before them is not on the clock. */
static hone_status clocked(hone_here *here, slot *it, int repeats, double *seconds)
{
    const hone_watch *w = here->watch;
    if (it->who.reset) it->who.reset(it->who.self);
    if (here->options.cold && it->who.evict) it->who.evict(it->who.self);
    if (here->options.cold && !it->who.evict) hone_watch_sweep(here->sweep, SWEEP_BYTES);
    int64_t start = w->now_ns(w->self);
    HONE_TRY(it->who.run(it->who.self, repeats));
    int64_t took = w->now_ns(w->self) - start;
    *seconds = (double)(took > 0 ? took : 1) * 1e-9;
    return HONE_OK;
}

/* One sample, taken again where the thread was pushed off its core meanwhile. */
static hone_status sample(hone_here *here, slot *it, double *seconds)
{
    const hone_watch *w = here->watch;
    for (int attempt = 0; attempt <= RETRIES; attempt++) {
        if (!here->options.cold) { /* bring back what the candidate before pushed out */
            if (it->who.reset) it->who.reset(it->who.self);
            HONE_TRY(it->who.run(it->who.self, it->repeats / 8 > 1 ? it->repeats / 8 : 1));
        }
        int64_t pushed = w->preemptions(w->self);
        HONE_TRY(clocked(here, it, it->repeats, seconds));
        *seconds /= it->repeats;
        if (w->preemptions(w->self) == pushed) return HONE_OK;
    }
    return HONE_OK;
}

/* How many launches fill a sample. */
static hone_status settle_repeats(hone_here *here, slot *it)
{
    int most = it->who.repeats_max > 0 ? it->who.repeats_max : 1 << 20;
    it->repeats = 1;
    if (here->options.cold) return HONE_OK;
    for (int turn = 0; turn < 3; turn++) {
        double seconds;
        HONE_TRY(clocked(here, it, it->repeats, &seconds));
        double wish = ceil(it->repeats * here->options.sample_s / seconds);
        if (wish <= it->repeats) return HONE_OK;
        it->repeats = wish < most ? (int)wish : most;
    }
    return HONE_OK;
}

/* --- the oracle ------------------------------------------------------------------------------------------------ */

static hone_status admit_one(hone_here *here, const hone_choice *choice, hone_admission *out)
{
    slot it = {0};
    int  at;
    memset(out, 0, sizeof *out);
    hone_status status =
        hone_rt_plan_with(here->context, &here->request, choice->kernel, &choice->config, &it.plan);
    if (status == HONE_ERROR_UNSUPPORTED) {
        hone_admission_say(out, HONE_FATE_REFUSED, hone_last_error());
        return HONE_OK;
    }
    if (status == HONE_OK && !here->options.unjudged) {
        hone_verdict verdict;
        status = hone_judge_case_plan(here->judge_case, here->context, it.plan, NULL, NULL, &verdict);
        if (status == HONE_OK && verdict.fault != HONE_FAULT_NONE) {
            hone_admission_say(out, verdict.fault == HONE_FAULT_FOOTPRINT ? HONE_FATE_CORRUPTED
                         : verdict.fault == HONE_FAULT_STATUS  ? HONE_FATE_FAILED
                                                               : HONE_FATE_WRONG,
                    verdict.sentence);
            empty_slot(&it);
            return HONE_OK;
        }
    }
    if (status == HONE_OK) status = hone_runner_open(it.plan, here->operands, here->options.stop, &it.runner);
    if (status == HONE_OK) {
        it.who = hone_runner_contestant(it.runner, choice->kernel->name);
        status = settle_repeats(here, &it);
    }
    if (status == HONE_ERROR_INTERRUPTED) {
        empty_slot(&it);
        return status;
    }
    if (status != HONE_OK) {
        hone_admission_say(out, status == HONE_ERROR_MEMORY ? HONE_FATE_MEMORY : HONE_FATE_FAILED, hone_last_error());
        empty_slot(&it);
        return HONE_OK;
    }
    status = free_slot(here, &at);
    if (status != HONE_OK) {
        empty_slot(&it);
        return status;
    }
    here->slots[at] = it;
    out->id = at;
    return HONE_OK;
}

static void drop(void *self, int id)
{
    hone_here *here = self;
    if (id >= 0 && id < here->slot_count) empty_slot(&here->slots[id]);
}

static hone_status admit(void *self, const hone_choice *choices, int count, hone_admission *out)
{
    hone_here  *here = self;
    hone_status status = HONE_OK;
    int         done = 0;
    for (; done < count && status == HONE_OK; done++) {
        status = stopped(here);
        if (status == HONE_OK) status = admit_one(here, &choices[done], &out[done]);
    }
    for (int i = 0; status != HONE_OK && i < done - 1; i++) /* all or none */
        if (out[i].fate == HONE_FATE_RIGHT) drop(here, out[i].id);
    return status;
}

static hone_status time_rounds(void *self, const int *ids, int count, int rounds, double *seconds,
                               hone_admission *fates)
{
    hone_here *here = self;
    for (int i = 0; i < count; i++) fates[i] = (hone_admission){.id = ids[i]};
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < count; i++) {
            double *to = &seconds[round * count + i];
            *to = NAN;
            if (fates[i].fate != HONE_FATE_RIGHT) continue;
            HONE_TRY(stopped(here));
            hone_status status = sample(here, &here->slots[ids[i]], to);
            if (status == HONE_OK) continue;
            if (status == HONE_ERROR_INTERRUPTED) return status;
            *to = NAN;
            hone_admission_say(&fates[i], HONE_FATE_FAILED, hone_last_error());
            drop(here, ids[i]);
        }
    return HONE_OK;
}

static double spent(void *self)
{
    const hone_here *here = self;
    return (double)(here->watch->now_ns(here->watch->self) - here->began_ns) * 1e-9;
}

hone_oracle hone_here_oracle(hone_here *here)
{
    return (hone_oracle){admit, time_rounds, drop, spent, here};
}

hone_status hone_here_open(hone_rt_context *context, const hone_request *request, const hone_here_options *options,
                           hone_here **out)
{
    *out = NULL;
    hone_here *here = hone_alloc(1, sizeof *here);
    if (!here) return HONE_ERROR_MEMORY;
    *here = (hone_here){.context = context, .request = *request, .options = *options,
                        .watch = hone_watch_real(request->threads)};
    here->began_ns = here->watch->now_ns(here->watch->self);
    hone_judge_options how = {.seed = options->seed};
    hone_status        status =
        hone_operands_make(context, request, hone_random_at(options->seed, 1), &here->operands);
    if (status == HONE_OK && !options->unjudged)
        status = hone_judge_case_create(request->op, request->problem, request->alignment, &how, &here->judge_case);
    if (status == HONE_OK && options->cold && !hone_operands_flush(here->operands)) {
        here->sweep = hone_alloc_raw(SWEEP_BYTES, 64);
        if (here->sweep) memset(here->sweep, 1, SWEEP_BYTES);
        else status = HONE_ERROR_MEMORY;
    }
    if (status != HONE_OK) {
        hone_here_close(here);
        return status;
    }
    *out = here;
    return HONE_OK;
}

void hone_here_close(hone_here *here)
{
    if (!here) return;
    for (int i = 0; i < here->slot_count; i++) empty_slot(&here->slots[i]);
    if (here->judge_case) hone_judge_case_destroy(here->judge_case);
    hone_operands_free(here->operands);
    hone_free(here->sweep);
    hone_free(here->slots);
    hone_free(here);
}
