/* Proofs of modules: made by a child process, and kept on disk.
 *
 * The child is hone-probe, spawned without a shell, in a process group of its own, with the host's signals reset. It
 * writes to a pipe; that and a deadline decide, so that it does not matter what the host does with SIGCHLD or wait().
 *
 * On disk a proof is a line:
 *
 *     KEY SUM TIME proven cpu              KEY: of the file and of all else that the proof depends on
 *     KEY SUM TIME refused it crashed ...  SUM: of what follows it, seeded with KEY */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/text.h"
#include "runtime/modules.h"

extern char **environ;

static void HONE_PRINTF(2, 3) refuse(hone_rt_proof *proof, const char *format, ...)
{
    va_list list;
    proof->state = HONE_RT_MODULE_REFUSED;
    va_start(list, format);
    vsnprintf(proof->sentence, sizeof proof->sentence, format, list);
    va_end(list);
}

/* As much of it as there is room for. */
static void take_text(char *out, size_t capacity, const char *from)
{
    hone_text text = hone_text_in(out, capacity);
    hone_text_add(&text, "%s", from);
}

/* --- the child -------------------------------------------------------------------------------------------------- */

/* 0, or why not. *answers is the end of the pipe to read from. */
static int spawn(const char *probe, const char *path, pid_t *pid, int *answers)
{
    char *words[] = {"hone-probe", (char *)path, NULL};
    int   ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) return errno;
    int why = hone_child_spawn(probe, words, environ, &ends[1], 1, pid);
    close(ends[1]);
    if (why) close(ends[0]);
    *answers = ends[0];
    return why;
}

static int left_ms(int64_t deadline)
{
    int64_t left = (deadline - hone_now_ns()) / 1000000;
    return left < 0 ? 0 : (int)left;
}

/* The child is gone when this returns. *told: `how` is what waitpid gave; the host may have taken it away. */
static void reap(pid_t pid, int64_t deadline, int *how, bool *told)
{
    pid_t got;
    while ((got = waitpid(pid, how, WNOHANG)) == 0 && left_ms(deadline))
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    if (got == 0) { /* still there, so the number is still its own */
        kill(-pid, SIGKILL);
        kill(pid, SIGKILL);
        while ((got = waitpid(pid, how, 0)) < 0 && errno == EINTR) continue;
    }
    *told = got == pid;
}

/* What one line of the probe says. True: it was the last. */
static bool take_line(char *line, char *stage, size_t room, hone_rt_proof *proof)
{
    char name[64], op[64], backend[32];
    if (strncmp(line, "at ", 3) == 0) {
        take_text(stage, room, line + 3);
    } else if (sscanf(line, "kernel %63s %63s %31s", name, op, backend) == 3) {
        size_t length = strlen(proof->backends);
        char   mark[40];
        snprintf(mark, sizeof mark, " %s ", backend);
        if (!strstr(proof->backends, mark) && length + strlen(mark) < sizeof proof->backends)
            memcpy(proof->backends + length, mark, strlen(mark) + 1);
    } else if (strcmp(line, "proven") == 0) {
        proof->state = HONE_RT_MODULE_PROVEN;
    } else if (strncmp(line, "idle ", 5) == 0) {
        proof->state = HONE_RT_MODULE_IDLE;
        take_text(proof->sentence, sizeof proof->sentence, line + 5);
    } else if (strncmp(line, "refused ", 8) == 0) {
        proof->state = HONE_RT_MODULE_REFUSED;
        take_text(proof->sentence, sizeof proof->sentence, line + 8);
    }
    return proof->state != 0;
}

/* Reads until the probe has said its last, the pipe ends, or the deadline is over. True: that one. */
static bool listen_to(int answers, int64_t deadline, char *stage, size_t room, hone_rt_proof *proof)
{
    char   text[1024];
    size_t length = 0;
    for (;;) {
        struct pollfd wait = {answers, POLLIN, 0};
        int           ready = poll(&wait, 1, left_ms(deadline));
        if (ready == 0) return true;
        ssize_t got = ready < 0 ? -1 : read(answers, text + length, sizeof text - 1 - length);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        length += (size_t)got;
        text[length] = 0;
        for (char *end; (end = strchr(text, '\n'));) {
            *end = 0;
            if (take_line(text, stage, room, proof)) return false;
            length -= (size_t)(end + 1 - text);
            memmove(text, end + 1, length + 1);
        }
        if (length == sizeof text - 1) return false; /* no line of the probe's */
    }
}

int hone_rt_proof_seconds = 10;

void hone_rt_prove(const char *probe, const char *path, hone_rt_proof *out)
{
    char    stage[64] = "starting";
    pid_t   pid;
    int     answers = -1, how = 0;
    bool    told;
    int64_t deadline = hone_now_ns() + hone_rt_proof_seconds * (int64_t)1000000000;
    memset(out, 0, sizeof *out);
    int why = spawn(probe, path, &pid, &answers);
    if (why) {
        char text[128];
        refuse(out, "it cannot be tried: %s does not start: %s", probe, strerror_r(why, text, sizeof text));
        return;
    }
    bool late = listen_to(answers, deadline, stage, sizeof stage, out);
    close(answers);
    reap(pid, out->state ? 0 : deadline, &how, &told);
    if (out->state) return;
    out->hung = late;
    if (late)
        refuse(out, "it hung at %s, and was ended after %d seconds", stage, hone_rt_proof_seconds);
    else if (told && WIFSIGNALED(how))
        refuse(out, "it crashed at %s: signal %d, %s", stage, WTERMSIG(how),
               sigdescr_np(WTERMSIG(how)) ? sigdescr_np(WTERMSIG(how)) : "unknown");
    else if (told && WIFEXITED(how))
        refuse(out, "it ended its process at %s, with exit status %d", stage, WEXITSTATUS(how));
    else
        refuse(out, "it ended its process at %s", stage);
}

/* --- on disk ---------------------------------------------------------------------------------------------------- */

enum { BYTES_MAX = 1 << 16, LINE_MAX_BYTES = 640, HEAD = 34, REFUSAL_SECONDS = 24 * 60 * 60, HUNG_SECONDS = 600 };

static uint64_t sum_of(const char *line, size_t length, uint64_t key)
{
    return hone_hash(line + HEAD, length - HEAD, key);
}

/* One line without its newline, for this key and unharmed. */
static bool read_line(const char *line, size_t length, uint64_t key, hone_rt_proof *out)
{
    char      copy[LINE_MAX_BYTES], state[16];
    uint64_t  its_key, its_sum;
    long long when;
    int       rest = 0;
    if (length <= HEAD || length >= sizeof copy) return false;
    memcpy(copy, line, length);
    copy[length] = 0;
    if (sscanf(copy, "%16" SCNx64 " %16" SCNx64 " %lld %15s %n", &its_key, &its_sum, &when, state, &rest) != 4 ||
        !rest || its_key != key || its_sum != sum_of(copy, length, key))
        return false;
    memset(out, 0, sizeof *out);
    if (strcmp(state, "proven") == 0) {
        out->state = HONE_RT_MODULE_PROVEN;
        snprintf(out->backends, sizeof out->backends, " %s", copy + rest);
        return true;
    }
    int64_t age = (int64_t)time(NULL) - when;
    out->hung = strcmp(state, "hung") == 0;
    if (age < 0 || age > (out->hung ? HUNG_SECONDS : REFUSAL_SECONDS)) return false;
    out->state = strcmp(state, "idle") == 0 ? HONE_RT_MODULE_IDLE : HONE_RT_MODULE_REFUSED;
    take_text(out->sentence, sizeof out->sentence, copy + rest);
    return true;
}

static void write_line(hone_text *text, uint64_t key, const hone_rt_proof *proof)
{
    char      line[LINE_MAX_BYTES];
    hone_text rest = hone_text_in(line + HEAD, sizeof line - HEAD);
    memset(line, ' ', HEAD);
    hone_text_add(&rest, "%lld ", (long long)time(NULL));
    if (proof->state == HONE_RT_MODULE_PROVEN)
        hone_text_add(&rest, "proven %s", proof->backends + (*proof->backends == ' '));
    else
        hone_text_add(&rest, "%s %s",
                      proof->state == HONE_RT_MODULE_IDLE ? "idle" : proof->hung ? "hung" : "refused", proof->sentence);
    size_t length = HEAD + strlen(line + HEAD);
    hone_text_add(text, "%016" PRIx64 " %016" PRIx64 " %s\n", key, sum_of(line, length, key), line + HEAD);
}

bool hone_rt_proof_recall(const char *file, uint64_t key, hone_rt_proof *out)
{
    char         *text;
    size_t        bytes;
    bool          found = false;
    hone_sentence before;
    hone_sentence_keep(&before);
    if (*file && hone_file_read(file, BYTES_MAX, &text, &bytes) == HONE_OK) {
        for (size_t at = 0, length; at < bytes && !found; at += length + 1) {
            length = strcspn(text + at, "\n");
            found = read_line(text + at, length, key, out);
        }
        hone_free(text);
    }
    hone_sentence_back(&before);
    return found;
}

/* The new line, and the others behind it as far as there is room: those at the end are the oldest. */
void hone_rt_proof_keep(const char *file, uint64_t key, const hone_rt_proof *proof)
{
    char         *old = NULL, folder[1024];
    size_t        bytes = 0;
    hone_sentence before;
    const char   *slash = strrchr(file, '/');
    if (!slash || (size_t)(slash - file) >= sizeof folder) return;
    hone_sentence_keep(&before);
    snprintf(folder, sizeof folder, "%.*s", (int)(slash - file), file);
    if (hone_folder_make(folder) != HONE_OK) goto done;
    if (hone_file_read(file, BYTES_MAX, &old, &bytes) != HONE_OK) bytes = 0;
    char *all = hone_alloc_raw(BYTES_MAX, HONE_CACHE_LINE);
    if (!all) goto done;
    hone_text text = hone_text_in(all, BYTES_MAX);
    write_line(&text, key, proof);
    for (size_t at = 0, length; at < bytes; at += length + 1) {
        hone_rt_proof same;
        length = strcspn(old + at, "\n");
        if (read_line(old + at, length, key, &same) || text.length + length + 2 > BYTES_MAX / 2) continue;
        hone_text_add(&text, "%.*s\n", (int)length, old + at);
    }
    (void)!hone_file_write(file, all, text.length); /* where it cannot be kept, the next process tries again */
    hone_free(all);
done:
    hone_free(old);
    hone_sentence_back(&before);
}
