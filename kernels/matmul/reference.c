/* What a matmul is: plain loops on any strides, never made fast.
 *
 * As the judge's truth: an element's sum in double, where the arithmetic is f32 (a and b of f32, bf16 or f16, whose
 * products a double holds), and in double-double, where it is f64; beside it what a plain loop in that arithmetic
 * gives, and how far it may go. With u its unit roundoff and S the sum of |a||b| over k,
 *
 *     bound    8 sqrt(k) u |alpha| S, the probabilistic forward bound (Higham and Mary 2018); c is one term more, and
 *              where all k products are one and the same, so that their roundings are too, k stands for 8 sqrt(k)
 *     likely   6 u |alpha| sqrt((p + q) / 3), p the sum of the products' squares, q that of the partial sums', or of
 * what other orders may be expected to have: a rounding errs by up to u of what is rounded, evenly, and so by u/sqrt(3)
 * of it in the root mean square
 *
 * Where sums in f16 are allowed (hone/accuracy.h), both have those of its runs of R products beside them,
 *
 *     bound    8 sqrt(R) u16 |alpha| S + |alpha| k 2^-25
 *     likely   6 u16 |alpha| sqrt(p (1 + R / 2) / 3) + |alpha| k 2^-25
 *
 * and in both the roundings of alpha's and beta's products and of each step (common/step.h), carried through the steps.
 *
 * Weights of few bits are (q - z) s, of which z and s are exact. Kernels may make real numbers of them first, two
 * roundings for each; or sum a q over a group, and a z, and multiply their difference by s: three roundings of sums
 * that are as large as those of |a||q||s| and |a||z||s|. So 8 sqrt(k) becomes 8 sqrt(k) + 3, S the sum of
 * |a| (|q| + |z|) |s|, p three times the squares of both products, and q the squares of both partial sums.
 *
 * Sums of whole numbers are those that 32 bits hold, in any order; u stands for f32, in which all that follows is done.
 *
 * As a kernel, cpu.reference: the whole product, summed in double and rounded once. It takes all that check() takes. */
#include <float.h>
#include <math.h>

#include <hone/accuracy.h>

#include "base/alloc.h"
#include "base/element.h"
#include "base/size.h"
#include "base/status.h"
#include "kernels/common/step.h"
#include "kernels/kernel.h"
#include "kernels/matmul/parts.h"

/* --- where things lie ------------------------------------------------------------------------------------------- */

/* Element (0, 0) of one matrix of the batch, of each argument. */
typedef struct place {
    const hone_matmul_problem *p;
    const void                *a, *b;
    void                      *c, *step[HONE_STEPS_MAX];
    double                     alpha, beta, value[HONE_STEPS_MAX];
    int64_t                    b_row; /* from one row of b to the next, within a column; 0 and `grouped`: uneven */
    bool                       grouped, slopes; /* slopes: of a or b */
    int64_t                    a_zero, b_zero;
    const void                *scale, *zero; /* of weights; zero NULL: they have none */
} place;

/* Where element (k, j) of b stands, whose column begins at `first`. */
static inline int64_t b_at(const place *at, int64_t first, int64_t k, int64_t j)
{
    return at->grouped ? hone_matmul_b_offset(at->p, k, j) : first + k * at->b_row;
}

static void *moved(void *at, hone_dtype type, int64_t offset)
{
    int bits = hone_dtype_bits(type);
    if (!at) return NULL;
    return bits < 8 ? (char *)at + offset * bits / 8 : (char *)at + offset * (bits / 8);
}

static place place_of(const hone_matmul_problem *p, const hone_arguments *arguments, int64_t matrix)
{
    place at = {.p = p,
                .b_row = hone_matmul_b_offset(p, 1, 0),
                .grouped = hone_matmul_packed_b(p) && hone_matmul_layout_group(p->b_layout) > 1,
                .alpha = arguments->scalars[HONE_MATMUL_ALPHA].value,
                .beta = arguments->scalars[HONE_MATMUL_BETA].value};
    if (p->zeros & HONE_MATMUL_ZERO_A)
        at.a_zero = (int64_t)hone_element_rounded(p->type_a, arguments->scalars[HONE_MATMUL_A_ZERO].value);
    if (p->zeros & HONE_MATMUL_ZERO_B)
        at.b_zero = (int64_t)hone_element_rounded(p->type_b, arguments->scalars[HONE_MATMUL_B_ZERO].value);
    void *abc[3];
    for (int i = 0; i < 3; i++) abc[i] = hone_span_host(&arguments->at[i]);
    if (p->pointers) {
        for (int i = 0; i < 3; i++) abc[i] = ((void **)abc[i])[matrix];
    } else {
        abc[0] = moved(abc[0], p->type_a, hone_matmul_batch_offset(p, p->a_batch, matrix));
        abc[1] = moved(abc[1], p->type_b, hone_matmul_b_batch_offset(p, matrix));
        abc[2] = moved(abc[2], p->type_c, hone_matmul_batch_offset(p, p->c_batch, matrix));
    }
    at.a = abc[0], at.b = abc[1], at.c = abc[2];
    if (hone_matmul_is_scaled(p))
        at.scale = moved(hone_span_host(&arguments->at[HONE_MATMUL_B_SCALES]), p->type_scale,
                         hone_matmul_batch_offset(p, p->scale.batch, matrix));
    if (p->zeros & HONE_MATMUL_ZERO_GROUPS)
        at.zero = moved(hone_span_host(&arguments->at[HONE_MATMUL_B_ZEROS]), p->type_scale,
                        hone_matmul_batch_offset(p, p->zero.batch, matrix));
    for (int i = 0; i < p->step_count; i++) {
        at.value[i] = arguments->scalars[HONE_MATMUL_VALUE0 + i].value;
        if (hone_step_operand_of((hone_step_kind)p->step[i].kind) == HONE_OPERAND_NONE) continue;
        at.step[i] = hone_span_host(&arguments->at[HONE_MATMUL_STEP0 + i]);
        at.slopes |= hone_step_of_operand(p->step[i].kind) && !hone_step_is_sum(p->step[i].kind);
        if (!p->pointers)
            at.step[i] = moved(at.step[i], hone_matmul_step_type(p, i),
                               hone_matmul_batch_offset(p, p->step[i].batch_stride, matrix));
    }
    return at;
}

/* Scale (or zero, where there is one) of element (k, j) of weights. */
static double load_group(const place *at, const void *from, const hone_matmul_groups *lie, int64_t k, int64_t j)
{
    if (!from) return 0;
    return hone_element_load(at->p->type_scale, from,
                             hone_matmul_group_of(k, at->p->group_k) * lie->row +
                                 hone_matmul_group_of(j, at->p->group_n) * lie->column);
}

/* The element of a step's operand that stands beside (i, j) of c. */
static double load_step(const place *at, int s, int64_t i, int64_t j)
{
    const hone_epilogue_step *step = &at->p->step[s];
    if (!at->step[s]) return 0;
    return hone_element_load(hone_matmul_step_type(at->p, s), at->step[s],
                             i * step->row_stride + j * step->column_stride);
}

/* --- a and b, changed while they are read ------------------------------------------------------------------------ */

/* What an element of a (b) is multiplied by, three ways; and how far from it a sound way to compute it may be. */
typedef struct factor {
    long double truth;
    double      naive, error;
} factor;

/* Of element (row, column) of a (HONE_OPERAND_A) or b. */
static factor slopes_of(const place *at, hone_step_operand operand, int64_t row, int64_t column)
{
    const hone_matmul_problem *p = at->p;
    const bool                 f32 = hone_matmul_arithmetic(p) == HONE_F32;
    const double               u = f32 ? 0x1p-24 : 0x1p-53, tiny = f32 ? (double)FLT_MIN : DBL_MIN;
    factor                     f = {1, 1, 0};
    for (int s = 0; s < p->step_count && at->slopes; s++) {
        if (hone_step_operand_of((hone_step_kind)p->step[s].kind) != operand) continue;
        const hone_step_kind kind = hone_step_slope_of((hone_step_kind)p->step[s].kind);
        const double         t = load_step(at, s, row, column), error = hone_step_error(kind, 1, 0, t, u, tiny);
        const long double    slope = hone_step_slope_long(kind, (long double)t);
        f.error = f.error * (fabs((double)slope) + error) + error * fabs((double)f.truth);
        f.truth *= slope;
        f.naive *= f32 ? (double)hone_step_slope_f32(kind, (float)t) : hone_step_slope_f64(kind, t);
    }
    return f;
}

static double a_at(const place *at, int64_t i, int64_t k)
{
    return hone_element_load(at->p->type_a, at->a, i * at->p->a_row + k * at->p->a_column);
}

/* --- the truth -------------------------------------------------------------------------------------------------- */

/* One element's sum over k, four ways. */
typedef struct sum {
    hone_dd truth;
    double  sizes;   /* of the products, summed */
    double  squares; /* of products and partial sums, summed */
    double  naive;
    double  slack;   /* of slopes that the products have: how far off all of them together may be */
} sum;

/* In another order the partial sums are others; where the signs are random k/2 products' squares are to be expected. */
static double squares_of(int64_t k, double products, double sums)
{
    return products + fmax(sums, (double)k / 2 * products);
}

/* May the sum be done in runs in f16? */
static bool in_runs(const hone_matmul_problem *p)
{
    return p->type_a == HONE_F16 && p->type_b == HONE_F16 && p->accuracy & HONE_ACCURACY_F16_ACCUMULATE;
}

static double f16_rounded(double x)
{
    return (double)hone_f16_to_f32(hone_f16_from_f64(x));
}

/* As a plain loop in f16 does it, and folds it. */
static double naive_in_runs(const place *at, int64_t i, int64_t j)
{
    const hone_matmul_problem *p = at->p;
    const int64_t              first = hone_matmul_b_offset(p, 0, j);
    float                      total = 0;
    double                     run = 0;
    for (int64_t k = 0; k < p->k; k++) {
        run = f16_rounded(run + a_at(at, i, k) * hone_element_load(HONE_F16, at->b, b_at(at, first, k, j)));
        if ((k + 1) % HONE_ACCURACY_F16_RUN && k + 1 < p->k) continue;
        total += (float)run;
        run = 0;
    }
    return (double)total;
}

static sum sum_f32(const place *at, int64_t i, int64_t j)
{
    const hone_matmul_problem *p = at->p;
    const int64_t              a = i * p->a_row, b = hone_matmul_b_offset(p, 0, j);
    double                     truth = 0, sizes = 0, products = 0, sums = 0;
    float                      naive = 0;
    for (int64_t k = 0; k < p->k; k++) {
        float  x = (float)hone_element_load(p->type_a, at->a, a + k * p->a_column);
        float  y = (float)hone_element_load(p->type_b, at->b, b_at(at, b, k, j));
        double product = (double)x * y; /* exact */
        truth += product;
        sizes += fabs(product);
        products += product * product;
        sums += truth * truth;
        naive += x * y;
    }
    return (sum){hone_dd_of(truth), sizes, squares_of(p->k, products, sums), (double)naive, 0};
}

/* One more product on its way into a sum. */
static void add_product(sum *s, double *products, double *sums, hone_dd product, double naive, double slack, bool f32)
{
    s->truth = hone_dd_add(s->truth, product);
    s->sizes += fabs(product.high);
    s->slack += slack;
    *products += product.high * product.high;
    *sums += s->truth.high * s->truth.high;
    s->naive = f32 ? (double)((float)s->naive + (float)naive) : s->naive + naive;
}

/* The same sum where a or b has slopes, of any real type. */
static sum sum_sloped(const place *at, int64_t i, int64_t j)
{
    const hone_matmul_problem *p = at->p;
    const bool                 f32 = hone_matmul_arithmetic(p) == HONE_F32;
    sum                        s = {{0, 0}, 0, 0, 0, 0};
    double                     products = 0, sums = 0;
    for (int64_t k = 0; k < p->k; k++) {
        const double  a = a_at(at, i, k), b = hone_element_load(p->type_b, at->b, hone_matmul_b_offset(p, k, j));
        const factor  of_a = slopes_of(at, HONE_OPERAND_A, i, k), of_b = slopes_of(at, HONE_OPERAND_B, k, j);
        const hone_dd x = hone_dd_mul(hone_dd_of(a), hone_dd_from_long(of_a.truth));
        const hone_dd y = hone_dd_mul(hone_dd_of(b), hone_dd_from_long(of_b.truth));
        const double  fa = fabs((double)of_a.truth), fb = fabs((double)of_b.truth);
        const double  naive =
            f32 ? (double)((float)(a * of_a.naive) * (float)(b * of_b.naive)) : a * of_a.naive * (b * of_b.naive);
        add_product(&s, &products, &sums, hone_dd_mul(x, y), naive,
                    fabs(a * b) * ((fa + of_a.error) * (fb + of_b.error) - fa * fb), f32);
    }
    s.squares = squares_of(p->k, products, sums);
    return s;
}

/* The sum of row i of a, or of column j of b, along k. */
static sum sum_of_operand(const place *at, hone_step_kind kind, int64_t line)
{
    const hone_matmul_problem *p = at->p;
    const bool                 of_a = kind == HONE_STEP_SUM_A, f32 = hone_matmul_arithmetic(p) == HONE_F32;
    sum                        s = {{0, 0}, 0, 0, 0, 0};
    double                     products = 0, sums = 0;
    for (int64_t k = 0; k < p->k; k++) {
        const factor f = of_a ? slopes_of(at, HONE_OPERAND_A, line, k) : slopes_of(at, HONE_OPERAND_B, k, line);
        const double x = of_a ? a_at(at, line, k)
                              : hone_element_load(p->type_b, at->b, hone_matmul_b_offset(p, k, line));
        add_product(&s, &products, &sums, hone_dd_mul(hone_dd_of(x), hone_dd_from_long(f.truth)), x * f.naive,
                    fabs(x) * f.error, f32);
    }
    s.squares = squares_of(p->k, products, sums);
    return s;
}

/* Weights: a (q - z) s. In double, whose own roundings are far below those of f32. */
static sum sum_scaled(const place *at, int64_t i, int64_t j)
{
    const hone_matmul_problem *p = at->p;
    const int64_t              a = i * p->a_row, b = hone_matmul_b_offset(p, 0, j);
    double                     truth = 0, sizes = 0, products = 0, sums = 0, with_q = 0, with_z = 0;
    float                      naive = 0;
    for (int64_t k = 0; k < p->k; k++) {
        double x = hone_element_load(p->type_a, at->a, a + k * p->a_column);
        double q = hone_element_load(p->type_b, at->b, b_at(at, b, k, j));
        double s = load_group(at, at->scale, &p->scale, k, j), z = load_group(at, at->zero, &p->zero, k, j);
        double xq = x * q * s, xz = x * z * s;
        truth += x * ((q - z) * s);
        sizes += fabs(xq) + fabs(xz);
        products += xq * xq + xz * xz;
        with_q += xq;
        with_z += xz;
        sums += with_q * with_q + with_z * with_z;
        naive += (float)x * (((float)q - (float)z) * (float)s);
    }
    return (sum){hone_dd_of(truth), sizes, squares_of(p->k, 3 * products, sums), (double)naive, 0};
}

static sum sum_f64(const place *at, int64_t i, int64_t j)
{
    const hone_matmul_problem *p = at->p;
    const double *a = (const double *)at->a + i * p->a_row, *b = (const double *)at->b + hone_matmul_b_offset(p, 0, j);
    sum                        s = {{0, 0}, 0, 0, 0, 0};
    double                     products = 0, sums = 0;
    for (int64_t k = 0; k < p->k; k++) {
        double x = a[k * p->a_column], y = b[k * at->b_row];
        s.truth = hone_dd_add(s.truth, hone_dd_product(x, y));
        s.sizes += fabs(x * y);
        products += x * y * (x * y);
        sums += s.truth.high * s.truth.high;
        s.naive += x * y;
    }
    s.squares = squares_of(p->k, products, sums);
    return s;
}

/* Whole numbers: the sum of 32 bits that all orders of summing give. */
static double sum_whole(const place *at, int64_t i, int64_t j)
{
    const hone_matmul_problem *p = at->p;
    const int64_t              a = i * p->a_row, b = hone_matmul_b_offset(p, 0, j);
    uint32_t                   total = 0;
    for (int64_t k = 0; k < p->k; k++) {
        int64_t x = (int64_t)hone_element_load(p->type_a, at->a, a + k * p->a_column) - at->a_zero;
        int64_t y = (int64_t)hone_element_load(p->type_b, at->b, b_at(at, b, k, j)) - at->b_zero;
        total += (uint32_t)(x * y);
    }
    return (double)(int32_t)total;
}

/* ... which is the result itself. */
static bool is_sum(const place *at)
{
    const hone_matmul_problem *p = at->p;
    return p->type_c == HONE_S32 && p->step_count == 0 && !p->reads_c && at->alpha == 1;
}

/* The value on its way through the steps, with all that is asked of it. */
typedef struct walk {
    hone_dd truth;
    double  bound, likely, naive;
} walk;

static double roundoff(const hone_matmul_problem *p)
{
    return hone_matmul_arithmetic(p) == HONE_F32 ? 0x1p-24 : 0x1p-53;
}

static walk walk_begin(const place *at, int64_t i, int64_t j)
{
    const hone_matmul_problem *p = at->p;
    bool                       f32 = hone_matmul_arithmetic(p) == HONE_F32;
    double                     u = roundoff(p), k = (double)p->k, c = 0;
    sum                        s = {{0, 0}, 0, 0, 0, 0};
    walk                       w;
    if (p->k && hone_matmul_integers(p)) {
        s.truth = hone_dd_of(sum_whole(at, i, j));
        s.naive = s.truth.high;
        if (is_sum(at)) return (walk){s.truth, 0, 0, s.naive};
    } else if (p->k && at->slopes) {
        s = sum_sloped(at, i, j);
    } else if (p->k && hone_matmul_is_scaled(p)) {
        s = sum_scaled(at, i, j);
    } else if (p->k) {
        s = f32 ? sum_f32(at, i, j) : sum_f64(at, i, j);
        if (in_runs(p)) s.naive = naive_in_runs(at, i, j);
    }
    if (p->reads_c) c = hone_element_load(p->type_c, at->c, i * p->c_row + j * p->c_column);
    hone_dd product = hone_dd_mul(s.truth, hone_dd_of(at->alpha)), old = hone_dd_product(at->beta, c);
    double  rounds = (hone_matmul_integers(p) ? 3 : 2) * fabs(product.high), size = fabs(at->alpha) * s.sizes,
           growth = 8 * sqrt(k + p->reads_c);
    double  squares = at->alpha * at->alpha * s.squares;
    w.truth = product;
    if (f32)
        w.naive = (double)((float)at->alpha * (float)s.naive);
    else
        w.naive = at->alpha * s.naive;
    if (p->reads_c) {
        w.truth = hone_dd_add(product, old);
        rounds += 2 * fabs(old.high) + fabs(w.truth.high);
        size += fabs(old.high);
        squares += 2 * k * old.high * old.high; /* a sum may begin with it */
        if (f32)
            w.naive = (double)((float)w.naive + (float)at->beta * (float)c);
        else
            w.naive += at->beta * c;
    }
    bool one_product = p->k > 1 && p->a_column == 0 && at->b_row == 0 && !at->grouped;
    if (one_product) growth = fmax(growth, k + 2);
    if (hone_matmul_is_scaled(p)) growth += 3;
    w.bound = u * (growth * size + rounds);
    w.likely = one_product ? w.bound : u * (6 * sqrt(squares / 3) + rounds);
    if (p->k && in_runs(p)) {
        const double u16 = 0x1p-11, run = fmin(k, HONE_ACCURACY_F16_RUN), least = fabs(at->alpha) * k * 0x1p-25;
        w.bound += 8 * sqrt(run) * u16 * fabs(at->alpha) * s.sizes + least;
        w.likely += 6 * u16 * fabs(at->alpha) * sqrt(s.squares * (1 + run / 2) / (1 + k / 2) / 3) + least;
        if (one_product) w.likely = w.bound += run * u16 * fabs(at->alpha) * s.sizes;
    }
    w.bound += fabs(at->alpha) * s.slack;
    w.likely += fabs(at->alpha) * s.slack;
    return w;
}

/* What a step of sums writes for this line of its operand. */
static hone_truth truth_of_sum(const place *at, int index, int64_t line)
{
    const hone_matmul_problem *p = at->p;
    const hone_step_kind       kind = (hone_step_kind)p->step[index].kind;
    const sum                  s = sum_of_operand(at, kind, line);
    const bool   one = p->k > 1 && (kind == HONE_STEP_SUM_A ? p->a_column : p->b_row) == 0; /* element, k times */
    const double u = roundoff(p), k = (double)p->k, growth = one ? fmax(8 * sqrt(k), k + 2) : 8 * sqrt(k);
    const double bound = u * growth * s.sizes + s.slack;
    return (hone_truth){s.truth.high, s.truth.low, bound, s.naive,
                        one ? bound : u * 6 * sqrt(s.squares / 3) + s.slack};
}

/* Passes steps from .. to-1. */
static void walk_steps(walk *w, const place *at, int64_t i, int64_t j, int from, int to)
{
    const hone_matmul_problem *p = at->p;
    bool                       f32 = hone_matmul_arithmetic(p) == HONE_F32;
    double                     u = roundoff(p), tiny = f32 ? (double)FLT_MIN : DBL_MIN;
    for (int s = from; s < to; s++) {
        hone_step_kind kind = (hone_step_kind)p->step[s].kind;
        if (kind == HONE_STEP_STORE || hone_step_of_operand(kind)) continue;
        double t = load_step(at, s, i, j);
        double x = w->truth.high, value = at->value[s], grows = hone_step_growth(kind, value, t);
        if (hone_step_is_slope(kind)) { /* x times a slope that has an error of its own */
            double slope_error = hone_step_error(kind, 1, value, t, u, tiny);
            w->bound = grows * w->bound + slope_error * (fabs(x) + w->bound);
            w->likely = grows * w->likely + slope_error * (fabs(x) + w->likely);
        } else {
            double error = hone_step_error(kind, x, value, t, u, tiny);
            w->bound = grows * w->bound + error;
            w->likely = grows * w->likely + error;
        }
        if (f32) {
            w->truth = hone_dd_of(hone_step_f64(kind, x, value, t));
            w->naive = (double)hone_step_f32(kind, (float)w->naive, (float)value, (float)t);
        } else {
            w->truth = hone_step_dd(kind, w->truth, value, t);
            w->naive = hone_step_f64(kind, w->naive, value, t);
        }
    }
}

hone_status hone_matmul_truth(const void *problem, const hone_arguments *before, const hone_sample *sample,
                              hone_truth *truth)
{
    const hone_matmul_problem *p = problem;
    int                        steps = p->step_count;
    HONE_CHECK(!hone_matmul_packed_b(p) || hone_matmul_layout_width(p->b_layout), HONE_ERROR_UNSUPPORTED,
               "matmul: what stands in a b packed as %s only its kernel knows; ask about the plain product",
               p->b_layout);
    if (sample->role != HONE_MATMUL_C) {
        steps = sample->role - HONE_MATMUL_STEP0;
        HONE_CHECK(steps >= 0 && steps < p->step_count &&
                       (p->step[steps].kind == HONE_STEP_STORE || hone_step_is_sum(p->step[steps].kind)),
                   HONE_ERROR_ARGUMENT, "matmul: argument %d is no output", sample->role);
        if (hone_step_is_sum(p->step[steps].kind)) {
            const int64_t lines = p->step[steps].kind == HONE_STEP_SUM_A ? p->m : p->n;
            for (int64_t e = 0; e < sample->count; e++) {
                const place at = place_of(p, before, sample->at[e] / lines);
                truth[e] = truth_of_sum(&at, steps, sample->at[e] % lines);
            }
            return HONE_OK;
        }
    }
    for (int64_t e = 0; e < sample->count; e++) {
        int64_t j = sample->at[e] % p->n, row = sample->at[e] / p->n, i = row % p->m;
        place   at = place_of(p, before, row / p->m);
        walk    w = walk_begin(&at, i, j);
        walk_steps(&w, &at, i, j, 0, steps);
        truth[e] = (hone_truth){w.truth.high, w.truth.low, w.bound, w.naive, w.likely};
    }
    return HONE_OK;
}

/* --- the kernel ------------------------------------------------------------------------------------------------- */

static double element(const place *at, int64_t i, int64_t j)
{
    const hone_matmul_problem *p = at->p;
    const int64_t              a = i * p->a_row, b = hone_matmul_b_offset(p, 0, j);
    double                     total = 0;
    if (at->slopes) return sum_sloped(at, i, j).truth.high;
    bool                       scaled = hone_matmul_is_scaled(p);
    for (int64_t k = 0; k < p->k; k++) {
        double y = hone_element_load(p->type_b, at->b, b_at(at, b, k, j));
        if (scaled)
            y = (y - load_group(at, at->zero, &p->zero, k, j)) * load_group(at, at->scale, &p->scale, k, j);
        total += hone_element_load(p->type_a, at->a, a + k * p->a_column) * y;
    }
    return total;
}

static void one_matrix(const place *at)
{
    const hone_matmul_problem *p = at->p;
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < p->n; j++) {
            int64_t out = i * p->c_row + j * p->c_column;
            double  x = p->k == 0 ? 0 : hone_matmul_integers(p) ? sum_whole(at, i, j) : element(at, i, j);
            x *= at->alpha;
            if (p->reads_c) x += at->beta * hone_element_load(p->type_c, at->c, out);
            for (int s = 0; s < p->step_count; s++) {
                hone_step_kind kind = (hone_step_kind)p->step[s].kind;
                if (hone_step_of_operand(kind)) continue;
                if (kind == HONE_STEP_STORE)
                    hone_element_store(p->type_c, at->step[s],
                                       i * p->step[s].row_stride + j * p->step[s].column_stride, x);
                else
                    x = hone_step_f64(kind, x, at->value[s], load_step(at, s, i, j));
            }
            hone_element_store(p->type_c, at->c, out, x);
        }
    for (int s = 0; s < p->step_count; s++) {
        const hone_epilogue_step *step = &p->step[s];
        const bool                of_a = step->kind == HONE_STEP_SUM_A;
        if (!hone_step_is_sum((hone_step_kind)step->kind)) continue;
        for (int64_t line = 0; line < (of_a ? p->m : p->n); line++)
            hone_element_store(hone_matmul_step_type(p, s), at->step[s],
                               line * (of_a ? step->row_stride : step->column_stride),
                               sum_of_operand(at, (hone_step_kind)step->kind, line).truth.high);
    }
}

void hone_matmul_plainly(const hone_matmul_problem *p, const hone_arguments *arguments)
{
    if (p->m == 0 || p->n == 0) return;
    for (int64_t matrix = 0, count = p->pointers ? arguments->items : hone_matmul_batch(p); matrix < count; matrix++) {
        place at = place_of(p, arguments, matrix);
        one_matrix(&at);
    }
}

static const char *reference_identity(const hone_be_device *device)
{
    (void)device;
    return NULL;
}

static const char *reference_refuses(const hone_request *request)
{
    const hone_matmul_problem *p = request->problem;
    if (hone_matmul_packed_b(p) && !hone_matmul_layout_width(p->b_layout)) return HONE_MATMUL_PACKED_REFUSED;
    return NULL;
}

static int reference_suggest(const hone_request *request, hone_config *configs, int cap)
{
    (void)request;
    if (cap < 1) return 0;
    hone_config_standard(NULL, configs);
    return 1;
}

static double reference_estimate(const hone_request *request, const hone_config *config)
{
    (void)config;
    return 1e-8 + 2e-9 * hone_matmul_op.cost(request->problem).flops; /* plain loops: some cycles an addition */
}

static hone_status reference_prepare(const hone_request *request, const hone_config *config,
                                     const hone_details *details, void **ready, hone_needs *needs)
{
    (void)config, (void)details;
    hone_matmul_problem *p = hone_alloc(1, sizeof *p);
    if (!p) return HONE_ERROR_MEMORY;
    *p = *(const hone_matmul_problem *)request->problem;
    *needs = (hone_needs){0};
    *ready = p;
    return HONE_OK;
}

static hone_status reference_launch(void *ready, hone_be_stream *stream, const hone_arguments *arguments,
                                    hone_span scratch)
{
    (void)stream, (void)scratch;
    hone_matmul_plainly(ready, arguments);
    return HONE_OK;
}

static void reference_release(void *ready)
{
    hone_free(ready);
}

extern const hone_kernel hone_matmul_reference;
const hone_kernel        hone_matmul_reference = {
    .name = "cpu.reference",
    .op = "matmul",
    .op_version = 2,
    .problem_size = sizeof(hone_matmul_problem),
    .backend = "cpu",
    .version = 1,
    .properties = HONE_BITWISE_ALL | HONE_CAPTURABLE | HONE_ONE_THREAD | HONE_IS_REFERENCE,
    .identity = reference_identity,
    .refuses = reference_refuses,
    .suggest = reference_suggest,
    .estimate = reference_estimate,
    .prepare = reference_prepare,
    .launch = reference_launch,
    .release = reference_release,
};
