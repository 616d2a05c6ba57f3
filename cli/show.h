/* How a device and its ceilings are shown: the same by `hone devices` and `hone profile show`. */
#ifndef HONE_CLI_SHOW_H
#define HONE_CLI_SHOW_H

#include "cli/cli.h"

void cli_show_device(FILE *out, const hone_be_device *device);
void cli_show_ceilings(FILE *out, const hone_be_device *device, const hone_ceilings *ceilings);

json_t *cli_device_json(const hone_be_device *device);
json_t *cli_ceilings_json(const hone_ceilings *ceilings);

#endif
