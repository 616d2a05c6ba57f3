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
/* Out of every cache; false where the CPU cannot be told to. */
bool hone_operands_flush(const hone_operands *operands);

#endif
