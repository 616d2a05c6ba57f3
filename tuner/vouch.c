/* A quick judgement: few elements of each output, without the promises of equal bits. */
#include "tuner/vouch.h"

#include <stdio.h>

#include "base/status.h"
#include "tuner/judge.h"

enum { ELEMENTS = 64 };

bool hone_vouch(hone_rt_context *context, const hone_rt_plan *plan, char *why, size_t capacity)
{
    hone_judge_options options = {.seed = 1, .sample = ELEMENTS};
    hone_verdict       verdict;
    hone_sentence      before;
    hone_sentence_keep(&before);
    hone_status status = hone_judge_plan(context, plan, &options, &verdict);
    bool        right = status == HONE_OK && verdict.fault == HONE_FAULT_NONE;
    if (!right) snprintf(why, capacity, "%s", status == HONE_OK ? verdict.sentence : hone_last_error());
    hone_sentence_back(&before);
    return right;
}
