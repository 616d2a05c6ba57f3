/* The mock's state is one, under one lock. What is late waits in a queue of its stream; whoever waits does the work. An
 * event is a number that its stream's queue has to reach.
 *
 * Objects come from base/alloc.h, so that failing allocations reach them and leaks show; records and queued tasks from
 * the C library, since a real driver's queue is not hone's memory either. */
#include "tests/mock/mock.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "kernels/matmul/problem.h"

enum { DEVICES = 2 };

typedef struct mock_self {
    hone_be_device  device[DEVICES];
    hone_be_device *list[DEVICES];
} mock_self;

typedef struct prepared {
    int                 kernel, device;
    hone_matmul_problem problem;
    size_t              scratch_bytes;
} prepared;

typedef struct mock_buffer {
    hone_be_buffer base;
    char          *far;    /* the device's memory */
    void          *own;    /* NULL: adopted */
    char          *mapped; /* a copy that the host can reach */
} mock_buffer;

struct mock_stream;

typedef struct mock_event {
    hone_be_event       base;
    struct mock_stream *stream; /* NULL: never recorded */
    uint64_t            until;  /* tasks that stream must have done */
} mock_event;

typedef enum task_kind { TASK_LAUNCH, TASK_WRITE, TASK_READ, TASK_WAIT_EVENT, TASK_NOTHING } task_kind;

typedef struct task {
    struct task   *next;
    task_kind      kind;
    prepared      *ready;
    uint64_t       ticket;
    hone_arguments arguments;
    hone_span      span[HONE_ROLES_MAX], scratch;
    hone_scalar    scalar[HONE_SCALARS_MAX];
    mock_buffer   *buffer;
    size_t         offset, bytes;
    void          *host;
    mock_event     event; /* as it was when it was waited for */
} task;

typedef struct mock_stream {
    hone_be_stream      base;
    struct mock_stream *next;
    task               *first, **end;
    uint64_t            queued, done, ticket, failed_ticket;
    hone_status         fault;
    bool                busy; /* a thread is in a call on it */
} mock_stream;

mock_settings mock;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static mock_stream    *streams;
static int             live;
static char            complaint[256];
static mock_record    *records;
static int             record_count, record_room;
static int             counts[MOCK_CALLS];

static struct {
    mock_call   call;
    int         countdown; /* 0: nothing is to fail */
    hone_status status;
    bool        done;
} order;

static const char *const call_names[MOCK_CALLS] = {
#define CALL_NAME(name, text) [name] = text,
    MOCK_CALL_LIST(CALL_NAME)
#undef CALL_NAME
};

/* --- what tests ask -------------------------------------------------------------------------------------------- */

void mock_reset(void)
{
    pthread_mutex_lock(&lock);
    mock = (mock_settings){.memory_bytes = (size_t)1 << 30,
                           .scratch_bytes = 1000,
                           .kernel = {{.seconds = 1}, {.seconds = 2}, {.seconds = 3}}};
    free(records);
    records = NULL;
    record_count = record_room = 0;
    memset(counts, 0, sizeof counts);
    memset(&order, 0, sizeof order);
    complaint[0] = 0;
    pthread_mutex_unlock(&lock);
}

void mock_fail(mock_call call, int nth, hone_status status)
{
    pthread_mutex_lock(&lock);
    order.call = call;
    order.countdown = nth;
    order.status = status;
    order.done = false;
    pthread_mutex_unlock(&lock);
}

static int locked_int(const int *value)
{
    pthread_mutex_lock(&lock);
    int copy = *value;
    pthread_mutex_unlock(&lock);
    return copy;
}

bool mock_failed(void)
{
    pthread_mutex_lock(&lock);
    bool done = order.done;
    pthread_mutex_unlock(&lock);
    return done;
}

int mock_recorded(void)
{
    return locked_int(&record_count);
}

const mock_record *mock_record_at(int index)
{
    return &records[index];
}

int mock_count(mock_call call)
{
    return locked_int(&counts[call]);
}

int mock_count_of(mock_call call, const char *kernel)
{
    int count = 0;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < record_count; i++)
        count += records[i].call == call && records[i].kernel && !strcmp(records[i].kernel, kernel);
    pthread_mutex_unlock(&lock);
    return count;
}

const char *mock_call_name(mock_call call)
{
    return call >= 0 && call < MOCK_CALLS ? call_names[call] : "any";
}

int mock_live(void)
{
    return locked_int(&live);
}

int mock_queued(void)
{
    int count = 0;
    pthread_mutex_lock(&lock);
    for (const mock_stream *s = streams; s; s = s->next) count += (int)(s->queued - s->done);
    pthread_mutex_unlock(&lock);
    return count;
}

const char *mock_complaint(void)
{
    pthread_mutex_lock(&lock);
    bool any = complaint[0] != 0;
    pthread_mutex_unlock(&lock);
    return any ? complaint : NULL;
}

/* --- recording and failing, under the lock ---------------------------------------------------------------------- */

static void complain(const char *what)
{
    if (!complaint[0]) snprintf(complaint, sizeof complaint, "%s", what);
}

static int device_index(const hone_be_device *device)
{
    return device->name[5] - '0'; /* "mock:0" */
}

/* Notes a call, and says whether it is this one's turn to fail. */
static hone_status note(mock_record record)
{
    if (record.call <= MOCK_EXECUTE && order.countdown && (order.call == MOCK_ANY || order.call == record.call) &&
        --order.countdown == 0) {
        order.done = true;
        record.gave = hone_fail(order.status, "mock: %s was told to fail", call_names[record.call]);
    }
    counts[record.call]++;
    if (record_count == record_room) {
        int          room = record_room ? 2 * record_room : 256;
        mock_record *more = realloc(records, (size_t)room * sizeof *more);
        if (!more) abort();
        records = more;
        record_room = room;
    }
    records[record_count++] = record;
    return record.gave;
}

static hone_status note_on(mock_call call, const hone_be_device *device, size_t bytes)
{
    return note((mock_record){.call = call, .device = device_index(device), .bytes = bytes});
}

/* Every call on a stream goes through here, so that two threads in one stream are seen. */
static mock_stream *enter(hone_be_stream *base)
{
    mock_stream *stream = (mock_stream *)base;
    pthread_mutex_lock(&lock);
    if (stream->busy) complain("two threads are in one stream");
    stream->busy = true;
    pthread_mutex_unlock(&lock);
    pthread_mutex_lock(&lock); /* a second thread may come in between */
    return stream;
}

static hone_status leave(mock_stream *stream, hone_status status)
{
    stream->busy = false;
    pthread_mutex_unlock(&lock);
    return status;
}

/* --- arithmetic ------------------------------------------------------------------------------------------------- */

static double load(const char *at, int64_t index, hone_dtype type)
{
    if (type == HONE_F64) return ((const double *)(const void *)at)[index];
    return (double)((const float *)(const void *)at)[index];
}

static void store(char *at, int64_t index, hone_dtype type, double value)
{
    if (type == HONE_F64)
        ((double *)(void *)at)[index] = value;
    else
        ((float *)(void *)at)[index] = (float)value;
}

static double step_of(const hone_matmul_problem *p, int s, double x, char *operand, double value, int64_t matrix,
                      int64_t i, int64_t j)
{
    const hone_epilogue_step *step = &p->step[s];
    hone_dtype                type = (hone_dtype)p->type_c;
    int64_t                   at =
        hone_matmul_batch_offset(p, step->batch_stride, matrix) + i * step->row_stride + j * step->column_stride;
    switch ((hone_step_kind)step->kind) {
    case HONE_STEP_BIAS:
    case HONE_STEP_BIAS_ROWS:
    case HONE_STEP_RESIDUAL: return x + load(operand, at, type);
    case HONE_STEP_RELU: return x > 0 || isnan(x) ? x : 0;
    case HONE_STEP_SCALE: return x * value;
    case HONE_STEP_SCALE_COLUMNS:
    case HONE_STEP_SCALE_ROWS: return x * load(operand, at, type);
    case HONE_STEP_SHIFT: return x + value;
    case HONE_STEP_STORE: store(operand, at, type, x); return x;
    case HONE_STEP_RELU_GRADIENT: return load(operand, at, type) > 0 ? x : 0;
    default: complain("a step was launched that the mock refuses"); return x;
    }
}

static void multiply(const hone_matmul_problem *p, char *const *at, const hone_scalar *scalars)
{
    hone_dtype type = (hone_dtype)p->type_c;
    for (int64_t matrix = 0; matrix < hone_matmul_batch(p); matrix++) {
        int64_t a = hone_matmul_batch_offset(p, p->a_batch, matrix),
                b = hone_matmul_batch_offset(p, p->b_batch, matrix);
        int64_t c = hone_matmul_batch_offset(p, p->c_batch, matrix);
        for (int64_t i = 0; i < p->m; i++)
            for (int64_t j = 0; j < p->n; j++) {
                double  x = 0;
                int64_t place = c + i * p->c_row + j * p->c_column;
                for (int64_t l = 0; l < p->k; l++)
                    x += load(at[HONE_MATMUL_A], a + i * p->a_row + l * p->a_column, type) *
                         load(at[HONE_MATMUL_B], b + l * p->b_row + j * p->b_column, type);
                x *= scalars[HONE_MATMUL_ALPHA].value;
                if (p->reads_c) x += scalars[HONE_MATMUL_BETA].value * load(at[HONE_MATMUL_C], place, type);
                for (int s = 0; s < p->step_count; s++)
                    x = step_of(p, s, x, at[HONE_MATMUL_STEP0 + s], scalars[HONE_MATMUL_VALUE0 + s].value, matrix, i,
                                j);
                store(at[HONE_MATMUL_C], place, type, x);
            }
    }
}

static void execute(const prepared *ready, const hone_span *span, const hone_scalar *scalar, int count,
                    const hone_span *scratch)
{
    char *at[HONE_ROLES_MAX] = {0};
    for (int i = 0; i < count; i++)
        if (span[i].buffer) at[i] = ((mock_buffer *)span[i].buffer)->far + span[i].offset;
    if (ready->scratch_bytes) {
        char *room = ((mock_buffer *)scratch->buffer)->far + scratch->offset;
        memset(room, 0xa5, ready->scratch_bytes); /* all that was asked for is there */
    }
    multiply(&ready->problem, at, scalar);
}

/* --- the queue, under the lock ----------------------------------------------------------------------------------- */

static void queue(mock_stream *stream, const task *wanted)
{
    task *it = malloc(sizeof *it);
    if (!it) abort();
    *it = *wanted;
    it->next = NULL;
    *stream->end = it;
    stream->end = &it->next;
    stream->queued++;
}

static bool uses_buffer(const task *it, const mock_buffer *buffer)
{
    const hone_be_buffer *base = &buffer->base;
    for (int i = 0; i < it->arguments.count; i++)
        if (it->span[i].buffer == base) return true;
    return it->scratch.buffer == base || it->buffer == buffer;
}

/* What is destroyed under queued work is a broken promise: told, and the work is not done. */
static void forbid(const prepared *ready, const mock_buffer *buffer, const char *what)
{
    for (const mock_stream *s = streams; s; s = s->next)
        for (task *it = s->first; it; it = it->next)
            if (it->kind != TASK_NOTHING && ((ready && it->ready == ready) || (buffer && uses_buffer(it, buffer)))) {
                complain(what);
                it->kind = TASK_NOTHING;
            }
}

static bool stream_lives(const mock_stream *stream)
{
    for (const mock_stream *s = streams; s; s = s->next)
        if (s == stream) return true;
    return false;
}

static void drain(mock_stream *stream, uint64_t until);

static void do_task(mock_stream *stream, task *it)
{
    hone_status status;
    switch (it->kind) {
    case TASK_LAUNCH:
        status = note((mock_record){.call = MOCK_EXECUTE,
                                    .device = it->ready->device,
                                    .ticket = it->ticket,
                                    .kernel = mock_module.kernels[it->ready->kernel]->name});
        if (status == HONE_OK) {
            execute(it->ready, it->span, it->scalar, it->arguments.count, &it->scratch);
        } else if (stream->fault == HONE_OK) {
            stream->fault = status;
            stream->failed_ticket = it->ticket;
        }
        break;
    case TASK_WRITE: memcpy(it->buffer->far + it->offset, it->host, it->bytes); break;
    case TASK_READ: memcpy(it->host, it->buffer->far + it->offset, it->bytes); break;
    case TASK_WAIT_EVENT:
        if (it->event.stream != stream && stream_lives(it->event.stream)) drain(it->event.stream, it->event.until);
        break;
    case TASK_NOTHING: return;
    }
}

static void drain(mock_stream *stream, uint64_t until)
{
    while (stream->first && stream->done < until) {
        task *it = stream->first;
        stream->first = it->next;
        if (!stream->first) stream->end = &stream->first;
        stream->done++;
        do_task(stream, it);
        free(it);
    }
}

/* --- devices and streams ------------------------------------------------------------------------------------------ */

static hone_status mock_open(const hone_backend_options *options, void **self, hone_be_device ***devices, int *count)
{
    (void)options;
    *self = NULL;
    *devices = NULL;
    *count = 0;
    pthread_mutex_lock(&lock);
    hone_status status = note((mock_record){.call = MOCK_OPEN});
    pthread_mutex_unlock(&lock);
    HONE_TRY(status);
    mock_self *it = hone_alloc(1, sizeof *it);
    if (!it) return HONE_ERROR_MEMORY;
    for (int i = 0; i < DEVICES; i++) {
        hone_be_device *device = it->list[i] = &it->device[i];
        device->backend = mock_module.backend;
        snprintf(device->name, sizeof device->name, "mock:%d", i);
        snprintf(device->label, sizeof device->label, "A mock");
        snprintf(device->instructions, sizeof device->instructions, "none");
        snprintf(device->fingerprint, sizeof device->fingerprint, "mock of tests/");
        device->memory_bytes = mock.memory_bytes;
        device->threads = 1;
    }
    *self = it;
    *devices = it->list;
    *count = DEVICES;
    pthread_mutex_lock(&lock);
    live++;
    pthread_mutex_unlock(&lock);
    return HONE_OK;
}

static void mock_close(void *self)
{
    pthread_mutex_lock(&lock);
    note((mock_record){.call = MOCK_CLOSE});
    if (self) live--;
    pthread_mutex_unlock(&lock);
    hone_free(self);
}

static hone_status stream_create(hone_be_device *device, hone_be_stream **out)
{
    *out = NULL;
    pthread_mutex_lock(&lock);
    hone_status status = note_on(MOCK_STREAM_CREATE, device, 0);
    pthread_mutex_unlock(&lock);
    HONE_TRY(status);
    mock_stream *it = hone_alloc(1, sizeof *it);
    if (!it) return HONE_ERROR_MEMORY;
    it->base = (hone_be_stream){device, {NULL, 1}};
    it->end = &it->first;
    pthread_mutex_lock(&lock);
    it->next = streams;
    streams = it;
    live++;
    pthread_mutex_unlock(&lock);
    *out = &it->base;
    return HONE_OK;
}

static void stream_destroy(hone_be_stream *base)
{
    mock_stream *stream = enter(base);
    note_on(MOCK_STREAM_DESTROY, base->device, 0);
    if (stream->first) {
        complain("a stream was destroyed that has work queued");
        drain(stream, stream->queued);
    }
    for (mock_stream **at = &streams; *at; at = &(*at)->next)
        if (*at == stream) {
            *at = stream->next;
            break;
        }
    live--;
    (void)leave(stream, HONE_OK);
    hone_free(stream);
}

static void stream_ticket(hone_be_stream *base, uint64_t ticket)
{
    mock_stream *stream = enter(base);
    note((mock_record){.call = MOCK_STREAM_TICKET, .device = device_index(base->device), .ticket = ticket});
    if (ticket <= stream->ticket) complain("tickets do not rise");
    stream->ticket = ticket;
    (void)leave(stream, HONE_OK);
}

static hone_status stream_wait(hone_be_stream *base, uint64_t *failed_ticket)
{
    mock_stream *stream = enter(base);
    *failed_ticket = 0;
    drain(stream, stream->queued);
    hone_status status = stream->fault;
    if (status != HONE_OK) {
        *failed_ticket = stream->failed_ticket;
        stream->fault = HONE_OK;
        stream->failed_ticket = 0;
        hone_fail(status, "mock: execute was told to fail");
    } else {
        status = note_on(MOCK_STREAM_WAIT, base->device, 0);
    }
    return leave(stream, status);
}

/* --- buffers ------------------------------------------------------------------------------------------------------ */

static hone_status buffer_make(mock_call call, hone_be_device *device, void *memory, size_t bytes, hone_be_buffer **out)
{
    *out = NULL;
    pthread_mutex_lock(&lock);
    hone_status status = note_on(call, device, bytes);
    pthread_mutex_unlock(&lock);
    HONE_TRY(status);
    HONE_CHECK(memory || bytes <= device->memory_bytes, HONE_ERROR_MEMORY, "%s has no %zu bytes, it has %" PRIu64,
               device->name, bytes, device->memory_bytes);
    mock_buffer *it = hone_alloc(1, sizeof *it);
    if (!it) return HONE_ERROR_MEMORY;
    if (!memory && !(memory = it->own = hone_alloc_raw(bytes, HONE_CACHE_LINE))) {
        hone_free(it);
        return HONE_ERROR_MEMORY;
    }
    it->base = (hone_be_buffer){device, bytes, mock.reach ? memory : NULL};
    it->far = memory;
    pthread_mutex_lock(&lock);
    live++;
    pthread_mutex_unlock(&lock);
    *out = &it->base;
    return HONE_OK;
}

static hone_status buffer_create(hone_be_device *device, size_t bytes, hone_be_buffer **out)
{
    return buffer_make(MOCK_BUFFER_CREATE, device, NULL, bytes, out);
}

static hone_status buffer_adopt(hone_be_device *device, void *memory, size_t bytes, hone_be_buffer **out)
{
    return buffer_make(MOCK_BUFFER_ADOPT, device, memory, bytes, out);
}

static void buffer_destroy(hone_be_buffer *base)
{
    mock_buffer *buffer = (mock_buffer *)base;
    pthread_mutex_lock(&lock);
    note_on(MOCK_BUFFER_DESTROY, base->device, base->bytes);
    forbid(NULL, buffer, "a buffer was destroyed that queued work uses");
    live--;
    pthread_mutex_unlock(&lock);
    hone_free(buffer->mapped);
    hone_free(buffer->own);
    hone_free(buffer);
}

static hone_status buffer_write(hone_be_stream *base, hone_be_buffer *to, size_t offset, const void *host, size_t bytes)
{
    mock_stream *stream = enter(base);
    mock_buffer *buffer = (mock_buffer *)to;
    hone_status  status = note_on(MOCK_BUFFER_WRITE, base->device, bytes);
    task it = {.kind = TASK_WRITE, .buffer = buffer, .offset = offset, .bytes = bytes, .host = (void *)(uintptr_t)host};
    if (offset > to->bytes || bytes > to->bytes - offset)
        complain("a write past the end of a buffer");
    else if (status == HONE_OK && mock.late)
        queue(stream, &it);
    else if (status == HONE_OK)
        memcpy(buffer->far + offset, host, bytes);
    return leave(stream, status);
}

static hone_status buffer_read(hone_be_stream *base, hone_be_buffer *from, size_t offset, void *host, size_t bytes)
{
    mock_stream *stream = enter(base);
    mock_buffer *buffer = (mock_buffer *)from;
    hone_status  status = note_on(MOCK_BUFFER_READ, base->device, bytes);
    task         it = {.kind = TASK_READ, .buffer = buffer, .offset = offset, .bytes = bytes, .host = host};
    if (offset > from->bytes || bytes > from->bytes - offset)
        complain("a read past the end of a buffer");
    else if (status == HONE_OK && mock.late)
        queue(stream, &it);
    else if (status == HONE_OK)
        memcpy(host, buffer->far + offset, bytes);
    return leave(stream, status);
}

static hone_status buffer_map(hone_be_stream *base, hone_be_buffer *what, void **out)
{
    mock_stream *stream = enter(base);
    mock_buffer *buffer = (mock_buffer *)what;
    hone_status  status = note_on(MOCK_BUFFER_MAP, base->device, what->bytes);
    *out = NULL;
    if (buffer->mapped) complain("a buffer was mapped twice");
    (void)leave(stream, HONE_OK);
    HONE_TRY(status);
    if (what->host) {
        *out = what->host;
        return HONE_OK;
    }
    buffer->mapped = hone_alloc_raw(what->bytes, HONE_CACHE_LINE);
    if (!buffer->mapped) return HONE_ERROR_MEMORY;
    memcpy(buffer->mapped, buffer->far, what->bytes);
    *out = buffer->mapped;
    return HONE_OK;
}

static hone_status buffer_unmap(hone_be_stream *base, hone_be_buffer *what)
{
    mock_stream *stream = enter(base);
    mock_buffer *buffer = (mock_buffer *)what;
    hone_status  status = note_on(MOCK_BUFFER_UNMAP, base->device, what->bytes);
    if (status == HONE_OK && buffer->mapped) {
        memcpy(buffer->far, buffer->mapped, what->bytes);
        hone_free(buffer->mapped);
        buffer->mapped = NULL;
    }
    return leave(stream, status);
}

/* --- events ------------------------------------------------------------------------------------------------------- */

static hone_status event_create(hone_be_device *device, hone_be_event **out)
{
    *out = NULL;
    pthread_mutex_lock(&lock);
    hone_status status = note_on(MOCK_EVENT_CREATE, device, 0);
    pthread_mutex_unlock(&lock);
    HONE_TRY(status);
    mock_event *it = hone_alloc(1, sizeof *it);
    if (!it) return HONE_ERROR_MEMORY;
    it->base.device = device;
    pthread_mutex_lock(&lock);
    live++;
    pthread_mutex_unlock(&lock);
    *out = &it->base;
    return HONE_OK;
}

static void event_destroy(hone_be_event *base)
{
    mock_event *event = (mock_event *)base;
    pthread_mutex_lock(&lock);
    note_on(MOCK_EVENT_DESTROY, base->device, 0);
    live--;
    pthread_mutex_unlock(&lock);
    hone_free(event);
}

static hone_status event_record(hone_be_event *base, hone_be_stream *on)
{
    mock_stream *stream = enter(on);
    mock_event  *event = (mock_event *)base;
    hone_status  status = note_on(MOCK_EVENT_RECORD, base->device, 0);
    if (status == HONE_OK) {
        event->stream = stream;
        event->until = stream->queued;
    }
    return leave(stream, status);
}

static hone_status event_wait(hone_be_event *base)
{
    mock_event *event = (mock_event *)base;
    pthread_mutex_lock(&lock);
    hone_status status = note_on(MOCK_EVENT_WAIT, base->device, 0);
    if (status == HONE_OK && event->stream && stream_lives(event->stream)) drain(event->stream, event->until);
    pthread_mutex_unlock(&lock);
    return status;
}

static hone_status stream_wait_event(hone_be_stream *on, hone_be_event *base)
{
    mock_stream *stream = enter(on);
    mock_event  *event = (mock_event *)base;
    hone_status  status = note_on(MOCK_STREAM_WAIT_EVENT, on->device, 0);
    task         it = {.kind = TASK_WAIT_EVENT, .event = *event};
    if (status == HONE_OK && mock.late && event->stream) queue(stream, &it);
    return leave(stream, status);
}

/* --- kernels ------------------------------------------------------------------------------------------------------ */

static const char *refuses(const hone_request *request, int kernel)
{
    const hone_matmul_problem *p = request->problem;
    if (mock.kernel[kernel].refusal) return mock.kernel[kernel].refusal;
    if (p->pointers) return "it takes no arrays of pointers";
    if (hone_matmul_packed_b(p)) return HONE_MATMUL_PACKED_REFUSED;
    if (p->type_c != HONE_F64 && hone_matmul_not_all(p, HONE_F32)) return hone_matmul_not_all(p, HONE_F32);
    if (hone_matmul_operand_steps(p)) return HONE_MATMUL_OPERAND_STEPS_REFUSED;
    for (int s = 0; s < p->step_count; s++)
        if (!hone_step_exact((hone_step_kind)p->step[s].kind)) return "it knows steps that are exact, and no others";
    return NULL;
}

static hone_status prepare(const hone_request *request, void **ready, hone_needs *needs, int kernel)
{
    *ready = NULL;
    pthread_mutex_lock(&lock);
    hone_status status = note((mock_record){.call = MOCK_PREPARE,
                                            .device = device_index(request->device),
                                            .kernel = mock_module.kernels[kernel]->name});
    pthread_mutex_unlock(&lock);
    HONE_TRY(status);
    HONE_CHECK(!mock.kernel[kernel].refuses_prepare, HONE_ERROR_UNSUPPORTED, "mock: this kernel thought better of it");
    prepared *it = hone_alloc(1, sizeof *it);
    if (!it) return HONE_ERROR_MEMORY;
    it->kernel = kernel;
    it->device = device_index(request->device);
    memcpy(&it->problem, request->problem, sizeof it->problem);
    it->scratch_bytes = kernel == MOCK_HUNGRY ? mock.scratch_bytes : 0;
    needs->scratch_bytes = it->scratch_bytes;
    pthread_mutex_lock(&lock);
    live++;
    pthread_mutex_unlock(&lock);
    *ready = it;
    return HONE_OK;
}

/* The device sees its own memory alone. */
static hone_status check_spans(const prepared *ready, const hone_be_device *device, const hone_arguments *arguments)
{
    const hone_matmul_problem *p = &ready->problem;
    for (int i = 0; i < arguments->count; i++) {
        bool wanted = i < HONE_MATMUL_STEP0 ||
                      hone_step_operand_of((hone_step_kind)p->step[i - HONE_MATMUL_STEP0].kind) != HONE_OPERAND_NONE;
        HONE_CHECK(!wanted || arguments->at[i].buffer, HONE_ERROR_ARGUMENT,
                   "%s: operand %d is in host memory, which %s does not reach; put it into a buffer",
                   mock_module.kernels[ready->kernel]->name, i, device->name);
    }
    return HONE_OK;
}

static hone_status launch_on(mock_stream *stream, prepared *ready, const hone_arguments *arguments, hone_span scratch)
{
    task it = {
        .kind = TASK_LAUNCH, .ready = ready, .ticket = stream->ticket, .arguments = *arguments, .scratch = scratch};
    HONE_TRY(note((mock_record){.call = MOCK_LAUNCH,
                                .device = ready->device,
                                .ticket = stream->ticket,
                                .bytes = scratch.bytes,
                                .kernel = mock_module.kernels[ready->kernel]->name}));
    HONE_TRY(check_spans(ready, stream->base.device, arguments));
    if (ready->device != device_index(stream->base.device)) complain("a plan was launched on another device");
    if (scratch.bytes < ready->scratch_bytes) complain("a launch got too little scratch");
    memcpy(it.span, arguments->at, (size_t)arguments->count * sizeof *it.span);
    memcpy(it.scalar, arguments->scalars, (size_t)arguments->scalar_count * sizeof *it.scalar);
    if (mock.late)
        queue(stream, &it);
    else
        execute(ready, it.span, it.scalar, arguments->count, &it.scratch);
    return HONE_OK;
}

static hone_status launch(void *ready, hone_be_stream *base, const hone_arguments *arguments, hone_span scratch)
{
    mock_stream *stream = enter(base);
    return leave(stream, launch_on(stream, ready, arguments, scratch));
}

static void release(void *ready)
{
    prepared *it = ready;
    pthread_mutex_lock(&lock);
    note((mock_record){.call = MOCK_RELEASE, .device = it->device, .kernel = mock_module.kernels[it->kernel]->name});
    forbid(it, NULL, "a plan was released that queued work uses");
    live--;
    pthread_mutex_unlock(&lock);
    hone_free(it);
}

static int suggest_none(const hone_request *request, hone_config *configs, int cap)
{
    (void)request;
    if (cap < 1) return 0;
    memset(&configs[0], 0, sizeof configs[0]);
    return 1;
}

static const char *plain_refuses(const hone_request *request)
{
    return refuses(request, MOCK_PLAIN);
}

static double plain_estimate(const hone_request *request, const hone_config *config)
{
    (void)request;
    (void)config;
    return mock.kernel[MOCK_PLAIN].seconds;
}

static hone_status plain_prepare(const hone_request *request, const hone_config *config, const hone_details *details,
                                 void **ready, hone_needs *needs)
{
    (void)config;
    (void)details;
    return prepare(request, ready, needs, MOCK_PLAIN);
}

static const hone_kernel plain = {
    .name = "mock.plain",
    .op = "matmul",
    .op_version = 2,
    .problem_size = sizeof(hone_matmul_problem),
    .backend = "mock",
    .version = 1,
    .properties = HONE_BITWISE_ALL,
    .refuses = plain_refuses,
    .suggest = suggest_none,
    .estimate = plain_estimate,
    .prepare = plain_prepare,
    .launch = launch,
    .release = release,
};

/* Has something to tune: blocks of 2 are the fastest, blocks of 4 the standard. */
static const int64_t        blocks[] = {1, 2, 4};
static const hone_parameter quick_parameters[] = {{"block", 4, 3, blocks, NULL, "how much at once"}};
static const hone_space     quick_space = {1, quick_parameters, 0, NULL, 0, NULL};

static const char *quick_refuses(const hone_request *request)
{
    return refuses(request, MOCK_QUICK);
}

static int quick_suggest(const hone_request *request, hone_config *configs, int cap)
{
    (void)request;
    int count = cap < 3 ? cap : 3;
    for (int i = 0; i < count; i++) configs[i] = (hone_config){{blocks[i]}};
    return count;
}

static double quick_estimate(const hone_request *request, const hone_config *config)
{
    (void)request;
    return mock.kernel[MOCK_QUICK].seconds * (config->value[0] == 2 ? 1 : 1.5);
}

static hone_status quick_prepare(const hone_request *request, const hone_config *config, const hone_details *details,
                                 void **ready, hone_needs *needs)
{
    (void)config;
    (void)details;
    return prepare(request, ready, needs, MOCK_QUICK);
}

static const hone_kernel quick = {
    .name = "mock.quick",
    .op = "matmul",
    .op_version = 2,
    .problem_size = sizeof(hone_matmul_problem),
    .backend = "mock",
    .version = 1,
    .properties = HONE_BITWISE_RUNS, /* not for deterministic contexts */
    .refuses = quick_refuses,
    .space = &quick_space,
    .suggest = quick_suggest,
    .estimate = quick_estimate,
    .prepare = quick_prepare,
    .launch = launch,
    .release = release,
};

static const char *hungry_refuses(const hone_request *request)
{
    return refuses(request, MOCK_HUNGRY);
}

static double hungry_estimate(const hone_request *request, const hone_config *config)
{
    (void)request;
    (void)config;
    return mock.kernel[MOCK_HUNGRY].seconds;
}

static hone_status hungry_prepare(const hone_request *request, const hone_config *config, const hone_details *details,
                                  void **ready, hone_needs *needs)
{
    (void)config;
    (void)details;
    return prepare(request, ready, needs, MOCK_HUNGRY);
}

static const hone_kernel hungry = {
    .name = "mock.hungry",
    .op = "matmul",
    .op_version = 2,
    .problem_size = sizeof(hone_matmul_problem),
    .backend = "mock",
    .version = 1,
    .properties = HONE_BITWISE_ALL,
    .refuses = hungry_refuses,
    .suggest = suggest_none,
    .estimate = hungry_estimate,
    .prepare = hungry_prepare,
    .launch = launch,
    .release = release,
};

static const hone_kernel *const kernels[] = {&plain, &quick, &hungry, NULL};

static const hone_backend backend = {
    .abi = HONE_BACKEND_ABI,
    .name = "mock",
    .open = mock_open,
    .close = mock_close,
    .stream_create = stream_create,
    .stream_destroy = stream_destroy,
    .stream_ticket = stream_ticket,
    .stream_wait = stream_wait,
    .buffer_create = buffer_create,
    .buffer_adopt = buffer_adopt,
    .buffer_destroy = buffer_destroy,
    .buffer_write = buffer_write,
    .buffer_read = buffer_read,
    .buffer_map = buffer_map,
    .buffer_unmap = buffer_unmap,
    .event_create = event_create,
    .event_destroy = event_destroy,
    .event_record = event_record,
    .event_wait = event_wait,
    .stream_wait_event = stream_wait_event,
};

const hone_module mock_module = {HONE_MODULE_ABI, "mock", &backend, NULL, kernels};

hone_status mock_context(const hone_context_options *options, hone_context **out)
{
    static const hone_module *const modules[] = {&mock_module};
    return hone_rt_context_create(options, modules, 1, out);
}
