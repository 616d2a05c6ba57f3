/* cpu.grouped: the grouped matmul kernel. Work is dealt out over all groups at once, so that threads end together
 * however uneven the groups are:
 *
 *     a group of some rows     pieces of its c, each done by one thread as cpu.packed does them (matmul/packed.h): the
 *                              group's b is copied into panels while the first strip of rows reads it. Columns are cut
 *                              first, for no b is then copied twice; rows where one group has more than its share
 *     a group of few           one unit: the product is that of a matmul kernel of few rows, made ready for each number
 *                              of rows at the beginning, whichever is believed to be quickest. Where there are fewer
 *                              such groups than keep the threads busy, each is done by all of them, one after another
 *
 * The largest groups come first, so that what is left for the end is small. Sums of groups over k (the gradient of b)
 * are all pieces. What a row's sums are depends on its group alone, never on threads. */
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "kernels/common/deal.h"
#include "kernels/matmul/packed.h"
#include "kernels/matmul_grouped/problem.h"

enum { TILE, MC, NC, KC, PACK_A, ORDER, THIN, PARAMETER_COUNT };
enum { THIN_MAX = 16, PIECES_EACH = 64, ROWS_WORTH = 128 }; /* of a piece, for b to be copied once more */

static const int64_t     mc_values[] = {56, 112, 168, 224, 280, 336, 448, 896, 1792, 1 << 20};
static const int64_t     nc_values[] = {64, 128, 192, 256, 384, 512, 768, 1024, 2048, 4096, 1 << 20};
static const int64_t     kc_values[] = {64, 96, 128, 192, 256, 320, 384, 512, 768, 1024, 2048};
static const int64_t     yes_or_no[] = {0, 1};
static const int64_t     thin_values[] = {0, 1, 2, 3, 4, 6, 8, 12, THIN_MAX};
static const char *const order_names[] = {"rows", "columns"};
#define COUNT(values) ((int)(sizeof(values) / sizeof((values)[0])))

static const hone_parameter parameters[PARAMETER_COUNT] = {
    [TILE] = HONE_MATMUL_TILE_PARAMETER,
    [MC] = {"mc", 1 << 20, COUNT(mc_values), mc_values, NULL, "rows of a piece, at most"},
    [NC] = {"nc", 2048, COUNT(nc_values), nc_values, NULL, "columns of a piece, at most"},
    [KC] = {"kc", 512, COUNT(kc_values), kc_values, NULL, "how much of k is done at a time, at most"},
    [PACK_A] = {"pack_a", 1, 2, yes_or_no, NULL, "copy strips of a"},
    [ORDER] = {"order", 0, 2, yes_or_no, order_names,
               "whose tiles follow each other: those of a strip of rows, or of a panel of columns"},
    [THIN] = {"thin", THIN_MAX, COUNT(thin_values), thin_values, NULL,
              "groups of up to so many rows are left to the kernels of few rows"},
};

static const hone_matmul_grouped_problem *problem_of(const hone_request *request)
{
    return request->problem;
}

static const hone_matmul_tile *tile_of(const hone_request *request, int64_t value)
{
    return hone_matmul_tile_named(request->device, (hone_dtype)problem_of(request)->one.type_b, value);
}

static const char *tile_refuses(const hone_request *request, const hone_config *config)
{
    return tile_of(request, config->value[TILE]) ? NULL : HONE_MATMUL_TILE_REFUSED;
}

static int64_t tile_stands(const hone_request *request, const hone_config *config)
{
    return tile_of(request, config->value[TILE]) - hone_matmul_tiles + 1;
}

/* What is widened is copied. */
static int64_t pack_a_stands(const hone_request *request, const hone_config *config)
{
    const hone_matmul_problem *one = &problem_of(request)->one;
    return hone_matmul_widened((hone_dtype)one->type_a) != (hone_dtype)one->type_a ? 1 : config->value[PACK_A];
}

/* Of sums there are no thin groups. */
static int64_t thin_stands(const hone_request *request, const hone_config *config)
{
    return problem_of(request)->sums ? parameters[THIN].standard : config->value[THIN];
}

static const hone_constraint constraints[] = {{1u << TILE, tile_refuses}};
static const hone_sameness   same[] = {{TILE, 0, tile_stands}, {PACK_A, 0, pack_a_stands}, {THIN, 0, thin_stands}};
static const hone_space      space = {PARAMETER_COUNT, parameters, COUNT(constraints), constraints, COUNT(same), same};

static const char *grouped_refuses(const hone_request *request)
{
    const hone_matmul_problem *one = &problem_of(request)->one;
    if (!hone_matmul_tile_for(request->device, (hone_dtype)one->type_a) ||
        !hone_matmul_tile_for(request->device, (hone_dtype)one->type_b))
        return "no tile for this type";
    return hone_matmul_sums_refused(one);
}

/* --- what is made ready ----------------------------------------------------------------------------------------- */

/* A matmul kernel made ready for groups of so many rows, for one thread and for all. */
typedef struct thin_way {
    const hone_kernel *kernel; /* NULL: none takes them */
    void              *alone, *together;
    double             seconds; /* believed, alone */
} thin_way;

typedef struct grouped_plan {
    hone_matmul_grouped_problem problem;
    hone_matmul_packed_plan     packed;
    int64_t                     mc; /* rows of a piece, at most */
    int64_t                     thin;
    thin_way                    way[THIN_MAX + 1];
    size_t                      room_bytes, together_bytes, table_bytes;
    double                      peak; /* operations a second */
} grouped_plan;

/* Do sums wait outside c? Where c has fewer bits, or may be a residual itself. */
static bool sums_wait(const hone_matmul_frame *f)
{
    bool residual = false;
    for (int s = 0; s < f->step_count; s++) residual |= f->step[s].kind == HONE_STEP_RESIDUAL;
    return residual || hone_matmul_narrows(f);
}

static size_t lines(int64_t bytes)
{
    return (size_t)hone_round_up(bytes, 64);
}

static void pieces_make(const hone_request *request, const hone_config *config, grouped_plan *out)
{
    enum { SUMS_BYTES = 4 << 20 };
    hone_matmul_packed_plan *packed = &out->packed;
    hone_matmul_packed_cut  *cut = &packed->cut;
    const hone_matmul_frame *f = &packed->frame;
    hone_matmul_frame_straight(&out->problem.one, &packed->frame);
    packed->tile = tile_of(request, config->value[TILE]);
    packed->kept = hone_matmul_tile_kept(packed->tile);
    packed->a_kit = hone_matmul_kit_beside(packed->tile, f->type_a);
    packed->pack_a = config->value[PACK_A] || f->bytes_a < f->bytes;
    packed->pack_b = true;
    packed->columns = config->value[ORDER];
    packed->threads = request->threads;

    const hone_matmul_tile *tile = packed->tile;
    const int64_t           panels = hone_max(hone_divide_up(f->n, tile->n), 1);
    cut->n_pieces = hone_divide_up(panels, hone_max(config->value[NC] / tile->n, 1));
    if (packed->threads > 1) {
        const int64_t wanted = hone_divide_up(PIECES_EACH * (int64_t)packed->threads, hone_max(out->problem.groups, 1));
        cut->n_pieces = hone_max(cut->n_pieces, hone_min(wanted, hone_divide_up(panels, 4)));
    }
    cut->nc = hone_divide_up(panels, cut->n_pieces) * tile->n;
    cut->kc = hone_max(hone_min(config->value[KC], f->k), 1);
    const bool sums = sums_wait(f) && f->k > cut->kc;
    out->mc = hone_min(config->value[MC], hone_max(f->m, 1));
    if (sums) out->mc = hone_max(hone_min(out->mc, SUMS_BYTES / (cut->nc * f->bytes)), tile->m);
    const int64_t strips = packed->columns ? hone_matmul_packed_strips(tile, out->mc) + 1 : 1;
    cut->a_bytes = packed->pack_a ? lines(strips * tile->m * hone_matmul_packed_line(f, cut->kc) * f->bytes) : 0;
    cut->b_bytes = lines(cut->kc * (packed->columns ? tile->n : cut->nc) * f->bytes);
    cut->c_bytes = sums ? lines(out->mc * cut->nc * f->bytes) : 0;
    out->peak = hone_matmul_peak(request->device, tile);
}

/* A group of m rows. Where it lies is told when it runs: it is aligned to its elements. */
static hone_request thin_request(const hone_request *request, const hone_matmul_problem *problem, int threads)
{
    hone_request   thin = *request;
    const unsigned a = (unsigned)hone_dtype_bits((hone_dtype)problem->type_a) / 8,
                   b = (unsigned)hone_dtype_bits((hone_dtype)problem->type_b) / 8,
                   c = (unsigned)hone_dtype_bits((hone_dtype)problem->type_c) / 8, ab = a < b ? a : b;
    thin.op = &hone_matmul_op;
    thin.problem = problem;
    thin.threads = threads;
    thin.alignment = ab < c ? ab : c;
    return thin;
}

/* The quickest of hone's own kernels for this problem on one thread, by their estimates; each promises the same bits
 * for any number of threads. */
static const hone_kernel *thin_choose(const hone_request *request, hone_config *config, double *seconds)
{
    const hone_kernel *best = NULL;
    for (const hone_kernel *const *kernel = hone_kernels; *kernel; kernel++) {
        hone_config its;
        if (strcmp((*kernel)->op, "matmul") || strcmp((*kernel)->backend, "cpu") ||
            ((*kernel)->properties & HONE_IS_REFERENCE) ||
            ((*kernel)->properties & HONE_BITWISE_ALL) != HONE_BITWISE_ALL || (*kernel)->refuses(request) ||
            (*kernel)->suggest(request, &its, 1) < 1)
            continue;
        const double takes = (*kernel)->estimate(request, &its);
        if (best && takes >= *seconds) continue;
        best = *kernel;
        *seconds = takes;
        *config = its;
    }
    return best;
}

static hone_matmul_problem thin_problem(const hone_matmul_grouped_problem *p, int64_t rows)
{
    hone_matmul_problem problem = p->one;
    problem.m = rows;
    return problem;
}

static hone_status thin_make(const hone_request *request, int64_t rows, grouped_plan *plan)
{
    const hone_matmul_problem problem = thin_problem(&plan->problem, rows);
    hone_request              alone = thin_request(request, &problem, 1);
    hone_request              all = thin_request(request, &problem, request->threads);
    thin_way                 *way = &plan->way[rows];
    hone_config               config;
    hone_needs                needs;
    const hone_kernel        *kernel = thin_choose(&alone, &config, &way->seconds);
    if (!kernel) return HONE_OK;
    hone_status status = kernel->prepare(&alone, &config, NULL, &way->alone, &needs);
    if (status == HONE_ERROR_UNSUPPORTED) return HONE_OK;
    HONE_TRY(status);
    way->kernel = kernel;
    if (needs.scratch_bytes > plan->room_bytes) plan->room_bytes = needs.scratch_bytes;
    if (request->threads < 2 || kernel->refuses(&all) || hone_config_refuses(&all, kernel, &config)) return HONE_OK;
    status = kernel->prepare(&all, &config, NULL, &way->together, &needs);
    if (status == HONE_ERROR_UNSUPPORTED) return HONE_OK;
    HONE_TRY(status);
    if (needs.scratch_bytes > plan->together_bytes) plan->together_bytes = needs.scratch_bytes;
    return HONE_OK;
}

static void grouped_release(void *ready)
{
    grouped_plan *plan = ready;
    for (int i = 0; i <= THIN_MAX; i++) {
        if (plan->way[i].alone) plan->way[i].kernel->release(plan->way[i].alone);
        if (plan->way[i].together) plan->way[i].kernel->release(plan->way[i].together);
    }
    hone_free(plan);
}

static hone_status grouped_prepare(const hone_request *request, const hone_config *config, const hone_details *details,
                                   void **ready, hone_needs *needs)
{
    (void)details;
    grouped_plan *plan = hone_alloc(1, sizeof *plan);
    hone_status   status = HONE_OK;
    if (!plan) return HONE_ERROR_MEMORY;
    plan->problem = *problem_of(request);
    pieces_make(request, config, plan);
    const hone_matmul_packed_cut *cut = &plan->packed.cut;
    plan->room_bytes = cut->a_bytes + cut->b_bytes + cut->c_bytes;
    plan->thin = plan->problem.sums ? 0 : hone_min(config->value[THIN], plan->problem.one.m);
    for (int64_t rows = 1; rows <= plan->thin && !status; rows++) status = thin_make(request, rows, plan);
    if (status) {
        grouped_release(plan);
        return status;
    }
    plan->room_bytes = lines((int64_t)plan->room_bytes);
    plan->table_bytes = lines((2 * plan->problem.groups + 1) * (int64_t)sizeof(int64_t));
    const size_t rooms = plan->room_bytes * (size_t)request->threads;
    needs->scratch_bytes = plan->table_bytes + (rooms > plan->together_bytes ? rooms : plan->together_bytes);
    *ready = plan;
    return HONE_OK;
}

/* --- one launch ------------------------------------------------------------------------------------------------- */

typedef struct grouped_work {
    const grouped_plan     *plan;
    hone_matmul_packed_work packed;
    hone_be_stream         *stream;
    const hone_arguments   *arguments;
    int64_t                 rows_each; /* of a piece, at most */
    const int64_t          *order;     /* the groups, largest first */
    const int64_t          *first;     /* unit of each in that order */
    _Atomic(int)            failed;    /* a status */
} grouped_work;

/* Who does a group of so many rows. */
static const thin_way *thin_of(const grouped_plan *plan, int64_t rows)
{
    return rows <= plan->thin && plan->way[rows].kernel ? &plan->way[rows] : NULL;
}

static int64_t group_offset(const grouped_work *work, int64_t g)
{
    return hone_matmul_grouped_offset(&work->plan->problem, work->arguments, g);
}

static int64_t rows_of(const grouped_work *work, int64_t g)
{
    return group_offset(work, g + 1) - group_offset(work, g);
}

static int64_t m_pieces_of(const grouped_work *work, int64_t rows)
{
    return hone_divide_up(rows, work->rows_each);
}

static int64_t units_of(const grouped_work *work, int64_t rows)
{
    const grouped_plan *plan = work->plan;
    if (plan->problem.sums) return m_pieces_of(work, plan->packed.frame.m) * plan->packed.cut.n_pieces;
    if (!rows) return 0;
    return thin_of(plan, rows) ? 1 : m_pieces_of(work, rows) * plan->packed.cut.n_pieces;
}

static void thin_run(grouped_work *work, const thin_way *way, void *ready, int64_t g, hone_span scratch)
{
    hone_matmul_grouped_part part;
    hone_matmul_grouped_part_of(&work->plan->problem, work->arguments, g, group_offset(work, g),
                                group_offset(work, g + 1), &part);
    const hone_status status = way->kernel->launch(ready, work->stream, &part.arguments, scratch);
    if (status) work->failed = (int)status;
}

static void piece_run(const grouped_work *work, int64_t g, int64_t index, char *room)
{
    const grouped_plan           *plan = work->plan;
    const hone_matmul_packed_cut *cut = &plan->packed.cut;
    const hone_matmul_frame      *f = &plan->packed.frame;
    const int64_t begin = group_offset(work, g), count = group_offset(work, g + 1) - begin;
    const bool    sums = plan->problem.sums;
    const int64_t m = sums ? f->m : count, m_pieces = m_pieces_of(work, m), i = index % m_pieces, j = index / m_pieces;
    const int64_t panels = hone_divide_up(f->n, plan->packed.tile->n);
    hone_matmul_packed_piece piece = {
        .k = sums ? count : f->k, .strip = room, .block = room + cut->a_bytes, .sums = NULL};
    hone_matmul_item_at(f, work->arguments, 0, &piece.item);
    if (sums) {
        piece.item.a += begin * f->a_k * f->bytes_a;
        piece.item.b += begin * f->b_k * f->bytes_b;
        piece.item.c += g * plan->problem.group_stride * f->bytes_c;
    } else {
        piece.item.b += g * plan->problem.group_stride * f->bytes_b;
    }
    for (int s = 0; s < f->step_count; s++) {
        hone_epilogue_now *step = &piece.item.step[s];
        if (step->at) step->at = (char *)step->at + g * plan->problem.step_group[s] * (hone_dtype_bits(step->type) / 8);
    }
    piece.i = i * m / m_pieces;
    piece.m = (i + 1) * m / m_pieces - piece.i;
    if (!sums) piece.i += begin;
    piece.j = j * panels / cut->n_pieces * plan->packed.tile->n;
    piece.n = hone_min(f->n, (j + 1) * panels / cut->n_pieces * plan->packed.tile->n) - piece.j;
    if (cut->c_bytes && piece.k > cut->kc) piece.sums = piece.block + cut->b_bytes;
    hone_matmul_packed_piece_run(&work->packed, &piece);
}

/* Does group a come after group b? By their numbers where they have equally many rows, so that the order is one. */
static bool after(const grouped_work *work, int64_t a, int64_t b)
{
    const int64_t rows_a = rows_of(work, a), rows_b = rows_of(work, b);
    return rows_a != rows_b ? rows_a < rows_b : a > b;
}

/* Heap sort: it asks for no memory, and thousands of groups take it no longer each. */
static void sort(const grouped_work *work, int64_t *order)
{
    const int64_t count = work->plan->problem.groups;
    for (int64_t g = 0; g < count; g++) order[g] = g;
    for (int64_t next = count / 2 - 1, left = count; left > 1;) {
        int64_t at = next;
        if (next >= 0) {
            next--; /* the heap is built ... */
        } else { /* ... and taken down, the last group first */
            const int64_t top = order[0];
            order[0] = order[--left];
            order[left] = top;
            at = 0;
        }
        for (int64_t child; (child = 2 * at + 1) < left;) {
            if (child + 1 < left && after(work, order[child + 1], order[child])) child++;
            if (!after(work, order[child], order[at])) break;
            const int64_t kept = order[at];
            order[at] = order[child];
            order[child] = kept;
            at = child;
        }
    }
}

/* Units begin .. end-1, of which each group has its own. */
static void units_run(void *argument, int64_t begin, int64_t end, char *room)
{
    grouped_work       *work = argument;
    const grouped_plan *plan = work->plan;
    int64_t             low = 0, high = plan->problem.groups;
    while (high - low > 1) {
        const int64_t middle = low + (high - low) / 2;
        *(work->first[middle] <= begin ? &low : &high) = middle;
    }
    for (int64_t unit = begin, at = low; unit < end; unit++) {
        while (unit >= work->first[at + 1]) at++;
        const int64_t   g = work->order[at], rows = rows_of(work, g);
        const thin_way *way = plan->problem.sums ? NULL : thin_of(plan, rows);
        if (way)
            thin_run(work, way, way->alone, g, (hone_span){NULL, room, 0, plan->room_bytes});
        else
            piece_run(work, g, unit - work->first[at], room);
    }
}

/* The launch's groups in numbers. */
typedef struct routing {
    int64_t thin, other; /* groups */
    bool    together;    /* is each thin one done by all threads? */
    double  seconds;     /* all of them, on one thread */
} routing;

static routing look(const grouped_work *work)
{
    const grouped_plan      *plan = work->plan;
    const hone_matmul_frame *f = &plan->packed.frame;
    routing                  r = {0, 0, false, 0};
    bool                     able = true;
    for (int64_t g = 0; g < plan->problem.groups; g++) {
        const int64_t rows = rows_of(work, g);
        if (!rows && !plan->problem.sums) continue;
        const thin_way *way = plan->problem.sums ? NULL : thin_of(plan, rows);
        r.thin += way != NULL, r.other += way == NULL;
        able &= way && way->together;
        r.seconds += way ? way->seconds
                         : 2.0 * (double)rows * (double)f->n * (double)(plan->problem.sums ? f->m : f->k) / plan->peak +
                               (plan->problem.sums ? (double)f->m * (double)f->n * f->bytes_c * 1e-10 : 0);
    }
    r.together = able && plan->packed.threads > 1 && r.thin < 2 * (int64_t)plan->packed.threads;
    return r;
}

static hone_status grouped_launch(void *ready, hone_be_stream *stream, const hone_arguments *arguments,
                                  hone_span scratch)
{
    const grouped_plan           *plan = ready;
    const hone_matmul_frame      *f = &plan->packed.frame;
    const hone_matmul_packed_cut *cut = &plan->packed.cut;
    char                         *memory = hone_span_host(&scratch);
    int64_t                      *first = (int64_t *)(void *)memory;
    int64_t                      *order = first + plan->problem.groups + 1;
    grouped_work                  work = {
                         .plan = plan, .stream = stream, .arguments = arguments, .order = order, .first = first};
    HONE_TRY(hone_matmul_grouped_offsets_check(&plan->problem, arguments));
    if (!f->m || !f->n || !plan->problem.groups) return HONE_OK;

    work.packed = (hone_matmul_packed_work){&plan->packed, cut, arguments, hone_matmul_alpha(arguments),
                                            hone_matmul_beta(f, arguments)};
    const routing r = look(&work);
    if (r.together) {
        const hone_span span = {NULL, memory + plan->table_bytes, 0, plan->together_bytes};
        for (int64_t g = 0; g < plan->problem.groups; g++) {
            const thin_way *way = thin_of(plan, rows_of(&work, g));
            if (way) thin_run(&work, way, way->together, g, span);
        }
        return (hone_status)work.failed;
    }
    const int64_t total = plan->problem.sums ? f->m * plan->problem.groups
                                             : group_offset(&work, plan->problem.groups) - group_offset(&work, 0);
    work.rows_each = plan->mc;
    if (plan->packed.threads > 1)
        work.rows_each =
            hone_min(work.rows_each, hone_max(ROWS_WORTH, total / (8 * (int64_t)plan->packed.threads)));
    sort(&work, order);
    first[0] = 0;
    for (int64_t at = 0; at < plan->problem.groups; at++)
        first[at + 1] = first[at] + units_of(&work, rows_of(&work, order[at]));
    if (first[plan->problem.groups])
        hone_deal_out(stream, &(hone_deal){plan->packed.threads, first[plan->problem.groups], r.seconds,
                                           memory + plan->table_bytes, plan->room_bytes, false, units_run, &work});
    return (hone_status)work.failed;
}

/* --- what it is believed to take --------------------------------------------------------------------------------- */

/* The batch of equal groups that stands for all routings. */
static void typical(const hone_matmul_grouped_problem *p, hone_matmul_problem *out)
{
    const int64_t groups = hone_max(p->groups, 1), each = hone_divide_up(hone_matmul_grouped_rows(p), groups);
    *out = p->one;
    *(p->sums ? &out->k : &out->m) = each;
    out->batch_rank = 1;
    out->batch[0] = groups;
    out->a_batch[0] = each * (p->sums ? out->a_column : out->a_row);
    out->b_batch[0] = p->sums ? each * out->b_row : p->group_stride;
    out->c_batch[0] = p->sums ? p->group_stride : each * out->c_row;
}

extern const hone_kernel hone_matmul_packed, hone_matmul_grouped_experts;

/* Parameters of cpu.packed, by their names: those that this kernel has too, and the standard for others. */
static void across(const hone_space *from, const hone_config *config, const hone_space *to, hone_config *out)
{
    hone_config_standard(to, out);
    for (int i = 0; i < from->count; i++) {
        const int at = hone_space_find(to, from->parameters[i].name, strlen(from->parameters[i].name));
        if (at >= 0) out->value[at] = config->value[i];
    }
}

/* Pieces of one typical group, on one thread: its tiles; what of b's coming from memory does not hide behind the first
 * strip of rows, which therefore should be tall; a, copied once a piece; and what the caches are read for again. */
static double pieces_seconds(const hone_request *request, const hone_config *config, const hone_matmul_problem *batch)
{
    const hone_be_device *device = request->device;
    grouped_plan          plan = {.problem = *problem_of(request)};
    pieces_make(request, config, &plan);
    const hone_matmul_frame      *f = &plan.packed.frame;
    const hone_matmul_packed_cut *cut = &plan.packed.cut;
    const hone_matmul_tile       *tile = plan.packed.tile;
    const double  m = (double)batch->m, n = (double)f->n, k = (double)batch->k, groups = (double)plan.problem.groups;
    const int64_t k_blocks = hone_max(hone_divide_up(batch->k, cut->kc), 1);
    const double  strips = (double)hone_matmul_packed_strips(tile, batch->m), panels = ceil(n / tile->n);
    const double  a = f->bytes_a * m * k, b = f->bytes_b * k * n, c = f->bytes_c * m * n, all = groups * (a + b + c);
    const double  kept = f->bytes * (double)cut->kc * (plan.packed.columns ? tile->n : (double)cut->nc);
    const double  width = f->bytes_b * fmin(n, tile->n), slow = f->b_n != 1 ? 4 : 1;
    double        seconds = hone_matmul_tiles_seconds(device, tile, batch->m, f->n, batch->k, k_blocks);
    const double  first = seconds / fmax(strips, 1);
    const double  come = slow * (hone_matmul_near_seconds(device, b, all) * hone_matmul_near_down(width) +
                                hone_matmul_far_seconds(device, b, all) *
                                    (strips > 1 ? 1 : hone_matmul_far_down(width)));
    seconds += cbrt(first * first * first + come * come * come) - first;
    if (f->bytes_b < f->bytes) seconds += hone_matmul_widen_seconds(device, tile, k * n);
    if (plan.packed.pack_a) seconds += hone_matmul_read_seconds(device, a, all) * 2 * (double)cut->n_pieces;
    if (strips > 1) seconds += hone_matmul_read_seconds(device, f->bytes * k * n, kept);
    seconds += hone_matmul_read_seconds(device, f->bytes * k * n * (strips - 1), kept) * 0.05;
    seconds += hone_matmul_read_seconds(device, f->bytes * m * k * (panels - 1),
                                        f->bytes * (double)cut->kc * (plan.packed.columns ? m : tile->m)) * 0.05;
    seconds += hone_matmul_read_seconds(device, c, all) * (f->reads_c ? 2 : 1);
    seconds += hone_matmul_read_seconds(device, f->bytes * m * n * 2 * (double)(k_blocks - 1), c) * 2;
    if (f->step_count || f->c_n != 1 || hone_matmul_narrows(f))
        seconds += hone_matmul_read_seconds(device, f->bytes * m * n, 0) * 4;
    return seconds;
}

static double grouped_estimate(const hone_request *request, const hone_config *config)
{
    const hone_matmul_grouped_problem *p = problem_of(request);
    hone_matmul_problem                batch;
    hone_config                        other;
    double                             seconds = 0;
    if (!p->one.m || !p->one.n || !p->groups) return 100e-9;
    typical(p, &batch);
    const hone_matmul_problem thin = thin_problem(p, batch.m);
    const hone_request        alone = thin_request(request, &thin, 1);
    if (p->sums || !batch.m || batch.m > config->value[THIN] || !thin_choose(&alone, &other, &seconds))
        seconds = pieces_seconds(request, config, &batch);
    const double threads = p->groups < request->threads ? (double)p->groups : request->threads;
    return (double)p->groups * seconds / threads + hone_matmul_fork_seconds(request->device, threads) + 100e-9;
}

/* What was quickest where groups have more rows than a tile: the tallest tile, as a group's b comes from memory while
 * the first strip of rows is multiplied and the others find it in the caches; and panel after panel. Of 64 experts of
 * 2048 x 1408 with 64 rows each, 0.93 of one dense product; tiles of 8 and 6 rows reached 0.90. */
static void tall(const hone_request *request, hone_config *out)
{
    const hone_matmul_tile *first = tile_of(request, 0);
    hone_config_standard(&space, out);
    out->value[TILE] = first - hone_matmul_tiles + 1;
    for (int64_t value = 1; value < HONE_MATMUL_TILE_CHOICES; value++) {
        const hone_matmul_tile *it = tile_of(request, value);
        if (it && it->isa == first->isa && it->m > tile_of(request, out->value[TILE])->m) out->value[TILE] = value;
    }
    out->value[MC] = 448;
    out->value[NC] = 1 << 20;
    out->value[KC] = first->type == HONE_F64 ? 256 : 512;
    out->value[ORDER] = 1;
}

static int grouped_suggest(const hone_request *request, hone_config *configs, int cap)
{
    enum { WORTH = 8 };
    const hone_matmul_grouped_problem *p = problem_of(request);
    hone_matmul_problem                batch;
    hone_config                        theirs[WORTH];
    hone_request                       like = *request;
    int                                count = 0;
    typical(p, &batch);
    like.op = &hone_matmul_op;
    like.problem = &batch;
    if (cap > 0 && !p->sums) {
        tall(request, configs);
        if (batch.m > hone_matmul_tiles[configs->value[TILE] - 1].m) return 1;
    }
    const int their_count = hone_matmul_packed.suggest(&like, theirs, (int)hone_min(cap, WORTH));
    for (int i = 0; i < their_count && count < cap; i++) {
        across(hone_matmul_packed.space, &theirs[i], &space, &configs[count]);
        count += hone_config_refuses(request, &hone_matmul_grouped_experts, &configs[count]) == NULL;
    }
    if (count == 0 && cap > 0) hone_config_standard(&space, &configs[count++]);
    return count;
}

const hone_kernel hone_matmul_grouped_experts = {
    .name = "cpu.grouped",
    .op = "matmul_grouped",
    .op_version = 1,
    .problem_size = sizeof(hone_matmul_grouped_problem),
    .backend = "cpu",
    .version = 2,
    .properties = HONE_BITWISE_ALL,
    .refuses = grouped_refuses,
    .space = &space,
    .suggest = grouped_suggest,
    .estimate = grouped_estimate,
    .prepare = grouped_prepare,
    .launch = grouped_launch,
    .release = grouped_release,
};
