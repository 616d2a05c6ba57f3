/* Rows: what was measured for one request, as one line of a profile each, complete and self-checking.
 *
 *     {"key":"0011223344556677","sum":"8899aabbccddeeff","row":"measured","format":1,"problem":"matmul f32 nn
 * 8x8x8",...}
 *
 * The key is made of the silicon, the problem's text, and of all of the request and the policy that may change the
 * figures: threads, alignment, flags, scratch cap, warm or cold operands, an idle or a loaded machine. A quarantine row
 * has the key of silicon and problem alone: what crashed, hung or was wrong once is no candidate for that problem, with
 * however many threads. Everything is by name. What a name stands behind that is not known here was written by a newer
 * hone and is passed over, as is a row of another format.
 *
 * Rows of one silicon lie in a folder in as many files as were written (runtime/profile/names.h); readers take the
 * union of all, layer after layer, and no lock is needed. Here is no choice between kernels (runtime/select.c), and no
 * search for them (tuner/). */
#ifndef HONE_RUNTIME_PROFILE_ROWS_H
#define HONE_RUNTIME_PROFILE_ROWS_H

#include "runtime/runtime.h"

enum { HONE_RT_SAMPLES_MAX = 64, HONE_RT_RIVALS_MAX = 1024, HONE_RT_ROW_FORMAT = 1, HONE_RT_ROW_TEXT_MAX = 32768 };

/* A kernel in one configuration, and the seconds it took. An empty kernel: there is none. */
typedef struct hone_rt_figure {
    char     kernel[64];
    unsigned version;       /* of the kernel, as that was */
    char     identity[160]; /* what stood behind it, "openblas 0.3.21 SkylakeX"; empty: hone itself */
    char     config[256];   /* as hone_config_print writes it; empty where there are no parameters */
    double   median_s, low_s, high_s; /* of a launch; the interval is the median's */
    int      rounds;
} hone_rt_figure;

typedef enum hone_rt_row_kind { HONE_RT_ROW_MEASURED, HONE_RT_ROW_QUARANTINE } hone_rt_row_kind;

typedef struct hone_rt_row {
    hone_rt_row_kind kind;
    char             problem[HONE_PROBLEM_TEXT_MAX]; /* with its op, "matmul f32 nn 8x8x8" */
    int              threads;                        /* of the request, as the next three */
    unsigned         alignment, flags;
    size_t           scratch_cap;
    bool             cold, loaded; /* the policy: operands out of the caches; beside other work */
    hone_rt_figure   best, next, untuned; /* quarantine: best is the culprit, without figures; an empty configuration
                                             stands for all of them */
    char rivals[HONE_RT_RIVALS_MAX];      /* who it was measured beside (runtime/rivals.h); empty: nobody noted */
    char             reason[256]; /* what the judge saw: data sets, elements compared; quarantine: why */
    int64_t          compared;    /* elements held against the reference */
    double           samples[HONE_RT_SAMPLES_MAX]; /* of the best, seconds */
    int              sample_count;
    bool             complete; /* the search ran to its end */
    int64_t          when;     /* seconds since 1970; 0: hone_rt_journal_add says now */
    char             build[64]; /* the hone that measured; empty: hone_rt_journal_add says this one */
    char             silicon[160]; /* the device's fingerprint; hone_rt_journal_add sets it */
} hone_rt_row;

/* --- writing ----------------------------------------------------------------------------------------------------- */

/* A journal is this process's own file in the first folder of `path` (NULL: as everywhere), made by the first add().
 * One thread at a time; a child of fork gets a file of its own. */
typedef struct hone_rt_journal hone_rt_journal;

hone_status hone_rt_journal_open(const hone_be_device *device, const char *path, hone_rt_journal **out);
/* HONE_OK: the row is on the disk, whole, whatever becomes of this process. HONE_ERROR_FILE: it is not kept, and the
 * sentence says why; the next may be. */
hone_status hone_rt_journal_add(hone_rt_journal *journal, const hone_rt_row *row);
/* Seals the file: whoever compacts need not ask whether this process lives. NULL is fine. */
void hone_rt_journal_close(hone_rt_journal *journal);

/* --- reading ----------------------------------------------------------------------------------------------------- */

/* The union of all layers, scanned and not parsed. Any thread. No folder, or nothing in it, is a success without rows;
 * what cannot be used is passed over, and told by hone_rt_rows_remark. */
typedef struct hone_rt_rows hone_rt_rows;

hone_status hone_rt_rows_open(const hone_be_device *device, const char *path, hone_rt_rows **out);
void        hone_rt_rows_close(hone_rt_rows *rows); /* NULL is fine */
/* Reads the folders again. On failure all stays as it was. */
hone_status hone_rt_rows_refresh(hone_rt_rows *rows);

/* The row that counts for a request, HONE_ERROR_NOT_FOUND where there is none. The nearest layer wins, in it the newer
 * build, then a search that ran to its end, then the later one. A row of just this request comes first; one that was
 * measured without its scratch cap, for operands of another alignment, cold or beside other work stands in for it. */
hone_status hone_rt_rows_find(hone_rt_rows *rows, const hone_request *request, hone_rt_row *out);
/* The same, and those behind it that it wins over: 0, 1, ... *layer: how far away it lies, 0: in the folder that is
 * written. */
hone_status hone_rt_rows_next(hone_rt_rows *rows, const hone_request *request, int nth, hone_rt_row *out, int *layer);
/* Rows of other problems than the request's whose texts differ from it in numbers alone, with as many threads, measured
 * warm and alone: the nearest by these numbers, at most HONE_RT_NEAR_MAX, nearest first, until `take` gives false. It
 * must not ask the rows for anything, and gets no samples. What cannot be read is passed over. */
enum { HONE_RT_NEAR_MAX = 6 };
typedef bool hone_rt_near_function(void *self, const hone_rt_row *row, int layer);
hone_status hone_rt_rows_near(hone_rt_rows *rows, const hone_request *request, hone_rt_near_function *take, void *self);
/* What must not be tried for a request's problem: 0, 1, ..., HONE_ERROR_NOT_FOUND past the last. */
hone_status hone_rt_rows_quarantined(hone_rt_rows *rows, const hone_request *request, int nth, hone_rt_row *out);

/* All rows that count, in the order of their keys, quarantine among them: 0, 1, ..., HONE_ERROR_NOT_FOUND past the
 * last. HONE_ERROR_FORMAT: this one cannot be read, and why; the next may be. An index stands until rows are added and
 * the folders read again, which somebody's compaction makes necessary as well. */
hone_status hone_rt_rows_at(hone_rt_rows *rows, int index, hone_rt_row *out);
/* The same row as it lies on the disk: its whole line with the newline, in room for HONE_RT_ROW_TEXT_MAX bytes. */
hone_status hone_rt_rows_text(hone_rt_rows *rows, int index, char *out, size_t *bytes, int *layer);

typedef struct hone_rt_rows_facts {
    int     files, rows; /* rows: lines that are whole, superseded ones among them */
    int     damaged;     /* lines whose checksum is wrong, or that are none of ours */
    int     unfinished;  /* files whose last line is torn, or being written just now */
    int     unknown;     /* lines of kinds that this hone does not know */
    int64_t bytes;
} hone_rt_rows_facts;
void hone_rt_rows_facts_of(hone_rt_rows *rows, hone_rt_rows_facts *out);
/* What was passed over and why, a sentence each, valid until refresh or close; NULL past the last. */
const char *hone_rt_rows_remark(hone_rt_rows *rows, int index);

/* The rows of one file, whatever its name and of whichever silicon its first row is. */
hone_status hone_rt_rows_open_file(const char *file, hone_rt_rows **out);
const char *hone_rt_rows_silicon(const hone_rt_rows *rows);

/* --- keeping house ------------------------------------------------------------------------------------------------ */

typedef struct hone_rt_fold_facts {
    int  files;      /* that became one */
    int  left;       /* journals of processes that are there, or may be */
    int  rows;       /* that count, and are in it */
    int  superseded; /* that no longer did */
    int  damaged;    /* lines that nobody could read */
    char file[4352]; /* the new one; empty: there was nothing to do, or nothing to keep */
} hone_rt_fold_facts;

/* Makes one file of all journals in the first folder whose writers are done, and of what was folded before. Others may
 * read, write and fold meanwhile. What is gone when it fails, or is killed, is in another file already. */
hone_status hone_rt_rows_fold(const hone_be_device *device, const char *path, hone_rt_fold_facts *out);

typedef struct hone_rt_merge_facts {
    int  rows, silicons; /* taken, and how many kinds of silicon they are of */
    int  devices;        /* first lines taken: of silicon that had none here */
    int  refused;        /* lines that were not taken */
    char why[512];       /* the first of them, and the reason */
} hone_rt_merge_facts;

/* Copies the rows of a file, all or none of each silicon's, into the first folder, each looked at. */
hone_status hone_rt_rows_merge(const char *path, const char *file, hone_rt_merge_facts *out);

/* --- text -------------------------------------------------------------------------------------------------------- */

/* One line with its newline into room for HONE_RT_ROW_TEXT_MAX bytes. HONE_ERROR_ARGUMENT: a row that no reader would
 * take, and why. */
hone_status hone_rt_row_print(const hone_rt_row *row, char *out, size_t *bytes);
/* Every byte of it doubted; with or without its newline. `silicon` NULL: of any device. HONE_ERROR_FORMAT and why. */
hone_status hone_rt_row_parse(const char *silicon, const char *line, size_t bytes, hone_rt_row *out);

/* --- what the tuner's library does for the hall ------------------------------------------------------------------ */

/* Called for a request that no row speaks for, in a context that tunes what is missing: measures it within about
 * `budget_s`, keeps the row, and gives it. Any status but HONE_OK leaves the choice as it would have been. What is
 * asked of this context meanwhile, by the same thread, is not measured in turn. NULL: nothing here can measure. */
typedef hone_status hone_rt_missing_function(hone_rt_context *context, const hone_request *request, double budget_s,
                                             hone_rt_row *out);
extern hone_rt_missing_function *hone_rt_missing;

/* Called once for a plan that rests on a row which this user did not measure, before it is used: is what it computes
 * right? Where not, `why` is told to the log and the choice goes on. NULL: nothing here can judge, and kernel, version,
 * identity and configuration being equal is taken for enough. */
typedef bool hone_rt_vouch_function(hone_rt_context *context, const hone_rt_plan *plan, char *why, size_t capacity);
extern hone_rt_vouch_function *hone_rt_vouch;

/* Both are set before contexts are made. */

#endif
