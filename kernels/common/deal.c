/* Runs of units as chunks of the pool, and the rooms that they take. */
#include "kernels/common/deal.h"

#include <stdatomic.h>

#include "backends/cpu/cpu.h"
#include "base/size.h"

enum { RUNS_EACH = 32 };    /* runs for each thread, at most: the last ones are short, and threads end together */
#define RUN_SECONDS 2e-6    /* at least, else taking them costs too much */

typedef struct deal_now {
    const hone_deal  *deal;
    int64_t           runs;
    _Atomic(uint64_t) taken[HONE_CPU_THREADS_MAX / 64]; /* the rooms in use */
} deal_now;

/* A caller's pool that lets more threads run than it said makes them wait. */
static int room_take(deal_now *now)
{
    const int rooms = now->deal->threads;
    for (;;) {
        for (int i = 0; i < rooms; i += 64) {
            const uint64_t     all = rooms - i < 64 ? ((uint64_t)1 << (rooms - i)) - 1 : UINT64_MAX;
            _Atomic(uint64_t) *word = &now->taken[i / 64];
            for (uint64_t free; (free = all & ~atomic_load_explicit(word, memory_order_relaxed));) {
                const uint64_t bit = free & -free;
                if (!(atomic_fetch_or_explicit(word, bit, memory_order_acquire) & bit))
                    return i + __builtin_ctzll(bit);
            }
        }
    }
}

static void room_give(deal_now *now, int room)
{
    atomic_fetch_and_explicit(&now->taken[room / 64], ~((uint64_t)1 << (room % 64)), memory_order_release);
}

static void run(void *argument, int index)
{
    deal_now        *now = argument;
    const hone_deal *deal = now->deal;
    const int64_t begin = index * deal->units / now->runs, end = (index + 1) * deal->units / now->runs;
    if (!deal->room_bytes) {
        deal->run(deal->work, begin, end, deal->rooms);
        return;
    }
    const int room = room_take(now);
    deal->run(deal->work, begin, end, deal->rooms + (size_t)room * deal->room_bytes);
    room_give(now, room);
}

static void mark(const hone_deal *deal, int rooms)
{
    for (int i = 0; deal->marked && i < rooms; i++)
        *(int64_t *)(void *)(deal->rooms + (size_t)i * deal->room_bytes) = -1;
}

/* Into how many runs so many units are cut; below 2: the caller does them all. */
static int64_t runs_of(int threads, int64_t units, double seconds)
{
    const int64_t most = hone_min(units, RUNS_EACH * hone_min(threads, units));
    if (threads < 2 || units < 2 || seconds < HONE_CPU_FORK_SECONDS) return 1;
    return seconds < (double)most * RUN_SECONDS ? (int64_t)(seconds / RUN_SECONDS) : most;
}

int hone_deal_threads(int threads, int64_t units, double seconds)
{
    const int64_t runs = runs_of(threads, units, seconds);
    return runs < 2 ? 1 : (int)hone_min(hone_min(threads, units), runs);
}

double hone_deal_seconds(int threads, int64_t units, double seconds, double fork_seconds)
{
    const int     parts = hone_deal_threads(threads, units, seconds);
    const int64_t runs = runs_of(threads, units, seconds);
    if (parts < 2) return seconds;
    return seconds * (double)hone_divide_up(runs, parts) / (double)runs + fork_seconds;
}

void hone_deal_out(const hone_be_stream *stream, const hone_deal *deal)
{
    const hone_team team = {stream->team.threads,
                            (int)hone_min(hone_min(deal->threads, stream->team.count), deal->units)};
    const int64_t   runs = runs_of(team.count, deal->units, deal->seconds);
    if (runs < 2) {
        mark(deal, 1);
        deal->run(deal->work, 0, deal->units, deal->rooms);
        return;
    }
    deal_now now = {.deal = deal, .runs = runs};
    mark(deal, deal->threads);
    hone_cpu_each(&team, (int)runs, deal->seconds, run, &now);
}
