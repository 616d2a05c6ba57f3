/* Talk: what is said on stderr, how figures are written for people, and JSON for programs. */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/cli.h"

static bool progress_shown;

static void say(const cli_call *call, const char *format, va_list list)
{
    cli_progress(NULL);
    fflush(stdout);
    fprintf(stderr, "hone %s: ", call->verb->name);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
}

int cli_fail(const cli_call *call, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    say(call, format, list);
    va_end(list);
    return CLI_UNUSABLE;
}

void cli_say(const cli_call *call, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    say(call, format, list);
    va_end(list);
}

int cli_fail_status(const cli_call *call, hone_status status)
{
    if (status == HONE_ERROR_INTERRUPTED) return CLI_INTERRUPTED;
    cli_say(call, "%s", hone_last_error());
    return CLI_UNUSABLE;
}

static bool plain(FILE *stream)
{
    const char *none = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return (none && *none) || !terminal || !strcmp(terminal, "dumb") || !isatty(fileno(stream));
}

void cli_progress(const char *format, ...)
{
    static int64_t last;
    const char    *terminal = getenv("TERM");
    if (!isatty(STDERR_FILENO) || !terminal || !strcmp(terminal, "dumb")) return;
    if (!format) {
        if (progress_shown) fputs("\r\033[K", stderr);
        progress_shown = false;
        return;
    }
    int64_t now = hone_now_ns();
    if (progress_shown && now - last < 100000000) return; /* ten a second are enough for any eye */
    last = now;
    char    text[256];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    fprintf(stderr, "\r\033[K%.*s", cli_columns(stderr) - 1, text);
    progress_shown = true;
}

const char *cli_painted(FILE *stream, cli_paint paint)
{
    static const char *const letters[] = {"\033[0m", "\033[1m", "\033[2m", "\033[31m", "\033[32m"};
    return plain(stream) ? "" : letters[paint];
}

int cli_columns(FILE *stream)
{
    struct winsize size;
    if (!isatty(fileno(stream)) || ioctl(fileno(stream), TIOCGWINSZ, &size) != 0) return 80;
    return size.ws_col > 80 ? size.ws_col : 80;
}

/* --- interrupts ------------------------------------------------------------------------------------------------ */

static volatile sig_atomic_t interrupted;
static int64_t               first_interrupt_ns;

/* The first one asks; another one, a good moment later, ends the program at once. Several at a time are one: some
 * programs send them so. */
static void note_interrupt(int number)
{
    int64_t now = hone_now_ns();
    if (interrupted && now - first_interrupt_ns > 500000000) {
        signal(number, SIG_DFL);
        raise(number);
    }
    if (!interrupted) first_interrupt_ns = now;
    interrupted = 1;
}

/* What whoever started this wanted ignored stays so: nohup, a shell's background. */
static void heed(int number)
{
    struct sigaction asks = {.sa_handler = note_interrupt}, before;
    if (sigaction(number, NULL, &before) == 0 && before.sa_handler == SIG_IGN) return;
    sigaction(number, &asks, NULL);
}

void cli_catch_interrupts(void)
{
    heed(SIGINT);
    heed(SIGTERM);
}

bool cli_interrupted(void)
{
    return interrupted;
}

/* --- memory ---------------------------------------------------------------------------------------------------- */

static void *or_end(void *memory)
{
    if (memory) return memory;
    fputs("hone: out of memory\n", stderr);
    exit(CLI_UNUSABLE);
}

void *cli_alloc(size_t count, size_t size)
{
    return or_end(calloc(count ? count : 1, size));
}

void *cli_grow(void *memory, size_t count, size_t size)
{
    return or_end(reallocarray(memory, count, size));
}

char *cli_format(const char *format, ...)
{
    char   *out;
    va_list list;
    va_start(list, format);
    int length = vasprintf(&out, format, list);
    va_end(list);
    return or_end(length < 0 ? NULL : out);
}

/* --- figures --------------------------------------------------------------------------------------------------- */

/* Three digits, whatever the size: 1.23, 12.3, 123. */
static int digits(double value)
{
    return value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
}

cli_figure cli_rate(double per_second, const char *unit)
{
    static const char *const prefixes[] = {"", "k", "M", "G", "T", "P", "E"};
    cli_figure               out;
    int                      at = 0;
    if (!(per_second > 0) || !isfinite(per_second)) {
        snprintf(out.text, sizeof out.text, "-");
        return out;
    }
    for (; per_second >= 999.5 && at < 6; at++) per_second /= 1000;
    snprintf(out.text, sizeof out.text, "%.*f %s%s", digits(per_second), per_second, prefixes[at], unit);
    return out;
}

cli_figure cli_bytes(double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    cli_figure               out;
    int                      at = 0;
    if (!(bytes > 0) || !isfinite(bytes)) {
        snprintf(out.text, sizeof out.text, "-");
        return out;
    }
    for (; bytes >= 1023.5 && at < 5; at++) bytes /= 1024;
    snprintf(out.text, sizeof out.text, "%.*f %s", bytes == floor(bytes) ? 0 : digits(bytes), bytes, units[at]);
    return out;
}

cli_figure cli_time(double seconds)
{
    static const char *const units[] = {"ns", "us", "ms", "s"};
    cli_figure               out;
    double                   value = seconds * 1e9;
    int                      at = 0;
    if (!(seconds > 0) || !isfinite(seconds)) {
        snprintf(out.text, sizeof out.text, "-");
        return out;
    }
    for (; value >= 999.5 && at < 3; at++) value /= 1000;
    snprintf(out.text, sizeof out.text, "%.*f %s", digits(value), value, units[at]);
    return out;
}

/* --- JSON ------------------------------------------------------------------------------------------------------ */

void cli_set(json_t *object, const char *name, json_t *value)
{
    or_end(json_object_set_new(object, name, or_end(value)) == 0 ? object : NULL);
}

void cli_append(json_t *array, json_t *value)
{
    or_end(json_array_append_new(array, or_end(value)) == 0 ? array : NULL);
}

json_t *cli_object(void)
{
    return or_end(json_object());
}

json_t *cli_array(void)
{
    return or_end(json_array());
}

json_t *cli_real(double value)
{
    return or_end(isfinite(value) ? json_real(value) : json_null());
}

json_t *cli_string(const char *text)
{
    if (!text) return json_null();
    json_t *out = json_string(text);
    if (out) return out;
    char *copy = cli_format("%s", text); /* no UTF-8 */
    for (char *at = copy; *at; at++)
        if ((unsigned char)*at >= 128) *at = '?';
    out = or_end(json_string(copy));
    free(copy);
    return out;
}

json_t *cli_answer(const cli_call *call)
{
    json_t *answer = cli_object();
    cli_set(answer, "hone", cli_string(hone_version_string()));
    cli_set(answer, "verb", cli_string(call->verb->name));
    cli_set(answer, "schema", json_integer(1));
    return answer;
}

void cli_print_json(json_t *json)
{
    cli_progress(NULL);
    if (json_dumpf(json, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9)) != 0) or_end(NULL);
    fputc('\n', stdout);
    json_decref(json);
}
