/* hone/version.h: which hone this is. The headers say what a program was compiled against,
 * the calls say what it runs with; the build reads the version from the three numbers here.
 */
#ifndef HONE_VERSION_H
#define HONE_VERSION_H

#include <stdint.h>

#include <hone/api.h>

#define HONE_VERSION_MAJOR 0
#define HONE_VERSION_MINOR 1
#define HONE_VERSION_PATCH 0

/* Ten bits each for minor and patch: later versions compare greater. */
#define HONE_VERSION_NUMBER(major, minor, patch)                                                                       \
    (((uint32_t)(major) << 20) | ((uint32_t)(minor) << 10) | (uint32_t)(patch))
#define HONE_VERSION HONE_VERSION_NUMBER(HONE_VERSION_MAJOR, HONE_VERSION_MINOR, HONE_VERSION_PATCH)

/* The number in libhone.so.N: raised when a program compiled before would no longer run right. */
#define HONE_ABI_VERSION 0

#ifdef __cplusplus
extern "C" {
#endif

/** The version of the library that is running, made as HONE_VERSION is. Never fails; any thread. */
HONE_API uint32_t hone_version(void);

/** The ABI of the library that is running; a program compiled with another HONE_ABI_VERSION must not
 *  use it. Never fails; any thread. */
HONE_API int hone_abi_version(void);

/** "0.1.0": text of the library, never freed. Never fails; any thread. */
HONE_API const char *hone_version_string(void);

#ifdef __cplusplus
}
#endif

#endif
