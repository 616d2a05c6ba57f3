/* A file is written beside its place, brought to disk, and renamed onto it: readers see one or the other, never half.
 *
 *     folder/name                 what readers open
 *     folder/.name.PID-N.part     what a writer fills; one that died leaves it, and a later writer sweeps it away
 */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/status.h"

enum { PATH_SIZE = 4096, NAME_SIZE = 256, PART_SIZE = NAME_SIZE + 40, ABANDONED_SECONDS = 24 * 60 * 60 };

/* "cannot write /a/b: No space left on device" */
static hone_status cannot(const char *what, const char *path, int why)
{
    char text[128];
    return hone_fail(HONE_ERROR_FILE, "cannot %s %s: %s", what, path, strerror_r(why, text, sizeof text));
}

/* What nobody but this user and root can have put there. */
static bool trusted_owner(const struct stat *facts)
{
    return facts->st_uid == geteuid() || facts->st_uid == 0;
}

/* --- reading -------------------------------------------------------------------------------------------------- */

/* Opens for reading without waiting (a pipe) and without following a link of somebody else's. */
static int open_to_read(const char *path)
{
    enum { FLAGS = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY };
    struct stat link;
    int         file = open(path, FLAGS | O_NOFOLLOW);
    if (file >= 0 || errno != ELOOP) return file;
    if (lstat(path, &link) < 0) return -1;
    if (S_ISLNK(link.st_mode) && !trusted_owner(&link)) {
        errno = ELOOP;
        return -1;
    }
    return open(path, FLAGS);
}

/* Fills `data` up to `capacity` or the end of the file. Negative: errno says why. */
static ssize_t read_all(int file, char *data, size_t capacity)
{
    size_t got = 0;
    while (got < capacity) {
        ssize_t more = read(file, data + got, capacity - got);
        if (more < 0 && errno == EINTR) continue;
        if (more < 0) return -1;
        if (more == 0) break;
        got += (size_t)more;
    }
    return (ssize_t)got;
}

static hone_status read_open(int file, const char *path, size_t limit, bool whole, char **out, size_t *bytes)
{
    struct stat facts;
    if (fstat(file, &facts) < 0) return cannot("read", path, errno);
    HONE_CHECK(S_ISREG(facts.st_mode), HONE_ERROR_FILE, "cannot read %s: it is no regular file", path);
    uint64_t stands = (uint64_t)facts.st_size; /* one that grows meanwhile is read as far as it was */
    HONE_CHECK(stands <= limit || !whole, HONE_ERROR_FILE,
               "cannot read %s: it has %" PRIu64 " bytes, and %zu is the limit", path, stands, limit);
    size_t size = stands < limit ? (size_t)stands : limit;
    char  *data = hone_alloc_raw(size + 1, HONE_CACHE_LINE);
    if (!data) return HONE_ERROR_MEMORY;
    ssize_t got = read_all(file, data, size);
    if (got < 0) {
        int why = errno;
        hone_free(data);
        return cannot("read", path, why);
    }
    data[got] = 0;
    *out = data;
    *bytes = (size_t)got;
    return HONE_OK;
}

static hone_status open_or_say(const char *path, int *out)
{
    int file = *out = open_to_read(path);
    HONE_CHECK(file >= 0 || errno != ELOOP, HONE_ERROR_FILE,
               "cannot read %s: it is a link that another user made, or one that leads nowhere", path);
    HONE_CHECK(file >= 0 || errno != ENOENT, HONE_ERROR_NOT_FOUND, "there is no file %s", path);
    return file < 0 ? cannot("read", path, errno) : HONE_OK;
}

hone_status hone_file_open(const char *path, int *out, uint64_t *bytes)
{
    struct stat facts;
    hone_status status = HONE_OK;
    *bytes = 0;
    HONE_TRY(open_or_say(path, out));
    if (fstat(*out, &facts) < 0)
        status = cannot("read", path, errno);
    else if (!S_ISREG(facts.st_mode))
        status = hone_fail(HONE_ERROR_FILE, "cannot read %s: it is no regular file", path);
    if (status == HONE_OK) {
        *bytes = (uint64_t)facts.st_size;
        return HONE_OK;
    }
    close(*out);
    *out = -1;
    return status;
}

static hone_status read_some(const char *path, size_t limit, bool whole, char **out, size_t *bytes)
{
    int file;
    *out = NULL;
    *bytes = 0;
    HONE_TRY(open_or_say(path, &file));
    hone_status status = read_open(file, path, limit, whole, out, bytes);
    close(file);
    return status;
}

hone_status hone_file_read(const char *path, size_t limit, char **out, size_t *bytes)
{
    return read_some(path, limit, true, out, bytes);
}

hone_status hone_file_head(const char *path, size_t limit, char **out, size_t *bytes)
{
    return read_some(path, limit, false, out, bytes);
}

/* --- writing -------------------------------------------------------------------------------------------------- */

/* "folder/name" in two; "name" alone lies in ".". */
static hone_status split(const char *path, char folder[PATH_SIZE], char name[NAME_SIZE])
{
    const char *slash = strrchr(path, '/'), *last = slash ? slash + 1 : path;
    size_t      length = slash ? (size_t)(slash - path) : 0;
    HONE_CHECK(*last && strcmp(last, ".") != 0 && strcmp(last, "..") != 0, HONE_ERROR_FILE,
               "cannot write %s: it names no file", path);
    HONE_CHECK(length < PATH_SIZE && strlen(last) < NAME_SIZE - 40, HONE_ERROR_FILE,
               "cannot write %.64s...: the path is too long", path);
    snprintf(folder, PATH_SIZE, "%.*s", (int)length, path);
    if (!length) snprintf(folder, PATH_SIZE, "%s", slash ? "/" : ".");
    snprintf(name, NAME_SIZE, "%s", last);
    return HONE_OK;
}

static bool write_all(int file, const char *data, size_t bytes)
{
    while (bytes) {
        ssize_t wrote = write(file, data, bytes);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) return false;
        data += wrote;
        bytes -= (size_t)wrote;
    }
    return true;
}

/* Removes what writers of `name` left when they died, once it is so old that no writer can still be at it. */
static void sweep(int folder, const char *name)
{
    char   prefix[NAME_SIZE + 2];
    size_t length = (size_t)snprintf(prefix, sizeof prefix, ".%s.", name);
    int    copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR   *entries = copy < 0 ? NULL : fdopendir(copy);
    if (!entries) {
        if (copy >= 0) close(copy);
        return;
    }
    for (struct dirent *entry; (entry = readdir(entries));) {
        const char *end = strrchr(entry->d_name, '.');
        struct stat facts;
        if (strncmp(entry->d_name, prefix, length) != 0 || !end || strcmp(end, ".part") != 0) continue;
        if (fstatat(folder, entry->d_name, &facts, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(facts.st_mode)) continue;
        if (time(NULL) - facts.st_mtime > ABANDONED_SECONDS) unlinkat(folder, entry->d_name, 0);
    }
    closedir(entries);
}

bool hone_file_sync(int file, bool data)
{
    int done;
    do done = data ? fdatasync(file) : fsync(file);
    while (done < 0 && errno == EINTR);
    return done == 0;
}

/* A file of a name that no other writer has; negative: errno says why. */
static int open_part(int folder, const char *name, char part[PART_SIZE])
{
    static _Atomic(unsigned) count;
    for (int attempt = 0; attempt < 100; attempt++) {
        unsigned number = atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
        snprintf(part, PART_SIZE, ".%s.%ld-%u.part", name, (long)getpid(), number);
        int file = openat(folder, part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (file >= 0 || errno != EEXIST) return file; /* another host's writer of this number, or one that died */
    }
    return -1;
}

static hone_status write_in(int folder, const char *name, const char *path, const void *data, size_t bytes)
{
    char part[PART_SIZE];
    int  file = open_part(folder, name, part);
    if (file < 0) return cannot("write", path, errno);
    bool done = write_all(file, data, bytes) && hone_file_sync(file, false);
    int  why = errno;
    if (close(file) < 0 && errno != EINTR && done) { /* interrupted, it is closed all the same */
        done = false;
        why = errno;
    }
    if (done && renameat(folder, part, folder, name) < 0) {
        done = false;
        why = errno;
    }
    if (!done) {
        unlinkat(folder, part, 0);
        return cannot("write", path, why);
    }
    /* Some file systems keep no order of their folders and say so. */
    if (!hone_file_sync(folder, false) && errno != EINVAL && errno != ENOTSUP) {
        return cannot("bring to disk the folder of", path, errno);
    }
    sweep(folder, name);
    return HONE_OK;
}

hone_status hone_file_write(const char *path, const void *data, size_t bytes)
{
    char folder[PATH_SIZE], name[NAME_SIZE];
    HONE_TRY(split(path, folder, name));
    int at = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (at < 0) return cannot("write", path, errno);
    hone_status status = write_in(at, name, path, data, bytes);
    close(at);
    return status;
}

/* --- folders -------------------------------------------------------------------------------------------------- */

hone_status hone_folder_make(const char *path)
{
    char        part[PATH_SIZE];
    struct stat facts;
    size_t      length = strlen(path);
    HONE_CHECK(length > 0 && length < sizeof part, HONE_ERROR_FILE,
               "cannot make the folder '%.64s': its path is empty or too long", path);
    int why = ENOENT;
    for (size_t end = 1; end <= length; end++) {
        if (path[end] != '/' && path[end] != 0) continue;
        memcpy(part, path, end);
        part[end] = 0;
        /* A folder above that stands, or may not be written to, is no failure yet. */
        if (mkdir(part, 0700) < 0 && errno != EEXIST && errno != ENOENT) why = errno;
    }
    if (stat(path, &facts) < 0) return cannot("make the folder", path, why);
    HONE_CHECK(S_ISDIR(facts.st_mode), HONE_ERROR_FILE, "cannot make the folder %s: a file is there", path);
    return HONE_OK;
}

hone_status hone_folder_private(const char *path)
{
    struct stat link, facts;
    HONE_TRY(hone_folder_make(path));
    if (lstat(path, &link) < 0 || stat(path, &facts) < 0) return cannot("use the folder", path, errno);
    HONE_CHECK(trusted_owner(&link) && facts.st_uid == geteuid(), HONE_ERROR_FILE,
               "will not write into the folder %s: it belongs to the user of number %u", path, (unsigned)facts.st_uid);
    HONE_CHECK(!(facts.st_mode & (S_IWGRP | S_IWOTH)), HONE_ERROR_FILE,
               "will not write into the folder %s: others may write there (its mode is %03o; `chmod go-w` mends it)",
               path, (unsigned)facts.st_mode & 0777);
    return HONE_OK;
}

/* --- trust ---------------------------------------------------------------------------------------------------- */

static hone_status trusted(const char *path, const char *what)
{
    struct stat link, facts;
    HONE_CHECK(lstat(path, &link) == 0 || (errno != ENOENT && errno != ENOTDIR), HONE_ERROR_NOT_FOUND,
               "there is no %s %s", what, path);
    if (stat(path, &facts) < 0) return cannot("look at", path, errno);
    const struct stat *other = trusted_owner(&link) ? &facts : &link;
    HONE_CHECK(trusted_owner(&link) && trusted_owner(&facts), HONE_ERROR_FILE,
               "will not use the %s %s: it belongs to the user of number %u; copy it, or `chown` it", what, path,
               (unsigned)other->st_uid);
    HONE_CHECK(!(facts.st_mode & (S_IWGRP | S_IWOTH)), HONE_ERROR_FILE,
               "will not use the %s %s: others may write to it (its mode is %03o; `chmod go-w` mends it)", what, path,
               (unsigned)facts.st_mode & 0777);
    return HONE_OK;
}

hone_status hone_file_trusted(const char *path)
{
    return trusted(path, "file");
}

hone_status hone_folder_trusted(const char *path)
{
    return trusted(path, "folder");
}
