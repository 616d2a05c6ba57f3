/* Merging: rows of a file that came from elsewhere, into the folder that is written. Every line is looked at; rows of
 * one silicon become one new file, as compaction makes them, and what counts is told by the union as always. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/status.h"
#include "runtime/profile/names.h"
#include "runtime/profile/profile.h"
#include "runtime/profile/row.h"

typedef struct merged_line {
    uint64_t    silicon; /* its key */
    const char *at;
    size_t      bytes;
    bool        device;
} merged_line;

static void refuse(hone_rt_merge_facts *facts, int number)
{
    if (!facts->refused++)
        snprintf(facts->why, sizeof facts->why, "line %d: %.400s", number, hone_last_error());
}

/* What a first line says of itself, held against what it would have to be for that silicon. */
static hone_status read_device(const char *line, size_t bytes, uint64_t *silicon)
{
    json_error_t   error;
    hone_ceilings  ceilings;
    hone_be_device device = {0};
    json_t        *root = json_loadb(line, bytes, JSON_REJECT_DUPLICATES, &error);
    const char    *said = json_string_value(json_object_get(json_object_get(root, "device"), "fingerprint"));
    snprintf(device.fingerprint, sizeof device.fingerprint, "%s", said ? said : "");
    json_decref(root);
    *silicon = hone_rt_silicon_key(device.fingerprint);
    return hone_rt_profile_parse(&device, line, bytes, &ceilings);
}

static hone_status read_line(const char *line, size_t bytes, merged_line *out)
{
    hone_rt_row row;
    out->at = line;
    out->bytes = bytes;
    out->device = hone_rt_line_kind_of(line, bytes) == HONE_RT_LINE_DEVICE;
    if (out->device) return read_device(line, bytes, &out->silicon);
    HONE_TRY(hone_rt_row_parse(NULL, line, bytes, &row));
    out->silicon = hone_rt_silicon_key(row.silicon);
    return HONE_OK;
}

static int by_silicon(const void *left, const void *right)
{
    const merged_line *a = left, *b = right;
    if (a->silicon != b->silicon) return a->silicon < b->silicon ? -1 : 1;
    return a->at < b->at ? -1 : a->at > b->at;
}

/* The lines of one silicon. */
static hone_status write_silicon(const char *folder, const merged_line *lines, int count, hone_rt_merge_facts *facts)
{
    char        path[HONE_RT_PATH_MAX + HONE_RT_NAME_MAX], name[HONE_RT_NAME_MAX];
    size_t      bytes = 0;
    int         rows = 0;
    hone_status status = HONE_OK;
    for (int i = 0; i < count; i++) bytes += lines[i].bytes + 1;
    char *text = hone_alloc_raw(bytes, HONE_CACHE_LINE);
    if (!text) return HONE_ERROR_MEMORY;
    bytes = 0;
    for (int i = 0; i < count && status == HONE_OK; i++) {
        char *line = text + bytes;
        memcpy(line, lines[i].at, lines[i].bytes);
        line[lines[i].bytes] = '\n';
        if (!lines[i].device) {
            bytes += lines[i].bytes + 1;
            rows++;
            continue;
        }
        status = hone_rt_name_first(folder, lines[i].silicon, path, sizeof path);
        if (status == HONE_OK && access(path, F_OK) != 0) { /* what was measured here stays */
            status = hone_file_write(path, line, lines[i].bytes + 1);
            facts->devices += status == HONE_OK;
        }
    }
    if (rows && status == HONE_OK) {
        hone_rt_name_new(HONE_RT_FILE_FOLDED, lines[0].silicon, name);
        snprintf(path, sizeof path, "%s/%s", folder, name);
        status = hone_file_write(path, text, bytes);
        facts->rows += status == HONE_OK ? rows : 0;
    }
    facts->silicons += status == HONE_OK;
    hone_free(text);
    return status;
}

/* Counts the lines, at most; then takes those that can be used. */
static int take_lines(const char *text, size_t bytes, merged_line *out, hone_rt_merge_facts *facts)
{
    int count = 0, number = 0;
    for (size_t at = 0; at < bytes;) {
        const char *end = memchr(text + at, '\n', bytes - at);
        size_t      length = end ? (size_t)(end - (text + at)) : bytes - at;
        number++;
        if (!out)
            count++;
        else if (length && hone_rt_line_kind_of(text + at, length) != HONE_RT_LINE_OF_SEAL) {
            if (read_line(text + at, length, &out[count]) == HONE_OK)
                count++;
            else
                refuse(facts, number);
        }
        at += length + 1;
    }
    return count;
}

hone_status hone_rt_rows_merge(const char *path, const char *file, hone_rt_merge_facts *out)
{
    char          folder[HONE_RT_PATH_MAX], *text;
    size_t        bytes;
    bool          mine;
    hone_sentence before;
    hone_status   status;
    memset(out, 0, sizeof *out);
    HONE_TRY(hone_rt_folders_own(path, folder, &mine));
    HONE_TRY(hone_file_read(file, HONE_RT_PROFILE_FILE_MAX, &text, &bytes));
    hone_sentence_keep(&before);
    merged_line *lines = hone_alloc((size_t)take_lines(text, bytes, NULL, NULL) + 1, sizeof *lines);
    status = lines ? hone_rt_folder_ready(folder, mine) : HONE_ERROR_MEMORY;
    int count = status == HONE_OK ? take_lines(text, bytes, lines, out) : 0;
    if (count > 1) qsort(lines, (size_t)count, sizeof *lines, by_silicon);
    for (int start = 0, end; start < count && status == HONE_OK; start = end) {
        for (end = start + 1; end < count && lines[end].silicon == lines[start].silicon;) end++;
        status = write_silicon(folder, lines + start, end - start, out);
    }
    hone_free(lines);
    hone_free(text);
    if (status == HONE_OK) hone_sentence_back(&before);
    return status;
}
