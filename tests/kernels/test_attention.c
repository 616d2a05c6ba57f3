/* Attention: its text, its truth against results known otherwise, kernels against the truth on problems drawn at random
 * and at each instruction set, and the judge against faults that attention invites.
 *
 *     test_attention [CASES [FIRST SEED]] */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/element.h"
#include "base/status.h"
#include "kernels/attention/problem.h"
#include "tuner/judge.h"

static uint64_t case_count = 240 / HONE_TEST_SHARE, first_seed = 1;

static hone_attention_problem problem_of(const char *text)
{
    hone_attention_problem p;
    if (hone_attention_op.parse(text, &p)) fail_msg("'%s': %s", text, hone_last_error());
    return p;
}

/* --- text --------------------------------------------------------------------------------------------------------- */

static void text_and_back(void **state)
{
    static const char *const texts[] = {
        "f32 b1 h12 q512 k512 d64",
        "bf16 causal b4 h12 q1024 k1024 d64",
        "f16 bhsd b2 h8 q7 k9 d72 kv=2 dv=40 before=256 after=3 +lse+bias:f32+alibi+sinks+cap",
        "f32 causal first padded b3 h4 q5 k6 d8 before=0 +lse",
        "f32 packed b3 h4 q50 k60 d8 +lse sl=0x50x1 so=0x64x8x1",
        "f32 b2 h3 q4 k5 d6 +bias sb=0x20x0x1",
        "f32 b0 h1 q3 k0 d1",
        "f32 b2 h3 q4 k5 d6 sq=100x-24x-8x1 sk=0x18x6x1",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char                   text[HONE_PROBLEM_TEXT_MAX];
        hone_attention_problem p = problem_of(texts[i]);
        if (i == 4 || i == 5 || i == 7) { /* strides that are dense, or are not */
            hone_attention_problem again;
            hone_attention_op.print(&p, text, sizeof text);
            assert_int_equal(hone_attention_op.parse(text, &again), HONE_OK);
            assert_memory_equal(&p, &again, sizeof p);
            continue;
        }
        hone_attention_op.print(&p, text, sizeof text);
        assert_string_equal(text, texts[i]);
    }
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        char                   text[HONE_PROBLEM_TEXT_MAX];
        hone_attention_problem p, again;
        hone_attention_op.random(seed, 1e6, &p);
        hone_attention_op.print(&p, text, sizeof text);
        if (hone_attention_op.parse(text, &again)) fail_msg("'%s': %s", text, hone_last_error());
        assert_memory_equal(&p, &again, sizeof p);
    }
}

static void text_refused(void **state)
{
    static const char *const rows[][2] = {
        {"", "nothing is asked"},
        {"f64 b1 h1 q1 k1 d1", "no type"},
        {"f32 h1 q1 k1 d1", "'b' and its number are missing"},
        {"f32 b1 h1 q1 k1", "'d' and its number are missing"},
        {"f32 b1 b2 h1 q1 k1 d1", "given twice"},
        {"f32 causal causal b1 h1 q1 k1 d1", "said twice"},
        {"f32 casual b1 h1 q1 k1 d1", "causal"},
        {"f32 b1 h1 q1 k1 d1 befor=3", "before"},
        {"f32 causal b1 h1 q1 k1 d1 after=3", "'causal' is after=0"},
        {"f32 b1 h1 q1 k1 d1 +lsa", "+lse"},
        {"f32 b1 h1 q1 k1 d1 +lse+lse", "told twice"},
        {"f32 b1 h1 q1 k1 d1 +lse +cap", "told once"},
        {"f32 b1 h1 q1 k1 d1 sl=1x1x1", "no +lse"},
        {"f32 b1 h1 q1 k1 d1 before=-1", "negative"},
        {"f32 b1 h3 q1 k1 d1 kv=2", "multiple"},
        {"f32 b1 h1 q1 k1 d0", "1 or more"},
        {"f32 b1 h1 q1 k1 d1 kv=0", "1 or more"},
        {"f32 padded packed b1 h1 q1 k1 d1", "either padded or packed"},
        {"f32 packed b1 h1 q1 k1 d1 +bias", "bias goes with batches"},
        {"f32 first b1 h1 q1 k1 d1", "nothing asks"},
        {"f32 b1 h2 q2 k1 d2 so=0x0x2x1", "two elements at one place"},
        {"f32 b1 h2 q2 k1 d2 sq=1x4x2x1", "nothing to go along"},
        {"f32 b9 h9223372036854775807 q2 k1 d2", "63 bits"},
        {"f32 b1 h1 q99999999999999999999 k1 d2", "63 bits"},
        {"f32 padded b1 h1 q4000000000 k1 d2", "31 bits"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        hone_attention_problem p;
        hone_status            status = hone_attention_op.parse(rows[i][0], &p);
        if (status == HONE_OK || !strstr(hone_last_error(), rows[i][1]))
            fail_msg("'%s': %s, not '%s'", rows[i][0], status ? hone_last_error() : "taken", rows[i][1]);
    }
}

/* Keys that are seen, counted one by one. */
static void cost_counts(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        hone_attention_problem p;
        hone_attention_op.random(seed, 2e5, &p);
        if (p.lengths == HONE_ATTENTION_PACKED) continue;
        hone_attention_sequence s = {0, 0, p.q_len, 0, p.k_len};
        double                  seen = 0;
        for (int64_t i = 0; i < p.q_len; i++) {
            int64_t place, low, high;
            hone_attention_sees(&p, &s, i, &place, &low, &high);
            for (int64_t j = 0; j < p.k_len; j++) {
                bool sees = (p.before < 0 || j >= place - p.before) && (p.after < 0 || j <= place + p.after);
                assert_int_equal(sees, j >= low && j < high);
                seen += sees;
            }
        }
        double flops = 2 * seen * (double)(p.batch * p.heads) * (double)(p.d + p.d_v);
        if (hone_attention_op.cost(&p).flops != flops)
            fail_msg("seed %d: %g flops, not %g", (int)seed, hone_attention_op.cost(&p).flops, flops);
    }
}

/* --- the subject ----------------------------------------------------------------------------------------------------
 */

/* name, what is wrong, problems on which it shows, separated by '|' */
#define FAULT_LIST(X)                                                                                                  \
    X(SEES_MORE, "the mask one key too far", "f32 causal b1 h2 q9 k9 d8|bf16 causal b1 h1 q40 k50 d16")                \
    X(SEES_LESS, "the mask one key short", "f32 causal b1 h2 q9 k9 d8|f32 causal b1 h1 q100 k100 d16")                 \
    X(WINDOW_MORE, "the window one key too wide", "f32 causal b1 h1 q70 k70 d8 before=16|f32 b1 h1 q9 k9 d8 before=2") \
    X(OTHER_END, "first places for last",                                                                              \
      "f32 causal b1 h1 q5 k9 d8|f32 causal b1 h1 q9 k5 d8|f32 b1 h1 q5 k9 d8 +alibi")                                 \
    X(SCALE, "scores not scaled", "f32 b1 h1 q9 k9 d8|f16 b1 h1 q9 k9 d64")                                            \
    X(SCALE_LATE, "the bias scaled too", "f32 b1 h1 q9 k9 d8 +bias")                                                   \
    X(RESCALE, "sums not brought to a new maximum", "f32 b1 h1 q9 k200 d64|f32 b1 h1 q9 k40 d16")                      \
    X(TOTAL_RESCALE, "the sum of weights not brought to it", "f32 b1 h1 q9 k200 d64")                                  \
    X(LAST_BLOCK, "the last block dropped", "f32 b1 h1 q9 k65 d8|f32 causal b1 h1 q70 k70 d8")                         \
    X(LAST_KEY, "the last key dropped", "f32 b1 h1 q9 k65 d8|f32 b1 h1 q3 k2000 d8")                                   \
    X(NEXT_SEQUENCE, "a key of the next sequence seen",                                                                \
      "f32 packed b3 h1 q90 k90 d8|f32 causal packed b3 h1 q90 k90 d8")                                                \
    X(PAST_LENGTH, "keys past their length seen", "f32 padded b3 h1 q9 k30 d8")                                        \
    X(KV_HEAD, "heads taken in turn, not in groups", "f32 b1 h4 q9 k9 d8 kv=2")                                        \
    X(SINK, "no sink", "f32 b1 h2 q9 k9 d8 +sinks|f32 b1 h2 q9 k90 d8 +sinks+lse")                                     \
    X(SLOPE_SIGN, "slopes added", "f32 b1 h2 q9 k9 d8 +alibi|f32 causal b1 h2 q40 k40 d8 +alibi")                      \
    X(SLOPE_SIDE, "distances with their sign", "f32 b1 h2 q9 k9 d8 +alibi")                                            \
    X(BIAS_ROW, "the bias of the next row", "f32 b1 h2 q9 k9 d8 +bias")                                                \
    X(CAP, "no soft cap", "f32 b1 h2 q9 k9 d8 +cap|f32 b1 h2 q9 k9 d8 +cap+bias")                                      \
    X(CAP_LATE, "the cap on the bias too", "f32 b1 h2 q9 k9 d8 +cap+bias")                                             \
    X(LSE_BASE, "the log-sum-exp in powers of 2", "f32 b1 h2 q9 k9 d8 +lse")                                           \
    X(LSE_MOST, "the log-sum-exp without the maximum", "f32 b1 h2 q9 k9 d8 +lse")                                      \
    X(EMPTY, "a row that sees nothing divided by 0",                                                                   \
      "f32 causal b1 h1 q9 k5 d8|f32 padded b3 h1 q9 k9 d8|f32 b1 h1 q3 k0 d8")                                        \
    X(LEAK, "what is not seen multiplied by 0", "f32 causal b1 h1 q5 k5 d2|f32 b1 h1 q7 k7 d2 before=1")               \
    X(WEIGHTS_BF16, "weights rounded to bf16", "f32 b1 h2 q9 k30 d8|f32 b1 h1 q9 k600 d16")                            \
    X(EXP_ROUGH, "the exponential to five places", "f32 b1 h2 q9 k30 d8|f32 b1 h1 q9 k600 d16")                        \
    X(UNWRITTEN, "the last row not written", "f32 b1 h2 q9 k30 d8|f32 packed b2 h2 q9 k30 d8")

#define FAULT_ENUM(name, meaning, problems) name,
typedef enum fault { NONE = 0, FAULT_LIST(FAULT_ENUM) FAULTS } fault;
#undef FAULT_ENUM

static const struct {
    const char *meaning, *problems;
} faults[] = {{"nothing", ""},
#define FAULT_ROW(name, meaning, problems) {meaning, problems},
              FAULT_LIST(FAULT_ROW)
#undef FAULT_ROW
};

typedef struct way {
    fault wrong;
    int   block; /* keys at a time */
} way;

static double at4(const hone_arguments *a, int role, uint8_t type, const int64_t *s, int64_t i, int64_t j, int64_t k,
                  int64_t l)
{
    return hone_element_load((hone_dtype)type, hone_span_host(&a->at[role]), i * s[0] + j * s[1] + k * s[2] + l * s[3]);
}

/* One row, in f32, a block of keys after the other; with a flaw. */
static void plain_row(const hone_attention_problem *p, const hone_arguments *a, const way *w,
                      const hone_attention_sequence *s, int64_t i, int64_t head)
{
    const int64_t at = s->q_begin + i;
    const int64_t kv = w->wrong == KV_HEAD ? head % p->kv_heads : head / (p->heads / p->kv_heads);
    const float   scale = (float)a->scalars[HONE_ATTENTION_SCALE].value,
                cap = (float)a->scalars[HONE_ATTENTION_CAP].value;
    hone_attention_problem  mask = *p;
    hone_attention_sequence seen = *s;
    int64_t                 place = 0, low = 0, high = 0;
    if (w->wrong == SEES_MORE) mask.after++;
    if (w->wrong == SEES_LESS) mask.after--;
    if (w->wrong == SEES_LESS && mask.after < 0) mask.after = 0;
    if (w->wrong == WINDOW_MORE) mask.before++;
    if (w->wrong == OTHER_END) mask.first = !mask.first;
    if (w->wrong == PAST_LENGTH) seen.k_length = p->k_len;
    if (i < s->q_length) hone_attention_sees(&mask, &seen, i, &place, &low, &high);
    if (w->wrong == SEES_LESS && high > low) high--;
    if (w->wrong == LAST_KEY && high > low) high--;
    if (w->wrong == LAST_BLOCK && high > low) high = low + (high - low - 1) / w->block * w->block;
    if (w->wrong == NEXT_SEQUENCE && i < s->q_length && s->k_begin + high < p->k_len && high == s->k_length) high++;
    float most = -INFINITY, total = 0, *sum = calloc((size_t)p->d_v, sizeof *sum), *score = calloc((size_t)w->block, 4);
    for (int64_t from = low; from < high; from += w->block) {
        const int64_t count = high - from < w->block ? high - from : w->block;
        float         now = most;
        for (int64_t j = 0; j < count; j++) {
            float x = 0;
            const int64_t key = from + j;
            for (int64_t t = 0; t < p->d; t++)
                x += (float)at4(a, 0, p->type, p->q_stride, s->item, at, head, t) *
                     (float)at4(a, 1, p->type, p->k_stride, s->item, s->k_begin + key, kv, t);
            if (w->wrong != SCALE && w->wrong != SCALE_LATE) x *= scale;
            if (p->cap && w->wrong != CAP && w->wrong != CAP_LATE) x = cap * tanhf(x / cap);
            if (p->bias_type) {
                const int64_t row = w->wrong == BIAS_ROW && at + 1 < p->q_len ? at + 1 : at;
                x += (float)at4(a, HONE_ATTENTION_BIAS, p->bias_type, p->bias_stride, s->item, head, row, key);
            }
            if (w->wrong == CAP_LATE) x = cap * tanhf(x / cap);
            if (w->wrong == SCALE_LATE) x *= scale;
            if (p->alibi) {
                const float slope = ((const float *)hone_span_host(&a->at[HONE_ATTENTION_SLOPES]))[head];
                float       apart = (float)(place - key);
                if (w->wrong != SLOPE_SIDE) apart = fabsf(apart);
                x += w->wrong == SLOPE_SIGN ? slope * apart : -slope * apart;
            }
            score[j] = x;
            now = x > now ? x : now;
        }
        const float base = now == -INFINITY ? 0 : now, factor = now == most ? 1 : expf(most - now);
        if (w->wrong != TOTAL_RESCALE) total *= factor;
        for (int64_t c = 0; c < p->d_v && w->wrong != RESCALE; c++) sum[c] *= factor;
        for (int64_t j = 0; j < count; j++) {
            float weight = expf(score[j] - base);
            if (w->wrong == EXP_ROUGH) weight *= 1 + 1e-5f * (float)(j % 3 - 1);
            if (w->wrong == WEIGHTS_BF16) weight = (float)hone_element_rounded(HONE_BF16, (double)weight);
            total += weight;
            for (int64_t c = 0; c < p->d_v; c++)
                sum[c] += weight * (float)at4(a, 2, p->type, p->v_stride, s->item, s->k_begin + from + j, kv, c);
        }
        most = now;
    }
    for (int64_t j = 0; w->wrong == LEAK && j < s->k_length; j++)
        for (int64_t c = 0; c < p->d_v; c++)
            sum[c] += 0 * (float)at4(a, 2, p->type, p->v_stride, s->item, s->k_begin + j, kv, c);
    if (p->sinks && i < s->q_length && w->wrong != SINK) {
        const float sink = ((const float *)hone_span_host(&a->at[HONE_ATTENTION_SINKS]))[head];
        const float now = sink > most ? sink : most, factor = now == most ? 1 : expf(most - now);
        for (int64_t c = 0; c < p->d_v; c++) sum[c] *= factor;
        total = total * factor + expf(sink - now);
        most = now;
    }
    const bool nothing = total == 0 && w->wrong != EMPTY;
    for (int64_t c = 0; c < p->d_v && !(w->wrong == UNWRITTEN && at == p->q_len - 1); c++)
        hone_element_store((hone_dtype)p->type, hone_span_host(&a->at[HONE_ATTENTION_OUT]),
                           s->item * p->out_stride[0] + at * p->out_stride[1] + head * p->out_stride[2] +
                               c * p->out_stride[3], nothing ? 0 : (double)(sum[c] / total));
    float lse = total == 0 ? -INFINITY
                           : (w->wrong == LSE_MOST ? 0 : most) + (w->wrong == LSE_BASE ? log2f(total) : logf(total));
    if (p->lse)
        ((float *)hone_span_host(&a->at[HONE_ATTENTION_LSE]))[s->item * p->lse_stride[0] + head * p->lse_stride[1] +
                                                              at * p->lse_stride[2]] = lse;
    free(sum), free(score);
}

static hone_status plain_launch(void *self, const hone_rt_plan *plan, hone_be_stream *stream,
                                const hone_arguments *arguments, hone_span scratch)
{
    const hone_attention_problem *p = (const hone_attention_problem *)(const void *)plan->problem.bytes;
    const bool     packed = p->lengths == HONE_ATTENTION_PACKED;
    const int32_t *q = hone_span_host(&arguments->at[HONE_ATTENTION_Q_LENGTHS]),
                  *k = hone_span_host(&arguments->at[HONE_ATTENTION_K_LENGTHS]);
    int64_t        floor[2] = {0, 0}, behind = packed ? q[0] : 0;
    (void)stream, (void)scratch;
    for (int64_t b = 0; b < p->batch; b++) {
        hone_attention_sequence s = hone_attention_sequence_at(p, q, k, b, floor);
        const int64_t           rows = packed ? s.q_length : p->q_len;
        for (int64_t i = 0; i < rows * p->heads; i++) plain_row(p, arguments, self, &s, i / p->heads, i % p->heads);
        if (packed) behind = s.q_begin + s.q_length;
    }
    if (!packed) return HONE_OK;
    const hone_attention_sequence before = {0, 0, 0, 0, 0}, after = {0, behind, 0, 0, 0};
    for (int64_t i = 0; i < q[0] * p->heads; i++) plain_row(p, arguments, self, &before, i / p->heads, i % p->heads);
    for (int64_t i = 0; i < (p->q_len - behind) * p->heads; i++)
        plain_row(p, arguments, self, &after, i / p->heads, i % p->heads);
    return HONE_OK;
}

/* --- judging
 * ---------------------------------------------------------------------------------------------------------- */

extern const hone_kernel hone_attention_reference;

typedef struct place {
    hone_context    *handle;
    hone_rt_context *context;
    hone_be_device  *device;
} place;

static bool place_open(place *w, const char *isa)
{
    setenv("HONE_ISA", isa, 1);
    assert_int_equal(hone_context_create(NULL, &w->handle), HONE_OK);
    unsetenv("HONE_ISA");
    assert_int_equal(hone_rt_context_hold(w->handle, &w->context), HONE_OK);
    w->device = hone_rt_device_find(w->context, "cpu:0");
    assert_non_null(w->device);
    return !strncmp(w->device->instructions, isa, strlen(isa)) ;
}

static void place_close(place *w)
{
    hone_rt_context_release(w->context);
    assert_int_equal(hone_context_destroy(w->handle), HONE_OK);
}

static hone_rt_plan *plan_of(const place *w, const hone_kernel *kernel, const hone_attention_problem *p, int threads)
{
    hone_request  request = {.device = w->device, .op = &hone_attention_op, .problem = p, .threads = threads,
                             .alignment = 4};
    hone_rt_plan *plan;
    if (p->type != HONE_F32) request.alignment = 2;
    if (kernel->refuses(&request)) return NULL;
    if (hone_rt_plan_with(w->context, &request, kernel, NULL, &plan)) fail_msg("%s", hone_last_error());
    return plan;
}

static void faults_are_caught(void **state)
{
    place w;
    int   missed = 0;
    (void)state;
    place_open(&w, "portable");
    for (fault f = (fault)1; f < FAULTS; f++) {
        char list[256], *rest = list;
        snprintf(list, sizeof list, "%s", faults[f].problems);
        for (const char *text; (text = strsep(&rest, "|"));) {
            const hone_attention_problem p = problem_of(text);
            hone_rt_plan *plan = plan_of(&w, &hone_attention_reference, &p, 1);
            hone_verdict  verdict = {.fault = HONE_FAULT_NONE};
            for (uint64_t seed = 1; seed <= 4 && !verdict.fault; seed++) {
                way                self = {f, 16};
                hone_judge_options options = {.seed = seed};
                assert_int_equal(hone_judge_launch_of(w.context, plan, plain_launch, &self, &options, &verdict),
                                 HONE_OK);
            }
            if (!verdict.fault) {
                missed++;
                print_error("not caught: %s, on %s (%.2f of what is allowed)\n", faults[f].meaning, text,
                            verdict.worst);
            }
            hone_rt_plan_release(plan);
        }
    }
    place_close(&w);
    assert_int_equal(missed, 0);
}

/* Sound ways, and all kernels at this instruction set. */
static void sound(const char *isa)
{
    place  w;
    double worst = 0;
    int    accused = 0;
    if (!place_open(&w, isa)) {
        place_close(&w);
        skip();
    }
    for (uint64_t seed = first_seed; seed < first_seed + case_count; seed++) {
        static const int          blocks[] = {1, 7, 32, 4096};
        const hone_kernel        *kernels[HONE_RT_KERNELS_MAX];
        hone_attention_problem    p;
        hone_judge_case          *judge_case;
        hone_verdict              verdict;
        hone_judge_options        options = {.seed = seed, .bits = seed % 4 == 0};
        hone_attention_op.random(seed, seed % 16 ? 4e5 : 4e6, &p);
        assert_int_equal(hone_judge_case_create(&hone_attention_op, &p, 4, &options, &judge_case), HONE_OK);
        const int count = hone_rt_kernels(w.context, &hone_attention_op, w.device, kernels, HONE_RT_KERNELS_MAX);
        assert_true(count >= 1);
        for (int i = -1; i < count; i++) {
            const bool    plain = i < 0;
            hone_rt_plan *plan = plan_of(&w, plain ? &hone_attention_reference : kernels[i], &p, 1 + (int)(seed % 3));
            way           self = {NONE, blocks[seed % 4]};
            if (!plan) continue;
            if (hone_judge_case_plan(judge_case, w.context, plan, plain ? plain_launch : NULL, &self, &verdict))
                fail_msg("%s", hone_last_error());
            hone_rt_plan_release(plan);
            worst = fmax(worst, verdict.worst);
            if (!verdict.fault) continue;
            accused++;
            print_error("seed %d, %s: %s\n", (int)seed, plain ? "plain loops" : kernels[i]->name, verdict.sentence);
        }
        hone_judge_case_destroy(judge_case);
    }
    print_message("%s: %d cases, worst error %.2f of what is allowed\n", isa, (int)case_count, worst);
    place_close(&w);
    assert_int_equal(accused, 0);
}

static void sound_portable(void **state)
{
    (void)state;
    sound("portable");
}

static void sound_avx2(void **state)
{
    (void)state;
    sound("avx2");
}

static void sound_avx512(void **state)
{
    (void)state;
    sound("avx512");
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_and_back),     cmocka_unit_test(text_refused), cmocka_unit_test(cost_counts),
        cmocka_unit_test(faults_are_caught), cmocka_unit_test(sound_portable), cmocka_unit_test(sound_avx2),
        cmocka_unit_test(sound_avx512),
    };
    if (count > 1) case_count = strtoull(arguments[1], NULL, 10);
    if (count > 2) first_seed = strtoull(arguments[2], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
