/* hone: the program's door. Finds the verb, reads its options, runs it, and tells the shell how it went. */
#include "cli/cli.h"
#include "tuner/vouch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VERB(name) extern const cli_verb name;
#include "cli/verbs.def"
#undef VERB

const cli_verb *const cli_verbs[] = {
#define VERB(name) &name,
#include "cli/verbs.def"
#undef VERB
    NULL};

const cli_verb *cli_verb_find(const char *name)
{
    for (const cli_verb *const *verb = cli_verbs; *verb; verb++)
        if (!strcmp((*verb)->name, name)) return *verb;
    return NULL;
}

static int unknown_verb(const char *name)
{
    const char *names[64];
    int         count = 0;
    for (const cli_verb *const *verb = cli_verbs; *verb; verb++) names[count++] = (*verb)->name;
    const char *nearest = cli_nearest(name, names, count);
    if (nearest)
        fprintf(stderr, "hone: there is no verb '%s'; did you mean 'hone %s'?\n", name, nearest);
    else
        fprintf(stderr, "hone: there is no verb '%s'; 'hone help' names them\n", name);
    return CLI_UNUSABLE;
}

/* What was printed must have arrived: a full disk is no success. */
static int flushed(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return code;
    fprintf(stderr, "hone: the answer could not be written to stdout: %s\n", strerror(errno));
    return CLI_UNUSABLE;
}

static int run(int count, char **words)
{
    if (count == 0) {
        cli_help_all(stderr);
        return CLI_UNUSABLE;
    }
    const char *name = words[0];
    if (!strcmp(name, "--help") || !strcmp(name, "-h")) name = "help";
    if (!strcmp(name, "--version") || !strcmp(name, "-V")) name = "version";
    const cli_verb *verb = cli_verb_find(name);
    if (!verb) return unknown_verb(words[0]);

    for (int i = 1; i < count && strcmp(words[i], "--"); i++)
        if (!strcmp(words[i], "--help") || !strcmp(words[i], "-h")) {
            cli_help_verb(stdout, verb);
            return CLI_FINE;
        }
    cli_call call;
    if (!cli_parse(verb, count - 1, words + 1, &call)) return CLI_UNUSABLE;
    return verb->run(&call);
}

int main(int count, char **words)
{
    cli_command = words;
    hone_rt_vouch = hone_vouch; /* rows that somebody else measured are judged first */
    cli_catch_interrupts();
    return flushed(run(count - 1, words + 1));
}
