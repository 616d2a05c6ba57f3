/* Taking texts apart into words and numbers: see sketch.h. */
#include "runtime/profile/sketch.h"

#include <stdbool.h>
#include <string.h>

#include "base/hash.h"
#include "runtime/profile/line.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Steps of a quarter of an octave. */
static uint8_t logarithm(uint64_t number)
{
    if (!number) return 0;
    const int      octave = 63 - __builtin_clzll(number);
    const uint64_t scaled = octave >= 2 ? number >> (octave - 2) : number << (2 - octave);
    const unsigned quarter = (unsigned)scaled & 3;
    const unsigned steps = (unsigned)octave * 4 + quarter + 1;
    return (uint8_t)(steps > 255 ? 255 : steps);
}

/* Does a number begin at `i`? The x of "8x9" is between two, that of "x9" a letter. */
static bool begins(const char *text, size_t i)
{
    if (!is_digit(text[i])) return false;
    if (!i) return true;
    const char before = text[i - 1];
    return before == 'x' ? i > 1 && is_digit(text[i - 2]) : !is_letter(before);
}

hone_rt_sketch hone_rt_sketch_of(const char *problem, size_t bytes, int threads)
{
    enum { WORDS_MAX = 256 };
    hone_rt_sketch out = {0};
    char           words[WORDS_MAX];
    size_t         length = 0, i = 0;
    int            count = 0;
    while (i < bytes) {
        if (count < HONE_RT_SKETCH_NUMBERS && begins(problem, i)) {
            uint64_t number = 0;
            for (; i < bytes && is_digit(problem[i]); i++)
                if (number < UINT64_MAX / 16) number = number * 10 + (uint64_t)(problem[i] - '0');
            out.numbers[count++] = logarithm(number);
            if (length < WORDS_MAX) words[length++] = '0';
            continue;
        }
        if (length < WORDS_MAX) words[length++] = problem[i];
        i++;
        while (i < bytes && is_digit(problem[i]) && !begins(problem, i)) { /* "f32" is a word to its end */
            if (length < WORDS_MAX) words[length++] = problem[i];
            for (i++; i < bytes && is_digit(problem[i]); i++)
                if (length < WORDS_MAX) words[length++] = problem[i];
        }
    }
    const uint64_t hash = hone_hash(words, length, (uint64_t)threads);
    out.kind = (uint32_t)(hash ^ hash >> 32);
    out.kind += !out.kind;
    return out;
}

hone_rt_sketch hone_rt_sketch_of_line(const char *line, size_t bytes)
{
    static const char    begin[] = "\"row\":\"measured\",\"format\":1,\"problem\":\"", then[] = "\",\"threads\":";
    const hone_rt_sketch none = {0};
    const size_t         start = HONE_RT_PROFILE_SEAL + sizeof begin - 1;
    if (bytes < start || memcmp(line + HONE_RT_PROFILE_SEAL, begin, sizeof begin - 1) != 0) return none;
    const char *text = line + start, *end = memchr(text, '"', bytes - start);
    if (!end || (size_t)(line + bytes - end) < sizeof then || memcmp(end, then, sizeof then - 1) != 0) return none;
    int threads = 0;
    for (const char *at = end + sizeof then - 1; at < line + bytes && is_digit(*at) && threads < 1 << 24; at++)
        threads = threads * 10 + (*at - '0');
    return hone_rt_sketch_of(text, (size_t)(end - text), threads);
}
