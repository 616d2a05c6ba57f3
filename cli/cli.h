/* What the verbs of the hone program share: how a verb describes itself, what it was asked, and how it answers.
 *
 * A verb is one file and one row in verbs.def. Its table tells options and examples; help, parsing, "did you mean" and
 * the shell's completions are made from that table alone. Data goes to stdout, talk to stderr. */
#ifndef HONE_CLI_CLI_H
#define HONE_CLI_CLI_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "base/status.h"
#include "runtime/runtime.h"

/* What the program ends with. The numbers are the same for every verb, and are promised. */
#define CLI_EXIT_LIST(X)                                                                                               \
    X(CLI_FINE, 0, "done, and nothing is wrong")                                                                       \
    X(CLI_NO, 1, "done, and the answer is no: a fault was found, no profile is kept, ...")                           \
    X(CLI_UNUSABLE, 2, "not done: asked in a way that cannot be understood, or something failed")                      \
    X(CLI_UNSURE, 3, "done, and it cannot be told")                                                                    \
    X(CLI_WRONG, 4, "a kernel gave wrong results")                                                                     \
    X(CLI_INTERRUPTED, 130, "interrupted; what was known by then is printed")

#define CLI_EXIT_ENUM(name, number, text) name = number,
typedef enum cli_exit { CLI_EXIT_LIST(CLI_EXIT_ENUM) } cli_exit;
#undef CLI_EXIT_ENUM

/* --- verbs ----------------------------------------------------------------------------------------------------- */

typedef enum cli_kind {
    CLI_FLAG,   /* --json */
    CLI_TEXT,   /* --device cpu:0 */
    CLI_NUMBER, /* --cases 1000, within least .. most */
    CLI_TIME    /* --budget 60, 60s, 500ms, 2m: seconds, within least .. most */
} cli_kind;

typedef struct cli_option {
    const char *name;  /* without its dashes */
    cli_kind    kind;
    const char *value; /* what stands for it in help: "N" */
    const char *meaning;
    double      least, most;
} cli_option;

enum { CLI_OPTIONS_MAX = 24, CLI_WORDS_MAX = 64 };

typedef struct cli_call cli_call;

typedef struct cli_verb {
    const char       *name;
    const char       *line;     /* what it does, on one line */
    const char       *usage;    /* what may follow its name, options aside */
    const char       *examples; /* lines "  hone ...    what for" */
    const char       *more;     /* further paragraphs of its help; NULL: none */
    const cli_option *options;  /* end with a name of NULL; --help is everybody's */
    int               words_max;
    int (*run)(const cli_call *call);
} cli_verb;

/* Options that mean the same wherever they stand. */
#define CLI_OPTION_JSON    {"json", CLI_FLAG, NULL, "the answer as JSON, on stdout", 0, 0}
#define CLI_OPTION_DEVICE  {"device", CLI_TEXT, "D", "cpu:0 (default), ..., or best", 0, 0}
#define CLI_OPTION_THREADS {"threads", CLI_NUMBER, "N", "how many a launch may use (default 1)", 1, 4096}
#define CLI_OPTION_SEED    {"seed", CLI_NUMBER, "S", "of all that is random (default 1)", 0, 9007199254740992.0}
#define CLI_OPTION_END     {NULL, CLI_FLAG, NULL, NULL, 0, 0}

/* What was asked. */
struct cli_call {
    const cli_verb *verb;
    int             word_count;
    const char     *words[CLI_WORDS_MAX];
    const char     *texts[CLI_OPTIONS_MAX]; /* by the option's place in the verb's table; NULL: not given */
    double          numbers[CLI_OPTIONS_MAX];
    bool            json;
};

extern const cli_verb *const cli_verbs[]; /* ends with NULL */
const cli_verb              *cli_verb_find(const char *name);

bool        cli_given(const cli_call *call, const char *option);
const char *cli_text(const cli_call *call, const char *option, const char *otherwise);
double      cli_number(const cli_call *call, const char *option, double otherwise);

/* Reads the words behind the verb. False: it was said on stderr what is wrong, with the nearest that would be right. */
bool cli_parse(const cli_verb *verb, int count, char **words, cli_call *out);

void cli_help_all(FILE *out);
void cli_help_verb(FILE *out, const cli_verb *verb);

/* The nearest of `count` names, NULL when none is near. */
const char *cli_nearest(const char *name, const char *const *names, int count);

/* --- talk ------------------------------------------------------------------------------------------------------ */

/* "hone check: ..." on stderr. The first is for what ends a verb, and gives CLI_UNUSABLE. */
int  cli_fail(const cli_call *call, const char *format, ...) HONE_PRINTF(2, 3);
void cli_say(const cli_call *call, const char *format, ...) HONE_PRINTF(2, 3);

/* The same for a call of the library that failed: its own sentence; CLI_INTERRUPTED where it was asked to stop. */
int cli_fail_status(const cli_call *call, hone_status status);

/* One line on a terminal's stderr that the next one replaces; nothing in a pipe. NULL wipes it. */
void cli_progress(const char *format, ...) HONE_PRINTF(1, 2);

typedef enum cli_paint { CLI_PLAIN, CLI_BOLD, CLI_DIM, CLI_RED, CLI_GREEN } cli_paint;
/* The letters that switch to it; empty where the stream is no terminal, or NO_COLOR or TERM=dumb ask for none. */
const char *cli_painted(FILE *stream, cli_paint paint);

int cli_columns(FILE *stream); /* of the terminal, at least 80; 80 elsewhere */

/* Ctrl-C and a request to end are noticed here; what takes long asks and ends early. */
void cli_catch_interrupts(void);
bool cli_interrupted(void);

/* --- memory, text, JSON ---------------------------------------------------------------------------------------- */

/* The program's own memory; where there is none the program says so and ends. */
void *cli_alloc(size_t count, size_t size);
void *cli_grow(void *memory, size_t count, size_t size);
char *cli_format(const char *format, ...) HONE_PRINTF(1, 2);

/* Figures for people, three digits: "1.21 T", "32 KiB", "12.3 us". 0 gives "-". */
typedef struct cli_figure {
    char text[24];
} cli_figure;
cli_figure cli_rate(double per_second, const char *unit); /* "98.1 GFLOP/s" with the unit "FLOP/s" */
cli_figure cli_bytes(double bytes);
cli_figure cli_time(double seconds);

void    cli_set(json_t *object, const char *name, json_t *value); /* takes the value; ends the program without memory */
void    cli_append(json_t *array, json_t *value);
json_t *cli_object(void);
json_t *cli_array(void);
json_t *cli_real(double value);       /* null for what JSON has no number for */
json_t *cli_string(const char *text); /* null for NULL; what is no UTF-8 is replaced */
/* {"hone": "0.1.0", "verb": "check", "schema": 1}: what every answer begins with. */
json_t *cli_answer(const cli_call *call);
/* Prints it on stdout, with a newline, and lets go of it. */
void cli_print_json(json_t *json);

/* --- tables ---------------------------------------------------------------------------------------------------- */

/* Columns as wide as their content; one that may be wrapped takes what is left of the stream's width. */
typedef struct cli_table cli_table;
/* `heads` end with NULL. A head that begins with '>' is set to the right; one with '~' may be wrapped. */
cli_table *cli_table_new(const char *const *heads);
void       cli_table_row(cli_table *table, const char *const *cells); /* as many as heads; copied; NULL: empty */
void       cli_table_print(cli_table *table, FILE *out, int indent);   /* and ends it; NULL: only that */
/* Words of `text` within the stream's width, each line behind `indent` blanks. */
void cli_wrap(FILE *out, int indent, const char *text);

/* --- hone ------------------------------------------------------------------------------------------------------ */

/* A context with a device of it. */
typedef struct cli_hone {
    hone_context    *handle;
    hone_rt_context *context;
    hone_be_device  *device;
    int              threads; /* that a launch may use */
} cli_hone;

typedef struct cli_hone_options {
    const char *device;  /* NULL: "cpu:0" */
    int         threads; /* that a launch may use; 0: 1 */
    bool        untuned; /* choices as they are without measurements of single problems */
    bool        quiet;   /* the library's warnings are not passed on */
    bool        limited; /* no CPU kernel above isa_limit, whatever HONE_ISA allows */
    hone_isa    isa_limit;
} cli_hone_options;

/* Opens what the call asks for. Anything but CLI_FINE: it was said why. */
int  cli_open(const cli_call *call, const cli_hone_options *options, cli_hone *out);
void cli_close(cli_hone *hone);

/* Starts the program again with what modules want set so that their libraries do what they can here; comes back, with
 * CLI_FINE, where all is set. Nothing may have been printed yet. */
int           cli_peers_at_their_best(const cli_call *call, const cli_hone *hone);
extern char **cli_command; /* the words that the program was called with */

/* Measures the ceilings of a device of the host, with a word of progress, and makes them the device's. Not kept. */
hone_status cli_measure_ceilings(hone_be_device *device);

/* A request for a problem as it would be made by a call with well aligned operands. */
hone_request cli_request(const cli_hone *hone, const hone_op *op, const void *problem);

/* Does `text` name this op and kernel? Part of "op/kernel", or a pattern with * and ? for all of it. */
bool cli_matches(const char *pattern, const hone_op *op, const hone_kernel *kernel);
/* True when at least one kernel of the device matches; else it was said which is near. */
bool cli_matches_any(const cli_call *call, const cli_hone *hone, const char *pattern);
/* A problem has blanks in it; a pattern has none. */
bool cli_is_problem(const char *text);

#endif
