/* Places, trials and outlooks: see field.h. */
#include "tuner/field.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/status.h"

enum { OUTLOOKS_MAX = 1 << 15, FIRST_SLOTS = 256 };

static double estimate_of(const hone_field *field, int kernel, const hone_config *config)
{
    double seconds = field->kernels[kernel]->estimate(field->request, config);
    return seconds > 0 && isfinite(seconds) ? seconds : INFINITY;
}

static bool comes_before(const hone_outlook *x, const hone_outlook *y)
{
    if (x->seconds != y->seconds) return x->seconds < y->seconds;
    if (x->drawn != y->drawn) return x->drawn < y->drawn;
    if (x->place.kernel != y->place.kernel) return x->place.kernel < y->place.kernel;
    return x->place.index < y->place.index;
}

/* Heapsort: no stack to speak of, no allocation. */
static void sift(hone_outlook *list, int root, int count)
{
    hone_outlook it = list[root];
    for (;;) {
        int child = 2 * root + 1;
        if (child >= count) break;
        if (child + 1 < count && comes_before(&list[child], &list[child + 1])) child++;
        if (!comes_before(&it, &list[child])) break;
        list[root] = list[child];
        root = child;
    }
    list[root] = it;
}

static void sort_outlooks(hone_outlook *list, int count)
{
    for (int root = count / 2 - 1; root >= 0; root--) sift(list, root, count);
    for (int last = count - 1; last > 0; last--) {
        hone_outlook top = list[0];
        list[0] = list[last];
        list[last] = top;
        sift(list, 0, last);
    }
}

/* Every place where there are not too many; else as many draws of each kernel as its share of the field. */
static hone_status look_out(hone_field *field, uint64_t seed)
{
    hone_random random = hone_random_seeded(seed);
    bool        all = field->count <= OUTLOOKS_MAX;
    size_t      most = (all ? (size_t)field->count : OUTLOOKS_MAX) + HONE_FIELD_KERNELS_MAX;
    field->outlooks = hone_alloc(most, sizeof *field->outlooks);
    if (!field->outlooks) return HONE_ERROR_MEMORY;
    for (int kernel = 0; kernel < field->kernel_count; kernel++) {
        uint64_t count = hone_space_tree_count(field->trees[kernel]);
        uint64_t draws = all ? count : (uint64_t)((double)count / (double)field->count * OUTLOOKS_MAX) + 1;
        for (uint64_t i = 0; i < draws && i < count; i++) {
            hone_place place = {kernel, all ? i : hone_random_below(&random, count)};
            field->outlooks[field->outlook_count++] =
                (hone_outlook){place, hone_field_estimate(field, place), hone_random_next(&random)};
        }
    }
    sort_outlooks(field->outlooks, field->outlook_count);
    return HONE_OK;
}

hone_status hone_field_open(hone_field *field, const hone_request *request, const hone_kernel *const *kernels,
                            int kernel_count, uint64_t seed)
{
    hone_status status = HONE_OK;
    *field = (hone_field){.request = request};
    for (int i = 0; i < kernel_count && status == HONE_OK; i++) {
        if (kernels[i]->refuses(request) || kernels[i]->properties & HONE_IS_REFERENCE) continue;
        if (field->kernel_count == HONE_FIELD_KERNELS_MAX) break;
        status = hone_space_tree_open(request, kernels[i], &field->trees[field->kernel_count]);
        if (status != HONE_OK) break;
        field->count += hone_space_tree_count(field->trees[field->kernel_count]);
        field->kernels[field->kernel_count++] = kernels[i];
    }
    if (status == HONE_OK) status = look_out(field, seed);
    if (status != HONE_OK) hone_field_close(field);
    return status;
}

void hone_field_close(hone_field *field)
{
    for (int i = 0; i < field->kernel_count; i++) hone_space_tree_close(field->trees[i]);
    hone_free(field->outlooks);
    hone_free(field->trials);
    hone_free(field->slots);
    *field = (hone_field){0};
}

bool hone_field_find(const hone_field *field, const hone_choice *choice, hone_place *out)
{
    for (int i = 0; i < field->kernel_count; i++) {
        hone_config config = choice->config;
        if (field->kernels[i] != choice->kernel) continue;
        if (hone_config_refuses(field->request, choice->kernel, &config)) return false;
        hone_config_canonical(field->request, choice->kernel, &config);
        out->kernel = i;
        return hone_space_tree_find(field->trees[i], &config, &out->index);
    }
    return false;
}

hone_choice hone_field_at(const hone_field *field, hone_place place)
{
    hone_choice choice = {field->kernels[place.kernel], {{0}}};
    hone_space_tree_at(field->trees[place.kernel], place.index, &choice.config);
    return choice;
}

double hone_field_estimate(const hone_field *field, hone_place place)
{
    hone_choice choice = hone_field_at(field, place);
    return estimate_of(field, place.kernel, &choice.config);
}

/* --- trials ---------------------------------------------------------------------------------------------------- */

/* Where the table has this place, or would have it; a slot holds the trial's number and 1. */
static int *slot_of(const hone_field *field, hone_place place)
{
    uint64_t key[2] = {(uint64_t)place.kernel, place.index};
    int      at = (int)(hone_hash(key, sizeof key, 0) & (uint64_t)(field->slot_count - 1));
    for (; field->slots[at]; at = (at + 1) & (field->slot_count - 1)) {
        const hone_place *other = &field->trials[field->slots[at] - 1].place;
        if (other->kernel == place.kernel && other->index == place.index) break;
    }
    return &field->slots[at];
}

int hone_field_tried(const hone_field *field, hone_place place)
{
    return field->slot_count ? *slot_of(field, place) - 1 : -1;
}

static hone_status grow(hone_field *field)
{
    HONE_TRY(hone_grow(&field->trials, field->trial_count, &field->trial_cap, sizeof *field->trials));
    if (2 * (field->trial_count + 1) > field->slot_count) {
        int  count = field->slot_count ? 2 * field->slot_count : FIRST_SLOTS;
        int *slots = hone_alloc((size_t)count, sizeof *slots);
        if (!slots) return HONE_ERROR_MEMORY;
        hone_free(field->slots);
        field->slots = slots;
        field->slot_count = count;
        for (int i = 0; i < field->trial_count; i++) *slot_of(field, field->trials[i].place) = i + 1;
    }
    return HONE_OK;
}

hone_status hone_field_add(hone_field *field, hone_place place)
{
    HONE_TRY(grow(field));
    hone_choice choice = hone_field_at(field, place);
    field->trials[field->trial_count] =
        (hone_trial){place, choice, estimate_of(field, place.kernel, &choice.config), INFINITY};
    int *slot = slot_of(field, place);
    *slot = ++field->trial_count;
    return HONE_OK;
}

int hone_field_best(const hone_field *field, int *out, int cap)
{
    int count = 0;
    for (int i = 0; i < field->trial_count; i++) {
        if (!isfinite(field->trials[i].score)) continue;
        int at = count < cap ? count++ : cap;
        for (; at > 0 && field->trials[i].score < field->trials[out[at - 1]].score; at--)
            if (at < cap) out[at] = out[at - 1];
        if (at < cap) out[at] = i;
    }
    return count;
}
