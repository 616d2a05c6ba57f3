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
 *  when it is destroyed; on failure it stays the caller's. `*read_only` (may be NULL) says whether it may be written.
 *  HONE_ERROR_FORMAT: another major version, or fields that contradict each other. HONE_ERROR_TYPE: a type hone does
 *  not have (lanes other than 1, complex, bool). HONE_ERROR_ARGUMENT: memory of another kind of device. */
HONE_API HONE_MUST_USE hone_status hone_dlpack_import(hone_device *device, struct DLManagedTensorVersioned *managed,
                                                      hone_buffer **buffer, hone_tensor *out, int *read_only);

/** A DLPack tensor of a view. Host memory stays the caller's and must outlive the result; a buffer is kept alive by it.
 *  The receiver calls the result's deleter. On failure *out is NULL. */
HONE_API HONE_MUST_USE hone_status hone_dlpack_export(hone_device *device, const hone_tensor *tensor, int read_only,
                                                      struct DLManagedTensorVersioned **out);

#ifdef __cplusplus
}
#endif
#endif
