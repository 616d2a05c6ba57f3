/* Going through the lines of a file, piece by piece, without keeping it. */
#ifndef HONE_RUNTIME_PROFILE_SCAN_H
#define HONE_RUNTIME_PROFILE_SCAN_H

#include "runtime/profile/row.h"

/* One line without its newline, in memory that stays until the callback returns. `whole`: its newline is there, and so
 * are all of its bytes. Any status but HONE_OK ends the scan. */
typedef hone_status hone_rt_scan_line(void *user, const char *line, size_t bytes, uint64_t offset, bool whole);

/* A line longer than HONE_RT_PROFILE_LINE_MAX is given as its beginning, not whole. A file that is there and cannot be
 * read, or that others can write, is HONE_ERROR_FILE; one that is not there HONE_ERROR_NOT_FOUND. */
hone_status hone_rt_scan(const char *path, hone_rt_scan_line *line, void *user);
/* One line of an open file again, by its place: HONE_ERROR_STATE where it does not lie there any more. */
hone_status hone_rt_scan_again(int file, const char *path, uint64_t offset, size_t bytes, char *out);

#endif
