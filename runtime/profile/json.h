/* JSON read where it lies: value after value of one line, without a tree and without memory. Whoever reads asks for
 * what should come; what comes instead, or is no JSON, breaks the reading, and all that is asked after that fails too.
 *
 *     for (hone_rt_json_open(it, '{'); hone_rt_json_member(it, name, sizeof name);)
 *         if (!strcmp(name, "threads")) hone_rt_json_number(it, &number);
 *         else hone_rt_json_skip(it);
 *     if (hone_rt_json_ended(it)) ...
 *
 * It takes what the standard does, but for zeros in text, integers beyond 64 bits, reals that overflow, numbers of more
 * than 400 letters, and more than 60 levels. Names that are there twice are the caller's to refuse. */
#ifndef HONE_RUNTIME_PROFILE_JSON_H
#define HONE_RUNTIME_PROFILE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct hone_rt_json {
    const char *start, *at, *end;
    uint64_t    objects; /* a bit a level: is it an object? */
    int         depth;
    bool        first;  /* nothing was read yet at this level */
    const char *broken; /* what is wrong at `at`; NULL: nothing so far */
} hone_rt_json;

hone_rt_json hone_rt_json_over(const char *text, size_t bytes);
/* The same in the midst of an object, behind one of its members. */
hone_rt_json hone_rt_json_within(const char *text, size_t bytes, size_t offset);

typedef enum hone_rt_json_kind {
    HONE_RT_JSON_BROKEN,
    HONE_RT_JSON_TEXT,
    HONE_RT_JSON_NUMBER,
    HONE_RT_JSON_WORD, /* true, false, null */
    HONE_RT_JSON_ARRAY,
    HONE_RT_JSON_OBJECT
} hone_rt_json_kind;

/* What the next value begins as. */
hone_rt_json_kind hone_rt_json_peek(hone_rt_json *it);

typedef struct hone_rt_json_value {
    bool    integer;
    int64_t whole; /* where it is an integer */
    double  real;  /* in any case, rounded correctly */
} hone_rt_json_value;

/* Into `capacity` bytes with a zero behind it. *bytes: how many it has; it is cut off where they are too many. */
bool hone_rt_json_text(hone_rt_json *it, char *out, size_t capacity, size_t *bytes);
bool hone_rt_json_number(hone_rt_json *it, hone_rt_json_value *out);
/* 't', 'f' or 'n'. */
bool hone_rt_json_word(hone_rt_json *it, char *out);
/* '{' or '['; then its members or elements, until one of these gives false, which leaves it. */
bool hone_rt_json_open(hone_rt_json *it, char bracket);
bool hone_rt_json_member(hone_rt_json *it, char *name, size_t capacity);
bool hone_rt_json_element(hone_rt_json *it);
/* Past a value of any kind. */
bool hone_rt_json_skip(hone_rt_json *it);
/* All was read, and nothing is left over. */
bool hone_rt_json_ended(hone_rt_json *it);

#endif
