/* hone profile export: a whole profile as one file of its own form, or its figures in the form that tuners of kernels
 * exchange (T4 1.0.0: a result for each configuration, with its times, whether it is valid, measurements and
 * objectives). What that form asks for stands in tests/cli/t4.json; `problem`, and the kernel as a parameter, are our
 * own, which it allows. */
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "base/alloc.h"
#include "base/text.h"
#include "cli/profile_parts.h"
#include "runtime/profile/profile.h"
#include "tuner/oracle.h"

/* --- our own form ------------------------------------------------------------------------------------------------ */

static int export_rows(const cli_call *call, const cli_hone *hone)
{
    hone_ceilings ceilings;
    hone_rt_rows *rows;
    char          line[HONE_RT_PROFILE_LINE_MAX], *first;
    size_t        bytes;
    int           wrote = 0;
    hone_status   status = hone_rt_profile_load(hone->device, NULL, &ceilings);
    if (status == HONE_OK && hone_rt_profile_print(hone->device, &ceilings, &first, &bytes) == HONE_OK) {
        wrote += fwrite(first, 1, bytes, stdout) == bytes;
        hone_free(first);
    } else if (status != HONE_ERROR_NOT_FOUND) {
        cli_say(call, "%s", hone_last_error());
    }
    status = hone_rt_rows_open(hone->device, NULL, &rows);
    if (status != HONE_OK) return cli_fail_status(call, status);
    for (int i = 0; (status = hone_rt_rows_text(rows, i, line, &bytes, NULL)) != HONE_ERROR_NOT_FOUND; i++) {
        hone_rt_row row;
        if (status != HONE_OK || hone_rt_row_parse(hone->device->fingerprint, line, bytes, &row) != HONE_OK) {
            cli_say(call, "a row is left out: %s", hone_last_error());
            continue;
        }
        wrote += fwrite(line, 1, bytes, stdout) == bytes;
    }
    hone_rt_rows_close(rows);
    if (fflush(stdout) != 0 || ferror(stdout)) return cli_fail(call, "the profile could not be written whole");
    if (!wrote) cli_say(call, "there is nothing to export: no profile of this silicon is kept");
    return wrote ? CLI_FINE : CLI_NO;
}

/* --- T4 ---------------------------------------------------------------------------------------------------------- */

/* The word of T4 for why a configuration cannot be used. A reason begins with the candidate's fate (tuner/oracle.h). */
static const char *invalidity(const char *reason)
{
    static const struct {
        hone_fate   fate;
        const char *word;
    } words[] = {{HONE_FATE_HUNG, "timeout"}, {HONE_FATE_WRONG, "correctness"}, {HONE_FATE_REFUSED, "constraints"}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        const char *text = hone_fate_text(words[i].fate);
        if (!strncmp(reason, text, strlen(text)) && reason[strlen(text)] == ':') return words[i].word;
    }
    return "runtime";
}

/* Parameters by name; the kernel is one of them. */
static json_t *configuration(const hone_rt_figure *it)
{
    json_t     *out = cli_object();
    const char *at = it->config;
    hone_word   word;
    cli_set(out, "kernel", cli_string(it->kernel));
    while (hone_word_next(&at, &word)) {
        char        text[256];
        const char *equals = memchr(word.at, '=', word.length);
        int64_t     number;
        if (!equals) continue;
        hone_word value = {equals + 1, word.length - (size_t)(equals + 1 - word.at)};
        snprintf(text, sizeof text, "%.*s", (int)(equals - word.at), word.at);
        if (hone_word_numbers(value, 0, &number, 1)) {
            cli_set(out, text, json_integer(number));
        } else {
            char said[256];
            snprintf(said, sizeof said, "%.*s", (int)value.length, value.at);
            cli_set(out, text, cli_string(said));
        }
    }
    return out;
}

static json_t *measurement(const char *name, double value, const char *unit)
{
    json_t *out = cli_object();
    cli_set(out, "name", cli_string(name));
    cli_set(out, "value", cli_real(value));
    cli_set(out, "unit", cli_string(unit));
    return out;
}

/* One configuration of a row. Times are milliseconds, as that community gives them. */
static json_t *t4_result(const hone_rt_row *row, const hone_rt_figure *it)
{
    json_t *out = cli_object(), *times = cli_object(), *runs = cli_array(), *measurements = cli_array();
    json_t *objectives = cli_array(), *problem = cli_object();
    bool    valid = row->kind == HONE_RT_ROW_MEASURED;
    char    when[32];
    time_t  at = (time_t)row->when;
    struct tm utc;
    if (!gmtime_r(&at, &utc) || !strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &utc)) *when = 0;
    for (int i = 0; valid && it == &row->best && i < row->sample_count; i++)
        cli_append(runs, cli_real(row->samples[i] * 1e3));
    cli_set(times, "compilation_time", json_integer(0)); /* hone's kernels are compiled with it */
    cli_set(times, "runtimes", runs);
    cli_set(times, "framework", json_integer(0)); /* these three are not kept */
    cli_set(times, "search_algorithm", json_integer(0));
    cli_set(times, "validation", json_integer(0));
    if (valid) {
        cli_append(measurements, measurement("time", it->median_s * 1e3, "ms"));
        cli_append(measurements, measurement("time_low", it->low_s * 1e3, "ms"));
        cli_append(measurements, measurement("time_high", it->high_s * 1e3, "ms"));
    }
    cli_append(objectives, cli_string("time"));
    cli_set(problem, "text", cli_string(row->problem));
    cli_set(problem, "threads", json_integer(row->threads));
    cli_set(problem, "alignment", json_integer(row->alignment));
    cli_set(out, "timestamp", cli_string(when));
    cli_set(out, "problem", problem);
    cli_set(out, "configuration", configuration(it));
    cli_set(out, "times", times);
    cli_set(out, "invalidity", cli_string(valid ? "correct" : invalidity(row->reason)));
    cli_set(out, "correctness", json_integer(valid));
    cli_set(out, "measurements", measurements);
    cli_set(out, "objectives", objectives);
    return out;
}

/* Hardware and environment, as T4 has them in its file of metadata. */
static void describe_machine(const cli_hone *hone, json_t *out)
{
    json_t *hardware = cli_object(), *environment = cli_object(), *devices = cli_array(), *device = cli_object();
    json_t *requirements = cli_array();
    struct utsname its;
    char           text[160];
    cli_set(device, "name", cli_string(hone->device->name));
    cli_set(device, "label", cli_string(hone->device->label));
    cli_set(device, "silicon", cli_string(hone->device->fingerprint));
    cli_append(devices, device);
    cli_set(hardware, "hardware_description", devices);
    if (uname(&its) == 0) {
        snprintf(text, sizeof text, "%.64s %.64s", its.sysname, its.release);
        cli_set(hardware, "operating_system", cli_string(text));
    }
    snprintf(text, sizeof text, "hone==%s", hone_version_string());
    cli_append(requirements, cli_string(text));
    cli_set(environment, "device_query", cli_object());
    cli_set(environment, "requirements", requirements);
    cli_set(out, "hardware", hardware);
    cli_set(out, "environment", environment);
}

static int export_t4(const cli_call *call, const cli_hone *hone)
{
    profile_rows rows;
    int          code = profile_rows_read(call, hone, NULL, &rows);
    if (code != CLI_FINE) return code;
    json_t *out = cli_object(), *results = cli_array(), *metadata = cli_object();
    for (int i = 0; i < rows.count; i++) {
        const hone_rt_row    *row = &rows.at[i];
        const hone_rt_figure *figures[] = {&row->best, &row->next, &row->untuned};
        for (int f = 0; f < 3; f++) {
            bool again = f == 2 && ((!strcmp(figures[2]->kernel, figures[0]->kernel) &&
                                     !strcmp(figures[2]->config, figures[0]->config)) ||
                                    (!strcmp(figures[2]->kernel, figures[1]->kernel) &&
                                     !strcmp(figures[2]->config, figures[1]->config)));
            if (figures[f]->kernel[0] && !again) cli_append(results, t4_result(row, figures[f]));
        }
    }
    describe_machine(hone, metadata);
    cli_set(out, "schema_version", cli_string("1.0.0"));
    cli_set(out, "metadata", metadata);
    cli_set(out, "results", results);
    cli_print_json(out);
    int count = rows.count;
    free(rows.at);
    if (!count) cli_say(call, "there is nothing to export: nothing was measured on this silicon");
    return count ? CLI_FINE : CLI_NO;
}

int profile_export(const cli_call *call, const cli_hone *hone)
{
    return cli_given(call, "t4") ? export_t4(call, hone) : export_rows(call, hone);
}
