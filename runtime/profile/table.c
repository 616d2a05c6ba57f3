/* Tables of rows: scanning files into keys and places, and which row of a key counts. */
#include "runtime/profile/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/status.h"
#include "runtime/profile/scan.h"

enum { FILES_MAX = 65535, ROWS_MAX = 1 << 20, SAME_MAX = 256 };

hone_status hone_rt_table_new(const char *silicon, hone_rt_table **out)
{
    *out = hone_alloc(1, sizeof **out);
    if (!*out) return HONE_ERROR_MEMORY;
    (*out)->silicon = silicon;
    return HONE_OK;
}

void hone_rt_table_free(hone_rt_table *it)
{
    if (!it) return;
    for (int i = 0; i < it->file_count; i++) hone_free(it->files[i]);
    hone_free(it->files);
    hone_free(it->at);
    hone_rt_nearest_free(&it->nearest);
    hone_free(it);
}

void hone_rt_table_remark(hone_rt_table *it)
{
    if (it->remark_count < HONE_RT_REMARKS)
        snprintf(it->remarks[it->remark_count++], HONE_RT_REMARK_MAX, "%s", hone_last_error());
}

/* --- scanning -------------------------------------------------------------------------------------------------- */

typedef struct scanning {
    hone_rt_table *into;
    bool           all;
    int         layer;
    int64_t     bytes;
    int         rows, damaged, unfinished, unknown;
    bool        looked; /* at one row: whether it can be used at all */
    char        refused[HONE_RT_REMARK_MAX];
} scanning;

static hone_status take_line(void *user, const char *line, size_t bytes, uint64_t offset, bool whole)
{
    scanning *s = user;
    hone_rt_table *into = s->into;
    uint64_t  key;
    s->bytes += (int64_t)bytes + whole;
    if (!bytes && whole) return HONE_OK;
    if (!whole && bytes < HONE_RT_PROFILE_LINE_MAX) {
        s->unfinished++;
        return HONE_OK;
    }
    if (!whole || !hone_rt_line_sound(line, bytes, &key)) {
        s->damaged++;
        return HONE_OK;
    }
    hone_rt_line_kind kind = hone_rt_line_kind_of(line, bytes);
    if (kind == HONE_RT_LINE_DEVICE || kind == HONE_RT_LINE_OF_SEAL) return HONE_OK;
    bool row = kind != HONE_RT_LINE_UNKNOWN && bytes < HONE_RT_ROW_TEXT_MAX;
    if (!row) s->unknown++;
    if (!row && !s->all) return HONE_OK;
    HONE_CHECK(into->count < ROWS_MAX, HONE_ERROR_FILE, "there are more than %d rows", ROWS_MAX);
    if (row && !s->looked) {
        hone_rt_row first;
        hone_status status = hone_rt_row_parse(into->silicon, line, bytes, &first);
        if (status == HONE_ERROR_MEMORY) return status;
        if (status != HONE_OK) snprintf(s->refused, sizeof s->refused, "%s", hone_last_error());
        s->looked = true;
    }
    HONE_TRY(hone_grow(&into->at, into->count, &into->room, sizeof *into->at));
    into->at[into->count++] = (hone_rt_entry){key,
                                      offset,
                                      (uint32_t)bytes,
                                      (uint16_t)(into->file_count - 1),
                                      (uint8_t)s->layer,
                                      (uint8_t)(row ? kind : HONE_RT_LINE_UNKNOWN),
                                      row && kind == HONE_RT_LINE_MEASURED ? hone_rt_sketch_of_line(line, bytes)
                                                                           : (hone_rt_sketch){0}};
    s->rows += row;
    into->unsketched |= row && kind == HONE_RT_LINE_MEASURED && !into->at[into->count - 1].sketch.kind;
    return HONE_OK;
}

/* What is to be said of a file that was gone through. */
static void say_of(hone_rt_table *it, const char *path, const scanning *s)
{
    if (s->refused[0]) {
        (void)hone_fail(HONE_ERROR_FORMAT, "%s: its first row is passed over, and others as they are asked for: %s",
                        path, s->refused);
        hone_rt_table_remark(it);
    }
    if (s->damaged) {
        (void)hone_fail(HONE_ERROR_FORMAT,
                        "%s: %d damaged line%s passed over; `hone profile verify` says which, and measuring again "
                        "replaces them",
                        path, s->damaged, s->damaged == 1 ? " is" : "s are");
        hone_rt_table_remark(it);
    }
    if (s->unknown) {
        (void)hone_fail(HONE_ERROR_FORMAT, "%s: %d line%s of kinds that this hone does not know %s passed over", path,
                        s->unknown, s->unknown == 1 ? "" : "s", s->unknown == 1 ? "is" : "are");
        hone_rt_table_remark(it);
    }
}

hone_status hone_rt_table_add(hone_rt_table *it, const char *folder, const char *name, int layer, bool all, bool *taken)
{
    size_t length = strlen(folder) + strlen(name) + 2;
    *taken = false;
    HONE_CHECK(it->file_count < FILES_MAX, HONE_ERROR_FILE, "there are more than %d files of profiles", FILES_MAX);
    HONE_TRY(hone_grow(&it->files, it->file_count, &it->file_room, sizeof *it->files));
    char *path = hone_alloc(1, length);
    if (!path) return HONE_ERROR_MEMORY;
    snprintf(path, length, "%s/%s", folder, name);
    it->files[it->file_count++] = path;

    scanning    s = {.into = it, .all = all, .layer = layer};
    int         before = it->count;
    hone_status status = hone_rt_scan(path, take_line, &s);
    if (status == HONE_ERROR_MEMORY || status == HONE_ERROR_NOT_FOUND) return status;
    if (status != HONE_OK) {
        it->count = before; /* half of a file is none */
        hone_rt_table_remark(it);
        return HONE_OK;
    }
    it->facts.files++;
    it->facts.rows += s.rows;
    it->facts.damaged += s.damaged;
    it->facts.unfinished += s.unfinished;
    it->facts.unknown += s.unknown;
    it->facts.bytes += s.bytes;
    say_of(it, path, &s);
    *taken = true;
    return HONE_OK;
}

static int by_place(const void *left, const void *right)
{
    const hone_rt_entry *a = left, *b = right;
    if (a->key != b->key) return a->key < b->key ? -1 : 1;
    if (a->layer != b->layer) return a->layer < b->layer ? -1 : 1;
    if (a->file != b->file) return a->file < b->file ? -1 : 1;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

/* Of each key the first entry, where it is a measured row. */
static const hone_rt_sketch *sketch_of(const void *self, int index)
{
    const hone_rt_entry *at = self;
    if (index && at[index].key == at[index - 1].key) return NULL;
    return at[index].sketch.kind ? &at[index].sketch : NULL;
}

hone_status hone_rt_table_sort(hone_rt_table *it)
{
    if (it->count > 1) qsort(it->at, (size_t)it->count, sizeof *it->at, by_place);
    return hone_rt_nearest_build(sketch_of, it->at, it->count, &it->nearest);
}

/* --- asking ---------------------------------------------------------------------------------------------------- */

int hone_rt_table_first(const hone_rt_table *it, uint64_t key)
{
    int low = 0, high = it->count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (it->at[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void hone_rt_reading_end(hone_rt_reading *reading)
{
    if (reading->descriptor >= 0) close(reading->descriptor);
    reading->file = reading->descriptor = -1;
}

hone_status hone_rt_table_line(const hone_rt_table *it, int at, hone_rt_reading *reading, char *out)
{
    const hone_rt_entry *entry = &it->at[at];
    const char          *path = it->files[entry->file];
    if (reading->file != entry->file) {
        uint64_t bytes;
        hone_rt_reading_end(reading);
        hone_status status = hone_file_open(path, &reading->descriptor, &bytes);
        if (status == HONE_ERROR_NOT_FOUND) return HONE_ERROR_STATE;
        HONE_TRY(status);
        reading->file = entry->file;
    }
    return hone_rt_scan_again(reading->descriptor, path, entry->offset, entry->bytes, out);
}

hone_status hone_rt_table_row(const hone_rt_table *it, int at, hone_rt_reading *reading, hone_rt_row *out)
{
    char line[HONE_RT_ROW_TEXT_MAX];
    if (it->at[at].kind == HONE_RT_LINE_UNKNOWN) return HONE_ERROR_FORMAT;
    HONE_TRY(hone_rt_table_line(it, at, reading, line));
    return (reading->figures ? hone_rt_row_parse_figures : hone_rt_row_parse)(it->silicon, line, it->at[at].bytes, out);
}

/* Does a count before b, two rows of one key? Equal ones go by their places, so that all readers choose alike. */
static bool counts_before(const hone_rt_table *it, const hone_rt_standing *a, const hone_rt_standing *b)
{
    const hone_rt_entry *x = &it->at[a->at], *y = &it->at[b->at];
    if (x->layer != y->layer) return x->layer < y->layer;
    int order = hone_rt_row_compare(&a->row, &b->row);
    return order ? order > 0 : a->at < b->at;
}

hone_status hone_rt_table_next(const hone_rt_table *it, uint64_t key, const hone_rt_standing *last,
                               hone_rt_reading *reading, hone_rt_standing *out)
{
    hone_rt_standing spare;
    int              best = -1, start = hone_rt_table_first(it, key);
    for (int i = start; i < it->count && i < start + SAME_MAX && it->at[i].key == key; i++) {
        hone_rt_standing *here = best < 0 ? out : &spare; /* read where it is wanted: mostly there is one */
        if (i == last->at || it->at[i].kind != HONE_RT_LINE_MEASURED) continue;
        if (best >= 0 && it->at[i].layer > it->at[best].layer) break; /* further away: none of them counts */
        here->at = i;
        hone_status status = hone_rt_table_row(it, i, reading, &here->row);
        if (status == HONE_ERROR_FORMAT || status == HONE_ERROR_FILE) continue;
        if (status != HONE_OK) return status;
        if (last->at >= 0 && !counts_before(it, last, here)) continue;
        if (best < 0 || counts_before(it, here, out)) {
            best = i;
            if (here != out) *out = *here;
        }
    }
    out->at = best;
    return best < 0 ? HONE_ERROR_NOT_FOUND : HONE_OK;
}

int hone_rt_table_near(const hone_rt_table *it, const hone_rt_sketch *sketch, int *out, int most)
{
    return hone_rt_nearest_find(&it->nearest, sketch, out, most);
}

bool hone_rt_table_may_have(const hone_rt_table *it, const hone_rt_sketch *sketch)
{
    int nearest;
    return it->unsketched || (hone_rt_table_near(it, sketch, &nearest, 1) &&
                              !memcmp(&it->at[nearest].sketch, sketch, sizeof *sketch));
}

/* --- those that count ------------------------------------------------------------------------------------------ */

/* What two entries share of which one is enough. */
static uint64_t sameness(const hone_rt_table *it, int at, bool usable, hone_rt_reading *reading, const hone_rt_row *row)
{
    char text[640];
    if (usable && it->at[at].kind == HONE_RT_LINE_MEASURED) return 0; /* of the key, that is */
    if (usable) {
        int length = snprintf(text, sizeof text, "%s %u %s %s", row->best.kernel, row->best.version, row->best.identity,
                              row->best.config);
        return hone_hash(text, (size_t)length, 1);
    }
    char line[HONE_RT_PROFILE_LINE_MAX];
    if (hone_rt_table_line(it, at, reading, line) != HONE_OK) return (uint64_t)at;
    return hone_hash(line, it->at[at].bytes, 2);
}

/* The entries of one key, from `start` up to `end`. */
static hone_status order_key(const hone_rt_table *it, int start, int end, bool all, hone_rt_reading *reading,
                             int *order, int *count)
{
    hone_rt_standing none = {.at = -1}, best = {.at = -1};
    uint64_t         seen[SAME_MAX];
    int              seen_count = 0;
    if (end - start == 1) {
        order[(*count)++] = start; /* whether it can be used is told when it is read */
        return HONE_OK;
    }
    hone_status status = hone_rt_table_next(it, it->at[start].key, &none, reading, &best);
    if (status != HONE_OK && status != HONE_ERROR_NOT_FOUND) return status;
    if (best.at >= 0) order[(*count)++] = best.at;
    for (int i = start; i < end; i++) {
        status = hone_rt_table_row(it, i, reading, &none.row);
        if (status != HONE_OK && status != HONE_ERROR_FORMAT && status != HONE_ERROR_FILE) return status;
        bool usable = status == HONE_OK;
        if (usable ? it->at[i].kind == HONE_RT_LINE_MEASURED : !all) continue;
        uint64_t same = sameness(it, i, usable, reading, &none.row);
        int      at = 0;
        while (at < seen_count && seen[at] != same) at++;
        if (at < seen_count) continue;
        if (seen_count < SAME_MAX) seen[seen_count++] = same;
        order[(*count)++] = i;
    }
    return HONE_OK;
}

hone_status hone_rt_table_order(const hone_rt_table *it, bool all, int **order, int *count)
{
    hone_status     status = HONE_OK;
    hone_rt_reading reading = HONE_RT_READING;
    *count = 0;
    *order = hone_alloc((size_t)it->count, sizeof **order);
    if (!*order) return HONE_ERROR_MEMORY;
    for (int start = 0, end; start < it->count && status == HONE_OK; start = end) {
        for (end = start + 1; end < it->count && it->at[end].key == it->at[start].key;) end++;
        status = order_key(it, start, end, all, &reading, *order, count);
    }
    hone_rt_reading_end(&reading);
    if (status == HONE_OK) return HONE_OK;
    hone_free(*order);
    *order = NULL;
    *count = 0;
    return status;
}
