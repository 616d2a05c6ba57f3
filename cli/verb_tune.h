/* What the files of `hone tune` share: the problems, how a session is shown, and how it is checked afterwards. */
#ifndef HONE_CLI_VERB_TUNE_H
#define HONE_CLI_VERB_TUNE_H

#include "cli/cli.h"
#include "tuner/session.h"

typedef struct cli_tune {
    const cli_call       *call;
    cli_hone              hone;
    hone_session_problem *problems;
    int                   count;
    bool                  cold;
    uint64_t              seed;
} cli_tune;

/* --- while it runs (tune_display.c) ------------------------------------------------------------------------------- */

/* On a terminal two lines that change, and one that stays for each problem; in a pipe those that stay; with --json a
 * line of JSON for each event. */
void cli_tune_show(void *self, const hone_session_progress *now); /* self: the cli_tune */
void cli_tune_wipe(void);

/* The table of what was before and is after, beside each library. */
void cli_tune_report(const cli_tune *tune, const hone_session_report *report);
/* The report as the last line of JSON. */
void cli_tune_report_json(const cli_tune *tune, const hone_session_report *report);

/* "1.21": a time over another one. */
cli_figure cli_times(double ratio);

/* --- afterwards (tune_verify.c) ----------------------------------------------------------------------------------- */

/* Measures what rows say again, in a worker of its own for each problem, beside the untuned choice and the others.
 * `beside` (NULL: none): a folder with another profile, whose choices are measured as well. */
int cli_tune_verify(cli_tune *tune, const char *beside);

/* --- the price of guessing (tune_evaluate.c) ---------------------------------------------------------------------- */

/* Leaves out each row of the profile in turn, and tells what choosing by prediction and by estimate would cost. */
int cli_tune_evaluate(const cli_tune *tune);

#endif
