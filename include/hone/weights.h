/* Level 2: weights packed once, for products that read them again and again.
 *
 * A packed b lies as a kernel reads it best: in a layout that has a name. Products with it give what products with the
 * plain b give; they need not copy or search b, and are quickest for few rows. Weights never change once they are made:
 * any number of threads and streams of the device may multiply by them at once. */
#ifndef HONE_WEIGHTS_H
#define HONE_WEIGHTS_H

#include <hone/api.h>
#include <hone/dtype.h>
#include <hone/matmul.h>
#include <hone/plan.h>
#include <hone/status.h>
#include <hone/stream.h>
#include <hone/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HONE_LAYOUT_TEXT_MAX 32

typedef struct hone_matmul_weights hone_matmul_weights;

typedef struct hone_matmul_pack_options {
    size_t      size;      /* sizeof(hone_matmul_pack_options) */
    int64_t     m_typical; /* the rows that products will mostly have; 0: not known, 128 are thought of */
    const char *layout;    /* a name; NULL: the one that the quickest kernel for such products likes best */
    hone_dtype  a_type;  /* the type of a in such products; HONE_DTYPE_NONE: b's, u8 for s8, f32 for u8, s4 and u4 */
    int64_t     b_group; /* weights of few bits, whose scales are told with each product: how many k share one */
} hone_matmul_pack_options;

/** Nothing known of the products, the best layout: start from this, then set what differs. */
#define HONE_MATMUL_PACK_OPTIONS                                                                                       \
    {                                                                                                                  \
        sizeof(hone_matmul_pack_options), 0, 0, HONE_DTYPE_NONE, 0                                                     \
    }

/** Packs b, [...] x k x n with any strides, on `stream`, into memory of its device; `options` may be NULL. b is
 * borrowed until the stream passes, and other streams may use the weights from then on. The layout is hone's own
 * ("n32": panels of 32 columns over all of k), or one that a kernel of another library offers, where options->layout
 * names it
 *  ("onednn:..."). HONE_ERROR_UNSUPPORTED: nothing here offers that one for this b; _SHAPE, _TYPE, _ARGUMENT,
 *  _OVERFLOW, _MEMORY. On failure *out is NULL. */
HONE_API HONE_MUST_USE hone_status hone_matmul_pack(hone_stream *stream, const hone_tensor *b,
                                                    const hone_matmul_pack_options *options,
                                                    hone_matmul_weights           **out);

/** c = a * b, with what `options` adds, for a b that was packed: hone_matmul with all that it promises. A layout that
 * no kernel here reads (adopted weights alone can have it) is HONE_ERROR_UNSUPPORTED. */
HONE_API HONE_MUST_USE hone_status hone_matmul_prepacked(hone_stream *stream, const hone_tensor *a,
                                                      hone_matmul_weights *weights, hone_tensor *c,
                                                      const hone_matmul_options *options);

/** The plan of it, as hone_matmul_plan: operand HONE_MATMUL_B of a run is then `memory` of
 * hone_matmul_weights_describe, or other memory aligned and packed alike. On failure *out is NULL. */
HONE_API HONE_MUST_USE hone_status hone_matmul_prepacked_plan(hone_device *device, const hone_tensor *a,
                                                           hone_matmul_weights *weights, const hone_tensor *c,
                                                           const hone_matmul_options *options, hone_plan **out);

/** The plain b again: every element as it was. b has the shape and type that was packed, any strides; no element of it
 *  may lie at two places, or in the weights' memory. */
HONE_API HONE_MUST_USE hone_status hone_matmul_unpack(hone_stream *stream, hone_matmul_weights *weights,
                                                      hone_tensor *b);

/** All that there is to know about weights. Write it with the bytes of `memory` to a file, and
 * hone_matmul_weights_adopt has them back without packing: layouts of hone's own mean the same everywhere and always,
 * those of other libraries as long as that library says so. */
typedef struct hone_matmul_weights_facts {
    size_t       size;   /* sizeof(hone_matmul_weights_facts), set before asking */
    char         layout[HONE_LAYOUT_TEXT_MAX];
    hone_dtype   dtype;
    int          rank;   /* of b */
    int64_t      shape[HONE_RANK_MAX];
    hone_operand memory; /* where they lie, and all their bytes: a buffer, unless host memory was adopted */
} hone_matmul_weights_facts;

/** Fills `facts`. The buffer in it belongs to the weights and ends with them; read it as any other (hone_buffer_read,
 * hone_buffer_map), but what is written there is the caller's own fault. */
HONE_API HONE_MUST_USE hone_status hone_matmul_weights_describe(hone_matmul_weights       *weights,
                                                                hone_matmul_weights_facts *facts);

/** Weights that are packed already: of a file, or of other memory. Nothing is copied: facts->memory is host memory that
 *  must stay as it is until the weights are destroyed, or (a part of) a buffer, which is kept. memory.bytes must be
 *  what such weights take. On failure *out is NULL. */
HONE_API HONE_MUST_USE hone_status hone_matmul_weights_adopt(hone_device                     *device,
                                                             const hone_matmul_weights_facts *facts,
                                                             hone_matmul_weights            **out);

/** Ends weights. Streams that still use them must have been waited for; plans may live on. NULL is fine. */
HONE_API hone_status hone_matmul_weights_destroy(hone_matmul_weights *weights);

#ifdef __cplusplus
}
#endif
#endif
