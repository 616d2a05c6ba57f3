/* Which oneDNN libraries this machine has, what each of them is, and whether it does what it could here.
 *
 * One of each version of its C API is looked for, by the name that its packages give it, and kept to itself
 * (RTLD_LOCAL). Before it is offered it multiplies two small matrices, by its call and by a primitive. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/matmul/onednn.h"

onednn_library hone_onednn_libraries[ONEDNN_LIBRARIES];

static const char *const file_of[ONEDNN_LIBRARIES] = {[ONEDNN_3] = "libdnnl.so.3", [ONEDNN_2] = "libdnnl.so.2"};
static const int         major_of[ONEDNN_LIBRARIES] = {[ONEDNN_3] = 3, [ONEDNN_2] = 2};

enum { ENGINE_CPU = 1 };

#define AT(member) offsetof(onednn_library, member)

/* major 0: both versions have it. */
static const struct {
    const char *name;
    size_t      at;
    int         major;
} functions[] = {
    {"dnnl_version", AT(version), 0},
    {"dnnl_get_effective_cpu_isa", AT(effective_isa), 0},
    {"dnnl_sgemm", AT(sgemm), 0},
    {"dnnl_engine_create", AT(engine_create), 0},
    {"dnnl_stream_create", AT(stream_create), 0},
    {"dnnl_stream_destroy", AT(stream_destroy), 0},
    {"dnnl_primitive_attr_create", AT(attributes_create), 0},
    {"dnnl_primitive_attr_destroy", AT(attributes_destroy), 0},
    {"dnnl_primitive_attr_set_scratchpad_mode", AT(set_scratchpad), 0},
    {"dnnl_primitive_attr_set_post_ops", AT(set_post_ops), 0},
    {"dnnl_post_ops_create", AT(post_ops_create), 0},
    {"dnnl_post_ops_destroy", AT(post_ops_destroy), 0},
    {"dnnl_memory_desc_get_size", AT(layout_bytes), 0},
    {"dnnl_primitive_desc_query", AT(query), 0},
    {"dnnl_primitive_desc_query_md", AT(query_layout), 0},
    {"dnnl_primitive_desc_destroy", AT(description_destroy), 0},
    {"dnnl_primitive_create", AT(primitive_create), 0},
    {"dnnl_primitive_destroy", AT(primitive_destroy), 0},
    {"dnnl_primitive_execute", AT(execute), 0},
    {"dnnl_memory_create", AT(memory_create), 0},
    {"dnnl_memory_set_data_handle", AT(memory_set), 0},
    {"dnnl_memory_destroy", AT(memory_destroy), 0},
    {"dnnl_memory_desc_init_by_strides", AT(layout_init2), 2},
    {"dnnl_matmul_desc_init", AT(matmul_init2), 2},
    {"dnnl_primitive_desc_create", AT(description_create2), 2},
    {"dnnl_post_ops_append_sum", AT(append_sum2), 2},
    {"dnnl_post_ops_append_eltwise", AT(append_activation2), 2},
    {"dnnl_memory_desc_create_with_strides", AT(layout_create3), 3},
    {"dnnl_memory_desc_destroy", AT(layout_destroy3), 3},
    {"dnnl_matmul_primitive_desc_create", AT(matmul_create3), 3},
    {"dnnl_post_ops_append_sum", AT(append_sum3), 3},
    {"dnnl_post_ops_append_eltwise", AT(append_activation3), 3},
};

/* What packing needs beside; a library without one of them does not pack. */
static void take_more_functions(onednn_library *it, void *object)
{
    *(void **)&it->layout_equal = dlsym(object, "dnnl_memory_desc_equal");
    *(void **)&it->reorder_create = dlsym(object, "dnnl_reorder_primitive_desc_create");
    if (it->major == 2)
        *(void **)&it->layout_init_tag2 = dlsym(object, "dnnl_memory_desc_init_by_tag");
    else
        *(void **)&it->layout_create_tag3 = dlsym(object, "dnnl_memory_desc_create_with_tag");
}

static const char *take_functions(onednn_library *it, void *object)
{
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if (functions[i].major && functions[i].major != it->major) continue;
        void *address = dlsym(object, functions[i].name);
        if (!address) return "it lacks a function of its version";
        memcpy((char *)it + functions[i].at, &address, sizeof address);
    }
    return NULL;
}

/* --- what it uses of this CPU ----------------------------------------------------------------------------------- */

/* A level's bits contain those of the levels below it. */
static hone_isa isa_of(unsigned level)
{
    enum { AVX2 = 0x7, AVX512 = 0x27 };
    return (level & AVX512) == AVX512 ? HONE_ISA_AVX512 : (level & AVX2) == AVX2 ? HONE_ISA_AVX2 : HONE_ISA_PORTABLE;
}

static void judge_level(const hone_host *host, onednn_library *it)
{
    const hone_isa level = isa_of(it->effective_isa());
    if (level >= hone_blas_cpu()) return;
    it->share = level == HONE_ISA_AVX2 ? 0.5 : 0.15;
    host->log(HONE_LOG_WARNING,
              "oneDNN %d leaves instructions of this CPU unused; before the program starts: "
              "export ONEDNN_MAX_CPU_ISA=%s",
              it->major, it->major == 2 ? "ALL" : "DEFAULT");
}

/* --- the trial -------------------------------------------------------------------------------------------------- */

enum { SIDE = 16 };

static bool is_product(const float *c)
{
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++)
            if (c[i * SIDE + j] != (float)(SIDE * i + 2 * j * SIDE)) return false;
    return true;
}

typedef struct trial {
    const onednn_library *library;
    const float          *a, *b;
    float                *c;
    bool                  done;
} trial;

static void call_it(void *argument)
{
    trial *t = argument;
    t->done = t->library->sgemm('N', 'N', SIDE, SIDE, SIDE, 1, t->a, SIDE, t->b, SIDE, 0, t->c, SIDE) == ONEDNN_DONE;
}

/* Then c[i][j] = 16 (i + 2j). */
static void fill(float *a, float *b)
{
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            a[i * SIDE + j] = (float)(j == 0 ? SIDE * i : j == 1 ? SIDE : 0);
            b[i * SIDE + j] = (float)(i == 0 ? 1 : i == 1 ? 2 * j : 99);
        }
}

static const char *try_call(const onednn_library *it)
{
    float a[SIDE * SIDE], b[SIDE * SIDE], c[SIDE * SIDE] = {0};
    trial t = {it, a, b, c, false};
    fill(a, b);
    hone_onednn_with(it, 1, call_it, &t);
    return t.done && is_product(c) ? NULL : "its product of 16 x 16 is wrong";
}

static const char *try_primitive(const onednn_library *it)
{
    float          a[SIDE * SIDE], b[SIDE * SIDE], c[SIDE * SIDE] = {0};
    onednn_ask     ask = {.rank = 2, .threads = 1, .type_a = HONE_F32, .type_b = HONE_F32, .type_c = HONE_F32,
                          .a_size = {SIDE, SIDE}, .a_stride = {SIDE, 1},
                          .b_size = {SIDE, SIDE}, .b_stride = {SIDE, 1}, .c_size = {SIDE, SIDE}, .c_stride = {SIDE, 1}};
    onednn_product product;
    const char    *why;
    fill(a, b);
    if (hone_onednn_product_make(it, &ask, &product, &why) != HONE_OK) return why;
    void       *scratch = product.scratch_bytes ? aligned_alloc(64, (product.scratch_bytes + 63) / 64 * 64) : NULL;
    void *const at[ONEDNN_OPERANDS] = {a, b, c, NULL, scratch};
    hone_status status = product.scratch_bytes && !scratch ? HONE_ERROR_MEMORY : hone_onednn_product_run(&product, at);
    free(scratch);
    hone_onednn_product_end(&product);
    return status == HONE_OK && is_product(c) ? NULL : "its primitive's product of 16 x 16 is wrong";
}

/* --- all of them ------------------------------------------------------------------------------------------------ */

static const char *take(const hone_host *host, int which, void *object)
{
    static const char *const levels[HONE_ISA_COUNT] = {"sse", "avx2", "avx512"};
    static const char *const runtimes[] = {
        [ONEDNN_ALONE] = "sequential", [ONEDNN_OPENMP] = "openmp", [ONEDNN_TBB] = "tbb"};
    onednn_library *it = &hone_onednn_libraries[which];
    it->major = major_of[which];
    it->share = 0.9;
    const char *why = take_functions(it, object);
    if (why) return why;
    take_more_functions(it, object);
    const onednn_version *version = it->version();
    if (!version || version->major != it->major) return "it is of another version than its name says";
    if (!(version->cpu_runtime)) return "it was built without a CPU engine";
    if ((why = hone_onednn_threads_find(it, object, version->cpu_runtime))) return why;
    if (version->cpu_runtime ==
        ONEDNN_BUILT_FOR_SYCL) /* its primitives are queued on a device of SYCL's, if one is here */
        host->log(HONE_LOG_INFO, "oneDNN %d.%d was built for SYCL: its call alone is offered", version->major,
                  version->minor);
    else if (it->engine_create(&it->engine, ENGINE_CPU, 0) != ONEDNN_DONE)
        return "it has no engine for this CPU";
    if ((why = try_call(it)) || (it->engine && (why = try_primitive(it)))) return why;
    judge_level(host, it);
    snprintf(it->identity, sizeof it->identity, "onednn %d.%d.%d %s %s", version->major, version->minor, version->patch,
             levels[isa_of(it->effective_isa())], runtimes[it->runtime]);
    return NULL;
}

void hone_onednn_find(const hone_host *host)
{
    for (int which = 0; which < ONEDNN_LIBRARIES; which++) {
        void *object = dlopen(file_of[which], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        if (!object) {
            const char *why = dlerror(); /* where it is not here at all, that is no news */
            if (why && !(strstr(why, file_of[which]) == why && strstr(why, "cannot open shared object file")))
                host->log(HONE_LOG_WARNING, "oneDNN (%s) is not offered: %s", file_of[which], why);
            continue;
        }
        const char *why = take(host, which, object);
        if (why) host->log(HONE_LOG_WARNING, "oneDNN (%s) is not offered: %s", file_of[which], why);
    }
}
