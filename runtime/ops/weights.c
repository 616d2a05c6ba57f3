/* Weights packed once: into a layout, out of it, described, adopted. The product with them is matmul.c's.
 *
 * The plain tensor may have any strides and batch; the packed matrices stand one after the other. As many neighbours of
 * the batch as step evenly are packed by one launch; the rest one by one. */
#include "runtime/ops/weights.h"

#include <stdio.h>
#include <string.h>

#include "base/element.h"
#include "base/alloc.h"
#include "base/overlap.h"
#include "base/size.h"
#include "kernels/matmul/parts.h"
#include "kernels/matmul_pack/problem.h"

enum { M_PRESUMED = 128 };
_Static_assert(HONE_LAYOUT_TEXT_MAX == HONE_LAYOUT_NAME_MAX, "the door's name of a layout");

static const hone_matmul_pack_options usual = HONE_MATMUL_PACK_OPTIONS;

/* --- the object ----------------------------------------------------------------------------------------------- */

hone_status hone_rt_weights_get(hone_matmul_weights *handle, const hone_be_device *device, const char *where,
                                hone_rt_weights **out)
{
    *out = hone_handle_get(handle, HONE_HANDLE_WEIGHTS);
    if (!*out) return hone_handle_refuse(handle, HONE_HANDLE_WEIGHTS, where);
    HONE_CHECK(!device || (*out)->device->be == device, HONE_ERROR_ARGUMENT, "%s: the weights are of %s%s, the call is "
               "for %s", where, (*out)->device->be->name, hone_rt_device_elsewhere((*out)->device->be, device),
               device->name);
    return HONE_OK;
}

static void end(hone_rt_weights *weights)
{
    hone_rt_context *context = weights->context;
    if (weights->buffer) hone_rt_buffer_release(weights->buffer);
    if (weights->handle) { /* unless somebody destroyed it already, which is none of our business */
        hone_rt_buffer *buffer = hone_handle_take(weights->handle, HONE_HANDLE_BUFFER);
        if (buffer) hone_rt_buffer_release(buffer);
    }
    hone_free(weights);
    hone_rt_context_release(context);
}

/* Type, shape and layout of weights without memory; `shape` has been checked. */
static int element_bytes(hone_dtype type) /* of four bits: the byte that two share */
{
    return (int)hone_max(hone_dtype_bits(type) / 8, 1);
}

static hone_status check_type(hone_dtype type, const char *where)
{
    HONE_CHECK(hone_dtype_floats(type) || type == HONE_S8 || type == HONE_U8 || type == HONE_S4 || type == HONE_U4,
               HONE_ERROR_TYPE, "%s: b is %s; it should be f32, f64, bf16, f16, s8, u8, s4 or u4", where,
               hone_dtype_name(type));
    return HONE_OK;
}

static hone_status begin(hone_rt_device *device, hone_dtype type, int rank, const int64_t *shape, hone_rt_weights **out)
{
    hone_rt_weights *weights = hone_alloc(1, sizeof *weights);
    if (!weights) return HONE_ERROR_MEMORY;
    hone_rt_hold(device->context);
    weights->context = device->context;
    weights->device = device;
    weights->b = (hone_tensor){.dtype = type, .rank = rank};
    weights->count = 1;
    for (int i = rank - 1; i >= 0; i--) {
        weights->b.shape[i] = shape[i];
        if (i >= rank - 2) continue;
        weights->b.stride[i] = weights->count;
        weights->count *= shape[i]; /* fits: the tensor's elements were counted */
    }
    *out = weights;
    return HONE_OK;
}

static hone_status finish(hone_rt_weights *weights, hone_matmul_weights **out)
{
    void *token;
    HONE_TRY(hone_handle_new(HONE_HANDLE_WEIGHTS, weights, &token));
    *out = token;
    return HONE_OK;
}

/* A product with this b: what a layout is chosen for. Whole numbers beside real ones are weights with scales. */
static hone_matmul_problem product_of(const hone_rt_weights *weights, const hone_matmul_pack_options *o)
{
    const hone_tensor  *b = &weights->b;
    const bool          whole = !hone_dtype_floats(b->dtype);
    hone_matmul_problem p;
    memset(&p, 0, sizeof p);
    p.type_a = (uint8_t)(o->a_type ? o->a_type : !whole ? b->dtype : b->dtype == HONE_S8 ? HONE_U8 : HONE_F32);
    p.type_b = (uint8_t)b->dtype;
    p.type_c = hone_dtype_floats(p.type_a) ? p.type_a : HONE_S32;
    p.m = o->m_typical ? o->m_typical : M_PRESUMED;
    p.k = b->shape[b->rank - 2];
    p.n = b->shape[b->rank - 1];
    p.a_row = p.k;
    p.c_row = p.n;
    p.b_row = hone_matmul_line(hone_dtype_bits(b->dtype), p.n);
    p.a_column = p.b_column = p.c_column = 1;
    if (!whole || !hone_dtype_floats(p.type_a)) return p;
    p.type_scale = HONE_F32;
    p.group_k = o->b_group < p.k ? o->b_group : 0;
    p.group_n = 1;
    p.scale.row = p.n, p.scale.column = 1;
    hone_matmul_groups_settle(&p, &p.scale);
    return p;
}

/* Sets the layout: the one that is named, of hone's own by its meaning, or what suits products of m rows. */
static hone_status set_layout(hone_rt_weights *weights, const hone_matmul_pack_options *options)
{
    hone_matmul_problem product = product_of(weights, options), packed;
    const char         *name = options->layout;
    hone_layout         layout = {{0}, 0};
    hone_request request = hone_rt_request(weights->context, weights->device->be, &hone_matmul_op, &product, 64);
    HONE_TRY(hone_matmul_op.check(&product));
    if (!name) {
        HONE_TRY(hone_rt_layout_choose(weights->context, &request, HONE_MATMUL_B, &layout));
    } else {
        HONE_CHECK(strnlen(name, sizeof layout.name) < sizeof layout.name, HONE_ERROR_ARGUMENT,
                   "matmul pack: the layout's name is longer than the %zu bytes that names have at most",
                   sizeof layout.name - 1);
        strcpy(layout.name, name);
        if (!hone_matmul_layout_width(name) && hone_matmul_layout_foreign(name))
            HONE_TRY(hone_rt_layout_find(weights->context, &request, HONE_MATMUL_B, name, &layout));
    }
    HONE_TRY(hone_matmul_op.lay_out(&product, HONE_MATMUL_B, &layout, &packed));
    memcpy(weights->layout.name, packed.b_layout, sizeof packed.b_layout);
    weights->layout.bytes = packed.b_bytes;
    return HONE_OK;
}

/* The bytes of all matrices. */
static hone_status bytes_of(const hone_rt_weights *weights, const char *where, size_t *out)
{
    int64_t bytes;
    HONE_CHECK(hone_extent_mul(weights->layout.bytes, weights->count, &bytes), HONE_ERROR_OVERFLOW,
               "%s: %" PRId64 " matrices of %" PRId64 " bytes each do not fit 63 bits", where, weights->count,
               weights->layout.bytes);
    *out = (size_t)bytes;
    return HONE_OK;
}

/* --- packing and unpacking ------------------------------------------------------------------------------------ */

static hone_span span_at(const hone_span *span, int64_t bytes)
{
    hone_span moved = *span;
    if (moved.host) moved.host = (char *)moved.host + bytes;
    if (moved.buffer) moved.offset = (size_t)((int64_t)moved.offset + bytes);
    moved.bytes = 0;
    return moved;
}

static uintptr_t address(const hone_span *span)
{
    return span->buffer ? (uintptr_t)span->buffer->host + span->offset : (uintptr_t)span->host;
}

/* One launch: `count` plain matrices from `plain` on, and as many packed ones. */
static hone_status copy_some(hone_rt_stream *stream, const hone_rt_weights *weights, const hone_tensor *b,
                             hone_span plain, hone_span packed, int64_t count, int64_t matrix, bool unpack)
{
    hone_matmul_pack_problem p;
    memset(&p, 0, sizeof p);
    p.type = (uint8_t)b->dtype;
    p.unpack = unpack;
    p.k = b->shape[b->rank - 2];
    p.n = b->shape[b->rank - 1];
    p.row = b->stride[b->rank - 2];
    p.column = b->stride[b->rank - 1];
    hone_rt_matmul_settle_as((hone_dtype)p.type, p.k, p.n, &p.row, &p.column);
    p.count = count;
    p.matrix = count == 1 ? 0 : matrix;
    p.bytes = weights->layout.bytes;
    memcpy(p.layout, weights->layout.name, sizeof p.layout);
    hone_span      spans[2] = {unpack ? packed : plain, unpack ? plain : packed};
    hone_arguments arguments = {2, 0, spans, NULL, 0};
    uintptr_t      all = address(&plain) | address(&packed), element = (uintptr_t)element_bytes((hone_dtype)p.type);
    unsigned       alignment = all % 64 == 0 ? 64 : all % 16 == 0 ? 16 : (unsigned)element;
    return hone_rt_run(stream, &hone_matmul_pack_op, &p, alignment, &arguments);
}

/* All matrices of b, in order: those of the innermost dimensions that step evenly by one launch, ... */
static hone_status copy_all(hone_rt_stream *stream, const hone_rt_weights *weights, const hone_tensor *b,
                            const hone_rt_view *view, bool unpack)
{
    const int lead = b->rank - 2;
    int64_t   index[HONE_RANK_MAX] = {0}, together = 1, matrix = 0, bits = hone_dtype_bits(b->dtype);
    int       outer = lead;
    for (; outer > 0; outer--) {
        int64_t extent = b->shape[outer - 1];
        if (extent == 1) continue;
        if (together > 1 && b->stride[outer - 1] != matrix * together) break;
        if (together == 1) matrix = b->stride[outer - 1];
        together *= extent;
    }
    if (weights->span.bytes == 0) return HONE_OK; /* no elements */
    for (int64_t done = 0; done < weights->count; done += together) { /* ... the others one index after another */
        int64_t offset = 0;
        for (int i = 0; i < outer; i++) offset += index[i] * b->stride[i];
        HONE_TRY(copy_some(stream, weights, b, span_at(&view->span, bits < 8 ? offset / 2 : offset * (bits / 8)),
                           span_at(&weights->span, done * weights->layout.bytes), together, matrix, unpack));
        for (int i = outer - 1; i >= 0; i--) {
            if (++index[i] < b->shape[i]) break;
            index[i] = 0;
        }
    }
    return HONE_OK;
}

static hone_status check_plain(const hone_tensor *b, const hone_be_device *device, const char *where,
                               hone_rt_view *view)
{
    char what[48];
    snprintf(what, sizeof what, "%s: b", where);
    HONE_CHECK(b, HONE_ERROR_ARGUMENT, "%s: b is NULL", where);
    HONE_TRY(hone_rt_view_of(b, device, HONE_RT_DATA_NEEDED, what, view));
    HONE_CHECK(b->rank >= 2, HONE_ERROR_SHAPE, "%s: b has rank %d; a matrix has 2, a batch of them more", where,
               b->rank);
    HONE_TRY(check_type(b->dtype, where));
    for (int i = 0; i < b->rank - 2; i++) /* those of a matrix the op asks for itself */
        HONE_CHECK(hone_dtype_bits(b->dtype) >= 8 || b->stride[i] % 2 == 0 || b->shape[i] <= 1, HONE_ERROR_ARGUMENT,
                   "%s: b is %s, two in a byte, and its batch stride %d is %" PRId64 "; it should be even", where,
                   hone_dtype_name(b->dtype), i, b->stride[i]);
    return HONE_OK;
}

static hone_status make_memory(hone_rt_weights *weights)
{
    size_t bytes = 0;
    HONE_TRY(bytes_of(weights, "matmul pack", &bytes));
    HONE_TRY(hone_buffer_create(weights->device->token, bytes, &weights->handle));
    HONE_TRY(hone_rt_buffer_get(weights->handle, "matmul pack", &weights->buffer));
    hone_rt_buffer_hold(weights->buffer);
    weights->memory = (hone_operand){weights->handle, NULL, 0, bytes};
    weights->span = (hone_span){weights->buffer->be, weights->buffer->be->host, 0, bytes};
    return HONE_OK;
}

static hone_status pack_on(hone_rt_stream *stream, const hone_tensor *b, const hone_matmul_pack_options *options,
                           hone_matmul_weights **out)
{
    hone_rt_weights *weights;
    hone_rt_view     view;
    HONE_CHECK(options->size == sizeof *options, HONE_ERROR_ARGUMENT,
               "matmul pack: options.size is %zu, where sizeof(hone_matmul_pack_options) is %zu; start from "
               "HONE_MATMUL_PACK_OPTIONS", options->size, sizeof *options);
    HONE_CHECK(options->m_typical >= 0, HONE_ERROR_ARGUMENT,
               "matmul pack: options.m_typical is %" PRId64 "; rows are counted from 0 on", options->m_typical);
    HONE_CHECK(options->b_group >= 0, HONE_ERROR_ARGUMENT,
               "matmul pack: options.b_group is %" PRId64 "; it is how many k share a scale, 0 for all",
               options->b_group);
    HONE_TRY(check_plain(b, stream->be->device, "matmul pack", &view));
    HONE_TRY(begin(stream->device, b->dtype, b->rank, b->shape, &weights));
    hone_status status = set_layout(weights, options);
    if (status == HONE_OK) status = make_memory(weights);
    if (status == HONE_OK) status = copy_all(stream, weights, b, &view, false);
    if (status == HONE_OK) status = finish(weights, out);
    if (status != HONE_OK) end(weights);
    return status;
}

hone_status hone_matmul_pack(hone_stream *handle, const hone_tensor *b, const hone_matmul_pack_options *options,
                             hone_matmul_weights **out)
{
    hone_rt_stream *stream;
    HONE_CHECK(out, HONE_ERROR_ARGUMENT, "matmul pack: where to put it (out) is NULL");
    *out = NULL;
    HONE_TRY(hone_rt_stream_enter(handle, "matmul pack", &stream));
    hone_status status = pack_on(stream, b, options ? options : &usual, out);
    hone_rt_stream_leave(handle);
    return status;
}

static hone_status check_apart(const hone_rt_weights *weights, const hone_tensor *b, const hone_rt_view *view)
{
    static const int64_t along = 1;
    const int64_t        bytes = (int64_t)weights->span.bytes;
    hone_strided         packed = {(const void *)address(&weights->span), 1, 1, &bytes, &along};
    hone_strided         plain = {(const void *)address(&view->span), element_bytes(b->dtype), b->rank, b->shape,
                                  b->stride};
    const int64_t all = view->high - view->low; /* of four bits: all bytes from first to last */
    hone_strided  whole = plain;
    if (hone_dtype_bits(b->dtype) == 4)
        whole = (hone_strided){(const void *)(address(&view->span) + (uintptr_t)view->low), 1, 1, &all, &along};
    bool         reached = !view->span.buffer || view->span.buffer->host;
    HONE_CHECK(hone_overlap_within(&plain) != HONE_OVERLAPS, HONE_ERROR_OVERLAP,
               "matmul unpack: b is written, but its strides put two elements at one place");
    HONE_CHECK((reached ? hone_overlap_of(&whole, &packed) != HONE_OVERLAPS
                        : view->span.buffer != weights->span.buffer), HONE_ERROR_OVERLAP,
               "matmul unpack: b at %p shares memory with the weights", plain.at);
    return HONE_OK;
}

static hone_status unpack_on(hone_rt_stream *stream, hone_matmul_weights *handle, hone_tensor *b)
{
    hone_rt_weights *weights;
    hone_rt_view     view;
    HONE_TRY(hone_rt_weights_get(handle, stream->be->device, "matmul unpack", &weights));
    HONE_TRY(check_plain(b, stream->be->device, "matmul unpack", &view));
    HONE_CHECK(b->dtype == weights->b.dtype, HONE_ERROR_TYPE, "matmul unpack: b is %s, the weights are %s",
               hone_dtype_name(b->dtype), hone_dtype_name(weights->b.dtype));
    HONE_CHECK(b->rank == weights->b.rank, HONE_ERROR_SHAPE, "matmul unpack: b has rank %d, what was packed had %d",
               b->rank, weights->b.rank);
    for (int i = 0; i < b->rank; i++)
        HONE_CHECK(b->shape[i] == weights->b.shape[i], HONE_ERROR_SHAPE,
                   "matmul unpack: extent %d of b is %" PRId64 ", of what was packed %" PRId64, i, b->shape[i],
                   weights->b.shape[i]);
    if (view.high == 0) return HONE_OK;
    HONE_TRY(check_apart(weights, b, &view));
    return copy_all(stream, weights, b, &view, true);
}

hone_status hone_matmul_unpack(hone_stream *handle, hone_matmul_weights *weights, hone_tensor *b)
{
    hone_rt_stream *stream;
    HONE_TRY(hone_rt_stream_enter(handle, "matmul unpack", &stream));
    hone_status status = unpack_on(stream, weights, b);
    hone_rt_stream_leave(handle);
    return status;
}

/* --- described, adopted, ended -------------------------------------------------------------------------------- */

hone_status hone_matmul_weights_describe(hone_matmul_weights *handle, hone_matmul_weights_facts *facts)
{
    hone_rt_weights *weights;
    HONE_CHECK(facts, HONE_ERROR_ARGUMENT, "weights describe: where to put it (facts) is NULL");
    HONE_CHECK(facts->size == sizeof *facts, HONE_ERROR_ARGUMENT,
               "weights describe: facts.size is %zu, where sizeof(hone_matmul_weights_facts) is %zu", facts->size,
               sizeof *facts);
    HONE_TRY(hone_rt_weights_get(handle, NULL, "weights describe", &weights));
    *facts = (hone_matmul_weights_facts){
        .size = sizeof *facts, .dtype = weights->b.dtype, .rank = weights->b.rank, .memory = weights->memory};
    memcpy(facts->layout, weights->layout.name, sizeof facts->layout);
    memcpy(facts->shape, weights->b.shape, sizeof facts->shape);
    return HONE_OK;
}

/* A further handle of the buffer, so that what describe() tells lives as long as the weights do. */
static hone_status own_handle(hone_rt_weights *weights)
{
    void *token;
    HONE_TRY(hone_handle_new(HONE_HANDLE_BUFFER, weights->buffer, &token));
    hone_rt_buffer_hold(weights->buffer);
    weights->handle = weights->memory.buffer = token;
    return HONE_OK;
}

/* Where adopted weights lie. */
static hone_status adopt_memory(hone_rt_weights *weights, const hone_operand *memory)
{
    const uintptr_t element = (uintptr_t)element_bytes(weights->b.dtype);
    weights->memory = *memory;
    weights->span = (hone_span){NULL, memory->host, 0, memory->bytes};
    if (memory->buffer) {
        hone_rt_buffer *buffer;
        HONE_TRY(hone_rt_buffer_get(memory->buffer, "weights adopt", &buffer));
        const hone_be_device *device = weights->device->be;
        HONE_CHECK(buffer->be->device == device, HONE_ERROR_ARGUMENT,
                   "weights adopt: the buffer is of %s%s, the weights shall be of %s", buffer->be->device->name,
                   hone_rt_device_elsewhere(buffer->be->device, device), device->name);
        HONE_CHECK(!memory->host, HONE_ERROR_ARGUMENT,
                   "weights adopt: memory has both host memory (%p) and a buffer; one must be NULL", memory->host);
        HONE_CHECK(memory->offset <= buffer->be->bytes && memory->bytes <= buffer->be->bytes - memory->offset,
                   HONE_ERROR_ARGUMENT, "weights adopt: %zu bytes from offset %zu go past the buffer's end, it has %zu",
                   memory->bytes, memory->offset, buffer->be->bytes);
        hone_rt_buffer_hold(buffer);
        weights->buffer = buffer;
        HONE_TRY(own_handle(weights));
        weights->span = (hone_span){buffer->be, buffer->be->host ? (char *)buffer->be->host + memory->offset : NULL,
                                    memory->offset, memory->bytes};
    } else {
        HONE_CHECK(memory->host || !memory->bytes, HONE_ERROR_ARGUMENT,
                   "weights adopt: %zu bytes, but no memory: host and buffer are NULL", memory->bytes);
        HONE_CHECK(memory->offset == 0, HONE_ERROR_ARGUMENT,
                   "weights adopt: offset is %zu without a buffer; add it to host", memory->offset);
    }
    HONE_CHECK(address(&weights->span) % element == 0, HONE_ERROR_ARGUMENT,
               "weights adopt: the memory at %p is not aligned to its %zu-byte elements",
               (void *)address(&weights->span), (size_t)element);
    return HONE_OK;
}

/* The layout as it is said, its bytes by its meaning or, where that is a kernel's own, by those that there are. */
static hone_status adopt_layout(hone_rt_weights *weights, const hone_matmul_weights_facts *facts)
{
    hone_layout layout = {{0}, 0};
    HONE_CHECK(strnlen(facts->layout, sizeof facts->layout) < sizeof facts->layout, HONE_ERROR_ARGUMENT,
               "weights adopt: the layout's name is not ended by a zero");
    strcpy(layout.name, facts->layout);
    if (!hone_matmul_layout_width(layout.name))
        layout.bytes = weights->count ? (int64_t)facts->memory.bytes / weights->count : 0;
    hone_matmul_problem product = product_of(weights, &usual), packed;
    HONE_TRY(hone_matmul_op.check(&product));
    HONE_TRY(hone_matmul_op.lay_out(&product, HONE_MATMUL_B, &layout, &packed));
    memcpy(weights->layout.name, packed.b_layout, sizeof packed.b_layout);
    weights->layout.bytes = packed.b_bytes;
    size_t bytes = 0;
    HONE_TRY(bytes_of(weights, "weights adopt", &bytes));
    HONE_CHECK(bytes == facts->memory.bytes, HONE_ERROR_ARGUMENT,
               "weights adopt: memory.bytes is %zu; %" PRId64 " matrices of %" PRId64 "x%" PRId64
               " in layout %s take %zu",
               facts->memory.bytes, weights->count, product.k, product.n, weights->layout.name, bytes);
    return HONE_OK;
}

hone_status hone_matmul_weights_adopt(hone_device *handle, const hone_matmul_weights_facts *facts,
                                      hone_matmul_weights **out)
{
    hone_rt_device  *device;
    hone_rt_weights *weights;
    hone_rt_view     view;
    HONE_CHECK(out, HONE_ERROR_ARGUMENT, "weights adopt: where to put it (out) is NULL");
    *out = NULL;
    HONE_CHECK(facts, HONE_ERROR_ARGUMENT, "weights adopt: the facts are NULL");
    HONE_CHECK(facts->size == sizeof *facts, HONE_ERROR_ARGUMENT,
               "weights adopt: facts.size is %zu, where sizeof(hone_matmul_weights_facts) is %zu", facts->size,
               sizeof *facts);
    HONE_TRY(hone_rt_device_get(handle, "weights adopt", &device));
    hone_tensor shape = {.dtype = facts->dtype, .rank = facts->rank};
    memcpy(shape.shape, facts->shape, sizeof shape.shape);
    HONE_TRY(hone_rt_view_of(&shape, device->be, HONE_RT_DATA_IGNORED, "weights adopt: b", &view));
    HONE_CHECK(facts->rank >= 2, HONE_ERROR_SHAPE, "weights adopt: rank is %d; a matrix has 2, a batch of them more",
               facts->rank);
    HONE_TRY(check_type(facts->dtype, "weights adopt"));
    HONE_TRY(begin(device, facts->dtype, facts->rank, facts->shape, &weights));
    hone_status status = adopt_layout(weights, facts);
    if (status == HONE_OK) status = adopt_memory(weights, &facts->memory);
    if (status == HONE_OK) status = finish(weights, out);
    if (status != HONE_OK) end(weights);
    return status;
}

hone_status hone_matmul_weights_destroy(hone_matmul_weights *handle)
{
    if (!handle) return HONE_OK;
    hone_rt_weights *weights = hone_handle_take(handle, HONE_HANDLE_WEIGHTS);
    if (!weights) return hone_handle_refuse(handle, HONE_HANDLE_WEIGHTS, "weights destroy");
    end(weights);
    return HONE_OK;
}
