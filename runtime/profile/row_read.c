/* A row read from its line: every byte is doubted, what is not known by name is passed over, and no memory is needed.
 * How a row looks stands in row.c. */
#include <string.h>

#include "base/status.h"
#include "runtime/profile/json.h"
#include "runtime/profile/row.h"

static hone_status no_json(const hone_rt_json *json)
{
    return hone_fail(HONE_ERROR_FORMAT, "it is no JSON: %s at byte %td", json->broken, json->at - json->start);
}

/* A part of a row or a figure, by its name; taken into `out`. */
typedef hone_status take_function(hone_rt_json *json, const char *name, void *out);

typedef enum part { ALWAYS, MEASURED, SAMPLES } part; /* in which rows, and for whom, it is more than passed over */
typedef struct member {
    const char    *name;
    take_function *take;
    part           when;
} member;

/* Where it is among what is known, looked for from `next` on, for most come in this order; below 0: it is not. */
static int find(const member *known, int count, int next, const char *name)
{
    for (int i = 0; i < count; i++) {
        const int at = next + i < count ? next + i : next + i - count;
        if (!strcmp(known[at].name, name)) return at;
    }
    return -1;
}

/* The members of an object that is open, each once; what is not known, or of a part beyond `most`, is passed over. A
 * bit of *seen for each. */
static hone_status take_members(hone_rt_json *json, const member *known, int count, part most, void *out,
                                unsigned *seen)
{
    char name[16];
    for (int next = 0; hone_rt_json_member(json, name, sizeof name);) {
        const int at = find(known, count, next, name);
        if (at < 0) {
            hone_rt_json_skip(json);
            continue;
        }
        HONE_CHECK(!(*seen >> at & 1), HONE_ERROR_FORMAT, "it is no JSON: its '%s' is there twice", name);
        *seen |= 1u << at;
        next = at + 1;
        if (known[at].when > most)
            hone_rt_json_skip(json);
        else
            HONE_TRY(known[at].take(json, name, out));
    }
    return json->broken ? no_json(json) : HONE_OK;
}

static hone_status take_string(hone_rt_json *json, const char *name, char *out, size_t capacity)
{
    size_t                  bytes;
    const hone_rt_json_kind kind = hone_rt_json_peek(json);
    if (kind == HONE_RT_JSON_BROKEN) return no_json(json);
    HONE_CHECK(kind == HONE_RT_JSON_TEXT, HONE_ERROR_FORMAT, "its '%s' is no text", name);
    if (!hone_rt_json_text(json, out, capacity, &bytes)) return no_json(json);
    HONE_CHECK(bytes < capacity, HONE_ERROR_FORMAT, "its '%s' has %zu bytes; %zu are allowed", name, bytes,
               capacity - 1);
    return HONE_OK;
}

static hone_status take_integer(hone_rt_json *json, const char *name, int64_t least, int64_t most, int64_t *out)
{
    hone_rt_json_value      value = {0};
    const hone_rt_json_kind kind = hone_rt_json_peek(json);
    *out = 0;
    if (kind == HONE_RT_JSON_BROKEN) return no_json(json);
    if (kind == HONE_RT_JSON_NUMBER && !hone_rt_json_number(json, &value)) return no_json(json);
    HONE_CHECK(value.integer && value.whole >= least && value.whole <= most, HONE_ERROR_FORMAT,
               "its '%s' is no integer from %" PRId64 " to %" PRId64, name, least, most);
    *out = value.whole;
    return HONE_OK;
}

static hone_status no_seconds(const char *name)
{
    return hone_fail(HONE_ERROR_FORMAT, "its '%s' is no number of seconds from 0 to %g", name, HONE_RT_SECONDS_MAX);
}

static hone_status take_seconds(hone_rt_json *json, const char *name, void *out)
{
    hone_rt_json_value      value = {.real = -1};
    const hone_rt_json_kind kind = hone_rt_json_peek(json);
    if (kind == HONE_RT_JSON_BROKEN) return no_json(json);
    if (kind == HONE_RT_JSON_NUMBER && !hone_rt_json_number(json, &value)) return no_json(json);
    if (!hone_rt_row_seconds_are(value.real)) return no_seconds(name);
    memcpy(out, &value.real, sizeof value.real);
    return HONE_OK;
}

/* One of two words. */
static hone_status take_choice(hone_rt_json *json, const char *name, const char *no, const char *yes, bool *out)
{
    char                    word[16] = "";
    size_t                  bytes;
    const hone_rt_json_kind kind = hone_rt_json_peek(json);
    if (kind == HONE_RT_JSON_BROKEN) return no_json(json);
    if (kind == HONE_RT_JSON_TEXT && !hone_rt_json_text(json, word, sizeof word, &bytes)) return no_json(json);
    HONE_CHECK(!strcmp(word, no) || !strcmp(word, yes), HONE_ERROR_FORMAT, "its '%s' is neither %s nor %s", name, no,
               yes);
    *out = !strcmp(word, yes);
    return HONE_OK;
}

/* --- a figure's parts ------------------------------------------------------------------------------------------ */

static hone_status take_kernel(hone_rt_json *json, const char *name, void *out)
{
    hone_rt_figure *it = out;
    return take_string(json, name, it->kernel, sizeof it->kernel);
}

static hone_status take_version(hone_rt_json *json, const char *name, void *out)
{
    int64_t number;
    HONE_TRY(take_integer(json, name, 0, UINT32_MAX, &number));
    ((hone_rt_figure *)out)->version = (unsigned)number;
    return HONE_OK;
}

static hone_status take_identity(hone_rt_json *json, const char *name, void *out)
{
    hone_rt_figure *it = out;
    return take_string(json, name, it->identity, sizeof it->identity);
}

static hone_status take_config(hone_rt_json *json, const char *name, void *out)
{
    hone_rt_figure *it = out;
    return take_string(json, name, it->config, sizeof it->config);
}

static hone_status take_median(hone_rt_json *json, const char *name, void *out)
{
    return take_seconds(json, name, &((hone_rt_figure *)out)->median_s);
}

static hone_status take_low(hone_rt_json *json, const char *name, void *out)
{
    return take_seconds(json, name, &((hone_rt_figure *)out)->low_s);
}

static hone_status take_high(hone_rt_json *json, const char *name, void *out)
{
    return take_seconds(json, name, &((hone_rt_figure *)out)->high_s);
}

static hone_status take_rounds(hone_rt_json *json, const char *name, void *out)
{
    int64_t number;
    HONE_TRY(take_integer(json, name, 0, INT32_MAX, &number));
    ((hone_rt_figure *)out)->rounds = (int)number;
    return HONE_OK;
}

enum { MEDIAN_AT = 4, FIGURE_PARTS = 8 };
static const member figure_parts[FIGURE_PARTS] = {
    {"kernel", take_kernel, ALWAYS}, {"version", take_version, ALWAYS}, {"identity", take_identity, ALWAYS},
    {"config", take_config, ALWAYS}, {"median", take_median, MEASURED},    {"low", take_low, MEASURED},
    {"high", take_high, MEASURED},      {"rounds", take_rounds, ALWAYS}};

static hone_status take_figure(hone_rt_json *json, const char *name, bool timed, hone_rt_figure *out)
{
    unsigned                seen = 0;
    const hone_rt_json_kind kind = hone_rt_json_peek(json);
    if (kind == HONE_RT_JSON_BROKEN) return no_json(json);
    HONE_CHECK(kind == HONE_RT_JSON_OBJECT, HONE_ERROR_FORMAT, "its '%s' is no object", name);
    hone_rt_json_open(json, '{');
    HONE_TRY(take_members(json, figure_parts, FIGURE_PARTS, timed ? MEASURED : ALWAYS, out, &seen));
    HONE_CHECK(out->kernel[0], HONE_ERROR_FORMAT, "its '%s' names no kernel", name);
    for (int i = MEDIAN_AT; timed && i < MEDIAN_AT + 3; i++)
        if (!(seen >> i & 1)) return no_seconds(figure_parts[i].name);
    HONE_CHECK(out->low_s <= out->median_s && out->median_s <= out->high_s, HONE_ERROR_FORMAT,
               "the median of its '%s' is outside its interval", name);
    return HONE_OK;
}

/* --- a row's parts --------------------------------------------------------------------------------------------- */

static hone_status take_format(hone_rt_json *json, const char *name, void *out)
{
    hone_rt_json_value      value = {0};
    const hone_rt_json_kind kind = hone_rt_json_peek(json);
    (void)name, (void)out;
    if (kind == HONE_RT_JSON_NUMBER && !hone_rt_json_number(json, &value)) return no_json(json);
    HONE_CHECK(value.integer, HONE_ERROR_FORMAT, "its format has no number");
    HONE_CHECK(value.whole == HONE_RT_ROW_FORMAT, HONE_ERROR_FORMAT,
               "its format is %" PRId64 ", and this hone reads %d", value.whole, HONE_RT_ROW_FORMAT);
    return HONE_OK;
}

static hone_status take_problem(hone_rt_json *json, const char *name, void *out)
{
    hone_rt_row *row = out;
    return take_string(json, name, row->problem, sizeof row->problem);
}

static hone_status take_threads(hone_rt_json *json, const char *name, void *out)
{
    int64_t number;
    HONE_TRY(take_integer(json, name, 0, HONE_RT_THREADS_MAX, &number));
    ((hone_rt_row *)out)->threads = (int)number;
    return HONE_OK;
}

static hone_status take_alignment(hone_rt_json *json, const char *name, void *out)
{
    int64_t number;
    HONE_TRY(take_integer(json, name, 0, 4096, &number));
    ((hone_rt_row *)out)->alignment = (unsigned)number;
    return HONE_OK;
}

static hone_status take_flags(hone_rt_json *json, const char *name, void *out)
{
    hone_rt_row            *row = out;
    const hone_rt_json_kind kind = hone_rt_json_peek(json);
    (void)name;
    if (kind == HONE_RT_JSON_BROKEN) return no_json(json);
    HONE_CHECK(kind == HONE_RT_JSON_ARRAY, HONE_ERROR_FORMAT, "its 'flags' are no list");
    hone_rt_json_open(json, '[');
    while (hone_rt_json_element(json)) {
        char   flag[33] = "";
        size_t bytes;
        int    at = 0;
        if (hone_rt_json_peek(json) == HONE_RT_JSON_TEXT) hone_rt_json_text(json, flag, sizeof flag, &bytes);
        if (json->broken) break;
        while (at < HONE_RT_FLAGS && strcmp(flag, hone_rt_flag_names[at].name) != 0) at++;
        HONE_CHECK(at < HONE_RT_FLAGS, HONE_ERROR_FORMAT, "its flag '%s' is not known", flag);
        row->flags |= hone_rt_flag_names[at].flag;
    }
    return json->broken ? no_json(json) : HONE_OK;
}

static hone_status take_scratch_cap(hone_rt_json *json, const char *name, void *out)
{
    int64_t number;
    HONE_TRY(take_integer(json, name, 0, INT64_MAX, &number));
    ((hone_rt_row *)out)->scratch_cap = (size_t)number;
    return HONE_OK;
}

static hone_status take_operands(hone_rt_json *json, const char *name, void *out)
{
    return take_choice(json, name, "warm", "cold", &((hone_rt_row *)out)->cold);
}

static hone_status take_machine(hone_rt_json *json, const char *name, void *out)
{
    return take_choice(json, name, "alone", "loaded", &((hone_rt_row *)out)->loaded);
}

static hone_status take_best(hone_rt_json *json, const char *name, void *out)
{
    hone_rt_row *row = out;
    return take_figure(json, name, row->kind == HONE_RT_ROW_MEASURED, &row->best);
}

static hone_status take_next(hone_rt_json *json, const char *name, void *out)
{
    return take_figure(json, name, true, &((hone_rt_row *)out)->next);
}

static hone_status take_untuned(hone_rt_json *json, const char *name, void *out)
{
    return take_figure(json, name, true, &((hone_rt_row *)out)->untuned);
}

static hone_status take_rivals(hone_rt_json *json, const char *name, void *out)
{
    hone_rt_row *row = out;
    return take_string(json, name, row->rivals, sizeof row->rivals);
}

static hone_status take_reason(hone_rt_json *json, const char *name, void *out)
{
    hone_rt_row *row = out;
    return take_string(json, name, row->reason, sizeof row->reason);
}

static hone_status take_compared(hone_rt_json *json, const char *name, void *out)
{
    return take_integer(json, name, 0, INT64_MAX, &((hone_rt_row *)out)->compared);
}

static hone_status take_samples(hone_rt_json *json, const char *name, void *out)
{
    hone_rt_row            *row = out;
    const hone_rt_json_kind kind = hone_rt_json_peek(json);
    if (kind == HONE_RT_JSON_BROKEN) return no_json(json);
    HONE_CHECK(kind == HONE_RT_JSON_ARRAY, HONE_ERROR_FORMAT, "its 'samples' are no list");
    hone_rt_json_open(json, '[');
    while (hone_rt_json_element(json)) {
        HONE_CHECK(row->sample_count < HONE_RT_SAMPLES_MAX, HONE_ERROR_FORMAT, "it has more than %d samples",
                   HONE_RT_SAMPLES_MAX);
        HONE_TRY(take_seconds(json, name, &row->samples[row->sample_count]));
        row->sample_count++;
    }
    return json->broken ? no_json(json) : HONE_OK;
}

static hone_status take_complete(hone_rt_json *json, const char *name, void *out)
{
    char                    word = 0;
    const hone_rt_json_kind kind = hone_rt_json_peek(json);
    (void)name;
    if (kind == HONE_RT_JSON_BROKEN) return no_json(json);
    if (kind == HONE_RT_JSON_WORD && !hone_rt_json_word(json, &word)) return no_json(json);
    HONE_CHECK(word == 't' || word == 'f', HONE_ERROR_FORMAT, "its 'complete' is neither true nor false");
    ((hone_rt_row *)out)->complete = word == 't';
    return HONE_OK;
}

static hone_status take_when(hone_rt_json *json, const char *name, void *out)
{
    return take_integer(json, name, 0, INT64_MAX, &((hone_rt_row *)out)->when);
}

static hone_status take_build(hone_rt_json *json, const char *name, void *out)
{
    hone_rt_row *row = out;
    return take_string(json, name, row->build, sizeof row->build);
}

static hone_status take_silicon(hone_rt_json *json, const char *name, void *out)
{
    hone_rt_row *row = out;
    return take_string(json, name, row->silicon, sizeof row->silicon);
}

enum { FORMAT_AT, KEY_AT = 19, SUM_AT, ROW_AT, ROW_PARTS };
static const member row_parts[ROW_PARTS] = {[KEY_AT] = {"key", NULL, ALWAYS}, /* these three are read before */
                                            [SUM_AT] = {"sum", NULL, ALWAYS},
                                            [ROW_AT] = {"row", NULL, ALWAYS},
                                            [FORMAT_AT] = {"format", take_format, ALWAYS},
                                            {"problem", take_problem, ALWAYS},
                                            {"threads", take_threads, ALWAYS},
                                            {"alignment", take_alignment, ALWAYS},
                                            {"flags", take_flags, ALWAYS},
                                            {"scratch_cap", take_scratch_cap, ALWAYS},
                                            {"operands", take_operands, ALWAYS},
                                            {"machine", take_machine, ALWAYS},
                                            {"best", take_best, ALWAYS},
                                            {"next", take_next, MEASURED},
                                            {"untuned", take_untuned, MEASURED},
                                            {"rivals", take_rivals, MEASURED},
                                            {"reason", take_reason, ALWAYS},
                                            {"compared", take_compared, ALWAYS},
                                            {"samples", take_samples, SAMPLES},
                                            {"complete", take_complete, MEASURED},
                                            {"when", take_when, ALWAYS},
                                            {"build", take_build, ALWAYS},
                                            {"silicon", take_silicon, ALWAYS}};

/* What it is a row of: the first behind the checksum, for what else may stand there depends on it. */
static hone_status take_kind(hone_rt_json *json, hone_rt_row_kind *out)
{
    char name[16] = "", kind[33] = "";
    if (hone_rt_json_member(json, name, sizeof name)) {
        HONE_CHECK(!strcmp(name, "row"), HONE_ERROR_FORMAT, "it says '%s' before it says what it is a row of", name);
        HONE_TRY(take_string(json, name, kind, sizeof kind));
    }
    if (json->broken) return no_json(json);
    HONE_CHECK(!strcmp(kind, hone_rt_row_kind_names[0]) || !strcmp(kind, hone_rt_row_kind_names[1]), HONE_ERROR_FORMAT,
               "it is a row of '%s', which this hone does not know", kind);
    *out = !strcmp(kind, hone_rt_row_kind_names[1]) ? HONE_RT_ROW_QUARANTINE : HONE_RT_ROW_MEASURED;
    return HONE_OK;
}

static hone_status take_row(hone_rt_json *json, bool samples, hone_rt_row *out)
{
    unsigned seen = 1u << KEY_AT | 1u << SUM_AT | 1u << ROW_AT;
    HONE_TRY(take_kind(json, &out->kind));
    const part most = out->kind != HONE_RT_ROW_MEASURED ? ALWAYS : samples ? SAMPLES : MEASURED;
    HONE_TRY(take_members(json, row_parts, ROW_PARTS, most, out, &seen));
    if (!hone_rt_json_ended(json)) return no_json(json);
    HONE_CHECK(seen >> FORMAT_AT & 1, HONE_ERROR_FORMAT, "its format has no number");
    hone_status status = hone_rt_row_check(out);
    return status == HONE_ERROR_ARGUMENT ? HONE_ERROR_FORMAT : status;
}

static hone_status parse(const char *silicon, const char *line, size_t bytes, bool samples, hone_rt_row *out)
{
    uint64_t key = 0, sum = 0;
    memset(out, 0, sizeof *out);
    bytes = hone_rt_line_without_newline(line, bytes);
    HONE_CHECK(bytes < HONE_RT_ROW_TEXT_MAX, HONE_ERROR_FORMAT, "it has %zu bytes; %d are allowed", bytes,
               HONE_RT_ROW_TEXT_MAX - 1);
    HONE_CHECK(hone_rt_line_read(line, bytes, &key, &sum), HONE_ERROR_FORMAT,
               "it does not begin with key and checksum");
    HONE_CHECK(sum == hone_rt_line_sum(key, line, bytes), HONE_ERROR_FORMAT,
               "it is damaged: its checksum is %016" PRIx64 ", and its bytes give %016" PRIx64, sum,
               hone_rt_line_sum(key, line, bytes));
    hone_rt_json json = hone_rt_json_within(line, bytes, HONE_RT_PROFILE_SEAL - 1); /* before the seal's last comma */
    hone_status  status = take_row(&json, samples, out);
    if (status == HONE_OK && silicon && strcmp(silicon, out->silicon) != 0)
        status = hone_fail(HONE_ERROR_FORMAT, "it is of other silicon: '%.160s', and this is '%.160s'", out->silicon,
                           silicon);
    if (status == HONE_OK && hone_rt_row_key_of(out) != key)
        status = hone_fail(HONE_ERROR_FORMAT, "its key is %016" PRIx64 ", and what it is about gives %016" PRIx64, key,
                           hone_rt_row_key_of(out));
    if (status != HONE_OK) memset(out, 0, sizeof *out);
    return status;
}

hone_status hone_rt_row_parse(const char *silicon, const char *line, size_t bytes, hone_rt_row *out)
{
    return parse(silicon, line, bytes, true, out);
}

hone_status hone_rt_row_parse_figures(const char *silicon, const char *line, size_t bytes, hone_rt_row *out)
{
    return parse(silicon, line, bytes, false, out);
}
