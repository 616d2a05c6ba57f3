/* Inner layouts: which one an argument is packed into, from what kernels offer and what selection believes of them.
 * Nothing here knows an op: tables tell what is offered, and what the problem is with it. */
#include <string.h>

#include "base/alloc.h"
#include "runtime/hall.h"
#include "runtime/modules.h"

enum { OFFERED_MAX = 32 };
#define NEAR 1.02 /* as in select.c: within this they are alike, and the first one offered is taken */

int hone_rt_layouts(const hone_request *request, const hone_kernel *kernel, int role, hone_layout *out, int cap)
{
    if (!kernel->layouts || !request->op->lay_out || hone_rt_module_refuses(kernel)) return 0;
    if (kernel->problem_size != request->op->problem_size || kernel->op_version != request->op->version) return 0;
    return kernel->layouts(request, role, out, cap);
}

/* What kernels offer, each once, in the order of the rows. */
static int offered(const hone_request *request, const hone_kernel *const *kernels, int count, int role,
                   hone_layout *out)
{
    int found = 0;
    for (int i = 0; i < count && found < OFFERED_MAX; i++) {
        int before = found, more = hone_rt_layouts(request, kernels[i], role, out + found, OFFERED_MAX - found);
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

hone_status hone_rt_layout_pack(hone_rt_context *context, const hone_request *like, const hone_packing *packing,
                                hone_span from, hone_span to)
{
    hone_be_device *device = (hone_be_device *)(uintptr_t)like->device;
    const hone_op  *op = hone_rt_op_find(context, packing->op);
    hone_request    request = *like;
    hone_rt_plan   *plan;
    hone_be_stream *stream;
    hone_span       spans[HONE_ROLES_MAX] = {[HONE_PACK_FROM] = from, [HONE_PACK_TO] = to}, scratch = {0};
    hone_arguments  arguments = {2, 0, spans, NULL, 0};
    uint64_t        failed;
    if (!op) return HONE_ERROR_NOT_FOUND;
    request.op = op;
    request.problem = packing->pack.bytes;
    request.threads = 1;
    request.scratch_cap = 0;
    HONE_TRY(hone_rt_plan_for(context, &request, &plan));
    hone_status status = device->backend->stream_create(device, &stream);
    if (status == HONE_OK) {
        stream->team = (hone_team){NULL, 1};
        scratch.bytes = plan->needs.scratch_bytes;
        if (scratch.bytes) scratch.host = hone_alloc_raw(scratch.bytes, HONE_CACHE_LINE);
        status = scratch.bytes && !scratch.host ? HONE_ERROR_MEMORY
                                                : hone_rt_plan_launch(plan, stream, &arguments, scratch);
        if (status == HONE_OK) status = device->backend->stream_wait(stream, &failed);
        device->backend->stream_destroy(stream);
        hone_free(scratch.host);
    }
    hone_rt_plan_release(plan);
    return status;
}
