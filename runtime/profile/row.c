/* What a row may be, its key, and it as text; reading it back is row_read.c's. No memory is needed. What the names mean
 * stands in rows.h;
 * a row looks so, in one line:
 *
 *     {"key":"...","sum":"...","row":"measured","format":1,"problem":"matmul f32 nn 128x768x768","threads":2,
 *      "alignment":64,"flags":[],"scratch_cap":0,"operands":"warm","machine":"alone",
 *      "best":{"kernel":"cpu.packed","version":2,"identity":"","config":"tile=14x32 mc=112","median":1.3e-3,
 *              "low":1.29e-3,"high":1.31e-3,"rounds":40},"next":{...},"untuned":{...},"rivals":"cpu.direct 1,cpu.packed
 * 2", "reason":"4 data sets, 16384 elements","compared":16384,"samples":[...],"complete":true,
 *      "when":1795000000,"build":"0.1.0","silicon":"cpu ..."} */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/status.h"
#include "base/text.h"
#include "runtime/profile/row.h"

const char *const hone_rt_row_kind_names[2] = {"measured", "quarantine"};

const hone_rt_flag_name hone_rt_flag_names[HONE_RT_FLAGS] = {{HONE_REQUEST_DETERMINISTIC, "deterministic"},
                                                             {HONE_REQUEST_CAPTURED, "captured"},
                                                             {HONE_REQUEST_CALLERS_THREADS, "callers_threads"}};

/* --- keys ----------------------------------------------------------------------------------------------------- */

uint64_t hone_rt_row_key_base(const char *silicon, const char *problem)
{
    return hone_hash(problem, strlen(problem), hone_rt_silicon_key(silicon));
}

uint64_t hone_rt_row_key(uint64_t base, const hone_rt_row_place *place)
{
    uint64_t      numbers[7] = {place->kind == HONE_RT_ROW_QUARANTINE};
    unsigned char bytes[sizeof numbers]; /* the same on every machine */
    if (place->kind == HONE_RT_ROW_MEASURED) {
        numbers[1] = (uint64_t)place->threads;
        numbers[2] = place->alignment;
        numbers[3] = place->flags;
        numbers[4] = place->scratch_cap;
        numbers[5] = place->cold;
        numbers[6] = place->loaded;
    }
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(numbers[i / 8] >> (i % 8 * 8));
    return hone_hash(bytes, sizeof bytes, base);
}

hone_rt_row_place hone_rt_row_place_of(const hone_rt_row *row)
{
    return (hone_rt_row_place){row->kind,        row->threads, row->alignment, row->flags,
                               row->scratch_cap, row->cold,    row->loaded};
}

uint64_t hone_rt_row_key_of(const hone_rt_row *row)
{
    hone_rt_row_place place = hone_rt_row_place_of(row);
    return hone_rt_row_key(hone_rt_row_key_base(row->silicon, row->problem), &place);
}

/* --- text ----------------------------------------------------------------------------------------------------- */

/* The bytes of a well-formed character of UTF-8 at `at`; 0: it is none. */
static int character(const unsigned char *at)
{
    int      bytes = *at < 0x80 ? 1 : *at >> 5 == 6 ? 2 : *at >> 4 == 14 ? 3 : *at >> 3 == 30 ? 4 : 0;
    unsigned code = bytes == 1 ? *at : bytes ? *at & (0xffu >> (bytes + 1)) : 0;
    for (int i = 1; i < bytes; i++) {
        if (at[i] >> 6 != 2) return 0;
        code = code << 6 | (at[i] & 63u);
    }
    if (bytes == 2 && code < 0x80) return 0;
    if (bytes == 3 && (code < 0x800 || (code >= 0xd800 && code < 0xe000))) return 0;
    if (bytes == 4 && (code < 0x10000 || code > 0x10ffff)) return 0;
    return bytes;
}

/* Is all of it? Problem and silicon are what the key is made of, and must come back as they are. */
static bool is_text(const char *text)
{
    for (int bytes = 1; *text; text += bytes)
        if (!(bytes = character((const unsigned char *)text))) return false;
    return true;
}

/* --- what a row may be ---------------------------------------------------------------------------------------- */

bool hone_rt_row_seconds_are(double value)
{
    return isfinite(value) && value >= 0 && value <= HONE_RT_SECONDS_MAX;
}

static hone_status check_figure(const hone_rt_figure *it, const char *name)
{
    HONE_CHECK(hone_rt_row_seconds_are(it->low_s) && hone_rt_row_seconds_are(it->median_s) &&
                   hone_rt_row_seconds_are(it->high_s),
               HONE_ERROR_ARGUMENT, "a row's '%s' has a figure that is no number of seconds from 0 to %g", name,
               HONE_RT_SECONDS_MAX);
    HONE_CHECK(it->low_s <= it->median_s && it->median_s <= it->high_s, HONE_ERROR_ARGUMENT,
               "a row's '%s' has its median %g outside its interval %g .. %g", name, it->median_s, it->low_s,
               it->high_s);
    HONE_CHECK(it->rounds >= 0, HONE_ERROR_ARGUMENT, "a row's '%s' has %d rounds", name, it->rounds);
    return HONE_OK;
}

hone_status hone_rt_row_check(const hone_rt_row *row)
{
    HONE_CHECK(row->kind == HONE_RT_ROW_MEASURED || row->kind == HONE_RT_ROW_QUARANTINE, HONE_ERROR_ARGUMENT,
               "a row's kind is %d", (int)row->kind);
    HONE_CHECK(row->problem[0], HONE_ERROR_ARGUMENT, "a row has no problem");
    HONE_CHECK(row->silicon[0], HONE_ERROR_ARGUMENT, "a row has no silicon");
    HONE_CHECK(is_text(row->problem) && is_text(row->silicon), HONE_ERROR_ARGUMENT,
               "a row's problem or silicon is no text in UTF-8");
    HONE_CHECK(row->best.kernel[0], HONE_ERROR_ARGUMENT, "a row names no kernel");
    HONE_CHECK(row->threads >= 0 && row->threads <= HONE_RT_THREADS_MAX, HONE_ERROR_ARGUMENT, "a row has %d threads",
               row->threads);
    HONE_CHECK((row->alignment & (row->alignment - 1)) == 0 && row->alignment <= 4096, HONE_ERROR_ARGUMENT,
               "a row's alignment is %u, which is no power of two up to 4096", row->alignment);
    HONE_CHECK(row->flags < 1u << HONE_RT_FLAGS, HONE_ERROR_ARGUMENT, "a row has flags without a name: %x", row->flags);
    HONE_CHECK(row->scratch_cap <= INT64_MAX, HONE_ERROR_ARGUMENT, "a row's scratch cap is %zu", row->scratch_cap);
    HONE_TRY(check_figure(&row->best, "best"));
    HONE_TRY(check_figure(&row->next, "next"));
    HONE_TRY(check_figure(&row->untuned, "untuned"));
    HONE_CHECK(row->compared >= 0, HONE_ERROR_ARGUMENT, "a row says that %" PRId64 " elements were compared",
               row->compared);
    HONE_CHECK(row->sample_count >= 0 && row->sample_count <= HONE_RT_SAMPLES_MAX, HONE_ERROR_ARGUMENT,
               "a row has %d samples; it may have 0 .. %d", row->sample_count, HONE_RT_SAMPLES_MAX);
    for (int i = 0; i < row->sample_count; i++)
        HONE_CHECK(hone_rt_row_seconds_are(row->samples[i]), HONE_ERROR_ARGUMENT,
                   "a row's sample %d is no number of seconds from 0 to %g", i, HONE_RT_SECONDS_MAX);
    return HONE_OK;
}

/* --- printing ------------------------------------------------------------------------------------------------- */

/* "name":"value" behind `before`: what is no text becomes '?'. */
static void add_string(hone_text *text, const char *before, const char *name, const char *value)
{
    const unsigned char *at = (const unsigned char *)value;
    hone_text_add(text, "%s\"%s\":\"", before, name);
    while (*at) {
        int bytes = character(at);
        if (*at == '"' || *at == '\\')
            hone_text_add(text, "\\%c", *at);
        else if (*at < 0x20 || *at == 0x7f)
            hone_text_add(text, "\\u%04x", *at);
        else if (bytes)
            hone_text_add(text, "%.*s", bytes, (const char *)at);
        else
            hone_text_add(text, "?");
        at += bytes ? bytes : 1;
    }
    hone_text_add(text, "\"");
}

static void add_figure(hone_text *text, const char *name, const hone_rt_figure *it, bool timed)
{
    if (!it->kernel[0]) return;
    hone_text_add(text, ",\"%s\":{", name);
    add_string(text, "", "kernel", it->kernel);
    hone_text_add(text, ",\"version\":%u", it->version);
    add_string(text, ",", "identity", it->identity);
    add_string(text, ",", "config", it->config);
    if (timed)
        hone_text_add(text, ",\"median\":%.9g,\"low\":%.9g,\"high\":%.9g,\"rounds\":%d", it->median_s, it->low_s,
                      it->high_s, it->rounds);
    hone_text_add(text, "}");
}

static void add_flags(hone_text *text, unsigned flags)
{
    const char *comma = "";
    hone_text_add(text, ",\"flags\":[");
    for (int i = 0; i < HONE_RT_FLAGS; i++)
        if (flags & hone_rt_flag_names[i].flag) {
            hone_text_add(text, "%s\"%s\"", comma, hone_rt_flag_names[i].name);
            comma = ",";
        }
    hone_text_add(text, "]");
}

hone_status hone_rt_row_print(const hone_rt_row *row, char *out, size_t *bytes)
{
    hone_text text = hone_text_in(out, HONE_RT_ROW_TEXT_MAX);
    bool      measured = row->kind == HONE_RT_ROW_MEASURED;
    *bytes = 0;
    HONE_TRY(hone_rt_row_check(row));
    hone_text_add(&text, "%*s", HONE_RT_PROFILE_SEAL, "");
    hone_text_add(&text, "\"row\":\"%s\",\"format\":%d", hone_rt_row_kind_names[row->kind], HONE_RT_ROW_FORMAT);
    add_string(&text, ",", "problem", row->problem);
    hone_text_add(&text, ",\"threads\":%d,\"alignment\":%u", row->threads, row->alignment);
    add_flags(&text, row->flags);
    hone_text_add(&text, ",\"scratch_cap\":%zu,\"operands\":\"%s\",\"machine\":\"%s\"", row->scratch_cap,
                  row->cold ? "cold" : "warm", row->loaded ? "loaded" : "alone");
    add_figure(&text, "best", &row->best, measured);
    if (measured) {
        add_figure(&text, "next", &row->next, true);
        add_figure(&text, "untuned", &row->untuned, true);
        if (*row->rivals) add_string(&text, ",", "rivals", row->rivals);
    }
    add_string(&text, ",", "reason", row->reason);
    if (measured) {
        hone_text_add(&text, ",\"compared\":%" PRId64 ",\"samples\":[", row->compared);
        for (int i = 0; i < row->sample_count; i++) hone_text_add(&text, "%s%.6g", i ? "," : "", row->samples[i]);
        hone_text_add(&text, "],\"complete\":%s", row->complete ? "true" : "false");
    }
    hone_text_add(&text, ",\"when\":%" PRId64, row->when);
    add_string(&text, ",", "build", row->build);
    add_string(&text, ",", "silicon", row->silicon);
    hone_text_add(&text, "}\n");
    HONE_CHECK(text.length < HONE_RT_ROW_TEXT_MAX, HONE_ERROR_ARGUMENT, "a row takes %zu bytes; %d are allowed",
               text.length, HONE_RT_ROW_TEXT_MAX - 1);
    *bytes = text.length;
    hone_rt_line_seal(hone_rt_row_key_of(row), out, text.length);
    return HONE_OK;
}

size_t hone_rt_seal_print(const char *silicon, char *out)
{
    int length = snprintf(out, HONE_RT_ROW_TEXT_MAX, "%*s\"row\":\"seal\",\"format\":%d}\n", HONE_RT_PROFILE_SEAL, "",
                          HONE_RT_ROW_FORMAT);
    hone_rt_line_seal(hone_rt_silicon_key(silicon), out, (size_t)length);
    return (size_t)length;
}

/* --- lines --------------------------------------------------------------------------------------------------- */

hone_rt_line_kind hone_rt_line_kind_of(const char *line, size_t bytes)
{
    static const struct {
        const char       *word;
        hone_rt_line_kind kind;
    } kinds[] = {{"\"row\":\"measured\",", HONE_RT_LINE_MEASURED},
                 {"\"row\":\"quarantine\",", HONE_RT_LINE_QUARANTINE},
                 {"\"row\":\"seal\",", HONE_RT_LINE_OF_SEAL},
                 {"\"row\":\"device\",", HONE_RT_LINE_DEVICE}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t length = strlen(kinds[i].word);
        if (bytes >= HONE_RT_PROFILE_SEAL + length && !memcmp(line + HONE_RT_PROFILE_SEAL, kinds[i].word, length))
            return kinds[i].kind;
    }
    return HONE_RT_LINE_UNKNOWN;
}

/* --- which of two counts -------------------------------------------------------------------------------------- */

/* Builds are versions, "0.10.2": by their numbers, then by what follows. */
static int compare_builds(const char *a, const char *b)
{
    while (*a && *b) {
        if (*a >= '0' && *a <= '9' && *b >= '0' && *b <= '9') {
            uint64_t x = 0, y = 0;
            for (; *a >= '0' && *a <= '9'; a++) x = x < UINT64_MAX / 16 ? x * 10 + (uint64_t)(*a - '0') : x;
            for (; *b >= '0' && *b <= '9'; b++) y = y < UINT64_MAX / 16 ? y * 10 + (uint64_t)(*b - '0') : y;
            if (x != y) return x < y ? -1 : 1;
        } else {
            if (*a != *b) return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
            a++;
            b++;
        }
    }
    return (*a != 0) - (*b != 0);
}

int hone_rt_row_compare(const hone_rt_row *a, const hone_rt_row *b)
{
    int builds = compare_builds(a->build, b->build);
    if (builds) return builds;
    if (a->complete != b->complete) return a->complete ? 1 : -1;
    if (a->when != b->when) return a->when < b->when ? -1 : 1;
    if (a->best.rounds != b->best.rounds) return a->best.rounds < b->best.rounds ? -1 : 1;
    return 0;
}

bool hone_rt_row_same_culprit(const hone_rt_row *a, const hone_rt_row *b)
{
    return !strcmp(a->best.kernel, b->best.kernel) && a->best.version == b->best.version &&
           !strcmp(a->best.identity, b->best.identity) && !strcmp(a->best.config, b->best.config);
}
