/* What a session works on: problems of a suite, of a file, or of a program's record, with their weights. */
#ifndef HONE_TUNER_SUITES_H
#define HONE_TUNER_SUITES_H

#include "runtime/runtime.h"

typedef struct hone_suite_problem {
    char  *text;    /* with its op, as the op prints it */
    double weight;  /* seconds that a program spent on it; 1 where none are told */
    double count;   /* calls; 0: not told */
    int    threads; /* of the call; 0: not told */
} hone_suite_problem;

typedef struct hone_suite {
    int                 count;
    hone_suite_problem *problems;
} hone_suite;

/* The problems of this name, of all ops. HONE_ERROR_NOT_FOUND: no op has a suite of that name. */
hone_status hone_suite_named(const hone_rt_context *context, const char *name, hone_suite *out);
/* A file of problems, one a line; behind a # what a record tells (runtime/record.h), or anything:
 *
 *     matmul f32 nn 128x3072x768 +bias+gelu  # calls=1200 seconds=3.25 threads=2
 *
 * HONE_ERROR_FORMAT: a line is none, and which. Equal problems become one. */
hone_status hone_suite_read(const hone_rt_context *context, const char *path, hone_suite *out);
/* The same of text that is at hand. `name` is what sentences call it. */
hone_status hone_suite_parse(const hone_rt_context *context, const char *name, const char *text, size_t bytes,
                             hone_suite *out);
/* Adds a problem; one that is there already, for as many threads, becomes heavier. */
hone_status hone_suite_add(const hone_rt_context *context, const char *text, double weight, double count, int threads,
                           hone_suite *suite);
void        hone_suite_free(hone_suite *suite);

#endif
