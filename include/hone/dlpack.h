/* DLPack: tensors from and to NumPy, PyTorch, JAX and others without a copy.
 *
 * Only the versioned exchange (DLManagedTensorVersioned, major version 1) is spoken. The struct is the one of DLPack's
 * own dlpack.h, which a program includes itself; here it stays opaque. */
#ifndef HONE_DLPACK_H
#define HONE_DLPACK_H

#include <hone/api.h>
#include <hone/buffer.h>
#include <hone/status.h>
#include <hone/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

struct DLManagedTensorVersioned;

/** A view of a DLPack tensor, and the buffer that holds it. On success the buffer owns `managed` and calls its deleter
 *  when its last user is gone; on failure it stays the caller's, *buffer is NULL and *out has rank -1. `*read_only`
 * (may be NULL) says whether the producer forbids writing. Any thread. HONE_ERROR_FORMAT: another major version, or
 * fields that contradict each other. HONE_ERROR_TYPE: a type hone does not exchange (lanes other than 1, complex, bool,
 * below 8 bits). HONE_ERROR_SHAPE: more than HONE_RANK_MAX dimensions, or a negative extent. HONE_ERROR_OVERFLOW: it
 * reaches out of the address space. HONE_ERROR_ARGUMENT: no data, data that is not aligned to its elements, or memory
 * that the device does not reach. */
HONE_API HONE_MUST_USE hone_status hone_dlpack_import(hone_device *device, struct DLManagedTensorVersioned *managed,
                                                      hone_buffer **buffer, hone_tensor *out, int *read_only);

/** A DLPack tensor of a view. Host memory stays the caller's and must outlive the result; a buffer is kept alive by it.
 *  The receiver calls the result's deleter, on any thread. On failure *out is NULL. HONE_ERROR_TYPE: s4. */
HONE_API HONE_MUST_USE hone_status hone_dlpack_export(hone_device *device, const hone_tensor *tensor, int read_only,
                                                      struct DLManagedTensorVersioned **out);

#ifdef __cplusplus
}
#endif
#endif
