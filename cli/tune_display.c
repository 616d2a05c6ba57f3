/* A session while it runs, and its report. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/verb_tune.h"

static bool shown;

static bool on_terminal(void)
{
    const char *terminal = getenv("TERM");
    return isatty(STDERR_FILENO) && terminal && strcmp(terminal, "dumb") != 0;
}

void cli_tune_wipe(void)
{
    if (shown) fputs("\r\033[K\n\033[K\033[A\r", stderr);
    shown = false;
}

cli_figure cli_times(double ratio)
{
    cli_figure out;
    if (!(ratio > 0) || !isfinite(ratio))
        snprintf(out.text, sizeof out.text, "-");
    else
        snprintf(out.text, sizeof out.text, "%.*f", ratio < 9.995 ? 2 : ratio < 99.95 ? 1 : 0, ratio);
    return out;
}

static char *threads_text(int threads)
{
    return cli_format("%d thread%s", threads, threads == 1 ? "" : "s");
}

static char *left_text(double seconds)
{
    if (!(seconds > 0)) return cli_format("no time left");
    return cli_format("%d:%02d left", (int)seconds / 60, (int)seconds % 60);
}

/* Two lines: which problem of how many, and how it goes. */
static void draw(const hone_session_progress *now)
{
    static int64_t last;
    int64_t        moment = hone_now_ns();
    int            columns = cli_columns(stderr) - 1;
    if (!on_terminal() || (shown && moment - last < 100000000)) return; /* ten a second are enough for any eye */
    last = moment;
    char  bar[21], *left = left_text(now->left_s), *threads = threads_text(now->problem->threads);
    int   filled = (int)(20.0 * now->index / now->count);
    for (int i = 0; i < 20; i++) bar[i] = i < filled ? '#' : '-';
    bar[20] = 0;
    char *first = cli_format("[%s] %d of %d, %s: %s, %s", bar, now->index + 1, now->count, left, now->problem->text,
                             threads);
    char *second = cli_format("  %s, %d tried%s%s%s%s%s%s%s%s", now->stage, now->trials, now->best ? ", best " : "",
                              now->best ? now->best : "", now->best ? " " : "",
                              now->best ? cli_time(now->best_s).text : "", now->untuned_s > 0 ? ": untuned takes " : "",
                              now->untuned_s > 0 ? cli_times(now->untuned_s / now->best_s).text : "",
                              now->rival_s > 0 ? ", the best library " : "",
                              now->rival_s > 0 ? cli_times(now->rival_s / now->best_s).text : "");
    fprintf(stderr, "\r\033[K%.*s\n\033[K%.*s\033[A\r", columns, first, columns, second);
    fflush(stderr);
    shown = true;
    free(first);
    free(second);
    free(left);
    free(threads);
}

static double best_rival(const hone_session_outcome *it)
{
    double best = 0;
    for (int i = 0; i < it->rival_count; i++)
        if (!(best > 0) || it->rivals[i].seconds < best) best = it->rivals[i].seconds;
    return best;
}

/* Time before over time after; 0: there was no untuned choice that is right. */
static double gain_of(const hone_session_outcome *it)
{
    return it->row.untuned.median_s > 0 ? it->row.untuned.median_s / it->row.best.median_s : 0;
}

static void say_done(const hone_session_progress *now)
{
    const hone_session_outcome *it = now->outcome;
    char                       *threads = threads_text(now->problem->threads), *end;
    const int                   digits = now->count > 99 ? 3 : 2;
    if (it->state == HONE_SESSION_FAILED)
        end = cli_format("not tuned: %s", it->why);
    else if (it->state == HONE_SESSION_NOT_REACHED)
        end = cli_format("its share of the budget is too small");
    else if (it->confirmed)
        end = cli_format("%s %s, %s times as fast as untuned", it->row.best.kernel,
                         cli_time(it->row.best.median_s).text, cli_times(gain_of(it)).text);
    else
        end = cli_format("%s %s, the untuned choice", it->row.best.kernel, cli_time(it->row.best.median_s).text);
    char *start = cli_format("%*d of %d  %s, %s:", digits, now->index + 1, now->count, now->problem->text, threads);
    cli_tune_wipe();
    if ((int)(strlen(start) + strlen(end)) + 1 <= cli_columns(stderr))
        fprintf(stderr, "%s %s\n", start, end);
    else
        fprintf(stderr, "%s\n%*s%s\n", start, digits + 8, "", end);
    free(threads);
    free(start);
    free(end);
}

/* --- JSON -------------------------------------------------------------------------------------------------------- */

static json_t *figure_json(const hone_rt_figure *figure)
{
    json_t *it = cli_object();
    if (!*figure->kernel) {
        json_decref(it);
        return json_null();
    }
    cli_set(it, "kernel", cli_string(figure->kernel));
    cli_set(it, "configuration", cli_string(figure->config));
    cli_set(it, "median_us", cli_real(figure->median_s * 1e6));
    cli_set(it, "lo_us", cli_real(figure->low_s * 1e6));
    cli_set(it, "hi_us", cli_real(figure->high_s * 1e6));
    cli_set(it, "rounds", json_integer(figure->rounds));
    return it;
}

static json_t *outcome_json(const hone_session_problem *problem, const hone_session_outcome *outcome)
{
    static const char *const states[] = {"not reached", "tuned", "failed"};
    json_t                  *it = cli_object(), *libraries = cli_object();
    cli_set(it, "problem", cli_string(problem->text));
    cli_set(it, "threads", json_integer(problem->threads));
    cli_set(it, "state", cli_string(states[outcome->state]));
    cli_set(it, "trials", json_integer(outcome->trials));
    cli_set(it, "quarantined", json_integer(outcome->quarantined));
    cli_set(it, "spent_s", cli_real(outcome->spent_s));
    if (outcome->state == HONE_SESSION_FAILED) cli_set(it, "why", cli_string(outcome->why));
    if (outcome->state == HONE_SESSION_TUNED) {
        for (int i = 0; i < outcome->rival_count; i++)
            cli_set(libraries, outcome->rivals[i].kernel, cli_real(outcome->rivals[i].seconds * 1e6));
        cli_set(it, "best", figure_json(&outcome->row.best));
        cli_set(it, "untuned", figure_json(&outcome->row.untuned));
        cli_set(it, "next", figure_json(&outcome->row.next));
        cli_set(it, "complete", json_boolean(outcome->row.complete));
        cli_set(it, "compared", json_integer(outcome->row.compared));
        cli_set(it, "gain", gain_of(outcome) > 0 ? cli_real(gain_of(outcome)) : json_null());
        cli_set(it, "libraries_us", json_incref(libraries));
    }
    json_decref(libraries);
    return it;
}

static void print_line(json_t *it)
{
    if (json_dumpf(it, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9)) == 0) fputc('\n', stdout);
    fflush(stdout);
    json_decref(it);
}

static json_t *event(const char *what)
{
    json_t *it = cli_object();
    cli_set(it, "event", cli_string(what));
    return it;
}

static void show_json(const hone_session_progress *now)
{
    static int last = -1;
    if (now->index != last) {
        json_t *it = event("begin");
        cli_set(it, "index", json_integer(now->index));
        cli_set(it, "of", json_integer(now->count));
        cli_set(it, "problem", cli_string(now->problem->text));
        cli_set(it, "threads", json_integer(now->problem->threads));
        cli_set(it, "left_s", cli_real(now->left_s));
        cli_set(it, "share_s", cli_real(now->share_s));
        print_line(it);
        last = now->index;
    }
    if (now->culprit) {
        json_t *it = event("quarantine");
        cli_set(it, "problem", cli_string(now->problem->text));
        cli_set(it, "kernel", cli_string(now->culprit));
        cli_set(it, "fate", cli_string(hone_fate_text(now->fate)));
        cli_set(it, "why", cli_string(now->sentence));
        print_line(it);
    }
    if (now->outcome) {
        json_t *it = event("done"), *outcome = outcome_json(now->problem, now->outcome);
        json_object_update(it, outcome);
        json_decref(outcome);
        print_line(it);
    }
}

void cli_tune_show(void *self, const hone_session_progress *now)
{
    const cli_tune *tune = self;
    if (tune->call->json) {
        show_json(now);
    } else if (now->culprit) {
        cli_tune_wipe();
        cli_say(tune->call, "%s %s, and is tried no more for \"%s\": %s", now->culprit, hone_fate_text(now->fate),
                now->problem->text, now->sentence);
    }
    if (now->outcome && !tune->call->json)
        say_done(now);
    else
        draw(now);
}

/* --- the report -------------------------------------------------------------------------------------------------- */

typedef struct means {
    const char *names[HONE_SESSION_RIVALS];
    double      sums[HONE_SESSION_RIVALS]; /* of logarithms of library over best */
    int         counts[HONE_SESSION_RIVALS], name_count, gains, rivals, changed;
    double      gain_sum, rival_sum;
} means;

static void add_to(means *m, const hone_session_outcome *it)
{
    if (it->state != HONE_SESSION_TUNED) return;
    if (gain_of(it) > 0) m->gain_sum += log(gain_of(it)), m->gains++;
    if (best_rival(it) > 0) m->rival_sum += log(best_rival(it) / it->row.best.median_s), m->rivals++;
    m->changed += it->confirmed;
    for (int i = 0; i < it->rival_count; i++) {
        int at = 0;
        while (at < m->name_count && strcmp(m->names[at], it->rivals[i].kernel) != 0) at++;
        if (at == HONE_SESSION_RIVALS) continue;
        if (at == m->name_count) m->names[m->name_count++] = it->rivals[i].kernel;
        m->sums[at] += log(it->rivals[i].seconds / it->row.best.median_s);
        m->counts[at]++;
    }
}

static means means_of(const hone_session_report *report)
{
    means m = {0};
    for (int i = 0; i < report->count; i++) add_to(&m, &report->outcomes[i]);
    return m;
}

static double mean(double sum, int count)
{
    return count ? exp(sum / count) : NAN;
}

static bool is_alike(const hone_session_problem *one, const hone_session_problem *other)
{
    size_t op = strcspn(one->text, " ");
    return one->threads == other->threads && !strncmp(one->text, other->text, op + 1);
}

/* Those of one op and so many threads, from `first` on: what they have in common is said once. */
static void print_group(const cli_tune *tune, const hone_session_report *report, int first)
{
    const hone_session_problem *head = &tune->problems[first];
    const int                   op = (int)strcspn(head->text, " ");
    char                       *threads = threads_text(head->threads);
    cli_table *table = cli_table_new((const char *[]){"~problem", ">before", ">after", "kernel", ">gain", ">library",
                                                      NULL});
    for (int i = first; i < report->count; i++) {
        const hone_session_outcome *it = &report->outcomes[i];
        if (it->state != HONE_SESSION_TUNED || !is_alike(head, &tune->problems[i])) continue;
        cli_table_row(table, (const char *[]){tune->problems[i].text + op + 1, cli_time(it->row.untuned.median_s).text,
                                              cli_time(it->row.best.median_s).text, it->row.best.kernel,
                                              cli_times(gain_of(it)).text,
                                              cli_times(best_rival(it) / it->row.best.median_s).text});
    }
    printf("%.*s, %s\n\n", op, head->text, threads);
    cli_table_print(table, stdout, 0);
    printf("\n");
    free(threads);
}

void cli_tune_report(const cli_tune *tune, const hone_session_report *report)
{
    means m = means_of(report);
    for (int i = 0; i < report->count; i++) {
        bool printed = report->outcomes[i].state != HONE_SESSION_TUNED;
        for (int j = 0; j < i && !printed; j++)
            printed = report->outcomes[j].state == HONE_SESSION_TUNED &&
                      is_alike(&tune->problems[j], &tune->problems[i]);
        if (!printed) print_group(tune, report, i);
    }
    if (report->tuned)
        printf("%d of %d problems tuned, %d of them with another choice than before\n"
               "tuned over untuned: %s (geometric mean of %d)\n",
               report->tuned, report->count, m.changed, cli_times(mean(m.gain_sum, m.gains)).text, m.gains);
    if (m.rivals)
        printf("tuned over the best library: %s (of %d)\n", cli_times(mean(m.rival_sum, m.rivals)).text, m.rivals);
    for (int i = 0; i < m.name_count; i++)
        printf("   over %s: %s (of %d)\n", m.names[i], cli_times(mean(m.sums[i], m.counts[i])).text, m.counts[i]);
    if (report->quarantined) printf("%d candidates are in quarantine\n", report->quarantined);
}

void cli_tune_report_json(const cli_tune *tune, const hone_session_report *report)
{
    means   m = means_of(report);
    json_t *it = event("report"), *libraries = cli_object(), *list = cli_array();
    for (int i = 0; i < report->count; i++)
        cli_append(list, outcome_json(&tune->problems[i], &report->outcomes[i]));
    for (int i = 0; i < m.name_count; i++) cli_set(libraries, m.names[i], cli_real(mean(m.sums[i], m.counts[i])));
    cli_set(it, "hone", cli_string(hone_version_string()));
    cli_set(it, "schema", json_integer(1));
    cli_set(it, "tuned", json_integer(report->tuned));
    cli_set(it, "of", json_integer(report->count));
    cli_set(it, "failed", json_integer(report->failed));
    cli_set(it, "not_reached", json_integer(report->not_reached));
    cli_set(it, "quarantined", json_integer(report->quarantined));
    cli_set(it, "resumed", json_integer(report->resumed));
    cli_set(it, "interrupted", json_boolean(report->interrupted));
    cli_set(it, "spent_s", cli_real(report->spent_s));
    cli_set(it, "gain", cli_real(mean(m.gain_sum, m.gains)));
    cli_set(it, "over_best_library", cli_real(mean(m.rival_sum, m.rivals)));
    cli_set(it, "over_libraries", libraries);
    cli_set(it, "problems", list);
    print_line(it);
}
