/* The choice between kernels: who refuses, what the others are believed to take, and which rule decided.
 *
 * What was measured for just this request comes first (measured.c), then what near problems that were measured speak
 * for (near.c). All else rests on `estimate` over the device's
 * ceilings, or, where none are kept, over the kernels' built-in ones. Estimates within NEAR of the best are a tie,
 * which goes to the order of the rows: so every process chooses alike. In deterministic mode the choice rests on the
 * problem alone, and on what is in quarantine. */
#include <math.h>
#include <string.h>

#include "runtime/hall.h"
#include "runtime/measured.h"
#include "runtime/modules.h"

#define NEAR 1.02

enum { SUGGESTIONS = 8 };

const char *hone_rt_refuses(const hone_request *request, const hone_kernel *kernel)
{
    const char *why = hone_rt_module_refuses(kernel);
    if (why) return why;
    if (kernel->op_version != request->op->version) return "it was made for another version of the op";
    if (kernel->problem_size != request->op->problem_size) return "it knows the op's problem in another size";
    if (request->flags & HONE_REQUEST_DETERMINISTIC && (kernel->properties & HONE_BITWISE_ALL) != HONE_BITWISE_ALL)
        return "its bits may depend on threads, runs or alignment, and the context is deterministic";
    if (request->flags & HONE_REQUEST_CAPTURED && !(kernel->properties & HONE_CAPTURABLE))
        return "it cannot be captured";
    return kernel->refuses(request);
}

#define IN_QUARANTINE "it is in quarantine for this problem: `hone profile list` says why"

static void judge_candidate(const hone_request *request, const hone_rt_culprits *culprits, hone_rt_candidate *candidate)
{
    const hone_kernel *kernel = candidate->kernel;
    hone_config        configs[SUGGESTIONS];
    bool               by_problem = request->flags & HONE_REQUEST_DETERMINISTIC, any = false;
    candidate->refusal = hone_rt_refuses(request, kernel);
    if (candidate->refusal) return;
    candidate->basis = "order of the rows";
    if (by_problem) {
        hone_config_standard(kernel->space, &candidate->config);
        if (!hone_config_refuses(request, kernel, &candidate->config) &&
            !hone_rt_culprits_have(culprits, request, kernel, &candidate->config))
            return;
    }
    int count = kernel->suggest(request, configs, SUGGESTIONS);
    for (int i = 0; i < count; i++) {
        if (hone_rt_culprits_have(culprits, request, kernel, &configs[i])) continue;
        if (!any) candidate->config = configs[i];
        any = true;
        if (by_problem) return;
        double seconds = kernel->estimate(request, &configs[i]);
        if (!(seconds > 0) || !isfinite(seconds)) continue;
        if (candidate->seconds > 0 && seconds >= candidate->seconds) continue;
        candidate->seconds = seconds;
        candidate->config = configs[i];
        candidate->basis = request->device->ceilings_known ? "estimated" : "estimated, ceilings built in";
    }
    if (!any) candidate->refusal = count < 1 ? "it suggests no configuration" : IN_QUARANTINE;
}

/* Estimates choose among kernels of one rank only: hone's own, other people's, those that are slow by intent. */
static int rank_of(const hone_kernel *kernel)
{
    return kernel->properties & HONE_IS_REFERENCE ? 2 : hone_rt_module_owns(kernel) ? 1 : 0;
}

/* Does a come before b? */
static bool before(const hone_rt_candidate *a, const hone_rt_candidate *b)
{
    int a_rank = rank_of(a->kernel), b_rank = rank_of(b->kernel);
    if (!!a->refusal != !!b->refusal) return !a->refusal;
    if (a->refusal) return false;
    if (a_rank != b_rank) return a_rank < b_rank;
    if ((a->seconds > 0) != (b->seconds > 0)) return a->seconds > 0;
    return a->seconds > 0 && a->seconds < b->seconds;
}

static void move_to_front(hone_rt_candidate *list, int at)
{
    hone_rt_candidate moved = list[at];
    memmove(list + 1, list, (size_t)at * sizeof *list);
    list[0] = moved;
}

/* All but what was measured, or predicted. */
static void rank_estimates(const hone_request *request, const hone_rt_culprits *culprits,
                           const hone_kernel *const *kernels, int count, hone_rt_candidate *out, const char **rule)
{
    int row[HONE_RT_KERNELS_MAX]; /* of out[i] */
    for (int i = 0; i < count; i++) {
        hone_rt_candidate candidate = {.kernel = kernels[i]};
        judge_candidate(request, culprits, &candidate);
        int at = i;
        for (; at > 0 && before(&candidate, &out[at - 1]); at--) {
            out[at] = out[at - 1];
            row[at] = row[at - 1];
        }
        out[at] = candidate;
        row[at] = i;
    }
    *rule = "order of the rows";
    if (!count || out[0].refusal || !(out[0].seconds > 0)) return;
    *rule = out[0].basis;
    int first = 0;
    for (int i = 1; i < count && !out[i].refusal && out[i].seconds > 0 && out[i].seconds <= out[0].seconds * NEAR; i++)
        if (rank_of(out[i].kernel) == rank_of(out[0].kernel) && row[i] < row[first]) first = i;
    if (first) {
        move_to_front(out, first);
        *rule = "estimated alike, order of the rows";
    }
}

static int rank(const hone_request *request, const hone_rt_culprits *culprits, const hone_rt_evidence *evidence,
                const hone_kernel *const *kernels, int count, hone_rt_candidate *out, const char **rule)
{
    rank_estimates(request, culprits, kernels, count, out, rule);
    for (int e = evidence->count - 1; e >= 0; e--) {
        int at = 0;
        while (at < count && out[at].kernel != evidence->at[e].kernel) at++;
        if (at == count) continue; /* beyond what the caller has room for */
        move_to_front(out, at);
        out[0] = (hone_rt_candidate){.kernel = evidence->at[e].kernel,
                                     .config = evidence->at[e].config,
                                     .seconds = evidence->at[e].seconds,
                                     .basis = evidence->at[e].basis,
                                     .measured = !evidence->predicted,
                                     .borrowed = evidence->borrowed};
        *rule = evidence->at[e].basis;
    }
    return count;
}

/* The device's rows; NULL: none are used. */
static hone_rt_measured *measured_of(const hone_rt_context *context, const hone_be_device *device)
{
    for (int i = 0; i < context->device_count; i++)
        if (context->devices[i].be == device) return context->devices[i].measured;
    return NULL;
}

static int rank_all(const hone_rt_context *context, const hone_request *request, const hone_rt_row *given,
                    const hone_rt_culprits *culprits, hone_rt_candidate *out, int cap, const char **rule)
{
    const hone_kernel *kernels[HONE_RT_KERNELS_MAX];
    hone_rt_evidence   evidence;
    int count = hone_rt_kernels(context, request->op, request->device, kernels, HONE_RT_KERNELS_MAX);
    hone_rt_measured *measured = measured_of(context, request->device);
    hone_rt_evidence_of(measured, request, given, kernels, count, false, culprits, &evidence);
    if (!evidence.count) hone_rt_evidence_near(measured, request, kernels, count, false, culprits, &evidence);
    return rank(request, culprits, &evidence, kernels, count < cap ? count : cap, out, rule);
}

int hone_rt_rank(const hone_rt_context *context, const hone_request *request, hone_rt_candidate *out, int cap,
                 const char **rule)
{
    hone_rt_culprits culprits;
    hone_rt_culprits_of(measured_of(context, request->device), request, &culprits);
    return rank_all(context, request, NULL, &culprits, out, cap, rule);
}

int hone_rt_rank_given(const hone_rt_context *context, const hone_request *request, const hone_rt_row *given,
                       hone_rt_candidate *out, int cap, const char **rule)
{
    const hone_kernel *kernels[HONE_RT_KERNELS_MAX];
    hone_rt_culprits   culprits;
    hone_rt_evidence   evidence;
    hone_rt_measured  *measured = measured_of(context, request->device);
    hone_rt_culprits_of(measured, request, &culprits);
    int count = hone_rt_own_kernels(context, request->op, request->device, kernels, HONE_RT_KERNELS_MAX);
    hone_rt_evidence_of(measured, request, given, kernels, count, context->modules_wanted, &culprits, &evidence);
    if (!evidence.count && !evidence.foreign)
        hone_rt_evidence_near(measured, request, kernels, count, context->modules_wanted, &culprits, &evidence);
    if (!evidence.foreign) {
        count = rank(request, &culprits, &evidence, kernels, count < cap ? count : cap, out, rule);
        if (count > 0 && !out[0].refusal && rank_of(out[0].kernel) == 0) return count;
    }
    return rank_all(context, request, given, &culprits, out, cap, rule);
}

int hone_rt_rank_first(const hone_rt_context *context, const hone_request *request, hone_rt_candidate *out, int cap,
                       const char **rule)
{
    return hone_rt_rank_given(context, request, NULL, out, cap, rule);
}
