/* The first line of a profile: the device and its ceilings, and the file of the silicon's own name that it stands in.
 *
 *     {"key":"...","sum":"...","row":"device","format":1,"device":{...},"ceilings":{...},"when":...,"build":...}
 *
 * Everything in it is by name. What has a name that is not known here was written by a newer hone and is passed over.
 * Whatever else the file holds, rows that came with it among them (rows.h), is kept when the line is written anew. */
#include "runtime/profile/profile.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "backends/cpu/cpu.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/status.h"
#include "runtime/profile/names.h"

/* Faster than any device is, slower than any launch: a figure beyond has been damaged or made up. */
#define FLOPS_MAX   1e18
#define BYTES_MAX   1e16
#define SECONDS_MAX 10.0

static const char *const level_names[HONE_LEVEL_COUNT] = {"l1", "l2", "l3", "memory"};
static const char *const width_names[HONE_WIDTH_COUNT] = {"one", "all"};

static uint64_t key_of(const hone_be_device *device)
{
    return hone_rt_silicon_key(device->fingerprint);
}

void hone_rt_profile_seal(const hone_be_device *device, char *line, size_t bytes)
{
    hone_rt_line_seal(key_of(device), line, bytes);
}

/* --- writing -------------------------------------------------------------------------------------------------- */

/* Adds a part to `object` and gives it back; either may be NULL: then memory is short, and the end notices. */
static json_t *add(json_t *object, const char *name, json_t *part)
{
    return object && part && json_object_set_new(object, name, part) == 0 ? part : NULL;
}

/* A figure; nothing is said of what was not measured. */
static bool add_figure(json_t *object, const char *name, double value)
{
    return value <= 0 || add(object, name, json_real(value));
}

/* {"one": 1e11, "all": 2e11} under `name`, where there are figures. */
static bool add_widths(json_t *object, const char *name, const double figures[HONE_WIDTH_COUNT])
{
    bool    done = true;
    json_t *widths = NULL;
    for (int width = 0; width < HONE_WIDTH_COUNT && done; width++) {
        if (figures[width] <= 0) continue;
        if (!widths) widths = add(object, name, json_object());
        done = add_figure(widths, width_names[width], figures[width]);
    }
    return done;
}

static bool add_flops(json_t *ceilings, const hone_ceilings *from)
{
    json_t *flops = add(ceilings, "flops", json_object());
    bool    done = flops != NULL;
    for (int isa = 0; isa < HONE_ISA_COUNT && done; isa++) {
        json_t *types = json_object();
        for (int type = 1; type <= HONE_DTYPE_LAST && done; type++)
            done = types && add_widths(types, hone_dtype_name((hone_dtype)type), from->flops[isa][type]);
        if (done && json_object_size(types))
            done = json_object_set(flops, hone_cpu_isa_name((hone_isa)isa), types) == 0;
        json_decref(types);
    }
    return done;
}

static bool add_levels(json_t *ceilings, const char *name, const double figures[HONE_LEVEL_COUNT][HONE_WIDTH_COUNT])
{
    json_t *levels = add(ceilings, name, json_object());
    bool    done = levels != NULL;
    for (int level = 0; level < HONE_LEVEL_COUNT && done; level++)
        done = add_widths(levels, level_names[level], figures[level]);
    return done;
}

static bool add_device(json_t *root, const hone_be_device *device)
{
    json_t *it = add(root, "device", json_object());
    return add(it, "fingerprint", json_string(device->fingerprint)) && add(it, "label", json_string(device->label)) &&
           add(it, "instructions", json_string(device->instructions)) &&
           add(it, "threads", json_integer(device->threads)) &&
           add(it, "memory_bytes", json_integer((json_int_t)device->memory_bytes));
}

/* All that follows the seal, as an object of JSON. NULL: no memory. */
static json_t *first_line(const hone_be_device *device, const hone_ceilings *ceilings)
{
    char      when[32];
    time_t    now = time(NULL);
    struct tm utc;
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));

    json_t *root = json_object();
    bool done = add(root, "row", json_string("device")) && add(root, "format", json_integer(HONE_RT_PROFILE_FORMAT)) &&
                add_device(root, device);
    json_t *it = done ? add(root, "ceilings", json_object()) : NULL;
    done = it && add_flops(it, ceilings) && add_levels(it, "read", ceilings->read) &&
           add_levels(it, "copy", ceilings->copy) && add_figure(it, "launch_seconds", ceilings->launch_seconds) &&
           add_figure(it, "fork_seconds", ceilings->fork_seconds) && add(root, "when", json_string(when)) &&
           add(root, "build", json_string(hone_version_string()));
    if (done) return root;
    json_decref(root);
    return NULL;
}

hone_status hone_rt_profile_print(const hone_be_device *device, const hone_ceilings *ceilings, char **out,
                                  size_t *bytes)
{
    *out = NULL;
    *bytes = 0;
    json_t *root = first_line(device, ceilings);
    size_t  flags = JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(12);
    size_t  rest = root ? json_dumpb(root, NULL, 0, flags) : 0; /* "{...}": its brace becomes the seal */
    char   *line = rest ? hone_alloc_raw(HONE_RT_PROFILE_SEAL + rest + 1, HONE_CACHE_LINE) : NULL;
    size_t  wrote = line ? json_dumpb(root, line + HONE_RT_PROFILE_SEAL - 1, rest, flags) : 0;
    json_decref(root);
    if (wrote != rest || !rest) {
        hone_free(line);
        return hone_fail(HONE_ERROR_MEMORY, "out of memory: the profile's first line could not be written");
    }
    *bytes = HONE_RT_PROFILE_SEAL - 1 + rest + 1;
    line[*bytes - 1] = '\n';
    hone_rt_profile_seal(device, line, *bytes);
    *out = line;
    return HONE_OK;
}

/* --- reading -------------------------------------------------------------------------------------------------- */

static int find(const char *name, const char *const *names, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0) return i;
    return -1;
}

static int find_isa(const char *name)
{
    hone_isa isa;
    return hone_cpu_isa_parse(name, &isa) ? (int)isa : -1;
}

static int find_type(const char *name)
{
    for (int type = 1; type <= HONE_DTYPE_LAST; type++)
        if (strcmp(name, hone_dtype_name((hone_dtype)type)) == 0) return type;
    return -1;
}

/* One figure; absent is 0. */
static hone_status read_figure(const json_t *value, const char *name, double most, double *out)
{
    double figure = json_is_number(value) ? json_number_value(value) : NAN;
    HONE_CHECK(isfinite(figure) && figure >= 0 && figure <= most, HONE_ERROR_FORMAT,
               "its ceiling '%.32s' is no number from 0 to %g", name, most);
    *out = figure;
    return HONE_OK;
}

static hone_status read_widths(json_t *widths, double most, double out[HONE_WIDTH_COUNT])
{
    const char *name;
    json_t     *value;
    HONE_CHECK(json_is_object(widths), HONE_ERROR_FORMAT, "among its ceilings something stands where threads should");
    json_object_foreach(widths, name, value)
    {
        int width = find(name, width_names, HONE_WIDTH_COUNT);
        if (width >= 0) HONE_TRY(read_figure(value, name, most, &out[width]));
    }
    return HONE_OK;
}

static hone_status read_flops(json_t *flops, hone_ceilings *out)
{
    const char *isa_name, *type_name;
    json_t     *types, *widths;
    HONE_CHECK(!flops || json_is_object(flops), HONE_ERROR_FORMAT, "its 'flops' is no object");
    json_object_foreach(flops, isa_name, types)
    {
        int isa = find_isa(isa_name);
        if (isa < 0) continue;
        HONE_CHECK(json_is_object(types), HONE_ERROR_FORMAT, "among its ceilings '%.32s' is no object", isa_name);
        json_object_foreach(types, type_name, widths)
        {
            int type = find_type(type_name);
            if (type > 0) HONE_TRY(read_widths(widths, FLOPS_MAX, out->flops[isa][type]));
        }
    }
    return HONE_OK;
}

static hone_status read_levels(json_t *levels, const char *name, double out[HONE_LEVEL_COUNT][HONE_WIDTH_COUNT])
{
    const char *level_name;
    json_t     *widths;
    HONE_CHECK(!levels || json_is_object(levels), HONE_ERROR_FORMAT, "its '%s' is no object", name);
    json_object_foreach(levels, level_name, widths)
    {
        int level = find(level_name, level_names, HONE_LEVEL_COUNT);
        if (level >= 0) HONE_TRY(read_widths(widths, BYTES_MAX, out[level]));
    }
    return HONE_OK;
}

static hone_status read_seconds(const json_t *ceilings, const char *name, double *out)
{
    const json_t *value = json_object_get(ceilings, name);
    return value ? read_figure(value, name, SECONDS_MAX, out) : HONE_OK;
}

static hone_status read_ceilings(const json_t *root, const hone_be_device *device, hone_ceilings *out)
{
    const char   *row = json_string_value(json_object_get(root, "row"));
    const json_t *format = json_object_get(root, "format"), *ceilings = json_object_get(root, "ceilings");
    const char   *silicon = json_string_value(json_object_get(json_object_get(root, "device"), "fingerprint"));

    HONE_CHECK(row && strcmp(row, "device") == 0, HONE_ERROR_FORMAT, "its first line does not describe a device");
    HONE_CHECK(json_is_integer(format), HONE_ERROR_FORMAT, "its format has no number");
    HONE_CHECK(json_integer_value(format) == HONE_RT_PROFILE_FORMAT, HONE_ERROR_FORMAT,
               "its format is %" JSON_INTEGER_FORMAT ", and this hone reads %d", json_integer_value(format),
               HONE_RT_PROFILE_FORMAT);
    HONE_CHECK(silicon && strcmp(silicon, device->fingerprint) == 0, HONE_ERROR_FORMAT,
               "it is of other silicon: '%.160s', and this is '%s'", silicon ? silicon : "", device->fingerprint);
    HONE_CHECK(json_is_object(ceilings), HONE_ERROR_FORMAT, "it has no ceilings");
    HONE_TRY(read_flops(json_object_get(ceilings, "flops"), out));
    HONE_TRY(read_levels(json_object_get(ceilings, "read"), "read", out->read));
    HONE_TRY(read_levels(json_object_get(ceilings, "copy"), "copy", out->copy));
    HONE_TRY(read_seconds(ceilings, "launch_seconds", &out->launch_seconds));
    return read_seconds(ceilings, "fork_seconds", &out->fork_seconds);
}

hone_status hone_rt_profile_parse(const hone_be_device *device, const char *line, size_t bytes, hone_ceilings *out)
{
    uint64_t      key = 0, sum = 0;
    json_error_t  error;
    hone_ceilings read = {0};
    memset(out, 0, sizeof *out);
    bytes = hone_rt_line_without_newline(line, bytes);
    HONE_CHECK(bytes < HONE_RT_PROFILE_LINE_MAX, HONE_ERROR_FORMAT, "its first line has more than %d bytes",
               HONE_RT_PROFILE_LINE_MAX);
    HONE_CHECK(hone_rt_line_read(line, bytes, &key, &sum), HONE_ERROR_FORMAT,
               "its first line does not begin with key and checksum");
    HONE_CHECK(key == key_of(device), HONE_ERROR_FORMAT, "its first line is not this device's: its key is %016" PRIx64,
               key);
    HONE_CHECK(sum == hone_rt_line_sum(key, line, bytes), HONE_ERROR_FORMAT,
               "its first line is damaged: its checksum is %016" PRIx64 ", and its bytes give %016" PRIx64, sum,
               hone_rt_line_sum(key, line, bytes));
    json_t *root = json_loadb(line, bytes, JSON_REJECT_DUPLICATES, &error);
    if (!root && json_error_code(&error) == json_error_out_of_memory)
        return hone_fail(HONE_ERROR_MEMORY, "out of memory: its first line could not be read");
    HONE_CHECK(root, HONE_ERROR_FORMAT, "its first line is no JSON: %.80s at byte %d", error.text, error.position);
    hone_status status = read_ceilings(root, device, &read);
    json_decref(root);
    if (status == HONE_OK) *out = read;
    return status;
}

/* --- files ---------------------------------------------------------------------------------------------------- */

/* Copies all lines but those of the key, which the new first line replaces. What cannot be understood is kept. */
static size_t keep_others(const char *old, size_t bytes, uint64_t key, char *out)
{
    size_t kept = 0;
    for (size_t at = 0; at < bytes;) {
        const char *end = memchr(old + at, '\n', bytes - at);
        size_t      length = end ? (size_t)(end - (old + at)) + 1 : bytes - at;
        uint64_t    its_key, its_sum;
        if (!hone_rt_line_read(old + at, length, &its_key, &its_sum) || its_key != key) {
            memcpy(out + kept, old + at, length);
            kept += length;
        }
        at += length;
    }
    return kept;
}

static hone_status rewrite(const char *file, uint64_t key, const char *line, size_t bytes)
{
    char         *old, *whole;
    size_t        old_bytes;
    hone_sentence before;
    hone_sentence_keep(&before);
    hone_status status = hone_file_read(file, HONE_RT_PROFILE_BYTES_MAX, &old, &old_bytes);
    if (status != HONE_OK && status != HONE_ERROR_NOT_FOUND) return status;
    hone_sentence_back(&before); /* that there is no file yet is no failure */
    whole = hone_alloc_raw(bytes + old_bytes, HONE_CACHE_LINE);
    if (!whole) {
        hone_free(old);
        return HONE_ERROR_MEMORY;
    }
    memcpy(whole, line, bytes);
    bytes += keep_others(old, old_bytes, key, whole + bytes);
    status = hone_file_write(file, whole, bytes);
    hone_free(whole);
    hone_free(old);
    return status;
}

hone_status hone_rt_profile_save(const hone_be_device *device, const char *path, const hone_ceilings *ceilings)
{
    char   folder[HONE_RT_PATH_MAX], file[HONE_RT_PATH_MAX], *line;
    size_t bytes;
    bool   mine;
    HONE_TRY(hone_rt_folders_own(path, folder, &mine));
    HONE_TRY(hone_rt_name_first(folder, key_of(device), file, sizeof file));
    HONE_TRY(hone_rt_folder_ready(folder, mine));
    HONE_TRY(hone_rt_profile_print(device, ceilings, &line, &bytes));
    hone_status status = rewrite(file, key_of(device), line, bytes);
    hone_free(line);
    return status;
}

/* The first line of a file that nobody else can have written. */
static hone_status load(const char *folder, const char *file, const hone_be_device *device, hone_ceilings *out)
{
    char  *head;
    size_t bytes;
    HONE_TRY(hone_file_trusted(file));
    HONE_TRY(hone_folder_trusted(folder));
    HONE_TRY(hone_file_head(file, HONE_RT_PROFILE_LINE_MAX, &head, &bytes));
    const char *end = memchr(head, '\n', bytes);
    hone_status status;
    if (end)
        status = hone_rt_profile_parse(device, head, (size_t)(end - head), out);
    else
        status = hone_fail(HONE_ERROR_FORMAT, "its first line does not end within %d bytes", HONE_RT_PROFILE_LINE_MAX);
    hone_free(head);
    return status == HONE_OK ? status : hone_fail_within(status, "profile %s", file);
}

hone_status hone_rt_profile_load(const hone_be_device *device, const char *path, hone_ceilings *out)
{
    char            folder[HONE_RT_PATH_MAX], file[HONE_RT_PATH_MAX];
    hone_rt_folders folders;
    hone_sentence   before, said;
    hone_status     first = HONE_OK; /* of the nearest that cannot be trusted, while those further away are tried */
    memset(out, 0, sizeof *out);
    HONE_TRY(hone_rt_folders_open(path, &folders));
    hone_sentence_keep(&before);
    while (hone_rt_folders_next(&folders, folder)) {
        HONE_TRY(hone_rt_name_first(folder, key_of(device), file, sizeof file));
        hone_status status = load(folder, file, device, out);
        if (status == HONE_OK) hone_sentence_back(&before);
        if (status == HONE_OK || status == HONE_ERROR_MEMORY) return status;
        if (first != HONE_OK || status == HONE_ERROR_NOT_FOUND) continue;
        first = status;
        hone_sentence_keep(&said);
    }
    if (first != HONE_OK) hone_sentence_back(&said);
    if (first != HONE_OK) return first;
    return hone_fail(HONE_ERROR_NOT_FOUND, "no profile of this silicon, '%s', in %s", device->fingerprint,
                     folders.list + strspn(folders.list, ":"));
}
