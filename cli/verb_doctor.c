/* hone doctor: what is wrong with this installation, and the command that mends it.
 *
 * A *fault* makes hone fail, lose what it learnt, or run far below what it could; *advice* is something that costs
 * speed and may be meant. Only faults make the exit code 1. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "backends/cpu/cpu.h"
#include "backends/cpu/topology.h"
#include "base/options.h"
#include "cli/cli.h"
#include "runtime/modules.h"

extern char **environ;

static const cli_option options[] = {
    CLI_OPTION_JSON,
    CLI_OPTION_END,
};

typedef struct finding {
    const char *about;
    bool        fault;
    char       *what, *mend;
} finding;

typedef struct doctor {
    int     count, looked;
    finding findings[64];
} doctor;

/* "what|mend", the command that mends it behind the bar. */
static void HONE_PRINTF(4, 5) find(doctor *d, const char *about, bool fault, const char *format, ...)
{
    va_list list;
    char   *text;
    va_start(list, format);
    int length = vasprintf(&text, format, list);
    va_end(list);
    if (length < 0 || d->count == (int)(sizeof d->findings / sizeof *d->findings)) return;
    char *bar = strchr(text, '|');
    if (bar) *bar = 0;
    d->findings[d->count++] = (finding){about, fault, text, cli_format("%s", bar ? bar + 1 : "")};
}

static void look_at_version(doctor *d)
{
    d->looked++;
    if (hone_version() != HONE_VERSION)
        find(d, "version", true, "the program was compiled against hone %d.%d.%d and runs with %s|reinstall hone",
             HONE_VERSION_MAJOR, HONE_VERSION_MINOR, HONE_VERSION_PATCH, hone_version_string());
    d->looked++;
    if (hone_abi_version() != HONE_ABI_VERSION)
        find(d, "version", true, "the program was compiled for ABI %d and runs with ABI %d|reinstall hone",
             HONE_ABI_VERSION, hone_abi_version());
}

static void look_at_build(doctor *d)
{
    static const char again[] = "cmake --workflow --preset release";
    d->looked += 3;
    (void)again;
#ifndef __OPTIMIZE__
    find(d, "build", true, "hone was built without optimisation, and is many times slower than it could be|%s", again);
#endif
#ifdef HONE_ASSERTS
    find(d, "build", false, "hone was built with assertions, as for development|%s", again);
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    find(d, "build", false, "hone was built with a sanitizer, and is several times slower|%s", again);
#endif
}

/* --- the environment ------------------------------------------------------------------------------------------- */

static void look_at_isa(doctor *d)
{
    const char *isa = hone_option_get(HONE_OPTION_ISA);
    hone_isa    limit;
    d->looked++;
    if (!isa) return;
    if (!hone_cpu_isa_parse(isa, &limit)) {
        const char *known[HONE_ISA_COUNT];
        for (int i = 0; i < HONE_ISA_COUNT; i++) known[i] = hone_cpu_isa_name((hone_isa)i);
        const char *nearest = cli_nearest(isa, known, HONE_ISA_COUNT);
        find(d, "HONE_ISA", true,
             "HONE_ISA is '%s', which is no instruction set: no context can be made|export HONE_ISA=%s", isa,
             nearest ? nearest : known[HONE_ISA_COUNT - 1]);
    } else if (limit < hone_cpu_isa()) {
        find(d, "HONE_ISA", false, "HONE_ISA keeps hone at %s, and this CPU has %s|unset HONE_ISA", isa,
             hone_cpu_isa_name(hone_cpu_isa()));
    }
}

static void look_at_log(doctor *d)
{
    static const char *const levels[] = {"error", "warning", "info", "select"};
    const char              *log = hone_option_get(HONE_OPTION_LOG);
    d->looked++;
    if (!log) return;
    for (int i = 0; i < 4; i++)
        if (!strcmp(log, levels[i])) return;
    const char *nearest = cli_nearest(log, levels, 4);
    find(d, "HONE_LOG", true, "HONE_LOG is '%s', which is no level: no context can be made|export HONE_LOG=%s", log,
         nearest ? nearest : "warning");
}

static void look_at_unknown(doctor *d)
{
    const char *known[HONE_OPTION_COUNT];
    int         count = 0;
    for (int i = 0; i < HONE_OPTION_COUNT; i++)
        if (!strncmp(hone_option_variable((hone_option)i), "HONE_", 5))
            known[count++] = hone_option_variable((hone_option)i);
    d->looked++;
    for (char **at = environ; *at; at++) {
        char name[64];
        bool is_known = false;
        if (strncmp(*at, "HONE_", 5)) continue;
        snprintf(name, sizeof name, "%.*s", (int)strcspn(*at, "="), *at);
        for (int i = 0; i < count; i++) is_known |= !strcmp(name, known[i]);
        if (is_known) continue;
        const char *nearest = cli_nearest(name, known, count);
        if (nearest)
            find(d, name, true, "hone knows no variable %s; did you mean %s?|unset %s; export %s=%s", name, nearest,
                 name, nearest, *at + strcspn(*at, "=") + 1);
        else
            find(d, name, false, "hone knows no variable %s, and passes it over|unset %s", name, name);
        d->findings[d->count - 1].about = "environment";
    }
}

/* --- the machine ----------------------------------------------------------------------------------------------- */

/* AVX-512 that the CPU has and the operating system does not keep for its programs. */
static void look_at_avx512(doctor *d)
{
#if defined(__x86_64__)
    unsigned a, b, c, e, low = 0, high;
    d->looked++;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &e) || !(b & 1u << 16)) return;
    if (!__get_cpuid(1, &a, &b, &c, &e)) return;
    if (c & 1u << 27) __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if ((low & 0xe6u) != 0xe6u)
        find(d, "AVX-512", false,
             "this CPU has AVX-512, and the operating system (or the hypervisor) does not enable it"
             "|boot a kernel without clearcpuid=, noxsave or a virtual CPU that hides it");
#else
    (void)d;
#endif
}

/* How much of the machine this process may use, as the CPU device reckons it. */
static void look_at_limits(doctor *d)
{
    hone_cpu_mask usable;
    const long    online = sysconf(_SC_NPROCESSORS_ONLN);
    d->looked += 3;
    hone_cpu_usable(&usable);
    hone_cpu_mask_limit("/sys", "/proc", &usable);
    const int mine = hone_cpu_mask_count(&usable);
    if (mine && online > mine)
        find(d, "cpuset", false,
             "this process may use %d of the machine's %ld CPUs|taskset -a -p -c 0-%ld $$, or a larger "
             "cpuset for its container",
             mine, online, online - 1);

    const uint64_t  memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    hone_cpu_layout layout = {.cores = mine, .memory_bytes = memory};
    hone_cpu_layout_limit("/sys", "/proc", &layout);
    if (layout.quota > 0 && layout.quota < (double)online)
        find(d, "cgroup", false,
             "the control group allows %.1f of %ld CPUs: more threads than that are stopped in turns"
             "|give the container more CPU time (docker update --cpus=%ld), or use fewer threads",
             layout.quota, online, online);
    if (layout.memory_bytes < memory)
        find(d, "cgroup", false, "the control group allows %s of the machine's %s of memory"
             "|give the container more memory (docker update --memory=...), where that is not meant",
             cli_bytes((double)layout.memory_bytes).text, cli_bytes((double)memory).text);
}

/* --- profiles -------------------------------------------------------------------------------------------------- */

/* Can something be made in `folder`, or in the nearest one above it that exists? Tried, for rights are not all. */
static bool writable(const char *folder, const char **why)
{
    char path[4096 + 32];
    snprintf(path, 4096, "%s", folder);
    while (access(path, F_OK) != 0 && errno == ENOENT) {
        char *slash = strrchr(path, '/');
        if (!slash) snprintf(path, sizeof path, ".");
        if (slash) *(slash == path ? slash + 1 : slash) = 0;
    }
    strcat(path, "/.hone-doctor-XXXXXX");
    bool able = mkdtemp(path) != NULL;
    *why = strerror(errno);
    if (able) rmdir(path);
    return able;
}

static void look_at_folder(doctor *d)
{
    char        folder[4096];
    const char *why = "";
    d->looked++;
    if (hone_rt_profile_folder(NULL, 0, folder, sizeof folder) != HONE_OK)
        find(d, "profile", true, "%s|export HONE_PROFILE_PATH=$PWD/profiles", hone_last_error());
    else if (!writable(folder, &why))
        find(d, "profile", true, "profiles cannot be kept in %s: %s|export HONE_PROFILE_PATH=<a folder of yours>",
             folder, why);
}

static void look_at_profile(doctor *d, const hone_be_device *device)
{
    hone_ceilings kept;
    char          path[4096];
    d->looked += 2;
    hone_status status = hone_rt_profile_load(device, NULL, &kept);
    if (status == HONE_OK) return;
    if (status == HONE_ERROR_NOT_FOUND) {
        find(d, "profile", false, "no ceilings are kept for %s: estimates rest on built-in figures|hone devices",
             device->name);
        return;
    }
    char *why = cli_format("%s", hone_last_error());
    bool  known = hone_rt_profile_path(device, NULL, path, sizeof path) == HONE_OK;
    if (known && access(path, F_OK) == 0 && status == HONE_ERROR_FORMAT)
        find(d, "profile", true, "%s|mv '%s' '%s.damaged' && hone devices", why, path, path);
    else
        find(d, "profile", true, "%s|hone devices --measure", why);
    free(why);
}

/* Modules that are refused, and what those that are open have to say; "...; mended before the start by: export X=Y". */
static void look_at_modules(doctor *d, const hone_rt_context *context)
{
    hone_rt_module_remark remarks[48];
    int                   count = hone_rt_module_remarks(context, remarks, 48);
    for (int i = 0; i < count; i++) {
        const hone_rt_module_remark *r = &remarks[i];
        d->looked += r->state != HONE_RT_MODULE_SAYS;
        if (r->state == HONE_RT_MODULE_REFUSED) find(d, "modules", true, "%s: %s|", r->path, r->sentence);
        if (r->state != HONE_RT_MODULE_SAYS) continue;
        const char *mend = strstr(r->sentence, "export ");
        int         length = mend ? (int)strcspn(r->sentence, ";") : (int)strlen(r->sentence);
        find(d, r->name, false, "%.*s|%s", length, r->sentence, mend ? mend : "");
    }
}

static void look_at_context(doctor *d, const cli_call *call)
{
    cli_hone         hone;
    cli_hone_options how = {.quiet = true};
    d->looked++;
    hone_context *probe;
    if (hone_context_create(NULL, &probe) != HONE_OK) {
        if (!d->count) find(d, "context", true, "no context can be made: %s|", hone_last_error());
        return;
    }
    hone_context_destroy(probe);
    if (cli_open(call, &how, &hone) != CLI_FINE) return;
    for (int i = 0; i < hone_rt_device_count(hone.context); i++)
        if (!strcmp(hone_rt_device_at(hone.context, i)->backend->name, "cpu"))
            look_at_profile(d, hone_rt_device_at(hone.context, i));
    look_at_modules(d, hone.context);
    cli_close(&hone);
}

/* --- the answer ------------------------------------------------------------------------------------------------ */

static int count_faults(const doctor *d)
{
    int faults = 0;
    for (int i = 0; i < d->count; i++) faults += d->findings[i].fault;
    return faults;
}

static void print_json(const cli_call *call, const doctor *d)
{
    json_t *answer = cli_answer(call), *list = cli_array();
    for (int i = 0; i < d->count; i++) {
        const finding *f = &d->findings[i];
        json_t        *it = cli_object();
        cli_set(it, "about", cli_string(f->about));
        cli_set(it, "kind", cli_string(f->fault ? "fault" : "advice"));
        cli_set(it, "what", cli_string(f->what));
        cli_set(it, "mend", cli_string(*f->mend ? f->mend : NULL));
        cli_append(list, it);
    }
    cli_set(answer, "looked_at", json_integer(d->looked));
    cli_set(answer, "faults", json_integer(count_faults(d)));
    cli_set(answer, "findings", list);
    cli_print_json(answer);
}

static void print_text(const doctor *d)
{
    int faults = count_faults(d), advice = d->count - faults;
    for (int wanted = 1; wanted >= 0; wanted--)
        for (int i = 0; i < d->count; i++) {
            const finding *f = &d->findings[i];
            if (f->fault != (wanted == 1)) continue;
            printf("%s%s%s: %s\n", cli_painted(stdout, f->fault ? CLI_RED : CLI_BOLD), f->fault ? "fault" : "advice",
                   cli_painted(stdout, CLI_PLAIN), f->about);
            cli_wrap(stdout, 4, f->what);
            if (*f->mend) printf("    mend: %s\n", f->mend);
        }
    printf("%d things looked at: %d fault%s, %d piece%s of advice\n", d->looked, faults, faults == 1 ? "" : "s", advice,
           advice == 1 ? "" : "s");
}

static int run(const cli_call *call)
{
    doctor d = {0};
    look_at_version(&d);
    look_at_build(&d);
    look_at_isa(&d);
    look_at_log(&d);
    look_at_unknown(&d);
    look_at_avx512(&d);
    look_at_limits(&d);
    look_at_folder(&d);
    look_at_context(&d, call);
    if (call->json)
        print_json(call, &d);
    else
        print_text(&d);
    int faults = count_faults(&d);
    for (int i = 0; i < d.count; i++) {
        free(d.findings[i].what);
        free(d.findings[i].mend);
    }
    return faults ? CLI_NO : CLI_FINE;
}

const cli_verb cli_verb_doctor = {
    .name = "doctor",
    .line = "what is wrong with this installation, and what mends it",
    .usage = "",
    .examples = "  hone doctor            what is wrong, and what mends it\n"
                "  hone doctor --json     the same for a script\n",
    .more =
        "A fault makes hone fail, lose what it learnt, or run far below what it could: exit code 1. Advice is about "
        "something that costs speed and may be meant: exit code 0.",
    .options = options,
    .words_max = 0,
    .run = run,
};
