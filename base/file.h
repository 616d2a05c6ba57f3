/* Files read whole within a limit, and written whole or not at all. Every failure tells the path and why. */
#ifndef HONE_BASE_FILE_H
#define HONE_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hone/status.h>

/* The content of a regular file of at most `limit` bytes, and a zero behind it; freed with hone_free. A link is
 * followed only where this user or root made it. HONE_ERROR_NOT_FOUND: there is no such file; HONE_ERROR_FILE: all
 * else, too large among it. On failure *out is NULL. */
hone_status hone_file_read(const char *path, size_t limit, char **out, size_t *bytes) HONE_MUST_USE;

/* The same for the first `limit` bytes of a file of any size, or all of it. */
hone_status hone_file_head(const char *path, size_t limit, char **out, size_t *bytes) HONE_MUST_USE;

/* Opens such a file to be read piece by piece, and gives its size; the caller closes it. */
hone_status hone_file_open(const char *path, int *file, uint64_t *bytes) HONE_MUST_USE;

/* Replaces a file's content, or makes the file (0644, less the umask). Whoever reads it, at any moment and after any
 * crash, finds the old content or the new. A link at `path` is replaced, not followed. On failure the old file stands;
 * alone when the folder cannot be brought to disk the new one does already. The folder must exist. */
hone_status hone_file_write(const char *path, const void *data, size_t bytes) HONE_MUST_USE;

/* Brings what was written to disk; `data`: its facts may come later. False: errno says why. */
bool hone_file_sync(int file, bool data);

/* Makes a folder and those above it, 0700 each, as far as they are missing. */
hone_status hone_folder_make(const char *path) HONE_MUST_USE;

/* The same for a folder that nobody else may write to: HONE_ERROR_FILE when it is another user's, or open to others. */
hone_status hone_folder_private(const char *path) HONE_MUST_USE;

/* Can nobody but this user and root have made it or write to it, with links followed? HONE_ERROR_NOT_FOUND: there is
 * none; HONE_ERROR_FILE: the sentence says who can, and what mends it. */
hone_status hone_file_trusted(const char *path) HONE_MUST_USE;
hone_status hone_folder_trusted(const char *path) HONE_MUST_USE;

#endif
