/* The micro-kernels of weights against plain loops, for every instruction set that this machine can run: words of plain
 * weights in all the ways in which they lie, and products of them with scales and zeros, each operand against a page
 * that may not be touched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "backends/cpu/cpu.h"
#include "base/size.h"
#include "kernels/matmul/weights.h"
#include "tests/kernels/array.h"

enum { WIDTH = HONE_MATMUL_WEIGHTS_WIDTH };

static const hone_matmul_weights_kit *const kits[] = {
#ifdef __x86_64__
    &hone_matmul_weights_avx512, &hone_matmul_weights_avx2,
#endif
    &hone_matmul_weights_any};
static const int kit_count = (int)(sizeof kits / sizeof *kits);

static bool runs_here(const hone_matmul_weights_kit *kit)
{
    if (kit->isa <= hone_cpu_isa()) return true;
    printf("%s: skipped, this CPU does not have its instructions\n", kit->name);
    return false;
}

/* Bits of whole bytes, at one end of the pages. */
static uint8_t *lay_bytes(const guarded *memory, int64_t bytes, int at_end, hone_random *r)
{
    uint8_t *at = guarded_at(memory, (size_t)bytes, at_end);
    for (int64_t i = 0; i < bytes; i++) at[i] = (uint8_t)hone_random_next(r);
    return at;
}

static uint32_t bits_at(const uint8_t *from, int bits, int64_t at)
{
    return bits == 8 ? from[at] : from[at >> 1] >> (4 * (at & 1)) & 15;
}

static void makes_words(void **state)
{
    static const int64_t ks[] = {1, 2, 3, 4, 7, 8, 9, 16, 31, 64, 129, 200}, ns[] = {1, 2, 5, 16, 63, 64, 65, 130};
    hone_random r = hone_random_seeded(21);
    guarded     from = guarded_make(200000), to = guarded_make(200000);
    (void)state;
    for (int at = 0; at < kit_count; at++)
        for (int trial = 0; runs_here(kits[at]) && trial < 600; trial++) {
            const int bits = hone_random_below(&r, 2) ? 4 : 8, group = 32 / bits, way = (int)hone_random_below(&r, 3);
            const int64_t k = ks[hone_random_below(&r, 12)], n = ns[hone_random_below(&r, 8)];
            const int64_t gap = 2 * (int64_t)hone_random_below(&r, 3);
            hone_matmul_words_job job = {.k = k, .n = n, .bits = bits};
            job.from_k = way == 0 ? 1 : way == 1 ? hone_round_up(n, 2) + gap : bits == 8 ? 2 * n + gap : 2;
            job.from_n = way == 0 ? hone_round_up(k, 2) + gap : way == 1 ? 1 : bits == 8 ? 2 : 2 * k + gap;
            if (way == 0 && bits == 8 && hone_random_below(&r, 2)) job.from_n = k + gap / 2;
            job.first = way == 0 && bits == 4 && k > 1 ? (int64_t)hone_random_below(&r, 2) : 0; /* within a byte */
            const int64_t elements = job.first + (k - 1) * job.from_k + (n - 1) * job.from_n + 1;
            const int64_t lines = hone_divide_up(k, group), panels = hone_divide_up(n, WIDTH);
            const uint8_t *b = job.from = lay_bytes(&from, hone_divide_up(elements * bits, 8), trial % 2, &r);
            job.to_panel = lines * WIDTH;
            job.to = guarded_at(&to, (size_t)(panels * job.to_panel * 4), trial % 2);
            kits[at]->words(&job);
            for (int64_t j = 0; j < panels * WIDTH; j++)
                for (int64_t line = 0; line < lines; line++) {
                    uint32_t word = 0;
                    for (int i = 0; i < group && line * group + i < k && j < n; i++)
                        word |= bits_at(b, bits, job.first + (line * group + i) * job.from_k + j * job.from_n)
                                << (bits * i);
                    const uint32_t got = job.to[j / WIDTH * job.to_panel + line * WIDTH + j % WIDTH];
                    if (j < n && got != word) /* of a line's last byte nobody knows what is beyond */
                        fail_msg("%s: %d bits, %dx%d, strides %d and %d: word %d of column %d is %x, not %x",
                                 kits[at]->name, bits, (int)k, (int)n, (int)job.from_k, (int)job.from_n, (int)line,
                                 (int)j, got, word);
                }
        }
    guarded_free(&from);
    guarded_free(&to);
}

static double number(uint32_t word, int bits, int i, int is_signed)
{
    const int x = (int)(word >> (bits * i) & ((1u << bits) - 1));
    return is_signed && x >> (bits - 1) ? x - (1 << bits) : x;
}

static void multiplies(void **state)
{
    hone_random r = hone_random_seeded(22);
    guarded     b = guarded_make(300000);
    array       a, scale, zero, a_sums, sums, before, *all[] = {&a, &scale, &zero, &a_sums, &sums, &before};
    (void)state;
    for (int i = 0; i < 6; i++) *all[i] = (array){.memory = guarded_make(100000), .type = HONE_F32};
    for (int at = 0; at < kit_count; at++)
        for (int trial = 0; runs_here(kits[at]) && trial < 200; trial++) {
            const hone_matmul_weights_kit *kit = kits[at];
            const int bits = trial & 1 ? 4 : 8, group = 32 / bits, is_signed = trial >> 1 & 1, zeros = trial >> 2 & 1;
            const int end = trial >> 3 & 1;
            hone_matmul_weights_job job = {.m = trial % kit->rows + 1, .bits = bits, .is_signed = is_signed,
                                           .runs = 1 + (int64_t)hone_random_below(&r, 4)};
            job.words = 1 + (int64_t)hone_random_below(&r, 6);
            job.last = 1 + (int64_t)hone_random_below(&r, (uint64_t)job.words);
            const int64_t lines = (job.runs - 1) * job.words + job.last, k = lines * group;
            const uint32_t *words = (const void *)lay_bytes(&b, lines * WIDTH * 4, end, &r);
            job.b = words;
            job.ahead = 4096 * (int64_t)hone_random_below(&r, 2);
            job.a_m = k + (int64_t)hone_random_below(&r, 3);
            job.scale_line = WIDTH + (int64_t)hone_random_below(&r, 3);
            job.zero_line = WIDTH + (int64_t)hone_random_below(&r, 3);
            job.a_sums_m = job.runs;
            lay(&a, (job.m - 1) * job.a_m + k, end, &r);
            lay(&scale, (job.runs - 1) * job.scale_line + WIDTH, end, &r);
            lay(&zero, (job.runs - 1) * job.zero_line + WIDTH, end, &r);
            lay(&a_sums, job.m * job.runs, end, NULL);
            lay(&before, job.m * WIDTH, end, &r);
            lay(&sums, job.m * WIDTH, end, NULL);
            for (int64_t x = 0; x < job.m * WIDTH; x++) set(&sums, x, get(&before, x));
            for (int64_t i = 0; i < job.m; i++)
                for (int64_t run = 0; run < job.runs; run++) {
                    double sum = 0;
                    for (int64_t x = 0; x < (run + 1 < job.runs ? job.words : job.last) * group; x++)
                        sum += get(&a, i * job.a_m + run * job.words * group + x);
                    set(&a_sums, i * job.runs + run, sum);
                }
            job.a = (const void *)a.at, job.scale = (const void *)scale.at, job.sums = (void *)sums.at;
            if (zeros) job.zero = (const void *)zero.at, job.a_sums = (const void *)a_sums.at;
            kit->multiply(&job);
            for (int64_t i = 0; i < job.m; i++)
                for (int64_t j = 0; j < WIDTH; j++) {
                    double truth = get(&before, i * WIDTH + j);
                    for (int64_t x = 0; x < k; x++) {
                        const int64_t run = x / (job.words * group);
                        const double  q = number(words[x / group * WIDTH + j], bits, (int)(x % group), is_signed);
                        const double  z = zeros ? get(&zero, run * job.zero_line + j) : 0;
                        truth += get(&a, i * job.a_m + x) * (q - z) * get(&scale, run * job.scale_line + j);
                    }
                    if (!(get(&sums, i * WIDTH + j) == truth))
                        fail_msg("%s: %d bits, %d rows, %d runs of %d words: sums[%d][%d] is %g, not %g", kit->name,
                                 bits, (int)job.m, (int)job.runs, (int)job.words, (int)i, (int)j,
                                 get(&sums, i * WIDTH + j), truth);
                }
        }
    for (int i = 0; i < 6; i++) guarded_free(&all[i]->memory);
    guarded_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(makes_words), cmocka_unit_test(multiplies)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
