/* Buffers: memory of a device. */
#ifndef HONE_BUFFER_H
#define HONE_BUFFER_H

#include <hone/api.h>
#include <hone/device.h>
#include <hone/status.h>
#include <hone/stream.h>
#include <hone/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/** `bytes` of memory on `device`, aligned to at least 64 bytes, its content undefined. 0 bytes is legal.
 *  On failure *out is NULL. Any thread. */
HONE_API HONE_MUST_USE hone_status hone_buffer_create(hone_device *device, size_t bytes, hone_buffer **out);

/** Adopts memory of the caller, or of another library, on `device` (on a CPU: any host memory). When the buffer's last
 *  user is gone `release` (may be NULL) is called once with `user`. If this fails the memory stays the caller's and
 *  `release` is not called. */
HONE_API HONE_MUST_USE hone_status hone_buffer_adopt(hone_device *device, void *memory, size_t bytes,
                                                     void (*release)(void *user), void *user, hone_buffer **out);

/** Ends a buffer. Streams that still use it must have been waited for. NULL is fine. */
HONE_API hone_status hone_buffer_destroy(hone_buffer *buffer);

HONE_API HONE_MUST_USE hone_status hone_buffer_size(hone_buffer *buffer, size_t *bytes);

/** Copies host memory into a buffer, or back, in the stream's order; `host` is borrowed until the stream passes.
 *  HONE_ERROR_ARGUMENT when offset + bytes goes past the end. */
HONE_API HONE_MUST_USE hone_status hone_buffer_write(hone_stream *stream, hone_buffer *buffer, size_t offset,
                                                     const void *host, size_t bytes);
HONE_API HONE_MUST_USE hone_status hone_buffer_read(hone_stream *stream, hone_buffer *buffer, size_t offset, void *host,
                                                    size_t bytes);

/** The buffer's memory where the host can reach it, after waiting for `stream`; one mapping at a time. What was written
 *  there is seen by the device after hone_buffer_unmap. On failure *out is NULL. */
HONE_API HONE_MUST_USE hone_status hone_buffer_map(hone_stream *stream, hone_buffer *buffer, void **out);
HONE_API HONE_MUST_USE hone_status hone_buffer_unmap(hone_stream *stream, hone_buffer *buffer);

#ifdef __cplusplus
}
#endif
#endif
