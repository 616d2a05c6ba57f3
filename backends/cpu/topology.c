/* Reads the machine from the kernel's files: sets of CPUs, caches of one core, memory, limits of control groups.
 *
 * hwloc knows all this and more, but it opens its plugins (OpenCL, X11, libxml2) when it is first used, into the host
 * program, and takes longer than making a context may. So the files are asked first, and hwloc (topology_hwloc.c) where
 * they are silent; tests hold one against the other.
 *
 * No size of memory is taken from one source: a NUMA node may tell less than there is (hot-added memory), the whole
 * machine more than a container may use. */
#include "backends/cpu/topology.h"

#include <fcntl.h>
#include <stdarg.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/size.h"
#include "base/text.h"

enum { CPUS = HONE_CPU_MASK_WORDS * 64, PATH_SIZE = 512 };

/* --- masks ---------------------------------------------------------------------------------------------------- */

static void mask_add(hone_cpu_mask *mask, int cpu)
{
    mask->word[cpu / 64] |= (uint64_t)1 << (cpu % 64);
}

int hone_cpu_mask_count(const hone_cpu_mask *mask)
{
    int count = 0;
    for (int i = 0; i < HONE_CPU_MASK_WORDS; i++) count += __builtin_popcountll(mask->word[i]);
    return count;
}

int hone_cpu_mask_next(const hone_cpu_mask *mask, int cpu)
{
    for (; cpu >= 0 && cpu < CPUS; cpu++) {
        uint64_t rest = mask->word[cpu / 64] >> (cpu % 64);
        if (rest) return cpu + __builtin_ctzll(rest);
        cpu |= 63;
    }
    return -1;
}

static void mask_and(hone_cpu_mask *mask, const hone_cpu_mask *other)
{
    for (int i = 0; i < HONE_CPU_MASK_WORDS; i++) mask->word[i] &= other->word[i];
}

/* A number below CPUS from *at on. */
static bool cpu_number(const char **at, int *out)
{
    const char *first = *at;
    int         value = 0;
    for (; **at >= '0' && **at <= '9'; ++*at)
        if ((value = value * 10 + (**at - '0')) >= CPUS) return false;
    *out = value;
    return *at != first;
}

bool hone_cpu_mask_parse(const char *text, hone_cpu_mask *out)
{
    memset(out, 0, sizeof *out);
    while (*text && *text != '\n') {
        int first, last;
        if (!cpu_number(&text, &first)) return false;
        last = first;
        if (*text == '-') {
            text++;
            if (!cpu_number(&text, &last) || last < first) return false;
        }
        for (int cpu = first; cpu <= last; cpu++) mask_add(out, cpu);
        if (*text == ',')
            text++;
        else if (*text && *text != '\n')
            return false;
    }
    return true;
}

void hone_cpu_usable(hone_cpu_mask *out)
{
    /* The main thread's set and the caller's: either may have been bound alone by a thread pool. */
    hone_cpu_mask caller;
    memset(out, 0, sizeof *out);
    memset(&caller, 0, sizeof caller);
    if (syscall(SYS_sched_getaffinity, getpid(), sizeof *out, out->word) < 0) memset(out, 0, sizeof *out);
    if (syscall(SYS_sched_getaffinity, 0, sizeof caller, caller.word) > 0)
        for (int i = 0; i < HONE_CPU_MASK_WORDS; i++) out->word[i] |= caller.word[i];
}

/* --- small files ---------------------------------------------------------------------------------------------- */

/* The beginning of a file of the kernel's, ended by a zero. False: not there. */
static bool read_text(char *out, size_t capacity, const char *format, ...) HONE_PRINTF(3, 4);
static bool read_text(char *out, size_t capacity, const char *format, ...)
{
    char    path[PATH_SIZE];
    va_list list;
    va_start(list, format);
    int length = vsnprintf(path, sizeof path, format, list);
    va_end(list);
    if (length < 0 || length >= (int)sizeof path) return false;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    size_t  got = 0;
    ssize_t more;
    while (got < capacity - 1 && (more = read(file, out + got, capacity - 1 - got)) > 0) got += (size_t)more;
    close(file);
    out[got] = 0;
    return got > 0;
}

/* "32K", "2048\n", "1M": a size; 0 for anything else. */
static uint64_t size_in(const char *text)
{
    char    *end;
    uint64_t value = strtoull(text, &end, 10);
    int      shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
    if (end == text || *text == '-' || value > UINT64_MAX >> shift) return 0;
    return value << shift;
}

/* --- cores ---------------------------------------------------------------------------------------------------- */

/* Counts cores: a CPU stands for its core when it is the first usable one of its siblings. */
static void read_cores(const char *sys, const hone_cpu_mask *usable, hone_cpu_mask *cores)
{
    char          text[4096];
    hone_cpu_mask siblings;
    *cores = *usable;
    if (read_text(text, sizeof text, "%s/devices/system/cpu/smt/active", sys) && text[0] == '0') return;
    for (int cpu = hone_cpu_mask_next(usable, 0); cpu >= 0; cpu = hone_cpu_mask_next(usable, cpu + 1)) {
        if (!hone_cpu_mask_has(cores, cpu)) continue;
        if (!read_text(text, sizeof text, "%s/devices/system/cpu/cpu%d/topology/thread_siblings_list", sys, cpu))
            continue;
        if (!hone_cpu_mask_parse(text, &siblings)) continue;
        for (int other = hone_cpu_mask_next(&siblings, cpu + 1); other >= 0;
             other = hone_cpu_mask_next(&siblings, other + 1))
            cores->word[other / 64] &= ~((uint64_t)1 << (other % 64));
    }
}

/* Counts the cores of each kind, and gives a CPU of the strongest. Kinds are told apart by what the kernel names them
 * (Intel's hybrids), or by the capacity it gives them (ARM's).
 * Clock limits are not asked: favoured cores are no kind. */
static int read_kinds(const char *sys, const hone_cpu_mask *cores, int kinds[HONE_CPU_KINDS_MAX])
{
    char          text[4096];
    hone_cpu_mask small;
    long          capacity[HONE_CPU_KINDS_MAX];
    int           strongest = hone_cpu_mask_next(cores, 0), count = 0;

    if (read_text(text, sizeof text, "%s/devices/cpu_atom/cpus", sys) && hone_cpu_mask_parse(text, &small)) {
        mask_and(&small, cores);
        int weak = hone_cpu_mask_count(&small), strong = hone_cpu_mask_count(cores) - weak;
        for (int cpu = strongest; cpu >= 0 && strong && hone_cpu_mask_has(&small, cpu); cpu = strongest)
            strongest = hone_cpu_mask_next(cores, cpu + 1);
        kinds[0] = strong ? strong : weak;
        kinds[1] = strong ? weak : 0;
        return strongest;
    }
    if (!read_text(text, sizeof text, "%s/devices/system/cpu/cpu%d/cpu_capacity", sys, strongest)) {
        kinds[0] = hone_cpu_mask_count(cores);
        return strongest;
    }
    for (int cpu = strongest; cpu >= 0; cpu = hone_cpu_mask_next(cores, cpu + 1)) {
        long its = 0;
        int  at = 0;
        if (read_text(text, sizeof text, "%s/devices/system/cpu/cpu%d/cpu_capacity", sys, cpu)) its = atol(text);
        while (at < count && capacity[at] > its) at++;
        if (at == count || capacity[at] != its) {
            if (count == HONE_CPU_KINDS_MAX) { /* more kinds than we tell apart: the weakest ones are one */
                kinds[HONE_CPU_KINDS_MAX - 1]++;
                continue;
            }
            memmove(&capacity[at + 1], &capacity[at], (size_t)(count - at) * sizeof *capacity);
            memmove(&kinds[at + 1], &kinds[at], (size_t)(count - at) * sizeof *kinds);
            capacity[at] = its;
            kinds[at] = 0;
            count++;
            if (at == 0) strongest = cpu;
        }
        kinds[at]++;
    }
    return strongest;
}

/* --- caches --------------------------------------------------------------------------------------------------- */

static bool cache_text(char *out, size_t capacity, const char *sys, int cpu, int index, const char *field)
{
    return read_text(out, capacity, "%s/devices/system/cpu/cpu%d/cache/index%d/%s", sys, cpu, index, field);
}

/* How many sets of CPUs the cores fall into, each told by a file of any of its CPUs; CPUs without one are in none. */
static int count_sets(const char *sys, const hone_cpu_mask *cores, const char *file, const char *older)
{
    char          text[4096];
    hone_cpu_mask left = *cores, set;
    int           count = 0;
    for (int cpu = hone_cpu_mask_next(&left, 0); cpu >= 0; cpu = hone_cpu_mask_next(&left, cpu + 1)) {
        if (!read_text(text, sizeof text, "%s/devices/system/cpu/cpu%d/%s", sys, cpu, file) &&
            !(older && read_text(text, sizeof text, "%s/devices/system/cpu/cpu%d/%s", sys, cpu, older)))
            continue;
        if (!hone_cpu_mask_parse(text, &set) || !hone_cpu_mask_has(&set, cpu)) continue;
        for (int i = 0; i < HONE_CPU_MASK_WORDS; i++) left.word[i] &= ~set.word[i];
        count++;
    }
    return count;
}

static void read_caches(const char *sys, int cpu, const hone_cpu_mask *cores, hone_cpu_layout *out)
{
    char          text[4096];
    hone_cpu_mask sharing;
    for (int index = 0; cache_text(text, sizeof text, sys, cpu, index, "level"); index++) {
        int level = atoi(text) - 1;
        if (level < HONE_LEVEL_L1 || level > HONE_LEVEL_L3) continue;
        if (cache_text(text, sizeof text, sys, cpu, index, "type") && strncmp(text, "Instruction", 11) == 0) continue;
        if (!cache_text(text, sizeof text, sys, cpu, index, "size")) continue;
        out->cache_bytes[level] = (size_t)size_in(text);
        if (!out->line_bytes && cache_text(text, sizeof text, sys, cpu, index, "coherency_line_size"))
            out->line_bytes = (size_t)size_in(text);
        if (cache_text(text, sizeof text, sys, cpu, index, "shared_cpu_list") && hone_cpu_mask_parse(text, &sharing)) {
            mask_and(&sharing, cores);
            out->cache_cores[level] = hone_cpu_mask_count(&sharing);
        }
        if (level == HONE_LEVEL_L3) {
            char file[64];
            snprintf(file, sizeof file, "cache/index%d/shared_cpu_list", index);
            out->l3s = count_sets(sys, cores, file, NULL);
        }
    }
}

/* --- memory and limits ---------------------------------------------------------------------------------------- */

/* "MemTotal:  123 kB" somewhere in `text`, in bytes. */
static uint64_t mem_total(const char *text)
{
    const char *at = strstr(text, "MemTotal:");
    return at ? size_in(at + strlen("MemTotal:") + strspn(at + strlen("MemTotal:"), " \t")) * 1024 : 0;
}

/* Nodes, and the memory of each and of all. Numbers may have holes where the kernel lists them, else none. */
static void read_nodes(const char *sys, const char *proc, const hone_cpu_mask *cores, hone_cpu_layout *out)
{
    char          text[4096];
    hone_cpu_mask nodes, near;
    uint64_t      all = 0, machine = 0;
    bool          listed = read_text(text, sizeof text, "%s/devices/system/node/online", sys) &&
                  hone_cpu_mask_parse(text, &nodes);
    for (int node = listed ? hone_cpu_mask_next(&nodes, 0) : 0; node >= 0 && node < 1024;
         node = listed ? hone_cpu_mask_next(&nodes, node + 1) : node + 1) {
        bool     told = read_text(text, sizeof text, "%s/devices/system/node/node%d/meminfo", sys, node);
        uint64_t bytes = told ? mem_total(text) : 0;
        if (!told && !listed) break;
        all += bytes;
        if (!read_text(text, sizeof text, "%s/devices/system/node/node%d/cpulist", sys, node)) continue;
        if (!hone_cpu_mask_parse(text, &near)) continue;
        mask_and(&near, cores);
        if (!hone_cpu_mask_count(&near)) continue;
        if (out->nodes < HONE_CPU_NODES_MAX) out->node_bytes[out->nodes] = bytes;
        out->nodes++;
    }
    if (read_text(text, sizeof text, "%s/meminfo", proc)) machine = mem_total(text);
    out->memory_bytes = all > machine ? all : machine;
    if (!out->nodes) out->nodes = 1;
}

/* Where this process stands in a tree of control groups: the path behind "0::" or behind the controller's name. */
static bool group_path(const char *groups, const char *controller, char *out, size_t capacity)
{
    for (const char *line = groups; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        const char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;
        size_t      length = path ? strcspn(path + 1, "\n") : 0;
        if (!path || length >= capacity) continue;
        bool   found = !*controller && path == list + 1;
        size_t name = strlen(controller);
        for (const char *at = list + 1; *controller && at < path; at += strcspn(at, ",:") + 1)
            if (strcspn(at, ",:") == name && memcmp(at, controller, name) == 0) found = true;
        if (!found) continue;
        memcpy(out, path + 1, length);
        out[length] = 0;
        return true;
    }
    return false;
}

/* Calls `look` for each group from the process's own up to the root, as far as they can be seen from in here. */
static void each_group(const char *tree, char *path, void (*look)(const char *group, hone_cpu_layout *),
                       hone_cpu_layout *out)
{
    char group[PATH_SIZE];
    for (;;) {
        size_t length = strlen(path);
        while (length && path[length - 1] == '/') path[--length] = 0;
        if (snprintf(group, sizeof group, "%s%s", tree, path) < (int)sizeof group) look(group, out);
        char *slash = strrchr(path, '/');
        if (!slash) return;
        *slash = 0;
    }
}

static void limit_memory(const char *group, hone_cpu_layout *out)
{
    char     text[64];
    uint64_t limit = 0;
    if (read_text(text, sizeof text, "%s/memory.max", group) ||
        read_text(text, sizeof text, "%s/memory.limit_in_bytes", group))
        limit = size_in(text); /* "max" is none */
    if (limit && (!out->memory_bytes || limit < out->memory_bytes)) out->memory_bytes = limit;
}

/* A share of CPU time of one and a half CPUs' worth lets two threads run, on however many CPUs. */
static void limit_time(const char *group, hone_cpu_layout *out)
{
    char  text[64], period_text[64], *end = text;
    long  quota = 0, period = 0;
    if (read_text(text, sizeof text, "%s/cpu.max", group)) {
        quota = strtol(text, &end, 10); /* "max" reads as 0 */
        period = strtol(end, NULL, 10);
    } else if (read_text(text, sizeof text, "%s/cpu.cfs_quota_us", group) &&
               read_text(period_text, sizeof period_text, "%s/cpu.cfs_period_us", group)) {
        quota = strtol(text, NULL, 10); /* -1: none */
        period = strtol(period_text, NULL, 10);
    }
    if (quota <= 0 || period <= 0) return;
    double cpus = (double)quota / (double)period;
    long   count = quota / period + (quota % period != 0);
    if (out->quota == 0 || cpus < out->quota) out->quota = cpus;
    if (count < out->at_once) out->at_once = (int)count;
}

/* Calls each of the looks for the groups that hold this process: those of the second version of control groups, where
 * the name of the controller is empty, and those of the first. */
struct limit {
    const char *controller, *folder;
    void (*look)(const char *group, hone_cpu_layout *);
};

static void each_limit(const char *sys, const char *proc, const struct limit *limits, size_t count,
                       hone_cpu_layout *out)
{
    char groups[4096], tree[PATH_SIZE], path[PATH_SIZE];
    if (!read_text(groups, sizeof groups, "%s/self/cgroup", proc)) return;
    for (size_t i = 0; i < count; i++) {
        snprintf(tree, sizeof tree, "%s/fs/cgroup%s", sys, limits[i].folder);
        if (group_path(groups, limits[i].controller, path, sizeof path)) each_group(tree, path, limits[i].look, out);
    }
}

void hone_cpu_layout_limit(const char *sys, const char *proc, hone_cpu_layout *layout)
{
    static const struct limit limits[] = {
        {"", "", limit_memory},
        {"memory", "/memory", limit_memory},
        {"", "", limit_time},
        {"cpu", "/cpu", limit_time},
    };
    layout->quota = 0;
    layout->at_once = layout->cores;
    each_limit(sys, proc, limits, sizeof limits / sizeof *limits, layout);
}

/* The CPUs of a group, if it tells them. The kernel keeps a process's affinity within them, but not every sandbox that
 * calls itself Linux does. */
static bool group_cpus(const char *tree, char *path, hone_cpu_mask *out)
{
    char text[4096];
    for (;;) {
        if ((read_text(text, sizeof text, "%s%s/cpuset.cpus.effective", tree, path) ||
             read_text(text, sizeof text, "%s%s/cpuset.effective_cpus", tree, path) ||
             read_text(text, sizeof text, "%s%s/cpuset.cpus", tree, path)) &&
            hone_cpu_mask_parse(text, out) && hone_cpu_mask_count(out))
            return true;
        char *slash = strrchr(path, '/');
        if (!slash) return false;
        *slash = 0;
    }
}

void hone_cpu_mask_limit(const char *sys, const char *proc, hone_cpu_mask *mask)
{
    static const char *const controllers[][2] = {{"", ""}, {"cpuset", "/cpuset"}};
    char                     groups[4096], tree[PATH_SIZE], path[PATH_SIZE];
    hone_cpu_mask            allowed;
    if (!read_text(groups, sizeof groups, "%s/self/cgroup", proc)) return;
    for (size_t i = 0; i < sizeof controllers / sizeof *controllers; i++) {
        snprintf(tree, sizeof tree, "%s/fs/cgroup%s", sys, controllers[i][1]);
        if (!group_path(groups, controllers[i][0], path, sizeof path) || !group_cpus(tree, path, &allowed)) continue;
        mask_and(&allowed, mask);
        if (hone_cpu_mask_count(&allowed)) *mask = allowed;
    }
}

/* --- the machine by its files --------------------------------------------------------------------------------- */

static void read_model(const char *proc, hone_cpu_layout *out)
{
    char text[4096];
    if (!read_text(text, sizeof text, "%s/cpuinfo", proc)) return;
    const char *at = strstr(text, "model name");
    if (!at) return;
    at += strcspn(at, ":\n");
    if (*at == ':') snprintf(out->model, sizeof out->model, "%.*s", (int)strcspn(at + 1, "\n"), at + 1);
}

bool hone_cpu_layout_read(const char *sys, const char *proc, const hone_cpu_mask *usable, hone_cpu_layout *out)
{
    char          text[4096];
    hone_cpu_mask here = *usable, online;
    memset(out, 0, sizeof *out);
    if (!read_text(text, sizeof text, "%s/devices/system/cpu/online", sys) || !hone_cpu_mask_parse(text, &online))
        return false;
    if (hone_cpu_mask_count(&here))
        mask_and(&here, &online); /* the system may list CPUs that are not there */
    else
        here = online;
    if (!hone_cpu_mask_count(&here)) return false;
    hone_cpu_mask_limit(sys, proc, &here);
    out->threads = hone_cpu_mask_count(&here);

    read_cores(sys, &here, &out->first);
    out->cores = hone_cpu_mask_count(&out->first);
    int strongest = read_kinds(sys, &out->first, out->kinds);
    read_caches(sys, strongest, &out->first, out);
    read_model(proc, out);
    out->packages = count_sets(sys, &out->first, "topology/package_cpus_list", "topology/core_siblings_list");
    if (!out->packages) out->packages = 1;
    read_nodes(sys, proc, &out->first, out);
    hone_cpu_layout_limit(sys, proc, out);
    return true;
}

/* --- the best that is known ----------------------------------------------------------------------------------- */

void hone_cpu_layout_here(hone_cpu_layout *out)
{
    hone_cpu_mask usable;
    hone_cpu_usable(&usable);
    bool read = hone_cpu_layout_read("/sys", "/proc", &usable, out);
    if (!read && !hone_cpu_layout_by_hwloc(out)) {
        memset(out, 0, sizeof *out);
        long online = sysconf(_SC_NPROCESSORS_ONLN);
        int  told = hone_cpu_mask_count(&usable), count = told ? told : online > 0 ? (int)hone_min(online, CPUS) : 1;
        out->threads = out->cores = out->kinds[0] = count;
        out->packages = out->nodes = 1;
        out->first = usable;
    }
    long     pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    uint64_t told = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
    if (!read) {
        if (told > out->memory_bytes) out->memory_bytes = told;
        hone_cpu_layout_limit("/sys", "/proc", out);
    }
    if (!out->memory_bytes) out->memory_bytes = told;
    if (out->nodes == 1 && !out->node_bytes[0]) out->node_bytes[0] = out->memory_bytes;
    /* An emulator or a hypervisor may hide its caches. What every CPU of these years has at least: */
    if (!out->cache_bytes[HONE_LEVEL_L1]) out->cache_bytes[HONE_LEVEL_L1] = 32 << 10;
    if (!out->cache_bytes[HONE_LEVEL_L2]) out->cache_bytes[HONE_LEVEL_L2] = 256 << 10;
    if (!out->line_bytes) out->line_bytes = 64;
    for (int level = HONE_LEVEL_L1; level <= HONE_LEVEL_L3; level++)
        if (out->cache_bytes[level] && !out->cache_cores[level])
            out->cache_cores[level] = level == HONE_LEVEL_L3 ? out->cores : 1;
}
