/* A session's tape as bytes that anybody may have written: once as they are, once with each line under its right sum,
 * so that what lies behind the sums is reached too. Whatever it holds, a session on it gets answers that can be, and
 * goes on; and what is done stays done. */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/status.h"
#include "base/text.h"
#include "tests/fuzz/fuzz.h"
#include "tuner/tape.h"

enum { KEY = 5, COUNT = 2, ROUNDS = 2, PROBLEMS = 2 };

static const hone_kernel kernel = {.name = "cpu.packed"};
static double            now;

static hone_status admit(void *self, const hone_choice *choices, int count, hone_admission *out)
{
    (void)self;
    for (int i = 0; i < count; i++)
        if (choices[i].config.value[0])
            hone_admission_say(&out[i], HONE_FATE_CRASHED, "it said\nin two lines\tthat it would");
        else
            out[i] = (hone_admission){.id = i + 1};
    return HONE_OK;
}

static hone_status time_some(void *self, const int *ids, int count, int rounds, double *seconds, hone_admission *fates)
{
    (void)self;
    for (int i = 0; i < count; i++) fates[i] = (hone_admission){.id = ids[i]};
    for (int i = 0; i < count * rounds; i++) seconds[i] = 1e-3;
    return HONE_OK;
}

static void drop(void *self, int id)
{
    (void)self, (void)id;
}

static double clock_of(void *self)
{
    (void)self;
    return now += 1;
}

static bool can_be(const hone_admission *it)
{
    return it->fate >= 0 && it->fate < HONE_FATE_COUNT && memchr(it->why, 0, sizeof it->why);
}

static void one_problem(hone_tape *tape, int index)
{
    const hone_oracle live = {admit, time_some, drop, clock_of, NULL};
    const hone_choice choices[COUNT] = {{.kernel = &kernel}, {.kernel = &kernel, .config = {{index}}}};
    hone_admission    some[COUNT] = {{0}}, fates[COUNT] = {{0}};
    int               ids[COUNT];
    double            seconds[COUNT * ROUNDS];
    char              starts[64] = "none";
    FUZZ_ASSERT(hone_tape_problem(tape, index, &live, NULL) == HONE_OK);
    FUZZ_ASSERT(hone_tape_starts(tape, starts, sizeof starts) == HONE_OK && memchr(starts, 0, sizeof starts));
    hone_oracle taped = hone_tape_oracle(tape);
    FUZZ_ASSERT(taped.admit(taped.self, choices, COUNT, some) == HONE_OK);
    for (int i = 0; i < COUNT; i++) {
        FUZZ_ASSERT(can_be(&some[i]) && some[i].id == i + 1);
        ids[i] = some[i].id;
    }
    FUZZ_ASSERT(taped.time(taped.self, ids, COUNT, ROUNDS, seconds, fates) == HONE_OK);
    for (int i = 0; i < COUNT; i++) {
        FUZZ_ASSERT(can_be(&fates[i]) && fates[i].id == ids[i]);
        for (int r = 0; r < ROUNDS; r++) {
            const double it = seconds[r * COUNT + i];
            FUZZ_ASSERT(fates[i].fate != HONE_FATE_RIGHT || (it > 0 && isfinite(it)));
        }
    }
    taped.drop(taped.self, ids[0]);
    FUZZ_ASSERT(isfinite(taped.clock(taped.self)));
    FUZZ_ASSERT(hone_tape_done(tape, index) == HONE_OK);
}

static void session_on(const char *path, const void *text, size_t bytes)
{
    hone_tape *tape;
    FILE      *file = fopen(path, "wb");
    FUZZ_ASSERT(file && fwrite(text, 1, bytes, file) == bytes && fclose(file) == 0);
    FUZZ_ASSERT(hone_tape_open(path, KEY, false, &tape) == HONE_OK && hone_tape_kept(tape) >= 0);
    for (int i = 0; i < PROBLEMS; i++) one_problem(tape, i);
    FUZZ_ASSERT(!hone_tape_complaint(tape));
    hone_tape_close(tape, false);
    FUZZ_ASSERT(hone_tape_open(path, KEY, false, &tape) == HONE_OK && hone_tape_kept(tape) > 0);
    for (int i = 0; i < PROBLEMS; i++) FUZZ_ASSERT(hone_tape_is_done(tape, i));
    hone_tape_close(tape, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static char path[64];
    size_t      lines = 1;
    if (!*path)
        snprintf(path, sizeof path, "%s/hone-fuzz-tape-%ld", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm",
                 (long)getpid());
    for (size_t i = 0; i < bytes; i++) lines += data[i] == '\n';
    char     *sealed = malloc(bytes + lines * 18 + 1);
    hone_text text = hone_text_in(sealed, bytes + lines * 18 + 1);
    for (size_t at = 0, length; at < bytes; at += length + 1) {
        const void *end = memchr(data + at, '\n', bytes - at);
        length = end ? (size_t)((const uint8_t *)end - (data + at)) : bytes - at;
        hone_text_add(&text, "%016llx ", (unsigned long long)hone_hash(data + at, length, 0));
        memcpy(sealed + text.length, data + at, length);
        sealed[text.length + length] = '\n';
        text.length += length + 1;
    }
    session_on(path, data, bytes);
    session_on(path, sealed, text.length);
    free(sealed);
    return 0;
}
