/* The door of grouped matmul: tensors become the matmul of one group, described as every matmul is (matmul.c), and then
 * the groups. The values of the offsets are looked at by the kernels, when they run. */
#include <string.h>

#include "base/status.h"
#include "kernels/matmul_grouped/problem.h"
#include "runtime/ops/matmul.h"

typedef struct grouped_call {
    hone_matmul_grouped_problem problem;
    hone_rt_matmul_call         call; /* of one group; then with all of b, or c */
    hone_tensor                 one;  /* the first group's b, or c */
    hone_tensor                 vector[HONE_STEPS_MAX];
    hone_matmul_options         options; /* with the first group's vectors */
    hone_rt_view                offsets;
    hone_span                   span[HONE_MATMUL_GROUPED_OPERANDS];
} grouped_call;

/* Groups of a tensor, which are its slowest dimension: the first of them. */
static hone_tensor first_of(const hone_tensor *t)
{
    hone_tensor first = *t;
    first.rank--;
    memmove(first.shape, t->shape + 1, (size_t)first.rank * sizeof *first.shape);
    memmove(first.stride, t->stride + 1, (size_t)first.rank * sizeof *first.stride);
    return first;
}

static hone_status check_ranks(const hone_tensor *a, const hone_tensor *b, const hone_tensor *offsets,
                               const hone_tensor *c)
{
    HONE_CHECK(a && b && offsets && c, HONE_ERROR_ARGUMENT, "matmul grouped: %s is NULL",
               !a ? "a" : !b ? "b" : !offsets ? "offsets" : "c");
    HONE_CHECK(
        a->rank == 2 && ((b->rank == 3 && c->rank == 2) || (b->rank == 2 && c->rank == 3)), HONE_ERROR_SHAPE,
        "matmul grouped: a, b and c have ranks %d, %d and %d; they should have 2, 3 and 2 (a b for each group) or "
        "2, 2 and 3 (a c for each group)",
        a->rank, b->rank, c->rank);
    return HONE_OK;
}

static hone_status check_offsets(const hone_tensor *t, int64_t groups)
{
    HONE_CHECK(t->dtype == HONE_S32 || t->dtype == HONE_S64, HONE_ERROR_TYPE,
               "matmul grouped: offsets are %s; they should be s32 or s64", hone_dtype_name(t->dtype));
    HONE_CHECK(t->rank == 1 && t->shape[0] - 1 == groups, HONE_ERROR_SHAPE,
               "matmul grouped: offsets have rank %d and %" PRId64 " elements; they should be a vector of %" PRId64
               ", one more than there are groups",
               t->rank, t->rank > 0 ? t->shape[0] : 0, groups + 1);
    HONE_CHECK(groups == 0 || t->stride[0] == 1, HONE_ERROR_SHAPE,
               "matmul grouped: offsets are %" PRId64 " elements apart; they should follow one another", t->stride[0]);
    return HONE_OK;
}

/* Vectors for each group become the first group's, and their stride is kept. */
static hone_status take_vectors(grouped_call *g, const hone_matmul_options *options, int64_t groups)
{
    HONE_CHECK(!options || options->size == sizeof *options, HONE_ERROR_ARGUMENT,
               "matmul grouped: options.size is %zu, where sizeof(hone_matmul_options) is %zu; start from "
               "HONE_MATMUL_OPTIONS",
               options->size, sizeof *options);
    HONE_CHECK(!options || !options->b_scales, HONE_ERROR_UNSUPPORTED,
               "matmul grouped: b_scales is told, and groups multiply real numbers alone; weights of few bits go with "
               "hone_matmul, one call a group");
    g->options = options ? *options : (hone_matmul_options)HONE_MATMUL_OPTIONS;
    if (g->options.step_count < 0 || g->options.step_count > HONE_STEPS_MAX)
        return HONE_OK; /* which matmul's own check says */
    for (int s = 0; s < g->options.step_count; s++) {
        hone_step *step = &g->options.steps[s];
        if (hone_step_operand_of(step->kind) != HONE_OPERAND_COLUMNS || !step->tensor || step->tensor->rank != 2)
            continue;
        HONE_CHECK(step->tensor->shape[0] == groups, HONE_ERROR_SHAPE,
                   "matmul grouped: the operand of step %d has %" PRId64 " vectors, there are %" PRId64
                   " groups; they must agree",
                   s, step->tensor->shape[0], groups);
        g->vector[s] = first_of(step->tensor);
        g->problem.step_group[s] = groups > 1 ? step->tensor->stride[0] : 0;
        step->tensor = &g->vector[s];
    }
    return HONE_OK;
}

/* The whole operand in the first group's place. */
static hone_status put_back(grouped_call *g, const hone_be_device *device, int at, const hone_tensor *whole,
                            hone_rt_data data, const char *name)
{
    g->call.tensor[at] = whole;
    HONE_TRY(hone_rt_view_of(whole, device, data, name, &g->call.view[at]));
    g->call.span[at] = g->call.view[at].span;
    return HONE_OK;
}

static hone_status describe(grouped_call *g, const hone_be_device *device, const hone_tensor *a, const hone_tensor *b,
                            const hone_tensor *offsets, const hone_tensor *c, const hone_matmul_options *options,
                            hone_rt_data data)
{
    static const char *const steps[] = {
        "matmul grouped: the operand of step 0", "matmul grouped: the operand of step 1",
        "matmul grouped: the operand of step 2", "matmul grouped: the operand of step 3"};
    memset(&g->problem, 0, sizeof g->problem);
    HONE_TRY(check_ranks(a, b, offsets, c));
    const bool         sums = c->rank == 3;
    const hone_tensor *whole = sums ? c : b;
    const int64_t      groups = whole->shape[0];
    HONE_TRY(hone_rt_view_of(whole, device, data, sums ? "matmul grouped: c" : "matmul grouped: b",
                             &g->call.view[sums ? HONE_MATMUL_C : HONE_MATMUL_B]));
    HONE_TRY(hone_rt_view_of(offsets, device, data, "matmul grouped: offsets", &g->offsets));
    HONE_TRY(check_offsets(offsets, groups));
    HONE_TRY(take_vectors(g, options, groups));
    g->one = first_of(whole);
    HONE_TRY(hone_rt_matmul_describe(&g->call, device, a, sums ? b : &g->one, sums ? &g->one : c, &g->options,
                                     groups ? data : HONE_RT_DATA_OPTIONAL));
    g->problem.groups = groups;
    g->problem.sums = sums;
    g->problem.offsets = (uint8_t)offsets->dtype;
    g->problem.one = g->call.problem;
    g->problem.group_stride = whole->stride[0];
    if (groups <= 1 || g->one.shape[0] == 0 || g->one.shape[1] == 0)
        g->problem.group_stride = g->one.shape[0] * g->one.shape[1]; /* which nobody follows: a dense one's */
    HONE_TRY(put_back(g, device, sums ? HONE_MATMUL_C : HONE_MATMUL_B, whole, data,
                      sums ? "matmul grouped: c" : "matmul grouped: b"));
    for (int s = 0; s < g->options.step_count; s++)
        if (g->options.steps[s].tensor == &g->vector[s])
            HONE_TRY(put_back(g, device, HONE_MATMUL_STEP0 + s, options->steps[s].tensor, data, steps[s]));
    memset(g->span, 0, sizeof g->span);
    memcpy(g->span, g->call.span, (size_t)g->call.operands * sizeof *g->span);
    g->span[HONE_MATMUL_GROUPED_OFFSETS] = g->offsets.span;
    return HONE_OK;
}

static uintptr_t address(const hone_rt_view *view)
{
    return view->span.buffer ? (uintptr_t)view->span.buffer->host + view->span.offset : (uintptr_t)view->span.host;
}

/* What is written lies apart from the offsets. Of c and of what is stored, whichever elements: their whole extent. */
static hone_status check_offsets_apart(const grouped_call *g)
{
    const uintptr_t at = address(&g->offsets), end = at + (uintptr_t)g->offsets.high;
    for (int o = HONE_MATMUL_C; o < g->call.operands; o++) {
        const bool stored =
            o >= HONE_MATMUL_STEP0 && g->problem.one.step[o - HONE_MATMUL_STEP0].kind == HONE_STEP_STORE;
        if (!g->call.tensor[o] || (o != HONE_MATMUL_C && !stored)) continue;
        const hone_rt_view *w = &g->call.view[o];
        if (w->span.buffer != g->offsets.span.buffer) continue;
        HONE_CHECK(address(w) + (uintptr_t)w->high <= at || end <= address(w) + (uintptr_t)w->low, HONE_ERROR_OVERLAP,
                   "matmul grouped: the offsets at %p lie in what is written at %p; they must lie apart", (void *)at,
                   (void *)address(w));
    }
    return HONE_OK;
}

static hone_status grouped_on(hone_rt_stream *stream, const hone_tensor *a, const hone_tensor *b,
                              const hone_tensor *offsets, hone_tensor *c, const hone_matmul_options *options)
{
    grouped_call g;
    HONE_TRY(describe(&g, stream->be->device, a, b, offsets, c, options, HONE_RT_DATA_NEEDED));
    if (g.call.view[HONE_MATMUL_C].high == 0 || g.problem.groups == 0)
        return hone_matmul_grouped_op.check(&g.problem); /* nothing happens */
    HONE_TRY(hone_rt_matmul_check_overlap(&g.call));
    HONE_TRY(check_offsets_apart(&g));
    hone_arguments arguments = {HONE_MATMUL_GROUPED_OPERANDS, g.call.scalars, g.span, g.call.scalar, 0};
    return hone_rt_run(stream, &hone_matmul_grouped_op, &g.problem,
                       hone_rt_matmul_alignment(&g.call, address(&g.offsets)), &arguments);
}

hone_status hone_matmul_grouped(hone_stream *handle, const hone_tensor *a, const hone_tensor *b,
                                const hone_tensor *offsets, hone_tensor *c, const hone_matmul_options *options)
{
    hone_rt_stream *stream;
    HONE_TRY(hone_rt_stream_enter(handle, "matmul grouped", &stream));
    hone_status status = grouped_on(stream, a, b, offsets, c, options);
    hone_rt_stream_leave(handle);
    return status;
}

hone_status hone_matmul_grouped_plan(hone_device *handle, const hone_tensor *a, const hone_tensor *b,
                                     const hone_tensor *offsets, const hone_tensor *c,
                                     const hone_matmul_options *options, hone_plan **out)
{
    hone_rt_device *device;
    hone_rt_plan   *plan;
    grouped_call    g;
    HONE_CHECK(out, HONE_ERROR_ARGUMENT, "matmul grouped plan: where to put it (out) is NULL");
    *out = NULL;
    HONE_TRY(hone_rt_device_get(handle, "matmul grouped plan", &device));
    HONE_TRY(describe(&g, device->be, a, b, offsets, c, options, HONE_RT_DATA_OPTIONAL));
    uintptr_t least = offsets->data || offsets->buffer ? address(&g.offsets) : 1; /* nothing is known of it */
    for (int o = 0; o < g.call.operands; o++)
        if (g.call.tensor[o] && !g.call.tensor[o]->data && !g.call.tensor[o]->buffer) least = 1;
    hone_request request = hone_rt_request(device->context, device->be, &hone_matmul_grouped_op, &g.problem,
                                           hone_rt_matmul_alignment(&g.call, least));
    HONE_TRY(hone_rt_plan_for(device->context, &request, &plan));
    return hone_rt_plan_handle(plan, out);
}
