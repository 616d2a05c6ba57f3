/* A device and its ceilings, as text and as JSON. */
#include "cli/show.h"

#include <stdlib.h>
#include <string.h>

#include "backends/cpu/cpu.h"

static const char *const level_names[HONE_LEVEL_COUNT] = {"l1", "l2", "l3", "memory"};
static const char *const level_titles[HONE_LEVEL_COUNT] = {"L1", "L2", "L3", "memory"};
static const char *const width_names[HONE_WIDTH_COUNT] = {"one", "all"};

static void add_fact(cli_table *table, const char *name, char *text)
{
    cli_table_row(table, (const char *[]){name, text});
    free(text);
}

static char *caches_text(const hone_cpu_facts *cpu)
{
    char *text = cli_format("%s", "");
    for (int level = 0; level < HONE_LEVEL_MEMORY; level++) {
        if (!cpu->cache_bytes[level]) continue;
        char *longer = cli_format("%s%s%s %s", text, *text ? ", " : "", level_titles[level],
                                  cli_bytes((double)cpu->cache_bytes[level]).text);
        free(text);
        text = longer;
        if (cpu->cache_cores[level] > 1) {
            longer = cli_format("%s for %d cores", text, cpu->cache_cores[level]);
            free(text);
            text = longer;
        }
    }
    return text;
}

void cli_show_device(FILE *out, const hone_be_device *device)
{
    fprintf(out, "%s%s%s  %s\n", cli_painted(out, CLI_BOLD), device->name, cli_painted(out, CLI_PLAIN), device->label);
    cli_table *table = cli_table_new((const char *[]){"", "~", NULL});
    add_fact(table, "instructions", cli_format("%s", device->instructions));
    if (device->cpu.cores)
        add_fact(table, "cores",
                 cli_format("%d for this process, %d thread%s at once", device->cpu.cores, device->threads,
                            device->threads == 1 ? "" : "s"));
    if (device->cpu.cores) add_fact(table, "caches", caches_text(&device->cpu));
    add_fact(table, "memory", cli_format("%s", cli_bytes((double)device->memory_bytes).text));
    add_fact(table, "silicon", cli_format("%s", device->fingerprint));
    cli_table_print(table, out, 2);
}

static void show_arithmetic(FILE *out, const hone_ceilings *ceilings, const char *all)
{
    cli_table *table = cli_table_new((const char *[]){"arithmetic", "", ">1 thread", all, NULL});
    int        rows = 0;
    for (int type = 1; type <= HONE_DTYPE_LAST; type++)
        for (int isa = HONE_ISA_COUNT - 1; isa >= 0; isa--) {
            const double *figures = ceilings->flops[isa][type];
            if (!(figures[HONE_WIDTH_ONE] > 0) && !(figures[HONE_WIDTH_ALL] > 0)) continue;
            cli_figure one = cli_rate(figures[HONE_WIDTH_ONE], type >= HONE_S64 ? "OP/s" : "FLOP/s");
            cli_figure team = cli_rate(figures[HONE_WIDTH_ALL], type >= HONE_S64 ? "OP/s" : "FLOP/s");
            cli_table_row(table, (const char *[]){hone_dtype_name((hone_dtype)type), hone_cpu_isa_name((hone_isa)isa),
                                                  one.text, team.text});
            rows++;
        }
    if (!rows) cli_table_row(table, (const char *[]){"not measured", "", "", ""});
    cli_table_print(table, out, 2);
}

static void show_bandwidth(FILE *out, const hone_ceilings *ceilings, const char *all)
{
    cli_table *table =
        cli_table_new((const char *[]){"bandwidth", ">read, 1 thread", all, ">copy, 1 thread", all, NULL});
    for (int level = 0; level < HONE_LEVEL_COUNT; level++) {
        const double *read = ceilings->read[level], *copy = ceilings->copy[level];
        if (!(read[HONE_WIDTH_ONE] > 0)) continue;
        cli_figure figures[4] = {cli_rate(read[HONE_WIDTH_ONE], "B/s"), cli_rate(read[HONE_WIDTH_ALL], "B/s"),
                                 cli_rate(copy[HONE_WIDTH_ONE], "B/s"), cli_rate(copy[HONE_WIDTH_ALL], "B/s")};
        cli_table_row(table, (const char *[]){level_titles[level], figures[0].text, figures[1].text, figures[2].text,
                                              figures[3].text});
    }
    cli_table_print(table, out, 2);
}

void cli_show_ceilings(FILE *out, const hone_be_device *device, const hone_ceilings *ceilings)
{
    char *all = cli_format(">%d thread%s", device->threads, device->threads == 1 ? "" : "s");
    fputc('\n', out);
    show_arithmetic(out, ceilings, all);
    fputc('\n', out);
    show_bandwidth(out, ceilings, all);
    free(all);
    fprintf(out, "\n  an empty launch %s, to all threads and back %s\n", cli_time(ceilings->launch_seconds).text,
            cli_time(ceilings->fork_seconds).text);
}

/* --- JSON ------------------------------------------------------------------------------------------------------ */

json_t *cli_device_json(const hone_be_device *device)
{
    json_t *it = cli_object(), *caches = cli_array();
    cli_set(it, "name", cli_string(device->name));
    cli_set(it, "label", cli_string(device->label));
    cli_set(it, "instructions", cli_string(device->instructions));
    cli_set(it, "fingerprint", cli_string(device->fingerprint));
    cli_set(it, "threads", json_integer(device->threads));
    cli_set(it, "memory_bytes", json_integer((json_int_t)device->memory_bytes));
    if (device->cpu.cores) cli_set(it, "cores", json_integer(device->cpu.cores));
    for (int level = 0; level < HONE_LEVEL_MEMORY; level++) {
        if (!device->cpu.cache_bytes[level]) continue;
        json_t *cache = cli_object();
        cli_set(cache, "level", json_integer(level + 1));
        cli_set(cache, "bytes", json_integer((json_int_t)device->cpu.cache_bytes[level]));
        cli_set(cache, "cores", json_integer(device->cpu.cache_cores[level]));
        cli_append(caches, cache);
    }
    cli_set(it, "caches", caches);
    return it;
}

static json_t *widths_json(const double figures[HONE_WIDTH_COUNT])
{
    json_t *it = cli_object();
    for (int width = 0; width < HONE_WIDTH_COUNT; width++)
        if (figures[width] > 0) cli_set(it, width_names[width], cli_real(figures[width]));
    return it;
}

static json_t *levels_json(const double figures[HONE_LEVEL_COUNT][HONE_WIDTH_COUNT])
{
    json_t *it = cli_object();
    for (int level = 0; level < HONE_LEVEL_COUNT; level++)
        if (figures[level][HONE_WIDTH_ONE] > 0) cli_set(it, level_names[level], widths_json(figures[level]));
    return it;
}

json_t *cli_ceilings_json(const hone_ceilings *ceilings)
{
    json_t *it = cli_object(), *flops = cli_object();
    for (int isa = 0; isa < HONE_ISA_COUNT; isa++) {
        json_t *types = cli_object();
        for (int type = 1; type <= HONE_DTYPE_LAST; type++)
            if (ceilings->flops[isa][type][HONE_WIDTH_ONE] > 0)
                cli_set(types, hone_dtype_name((hone_dtype)type), widths_json(ceilings->flops[isa][type]));
        if (json_object_size(types))
            cli_set(flops, hone_cpu_isa_name((hone_isa)isa), types);
        else
            json_decref(types);
    }
    cli_set(it, "flops", flops);
    cli_set(it, "read", levels_json(ceilings->read));
    cli_set(it, "copy", levels_json(ceilings->copy));
    cli_set(it, "launch_seconds", cli_real(ceilings->launch_seconds));
    cli_set(it, "fork_seconds", cli_real(ceilings->fork_seconds));
    return it;
}
