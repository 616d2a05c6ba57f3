/* Text that is built and read: never past its end, and no number that was not written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <locale.h>
#include <stdlib.h>

#include "base/random.h"
#include "base/text.h"

static hone_word word(const char *text)
{
    return (hone_word){text, strlen(text)};
}

static void building_stops_at_the_end(void **state)
{
    char out[8];
    (void)state;
    for (size_t capacity = 0; capacity <= sizeof out; capacity++) {
        memset(out, '#', sizeof out);
        hone_text text = hone_text_in(out, capacity);
        hone_text_add(&text, "%s", "abc");
        hone_text_add(&text, "%d", 12345);
        assert_int_equal(text.length, 8);
        if (capacity) assert_int_equal(strncmp(out, "abc12345", capacity - 1), 0);
        if (capacity) assert_int_equal(out[capacity - 1], 0);
        for (size_t i = capacity; i < sizeof out; i++) assert_int_equal(out[i], '#');
    }
}

static void words_are_told_apart(void **state)
{
    const char *cursor = "  one two=2\t\tx  ";
    hone_word   at, value;
    (void)state;
    assert_true(hone_word_next(&cursor, &at));
    assert_true(hone_word_is(at, "one"));
    assert_false(hone_word_is(at, "on"));
    assert_false(hone_word_is(at, "ones"));
    assert_true(hone_word_next(&cursor, &at));
    assert_true(hone_word_key(at, "two", &value));
    assert_true(hone_word_is(value, "2"));
    assert_false(hone_word_key(at, "tw", &value));
    assert_false(hone_word_key(at, "twos", &value));
    assert_true(hone_word_next(&cursor, &at));
    assert_true(hone_word_is(at, "x"));
    assert_false(hone_word_next(&cursor, &at));
    assert_false(hone_word_next(&cursor, &at));
    assert_false(hone_word_key(word("two"), "two", &value));
    assert_true(hone_word_key(word("two="), "two", &value));
    assert_int_equal(value.length, 0);
}

static void numbers_are_exact(void **state)
{
    int64_t n[4];
    (void)state;
    assert_true(hone_word_numbers(word("1x20x300"), 'x', n, 3));
    assert_int_equal(n[0], 1);
    assert_int_equal(n[1], 20);
    assert_int_equal(n[2], 300);
    assert_true(hone_word_numbers(word("9223372036854775807"), 'x', n, 1));
    assert_true(n[0] == INT64_MAX);
    assert_true(hone_word_numbers(word("-9223372036854775808,-0"), ',', n, 2));
    assert_true(n[0] == INT64_MIN && n[1] == 0);
    static const char *const wrong[] = {"",
                                        "x",
                                        "1x",
                                        "x1",
                                        "1xx2",
                                        "1x2x3x4x5",
                                        "+1",
                                        "1 ",
                                        " 1",
                                        "--1",
                                        "-",
                                        "1-",
                                        "0x1",
                                        "1e3",
                                        "1.0",
                                        "9223372036854775808",
                                        "-9223372036854775809",
                                        "99999999999999999999999999",
                                        "1,2"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        for (int count = 1; count <= 3; count++)
            if (!(count == 2 && strcmp(wrong[i], "0x1") == 0)) /* two numbers with an x between */
                assert_false(hone_word_numbers(word(wrong[i]), 'x', n, count));
    assert_int_equal(hone_word_list(word("1x2"), 'x', n, 4), 2);
    assert_int_equal(hone_word_list(word("1x2"), 'x', n, 1), 0);
    assert_int_equal(hone_word_list(word("1x2"), 'x', n, 0), 0);
    assert_false(hone_word_numbers(word("1"), 'x', n, 0));
    assert_int_equal(hone_word_list((hone_word){"12345", 3}, 'x', n, 4), 1); /* a word ends at its length */
    assert_int_equal(n[0], 123);
}

/* What is written is read again, whatever the numbers; what was bent never crashes and, where it is taken, says itself.
 */
static void numbers_survive_the_round(void **state)
{
    hone_random r = hone_random_seeded(11);
    (void)state;
    for (int i = 0; i < 50000; i++) {
        int64_t   numbers[5], back[5];
        int       count = 1 + (int)hone_random_below(&r, 5);
        char      out[128];
        hone_text text = hone_text_in(out, sizeof out);
        for (int j = 0; j < count; j++) {
            numbers[j] = (int64_t)(hone_random_next(&r) >> hone_random_below(&r, 64));
            hone_text_add(&text, "%s%lld", j ? "," : "", (long long)numbers[j]);
        }
        assert_int_equal(hone_word_list(word(out), ',', back, 5), count);
        for (int j = 0; j < count; j++) assert_true(back[j] == numbers[j]);
        out[hone_random_below(&r, text.length)] = (char)hone_random_below(&r, 256);
        count = hone_word_list((hone_word){out, text.length}, ',', back, 5);
        assert_in_range(count, 0, 5);
    }
}

static void distances_are_of_edits(void **state)
{
    char longer[200];
    (void)state;
    assert_int_equal(hone_text_distance("matmul", "matmul"), 0);
    assert_int_equal(hone_text_distance("matmul", "mamul"), 1);
    assert_int_equal(hone_text_distance("matmul", "natmull"), 2);
    assert_int_equal(hone_text_distance("", "abc"), 3);
    assert_int_equal(hone_text_distance("abc", ""), 3);
    assert_int_equal(hone_text_distance("kitten", "sitting"), 3);
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    assert_int_equal(hone_text_distance(longer, ""), 64); /* looks no further */
}

/* A host that writes numbers with a comma: what hone writes and reads has points all the same. */
static void a_locale_changes_no_number(void **state)
{
    static const char numbers[] = "LC_NUMERIC\ndecimal_point \",\"\nthousands_sep \"\"\ngrouping -1\nEND LC_NUMERIC\n";
    char              folder[] = "/tmp/hone-test-locale-XXXXXX", command[512], out[64], *end;
    hone_text         text = hone_text_in(out, sizeof out);
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(command, sizeof command,
             "echo '%s' >%s/source && localedef -c -i %s/source -f ANSI_X3.4-1968 %s/comma >/dev/null 2>&1", numbers,
             folder, folder, folder);
    const int made = system(command);
    setenv("LOCPATH", folder, 1);
    const bool set = made >= 0 && setlocale(LC_NUMERIC, "comma");
    const bool comma = set && strcmp(localeconv()->decimal_point, ",") == 0;
    hone_text_add(&text, "%g", 1.5);
    const double read = hone_text_real("2.5,", &end);
    setlocale(LC_ALL, "C");
    unsetenv("LOCPATH");
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
    assert_string_equal(out, "1.5");
    assert_true(read == 2.5 && *end == ',');
    if (!comma) skip(); /* no such locale can be made here */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(building_stops_at_the_end), cmocka_unit_test(words_are_told_apart),
        cmocka_unit_test(numbers_are_exact),         cmocka_unit_test(numbers_survive_the_round),
        cmocka_unit_test(distances_are_of_edits),    cmocka_unit_test(a_locale_changes_no_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
