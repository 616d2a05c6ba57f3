/* Machines that nobody has at hand, recorded as Linux tells of them: read from their files and by hwloc, which must see
 * the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <stdlib.h>

#include "backends/cpu/topology.h"
#include "tests/backends/recorded.h"

static char root[64];

static int make_folder(void **state)
{
    (void)state;
    strcpy(root, "/tmp/hone-test-machines-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

struct expected {
    const char *usable;
    int         cores, threads, at_once, kinds[HONE_CPU_KINDS_MAX], packages, nodes, l3s;
    int         cache_cores[HONE_LEVEL_MEMORY];
};

#define BIG .l1 = "32K\n", .l2 = "1024K\n", .l3 = "32768K\n", .node_kib = 64l << 20
/* A machine, and what processes see of it that may run on `usable`. */
static const struct {
    recorded_machine machine;
    struct expected  seen[3];
} machines[] = {
    {{.name = "eight sockets, two nodes each", .strong = 32, .smt = 2, .l3_cores = 4, .node_cores = 2,
      .package_cores = 4, .older_names = true, BIG},
     {{"0-63", 32, 64, 32, {32}, 8, 16, 8, {1, 1, 4}},
      {"20-23,52-55", 4, 8, 4, {4}, 1, 2, 1, {1, 1, 4}},    /* its sixth socket */
      {"3,4,35", 2, 3, 2, {2}, 2, 2, 2, {1, 1, 1}}}},       /* three threads of two cores of two sockets */
    {{.name = "four groups of cores with an L3 each", .strong = 16, .smt = 1, .l3_cores = 4, .node_cores = 16,
      .package_cores = 16, BIG},
     {{"0-15", 16, 16, 16, {16}, 1, 1, 4, {1, 1, 4}}, {"2-9", 8, 8, 8, {8}, 1, 1, 3, {1, 1, 2}}}},
    {{.name = "strong and weak cores", .strong = 4, .weak = 8, .smt = 2, .neighbours = true, .l2_weak = 4,
      .l3_cores = 12, .node_cores = 12, .package_cores = 12, .l2_weak_size = "2048K\n", BIG},
     {{"0-15", 12, 16, 12, {4, 8}, 1, 1, 1, {1, 1, 12}},
      {"8-13", 6, 6, 6, {6}, 1, 1, 1, {1, 4, 6}},           /* the weak alone: their L2 is shared */
      {"7,8", 2, 2, 2, {1, 1}, 1, 1, 1, {1, 1, 2}}}},
    {{.name = "strong and weak cores of ARM, no L3", .strong = 4, .weak = 4, .smt = 1, .neighbours = true,
      .capacities = true, .l2_weak = 2, .node_cores = 8, .package_cores = 8, BIG},
     {{"0-7", 8, 8, 8, {4, 4}, 1, 1, 0, {1, 1, 0}}}},
    {{.name = "four threads a core", .strong = 8, .smt = 4, .neighbours = true, .l3_cores = 1, .node_cores = 4,
      .package_cores = 4, .older_names = true, BIG},
     {{"0-31", 8, 32, 8, {8}, 2, 2, 8, {1, 1, 1}}, {"2,3,7", 2, 3, 2, {2}, 1, 1, 2, {1, 1, 1}}}},
    {{.name = "one and a half CPUs' time", .strong = 8, .smt = 2, .l3_cores = 4, .node_cores = 4, .package_cores = 4,
      .cpu_max = "150000 100000\n", BIG},
     {{"0-15", 8, 16, 2, {8}, 2, 2, 2, {1, 1, 4}}, {"5,13", 1, 2, 1, {1}, 1, 1, 1, {1, 1, 1}}}}, /* a set of one core */
    {{.name = "a group's CPUs, of which the process is not told", .strong = 8, .smt = 2, .l3_cores = 4,
      .node_cores = 4, .package_cores = 4, .group_cpus = "2-3,10\n", BIG},
     {{"0-15", 2, 3, 2, {2}, 1, 1, 1, {1, 1, 2}}}},
    {{.name = "CPUs that are off", .strong = 8, .smt = 1, .l3_cores = 4, .node_cores = 4, .package_cores = 8,
      .offline = "3-4", BIG},
     {{"0-7", 6, 6, 6, {6}, 1, 2, 2, {1, 1, 3}}}},
    {{.name = "second threads that are off", .strong = 4, .smt = 2, .l3_cores = 4, .node_cores = 4,
      .package_cores = 4, .offline = "4-7", BIG},
     {{"0-7", 4, 4, 4, {4}, 1, 1, 1, {1, 1, 4}}}},
    {{.name = "no word of caches", .strong = 4, .smt = 2, .node_cores = 4, .package_cores = 4, .node_kib = 1 << 20},
     {{"0-7", 4, 8, 4, {4}, 1, 1, 0, {0, 0, 0}}}},
};

static hwloc_bitmap_t as_bitmap(const hone_cpu_mask *mask)
{
    hwloc_bitmap_t out = hwloc_bitmap_alloc();
    for (int cpu = hone_cpu_mask_next(mask, 0); cpu >= 0; cpu = hone_cpu_mask_next(mask, cpu + 1))
        hwloc_bitmap_set(out, (unsigned)cpu);
    return out;
}

/* Intel's kinds of cores hwloc asks of the CPU itself, which is not here: they are said as it would say them. */
static void tell_kinds(hwloc_topology_t topology, const recorded_machine *m)
{
    struct hwloc_info_s core = {"CoreType", "IntelCore"}, atom = {"CoreType", "IntelAtom"};
    hwloc_bitmap_t      set = hwloc_bitmap_alloc();
    hwloc_bitmap_set_range(set, 0, m->strong * m->smt - 1);
    assert_int_equal(hwloc_cpukinds_register(topology, set, -1, 1, &core, 0), 0);
    hwloc_bitmap_zero(set);
    hwloc_bitmap_set_range(set, (unsigned)(m->strong * m->smt), m->strong * m->smt + m->weak - 1);
    assert_int_equal(hwloc_cpukinds_register(topology, set, -1, 1, &atom, 0), 0);
    hwloc_bitmap_free(set);
}

/* hwloc, sent into the same folder. */
static void by_hwloc(const recorded_machine *m, const hone_cpu_mask *usable, hone_cpu_layout *out)
{
    hwloc_topology_t topology;
    hwloc_bitmap_t   set = as_bitmap(usable);
    assert_int_equal(setenv("HWLOC_FSROOT", root, 1), 0);
    assert_int_equal(hwloc_topology_init(&topology), 0);
    /* it would ask the CPU that the test runs on, and mix both */
    assert_int_equal(hwloc_topology_set_components(topology, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "x86"), 0);
    assert_int_equal(hwloc_topology_set_flags(topology, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED), 0);
    assert_int_equal(hwloc_topology_load(topology), 0);
    assert_int_equal(unsetenv("HWLOC_FSROOT"), 0);
    if (m->weak && !m->capacities) tell_kinds(topology, m);
    assert_true(hone_cpu_layout_of(topology, set, out));
    hwloc_topology_destroy(topology);
    hwloc_bitmap_free(set);
}

#define SAME(member)                                                                                                   \
    if (files.member != hwloc.member)                                                                                  \
    fail_msg("%s: files say %s = %ld, hwloc %ld", m->name, #member, (long)files.member, (long)hwloc.member)
#define IS(member)                                                                                                     \
    if (files.member != is->member) fail_msg("%s: %s = %d, expected %d", m->name, #member, files.member, is->member)

static void compare(const recorded_machine *m, const struct expected *is)
{
    char            sys[96], proc[96];
    hone_cpu_mask   usable, seen;
    hone_cpu_layout files, hwloc;
    snprintf(sys, sizeof sys, "%s/sys", root);
    snprintf(proc, sizeof proc, "%s/proc", root);
    assert_true(hone_cpu_mask_parse(is->usable, &usable));
    assert_true(hone_cpu_layout_read(sys, proc, &usable, &files));
    IS(cores);
    IS(threads);
    IS(at_once);
    IS(packages);
    IS(nodes);
    IS(l3s);
    for (int kind = 0; kind < HONE_CPU_KINDS_MAX; kind++) IS(kinds[kind]);
    for (int level = 0; level < HONE_LEVEL_MEMORY; level++) IS(cache_cores[level]);
    for (int node = 0; node < files.nodes; node++)
        assert_true(files.node_bytes[node] == (uint64_t)m->node_kib << 10);
    assert_int_equal(hone_cpu_mask_count(&files.first), files.cores);

    seen = usable;
    hone_cpu_mask_limit(sys, proc, &seen);
    by_hwloc(m, &seen, &hwloc);
    hone_cpu_layout_limit(sys, proc, &hwloc);
    SAME(cores);
    SAME(threads);
    SAME(at_once);
    SAME(packages);
    SAME(nodes);
    SAME(l3s);
    SAME(line_bytes);
    SAME(memory_bytes);
    for (int kind = 0; kind < HONE_CPU_KINDS_MAX; kind++) SAME(kinds[kind]);
    for (int level = 0; level < HONE_LEVEL_MEMORY; level++) SAME(cache_bytes[level]);
    for (int level = 0; level < HONE_LEVEL_MEMORY; level++) SAME(cache_cores[level]);
    assert_memory_equal(files.node_bytes, hwloc.node_bytes, sizeof files.node_bytes);
    assert_memory_equal(&files.first, &hwloc.first, sizeof files.first);
    assert_true(files.quota == hwloc.quota);
}

static void files_and_hwloc_see_the_same(void **state)
{
    for (size_t i = 0; i < sizeof machines / sizeof *machines; i++) {
        assert_int_equal(make_folder(state), 0);
        record_machine(root, &machines[i].machine);
        for (int seen = 0; seen < 3 && machines[i].seen[seen].usable; seen++)
            compare(&machines[i].machine, &machines[i].seen[seen]);
        assert_int_equal(remove_folder(state), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_and_hwloc_see_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
