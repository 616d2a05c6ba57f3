/* Compaction: many files of a folder become one, while others read, write and do the same.
 *
 *     read    journals that nobody writes any more, and what was folded before: none of them changes again
 *     write   what counts of them, to a file of a new name, brought to disk before it gets that name
 *     remove  those that were read
 *
 * A file is removed only when another is there that holds all of it that counts. So two that fold at once leave two
 * files that hold the same, which the next makes one; and one that is killed leaves too many files, never too few.
 *
 * Nobody writes a journal any more when its last line is a seal, or its writer is gone: it ran on this host in another
 * boot, or in this one and is not there. Of a writer on another host, or behind another wall of a container, nothing is
 * known: its journal is left until it is OLD, and then first given another name. A writer that looks after its row and
 * finds the name gone writes it again, elsewhere; what it wrote before was there to be read. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/status.h"
#include "runtime/profile/names.h"
#include "runtime/profile/profile.h"
#include "runtime/profile/table.h"

enum { OLD_SECONDS = 7 * 24 * 60 * 60, ABANDONED_SECONDS = 24 * 60 * 60 };

/* --- which files ----------------------------------------------------------------------------------------------- */

/* Is its last line a seal? */
static bool is_sealed(const char *folder, const char *name)
{
    char        path[HONE_RT_PATH_MAX + HONE_RT_NAME_MAX], tail[256];
    struct stat facts;
    uint64_t    key;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int     file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    ssize_t got = -1;
    if (file >= 0 && fstat(file, &facts) == 0) {
        off_t from = facts.st_size > (off_t)sizeof tail ? facts.st_size - (off_t)sizeof tail : 0;
        got = pread(file, tail, sizeof tail, from);
    }
    if (file >= 0) close(file);
    if (got <= 0 || tail[got - 1] != '\n') return false;
    const char *end = tail + got - 1, *start = memrchr(tail, '\n', (size_t)(end - tail));
    start = start ? start + 1 : tail;
    return hone_rt_line_sound(start, (size_t)(end - start), &key) &&
           hone_rt_line_kind_of(start, (size_t)(end - start)) == HONE_RT_LINE_OF_SEAL;
}

/* Takes an old journal away from a writer that may still be there; `name` becomes the new one. */
static bool claim(const char *folder, char name[HONE_RT_NAME_MAX])
{
    char        from[HONE_RT_PATH_MAX + HONE_RT_NAME_MAX], to[HONE_RT_PATH_MAX + HONE_RT_NAME_MAX];
    char        claimed[HONE_RT_NAME_MAX];
    struct stat facts;
    hone_rt_name_as(name, HONE_RT_FILE_CLAIMED, claimed);
    snprintf(from, sizeof from, "%s/%s", folder, name);
    snprintf(to, sizeof to, "%s/%s", folder, claimed);
    if (lstat(from, &facts) < 0 || time(NULL) - facts.st_mtime < OLD_SECONDS || rename(from, to) < 0) return false;
    memcpy(name, claimed, HONE_RT_NAME_MAX);
    return true;
}

/* May it be folded? Its name may change by that. */
static bool is_done(const char *folder, uint64_t key, char name[HONE_RT_NAME_MAX])
{
    hone_rt_writer writer;
    switch (hone_rt_name_read(name, key, &writer)) {
    case HONE_RT_FILE_FOLDED:
    case HONE_RT_FILE_CLAIMED: return true;
    case HONE_RT_FILE_JOURNAL: break;
    default: return false;
    }
    hone_rt_presence presence = hone_rt_writer_presence(&writer);
    if (presence == HONE_RT_GONE || is_sealed(folder, name)) return true;
    return presence == HONE_RT_ELSEWHERE && claim(folder, name);
}

/* --- one file of them ------------------------------------------------------------------------------------------ */

/* The lines that count, one behind the other; freed with hone_free. */
static hone_status gather(const hone_rt_table *table, const int *order, int count, char **out, size_t *bytes)
{
    hone_rt_reading reading = HONE_RT_READING;
    hone_status     status = HONE_OK;
    size_t          whole = 0;
    *bytes = 0;
    for (int i = 0; i < count; i++) whole += table->at[order[i]].bytes + 1;
    HONE_CHECK(whole <= HONE_RT_PROFILE_FILE_MAX, HONE_ERROR_FILE,
               "the rows that count take %zu bytes, and a profile may have %d", whole, HONE_RT_PROFILE_FILE_MAX);
    *out = hone_alloc_raw(whole + !whole, HONE_CACHE_LINE);
    if (!*out) return HONE_ERROR_MEMORY;
    for (int i = 0; i < count && status == HONE_OK; i++) {
        status = hone_rt_table_line(table, order[i], &reading, *out + *bytes);
        *bytes += table->at[order[i]].bytes;
        (*out)[(*bytes)++] = '\n';
    }
    hone_rt_reading_end(&reading);
    if (status == HONE_OK) return HONE_OK;
    hone_free(*out);
    *out = NULL;
    return status;
}

static hone_status write_folded(const char *folder, const hone_rt_table *table, hone_rt_fold_facts *out)
{
    char   name[HONE_RT_NAME_MAX], *text = NULL;
    int   *order, count;
    size_t bytes;
    HONE_TRY(hone_rt_table_order(table, true, &order, &count));
    hone_status status = gather(table, order, count, &text, &bytes);
    hone_free(order);
    HONE_TRY(status);
    if (count) {
        hone_rt_name_new(HONE_RT_FILE_FOLDED, hone_rt_silicon_key(table->silicon), name);
        snprintf(out->file, sizeof out->file, "%s/%s", folder, name);
        status = hone_file_write(out->file, text, bytes);
    }
    if (status != HONE_OK) out->file[0] = 0;
    out->rows = count;
    out->superseded = table->count - count;
    out->damaged = table->facts.damaged;
    hone_free(text);
    return status;
}

/* Removes what a compaction that died was writing. */
static void sweep(const char *folder, uint64_t key)
{
    char           prefix[HONE_RT_HEX + 3], path[HONE_RT_PATH_MAX + 256];
    struct dirent *entry;
    struct stat    facts;
    DIR           *entries = opendir(folder);
    snprintf(prefix, sizeof prefix, ".%016" PRIx64 ".", key);
    while (entries && (entry = readdir(entries))) {
        const char *end = strrchr(entry->d_name, '.');
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0 || strcmp(end, ".part") != 0) continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (lstat(path, &facts) == 0 && S_ISREG(facts.st_mode) && time(NULL) - facts.st_mtime > ABANDONED_SECONDS)
            unlink(path);
    }
    if (entries) closedir(entries);
}

/* HONE_ERROR_STATE: a file went away while it was read, and all begins again. One that went before is another
 * compaction's, which had all of it in a file of its own by then. */
static hone_status fold(const char *folder, const char *silicon, hone_rt_names *names, hone_rt_fold_facts *out)
{
    uint64_t       key = hone_rt_silicon_key(silicon);
    hone_rt_table *table;
    int            count = 0, folded = 0;
    for (int i = 0; i < names->count; i++) {
        hone_rt_file_kind kind = hone_rt_name_read(names->at[i], key, NULL);
        if (!is_done(folder, key, names->at[i])) {
            out->left += kind == HONE_RT_FILE_JOURNAL;
            continue;
        }
        folded += kind == HONE_RT_FILE_FOLDED;
        if (i != count) memcpy(names->at[count], names->at[i], HONE_RT_NAME_MAX);
        count++;
    }
    if (count == 0 || (count == 1 && folded)) return HONE_OK;
    HONE_TRY(hone_rt_table_new(silicon, &table));
    hone_status status = HONE_OK;
    for (int i = 0; i < count && status == HONE_OK; i++) {
        bool taken;
        status = hone_rt_table_add(table, folder, names->at[i], 0, true, &taken);
        if (status == HONE_ERROR_NOT_FOUND) status = HONE_OK;
        if (status == HONE_OK && !taken) names->at[i][0] = 0; /* it cannot be read, and stays; or it is gone */
    }
    if (status == HONE_OK) status = hone_rt_table_sort(table);
    if (status == HONE_OK) status = write_folded(folder, table, out);
    for (int i = 0; i < count && status == HONE_OK; i++) {
        char path[HONE_RT_PATH_MAX + HONE_RT_NAME_MAX];
        snprintf(path, sizeof path, "%s/%s", folder, names->at[i]);
        if (names->at[i][0] && (unlink(path) == 0 || errno == ENOENT)) out->files++;
    }
    hone_rt_table_free(table);
    return status;
}

hone_status hone_rt_rows_fold(const hone_be_device *device, const char *path, hone_rt_fold_facts *out)
{
    enum { ATTEMPTS = 8 };
    char          folder[HONE_RT_PATH_MAX];
    bool          mine;
    hone_status   status = HONE_OK;
    hone_sentence before;
    uint64_t      key = hone_rt_silicon_key(device->fingerprint);
    memset(out, 0, sizeof *out);
    HONE_TRY(hone_rt_folders_own(path, folder, &mine));
    hone_sentence_keep(&before);
    for (int i = 0; i < ATTEMPTS; i++) {
        hone_rt_names names;
        status = hone_folder_trusted(folder);
        if (status == HONE_ERROR_NOT_FOUND) { /* nothing was kept yet */
            hone_sentence_back(&before);
            return HONE_OK;
        }
        HONE_TRY(status);
        HONE_TRY(hone_rt_names_list(folder, key, &names));
        memset(out, 0, sizeof *out);
        status = fold(folder, device->fingerprint, &names, out);
        hone_free(names.at);
        if (status != HONE_ERROR_STATE) break;
    }
    if (status == HONE_ERROR_STATE) { /* others fold faster than this one reads: it is being done */
        memset(out, 0, sizeof *out);
        status = HONE_OK;
    }
    HONE_TRY(status);
    sweep(folder, key);
    hone_sentence_back(&before);
    return HONE_OK;
}
