/* What the hall's own files share: the objects behind the handles, and how a call gets hold of them.
 *
 *     streams ──┬── context ── devices          each line a counted hold, but for context ── devices
 *     buffers ──┤      └────── plan cache ──┐
 *     events  ──┤                         plans
 *     plan handles ─────────────────────────┘
 *     streams' front tables ────────────────┘
 *
 * A handle dies at once when it is destroyed; the object behind it when the last hold is given back. A plan does not
 * hold its context: whoever holds a plan does. */
#ifndef HONE_RUNTIME_HALL_H
#define HONE_RUNTIME_HALL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/handle.h"
#include "base/status.h"
#include "runtime/measured.h"
#include "runtime/record.h"
#include "runtime/runtime.h"

#define HONE_RT_MODULES_MAX 16
#define HONE_RT_DEVICES_MAX 64

typedef struct hone_rt_device {
    hone_rt_context *context;
    hone_be_device  *be;
    void            *token;
    hone_rt_measured *measured; /* NULL: rows are not used */
} hone_rt_device;

/* All plans of a context, by the hash of their request. */
typedef struct hone_rt_cache {
    pthread_mutex_t lock;
    hone_rt_plan  **slots; /* open addressing; capacity is a power of two */
    size_t          capacity, count;
} hone_rt_cache;

struct hone_rt_context {
    _Atomic(int)          holds;
    hone_log              log;
    hone_threads          threads; /* the caller's; run == NULL: none were given */
    int                   thread_count; /* that a call may use */
    unsigned              request_flags;
    int                   module_count, device_count;
    const hone_module *modules[HONE_RT_MODULES_MAX];
    void                 *opened[HONE_RT_MODULES_MAX]; /* what each backend's open() gave */
    hone_rt_device        devices[HONE_RT_DEVICES_MAX];
    hone_rt_cache         cache;
    hone_tune_mode        tune;
    _Atomic(bool)         said_nothing_measures;
    double                tune_seconds; /* that a call may spend on measuring what is missing */
    bool                  modules_wanted;
    hone_rt_record       *record;       /* NULL: nothing is recorded */
    char                  profile_path[1024]; /* as it was given; empty: as everywhere */
    char                  proofs[1024]; /* where proofs of modules are kept; empty: nowhere */
};

/* A stream's own table of the plans it used last: no lock, no look-up elsewhere. */
enum { HONE_RT_FRONT = 128, HONE_RT_LATE = 1024, HONE_RT_QUEUED = 512 };

typedef struct hone_rt_stream {
    hone_rt_context *context;
    hone_rt_device  *device;
    hone_be_stream  *be;
    hone_rt_plan    *front[HONE_RT_FRONT];
    hone_be_buffer  *scratch;
    hone_status      fault; /* a late error, kept until the reset */
    char             fault_sentence[768];
    /* Streams that can be late number their launches, remember the plans of the last ones, and hold every plan that
     * they launched until they are waited for: whatever the tables forget meanwhile, queued work has its plan. */
    uint64_t      ticket;
    uint64_t      settled;                /* tickets up to this one were waited for */
    hone_rt_plan *late[HONE_RT_LATE];     /* of ticket t: late[t % HONE_RT_LATE] */
    hone_rt_plan *queued[HONE_RT_QUEUED]; /* held, each once: open addressing */
    int           queued_count;
} hone_rt_stream;

typedef struct hone_rt_buffer {
    hone_rt_context *context;
    hone_be_buffer  *be;
    void (*release)(void *user);
    void        *user;
    _Atomic(int) holds; /* the handle's, and those of exported tensors */
    _Atomic(int) mapped;
} hone_rt_buffer;

typedef struct hone_rt_event {
    hone_rt_context *context;
    hone_be_event   *be;
} hone_rt_event;

/* The stream behind a handle, for this thread alone until it leaves. Refuses dead handles, a second thread, and a
 * stream with a late error; `where` begins the sentence. */
hone_status        hone_rt_stream_enter(hone_stream *handle, const char *where, hone_rt_stream **out);
static inline void hone_rt_stream_leave(hone_stream *handle)
{
    hone_handle_leave(handle);
}

hone_status        hone_rt_device_get(hone_device *handle, const char *where, hone_rt_device **out);
/* What follows the name of a device in a sentence about `ours` and another: contexts name their devices alike. */
const char        *hone_rt_device_elsewhere(const hone_be_device *its, const hone_be_device *ours);
hone_status        hone_rt_buffer_get(hone_buffer *handle, const char *where, hone_rt_buffer **out);
void               hone_rt_buffer_release(hone_rt_buffer *buffer);
static inline void hone_rt_buffer_hold(hone_rt_buffer *buffer)
{
    atomic_fetch_add_explicit(&buffer->holds, 1, memory_order_relaxed);
}
static inline void hone_rt_hold(hone_rt_context *context)
{
    atomic_fetch_add_explicit(&context->holds, 1, memory_order_relaxed);
}
static inline void hone_rt_plan_hold(hone_rt_plan *plan)
{
    atomic_fetch_add_explicit(&plan->holds, 1, memory_order_relaxed);
}

hone_status hone_rt_cache_open(hone_rt_cache *cache);
void        hone_rt_cache_close(hone_rt_cache *cache);
/* What its plans are, as one number. */
typedef struct hone_rt_choices {
    uint64_t hash;
    int64_t  count;
} hone_rt_choices;
void hone_rt_cache_choices(hone_rt_cache *cache, hone_rt_choices *out);

/* Why a kernel does not take a request; NULL: it does. */
const char *hone_rt_refuses(const hone_request *request, const hone_kernel *kernel);
/* hone_rt_rank_first with a row that was measured just now; NULL: none. */
int hone_rt_rank_given(const hone_rt_context *context, const hone_request *request, const hone_rt_row *given,
                       hone_rt_candidate *out, int cap, const char **rule);

/* A request as calls on this device make it. */
hone_request hone_rt_request(const hone_rt_context *context, const hone_be_device *device, const hone_op *op,
                             const void *problem, unsigned alignment);

/* Runs a problem on a stream that was entered: the plan is the one used before, or chosen now. */
hone_status hone_rt_run(hone_rt_stream *stream, const hone_op *op, const void *problem, unsigned alignment,
                        const hone_arguments *arguments);
/* Launches a plan on a stream that was entered. */
hone_status hone_rt_launch(hone_rt_stream *stream, hone_rt_plan *plan, const hone_arguments *arguments,
                           hone_span scratch);
/* Makes a handle of a plan, with the caller's hold on it; on failure the hold is given back. */
hone_status hone_rt_plan_handle(hone_rt_plan *plan, hone_plan **out);
/* Waits, keeps a late error, and lets go of what was only kept for the launches. */
hone_status hone_rt_stream_settle(hone_rt_stream *stream);

/* --- layouts ---------------------------------------------------------------------------------------------------- */

/* The layout in which argument `role` of a problem, which is plain there, is best on this device: of those that hone's
 * own kernels offer, the one whose quickest kernel is believed to be quickest. HONE_ERROR_UNSUPPORTED: none offers one.
 */
hone_status hone_rt_layout_choose(const hone_rt_context *context, const hone_request *request, int role,
                                  hone_layout *out);
/* The layout of that name, as any kernel here offers it; all modules are asked. */
hone_status hone_rt_layout_find(const hone_rt_context *context, const hone_request *request, int role,
                                const char *name, hone_layout *out);

/* --- tensors as arguments -------------------------------------------------------------------------------------- */

/* A tensor seen by a call: its bytes from low to high around `span`'s element. */
typedef struct hone_rt_view {
    hone_span span;
    int64_t   low, high; /* bytes, low <= 0 <= high; both 0: empty */
} hone_rt_view;

/* What a call wants of a tensor's data: it is used, it may be absent, or nobody looks at it. */
typedef enum hone_rt_data { HONE_RT_DATA_NEEDED, HONE_RT_DATA_OPTIONAL, HONE_RT_DATA_IGNORED } hone_rt_data;

/* Checks a tensor's own sense: type, rank, extents, products, memory, alignment; resolves its buffer, which must be of
 * `device`. `what` names it in sentences: "matmul: a". */
hone_status hone_rt_view_of(const hone_tensor *tensor, const hone_be_device *device, hone_rt_data data,
                            const char *what, hone_rt_view *out);

#endif
