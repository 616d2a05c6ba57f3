/* hone-worker: the process in which the tuner tries candidates (tuner/worker.h); and, for a library whose program tunes
 * what is missing (runtime/missing.c), a session of one problem:
 *
 *     hone-worker tune DEVICE THREADS ALIGNMENT FLAGS SECONDS FOLDERS PROBLEM       FOLDERS: of profiles; or "-"
 *
 * It is started by hone alone. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/status.h"
#include "tuner/session.h"
#include "tuner/worker.h"

enum { TUNE = 1, DEVICE, THREADS, ALIGNMENT, FLAGS, SECONDS, FOLDERS, PROBLEM, WORDS };

static hone_status tune(char **words)
{
    hone_context          *handle;
    hone_rt_context       *context;
    hone_context_options   how = HONE_CONTEXT_OPTIONS;
    hone_session_options   session = hone_session_defaults();
    hone_session_report    report;
    hone_session_problem   problem = {words[PROBLEM], atoi(words[THREADS]), 1};
    how.tune = HONE_TUNE_OFF;
    how.profile_path = session.profile_path = strcmp(words[FOLDERS], "-") ? words[FOLDERS] : NULL;
    hone_status status = hone_context_create(&how, &handle);
    if (status != HONE_OK) return status;
    status = hone_rt_context_hold(handle, &context);
    session.device = words[DEVICE];
    session.alignment = (unsigned)strtoul(words[ALIGNMENT], NULL, 10);
    session.flags = (unsigned)strtoul(words[FLAGS], NULL, 10);
    session.budget_s = strtod(words[SECONDS], NULL);
    session.untaped = true;
    if (status == HONE_OK) status = hone_session_run(context, &problem, 1, &session, &report);
    if (status == HONE_OK) {
        if (!report.tuned) status = hone_fail(HONE_ERROR_UNSUPPORTED, "%s", report.outcomes[0].why);
        hone_session_report_free(&report);
    }
    hone_rt_context_release(context);
    hone_context_destroy(handle);
    return status;
}

int main(int count, char **words)
{
    if (count == 1) return hone_worker_serve(NULL, 0);
    if (count != WORDS || strcmp(words[TUNE], "tune") != 0) {
        fprintf(stderr, "hone-worker is started by hone, and by nobody else\n");
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (tune(words) == HONE_OK) return 0;
    fprintf(stderr, "hone-worker: %s\n", hone_last_error());
    return 1;
}
