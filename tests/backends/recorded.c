/* Writes a machine's files: see recorded.h. Sets of CPUs go into lists ("0-3") and maps ("0000000f"), for the kernel
 * writes both and readers differ. */
#include "tests/backends/recorded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <sys/stat.h>

#include "backends/cpu/topology.h"

enum { CPUS_MAX = 512 };

struct cpu {
    bool on, weak;
    int  core, thread, l2, l3, node, package;
};

struct writer {
    const char             *root;
    const recorded_machine *machine;
    struct cpu              cpu[CPUS_MAX];
    int                     cpus;
};

static void put(const struct writer *w, const char *text, const char *format, ...) HONE_PRINTF(3, 4);
static void put(const struct writer *w, const char *text, const char *format, ...)
{
    char    path[512];
    va_list list;
    int     length = snprintf(path, sizeof path, "%s/", w->root);
    va_start(list, format);
    vsnprintf(path + length, sizeof path - (size_t)length, format, list);
    va_end(list);
    FILE *file = fopen(path, "w");
    if (!file) { /* the folders are missing */
        for (char *at = path + length; (at = strchr(at, '/')); *at++ = '/') {
            *at = 0;
            mkdir(path, 0700);
        }
        file = fopen(path, "w");
    }
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void put_number(const struct writer *w, long number, const char *format, int index)
{
    char text[32], path[256];
    snprintf(text, sizeof text, "%ld\n", number);
    snprintf(path, sizeof path, format, index);
    put(w, text, "%s", path);
}

/* Where each CPU is. */
static void place(struct writer *w)
{
    const recorded_machine *m = w->machine;
    hone_cpu_mask           off;
    int                     cores = m->strong + m->weak;
    assert_true(hone_cpu_mask_parse(m->offline ? m->offline : "", &off));
    w->cpus = m->strong * m->smt + m->weak;
    assert_in_range(w->cpus, 1, CPUS_MAX);
    assert_true(m->weak == 0 || m->neighbours);
    for (int cpu = 0; cpu < w->cpus; cpu++) {
        struct cpu *it = &w->cpu[cpu];
        it->weak = cpu >= m->strong * m->smt;
        it->core = it->weak ? m->strong + cpu - m->strong * m->smt : m->neighbours ? cpu / m->smt : cpu % cores;
        it->thread = it->weak ? 0 : m->neighbours ? cpu % m->smt : cpu / cores;
        it->on = !hone_cpu_mask_has(&off, cpu);
        it->l2 = it->weak ? m->strong + (it->core - m->strong) / m->l2_weak : it->core;
        it->l3 = m->l3_cores ? it->core / m->l3_cores : 0;
        it->node = it->core / m->node_cores;
        it->package = it->core / m->package_cores;
    }
}

typedef int (*group_of)(const struct cpu *cpu);
static int of_core(const struct cpu *cpu) { return cpu->core; }
static int of_l2(const struct cpu *cpu) { return cpu->l2; }
static int of_l3(const struct cpu *cpu) { return cpu->l3; }
static int of_node(const struct cpu *cpu) { return cpu->node; }
static int of_package(const struct cpu *cpu) { return cpu->package; }
static int of_weak(const struct cpu *cpu) { return cpu->weak; }
static int of_all(const struct cpu *cpu) { return cpu->on; }

/* The CPUs that are on and have `value`, as a list and as a map. */
static void sets(const struct writer *w, group_of group, int value, char list[2048], char map[2048])
{
    uint32_t word[CPUS_MAX / 32] = {0};
    int      last = -1, at = 0, words = (w->cpus + 31) / 32;
    list[0] = map[0] = 0;
    for (int cpu = 0; cpu < w->cpus; cpu++) {
        if (!w->cpu[cpu].on || group(&w->cpu[cpu]) != value) continue;
        word[cpu / 32] |= (uint32_t)1 << (cpu % 32);
        bool goes_on = cpu + 1 < w->cpus && w->cpu[cpu + 1].on && group(&w->cpu[cpu + 1]) == value;
        if (last != cpu - 1 || last < 0) at += sprintf(list + at, "%s%d", at ? "," : "", cpu);
        else if (!goes_on) at += sprintf(list + at, "-%d", cpu);
        last = cpu;
    }
    strcpy(list + at, "\n");
    for (int i = words - 1; i >= 0; i--) sprintf(map + strlen(map), "%08x%s", word[i], i ? "," : "\n");
}

static void put_set(const struct writer *w, group_of group, int value, int cpu, const char *list_name,
                    const char *map_name)
{
    char list[2048], map[2048];
    sets(w, group, value, list, map);
    put(w, list, "sys/devices/system/cpu/cpu%d/%s", cpu, list_name);
    put(w, map, "sys/devices/system/cpu/cpu%d/%s", cpu, map_name);
}

static void put_cache(const struct writer *w, int cpu, int index, int level, const char *type, const char *size,
                      group_of group)
{
    char name[64], list[96], map[96];
    snprintf(name, sizeof name, "sys/devices/system/cpu/cpu%d/cache/index%d", cpu, index);
    snprintf(list, sizeof list, "cache/index%d/shared_cpu_list", index);
    snprintf(map, sizeof map, "cache/index%d/shared_cpu_map", index);
    put_set(w, group, group(&w->cpu[cpu]), cpu, list, map);
    put(w, level == 1 ? "1\n" : level == 2 ? "2\n" : "3\n", "%s/level", name);
    put(w, type, "%s/type", name);
    put(w, size, "%s/size", name);
    put(w, "64\n", "%s/coherency_line_size", name);
}

static void put_cpu(const struct writer *w, int cpu)
{
    const recorded_machine *m = w->machine;
    const struct cpu       *it = &w->cpu[cpu];
    /* lists of siblings exist under the older name in every kernel, maps and packages under the newer one as well */
    put_set(w, of_core, it->core, cpu, "topology/thread_siblings_list",
            m->older_names ? "topology/thread_siblings" : "topology/core_cpus");
    put_set(w, of_package, it->package, cpu,
            m->older_names ? "topology/core_siblings_list" : "topology/package_cpus_list",
            m->older_names ? "topology/core_siblings" : "topology/package_cpus");
    put_number(w, it->core, "sys/devices/system/cpu/cpu%d/topology/core_id", cpu);
    put_number(w, it->package, "sys/devices/system/cpu/cpu%d/topology/physical_package_id", cpu);
    if (m->capacities) put_number(w, it->weak ? 400 : 1024, "sys/devices/system/cpu/cpu%d/cpu_capacity", cpu);
    if (!m->l1) return;
    put_cache(w, cpu, 0, 1, "Data\n", m->l1, of_core);
    put_cache(w, cpu, 1, 1, "Instruction\n", "32K\n", of_core);
    put_cache(w, cpu, 2, 2, "Unified\n", it->weak && m->l2_weak_size ? m->l2_weak_size : m->l2, of_l2);
    if (m->l3_cores) put_cache(w, cpu, 3, 3, "Unified\n", m->l3, of_l3);
}

static void put_nodes(const struct writer *w)
{
    char list[2048], map[2048], text[256];
    int  nodes = w->cpu[w->cpus - 1].node + 1;
    snprintf(text, sizeof text, "0-%d\n", nodes - 1);
    put(w, nodes > 1 ? text : "0\n", "sys/devices/system/node/online");
    for (int node = 0; node < nodes; node++) {
        sets(w, of_node, node, list, map);
        put(w, list, "sys/devices/system/node/node%d/cpulist", node);
        put(w, map, "sys/devices/system/node/node%d/cpumap", node);
        snprintf(text, sizeof text, "Node %d MemTotal:       %ld kB\n", node, w->machine->node_kib);
        put(w, text, "sys/devices/system/node/node%d/meminfo", node);
    }
    snprintf(text, sizeof text, "MemTotal:       %ld kB\n", w->machine->node_kib * nodes);
    put(w, text, "proc/meminfo");
}

void record_machine(const char *root, const recorded_machine *machine)
{
    static struct writer w;
    static char          info[CPUS_MAX * 64];
    char                 list[2048], map[2048];
    bool                 part_off = machine->offline != NULL;
    memset(&w, 0, sizeof w);
    w.root = root;
    w.machine = machine;
    place(&w);
    sets(&w, of_all, true, list, map);
    put(&w, list, "sys/devices/system/cpu/online");
    put(&w, machine->smt > 1 ? "1\n" : "0\n", "sys/devices/system/cpu/smt/active");
    info[0] = 0;
    for (int cpu = 0, at = 0; cpu < w.cpus; cpu++) {
        if (part_off) put_number(&w, w.cpu[cpu].on, "sys/devices/system/cpu/cpu%d/online", cpu);
        if (!w.cpu[cpu].on) continue;
        put_cpu(&w, cpu);
        at += sprintf(info + at, "processor\t: %d\nmodel name\t: Recorded %s\n\n", cpu, machine->name);
    }
    put(&w, info, "proc/cpuinfo");
    put_nodes(&w);
    if (machine->weak && !machine->capacities) {
        sets(&w, of_weak, false, list, map);
        put(&w, list, "sys/devices/cpu_core/cpus");
        sets(&w, of_weak, true, list, map);
        put(&w, list, "sys/devices/cpu_atom/cpus");
    }
    put(&w, "0::/box\n", "proc/self/cgroup");
    if (machine->cpu_max) put(&w, machine->cpu_max, "sys/fs/cgroup/box/cpu.max");
    if (machine->group_cpus) put(&w, machine->group_cpus, "sys/fs/cgroup/box/cpuset.cpus.effective");
}
