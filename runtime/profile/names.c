/* Folders and names of files: see names.h. */
#include "runtime/profile/names.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/options.h"
#include "base/status.h"
#include "runtime/modules.h"
#include "runtime/profile/line.h"

/* --- folders -------------------------------------------------------------------------------------------------- */

hone_status hone_rt_folders_open(const char *given, hone_rt_folders *out)
{
    static const char system[] = "/usr/local/share/hone/profiles:/usr/share/hone/profiles";
    char              shipped[HONE_RT_PATH_MAX];
    const char       *data = hone_option_get(HONE_OPTION_DATA_HOME), *home = hone_option_get(HONE_OPTION_HOME);
    hone_text         text = hone_text_in(out->list, sizeof out->list);
    if (!given || !*given) given = hone_option_get(HONE_OPTION_PROFILE_PATH);
    out->mine = !given;
    out->at = out->list;
    if (given)
        hone_text_add(&text, "%s", given);
    else if (data && *data == '/') /* the rule says to ignore any other */
        hone_text_add(&text, "%s/hone/profiles:%s", data, system);
    else if (home && *home == '/')
        hone_text_add(&text, "%s/.local/share/hone/profiles:%s", home, system);
    else
        hone_text_add(&text, ":%s", system);
    if (!given) {
        hone_rt_shared("hone/profiles", shipped, sizeof shipped);
        hone_text_add(&text, ":%s", shipped);
    }
    HONE_CHECK(text.length < sizeof out->list, HONE_ERROR_FILE,
               "the folders of profiles take more than %zu bytes: %.64s...", sizeof out->list, out->list);
    return HONE_OK;
}

bool hone_rt_folders_next(hone_rt_folders *folders, char out[HONE_RT_PATH_MAX])
{
    for (;;) {
        while (*folders->at == ':') ++folders->at;
        const char *start = folders->at;
        size_t      length = strcspn(start, ":");
        if (!length) return false;
        folders->at += length;
        memcpy(out, start, length);
        out[length] = 0;
        /* one folder, named twice, is one layer */
        size_t before = (size_t)(start - folders->list);
        bool   again = false;
        for (const char *at = folders->list; !again && at < folders->list + before;) {
            size_t its = strcspn(at, ":");
            again = its == length && memcmp(at, start, length) == 0;
            at += its + 1;
        }
        if (!again) return true;
    }
}

hone_status hone_rt_profile_folder(const char *path, int index, char *out, size_t capacity)
{
    hone_rt_folders folders;
    char            folder[HONE_RT_PATH_MAX];
    if (capacity) *out = 0;
    HONE_TRY(hone_rt_folders_open(path, &folders));
    while (hone_rt_folders_next(&folders, folder)) {
        if (index-- > 0) continue;
        size_t length = strlen(folder);
        HONE_CHECK(length < capacity, HONE_ERROR_ARGUMENT,
                   "the folder of profiles takes %zu bytes, and there is room for %zu", length + 1, capacity);
        memcpy(out, folder, length + 1);
        return HONE_OK;
    }
    return hone_fail(HONE_ERROR_NOT_FOUND, "there are no more folders of profiles in %s",
                     folders.list + strspn(folders.list, ":"));
}

hone_status hone_rt_folders_own(const char *given, char out[HONE_RT_PATH_MAX], bool *mine)
{
    hone_rt_folders folders;
    HONE_TRY(hone_rt_folders_open(given, &folders));
    *mine = folders.mine;
    bool found = !(folders.mine && folders.list[0] == ':') && hone_rt_folders_next(&folders, out);
    HONE_CHECK(found, HONE_ERROR_FILE,
               "no folder for profiles is known: set HONE_PROFILE_PATH, or HOME or XDG_DATA_HOME to an absolute path");
    return HONE_OK;
}

hone_status hone_rt_folder_ready(const char *folder, bool mine)
{
    HONE_TRY(mine ? hone_folder_private(folder) : hone_folder_make(folder));
    return hone_folder_trusted(folder);
}

hone_status hone_rt_name_first(const char *folder, uint64_t key, char *out, size_t capacity)
{
    hone_text text = hone_text_in(out, capacity);
    hone_text_add(&text, "%s/%016" PRIx64 ".jsonl", folder, key);
    HONE_CHECK(text.length < capacity, HONE_ERROR_ARGUMENT,
               "the path of the profile takes %zu bytes, and there is room for %zu", text.length + 1, capacity);
    return HONE_OK;
}

hone_status hone_rt_profile_path(const hone_be_device *device, const char *path, char *out, size_t capacity)
{
    char folder[HONE_RT_PATH_MAX];
    bool mine;
    if (capacity) *out = 0;
    HONE_TRY(hone_rt_folders_own(path, folder, &mine));
    return hone_rt_name_first(folder, hone_rt_silicon_key(device->fingerprint), out, capacity);
}

/* --- writers -------------------------------------------------------------------------------------------------- */

/* The beginning of a small file of the kernel's; its length, 0 where there is none. */
static size_t read_small(const char *path, char *out, size_t capacity)
{
    int     file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = file < 0 ? -1 : read(file, out, capacity - 1);
    if (file >= 0) close(file);
    if (got < 0) got = 0;
    out[got] = 0;
    return (size_t)got;
}

/* When the process began, in ticks of this boot; 0: there is none of that number. */
static uint64_t start_of(uint64_t pid)
{
    char path[48], text[1024];
    /* Two slashes: qemu answers for its own process itself, and otherwise than the kernel does when others ask. */
    snprintf(path, sizeof path, "/proc//%" PRIu64 "/stat", pid);
    if (!read_small(path, text, sizeof text)) return 0;
    const char *at = strrchr(text, ')'); /* its name may hold anything */
    if (!at) return 0;
    for (int field = 2; field < 22 && *at; at++)
        if (*at == ' ') field++;
    return strtoull(at, NULL, 10);
}

static void writer_here(hone_rt_writer *out)
{
    struct utsname host;
    struct stat    space;
    char           boot[64];
    memset(out, 0, sizeof *out);
    if (uname(&host) < 0) strcpy(host.nodename, "unknown");
    for (size_t i = 0; host.nodename[i] && i + 1 < sizeof out->host; i++) {
        char letter = host.nodename[i];
        bool plain = (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
                     (letter >= '0' && letter <= '9') || letter == '-';
        out->host[i] = plain ? letter : '_';
    }
    if (!out->host[0]) strcpy(out->host, "_");
    read_small("/proc/sys/kernel/random/boot_id", boot, sizeof boot);
    snprintf(out->boot, sizeof out->boot, "%.8s", boot[0] ? boot : "unknown");
    if (stat("/proc/self/ns/pid", &space) == 0) out->space = (uint64_t)space.st_ino;
    out->pid = (uint64_t)getpid();
    out->start = start_of(out->pid);
}

hone_rt_presence hone_rt_writer_presence(const hone_rt_writer *writer)
{
    hone_rt_writer here;
    writer_here(&here);
    if (strcmp(here.host, writer->host) != 0 || !here.start) return HONE_RT_ELSEWHERE;
    if (strcmp(here.boot, writer->boot) != 0) return HONE_RT_GONE; /* before this machine was started */
    if (here.space != writer->space) return HONE_RT_ELSEWHERE;
    return start_of(writer->pid) == writer->start ? HONE_RT_THERE : HONE_RT_GONE;
}

/* --- names ---------------------------------------------------------------------------------------------------- */

static const char *const kind_names[] = {
    [HONE_RT_FILE_JOURNAL] = "journal", [HONE_RT_FILE_CLAIMED] = "claimed", [HONE_RT_FILE_FOLDED] = "folded"};

void hone_rt_name_new(hone_rt_file_kind kind, uint64_t key, char out[HONE_RT_NAME_MAX])
{
    static _Atomic(unsigned) count;
    hone_rt_writer           here;
    writer_here(&here);
    snprintf(out, HONE_RT_NAME_MAX, "%016" PRIx64 ".%s.%s.%s.%" PRIx64 ".%" PRIu64 ".%" PRIu64 ".%u.jsonl", key,
             kind_names[kind], here.host, here.boot, here.space, here.pid, here.start,
             atomic_fetch_add_explicit(&count, 1, memory_order_relaxed));
}

void hone_rt_name_as(const char *name, hone_rt_file_kind kind, char out[HONE_RT_NAME_MAX])
{
    const char *rest = strchr(name + HONE_RT_HEX + 1, '.');
    snprintf(out, HONE_RT_NAME_MAX, "%.*s.%s%s", HONE_RT_HEX, name, kind_names[kind], rest ? rest : "");
}

hone_rt_file_kind hone_rt_name_read(const char *name, uint64_t key, hone_rt_writer *writer)
{
    hone_rt_writer read;
    uint64_t       its;
    char           kind[8];
    unsigned       number;
    int            end = 0;
    size_t         length = strlen(name);
    if (length >= HONE_RT_NAME_MAX || length < HONE_RT_HEX + 6 || !hone_rt_hex_get(name, &its) || its != key)
        return HONE_RT_FILE_OTHER;
    name += HONE_RT_HEX;
    if (!strcmp(name, ".jsonl")) return HONE_RT_FILE_FIRST;
    int fields = sscanf(name, ".%7[a-z].%39[A-Za-z0-9_-].%11[a-z0-9].%" SCNx64 ".%" SCNu64 ".%" SCNu64 ".%u.jsonl%n",
                        kind, read.host, read.boot, &read.space, &read.pid, &read.start, &number, &end);
    if (fields != 7 || !end || name[end]) return HONE_RT_FILE_OTHER;
    if (writer) *writer = read;
    for (int i = HONE_RT_FILE_JOURNAL; i <= HONE_RT_FILE_FOLDED; i++)
        if (!strcmp(kind, kind_names[i])) return (hone_rt_file_kind)i;
    return HONE_RT_FILE_OTHER;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Room for one more. */
static hone_status grow(hone_rt_names *names, int *room)
{
    if (names->count < *room) return HONE_OK;
    int   more = *room ? 2 * *room : 16;
    void *larger = hone_alloc((size_t)more, sizeof *names->at);
    if (!larger) return HONE_ERROR_MEMORY;
    if (names->count) memcpy(larger, names->at, (size_t)names->count * sizeof *names->at);
    hone_free(names->at);
    names->at = larger;
    *room = more;
    return HONE_OK;
}

hone_status hone_rt_names_list(const char *folder, uint64_t key, hone_rt_names *out)
{
    int         room = 0;
    hone_status status = HONE_OK;
    char        text[128];
    *out = (hone_rt_names){0};
    DIR *entries = opendir(folder);
    if (!entries && (errno == ENOENT || errno == ENOTDIR)) return HONE_OK;
    HONE_CHECK(entries, HONE_ERROR_FILE, "cannot read the folder %s: %s", folder,
               strerror_r(errno, text, sizeof text));
    for (struct dirent *entry; status == HONE_OK && (entry = readdir(entries));) {
        if (hone_rt_name_read(entry->d_name, key, NULL) == HONE_RT_FILE_OTHER) continue;
        if (out->count == HONE_RT_FILES_MAX) {
            status = hone_fail(HONE_ERROR_FILE,
                               "the folder %s has more than %d files of this silicon; `hone profile compact` makes "
                               "one of them",
                               folder, HONE_RT_FILES_MAX);
            break;
        }
        status = grow(out, &room);
        if (status == HONE_OK) strcpy(out->at[out->count++], entry->d_name); /* shorter, or it were none of ours */
    }
    closedir(entries);
    if (status != HONE_OK) {
        hone_free(out->at);
        *out = (hone_rt_names){0};
        return status;
    }
    if (out->count > 1) qsort(out->at, (size_t)out->count, sizeof *out->at, by_name);
    return HONE_OK;
}
