/* Attention: out = softmax(scale * q k' and what is added to it) v, without ever keeping the matrix of scores. */
#ifndef HONE_ATTENTION_H
#define HONE_ATTENTION_H

#include <hone/api.h>
#include <hone/plan.h>
#include <hone/status.h>
#include <hone/stream.h>
#include <hone/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hone_attention_options {
    size_t  size;     /* sizeof(hone_attention_options) */
    double  scale;    /* of the scores; 0: 1 / sqrt(d) */
    double  soft_cap; /* c > 0: a scaled score x becomes c tanh(x / c); 0: it stays */
    int     causal;   /* 1: no query sees a key behind its own place */
    int     align;    /* HONE_ALIGN_*: which places of queries and keys are one; of causal, before, after and slopes */
    int64_t before;   /* so many keys before its own place a query sees; negative: all */
    int64_t after;    /* ... and behind it; negative: all. Causal: none, and this is negative or 0 */

    const hone_tensor *lse;       /* written where it is given: log-sum-exp of each row, f32, [batch, heads, q_len] */
    const hone_tensor *bias;      /* added to scores: q's type or f32, [batch, heads, q_len, k_len]; extents of 1, and
                                     leading ones left out, repeat */
    const hone_tensor *slopes;    /* ALiBi, f32, [heads]: -slope * distance is added to scores */
    const hone_tensor *sinks;     /* f32, [heads]: one more score in each sum of a softmax, which has no value */
    const hone_tensor *q_lengths; /* s32, [batch]: queries from there on are none; NULL: all are */
    const hone_tensor *k_lengths; /* s32, [batch]: keys from there on are none; NULL: all are. Both or neither */
    const hone_tensor *q_offsets; /* s32, [sequences + 1]: sequences that lie one behind the other, from offset i up */
    const hone_tensor *k_offsets; /* ... to offset i + 1: q, k, v and out have no batch then. Both or neither */
} hone_attention_options;

/* The place of query i among the keys: i + (k_len - q_len), so that the last ones are one, as while text is written; or
 * i, so that the first ones are. Of sequences with lengths of their own, these are what counts. */
enum { HONE_ALIGN_LAST = 0, HONE_ALIGN_FIRST = 1 };

/** No mask, scale 1 / sqrt(d), nothing added: start from this, then set what differs. */
#define HONE_ATTENTION_OPTIONS                                                                                         \
    {                                                                                                                  \
        sizeof(hone_attention_options), 0.0, 0.0, 0, HONE_ALIGN_LAST, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0                   \
    }

/** out = softmax(scores) v, queued on `stream`; may return before it is done.
 *  q is batch x q_len x heads x d, k is batch x k_len x kv_heads x d, v is batch x k_len x kv_heads x d_v, out is batch
 *  x q_len x heads x d_v; any strides, so that other orders of these are views. kv_heads divides heads, and heads that
 *  follow one another share one. With offsets there is no batch: q is rows x heads x d, and so on; lse is heads x rows.
 *  All are f32, bf16 or f16, and of one type; sums are f32. A score is scale * q k', through the soft cap, plus the
 *  bias, minus slope * |place of the query - place of the key|.
 *  A row that sees no key, or only scores of -infinity, is 0, its log-sum-exp -infinity (that of its sink, where it has
 *  one); so is a query past its length or outside all sequences, sink or not. What is not seen is not looked at: it may
 *  hold NaN. Lengths and offsets past their ends count as the ends; offsets that fall, as the largest so far.
 *  Operands are borrowed until the stream passes. An extent of 0 is legal but for d, d_v and kv_heads.
 *  HONE_ERROR_SHAPE, _TYPE, _OVERLAP (out and lse must share no element with an argument, nor with themselves),
 *  _OVERFLOW, _ARGUMENT, and _UNSUPPORTED (a bias beside offsets): nothing is written. One stream, one thread at a
 *  time. */
HONE_API HONE_MUST_USE hone_status hone_attention(hone_stream *stream, const hone_tensor *q, const hone_tensor *k,
                                                  const hone_tensor *v, hone_tensor *out,
                                                  const hone_attention_options *options);

/* Operands and values of an attention plan, in this order. What the options do not give is left empty. */
enum {
    HONE_ATTENTION_Q = 0,
    HONE_ATTENTION_K,
    HONE_ATTENTION_V,
    HONE_ATTENTION_OUT,
    HONE_ATTENTION_LSE,
    HONE_ATTENTION_BIAS,
    HONE_ATTENTION_SLOPES,
    HONE_ATTENTION_SINKS,
    HONE_ATTENTION_Q_LENGTHS, /* or offsets */
    HONE_ATTENTION_K_LENGTHS, /* or offsets */
    HONE_ATTENTION_OPERANDS
};
enum { HONE_ATTENTION_SCALE = 0, HONE_ATTENTION_CAP, HONE_ATTENTION_VALUES };

/** A plan that the caller holds, for operands of these types, shapes, strides and alignments; give it back by
 *  hone_plan_destroy. The plan runs with any memory and values from then on; only whether there is a soft cap is fixed
 *  here. A tensor without data promises no more than the alignment of its type. On failure *plan is NULL. */
HONE_API HONE_MUST_USE hone_status hone_attention_plan(hone_device *device, const hone_tensor *q, const hone_tensor *k,
                                                       const hone_tensor *v, const hone_tensor *out,
                                                       const hone_attention_options *options, hone_plan **plan);

#ifdef __cplusplus
}
#endif
#endif
