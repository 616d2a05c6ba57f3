/* Opening a context for a verb, and finding in it what the words of a call name. */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static void pass_on(void *user, hone_log_level level, const char *line)
{
    static const char *const names[] = {"", "error", "warning", "info", "select"};
    cli_say(user, "%s: %s", names[level], line);
}

int cli_open(const cli_call *call, const cli_hone_options *options, cli_hone *out)
{
    hone_context_options chosen = HONE_CONTEXT_OPTIONS;
    *out = (cli_hone){0};
    out->threads = chosen.thread_count = options->threads > 1 ? options->threads : 1;
    if (options->untuned) chosen.tune = HONE_TUNE_OFF;
    if (!options->quiet) {
        chosen.log = pass_on;
        chosen.log_user = (void *)(uintptr_t)call;
    }
    hone_isa limit = options->limited ? options->isa_limit : HONE_ISA_COUNT - 1;
    if (hone_rt_context_create_limited(&chosen, limit, NULL, 0, &out->handle) != HONE_OK ||
        hone_rt_context_hold(out->handle, &out->context) != HONE_OK ||
        !(out->device = hone_rt_device_find(out->context, options->device ? options->device : "cpu:0"))) {
        cli_close(out);
        return cli_fail(call, "%s", hone_last_error());
    }
    return CLI_FINE;
}

void cli_close(cli_hone *hone)
{
    if (hone->context) hone_rt_context_release(hone->context);
    hone_context_destroy(hone->handle);
    *hone = (cli_hone){0};
}

hone_request cli_request(const cli_hone *hone, const hone_op *op, const void *problem)
{
    return (hone_request){.device = hone->device,
                          .op = op,
                          .problem = problem,
                          .threads = hone->threads,
                          .alignment = HONE_KERNEL_ALIGNMENT_MAX};
}

bool cli_is_problem(const char *text)
{
    return strpbrk(text, " \t") != NULL;
}

bool cli_matches(const char *pattern, const hone_op *op, const hone_kernel *kernel)
{
    char name[128];
    snprintf(name, sizeof name, "%s/%s", op->name, kernel->name);
    if (!pattern || !*pattern) return true;
    if (strpbrk(pattern, "*?[")) return fnmatch(pattern, name, 0) == 0;
    for (const char *at = strstr(name, pattern); at; at = strstr(at + 1, pattern))
        if (at[strlen(pattern)] != '_') return true; /* "matmul" is not "matmul_pack" */
    return false;
}

bool cli_matches_any(const cli_call *call, const cli_hone *hone, const char *pattern)
{
    const hone_kernel *kernels[HONE_RT_KERNELS_MAX];
    const char        *names[64 + HONE_RT_KERNELS_MAX];
    const hone_op     *op;
    int                count = 0;
    for (int i = 0; (op = hone_rt_op_at(hone->context, i)); i++) {
        int found = hone_rt_kernels(hone->context, op, hone->device, kernels, HONE_RT_KERNELS_MAX);
        if (count < 64) names[count++] = op->name;
        for (int k = 0; k < found; k++) {
            if (cli_matches(pattern, op, kernels[k])) return true;
            if (count < 64) names[count++] = kernels[k]->name;
        }
    }
    const char *nearest = cli_nearest(pattern, names, count);
    if (nearest)
        cli_fail(call, "no kernel on %s is called '%s'; did you mean '%s'?", hone->device->name, pattern, nearest);
    else
        cli_fail(call, "no kernel on %s is called '%s'; 'hone check --list' names them", hone->device->name, pattern);
    return false;
}
