/* Every tile of cpu.inner that this machine can run, and what makes its words, against plain loops: over all sizes up
 * to the tile's own, with each operand against a page that may not be touched. Bytes take the ends of their range,
 * where a sum of two products no longer fits in 16 bits; what they give must be right to the bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <stdbool.h>

#include "backends/cpu/cpu.h"
#include "base/half.h"
#include "base/random.h"
#include "base/size.h"
#include "kernels/matmul/inner.h"
#include "tests/kernels/guarded.h"

enum { ROOM = 60000 };

typedef struct bench {
    const hone_matmul_inner *tile;
    int      group, bytes; /* elements of a word; bytes of an element in memory */
    guarded  a, b, c, panel;
    uint8_t  plain_a[14 * 64 * 2], plain_b[64 * 70 * 2]; /* the elements, line after line along k */
    hone_random random;
} bench;

static bool runs_here(const hone_matmul_inner *tile)
{
    return tile->isa <= hone_cpu_isa() &&
           !(tile->needs & ~hone_cpu_extensions_at(hone_cpu_isa(), hone_cpu_extensions()));
}

/* A byte, often at an end of its range; or a small whole number as bf16. */
static void draw(bench *t, void *to, int64_t count)
{
    static const uint8_t ends[] = {0, 1, 127, 128, 129, 255, 254, 2};
    for (int64_t i = 0; i < count; i++) {
        const uint64_t bits = hone_random_next(&t->random);
        if (t->bytes == 1) {
            ((uint8_t *)to)[i] = bits & 256 ? ends[bits & 7] : (uint8_t)bits;
            continue;
        }
        const float value = (float)((int)(bits % 15) - 7);
        if (t->tile->kit->word == HONE_WORD_F16) {
            ((uint16_t *)to)[i] = hone_f16_from_f32(value);
            continue;
        }
        uint32_t word;
        memcpy(&word, &value, sizeof word);
        ((uint16_t *)to)[i] = (uint16_t)(word >> 16);
    }
}

/* What an element means once it is in a word of a, or of b. */
static int64_t meaning(const bench *t, const void *from, int64_t at, bool of_a, hone_matmul_change change)
{
    if (t->tile->kit->word == HONE_WORD_F16) return (int64_t)hone_f16_to_f32(((const uint16_t *)from)[at]);
    if (t->bytes == 2) {
        const uint32_t word = (uint32_t)((const uint16_t *)from)[at] << 16;
        float value;
        memcpy(&value, &word, sizeof value);
        return (int64_t)value;
    }
    const uint8_t byte = (uint8_t)(((const uint8_t *)from)[at] ^ change.flip);
    if (t->tile->kit->word == HONE_WORD_U8S8) return of_a ? byte : (int8_t)byte;
    return (int8_t)byte - change.less;
}

/* The element of a word at `to`. */
static int64_t in_word(const bench *t, const void *to, int64_t i, bool of_a)
{
    if (t->tile->kit->word == HONE_WORD_S16) return ((const int16_t *)to)[i];
    return meaning(t, to, i, of_a, (hone_matmul_change){0, 0});
}

typedef struct shape {
    int64_t m, n, k;
    bool    plain, keeps, adds, at_end, a_across, corrected;
    hone_matmul_change change;
} shape;

static void lines_and_panels(bench *t, const void *from, int64_t lines, int64_t k, hone_matmul_change change, void *to,
                             int64_t to_line, int64_t width)
{
    const hone_matmul_inner_pack job = {.lines = lines, .length = k, .from = from, .from_line = k, .from_at = 1,
                                        .change = change, .to = to, .to_line = to_line, .width = width};
    if (width) t->tile->kit->panels(&job);
    else t->tile->kit->lines(&job);
}

static void try_tile(bench *t, const shape *s)
{
    const int64_t words = hone_divide_up(s->k, t->group), whole = hone_round_up(s->n, t->tile->kit->lanes);
    const int64_t across = hone_round_up(t->tile->m, t->tile->kit->lanes), width = t->tile->n;
    const hone_matmul_change of_a = {s->change.flip ^ 0x80, -s->change.less};
    int32_t column[64], row[14], old[14 * 64];
    draw(t, t->plain_a, s->m * s->k), draw(t, t->plain_b, s->n * s->k);
    for (int i = 0; i < 64; i++) column[i] = (int32_t)hone_random_next(&t->random) >> 8;
    for (int i = 0; i < 14; i++) row[i] = (int32_t)hone_random_next(&t->random) >> 8;

    const int64_t a_words = s->a_across ? words * across : s->m * words;
    int32_t *a = guarded_at(&t->a, (size_t)(4 * a_words), s->at_end);
    lines_and_panels(t, t->plain_a, s->m, s->k, of_a, a, s->a_across ? 0 : words, s->a_across ? across : 0);
    uint8_t *b;
    if (s->plain) {
        b = guarded_at(&t->b, (size_t)(s->k * s->n * t->bytes), s->at_end);
        for (int64_t j = 0; j < s->n; j++)
            for (int64_t k = 0; k < s->k; k++)
                memcpy(b + (k * s->n + j) * t->bytes, t->plain_b + (j * s->k + k) * t->bytes, (size_t)t->bytes);
    } else {
        const int64_t last = words ? (words - 1) * width + whole : 0;
        b = guarded_at(&t->b, (size_t)(4 * last), s->at_end);
        lines_and_panels(t, t->plain_b, s->n, s->k, s->change, b, 0, width);
    }
    int32_t *c = guarded_at(&t->c, (size_t)(4 * (s->m * s->n)), s->at_end);
    void    *panel = guarded_at(&t->panel, (size_t)(4 * (words ? (words - 1) * width + whole : 0)), s->at_end);
    for (int64_t i = 0; s->adds && i < s->m * s->n; i++) {
        const float value = (float)(i % 7);
        old[i] = (int32_t)(i % 7);
        if (t->bytes == 2) memcpy(c + i, &value, 4);
        else memcpy(c + i, old + i, 4);
    }

    t->tile->multiply(&(hone_matmul_inner_job){
        .m = s->m, .n = s->n, .words = words, .a = a, .a_m = s->a_across ? 1 : words, .a_k = s->a_across ? across : 1,
        .b = b, .b_k = s->plain ? s->n * t->bytes : width, .lines = s->plain ? s->k : 0, .change = s->change,
        .panel = s->plain && s->keeps ? panel : NULL, .adds = s->adds, .c = c, .c_m = s->n,
        .column = s->corrected ? column : NULL, .row = s->corrected ? row : NULL});

    for (int64_t i = 0; i < s->m; i++)
        for (int64_t j = 0; j < s->n; j++) {
            uint32_t truth = s->adds ? (uint32_t)old[i * s->n + j] : 0;
            for (int64_t k = 0; k < s->k; k++)
                truth += (uint32_t)(meaning(t, t->plain_a, i * s->k + k, true, of_a) *
                                    meaning(t, t->plain_b, j * s->k + k, false, s->change));
            if (s->corrected && t->bytes == 1) truth += (uint32_t)column[j] + (uint32_t)row[i];
            int32_t got = c[i * s->n + j];
            if (t->bytes == 2) {
                float value;
                memcpy(&value, &got, 4);
                got = (int32_t)value;
            }
            if (got != (int32_t)truth)
                fail_msg("%s %dx%dx%d c[%d][%d]: %d, not %d (plain %d, keeps %d, adds %d, flip %d, less %d)",
                         t->tile->name, (int)s->m, (int)s->n, (int)s->k, (int)i, (int)j, got, (int)truth, s->plain,
                         s->keeps, s->adds, s->change.flip, s->change.less);
        }
    for (int64_t k = 0; s->plain && s->keeps && k < words * t->group; k++)
        for (int64_t j = 0; j < s->n; j++) {
            const char *word = (const char *)panel + 4 * (k / t->group * width + j);
            const int64_t kept = in_word(t, word, k % t->group, false);
            if (kept != (k < s->k ? meaning(t, t->plain_b, j * s->k + k, false, s->change) : 0))
                fail_msg("%s %dx%dx%d keeps %d at k %d, column %d", t->tile->name, (int)s->m, (int)s->n, (int)s->k,
                         (int)kept, (int)k, (int)j);
        }
}

static bench bench_open(const hone_matmul_inner *tile)
{
    return (bench){.tile = tile,
                   .group = hone_matmul_word_group(tile->kit->word),
                   .bytes = hone_matmul_word_whole(tile->kit->word) ? 1 : 2,
                   .a = guarded_make(ROOM),
                   .b = guarded_make(ROOM),
                   .c = guarded_make(ROOM),
                   .panel = guarded_make(ROOM),
                   .random = hone_random_seeded(5)};
}

static void bench_close(bench *t)
{
    guarded_free(&t->a), guarded_free(&t->b), guarded_free(&t->c), guarded_free(&t->panel);
}

static void tiles_multiply(void **state)
{
    static const int64_t ks[] = {0, 1, 2, 3, 4, 5, 8, 37};
    (void)state;
    for (int at = 0; at < hone_matmul_inner_count; at++) {
        const hone_matmul_inner *tile = &hone_matmul_inners[at];
        if (!runs_here(tile)) {
            printf("%s: skipped, this CPU does not have its instructions\n", tile->name);
            continue;
        }
        assert_true(tile->m * tile->n * 4 <= HONE_MATMUL_INNER_BYTES_MAX);
        bench t = bench_open(tile);
        int   count = 0;
        for (int64_t m = 1; m <= tile->m; m++)
            for (int64_t n = 1; n <= tile->n; n++)
                for (int i = 0; i < 8; i++) {
                    const uint64_t bits = hone_random_next(&t.random);
                    shape s = {m, n, ks[i], bits & 1 && ks[i], bits & 2, bits & 4, bits & 8, bits & 16, bits & 32,
                               {bits & 64 ? 0x80 : 0, 0}};
                    if (tile->kit->word == HONE_WORD_S16) s.change.less = (int)(bits >> 8 & 255) - 128;
                    try_tile(&t, &s);
                    count++;
                }
        printf("%s: %d cases\n", tile->name, count);
        bench_close(&t);
    }
}

/* Lines that lie together, side by side, or scattered: into lines and into panels of words. */
static void words_are_made(void **state)
{
    (void)state;
    for (int at = 0; at < hone_matmul_inner_count; at++) {
        const hone_matmul_inner *tile = &hone_matmul_inners[at];
        if (!runs_here(tile)) continue;
        bench t = bench_open(tile);
        for (int64_t lines = 1; lines <= 140; lines = lines * 3 / 2 + 1)
            for (int64_t k = 1; k <= 70; k = k * 3 / 2 + 1)
                for (int way = 0; way < 6; way++) {
                    const bool panels = way % 2;
                    const int64_t line = way / 2 == 0   ? k + 1
                                         : way / 2 == 1 ? 1
                                                        : 2 * k,
                                  step = way / 2 == 0   ? 1
                                         : way / 2 == 1 ? lines + 1
                                                        : 2;
                    const int64_t span = (lines - 1) * line + (k - 1) * step + 1, words = hone_divide_up(k, t.group);
                    const int64_t whole = hone_round_up(lines, tile->kit->lanes);
                    const int64_t count = (whole - 1) / tile->n + 1, in_last = whole - (count - 1) * tile->n;
                    const int64_t room =
                        panels ? (count - 1) * words * tile->n + (words - 1) * tile->n + in_last : lines * words;
                    const hone_matmul_change change = {lines % 2 ? 0x80 : 0, tile->kit->word == HONE_WORD_S16 ? 17 : 0};
                    uint8_t *from = guarded_at(&t.a, (size_t)(span * t.bytes), (int)(k & 1));
                    draw(&t, from, span);
                    char *to = guarded_at(&t.b, (size_t)(4 * room), (int)(k & 1));
                    const hone_matmul_inner_pack job = {.lines = lines,
                                                        .length = k,
                                                        .from = from,
                                                        .from_line = line,
                                                        .from_at = step,
                                                        .change = change,
                                                        .to = to,
                                                        .to_line = panels ? words * tile->n : words,
                                                        .width = tile->n};
                    if (panels) tile->kit->panels(&job);
                    else tile->kit->lines(&job);
                    for (int64_t i = 0; i < (panels ? whole : lines); i++)
                        for (int64_t j = 0; j < words * t.group; j++) {
                            const int64_t word =
                                panels ? i / tile->n * words * tile->n + j / t.group * tile->n + i % tile->n
                                       : i * words + j / t.group;
                            const int64_t truth =
                                i < lines && j < k ? meaning(&t, from, i * line + j * step, false, change) : 0;
                            const int64_t got = in_word(&t, to + 4 * word, j % t.group, false);
                            if (got != truth && i < lines)
                                fail_msg("%s: %d lines of %d, way %d: %d at line %d, %d along it, not %d", tile->name,
                                         (int)lines, (int)k, way, (int)got, (int)i, (int)j, (int)truth);
                        }
                }
        bench_close(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tiles_multiply), cmocka_unit_test(words_are_made)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
