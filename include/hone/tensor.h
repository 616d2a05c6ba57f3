/* A tensor is a view of memory that somebody else owns: where it begins, what it holds, and its strides. */
#ifndef HONE_TENSOR_H
#define HONE_TENSOR_H

#include <hone/api.h>
#include <hone/dtype.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HONE_RANK_MAX 8

typedef struct hone_buffer hone_buffer;

typedef struct hone_tensor {        /* a view: copy it freely, it owns nothing */
    void        *data;              /* host memory: the element of index 0, ..., 0; or */
    hone_buffer *buffer;            /* memory of a device, from offset_bytes on */
    size_t       offset_bytes;
    hone_dtype   dtype;
    int          rank;
    int64_t      shape[HONE_RANK_MAX];
    int64_t      stride[HONE_RANK_MAX]; /* in elements; 0 repeats, negative runs backwards */
} hone_tensor;

/** A dense row-major tensor in host memory. `shape` has `rank` extents (rank 0: a scalar, shape may be NULL).
 *  A rank outside 0 .. HONE_RANK_MAX gives a tensor of rank -1, which every operation refuses. Any thread. */
HONE_API hone_tensor hone_tensor_dense(hone_dtype dtype, int rank, const int64_t *shape, void *data);

/** A dense row-major rows x columns matrix in host memory. Any thread. */
HONE_API hone_tensor hone_matrix(hone_dtype dtype, int64_t rows, int64_t columns, void *data);

/** A dense vector in host memory. Any thread. */
HONE_API hone_tensor hone_vector(hone_dtype dtype, int64_t count, void *data);

/** The same elements with the last two dimensions exchanged; no data moves. A rank below 2 comes back as it is. */
HONE_API hone_tensor hone_transposed(hone_tensor tensor);

/** The same view, in memory of a device: `offset_bytes` into `buffer`. The buffer is checked when it is used. */
HONE_API hone_tensor hone_tensor_in(hone_buffer *buffer, size_t offset_bytes, hone_tensor like);

#ifdef __cplusplus
}
#endif
#endif
