/* What every op needs of its roles: how many elements, where they lie, and data to fill them with. */
#include "kernels/op.h"

#include <string.h>

#include "base/random.h"
#include "base/size.h"

void hone_role_extent(const hone_role *role, int64_t *low, int64_t *high)
{
    int64_t size = hone_dtype_bits(role->type) / 8;
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
}

bool hone_role_fits(const hone_role *role)
{
    int64_t size = hone_dtype_bits(role->type) / 8, count = 1, low = 0, high = size;
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

/* --- overlap --------------------------------------------------------------------------------------------------- */

/* The dimensions that move, widest stride first. */
typedef struct moving {
    int     count;
    int64_t extent[HONE_RANK_MAX], stride[HONE_RANK_MAX],
        reach[HONE_RANK_MAX + 1]; /* reach: of this and what follows */
    int64_t looks; /* how many are left before the search gives up */
} moving;

/* Can the dimensions from `d` on make up `rest`, each index difference within its extent? `used`: one is not 0 yet. */
static bool makes(moving *m, int d, int64_t rest, bool used)
{
    int64_t size = rest < 0 ? -rest : rest;
    if (d == m->count) return used && rest == 0;
    if (size > m->reach[d] || m->looks-- <= 0) return false;
    /* rest = step * stride + remainder, and the remainder must be within reach of the narrower ones */
    int64_t stride = m->stride[d], slack = m->reach[d + 1];
    int64_t first = hone_max(-(m->extent[d] - 1), -((slack - rest) / stride + 1));
    int64_t last = hone_min(m->extent[d] - 1, (slack + rest) / stride + 1);
    for (int64_t step = first; step <= last && m->looks > 0; step++)
        if (makes(m, d + 1, rest - step * stride, used || step != 0)) return true;
    return false;
}

/* Do two dimensions alone meet? Exactly: i * a == j * b has its least solution at b / gcd, a / gcd. */
static bool pair_meets(int64_t a, int64_t extent_a, int64_t b, int64_t extent_b)
{
    int64_t g = a, rest = b;
    while (rest) {
        int64_t next = g % rest;
        g = rest;
        rest = next;
    }
    return b / g < extent_a && a / g < extent_b;
}

bool hone_role_overlaps_itself(const hone_role *role)
{
    moving m = {.looks = 20000};
    for (int d = 0; d < role->rank; d++) {
        if (role->shape[d] == 0) return false;
        if (role->shape[d] == 1) continue;
        if (role->stride[d] == 0) return true;
        int64_t stride = role->stride[d] < 0 ? -role->stride[d] : role->stride[d];
        int     at = m.count++;
        for (; at > 0 && m.stride[at - 1] < stride; at--) {
            m.stride[at] = m.stride[at - 1];
            m.extent[at] = m.extent[at - 1];
        }
        m.stride[at] = stride;
        m.extent[at] = role->shape[d];
    }
    bool nested = true; /* each stride steps over all that the narrower ones reach */
    for (int d = m.count - 1; d >= 0; d--) {
        if (m.stride[d] <= m.reach[d + 1]) nested = false;
        m.reach[d] = m.reach[d + 1] + (m.extent[d] - 1) * m.stride[d];
    }
    if (nested) return false;
    if (hone_role_count(role) > m.reach[0] + 1) return true; /* more elements than places */
    for (int i = 0; i < m.count; i++)
        for (int j = i + 1; j < m.count; j++)
            if (pair_meets(m.stride[i], m.extent[i], m.stride[j], m.extent[j])) return true;
    return m.count > 2 && makes(&m, 0, 0, false);
}

/* --- data ------------------------------------------------------------------------------------------------------ */

static double value_of(const hone_values *values, uint64_t bits, hone_dtype type)
{
    if (!values->integers) {
        double real = hone_random_signed(bits);
        return values->largest * (type == HONE_F64 ? real : (double)((int32_t)(bits >> 32) >> 8) * 0x1p-23);
    }
    if (values->one_in > 1 && (bits >> 40) % (uint64_t)values->one_in) return 0;
    double least = values->least, span = values->largest - least + 1;
    double size = least + (double)(uint64_t)((double)(bits >> 12 & 0xfffffff) * 0x1p-28 * span);
    if (values->odd) size = 2 * ((uint64_t)size / 2) + 1; /* needs every bit down to the last */
    return bits & 1 ? -size : size;
}

static void fill(const hone_role *role, void *at, const hone_values *values, uint64_t seed)
{
    int64_t index[HONE_RANK_MAX] = {0}, shape[HONE_RANK_MAX], offset = 0;
    if (hone_role_count(role) == 0) return;
    for (int d = 0; d < role->rank; d++) shape[d] = role->stride[d] ? role->shape[d] : 1; /* repeats are one element */
    for (;;) {
        /* by its place, so that an element reached on two ways has one value */
        double value = value_of(values, hone_random_at(seed, (uint64_t)offset), role->type);
        if (role->type == HONE_F64)
            ((double *)at)[offset] = value;
        else
            ((float *)at)[offset] = (float)value;
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
