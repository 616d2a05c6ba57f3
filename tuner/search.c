/* The search as a whole: see search.h. It admits what a strategy asks for, races it, scores it, and ends the race of
 * the best; what to try next is the strategy's (strategy.h), and who has lost the race's (race.h).
 *
 * Scores are logs of ratios to the untuned choice, each by way of the champion of its time, beside which it ran: so a
 * machine that runs faster or slower from one minute to the next changes no score. */
#include "tuner/search.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "tuner/race.h"
#include "tuner/strategy.h"

enum {
    BATCH = 8,      /* candidates that race beside each other and the champion */
    LANES = BATCH + 2,
    ROUNDS_FIRST = 2, /* asked for at once: nobody leaves for one sample */
    ROUNDS = 5,     /* of such a race; who looks better than the champion runs on, up to ... */
    ROUNDS_DUEL = 9,
    ROUNDS_LAST = 3,  /* of the last race, asked for at once behind the fewest */
    ROUNDS_ALONE = 12, /* of one that nobody is left to race with */
    FINALISTS = 8,  /* candidates that stay ready for the last race, the untuned choice aside */
    ROUNDS_FEWEST = 6,
    PATIENCE_FEWEST = 48, /* trials without a better one, at least, before patience ends it */
};
#define FINALIST_WITHIN 0.05 /* log ratio to the best: no further back a finalist */
/* What a question will take, before any was asked: by the estimate of a launch. An oracle warms up, judges several data
 * sets, and takes each sample twice. */
#define ADMIT_LAUNCHES 16
#define TURN_LAUNCHES  8
#define ROUND_MORE     0.4 /* of a first round: what each further one of the same question takes */
#define LAST_LEAST     0.1 /* of the budget, kept for the last race; ... */
#define LAST_MOST      0.3

/* What the search keeps of a trial, beside the field's. */
typedef struct runner {
    int       lane;  /* in the race; -1: it never was */
    int       id;    /* the oracle's */
    bool      ready; /* the oracle still has it */
    hone_fate fate;
    char      why[256];
} runner;

typedef struct search {
    const hone_oracle         *oracle;
    const hone_search_options *options;
    const hone_strategy       *strategy;
    void                      *strategist;
    hone_field                 field;
    hone_race                 *race;
    runner                    *runners; /* of the field's trials */
    int                        runner_cap;
    double                     began;
    int                        untuned, champion; /* trials; champion -1: nothing was right yet */
    int                        better;            /* the trial count when the champion last changed for the better */
    int                        launches;
    bool                       stopped;
    double                     admit_s, turn_s; /* seconds to admit one; of one in a question of one round */
    double                     reserve_s;       /* of the budget: for the last race */
} search;

hone_search_options hone_search_defaults(void)
{
    return (hone_search_options){.seed = 1, .tie = 0.01, .rounds = 24, .patience = 0.5};
}

const char *hone_search_strategy(int index, const char **what)
{
    int count = 0;
    while (hone_strategies[count]) count++;
    if (what) *what = index >= 0 && index < count ? hone_strategies[index]->what : NULL;
    return index >= 0 && index < count ? hone_strategies[index]->name : NULL;
}

static double clock_of(const search *s)
{
    return s->oracle->clock(s->oracle->self);
}

static double left_of(const search *s)
{
    return s->options->budget_s > 0 ? s->options->budget_s - s->reserve_s - (clock_of(s) - s->began) : INFINITY;
}

static double rounds_s(const search *s, int lanes, int rounds)
{
    return lanes * s->turn_s * (1 + ROUND_MORE * (rounds - 1));
}

/* Is there no time for a question that takes so many seconds? Then, or when it is told to, it stops. */
static bool out_of_budget(search *s, double seconds)
{
    if (s->options->stop && s->options->stop()) s->stopped = true;
    if (left_of(s) <= seconds) s->stopped = true;
    return s->stopped;
}

/* What was seen last counts, and of what was seen before a part that fades: candidates differ. */
static void learn(double *seconds, double seen)
{
    *seconds = fmax(0.7 * *seconds, seen);
}

static bool is_right(const search *s, int trial)
{
    return s->runners[trial].fate == HONE_FATE_RIGHT && s->runners[trial].lane >= 0;
}

static void let_go(search *s, int trial)
{
    if (s->runners[trial].ready) s->oracle->drop(s->oracle->self, s->runners[trial].id);
    s->runners[trial].ready = false;
}

/* --- candidates ------------------------------------------------------------------------------------------------ */

static hone_status add_trial(search *s, hone_place place)
{
    HONE_TRY(hone_grow(&s->runners, s->field.trial_count, &s->runner_cap, sizeof *s->runners));
    s->runners[s->field.trial_count] = (runner){.lane = -1, .fate = HONE_FATE_REFUSED, .why = "it was not tried"};
    return hone_field_add(&s->field, place);
}

static void note_fate(search *s, int trial, const hone_admission *admission)
{
    runner *it = &s->runners[trial];
    it->fate = admission->fate;
    memcpy(it->why, admission->why, sizeof it->why);
    it->ready = admission->fate == HONE_FATE_RIGHT;
    it->id = admission->id;
    if (!it->ready) s->field.trials[trial].score = INFINITY;
}

/* Is there time to admit another one, and to race it beside so many? The very first is tried in any case. */
static bool is_affordable(const search *s, int trial, int lanes)
{
    return !trial || s->admit_s + rounds_s(s, lanes + 1, ROUNDS_FIRST) <= left_of(s);
}

/* Admits as many of these as there is time for; *count says how many. */
static hone_status admit(search *s, int first, int *count)
{
    hone_status status = HONE_OK;
    int         done = 0, lanes = s->champion >= 0;
    for (; done < *count && is_affordable(s, first + done, lanes); done++) {
        const double   since = clock_of(s);
        hone_admission admission = {0};
        if (done && s->options->stop && s->options->stop()) s->stopped = true;
        if (s->stopped) break;
        status = s->oracle->admit(s->oracle->self, &s->field.trials[first + done].choice, 1, &admission);
        if (status != HONE_OK) break;
        learn(&s->admit_s, clock_of(s) - since);
        if (!s->launches) learn(&s->turn_s, s->admit_s * TURN_LAUNCHES / ADMIT_LAUNCHES);
        note_fate(s, first + done, &admission);
        if (s->runners[first + done].ready) HONE_TRY(hone_race_enter(s->race, &s->runners[first + done].lane));
        lanes += s->runners[first + done].ready;
    }
    *count = done;
    return status;
}

/* --- rounds ---------------------------------------------------------------------------------------------------- */

/* Some rounds of these trials; those that fail leave the list. */
static hone_status take_rounds(search *s, int *trials, int *count, int rounds)
{
    int            ids[LANES], left = 0;
    const int      lanes = *count;
    double         seconds[LANES * ROUNDS_FEWEST], since = clock_of(s);
    hone_admission fates[LANES];
    memset(fates, 0, sizeof fates);
    for (int i = 0; i < lanes; i++) ids[i] = s->runners[trials[i]].id;
    HONE_TRY(s->oracle->time(s->oracle->self, ids, lanes, rounds, seconds, fates));
    if (!s->launches) s->turn_s = 0; /* until now it was a guess */
    learn(&s->turn_s, (clock_of(s) - since) / (lanes * (1 + ROUND_MORE * (rounds - 1))));
    for (int r = 0; r < rounds; r++) {
        hone_race_round(s->race);
        for (int i = 0; i < lanes; i++) {
            const double taken = seconds[r * lanes + i];
            if (fates[i].fate != HONE_FATE_RIGHT) continue;
            if (!(taken > 0)) {
                hone_admission_say(&fates[i], HONE_FATE_FAILED, "its time is no number");
                continue;
            }
            s->launches++;
            HONE_TRY(hone_race_note(s->race, s->runners[trials[i]].lane, taken));
        }
    }
    for (int i = 0; i < lanes; i++) {
        if (fates[i].fate != HONE_FATE_RIGHT) note_fate(s, trials[i], &fates[i]);
        else trials[left++] = trials[i];
    }
    *count = left;
    return HONE_OK;
}

static double behind(const search *s, int one, int other, int *rounds)
{
    return hone_race_ratio(s->race, s->runners[one].lane, s->runners[other].lane, rounds).mid;
}

/* Scores by way of the champion. */
static void score(search *s, const int *trials, int count)
{
    for (int i = 0; i < count; i++) {
        if (s->runners[trials[i]].fate != HONE_FATE_RIGHT) continue;
        double ratio = trials[i] == s->champion ? 0 : behind(s, trials[i], s->champion, NULL);
        if (isfinite(ratio)) s->field.trials[trials[i]].score = s->field.trials[s->champion].score + ratio;
    }
}

/* Whom the others are measured by: the best that is ready, where the last one failed; of a first race the best. */
static void find_champion(search *s, const int *trials, int count)
{
    double least = INFINITY;
    if (s->champion >= 0 && s->runners[s->champion].ready) return;
    s->champion = -1;
    for (int i = 0; i < s->field.trial_count; i++)
        if (s->runners[i].ready && s->field.trials[i].score < least)
            least = s->field.trials[i].score, s->champion = i;
    if (s->champion >= 0) return;
    for (int i = 0; i < count; i++) {
        const double *samples;
        double        few[LANES * 8];
        int           taken = hone_race_samples(s->race, s->runners[trials[i]].lane, &samples);
        if (taken > (int)(sizeof few / sizeof few[0])) taken = (int)(sizeof few / sizeof few[0]);
        memcpy(few, samples, (size_t)taken * sizeof *few);
        double median = hone_stats_median(few, taken);
        if (taken && median < least) least = median, s->champion = trials[i];
    }
    if (s->champion >= 0) s->field.trials[s->champion].score = 0;
}

/* The new ones beside the champion; who has lost leaves. */
static hone_status race_batch(search *s, int first, int count)
{
    int trials[LANES], raced[LANES], lanes = 0, all = 0;
    find_champion(s, NULL, 0);
    if (s->champion >= 0) trials[lanes++] = s->champion;
    for (int i = 0; i < count; i++)
        if (s->runners[first + i].ready) trials[lanes++] = first + i;
    all = lanes;
    memcpy(raced, trials, sizeof raced);
    for (int round = 0, more; round < ROUNDS_DUEL && lanes > (s->champion >= 0); round += more) {
        int left = 0, contenders = 0;
        more = round ? 1 : ROUNDS_FIRST;
        if (round + more > ROUNDS) more = ROUNDS_DUEL - round < ROUNDS_FIRST ? ROUNDS_DUEL - round : ROUNDS_FIRST;
        if (out_of_budget(s, rounds_s(s, lanes, more))) break;
        HONE_TRY(take_rounds(s, trials, &lanes, more));
        find_champion(s, trials, lanes);
        if (s->champion < 0) break;
        for (int i = 0; i < lanes; i++) {
            bool lost = hone_race_lost(s->race, s->runners[trials[i]].lane, s->runners[s->champion].lane);
            if (!lost) trials[left++] = trials[i];
        }
        lanes = left;
        if (round + more < ROUNDS) continue;
        left = 0;
        for (int i = 0; i < lanes; i++) { /* from here on only those that may be better */
            bool contends = trials[i] == s->champion || behind(s, trials[i], s->champion, NULL) < 0;
            contenders += contends && trials[i] != s->champion;
            if (contends) trials[left++] = trials[i];
        }
        lanes = left;
        if (!contenders) break;
    }
    if (s->champion >= 0) score(s, raced, all);
    return HONE_OK;
}

/* The best so far is champion, if it is ready; the rest go, but for finalists and the untuned choice. */
static void settle(search *s)
{
    int best[FINALISTS], count = hone_field_best(&s->field, best, FINALISTS), old = s->champion;
    for (int i = 0; i < count; i++)
        if (s->runners[best[i]].ready) {
            s->champion = best[i];
            break;
        }
    if (s->champion < 0) return;
    const double tie = log1p(s->options->tie);
    if (old < 0 || s->field.trials[s->champion].score < s->field.trials[old].score - tie)
        s->better = s->field.trial_count;
    for (int i = 0; i < s->field.trial_count; i++) {
        bool stays = i == s->untuned || i == s->champion;
        for (int j = 0; j < count && !stays; j++)
            stays = best[j] == i && s->field.trials[i].score < s->field.trials[s->champion].score + FINALIST_WITHIN;
        if (!stays) let_go(s, i);
    }
    if (!s->options->progress) return;
    const hone_trial *trial = &s->field.trials[s->champion];
    const double     *samples;
    int               taken = hone_race_samples(s->race, s->runners[s->champion].lane, &samples);
    s->options->progress(s->options->progress_self, &trial->choice, samples[taken - 1], s->field.trial_count);
}

/* --- the course of it ------------------------------------------------------------------------------------------ */

/* For the last race: as long as six take for a dozen rounds, within bounds. */
static void keep_for_last(search *s)
{
    const double budget = s->options->budget_s;
    s->reserve_s = fmin(fmax(rounds_s(s, 6, 12), LAST_LEAST * budget), LAST_MOST * budget);
}

/* Tries all that was added from `first` on. */
static hone_status try_from(search *s, int first)
{
    for (int count; first < s->field.trial_count; first += count) {
        const int wanted = s->field.trial_count - first < BATCH ? s->field.trial_count - first : BATCH;
        keep_for_last(s);
        count = first ? wanted : 1; /* the first tells how long questions take */
        const int asked = count;
        hone_status status = out_of_budget(s, 0) ? (count = 0, HONE_OK) : admit(s, first, &count);
        s->stopped |= count < asked;
        if (status == HONE_OK && count) status = race_batch(s, first, count);
        if (status != HONE_OK || s->stopped) s->field.trial_count = first + count; /* what was not tried is no trial */
        HONE_TRY(status);
        if (count) settle(s);
        if (s->stopped) break;
    }
    return HONE_OK;
}

static int room(const search *s)
{
    int left = s->options->trials_max ? s->options->trials_max - s->field.trial_count : BATCH;
    return left < BATCH ? left : BATCH;
}

/* The starts, and of each kernel what it estimates best: the kernels are few, and each may surprise. */
static hone_status try_first(search *s, const hone_choice *starts, int start_count)
{
    bool seen[HONE_FIELD_KERNELS_MAX] = {false};
    for (int i = 0; i < start_count; i++) {
        hone_place place;
        if (!hone_field_find(&s->field, &starts[i], &place)) {
            HONE_CHECK(i, HONE_ERROR_ARGUMENT, "search: the untuned choice, of %s, is no legal candidate",
                       starts[0].kernel->name);
            continue; /* another problem's best may be none here */
        }
        seen[place.kernel] = true;
        if (room(s) > 0 && hone_field_tried(&s->field, place) < 0) HONE_TRY(add_trial(s, place));
    }
    for (int i = 0; i < s->field.outlook_count; i++) {
        hone_place place = s->field.outlooks[i].place;
        if (seen[place.kernel]) continue;
        seen[place.kernel] = true;
        if (room(s) > 0) HONE_TRY(add_trial(s, place));
    }
    return try_from(s, 0);
}

static bool is_patient(const search *s)
{
    int since = s->field.trial_count - s->better;
    return s->options->patience <= 0 || since < PATIENCE_FEWEST || since < s->options->patience * s->field.trial_count;
}

static hone_status try_more(search *s)
{
    while (!s->stopped && is_patient(s)) {
        hone_place places[BATCH];
        int        count = 0, first = s->field.trial_count;
        if (room(s) <= 0) {
            s->stopped = (uint64_t)first < s->field.count;
            break;
        }
        HONE_TRY(s->strategy->ask(s->strategist, &s->field, places, room(s), &count));
        if (!count) break;
        for (int i = 0; i < count; i++) HONE_TRY(add_trial(s, places[i]));
        HONE_TRY(try_from(s, first));
    }
    return HONE_OK;
}

/* The best and the untuned choice beside each other, until all is known that matters. */
static hone_status race_last(search *s)
{
    int trials[LANES], lanes = 0, best[FINALISTS], count = hone_field_best(&s->field, best, FINALISTS);
    for (int i = 0; i < count; i++) {
        bool near = s->field.trials[best[i]].score < s->field.trials[best[0]].score + FINALIST_WITHIN;
        if (near && best[i] != s->untuned && s->runners[best[i]].ready) trials[lanes++] = best[i];
    }
    if (s->runners[s->untuned].ready) trials[lanes++] = s->untuned;
    bool was_stopped = s->stopped; /* by trials: there is time for this */
    s->reserve_s = 0;
    /* fewer of them where there is no time for all: the untuned choice stands last */
    while (lanes > 2 && rounds_s(s, lanes, ROUNDS_FEWEST) > left_of(s)) trials[lanes - 2] = trials[lanes - 1], lanes--;
    for (int round = 0, more; round < s->options->rounds && lanes > 0; round += more) {
        int left = 0;
        s->stopped = false;
        more = round ? ROUNDS_LAST : ROUNDS_FEWEST;
        if (more > s->options->rounds - round) more = s->options->rounds - round;
        if (lanes == 1 && round >= ROUNDS_ALONE) break;
        while (more > 1 && rounds_s(s, lanes, more) > left_of(s)) more--;
        if (out_of_budget(s, rounds_s(s, lanes, more))) break;
        HONE_TRY(take_rounds(s, trials, &lanes, more));
        find_champion(s, trials, lanes);
        if (s->champion < 0) break;
        for (int i = 0; i < lanes; i++) {
            int rounds;
            behind(s, trials[i], s->champion, &rounds);
            /* the untuned choice runs to the end: its figure is told beside the winner's */
            bool lost = trials[i] != s->untuned && rounds >= ROUNDS_FEWEST &&
                        hone_race_lost(s->race, s->runners[trials[i]].lane, s->runners[s->champion].lane);
            if (!lost) trials[left++] = trials[i];
        }
        score(s, trials, lanes);
        lanes = left;
        int first = hone_field_best(&s->field, best, 1) ? best[0] : -1;
        if (first >= 0 && s->runners[first].ready) s->champion = first;
    }
    s->stopped |= was_stopped;
    return HONE_OK;
}

/* --- the result ------------------------------------------------------------------------------------------------ */

/* What is alike goes to the untuned choice, else to the first kernel, the least estimate, the first configuration. */
static bool is_plainer(const search *s, int one, int other)
{
    const hone_trial *a = &s->field.trials[one], *b = &s->field.trials[other];
    if (one == s->untuned || other == s->untuned) return one == s->untuned;
    if (a->place.kernel != b->place.kernel) return a->place.kernel < b->place.kernel;
    if (a->estimate != b->estimate) return a->estimate < b->estimate;
    return a->place.index < b->place.index;
}

static int winner(const search *s)
{
    int best, won;
    if (!hone_field_best(&s->field, &best, 1)) return -1;
    won = best;
    for (int i = 0; i < s->field.trial_count; i++) {
        int           rounds;
        if (i == best || !is_right(s, i) || !isfinite(s->field.trials[i].score)) continue;
        hone_interval ratio = hone_race_ratio(s->race, s->runners[i].lane, s->runners[best].lane, &rounds);
        if (rounds < ROUNDS_FEWEST || !s->runners[i].ready || ratio.mid > log1p(s->options->tie)) continue;
        if (is_plainer(s, i, won)) won = i;
    }
    return won;
}

static bool comes_before(const search *s, int won, int one, int other)
{
    if (one == won || other == won) return one == won;
    if (s->field.trials[one].score != s->field.trials[other].score)
        return s->field.trials[one].score < s->field.trials[other].score;
    if (is_right(s, one) != is_right(s, other)) return is_right(s, one);
    return one < other;
}

static hone_status tell(const search *s, int trial, hone_finding *out)
{
    const runner *it = &s->runners[trial];
    *out = (hone_finding){.choice = s->field.trials[trial].choice, .seconds = {NAN, NAN, NAN}, .fate = it->fate};
    memcpy(out->why, it->why, sizeof out->why);
    if (it->lane < 0) return HONE_OK;
    const double *samples;
    out->rounds = hone_race_samples(s->race, it->lane, &samples);
    if (!out->rounds) return HONE_OK;
    double *copy = hone_alloc((size_t)out->rounds, sizeof *copy);
    if (!copy) return HONE_ERROR_MEMORY;
    memcpy(copy, samples, (size_t)out->rounds * sizeof *copy);
    hone_stats_sort(copy, out->rounds);
    out->seconds = hone_stats_median_exact(copy, out->rounds, 0.95);
    memcpy(copy, samples, (size_t)out->rounds * sizeof *copy);
    out->samples = copy;
    return HONE_OK;
}

static hone_status sum_up(search *s, hone_search_result *out)
{
    const int count = s->field.trial_count;
    int      *order = hone_alloc((size_t)count + 1, sizeof *order);
    out->findings = hone_alloc((size_t)count + 1, sizeof *out->findings);
    hone_status status = order && out->findings ? HONE_OK : HONE_ERROR_MEMORY;
    if (status == HONE_OK) {
        const int won = winner(s);
        for (int i = 0; i < count; i++) {
            int at = i;
            for (; at > 0 && comes_before(s, won, i, order[at - 1]); at--) order[at] = order[at - 1];
            order[at] = i;
        }
        for (int i = 0; i < count && status == HONE_OK; i++) {
            status = tell(s, order[i], &out->findings[out->count++]);
            if (order[i] == s->untuned) out->untuned = i;
        }
        out->trials = count;
        out->launches = s->launches;
        out->complete = !s->stopped;
        if (status == HONE_OK && won < 0)
            status = hone_fail(HONE_ERROR_UNSUPPORTED, "none of %d candidates is right%s%s", count,
                               count ? "; the untuned choice: " : "", count ? s->runners[s->untuned].why : "");
    }
    hone_free(order);
    return status;
}

static hone_status check(const hone_search_options *o, int start_count, const hone_strategy **strategy)
{
    HONE_CHECK(start_count >= 1, HONE_ERROR_ARGUMENT, "search: the untuned choice must be among the starts");
    HONE_CHECK(o->rounds >= ROUNDS_FEWEST && o->rounds <= 1000, HONE_ERROR_ARGUMENT,
               "search: %d rounds of the last race, must be %d to 1000", o->rounds, ROUNDS_FEWEST);
    HONE_CHECK(o->budget_s >= 0 && o->trials_max >= 0 && o->tie >= 0 && o->patience >= 0, HONE_ERROR_ARGUMENT,
               "search: a budget of %g s, %d trials, ties of %g, patience of %g; none may be negative", o->budget_s,
               o->trials_max, o->tie, o->patience);
    for (int i = 0; hone_strategies[i]; i++)
        if (!o->strategy || !strcmp(o->strategy, hone_strategies[i]->name)) {
            *strategy = hone_strategies[i];
            return HONE_OK;
        }
    return hone_fail(HONE_ERROR_ARGUMENT, "search: there is no strategy '%s'", o->strategy);
}

hone_status hone_search(const hone_request *request, const hone_choice *starts, int start_count,
                        const hone_kernel *const *kernels, int kernel_count, const hone_oracle *oracle,
                        const hone_search_options *options, hone_search_result *out)
{
    search            s = {.oracle = oracle, .options = options, .champion = -1};
    hone_race_options racing = hone_race_defaults();
    *out = (hone_search_result){0};
    HONE_TRY(check(options, start_count, &s.strategy));
    s.began = oracle->clock(oracle->self);
    racing.margin = log1p(options->tie);
    HONE_TRY(hone_field_open(&s.field, request, kernels, kernel_count, hone_random_at(options->seed, 1)));
    hone_status status = hone_race_open(&racing, &s.race);
    if (status == HONE_OK) status = s.strategy->open(&s.field, hone_random_at(options->seed, 2), &s.strategist);
    if (status == HONE_OK) {
        double launch = start_count && starts[0].kernel->estimate
                            ? starts[0].kernel->estimate(request, &starts[0].config) : 0;
        if (!(launch > 0) || !isfinite(launch)) launch = 0;
        s.admit_s = ADMIT_LAUNCHES * launch;
        s.turn_s = TURN_LAUNCHES * launch;
        status = try_first(&s, starts, start_count);
    }
    if (status == HONE_OK) status = try_more(&s);
    if (status == HONE_OK) status = race_last(&s);
    if (status == HONE_ERROR_INTERRUPTED) { /* the oracle was asked to stop */
        s.stopped = true;
        status = HONE_OK;
    }
    if (status == HONE_OK) status = sum_up(&s, out);
    for (int i = 0; s.runners && i < s.field.trial_count; i++) let_go(&s, i);
    out->spent_s = oracle->clock(oracle->self) - s.began;
    if (s.strategist) s.strategy->close(s.strategist);
    hone_race_close(s.race);
    hone_free(s.runners);
    hone_field_close(&s.field);
    if (status != HONE_OK && status != HONE_ERROR_UNSUPPORTED) hone_search_result_free(out);
    return status;
}

void hone_search_result_free(hone_search_result *result)
{
    for (int i = 0; i < result->count; i++) hone_free((void *)(uintptr_t)result->findings[i].samples);
    hone_free(result->findings);
    *result = (hone_search_result){0};
}
