/* DLPack in and out. The struct of the exchange, major version 1, is written down here as its specification has it, so
 * that nothing of DLPack is needed to build hone. Both ways a tensor passes the same checks as in any call (view.c).
 *
 *     import    their tensor becomes a buffer over exactly the bytes it reaches; the buffer ends it with its deleter
 *     export    one block with struct, shape and strides; it holds the tensor's buffer until the deleter is called */
#include <hone/dlpack.h>

#include <string.h>

#include "base/alloc.h"
#include "base/size.h"
#include "runtime/hall.h"

/* --- the exchange ---------------------------------------------------------------------------------------------- */

enum { MAJOR = 1, MINOR = 0, READ_ONLY = 1 };
enum { KIND_CPU = 1, KIND_CUDA_HOST = 3, KIND_ROCM_HOST = 11 }; /* of devices: memory that a CPU reaches */

typedef struct dl_type {
    uint8_t  code, bits;
    uint16_t lanes;
} dl_type;

typedef struct dl_tensor {
    void    *data;
    int32_t  device_kind, device_index;
    int32_t  rank;
    dl_type  type;
    int64_t *shape, *strides; /* strides in elements; NULL: dense, row-major */
    uint64_t byte_offset;
} dl_tensor;

struct DLManagedTensorVersioned {
    uint32_t major, minor;
    void    *manager;
    void (*deleter)(struct DLManagedTensorVersioned *self); /* NULL: nothing to do */
    uint64_t  flags;
    dl_tensor tensor;
};

_Static_assert(sizeof(dl_type) == 4, "as DLPack lays it out");
#if UINTPTR_MAX > 0xffffffffu
_Static_assert(sizeof(dl_tensor) == 48 && sizeof(struct DLManagedTensorVersioned) == 80, "as DLPack lays it out");
#endif

/* 4-bit integers are left out: DLPack and its users do not agree how they are packed. */
static const struct {
    hone_dtype ours;
    uint8_t    code, bits;
} types[] = {
    {HONE_F64, 2, 64}, {HONE_F32, 2, 32}, {HONE_F16, 2, 16}, {HONE_BF16, 4, 16},
    {HONE_S64, 0, 64}, {HONE_S32, 0, 32}, {HONE_S8, 0, 8},   {HONE_U8, 1, 8},
};
enum { TYPES = sizeof types / sizeof *types };

static const char *code_name(uint8_t code)
{
    static const char *const names[] = {"int", "uint", "float", "handle", "bfloat", "complex", "bool"};
    return code < sizeof names / sizeof *names ? names[code] : "other";
}

/* Host memory is all that the devices of this version can take. */
static hone_status check_device(const hone_be_device *device, const char *where)
{
    HONE_CHECK(strcmp(device->backend->name, "cpu") == 0, HONE_ERROR_UNSUPPORTED,
               "%s: memory of %s is not exchanged yet; only a CPU's is", where, device->name);
    return HONE_OK;
}

/* --- in -------------------------------------------------------------------------------------------------------- */

static void end_managed(void *user)
{
    struct DLManagedTensorVersioned *managed = user;
    if (managed->deleter) managed->deleter(managed);
}

static hone_status find_type(dl_type type, hone_dtype *out)
{
    for (int i = 0; i < TYPES; i++)
        if (types[i].code == type.code && types[i].bits == type.bits && type.lanes == 1) {
            *out = types[i].ours;
            return HONE_OK;
        }
    return hone_fail(HONE_ERROR_TYPE, "dlpack import: there is no type like %s%d (code %d) with %d lanes",
                     code_name(type.code), type.bits, type.code, type.lanes);
}

/* Their tensor as a view of host memory; nothing but shape and strides is looked at. */
static hone_status read_tensor(const dl_tensor *theirs, hone_tensor *out)
{
    uintptr_t at;
    HONE_CHECK(theirs->rank >= 0, HONE_ERROR_FORMAT, "dlpack import: the tensor has %d dimensions", theirs->rank);
    HONE_CHECK(theirs->rank <= HONE_RANK_MAX, HONE_ERROR_SHAPE,
               "dlpack import: the tensor has %d dimensions; %d is the most", theirs->rank, HONE_RANK_MAX);
    HONE_CHECK(theirs->shape || theirs->rank == 0, HONE_ERROR_FORMAT,
               "dlpack import: the tensor has %d dimensions, but its shape is NULL", theirs->rank);
    HONE_CHECK(theirs->byte_offset <= UINTPTR_MAX, HONE_ERROR_OVERFLOW,
               "dlpack import: the byte offset %" PRIu64 " leaves the address space", theirs->byte_offset);
    HONE_CHECK(!__builtin_add_overflow((uintptr_t)theirs->data, (uintptr_t)theirs->byte_offset, &at),
               HONE_ERROR_OVERFLOW, "dlpack import: the byte offset %" PRIu64 " from %p leaves the address space",
               theirs->byte_offset, theirs->data);
    HONE_CHECK(theirs->data || !theirs->byte_offset, HONE_ERROR_FORMAT,
               "dlpack import: a byte offset of %" PRIu64 " from NULL", theirs->byte_offset);
    hone_dtype dtype = HONE_DTYPE_NONE;
    HONE_TRY(find_type(theirs->type, &dtype));
    *out = hone_tensor_dense(dtype, theirs->rank, theirs->shape, (void *)at);
    if (theirs->strides || out->rank < 0) {
        *out = (hone_tensor){.data = (void *)at, .dtype = dtype, .rank = theirs->rank};
        for (int i = 0; i < theirs->rank; i++) {
            out->shape[i] = theirs->shape[i];
            out->stride[i] =
                theirs->strides ? theirs->strides[i] : 0; /* 0: their product overflows, and is told next */
        }
    }
    return HONE_OK;
}

hone_status hone_dlpack_import(hone_device *handle, struct DLManagedTensorVersioned *managed, hone_buffer **buffer,
                               hone_tensor *out, int *read_only)
{
    hone_rt_device *device;
    hone_rt_view    view;
    hone_tensor     tensor;
    if (buffer) *buffer = NULL;
    if (out) *out = (hone_tensor){.rank = -1};
    if (read_only) *read_only = 0;
    HONE_CHECK(buffer && out, HONE_ERROR_ARGUMENT, "dlpack import: where to put the buffer or the tensor is NULL");
    HONE_CHECK(managed, HONE_ERROR_ARGUMENT, "dlpack import: the DLPack tensor is NULL");
    HONE_CHECK(managed->major == MAJOR, HONE_ERROR_FORMAT,
               "dlpack import: the tensor is of DLPack %" PRIu32 ".%" PRIu32 ", and this hone speaks %d.x",
               managed->major, managed->minor, MAJOR);
    HONE_TRY(hone_rt_device_get(handle, "dlpack import", &device));
    HONE_TRY(check_device(device->be, "dlpack import"));
    int kind = managed->tensor.device_kind;
    HONE_CHECK(kind == KIND_CPU || kind == KIND_CUDA_HOST || kind == KIND_ROCM_HOST, HONE_ERROR_ARGUMENT,
               "dlpack import: the tensor lies in memory of DLPack's device type %d, which %s does not reach", kind,
               device->be->name);
    HONE_TRY(read_tensor(&managed->tensor, &tensor));
    HONE_TRY(hone_rt_view_of(&tensor, device->be, HONE_RT_DATA_NEEDED, "dlpack import: the tensor", &view));
    /* counted as a number: a tensor may claim to reach down to NULL, and is refused there */
    void *first = (void *)((uintptr_t)tensor.data + (uintptr_t)view.low);
    HONE_TRY(hone_buffer_adopt(handle, first, (size_t)((uint64_t)view.high - (uint64_t)view.low), end_managed, managed,
                               buffer));
    *out = hone_tensor_in(*buffer, (size_t)(0 - (uint64_t)view.low), tensor);
    if (read_only) *read_only = (managed->flags & READ_ONLY) != 0;
    return HONE_OK;
}

/* --- out ------------------------------------------------------------------------------------------------------- */

typedef struct exported {
    struct DLManagedTensorVersioned managed; /* first: its address is the block's */
    hone_rt_buffer                 *hold;    /* NULL: host memory of the caller */
    int64_t                         shape[HONE_RANK_MAX], strides[HONE_RANK_MAX];
} exported;

static void end_exported(struct DLManagedTensorVersioned *managed)
{
    if (!managed) return;
    exported *it = managed->manager;
    if (it->hold) hone_rt_buffer_release(it->hold);
    hone_free(it);
}

static hone_status fill(const hone_tensor *tensor, void *data, int read_only, exported *it)
{
    int type = 0;
    while (type < TYPES && types[type].ours != tensor->dtype) type++;
    HONE_CHECK(type < TYPES, HONE_ERROR_TYPE, "dlpack export: %s is not exchanged", hone_dtype_name(tensor->dtype));
    dl_type theirs = {types[type].code, types[type].bits, 1};
    for (int i = 0; i < tensor->rank; i++) {
        it->shape[i] = tensor->shape[i];
        it->strides[i] = tensor->stride[i];
    }
    it->managed = (struct DLManagedTensorVersioned){
        .major = MAJOR,
        .minor = MINOR,
        .manager = it,
        .deleter = end_exported,
        .flags = read_only ? READ_ONLY : 0,
        .tensor = {data, KIND_CPU, 0, tensor->rank, theirs, it->shape, it->strides, 0},
    };
    return HONE_OK;
}

hone_status hone_dlpack_export(hone_device *handle, const hone_tensor *tensor, int read_only,
                               struct DLManagedTensorVersioned **out)
{
    hone_rt_device *device;
    hone_rt_view    view;
    HONE_CHECK(out, HONE_ERROR_ARGUMENT, "dlpack export: where to put the result (out) is NULL");
    *out = NULL;
    HONE_CHECK(tensor, HONE_ERROR_ARGUMENT, "dlpack export: the tensor is NULL");
    HONE_TRY(hone_rt_device_get(handle, "dlpack export", &device));
    HONE_TRY(check_device(device->be, "dlpack export"));
    HONE_TRY(hone_rt_view_of(tensor, device->be, HONE_RT_DATA_NEEDED, "dlpack export: the tensor", &view));
    exported *it = hone_alloc(1, sizeof *it);
    if (!it) return HONE_ERROR_MEMORY;
    hone_status status = fill(tensor, view.high ? hone_span_host(&view.span) : NULL, read_only, it);
    if (status == HONE_OK && tensor->buffer) status = hone_rt_buffer_get(tensor->buffer, "dlpack export", &it->hold);
    if (status != HONE_OK) {
        hone_free(it);
        return status;
    }
    if (it->hold) hone_rt_buffer_hold(it->hold);
    *out = &it->managed;
    return HONE_OK;
}
