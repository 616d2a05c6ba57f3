/* What this machine can do at most: arithmetic a data type and instruction set, bandwidth a memory level, by one
 * thread and by all. Estimates and rooflines rest on these figures, and a kernel's speed is told as a share of them.
 *
 * A ceiling is the best of many short samples, taken in turns: a sample can be disturbed downwards by a hundred
 * things, upwards by none. */
#ifndef HONE_TUNER_CEILINGS_H
#define HONE_TUNER_CEILINGS_H

#include "backends/backend.h"

typedef struct hone_ceilings_options {
    int      threads;      /* what "all" means; at least 1 */
    uint64_t memory_bytes; /* of the machine, an eighth is used at most; 0: not known, then 256 MiB at most */
    double   budget_s;     /* for all of it; 0: 2 seconds. It does not go on for longer than is useful */
    double   sample_s;     /* 0: half a millisecond */
    hone_status (*launch)(void *self); /* an empty launch, waited for; NULL: a call through a pointer */
    void    *launch_self;
} hone_ceilings_options;

/* Measures with threads of its own, which are gone when it returns. Only instruction sets and extensions that `cpu`
 * says are there are entered; what is not there stays 0. Levels whose size is 0 are left out. */
hone_status hone_ceilings_measure(const hone_cpu_facts *cpu, const hone_ceilings_options *options, hone_ceilings *out);

#endif
