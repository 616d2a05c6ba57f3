/* Sketches: what a problem's text and its threads come to in twelve bytes, so that all rows of a profile are compared
 * with a request without reading one of them. Equal kinds: the same words, the same threads; only numbers differ. Which
 * rows really are near is told by the problems themselves (runtime/predict.h). */
#ifndef HONE_RUNTIME_PROFILE_SKETCH_H
#define HONE_RUNTIME_PROFILE_SKETCH_H

#include <stddef.h>
#include <stdint.h>

enum { HONE_RT_SKETCH_NUMBERS = 8 };

typedef struct hone_rt_sketch {
    uint32_t kind;                            /* never 0, but where there is no sketch */
    uint8_t  numbers[HONE_RT_SKETCH_NUMBERS]; /* four times their binary logarithms, and one; 0: of zero, and none */
} hone_rt_sketch;

/* "matmul f32 nn 8x9x10": all numbers but those of a word ("f32", "n32"); those beyond the eighth count as words. */
hone_rt_sketch hone_rt_sketch_of(const char *problem, size_t bytes, int threads);
/* Of a sound line; kind 0: it does not begin as rows are written. */
hone_rt_sketch hone_rt_sketch_of_line(const char *line, size_t bytes);
/* How far apart two of one kind lie: a sum of squares. */
static inline uint32_t hone_rt_sketch_apart(const hone_rt_sketch *a, const hone_rt_sketch *b)
{
    int32_t sum = 0;
    for (int i = 0; i < HONE_RT_SKETCH_NUMBERS; i++) {
        int16_t apart = (int16_t)(a->numbers[i] - b->numbers[i]);
        sum += apart * apart;
    }
    return (uint32_t)sum;
}

#endif
