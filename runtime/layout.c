/* Inner layouts: which one an argument is packed into, from what kernels offer and what selection believes of them.
 * Nothing here knows an op: tables tell what is offered, and what the problem is with it. */
#include <string.h>

#include "runtime/hall.h"

enum { OFFERED_MAX = 32 };
#define NEAR 1.02 /* as in select.c: within this they are alike, and the first one offered is taken */

/* What kernels offer, each once, in the order of the rows. */
static int offered(const hone_request *request, const hone_kernel *const *kernels, int count, int role,
                   hone_layout *out)
{
    int found = 0;
    for (int i = 0; i < count && found < OFFERED_MAX; i++) {
        int before = found, more;
        if (!kernels[i]->layouts || kernels[i]->problem_size != request->op->problem_size ||
            kernels[i]->op_version != request->op->version)
            continue;
        more = kernels[i]->layouts(request, role, out + found, OFFERED_MAX - found);
        for (int k = before; k < before + more; k++) {
            bool known = false;
            for (int j = 0; j < found; j++) known |= !strcmp(out[j].name, out[k].name);
            if (!known) out[found++] = out[k];
        }
    }
    return found;
}

hone_status hone_rt_layout_choose(const hone_rt_context *context, const hone_request *request, int role,
                                  hone_layout *out)
{
    const hone_kernel *kernels[HONE_RT_KERNELS_MAX];
    hone_rt_candidate  candidates[HONE_RT_KERNELS_MAX];
    hone_layout        layouts[OFFERED_MAX];
    const char        *rule;
    double             least = 0;
    bool               any = false;
    int count = hone_rt_own_kernels(context, request->op, request->device, kernels, HONE_RT_KERNELS_MAX);
    count = offered(request, kernels, count, role, layouts);
    for (int i = 0; i < count; i++) {
        hone_problem_bytes packed;
        hone_request       with = *request;
        with.problem = packed.bytes;
        HONE_TRY(request->op->lay_out(request->problem, role, &layouts[i], packed.bytes));
        int kernel_count = hone_rt_rank_first(context, &with, candidates, HONE_RT_KERNELS_MAX, &rule);
        if (!kernel_count || candidates[0].refusal) continue;
        double seconds = candidates[0].seconds;
        if (any && !(seconds > 0 && seconds * NEAR < least)) continue;
        *out = layouts[i];
        least = seconds;
        any = true;
    }
    HONE_CHECK(any, HONE_ERROR_UNSUPPORTED, "%s on %s: no kernel offers a layout for this argument", request->op->name,
               request->device->name);
    return HONE_OK;
}

hone_status hone_rt_layout_find(const hone_rt_context *context, const hone_request *request, int role,
                                const char *name, hone_layout *out)
{
    const hone_kernel *kernels[HONE_RT_KERNELS_MAX];
    hone_layout        layouts[OFFERED_MAX];
    int count = hone_rt_kernels(context, request->op, request->device, kernels, HONE_RT_KERNELS_MAX);
    count = offered(request, kernels, count, role, layouts);
    for (int i = 0; i < count; i++)
        if (!strcmp(layouts[i].name, name)) {
            *out = layouts[i];
            return HONE_OK;
        }
    return hone_fail(HONE_ERROR_UNSUPPORTED,
                     "%s on %s: no kernel offers the layout '%s' here; one of hone's own is '%s'", request->op->name,
                     request->device->name, name, count ? layouts[0].name : "none");
}
