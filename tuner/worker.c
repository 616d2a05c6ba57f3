/* The parent's side: spawning, asking within deadlines, doubting answers, and finding out whose fault a death was. See
 * worker.h. */
#include "tuner/worker.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/status.h"
#include "runtime/modules.h"
#include "tuner/wire.h"
#include "tuner/worker_page.h"

extern char **environ;

enum { DEATHS_MAX = 2, STARTS_MAX = 3, ASK_EACH_MS = 100, ALONE_ROUNDS = 2 };
#define START_S       120.0 /* a context, modules that are tried first, operands and truths: far more than it takes */
#define TIMED_BY      12    /* so many times what timing should take: preempted samples are taken again */
#define JUDGED_BY     12    /* a judgement beside the slowest right one so far */
#define LAUNCHED_BY   300   /* launches that a judgement is believed to take at most, of the kernel's estimate */
#define OTHERS_SPIN_S 0.04

typedef struct candidate {
    hone_choice choice;
    hone_fate   fate;
    char        why[256];
    int         deaths;     /* of workers in which it was at work */
    int         generation; /* of the worker that knows it; 0: none does */
    double      launch_s;
    int64_t     compared;
} candidate;

struct hone_worker {
    hone_rt_context    *context;
    hone_worker_options options;
    char                program[1024];
    const hone_request *request;
    pid_t               pid;
    int                 talk;
    hone_worker_page   *page;
    int                 generation, spawned, known; /* known: candidates that this worker has been given */
    bool                has_problem;
    uint32_t            serial;
    int64_t             start;
    double              slowest_admission_s, problem_s, best_launch_s;
    int                 count, capacity;
    candidate          *candidates; /* by id, from 1 on */
    hone_wire           out;
    unsigned char      *in;
    size_t              in_bytes;
};

/* How asking ended. */
typedef enum ending { ANSWERED, DIED, LATE, MAD, STOPPED, NO_WORKER } ending;

/* --- a life ------------------------------------------------------------------------------------------------------ */

static hone_status not_started(const hone_worker *w, int why)
{
    char text[128];
    return hone_fail(HONE_ERROR_UNSUPPORTED, "the tuner's worker %s does not start: %s", w->program,
                     strerror_r(why, text, sizeof text));
}

static hone_status start(hone_worker *w)
{
    int ends[2], page = memfd_create("hone-worker", MFD_CLOEXEC), why = 0;
    if (page < 0) return not_started(w, errno);
    if (ftruncate(page, sizeof *w->page) != 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        why = errno;
        close(page);
        return not_started(w, why);
    }
    w->page = mmap(NULL, sizeof *w->page, PROT_READ | PROT_WRITE, MAP_SHARED, page, 0);
    char *words[] = {"hone-worker", NULL};
    int   keeps[] = {[HONE_WORKER_TALK - HONE_CHILD_FIRST] = ends[1], [HONE_WORKER_PAGE - HONE_CHILD_FIRST] = page};
    why = w->page == MAP_FAILED ? errno : hone_child_spawn(w->program, words, environ, keeps, 2, &w->pid);
    close(page);
    close(ends[1]);
    if (why) {
        close(ends[0]);
        if (w->page != MAP_FAILED) munmap(w->page, sizeof *w->page);
        w->pid = 0;
        return not_started(w, why);
    }
    w->talk = ends[0];
    w->generation++;
    w->spawned++;
    w->known = 0;
    w->has_problem = false;
    return HONE_OK;
}

/* It is gone when this returns. Gives how it ended, as waitpid tells; -1: somebody else took that away. */
static int end_worker(hone_worker *w, bool gently)
{
    int   how = -1;
    pid_t got;
    if (!w->pid) return -1;
    close(w->talk); /* what it waits for: its own end */
    for (int i = 0; gently && i < 200 && (got = waitpid(w->pid, &how, WNOHANG)) == 0; i++) usleep(1000);
    got = waitpid(w->pid, &how, WNOHANG);
    if (got == 0) {
        kill(-w->pid, SIGKILL);
        kill(w->pid, SIGKILL);
        while ((got = waitpid(w->pid, &how, 0)) < 0 && errno == EINTR) continue;
    }
    munmap(w->page, sizeof *w->page);
    bool told = got == w->pid;
    w->pid = 0;
    w->has_problem = false;
    return told ? how : -1;
}

/* --- asking ------------------------------------------------------------------------------------------------------ */

static bool stopped(const hone_worker *w)
{
    return w->options.stop && w->options.stop();
}

hone_worker_wait hone_worker_wait_for(int64_t now, uint32_t steps, double seconds)
{
    int64_t allowed = (int64_t)(fmin(seconds, 1e6) * 1e9);
    return (hone_worker_wait){now + allowed, now + HONE_WORKER_SLOW_BY * allowed, now, steps};
}

bool hone_worker_is_late(hone_worker_wait *wait, int64_t now, uint32_t steps, double patience_s)
{
    if (steps != wait->steps) {
        wait->steps = steps;
        wait->stepped = now;
    }
    if (now < wait->until) return false;
    return now >= wait->until_at_most || (double)(now - wait->stepped) * 1e-9 >= patience_s;
}

static uint32_t steps_of(const hone_worker *w)
{
    return atomic_load_explicit(&w->page->steps, memory_order_relaxed);
}

/* Moves bytes until all went, or one of the other ends. */
static ending move(hone_worker *w, bool out, unsigned char *data, size_t bytes, hone_worker_wait *wait)
{
    while (bytes) {
        if (stopped(w)) return STOPPED;
        if (hone_worker_is_late(wait, hone_now_ns(), steps_of(w), w->options.patience_s)) return LATE;
        int64_t left_ms = (wait->until - hone_now_ns()) / 1000000;
        struct pollfd talk = {w->talk, out ? POLLOUT : POLLIN, 0};
        int           ready = poll(&talk, 1, left_ms >= 0 && left_ms < ASK_EACH_MS ? (int)left_ms + 1 : ASK_EACH_MS);
        if (ready < 0 && errno != EINTR) return DIED;
        if (ready <= 0) continue;
        ssize_t moved = out ? send(w->talk, data, bytes, MSG_NOSIGNAL | MSG_DONTWAIT)
                            : recv(w->talk, data, bytes, MSG_DONTWAIT);
        if (moved < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (moved <= 0) return DIED;
        data += moved;
        bytes -= (size_t)moved;
    }
    return ANSWERED;
}

/* Sends what was written into w->out and waits for its answer, which then lies in w->in. */
static ending ask(hone_worker *w, hone_wire_kind kind, double seconds)
{
    unsigned char head[HONE_WIRE_HEAD];
    hone_worker_wait wait = hone_worker_wait_for(hone_now_ns(), steps_of(w), seconds);
    if (!hone_wire_seal(&w->out, kind, ++w->serial)) return MAD;
    ending how = move(w, true, w->out.at, w->out.length, &wait);
    if (how == ANSWERED) how = move(w, false, head, sizeof head, &wait);
    if (how != ANSWERED) return how;
    int64_t bytes = hone_wire_expect(head, HONE_WIRE_ANSWER + kind, w->serial);
    if (bytes < 0) return MAD;
    w->in_bytes = (size_t)bytes;
    return move(w, false, w->in, w->in_bytes, &wait);
}

static hone_wire answer_of(const unsigned char *body, size_t bytes)
{
    return (hone_wire){.at = (unsigned char *)(uintptr_t)body, .length = bytes};
}

/* Status and sentence at the beginning of each answer. False: it is nonsense. */
static bool take_status(hone_wire *wire, hone_status *status, char *sentence, size_t capacity)
{
    uint32_t number = hone_wire_number(wire);
    hone_wire_text(wire, sentence, capacity);
    *status = (hone_status)number;
    return !wire->broken && number <= HONE_ERROR_INTERRUPTED;
}

static void begin(hone_worker *w)
{
    hone_wire_begin(&w->out);
}

/* A plain question: its status is passed on. */
static ending ask_plainly(hone_worker *w, hone_wire_kind kind, double seconds, hone_status *status)
{
    char      sentence[512];
    ending    how = ask(w, kind, seconds);
    hone_wire wire = answer_of(w->in, w->in_bytes);
    *status = HONE_OK;
    if (how != ANSWERED) return how;
    if (!take_status(&wire, status, sentence, sizeof sentence) || !hone_wire_ended(&wire)) return MAD;
    if (*status != HONE_OK) hone_fail(*status, "%s", sentence);
    return ANSWERED;
}

/* --- a worker with the problem ----------------------------------------------------------------------------------- */

static hone_status interrupted(void)
{
    return hone_fail(HONE_ERROR_INTERRUPTED, "it was asked to stop");
}

static ending greet(hone_worker *w, hone_status *status)
{
    begin(w);
    hone_wire_put_number(&w->out, HONE_WIRE_PROTOCOL);
    hone_wire_put_text(&w->out, w->options.device);
    hone_wire_put_text(&w->out, w->options.profile_path ? w->options.profile_path : "");
    hone_wire_put_number(&w->out, (uint32_t)w->options.threads);
    hone_wire_put_number(&w->out, w->options.cold);
    hone_wire_put_size(&w->out, w->options.memory_bytes);
    return ask_plainly(w, HONE_WIRE_HELLO, START_S, status);
}

static ending tell_problem(hone_worker *w, hone_status *status)
{
    char    text[HONE_PROBLEM_TEXT_MAX + 64];
    int64_t since = hone_now_ns();
    hone_rt_problem_print(w->request->op, w->request->problem, text, sizeof text);
    begin(w);
    hone_wire_put_text(&w->out, text);
    hone_wire_put_number(&w->out, w->request->alignment);
    hone_wire_put_number(&w->out, w->request->flags);
    hone_wire_put_size(&w->out, w->request->scratch_cap);
    hone_wire_put_size(&w->out, w->options.seed);
    ending how = ask_plainly(w, HONE_WIRE_PROBLEM, START_S, status);
    w->problem_s = (double)(hone_now_ns() - since) * 1e-9;
    w->has_problem = how == ANSWERED && *status == HONE_OK;
    return how;
}

/* A worker that knows the problem, and so far no more than it was told before. */
static hone_status ready(hone_worker *w)
{
    hone_status status = HONE_OK;
    ending      how = ANSWERED;
    if (w->pid && w->has_problem) return HONE_OK;
    for (int i = 0; i < STARTS_MAX; i++) {
        if (stopped(w)) return interrupted();
        if (!w->pid) {
            HONE_TRY(start(w));
            how = greet(w, &status);
        }
        if (how == ANSWERED && status == HONE_OK) how = tell_problem(w, &status);
        if (how == ANSWERED && status == HONE_OK) return HONE_OK;
        end_worker(w, false);
        if (how == STOPPED) return interrupted();
        if (how == ANSWERED) return hone_fail_within(status, "the tuner's worker");
    }
    return hone_fail(HONE_ERROR_DEVICE, "the tuner's worker %s %s before any candidate was tried", w->program,
                     how == LATE ? "hangs" : how == MAD ? "talks nonsense" : "dies");
}

/* --- whose fault ------------------------------------------------------------------------------------------------- */

static void HONE_PRINTF(3, 4) blame(candidate *c, hone_fate fate, const char *format, ...)
{
    va_list list;
    c->fate = fate;
    c->generation = 0;
    va_start(list, format);
    vsnprintf(c->why, sizeof c->why, format, list);
    va_end(list);
}

/* The end of a worker put down to this candidate. */
static void blame_end(candidate *c, ending how, int status, double seconds, const char *when)
{
    if (how == LATE) {
        blame(c, HONE_FATE_HUNG, "it hung while it was %s, and was ended after %.3g s", when, seconds);
    } else if (how == MAD) {
        blame(c, HONE_FATE_CORRUPTED, "what its process answered while it was %s was not of the form it should have",
              when);
    } else if (status >= 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
        blame(c, HONE_FATE_MEMORY, "its process was killed while it was %s: the machine was out of memory", when);
    } else if (status >= 0 && WIFSIGNALED(status)) {
        const char *name = sigdescr_np(WTERMSIG(status));
        blame(c, HONE_FATE_CRASHED, "it crashed while it was %s: signal %d, %s", when, WTERMSIG(status),
              name ? name : "unknown");
    } else if (status >= 0 && WIFEXITED(status)) {
        blame(c, HONE_FATE_CRASHED, "it ended its process while it was %s, with exit status %d", when,
              WEXITSTATUS(status));
    } else {
        blame(c, HONE_FATE_CRASHED, "it ended its process while it was %s", when);
    }
}

static candidate *candidate_of(hone_worker *w, int id)
{
    return id >= 1 && id <= w->count ? &w->candidates[id - 1] : NULL;
}

/* --- one candidate ----------------------------------------------------------------------------------------------- */

static double launch_guess(const hone_worker *w, const hone_choice *choice)
{
    double estimate = choice->kernel->estimate ? choice->kernel->estimate(w->request, &choice->config) : 0;
    if (!(estimate > 0) || !isfinite(estimate)) estimate = 0;
    return fmax(estimate, w->best_launch_s);
}

static double admission_deadline(const hone_worker *w, const candidate *c)
{
    double seen = fmax(w->slowest_admission_s, w->problem_s);
    return w->options.patience_s + JUDGED_BY * seen + LAUNCHED_BY * launch_guess(w, &c->choice);
}

bool hone_worker_read_admitted(const unsigned char *body, size_t bytes, hone_worker_admitted *out)
{
    hone_wire   wire = answer_of(body, bytes);
    hone_status status;
    memset(out, 0, sizeof *out);
    if (!take_status(&wire, &status, out->why, sizeof out->why)) return false;
    if (status != HONE_OK) {
        out->fate = status == HONE_ERROR_MEMORY ? HONE_FATE_MEMORY : HONE_FATE_FAILED;
        return hone_wire_ended(&wire);
    }
    uint32_t fate = hone_wire_number(&wire);
    hone_wire_text(&wire, out->why, sizeof out->why);
    out->seconds = hone_wire_real(&wire);
    out->compared = (int64_t)hone_wire_size(&wire);
    out->fate = (hone_fate)fate;
    if (!hone_wire_ended(&wire) || fate >= HONE_FATE_COUNT || out->compared < 0) return false;
    return fate != HONE_FATE_RIGHT || (out->seconds > 0 && out->seconds < 1e9);
}

/* Makes the present worker know a candidate; at the end it is right, or has another fate. */
static hone_status admit_one(hone_worker *w, candidate *c)
{
    while (c->fate == HONE_FATE_RIGHT) {
        char                 settings[512];
        hone_worker_admitted it;
        HONE_TRY(ready(w));
        if (c->generation == w->generation) return HONE_OK;
        const hone_kernel *kernel = c->choice.kernel;
        const char        *identity = kernel->identity ? kernel->identity(w->request->device) : NULL;
        bool               alone = w->known == 0;
        double             allowed = admission_deadline(w, c);
        int64_t            since = hone_now_ns();
        hone_config_print(kernel->space, &c->choice.config, settings, sizeof settings);
        begin(w);
        hone_wire_put_number(&w->out, (uint32_t)(c - w->candidates) + 1);
        hone_wire_put_text(&w->out, kernel->name);
        hone_wire_put_number(&w->out, kernel->version);
        hone_wire_put_text(&w->out, identity ? identity : "");
        hone_wire_put_text(&w->out, settings);
        ending how = ask(w, HONE_WIRE_ADMIT, allowed);
        w->known++;
        if (how == ANSWERED && !hone_worker_read_admitted(w->in, w->in_bytes, &it)) how = MAD;
        if (how == ANSWERED) {
            if (it.fate != HONE_FATE_RIGHT) {
                blame(c, it.fate, "%s", it.why);
                /* What it left behind is not trusted. */
                if (it.fate == HONE_FATE_CORRUPTED || it.fate == HONE_FATE_MEMORY) end_worker(w, false);
                return HONE_OK;
            }
            double took = (double)(hone_now_ns() - since) * 1e-9;
            c->generation = w->generation;
            c->compared = it.compared;
            c->launch_s = it.seconds;
            w->slowest_admission_s = fmax(w->slowest_admission_s, took);
            if (!(w->best_launch_s > 0) || it.seconds < w->best_launch_s) w->best_launch_s = it.seconds;
            return HONE_OK;
        }
        int status = end_worker(w, false);
        if (how == STOPPED) return interrupted();
        c->deaths++;
        if (how == LATE || alone || c->deaths >= DEATHS_MAX) blame_end(c, how, status, allowed, "prepared and judged");
    }
    return HONE_OK;
}

/* --- many, timed ------------------------------------------------------------------------------------------------- */

bool hone_worker_read_timed(const unsigned char *body, size_t bytes, int count, int rounds, double *seconds,
                            hone_admission *fates)
{
    hone_wire   wire = answer_of(body, bytes);
    hone_status status;
    char        sentence[256];
    bool        sound = take_status(&wire, &status, sentence, sizeof sentence);
    if (sound && status != HONE_OK) {
        for (int i = 0; i < count; i++) {
            fates[i].fate = status == HONE_ERROR_MEMORY ? HONE_FATE_MEMORY : HONE_FATE_FAILED;
            memcpy(fates[i].why, sentence, sizeof fates[i].why);
        }
        for (int i = 0; i < count * rounds; i++) seconds[i] = NAN;
        return hone_wire_ended(&wire);
    }
    for (int i = 0; i < count && sound; i++) {
        uint32_t fate = hone_wire_number(&wire);
        fates[i].fate = (hone_fate)fate;
        hone_wire_text(&wire, fates[i].why, sizeof fates[i].why);
        sound = fate < HONE_FATE_COUNT;
    }
    for (int i = 0; i < count * rounds && sound; i++) {
        seconds[i] = hone_wire_real(&wire);
        sound = fates[i % count].fate != HONE_FATE_RIGHT || (seconds[i] > 0 && seconds[i] < 1e9);
        if (fates[i % count].fate != HONE_FATE_RIGHT) seconds[i] = NAN;
    }
    return sound && hone_wire_ended(&wire);
}

static double timing_deadline(const hone_worker *w, candidate *const *some, int count, int rounds)
{
    double expected = 0;
    for (int i = 0; i < count; i++) {
        expected += (2.25 * rounds + 12) * fmax(some[i]->launch_s, w->options.sample_s) + 0.05;
        if (w->options.threads > 1) expected += 3 * rounds * OTHERS_SPIN_S;
    }
    return w->options.patience_s + TIMED_BY * expected + JUDGED_BY * w->problem_s;
}

/* All of these, which the present worker knows, in its answer. */
static ending ask_time(hone_worker *w, candidate *const *some, int count, int rounds, double *seconds,
                       hone_admission *fates, double *allowed)
{
    *allowed = timing_deadline(w, some, count, rounds);
    begin(w);
    hone_wire_put_number(&w->out, (uint32_t)count);
    hone_wire_put_number(&w->out, (uint32_t)rounds);
    hone_wire_put_size(&w->out, hone_random_at(w->options.seed, w->serial));
    hone_wire_put_real(&w->out, w->options.sample_s);
    for (int i = 0; i < count; i++) hone_wire_put_number(&w->out, (uint32_t)(some[i] - w->candidates) + 1);
    ending how = ask(w, HONE_WIRE_TIME, *allowed);
    if (how == ANSWERED && !hone_worker_read_timed(w->in, w->in_bytes, count, rounds, seconds, fates)) how = MAD;
    return how;
}

/* One that was at work when its worker ended, in a worker of its own: there it must run, or it is to blame. */
static hone_status try_alone(hone_worker *w, candidate *c)
{
    double         seconds[ALONE_ROUNDS], allowed;
    hone_admission fate = {0};
    end_worker(w, false);
    HONE_TRY(admit_one(w, c));
    if (c->fate != HONE_FATE_RIGHT) return HONE_OK;
    ending how = ask_time(w, &c, 1, ALONE_ROUNDS, seconds, &fate, &allowed);
    if (how == ANSWERED) {
        if (fate.fate != HONE_FATE_RIGHT) blame(c, fate.fate, "%s", fate.why);
        return HONE_OK;
    }
    int status = end_worker(w, false);
    if (how == STOPPED) return interrupted();
    blame_end(c, how, status, allowed, "timed");
    return HONE_OK;
}

/* A worker ended while several were timed. */
static hone_status find_culprit(hone_worker *w, candidate **some, int count, ending how, double allowed)
{
    uint32_t   at_work = atomic_load_explicit(&w->page->at_work, memory_order_relaxed);
    candidate *culprit = NULL;
    int        status = end_worker(w, false);
    for (int i = 0; i < count; i++)
        if (some[i] == candidate_of(w, at_work <= INT32_MAX ? (int)at_work : 0)) culprit = some[i];
    if (culprit && (count == 1 || how == LATE || ++culprit->deaths >= DEATHS_MAX)) {
        blame_end(culprit, how, status, allowed, "timed");
        return HONE_OK;
    }
    if (culprit) return try_alone(w, culprit);
    for (int i = 0; i < count; i++) {
        if (++some[i]->deaths >= DEATHS_MAX)
            blame_end(some[i], how, status, allowed, "timed, or one beside it");
        else
            HONE_TRY(try_alone(w, some[i]));
    }
    return HONE_OK;
}

/* Those that are still right, timed; or fewer of them right than before. *done: `seconds` holds their rounds. */
static hone_status time_once(hone_worker *w, candidate **all, int count, int rounds, double *seconds, bool *done)
{
    candidate      **some = hone_alloc((size_t)count, sizeof *some);
    hone_admission  *fates = hone_alloc((size_t)count, sizeof *fates);
    double          *taken = hone_alloc((size_t)count * (size_t)rounds, sizeof *taken), allowed;
    hone_status      status = some && fates && taken ? HONE_OK : HONE_ERROR_MEMORY;
    int              racing = 0, generation;
    *done = false;
    for (int i = 0; i < count && status == HONE_OK; i++)
        if (all[i]->fate == HONE_FATE_RIGHT) status = admit_one(w, all[i]);
    generation = w->generation;
    bool same = w->pid != 0;
    for (int i = 0; i < count && status == HONE_OK; i++) {
        if (all[i]->fate != HONE_FATE_RIGHT) continue;
        same &= all[i]->generation == generation;
        some[racing++] = all[i];
    }
    if (status != HONE_OK || !racing) {
        *done = status == HONE_OK;
        goto end;
    }
    if (!same) goto end; /* another worker took over while they were admitted: all over again */
    ending how = ask_time(w, some, racing, rounds, taken, fates, &allowed);
    if (how == STOPPED) {
        end_worker(w, false);
        status = interrupted();
    } else if (how != ANSWERED) {
        status = find_culprit(w, some, racing, how, allowed);
    } else {
        *done = true;
        bool dirty = false;
        for (int i = 0, at = 0; i < count; i++) {
            if (all[i]->fate != HONE_FATE_RIGHT) continue;
            for (int r = 0; r < rounds; r++) seconds[r * count + i] = taken[r * racing + at];
            if (fates[at].fate != HONE_FATE_RIGHT) blame(all[i], fates[at].fate, "%s", fates[at].why);
            dirty |= fates[at].fate == HONE_FATE_CORRUPTED || fates[at].fate == HONE_FATE_MEMORY;
            at++;
        }
        if (dirty) end_worker(w, false);
    }
end:
    hone_free(some);
    hone_free(fates);
    hone_free(taken);
    return status;
}

/* --- the oracle -------------------------------------------------------------------------------------------------- */

static hone_status admit(void *self, const hone_choice *choices, int count, hone_admission *out)
{
    hone_worker *w = self;
    for (int i = 0; i < count; i++) {
        HONE_TRY(hone_grow(&w->candidates, w->count, &w->capacity, sizeof *w->candidates));
        candidate *c = &w->candidates[w->count++];
        *c = (candidate){.choice = choices[i]};
        HONE_TRY(admit_one(w, c));
        out[i].id = w->count;
        out[i].fate = c->fate;
        memcpy(out[i].why, c->why, sizeof out[i].why);
    }
    return HONE_OK;
}

static hone_status time_some(void *self, const int *ids, int count, int rounds, double *seconds,
                         hone_admission *fates)
{
    hone_worker *w = self;
    bool         done = false;
    candidate  **all = hone_alloc((size_t)count + 1, sizeof *all);
    hone_status  status = all ? HONE_OK : HONE_ERROR_MEMORY;
    for (int i = 0; i < count && status == HONE_OK; i++)
        if (!(all[i] = candidate_of(w, ids[i])))
            status = hone_fail(HONE_ERROR_ARGUMENT, "worker: there is no candidate %d", ids[i]);
    for (int i = 0; i < count * rounds && status == HONE_OK; i++) seconds[i] = NAN;
    while (!done && status == HONE_OK) status = time_once(w, all, count, rounds, seconds, &done);
    for (int i = 0; i < count && status == HONE_OK; i++) {
        fates[i] = (hone_admission){.id = ids[i], .fate = all[i]->fate};
        memcpy(fates[i].why, all[i]->why, sizeof fates[i].why);
    }
    hone_free(all);
    return status;
}

static void drop(void *self, int id)
{
    hone_worker *w = self;
    candidate   *c = candidate_of(w, id);
    hone_status  status;
    if (!c) return;
    bool known = w->pid && w->has_problem && c->fate == HONE_FATE_RIGHT && c->generation == w->generation;
    c->generation = 0;
    if (!known) return;
    begin(w);
    hone_wire_put_number(&w->out, (uint32_t)id);
    if (ask_plainly(w, HONE_WIRE_DROP, w->options.patience_s + 1, &status) != ANSWERED) end_worker(w, false);
}

static double clock_of(void *self)
{
    return (double)(hone_now_ns() - ((hone_worker *)self)->start) * 1e-9;
}

hone_oracle hone_worker_oracle(hone_worker *worker)
{
    return (hone_oracle){admit, time_some, drop, clock_of, worker};
}

/* --- the rest ---------------------------------------------------------------------------------------------------- */

hone_status hone_worker_open(hone_rt_context *context, const hone_worker_options *options, hone_worker **out)
{
    *out = NULL;
    hone_worker *w = hone_alloc(1, sizeof *w);
    if (!w) return HONE_ERROR_MEMORY;
    w->context = context;
    w->options = *options;
    if (!(w->options.patience_s > 0)) w->options.patience_s = 3;
    if (!(w->options.sample_s > 0)) w->options.sample_s = 5e-4;
    if (!w->options.memory_bytes) w->options.memory_bytes = (size_t)2 << 30;
    if (w->options.threads < 1) w->options.threads = 1;
    hone_status status = HONE_OK;
    if (options->program)
        snprintf(w->program, sizeof w->program, "%s", options->program);
    else
        hone_rt_program("hone-worker", w->program, sizeof w->program);
    if (access(w->program, X_OK) != 0)
        status = hone_fail(HONE_ERROR_NOT_FOUND,
                           "the tuner's worker is not at %s; `make install` puts it there, and builds leave it beside "
                           "the program",
                           w->program);
    w->out = (hone_wire){.at = hone_alloc(1, HONE_WIRE_HEAD + HONE_WIRE_BODY_MAX),
                         .capacity = HONE_WIRE_HEAD + HONE_WIRE_BODY_MAX};
    w->in = hone_alloc(1, HONE_WIRE_BODY_MAX);
    if (status == HONE_OK && (!w->out.at || !w->in)) status = HONE_ERROR_MEMORY;
    if (status != HONE_OK) {
        hone_worker_close(w);
        return status;
    }
    w->start = hone_now_ns();
    *out = w;
    return HONE_OK;
}

void hone_worker_close(hone_worker *worker)
{
    if (!worker) return;
    end_worker(worker, true);
    hone_free(worker->out.at);
    hone_free(worker->in);
    hone_free(worker->candidates);
    hone_free(worker);
}

void hone_worker_take(hone_worker *worker, const hone_request *request)
{
    worker->request = request;
    worker->count = worker->known = 0;
    worker->has_problem = false;
    worker->slowest_admission_s = worker->problem_s = worker->best_launch_s = 0;
    worker->start = hone_now_ns();
}

void hone_worker_renew(hone_worker *worker)
{
    end_worker(worker, true);
}

int64_t hone_worker_compared(const hone_worker *worker, int id)
{
    const candidate *c = candidate_of((hone_worker *)(uintptr_t)worker, id);
    return c ? c->compared : 0;
}

int hone_worker_spawned(const hone_worker *worker)
{
    return worker->spawned;
}

int hone_worker_pid(const hone_worker *worker)
{
    return (int)worker->pid;
}
