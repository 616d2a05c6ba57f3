/* Rows made into candidates. A row is only believed as far as this process can repeat it: its kernel is here, in the
 * same version and with the same thing behind it, takes the request, and the configuration is legal for it now.
 * Anything else is passed over and stays on the disk, for another build may know it. */
#include "runtime/measured.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/status.h"
#include "runtime/hall.h"
#include "runtime/rivals.h"

struct hone_rt_measured {
    hone_rt_rows *rows; /* NULL: they could not be read */
    hone_log      log;
    _Atomic(bool) said; /* that something was passed over */
};

/* --- rows of a device ------------------------------------------------------------------------------------------ */

hone_status hone_rt_measured_open(const hone_be_device *device, const char *path, const hone_log *log,
                                  hone_rt_measured **out)
{
    hone_sentence     before;
    const char       *remark;
    hone_rt_measured *measured = *out = hone_alloc(1, sizeof *measured);
    if (!measured) return HONE_ERROR_MEMORY;
    measured->log = *log;
    hone_sentence_keep(&before);
    hone_status status = hone_rt_rows_open(device, path, &measured->rows);
    if (status == HONE_ERROR_MEMORY) {
        hone_free(measured);
        *out = NULL;
        return status;
    }
    if (status != HONE_OK)
        hone_log_say(log, HONE_LOG_WARNING, "the rows of %s are not used: %s", device->name, hone_last_error());
    for (int i = 0; status == HONE_OK && (remark = hone_rt_rows_remark(measured->rows, i)); i++)
        hone_log_say(log, HONE_LOG_WARNING, "%s", remark);
    hone_sentence_back(&before);
    return HONE_OK;
}

void hone_rt_measured_close(hone_rt_measured *measured)
{
    if (!measured) return;
    hone_rt_rows_close(measured->rows);
    hone_free(measured);
}

void hone_rt_measured_refresh(hone_rt_measured *measured)
{
    hone_sentence before;
    hone_sentence_keep(&before);
    if (measured && measured->rows && hone_rt_rows_refresh(measured->rows) != HONE_OK)
        hone_log_say(&measured->log, HONE_LOG_WARNING, "rows that were added are not read: %s", hone_last_error());
    hone_sentence_back(&before);
}

hone_rt_rows *hone_rt_measured_rows(hone_rt_measured *measured)
{
    return measured->rows;
}

/* Once as a warning: whoever wants all of it asks for more. */
static void pass_over(hone_rt_measured *measured, const hone_rt_row *row, const hone_rt_figure *it, const char *why)
{
    hone_log_level level = atomic_exchange(&measured->said, true) ? HONE_LOG_INFO : HONE_LOG_WARNING;
    hone_log_say(&measured->log, level, "\"%s\": the measured %s is passed over: %s%s", row->problem, it->kernel, why,
                 level == HONE_LOG_WARNING ? "; `hone tune` measures again, and further rows like it are told at info"
                                           : "");
}

/* --- quarantine ------------------------------------------------------------------------------------------------ */

static uint64_t culprit_hash(const char *kernel, unsigned version, const char *identity, const char *config)
{
    char text[640];
    int  length = snprintf(text, sizeof text, "%s|%u|%s|%s", kernel, version, identity, config);
    return hone_hash(text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1, 0);
}

static const char *identity_of(const hone_kernel *kernel, const hone_be_device *device)
{
    const char *identity = kernel->identity ? kernel->identity(device) : NULL;
    return identity ? identity : "";
}

void hone_rt_culprits_of(hone_rt_measured *measured, const hone_request *request, hone_rt_culprits *out)
{
    hone_rt_row   row;
    hone_sentence before;
    out->count = 0;
    if (!measured || !measured->rows) return;
    hone_sentence_keep(&before);
    for (int i = 0; hone_rt_rows_quarantined(measured->rows, request, i, &row) == HONE_OK; i++) {
        if (out->count == HONE_RT_CULPRITS_MAX) {
            hone_log_say(&measured->log, HONE_LOG_WARNING, "\"%s\": of what is in quarantine %d are heeded, no more",
                         row.problem, HONE_RT_CULPRITS_MAX);
            break;
        }
        out->at[out->count++] =
            culprit_hash(row.best.kernel, row.best.version, row.best.identity, row.best.config);
    }
    hone_sentence_back(&before);
}

static bool is_culprit(const hone_rt_culprits *culprits, uint64_t hash)
{
    for (int i = 0; i < culprits->count; i++)
        if (culprits->at[i] == hash) return true;
    return false;
}

bool hone_rt_culprits_have(const hone_rt_culprits *culprits, const hone_request *request, const hone_kernel *kernel,
                           const hone_config *config)
{
    char        text[256];
    hone_config same = *config; /* means the same, and may be how it was written down */
    if (!culprits->count) return false;
    const char *identity = identity_of(kernel, request->device);
    if (is_culprit(culprits, culprit_hash(kernel->name, kernel->version, identity, ""))) return true;
    hone_config_print(kernel->space, config, text, sizeof text);
    if (is_culprit(culprits, culprit_hash(kernel->name, kernel->version, identity, text))) return true;
    if (!kernel->space) return false;
    hone_config_canonical(request, kernel, &same);
    hone_config_print(kernel->space, &same, text, sizeof text);
    return is_culprit(culprits, culprit_hash(kernel->name, kernel->version, identity, text));
}

/* --- evidence -------------------------------------------------------------------------------------------------- */

typedef struct looking {
    hone_rt_measured         *measured;
    const hone_request       *request;
    const hone_kernel *const *kernels;
    int                       count;
    const hone_rt_culprits   *culprits;
} looking;

static const hone_kernel *kernel_named(const looking *at, const char *name)
{
    for (int i = 0; i < at->count; i++)
        if (!strcmp(at->kernels[i]->name, name)) return at->kernels[i];
    return NULL;
}

const char *hone_rt_figure_doubt(const hone_request *request, const hone_kernel *const *kernels, int count,
                                 const hone_rt_culprits *culprits, const hone_rt_figure *it,
                                 const hone_kernel **kernel, hone_config *config, char why[HONE_RT_DOUBT_MAX])
{
    *kernel = NULL;
    for (int i = 0; i < count && !*kernel; i++)
        if (!strcmp(kernels[i]->name, it->kernel)) *kernel = kernels[i];
    if (!*kernel) return "there is no kernel of that name here";
    const char *refusal = hone_rt_refuses(request, *kernel);
    if (refusal) return refusal;
    if ((*kernel)->version != it->version) {
        snprintf(why, HONE_RT_DOUBT_MAX, "version %u was measured, and this is %u", it->version, (*kernel)->version);
        return why;
    }
    const char *identity = identity_of(*kernel, request->device);
    if (strcmp(identity, it->identity) != 0) {
        snprintf(why, HONE_RT_DOUBT_MAX, "'%s' was measured, and this is '%s'", it->identity, identity);
        return why;
    }
    if (hone_config_parse(request, *kernel, it->config, config) != HONE_OK) {
        snprintf(why, HONE_RT_DOUBT_MAX, "its configuration is not legal here: %s", hone_last_error());
        return why;
    }
    return culprits && hone_rt_culprits_have(culprits, request, *kernel, config) ? "it is in quarantine" : NULL;
}

static const char *doubt(const looking *at, const hone_rt_figure *it, const hone_kernel **kernel, hone_config *config,
                         char why[HONE_RT_DOUBT_MAX])
{
    return hone_rt_figure_doubt(at->request, at->kernels, at->count, at->culprits, it, kernel, config, why);
}

/* Its kernel, or one that it was measured beside, has another version by now, or one came later. */
static bool is_outdated(const looking *at, const hone_rt_row *row)
{
    char               why[HONE_RT_DOUBT_MAX];
    const hone_kernel *best = kernel_named(at, row->best.kernel);
    const hone_kernel *lacks = hone_rt_rivals_lack(row->rivals, at->request, at->kernels, at->count);
    bool newer = best && best->version > row->best.version && !hone_kernel_is_foreign(best, at->request->device);
    if (!lacks && !newer) return false;
    if (newer)
        snprintf(why, sizeof why, "version %u was measured, and this is %u", row->best.version, best->version);
    else
        snprintf(why, sizeof why, "it was not measured beside %s of version %u", lacks->name, lacks->version);
    pass_over(at->measured, row, &row->best, why);
    return true;
}

static void take(const looking *at, const hone_rt_row *row, const hone_rt_figure *it, const char *basis,
                 hone_rt_evidence *out)
{
    char               why[HONE_RT_DOUBT_MAX];
    const hone_kernel *kernel;
    hone_config        config;
    if (!it->kernel[0]) return;
    const char *doubts = doubt(at, it, &kernel, &config, why);
    if (doubts) {
        pass_over(at->measured, row, it, doubts);
        return;
    }
    if (out->count && out->at[0].kernel == kernel) return; /* one candidate a kernel: the better one stands */
    out->at[out->count].kernel = kernel;
    out->at[out->count].config = config;
    out->at[out->count].seconds = it->median_s;
    out->at[out->count++].basis = basis;
}

void hone_rt_evidence_of(hone_rt_measured *measured, const hone_request *request, const hone_rt_row *given,
                         const hone_kernel *const *kernels, int count, bool some, const hone_rt_culprits *culprits,
                         hone_rt_evidence *out)
{
    enum { ROWS = 8 }; /* beyond the first so many that cannot be used, none is asked */
    looking       at = {measured, request, kernels, count, culprits};
    hone_rt_row   row;
    hone_sentence before;
    hone_rt_evidence_clear(out);
    if (!measured || request->flags & HONE_REQUEST_DETERMINISTIC) return;
    hone_sentence_keep(&before);
    for (int i = given ? -1 : 0; i < ROWS && !out->count && !out->foreign; i++) {
        int layer = 0;
        if (i < 0)
            row = *given;
        else if (!measured->rows || hone_rt_rows_next(measured->rows, request, i, &row, &layer) != HONE_OK)
            break;
        out->borrowed = layer > 0;
        if (some && !kernel_named(&at, row.best.kernel)) {
            out->foreign = true;
            break;
        }
        if (is_outdated(&at, &row)) {
            if (!out->outdated) out->row = row, out->row_layer = layer;
            out->outdated = true;
            continue;
        }
        take(&at, &row, &row.best, "measured", out);
        if (!some || kernel_named(&at, row.next.kernel))
            take(&at, &row, &row.next, out->count ? "measured" : "measured, runner-up", out);
    }
    hone_sentence_back(&before);
}

const char *hone_rt_row_doubt(hone_rt_context *context, const hone_be_device *device, const hone_rt_row *row,
                              char why[HONE_RT_DOUBT_MAX], hone_rt_plan **plan)
{
    const hone_kernel *kernels[HONE_RT_KERNELS_MAX], *kernel;
    hone_rt_culprits   none = {0};
    hone_rt_problem    problem;
    hone_rt_plan      *made;
    hone_config        config;
    const hone_op     *op;
    if (plan) *plan = NULL;
    if (hone_rt_problem_parse(context, row->problem, &op, &problem) != HONE_OK) {
        snprintf(why, HONE_RT_DOUBT_MAX, "%s", hone_last_error());
        return why;
    }
    hone_request request = {.device = device,
                            .op = op,
                            .problem = problem.bytes,
                            .threads = row->threads,
                            .alignment = row->alignment,
                            .flags = row->flags,
                            .scratch_cap = row->scratch_cap};
    char         text[HONE_PROBLEM_TEXT_MAX];
    hone_rt_problem_print(op, problem.bytes, text, sizeof text);
    if (strcmp(text, row->problem) != 0) return "its problem is not written as hone writes it, and never found";
    int         count = hone_rt_kernels(context, op, device, kernels, HONE_RT_KERNELS_MAX);
    looking     at = {NULL, &request, kernels, count, &none};
    const char *doubts = doubt(&at, &row->best, &kernel, &config, why);
    if (doubts) return doubts;
    if (hone_rt_plan_with(context, &request, kernel, &config, &made) != HONE_OK) {
        snprintf(why, HONE_RT_DOUBT_MAX, "%s", hone_last_error());
        return why;
    }
    if (plan)
        *plan = made;
    else
        hone_rt_plan_release(made);
    return NULL;
}

/* --- choices --------------------------------------------------------------------------------------------------- */

uint64_t hone_rt_choice_hash(const char *problem, int threads, unsigned alignment, unsigned flags, const char *kernel,
                             unsigned version, const char *identity, const char *config)
{
    char text[HONE_PROBLEM_TEXT_MAX + 640];
    int  length = snprintf(text, sizeof text, "%s|%d|%u|%x|%s|%u|%s|%s", problem, threads, alignment, flags, kernel,
                           version, identity, config);
    return hone_hash(text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1, 0);
}

hone_status hone_context_choices(hone_context *handle, uint64_t *hash, int64_t *count)
{
    HONE_CHECK(hash, HONE_ERROR_ARGUMENT, "context choices: where to put it (hash) is NULL");
    *hash = 0;
    if (count) *count = 0;
    hone_rt_context *context = hone_handle_get(handle, HONE_HANDLE_CONTEXT);
    if (!context) return hone_handle_refuse(handle, HONE_HANDLE_CONTEXT, "context choices");
    hone_rt_choices choices;
    hone_rt_cache_choices(&context->cache, &choices);
    *hash = choices.hash;
    if (count) *count = choices.count;
    return HONE_OK;
}
