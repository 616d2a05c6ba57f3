/* Views: plain arithmetic on shapes and strides. Nothing here looks at memory or fails: a view that cannot be gets rank
 * -1, which every operation refuses with a sentence of its own. */
#include <hone/tensor.h>

#include "base/size.h"

static hone_tensor impossible(hone_dtype dtype)
{
    return (hone_tensor){.dtype = dtype, .rank = -1};
}

hone_tensor hone_tensor_dense(hone_dtype dtype, int rank, const int64_t *shape, void *data)
{
    hone_tensor tensor = {.data = data, .dtype = dtype, .rank = rank};
    int64_t     stride = 1;
    if (rank < 0 || rank > HONE_RANK_MAX || (rank > 0 && !shape)) return impossible(dtype);
    for (int i = rank - 1; i >= 0; i--) {
        tensor.shape[i] = shape[i];
        tensor.stride[i] = stride;
        /* A negative extent stays as it is for the operation to name; an empty one counts as one, so that strides say
         * how the others lie. */
        if (shape[i] > 1 && !hone_extent_mul(stride, shape[i], &stride)) return impossible(dtype);
    }
    return tensor;
}

hone_tensor hone_matrix(hone_dtype dtype, int64_t rows, int64_t columns, void *data)
{
    const int64_t shape[] = {rows, columns};
    return hone_tensor_dense(dtype, 2, shape, data);
}

hone_tensor hone_vector(hone_dtype dtype, int64_t count, void *data)
{
    return hone_tensor_dense(dtype, 1, &count, data);
}

hone_tensor hone_transposed(hone_tensor tensor)
{
    int last = tensor.rank - 1;
    if (tensor.rank < 2 || tensor.rank > HONE_RANK_MAX) return tensor;
    int64_t extent = tensor.shape[last], stride = tensor.stride[last];
    tensor.shape[last] = tensor.shape[last - 1];
    tensor.stride[last] = tensor.stride[last - 1];
    tensor.shape[last - 1] = extent;
    tensor.stride[last - 1] = stride;
    return tensor;
}

hone_tensor hone_tensor_in(hone_buffer *buffer, size_t offset_bytes, hone_tensor like)
{
    like.data = NULL;
    like.buffer = buffer;
    like.offset_bytes = offset_bytes;
    return like;
}
