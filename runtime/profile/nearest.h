/* Which sketches are nearest to one: all of a kind in the order of the sums of their numbers, so that a question looks
 * at those of about its own sum and not at all. */
#ifndef HONE_RUNTIME_PROFILE_NEAREST_H
#define HONE_RUNTIME_PROFILE_NEAREST_H

#include <hone/status.h>

#include "runtime/profile/sketch.h"

enum { HONE_RT_NEAREST_MOST = 8 };

typedef struct hone_rt_nearest_place {
    hone_rt_sketch sketch;
    int32_t        at;   /* of the sketches it was made of */
    uint16_t       sum;  /* of its numbers */
    uint8_t        used; /* numbers of its kind that are not always 0 */
} hone_rt_nearest_place;

typedef struct hone_rt_nearest {
    hone_rt_nearest_place *at;
    int                    count;
} hone_rt_nearest;

/* The sketch of the index-th; NULL: it has none, or counts for nothing. */
typedef const hone_rt_sketch *hone_rt_sketch_function(const void *self, int index);

/* Of `count` sketches. On failure *out is empty. */
hone_status hone_rt_nearest_build(hone_rt_sketch_function *sketch_of, const void *self, int count,
                                  hone_rt_nearest *out);
void        hone_rt_nearest_free(hone_rt_nearest *it);
/* Indices of up to `most` of its kind, HONE_RT_NEAREST_MOST at most, nearest first, of equally near ones the lower
 * index first; how many. */
int hone_rt_nearest_find(const hone_rt_nearest *it, const hone_rt_sketch *sketch, int *out, int most);

#endif
