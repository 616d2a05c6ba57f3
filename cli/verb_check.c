/* hone check: every kernel against the reference, on problems drawn at random.
 *
 * A case is one problem. Every kernel that takes it is judged, on each instruction set that the CPU has: a context a
 * level. All that is random in a case follows from its seed (operands, configuration, which outputs lie on inputs), so
 * problem, kernel, level and seed repeat a judgement exactly. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backends/cpu/cpu.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/text.h"
#include "cli/cli.h"
#include "tuner/judge.h"

static const cli_option options[] = {
    {"cases", CLI_NUMBER, "N", "how many problems (default 500; of one problem: 1)", 1, 1e9},
    CLI_OPTION_SEED,
    {"kernel", CLI_TEXT, "K", "this kernel alone", 0, 0},
    {"isa", CLI_TEXT, "LEVEL", "portable, avx2, avx512, several with commas, or all (default): the CPU's", 0, 0},
    CLI_OPTION_DEVICE,
    {"list", CLI_FLAG, NULL, "name every op and kernel, and judge none", 0, 0},
    CLI_OPTION_JSON,
    CLI_OPTION_END,
};

/* Most problems are small, so that many edges are seen; one in LARGE_EVERY has work for several blocks. */
#define SMALL_FLOPS 2e5
#define LARGE_FLOPS 2e7
enum { LARGE_EVERY = 16, OPS_MAX = 64, SHOWN_MAX = 20, DRAWS = 32 };

/* What became of one kernel on one level. */
typedef struct tally {
    const hone_op     *op;
    const hone_kernel *kernel;
    int                level;
    int64_t            judged, refused, failed;
    double             worst;
} tally;

typedef struct check {
    const cli_call *call;
    const char     *pattern, *kernel;
    int             level_count;
    cli_hone        levels[HONE_ISA_COUNT];
    const char     *level_names[HONE_ISA_COUNT]; /* NULL: the device knows no levels */
    tally          *tallies;
    int             tally_count;
    int64_t         cases, wanted, passed, failed, refused, broken;
    json_t         *failures;
} check;

/* --- one judgement --------------------------------------------------------------------------------------------- */

static tally *tally_of(check *c, const hone_op *op, const hone_kernel *kernel, int level)
{
    for (int i = 0; i < c->tally_count; i++)
        if (c->tallies[i].op == op && c->tallies[i].kernel == kernel && c->tallies[i].level == level)
            return &c->tallies[i];
    c->tallies = cli_grow(c->tallies, (size_t)c->tally_count + 1, sizeof *c->tallies);
    c->tallies[c->tally_count] = (tally){.op = op, .kernel = kernel, .level = level};
    return &c->tallies[c->tally_count++];
}

/* Every other time the configuration that is chosen, else a legal one at random: so all of them get their turn. */
static hone_config draw_config(const hone_request *request, const hone_rt_candidate *candidate, uint64_t seed)
{
    const hone_space *space = candidate->kernel->space;
    hone_random       random = hone_random_seeded(hone_random_at(seed, 1));
    if (!space || !space->count || hone_random_below(&random, 2)) return candidate->config;
    for (int draw = 0; draw < DRAWS; draw++) {
        hone_config config = {0};
        for (int i = 0; i < space->count; i++) {
            const hone_parameter *parameter = &space->parameters[i];
            config.value[i] = parameter->values[hone_random_below(&random, (uint64_t)parameter->count)];
        }
        if (!hone_config_refuses(request, candidate->kernel, &config)) return config;
    }
    return candidate->config;
}

static char *repeat_line(const check *c, const char *problem, const hone_kernel *kernel, int level, uint64_t seed)
{
    const char *device = cli_text(c->call, "device", NULL), *isa = c->level_names[level];
    return cli_format("hone check \"%s\" --kernel %s%s%s%s%s --seed %" PRIu64, problem, kernel->name,
                      isa ? " --isa " : "", isa ? isa : "", device ? " --device " : "", device ? device : "", seed);
}

static void note_failure(check *c, const hone_request *request, const hone_rt_candidate *candidate, int level,
                         const hone_config *config, uint64_t seed, const char *fault, const char *sentence)
{
    const char *isa = c->level_names[level] ? c->level_names[level] : c->levels[level].device->name;
    char        text[HONE_PROBLEM_TEXT_MAX + 64], settings[256];
    hone_rt_problem_print(request->op, request->problem, text, sizeof text);
    hone_config_print(candidate->kernel->space, config, settings, sizeof settings);
    char *repeat = repeat_line(c, text, candidate->kernel, level, seed);

    json_t *it = cli_object();
    cli_set(it, "problem", cli_string(text));
    cli_set(it, "kernel", cli_string(candidate->kernel->name));
    cli_set(it, "isa", cli_string(c->level_names[level]));
    cli_set(it, "configuration", cli_string(settings));
    cli_set(it, "seed", json_integer((json_int_t)seed));
    cli_set(it, "fault", cli_string(fault));
    cli_set(it, "sentence", cli_string(sentence));
    cli_set(it, "repeat", cli_string(repeat));
    cli_append(c->failures, it);
    if (!c->call->json && c->failed + c->broken <= SHOWN_MAX) {
        cli_progress(NULL);
        printf("%sFAILED%s  %s on %s%s%s\n", cli_painted(stdout, CLI_RED), cli_painted(stdout, CLI_PLAIN),
               candidate->kernel->name, isa, *settings ? ", " : "", settings);
        cli_wrap(stdout, 8, sentence);
        printf("        %s\n", repeat);
    }
    free(repeat);
}

static void judge(check *c, const hone_request *request, const hone_rt_candidate *candidate, int level, uint64_t seed)
{
    hone_rt_plan *plan;
    hone_verdict  verdict;
    hone_config   config = draw_config(request, candidate, seed);
    tally        *t = tally_of(c, request->op, candidate->kernel, level);
    hone_status status = hone_rt_plan_with(c->levels[level].context, request, candidate->kernel, &config, &plan);
    if (status == HONE_ERROR_UNSUPPORTED) {
        t->refused++;
        c->refused++;
        return;
    }
    if (status == HONE_OK) {
        hone_judge_options how = {.seed = seed, .bits = true, .in_place = hone_random_at(seed, 2) & 1};
        status = hone_judge_plan(c->levels[level].context, plan, &how, &verdict);
        hone_rt_plan_release(plan);
    }
    if (status != HONE_OK) {
        c->broken++;
        note_failure(c, request, candidate, level, &config, seed, "not judged", hone_last_error());
        return;
    }
    t->judged++;
    if (verdict.worst > t->worst) t->worst = verdict.worst;
    if (verdict.fault == HONE_FAULT_NONE) {
        c->passed++;
        return;
    }
    t->failed++;
    c->failed++;
    note_failure(c, request, candidate, level, &config, seed, hone_fault_text(verdict.fault), verdict.sentence);
}

/* The same problem in each layout of its own that the kernel offers for an argument: hone's own layouts are drawn like
 * other problems, those that only a kernel reads are asked for here. */
static void judge_layouts(check *c, const hone_request *request, const hone_kernel *kernel, int level, uint64_t seed)
{
    enum { LAYOUTS_MAX = 8 };
    hone_role roles[HONE_ROLES_MAX];
    int       role_count = request->op->roles(request->problem, roles);
    for (int role = 0; role < role_count; role++) {
        hone_layout layouts[LAYOUTS_MAX];
        int         count = hone_rt_layouts(request, kernel, role, layouts, LAYOUTS_MAX);
        for (int i = 0; i < count; i++) {
            hone_rt_candidate candidates[HONE_RT_KERNELS_MAX];
            hone_problem_bytes packed;
            hone_packing       packing;
            hone_request       with = *request;
            const char        *rule;
            if (request->op->lay_out(request->problem, role, &layouts[i], packed.bytes) != HONE_OK) continue;
            if (!request->op->take_apart(packed.bytes, &packing)) continue;
            with.problem = packed.bytes;
            int found = hone_rt_rank(c->levels[level].context, &with, candidates, HONE_RT_KERNELS_MAX, &rule);
            for (int k = 0; k < found; k++)
                if (candidates[k].kernel == kernel && !candidates[k].refusal)
                    judge(c, &with, &candidates[k], level, seed);
        }
    }
}

static void judge_problem(check *c, const hone_op *op, const void *problem, uint64_t seed)
{
    hone_rt_candidate candidates[HONE_RT_KERNELS_MAX];
    const char       *rule;
    c->cases++;
    for (int level = 0; level < c->level_count; level++) {
        hone_request request = cli_request(&c->levels[level], op, problem);
        int count = hone_rt_rank(c->levels[level].context, &request, candidates, HONE_RT_KERNELS_MAX, &rule);
        for (int i = 0; i < count; i++) {
            const hone_kernel *kernel = candidates[i].kernel;
            if (c->kernel && strcmp(c->kernel, kernel->name)) continue;
            if (!cli_matches(c->pattern, op, kernel)) continue;
            if (candidates[i].refusal) {
                tally_of(c, op, kernel, level)->refused++;
                c->refused++;
            } else {
                judge(c, &request, &candidates[i], level, seed);
            }
            if (kernel->layouts) judge_layouts(c, &request, kernel, level, seed);
        }
    }
}

/* --- the cases ------------------------------------------------------------------------------------------------- */

/* The ops that have a kernel to be judged here. */
static int ops_of(const check *c, const hone_op **out)
{
    const hone_kernel *kernels[HONE_RT_KERNELS_MAX];
    const cli_hone    *hone = &c->levels[0];
    const hone_op     *op;
    int                count = 0;
    for (int i = 0; (op = hone_rt_op_at(hone->context, i)) && count < OPS_MAX; i++) {
        int  found = hone_rt_kernels(hone->context, op, hone->device, kernels, HONE_RT_KERNELS_MAX);
        bool any = false;
        for (int k = 0; k < found; k++)
            any |= cli_matches(c->pattern, op, kernels[k]) && (!c->kernel || !strcmp(c->kernel, kernels[k]->name));
        if (any) out[count++] = op;
    }
    return count;
}

static void judge_random(check *c, uint64_t seed)
{
    const hone_op *ops[OPS_MAX];
    int            count = ops_of(c, ops);
    for (int64_t i = 0; i < c->wanted && count && !cli_interrupted(); i++) {
        hone_rt_problem problem;
        uint64_t        of_case = hone_random_at(seed, (uint64_t)i) >> 11; /* exact in JSON, too */
        const hone_op  *op = ops[i % count];
        memset(&problem, 0, sizeof problem);
        op->random(of_case, i / count % LARGE_EVERY ? SMALL_FLOPS : LARGE_FLOPS, problem.bytes);
        judge_problem(c, op, problem.bytes, of_case);
        cli_progress("%" PRId64 " of %" PRId64 " cases, %" PRId64 " failed", c->cases, c->wanted, c->failed);
    }
}

static void judge_text(check *c, const hone_op *op, const hone_rt_problem *problem, uint64_t seed)
{
    for (int64_t i = 0; i < c->wanted && !cli_interrupted(); i++) {
        judge_problem(c, op, problem->bytes, i ? hone_random_at(seed, (uint64_t)i) >> 11 : seed);
        cli_progress("%" PRId64 " of %" PRId64 " times, %" PRId64 " failed", c->cases, c->wanted, c->failed);
    }
}

/* --- what is asked --------------------------------------------------------------------------------------------- */

static int open_level(check *c, hone_isa isa)
{
    cli_hone_options how = {.device = cli_text(c->call, "device", NULL), .limited = true, .isa_limit = isa,
                            .quiet = c->level_count > 0};
    cli_hone        *hone = &c->levels[c->level_count];
    int              code = cli_open(c->call, &how, hone);
    if (code != CLI_FINE) return code;
    bool cpu = !strcmp(hone->device->backend->name, "cpu");
    c->level_names[c->level_count++] = cpu ? hone_cpu_isa_name(hone->device->cpu.isa) : NULL;
    return CLI_FINE;
}

/* Which levels: `highest` is what this CPU has and HONE_ISA allows. */
static int choose_levels(const check *c, hone_isa highest, bool wanted[HONE_ISA_COUNT])
{
    const char *list = cli_text(c->call, "isa", "all");
    if (!strcmp(list, "all")) {
        for (int isa = 0; isa <= (int)highest; isa++) wanted[isa] = true;
        return CLI_FINE;
    }
    while (*list) {
        char     name[32];
        size_t   length = strcspn(list, ",");
        hone_isa isa;
        snprintf(name, sizeof name, "%.*s", (int)length, list);
        if (!hone_cpu_isa_parse(name, &isa))
            return cli_fail(c->call, "--isa has '%s' in it; it may be portable, avx2, avx512, or all", name);
        if (isa > highest)
            return cli_fail(c->call, "--isa asks for %s, and no more than %s can run here", name,
                            hone_cpu_isa_name(highest));
        wanted[isa] = true;
        list += length;
        list += *list == ',';
    }
    return CLI_FINE;
}

static int open_levels(check *c)
{
    bool wanted[HONE_ISA_COUNT] = {false};
    int  code = open_level(c, HONE_ISA_COUNT - 1);
    if (code != CLI_FINE) return code;
    bool cpu = c->level_names[0] != NULL;
    if (!cpu && cli_given(c->call, "isa"))
        return cli_fail(c->call, "--isa is for CPUs, and the device is %s", c->levels[0].device->name);
    if (!cpu) return CLI_FINE;

    hone_isa highest = c->levels[0].device->cpu.isa;
    if ((code = choose_levels(c, highest, wanted)) != CLI_FINE) return code;
    cli_close(&c->levels[0]);
    c->level_count = 0;
    for (int isa = 0; isa < HONE_ISA_COUNT; isa++)
        if (wanted[isa] && (code = open_level(c, (hone_isa)isa)) != CLI_FINE) return code;
    return CLI_FINE;
}

static bool kernel_known(const check *c)
{
    const hone_kernel *kernels[HONE_RT_KERNELS_MAX];
    const hone_op     *op;
    if (!c->kernel) return true;
    for (int i = 0; (op = hone_rt_op_at(c->levels[0].context, i)); i++) {
        int count = hone_rt_kernels(c->levels[0].context, op, c->levels[0].device, kernels, HONE_RT_KERNELS_MAX);
        for (int k = 0; k < count; k++)
            if (!strcmp(kernels[k]->name, c->kernel)) return true;
    }
    if (cli_matches_any(c->call, &c->levels[0], c->kernel))
        cli_fail(c->call, "--kernel takes a whole name, and '%s' is none; 'hone check --list' names them", c->kernel);
    return false;
}

static int list(const check *c)
{
    const hone_kernel *kernels[HONE_RT_KERNELS_MAX];
    const cli_hone    *hone = &c->levels[0];
    const hone_op     *op;
    json_t            *all = cli_array();
    cli_table         *table = cli_table_new((const char *[]){"op", "kernel", "device", ">version", "stands on", NULL});
    for (int i = 0; (op = hone_rt_op_at(hone->context, i)); i++) {
        int count = hone_rt_kernels(hone->context, op, hone->device, kernels, HONE_RT_KERNELS_MAX);
        for (int k = 0; k < count; k++) {
            const char *identity = kernels[k]->identity ? kernels[k]->identity(hone->device) : NULL;
            if (!cli_matches(c->pattern, op, kernels[k])) continue;
            char *version = cli_format("%u", kernels[k]->version);
            cli_table_row(table, (const char *[]){op->name, kernels[k]->name, kernels[k]->backend, version,
                                                  identity ? identity : "hone"});
            free(version);
            json_t *it = cli_object();
            cli_set(it, "op", cli_string(op->name));
            cli_set(it, "kernel", cli_string(kernels[k]->name));
            cli_set(it, "device", cli_string(kernels[k]->backend));
            cli_set(it, "version", json_integer(kernels[k]->version));
            cli_set(it, "identity", cli_string(identity));
            cli_append(all, it);
        }
    }
    if (c->call->json) {
        json_t *answer = cli_answer(c->call);
        cli_set(answer, "kernels", all);
        cli_print_json(answer);
        all = NULL;
    }
    cli_table_print(table, c->call->json ? NULL : stdout, 0);
    json_decref(all);
    return CLI_FINE;
}

/* --- what is answered ------------------------------------------------------------------------------------------ */

static void print_json(const check *c, uint64_t seed, double seconds)
{
    json_t *answer = cli_answer(c->call), *kernels = cli_array(), *levels = cli_array();
    for (int i = 0; i < c->level_count; i++) cli_append(levels, cli_string(c->level_names[i]));
    for (int i = 0; i < c->tally_count; i++) {
        const tally *t = &c->tallies[i];
        json_t      *it = cli_object();
        cli_set(it, "op", cli_string(t->op->name));
        cli_set(it, "kernel", cli_string(t->kernel->name));
        cli_set(it, "isa", cli_string(c->level_names[t->level]));
        cli_set(it, "judged", json_integer(t->judged));
        cli_set(it, "refused", json_integer(t->refused));
        cli_set(it, "failed", json_integer(t->failed));
        cli_set(it, "worst", cli_real(t->worst));
        cli_append(kernels, it);
    }
    cli_set(answer, "device", cli_string(c->levels[0].device->name));
    cli_set(answer, "seed", json_integer((json_int_t)seed));
    cli_set(answer, "isa", levels);
    cli_set(answer, "cases", json_integer(c->cases));
    cli_set(answer, "judgements", json_integer(c->passed + c->failed));
    cli_set(answer, "refusals", json_integer(c->refused));
    cli_set(answer, "passed", json_integer(c->passed));
    cli_set(answer, "failed", json_integer(c->failed));
    cli_set(answer, "not_judged", json_integer(c->broken));
    cli_set(answer, "interrupted", json_boolean(cli_interrupted()));
    cli_set(answer, "seconds", cli_real(seconds));
    cli_set(answer, "kernels", kernels);
    cli_set(answer, "failures", json_incref(c->failures));
    cli_print_json(answer);
}

static void print_text(const check *c, uint64_t seed, double seconds)
{
    cli_table *table = cli_table_new((const char *[]){"op", "kernel", "level", ">judged", ">refused", ">failed",
                                                      ">worst error", NULL});
    cli_progress(NULL);
    if (c->failed + c->broken > SHOWN_MAX)
        printf("and %" PRId64 " more failed; --json tells all of them\n", c->failed + c->broken - SHOWN_MAX);
    for (int i = 0; i < c->tally_count; i++) {
        const tally *t = &c->tallies[i];
        char        *cells[4] = {cli_format("%" PRId64, t->judged), cli_format("%" PRId64, t->refused),
                                 cli_format("%" PRId64, t->failed),
                                 t->worst < 10 ? cli_format("%.0f %%", 100 * t->worst) : cli_format("far beyond")};
        const char  *isa = c->level_names[t->level];
        cli_table_row(table, (const char *[]){t->op->name, t->kernel->name, isa ? isa : "-", cells[0], cells[1],
                                              cells[2], t->judged ? cells[3] : "-"});
        for (int k = 0; k < 4; k++) free(cells[k]);
    }
    cli_table_print(table, stdout, 0);
    printf("%" PRId64 " case%s, seed %" PRIu64 ": %" PRId64 " judgements, %" PRId64 " refusals, %.1f s%s\n", c->cases,
           c->cases == 1 ? "" : "s", seed, c->passed + c->failed, c->refused, seconds,
           cli_interrupted() ? "; interrupted" : "");
    if (c->broken) printf("%" PRId64 " could not be judged\n", c->broken);
    printf("%" PRId64 " passed, %" PRId64 " failed\n", c->passed, c->failed);
}

static int exit_of(const check *c)
{
    if (c->failed) return CLI_WRONG;
    if (c->broken) return CLI_UNUSABLE;
    return cli_interrupted() ? CLI_INTERRUPTED : CLI_FINE;
}

static int run_check(check *c)
{
    const hone_op  *op;
    hone_rt_problem problem;
    const char     *word = c->call->word_count ? c->call->words[0] : NULL;
    bool            one = word && cli_is_problem(word);
    uint64_t        seed = (uint64_t)cli_number(c->call, "seed", 1);
    int             code = open_levels(c);
    if (code != CLI_FINE) return code;
    if (!kernel_known(c)) return CLI_UNUSABLE;
    if (one && hone_rt_problem_parse(c->levels[0].context, word, &op, &problem) != HONE_OK)
        return cli_fail(c->call, "%s", hone_last_error());
    if (!one) c->pattern = word;
    if (!one && word && !cli_matches_any(c->call, &c->levels[0], word)) return CLI_UNUSABLE;
    if (cli_given(c->call, "list")) return list(c);

    c->wanted = (int64_t)cli_number(c->call, "cases", one ? 1 : 500);
    int64_t start = hone_now_ns();
    if (one)
        judge_text(c, op, &problem, seed);
    else
        judge_random(c, seed);
    double seconds = (double)(hone_now_ns() - start) * 1e-9;
    if (c->call->json)
        print_json(c, seed, seconds);
    else
        print_text(c, seed, seconds);
    return exit_of(c);
}

static int run(const cli_call *call)
{
    check c = {.call = call, .kernel = cli_text(call, "kernel", NULL), .failures = cli_array()};
    int   code = run_check(&c);
    for (int i = 0; i < c.level_count; i++) cli_close(&c.levels[i]);
    json_decref(c.failures);
    free(c.tallies);
    return code;
}

const cli_verb cli_verb_check = {
    .name = "check",
    .line = "every kernel against the reference, on random problems or on one",
    .usage = "[PATTERN | \"PROBLEM\"]",
    .examples = "  hone check                                 all ops, 500 problems\n"
                "  hone check matmul --cases 20000            one op\n"
                "  hone check cpu.packed --isa avx2,avx512    one kernel, two instruction sets\n"
                "  hone check \"matmul f32 nn 37x64x129 +bias\" --seed 7\n"
                "  hone check --list                          what there is\n",
    .more =
        "A case is one problem: every kernel that takes it is judged, on each instruction set up to the CPU's, with "
        "three kinds of data: integers that must come out bit for bit, random numbers within the bound of their "
        "arithmetic, and against twice the error of a plain loop. A failure prints the line that repeats it.\n"
        "PATTERN is a part of op/kernel (matmul is not matmul_pack), or with * and ? all of it. 'worst error' is the "
        "largest one seen, as a "
        "share of what was allowed.\n"
        "Exit code 4 when a result is wrong, 2 when something could not be judged.",
    .options = options,
    .words_max = 1,
    .run = run,
};
