/* cpu.panels: packing into hone's own layouts and back, on this CPU. A panel is a unit of work, claimed by threads; it
 * is copied by the packing of the tiles' kit where the plain side is contiguous one way, else element by element. Types
 * that no tile is of, bf16, f16 and those of 8 bits, are copied here, and so are layouts with several k together; of
 * four bits, one by one, but for columns that lie in one piece and are packed by words of eight. */
#include "backends/cpu/cpu.h"
#include "base/alloc.h"
#include "base/status.h"
#include "kernels/kernel.h"
#include "kernels/matmul/frame.h"
#include "kernels/matmul_pack/problem.h"

typedef struct panels_plan {
    hone_matmul_pack_problem p;
    void (*pack)(const hone_matmul_pack_job *job);
    int64_t                  width, panels, group;
    int                      threads, bytes;
    bool                     halves; /* four bits an element: bytes is 0 */
} panels_plan;

typedef struct panels_work {
    const panels_plan *plan;
    char              *plain, *packed;
    int64_t            units;
    int                chunks;
} panels_work;

/* Lines of 16 bits an element, a square of them at a time, so that what lies across is fetched once. */
static void pack_16(const hone_matmul_pack_job *job)
{
    enum { SIDE = 32 };
    const uint16_t *from = job->from;
    uint16_t       *to = job->to;
    for (int64_t line = 0; line < job->lines; line += SIDE)
        for (int64_t at = 0; at < job->length; at += SIDE) {
            const int64_t lines = hone_min(job->lines, line + SIDE), ends = hone_min(job->length, at + SIDE);
            for (int64_t i = line; i < lines; i++) {
                const uint16_t *x = from + i * job->from_line;
                uint16_t       *y = to + i * job->to_line;
                if (job->from_at == 1)
                    memcpy(y + at, x + at, (size_t)(ends - at) * sizeof *y);
                else
                    for (int64_t j = at; j < ends; j++) y[j] = x[j * job->from_at];
            }
        }
    for (int64_t line = 0; job->length < job->width && line < job->lines; line++)
        memset(to + line * job->to_line + job->length, 0, (size_t)(job->width - job->length) * sizeof *to);
}

/* The same of 8 bits. */
static void pack_8(const hone_matmul_pack_job *job)
{
    enum { SIDE = 64 };
    const char *from = job->from;
    char       *to = job->to;
    for (int64_t line = 0; line < job->lines; line += SIDE)
        for (int64_t at = 0; at < job->length; at += SIDE) {
            const int64_t lines = hone_min(job->lines, line + SIDE), ends = hone_min(job->length, at + SIDE);
            for (int64_t i = line; i < lines; i++) {
                const char *x = from + i * job->from_line;
                char       *y = to + i * job->to_line;
                if (job->from_at == 1)
                    memcpy(y + at, x + at, (size_t)(ends - at));
                else
                    for (int64_t j = at; j < ends; j++) y[j] = x[j * job->from_at];
            }
        }
    for (int64_t line = 0; job->length < job->width && line < job->lines; line++)
        memset(to + line * job->to_line + job->length, 0, (size_t)(job->width - job->length));
}

/* One group of k of one panel, elements of `size` bytes: from rows `row` bytes apart, columns `column` bytes apart. */
static inline void interleave(const char *from, int64_t row, int64_t column, int64_t rows, int64_t columns,
                              int64_t group, char *to, size_t size, bool back)
{
    for (int64_t j = 0; j < columns; j++)
        for (int64_t g = 0; g < rows; g++) {
            char       *packed = to + (j * group + g) * (int64_t)size;
            const char *plain = from + g * row + j * column;
            if (back)
                memcpy((char *)(uintptr_t)plain, packed, size);
            else
                memcpy(packed, plain, size);
        }
}

static void group_of_k(const char *from, int64_t row, int64_t column, int64_t rows, int64_t columns, int64_t group,
                       char *to, int size, bool back)
{
    if (size == 1 && column == 1 && group == 4 && rows == 4) /* the usual ones, so that they are made well */
        interleave(from, row, 1, 4, columns, 4, to, 1, back);
    else if (size == 2 && column == 2 && group == 2 && rows == 2)
        interleave(from, row, 2, 2, columns, 2, to, 2, back);
    else if (size == 1)
        interleave(from, row, column, rows, columns, group, to, 1, back);
    else if (size == 2)
        interleave(from, row, column, rows, columns, group, to, 2, back);
    else
        interleave(from, row, column, rows, columns, group, to, (size_t)size, back);
}

static const char *panels_refuses(const hone_request *request)
{
    const hone_matmul_pack_problem *p = request->problem;
    if (!hone_matmul_layout_width(p->layout)) return "the layout is a kernel's own";
    if (hone_dtype_bits((hone_dtype)p->type) > 16 && !hone_matmul_tile_for(request->device, p->type))
        return "no tile for this type";
    return NULL;
}

static int panels_suggest(const hone_request *request, hone_config *configs, int cap)
{
    (void)request;
    if (cap < 1) return 0;
    hone_config_standard(NULL, configs);
    return 1;
}

static double panels_estimate(const hone_request *request, const hone_config *config)
{
    const hone_matmul_pack_problem *p = request->problem;
    const double                    bytes = (double)p->count * (double)p->bytes;
    (void)config;
    return 1e-7 + 2 * hone_matmul_read_seconds(request->device, 2 * bytes, 2 * bytes);
}

static hone_status panels_prepare(const hone_request *request, const hone_config *config, const hone_details *details,
                                  void **ready, hone_needs *needs)
{
    (void)config, (void)details;
    panels_plan *plan = hone_alloc(1, sizeof *plan);
    if (!plan) return HONE_ERROR_MEMORY;
    plan->p = *(const hone_matmul_pack_problem *)request->problem;
    /* The kits of short types widen what they copy; panels keep it as it is. */
    const hone_matmul_tile *tile = hone_matmul_tile_for(request->device, plan->p.type);
    const int bits = hone_dtype_bits((hone_dtype)plan->p.type);
    plan->pack = tile && bits > 16 ? tile->kit->pack : bits == 16 ? pack_16 : pack_8;
    plan->group = hone_matmul_layout_group(plan->p.layout);
    plan->width = hone_matmul_layout_width(plan->p.layout);
    plan->panels = hone_divide_up(plan->p.n, plan->width);
    plan->bytes = hone_dtype_bits((hone_dtype)plan->p.type) / 8;
    plan->halves = bits == 4;
    /* panels of an odd number of columns may share a byte */
    plan->threads = plan->halves && plan->width % 2 ? 1 : request->threads;
    *needs = (hone_needs){0};
    *ready = plan;
    return HONE_OK;
}

static void panel_pack(const panels_plan *plan, const char *plain, char *packed, int64_t columns)
{
    const hone_matmul_pack_problem *p = &plan->p;
    plan->pack(&(hone_matmul_pack_job){p->k, columns, plan->width, plain, p->row, p->column, packed, plan->width});
}

/* Lines of the plain side, whichever way they are contiguous. */
static void panel_unpack(const panels_plan *plan, char *plain, const char *packed, int64_t columns)
{
    const hone_matmul_pack_problem *p = &plan->p;
    if (p->column == 1) {
        plan->pack(&(hone_matmul_pack_job){p->k, columns, columns, packed, plan->width, 1, plain, p->row});
    } else if (p->row == 1) {
        plan->pack(&(hone_matmul_pack_job){columns, p->k, p->k, packed, 1, plan->width, plain, p->column});
    } else {
        for (int64_t k = 0; k < p->k; k++)
            for (int64_t j = 0; j < columns; j++)
                memcpy(plain + (k * p->row + j * p->column) * plan->bytes, packed + (k * plan->width + j) * plan->bytes,
                       (size_t)plan->bytes);
    }
}

/* There or back, with several k together. */
static void panel_grouped(const panels_plan *plan, char *plain, char *packed, int64_t columns)
{
    const hone_matmul_pack_problem *p = &plan->p;
    const int64_t group = plan->group, line = plan->width * group * plan->bytes;
    for (int64_t k = 0; k < p->k; k += group, packed += line) {
        const int64_t rows = hone_min(group, p->k - k);
        if (!p->unpack && (rows < group || columns < plan->width)) memset(packed, 0, (size_t)line);
        group_of_k(plain + k * p->row * plan->bytes, p->row * plan->bytes, p->column * plan->bytes, rows, columns,
                   group, packed, plan->bytes, p->unpack);
    }
}

static unsigned half_at(const uint8_t *from, int64_t index)
{
    return from[index >> 1] >> (4 * (index & 1)) & 15;
}

static void put_half(uint8_t *to, int64_t index, unsigned half)
{
    const int shift = 4 * (int)(index & 1);
    to[index >> 1] = (uint8_t)((to[index >> 1] & ~(15u << shift)) | half << shift);
}

/* A panel of elements of four bits, there or back: `plain` is its matrix, `packed` too. */
static void panel_halves(const panels_plan *plan, uint8_t *plain, uint8_t *packed, int64_t panel)
{
    const hone_matmul_pack_problem *p = &plan->p;
    const int64_t group = plan->group, first = panel * plan->width, columns = hone_min(plan->width, p->n - first);
    int64_t       at = panel * plan->width * hone_round_up(p->k, group); /* element of the packed matrix */
    for (int64_t k = 0; k < p->k; k += group)
        for (int64_t j = 0; j < plan->width; j++, at += group) {
            const int64_t from = k * p->row + (first + j) * p->column;
            if (!p->unpack && group == 8 && j < columns && p->row == 1 && k + group <= p->k && from % 2 == 0) {
                memcpy(packed + at / 2, plain + from / 2, 4);
                continue;
            }
            for (int64_t g = 0; g < group; g++) {
                const bool there = j < columns && k + g < p->k;
                if (!p->unpack)
                    put_half(packed, at + g, there ? half_at(plain, from + g * p->row) : 0);
                else if (there)
                    put_half(plain, from + g * p->row, half_at(packed, at + g));
            }
        }
}

static void worker(void *argument, int chunk)
{
    const panels_work              *work = argument;
    const panels_plan              *plan = work->plan;
    const hone_matmul_pack_problem *p = &plan->p;
    const int64_t begin = work->units * chunk / work->chunks, end = work->units * (chunk + 1) / work->chunks;
    for (int64_t unit = begin; unit < end; unit++) {
        const int64_t matrix = unit / plan->panels, panel = unit % plan->panels, column = panel * plan->width;
        const int64_t columns = hone_min(plan->width, p->n - column);
        if (plan->halves) { /* its matrices begin with a byte */
            panel_halves(plan, (uint8_t *)work->plain + matrix * p->matrix / 2,
                         (uint8_t *)work->packed + matrix * p->bytes, panel);
            continue;
        }
        char         *plain = work->plain + (matrix * p->matrix + column * p->column) * plan->bytes;
        const int64_t rows = hone_round_up(p->k, plan->group);
        char         *packed = work->packed + matrix * p->bytes + panel * rows * plan->width * plan->bytes;
        if (plan->group > 1)
            panel_grouped(plan, plain, packed, columns);
        else if (p->unpack)
            panel_unpack(plan, plain, packed, columns);
        else
            panel_pack(plan, plain, packed, columns);
    }
}

static hone_status panels_launch(void *ready, hone_be_stream *stream, const hone_arguments *arguments,
                                 hone_span scratch)
{
    enum { WORTH = 1 << 16 };          /* bytes of a chunk that are worth another thread */
    const double bytes_a_second = 10e9; /* presumed, of copying */
    const panels_plan              *plan = ready;
    const hone_matmul_pack_problem *p = &plan->p;
    panels_work work = {plan, hone_span_host(&arguments->at[p->unpack ? HONE_PACK_TO : HONE_PACK_FROM]),
                        hone_span_host(&arguments->at[p->unpack ? HONE_PACK_FROM : HONE_PACK_TO]),
                        p->count * plan->panels, 1};
    (void)scratch;
    if (!work.units || !p->k) return HONE_OK;
    const int threads = (int)hone_min(plan->threads, stream->team.count);
    if (threads > 1)
        work.chunks = (int)hone_max(1, hone_min(hone_min(work.units, 4 * threads), p->count * p->bytes / WORTH));
    hone_cpu_each(&stream->team, work.chunks, (double)(p->count * p->bytes) / bytes_a_second, worker, &work);
    return HONE_OK;
}

static void panels_release(void *ready)
{
    hone_free(ready);
}

extern const hone_kernel hone_matmul_pack_panels;
const hone_kernel        hone_matmul_pack_panels = {
    .name = "cpu.panels",
    .op = "matmul_pack",
    .op_version = 1,
    .problem_size = sizeof(hone_matmul_pack_problem),
    .backend = "cpu",
    .version = 1,
    .properties = HONE_BITWISE_ALL,
    .refuses = panels_refuses,
    .suggest = panels_suggest,
    .estimate = panels_estimate,
    .prepare = panels_prepare,
    .launch = panels_launch,
    .release = panels_release,
};
