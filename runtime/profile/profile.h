/* The text of a profile's first line, which describes the device: what tests, fuzzers and the program see of
 * runtime/profile/device.c besides runtime.h. Its other lines are in rows.h. */
#ifndef HONE_RUNTIME_PROFILE_PROFILE_H
#define HONE_RUNTIME_PROFILE_PROFILE_H

#include "runtime/profile/line.h"
#include "runtime/runtime.h"

enum {
    HONE_RT_PROFILE_FORMAT    = 1,
    HONE_RT_PROFILE_BYTES_MAX = 1 << 28 /* bytes of a file that is rewritten */
};

/* The first line, with its newline; freed with hone_free. */
hone_status hone_rt_profile_print(const hone_be_device *device, const hone_ceilings *ceilings, char **out,
                                  size_t *bytes);

/* Its ceilings, every byte of it doubted. `bytes` with or without the newline. */
hone_status hone_rt_profile_parse(const hone_be_device *device, const char *line, size_t bytes, hone_ceilings *out);

/* Writes key and checksum into the beginning of a first line whose rest stands; it must have room for them. */
void hone_rt_profile_seal(const hone_be_device *device, char *line, size_t bytes);

#endif
