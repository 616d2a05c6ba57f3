/* hone tune: measures which kernel serves each problem best, and writes it into the profile. */
#include "cli/verb_tune.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tuner/search.h"
#include "tuner/suites.h"

static const cli_option options[] = {
    CLI_OPTION_DEVICE,
    {"threads", CLI_NUMBER, "N", "for launches on so many (default: on one, and on all)", 1, 4096},
    {"budget", CLI_TIME, "S", "seconds for all problems together (default 60)", 0.1, 1e7},
    {"each", CLI_TIME, "S", "seconds for one problem at most", 0.01, 1e7},
    {"strategy", CLI_TEXT, "NAME", "how candidates are looked for; a wrong name is answered with all", 0, 0},
    {"cold", CLI_FLAG, NULL, "operands in memory, in no cache", 0, 0},
    {"fresh", CLI_FLAG, NULL, "do not go on with what an interrupted session left", 0, 0},
    {"verify", CLI_FLAG, NULL, "tune nothing: measure again what the profile says, beside all else", 0, 0},
    {"brief", CLI_FLAG, NULL, "with --verify: beside the untuned choice alone, where that is another", 0, 0},
    {"beside", CLI_TEXT, "FOLDER", "with --verify: and beside the choices of this folder's profile", 0, 0},
    {"evaluate", CLI_FLAG, NULL, "tune nothing: predict each row from the others, and tell the price", 0, 0},
    CLI_OPTION_SEED,
    CLI_OPTION_JSON,
    CLI_OPTION_END,
};

/* --- which problems ---------------------------------------------------------------------------------------------- */

static hone_status read_word(const cli_tune *t, const char *word, hone_suite *suite)
{
    struct stat facts;
    *suite = (hone_suite){0};
    if (cli_is_problem(word)) return hone_suite_add(t->hone.context, word, 1, 0, 0, suite);
    if (strchr(word, '/') || (stat(word, &facts) == 0 && S_ISREG(facts.st_mode)))
        return hone_suite_read(t->hone.context, word, suite);
    return hone_suite_named(t->hone.context, word, suite);
}

/* All words together; what several name stays one problem, and as heavy as where it is heaviest. */
static int read_problems(const cli_tune *t, hone_suite *all)
{
    hone_status status = HONE_OK;
    *all = (hone_suite){0};
    if (!t->call->word_count) status = read_word(t, "quick", all);
    for (int w = 0; w < t->call->word_count && status == HONE_OK; w++) {
        hone_suite one;
        status = read_word(t, t->call->words[w], &one);
        for (int i = 0; i < one.count && status == HONE_OK; i++) {
            const hone_suite_problem *it = &one.problems[i];
            double                    more = it->weight;
            for (int j = 0; j < all->count; j++)
                if (all->problems[j].threads == it->threads && !strcmp(all->problems[j].text, it->text))
                    more = fmax(0, it->weight - all->problems[j].weight);
            status = hone_suite_add(t->hone.context, it->text, more, it->count, it->threads, all);
        }
        hone_suite_free(&one);
    }
    if (status != HONE_OK) hone_suite_free(all);
    return status == HONE_OK ? CLI_FINE : cli_fail_status(t->call, status);
}

static void add(cli_tune *t, const hone_suite_problem *it, int threads)
{
    t->problems = cli_grow(t->problems, (size_t)t->count + 1, sizeof *t->problems);
    t->problems[t->count++] = (hone_session_problem){cli_format("%s", it->text), threads, it->weight};
}

/* What a launch of it is believed to take as it would be chosen untuned; 0: not known. */
static double launch_of(const cli_tune *t, const hone_session_problem *it)
{
    hone_rt_candidate ranked[HONE_RT_KERNELS_MAX];
    hone_rt_problem   bytes;
    const hone_op    *op;
    const char       *rule;
    if (hone_rt_problem_parse(t->hone.context, it->text, &op, &bytes) != HONE_OK) return 0;
    hone_request request = cli_request(&t->hone, op, bytes.bytes);
    request.threads = it->threads;
    int count = hone_rt_rank_first(t->hone.context, &request, ranked, HONE_RT_KERNELS_MAX, &rule);
    return count && !ranked[0].refusal && isfinite(ranked[0].seconds) ? ranked[0].seconds : 0;
}

/* Of equal weight: what a problem of short launches does not need of its share goes to those of long ones behind it. */
static void shorter_first(cli_tune *t)
{
    double *launch = cli_alloc((size_t)t->count + 1, sizeof *launch);
    for (int i = 0; i < t->count; i++) {
        const hone_session_problem it = t->problems[i];
        const double               its = launch_of(t, &it);
        int                        at = i;
        for (; at > 0 && it.threads == t->problems[at - 1].threads && its < launch[at - 1]; at--) {
            t->problems[at] = t->problems[at - 1];
            launch[at] = launch[at - 1];
        }
        t->problems[at] = it;
        launch[at] = its;
    }
    free(launch);
}

static int heavier_first(const void *a, const void *b)
{
    const hone_session_problem *x = a, *y = b;
    if (x->threads != y->threads) return x->threads - y->threads;
    return x->weight < y->weight ? 1 : x->weight > y->weight ? -1 : strcmp(x->text, y->text);
}

/* A record tells how many threads a call had; a suite is tuned for one and for all. */
static int choose_problems(cli_tune *t)
{
    hone_suite suite;
    int all = t->hone.device->threads, code = read_problems(t, &suite), asked = (int)cli_number(t->call, "threads", 0);
    bool       record = false;
    if (code != CLI_FINE) return code;
    for (int i = 0; i < suite.count; i++) {
        const hone_suite_problem *it = &suite.problems[i];
        record |= it->threads > 0;
        if (asked)
            add(t, it, asked);
        else if (it->threads)
            add(t, it, it->threads);
    }
    for (int pass = 0; pass < 2 && !asked; pass++) /* a worker serves one number of threads */
        for (int i = 0; i < suite.count; i++)
            if (!suite.problems[i].threads && (pass == 0 || all > 1)) add(t, &suite.problems[i], pass ? all : 1);
    hone_suite_free(&suite);
    if (record) qsort(t->problems, (size_t)t->count, sizeof *t->problems, heavier_first);
    else shorter_first(t);
    return CLI_FINE;
}

/* --- the session ------------------------------------------------------------------------------------------------- */

static int check_strategy(const cli_call *call)
{
    const char *asked = cli_text(call, "strategy", NULL), *name, *what;
    if (!asked) return CLI_FINE;
    for (int i = 0; (name = hone_search_strategy(i, NULL)); i++)
        if (!strcmp(name, asked)) return CLI_FINE;
    cli_fail(call, "there is no strategy '%s'; there are", asked);
    for (int i = 0; (name = hone_search_strategy(i, &what)); i++) fprintf(stderr, "  %-12s %s\n", name, what);
    return CLI_UNUSABLE;
}

/* Estimates and rooflines stand on them, and so does the order in which candidates come. */
static int find_ceilings(const cli_tune *t)
{
    hone_be_device *device = t->hone.device;
    if (device->ceilings_known) return CLI_FINE;
    if (cli_measure_ceilings(device) != HONE_OK || hone_rt_profile_save(device, NULL, &device->ceilings) != HONE_OK)
        return cli_fail(t->call, "%s", hone_last_error());
    if (!t->call->json) cli_say(t->call, "the ceilings of %s are measured, and kept", device->name);
    return CLI_FINE;
}

static void conclude(const cli_tune *t, const hone_session_report *report)
{
    char path[4096];
    cli_tune_wipe();
    if (t->call->json) {
        cli_tune_report_json(t, report);
    } else {
        cli_tune_report(t, report);
        if (report->tuned && hone_rt_profile_path(t->hone.device, NULL, path, sizeof path) == HONE_OK) {
            *strrchr(path, '/') = 0;
            printf("%.0f s; the profile lies in %s\n", report->spent_s, path);
        }
    }
    if (report->interrupted)
        cli_say(t->call, "interrupted after %d of %d problems; the same command goes on from here", report->tuned,
                report->count);
    else if (report->not_reached)
        cli_say(t->call, "the budget was spent before %d of %d problems; give it more: --budget %.0fs",
                report->not_reached, report->count,
                ceil(cli_number(t->call, "budget", 60) * report->count / fmax(1, report->count - report->not_reached)));
}

static int run_session(cli_tune *t)
{
    hone_session_options how = hone_session_defaults();
    hone_session_report  report;
    int                  code = find_ceilings(t);
    if (code != CLI_FINE) return code;
    how.device = t->hone.device->name;
    how.budget_s = cli_number(t->call, "budget", 60);
    how.each_s = cli_number(t->call, "each", 0);
    how.strategy = cli_text(t->call, "strategy", NULL);
    how.seed = t->seed;
    how.cold = t->cold;
    how.fresh = cli_given(t->call, "fresh");
    how.stop = cli_interrupted;
    how.progress = cli_tune_show;
    how.self = t;
    hone_status status = hone_session_run(t->hone.context, t->problems, t->count, &how, &report);
    cli_tune_wipe();
    if (status != HONE_OK) return cli_fail_status(t->call, status);
    if (report.resumed && !t->call->json)
        cli_say(t->call, "went on with a session that was interrupted: %d of its answers were kept", report.resumed);
    conclude(t, &report);
    code = report.interrupted ? CLI_INTERRUPTED : report.failed ? CLI_NO : CLI_FINE;
    hone_session_report_free(&report);
    return code;
}

/* --- the verb ---------------------------------------------------------------------------------------------------- */

static int run_tune(cli_tune *t)
{
    cli_hone_options how = {.device = cli_text(t->call, "device", NULL), .untuned = true};
    int              code = check_strategy(t->call);
    if (code != CLI_FINE) return code;
    if (cli_given(t->call, "beside") && !cli_given(t->call, "verify"))
        return cli_fail(t->call, "--beside is for --verify");
    if (cli_given(t->call, "brief") && !cli_given(t->call, "verify"))
        return cli_fail(t->call, "--brief is for --verify");
    if (cli_given(t->call, "evaluate") && (cli_given(t->call, "verify") || t->call->word_count))
        return cli_fail(t->call, "--evaluate goes over all rows of the profile: it takes no problems, and no --verify");
    if ((code = cli_open(t->call, &how, &t->hone)) != CLI_FINE) return code;
    if ((code = cli_peers_at_their_best(t->call, &t->hone)) != CLI_FINE) return code;
    if (cli_given(t->call, "evaluate")) return cli_tune_evaluate(t);
    if ((code = choose_problems(t)) != CLI_FINE) return code;
    return cli_given(t->call, "verify") ? cli_tune_verify(t, cli_text(t->call, "beside", NULL)) : run_session(t);
}

static int run(const cli_call *call)
{
    cli_tune t = {.call = call, .cold = cli_given(call, "cold"), .seed = (uint64_t)cli_number(call, "seed", 1)};
    int      code = run_tune(&t);
    for (int i = 0; i < t.count; i++) free((void *)(uintptr_t)t.problems[i].text);
    free(t.problems);
    cli_close(&t.hone);
    return code;
}

const cli_verb cli_verb_tune = {
    .name = "tune",
    .line = "measures which kernel serves each problem best, and keeps it",
    .usage = "[SUITE | FILE | \"PROBLEM\"]...",
    .examples = "  hone tune                                  the suite quick, for a minute\n"
                "  hone tune transformer --budget 10m         another suite\n"
                "  hone tune \"matmul f32 nn 512x512x512\"      one problem\n"
                "  HONE_RECORD=mine ./program; hone tune mine what a program really asks for\n"
                "  hone tune quick --verify                   is it faster? measured again\n"
                "  hone tune --evaluate                       what would untuned problems pay?\n",
    .more =
        "Suites: smoke, quick, full, transformer, convnet, training, moe. A file has a problem a line; one that "
        "HONE_RECORD wrote tells how long each took, and the budget goes where the time goes.\n"
        "Each candidate runs in a process of its own, is judged before it is timed and again on what it was timed "
        "with; one that crashes, hangs, eats memory or is wrong is named, kept in quarantine, and costs itself. The "
        "winner must be faster than the untuned choice twice, in separate measurements; else nothing changes.\n"
        "Ctrl-C ends it at once. The same command then goes on where it stood, and measures nothing twice.\n"
        "--json prints a line of JSON for each event, and the report as the last.\n"
        "Exit code 1 when a problem could not be tuned, or --verify finds one that is slower than untuned.",
    .options = options,
    .words_max = CLI_WORDS_MAX,
    .run = run,
};
