/* Recording: see record.h. */
#include "runtime/record.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "runtime/runtime.h"

enum { FILE_MAX = 1 << 24, LINE_MAX_BYTES = HONE_PROBLEM_TEXT_MAX + 192, PATH_SIZE = 4096 };

typedef struct entry {
    hone_rt_tally tally;
    struct entry *next;
    int           threads;
    double        calls, seconds; /* while the file is made: all of them */
    bool          placed;
    char          text[];
} entry;

struct hone_rt_record {
    pthread_mutex_t lock;
    char           *path;
    hone_log        log;
    pid_t           pid;
    entry          *first, **last;
    hone_rt_record *next; /* of those that the end of the process must write */
};

static struct {
    pthread_mutex_t lock;
    hone_rt_record *first;
} records = {.lock = PTHREAD_MUTEX_INITIALIZER};

hone_status hone_rt_record_open(const char *path, const hone_log *log, hone_rt_record **out)
{
    *out = NULL;
    if (!path) return HONE_OK;
    hone_rt_record *r = hone_alloc(1, sizeof *r);
    if (!r) return HONE_ERROR_MEMORY;
    r->path = hone_alloc(strlen(path) + 1, 1);
    if (!r->path) {
        hone_free(r);
        return HONE_ERROR_MEMORY;
    }
    strcpy(r->path, path);
    r->log = *log;
    r->pid = getpid();
    r->last = &r->first;
    pthread_mutex_init(&r->lock, NULL);
    pthread_mutex_lock(&records.lock);
    r->next = records.first;
    records.first = r;
    pthread_mutex_unlock(&records.lock);
    *out = r;
    return HONE_OK;
}

static entry *entry_of(hone_rt_record *r, const char *text, int threads)
{
    for (entry *it = r->first; it; it = it->next)
        if (it->threads == threads && !strcmp(it->text, text)) return it;
    entry *it = hone_alloc(1, sizeof *it + strlen(text) + 1);
    if (!it) return NULL;
    it->threads = threads;
    strcpy(it->text, text);
    *r->last = it;
    r->last = &it->next;
    return it;
}

hone_rt_tally *hone_rt_record_tally(hone_rt_record *record, const hone_request *request)
{
    char          text[HONE_PROBLEM_TEXT_MAX + 64];
    hone_sentence before;
    if (!record) return NULL;
    hone_sentence_keep(&before);
    hone_rt_problem_print(request->op, request->problem, text, sizeof text);
    pthread_mutex_lock(&record->lock);
    entry *it = entry_of(record, text, request->threads);
    pthread_mutex_unlock(&record->lock);
    hone_sentence_back(&before);
    return it ? &it->tally : NULL;
}

/* --- the file ---------------------------------------------------------------------------------------------------- */

/* A number behind these words; *at goes past it. */
static bool read_number(char **at, const char *words, double *out)
{
    char *end;
    if (strncmp(*at, words, strlen(words)) != 0) return false;
    *at += strlen(words);
    *out = hone_text_real(*at, &end);
    const bool some = end != *at;
    *at = end;
    return some;
}

/* One line of before: "PROBLEM  # calls=N seconds=S threads=T". What is none is kept as it is. */
static bool read_line(const char *line, size_t length, char *text, double *calls, double *seconds, int *threads)
{
    const char *note = memchr(line, '#', length);
    char        rest[128];
    if (!note || (size_t)(note - line) >= HONE_PROBLEM_TEXT_MAX + 64) return false;
    size_t end = (size_t)(note - line), left = length - end;
    while (end && line[end - 1] == ' ') end--;
    if (!end || left >= sizeof rest) return false;
    memcpy(text, line, end);
    text[end] = 0;
    memcpy(rest, note, left);
    rest[left] = 0;
    char  *at = rest;
    double count;
    if (!read_number(&at, "# calls=", calls) || !read_number(&at, " seconds=", seconds) ||
        !read_number(&at, " threads=", &count))
        return false;
    *threads = (int)count;
    return count >= 0 && count == *threads;
}

static void add_line(hone_text *out, const char *text, double calls, double seconds, int threads)
{
    hone_text_add(out, "%s  # calls=%.0f seconds=%.9g threads=%d\n", text, calls, seconds, threads);
}

/* The old file with what is new added to its lines, and the rest behind. */
static void merge(hone_rt_record *r, const char *old, size_t bytes, hone_text *out)
{
    char   text[HONE_PROBLEM_TEXT_MAX + 64];
    double calls, seconds;
    int    threads;
    for (size_t at = 0, length; at < bytes; at += length + 1) {
        length = strcspn(old + at, "\n");
        if (!read_line(old + at, length, text, &calls, &seconds, &threads)) {
            hone_text_add(out, "%.*s\n", (int)length, old + at);
            continue;
        }
        for (entry *it = r->first; it; it = it->next) {
            if (it->placed || it->threads != threads || strcmp(it->text, text) != 0) continue;
            calls += it->calls;
            seconds += it->seconds;
            it->placed = true;
        }
        add_line(out, text, calls, seconds, threads);
    }
    for (entry *it = r->first; it; it = it->next)
        if (!it->placed && it->calls > 0) add_line(out, it->text, it->calls, it->seconds, it->threads);
}

static hone_status write_file(hone_rt_record *r, const char *path)
{
    char  *old = NULL;
    size_t bytes = 0, room = 1;
    hone_status status = hone_file_read(path, FILE_MAX, &old, &bytes);
    if (status != HONE_OK && status != HONE_ERROR_NOT_FOUND) return status;
    room += bytes + 64;
    for (size_t i = 0; i < bytes; i++) room += old[i] == '\n' ? 64 : 0; /* lines may grow */
    for (entry *it = r->first; it; it = it->next) room += strlen(it->text) + LINE_MAX_BYTES;
    char *all = hone_alloc(room, 1);
    status = HONE_ERROR_MEMORY;
    if (all) {
        hone_text text = hone_text_in(all, room);
        merge(r, old ? old : "", bytes, &text);
        status = text.length < room ? hone_file_write(path, all, text.length)
                                    : hone_fail(HONE_ERROR_OVERFLOW, "a record is too large");
    }
    hone_free(all);
    hone_free(old);
    return status;
}

/* The folder's lock; -1: there is none to be had. */
static int lock_folder(const char *path)
{
    char        folder[PATH_SIZE];
    const char *slash = strrchr(path, '/');
    if (slash && (size_t)(slash - path) >= sizeof folder) return -1;
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
    int file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), got = -1;
    if (file < 0) return -1;
    do got = flock(file, LOCK_EX);
    while (got != 0 && errno == EINTR);
    if (got == 0) return file;
    close(file);
    return -1;
}

/* What was counted since the last time goes into the file. */
static void write_record(hone_rt_record *r)
{
    char          path[PATH_SIZE];
    bool          any = false;
    hone_sentence before;
    if (getpid() != r->pid) return;
    hone_sentence_keep(&before);
    pthread_mutex_lock(&r->lock);
    for (entry *it = r->first; it; it = it->next) {
        it->calls = (double)atomic_exchange(&it->tally.calls, 0);
        it->seconds = (double)atomic_exchange(&it->tally.ns, 0) * 1e-9;
        it->placed = false;
        any |= it->calls > 0;
    }
    if (any) {
        int lock = lock_folder(r->path);
        snprintf(path, sizeof path, "%s", r->path);
        if (lock < 0) snprintf(path, sizeof path, "%.4000s.%ld", r->path, (long)getpid());
        if (write_file(r, path) != HONE_OK)
            hone_log_say(&r->log, HONE_LOG_WARNING, "what was recorded is lost: %s", hone_last_error());
        if (lock >= 0) close(lock);
    }
    pthread_mutex_unlock(&r->lock);
    hone_sentence_back(&before);
}

void hone_rt_record_close(hone_rt_record *record)
{
    if (!record) return;
    pthread_mutex_lock(&records.lock);
    for (hone_rt_record **at = &records.first; *at; at = &(*at)->next)
        if (*at == record) {
            *at = record->next;
            break;
        }
    pthread_mutex_unlock(&records.lock);
    write_record(record);
    for (entry *it = record->first, *next; it; it = next) {
        next = it->next;
        hone_free(it);
    }
    pthread_mutex_destroy(&record->lock);
    hone_free(record->path);
    hone_free(record);
}

/* Of contexts that nobody destroyed: when the process ends, or the library is taken out of it. */
__attribute__((destructor)) static void write_the_rest(void)
{
    pthread_mutex_lock(&records.lock);
    for (hone_rt_record *it = records.first; it; it = it->next) {
        it->log.say = NULL; /* whoever heard it may be gone */
        write_record(it);
    }
    pthread_mutex_unlock(&records.lock);
}
