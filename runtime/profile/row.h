/* What the files of this room share about rows, beyond rows.h: their keys, their lines, and which of two counts. */
#ifndef HONE_RUNTIME_PROFILE_ROW_H
#define HONE_RUNTIME_PROFILE_ROW_H

#include "runtime/profile/line.h"
#include "runtime/profile/rows.h"

/* All of a row's key but silicon and problem, which are hashed once for many places. */
typedef struct hone_rt_row_place {
    hone_rt_row_kind kind;
    int              threads;
    unsigned         alignment, flags;
    size_t           scratch_cap;
    bool             cold, loaded;
} hone_rt_row_place;

uint64_t          hone_rt_row_key_base(const char *silicon, const char *problem);
uint64_t          hone_rt_row_key(uint64_t base, const hone_rt_row_place *place);
hone_rt_row_place hone_rt_row_place_of(const hone_rt_row *row);
uint64_t          hone_rt_row_key_of(const hone_rt_row *row);

/* What is written by these names. */
#define HONE_RT_SECONDS_MAX 1e6 /* of a launch */
enum { HONE_RT_FLAGS = 3, HONE_RT_THREADS_MAX = 1 << 20 };
typedef struct hone_rt_flag_name {
    unsigned    flag;
    const char *name;
} hone_rt_flag_name;
extern const hone_rt_flag_name hone_rt_flag_names[HONE_RT_FLAGS];
extern const char *const       hone_rt_row_kind_names[2]; /* by hone_rt_row_kind */

/* hone_rt_row_parse without the samples, which are looked at and not taken. */
hone_status hone_rt_row_parse_figures(const char *silicon, const char *line, size_t bytes, hone_rt_row *out);
/* Could this be written? HONE_ERROR_ARGUMENT, and why not. */
hone_status hone_rt_row_check(const hone_rt_row *row);
bool        hone_rt_row_seconds_are(double value);

/* What a line is, told from its beginning. */
typedef enum hone_rt_line_kind {
    HONE_RT_LINE_UNKNOWN = 0,
    HONE_RT_LINE_MEASURED,
    HONE_RT_LINE_QUARANTINE,
    HONE_RT_LINE_OF_SEAL, /* a journal's last line: its writer is done with it */
    HONE_RT_LINE_DEVICE
} hone_rt_line_kind;

hone_rt_line_kind hone_rt_line_kind_of(const char *line, size_t bytes);
/* A journal's last line, into room for HONE_RT_ROW_TEXT_MAX bytes; gives how many. */
size_t hone_rt_seal_print(const char *silicon, char *out);

/* Of two rows of one key in one layer: > 0 where a counts, < 0 where b does, 0 where nothing tells. */
int  hone_rt_row_compare(const hone_rt_row *a, const hone_rt_row *b);
/* Do two quarantine rows of one key speak of the same? */
bool hone_rt_row_same_culprit(const hone_rt_row *a, const hone_rt_row *b);

#endif
