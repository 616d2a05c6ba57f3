/* A space that was measured whole: every legal configuration of some kernels for one problem, each with samples or its
 * fate. It stands by itself: parameters, values and estimates are written into it, so that it means the same when the
 * kernels have moved on. What searches on it is tuner/replay.h.
 *
 * In a file it is text, compressed by zstd where the name ends in ".zst" and zstd was there at build time. */
#ifndef HONE_TUNER_RECORDING_H
#define HONE_TUNER_RECORDING_H

#include "tuner/contest.h"
#include "tuner/oracle.h"

enum { HONE_RECORDING_SAMPLES_MAX = 64 };

/* A kernel as it was: its parameters, and of its configurations those from `first` on. */
typedef struct hone_recorded_kernel {
    char           name[64];
    int            parameter_count;
    hone_parameter parameters[HONE_PARAMETERS_MAX]; /* names, values and value names are the recording's */
    int            first, count;
} hone_recorded_kernel;

typedef struct hone_recorded_row {
    hone_config  config;   /* of the kernel's own parameters, in rising order of places within a kernel */
    float        estimate; /* seconds; 0: it had none */
    hone_fate    fate;
    int          sample_count;
    const float *samples;  /* seconds of a launch */
    double       seconds;  /* their median; NaN: none */
} hone_recorded_row;

typedef struct hone_recording {
    char                  problem[HONE_PROBLEM_TEXT_MAX], machine[128];
    int                   threads;
    int                   kernel_count, row_count, start_count;
    hone_recorded_kernel *kernels;
    hone_recorded_row    *rows;
    int                   starts[16];     /* rows; the first is the untuned choice */
    double                admit_s;        /* what preparing and judging a candidate took */
    int                   residual_count; /* how samples scatter about the median of their row: log ratios, sorted */
    float                *residuals;
    float                *samples;        /* of all rows */
    int64_t              *values;         /* of all parameters */
    const char          **names;
    char                 *text;           /* of all names */
} hone_recording;

typedef struct hone_record_options {
    uint64_t  seed;   /* of the order */
    int       rounds; /* samples of each configuration; those within `near` of the best get four times as many */
    double    near;   /* 0.1: within ten percent */
    double    far;    /* 1.5: what takes half as long again keeps its first sample */
    hone_stop stop;   /* a recording that is stopped is none: HONE_ERROR_INTERRUPTED */
    void (*progress)(void *self, int done, int of);
    void     *progress_self;
} hone_record_options;

/* Three rounds, near is 8 %, far 1.5. */
hone_record_options hone_record_defaults(void);

/* Measures all configurations of `kernels` that take the request, in blocks of random order, each beside starts[0],
 * whose drift from block to block is taken out of the others' figures. */
hone_status hone_space_record(const hone_request *request, const hone_choice *starts, int start_count,
                              const hone_kernel *const *kernels, int kernel_count, const hone_oracle *oracle,
                              const hone_record_options *options, hone_recording *out);
void        hone_recording_free(hone_recording *recording);

hone_status hone_recording_save(const hone_recording *recording, const char *path);
/* HONE_ERROR_FORMAT: it is none, and the line; HONE_ERROR_UNSUPPORTED: it is compressed, and there is no zstd. */
hone_status hone_recording_load(const char *path, hone_recording *out);
/* Are compressed ones read and written? */
bool        hone_recording_compresses(void);

/* Works out medians and residuals once kernels, rows and samples are there. */
hone_status hone_recording_settle(hone_recording *recording);
/* The row with the least median; -1: none was right. */
int hone_recording_best(const hone_recording *recording);

#endif
