/* Reads the machine from the kernel's files: sets of CPUs, caches of one core, memory, limits of control groups.
 *
 * hwloc knows all this and more, but it opens its plugins (OpenCL, X11, libxml2) when it is first used, into the host
 * program, and takes longer than making a context may. So the files are asked first, and hwloc where they are silent;
 * a test holds one against the other.
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

static int mask_count(const hone_cpu_mask *mask)
{
    int count = 0;
    for (int i = 0; i < HONE_CPU_MASK_WORDS; i++) count += __builtin_popcountll(mask->word[i]);
    return count;
}

/* The first CPU of the mask from `cpu` on; -1: none. */
static int mask_next(const hone_cpu_mask *mask, int cpu)
{
    for (; cpu < CPUS; cpu++) {
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
    for (int cpu = mask_next(usable, 0); cpu >= 0; cpu = mask_next(usable, cpu + 1)) {
        if (!hone_cpu_mask_has(cores, cpu)) continue;
        if (!read_text(text, sizeof text, "%s/devices/system/cpu/cpu%d/topology/thread_siblings_list", sys, cpu))
            continue;
        if (!hone_cpu_mask_parse(text, &siblings)) continue;
        for (int other = mask_next(&siblings, cpu + 1); other >= 0; other = mask_next(&siblings, other + 1))
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
    int           strongest = mask_next(cores, 0), count = 0;

    if (read_text(text, sizeof text, "%s/devices/cpu_atom/cpus", sys) && hone_cpu_mask_parse(text, &small)) {
        mask_and(&small, cores);
        int weak = mask_count(&small), strong = mask_count(cores) - weak;
        for (int cpu = strongest; cpu >= 0 && strong && hone_cpu_mask_has(&small, cpu); cpu = strongest)
            strongest = mask_next(cores, cpu + 1);
        kinds[0] = strong ? strong : weak;
        kinds[1] = strong ? weak : 0;
        return strongest;
    }
    if (!read_text(text, sizeof text, "%s/devices/system/cpu/cpu%d/cpu_capacity", sys, strongest)) {
        kinds[0] = mask_count(cores);
        return strongest;
    }
    for (int cpu = strongest; cpu >= 0; cpu = mask_next(cores, cpu + 1)) {
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
            out->cache_cores[level] = mask_count(&sharing);
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

static uint64_t read_memory(const char *sys, const char *proc)
{
    char     text[4096];
    uint64_t nodes = 0, machine = 0;
    if (read_text(text, sizeof text, "%s/meminfo", proc)) machine = mem_total(text);
    for (int node = 0; node < 1024; node++) { /* numbers may have holes, but not from the start */
        if (!read_text(text, sizeof text, "%s/devices/system/node/node%d/meminfo", sys, node)) break;
        nodes += mem_total(text);
    }
    return nodes > machine ? nodes : machine;
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

/* A share of CPU time of two CPUs' worth lets two threads run, on however many CPUs. */
static void limit_threads(const char *group, hone_cpu_layout *out)
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
    long count = quota / period + (quota % period != 0);
    if (count < out->threads) out->threads = (int)count;
}

static void read_limits(const char *sys, const char *proc, hone_cpu_layout *out)
{
    char groups[4096], tree[PATH_SIZE], path[PATH_SIZE];
    if (!read_text(groups, sizeof groups, "%s/self/cgroup", proc)) return;
    static const struct {
        const char *controller, *folder;
        void (*look)(const char *, hone_cpu_layout *);
    } limits[] = {
        {"", "", limit_memory},
        {"memory", "/memory", limit_memory},
        {"", "", limit_threads},
        {"cpu", "/cpu", limit_threads},
    };
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        snprintf(tree, sizeof tree, "%s/fs/cgroup%s", sys, limits[i].folder);
        if (group_path(groups, limits[i].controller, path, sizeof path)) each_group(tree, path, limits[i].look, out);
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
    hone_cpu_mask here = *usable, online, cores;
    memset(out, 0, sizeof *out);
    if (!read_text(text, sizeof text, "%s/devices/system/cpu/online", sys) || !hone_cpu_mask_parse(text, &online))
        return false;
    if (mask_count(&here))
        mask_and(&here, &online); /* the system may list CPUs that are not there */
    else
        here = online;
    out->threads = mask_count(&here);
    if (!out->threads) return false;

    read_cores(sys, &here, &cores);
    out->cores = mask_count(&cores);
    int strongest = read_kinds(sys, &cores, out->kinds);
    read_caches(sys, strongest, &cores, out);
    read_model(proc, out);
    out->memory_bytes = read_memory(sys, proc);
    read_limits(sys, proc, out);
    if (out->cores > out->threads) out->cores = out->threads;
    return true;
}

/* --- the machine by hwloc ------------------------------------------------------------------------------------- */

static int cores_within(hwloc_topology_t topology, hwloc_const_cpuset_t set)
{
    int cores = hwloc_get_nbobjs_inside_cpuset_by_type(topology, set, HWLOC_OBJ_CORE);
    if (cores > 0) return cores;
    /* A set that holds one thread of two has no whole core inside: count those it touches. */
    cores = 0;
    for (hwloc_obj_t core = NULL; (core = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_CORE, core));)
        cores += hwloc_bitmap_intersects(core->cpuset, set) != 0;
    return cores ? cores : hwloc_bitmap_weight(set);
}

/* The text of a kind of CPUs, "CoreType" or "LinuxCapacity"; NULL when it has none. */
static const char *kind_info(hwloc_topology_t topology, int kind, hwloc_bitmap_t set, const char *name)
{
    int                  efficiency;
    unsigned             count = 0;
    struct hwloc_info_s *infos = NULL;
    if (hwloc_cpukinds_get_info(topology, (unsigned)kind, set, &efficiency, &count, &infos, 0) < 0) return NULL;
    for (unsigned i = 0; i < count; i++)
        if (strcmp(infos[i].name, name) == 0) return infos[i].value;
    return NULL;
}

bool hone_cpu_layout_of(hwloc_topology_t topology, hwloc_const_cpuset_t usable, hone_cpu_layout *out)
{
    memset(out, 0, sizeof *out);
    hwloc_bitmap_t here = hwloc_bitmap_dup(usable ? usable : hwloc_topology_get_topology_cpuset(topology));
    hwloc_bitmap_t kind = hwloc_bitmap_alloc();
    bool           told = false;
    if (!here || !kind) goto done;
    hwloc_bitmap_and(here, here, hwloc_topology_get_topology_cpuset(topology));
    out->threads = hwloc_bitmap_weight(here);
    out->cores = out->threads > 0 ? cores_within(topology, here) : 0;
    if (out->cores <= 0) goto done;

    /* kinds come weakest first; only those that the kernel itself names count */
    int kinds = hwloc_cpukinds_get_nr(topology, 0), strongest = hwloc_bitmap_first(here), count = 0;
    for (int i = kinds - 1; i >= 0 && kinds > 1; i--) {
        const char *type = kind_info(topology, i, kind, "CoreType");
        if (!type && !kind_info(topology, i, kind, "LinuxCapacity")) continue;
        hwloc_bitmap_and(kind, kind, here);
        if (hwloc_bitmap_iszero(kind)) continue;
        if (count == 0) strongest = hwloc_bitmap_first(kind);
        out->kinds[count] += cores_within(topology, kind);
        if (count < HONE_CPU_KINDS_MAX - 1) count++;
    }
    if (count == 0) out->kinds[0] = out->cores;

    hwloc_obj_t pu = hwloc_get_pu_obj_by_os_index(topology, (unsigned)strongest);
    for (hwloc_obj_t at = pu; at; at = at->parent) {
        if (!hwloc_obj_type_is_dcache(at->type) || at->attr->cache.depth > HONE_LEVEL_MEMORY) continue;
        int level = (int)at->attr->cache.depth - 1;
        out->cache_bytes[level] = (size_t)at->attr->cache.size;
        if (!out->line_bytes) out->line_bytes = at->attr->cache.linesize;
        hwloc_bitmap_and(kind, at->cpuset, here);
        out->cache_cores[level] = cores_within(topology, kind);
    }
    const char *model = hwloc_obj_get_info_by_name(hwloc_get_root_obj(topology), "CPUModel");
    for (hwloc_obj_t at = pu; at && !model; at = at->parent) model = hwloc_obj_get_info_by_name(at, "CPUModel");
    if (model) snprintf(out->model, sizeof out->model, "%s", model);
    out->memory_bytes = hwloc_get_root_obj(topology)->total_memory;
    told = true;
done:
    hwloc_bitmap_free(kind);
    hwloc_bitmap_free(here);
    return told;
}

bool hone_cpu_layout_by_hwloc(hone_cpu_layout *out)
{
    hwloc_topology_t topology;
    bool             told = false;
    memset(out, 0, sizeof *out);
    if (hwloc_topology_init(&topology) < 0) return false;
    hwloc_topology_set_all_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_NONE); /* no devices, no groups */
    hwloc_topology_set_cache_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_ALL);
    hwloc_topology_set_type_filter(topology, HWLOC_OBJ_PACKAGE, HWLOC_TYPE_FILTER_KEEP_ALL);
    hwloc_topology_set_type_filter(topology, HWLOC_OBJ_CORE, HWLOC_TYPE_FILTER_KEEP_ALL);
    if (hwloc_topology_load(topology) == 0) {
        hone_cpu_mask  mask;
        hwloc_bitmap_t usable = hwloc_bitmap_alloc();
        hone_cpu_usable(&mask);
        for (int cpu = mask_next(&mask, 0); usable && cpu >= 0; cpu = mask_next(&mask, cpu + 1))
            hwloc_bitmap_set(usable, (unsigned)cpu);
        told = hone_cpu_layout_of(topology, usable && !hwloc_bitmap_iszero(usable) ? usable : NULL, out);
        hwloc_bitmap_free(usable);
    }
    hwloc_topology_destroy(topology);
    return told;
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
        int  count = mask_count(&usable) ? mask_count(&usable) : online > 0 ? (int)hone_min(online, CPUS) : 1;
        out->threads = out->cores = out->kinds[0] = count;
    }
    /* An emulator or a hypervisor may hide its caches. What every CPU of these years has at least: */
    if (!out->cache_bytes[HONE_LEVEL_L1]) out->cache_bytes[HONE_LEVEL_L1] = 32 << 10;
    if (!out->cache_bytes[HONE_LEVEL_L2]) out->cache_bytes[HONE_LEVEL_L2] = 256 << 10;
    if (!out->line_bytes) out->line_bytes = 64;
    for (int level = HONE_LEVEL_L1; level <= HONE_LEVEL_L3; level++)
        if (out->cache_bytes[level] && !out->cache_cores[level])
            out->cache_cores[level] = level == HONE_LEVEL_L3 ? out->cores : 1;
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    uint64_t told = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
    if (!out->memory_bytes || (!read && told > out->memory_bytes))
        out->memory_bytes = told; /* a limit was read with the rest */
}
