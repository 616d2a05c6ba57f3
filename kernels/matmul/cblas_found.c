/* Which CBLAS libraries this machine has, what each of them is, and whether it does what it could here.
 *
 * A library is opened by the names that its packages give it, kept to itself (RTLD_LOCAL), and asked for a product of
 * 2 x 2 before it is offered. Debian lets several share a name and makes one of them the system's; the others are found
 * in the folders of their own. */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/matmul/blas.h"
#include "kernels/matmul/cblas.h"

cblas_library hone_cblas_libraries[CBLAS_LIBRARIES] = {
    [CBLAS_OPENBLAS] = {.lock = PTHREAD_MUTEX_INITIALIZER},
    [CBLAS_BLIS] = {.lock = PTHREAD_MUTEX_INITIALIZER},
    [CBLAS_MKL] = {.lock = PTHREAD_MUTEX_INITIALIZER},
    [CBLAS_REFERENCE] = {.lock = PTHREAD_MUTEX_INITIALIZER},
};

#if defined(__x86_64__)
#define TRIPLET "x86_64-linux-gnu"
#elif defined(__aarch64__)
#define TRIPLET "aarch64-linux-gnu"
#else
#define TRIPLET "none"
#endif

/* Best first. */
static const char *const openblas_names[] = {"libopenblas.so.0",
                                             "/usr/lib/" TRIPLET "/openblas-pthread/libopenblas.so.0",
                                             "/usr/lib/" TRIPLET "/openblas-serial/libopenblas.so.0", NULL};
static const char *const blis_names[] = {"libblis.so.4", "/usr/lib/" TRIPLET "/blis-pthread/libblis.so.4",
                                         "/usr/lib/" TRIPLET "/blis-serial/libblis.so.4", NULL};
static const char *const mkl_names[] = {"libmkl_rt.so.2", "libmkl_rt.so.1", "libmkl_rt.so", NULL};
static const char *const reference_names[] = {"/usr/lib/" TRIPLET "/blas/libblas.so.3", "libblas.so.3", NULL};

static void *find(void *object, const char *name)
{
    return dlsym(object, name);
}

static bool is_one_of(const char *name, const char *const *list)
{
    for (; *list; list++)
        if (strcasecmp(name, *list) == 0) return true;
    return false;
}

/* --- each library ----------------------------------------------------------------------------------------------- */

/* The kernels that OpenBLAS chose by the CPU's number, which it may never have heard of. */
static void judge_openblas(const hone_host *host, cblas_library *it, const char *core)
{
    static const char *const avx2[] = {"Haswell", "Zen", NULL};
    static const char *const avx512[] = {"SkylakeX", "Cooperlake", "Sapphirerapids", NULL};
    if (hone_blas_cpu() < HONE_ISA_AVX2 || is_one_of(core, avx512)) return;
    if (is_one_of(core, avx2)) {
        if (hone_blas_cpu() < HONE_ISA_AVX512) return;
        it->share = 0.5;
    } else {
        it->share = 0.15;
    }
    host->log(HONE_LOG_WARNING,
              "OpenBLAS takes this CPU for a %s, and uses old kernels; before the program starts: "
              "export OPENBLAS_CORETYPE=%s",
              core, hone_blas_cpu() == HONE_ISA_AVX512 ? "SkylakeX" : "Haswell");
}

static const char *take_openblas(const hone_host *host, void *object, cblas_library *it)
{
    char *(*config)(void) = NULL, *(*core)(void) = NULL;
    int (*parallel)(void) = NULL;
    char version[32] = "";
    *(void **)&config = find(object, "openblas_get_config");
    *(void **)&core = find(object, "openblas_get_corename");
    *(void **)&parallel = find(object, "openblas_get_parallel");
    *(void **)&it->count = find(object, "openblas_get_num_threads");
    *(void **)&it->set_count = find(object, "openblas_set_num_threads");
    if (!config || !core || !parallel || !it->count || !it->set_count) return "it does not say what it is";
    if (parallel() == 2) return "its threads are OpenMP's, whose count cannot be set and put back safely";
    if (strstr(config(), "USE64BITINT")) return "its integers have 64 bits";
    it->threads = parallel() ? CBLAS_SHARED_COUNT : CBLAS_NEVER_MORE;
    (void)sscanf(config(), "OpenBLAS %31s", version);
    snprintf(it->identity, sizeof it->identity, "openblas %s %s", version, core());
    judge_openblas(host, it, core());
    return NULL;
}

static void judge_blis(const hone_host *host, cblas_library *it, const char *arch)
{
    static const char *const avx512[] = {"skx", "knl", "zen4", "zen5", NULL};
    if (hone_blas_cpu() < HONE_ISA_AVX512 || is_one_of(arch, avx512)) return;
    it->share = 0.5;
    host->log(HONE_LOG_WARNING,
              "BLIS takes this CPU for a %s, and leaves AVX-512 unused; before the program starts: "
              "export BLIS_ARCH_TYPE=0",
              arch);
}

/* Its integers have as many bits as pointers. */
static void (*blis_set)(long count);

static void set_blis_count(int count)
{
    blis_set(count);
}

/* Until version 1 its count is one for the process, which says nothing where the ways of its loops are set. Later it is
 * a thread's own in some releases: there it stays as it is. */
static cblas_threads threads_of_blis(void *object, const char *version)
{
    static const char *const ways[] = {"bli_thread_get_jc_nt", "bli_thread_get_pc_nt", "bli_thread_get_ic_nt",
                                       "bli_thread_get_jr_nt", "bli_thread_get_ir_nt"};
    *(void **)&blis_set = find(object, "bli_thread_set_num_threads");
    if (!blis_set || strncmp(version, "0.", 2) != 0) return CBLAS_FIXED_COUNT;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        long (*way)(void) = NULL;
        *(void **)&way = find(object, ways[i]);
        if (!way || way() > 1) return CBLAS_FIXED_COUNT;
    }
    return CBLAS_SHARED_COUNT;
}

static const char *take_blis(const hone_host *host, void *object, cblas_library *it)
{
    int (*arch)(void) = NULL;
    const char *(*arch_name)(int) = NULL, *(*version)(void) = NULL;
    long (*integer_bits)(void) = NULL;
    *(void **)&arch = find(object, "bli_arch_query_id");
    *(void **)&arch_name = find(object, "bli_arch_string");
    *(void **)&version = find(object, "bli_info_get_version_str");
    *(void **)&integer_bits = find(object, "bli_info_get_blas_int_type_size");
    *(void **)&it->count = find(object, "bli_thread_get_num_threads");
    if (!arch || !arch_name || !version || !integer_bits || !it->count) return "it does not say what it is";
    if (integer_bits() != 32) return "its integers have 64 bits";
    it->threads = threads_of_blis(object, version());
    it->set_count = set_blis_count;
    snprintf(it->identity, sizeof it->identity, "blis %.31s %.31s", version(), arch_name(arch()));
    judge_blis(host, it, arch_name(arch()));
    return NULL;
}

static const char *take_mkl(const hone_host *host, void *object, cblas_library *it)
{
    void (*version)(char *out, int capacity) = NULL;
    const char *layer = getenv("MKL_INTERFACE_LAYER");
    char        text[96] = "", *number;
    int         major = 0, minor = 0;
    (void)host;
    *(void **)&version = find(object, "MKL_Get_Version_String");
    *(void **)&it->set_local_count = find(object, "MKL_Set_Num_Threads_Local");
    if (!it->set_local_count) return "the count of its threads cannot be set for one thread";
    if (layer && strstr(layer, "ILP64")) return "its integers have 64 bits";
    it->threads = CBLAS_LOCAL_COUNT;
    if (version) version(text, sizeof text - 1);
    number = strstr(text, "Version ");
    if (number && sscanf(number, "Version %d.%d", &major, &minor) == 2)
        snprintf(it->identity, sizeof it->identity, "mkl %d.%d", major, minor);
    else
        snprintf(it->identity, sizeof it->identity, "mkl");
    return NULL;
}

/* Plain loops, by whoever gave the system its libblas. Others go by that name too, and are found under their own. */
static const char *take_reference(const hone_host *host, void *object, cblas_library *it)
{
    (void)host;
    if (find(object, "openblas_get_config") || find(object, "bli_arch_query_id") ||
        find(object, "MKL_Get_Version_String") || find(object, "ATL_buildinfo") || find(object, "flexiblas_info"))
        return "another library goes by this name";
    it->threads = CBLAS_NEVER_MORE;
    it->share = 0.03;
    snprintf(it->identity, sizeof it->identity, "reference blas");
    return NULL;
}

/* --- all of them ------------------------------------------------------------------------------------------------ */

static bool multiplies(const cblas_library *it)
{
    static const float  a[] = {1, 2, 3, 4}, b[] = {5, 6, 7, 8};
    static const double x[] = {1, 2, 3, 4}, y[] = {5, 6, 7, 8};
    float               c[4] = {0};
    double              z[4] = {0};
    it->sgemm(CBLAS_ROW_MAJOR, CBLAS_PLAIN, CBLAS_TRANSPOSED, 2, 2, 2, 1, a, 2, b, 2, 0, c, 2);
    it->dgemm(CBLAS_ROW_MAJOR, CBLAS_PLAIN, CBLAS_TRANSPOSED, 2, 2, 2, 1, x, 2, y, 2, 0, z, 2);
    return c[0] == 17 && c[1] == 23 && c[2] == 39 && c[3] == 53 && /* rows by rows */
           z[0] == 17 && z[1] == 23 && z[2] == 39 && z[3] == 53;
}

typedef const char *take_function(const hone_host *host, void *object, cblas_library *it);

static const struct {
    const char        *name;
    const char *const *names;
    take_function     *take;
    bool               quiet; /* that it is refused is no news */
} known[CBLAS_LIBRARIES] = {
    [CBLAS_OPENBLAS] = {"OpenBLAS", openblas_names, take_openblas, false},
    [CBLAS_BLIS] = {"BLIS", blis_names, take_blis, false},
    [CBLAS_MKL] = {"MKL", mkl_names, take_mkl, false},
    [CBLAS_REFERENCE] = {"the reference BLAS", reference_names, take_reference, true},
};

static const char *take(const hone_host *host, int which, void *object)
{
    cblas_library *it = &hone_cblas_libraries[which];
    it->share = 0.85;
    *(void **)&it->sgemm = find(object, "cblas_sgemm");
    *(void **)&it->dgemm = find(object, "cblas_dgemm");
    const char *why = !it->sgemm || !it->dgemm ? "it has no cblas_sgemm or cblas_dgemm" : NULL;
    /* Before it is asked what it is: BLIS ends the process where it is asked so and has not begun to work. */
    if (!why && !multiplies(it)) why = "its product of 2 x 2 is wrong";
    if (!why) why = known[which].take(host, object, it);
    if (why) it->sgemm = NULL;
    return why;
}

void hone_cblas_find(const hone_host *host)
{
    for (int which = 0; which < CBLAS_LIBRARIES; which++) {
        const char *first = NULL, *path = NULL;
        for (const char *const *name = known[which].names; *name && !hone_cblas_libraries[which].sgemm; name++) {
            void *object = dlopen(*name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
            if (!object) continue;
            const char *why = take(host, which, object);
            if (why && !first) {
                first = why;
                path = *name;
            }
        }
        if (first && !hone_cblas_libraries[which].sgemm && !known[which].quiet)
            host->log(HONE_LOG_WARNING, "%s (%s) is not offered: %s", known[which].name, path, first);
    }
}
