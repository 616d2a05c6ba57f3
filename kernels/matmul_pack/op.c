/* The op matmul_pack: what is legal, its text, its arguments and its truth, which is a permutation: every kernel is
 * judged bit for bit. What stands in a kernel's own layout only that kernel knows: such packings are judged by the
 * products that read them (hone_op.take_apart). */
#include "kernels/matmul_pack/problem.h"

#include <math.h>
#include <stdio.h>

#include "base/element.h"
#include "base/random.h"
#include "base/status.h"
#include "base/text.h"

#define SAID(word) (int)((word).length < 48 ? (word).length : 48), (word).at

static const uint8_t types[] = {HONE_F32, HONE_F64, HONE_BF16, HONE_F16, HONE_S8, HONE_U8, HONE_S4, HONE_U4};

static int64_t width_of(const hone_matmul_pack_problem *p)
{
    return hone_matmul_layout_width(p->layout);
}

static int64_t group_of(const hone_matmul_pack_problem *p)
{
    return hone_matmul_layout_group(p->layout);
}

static int element_bits(const hone_matmul_pack_problem *p)
{
    return hone_dtype_bits((hone_dtype)p->type);
}

/* --- arguments ------------------------------------------------------------------------------------------------ */

static hone_role plain_role(const hone_matmul_pack_problem *p)
{
    return (hone_role){.type = (hone_dtype)p->type,
                       .rank = 3,
                       .shape = {p->count, p->k, p->n},
                       .stride = {p->matrix, p->row, p->column}};
}

static hone_role packed_role(const hone_matmul_pack_problem *p)
{
    int64_t width = width_of(p), line = width * group_of(p), lines = hone_divide_up(p->k, group_of(p));
    if (!width)
        return (hone_role){
            .type = HONE_U8, .rank = 2, .shape = {p->count, p->bytes}, .stride = {p->bytes, 1}, .opaque = true};
    return (hone_role){.type = (hone_dtype)p->type,
                       .rank = 4,
                       .shape = {p->count, hone_divide_up(p->n, width), lines, line},
                       .stride = {p->bytes * 8 / element_bits(p), lines * line, line, 1}};
}

static int pack_roles(const void *problem, hone_role roles[HONE_ROLES_MAX])
{
    const hone_matmul_pack_problem *p = problem;
    roles[p->unpack ? HONE_PACK_TO : HONE_PACK_FROM] = plain_role(p);
    roles[p->unpack ? HONE_PACK_FROM : HONE_PACK_TO] = packed_role(p);
    roles[HONE_PACK_FROM].name = "from";
    roles[HONE_PACK_FROM].direction = HONE_IN;
    roles[HONE_PACK_TO].name = "to";
    roles[HONE_PACK_TO].direction = HONE_OUT;
    return 2;
}

static int pack_scalars(const void *problem, const char *names[HONE_SCALARS_MAX], double neutral[HONE_SCALARS_MAX])
{
    (void)problem, (void)names, (void)neutral;
    return 0;
}

/* --- legal? --------------------------------------------------------------------------------------------------- */

static hone_status pack_check(const void *problem)
{
    const hone_matmul_pack_problem *p = problem;
    static const uint8_t            zero[sizeof p->zero];
    hone_role                       roles[HONE_ROLES_MAX];
    int64_t                         bytes = p->bytes, all;
    bool named = false;
    for (size_t i = 0; i < sizeof types; i++) named |= p->type == types[i];
    HONE_CHECK(named, HONE_ERROR_TYPE,
               "matmul_pack: the type is %s; it should be f32, f64, bf16, f16, s8, u8, s4 or u4",
               hone_dtype_name((hone_dtype)p->type));
    HONE_CHECK(p->unpack <= 1 && !memcmp(p->zero, zero, sizeof zero), HONE_ERROR_ARGUMENT,
               "matmul_pack: a flag of the problem is neither 0 nor 1");
    HONE_CHECK(p->k >= 0 && p->n >= 0 && p->count >= 0, HONE_ERROR_SHAPE,
               "matmul_pack: %" PRId64 " matrices of %" PRId64 "x%" PRId64 "; no extent may be negative", p->count,
               p->k, p->n);
    HONE_CHECK(p->count != 1 || p->matrix == 0, HONE_ERROR_ARGUMENT,
               "matmul_pack: one matrix, but the next one is told to be %" PRId64 " elements on", p->matrix);
    HONE_CHECK(
        hone_matmul_layout_legal(p->layout), HONE_ERROR_ARGUMENT,
        "matmul_pack: '%.*s' is no layout: hone's own are n1 .. n%d (n32 or n32k4, say), those of a kernel have a ':'",
        HONE_LAYOUT_NAME_MAX, p->layout, HONE_MATMUL_WIDTH_MAX);
    HONE_CHECK(hone_matmul_lines_whole(element_bits(p), p->k, p->n, p->row, p->column) &&
                   (element_bits(p) >= 8 || p->matrix % 2 == 0),
               HONE_ERROR_ARGUMENT,
               "matmul_pack: the type is %s, two in a byte, and strides are %" PRId64 ", %" PRId64 ", %" PRId64
               "; a row or a column should lie in one piece, and all other strides be even",
               hone_dtype_name((hone_dtype)p->type), p->matrix, p->row, p->column);
    bool fits =
        !width_of(p) || hone_matmul_layout_bytes(width_of(p), group_of(p), element_bits(p), p->k, p->n, &bytes);
    HONE_CHECK(!fits || (p->bytes == bytes && bytes >= 0), HONE_ERROR_ARGUMENT,
               "matmul_pack: one matrix takes %" PRId64 " bytes as %s, where %" PRId64 " are told",
               width_of(p) ? bytes : 0, p->layout, p->bytes);
    fits = fits && hone_extent_mul(hone_max(p->count, 1), hone_max(bytes, 1), &all);
    if (fits) pack_roles(p, roles);
    HONE_CHECK(fits && hone_role_fits(&roles[HONE_PACK_FROM]) && hone_role_fits(&roles[HONE_PACK_TO]),
               HONE_ERROR_OVERFLOW,
               "matmul_pack: %" PRId64 " matrices of %" PRId64 "x%" PRId64 " span more bytes than 63 bits can count",
               p->count, p->k, p->n);
    HONE_CHECK(!hone_role_overlaps_itself(&roles[HONE_PACK_TO]), HONE_ERROR_OVERLAP,
               "matmul_pack: what is unpacked to has two elements at one place");
    return HONE_OK;
}

/* --- text ----------------------------------------------------------------------------------------------------- */

enum { KEY_LD, KEY_S, KEY_BS, KEY_BATCH, KEY_UNPACK, KEY_BYTES, KEY_LAYOUT, KEY_COUNT };
static const char *const keys[KEY_COUNT] = {"ld", "s", "bs", "batch", "unpack", "b_bytes", "b"};

/* How far apart dense matrices of these strides stand. */
static bool usual_matrix(const hone_matmul_pack_problem *p, int64_t *out)
{
    int64_t down, along;
    *out = 0;
    if (p->count == 1) return true;
    if (!hone_extent_mul(p->k, p->row, &down) || !hone_extent_mul(p->n, p->column, &along)) return false;
    if (down == INT64_MIN || along == INT64_MIN) return false;
    *out = hone_matmul_line(element_bits(p), hone_max(down < 0 ? -down : down, along < 0 ? -along : along));
    return true;
}

static void pack_print(const void *problem, char *out, size_t capacity)
{
    const hone_matmul_pack_problem *p = problem;
    hone_text                       text = hone_text_in(out, capacity);
    int64_t line = hone_matmul_line(element_bits(p), p->n), across = hone_matmul_line(element_bits(p), p->k), matrix;
    bool    rows = p->column == 1 && p->row >= line, columns = !rows && p->row == 1 && p->column >= across;
    hone_text_add(&text, "%s %c %" PRId64 "x%" PRId64 " b=%.*s", hone_dtype_name((hone_dtype)p->type),
                  columns ? 't' : 'n', p->k, p->n, HONE_LAYOUT_NAME_MAX, p->layout);
    if (p->unpack) hone_text_add(&text, " unpack=1");
    if (p->count != 1) hone_text_add(&text, " batch=%" PRId64, p->count);
    if (!hone_matmul_layout_legal(p->layout) || !width_of(p)) hone_text_add(&text, " b_bytes=%" PRId64, p->bytes);
    if (rows && p->row != line) hone_text_add(&text, " ld=%" PRId64, p->row);
    if (columns && p->column != across) hone_text_add(&text, " ld=%" PRId64, p->column);
    if (!rows && !columns) hone_text_add(&text, " s=%" PRId64 "x%" PRId64, p->row, p->column);
    if (!usual_matrix(p, &matrix) || p->matrix != matrix) hone_text_add(&text, " bs=%" PRId64, p->matrix);
}

typedef struct said {
    bool    given[KEY_COUNT];
    int64_t value[KEY_COUNT][2];
} said;

static hone_status key_parse(hone_word word, said *s, hone_matmul_pack_problem *p)
{
    int       key = 0;
    hone_word value;
    while (key < KEY_COUNT && !hone_word_key(word, keys[key], &value)) key++;
    HONE_CHECK(key < KEY_COUNT, HONE_ERROR_FORMAT,
               "matmul_pack: '%.*s' is none of b=, ld=, s=, bs=, batch=, unpack=, b_bytes=", SAID(word));
    HONE_CHECK(!s->given[key], HONE_ERROR_FORMAT, "matmul_pack: '%s' is given twice", keys[key]);
    s->given[key] = true;
    if (key == KEY_LAYOUT) {
        HONE_CHECK(value.length < sizeof p->layout, HONE_ERROR_FORMAT,
                   "matmul_pack: the layout '%.*s' is longer than the %zu bytes that tags have at most", SAID(value),
                   sizeof p->layout - 1);
        memcpy(p->layout, value.at, value.length);
        return HONE_OK;
    }
    HONE_CHECK(hone_word_numbers(value, 'x', s->value[key], key == KEY_S ? 2 : 1), HONE_ERROR_FORMAT,
               "matmul_pack: '%.*s': %s of 64 bits should stand behind '='", SAID(word),
               key == KEY_S ? "two whole numbers with an 'x' between" : "a whole number");
    return HONE_OK;
}

static hone_status strides_parse(const said *s, bool across, hone_matmul_pack_problem *p)
{
    int64_t least = hone_matmul_line(element_bits(p), across ? p->k : p->n),
            lead = s->given[KEY_LD] ? s->value[KEY_LD][0] : least;
    HONE_CHECK(!s->given[KEY_LD] || !s->given[KEY_S], HONE_ERROR_FORMAT,
               "matmul_pack: 'ld' and 's' both tell one thing");
    HONE_CHECK(lead >= least, HONE_ERROR_FORMAT,
               "matmul_pack: ld=%" PRId64 " is less than the %" PRId64
               " elements of a %s; other strides are told by 's'",
               lead, least, across ? "column" : "row");
    p->row = s->given[KEY_S] ? s->value[KEY_S][0] : across ? 1 : lead;
    p->column = s->given[KEY_S] ? s->value[KEY_S][1] : across ? lead : 1;
    HONE_CHECK(usual_matrix(p, &p->matrix) || s->given[KEY_BS], HONE_ERROR_OVERFLOW,
               "matmul_pack: dense matrices of these strides do not fit in 63 bits");
    if (s->given[KEY_BS]) p->matrix = s->value[KEY_BS][0];
    return HONE_OK;
}

static hone_status pack_parse(const char *text, void *problem)
{
    hone_matmul_pack_problem *p = problem;
    hone_word                 word;
    int64_t                   sizes[2];
    said                      s = {{0}, {{0}}};
    memset(p, 0, sizeof *p);
    HONE_CHECK(hone_word_next(&text, &word), HONE_ERROR_FORMAT,
               "matmul_pack: nothing is asked; write e.g. 'f32 n 768x3072 b=n32'");
    for (size_t i = 0; i < sizeof types; i++)
        if (hone_word_is(word, hone_dtype_name((hone_dtype)types[i]))) p->type = types[i];
    HONE_CHECK(p->type, HONE_ERROR_FORMAT,
               "matmul_pack: '%.*s' is no type; there are f32, f64, bf16, f16, s8, u8, s4, u4", SAID(word));
    HONE_CHECK(hone_word_next(&text, &word) && (hone_word_is(word, "n") || hone_word_is(word, "t")), HONE_ERROR_FORMAT,
               "matmul_pack: how it lies should come next: n (row-major) or t (column-major)");
    bool across = hone_word_is(word, "t");
    HONE_CHECK(hone_word_next(&text, &word) && hone_word_numbers(word, 'x', sizes, 2) && sizes[0] >= 0 && sizes[1] >= 0,
               HONE_ERROR_FORMAT, "matmul_pack: the size is missing: KxN, two whole numbers from 0 on of 63 bits");
    p->k = sizes[0], p->n = sizes[1];
    while (hone_word_next(&text, &word)) HONE_TRY(key_parse(word, &s, p));

    HONE_CHECK(s.given[KEY_LAYOUT] && hone_matmul_layout_legal(p->layout), HONE_ERROR_FORMAT,
               s.given[KEY_LAYOUT]
                   ? "matmul_pack: '%s' is no layout: hone's own are n1 .. n%d (n32 or n32k4, say), those of a "
                     "kernel have a ':'"
                   : "matmul_pack: b= is missing%s: hone's own layouts are n1 .. n%d",
               p->layout, HONE_MATMUL_WIDTH_MAX);
    p->count = s.given[KEY_BATCH] ? s.value[KEY_BATCH][0] : 1;
    HONE_CHECK(p->count >= 0, HONE_ERROR_FORMAT, "matmul_pack: batch=%" PRId64 " should be 0 or more", p->count);
    HONE_CHECK(s.value[KEY_UNPACK][0] == 0 || s.value[KEY_UNPACK][0] == 1, HONE_ERROR_FORMAT,
               "matmul_pack: unpack=%" PRId64 " should be 0 or 1", s.value[KEY_UNPACK][0]);
    p->unpack = (uint8_t)s.value[KEY_UNPACK][0];
    int64_t width = width_of(p);
    HONE_CHECK(s.given[KEY_BYTES] == !width, HONE_ERROR_FORMAT,
               width ? "matmul_pack: 'b_bytes' is given, but follows from b=%s"
                     : "matmul_pack: 'b_bytes' is missing: only the kernel that offers b=%s knows what it takes",
               p->layout);
    p->bytes = s.value[KEY_BYTES][0];
    HONE_CHECK(!width || hone_matmul_layout_bytes(width, group_of(p), element_bits(p), p->k, p->n, &p->bytes),
               HONE_ERROR_OVERFLOW, "matmul_pack: %" PRId64 "x%" PRId64 " as %s does not fit in 63 bits", p->k, p->n,
               p->layout);
    HONE_TRY(strides_parse(&s, across, p));
    return pack_check(p);
}

/* --- data and truth ------------------------------------------------------------------------------------------- */

static hone_cost pack_cost(const void *problem)
{
    const hone_matmul_pack_problem *p = problem;
    double plain = (double)p->count * (double)p->k * (double)p->n * element_bits(p) / 8;
    double packed = (double)p->count * (double)p->bytes;
    return (hone_cost){0, plain, p->unpack ? plain : packed};
}

static int64_t between(hone_random *r, int64_t least, int64_t most)
{
    return least + (int64_t)hone_random_below(r, (uint64_t)(most - least + 1));
}

static void pack_random(uint64_t seed, double flops, void *problem)
{
    static const uint8_t      widths[] = {1, 4, 8, 16, 16, 32, 32, 48, 64, 7};
    hone_matmul_pack_problem *p = problem;
    hone_random               random = hone_random_seeded(seed), *r = &random;
    int64_t side = (int64_t)fmin(fmax(sqrt(flops), 4), 600), width = widths[hone_random_below(r, sizeof widths)];
    memset(p, 0, sizeof *p);
    static const uint8_t often[] = {HONE_F32, HONE_F32, HONE_F32, HONE_F64, HONE_S8,
                                    HONE_S8,  HONE_BF16, HONE_F16, HONE_U8, HONE_S4, HONE_U4, HONE_S4};
    p->type = often[hone_random_below(r, sizeof often)];
    const int bits = element_bits(p);
    p->unpack = hone_random_below(r, 10) < 4;
    p->k = between(r, hone_random_below(r, 20) ? 1 : 0, side);
    p->n = hone_random_below(r, 3) ? between(r, hone_random_below(r, 20) ? 1 : 0, side)
                                   : hone_max(1, width * between(r, 1, 4) + between(r, -1, 1));
    p->count = hone_random_below(r, 4) ? 1 : between(r, 0, 4);
    while ((double)(p->k * p->n * p->count) > flops && p->n > 1) p->n = p->n / 2 + 1 < p->n ? p->n / 2 + 1 : 1;
    int64_t group = hone_random_below(r, 3) ? 1 : hone_random_below(r, 2) ? 2 : 4;
    if (bits == 4 && hone_random_below(r, 2)) group = 8;
    snprintf(p->layout, sizeof p->layout, group > 1 ? "n%dk%d" : "n%d", (int)width, (int)group);
    hone_matmul_layout_bytes(width, group_of(p), element_bits(p), p->k, p->n, &p->bytes);

    bool    across = hone_random_below(r, 10) < 4, plain = hone_random_below(r, 3) == 0;
    int64_t gap = plain ? 0 : between(r, 0, 9), first = plain || hone_random_below(r, 6) ? 1 : between(r, 2, 3);
    if (bits == 4) first = 1, gap -= gap % 2; /* each line begins with a byte */
    int64_t inner = across ? p->k : p->n, lead = first * hone_matmul_line(bits, hone_max(inner, 1)) + gap;
    p->row = across ? first : lead;
    p->column = across ? lead : first;
    p->matrix = p->count == 1 ? 0 : lead * hone_max(across ? p->n : p->k, 1) + (plain ? 0 : between(r, 0, 9));
    p->matrix = hone_matmul_line(bits, p->matrix);
    if (!plain && bits > 4 && hone_random_below(r, 8) == 0) p->row = -p->row;
    if (!plain && bits > 4 && hone_random_below(r, 8) == 0) p->column = -p->column;
    if (!plain && bits == 4 && hone_random_below(r, 8) == 0) *(across ? &p->column : &p->row) *= -1;
    if (!p->unpack && bits > 4 && hone_random_below(r, 16) == 0) p->row = 0;
    HONE_ASSERT(pack_check(p) == HONE_OK);
}

static hone_status pack_generate(const void *problem, hone_data_kind kind, uint64_t seed, const hone_arguments *into,
                                 hone_scalar *scalars)
{
    hone_role   roles[HONE_ROLES_MAX];
    hone_values values = {.integers = kind == HONE_DATA_INTEGERS || kind == HONE_DATA_WIDE, .all = true, .largest = 1};
    (void)scalars;
    pack_roles(problem, roles);
    if (values.integers) values.largest = kind == HONE_DATA_WIDE ? 0x1p23 : 100;
    if (roles[HONE_PACK_FROM].opaque) return HONE_OK;
    hone_role_fill(&roles[HONE_PACK_FROM], &into->at[HONE_PACK_FROM], into->items, &values, seed);
    if (kind == HONE_DATA_NOT_FINITE && hone_dtype_floats(roles[HONE_PACK_FROM].type) &&
        hone_role_count(&roles[HONE_PACK_FROM])) {
        hone_element_store(roles[HONE_PACK_FROM].type, hone_span_host(&into->at[HONE_PACK_FROM]), 0,
                           (double)(seed & 1 ? INFINITY : NAN));
    }
    return HONE_OK;
}

static bool pack_exact(const void *problem, hone_data_kind kind)
{
    (void)problem, (void)kind;
    return true;
}

/* The flat index in one side's role that stands for flat index `at` of the other's; -1: a zero behind the last
 * column. */
static int64_t partner_of(const hone_matmul_pack_problem *p, int64_t at)
{
    int64_t width = width_of(p), panels = hone_divide_up(p->n, width), group = group_of(p);
    int64_t lines = hone_divide_up(p->k, group), line = width * group, all = panels * lines * line;
    if (p->unpack) {
        int64_t j = at % p->n, k = at / p->n % p->k, matrix = at / p->n / p->k;
        return matrix * all + hone_matmul_layout_at(width, group, p->k, k, j);
    }
    int64_t matrix = at / all, panel = at % all / (lines * line), in = at % line;
    int64_t j = panel * width + in / group, k = at / line % lines * group + in % group;
    return j < p->n && k < p->k ? (matrix * p->k + k) * p->n + j : -1;
}

static hone_status pack_reference(const void *problem, const hone_arguments *before, const hone_sample *sample,
                                  hone_truth *truth)
{
    const hone_matmul_pack_problem *p = problem;
    hone_role                       roles[HONE_ROLES_MAX];
    HONE_CHECK(width_of(p), HONE_ERROR_UNSUPPORTED,
               "matmul_pack: what stands in layout %s only its kernel knows; judge the products that read it",
               p->layout);
    HONE_CHECK(sample->role == HONE_PACK_TO, HONE_ERROR_ARGUMENT, "matmul_pack: argument %d is no output",
               sample->role);
    pack_roles(p, roles);
    const void *from = hone_span_host(&before->at[HONE_PACK_FROM]);
    for (int64_t e = 0; e < sample->count; e++) {
        int64_t partner = partner_of(p, sample->at[e]);
        double  value = 0;
        if (partner >= 0) {
            int64_t offset = hone_role_offset(&roles[HONE_PACK_FROM], partner);
            value = hone_element_load((hone_dtype)p->type, from, offset);
        }
        truth[e] = (hone_truth){.high = value, .naive = value};
    }
    return HONE_OK;
}

static const char *const *pack_suite(const char *name)
{
    static const char *const smoke[] = {
        "f32 n 37x65 b=n32",  "f64 t 40x33 b=n16 batch=2",   "f32 n 37x65 b=n32 unpack=1", "bf16 n 37x65 b=n32k2",
        "s8 t 39x65 b=n32k4", "s8 n 39x65 b=n16k4 unpack=1", "f16 t 40x33 b=n16 unpack=1",
        "s4 n 39x65 b=n32k8",  "u4 t 39x65 b=n16k8 unpack=1", NULL};
    static const char *const full[] = {"f32 n 4096x4096 b=n32", "f32 t 4096x4096 b=n32", "f32 n 768x3072 b=n32",
                                       "f32 n 768x3072 b=n32 unpack=1", "f64 n 1024x1024 b=n16", NULL};
    return !strcmp(name, "smoke") ? smoke : !strcmp(name, "full") ? full : NULL;
}

const hone_op hone_matmul_pack_op = {
    .name = "matmul_pack",
    .version = 1,
    .problem_size = sizeof(hone_matmul_pack_problem),
    .check = pack_check,
    .print = pack_print,
    .parse = pack_parse,
    .roles = pack_roles,
    .scalars = pack_scalars,
    .cost = pack_cost,
    .random = pack_random,
    .generate = pack_generate,
    .exact = pack_exact,
    .reference = pack_reference,
    .suite = pack_suite,
};
