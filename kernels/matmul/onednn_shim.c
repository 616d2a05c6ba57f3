/* A product of matrices made ready and run by oneDNN, in the words of either of its C APIs.
 *
 * Version 2 describes memory by a struct of its own, an operation by another, and makes a primitive's description of
 * that; version 3 has handles, and makes it at once. From there on both are alike. Scratch is ours (mode "user"), so a
 * primitive may run many times at once; what a run changes, its memory objects, lies in places of which each run takes
 * one. */
#include <string.h>

#include "kernels/matmul/onednn.h"

/* The same numbers in all releases of both versions, but for activations. */
enum { SCRATCHPAD_USER = 1, QUERY_HOW = 8, QUERY_B = 131, QUERY_SCRATCHPAD = 136, STREAM_IN_ORDER = 1 };

static const int argument_of[ONEDNN_OPERANDS] = {
    [ONEDNN_A] = 1, [ONEDNN_B] = 33, [ONEDNN_C] = 17, [ONEDNN_BIAS] = 41, [ONEDNN_SCRATCH] = 80};

/* What it calls a type: the same numbers in all releases of both versions. */
static int type_of(hone_dtype type)
{
    switch (type) {
    case HONE_F16: return 1;
    case HONE_BF16: return 2;
    case HONE_F32: return 3;
    case HONE_S32: return 4;
    case HONE_S8: return 5;
    case HONE_U8: return 6;
    default: return 0;
    }
}

static int activation_of(const onednn_library *library, hone_step_kind kind)
{
    const bool second = library->major == 2;
    switch (kind) {
    case HONE_STEP_GELU: return second ? 0xcf : 0x2b;
    case HONE_STEP_GELU_ERF: return second ? 0x30 : 0x31;
    case HONE_STEP_SILU: return second ? 0xdf : 0x2c;
    default: return 0;
    }
}

const char *hone_onednn_activation_refused(const onednn_library *library, hone_step_kind kind)
{
    switch (kind) {
    case HONE_STEP_RELU: return "its relu makes 0 of NaN";
    case HONE_STEP_GELU_ERF: return library->major == 2 ? NULL : "its gelu_erf makes NaN of infinity";
    case HONE_STEP_GELU:
    case HONE_STEP_SILU: return NULL;
    default: return "its product ends with at most a bias along c's columns and one activation";
    }
}

static hone_status status_of(int what)
{
    return what == ONEDNN_DONE ? HONE_OK : what == ONEDNN_NO_MEMORY ? HONE_ERROR_MEMORY : HONE_ERROR_UNSUPPORTED;
}

/* --- layouts ---------------------------------------------------------------------------------------------------- */

static int layout_make(const onednn_library *it, hone_dtype type, int rank, const int64_t *sizes,
                       const int64_t *strides, onednn_layout *out)
{
    memset(out, 0, sizeof *out);
    return it->major == 2 ? it->layout_init2(out, rank, sizes, type_of(type), strides)
                          : it->layout_create3(&out->handle, rank, sizes, type_of(type), strides);
}

enum { TAG_ANY = 1, TAG_FIRST_2 = 499, TAG_FIRST_3 = 503, ANY_LAYOUT = -1 };

static int tagged_make(const onednn_library *it, int64_t k, int64_t n, int layout, onednn_layout *out)
{
    const int64_t sizes[] = {k, n};
    const int     tag = layout == ANY_LAYOUT ? TAG_ANY : (it->major == 2 ? TAG_FIRST_2 : TAG_FIRST_3) + layout - 1;
    memset(out, 0, sizeof *out);
    return it->major == 2 ? it->layout_init_tag2(out, 2, sizes, type_of(HONE_F32), tag)
                          : it->layout_create_tag3(&out->handle, 2, sizes, type_of(HONE_F32), tag);
}

static void layout_end(const onednn_library *it, onednn_layout *layout)
{
    if (it->major != 2 && layout->handle) it->layout_destroy3(layout->handle);
    memset(layout, 0, sizeof *layout);
}

static const void *layout_of(const onednn_library *it, const onednn_layout *layout)
{
    return it->major == 2 ? (const void *)layout : layout->handle;
}

static int layouts_make(onednn_product *product, const onednn_ask *ask)
{
    const onednn_library *it = product->library;
    int64_t               size[ONEDNN_RANK_MAX], stride[ONEDNN_RANK_MAX];
    const int64_t         n = ask->c_size[ask->rank - 1];
    int what = layout_make(it, ask->type_a, ask->rank, ask->a_size, ask->a_stride, &product->layout[ONEDNN_A]);
    if (what == ONEDNN_DONE)
        what = ask->b_layout
                   ? tagged_make(it, ask->b_size[0], ask->b_size[1], ask->b_layout, &product->layout[ONEDNN_B])
                   : layout_make(it, ask->type_b, ask->rank, ask->b_size, ask->b_stride, &product->layout[ONEDNN_B]);
    if (what == ONEDNN_DONE)
        what = layout_make(it, ask->type_c, ask->rank, ask->c_size, ask->c_stride, &product->layout[ONEDNN_C]);
    if (what != ONEDNN_DONE || !ask->bias) return what;
    for (int i = 0; i < ask->rank; i++) size[i] = 1, stride[i] = n;
    size[ask->rank - 1] = n;
    stride[ask->rank - 1] = 1;
    return layout_make(it, ask->type_bias, ask->rank, size, stride, &product->layout[ONEDNN_BIAS]);
}

/* --- primitives ------------------------------------------------------------------------------------------------- */

static int post_ops_make(const onednn_library *it, const onednn_ask *ask, void **out)
{
    const int activation = activation_of(it, ask->activation);
    int       what = it->post_ops_create(out);
    if (what == ONEDNN_DONE && ask->adds_c)
        what = it->major == 2 ? it->append_sum2(*out, 1) : it->append_sum3(*out, 1, 0, type_of(ask->type_c));
    if (what == ONEDNN_DONE && ask->activation == HONE_STEP_SILU)
        what = it->major == 2 ? it->append_activation2(*out, 1, activation, 1, 0)
                              : it->append_activation3(*out, activation, 1, 0);
    else if (what == ONEDNN_DONE && ask->activation)
        what = it->major == 2 ? it->append_activation2(*out, 1, activation, 0, 0)
                              : it->append_activation3(*out, activation, 0, 0);
    return what;
}

static int attributes_make(const onednn_library *it, const onednn_ask *ask, void **out)
{
    void *post_ops = NULL;
    int   what = it->attributes_create(out);
    if (what == ONEDNN_DONE) what = it->set_scratchpad(*out, SCRATCHPAD_USER);
    if (what == ONEDNN_DONE) what = post_ops_make(it, ask, &post_ops);
    if (what == ONEDNN_DONE) what = it->set_post_ops(*out, post_ops);
    if (post_ops) it->post_ops_destroy(post_ops);
    return what;
}

static int description_make(onednn_product *product, const onednn_ask *ask)
{
    const onednn_library *it = product->library;
    const void           *a = layout_of(it, &product->layout[ONEDNN_A]), *b = layout_of(it, &product->layout[ONEDNN_B]);
    const void           *c = layout_of(it, &product->layout[ONEDNN_C]);
    const void           *bias = ask->bias ? layout_of(it, &product->layout[ONEDNN_BIAS]) : NULL;
    void                 *attributes = NULL;
    int64_t               operation[1024]; /* 2,800 bytes of it in version 2.6 */
    int                   what = attributes_make(it, ask, &attributes);
    memset(operation, 0, sizeof operation);
    if (what == ONEDNN_DONE && it->major == 2) what = it->matmul_init2(operation, a, b, bias, c);
    if (what == ONEDNN_DONE)
        what = it->major == 2 ? it->description_create2(&product->description, operation, attributes, it->engine, NULL)
                              : it->matmul_create3(&product->description, it->engine, a, b, bias, c, attributes);
    if (attributes) it->attributes_destroy(attributes);
    return what;
}

/* --- places ----------------------------------------------------------------------------------------------------- */

static void place_end(const onednn_product *product, onednn_place *place)
{
    const onednn_library *it = product->library;
    for (int i = 0; i < ONEDNN_OPERANDS; i++)
        if (place->memory[i]) it->memory_destroy(place->memory[i]);
    if (place->stream) it->stream_destroy(place->stream);
    memset(place->memory, 0, sizeof place->memory);
    place->stream = NULL;
}

static int place_make(const onednn_product *product, onednn_place *place)
{
    const onednn_library *it = product->library;
    int                   what = it->stream_create(&place->stream, it->engine, STREAM_IN_ORDER);
    for (int i = 0; i < ONEDNN_OPERANDS && what == ONEDNN_DONE; i++) {
        if (!product->has[i]) continue;
        const void *layout = i == ONEDNN_SCRATCH ? it->query_layout(product->description, QUERY_SCRATCHPAD, 0)
                                                 : layout_of(it, &product->layout[i]);
        what = it->memory_create(&place->memory[i], layout, it->engine, NULL);
    }
    if (what != ONEDNN_DONE) place_end(product, place);
    return what;
}

/* --- making it -------------------------------------------------------------------------------------------------- */

typedef struct making {
    onednn_product   *product;
    const onednn_ask *ask;
    bool              reorders, unpacks, asks; /* asks: for a description alone */
    const char       *why;
    hone_status       status;
} making;

/* From plain to packed, or back: the two sides are operands a and c. */
static int reorder_describe(onednn_product *product, const onednn_ask *ask, bool unpacks)
{
    const onednn_library *it = product->library;
    onednn_layout        *plain = &product->layout[unpacks ? ONEDNN_C : ONEDNN_A];
    onednn_layout        *packed = &product->layout[unpacks ? ONEDNN_A : ONEDNN_C];
    void                 *attributes = NULL;
    int                   what = layout_make(it, HONE_F32, 2, ask->b_size, ask->b_stride, plain);
    if (what == ONEDNN_DONE) what = tagged_make(it, ask->b_size[0], ask->b_size[1], ask->b_layout, packed);
    if (what == ONEDNN_DONE) what = attributes_make(it, ask, &attributes);
    if (what == ONEDNN_DONE)
        what = it->reorder_create(&product->description, layout_of(it, &product->layout[ONEDNN_A]), it->engine,
                                  layout_of(it, &product->layout[ONEDNN_C]), it->engine, attributes);
    if (attributes) it->attributes_destroy(attributes);
    return what;
}

static void make(void *argument)
{
    making               *m = argument;
    onednn_product       *product = m->product;
    const onednn_library *it = product->library;
    const char           *how = NULL;
    int                   what;
    if (m->reorders) {
        what = reorder_describe(product, m->ask, m->unpacks);
    } else {
        what = layouts_make(product, m->ask);
        if (what == ONEDNN_DONE) what = description_make(product, m->ask);
    }
    if (what == ONEDNN_DONE) what = it->query(product->description, QUERY_HOW, 0, (void *)&how);
    m->why = "oneDNN does not take it";
    m->status = status_of(what);
    if (what != ONEDNN_DONE) return;
    for (size_t i = 0; how && how[i] && i < sizeof product->how - 1; i++) product->how[i] = how[i];
    if (m->asks) return;
    if (!m->reorders && strstr(product->how, "ref")) { /* packing is done once: by whatever there is */
        m->why = "oneDNN would run its reference code";
        m->status = HONE_ERROR_UNSUPPORTED;
        return;
    }
    const void *scratch = it->query_layout(product->description, QUERY_SCRATCHPAD, 0);
    product->scratch_bytes = scratch ? it->layout_bytes(scratch) : 0;
    product->has[ONEDNN_A] = product->has[ONEDNN_C] = true;
    product->has[ONEDNN_B] = !m->reorders;
    product->has[ONEDNN_BIAS] = m->ask->bias;
    product->has[ONEDNN_SCRATCH] = product->scratch_bytes > 0;
    what = it->primitive_create(&product->primitive, product->description);
    for (int i = 0; i < ONEDNN_PLACES && what == ONEDNN_DONE; i++) what = place_make(product, &product->places[i]);
    m->status = status_of(what);
}

static hone_status make_with(making *m, const onednn_library *library, onednn_product *out, const char **why)
{
    memset(out, 0, sizeof *out);
    m->product = out;
    out->library = library;
    out->threads = m->ask->threads;
    hone_onednn_with(library, m->ask->threads, make, m); /* how many threads it is for is settled here */
    *why = m->why;
    if (m->status != HONE_OK) hone_onednn_product_end(out);
    return m->status;
}

hone_status hone_onednn_product_make(const onednn_library *library, const onednn_ask *ask, onednn_product *out,
                                     const char **why)
{
    return make_with(&(making){.ask = ask}, library, out, why);
}

hone_status hone_onednn_reorder_make(const onednn_library *library, const onednn_ask *ask, bool unpack,
                                     onednn_product *out, const char **why)
{
    return make_with(&(making){.ask = ask, .reorders = true, .unpacks = unpack}, library, out, why);
}

void hone_onednn_product_end(onednn_product *product)
{
    const onednn_library *it = product->library;
    if (!it) return; /* never made */
    for (int i = 0; i < ONEDNN_PLACES; i++) place_end(product, &product->places[i]);
    if (product->primitive) it->primitive_destroy(product->primitive);
    if (product->description) it->description_destroy(product->description);
    for (int i = 0; i < ONEDNN_OPERANDS; i++) layout_end(it, &product->layout[i]);
    memset(product, 0, sizeof *product);
}

/* --- layouts of a packed b -------------------------------------------------------------------------------------- */

static const char *const layout_names[ONEDNN_LAYOUTS] = {"onednn:BA16a16b", "onednn:BA16a32b", "onednn:BA16a48b",
                                                         "onednn:BA16a64b"};

int hone_onednn_layout_find(const char *name)
{
    for (int i = 0; i < ONEDNN_LAYOUTS; i++)
        if (!strcmp(name, layout_names[i])) return i + 1;
    return 0;
}

const char *hone_onednn_layout_name(int layout)
{
    return layout_names[layout - 1];
}

bool hone_onednn_packs(const onednn_library *library)
{
    return library->engine && library->layout_equal && library->reorder_create &&
           (library->major == 2 ? library->layout_init_tag2 != NULL : library->layout_create_tag3 != NULL);
}

int64_t hone_onednn_layout_bytes(const onednn_library *library, int layout, int64_t k, int64_t n)
{
    onednn_layout it;
    int64_t       bytes = 0;
    if (tagged_make(library, k, n, layout, &it) == ONEDNN_DONE)
        bytes = (int64_t)library->layout_bytes(layout_of(library, &it));
    layout_end(library, &it);
    return bytes;
}

int hone_onednn_layout_wanted(const onednn_library *library, const onednn_ask *ask, int64_t *bytes)
{
    onednn_ask     any = *ask;
    onednn_product product;
    const char    *why;
    int            found = 0;
    any.b_layout = ANY_LAYOUT;
    if (make_with(&(making){.ask = &any, .asks = true}, library, &product, &why) != HONE_OK) return 0;
    const void *wanted = library->query_layout(product.description, QUERY_B, 0);
    for (int i = 1; i <= ONEDNN_LAYOUTS && wanted && !found; i++) {
        onednn_layout it;
        if (tagged_make(library, ask->b_size[0], ask->b_size[1], i, &it) == ONEDNN_DONE &&
            library->layout_equal(wanted, layout_of(library, &it)))
            found = i;
        layout_end(library, &it);
    }
    hone_onednn_product_end(&product);
    *bytes = found ? hone_onednn_layout_bytes(library, found, ask->b_size[0], ask->b_size[1]) : 0;
    return found;
}

/* --- running it ------------------------------------------------------------------------------------------------- */

typedef struct running {
    onednn_product *product;
    void *const    *at;
    int             what;
} running;

static void run_in(running *r, const onednn_place *place)
{
    const onednn_library *it = r->product->library;
    onednn_argument       arguments[ONEDNN_OPERANDS];
    int                   count = 0;
    for (int i = 0; i < ONEDNN_OPERANDS; i++) {
        if (!r->product->has[i]) continue;
        if ((r->what = it->memory_set(place->memory[i], r->at[i])) != ONEDNN_DONE) return;
        arguments[count++] = (onednn_argument){argument_of[i], place->memory[i]};
    }
    r->what = it->execute(r->product->primitive, place->stream, count, arguments);
}

static void run(void *argument)
{
    running        *r = argument;
    onednn_product *product = r->product;
    for (int i = 0; i < ONEDNN_PLACES; i++) {
        onednn_place *place = &product->places[i];
        if (atomic_exchange_explicit(&place->taken, true, memory_order_acquire)) continue;
        run_in(r, place);
        atomic_store_explicit(&place->taken, false, memory_order_release);
        return;
    }
    onednn_place own = {0};
    if ((r->what = place_make(product, &own)) != ONEDNN_DONE) return;
    run_in(r, &own);
    place_end(product, &own);
}

hone_status hone_onednn_product_run(onednn_product *product, void *const at[ONEDNN_OPERANDS])
{
    running r = {.product = product, .at = at};
    hone_onednn_with(product->library, product->threads, run, &r);
    return status_of(r.what);
}
