/* A tensor as a call sees it: does it make sense by itself, and which bytes does it reach? */
#include "base/size.h"
#include "runtime/hall.h"

/* How many elements there are, and the bytes below and above the first. Strides of what is empty must fit as well:
 * products with them are formed before anyone asks. One pass, since it is part of every call; what is wrong is told by
 * the second. */
static hone_status reach(const hone_tensor *t, int64_t element_bytes, const char *what, int64_t *count,
                         hone_rt_view *out)
{
    HONE_CHECK(t->rank >= 0 && t->rank <= HONE_RANK_MAX, HONE_ERROR_SHAPE, "%s has rank %d; it may be 0 .. %d", what,
               t->rank, HONE_RANK_MAX);
    int64_t low = 0, high = element_bytes, all = 1;
    bool    empty = false, negative = false, many = false, far = false;
    for (int i = 0; i < t->rank; i++) {
        int64_t extent = t->shape[i], steps = 0;
        negative |= extent < 0;
        empty |= extent == 0;
        if (extent <= 1) continue;
        many |= __builtin_mul_overflow(all, extent, &all);
        far |= __builtin_mul_overflow(t->stride[i], element_bytes, &steps);
        far |= __builtin_mul_overflow(steps, extent - 1, &steps);
        far |= __builtin_add_overflow(steps < 0 ? low : high, steps, steps < 0 ? &low : &high);
    }
    for (int i = 0; negative && i < t->rank; i++)
        HONE_CHECK(t->shape[i] >= 0, HONE_ERROR_SHAPE, "%s: extent %d is %" PRId64 "; none may be negative", what, i,
                   t->shape[i]);
    HONE_CHECK(!many, HONE_ERROR_OVERFLOW, "%s: the product of its extents does not fit 63 bits", what);
    HONE_CHECK(!far, HONE_ERROR_OVERFLOW, "%s: its strides reach further than memory does", what);
    *count = empty ? 0 : all;
    out->low = empty ? 0 : low;
    out->high = empty ? 0 : high;
    return HONE_OK;
}

static hone_status in_buffer(const hone_tensor *t, const hone_be_device *device, const char *what, hone_rt_view *out)
{
    hone_rt_buffer *buffer;
    HONE_TRY(hone_rt_buffer_get(t->buffer, what, &buffer));
    HONE_CHECK(buffer->be->device == device, HONE_ERROR_ARGUMENT, "%s is in a buffer of %s%s, the call is for %s", what,
               buffer->be->device->name, hone_rt_device_elsewhere(buffer->be->device, device), device->name);
    HONE_CHECK(!t->data, HONE_ERROR_ARGUMENT, "%s has both host memory (%p) and a buffer; one must be NULL", what,
               t->data);
    HONE_CHECK(t->offset_bytes <= buffer->be->bytes && 0 - (uint64_t)out->low <= t->offset_bytes &&
                   (uint64_t)out->high <= buffer->be->bytes - t->offset_bytes,
               HONE_ERROR_ARGUMENT,
               "%s: bytes %" PRId64 " .. %" PRId64 " around offset %zu leave its buffer, which has %zu", what, out->low,
               out->high, t->offset_bytes, buffer->be->bytes);
    out->span = (hone_span){buffer->be, buffer->be->host ? (char *)buffer->be->host + t->offset_bytes : NULL,
                            t->offset_bytes, buffer->be->bytes - t->offset_bytes};
    return HONE_OK;
}

hone_status hone_rt_view_of(const hone_tensor *t, const hone_be_device *device, hone_rt_data data, const char *what,
                            hone_rt_view *out)
{
    int64_t count = 0;
    int     bits = hone_dtype_bits(t->dtype);
    HONE_CHECK(bits, HONE_ERROR_TYPE, "%s has the type %d, which is none", what, (int)t->dtype);
    int64_t bytes = bits / 8 ? bits / 8 : 1; /* a power of two */
    HONE_TRY(reach(t, bytes, what, &count, out));
    if (bits == 4) { /* two in a byte */
        out->low = -((1 - out->low) / 2);
        out->high = out->high / 2 + out->high % 2;
    }
    out->span = (hone_span){0};
    if (data == HONE_RT_DATA_IGNORED) return HONE_OK;
    if (t->buffer) {
        HONE_TRY(in_buffer(t, device, what, out));
    } else {
        HONE_CHECK(t->data || data == HONE_RT_DATA_OPTIONAL || count == 0, HONE_ERROR_ARGUMENT,
                   "%s has %" PRId64 " elements, but no memory: data and buffer are NULL", what, count);
        HONE_CHECK(t->offset_bytes == 0, HONE_ERROR_ARGUMENT,
                   "%s: offset_bytes is %zu without a buffer; add it to data", what, t->offset_bytes);
        uintptr_t at = (uintptr_t)t->data;
        HONE_CHECK(!t->data || (at >= 0 - (uint64_t)out->low && at <= UINTPTR_MAX - (uint64_t)out->high),
                   HONE_ERROR_OVERFLOW, "%s: its strides reach from %p out of the address space", what, t->data);
        out->span = (hone_span){NULL, t->data, 0, (size_t)out->high};
    }
    uintptr_t first =
        out->span.buffer ? (uintptr_t)out->span.buffer->host + out->span.offset : (uintptr_t)out->span.host;
    HONE_CHECK((first & ((uint64_t)bytes - 1)) == 0, HONE_ERROR_ARGUMENT,
               "%s at %p is not aligned to its %" PRId64 "-byte elements", what, (void *)first, bytes);
    return HONE_OK;
}
