/* Building text without overrunning, and reading words and numbers without surprises. */
#include "base/text.h"

#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"

hone_text hone_text_in(char *out, size_t capacity)
{
    if (capacity) out[0] = 0;
    return (hone_text){out, capacity, 0};
}

/* The C locale, in which a number has a point whatever the host's has. */
static locale_t plain(void)
{
    return newlocale(LC_ALL_MASK, "C", (locale_t)0); /* the C library's own object: nothing is made, nothing freed */
}

void hone_text_add(hone_text *text, const char *format, ...)
{
    va_list  list;
    locale_t hosts = uselocale(plain());
    va_start(list, format);
    size_t room = text->length < text->capacity ? text->capacity - text->length : 0;
    int    wrote = vsnprintf(room ? text->at + text->length : NULL, room, format, list);
    va_end(list);
    uselocale(hosts);
    if (wrote > 0) text->length += (size_t)wrote;
}

double hone_text_real(const char *text, char **end)
{
    return strtod_l(text, end, plain());
}

bool hone_word_next(const char **cursor, hone_word *out)
{
    const char *at = *cursor;
    while (*at == ' ' || *at == '\t') at++;
    const char *end = at;
    while (*end && *end != ' ' && *end != '\t') end++;
    *out = (hone_word){at, (size_t)(end - at)};
    *cursor = end;
    return end != at;
}

bool hone_word_is(hone_word word, const char *text)
{
    return strlen(text) == word.length && memcmp(word.at, text, word.length) == 0;
}

bool hone_word_key(hone_word word, const char *key, hone_word *value)
{
    size_t length = strlen(key);
    if (word.length <= length || memcmp(word.at, key, length) != 0 || word.at[length] != '=') return false;
    *value = (hone_word){word.at + length + 1, word.length - length - 1};
    return true;
}

/* One decimal number from *at, before `end`. */
static bool number(const char **at, const char *end, int64_t *out)
{
    bool    negative = *at < end && **at == '-';
    int64_t value = 0;
    if (negative) ++*at;
    const char *first = *at;
    for (; *at < end && **at >= '0' && **at <= '9'; ++*at) {
        int64_t digit = **at - '0';
        if (!hone_extent_mul(value, 10, &value)) return false;
        if (!hone_extent_add(value, negative ? -digit : digit, &value)) return false;
    }
    *out = value;
    return *at != first;
}

int hone_word_list(hone_word word, char separator, int64_t *out, int cap)
{
    const char *at = word.at, *end = word.at + word.length;
    for (int i = 0; i < cap; i++) {
        if (!number(&at, end, &out[i])) return 0;
        if (at == end) return i + 1;
        if (*at++ != separator) return 0;
    }
    return 0;
}

bool hone_word_numbers(hone_word word, char separator, int64_t *out, int count)
{
    return count > 0 && hone_word_list(word, separator, out, count) == count;
}

int hone_text_distance(const char *a, const char *b)
{
    enum { LONGEST = 64 };
    int row[LONGEST + 1];
    int m = (int)strnlen(a, LONGEST), n = (int)strnlen(b, LONGEST);
    for (int j = 0; j <= n; j++) row[j] = j;
    for (int i = 1; i <= m; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int above = row[j];
            int best = diagonal + (a[i - 1] != b[j - 1]);
            if (above + 1 < best) best = above + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            row[j] = best;
            diagonal = above;
        }
    }
    return row[n];
}
