/* Recorded spaces as files: see recording.h. Text, a line an item:
 *
 *     hone space 1
 *     problem matmul f32 nn 64x64x64
 *     threads 1
 *     machine x86_64 avx512, 2 cores
 *     unit 2.5e-10                          seconds; all figures that follow are multiples of it
 *     admit 31415
 *     kernel cpu.packed 8 5120              how many parameters and rows follow
 *     parameter tile 0 0:best 1:f32_8x48    its standard value, then all its values with their names
 *     3 0 2 1 17 4100 0 4096 3 -12          a row: how many places of values are as in the row before, the others, the
 *                                           estimate, the fate, the first sample, and what the others differ from it
 *     starts 0 17 */
#include "tuner/recording.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"

#ifdef HONE_HAS_ZSTD
#include <zstd.h>
#endif

#define FIRST_LINE "hone space 1"

enum { FILE_BYTES_MAX = 64 << 20, PARTS = 4096 /* of the least median */, LEVEL = 19 };

bool hone_recording_compresses(void)
{
#ifdef HONE_HAS_ZSTD
    return true;
#else
    return false;
#endif
}

static bool is_compressed(const char *path)
{
    size_t length = strlen(path);
    return length > 4 && !strcmp(path + length - 4, ".zst");
}

static hone_status no_zstd(const char *path)
{
    return hone_fail(HONE_ERROR_UNSUPPORTED, "%s is compressed by zstd, which was not there when hone was built "
                     "(libzstd-dev)", path);
}

/* --- writing --------------------------------------------------------------------------------------------------- */

typedef struct writer {
    char  *at;
    size_t length, capacity;
    bool   full; /* no memory */
} writer;

static void write_text(writer *w, const char *format, ...) HONE_PRINTF(2, 3);
static void write_text(writer *w, const char *format, ...)
{
    enum { LINE = 1024 };
    if (w->capacity - w->length < LINE && !w->full) {
        size_t capacity = 2 * w->capacity + 16 * LINE;
        char  *at = hone_alloc(capacity, 1);
        w->full = !at;
        if (at && w->length) memcpy(at, w->at, w->length);
        if (at) {
            hone_free(w->at);
            w->at = at;
            w->capacity = capacity;
        }
    }
    if (w->full) return;
    va_list list;
    va_start(list, format);
    w->length += (size_t)vsnprintf(w->at + w->length, LINE, format, list);
    va_end(list);
}

static int place_of(const hone_parameter *parameter, int64_t value)
{
    int i = 0;
    while (i < parameter->count - 1 && parameter->values[i] != value) i++;
    return i;
}

static void write_row(writer *w, const hone_recorded_kernel *kernel, const hone_recorded_row *row,
                      const hone_recorded_row *before, double unit)
{
    int shared = 0;
    while (before && shared < kernel->parameter_count && row->config.value[shared] == before->config.value[shared])
        shared++;
    write_text(w, "%d", shared);
    for (int i = shared; i < kernel->parameter_count; i++)
        write_text(w, " %d", place_of(&kernel->parameters[i], row->config.value[i]));
    write_text(w, " %.0f %d", row->estimate / unit, (int)row->fate);
    double first = 0;
    for (int i = 0; i < row->sample_count; i++) {
        double figure = round(row->samples[i] / unit);
        write_text(w, " %.0f", figure - first);
        if (!i) first = figure;
    }
    write_text(w, "\n");
}

static void write_all(writer *w, const hone_recording *recording)
{
    int    best = hone_recording_best(recording);
    double unit = best >= 0 ? recording->rows[best].seconds / PARTS : 1e-9;
    write_text(w, FIRST_LINE "\nproblem %s\nthreads %d\nmachine %s\nunit %.9g\nadmit %.0f\n", recording->problem,
               recording->threads, recording->machine, unit, recording->admit_s / unit);
    for (int i = 0; i < recording->kernel_count; i++) {
        const hone_recorded_kernel *kernel = &recording->kernels[i];
        write_text(w, "kernel %s %d %d\n", kernel->name, kernel->parameter_count, kernel->count);
        for (int j = 0; j < kernel->parameter_count; j++) {
            const hone_parameter *p = &kernel->parameters[j];
            write_text(w, "parameter %s %lld", p->name, (long long)p->standard);
            for (int k = 0; k < p->count; k++)
                write_text(w, " %lld%s%s", (long long)p->values[k], p->names ? ":" : "", p->names ? p->names[k] : "");
            write_text(w, "\n");
        }
        for (int j = 0; j < kernel->count; j++) {
            const hone_recorded_row *row = &recording->rows[kernel->first + j];
            write_row(w, kernel, row, j ? row - 1 : NULL, unit);
        }
    }
    write_text(w, "starts");
    for (int i = 0; i < recording->start_count; i++) write_text(w, " %d", recording->starts[i]);
    write_text(w, "\n");
}

hone_status hone_recording_save(const hone_recording *recording, const char *path)
{
    writer w = {0};
    if (is_compressed(path) && !hone_recording_compresses()) return no_zstd(path);
    write_all(&w, recording);
    hone_status status = w.full ? HONE_ERROR_MEMORY : HONE_OK;
#ifdef HONE_HAS_ZSTD
    if (status == HONE_OK && is_compressed(path)) {
        size_t room = ZSTD_compressBound(w.length);
        char  *packed = hone_alloc(room, 1);
        size_t bytes = packed ? ZSTD_compress(packed, room, w.at, w.length, LEVEL) : 0;
        if (!packed) status = HONE_ERROR_MEMORY;
        else if (ZSTD_isError(bytes)) status = hone_fail(HONE_ERROR_FILE, "%s: %s", path, ZSTD_getErrorName(bytes));
        else status = hone_file_write(path, packed, bytes);
        hone_free(packed);
        hone_free(w.at);
        return status;
    }
#endif
    if (status == HONE_OK) status = hone_file_write(path, w.at, w.length);
    hone_free(w.at);
    return status;
}

/* --- reading --------------------------------------------------------------------------------------------------- */

typedef struct reader {
    hone_recording *out;
    const char     *path;
    char           *at;   /* the rest of the text */
    int             line;
    double          unit;
    size_t          value_count, name_count, sample_count, text_used;
    size_t          value_cap, sample_cap, row_cap, kernel_cap;
} reader;

static hone_status wrong(const reader *r, const char *what)
{
    return hone_fail(HONE_ERROR_FORMAT, "%s: line %d: %s", r->path, r->line, what);
}

/* The next line, without its end; NULL: there is none. */
static char *next_line(reader *r)
{
    char *line = r->at, *end = strchr(line, '\n');
    if (!*line || !end) return NULL;
    *end = 0;
    r->at = end + 1;
    r->line++;
    return line;
}

/* What follows "word " on the next line; NULL: it begins otherwise. */
static char *line_of(reader *r, const char *word)
{
    char  *line = next_line(r);
    size_t length = strlen(word);
    return line && !strncmp(line, word, length) && line[length] == ' ' ? line + length + 1 : NULL;
}

static bool take_number(char **at, int64_t *out)
{
    char *end;
    while (**at == ' ') ++*at;
    if (!**at) return false;
    long long number = strtoll(*at, &end, 10);
    if (end == *at || (*end && *end != ' ' && *end != ':')) return false;
    *at = end;
    *out = number;
    return true;
}

static bool take_count(char **at, int64_t least, int64_t most, int *out)
{
    int64_t number;
    if (!take_number(at, &number) || number < least || number > most) return false;
    *out = (int)number;
    return true;
}

static char *take_word(char **at)
{
    while (**at == ' ') ++*at;
    char *word = *at;
    while (**at && **at != ' ') ++*at;
    if (**at) *(*at)++ = 0;
    return *word ? word : NULL;
}

/* How much of what the text can hold at most: every value, name and sample has a blank before it. */
static hone_status make_room(reader *r)
{
    size_t blanks = 0, lines = 0;
    for (const char *at = r->at; *at; at++) {
        blanks += *at == ' ';
        lines += *at == '\n';
    }
    r->value_cap = r->sample_cap = blanks + 1;
    r->row_cap = r->kernel_cap = lines + 1;
    r->out->values = hone_alloc(r->value_cap, sizeof *r->out->values);
    r->out->names = hone_alloc(r->value_cap, sizeof *r->out->names);
    r->out->samples = hone_alloc(r->sample_cap, sizeof *r->out->samples);
    r->out->rows = hone_alloc(r->row_cap, sizeof *r->out->rows);
    size_t kernels = 0;
    for (const char *at = r->at; (at = strstr(at, "\nkernel ")); at++) kernels++;
    r->kernel_cap = kernels;
    r->out->kernels = hone_alloc(kernels + 1, sizeof *r->out->kernels);
    return r->out->values && r->out->names && r->out->samples && r->out->rows && r->out->kernels ? HONE_OK
                                                                                                 : HONE_ERROR_MEMORY;
}

static hone_status read_parameter(reader *r, hone_parameter *out)
{
    char *at = line_of(r, "parameter");
    char *name = at ? take_word(&at) : NULL;
    if (!name || !take_number(&at, &out->standard)) return wrong(r, "a parameter with its standard value is wanted");
    out->name = name;
    out->meaning = "";
    out->values = r->out->values + r->value_count;
    const char **names = r->out->names + r->name_count;
    bool         standard_is_one = false;
    for (int64_t value; take_number(&at, &value);) {
        r->out->values[r->value_count++] = value;
        out->count++;
        standard_is_one |= value == out->standard;
        if (*at != ':') continue;
        ++at;
        r->out->names[r->name_count++] = take_word(&at);
        out->names = names;
    }
    if (*at || !out->count || out->count > 255 || !standard_is_one)
        return wrong(r, "a parameter has 1 to 255 numbers, its standard value among them");
    if (out->names && names + out->count != r->out->names + r->name_count)
        return wrong(r, "either all values have names, or none");
    for (int i = 0; out->names && i < out->count; i++)
        if (!out->names[i]) return wrong(r, "a name is empty");
    return HONE_OK;
}

static bool comes_before(const int *a, const int *b, int count)
{
    for (int i = 0; i < count; i++)
        if (a[i] != b[i]) return a[i] < b[i];
    return false;
}

static hone_status read_row(reader *r, const hone_recorded_kernel *kernel, int *places, bool first)
{
    hone_recorded_row *row = &r->out->rows[r->out->row_count++];
    char              *at = next_line(r);
    int                shared, fate, before[HONE_PARAMETERS_MAX];
    int64_t            estimate, sample, start = 0;
    memcpy(before, places, sizeof before);
    if (!at || !take_count(&at, 0, first ? 0 : kernel->parameter_count, &shared))
        return wrong(r, "a row is wanted: how many values are as before comes first");
    for (int i = shared; i < kernel->parameter_count; i++)
        if (!take_count(&at, 0, kernel->parameters[i].count - 1, &places[i]))
            return wrong(r, "places of values are missing, or too large");
    if (!first && !comes_before(before, places, kernel->parameter_count)) return wrong(r, "rows must rise");
    for (int i = 0; i < kernel->parameter_count; i++) row->config.value[i] = kernel->parameters[i].values[places[i]];
    if (!take_number(&at, &estimate) || estimate < 0 || !take_count(&at, 0, HONE_FATE_COUNT - 1, &fate))
        return wrong(r, "an estimate and a fate are wanted");
    row->estimate = (float)((double)estimate * r->unit);
    row->fate = (hone_fate)fate;
    row->samples = r->out->samples + r->sample_count;
    while (take_number(&at, &sample)) {
        if (row->sample_count == HONE_RECORDING_SAMPLES_MAX) return wrong(r, "too many samples");
        int64_t figure = start + sample;
        if (figure <= 0 || figure > INT64_MAX / 2) return wrong(r, "a sample is not above 0");
        if (!row->sample_count) start = sample;
        r->out->samples[r->sample_count++] = (float)((double)figure * r->unit);
        row->sample_count++;
    }
    if (*at) return wrong(r, "a number is wanted");
    if (row->fate == HONE_FATE_RIGHT && !row->sample_count) return wrong(r, "what is right has a sample");
    return HONE_OK;
}

static hone_status read_kernel(reader *r, char *at)
{
    hone_recorded_kernel *kernel = &r->out->kernels[r->out->kernel_count++];
    char                 *name = take_word(&at);
    int                   places[HONE_PARAMETERS_MAX] = {0};
    /* one parameter is the replay's */
    if (!name || strlen(name) >= sizeof kernel->name || !take_count(&at, 0, HONE_PARAMETERS_MAX - 1,
                                                                    &kernel->parameter_count) ||
        !take_count(&at, 1, (int64_t)r->row_cap, &kernel->count))
        return wrong(r, "a kernel with the numbers of its parameters and rows is wanted");
    strcpy(kernel->name, name);
    kernel->first = r->out->row_count;
    for (int i = 0; i < kernel->parameter_count; i++) HONE_TRY(read_parameter(r, &kernel->parameters[i]));
    for (int i = 0; i < kernel->count; i++) HONE_TRY(read_row(r, kernel, places, i == 0));
    return HONE_OK;
}

static hone_status read_all(reader *r)
{
    hone_recording *out = r->out;
    HONE_TRY(make_room(r));
    char   *line = next_line(r), *at;
    int64_t admit;
    if (!line || strcmp(line, FIRST_LINE)) return wrong(r, "it does not begin with \"" FIRST_LINE "\"");
    if (!(at = line_of(r, "problem")) || strlen(at) >= sizeof out->problem) return wrong(r, "the problem is wanted");
    strcpy(out->problem, at);
    if (!(at = line_of(r, "threads")) || !take_count(&at, 1, 1 << 20, &out->threads) || *at)
        return wrong(r, "the number of threads is wanted");
    if (!(at = line_of(r, "machine")) || strlen(at) >= sizeof out->machine) return wrong(r, "the machine is wanted");
    strcpy(out->machine, at);
    if (!(at = line_of(r, "unit"))) return wrong(r, "the unit is wanted");
    r->unit = strtod(at, &at);
    if (*at || !(r->unit > 0) || !(r->unit < 1)) return wrong(r, "the unit is seconds, between 0 and 1");
    if (!(at = line_of(r, "admit")) || !take_number(&at, &admit) || admit < 0 || *at)
        return wrong(r, "what admission takes is wanted");
    out->admit_s = (double)admit * r->unit;
    while ((line = next_line(r))) {
        if (strncmp(line, "kernel ", 7)) break;
        HONE_TRY(read_kernel(r, line + 7));
    }
    if (!line || strncmp(line, "starts ", 7)) return wrong(r, "a kernel or the starts are wanted");
    at = line + 7;
    while (out->start_count < 16 && take_count(&at, 0, out->row_count - 1, &out->starts[out->start_count]))
        out->start_count++;
    if (*at || !out->start_count) return wrong(r, "the starts are 1 to 16 rows");
    if (*r->at) return wrong(r, "there is more behind the starts");
    return HONE_OK;
}

#ifdef HONE_HAS_ZSTD
static hone_status unpack(const char *path, char **text, size_t *bytes)
{
    unsigned long long size = ZSTD_getFrameContentSize(*text, *bytes);
    HONE_CHECK(size != ZSTD_CONTENTSIZE_ERROR && size != ZSTD_CONTENTSIZE_UNKNOWN, HONE_ERROR_FORMAT,
               "%s is not compressed by zstd as a whole", path);
    HONE_CHECK(size <= FILE_BYTES_MAX, HONE_ERROR_FORMAT, "%s holds %llu bytes, at most %d are read", path, size,
               FILE_BYTES_MAX);
    char *plain = hone_alloc((size_t)size + 1, 1);
    if (!plain) return HONE_ERROR_MEMORY;
    size_t got = ZSTD_decompress(plain, (size_t)size, *text, *bytes);
    hone_free(*text);
    *text = plain;
    *bytes = (size_t)size;
    HONE_CHECK(!ZSTD_isError(got) && got == size, HONE_ERROR_FORMAT, "%s: %s", path,
               ZSTD_isError(got) ? ZSTD_getErrorName(got) : "it is cut short");
    return HONE_OK;
}
#endif

hone_status hone_recording_load(const char *path, hone_recording *out)
{
    reader r = {.out = out, .path = path};
    size_t bytes;
    *out = (hone_recording){0};
    if (is_compressed(path) && !hone_recording_compresses()) return no_zstd(path);
    HONE_TRY(hone_file_read(path, FILE_BYTES_MAX, &out->text, &bytes));
    hone_status status = HONE_OK;
#ifdef HONE_HAS_ZSTD
    if (is_compressed(path)) status = unpack(path, &out->text, &bytes);
#endif
    r.at = out->text;
    if (status == HONE_OK && strlen(out->text) != bytes)
        status = hone_fail(HONE_ERROR_FORMAT, "%s: there is a zero in it", path);
    if (status == HONE_OK) status = read_all(&r);
    if (status == HONE_OK) status = hone_recording_settle(out);
    if (status != HONE_OK) hone_recording_free(out);
    return status;
}
