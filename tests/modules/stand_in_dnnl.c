/* A library with what the module asks of oneDNN, of version MAJOR (2 or 3): plain loops. It keeps account of what it
 * was asked: objects that live, calls out of order or with the wrong count of threads, runs of primitives and of the
 * call. Its OpenMP is its own. Products of 13 rows it does by "ref", and those of 3 and more dimensions by "ref" where
 * they have 3 columns; 10007 rows are more than it has memory for, by the call too. */
#include <math.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { RANK_MAX = 12, STEPS_MAX = 4, DONE = 0, NO_MEMORY = 1, INVALID = 2, UNIMPLEMENTED = 3, SCRATCH = 192 };
enum { GELU = MAJOR == 2 ? 0xcf : 0x2b, GELU_ERF = MAJOR == 2 ? 0x30 : 0x31, SILU = MAJOR == 2 ? 0xdf : 0x2c, SUM = 1 };

atomic_int stand_in_live, stand_in_faults, stand_in_primitives, stand_in_calls, stand_in_wide,
    stand_in_threads; /* the last: of the latest run */

/* --- its OpenMP --------------------------------------------------------------------------------------------------- */

static _Thread_local int threads = 6;

int  omp_get_max_threads(void);
void omp_set_num_threads(int count);

int omp_get_max_threads(void)
{
    return threads;
}

void omp_set_num_threads(int count)
{
    threads = count;
}

/* --- objects ------------------------------------------------------------------------------------------------------ */

typedef struct version {
    int         major, minor, patch;
    const char *hash;
    unsigned    cpu, gpu;
} version;

typedef struct layout {
    int     mark, rank;
    int64_t size[RANK_MAX], stride[RANK_MAX];
    char    rest[696 - 8 - 16 * RANK_MAX]; /* as large as version 2's own */
} layout;

typedef struct post_ops {
    int   mark, count, kind[STEPS_MAX];
    float alpha[STEPS_MAX];
} post_ops;

typedef struct attributes {
    int      mark, user_scratch;
    post_ops post;
} attributes;

typedef struct operation {
    int    mark, has_bias;
    layout a, b, bias, c;
} operation;

typedef struct primitive {
    int        mark, threads, scratch;
    char       how[16];
    operation  what;
    attributes with;
} primitive;

typedef struct memory {
    int    mark;
    layout is;
    void  *at;
} memory;

typedef struct argument {
    int     which;
    memory *given;
} argument;

enum { LAYOUT = 0x10a, POST, ATTRIBUTES, OPERATION, DESCRIPTION, PRIMITIVE, MEMORY, STREAM, ENGINE };

static layout scratch_layout;

static int fault(void)
{
    stand_in_faults++;
    return INVALID;
}

static int give(void **out, const void *from, size_t bytes, int mark)
{
    *out = calloc(1, bytes);
    if (from) memcpy(*out, from, bytes);
    *(int *)*out = mark;
    stand_in_live++;
    return DONE;
}

static int take_back(void *object, int mark)
{
    if (*(int *)object != mark) return fault();
    *(int *)object = 0;
    free(object);
    stand_in_live--;
    return DONE;
}

const version *dnnl_version(void);
unsigned       dnnl_get_effective_cpu_isa(void);
const version *dnnl_version(void)
{
    static const version is = {MAJOR, 9, 1, "stand-in", 2, 0};
    return &is;
}

unsigned dnnl_get_effective_cpu_isa(void)
{
    return MAJOR == 2 ? 0x7 : 0xfef; /* version 2: AVX2 */
}

#define API(name, ...)                                                                                                 \
    int name(__VA_ARGS__);                                                                                             \
    int name(__VA_ARGS__)

API(dnnl_engine_create, void **out, int kind, size_t index)
{
    return kind == 1 && index == 0 ? give(out, NULL, 64, ENGINE) : fault();
}

API(dnnl_stream_create, void **out, void *engine, unsigned flags)
{
    return *(int *)engine == ENGINE && flags == 1 ? give(out, NULL, 64, STREAM) : fault();
}

API(dnnl_stream_destroy, void *it)
{
    return take_back(it, STREAM);
}

API(dnnl_primitive_attr_create, void **out)
{
    return give(out, NULL, sizeof(attributes), ATTRIBUTES);
}

API(dnnl_primitive_attr_destroy, void *it)
{
    return take_back(it, ATTRIBUTES);
}

API(dnnl_primitive_attr_set_scratchpad_mode, attributes *it, int mode)
{
    if (it->mark != ATTRIBUTES || mode != 1) return fault();
    it->user_scratch = 1;
    return DONE;
}

API(dnnl_primitive_attr_set_post_ops, attributes *it, const post_ops *post)
{
    if (it->mark != ATTRIBUTES || post->mark != POST) return fault();
    it->post = *post;
    return DONE;
}

API(dnnl_post_ops_create, void **out)
{
    return give(out, NULL, sizeof(post_ops), POST);
}

API(dnnl_post_ops_destroy, void *it)
{
    return take_back(it, POST);
}

static int append(post_ops *it, int kind, float alpha)
{
    if (it->mark != POST || it->count == STEPS_MAX) return fault();
    it->kind[it->count] = kind;
    it->alpha[it->count++] = alpha;
    return DONE;
}

static int make_layout(layout *out, int rank, const int64_t *size, int type, const int64_t *stride)
{
    memset(out, 0, sizeof *out);
    if (type >= 1 && type <= 6 && type != 3) return 3; /* dnnl_unimplemented: this stand-in has f32 alone */
    if (rank < 2 || rank > 5 || type != 3) return fault();
    out->mark = LAYOUT;
    out->rank = rank;
    for (int i = 0; i < rank; i++) {
        out->size[i] = size[i];
        out->stride[i] = stride[i];
        if (size[i] < 1 || stride[i] < 1) return fault();
    }
    return DONE;
}

static int is_product(const operation *it)
{
    const int r = it->c.rank;
    if (it->a.mark != LAYOUT || it->b.mark != LAYOUT || it->c.mark != LAYOUT || it->a.rank != r || it->b.rank != r ||
        it->a.size[r - 2] != it->c.size[r - 2] || it->b.size[r - 1] != it->c.size[r - 1] ||
        it->a.size[r - 1] != it->b.size[r - 2] || it->c.stride[r - 1] != 1)
        return 0;
    for (int i = 0; i < r - 2; i++)
        if ((it->a.size[i] != 1 && it->a.size[i] != it->c.size[i]) ||
            (it->b.size[i] != 1 && it->b.size[i] != it->c.size[i]))
            return 0;
    return !it->has_bias || (it->bias.mark == LAYOUT && it->bias.rank == r &&
                             it->bias.size[r - 1] == it->c.size[r - 1] && it->bias.size[r - 2] == 1);
}

static int describe(void **out, const operation *what, const attributes *with, const void *engine)
{
    primitive it = {.threads = threads, .what = *what, .with = *with};
    const int r = what->c.rank, rows = (int)what->c.size[r - 2], columns = (int)what->c.size[r - 1];
    if (*(const int *)engine != ENGINE || with->mark != ATTRIBUTES || !with->user_scratch || !is_product(what))
        return fault();
    if (rows == 10007) return NO_MEMORY;
    if (rows == 10009) return UNIMPLEMENTED;
    strcpy(it.how, rows == 13 || (r > 2 && columns == 3) ? "ref:any" : "brg:loops");
    it.scratch = what->a.size[r - 1] > 20;
    return give(out, &it, sizeof it, DESCRIPTION);
}

#if MAJOR == 2
API(dnnl_memory_desc_init_by_strides, layout *out, int rank, const int64_t *size, int type, const int64_t *stride)
{
    return make_layout(out, rank, size, type, stride);
}

API(dnnl_matmul_desc_init, operation *out, const layout *a, const layout *b, const layout *bias, const layout *c)
{
    _Static_assert(sizeof *out <= 2800, "no larger than version 2's own");
    *out = (operation){OPERATION, bias != NULL, *a, *b, bias ? *bias : (layout){0}, *c};
    return DONE;
}

API(dnnl_primitive_desc_create, void **out, const operation *what, const attributes *with, void *engine,
    const void *hint)
{
    return what->mark == OPERATION && !hint ? describe(out, what, with, engine) : fault();
}

API(dnnl_post_ops_append_sum, post_ops *it, float scale)
{
    return append(it, SUM, scale);
}

API(dnnl_post_ops_append_eltwise, post_ops *it, float scale, int kind, float alpha, float beta)
{
    return scale == 1 && beta == 0 ? append(it, kind, alpha) : fault();
}
#else
API(dnnl_memory_desc_create_with_strides, layout **out, int rank, const int64_t *size, int type, const int64_t *stride)
{
    layout it;
    int    what = make_layout(&it, rank, size, type, stride);
    return what == DONE ? give((void **)out, &it, sizeof it, LAYOUT) : what;
}

API(dnnl_memory_desc_destroy, void *it)
{
    return take_back(it, LAYOUT);
}

API(dnnl_matmul_primitive_desc_create, void **out, void *engine, const layout *a, const layout *b, const layout *bias,
    const layout *c, const attributes *with)
{
    operation what = {OPERATION, bias != NULL, *a, *b, bias ? *bias : (layout){0}, *c};
    return describe(out, &what, with, engine);
}

API(dnnl_post_ops_append_sum, post_ops *it, float scale, int32_t zero_point, int type)
{
    return zero_point == 0 && type == 3 ? append(it, SUM, scale) : fault();
}

API(dnnl_post_ops_append_eltwise, post_ops *it, int kind, float alpha, float beta)
{
    return beta == 0 ? append(it, kind, alpha) : fault();
}
#endif

size_t dnnl_memory_desc_get_size(const layout *it);
size_t dnnl_memory_desc_get_size(const layout *it)
{
    return it == &scratch_layout ? SCRATCH : 0;
}

API(dnnl_primitive_desc_query, const primitive *it, int what, int index, void *result)
{
    if (it->mark != DESCRIPTION || what != 8 || index) return fault();
    *(const char **)result = it->how;
    return DONE;
}

const layout *dnnl_primitive_desc_query_md(const primitive *it, int what, int index);
const layout *dnnl_primitive_desc_query_md(const primitive *it, int what, int index)
{
    if (it->mark != DESCRIPTION || what != 136 || index) fault();
    return it->scratch ? &scratch_layout : NULL;
}

API(dnnl_primitive_desc_destroy, void *it)
{
    return take_back(it, DESCRIPTION);
}

API(dnnl_primitive_create, void **out, const primitive *description)
{
    if (description->mark != DESCRIPTION || !strcmp(description->how, "ref:any")) return fault();
    return give(out, description, sizeof *description, PRIMITIVE);
}

API(dnnl_primitive_destroy, void *it)
{
    return take_back(it, PRIMITIVE);
}

API(dnnl_memory_create, void **out, const layout *is, void *engine, void *at)
{
    memory it = {.is = *is, .at = at};
    return *(int *)engine == ENGINE ? give(out, &it, sizeof it, MEMORY) : fault();
}

API(dnnl_memory_set_data_handle, memory *it, void *at)
{
    if (it->mark != MEMORY) return fault();
    it->at = at;
    return DONE;
}

API(dnnl_memory_destroy, void *it)
{
    return take_back(it, MEMORY);
}

/* --- arithmetic --------------------------------------------------------------------------------------------------- */

static double activate(int kind, double x)
{
    if (kind == GELU) return x / 2 * (1 + tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x)));
    if (kind == GELU_ERF) return x / 2 * (1 + erf(x * 0.70710678118654752440));
    if (kind == SILU) return x / (1 + exp(-x));
    fault();
    return x;
}

static int64_t offset(const layout *of, const int64_t *index)
{
    int64_t at = 0;
    for (int i = 0; i < of->rank; i++) at += (of->size[i] == 1 ? 0 : index[i]) * of->stride[i];
    return at;
}

/* One element of c, at `index`. */
static void element(const primitive *it, const int64_t *index, const float *a, const float *b, const float *bias,
                    float *c)
{
    const operation *p = &it->what;
    const int        r = p->c.rank;
    int64_t          at_a[RANK_MAX], at_b[RANK_MAX];
    double           sum = 0;
    float           *out = c + offset(&p->c, index);
    memcpy(at_a, index, sizeof at_a);
    memcpy(at_b, index, sizeof at_b);
    for (int64_t l = 0; l < p->a.size[r - 1]; l++) {
        at_a[r - 1] = at_b[r - 2] = l;
        sum += (double)a[offset(&p->a, at_a)] * (double)b[offset(&p->b, at_b)];
    }
    float x = (float)sum;
    if (p->has_bias) x += bias[offset(&p->bias, index)];
    for (int i = 0; i < it->with.post.count; i++)
        x = it->with.post.kind[i] == SUM ? x + it->with.post.alpha[i] * *out
                                         : (float)activate(it->with.post.kind[i], (double)x);
    *out = x;
}

API(dnnl_primitive_execute, const primitive *it, void *stream, int count, const argument *arguments)
{
    const void *a = NULL, *b = NULL, *bias = NULL;
    void       *c = NULL, *scratch = NULL;
    int64_t     index[RANK_MAX] = {0};
    if (it->mark != PRIMITIVE || *(int *)stream != STREAM || threads != it->threads) return fault();
    for (int i = 0; i < count; i++) {
        void *at = arguments[i].given->mark == MEMORY ? arguments[i].given->at : NULL;
        switch (arguments[i].which) {
        case 1: a = at; break;
        case 33: b = at; break;
        case 41: bias = at; break;
        case 17: c = at; break;
        case 80: scratch = at; break;
        default: return fault();
        }
    }
    if (!a || !b || !c || !bias != !it->what.has_bias || !scratch != !it->scratch || (uintptr_t)scratch % 64)
        return fault();
    if (scratch) memset(scratch, 0xff, SCRATCH);
    for (int d = 0; d >= 0;) {
        element(it, index, a, b, bias, c);
        for (d = it->what.c.rank - 1; d >= 0 && ++index[d] == it->what.c.size[d]; d--) index[d] = 0;
    }
    if (it->what.c.rank > 2) stand_in_wide++;
    stand_in_threads = threads;
    stand_in_primitives++;
    return DONE;
}

API(dnnl_sgemm, char ta, char tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
    const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
    if (threads == 6) return fault(); /* as nobody has set it */
    if (m == 10007) return NO_MEMORY;
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = 0;
            for (int64_t l = 0; l < k; l++)
                sum +=
                    (double)a[ta == 'N' ? i * lda + l : l * lda + i] * (double)b[tb == 'N' ? l * ldb + j : j * ldb + l];
            float *out = c + i * ldc + j;
            *out = (float)(beta == 0 ? (double)alpha * sum : (double)alpha * sum + (double)beta * (double)*out);
        }
    stand_in_threads = threads;
    stand_in_calls++;
    return DONE;
}
