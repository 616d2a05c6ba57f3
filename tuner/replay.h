/* The oracle of a recording: searches run on it without a device, in no time, and the same each time.
 *
 * Its kernels are made of the recording: as many parameters as were recorded, and one before them that says which
 * kernel it is; legal is what has a row. A launch takes the median of its row, scattered as all samples of the
 * recording scatter about theirs; the clock counts what admissions and launches took. */
#ifndef HONE_TUNER_REPLAY_H
#define HONE_TUNER_REPLAY_H

#include "tuner/recording.h"

typedef struct hone_replay hone_replay;

/* The recording is borrowed until it is closed. `seed` is that of the scatter; `blind`: kernels do not estimate. */
hone_status hone_replay_open(const hone_recording *recording, uint64_t seed, bool blind, hone_replay **out);
void        hone_replay_close(hone_replay *replay);

hone_oracle               hone_replay_oracle(hone_replay *replay);
const hone_request       *hone_replay_request(const hone_replay *replay);
const hone_kernel *const *hone_replay_kernels(const hone_replay *replay, int *count);
/* The recorded starts; the first is the untuned choice. */
const hone_choice        *hone_replay_starts(const hone_replay *replay, int *count);
hone_choice               hone_replay_choice(const hone_replay *replay, int row);
/* The row of a choice; -1: it has none. */
int                       hone_replay_row(const hone_replay *replay, const hone_choice *choice);
/* Candidates that were admitted so far, and launches that were timed. */
int                       hone_replay_admitted(const hone_replay *replay);

#endif
