/* Plain matmuls in the problem's own precision, with one flaw each, or none. See faults.h. */
#include "tests/tuner/faults.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/element.h"
#include "base/status.h"
#include "kernels/common/step.h"
#include "kernels/matmul/problem.h"

static const struct {
    const char *meaning, *problems;
} faults[] = {
    {"nothing", ""},
#define FAULT_ROW(name, meaning, problems) {meaning, problems},
    FAULT_LIST(FAULT_ROW)
#undef FAULT_ROW
};

const char *fault_meaning(fault f)
{
    return faults[f].meaning;
}

const char *fault_problems(fault f)
{
    return faults[f].problems;
}

/* --- precisions -------------------------------------------------------------------------------------------------- */

/* x rounded, or cut, to so many significant bits. */
static double to_bits(double x, int bits, bool cut)
{
    int    exponent;
    double fraction = frexp(x, &exponent);
    if (x == 0 || !isfinite(x)) return x;
    fraction = ldexp(fraction, bits);
    return ldexp(cut ? trunc(fraction) : nearbyint(fraction), exponent - bits);
}

/* One matrix of the batch, and how it is done. f32 is done in double and rounded after each operation: for sums and
 * products that is the same. */
typedef struct doing {
    const hone_matmul_problem *p;
    const matmul_way          *way;
    const hone_arguments      *arguments;
    int                        threads;
    int64_t                    matrix, matrices;
    const void                *a, *b;
    void                      *c, *step[HONE_STEPS_MAX];
    double                     alpha, beta, value[HONE_STEPS_MAX];
} doing;

static double rounded(const doing *d, double x)
{
    return hone_matmul_arithmetic(d->p) == HONE_F32 ? (double)(float)x : x;
}

static double load(hone_dtype type, const void *at, int64_t offset)
{
    return hone_element_load(type, at, offset);
}

/* Whole numbers, wrongly read. */
static int64_t whole(const doing *d, hone_dtype type, const void *at, int64_t offset, bool of_a)
{
    fault   wrong = d->way->wrong;
    double  zero = d->p->zeros ? d->arguments->scalars[of_a ? HONE_MATMUL_A_ZERO : HONE_MATMUL_B_ZERO].value : 0;
    int64_t x = (int64_t)load(type, at, offset);
    if (wrong == FAULT_ZERO_A && of_a) zero = 0;
    if (wrong == FAULT_ZERO_B && !of_a) zero = 0;
    if (wrong == FAULT_ZERO_SIGN && of_a) zero = -zero;
    if (wrong == FAULT_READ_SIGNED && of_a && type == HONE_U8) x = (int8_t)x;
    if (wrong == FAULT_READ_UNSIGNED && of_a && type == HONE_S8) x = (uint8_t)x;
    return x - (int64_t)zero;
}

static double sum_whole(const doing *d, int64_t i, int64_t j)
{
    const hone_matmul_problem *p = d->p;
    fault                      wrong = d->way->wrong;
    int64_t                    total = 0, pair = 0;
    float                      real = 0;
    int64_t                    first = wrong == FAULT_FIRST_K, last = p->k - (wrong == FAULT_LAST_K && p->k > 0);
    if (wrong == FAULT_TAIL_K) last = last / 4 * 4;
    for (int64_t k = first; k < last; k++) {
        int64_t x = whole(d, (hone_dtype)p->type_a, d->a, i * p->a_row + k * p->a_column, true);
        int64_t y = whole(d, (hone_dtype)p->type_b, d->b, hone_matmul_b_offset(p, k, j), false);
        real += (float)(x * y);
        if (wrong != FAULT_PAIRS_HELD) {
            total += x * y;
            continue;
        }
        pair += x * y; /* two products in 16 bits, held at their ends */
        if (k % 2 == 0 && k + 1 < last) continue;
        total += pair > 32767 ? 32767 : pair < -32768 ? -32768 : pair;
        pair = 0;
    }
    return wrong == FAULT_SUM_REAL ? (double)real : (double)(int32_t)(uint32_t)total;
}

/* Results of whole numbers, wrongly rounded or held. */
static double to_whole(const doing *d, double x)
{
    hone_dtype type = (hone_dtype)d->p->type_c;
    switch (d->way->wrong) {
    case FAULT_CUT_WHOLE: return trunc(x);
    case FAULT_TIES_WHOLE: return round(x);
    case FAULT_NOT_HELD: {
        int64_t wide = (int64_t)fmax(fmin(nearbyint(x), 1e15), -1e15);
        return type == HONE_S8 ? (double)(int8_t)wide : type == HONE_U8 ? (double)(uint8_t)wide : x;
    }
    case FAULT_HELD_EVENLY: return type == HONE_S8 && x < -127 ? -127 : x;
    default: return x;
    }
}

/* To c's type, of whose significant bits there are so many. */
static double to_result(const doing *d, double x)
{
    int bits = d->p->type_c == HONE_BF16 ? 8 : 11;
    if (!hone_dtype_floats((hone_dtype)d->p->type_c)) return to_whole(d, x);
    if (d->p->type_c != HONE_BF16 && d->p->type_c != HONE_F16) return x;
    switch (d->way->wrong) {
    case FAULT_TIES_AWAY: { /* from 0 */
        double near = to_bits(x, bits, false), far = to_bits(nextafter(x, x < 0 ? -INFINITY : INFINITY), bits, false);
        return fabs(far - x) == fabs(near - x) ? far : near;
    }
    case FAULT_CUT_HALF: return to_bits(x, bits, true);
    case FAULT_ROUNDED_TWICE: return to_bits(to_bits(x, bits + 1, false), bits, false);
    default: return x;
    }
}

static void store(const doing *d, void *at, int64_t offset, double x)
{
    hone_element_store((hone_dtype)d->p->type_c, at, offset, to_result(d, x));
}

static double input(const doing *d, double x)
{
    switch (d->way->wrong) {
    case FAULT_TF32: return to_bits(x, 11, false);
    case FAULT_BF16: return to_bits(x, 8, false);
    case FAULT_F16: return to_bits(x, 11, false);
    case FAULT_F32: return (double)(float)x;
    case FAULT_NAN_SWALLOWED: return isnan(x) ? 0 : x;
    case FAULT_INFINITY_CLIPPED: return isinf(x) ? copysign(FLT_MAX, x) : x;
    default: return x;
    }
}

/* --- sums ----------------------------------------------------------------------------------------------------------
 */

/* x, an element of a or b, times the slopes that it has there. */
static double sloped(const doing *d, hone_step_operand operand, double x, int64_t row, int64_t column)
{
    const hone_matmul_problem *p = d->p;
    for (int s = 0; s < p->step_count; s++) {
        const hone_epilogue_step *step = &p->step[s];
        const hone_step_kind      kind = hone_step_slope_of((hone_step_kind)step->kind);
        if (hone_step_operand_of((hone_step_kind)step->kind) != operand || !d->step[s]) continue;
        if (d->way->wrong == FAULT_OPERAND_SLOPE) column = (column + 1) % (operand == HONE_OPERAND_A ? p->k : p->n);
        const double t =
            load(hone_matmul_step_type(p, s), d->step[s], row * step->row_stride + column * step->column_stride);
        x = rounded(d, x * (hone_matmul_arithmetic(p) == HONE_F32 ? (double)hone_step_slope_f32(kind, (float)t)
                                                                  : hone_step_slope_f64(kind, t)));
    }
    return x;
}

static double a_at(const doing *d, int64_t i, int64_t k)
{
    double x = input(d, load(d->p->type_a, d->a, i * d->p->a_row + k * d->p->a_column));
    if (d->way->wrong == FAULT_TRANSPOSED && d->p->m == d->p->k)
        x = load(d->p->type_a, d->a, k * d->p->a_row + i * d->p->a_column);
    return sloped(d, HONE_OPERAND_A, x, i, k);
}

/* Scale or zero of a group of weights. */
static double group_at(const doing *d, int role, const hone_matmul_groups *lie, int64_t k, int64_t j)
{
    const hone_matmul_problem *p = d->p;
    int64_t                    row = hone_matmul_group_of(k, p->group_k), column = hone_matmul_group_of(j, p->group_n);
    int64_t                    rows = hone_matmul_group_count(p->k, p->group_k);
    int64_t                    columns = hone_matmul_group_count(p->n, p->group_n);
    if (d->way->wrong == FAULT_GROUP_NEXT && role == HONE_MATMUL_B_SCALES) {
        row = (row + 1) % rows;
        if (p->group_n != 1) column = (column + 1) % columns;
    }
    if (d->way->wrong == FAULT_GROUP_COLUMN && role == HONE_MATMUL_B_SCALES) column = (column + 1) % columns;
    return load(p->type_scale, hone_span_host(&d->arguments->at[role]),
                hone_matmul_batch_offset(p, lie->batch, d->matrix) + row * lie->row + column * lie->column);
}

/* A weight as it is kept, and its zero. */
static double kept_weight(const doing *d, int64_t k, int64_t j, double *zero)
{
    const hone_matmul_problem *p = d->p;
    fault                      wrong = d->way->wrong;
    int64_t                    at = hone_matmul_b_offset(p, k, j), half = hone_dtype_bits(p->type_b) == 4 ? 16 : 256;
    if (wrong == FAULT_HALVES_SWAPPED) at ^= 1;
    double q = load(p->type_b, d->b, at);
    if (wrong == FAULT_WEIGHT_SIGN && hone_dtype_least(p->type_b) < 0 && q < 0) q += (double)half;
    else if (wrong == FAULT_WEIGHT_SIGN && hone_dtype_least(p->type_b) == 0 && q >= (double)half / 2) q -= (double)half;
    *zero = p->zeros && wrong != FAULT_GROUP_ZERO ? group_at(d, HONE_MATMUL_B_ZEROS, &p->zero, k, j) : 0;
    if (wrong == FAULT_GROUP_ZERO_SIGN) *zero = -*zero;
    if (wrong == FAULT_GROUP_ZERO_WHOLE) *zero = nearbyint(*zero);
    return q;
}

static double weight_at(const doing *d, int64_t k, int64_t j)
{
    const hone_matmul_problem *p = d->p;
    double                     zero, q = kept_weight(d, k, j, &zero);
    double y = rounded(d, rounded(d, q - zero) * group_at(d, HONE_MATMUL_B_SCALES, &p->scale, k, j));
    if (d->way->wrong == FAULT_GROUP_SHORT && p->group_k && k >= p->k / p->group_k * p->group_k) return 0;
    return d->way->wrong == FAULT_WEIGHT_BF16 ? to_bits(y, 8, false) : y;
}

static double b_at(const doing *d, int64_t k, int64_t j)
{
    if (hone_matmul_is_scaled(d->p)) return input(d, weight_at(d, k, j));
    double x = input(d, load(d->p->type_b, d->b, hone_matmul_b_offset(d->p, k, j)));
    return d->way->wrong == FAULT_OPERAND_PLAIN ? x : sloped(d, HONE_OPERAND_B, x, k, j);
}

/* The sums of a and b that steps ask for. */
static void operand_sums(const doing *d)
{
    const hone_matmul_problem *p = d->p;
    const fault                wrong = d->way->wrong;
    for (int s = 0; s < p->step_count; s++) {
        const hone_epilogue_step *step = &p->step[s];
        const bool                of_a = step->kind == HONE_STEP_SUM_A;
        if (!hone_step_is_sum((hone_step_kind)step->kind) || (!of_a && wrong == FAULT_OPERAND_SUMS)) continue;
        for (int64_t line = 0; line < (of_a ? p->m : p->n); line++) {
            double sum = 0;
            for (int64_t k = 0; k < p->k - (of_a && wrong == FAULT_OPERAND_LAST); k++)
                sum = rounded(d, sum + (of_a ? a_at(d, line, k) : b_at(d, k, line)));
            if (of_a && wrong == FAULT_OPERAND_ALPHA) sum *= d->alpha;
            hone_element_store(hone_matmul_step_type(p, s), d->step[s],
                               line * (of_a ? step->row_stride : step->column_stride), sum);
        }
    }
}

static double added(const doing *d, double sum, double product, int64_t k)
{
    int bits = hone_matmul_arithmetic(d->p) == HONE_F32 ? 24 : 53;
    switch (d->way->wrong) {
    case FAULT_SUM_BF16: return to_bits(sum + product, 8, false);
    case FAULT_SUM_F16: return to_bits(sum + product, 11, false);
    case FAULT_SUM_F32: return (double)(float)(sum + product);
    case FAULT_SUM_TF32: return k % 64 == 63 ? to_bits(sum + product, 11, false) : rounded(d, sum + product);
    case FAULT_CUT_SUM: {
        if (bits == 24) return to_bits(sum + product, 24, true);
        hone_dd exact = hone_dd_sum(sum, product); /* cut: one step nearer to 0 where it was rounded up */
        bool    up = exact.low != 0 && (exact.low < 0) == (exact.high > 0);
        return up ? nextafter(exact.high, 0) : exact.high;
    }
    default: return rounded(d, sum + product);
    }
}

static double pairwise(const doing *d, int64_t i, int64_t j, int64_t from, int64_t to)
{
    if (to - from == 1) return rounded(d, a_at(d, i, from) * b_at(d, from, j));
    int64_t middle = from + (to - from) / 2;
    return rounded(d, pairwise(d, i, j, from, middle) + pairwise(d, i, j, middle, to));
}

static double in_lanes(const doing *d, int64_t i, int64_t j, int lanes)
{
    double sum[16] = {0};
    for (int64_t k = 0; k < d->p->k; k++)
        sum[k % lanes] = rounded(d, sum[k % lanes] + rounded(d, a_at(d, i, k) * b_at(d, k, j)));
    for (int width = lanes / 2; width; width /= 2)
        for (int l = 0; l < width; l++) sum[l] = rounded(d, sum[l] + sum[l + width]);
    return sum[0];
}

/* Weights group by group, their zeros out of the sums. */
static double in_groups(const doing *d, int64_t i, int64_t j)
{
    const hone_matmul_problem *p = d->p;
    const int64_t              group = p->group_k ? p->group_k : p->k;
    double                     sum = 0;
    for (int64_t first = 0; first < p->k; first += group) {
        double with_q = 0, with_one = 0, zero = 0, scale = group_at(d, HONE_MATMUL_B_SCALES, &p->scale, first, j);
        for (int64_t k = first; k < first + group && k < p->k; k++) {
            double x = a_at(d, i, k), q = kept_weight(d, k, j, &zero);
            with_q = rounded(d, with_q + rounded(d, x * q));
            with_one = rounded(d, with_one + x);
        }
        sum = rounded(d, sum + rounded(d, rounded(d, with_q - rounded(d, zero * with_one)) * scale));
    }
    return sum;
}

/* alpha times the sum over k, and beta c where that is to be in it. */
static double product_of(const doing *d, int64_t i, int64_t j, double c)
{
    const hone_matmul_problem *p = d->p;
    fault                      wrong = d->way->wrong;
    honest                     right = d->way->right;
    int64_t                    last = p->k, first = 0, skipped = -1;
    double                     sum = 0, alpha = wrong == FAULT_ALPHA_IGNORED ? 1 : d->alpha;
    if (hone_matmul_integers(p)) {
        sum = p->k ? sum_whole(d, i, j) : 0;
        if (p->type_c == HONE_S32 && alpha == 1 && !p->reads_c && !p->step_count && wrong != FAULT_SUM_IN_F32)
            return sum;
        sum = rounded(d, rounded(d, alpha) * rounded(d, sum));
        return right == HONEST_C_FIRST && p->reads_c ? rounded(d, sum + rounded(d, d->beta * c)) : sum;
    }
    if (wrong == FAULT_BITS_RUNS && d->way->launches % 2) right = HONEST_BACKWARDS;
    if (wrong == FAULT_BITS_THREADS && d->threads > 1) right = HONEST_BACKWARDS;
    if (wrong == FAULT_BITS_ALIGNMENT && (uintptr_t)d->a % 64 == 0) right = HONEST_BACKWARDS;
    if (wrong == FAULT_FIRST_K) first = 1;
    if (wrong == FAULT_LAST_K && last) last--;
    if (wrong == FAULT_TAIL_K) last = last / 4 * 4;
    if ((wrong == FAULT_TERM_IN_ONE || wrong == FAULT_TERM_IN_ONE_LONG) && i == p->m / 2 && j == p->n / 3)
        skipped = p->k / 2;
    if (p->k > 0 && wrong == FAULT_NONE) {
        if (right == HONEST_TWO || right == HONEST_FOUR || right == HONEST_SIXTEEN)
            return rounded(d, alpha * in_lanes(d, i, j, right == HONEST_TWO ? 2 : right == HONEST_FOUR ? 4 : 16));
        if (right == HONEST_GROUPS && hone_matmul_is_scaled(p)) return rounded(d, alpha * in_groups(d, i, j));
        if (right == HONEST_PAIRWISE) return rounded(d, alpha * pairwise(d, i, j, 0, p->k));
    }
    if (right == HONEST_C_FIRST && p->reads_c) sum = rounded(d, d->beta * c);
    double blocks = 0;
    for (int64_t at = first; at < last; at++) {
        int64_t k = right == HONEST_BACKWARDS ? p->k - 1 - at : at;
        double  x = a_at(d, i, k), y = b_at(d, k, j);
        if (k == skipped) continue;
        if (right == HONEST_ALPHA_IN || right == HONEST_C_FIRST) x = rounded(d, alpha * x);
        if (right == HONEST_FUSED)
            sum = rounded(d, hone_matmul_arithmetic(p) == HONE_F32 ? x * y + sum : fma(x, y, sum));
        else if (right == HONEST_DOUBLE)
            sum += x * y;
        else
            sum = added(d, sum, rounded(d, x * y), k);
        if (wrong == FAULT_PAD_ZERO && k == p->k - 1) {
            double zero;
            kept_weight(d, k, j, &zero);
            sum = added(d, sum, rounded(d, x * -zero * group_at(d, HONE_MATMUL_B_SCALES, &p->scale, k, j)), k);
        }
        if (k % 64 == 63 && right == HONEST_BLOCKS && wrong == FAULT_NONE) {
            blocks = rounded(d, blocks + rounded(d, alpha * sum));
            sum = 0;
        }
        if (wrong == FAULT_SUM_IN_C && k % 64 == 63) sum = hone_element_rounded((hone_dtype)p->type_c, sum);
        if (wrong == FAULT_BLOCK_LOST && k % 256 == 255) sum = 0;
        if (wrong == FAULT_TAIL_K_STALE && k == p->k - 1 && p->k % 4) sum = added(d, sum, rounded(d, x * y), k);
    }
    if (right == HONEST_BLOCKS && wrong == FAULT_NONE) return rounded(d, blocks + rounded(d, alpha * sum));
    if (right == HONEST_ALPHA_IN || right == HONEST_C_FIRST) return sum;
    return right == HONEST_DOUBLE ? alpha * sum : rounded(d, alpha * sum);
}

/* --- steps ---------------------------------------------------------------------------------------------------------
 */

static double operand_of(const doing *d, int s, int64_t i, int64_t j)
{
    const hone_epilogue_step *step = &d->p->step[s];
    fault                     wrong = d->way->wrong;
    if (!d->step[s] || step->kind == HONE_STEP_STORE) return 0;
    if (wrong == FAULT_SCALE_SHIFTED && hone_step_is_scales((hone_step_kind)step->kind)) j = (j + 1) % d->p->n;
    if (wrong == FAULT_BIAS_SHIFTED) j = (j + 1) % d->p->n;
    if (wrong == FAULT_BIAS_ROWS) j = i % d->p->n;
    if (wrong == FAULT_BIAS_LAST && j == d->p->n - 1) return 0;
    return load(hone_matmul_step_type(d->p, s), d->step[s], i * step->row_stride + j * step->column_stride);
}

static double stepped(const doing *d, hone_step_kind kind, double x, double value, double t)
{
    double y = hone_matmul_arithmetic(d->p) == HONE_F32 ? (double)hone_step_f32(kind, (float)x, (float)value, (float)t)
                                                        : hone_step_f64(kind, x, value, t);
    switch (d->way->wrong) {
    case FAULT_GELU_OTHER:
        if (kind == HONE_STEP_GELU) return rounded(d, hone_step_f64(HONE_STEP_GELU_ERF, x, value, t));
        if (kind == HONE_STEP_GELU_ERF) return rounded(d, hone_step_f64(HONE_STEP_GELU, x, value, t));
        break;
    case FAULT_GELU_ROUGH: return kind == HONE_STEP_GELU || kind == HONE_STEP_GELU_ERF ? y * (1 + 1e-4) : y;
    case FAULT_SILU_ROUGH: return kind == HONE_STEP_SILU ? y * (1 + 1e-5) : y;
    case FAULT_RELU_NAN: return kind == HONE_STEP_RELU && isnan(x) ? 0 : y;
    case FAULT_SLOPE_AT_ZERO: return kind == HONE_STEP_RELU_GRADIENT && t == 0 ? x : y;
    case FAULT_RESIDUAL_TWICE: return kind == HONE_STEP_RESIDUAL ? rounded(d, y + t) : y;
    case FAULT_SCALE_TWICE: return kind == HONE_STEP_SCALE ? rounded(d, y * value) : y;
    default: break;
    }
    return y;
}

static double through_steps(const doing *d, double x, int64_t i, int64_t j)
{
    const hone_matmul_problem *p = d->p;
    fault                      wrong = d->way->wrong;
    int                        count = p->step_count - (wrong == FAULT_STEP_LAST);
    for (int n = 0; n < count; n++) {
        int            s = wrong == FAULT_STEPS_REVERSED ? count - 1 - n : n;
        hone_step_kind kind = (hone_step_kind)p->step[s].kind;
        if (hone_step_of_operand(kind)) continue;
        if (kind != HONE_STEP_STORE) {
            x = stepped(d, kind, x, d->value[s], operand_of(d, s, i, j));
            continue;
        }
        double kept = x;
        if (wrong == FAULT_STORE_FORGOTTEN) continue;
        if (wrong == FAULT_STORE_LATE && s + 1 < count)
            kept = stepped(d, (hone_step_kind)p->step[s + 1].kind, x, d->value[s + 1], operand_of(d, s + 1, i, j));
        store(d, d->step[s], i * p->step[s].row_stride + j * p->step[s].column_stride, kept);
    }
    return x;
}

/* --- elements -------------------------------------------------------------------------------------------------------
 */

/* Which element's numbers are computed for (i, j). */
static void place_wrongly(const doing *d, int64_t *i, int64_t *j)
{
    const hone_matmul_problem *p = d->p;
    bool                       last_row = *i == p->m - 1;
    switch (d->way->wrong) {
    case FAULT_TAIL_M_TWICE: *i -= last_row && *i > 0; break;
    case FAULT_TAIL_N: *j -= *j == p->n - 1 && *j > 0; break;
    case FAULT_WRONG_LANE: *j = last_row ? (*j + 1) % p->n : *j; break;
    case FAULT_SWAPPED_LANES: *j = last_row && (*j | 1) < p->n && *j / 2 == 1 ? *j ^ 1 : *j; break;
    default: break;
    }
}

static void one_element(const doing *d, int64_t i, int64_t j)
{
    const hone_matmul_problem *p = d->p;
    fault                      wrong = d->way->wrong;
    int64_t                    at = i * p->c_row + j * p->c_column, from_i = i, from_j = j;
    double                     c = p->reads_c || wrong == FAULT_C_READ ? load(p->type_c, d->c, at) : 0;
    double                     beta = wrong == FAULT_BETA_ONE ? 1 : d->beta;
    if (wrong == FAULT_TAIL_M && i == p->m - 1) return;
    if (wrong == FAULT_UNWRITTEN && i == p->m / 2 && j == p->n - 1) return;
    place_wrongly(d, &from_i, &from_j);
    double x = product_of(d, from_i, from_j, c);
    bool   begun = d->way->right == HONEST_C_FIRST;
    if (wrong == FAULT_ALPHA_ON_C) beta *= d->alpha;
    bool adds = p->reads_c && !begun && wrong != FAULT_BETA_IGNORED && wrong != FAULT_BETA_LATE;
    if (adds) x = d->way->right == HONEST_DOUBLE ? x + beta * c : rounded(d, x + rounded(d, beta * c));
    if (wrong == FAULT_C_READ) x += 0 * c;
    if (wrong == FAULT_STEPS_IN_C) x = hone_element_rounded((hone_dtype)p->type_c, x);
    if (wrong == FAULT_RESIDUAL_LATE) store(d, d->c, at, x);
    x = through_steps(d, x, i, j);
    if (wrong == FAULT_BETA_LATE && p->reads_c) x = rounded(d, x + rounded(d, beta * c));
    store(d, d->c, at, x);
}

/* Results cut: from sums that are exact enough to tell. */
static void cut_element(const doing *d, int64_t i, int64_t j)
{
    const hone_matmul_problem *p = d->p;
    hone_dd                    sum = hone_dd_of(0);
    for (int64_t k = 0; k < p->k; k++) sum = hone_dd_add(sum, hone_dd_product(a_at(d, i, k), b_at(d, k, j)));
    sum = hone_dd_mul(sum, hone_dd_of(d->alpha));
    double x = sum.high;
    if (hone_matmul_arithmetic(p) == HONE_F32)
        x = to_bits(x, 24, true);
    else if (sum.low != 0 && (sum.low < 0) == (sum.high > 0))
        x = nextafter(x, 0);
    store(d, d->c, i * p->c_row + j * p->c_column, x);
}

static void damage(const doing *d)
{
    const hone_matmul_problem *p = d->p;
    int64_t                    last = (p->m - 1) * p->c_row + (p->n - 1) * p->c_column;
    switch (d->way->wrong) {
    case FAULT_PADDING: store(d, d->c, (p->m / 2) * p->c_row + p->n * p->c_column, 0); break;
    case FAULT_GUARD_BEHIND: store(d, d->c, last + 1, 0); break;
    case FAULT_GUARD_BEFORE: store(d, d->c, -1, 0); break;
    case FAULT_INPUT: hone_element_store(p->type_a, (void *)d->a, 0, load(p->type_a, d->a, 0) * 2 + 1); break;
    default: break;
    }
}

static void begin_matrix(doing *d)
{
    const hone_matmul_problem *p = d->p;
    const hone_arguments      *g = d->arguments;
    fault                      wrong = d->way->wrong;
    const uint8_t              types[] = {p->type_a, p->type_b, p->type_c};
    void                      *abc[3];
    int64_t                    at_b = hone_matmul_b_batch_offset(p, d->matrix);
    int64_t                    at_a = wrong == FAULT_BATCH_A ? 0 : hone_matmul_batch_offset(p, p->a_batch, d->matrix);
    int64_t                    at_c = hone_matmul_batch_offset(p, p->c_batch, d->matrix);
    if (wrong == FAULT_BROADCAST && d->matrix) at_b += 1;
    for (int i = 0; i < 3; i++) {
        abc[i] = hone_span_host(&g->at[i]);
        if (p->pointers) abc[i] = ((void **)abc[i])[i < 2 && wrong == FAULT_POINTERS ? 0 : d->matrix];
    }
    const int64_t offsets[] = {at_a, at_b, at_c};
    for (int i = 0; i < 3 && !p->pointers; i++)
        abc[i] = (char *)abc[i] + offsets[i] * hone_dtype_bits((hone_dtype)types[i]) / 8;
    d->a = abc[0], d->b = abc[1], d->c = abc[2];
    for (int s = 0; s < p->step_count; s++) {
        int64_t matrix = wrong == FAULT_BIAS_BATCH ? 0 : d->matrix;
        d->value[s] = g->scalars[HONE_MATMUL_VALUE0 + s].value;
        d->step[s] = NULL;
        if (hone_step_operand_of((hone_step_kind)p->step[s].kind) == HONE_OPERAND_NONE) continue;
        d->step[s] = hone_span_host(&g->at[HONE_MATMUL_STEP0 + s]);
        if (!p->pointers)
            d->step[s] = (char *)d->step[s] + hone_matmul_batch_offset(p, p->step[s].batch_stride, matrix) *
                                                  (hone_dtype_bits(hone_matmul_step_type(p, s)) / 8);
    }
}

hone_status matmul_launch(void *self, const hone_rt_plan *plan, hone_be_stream *stream, const hone_arguments *arguments,
                          hone_span scratch)
{
    matmul_way                *way = self;
    const hone_matmul_problem *p = (const hone_matmul_problem *)plan->problem.bytes;
    doing                      d = {.p = p,
                                    .way = way,
                                    .arguments = arguments,
                                    .threads = plan->request.threads,
                                    .matrices = p->pointers ? arguments->items : hone_matmul_batch(p),
                                    .alpha = arguments->scalars[HONE_MATMUL_ALPHA].value,
                                    .beta = arguments->scalars[HONE_MATMUL_BETA].value};
    (void)stream, (void)scratch;
    if (way->wrong == FAULT_STATUS) return hone_fail(HONE_ERROR_DEVICE, "it was made to fail");
    int64_t count = d.matrices - (way->wrong == FAULT_BATCH_HALF);
    for (d.matrix = 0; d.matrix < count && p->m && p->n; d.matrix++) {
        begin_matrix(&d);
        for (int64_t i = 0; i < p->m; i++)
            for (int64_t j = 0; j < p->n; j++) (way->wrong == FAULT_CUT_RESULT ? cut_element : one_element)(&d, i, j);
        operand_sums(&d);
        damage(&d);
    }
#if defined(__SSE__)
    if (way->wrong == FAULT_MODES) __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | 0x8000u); /* denormals to 0 */
#endif
    way->launches++;
    return HONE_OK;
}

/* --- the kernel that stands for them ---------------------------------------------------------------------------------
 */

static const char *subject_identity(const hone_be_device *device)
{
    (void)device;
    return NULL;
}

static const char *subject_refuses(const hone_request *request)
{
    (void)request;
    return NULL;
}

static int subject_suggest(const hone_request *request, hone_config *configs, int cap)
{
    (void)request;
    memset(configs, 0, sizeof *configs);
    return cap > 0;
}

static double subject_estimate(const hone_request *request, const hone_config *config)
{
    (void)request, (void)config;
    return 1;
}

static hone_status subject_prepare(const hone_request *request, const hone_config *config, const hone_details *details,
                                   void **ready, hone_needs *needs)
{
    (void)request, (void)config, (void)details;
    *ready = NULL;
    *needs = (hone_needs){0};
    return HONE_OK;
}

static hone_status subject_launch(void *ready, hone_be_stream *stream, const hone_arguments *arguments,
                                  hone_span scratch)
{
    (void)ready, (void)stream, (void)arguments, (void)scratch;
    return hone_fail(HONE_ERROR_STATE, "the subject is launched by the judge's function alone");
}

static void subject_release(void *ready)
{
    (void)ready;
}

const hone_kernel subject_kernel = {
    .name = "subject",
    .op = "matmul",
    .op_version = 2,
    .problem_size = sizeof(hone_matmul_problem),
    .backend = "cpu",
    .version = 1,
    .properties = HONE_BITWISE_ALL,
    .identity = subject_identity,
    .refuses = subject_refuses,
    .suggest = subject_suggest,
    .estimate = subject_estimate,
    .prepare = subject_prepare,
    .launch = subject_launch,
    .release = subject_release,
};
