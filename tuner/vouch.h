/* What the tuner's library does for the hall: the judge's word on a plan that rests on somebody else's row. */
#ifndef HONE_TUNER_VOUCH_H
#define HONE_TUNER_VOUCH_H

#include "runtime/profile/rows.h"

/* hone_rt_vouch: set by the programs that have the judge in them, before they make contexts. */
bool hone_vouch(hone_rt_context *context, const hone_rt_plan *plan, char *why, size_t capacity);

#endif
