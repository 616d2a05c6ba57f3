/* hone's own threads: one pool for the process, for callers that brought none. Kernels ask hone_cpu_each (cpu.h). */
#ifndef HONE_BACKENDS_CPU_POOL_H
#define HONE_BACKENDS_CPU_POOL_H

#include <stdbool.h>

struct hone_cpu_mask; /* backends/cpu/topology.h */

/* Work that is believed to take less is done by its caller alone: handing it over and back would take as long. */
#define HONE_CPU_FORK_SECONDS 4e-6

/* A call has so many threads at most, its caller's among them. */
enum { HONE_CPU_THREADS_MAX = 4096 };

/* Told when a device is opened: the CPUs that workers may run on; how many threads may compute at once; and, where each
 * worker is to stay on one CPU, on which ones (NULL: as was said before; not bound where nobody asked). Holds for
 * workers made later. */
void hone_cpu_pool_allow(const struct hone_cpu_mask *usable, int threads, const struct hone_cpu_mask *bound);

/* work(argument, chunk) once for each chunk, on the calling thread and at most count - 1 workers; returns when all are
 * done. `seconds`: what all of it is believed to take on one thread; <= 0: not known. Any thread, also one that is
 * in such a chunk. Never fails: without workers the caller does it all. */
void hone_cpu_pool_run(int count, int chunks, double seconds, void (*work)(void *argument, int chunk), void *argument);

/* Ends the workers and waits for that. Calls that run finish on their own threads; later ones make workers again. */
void hone_cpu_pool_stop(void);

/* What the pool looks like at the moment. */
typedef struct hone_cpu_pool_view {
    int       workers, asleep;
    long long helped; /* chunks that workers have run */
    long long lost;   /* times that a worker found somebody else on its CPU, and went to sleep */
    long long hurt;   /* times that somebody else took it in the middle of a job, for long */
} hone_cpu_pool_view;
void hone_cpu_pool_look(hone_cpu_pool_view *out);

#endif
