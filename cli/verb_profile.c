/* hone profile: what is kept of this machine, and which files keep it. Its parts are in cli/profile_*.c; here is the
 * verb itself, and the list of files. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "cli/profile_parts.h"
#include "runtime/profile/names.h"
#include "runtime/profile/profile.h"

static const cli_option options[] = {
    CLI_OPTION_DEVICE,
    CLI_OPTION_JSON,
    {"judge", CLI_FLAG, NULL, "verify: run what each row names, and hold it against the reference", 0, 0},
    {"t4", CLI_FLAG, NULL, "export: in the form that tuners of kernels exchange", 0, 0},
    CLI_OPTION_END,
};

enum { FOLDERS_MAX = 64, PATH_MAX_HERE = 4096 };

/* --- list ------------------------------------------------------------------------------------------------------ */

/* What the first line says of itself, before it is believed: its silicon, and the label of its device. */
static void read_names(const char *line, size_t bytes, hone_be_device *out)
{
    json_error_t error;
    json_t      *root = json_loadb(line, bytes, 0, &error), *device = json_object_get(root, "device");
    const char  *fingerprint = json_string_value(json_object_get(device, "fingerprint"));
    const char  *label = json_string_value(json_object_get(device, "label"));
    memset(out, 0, sizeof *out);
    snprintf(out->fingerprint, sizeof out->fingerprint, "%s", fingerprint ? fingerprint : "");
    snprintf(out->label, sizeof out->label, "%s", label ? label : "");
    json_decref(root);
}

/* Is it the name under which this machine's own profile is kept? */
static bool is_own_name(const char *name, const hone_be_device *here)
{
    char path[PATH_MAX_HERE];
    if (hone_rt_profile_path(here, NULL, path, sizeof path) != HONE_OK) return false;
    const char *slash = strrchr(path, '/');
    return !strcmp(slash ? slash + 1 : path, name);
}

/* Is the file at `path` a profile that could be used on its own silicon? */
static hone_status examine(const char *path, bool own, const hone_be_device *here, hone_be_device *device)
{
    char         *text;
    size_t        bytes;
    hone_ceilings ceilings;
    memset(device, 0, sizeof *device);
    HONE_TRY(hone_file_head(path, HONE_RT_PROFILE_LINE_MAX, &text, &bytes));
    const char *end = memchr(text, '\n', bytes);
    size_t      line = end ? (size_t)(end - text) : bytes;
    read_names(text, line, device);
    if (own) *device = *here;
    hone_status status = hone_rt_profile_parse(device, text, line, &ceilings);
    hone_free(text);
    return status;
}

/* Journals and what was folded: rows alone. Gives false for a file that begins with its device. */
static bool list_rows(const char *folder, const char *name, const hone_be_device *here, cli_table *table, json_t *all)
{
    uint64_t      key;
    hone_rt_rows *rows;
    if (!hone_rt_hex_get(name, &key)) return false;
    hone_rt_file_kind kind = hone_rt_name_read(name, key, NULL);
    if (kind == HONE_RT_FILE_FIRST || kind == HONE_RT_FILE_OTHER) return false;
    char              *path = cli_format("%s/%s", folder, name), *state;
    hone_rt_rows_facts facts = {0};
    hone_status        status = hone_rt_rows_open_file(path, &rows);
    bool               mine = key == hone_rt_silicon_key(here->fingerprint);
    if (status == HONE_OK) {
        hone_rt_rows_facts_of(rows, &facts);
        state = cli_format("%s, %d row%s%s%s", kind == HONE_RT_FILE_JOURNAL ? "journal" : "folded", facts.rows,
                           facts.rows == 1 ? "" : "s", facts.damaged ? ", with damaged lines" : "",
                           facts.unfinished ? ", its last line unfinished" : "");
        hone_rt_rows_close(rows);
    } else {
        state = cli_format("%s", hone_last_error());
    }
    char *shown = profile_short_name(name);
    cli_table_row(table, (const char *[]){shown, mine ? here->label : "", state});
    free(shown);
    json_t *it = cli_object();
    cli_set(it, "path", cli_string(path));
    cli_set(it, "kind", cli_string(kind == HONE_RT_FILE_JOURNAL ? "journal" : "folded"));
    cli_set(it, "rows", json_integer(facts.rows));
    cli_set(it, "damaged", json_integer(facts.damaged));
    cli_set(it, "unfinished", json_integer(facts.unfinished));
    cli_set(it, "valid", json_boolean(status == HONE_OK));
    cli_set(it, "this_machine", json_boolean(mine));
    cli_set(it, "why", cli_string(status == HONE_OK ? NULL : hone_last_error()));
    cli_append(all, it);
    free(path);
    free(state);
    return true;
}

static void list_file(const char *folder, const char *name, const hone_be_device *here, cli_table *table, json_t *all)
{
    if (list_rows(folder, name, here, table, all)) return;
    hone_be_device device;
    char          *path = cli_format("%s/%s", folder, name);
    hone_status    status = examine(path, is_own_name(name, here), here, &device);
    bool           mine = !strcmp(device.fingerprint, here->fingerprint);
    const char    *state = status == HONE_OK ? mine ? "valid, this machine's" : "valid" : hone_last_error();
    cli_table_row(table, (const char *[]){name, device.label, state});
    json_t *it = cli_object();
    cli_set(it, "path", cli_string(path));
    cli_set(it, "kind", cli_string("device"));
    cli_set(it, "label", cli_string(device.label));
    cli_set(it, "fingerprint", cli_string(device.fingerprint));
    cli_set(it, "valid", json_boolean(status == HONE_OK));
    cli_set(it, "this_machine", json_boolean(status == HONE_OK && mine));
    cli_set(it, "why", cli_string(status == HONE_OK ? NULL : hone_last_error()));
    cli_append(all, it);
    free(path);
}

static int is_profile(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return length > 6 && !strcmp(entry->d_name + length - 6, ".jsonl");
}

static void list_folder(const cli_call *call, const char *folder, const hone_be_device *here, json_t *folders)
{
    struct dirent **entries = NULL;
    int             count = scandir(folder, &entries, is_profile, alphasort);
    cli_table      *table = cli_table_new((const char *[]){"file", "device", "~state", NULL});
    json_t         *it = cli_object(), *all = cli_array();
    for (int i = 0; i < count; i++) {
        list_file(folder, entries[i]->d_name, here, table, all);
        free(entries[i]);
    }
    free(entries);
    cli_set(it, "folder", cli_string(folder));
    cli_set(it, "exists", json_boolean(count >= 0));
    cli_set(it, "files", all);
    cli_append(folders, it);
    if (!call->json) printf("%s%s\n", folder, count < 0 ? ": not there" : count == 0 ? ": empty" : "");
    cli_table_print(table, call->json || count <= 0 ? NULL : stdout, 2);
}

int profile_list(const cli_call *call, const cli_hone *hone)
{
    json_t *folders = cli_array();
    char    folder[PATH_MAX_HERE];
    for (int i = 0; i < FOLDERS_MAX && hone_rt_profile_folder(NULL, i, folder, sizeof folder) == HONE_OK; i++)
        list_folder(call, folder, hone->device, folders);
    if (!json_array_size(folders)) {
        json_decref(folders);
        return cli_fail(call, "%s", hone_last_error());
    }
    if (call->json) {
        json_t *answer = cli_answer(call);
        cli_set(answer, "folders", folders);
        cli_print_json(answer);
    } else {
        json_decref(folders);
    }
    return CLI_FINE;
}

static int run(const cli_call *call)
{
    static const struct {
        const char *name;
        int         words; /* at most, behind the name */
        int (*part)(const cli_call *call, const cli_hone *hone);
    } parts[] = {{"show", 1, profile_show},     {"list", 0, profile_list},       {"diff", 2, profile_diff},
                 {"merge", 62, profile_merge},  {"compact", 0, profile_compact}, {"verify", 62, profile_verify},
                 {"export", 0, profile_export}, {"hash", 1, profile_hash}};
    enum { PARTS = sizeof parts / sizeof parts[0] };
    const char      *names[PARTS], *action = call->word_count ? call->words[0] : "show";
    cli_hone         hone;
    cli_hone_options how = {.device = cli_text(call, "device", NULL), .quiet = true};
    int              at = 0;
    for (int i = 0; i < PARTS; i++) names[i] = parts[i].name;
    while (at < PARTS && strcmp(action, names[at]) != 0) at++;
    if (at == PARTS) {
        const char *nearest = cli_nearest(action, names, PARTS);
        return cli_fail(call, "'%s' is nothing to do with a profile; %s'%s'%s", action, nearest ? "did you mean " : "",
                        nearest ? nearest : "show", nearest ? "?" : ", 'list' and others are");
    }
    if (call->word_count - 1 > parts[at].words)
        return cli_fail(call, "'%s' is one word too many behind '%s'", call->words[parts[at].words + 1], action);
    int code = cli_open(call, &how, &hone);
    if (code != CLI_FINE) return code;
    code = parts[at].part(call, &hone);
    cli_close(&hone);
    return code;
}

const cli_verb cli_verb_profile = {
    .name = "profile",
    .line = "what is kept of this machine, and which files keep it",
    .usage = "[show|list|diff|merge|compact|verify|export|hash] [WORDS]",
    .examples = "  hone profile show           the device, its ceilings, and how many rows\n"
                "  hone profile show matmul    rows of problems with that in their text\n"
                "  hone profile show \"matmul f32 nn 512x512x512\"    all that is known of one\n"
                "  hone profile list           the files in each folder, valid or why not\n"
                "  hone profile export > mine.jsonl     the whole profile, to be taken elsewhere\n"
                "  hone profile merge mine.jsonl        ... and there\n"
                "  hone profile verify --judge          is all of it true here?\n"
                "  hone profile hash           all choices as one number, for ranks to compare\n",
    .more =
        "Profiles are looked up in the folders of HONE_PROFILE_PATH, else in the user's data folder and the system's; "
        "nearer ones win, row by row, and the first is the one that is written. diff compares two files, or one with "
        "what "
        "is in force; merge takes rows of files that came from elsewhere; compact makes one file of the journals of "
        "processes that ended. Exit code 1: none is kept, two differ, or something is wrong with a line.",
    .options = options,
    .words_max = 63,
    .run = run,
};
