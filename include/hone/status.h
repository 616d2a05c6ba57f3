/* What a call says of itself: a status, and for each thread the sentence behind the last failure. */
#ifndef HONE_STATUS_H
#define HONE_STATUS_H

#include <hone/api.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One list makes the enum, the texts and the documentation. A retired number is never reused. */
#define HONE_STATUS_LIST(X)                                                                                            \
    X(HONE_OK, 0, "success")                                                                                           \
    X(HONE_ERROR_ARGUMENT, 1, "an argument is outside its domain")                                                     \
    X(HONE_ERROR_SHAPE, 2, "tensor shapes do not agree")                                                               \
    X(HONE_ERROR_TYPE, 3, "data types do not fit the operation")                                                       \
    X(HONE_ERROR_OVERLAP, 4, "memory that is written overlaps other memory of the call")                               \
    X(HONE_ERROR_HANDLE, 5, "a handle is not, or no longer, one of this kind")                                         \
    X(HONE_ERROR_MEMORY, 6, "out of memory")                                                                           \
    X(HONE_ERROR_OVERFLOW, 7, "a size does not fit its type")                                                          \
    X(HONE_ERROR_UNSUPPORTED, 8, "nothing here can do this")                                                           \
    X(HONE_ERROR_DEVICE, 9, "a device or its driver failed")                                                           \
    X(HONE_ERROR_THREAD, 10, "used by two threads at once")                                                            \
    X(HONE_ERROR_STATE, 11, "not possible in this state")                                                              \
    X(HONE_ERROR_NOT_FOUND, 12, "there is nothing of that name")                                                       \
    X(HONE_ERROR_FILE, 13, "a file cannot be read or written")                                                         \
    X(HONE_ERROR_FORMAT, 14, "text or data is not of the form it should have")                                         \
    X(HONE_ERROR_WRONG, 15, "a result is wrong")                                                                       \
    X(HONE_ERROR_TIMEOUT, 16, "it took longer than allowed")                                                           \
    X(HONE_ERROR_INTERRUPTED, 17, "it was asked to stop")

#define HONE_STATUS_ENUM(name, number, text) name = number,
typedef enum hone_status { HONE_STATUS_LIST(HONE_STATUS_ENUM) } hone_status;
#undef HONE_STATUS_ENUM

/** The sentence of the calling thread's last failure: what was wrong, with the values, and what would be right.
 *  Never NULL; empty before the first failure. Valid until the thread's next failing call. */
HONE_API const char *hone_last_error(void);

/** The general meaning of a status, e.g. "tensor shapes do not agree". Never NULL, for any number; static. */
HONE_API const char *hone_status_text(hone_status status);

/** The name of a status as it is written in C, e.g. "HONE_ERROR_SHAPE". Never NULL, for any number; static. */
HONE_API const char *hone_status_name(hone_status status);

#ifdef __cplusplus
}
#endif
#endif
