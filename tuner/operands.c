/* Operands: see operands.h. */
#include "tuner/operands.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/element.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/size.h"
#include "base/status.h"
#include "tuner/watch.h"

enum {
    PAGE = 4096,
    COLOUR = 320,     /* operands begin so many bytes apart within a page, so that stores do not stall loads */
    COPIES_MAX = 256, /* of what is read and written */
    GUARD = 4096,     /* bytes before and behind each argument; what they hold is 0xa5 */
    LOOKED_AT = 96,   /* elements of an output that are held against the reference */
};

#define GUARD_BYTE 0xa5

/* The memory of one argument: `copies` blocks of `bytes`, and behind them the block they are restored from. */
typedef struct argument {
    char  *memory;
    char  *first;  /* where copy 0 begins, behind the guard zone */
    size_t bytes;  /* of one copy, a multiple of 64 */
    int    copies; /* 1: shared by all turns */
    size_t before; /* bytes before the first element (negative strides) */
    size_t item;   /* of an array of pointers: bytes from one item to the next */
    void **at;     /* ... and the pointers, for each copy */
    uint64_t       sum;       /* of what no launch may change, as it was when it was made */
    hone_direction direction;
    char           harm[96];  /* the words for damage to it */
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
    size_t ahead = GUARD + (size_t)index * COLOUR;
    if (!hone_size_mul(it->bytes, blocks, &bytes) || !hone_size_add(bytes, ahead + GUARD, &bytes)) return too_large();
    it->memory = hone_alloc_raw(bytes, PAGE);
    if (!it->memory) return HONE_ERROR_MEMORY;
    it->first = it->memory + ahead;
    it->direction = role->direction;
    snprintf(it->harm, sizeof it->harm, "%.64s", role->name);
    memset(it->memory, GUARD_BYTE, ahead);
    memset(it->first, 0, bytes - ahead - GUARD);
    memset(it->memory + bytes - GUARD, GUARD_BYTE, GUARD);
    if (!role->indirect) return HONE_OK;
    it->at = hone_alloc((size_t)it->copies * (size_t)role->items + 1, sizeof *it->at);
    return it->at ? HONE_OK : HONE_ERROR_MEMORY;
}

/* Where a copy of the argument begins. */
static char *copy_at(const argument *it, int copy)
{
    return it->first + (size_t)copy * it->bytes;
}

static hone_span span_of(const hone_role *role, const argument *it, int copy)
{
    char *first = copy_at(it, copy);
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
                spans[i] = span_of(&roles[i], &o->arguments[i], o->arguments[i].copies > 1 ? turn : 0);
        o->of[turn] = (hone_arguments){o->roles, o->scalar_count, spans, o->scalars, o->items};
    }
    return HONE_OK;
}

/* The plain problem that data and truth are asked of: the problem itself, unless an argument of it is opaque. Then that
 * argument's plain form has memory here. */
typedef struct plainly {
    const void    *problem;
    bool           opaque;
    hone_packing   packing;
    hone_span      spans[HONE_ROLES_MAX];
    hone_arguments arguments;
} plainly;

static hone_status make_plain(const hone_operands *o, const hone_request *request, plainly *out)
{
    const hone_op *op = request->op;
    hone_role      roles[HONE_ROLES_MAX];
    int64_t        low, high;
    memset(out, 0, sizeof *out);
    out->problem = request->problem;
    out->arguments = o->of[0];
    memcpy(out->spans, o->of[0].at, (size_t)o->roles * sizeof *out->spans);
    out->arguments.at = out->spans;
    out->opaque = op->take_apart && op->take_apart(request->problem, &out->packing);
    if (!out->opaque) return HONE_OK;
    int role = out->packing.role;
    out->problem = out->packing.plain.bytes;
    op->roles(out->problem, roles);
    hone_role_extent(&roles[role], &low, &high); /* dense: low is 0 */
    out->spans[role] = (hone_span){NULL, hone_alloc_raw((size_t)high + 1, PAGE), 0, (size_t)high};
    if (!out->spans[role].host) return HONE_ERROR_MEMORY;
    memset(out->spans[role].host, 0, (size_t)high);
    return HONE_OK;
}

static void free_plain(plainly *it)
{
    if (it->opaque) hone_free(it->spans[it->packing.role].host);
}

/* Random data into copy 0 of all inputs; what is opaque is packed from the plain form. */
static hone_status fill(hone_operands *o, hone_rt_context *context, const hone_request *request, plainly *plain,
                        uint64_t seed)
{
    HONE_TRY(request->op->generate(plain->problem, HONE_DATA_RANDOM, seed, &plain->arguments, o->scalars));
    int role = plain->packing.role;
    if (!plain->opaque) return HONE_OK;
    return hone_rt_layout_pack(context, request, &plain->packing, plain->spans[role], o->of[0].at[role]);
}

/* What is read and written: copy 0 to where all copies are restored from. */
static void keep_before(hone_operands *o)
{
    for (int i = 0; i < o->roles; i++) {
        argument *it = &o->arguments[i];
        if (it->copies > 1) memcpy(copy_at(it, it->copies), copy_at(it, 0), it->bytes);
    }
}

/* Of the bytes that no launch may change. */
static uint64_t sum_of(const argument *it)
{
    if (it->direction == HONE_IN) return hone_hash(it->first, it->bytes, 0);
    return it->copies > 1 ? hone_hash(copy_at(it, it->copies), it->bytes, 0) : 0;
}

static void sum_up(hone_operands *o)
{
    for (int i = 0; i < o->roles; i++)
        if (o->arguments[i].memory) o->arguments[i].sum = sum_of(&o->arguments[i]);
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
    plainly     plain = {0};
    if (status == HONE_OK) status = make_plain(o, request, &plain);
    if (status == HONE_OK) status = fill(o, context, request, &plain, seed);
    free_plain(&plain);
    if (status != HONE_OK) {
        hone_operands_free(o);
        return status;
    }
    /* Timed with the values that calls have: a library may be quicker where alpha is 1. */
    int scalars = request->op->scalars(request->problem, names, neutral);
    for (int i = 0; i < scalars; i++) o->scalars[i] = (hone_scalar){neutral[i], NULL};
    keep_before(o);
    hone_operands_restore(o);
    sum_up(o);
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
            memcpy(copy_at(it, copy), copy_at(it, it->copies), it->bytes);
    }
}

bool hone_operands_flush(const hone_operands *operands)
{
    bool able = true;
    for (int i = 0; i < operands->roles && able; i++) {
        const argument *it = &operands->arguments[i];
        if (it->memory) able = hone_watch_flush(copy_at(it, 0), (size_t)it->copies * it->bytes);
    }
    return able;
}

/* --- what became of them ---------------------------------------------------------------------------------------- */

static bool whole(const char *guard, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if ((unsigned char)guard[i] != GUARD_BYTE) return false;
    return true;
}

const char *hone_operands_harm(const hone_operands *operands)
{
    for (int i = 0; i < operands->roles; i++) {
        const argument *it = &operands->arguments[i];
        const char     *end = it->first + (size_t)(it->copies + (it->copies > 1)) * it->bytes;
        if (!it->memory) continue;
        if (!whole(it->memory, (size_t)(it->first - it->memory)) || !whole(end, GUARD) || it->sum != sum_of(it))
            return it->harm;
    }
    return NULL;
}

static double value_at(const hone_role *role, const hone_span *span, int64_t at)
{
    int64_t each = hone_role_count(role);
    char   *first = role->indirect ? ((char **)span->host)[at / each] : (char *)span->host;
    int64_t offset = hone_role_offset(role, role->indirect ? at % each : at);
    return hone_element_load(role->type, first, offset);
}

/* Some elements of an output, its first and last among them, against the truth. */
static hone_status hold(const hone_operands *o, const hone_request *request, const plainly *plain,
                        const hone_arguments *before, int index, const hone_role *role, uint64_t seed, char *wrong,
                        size_t capacity)
{
    int64_t    at[LOOKED_AT], all = hone_role_count(role) * (role->indirect ? o->items : 1);
    hone_truth truth[LOOKED_AT];
    int64_t    count = all < LOOKED_AT ? all : LOOKED_AT;
    double     unit = role->type == HONE_F64 ? 0x1p-53 : 0x1p-24;
    for (int64_t i = 0; i < count; i++)
        at[i] = all <= LOOKED_AT ? i
                : i == 1         ? all - 1
                : i              ? (int64_t)(hone_random_at(seed, (uint64_t)i) % (uint64_t)all)
                                 : 0;
    hone_sample sample = {index, count, at};
    HONE_TRY(request->op->reference(plain->problem, before, &sample, truth));
    for (int64_t i = 0; i < count; i++) {
        double got = value_at(role, &o->of[0].at[index], at[i]);
        double allowed = truth[i].bound + unit * fabs(truth[i].high) * (1 + truth[i].bound);
        if (fabs((got - truth[i].high) - truth[i].low) <= allowed) continue;
        /* a narrower type: between the roundings of what the arithmetic may give */
        if (hone_element_rounded(role->type, truth[i].high - allowed) <= got &&
            got <= hone_element_rounded(role->type, truth[i].high + allowed))
            continue;
        snprintf(wrong, capacity, "%s: element %" PRId64 " is %.9g, should be %.9g within %.3g", role->name, at[i], got,
                 truth[i].high, allowed);
        break;
    }
    return HONE_OK;
}

/* The arguments as they were before the launch: what is read and written lies where it is restored from. `pointers`,
 * one for each role, are to be freed. */
static hone_status arguments_before(const hone_operands *o, const hone_role *roles, const plainly *plain,
                                    hone_span *spans, void ***pointers, hone_arguments *out)
{
    memcpy(spans, plain->spans, (size_t)o->roles * sizeof *spans);
    *out = plain->arguments;
    out->at = spans;
    for (int i = 0; i < o->roles; i++) {
        const argument *it = &o->arguments[i];
        char           *kept = it->copies > 1 ? copy_at(it, it->copies) + it->before : NULL;
        if (!kept) continue;
        spans[i].host = kept;
        if (!roles[i].indirect) continue;
        pointers[i] = hone_alloc((size_t)roles[i].items + 1, sizeof *pointers[i]);
        if (!pointers[i]) return HONE_ERROR_MEMORY;
        for (int64_t item = 0; item < roles[i].items; item++) pointers[i][item] = kept + (size_t)item * it->item;
        spans[i].host = pointers[i];
    }
    return HONE_OK;
}

static hone_status judge_outputs(hone_operands *o, const hone_request *request, const plainly *plain, uint64_t seed,
                                 char *wrong, size_t capacity)
{
    hone_role      roles[HONE_ROLES_MAX];
    hone_span      spans[HONE_ROLES_MAX];
    hone_arguments before;
    void         **pointers[HONE_ROLES_MAX] = {0};
    request->op->roles(request->problem, roles);
    hone_status status = arguments_before(o, roles, plain, spans, pointers, &before);
    for (int i = 0; i < o->roles && status == HONE_OK && !*wrong; i++)
        if (roles[i].direction & HONE_OUT)
            status = hold(o, request, plain, &before, i, &roles[i], hone_random_at(seed, (uint64_t)i), wrong, capacity);
    for (int i = 0; i < o->roles; i++) hone_free(pointers[i]);
    return status;
}

hone_status hone_operands_judge(hone_operands *operands, hone_rt_context *context, const hone_request *request,
                                uint64_t seed, hone_operands_launch launch, void *self, char *wrong, size_t capacity)
{
    hone_scalar scalars[HONE_SCALARS_MAX];
    plainly     plain;
    *wrong = 0;
    memcpy(scalars, operands->scalars, sizeof scalars);
    hone_status status = make_plain(operands, request, &plain);
    if (status == HONE_OK) status = fill(operands, context, request, &plain, seed);
    memcpy(operands->scalars, scalars, sizeof scalars); /* launched as it was timed */
    if (status == HONE_OK) {
        keep_before(operands);
        hone_operands_restore(operands);
        sum_up(operands);
        for (int i = 0; i < operands->roles; i++)
            if (operands->arguments[i].direction == HONE_OUT && operands->arguments[i].memory)
                memset(operands->arguments[i].first, 0xff, operands->arguments[i].bytes);
        hone_status launched = launch(self, &operands->of[0]);
        if (launched != HONE_OK)
            snprintf(wrong, capacity, "the launch failed: %s", hone_last_error());
        else
            status = judge_outputs(operands, request, &plain, seed, wrong, capacity);
    }
    free_plain(&plain);
    hone_operands_restore(operands);
    return status;
}
