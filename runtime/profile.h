/* The text of a profile: what tests and fuzzers see of runtime/profile.c besides runtime.h. */
#ifndef HONE_RUNTIME_PROFILE_H
#define HONE_RUNTIME_PROFILE_H

#include "runtime/runtime.h"

enum {
    HONE_RT_PROFILE_FORMAT    = 1,
    HONE_RT_PROFILE_LINE_MAX  = 1 << 16, /* bytes of a line, its newline among them */
    HONE_RT_PROFILE_BYTES_MAX = 1 << 28  /* bytes of a file that is rewritten */
};

/* The first line, with its newline; freed with hone_free. */
hone_status hone_rt_profile_print(const hone_be_device *device, const hone_ceilings *ceilings, char **out,
                                  size_t *bytes);

/* Its ceilings, every byte of it doubted. `bytes` with or without the newline. */
hone_status hone_rt_profile_parse(const hone_be_device *device, const char *line, size_t bytes, hone_ceilings *out);

/* Writes key and checksum into the beginning of a line whose rest stands; the line must have room for them. */
void hone_rt_profile_seal(const hone_be_device *device, char *line, size_t bytes);
enum { HONE_RT_PROFILE_SEAL = 51 };

#endif
