/* What every op needs of its roles: how many elements, where they lie, and data to fill them with. */
#include "kernels/op.h"

#include <string.h>

#include "base/element.h"
#include "base/overlap.h"
#include "base/random.h"
#include "base/size.h"

/* Of one element; of four bits, a byte: the most that it takes. */
static int64_t bytes_of(hone_dtype type)
{
    return hone_max(hone_dtype_bits(type) / 8, 1);
}

void hone_role_extent(const hone_role *role, int64_t *low, int64_t *high)
{
    const int64_t size = bytes_of(role->type);
    *low = *high = 0;
    for (int d = 0; d < role->rank; d++)
        if (role->shape[d] == 0) return;
    for (int d = 0; d < role->rank; d++) {
        int64_t reach = (role->shape[d] - 1) * role->stride[d] * size;
        if (reach < 0)
            *low += reach;
        else
            *high += reach;
    }
    *high += size;
    if (hone_dtype_bits(role->type) != 4) return; /* two in a byte, of which none is shared with others */
    *low = -((1 - *low) / 2);
    *high = (*high + 1) / 2;
}

bool hone_role_fits(const hone_role *role)
{
    int64_t size = bytes_of(role->type), count = 1, low = 0, high = size;
    for (int d = 0; d < role->rank; d++) {
        int64_t extent = hone_max(role->shape[d], 1), step, reach;
        if (!hone_extent_mul(role->stride[d], size, &step)) return false;
        if (!hone_extent_mul(step, extent - 1, &reach)) return false;
        if (!hone_extent_mul(count, extent, &count)) return false;
        if (!hone_extent_add(reach < 0 ? low : high, reach, reach < 0 ? &low : &high)) return false;
    }
    return hone_extent_mul(count, size, &count) && !__builtin_sub_overflow(high, low, &high);
}

int64_t hone_role_count(const hone_role *role)
{
    int64_t count = 1;
    for (int d = 0; d < role->rank; d++)
        if (role->shape[d] == 0) return 0;
    for (int d = 0; d < role->rank; d++) count *= role->shape[d];
    return count;
}

int64_t hone_role_offset(const hone_role *role, int64_t at)
{
    int64_t offset = 0;
    for (int d = role->rank - 1; d >= 0; d--) {
        offset += at % role->shape[d] * role->stride[d];
        at /= role->shape[d];
    }
    return offset;
}

bool hone_role_overlaps_itself(const hone_role *role)
{
    hone_strided view = {NULL, bytes_of(role->type), role->rank, role->shape, role->stride};
    return hone_overlap_within(&view) == HONE_OVERLAPS;
}

/* --- data ------------------------------------------------------------------------------------------------------ */

static double value_of(const hone_values *values, uint64_t bits, hone_dtype type)
{
    if (values->all && !hone_dtype_floats(type)) {
        double least = fmax(hone_dtype_least(type), -0x1p20), most = fmin(hone_dtype_most(type), 0x1p20 - 1);
        return least + (double)(bits >> 12) * 0x1p-52 * (most - least + 1) - 0.5; /* rounded when it is stored */
    }
    if (!values->integers) {
        double real = hone_random_signed(bits);
        return values->largest * (type == HONE_F64 ? real : (double)((int32_t)(bits >> 32) >> 8) * 0x1p-23);
    }
    if (values->one_in > 1 && (bits >> 40) % (uint64_t)values->one_in) return 0;
    double least = values->least, span = values->largest - least + 1;
    double size = least + (double)(uint64_t)((double)(bits >> 12 & 0xfffffff) * 0x1p-28 * span);
    if (values->odd) size = 2 * ((uint64_t)size / 2) + 1; /* needs every bit down to the last */
    return bits & 1 && hone_dtype_least(type) < 0 ? -size : size;
}

static void fill(const hone_role *role, void *at, const hone_values *values, uint64_t seed)
{
    int64_t index[HONE_RANK_MAX] = {0}, shape[HONE_RANK_MAX], offset = 0;
    if (hone_role_count(role) == 0) return;
    for (int d = 0; d < role->rank; d++) shape[d] = role->stride[d] ? role->shape[d] : 1; /* repeats are one element */
    for (;;) {
        /* by its place, so that an element reached on two ways has one value */
        double value = value_of(values, hone_random_at(seed, (uint64_t)offset), role->type);
        hone_element_store(role->type, at, offset, value);
        int d = role->rank - 1;
        for (; d >= 0; d--) {
            offset += role->stride[d];
            if (++index[d] < shape[d]) break;
            offset -= role->stride[d] * index[d];
            index[d] = 0;
        }
        if (d < 0) return;
    }
}

void hone_role_fill(const hone_role *role, const hone_span *span, int64_t items, const hone_values *values,
                    uint64_t seed)
{
    void *host = hone_span_host(span);
    if (!role->indirect) {
        fill(role, host, values, seed);
        return;
    }
    for (int64_t i = 0; i < items; i++) fill(role, ((void **)host)[i], values, hone_random_at(seed, (uint64_t)i));
}
