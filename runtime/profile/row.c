/* One row as text, and back. Printing needs no memory; parsing doubts every byte. What the names mean stands in rows.h;
 * a row looks so, in one line:
 *
 *     {"key":"...","sum":"...","row":"measured","format":1,"problem":"matmul f32 nn 128x768x768","threads":2,
 *      "alignment":64,"flags":[],"scratch_cap":0,"operands":"warm","machine":"alone",
 *      "best":{"kernel":"cpu.packed","version":2,"identity":"","config":"tile=14x32 mc=112","median":1.3e-3,
 *              "low":1.29e-3,"high":1.31e-3,"rounds":40},"next":{...},"untuned":{...},
 *      "reason":"4 data sets, 16384 elements","compared":16384,"samples":[...],"complete":true,
 *      "when":1795000000,"build":"0.1.0","silicon":"cpu ..."} */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/status.h"
#include "base/text.h"
#include "runtime/profile/row.h"

#define SECONDS_MAX 1e6 /* of a launch */

static const char *const kind_names[] = {"measured", "quarantine"};

static const struct {
    unsigned    flag;
    const char *name;
} flag_names[] = {{HONE_REQUEST_DETERMINISTIC, "deterministic"},
                  {HONE_REQUEST_CAPTURED, "captured"},
                  {HONE_REQUEST_CALLERS_THREADS, "callers_threads"}};
enum { FLAGS = sizeof flag_names / sizeof flag_names[0], THREADS_MAX = 1 << 20 };

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

static uint64_t key_of(const hone_rt_row *row)
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

static bool seconds_are(double value)
{
    return isfinite(value) && value >= 0 && value <= SECONDS_MAX;
}

static hone_status check_figure(const hone_rt_figure *it, const char *name)
{
    HONE_CHECK(seconds_are(it->low_s) && seconds_are(it->median_s) && seconds_are(it->high_s), HONE_ERROR_ARGUMENT,
               "a row's '%s' has a figure that is no number of seconds from 0 to %g", name, SECONDS_MAX);
    HONE_CHECK(it->low_s <= it->median_s && it->median_s <= it->high_s, HONE_ERROR_ARGUMENT,
               "a row's '%s' has its median %g outside its interval %g .. %g", name, it->median_s, it->low_s,
               it->high_s);
    HONE_CHECK(it->rounds >= 0, HONE_ERROR_ARGUMENT, "a row's '%s' has %d rounds", name, it->rounds);
    return HONE_OK;
}

static hone_status check_row(const hone_rt_row *row)
{
    HONE_CHECK(row->kind == HONE_RT_ROW_MEASURED || row->kind == HONE_RT_ROW_QUARANTINE, HONE_ERROR_ARGUMENT,
               "a row's kind is %d", (int)row->kind);
    HONE_CHECK(row->problem[0], HONE_ERROR_ARGUMENT, "a row has no problem");
    HONE_CHECK(row->silicon[0], HONE_ERROR_ARGUMENT, "a row has no silicon");
    HONE_CHECK(is_text(row->problem) && is_text(row->silicon), HONE_ERROR_ARGUMENT,
               "a row's problem or silicon is no text in UTF-8");
    HONE_CHECK(row->best.kernel[0], HONE_ERROR_ARGUMENT, "a row names no kernel");
    HONE_CHECK(row->threads >= 0 && row->threads <= THREADS_MAX, HONE_ERROR_ARGUMENT, "a row has %d threads",
               row->threads);
    HONE_CHECK((row->alignment & (row->alignment - 1)) == 0 && row->alignment <= 4096, HONE_ERROR_ARGUMENT,
               "a row's alignment is %u, which is no power of two up to 4096", row->alignment);
    HONE_CHECK(row->flags < 1u << FLAGS, HONE_ERROR_ARGUMENT, "a row has flags without a name: %x", row->flags);
    HONE_CHECK(row->scratch_cap <= INT64_MAX, HONE_ERROR_ARGUMENT, "a row's scratch cap is %zu", row->scratch_cap);
    HONE_TRY(check_figure(&row->best, "best"));
    HONE_TRY(check_figure(&row->next, "next"));
    HONE_TRY(check_figure(&row->untuned, "untuned"));
    HONE_CHECK(row->compared >= 0, HONE_ERROR_ARGUMENT, "a row says that %" PRId64 " elements were compared",
               row->compared);
    HONE_CHECK(row->sample_count >= 0 && row->sample_count <= HONE_RT_SAMPLES_MAX, HONE_ERROR_ARGUMENT,
               "a row has %d samples; it may have 0 .. %d", row->sample_count, HONE_RT_SAMPLES_MAX);
    for (int i = 0; i < row->sample_count; i++)
        HONE_CHECK(seconds_are(row->samples[i]), HONE_ERROR_ARGUMENT,
                   "a row's sample %d is no number of seconds from 0 to %g", i, SECONDS_MAX);
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
    for (int i = 0; i < FLAGS; i++)
        if (flags & flag_names[i].flag) {
            hone_text_add(text, "%s\"%s\"", comma, flag_names[i].name);
            comma = ",";
        }
    hone_text_add(text, "]");
}

hone_status hone_rt_row_print(const hone_rt_row *row, char *out, size_t *bytes)
{
    hone_text text = hone_text_in(out, HONE_RT_ROW_TEXT_MAX);
    bool      measured = row->kind == HONE_RT_ROW_MEASURED;
    *bytes = 0;
    HONE_TRY(check_row(row));
    hone_text_add(&text, "%*s", HONE_RT_PROFILE_SEAL, "");
    hone_text_add(&text, "\"row\":\"%s\",\"format\":%d", kind_names[row->kind], HONE_RT_ROW_FORMAT);
    add_string(&text, ",", "problem", row->problem);
    hone_text_add(&text, ",\"threads\":%d,\"alignment\":%u", row->threads, row->alignment);
    add_flags(&text, row->flags);
    hone_text_add(&text, ",\"scratch_cap\":%zu,\"operands\":\"%s\",\"machine\":\"%s\"", row->scratch_cap,
                  row->cold ? "cold" : "warm", row->loaded ? "loaded" : "alone");
    add_figure(&text, "best", &row->best, measured);
    if (measured) {
        add_figure(&text, "next", &row->next, true);
        add_figure(&text, "untuned", &row->untuned, true);
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
    hone_rt_line_seal(key_of(row), out, text.length);
    return HONE_OK;
}

size_t hone_rt_seal_print(const char *silicon, char *out)
{
    int length = snprintf(out, HONE_RT_ROW_TEXT_MAX, "%*s\"row\":\"seal\",\"format\":%d}\n", HONE_RT_PROFILE_SEAL, "",
                          HONE_RT_ROW_FORMAT);
    hone_rt_line_seal(hone_rt_silicon_key(silicon), out, (size_t)length);
    return (size_t)length;
}

/* --- parsing -------------------------------------------------------------------------------------------------- */

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

static hone_status take_string(const json_t *object, const char *name, char *out, size_t capacity)
{
    const json_t *value = json_object_get(object, name);
    const char   *text = json_string_value(value);
    *out = 0;
    if (!value) return HONE_OK;
    HONE_CHECK(text, HONE_ERROR_FORMAT, "its '%s' is no text", name);
    HONE_CHECK(json_string_length(value) < capacity, HONE_ERROR_FORMAT, "its '%s' has %zu bytes; %zu are allowed",
               name, json_string_length(value), capacity - 1);
    memcpy(out, text, json_string_length(value) + 1);
    return HONE_OK;
}

static hone_status take_integer(const json_t *object, const char *name, int64_t least, int64_t most, int64_t *out)
{
    const json_t *value = json_object_get(object, name);
    *out = 0;
    if (!value) return HONE_OK;
    HONE_CHECK(json_is_integer(value) && json_integer_value(value) >= least && json_integer_value(value) <= most,
               HONE_ERROR_FORMAT, "its '%s' is no integer from %" PRId64 " to %" PRId64, name, least, most);
    *out = json_integer_value(value);
    return HONE_OK;
}

static hone_status take_seconds(const json_t *value, const char *name, double *out)
{
    double seconds = json_is_number(value) ? json_number_value(value) : -1;
    HONE_CHECK(seconds_are(seconds), HONE_ERROR_FORMAT, "its '%s' is no number of seconds from 0 to %g", name,
               SECONDS_MAX);
    *out = seconds;
    return HONE_OK;
}

static hone_status take_figure(const json_t *root, const char *name, bool timed, hone_rt_figure *out)
{
    const json_t *it = json_object_get(root, name);
    int64_t       version, rounds;
    if (!it) return HONE_OK;
    HONE_CHECK(json_is_object(it), HONE_ERROR_FORMAT, "its '%s' is no object", name);
    HONE_TRY(take_string(it, "kernel", out->kernel, sizeof out->kernel));
    HONE_TRY(take_string(it, "identity", out->identity, sizeof out->identity));
    HONE_TRY(take_string(it, "config", out->config, sizeof out->config));
    HONE_TRY(take_integer(it, "version", 0, UINT32_MAX, &version));
    HONE_TRY(take_integer(it, "rounds", 0, INT32_MAX, &rounds));
    HONE_CHECK(out->kernel[0], HONE_ERROR_FORMAT, "its '%s' names no kernel", name);
    out->version = (unsigned)version;
    out->rounds = (int)rounds;
    if (!timed) return HONE_OK;
    HONE_TRY(take_seconds(json_object_get(it, "median"), "median", &out->median_s));
    HONE_TRY(take_seconds(json_object_get(it, "low"), "low", &out->low_s));
    HONE_TRY(take_seconds(json_object_get(it, "high"), "high", &out->high_s));
    HONE_CHECK(out->low_s <= out->median_s && out->median_s <= out->high_s, HONE_ERROR_FORMAT,
               "the median of its '%s' is outside its interval", name);
    return HONE_OK;
}

static hone_status take_flags(const json_t *root, unsigned *out)
{
    const json_t *list = json_object_get(root, "flags");
    HONE_CHECK(!list || json_is_array(list), HONE_ERROR_FORMAT, "its 'flags' are no list");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        int         at = 0;
        while (name && at < FLAGS && strcmp(name, flag_names[at].name) != 0) at++;
        HONE_CHECK(name && at < FLAGS, HONE_ERROR_FORMAT, "its flag '%.32s' is not known", name ? name : "");
        *out |= flag_names[at].flag;
    }
    return HONE_OK;
}

/* One of two words. */
static hone_status take_choice(const json_t *root, const char *name, const char *no, const char *yes, bool *out)
{
    const json_t *value = json_object_get(root, name);
    const char   *word = json_string_value(value);
    if (!value) return HONE_OK;
    HONE_CHECK(word && (!strcmp(word, no) || !strcmp(word, yes)), HONE_ERROR_FORMAT, "its '%s' is neither %s nor %s",
               name, no, yes);
    *out = !strcmp(word, yes);
    return HONE_OK;
}

static hone_status take_samples(const json_t *root, hone_rt_row *out)
{
    const json_t *list = json_object_get(root, "samples");
    HONE_CHECK(!list || json_is_array(list), HONE_ERROR_FORMAT, "its 'samples' are no list");
    HONE_CHECK(json_array_size(list) <= HONE_RT_SAMPLES_MAX, HONE_ERROR_FORMAT, "it has %zu samples; %d are allowed",
               json_array_size(list), HONE_RT_SAMPLES_MAX);
    for (size_t i = 0; i < json_array_size(list); i++)
        HONE_TRY(take_seconds(json_array_get(list, i), "samples", &out->samples[i]));
    out->sample_count = (int)json_array_size(list);
    return HONE_OK;
}

static hone_status take_row(const json_t *root, hone_rt_row *out)
{
    const char   *kind = json_string_value(json_object_get(root, "row"));
    const json_t *format = json_object_get(root, "format"), *complete = json_object_get(root, "complete");
    int64_t       number;
    HONE_CHECK(json_is_integer(format), HONE_ERROR_FORMAT, "its format has no number");
    HONE_CHECK(json_integer_value(format) == HONE_RT_ROW_FORMAT, HONE_ERROR_FORMAT,
               "its format is %" JSON_INTEGER_FORMAT ", and this hone reads %d", json_integer_value(format),
               HONE_RT_ROW_FORMAT);
    HONE_CHECK(kind && (!strcmp(kind, kind_names[0]) || !strcmp(kind, kind_names[1])), HONE_ERROR_FORMAT,
               "it is a row of '%.32s', which this hone does not know", kind ? kind : "");
    out->kind = !strcmp(kind, kind_names[1]) ? HONE_RT_ROW_QUARANTINE : HONE_RT_ROW_MEASURED;
    bool measured = out->kind == HONE_RT_ROW_MEASURED;
    HONE_TRY(take_string(root, "problem", out->problem, sizeof out->problem));
    HONE_TRY(take_string(root, "silicon", out->silicon, sizeof out->silicon));
    HONE_TRY(take_string(root, "reason", out->reason, sizeof out->reason));
    HONE_TRY(take_string(root, "build", out->build, sizeof out->build));
    HONE_TRY(take_integer(root, "threads", 0, THREADS_MAX, &number));
    out->threads = (int)number;
    HONE_TRY(take_integer(root, "alignment", 0, 4096, &number));
    out->alignment = (unsigned)number;
    HONE_TRY(take_integer(root, "scratch_cap", 0, INT64_MAX, &number));
    out->scratch_cap = (size_t)number;
    HONE_TRY(take_integer(root, "when", 0, INT64_MAX, &out->when));
    HONE_TRY(take_integer(root, "compared", 0, INT64_MAX, &out->compared));
    HONE_TRY(take_flags(root, &out->flags));
    HONE_TRY(take_choice(root, "operands", "warm", "cold", &out->cold));
    HONE_TRY(take_choice(root, "machine", "alone", "loaded", &out->loaded));
    HONE_TRY(take_figure(root, "best", measured, &out->best));
    if (measured) {
        HONE_TRY(take_figure(root, "next", true, &out->next));
        HONE_TRY(take_figure(root, "untuned", true, &out->untuned));
        HONE_TRY(take_samples(root, out));
        HONE_CHECK(!complete || json_is_boolean(complete), HONE_ERROR_FORMAT,
                   "its 'complete' is neither true nor false");
        out->complete = json_is_true(complete);
    }
    hone_status status = check_row(out);
    return status == HONE_ERROR_ARGUMENT ? HONE_ERROR_FORMAT : status;
}

hone_status hone_rt_row_parse(const char *silicon, const char *line, size_t bytes, hone_rt_row *out)
{
    uint64_t     key = 0, sum = 0;
    json_error_t error;
    memset(out, 0, sizeof *out);
    bytes = hone_rt_line_without_newline(line, bytes);
    HONE_CHECK(bytes < HONE_RT_ROW_TEXT_MAX, HONE_ERROR_FORMAT, "it has %zu bytes; %d are allowed", bytes,
               HONE_RT_ROW_TEXT_MAX - 1);
    HONE_CHECK(hone_rt_line_read(line, bytes, &key, &sum), HONE_ERROR_FORMAT,
               "it does not begin with key and checksum");
    HONE_CHECK(sum == hone_rt_line_sum(key, line, bytes), HONE_ERROR_FORMAT,
               "it is damaged: its checksum is %016" PRIx64 ", and its bytes give %016" PRIx64, sum,
               hone_rt_line_sum(key, line, bytes));
    json_t *root = json_loadb(line, bytes, JSON_REJECT_DUPLICATES, &error);
    if (!root && json_error_code(&error) == json_error_out_of_memory)
        return hone_fail(HONE_ERROR_MEMORY, "out of memory: a row could not be read");
    HONE_CHECK(root, HONE_ERROR_FORMAT, "it is no JSON: %.80s at byte %d", error.text, error.position);
    hone_status status = take_row(root, out);
    json_decref(root);
    if (status == HONE_OK && silicon && strcmp(silicon, out->silicon) != 0)
        status = hone_fail(HONE_ERROR_FORMAT, "it is of other silicon: '%.160s', and this is '%.160s'", out->silicon,
                           silicon);
    if (status == HONE_OK && key_of(out) != key)
        status = hone_fail(HONE_ERROR_FORMAT, "its key is %016" PRIx64 ", and what it is about gives %016" PRIx64, key,
                           key_of(out));
    if (status != HONE_OK) memset(out, 0, sizeof *out);
    return status;
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
