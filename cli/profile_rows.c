/* Rows of a profile as people and programs read them: all of them, the difference between two profiles, and the one
 * number that stands for every choice. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "cli/profile_parts.h"
#include "cli/show.h"
#include "runtime/measured.h"

/* --- reading ---------------------------------------------------------------------------------------------------- */

int profile_rows_compare(const hone_rt_row *a, const hone_rt_row *b)
{
    int order = strcmp(a->problem, b->problem);
    if (order) return order;
    if (a->kind != b->kind) return a->kind < b->kind ? -1 : 1;
    if (a->threads != b->threads) return a->threads < b->threads ? -1 : 1;
    if (a->alignment != b->alignment) return a->alignment > b->alignment ? -1 : 1;
    if (a->flags != b->flags) return a->flags < b->flags ? -1 : 1;
    if (a->scratch_cap != b->scratch_cap) return a->scratch_cap < b->scratch_cap ? -1 : 1;
    if (a->cold != b->cold) return a->cold ? 1 : -1;
    if (a->loaded != b->loaded) return a->loaded ? 1 : -1;
    if (a->kind == HONE_RT_ROW_MEASURED) return 0; /* of quarantine each culprit is a row of its own */
    order = strcmp(a->best.kernel, b->best.kernel);
    return order ? order : strcmp(a->best.config, b->best.config);
}

static int by_request(const void *a, const void *b)
{
    return profile_rows_compare(a, b);
}

int profile_rows_read(const cli_call *call, const cli_hone *hone, const char *file, profile_rows *out)
{
    hone_rt_rows *rows;
    int           room = 0;
    memset(out, 0, sizeof *out);
    hone_status status = file ? hone_rt_rows_open_file(file, &rows) : hone_rt_rows_open(hone->device, NULL, &rows);
    if (status != HONE_OK) return cli_fail_status(call, status);
    snprintf(out->silicon, sizeof out->silicon, "%s", hone_rt_rows_silicon(rows));
    const char *remark;
    for (int i = 0; (remark = hone_rt_rows_remark(rows, i)); i++) cli_say(call, "%s", remark);
    for (int i = 0;; i++) {
        if (out->count == room) out->at = cli_grow(out->at, (size_t)(room = room ? 2 * room : 64), sizeof *out->at);
        status = hone_rt_rows_at(rows, i, &out->at[out->count]);
        if (status == HONE_ERROR_NOT_FOUND) break;
        if (status == HONE_OK)
            out->count++;
        else
            out->refused++;
    }
    hone_rt_rows_close(rows);
    qsort(out->at, (size_t)out->count, sizeof *out->at, by_request);
    return CLI_FINE;
}

/* --- one row ----------------------------------------------------------------------------------------------------- */

static json_t *figure_json(const hone_rt_figure *it, bool timed)
{
    json_t *out = cli_object();
    if (!it->kernel[0]) {
        json_decref(out);
        return json_null();
    }
    cli_set(out, "kernel", cli_string(it->kernel));
    cli_set(out, "version", json_integer(it->version));
    cli_set(out, "identity", cli_string(it->identity));
    cli_set(out, "configuration", cli_string(it->config));
    if (timed) {
        cli_set(out, "median_seconds", cli_real(it->median_s));
        cli_set(out, "low_seconds", cli_real(it->low_s));
        cli_set(out, "high_seconds", cli_real(it->high_s));
        cli_set(out, "rounds", json_integer(it->rounds));
    }
    return out;
}

static void when_text(int64_t when, char out[32])
{
    time_t    at = (time_t)when;
    struct tm utc;
    if (!gmtime_r(&at, &utc) || !strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &utc)) strcpy(out, "?");
}

json_t *profile_row_json(const hone_rt_row *row)
{
    json_t *out = cli_object();
    bool    measured = row->kind == HONE_RT_ROW_MEASURED;
    char    when[32];
    when_text(row->when, when);
    cli_set(out, "kind", cli_string(measured ? "measured" : "quarantine"));
    cli_set(out, "problem", cli_string(row->problem));
    cli_set(out, "threads", json_integer(row->threads));
    cli_set(out, "alignment", json_integer(row->alignment));
    cli_set(out, "flags", json_integer(row->flags));
    cli_set(out, "scratch_cap", json_integer((json_int_t)row->scratch_cap));
    cli_set(out, "operands", cli_string(row->cold ? "cold" : "warm"));
    cli_set(out, "machine", cli_string(row->loaded ? "loaded" : "alone"));
    cli_set(out, measured ? "best" : "culprit", figure_json(&row->best, measured));
    if (measured) {
        cli_set(out, "next", figure_json(&row->next, true));
        cli_set(out, "untuned", figure_json(&row->untuned, true));
        json_t *samples = cli_array();
        for (int i = 0; i < row->sample_count; i++) cli_append(samples, cli_real(row->samples[i]));
        cli_set(out, "samples", samples);
        cli_set(out, "compared", json_integer(row->compared));
        cli_set(out, "complete", json_boolean(row->complete));
    }
    cli_set(out, "reason", cli_string(row->reason));
    cli_set(out, "when", cli_string(when));
    cli_set(out, "build", cli_string(row->build));
    cli_set(out, "silicon", cli_string(row->silicon));
    return out;
}

char *profile_short_name(const char *name)
{
    size_t length = strlen(name), end = 0;
    if (length <= 24) return cli_format("%s", name);
    const char *kind = strchr(name, '.');
    if (kind) end = (size_t)(kind - name) + 1 + strcspn(kind + 1, ".");
    return cli_format("%.*s...%s", (int)(end < 24 ? end : 24), name, name + length - 8);
}

char *profile_row_terms(const hone_rt_row *row)
{
    char      text[256];
    hone_text out = hone_text_in(text, sizeof text);
    hone_text_add(&out, "%d thread%s, aligned to %u", row->threads, row->threads == 1 ? "" : "s", row->alignment);
    if (row->flags & HONE_REQUEST_CALLERS_THREADS) hone_text_add(&out, ", the caller's threads");
    if (row->flags & HONE_REQUEST_CAPTURED) hone_text_add(&out, ", captured");
    if (row->scratch_cap) hone_text_add(&out, ", scratch up to %zu bytes", row->scratch_cap);
    if (row->cold) hone_text_add(&out, ", cold");
    if (row->loaded) hone_text_add(&out, ", beside other work");
    return cli_format("%s", text);
}

static void print_figure(const char *what, const hone_rt_figure *it)
{
    if (!it->kernel[0]) return;
    char *text = cli_format("%s version %u%s%s%s%s%s", it->kernel, it->version, *it->identity ? " (" : "", it->identity,
                            *it->identity ? ")" : "", *it->config ? " " : "", it->config);
    printf("  %-9s", what);
    if (it->median_s > 0)
        printf(" %s, %s .. %s in %d rounds\n", cli_time(it->median_s).text, cli_time(it->low_s).text,
               cli_time(it->high_s).text, it->rounds);
    else
        printf("\n");
    cli_wrap(stdout, 12, text);
    free(text);
}

static void print_row(const hone_rt_row *row)
{
    char  when[32];
    char *terms = profile_row_terms(row);
    when_text(row->when, when);
    cli_wrap(stdout, 0, row->problem);
    if (row->kind == HONE_RT_ROW_QUARANTINE) {
        print_figure("culprit", &row->best);
        printf("  because\n");
        cli_wrap(stdout, 12, row->reason);
    } else {
        cli_wrap(stdout, 2, terms);
        print_figure("best", &row->best);
        print_figure("next", &row->next);
        print_figure("untuned", &row->untuned);
        printf("  judged    %" PRId64 " elements compared%s%s\n", row->compared, row->reason[0] ? ": " : "",
               row->reason);
        if (!row->complete) printf("  search    was cut short\n");
    }
    printf("  when      %s by hone %s\n\n", when, row->build);
    free(terms);
}

/* --- show -------------------------------------------------------------------------------------------------------- */

/* The rows whose problem has these words in it: as a table, or where they name one problem, with all that is known. */
static int show_rows(const cli_call *call, const cli_hone *hone, const char *words)
{
    profile_rows rows;
    int          code = profile_rows_read(call, hone, NULL, &rows), shown = 0;
    bool         whole = cli_is_problem(words);
    if (code != CLI_FINE) return code;
    json_t    *answer = call->json ? cli_answer(call) : NULL, *list = call->json ? cli_array() : NULL;
    cli_table *table = cli_table_new((const char *[]){"~problem", "kernel", ">time", ">untuned", "terms", NULL});
    for (int i = 0; i < rows.count; i++) {
        const hone_rt_row *row = &rows.at[i];
        if (whole ? strcmp(row->problem, words) != 0 : !strstr(row->problem, words)) continue;
        shown++;
        if (call->json) {
            cli_append(list, profile_row_json(row));
        } else if (whole) {
            print_row(row);
        } else {
            char      *terms = profile_row_terms(row);
            cli_figure gain = {"-"};
            if (row->untuned.median_s > 0 && row->best.median_s > 0)
                snprintf(gain.text, sizeof gain.text, "%.2f x", row->untuned.median_s / row->best.median_s);
            cli_table_row(table, (const char *[]){row->problem, row->best.kernel, row->kind == HONE_RT_ROW_QUARANTINE
                                                      ? "quarantine" : cli_time(row->best.median_s).text,
                                                  gain.text, terms});
            free(terms);
        }
    }
    cli_table_print(table, !call->json && !whole && shown ? stdout : NULL, 0);
    free(rows.at);
    if (call->json) {
        cli_set(answer, "rows", list);
        cli_print_json(answer);
    }
    if (!shown) cli_say(call, "no row is about '%s'", words);
    return shown ? CLI_FINE : CLI_NO;
}

int profile_show(const cli_call *call, const cli_hone *hone)
{
    hone_ceilings kept;
    char          path[4096];
    if (call->word_count > 1) return show_rows(call, hone, call->words[1]);
    hone_status status = hone_rt_profile_load(hone->device, NULL, &kept);
    if (status != HONE_OK) {
        cli_say(call, "%s%s", hone_last_error(), status == HONE_ERROR_NOT_FOUND ? "; 'hone devices' makes one" : "");
        return status == HONE_ERROR_NOT_FOUND ? CLI_NO : CLI_UNUSABLE;
    }
    if (hone_rt_profile_path(hone->device, NULL, path, sizeof path) != HONE_OK) *path = 0;
    profile_rows rows;
    int          code = profile_rows_read(call, hone, NULL, &rows), quarantined = 0;
    if (code != CLI_FINE) return code;
    for (int i = 0; i < rows.count; i++) quarantined += rows.at[i].kind == HONE_RT_ROW_QUARANTINE;
    if (call->json) {
        json_t *answer = cli_answer(call);
        cli_set(answer, "profile", cli_string(*path ? path : NULL));
        cli_set(answer, "device", cli_device_json(hone->device));
        cli_set(answer, "ceilings", cli_ceilings_json(&kept));
        cli_set(answer, "measured", json_integer(rows.count - quarantined));
        cli_set(answer, "quarantined", json_integer(quarantined));
        cli_print_json(answer);
    } else {
        cli_show_device(stdout, hone->device);
        cli_show_ceilings(stdout, hone->device, &kept);
        printf("  measured      %d row%s, %d in quarantine%s\n", rows.count - quarantined,
               rows.count - quarantined == 1 ? "" : "s", quarantined,
               rows.count ? "; 'hone profile show matmul' shows them" : "");
    }
    free(rows.at);
    return CLI_FINE;
}

/* --- diff -------------------------------------------------------------------------------------------------------- */

static bool same_choice(const hone_rt_row *a, const hone_rt_row *b)
{
    return !strcmp(a->best.kernel, b->best.kernel) && a->best.version == b->best.version &&
           !strcmp(a->best.identity, b->best.identity) && !strcmp(a->best.config, b->best.config);
}

int profile_diff(const cli_call *call, const cli_hone *hone)
{
    profile_rows base, now;
    int          differ = 0, alike = 0;
    if (call->word_count < 2) return cli_fail(call, "which file? As in: hone profile diff BASE.jsonl [NEW.jsonl]");
    int code = profile_rows_read(call, hone, call->words[1], &base);
    if (code != CLI_FINE) return code;
    code = profile_rows_read(call, hone, call->word_count > 2 ? call->words[2] : NULL, &now);
    if (code != CLI_FINE) {
        free(base.at);
        return code;
    }
    if (base.silicon[0] && now.silicon[0] && strcmp(base.silicon, now.silicon) != 0)
        cli_say(call, "they are of different silicon: '%s' and '%s'", base.silicon, now.silicon);
    json_t    *list = cli_array();
    cli_table *table = cli_table_new((const char *[]){"~problem", "terms", "was", ">time", "is", ">time", NULL});
    for (int a = 0, b = 0; a < base.count || b < now.count;) {
        int order = a == base.count ? 1 : b == now.count ? -1 : profile_rows_compare(&base.at[a], &now.at[b]);
        const hone_rt_row *was = order <= 0 ? &base.at[a++] : NULL, *is = order >= 0 ? &now.at[b++] : NULL;
        if (was && is && same_choice(was, is)) {
            alike++;
            continue;
        }
        differ++;
        char *terms = profile_row_terms(was ? was : is);
        cli_table_row(table, (const char *[]){(was ? was : is)->problem, terms, was ? was->best.kernel : "-",
                                              was ? cli_time(was->best.median_s).text : "-", is ? is->best.kernel : "-",
                                              is ? cli_time(is->best.median_s).text : "-"});
        free(terms);
        json_t *it = cli_object();
        cli_set(it, "was", was ? profile_row_json(was) : json_null());
        cli_set(it, "is", is ? profile_row_json(is) : json_null());
        cli_append(list, it);
    }
    if (call->json) {
        json_t *answer = cli_answer(call);
        cli_set(answer, "alike", json_integer(alike));
        cli_set(answer, "different", list);
        cli_print_json(answer);
    } else {
        json_decref(list);
        printf("%d choice%s alike, %d not\n", alike, alike == 1 ? " is" : "s are", differ);
    }
    cli_table_print(table, !call->json && differ ? stdout : NULL, 0);
    free(base.at);
    free(now.at);
    return differ ? CLI_NO : CLI_FINE;
}

/* --- hash -------------------------------------------------------------------------------------------------------- */

int profile_hash(const cli_call *call, const cli_hone *hone)
{
    profile_rows rows;
    uint64_t     hash = 0;
    int          count = 0;
    int          code = profile_rows_read(call, hone, call->word_count > 1 ? call->words[1] : NULL, &rows);
    if (code != CLI_FINE) return code;
    for (int i = 0; i < rows.count; i++) {
        const hone_rt_row *row = &rows.at[i];
        if (row->kind != HONE_RT_ROW_MEASURED) continue;
        hash += hone_rt_choice_hash(row->problem, row->threads, row->alignment, row->flags, row->best.kernel,
                                    row->best.version, row->best.identity, row->best.config);
        count++;
    }
    free(rows.at);
    if (call->json) {
        char    text[17];
        json_t *answer = cli_answer(call);
        snprintf(text, sizeof text, "%016" PRIx64, hash);
        cli_set(answer, "hash", cli_string(text));
        cli_set(answer, "choices", json_integer(count));
        cli_print_json(answer);
    } else {
        printf("%016" PRIx64 "  %d choice%s\n", hash, count, count == 1 ? "" : "s");
    }
    return CLI_FINE;
}
