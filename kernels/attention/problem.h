/* What is asked of attention, and where its arguments stand. For each sequence, head h and query i
 *
 *     score[j]  = cap(scale * sum over t of q[i, h, t] * k[j, h', t]) + bias[h, i, j] - slope[h] * |place(i) - j|
 *     out[i, h] = sum over j of exp(score[j]) * v[j, h'] / (sum over j of exp(score[j])  +  exp(sink[h]))
 *     lse[h, i] = ln of that sum below
 *
 * over the keys j that i sees: place(i) - before <= j <= place(i) + after. h' = h / (heads / kv_heads); place(i) is i +
 * (k_len - q_len), or i where `first` is set; cap(x) is x, or c tanh(x / c).
 *
 * Arguments, in this order (HONE_ATTENTION_Q ... of hone/attention.h): q, k, v, out, lse, bias, slopes, sinks, lengths
 * of q and of k; what a problem does not have is unused. Scalars: scale and cap.
 *
 * As text: type, mask, sizes, what is there beside q, k, v and out, and strides where they are not dense:
 *
 *     attention f32 causal b4 h12 q1024 k1024 d64 kv=3 dv=128 before=256 +lse+bias:f32+alibi+sinks+cap
 *
 * causal is after=0. padded: there are lengths; packed: there are offsets, b sequences lie behind each other, and q and
 * k are the rows of all. bhsd: q, k, v and out lie dense with heads outside of rows; else rows are outside (bshd).
 * first: the first query and key have one place, not the last. sq= sk= sv= so=: strides along batch, rows, heads, d;
 * sl= along batch, heads, rows; sb= along batch, heads, rows, keys.
 */
#ifndef HONE_KERNELS_ATTENTION_PROBLEM_H
#define HONE_KERNELS_ATTENTION_PROBLEM_H

#include <hone/attention.h>

#include "kernels/op.h"

/* How long sequences are: as the sizes say, as lengths say, or as offsets say. */
enum { HONE_ATTENTION_EVEN = 0, HONE_ATTENTION_PADDED, HONE_ATTENTION_PACKED };

enum { HONE_ATTENTION_ALL = -1 }; /* before and after: no end */

typedef struct hone_attention_problem {
    uint8_t type;      /* of q, k, v and out: hone_dtype */
    uint8_t bias_type; /* 0: there is none */
    uint8_t lengths;   /* HONE_ATTENTION_EVEN ... */
    uint8_t first;
    uint8_t cap, lse, alibi, sinks; /* 1: there is one */
    int64_t batch, heads, kv_heads, q_len, k_len, d, d_v; /* packed: sequences, and the rows of all */
    int64_t before, after;                                /* HONE_ATTENTION_ALL, or 0 and more */
    /* Along batch, rows, heads, elements. Strides along an extent of 0 or 1 are 0. */
    int64_t q_stride[4], k_stride[4], v_stride[4], out_stride[4];
    int64_t lse_stride[3];  /* along batch, heads, rows */
    int64_t bias_stride[4]; /* along batch, heads, rows, keys */
} hone_attention_problem;

_Static_assert(sizeof(hone_attention_problem) <= HONE_PROBLEM_MAX, "a problem must fit its slot");

extern const hone_op hone_attention_op;

/* Dense q, k, v, out and lse, all keys seen. */
hone_attention_problem hone_attention_plain(hone_dtype type, int64_t batch, int64_t heads, int64_t rows, int64_t keys,
                                            int64_t d);

/* The strides of an argument whose memory is dense, by the index of its role; `heads_first`: bhsd. False: they do not
 * fit in 63 bits. */
bool hone_attention_dense(const hone_attention_problem *p, int role, bool heads_first, int64_t stride[4]);

/* Extents of an argument along its four (lse: three) strides. */
void hone_attention_extents(const hone_attention_problem *p, int role, int64_t extent[4]);

/* Where the strides of an argument are kept; NULL: it has none. */
int64_t *hone_attention_strides(hone_attention_problem *p, int role);

hone_status hone_attention_check(const void *problem);
int         hone_attention_roles(const void *problem, hone_role roles[HONE_ROLES_MAX]);
void        hone_attention_print(const void *problem, char *out, size_t capacity);
hone_status hone_attention_parse(const char *text, void *problem);
void        hone_attention_random(uint64_t seed, double flops, void *problem);
hone_status hone_attention_generate(const void *problem, hone_data_kind kind, uint64_t seed, const hone_arguments *into,
                                    hone_scalar *scalars);
hone_status hone_attention_truth(const void *problem, const hone_arguments *before, const hone_sample *sample,
                                 hone_truth *truth);

/* How many keys all queries of one head see together, where they have these lengths. */
double hone_attention_seen(const hone_attention_problem *p, double rows, double keys);

/* --- one sequence ------------------------------------------------------------------------------------------------ */

/* The rows of one sequence among all of q and k, within what there is whatever lengths and offsets say. */
typedef struct hone_attention_sequence {
    int64_t item;              /* of the batch; 0 where it is packed */
    int64_t q_begin, q_length; /* rows of q */
    int64_t k_begin, k_length;
} hone_attention_sequence;

static inline int64_t hone_attention_within(int64_t x, int64_t most)
{
    return x < 0 ? 0 : x > most ? most : x;
}

/* Sequence `index`. Offsets that fall count as the largest so far, which `floor` carries from one sequence to the next:
 * zeroed before the first, then only handed on. */
static inline hone_attention_sequence hone_attention_sequence_at(const hone_attention_problem *p, const int32_t *q,
                                                                 const int32_t *k, int64_t index, int64_t floor[2])
{
    if (p->lengths == HONE_ATTENTION_EVEN) return (hone_attention_sequence){index, 0, p->q_len, 0, p->k_len};
    if (p->lengths == HONE_ATTENTION_PADDED)
        return (hone_attention_sequence){index, 0, hone_attention_within(q[index], p->q_len), 0,
                                         hone_attention_within(k[index], p->k_len)};
    const int32_t *const offsets[2] = {q, k};
    const int64_t        most[2] = {p->q_len, p->k_len};
    int64_t              begin[2], length[2];
    for (int i = 0; i < 2; i++) {
        int64_t from = hone_attention_within(offsets[i][index], most[i]);
        int64_t to = hone_attention_within(offsets[i][index + 1], most[i]);
        begin[i] = from > floor[i] ? from : floor[i];
        floor[i] = to > begin[i] ? to : begin[i];
        length[i] = floor[i] - begin[i];
    }
    return (hone_attention_sequence){0, begin[0], length[0], begin[1], length[1]};
}

/* The keys that query i of a sequence sees: *low .. *high - 1, both within it. */
static inline void hone_attention_sees(const hone_attention_problem *p, const hone_attention_sequence *s, int64_t i,
                                       int64_t *place, int64_t *low, int64_t *high)
{
    *place = p->first ? i : i + s->k_length - s->q_length;
    *low = p->before < 0 || *place < p->before ? 0 : hone_attention_within(*place - p->before, s->k_length);
    *high = p->after < 0 || p->after >= s->k_length - *place
                ? s->k_length
                : hone_attention_within(*place + p->after + 1, s->k_length);
    if (*high < *low) *high = *low;
}

#endif
