/* Machines that nobody has at hand: recorded as Linux tells of them, read from their files and by hwloc, which must see
 * the same; and described by hwloc's words or XML, as summaries and as trees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <stdlib.h>

#include "backends/cpu/machine.h"
#include "base/status.h"
#include "tests/backends/recorded.h"
#include "tests/memory.h"

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
    {{.name = "eight sockets, two nodes each", .strong = 16, .smt = 2, .l3_cores = 2, .node_cores = 1,
      .package_cores = 2, .older_names = true, BIG},
     {{"0-31", 16, 32, 16, {16}, 8, 16, 8, {1, 1, 2}},
      {"10-11,26-27", 2, 4, 2, {2}, 1, 2, 1, {1, 1, 2}},    /* its sixth socket */
      {"3,4,19", 2, 3, 2, {2}, 2, 2, 2, {1, 1, 1}}}},       /* three threads of two cores of two sockets */
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
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    hwloc_bitmap_set_range(set, 0, m->strong * m->smt - 1);
    assert_int_equal(record_kind(topology, set, -1, "IntelCore"), 0);
    hwloc_bitmap_zero(set);
    hwloc_bitmap_set_range(set, (unsigned)(m->strong * m->smt), m->strong * m->smt + m->weak - 1);
    assert_int_equal(record_kind(topology, set, -1, "IntelAtom"), 0);
    hwloc_bitmap_free(set);
}

/* hwloc, sent into the same folder. */
static void by_hwloc(const recorded_machine *m, const hone_cpu_mask *usable, hone_cpu_layout *out)
{
    hwloc_topology_t topology;
    hwloc_bitmap_t   set = as_bitmap(usable);
    assert_int_equal(setenv("HWLOC_FSROOT", root, 1), 0);
    assert_int_equal(hwloc_topology_init(&topology), 0);
#if defined(__x86_64__) || defined(__i386__)
    /* it would ask the CPU that the test runs on, and mix both; elsewhere hwloc has no such part */
    assert_int_equal(hwloc_topology_set_components(topology, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "x86"), 0);
#endif
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

/* --- described: by hwloc's words and by XML ---------------------------------------------------------------------- */

#define XML(name) "tests/backends/machines/" name ".xml"

static hwloc_topology_t load(const char *text)
{
    hwloc_topology_t topology;
    assert_int_equal(hwloc_topology_init(&topology), 0);
    assert_int_equal(hwloc_topology_set_flags(topology, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED), 0);
    if (strstr(text, ".xml")) assert_int_equal(hwloc_topology_set_xml(topology, text), 0);
    else assert_int_equal(hwloc_topology_set_synthetic(topology, text), 0);
    assert_int_equal(hwloc_topology_load(topology), 0);
    return topology;
}

static const struct {
    const char *text;
    struct expected is;
} described[] = {
    {"package:8 numanode:2 l3:1 core:16 pu:2", {NULL, 256, 512, 256, {256}, 8, 16, 16, {0, 0, 16}}},
    {"package:8 [numanode(memory=1073741824)] l3:2 l2:8 l1d:1 core:1 pu:2",
     {NULL, 128, 256, 128, {128}, 8, 8, 16, {1, 1, 8}}},
    {"pu:3", {NULL, 3, 3, 3, {3}, 1, 1, 0, {0, 0, 0}}},
    {XML("strong-and-weak"), {NULL, 16, 24, 16, {8, 8}, 1, 1, 1, {1, 1, 16}}},
    {XML("four-threads-a-core"), {NULL, 16, 64, 16, {16}, 2, 2, 8, {1, 1, 2}}},
    {XML("one-core-of-sixteen"), {NULL, 1, 2, 1, {1}, 1, 1, 1, {1, 1, 1}}},
};

static void described_machines_are_understood(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof described / sizeof *described; i++) {
        const struct expected *is = &described[i].is;
        const recorded_machine named = {.name = described[i].text}, *m = &named;
        hone_cpu_layout  files;
        hwloc_topology_t topology = load(described[i].text);
        assert_true(hone_cpu_layout_of(topology, hwloc_topology_get_allowed_cpuset(topology), &files));
        IS(cores);
        IS(threads);
        IS(at_once);
        IS(packages);
        IS(nodes);
        IS(l3s);
        for (int kind = 0; kind < HONE_CPU_KINDS_MAX; kind++) IS(kinds[kind]);
        for (int level = 0; level < HONE_LEVEL_MEMORY; level++) IS(cache_cores[level]);

        hone_machine machine; /* the tree tells the same of what may be used */
        assert_int_equal(hone_machine_of(topology, NULL, &machine), HONE_OK);
        assert_int_equal(machine.parts[0].usable_cores, is->cores);
        assert_int_equal(machine.parts[0].usable_threads, is->threads);
        assert_int_equal(machine.kinds, is->kinds[1] ? 2 : 1);
        hone_machine_free(&machine);
        hwloc_topology_destroy(topology);
    }
}

/* Every part is counted once in the part it is in, and everything can be reached. */
static void check_tree(const hone_machine *m, int at, int *reached)
{
    const hone_part *part = &m->parts[at];
    hone_part        sum = {0};
    ++*reached;
    if (part->kind == HONE_PART_CORE) {
        assert_int_equal(part->child, -1);
        assert_true(part->threads >= 1 && part->usable_threads <= part->threads);
        assert_int_equal(__builtin_popcountll(part->usable), part->usable_threads);
        return;
    }
    for (int child = part->child; child >= 0; child = m->parts[child].next) {
        assert_true(child > at);
        check_tree(m, child, reached);
        sum.cores += m->parts[child].cores;
        sum.threads += m->parts[child].threads;
        sum.usable_cores += m->parts[child].usable_cores;
        sum.usable_threads += m->parts[child].usable_threads;
    }
    assert_int_equal(part->cores, sum.cores);
    assert_int_equal(part->threads, sum.threads);
    assert_int_equal(part->usable_cores, sum.usable_cores);
    assert_int_equal(part->usable_threads, sum.usable_threads);
}

static void trees_add_up(void **state)
{
    (void)state;
    for (size_t i = 0; i <= sizeof described / sizeof *described; i++) {
        hone_machine machine;
        int          reached = 0;
        bool         here = i == sizeof described / sizeof *described;
        assert_int_equal(here ? hone_machine_here(&machine) : hone_machine_described(described[i].text, &machine),
                         HONE_OK);
        check_tree(&machine, 0, &reached);
        assert_int_equal(reached, machine.part_count);
        assert_true(hone_part_alike(&machine, 0, 0));
        hone_machine_free(&machine);
        assert_null(machine.parts);
    }
}

static void only_what_is_alike_is(void **state)
{
    hone_machine m;
    (void)state;
    assert_int_equal(hone_machine_described(XML("one-core-of-sixteen"), &m), HONE_OK);
    int package = m.parts[0].child, one = m.parts[package].child, two = m.parts[one].next;
    assert_false(hone_part_alike(&m, one, two)); /* the usable core is in the first node */
    assert_int_equal(m.parts[one].kind, HONE_PART_GROUP);
    int first = m.parts[two].child;
    assert_int_equal(m.parts[first].kind, HONE_PART_CACHE);
    assert_true(hone_part_alike(&m, first, m.parts[first].next));
    m.parts[m.parts[first].child].cache_bytes[HONE_LEVEL_L2] /= 2; /* a core that has less */
    assert_false(hone_part_alike(&m, first, m.parts[first].next));
    hone_machine_free(&m);
}

static void what_is_no_machine_is_refused(void **state)
{
    static const struct {
        const char *text;
        hone_status status;
    } wrong[] = {{"", HONE_ERROR_FORMAT},          {"nonsense", HONE_ERROR_FORMAT},
                 {"package:-1", HONE_ERROR_FORMAT}, {"/nothing/here", HONE_ERROR_NOT_FOUND},
                 {"nothing.xml", HONE_ERROR_NOT_FOUND}, {"README.md", HONE_ERROR_FORMAT},
                 {"/tmp", HONE_ERROR_FORMAT}};
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        hone_machine machine = {.cores = 7};
        hone_status  status = hone_machine_described(wrong[i].text, &machine);
        if (status != wrong[i].status) fail_msg("'%s' gives %s", wrong[i].text, hone_status_name(status));
        assert_non_null(strstr(hone_last_error(), wrong[i].text));
        assert_null(machine.parts);
        assert_int_equal(machine.cores, 0);
    }
}

static void short_memory_leaves_nothing(void **state)
{
    test_memory memory;
    (void)state;
    for (int64_t n = 1;; n++) {
        hone_machine machine;
        assert_int_equal(test_memory_use(&memory), HONE_OK);
        memory.fail_at = n;
        hone_status status = hone_machine_described(described[1].text, &machine);
        bool        reached = memory.calls >= n;
        assert_int_equal(status, reached ? HONE_ERROR_MEMORY : HONE_OK);
        hone_machine_free(&machine);
        assert_int_equal(memory.blocks, 0);
        assert_int_equal(test_memory_use(NULL), HONE_OK);
        if (!reached) {
            assert_true(n > 2);
            return;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_and_hwloc_see_the_same),
        cmocka_unit_test(described_machines_are_understood),
        cmocka_unit_test(trees_add_up),
        cmocka_unit_test(only_what_is_alike_is),
        cmocka_unit_test(what_is_no_machine_is_refused),
        cmocka_unit_test(short_memory_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
