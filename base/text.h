/* Text that is built into a buffer of the caller and never overruns it. */
#ifndef HONE_BASE_TEXT_H
#define HONE_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hone/api.h>

typedef struct hone_text {
    char  *at;
    size_t capacity;
    size_t length; /* what it would be with room for all */
} hone_text;

hone_text hone_text_in(char *out, size_t capacity);
/* Numbers as C writes them, whatever locale the host has set. */
void      hone_text_add(hone_text *text, const char *format, ...) HONE_PRINTF(2, 3);
/* strtod, of numbers as C writes them. */
double    hone_text_real(const char *text, char **end);

/* A cursor over text that is read: words are separated by spaces. */
typedef struct hone_word {
    const char *at;
    size_t      length;
} hone_word;

/* The next word from *cursor on, which moves behind it. False at the end. */
bool hone_word_next(const char **cursor, hone_word *out);
bool hone_word_is(hone_word word, const char *text);
/* "key=value": true when the word begins with `key` and '='; *value is the rest. */
bool hone_word_key(hone_word word, const char *key, hone_word *value);
/* `count` decimal numbers with `separator` between them, the whole word. Refuses overflow, '+', and blanks. */
bool hone_word_numbers(hone_word word, char separator, int64_t *out, int count);
/* The same with 1 .. cap numbers; gives how many, 0 when the word is not of that form. */
int hone_word_list(hone_word word, char separator, int64_t *out, int cap);

/* The distance in edits between two words, for "did you mean". */
int hone_text_distance(const char *a, const char *b);

#endif
