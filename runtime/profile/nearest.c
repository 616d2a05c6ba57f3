/* Neighbours by the sums of their numbers: see nearest.h. Where two sketches of D numbers differ by S in their sums,
 * they are at least S * S / D apart (Cauchy and Schwarz): so the search goes outwards from the own sum, and ends where
 * that alone is more than the farthest of those that were found. Of equal sketches only as many are kept as an answer
 * may have. */
#include "runtime/profile/nearest.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static unsigned sum_of(const hone_rt_sketch *sketch)
{
    unsigned sum = 0;
    for (int i = 0; i < HONE_RT_SKETCH_NUMBERS; i++) sum += sketch->numbers[i];
    return sum;
}

static unsigned used_by(const hone_rt_sketch *sketch)
{
    unsigned used = HONE_RT_SKETCH_NUMBERS;
    while (used && !sketch->numbers[used - 1]) used--;
    return used;
}

static int by_sum(const void *left, const void *right)
{
    const hone_rt_nearest_place *a = left, *b = right;
    if (a->sketch.kind != b->sketch.kind) return a->sketch.kind < b->sketch.kind ? -1 : 1;
    if (a->sum != b->sum) return a->sum < b->sum ? -1 : 1;
    const int order = memcmp(a->sketch.numbers, b->sketch.numbers, sizeof a->sketch.numbers);
    return order ? order : a->at < b->at ? -1 : a->at > b->at;
}

static void thin_out(hone_rt_nearest *it)
{
    int kept = 0, same = 0;
    for (int i = 0; i < it->count; i++) {
        same = kept && !memcmp(&it->at[kept - 1].sketch, &it->at[i].sketch, sizeof it->at->sketch) ? same + 1 : 0;
        if (same < HONE_RT_NEAREST_MOST) it->at[kept++] = it->at[i];
    }
    it->count = kept;
}

hone_status hone_rt_nearest_build(hone_rt_sketch_function *sketch_of, const void *self, int count, hone_rt_nearest *out)
{
    *out = (hone_rt_nearest){0};
    if (!count) return HONE_OK;
    out->at = hone_alloc((size_t)count, sizeof *out->at);
    if (!out->at) return HONE_ERROR_MEMORY;
    for (int i = 0; i < count; i++) {
        const hone_rt_sketch *sketch = sketch_of(self, i);
        if (sketch)
            out->at[out->count++] =
                (hone_rt_nearest_place){*sketch, i, (uint16_t)sum_of(sketch), (uint8_t)used_by(sketch)};
    }
    qsort(out->at, (size_t)out->count, sizeof *out->at, by_sum);
    thin_out(out);
    for (int start = 0, end; start < out->count; start = end) {
        uint8_t used = 0;
        for (end = start; end < out->count && out->at[end].sketch.kind == out->at[start].sketch.kind; end++)
            if (out->at[end].used > used) used = out->at[end].used;
        for (int i = start; i < end; i++) out->at[i].used = used;
    }
    return HONE_OK;
}

void hone_rt_nearest_free(hone_rt_nearest *it)
{
    hone_free(it->at);
    *it = (hone_rt_nearest){0};
}

typedef struct nearest_few {
    uint32_t apart[HONE_RT_NEAREST_MOST];
    int     *at, count, most;
} nearest_few;

static void take(nearest_few *few, uint32_t apart, int index)
{
    int at = few->count < few->most ? few->count++ : few->most;
    for (; at > 0 && (apart < few->apart[at - 1] || (apart == few->apart[at - 1] && index < few->at[at - 1])); at--)
        if (at < few->most) {
            few->apart[at] = few->apart[at - 1];
            few->at[at] = few->at[at - 1];
        }
    if (at < few->most) {
        few->apart[at] = apart;
        few->at[at] = index;
    }
}

int hone_rt_nearest_find(const hone_rt_nearest *it, const hone_rt_sketch *sketch, int *out, int most)
{
    const int sum = (int)sum_of(sketch);
    uint32_t  used = used_by(sketch);
    int       low = 0, high = it->count;
    while (low < high) {
        const int                    middle = low + (high - low) / 2;
        const hone_rt_nearest_place *here = &it->at[middle];
        if (here->sketch.kind < sketch->kind || (here->sketch.kind == sketch->kind && here->sum < sum))
            low = middle + 1;
        else
            high = middle;
    }
    nearest_few few = {.at = out, .most = most < HONE_RT_NEAREST_MOST ? most : HONE_RT_NEAREST_MOST};
    for (int left = low - 1, right = low; few.most > 0;) {
        const bool below = left >= 0 && it->at[left].sketch.kind == sketch->kind,
                   above = right < it->count && it->at[right].sketch.kind == sketch->kind;
        if (!below && !above) break;
        const int                    down = below ? sum - it->at[left].sum : INT32_MAX;
        const int                    up = above ? it->at[right].sum - sum : INT32_MAX;
        const hone_rt_nearest_place *here = &it->at[down < up ? left-- : right++];
        const uint32_t               apart = (uint32_t)(down < up ? down : up);
        if (here->used > used) used = here->used; /* all of a kind say the same */
        if (few.count == few.most && apart * apart > few.apart[few.count - 1] * used) break;
        take(&few, hone_rt_sketch_apart(&here->sketch, sketch), here->at);
    }
    return few.count;
}
