/* hone profile is several files: each part of it, and what they share. */
#ifndef HONE_CLI_PROFILE_PARTS_H
#define HONE_CLI_PROFILE_PARTS_H

#include "cli/cli.h"
#include "runtime/profile/rows.h"

/* words[0] names the part; what follows is its own. Each gives what the program ends with. */
int profile_show(const cli_call *call, const cli_hone *hone);
int profile_list(const cli_call *call, const cli_hone *hone);
int profile_diff(const cli_call *call, const cli_hone *hone);
int profile_merge(const cli_call *call, const cli_hone *hone);
int profile_compact(const cli_call *call, const cli_hone *hone);
int profile_verify(const cli_call *call, const cli_hone *hone);
int profile_export(const cli_call *call, const cli_hone *hone);
int profile_hash(const cli_call *call, const cli_hone *hone);

/* All rows that count, by their problems; freed with free. NULL `file`: of all layers. Anything but CLI_FINE: it was
 * said why. *refused: lines that could not be used. */
typedef struct profile_rows {
    hone_rt_row *at;
    int          count, refused;
    char         silicon[160];
} profile_rows;
int profile_rows_read(const cli_call *call, const cli_hone *hone, const char *file, profile_rows *out);
/* Do two rows speak of the same request? Like strcmp. */
int profile_rows_compare(const hone_rt_row *a, const hone_rt_row *b);

/* A file's name, the middle of a long one left out; freed with free. */
char   *profile_short_name(const char *name);
json_t *profile_row_json(const hone_rt_row *row);
/* "2 threads, 64 bytes, cold, ...": all of a row's request and policy besides its problem; freed with free. */
char *profile_row_terms(const hone_rt_row *row);

#endif
