/* Finding modules, opening them once, and knowing whose kernel a kernel is. What they are is told in modules.h.
 *
 * Everything here belongs to the process: contexts come and go, and what was opened stays. It lies in static memory,
 * for memory of the host's allocator must go back to it. */
#include "runtime/modules.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "backends/cpu/cpu.h"
#include "base/alloc.h"
#include "base/hash.h"
#include "base/options.h"
#include "base/status.h"
#include "base/text.h"
#include "kernels/module.h"
#include "runtime/hall.h"

enum { FOUND_MAX = 32, SAID_MAX = 16, SERVED_MAX = 8, NAME_SIZE = 48, PATH_SIZE = 1024, SENTENCE_SIZE = 512 };

typedef struct found {
    char                 name[NAME_SIZE], path[PATH_SIZE], sentence[SENTENCE_SIZE];
    char                 backends[sizeof((hone_rt_proof *)0)->backends];
    hone_rt_module_state state;
    _Atomic(const hone_module *) module; /* NULL until it is open */
} found;

typedef struct said {
    const found *by;
    char         sentence[SENTENCE_SIZE];
} said;

static struct {
    pthread_mutex_t lock;
    bool            looked;
    int             count, said_count;
    found           at[FOUND_MAX]; /* by name; `count` and names stand once looked for */
    said            said[SAID_MAX];
    _Atomic(int)    served; /* kinds of devices whose modules are open */
    char            served_name[SERVED_MAX][16];
    pid_t           pid; /* of whoever opened them */
} here = {.lock = PTHREAD_MUTEX_INITIALIZER};

_Atomic(bool) hone_rt_modules_lost;

static const char *given_folder, *given_probe;

void hone_rt_modules_at(const char *folder, const char *probe)
{
    given_folder = folder;
    given_probe = probe;
}

/* --- where ------------------------------------------------------------------------------------------------------ */

/* True where it exists; *out is then its true path. */
static bool path_is(char *out, const char *format, ...) HONE_PRINTF(2, 3);
static bool path_is(char *out, const char *format, ...)
{
    char    path[PATH_SIZE], true_path[4096];
    va_list list;
    va_start(list, format);
    int length = vsnprintf(path, sizeof path, format, list);
    va_end(list);
    if (length < 0 || length >= (int)sizeof path || path[0] != '/' || !realpath(path, true_path)) return false;
    return snprintf(out, PATH_SIZE, "%s", true_path) < PATH_SIZE;
}

/* The folder of whatever this code is part of: libhone.so, or a program. */
static bool own_folder(char *out, bool *library)
{
    Dl_info facts;
    char    path[4096];
    if (!dladdr(&here, &facts) || !facts.dli_fname) return false;
    const char *name = strrchr(facts.dli_fname, '/');
    *library = name && strncmp(name, "/libhone.so", 11) == 0;
    ssize_t length;
    if (*library) {
        if (!realpath(facts.dli_fname, path)) return false;
    } else { /* how a program was called says little of where it lies */
        if ((length = readlink("/proc/self/exe", path, sizeof path - 1)) < 0) return false;
        path[length] = 0;
    }
    char *slash = strrchr(path, '/');
    if (!slash) return false;
    *slash = 0;
    return snprintf(out, PATH_SIZE, "%s", path) < PATH_SIZE;
}

static bool find_folder(char *out)
{
    char own[PATH_SIZE];
    bool library;
    if (given_folder) return path_is(out, "%s", given_folder);
    if (own_folder(own, &library)) {
        if (library) return path_is(out, "%s/" HONE_MODULES_IN_LIBDIR, own);
        if (path_is(out, "%s/" HONE_LIBDIR_FROM_BINDIR "/" HONE_MODULES_IN_LIBDIR, own)) return true;
        if (path_is(out, "%s/" HONE_LIBDIR_FROM_LIBEXEC "/" HONE_MODULES_IN_LIBDIR, own)) return true; /* hone-worker */
    }
    return path_is(out, "%s", HONE_LIBDIR "/" HONE_MODULES_IN_LIBDIR);
}

static void find_probe(const char *folder, char *out)
{
    hone_text text = hone_text_in(out, PATH_SIZE);
    if (given_probe)
        hone_text_add(&text, "%s", given_probe);
    else if (!path_is(out, "%s/../../" HONE_PROBE_FROM_LIBDIR, folder))
        hone_text_add(&text, "%s/../../" HONE_PROBE_FROM_LIBDIR, folder);
}

void hone_rt_shared(const char *name, char *out, size_t capacity)
{
    char      own[PATH_SIZE], path[PATH_SIZE];
    bool      library = false, known = own_folder(own, &library);
    hone_text text = hone_text_in(out, capacity);
    bool      moved =
        known &&
        (library ? path_is(path, "%s/" HONE_DATADIR_FROM_LIBDIR "/%s", own, name)
                 : path_is(path, "%s/" HONE_LIBDIR_FROM_BINDIR "/" HONE_DATADIR_FROM_LIBDIR "/%s", own, name) ||
                       path_is(path, "%s/" HONE_LIBDIR_FROM_LIBEXEC "/" HONE_DATADIR_FROM_LIBDIR "/%s", own, name));
    hone_text_add(&text, "%s", moved ? path : HONE_DATADIR);
    if (!moved) hone_text_add(&text, "/%s", name);
}

void hone_rt_program(const char *name, char *out, size_t capacity)
{
    char      own[PATH_SIZE], path[PATH_SIZE];
    bool      library = false, known = own_folder(own, &library);
    hone_text text = hone_text_in(out, capacity);
    const char *slash = given_probe ? strrchr(given_probe, '/') : NULL;
    if (slash)
        hone_text_add(&text, "%.*s/%s", (int)(slash - given_probe), given_probe, name);
    else if (known && !library && path_is(path, "%s/%s", own, name)) /* it is asked by one of them */
        hone_text_add(&text, "%s", path);
    else if (known &&
             path_is(path, "%s/%s/%s", own, library ? HONE_LIBEXEC_FROM_LIBDIR : HONE_LIBEXEC_FROM_BINDIR, name))
        hone_text_add(&text, "%s", path);
    else
        hone_text_add(&text, "%s/%s", HONE_LIBEXEC, name);
}

/* --- whom to trust ---------------------------------------------------------------------------------------------- */

/* NULL: nobody but this user and root can have put it there, or change it. */
static const char *distrust(const struct stat *facts)
{
    if (facts->st_uid != geteuid() && facts->st_uid != 0) return "it belongs to another user";
    if (facts->st_mode & (S_IWGRP | S_IWOTH)) return "others may write to it; `chmod go-w` mends that";
    return NULL;
}

/* NULL: a regular file that can be trusted. Else why it is refused. */
static const char *file_refused(const char *path, struct stat *facts)
{
    if (lstat(path, facts) < 0) return "it cannot be looked at";
    if (!S_ISREG(facts->st_mode)) return "it is no regular file";
    return distrust(facts);
}

/* --- proofs ----------------------------------------------------------------------------------------------------- */

void hone_rt_modules_proofs(const hone_be_device *device, const char *profile_path, char *out, size_t capacity)
{
    char          path[4096], *slash;
    hone_sentence before;
    *out = 0;
    hone_sentence_keep(&before);
    if (hone_rt_profile_path(device, profile_path, path, sizeof path) == HONE_OK && (slash = strrchr(path, '/'))) {
        *slash = 0;
        if (snprintf(out, capacity, "%s/modules.proofs", path) >= (int)capacity) *out = 0;
    }
    hone_sentence_back(&before);
}

static void add_file(hone_text *text, const struct stat *facts)
{
    hone_text_add(text, " %jx:%jx:%jd:%jd.%ld", (uintmax_t)facts->st_dev, (uintmax_t)facts->st_ino,
                  (intmax_t)facts->st_size, (intmax_t)facts->st_mtim.tv_sec, facts->st_mtim.tv_nsec);
}

/* What other people's libraries, and the loader, are told by the environment: each may crash by what it is told. In any
 * order. */
static uint64_t hash_of_surroundings(void)
{
    static const char *const prefixes[] = {"LD_",  "BLIS_", "OPENBLAS_", "GOTO_",   "MKL_",
                                           "OMP_", "KMP_",  "GOMP_",     "DNNL_", "ONEDNN_", "TBB_", "LIBXSMM_"};
    uint64_t                 sum = 0;
    for (char **entry = environ; entry && *entry; entry++)
        for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
            if (!strncmp(*entry, prefixes[i], strlen(prefixes[i]))) sum += hone_hash(*entry, strlen(*entry), 0);
    return sum;
}

/* What a proof rests on: the module and the probe, the libraries that the system knows of, how they are told to run,
 * and this host. */
static uint64_t key_of(const found *it, const struct stat *module, const struct stat *probe)
{
    char           text[3 * PATH_SIZE];
    struct utsname host;
    struct stat    cache;
    hone_text      key = hone_text_in(text, sizeof text);
    hone_text_add(&key, "%d %s", HONE_MODULE_ABI, it->path);
    add_file(&key, module);
    add_file(&key, probe);
    if (stat("/etc/ld.so.cache", &cache) == 0) add_file(&key, &cache);
    if (uname(&host) == 0) hone_text_add(&key, " %s %s", host.nodename, host.machine);
    hone_text_add(&key, " %016" PRIx64, hash_of_surroundings());
    return hone_hash(text, key.length < sizeof text ? key.length : sizeof text - 1, 0);
}

static void prove(const hone_rt_context *context, const char *probe, found *it)
{
    struct stat   facts, probe_facts;
    hone_rt_proof proof;
    const char   *why = file_refused(it->path, &facts);
    it->state = HONE_RT_MODULE_REFUSED;
    if (why) {
        snprintf(it->sentence, sizeof it->sentence, "%s", why);
        return;
    }
    if ((why = file_refused(probe, &probe_facts))) {
        snprintf(it->sentence, sizeof it->sentence, "it cannot be tried with %.300s: %s", probe, why);
        return;
    }
    uint64_t    key = key_of(it, &facts, &probe_facts);
    struct stat kept; /* what others could have written is not believed */
    if (file_refused(context->proofs, &kept) || !hone_rt_proof_recall(context->proofs, key, &proof)) {
        hone_rt_prove(probe, it->path, &proof);
        hone_rt_proof_keep(context->proofs, key, &proof);
    }
    it->state = proof.state;
    snprintf(it->sentence, sizeof it->sentence, "%s", proof.sentence);
    snprintf(it->backends, sizeof it->backends, "%s", proof.backends);
}

/* --- looking ---------------------------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const found *)a)->name, ((const found *)b)->name);
}

static void add_found(const char *folder, const char *file)
{
    size_t length = strlen(file);
    if (length <= 8 || strncmp(file, "hone_", 5) != 0 || strcmp(file + length - 3, ".so") != 0) return;
    if (length - 8 >= NAME_SIZE || here.count == FOUND_MAX) return;
    found *it = &here.at[here.count];
    if (snprintf(it->path, sizeof it->path, "%s/%s", folder, file) >= (int)sizeof it->path) return;
    snprintf(it->name, sizeof it->name, "%.*s", (int)(length - 8), file + 5);
    here.count++;
}

/* A child of fork has none of the threads that libraries may have started, nor whoever held the lock. */
static void after_fork(void)
{
    here.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    here.looked = true;
    if (atomic_load_explicit(&here.served, memory_order_relaxed)) atomic_store(&hone_rt_modules_lost, true);
}

static void look(const hone_rt_context *context)
{
    char        folder[PATH_SIZE], probe[PATH_SIZE];
    struct stat facts;
    DIR        *entries;
    here.looked = true;
    here.pid = getpid();
    pthread_atfork(NULL, NULL, after_fork); /* first: another thread may fork while modules are tried */
    if (!find_folder(folder) || !(entries = opendir(folder))) return;
    const char *why = fstat(dirfd(entries), &facts) < 0 ? "it cannot be looked at" : distrust(&facts);
    if (why) {
        here.count = 1;
        snprintf(here.at[0].name, NAME_SIZE, "modules");
        snprintf(here.at[0].path, PATH_SIZE, "%s", folder);
        snprintf(here.at[0].sentence, SENTENCE_SIZE, "the folder is not used: %s", why);
        here.at[0].state = HONE_RT_MODULE_REFUSED;
    } else {
        for (struct dirent *entry; (entry = readdir(entries));) add_found(folder, entry->d_name);
        qsort(here.at, (size_t)here.count, sizeof here.at[0], by_name);
        find_probe(folder, probe);
        for (int i = 0; i < here.count; i++) prove(context, probe, &here.at[i]);
    }
    closedir(entries);
    for (int i = 0; i < here.count; i++)
        if (here.at[i].state == HONE_RT_MODULE_REFUSED)
            hone_log_say(&context->log, HONE_LOG_WARNING, "module %s: %s", here.at[i].path, here.at[i].sentence);
}

/* --- opening ---------------------------------------------------------------------------------------------------- */

static _Thread_local struct {
    const found    *module; /* the one that this thread is opening; NULL: none */
    const hone_log *log;
} opening;

static void HONE_PRINTF(2, 3) hear(hone_log_level level, const char *format, ...)
{
    char    sentence[SENTENCE_SIZE];
    va_list list;
    if (!opening.module) return;
    va_start(list, format);
    vsnprintf(sentence, sizeof sentence, format, list);
    va_end(list);
    hone_log_say(opening.log, level < HONE_LOG_INFO ? HONE_LOG_INFO : level, "module %s: %s", opening.module->name,
                 sentence);
    if (level > HONE_LOG_WARNING || here.said_count == SAID_MAX) return;
    said *kept = &here.said[here.said_count++];
    kept->by = opening.module;
    memcpy(kept->sentence, sentence, sizeof sentence);
}

static void open_found(const hone_rt_context *context, found *it)
{
    static const hone_host      host = {HONE_MODULE_ABI, hone_alloc, hone_free, hone_fail, hear, hone_cpu_each};
    hone_module_open_function  *open_module = NULL;
    const hone_module          *module = NULL;
    hone_sentence               before;
    void                       *object = dlopen(it->path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    it->state = HONE_RT_MODULE_REFUSED;
    if (object) *(void **)&open_module = dlsym(object, "hone_module_open");
    if (!open_module) {
        snprintf(it->sentence, sizeof it->sentence, "it cannot be opened: %s", dlerror());
        return;
    }
    hone_sentence_keep(&before);
    (void)hone_fail(HONE_OK, "it has nothing to offer");
    opening.module = it;
    opening.log = &context->log;
    module = open_module(&host);
    opening.module = NULL;
    if (!module) {
        it->state = HONE_RT_MODULE_IDLE;
        snprintf(it->sentence, sizeof it->sentence, "%s", hone_last_error());
    } else if (module->abi != HONE_MODULE_ABI || module->backend || module->ops) {
        snprintf(it->sentence, sizeof it->sentence, "it is not what it was when it was tried");
    } else {
        it->state = HONE_RT_MODULE_OPEN;
        atomic_store_explicit(&it->module, module, memory_order_release);
    }
    hone_sentence_back(&before);
}

/* Are the modules for this kind of device open? No lock. */
static bool served(const char *backend)
{
    int count = atomic_load_explicit(&here.served, memory_order_acquire);
    for (int i = 0; i < count; i++)
        if (strcmp(here.served_name[i], backend) == 0) return true;
    return false;
}

/* Opens what has kernels for this kind of device; NULL: for any. */
static void serve(const hone_rt_context *context, const char *backend)
{
    char mark[40] = " ";
    if (backend) snprintf(mark, sizeof mark, " %s ", backend);
    pthread_mutex_lock(&here.lock);
    if (!here.looked) look(context);
    for (int i = 0; i < here.count && !(backend && served(backend)); i++)
        if (here.at[i].state == HONE_RT_MODULE_PROVEN && strstr(here.at[i].backends, mark) && getpid() == here.pid)
            open_found(context, &here.at[i]);
    int count = atomic_load_explicit(&here.served, memory_order_relaxed);
    if (backend && !served(backend) && count < SERVED_MAX && strlen(backend) < sizeof here.served_name[0]) {
        strcpy(here.served_name[count], backend);
        atomic_store_explicit(&here.served, count + 1, memory_order_release);
    }
    pthread_mutex_unlock(&here.lock);
}

/* --- for the hall ----------------------------------------------------------------------------------------------- */

int hone_rt_module_kernels(const hone_rt_context *context, const char *op, const char *backend,
                           const hone_kernel **out, int cap)
{
    int count = 0;
    if (!context->modules_wanted) return 0;
    if (!served(backend)) serve(context, backend);
    for (int i = 0; i < here.count; i++) {
        const hone_module *module = atomic_load_explicit(&here.at[i].module, memory_order_acquire);
        for (const hone_kernel *const *k = module ? module->kernels : NULL; k && *k; k++)
            if (count < cap && !strcmp((*k)->op, op) && !strcmp((*k)->backend, backend)) out[count++] = *k;
    }
    return count;
}

bool hone_rt_module_owns(const hone_kernel *kernel)
{
    if (!atomic_load_explicit(&here.served, memory_order_acquire)) return false;
    for (int i = 0; i < here.count; i++) {
        const hone_module *module = atomic_load_explicit(&here.at[i].module, memory_order_acquire);
        for (const hone_kernel *const *k = module ? module->kernels : NULL; k && *k; k++)
            if (*k == kernel) return true;
    }
    return false;
}

const char *hone_rt_module_refuses(const hone_kernel *kernel)
{
    if (!hone_rt_module_owns(kernel)) return NULL;
    return getpid() == here.pid && !atomic_load(&hone_rt_modules_lost) ? NULL : HONE_RT_MODULE_LOST;
}

int hone_rt_module_remarks(const hone_rt_context *context, hone_rt_module_remark *out, int cap)
{
    int count = 0;
    if (!context->modules_wanted) return 0;
    serve(context, NULL);
    pthread_mutex_lock(&here.lock);
    for (int i = 0; i < here.count; i++) {
        const found *it = &here.at[i];
        if (count < cap) out[count++] = (hone_rt_module_remark){it->name, it->path, it->state, it->sentence};
        for (int s = 0; s < here.said_count; s++)
            if (here.said[s].by == it && count < cap)
                out[count++] =
                    (hone_rt_module_remark){it->name, it->path, HONE_RT_MODULE_SAYS, here.said[s].sentence};
    }
    pthread_mutex_unlock(&here.lock);
    return count;
}
