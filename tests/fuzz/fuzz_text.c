/* Words and numbers: what is taken says itself again, and is the only thing that text can mean. */
#include <string.h>

#include "backends/cpu/topology.h"
#include "base/text.h"
#include "tests/fuzz/fuzz.h"

/* A list that was taken, printed: the same list again. */
static void numbers(hone_word word, char separator)
{
    int64_t found[6], again[6];
    char    out[6 * 21];
    int     count = hone_word_list(word, separator, found, 6);
    FUZZ_ASSERT(count >= 0 && count <= 6);
    for (int cap = 0; cap <= 6; cap++) {
        FUZZ_ASSERT(hone_word_list(word, separator, again, cap) == (cap >= count ? count : 0));
        FUZZ_ASSERT(hone_word_numbers(word, separator, again, cap) == (cap > 0 && cap == count));
    }
    hone_text text = hone_text_in(out, sizeof out);
    for (int i = 0; i < count; i++) {
        if (i) hone_text_add(&text, "%c", separator);
        hone_text_add(&text, "%lld", (long long)found[i]);
    }
    FUZZ_ASSERT(text.length < sizeof out);
    if (!count) return;
    FUZZ_ASSERT(hone_word_list((hone_word){out, text.length}, separator, again, 6) == count);
    FUZZ_ASSERT(memcmp(found, again, (size_t)count * sizeof *found) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char         *text = calloc(bytes + 1, 1);
    const char   *cursor = text;
    hone_word     word, value;
    hone_cpu_mask mask;
    if (bytes) memcpy(text, data, bytes);
    while (hone_word_next(&cursor, &word)) {
        FUZZ_ASSERT(word.length > 0 && word.at >= text && word.at + word.length <= text + bytes &&
                    cursor <= text + bytes);
        numbers(word, 'x');
        numbers(word, ',');
        if (hone_word_key(word, "ld", &value)) FUZZ_ASSERT(value.length == word.length - 3);
    }
    hone_cpu_mask_parse(text, &mask);
    FUZZ_ASSERT(hone_text_distance(text, "matmul") <= 64);
    free(text);
    return 0;
}
