/* The model strategy: what was measured says what to expect of the rest. A Gaussian process over the configurations of
 * each kernel, whose mean is the kernel's own estimate, scaled: so a good estimate is followed and a bad one corrected.
 *
 *     log time = level + slope * log estimate + what neighbours in the space were off by
 *
 * Two configurations resemble each other the more, the fewer of their values differ and the nearer those lie in the
 * list of values; how fast that fades is chosen by likelihood, each time. Asked for is what is expected to be best,
 * less what may be hoped for where little is known, and one time in four a neighbour of the best. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "tuner/strategy.h"

enum { POINTS_MAX = 256, FIRST = 12, SHORT_LIST = 256, SCALES = 4, NEIGHBOURS_MAX = 128 };
#define CLIP 0.5      /* log times further behind the best are all as bad */
#define NOISE 0.01    /* of a score */
#define HOPE 1.0      /* standard deviations */
#define NAMED 0.5     /* how far named values lie from each other, of the whole range of numbers */

/* A configuration as places of values. */
typedef struct point {
    int16_t kernel;
    uint8_t at[HONE_PARAMETERS_MAX];
    float   log_estimate; /* less that of the first; 0: unknown */
} point;

typedef struct model {
    hone_random random;
    int         next_outlook;
    point      *outlooks; /* of the field's outlooks */
    double     *expected; /* of each of them */
    point      *points;   /* the trials that are learnt from */
    double     *y, *weight;
    double     *factor, *spare; /* POINTS_MAX squared: Cholesky's, of the one kept and of the one tried */
    double      level, slope, variance, scale;
    int         count;
} model;

static point point_of(const hone_field *field, int kernel, const hone_config *config, double estimate)
{
    const hone_space *space = field->kernels[kernel]->space;
    point             it = {.kernel = (int16_t)kernel};
    for (int i = 0; space && i < space->count; i++)
        for (int j = 0; j < space->parameters[i].count; j++)
            if (space->parameters[i].values[j] == config->value[i]) it.at[i] = (uint8_t)j;
    double first = field->outlooks[0].seconds;
    if (estimate > 0 && isfinite(estimate) && isfinite(first)) it.log_estimate = (float)log(estimate / first);
    return it;
}

/* How alike, 0 to 1. */
static double likeness(const hone_field *field, const point *a, const point *b, double scale)
{
    const hone_space *space = field->kernels[a->kernel]->space;
    double            far = 0;
    if (a->kernel != b->kernel) return 0;
    for (int i = 0; space && i < space->count; i++) {
        const hone_parameter *parameter = &space->parameters[i];
        if (a->at[i] == b->at[i]) continue;
        far += parameter->names || parameter->count < 3
                   ? NAMED
                   : abs(a->at[i] - b->at[i]) / (double)(parameter->count - 1);
    }
    return exp(-far / scale);
}

static void close_model(void *self)
{
    model *it = self;
    hone_free(it->outlooks);
    hone_free(it->expected);
    hone_free(it->points);
    hone_free(it->y);
    hone_free(it->weight);
    hone_free(it->factor);
    hone_free(it->spare);
    hone_free(it);
}

static hone_status open_model(const hone_field *field, uint64_t seed, void **self)
{
    model *it = hone_alloc(1, sizeof *it);
    if (!it) return HONE_ERROR_MEMORY;
    it->random = hone_random_seeded(seed);
    it->outlooks = hone_alloc((size_t)field->outlook_count + 1, sizeof *it->outlooks);
    it->expected = hone_alloc((size_t)field->outlook_count + 1, sizeof *it->expected);
    it->points = hone_alloc(POINTS_MAX, sizeof *it->points);
    it->y = hone_alloc(POINTS_MAX, sizeof *it->y);
    it->weight = hone_alloc(POINTS_MAX, sizeof *it->weight);
    it->factor = hone_alloc(POINTS_MAX * POINTS_MAX, sizeof *it->factor);
    it->spare = hone_alloc(POINTS_MAX * POINTS_MAX, sizeof *it->spare);
    if (!it->outlooks || !it->expected || !it->points || !it->y || !it->weight || !it->factor || !it->spare) {
        close_model(it);
        return HONE_ERROR_MEMORY;
    }
    for (int i = 0; i < field->outlook_count; i++) {
        const hone_outlook *outlook = &field->outlooks[i];
        hone_choice         choice = hone_field_at(field, outlook->place);
        it->outlooks[i] = point_of(field, outlook->place.kernel, &choice.config, outlook->seconds);
    }
    *self = it;
    return HONE_OK;
}

/* --- learning -------------------------------------------------------------------------------------------------- */

/* level + slope * log estimate, the slope drawn towards 1: least squares. */
static void fit_line(model *it)
{
    double n = it->count, sx = 0, sy = 0, sxx = 0, sxy = 0;
    for (int i = 0; i < it->count; i++) {
        double x = it->points[i].log_estimate, y = it->y[i];
        sx += x, sy += y, sxx += x * x, sxy += x * y;
    }
    double spread = sxx - sx * sx / n, drawn = 0.05;
    it->slope = (sxy - sx * sy / n + drawn) / (spread + drawn);
    it->slope = fmin(fmax(it->slope, 0), 1.5);
    it->level = (sy - it->slope * sx) / n;
    it->variance = 0;
    for (int i = 0; i < it->count; i++) {
        it->y[i] -= it->level + it->slope * it->points[i].log_estimate;
        it->variance += it->y[i] * it->y[i] / n;
    }
    it->variance = fmax(it->variance, NOISE * NOISE);
}

/* factor * factor^T = covariances; weight = covariances^-1 y. Gives the log likelihood. */
static double factorise(const model *it, const hone_field *field, double scale, double *factor, double *weight)
{
    const int n = it->count;
    double    likelihood = 0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j <= i; j++) {
            double sum = it->variance * likeness(field, &it->points[i], &it->points[j], scale);
            if (i == j) sum += NOISE * NOISE;
            for (int k = 0; k < j; k++) sum -= factor[i * n + k] * factor[j * n + k];
            factor[i * n + j] = i == j ? sqrt(fmax(sum, 1e-12)) : sum / factor[j * n + j];
        }
    for (int i = 0; i < n; i++) {
        double sum = it->y[i];
        for (int k = 0; k < i; k++) sum -= factor[i * n + k] * weight[k];
        weight[i] = sum / factor[i * n + i];
        likelihood -= log(factor[i * n + i]) + 0.5 * weight[i] * weight[i];
    }
    for (int i = n - 1; i >= 0; i--) {
        double sum = weight[i];
        for (int k = i + 1; k < n; k++) sum -= factor[k * n + i] * weight[k];
        weight[i] = sum / factor[i * n + i];
    }
    return likelihood;
}

/* The latest trials that were right; the older ones give way where there are too many, but for the best. */
static void learn(model *it, const hone_field *field)
{
    static const double scales[SCALES] = {0.3, 0.8, 2, 5};
    int                 chosen[POINTS_MAX];
    double              weight[POINTS_MAX], best_score, most = -INFINITY;
    const int           kept = hone_field_best(field, chosen, POINTS_MAX / 4);
    it->count = kept;
    best_score = field->trials[chosen[0]].score;
    for (int i = field->trial_count - 1; i >= 0 && it->count < POINTS_MAX; i--) {
        bool known = !isfinite(field->trials[i].score);
        for (int j = 0; j < kept && !known; j++) known = chosen[j] == i;
        if (!known) chosen[it->count++] = i;
    }
    for (int i = 0; i < it->count; i++) {
        const hone_trial *trial = &field->trials[chosen[i]];
        it->points[i] = point_of(field, trial->place.kernel, &trial->choice.config, trial->estimate);
        it->y[i] = fmin(trial->score - best_score, CLIP);
    }
    fit_line(it);
    for (int i = 0; i < SCALES; i++) {
        double likelihood = factorise(it, field, scales[i], it->spare, weight);
        if (likelihood <= most) continue;
        double *other = it->factor;
        most = likelihood;
        it->scale = scales[i];
        it->factor = it->spare;
        it->spare = other;
        memcpy(it->weight, weight, sizeof weight);
    }
}

static double expect(const model *it, const hone_field *field, const point *p)
{
    double sum = it->level + it->slope * p->log_estimate;
    for (int i = 0; i < it->count; i++)
        sum += it->weight[i] * it->variance * likeness(field, p, &it->points[i], it->scale);
    return sum;
}

/* The standard deviation of what is expected. */
static double doubt(const model *it, const hone_field *field, const point *p)
{
    double solved[POINTS_MAX], left = it->variance;
    for (int i = 0; i < it->count; i++) {
        double sum = it->variance * likeness(field, p, &it->points[i], it->scale);
        for (int k = 0; k < i; k++) sum -= it->factor[i * it->count + k] * solved[k];
        solved[i] = sum / it->factor[i * it->count + i];
        left -= solved[i] * solved[i];
    }
    return sqrt(fmax(left, 0));
}

/* --- asking ---------------------------------------------------------------------------------------------------- */

/* The outlooks not tried that are expected to be best, in no order. */
static int short_list(model *it, const hone_field *field, int *list)
{
    int count = 0, worst = 0;
    for (int i = 0; i < field->outlook_count; i++) {
        if (hone_field_tried(field, field->outlooks[i].place) >= 0) continue;
        it->expected[i] = expect(it, field, &it->outlooks[i]);
        if (count < SHORT_LIST) {
            list[count++] = i;
        } else if (it->expected[i] < it->expected[list[worst]]) {
            list[worst] = i;
        } else {
            continue;
        }
        if (count < SHORT_LIST) continue;
        for (int j = worst = 0; j < count; j++)
            if (it->expected[list[j]] > it->expected[list[worst]]) worst = j;
    }
    return count;
}

static void ask_expected(model *it, hone_asking *asking, int until)
{
    const hone_field *field = asking->field;
    int               list[SHORT_LIST], picked[64], picks = 0;
    double            hope[SHORT_LIST];
    const int         count = short_list(it, field, list);
    for (int i = 0; i < count; i++) hope[i] = HOPE * doubt(it, field, &it->outlooks[list[i]]);
    while (asking->count < until && picks < count && picks < 64) {
        int    best = -1;
        double least = INFINITY;
        for (int i = 0; i < count; i++) {
            double alike = 0, bound;
            if (list[i] < 0) continue;
            for (int j = 0; j < picks; j++) /* hope is shared with what is asked for already */
                alike = fmax(alike, likeness(field, &it->outlooks[list[i]], &it->outlooks[picked[j]], it->scale));
            bound = it->expected[list[i]] - hope[i] * (1 - alike);
            if (bound < least) least = bound, best = i;
        }
        if (best < 0) break;
        picked[picks++] = list[best];
        hone_asking_add(asking, field->outlooks[list[best]].place);
        list[best] = -1;
    }
}

static void ask_neighbours(const model *it, hone_asking *asking)
{
    const hone_field *field = asking->field;
    hone_config       list[NEIGHBOURS_MAX];
    double            seconds[NEIGHBOURS_MAX];
    int               best[4], found = hone_field_best(field, best, 4);
    for (int i = 0; i < found; i++) {
        const hone_trial *trial = &field->trials[best[i]];
        const int         kernel = trial->place.kernel;
        int count = hone_space_tree_neighbours(field->trees[kernel], &trial->choice.config, false, list,
                                               NEIGHBOURS_MAX);
        for (int j = 0; j < count; j++) {
            point p = point_of(field, kernel, &list[j], field->kernels[kernel]->estimate(field->request, &list[j]));
            seconds[j] = expect(it, field, &p);
        }
        for (int turn = 0; turn < count && !hone_asking_full(asking); turn++) {
            int least = -1;
            for (int j = 0; j < count; j++)
                if (!isnan(seconds[j]) && (least < 0 || seconds[j] < seconds[least])) least = j;
            hone_asking_add_config(asking, kernel, &list[least]);
            seconds[least] = NAN;
        }
    }
}

static hone_status ask_model(void *self, const hone_field *field, hone_place *out, int cap, int *count)
{
    model      *it = self;
    hone_asking asking = {field, out, 0, cap};
    int         right = 0;
    for (int i = 0; i < field->trial_count; i++) right += isfinite(field->trials[i].score);
    if (right < FIRST) { /* too little to learn from: by estimate, and half of it drawn */
        while (asking.count < (cap + 1) / 2 && hone_asking_add_outlook(&asking, &it->next_outlook)) {
        }
    } else {
        learn(it, field);
        ask_expected(it, &asking, cap - cap / 4);
        ask_neighbours(it, &asking);
        ask_expected(it, &asking, cap);
    }
    hone_asking_draw(&asking, &it->random);
    *count = asking.count;
    return HONE_OK;
}

const hone_strategy hone_strategy_model = {
    "model", "learns from what was measured what to expect of the rest", open_model, ask_model, close_model};
