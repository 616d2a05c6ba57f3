/* The tape of a session: what its oracle answered, kept in a file as it went, so that a session that was interrupted or
 * killed goes on where it stood and measures nothing twice.
 *
 * On a tape the answers come first from the file. The same search with the same seed asks the same questions, so it
 * comes by itself to where the file ends; from there on the oracle behind it is asked, and its answers are added. Where
 * a question is another one after all (another build) the rest of that problem's answers is dropped.
 *
 *     SUM session 1 KEY                                      SUM: of the rest of the line, which is lost where it
 *     SUM problem INDEX                                      is wrong: a torn end costs its line
 *     SUM admit CLOCK FATE COMPARED \t KERNEL \t CONFIGURATION \t WHY
 *     SUM time CLOCK COUNT ROUNDS \t IDS \t SECONDS \t FATE WHY \t FATE WHY ...
 *     SUM done INDEX
 *
 * Ids are those of the tape, 1, 2, ... for each problem. */
#ifndef HONE_TUNER_TAPE_H
#define HONE_TUNER_TAPE_H

#include "tuner/oracle.h"

typedef struct hone_tape hone_tape;

/* The tape in this file, of a session with this key; another one's is begun anew, as is any where `fresh` is set.
 * path NULL: nothing is kept. HONE_ERROR_STATE: another process is at work on it. */
hone_status hone_tape_open(const char *path, uint64_t key, bool fresh, hone_tape **out);
/* `finished`: there is nothing to go on with, the file is removed. NULL is fine. */
void        hone_tape_close(hone_tape *tape, bool finished);

/* Why no more is kept, a sentence; NULL: all is. A tape that cannot be written stops nobody. */
const char *hone_tape_complaint(const hone_tape *tape);
/* How many answers the file held when it was opened. */
int hone_tape_kept(const hone_tape *tape);

/* From now on answers are of problem `index`. `compared` (may be NULL) tells how much the judge saw of one that `live`
 * admitted; both are borrowed. */
hone_status hone_tape_problem(hone_tape *tape, int index, const hone_oracle *live,
                              int64_t (*compared)(const void *self, int id));
/* What the search of this problem began with, as one line of text: where the tape holds that, it takes the place of
 * `text`; else `text` is kept. Asked once, before the first answer. */
hone_status hone_tape_starts(hone_tape *tape, char *text, size_t capacity);
hone_oracle hone_tape_oracle(hone_tape *tape);
int64_t     hone_tape_compared(const hone_tape *tape, int id);
/* Does it hold the answer to whether this is right, and is that the next one? */
bool        hone_tape_knows(const hone_tape *tape, const hone_choice *choice);
/* Was a live answer needed since hone_tape_problem()? */
bool        hone_tape_lived(const hone_tape *tape);

/* The row of this problem is written. */
hone_status hone_tape_done(hone_tape *tape, int index);
bool        hone_tape_is_done(const hone_tape *tape, int index);

#endif
