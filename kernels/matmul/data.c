/* What a matmul is tried with: data of each kind for its arguments and scalars, and whether results on them are exact.
 */
#include <math.h>

#include <hone/accuracy.h>

#include "base/element.h"
#include "base/random.h"
#include "base/size.h"
#include "kernels/matmul/parts.h"

/* What each kind of data is made of, for this problem: exact where no order of summing can round. */
typedef struct recipe {
    hone_values a, b, small; /* small: c and the operands of steps */
    hone_values scales, zeros; /* of weights */
    int         factor;      /* alpha, beta and scales: +-1 .. +-factor */
    double      shrink;      /* a power of two that alpha is multiplied by, so that c holds most results */
    double      zero_least, zero_most; /* of zero points, within what the type holds */
    bool        one;         /* alpha is 1 */
    bool        exact;
} recipe;

static double capacity_of(const hone_matmul_problem *p)
{
    return hone_matmul_arithmetic(p) == HONE_F32 ? 0x1p24 : 0x1p53;
}

/* Integers that need every bit of this type, and more than a type with fewer of them has. */
static double wide_of(uint8_t type)
{
    switch (type) {
    case HONE_F64: return 0x1p28 - 1;
    case HONE_F32: return 0x1p13 - 1;
    case HONE_F16: return 0x1p11 - 1;
    default: return 0x1p8 - 1;
    }
}

/* The largest that a result may become, with sums of products up to `sum` and other operands up to `small`. */
static double largest_of(const hone_matmul_problem *p, double sum, double small, int factor)
{
    double size = factor * sum + (p->reads_c ? factor * small : 0);
    for (int i = 0; i < p->step_count; i++) {
        if (p->step[i].kind == HONE_STEP_SCALE || hone_step_is_scales((hone_step_kind)p->step[i].kind)) size *= factor;
        if (p->step[i].kind == HONE_STEP_BIAS || p->step[i].kind == HONE_STEP_BIAS_ROWS ||
            p->step[i].kind == HONE_STEP_RESIDUAL || p->step[i].kind == HONE_STEP_SHIFT)
            size += small;
    }
    return size;
}

/* Whole numbers, of every value that the types have but for HONE_DATA_INTEGERS: sums are exact whatever they are, and
 * all that is behind them as long as it takes 24 bits. */
static recipe whole_recipe(const hone_matmul_problem *p, hone_data_kind kind)
{
    bool   small = kind == HONE_DATA_INTEGERS, fewest = p->type_c == HONE_S8 || p->type_c == HONE_U8;
    double largest = small ? 4 : 128, span = small ? 2 * largest : 255, k = (double)p->k;
    bool   plain = p->type_c == HONE_S32 && p->step_count == 0 && !p->reads_c;
    recipe r = {.factor = 1, .shrink = 1, .one = plain && (small || kind == HONE_DATA_WIDE)};
    r.a = r.b = (hone_values){.integers = true, .all = !small, .largest = largest};
    r.small = (hone_values){.integers = true, .largest = 8};
    r.zero_least = small ? -largest : -128, r.zero_most = small ? largest : 255;
    if (fewest) r.shrink = exp2(-fmax(0, round(log2(sqrt(k + 1) * span * span / 8 / 80))));
    r.exact = small || kind == HONE_DATA_WIDE;
    if (!r.one) r.exact &= largest_of(p, k * span * span * r.shrink, 8, 1) / r.shrink <= 0x1p24;
    if (!small && kind != HONE_DATA_WIDE) r.small = (hone_values){.all = true, .largest = 8};
    return r;
}

/* Weights, scales and zeros are whole numbers where results are exact, and sums stay so whether or not zeros are taken
 * out of them: `size` is |a| (|q| + |z|) |s|. Wide: either a has more bits than bf16 and f16 hold, or the scales have
 * as many as there is room for, and all weights there are. */
static recipe scaled_recipe(const hone_matmul_problem *p, hone_data_kind kind, uint64_t seed)
{
    const bool    bytes = hone_dtype_bits(p->type_b) == 8, swap = seed & 1;
    const int64_t sparse = p->type_c == HONE_F16 ? 8 : 64; /* of f16 results few stay finite where more are summed */
    const int64_t one_in = p->k > 2 * sparse ? hone_divide_up(p->k, sparse) : 1;
    const double  terms = (double)(one_in == 1 ? p->k : 2 * sparse);
    recipe        r = {.factor = 1, .shrink = 1};
    r.small = (hone_values){.integers = true, .largest = 8};
    r.b = (hone_values){.all = true};
    if (kind == HONE_DATA_INTEGERS) {
        double largest = 4, others = (15 + 8) * 3;
        r.factor = 2;
        while (largest > 1 && largest_of(p, (double)p->k * largest * others, 8, r.factor) > 0x1p24) largest -= 1;
        r.a = (hone_values){.integers = true, .largest = largest};
        if (bytes) r.b = (hone_values){.integers = true, .largest = 15};
        r.scales = (hone_values){.integers = true, .least = 1, .largest = 3};
        r.zeros = (hone_values){.integers = true, .largest = 8};
        r.exact = largest_of(p, (double)p->k * largest * others, 8, r.factor) <= 0x1p24;
    } else if (kind == HONE_DATA_WIDE) {
        double wide = wide_of(p->type_a), whole = 3, most = 4, scale = 2;
        if (swap) {
            most = fmax(hone_dtype_most(p->type_b), -hone_dtype_least(p->type_b));
            whole = bytes ? 127 : 15;
            scale = fmin(wide_of(p->type_scale), exp2(floor(log2(0x1p24 / (double)(2 * sparse) / (most + whole)))) - 1);
            wide = 1;
        }
        r.a = (hone_values){.integers = true, .odd = !swap, .one_in = one_in, .least = (wide + 1) / 2, .largest = wide};
        if (!swap) r.b = (hone_values){.integers = true, .largest = most};
        r.scales = (hone_values){.integers = true, .odd = swap, .least = (scale + 1) / 2, .largest = scale};
        r.zeros = (hone_values){.integers = true, .largest = whole};
        r.exact = largest_of(p, terms * wide * (most + whole) * scale, 8, 1) <= 0x1p24 &&
                  (one_in == 1 || p->a_column != 0); /* else all k are one element */
    } else {
        r.a = r.small = (hone_values){.largest = 1};
        r.scales = (hone_values){.largest = bytes ? 0x1p-4 : 1};
        r.zeros = (hone_values){.largest = bytes ? 64 : 8};
    }
    return r;
}

static recipe recipe_of(const hone_matmul_problem *p, hone_data_kind kind, uint64_t seed)
{
    if (hone_matmul_is_scaled(p)) {
        recipe scaled = scaled_recipe(p, kind, seed);
        for (int i = 0; i < p->step_count; i++)
            if (!hone_step_exact((hone_step_kind)p->step[i].kind)) scaled.exact = false;
        return scaled;
    }
    if (hone_matmul_integers(p)) {
        recipe whole = whole_recipe(p, kind);
        for (int i = 0; i < p->step_count; i++)
            if (!hone_step_exact((hone_step_kind)p->step[i].kind)) whole.exact = false;
        return whole;
    }
    /* of f16 results few stay finite where more are summed */
    const int64_t dense = p->type_c == HONE_F16 ? 24 : 1024, sparse = dense / 2;
    recipe r = {.factor = 1, .shrink = 1};
    double k = (double)p->k;
    if (kind == HONE_DATA_INTEGERS) {
        double largest = 4;
        r.factor = 2;
        while (largest > 1 && largest_of(p, k * largest * largest, 8, r.factor) > capacity_of(p)) largest -= 1;
        r.a = r.b = (hone_values){.integers = true, .largest = largest};
        r.small = (hone_values){.integers = true, .largest = 8};
        r.exact = largest_of(p, k * largest * largest, 8, r.factor) <= capacity_of(p);
    } else if (kind == HONE_DATA_WIDE) {
        /* One side has more bits than bf16, f16 and tf32 can hold (f64: than f32 can; f16 and bf16: all of theirs), the
         * other is +-1, and sparse where sums would round; so sparse that more than 1024 of them is a chance in 10^100.
         */
        bool        swap = seed & 1;
        double      wide = wide_of(swap ? p->type_b : p->type_a);
        int64_t     one_in = p->k > dense ? hone_divide_up(p->k, sparse) : 1;
        hone_values bits = {.integers = true, .odd = true, .least = (wide + 1) / 2, .largest = wide};
        hone_values signs = {.integers = true, .one_in = one_in, .least = 1, .largest = 1};
        bool        b_repeats = p->b_row == 0 && !hone_matmul_packed_b(p);
        bool        repeats = swap ? p->a_column == 0 : b_repeats; /* of the sparse side: all k are one element */
        r.a = swap ? signs : bits;
        r.b = swap ? bits : signs;
        r.small = (hone_values){.integers = true, .largest = 8};
        r.exact =
            largest_of(p, wide * (double)hone_min(p->k, 1024), 8, 1) <= capacity_of(p) && (one_in == 1 || !repeats);
    } else {
        r.a = r.b = r.small = (hone_values){.largest = 1};
    }
    for (int i = 0; i < p->step_count; i++) {
        const hone_step_kind step = (hone_step_kind)p->step[i].kind;
        if (!hone_step_exact(step)) r.exact = false;
        if (hone_step_is_sum(step) && k * fmax(r.a.largest, r.b.largest) > capacity_of(p)) r.exact = false;
    }
    /* Sums of a run that f16 holds. */
    const bool runs = p->type_a == HONE_F16 && p->type_b == HONE_F16 && p->accuracy & HONE_ACCURACY_F16_ACCUMULATE;
    if (runs && fmin(k, HONE_ACCURACY_F16_RUN) * r.a.largest * r.b.largest > 0x1p11) r.exact = false;
    return r;
}

bool hone_matmul_exact(const void *problem, hone_data_kind kind)
{
    return recipe_of(problem, kind, 0).exact && recipe_of(problem, kind, 1).exact;
}

/* A factor for alpha, beta or a scale. The real ones are eighths: exact in every type, and so are products of a few. */
static double factor_of(const recipe *r, bool real, uint64_t bits)
{
    uint64_t more = bits >> 8;
    double   size = real ? (double)(3 + more % 13) / 8 : 1 + (double)(more % (uint64_t)r->factor);
    return bits & 1 ? -size : size;
}

/* One element of an input made NaN or infinite. */
static void plant(const hone_role *role, const hone_span *span, int64_t items, uint64_t bits)
{
    static const double strange[] = {NAN, NAN, INFINITY, -INFINITY};
    int64_t             count = hone_role_count(role);
    if (count == 0 || (role->indirect && items == 0)) return;
    double  value = strange[bits & 3];
    int64_t offset = hone_role_offset(role, (int64_t)((bits >> 2 & 0xffffffffu) * (uint64_t)count >> 32));
    void   *at = hone_span_host(span);
    if (role->indirect) at = ((void **)at)[(bits >> 34) % (uint64_t)items];
    hone_element_store(role->type, at, offset, value);
}

/* A packed b of groups of k: what lies behind the last k is 0. */
static void clear_behind(const hone_matmul_problem *p, const hone_role *role, const hone_span *span, int64_t items)
{
    int64_t group = hone_matmul_layout_group(p->b_layout), last = p->k / group, rest = p->k % group;
    if (!hone_matmul_packed_b(p) || rest == 0) return;
    int64_t groups = last + 1, line = hone_matmul_layout_width(p->b_layout) * group, count = hone_role_count(role);
    for (int64_t at = 0; at < count; at++) {
        if (at / line % groups != last || at % group < rest) continue;
        for (int64_t i = 0; i < (role->indirect ? items : 1); i++) {
            void *first = hone_span_host(span);
            if (role->indirect) first = ((void **)first)[i];
            hone_element_store(role->type, first, hone_role_offset(role, at), 0);
        }
    }
}

static double zero_of(const recipe *r, uint8_t type, uint64_t seed)
{
    double least = fmax(r->zero_least, hone_dtype_least(type)), most = fmin(r->zero_most, hone_dtype_most(type));
    return least + (double)(hone_random_at(seed, HONE_SCALARS_MAX + 1) % (uint64_t)(most - least + 1));
}

hone_status hone_matmul_generate(const void *problem, hone_data_kind kind, uint64_t seed, const hone_arguments *into,
                                 hone_scalar *scalars)
{
    hone_role roles[HONE_ROLES_MAX];
    int       count = hone_matmul_roles(problem, roles);
    return hone_matmul_generate_for(problem, roles, count, kind, seed, into, scalars);
}

hone_status hone_matmul_generate_for(const hone_matmul_problem *p, const hone_role *roles, int count,
                                     hone_data_kind kind, uint64_t seed, const hone_arguments *into,
                                     hone_scalar *scalars)
{
    recipe                     r = recipe_of(p, kind, seed);
    hone_values                wider = r.small; /* inputs of activations: far enough out to reach both their ends */
    bool                       real = kind == HONE_DATA_RANDOM || kind == HONE_DATA_NOT_FINITE;
    /* Kernels may have another way where alpha and beta are 1, as in most calls: of the two kinds of real numbers, one
     * goes it. */
    bool plain = real && (hone_random_at(~seed, HONE_SCALARS_MAX) & 1) == (kind == HONE_DATA_RANDOM);
    if (real) wider.largest = 4;
    hone_values scales = {.integers = !real, .least = real ? 0 : 1, .largest = real ? 1 : r.factor};
    for (int i = 0; i < count; i++) {
        if (!(roles[i].direction & HONE_IN) || roles[i].opaque) continue;
        bool               is_step = i >= HONE_MATMUL_STEP0 && i < HONE_MATMUL_STEP0 + p->step_count;
        hone_step_kind     step = is_step ? p->step[i - HONE_MATMUL_STEP0].kind : HONE_STEP_NONE;
        const hone_values *values = i == HONE_MATMUL_A ? &r.a : i == HONE_MATMUL_B ? &r.b : &r.small;
        if (i == HONE_MATMUL_B_SCALES) values = &r.scales;
        if (i == HONE_MATMUL_B_ZEROS) values = &r.zeros;
        if (step && !hone_step_exact(step)) values = &wider;
        if (hone_step_is_scales(step)) values = &scales;
        hone_role_fill(&roles[i], &into->at[i], into->items, values, hone_random_at(seed, (uint64_t)i));
        /* not among scales: infinity times what is 0, or nearly so, in one order of summing or another */
        bool factors = hone_step_is_slope(hone_step_slope_of(step)) || hone_step_is_scales(step);
        uint64_t bits = hone_random_at(seed + 1, (uint64_t)i);
        /* Of weights, NaN alone: infinity times q less infinity times z is none, times q - z it is. */
        if (hone_matmul_is_scaled(p)) bits &= ~(uint64_t)2;
        if (kind == HONE_DATA_NOT_FINITE && !factors && hone_dtype_floats(roles[i].type) && !hone_matmul_integers(p))
            plant(&roles[i], &into->at[i], into->items, bits);
        if (i == HONE_MATMUL_B) clear_behind(p, &roles[i], &into->at[i], into->items);
    }
    for (int i = 0; i < HONE_MATMUL_VALUE0 + p->step_count; i++) {
        hone_step_kind step = i < HONE_MATMUL_VALUE0 ? HONE_STEP_NONE : p->step[i - HONE_MATMUL_VALUE0].kind;
        bool used = i == HONE_MATMUL_ALPHA || (i == HONE_MATMUL_BETA && p->reads_c) || step == HONE_STEP_SCALE ||
                    step == HONE_STEP_SHIFT;
        double factor = plain && i < HONE_MATMUL_VALUE0 ? 1 : factor_of(&r, real, hone_random_at(~seed, (uint64_t)i));
        if (i == HONE_MATMUL_ALPHA) factor = (r.one ? 1 : factor) * r.shrink;
        scalars[i] = (hone_scalar){used ? factor : 0, NULL};
    }
    if (!p->zeros) return HONE_OK;
    for (int i = HONE_MATMUL_VALUE0 + p->step_count; i < HONE_MATMUL_VALUES; i++) scalars[i] = (hone_scalar){0, NULL};
    if (p->zeros & HONE_MATMUL_ZERO_A) scalars[HONE_MATMUL_A_ZERO].value = zero_of(&r, p->type_a, seed);
    if (p->zeros & HONE_MATMUL_ZERO_B) scalars[HONE_MATMUL_B_ZERO].value = zero_of(&r, p->type_b, ~seed);
    return HONE_OK;
}
