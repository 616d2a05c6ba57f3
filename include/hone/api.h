/* hone/api.h: the marks that promises in these headers carry.
 *
 * HONE_API       the linker exports it; whatever lacks it stays inside the library
 * HONE_MUST_USE  the compiler objects when a result (most often a hone_status) is dropped
 */
#ifndef HONE_API_H
#define HONE_API_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) || defined(__clang__)
#define HONE_API              __attribute__((visibility("default")))
#define HONE_MUST_USE         __attribute__((warn_unused_result))
#define HONE_PRINTF(at, rest) __attribute__((__format__(__printf__, at, rest)))
#else
#define HONE_API
#define HONE_MUST_USE
#define HONE_PRINTF(at, rest)
#endif

#endif
