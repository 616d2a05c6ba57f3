/* The union of all layers: a table of all their rows, and the order in which they count for a request.
 *
 * Files come and go meanwhile: journals begin, and compaction (fold.c) puts one file in the place of many. Folders are
 * listed before and after their files were read, and all is read again where the lists differ, so that no row is missed
 * between two files; a row whose file is gone when it is asked for has the folders read again. */
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/status.h"
#include "runtime/profile/names.h"
#include "runtime/profile/scan.h"
#include "runtime/profile/table.h"

enum { LAYERS_MAX = 16, ATTEMPTS = 10 };

struct hone_rt_rows {
    pthread_mutex_t lock;
    char            silicon[160];
    char           *path; /* as given; NULL: as everywhere */
    bool            one_file; /* and not what `path` says: never read again */
    hone_rt_table  *table;
    int            *order; /* those that count, once somebody asked for them */
    int             order_count;
};

/* --- reading --------------------------------------------------------------------------------------------------- */

/* All layers. With `it` NULL only their names, into *listing. HONE_ERROR_NOT_FOUND: a file went away meanwhile. */
static hone_status go_through(const char *silicon, const char *path, hone_rt_table *it, uint64_t *listing)
{
    hone_rt_folders folders;
    char            folder[HONE_RT_PATH_MAX];
    uint64_t        key = hone_rt_silicon_key(silicon);
    *listing = 0;
    HONE_TRY(hone_rt_folders_open(path, &folders));
    for (int layer = 0; layer < LAYERS_MAX && hone_rt_folders_next(&folders, folder); layer++) {
        hone_rt_names names;
        bool          taken;
        hone_status   status = hone_folder_trusted(folder);
        if (status == HONE_OK) status = hone_rt_names_list(folder, key, &names);
        if (status == HONE_ERROR_MEMORY) return status;
        if (status != HONE_OK) {
            if (it && status != HONE_ERROR_NOT_FOUND) hone_rt_table_remark(it);
            continue;
        }
        *listing = hone_hash(names.at, (size_t)names.count * sizeof *names.at, *listing + (uint64_t)layer);
        for (int i = 0; it && status == HONE_OK && i < names.count; i++)
            status = hone_rt_table_add(it, folder, names.at[i], layer, false, &taken);
        hone_free(names.at);
        if (status != HONE_OK) return status;
    }
    return HONE_OK;
}

/* Whoever removes files is nearly done, or waits for a disk: each time a little longer, a second in all. */
static void pause_before(int attempt)
{
    const long     us = attempt < 2 ? 0 : 2000L << (attempt - 2);
    struct timespec rest = {0, us * 1000};
    if (us) nanosleep(&rest, NULL);
}

static hone_status build(const char *silicon, const char *path, hone_rt_table **out)
{
    hone_status status = HONE_OK;
    *out = NULL;
    for (int i = 0; i < ATTEMPTS; i++) {
        uint64_t       before, after;
        hone_rt_table *it;
        pause_before(i);
        HONE_TRY(hone_rt_table_new(silicon, &it));
        status = go_through(silicon, path, it, &before);
        if (status == HONE_OK) status = go_through(silicon, path, NULL, &after);
        if (status == HONE_OK && (after == before || i == ATTEMPTS - 1)) {
            status = hone_rt_table_sort(it);
            if (status == HONE_OK) {
                *out = it;
                return HONE_OK;
            }
        }
        hone_rt_table_free(it);
        if (status != HONE_OK && status != HONE_ERROR_NOT_FOUND) return status;
    }
    return hone_fail(HONE_ERROR_FILE, "the files of profiles change faster than they can be read: %.300s",
                     hone_last_error());
}

hone_status hone_rt_rows_open(const hone_be_device *device, const char *path, hone_rt_rows **out)
{
    hone_sentence before;
    *out = NULL;
    hone_sentence_keep(&before);
    size_t        length = path ? strlen(path) + 1 : 0;
    hone_rt_rows *rows = hone_alloc(1, sizeof *rows + length);
    if (!rows) return HONE_ERROR_MEMORY;
    memcpy(rows->silicon, device->fingerprint, sizeof rows->silicon);
    if (path) rows->path = memcpy(rows + 1, path, length);
    hone_status status = build(rows->silicon, rows->path, &rows->table);
    if (status != HONE_OK) {
        hone_free(rows);
        return status;
    }
    pthread_mutex_init(&rows->lock, NULL);
    *out = rows;
    hone_sentence_back(&before);
    return HONE_OK;
}

/* The silicon of the first line that tells one. */
static hone_status find_silicon(void *user, const char *line, size_t bytes, uint64_t offset, bool whole)
{
    hone_rt_row row;
    char       *silicon = user;
    (void)offset;
    if (*silicon || !whole || bytes >= HONE_RT_ROW_TEXT_MAX) return HONE_OK;
    hone_status status = hone_rt_row_parse(NULL, line, bytes, &row);
    if (status == HONE_OK) memcpy(silicon, row.silicon, sizeof row.silicon);
    return status == HONE_ERROR_MEMORY ? status : HONE_OK;
}

hone_status hone_rt_rows_open_file(const char *file, hone_rt_rows **out)
{
    const char *slash = strrchr(file, '/');
    char        folder[HONE_RT_PATH_MAX];
    bool        taken;
    *out = NULL;
    hone_rt_rows *rows = hone_alloc(1, sizeof *rows);
    if (!rows) return HONE_ERROR_MEMORY;
    hone_text text = hone_text_in(folder, sizeof folder);
    hone_text_add(&text, "%.*s", slash ? (int)(slash - file + !!(slash == file)) : 1, slash ? file : ".");
    hone_status status = hone_rt_scan(file, find_silicon, rows->silicon);
    if (status == HONE_OK) status = hone_rt_table_new(rows->silicon, &rows->table);
    if (status == HONE_OK)
        status = hone_rt_table_add(rows->table, folder, slash ? slash + 1 : file, 0, false, &taken);
    if (status == HONE_OK) status = hone_rt_table_sort(rows->table);
    if (status != HONE_OK) {
        hone_rt_table_free(rows->table);
        hone_free(rows);
        return status;
    }
    pthread_mutex_init(&rows->lock, NULL);
    rows->one_file = true;
    *out = rows;
    return HONE_OK;
}

const char *hone_rt_rows_silicon(const hone_rt_rows *rows)
{
    return rows->silicon;
}

void hone_rt_rows_close(hone_rt_rows *rows)
{
    if (!rows) return;
    hone_rt_table_free(rows->table);
    hone_free(rows->order);
    pthread_mutex_destroy(&rows->lock);
    hone_free(rows);
}

static hone_status refresh(hone_rt_rows *rows)
{
    hone_rt_table *fresh;
    HONE_CHECK(!rows->one_file, HONE_ERROR_STATE, "the file was changed while it was in use");
    HONE_TRY(build(rows->silicon, rows->path, &fresh));
    hone_rt_table_free(rows->table);
    hone_free(rows->order);
    rows->table = fresh;
    rows->order = NULL;
    rows->order_count = 0;
    return HONE_OK;
}

/* A file was gone: the folders are read again, unless that was done too often. True: the question may be asked anew. */
static bool read_again(hone_rt_rows *rows, int *attempts, hone_status *status)
{
    if (*status != HONE_ERROR_STATE || *attempts == ATTEMPTS) return false;
    pause_before((*attempts)++);
    *status = refresh(rows);
    return *status == HONE_OK;
}

hone_status hone_rt_rows_refresh(hone_rt_rows *rows)
{
    hone_sentence before;
    hone_sentence_keep(&before);
    pthread_mutex_lock(&rows->lock);
    hone_status status = refresh(rows);
    pthread_mutex_unlock(&rows->lock);
    if (status == HONE_OK) hone_sentence_back(&before);
    return status;
}

/* --- asking ---------------------------------------------------------------------------------------------------- */

/* Where rows for a request may lie, best first: those of just this request, then those that may stand in for it. */
enum { PLACES_MAX = 64 };
static int places_of(const hone_request *request, hone_rt_row_place out[PLACES_MAX])
{
    static const unsigned alignments[] = {64, 32, 16, 8, 4, 2, 1};
    int                   count = 0;
    for (int policy = 0; policy < 4; policy++)
        for (int i = -1; i < (int)(sizeof alignments / sizeof alignments[0]); i++)
            for (int uncapped = 0; uncapped <= (request->scratch_cap != 0); uncapped++) {
                if (i >= 0 && alignments[i] == request->alignment) continue;
                out[count++] = (hone_rt_row_place){HONE_RT_ROW_MEASURED,
                                                   request->threads,
                                                   i < 0 ? request->alignment : alignments[i],
                                                   request->flags,
                                                   uncapped ? 0 : request->scratch_cap,
                                                   policy & 1,
                                                   policy & 2};
            }
    return count;
}

/* The nth row that may serve. HONE_ERROR_STATE: a file is gone. */
static hone_status look(const hone_rt_rows *rows, uint64_t base, const hone_request *request, const char *text, int nth,
                        hone_rt_standing *found)
{
    hone_rt_row_place places[PLACES_MAX];
    hone_rt_reading   reading = HONE_RT_READING;
    hone_status       status = HONE_ERROR_NOT_FOUND;
    int               count = places_of(request, places);
    for (int i = 0; i < count && status == HONE_ERROR_NOT_FOUND; i++) {
        if (i == 1) { /* it is not there; so mostly nothing is, which one look tells */
            const hone_rt_sketch sketch = hone_rt_sketch_of(text, strlen(text), request->threads);
            if (!hone_rt_table_may_have(rows->table, &sketch)) break;
        }
        uint64_t         key = hone_rt_row_key(base, &places[i]);
        hone_rt_standing last = {.at = -1};
        while ((status = hone_rt_table_next(rows->table, key, &last, &reading, found)) == HONE_OK && nth-- > 0)
            last = *found;
    }
    hone_rt_reading_end(&reading);
    return status;
}

/* The nth culprit of a problem. */
static hone_status look_quarantined(const hone_rt_rows *rows, uint64_t base, int nth, hone_rt_row *out)
{
    const hone_rt_table    *table = rows->table;
    const hone_rt_row_place place = {.kind = HONE_RT_ROW_QUARANTINE};
    uint64_t                key = hone_rt_row_key(base, &place);
    hone_rt_reading         reading = HONE_RT_READING;
    hone_status             status = HONE_ERROR_NOT_FOUND;
    for (int i = hone_rt_table_first(table, key); i < table->count && table->at[i].key == key; i++) {
        if (table->at[i].kind != HONE_RT_LINE_QUARANTINE) continue;
        status = hone_rt_table_row(table, i, &reading, out);
        const bool unusable = status == HONE_ERROR_FORMAT || status == HONE_ERROR_FILE;
        if (!unusable && (status != HONE_OK || nth-- == 0)) break;
        status = HONE_ERROR_NOT_FOUND;
    }
    hone_rt_reading_end(&reading);
    return status;
}

static uint64_t base_of(const hone_rt_rows *rows, const hone_request *request, char text[HONE_PROBLEM_TEXT_MAX])
{
    hone_rt_problem_print(request->op, request->problem, text, HONE_PROBLEM_TEXT_MAX);
    return hone_rt_row_key_base(rows->silicon, text);
}

hone_status hone_rt_rows_next(hone_rt_rows *rows, const hone_request *request, int nth, hone_rt_row *out, int *layer)
{
    char             text[HONE_PROBLEM_TEXT_MAX] = "";
    hone_rt_standing found = {.at = -1};
    hone_sentence    before;
    hone_sentence_keep(&before);
    pthread_mutex_lock(&rows->lock);
    uint64_t    base = base_of(rows, request, text);
    int         attempts = 0;
    hone_status status;
    do status = look(rows, base, request, text, nth, &found);
    while (read_again(rows, &attempts, &status));
    if (status == HONE_OK && layer) *layer = rows->table->at[found.at].layer;
    pthread_mutex_unlock(&rows->lock);
    if (status == HONE_OK) {
        *out = found.row;
        hone_sentence_back(&before);
    } else if (status == HONE_ERROR_NOT_FOUND) {
        hone_sentence_back(&before);
        return hone_fail(HONE_ERROR_NOT_FOUND, "no row for \"%s\" with %d thread%s", text, request->threads,
                         request->threads == 1 ? "" : "s");
    }
    return status;
}

hone_status hone_rt_rows_find(hone_rt_rows *rows, const hone_request *request, hone_rt_row *out)
{
    return hone_rt_rows_next(rows, request, 0, out, NULL);
}

hone_status hone_rt_rows_quarantined(hone_rt_rows *rows, const hone_request *request, int nth, hone_rt_row *out)
{
    char          text[HONE_PROBLEM_TEXT_MAX] = "";
    hone_sentence before;
    hone_sentence_keep(&before);
    pthread_mutex_lock(&rows->lock);
    uint64_t    base = base_of(rows, request, text);
    int         attempts = 0;
    hone_status status;
    do status = look_quarantined(rows, base, nth, out);
    while (read_again(rows, &attempts, &status));
    pthread_mutex_unlock(&rows->lock);
    if (status == HONE_OK || status == HONE_ERROR_NOT_FOUND) hone_sentence_back(&before);
    return status == HONE_ERROR_NOT_FOUND
               ? hone_fail(status, "nothing is in quarantine for \"%s\" beyond %d", text, nth)
               : status;
}

/* HONE_ERROR_STATE: a file is gone, and nothing was handed out. */
static hone_status look_near(hone_rt_rows *rows, const hone_rt_sketch *sketch, const char *text,
                             hone_rt_near_function *take, void *self)
{
    int             near[HONE_RT_NEAR_MAX];
    int             count = hone_rt_table_near(rows->table, sketch, near, HONE_RT_NEAR_MAX);
    hone_rt_reading reading = HONE_RT_READING;
    hone_status     status = HONE_OK;
    bool            handed = false, more = true;
    reading.figures = true;
    for (int i = 0; i < count && more; i++) {
        hone_rt_standing none = {.at = -1}, here;
        status = hone_rt_table_next(rows->table, rows->table->at[near[i]].key, &none, &reading, &here);
        if (status == HONE_ERROR_STATE && handed) status = HONE_ERROR_NOT_FOUND;
        if (status == HONE_ERROR_NOT_FOUND) continue;
        if (status != HONE_OK) break;
        if (here.row.cold || here.row.loaded || !strcmp(here.row.problem, text)) continue;
        more = take(self, &here.row, rows->table->at[here.at].layer);
        handed = true;
    }
    hone_rt_reading_end(&reading);
    return status == HONE_ERROR_NOT_FOUND ? HONE_OK : status;
}

hone_status hone_rt_rows_near(hone_rt_rows *rows, const hone_request *request, hone_rt_near_function *take, void *self)
{
    char          text[HONE_PROBLEM_TEXT_MAX];
    hone_sentence before;
    hone_sentence_keep(&before);
    hone_rt_problem_print(request->op, request->problem, text, sizeof text);
    const hone_rt_sketch sketch = hone_rt_sketch_of(text, strlen(text), request->threads);
    pthread_mutex_lock(&rows->lock);
    int         attempts = 0;
    hone_status status;
    do status = look_near(rows, &sketch, text, take, self);
    while (read_again(rows, &attempts, &status));
    pthread_mutex_unlock(&rows->lock);
    if (status == HONE_OK) hone_sentence_back(&before);
    return status;
}

/* --- listing --------------------------------------------------------------------------------------------------- */

/* The entry of the index-th row that counts. */
static hone_status entry_at(hone_rt_rows *rows, int index, int *at)
{
    if (!rows->order) HONE_TRY(hone_rt_table_order(rows->table, false, &rows->order, &rows->order_count));
    HONE_CHECK(index >= 0 && index < rows->order_count, HONE_ERROR_NOT_FOUND, "there is no row %d; there are %d", index,
               rows->order_count);
    *at = rows->order[index];
    return HONE_OK;
}

/* The line of the index-th row that counts, and its place. A line has room for HONE_RT_PROFILE_LINE_MAX bytes. */
static hone_status line_at(hone_rt_rows *rows, int index, char *line, int *at)
{
    hone_rt_reading reading = HONE_RT_READING;
    hone_status     status;
    int             attempts = 0;
    do {
        status = entry_at(rows, index, at);
        if (status == HONE_OK) status = hone_rt_table_line(rows->table, *at, &reading, line);
        hone_rt_reading_end(&reading);
    } while (read_again(rows, &attempts, &status));
    return status;
}

hone_status hone_rt_rows_at(hone_rt_rows *rows, int index, hone_rt_row *out)
{
    char line[HONE_RT_PROFILE_LINE_MAX];
    int  at;
    pthread_mutex_lock(&rows->lock);
    hone_status status = line_at(rows, index, line, &at);
    if (status == HONE_OK) status = hone_rt_row_parse(rows->silicon, line, rows->table->at[at].bytes, out);
    pthread_mutex_unlock(&rows->lock);
    return status;
}

hone_status hone_rt_rows_text(hone_rt_rows *rows, int index, char *out, size_t *bytes, int *layer)
{
    int at;
    *bytes = 0;
    pthread_mutex_lock(&rows->lock);
    hone_status status = line_at(rows, index, out, &at);
    if (status == HONE_OK) {
        *bytes = rows->table->at[at].bytes;
        out[(*bytes)++] = '\n';
        if (layer) *layer = rows->table->at[at].layer;
    }
    pthread_mutex_unlock(&rows->lock);
    return status;
}

void hone_rt_rows_facts_of(hone_rt_rows *rows, hone_rt_rows_facts *out)
{
    pthread_mutex_lock(&rows->lock);
    *out = rows->table->facts;
    pthread_mutex_unlock(&rows->lock);
}

const char *hone_rt_rows_remark(hone_rt_rows *rows, int index)
{
    return index >= 0 && index < rows->table->remark_count ? rows->table->remarks[index] : NULL;
}
