/* Lines of a profile, as bytes that anybody may have written: once as they are, once under a right seal, so that what
 * lies behind the checksum is reached too; as the first line, and as a row. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "runtime/profile/profile.h"
#include "runtime/profile/row.h"
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

/* A row that is taken is one that can be written, and is the same again. */
static void parse_row(const char *line, size_t bytes)
{
    static hone_rt_row row, again;
    static char        text[HONE_RT_ROW_TEXT_MAX];
    size_t             length;
    hone_status        status = hone_rt_row_parse(NULL, line, bytes, &row);
    FUZZ_ASSERT(status == HONE_OK || (status == HONE_ERROR_FORMAT && hone_last_error()[0] && !row.problem[0]));
    if (status != HONE_OK) return;
    FUZZ_ASSERT(hone_rt_row_print(&row, text, &length) == HONE_OK);
    FUZZ_ASSERT(hone_rt_row_parse(row.silicon, text, length, &again) == HONE_OK);
    FUZZ_ASSERT(strcmp(row.problem, again.problem) == 0 && row.kind == again.kind && row.flags == again.flags);
    FUZZ_ASSERT(row.sample_count == again.sample_count && row.sample_count <= HONE_RT_SAMPLES_MAX);
    FUZZ_ASSERT(strcmp(row.best.config, again.best.config) == 0 && strcmp(row.reason, again.reason) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *line = calloc(bytes + 1, 1); /* exactly as long as it is: a sanitizer sees a step too far */
    if (bytes) memcpy(line, data, bytes);
    uint64_t key = 0, sum;
    parse(line, bytes);
    parse_row(line, bytes);
    if (bytes > HONE_RT_PROFILE_SEAL) {
        if (!hone_rt_line_read(line, hone_rt_line_without_newline(line, bytes), &key, &sum)) key = 0;
        hone_rt_line_seal(key, line, bytes);
        parse_row(line, bytes);
        hone_rt_profile_seal(&device, line, bytes);
        parse(line, bytes);
    }
    free(line);
    return 0;
}
