/* Suites, files and records of problems: see suites.h. */
#include "tuner/suites.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/status.h"
#include "base/text.h"

enum { FILE_MAX = 1 << 24, PROBLEMS_MAX = 65536, STEP = 64 };

static hone_status grow(hone_suite *suite)
{
    if (suite->count % STEP) return HONE_OK;
    HONE_CHECK(suite->count < PROBLEMS_MAX, HONE_ERROR_OVERFLOW, "more than %d problems", PROBLEMS_MAX);
    hone_suite_problem *more = hone_alloc((size_t)suite->count + STEP, sizeof *more);
    if (!more) return HONE_ERROR_MEMORY;
    if (suite->count) memcpy(more, suite->problems, (size_t)suite->count * sizeof *more);
    hone_free(suite->problems);
    suite->problems = more;
    return HONE_OK;
}

hone_status hone_suite_add(const hone_rt_context *context, const char *text, double weight, double count, int threads,
                           hone_suite *suite)
{
    const hone_op  *op;
    hone_rt_problem problem;
    char            whole[HONE_PROBLEM_TEXT_MAX + 64];
    HONE_TRY(hone_rt_problem_parse(context, text, &op, &problem));
    hone_rt_problem_print(op, problem.bytes, whole, sizeof whole);
    for (int i = 0; i < suite->count; i++) {
        hone_suite_problem *it = &suite->problems[i];
        if (it->threads != threads || strcmp(it->text, whole)) continue;
        it->weight += weight;
        it->count += count;
        return HONE_OK;
    }
    HONE_TRY(grow(suite));
    char *kept = hone_alloc(strlen(whole) + 1, 1);
    if (!kept) return HONE_ERROR_MEMORY;
    strcpy(kept, whole);
    suite->problems[suite->count++] = (hone_suite_problem){kept, weight, count, threads};
    return HONE_OK;
}

void hone_suite_free(hone_suite *suite)
{
    for (int i = 0; i < suite->count; i++) hone_free(suite->problems[i].text);
    hone_free(suite->problems);
    *suite = (hone_suite){0};
}

static hone_status or_free(hone_status status, hone_suite *suite)
{
    if (status != HONE_OK) hone_suite_free(suite);
    return status;
}

hone_status hone_suite_named(const hone_rt_context *context, const char *name, hone_suite *out)
{
    const hone_op *op;
    bool           known = false;
    char           text[HONE_PROBLEM_TEXT_MAX + 64];
    *out = (hone_suite){0};
    for (int i = 0; (op = hone_rt_op_at(context, i)); i++) {
        const char *const *list = op->suite ? op->suite(name) : NULL;
        known |= list != NULL;
        for (; list && *list; list++) {
            snprintf(text, sizeof text, "%s %s", op->name, *list);
            HONE_TRY(or_free(hone_suite_add(context, text, 1, 0, 0, out), out));
        }
    }
    HONE_CHECK(known, HONE_ERROR_NOT_FOUND,
               "no op has a suite '%s'; there are quick, full, transformer, convnet, training", name);
    return HONE_OK;
}

/* "calls=1200": a figure behind the #. False: it is there, and is none. */
static bool told(const char *note, const char *key, double *out)
{
    size_t length = strlen(key);
    for (const char *at = note; (at = strstr(at, key)); at += length) {
        char *end;
        if (at > note && at[-1] != ' ' && at[-1] != '#') continue;
        double value = hone_text_real(at + length, &end);
        if (end == at + length || !isfinite(value) || value < 0 || (*end && *end != ' ' && *end != '\t')) return false;
        *out = value;
        return true;
    }
    return true;
}

static hone_status add_line(const hone_rt_context *context, const char *name, int number, char *line, hone_suite *suite)
{
    double weight = 0, count = 0, threads = 0;
    line[strcspn(line, "\r")] = 0;
    char  *note = strchr(line, '#');
    if (note) *note++ = 0;
    line += strspn(line, " \t");
    size_t length = strlen(line);
    while (length && (line[length - 1] == ' ' || line[length - 1] == '\t')) line[--length] = 0;
    if (!length) return HONE_OK;
    HONE_CHECK(!note || (told(note, "seconds=", &weight) && told(note, "calls=", &count) &&
                         told(note, "threads=", &threads) && threads <= 4096 && threads == floor(threads)),
               HONE_ERROR_FORMAT, "%s, line %d: what stands behind '#' is no record: '%.80s'", name, number, note);
    hone_status status = hone_suite_add(context, line, weight > 0 ? weight : 1, count, (int)threads, suite);
    return status == HONE_OK ? HONE_OK : hone_fail_within(status, "%s, line %d", name, number);
}

hone_status hone_suite_parse(const hone_rt_context *context, const char *name, const char *text, size_t bytes,
                             hone_suite *out)
{
    int         number = 0;
    const char *end = text + bytes;
    char        line[HONE_PROBLEM_TEXT_MAX + 512];
    *out = (hone_suite){0};
    for (const char *at = text, *next; at < end; at = next + 1) {
        next = memchr(at, '\n', (size_t)(end - at));
        if (!next) next = end;
        size_t length = (size_t)(next - at);
        number++;
        hone_status status = HONE_OK;
        if (length >= sizeof line || memchr(at, 0, length)) {
            status = hone_fail(HONE_ERROR_FORMAT, "%s, line %d: this is no line of text", name, number);
        } else {
            memcpy(line, at, length);
            line[length] = 0;
            status = add_line(context, name, number, line, out);
        }
        HONE_TRY(or_free(status, out));
    }
    HONE_CHECK(out->count, HONE_ERROR_FORMAT, "%s: there is no problem in it", name);
    return HONE_OK;
}

hone_status hone_suite_read(const hone_rt_context *context, const char *path, hone_suite *out)
{
    char  *text;
    size_t bytes;
    *out = (hone_suite){0};
    HONE_TRY(hone_file_read(path, FILE_MAX, &text, &bytes));
    hone_status status = hone_suite_parse(context, path, text, bytes, out);
    hone_free(text);
    return status;
}
