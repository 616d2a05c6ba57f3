/* A cursor over bytes that anybody may have written: see json.h. Nothing beyond `end` is read. */
#include "runtime/profile/json.h"

#include <string.h>

#include "base/text.h"

enum { DEPTH_MAX = 60, NUMBER_MAX = 400 };

/* --- where it stands --------------------------------------------------------------------------------------------- */

hone_rt_json hone_rt_json_over(const char *text, size_t bytes)
{
    return (hone_rt_json){.start = text, .at = text, .end = text + bytes};
}

hone_rt_json hone_rt_json_within(const char *text, size_t bytes, size_t offset)
{
    return (hone_rt_json){.start = text, .at = text + offset, .end = text + bytes, .objects = 1, .depth = 1};
}

static bool fail(hone_rt_json *it, const char *why)
{
    if (!it->broken) it->broken = why;
    return false;
}

static void pass_blanks(hone_rt_json *it)
{
    while (it->at < it->end && (*it->at == ' ' || *it->at == '\t' || *it->at == '\n' || *it->at == '\r')) it->at++;
}

static bool is_digit(const hone_rt_json *it)
{
    return it->at < it->end && *it->at >= '0' && *it->at <= '9';
}

hone_rt_json_kind hone_rt_json_peek(hone_rt_json *it)
{
    if (it->broken) return HONE_RT_JSON_BROKEN;
    pass_blanks(it);
    if (it->at < it->end) switch (*it->at) {
        case '"': return HONE_RT_JSON_TEXT;
        case '{': return HONE_RT_JSON_OBJECT;
        case '[': return HONE_RT_JSON_ARRAY;
        case 't':
        case 'f':
        case 'n': return HONE_RT_JSON_WORD;
        default:
            if (*it->at == '-' || is_digit(it)) return HONE_RT_JSON_NUMBER;
        }
    fail(it, "no value begins");
    return HONE_RT_JSON_BROKEN;
}

static bool expect(hone_rt_json *it, hone_rt_json_kind kind)
{
    const hone_rt_json_kind found = hone_rt_json_peek(it);
    return found == kind || fail(it, "another kind of value stands");
}

/* --- text -------------------------------------------------------------------------------------------------------- */

/* The bytes of a well-formed character of UTF-8 beyond ASCII; 0: it is none. */
static int character(const unsigned char *at, size_t room)
{
    const int bytes = *at >> 5 == 6 ? 2 : *at >> 4 == 14 ? 3 : *at >> 3 == 30 ? 4 : 0;
    if (!bytes || (size_t)bytes > room) return 0;
    unsigned code = *at & (0xffu >> (bytes + 1));
    for (int i = 1; i < bytes; i++) {
        if (at[i] >> 6 != 2) return 0;
        code = code << 6 | (at[i] & 63u);
    }
    if (code < (bytes == 2 ? 0x80u : bytes == 3 ? 0x800u : 0x10000u) || code > 0x10ffff) return 0;
    return code >= 0xd800 && code < 0xe000 ? 0 : bytes;
}

/* Four hexadecimal digits; -1: they are not there. */
static int32_t unit_at(const hone_rt_json *it, const char *at)
{
    int32_t unit = 0;
    if (it->end - at < 4) return -1;
    for (int i = 0; i < 4; i++) {
        const int digit = at[i], letter = digit | 32;
        const int value = digit >= '0' && digit <= '9'    ? digit - '0'
                          : letter >= 'a' && letter <= 'f' ? letter - 'a' + 10
                                                           : -1;
        if (value < 0) return -1;
        unit = unit << 4 | value;
    }
    return unit;
}

static int encode(uint32_t code, char out[4])
{
    if (code < 0x80) return out[0] = (char)code, 1;
    const int bytes = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (int i = bytes - 1; i > 0; i--, code >>= 6) out[i] = (char)(0x80 | (code & 63));
    out[0] = (char)((0xf00u >> bytes & 0xff) | code);
    return bytes;
}

/* What stands behind a backslash, as bytes; how many, 0: nothing that means something. */
static int escaped(hone_rt_json *it, char out[4])
{
    static const char letters[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
    if (it->at >= it->end) return 0;
    const char *letter = memchr(letters, *it->at, sizeof letters - 1);
    if (letter) {
        it->at++;
        out[0] = means[letter - letters];
        return 1;
    }
    if (*it->at != 'u') return 0;
    const int32_t unit = unit_at(it, it->at + 1);
    if (unit <= 0 || (unit >= 0xdc00 && unit < 0xe000)) return 0; /* a zero would end a text of C */
    it->at += 5;
    if (unit < 0xd800 || unit >= 0xe000) return encode((uint32_t)unit, out);
    if (it->end - it->at < 6 || it->at[0] != '\\' || it->at[1] != 'u') return 0;
    const int32_t low = unit_at(it, it->at + 2);
    if (low < 0xdc00 || low >= 0xe000) return 0;
    it->at += 6;
    return encode(0x10000u + ((uint32_t)(unit - 0xd800) << 10) + (uint32_t)(low - 0xdc00), out);
}

static void put(char *out, size_t capacity, size_t length, const char *piece, size_t bytes)
{
    if (length < capacity) memcpy(out + length, piece, bytes < capacity - length ? bytes : capacity - length);
}

/* ASCII that stands for itself. */
static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* Are these eight surely so? A borrow from one to the next may deny what is, and never the other way round. */
static bool are_plain(const char *at)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    uint64_t       eight;
    memcpy(&eight, at, sizeof eight);
    const uint64_t quotes = eight ^ ones * '"', slashes = eight ^ ones * '\\';
    return !((eight | (eight - ones * 0x20) | (quotes - ones) | (slashes - ones)) & tops);
}

static void pass_plain(hone_rt_json *it)
{
    while (it->end - it->at >= 8 && are_plain(it->at)) it->at += 8;
    while (it->at < it->end && is_plain((unsigned char)*it->at)) it->at++;
}

bool hone_rt_json_text(hone_rt_json *it, char *out, size_t capacity, size_t *bytes)
{
    size_t length = 0;
    *bytes = 0;
    *out = 0;
    if (!expect(it, HONE_RT_JSON_TEXT)) return false;
    it->at++;
    for (;;) {
        char        decoded[4];
        const char *piece = it->at;
        int         count;
        pass_plain(it);
        put(out, capacity - 1, length, piece, (size_t)(it->at - piece));
        length += (size_t)(it->at - piece);
        if (it->at >= it->end) return fail(it, "a text does not end");
        if (*it->at == '"') break;
        if (*it->at == '\\') {
            it->at++;
            if (!(count = escaped(it, decoded))) return fail(it, "an escape in a text means nothing");
            put(out, capacity - 1, length, decoded, (size_t)count);
        } else {
            if ((unsigned char)*it->at < 0x20) return fail(it, "a text has a control character");
            count = character((const unsigned char *)it->at, (size_t)(it->end - it->at));
            if (!count) return fail(it, "a text is no UTF-8");
            put(out, capacity - 1, length, it->at, (size_t)count);
            it->at += count;
        }
        length += (size_t)count;
    }
    it->at++;
    out[length < capacity ? length : capacity - 1] = 0;
    *bytes = length;
    return true;
}

/* --- numbers and words ------------------------------------------------------------------------------------------- */

/* digits . digits e digits, of which the value is mantissa * 10^exponent where it has no more than 19 of them. */
typedef struct decimal {
    uint64_t mantissa;
    int      digits, exponent;
    bool     negative, integer;
} decimal;

static bool pass_digits(hone_rt_json *it, decimal *out, int each)
{
    const char *from = it->at;
    if (!out->mantissa)
        while (it->at < it->end && *it->at == '0') it->at++;
    const char *first = it->at;
    for (; is_digit(it); it->at++) out->mantissa = out->mantissa * 10 + (uint64_t)(*it->at - '0');
    out->digits += (int)(it->at - first);
    out->exponent += each * (int)(it->at - from);
    return it->at > from;
}

static bool pass_exponent(hone_rt_json *it, decimal *out)
{
    const bool negative = it->at < it->end && *it->at == '-';
    int        value = 0;
    if (it->at < it->end && (*it->at == '-' || *it->at == '+')) it->at++;
    if (!is_digit(it)) return false;
    for (; is_digit(it); it->at++)
        if (value < 100000) value = value * 10 + (*it->at - '0');
    out->exponent += negative ? -value : value;
    return true;
}

static bool pass_decimal(hone_rt_json *it, decimal *out)
{
    *out = (decimal){.negative = *it->at == '-', .integer = true};
    it->at += out->negative;
    const char *first = it->at;
    if (!pass_digits(it, out, 0)) return false;
    if (*first == '0' && it->at - first > 1) return false; /* 01 */
    if (it->at < it->end && *it->at == '.') {
        it->at++;
        out->integer = false;
        if (!pass_digits(it, out, -1)) return false;
    }
    if (it->at < it->end && (*it->at == 'e' || *it->at == 'E')) {
        it->at++;
        out->integer = false;
        if (!pass_exponent(it, out)) return false;
    }
    return true;
}

/* Mantissa and power of ten are exact, and one operation rounds once. */
static bool is_simple(const decimal *it)
{
    return it->digits <= 19 && it->mantissa <= UINT64_C(1) << 53 && it->exponent >= -22 && it->exponent <= 22;
}

static double real_of(const decimal *it, const char *from, size_t bytes)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    char                text[NUMBER_MAX + 1];
    if (is_simple(it)) {
        const double value = it->exponent < 0 ? (double)it->mantissa / powers[-it->exponent]
                                              : (double)it->mantissa * powers[it->exponent];
        return it->negative ? -value : value;
    }
    memcpy(text, from, bytes);
    text[bytes] = 0;
    return hone_text_real(text, NULL);
}

/* A number that is one, and not too large for what it is. */
static bool pass_number(hone_rt_json *it, decimal *out)
{
    if (!expect(it, HONE_RT_JSON_NUMBER)) return false;
    const char *from = it->at;
    if (!pass_decimal(it, out)) return fail(it, "a number is none");
    const size_t bytes = (size_t)(it->at - from);
    if (bytes > NUMBER_MAX) return fail(it, "a number is too long");
    if (out->integer)
        return (out->digits <= 19 && out->mantissa <= (uint64_t)INT64_MAX + out->negative) ||
               fail(it, "an integer is too large");
    if (is_simple(out)) return true;
    const double real = real_of(out, from, bytes);
    return real - real == 0 || fail(it, "a number is too large");
}

bool hone_rt_json_number(hone_rt_json *it, hone_rt_json_value *out)
{
    decimal number;
    *out = (hone_rt_json_value){0};
    if (!expect(it, HONE_RT_JSON_NUMBER)) return false;
    const char *from = it->at;
    if (!pass_number(it, &number)) return false;
    out->integer = number.integer;
    if (number.integer) out->whole = number.negative ? (int64_t)(0 - number.mantissa) : (int64_t)number.mantissa;
    out->real = number.integer ? (double)out->whole : real_of(&number, from, (size_t)(it->at - from));
    return true;
}

bool hone_rt_json_word(hone_rt_json *it, char *out)
{
    static const char *const words[] = {"true", "false", "null"};
    *out = 0;
    if (!expect(it, HONE_RT_JSON_WORD)) return false;
    const char *from = it->at;
    while (it->at < it->end && ((*it->at >= 'a' && *it->at <= 'z') || (*it->at >= 'A' && *it->at <= 'Z'))) it->at++;
    for (int i = 0; i < 3; i++)
        if (strlen(words[i]) == (size_t)(it->at - from) && !memcmp(from, words[i], (size_t)(it->at - from)))
            *out = *from;
    return *out || fail(it, "a word stands that means nothing");
}

/* --- lists and objects ------------------------------------------------------------------------------------------- */

bool hone_rt_json_open(hone_rt_json *it, char bracket)
{
    if (!expect(it, bracket == '{' ? HONE_RT_JSON_OBJECT : HONE_RT_JSON_ARRAY)) return false;
    if (it->depth == DEPTH_MAX) return fail(it, "it is nested too deep");
    it->at++;
    it->objects = it->objects << 1 | (bracket == '{');
    it->depth++;
    it->first = true;
    return true;
}

/* Is there another part at this level? At its end the level is left. */
static bool another(hone_rt_json *it, char close)
{
    if (it->broken) return false;
    pass_blanks(it);
    const char next = it->at < it->end ? *it->at : 0;
    if (next == close) {
        it->at++;
        it->objects >>= 1;
        it->depth--;
        it->first = false;
        return false;
    }
    if (!it->first) {
        if (next != ',') return fail(it, "neither a comma nor an end stands");
        it->at++;
    }
    it->first = false;
    return true;
}

bool hone_rt_json_member(hone_rt_json *it, char *name, size_t capacity)
{
    size_t bytes;
    *name = 0;
    if (!another(it, '}')) return false;
    if (!hone_rt_json_text(it, name, capacity, &bytes)) return false;
    if (bytes >= capacity) *name = 0; /* none that anybody asks for */
    pass_blanks(it);
    if (it->at >= it->end || *it->at != ':') return fail(it, "no colon stands behind a name");
    it->at++;
    return true;
}

bool hone_rt_json_element(hone_rt_json *it)
{
    return another(it, ']');
}

static void skip_one(hone_rt_json *it)
{
    char    text[2];
    size_t  bytes;
    decimal number;
    switch (hone_rt_json_peek(it)) {
    case HONE_RT_JSON_TEXT: hone_rt_json_text(it, text, sizeof text, &bytes); break;
    case HONE_RT_JSON_NUMBER: pass_number(it, &number); break;
    case HONE_RT_JSON_WORD: hone_rt_json_word(it, text); break;
    case HONE_RT_JSON_OBJECT: hone_rt_json_open(it, '{'); break;
    case HONE_RT_JSON_ARRAY: hone_rt_json_open(it, '['); break;
    case HONE_RT_JSON_BROKEN: break;
    }
}

bool hone_rt_json_skip(hone_rt_json *it)
{
    char      name[2];
    const int depth = it->depth;
    skip_one(it);
    while (!it->broken && it->depth > depth)
        if (it->objects & 1 ? hone_rt_json_member(it, name, sizeof name) : hone_rt_json_element(it)) skip_one(it);
    return !it->broken;
}

bool hone_rt_json_ended(hone_rt_json *it)
{
    if (it->broken) return false;
    pass_blanks(it);
    return (it->depth == 0 && it->at == it->end) || fail(it, "something stands behind its end");
}
