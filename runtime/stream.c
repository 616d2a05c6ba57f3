/* Streams and events. A stream belongs to one thread at a time: entering it is one atomic exchange on its handle, which
 * also finds out whether it still lives. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "runtime/hall.h"

hone_status hone_stream_create(hone_device *handle, hone_stream **out)
{
    hone_rt_device *device;
    void           *token;
    hone_status     status;
    HONE_CHECK(out, HONE_ERROR_ARGUMENT, "stream: where to put it (out) is NULL");
    *out = NULL;
    HONE_TRY(hone_rt_device_get(handle, "stream", &device));
    hone_rt_stream *stream = hone_alloc(1, sizeof *stream);
    if (!stream) return HONE_ERROR_MEMORY;
    stream->context = device->context;
    stream->device = device;
    status = device->be->backend->stream_create(device->be, &stream->be);
    if (status == HONE_OK) {
        status = hone_handle_new(HONE_HANDLE_STREAM, stream, &token);
        if (status != HONE_OK) device->be->backend->stream_destroy(stream->be);
    }
    if (status != HONE_OK) {
        hone_free(stream);
        return status;
    }
    hone_rt_hold(stream->context);
    *out = token;
    return HONE_OK;
}

static void let_go_of_queued(hone_rt_stream *stream)
{
    stream->settled = stream->ticket;
    if (!stream->queued_count) return;
    for (int i = 0; i < HONE_RT_QUEUED; i++) {
        if (stream->queued[i]) hone_rt_plan_release(stream->queued[i]);
        stream->queued[i] = NULL;
    }
    stream->queued_count = 0;
}

hone_status hone_rt_stream_settle(hone_rt_stream *stream)
{
    uint64_t    ticket = 0;
    hone_status status = stream->be->device->backend->stream_wait(stream->be, &ticket);
    if (status != HONE_OK && stream->fault == HONE_OK) {
        char                problem[HONE_PROBLEM_TEXT_MAX] = "work that is no longer known";
        const char         *kernel = "?";
        const hone_rt_plan *plan = NULL;
        if (ticket > stream->settled && stream->ticket - ticket < HONE_RT_LATE)
            plan = stream->late[ticket % HONE_RT_LATE];
        if (plan) {
            hone_rt_problem_print(plan->op, plan->problem.bytes, problem, sizeof problem);
            kernel = plan->kernel->name;
        }
        hone_fail_within(status, "%s failed late, in \"%s\" by %s (the stream refuses work until hone_stream_reset)",
                         stream->device->be->name, problem, kernel);
        stream->fault = status;
        snprintf(stream->fault_sentence, sizeof stream->fault_sentence, "%s", hone_last_error());
    }
    let_go_of_queued(stream);
    return status;
}

static hone_status free_stream(hone_rt_stream *stream)
{
    const hone_backend *backend = stream->device->be->backend;
    hone_rt_context    *context = stream->context;
    hone_status         status = hone_rt_stream_settle(stream);
    for (int i = 0; i < HONE_RT_FRONT; i++)
        if (stream->front[i]) hone_rt_plan_release(stream->front[i]);
    if (stream->scratch) backend->buffer_destroy(stream->scratch);
    backend->stream_destroy(stream->be);
    hone_free(stream);
    hone_rt_context_release(context);
    return status;
}

hone_status hone_stream_destroy(hone_stream *handle)
{
    if (!handle) return HONE_OK;
    hone_rt_stream *stream = hone_handle_enter(handle, HONE_HANDLE_STREAM);
    if (!stream) return hone_handle_refuse(handle, HONE_HANDLE_STREAM, "stream destroy");
    hone_handle_end(handle);
    return free_stream(stream);
}

static hone_status enter_any(hone_stream *handle, const char *where, hone_rt_stream **out)
{
    *out = hone_handle_enter(handle, HONE_HANDLE_STREAM);
    return *out ? HONE_OK : hone_handle_refuse(handle, HONE_HANDLE_STREAM, where);
}

hone_status hone_rt_stream_enter(hone_stream *handle, const char *where, hone_rt_stream **out)
{
    HONE_TRY(enter_any(handle, where, out));
    if (__builtin_expect((*out)->fault != HONE_OK, 0)) {
        hone_status fault = (*out)->fault;
        hone_fail(fault, "%s: %s", where, (*out)->fault_sentence);
        hone_rt_stream_leave(handle);
        return fault;
    }
    return HONE_OK;
}

hone_status hone_stream_wait(hone_stream *handle)
{
    hone_rt_stream *stream;
    HONE_TRY(hone_rt_stream_enter(handle, "stream wait", &stream));
    hone_status status = hone_rt_stream_settle(stream);
    hone_rt_stream_leave(handle);
    return status;
}

hone_status hone_stream_reset(hone_stream *handle)
{
    hone_rt_stream *stream;
    hone_sentence   before;
    HONE_TRY(enter_any(handle, "stream reset", &stream));
    hone_sentence_keep(&before);
    (void)hone_rt_stream_settle(stream); /* what failed before the reset is forgotten with the rest */
    hone_sentence_back(&before);
    stream->fault = HONE_OK;
    stream->fault_sentence[0] = 0;
    hone_rt_stream_leave(handle);
    return HONE_OK;
}

/* --- events ---------------------------------------------------------------------------------------------------- */

hone_status hone_event_create(hone_device *handle, hone_event **out)
{
    hone_rt_device *device;
    void           *token;
    hone_status     status;
    HONE_CHECK(out, HONE_ERROR_ARGUMENT, "event: where to put it (out) is NULL");
    *out = NULL;
    HONE_TRY(hone_rt_device_get(handle, "event", &device));
    hone_rt_event *event = hone_alloc(1, sizeof *event);
    if (!event) return HONE_ERROR_MEMORY;
    event->context = device->context;
    status = device->be->backend->event_create(device->be, &event->be);
    if (status == HONE_OK) {
        status = hone_handle_new(HONE_HANDLE_EVENT, event, &token);
        if (status != HONE_OK) device->be->backend->event_destroy(event->be);
    }
    if (status != HONE_OK) {
        hone_free(event);
        return status;
    }
    hone_rt_hold(event->context);
    *out = token;
    return HONE_OK;
}

hone_status hone_event_destroy(hone_event *handle)
{
    if (!handle) return HONE_OK;
    hone_rt_event *event = hone_handle_enter(handle, HONE_HANDLE_EVENT);
    if (!event) return hone_handle_refuse(handle, HONE_HANDLE_EVENT, "event destroy");
    hone_handle_end(handle);
    hone_rt_context *context = event->context;
    event->be->device->backend->event_destroy(event->be);
    hone_free(event);
    hone_rt_context_release(context);
    return HONE_OK;
}

static hone_status enter_event(hone_event *handle, const char *where, hone_rt_event **out)
{
    *out = hone_handle_enter(handle, HONE_HANDLE_EVENT);
    return *out ? HONE_OK : hone_handle_refuse(handle, HONE_HANDLE_EVENT, where);
}

static hone_status record(hone_rt_event *event, hone_rt_stream *stream)
{
    HONE_CHECK(event->be->device == stream->be->device, HONE_ERROR_ARGUMENT,
               "event record: the event is of %s%s, the stream of %s", event->be->device->name,
               hone_rt_device_elsewhere(event->be->device, stream->be->device), stream->be->device->name);
    return stream->be->device->backend->event_record(event->be, stream->be);
}

hone_status hone_event_record(hone_event *event_handle, hone_stream *stream_handle)
{
    hone_rt_event  *event;
    hone_rt_stream *stream;
    HONE_TRY(hone_rt_stream_enter(stream_handle, "event record", &stream));
    hone_status status = enter_event(event_handle, "event record", &event);
    if (status == HONE_OK) {
        status = record(event, stream);
        hone_handle_leave(event_handle);
    }
    hone_rt_stream_leave(stream_handle);
    return status;
}

hone_status hone_event_wait(hone_event *handle)
{
    hone_rt_event *event;
    HONE_TRY(enter_event(handle, "event wait", &event));
    hone_status status = event->be->device->backend->event_wait(event->be);
    hone_handle_leave(handle);
    return status;
}

hone_status hone_stream_wait_event(hone_stream *stream_handle, hone_event *event_handle)
{
    hone_rt_stream *stream;
    hone_rt_event  *event;
    HONE_TRY(hone_rt_stream_enter(stream_handle, "stream wait event", &stream));
    hone_status status = enter_event(event_handle, "stream wait event", &event);
    if (status == HONE_OK) {
        /* Backends wait for each other's events on the host: each knows only its own. */
        const hone_backend *backend = stream->be->device->backend;
        if (event->be->device->backend == backend)
            status = backend->stream_wait_event(stream->be, event->be);
        else
            status = event->be->device->backend->event_wait(event->be);
        hone_handle_leave(event_handle);
    }
    hone_rt_stream_leave(stream_handle);
    return status;
}
