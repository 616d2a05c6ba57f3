/* Statuses, the sentence of each thread, and the log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <pthread.h>

#include "base/log.h"
#include "base/status.h"

static void every_status_has_words(void **state)
{
    (void)state;
    for (int number = -3; number < 40; number++) {
        assert_non_null(hone_status_text((hone_status)number));
        assert_non_null(hone_status_name((hone_status)number));
    }
    assert_string_equal(hone_status_name(HONE_ERROR_SHAPE), "HONE_ERROR_SHAPE");
    assert_string_equal(hone_status_text(HONE_OK), "success");
    assert_string_equal(hone_status_name((hone_status)999), "?");
}

static hone_status fails(int number)
{
    HONE_CHECK(number != 3, HONE_ERROR_SHAPE, "shape: %d is not 4", number);
    return HONE_OK;
}

static hone_status passes_on(int number)
{
    HONE_TRY(fails(number));
    return HONE_OK;
}

static void sentences_are_kept_and_extended(void **state)
{
    (void)state;
    assert_int_equal(passes_on(3), HONE_ERROR_SHAPE);
    assert_string_equal(hone_last_error(), "shape: 3 is not 4");
    assert_int_equal(passes_on(4), HONE_OK);
    assert_string_equal(hone_last_error(), "shape: 3 is not 4");
    assert_int_equal(hone_fail_within(HONE_ERROR_TYPE, "file %s", "x"), HONE_ERROR_TYPE);
    assert_string_equal(hone_last_error(), "file x: shape: 3 is not 4");
    assert_int_equal(hone_fail(HONE_ERROR_TYPE, "again: %s", hone_last_error()), HONE_ERROR_TYPE); /* of itself */
    assert_string_equal(hone_last_error(), "again: file x: shape: 3 is not 4");

    hone_sentence kept;
    hone_sentence_keep(&kept);
    assert_int_equal(passes_on(3), HONE_ERROR_SHAPE);
    hone_sentence_back(&kept);
    assert_string_equal(hone_last_error(), "again: file x: shape: 3 is not 4");
}

static void long_sentences_are_cut(void **state)
{
    char longer[4 * HONE_SENTENCE_MAX];
    (void)state;
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    for (size_t length = HONE_SENTENCE_MAX - 8; length < HONE_SENTENCE_MAX + 8; length++) {
        assert_int_equal(hone_fail(HONE_ERROR_TYPE, "end"), HONE_ERROR_TYPE);
        assert_int_equal(hone_fail_within(HONE_ERROR_TYPE, "%.*s", (int)length, longer), HONE_ERROR_TYPE);
        assert_true(strlen(hone_last_error()) < HONE_SENTENCE_MAX);
    }
    assert_int_equal(hone_fail(HONE_ERROR_TYPE, "%s", longer), HONE_ERROR_TYPE);
    assert_int_equal(strlen(hone_last_error()), HONE_SENTENCE_MAX - 1);
    for (int i = 0; i < 50; i++) assert_int_equal(hone_fail_within(HONE_ERROR_TYPE, "prefix %d", i), HONE_ERROR_TYPE);
    assert_int_equal(strncmp(hone_last_error(), "prefix 49: prefix 48: ", 22), 0);
}

static void *elsewhere(void *argument)
{
    *(int *)argument = hone_last_error()[0] == 0; /* empty before this thread's first failure */
    (void)hone_fail(HONE_ERROR_TYPE, "elsewhere");
    return NULL;
}

static void each_thread_has_its_own(void **state)
{
    pthread_t thread;
    int       empty = 0;
    (void)state;
    assert_int_equal(hone_fail(HONE_ERROR_TYPE, "here"), HONE_ERROR_TYPE);
    assert_int_equal(pthread_create(&thread, NULL, elsewhere, &empty), 0);
    pthread_join(thread, NULL);
    assert_true(empty);
    assert_string_equal(hone_last_error(), "here");
}

static char           said[2048];
static hone_log_level said_level;

static void listen(void *user, hone_log_level level, const char *line)
{
    ++*(int *)user;
    said_level = level;
    snprintf(said, sizeof said, "%s", line);
}

static void the_log_speaks_to_its_level(void **state)
{
    int      count = 0;
    hone_log log = {listen, &count, HONE_LOG_WARNING}, silent = {0};
    char     longer[3000];
    (void)state;
    hone_log_say(NULL, HONE_LOG_ERROR, "nobody");
    hone_log_say(&silent, HONE_LOG_ERROR, "nobody");
    hone_log_say(&log, HONE_LOG_INFO, "too fine");
    assert_int_equal(count, 0);
    hone_log_say(&log, HONE_LOG_WARNING, "%d of %s", 3, "four");
    assert_int_equal(count, 1);
    assert_int_equal(said_level, HONE_LOG_WARNING);
    assert_string_equal(said, "3 of four");
    memset(longer, 'y', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    hone_log_say(&log, HONE_LOG_ERROR, "%s", longer);
    assert_int_equal(count, 2);
    assert_int_equal(strlen(said), 1023);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_words),      cmocka_unit_test(sentences_are_kept_and_extended),
        cmocka_unit_test(long_sentences_are_cut),      cmocka_unit_test(each_thread_has_its_own),
        cmocka_unit_test(the_log_speaks_to_its_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
