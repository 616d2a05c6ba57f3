/* The duels of each problem, and what they come to: see bench_summary.h.
 *
 * A kernel of hone's own has no identity behind it; whatever has one is somebody's library. A figure is under a line
 * only where its whole interval is (tuner/stats.h). */
#include "cli/bench_summary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool is_library(const hone_contest *contest, int index)
{
    return hone_kernel_is_foreign(contest->entrants[index].candidate.kernel, contest->request.device);
}

static double seconds_of(const hone_contest *contest, int index)
{
    return contest->measurement->timings[contest->entrants[index].lane].seconds.mid;
}

/* The fastest of those that were timed: of libraries, of our own, or of all; -1: none. */
static int fastest(const hone_contest *contest, bool libraries, bool own)
{
    int best = -1;
    for (int i = 0; i < contest->count; i++) {
        if (contest->entrants[i].lane < 0 || !(is_library(contest, i) ? libraries : own)) continue;
        if (best < 0 || seconds_of(contest, i) < seconds_of(contest, best)) best = i;
    }
    return best;
}

static void add(cli_summary *summary, int which, const hone_contest *contest, const char *problem, int kernel,
                int rival)
{
    hone_comparison beside;
    const hone_entrant *one = &contest->entrants[kernel], *other = &contest->entrants[rival];
    if (hone_measure_compare(contest->measurement, other->lane, one->lane, &beside) != HONE_OK) return;
    summary->duels[which] = cli_grow(summary->duels[which], (size_t)summary->count[which] + 1, sizeof(cli_duel));
    cli_duel *duel = &summary->duels[which][summary->count[which]++];
    *duel = (cli_duel){.problem = cli_format("%s", problem), .ratio = beside.ratio};
    snprintf(duel->kernel, sizeof duel->kernel, "%s", one->candidate.kernel->name);
    snprintf(duel->rival, sizeof duel->rival, "%s", other->candidate.kernel->name);
}

void cli_summary_add(cli_summary *summary, const hone_contest *contest, const char *problem)
{
    if (!contest->measurement || contest->entrants[0].lane < 0) return;
    const int library = fastest(contest, true, false), own = fastest(contest, false, true),
              best = fastest(contest, true, true);
    if (library >= 0) add(summary, CLI_CHOSEN, contest, problem, 0, library);
    if (library >= 0 && own >= 0) add(summary, CLI_OWN, contest, problem, own, library);
    add(summary, CLI_REGRET, contest, problem, 0, best);
}

static double middle(const cli_summary *summary, int which)
{
    double sum = 0;
    for (int i = 0; i < summary->count[which]; i++) sum += log(summary->duels[which][i].ratio.mid);
    return exp(sum / summary->count[which]);
}

static const cli_duel *least(const cli_summary *summary, int which)
{
    const cli_duel *it = summary->duels[which];
    for (int i = 1; i < summary->count[which]; i++)
        if (summary->duels[which][i].ratio.mid < it->ratio.mid) it = &summary->duels[which][i];
    return it;
}

static int under(const cli_summary *summary, int which, double line)
{
    int count = 0;
    for (int i = 0; i < summary->count[which]; i++)
        count += hone_interval_below(summary->duels[which][i].ratio, line);
    return count;
}

/* The mean and the worst of what choosing cost: the chosen time over the best, less 1. */
static double regret(const cli_summary *summary, double *worst)
{
    double sum = 0;
    *worst = 0;
    for (int i = 0; i < summary->count[CLI_REGRET]; i++) {
        const double it = 1 / summary->duels[CLI_REGRET][i].ratio.mid - 1;
        sum += it;
        *worst = fmax(*worst, it);
    }
    return sum / summary->count[CLI_REGRET];
}

static void beside_libraries(const cli_summary *summary, int which, const char *who, double floor_line,
                             FILE *out)
{
    if (!summary->count[which]) return;
    const cli_duel *last = least(summary, which);
    fprintf(out, "%s over the best library: mean %.3f of %d; %d under %.2f, %d under 1\n", who, middle(summary, which),
            summary->count[which], under(summary, which, floor_line), floor_line, under(summary, which, 1));
    char *line = cli_format("least %.3f [%.3f, %.3f]: %s, %s beside %s", last->ratio.mid, last->ratio.lo,
                            last->ratio.hi, last->problem, last->kernel, last->rival);
    cli_wrap(out, 3, line);
    free(line);
}

void cli_summary_print(const cli_summary *summary, FILE *out)
{
    if (summary->count[CLI_REGRET] < 2) return;
    fprintf(out, "\n");
    beside_libraries(summary, CLI_CHOSEN, "chosen kernel", 0.97, out);
    beside_libraries(summary, CLI_OWN, "hone's own best", 0.92, out);
    double          worst, mean = regret(summary, &worst);
    const cli_duel *last = least(summary, CLI_REGRET);
    fprintf(out, "regret of the choice: mean %.1f %%, worst %.1f %%\n", 100 * mean, 100 * worst);
    char *line = cli_format("%s, %s beside %s", last->problem, last->kernel, last->rival);
    if (worst > 0) cli_wrap(out, 3, line);
    free(line);
}

json_t *cli_summary_json(const cli_summary *summary)
{
    static const char *const names[] = {"chosen", "own", "regret"};
    json_t                  *answer = cli_object();
    for (int which = 0; which < CLI_SUMMARIES; which++) {
        json_t *it = cli_object(), *duels = cli_array();
        for (int i = 0; i < summary->count[which]; i++) {
            const cli_duel *duel = &summary->duels[which][i];
            json_t         *one = cli_object();
            cli_set(one, "problem", cli_string(duel->problem));
            cli_set(one, "kernel", cli_string(duel->kernel));
            cli_set(one, "rival", cli_string(duel->rival));
            cli_set(one, "ratio", cli_real(duel->ratio.mid));
            cli_set(one, "ratio_lo", cli_real(duel->ratio.lo));
            cli_set(one, "ratio_hi", cli_real(duel->ratio.hi));
            cli_append(duels, one);
        }
        cli_set(it, "geometric_mean", summary->count[which] ? cli_real(middle(summary, which)) : json_null());
        cli_set(it, "duels", duels);
        cli_set(answer, names[which], it);
    }
    double worst = 0, mean = summary->count[CLI_REGRET] ? regret(summary, &worst) : 0;
    cli_set(answer, "regret_mean", cli_real(mean));
    cli_set(answer, "regret_worst", cli_real(worst));
    return answer;
}

void cli_summary_free(cli_summary *summary)
{
    for (int which = 0; which < CLI_SUMMARIES; which++) {
        for (int i = 0; i < summary->count[which]; i++) free(summary->duels[which][i].problem);
        free(summary->duels[which]);
    }
}
