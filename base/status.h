/* Failing with a sentence. The message is written where the fault is noticed, with the values, once. */
#ifndef HONE_BASE_STATUS_H
#define HONE_BASE_STATUS_H

#include <inttypes.h>

#include <hone/status.h>

/* Sets the thread's sentence and returns `status`, so that a failing line reads `return hone_fail(...)`. */
hone_status hone_fail(hone_status status, const char *format, ...) HONE_PRINTF(2, 3);

/* Puts "prefix: " before the sentence that a floor below wrote. */
hone_status hone_fail_within(hone_status status, const char *format, ...) HONE_PRINTF(2, 3);

/* The thread's sentence, put aside and brought back: for calls that try what may fail and then succeed. */
enum { HONE_SENTENCE_MAX = 1024 };
typedef struct hone_sentence {
    char text[HONE_SENTENCE_MAX];
} hone_sentence;
void hone_sentence_keep(hone_sentence *out);
void hone_sentence_back(const hone_sentence *kept);

/* What an assertion says; ends the process. For our own mistakes alone. */
_Noreturn void hone_assert_failed(const char *expression, const char *file, int line);

/* Pass a failure upwards. */
#define HONE_TRY(call)                                                                                                 \
    do {                                                                                                               \
        hone_status hone_try_status = (call);                                                                          \
        if (__builtin_expect(hone_try_status != HONE_OK, 0)) return hone_try_status;                                   \
    } while (0)

/* Notice a failure of the caller, and tell. Compiled in always. */
#define HONE_CHECK(condition, status, ...)                                                                             \
    do {                                                                                                               \
        if (__builtin_expect(!(condition), 0)) return hone_fail((status), __VA_ARGS__);                                \
    } while (0)

/* Notice a mistake of our own: only where HONE_ASSERTS is set (development and sanitizer builds). */
#ifdef HONE_ASSERTS
#define HONE_ASSERT(condition) ((condition) ? (void)0 : hone_assert_failed(#condition, __FILE__, __LINE__))
#else
#define HONE_ASSERT(condition) ((void)sizeof(condition))
#endif

#endif
