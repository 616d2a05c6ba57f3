/* Sessions: see session.h. */
#include "tuner/session.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/status.h"
#include "base/text.h"
#include "runtime/rivals.h"
#include "tuner/race.h"
#include "tuner/search.h"
#include "tuner/tape.h"
#include "tuner/worker.h"

enum {
    CONFIRM_ROUNDS = 8, /* of a question; all won, they decide */
    CONFIRM_MOST = 96,
    STARTS_MAX = 1 + 8, /* the untuned choice, and what rows say */
    WATCHED_MAX = 512,
    WATCHED_SAMPLES = 32,
    SHUNNED_MAX = 1024,
    HOPELESS =
        8 /* configurations of a kernel that failed, and none is right: all of it is given up for this problem */,
    HINTS_SIZE = 4096,
    PATH_SIZE = 4096
};
#define FASTER        0.01 /* a gain that is smaller is none */
#define DOUBT         0.02 /* how often the winner may be confirmed wrongly */
#define LEAST_S       0.25 /* of a problem's share, as long as there is so much */
/* To confirm the winner: a worker's start and so many launches, within bounds of the problem's share. */
#define CONFIRM_S        0.2
#define CONFIRM_LAUNCHES 200
#define CONFIRM_LEAST    0.15
#define CONFIRM_SHARE    0.35

/* A candidate as it is seen from outside while the search runs: for the display, and for the library's figure. */
typedef struct watched {
    hone_choice choice;
    int         id, rounds;
    hone_fate   fate;
    double      samples[WATCHED_SAMPLES];
} watched;

typedef struct session {
    hone_rt_context             *context;
    hone_be_device              *device;
    const hone_session_options  *options;
    const hone_session_problem  *problems;
    hone_session_report         *report;
    hone_rt_journal             *journal;
    hone_rt_rows                *rows;
    hone_tape                   *tape;
    bool                         complained; /* that it cannot be written */
    hone_worker                 *worker;
    int                          worker_threads;
    double                       spent_s;
    /* of the problem at hand */
    int                          index;
    hone_request                 request;
    hone_rt_problem              problem;
    char                         text[HONE_PROBLEM_TEXT_MAX + 64];
    double                       share_s;
    const char                  *stage;
    hone_oracle                  live, taped;
    hone_choice                  untuned;
    int                          watched_count, shunned_count, failed_count, trials;
    const hone_kernel           *failed[SHUNNED_MAX]; /* of each candidate that went into quarantine */
    watched                      watched[WATCHED_MAX];
    uint64_t                     shunned[SHUNNED_MAX]; /* hashes of what is in quarantine for this problem */
} session;

hone_session_options hone_session_defaults(void)
{
    return (hone_session_options){.budget_s = 60, .seed = 1};
}

double hone_session_share(const hone_session_problem *problems, int count, int index, double left_s)
{
    double weights = 0;
    for (int i = index; i < count; i++) weights += problems[i].weight;
    return weights > 0 && left_s > 0 ? left_s * problems[index].weight / weights : 0;
}

hone_session_verdict hone_session_compare(const double *one, const double *other, int rounds)
{
    int won = 0;
    for (int i = 0; i < rounds; i++) won += one[i] * (1 + FASTER) < other[i];
    if (hone_race_bet(won, rounds - won) >= -log(DOUBT)) return HONE_SESSION_FASTER;
    return hone_race_bet(rounds - won, won) >= -log(DOUBT) ? HONE_SESSION_NOT_FASTER : HONE_SESSION_UNDECIDED;
}

/* --- watching ---------------------------------------------------------------------------------------------------- */

static double median_of(const watched *it)
{
    double copy[WATCHED_SAMPLES];
    int    count = it->rounds < WATCHED_SAMPLES ? it->rounds : WATCHED_SAMPLES;
    if (!count || it->fate != HONE_FATE_RIGHT) return 0;
    memcpy(copy, it->samples, (size_t)count * sizeof *copy);
    return hone_stats_median(copy, count);
}

static bool same_choice(const hone_choice *a, const hone_choice *b)
{
    return a->kernel == b->kernel && !memcmp(&a->config, &b->config, sizeof a->config);
}

/* The quickest of all, of other people's, and of the untuned choice. */
static void say(session *s, const watched *failed, const char *sentence, const hone_session_outcome *outcome)
{
    hone_session_progress now = {.index = s->index, .count = s->report->count, .problem = &s->problems[s->index],
                                 .stage = s->stage, .share_s = s->share_s, .trials = s->trials, .outcome = outcome};
    if (!s->options->progress) return;
    now.spent_s = s->taped.clock ? s->taped.clock(s->taped.self) : 0;
    now.left_s =
        s->options->budget_s > 0 ? fmax(0, s->options->budget_s - s->spent_s - (outcome ? 0 : now.spent_s)) : 0;
    for (int i = 0; i < s->watched_count; i++) {
        const watched *it = &s->watched[i];
        double         median = median_of(it);
        if (!(median > 0)) continue;
        if (!now.best || median < now.best_s) now.best = it->choice.kernel->name, now.best_s = median;
        if (same_choice(&it->choice, &s->untuned)) now.untuned_s = median;
        if (hone_kernel_is_foreign(it->choice.kernel, s->device) && !(now.rival_s > 0 && now.rival_s <= median))
            now.rival_s = median;
    }
    if (failed) {
        now.culprit = failed->choice.kernel->name;
        now.sentence = sentence;
        now.fate = failed->fate;
    }
    s->options->progress(s->options->self, &now);
}

/* --- rows -------------------------------------------------------------------------------------------------------- */

static void name_choice(const session *s, const hone_choice *choice, hone_rt_figure *out)
{
    const hone_kernel *kernel = choice->kernel;
    const char        *identity = kernel->identity ? kernel->identity(s->device) : NULL;
    *out = (hone_rt_figure){.version = kernel->version};
    snprintf(out->kernel, sizeof out->kernel, "%s", kernel->name);
    snprintf(out->identity, sizeof out->identity, "%s", identity ? identity : "");
    hone_config_print(kernel->space, &choice->config, out->config, sizeof out->config);
}

static hone_rt_row row_of(const session *s, hone_rt_row_kind kind)
{
    hone_rt_row row = {.kind = kind, .threads = s->request.threads, .alignment = s->request.alignment,
                       .flags = s->request.flags, .scratch_cap = s->request.scratch_cap, .cold = s->options->cold};
    snprintf(row.problem, sizeof row.problem, "%.*s", (int)sizeof row.problem - 1, s->text);
    return row;
}

static uint64_t hash_of(const hone_rt_figure *name, const char *config)
{
    char text[640];
    int  length = snprintf(text, sizeof text, "%s|%u|%s|%s", name->kernel, name->version, name->identity, config);
    return hone_hash(text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1, 0);
}

static void shun(session *s, const hone_rt_figure *name)
{
    if (s->shunned_count < SHUNNED_MAX) s->shunned[s->shunned_count++] = hash_of(name, name->config);
}

/* May a choice not be tried? */
static bool is_shunned(const session *s, const hone_choice *choice)
{
    hone_rt_figure name;
    name_choice(s, choice, &name);
    uint64_t one = hash_of(&name, name.config), all = hash_of(&name, "");
    for (int i = 0; i < s->shunned_count; i++)
        if (s->shunned[i] == one || s->shunned[i] == all) return true;
    return false;
}

static hone_status add_row(const session *s, const hone_rt_row *row)
{
    return hone_tape_is_done(s->tape, s->index) ? HONE_OK : hone_rt_journal_add(s->journal, row);
}

static bool is_hopeless(session *s, const hone_kernel *kernel)
{
    int failed = 0;
    for (int i = 0; i < s->failed_count; i++) failed += s->failed[i] == kernel;
    if (failed != HOPELESS) return false;
    for (int i = 0; i < s->watched_count; i++)
        if (s->watched[i].choice.kernel == kernel && s->watched[i].fate == HONE_FATE_RIGHT) return false;
    return true;
}

static hone_status quarantine(session *s, const hone_choice *choice, hone_fate fate, const char *why)
{
    hone_rt_row row = row_of(s, HONE_RT_ROW_QUARANTINE);
    name_choice(s, choice, &row.best);
    snprintf(row.reason, sizeof row.reason, "%s: %.*s", hone_fate_text(fate), 200, why);
    s->report->outcomes[s->index].quarantined++;
    s->report->quarantined++;
    shun(s, &row.best);
    HONE_TRY(add_row(s, &row));
    if (s->failed_count < SHUNNED_MAX) s->failed[s->failed_count++] = choice->kernel;
    if (!is_hopeless(s, choice->kernel)) return HONE_OK;
    *row.best.config = 0; /* all of them */
    snprintf(row.reason, sizeof row.reason, "%d configurations failed, and none was right; the last %s: %.*s", HOPELESS,
             hone_fate_text(fate), 120, why);
    shun(s, &row.best);
    return add_row(s, &row);
}

/* --- the oracle, watched ----------------------------------------------------------------------------------------- */

static watched *find_watched(session *s, int id)
{
    for (int i = 0; i < s->watched_count; i++)
        if (s->watched[i].id == id) return &s->watched[i];
    return NULL;
}

static hone_status note_fate(session *s, const hone_choice *choice, int id, hone_fate fate, const char *why)
{
    watched  once = {.choice = *choice, .id = id, .fate = fate}, *it = find_watched(s, id);
    if (it) it->fate = fate;
    if (fate == HONE_FATE_REFUSED) return HONE_OK;
    say(s, &once, why, NULL);
    return quarantine(s, choice, fate, why);
}

static hone_status watched_admit(void *self, const hone_choice *choices, int count, hone_admission *out)
{
    session *s = self;
    for (int i = 0; i < count; i++) {
        bool shunned = !hone_tape_knows(s->tape, &choices[i]) && is_shunned(s, &choices[i]);
        s->trials++;
        out[i] = (hone_admission){.fate = HONE_FATE_REFUSED};
        if (shunned) {
            hone_admission_say(&out[i], HONE_FATE_REFUSED, "it is in quarantine: `hone profile list` says why");
            continue;
        }
        HONE_TRY(s->taped.admit(s->taped.self, &choices[i], 1, &out[i]));
        if (out[i].fate != HONE_FATE_RIGHT) {
            HONE_TRY(note_fate(s, &choices[i], out[i].id, out[i].fate, out[i].why));
        } else if (s->watched_count < WATCHED_MAX) {
            s->watched[s->watched_count++] = (watched){.choice = choices[i], .id = out[i].id};
        }
        say(s, NULL, NULL, NULL);
    }
    return HONE_OK;
}

static hone_status watched_time(void *self, const int *ids, int count, int rounds, double *seconds,
                                hone_admission *fates)
{
    session *s = self;
    HONE_TRY(s->taped.time(s->taped.self, ids, count, rounds, seconds, fates));
    for (int i = 0; i < count; i++) {
        watched *it = find_watched(s, ids[i]);
        if (!it) continue;
        for (int r = 0; r < rounds && fates[i].fate == HONE_FATE_RIGHT; r++)
            it->samples[it->rounds++ % WATCHED_SAMPLES] = seconds[r * count + i];
        if (fates[i].fate != HONE_FATE_RIGHT)
            HONE_TRY(note_fate(s, &it->choice, ids[i], fates[i].fate, fates[i].why));
    }
    say(s, NULL, NULL, NULL);
    return HONE_OK;
}

static void watched_drop(void *self, int id)
{
    session *s = self;
    s->taped.drop(s->taped.self, id);
}

static double watched_clock(void *self)
{
    session *s = self;
    return s->taped.clock(s->taped.self);
}

/* --- one problem ------------------------------------------------------------------------------------------------- */

static bool stopped(const session *s)
{
    return s->options->stop && s->options->stop();
}

static hone_status open_worker(session *s)
{
    int threads = s->request.threads;
    if (s->options->oracle) return s->options->oracle(s->options->oracle_self, &s->request, &s->live);
    if (!s->worker || s->worker_threads != threads) {
        hone_worker_options how = {.program = s->options->worker, .profile_path = s->options->profile_path,
                                   .device = s->device->name, .threads = threads, .cold = s->options->cold,
                                   .patience_s = s->options->patience_s, .seed = s->options->seed,
                                   .stop = s->options->stop};
        hone_worker_close(s->worker);
        HONE_TRY(hone_worker_open(s->context, &how, &s->worker));
        s->worker_threads = threads;
    }
    hone_worker_take(s->worker, &s->request);
    s->live = hone_worker_oracle(s->worker);
    return HONE_OK;
}

static int64_t compared(const void *self, int id)
{
    return hone_worker_compared(self, id);
}

/* What would be chosen without a row; its estimate, 0: unknown. */
static hone_status find_untuned(session *s, double *seconds)
{
    hone_rt_candidate ranked[HONE_RT_KERNELS_MAX];
    const char       *rule;
    int               of = hone_rt_rank_first(s->context, &s->request, ranked, HONE_RT_KERNELS_MAX, &rule);
    HONE_CHECK(of && !ranked[0].refusal, HONE_ERROR_UNSUPPORTED, "no kernel on %s takes \"%s\"", s->device->name,
               s->text);
    s->untuned = (hone_choice){ranked[0].kernel, ranked[0].config};
    hone_config_canonical(&s->request, s->untuned.kernel, &s->untuned.config); /* as the search names it */
    *seconds = ranked[0].seconds > 0 && isfinite(ranked[0].seconds) ? ranked[0].seconds : 0;
    return HONE_OK;
}

/* "kernel\tconfiguration\t" of each; what does not fit is left out. */
static void hint(hone_text *text, const hone_rt_figure *figure)
{
    char one[sizeof figure->kernel + sizeof figure->config + 2];
    int  length = snprintf(one, sizeof one, "%s\t%s\t", figure->kernel, figure->config);
    for (int i = 0; one[i]; i++)
        if ((unsigned char)one[i] < ' ' && one[i] != '\t') return; /* no name that hone gave */
    if (*figure->kernel && text->length + (size_t)length < text->capacity) hone_text_add(text, "%s", one);
}

static bool hint_of_near(void *self, const hone_rt_row *row, int layer)
{
    (void)layer;
    hint(self, &row->best);
    return true;
}

/* What rows say of this problem, and of near ones, those of this session among them: names, which need not stand for
 * anything here. */
static void read_hints(session *s, char *out, size_t capacity)
{
    hone_text     text = hone_text_in(out, capacity);
    hone_sentence before;
    hone_rt_row   row;
    int           layer;
    hone_sentence_keep(&before);
    (void)!hone_rt_rows_refresh(s->rows); /* where they cannot be read again, those of before stand */
    for (int i = 0; i < 2 && hone_rt_rows_next(s->rows, &s->request, i, &row, &layer) == HONE_OK; i++) {
        hint(&text, &row.best);
        hint(&text, &row.next);
    }
    (void)!hone_rt_rows_near(s->rows, &s->request, hint_of_near, &text);
    hone_sentence_back(&before);
}

/* The untuned choice, and of what is hinted at all that could be tried here. */
static int find_starts(session *s, char *hints, const hone_kernel *const *kernels, int kernel_count, hone_choice *out)
{
    hone_sentence before;
    int           count = 0;
    char         *name, *config;
    out[count++] = s->untuned;
    hone_sentence_keep(&before);
    while (count < STARTS_MAX && (name = strsep(&hints, "\t")) && *name && (config = strsep(&hints, "\t"))) {
        for (int i = 0; i < kernel_count; i++) {
            hone_choice it = {.kernel = kernels[i]};
            bool        known = strcmp(kernels[i]->name, name) != 0 ||
                         hone_config_parse(&s->request, kernels[i], config, &it.config) != HONE_OK;
            for (int j = 0; j < count && !known; j++) known = same_choice(&it, &out[j]);
            if (!known && count < STARTS_MAX) out[count++] = it;
        }
    }
    hone_sentence_back(&before);
    return count;
}

/* All that take the problem, those slow by intent only where nothing else does. */
static int find_kernels(const session *s, const hone_kernel **out)
{
    const hone_kernel *all[HONE_RT_KERNELS_MAX];
    int                of = hone_rt_kernels(s->context, s->request.op, s->device, all, HONE_RT_KERNELS_MAX), count = 0;
    for (int slow = 0; slow < 2 && !count; slow++)
        for (int i = 0; i < of; i++)
            if (!(all[i]->properties & HONE_IS_REFERENCE) == !slow && !all[i]->refuses(&s->request))
                out[count++] = all[i];
    return count;
}

static void read_quarantine(session *s)
{
    hone_sentence before;
    hone_rt_row   row;
    hone_sentence_keep(&before);
    s->shunned_count = s->failed_count = 0;
    for (int i = 0; s->rows && hone_rt_rows_quarantined(s->rows, &s->request, i, &row) == HONE_OK; i++)
        shun(s, &row.best);
    hone_sentence_back(&before);
}

static void figure_of(const session *s, const hone_choice *choice, double *samples, int rounds, hone_rt_figure *out)
{
    hone_interval median;
    name_choice(s, choice, out);
    hone_stats_sort(samples, rounds);
    median = hone_stats_median_exact(samples, rounds, 0.95);
    out->median_s = median.mid;
    out->low_s = isfinite(median.lo) ? median.lo : samples[0];
    out->high_s = isfinite(median.hi) ? median.hi : samples[rounds - 1];
    out->rounds = rounds;
}

static void figure_of_finding(const session *s, const hone_finding *finding, hone_rt_figure *out)
{
    double copy[CONFIRM_MOST];
    int    count = finding->rounds < CONFIRM_MOST ? finding->rounds : CONFIRM_MOST;
    memcpy(copy, finding->samples, (size_t)count * sizeof *copy);
    figure_of(s, &finding->choice, copy, count, out);
}

static void keep_samples(hone_rt_row *row, const double *samples, int count)
{
    row->sample_count = count < HONE_RT_SAMPLES_MAX ? count : HONE_RT_SAMPLES_MAX;
    memcpy(row->samples, samples, (size_t)row->sample_count * sizeof *samples);
}

/* Rounds of both until it is decided, or no further question fits. HONE_ERROR_UNSUPPORTED: one of them failed. */
static hone_status duel(session *s, const hone_oracle *oracle, const int ids[2], double until, double *first,
                        double *second, int *rounds, hone_session_verdict *verdict)
{
    hone_admission fates[2];
    double         seconds[2 * CONFIRM_ROUNDS], takes = 0;
    for (*rounds = 0; *rounds + CONFIRM_ROUNDS <= CONFIRM_MOST && *verdict == HONE_SESSION_UNDECIDED;) {
        double since = oracle->clock(oracle->self);
        if (stopped(s) || since + takes > until) break;
        HONE_TRY(oracle->time(oracle->self, ids, 2, CONFIRM_ROUNDS, seconds, fates));
        if (fates[0].fate != HONE_FATE_RIGHT || fates[1].fate != HONE_FATE_RIGHT) return HONE_ERROR_UNSUPPORTED;
        for (int r = 0; r < CONFIRM_ROUNDS; r++) {
            first[*rounds] = seconds[2 * r];
            second[(*rounds)++] = seconds[2 * r + 1];
        }
        takes = oracle->clock(oracle->self) - since;
        *verdict = hone_session_compare(second, first, *rounds);
    }
    return HONE_OK;
}

/* The winner beside the untuned choice, both admitted anew by another worker, whose memory lies otherwise. *faster: it
 * is that without doubt; figures go into the row, none where one of them fails or there is no time. */
static hone_status confirm(session *s, const hone_oracle *oracle, const hone_choice *winner, double until,
                           hone_rt_row *row, bool *faster)
{
    const hone_choice    both[2] = {s->untuned, *winner};
    hone_admission       it[2] = {{0}};
    double               first[CONFIRM_MOST], second[CONFIRM_MOST];
    int                  rounds = 0, ids[2];
    hone_session_verdict verdict = HONE_SESSION_UNDECIDED;
    *faster = false;
    s->stage = "confirming";
    if (s->worker) hone_worker_renew(s->worker);
    hone_status status = oracle->admit(oracle->self, both, 2, it);
    if (status != HONE_OK) return status;
    for (int i = 0; i < 2; i++) ids[i] = it[i].id;
    if (it[0].fate == HONE_FATE_RIGHT && it[1].fate == HONE_FATE_RIGHT)
        status = duel(s, oracle, ids, until, first, second, &rounds, &verdict);
    if (status == HONE_OK && rounds) {
        *faster = verdict == HONE_SESSION_FASTER;
        row->compared = hone_tape_compared(s->tape, *faster ? ids[1] : ids[0]);
        keep_samples(row, *faster ? second : first, rounds);
        figure_of(s, &s->untuned, first, rounds, &row->untuned);
        row->best = row->untuned;
        if (*faster) figure_of(s, winner, second, rounds, &row->best);
    }
    for (int i = 0; i < 2; i++)
        if (it[i].fate == HONE_FATE_RIGHT) oracle->drop(oracle->self, ids[i]);
    return status == HONE_ERROR_UNSUPPORTED ? HONE_OK : status;
}

/* Findings come best first: the first of a kernel is its quickest. */
static void note_rivals(const session *s, const hone_search_result *found, hone_session_outcome *out)
{
    for (int i = 0; i < found->count; i++) {
        const hone_finding *it = &found->findings[i];
        bool                known = out->rival_count == HONE_SESSION_RIVALS;
        if (it->fate != HONE_FATE_RIGHT || !it->rounds || !hone_kernel_is_foreign(it->choice.kernel, s->device))
            continue;
        for (int r = 0; r < out->rival_count; r++) known |= !strcmp(out->rivals[r].kernel, it->choice.kernel->name);
        if (known) continue;
        hone_session_rival *rival = &out->rivals[out->rival_count++];
        rival->seconds = it->seconds.mid;
        snprintf(rival->kernel, sizeof rival->kernel, "%s", it->choice.kernel->name);
    }
}

/* From what was found to a row. */
static hone_status conclude(session *s, const hone_oracle *oracle, const hone_search_result *found,
                            const hone_kernel *const *kernels, int kernel_count, double for_confirm,
                            hone_session_outcome *out)
{
    const hone_finding *winner = &found->findings[0], *untuned = &found->findings[found->untuned];
    hone_rt_row        *row = &out->row;
    bool same = same_choice(&winner->choice, &s->untuned), untuned_right = untuned->fate == HONE_FATE_RIGHT;
    *row = row_of(s, HONE_RT_ROW_MEASURED);
    row->complete = found->complete;
    hone_rt_rivals_print(&s->request, kernels, kernel_count, row->rivals, sizeof row->rivals);
    if (!same && untuned_right) {
        double until = fmax(s->share_s, oracle->clock(oracle->self) + for_confirm);
        HONE_TRY(confirm(s, oracle, &winner->choice, s->share_s > 0 ? until : INFINITY, row, &out->confirmed));
    }
    if (!*row->best.kernel) { /* nothing to be confirmed: the untuned choice won, or cannot be used at all */
        const hone_finding *best = untuned_right && !same ? untuned : winner;
        figure_of_finding(s, best, &row->best);
        keep_samples(row, best->samples, best->rounds);
        if (untuned_right) row->untuned = row->best;
        for (int i = 0; i < s->watched_count; i++)
            if (same_choice(&s->watched[i].choice, &best->choice))
                row->compared = hone_tape_compared(s->tape, s->watched[i].id);
        out->confirmed = !untuned_right;
    }
    for (int i = 0; i < found->count; i++) {
        const hone_finding *next = &found->findings[i];
        hone_rt_figure      name;
        if (next->fate != HONE_FATE_RIGHT || !next->rounds) continue;
        name_choice(s, &next->choice, &name);
        if (!strcmp(name.kernel, row->best.kernel) && !strcmp(name.config, row->best.config)) continue;
        figure_of_finding(s, next, &row->next);
        break;
    }
    snprintf(row->reason, sizeof row->reason,
             "judged on integers small and wide, random data, and NaN and infinities: %" PRId64
             " elements held against the reference; and again on the operands that were timed",
             row->compared);
    note_rivals(s, found, out);
    return HONE_OK;
}

static bool any_right(const hone_search_result *found)
{
    bool any = false;
    for (int i = 0; i < found->count; i++) any |= found->findings[i].fate == HONE_FATE_RIGHT;
    return any;
}

static hone_status tune(session *s, hone_session_outcome *out)
{
    hone_choice         starts[STARTS_MAX];
    const hone_kernel  *kernels[HONE_RT_KERNELS_MAX];
    int                 start_count, kernel_count;
    hone_search_result  found;
    const hone_op      *op;
    double              launch = 0, for_confirm = 0;
    char                hints[HINTS_SIZE] = "";
    HONE_TRY(hone_rt_problem_parse(s->context, s->problems[s->index].text, &op, &s->problem));
    s->request = (hone_request){.device = s->device, .op = op, .problem = s->problem.bytes,
                                .threads = s->problems[s->index].threads,
                                .alignment = s->options->alignment ? s->options->alignment : HONE_KERNEL_ALIGNMENT_MAX,
                                .flags = s->options->flags};
    hone_rt_problem_print(op, s->problem.bytes, s->text, sizeof s->text);
    HONE_TRY(find_untuned(s, &launch));
    kernel_count = find_kernels(s, kernels);
    read_hints(s, hints, sizeof hints);
    read_quarantine(s);
    HONE_TRY(open_worker(s));
    HONE_TRY(hone_tape_problem(s->tape, s->index, &s->live, s->options->oracle ? NULL : compared));
    HONE_TRY(hone_tape_starts(s->tape, hints, sizeof hints)); /* once it has begun, no newer row changes them */
    start_count = find_starts(s, hints, kernels, kernel_count, starts);
    s->taped = hone_tape_oracle(s->tape);
    const hone_oracle   oracle = {watched_admit, watched_time, watched_drop, watched_clock, s};
    hone_search_options how = hone_search_defaults();
    if (s->options->strategy) how.strategy = s->options->strategy;
    how.seed = hone_random_at(s->options->seed, (uint64_t)s->index);
    how.stop = s->options->stop;
    if (s->share_s > 0) {
        for_confirm = fmin(CONFIRM_S + CONFIRM_LAUNCHES * launch, CONFIRM_SHARE * s->share_s);
        for_confirm = fmax(for_confirm, CONFIRM_LEAST * s->share_s);
        how.budget_s = s->share_s - for_confirm;
    }
    hone_status status = hone_search(&s->request, starts, start_count, kernels, kernel_count, &oracle, &how, &found);
    if (status == HONE_OK && !stopped(s))
        status = conclude(s, &oracle, &found, kernels, kernel_count, for_confirm, out);
    bool early = status == HONE_ERROR_UNSUPPORTED && !found.complete && any_right(&found);
    if (early) status = HONE_ERROR_TIMEOUT; /* the share was spent before anything was timed */
    if (status == HONE_ERROR_UNSUPPORTED && found.count)
        status = hone_fail(status, "no kernel that takes \"%s\" is right: %s: %s", s->text,
                           found.findings[0].choice.kernel->name, found.findings[0].why);
    out->trials = found.trials;
    out->spent_s = oracle.clock(oracle.self);
    hone_search_result_free(&found);
    if (status == HONE_OK && stopped(s)) status = hone_fail(HONE_ERROR_INTERRUPTED, "it was asked to stop");
    return status;
}

static hone_status one_problem(session *s)
{
    hone_session_outcome *out = &s->report->outcomes[s->index];
    double                left = s->options->budget_s - s->spent_s;
    s->watched_count = s->trials = 0;
    s->taped = (hone_oracle){0};
    s->stage = "searching";
    s->share_s = s->options->budget_s > 0 ? hone_session_share(s->problems, s->report->count, s->index, left) : 0;
    if (s->options->budget_s > 0) s->share_s = fmax(s->share_s, fmin(LEAST_S, left));
    if (s->options->each_s > 0 && (!(s->share_s > 0) || s->share_s > s->options->each_s))
        s->share_s = s->options->each_s;
    hone_status status = tune(s, out);
    s->spent_s += out->spent_s;
    if (status == HONE_OK && !hone_tape_is_done(s->tape, s->index)) {
        status = hone_rt_journal_add(s->journal, &out->row);
        if (status == HONE_OK) status = hone_tape_done(s->tape, s->index);
    }
    s->stage = "done";
    if (status == HONE_OK) {
        out->state = HONE_SESSION_TUNED;
    } else if (status == HONE_ERROR_TIMEOUT) {
        status = HONE_OK; /* not reached */
    } else if (status == HONE_ERROR_UNSUPPORTED || status == HONE_ERROR_FORMAT || status == HONE_ERROR_SHAPE ||
               status == HONE_ERROR_OVERFLOW || status == HONE_ERROR_ARGUMENT || status == HONE_ERROR_TYPE ||
               status == HONE_ERROR_FILE) { /* of its rows: the next ones may find room */
        out->state = HONE_SESSION_FAILED; /* this problem's matter, and no other's */
        snprintf(out->why, sizeof out->why, "%s", hone_last_error());
        status = HONE_OK;
    }
    if (!s->complained && hone_tape_complaint(s->tape)) {
        hone_log_say(hone_rt_context_log(s->context), HONE_LOG_WARNING, "%s", hone_tape_complaint(s->tape));
        s->complained = true;
    }
    if (status == HONE_OK) say(s, NULL, NULL, out);
    return status;
}

/* --- all of it --------------------------------------------------------------------------------------------------- */

/* What makes two sessions the same: the silicon, the problems, how they are tuned, and this very program. */
static uint64_t key_of(const session *s, int count)
{
    struct stat its;
    uint64_t    key = hone_hash(s->device->fingerprint, strlen(s->device->fingerprint), s->options->seed);
    char        text[256];
    memset(&its, 0, sizeof its);
    (void)!stat("/proc/self/exe", &its);
    int length = snprintf(text, sizeof text, "%s %d %u %u %.9g %.9g %jd %jd.%ld",
                          s->options->strategy ? s->options->strategy : "", s->options->cold, s->options->flags,
                          s->options->alignment, s->options->budget_s, s->options->each_s, (intmax_t)its.st_size,
                          (intmax_t)its.st_mtim.tv_sec, its.st_mtim.tv_nsec);
    key = hone_hash(text, (size_t)length, key);
    for (int i = 0; i < count; i++) {
        key = hone_hash(s->problems[i].text, strlen(s->problems[i].text), key);
        key = hone_hash(&s->problems[i].threads, sizeof s->problems[i].threads, key);
        key = hone_hash(&s->problems[i].weight, sizeof s->problems[i].weight, key);
    }
    return key;
}

/* Beside the profile: one file for each session that may be resumed. */
static hone_status open_tape(session *s, int count)
{
    char     folder[PATH_SIZE], path[PATH_SIZE + 64], *slash;
    uint64_t key = key_of(s, count);
    if (s->options->untaped) return hone_tape_open(NULL, key, true, &s->tape);
    HONE_TRY(hone_rt_profile_path(s->device, s->options->profile_path, folder, sizeof folder));
    if ((slash = strrchr(folder, '/'))) *slash = 0;
    HONE_TRY(hone_folder_make(folder));
    snprintf(path, sizeof path, "%s/session-%016" PRIx64 ".tape", folder, key);
    return hone_tape_open(path, key, s->options->fresh, &s->tape);
}

static hone_status check(const hone_session_problem *problems, int count, const hone_session_options *options)
{
    HONE_CHECK(count >= 1, HONE_ERROR_ARGUMENT, "a session has at least one problem, not %d", count);
    HONE_CHECK(options->budget_s >= 0 && options->each_s >= 0, HONE_ERROR_ARGUMENT,
               "a session's budget is %g s, and %g s for one problem; neither may be negative", options->budget_s,
               options->each_s);
    for (int i = 0; i < count; i++)
        HONE_CHECK(problems[i].weight > 0 && isfinite(problems[i].weight) && problems[i].threads >= 1,
                   HONE_ERROR_ARGUMENT, "problem %d, \"%s\", has weight %g and %d threads; both must be above 0", i,
                   problems[i].text, problems[i].weight, problems[i].threads);
    return HONE_OK;
}

hone_status hone_session_run(hone_rt_context *context, const hone_session_problem *problems, int count,
                             const hone_session_options *options, hone_session_report *out)
{
    *out = (hone_session_report){.count = count};
    HONE_TRY(check(problems, count, options));
    session *s = hone_alloc(1, sizeof *s);
    if (!s) return HONE_ERROR_MEMORY;
    s->context = context;
    s->options = options;
    s->problems = problems;
    s->report = out;
    s->device = hone_rt_device_find(context, options->device ? options->device : "cpu:0");
    out->outcomes = hone_alloc((size_t)count, sizeof *out->outcomes);
    hone_status status = !s->device ? HONE_ERROR_NOT_FOUND : out->outcomes ? HONE_OK : HONE_ERROR_MEMORY;
    if (status == HONE_OK) status = hone_rt_journal_open(s->device, options->profile_path, &s->journal);
    if (status == HONE_OK) status = hone_rt_rows_open(s->device, options->profile_path, &s->rows);
    if (status == HONE_OK) status = open_tape(s, count);
    if (status == HONE_OK) out->resumed = hone_tape_kept(s->tape);
    for (s->index = 0; s->index < count && status == HONE_OK; s->index++) {
        bool spent = options->budget_s > 0 && s->spent_s >= options->budget_s;
        if (stopped(s) || spent) break;
        status = one_problem(s);
    }
    if (status == HONE_ERROR_INTERRUPTED || (status == HONE_OK && stopped(s))) {
        out->interrupted = true;
        status = HONE_OK;
    }
    for (int i = 0; out->outcomes && i < count; i++) {
        out->tuned += out->outcomes[i].state == HONE_SESSION_TUNED;
        out->failed += out->outcomes[i].state == HONE_SESSION_FAILED;
        out->not_reached += out->outcomes[i].state == HONE_SESSION_NOT_REACHED;
    }
    out->spent_s = s->spent_s;
    hone_worker_close(s->worker);
    hone_tape_close(s->tape, status == HONE_OK && !out->interrupted);
    hone_rt_rows_close(s->rows);
    hone_rt_journal_close(s->journal);
    hone_free(s);
    if (status != HONE_OK) hone_session_report_free(out);
    return status;
}

void hone_session_report_free(hone_session_report *report)
{
    hone_free(report->outcomes);
    report->outcomes = NULL;
}
