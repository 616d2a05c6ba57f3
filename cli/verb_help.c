/* hone help, hone version, hone completions: what the program says of itself, made from the table of verbs. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static const cli_option json_alone[] = {CLI_OPTION_JSON, CLI_OPTION_END};

static json_t *describe(const cli_verb *verb)
{
    static const char *const kinds[] = {"flag", "text", "number", "time"};
    json_t                  *it = cli_object(), *options = cli_array();
    cli_set(it, "name", cli_string(verb->name));
    cli_set(it, "line", cli_string(verb->line));
    cli_set(it, "usage", cli_string(verb->usage));
    for (const cli_option *option = verb->options; option->name; option++) {
        json_t *one = cli_object();
        cli_set(one, "name", cli_string(option->name));
        cli_set(one, "kind", cli_string(kinds[option->kind]));
        cli_set(one, "meaning", cli_string(option->meaning));
        cli_append(options, one);
    }
    cli_set(it, "options", options);
    return it;
}

static int help(const cli_call *call)
{
    const cli_verb *verb = call->word_count ? cli_verb_find(call->words[0]) : NULL;
    if (call->word_count && !verb) {
        const char *names[64];
        int         count = 0;
        for (const cli_verb *const *at = cli_verbs; *at; at++) names[count++] = (*at)->name;
        const char *nearest = cli_nearest(call->words[0], names, count);
        return cli_fail(call, "there is no verb '%s'%s%s%s", call->words[0], nearest ? "; did you mean '" : "",
                        nearest ? nearest : "", nearest ? "'?" : "; 'hone help' names them");
    }
    if (call->json) {
        json_t *answer = cli_answer(call), *verbs = cli_array();
        for (const cli_verb *const *at = cli_verbs; *at; at++)
            if (!verb || *at == verb) cli_append(verbs, describe(*at));
        cli_set(answer, "verbs", verbs);
        cli_print_json(answer);
    } else if (verb) {
        cli_help_verb(stdout, verb);
    } else {
        cli_help_all(stdout);
    }
    return CLI_FINE;
}

const cli_verb cli_verb_help = {
    .name = "help",
    .line = "the verbs, or one of them",
    .usage = "[VERB]",
    .examples = "  hone help            the verbs, and the exit codes\n"
                "  hone help bench      one verb: examples, options\n",
    .options = json_alone,
    .words_max = 1,
    .run = help,
};

static int version(const cli_call *call)
{
    if (call->json) {
        json_t *answer = cli_answer(call);
        cli_set(answer, "version", cli_string(hone_version_string()));
        cli_set(answer, "number", json_integer(hone_version()));
        cli_set(answer, "abi", json_integer(hone_abi_version()));
        cli_print_json(answer);
    } else {
        printf("hone %s (ABI %d)\n", hone_version_string(), hone_abi_version());
    }
    return CLI_FINE;
}

const cli_verb cli_verb_version = {
    .name = "version",
    .line = "which hone this is",
    .usage = "",
    .examples = "  hone version         as text\n"
                "  hone version --json  as JSON, with the number that programs compare\n",
    .options = json_alone,
    .words_max = 0,
    .run = version,
};

/* One script for bash: the words that may follow are few, and known. */
static int completions(const cli_call *call)
{
    if (call->word_count && strcmp(call->words[0], "bash"))
        return cli_fail(call, "completions are known for bash, and '%s' was asked for", call->words[0]);
    if (call->json) {
        json_t *answer = cli_answer(call), *verbs = cli_array();
        for (const cli_verb *const *at = cli_verbs; *at; at++) cli_append(verbs, describe(*at));
        cli_set(answer, "verbs", verbs);
        cli_print_json(answer);
        return CLI_FINE;
    }
    printf("_hone()\n{\n    local word=${COMP_WORDS[COMP_CWORD]} list\n    case ${COMP_WORDS[1]} in\n");
    for (const cli_verb *const *verb = cli_verbs; *verb; verb++) {
        printf("    %s) list='--help", (*verb)->name);
        for (const cli_option *option = (*verb)->options; option->name; option++) printf(" --%s", option->name);
        printf("' ;;\n");
    }
    printf("    esac\n    if [ \"$COMP_CWORD\" = 1 ]; then list='");
    for (const cli_verb *const *verb = cli_verbs; *verb; verb++) printf("%s ", (*verb)->name);
    printf("--help'; fi\n    COMPREPLY=($(compgen -W \"$list\" -- \"$word\"))\n}\ncomplete -o default -F _hone hone\n");
    return CLI_FINE;
}

const cli_verb cli_verb_completions = {
    .name = "completions",
    .line = "completions for the shell",
    .usage = "[bash]",
    .examples = "  hone completions > ~/.local/share/bash-completion/completions/hone\n",
    .options = json_alone,
    .words_max = 1,
    .run = completions,
};
