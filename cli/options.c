/* Options: read, checked and explained by the verb's own table. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/cli.h"

static int place_of(const cli_verb *verb, const char *name)
{
    for (int i = 0; verb->options[i].name; i++)
        if (!strcmp(verb->options[i].name, name)) return i;
    return -1;
}

bool cli_given(const cli_call *call, const char *option)
{
    int at = place_of(call->verb, option);
    return at >= 0 && call->texts[at];
}

const char *cli_text(const cli_call *call, const char *option, const char *otherwise)
{
    int at = place_of(call->verb, option);
    return at >= 0 && call->texts[at] ? call->texts[at] : otherwise;
}

double cli_number(const cli_call *call, const char *option, double otherwise)
{
    int at = place_of(call->verb, option);
    return at >= 0 && call->texts[at] ? call->numbers[at] : otherwise;
}

const char *cli_nearest(const char *name, const char *const *names, int count)
{
    const char *nearest = NULL;
    int         least = (int)strlen(name) / 3 + 2;
    for (int i = 0; i < count; i++) {
        int distance = hone_text_distance(name, names[i]);
        if (strlen(name) >= 3 && !strncmp(name, names[i], strlen(name))) distance = 1;
        if (distance < least) least = distance, nearest = names[i];
    }
    return nearest;
}

static bool refuse_option(const cli_verb *verb, const char *name)
{
    const char *names[CLI_OPTIONS_MAX + 1];
    int         count = 0;
    while (verb->options[count].name) {
        names[count] = verb->options[count].name;
        count++;
    }
    names[count] = "help";
    const char *nearest = cli_nearest(name, names, count + 1);
    if (nearest)
        fprintf(stderr, "hone %s: there is no option --%s; did you mean --%s?\n", verb->name, name, nearest);
    else
        fprintf(stderr, "hone %s: there is no option --%s; 'hone help %s' names them\n", verb->name, name, verb->name);
    return false;
}

static bool refuse_value(const cli_verb *verb, const cli_option *option, const char *value)
{
    const char *kind = option->kind == CLI_TIME ? "a time in seconds, as in 60, 500ms or 2m," : "a whole number";
    fprintf(stderr, "hone %s: --%s is '%s'; it must be %s from %.16g to %.16g\n", verb->name, option->name, value, kind,
            option->least, option->most);
    return false;
}

static double unit_of(const char *end)
{
    if (!*end || !strcmp(end, "s")) return 1;
    if (!strcmp(end, "ms")) return 1e-3;
    if (!strcmp(end, "m")) return 60;
    return 0;
}

static bool take_number(const cli_verb *verb, const cli_option *option, const char *value, double *out)
{
    char *end;
    if (!(*value >= '0' && *value <= '9')) return refuse_value(verb, option, value);
    *out = strtod(value, &end);
    double unit = option->kind == CLI_TIME ? unit_of(end) : *end ? 0 : 1;
    *out *= unit;
    bool whole = option->kind == CLI_TIME || *out == floor(*out);
    if (unit > 0 && whole && strcspn(value, "xX") == strlen(value) && *out >= option->least && *out <= option->most)
        return true;
    return refuse_value(verb, option, value);
}

/* "--name", "--name value" or "--name=value" at words[*at]. */
static bool take_option(int count, char **words, int *at, cli_call *call)
{
    const char *word = words[*at] + 2, *value = strchr(word, '=');
    char        name[64];
    snprintf(name, sizeof name, "%.*s", (int)(value ? value - word : (ptrdiff_t)strlen(word)), word);
    int place = place_of(call->verb, name);
    if (place < 0) return refuse_option(call->verb, name);

    const cli_option *option = &call->verb->options[place];
    if (call->texts[place]) {
        fprintf(stderr, "hone %s: --%s is given twice\n", call->verb->name, name);
        return false;
    }
    if (option->kind == CLI_FLAG) {
        if (value) fprintf(stderr, "hone %s: --%s takes no value, and '%s' was given\n", call->verb->name, name, value);
        call->texts[place] = "";
        return !value;
    }
    if (value)
        value++;
    else if (*at + 1 < count)
        value = words[++*at];
    if (!value || !*value || (!strchr(word, '=') && !strncmp(value, "--", 2))) {
        fprintf(stderr, "hone %s: --%s needs a value: --%s %s, %s\n", call->verb->name, name, name, option->value,
                option->meaning);
        return false;
    }
    call->texts[place] = value;
    return option->kind == CLI_TEXT || take_number(call->verb, option, value, &call->numbers[place]);
}

bool cli_parse(const cli_verb *verb, int count, char **words, cli_call *out)
{
    bool options_end = false;
    *out = (cli_call){.verb = verb};
    for (int i = 0; i < count; i++) {
        if (!options_end && !strcmp(words[i], "--")) {
            options_end = true;
        } else if (!options_end && !strncmp(words[i], "--", 2)) {
            if (!take_option(count, words, &i, out)) return false;
        } else if (!options_end && words[i][0] == '-' && words[i][1]) {
            fprintf(stderr, "hone %s: there is no option %s; options are whole words, as in --json\n", verb->name,
                    words[i]);
            return false;
        } else if (out->word_count == verb->words_max || out->word_count == CLI_WORDS_MAX) {
            fprintf(stderr, "hone %s: '%s' is one word too many: hone %s%s%s\n", verb->name, words[i], verb->name,
                    *verb->usage ? " " : "", verb->usage);
            if (strchr(verb->usage, 'P')) fprintf(stderr, "  (a problem is one word for the shell: quote it)\n");
            return false;
        } else {
            out->words[out->word_count++] = words[i];
        }
    }
    out->json = cli_given(out, "json");
    return true;
}

/* --- help ------------------------------------------------------------------------------------------------------ */

void cli_help_all(FILE *out)
{
    fprintf(out, "%shone%s %s: compute kernels, the fastest one chosen by measuring\n\n", cli_painted(out, CLI_BOLD),
            cli_painted(out, CLI_PLAIN), hone_version_string());
    fprintf(out,
            "  hone devices                               what is here, and what it can do\n"
            "  hone explain \"matmul f32 nn 512x512x512\"   which kernel is chosen, and why\n"
            "  hone check matmul --cases 1000             every kernel against the reference\n"
            "  hone bench \"matmul f32 nn 512x512x512\"     every candidate, side by side\n\n");
    for (const cli_verb *const *verb = cli_verbs; *verb; verb++)
        fprintf(out, "  %s%-12s%s %s\n", cli_painted(out, CLI_BOLD), (*verb)->name, cli_painted(out, CLI_PLAIN),
                (*verb)->line);
    fprintf(out, "\n'hone help VERB' or 'hone VERB --help' tells more. Exit codes:\n");
    static const struct {
        int         number;
        const char *text;
    } exits[] = {
#define EXIT_ROW(name, number, text) {number, text},
        CLI_EXIT_LIST(EXIT_ROW)
#undef EXIT_ROW
    };
    for (size_t i = 0; i < sizeof exits / sizeof *exits; i++) {
        fprintf(out, "  %3d  %s\n", exits[i].number, exits[i].text);
    }
}

void cli_help_verb(FILE *out, const cli_verb *verb)
{
    const char *heads[] = {"", "~", NULL};
    if (verb->examples) fprintf(out, "%s\n", verb->examples);
    fprintf(out, "%shone %s%s%s%s%s\n", cli_painted(out, CLI_BOLD), verb->name, cli_painted(out, CLI_PLAIN),
            *verb->usage ? " " : "", verb->usage, verb->options[0].name ? " [options]" : "");
    cli_wrap(out, 4, verb->line);
    if (verb->options[0].name) {
        cli_table *table = cli_table_new(heads);
        for (const cli_option *option = verb->options; option->name; option++) {
            char *left = cli_format("--%s%s%s", option->name, option->value ? " " : "",
                                    option->value ? option->value : "");
            cli_table_row(table, (const char *[]){left, option->meaning});
            free(left);
        }
        fputc('\n', out);
        cli_table_print(table, out, 2);
    }
    if (verb->more) {
        fputc('\n', out);
        cli_wrap(out, 0, verb->more);
    }
}
