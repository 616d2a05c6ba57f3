/* Where this process may compute, and what caches and memory it has there: a summary, made when a context is. The whole
 * machine, part by part, is in machine.h. */
#ifndef HONE_BACKENDS_CPU_TOPOLOGY_H
#define HONE_BACKENDS_CPU_TOPOLOGY_H

#include <hwloc.h>

#include "backends/backend.h"

enum { HONE_CPU_KINDS_MAX = 4, HONE_CPU_NODES_MAX = 64, HONE_CPU_MASK_WORDS = 8192 / 64 };

/* CPUs by number, as Linux counts them. */
typedef struct hone_cpu_mask {
    uint64_t word[HONE_CPU_MASK_WORDS];
} hone_cpu_mask;

/* All counts are of what this process may use: of cores of which it may use one thread at least, and of what has such
 * cores in it. 0 is "not known". */
typedef struct hone_cpu_layout {
    int      cores, threads;            /* threads: hardware threads, of a core one or more */
    int           at_once; /* threads worth having: one a core, fewer where control groups give less time */
    double   quota;                     /* how many CPUs' time they give; 0: no limit */
    int      kinds[HONE_CPU_KINDS_MAX]; /* cores of each kind, the strongest first */
    int      packages, nodes;           /* at least 1 each */
    int      l3s;                       /* caches of the third level */
    uint64_t node_bytes[HONE_CPU_NODES_MAX]; /* of the first so many of these nodes, by number; 0: not told */
    size_t   cache_bytes[HONE_LEVEL_MEMORY]; /* as the strongest kind sees them */
    int      cache_cores[HONE_LEVEL_MEMORY]; /* how many of these cores share one */
    size_t   line_bytes;
    uint64_t memory_bytes; /* of the whole machine, or what control groups allow of it */
    hone_cpu_mask first;   /* one CPU of each of these cores: where threads are bound, if they are */
    char     model[96];    /* in its maker's words; may be empty */
} hone_cpu_layout;

/* From the kernel's own files under `sys` ("/sys") and `proc` ("/proc"), as far as they tell, for CPUs in `usable`. A
 * few dozen small reads: well below a millisecond. False when not even the cores are told. */
bool hone_cpu_layout_read(const char *sys, const char *proc, const hone_cpu_mask *usable, hone_cpu_layout *out);

/* The same from a loaded hwloc topology, which tells nothing of quotas; `usable` NULL: all it has. */
bool hone_cpu_layout_of(hwloc_topology_t topology, hwloc_const_cpuset_t usable, hone_cpu_layout *out);

/* The same for this process, through hwloc. Its plugins and its load take ten milliseconds and more: the way for
 * machines whose files tell nothing, and the second opinion. */
bool hone_cpu_layout_by_hwloc(hone_cpu_layout *out);

/* What control groups allow of a layout's CPU time and memory: sets quota, at_once, memory_bytes. */
void hone_cpu_layout_limit(const char *sys, const char *proc, hone_cpu_layout *layout);

/* Takes from `mask` the CPUs outside the process's group; never all of it. */
void hone_cpu_mask_limit(const char *sys, const char *proc, hone_cpu_mask *mask);

/* The kinds of cores that the kernel names, as sets of CPUs, the strongest first, for the caller to free; gives how
 * many, 0 where all are alike. */
int hone_cpu_kinds_of(hwloc_topology_t topology, hwloc_bitmap_t out[HONE_CPU_KINDS_MAX]);

/* The CPUs that this process may run on; empty when the system does not tell. */
void hone_cpu_usable(hone_cpu_mask *out);

/* This process's layout, by the best source there is; what stays unknown gets cautious defaults. Never fails. */
void hone_cpu_layout_here(hone_cpu_layout *out);

/* What the device says of itself with that layout, no kernel above `isa_limit`. */
void hone_cpu_describe(const hone_cpu_layout *layout, hone_isa isa_limit, hone_be_device *out);

int hone_cpu_mask_count(const hone_cpu_mask *mask);
/* The first CPU of the mask from `cpu` on; -1: none. */
int hone_cpu_mask_next(const hone_cpu_mask *mask, int cpu);
/* "0-3,8": false for anything that is no such list of CPUs. */
bool hone_cpu_mask_parse(const char *text, hone_cpu_mask *out);

static inline bool hone_cpu_mask_has(const hone_cpu_mask *mask, int cpu)
{
    return cpu >= 0 && cpu < HONE_CPU_MASK_WORDS * 64 && mask->word[cpu / 64] >> (cpu % 64) & 1;
}

#endif
