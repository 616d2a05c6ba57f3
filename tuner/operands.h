/* Operands that are timed: the arguments of a problem in host memory, holding random finite data.
 *
 * Guard zones lie around each; these and the inputs are summed up, so that whoever timed something can tell that it was
 * changed. */
#ifndef HONE_TUNER_OPERANDS_H
#define HONE_TUNER_OPERANDS_H

#include "runtime/runtime.h"

/* The arguments of a problem in host memory, made to be timed. What is read and written in one is kept in several
 * copies that launches take in turn, so that no launch works on what another one left. */
typedef struct hone_operands hone_operands;

/* What is opaque is packed by what the context chooses for it. */
hone_status hone_operands_make(hone_rt_context *context, const hone_request *request, uint64_t seed,
                               hone_operands **out);
void        hone_operands_free(hone_operands *operands);

/* Of the copy that launch number `turn` takes. */
const hone_arguments *hone_operands_of(const hone_operands *operands, int turn);
/* How many launches find fresh operands; 0: any number, for nothing is read that was written. */
int hone_operands_turns(const hone_operands *operands);
/* Makes all copies fresh again. */
void hone_operands_restore(hone_operands *operands);
/* Was anything changed that launches must leave alone: a guard zone, an input? NULL: nothing. Else what, in words that
 * stay as long as the operands. */
const char *hone_operands_harm(const hone_operands *operands);

/* Judges a launch on the very memory that was timed: inputs are drawn anew in their places, outputs filled with NaN, so
 * that who kept a result, or left the work undone, has none. A sample of each output is held against the op's reference
 * and its derived bound. *wrong: an empty text, or the sentence that says what is wrong. The operands hold other data
 * afterwards, as good as those before. */
typedef hone_status (*hone_operands_launch)(void *self, const hone_arguments *arguments);
hone_status hone_operands_judge(hone_operands *operands, hone_rt_context *context, const hone_request *request,
                                uint64_t seed, hone_operands_launch launch, void *self, char *wrong, size_t capacity);

/* Out of every cache; false where the CPU cannot be told to. */
bool hone_operands_flush(const hone_operands *operands);

#endif
