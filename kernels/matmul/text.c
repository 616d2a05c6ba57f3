/* A matmul problem as text, and back: "f32 nn 128x3072x768 +bias+gelu ldb=4096 batch=4". problem.h says what it means;
 * of the keys of steps: s0=ROWxCOLUMN are the strides of step 0's matrix (s0=STRIDE of its vector), bs0= its batch
 * strides. Where a, b and c are of different types, all three are told: "bf16:bf16:f32"; and so is that of a vector
 * which is f32 beside a narrower c: "+bias:f32". Lines of elements of four bits begin with a byte. What the text does
 * not say is dense; vectors that are read are shared by the whole batch. print() names only what differs from that, and
 * parse() gives back the same bytes. */
#include "kernels/matmul/parts.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <hone/accuracy.h>

#include "base/element.h"
#include "base/size.h"
#include "base/status.h"
#include "base/text.h"

#define SAID(word) (int)((word).length < 48 ? (word).length : 48), (word).at

static const char *const keys[] = {"lda", "ldb",   "ldc",  "sa",       "sb",       "sc",  "bsa",    "bsb",
                                   "bsc", "s0",    "s1",   "s2",       "s3",       "bs0", "bs1",    "bs2",
                                   "bs3", "batch", "beta", "pointers", "accuracy", "b",   "b_bytes",
                                   "a_zero", "b_zero", "group", "scales", "zeros", "ss", "sz", "bss", "bsz"};
enum {
    KEY_LD = 0, /* of a, b, c */
    KEY_S = 3,
    KEY_BS = 6,
    KEY_STEP_S = 9, /* of the steps */
    KEY_STEP_BS = KEY_STEP_S + HONE_STEPS_MAX,
    KEY_BATCH = KEY_STEP_BS + HONE_STEPS_MAX,
    KEY_BETA,
    KEY_POINTERS,
    KEY_ACCURACY,
    KEY_LAYOUT,
    KEY_BYTES,
    KEY_A_ZERO,
    KEY_B_ZERO,
    KEY_GROUP, /* from here on: of weights */
    KEY_SCALES,
    KEY_ZEROS,
    KEY_SCALES_S, /* of scales, of zeros */
    KEY_ZEROS_S,
    KEY_SCALES_BS,
    KEY_ZEROS_BS,
    KEY_COUNT
};
_Static_assert(sizeof keys / sizeof *keys == KEY_COUNT, "a name for each key");

static const struct {
    const char *name;
    uint32_t    flag;
} accuracies[] = {{"tf32", HONE_ACCURACY_TF32},
                  {"bf16x3", HONE_ACCURACY_BF16X3},
                  {"f16_accumulate", HONE_ACCURACY_F16_ACCUMULATE},
                  {"winograd", HONE_ACCURACY_WINOGRAD}};
enum { ACCURACY_COUNT = sizeof accuracies / sizeof *accuracies };

const char *hone_step_name(int64_t kind)
{
#define STEP_NAME(name, number, text)                                                                                  \
    case number: return text;
    switch (kind) {
        HONE_STEP_LIST(STEP_NAME)
    }
#undef STEP_NAME
    return "?";
}

/* --- what is not said ------------------------------------------------------------------------------------------ */

bool hone_matmul_dense_batch(const hone_matmul_problem *p, int64_t matrix, int64_t stride[HONE_BATCH_MAX])
{
    for (int i = p->batch_rank - 1; i >= 0; i--) {
        stride[i] = matrix;
        if (i > 0 && !hone_extent_mul(matrix, p->batch[i], &matrix)) return false;
    }
    return true;
}

bool hone_matmul_matrix_places(int64_t rows, int64_t columns, int64_t row, int64_t column, int64_t *out)
{
    int64_t down, along;
    if (!hone_extent_mul(rows, row, &down) || !hone_extent_mul(columns, column, &along)) return false;
    if (down == INT64_MIN || along == INT64_MIN) return false;
    *out = hone_max(down < 0 ? -down : down, along < 0 ? -along : along);
    return true;
}

/* a, b and c in turn. */
typedef struct operand {
    int64_t rows, columns, *row, *column, *batch;
    int64_t usual_row, usual_column; /* what lines take at least; elements of four bits come in pairs */
} operand;

static operand operand_at(hone_matmul_problem *p, int index)
{
    switch (index) {
    case HONE_MATMUL_A: return (operand){p->m, p->k, &p->a_row, &p->a_column, p->a_batch, p->k, p->m};
    case HONE_MATMUL_B: {
        int bits = hone_dtype_bits((hone_dtype)p->type_b);
        return (operand){p->k,          p->n,       &p->b_row, &p->b_column,
                         p->b_batch, hone_matmul_line(bits, p->n), hone_matmul_line(bits, p->k)};
    }
    default: return (operand){p->m, p->n, &p->c_row, &p->c_column, p->c_batch, p->n, p->m};
    }
}

static bool row_major(const operand *o)
{
    return *o->column == 1 && *o->row >= o->usual_row;
}

static bool column_major(const operand *o)
{
    return *o->row == 1 && *o->column >= o->usual_column;
}

/* What the batch strides of an operand are where they are not told. */
static bool usual_batch(const hone_matmul_problem *p, const operand *o, int64_t stride[HONE_BATCH_MAX])
{
    int64_t places;
    memset(stride, 0, HONE_BATCH_MAX * sizeof *stride);
    if (p->batch_rank == 0 || p->pointers) return true;
    if (o->batch == p->b_batch && hone_matmul_packed_b(p)) return hone_matmul_dense_batch(p, 1, stride);
    if (!hone_matmul_matrix_places(o->rows, o->columns, *o->row, *o->column, &places)) return false;
    if (o->batch == p->b_batch) places = hone_matmul_line(hone_dtype_bits((hone_dtype)p->type_b), places);
    return hone_matmul_dense_batch(p, places, stride);
}

/* Does it lie column by column, in words? */
static bool told_across(const hone_matmul_problem *p, int index, const operand *o)
{
    return !row_major(o) && column_major(o) && !(index == HONE_MATMUL_B && hone_matmul_packed_b(p));
}

/* Where the scales or zeros of weights lie where that is not told: along k first where b is t. */
static bool usual_groups(const hone_matmul_problem *p, bool across, hone_matmul_groups *lie)
{
    const int64_t rows = hone_matmul_group_count(p->k, p->group_k), columns = hone_matmul_group_count(p->n, p->group_n);
    int64_t       places;
    *lie = (hone_matmul_groups){.row = across ? 1 : columns, .column = across ? rows : 1};
    if (p->batch_rank == 0) return true;
    return hone_extent_mul(rows, columns, &places) && hone_matmul_dense_batch(p, places, lie->batch);
}

void hone_matmul_groups_settle(const hone_matmul_problem *p, hone_matmul_groups *lie)
{
    const int64_t       rows = hone_matmul_group_count(p->k, p->group_k);
    const int64_t       columns = hone_matmul_group_count(p->n, p->group_n);
    hone_matmul_problem like = *p;
    hone_matmul_groups  usual;
    operand             b = operand_at(&like, HONE_MATMUL_B);
    usual_groups(p, told_across(p, HONE_MATMUL_B, &b), &usual);
    if (rows <= 1 || columns == 0) lie->row = usual.row;
    if (columns <= 1 || rows == 0) lie->column = usual.column;
}

/* What the strides of a step are where they are not told; kind is set. */
static bool usual_step(const hone_matmul_problem *p, hone_epilogue_step *step)
{
    int64_t places = 0, rows = -1, columns = 0; /* of a matrix */
    switch (hone_step_operand_of((hone_step_kind)step->kind)) {
    case HONE_OPERAND_NONE: return true;
    case HONE_OPERAND_COLUMNS: step->column_stride = 1; break;
    case HONE_OPERAND_ROWS: step->row_stride = 1; break;
    case HONE_OPERAND_MATRIX: rows = p->m, columns = p->n; break;
    case HONE_OPERAND_A: rows = p->m, columns = p->k; break;
    case HONE_OPERAND_B: rows = p->k, columns = p->n; break;
    }
    if (rows >= 0) step->row_stride = columns, step->column_stride = 1;
    if (p->batch_rank == 0 || p->pointers) return true;
    if (step->kind == HONE_STEP_SUM_A || step->kind == HONE_STEP_SUM_B)
        return hone_matmul_dense_batch(p, step->kind == HONE_STEP_SUM_A ? p->m : p->n, step->batch_stride);
    if (rows < 0) return true;
    return hone_matmul_matrix_places(rows, columns, columns, 1, &places) &&
           hone_matmul_dense_batch(p, places, step->batch_stride);
}

/* --- print ----------------------------------------------------------------------------------------------------- */

static void add_list(hone_text *text, const char *key, const int64_t *values, int count)
{
    hone_text_add(text, " %s=", key);
    for (int i = 0; i < count; i++) hone_text_add(text, "%s%" PRId64, i ? "x" : "", values[i]);
}

static void print_groups(hone_text *text, const hone_matmul_problem *p, bool across, int s, int bs,
                         const hone_matmul_groups *lie)
{
    hone_matmul_groups usual;
    bool               known = usual_groups(p, across, &usual);
    if (lie->row != usual.row || lie->column != usual.column)
        add_list(text, keys[s], (int64_t[]){lie->row, lie->column}, 2);
    if (p->batch_rank && (!known || memcmp(usual.batch, lie->batch, sizeof usual.batch) != 0))
        add_list(text, keys[bs], lie->batch, p->batch_rank);
}

/* What is told of weights alone. */
static void print_scaled(hone_text *text, hone_matmul_problem *p)
{
    operand b = operand_at(p, HONE_MATMUL_B);
    bool    across = told_across(p, HONE_MATMUL_B, &b), zeros = p->zeros & HONE_MATMUL_ZERO_GROUPS;
    if (p->group_n != 1)
        add_list(text, keys[KEY_GROUP], (int64_t[]){p->group_k, p->group_n}, 2);
    else if (p->group_k)
        add_list(text, keys[KEY_GROUP], &p->group_k, 1);
    if (p->type_scale != HONE_F32)
        hone_text_add(text, " %s=%s", keys[KEY_SCALES], hone_dtype_name((hone_dtype)p->type_scale));
    if (zeros) hone_text_add(text, " %s=1", keys[KEY_ZEROS]);
    print_groups(text, p, across, KEY_SCALES_S, KEY_SCALES_BS, &p->scale);
    if (zeros) print_groups(text, p, across, KEY_ZEROS_S, KEY_ZEROS_BS, &p->zero);
}

void hone_matmul_print(const void *problem, char *out, size_t capacity)
{
    hone_matmul_problem p;
    memcpy(&p, problem, sizeof p);
    if (p.batch_rank > HONE_BATCH_MAX) p.batch_rank = HONE_BATCH_MAX; /* an illegal one is printed too, in sentences */
    if (p.step_count > HONE_STEPS_MAX) p.step_count = HONE_STEPS_MAX;
    hone_text text = hone_text_in(out, capacity);
    hone_text_add(&text, "%s", hone_dtype_name((hone_dtype)p.type_a));
    if (p.type_a != p.type_b || p.type_a != p.type_c)
        hone_text_add(&text, ":%s:%s", hone_dtype_name((hone_dtype)p.type_b), hone_dtype_name((hone_dtype)p.type_c));
    hone_text_add(&text, " ");
    for (int i = HONE_MATMUL_A; i <= HONE_MATMUL_B; i++) {
        operand o = operand_at(&p, i);
        hone_text_add(&text, "%c", told_across(&p, i, &o) ? 't' : 'n');
    }
    hone_text_add(&text, " %" PRId64 "x%" PRId64 "x%" PRId64, p.m, p.n, p.k);
    for (int i = 0; i < p.step_count; i++) {
        hone_text_add(&text, "%s+%s", i ? "" : " ", hone_step_name(p.step[i].kind));
        if (p.step[i].type) hone_text_add(&text, ":%s", hone_dtype_name((hone_dtype)p.step[i].type));
    }
    if (p.batch_rank) add_list(&text, "batch", p.batch, p.batch_rank);
    if (p.reads_c) hone_text_add(&text, " beta=1");
    if (p.zeros & HONE_MATMUL_ZERO_A) hone_text_add(&text, " a_zero=1");
    if (p.zeros & HONE_MATMUL_ZERO_B) hone_text_add(&text, " b_zero=1");
    if (p.pointers) hone_text_add(&text, " pointers=1");
    for (int i = HONE_MATMUL_A; i <= HONE_MATMUL_C; i++) {
        operand o = operand_at(&p, i);
        int64_t usual[HONE_BATCH_MAX] = {0};
        bool    packed = i == HONE_MATMUL_B && hone_matmul_packed_b(&p);
        bool    rows = row_major(&o), columns = !rows && i != HONE_MATMUL_C && column_major(&o);
        if (packed) {
            hone_text_add(&text, " b=%.*s", HONE_LAYOUT_NAME_MAX, p.b_layout);
            if (!hone_matmul_layout_legal(p.b_layout) || !hone_matmul_layout_width(p.b_layout))
                hone_text_add(&text, " b_bytes=%" PRId64, p.b_bytes);
            rows = columns = false;
        }
        if (rows && *o.row != o.usual_row) add_list(&text, keys[KEY_LD + i], o.row, 1);
        if (columns && *o.column != o.usual_column) add_list(&text, keys[KEY_LD + i], o.column, 1);
        if (!rows && !columns && !packed) add_list(&text, keys[KEY_S + i], (int64_t[]){*o.row, *o.column}, 2);
        if (p.batch_rank && (!usual_batch(&p, &o, usual) || memcmp(usual, o.batch, sizeof usual) != 0))
            add_list(&text, keys[KEY_BS + i], o.batch, p.batch_rank);
    }
    if (hone_matmul_is_scaled(&p)) print_scaled(&text, &p);
    for (int i = 0; i < p.step_count; i++) {
        hone_epilogue_step usual = {.kind = p.step[i].kind}, *step = &p.step[i];
        hone_step_operand  form = hone_step_operand_of((hone_step_kind)step->kind);
        bool               known = usual_step(&p, &usual);
        if (form == HONE_OPERAND_NONE) continue;
        if (step->row_stride != usual.row_stride || step->column_stride != usual.column_stride) {
            if (hone_operand_is_matrix(form))
                add_list(&text, keys[KEY_STEP_S + i], (int64_t[]){step->row_stride, step->column_stride}, 2);
            else
                add_list(&text, keys[KEY_STEP_S + i],
                         form == HONE_OPERAND_ROWS ? &step->row_stride : &step->column_stride, 1);
        }
        if (p.batch_rank && (!known || memcmp(usual.batch_stride, step->batch_stride, sizeof usual.batch_stride) != 0))
            add_list(&text, keys[KEY_STEP_BS + i], step->batch_stride, p.batch_rank);
    }
    bool first = true;
    for (int i = 0; i < ACCURACY_COUNT; i++)
        if (p.accuracy & accuracies[i].flag) {
            hone_text_add(&text, "%s%s", first ? " accuracy=" : "+", accuracies[i].name);
            first = false;
        }
}

/* --- parse ----------------------------------------------------------------------------------------------------- */

/* The keys of a text: how many numbers each was given; 0: it was not. */
typedef struct said {
    int     count[KEY_COUNT];
    int64_t value[KEY_COUNT][HONE_BATCH_MAX];
    char    layout[HONE_LAYOUT_NAME_MAX];
    uint8_t scales;
} said;

static const char *nearest_of(hone_word word, const char *const *names, int count)
{
    char        name[48];
    const char *nearest = names[0];
    int         least = INT_MAX;
    snprintf(name, sizeof name, "%.*s", (int)(word.length < 40 ? word.length : 40), word.at);
    for (int i = 0; i < count; i++) {
        int distance = hone_text_distance(name, names[i]);
        if (distance < least) least = distance, nearest = names[i];
    }
    return nearest;
}

/* The next piece of "a+b+c", from *rest on. */
static bool piece_next(hone_word *rest, hone_word *out)
{
    if (!rest->at) return false;
    const char *plus = memchr(rest->at, '+', rest->length);
    size_t      length = plus ? (size_t)(plus - rest->at) : rest->length;
    *out = (hone_word){rest->at, length};
    *rest = plus ? (hone_word){plus + 1, rest->length - length - 1} : (hone_word){NULL, 0};
    return true;
}

static hone_status type_parse(hone_word word, uint8_t *out)
{
    static const char *const names[] = {"f32", "f64", "bf16", "f16", "s8", "u8", "s32", "s4", "u4"};
    static const hone_dtype  types[] = {HONE_F32, HONE_F64, HONE_BF16, HONE_F16, HONE_S8,
                                        HONE_U8,  HONE_S32, HONE_S4,   HONE_U4};
    enum { COUNT = sizeof names / sizeof *names };
    for (int i = 0; i < COUNT; i++)
        if (hone_word_is(word, names[i])) {
            *out = (uint8_t)types[i];
            return HONE_OK;
        }
    return hone_fail(HONE_ERROR_FORMAT, "matmul: '%.*s' is no type of a matmul; the nearest is '%s'", SAID(word),
                     nearest_of(word, names, COUNT));
}

/* One type for all, or those of a, b and c with ':' between. */
static hone_status types_parse(hone_word word, hone_matmul_problem *p)
{
    uint8_t    *types[] = {&p->type_a, &p->type_b, &p->type_c};
    hone_word   rest = word;
    int         count = 0;
    const char *colon;
    do {
        colon = memchr(rest.at, ':', rest.length);
        size_t length = colon ? (size_t)(colon - rest.at) : rest.length;
        HONE_CHECK(count < 3, HONE_ERROR_FORMAT, "matmul: '%.*s' has more types than a, b and c", SAID(word));
        HONE_TRY(type_parse((hone_word){rest.at, length}, types[count++]));
        if (colon) rest = (hone_word){colon + 1, rest.length - length - 1};
    } while (colon);
    HONE_CHECK(count != 2, HONE_ERROR_FORMAT, "matmul: '%.*s' are two types; one for all should be told, or those of "
               "a, b and c", SAID(word));
    if (count == 1) p->type_b = p->type_c = p->type_a;
    return HONE_OK;
}

static hone_status steps_parse(hone_word word, hone_matmul_problem *p)
{
    static const hone_step_kind kinds[] = {
#define STEP_KIND(name, number, text) name,
        HONE_STEP_LIST(STEP_KIND)
#undef STEP_KIND
    };
    static const char *const names[] = {
#define STEP_TEXT(name, number, text) text,
        HONE_STEP_LIST(STEP_TEXT)
#undef STEP_TEXT
    };
    enum { COUNT = sizeof names / sizeof *names };
    hone_word rest = {word.at + 1, word.length - 1}, piece;
    HONE_CHECK(p->step_count == 0, HONE_ERROR_FORMAT, "matmul: '%.*s': steps are told once, as +first+second",
               SAID(word));
    while (piece_next(&rest, &piece)) {
        int         at = 0;
        uint8_t     type = 0;
        const char *colon = memchr(piece.at, ':', piece.length);
        if (colon) {
            HONE_TRY(type_parse((hone_word){colon + 1, piece.length - (size_t)(colon + 1 - piece.at)}, &type));
            piece.length = (size_t)(colon - piece.at);
        }
        while (at < COUNT && !hone_word_is(piece, names[at])) at++;
        HONE_CHECK(at < COUNT, HONE_ERROR_FORMAT, "matmul: there is no step '%.*s'; the nearest is '%s'", SAID(piece),
                   nearest_of(piece, names, COUNT));
        HONE_CHECK(p->step_count < HONE_STEPS_MAX, HONE_ERROR_FORMAT, "matmul: more than %d steps in '%.*s'",
                   HONE_STEPS_MAX, SAID(word));
        p->step[p->step_count].type = type;
        p->step[p->step_count++].kind = kinds[at];
    }
    return HONE_OK;
}

static hone_status accuracy_parse(hone_word value, int64_t *out)
{
    const char *names[ACCURACY_COUNT];
    hone_word   rest = value, piece;
    for (int i = 0; i < ACCURACY_COUNT; i++) names[i] = accuracies[i].name;
    *out = 0;
    while (piece_next(&rest, &piece)) {
        int at = 0;
        while (at < ACCURACY_COUNT && !hone_word_is(piece, names[at])) at++;
        HONE_CHECK(at < ACCURACY_COUNT, HONE_ERROR_FORMAT, "matmul: there is no accuracy '%.*s'; the nearest is '%s'",
                   SAID(piece), nearest_of(piece, names, ACCURACY_COUNT));
        HONE_CHECK(!(*out & accuracies[at].flag), HONE_ERROR_FORMAT, "matmul: accuracy '%s' is given twice", names[at]);
        *out |= accuracies[at].flag;
    }
    return HONE_OK;
}

static hone_status key_parse(hone_word word, said *s)
{
    const char *equals = memchr(word.at, '=', word.length);
    HONE_CHECK(equals, HONE_ERROR_FORMAT, "matmul: '%.*s' is neither +steps nor key=value", SAID(word));
    hone_word name = {word.at, (size_t)(equals - word.at)}, value = {equals + 1, word.length - name.length - 1};
    int       key = 0;
    while (key < KEY_COUNT && !hone_word_is(name, keys[key])) key++;
    HONE_CHECK(key < KEY_COUNT, HONE_ERROR_FORMAT, "matmul: there is no key '%.*s'; the nearest is '%s'", SAID(name),
               nearest_of(name, keys, KEY_COUNT));
    HONE_CHECK(s->count[key] == 0, HONE_ERROR_FORMAT, "matmul: '%s' is given twice", keys[key]);
    if (key == KEY_ACCURACY) {
        s->count[key] = 1;
        return accuracy_parse(value, s->value[key]);
    }
    if (key == KEY_SCALES) {
        s->count[key] = 1;
        return type_parse(value, &s->scales);
    }
    if (key == KEY_LAYOUT) {
        s->count[key] = 1;
        HONE_CHECK(value.length < sizeof s->layout, HONE_ERROR_FORMAT,
                   "matmul: the layout '%.*s' is longer than the %zu bytes that tags have at most", SAID(value),
                   sizeof s->layout - 1);
        memcpy(s->layout, value.at, value.length);
        HONE_CHECK(hone_matmul_layout_legal(s->layout), HONE_ERROR_FORMAT,
                   "matmul: '%s' is no layout of b: hone's own are n1 .. n%d (n32 or n32k4, say), those of a kernel "
                   "have a ':'",
                   s->layout, HONE_MATMUL_WIDTH_MAX);
        return HONE_OK;
    }
    int64_t list[HONE_BATCH_MAX] = {0};
    s->count[key] = hone_word_list(value, 'x', list, HONE_BATCH_MAX);
    HONE_CHECK(s->count[key], HONE_ERROR_FORMAT,
               "matmul: '%.*s': 1 to %d whole numbers of 64 bits with 'x' between them should stand behind '='",
               SAID(word), HONE_BATCH_MAX);
    memcpy(s->value[key], list, sizeof list);
    return HONE_OK;
}

/* The key, where it is given, must have `count` numbers. */
static hone_status counted(const said *s, int key, int count)
{
    HONE_CHECK(s->count[key] == 0 || s->count[key] == count, HONE_ERROR_FORMAT,
               "matmul: '%s' has %d numbers, it should have %d", keys[key], s->count[key], count);
    return HONE_OK;
}

/* b in a layout: no strides, and batch strides in matrices. */
static hone_status packed_parse(const said *s, char letter, hone_matmul_problem *p)
{
    operand o = operand_at(p, HONE_MATMUL_B);
    int     ld = KEY_LD + HONE_MATMUL_B, whole = KEY_S + HONE_MATMUL_B, batch = KEY_BS + HONE_MATMUL_B;
    int     bits = hone_dtype_bits((hone_dtype)p->type_b);
    int64_t width = hone_matmul_layout_width(s->layout);
    HONE_CHECK(!s->count[ld] && !s->count[whole], HONE_ERROR_FORMAT, "matmul: '%s' is given, but b is packed as %s",
               keys[s->count[ld] ? ld : whole], s->layout);
    HONE_CHECK(letter == 'n', HONE_ERROR_FORMAT, "matmul: b is packed as %s, which counts as n, not %c", s->layout,
               letter);
    HONE_TRY(counted(s, KEY_BYTES, 1));
    HONE_CHECK(!s->count[KEY_BYTES] == (width != 0), HONE_ERROR_FORMAT,
               width ? "matmul: 'b_bytes' is given, but follows from b=%s"
                     : "matmul: 'b_bytes' is missing: only the kernel that offers b=%s knows what it takes", s->layout);
    memcpy(p->b_layout, s->layout, sizeof p->b_layout);
    p->b_bytes = s->value[KEY_BYTES][0];
    HONE_CHECK(!width ||
                   hone_matmul_layout_bytes(width, hone_matmul_layout_group(s->layout), bits, p->k, p->n, &p->b_bytes),
               HONE_ERROR_OVERFLOW, "matmul: b as %s does not fit in 63 bits", s->layout);
    if (s->count[batch])
        memcpy(o.batch, s->value[batch], sizeof s->value[batch]);
    else
        HONE_CHECK(usual_batch(p, &o, o.batch), HONE_ERROR_OVERFLOW,
                   "matmul: the dense batch strides of b do not fit in 63 bits");
    return HONE_OK;
}

static hone_status operand_parse(const said *s, int index, char letter, hone_matmul_problem *p)
{
    operand o = operand_at(p, index);
    int     ld = KEY_LD + index, whole = KEY_S + index, batch = KEY_BS + index;
    int64_t least = letter == 't' ? o.usual_column : o.usual_row, *lead = letter == 't' ? o.column : o.row;
    HONE_CHECK(!s->count[ld] || !s->count[whole], HONE_ERROR_FORMAT, "matmul: '%s' and '%s' both tell one thing",
               keys[ld], keys[whole]);
    HONE_TRY(counted(s, ld, 1));
    HONE_TRY(counted(s, whole, 2));
    HONE_TRY(counted(s, batch, p->batch_rank));
    if (index == HONE_MATMUL_B && s->count[KEY_LAYOUT]) return packed_parse(s, letter, p);
    HONE_CHECK(index != HONE_MATMUL_B || !s->count[KEY_BYTES], HONE_ERROR_FORMAT,
               "matmul: 'b_bytes' goes with a layout of b, and none is given");
    *(letter == 't' ? o.row : o.column) = 1;
    *lead = s->count[ld] ? s->value[ld][0] : least;
    HONE_CHECK(*lead >= least, HONE_ERROR_FORMAT,
               "matmul: %s=%" PRId64 " is less than the %" PRId64 " elements of a %s; other strides are told by '%s'",
               keys[ld], *lead, least, letter == 't' ? "column" : "row", keys[whole]);
    if (s->count[whole]) *o.row = s->value[whole][0], *o.column = s->value[whole][1];
    if (s->count[batch])
        memcpy(o.batch, s->value[batch], sizeof s->value[batch]);
    else
        HONE_CHECK(usual_batch(p, &o, o.batch), HONE_ERROR_OVERFLOW,
                   "matmul: the dense batch strides of %c do not fit in 63 bits", 'a' + index);
    return HONE_OK;
}

static hone_status step_parse(const said *s, int index, hone_matmul_problem *p)
{
    hone_epilogue_step *step = &p->step[index];
    int                 whole = KEY_STEP_S + index, batch = KEY_STEP_BS + index;
    hone_step_operand form =
        index < p->step_count ? hone_step_operand_of((hone_step_kind)step->kind) : HONE_OPERAND_NONE;
    if (form == HONE_OPERAND_NONE) {
        HONE_CHECK(!s->count[whole] && !s->count[batch], HONE_ERROR_FORMAT,
                   "matmul: '%s' is given, but step %d has no operand", keys[s->count[whole] ? whole : batch], index);
        return HONE_OK;
    }
    HONE_TRY(counted(s, whole, hone_operand_is_matrix(form) ? 2 : 1));
    HONE_TRY(counted(s, batch, p->batch_rank));
    HONE_CHECK(usual_step(p, step) || s->count[batch], HONE_ERROR_OVERFLOW,
               "matmul: the dense batch strides of step %d do not fit in 63 bits", index);
    if (s->count[batch]) memcpy(step->batch_stride, s->value[batch], sizeof step->batch_stride);
    if (s->count[whole]) {
        if (form != HONE_OPERAND_COLUMNS) step->row_stride = s->value[whole][0];
        if (form != HONE_OPERAND_ROWS) step->column_stride = s->value[whole][hone_operand_is_matrix(form)];
    }
    return HONE_OK;
}

static hone_status flag_parse(const said *s, int key, uint8_t *out)
{
    HONE_TRY(counted(s, key, 1));
    HONE_CHECK(s->value[key][0] == 0 || s->value[key][0] == 1, HONE_ERROR_FORMAT,
               "matmul: %s=%" PRId64 " should be 0 or 1: values themselves are told when it runs", keys[key],
               s->value[key][0]);
    *out = (uint8_t)s->value[key][0];
    return HONE_OK;
}

static hone_status groups_parse(const said *s, int s_key, int bs_key, bool across, const hone_matmul_problem *p,
                                hone_matmul_groups *lie)
{
    HONE_TRY(counted(s, s_key, 2));
    HONE_TRY(counted(s, bs_key, p->batch_rank));
    HONE_CHECK(usual_groups(p, across, lie) || s->count[bs_key], HONE_ERROR_OVERFLOW,
               "matmul: dense batch strides of '%s' do not fit in 63 bits", keys[s_key]);
    if (s->count[s_key]) lie->row = s->value[s_key][0], lie->column = s->value[s_key][1];
    if (s->count[bs_key]) memcpy(lie->batch, s->value[bs_key], sizeof lie->batch);
    return HONE_OK;
}

/* Whole numbers beside real ones are weights. */
static hone_status scaled_parse(const said *s, char letter, hone_matmul_problem *p)
{
    uint8_t zeros = 0;
    bool    across = letter == 't';
    if (!hone_dtype_floats((hone_dtype)p->type_a) || hone_dtype_floats((hone_dtype)p->type_b)) {
        for (int key = KEY_GROUP; key < KEY_COUNT; key++)
            HONE_CHECK(!s->count[key], HONE_ERROR_FORMAT,
                       "matmul: '%s' is given, which goes with weights of few bits beside real numbers, f32:s4:f32 say",
                       keys[key]);
        return HONE_OK;
    }
    p->type_scale = s->count[KEY_SCALES] ? s->scales : HONE_F32;
    p->group_n = 1;
    HONE_CHECK(s->count[KEY_GROUP] <= 2, HONE_ERROR_FORMAT, "matmul: 'group' has %d numbers, it should have 1 or 2",
               s->count[KEY_GROUP]);
    if (s->count[KEY_GROUP] >= 1) p->group_k = s->value[KEY_GROUP][0];
    if (s->count[KEY_GROUP] == 2) p->group_n = s->value[KEY_GROUP][1];
    HONE_CHECK(p->group_k >= 0 && p->group_n >= 0, HONE_ERROR_FORMAT,
               "matmul: group=%" PRId64 "x%" PRId64 " should be two numbers from 0 on", p->group_k, p->group_n);
    HONE_TRY(flag_parse(s, KEY_ZEROS, &zeros));
    HONE_TRY(groups_parse(s, KEY_SCALES_S, KEY_SCALES_BS, across, p, &p->scale));
    if (!zeros) {
        HONE_CHECK(!s->count[KEY_ZEROS_S] && !s->count[KEY_ZEROS_BS], HONE_ERROR_FORMAT,
                   "matmul: it is told where zeros lie, but zeros=1 is not");
        return HONE_OK;
    }
    p->zeros |= HONE_MATMUL_ZERO_GROUPS;
    return groups_parse(s, KEY_ZEROS_S, KEY_ZEROS_BS, across, p, &p->zero);
}

hone_status hone_matmul_parse(const char *text, void *problem)
{
    hone_matmul_problem *p = problem;
    hone_word            type, layout, size, word;
    said                 s = {{0}, {{0}}, {0}, 0};
    int64_t              sizes[3];
    memset(p, 0, sizeof *p);
    HONE_CHECK(hone_word_next(&text, &type), HONE_ERROR_FORMAT,
               "matmul: nothing is asked; write e.g. 'f32 nn 128x768x768'");
    HONE_TRY(types_parse(type, p));
    HONE_CHECK(hone_word_next(&text, &layout), HONE_ERROR_FORMAT,
               "matmul: the layouts of a and b are missing: nn, nt, tn or tt");
    HONE_CHECK(layout.length == 2 && strchr("nt", layout.at[0]) && strchr("nt", layout.at[1]), HONE_ERROR_FORMAT,
               "matmul: the layouts '%.*s' should be nn, nt, tn or tt", SAID(layout));
    HONE_CHECK(hone_word_next(&text, &size), HONE_ERROR_FORMAT, "matmul: the size is missing: MxNxK");
    HONE_CHECK(
        hone_word_numbers(size, 'x', sizes, 3) && sizes[0] >= 0 && sizes[1] >= 0 && sizes[2] >= 0, HONE_ERROR_FORMAT,
        "matmul: the size '%.*s' should be MxNxK, three whole numbers from 0 on that fit in 63 bits", SAID(size));
    p->m = sizes[0], p->n = sizes[1], p->k = sizes[2];
    while (hone_word_next(&text, &word)) HONE_TRY(*word.at == '+' ? steps_parse(word, p) : key_parse(word, &s));

    p->batch_rank = (uint8_t)s.count[KEY_BATCH];
    memcpy(p->batch, s.value[KEY_BATCH], sizeof p->batch);
    for (int i = 0; i < p->batch_rank; i++)
        HONE_CHECK(p->batch[i] >= 0, HONE_ERROR_FORMAT,
                   "matmul: batch extent %d is %" PRId64 ", it should be 0 or more", i, p->batch[i]);
    HONE_TRY(flag_parse(&s, KEY_BETA, &p->reads_c));
    HONE_TRY(flag_parse(&s, KEY_POINTERS, &p->pointers));
    uint8_t a_zero = 0, b_zero = 0;
    HONE_TRY(flag_parse(&s, KEY_A_ZERO, &a_zero));
    HONE_TRY(flag_parse(&s, KEY_B_ZERO, &b_zero));
    p->zeros = (uint8_t)((a_zero ? HONE_MATMUL_ZERO_A : 0) | (b_zero ? HONE_MATMUL_ZERO_B : 0));
    p->accuracy = (uint32_t)s.value[KEY_ACCURACY][0];
    HONE_TRY(operand_parse(&s, HONE_MATMUL_A, layout.at[0], p));
    HONE_TRY(operand_parse(&s, HONE_MATMUL_B, layout.at[1], p));
    HONE_TRY(operand_parse(&s, HONE_MATMUL_C, 'n', p));
    HONE_TRY(scaled_parse(&s, layout.at[1], p));
    for (int i = 0; i < HONE_STEPS_MAX; i++) HONE_TRY(step_parse(&s, i, p));
    return hone_matmul_check(p);
}
