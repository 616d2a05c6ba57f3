/* What the CPU says it can do, and the operating system agrees to: cpuid, and xgetbv for the registers that are saved
 * when threads change. Asked once and remembered, because under a hypervisor each question leaves the machine. What
 * the answers mean is a function of the answers alone, so that it is tested with those of other CPUs. */
#include "backends/cpu/cpu.h"

#include <stdatomic.h>
#include <string.h>

static const char *const names[HONE_ISA_COUNT] = {"portable", "avx2", "avx512"};

/* Bits of XCR0, and what must be saved before AVX2, AVX-512 and AMX may be used. */
#define XCR0_AVX    0x6u     /* xmm, ymm */
#define XCR0_AVX512 0xe6u    /* ... and opmask, zmm 0-15 upper halves, zmm 16-31 */
#define XCR0_AMX    0x60000u /* tile configuration, tile data */

static bool has(unsigned word, int bit)
{
    return word >> bit & 1;
}

static bool saves(const hone_cpu_words *words, uint64_t state)
{
    return (words->xcr0 & state) == state;
}

hone_isa hone_cpu_isa_of(const hone_cpu_words *words, unsigned *extensions)
{
    /* A leaf above the greatest is answered with that of the greatest: with anything. */
    bool leaf7 = words->leaf_max >= 7, leaf7_1 = leaf7 && words->leaf7_eax >= 1;
    *extensions = 0;
    if (!leaf7 || !has(words->leaf1_ecx, 27)) return HONE_ISA_PORTABLE; /* OSXSAVE: xgetbv may be asked */
    bool fma = has(words->leaf1_ecx, 12), avx = has(words->leaf1_ecx, 28), f16c = has(words->leaf1_ecx, 29);
    bool avx2 = has(words->leaf7_ebx, 5);
    if (!fma || !avx || !f16c || !avx2 || !saves(words, XCR0_AVX)) return HONE_ISA_PORTABLE;
    if (leaf7_1 && has(words->leaf7_1_eax, 4)) *extensions |= HONE_CPU_AVX_VNNI;

    bool f = has(words->leaf7_ebx, 16), dq = has(words->leaf7_ebx, 17);
    bool bw = has(words->leaf7_ebx, 30), vl = has(words->leaf7_ebx, 31);
    if (!f || !dq || !bw || !vl || !saves(words, XCR0_AVX512)) return HONE_ISA_AVX2;
    if (has(words->leaf7_ecx, 11)) *extensions |= HONE_CPU_VNNI;
    if (has(words->leaf7_edx, 23)) *extensions |= HONE_CPU_FP16;
    if (leaf7_1 && has(words->leaf7_1_eax, 5)) *extensions |= HONE_CPU_BF16;
    bool amx =
        has(words->leaf7_edx, 22) && has(words->leaf7_edx, 24) && has(words->leaf7_edx, 25); /* bf16, tile, int8 */
    if (amx && saves(words, XCR0_AMX) && words->tiles_given) *extensions |= HONE_CPU_AMX;
    return HONE_ISA_AVX512;
}

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Linux gives tiles to processes that ask for them. Whether it would is known without asking, and asking enlarges
 * every signal frame of the host program: that is for a kernel that needs them. */
static bool tiles_are_given(void)
{
    enum { GET_XCOMP_SUPP = 0x1021, TILE_DATA = 18 };
    uint64_t supported = 0;
    return syscall(SYS_arch_prctl, GET_XCOMP_SUPP, &supported) == 0 && supported >> TILE_DATA & 1;
}

void hone_cpu_words_here(hone_cpu_words *out)
{
    unsigned a, b, c, d;
    memset(out, 0, sizeof *out);
    if (!__get_cpuid(1, &a, &b, &out->leaf1_ecx, &d)) return;
    out->leaf_max = __get_cpuid_max(0, NULL);
    if (has(out->leaf1_ecx, 27)) {
        unsigned low, high;
        __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        out->xcr0 = (uint64_t)high << 32 | low;
    }
    if (!__get_cpuid_count(7, 0, &out->leaf7_eax, &out->leaf7_ebx, &out->leaf7_ecx, &out->leaf7_edx)) return;
    if (out->leaf7_eax >= 1) __get_cpuid_count(7, 1, &out->leaf7_1_eax, &b, &c, &d);
    out->tiles_given = has(out->leaf7_edx, 24) && saves(out, XCR0_AMX) && tiles_are_given();
}

#else

void hone_cpu_words_here(hone_cpu_words *out)
{
    memset(out, 0, sizeof *out);
}

#endif

/* known | extensions << 8 | level, so that two threads that ask at once store the same word. */
static unsigned answer(void)
{
    enum { KNOWN = 1u << 31 };
    static _Atomic(unsigned) remembered;
    unsigned                 word = atomic_load_explicit(&remembered, memory_order_relaxed);
    if (!word) {
        hone_cpu_words words;
        unsigned       extensions;
        hone_cpu_words_here(&words);
        hone_isa isa = hone_cpu_isa_of(&words, &extensions);
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
