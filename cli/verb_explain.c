/* hone explain: which kernel a problem gets, and why. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "tuner/roofline.h"

static const cli_option options[] = {
    CLI_OPTION_DEVICE,
    CLI_OPTION_THREADS,
    CLI_OPTION_JSON,
    CLI_OPTION_END,
};

typedef struct answer {
    char              text[HONE_PROBLEM_TEXT_MAX + 64];
    hone_request      request;
    hone_cost         cost;
    hone_roof          roof;
    hone_rt_candidate candidates[HONE_RT_KERNELS_MAX];
    int               count;
    const char       *rule;
} answer;

static char *config_text(const hone_rt_candidate *candidate)
{
    char text[256];
    hone_config_print(candidate->kernel->space, &candidate->config, text, sizeof text);
    return cli_format("%s", text);
}

/* Which layouts a kernel offers for the arguments of the problem, as its text would say them; NULL: none. */
static char *layouts_text(const answer *a, const hone_kernel *kernel)
{
    enum { LAYOUTS_MAX = 8 };
    hone_role roles[HONE_ROLES_MAX];
    char     *text = NULL;
    int       role_count = a->request.op->roles(a->request.problem, roles);
    for (int role = 0; role < role_count; role++) {
        hone_layout layouts[LAYOUTS_MAX];
        int         count = hone_rt_layouts(&a->request, kernel, role, layouts, LAYOUTS_MAX);
        for (int i = 0; i < count; i++) {
            char *more = cli_format("%s%s%s=%s", text ? text : "", text ? " " : "", roles[role].name, layouts[i].name);
            free(text);
            text = more;
            if (!strchr(layouts[i].name, ':')) continue;
            more = cli_format("%s (%s_bytes=%" PRId64 ")", text, roles[role].name, layouts[i].bytes);
            free(text);
            text = more;
        }
    }
    return text;
}

static double intensity(hone_cost cost)
{
    double bytes = cost.bytes_read + cost.bytes_written;
    return bytes > 0 ? cost.flops / bytes : 0;
}

static void print_json(const cli_call *call, const answer *a)
{
    json_t *out = cli_answer(call), *cost = cli_object(), *roof = cli_object(), *list = cli_array();
    cli_set(out, "problem", cli_string(a->text));
    cli_set(out, "device", cli_string(a->request.device->name));
    cli_set(out, "instructions", cli_string(a->request.device->instructions));
    cli_set(out, "threads", json_integer(a->request.threads));
    cli_set(cost, "flops", cli_real(a->cost.flops));
    cli_set(cost, "bytes_read", cli_real(a->cost.bytes_read));
    cli_set(cost, "bytes_written", cli_real(a->cost.bytes_written));
    cli_set(cost, "intensity", cli_real(intensity(a->cost)));
    cli_set(out, "cost", cost);
    cli_set(roof, "seconds", a->roof.seconds > 0 ? cli_real(a->roof.seconds) : json_null());
    cli_set(roof, "bound", cli_string(a->roof.bound));
    cli_set(roof, "flops", a->roof.flops > 0 ? cli_real(a->roof.flops) : json_null());
    cli_set(roof, "bandwidth", a->roof.bandwidth > 0 ? cli_real(a->roof.bandwidth) : json_null());
    cli_set(out, "roofline", roof);
    cli_set(out, "rule", cli_string(a->rule));
    bool taken = a->count && !a->candidates[0].refusal;
    cli_set(out, "chosen", cli_string(taken ? a->candidates[0].kernel->name : NULL));
    for (int i = 0; i < a->count; i++) {
        const hone_rt_candidate *candidate = &a->candidates[i];
        json_t                  *it = cli_object();
        cli_set(it, "kernel", cli_string(candidate->kernel->name));
        cli_set(it, "version", json_integer(candidate->kernel->version));
        cli_set(it, "refusal", cli_string(candidate->refusal));
        char *layouts = layouts_text(a, candidate->kernel);
        cli_set(it, "layouts", cli_string(layouts));
        free(layouts);
        if (!candidate->refusal) {
            char *config = config_text(candidate);
            cli_set(it, "configuration", cli_string(config));
            cli_set(it, "seconds", candidate->seconds > 0 ? cli_real(candidate->seconds) : json_null());
            cli_set(it, "basis", cli_string(candidate->basis));
            free(config);
        }
        cli_append(list, it);
    }
    cli_set(out, "ranking", list);
    cli_print_json(out);
}

static void print_head(const answer *a)
{
    double bytes = a->cost.bytes_read + a->cost.bytes_written;
    cli_wrap(stdout, 0, a->text);
    printf("  on        %s, %s, %d thread%s\n", a->request.device->name, a->request.device->instructions,
           a->request.threads, a->request.threads == 1 ? "" : "s");
    printf("  cost      %s, %s must move: %.3g FLOP a byte\n", cli_rate(a->cost.flops, "FLOP").text,
           cli_bytes(bytes).text, intensity(a->cost));
    if (a->roof.seconds > 0)
        printf("  roofline  %s at least, bound by %s (%s, %s)\n", cli_time(a->roof.seconds).text, a->roof.bound,
               cli_rate(a->roof.flops, "FLOP/s").text, cli_rate(a->roof.bandwidth, "B/s").text);
    else if (!a->request.device->ceilings_known)
        printf("  roofline  no ceilings are kept for this device; 'hone devices' measures them\n");
    else
        printf("  roofline  no ceiling was measured for %s with these instructions\n",
               hone_dtype_name(hone_type_of(a->request.op, a->request.problem)));
}

/* What the figure of a kernel rests on, in a word. */
static const char *basis_word(const hone_rt_candidate *it)
{
    if (it->measured) return "measured";
    if (!(it->seconds > 0)) return "";
    return it->basis && !strncmp(it->basis, "predicted", 9) ? "predicted" : "estimated";
}

static void print_text(const answer *a)
{
    int taken = 0;
    while (taken < a->count && !a->candidates[taken].refusal) taken++;
    print_head(a);
    if (!taken) {
        printf("  chosen    nothing: every kernel refuses\n");
    } else {
        char *config = config_text(&a->candidates[0]);
        printf("  chosen    %s%s%s\n", cli_painted(stdout, CLI_BOLD), a->candidates[0].kernel->name,
               cli_painted(stdout, CLI_PLAIN));
        if (*config) cli_wrap(stdout, 12, config);
        printf("  by        %s\n\n", a->rule);
        free(config);
        cli_table *table =
            cli_table_new((const char *[]){"kernel", ">takes", ">rate", "figure", "~configuration", NULL});
        for (int i = 0; i < taken; i++) {
            const hone_rt_candidate *it = &a->candidates[i];
            char                    *settings = config_text(it);
            double                   rate = it->seconds > 0 ? a->cost.flops / it->seconds : 0;
            cli_table_row(table, (const char *[]){it->kernel->name, cli_time(it->seconds).text,
                                                  cli_rate(rate, "FLOP/s").text, basis_word(it), settings});
            free(settings);
        }
        cli_table_print(table, stdout, 2);
    }
    cli_table *offers = cli_table_new((const char *[]){"offers", "~packed once as", NULL});
    bool       any = false;
    for (int i = 0; i < a->count; i++) {
        char *layouts = layouts_text(a, a->candidates[i].kernel);
        if (layouts) cli_table_row(offers, (const char *[]){a->candidates[i].kernel->name, layouts});
        any |= layouts != NULL;
        free(layouts);
    }
    if (any) printf("\n");
    cli_table_print(offers, any ? stdout : NULL, 2);
    if (taken == a->count) return;
    cli_table *table = cli_table_new((const char *[]){"refuses", "~because", NULL});
    for (int i = taken; i < a->count; i++)
        cli_table_row(table, (const char *[]){a->candidates[i].kernel->name, a->candidates[i].refusal});
    printf("\n");
    cli_table_print(table, stdout, 2);
}

static int explain(const cli_call *call)
{
    cli_hone         hone;
    hone_rt_problem  problem;
    const hone_op   *op;
    cli_hone_options how = {.device = cli_text(call, "device", NULL), .threads = (int)cli_number(call, "threads", 1)};
    if (!call->word_count)
        return cli_fail(call, "which problem? One in quotes, as in: hone explain \"matmul f32 nn 512x512x512\"");
    int code = cli_open(call, &how, &hone);
    if (code != CLI_FINE) return code;
    if (hone_rt_problem_parse(hone.context, call->words[0], &op, &problem) != HONE_OK) {
        code = cli_fail(call, "%s", hone_last_error());
    } else {
        answer *a = cli_alloc(1, sizeof *a);
        hone_rt_problem_print(op, problem.bytes, a->text, sizeof a->text);
        a->request = cli_request(&hone, op, problem.bytes);
        a->cost = op->cost(problem.bytes);
        a->roof = hone_roof_of(&a->request, false);
        a->count = hone_rt_rank(hone.context, &a->request, a->candidates, HONE_RT_KERNELS_MAX, &a->rule);
        if (call->json)
            print_json(call, a);
        else
            print_text(a);
        free(a);
    }
    cli_close(&hone);
    return code;
}

const cli_verb cli_verb_explain = {
    .name = "explain",
    .line = "which kernel a problem gets, and why",
    .usage = "\"PROBLEM\"",
    .examples = "  hone explain \"matmul f32 nn 512x512x512\"\n"
                "  hone explain \"matmul f32 nt 128x3072x768 +bias+gelu\" --threads 4\n"
                "  HONE_ISA=avx2 hone explain \"matmul f64 nn 8x8x8\"     one instruction set less\n",
    .more = "It prints the problem as hone writes it, what it costs, the least time that the ceilings allow, and every "
            "kernel: what each is believed to take and what that rests on, or why it refuses. Operands are taken to be "
            "aligned to 64 bytes.",
    .options = options,
    .words_max = 1,
    .run = explain,
};
