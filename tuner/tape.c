/* Answers kept and given again: see tape.h. */
#include "tuner/tape.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/text.h"

enum { SUM = 17, BYTES_MAX = 1 << 28, PROBLEMS_MAX = 65536 };

typedef struct entry {
    hone_choice choice;
    int         live; /* its id with the oracle behind; 0: it does not know it */
    hone_fate   fate;
    int64_t     compared;
} entry;

struct hone_tape {
    int         file; /* -1: nothing is kept */
    char        complaint[512]; /* why no more is kept; empty: it is */
    char       *path;
    char       *text; /* what the file held, ended by zeros where lines ended */
    size_t      bytes;
    char      **lines; /* behind their sums */
    int         line_count, kept;
    bool       *done;
    /* of the problem at hand */
    int         index, next, end; /* lines that may still answer */
    const char *starts;           /* NULL: the file does not tell */
    const hone_oracle *live;
    int64_t (*compared)(const void *self, int id);
    double      clock, live_from; /* the tape's time so far; of the live clock when it was first asked */
    bool        lived;
    int         count, capacity;
    entry      *entries;
};

/* --- the file ---------------------------------------------------------------------------------------------------- */

/* No more is kept, for behind a line that is torn nothing counts; the session goes on without. */
static void give_up(hone_tape *t, const char *why)
{
    snprintf(
        t->complaint, sizeof t->complaint,
        "the session's tape %s cannot be written: %s; the session goes on, and where it is interrupted, what comes "
        "from now on is measured again",
        t->path, why);
}

static hone_status write_line(hone_tape *t, const char *line)
{
    size_t length = strlen(line);
    if (t->file < 0 || *t->complaint) return HONE_OK;
    char *whole = hone_alloc(length + SUM + 2, 1), sum[SUM + 1];
    if (!whole) return HONE_ERROR_MEMORY;
    memcpy(whole + SUM, line, length);
    for (size_t i = SUM; i < SUM + length; i++)
        if (whole[i] == '\n' || whole[i] == '\r') whole[i] = ' '; /* what a candidate said may have lines */
    snprintf(sum, sizeof sum, "%016" PRIx64 " ", hone_hash(whole + SUM, length, 0));
    memcpy(whole, sum, SUM);
    whole[SUM + length] = '\n';
    const ssize_t size = (ssize_t)(SUM + length + 1);
    ssize_t       put;
    do put = write(t->file, whole, (size_t)size);
    while (put < 0 && errno == EINTR);
    hone_free(whole);
    char text[128];
    if (put != size) give_up(t, put < 0 ? strerror_r(errno, text, sizeof text) : "the disk is full");
    return HONE_OK;
}

/* The lines up to the first that is torn or damaged, behind which nothing counts. Gives the bytes they take. */
static size_t read_lines(hone_tape *t)
{
    size_t at = 0, length;
    int    room = 0;
    for (size_t i = 0; i < t->bytes; i++) room += t->text[i] == '\n';
    t->lines = hone_alloc((size_t)room + 1, sizeof *t->lines);
    if (!t->lines) return 0;
    for (char *end; at < t->bytes && (end = memchr(t->text + at, '\n', t->bytes - at)); at += length + 1) {
        char *line = t->text + at, *rest;
        length = (size_t)(end - line);
        if (length < SUM || memchr(line, 0, length) ||
            strtoull(line, &rest, 16) != hone_hash(line + SUM, length - SUM, 0) || rest != line + SUM - 1)
            break;
        line[length] = 0;
        t->lines[t->line_count++] = line + SUM;
    }
    return at;
}

static void read_done(hone_tape *t)
{
    int index;
    for (int i = 0; i < t->line_count; i++) {
        if (sscanf(t->lines[i], "done %d", &index) == 1 && index >= 0 && index < PROBLEMS_MAX) t->done[index] = true;
        t->kept += !strncmp(t->lines[i], "admit ", 6) || !strncmp(t->lines[i], "time ", 5);
    }
}

static hone_status open_file(hone_tape *t, const char *path, uint64_t key, bool fresh)
{
    char          text[128], mark[64];
    size_t        whole = 0;
    hone_sentence before;
    t->path = hone_alloc(strlen(path) + 1, 1);
    if (!t->path) return HONE_ERROR_MEMORY;
    strcpy(t->path, path);
    t->file = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    HONE_CHECK(t->file >= 0, HONE_ERROR_FILE, "the session's tape %s cannot be opened: %s", path,
               strerror_r(errno, text, sizeof text));
    HONE_CHECK(flock(t->file, LOCK_EX | LOCK_NB) == 0, HONE_ERROR_STATE,
               "another process is at work on just this: it holds %s", path);
    snprintf(mark, sizeof mark, "session 1 %016" PRIx64, key);
    hone_sentence_keep(&before);
    if (hone_file_read(path, BYTES_MAX, &t->text, &t->bytes) == HONE_OK) whole = read_lines(t);
    hone_sentence_back(&before);
    if (fresh || !t->line_count || strcmp(t->lines[0], mark)) t->line_count = 0, whole = 0;
    HONE_CHECK(ftruncate(t->file, (off_t)whole) == 0, HONE_ERROR_FILE, "the session's tape %s cannot be written: %s",
               path, strerror_r(errno, text, sizeof text));
    read_done(t);
    return t->line_count ? HONE_OK : write_line(t, mark);
}

hone_status hone_tape_open(const char *path, uint64_t key, bool fresh, hone_tape **out)
{
    *out = NULL;
    hone_tape *t = hone_alloc(1, sizeof *t);
    if (!t) return HONE_ERROR_MEMORY;
    t->file = -1;
    t->done = hone_alloc(PROBLEMS_MAX, sizeof *t->done);
    hone_status status = t->done ? HONE_OK : HONE_ERROR_MEMORY;
    if (status == HONE_OK && path) status = open_file(t, path, key, fresh);
    if (status != HONE_OK) {
        hone_tape_close(t, false);
        return status;
    }
    *out = t;
    return HONE_OK;
}

void hone_tape_close(hone_tape *tape, bool finished)
{
    if (!tape) return;
    if (tape->file >= 0 && finished) unlink(tape->path);
    if (tape->file >= 0) close(tape->file);
    hone_free(tape->path);
    hone_free(tape->text);
    hone_free(tape->lines);
    hone_free(tape->done);
    hone_free(tape->entries);
    hone_free(tape);
}

const char *hone_tape_complaint(const hone_tape *tape)
{
    return *tape->complaint ? tape->complaint : NULL;
}

int hone_tape_kept(const hone_tape *tape)
{
    return tape->kept;
}

/* --- one problem ------------------------------------------------------------------------------------------------- */

hone_status hone_tape_problem(hone_tape *tape, int index, const hone_oracle *live,
                              int64_t (*compared)(const void *self, int id))
{
    int found = -1, at;
    HONE_CHECK(index >= 0 && index < PROBLEMS_MAX, HONE_ERROR_OVERFLOW, "a session has at most %d problems",
               PROBLEMS_MAX);
    tape->index = index;
    tape->live = live;
    tape->compared = compared;
    tape->count = 0;
    tape->clock = 0;
    tape->lived = false;
    tape->starts = NULL;
    for (int i = 0; i < tape->line_count; i++) /* the last time that it was begun counts */
        if (sscanf(tape->lines[i], "problem %d", &at) == 1 && at == index) found = i;
    tape->next = tape->end = 0;
    if (found < 0) {
        char line[32];
        snprintf(line, sizeof line, "problem %d", index);
        return write_line(tape, line);
    }
    tape->next = found + 1;
    if (tape->next < tape->line_count && !strncmp(tape->lines[tape->next], "starts ", 7))
        tape->starts = tape->lines[tape->next++] + 7;
    tape->end = tape->next;
    while (tape->end < tape->line_count &&
           (!strncmp(tape->lines[tape->end], "admit ", 6) || !strncmp(tape->lines[tape->end], "time ", 5)))
        tape->end++;
    return HONE_OK;
}

hone_status hone_tape_starts(hone_tape *tape, char *text, size_t capacity)
{
    if (tape->starts) {
        snprintf(text, capacity, "%s", tape->starts);
        return HONE_OK;
    }
    size_t length = strlen(text);
    char  *line = hone_alloc(length + sizeof "starts ", 1);
    if (!line) return HONE_ERROR_MEMORY;
    snprintf(line, length + sizeof "starts ", "starts %s", text);
    hone_status status = write_line(tape, line);
    hone_free(line);
    return status;
}

/* What was asked is not what was asked then: this problem is begun anew in the file, with what is known of it. */
static hone_status leave(hone_tape *t)
{
    char line[32];
    if (t->next == t->end) return HONE_OK;
    int begun = t->end;
    while (strncmp(t->lines[begun - 1], "problem ", 8) != 0) begun--;
    snprintf(line, sizeof line, "problem %d", t->index);
    HONE_TRY(write_line(t, line));
    for (int i = begun; i < t->next; i++) HONE_TRY(write_line(t, t->lines[i]));
    t->next = t->end;
    return HONE_OK;
}

static void go_live(hone_tape *t)
{
    if (!t->lived) t->live_from = t->live->clock(t->live->self) - t->clock;
    t->lived = true;
}

static double clock_of(void *self)
{
    hone_tape *t = self;
    return t->lived ? t->live->clock(t->live->self) - t->live_from : t->clock;
}

/* --- admitting --------------------------------------------------------------------------------------------------- */

static hone_status add_entry(hone_tape *t, const hone_choice *choice, entry **out)
{
    HONE_TRY(hone_grow(&t->entries, t->count, &t->capacity, sizeof *t->entries));
    *out = &t->entries[t->count++];
    **out = (entry){.choice = *choice};
    return HONE_OK;
}

/* A tab ends a field. */
static bool take_field(const char **at, char *out, size_t capacity)
{
    size_t length = strcspn(*at, "\t");
    if (length >= capacity) return false;
    memcpy(out, *at, length);
    out[length] = 0;
    *at += length + ((*at)[length] == '\t');
    return true;
}

/* The next line, where it is about this choice. */
static bool read_admission(const hone_tape *t, const hone_choice *choice, entry *it, double *clock, char *why,
                           size_t capacity)
{
    char kernel[128], settings[512], its_settings[512];
    int  fate, rest = 0;
    if (t->next == t->end) return false;
    const char *at = t->lines[t->next];
    long long   compared;
    if (sscanf(at, "admit %lg %d %lld%n", clock, &fate, &compared, &rest) != 3 || at[rest] != '\t' ||
        !isfinite(*clock) || *clock < 0 || compared < 0)
        return false;
    at += rest + 1;
    hone_config_print(choice->kernel->space, &choice->config, settings, sizeof settings);
    if (!take_field(&at, kernel, sizeof kernel) || !take_field(&at, its_settings, sizeof its_settings) ||
        !take_field(&at, why, capacity) || strcmp(kernel, choice->kernel->name) || strcmp(settings, its_settings) ||
        fate < 0 || fate >= HONE_FATE_COUNT)
        return false;
    it->fate = (hone_fate)fate;
    it->compared = compared;
    return true;
}

static bool recall_admission(hone_tape *t, const hone_choice *choice, entry *it, char *why, size_t capacity)
{
    if (!read_admission(t, choice, it, &t->clock, why, capacity)) return false;
    t->next++;
    return true;
}

bool hone_tape_knows(const hone_tape *tape, const hone_choice *choice)
{
    entry  it;
    double clock;
    char   why[300];
    return read_admission(tape, choice, &it, &clock, why, sizeof why);
}

static hone_status keep_admission(hone_tape *t, const entry *it, const char *why)
{
    char      line[2048], settings[512];
    hone_text text = hone_text_in(line, sizeof line);
    hone_config_print(it->choice.kernel->space, &it->choice.config, settings, sizeof settings);
    hone_text_add(&text, "admit %.9g %d %" PRId64 "\t%s\t%s\t%.255s", clock_of(t), it->fate, it->compared,
                  it->choice.kernel->name, settings, why);
    return write_line(t, line);
}

/* One that the oracle behind admits now; a fate of before stands. */
static hone_status admit_live(hone_tape *t, entry *it, hone_admission *out)
{
    go_live(t);
    *out = (hone_admission){.fate = HONE_FATE_FAILED};
    HONE_TRY(t->live->admit(t->live->self, &it->choice, 1, out));
    it->fate = out->fate;
    it->live = out->fate == HONE_FATE_RIGHT ? out->id : 0;
    if (it->live && t->compared) it->compared = t->compared(t->live->self, it->live);
    return HONE_OK;
}

static hone_status admit(void *self, const hone_choice *choices, int count, hone_admission *out)
{
    hone_tape *t = self;
    for (int i = 0; i < count; i++) {
        entry *it;
        HONE_TRY(add_entry(t, &choices[i], &it));
        int id = t->count;
        out[i] = (hone_admission){.id = id};
        if (recall_admission(t, &choices[i], it, out[i].why, sizeof out[i].why)) {
            out[i].fate = it->fate;
            continue;
        }
        HONE_TRY(leave(t));
        hone_admission now;
        HONE_TRY(admit_live(t, it, &now));
        out[i].fate = now.fate;
        memcpy(out[i].why, now.why, sizeof out[i].why);
        HONE_TRY(keep_admission(t, it, out[i].why));
    }
    return HONE_OK;
}

int64_t hone_tape_compared(const hone_tape *tape, int id)
{
    return id >= 1 && id <= tape->count ? tape->entries[id - 1].compared : 0;
}

bool hone_tape_lived(const hone_tape *tape)
{
    return tape->lived;
}

/* --- timing ------------------------------------------------------------------------------------------------------ */

static bool recall_times(hone_tape *t, const int *ids, int count, int rounds, double *seconds, hone_admission *fates)
{
    double clock;
    int    its_count, its_rounds, rest = 0;
    if (t->next == t->end) return false;
    const char *at = t->lines[t->next];
    if (sscanf(at, "time %lg %d %d%n", &clock, &its_count, &its_rounds, &rest) != 3 || at[rest] != '\t' ||
        !isfinite(clock) || clock < 0 || its_count != count || its_rounds != rounds)
        return false;
    at += rest + 1;
    char *end;
    for (int i = 0; i < count; i++, at = end)
        if (strtol(at, &end, 10) != ids[i] || end == at) return false;
    if (*at++ != '\t') return false;
    for (int i = 0; i < count * rounds; i++, at = end) {
        seconds[i] = strtod(at, &end);
        if (end == at) return false;
    }
    for (int i = 0; i < count; i++) {
        char field[300];
        int  fate;
        if (*at++ != '\t') return false;
        size_t length = strcspn(at, "\t");
        if (length >= sizeof field) return false;
        memcpy(field, at, length);
        field[length] = 0;
        at += length;
        if (sscanf(field, "%d%n", &fate, &rest) != 1 || fate < 0 || fate >= HONE_FATE_COUNT) return false;
        fates[i] = (hone_admission){.id = ids[i], .fate = (hone_fate)fate};
        snprintf(fates[i].why, sizeof fates[i].why, "%.255s", field + rest + (field[rest] == ' '));
        for (int r = 0; r < rounds && fates[i].fate == HONE_FATE_RIGHT; r++)
            if (!(seconds[r * count + i] > 0) || !isfinite(seconds[r * count + i])) return false;
    }
    for (int i = 0; i < count; i++) t->entries[ids[i] - 1].fate = fates[i].fate;
    t->clock = clock;
    t->next++;
    return true;
}

static hone_status keep_times(hone_tape *t, const int *ids, int count, int rounds, const double *seconds,
                              const hone_admission *fates)
{
    size_t room = 128 + (size_t)count * (300 + 12) + (size_t)count * (size_t)rounds * 32;
    char  *line = hone_alloc(room, 1);
    if (!line) return HONE_ERROR_MEMORY;
    hone_text text = hone_text_in(line, room);
    hone_text_add(&text, "time %.9g %d %d\t", clock_of(t), count, rounds);
    for (int i = 0; i < count; i++) hone_text_add(&text, "%s%d", i ? " " : "", ids[i]);
    hone_text_add(&text, "\t");
    for (int i = 0; i < count * rounds; i++) hone_text_add(&text, "%s%.17g", i ? " " : "", seconds[i]);
    for (int i = 0; i < count; i++) hone_text_add(&text, "\t%d %.255s", fates[i].fate, fates[i].why);
    hone_status status = write_line(t, line);
    hone_free(line);
    return status;
}

/* Those that the oracle behind knows, or comes to know, timed; the seconds of others are NaN. */
static hone_status time_live(hone_tape *t, const int *ids, int count, int rounds, double *seconds,
                             hone_admission *fates)
{
    int            *some = hone_alloc((size_t)count * 2 + 1, sizeof *some), *place = some + count, racing = 0;
    hone_admission *now = hone_alloc((size_t)count + 1, sizeof *now);
    double         *taken = hone_alloc((size_t)count * (size_t)rounds + 1, sizeof *taken);
    hone_status     status = some && now && taken ? HONE_OK : HONE_ERROR_MEMORY;
    go_live(t);
    for (int i = 0; i < count && status == HONE_OK; i++) {
        entry *it = &t->entries[ids[i] - 1];
        fates[i] = (hone_admission){.id = ids[i], .fate = it->fate};
        if (it->fate == HONE_FATE_RIGHT && !it->live) {
            hone_admission again;
            status = admit_live(t, it, &again);
            fates[i].fate = it->fate;
            memcpy(fates[i].why, again.why, sizeof fates[i].why);
        }
        for (int r = 0; r < rounds; r++) seconds[r * count + i] = NAN;
        if (it->fate != HONE_FATE_RIGHT) continue;
        place[racing] = i;
        some[racing++] = it->live;
    }
    if (status == HONE_OK && racing) status = t->live->time(t->live->self, some, racing, rounds, taken, now);
    for (int i = 0; i < racing && status == HONE_OK; i++) {
        entry *it = &t->entries[ids[place[i]] - 1];
        it->fate = fates[place[i]].fate = now[i].fate;
        if (it->fate != HONE_FATE_RIGHT) it->live = 0;
        memcpy(fates[place[i]].why, now[i].why, sizeof now[i].why);
        for (int r = 0; r < rounds; r++) seconds[r * count + place[i]] = taken[r * racing + i];
    }
    hone_free(some);
    hone_free(now);
    hone_free(taken);
    return status;
}

static hone_status time_some(void *self, const int *ids, int count, int rounds, double *seconds,
                         hone_admission *fates)
{
    hone_tape *t = self;
    for (int i = 0; i < count; i++)
        HONE_CHECK(ids[i] >= 1 && ids[i] <= t->count, HONE_ERROR_ARGUMENT, "tape: there is no candidate %d", ids[i]);
    if (recall_times(t, ids, count, rounds, seconds, fates)) return HONE_OK;
    HONE_TRY(leave(t));
    HONE_TRY(time_live(t, ids, count, rounds, seconds, fates));
    return keep_times(t, ids, count, rounds, seconds, fates);
}

static void drop(void *self, int id)
{
    hone_tape *t = self;
    if (id < 1 || id > t->count || !t->entries[id - 1].live) return;
    t->live->drop(t->live->self, t->entries[id - 1].live);
    t->entries[id - 1].live = 0;
}

hone_oracle hone_tape_oracle(hone_tape *tape)
{
    return (hone_oracle){admit, time_some, drop, clock_of, tape};
}

/* --- done -------------------------------------------------------------------------------------------------------- */

hone_status hone_tape_done(hone_tape *tape, int index)
{
    char line[32];
    if (tape->done[index]) return HONE_OK;
    tape->done[index] = true;
    snprintf(line, sizeof line, "done %d", index);
    return write_line(tape, line);
}

bool hone_tape_is_done(const hone_tape *tape, int index)
{
    return tape->done[index];
}
