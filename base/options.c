/* The table of environment variables. */
#include "base/options.h"

#include <stdlib.h>
#include <sys/auxv.h>

static const struct {
    const char *variable, *meaning;
} options[HONE_OPTION_COUNT] = {
#define OPTION_ROW(id, variable, meaning) [id] = {variable, meaning},
    HONE_OPTION_LIST(OPTION_ROW)
#undef OPTION_ROW
};

const char *hone_option_get(hone_option option)
{
    if (getauxval(AT_SECURE)) return NULL;
    const char *value = getenv(options[option].variable);
    return value && *value ? value : NULL;
}

const char *hone_option_variable(hone_option option)
{
    return options[option].variable;
}

const char *hone_option_meaning(hone_option option)
{
    return options[option].meaning;
}
