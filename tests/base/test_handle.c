/* Handles: living ones are found, all others are refused with the reason, and threads do not disturb each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/handle.h"
#include "base/random.h"
#include "base/status.h"

static void lives_until_taken(void **state)
{
    int   object;
    void *token, *again;
    (void)state;
    assert_int_equal(hone_handle_new(HONE_HANDLE_STREAM, &object, &token), HONE_OK);
    assert_ptr_not_equal(token, &object);
    assert_ptr_equal(hone_handle_get(token, HONE_HANDLE_STREAM), &object);
    assert_null(hone_handle_get(token, HONE_HANDLE_BUFFER));
    assert_null(hone_handle_take(token, HONE_HANDLE_BUFFER));
    assert_ptr_equal(hone_handle_take(token, HONE_HANDLE_STREAM), &object);
    assert_null(hone_handle_get(token, HONE_HANDLE_STREAM));
    assert_null(hone_handle_take(token, HONE_HANDLE_STREAM));

    /* the place is used again, the token never */
    assert_int_equal(hone_handle_new(HONE_HANDLE_STREAM, &object, &again), HONE_OK);
    assert_ptr_not_equal(token, again);
    assert_null(hone_handle_get(token, HONE_HANDLE_STREAM));
    assert_ptr_equal(hone_handle_take(again, HONE_HANDLE_STREAM), &object);
}

static void assert_sentence(const void *token, hone_handle_kind kind, const char *form)
{
    char expected[256];
    snprintf(expected, sizeof expected, form, token); /* `form` has one %p at most */
    assert_int_equal(hone_handle_refuse(token, kind, "matmul"), HONE_ERROR_HANDLE);
    assert_string_equal(hone_last_error(), expected);
}

static void says_what_is_wrong(void **state)
{
    int   object;
    void *stream, *event;
    (void)state;
    assert_int_equal(hone_handle_new(HONE_HANDLE_STREAM, &object, &stream), HONE_OK);
    assert_int_equal(hone_handle_new(HONE_HANDLE_EVENT, &object, &event), HONE_OK);

    assert_sentence(NULL, HONE_HANDLE_STREAM, "matmul: the stream handle is NULL");
    assert_sentence(&object, HONE_HANDLE_STREAM, "matmul: the stream handle %p is none of hone's");
    assert_sentence((void *)(uintptr_t)7, HONE_HANDLE_STREAM, "matmul: the stream handle %p is none of hone's");
    assert_sentence(stream, HONE_HANDLE_EVENT, "matmul: the handle %p is a stream, not an event");
    assert_sentence(event, HONE_HANDLE_STREAM, "matmul: the handle %p is an event, not a stream");
    assert_ptr_equal(hone_handle_take(stream, HONE_HANDLE_STREAM), &object);
    assert_ptr_equal(hone_handle_take(event, HONE_HANDLE_EVENT), &object);
    assert_sentence(stream, HONE_HANDLE_STREAM, "matmul: the stream handle %p was destroyed");
    assert_sentence(stream, HONE_HANDLE_PLAN, "matmul: the handle %p is a stream that was destroyed, not a plan");

    hone_handle_kind kind;
    assert_int_equal(hone_handle_state_of(stream, &kind), HONE_HANDLE_DESTROYED);
    assert_int_equal(kind, HONE_HANDLE_STREAM);
    assert_int_equal(hone_handle_state_of(&object, &kind), HONE_HANDLE_FOREIGN);
    assert_int_equal(kind, HONE_HANDLE_NONE);
    assert_int_equal(hone_handle_state_of(NULL, NULL), HONE_HANDLE_IS_NULL);
}

static void nothing_made_up_is_found(void **state)
{
    int         object;
    void       *token;
    hone_random r = hone_random_seeded(1);
    (void)state;
    assert_int_equal(hone_handle_new(HONE_HANDLE_PLAN, &object, &token), HONE_OK);
    for (int bit = 0; bit < (int)sizeof(uintptr_t) * 8; bit++) {
        void *near = (void *)((uintptr_t)token ^ (uintptr_t)1 << bit);
        for (int kind = HONE_HANDLE_CONTEXT; kind <= HONE_HANDLE_PLAN; kind++) {
            assert_null(hone_handle_get(near, (hone_handle_kind)kind));
            assert_null(hone_handle_take(near, (hone_handle_kind)kind));
        }
        assert_int_equal(hone_handle_refuse(near, HONE_HANDLE_PLAN, "test"), HONE_ERROR_HANDLE);
    }
    for (int i = 0; i < 200000; i++) {
        void *made_up = (void *)(uintptr_t)hone_random_next(&r);
        if (made_up == token) continue;
        assert_null(hone_handle_get(made_up, HONE_HANDLE_PLAN));
        assert_null(hone_handle_take(made_up, HONE_HANDLE_PLAN));
        assert_int_not_equal(hone_handle_state_of(made_up, NULL), HONE_HANDLE_LIVES);
    }
    for (uintptr_t small = 0; small < 4096; small++) assert_null(hone_handle_get((void *)small, HONE_HANDLE_PLAN));
    assert_ptr_equal(hone_handle_take(token, HONE_HANDLE_PLAN), &object);
}

static void the_table_can_be_full(void **state)
{
    static char objects[1 << 18]; /* as many as there are places at most */
    void      **tokens = calloc(sizeof objects, sizeof *tokens);
    size_t      count = 0;
    void       *extra;
    (void)state;
    while (count < sizeof objects &&
           hone_handle_new(HONE_HANDLE_BUFFER, &objects[count], &tokens[count]) == HONE_OK) count++;
    assert_true(count >= 1 << 12);
    assert_int_equal(hone_handle_new(HONE_HANDLE_BUFFER, &objects[0], &extra), HONE_ERROR_MEMORY);
    assert_null(extra);
    assert_non_null(strstr(hone_last_error(), "no buffer more"));
    for (size_t i = 0; i < count; i++) assert_ptr_equal(hone_handle_take(tokens[i], HONE_HANDLE_BUFFER), &objects[i]);
    assert_int_equal(hone_handle_new(HONE_HANDLE_BUFFER, &objects[0], &extra), HONE_OK);
    assert_ptr_equal(hone_handle_take(extra, HONE_HANDLE_BUFFER), &objects[0]);
    free(tokens);
}

/* --- threads -------------------------------------------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 20000, SHARED = 64 };

typedef struct racer {
    hone_handle_kind kind;
    uint64_t         seed;
    int              taken; /* of the shared ones */
    bool             wrong;
} racer;

static _Atomic(uintptr_t) shared[SHARED];
static char               shared_objects[SHARED];

/* Makes, looks up and ends handles of its own, looks at everybody's, and takes shared ones in a race. */
static void *race(void *argument)
{
    racer      *self = argument;
    hone_random r = hone_random_seeded(self->seed);
    int         objects[8];
    void       *own[8] = {0}, *dead = NULL;
    for (int i = 0; i < ROUNDS && !self->wrong; i++) {
        int at = (int)hone_random_below(&r, 8);
        if (!own[at]) {
            if (hone_handle_new(self->kind, &objects[at], &own[at]) != HONE_OK) self->wrong = true;
        } else {
            if (hone_handle_get(own[at], self->kind) != &objects[at]) self->wrong = true;
            if (hone_handle_take(own[at], self->kind) != &objects[at]) self->wrong = true;
            dead = own[at];
            own[at] = NULL;
        }
        if (dead && (hone_handle_get(dead, self->kind) || hone_handle_take(dead, self->kind))) self->wrong = true;
        int   which = (int)hone_random_below(&r, SHARED);
        void *token = (void *)atomic_load(&shared[which]);
        void *got = hone_handle_get(token, HONE_HANDLE_CONTEXT);
        if (got && got != &shared_objects[which]) self->wrong = true;
        if (hone_random_below(&r, 64) == 0 && hone_handle_take(token, HONE_HANDLE_CONTEXT)) self->taken++;
    }
    for (int at = 0; at < 8; at++)
        if (own[at] && hone_handle_take(own[at], self->kind) != &objects[at]) self->wrong = true;
    return NULL;
}

static void threads_do_not_disturb_each_other(void **state)
{
    pthread_t thread[THREADS];
    racer     racers[THREADS];
    int       taken = 0;
    (void)state;
    for (int i = 0; i < SHARED; i++) {
        void *token;
        assert_int_equal(hone_handle_new(HONE_HANDLE_CONTEXT, &shared_objects[i], &token), HONE_OK);
        atomic_store(&shared[i], (uintptr_t)token);
    }
    for (int i = 0; i < THREADS; i++) {
        racers[i] = (racer){(hone_handle_kind)(HONE_HANDLE_DEVICE + i), (uint64_t)i + 1, 0, false};
        assert_int_equal(pthread_create(&thread[i], NULL, race, &racers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        assert_false(racers[i].wrong);
        taken += racers[i].taken;
    }
    for (int i = 0; i < SHARED; i++)
        taken += hone_handle_take((void *)atomic_load(&shared[i]), HONE_HANDLE_CONTEXT) == &shared_objects[i];
    assert_int_equal(taken, SHARED); /* each exactly once */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lives_until_taken),       cmocka_unit_test(says_what_is_wrong),
        cmocka_unit_test(nothing_made_up_is_found), cmocka_unit_test(the_table_can_be_full),
        cmocka_unit_test(threads_do_not_disturb_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
