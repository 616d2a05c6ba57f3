/* Saying things, to the host's callback and nowhere else. */
#ifndef HONE_BASE_LOG_H
#define HONE_BASE_LOG_H

#include <stdbool.h>

#include <hone/context.h>

typedef struct hone_log {
    hone_log_function say; /* NULL: silence */
    void             *user;
    hone_log_level    level;
} hone_log;

static inline bool hone_log_wants(const hone_log *log, hone_log_level level)
{
    return log && log->say && level <= log->level;
}

void hone_log_say(const hone_log *log, hone_log_level level, const char *format, ...) HONE_PRINTF(3, 4);

#endif
