/* An attention problem as text, and back: "f32 causal b4 h12 q1024 k1024 d64 kv=3 +lse". problem.h says what it means.
 * What the text does not say is dense, bshd; print() names only what differs from that, and parse() gives back the same
 * bytes. */
#include <limits.h>
#include <string.h>

#include "base/size.h"
#include "base/status.h"
#include "base/text.h"
#include "kernels/attention/problem.h"

#define SAID(word) (int)((word).length < 48 ? (word).length : 48), (word).at

/* Numbers, each told once. The first five stand behind their letter, the others behind "name=". */
static const char *const keys[] = {"b", "h", "q", "k", "d", "kv", "dv", "before", "after",
                                   "sq", "sk", "sv", "so", "sl", "sb"};
enum { KEY_B, KEY_H, KEY_Q, KEY_K, KEY_D, KEY_KV, KEY_DV, KEY_BEFORE, KEY_AFTER, KEY_STRIDES, KEY_COUNT = 15 };
_Static_assert(sizeof keys / sizeof *keys == KEY_COUNT, "a name for each key");
_Static_assert(KEY_STRIDES + HONE_ATTENTION_BIAS == KEY_COUNT - 1, "strides by the index of their role");

enum { LETTERS = KEY_D + 1 };

/* Words on their own. */
static const char *const words[] = {"causal", "first", "padded", "packed", "bhsd"};
enum { WORD_CAUSAL, WORD_FIRST, WORD_PADDED, WORD_PACKED, WORD_BHSD, WORD_COUNT };

static const char *const parts[] = {"lse", "bias", "alibi", "sinks", "cap"};
enum { PART_LSE, PART_BIAS, PART_ALIBI, PART_SINKS, PART_CAP, PART_COUNT };

static const uint8_t types[] = {HONE_F32, HONE_BF16, HONE_F16};

static int dimensions(int role)
{
    return role == HONE_ATTENTION_LSE ? 3 : 4;
}

static bool has_strides(const hone_attention_problem *p, int role)
{
    return role <= HONE_ATTENTION_OUT || (role == HONE_ATTENTION_LSE ? p->lse != 0 : p->bias_type != 0);
}

/* --- print ------------------------------------------------------------------------------------------------------ */

static bool lies_dense(hone_attention_problem *p, int role, bool heads_first)
{
    int64_t dense[4];
    return hone_attention_dense(p, role, heads_first, dense) &&
           !memcmp(dense, hone_attention_strides(p, role), (size_t)dimensions(role) * sizeof *dense);
}

void hone_attention_print(const void *problem, char *out, size_t capacity)
{
    hone_attention_problem p = *(const hone_attention_problem *)problem;
    hone_text              text = hone_text_in(out, capacity);
    int                    rows_first = 0, heads_first = 0;
    hone_text_add(&text, "%s", hone_dtype_name((hone_dtype)p.type));
    if (p.after == 0) hone_text_add(&text, " causal");
    if (p.first) hone_text_add(&text, " first");
    if (p.lengths) hone_text_add(&text, " %s", p.lengths == HONE_ATTENTION_PADDED ? "padded" : "packed");
    for (int role = HONE_ATTENTION_Q; role <= HONE_ATTENTION_OUT; role++) {
        rows_first += lies_dense(&p, role, false);
        heads_first += lies_dense(&p, role, true);
    }
    const bool bhsd = heads_first > rows_first;
    if (bhsd) hone_text_add(&text, " bhsd");
    hone_text_add(&text, " b%" PRId64 " h%" PRId64 " q%" PRId64 " k%" PRId64 " d%" PRId64, p.batch, p.heads, p.q_len,
                  p.k_len, p.d);
    if (p.kv_heads != hone_max(p.heads, 1)) hone_text_add(&text, " kv=%" PRId64, p.kv_heads);
    if (p.d_v != p.d) hone_text_add(&text, " dv=%" PRId64, p.d_v);
    if (p.before >= 0) hone_text_add(&text, " before=%" PRId64, p.before);
    if (p.after > 0) hone_text_add(&text, " after=%" PRId64, p.after);
    const bool there[PART_COUNT] = {p.lse, p.bias_type != 0, p.alibi, p.sinks, p.cap};
    bool       begun = false;
    for (int i = 0; i < PART_COUNT; i++) {
        if (!there[i]) continue;
        hone_text_add(&text, "%s+%s", begun ? "" : " ", parts[i]);
        if (i == PART_BIAS && p.bias_type != p.type) hone_text_add(&text, ":f32");
        begun = true;
    }
    for (int role = HONE_ATTENTION_Q; role <= HONE_ATTENTION_BIAS; role++) {
        const int64_t *stride = hone_attention_strides(&p, role);
        if (!has_strides(&p, role) || lies_dense(&p, role, bhsd)) continue;
        hone_text_add(&text, " %s=", keys[KEY_STRIDES + role]);
        for (int i = 0; i < dimensions(role); i++) hone_text_add(&text, "%s%" PRId64, i ? "x" : "", stride[i]);
    }
}

/* --- parse ------------------------------------------------------------------------------------------------------ */

typedef struct said {
    bool    word[WORD_COUNT], part[PART_COUNT];
    bool    bias_f32;
    int     count[KEY_COUNT]; /* how many numbers each was given; 0: it was not */
    int64_t value[KEY_COUNT][4];
} said;

static const char *nearest_of(hone_word word, const char *const *names, int count)
{
    char        name[48] = {0};
    const char *nearest = names[0];
    int         least = INT_MAX;
    memcpy(name, word.at, word.length < 40 ? word.length : 40);
    for (int i = 0; i < count; i++) {
        int distance = hone_text_distance(name, names[i]);
        if (distance < least) least = distance, nearest = names[i];
    }
    return nearest;
}

static int find(hone_word word, const char *const *names, int count)
{
    for (int i = 0; i < count; i++)
        if (hone_word_is(word, names[i])) return i;
    return -1;
}

/* "+lse+bias:f32" */
static hone_status parts_parse(hone_word word, said *s)
{
    const char *at = word.at + 1, *end = word.at + word.length;
    for (int i = 0; i < PART_COUNT; i++)
        HONE_CHECK(!s->part[i], HONE_ERROR_FORMAT, "attention: '%.*s': what is there is told once, as +first+second",
                   SAID(word));
    for (;;) {
        const char *plus = memchr(at, '+', (size_t)(end - at));
        hone_word   piece = {at, (size_t)((plus ? plus : end) - at)};
        bool        f32 = hone_word_is(piece, "bias:f32");
        int         part = f32 ? PART_BIAS : find(piece, parts, PART_COUNT);
        HONE_CHECK(part >= 0, HONE_ERROR_FORMAT, "attention: there is no '+%.*s'; the nearest is '+%s'", SAID(piece),
                   nearest_of(piece, parts, PART_COUNT));
        HONE_CHECK(!s->part[part], HONE_ERROR_FORMAT, "attention: '+%s' is told twice", parts[part]);
        s->part[part] = true;
        s->bias_f32 |= f32;
        if (!plus) return HONE_OK;
        at = plus + 1;
    }
}

/* "q1024" or "before=256". */
static hone_status number_parse(hone_word word, said *s)
{
    const char *equals = memchr(word.at, '=', word.length);
    int         key = -1;
    hone_word   value = {word.at + 1, word.length - 1};
    if (equals) {
        key = find((hone_word){word.at, (size_t)(equals - word.at)}, keys + LETTERS, KEY_COUNT - LETTERS);
        if (key >= 0) key += LETTERS;
        value = (hone_word){equals + 1, word.length - (size_t)(equals + 1 - word.at)};
    } else {
        key = find((hone_word){word.at, 1}, keys, LETTERS);
    }
    HONE_CHECK(key >= 0, HONE_ERROR_FORMAT,
               "attention: '%.*s' is neither a size, a word nor key=value; the nearest is "
               "'%s'",
               SAID(word),
               equals
                   ? nearest_of((hone_word){word.at, (size_t)(equals - word.at)}, keys + LETTERS, KEY_COUNT - LETTERS)
                   : nearest_of(word, words, WORD_COUNT));
    HONE_CHECK(!s->count[key], HONE_ERROR_FORMAT, "attention: '%s' is given twice", keys[key]);
    int wanted = key < KEY_STRIDES ? 1 : dimensions(key - KEY_STRIDES);
    s->count[key] = hone_word_list(value, 'x', s->value[key], 4);
    HONE_CHECK(s->count[key] == wanted, HONE_ERROR_FORMAT,
               "attention: '%.*s': %d whole number%s of 63 bits%s should stand behind '%s'", SAID(word), wanted,
               wanted > 1 ? "s" : "", wanted > 1 ? " with 'x' between them" : "", keys[key]);
    HONE_CHECK(key >= KEY_STRIDES || s->value[key][0] >= 0, HONE_ERROR_FORMAT, "attention: '%.*s' is negative",
               SAID(word));
    return HONE_OK;
}

static hone_status strides_parse(const said *s, hone_attention_problem *p)
{
    for (int role = HONE_ATTENTION_Q; role <= HONE_ATTENTION_BIAS; role++) {
        const int key = KEY_STRIDES + role;
        int64_t   stride[4];
        HONE_CHECK(!s->count[key] || has_strides(p, role), HONE_ERROR_FORMAT,
                   "attention: '%s' is given, but there is no %s", keys[key],
                   role == HONE_ATTENTION_LSE ? "+lse" : "+bias");
        if (!has_strides(p, role)) continue;
        HONE_CHECK(s->count[key] || hone_attention_dense(p, role, s->word[WORD_BHSD], stride), HONE_ERROR_OVERFLOW,
                   "attention: dense strides of these sizes do not fit in 63 bits");
        if (s->count[key]) memcpy(stride, s->value[key], sizeof stride);
        memcpy(hone_attention_strides(p, role), stride, (size_t)dimensions(role) * sizeof *stride);
    }
    return HONE_OK;
}

hone_status hone_attention_parse(const char *text, void *problem)
{
    hone_attention_problem *p = problem;
    hone_word               word;
    said                    s = {0};
    memset(p, 0, sizeof *p);
    HONE_CHECK(hone_word_next(&text, &word), HONE_ERROR_FORMAT,
               "attention: nothing is asked; write e.g. 'f32 causal b4 h12 q1024 k1024 d64'");
    for (size_t i = 0; i < sizeof types; i++)
        if (hone_word_is(word, hone_dtype_name((hone_dtype)types[i]))) p->type = types[i];
    HONE_CHECK(p->type, HONE_ERROR_FORMAT, "attention: '%.*s' is no type; there are f32, bf16 and f16", SAID(word));
    while (hone_word_next(&text, &word)) {
        int at = find(word, words, WORD_COUNT);
        if (at >= 0) {
            HONE_CHECK(!s.word[at], HONE_ERROR_FORMAT, "attention: '%s' is said twice", words[at]);
            s.word[at] = true;
        } else {
            HONE_TRY(*word.at == '+' ? parts_parse(word, &s) : number_parse(word, &s));
        }
    }
    for (int key = 0; key < LETTERS; key++)
        HONE_CHECK(s.count[key], HONE_ERROR_FORMAT,
                   "attention: '%s' and its number are missing; sizes are told as b4 h12 q1024 k1024 d64", keys[key]);
    HONE_CHECK(!s.word[WORD_PADDED] || !s.word[WORD_PACKED], HONE_ERROR_FORMAT,
               "attention: sequences are either padded or packed");
    HONE_CHECK(!s.word[WORD_CAUSAL] || !s.count[KEY_AFTER], HONE_ERROR_FORMAT,
               "attention: 'causal' is after=0, and 'after' is given too");
    p->batch = s.value[KEY_B][0], p->heads = s.value[KEY_H][0];
    p->q_len = s.value[KEY_Q][0], p->k_len = s.value[KEY_K][0], p->d = s.value[KEY_D][0];
    p->kv_heads = s.count[KEY_KV] ? s.value[KEY_KV][0] : hone_max(p->heads, 1);
    p->d_v = s.count[KEY_DV] ? s.value[KEY_DV][0] : p->d;
    p->before = s.count[KEY_BEFORE] ? s.value[KEY_BEFORE][0] : HONE_ATTENTION_ALL;
    p->after = s.count[KEY_AFTER] ? s.value[KEY_AFTER][0] : s.word[WORD_CAUSAL] ? 0 : HONE_ATTENTION_ALL;
    p->first = s.word[WORD_FIRST];
    p->lengths = s.word[WORD_PADDED]   ? HONE_ATTENTION_PADDED
                 : s.word[WORD_PACKED] ? HONE_ATTENTION_PACKED
                                       : HONE_ATTENTION_EVEN;
    p->lse = s.part[PART_LSE], p->alibi = s.part[PART_ALIBI];
    p->sinks = s.part[PART_SINKS], p->cap = s.part[PART_CAP];
    if (s.part[PART_BIAS]) p->bias_type = s.bias_f32 ? HONE_F32 : p->type;
    HONE_TRY(strides_parse(&s, p));
    return hone_attention_check(p);
}
