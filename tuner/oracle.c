/* Fates in words: see oracle.h. */
#include "tuner/oracle.h"

#include <string.h>

void hone_admission_say(hone_admission *admission, hone_fate fate, const char *why)
{
    size_t length = strnlen(why, sizeof admission->why - 1);
    admission->fate = fate;
    memcpy(admission->why, why, length);
    admission->why[length] = 0;
}

const char *hone_fate_text(hone_fate fate)
{
    static const char *const texts[HONE_FATE_COUNT] = {
        [HONE_FATE_RIGHT] = "right",
        [HONE_FATE_REFUSED] = "refused",
        [HONE_FATE_WRONG] = "wrong",
        [HONE_FATE_CRASHED] = "crashed",
        [HONE_FATE_HUNG] = "hung",
        [HONE_FATE_MEMORY] = "out of memory",
        [HONE_FATE_CORRUPTED] = "corrupted memory",
        [HONE_FATE_FAILED] = "failed",
    };
    return (unsigned)fate < HONE_FATE_COUNT ? texts[fate] : NULL;
}
