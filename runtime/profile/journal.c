/* Journals: rows of this process, each on the disk before its writer is told so.
 *
 * A row is one line, written at the end of the file by one write and brought to disk. A line that does not get there
 * whole is cut off again, and where that fails too the file is left for good and the next row begins another: nothing
 * is ever written behind a torn line. A file that somebody took away (fold.c claims those whose writer seems long gone)
 * is noticed after the write, and the row is written again, to another. */
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
#include "runtime/profile/row.h"

struct hone_rt_journal {
    char  folder[HONE_RT_PATH_MAX], name[HONE_RT_NAME_MAX];
    char  silicon[160];
    bool  mine;
    int   place, file; /* the folder and the file in it; -1: none yet */
    pid_t pid;         /* of whoever opened them */
    off_t good;        /* bytes that stand */
};

static hone_status cannot(const hone_rt_journal *journal, const char *what, int why)
{
    char text[128];
    return hone_fail(HONE_ERROR_FILE, "cannot %s %s/%s: %s; the row is not kept", what, journal->folder, journal->name,
                     strerror_r(why, text, sizeof text));
}

hone_status hone_rt_journal_open(const hone_be_device *device, const char *path, hone_rt_journal **out)
{
    char folder[HONE_RT_PATH_MAX];
    bool mine;
    *out = NULL;
    HONE_TRY(hone_rt_folders_own(path, folder, &mine));
    hone_rt_journal *journal = hone_alloc(1, sizeof *journal);
    if (!journal) return HONE_ERROR_MEMORY;
    memcpy(journal->folder, folder, sizeof folder);
    memcpy(journal->silicon, device->fingerprint, sizeof journal->silicon);
    journal->mine = mine;
    journal->place = journal->file = -1;
    *out = journal;
    return HONE_OK;
}

/* Lets go of the file as it is. */
static void leave(hone_rt_journal *journal)
{
    if (journal->file >= 0) close(journal->file);
    if (journal->place >= 0) close(journal->place);
    journal->place = journal->file = -1;
    journal->good = 0;
}

static hone_status begin(hone_rt_journal *journal)
{
    HONE_TRY(hone_rt_folder_ready(journal->folder, journal->mine));
    hone_rt_name_new(HONE_RT_FILE_JOURNAL, hone_rt_silicon_key(journal->silicon), journal->name);
    journal->place = open(journal->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (journal->place >= 0)
        journal->file = openat(journal->place, journal->name,
                               O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (journal->file < 0) {
        hone_status status = cannot(journal, "write", errno);
        leave(journal);
        return status;
    }
    int above = openat(journal->place, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (above >= 0) { /* the folder itself may be new; where it cannot be brought to disk it was there before */
        (void)hone_file_sync(above, false);
        close(above);
    }
    journal->pid = getpid();
    journal->good = 0;
    return HONE_OK;
}

static bool write_line(int file, const char *line, size_t bytes)
{
    ssize_t wrote;
    do wrote = write(file, line, bytes);
    while (wrote < 0 && errno == EINTR);
    if (wrote >= 0 && (size_t)wrote < bytes) errno = ENOSPC; /* which is what a second write would say */
    return wrote == (ssize_t)bytes;
}

/* Takes back what was written of a line; where that cannot be, the file is left. */
static void cut(hone_rt_journal *journal)
{
    if (!journal->good) {
        unlinkat(journal->place, journal->name, 0);
        leave(journal);
    } else if (ftruncate(journal->file, journal->good) < 0 || !hone_file_sync(journal->file, true)) {
        leave(journal);
    }
}

/* Is the file still the one of its name? */
static bool is_ours(const hone_rt_journal *journal)
{
    struct stat file, named;
    return fstat(journal->file, &file) == 0 &&
           fstatat(journal->place, journal->name, &named, AT_SYMLINK_NOFOLLOW) == 0 && file.st_ino == named.st_ino &&
           file.st_dev == named.st_dev;
}

static hone_status append(hone_rt_journal *journal, const char *line, size_t bytes)
{
    if (journal->file >= 0 && journal->pid != getpid()) leave(journal); /* it is our parent's */
    bool fresh = journal->file < 0;
    if (fresh) HONE_TRY(begin(journal));
    if (!write_line(journal->file, line, bytes)) {
        hone_status status = cannot(journal, "write", errno);
        cut(journal);
        return status;
    }
    /* Some file systems keep no order of their folders and say so. */
    if (!hone_file_sync(journal->file, true) ||
        (fresh && !hone_file_sync(journal->place, false) && errno != EINVAL && errno != ENOTSUP)) {
        hone_status status = cannot(journal, "bring to disk", errno);
        leave(journal); /* what of it is there, nobody knows */
        return status;
    }
    journal->good += (off_t)bytes;
    return HONE_OK;
}

hone_status hone_rt_journal_add(hone_rt_journal *journal, const hone_rt_row *row)
{
    enum { ATTEMPTS = 4 };
    char        line[HONE_RT_ROW_TEXT_MAX];
    size_t      bytes;
    hone_rt_row whole = *row;
    memcpy(whole.silicon, journal->silicon, sizeof whole.silicon);
    if (!whole.when) whole.when = (int64_t)time(NULL);
    if (!whole.build[0]) snprintf(whole.build, sizeof whole.build, "%s", hone_version_string());
    HONE_TRY(hone_rt_row_print(&whole, line, &bytes));
    for (int i = 0; i < ATTEMPTS; i++) {
        HONE_TRY(append(journal, line, bytes));
        if (is_ours(journal)) return HONE_OK;
        leave(journal);
    }
    return hone_fail(HONE_ERROR_FILE, "%s: somebody removes the files there as soon as they are made; the row is not "
                     "kept", journal->folder);
}

void hone_rt_journal_close(hone_rt_journal *journal)
{
    char          line[HONE_RT_ROW_TEXT_MAX];
    hone_sentence before;
    if (!journal) return;
    hone_sentence_keep(&before);
    if (journal->file >= 0 && journal->pid == getpid())
        (void)append(journal, line, hone_rt_seal_print(journal->silicon, line));
    hone_sentence_back(&before);
    leave(journal);
    hone_free(journal);
}
