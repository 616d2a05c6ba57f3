/* Machines written down as Linux tells of them: folders with the files of /sys and /proc that a reader of topologies
 * asks, made from a few numbers. Our own reader and hwloc can then be sent into the same folder. */
#ifndef TESTS_BACKENDS_RECORDED_H
#define TESTS_BACKENDS_RECORDED_H

#include <stdbool.h>
#include <stdint.h>

#include <hwloc.h>

/* Says what kind of core the CPUs of a set are, in the words of hwloc 2 or 3; efficiency -1: not known. 0 or -1. */
static inline int record_kind(hwloc_topology_t topology, hwloc_bitmap_t set, int efficiency, const char *type)
{
    struct hwloc_info_s info = {(char *)(uintptr_t) "CoreType", (char *)(uintptr_t)type};
#if HWLOC_API_VERSION >= 0x00030000
    struct hwloc_infos_s infos = {.array = &info, .count = 1};
    return hwloc_cpukinds_register(topology, set, efficiency, &infos, 0);
#else
    return hwloc_cpukinds_register(topology, set, efficiency, 1, &info, 0);
#endif
}

typedef struct recorded_machine {
    const char *name;
    int         strong, weak;   /* cores of each kind, numbered in that order; capacity tells them apart on ARM */
    int         smt;            /* threads of a strong core; a weak one has one */
    bool        neighbours;     /* threads of a core have numbers side by side, else all first threads come first */
    bool        older_names;    /* of the files: thread_siblings for core_cpus, core_siblings for package_cpus */
    bool        capacities;     /* kinds are told as on ARM, else as on Intel's hybrids */
    int         l2_weak;        /* weak cores that share an L2 */
    int         l3_cores;       /* cores that share an L3; 0: there is none */
    int         node_cores, package_cores;
    const char *l1, *l2, *l3;   /* sizes, "32K"; l1 NULL: nothing is told of caches */
    const char *l2_weak_size;
    long        node_kib;       /* memory of a node */
    const char *offline;        /* CPUs that are present and off; NULL: none */
    const char *cpu_max;        /* "150000 100000"; NULL: no limit */
    const char *group_cpus;     /* cpuset.cpus.effective; NULL: not told */
} recorded_machine;

/* Writes it under `root`: root/sys and root/proc. Ends the test where that fails. */
void record_machine(const char *root, const recorded_machine *machine);

#endif
