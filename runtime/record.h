/* What a program asks for, recorded: with HONE_RECORD=FILE each distinct problem is written once, with how often it was
 * called and what it took; `hone tune FILE` then spends its budget where the program spends its time.
 *
 *     matmul f32 nn 128x3072x768 +bias+gelu  # calls=1200 seconds=3.25 threads=2
 *
 * Counted where a plan is launched: two readings of the clock and two additions, and nothing where nothing is recorded.
 * Written when a context ends, or the process does, whole or not at all. What the file holds is kept and added to, so
 * that runs and processes add up; writers take turns by a lock on its folder. Where there is no such lock, a file of
 * this process's own is written beside it. A child of fork writes nothing. On a device that is late the seconds are
 * those of queueing. */
#ifndef HONE_RUNTIME_RECORD_H
#define HONE_RUNTIME_RECORD_H

#include <stdatomic.h>

#include "base/log.h"
#include "kernels/kernel.h"

typedef struct hone_rt_record hone_rt_record;

/* Calls of one problem. */
typedef struct hone_rt_tally {
    _Atomic(int64_t) calls, ns;
} hone_rt_tally;

/* path NULL: *out is NULL, and nothing is recorded. */
hone_status hone_rt_record_open(const char *path, const hone_log *log, hone_rt_record **out);
/* Writes, and ends it. NULL is fine. */
void        hone_rt_record_close(hone_rt_record *record);
/* The tally of a request, for as long as the record; NULL where nothing is recorded, or there is no memory for it. */
hone_rt_tally *hone_rt_record_tally(hone_rt_record *record, const hone_request *request);

static inline void hone_rt_tally_add(hone_rt_tally *tally, int64_t ns)
{
    atomic_fetch_add_explicit(&tally->calls, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&tally->ns, ns, memory_order_relaxed);
}

#endif
