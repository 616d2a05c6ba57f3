/* The first line of a profile, as bytes that anybody may have written: once as they are, once under a right seal, so
 * that what lies behind the checksum is reached too. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "runtime/profile/profile.h"
#include "tests/fuzz/fuzz.h"

static const hone_be_device device = {.name = "cpu:0", .fingerprint = "cpu Test/1/2 avx512 cores=4"};

static void parse(const char *line, size_t bytes)
{
    hone_ceilings ceilings;
    hone_status   status = hone_rt_profile_parse(&device, line, bytes, &ceilings);
    const double *figures = (const double *)&ceilings;
    FUZZ_ASSERT(status == HONE_OK || (status == HONE_ERROR_FORMAT && hone_last_error()[0]));
    for (size_t i = 0; i < sizeof ceilings / sizeof *figures; i++)
        FUZZ_ASSERT(isfinite(figures[i]) && figures[i] >= 0 && (status == HONE_OK || figures[i] == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *line = calloc(bytes + 1, 1); /* exactly as long as it is: a sanitizer sees a step too far */
    if (bytes) memcpy(line, data, bytes);
    parse(line, bytes);
    if (bytes > HONE_RT_PROFILE_SEAL) {
        hone_rt_profile_seal(&device, line, bytes);
        parse(line, bytes);
    }
    free(line);
    return 0;
}
