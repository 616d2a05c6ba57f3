/* Memory: aligned, zeroed, counted, through one hook, and a sentence where there is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/status.h"
#include "tests/memory.h"

static void is_aligned_and_zeroed(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes < 300; bytes += 7) {
        unsigned char *memory = hone_alloc(bytes, 1);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % HONE_CACHE_LINE, 0);
        for (size_t i = 0; i < bytes; i++) assert_int_equal(memory[i], 0);
        memset(memory, 0xff, bytes);
        hone_free(memory);
    }
    for (size_t alignment = 1; alignment <= 1 << 21; alignment *= 2) {
        char *memory = hone_alloc_raw(100, alignment);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % alignment, 0);
        memset(memory, 1, 100);
        hone_free(memory);
    }
    hone_free(NULL);
    assert_int_equal(hone_alloc_live(), 0);
}

static void sizes_do_not_wrap(void **state)
{
    volatile size_t huge = SIZE_MAX; /* else the compiler says what we test */
    (void)state;
    assert_null(hone_alloc(huge / 2 + 1, 2));
    assert_string_equal(hone_last_error(), "out of memory: 9223372036854775808 times 2 bytes do not fit a size");
    assert_null(hone_alloc_raw(huge - 10, 64));
    assert_non_null(strstr(hone_last_error(), "more than an address space holds"));
    assert_null(hone_alloc_raw(huge / 2 - 10, 64));
    assert_null(hone_alloc_raw(huge, 64));
    assert_int_equal(hone_alloc_live(), 0);
}

static void a_hook_sees_every_block(void **state)
{
    test_memory memory;
    (void)state;
    assert_int_equal(test_memory_use(&memory), HONE_OK);
    void *one = hone_alloc(10, 10), *two = hone_alloc_raw(1000, 4096);
    assert_int_equal(memory.blocks, 2);
    assert_int_equal(hone_alloc_live(), 2);

    assert_int_equal(hone_allocator_set(NULL), HONE_ERROR_STATE); /* what was taken must go back */
    assert_non_null(strstr(hone_last_error(), "2 blocks"));
    hone_free(one);
    hone_free(two);
    assert_int_equal(memory.blocks, 0);
    assert_int_equal(memory.bytes, 0);

    memory.fail_at = memory.calls + 2;
    assert_non_null(one = hone_alloc(1, 1));
    assert_null(hone_alloc(1, 8));
    assert_string_equal(hone_last_error(), "out of memory: 8 bytes were asked for");
    hone_free(one);
    assert_int_equal(test_memory_use(NULL), HONE_OK);
}

static void lists_grow_and_keep_what_they_have(void **state)
{
    test_memory memory;
    int        *list = NULL, room = 0;
    (void)state;
    assert_int_equal(test_memory_use(&memory), HONE_OK);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(hone_grow(&list, i, &room, sizeof *list), HONE_OK);
        assert_true(room > i && list[i] == 0);
        list[i] = i;
    }
    for (int i = 0; i < 1000; i++) assert_int_equal(list[i], i);
    assert_true(memory.blocks == 1 && memory.calls < 12);
    assert_int_equal(room, 1024);

    memory.fail_at = memory.calls + 1;
    int *before = list;
    assert_int_equal(hone_grow(&list, room, &room, sizeof *list), HONE_ERROR_MEMORY);
    assert_true(list == before && room == 1024 && list[999] == 999);
    int wide = 1 << 30; /* so many, as it says */
    assert_int_equal(hone_grow(&list, wide, &wide, sizeof *list), HONE_ERROR_MEMORY);
    assert_non_null(strstr(hone_last_error(), "1073741824"));
    assert_int_equal(hone_grow(&list, 1024, &room, SIZE_MAX / 64), HONE_ERROR_MEMORY);
    assert_non_null(strstr(hone_last_error(), "do not fit a size"));
    assert_true(list == before && room == 1024 && wide == 1 << 30);
    hone_free(list);
    assert_int_equal(memory.blocks, 0);
    assert_int_equal(test_memory_use(NULL), HONE_OK);
}

static char *crooked_block;

static void *crooked_allocate(void *user, size_t bytes, size_t alignment)
{
    (void)user;
    crooked_block = malloc(bytes + alignment + 1);
    return (char *)((uintptr_t)(crooked_block + alignment) / alignment * alignment) + 1;
}

static void crooked_release(void *user, void *block, size_t bytes)
{
    (void)user, (void)block, (void)bytes;
    free(crooked_block);
    crooked_block = NULL;
}

static void a_crooked_hook_is_told(void **state)
{
    hone_allocator crooked = {NULL, crooked_allocate, crooked_release}, half = {NULL, crooked_allocate, NULL};
    (void)state;
    assert_int_equal(hone_allocator_set(&half), HONE_ERROR_ARGUMENT);
    assert_int_equal(hone_allocator_set(&crooked), HONE_OK);
    assert_null(hone_alloc(1, 1));
    assert_non_null(strstr(hone_last_error(), "alignment of 64"));
    assert_null(crooked_block);
    assert_int_equal(hone_allocator_set(NULL), HONE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_aligned_and_zeroed),   cmocka_unit_test(sizes_do_not_wrap),
        cmocka_unit_test(a_hook_sees_every_block), cmocka_unit_test(lists_grow_and_keep_what_they_have),
        cmocka_unit_test(a_crooked_hook_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
