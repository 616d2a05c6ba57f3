/* A machine drawn: as text of 80 columns, as SVG, and as JSON. */
#ifndef HONE_CLI_DRAW_H
#define HONE_CLI_DRAW_H

#include "backends/cpu/machine.h"
#include "cli/cli.h"

/* Boxes in boxes; parts that are alike are drawn once. Lines as they are where the stream is a terminal that shows
 * UTF-8, plain letters elsewhere. */
void cli_draw_text(FILE *out, const hone_machine *machine);

/* A whole SVG document, for the caller to free. `label` names the machine; with `device` (NULL: none) its measured
 * ceilings stand below. */
char *cli_draw_svg(const hone_machine *machine, const char *label, const hone_be_device *device, size_t *bytes);

/* {"kind": "machine", ..., "parts": [...]} */
json_t *cli_machine_json(const hone_machine *machine);

/* "2 packages, 4 NUMA nodes, 32 cores (8 strong, 24 weak), 40 threads, 64 GiB", for the caller to free. */
char *cli_machine_line(const hone_machine *machine);

/* --- shared by the drawings ------------------------------------------------------------------------------------ */

/* Siblings that are alike: the first one, and how many. `at` is the next one to look at; false at the end. `each`:
 * every one by itself. */
typedef struct cli_run {
    int at, first, count;
} cli_run;
bool cli_run_next(const hone_machine *machine, cli_run *run, bool each);

/* What stands over a part's box, on the left and on the right; the second may be empty. For the caller to free. */
void cli_part_titles(const hone_machine *machine, const cli_run *run, char **left, char **right);

/* "L2 1 MiB, L1 32 KiB": a core's own caches; empty without. For the caller to free. */
char *cli_core_caches(const hone_part *core, const char *between);

#endif
