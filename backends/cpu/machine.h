/* The whole machine as a tree of parts, for those who show it: packages, dies, NUMA nodes, caches, cores, and which of
 * them this process may use. From hwloc: of this machine, of one that was saved as XML, or of one that is described.
 * Making a context does not need it: see topology.h for that. */
#ifndef HONE_BACKENDS_CPU_MACHINE_H
#define HONE_BACKENDS_CPU_MACHINE_H

#include "backends/backend.h"
#include "backends/cpu/topology.h"

typedef enum hone_part_kind {
    HONE_PART_MACHINE,
    HONE_PART_PACKAGE,
    HONE_PART_DIE,
    HONE_PART_GROUP, /* cores that are near one another: a cluster, or those of a NUMA node */
    HONE_PART_CACHE, /* one that several cores share */
    HONE_PART_CORE
} hone_part_kind;

/* Parts stand in one array, each before what is in it; -1 is none. */
typedef struct hone_part {
    hone_part_kind kind;
    int            number;        /* as the system counts packages and cores; -1: it does not */
    int            child, next;   /* the first part in it, and the next one beside it */
    int            level;         /* of a cache: HONE_LEVEL_L1, ... */
    int            nodes, node;   /* NUMA nodes whose memory is nearest to just this part, and the first one's number */
    uint64_t       memory_bytes;  /* theirs */
    uint64_t       cache_bytes[HONE_LEVEL_MEMORY]; /* of a core: its own caches; of a cache: at its level */
    int            core_kind;     /* of a core: 0 is the strongest */
    int            cores, threads;               /* in it */
    int            usable_cores, usable_threads; /* of these; a core is usable when one of its threads is */
    uint64_t       usable;        /* of a core: one bit a thread */
} hone_part;

typedef struct hone_machine {
    hone_part *parts; /* [0] is the machine */
    int        part_count;
    int        packages, nodes, cores, threads;
    int        kinds;                          /* of cores; at least 1 */
    int        kind_cores[HONE_CPU_KINDS_MAX]; /* in all, the strongest first */
    uint64_t   memory_bytes;
    char       model[96];
} hone_machine;

/* This machine. HONE_ERROR_DEVICE: hwloc cannot tell. On failure *out is empty, as hone_machine_free leaves it. */
hone_status hone_machine_here(hone_machine *out) HONE_MUST_USE;

/* A machine saved by "lstopo machine.xml", or in hwloc's words: "package:8 numanode:2 l3:1 core:16 pu:2".
 * HONE_ERROR_NOT_FOUND: a path of no file; HONE_ERROR_FORMAT: neither XML of hwloc nor such words. */
hone_status hone_machine_described(const char *text, hone_machine *out) HONE_MUST_USE;

/* From a loaded topology; `usable` NULL: what the topology allows. */
hone_status hone_machine_of(hwloc_topology_t topology, hwloc_const_cpuset_t usable, hone_machine *out) HONE_MUST_USE;

void hone_machine_free(hone_machine *machine);

/* Are these parts and all in them alike, numbers aside: what one drawing can stand for? */
bool hone_part_alike(const hone_machine *machine, int a, int b);

#endif
