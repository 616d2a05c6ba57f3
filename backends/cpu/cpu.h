/* The CPU as a device: always there. Work runs inside the call that queues it, so nothing is ever late. */
#ifndef HONE_BACKENDS_CPU_H
#define HONE_BACKENDS_CPU_H

#include "backends/backend.h"

extern const hone_backend hone_cpu_backend;

/* The highest instruction set that the CPU and the operating system both give. Cheap; no allocation. */
hone_isa    hone_cpu_isa(void);
unsigned    hone_cpu_extensions(void);
const char *hone_cpu_isa_name(hone_isa isa);
/* "portable", "avx2" or "avx512"; false for anything else. */
bool hone_cpu_isa_parse(const char *text, hone_isa *out);

/* Calls work(argument, chunk) for each chunk, on the team's threads where there are several, else in order. */
static inline void hone_cpu_each(const hone_team *team, int chunks, void (*work)(void *argument, int chunk),
                                 void *argument)
{
    if (chunks > 1 && team->count > 1 && team->threads)
        team->threads->run(team->threads->user, chunks, work, argument);
    else
        for (int i = 0; i < chunks; i++) work(argument, i);
}

#endif
