/* What a stopwatch reads: the time, whether this thread was pushed off its core, how fast the core runs.
 *
 * All of it goes through one small table, so that the stopwatch itself is tested on a clock that a test made up,
 * with whatever noise, drift and preemptions the test writes. The real table is hone_watch_real. */
#ifndef HONE_TUNER_WATCH_H
#define HONE_TUNER_WATCH_H

#include <stdint.h>

#include "base/status.h"

typedef struct hone_watch {
    int64_t (*now_ns)(void *self);
    /* How often the thread that measures (or, with more than one thread, any of this process) was pushed off its
     * core so far; it only grows. */
    int64_t (*preemptions)(void *self);
    /* Time the calling thread has spent on a core, so that a short preemption in a long sample can be forgiven;
     * NULL: not known, none is forgiven. */
    int64_t (*on_core_ns)(void *self);
    /* Seconds that a fixed chain of dependent multiplies takes: registers alone, so it follows the core's clock
     * and nothing else. NULL: not known. */
    double (*canary)(void *self);
    void (*pause)(void *self, double seconds);
    void *self;
} hone_watch;

/* This machine's own. `threads` is how many threads the contestants use. Immutable, any thread, never fails. */
const hone_watch *hone_watch_real(int threads);

/* Smallest difference ever seen between two readings, over `readings` of them; at least 1. */
int64_t hone_watch_step_ns(const hone_watch *watch, int readings);

/* Empties [at, at + bytes) out of every cache, line by line. False: this CPU gives user code no such instruction,
 * and nothing was done. */
int hone_watch_flush(const void *at, size_t bytes);

/* The portable way: reads through `bytes` of other memory (`sweep`, larger than the last cache), which pushes
 * everything else out. */
void hone_watch_sweep(const void *sweep, size_t bytes);

#endif
