/* The judge's order of proceedings: each kind of data laid out, launched, looked at; then the promises of equal bits.
 * Memory lies in judge_memory.c, the comparing in judge_compare.c. */
#include "tuner/judge.h"

#include <fenv.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/size.h"
#include "base/status.h"
#include "base/text.h"
#include "tuner/judge_parts.h"

enum { THREADS_TRIED = 3 };

const char *hone_fault_text(hone_fault fault)
{
    switch (fault) {
    case HONE_FAULT_NONE: return "right";
    case HONE_FAULT_STATUS: return "the launch failed";
    case HONE_FAULT_FOOTPRINT: return "something was changed that is not an output";
    case HONE_FAULT_MISSED: return "an element is missing, or not a number where it should be one, or the reverse";
    case HONE_FAULT_EXACT: return "a result on integers is not exact";
    case HONE_FAULT_BOUNDED: return "an error is beyond the derived bound";
    case HONE_FAULT_RELATIVE: return "an error is beyond what plain loops make";
    case HONE_FAULT_BIASED: return "errors lean to one side";
    case HONE_FAULT_BITS: return "bits differ that were promised to be equal";
    }
    return "?";
}

void hone_judge_sentence(const hone_judge_case *c, hone_fault fault, const char *what, char *out, size_t capacity)
{
    char      problem[HONE_PROBLEM_TEXT_MAX];
    hone_text text = hone_text_in(out, capacity);
    c->op->print(c->problem.bytes, problem, sizeof problem);
    hone_text_add(&text, "%s: %s: %s (seed %" PRIu64 "): %s %s", c->kernel, hone_fault_text(fault), what,
                  c->options.seed, c->op->name, problem);
}

/* --- a case ------------------------------------------------------------------------------------------------------ */

hone_status hone_judge_case_create(const hone_op *op, const void *problem, unsigned alignment,
                                   const hone_judge_options *options, hone_judge_case **out)
{
    const char *names[HONE_SCALARS_MAX];
    double      neutral[HONE_SCALARS_MAX];
    *out = NULL;
    HONE_TRY(op->check(problem));
    hone_judge_case *c = hone_alloc(1, sizeof *c);
    if (!c) return HONE_ERROR_MEMORY;
    c->op = op;
    memcpy(c->problem.bytes, problem, op->problem_size);
    if (options) c->options = *options;
    c->alignment = alignment;
    c->scalar_count = op->scalars(problem, names, neutral);
    hone_status status = hone_judge_memory_make(c);
    if (!status) status = hone_judge_sample(c);
    if (status) {
        hone_judge_case_destroy(c);
        return status;
    }
    *out = c;
    return HONE_OK;
}

void hone_judge_case_destroy(hone_judge_case *c)
{
    if (!c) return;
    hone_judge_memory_free(c);
    hone_judge_pool_destroy(c->pool);
    hone_free(c->errors);
    hone_free(c);
}

static hone_status threads_of(hone_judge_case *c, const hone_threads **out)
{
    *out = c->options.threads;
    if (*out) return HONE_OK;
    if (!c->pool) HONE_TRY(hone_judge_pool_create(2, &c->pool));
    *out = hone_judge_pool_threads(c->pool);
    return HONE_OK;
}

/* --- one launch -------------------------------------------------------------------------------------------------- */

/* What judging one plan needs at hand. */
typedef struct trial {
    hone_judge_case   *c;
    hone_rt_context   *context;
    hone_judge_launch  launch;
    void              *self;
    hone_verdict      *verdict;
} trial;

/* The control bits that a launch must leave as they are. */
static unsigned float_modes(void)
{
#if defined(__SSE__)
    return __builtin_ia32_stmxcsr() & ~0x3fu; /* without the flags of what has happened */
#else
    return (unsigned)fegetround();
#endif
}

static void accuse(const trial *t, hone_fault fault, hone_data_kind kind, const char *what)
{
    t->verdict->fault = fault;
    t->verdict->data = kind;
    hone_judge_sentence(t->c, fault, what, t->verdict->sentence, sizeof t->verdict->sentence);
}

/* Scratch starts as NaN too, with a guard behind it. */
typedef struct scratch {
    char  *memory;
    size_t bytes;
} scratch;

enum { SCRATCH_GUARD = 4096 };

static hone_status scratch_make(const hone_rt_plan *plan, scratch *out)
{
    size_t bytes;
    *out = (scratch){NULL, plan->needs.scratch_bytes};
    HONE_CHECK(hone_size_add(out->bytes, 2 * SCRATCH_GUARD, &bytes), HONE_ERROR_MEMORY,
               "judge: the scratch is too large");
    out->memory = hone_alloc_raw(bytes, 64);
    if (!out->memory) return HONE_ERROR_MEMORY;
    memset(out->memory, 0xff, bytes);
    return HONE_OK;
}

static bool scratch_whole(const scratch *s)
{
    for (size_t i = 0; i < SCRATCH_GUARD; i++)
        if (s->memory[i] != '\xff' || s->memory[SCRATCH_GUARD + s->bytes + i] != '\xff') return false;
    return true;
}

/* Launches a plan on this data and looks at all but the results. */
static hone_status launch(const trial *t, const hone_rt_plan *plan, hone_data_kind kind, size_t shift)
{
    hone_judge_case *c = t->c;
    hone_be_device  *device = (hone_be_device *)plan->request.device;
    hone_be_stream  *stream;
    hone_span        spans[HONE_ROLES_MAX];
    scratch          room;
    const hone_threads *threads = NULL;
    HONE_TRY(hone_judge_data(c, kind, t->context, &plan->request));
    if (plan->request.threads > 1) HONE_TRY(threads_of(c, &threads));
    HONE_TRY(scratch_make(plan, &room));
    hone_status status = device->backend->stream_create(device, &stream);
    if (status) {
        hone_free(room.memory);
        return status;
    }
    stream->team = (hone_team){threads, plan->request.threads};
    hone_arguments arguments = hone_judge_lay_out(c, kind, shift, spans);
    hone_span      span = {NULL, room.bytes ? room.memory + SCRATCH_GUARD : NULL, 0, room.bytes};
    unsigned       modes = float_modes();
    uint64_t       failed = 0;
    status = t->launch ? t->launch(t->self, plan, stream, &arguments, span)
                       : hone_rt_plan_launch(plan, stream, &arguments, span);
    hone_status waited = device->backend->stream_wait(stream, &failed);
    bool        same_modes = modes == float_modes(), whole = scratch_whole(&room);
    device->backend->stream_destroy(stream);
    hone_free(room.memory);
    if (status || waited) {
        accuse(t, HONE_FAULT_STATUS, kind, hone_last_error());
        return HONE_OK;
    }
    int         role = 0;
    const char *place = "";
    if (!hone_judge_gather(c, kind, shift, &role, &place)) {
        char what[128];
        snprintf(what, sizeof what, "of %s, %s", c->memory[role].role.name, place);
        accuse(t, HONE_FAULT_FOOTPRINT, kind, what);
        t->verdict->role = role;
    } else if (!whole) {
        accuse(t, HONE_FAULT_FOOTPRINT, kind, "the guard zone of its scratch");
    } else if (!same_modes) {
        accuse(t, HONE_FAULT_FOOTPRINT, kind, "the floating-point modes");
    }
    return HONE_OK;
}

/* --- equal bits -------------------------------------------------------------------------------------------------- */

static size_t bytes_got(const hone_judge_memory *m)
{
    return (size_t)m->count * (size_t)m->items * (size_t)m->element_bytes;
}

static void keep_bits(hone_judge_case *c)
{
    for (int i = 0; i < c->count; i++)
        if (c->memory[i].got) memcpy(c->memory[i].bits, c->memory[i].got, bytes_got(&c->memory[i]));
}

/* Launches again and compares with what was kept. */
static hone_status again(const trial *t, const hone_rt_plan *plan, size_t shift, const char *what)
{
    hone_judge_case *c = t->c;
    HONE_TRY(launch(t, plan, HONE_DATA_RANDOM, shift));
    for (int i = 0; i < c->count && t->verdict->fault == HONE_FAULT_NONE; i++) {
        hone_judge_memory *m = &c->memory[i];
        if (!m->got || memcmp(m->got, m->bits, bytes_got(m)) == 0) continue;
        size_t at = 0, size = (size_t)m->element_bytes;
        while (memcmp(m->got + at * size, m->bits + at * size, size) == 0) at++;
        accuse(t, HONE_FAULT_BITS, HONE_DATA_RANDOM, what);
        t->verdict->role = i;
        t->verdict->element = (int64_t)at;
        t->verdict->got = hone_judge_value(m, m->got, (int64_t)at);
        t->verdict->truth = hone_judge_value(m, m->bits, (int64_t)at);
    }
    return HONE_OK;
}

/* The same kernel and configuration, made for so many threads. */
static hone_status with_threads(const trial *t, const hone_rt_plan *plan, int threads)
{
    hone_rt_plan *other;
    hone_request  request = plan->request;
    request.threads = threads;
    const char *refusal = plan->kernel->refuses(&request);
    if (!refusal) refusal = hone_config_refuses(&request, plan->kernel, &plan->config);
    if (refusal) return HONE_OK; /* no promise for what it does not take */
    hone_status status = hone_rt_plan_with(t->context, &request, plan->kernel, &plan->config, &other);
    if (status == HONE_ERROR_UNSUPPORTED) return HONE_OK;
    if (status) return status;
    status = again(t, other, 0, threads == 1 ? "on one thread" : "on several threads");
    hone_rt_plan_release(other);
    return status;
}

/* What was promised of bits, on random data. */
static hone_status promises(const trial *t, const hone_rt_plan *plan)
{
    unsigned properties = plan->kernel->properties;
    size_t   better = t->c->alignment < 64 ? 64 - t->c->alignment : 64;
    if (properties & HONE_BITWISE_RUNS) HONE_TRY(again(t, plan, 0, "in another run"));
    if (properties & HONE_BITWISE_ALIGNMENT && !t->verdict->fault)
        HONE_TRY(again(t, plan, better, "at another alignment"));
    if (!(properties & HONE_BITWISE_THREADS) || (properties & HONE_ONE_THREAD)) return HONE_OK;
    for (int threads = 1; threads <= THREADS_TRIED && !t->verdict->fault; threads++)
        if (threads != plan->request.threads) HONE_TRY(with_threads(t, plan, threads));
    return HONE_OK;
}

/* --- the verdict -------------------------------------------------------------------------------------------------- */

hone_status hone_judge_case_plan(hone_judge_case *c, hone_rt_context *context, const hone_rt_plan *plan,
                                 hone_judge_launch launcher, void *self, hone_verdict *out)
{
    static const hone_data_kind order[] = {HONE_DATA_INTEGERS, HONE_DATA_WIDE, HONE_DATA_NOT_FINITE, HONE_DATA_RANDOM};
    trial                       t = {c, context, launcher, self, out};
    memset(out, 0, sizeof *out);
    c->kernel = plan->kernel->name;
    HONE_CHECK(plan->op == c->op && memcmp(plan->problem.bytes, c->problem.bytes, c->op->problem_size) == 0,
               HONE_ERROR_ARGUMENT, "judge: the plan is of another problem than the case");
    HONE_CHECK(plan->request.alignment <= c->alignment, HONE_ERROR_ARGUMENT,
               "judge: the plan wants operands aligned to %u, the case has them aligned to %u", plan->request.alignment,
               c->alignment);
    for (size_t i = 0; i < sizeof order / sizeof *order && out->fault == HONE_FAULT_NONE; i++) {
        bool integers = order[i] == HONE_DATA_INTEGERS || order[i] == HONE_DATA_WIDE;
        if (integers && !c->op->exact(hone_judge_asked(c), order[i])) continue;
        HONE_TRY(launch(&t, plan, order[i], 0));
        if (out->fault == HONE_FAULT_NONE) HONE_TRY(hone_judge_compare(c, order[i], out));
    }
    if (!c->options.bits || out->fault != HONE_FAULT_NONE) return HONE_OK;
    keep_bits(c);
    return promises(&t, plan);
}

hone_status hone_judge_launch_of(hone_rt_context *context, const hone_rt_plan *plan, hone_judge_launch launcher,
                                 void *self, const hone_judge_options *options, hone_verdict *out)
{
    hone_judge_case *c;
    HONE_TRY(hone_judge_case_create(plan->op, plan->problem.bytes, plan->request.alignment, options, &c));
    hone_status status = hone_judge_case_plan(c, context, plan, launcher, self, out);
    hone_judge_case_destroy(c);
    return status;
}

hone_status hone_judge_plan(hone_rt_context *context, const hone_rt_plan *plan, const hone_judge_options *options,
                            hone_verdict *out)
{
    return hone_judge_launch_of(context, plan, NULL, NULL, options, out);
}
