/* hone-probe FILE: opens a module as the library would, so that one that crashes or hangs does so here.
 *
 * What it finds goes to descriptor 3, or, run by hand, to stdout, a line each:
 *
 *     at opening | at its hone_module_open | at reading its rows    what comes next: the last is where it died
 *     kernel NAME OP BACKEND
 *     proven | idle SENTENCE | refused SENTENCE        the end
 *
 * Nothing of hone is linked. It leaves without running what modules and their libraries want done at exit. */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kernels/module.h"

static int  answers = 3;
static char sentence[300];

static void HONE_PRINTF(1, 2) say(const char *format, ...)
{
    char    line[512];
    va_list list;
    va_start(list, format);
    int length = vsnprintf(line, sizeof line - 1, format, list);
    va_end(list);
    if (length < 0) _exit(2);
    if (length > (int)sizeof line - 2) length = (int)sizeof line - 2;
    for (int i = 0; i < length; i++)
        if ((unsigned char)line[i] < ' ') line[i] = ' ';
    line[length] = '\n';
    if (write(answers, line, (size_t)length + 1) != length + 1) _exit(2);
}

/* --- what a module may call ------------------------------------------------------------------------------------- */

static void *host_allocate(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > PTRDIFF_MAX - 64) return NULL;
    void *memory = aligned_alloc(64, (bytes / 64 + 1) * 64);
    return memory ? memset(memory, 0, bytes) : NULL;
}

static void host_release(void *memory)
{
    free(memory);
}

static hone_status HONE_PRINTF(2, 3) host_fail(hone_status status, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(sentence, sizeof sentence, format, list);
    va_end(list);
    return status;
}

static void HONE_PRINTF(2, 3) host_log(hone_log_level level, const char *format, ...)
{
    (void)level, (void)format;
}

static void host_each(const hone_team *team, int chunks, double seconds, void (*work)(void *argument, int chunk),
                      void *argument)
{
    (void)team;
    (void)seconds;
    for (int i = 0; i < chunks; i++) work(argument, i);
}

/* Both are ELF, for different machines: the loader has no words of its own for that. */
static bool is_of_another_machine(const char *path)
{
    enum { HEAD = 20, MACHINE = 18 };
    unsigned char its[HEAD] = {0}, own[HEAD] = {0};
    int           file = open(path, O_RDONLY | O_CLOEXEC), self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    bool          known = read(file, its, HEAD) == HEAD && read(self, own, HEAD) == HEAD && !memcmp(its, "\177ELF", 4);
    close(file);
    close(self);
    return known && memcmp(its + MACHINE, own + MACHINE, 2) != 0;
}

/* --- the trial -------------------------------------------------------------------------------------------------- */

_Noreturn static void refused(const char *why)
{
    say("refused %s", why);
    _exit(1);
}

static void read_rows(const hone_module *module)
{
    if (!module->name || !*module->name) refused("it has no name");
    if (module->backend || module->ops)
        refused("it brings a backend or ops; such a module is given to the context by the program");
    for (const hone_kernel *const *at = module->kernels; at && *at; at++) {
        const hone_kernel *k = *at;
        if (!k->name || !k->op || !k->backend) refused("a kernel of it lacks its name, its op or its backend");
        if (!k->refuses || !k->suggest || !k->estimate || !k->prepare || !k->launch || !k->release)
            refused("a kernel of it lacks one of its functions");
        say("kernel %s %s %s", k->name, k->op, k->backend);
    }
}

int main(int count, char **words)
{
    static const hone_host host = {HONE_MODULE_ABI, host_allocate, host_release, host_fail, host_log, host_each};
    if (count != 2) {
        fprintf(stderr, "usage: hone-probe FILE    tries a module of hone, and says what it found\n");
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    setrlimit(RLIMIT_CPU, &(struct rlimit){60, 60});
    if (fcntl(answers, F_GETFD) < 0) answers = 1;

    say("at opening");
    void *object = dlopen(words[1], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!object) {
        const char *why = dlerror();
        if (is_of_another_machine(words[1])) refused("it was built for another kind of machine");
        say("refused it cannot be opened: %s", why ? why : "for a reason that was not told");
        return 1;
    }
    hone_module_open_function *open_module;
    *(void **)&open_module = dlsym(object, "hone_module_open");
    if (!open_module) refused("it has no function hone_module_open");
    say("at its hone_module_open");
    const hone_module *module = open_module(&host);
    if (!module) {
        say("idle %s", *sentence ? sentence : "it has nothing to offer");
        _exit(0);
    }
    if (module->abi != HONE_MODULE_ABI) {
        say("refused it speaks the ABI %u of modules, and this library %u", module->abi, HONE_MODULE_ABI);
        _exit(1);
    }
    say("at reading its rows");
    read_rows(module);
    say("proven");
    _exit(0);
}
