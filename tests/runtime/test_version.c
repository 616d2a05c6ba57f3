/* The version calls agree with the headers, and versions compare as they should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "hone/hone.h"

static void library_and_headers_agree(void **state)
{
    char text[32];
    (void)state;
    snprintf(text, sizeof text, "%d.%d.%d", HONE_VERSION_MAJOR, HONE_VERSION_MINOR, HONE_VERSION_PATCH);
    assert_string_equal(hone_version_string(), text);
    assert_int_equal(hone_version(), HONE_VERSION);
    assert_int_equal(hone_abi_version(), HONE_ABI_VERSION);
}

static void versions_are_ordered(void **state)
{
    (void)state;
    assert_true(HONE_VERSION_NUMBER(0, 1, 0) < HONE_VERSION_NUMBER(0, 1, 1));
    assert_true(HONE_VERSION_NUMBER(0, 1, 1023) < HONE_VERSION_NUMBER(0, 2, 0));
    assert_true(HONE_VERSION_NUMBER(0, 1023, 1023) < HONE_VERSION_NUMBER(1, 0, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(library_and_headers_agree),
        cmocka_unit_test(versions_are_ordered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
