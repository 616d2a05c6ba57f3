/* Layouts of machines: written down as the kernel would, described to hwloc, and the real one by both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <sched.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/cpu/cpu.h"
#include "backends/cpu/topology.h"
#include "tests/backends/recorded.h"

static char sys[64], proc[64];

static void put(const char *root, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *at = path + 1; (at = strchr(at, '/')); *at++ = '/') {
        *at = 0;
        mkdir(path, 0700);
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void putf(const char *root, const char *text, const char *format, ...) HONE_PRINTF(3, 4);
static void putf(const char *root, const char *text, const char *format, ...)
{
    char    name[192];
    va_list list;
    va_start(list, format);
    vsnprintf(name, sizeof name, format, list);
    va_end(list);
    put(root, name, text);
}

static int make_machine(void **state)
{
    static char root[64];
    strcpy(root, "/tmp/hone-test-topology-XXXXXX");
    if (!mkdtemp(root)) return -1;
    snprintf(sys, sizeof sys, "%s/sys", root);
    snprintf(proc, sizeof proc, "%s/proc", root);
    *state = root;
    return 0;
}

static int remove_machine(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", (char *)*state);
    return system(command);
}

static void put_cache(int cpu, int index, int level, const char *type, const char *size, const char *sharing)
{
    char number[8];
    snprintf(number, sizeof number, "%d\n", level);
    putf(sys, number, "devices/system/cpu/cpu%d/cache/index%d/level", cpu, index);
    putf(sys, type, "devices/system/cpu/cpu%d/cache/index%d/type", cpu, index);
    putf(sys, size, "devices/system/cpu/cpu%d/cache/index%d/size", cpu, index);
    putf(sys, sharing, "devices/system/cpu/cpu%d/cache/index%d/shared_cpu_list", cpu, index);
    putf(sys, "64\n", "devices/system/cpu/cpu%d/cache/index%d/coherency_line_size", cpu, index);
}

static hone_cpu_mask cpus(const char *list)
{
    hone_cpu_mask mask;
    assert_true(hone_cpu_mask_parse(list, &mask));
    return mask;
}

static hone_cpu_layout machine(const char *usable)
{
    hone_cpu_mask   mask = cpus(usable);
    hone_cpu_layout layout;
    assert_true(hone_cpu_layout_read(sys, proc, &mask, &layout));
    return layout;
}

/* --- by files -------------------------------------------------------------------------------------------------- */

static void masks_are_read(void **state)
{
    hone_cpu_mask mask;
    (void)state;
    mask = cpus("0-2,64,8191\n");
    assert_true(mask.word[0] == 7 && mask.word[1] == 1 && hone_cpu_mask_has(&mask, 8191));
    assert_false(hone_cpu_mask_has(&mask, 8192));
    assert_false(hone_cpu_mask_has(&mask, -1));
    mask = cpus("");
    assert_true(mask.word[0] == 0);
    static const char *const wrong[] = {"a",    "1-", "-1", "3-2", "8192", "1 2", "1--2", "99999999999999999999",
                                        "0,,1", ","};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) assert_false(hone_cpu_mask_parse(wrong[i], &mask));
}

/* Two packages of four cores of two threads: cores 0..7, their second threads 8..15. */
static void put_server(void)
{
    char text[32];
    put(sys, "devices/system/cpu/online", "0-15\n");
    put(sys, "devices/system/cpu/smt/active", "1\n");
    for (int cpu = 0; cpu < 16; cpu++) {
        snprintf(text, sizeof text, "%d,%d\n", cpu % 8, cpu % 8 + 8);
        putf(sys, text, "devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
        if (cpu != 0 && cpu != 5 && cpu != 8) continue; /* caches are asked of one CPU: of these below */
        put_cache(cpu, 0, 1, "Data\n", "48K\n", text);
        put_cache(cpu, 1, 1, "Instruction\n", "32K\n", text);
        put_cache(cpu, 2, 2, "Unified\n", "2048K\n", text);
        put_cache(cpu, 3, 3, "Unified\n", "36M\n", cpu % 8 < 4 ? "0-3,8-11\n" : "4-7,12-15\n");
    }
    put(proc, "cpuinfo", "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nflags\t: fpu\n");
    put(proc, "meminfo", "MemTotal:       1000 kB\nMemFree: 1 kB\n");
}

static void a_server_is_read(void **state)
{
    (void)state;
    put_server();
    hone_cpu_layout all = machine("0-15");
    assert_int_equal(all.cores, 8);
    assert_int_equal(all.threads, 16);
    assert_int_equal(all.kinds[0], 8);
    assert_int_equal(all.kinds[1], 0);
    assert_int_equal(all.cache_bytes[HONE_LEVEL_L1], 48 << 10);
    assert_int_equal(all.cache_bytes[HONE_LEVEL_L2], 2 << 20);
    assert_int_equal(all.cache_bytes[HONE_LEVEL_L3], 36 << 20);
    assert_int_equal(all.cache_cores[HONE_LEVEL_L1], 1);
    assert_int_equal(all.cache_cores[HONE_LEVEL_L3], 4);
    assert_int_equal(all.line_bytes, 64);
    assert_int_equal(all.memory_bytes, 1000 << 10);
    assert_string_equal(all.model, " Some CPU @ 2 GHz");

    hone_cpu_layout one = machine("5"); /* one thread of one core */
    assert_int_equal(one.cores, 1);
    assert_int_equal(one.threads, 1);
    assert_int_equal(one.cache_cores[HONE_LEVEL_L3], 1);
    hone_cpu_layout second = machine("8-11"); /* the second threads alone: still four cores */
    assert_int_equal(second.cores, 4);
    assert_int_equal(second.threads, 4);
    hone_cpu_layout half = machine("0,1,8");
    assert_int_equal(half.cores, 2);
    assert_int_equal(half.threads, 3);
    assert_int_equal(machine("3-200").threads, 13); /* more than there are */
    assert_int_equal(machine("").threads, 16);      /* the system did not tell */
    hone_cpu_mask elsewhere = cpus("100");
    assert_false(hone_cpu_layout_read(sys, proc, &elsewhere, &one));
}

static void kinds_of_cores_are_told_apart(void **state)
{
    (void)state;
    put_server();
    put(sys, "devices/system/cpu/smt/active", "0\n"); /* 16 cores then */
    put(sys, "devices/cpu_atom/cpus", "0-3\n");
    put_cache(4, 0, 1, "Data\n", "64K\n", "4\n"); /* the caches are those of the strong */
    hone_cpu_layout layout = machine("0-15");
    assert_int_equal(layout.kinds[0], 12);
    assert_int_equal(layout.kinds[1], 4);
    assert_int_equal(layout.cache_bytes[HONE_LEVEL_L1], 64 << 10);
    layout = machine("0-2");
    assert_int_equal(layout.kinds[0], 3);
    assert_int_equal(layout.kinds[1], 0);
    assert_int_equal(layout.cache_bytes[HONE_LEVEL_L1], 48 << 10);

    char path[128]; /* ARM: capacities, six of them, of which four are told apart */
    snprintf(path, sizeof path, "%s/devices/cpu_atom/cpus", sys);
    assert_int_equal(unlink(path), 0);
    static const char *const capacity[] = {"250", "1024", "400", "1024", "250", "700", "100", "50"};
    for (int cpu = 0; cpu < 8; cpu++) putf(sys, capacity[cpu], "devices/system/cpu/cpu%d/cpu_capacity", cpu);
    put_cache(1, 0, 1, "Data\n", "128K\n", "1\n");
    layout = machine("0-7");
    assert_int_equal(layout.cores, 8);
    assert_int_equal(layout.cache_bytes[HONE_LEVEL_L1], 128 << 10);
    assert_int_equal(layout.kinds[0], 2); /* 1024 */
    assert_int_equal(layout.kinds[0] + layout.kinds[1] + layout.kinds[2] + layout.kinds[3], 8);
}

static void memory_is_never_of_one_source(void **state)
{
    (void)state;
    put_server();
    put(sys, "devices/system/node/node0/meminfo", "Node 0 MemTotal:  300 kB\n");
    assert_int_equal(machine("0").memory_bytes, 1000 << 10); /* the node tells less than there is */
    put(sys, "devices/system/node/node1/meminfo", "Node 1 MemTotal:  900 kB\n");
    assert_int_equal(machine("0").memory_bytes, 1200 << 10);

    put(proc, "self/cgroup", "0::/a/b\n");
    put(sys, "fs/cgroup/a/b/memory.max", "max\n");
    assert_int_equal(machine("0").memory_bytes, 1200 << 10);
    put(sys, "fs/cgroup/a/memory.max", "500000\n"); /* the group above */
    assert_int_equal(machine("0").memory_bytes, 500000);
    put(sys, "fs/cgroup/a/b/memory.max", "400000\n");
    assert_int_equal(machine("0").memory_bytes, 400000);

    put(proc, "self/cgroup", "9:cpuset:/\n4:memory:/m\n2:cpu,cpuacct:/c\n"); /* of the first version */
    put(sys, "fs/cgroup/memory/m/memory.limit_in_bytes", "9223372036854771712\n");
    assert_int_equal(machine("0").memory_bytes, 1200 << 10);
    put(sys, "fs/cgroup/memory/memory.limit_in_bytes", "300000\n");
    assert_int_equal(machine("0").memory_bytes, 300000);
}

static void a_share_of_time_limits_the_threads(void **state)
{
    (void)state;
    put_server();
    put(proc, "self/cgroup", "0::/a\n");
    put(sys, "fs/cgroup/a/cpu.max", "max 100000\n");
    assert_int_equal(machine("0-15").at_once, 8); /* a thread a core */
    assert_true(machine("0-15").quota == 0);
    put(sys, "fs/cgroup/a/cpu.max", "150000 100000\n");
    assert_int_equal(machine("0-15").at_once, 2);
    assert_int_equal(machine("0-15").cores, 8); /* the cores stay what they are */
    assert_true(machine("0-15").quota == 1.5);
    assert_int_equal(machine("0").at_once, 1);
    put(sys, "fs/cgroup/cpu.max", "100000 100000\n"); /* the group above gives less */
    assert_int_equal(machine("0-15").at_once, 1);
    put(sys, "fs/cgroup/cpu.max", "max 100000\n");
    put(sys, "fs/cgroup/a/cpu.max", "1000 100000\n");
    assert_int_equal(machine("0-15").at_once, 1);
    put(proc, "self/cgroup", "2:cpuacct,cpu:/c\n");
    put(sys, "fs/cgroup/cpu/c/cpu.cfs_period_us", "100000\n");
    put(sys, "fs/cgroup/cpu/c/cpu.cfs_quota_us", "-1\n");
    assert_int_equal(machine("0-15").at_once, 8);
    put(sys, "fs/cgroup/cpu/c/cpu.cfs_quota_us", "400000\n");
    assert_int_equal(machine("0-15").at_once, 4);
    assert_int_equal(machine("0-15").threads, 16);
}

static void a_group_holds_its_cpus(void **state)
{
    (void)state;
    put_server();
    put(proc, "self/cgroup", "0::/a/b\n");
    put(sys, "fs/cgroup/cpuset.cpus.effective", "0-15\n");
    put(sys, "fs/cgroup/a/cpuset.cpus.effective", "2,10\n"); /* b tells nothing of its own */
    assert_int_equal(machine("0-15").cores, 1);
    assert_int_equal(machine("0-15").threads, 2);
    assert_int_equal(machine("0-2").threads, 1);
    assert_int_equal(machine("3").cores, 1); /* they disagree wholly: what the process was told stands */
    put(sys, "fs/cgroup/a/b/cpuset.cpus.effective", "4-7\n");
    assert_int_equal(machine("0-15").cores, 4);
    put(proc, "self/cgroup", "3:cpuset:/c\n");
    put(sys, "fs/cgroup/cpuset/c/cpuset.cpus", "1-2\n");
    assert_int_equal(machine("0-15").cores, 2);
    put(sys, "fs/cgroup/cpuset/c/cpuset.effective_cpus", "1\n");
    assert_int_equal(machine("0-15").cores, 1);
}

/* Files of nonsense: never a crash, and never more than there is. */
static void nonsense_is_survived(void **state)
{
    static const char *const nonsense[] = {"", "\n", "-1", "99999999999999999999999K", "0-8191", "x", ":::::", "K"};
    static const char *const names[] = {"devices/system/cpu/smt/active",
                                        "devices/system/cpu/cpu0/topology/thread_siblings_list",
                                        "devices/system/cpu/cpu0/cache/index0/level",
                                        "devices/system/cpu/cpu0/cache/index0/size",
                                        "devices/system/cpu/cpu0/cache/index0/shared_cpu_list",
                                        "devices/system/cpu/cpu0/cache/index0/coherency_line_size",
                                        "devices/system/cpu/cpu0/cpu_capacity",
                                        "devices/cpu_atom/cpus",
                                        "devices/system/node/node0/meminfo",
                                        "fs/cgroup/cpu.max",
                                        "fs/cgroup/cpuset.cpus.effective",
                                        "devices/system/node/online",
                                        "devices/system/node/node0/cpulist",
                                        "devices/system/cpu/cpu0/topology/package_cpus_list",
                                        "fs/cgroup/memory.max"};
    (void)state;
    put_server();
    put(proc, "self/cgroup", "0::/\n");
    for (size_t n = 0; n < sizeof names / sizeof *names; n++)
        for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
            put(sys, names[n], nonsense[i]);
            hone_cpu_layout layout = machine("0-3");
            assert_in_range(layout.cores, 1, 4);
            assert_in_range(layout.threads, 1, 4);
            assert_in_range(layout.at_once, 1, 4);
            assert_in_range(layout.packages, 1, 4);
            assert_int_equal(layout.nodes, 1);
        }
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        hone_cpu_mask   mask = cpus("0");
        hone_cpu_layout layout;
        put(proc, "self/cgroup", nonsense[i]);
        put(proc, "cpuinfo", "model name");
        put(proc, "meminfo", nonsense[i]);
        put(sys, "devices/system/cpu/online", nonsense[i]);
        (void)hone_cpu_layout_read(sys, proc, &mask, &layout);
    }
}

/* --- by hwloc -------------------------------------------------------------------------------------------------- */

static hwloc_topology_t synthetic(const char *description)
{
    hwloc_topology_t topology;
    assert_int_equal(hwloc_topology_init(&topology), 0);
    assert_int_equal(hwloc_topology_set_synthetic(topology, description), 0);
    assert_int_equal(hwloc_topology_load(topology), 0);
    return topology;
}

static void described_machines_are_read(void **state)
{
    hone_cpu_layout  layout;
    hwloc_topology_t topology = synthetic("pack:2 l3:1(size=33554432) l2:8(size=1048576) l1:1(size=32768) core:1 pu:2");
    (void)state;
    assert_true(hone_cpu_layout_of(topology, NULL, &layout));
    assert_int_equal(layout.cores, 16);
    assert_int_equal(layout.threads, 32);
    assert_int_equal(layout.cache_bytes[HONE_LEVEL_L1], 32768);
    assert_int_equal(layout.cache_bytes[HONE_LEVEL_L2], 1048576);
    assert_int_equal(layout.cache_bytes[HONE_LEVEL_L3], 33554432);
    assert_int_equal(layout.cache_cores[HONE_LEVEL_L3], 8);
    assert_int_equal(layout.cache_cores[HONE_LEVEL_L2], 1);

    hwloc_bitmap_t one = hwloc_bitmap_alloc();
    hwloc_bitmap_set(one, 3); /* one thread of one core */
    assert_true(hone_cpu_layout_of(topology, one, &layout));
    assert_int_equal(layout.cores, 1);
    assert_int_equal(layout.threads, 1);
    assert_int_equal(layout.cache_cores[HONE_LEVEL_L3], 1);
    hwloc_bitmap_set_range(one, 0, 5); /* three cores */
    assert_true(hone_cpu_layout_of(topology, one, &layout));
    assert_int_equal(layout.cores, 3);
    hwloc_bitmap_only(one, 1000);
    assert_false(hone_cpu_layout_of(topology, one, &layout));
    hwloc_bitmap_free(one);
    hwloc_topology_destroy(topology);

    topology = synthetic("pack:8 numa:4 l3:2 core:4 pu:2"); /* 512 threads */
    assert_true(hone_cpu_layout_of(topology, NULL, &layout));
    assert_int_equal(layout.cores, 256);
    assert_int_equal(layout.threads, 512);
    hwloc_topology_destroy(topology);

    topology = synthetic("pu:3"); /* a machine that tells next to nothing */
    assert_true(hone_cpu_layout_of(topology, NULL, &layout));
    assert_int_equal(layout.cores, 3);
    assert_int_equal(layout.cache_bytes[HONE_LEVEL_L1], 0);
    hwloc_topology_destroy(topology);
}

static void hwloc_tells_kinds(void **state)
{
    hone_cpu_layout     layout;
    hwloc_topology_t    topology = synthetic("numa:1 core:8 pu:1");
    hwloc_bitmap_t      strong = hwloc_bitmap_alloc(), weak = hwloc_bitmap_alloc();
    (void)state;
    hwloc_bitmap_set_range(strong, 0, 1);
    hwloc_bitmap_set_range(weak, 2, 7);
    assert_int_equal(record_kind(topology, strong, 10, "IntelCore"), 0);
    assert_int_equal(record_kind(topology, weak, 1, "IntelAtom"), 0);
    assert_true(hone_cpu_layout_of(topology, NULL, &layout));
    assert_int_equal(layout.kinds[0], 2);
    assert_int_equal(layout.kinds[1], 6);
    assert_int_equal(layout.kinds[2], 0);
    hwloc_bitmap_free(strong);
    hwloc_bitmap_free(weak);
    hwloc_topology_destroy(topology);
}

/* --- this machine ---------------------------------------------------------------------------------------------- */

static void both_see_this_machine_alike(void **state)
{
    hone_cpu_mask   usable;
    hone_cpu_layout files, hwloc;
    (void)state;
    hone_cpu_usable(&usable);
    if (!hone_cpu_layout_read("/sys", "/proc", &usable, &files) || !hone_cpu_layout_by_hwloc(&hwloc)) skip();
    assert_int_equal(files.cores, hwloc.cores);
    assert_memory_equal(files.kinds, hwloc.kinds, sizeof files.kinds);
    assert_memory_equal(files.cache_bytes, hwloc.cache_bytes, sizeof files.cache_bytes);
    for (int level = 0; level < HONE_LEVEL_MEMORY; level++)
        if (files.cache_bytes[level]) assert_int_equal(files.cache_cores[level], hwloc.cache_cores[level]);
    assert_int_equal(files.packages, hwloc.packages);
    assert_int_equal(files.nodes, hwloc.nodes);
    assert_int_equal(files.l3s, hwloc.l3s);
    assert_memory_equal(&files.first, &hwloc.first, sizeof files.first);
    assert_true(files.memory_bytes > 0);
}

static void there_is_always_a_layout(void **state)
{
    hone_cpu_layout layout;
    (void)state;
    hone_cpu_layout_here(&layout);
    assert_true(layout.cores >= 1 && layout.threads >= layout.cores);
    assert_true(layout.at_once >= 1 && layout.at_once <= layout.cores);
    assert_true(layout.packages >= 1 && layout.nodes >= 1);
    assert_true(layout.cache_bytes[HONE_LEVEL_L1] >= 4096 && layout.cache_bytes[HONE_LEVEL_L2] >= 4096);
    assert_true(layout.cache_cores[HONE_LEVEL_L1] >= 1 && layout.cache_cores[HONE_LEVEL_L2] >= 1);
    assert_true(layout.line_bytes >= 16 && layout.memory_bytes > 1 << 20);
}

static void a_bound_process_has_one_core(void **state)
{
    int   status;
    pid_t child = fork();
    (void)state;
    if (child == 0) {
        hone_cpu_layout layout;
        cpu_set_t       set;
        CPU_ZERO(&set);
        CPU_SET(sched_getcpu(), &set);
        if (sched_setaffinity(0, sizeof set, &set) < 0) _exit(77);
        hone_cpu_layout_here(&layout);
        _exit(layout.cores == 1 && layout.threads == 1 && layout.at_once == 1 && layout.kinds[0] == 1 ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) skip();
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_are_read),
        cmocka_unit_test_setup_teardown(a_server_is_read, make_machine, remove_machine),
        cmocka_unit_test_setup_teardown(kinds_of_cores_are_told_apart, make_machine, remove_machine),
        cmocka_unit_test_setup_teardown(memory_is_never_of_one_source, make_machine, remove_machine),
        cmocka_unit_test_setup_teardown(a_share_of_time_limits_the_threads, make_machine, remove_machine),
        cmocka_unit_test_setup_teardown(a_group_holds_its_cpus, make_machine, remove_machine),
        cmocka_unit_test_setup_teardown(nonsense_is_survived, make_machine, remove_machine),
        cmocka_unit_test(described_machines_are_read),
        cmocka_unit_test(hwloc_tells_kinds),
        cmocka_unit_test(both_see_this_machine_alike),
        cmocka_unit_test(there_is_always_a_layout),
        cmocka_unit_test(a_bound_process_has_one_core),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
