/* Units of work dealt out to threads, as all CPU kernels do it: runs of units are the chunks that the pool hands out,
 * so that whoever takes part may leave after any of them, and nobody waits for one that has not come. How many runs
 * there are, and whether dealing them out pays, is decided here; what a unit is, and how many there are, is the
 * kernel's.
 *
 * Scratch goes with the thread, not with the run: as many rooms as threads, of which a run takes one that is free, the
 * first there is. So each thread mostly finds its own again, and what is in it. */
#ifndef HONE_KERNELS_COMMON_DEAL_H
#define HONE_KERNELS_COMMON_DEAL_H

#include "backends/backend.h"

typedef struct hone_deal {
    int     threads; /* at most so many take part: as the request said */
    int64_t units;
    double  seconds; /* that all of them take on one thread, as believed */
    char   *rooms;   /* scratch: one for each thread */
    size_t  room_bytes;
    bool    marked;  /* each room begins with an int64_t: -1, then what its kernel writes there, of what it holds */
    /* Units begin .. end-1, in `room`; where rooms have no bytes, that is nobody's. */
    void (*run)(void *work, int64_t begin, int64_t end, char *room);
    void *work;
} hone_deal;

/* Returns when all units are done. Any thread; launches of one plan may deal at once, each with rooms of its own. */
void hone_deal_out(const hone_be_stream *stream, const hone_deal *deal);

/* What it will do with work that takes `seconds` on one thread, for whoever estimates: how many threads take part, 1
 * where nothing is dealt out; and how long it takes, its units alike. */
int    hone_deal_threads(int threads, int64_t units, double seconds);
double hone_deal_seconds(int threads, int64_t units, double seconds, double fork_seconds);

#endif
