/* Buffers: memory of a device, made here or adopted. A buffer is counted, because a tensor that was handed to another
 * library keeps it alive beyond its handle. */
#include "base/alloc.h"
#include "base/size.h"
#include "runtime/hall.h"

static hone_status make(hone_rt_device *device, hone_be_buffer *be, void (*release)(void *), void *user,
                        hone_buffer **out)
{
    void           *token;
    hone_rt_buffer *buffer = hone_alloc(1, sizeof *buffer);
    if (!buffer) return HONE_ERROR_MEMORY;
    *buffer = (hone_rt_buffer){.context = device->context, .be = be, .release = release, .user = user, .holds = 1};
    hone_status status = hone_handle_new(HONE_HANDLE_BUFFER, buffer, &token);
    if (status != HONE_OK) {
        hone_free(buffer);
        return status;
    }
    hone_rt_hold(device->context);
    *out = token;
    return HONE_OK;
}

hone_status hone_buffer_create(hone_device *handle, size_t bytes, hone_buffer **out)
{
    hone_rt_device *device;
    hone_be_buffer *be;
    HONE_CHECK(out, HONE_ERROR_ARGUMENT, "buffer: where to put it (out) is NULL");
    *out = NULL;
    HONE_TRY(hone_rt_device_get(handle, "buffer", &device));
    HONE_TRY(device->be->backend->buffer_create(device->be, bytes, &be));
    hone_status status = make(device, be, NULL, NULL, out);
    if (status != HONE_OK) device->be->backend->buffer_destroy(be);
    return status;
}

hone_status hone_buffer_adopt(hone_device *handle, void *memory, size_t bytes, void (*release)(void *user), void *user,
                              hone_buffer **out)
{
    hone_rt_device *device;
    hone_be_buffer *be;
    HONE_CHECK(out, HONE_ERROR_ARGUMENT, "buffer adopt: where to put it (out) is NULL");
    *out = NULL;
    HONE_CHECK(memory || bytes == 0, HONE_ERROR_ARGUMENT, "buffer adopt: the memory is NULL, but has %zu bytes", bytes);
    HONE_CHECK(bytes <= PTRDIFF_MAX, HONE_ERROR_OVERFLOW, "buffer adopt: %zu bytes are more than memory can have",
               bytes);
    HONE_TRY(hone_rt_device_get(handle, "buffer adopt", &device));
    HONE_TRY(device->be->backend->buffer_adopt(device->be, memory, bytes, &be));
    hone_status status = make(device, be, release, user, out);
    if (status != HONE_OK) device->be->backend->buffer_destroy(be);
    return status;
}

void hone_rt_buffer_release(hone_rt_buffer *buffer)
{
    if (atomic_fetch_sub_explicit(&buffer->holds, 1, memory_order_acq_rel) != 1) return;
    hone_rt_context *context = buffer->context;
    buffer->be->device->backend->buffer_destroy(buffer->be);
    if (buffer->release) buffer->release(buffer->user);
    hone_free(buffer);
    hone_rt_context_release(context);
}

hone_status hone_buffer_destroy(hone_buffer *handle)
{
    if (!handle) return HONE_OK;
    hone_rt_buffer *buffer = hone_handle_take(handle, HONE_HANDLE_BUFFER);
    if (!buffer) return hone_handle_refuse(handle, HONE_HANDLE_BUFFER, "buffer destroy");
    hone_rt_buffer_release(buffer);
    return HONE_OK;
}

hone_status hone_rt_buffer_get(hone_buffer *handle, const char *where, hone_rt_buffer **out)
{
    *out = hone_handle_get(handle, HONE_HANDLE_BUFFER);
    return *out ? HONE_OK : hone_handle_refuse(handle, HONE_HANDLE_BUFFER, where);
}

hone_status hone_buffer_size(hone_buffer *handle, size_t *bytes)
{
    hone_rt_buffer *buffer;
    HONE_CHECK(bytes, HONE_ERROR_ARGUMENT, "buffer size: where to put it (bytes) is NULL");
    *bytes = 0;
    HONE_TRY(hone_rt_buffer_get(handle, "buffer size", &buffer));
    *bytes = buffer->be->bytes;
    return HONE_OK;
}

/* A buffer that work on this stream may touch. */
static hone_status get_for(const hone_rt_stream *stream, hone_buffer *handle, const char *where, hone_rt_buffer **out)
{
    HONE_TRY(hone_rt_buffer_get(handle, where, out));
    HONE_CHECK((*out)->be->device == stream->be->device, HONE_ERROR_ARGUMENT,
               "%s: the buffer is of %s%s, the stream of %s", where, (*out)->be->device->name,
               hone_rt_device_elsewhere((*out)->be->device, stream->be->device), stream->be->device->name);
    return HONE_OK;
}

static hone_status check_range(const hone_rt_buffer *buffer, size_t offset, const void *host, size_t bytes,
                               const char *where)
{
    HONE_CHECK(offset <= buffer->be->bytes && bytes <= buffer->be->bytes - offset, HONE_ERROR_ARGUMENT,
               "%s: %zu bytes from offset %zu go past the buffer's end, it has %zu", where, bytes, offset,
               buffer->be->bytes);
    HONE_CHECK(host || bytes == 0, HONE_ERROR_ARGUMENT, "%s: the host memory is NULL, but %zu bytes are to move", where,
               bytes);
    return HONE_OK;
}

static hone_status write_on(hone_rt_stream *stream, hone_buffer *handle, size_t offset, const void *host, size_t bytes)
{
    hone_rt_buffer *buffer;
    HONE_TRY(get_for(stream, handle, "buffer write", &buffer));
    HONE_TRY(check_range(buffer, offset, host, bytes, "buffer write"));
    return bytes ? stream->be->device->backend->buffer_write(stream->be, buffer->be, offset, host, bytes) : HONE_OK;
}

static hone_status read_on(hone_rt_stream *stream, hone_buffer *handle, size_t offset, void *host, size_t bytes)
{
    hone_rt_buffer *buffer;
    HONE_TRY(get_for(stream, handle, "buffer read", &buffer));
    HONE_TRY(check_range(buffer, offset, host, bytes, "buffer read"));
    return bytes ? stream->be->device->backend->buffer_read(stream->be, buffer->be, offset, host, bytes) : HONE_OK;
}

static hone_status map_on(hone_rt_stream *stream, hone_buffer *handle, void **out)
{
    hone_rt_buffer *buffer;
    int             unmapped = 0;
    HONE_TRY(get_for(stream, handle, "buffer map", &buffer));
    HONE_CHECK(atomic_compare_exchange_strong(&buffer->mapped, &unmapped, 1), HONE_ERROR_STATE,
               "buffer map: the buffer is mapped already; unmap it first");
    hone_status status = hone_rt_stream_settle(stream);
    if (status == HONE_OK) status = stream->be->device->backend->buffer_map(stream->be, buffer->be, out);
    if (status != HONE_OK) atomic_store(&buffer->mapped, 0);
    return status;
}

static hone_status unmap_on(hone_rt_stream *stream, hone_buffer *handle)
{
    hone_rt_buffer *buffer;
    int             mapped = 1;
    HONE_TRY(get_for(stream, handle, "buffer unmap", &buffer));
    HONE_CHECK(atomic_compare_exchange_strong(&buffer->mapped, &mapped, 0), HONE_ERROR_STATE,
               "buffer unmap: the buffer is not mapped");
    hone_status status = stream->be->device->backend->buffer_unmap(stream->be, buffer->be);
    if (status != HONE_OK) atomic_store(&buffer->mapped, 1); /* what was written there is not lost: try again */
    return status;
}

hone_status hone_buffer_write(hone_stream *handle, hone_buffer *buffer, size_t offset, const void *host, size_t bytes)
{
    hone_rt_stream *stream;
    HONE_TRY(hone_rt_stream_enter(handle, "buffer write", &stream));
    hone_status status = write_on(stream, buffer, offset, host, bytes);
    hone_rt_stream_leave(handle);
    return status;
}

hone_status hone_buffer_read(hone_stream *handle, hone_buffer *buffer, size_t offset, void *host, size_t bytes)
{
    hone_rt_stream *stream;
    HONE_TRY(hone_rt_stream_enter(handle, "buffer read", &stream));
    hone_status status = read_on(stream, buffer, offset, host, bytes);
    hone_rt_stream_leave(handle);
    return status;
}

hone_status hone_buffer_map(hone_stream *handle, hone_buffer *buffer, void **out)
{
    hone_rt_stream *stream;
    HONE_CHECK(out, HONE_ERROR_ARGUMENT, "buffer map: where to put the address (out) is NULL");
    *out = NULL;
    HONE_TRY(hone_rt_stream_enter(handle, "buffer map", &stream));
    hone_status status = map_on(stream, buffer, out);
    hone_rt_stream_leave(handle);
    return status;
}

hone_status hone_buffer_unmap(hone_stream *handle, hone_buffer *buffer)
{
    hone_rt_stream *stream;
    HONE_TRY(hone_rt_stream_enter(handle, "buffer unmap", &stream));
    hone_status status = unmap_on(stream, buffer);
    hone_rt_stream_leave(handle);
    return status;
}
