/* What attention is: plain loops on any strides, never made fast.
 *
 * As the judge's truth: scores, weights and sums in double; beside them what plain loops in f32 give, and how far f32
 * arithmetic may go. With u its unit roundoff, n keys seen, w the weights (of sum 1 or, with a sink, less) and o the
 * result, to first order
 *
 *     o' - o  =  sum of w[j] (v[j] - o) e[j]  +  what rounds while sums are made
 *
 * where e[j] is the error of score j and of its exponential, since exp(s + e) = exp(s) (1 + e). So
 *
 *     e[j]    |scale| u (8 sqrt(d) + 3) (|q| |k|), the probabilistic bound of a sum of d products (Higham and Mary
 *             2018) with scale and log2(e) folded in; 7 u of what the soft cap gives, whose slope is 1 at most; u of
 *             what each further term makes; then 2 u |s[j] - max| for the difference, 2 u for the exponential, and u
 *             times the range of scores where they are seen in blocks, whose sums are brought to the latest maximum
 *     sums    u (8 sqrt(3 n) + 8) (sum of w |v|  +  |o|): n terms, each with a rescaling by a rounded factor
 *
 * and likely is the same with six standard deviations of the roundings in place of their bound. The log-sum-exp is off
 * by sum of w[j] e[j], the relative error of its sum, and 3 u of itself.
 *
 * As a kernel, cpu.reference: the same in double, rounded once. It takes all that check() takes. */
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/element.h"
#include "base/size.h"
#include "base/status.h"
#include "kernels/attention/problem.h"
#include "kernels/kernel.h"

/* --- where things lie ------------------------------------------------------------------------------------------- */

typedef struct operands {
    const hone_attention_problem *p;
    const void                   *at[HONE_ATTENTION_OPERANDS];
    double                        scale, cap;
} operands;

static operands operands_of(const hone_attention_problem *p, const hone_arguments *arguments)
{
    operands o = {.p = p,
                  .scale = arguments->scalars[HONE_ATTENTION_SCALE].value,
                  .cap = arguments->scalars[HONE_ATTENTION_CAP].value};
    for (int i = 0; i < HONE_ATTENTION_OPERANDS; i++) o.at[i] = hone_span_host(&arguments->at[i]);
    return o;
}

/* One query of one head. */
typedef struct row {
    hone_attention_sequence s;
    bool                    exists; /* within its sequence */
    int64_t                 at;     /* the row of q, of out and of lse */
    int64_t                 head, kv_head, i;
    int64_t                 place, low, high;
} row;

/* The row of q that a result is told of: which sequence it belongs to, and what it sees. */
static row row_of(const operands *o, int64_t item, int64_t at, int64_t head)
{
    const hone_attention_problem *p = o->p;
    const int32_t *q = o->at[HONE_ATTENTION_Q_LENGTHS], *k = o->at[HONE_ATTENTION_K_LENGTHS];
    int64_t        floor[2] = {0, 0};
    row            r = {.at = at, .head = head, .kv_head = head / (p->heads / p->kv_heads)};
    if (p->lengths == HONE_ATTENTION_PACKED) {
        for (int64_t s = 0; s < p->batch && !r.exists; s++) {
            r.s = hone_attention_sequence_at(p, q, k, s, floor);
            r.exists = at >= r.s.q_begin && at < r.s.q_begin + r.s.q_length;
        }
    } else {
        r.s = hone_attention_sequence_at(p, q, k, item, floor);
        r.exists = at < r.s.q_length;
    }
    r.i = at - r.s.q_begin;
    if (r.exists) hone_attention_sees(p, &r.s, r.i, &r.place, &r.low, &r.high);
    return r;
}

static double load(const operands *o, int role, uint8_t type, const int64_t *stride, int64_t a, int64_t b, int64_t c,
                   int64_t d)
{
    return hone_element_load((hone_dtype)type, o->at[role],
                             a * stride[0] + b * stride[1] + c * stride[2] + d * stride[3]);
}

static double q_at(const operands *o, const row *r, int64_t t)
{
    return load(o, HONE_ATTENTION_Q, o->p->type, o->p->q_stride, r->s.item, r->at, r->head, t);
}

static double k_at(const operands *o, const row *r, int64_t j, int64_t t)
{
    return load(o, HONE_ATTENTION_K, o->p->type, o->p->k_stride, r->s.item, r->s.k_begin + j, r->kv_head, t);
}

static double v_at(const operands *o, const row *r, int64_t j, int64_t t)
{
    return load(o, HONE_ATTENTION_V, o->p->type, o->p->v_stride, r->s.item, r->s.k_begin + j, r->kv_head, t);
}

/* --- scores ------------------------------------------------------------------------------------------------------ */

/* A score, as it is and as f32 gives it, with how far that may be, and is likely to be, from it. */
typedef struct score {
    double truth, bound, likely;
    float  naive;
} score;

static const double U = 0x1p-24;

/* In another order the partial sums are others; where the signs are random n/2 products' squares are to be expected. */
static double squares_of(double n, double products, double sums)
{
    return products + fmax(sums, n / 2 * products);
}

static score score_of(const operands *o, const row *r, int64_t j)
{
    const hone_attention_problem *p = o->p;
    double                        dot = 0, sizes = 0, products = 0, sums = 0;
    float                         naive = 0, scale = (float)o->scale;
    for (int64_t t = 0; t < p->d; t++) {
        const double x = q_at(o, r, t), y = k_at(o, r, j, t), product = x * y; /* exact */
        dot += product;
        sizes += fabs(product);
        products += product * product;
        sums += dot * dot;
        naive += (float)x * (float)y;
    }
    const double d = (double)p->d, size = fabs(o->scale);
    score        s = {o->scale * dot, U * size * (8 * sqrt(d) + 3) * sizes, 0, scale * naive};
    s.likely = U * (size * 6 * sqrt((squares_of(d, products, sums) + 2 * products) / 3) + 2 * fabs(s.truth));
    if (p->cap) {
        s.truth = o->cap * tanh(s.truth / o->cap);
        s.naive = (float)o->cap * tanhf(s.naive / (float)o->cap);
        s.bound += 7 * U * fabs(s.truth);
        s.likely += 7 * U * fabs(s.truth);
    }
    if (p->bias_type) {
        const double bias = load(o, HONE_ATTENTION_BIAS, p->bias_type, p->bias_stride, r->s.item, r->head, r->at, j);
        const double error = U * (fabs(s.truth + bias) + 2 * fabs(bias));
        s.truth += bias;
        s.naive += (float)bias;
        s.bound += error, s.likely += error;
    }
    if (p->alibi) {
        const double slope = ((const float *)o->at[HONE_ATTENTION_SLOPES])[r->head];
        const double term = slope * fabs((double)(r->place - j)), error = U * (fabs(s.truth - term) + 3 * fabs(term));
        s.truth -= term;
        s.naive -= (float)slope * fabsf((float)(r->place - j));
        s.bound += error, s.likely += error;
    }
    return s;
}

static double sink_of(const operands *o, const row *r)
{
    return o->p->sinks && r->exists ? (double)((const float *)o->at[HONE_ATTENTION_SINKS])[r->head] : -INFINITY;
}

/* The largest, NaN where there is any. */
static double larger(double a, double b)
{
    return isnan(a) || isnan(b) ? NAN : fmax(a, b);
}

/* --- the truth -------------------------------------------------------------------------------------------------- */

/* All that the results of one row share. */
typedef struct shared {
    row    r;
    score *scores;                /* of the keys from low on; weights in their place of truth and naive */
    double total, greatest, sum;  /* of the exponentials, with the sink's; the largest score; of the weights */
    double off, off_likely;       /* of the sum, relative */
    float  naive_sum, naive_most; /* plain loops' */
} shared;

static void share(const operands *o, shared *h)
{
    const int64_t n = h->r.high - h->r.low;
    const double  sink = sink_of(o, &h->r);
    double        least = INFINITY;
    h->greatest = sink, h->naive_most = (float)sink;
    for (int64_t j = 0; j < n; j++) {
        h->scores[j] = score_of(o, &h->r, h->r.low + j);
        h->greatest = larger(h->greatest, h->scores[j].truth);
        h->naive_most = fmaxf(h->naive_most, h->scores[j].naive);
        if (h->scores[j].truth > -INFINITY) least = fmin(least, h->scores[j].truth);
    }
    h->total = h->off = h->off_likely = 0, h->naive_sum = 0, h->sum = 0;
    if (h->greatest == -INFINITY) return;
    const double range = isfinite(h->greatest) && isfinite(least) ? fabs(h->greatest - least) : 0;
    for (int64_t j = 0; j < n; j++) {
        score       *s = &h->scores[j];
        const double apart = fabs(s->truth - h->greatest), error = U * (2 * apart + 2 + range);
        const bool   unseen = s->truth == -INFINITY;
        s->bound = unseen ? 0 : s->bound + error;
        s->likely = unseen ? 0 : s->likely + error;
        s->truth = exp(s->truth - h->greatest);
        s->naive = expf(s->naive - h->naive_most);
        h->total += s->truth;
        h->naive_sum += s->naive;
    }
    if (sink > -INFINITY) {
        h->total += exp(sink - h->greatest);
        h->naive_sum += expf((float)sink - h->naive_most);
    }
    for (int64_t j = 0; j < n; j++) {
        score *s = &h->scores[j];
        s->truth /= h->total;
        h->off += s->truth * s->bound;
        h->off_likely += s->truth * s->likely;
    }
    if (sink > -INFINITY) h->off += 4 * U, h->off_likely += 4 * U;
}

static double growth(double n)
{
    return 8 * sqrt(3 * n) + 8;
}

static hone_truth out_of(const operands *o, const shared *h, int64_t column)
{
    const double n = (double)(h->r.high - h->r.low);
    double       truth = 0, sizes = 0, products = 0, sums = 0, bound = 0, likely = 0;
    float        naive = 0;
    if (h->greatest == -INFINITY) return (hone_truth){0};
    for (int64_t j = 0; j < h->r.high - h->r.low; j++) {
        const double v = v_at(o, &h->r, h->r.low + j, column), product = h->scores[j].truth * v;
        truth += product;
        sizes += fabs(product);
        products += product * product;
        sums += truth * truth;
        naive += h->scores[j].naive * (float)v;
    }
    for (int64_t j = 0; j < h->r.high - h->r.low; j++) {
        const double reach = h->scores[j].truth * fabs(v_at(o, &h->r, h->r.low + j, column) - truth);
        bound += reach * h->scores[j].bound;
        likely += reach * h->scores[j].likely;
    }
    bound += U * (growth(n) * (sizes + fabs(truth)) + 4 * fabs(truth));
    likely += U * (6 * sqrt(squares_of(n, products, sums)) + (6 * sqrt(n) + 8) * fabs(truth));
    return (hone_truth){truth, 0, bound, (double)(naive / h->naive_sum), likely};
}

static hone_truth lse_of(const shared *h)
{
    const double n = (double)(h->r.high - h->r.low);
    if (h->greatest == -INFINITY) return (hone_truth){-INFINITY, 0, 0, -INFINITY, 0};
    const double truth = h->greatest + log(h->total), self = U * (3 * fabs(truth) + 2 * fabs(h->greatest) + 4);
    return (hone_truth){truth, 0, h->off + U * growth(n) + self, (double)(h->naive_most + logf(h->naive_sum)),
                        h->off_likely + U * 6 * sqrt(n) + self};
}

/* A sample's element by the line of q that it belongs to: a line's scores are made once for all of its elements. */
typedef struct asked {
    int64_t line, column, place;
} asked;

static int by_line(const void *a, const void *b)
{
    const asked *x = a, *y = b;
    return (x->line > y->line) - (x->line < y->line);
}

hone_status hone_attention_truth(const void *problem, const hone_arguments *before, const hone_sample *sample,
                                 hone_truth *truth)
{
    const hone_attention_problem *p = problem;
    const bool                    out = sample->role == HONE_ATTENTION_OUT;
    HONE_CHECK(out || (sample->role == HONE_ATTENTION_LSE && p->lse), HONE_ERROR_ARGUMENT,
               "attention: argument %d is no output", sample->role);
    operands o = operands_of(p, before);
    shared   h = {.scores = hone_alloc((size_t)hone_max(p->k_len, 1), sizeof *h.scores)};
    asked   *of = hone_alloc((size_t)hone_max(sample->count, 1), sizeof *of);
    if (!h.scores || !of) {
        hone_free(h.scores), hone_free(of);
        return HONE_ERROR_MEMORY;
    }
    for (int64_t e = 0; e < sample->count; e++)
        of[e] = out ? (asked){sample->at[e] / p->d_v, sample->at[e] % p->d_v, e} : (asked){sample->at[e], 0, e};
    qsort(of, (size_t)sample->count, sizeof *of, by_line);
    for (int64_t e = 0; e < sample->count; e++) {
        if (!e || of[e].line != of[e - 1].line) { /* out is rows x heads, lse is heads x rows */
            const int64_t inner = out ? p->heads : p->q_len, a = of[e].line % inner, b = of[e].line / inner;
            const int64_t outer = out ? p->q_len : p->heads;
            h.r = out ? row_of(&o, b / outer, b % outer, a) : row_of(&o, b / outer, a, b % outer);
            share(&o, &h);
        }
        truth[of[e].place] = out ? out_of(&o, &h, of[e].column) : lse_of(&h);
    }
    hone_free(h.scores), hone_free(of);
    return HONE_OK;
}

/* --- the kernel ------------------------------------------------------------------------------------------------- */

static void one_row(const operands *o, const row *r, void *out, float *lse, double *weights)
{
    const hone_attention_problem *p = o->p;
    const int64_t                 n = r->high - r->low, *to = p->out_stride;
    const double                  sink = sink_of(o, r);
    double                        greatest = sink, total = 0;
    for (int64_t j = 0; j < n; j++) {
        weights[j] = score_of(o, r, r->low + j).truth;
        greatest = larger(greatest, weights[j]);
    }
    const bool seen = greatest != -INFINITY;
    for (int64_t j = 0; j < n && seen; j++) total += weights[j] = exp(weights[j] - greatest);
    if (seen && sink > -INFINITY) total += exp(sink - greatest);
    for (int64_t c = 0; c < p->d_v; c++) {
        double sum = 0;
        for (int64_t j = 0; j < n && seen; j++) sum += weights[j] * v_at(o, r, r->low + j, c);
        hone_element_store((hone_dtype)p->type, out, r->s.item * to[0] + r->at * to[1] + r->head * to[2] + c * to[3],
                           seen ? sum / total : 0);
    }
    if (lse)
        lse[r->s.item * p->lse_stride[0] + r->head * p->lse_stride[1] + r->at * p->lse_stride[2]] =
            seen ? (float)(greatest + log(total)) : -INFINITY;
}

static const char *reference_refuses(const hone_request *request)
{
    (void)request;
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
    const hone_cost cost = hone_attention_op.cost(request->problem);
    (void)config;
    return 1e-8 + 6e-9 * (cost.flops + cost.bytes_written); /* plain loops: some cycles an addition */
}

static hone_status reference_prepare(const hone_request *request, const hone_config *config,
                                     const hone_details *details, void **ready, hone_needs *needs)
{
    (void)config, (void)details;
    hone_attention_problem *p = hone_alloc(1, sizeof *p);
    if (!p) return HONE_ERROR_MEMORY;
    *p = *(const hone_attention_problem *)request->problem;
    *needs = (hone_needs){(size_t)p->k_len * sizeof(double)};
    *ready = p;
    return HONE_OK;
}

static hone_status reference_launch(void *ready, hone_be_stream *stream, const hone_arguments *arguments,
                                    hone_span scratch)
{
    const hone_attention_problem *p = ready;
    const operands                o = operands_of(p, arguments);
    (void)stream;
    void   *out = hone_span_host(&arguments->at[HONE_ATTENTION_OUT]);
    float  *lse = p->lse ? hone_span_host(&arguments->at[HONE_ATTENTION_LSE]) : NULL;
    int64_t items = p->lengths == HONE_ATTENTION_PACKED ? 1 : p->batch;
    for (int64_t item = 0; item < items; item++)
        for (int64_t at = 0; at < p->q_len; at++)
            for (int64_t head = 0; head < p->heads; head++) {
                const row r = row_of(&o, item, at, head);
                one_row(&o, &r, out, lse, hone_span_host(&scratch));
            }
    return HONE_OK;
}

static void reference_release(void *ready)
{
    hone_free(ready);
}

extern const hone_kernel hone_attention_reference;
const hone_kernel        hone_attention_reference = {
    .name = "cpu.reference",
    .op = "attention",
    .op_version = 1,
    .problem_size = sizeof(hone_attention_problem),
    .backend = "cpu",
    .version = 1,
    .properties = HONE_BITWISE_ALL | HONE_CAPTURABLE | HONE_ONE_THREAD | HONE_IS_REFERENCE,
    .refuses = reference_refuses,
    .suggest = reference_suggest,
    .estimate = reference_estimate,
    .prepare = reference_prepare,
    .launch = reference_launch,
    .release = reference_release,
};
