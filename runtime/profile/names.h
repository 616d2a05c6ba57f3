/* Where profiles lie, and what their files are called. A folder of the list is a layer; in it, all files of one silicon
 * begin with its key:
 *
 *     KEY.jsonl                                          the device, its ceilings, and rows that came with it
 *     KEY.journal.HOST.BOOT.SPACE.PID.START.N.jsonl      rows of one process, which alone writes there, at its end
 *     KEY.claimed.HOST.BOOT.SPACE.PID.START.N.jsonl      one that was given up, and taken away from whoever wrote it
 *     KEY.folded.HOST.BOOT.SPACE.PID.START.N.jsonl       rows of many journals, in one file
 *
 * No two processes make the same name: host, boot, space of process numbers, number, start in that boot, and a counter.
 * So each tells whether its writer can still be there. */
#ifndef HONE_RUNTIME_PROFILE_NAMES_H
#define HONE_RUNTIME_PROFILE_NAMES_H

#include "base/text.h"
#include "runtime/runtime.h"

enum { HONE_RT_PATH_MAX = 4096, HONE_RT_NAME_MAX = 208 };

/* --- folders ----------------------------------------------------------------------------------------------------- */

typedef struct hone_rt_folders {
    char        list[HONE_RT_PATH_MAX];
    const char *at;
    bool        mine; /* the first is the user's own, and made private */
} hone_rt_folders;

/* The list that is in force: `given`, else HONE_PROFILE_PATH, else the user's, the system's and what came with hone. */
hone_status hone_rt_folders_open(const char *given, hone_rt_folders *out);
/* The next one; false at the end. */
bool hone_rt_folders_next(hone_rt_folders *folders, char out[HONE_RT_PATH_MAX]);
/* The one that is written. */
hone_status hone_rt_folders_own(const char *given, char out[HONE_RT_PATH_MAX], bool *mine);
/* Makes it, and sees that nobody else writes there. */
hone_status hone_rt_folder_ready(const char *folder, bool mine);

/* --- files ------------------------------------------------------------------------------------------------------- */

typedef enum hone_rt_file_kind {
    HONE_RT_FILE_OTHER = 0,
    HONE_RT_FILE_FIRST, /* KEY.jsonl */
    HONE_RT_FILE_JOURNAL,
    HONE_RT_FILE_CLAIMED,
    HONE_RT_FILE_FOLDED
} hone_rt_file_kind;

/* Which process wrote a file, as far as its name tells. */
typedef struct hone_rt_writer {
    char     host[40], boot[12];
    uint64_t space, pid, start;
} hone_rt_writer;

typedef enum hone_rt_presence { HONE_RT_THERE, HONE_RT_GONE, HONE_RT_ELSEWHERE } hone_rt_presence;

/* "folder/KEY.jsonl" */
hone_status hone_rt_name_first(const char *folder, uint64_t key, char *out, size_t capacity);
/* A name of this process that it has not used yet, without its folder. */
void hone_rt_name_new(hone_rt_file_kind kind, uint64_t key, char out[HONE_RT_NAME_MAX]);
/* The same file's name with another kind. */
void hone_rt_name_as(const char *name, hone_rt_file_kind kind, char out[HONE_RT_NAME_MAX]);
/* What a name in a folder is, for the silicon of this key. `writer` may be NULL. */
hone_rt_file_kind hone_rt_name_read(const char *name, uint64_t key, hone_rt_writer *writer);
/* Is that process still there? ELSEWHERE: on another host, or where its number means nothing here. */
hone_rt_presence hone_rt_writer_presence(const hone_rt_writer *writer);

/* The names of one silicon in a folder, sorted; freed with hone_free. A folder that is not there has none. */
typedef struct hone_rt_names {
    int count;
    char (*at)[HONE_RT_NAME_MAX];
} hone_rt_names;
enum { HONE_RT_FILES_MAX = 16384 };
hone_status hone_rt_names_list(const char *folder, uint64_t key, hone_rt_names *out);

#endif
