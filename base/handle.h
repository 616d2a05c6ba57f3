/* Handles: what callers hold of a context, a device, a stream, ... is a token, not an address. It carries its kind, a
 * serial number and a place in one table, so that a destroyed, foreign or made-up one is noticed without touching
 * memory that is not ours.
 *
 * The table says whether a handle lives, not how long its object does: whoever looks one up while another thread
 * destroys it needs a hold on the object of his own. */
#ifndef HONE_BASE_HANDLE_H
#define HONE_BASE_HANDLE_H

#include <hone/status.h>

/* number, name, text: all that a caller can hold */
#define HONE_HANDLE_LIST(X)                                                                                            \
    X(HONE_HANDLE_CONTEXT, 1, "context")                                                                               \
    X(HONE_HANDLE_DEVICE, 2, "device")                                                                                 \
    X(HONE_HANDLE_STREAM, 3, "stream")                                                                                 \
    X(HONE_HANDLE_BUFFER, 4, "buffer")                                                                                 \
    X(HONE_HANDLE_EVENT, 5, "event")                                                                                   \
    X(HONE_HANDLE_PLAN, 6, "plan")                                                                                     \
    X(HONE_HANDLE_WEIGHTS, 7, "weights")

#define HONE_HANDLE_ENUM(name, number, text) name = number,
typedef enum hone_handle_kind { HONE_HANDLE_NONE = 0, HONE_HANDLE_LIST(HONE_HANDLE_ENUM) } hone_handle_kind;
#undef HONE_HANDLE_ENUM

typedef enum hone_handle_state {
    HONE_HANDLE_LIVES,
    HONE_HANDLE_ENTERED, /* lives, and a thread is in it */
    HONE_HANDLE_IS_NULL,
    HONE_HANDLE_DESTROYED, /* was one of ours */
    HONE_HANDLE_FOREIGN    /* never was */
} hone_handle_state;

/* A new handle for `object` (not NULL). HONE_ERROR_MEMORY when too many live; then *token is NULL. Any thread. */
hone_status hone_handle_new(hone_handle_kind kind, void *object, void **token) HONE_MUST_USE;

/* The object of a living handle of that kind, else NULL. Two nanoseconds, no lock, any thread. */
void *hone_handle_get(const void *token, hone_handle_kind kind);

/* Ends a handle and gives its object; NULL when it is not a living one of that kind. Of two at once one gets it. */
void *hone_handle_take(const void *token, hone_handle_kind kind);

/* Handles of things that one thread at a time may use are entered: one atomic exchange finds that the handle lives, and
 * that nobody else is in it. NULL when either is not so. Then leave it, or end it for good. */
void *hone_handle_enter(const void *token, hone_handle_kind kind);
void  hone_handle_leave(const void *token);
void  hone_handle_end(const void *token);

/* What a token is. *kind (may be NULL): of a living or destroyed one, else HONE_HANDLE_NONE. */
hone_handle_state hone_handle_state_of(const void *token, hone_handle_kind *kind);

/* HONE_ERROR_HANDLE and its sentence, "matmul: the stream handle 0x... was destroyed", for a token that get, take or
 * enter did not know; HONE_ERROR_THREAD where another thread is in it. `where` names the call. */
hone_status hone_handle_refuse(const void *token, hone_handle_kind kind, const char *where);

const char *hone_handle_kind_name(hone_handle_kind kind); /* "stream"; "?" for none */

#endif
