/* Units dealt out: each of them once, in whole runs, on no more rooms than there are, none of which two threads have at
 * once, also where a caller's pool lets more threads run than it said; and work that is too short stays with its
 * caller. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above */
#include <cmocka.h>

#include "backends/cpu/cpu.h"
#include "kernels/common/deal.h"

enum { MOST = 3000, ROOMS = 3, ROOM = 64 };

typedef struct table {
    _Atomic(int) seen[MOST];
    _Atomic(int) runs, broken, inside[ROOMS];
    char        *rooms;
    bool         marked;
} table;

static void serve(void *work, int64_t begin, int64_t end, char *room)
{
    table *t = work;
    volatile int turns = 0;
    atomic_fetch_add(&t->runs, 1);
    if (t->rooms) {
        const ptrdiff_t which = (room - t->rooms) / ROOM;
        if (which < 0 || which >= ROOMS || atomic_fetch_add(&t->inside[which], 1)) atomic_fetch_add(&t->broken, 1);
        if (t->marked) { /* what the thread before left */
            int64_t *mark = (int64_t *)(void *)room;
            if (*mark != -1 && (*mark < 0 || *mark >= MOST || !atomic_load(&t->seen[*mark])))
                atomic_fetch_add(&t->broken, 1);
            if (begin < end) *mark = begin;
        }
    }
    for (int64_t unit = begin; unit < end; unit++)
        if (unit < 0 || unit >= MOST || atomic_fetch_add(&t->seen[unit], 1)) atomic_fetch_add(&t->broken, 1);
    while (turns < 200) turns = turns + 1;
    if (t->rooms && atomic_fetch_sub(&t->inside[(room - t->rooms) / ROOM], 1) != 1) atomic_fetch_add(&t->broken, 1);
}

/* --- a caller's pool, of more threads than it says --------------------------------------------------------------- */

typedef struct crowd {
    _Atomic(int) next;
    int          chunks;
    void (*work)(void *argument, int chunk);
    void *argument;
} crowd;

static void *take_part(void *argument)
{
    crowd *c = argument;
    for (int chunk; (chunk = atomic_fetch_add(&c->next, 1)) < c->chunks;) c->work(c->argument, chunk);
    return NULL;
}

static void crowd_run(void *user, int chunks, void (*work)(void *argument, int chunk), void *argument)
{
    enum { THREADS = 5 };
    pthread_t thread[THREADS];
    crowd     c = {.chunks = chunks, .work = work, .argument = argument};
    *(int *)user += 1;
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&thread[i], NULL, take_part, &c), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
}

static void each_unit_once(void **state)
{
    static table t;
    static const int64_t units[] = {0, 1, 2, 3, 31, 64, 65, 191, 1000, MOST};
    static const double seconds[] = {0, 1e-6, 5e-6, 4e-5, 1};
    static char rooms[ROOMS * ROOM] __attribute__((aligned(64)));
    int         called = 0;
    hone_threads theirs = {&called, ROOMS, crowd_run};
    (void)state;
    for (int threads = 1; threads <= ROOMS; threads++)
        for (int kind = 0; kind < 6; kind++) /* of pool, and of rooms: none, plain, marked */
            for (size_t u = 0; u < sizeof units / sizeof *units; u++)
                for (size_t s = 0; s < sizeof seconds / sizeof *seconds; s++) {
                    hone_be_stream stream = {NULL, {kind < 3 ? &theirs : NULL, ROOMS}};
                    memset(&t, 0, sizeof t);
                    memset(rooms, 7, sizeof rooms);
                    t.rooms = kind % 3 ? rooms : NULL;
                    t.marked = kind % 3 == 2;
                    hone_deal_out(&stream, &(hone_deal){threads, units[u], seconds[s], t.rooms, t.rooms ? ROOM : 0,
                                                        t.marked, serve, &t});
                    int sum = 0;
                    for (int i = 0; i < MOST; i++) sum += atomic_load(&t.seen[i]);
                    assert_int_equal(sum, units[u]);
                    assert_int_equal(atomic_load(&t.broken), 0);
                    for (int i = 0; i < threads; i++) assert_int_equal(atomic_load(&t.inside[i]), 0);
                }
    assert_true(called > 0);
}

static void little_stays_with_its_caller(void **state)
{
    static table t;
    int          called = 0;
    hone_threads theirs = {&called, ROOMS, crowd_run};
    hone_be_stream stream = {NULL, {&theirs, ROOMS}};
    hone_deal      deal = {ROOMS, 1000, HONE_CPU_FORK_SECONDS * 0.99, NULL, 0, false, serve, &t};
    (void)state;
    hone_deal_out(&stream, &deal);
    assert_int_equal(called, 0);

    memset(&t, 0, sizeof t);
    deal.seconds = 1;
    deal.threads = 1;
    hone_deal_out(&stream, &deal);
    assert_int_equal(called, 0);
    assert_int_equal(atomic_load(&t.runs), 1);

    memset(&t, 0, sizeof t);
    deal.threads = ROOMS;
    hone_deal_out(&stream, &deal);
    assert_int_equal(called, 1);
    assert_true(atomic_load(&t.runs) > ROOMS); /* whoever takes part may leave in between */
}

/* What estimates are told beforehand is what happens: asked of a pool, or not; and no quicker than evenly shared. */
static void it_is_told_beforehand(void **state)
{
    static const int64_t units[] = {0, 1, 2, 3, 5, 64, 1000};
    static const double  seconds[] = {0, 1e-6, 3.99e-6, 4.01e-6, 5e-6, 9e-6, 4e-5, 1};
    static table t;
    int          called = 0;
    hone_threads theirs = {&called, ROOMS, crowd_run};
    hone_be_stream stream = {NULL, {&theirs, ROOMS}};
    (void)state;
    for (int threads = 1; threads <= ROOMS; threads++)
        for (size_t u = 0; u < sizeof units / sizeof *units; u++)
            for (size_t s = 0; s < sizeof seconds / sizeof *seconds; s++) {
                const int    parts = hone_deal_threads(threads, units[u], seconds[s]);
                const double told = hone_deal_seconds(threads, units[u], seconds[s], 0);
                memset(&t, 0, sizeof t);
                called = 0;
                hone_deal_out(&stream, &(hone_deal){threads, units[u], seconds[s], NULL, 0, false, serve, &t});
                assert_int_equal(called, parts > 1);
                assert_true(parts >= 1 && parts <= threads);
                assert_true(told * parts >= seconds[s] * (1 - 1e-12) && told <= seconds[s]);
                if (parts > 1) assert_true(hone_deal_seconds(threads, units[u], seconds[s], 1) == told + 1);
            }
    assert_true(hone_deal_seconds(2, 3, 1, 0) == 2.0 / 3); /* one of them has two */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_unit_once),
                                       cmocka_unit_test(little_stays_with_its_caller),
                                       cmocka_unit_test(it_is_told_beforehand)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
