/* Operands: see operands.h. */
#include "tuner/operands.h"

#include <string.h>

#include "base/alloc.h"
#include "base/random.h"
#include "base/size.h"
#include "tuner/watch.h"

enum {
    PAGE = 4096,
    COLOUR = 320,     /* operands begin so many bytes apart within a page, so that stores do not stall loads */
    COPIES_MAX = 256, /* of what is read and written */
};

/* The memory of one argument: `copies` blocks of `bytes`, and behind them the block they are restored from. */
typedef struct argument {
    char  *memory;
    size_t bytes;  /* of one copy, a multiple of 64 */
    int    copies; /* 1: shared by all turns */
    size_t before; /* bytes before the first element (negative strides) */
    size_t item;   /* of an array of pointers: bytes from one item to the next */
    void **at;     /* ... and the pointers, for each copy */
} argument;

struct hone_operands {
    int            roles, scalar_count, turns;
    int64_t        items;
    argument       arguments[HONE_ROLES_MAX];
    hone_scalar    scalars[HONE_SCALARS_MAX];
    hone_span     *spans; /* turns x roles */
    hone_arguments of[COPIES_MAX];
};

static hone_status too_large(void)
{
    return hone_fail(HONE_ERROR_OVERFLOW, "the operands take more bytes than there are addresses");
}

static hone_status size_of(const hone_role *role, argument *out)
{
    int64_t low, high;
    size_t  bytes;
    if (!hone_role_fits(role)) return too_large();
    hone_role_extent(role, &low, &high);
    bytes = (size_t)(high - low + 63) & ~(size_t)63;
    out->before = (size_t)((-low + 63) & ~(int64_t)63);
    if (!hone_size_add(bytes, out->before, &bytes)) return too_large();
    out->item = bytes;
    if (role->indirect && !hone_size_mul(bytes, (size_t)role->items, &bytes)) return too_large();
    out->bytes = bytes;
    return HONE_OK;
}

static hone_status take_memory(const hone_role *role, int index, argument *it)
{
    size_t blocks = (size_t)it->copies + (it->copies > 1), bytes;
    if (!hone_size_mul(it->bytes, blocks, &bytes) || !hone_size_add(bytes, (size_t)index * COLOUR, &bytes))
        return too_large();
    it->memory = hone_alloc_raw(bytes, PAGE);
    if (!it->memory) return HONE_ERROR_MEMORY;
    memset(it->memory, 0, bytes);
    if (!role->indirect) return HONE_OK;
    it->at = hone_alloc((size_t)it->copies * (size_t)role->items + 1, sizeof *it->at);
    return it->at ? HONE_OK : HONE_ERROR_MEMORY;
}

/* Where a copy of the argument begins. */
static char *copy_at(const argument *it, int index, int copy)
{
    return it->memory + (size_t)index * COLOUR + (size_t)copy * it->bytes;
}

static hone_span span_of(const hone_role *role, const argument *it, int index, int copy)
{
    char *first = copy_at(it, index, copy);
    if (!role->indirect) return (hone_span){NULL, first + it->before, 0, it->bytes - it->before};
    void **at = it->at + (size_t)copy * (size_t)role->items;
    for (int64_t i = 0; i < role->items; i++) at[i] = first + (size_t)i * it->item + it->before;
    return (hone_span){NULL, at, 0, (size_t)role->items * sizeof *at};
}

/* So many copies that they stay in half of the second cache, where launches would find operands that they share. */
static int copies_of(const hone_request *request, const hone_role *roles, const argument *arguments, int count)
{
    size_t bytes = 0, room = request->device->cpu.cache_bytes[HONE_LEVEL_L2] / 2;
    for (int i = 0; i < count; i++)
        if (roles[i].direction == HONE_IN_OUT) bytes += arguments[i].bytes;
    if (!bytes) return 1;
    size_t copies = room / bytes;
    return copies < 2 ? 2 : copies > COPIES_MAX ? COPIES_MAX : (int)copies;
}

static hone_status lay_out(hone_operands *o, const hone_request *request, hone_role *roles)
{
    bool        rotates = false;
    const char *names[HONE_SCALARS_MAX];
    double      neutral[HONE_SCALARS_MAX];
    o->roles = request->op->roles(request->problem, roles);
    o->scalar_count = request->op->scalars(request->problem, names, neutral);
    for (int i = 0; i < o->roles; i++) {
        if (roles[i].direction == HONE_UNUSED) continue;
        HONE_TRY(size_of(&roles[i], &o->arguments[i]));
        if (roles[i].indirect && roles[i].items > o->items) o->items = roles[i].items;
        rotates |= roles[i].direction == HONE_IN_OUT;
    }
    o->turns = rotates ? copies_of(request, roles, o->arguments, o->roles) : 1;
    o->spans = hone_alloc((size_t)(o->turns * o->roles) + 1, sizeof *o->spans);
    if (!o->spans) return HONE_ERROR_MEMORY;
    for (int i = 0; i < o->roles; i++) {
        argument *it = &o->arguments[i];
        it->copies = roles[i].direction == HONE_IN_OUT ? o->turns : 1;
        if (roles[i].direction != HONE_UNUSED) HONE_TRY(take_memory(&roles[i], i, it));
    }
    for (int turn = 0; turn < o->turns; turn++) {
        hone_span *spans = o->spans + turn * o->roles;
        for (int i = 0; i < o->roles; i++)
            if (roles[i].direction != HONE_UNUSED)
                spans[i] = span_of(&roles[i], &o->arguments[i], i, o->arguments[i].copies > 1 ? turn : 0);
        o->of[turn] = (hone_arguments){o->roles, o->scalar_count, spans, o->scalars, o->items};
    }
    return HONE_OK;
}

/* Random data; for an opaque argument those of the plain problem, packed. */
static hone_status fill(hone_operands *o, hone_rt_context *context, const hone_request *request, uint64_t seed)
{
    const hone_op *op = request->op;
    hone_packing   packing;
    hone_role      roles[HONE_ROLES_MAX];
    hone_span      spans[HONE_ROLES_MAX];
    hone_arguments into = o->of[0];
    int64_t        low, high;
    if (!op->take_apart || !op->take_apart(request->problem, &packing))
        return op->generate(request->problem, HONE_DATA_RANDOM, seed, &into, o->scalars);
    op->roles(packing.plain.bytes, roles);
    hone_role_extent(&roles[packing.role], &low, &high); /* dense: low is 0 */
    memcpy(spans, into.at, (size_t)o->roles * sizeof *spans);
    spans[packing.role] = (hone_span){NULL, hone_alloc_raw((size_t)high + 1, PAGE), 0, (size_t)high};
    if (!spans[packing.role].host) return HONE_ERROR_MEMORY;
    memset(spans[packing.role].host, 0, (size_t)high);
    into.at = spans;
    hone_status status = op->generate(packing.plain.bytes, HONE_DATA_RANDOM, seed, &into, o->scalars);
    if (status == HONE_OK)
        status = hone_rt_layout_pack(context, request, &packing, spans[packing.role], o->of[0].at[packing.role]);
    hone_free(spans[packing.role].host);
    return status;
}

hone_status hone_operands_make(hone_rt_context *context, const hone_request *request, uint64_t seed,
                               hone_operands **out)
{
    hone_role roles[HONE_ROLES_MAX];
    *out = NULL;
    HONE_CHECK(!strcmp(request->device->backend->name, "cpu"), HONE_ERROR_UNSUPPORTED,
               "operands are made in the host's memory, and %s has its own", request->device->name);
    const char *names[HONE_SCALARS_MAX];
    double      neutral[HONE_SCALARS_MAX];
    hone_operands *o = hone_alloc(1, sizeof *o);
    if (!o) return HONE_ERROR_MEMORY;
    hone_status status = lay_out(o, request, roles);
    if (status == HONE_OK) status = fill(o, context, request, seed);
    if (status != HONE_OK) {
        hone_operands_free(o);
        return status;
    }
    /* Timed with the values that calls have: a library may be quicker where alpha is 1. */
    int scalars = request->op->scalars(request->problem, names, neutral);
    for (int i = 0; i < scalars; i++) o->scalars[i] = (hone_scalar){neutral[i], NULL};
    for (int i = 0; i < o->roles; i++) {
        argument *it = &o->arguments[i];
        if (it->copies > 1) memcpy(copy_at(it, i, it->copies), copy_at(it, i, 0), it->bytes);
    }
    hone_operands_restore(o);
    *out = o;
    return HONE_OK;
}

void hone_operands_free(hone_operands *operands)
{
    if (!operands) return;
    for (int i = 0; i < operands->roles; i++) {
        hone_free(operands->arguments[i].memory);
        hone_free(operands->arguments[i].at);
    }
    hone_free(operands->spans);
    hone_free(operands);
}

const hone_arguments *hone_operands_of(const hone_operands *operands, int turn)
{
    return &operands->of[turn % operands->turns];
}

int hone_operands_turns(const hone_operands *operands)
{
    return operands->turns > 1 ? operands->turns : 0;
}

void hone_operands_restore(hone_operands *operands)
{
    for (int i = 0; i < operands->roles; i++) {
        argument *it = &operands->arguments[i];
        for (int copy = 0; it->copies > 1 && copy < it->copies; copy++)
            memcpy(copy_at(it, i, copy), copy_at(it, i, it->copies), it->bytes);
    }
}

bool hone_operands_flush(const hone_operands *operands)
{
    bool able = true;
    for (int i = 0; i < operands->roles && able; i++) {
        const argument *it = &operands->arguments[i];
        if (it->memory) able = hone_watch_flush(copy_at(it, i, 0), (size_t)it->copies * it->bytes);
    }
    return able;
}
