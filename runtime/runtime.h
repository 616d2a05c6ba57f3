/* The hall: contexts, devices, streams, plans and the choice between kernels, as the floors above and the hall's own
 * files see them. Callers of the library see include/hone/ alone. */
#ifndef HONE_RUNTIME_RUNTIME_H
#define HONE_RUNTIME_RUNTIME_H

#include <hone/hone.h>

#include "base/log.h"
#include "kernels/module.h"

typedef struct hone_rt_context hone_rt_context;
typedef struct hone_rt_plan    hone_rt_plan;

/* Makes a context with further modules, whatever is found besides (runtime/modules.h); hone_context_create is this with
 * none. The core itself is the first. The modules must outlive it. */
hone_status hone_rt_context_create(const hone_context_options *options, const hone_module *const *modules, int count,
                                   hone_context **out);
/* The same with no CPU kernel above `isa_limit`, whatever HONE_ISA allows beyond it. */
hone_status hone_rt_context_create_limited(const hone_context_options *options, hone_isa isa_limit,
                                           const hone_module *const *modules, int count, hone_context **out);

/* The context behind a handle, with a hold that keeps it alive; give it back. */
hone_status     hone_rt_context_hold(hone_context *handle, hone_rt_context **out);
void            hone_rt_context_release(hone_rt_context *context);
const hone_log *hone_rt_context_log(const hone_rt_context *context);

int             hone_rt_device_count(const hone_rt_context *context);
hone_be_device *hone_rt_device_at(const hone_rt_context *context, int index);
/* "cpu:0", "best", ...: NULL and the sentence when there is none. */
hone_be_device *hone_rt_device_find(const hone_rt_context *context, const char *name);

/* Ops, in fixed order; NULL past the end. By name: NULL and the sentence, with the nearest name. */
const hone_op *hone_rt_op_at(const hone_rt_context *context, int index);
const hone_op *hone_rt_op_find(const hone_rt_context *context, const char *name);

/* The kernels of an op for a kind of device, in fixed order, whether or not they take a problem. Gives how many. */
int hone_rt_kernels(const hone_rt_context *context, const hone_op *op, const hone_be_device *device,
                    const hone_kernel **out, int cap);
/* The same without those of modules that are found on the machine: nothing is looked for or opened. */
int hone_rt_own_kernels(const hone_rt_context *context, const hone_op *op, const hone_be_device *device,
                        const hone_kernel **out, int cap);
enum { HONE_RT_KERNELS_MAX = 64 };

/* "matmul f32 nn 8x8x8": which op, and its problem. */
typedef union hone_rt_problem {
    unsigned char bytes[HONE_PROBLEM_MAX];
    int64_t       align;
} hone_rt_problem;
hone_status hone_rt_problem_parse(const hone_rt_context *context, const char *text, const hone_op **op,
                                  hone_rt_problem *problem);
/* The op's name and its own text. */
void hone_rt_problem_print(const hone_op *op, const void *problem, char *out, size_t capacity);

/* --- plans ---------------------------------------------------------------------------------------------------- */

/* One kernel and one configuration made ready for a request: what a plan is. Immutable, counted. */
struct hone_rt_plan {
    const hone_op     *op;
    const hone_kernel *kernel;
    hone_config        config;
    hone_request       request; /* its problem lies in `problem` */
    hone_rt_problem    problem;
    hone_needs         needs;
    void              *ready;
    bool               foreign; /* the kernel is of a module that was found */
    const char        *rule; /* what chose it: "measured", "estimated", "asked for", ...; static */
    /* of runtime/plan.c alone */
    _Atomic(int)     holds;
    uint64_t         hash;
    struct hone_rt_tally *tally; /* where launches are counted; NULL: nowhere */
    hone_rt_context *context;
    int              role_count, scalar_count;
    bool             takes_arrays; /* of pointers */
    uint8_t          role_direction[HONE_ROLES_MAX], role_indirect[HONE_ROLES_MAX];
    size_t           role_bytes[HONE_ROLES_MAX]; /* from the first element on */
    size_t           role_below[HONE_ROLES_MAX]; /* before it, where strides are negative */
};

/* Whoever holds a plan holds its context as well, and gives back the plan first.
 *
 * A plan with this very kernel and configuration (NULL: the first it suggests), past the cache and the choice. */
hone_status hone_rt_plan_with(hone_rt_context *context, const hone_request *request, const hone_kernel *kernel,
                              const hone_config *config, hone_rt_plan **out);
/* The plan that would be used: cached, or chosen and made. */
hone_status hone_rt_plan_for(hone_rt_context *context, const hone_request *request, hone_rt_plan **out);
void        hone_rt_plan_release(hone_rt_plan *plan);

/* Launches on a backend's stream, past handles and checks: what judge and stopwatch use. */
static inline hone_status hone_rt_plan_launch(const hone_rt_plan *plan, hone_be_stream *stream,
                                              const hone_arguments *arguments, hone_span scratch)
{
    return plan->kernel->launch(plan->ready, stream, arguments, scratch);
}

/* --- the choice ----------------------------------------------------------------------------------------------- */

/* One candidate as selection saw it. */
typedef struct hone_rt_candidate {
    const hone_kernel *kernel;
    const char        *refusal; /* NULL: it takes the problem */
    hone_config        config;
    double             seconds; /* what it is believed to take; 0: unknown */
    const char        *basis;   /* "measured", "estimated", ...: what the figure rests on */
    bool               measured; /* a row of a profile says so ... */
    bool               borrowed; /* ... that this user did not measure: of a layer further away */
} hone_rt_candidate;

/* All kernels, best first, those that refuse at the end. Gives how many; *rule names what decided. Somebody else's
 * library is chosen on evidence, not on an estimate: unmeasured, it comes after hone's own kernels. */
int hone_rt_rank(const hone_rt_context *context, const hone_request *request, hone_rt_candidate *out, int cap,
                 const char **rule);
/* The same among hone's own kernels, and of all only where none of them but a reference takes the problem, or where
 * another was measured to be best. So a process that nothing was measured for opens no library, and waits for none. */
int hone_rt_rank_first(const hone_rt_context *context, const hone_request *request, hone_rt_candidate *out, int cap,
                       const char **rule);

/* --- layouts -------------------------------------------------------------------------------------------------- */

/* Packs plain memory into packed memory, `from` and `to` as the packing says, by the plan that is chosen for it; both
 * aligned as `like` says, on its device. Waits. */
hone_status hone_rt_layout_pack(hone_rt_context *context, const hone_request *like, const hone_packing *packing,
                                hone_span from, hone_span to);
/* Layouts that this kernel offers for an argument of a problem; 0 where it has none. */
int hone_rt_layouts(const hone_request *request, const hone_kernel *kernel, int role, hone_layout *out, int cap);

/* --- profiles ------------------------------------------------------------------------------------------------- */

/* Folders of profiles: `path` (a ':' list) where one is given, else HONE_PROFILE_PATH, else the user's and system's.
 * The first is the one that is written. */

/* Where this device's profile is written. */
hone_status hone_rt_profile_path(const hone_be_device *device, const char *path, char *out, size_t capacity);
/* The folders themselves, nearest first; HONE_ERROR_NOT_FOUND past the last. */
hone_status hone_rt_profile_folder(const char *path, int index, char *out, size_t capacity);
/* Writes device and ceilings as the profile's first line, whole or not at all, keeping what else the file holds. */
hone_status hone_rt_profile_save(const hone_be_device *device, const char *path, const hone_ceilings *ceilings);
/* Reads them. HONE_ERROR_NOT_FOUND: no profile of this silicon; HONE_ERROR_FORMAT: it cannot be trusted, and why. */
hone_status hone_rt_profile_load(const hone_be_device *device, const char *path, hone_ceilings *out);

#endif
