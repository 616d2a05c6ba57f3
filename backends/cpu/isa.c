/* What the CPU says it can do, and the operating system agrees to: cpuid, and xgetbv for the registers that are saved
 * when threads change. Asked once and remembered, because under a hypervisor each question leaves the machine. */
#include "backends/cpu/cpu.h"

#include <stdatomic.h>
#include <string.h>

static const char *const names[HONE_ISA_COUNT] = {"portable", "avx2", "avx512"};

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Bits of XCR0, and what must be saved before AVX2, AVX-512 and AMX may be used. */
#define XCR0_AVX    0x6u     /* xmm, ymm */
#define XCR0_AVX512 0xe6u    /* ... and opmask, zmm 0-15 upper halves, zmm 16-31 */
#define XCR0_AMX    0x60000u /* tile configuration, tile data */

static bool has(unsigned word, int bit)
{
    return word >> bit & 1;
}

/* Linux gives tiles to processes that ask for them. Whether it would is known without asking, and asking enlarges
 * every signal frame of the host program: that is for a kernel that needs them. */
static bool amx_is_given(void)
{
    enum { GET_XCOMP_SUPP = 0x1021, TILE_DATA = 18 };
    uint64_t supported = 0;
    return syscall(SYS_arch_prctl, GET_XCOMP_SUPP, &supported) == 0 && supported >> TILE_DATA & 1;
}

static void ask(hone_isa *isa, unsigned *extensions)
{
    unsigned a, b, c, d, a7, b7, c7, d7, xcr0, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !has(c, 27)) return; /* OSXSAVE: xgetbv may be asked */
    __asm__("xgetbv" : "=a"(xcr0), "=d"(high) : "c"(0));
    bool fma_avx = has(c, 12) && has(c, 28);
    if (!__get_cpuid_count(7, 0, &a7, &b7, &c7, &d7)) return;
    if (!fma_avx || !has(b7, 5) || (xcr0 & XCR0_AVX) != XCR0_AVX) return;
    *isa = HONE_ISA_AVX2;

    bool f = has(b7, 16), dq = has(b7, 17), bw = has(b7, 30), vl = has(b7, 31);
    if (!f || !dq || !bw || !vl || (xcr0 & XCR0_AVX512) != XCR0_AVX512) return;
    *isa = HONE_ISA_AVX512;

    if (has(c7, 11)) *extensions |= HONE_CPU_VNNI;
    if (has(d7, 23)) *extensions |= HONE_CPU_FP16;
    if (has(d7, 22) && has(d7, 24) && has(d7, 25) && (xcr0 & XCR0_AMX) == XCR0_AMX && amx_is_given())
        *extensions |= HONE_CPU_AMX; /* bf16, tile, int8 */
    if (a7 >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && has(a, 5)) *extensions |= HONE_CPU_BF16;
}

#else

static void ask(hone_isa *isa, unsigned *extensions)
{
    (void)isa;
    (void)extensions;
}

#endif

/* known | extensions << 8 | level, so that two threads that ask at once store the same word. */
static unsigned answer(void)
{
    enum { KNOWN = 1u << 31 };
    static _Atomic(unsigned) remembered;
    unsigned                 word = atomic_load_explicit(&remembered, memory_order_relaxed);
    if (!word) {
        hone_isa isa = HONE_ISA_PORTABLE;
        unsigned extensions = 0;
        ask(&isa, &extensions);
        word = (unsigned)KNOWN | extensions << 8 | (unsigned)isa;
        atomic_store_explicit(&remembered, word, memory_order_relaxed);
    }
    return word;
}

hone_isa hone_cpu_isa(void)
{
    return (hone_isa)(answer() & 0xff);
}

unsigned hone_cpu_extensions(void)
{
    return answer() >> 8 & 0xff;
}

const char *hone_cpu_isa_name(hone_isa isa)
{
    return isa >= HONE_ISA_PORTABLE && isa < HONE_ISA_COUNT ? names[isa] : "?";
}

bool hone_cpu_isa_parse(const char *text, hone_isa *out)
{
    for (int isa = 0; isa < HONE_ISA_COUNT; isa++)
        if (text && strcmp(text, names[isa]) == 0) {
            *out = (hone_isa)isa;
            return true;
        }
    return false;
}
