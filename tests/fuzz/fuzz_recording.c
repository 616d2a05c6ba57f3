/* A recorded space as bytes that anybody may have written: taken or refused with a sentence; what is taken is whole,
 * and when it is written and read again the same rows are in it. */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/status.h"
#include "tests/fuzz/fuzz.h"
#include "tuner/recording.h"

static void look_at(const hone_recording *it)
{
    FUZZ_ASSERT(it->row_count > 0 && it->start_count > 0 && it->start_count <= 16 && it->threads >= 1);
    FUZZ_ASSERT(isfinite(it->admit_s) && it->admit_s >= 0);
    for (int i = 0; i < it->start_count; i++) FUZZ_ASSERT(it->starts[i] >= 0 && it->starts[i] < it->row_count);
    for (int i = 0; i < it->row_count; i++)
        FUZZ_ASSERT(it->rows[i].fate >= 0 && it->rows[i].fate < HONE_FATE_COUNT && !(it->rows[i].estimate < 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static char    path[64];
    hone_recording it, again;
    if (!*path)
        snprintf(path, sizeof path, "%s/hone-fuzz-recording-%ld", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm",
                 (long)getpid());
    FILE *file = fopen(path, "wb");
    FUZZ_ASSERT(file && fwrite(data, 1, bytes, file) == bytes && fclose(file) == 0);
    hone_fail(HONE_OK, "%s", "");
    hone_status status = hone_recording_load(path, &it);
    if (status == HONE_OK) {
        look_at(&it);
        FUZZ_ASSERT(hone_recording_save(&it, path) == HONE_OK);
        if (hone_recording_load(path, &again) == HONE_OK) { /* figures beyond all reason are rounded out of it */
            look_at(&again);
            FUZZ_ASSERT(it.row_count == again.row_count && !strcmp(it.problem, again.problem));
            FUZZ_ASSERT(!memcmp(it.starts, again.starts, (size_t)it.start_count * sizeof *it.starts));
            hone_recording_free(&again);
        }
        hone_recording_free(&it);
    } else {
        FUZZ_ASSERT(status == HONE_ERROR_FORMAT && hone_last_error()[0] && !it.row_count);
    }
    unlink(path);
    return 0;
}
