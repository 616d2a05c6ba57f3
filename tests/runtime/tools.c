/* The tools of the door's tests. The truth is written for tensors, not for problems: it knows nothing of how the door
 * merges, folds or orders. */
#include "tests/runtime/tools.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/element.h"
#include "base/random.h"
#include "base/status.h"

/* --- sentences ---------------------------------------------------------------------------------------------------- */

static const char forgotten[] = "nobody has said anything since";

void tools_forget(void)
{
    hone_fail(HONE_ERROR_STATE, "%s", forgotten);
}

const char *tools_sentence_lacks(const char *words)
{
    static _Thread_local char word[256];
    const char               *sentence = hone_last_error();
    if (!sentence[0]) return "there is no sentence";
    if (!strcmp(sentence, forgotten)) return "the sentence is an older one";
    if (strlen(sentence) > 1000) return "the sentence is too long";
    for (const char *at = sentence; *at; at++)
        if ((unsigned char)*at < ' ') return "the sentence has a character that cannot be printed";
    while (*words) {
        size_t length = strcspn(words, "|");
        snprintf(word, sizeof word, "%.*s", (int)length, words);
        if (!strstr(sentence, word)) return word;
        words += length + (words[length] == '|');
    }
    return NULL;
}

void tools_works(hone_status status, const char *call, const char *file, int line)
{
    if (status == HONE_OK) return;
    print_error("%s\n  gave %s: %s\n", call, hone_status_name(status), hone_last_error());
    _fail(file, line);
}

void tools_refused(hone_status got, hone_status status, const char *words, const char *call, const char *file, int line)
{
    if (got != status) {
        print_error("%s\n  gave %s (%s), not %s\n", call, hone_status_name(got), hone_last_error(),
                    hone_status_name(status));
        _fail(file, line);
    }
    const char *lacks = tools_sentence_lacks(words);
    if (lacks) {
        print_error("%s\n  says: %s\n  wanted: %s\n", call, hone_last_error(), lacks);
        _fail(file, line);
    }
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static _Atomic(int64_t) allocations, blocks, countdown;
static _Atomic(int)     failed, fails_for_ever;

static void *allocate(void *user, size_t bytes, size_t alignment)
{
    (void)user;
    int64_t left = atomic_load(&countdown);
    if (left > 0) {
        left = atomic_fetch_sub(&countdown, 1) - 1;
        if (left == 0) {
            if (atomic_load(&fails_for_ever)) atomic_store(&countdown, 1);
            atomic_fetch_add(&failed, 1);
            return NULL;
        }
    }
    void *memory = aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    if (!memory) return NULL;
    atomic_fetch_add(&allocations, 1);
    atomic_fetch_add(&blocks, 1);
    return memory;
}

static void release(void *user, void *memory, size_t bytes)
{
    (void)user;
    (void)bytes;
    atomic_fetch_sub(&blocks, 1);
    free(memory);
}

void tools_allocator_use(void)
{
    const hone_allocator counting = {NULL, allocate, release};
    works(hone_allocator_set(&counting));
}

void tools_allocator_end(void)
{
    works(hone_allocator_set(NULL));
}

int64_t tools_allocations(void)
{
    return atomic_load(&allocations);
}

int64_t tools_blocks(void)
{
    return atomic_load(&blocks);
}

void tools_allocator_fail(int64_t nth, int for_ever)
{
    atomic_store(&failed, 0);
    atomic_store(&fails_for_ever, for_ever);
    atomic_store(&countdown, nth);
}

int tools_allocator_failed(void)
{
    return atomic_load(&failed);
}

/* --- truth -------------------------------------------------------------------------------------------------------- */

/* Elements are copied, since a view may be misaligned where a test means it to be. */
static double load(const hone_tensor *t, int64_t at)
{
    double  aligned = 0;
    int64_t size = hone_dtype_bits(t->dtype) / 8;
    memcpy(&aligned, (const char *)t->data + at * size, (size_t)size);
    return hone_element_load(t->dtype, &aligned, 0);
}

static void store(const hone_tensor *t, int64_t at, double value)
{
    double  aligned = 0;
    int64_t size = hone_dtype_bits(t->dtype) / 8;
    hone_element_store(t->dtype, &aligned, 0, value);
    memcpy((char *)t->data + at * size, &aligned, (size_t)size);
}

/* The element of t that belongs to c's batch index, with `own` inner dimensions of its own at i and j. */
static int64_t place(const hone_tensor *t, const hone_tensor *c, const int64_t *batch, int own, int64_t i, int64_t j)
{
    int64_t at = 0;
    int     lead = t->rank - own;
    for (int d = 0; d < lead; d++) {
        int64_t index = batch[c->rank - 2 - lead + d];
        if (t->shape[d] != 1) at += index * t->stride[d];
    }
    if (own == 2) at += i * t->stride[t->rank - 2];
    return at + j * t->stride[t->rank - 1];
}

static double step_of(const hone_step *step, const hone_tensor *c, const int64_t *batch, int64_t i, int64_t j, double x)
{
    const hone_tensor *t = step->tensor;
    switch (step->kind) {
    case HONE_STEP_BIAS: return x + load(t, place(t, c, batch, 1, 0, j));
    case HONE_STEP_BIAS_ROWS: return x + load(t, place(t, c, batch, 1, 0, i));
    case HONE_STEP_RELU: return x > 0 || isnan(x) ? x : 0;
    case HONE_STEP_RESIDUAL: return x + load(t, place(t, c, batch, 2, i, j));
    case HONE_STEP_SCALE: return x * step->value;
    case HONE_STEP_STORE: store(t, place(t, c, batch, 2, i, j), x); return x;
    case HONE_STEP_RELU_GRADIENT: return load(t, place(t, c, batch, 2, i, j)) > 0 ? x : 0;
    case HONE_STEP_SUM_A:
    case HONE_STEP_SUM_B: return x;
    default: print_error("step %d is none that the truth knows\n", (int)step->kind); abort();
    }
}

/* What a step of sums writes for one matrix. */
static void sum_of(const hone_step *step, const hone_tensor *a, const hone_tensor *b, const hone_tensor *c,
                   const int64_t *batch)
{
    const bool    of_a = step->kind == HONE_STEP_SUM_A;
    const int64_t lines = of_a ? c->shape[c->rank - 2] : c->shape[c->rank - 1], k = a->shape[a->rank - 1];
    if (!of_a && step->kind != HONE_STEP_SUM_B) return;
    for (int64_t line = 0; line < lines; line++) {
        double x = 0;
        for (int64_t l = 0; l < k; l++)
            x += of_a ? load(a, place(a, c, batch, 2, line, l)) : load(b, place(b, c, batch, 2, l, line));
        store(step->tensor, place(step->tensor, c, batch, 1, 0, line), x);
    }
}

void tools_matmul(const hone_tensor *a, const hone_tensor *b, const hone_tensor *c, const hone_matmul_options *options)
{
    const hone_matmul_options plain = HONE_MATMUL_OPTIONS, *o = options ? options : &plain;
    int64_t                   batch[HONE_RANK_MAX] = {0}, m = c->shape[c->rank - 2], n = c->shape[c->rank - 1];
    int64_t                   k = a->shape[a->rank - 1], matrices = 1;
    int                       lead = c->rank - 2;
    for (int d = 0; d < lead; d++) matrices *= c->shape[d];
    for (int64_t matrix = 0; matrix < matrices; matrix++) {
        int64_t rest = matrix;
        for (int d = lead - 1; d >= 0; d--) {
            batch[d] = rest % c->shape[d];
            rest /= c->shape[d];
        }
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++) {
                double  x = 0;
                int64_t at = place(c, c, batch, 2, i, j);
                for (int64_t l = 0; l < k; l++)
                    x += load(a, place(a, c, batch, 2, i, l)) * load(b, place(b, c, batch, 2, l, j));
                x *= o->alpha;
                if (o->beta != 0) x += o->beta * load(c, at);
                for (int s = 0; s < o->step_count; s++) x = step_of(&o->steps[s], c, batch, i, j, x);
                store(c, at, x);
            }
        for (int s = 0; s < o->step_count && m && n; s++) sum_of(&o->steps[s], a, b, c, batch);
    }
}

void tools_fill(hone_dtype type, void *memory, int64_t count, uint64_t seed)
{
    for (int64_t i = 0; i < count; i++) {
        double value = (double)(int64_t)(hone_random_at(seed, (uint64_t)i) % 9) - 4;
        hone_element_store(type, memory, i, value);
    }
}
