/* The door of attention: tensors become a problem, its arguments and its scalars. What a tensor says about itself is
 * checked in every call (view.c), what the problem means once a plan (the op's own check), and that what is written
 * overlaps nothing, in every call again, since that rests on addresses. */
#include <math.h>
#include <string.h>

#include "base/overlap.h"
#include "base/size.h"
#include "kernels/attention/problem.h"
#include "runtime/hall.h"

enum { OPERANDS = HONE_ATTENTION_OPERANDS };

typedef struct attention_call {
    hone_attention_problem problem;
    bool                   empty; /* out has no elements: nothing happens */
    const hone_tensor     *tensor[OPERANDS]; /* in the order of the op's roles; NULL: not there */
    hone_rt_view           view[OPERANDS];
    hone_span              span[OPERANDS];
    hone_scalar            scalar[HONE_ATTENTION_VALUES];
} attention_call;

static const char *const names[OPERANDS] = {
    "attention: q",      "attention: k",     "attention: v",         "attention: out",       "attention: lse",
    "attention: bias",   "attention: slopes", "attention: sinks",    "attention: q's lengths or offsets",
    "attention: k's lengths or offsets"};

static const char *short_name(int o)
{
    return names[o] + sizeof "attention: " - 1;
}

static const hone_attention_options plain = HONE_ATTENTION_OPTIONS;

/* --- options ----------------------------------------------------------------------------------------------------- */

static hone_status check_options(const hone_attention_options *o)
{
    HONE_CHECK(o->size == sizeof *o, HONE_ERROR_ARGUMENT,
               "attention: options.size is %zu, where sizeof(hone_attention_options) is %zu; start from "
               "HONE_ATTENTION_OPTIONS", o->size, sizeof *o);
    HONE_CHECK(isfinite(o->scale), HONE_ERROR_ARGUMENT, "attention: scale is %g; it should be finite", o->scale);
    HONE_CHECK(isfinite(o->soft_cap) && o->soft_cap >= 0, HONE_ERROR_ARGUMENT,
               "attention: soft_cap is %g; it should be positive, or 0 for none", o->soft_cap);
    HONE_CHECK(o->causal == 0 || o->causal == 1, HONE_ERROR_ARGUMENT, "attention: causal is %d; it should be 0 or 1",
               o->causal);
    HONE_CHECK(o->align == HONE_ALIGN_LAST || o->align == HONE_ALIGN_FIRST, HONE_ERROR_ARGUMENT,
               "attention: align is %d; it should be HONE_ALIGN_LAST or HONE_ALIGN_FIRST", o->align);
    HONE_CHECK(!o->causal || o->after <= 0, HONE_ERROR_ARGUMENT,
               "attention: causal, but after is %" PRId64 "; it should be negative or 0", o->after);
    HONE_CHECK(!o->q_lengths == !o->k_lengths, HONE_ERROR_ARGUMENT, "attention: %s is NULL, the other one is not",
               o->q_lengths ? "k_lengths" : "q_lengths");
    HONE_CHECK(!o->q_offsets == !o->k_offsets, HONE_ERROR_ARGUMENT, "attention: %s is NULL, the other one is not",
               o->q_offsets ? "k_offsets" : "q_offsets");
    HONE_CHECK(!o->q_offsets || !o->q_lengths, HONE_ERROR_ARGUMENT,
               "attention: both lengths and offsets are given; sequences are padded or packed");
    return HONE_OK;
}

/* --- shapes ------------------------------------------------------------------------------------------------------ */

/* The strides of a tensor along an argument's dimensions, the last ones first; where `repeats`, extents of 1 and
 * missing dimensions do for any. */
static hone_status strides_of(attention_call *call, int o, int dimensions, bool repeats)
{
    const hone_attention_problem *p = &call->problem;
    const hone_tensor            *t = call->tensor[o];
    const bool                    packed = p->lengths == HONE_ATTENTION_PACKED;
    int64_t                      *stride = hone_attention_strides(&call->problem, o), extent[4];
    const int                     missing = dimensions - t->rank;
    HONE_CHECK(repeats ? missing >= 0 && t->rank > 0 : missing == packed, HONE_ERROR_SHAPE,
               "%s has rank %d; it should be %d%s", names[o], t->rank, dimensions - (repeats ? 0 : packed),
               repeats ? " or less" : packed ? " where there are offsets" : "");
    hone_attention_extents(p, o, extent);
    for (int i = 0; i < dimensions; i++) {
        const int64_t own = i < missing ? 1 : t->shape[i - missing];
        HONE_CHECK(own == extent[i] || (repeats && own == 1), HONE_ERROR_SHAPE,
                   "%s has an extent of %" PRId64 " where the others want %" PRId64 ", along dimension %d", names[o],
                   own, extent[i], i - missing);
        stride[i] = own > 1 ? t->stride[i - missing] : 0;
    }
    return HONE_OK;
}

static hone_status type_of(const attention_call *call, int o, hone_dtype wanted)
{
    const hone_dtype type = call->tensor[o]->dtype;
    HONE_CHECK(type == wanted, HONE_ERROR_TYPE, "%s is %s; it should be %s", names[o], hone_dtype_name(type),
               hone_dtype_name(wanted));
    return HONE_OK;
}

/* One number after the other, `count` of them. */
static hone_status list_of(const attention_call *call, int o, hone_dtype type, int64_t count)
{
    const hone_tensor *t = call->tensor[o];
    if (!t) return HONE_OK;
    HONE_TRY(type_of(call, o, type));
    HONE_CHECK(t->rank == 1 && t->shape[0] == count, HONE_ERROR_SHAPE,
               "%s has rank %d and %" PRId64 " elements along its first dimension; it should be a list of %" PRId64,
               names[o], t->rank, t->rank ? t->shape[0] : 1, count);
    HONE_CHECK(t->shape[0] <= 1 || t->stride[0] == 1, HONE_ERROR_UNSUPPORTED,
               "%s has a stride of %" PRId64 "; copy it to a dense list", names[o], t->stride[0]);
    return HONE_OK;
}

static hone_status sizes_of(attention_call *call)
{
    hone_attention_problem *p = &call->problem;
    const hone_tensor *q = call->tensor[HONE_ATTENTION_Q], *k = call->tensor[HONE_ATTENTION_K],
                      *v = call->tensor[HONE_ATTENTION_V];
    const int packed = p->lengths == HONE_ATTENTION_PACKED;
    for (int o = HONE_ATTENTION_Q; o <= HONE_ATTENTION_OUT; o++)
        HONE_CHECK(call->tensor[o]->rank == 4 - packed, HONE_ERROR_SHAPE, "%s has rank %d; it should be %d%s", names[o],
                   call->tensor[o]->rank, 4 - packed, packed ? " where there are offsets" : "");
    const int rows = 1 - packed, heads = 2 - packed, elements = 3 - packed;
    p->batch = packed ? 0 : q->shape[0];
    p->q_len = q->shape[rows], p->heads = q->shape[heads], p->d = q->shape[elements];
    p->k_len = k->shape[rows], p->kv_heads = k->shape[heads];
    p->d_v = v->shape[elements];
    if (packed) {
        const hone_tensor *offsets = call->tensor[HONE_ATTENTION_Q_LENGTHS];
        HONE_CHECK(offsets->rank == 1 && offsets->shape[0] >= 1, HONE_ERROR_SHAPE,
                   "%s should be a list of one offset more than there are sequences", names[HONE_ATTENTION_Q_LENGTHS]);
        p->batch = offsets->shape[0] - 1;
    }
    return HONE_OK;
}

/* --- the call as a whole ----------------------------------------------------------------------------------------- */

static hone_status describe(attention_call *call, const hone_be_device *device, const hone_tensor *q,
                            const hone_tensor *k, const hone_tensor *v, const hone_tensor *out,
                            const hone_attention_options *o, hone_rt_data data)
{
    hone_attention_problem *p = &call->problem;
    memset(call, 0, sizeof *call);
    HONE_CHECK(q && k && v && out, HONE_ERROR_ARGUMENT, "attention: %s is NULL",
               !q   ? "q"
               : !k ? "k"
               : !v ? "v"
                    : "out");
    if (!o) o = &plain;
    HONE_TRY(check_options(o));
    const hone_tensor *const given[OPERANDS] = {
        q, k, v, out, o->lse, o->bias, o->slopes, o->sinks, o->q_offsets ? o->q_offsets : o->q_lengths,
        o->k_offsets ? o->k_offsets : o->k_lengths};
    for (int i = 0; i < OPERANDS; i++) {
        call->tensor[i] = given[i];
        if (given[i]) HONE_TRY(hone_rt_view_of(given[i], device, data, names[i], &call->view[i]));
        call->span[i] = call->view[i].span;
    }
    p->type = (uint8_t)q->dtype;
    p->lengths = o->q_offsets ? HONE_ATTENTION_PACKED : o->q_lengths ? HONE_ATTENTION_PADDED : HONE_ATTENTION_EVEN;
    p->cap = o->soft_cap > 0, p->lse = o->lse != NULL, p->alibi = o->slopes != NULL, p->sinks = o->sinks != NULL;
    p->before = o->before < 0 ? HONE_ATTENTION_ALL : o->before;
    p->after = o->causal ? 0 : o->after < 0 ? HONE_ATTENTION_ALL : o->after;
    p->first = o->align == HONE_ALIGN_FIRST && (p->before >= 0 || p->after >= 0 || p->alibi);
    HONE_TRY(sizes_of(call));
    for (int i = HONE_ATTENTION_K; i <= HONE_ATTENTION_OUT; i++) HONE_TRY(type_of(call, i, q->dtype));
    for (int i = HONE_ATTENTION_Q; i <= HONE_ATTENTION_OUT; i++) HONE_TRY(strides_of(call, i, 4, false));
    if (o->lse) {
        HONE_TRY(type_of(call, HONE_ATTENTION_LSE, HONE_F32));
        HONE_TRY(strides_of(call, HONE_ATTENTION_LSE, 3, false));
    }
    if (o->bias) {
        p->bias_type = (uint8_t)o->bias->dtype;
        HONE_TRY(strides_of(call, HONE_ATTENTION_BIAS, 4, true));
    }
    const int64_t lengths = p->batch + (p->lengths == HONE_ATTENTION_PACKED);
    HONE_TRY(list_of(call, HONE_ATTENTION_SLOPES, HONE_F32, p->heads));
    HONE_TRY(list_of(call, HONE_ATTENTION_SINKS, HONE_F32, p->heads));
    HONE_TRY(list_of(call, HONE_ATTENTION_Q_LENGTHS, HONE_S32, lengths));
    HONE_TRY(list_of(call, HONE_ATTENTION_K_LENGTHS, HONE_S32, lengths));
    call->empty = call->view[HONE_ATTENTION_OUT].high == 0;
    call->scalar[HONE_ATTENTION_SCALE].value = o->scale != 0 ? o->scale : 1 / sqrt((double)hone_max(p->d, 1));
    call->scalar[HONE_ATTENTION_CAP].value = o->soft_cap;
    return HONE_OK;
}

static uintptr_t address(const hone_rt_view *view)
{
    return view->span.buffer ? (uintptr_t)view->span.buffer->host + view->span.offset : (uintptr_t)view->span.host;
}

static unsigned bytes_of(const hone_tensor *t)
{
    const int bits = hone_dtype_bits(t->dtype);
    return bits < 8 ? 1 : (unsigned)bits / 8;
}

static hone_status check_pair(const attention_call *call, int written, int other)
{
    const hone_rt_view *w = &call->view[written], *o = &call->view[other];
    const hone_tensor  *a = call->tensor[written], *b = call->tensor[other];
    if (w->span.buffer != o->span.buffer && ((w->span.buffer && !w->span.buffer->host) ||
                                             (o->span.buffer && !o->span.buffer->host)))
        return HONE_OK; /* memory of a device that the host cannot reach is shared by nothing else */
    const uintptr_t w_at = address(w), o_at = address(o);
    if (w_at + (uintptr_t)w->high <= o_at + (uintptr_t)o->low || o_at + (uintptr_t)o->high <= w_at + (uintptr_t)w->low)
        return HONE_OK;
    hone_strided x = {(const void *)w_at, bytes_of(a), a->rank, a->shape, a->stride};
    hone_strided y = {(const void *)o_at, bytes_of(b), b->rank, b->shape, b->stride};
    HONE_CHECK(hone_overlap_of(&x, &y) != HONE_OVERLAPS, HONE_ERROR_OVERLAP,
               "%s at %p shares memory with %s at %p; what is written must lie apart", names[written], x.at,
               short_name(other), y.at);
    return HONE_OK;
}

static hone_status check_overlap(const attention_call *call)
{
    for (int o = 0; o < OPERANDS; o++)
        if (o != HONE_ATTENTION_OUT && call->tensor[o]) HONE_TRY(check_pair(call, HONE_ATTENTION_OUT, o));
    if (!call->tensor[HONE_ATTENTION_LSE]) return HONE_OK;
    for (int o = 0; o < OPERANDS; o++)
        if (o != HONE_ATTENTION_OUT && o != HONE_ATTENTION_LSE && call->tensor[o])
            HONE_TRY(check_pair(call, HONE_ATTENTION_LSE, o));
    return HONE_OK;
}

/* Three classes, so that equal problems do not make a plan for each power of two: a cache line, a vector of 16 bytes,
 * an element. */
static unsigned alignment_of(const attention_call *call)
{
    uintptr_t all = 0;
    unsigned  least = 4;
    for (int o = 0; o < OPERANDS; o++) {
        if (!call->tensor[o]) continue;
        all |= address(&call->view[o]);
        if (bytes_of(call->tensor[o]) < least) least = bytes_of(call->tensor[o]);
        if (!call->tensor[o]->data && !call->tensor[o]->buffer) all |= 1; /* no more than its type promises */
    }
    return all % 64 == 0 ? 64 : all % 16 == 0 ? 16 : least;
}

static hone_status attention_on(hone_rt_stream *stream, const hone_tensor *q, const hone_tensor *k,
                                const hone_tensor *v, hone_tensor *out, const hone_attention_options *options)
{
    attention_call call;
    HONE_TRY(describe(&call, stream->be->device, q, k, v, out, options, HONE_RT_DATA_NEEDED));
    if (call.empty) return hone_attention_op.check(&call.problem);
    HONE_TRY(check_overlap(&call));
    hone_arguments arguments = {OPERANDS, HONE_ATTENTION_VALUES, call.span, call.scalar, 0};
    return hone_rt_run(stream, &hone_attention_op, &call.problem, alignment_of(&call), &arguments);
}

hone_status hone_attention(hone_stream *handle, const hone_tensor *q, const hone_tensor *k, const hone_tensor *v,
                           hone_tensor *out, const hone_attention_options *options)
{
    hone_rt_stream *stream;
    HONE_TRY(hone_rt_stream_enter(handle, "attention", &stream));
    hone_status status = attention_on(stream, q, k, v, out, options);
    hone_rt_stream_leave(handle);
    return status;
}

hone_status hone_attention_plan(hone_device *handle, const hone_tensor *q, const hone_tensor *k, const hone_tensor *v,
                                const hone_tensor *out, const hone_attention_options *options, hone_plan **plan)
{
    hone_rt_device *device;
    hone_rt_plan   *made;
    attention_call  call;
    HONE_CHECK(plan, HONE_ERROR_ARGUMENT, "attention plan: where to put it (plan) is NULL");
    *plan = NULL;
    HONE_TRY(hone_rt_device_get(handle, "attention plan", &device));
    HONE_TRY(describe(&call, device->be, q, k, v, out, options, HONE_RT_DATA_OPTIONAL));
    hone_request request =
        hone_rt_request(device->context, device->be, &hone_attention_op, &call.problem, alignment_of(&call));
    HONE_TRY(hone_rt_plan_for(device->context, &request, &made));
    return hone_rt_plan_handle(made, plan);
}
