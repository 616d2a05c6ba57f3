/* What many problems together say: how the chosen kernel stands beside the best library, and beside the best
 * candidate. */
#ifndef HONE_CLI_BENCH_SUMMARY_H
#define HONE_CLI_BENCH_SUMMARY_H

#include "cli/cli.h"
#include "tuner/contest.h"

typedef struct cli_duel {
    char         *problem;
    char          kernel[64], rival[64]; /* who was compared with whom */
    hone_interval ratio;                 /* time of the rival over time of the kernel, paired by round */
} cli_duel;

enum { CLI_CHOSEN, CLI_OWN, CLI_REGRET, CLI_SUMMARIES };

typedef struct cli_summary {
    cli_duel *duels[CLI_SUMMARIES]; /* chosen beside the best library; our best beside it; chosen beside the best */
    int       count[CLI_SUMMARIES];
} cli_summary;

/* Adds one timed problem. */
void    cli_summary_add(cli_summary *summary, const hone_contest *contest, const char *problem);
void    cli_summary_print(const cli_summary *summary, FILE *out);
json_t *cli_summary_json(const cli_summary *summary);
void    cli_summary_free(cli_summary *summary);

#endif
