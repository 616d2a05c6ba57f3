/* JSON read in place (runtime/profile/json.h) against a library that builds trees: both take it or both refuse it, but
 * for what json.h says, and where both take it they read the same. */
#include <jansson.h>
#include <string.h>

#include "runtime/profile/json.h"
#include "tests/fuzz/fuzz.h"

static char name[1 << 18], text[1 << 18]; /* of one value; a member's name is used up before its value is read */

static void compare(hone_rt_json *it, const json_t *expected)
{
    hone_rt_json_value number;
    size_t             bytes, count = 0;
    char               word;
    switch (hone_rt_json_peek(it)) {
    case HONE_RT_JSON_TEXT:
        FUZZ_ASSERT(hone_rt_json_text(it, text, sizeof text, &bytes) && json_is_string(expected));
        FUZZ_ASSERT(bytes == json_string_length(expected) && !memcmp(text, json_string_value(expected), bytes + 1));
        break;
    case HONE_RT_JSON_NUMBER:
        FUZZ_ASSERT(hone_rt_json_number(it, &number) && json_is_number(expected));
        FUZZ_ASSERT(number.integer == json_is_integer(expected) && number.real == json_number_value(expected));
        FUZZ_ASSERT(!number.integer || number.whole == json_integer_value(expected));
        break;
    case HONE_RT_JSON_WORD:
        FUZZ_ASSERT(hone_rt_json_word(it, &word));
        FUZZ_ASSERT(word == 't'   ? json_is_true(expected)
                    : word == 'f' ? json_is_false(expected)
                                  : json_is_null(expected));
        break;
    case HONE_RT_JSON_ARRAY:
        FUZZ_ASSERT(json_is_array(expected) && hone_rt_json_open(it, '['));
        while (hone_rt_json_element(it)) compare(it, json_array_get(expected, count++));
        FUZZ_ASSERT(count == json_array_size(expected));
        break;
    case HONE_RT_JSON_OBJECT:
        FUZZ_ASSERT(json_is_object(expected) && hone_rt_json_open(it, '{'));
        for (; hone_rt_json_member(it, name, sizeof name); count++) {
            const json_t *member = json_object_get(expected, name);
            FUZZ_ASSERT(member);
            compare(it, member);
        }
        FUZZ_ASSERT(count == json_object_size(expected));
        break;
    case HONE_RT_JSON_BROKEN: FUZZ_ASSERT(!"a value was refused the second time");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    json_error_t error;
    char        *line = malloc(bytes + !bytes); /* exactly as long as it is: a sanitizer sees a step too far */
    if (bytes) memcpy(line, data, bytes);
    hone_rt_json            it = hone_rt_json_over(line, bytes);
    const hone_rt_json_kind kind = hone_rt_json_peek(&it);
    const bool tree = kind == HONE_RT_JSON_OBJECT || kind == HONE_RT_JSON_ARRAY; /* the library takes no other */
    const bool taken = hone_rt_json_skip(&it) && hone_rt_json_ended(&it);
    FUZZ_ASSERT(taken == !it.broken && it.at >= line && it.at <= line + bytes);
    if (tree) {
        json_t *root = json_loadb(line, bytes, 0, &error);
        if (!root && taken) fprintf(stderr, "%s\n", error.text);
        FUZZ_ASSERT(!taken || root);
        if (!taken && root && !memchr(line, 0, bytes)) /* which the library drops behind a number */
            FUZZ_ASSERT(!strcmp(it.broken, "it is nested too deep") || !strcmp(it.broken, "a number is too long"));
        json_decref(root);
        root = taken ? json_loadb(line, bytes, JSON_REJECT_DUPLICATES, &error) : NULL;
        if (root) {
            it = hone_rt_json_over(line, bytes);
            compare(&it, root);
            FUZZ_ASSERT(hone_rt_json_ended(&it));
        }
        json_decref(root);
    }
    free(line);
    return 0;
}
