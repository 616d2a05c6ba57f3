/* The context: one hone in a process's pocket. It owns the devices, the plans, and what was learnt about both.
 *
 * Handles are not addresses. A destroyed, foreign or made-up handle is noticed and answered with a status. What a
 * program must see to is that no thread destroys a context, buffer or plan while another is in a call with the very
 * same handle; for streams and events even that is a status. */
#ifndef HONE_CONTEXT_H
#define HONE_CONTEXT_H

#include <stdint.h>

#include <hone/api.h>
#include <hone/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hone_context hone_context;

/** The caller's own threads. `run` calls work(argument, chunk) once for each chunk in 0 .. chunks-1, on any of its
 *  threads in any order, and returns when all are done. It must not call back into the stream that asked. */
typedef struct hone_threads {
    void *user;
    int   count; /* how many threads run() uses at most; 1 .. 4096 */
    void (*run)(void *user, int chunks, void (*work)(void *argument, int chunk), void *argument);
} hone_threads;

typedef enum hone_log_level { HONE_LOG_ERROR = 1, HONE_LOG_WARNING, HONE_LOG_INFO, HONE_LOG_SELECT } hone_log_level;

/** Receives what hone has to say; `line` is one sentence without a newline, valid during the call. It may be called
 *  from any thread that calls hone, and must not call hone. */
typedef void (*hone_log_function)(void *user, hone_log_level level, const char *line);

/** What a context makes of measurements that a profile keeps (docs/profiles.md). */
typedef enum hone_tune_mode {
    HONE_TUNE_OFF = 1, /* nothing that was measured for single problems is used */
    HONE_TUNE_READ,    /* what was measured decides; all else is estimated */
    HONE_TUNE_MISSING, /* and what was not is measured by the first call that needs it, where the program can */
    HONE_TUNE_PINNED   /* what was measured decides, and HONE_ERROR_NOT_FOUND is the answer where nothing was */
} hone_tune_mode;

typedef struct hone_context_options {
    size_t              size;          /* sizeof(hone_context_options), so that later versions may add members */
    const hone_threads *threads;       /* NULL: hone's own. Copied; `user` is borrowed */
    hone_log_function   log;           /* NULL: silence */
    void               *log_user;
    hone_log_level      log_level;     /* 0: HONE_LOG_WARNING */
    int                 deterministic; /* not 0: only kernels whose bits depend on the problem alone */
    const char         *profile_path;  /* NULL: where HONE_PROFILE_PATH says, else the user's and system's folders */
    int                 thread_count;  /* of hone's own threads, the calling one among them: 1 .. 4096, 1: that alone.
                                          0: what HONE_THREADS says, else as many as this process may run at once */
    int                 bind_threads; /* not 0: each thread that hone starts from now on stays on one CPU, for whichever
                                         context: they are the process's; those that run stay as they are. 0: as
                                         HONE_BIND says, and what another context asked for holds */
    hone_tune_mode tune; /* 0: what HONE_TUNE says, else HONE_TUNE_READ. Pinned and deterministic exclude each other */
    double         tune_seconds; /* HONE_TUNE_MISSING: about what one call may spend on measuring; 0: what
                                    HONE_TUNE_SECONDS says, else 2; at most 86400 */
} hone_context_options;

#define HONE_CONTEXT_OPTIONS                                                                                           \
    {                                                                                                                  \
        sizeof(hone_context_options), 0, 0, 0, (hone_log_level)0, 0, 0, 0, 0, (hone_tune_mode)0, 0                     \
    }

/** Makes a context. `options` may be NULL. On failure *out is NULL. Any thread. */
HONE_API HONE_MUST_USE hone_status hone_context_create(const hone_context_options *options, hone_context **out);

/** Ends a context: its handle and those of its devices are dead at once. Streams, plans, buffers and events made from
 *  it go on working until they are destroyed, and the last one frees what is shared. NULL is fine; anything else that
 *  is no living context is HONE_ERROR_HANDLE. Any thread. */
HONE_API hone_status hone_context_destroy(hone_context *context);

/** All choices that stand in a context, as one number: what problems it has plans for, and which kernel, version,
 * library and configuration each. Equal in two processes that made the same choices, in whatever order: so ranks that
 * must compute alike compare it. *count (may be NULL) is how many problems there are; 0, and the number 0, before the
 * first call. `hone profile hash` prints that of a profile. HONE_ERROR_HANDLE: no living context. Any thread. */
HONE_API HONE_MUST_USE hone_status hone_context_choices(hone_context *context, uint64_t *hash, int64_t *count);

/** Where hone gets its memory from. Both functions may be called from any thread, and must not call hone. */
typedef struct hone_allocator {
    void *user;
    void *(*allocate)(void *user, size_t bytes, size_t alignment); /* a power of two; NULL when there is none */
    void (*release)(void *user, void *memory, size_t bytes);
} hone_allocator;

/** Sets the allocator of the whole process; NULL restores the C library's. HONE_ERROR_STATE while anything of hone
 *  lives, since what was taken from one allocator must go back to it. hwloc, jansson and vendor libraries keep their
 *  own. Any thread, but not while another creates a context. */
HONE_API HONE_MUST_USE hone_status hone_allocator_set(const hone_allocator *allocator);

#ifdef __cplusplus
}
#endif
#endif
