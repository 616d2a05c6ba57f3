/* The CPU as a device: always there. Work runs inside the call that queues it, so nothing is ever late. */
#ifndef HONE_BACKENDS_CPU_H
#define HONE_BACKENDS_CPU_H

#include "backends/backend.h"
#include "backends/cpu/pool.h"

extern const hone_backend hone_cpu_backend;

/* The highest instruction set that the CPU and the operating system both give. Cheap; no allocation. */
hone_isa    hone_cpu_isa(void);
unsigned    hone_cpu_extensions(void);
const char *hone_cpu_isa_name(hone_isa isa);

/* What cpuid and xgetbv answer; 0 where there is nothing to ask. */
typedef struct hone_cpu_words {
    unsigned leaf_max, leaf1_ecx, leaf7_eax, leaf7_ebx, leaf7_ecx, leaf7_edx, leaf7_1_eax;
    uint64_t xcr0;        /* the registers that the operating system saves */
    bool     tiles_given; /* a process that asks the system for AMX's tiles gets them */
} hone_cpu_words;

void hone_cpu_words_here(hone_cpu_words *out);
/* What such answers allow: the level, and the HONE_CPU_... beyond it. */
hone_isa hone_cpu_isa_of(const hone_cpu_words *words, unsigned *extensions);

/* Those of the extensions that kernels of that level may use. */
static inline unsigned hone_cpu_extensions_at(hone_isa isa, unsigned extensions)
{
    return isa == HONE_ISA_AVX512 ? extensions : isa == HONE_ISA_AVX2 ? extensions & HONE_CPU_AVX_VNNI : 0;
}

/* "portable", "avx2" or "avx512"; false for anything else. */
bool hone_cpu_isa_parse(const char *text, hone_isa *out);

/* work(argument, chunk) once for each chunk, on the team's threads where there are several and the work is worth it,
 * else in order. `seconds`: what all of it is believed to take on one thread; <= 0: not known. */
static inline void hone_cpu_each(const hone_team *team, int chunks, double seconds,
                                 void (*work)(void *argument, int chunk), void *argument)
{
    if (chunks < 2 || team->count < 2 || (seconds > 0 && seconds < HONE_CPU_FORK_SECONDS))
        for (int i = 0; i < chunks; i++) work(argument, i);
    else if (team->threads)
        team->threads->run(team->threads->user, chunks, work, argument);
    else
        hone_cpu_pool_run(team->count, chunks, seconds, work, argument);
}

#endif
