/* Configurations as text, and whether they are legal. Parameters are known by name, never by position. */
#include "kernels/kernel.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "base/text.h"

int hone_space_find(const hone_space *space, const char *name, size_t length)
{
    for (int i = 0; space && i < space->count; i++)
        if (strlen(space->parameters[i].name) == length && memcmp(space->parameters[i].name, name, length) == 0)
            return i;
    return -1;
}

/* Which of the parameter's values this is; -1: none. */
static int value_at(const hone_parameter *parameter, int64_t value)
{
    for (int i = 0; i < parameter->count; i++)
        if (parameter->values[i] == value) return i;
    return -1;
}

void hone_config_standard(const hone_space *space, hone_config *out)
{
    memset(out, 0, sizeof *out);
    for (int i = 0; space && i < space->count; i++) out->value[i] = space->parameters[i].standard;
}

void hone_config_print(const hone_space *space, const hone_config *config, char *out, size_t capacity)
{
    hone_text text = hone_text_in(out, capacity);
    for (int i = 0; space && i < space->count; i++) {
        const hone_parameter *parameter = &space->parameters[i];
        int                   at = parameter->names ? value_at(parameter, config->value[i]) : -1;
        hone_text_add(&text, "%s%s=", i ? " " : "", parameter->name);
        if (at >= 0)
            hone_text_add(&text, "%s", parameter->names[at]);
        else
            hone_text_add(&text, "%" PRId64, config->value[i]);
    }
}

/* Reads one value: a name of it or a number. */
static bool value_parse(const hone_parameter *parameter, hone_word word, int64_t *out)
{
    for (int i = 0; parameter->names && i < parameter->count; i++)
        if (hone_word_is(word, parameter->names[i])) {
            *out = parameter->values[i];
            return true;
        }
    return hone_word_numbers(word, 0, out, 1) && value_at(parameter, *out) >= 0;
}

/* The parameter's values as a list for people. */
static void values_print(const hone_parameter *parameter, char *out, size_t capacity)
{
    hone_text text = hone_text_in(out, capacity);
    for (int i = 0; i < parameter->count; i++) {
        if (parameter->names)
            hone_text_add(&text, "%s%s", i ? ", " : "", parameter->names[i]);
        else
            hone_text_add(&text, "%s%" PRId64, i ? ", " : "", parameter->values[i]);
    }
}

hone_status hone_config_parse(const hone_request *request, const hone_kernel *kernel, const char *text,
                              hone_config *out)
{
    const hone_space *space = kernel->space;
    bool              seen[HONE_PARAMETERS_MAX] = {false};
    hone_word         word;
    hone_config_standard(space, out);
    while (hone_word_next(&text, &word)) {
        const char *equals = memchr(word.at, '=', word.length);
        size_t      length = equals ? (size_t)(equals - word.at) : word.length;
        int         said = (int)(word.length < 48 ? word.length : 48);
        HONE_CHECK(equals, HONE_ERROR_FORMAT, "%s: '%.*s' is not of the form parameter=value", kernel->name, said,
                   word.at);
        int at = hone_space_find(space, word.at, length);
        if (at < 0) {
            char name[48];
            snprintf(name, sizeof name, "%.*s", (int)(length < 40 ? length : 40), word.at);
            const char *nearest = NULL;
            int         least = INT_MAX;
            for (int i = 0; space && i < space->count; i++) {
                int distance = hone_text_distance(name, space->parameters[i].name);
                if (distance < least) least = distance, nearest = space->parameters[i].name;
            }
            HONE_CHECK(nearest, HONE_ERROR_FORMAT, "%s has no parameters, so none called '%s'", kernel->name, name);
            return hone_fail(HONE_ERROR_FORMAT, "%s has no parameter '%s'; the nearest is '%s'", kernel->name, name,
                             nearest);
        }
        const hone_parameter *parameter = &space->parameters[at];
        HONE_CHECK(!seen[at], HONE_ERROR_FORMAT, "%s: '%s' is given twice", kernel->name, parameter->name);
        seen[at] = true;
        hone_word value = {equals + 1, word.length - length - 1};
        if (!value_parse(parameter, value, &out->value[at])) {
            char list[320];
            values_print(parameter, list, sizeof list);
            return hone_fail(HONE_ERROR_FORMAT, "%s: '%.*s' is none of the values of '%s': %s", kernel->name,
                             (int)(value.length < 48 ? value.length : 48), value.at, parameter->name, list);
        }
    }
    const char *refusal = hone_config_refuses(request, kernel, out);
    HONE_CHECK(!refusal, HONE_ERROR_UNSUPPORTED, "%s: %s", kernel->name, refusal);
    return HONE_OK;
}

const char *hone_config_refuses_first(const hone_request *request, const hone_kernel *kernel, const hone_config *config,
                                      int known)
{
    const hone_space *space = kernel->space;
    for (int i = 0; i < known; i++)
        if (value_at(&space->parameters[i], config->value[i]) < 0) return "a value is none of its parameter's";
    for (int i = 0; space && i < space->constraint_count; i++) {
        if (space->constraints[i].looks_at >> known) continue; /* not all decided */
        const char *why = space->constraints[i].refuses(request, config);
        if (why) return why;
    }
    return NULL;
}

const char *hone_config_refuses(const hone_request *request, const hone_kernel *kernel, const hone_config *config)
{
    return hone_config_refuses_first(request, kernel, config, kernel->space ? kernel->space->count : 0);
}

void hone_config_canonical(const hone_request *request, const hone_kernel *kernel, hone_config *config)
{
    const hone_space *space = kernel->space;
    for (int i = 0; space && i < space->same_count; i++)
        config->value[space->same[i].parameter] = space->same[i].stands(request, config);
    for (int i = space ? space->count : 0; i < HONE_PARAMETERS_MAX; i++) config->value[i] = 0;
}
