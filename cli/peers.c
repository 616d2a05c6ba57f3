/* Other people's libraries at their best, before they are timed.
 *
 * Some choose their kernels by tables of CPUs when they are opened, and take a newer one for an old one. Their modules
 * say so, with the variable that mends it (`hone doctor` repeats it). A figure beside which such a library was left as
 * it was would be no figure: so the program sets the variables and starts again, once, as none is set that was set
 * before. The library itself never touches the environment. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "runtime/modules.h"

char **cli_command;

/* "...; before the program starts: export NAME=VALUE", where NAME is not set yet. */
static bool read_mend(const char *sentence, char *name, char *value, size_t capacity)
{
    const char *at = strstr(sentence, "export ");
    if (!at) return false;
    at += strlen("export ");
    size_t length = strcspn(at, "=");
    if (length >= capacity || at[length] != '=' || strlen(at + length + 1) >= capacity) return false;
    snprintf(name, capacity, "%.*s", (int)length, at);
    snprintf(value, capacity, "%s", at + length + 1);
    return !getenv(name);
}

int cli_peers_at_their_best(const cli_call *call, const cli_hone *hone)
{
    hone_rt_module_remark remarks[48];
    int                   count = hone_rt_module_remarks(hone->context, remarks, 48), set = 0;
    for (int i = 0; i < count; i++) {
        char name[64], value[64];
        if (remarks[i].state != HONE_RT_MODULE_SAYS || !read_mend(remarks[i].sentence, name, value, sizeof name))
            continue;
        if (setenv(name, value, 0) != 0) return cli_fail(call, "%s cannot be set: %s", name, strerror(errno));
        cli_say(call, "starts again with %s=%s: %.*s", name, value, (int)strcspn(remarks[i].sentence, ";"),
                remarks[i].sentence);
        set++;
    }
    if (!set) return CLI_FINE;
    fflush(NULL);
    execv("/proc/self/exe", cli_command);
    return cli_fail(call, "it cannot start again: %s", strerror(errno));
}
