/* hone profile: what is kept of this machine, and which files keep it. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "cli/show.h"
#include "runtime/profile/profile.h"

static const cli_option options[] = {
    CLI_OPTION_DEVICE,
    CLI_OPTION_JSON,
    CLI_OPTION_END,
};

enum { FOLDERS_MAX = 64, PATH_MAX_HERE = 4096 };

/* --- show ------------------------------------------------------------------------------------------------------ */

static int show(const cli_call *call, const cli_hone *hone)
{
    hone_ceilings kept;
    char          path[PATH_MAX_HERE];
    hone_status   status = hone_rt_profile_load(hone->device, NULL, &kept);
    if (status != HONE_OK) {
        cli_say(call, "%s%s", hone_last_error(), status == HONE_ERROR_NOT_FOUND ? "; 'hone devices' makes one" : "");
        return status == HONE_ERROR_NOT_FOUND ? CLI_NO : CLI_UNUSABLE;
    }
    if (hone_rt_profile_path(hone->device, NULL, path, sizeof path) != HONE_OK) *path = 0;
    if (call->json) {
        json_t *answer = cli_answer(call);
        cli_set(answer, "profile", cli_string(*path ? path : NULL));
        cli_set(answer, "device", cli_device_json(hone->device));
        cli_set(answer, "ceilings", cli_ceilings_json(&kept));
        cli_print_json(answer);
        return CLI_FINE;
    }
    cli_show_device(stdout, hone->device);
    cli_show_ceilings(stdout, hone->device, &kept);
    return CLI_FINE;
}

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

static void list_file(const char *folder, const char *name, const hone_be_device *here, cli_table *table, json_t *all)
{
    hone_be_device device;
    char          *path = cli_format("%s/%s", folder, name);
    hone_status    status = examine(path, is_own_name(name, here), here, &device);
    bool           mine = !strcmp(device.fingerprint, here->fingerprint);
    const char    *state = status == HONE_OK ? mine ? "valid, this machine's" : "valid" : hone_last_error();
    cli_table_row(table, (const char *[]){name, device.label, state});
    json_t *it = cli_object();
    cli_set(it, "path", cli_string(path));
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

static int list(const cli_call *call, const cli_hone *hone)
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
    static const char *const actions[] = {"show", "list"};
    const char              *action = call->word_count ? call->words[0] : "show";
    cli_hone                 hone;
    cli_hone_options         how = {.device = cli_text(call, "device", NULL), .quiet = true};
    bool                     shows = !strcmp(action, "show");
    if (!shows && strcmp(action, "list")) {
        const char *nearest = cli_nearest(action, actions, 2);
        return cli_fail(call, "'%s' is nothing to do with a profile; %s'%s'%s", action, nearest ? "did you mean " : "",
                        nearest ? nearest : "show", nearest ? "?" : " and 'list' are");
    }
    int code = cli_open(call, &how, &hone);
    if (code != CLI_FINE) return code;
    code = shows ? show(call, &hone) : list(call, &hone);
    cli_close(&hone);
    return code;
}

const cli_verb cli_verb_profile = {
    .name = "profile",
    .line = "what is kept of this machine, and which files keep it",
    .usage = "[show | list]",
    .examples = "  hone profile show      the device and its ceilings, as they are kept\n"
                "  hone profile list      the files in each folder, valid or why not\n",
    .more =
        "Profiles are looked up in the folders of HONE_PROFILE_PATH, else in the user's data folder and the system's; "
        "nearer ones win, and the first is the one that is written. Exit code 1: none is kept.",
    .options = options,
    .words_max = 1,
    .run = run,
};
