/* Neighbours, corrections, and the price of guessing: see predict.h. */
#include "runtime/predict.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "runtime/profile/sketch.h"

enum { NEIGHBOURS = 6, SUGGESTIONS = 8, CANDIDATES = SUGGESTIONS + NEIGHBOURS * HONE_RT_KNOWN_FIGURES };
#define FADES    1.5  /* distance at which a neighbour has lost most of its weight */
#define FAR      HONE_RT_FAR
#define SELF     0.15 /* weight of the estimate as it stands */
#define SAME     3.0  /* times the weight: what was measured in the very configuration */
#define ITSELF   50.0 /* the weight of what was measured for the very problem */
#define NEAR_TIE 1.02

/* --- neighbours ------------------------------------------------------------------------------------------------ */

static int unit_stride(const hone_role *role)
{
    for (int i = role->rank - 1; i >= 0; i--)
        if (role->stride[i] == 1) return i;
    return -1;
}

static bool alike(const hone_role *a, const hone_role *b)
{
    return a->direction == b->direction && a->type == b->type && a->rank == b->rank && a->indirect == b->indirect &&
           a->opaque == b->opaque && unit_stride(a) == unit_stride(b);
}

/* How much of the last tile of `size` an extent fills. */
static double filled(int64_t extent, int64_t size)
{
    return (double)((extent - 1) % size + 1) / (double)size;
}

static double apart_in(int64_t a, int64_t b)
{
    if (a < 1 || b < 1) return a == b ? 0 : FAR * FAR;
    const double size = log2((double)a / (double)b), vector = filled(a, 16) - filled(b, 16),
                 tile = filled(a, 64) - filled(b, 64);
    return size * size + vector * vector + 0.5 * tile * tile;
}

hone_rt_placed hone_rt_place_of(const hone_request *request)
{
    hone_rt_placed out = {.request = request};
    out.count = request->op->roles(request->problem, out.roles);
    return out;
}

double hone_rt_apart(const hone_rt_placed *one, const hone_request *other)
{
    const hone_role *a = one->roles;
    hone_role        b[HONE_ROLES_MAX];
    double           sum = 0;
    if (one->request->op != other->op || one->request->threads != other->threads ||
        one->request->flags != other->flags || other->op->roles(other->problem, b) != one->count)
        return -1;
    for (int i = 0; i < one->count; i++) {
        if (!alike(&a[i], &b[i])) return -1;
        if (a[i].direction == HONE_UNUSED) continue;
        for (int j = 0; j < a[i].rank; j++) sum += apart_in(a[i].shape[j], b[i].shape[j]);
        if (a[i].indirect) sum += apart_in(a[i].items, b[i].items);
    }
    return sqrt(sum / 2); /* an extent is that of two arguments, mostly */
}

typedef struct neighbour {
    const hone_rt_known *row;
    int                  index;
    double               apart, weight;
    double off[HONE_RT_KNOWN_FIGURES]; /* log of what the estimate of each figure is off by; NaN: unknown */
} neighbour;

/* What two problems share whose texts differ in numbers alone: epilogues among it, which are no arguments. */
static uint32_t kind_of(const hone_request *request)
{
    char text[HONE_PROBLEM_TEXT_MAX];
    hone_rt_problem_print(request->op, request->problem, text, sizeof text);
    return hone_rt_sketch_of(text, strlen(text), request->threads).kind;
}

static void look_up_estimates(neighbour *near)
{
    for (int i = 0; i < near->row->count; i++) {
        const hone_rt_known_figure *it = &near->row->figures[i];
        const double                estimate = it->kernel->estimate(&near->row->request, &it->config);
        near->off[i] = estimate > 0 && isfinite(estimate) ? log(it->seconds / estimate) : NAN;
    }
}

static int find_neighbours(const hone_request *request, const hone_rt_known *known, int count, int left_out,
                           neighbour *out)
{
    int                  found = 0;
    const uint32_t       kind = count ? kind_of(request) : 0;
    const hone_rt_placed here = hone_rt_place_of(request);
    for (int i = 0; i < count; i++) {
        if (i == left_out || !known[i].count) continue;
        const double apart = hone_rt_apart(&here, &known[i].request);
        if (apart < 0 || apart > FAR || (known[i].kind ? known[i].kind : kind_of(&known[i].request)) != kind) continue;
        int at = found < NEIGHBOURS ? found++ : NEIGHBOURS;
        for (; at > 0 && apart < out[at - 1].apart; at--)
            if (at < NEIGHBOURS) out[at] = out[at - 1];
        if (at < NEIGHBOURS)
            out[at] =
                (neighbour){&known[i], i, apart, apart > 0 ? exp(-apart * apart / (2 * FADES * FADES)) : ITSELF, {0}};
    }
    for (int i = 0; i < found; i++) look_up_estimates(&out[i]);
    return found;
}

/* --- corrections ----------------------------------------------------------------------------------------------- */

/* What the kernel itself would take for best, and its estimate; 0: it has none. */
static double least_estimate(const hone_request *request, const hone_kernel *kernel)
{
    hone_config configs[SUGGESTIONS];
    double      least = 0;
    if (kernel->refuses(request)) return 0;
    const int count = kernel->suggest(request, configs, SUGGESTIONS);
    for (int i = 0; i < count; i++) {
        const double seconds = kernel->estimate(request, &configs[i]);
        if (seconds > 0 && isfinite(seconds) && (!least || seconds < least)) least = seconds;
    }
    return least;
}

static bool is_unmet(const hone_rt_known *row, const hone_kernel *kernel)
{
    for (int i = 0; i < row->unmet_count; i++)
        if (row->unmet[i] == kernel) return true;
    return false;
}

/* log of what a kernel's estimate was off by at a neighbour, and how much that counts for this configuration. `least`:
 * its least estimate there, once somebody asked; below 0 until then. */
static double off_by(const neighbour *near, const hone_kernel *kernel, const hone_config *config, double estimate,
                     double *least, double *weight)
{
    const hone_rt_known *row = near->row;
    const double at_least = row->next_s ? row->next_s : row->count > 1 ? row->figures[1].seconds : 0;
    bool         measured = false;
    double       off = 0;
    *weight = 0;
    for (int i = 0; i < row->count; i++) {
        const hone_rt_known_figure *it = &row->figures[i];
        const hone_space           *space = kernel->space;
        if (it->kernel != kernel || isnan(near->off[i])) continue;
        const bool   same = !space || !memcmp(&it->config, config, (size_t)space->count * sizeof config->value[0]);
        const double counts = near->weight * (same ? SAME : 1);
        measured |= same;
        off = (off * *weight + near->off[i] * counts) / (*weight + counts);
        *weight += counts;
    }
    /* of the problem itself: there are better configurations than this one, of the same kernel or not */
    if (near->apart <= 0 && *weight > 0 && !measured && at_least > estimate) off = fmax(off, log(at_least / estimate));
    if (*weight > 0) return off;
    /* it was tried, and is neither the best nor the runner-up */
    if (!(at_least > 0) || is_unmet(row, kernel)) return 0;
    if (*least < 0) *least = least_estimate(&row->request, kernel);
    if (!(*least > 0) || *least >= at_least) return 0;
    *weight = near->weight;
    return log(at_least / *least);
}

static bool is_known_near(const neighbour *near, int count, const hone_kernel *kernel)
{
    for (int i = 0; i < count; i++)
        for (int j = 0; j < near[i].row->count; j++)
            if (near[i].row->figures[j].kernel == kernel) return true;
    return false;
}

static double believed(const hone_request *request, const hone_kernel *kernel, const hone_config *config,
                       const neighbour *near, int count, double least[NEIGHBOURS])
{
    const double estimate = kernel->estimate(request, config);
    double       sum = 0, weights = SELF;
    if (!(estimate > 0) || !isfinite(estimate)) return 0;
    for (int i = 0; i < count; i++) {
        double       weight;
        const double off = off_by(&near[i], kernel, config, estimate, &least[i], &weight);
        sum += off * weight;
        weights += weight;
    }
    return estimate * exp(sum / weights);
}

static bool is_among(const hone_config *some, int count, const hone_config *it)
{
    for (int i = 0; i < count; i++)
        if (!memcmp(&some[i], it, sizeof *it)) return true;
    return false;
}

static int candidates_of(const hone_request *request, const hone_kernel *kernel, const neighbour *near, int count,
                         hone_config *out)
{
    int found = kernel->suggest(request, out, SUGGESTIONS);
    for (int i = 0; i < found; i++) hone_config_canonical(request, kernel, &out[i]);
    for (int i = 0; i < count; i++)
        for (int j = 0; j < near[i].row->count; j++) {
            const hone_rt_known_figure *it = &near[i].row->figures[j];
            hone_config                 same = it->config;
            if (it->kernel != kernel || hone_config_refuses(request, kernel, &same)) continue;
            hone_config_canonical(request, kernel, &same); /* it may stand for another here */
            if (!is_among(out, found, &same)) out[found++] = same;
        }
    return found;
}

bool hone_rt_predict(const hone_request *request, const hone_kernel *const *kernels, int kernel_count,
                     const hone_rt_known *known, int known_count, int left_out, hone_rt_prediction *out)
{
    neighbour near[NEIGHBOURS];
    const int count = find_neighbours(request, known, known_count, left_out, near);
    *out = (hone_rt_prediction){.nearest = -1};
    if (!count) return false;
    for (int i = 0; i < kernel_count; i++) {
        const hone_kernel *kernel = kernels[i];
        hone_config        configs[CANDIDATES], best = {{0}};
        double             least = 0, least_there[NEIGHBOURS];
        if (kernel->properties & HONE_IS_REFERENCE || kernel->refuses(request)) continue;
        if (hone_kernel_is_foreign(kernel, request->device) && !is_known_near(near, count, kernel)) continue;
        memset(configs, 0, sizeof configs);
        for (int j = 0; j < NEIGHBOURS; j++) least_there[j] = -1;
        const int some = candidates_of(request, kernel, near, count, configs);
        for (int j = 0; j < some; j++) {
            const double seconds = believed(request, kernel, &configs[j], near, count, least_there);
            if (seconds > 0 && (!least || seconds < least)) least = seconds, best = configs[j];
        }
        if (!least || (out->kernel && least * NEAR_TIE >= out->seconds)) continue;
        out->kernel = kernel;
        out->config = best;
        out->seconds = least;
    }
    out->nearest = near[0].index;
    for (int i = 0; i < count; i++) out->weight += near[i].weight;
    return out->kernel != NULL;
}

/* --- the price of guessing ------------------------------------------------------------------------------------- */

static hone_status seconds_of(const hone_rt_known *row, const hone_rt_prediction *it, hone_rt_measure_choice *measure,
                              void *self, double *out)
{
    for (int i = 0; i < row->count; i++) {
        const hone_rt_known_figure *figure = &row->figures[i];
        const hone_space           *space = it->kernel->space;
        if (figure->kernel == it->kernel &&
            (!space || !memcmp(&figure->config, &it->config, (size_t)space->count * sizeof it->config.value[0]))) {
            *out = figure->seconds;
            return HONE_OK;
        }
    }
    return measure(self, row, it->kernel, &it->config, out);
}

/* Into the first `count` of `rising`. */
static void insert(double *rising, int count, double regret)
{
    for (; count > 0 && regret < rising[count - 1]; count--) rising[count] = rising[count - 1];
    rising[count] = regret;
}

static void sum_up(const double *rising, int count, double *mean, double *p95, double *worst)
{
    double sum = 0;
    if (!count) return;
    for (int i = 0; i < count; i++) sum += rising[i];
    *mean = sum / count;
    *p95 = rising[(int)ceil(0.95 * count) - 1];
    *worst = rising[count - 1];
}

hone_status hone_rt_predict_evaluate(const hone_kernel *const *kernels, int kernel_count, const hone_rt_known *known,
                                     int known_count, hone_rt_measure_choice *measure, void *self, hone_rt_regret *out)
{
    *out = (hone_rt_regret){.worst_row = -1};
    HONE_CHECK(known_count > 0, HONE_ERROR_ARGUMENT, "evaluate: there is no measured problem");
    double *regrets = hone_alloc((size_t)known_count * 2, sizeof *regrets); /* rising, as the next */
    if (!regrets) return HONE_ERROR_MEMORY;
    double     *untuned = regrets + known_count;
    hone_status status = HONE_OK;
    for (int i = 0; i < known_count && status == HONE_OK; i++) {
        const hone_rt_known *row = &known[i];
        hone_rt_prediction   it;
        if (!row->count) continue;
        const double without = row->untuned_s > 0 ? row->untuned_s : row->figures[row->count - 1].seconds;
        double       seconds = without;
        if (hone_rt_predict(&row->request, kernels, kernel_count, known, known_count, i, &it)) {
            status = seconds_of(row, &it, measure, self, &seconds);
            if (status != HONE_OK) break;
        } else {
            out->unpredicted++;
        }
        const double regret = fmax(seconds / row->figures[0].seconds - 1, 0);
        insert(regrets, out->count, regret);
        insert(untuned, out->count++, fmax(without / row->figures[0].seconds - 1, 0));
        if (out->worst_row < 0 || regret > out->worst) out->worst = regret, out->worst_row = i;
    }
    if (status == HONE_OK) {
        sum_up(regrets, out->count, &out->mean, &out->p95, &out->worst);
        sum_up(untuned, out->count, &out->untuned_mean, &out->untuned_p95, &out->untuned_worst);
    }
    hone_free(regrets);
    if (status != HONE_OK) *out = (hone_rt_regret){.worst_row = -1};
    return status;
}
