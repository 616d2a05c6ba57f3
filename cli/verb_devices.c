/* hone devices: what is here, what it can do, and what is missing. */
#include <stdlib.h>
#include <string.h>

#include "backends/cpu/cpu.h"
#include "base/file.h"
#include "base/options.h"
#include "cli/draw.h"
#include "cli/show.h"
#include "runtime/modules.h"
#include "tuner/ceilings.h"

static const cli_option options[] = {
    CLI_OPTION_DEVICE,
    {"measure", CLI_FLAG, NULL, "measure the ceilings again, and keep them", 0, 0},
    {"svg", CLI_TEXT, "FILE", "draw the machine and its ceilings into FILE too", 0, 0},
    {"topology", CLI_TEXT, "T",
     "draw another machine, and measure nothing: a file that lstopo saved as XML, or words such "
     "as \"package:2 l3:1 core:8 pu:2\"",
     0, 0},
    CLI_OPTION_JSON,
    CLI_OPTION_END,
};

/* What hone can use where it is built with it. */
static const struct {
    const char *name, *what;
} absent[] = {
    {"onednn", "Intel's oneDNN as a candidate"},    {"cblas", "the system's CBLAS as a candidate"},
    {"xsmm", "LIBXSMM as a candidate"},             {"opencl", "OpenCL devices"},
    {"cuda", "NVIDIA devices, cuBLASLt and cuDNN"},
};

typedef enum origin { ORIGIN_NONE, ORIGIN_KEPT, ORIGIN_MEASURED, ORIGIN_NOT_KEPT } origin;

/* What the silicon gives, whatever HONE_ISA allows of it: the figures are kept for later runs. */
hone_status cli_measure_ceilings(hone_be_device *device)
{
    hone_cpu_facts full = device->cpu;
    hone_ceilings  found;
    full.isa = hone_cpu_isa();
    full.extensions = hone_cpu_extensions();
    hone_ceilings_options how = {.threads = device->threads, .memory_bytes = device->memory_bytes};
    cli_progress("measuring the ceilings of %s ...", device->name);
    hone_status status = hone_ceilings_measure(&full, &how, &found);
    cli_progress(NULL);
    if (status != HONE_OK) return status;
    device->ceilings = found;
    device->ceilings_known = true;
    return HONE_OK;
}

static origin find_ceilings(const cli_call *call, hone_be_device *device)
{
    if (strcmp(device->backend->name, "cpu")) return device->ceilings_known ? ORIGIN_KEPT : ORIGIN_NONE;
    if (!cli_given(call, "measure")) {
        hone_status kept = hone_rt_profile_load(device, NULL, &device->ceilings);
        device->ceilings_known = kept == HONE_OK;
        if (device->ceilings_known) return ORIGIN_KEPT;
        if (kept != HONE_ERROR_NOT_FOUND) cli_say(call, "%s; measuring again", hone_last_error());
    }
    if (cli_measure_ceilings(device) != HONE_OK) {
        cli_say(call, "the ceilings of %s could not be measured: %s", device->name, hone_last_error());
        return ORIGIN_NONE;
    }
    if (hone_rt_profile_save(device, NULL, &device->ceilings) == HONE_OK) return ORIGIN_MEASURED;
    cli_say(call, "the ceilings could not be kept: %s", hone_last_error());
    return ORIGIN_NOT_KEPT;
}

static const char *origin_text(origin from)
{
    switch (from) {
    case ORIGIN_KEPT: return "kept";
    case ORIGIN_MEASURED: return "measured now, and kept";
    case ORIGIN_NOT_KEPT: return "measured now, and not kept";
    case ORIGIN_NONE: break;
    }
    return "not measured";
}

/* Writes the drawing where it is asked for; CLI_FINE also where it is not. */
static int draw_svg(const cli_call *call, const hone_machine *machine, const char *label, const hone_be_device *device)
{
    const char *path = cli_text(call, "svg", NULL);
    size_t      bytes;
    if (!path) return CLI_FINE;
    char       *text = cli_draw_svg(machine, label, device, &bytes);
    hone_status status = hone_file_write(path, text, bytes);
    free(text);
    return status == HONE_OK ? CLI_FINE : cli_fail_status(call, status);
}

/* --topology: a machine that is not here. */
static int another(const cli_call *call, const char *text)
{
    hone_machine machine;
    if (hone_machine_described(text, &machine) != HONE_OK) return cli_fail(call, "%s", hone_last_error());
    int code = draw_svg(call, &machine, *machine.model ? machine.model : text, NULL);
    if (code == CLI_FINE && call->json) {
        json_t *answer = cli_answer(call);
        cli_set(answer, "topology", cli_string(text));
        cli_set(answer, "machine", cli_machine_json(&machine));
        cli_print_json(answer);
    } else if (code == CLI_FINE) {
        fputs(cli_painted(stdout, CLI_BOLD), stdout);
        cli_wrap(stdout, 0, *machine.model ? machine.model : text);
        fputs(cli_painted(stdout, CLI_PLAIN), stdout);
        cli_draw_text(stdout, &machine);
    }
    hone_machine_free(&machine);
    return code;
}

/* What this process may use of the machine, and what it is worth. */
static char *share_text(const hone_machine *machine, const hone_cpu_layout *layout)
{
    char *quota = layout->quota > 0 ? cli_format(", %.3g CPUs' time by its control group", layout->quota)
                                    : cli_format("%s", "");
    char *text = cli_format("this process may use %d of %d cores%s: %d thread%s at once", layout->cores, machine->cores,
                            quota, layout->at_once, layout->at_once == 1 ? "" : "s");
    free(quota);
    return text;
}

static json_t *share_json(const hone_cpu_layout *layout)
{
    json_t *it = cli_object(), *kinds = cli_array(), *nodes = cli_array();
    cli_set(it, "cores", json_integer(layout->cores));
    cli_set(it, "hardware_threads", json_integer(layout->threads));
    cli_set(it, "at_once", json_integer(layout->at_once));
    cli_set(it, "quota_cpus", layout->quota > 0 ? cli_real(layout->quota) : json_null());
    cli_set(it, "packages", json_integer(layout->packages));
    cli_set(it, "numa_nodes", json_integer(layout->nodes));
    cli_set(it, "l3s", json_integer(layout->l3s));
    for (int node = 0; node < layout->nodes && node < HONE_CPU_NODES_MAX; node++)
        cli_append(nodes, json_integer((json_int_t)layout->node_bytes[node]));
    cli_set(it, "numa_node_bytes", nodes);
    for (int kind = 0; kind < HONE_CPU_KINDS_MAX && layout->kinds[kind]; kind++)
        cli_append(kinds, json_integer(layout->kinds[kind]));
    cli_set(it, "kind_cores", kinds);
    return it;
}

/* The machine around a CPU device: into the answer, or drawn. */
static int show_machine(const cli_call *call, const hone_be_device *device, json_t *answer)
{
    hone_machine    machine;
    hone_cpu_layout layout;
    int             code = CLI_FINE;
    hone_cpu_layout_here(&layout);
    if (hone_machine_here(&machine) != HONE_OK) {
        cli_say(call, "the machine cannot be drawn: %s", hone_last_error());
        return cli_given(call, "svg") ? CLI_UNUSABLE : CLI_FINE;
    }
    code = draw_svg(call, &machine, device->label, device);
    if (answer) {
        cli_set(answer, "machine", cli_machine_json(&machine));
        cli_set(answer, "share", share_json(&layout));
    } else {
        char *share = share_text(&machine, &layout);
        printf("\n");
        cli_draw_text(stdout, &machine);
        printf("  %s\n", share);
        free(share);
    }
    hone_machine_free(&machine);
    return code;
}

static json_t *to_json(const hone_be_device *device, origin from, const char *path)
{
    json_t *it = cli_device_json(device);
    cli_set(it, "ceilings_from", cli_string(origin_text(from)));
    cli_set(it, "profile", cli_string(*path ? path : NULL));
    cli_set(it, "ceilings", from == ORIGIN_NONE ? json_null() : cli_ceilings_json(&device->ceilings));
    return it;
}

static void to_text(const hone_be_device *device, origin from, const char *path)
{
    cli_show_device(stdout, device);
    printf("  ceilings      %s\n", origin_text(from));
    if (*path) printf("  profile       %s\n", path);
}

/* NULL: it is here. Else why not. */
static const char *why_absent(const hone_rt_context *context, const char *name)
{
    hone_rt_module_remark remarks[48];
    int                   count = hone_rt_module_remarks(context, remarks, 48);
    for (int i = 0; i < count; i++)
        if (!strcmp(remarks[i].name, name)) return *remarks[i].sentence ? remarks[i].sentence : NULL;
    return hone_option_get(HONE_OPTION_MODULES) ? "HONE_MODULES is off" : "not part of this build";
}

static json_t *absent_json(const hone_rt_context *context)
{
    json_t *list = cli_array();
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
        const char *why = why_absent(context, absent[i].name);
        if (!why) continue;
        json_t *it = cli_object();
        cli_set(it, "name", cli_string(absent[i].name));
        cli_set(it, "what", cli_string(absent[i].what));
        cli_set(it, "why", cli_string(why));
        cli_append(list, it);
    }
    return list;
}

static void absent_text(const hone_rt_context *context)
{
    cli_table *table = cli_table_new((const char *[]){"missing", "", "~why", NULL});
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
        const char *why = why_absent(context, absent[i].name);
        if (why) cli_table_row(table, (const char *[]){absent[i].name, absent[i].what, why});
    }
    printf("\n");
    cli_table_print(table, stdout, 0);
}

/* Kernels behind which something other than hone stands, of all ops; gives how many. */
static int others(const hone_rt_context *context, const hone_be_device *device, const hone_kernel **out)
{
    const hone_op *op;
    int            count = 0;
    for (int i = 0; (op = hone_rt_op_at(context, i)) && count < HONE_RT_KERNELS_MAX; i++) {
        int all = hone_rt_kernels(context, op, device, out + count, HONE_RT_KERNELS_MAX - count), kept = count;
        for (int k = count; k < count + all; k++)
            if (hone_kernel_is_foreign(out[k], device)) out[kept++] = out[k];
        count = kept;
    }
    return count;
}

static json_t *libraries_json(const hone_rt_context *context, const hone_be_device *device)
{
    const hone_kernel *kernels[HONE_RT_KERNELS_MAX];
    json_t            *list = cli_array();
    int                count = others(context, device, kernels);
    for (int i = 0; i < count; i++) {
        json_t *it = cli_object();
        cli_set(it, "kernel", cli_string(kernels[i]->name));
        cli_set(it, "op", cli_string(kernels[i]->op));
        cli_set(it, "library", cli_string(kernels[i]->identity(device)));
        cli_append(list, it);
    }
    return list;
}

static void libraries_text(const hone_rt_context *context, const hone_be_device *device)
{
    const hone_kernel *kernels[HONE_RT_KERNELS_MAX];
    int                count = others(context, device, kernels);
    for (int i = 0; i < count; i++)
        printf("  %-13s %s: %s\n", i ? "" : "libraries", kernels[i]->name, kernels[i]->identity(device));
}

static int devices(const cli_call *call)
{
    cli_hone         hone;
    cli_hone_options how = {.device = cli_text(call, "device", NULL), .quiet = true};
    const char      *topology = cli_text(call, "topology", NULL);
    if (topology && (how.device || cli_given(call, "measure")))
        return cli_fail(call, "--topology is of a machine that is not here: it takes no --device and no --measure");
    if (topology) return another(call, topology);
    int code = cli_open(call, &how, &hone);
    if (code != CLI_FINE) return code;

    json_t *list = cli_array();
    int     shown = 0;
    for (int i = 0; i < hone_rt_device_count(hone.context) && code == CLI_FINE; i++) {
        hone_be_device *device = hone_rt_device_at(hone.context, i);
        char            path[4096];
        bool            cpu = !strcmp(device->backend->name, "cpu");
        if (how.device && device != hone.device) continue;
        origin from = find_ceilings(call, device);
        if (hone_rt_profile_path(device, NULL, path, sizeof path) != HONE_OK) *path = 0;
        if (call->json) {
            json_t *it = to_json(device, from, path);
            if (cpu) code = show_machine(call, device, it);
            cli_set(it, "libraries", libraries_json(hone.context, device));
            cli_append(list, it);
            continue;
        }
        if (shown++) printf("\n");
        to_text(device, from, path);
        libraries_text(hone.context, device);
        if (cpu) code = show_machine(call, device, NULL);
        if (from != ORIGIN_NONE) cli_show_ceilings(stdout, device, &device->ceilings);
    }
    if (call->json) {
        json_t *answer = cli_answer(call);
        cli_set(answer, "devices", list);
        cli_set(answer, "missing", absent_json(hone.context));
        cli_print_json(answer);
    } else {
        json_decref(list);
        absent_text(hone.context);
    }
    cli_close(&hone);
    return code;
}

const cli_verb cli_verb_devices = {
    .name = "devices",
    .line = "what is here, where it sits, what it can do, and what is missing",
    .usage = "",
    .examples = "  hone devices               measures the ceilings once, then reads them\n"
                "  hone devices --measure     measures them again\n"
                "  hone devices --json | jq '.devices[0].ceilings.flops'\n"
                "  hone devices --svg machine.svg\n"
                "  hone devices --topology \"package:8 numanode:2 l3:1 core:16 pu:2\"\n",
    .more = "Ceilings are what the machine gave when it was measured: arithmetic for each type and instruction set, "
            "bandwidth for each level of memory, by one thread and by all. They are kept in the profile of this "
            "silicon (HONE_PROFILE_PATH, else the user's data folder), and estimates and rooflines rest on them.",
    .options = options,
    .words_max = 0,
    .run = devices,
};
