/* A grouped matmul as text, and back: that of the matmul it is made of, with keys of its own (problem.h). */
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "base/text.h"
#include "kernels/matmul/parts.h"
#include "kernels/matmul_grouped/parts.h"

#define SAID(word) (int)((word).length < 48 ? (word).length : 48), (word).at

enum { KEY_GROUPS, KEY_SUMS, KEY_OFFSETS, KEY_GS, KEY_GS0, KEY_COUNT = KEY_GS0 + HONE_STEPS_MAX };
static const char *const keys[KEY_COUNT] = {"groups", "sums", "offsets", "gs", "gs0", "gs1", "gs2", "gs3"};

bool hone_matmul_grouped_usual(const hone_matmul_grouped_problem *p, int64_t *group_stride,
                               int64_t step_group[HONE_STEPS_MAX])
{
    const hone_matmul_problem *one = &p->one;
    for (int i = 0; i < HONE_STEPS_MAX; i++) {
        const bool along = hone_step_operand_of((hone_step_kind)one->step[i].kind) == HONE_OPERAND_COLUMNS;
        step_group[i] = i < one->step_count && along ? one->n : 0;
    }
    *group_stride = 0;
    return p->sums ? hone_matmul_matrix_places(one->m, one->n, one->c_row, one->c_column, group_stride)
                   : hone_matmul_matrix_places(one->k, one->n, one->b_row, one->b_column, group_stride);
}

void hone_matmul_grouped_print(const void *problem, char *out, size_t capacity)
{
    const hone_matmul_grouped_problem *p = problem;
    int64_t                            stride, step_group[HONE_STEPS_MAX];
    hone_matmul_print(&p->one, out, capacity);
    const size_t length = strlen(out);
    const bool   known = hone_matmul_grouped_usual(p, &stride, step_group);
    hone_text    text = hone_text_in(out + length, capacity - length);
    hone_text_add(&text, " groups=%" PRId64, p->groups);
    if (p->sums) hone_text_add(&text, " sums=1");
    if (p->offsets != HONE_S32) hone_text_add(&text, " offsets=%s", hone_dtype_name((hone_dtype)p->offsets));
    if (!known || stride != p->group_stride) hone_text_add(&text, " gs=%" PRId64, p->group_stride);
    for (int i = 0; i < HONE_STEPS_MAX; i++)
        if (step_group[i] != p->step_group[i])
            hone_text_add(&text, " %s=%" PRId64, keys[KEY_GS0 + i], p->step_group[i]);
}

typedef struct said {
    bool    given[KEY_COUNT];
    int64_t value[KEY_COUNT];
    char    rest[HONE_PROBLEM_TEXT_MAX]; /* what is the matmul's */
    size_t  length;
} said;

static hone_status word_parse(hone_word word, said *s, hone_matmul_grouped_problem *p)
{
    int       key = 0;
    hone_word value;
    while (key < KEY_COUNT && !hone_word_key(word, keys[key], &value)) key++;
    if (key == KEY_COUNT) {
        HONE_CHECK(s->length + word.length + 2 < sizeof s->rest, HONE_ERROR_FORMAT,
                   "matmul_grouped: the text is longer than %d bytes", HONE_PROBLEM_TEXT_MAX);
        if (s->length) s->rest[s->length++] = ' ';
        memcpy(s->rest + s->length, word.at, word.length);
        s->length += word.length;
        return HONE_OK;
    }
    HONE_CHECK(!s->given[key], HONE_ERROR_FORMAT, "matmul_grouped: '%s' is given twice", keys[key]);
    s->given[key] = true;
    if (key == KEY_OFFSETS) {
        HONE_CHECK(hone_word_is(value, "s32") || hone_word_is(value, "s64"), HONE_ERROR_FORMAT,
                   "matmul_grouped: '%.*s': offsets are s32 or s64", SAID(word));
        p->offsets = hone_word_is(value, "s64") ? HONE_S64 : HONE_S32;
        return HONE_OK;
    }
    HONE_CHECK(hone_word_numbers(value, 'x', &s->value[key], 1), HONE_ERROR_FORMAT,
               "matmul_grouped: '%.*s': a whole number of 64 bits should stand behind '='", SAID(word));
    return HONE_OK;
}

hone_status hone_matmul_grouped_parse(const char *text, void *problem)
{
    hone_matmul_grouped_problem *p = problem;
    hone_word                    word;
    said                         s;
    memset(p, 0, sizeof *p);
    memset(&s, 0, sizeof s);
    p->offsets = HONE_S32;
    while (hone_word_next(&text, &word)) HONE_TRY(word_parse(word, &s, p));
    HONE_TRY(hone_matmul_parse(s.rest, &p->one));
    HONE_CHECK(s.given[KEY_GROUPS] && s.value[KEY_GROUPS] >= 0, HONE_ERROR_FORMAT,
               s.given[KEY_GROUPS] ? "matmul_grouped: groups=%" PRId64 " should be 0 or more"
                                   : "matmul_grouped: groups= is missing: how many groups the rows are of",
               s.value[KEY_GROUPS]);
    p->groups = s.value[KEY_GROUPS];
    HONE_CHECK(s.value[KEY_SUMS] == 0 || s.value[KEY_SUMS] == 1, HONE_ERROR_FORMAT,
               "matmul_grouped: sums=%" PRId64 " should be 0 or 1", s.value[KEY_SUMS]);
    p->sums = (uint8_t)s.value[KEY_SUMS];
    HONE_CHECK(hone_matmul_grouped_usual(p, &p->group_stride, p->step_group) || s.given[KEY_GS], HONE_ERROR_OVERFLOW,
               "matmul_grouped: dense groups of these strides do not fit in 63 bits");
    if (s.given[KEY_GS]) p->group_stride = s.value[KEY_GS];
    for (int i = 0; i < HONE_STEPS_MAX; i++)
        if (s.given[KEY_GS0 + i]) p->step_group[i] = s.value[KEY_GS0 + i];
    return hone_matmul_grouped_check(p);
}
