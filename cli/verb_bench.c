/* hone bench: every candidate of a problem side by side, in one run, judged before it is timed. */
#include "cli/verb_bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/bench_summary.h"
#include "tuner/contest.h"
#include "tuner/roofline.h"

static const cli_option options[] = {
    {"kernels", CLI_TEXT, "LIST", "all (default; those slow by intent only by name), chosen, or names with commas", 0,
     0},
    {"suite", CLI_TEXT, "NAME", "the problems: quick (default), smoke, full, or another of an op's", 0, 0},
    CLI_OPTION_DEVICE,
    CLI_OPTION_THREADS,
    {"budget", CLI_TIME, "S", "seconds for all problems together (default 2 each)", 0.001, 1e7},
    {"rounds", CLI_NUMBER, "N", "just so many rounds (default: as many as make the figures sure, 20 to 200)", 1, 1e6},
    {"cold", CLI_FLAG, NULL, "operands in memory, in no cache", 0, 0},
    CLI_OPTION_SEED,
    {"selftest", CLI_FLAG, NULL, "time something against itself, often: does the stopwatch deserve belief?", 0, 0},
    {"noise", CLI_FLAG, NULL, "with --selftest: under load on every CPU", 0, 0},
    {"duels", CLI_NUMBER, "N", "with --selftest: how many (default 1000)", 1, 1e6},
    CLI_OPTION_JSON,
    CLI_OPTION_END,
};

#define EACH_BUDGET_S  2.0
#define EACH_PAUSED_S  8.0   /* the same with pauses */
#define OTHERS_SPIN_S  0.04 /* idle threads of OpenMP, and of OpenBLAS, look for work for so long */

typedef struct bench {
    const cli_call *call;
    cli_hone        hone;
    const char     *pattern, *kernels;
    char          **problems;
    int             problem_count, timed, wrong;
    bool            cold;
    uint64_t        seed;
    int64_t         start;
    json_t         *rows, *untimed;
    cli_summary     summary;
} bench;

/* --- which problems -------------------------------------------------------------------------------------------- */

static void add_problem(bench *b, const char *op, const char *text)
{
    b->problems = cli_grow(b->problems, (size_t)b->problem_count + 1, sizeof *b->problems);
    b->problems[b->problem_count++] = cli_format("%s%s%s", op, *op ? " " : "", text);
}

/* Does a kernel of the op match the pattern? */
static bool op_wanted(const bench *b, const hone_op *op)
{
    const hone_kernel *kernels[HONE_RT_KERNELS_MAX];
    int  count = hone_rt_kernels(b->hone.context, op, b->hone.device, kernels, HONE_RT_KERNELS_MAX);
    bool any = false;
    for (int i = 0; i < count; i++) any |= cli_matches(b->pattern, op, kernels[i]);
    return any;
}

/* The problems of a suite, of all ops that the pattern names. False: no op has a suite of that name. */
static bool add_suite(bench *b, const char *suite)
{
    const hone_op *op;
    bool           known = false;
    for (int i = 0; (op = hone_rt_op_at(b->hone.context, i)); i++) {
        const char *const *list = op->suite ? op->suite(suite) : NULL;
        known |= list != NULL;
        if (!list || !op_wanted(b, op)) continue;
        for (; *list; list++) add_problem(b, op->name, *list);
    }
    return known;
}

/* Lines of problems; empty ones and those that begin with # say nothing. */
static int add_file(bench *b, const char *path)
{
    char  *text, *rest;
    size_t bytes;
    if (hone_file_read(path, (size_t)1 << 24, &text, &bytes) != HONE_OK)
        return cli_fail(b->call, "%s", hone_last_error());
    rest = text;
    for (char *line; (line = strsep(&rest, "\n"));) {
        line += strspn(line, " \t\r");
        line[strcspn(line, "\r")] = 0;
        if (*line && *line != '#') add_problem(b, "", line);
    }
    hone_free(text);
    return b->problem_count ? CLI_FINE : cli_fail(b->call, "%s: there is no problem in it", path);
}

static int choose_problems(bench *b)
{
    const char *word = b->call->word_count ? b->call->words[0] : NULL, *suite = cli_text(b->call, "suite", "quick");
    struct stat info;
    if (word && cli_is_problem(word)) {
        add_problem(b, "", word);
        return CLI_FINE;
    }
    if (word && stat(word, &info) == 0 && S_ISREG(info.st_mode)) return add_file(b, word);
    if (word && !cli_given(b->call, "suite") && add_suite(b, word)) return CLI_FINE;
    if (word && !cli_matches_any(b->call, &b->hone, word)) return CLI_UNUSABLE;
    b->pattern = word;
    if (!add_suite(b, suite))
        return cli_fail(b->call, "no op has a suite '%s'; there are smoke, quick and full", suite);
    return b->problem_count ? CLI_FINE
                            : cli_fail(b->call, "what '%s' names has no problem in the suite '%s'", word, suite);
}

/* --- which kernels --------------------------------------------------------------------------------------------- */

static bool named_in(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; *at; at += strcspn(at, ","), at += *at == ',')
        if (strcspn(at, ",") == length && !strncmp(at, name, length)) return true;
    return false;
}

static bool wants(void *self, const hone_kernel *kernel)
{
    const bench *b = self;
    if (!strcmp(b->kernels, "chosen")) return false;
    if (strcmp(b->kernels, "all")) return named_in(b->kernels, kernel->name);
    if (b->pattern && strstr(kernel->name, b->pattern)) return true;
    return !(kernel->properties & HONE_IS_REFERENCE);
}

/* Could any of them be of a module? */
static bool wants_modules(const bench *b)
{
    if (!strcmp(b->kernels, "chosen")) return false;
    for (const char *at = b->kernels; *at; at += strcspn(at, ","), at += *at == ',')
        if (strncmp(at, "cpu.", 4) != 0) return true;
    return false;
}

/* Each name in --kernels must be one. */
static int check_kernels(const bench *b)
{
    const hone_kernel *kernels[HONE_RT_KERNELS_MAX];
    const hone_op     *op;
    if (!strcmp(b->kernels, "all") || !strcmp(b->kernels, "chosen")) return CLI_FINE;
    for (const char *at = b->kernels; *at; at += strcspn(at, ","), at += *at == ',') {
        char name[64];
        bool known = false;
        snprintf(name, sizeof name, "%.*s", (int)strcspn(at, ","), at);
        for (int i = 0; (op = hone_rt_op_at(b->hone.context, i)); i++) {
            int count = hone_rt_kernels(b->hone.context, op, b->hone.device, kernels, HONE_RT_KERNELS_MAX);
            for (int k = 0; k < count; k++) known |= !strcmp(kernels[k]->name, name);
        }
        if (known) continue;
        if (cli_matches_any(b->call, &b->hone, name))
            cli_fail(b->call, "--kernels takes whole names, and '%s' is none; 'hone check --list' names them", name);
        return CLI_UNUSABLE;
    }
    return CLI_FINE;
}

/* --- one problem ----------------------------------------------------------------------------------------------- */

/* One row: a kernel on a problem, as it was timed. */
typedef struct row {
    const hone_entrant *entrant;
    const hone_timing  *timing;
    double              gflops, share; /* share 0: no ceiling is known */
    hone_interval       ratio;         /* to the chosen one */
    bool                has_ratio;
} row;

static bool row_of(const hone_contest *contest, int index, bool cold, row *out)
{
    const hone_entrant *entrant = &contest->entrants[index];
    hone_cost           cost = contest->request.op->cost(contest->request.problem);
    hone_roof            roof = hone_roof_of(&contest->request, cold);
    hone_comparison     comparison;
    if (entrant->lane < 0) return false;
    *out = (row){.entrant = entrant, .timing = &contest->measurement->timings[entrant->lane]};
    out->gflops = cost.flops / out->timing->seconds.mid * 1e-9;
    out->share = roof.seconds / out->timing->seconds.mid;
    out->has_ratio = contest->entrants[0].lane == 0 &&
                     hone_measure_compare(contest->measurement, entrant->lane, 0, &comparison) == HONE_OK;
    if (out->has_ratio) out->ratio = comparison.ratio;
    return true;
}

static json_t *row_json(const bench *b, const hone_contest *contest, const char *problem, const row *r)
{
    const hone_timing *t = r->timing;
    json_t            *it = cli_object(), *samples = cli_array();
    char              *name = cli_format("%s/%s", problem, r->entrant->candidate.kernel->name), settings[256];
    hone_config_print(r->entrant->candidate.kernel->space, &r->entrant->candidate.config, settings, sizeof settings);
    cli_set(it, "name", cli_string(name));
    cli_set(it, "run_name", cli_string(name));
    cli_set(it, "run_type", cli_string("iteration"));
    cli_set(it, "repetitions", json_integer(1));
    cli_set(it, "repetition_index", json_integer(0));
    cli_set(it, "threads", json_integer(contest->request.threads));
    cli_set(it, "iterations", json_integer((json_int_t)t->rounds * 2 * t->repeats));
    cli_set(it, "real_time", cli_real(t->seconds.mid * 1e6));
    cli_set(it, "cpu_time", cli_real(t->seconds.mid * 1e6)); /* one clock is read; readers want the field */
    cli_set(it, "time_unit", cli_string("us"));
    cli_set(it, "problem", cli_string(problem));
    cli_set(it, "kernel", cli_string(r->entrant->candidate.kernel->name));
    cli_set(it, "configuration", cli_string(settings));
    cli_set(it, "cache", cli_string(b->cold ? "cold" : "warm"));
    cli_set(it, "median_us", cli_real(t->seconds.mid * 1e6));
    cli_set(it, "lo_us", cli_real(t->seconds.lo * 1e6));
    cli_set(it, "hi_us", cli_real(t->seconds.hi * 1e6));
    cli_set(it, "best_us", cli_real(t->best_s * 1e6));
    cli_set(it, "gflops", cli_real(r->gflops));
    cli_set(it, "share_of_ceiling", r->share > 0 ? cli_real(r->share) : json_null());
    cli_set(it, "chosen", json_boolean(r->entrant == &contest->entrants[0]));
    cli_set(it, "ratio", r->has_ratio ? cli_real(r->ratio.mid) : json_null());
    cli_set(it, "ratio_lo", r->has_ratio ? cli_real(r->ratio.lo) : json_null());
    cli_set(it, "ratio_hi", r->has_ratio ? cli_real(r->ratio.hi) : json_null());
    cli_set(it, "estimate_us",
            r->entrant->candidate.seconds > 0 ? cli_real(r->entrant->candidate.seconds * 1e6) : json_null());
    cli_set(it, "rounds", json_integer(t->rounds));
    cli_set(it, "disturbed", json_integer(contest->measurement->disturbed));
    for (int i = 0; i < t->rounds; i++) cli_append(samples, cli_real(t->samples[i] * 1e6));
    cli_set(it, "samples_us", samples);
    free(name);
    return it;
}

/* Google Benchmark's own way to tell that something has no time. */
static json_t *error_json(const char *problem, const hone_entrant *entrant)
{
    json_t *it = cli_object();
    char   *name = cli_format("%s/%s", problem, entrant->candidate.kernel->name);
    cli_set(it, "name", cli_string(name));
    cli_set(it, "run_name", cli_string(name));
    cli_set(it, "run_type", cli_string("iteration"));
    cli_set(it, "problem", cli_string(problem));
    cli_set(it, "kernel", cli_string(entrant->candidate.kernel->name));
    cli_set(it, "error_occurred", json_true());
    cli_set(it, "error_message", cli_string(entrant->why));
    free(name);
    return it;
}

static void note_json(bench *b, const hone_contest *contest, const char *problem)
{
    row r;
    for (int i = 0; i < contest->count; i++) {
        const hone_entrant *entrant = &contest->entrants[i];
        if (contest->measurement && row_of(contest, i, b->cold, &r)) {
            cli_append(b->rows, row_json(b, contest, problem, &r));
        } else if (entrant->wrong) {
            cli_append(b->rows, error_json(problem, entrant));
        } else {
            json_t *it = cli_object();
            cli_set(it, "problem", cli_string(problem));
            cli_set(it, "kernel", cli_string(entrant->candidate.kernel->name));
            cli_set(it, "why", cli_string(entrant->why));
            cli_append(b->untimed, it);
        }
    }
}

cli_figure cli_interval(hone_interval seconds)
{
    cli_figure out;
    double     unit = 1e9;
    while (unit > 1 && seconds.mid * unit >= 999.5) unit /= 1000;
    double shown = seconds.mid * unit;
    int    digits = shown < 9.995 ? 2 : shown < 99.95 ? 1 : 0;
    if (!isfinite(seconds.mid) || !isfinite(seconds.lo) || !isfinite(seconds.hi))
        snprintf(out.text, sizeof out.text, "-");
    else
        snprintf(out.text, sizeof out.text, "[%.*f, %.*f]", digits, seconds.lo * unit, digits, seconds.hi * unit);
    return out;
}

static void print_row(cli_table *table, const hone_contest *contest, const row *r)
{
    bool  chosen = r->entrant == &contest->entrants[0];
    char *share = r->share > 0 ? cli_format("%.0f %%", 100 * r->share) : cli_format("-");
    char *gflops = cli_format("%.*f", r->gflops < 9.995 ? 2 : r->gflops < 99.95 ? 1 : 0, r->gflops);
    char *ratio = chosen           ? cli_format("1")
                  : !r->has_ratio ? cli_format("-")
                                   : cli_format("%.3f [%.3f, %.3f]", r->ratio.mid, r->ratio.lo, r->ratio.hi);
    cli_table_row(table, (const char *[]){chosen ? "*" : "", r->entrant->candidate.kernel->name,
                                          cli_time(r->timing->seconds.mid).text, cli_interval(r->timing->seconds).text,
                                          gflops, share, ratio});
    free(share);
    free(gflops);
    free(ratio);
}

static void print_problem(const bench *b, const hone_contest *contest, const char *problem)
{
    const hone_measurement *m = contest->measurement;
    row                     r;
    cli_progress(NULL);
    if (b->timed) printf("\n");
    printf("%s%s%s\n", cli_painted(stdout, CLI_BOLD), problem, cli_painted(stdout, CLI_PLAIN));
    if (m) {
        cli_table *table = cli_table_new((const char *[]){"", "kernel", ">median", ">95 %", ">GFLOP/s", ">ceiling",
                                                          ">ratio to chosen", NULL});
        for (int i = 0; i < contest->count; i++)
            if (row_of(contest, i, b->cold, &r)) print_row(table, contest, &r);
        cli_table_print(table, stdout, 0);
    }
    for (int i = 0; i < contest->count; i++) {
        const hone_entrant *entrant = &contest->entrants[i];
        if (entrant->lane >= 0) continue;
        char *line = cli_format("%s %s: %s", entrant->candidate.kernel->name, entrant->wrong ? "is WRONG" : "refuses",
                                entrant->why);
        cli_wrap(stdout, 3, line);
        free(line);
    }
    if (!m) return;
    printf("   %d thread%s, %s, %d rounds, %d set aside, %.1f s\n", contest->request.threads,
           contest->request.threads == 1 ? "" : "s", b->cold ? "cold" : "warm", m->rounds, m->set_aside, m->spent_s);
    if (m->disturbed || m->rounds < 6) printf("   too few quiet rounds: these figures are not sure\n");
}

/* Does a library that has threads of its own take part, with several? */
static bool others_spin(const hone_contest *contest)
{
    for (int i = 0; i < contest->count && contest->request.threads > 1; i++)
        if (contest->entrants[i].runner &&
            hone_kernel_is_foreign(contest->entrants[i].candidate.kernel, contest->request.device))
            return true;
    return false;
}

static hone_measure_options measure_options(const bench *b, const hone_contest *contest, int done)
{
    hone_measure_options how = hone_measure_defaults();
    how.cache = b->cold ? HONE_CACHE_COLD : HONE_CACHE_WARM;
    how.threads = (int)cli_number(b->call, "threads", 1);
    how.seed = b->seed;
    how.race = false;
    how.pause_s = others_spin(contest) ? OTHERS_SPIN_S : 0;
    how.budget_s = how.pause_s > 0 ? EACH_PAUSED_S : EACH_BUDGET_S;
    if (cli_given(b->call, "rounds")) {
        how.rounds_min = how.rounds_max = (int)cli_number(b->call, "rounds", 20);
        how.goal = how.budget_s = 0;
    }
    if (cli_given(b->call, "budget")) {
        double left = cli_number(b->call, "budget", 0) - (double)(hone_now_ns() - b->start) * 1e-9;
        how.budget_s = fmax(left / (b->problem_count - done), 1e-3);
    }
    return how;
}

static int time_problem(bench *b, int index)
{
    hone_rt_problem      problem;
    hone_contest         contest;
    const hone_op       *op;
    char                 text[HONE_PROBLEM_TEXT_MAX + 64];
    hone_contest_options how = {.seed = b->seed, .stop = cli_interrupted, .wants = wants, .self = b};
    if (hone_rt_problem_parse(b->hone.context, b->problems[index], &op, &problem) != HONE_OK)
        return cli_fail(b->call, "%s", hone_last_error());
    hone_rt_problem_print(op, problem.bytes, text, sizeof text);
    cli_progress("%d of %d: %s", index + 1, b->problem_count, text);

    hone_request request = cli_request(&b->hone, op, problem.bytes);
    hone_status  status = hone_contest_open(b->hone.context, &request, &how, &contest);
    if (status != HONE_OK) return cli_fail_status(b->call, status);
    hone_measure_options measure = measure_options(b, &contest, index);
    status = hone_contest_time(&contest, &measure);
    b->wrong += contest.wrong;
    bool none = status == HONE_ERROR_UNSUPPORTED && !contest.measurement; /* its entrants tell why */
    if (status == HONE_OK || none) {
        if (b->call->json)
            note_json(b, &contest, text);
        else
            print_problem(b, &contest, text);
        cli_summary_add(&b->summary, &contest, text);
        b->timed++;
    }
    hone_contest_close(&contest);
    return status == HONE_OK || none ? CLI_FINE : cli_fail_status(b->call, status);
}

/* --- the context ----------------------------------------------------------------------------------------------- */

static json_t *caches_json(const hone_be_device *device)
{
    static const char *const types[] = {"Data", "Unified", "Unified"};
    json_t                  *list = cli_array();
    for (int level = 0; level < HONE_LEVEL_MEMORY; level++) {
        if (!device->cpu.cache_bytes[level]) continue;
        json_t *it = cli_object();
        cli_set(it, "type", cli_string(types[level]));
        cli_set(it, "level", json_integer(level + 1));
        cli_set(it, "size", json_integer((json_int_t)device->cpu.cache_bytes[level]));
        cli_set(it, "num_sharing", json_integer(device->cpu.cache_cores[level]));
        cli_append(list, it);
    }
    return list;
}

static double clock_mhz(void)
{
    double mhz = 0;
    char   line[256];
    FILE  *file = fopen("/proc/cpuinfo", "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "cpu MHz : %lf", &mhz) == 1) break;
    if (file) fclose(file);
    return mhz;
}

json_t *cli_bench_context(const hone_be_device *device)
{
    json_t        *it = cli_object(), *load = cli_array();
    char           date[64], host[256] = "", program[4096] = "";
    double         loads[3] = {0};
    time_t         now = time(NULL);
    struct tm      local;
    struct utsname system;
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S%z", localtime_r(&now, &local));
    gethostname(host, sizeof host - 1);
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length < 0) snprintf(program, sizeof program, "hone");
    int count = getloadavg(loads, 3);
    for (int i = 0; i < count; i++) cli_append(load, cli_real(loads[i]));
    cli_set(it, "date", cli_string(date));
    cli_set(it, "host_name", cli_string(host));
    cli_set(it, "executable", cli_string(program));
    cli_set(it, "num_cpus", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
    cli_set(it, "mhz_per_cpu", json_integer((json_int_t)clock_mhz()));
    cli_set(it, "cpu_scaling_enabled", json_boolean(access("/sys/devices/system/cpu/cpu0/cpufreq", F_OK) == 0));
    cli_set(it, "caches", caches_json(device));
    cli_set(it, "load_avg", load);
    cli_set(it, "library_version", cli_string(hone_version_string()));
#ifdef __OPTIMIZE__
    cli_set(it, "library_build_type", cli_string("release"));
#else
    cli_set(it, "library_build_type", cli_string("debug"));
#endif
    cli_set(it, "json_schema_version", json_integer(1));
    cli_set(it, "hone", cli_string(hone_version_string()));
    cli_set(it, "device", cli_string(device->name));
    cli_set(it, "label", cli_string(device->label));
    cli_set(it, "instructions", cli_string(device->instructions));
    cli_set(it, "fingerprint", cli_string(device->fingerprint));
    cli_set(it, "ceilings_known", json_boolean(device->ceilings_known));
    if (uname(&system) == 0) cli_set(it, "system", cli_string(system.release));
    return it;
}

static void print_json(const bench *b)
{
    json_t *answer = cli_object(), *context = cli_bench_context(b->hone.device);
    cli_set(context, "seed", json_integer((json_int_t)b->seed));
    cli_set(context, "cache", cli_string(b->cold ? "cold" : "warm"));
    cli_set(context, "interrupted", json_boolean(cli_interrupted()));
    cli_set(answer, "context", context);
    cli_set(answer, "benchmarks", json_incref(b->rows));
    cli_set(answer, "not_timed", json_incref(b->untimed));
    cli_set(answer, "summary", cli_summary_json(&b->summary));
    cli_print_json(answer);
}

/* --- the verb -------------------------------------------------------------------------------------------------- */

static int run_bench(bench *b)
{
    cli_hone_options how = {.device = cli_text(b->call, "device", NULL),
                            .threads = (int)cli_number(b->call, "threads", 1)};
    int              code = cli_open(b->call, &how, &b->hone);
    if (code != CLI_FINE) return code;
    if (wants_modules(b) && (code = cli_peers_at_their_best(b->call, &b->hone)) != CLI_FINE) return code;
    if ((code = check_kernels(b)) != CLI_FINE || (code = choose_problems(b)) != CLI_FINE) return code;
    if (!b->hone.device->ceilings_known)
        cli_say(b->call, "no ceilings are kept, so no share of them is told; 'hone devices' measures them");
    b->start = hone_now_ns();
    for (int i = 0; i < b->problem_count && code == CLI_FINE; i++)
        code = cli_interrupted() ? CLI_INTERRUPTED : time_problem(b, i);
    if (b->call->json && (code == CLI_FINE || b->timed)) print_json(b);
    if (!b->call->json) cli_summary_print(&b->summary, stdout);
    cli_progress(NULL);
    if (code == CLI_INTERRUPTED) cli_say(b->call, "interrupted after %d of %d problems", b->timed, b->problem_count);
    return b->wrong ? CLI_WRONG : code;
}

static int run(const cli_call *call)
{
    if (cli_given(call, "selftest")) return cli_bench_selftest(call);
    if (cli_given(call, "noise") || cli_given(call, "duels"))
        return cli_fail(call, "--noise and --duels are for --selftest");
    if (call->word_count && !strcmp(call->words[0], "overhead")) return cli_bench_overhead(call);
    if (call->word_count && !strcmp(call->words[0], "threads")) return cli_bench_threads(call);
    bench b = {.call = call,
               .kernels = cli_text(call, "kernels", "all"),
               .cold = cli_given(call, "cold"),
               .seed = (uint64_t)cli_number(call, "seed", 1),
               .rows = cli_array(),
               .untimed = cli_array()};
    int   code = run_bench(&b);
    for (int i = 0; i < b.problem_count; i++) free(b.problems[i]);
    free(b.problems);
    json_decref(b.rows);
    json_decref(b.untimed);
    cli_summary_free(&b.summary);
    cli_close(&b.hone);
    return code;
}

const cli_verb cli_verb_bench = {
    .name = "bench",
    .line = "every candidate side by side, as a share of the ceiling",
    .usage = "[\"PROBLEM\" | FILE | SUITE | PATTERN | overhead | threads]",
    .examples = "  hone bench \"matmul f32 nn 512x512x512\"     one problem, every candidate\n"
                "  hone bench smoke --budget 10               a suite, within ten seconds\n"
                "  hone bench problems.txt --json             a file, a problem a line\n"
                "  hone bench matmul/cpu.packed --suite full  an op and a kernel\n"
                "  hone bench threads                         what a second thread is worth\n"
                "  hone bench overhead                        what a call costs beyond its kernel\n"
                "  hone bench --selftest --noise              does the stopwatch deserve belief?\n",
    .more =
        "Each kernel is judged before it is timed; all are timed in one go, in rounds that take them in random order "
        "and back, on the same random finite operands. The figure is the median of the rounds, with the interval that "
        "holds it in 95 of 100 cases; the ratio to the chosen kernel (marked *) is paired by round. 'ceiling' is the "
        "least time that the device's ceilings allow, as a share of the time taken.\n"
        "--json is Google Benchmark's format, with hone's own fields. Its cpu_time repeats real_time: one clock is "
        "read.\n"
        "Other people's libraries are timed at their best: where one takes this CPU for an older one, bench says so, "
        "sets "
        "the variable that mends it, and starts again.\n"
        "Exit code 4 when a kernel was wrong; it is not timed then.",
    .options = options,
    .words_max = 1,
    .run = run,
};
