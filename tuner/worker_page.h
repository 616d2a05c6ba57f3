/* The page that parent and worker share: who is at work, and that work goes on. Written by the worker before each
 * launch, read by the parent while it waits and when the worker is gone. */
#ifndef HONE_TUNER_WORKER_PAGE_H
#define HONE_TUNER_WORKER_PAGE_H

#include <stdatomic.h>
#include <stdint.h>

typedef struct hone_worker_page {
    _Atomic(uint32_t) at_work; /* an id; 0: nobody */
    _Atomic(uint32_t) steps;   /* how often that was said */
} hone_worker_page;

enum { HONE_WORKER_TALK = 3, HONE_WORKER_PAGE = 4 }; /* descriptors of the worker */

#endif
