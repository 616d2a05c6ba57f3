/* Sketches of problems: what is of one kind, how far apart, and lines that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/random.h"
#include "runtime/profile/nearest.h"
#include "runtime/profile/row.h"
#include "runtime/profile/sketch.h"

static hone_rt_sketch of(const char *text)
{
    return hone_rt_sketch_of(text, strlen(text), 1);
}

static void only_numbers_differ_within_a_kind(void **state)
{
    const hone_rt_sketch it = of("matmul f32 nn 8x9x10");
    (void)state;
    assert_int_equal(it.kind, of("matmul f32 nn 128x3072x768").kind);
    assert_int_not_equal(it.kind, 0);
    static const char *const others[] = {"matmul f64 nn 8x9x10", "matmul f32 nt 8x9x10", "matmul f32 nn 8x9x10 +relu",
                                         "matmul f32 nn 8x9", "matmul f32 nn 8x9x10 batch=3",
                                         "matmul f32 nn 8x9x10 b=n32", "conv f32 nn 8x9x10", ""};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) assert_int_not_equal(it.kind, of(others[i]).kind);
    assert_int_not_equal(of("matmul f32 nn 8x9x10 b=n32").kind, of("matmul f32 nn 8x9x10 b=n16").kind);
    assert_int_equal(of("matmul f32 nn 8x9x10 ldb=64").kind, of("matmul f32 nn 8x9x10 ldb=96").kind);
    assert_int_not_equal(it.kind, hone_rt_sketch_of("matmul f32 nn 8x9x10", 20, 2).kind);
    assert_int_not_equal(of("1 2 3 4 5 6 7 8 9").kind, of("1 2 3 4 5 6 7 8 8").kind); /* beyond the eighth: words */
}

static void numbers_are_logarithms(void **state)
{
    const hone_rt_sketch it = of("f32 0x1x2x3x4x1024x18446744073709551615");
    (void)state;
    const uint8_t expected[HONE_RT_SKETCH_NUMBERS] = {0, 1, 5, 7, 9, 41};
    assert_memory_equal(it.numbers, expected, 6);
    assert_true(it.numbers[6] > 230 && it.numbers[7] == 0);
    const hone_rt_sketch a = of("8x9x10"), b = of("16x9x10"), c = of("16x9x40");
    assert_int_equal(hone_rt_sketch_apart(&a, &a), 0);
    assert_int_equal(hone_rt_sketch_apart(&a, &b), 16); /* an octave */
    assert_int_equal(hone_rt_sketch_apart(&c, &b), 64);
    assert_int_equal(hone_rt_sketch_apart(&c, &a), hone_rt_sketch_apart(&a, &c));
}

static void lines_as_rows_are_written(void **state)
{
    char        line[HONE_RT_ROW_TEXT_MAX];
    size_t      bytes;
    hone_rt_row row = {.threads = 4, .alignment = 64, .best = {.kernel = "cpu.packed"}, .silicon = "cpu Store"};
    (void)state;
    strcpy(row.problem, "matmul f32 nn 8x9x10");
    assert_int_equal(hone_rt_row_print(&row, line, &bytes), HONE_OK);
    const hone_rt_sketch it = hone_rt_sketch_of_line(line, bytes);
    const hone_rt_sketch same = hone_rt_sketch_of(row.problem, strlen(row.problem), 4);
    assert_memory_equal(&it, &same, sizeof it);
    const size_t told = (size_t)(strstr(line, "\"threads\":4") - line) + strlen("\"threads\":4");
    for (size_t cut = 0; cut <= bytes; cut++) {
        char *copy = malloc(cut + 1); /* of just so many bytes: nothing beyond them is read */
        memcpy(copy, line, cut);
        copy[cut] = '5';
        assert_int_equal(hone_rt_sketch_of_line(copy, cut).kind == it.kind, cut >= told);
        free(copy);
    }
    row.kind = HONE_RT_ROW_QUARANTINE;
    assert_int_equal(hone_rt_row_print(&row, line, &bytes), HONE_OK);
    assert_int_equal(hone_rt_sketch_of_line(line, bytes).kind, 0);
}

/* --- which are nearest -------------------------------------------------------------------------------------------- */

static const hone_rt_sketch *sketch_at(const void *self, int index)
{
    const hone_rt_sketch *all = self;
    return index % 7 == 3 ? NULL : &all[index]; /* some count for nothing */
}

/* By looking at each. */
static int nearest_of_all(const hone_rt_sketch *all, int count, const hone_rt_sketch *it, int *out, int most)
{
    int found = 0;
    for (int i = 0; i < count; i++) {
        if (!sketch_at(all, i) || all[i].kind != it->kind) continue;
        int at = found < most ? found++ : most;
        for (; at > 0 && hone_rt_sketch_apart(&all[i], it) < hone_rt_sketch_apart(&all[out[at - 1]], it); at--)
            if (at < most) out[at] = out[at - 1];
        if (at < most) out[at] = i;
    }
    return found;
}

static void the_nearest_are_found(void **state)
{
    enum { COUNT = 500, MOST = HONE_RT_NEAREST_MOST };
    static hone_rt_sketch all[COUNT];
    hone_random           r = hone_random_seeded(3);
    (void)state;
    for (int round = 0; round < 60; round++) {
        const int       count = round % 10 ? COUNT : round / 10, used = round % 9, spread = 1 + round * 4 % 250;
        hone_rt_nearest nearest;
        for (int i = 0; i < count; i++) {
            all[i] = (hone_rt_sketch){.kind = (uint32_t)(1 + hone_random_below(&r, 3))};
            for (int j = 0; j < used; j++) all[i].numbers[j] = (uint8_t)hone_random_below(&r, (uint64_t)spread);
        }
        assert_int_equal(hone_rt_nearest_build(sketch_at, all, count, &nearest), HONE_OK);
        for (int question = 0; question < 50; question++) {
            int            got[MOST], expected[MOST], most = question % (MOST + 1);
            hone_rt_sketch it = {.kind = (uint32_t)(question % 5)}; /* 0 and 4: there are none */
            for (int j = 0; j < HONE_RT_SKETCH_NUMBERS && (j < used || question % 11 == 0); j++)
                it.numbers[j] = (uint8_t)hone_random_below(&r, (uint64_t)spread);
            const int count_got = hone_rt_nearest_find(&nearest, &it, got, most);
            assert_int_equal(count_got, nearest_of_all(all, count, &it, expected, most));
            assert_memory_equal(got, expected, (size_t)count_got * sizeof *got);
        }
        hone_rt_nearest_free(&nearest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_numbers_differ_within_a_kind),
        cmocka_unit_test(numbers_are_logarithms),
        cmocka_unit_test(lines_as_rows_are_written),
        cmocka_unit_test(the_nearest_are_found),
    };
    return cmocka_run_group_tests_name("runtime.sketch", tests, NULL, NULL);
}
