/* Keeping profiles in order: rows of elsewhere merged in, journals made one file, and everything looked at. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/profile_parts.h"
#include "runtime/measured.h"
#include "runtime/profile/names.h"
#include "runtime/profile/profile.h"
#include "runtime/profile/scan.h"
#include "tuner/judge.h"

/* --- merge ------------------------------------------------------------------------------------------------------- */

int profile_merge(const cli_call *call, const cli_hone *hone)
{
    int     refused = 0;
    json_t *list = cli_array();
    (void)hone;
    if (call->word_count < 2) {
        json_decref(list);
        return cli_fail(call, "which file? As in: hone profile merge theirs.jsonl");
    }
    for (int i = 1; i < call->word_count; i++) {
        hone_rt_merge_facts facts;
        hone_status         status = hone_rt_rows_merge(NULL, call->words[i], &facts);
        if (status != HONE_OK) {
            json_decref(list);
            return cli_fail_status(call, status);
        }
        refused += facts.refused;
        json_t *it = cli_object();
        cli_set(it, "file", cli_string(call->words[i]));
        cli_set(it, "rows", json_integer(facts.rows));
        cli_set(it, "silicons", json_integer(facts.silicons));
        cli_set(it, "devices", json_integer(facts.devices));
        cli_set(it, "refused", json_integer(facts.refused));
        cli_set(it, "why", cli_string(facts.refused ? facts.why : NULL));
        cli_append(list, it);
        if (facts.refused)
            cli_say(call, "%s: %d line%s not taken; %s", call->words[i], facts.refused,
                    facts.refused == 1 ? " is" : "s are", facts.why);
        if (!call->json)
            printf("%s: %d row%s of %d kind%s of silicon taken\n", call->words[i], facts.rows,
                   facts.rows == 1 ? "" : "s", facts.silicons, facts.silicons == 1 ? "" : "s");
    }
    if (call->json) {
        json_t *answer = cli_answer(call);
        cli_set(answer, "files", list);
        cli_print_json(answer);
    } else {
        json_decref(list);
    }
    return refused ? CLI_NO : CLI_FINE;
}

/* --- compact ----------------------------------------------------------------------------------------------------- */

int profile_compact(const cli_call *call, const cli_hone *hone)
{
    hone_rt_fold_facts facts;
    hone_status        status = hone_rt_rows_fold(hone->device, NULL, &facts);
    if (status != HONE_OK) return cli_fail_status(call, status);
    if (call->json) {
        json_t *answer = cli_answer(call);
        cli_set(answer, "files", json_integer(facts.files));
        cli_set(answer, "left", json_integer(facts.left));
        cli_set(answer, "rows", json_integer(facts.rows));
        cli_set(answer, "superseded", json_integer(facts.superseded));
        cli_set(answer, "damaged", json_integer(facts.damaged));
        cli_set(answer, "file", cli_string(facts.file[0] ? facts.file : NULL));
        cli_print_json(answer);
        return CLI_FINE;
    }
    if (!facts.files)
        printf("nothing is to be folded\n");
    else
        printf("%d file%s became one of %d row%s; %d superseded, %d damaged line%s left out\n", facts.files,
               facts.files == 1 ? "" : "s", facts.rows, facts.rows == 1 ? "" : "s", facts.superseded, facts.damaged,
               facts.damaged == 1 ? "" : "s");
    if (facts.left)
        printf("%d journal%s left: whoever writes %s is there, or on another machine\n", facts.left,
               facts.left == 1 ? " is" : "s are", facts.left == 1 ? "it" : "them");
    return CLI_FINE;
}

/* --- verify ------------------------------------------------------------------------------------------------------ */

typedef struct verifying {
    const cli_call *call;
    const cli_hone *hone;
    const char     *file;
    bool            foreign; /* of any silicon: what could be used here is not asked */
    int             line, sound, wrong, stale, judged;
    cli_table      *table;
    json_t         *list;
} verifying;

static void complain(verifying *v, const char *state, const char *problem, const char *why)
{
    const char *slash = strrchr(v->file, '/');
    char       *name = profile_short_name(slash ? slash + 1 : v->file), *where = cli_format("%s:%d", name, v->line);
    char       *said = cli_format("%s%s%s", problem, *problem ? ": " : "", why);
    json_t     *it = cli_object();
    cli_table_row(v->table, (const char *[]){state, said, where});
    cli_set(it, "file", cli_string(v->file));
    cli_set(it, "line", v->line ? json_integer(v->line) : json_null());
    cli_set(it, "state", cli_string(state));
    cli_set(it, "problem", cli_string(*problem ? problem : NULL));
    cli_set(it, "why", cli_string(why));
    cli_append(v->list, it);
    free(name);
    free(where);
    free(said);
}

/* The judge's word on what a row leads to. */
static void judge_row(verifying *v, const hone_rt_row *row, const hone_rt_plan *plan)
{
    hone_judge_options options = {.seed = 1, .bits = false};
    hone_verdict       verdict;
    cli_progress("judging %s", row->problem);
    if (hone_judge_plan(v->hone->context, plan, &options, &verdict) != HONE_OK) {
        complain(v, "unjudged", row->problem, hone_last_error());
        v->wrong++;
    } else if (verdict.fault != HONE_FAULT_NONE) {
        complain(v, "wrong", row->problem, verdict.sentence);
        v->wrong++;
    } else {
        v->judged++;
    }
}

static void verify_row(verifying *v, const hone_rt_row *row)
{
    char          why[HONE_RT_DOUBT_MAX];
    hone_rt_plan *plan;
    v->sound++;
    if (row->kind == HONE_RT_ROW_QUARANTINE || strcmp(row->silicon, v->hone->device->fingerprint) != 0) return;
    const char *doubt = hone_rt_row_doubt(v->hone->context, v->hone->device, row, why, &plan);
    if (doubt) {
        v->stale++;
        complain(v, "stale", row->problem, doubt);
        return;
    }
    if (cli_given(v->call, "judge") && !cli_interrupted()) judge_row(v, row, plan);
    hone_rt_plan_release(plan);
}

static hone_status verify_line(void *user, const char *line, size_t bytes, uint64_t offset, bool whole)
{
    verifying  *v = user;
    hone_rt_row row;
    uint64_t    key;
    (void)offset;
    v->line++;
    if (!bytes) return HONE_OK;
    if (!whole) {
        complain(v, "torn", "", "the line does not end: its writer was stopped, or is at it");
        return HONE_OK;
    }
    if (!hone_rt_line_sound(line, bytes, &key)) {
        complain(v, "damaged", "", "its checksum is wrong, or it is no line of a profile");
        v->wrong++;
        return HONE_OK;
    }
    hone_rt_line_kind kind = hone_rt_line_kind_of(line, bytes);
    if (kind == HONE_RT_LINE_OF_SEAL || kind == HONE_RT_LINE_DEVICE) return HONE_OK;
    if (hone_rt_row_parse(v->foreign ? NULL : v->hone->device->fingerprint, line, bytes, &row) == HONE_OK) {
        verify_row(v, &row);
        return HONE_OK;
    }
    complain(v, "refused", "", hone_last_error());
    v->wrong++;
    return HONE_OK;
}

static void verify_file(verifying *v, const char *file)
{
    v->file = file;
    v->line = 0;
    if (hone_rt_scan(file, verify_line, v) == HONE_OK) return;
    v->line = 0;
    complain(v, "unreadable", "", hone_last_error());
    v->wrong++;
}

static void verify_folders(verifying *v)
{
    char     folder[4096];
    uint64_t key = hone_rt_silicon_key(v->hone->device->fingerprint);
    for (int i = 0; hone_rt_profile_folder(NULL, i, folder, sizeof folder) == HONE_OK; i++) {
        hone_rt_names names;
        if (hone_rt_names_list(folder, key, &names) != HONE_OK) {
            v->file = folder;
            v->line = 0;
            complain(v, "unreadable", "", hone_last_error());
            v->wrong++;
            continue;
        }
        for (int n = 0; n < names.count; n++) {
            char *path = cli_format("%s/%s", folder, names.at[n]);
            verify_file(v, path);
            free(path);
        }
        hone_free(names.at);
    }
}

int profile_verify(const cli_call *call, const cli_hone *hone)
{
    verifying v = {.call = call, .hone = hone, .foreign = call->word_count > 1, .list = cli_array(),
                   .table = cli_table_new((const char *[]){"state", "~what", "where", NULL})};
    cli_catch_interrupts();
    if (call->word_count > 1)
        for (int i = 1; i < call->word_count; i++) verify_file(&v, call->words[i]);
    else
        verify_folders(&v);
    cli_progress(NULL);
    if (call->json) {
        json_t *answer = cli_answer(call);
        cli_set(answer, "sound", json_integer(v.sound));
        cli_set(answer, "wrong", json_integer(v.wrong));
        cli_set(answer, "stale", json_integer(v.stale));
        cli_set(answer, "judged", cli_given(call, "judge") ? json_integer(v.judged) : json_null());
        cli_set(answer, "remarks", v.list);
        cli_print_json(answer);
    } else {
        printf("%d row%s sound, %d line%s wrong, %d row%s cannot be used here", v.sound, v.sound == 1 ? " is" : "s are",
               v.wrong, v.wrong == 1 ? " is" : "s are", v.stale, v.stale == 1 ? "" : "s");
        if (cli_given(call, "judge")) printf(", %d judged right", v.judged);
        printf("\n");
    }
    cli_table_print(v.table, !call->json && json_array_size(v.list) ? stdout : NULL, 2);
    if (!call->json) json_decref(v.list);
    if (cli_interrupted()) return CLI_INTERRUPTED;
    return v.wrong ? CLI_NO : CLI_FINE;
}
