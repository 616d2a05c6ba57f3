/* A DLPack tensor with every field but its memory out of the input: taken or refused, and never both. What is taken
 * lies within its buffer, goes out again as it came, and is ended once. */
#include <stdbool.h>
#include <string.h>

#include <hone/hone.h>

#include "tests/fuzz/fuzz.h"

struct DLManagedTensorVersioned { /* as the specification has it */
    uint32_t major, minor;
    void    *manager;
    void (*deleter)(struct DLManagedTensorVersioned *self);
    uint64_t flags;
    void    *data;
    int32_t  device_type, device_id, ndim;
    uint8_t  code, bits;
    uint16_t lanes;
    int64_t *shape, *strides;
    uint64_t byte_offset;
};
typedef struct DLManagedTensorVersioned managed;

/* The input's form; what is missing is 0. */
typedef struct input {
    uint32_t major, minor;
    uint64_t flags, data, byte_offset;
    int32_t  device_type, device_id, ndim;
    uint8_t  code, bits;
    uint16_t lanes;
    uint8_t  no_shape, no_strides, pad[6];
    int64_t  shape[9], strides[9];
} input;

static int ended;

static void count(managed *self)
{
    (void)self;
    ended++;
}

static void taken(hone_device *device, managed *theirs, hone_buffer *buffer, const hone_tensor *t)
{
    managed *out = NULL;
    size_t   bytes = 0;
    bool     empty = false;
    FUZZ_ASSERT(hone_buffer_size(buffer, &bytes) == HONE_OK);
    FUZZ_ASSERT(t->rank == theirs->ndim && t->offset_bytes <= bytes && t->buffer == buffer && !t->data);
    for (int i = 0; i < t->rank; i++) empty = empty || t->shape[i] == 0;
    FUZZ_ASSERT((bytes == 0) == empty);
    FUZZ_ASSERT(hone_dlpack_export(device, t, 1, &out) == HONE_OK);
    FUZZ_ASSERT(out->code == theirs->code && out->bits == theirs->bits && out->lanes == 1 && out->ndim == theirs->ndim);
    FUZZ_ASSERT(empty || (uintptr_t)out->data == (uintptr_t)theirs->data + theirs->byte_offset);
    for (int i = 0; i < out->ndim; i++) {
        FUZZ_ASSERT(out->shape[i] == theirs->shape[i]);
        if (theirs->strides) FUZZ_ASSERT(out->strides[i] == theirs->strides[i]);
    }
    FUZZ_ASSERT(hone_buffer_destroy(buffer) == HONE_OK && ended == 0);
    out->deleter(out);
    FUZZ_ASSERT(ended == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static hone_context *context;
    static hone_device  *device;
    input                in = {0};
    hone_buffer         *buffer;
    hone_tensor          t;
    int                  read_only;
    if (!context) FUZZ_ASSERT(!hone_context_create(NULL, &context) && !hone_device_at(context, 0, &device));
    if (bytes) memcpy(&in, data, bytes < sizeof in ? bytes : sizeof in);
    managed theirs = {in.major,
                      in.minor,
                      NULL,
                      count,
                      in.flags,
                      (void *)(uintptr_t)in.data,
                      in.device_type,
                      in.device_id,
                      in.ndim,
                      in.code,
                      in.bits,
                      in.lanes,
                      in.no_shape & 1 ? NULL : in.shape,
                      in.no_strides & 1 ? NULL : in.strides,
                      in.byte_offset};
    ended = 0;
    hone_status status = hone_dlpack_import(device, &theirs, &buffer, &t, &read_only);
    if (status == HONE_OK)
        taken(device, &theirs, buffer, &t);
    else
        FUZZ_ASSERT(!buffer && t.rank == -1 && !read_only && ended == 0 && hone_last_error()[0]);
    return 0;
}
