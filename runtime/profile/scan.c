/* Reading files of lines in pieces of 256 KiB: so that the memory of a profile is that of its index. */
#include "runtime/profile/scan.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/status.h"

enum { PIECE = 1 << 18 };

/* Reads at `offset` until the room is full or the file ends. Negative: errno says why. */
static ssize_t read_at(int file, char *out, size_t room, uint64_t offset)
{
    size_t got = 0;
    while (got < room) {
        ssize_t more = pread(file, out + got, room - got, (off_t)(offset + got));
        if (more < 0 && errno == EINTR) continue;
        if (more < 0) return -1;
        if (more == 0) break;
        got += (size_t)more;
    }
    return (ssize_t)got;
}

static hone_status cannot_read(const char *path)
{
    char text[128];
    return hone_fail(HONE_ERROR_FILE, "cannot read %s: %s", path, strerror_r(errno, text, sizeof text));
}

/* Hands out the whole lines of a piece, and gives how many bytes they take. */
static hone_status lines_of(const char *piece, size_t bytes, uint64_t offset, bool *skipping, size_t *taken,
                            hone_rt_scan_line *line, void *user)
{
    const char *at = piece, *end;
    while ((end = memchr(at, '\n', bytes - (size_t)(at - piece)))) {
        size_t length = (size_t)(end - at);
        bool   whole = !*skipping && length < HONE_RT_PROFILE_LINE_MAX;
        if (!*skipping) HONE_TRY(line(user, at, length, offset + (uint64_t)(at - piece), whole));
        *skipping = false;
        at = end + 1;
    }
    *taken = (size_t)(at - piece);
    return HONE_OK;
}

static hone_status scan(int file, const char *path, char *piece, hone_rt_scan_line *line, void *user)
{
    uint64_t offset = 0; /* of the piece */
    size_t   kept = 0, taken;
    bool     skipping = false; /* the rest of a line that was too long */
    for (;;) {
        ssize_t got = read_at(file, piece + kept, PIECE - kept, offset + kept);
        if (got < 0) return cannot_read(path);
        size_t bytes = kept + (size_t)got;
        HONE_TRY(lines_of(piece, bytes, offset, &skipping, &taken, line, user));
        kept = bytes - taken;
        offset += taken;
        if (bytes < PIECE) break; /* the end */
        if (skipping || kept >= HONE_RT_PROFILE_LINE_MAX) {
            if (!skipping) HONE_TRY(line(user, piece + taken, kept, offset, false));
            skipping = true;
            offset += kept;
            kept = 0;
        }
        memmove(piece, piece + taken, kept);
    }
    return kept && !skipping ? line(user, piece + taken, kept, offset, false) : HONE_OK;
}

hone_status hone_rt_scan(const char *path, hone_rt_scan_line *line, void *user)
{
    int      file;
    uint64_t bytes;
    HONE_TRY(hone_file_trusted(path));
    HONE_TRY(hone_file_open(path, &file, &bytes));
    hone_status status = HONE_OK;
    if (bytes > HONE_RT_PROFILE_FILE_MAX)
        status = hone_fail(HONE_ERROR_FILE, "cannot read %s: it has %" PRIu64 " bytes, and %" PRIu64 " is the limit",
                           path, bytes, (uint64_t)HONE_RT_PROFILE_FILE_MAX);
    char *piece = status == HONE_OK ? hone_alloc_raw(PIECE, HONE_CACHE_LINE) : NULL;
    if (status == HONE_OK) status = piece ? scan(file, path, piece, line, user) : HONE_ERROR_MEMORY;
    hone_free(piece);
    close(file);
    return status;
}

hone_status hone_rt_scan_again(int file, const char *path, uint64_t offset, size_t bytes, char *out)
{
    uint64_t      key;
    const ssize_t got = read_at(file, out, bytes, offset);
    if (got < 0) return cannot_read(path);
    HONE_CHECK((size_t)got == bytes && hone_rt_line_sound(out, bytes, &key), HONE_ERROR_STATE,
               "%s was changed while it was in use", path);
    return HONE_OK;
}
