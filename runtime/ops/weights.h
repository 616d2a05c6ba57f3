/* Packed weights behind their handle: what the product (matmul.c) and the packing (weights.c) know of them. */
#ifndef HONE_RUNTIME_OPS_WEIGHTS_H
#define HONE_RUNTIME_OPS_WEIGHTS_H

#include "runtime/hall.h"

/* Immutable. The context and the buffer are held. */
typedef struct hone_rt_weights {
    hone_rt_context *context;
    hone_rt_device  *device;
    hone_layout      layout;  /* of one matrix */
    hone_tensor      b;       /* type and shape; strides of its batch count packed matrices, those of a matrix are 0 */
    int64_t          count;   /* matrices */
    hone_buffer     *handle;  /* of the buffer, these weights' own */
    hone_rt_buffer  *buffer;  /* NULL: host memory */
    hone_operand     memory;  /* what describe() tells: host memory as it was given, or the handle */
    hone_span        span;    /* all of the packed matrices */
} hone_rt_weights;

hone_status hone_rt_weights_get(hone_matmul_weights *handle, const hone_be_device *device, const char *where,
                                hone_rt_weights **out);

/* Strides along extents of 1 and of empty matrices mean nothing: those of a dense row-major one stand for all. */
void hone_rt_matmul_settle(int64_t rows, int64_t columns, int64_t *row, int64_t *column);
void hone_rt_matmul_settle_as(hone_dtype type, int64_t rows, int64_t columns, int64_t *row, int64_t *column);

#endif
