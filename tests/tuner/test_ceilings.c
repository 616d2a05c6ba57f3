/* The ceilings of a small made-up machine, on this one's threads: what must be measured is, what is not there stays
 * untouched, and failures leave nothing behind. How fast it is, is no test's business. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "backends/cpu/cpu.h"
#include "backends/cpu/topology.h"
#include "base/alloc.h"
#include "base/status.h"
#include "tuner/ceilings.h"
#include "tuner/probes.h"

static hone_cpu_facts small_machine(void)
{
    return (hone_cpu_facts){.isa = hone_cpu_isa(), .extensions = hone_cpu_extensions(), .cores = 2,
                            .cache_bytes = {32 << 10, 128 << 10, 1 << 20}, .line_bytes = 64};
}
static hone_ceilings_options quick(int threads)
{
    return (hone_ceilings_options){.threads = threads, .memory_bytes = 128 << 20, .budget_s = 1e-6, .sample_s = 1e-5};
}

static void is_rate(double rate) { assert_true(isfinite(rate) && rate > 0); }

/* What handing over takes is known only where somebody took it. Where others keep the CPUs, that may take some tries.
 */
static void threads_take_part(void **state)
{
    (void)state;
    hone_cpu_facts cpu = small_machine();
    hone_ceilings_options o = quick(2);
    hone_ceilings c;
    hone_cpu_layout layout;
    hone_cpu_pool_view before, after;
    hone_cpu_layout_here(&layout);
    if (layout.at_once < 2) skip();
    hone_cpu_pool_look(&before);
    for (int tries = 0; tries < 100; tries++) {
        assert_int_equal(hone_ceilings_measure(&cpu, &o, &c), HONE_OK);
        hone_cpu_pool_look(&after);
        if (after.helped > before.helped) return;
    }
    fail_msg("no worker has run a chunk");
}

static void everything_that_is_there_is_measured(void **state)
{
    (void)state;
    hone_cpu_facts cpu = small_machine();
    for (int threads = 1; threads <= 3; threads++) {
        hone_ceilings_options o = quick(threads);
        hone_ceilings c;
        assert_int_equal(hone_ceilings_measure(&cpu, &o, &c), HONE_OK);
        for (int width = 0; width < HONE_WIDTH_COUNT; width++) {
            for (int isa = 0; isa < HONE_ISA_COUNT; isa++) {
                bool here = isa <= (int)cpu.isa;
                for (int type = 0; type <= HONE_DTYPE_LAST; type++) {
                    double rate = c.flops[isa][type][width];
                    if (here && (type == HONE_F32 || type == HONE_F64)) is_rate(rate);
                    if (!here) assert_true(rate == 0);
                }
            }
            for (int level = 0; level < HONE_LEVEL_COUNT; level++) {
                is_rate(c.read[level][width]);
                is_rate(c.copy[level][width]);
            }
        }
        assert_true(c.launch_seconds > 0 && c.launch_seconds < 1);
        assert_true(threads == 1 ? c.fork_seconds == 0 : c.fork_seconds > 0 && c.fork_seconds < 1);
    }
    assert_int_equal(hone_alloc_live(), 0);
}

static void extensions_are_entered_only_where_they_are(void **state)
{
    (void)state;
    static const struct { unsigned bit; hone_dtype dtype; } table[] = {
        {HONE_CPU_BF16, HONE_BF16}, {HONE_CPU_VNNI, HONE_S8}, {HONE_CPU_FP16, HONE_F16}, {HONE_CPU_AVX_VNNI, HONE_S8}};
    hone_cpu_facts cpu = small_machine();
    unsigned here = cpu.extensions;
    for (size_t t = 0; t < sizeof table / sizeof *table; t++) {
        hone_ceilings_options o = quick(1);
        hone_ceilings c;
        cpu.extensions = here & table[t].bit;
        assert_int_equal(hone_ceilings_measure(&cpu, &o, &c), HONE_OK);
        for (size_t other = 0; other < sizeof table / sizeof *table; other++) {
            double rate = c.flops[HONE_ISA_AVX512][table[other].dtype][HONE_WIDTH_ONE];
            bool   wanted = other == t && cpu.isa == HONE_ISA_AVX512 && cpu.extensions;
            if (table[other].dtype == HONE_S8) /* without a dot product too: in three steps */
                assert_true(cpu.isa < HONE_ISA_AVX512 || rate > 0);
            else if (!wanted) assert_true(rate == 0);
            else if (table[t].bit != HONE_CPU_FP16) is_rate(rate); /* an old assembler may not know fp16 */
        }
    }
    cpu.isa = HONE_ISA_PORTABLE; /* HONE_ISA=portable: nothing above it, whatever the CPU has */
    cpu.extensions = ~0u;
    hone_ceilings_options o = quick(1);
    hone_ceilings c;
    assert_int_equal(hone_ceilings_measure(&cpu, &o, &c), HONE_OK);
    for (int isa = HONE_ISA_PORTABLE + 1; isa < HONE_ISA_COUNT; isa++)
        for (int type = 0; type <= HONE_DTYPE_LAST; type++) assert_true(c.flops[isa][type][0] == 0);
}

static void levels_that_are_not_there_are_left_out(void **state)
{
    (void)state;
    hone_cpu_facts cpu = small_machine();
    hone_ceilings_options o = quick(2);
    hone_ceilings c;
    cpu.cache_bytes[HONE_LEVEL_L3] = 0;
    assert_int_equal(hone_ceilings_measure(&cpu, &o, &c), HONE_OK);
    assert_true(c.read[HONE_LEVEL_L3][0] == 0 && c.copy[HONE_LEVEL_L3][1] == 0);
    is_rate(c.read[HONE_LEVEL_L2][1]);
    is_rate(c.read[HONE_LEVEL_MEMORY][1]);

    memset(cpu.cache_bytes, 0, sizeof cpu.cache_bytes); /* nothing is known: memory alone */
    assert_int_equal(hone_ceilings_measure(&cpu, &o, &c), HONE_OK);
    for (int level = 0; level < HONE_LEVEL_MEMORY; level++) assert_true(c.read[level][0] == 0);
    is_rate(c.copy[HONE_LEVEL_MEMORY][0]);

    cpu = small_machine(); /* a cache as large as what may be used: what lies in it is not memory */
    cpu.cache_bytes[HONE_LEVEL_L3] = 16 << 20;
    assert_int_equal(hone_ceilings_measure(&cpu, &o, &c), HONE_OK);
    assert_true(c.read[HONE_LEVEL_MEMORY][0] == 0);
    is_rate(c.read[HONE_LEVEL_L3][0]);
}

/* What the loops claim to do, they do: copies arrive, to the last byte and no further. */
static void copies_copy(void **state)
{
    (void)state;
    enum { bytes = 4 * HONE_PROBE_BLOCK };
    const hone_probes *all[HONE_ISA_COUNT] = {[HONE_ISA_PORTABLE] = &hone_probes_portable};
#if defined(__x86_64__)
    all[HONE_ISA_AVX2] = &hone_probes_avx2;
    all[HONE_ISA_AVX512] = &hone_probes_avx512;
#endif
    unsigned char *from = hone_alloc(bytes, 1), *to = hone_alloc(bytes + 64, 1);
    assert_true(from && to);
    for (int i = 0; i < bytes; i++) from[i] = (unsigned char)(i * 7 + i / 256);
    for (int isa = 0; isa <= (int)hone_cpu_isa(); isa++) {
        memset(to, 0xee, bytes + 64);
        all[isa]->copy(to, from, bytes, 2);
        assert_memory_equal(to, from, bytes);
        memset(to, 0xee, bytes + 64);
        if (all[isa]->stream) all[isa]->stream(to, from, bytes, 1), assert_memory_equal(to, from, bytes);
        for (int i = 0; i < 64; i++) assert_int_equal(to[bytes + i], 0xee);
        all[isa]->read(from, bytes, 3);
        for (int i = 0; i < all[isa]->peak_count; i++)
            if (!(all[isa]->peaks[i].needs & ~hone_cpu_extensions())) all[isa]->peaks[i].run(3);
    }
    hone_free(from);
    hone_free(to);
}

static hone_status launch_until(void *left)
{
    return (*(int *)left)-- > 0 ? HONE_OK : hone_fail(HONE_ERROR_DEVICE, "it has gone");
}

static void launches_may_fail(void **state)
{
    (void)state;
    hone_cpu_facts cpu = small_machine();
    int left = INT32_MAX;
    hone_ceilings_options o = quick(1);
    hone_ceilings c;
    o.launch = launch_until;
    o.launch_self = &left;
    assert_int_equal(hone_ceilings_measure(&cpu, &o, &c), HONE_OK);
    assert_true(c.launch_seconds > 0);
    left = 5;
    assert_int_equal(hone_ceilings_measure(&cpu, &o, &c), HONE_ERROR_DEVICE);
    assert_string_equal(hone_last_error(), "it has gone");
    assert_int_equal(hone_alloc_live(), 0);
}

static void senseless_requests_are_refused(void **state)
{
    (void)state;
    hone_cpu_facts cpu = small_machine();
    hone_ceilings c;
    hone_ceilings_options none = quick(0), negative = quick(1), slow = quick(1), many = quick(1000000);
    negative.budget_s = -1;
    slow.sample_s = 2;
    assert_int_equal(hone_ceilings_measure(&cpu, &none, &c), HONE_ERROR_ARGUMENT);
    assert_int_equal(hone_ceilings_measure(&cpu, &negative, &c), HONE_ERROR_ARGUMENT);
    assert_int_equal(hone_ceilings_measure(&cpu, &slow, &c), HONE_ERROR_ARGUMENT);
    assert_int_equal(hone_ceilings_measure(&cpu, &many, &c), HONE_ERROR_ARGUMENT);
    assert_non_null(strstr(hone_last_error(), "1000000"));
}

static int allocations_left;
static void *failing_allocate(void *user, size_t bytes, size_t alignment)
{
    (void)user;
    return allocations_left-- > 0 ? aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment) : NULL;
}
static void failing_release(void *user, void *memory, size_t bytes)
{
    (void)user, (void)bytes;
    free(memory);
}

static void out_of_memory_is_a_status(void **state)
{
    (void)state;
    hone_allocator failing = {NULL, failing_allocate, failing_release};
    hone_cpu_facts cpu = small_machine();
    hone_ceilings_options o = quick(2);
    hone_ceilings c;
    assert_int_equal(hone_allocator_set(&failing), HONE_OK);
    int n = 0;
    for (;; n++) {
        allocations_left = n;
        hone_status status = hone_ceilings_measure(&cpu, &o, &c);
        assert_int_equal(hone_alloc_live(), 0);
        if (status == HONE_OK) break;
        assert_int_equal(status, HONE_ERROR_MEMORY);
    }
    assert_int_equal(n, 2);
    assert_int_equal(hone_allocator_set(NULL), HONE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_that_is_there_is_measured),
        cmocka_unit_test(threads_take_part),
        cmocka_unit_test(extensions_are_entered_only_where_they_are),
        cmocka_unit_test(levels_that_are_not_there_are_left_out),
        cmocka_unit_test(copies_copy),
        cmocka_unit_test(launches_may_fail),
        cmocka_unit_test(senseless_requests_are_refused),
        cmocka_unit_test(out_of_memory_is_a_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
