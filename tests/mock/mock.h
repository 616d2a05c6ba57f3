/* A backend that remembers every call and fails on command: two devices, "mock:0" and "mock:1", whose memory the host
 * cannot reach, and three kernels for matmul. It may be late: launches and copies are queued, done when they are waited
 * for, and fail only then, with their ticket, as a GPU's do.
 *
 * What a promise of backend.h or kernel.h forbids (a plan released under a queued launch, a buffer destroyed beneath a
 * copy, a second thread in a stream) is not answered with a crash but with a complaint, which tests ask for. */
#ifndef HONE_TESTS_MOCK_MOCK_H
#define HONE_TESTS_MOCK_MOCK_H

#include "runtime/runtime.h"

/* Calls from MOCK_OPEN to MOCK_EXECUTE can fail; those behind cannot say so. */
#define MOCK_CALL_LIST(X)                                                                                              \
    X(MOCK_OPEN, "open")                                                                                               \
    X(MOCK_STREAM_CREATE, "stream_create")                                                                             \
    X(MOCK_STREAM_WAIT, "stream_wait")                                                                                 \
    X(MOCK_BUFFER_CREATE, "buffer_create")                                                                             \
    X(MOCK_BUFFER_ADOPT, "buffer_adopt")                                                                               \
    X(MOCK_BUFFER_WRITE, "buffer_write")                                                                               \
    X(MOCK_BUFFER_READ, "buffer_read")                                                                                 \
    X(MOCK_BUFFER_MAP, "buffer_map")                                                                                   \
    X(MOCK_BUFFER_UNMAP, "buffer_unmap")                                                                               \
    X(MOCK_EVENT_CREATE, "event_create")                                                                               \
    X(MOCK_EVENT_RECORD, "event_record")                                                                               \
    X(MOCK_EVENT_WAIT, "event_wait")                                                                                   \
    X(MOCK_STREAM_WAIT_EVENT, "stream_wait_event")                                                                     \
    X(MOCK_PREPARE, "prepare")                                                                                         \
    X(MOCK_LAUNCH, "launch")                                                                                           \
    X(MOCK_EXECUTE, "execute") /* a queued launch is done: failing here is failing late */                             \
    X(MOCK_CLOSE, "close")                                                                                             \
    X(MOCK_STREAM_DESTROY, "stream_destroy")                                                                           \
    X(MOCK_STREAM_TICKET, "stream_ticket")                                                                             \
    X(MOCK_BUFFER_DESTROY, "buffer_destroy")                                                                           \
    X(MOCK_EVENT_DESTROY, "event_destroy")                                                                             \
    X(MOCK_RELEASE, "release")

typedef enum mock_call {
    MOCK_ANY = -1, /* in mock_fail: whichever can fail */
#define MOCK_CALL_ENUM(name, text) name,
    MOCK_CALL_LIST(MOCK_CALL_ENUM)
#undef MOCK_CALL_ENUM
        MOCK_CALLS
} mock_call;

typedef struct mock_record {
    mock_call   call;
    int         device;
    uint64_t    ticket; /* of launches and tickets */
    size_t      bytes;  /* of buffers, copies, and scratch */
    const char *kernel; /* of prepare, launch, execute, release */
    hone_status gave;
} mock_record;

enum { MOCK_PLAIN = 0, MOCK_QUICK, MOCK_HUNGRY, MOCK_KERNELS }; /* in the order of their rows */

typedef struct mock_kernel_settings {
    const char *refusal;         /* not NULL: why it refuses */
    double      seconds;         /* what it estimates; 0: nothing */
    bool        refuses_prepare; /* takes the problem, and then does not */
} mock_kernel_settings;

typedef struct mock_settings {
    bool                 late;
    bool                 reach;         /* the host reaches the devices' memory */
    size_t               memory_bytes;  /* of a device */
    size_t               scratch_bytes; /* what mock.hungry needs */
    mock_kernel_settings kernel[MOCK_KERNELS];
} mock_settings;

/* Set them before a context is made, or while no other thread uses it. */
extern mock_settings mock;

extern const hone_module mock_module;

/* Standard settings, no records, nothing to fail, no complaint. */
void mock_reset(void);

/* The nth call of that kind from now on fails with `status`, once; n 0: none. One order at a time. */
void mock_fail(mock_call call, int nth, hone_status status);
bool mock_failed(void); /* has it come to that? */

int                mock_recorded(void);
const mock_record *mock_record_at(int index);
int                mock_count(mock_call call);
int                mock_count_of(mock_call call, const char *kernel);
const char        *mock_call_name(mock_call call);

int         mock_live(void);      /* opened backends, streams, buffers, events and prepared kernels */
int         mock_queued(void);    /* tasks that nobody has waited for */
const char *mock_complaint(void); /* the first broken promise; NULL: none */

/* A context with the core and the mock. */
hone_status mock_context(const hone_context_options *options, hone_context **out);

#endif
