/* hone/api.h: the two marks that every promise in these headers carries, and nothing else.
 *
 * HONE_API       the linker exports it; whatever lacks it stays inside the library
 * HONE_MUST_USE  the compiler objects when a result (most often a hone_status) is dropped
 */
#ifndef HONE_API_H
#define HONE_API_H

#if defined(__GNUC__) || defined(__clang__)
#define HONE_API      __attribute__((visibility("default")))
#define HONE_MUST_USE __attribute__((warn_unused_result))
#else
#define HONE_API
#define HONE_MUST_USE
#endif

#endif
