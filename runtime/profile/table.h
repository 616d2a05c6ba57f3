/* A table of rows: keys and places of the lines of some files, 40 bytes each. Built once, by one thread; what it tells
 * is read from the files again. Layers and locks are index.c's. */
#ifndef HONE_RUNTIME_PROFILE_TABLE_H
#define HONE_RUNTIME_PROFILE_TABLE_H

#include "runtime/profile/nearest.h"
#include "runtime/profile/row.h"
#include "runtime/profile/sketch.h"

enum { HONE_RT_REMARKS = 16, HONE_RT_REMARK_MAX = 512 };

typedef struct hone_rt_entry {
    uint64_t key, offset;
    uint32_t bytes; /* without the newline */
    uint16_t file;
    uint8_t  layer, kind; /* hone_rt_line_kind */
    hone_rt_sketch sketch; /* of a measured row */
} hone_rt_entry;

typedef struct hone_rt_table {
    const char        *silicon; /* borrowed */
    hone_rt_entry     *at;      /* sorted: by key, then layer, then file and offset */
    int                count, room;
    hone_rt_nearest    nearest;    /* of each key's first */
    bool               unsketched; /* there is a measured row without a sketch */
    char             **files; /* paths */
    int                file_count, file_room;
    hone_rt_rows_facts facts;
    int                remark_count;
    char               remarks[HONE_RT_REMARKS][HONE_RT_REMARK_MAX];
} hone_rt_table;

hone_status hone_rt_table_new(const char *silicon, hone_rt_table **out);
void        hone_rt_table_free(hone_rt_table *table); /* NULL is fine */

/* All lines of a file, of which those of other kinds than a row's only where `all`; then, once, sort. A file that
 * cannot be read adds nothing but a remark: *taken is false. HONE_ERROR_NOT_FOUND: there is none. */
hone_status hone_rt_table_add(hone_rt_table *table, const char *folder, const char *name, int layer, bool all,
                              bool *taken);
hone_status hone_rt_table_sort(hone_rt_table *table);
/* Keeps the thread's sentence as a remark. */
void hone_rt_table_remark(hone_rt_table *table);

/* A row and where it stands. */
typedef struct hone_rt_standing {
    int         at; /* of the entry; -1: none */
    hone_rt_row row;
} hone_rt_standing;

/* The file that was read last, open from row to row of one question: HONE_RT_READING before, hone_rt_reading_end
 * behind. */
typedef struct hone_rt_reading {
    int  file, descriptor;
    bool figures; /* and no samples: nobody asks for them */
} hone_rt_reading;
#define HONE_RT_READING ((hone_rt_reading){-1, -1, false})
void hone_rt_reading_end(hone_rt_reading *reading);

/* The line of an entry, in room for HONE_RT_PROFILE_LINE_MAX bytes. HONE_ERROR_STATE: it does not lie there any more.
 */
hone_status hone_rt_table_line(const hone_rt_table *table, int at, hone_rt_reading *reading, char *out);
/* The row of an entry. HONE_ERROR_FORMAT: it is none that can be used, and why. */
hone_status hone_rt_table_row(const hone_rt_table *table, int at, hone_rt_reading *reading, hone_rt_row *out);
/* The measured row of a key that counts next after `last` (at -1: the first of all); HONE_ERROR_NOT_FOUND: none. Those
 * that cannot be used are passed over. Where a key has one row, that one is parsed and no other. */
hone_status hone_rt_table_next(const hone_rt_table *table, uint64_t key, const hone_rt_standing *last,
                               hone_rt_reading *reading, hone_rt_standing *out);
/* The entries that count, in the order of their keys: of the measured ones of a key the first of those that can be
 * used, and each culprit of quarantine once. With `all` what cannot be used, or is of another kind, is among them, each
 * line once. Freed with hone_free. */
hone_status hone_rt_table_order(const hone_rt_table *table, bool all, int **order, int *count);
/* The entries whose sketches are nearest to this one, of its kind, nearest first; of each key one. Gives how many, up
 * to `most`. */
int hone_rt_table_near(const hone_rt_table *table, const hone_rt_sketch *sketch, int *out, int most);
/* May there be a measured row of a problem and threads with this sketch? False: surely not. */
bool hone_rt_table_may_have(const hone_rt_table *table, const hone_rt_sketch *sketch);
/* The first entry of a key; the count where all keys are less. */
int hone_rt_table_first(const hone_rt_table *table, uint64_t key);

#endif
