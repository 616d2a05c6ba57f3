/* The real clock, preemption counter, canary and cache flush: see watch.h. */
#include "tuner/watch.h"

#include <stddef.h>
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

static int64_t now_ns(void *self)
{
    (void)self;
    return hone_now_ns();
}

static int64_t preemptions_of(int who)
{
    struct rusage use;
    return getrusage(who, &use) == 0 ? use.ru_nivcsw : 0;
}

static int64_t thread_preemptions(void *self)
{
    (void)self;
    return preemptions_of(RUSAGE_THREAD);
}

static int64_t process_preemptions(void *self)
{
    (void)self;
    return preemptions_of(RUSAGE_SELF);
}

static int64_t thread_on_core_ns(void *self)
{
    (void)self;
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

/* A multiply waits for the one before it, 3 to 5 cycles on every core in use; chains of additions are folded while
 * they are renamed and tell nothing. The best of five short runs: an interrupt falls into one, not into all. */
static double multiply_chain(void *self)
{
    (void)self;
    enum { runs = 5, links = 4096 };
    int64_t best = INT64_MAX;
    for (int run = 0; run < runs; run++) {
        int64_t  start = hone_now_ns();
        uint64_t x = 3;
        for (int link = 0; link < links; link++) {
            x *= x;
            __asm__ volatile("" : "+r"(x));
        }
        int64_t took = hone_now_ns() - start;
        if (took < best) best = took;
    }
    return (double)best * 1e-9;
}

static void sleep_for(void *self, double seconds)
{
    (void)self;
    struct timespec left = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    while (nanosleep(&left, &left) != 0) {
    }
}

const hone_watch *hone_watch_real(int threads)
{
    static const hone_watch alone = {now_ns, thread_preemptions, thread_on_core_ns, multiply_chain, sleep_for, NULL};
    static const hone_watch many = {now_ns, process_preemptions, NULL, multiply_chain, sleep_for, NULL};
    return threads > 1 ? &many : &alone;
}

int64_t hone_watch_step_ns(const hone_watch *watch, int readings)
{
    int64_t step = INT64_MAX, before = watch->now_ns(watch->self);
    for (int i = 0; i < readings; i++) {
        int64_t now = watch->now_ns(watch->self);
        if (now > before && now - before < step) step = now - before;
        before = now;
    }
    return step == INT64_MAX ? 1 : step;
}

#if defined(__x86_64__)
__attribute__((target("clflushopt"))) static void flush_weakly_ordered(const char *at, const char *end, size_t line)
{
    for (; at < end; at += line) __builtin_ia32_clflushopt(at);
}

int hone_watch_flush(const void *at, size_t bytes)
{
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(d & (1u << 19))) return 0;
    size_t line = (b >> 8 & 0xff) * 8; /* CLFLUSH line size, in units of 8 bytes */
    if (line == 0) return 0;
    const char *first = (const char *)((uintptr_t)at / line * line), *end = (const char *)at + bytes;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & (1u << 23))) {
        flush_weakly_ordered(first, end, line);
    } else {
        for (; first < end; first += line) __builtin_ia32_clflush(first);
    }
    __builtin_ia32_mfence();
    return 1;
}
#elif defined(__aarch64__)
int hone_watch_flush(const void *at, size_t bytes)
{
    uint64_t kind;
    __asm__("mrs %0, ctr_el0" : "=r"(kind));
    size_t      line = (size_t)4 << (kind >> 16 & 15); /* DminLine: log2 of words */
    const char *first = (const char *)((uintptr_t)at / line * line), *end = (const char *)at + bytes;
    for (; first < end; first += line) __asm__ volatile("dc civac, %0" ::"r"(first) : "memory");
    __asm__ volatile("dsb sy" ::: "memory");
    return 1;
}
#else
int hone_watch_flush(const void *at, size_t bytes)
{
    (void)at, (void)bytes;
    return 0;
}
#endif

void hone_watch_sweep(const void *sweep, size_t bytes)
{
    const volatile char *at = sweep;
    for (size_t i = 0; i < bytes; i += 64) (void)at[i];
}
