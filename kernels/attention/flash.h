/* What flash.c asks of the text that is compiled once an instruction set (flash.inl). Checked arguments in, numbers
 * out: no allocation, no failure.
 *
 * A strip is a few rows, queries of heads that share one of k and v, against one block of keys. Scores are in units of
 * ln 2, so that weights are powers of 2. k and v come in panels of `width` columns, whole lines of them:
 *
 *     k   [panel of keys][d][width]            key 0 of the block is column 0 of panel 0
 *     v   [panel of d_v][key of the block][width]
 *     q, scores, weights   [row][HONE_ATTENTION_LINE]
 *     sums                 [row][d_v rounded up to whole panels]  */
#ifndef HONE_KERNELS_ATTENTION_FLASH_H
#define HONE_KERNELS_ATTENTION_FLASH_H

#include "kernels/attention/problem.h"

enum {
    HONE_ATTENTION_D_MAX = 512, HONE_ATTENTION_KEYS_MAX = 512, HONE_ATTENTION_ROWS_MAX = 16,
    HONE_ATTENTION_LINE = 528 /* floats, of the above and one cache line more: lines of rows share no set of a cache */
};

/* One row: a query of a head. */
typedef struct hone_attention_row {
    const char *q, *bias; /* bias: of key 0 of its sequence */
    char       *out;
    float      *lse;      /* NULL: not wanted */
    int64_t     low, high, place;
    float       slope, sink;
    bool        exists;
    float       most, total; /* so far: the largest score, and the sum of the weights as they are beside it */
} hone_attention_row;

/* Elements that lie apart: their type, and strides in bytes. */
typedef struct hone_attention_lines {
    const char *at;
    int64_t     line, element;
    hone_dtype  type;
} hone_attention_lines;

typedef struct hone_attention_strip {
    int                 rows;
    hone_attention_row *row;
    const float        *k, *v;
    int64_t             key, keys; /* the block's first key in its sequence, and how many there are in it */
    int64_t             panel_keys; /* keys that a panel of v has room for */
    int64_t             d, d_v, sums_line;
    float               scale; /* with log2(e); under a soft cap, without, and divided by it */
    float               cap;   /* times log2(e); 0: none */
    bool                alibi;
    hone_dtype          type, bias_type; /* bias_type 0: none */
    int64_t             q_element, bias_element, out_element; /* bytes from one to the next */
    float              *q_lines, *scores, *sums;
} hone_attention_strip;

typedef struct hone_attention_flash_kit {
    const char *name;
    hone_isa    isa;
    int         lanes, width, rows; /* width of panels; rows of a strip */
    double      cost;               /* of a vector of weights, in multiplications of vectors */
    /* Keys from .. to-1 of a block into its panels; `room` has 16 lines. */
    void (*pack_k)(const hone_attention_lines *k, int64_t from, int64_t to, int64_t d, float *panels, float *room);
    void (*pack_v)(const hone_attention_lines *v, int64_t from, int64_t to, int64_t d_v, int64_t panel_keys,
                   float *panels);
    /* What the keys of this block add to sums, most and total of the rows. */
    void (*strip)(const hone_attention_strip *strip);
    /* sums / total, rounded, to out; the log-sum-exp. False: some result of some row is not finite. */
    bool (*finish)(const hone_attention_strip *strip, bool sinks);
} hone_attention_flash_kit;

/* Best first. */
extern const hone_attention_flash_kit *const hone_attention_flashes[];
extern const int                             hone_attention_flash_count;

#endif
