/* One table of slots for the handles of the whole process. It is static: it never moves and is never freed, so a
 * look-up needs no lock even for a token that died long ago, and an untouched page of it costs nothing.
 *
 *     token    mark | kind | serial | place | 1        a slot holds the token it belongs to, 0 while it is free,
 *                                                      and the token without its last bit while a thread is in it
 *
 * Serials count over the whole process, so a slot that is used again never answers to an old token (until the count
 * comes around, after 2^34 handles). The mark makes a token no address that a 64-bit user program can have, the last
 * bit makes it odd. Free slots form a stack without a lock, so that a fork at any moment leaves it whole. */
#include "base/handle.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

#if UINTPTR_MAX > 0xffffffffu
enum { MARK_BITS = 8, KIND_BITS = 3, SERIAL_BITS = 34, PLACE_BITS = 18 };
#define MARK ((uintptr_t)0x6b) /* its upper bits differ: no canonical address */
#else
enum { MARK_BITS = 2, KIND_BITS = 3, SERIAL_BITS = 14, PLACE_BITS = 12 };
#define MARK ((uintptr_t)0x2)
#endif
_Static_assert(MARK_BITS + KIND_BITS + SERIAL_BITS + PLACE_BITS + 1 == sizeof(uintptr_t) * 8,
               "a token fills a pointer");

enum { PLACES = 1 << PLACE_BITS, PLACE_AT = 1, SERIAL_AT = PLACE_AT + PLACE_BITS, KIND_AT = SERIAL_AT + SERIAL_BITS };
#define SERIAL_MASK (((uint64_t)1 << SERIAL_BITS) - 1)

typedef struct slot {
    _Atomic(uintptr_t) token;
    _Atomic(uintptr_t) object; /* while the slot is free: the next free place + 1, 0 for none */
} slot;

static slot              slots[PLACES];
static _Atomic(uint32_t) used;    /* places that were ever used */
static _Atomic(uint64_t) free_at; /* change count << 32 | place + 1 of the first free one */
static _Atomic(uint64_t) serials; /* handed out so far */

/* --- free places ---------------------------------------------------------------------------------------------- */

static bool place_take(uint32_t *out)
{
    uint64_t head = atomic_load_explicit(&free_at, memory_order_acquire);
    while ((uint32_t)head) {
        uint32_t  place = (uint32_t)head - 1;
        uintptr_t next = atomic_load_explicit(&slots[place].object, memory_order_relaxed);
        uint64_t  rest = ((head >> 32) + 1) << 32 | (uint32_t)next; /* counted, so a stale `next` is never installed */
        if (atomic_compare_exchange_weak_explicit(&free_at, &head, rest, memory_order_acq_rel, memory_order_acquire)) {
            *out = place;
            return true;
        }
    }
    uint32_t fresh = atomic_load_explicit(&used, memory_order_relaxed);
    while (fresh < PLACES)
        if (atomic_compare_exchange_weak_explicit(&used, &fresh, fresh + 1, memory_order_relaxed,
                                                  memory_order_relaxed)) {
            *out = fresh;
            return true;
        }
    return false;
}

static void place_give(uint32_t place)
{
    uint64_t head = atomic_load_explicit(&free_at, memory_order_relaxed), first;
    do {
        atomic_store_explicit(&slots[place].object, (uint32_t)head, memory_order_release);
        first = ((head >> 32) + 1) << 32 | (place + 1);
    } while (
        !atomic_compare_exchange_weak_explicit(&free_at, &head, first, memory_order_release, memory_order_relaxed));
}

/* --- tokens --------------------------------------------------------------------------------------------------- */

static uint32_t place_of(uintptr_t token)
{
    return (uint32_t)(token >> PLACE_AT) & (PLACES - 1);
}

/* The slot that a token of this kind would have; NULL when it cannot be one. */
static slot *slot_of(uintptr_t token, hone_handle_kind kind)
{
    uintptr_t head = MARK << KIND_BITS | (uintptr_t)kind;
    return token >> KIND_AT == head && (token & 1) ? &slots[place_of(token)] : NULL;
}

hone_status hone_handle_new(hone_handle_kind kind, void *object, void **out)
{
    HONE_ASSERT(kind > HONE_HANDLE_NONE && kind <= HONE_HANDLE_WEIGHTS && object);
    uint32_t place;
    *out = NULL;
    HONE_CHECK(place_take(&place), HONE_ERROR_MEMORY, "no %s more: %d handles live already, the most there can be",
               hone_handle_kind_name(kind), PLACES);
    uint64_t  serial = (atomic_fetch_add_explicit(&serials, 1, memory_order_relaxed) + 1) & SERIAL_MASK;
    uintptr_t token = (MARK << KIND_BITS | (uintptr_t)kind) << KIND_AT | (uintptr_t)serial << SERIAL_AT |
                      (uintptr_t)place << PLACE_AT | 1;
    atomic_store_explicit(&slots[place].object, (uintptr_t)object, memory_order_release);
    atomic_store_explicit(&slots[place].token, token, memory_order_release);
    *out = (void *)token;
    return HONE_OK;
}

void *hone_handle_get(const void *handle, hone_handle_kind kind)
{
    uintptr_t token = (uintptr_t)handle;
    slot     *at = slot_of(token, kind);
    if (!at || atomic_load_explicit(&at->token, memory_order_acquire) != token) return NULL;
    /* Whoever changes `object` has cleared `token` before: if it still stands, what was read belongs to it. */
    uintptr_t object = atomic_load_explicit(&at->object, memory_order_acquire);
    return atomic_load_explicit(&at->token, memory_order_relaxed) == token ? (void *)object : NULL;
}

void *hone_handle_take(const void *handle, hone_handle_kind kind)
{
    uintptr_t token = (uintptr_t)handle, expected = token;
    slot     *at = slot_of(token, kind);
    if (!at || atomic_load_explicit(&at->token, memory_order_acquire) != token) return NULL;
    uintptr_t object = atomic_load_explicit(&at->object, memory_order_acquire);
    if (!atomic_compare_exchange_strong_explicit(&at->token, &expected, 0, memory_order_acq_rel, memory_order_relaxed))
        return NULL;
    place_give(place_of(token));
    return (void *)object;
}

static uintptr_t entered(uintptr_t token)
{
    return token ^ 1;
}

void *hone_handle_enter(const void *handle, hone_handle_kind kind)
{
    uintptr_t token = (uintptr_t)handle, expected = token;
    slot     *at = slot_of(token, kind);
    if (!at || !atomic_compare_exchange_strong_explicit(&at->token, &expected, entered(token), memory_order_acquire,
                                                        memory_order_relaxed))
        return NULL;
    return (void *)atomic_load_explicit(&at->object, memory_order_relaxed);
}

void hone_handle_leave(const void *handle)
{
    atomic_store_explicit(&slots[place_of((uintptr_t)handle)].token, (uintptr_t)handle, memory_order_release);
}

void hone_handle_end(const void *handle)
{
    uint32_t place = place_of((uintptr_t)handle);
    atomic_store_explicit(&slots[place].token, 0, memory_order_release);
    place_give(place);
}

hone_handle_state hone_handle_state_of(const void *handle, hone_handle_kind *kind)
{
    uintptr_t        token = (uintptr_t)handle;
    hone_handle_kind its = (hone_handle_kind)(token >> KIND_AT & ((1u << KIND_BITS) - 1));
    uint64_t         serial = (uint64_t)token >> SERIAL_AT & SERIAL_MASK;
    uint64_t         last = atomic_load_explicit(&serials, memory_order_relaxed);
    if (kind) *kind = HONE_HANDLE_NONE;
    if (!handle) return HONE_HANDLE_IS_NULL;
    if (its == HONE_HANDLE_NONE || its > HONE_HANDLE_WEIGHTS || !slot_of(token, its)) return HONE_HANDLE_FOREIGN;
    if (place_of(token) >= atomic_load_explicit(&used, memory_order_relaxed)) return HONE_HANDLE_FOREIGN;
    if (last <= SERIAL_MASK && (serial == 0 || serial > last)) return HONE_HANDLE_FOREIGN;
    if (kind) *kind = its;
    /* Looked at once: between two looks another thread may leave, and a third enter. */
    uintptr_t now = atomic_load_explicit(&slot_of(token, its)->token, memory_order_acquire);
    return now == token ? HONE_HANDLE_LIVES : now == entered(token) ? HONE_HANDLE_ENTERED : HONE_HANDLE_DESTROYED;
}

const char *hone_handle_kind_name(hone_handle_kind kind)
{
    switch ((int)kind) {
#define KIND_NAME(name, number, text)                                                                                  \
    case number: return text;
        HONE_HANDLE_LIST(KIND_NAME)
#undef KIND_NAME
    }
    return "?";
}

hone_status hone_handle_refuse(const void *handle, hone_handle_kind kind, const char *where)
{
    hone_handle_kind  its;
    hone_handle_state state = hone_handle_state_of(handle, &its);
    const char       *wanted = hone_handle_kind_name(kind), *is = hone_handle_kind_name(its);
    const char       *article = its == HONE_HANDLE_EVENT ? "an" : "a";

    if (state == HONE_HANDLE_IS_NULL) return hone_fail(HONE_ERROR_HANDLE, "%s: the %s handle is NULL", where, wanted);
    if (state == HONE_HANDLE_FOREIGN)
        return hone_fail(HONE_ERROR_HANDLE, "%s: the %s handle %p is none of hone's", where, wanted, handle);
    if (its != kind)
        return hone_fail(HONE_ERROR_HANDLE, "%s: the handle %p is %s %s%s, not %s %s", where, handle, article, is,
                         state == HONE_HANDLE_DESTROYED ? " that was destroyed" : "",
                         kind == HONE_HANDLE_EVENT ? "an" : "a", wanted);
    /* A handle that lives by now was in use when the call found it so. */
    if (state != HONE_HANDLE_DESTROYED)
        return hone_fail(HONE_ERROR_THREAD, "%s: the %s %p is in use by another call; one thread at a time", where,
                         wanted, handle);
    return hone_fail(HONE_ERROR_HANDLE, "%s: the %s handle %p was destroyed", where, wanted, handle);
}
