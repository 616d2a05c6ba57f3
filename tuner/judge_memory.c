/* The memory of a judged case: every argument between guard zones, all that is no element a pattern that reads as NaN,
 * outputs another NaN, and copies of all that for afterwards. */
#include "tuner/judge_parts.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/element.h"
#include "base/random.h"
#include "base/size.h"
#include "base/status.h"

enum { PLACE = 128, GUARD_LEAST = 512, GUARD_MOST = 16384, PATTERN = 0xff };

/* What an output is filled with: a quiet NaN that no arithmetic makes; of whole numbers, some odd one. */
static const double   unwritten_4 = 5;
static const uint8_t  unwritten_8 = 0xa5u;
static const uint16_t unwritten_16 = 0x7fe5u;
static const uint32_t unwritten_32 = 0x7fe5a5a5u;
static const uint64_t unwritten_64 = 0x7ffe5a5a5a5a5a5au;

static const void *unwritten(int size)
{
    switch (size) {
    case 1: return &unwritten_8;
    case 2: return &unwritten_16;
    case 4: return &unwritten_32;
    default: return &unwritten_64;
    }
}

/* --- elements --------------------------------------------------------------------------------------------------- */

/* Calls row(self, offset of its first element, flat index of it) for each run along the last dimension. */
static void each_row(const hone_role *role, void (*row)(void *self, int64_t offset, int64_t at), void *self)
{
    int64_t index[HONE_RANK_MAX] = {0}, offset = 0, at = 0;
    if (hone_role_count(role) == 0) return;
    int64_t columns = role->rank ? role->shape[role->rank - 1] : 1;
    for (;;) {
        row(self, offset, at);
        at += columns;
        int d = role->rank - 2;
        for (; d >= 0; d--) {
            offset += role->stride[d];
            if (++index[d] < role->shape[d]) break;
            offset -= role->stride[d] * index[d];
            index[d] = 0;
        }
        if (d < 0) return;
    }
}

typedef struct mover {
    int64_t     columns, stride; /* in elements */
    int         size;
    hone_dtype  type;
    char       *item, *got;
    const char *before;
} mover;

static inline void copy_row(char *to, int64_t to_step, const char *from, int64_t from_step, int64_t count, int size)
{
    if (to_step == size && from_step == size)
        memcpy(to, from, (size_t)(count * size));
    else if (size == 4)
        for (int64_t i = 0; i < count; i++) memcpy(to + i * to_step, from + i * from_step, 4);
    else if (size == 8)
        for (int64_t i = 0; i < count; i++) memcpy(to + i * to_step, from + i * from_step, 8);
    else
        for (int64_t i = 0; i < count; i++) memcpy(to + i * to_step, from + i * from_step, (size_t)size);
}

/* Of four bits: each has a byte of its own where they are gathered. */
static void gather_halves(const mover *m, int64_t offset, int64_t at)
{
    for (int64_t i = 0; i < m->columns; i++) {
        const int64_t place = offset + i * m->stride;
        hone_element_store(m->type, m->got + at + i, 0, hone_element_load(m->type, m->item, place));
        hone_element_store(m->type, m->item, place, hone_element_load(m->type, m->before, place));
    }
}

static void gather_row(void *self, int64_t offset, int64_t at)
{
    mover  *m = self;
    if (hone_dtype_bits(m->type) < 8) {
        gather_halves(m, offset, at);
        return;
    }
    int64_t step = m->stride * m->size;
    copy_row(m->got + at * m->size, m->size, m->item + offset * m->size, step, m->columns, m->size);
    copy_row(m->item + offset * m->size, step, m->before + offset * m->size, step, m->columns, m->size);
}

static void fill_row(void *self, int64_t offset, int64_t at)
{
    mover      *m = self;
    (void)at;
    for (int64_t i = 0; hone_dtype_bits(m->type) < 8 && i < m->columns; i++)
        hone_element_store(m->type, m->item, offset + i * m->stride, unwritten_4);
    if (hone_dtype_bits(m->type) < 8) return;
    copy_row(m->item + offset * m->size, m->stride * m->size, unwritten(m->size), 0, m->columns, m->size);
}

/* The place of element 0, ..., 0 of an item, in `live` or `before`. Items lie backwards: none follows its forerunner.
 */
static size_t item_place(const hone_judge_memory *m, int64_t item)
{
    return m->first + (size_t)(m->items - 1 - item) * m->item_bytes;
}

static void each_item(hone_judge_memory *m, char *memory, const char *before,
                      void (*row)(void *self, int64_t offset, int64_t at))
{
    const hone_role *role = &m->role;
    for (int64_t i = 0; i < m->items; i++) {
        mover move = {role->rank ? role->shape[role->rank - 1] : 1,
                      role->rank ? role->stride[role->rank - 1] : 1,
                      m->element_bytes,
                      role->type,
                      memory + item_place(m, i),
                      m->got ? m->got + i * m->count * m->element_bytes : NULL,
                      before ? before + item_place(m, i) : NULL};
        each_row(role, row, &move);
    }
}

bool hone_judge_unwritten(const hone_judge_memory *m, int64_t element)
{
    size_t size = (size_t)m->element_bytes;
    if (hone_dtype_bits(m->role.type) < 8) return hone_judge_value(m, m->got, element) == unwritten_4;
    return memcmp(m->got + element * m->element_bytes, unwritten(m->element_bytes), size) == 0;
}

double hone_judge_value(const hone_judge_memory *m, const char *elements, int64_t element)
{
    if (hone_dtype_bits(m->role.type) < 8) return hone_element_load(m->role.type, elements + element, 0);
    return hone_element_load(m->role.type, elements, element);
}

/* --- making ----------------------------------------------------------------------------------------------------- */

/* The earlier argument whose memory this one shares in place; -1: none. */
static int alias_of(const hone_judge_case *c, const hone_role *roles, int index)
{
    const hone_role *mine = &roles[index];
    for (int i = 0; c->options.in_place && i < index; i++) {
        const hone_role *other = &roles[i];
        size_t           dimensions = (size_t)mine->rank * sizeof *mine->shape;
        if (mine->direction == HONE_IN && (other->direction & HONE_OUT) && (mine->may_alias >> i & 1) &&
            mine->type == other->type && mine->rank == other->rank && !mine->indirect && !other->indirect &&
            !memcmp(mine->shape, other->shape, dimensions) && !memcmp(mine->stride, other->stride, dimensions))
            return i;
    }
    return -1;
}

static hone_status memory_make(hone_judge_case *c, hone_judge_memory *m)
{
    int64_t low, high, widest = 0;
    hone_role_extent(&m->role, &low, &high);
    m->element_bytes = (int)hone_max(hone_dtype_bits(m->role.type) / 8, 1);
    bool seen = !m->role.opaque; /* element by element */
    HONE_CHECK(seen || (c->opaque && m->direction == HONE_IN), HONE_ERROR_UNSUPPORTED,
               "judge: %s is %s, in a layout that only its kernel knows; judge what reads it", m->role.name,
               hone_dtype_name(m->role.type));
    m->count = hone_role_count(&m->role);
    m->items = m->role.indirect ? m->role.items : 1;
    for (int d = 0; d < m->role.rank; d++)
        if (m->role.shape[d] > 1) widest = hone_max(widest, llabs(m->role.stride[d]));
    /* a tile that overruns goes a few rows too far */
    widest = hone_min(widest, GUARD_MOST);
    m->guard =
        (size_t)hone_min(GUARD_MOST, hone_max(GUARD_LEAST, hone_round_up(16 * widest * m->element_bytes, PLACE)));
    size_t skew = c->alignment < PLACE / 2 ? c->alignment : PLACE / 2; /* aligned to this, and no better */
    m->first = (size_t)hone_round_up((int64_t)m->guard - low, PLACE) + skew;
    size_t bytes;
    HONE_CHECK(hone_size_add(m->first, (size_t)high, &bytes) && hone_size_add(bytes, m->guard + PLACE, &bytes),
               HONE_ERROR_MEMORY, "judge: %s is too large", m->role.name);
    m->item_bytes = bytes / PLACE * PLACE;
    HONE_CHECK(hone_size_mul(m->item_bytes, (size_t)hone_max(m->items, 1), &m->bytes) &&
                   hone_size_add(m->bytes, PLACE, &bytes),
               HONE_ERROR_MEMORY, "judge: %s is too large", m->role.name);
    m->live = hone_alloc_raw(bytes, PLACE);
    if (!m->live) return HONE_ERROR_MEMORY;
    if (m->role.direction & HONE_OUT) {
        bytes = (size_t)m->count * (size_t)m->element_bytes * (size_t)m->items; /* no more than lies in `live` */
        m->got = hone_alloc_raw(bytes + 1, 64);
        m->bits = hone_alloc_raw(bytes + 1, 64);
        if (!m->got || !m->bits) return HONE_ERROR_MEMORY;
    }
    if (m->role.indirect) {
        m->table = hone_alloc((size_t)m->items + 2 * HONE_JUDGE_POINTER_GUARD, sizeof *m->table);
        if (!m->table) return HONE_ERROR_MEMORY;
    }
    return HONE_OK;
}

hone_status hone_judge_memory_make(hone_judge_case *c)
{
    hone_role roles[HONE_ROLES_MAX];
    c->opaque = c->op->take_apart && c->op->take_apart(c->problem.bytes, &c->packing);
    if (c->opaque) {
        c->op->roles(c->packing.plain.bytes, roles);
        c->plain = roles[c->packing.role];
    }
    c->count = c->op->roles(c->problem.bytes, roles);
    for (int i = 0; i < c->count; i++) {
        hone_judge_memory *m = &c->memory[i];
        m->role = roles[i];
        m->direction = roles[i].direction;
        m->alias = -1;
        if (m->direction == HONE_UNUSED) continue;
        m->alias = alias_of(c, roles, i);
        if (m->alias < 0)
            HONE_TRY(memory_make(c, m));
        else
            c->memory[m->alias].direction |= HONE_IN;
    }
    return HONE_OK;
}

void hone_judge_memory_free(hone_judge_case *c)
{
    for (int kind = 0; kind < HONE_DATA_COUNT; kind++) hone_free(c->plain_before[kind]);
    for (int i = 0; i < HONE_ROLES_MAX; i++) {
        hone_judge_memory *m = &c->memory[i];
        hone_free(m->live);
        hone_free(m->table);
        hone_free(m->got);
        hone_free(m->bits);
        hone_free(m->sample);
        for (int kind = 0; kind < HONE_DATA_COUNT; kind++) {
            hone_free(m->before[kind]);
            hone_free(m->table_before[kind]);
            hone_free(m->truth[kind]);
        }
    }
}

/* --- a launch --------------------------------------------------------------------------------------------------- */

static void point(const hone_judge_memory *m, void **table, char *memory)
{
    memset(table, PATTERN, ((size_t)m->items + 2 * HONE_JUDGE_POINTER_GUARD) * sizeof *table);
    for (int64_t i = 0; i < m->items; i++) table[HONE_JUDGE_POINTER_GUARD + i] = memory + item_place(m, i);
}

/* The plain form of what is opaque: dense, so that its first element is its lowest byte. */
static size_t plain_bytes(const hone_judge_case *c)
{
    int64_t low, high;
    hone_role_extent(&c->plain, &low, &high);
    return (size_t)(high - low);
}

static hone_span plain_span(const hone_judge_case *c, hone_data_kind kind)
{
    return (hone_span){NULL, c->plain_before[kind], 0, plain_bytes(c)};
}

static hone_arguments arguments_of(hone_judge_case *c, hone_data_kind kind, hone_span *spans, size_t shift, bool live)
{
    int64_t items = 0;
    for (int i = 0; i < c->count; i++) {
        hone_judge_memory *m = &c->memory[c->memory[i].alias < 0 ? i : c->memory[i].alias];
        spans[i] = (hone_span){0};
        if (m->direction == HONE_UNUSED) continue;
        if (c->opaque && !live && i == c->packing.role) {
            spans[i] = plain_span(c, kind);
            continue;
        }
        char  *memory = live ? m->live + shift : m->before[kind];
        void **table = live ? m->table : m->table_before[kind];
        if (m->role.indirect) {
            items = m->items;
            spans[i].host = table + HONE_JUDGE_POINTER_GUARD;
        } else {
            int64_t low, high;
            hone_role_extent(&m->role, &low, &high);
            spans[i].host = memory + m->first;
            spans[i].bytes = (size_t)high;
        }
    }
    return (hone_arguments){c->count, c->scalar_count, spans, c->scalars[kind], items};
}

hone_arguments hone_judge_before(hone_judge_case *c, hone_data_kind kind, hone_span *spans)
{
    return arguments_of(c, kind, spans, 0, false);
}

static hone_status pack_opaque(hone_judge_case *c, hone_data_kind kind, hone_rt_context *context,
                               const hone_request *request)
{
    const hone_judge_memory *m = &c->memory[c->packing.role];
    hone_span                packed = {NULL, m->before[kind] + m->first, 0, (size_t)m->count};
    hone_request             like = *request;
    like.alignment = c->alignment;
    return hone_rt_layout_pack(context, &like, &c->packing, plain_span(c, kind), packed);
}

hone_status hone_judge_data(hone_judge_case *c, hone_data_kind kind, hone_rt_context *context,
                            const hone_request *request)
{
    hone_span spans[HONE_ROLES_MAX];
    if (c->made[kind]) return HONE_OK;
    for (int i = 0; i < c->count; i++) {
        hone_judge_memory *m = &c->memory[i];
        if (!m->live) continue;
        if (!m->before[kind]) m->before[kind] = hone_alloc_raw(m->bytes, PLACE);
        if (!m->before[kind]) return HONE_ERROR_MEMORY;
        memset(m->before[kind], PATTERN, m->bytes);
        if (m->role.indirect) {
            if (!m->table_before[kind])
                m->table_before[kind] =
                    hone_alloc((size_t)m->items + 2 * HONE_JUDGE_POINTER_GUARD, sizeof *m->table_before[kind]);
            if (!m->table_before[kind]) return HONE_ERROR_MEMORY;
            point(m, m->table_before[kind], m->before[kind]);
        }
        if (m->role.direction == HONE_OUT) each_item(m, m->before[kind], NULL, fill_row);
    }
    if (c->opaque) {
        if (!c->plain_before[kind]) c->plain_before[kind] = hone_alloc_raw(plain_bytes(c) + 1, PLACE);
        if (!c->plain_before[kind]) return HONE_ERROR_MEMORY;
        memset(c->plain_before[kind], PATTERN, plain_bytes(c));
    }
    hone_arguments into = hone_judge_before(c, kind, spans);
    HONE_TRY(c->op->generate(hone_judge_asked(c), kind, hone_random_at(c->options.seed, (uint64_t)kind), &into,
                             c->scalars[kind]));
    if (c->opaque) HONE_TRY(pack_opaque(c, kind, context, request));
    c->made[kind] = true;
    return HONE_OK;
}

hone_arguments hone_judge_lay_out(hone_judge_case *c, hone_data_kind kind, size_t shift, hone_span *spans)
{
    for (int i = 0; i < c->count; i++) {
        hone_judge_memory *m = &c->memory[i];
        if (!m->live) continue;
        memcpy(m->live + shift, m->before[kind], m->bytes);
        if (m->role.indirect) point(m, m->table, m->live + shift);
    }
    return arguments_of(c, kind, spans, shift, true);
}

/* --- and after it ------------------------------------------------------------------------------------------------ */

/* In words, where the first byte lies that changed. */
static const char *place_of(const hone_judge_memory *m, const char *live, const char *before)
{
    int64_t low, high;
    size_t  at = 0;
    hone_role_extent(&m->role, &low, &high);
    while (live[at] == before[at]) at++;
    int64_t from_first = (int64_t)(at % m->item_bytes) - (int64_t)m->first;
    if (from_first < low) return "the guard zone before it";
    if (from_first >= high) return "the guard zone behind it";
    return m->role.direction == HONE_IN ? "an input" : "the padding between its elements";
}

bool hone_judge_gather(hone_judge_case *c, hone_data_kind kind, size_t shift, int *role, const char **place)
{
    bool clean = true;
    for (int i = 0; i < c->count; i++) {
        hone_judge_memory *m = &c->memory[i];
        if (!m->live) continue;
        if (m->got) each_item(m, m->live + shift, m->before[kind], gather_row);
        if (clean && memcmp(m->live + shift, m->before[kind], m->bytes) != 0) {
            clean = false;
            *role = i;
            *place = place_of(m, m->live + shift, m->before[kind]);
        }
        if (!clean || !m->role.indirect) continue;
        const void *const *expected = (const void *const *)m->table_before[kind];
        for (int64_t t = 0; t < m->items + 2 * HONE_JUDGE_POINTER_GUARD; t++) {
            bool        inside = t >= HONE_JUDGE_POINTER_GUARD && t < HONE_JUDGE_POINTER_GUARD + m->items;
            const void *should = inside ? m->live + shift + item_place(m, t - HONE_JUDGE_POINTER_GUARD) : expected[t];
            if (m->table[t] == should) continue;
            clean = false;
            *role = i;
            *place = "its array of pointers";
            break;
        }
    }
    return clean;
}
