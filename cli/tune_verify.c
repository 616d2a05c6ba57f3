/* hone tune --verify: is what the profile says still so? Measured again, by workers that know nothing of the session.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/verb_tune.h"
#include "tuner/search.h"
#include "tuner/worker.h"

enum { CHOICES_MAX = HONE_RT_KERNELS_MAX + 4, ROUNDS = 20, ROUNDS_FIRST = 4 };
#define IN_SIGHT 1.15 /* beside the best: what is further off in the first rounds is not the best, and goes */
#define WORSE 0.98 /* of the untuned choice's speed: less is worse */
#define ALIKE 1.02 /* two choices within so much are as good */

/* One problem's figures. */
typedef struct verified {
    const hone_session_problem *problem;
    hone_request    request;
    hone_rt_problem bytes;
    hone_rt_row     row, other;
    int             count;
    hone_choice     choices[CHOICES_MAX]; /* 0: untuned */
    int             tuned, beside;        /* their places; beside -1: there is no row */
    double          median[CHOICES_MAX];  /* 0: not right; far behind, of its first rounds */
    int             rounds[CHOICES_MAX];  /* that it ran in */
    double         *seconds;              /* of round and choice */
    hone_interval   ratio, beside_ratio;  /* untuned over tuned; the other profile's choice over tuned */
    double          best_s;
    double          regret, untuned_regret; /* of the tuned choice, and of the untuned one */
    bool            brief;                  /* nothing but these is looked at */
} verified;

typedef struct sums {
    int    measured, missing, worse, surely_worse, same, besides, alike;
    double regret_untuned, regret_tuned, log_ratio, log_rival;
    int    rivals;
    char  *worst;
    double worst_ratio;
} sums;

static int add_choice(verified *v, const hone_choice *given)
{
    hone_choice same = *given, *choice = &same; /* what means the same is one choice */
    hone_config_canonical(&v->request, choice->kernel, &choice->config);
    for (int i = 0; i < v->count; i++)
        if (v->choices[i].kernel == choice->kernel &&
            !memcmp(&v->choices[i].config, &choice->config, sizeof choice->config))
            return i;
    if (v->count == CHOICES_MAX) return -1;
    v->choices[v->count] = *choice;
    return v->count++;
}

/* The choice that a figure names; -1: this hone has no such kernel, or not in that version. */
static int add_figure(const cli_tune *t, verified *v, const hone_rt_figure *figure)
{
    const hone_kernel *kernels[HONE_RT_KERNELS_MAX];
    int count = hone_rt_kernels(t->hone.context, v->request.op, t->hone.device, kernels, HONE_RT_KERNELS_MAX);
    for (int i = 0; i < count; i++) {
        const char *identity = kernels[i]->identity ? kernels[i]->identity(t->hone.device) : NULL;
        hone_choice choice = {.kernel = kernels[i]};
        if (strcmp(kernels[i]->name, figure->kernel) || kernels[i]->version != figure->version ||
            strcmp(identity ? identity : "", figure->identity))
            continue;
        if (hone_config_parse(&v->request, kernels[i], figure->config, &choice.config) != HONE_OK) return -1;
        return add_choice(v, &choice);
    }
    return -1;
}

/* What the profile chooses, what would be chosen without, and what each kernel would do best by its own word. */
static int find_choices(const cli_tune *t, hone_rt_rows *rows, hone_rt_rows *others, verified *v)
{
    hone_rt_candidate ranked[HONE_RT_KERNELS_MAX];
    const char       *rule;
    const hone_op    *op;
    if (hone_rt_problem_parse(t->hone.context, v->problem->text, &op, &v->bytes) != HONE_OK)
        return cli_fail_status(t->call, HONE_ERROR_FORMAT);
    v->request = cli_request(&t->hone, op, v->bytes.bytes);
    v->request.threads = v->problem->threads;
    if (hone_rt_rows_find(rows, &v->request, &v->row) != HONE_OK) return CLI_NO;
    int count = hone_rt_rank_first(t->hone.context, &v->request, ranked, HONE_RT_KERNELS_MAX, &rule);
    if (!count || ranked[0].refusal) return CLI_NO;
    add_choice(v, &(hone_choice){ranked[0].kernel, ranked[0].config});
    v->tuned = add_figure(t, v, &v->row.best);
    if (v->tuned < 0) return CLI_NO;
    v->beside = -1;
    if (others && hone_rt_rows_find(others, &v->request, &v->other) == HONE_OK)
        v->beside = add_figure(t, v, &v->other.best);
    if (v->brief) return CLI_FINE;
    if (*v->row.next.kernel) add_figure(t, v, &v->row.next);
    count = hone_rt_rank(t->hone.context, &v->request, ranked, HONE_RT_KERNELS_MAX, &rule);
    for (int i = 0; i < count && !ranked[i].refusal; i++)
        if (!(ranked[i].kernel->properties & HONE_IS_REFERENCE))
            add_choice(v, &(hone_choice){ranked[i].kernel, ranked[i].config});
    return CLI_FINE;
}

/* Those that are compared, and those that may be the best. */
static int keep_in_sight(const verified *v, int *ids, int *place, int right)
{
    double best = INFINITY;
    int    left = 0;
    for (int i = 0; i < right; i++)
        if (v->median[place[i]] > 0) best = fmin(best, v->median[place[i]]);
    for (int i = 0; i < right; i++) {
        const bool compared = place[i] == 0 || place[i] == v->tuned || place[i] == v->beside;
        if (!(v->median[place[i]] > 0) || (!compared && v->median[place[i]] > IN_SIGHT * best)) continue;
        place[left] = place[i];
        ids[left++] = ids[i];
    }
    return left;
}

static hone_status take_times(const cli_tune *t, verified *v)
{
    hone_admission      admissions[CHOICES_MAX], fates[CHOICES_MAX];
    int                 ids[CHOICES_MAX], place[CHOICES_MAX], right = 0;
    hone_worker        *worker;
    hone_worker_options how = {.device = t->hone.device->name, .threads = v->request.threads, .cold = t->cold,
                               .seed = t->seed + 1, .stop = cli_interrupted};
    double              column[ROUNDS];
    HONE_TRY(hone_worker_open(t->hone.context, &how, &worker)); /* a process of its own for each problem */
    hone_worker_take(worker, &v->request);
    hone_oracle oracle = hone_worker_oracle(worker);
    memset(admissions, 0, sizeof admissions);
    hone_status status = oracle.admit(oracle.self, v->choices, v->count, admissions);
    for (int i = 0; i < v->count && status == HONE_OK; i++) {
        if (admissions[i].fate != HONE_FATE_RIGHT) continue;
        place[right] = i;
        ids[right++] = admissions[i].id;
    }
    double *taken = cli_alloc((size_t)ROUNDS * CHOICES_MAX, sizeof *taken);
    for (int from = 0, rounds = ROUNDS_FIRST; from < ROUNDS && right && status == HONE_OK; from += rounds) {
        if (from) rounds = ROUNDS - from;
        status = oracle.time(oracle.self, ids, right, rounds, taken, fates);
        for (int i = 0; i < right && status == HONE_OK; i++) {
            double *its = v->seconds + place[i] * ROUNDS;
            v->median[place[i]] = 0;
            v->rounds[place[i]] = 0;
            if (fates[i].fate != HONE_FATE_RIGHT) continue;
            for (int r = 0; r < rounds; r++) its[from + r] = taken[r * right + i];
            memcpy(column, its, (size_t)(from + rounds) * sizeof *column);
            v->median[place[i]] = hone_stats_median(column, from + rounds);
            v->rounds[place[i]] = from + rounds;
        }
        if (!from) right = keep_in_sight(v, ids, place, right);
    }
    free(taken);
    hone_worker_close(worker);
    return status;
}

static hone_status ratio_of(const verified *v, int one, int other, uint64_t seed, hone_interval *out)
{
    double scratch[ROUNDS];
    *out = (hone_interval){1, 1, 1};
    if (one == other) return HONE_OK;
    return hone_stats_ratio(v->seconds + one * ROUNDS, v->seconds + other * ROUNDS, ROUNDS, 0.95, seed, scratch, out);
}

/* Median of every other round, from `first` on. */
static double half_of(const verified *v, int choice, int first)
{
    double some[ROUNDS];
    int    count = 0;
    for (int r = first; r < ROUNDS; r += 2) some[count++] = v->seconds[choice * ROUNDS + r];
    return hone_stats_median(some, count);
}

/* Time over the best's, less 1. Who is best is told by one half of the rounds, and what it takes by the other, both
 * ways: the least of many figures of the same rounds would be too low by what they scatter. */
static void find_regrets(verified *v)
{
    double tuned = 0, untuned = 0;
    for (int half = 0; half < 2; half++) {
        int best = v->tuned;
        for (int i = 0; i < v->count; i++)
            if (v->rounds[i] == ROUNDS && half_of(v, i, half) < half_of(v, best, half)) best = i;
        tuned += 0.5 * (half_of(v, v->tuned, 1 - half) / half_of(v, best, 1 - half) - 1);
        untuned += 0.5 * (half_of(v, 0, 1 - half) / half_of(v, best, 1 - half) - 1);
    }
    v->regret = tuned;
    v->untuned_regret = untuned;
}

static void add_up(const cli_tune *t, verified *v, sums *s)
{
    double rival = 0;
    v->best_s = v->median[v->tuned];
    for (int i = 0; i < v->count; i++) {
        if (!(v->median[i] > 0)) continue;
        v->best_s = fmin(v->best_s, v->median[i]);
        if (hone_kernel_is_foreign(v->choices[i].kernel, t->hone.device) && !(rival > 0 && rival <= v->median[i]))
            rival = v->median[i];
    }
    s->measured++;
    s->same += v->tuned == 0;
    s->worse += v->ratio.mid < WORSE;
    s->surely_worse += hone_interval_below(v->ratio, WORSE);
    s->regret_untuned += v->untuned_regret;
    s->regret_tuned += v->regret;
    s->log_ratio += log(v->ratio.mid);
    if (rival > 0) s->log_rival += log(rival / v->median[v->tuned]), s->rivals++;
    if (!s->worst || v->ratio.mid < s->worst_ratio) {
        free(s->worst);
        s->worst = cli_format("%s, %d threads", v->problem->text, v->problem->threads);
        s->worst_ratio = v->ratio.mid;
    }
    if (v->beside < 0 || !(v->median[v->beside] > 0)) return;
    s->besides++;
    s->alike += v->beside_ratio.mid <= ALIKE && v->beside_ratio.mid >= 1 / ALIKE;
}

static void print_one(const cli_tune *t, const verified *v, cli_table *table, json_t *list)
{
    char *threads = cli_format("%d", v->problem->threads);
    char *ratio = v->tuned == 0 ? cli_format("the same") : cli_format("%.3f", v->ratio.mid);
    char *regret = v->brief ? cli_format("%s", "") : cli_format("%.1f %%", 100 * v->regret);
    cli_table_row(table, (const char *[]){v->problem->text, threads, v->choices[v->tuned].kernel->name,
                                          v->median[v->tuned] > 0 ? cli_time(v->median[v->tuned]).text : "", ratio,
                                          regret});
    json_t *it = cli_object();
    cli_set(it, "problem", cli_string(v->problem->text));
    cli_set(it, "threads", json_integer(v->problem->threads));
    cli_set(it, "kernel", cli_string(v->choices[v->tuned].kernel->name));
    cli_set(it, "untuned_us", cli_real(v->median[0] * 1e6));
    cli_set(it, "tuned_us", cli_real(v->median[v->tuned] * 1e6));
    cli_set(it, "best_us", cli_real(v->best_s * 1e6));
    cli_set(it, "ratio", cli_real(v->ratio.mid));
    cli_set(it, "ratio_lo", cli_real(v->ratio.lo));
    cli_set(it, "ratio_hi", cli_real(v->ratio.hi));
    if (v->beside >= 0) cli_set(it, "beside_ratio", cli_real(v->beside_ratio.mid));
    cli_append(list, it);
    free(threads);
    free(ratio);
    free(regret);
    (void)t;
}

static void print_sums(const sums *s, const char *beside, bool brief)
{
    double gone = s->regret_untuned > 0 ? 1 - s->regret_tuned / s->regret_untuned : NAN;
    printf("\n%d problems measured again, %d of them with the untuned choice, %d without a row\n", s->measured, s->same,
           s->missing);
    if (!s->measured) return;
    printf("untuned over tuned: %.3f (geometric mean)", exp(s->log_ratio / s->measured));
    if (s->worst) printf(", least %.3f: %s", s->worst_ratio, s->worst);
    printf("\n");
    printf("under %.2f: %d, and %d beyond doubt\n", WORSE, s->worse, s->surely_worse);
    if (!brief) {
        printf("regret beside the best measured: untuned %.2f %%, tuned %.2f %% (mean)",
               100 * s->regret_untuned / s->measured, 100 * s->regret_tuned / s->measured);
        if (isfinite(gone)) printf(": %.0f %% of it is gone", 100 * gone);
        printf("\n");
    }
    if (s->rivals && !brief)
        printf("best library over tuned: %.3f (of %d)\n", exp(s->log_rival / s->rivals), s->rivals);
    if (beside) printf("beside %s: %d of %d choices within 2 %%\n", beside, s->alike, s->besides);
}

static json_t *sums_json(const cli_tune *t, const sums *s, json_t *list)
{
    json_t *answer = cli_answer(t->call);
    cli_set(answer, "measured", json_integer(s->measured));
    cli_set(answer, "missing", json_integer(s->missing));
    cli_set(answer, "worse", json_integer(s->worse));
    cli_set(answer, "surely_worse", json_integer(s->surely_worse));
    cli_set(answer, "ratio_mean", s->measured ? cli_real(exp(s->log_ratio / s->measured)) : json_null());
    cli_set(answer, "regret_untuned", s->measured ? cli_real(s->regret_untuned / s->measured) : json_null());
    cli_set(answer, "regret_tuned", s->measured ? cli_real(s->regret_tuned / s->measured) : json_null());
    cli_set(answer, "alike", json_integer(s->alike));
    cli_set(answer, "besides", json_integer(s->besides));
    cli_set(answer, "problems", json_incref(list));
    return answer;
}

static int verify_one(cli_tune *t, hone_rt_rows *rows, hone_rt_rows *others, int index, sums *s, cli_table *table,
                      json_t *list)
{
    verified *v = cli_alloc(1, sizeof *v);
    v->problem = &t->problems[index];
    v->seconds = cli_alloc((size_t)ROUNDS * CHOICES_MAX, sizeof *v->seconds);
    v->brief = cli_given(t->call, "brief");
    cli_progress("%d of %d: %s, %d threads", index + 1, t->count, v->problem->text, v->problem->threads);
    int         code = find_choices(t, rows, others, v);
    bool        alone = code == CLI_FINE && v->brief && v->count == 1; /* it is the untuned choice */
    hone_status status = code == CLI_FINE && !alone ? take_times(t, v) : HONE_OK;
    if (status != HONE_OK) code = cli_fail_status(t->call, status);
    bool measured = code == CLI_FINE && !alone && v->median[0] > 0 && v->median[v->tuned] > 0;
    if (alone) {
        s->measured++;
        s->same++;
        s->besides += v->beside >= 0; /* the other profile's choice is the same */
        s->alike += v->beside >= 0;
    } else if (measured) {
        find_regrets(v);
        if (ratio_of(v, 0, v->tuned, t->seed, &v->ratio) != HONE_OK ||
            (v->beside >= 0 && ratio_of(v, v->beside, v->tuned, t->seed, &v->beside_ratio) != HONE_OK))
            code = cli_fail_status(t->call, HONE_ERROR_MEMORY);
        add_up(t, v, s);
        print_one(t, v, table, list);
    }
    if (!measured && !alone && (code == CLI_FINE || code == CLI_NO)) {
        s->missing++;
        code = CLI_FINE;
    }
    free(v->seconds);
    free(v);
    return code;
}

int cli_tune_verify(cli_tune *t, const char *beside)
{
    hone_rt_rows *rows = NULL, *others = NULL;
    sums          s = {0};
    json_t       *list = cli_array();
    cli_table    *table = cli_table_new((const char *[]){"~problem", ">on", "kernel", ">takes", ">untuned", ">regret",
                                                         NULL});
    int           code = CLI_FINE;
    hone_status   status = hone_rt_rows_open(t->hone.device, NULL, &rows);
    if (status == HONE_OK && beside) status = hone_rt_rows_open(t->hone.device, beside, &others);
    if (status != HONE_OK) code = cli_fail_status(t->call, status);
    for (int i = 0; i < t->count && code == CLI_FINE; i++) {
        if (cli_interrupted()) code = CLI_INTERRUPTED;
        else code = verify_one(t, rows, others, i, &s, table, list);
    }
    cli_progress(NULL);
    cli_table_print(table, t->call->json || !s.measured ? NULL : stdout, 0);
    if (t->call->json)
        cli_print_json(sums_json(t, &s, list));
    else if (code == CLI_FINE || s.measured)
        print_sums(&s, beside, cli_given(t->call, "brief"));
    if (code == CLI_FINE && !s.measured)
        code = cli_fail(t->call, "the profile has a row for none of these problems; 'hone tune' measures them");
    json_decref(list);
    free(s.worst);
    hone_rt_rows_close(rows);
    hone_rt_rows_close(others);
    return code == CLI_FINE && s.surely_worse ? CLI_NO : code;
}
