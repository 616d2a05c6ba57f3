/* What is missing, measured: in a context that tunes what no row speaks for (HONE_TUNE_MISSING), by hone-worker, a
 * process of its own that writes the row; the caller waits for it, no longer than a deadline. The worker is the one
 * that was installed beside the library. Where it is not, one sentence says so, and choices are what they would have
 * been. */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/status.h"
#include "base/text.h"
#include "runtime/hall.h"
#include "runtime/modules.h"
#include "runtime/profile/rows.h"

extern char **environ;

#define START_S 30.0 /* beyond the budget: a context, libraries that are opened, operands and truths */

/* Without what would make the worker measure or record in its turn. */
static char **surroundings(void)
{
    size_t count = 0, kept = 0;
    while (environ[count]) count++;
    char **out = hone_alloc(count + 1, sizeof *out);
    for (size_t i = 0; out && i < count; i++)
        if (strncmp(environ[i], "HONE_TUNE", 9) != 0 && strncmp(environ[i], "HONE_RECORD=", 12) != 0)
            out[kept++] = environ[i];
    return out;
}

static int spawn(const char *program, char *const *words, pid_t *pid)
{
    char **environment = surroundings();
    if (!environment) return ENOMEM;
    int why = hone_child_spawn(program, words, environment, NULL, 0, pid);
    hone_free(environment);
    return why;
}

/* True: it ended by itself. A host that reaps every child of its own takes the answer away; the row tells then. */
static bool wait_for(pid_t pid, double seconds)
{
    int64_t deadline = hone_now_ns() + (int64_t)(seconds * 1e9);
    pid_t   got;
    while ((got = waitpid(pid, NULL, WNOHANG)) == 0 && hone_now_ns() < deadline)
        nanosleep(&(struct timespec){0, 2000000}, NULL);
    if (got != 0) return true;
    kill(-pid, SIGKILL);
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
    return false;
}

static hone_status read_row(const hone_rt_context *context, const hone_request *request, hone_rt_row *out)
{
    hone_rt_rows *rows;
    const char   *path = *context->profile_path ? context->profile_path : NULL;
    HONE_TRY(hone_rt_rows_open(request->device, path, &rows));
    hone_status status = hone_rt_rows_find(rows, request, out);
    hone_rt_rows_close(rows);
    return status == HONE_ERROR_NOT_FOUND ? hone_fail(status, "its worker wrote no row") : status;
}

static hone_status tune_missing(hone_rt_context *context, const hone_request *request, double budget_s,
                                hone_rt_row *out)
{
    static _Atomic(bool) said;
    char  program[1024], problem[HONE_PROBLEM_TEXT_MAX + 64], threads[16], alignment[16], flags[16], seconds[32];
    char  text[128], device[sizeof request->device->name], *path = *context->profile_path ? context->profile_path : "-";
    pid_t pid;
    HONE_CHECK(!request->scratch_cap, HONE_ERROR_UNSUPPORTED, "plans with a limit of scratch are not measured");
    hone_rt_program("hone-worker", program, sizeof program);
    if (access(program, X_OK) != 0) {
        if (!atomic_exchange(&said, true))
            hone_log_say(&context->log, HONE_LOG_WARNING,
                         "what is missing is not measured: the tuner's worker is not at %s", program);
        return hone_fail(HONE_ERROR_NOT_FOUND, "the tuner's worker is not at %s", program);
    }
    snprintf(threads, sizeof threads, "%d", request->threads);
    snprintf(alignment, sizeof alignment, "%u", request->alignment);
    snprintf(flags, sizeof flags, "%u", request->flags);
    hone_text limit = hone_text_in(seconds, sizeof seconds);
    hone_text_add(&limit, "%.6g", budget_s);
    memcpy(device, request->device->name, sizeof device);
    hone_rt_problem_print(request->op, request->problem, problem, sizeof problem);
    char *const words[] = {"hone-worker", "tune", device, threads, alignment, flags, seconds, path, problem, NULL};
    int         why = spawn(program, words, &pid);
    HONE_CHECK(!why, HONE_ERROR_UNSUPPORTED, "the tuner's worker %s does not start: %s", program,
               strerror_r(why, text, sizeof text));
    HONE_CHECK(wait_for(pid, 1.1 * budget_s + START_S), HONE_ERROR_TIMEOUT, "it took longer than %.3g s",
               1.1 * budget_s + START_S);
    return read_row(context, request, out);
}

hone_rt_missing_function *hone_rt_missing = tune_missing;
