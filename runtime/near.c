/* The second rule of selection: rows of near problems stand in for one that is missing. Which ones are near is told by
 * their sketches (profile/sketch.h), so that no more than HONE_RT_NEAR_MAX rows are read for a choice; what follows
 * from them by predict.c. */
#include "runtime/near.h"

#include <string.h>

#include "base/status.h"
#include "runtime/hall.h"
#include "runtime/rivals.h"
#include "runtime/profile/sketch.h"

static bool is_there(const hone_rt_known *row, const hone_kernel *kernel, const hone_config *config)
{
    for (int i = 0; i < row->count; i++)
        if (row->figures[i].kernel == kernel && !memcmp(&row->figures[i].config, config, sizeof *config)) return true;
    return false;
}

/* The problem that a row is about. False: it cannot be read here. *out points into *problem. */
static bool request_of(const hone_rt_row *row, const hone_be_device *device, const hone_op *op,
                       hone_rt_problem *problem, hone_request *out)
{
    const size_t name = strlen(op->name);
    memset(problem, 0, sizeof *problem);
    *out = (hone_request){.device = device,
                          .op = op,
                          .problem = problem->bytes,
                          .threads = row->threads,
                          .alignment = row->alignment,
                          .flags = row->flags,
                          .scratch_cap = row->scratch_cap};
    return !strncmp(row->problem, op->name, name) && row->problem[name] == ' ' &&
           op->parse(row->problem + name + 1, problem->bytes) == HONE_OK;
}

/* The figure as of the kernel's present version, where hone's own has a later one by now. */
static hone_rt_figure renewed(const hone_rt_figure *it, const hone_request *request,
                              const hone_kernel *const *kernels, int count)
{
    hone_rt_figure out = *it;
    for (int i = 0; i < count; i++)
        if (!strcmp(kernels[i]->name, it->kernel) && kernels[i]->version > it->version &&
            !hone_kernel_is_foreign(kernels[i], request->device))
            out.version = kernels[i]->version;
    return out;
}

/* Its figures, as far as they can be repeated. Where the best cannot, none says what is best: false. A kernel that was
 * the best and has another version since is hardly slower now, so that its figure still speaks for it; one that was not
 * the best may be by now, so that nothing is said of it. */
static bool figures_of(const hone_rt_row *row, const hone_kernel *const *kernels, int count, hone_rt_known *out)
{
    const hone_rt_figure *const figures[] = {&row->best, &row->next, &row->untuned};
    char                        why[HONE_RT_DOUBT_MAX];
    for (int i = 0; i < (int)(sizeof figures / sizeof *figures); i++) {
        const hone_kernel *kernel;
        hone_config        config;
        if (!figures[i]->kernel[0] || !(figures[i]->median_s > 0)) continue;
        memset(&config, 0, sizeof config);
        const hone_rt_figure it = i ? *figures[i] : renewed(figures[i], &out->request, kernels, count);
        if (hone_rt_figure_doubt(&out->request, kernels, count, NULL, &it, &kernel, &config, why)) {
            if (!i) return false;
            continue;
        }
        hone_config_canonical(&out->request, kernel, &config); /* written down by whoever it was */
        if (is_there(out, kernel, &config)) continue;
        out->figures[out->count++] = (hone_rt_known_figure){kernel, config, figures[i]->median_s};
    }
    out->kind = hone_rt_sketch_of(row->problem, strlen(row->problem), row->threads).kind;
    out->untuned_s = row->untuned.kernel[0] ? row->untuned.median_s : row->best.median_s;
    out->next_s = row->next.kernel[0] ? row->next.median_s : 0;
    for (int i = 0; i < count; i++) {
        if (hone_rt_rivals_have(row->rivals, kernels[i])) continue;
        if (hone_kernel_is_foreign(kernels[i], out->request.device)) continue;
        if (out->unmet_count < HONE_RT_KNOWN_UNMET)
            out->unmet[out->unmet_count++] = kernels[i];
        else
            out->next_s = -1; /* of too many to be noted: then of nobody */
    }
    return out->count > 0;
}

bool hone_rt_known_of(const hone_rt_row *row, const hone_be_device *device, const hone_op *op,
                      const hone_kernel *const *kernels, int count, hone_rt_problem *problem, hone_rt_known *out)
{
    memset(out, 0, sizeof *out);
    return request_of(row, device, op, problem, &out->request) && figures_of(row, kernels, count, out);
}

/* --- the choice ------------------------------------------------------------------------------------------------ */

typedef struct gathering {
    const hone_request       *request;
    hone_rt_placed            here; /* the same */
    const hone_kernel *const *kernels;
    int                       count, found;
    bool                      some, foreign;
    hone_rt_problem           problems[HONE_RT_NEAR_MAX];
    hone_rt_known             known[HONE_RT_NEAR_MAX];
    bool                      far_away[HONE_RT_NEAR_MAX]; /* of a layer beyond the first */
} gathering;

static bool is_named(const gathering *it, const char *name)
{
    for (int i = 0; i < it->count; i++)
        if (!strcmp(it->kernels[i]->name, name)) return true;
    return false;
}

static bool gather(void *self, const hone_rt_row *row, int layer)
{
    gathering     *it = self;
    if (it->found == HONE_RT_NEAR_MAX) return false;
    hone_rt_known *out = &it->known[it->found];
    memset(out, 0, sizeof *out);
    if (!request_of(row, it->request->device, it->request->op, &it->problems[it->found], &out->request)) return true;
    const double apart = hone_rt_apart(&it->here, &out->request);
    if (apart < 0 || apart > HONE_RT_FAR) return true;
    it->foreign = it->some && !is_named(it, row->best.kernel);
    if (it->foreign) return false;
    it->far_away[it->found] = layer > 0;
    if (figures_of(row, it->kernels, it->count, out)) it->found++;
    return it->found < HONE_RT_NEAR_MAX;
}

/* What is predicted, and in no quarantine: a kernel whose configuration is, is left aside. */
static bool predict(const gathering *it, const hone_rt_culprits *culprits, hone_rt_prediction *out)
{
    const hone_kernel *able[HONE_RT_KERNELS_MAX];
    int                count = 0;
    for (int i = 0; i < it->count; i++)
        if (!hone_rt_refuses(it->request, it->kernels[i])) able[count++] = it->kernels[i];
    while (hone_rt_predict(it->request, able, count, it->known, it->found, -1, out)) {
        if (!hone_rt_culprits_have(culprits, it->request, out->kernel, &out->config)) return true;
        int at = 0;
        while (able[at] != out->kernel) at++;
        memmove(&able[at], &able[at + 1], (size_t)(--count - at) * sizeof *able);
    }
    return false;
}

void hone_rt_evidence_near(hone_rt_measured *measured, const hone_request *request, const hone_kernel *const *kernels,
                           int count, bool some, const hone_rt_culprits *culprits, hone_rt_evidence *out)
{
    hone_rt_prediction it;
    hone_sentence      before;
    gathering          near;
    const bool         outdated = out->outdated;
    hone_rt_evidence_clear(out);
    if (!measured || !hone_rt_measured_rows(measured) || request->flags & HONE_REQUEST_DETERMINISTIC) return;
    near.request = request;
    near.here = hone_rt_place_of(request);
    near.kernels = kernels;
    near.count = count;
    near.found = 0;
    near.some = some;
    near.foreign = false;
    hone_sentence_keep(&before);
    hone_status status = HONE_OK;
    if (!outdated || gather(&near, &out->row, out->row_layer))
        status = hone_rt_rows_near(hone_rt_measured_rows(measured), request, gather, &near);
    out->foreign = near.foreign;
    if (status == HONE_OK && !near.foreign && near.found && predict(&near, culprits, &it)) {
        out->count = 1;
        out->predicted = true;
        out->borrowed = near.far_away[it.nearest];
        out->at[0].kernel = it.kernel;
        out->at[0].config = it.config;
        out->at[0].seconds = it.seconds;
        out->at[0].basis = "predicted";
    }
    hone_sentence_back(&before);
}
