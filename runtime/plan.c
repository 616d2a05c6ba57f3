/* Plans: made once for a request, kept by the context, found again by the stream. The way of a call is
 *
 *     hone_rt_run -> the stream's front table, a hit on every call but the first -> launch
 *
 * with no lock, no allocation and no look-up elsewhere. Behind the front table stands the context's cache, behind that
 * the choice (select.c). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/size.h"
#include "base/text.h"
#include "runtime/hall.h"
#include "runtime/modules.h"
#include "runtime/profile/rows.h"

/* A plan of a module's kernel, in a child of fork: never launched again, and as good as not there. */
static bool lost(const hone_rt_plan *plan)
{
    return plan->foreign && atomic_load_explicit(&hone_rt_modules_lost, memory_order_relaxed);
}

enum { CACHE_START = 64, CACHE_PLANS_MAX = 16384 };

/* --- making ---------------------------------------------------------------------------------------------------- */

static void note_roles(hone_rt_plan *plan)
{
    hone_role   roles[HONE_ROLES_MAX];
    const char *names[HONE_SCALARS_MAX];
    double      neutral[HONE_SCALARS_MAX];
    plan->role_count = plan->op->roles(plan->problem.bytes, roles);
    plan->scalar_count = plan->op->scalars(plan->problem.bytes, names, neutral);
    for (int i = 0; i < plan->role_count; i++) {
        int64_t low, high;
        hone_role_extent(&roles[i], &low, &high);
        plan->role_direction[i] = (uint8_t)roles[i].direction;
        plan->role_indirect[i] = roles[i].indirect;
        plan->takes_arrays |= roles[i].indirect;
        plan->role_bytes[i] = roles[i].indirect ? 0 : (size_t)high;
        plan->role_below[i] = roles[i].indirect ? 0 : (size_t)-low;
    }
}

hone_status hone_rt_plan_with(hone_rt_context *context, const hone_request *request, const hone_kernel *kernel,
                              const hone_config *config, hone_rt_plan **out)
{
    hone_config suggested;
    *out = NULL;
    const char *why = hone_rt_module_refuses(kernel);
    HONE_CHECK(!why, HONE_ERROR_UNSUPPORTED, "%s: %s", kernel->name, why);
    if (!config) {
        HONE_CHECK(kernel->suggest(request, &suggested, 1) >= 1, HONE_ERROR_UNSUPPORTED, "%s suggests no configuration",
                   kernel->name);
        config = &suggested;
    }
    hone_rt_plan *plan = hone_alloc(1, sizeof *plan);
    if (!plan) return HONE_ERROR_MEMORY;
    plan->op = request->op;
    plan->kernel = kernel;
    plan->config = *config;
    plan->request = *request;
    memcpy(plan->problem.bytes, request->problem, request->op->problem_size);
    plan->request.problem = plan->problem.bytes;
    plan->rule = "asked for";
    plan->foreign = hone_rt_module_owns(kernel);
    plan->holds = 1;
    hone_status status = kernel->prepare(&plan->request, config, NULL, &plan->ready, &plan->needs);
    if (status == HONE_OK && request->scratch_cap && plan->needs.scratch_bytes > request->scratch_cap) {
        kernel->release(plan->ready);
        status = hone_fail(HONE_ERROR_UNSUPPORTED, "%s needs %zu bytes of scratch; %zu are allowed", kernel->name,
                           plan->needs.scratch_bytes, request->scratch_cap);
    }
    if (status != HONE_OK) {
        hone_free(plan);
        return status;
    }
    note_roles(plan);
    plan->context = context;
    *out = plan;
    return HONE_OK;
}

void hone_rt_plan_release(hone_rt_plan *plan)
{
    if (atomic_fetch_sub_explicit(&plan->holds, 1, memory_order_acq_rel) != 1) return;
    plan->kernel->release(plan->ready);
    hone_free(plan);
}

static void refuse_all(const hone_request *request, const hone_rt_candidate *candidates, int count, char *out,
                       size_t capacity)
{
    hone_text text = hone_text_in(out, capacity);
    for (int i = 0; i < count; i++) {
        const char *why = candidates[i].refusal;
        bool        said = false;
        for (int before = 0; why && before < i && !said; before++)
            said = candidates[before].refusal && !strcmp(candidates[before].refusal, why);
        if (!why || said) continue;
        hone_text_add(&text, "%s%s", text.length ? "; " : "", candidates[i].kernel->name);
        for (int other = i + 1; other < count; other++)
            if (candidates[other].refusal && !strcmp(candidates[other].refusal, why))
                hone_text_add(&text, ", %s", candidates[other].kernel->name);
        hone_text_add(&text, ": %s", why);
    }
    if (!count) hone_text_add(&text, "no kernel of %s is known for it", request->device->backend->name);
}

/* --- choosing --------------------------------------------------------------------------------------------------- */

hone_rt_vouch_function   *hone_rt_vouch;

/* This thread is measuring, or judging: what it asks meanwhile is neither measured nor judged in turn. */
static _Thread_local bool at_work;

/* Measures a request that no row speaks for. */
static bool measure_missing(hone_rt_context *context, const hone_request *request, hone_rt_row *out)
{
    char          text[HONE_PROBLEM_TEXT_MAX];
    hone_sentence before;
    if (context->tune != HONE_TUNE_MISSING || at_work) return false;
    if (request->flags & (HONE_REQUEST_DETERMINISTIC | HONE_REQUEST_CAPTURED)) return false;
    if (!hone_rt_missing) {
        if (!atomic_exchange(&context->said_nothing_measures, true))
            hone_log_say(&context->log, HONE_LOG_WARNING, "nothing in this program can measure what is missing: rows "
                         "are only read; `hone tune` measures");
        return false;
    }
    hone_sentence_keep(&before);
    at_work = true;
    hone_status status = hone_rt_missing(context, request, context->tune_seconds, out);
    at_work = false;
    if (status == HONE_OK) {
        for (int i = 0; i < context->device_count; i++)
            if (context->devices[i].be == request->device) hone_rt_measured_refresh(context->devices[i].measured);
    } else {
        hone_rt_problem_print(request->op, request->problem, text, sizeof text);
        hone_log_say(&context->log, HONE_LOG_INFO, "\"%s\" was not measured: %s", text, hone_last_error());
    }
    hone_sentence_back(&before);
    return status == HONE_OK;
}

/* Is what a borrowed row led to right here? */
static bool vouched_for(hone_rt_context *context, const hone_rt_candidate *candidate, const hone_rt_plan *plan)
{
    char why[512] = "", text[HONE_PROBLEM_TEXT_MAX];
    if (!candidate->borrowed || !hone_rt_vouch || at_work) return true;
    at_work = true;
    bool right = hone_rt_vouch(context, plan, why, sizeof why);
    at_work = false;
    if (right) return true;
    hone_rt_problem_print(plan->op, plan->problem.bytes, text, sizeof text);
    hone_log_say(&context->log, HONE_LOG_WARNING,
                 "\"%s\": the borrowed row's %s is not right on this machine and is passed over: %s", text,
                 candidate->kernel->name, why);
    return false;
}

/* A plan of this candidate. *out NULL: it refuses, and candidate->refusal says so. */
static hone_status try_candidate(hone_rt_context *context, const hone_request *request, hone_rt_candidate *candidate,
                                 hone_rt_plan **out)
{
    hone_status status = hone_rt_plan_with(context, request, candidate->kernel, &candidate->config, out);
    if (status == HONE_OK && vouched_for(context, candidate, *out)) return HONE_OK;
    if (status == HONE_OK) {
        hone_rt_plan_release(*out);
        *out = NULL;
        candidate->refusal = "it was judged to be wrong here";
        return HONE_OK;
    }
    if (status != HONE_ERROR_UNSUPPORTED) return status;
    candidate->refusal = "refused while it was prepared";
    if (candidate->measured)
        hone_log_say(&context->log, HONE_LOG_INFO, "the measured %s is passed over: %s", candidate->kernel->name,
                     hone_last_error());
    return HONE_OK;
}

static hone_status refuse_unmeasured(const hone_request *request)
{
    char text[HONE_PROBLEM_TEXT_MAX];
    hone_rt_problem_print(request->op, request->problem, text, sizeof text);
    return hone_fail(HONE_ERROR_NOT_FOUND,
                     "pinned: nothing that was measured can be used for \"%s\" on %s with %d thread%s and operands "
                     "aligned to %u; `hone tune` measures it, HONE_TUNE=read lets hone choose",
                     text, request->device->name, request->threads, request->threads == 1 ? "" : "s",
                     request->alignment);
}

static hone_status choose(hone_rt_context *context, const hone_request *request, hone_rt_plan **out)
{
    hone_rt_candidate candidates[HONE_RT_KERNELS_MAX];
    hone_rt_row       row;
    char              text[HONE_PROBLEM_TEXT_MAX];
    const char       *rule;
    bool              pinned = context->tune == HONE_TUNE_PINNED;
    HONE_TRY(request->op->check(request->problem));
    int count = hone_rt_rank_first(context, request, candidates, HONE_RT_KERNELS_MAX, &rule);
    if (!(count && candidates[0].measured) && measure_missing(context, request, &row))
        count = hone_rt_rank_given(context, request, &row, candidates, HONE_RT_KERNELS_MAX, &rule);
    for (int i = 0; i < count && !candidates[i].refusal && (candidates[i].measured || !pinned); i++) {
        HONE_TRY(try_candidate(context, request, &candidates[i], out));
        if (!*out) continue;
        (*out)->rule = i ? candidates[i].basis : rule;
        (*out)->tally = hone_rt_record_tally(context->record, request);
        if (hone_log_wants(&context->log, HONE_LOG_SELECT)) {
            hone_rt_problem_print(request->op, request->problem, text, sizeof text);
            hone_log_say(&context->log, HONE_LOG_SELECT, "%s: %s (%s)", text, candidates[i].kernel->name, (*out)->rule);
        }
        return HONE_OK;
    }
    if (pinned) return refuse_unmeasured(request);
    char why[700];
    hone_rt_problem_print(request->op, request->problem, text, sizeof text);
    refuse_all(request, candidates, count, why, sizeof why);
    return hone_fail(HONE_ERROR_UNSUPPORTED, "nothing on %s takes \"%s\": %s", request->device->name, text, why);
}

/* --- the cache ------------------------------------------------------------------------------------------------- */

hone_status hone_rt_cache_open(hone_rt_cache *cache)
{
    cache->slots = hone_alloc(CACHE_START, sizeof *cache->slots);
    if (!cache->slots) return HONE_ERROR_MEMORY;
    cache->capacity = CACHE_START;
    cache->count = 0;
    pthread_mutex_init(&cache->lock, NULL);
    return HONE_OK;
}

void hone_rt_cache_close(hone_rt_cache *cache)
{
    for (size_t i = 0; i < cache->capacity; i++)
        if (cache->slots[i]) hone_rt_plan_release(cache->slots[i]);
    hone_free(cache->slots);
    pthread_mutex_destroy(&cache->lock);
}

void hone_rt_cache_choices(hone_rt_cache *cache, hone_rt_choices *out)
{
    char problem[HONE_PROBLEM_TEXT_MAX], config[256];
    *out = (hone_rt_choices){0};
    pthread_mutex_lock(&cache->lock);
    for (size_t i = 0; i < cache->capacity; i++) {
        const hone_rt_plan *plan = cache->slots[i];
        if (!plan || lost(plan)) continue;
        const hone_request *request = &plan->request;
        const char *identity = plan->kernel->identity ? plan->kernel->identity(request->device) : NULL;
        hone_rt_problem_print(plan->op, plan->problem.bytes, problem, sizeof problem);
        hone_config_print(plan->kernel->space, &plan->config, config, sizeof config);
        /* a sum: the order in which problems came is no difference */
        out->hash += hone_rt_choice_hash(problem, request->threads, request->alignment, request->flags,
                                         plan->kernel->name, plan->kernel->version, identity ? identity : "", config);
        out->count++;
    }
    pthread_mutex_unlock(&cache->lock);
}

static size_t significant(const hone_op *op, const void *problem)
{
    return op->significant ? op->significant(problem) : op->problem_size;
}

static uint64_t hash_of(const hone_op *op, const void *problem, size_t bytes, unsigned alignment)
{
    /* Unseeded, which is the quick way; the rest is mixed in after. */
    return hone_hash(problem, bytes, 0) + ((uint64_t)(uintptr_t)op + alignment) * 0x9e3779b97f4a7c15u;
}

static bool same_request(const hone_rt_plan *plan, const hone_request *request)
{
    const hone_request *r = &plan->request;
    return !lost(plan) && r->device == request->device && r->op == request->op && r->threads == request->threads &&
           r->alignment == request->alignment && r->flags == request->flags && r->scratch_cap == request->scratch_cap &&
           !memcmp(r->problem, request->problem, request->op->problem_size);
}

/* The slot of that request, or the empty one where it belongs. */
static hone_rt_plan **slot_of(hone_rt_plan **slots, size_t capacity, uint64_t hash, const hone_request *request)
{
    size_t at = hash & (capacity - 1);
    while (slots[at] && !(slots[at]->hash == hash && same_request(slots[at], request))) at = (at + 1) & (capacity - 1);
    return &slots[at];
}

static hone_status rebuild(hone_rt_cache *cache, size_t capacity, bool keep_idle)
{
    hone_rt_plan **slots = hone_alloc(capacity, sizeof *slots);
    if (!slots) return HONE_ERROR_MEMORY;
    cache->count = 0;
    for (size_t i = 0; i < cache->capacity; i++) {
        hone_rt_plan *plan = cache->slots[i];
        if (!plan) continue;
        if (!keep_idle && atomic_load_explicit(&plan->holds, memory_order_acquire) == 1) {
            hone_rt_plan_release(plan);
            continue;
        }
        *slot_of(slots, capacity, plan->hash, &plan->request) = plan;
        cache->count++;
    }
    hone_free(cache->slots);
    cache->slots = slots;
    cache->capacity = capacity;
    return HONE_OK;
}

static hone_status make_room(hone_rt_cache *cache)
{
    if (cache->count >= CACHE_PLANS_MAX) HONE_TRY(rebuild(cache, cache->capacity, false));
    if (2 * (cache->count + 1) > cache->capacity) HONE_TRY(rebuild(cache, 2 * cache->capacity, true));
    return HONE_OK;
}

/* Keeps `made`, unless another thread was first: then that one is used. Without room for it, it serves its caller and
 * is not kept. */
static hone_rt_plan *keep(hone_rt_cache *cache, hone_rt_plan *made)
{
    hone_rt_plan *surplus = NULL;
    pthread_mutex_lock(&cache->lock);
    if (make_room(cache) == HONE_OK) {
        hone_rt_plan **slot = slot_of(cache->slots, cache->capacity, made->hash, &made->request);
        if (*slot) {
            surplus = made;
            made = *slot;
        } else {
            *slot = made;
            cache->count++;
        }
        hone_rt_plan_hold(made);
    }
    pthread_mutex_unlock(&cache->lock);
    if (surplus) hone_rt_plan_release(surplus);
    return made;
}

hone_status hone_rt_plan_for(hone_rt_context *context, const hone_request *request, hone_rt_plan **out)
{
    size_t   bytes = significant(request->op, request->problem);
    uint64_t hash = hash_of(request->op, request->problem, bytes, request->alignment);
    pthread_mutex_lock(&context->cache.lock);
    *out = *slot_of(context->cache.slots, context->cache.capacity, hash, request);
    if (*out) hone_rt_plan_hold(*out);
    pthread_mutex_unlock(&context->cache.lock);
    if (*out) return HONE_OK;
    hone_sentence before; /* kernels that refused on the way to one that did not are no failure */
    hone_sentence_keep(&before);
    HONE_TRY(choose(context, request, out));
    (*out)->hash = hash;
    *out = keep(&context->cache, *out);
    hone_sentence_back(&before);
    return HONE_OK;
}

hone_request hone_rt_request(const hone_rt_context *context, const hone_be_device *device, const hone_op *op,
                             const void *problem, unsigned alignment)
{
    return (hone_request){.device = device,
                          .op = op,
                          .problem = problem,
                          .threads = context->thread_count,
                          .alignment = alignment,
                          .flags = context->request_flags};
}

/* --- running --------------------------------------------------------------------------------------------------- */

/* Holds a plan until the stream is waited for; waits when it holds too many. */
static hone_status hold_queued(hone_rt_stream *stream, hone_rt_plan *plan)
{
    size_t home = ((uintptr_t)plan / HONE_CACHE_LINE) % HONE_RT_QUEUED, at = home;
    while (stream->queued[at] && stream->queued[at] != plan) at = (at + 1) % HONE_RT_QUEUED;
    if (stream->queued[at]) return HONE_OK;
    if (stream->queued_count >= HONE_RT_QUEUED * 3 / 4) {
        HONE_TRY(hone_rt_stream_settle(stream));
        at = home;
    }
    hone_rt_plan_hold(plan);
    stream->queued[at] = plan;
    stream->queued_count++;
    return HONE_OK;
}

static hone_status grow_scratch(hone_rt_stream *stream, size_t bytes)
{
    const hone_backend *backend = stream->be->device->backend;
    hone_be_buffer     *larger;
    if (backend->stream_ticket) HONE_TRY(hone_rt_stream_settle(stream));
    HONE_TRY(backend->buffer_create(stream->be->device, (size_t)hone_round_up((int64_t)bytes, 4096), &larger));
    if (stream->scratch) backend->buffer_destroy(stream->scratch);
    stream->scratch = larger;
    return HONE_OK;
}

static __attribute__((noinline)) hone_status launch_counted(hone_rt_stream *stream, hone_rt_plan *plan,
                                                            const hone_arguments *arguments, hone_span scratch)
{
    int64_t     start = hone_now_ns();
    hone_status status = plan->kernel->launch(plan->ready, stream->be, arguments, scratch);
    hone_rt_tally_add(plan->tally, hone_now_ns() - start);
    return status;
}

hone_status hone_rt_launch(hone_rt_stream *stream, hone_rt_plan *plan, const hone_arguments *arguments,
                           hone_span scratch)
{
    const hone_backend *backend = stream->be->device->backend;
    HONE_CHECK(!lost(plan), HONE_ERROR_STATE, "%s: %s; make the plan again", plan->kernel->name, HONE_RT_MODULE_LOST);
    if (backend->stream_ticket) {
        HONE_TRY(hold_queued(stream, plan));
        stream->late[++stream->ticket % HONE_RT_LATE] = plan;
        backend->stream_ticket(stream->be, stream->ticket);
    }
    if (__builtin_expect(plan->tally != NULL, 0)) return launch_counted(stream, plan, arguments, scratch);
    return plan->kernel->launch(plan->ready, stream->be, arguments, scratch);
}

static hone_status find(hone_rt_stream *stream, const hone_op *op, const void *problem, unsigned alignment,
                        hone_rt_plan **slot)
{
    hone_rt_plan *plan;
    hone_request  request = hone_rt_request(stream->context, stream->be->device, op, problem, alignment);
    HONE_TRY(hone_rt_plan_for(stream->context, &request, &plan));
    if (*slot) hone_rt_plan_release(*slot);
    *slot = plan;
    return HONE_OK;
}

hone_status hone_rt_run(hone_rt_stream *stream, const hone_op *op, const void *problem, unsigned alignment,
                        const hone_arguments *arguments)
{
    size_t         bytes = significant(op, problem);
    uint64_t       hash = hash_of(op, problem, bytes, alignment);
    hone_rt_plan **slot = &stream->front[hash % HONE_RT_FRONT];
    hone_rt_plan  *plan = *slot;
    if (__builtin_expect(!plan || plan->hash != hash || plan->op != op || plan->request.alignment != alignment ||
                             lost(plan) || memcmp(plan->problem.bytes, problem, bytes) != 0,
                         0)) {
        HONE_TRY(find(stream, op, problem, alignment, slot));
        plan = *slot;
    }
    hone_span scratch = {0};
    if (plan->needs.scratch_bytes) {
        if (__builtin_expect(!stream->scratch || stream->scratch->bytes < plan->needs.scratch_bytes, 0))
            HONE_TRY(grow_scratch(stream, plan->needs.scratch_bytes));
        scratch = (hone_span){stream->scratch, stream->scratch->host, 0, stream->scratch->bytes};
    }
    return hone_rt_launch(stream, plan, arguments, scratch);
}

/* --- level 1 --------------------------------------------------------------------------------------------------- */

static hone_status resolve(const hone_be_device *device, const hone_operand *operand, const char *what, hone_span *out)
{
    *out = (hone_span){NULL, operand->host, 0, operand->bytes};
    if (!operand->buffer) return HONE_OK;
    hone_rt_buffer *buffer;
    HONE_TRY(hone_rt_buffer_get(operand->buffer, "plan run", &buffer));
    HONE_CHECK(buffer->be->device == device, HONE_ERROR_ARGUMENT,
               "plan run: %s is in a buffer of %s%s, the plan is of %s", what, buffer->be->device->name,
               hone_rt_device_elsewhere(buffer->be->device, device), device->name);
    HONE_CHECK(!operand->host, HONE_ERROR_ARGUMENT, "plan run: %s has both host memory (%p) and a buffer", what,
               operand->host);
    HONE_CHECK(operand->offset <= buffer->be->bytes && operand->bytes <= buffer->be->bytes - operand->offset,
               HONE_ERROR_ARGUMENT, "plan run: %s: %zu bytes from offset %zu go past the buffer's end, it has %zu",
               what, operand->bytes, operand->offset, buffer->be->bytes);
    *out = (hone_span){buffer->be, buffer->be->host ? (char *)buffer->be->host + operand->offset : NULL,
                       operand->offset, operand->bytes ? operand->bytes : buffer->be->bytes - operand->offset};
    return HONE_OK;
}

/* Also where the host cannot reach it: memory of devices is aligned, so that the offset tells. */
static uintptr_t address(const hone_span *span)
{
    return span->buffer ? (uintptr_t)span->buffer->host + span->offset : (uintptr_t)span->host;
}

static const char *role_name(const hone_rt_plan *plan, int role)
{
    hone_role roles[HONE_ROLES_MAX];
    plan->op->roles(plan->problem.bytes, roles);
    return roles[role].name; /* static text of the op */
}

/* An array of pointers, all of which are the caller's promise. */
static hone_status check_array(const hone_rt_plan *plan, int i, const hone_span *span, int64_t items)
{
    HONE_CHECK(!span->buffer || span->buffer->host, HONE_ERROR_UNSUPPORTED,
               "plan run: operand %d (%s) is an array of pointers in memory that the host does not reach", i,
               role_name(plan, i));
    uintptr_t at = address(span);
    HONE_CHECK(at || items == 0, HONE_ERROR_ARGUMENT, "plan run: operand %d (%s) is missing", i, role_name(plan, i));
    HONE_CHECK(at % _Alignof(void *) == 0, HONE_ERROR_ARGUMENT,
               "plan run: operand %d (%s) at %p is not aligned as an array of pointers is", i, role_name(plan, i),
               (void *)at);
    HONE_CHECK((!span->bytes && !span->buffer) || span->bytes / sizeof(void *) >= (uint64_t)items, HONE_ERROR_ARGUMENT,
               "plan run: operand %d (%s) has %zu bytes; that is not %" PRId64 " pointers", i, role_name(plan, i),
               span->bytes, items);
    return HONE_OK;
}

static hone_status check_operand(const hone_rt_plan *plan, int i, const hone_span *span)
{
    uintptr_t at = address(span);
    HONE_CHECK(at || span->buffer || !plan->role_bytes[i], HONE_ERROR_ARGUMENT, "plan run: operand %d (%s) is missing",
               i, role_name(plan, i));
    HONE_CHECK((at & (plan->request.alignment - 1)) == 0, HONE_ERROR_ARGUMENT,
               "plan run: operand %d (%s) at %p is not aligned to the %u bytes that the plan was made for", i,
               role_name(plan, i), (void *)at, plan->request.alignment);
    HONE_CHECK((!span->bytes && !span->buffer) || span->bytes >= plan->role_bytes[i], HONE_ERROR_ARGUMENT,
               "plan run: operand %d (%s) has %zu bytes, the plan touches %zu", i, role_name(plan, i), span->bytes,
               plan->role_bytes[i]);
    HONE_CHECK(!span->buffer || span->offset >= plan->role_below[i], HONE_ERROR_ARGUMENT,
               "plan run: operand %d (%s) at offset %zu of its buffer: the plan touches %zu bytes below", i,
               role_name(plan, i), span->offset, plan->role_below[i]);
    return HONE_OK;
}

static hone_status check_arguments(const hone_rt_plan *plan, const hone_plan_arguments *arguments)
{
    HONE_CHECK(arguments->size == sizeof *arguments, HONE_ERROR_ARGUMENT,
               "plan run: arguments.size is %zu, where sizeof(hone_plan_arguments) is %zu", arguments->size,
               sizeof *arguments);
    HONE_CHECK(arguments->operands && arguments->operand_count >= plan->role_count, HONE_ERROR_ARGUMENT,
               "plan run: %d operands at %p; the plan takes %d", arguments->operand_count,
               (const void *)arguments->operands, plan->role_count);
    HONE_CHECK(arguments->values && arguments->value_count >= plan->scalar_count, HONE_ERROR_ARGUMENT,
               "plan run: %d values at %p; the plan takes %d", arguments->value_count, (const void *)arguments->values,
               plan->scalar_count);
    HONE_CHECK(arguments->items >= 0, HONE_ERROR_ARGUMENT, "plan run: %" PRId64 " items", arguments->items);
    HONE_CHECK(arguments->items == 0 || plan->takes_arrays, HONE_ERROR_ARGUMENT,
               "plan run: %" PRId64 " items, but the plan takes no arrays of pointers", arguments->items);
    return HONE_OK;
}

static hone_status run_plan(hone_rt_stream *stream, hone_rt_plan *plan, const hone_plan_arguments *arguments)
{
    hone_span           spans[HONE_ROLES_MAX], scratch = {0};
    hone_scalar         scalars[HONE_SCALARS_MAX];
    const hone_request *request = &plan->request;
    HONE_CHECK(request->device == stream->be->device, HONE_ERROR_ARGUMENT,
               "plan run: the plan is of %s%s, the stream of %s", request->device->name,
               hone_rt_device_elsewhere(request->device, stream->be->device), stream->be->device->name);
    HONE_TRY(check_arguments(plan, arguments));
    for (int i = 0; i < plan->role_count; i++) {
        if (plan->role_direction[i] == HONE_UNUSED) {
            spans[i] = (hone_span){0};
            continue;
        }
        HONE_TRY(resolve(request->device, &arguments->operands[i], "an operand", &spans[i]));
        if (plan->role_indirect[i])
            HONE_TRY(check_array(plan, i, &spans[i], arguments->items));
        else
            HONE_TRY(check_operand(plan, i, &spans[i]));
    }
    for (int i = 0; i < plan->scalar_count; i++) scalars[i] = (hone_scalar){arguments->values[i], NULL};
    if (plan->needs.scratch_bytes) {
        const hone_operand *given = &arguments->scratch;
        HONE_TRY(resolve(request->device, given, "the scratch", &scratch));
        uintptr_t at = address(&scratch);
        HONE_CHECK((given->buffer || given->host) && scratch.bytes >= plan->needs.scratch_bytes, HONE_ERROR_ARGUMENT,
                   "plan run: %zu bytes of scratch at %p; the plan needs %zu", scratch.bytes, (void *)at,
                   plan->needs.scratch_bytes);
        HONE_CHECK(at % HONE_CACHE_LINE == 0, HONE_ERROR_ARGUMENT,
                   "plan run: the scratch at %p is not aligned to 64 bytes", (void *)at);
    }
    hone_arguments launched = {plan->role_count, plan->scalar_count, spans, scalars, arguments->items};
    return hone_rt_launch(stream, plan, &launched, scratch);
}

hone_status hone_plan_run(hone_stream *stream_handle, hone_plan *plan_handle, const hone_plan_arguments *arguments)
{
    hone_rt_stream *stream;
    hone_rt_plan   *plan = hone_handle_get(plan_handle, HONE_HANDLE_PLAN);
    if (__builtin_expect(!plan, 0)) return hone_handle_refuse(plan_handle, HONE_HANDLE_PLAN, "plan run");
    HONE_CHECK(arguments, HONE_ERROR_ARGUMENT, "plan run: the arguments are NULL");
    HONE_TRY(hone_rt_stream_enter(stream_handle, "plan run", &stream));
    hone_status status = run_plan(stream, plan, arguments);
    hone_rt_stream_leave(stream_handle);
    return status;
}

/* A handle holds the context too: the plan may outlive the context's own handle. */
hone_status hone_rt_plan_handle(hone_rt_plan *plan, hone_plan **out)
{
    void       *token;
    hone_status status = hone_handle_new(HONE_HANDLE_PLAN, plan, &token);
    if (status != HONE_OK) {
        hone_rt_plan_release(plan);
        return status;
    }
    hone_rt_hold(plan->context);
    *out = token;
    return HONE_OK;
}

static hone_status get_plan(hone_plan *handle, const char *where, hone_rt_plan **out)
{
    *out = hone_handle_get(handle, HONE_HANDLE_PLAN);
    return *out ? HONE_OK : hone_handle_refuse(handle, HONE_HANDLE_PLAN, where);
}

hone_status hone_plan_scratch(hone_plan *handle, size_t *bytes)
{
    hone_rt_plan *plan;
    HONE_CHECK(bytes, HONE_ERROR_ARGUMENT, "plan scratch: where to put it (bytes) is NULL");
    *bytes = 0;
    HONE_TRY(get_plan(handle, "plan scratch", &plan));
    *bytes = plan->needs.scratch_bytes;
    return HONE_OK;
}

hone_status hone_plan_describe(hone_plan *handle, char *out, size_t capacity)
{
    hone_rt_plan *plan;
    char          problem[HONE_PROBLEM_TEXT_MAX], config[256];
    HONE_CHECK(out && capacity, HONE_ERROR_ARGUMENT, "plan describe: there is no room for text (%zu bytes at %p)",
               capacity, (void *)out);
    out[0] = 0;
    HONE_TRY(get_plan(handle, "plan describe", &plan));
    hone_rt_problem_print(plan->op, plan->problem.bytes, problem, sizeof problem);
    hone_config_print(plan->kernel->space, &plan->config, config, sizeof config);
    snprintf(out, capacity, "%s: %s%s%s (%s)", problem, plan->kernel->name, config[0] ? " " : "", config, plan->rule);
    return HONE_OK;
}

hone_status hone_plan_destroy(hone_plan *handle)
{
    if (!handle) return HONE_OK;
    hone_rt_plan *plan = hone_handle_take(handle, HONE_HANDLE_PLAN);
    if (!plan) return hone_handle_refuse(handle, HONE_HANDLE_PLAN, "plan destroy");
    hone_rt_context *context = plan->context;
    hone_rt_plan_release(plan);
    hone_rt_context_release(context);
    return HONE_OK;
}
