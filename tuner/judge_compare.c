/* Results against the reference: which elements are looked at, and the judges. */
#include "tuner/judge_parts.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/element.h"
#include "base/random.h"
#include "base/size.h"
#include "base/status.h"
#include "base/text.h"

enum { ALL = 4096, SOME = 512, LEAST = 48, LEANING = 256, INDEPENDENT = 24 };
enum { SURE = 8 }; /* standard errors that are no chance: 10^-15 */

/* --- the sample ------------------------------------------------------------------------------------------------- */

/* An index along a dimension, by preference one where kernels go wrong: both ends, and about multiples of what tiles
 * and vectors are wide. */
static int64_t index_along(hone_random *r, int64_t extent)
{
    static const int8_t widths[] = {4, 6, 8, 12, 14, 16, 24, 32, 48, 64};
    int64_t             width = widths[hone_random_below(r, sizeof widths)];
    switch (hone_random_below(r, 8)) {
    case 0: return extent - 1;
    case 1: return (int64_t)hone_random_below(r, (uint64_t)hone_min(extent, 2));
    case 2: return hone_max(0, extent - 1 - (int64_t)hone_random_below(r, (uint64_t)width)); /* the last, narrow tile */
    case 3: {
        int64_t at = (int64_t)hone_random_below(r, (uint64_t)(extent / width + 1)) * width;
        return hone_min(extent - 1, hone_max(0, at - (int64_t)hone_random_below(r, 2)));
    }
    default: return (int64_t)hone_random_below(r, (uint64_t)extent);
    }
}

static hone_status sample_of(hone_judge_case *c, int index, double flops_each)
{
    hone_judge_memory *m = &c->memory[index];
    int64_t            shape[HONE_RANK_MAX + 1], all = m->count * m->items, wanted = c->options.sample;
    int                rank = 0;
    if (!wanted) wanted = all <= ALL ? ALL : SOME;
    int64_t affordable = (int64_t)(4e7 / fmax(flops_each, 1));
    if (!c->options.sample && wanted > affordable) wanted = hone_max(LEAST, affordable); /* a very long k */
    m->sample_count = hone_min(wanted, all);
    m->sample = hone_alloc((size_t)m->sample_count, sizeof *m->sample);
    if (!m->sample) return HONE_ERROR_MEMORY;
    if (m->sample_count == all) {
        for (int64_t i = 0; i < all; i++) m->sample[i] = i;
        return HONE_OK;
    }
    if (m->role.indirect) shape[rank++] = m->items;
    for (int d = 0; d < m->role.rank; d++) shape[rank++] = m->role.shape[d];
    hone_random r = hone_random_seeded(c->options.seed + (uint64_t)index);
    for (int64_t i = 0; i < m->sample_count; i++) {
        int64_t at = 0;
        for (int d = 0; d < rank; d++) {
            bool corner = rank < 16 && i < (int64_t)1 << rank;
            at = at * shape[d] + (corner ? (i >> d & 1) * (shape[d] - 1) : index_along(&r, shape[d]));
        }
        m->sample[i] = at;
    }
    return HONE_OK;
}

hone_status hone_judge_sample(hone_judge_case *c)
{
    double  flops = c->op->cost(c->problem.bytes).flops;
    int64_t most = 0;
    for (int i = 0; i < c->count; i++) {
        hone_judge_memory *m = &c->memory[i];
        if (!m->got) continue;
        double elements = (double)m->count * (double)m->items;
        HONE_TRY(sample_of(c, i, elements > 0 ? flops / elements * (m->role.type == HONE_F64 ? 8 : 1) : 0));
        most = hone_max(most, m->sample_count);
    }
    c->errors = hone_alloc((size_t)most * 2, sizeof *c->errors);
    return c->errors ? HONE_OK : HONE_ERROR_MEMORY;
}

/* --- the judges ------------------------------------------------------------------------------------------------- */

/* What a type can say. */
typedef struct precision {
    hone_dtype type;
    bool       narrow; /* arithmetic is done in f32, and its results then rounded to this type */
    double     u, largest, least; /* of the arithmetic: unit roundoff, greatest number, smallest denormal */
} precision;

static precision precision_of(hone_dtype type)
{
    if (type == HONE_F64) return (precision){type, false, 0x1p-53, DBL_MAX, 0x1p-1074};
    return (precision){type, type != HONE_F32, 0x1p-24, FLT_MAX, 0x1p-149};
}

/* |value - truth|, without losing the low part. */
static double error_of(double value, const hone_truth *t)
{
    return fabs((value - t->high) - t->low);
}

static hone_status accuse(hone_judge_case *c, hone_verdict *out, hone_fault fault, hone_data_kind kind, int role,
                          int64_t element, double got, double truth, double allowed)
{
    static const char *const kinds[HONE_DATA_COUNT] = {"random data", "small integers", "wide integers",
                                                       "data with NaN and infinities"};
    const hone_judge_memory *m = &c->memory[role];
    char                     what[256];
    hone_text                text = hone_text_in(what, sizeof what);
    int64_t                  at[HONE_RANK_MAX], rest = element;
    out->fault = fault;
    out->data = kind;
    out->role = role;
    out->element = element;
    out->got = got;
    out->truth = truth;
    out->allowed = allowed;
    for (int d = m->role.rank - 1; d >= 0; d--) {
        at[d] = rest % m->role.shape[d];
        rest /= m->role.shape[d];
    }
    hone_text_add(&text, "%s[", m->role.name);
    if (m->role.indirect) hone_text_add(&text, "%" PRId64 "][", rest);
    for (int d = 0; d < m->role.rank; d++) hone_text_add(&text, "%s%" PRId64, d ? "," : "", at[d]);
    if (fault == HONE_FAULT_MISSED && m->direction == HONE_OUT && hone_judge_unwritten(m, element))
        hone_text_add(&text, "] was not written, on %s", kinds[kind]);
    else if (fault == HONE_FAULT_BIASED)
        hone_text_add(&text, ", ...] by %.3g standard errors, on %s", got, kinds[kind]);
    else
        hone_text_add(&text, "] is %.17g, should be %.17g within %.3g, on %s", got, truth, allowed, kinds[kind]);
    hone_judge_sentence(c, fault, what, out->sentence, sizeof out->sentence);
    return HONE_OK;
}

static hone_status truths(hone_judge_case *c, hone_data_kind kind, int role)
{
    hone_judge_memory *m = &c->memory[role];
    hone_span          spans[HONE_ROLES_MAX];
    if (m->truth[kind]) return HONE_OK;
    hone_arguments before = hone_judge_before(c, kind, spans);
    hone_sample    sample = {role, m->sample_count, m->sample};
    m->truth[kind] = hone_alloc((size_t)m->sample_count, sizeof *m->truth[kind]);
    if (!m->truth[kind]) return HONE_ERROR_MEMORY;
    hone_status status = c->op->reference(hone_judge_asked(c), &before, &sample, m->truth[kind]);
    if (status) {
        hone_free(m->truth[kind]);
        m->truth[kind] = NULL;
    }
    return status;
}

/* May a narrow type's element be this, where what was rounded to it was off by up to `allowed`? Rounding keeps the
 * order of numbers, so results lie between the roundings of the two ends; where these are one number, as with exact
 * data, it is that number or wrong. */
static bool between_ends(double got, const hone_truth *t, double allowed, const precision *type)
{
    double truth = t->high + t->low;
    if (isinf(truth)) return got == truth;
    return hone_element_rounded(type->type, truth - allowed) <= got &&
           got <= hone_element_rounded(type->type, truth + allowed);
}

/* Whole numbers have no NaN: what holds what it was filled with is asked for, until that was right often enough. */
static hone_status scan_whole(hone_judge_case *c, hone_data_kind kind, int role, hone_verdict *out)
{
    enum { RIGHT_ENOUGH = 32 };
    hone_judge_memory *m = &c->memory[role];
    precision          type = precision_of(m->role.type);
    int                right = 0;
    for (int64_t i = 0, all = m->count * m->items; i < all && right < RIGHT_ENOUGH; i++) {
        if (!hone_judge_unwritten(m, i)) continue;
        double         got = hone_judge_value(m, m->got, i);
        hone_span      spans[HONE_ROLES_MAX];
        hone_truth     truth;
        hone_sample    sample = {role, 1, &i};
        hone_arguments before = hone_judge_before(c, kind, spans);
        HONE_TRY(c->op->reference(hone_judge_asked(c), &before, &sample, &truth));
        if (!between_ends(got, &truth, truth.bound, &type))
            return accuse(c, out, HONE_FAULT_MISSED, kind, role, i, got, truth.high, truth.bound);
        right++;
    }
    return HONE_OK;
}

/* The whole output: written, and no number where there is none to be. */
static hone_status scan(hone_judge_case *c, hone_data_kind kind, int role, hone_verdict *out)
{
    hone_judge_memory *m = &c->memory[role];
    bool               fresh = m->direction == HONE_OUT;
    int64_t            due = 0;
    if (!hone_dtype_floats(m->role.type)) return fresh ? scan_whole(c, kind, role, out) : HONE_OK;
    for (int64_t i = 0, all = m->count * m->items; i < all; i++) {
        double got = hone_judge_value(m, m->got, i);
        if (!isnan(got)) continue;
        bool left = fresh && hone_judge_unwritten(m, i);
        if (!left && due > 32) continue; /* enough of them were asked for */
        hone_span      spans[HONE_ROLES_MAX];
        hone_truth     truth;
        hone_sample    sample = {role, 1, &i};
        hone_arguments before = hone_judge_before(c, kind, spans);
        HONE_TRY(c->op->reference(hone_judge_asked(c), &before, &sample, &truth));
        if (left && truth.bound < 0) continue; /* as it should be */
        if (left) return accuse(c, out, HONE_FAULT_MISSED, kind, role, i, got, 0, 0);
        if (!isnan(truth.high)) return accuse(c, out, HONE_FAULT_MISSED, kind, role, i, got, truth.high, 0);
        due++;
    }
    return HONE_OK;
}

/* Is an element that no launch writes as it was before? */
static bool as_it_was(const hone_judge_memory *m, hone_data_kind kind, int64_t element)
{
    if (m->direction == HONE_OUT) return hone_judge_unwritten(m, element);
    const char *before = m->before[kind] + m->first + hone_role_offset(&m->role, element) * m->element_bytes;
    return memcmp(m->got + element * m->element_bytes, before, (size_t)m->element_bytes) == 0;
}

/* A number against a truth that is none, or beyond the type's largest. True: nothing more is to be said. */
static bool strange(double got, const hone_truth *t, double allowed, const precision *type, bool *right)
{
    if (isnan(t->high)) {
        *right = isnan(got);
        return true;
    }
    if (isinf(got) || isinf(t->high)) {
        double edge = type->largest * (1 + type->u / 2); /* from here on numbers round to infinity */
        *right = got == t->high || (isinf(got) && (got > 0 ? t->high + allowed >= edge : t->high - allowed <= -edge));
        return true;
    }
    return false;
}

static int by_truth(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return x[0] < y[0] ? -1 : x[0] > y[0];
}

/* How many standard errors the mean of the second of each pair lies from 0, if so many of them are independent. */
static double lean_of(const double *pairs, int64_t count, double independent)
{
    double mean = 0, squares = 0;
    for (int64_t i = 0; i < count; i++) mean += pairs[2 * i + 1];
    mean /= (double)count;
    for (int64_t i = 0; i < count; i++) squares += (pairs[2 * i + 1] - mean) * (pairs[2 * i + 1] - mean);
    double spread = sqrt(squares / (double)(count - 1));
    return spread > 0 ? fabs(mean) / spread * sqrt(fmin((double)count, independent)) : 0;
}

/* How many results are independent. Those that share an input share what a kernel made of it, say alpha times it,
 * rounded: so no more than the smallest input has places; and of an input that repeats, nothing can be said. */
static double independent_of(const hone_judge_case *c, const hone_role *output)
{
    double least = INFINITY;
    for (int i = 0; i < c->count; i++) {
        const hone_role *role = c->memory[i].role.opaque ? &c->plain : &c->memory[i].role;
        double           items = role->indirect ? (double)role->items : 1;
        int64_t          low, high;
        if (!(role->direction & HONE_IN) || hone_role_count(role) == 0) continue;
        for (int d = 0; d < role->rank; d++)
            if (role->rank == output->rank && role->stride[d] == 0 && role->shape[d] > 1) return 0;
        hone_role_extent(role, &low, &high);
        double places = (double)(high - low) * 8 / hone_dtype_bits(role->type);
        least = fmin(least, items * fmin((double)hone_role_count(role), places));
    }
    return least;
}

/* Standard errors that errors lean by, towards 0 or away from it. Rounding is even; cutting, and sums kept so, are not.
 * Only different truths count: where rows repeat, so do their errors. Of sums and products alone: a polynomial for tanh
 * may lean a little. */
static double leaning(hone_judge_case *c, const hone_judge_memory *m, hone_data_kind kind, const precision *type)
{
    double *pairs = c->errors, independent = independent_of(c, &m->role);
    int64_t count = 0, different = 0;
    if (independent < INDEPENDENT || !c->op->exact(hone_judge_asked(c), HONE_DATA_INTEGERS)) return 0;
    for (int64_t i = 0; i < m->sample_count; i++) {
        const hone_truth *t = &m->truth[kind][i];
        double            got = hone_judge_value(m, m->got, m->sample[i]);
        if (t->high == 0 || got == 0) continue;
        pairs[2 * count] = t->high;
        pairs[2 * count++ + 1] = ((got - t->high) - t->low) * (t->high < 0 ? -1 : 1) /
                                 (t->likely + type->u * fabs(t->high) + type->least);
    }
    if (count < LEANING || lean_of(pairs, count, independent) < SURE) return 0;
    qsort(pairs, (size_t)count, 2 * sizeof *pairs, by_truth);
    for (int64_t i = 0; i < count; i++) {
        if (i > 0 && pairs[2 * i] == pairs[2 * i - 2]) continue;
        pairs[2 * different] = pairs[2 * i];
        pairs[2 * different++ + 1] = pairs[2 * i + 1];
    }
    return different >= LEANING ? lean_of(pairs, different, independent) : 0;
}

static hone_status compare(hone_judge_case *c, hone_data_kind kind, int role, hone_verdict *out)
{
    hone_judge_memory *m = &c->memory[role];
    bool               exact = c->op->exact(hone_judge_asked(c), kind);
    precision          type = precision_of(m->role.type);
    double             naive = 0, largest = 0;
    HONE_TRY(truths(c, kind, role));
    for (int64_t i = 0; i < m->sample_count && kind == HONE_DATA_RANDOM; i++) {
        const hone_truth *t = &m->truth[kind][i];
        naive = fmax(naive, error_of(t->naive, t));
        largest = fmax(largest, fabs(t->high));
    }
    for (int64_t i = 0; i < m->sample_count; i++) {
        const hone_truth *t = &m->truth[kind][i];
        double got = hone_judge_value(m, m->got, m->sample[i]);
        double rounding = type.narrow ? 0 : type.u * fabs(t->high) + type.least;
        double            bound = exact ? 0 : t->bound + rounding, relative = INFINITY;
        bool              right;
        if (kind == HONE_DATA_RANDOM) relative = fmax(2 * naive + type.u * largest, t->likely) + rounding;
        out->compared++;
        if (t->bound < 0) { /* nothing is written there */
            if (as_it_was(m, kind, m->sample[i])) continue;
            return accuse(c, out, HONE_FAULT_FOOTPRINT, kind, role, m->sample[i], got, t->high, 0);
        }
        if (type.narrow && !isnan(t->high)) {
            double allowed = fmin(bound, relative);
            if (between_ends(got, t, allowed, &type)) continue;
            hone_fault fault = exact                               ? HONE_FAULT_EXACT
                               : between_ends(got, t, bound, &type) ? HONE_FAULT_RELATIVE
                                                                    : HONE_FAULT_BOUNDED;
            out->worst = fmax(out->worst, 1 + error_of(got, t) / (allowed + type.least));
            return accuse(c, out, fault, kind, role, m->sample[i], got,
                          hone_element_rounded(type.type, t->high + t->low), allowed);
        }
        if (strange(got, t, bound, &type, &right)) {
            if (!right) return accuse(c, out, HONE_FAULT_MISSED, kind, role, m->sample[i], got, t->high, bound);
            continue;
        }
        double error = error_of(got, t), allowed = fmin(bound, relative);
        if (allowed > 0) out->worst = fmax(out->worst, error / allowed);
        if (error <= allowed) continue;
        return accuse(c, out, exact ? HONE_FAULT_EXACT : error > bound ? HONE_FAULT_BOUNDED : HONE_FAULT_RELATIVE, kind,
                      role, m->sample[i], got, t->high, allowed);
    }
    double lean = kind == HONE_DATA_RANDOM && !type.narrow ? leaning(c, m, kind, &type) : 0;
    if (lean >= SURE) return accuse(c, out, HONE_FAULT_BIASED, kind, role, m->sample[0], lean, 0, SURE);
    return HONE_OK;
}

hone_status hone_judge_compare(hone_judge_case *c, hone_data_kind kind, hone_verdict *out)
{
    for (int i = 0; i < c->count && out->fault == HONE_FAULT_NONE; i++)
        if (c->memory[i].got) HONE_TRY(scan(c, kind, i, out));
    for (int i = 0; i < c->count && out->fault == HONE_FAULT_NONE; i++)
        if (c->memory[i].got) HONE_TRY(compare(c, kind, i, out));
    return HONE_OK;
}
