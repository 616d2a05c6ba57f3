/* Contexts: opening the backends, finding devices and ops, and letting go of it all when the last hold is gone. */
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "backends/cpu/cpu.h"
#include "base/alloc.h"
#include "base/options.h"
#include "base/text.h"
#include "runtime/hall.h"
#include "runtime/modules.h"

enum { TUNE_SECONDS = 2, TUNE_SECONDS_MAX = 86400 };

static const hone_module core = {HONE_MODULE_ABI, "core", &hone_cpu_backend, hone_ops, hone_kernels};

static hone_status check_options(const hone_context_options *options)
{
    HONE_CHECK(
        options->size >= offsetof(hone_context_options, log) && options->size % sizeof(void *) == 0,
        HONE_ERROR_ARGUMENT,
        "context: options.size is %zu, where sizeof(hone_context_options) is %zu; start from HONE_CONTEXT_OPTIONS",
        options->size, sizeof *options);
    HONE_CHECK(options->size <= sizeof *options, HONE_ERROR_ARGUMENT,
               "context: options.size is %zu, this library knows %zu bytes of options; it is older than the header",
               options->size, sizeof *options);
    return HONE_OK;
}

static hone_status check_threads(const hone_threads *threads)
{
    HONE_CHECK(threads->run, HONE_ERROR_ARGUMENT,
               "context: threads.run is NULL; give a function, or no threads at all");
    HONE_CHECK(threads->count >= 1 && threads->count <= HONE_CPU_THREADS_MAX, HONE_ERROR_ARGUMENT,
               "context: threads.count is %d; it may be 1 .. %d", threads->count, HONE_CPU_THREADS_MAX);
    return HONE_OK;
}

/* How many of hone's own threads: the program's word, else the environment's; 0: as many as the device gives. */
static hone_status own_threads(const hone_context_options *options, int *count, bool *bind)
{
    const char *asked = hone_option_get(HONE_OPTION_THREADS), *bound = hone_option_get(HONE_OPTION_BIND);
    *count = options->thread_count;
    *bind = options->bind_threads || (bound && !strcmp(bound, "1"));
    HONE_CHECK(*count >= 0 && *count <= HONE_CPU_THREADS_MAX, HONE_ERROR_ARGUMENT,
               "context: thread_count is %d; it may be 1 .. %d, or 0 for as many as the machine gives", *count,
               HONE_CPU_THREADS_MAX);
    HONE_CHECK(!*count || !options->threads, HONE_ERROR_ARGUMENT,
               "context: thread_count is %d, but threads were given, and it is about hone's own; give one of the two",
               *count);
    HONE_CHECK(!bound || !strcmp(bound, "0") || !strcmp(bound, "1"), HONE_ERROR_ARGUMENT,
               "HONE_BIND is '%.64s'; it may be 0 or 1", bound);
    if (!asked) return HONE_OK;
    char *end;
    long  value = strtol(asked, &end, 10);
    HONE_CHECK(*asked >= '0' && *asked <= '9' && !*end && value >= 1 && value <= HONE_CPU_THREADS_MAX,
               HONE_ERROR_ARGUMENT, "HONE_THREADS is '%.64s'; it may be 1 .. %d", asked, HONE_CPU_THREADS_MAX);
    if (!*count) *count = (int)value;
    return HONE_OK;
}

static hone_status log_level(const hone_context_options *options, hone_log_level *out)
{
    static const char *const names[] = {"error", "warning", "info", "select"};
    const char              *asked = hone_option_get(HONE_OPTION_LOG);
    HONE_CHECK(options->log_level >= 0 && options->log_level <= HONE_LOG_SELECT, HONE_ERROR_ARGUMENT,
               "context: log_level is %d; it may be HONE_LOG_ERROR .. HONE_LOG_SELECT (1 .. 4), or 0",
               options->log_level);
    *out = options->log_level ? options->log_level : HONE_LOG_WARNING;
    if (!asked) return HONE_OK;
    for (int i = 0; i < 4; i++)
        if (!strcmp(asked, names[i])) {
            *out = (hone_log_level)(i + 1);
            return HONE_OK;
        }
    return hone_fail(HONE_ERROR_ARGUMENT, "HONE_LOG is '%.64s'; it may be error, warning, info or select", asked);
}

static hone_status tune_mode(const hone_context_options *options, hone_tune_mode *mode, double *seconds)
{
    static const char *const names[] = {"off", "read", "missing", "pinned"};
    const char              *asked = hone_option_get(HONE_OPTION_TUNE), *limit = NULL;
    HONE_CHECK(
        options->tune >= 0 && options->tune <= HONE_TUNE_PINNED, HONE_ERROR_ARGUMENT,
        "context: tune is %d; it may be HONE_TUNE_OFF .. HONE_TUNE_PINNED (1 .. 4), or 0 for what HONE_TUNE says",
        options->tune);
    HONE_CHECK(options->tune_seconds >= 0 && options->tune_seconds <= TUNE_SECONDS_MAX, HONE_ERROR_ARGUMENT,
               "context: tune_seconds is %g; it may be more than 0 and up to %d, or 0 for what HONE_TUNE_SECONDS says",
               options->tune_seconds, TUNE_SECONDS_MAX);
    *mode = asked ? 0 : HONE_TUNE_READ;
    for (int i = 0; asked && i < 4; i++)
        if (!strcmp(asked, names[i])) *mode = (hone_tune_mode)(i + 1);
    HONE_CHECK(*mode, HONE_ERROR_ARGUMENT, "HONE_TUNE is '%.64s'; it may be off, read, missing or pinned", asked);
    if (options->tune) *mode = options->tune;
    HONE_CHECK(*mode != HONE_TUNE_PINNED || !options->deterministic, HONE_ERROR_ARGUMENT,
               "context: %s pinned, which goes by what was measured, and deterministic, which goes by the problem "
               "alone; choose one",
               options->tune ? "tune is" : "HONE_TUNE is");
    *seconds = TUNE_SECONDS;
    if ((limit = hone_option_get(HONE_OPTION_TUNE_SECONDS))) {
        char *end;
        *seconds = hone_text_real(limit, &end);
        HONE_CHECK(*limit >= '0' && *limit <= '9' && !*end && *seconds > 0 && *seconds <= TUNE_SECONDS_MAX,
                   HONE_ERROR_ARGUMENT, "HONE_TUNE_SECONDS is '%.64s'; it may be more than 0 and up to %d", limit,
                   TUNE_SECONDS_MAX);
    }
    if (options->tune_seconds > 0) *seconds = options->tune_seconds;
    return HONE_OK;
}

/* The ceilings that a profile keeps for this silicon: read, never measured here. */
static void recall_ceilings(hone_rt_context *context, hone_be_device *device, const char *path)
{
    hone_sentence before;
    if (device->ceilings_known) return;
    hone_sentence_keep(&before);
    hone_status status = hone_rt_profile_load(device, path, &device->ceilings);
    device->ceilings_known = status == HONE_OK;
    if (status != HONE_OK && status != HONE_ERROR_NOT_FOUND)
        hone_log_say(&context->log, HONE_LOG_WARNING, "%s", hone_last_error());
    hone_sentence_back(&before);
}

static hone_status open_module(hone_rt_context *context, const hone_module *module,
                               const hone_backend_options *options, const char *profile_path)
{
    int              at = context->module_count, count = 0;
    hone_be_device **devices = NULL;
    HONE_CHECK(at < HONE_RT_MODULES_MAX, HONE_ERROR_OVERFLOW, "context: more than %d modules", HONE_RT_MODULES_MAX);
    context->modules[at] = module;
    if (module->backend) {
        HONE_CHECK(module->backend->abi == HONE_BACKEND_ABI, HONE_ERROR_UNSUPPORTED,
                   "module %s: its backend speaks ABI %u, this library %u", module->name, module->backend->abi,
                   HONE_BACKEND_ABI);
        HONE_TRY(module->backend->open(options, &context->opened[at], &devices, &count));
    }
    context->module_count++;
    for (int i = 0; i < count; i++) {
        HONE_CHECK(context->device_count < HONE_RT_DEVICES_MAX, HONE_ERROR_OVERFLOW, "context: more than %d devices",
                   HONE_RT_DEVICES_MAX);
        hone_rt_device *device = &context->devices[context->device_count];
        *device = (hone_rt_device){context, devices[i], NULL, NULL};
        recall_ceilings(context, devices[i], profile_path);
        HONE_TRY(hone_handle_new(HONE_HANDLE_DEVICE, device, &device->token));
        context->device_count++;
        if (context->tune != HONE_TUNE_OFF)
            HONE_TRY(hone_rt_measured_open(devices[i], profile_path, &context->log, &device->measured));
    }
    return HONE_OK;
}

static void close_context(hone_rt_context *context)
{
    hone_rt_cache_close(&context->cache);
    hone_rt_record_close(context->record);
    for (int i = 0; i < context->device_count; i++) hone_rt_measured_close(context->devices[i].measured);
    for (int i = context->module_count - 1; i >= 0; i--)
        if (context->modules[i]->backend) context->modules[i]->backend->close(context->opened[i]);
    hone_free(context);
}

static void kill_device_handles(hone_rt_context *context)
{
    for (int i = 0; i < context->device_count; i++) hone_handle_take(context->devices[i].token, HONE_HANDLE_DEVICE);
}

hone_status hone_rt_context_create_limited(const hone_context_options *options, hone_isa isa_limit,
                                           const hone_module *const *modules, int count, hone_context **out)
{
    hone_context_options chosen = HONE_CONTEXT_OPTIONS;
    hone_backend_options backend = {.isa_limit = HONE_ISA_COUNT - 1};
    hone_log_level       level = HONE_LOG_WARNING;
    hone_tune_mode       tune = HONE_TUNE_READ;
    double               tune_seconds = TUNE_SECONDS;
    hone_status          status;
    void                *token;

    HONE_CHECK(out, HONE_ERROR_ARGUMENT, "context: where to put it (out) is NULL");
    *out = NULL;
    if (options) {
        HONE_TRY(check_options(options));
        memcpy(&chosen, options, options->size);
    }
    if (chosen.threads) HONE_TRY(check_threads(chosen.threads));
    HONE_TRY(own_threads(&chosen, &backend.thread_count, &backend.bind));
    HONE_TRY(log_level(&chosen, &level));
    HONE_TRY(tune_mode(&chosen, &tune, &tune_seconds));
    const char *isa = hone_option_get(HONE_OPTION_ISA);
    HONE_CHECK(!isa || hone_cpu_isa_parse(isa, &backend.isa_limit), HONE_ERROR_ARGUMENT,
               "HONE_ISA is '%.64s'; it may be portable, avx2 or avx512", isa);
    if (isa_limit < backend.isa_limit) backend.isa_limit = isa_limit;
    const char *asked = hone_option_get(HONE_OPTION_MODULES);
    HONE_CHECK(!asked || !strcmp(asked, "off"), HONE_ERROR_ARGUMENT,
               "HONE_MODULES is '%.64s'; it may be off, or not be set", asked);

    hone_rt_context *context = hone_alloc(1, sizeof *context);
    if (!context) return HONE_ERROR_MEMORY;
    context->holds = 1;
    context->tune = tune;
    context->tune_seconds = tune_seconds;
    context->log = (hone_log){chosen.log, chosen.log_user, level};
    context->request_flags = chosen.deterministic ? HONE_REQUEST_DETERMINISTIC : 0;
    if (chosen.threads) {
        context->threads = *chosen.threads;
        backend.threads = &context->threads;
        context->request_flags |= HONE_REQUEST_CALLERS_THREADS;
    }
    if ((status = hone_rt_cache_open(&context->cache)) != HONE_OK) {
        hone_free(context);
        return status;
    }
    if (chosen.profile_path && strlen(chosen.profile_path) < sizeof context->profile_path)
        strcpy(context->profile_path, chosen.profile_path);
    status = hone_rt_record_open(hone_option_get(HONE_OPTION_RECORD), &context->log, &context->record);
    if (status == HONE_OK) status = open_module(context, &core, &backend, chosen.profile_path);
    if (status == HONE_OK)
        context->thread_count = chosen.threads ? chosen.threads->count
                                : backend.thread_count ? backend.thread_count : context->devices[0].be->threads;
    for (int i = 0; i < count && status == HONE_OK; i++)
        status = open_module(context, modules[i], &backend, chosen.profile_path);
    context->modules_wanted = !asked && !getauxval(AT_SECURE);
    if (status == HONE_OK && context->modules_wanted)
        hone_rt_modules_proofs(context->devices[0].be, chosen.profile_path, context->proofs, sizeof context->proofs);
    if (status == HONE_OK) status = hone_handle_new(HONE_HANDLE_CONTEXT, context, &token);
    if (status != HONE_OK) {
        kill_device_handles(context);
        close_context(context);
        return status;
    }
    *out = token;
    return HONE_OK;
}

hone_status hone_rt_context_create(const hone_context_options *options, const hone_module *const *modules, int count,
                                   hone_context **out)
{
    return hone_rt_context_create_limited(options, HONE_ISA_COUNT - 1, modules, count, out);
}

hone_status hone_context_create(const hone_context_options *options, hone_context **out)
{
    return hone_rt_context_create(options, NULL, 0, out);
}

hone_status hone_context_destroy(hone_context *handle)
{
    if (!handle) return HONE_OK;
    hone_rt_context *context = hone_handle_take(handle, HONE_HANDLE_CONTEXT);
    if (!context) return hone_handle_refuse(handle, HONE_HANDLE_CONTEXT, "context");
    kill_device_handles(context);
    hone_rt_context_release(context);
    return HONE_OK;
}

hone_status hone_rt_context_hold(hone_context *handle, hone_rt_context **out)
{
    *out = hone_handle_get(handle, HONE_HANDLE_CONTEXT);
    if (!*out) return hone_handle_refuse(handle, HONE_HANDLE_CONTEXT, "context");
    hone_rt_hold(*out);
    return HONE_OK;
}

void hone_rt_context_release(hone_rt_context *context)
{
    if (atomic_fetch_sub_explicit(&context->holds, 1, memory_order_acq_rel) == 1) close_context(context);
}

const hone_log *hone_rt_context_log(const hone_rt_context *context)
{
    return &context->log;
}

/* --- ops and kernels ------------------------------------------------------------------------------------------- */

const hone_op *hone_rt_op_at(const hone_rt_context *context, int index)
{
    for (int i = 0; i < context->module_count; i++)
        for (const hone_op *const *op = context->modules[i]->ops; op && *op; op++)
            if (index-- == 0) return *op;
    return NULL;
}

const hone_op *hone_rt_op_find(const hone_rt_context *context, const char *name)
{
    const hone_op *op, *nearest = NULL;
    int            distance = 4;
    for (int i = 0; (op = hone_rt_op_at(context, i)); i++) {
        if (!strcmp(op->name, name)) return op;
        int d = hone_text_distance(op->name, name);
        if (d < distance) {
            distance = d;
            nearest = op;
        }
    }
    if (nearest)
        hone_fail(HONE_ERROR_NOT_FOUND, "there is no op '%s'; did you mean '%s'?", name, nearest->name);
    else
        hone_fail(HONE_ERROR_NOT_FOUND, "there is no op '%s'; `hone check --list` names them", name);
    return NULL;
}

int hone_rt_own_kernels(const hone_rt_context *context, const hone_op *op, const hone_be_device *device,
                        const hone_kernel **out, int cap)
{
    int count = 0;
    for (int i = 0; i < context->module_count; i++)
        for (const hone_kernel *const *k = context->modules[i]->kernels; k && *k; k++)
            if (count < cap && !strcmp((*k)->op, op->name) && !strcmp((*k)->backend, device->backend->name))
                out[count++] = *k;
    return count;
}

int hone_rt_kernels(const hone_rt_context *context, const hone_op *op, const hone_be_device *device,
                    const hone_kernel **out, int cap)
{
    int count = hone_rt_own_kernels(context, op, device, out, cap);
    return count + hone_rt_module_kernels(context, op->name, device->backend->name, out + count, cap - count);
}

hone_status hone_rt_problem_parse(const hone_rt_context *context, const char *text, const hone_op **op,
                                  hone_rt_problem *problem)
{
    char        name[64];
    hone_word   word;
    const char *cursor = text;
    HONE_CHECK(hone_word_next(&cursor, &word), HONE_ERROR_FORMAT,
               "a problem begins with its op, as in \"matmul f32 nn 128x3072x768\"; the text is empty");
    HONE_CHECK(word.length < sizeof name, HONE_ERROR_FORMAT, "'%.32s...' is no op", word.at);
    memcpy(name, word.at, word.length);
    name[word.length] = 0;
    *op = hone_rt_op_find(context, name);
    if (!*op) return HONE_ERROR_NOT_FOUND;
    memset(problem, 0, sizeof *problem);
    return (*op)->parse(cursor, problem->bytes);
}

void hone_rt_problem_print(const hone_op *op, const void *problem, char *out, size_t capacity)
{
    hone_text text = hone_text_in(out, capacity);
    char      rest[HONE_PROBLEM_TEXT_MAX];
    op->print(problem, rest, sizeof rest);
    hone_text_add(&text, "%s %s", op->name, rest);
}

/* --- devices --------------------------------------------------------------------------------------------------- */

int hone_rt_device_count(const hone_rt_context *context)
{
    return context->device_count;
}

hone_be_device *hone_rt_device_at(const hone_rt_context *context, int index)
{
    return index >= 0 && index < context->device_count ? context->devices[index].be : NULL;
}

static double strength(const hone_be_device *device)
{
    double best = 0;
    for (int isa = 0; isa < HONE_ISA_COUNT; isa++)
        if (device->ceilings.flops[isa][HONE_F32][HONE_WIDTH_ALL] > best)
            best = device->ceilings.flops[isa][HONE_F32][HONE_WIDTH_ALL];
    return best;
}

static int find_device(const hone_rt_context *context, const char *name)
{
    int best = 0;
    if (!strcmp(name, "best")) {
        for (int i = 1; i < context->device_count; i++)
            if (strength(context->devices[i].be) > strength(context->devices[best].be)) best = i;
        return best;
    }
    for (int i = 0; i < context->device_count; i++)
        if (!strcmp(context->devices[i].be->name, name)) return i;

    char      known[256];
    hone_text text = hone_text_in(known, sizeof known);
    for (int i = 0; i < context->device_count; i++)
        hone_text_add(&text, "%s%s", i ? ", " : "", context->devices[i].be->name);
    hone_fail(HONE_ERROR_NOT_FOUND, "there is no device '%.64s'; there are %s, and 'best'", name, known);
    return -1;
}

hone_be_device *hone_rt_device_find(const hone_rt_context *context, const char *name)
{
    int at = find_device(context, name);
    return at < 0 ? NULL : context->devices[at].be;
}

hone_status hone_rt_device_get(hone_device *handle, const char *where, hone_rt_device **out)
{
    *out = hone_handle_get(handle, HONE_HANDLE_DEVICE);
    return *out ? HONE_OK : hone_handle_refuse(handle, HONE_HANDLE_DEVICE, where);
}

const char *hone_rt_device_elsewhere(const hone_be_device *its, const hone_be_device *ours)
{
    return strcmp(its->name, ours->name) ? "" : " of another context";
}

hone_status hone_device_count(hone_context *handle, int *out)
{
    HONE_CHECK(out, HONE_ERROR_ARGUMENT, "device count: where to put it (out) is NULL");
    *out = 0;
    hone_rt_context *context = hone_handle_get(handle, HONE_HANDLE_CONTEXT);
    if (!context) return hone_handle_refuse(handle, HONE_HANDLE_CONTEXT, "device count");
    *out = context->device_count;
    return HONE_OK;
}

hone_status hone_device_at(hone_context *handle, int index, hone_device **out)
{
    HONE_CHECK(out, HONE_ERROR_ARGUMENT, "device at: where to put it (out) is NULL");
    *out = NULL;
    hone_rt_context *context = hone_handle_get(handle, HONE_HANDLE_CONTEXT);
    if (!context) return hone_handle_refuse(handle, HONE_HANDLE_CONTEXT, "device at");
    HONE_CHECK(index >= 0 && index < context->device_count, HONE_ERROR_ARGUMENT,
               "device at: there is no device %d; the context has %d, counted from 0", index, context->device_count);
    *out = context->devices[index].token;
    return HONE_OK;
}

hone_status hone_device_find(hone_context *handle, const char *name, hone_device **out)
{
    HONE_CHECK(out, HONE_ERROR_ARGUMENT, "device find: where to put it (out) is NULL");
    *out = NULL;
    HONE_CHECK(name, HONE_ERROR_ARGUMENT, "device find: the name is NULL; it may be \"cpu:0\" or \"best\"");
    hone_rt_context *context = hone_handle_get(handle, HONE_HANDLE_CONTEXT);
    if (!context) return hone_handle_refuse(handle, HONE_HANDLE_CONTEXT, "device find");
    int at = find_device(context, name);
    if (at < 0) return HONE_ERROR_NOT_FOUND;
    *out = context->devices[at].token;
    return HONE_OK;
}

hone_status hone_device_describe(hone_device *handle, hone_device_facts *facts)
{
    hone_rt_device   *device;
    hone_device_facts all = {sizeof all, "", "", "", 0, 0};
    HONE_CHECK(facts, HONE_ERROR_ARGUMENT, "device describe: where to put it (facts) is NULL");
    HONE_CHECK(facts->size >= sizeof facts->size && facts->size <= 65536, HONE_ERROR_ARGUMENT,
               "device describe: facts->size is %zu; set it to sizeof(hone_device_facts), %zu", facts->size,
               sizeof all);
    HONE_TRY(hone_rt_device_get(handle, "device describe", &device));
    memcpy(all.name, device->be->name, sizeof all.name);
    memcpy(all.label, device->be->label, sizeof all.label);
    memcpy(all.instructions, device->be->instructions, sizeof all.instructions);
    all.threads = device->be->threads;
    all.memory_bytes = device->be->memory_bytes;
    all.size = facts->size < sizeof all ? facts->size : sizeof all;
    memcpy(facts, &all, all.size);
    return HONE_OK;
}
