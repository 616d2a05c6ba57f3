/* A product of matrices made ready and run by oneDNN, in the words of either of its C APIs.
 *
 * Version 2 describes memory by a struct of its own, an operation by another, and makes a primitive's description of
 * that; version 3 has handles, and makes it at once. From there on both are alike. Scratch is ours (mode "user"), so a
 * primitive may run many times at once; what a run changes, its memory objects, lies in places of which each run takes
 * one. */
#include <string.h>

#include "kernels/matmul/onednn.h"

/* The same numbers in all releases of both versions, but for activations. */
enum { TYPE_F32 = 3, SCRATCHPAD_USER = 1, QUERY_HOW = 8, QUERY_SCRATCHPAD = 136, STREAM_IN_ORDER = 1 };

static const int argument_of[ONEDNN_OPERANDS] = {
    [ONEDNN_A] = 1, [ONEDNN_B] = 33, [ONEDNN_C] = 17, [ONEDNN_BIAS] = 41, [ONEDNN_SCRATCH] = 80};

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

static int layout_make(const onednn_library *it, int rank, const int64_t *sizes, const int64_t *strides,
                       onednn_layout *out)
{
    memset(out, 0, sizeof *out);
    return it->major == 2 ? it->layout_init2(out, rank, sizes, TYPE_F32, strides)
                          : it->layout_create3(&out->handle, rank, sizes, TYPE_F32, strides);
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
    int                   what = layout_make(it, ask->rank, ask->a_size, ask->a_stride, &product->layout[ONEDNN_A]);
    if (what == ONEDNN_DONE) what = layout_make(it, ask->rank, ask->b_size, ask->b_stride, &product->layout[ONEDNN_B]);
    if (what == ONEDNN_DONE) what = layout_make(it, ask->rank, ask->c_size, ask->c_stride, &product->layout[ONEDNN_C]);
    if (what != ONEDNN_DONE || !ask->bias) return what;
    for (int i = 0; i < ask->rank; i++) size[i] = 1, stride[i] = n;
    size[ask->rank - 1] = n;
    stride[ask->rank - 1] = 1;
    return layout_make(it, ask->rank, size, stride, &product->layout[ONEDNN_BIAS]);
}

/* --- primitives ------------------------------------------------------------------------------------------------- */

static int post_ops_make(const onednn_library *it, const onednn_ask *ask, void **out)
{
    const int activation = activation_of(it, ask->activation);
    int       what = it->post_ops_create(out);
    if (what == ONEDNN_DONE && ask->adds_c)
        what = it->major == 2 ? it->append_sum2(*out, 1) : it->append_sum3(*out, 1, 0, TYPE_F32);
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
    const char       *why;
    hone_status       status;
} making;

static void make(void *argument)
{
    making               *m = argument;
    onednn_product       *product = m->product;
    const onednn_library *it = product->library;
    const char           *how = NULL;
    int                   what = layouts_make(product, m->ask);
    if (what == ONEDNN_DONE) what = description_make(product, m->ask);
    if (what == ONEDNN_DONE) what = it->query(product->description, QUERY_HOW, 0, (void *)&how);
    m->why = "oneDNN does not take it";
    m->status = status_of(what);
    if (what != ONEDNN_DONE) return;
    for (size_t i = 0; how && how[i] && i < sizeof product->how - 1; i++) product->how[i] = how[i];
    if (strstr(product->how, "ref")) {
        m->why = "oneDNN would run its reference code";
        m->status = HONE_ERROR_UNSUPPORTED;
        return;
    }
    const void *scratch = it->query_layout(product->description, QUERY_SCRATCHPAD, 0);
    product->scratch_bytes = scratch ? it->layout_bytes(scratch) : 0;
    product->has[ONEDNN_A] = product->has[ONEDNN_B] = product->has[ONEDNN_C] = true;
    product->has[ONEDNN_BIAS] = m->ask->bias;
    product->has[ONEDNN_SCRATCH] = product->scratch_bytes > 0;
    what = it->primitive_create(&product->primitive, product->description);
    for (int i = 0; i < ONEDNN_PLACES && what == ONEDNN_DONE; i++) what = place_make(product, &product->places[i]);
    m->status = status_of(what);
}

hone_status hone_onednn_product_make(const onednn_library *library, const onednn_ask *ask, onednn_product *out,
                                     const char **why)
{
    making m = {.product = out, .ask = ask};
    memset(out, 0, sizeof *out);
    out->library = library;
    out->threads = ask->threads;
    hone_onednn_with(library, ask->threads, make, &m); /* how many threads it is for is settled here */
    *why = m.why;
    if (m.status != HONE_OK) hone_onednn_product_end(out);
    return m.status;
}

void hone_onednn_product_end(onednn_product *product)
{
    const onednn_library *it = product->library;
    for (int i = 0; i < ONEDNN_PLACES; i++) place_end(product, &product->places[i]);
    if (product->primitive) it->primitive_destroy(product->primitive);
    if (product->description) it->description_destroy(product->description);
    for (int i = 0; i < ONEDNN_OPERANDS && it->major != 2; i++)
        if (product->layout[i].handle) it->layout_destroy3(product->layout[i].handle);
    memset(product, 0, sizeof *product);
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
