/* Formats a line and hands it to the host. The line lives on the stack: logging needs no memory and takes no lock. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

void hone_log_say(const hone_log *log, hone_log_level level, const char *format, ...)
{
    if (!hone_log_wants(log, level)) return;
    char    line[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    log->say(log->user, level, line);
}
