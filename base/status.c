/* Statuses and the sentence behind the last failure of each thread. The sentence lives in static thread storage, so
 * that telling of a lack of memory needs none. */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local char sentence[HONE_SENTENCE_MAX];

const char *hone_last_error(void)
{
    return sentence;
}

const char *hone_status_text(hone_status status)
{
#define STATUS_TEXT(name, number, text)                                                                                \
    case number: return text;
    switch ((int)status) {
        HONE_STATUS_LIST(STATUS_TEXT)
    }
#undef STATUS_TEXT
    return "a number that is no status of this version";
}

const char *hone_status_name(hone_status status)
{
#define STATUS_NAME(name, number, text)                                                                                \
    case number: return #name;
    switch ((int)status) {
        HONE_STATUS_LIST(STATUS_NAME)
    }
#undef STATUS_NAME
    return "?";
}

hone_status hone_fail(hone_status status, const char *format, ...)
{
    char    said[HONE_SENTENCE_MAX]; /* the arguments may point into the sentence that is being replaced */
    va_list list;
    va_start(list, format);
    vsnprintf(said, sizeof said, format, list);
    va_end(list);
    memcpy(sentence, said, sizeof sentence);
    return status;
}

hone_status hone_fail_within(hone_status status, const char *format, ...)
{
    char    said[HONE_SENTENCE_MAX];
    va_list list;
    va_start(list, format);
    int length = vsnprintf(said, sizeof said, format, list);
    va_end(list);
    if (length < 0) length = 0;
    if ((size_t)length < sizeof said - 1)
        snprintf(said + length, sizeof said - (size_t)length, ": %.*s", (int)(sizeof said - 3) - length, sentence);
    memcpy(sentence, said, sizeof sentence);
    return status;
}

void hone_sentence_keep(hone_sentence *out)
{
    memcpy(out->text, sentence, sizeof sentence);
}

void hone_sentence_back(const hone_sentence *kept)
{
    memcpy(sentence, kept->text, sizeof sentence);
}

void hone_assert_failed(const char *expression, const char *file, int line)
{
    fprintf(stderr, "hone: %s:%d: a promise within the library is broken: %s\n", file, line, expression);
    abort();
}
