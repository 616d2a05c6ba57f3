/* cpu.packed: the matmul kernel for all that is not small. Operands of any strides are copied, a block at a time, into
 * lines that tiles read at full speed.
 *
 *     c is cut into pieces of mc x nc, dealt out to the threads; each piece is done by one, alone:
 *
 *     for each block of at most kc of k                                   b: kc x nc, in the second-level cache
 *         for each strip of rows of the piece                             ┌──┬──┬──┬──┐
 *             copy the strip of a: at most a tile's rows, kc long         │  │  │  │  │  panels, a tile's n wide
 *             for each panel of b                                         └──┴──┴──┴──┘
 *                 the first strip copies the panel while it reads it  a: ═════ one strip, in the first-level cache
 *                 multiply: a tile of c
 *                 after the last block of k: the steps, while the tile is at hand
 *
 * With order=columns the two inner loops change places: all strips of the piece are kept, and one panel of b at a time
 * passes over them; few rows want that. Several threads get as many pieces each, and scratch goes with the thread.
 *
 * Of 16-bit operands (stored.h) the copies are floats, so that but the first strip reads them widened already; a c of
 * 16 bits is written once, from sums that are kept in floats where k has several blocks.
 *
 * Slopes of a and b are done to the copies, which are made then; their sums are tiles beside ones (reads.h), of the
 * first pieces alone.
 *
 * A strip is copied in the direction in which it lies, as tiles take either. The rows are dealt out evenly among the
 * strips, the whole of k among its blocks. No sum is ever split among threads, and sums are cut at the same places for
 * any number of them: so results are the same, bit for bit. */
#include <math.h>

#include "base/alloc.h"
#include "base/size.h"
#include "base/status.h"
#include "kernels/common/deal.h"
#include "kernels/matmul/packed.h"

enum { TILE, MC, NC, KC, PACK_A, PACK_B, ORDER, SHARES, PARAMETER_COUNT };

static const int64_t mc_values[] = {56, 112, 168, 224, 280, 336, 448, 896, 1792, 1 << 20};
static const int64_t nc_values[] = {64, 128, 192, 256, 384, 512, 768, 1024, 2048, 4096, 1 << 20};
static const int64_t kc_values[] = {64, 96, 128, 192, 256, 320, 384, 512, 768, 1024};
static const int64_t yes_or_no[] = {0, 1};
static const int64_t share_values[] = {1, 2, 3, 4, 8};
static const char *const order_names[] = {"rows", "columns"};
enum { K_WHOLE_MAX = 1 << 20, AHEAD_STRIPS = 12 /* fewer would each ask for too much at once: 8 were slower */ };
#define COUNT(values) ((int)(sizeof(values) / sizeof((values)[0])))

static const hone_parameter parameters[PARAMETER_COUNT] = {
    [TILE] = HONE_MATMUL_TILE_PARAMETER,
    [MC] = {"mc", 1 << 20, COUNT(mc_values), mc_values, NULL, "rows of a piece, at most"},
    [NC] = {"nc", 2048, COUNT(nc_values), nc_values, NULL, "columns of a piece, at most"},
    [KC] = {"kc", 512, COUNT(kc_values), kc_values, NULL, "how much of k is done at a time, at most"},
    [PACK_A] = {"pack_a", 1, 2, yes_or_no, NULL, "copy strips of a"},
    [PACK_B] = {"pack_b", 1, 2, yes_or_no, NULL, "copy panels of b where more than one strip reads them"},
    [ORDER] = {"order", 0, 2, yes_or_no, order_names,
               "whose tiles follow each other: those of a strip of rows, or of a "
               "panel of columns"},
    [SHARES] = {"shares", 1, COUNT(share_values), share_values, NULL,
                "pieces for each thread where there are several, "
                "at least, as far as there are tiles"},
};

static const char *pack_b_refuses(const hone_request *request, const hone_config *config)
{
    hone_matmul_frame frame;
    if (config->value[PACK_B]) return NULL;
    hone_matmul_frame_make(request->problem, &frame);
    return frame.b_n == 1 ? NULL : "pack_b=0: b is not contiguous along n";
}

static int64_t mc_stands(const hone_request *request, const hone_config *config);
static int64_t nc_stands(const hone_request *request, const hone_config *config);
static int64_t kc_stands(const hone_request *request, const hone_config *config);
static int64_t pack_a_stands(const hone_request *request, const hone_config *config);
static int64_t pack_b_stands(const hone_request *request, const hone_config *config);
static int64_t order_stands(const hone_request *request, const hone_config *config);
static int64_t shares_stands(const hone_request *request, const hone_config *config);

static const hone_constraint constraints[] = {{1u << TILE, hone_matmul_tile_refuses}, {1u << PACK_B, pack_b_refuses}};
static const hone_sameness same[] = {{TILE, 0, hone_matmul_tile_stands},
                                     {MC, 1u << TILE, mc_stands},
                                     {NC, 1u << TILE, nc_stands},
                                     {KC, 0, kc_stands},
                                     {PACK_A, 0, pack_a_stands},
                                     {PACK_B, 1u << TILE, pack_b_stands},
                                     {ORDER, 1u << TILE, order_stands},
                                     {SHARES, 1u << TILE | 1u << MC | 1u << NC, shares_stands}};
static const hone_space space = {PARAMETER_COUNT, parameters, COUNT(constraints), constraints, COUNT(same), same};

static const char *packed_refuses(const hone_request *request)
{
    const hone_matmul_problem *p = request->problem;
    const char *types = hone_matmul_sums_refused(p);
    if (types) return types;
    if (!hone_matmul_tile_for(request->device, p->type_a) || !hone_matmul_tile_for(request->device, p->type_b))
        return "no tile for this type";
    if (!hone_matmul_tile_of(request->device, p, 0)) return HONE_MATMUL_WIDTH_REFUSED;
    /* scratch for all of k at once: see packed_plan.whole */
    for (int s = 0; s < p->step_count && p->type_c == hone_matmul_arithmetic(p); s++)
        if (p->step[s].kind == HONE_STEP_RESIDUAL && p->k > K_WHOLE_MAX)
            return "k is too long to be done at once, as a residual that is c itself asks for";
    return NULL;
}

typedef hone_matmul_packed_cut   packed_cut;
typedef hone_matmul_packed_plan  packed_plan;
typedef hone_matmul_packed_work  packed_work;
typedef hone_matmul_packed_piece packed_piece;

static int64_t strips_of(const hone_matmul_tile *tile, int64_t rows)
{
    return hone_matmul_packed_strips(tile, rows);
}

static int64_t strip_line(const hone_matmul_frame *frame, int64_t kc)
{
    return hone_matmul_packed_line(frame, kc);
}

/* More pieces, for several threads. What pieces share is copied by each: rows of b across columns, columns of a across
 * rows. Across rows they are alike to a row, across columns to a panel. */
static void share_out(const packed_plan *plan, int64_t strips, int64_t panels, packed_cut *out)
{
    enum { ROWS_WORTH = 128 }; /* of a piece, for b to be copied once more; fitted to some ten problems */
    const hone_matmul_frame *f = &plan->frame;
    const int64_t            wanted = plan->threads * plan->shares;
    const int64_t missing = hone_divide_up(wanted, hone_max(out->m_pieces * out->n_pieces * f->items, 1));
    const bool rows = f->m > f->n || (f->m >= ROWS_WORTH * out->m_pieces * missing && f->m >= f->n / 2);
    int64_t   *first = rows ? &out->m_pieces : &out->n_pieces, *second = rows ? &out->n_pieces : &out->m_pieces;
    const int64_t first_most = rows ? strips : panels, second_most = rows ? panels : strips;
    *first = hone_min(first_most, *first * missing);
    *second = hone_min(second_most, *second * hone_divide_up(wanted, hone_max(*first * *second * f->items, 1)));
    /* Few pieces that do not come out even leave threads idle at the end. */
    for (int64_t more = *first; more < *first + plan->threads && more <= first_most; more++) {
        const int64_t pieces = more * *second * f->items;
        if (pieces >= 8 * (int64_t)plan->threads) break;
        if (pieces % plan->threads) continue;
        *first = more;
        break;
    }
}

static void cut_up(const packed_plan *plan, int64_t mc, int64_t nc, int64_t kc, packed_cut *out)
{
    enum { SUMS_BYTES = 4 << 20 }; /* of a piece, about, where they are kept */
    const hone_matmul_frame *f = &plan->frame;
    const bool sums = hone_matmul_narrows(f) && f->k > kc;
    const int64_t strips = hone_max(strips_of(plan->tile, f->m), 1);
    const int64_t panels = hone_max(hone_divide_up(f->n, plan->tile->n), 1);
    out->n_pieces = hone_divide_up(panels, hone_max(nc / plan->tile->n, 1));
    if (sums) mc = hone_min(mc, SUMS_BYTES / (hone_divide_up(panels, out->n_pieces) * plan->tile->n * f->bytes));
    out->m_pieces = hone_divide_up(strips, hone_max(mc / plan->tile->m, 1));
    if (plan->threads > 1) share_out(plan, strips, panels, out);
    out->nc = hone_divide_up(panels, out->n_pieces) * plan->tile->n;
    out->k_blocks = hone_max(hone_divide_up(f->k, kc), 1);
    out->kc = hone_divide_up(f->k, out->k_blocks);
    const int64_t strips_kept = plan->columns ? hone_divide_up(strips, out->m_pieces) + 1 : 1;
    out->a_bytes = plan->pack_a ? (size_t)(strips_kept * plan->tile->m * strip_line(f, out->kc) * f->bytes) : 0;
    out->b_bytes = plan->pack_b ? (size_t)(out->kc * (plan->columns ? plan->tile->n : out->nc) * f->bytes) : 0;
    out->c_bytes = sums ? (size_t)(hone_divide_up(f->m, out->m_pieces) * out->nc * f->bytes) : 0;
    out->a_bytes = (out->a_bytes + 63) / 64 * 64;
    out->b_bytes = (out->b_bytes + 63) / 64 * 64;
    out->c_bytes = (out->c_bytes + 63) / 64 * 64;
    const bool reads = plan->reads.sums_a || plan->reads.sums_b;
    out->reads_bytes = reads ? (size_t)((out->nc + hone_divide_up(f->m, out->m_pieces)) * f->bytes) : 0;
    out->reads_bytes = (out->reads_bytes + 63) / 64 * 64;
}

static size_t cut_bytes(const packed_cut *cut)
{
    return cut->a_bytes + cut->b_bytes + cut->c_bytes + cut->reads_bytes;
}

/* --- one launch ------------------------------------------------------------------------------------------------ */

/* A strip of a: rows x kc, from row i and k on. Copied in the direction in which it lies. */
static void strip_take(const packed_plan *plan, const char *from, int64_t rows, int64_t kc, void *to, bool first,
                       hone_matmul_tile_job *job)
{
    const hone_matmul_frame *f = &plan->frame;
    if (!plan->pack_a) {
        job->a = from;
        job->a_m = f->a_m;
        job->a_k = f->a_k;
        return;
    }
    hone_matmul_pack_job pack = {.from = from, .to = to};
    job->a = to;
    if (f->a_m == 1 && f->a_k != 1) {
        pack.lines = kc, pack.length = pack.width = rows;
        pack.from_line = f->a_k, pack.from_at = f->a_m;
        pack.to_line = job->a_k = plan->tile->m;
        job->a_m = 1;
    } else {
        pack.lines = rows, pack.length = pack.width = kc;
        pack.from_line = f->a_m, pack.from_at = f->a_k;
        pack.to_line = job->a_m = strip_line(f, kc);
        job->a_k = 1;
    }
    if (first) plan->a_kit->pack(&pack);
}

/* Asks for the part of a strip that belongs to panel `panel` of `panels`: the whole strip arrives while the one before
 * it is multiplied. */
static void strip_ahead(const packed_plan *plan, const char *from, int64_t rows, int64_t kc, int64_t panel,
                        int64_t panels)
{
    const hone_matmul_frame *f = &plan->frame;
    if (f->a_k != 1) return;
    for (int64_t row = panel * rows / panels; row < (panel + 1) * rows / panels; row++)
        for (int64_t at = 0; at < kc * f->bytes_a; at += 64)
            __builtin_prefetch(from + row * f->a_m * f->bytes_a + at, 0, 2);
}

/* Asks for the part of the next panel of b, so many lines, that belongs to strip `s` of those after the first: it comes
 * in steps while this panel is multiplied, and not all at once when the first strip copies it. */
static void panel_ahead(const char *from, int64_t line, int64_t bytes, int64_t lines, int64_t s, int64_t strips)
{
    enum { LINE = 64 };
    for (int64_t i = (s - 1) * lines / (strips - 1); i < s * lines / (strips - 1); i++)
        for (const char *at = from + i * line, *end = at + bytes + LINE - 1; at < end; at += LINE)
            __builtin_prefetch(at, 0, 2);
}

/* One block of k of one piece, and what of it is copied by now. */
typedef struct packed_block {
    const packed_work  *work;
    const packed_piece *piece;
    const char         *a; /* where the block begins in it */
    int64_t             k, kc, strips, panels;
    double              beta;
    int                 steps;
    bool                ends; /* c is written by what follows the tile, from room or from sums */
    bool                kept;
    char                room[HONE_MATMUL_TILE_BYTES_MAX] __attribute__((aligned(64)));
} packed_block;

/* Slopes of a strip that was just copied, and its sums. */
static void strip_read(const packed_block *block, int64_t row, const hone_matmul_tile_job *job)
{
    const packed_piece *piece = block->piece;
    const packed_plan *plan = block->work->plan;
    const hone_matmul_frame *f = &plan->frame;
    const bool across = plan->pack_a && job->a_k != 1;
    static const double one64 = 1;
    static const float one32 = 1;
    char *copy = piece->strip + ((const char *)job->a - piece->strip); /* which the job only reads */
    if (plan->reads.slopes_a)
        hone_matmul_reading_slopes(&piece->reading, HONE_OPERAND_A, plan->a_kit, f->type, copy,
                                   across ? job->k : job->m, across ? job->m : job->k, across ? job->a_k : job->a_m,
                                   piece->i + row, block->k, across);
    if (!piece->rows) return;
    hone_matmul_tile_job sum = *job;
    sum.n = 1;
    sum.b = f->bytes == 8 ? (const void *)&one64 : &one32;
    sum.b_k = 0;
    sum.c = piece->rows + row * f->bytes;
    sum.c_m = 1;
    sum.alpha = 1;
    sum.beta = block->k ? 1 : 0;
    plan->kept->multiply(&sum);
}

/* Sums of a panel, by the tile and from where its job read it. */
static void panel_read(const packed_block *block, int64_t column, const hone_matmul_tile *tile,
                       const hone_matmul_tile_job *job)
{
    static const double one64 = 1;
    static const float one32 = 1;
    const hone_matmul_frame *f = &block->work->plan->frame;
    hone_matmul_tile_job sum = *job;
    sum.m = 1;
    sum.a = f->bytes == 8 ? (const void *)&one64 : &one32;
    sum.a_m = sum.a_k = 0;
    sum.c = block->piece->columns + column * f->bytes;
    sum.c_m = tile->n;
    sum.alpha = 1;
    sum.beta = block->k ? 1 : 0;
    sum.panel = NULL;
    tile->multiply(&sum);
}

/* One tile: strip s, panel p. Copies of the strip and of the panel are made by the first tile that reads them. */
static void tile_run(packed_block *block, int64_t s, int64_t p)
{
    const packed_work *work = block->work;
    const packed_piece *piece = block->piece;
    const packed_plan *plan = work->plan;
    const hone_matmul_frame *f = &plan->frame;
    const hone_matmul_tile *tile = plan->tile;
    const int64_t kc = block->kc, row = s * piece->m / block->strips, end = (s + 1) * piece->m / block->strips;
    const int64_t column = p * tile->n;
    hone_matmul_tile_job job; /* each field for itself: to clear it all first takes 8 ns a tile */
    job.m = end - row;
    job.n = hone_min(piece->n - column, tile->n);
    job.k = kc;
    job.alpha = work->alpha;
    job.panel = NULL;
    job.ahead = NULL;
    const char *strip_from = block->a + (piece->i + row) * f->a_m * f->bytes_a;
    char *strip = piece->strip + (plan->columns ? s * tile->m * strip_line(f, kc) * f->bytes : 0);

    strip_take(plan, strip_from, job.m, kc, strip, p == 0, &job);
    if (p == 0 && (plan->reads.slopes_a || piece->rows)) strip_read(block, row, &job);
    const char *from = hone_matmul_b_at(f, piece->item.b, block->k, piece->j + column);
    char *panel = piece->block + (plan->columns ? 0 : p) * tile->n * kc * f->bytes;
    if (f->b_width == tile->n && s == 0 && p + 1 < block->panels)
        hone_matmul_pages_ahead(hone_matmul_b_at(f, piece->item.b, block->k, piece->j + column + tile->n),
                                kc * tile->n * f->bytes_b);
    const bool keeps = block->kept && s == 0 && f->b_n == 1 && !plan->reads.slopes_b, kept = block->kept && !keeps;
    job.b = kept ? panel : from;
    job.b_k = kept ? tile->n : f->b_k;
    if (block->kept && s == 0) {
        if (keeps) {
            job.panel = panel;
            job.ahead = from;
            if (p + 1 < block->panels)
                job.ahead = hone_matmul_b_at(f, piece->item.b, block->k, piece->j + column + tile->n);
        } else {
            tile->kit->pack(&(hone_matmul_pack_job){kc, job.n, hone_round_up(job.n, tile->kit->lanes), from, f->b_k,
                                                    f->b_n, panel, tile->n});
            if (plan->reads.slopes_b)
                hone_matmul_reading_slopes(&piece->reading, HONE_OPERAND_B, tile->kit, f->type, panel, kc, job.n,
                                           tile->n, block->k, piece->j + column, false);
        }
    }
    if (plan->columns && block->kept && !f->b_width && block->strips >= AHEAD_STRIPS && s > 0 &&
        p + 1 < block->panels) {
        const int64_t next = hone_min(piece->n - column - tile->n, tile->n), bytes = f->bytes_b;
        if (f->b_n == 1) panel_ahead(from + tile->n * bytes, f->b_k * bytes, next * bytes, kc, s, block->strips);
        if (f->b_n != 1 && f->b_k == 1)
            panel_ahead(from + tile->n * f->b_n * bytes, f->b_n * bytes, kc * bytes, next, s, block->strips);
    }
    if (!plan->columns && plan->pack_a && s + 1 < block->strips)
        strip_ahead(plan, block->a + (piece->i + end) * f->a_m * f->bytes_a,
                    (s + 2) * piece->m / block->strips - end, kc, p, block->panels);

    const int64_t row_c = piece->i + row, column_c = piece->j + column;
    char *c = piece->item.c + (row_c * f->c_m + column_c * f->c_n) * f->bytes_c;
    char *sums = piece->sums ? piece->sums + (row * work->cut->nc + column) * f->bytes : block->room;
    const int64_t sums_m = piece->sums ? work->cut->nc : tile->n;
    const bool in_c = !piece->sums && !block->ends;
    job.c = in_c ? c : sums;
    job.c_m = in_c ? f->c_m : sums_m;
    job.beta = in_c ? block->beta : piece->sums && block->k ? 1 : 0;
    (kept ? plan->kept : tile)->multiply(&job);
    if (s == 0 && piece->columns) panel_read(block, column, kept ? plan->kept : tile, &job);
    if (block->ends)
        tile->kit->finish(&(hone_matmul_finish_job){job.m, job.n, sums, sums_m, c, f->c_m, f->c_n, block->beta,
                                                    row_c, column_c, block->steps, piece->item.step, f->type_c});
}

static void block_run(const packed_work *work, const packed_piece *piece, int64_t k, int64_t kc, double beta, bool last)
{
    const packed_plan *plan = work->plan;
    const hone_matmul_frame *f = &plan->frame;
    packed_block block;
    block.work = work;
    block.piece = piece;
    block.a = piece->item.a + k * f->a_k * f->bytes_a;
    block.k = k;
    block.kc = kc;
    block.strips = strips_of(plan->tile, piece->m);
    block.panels = hone_divide_up(piece->n, plan->tile->n);
    block.beta = beta;
    block.steps = last && !plan->reads.alone ? f->step_count : 0;
    block.ends = piece->sums ? last : block.steps || f->c_n != 1 || hone_matmul_narrows(f);
    block.kept = plan->pack_b && (block.strips > 1 || f->b_n != 1 || plan->reads.slopes_b);
    if (plan->columns)
        for (int64_t p = 0; p < block.panels; p++)
            for (int64_t s = 0; s < block.strips; s++) tile_run(&block, s, p);
    else
        for (int64_t s = 0; s < block.strips; s++)
            for (int64_t p = 0; p < block.panels; p++) tile_run(&block, s, p);
}

void hone_matmul_packed_piece_run(const packed_work *work, const packed_piece *piece)
{
    const int64_t blocks = hone_max(hone_divide_up(piece->k, hone_max(work->cut->kc, 1)), 1);
    const int64_t kc = hone_divide_up(piece->k, blocks);
    for (int64_t block = 0; block < blocks; block++) {
        const int64_t k = block * kc;
        block_run(work, piece, k, hone_min(piece->k - k, kc), block && !piece->sums ? 1 : work->beta,
                  block + 1 == blocks);
    }
}

static void piece_run(const packed_work *work, int64_t index, char *scratch)
{
    const packed_plan *plan = work->plan;
    const packed_cut *cut = work->cut;
    const hone_matmul_frame *f = &plan->frame;
    const int64_t of_item = index % (cut->m_pieces * cut->n_pieces), i = of_item % cut->m_pieces,
                  j = of_item / cut->m_pieces;
    packed_piece piece = {.k = f->k, .strip = scratch, .block = scratch + cut->a_bytes};
    if (cut->c_bytes) piece.sums = piece.block + cut->b_bytes;

    hone_matmul_item_at(f, work->arguments, index / (cut->m_pieces * cut->n_pieces), &piece.item);
    piece.i = i * f->m / cut->m_pieces;
    piece.m = (i + 1) * f->m / cut->m_pieces - piece.i;
    const int64_t panels = hone_divide_up(f->n, plan->tile->n);
    piece.j = j * panels / cut->n_pieces * plan->tile->n;
    piece.n = hone_min(f->n, (j + 1) * panels / cut->n_pieces * plan->tile->n) - piece.j;
    if (cut->reads_bytes || plan->reads.slopes_a || plan->reads.slopes_b)
        hone_matmul_reading_take(&piece.item, f->step_count, &piece.reading);
    if (plan->reads.sums_b && i == 0) piece.columns = piece.block + cut->b_bytes + cut->c_bytes;
    if (plan->reads.sums_a && j == 0) piece.rows = piece.block + cut->b_bytes + cut->c_bytes + cut->nc * f->bytes;
    hone_matmul_packed_piece_run(work, &piece);
    if (piece.columns)
        hone_matmul_reading_put(&piece.reading, HONE_STEP_SUM_B, f->type, piece.columns, piece.j, piece.n);
    if (piece.rows) hone_matmul_reading_put(&piece.reading, HONE_STEP_SUM_A, f->type, piece.rows, piece.i, piece.m);
}

static void pieces_run(void *work, int64_t begin, int64_t end, char *scratch)
{
    for (int64_t piece = begin; piece < end; piece++) piece_run(work, piece, scratch);
}

/* Is one of the steps' operands c itself? Only a residual may be. */
static bool adds_c(const hone_matmul_frame *f, const hone_arguments *arguments)
{
    const void *c = hone_span_host(&arguments->at[HONE_MATMUL_C]);
    for (int s = 0; s < f->step_count; s++)
        if (f->step[s].kind == HONE_STEP_RESIDUAL && hone_span_host(&arguments->at[HONE_MATMUL_STEP0 + s]) == c)
            return true;
    return false;
}

static hone_status packed_launch(void *ready, hone_be_stream *stream, const hone_arguments *arguments,
                                 hone_span scratch)
{
    const packed_plan *plan = ready;
    const hone_matmul_frame *f = &plan->frame;
    if (!f->m || !f->n) return HONE_OK;

    const packed_cut *cut = adds_c(f, arguments) ? &plan->whole : &plan->cut;
    const int64_t     items = hone_matmul_items(f, arguments);
    packed_work       work = {plan, cut, arguments, hone_matmul_alpha(arguments), hone_matmul_beta(f, arguments)};
    hone_deal_out(stream, &(hone_deal){plan->threads, items * cut->m_pieces * cut->n_pieces,
                                       plan->item_seconds * (double)items, hone_span_host(&scratch),
                                       cut_bytes(cut), false, pieces_run, &work});
    return HONE_OK;
}

/* --- before it ------------------------------------------------------------------------------------------------- */

/* What a configuration makes of a problem. */
static void plan_make(const hone_request *request, const hone_config *config, packed_plan *out)
{
    hone_matmul_frame_make(request->problem, &out->frame);
    const hone_matmul_frame *f = &out->frame;
    out->tile = hone_matmul_tile_of(request->device, request->problem, config->value[TILE]);
    out->kept = hone_matmul_tile_kept(out->tile);
    out->a_kit = hone_matmul_kit_beside(out->tile, f->type_a);
    out->threads = request->threads;
    hone_matmul_reads_make(f, &out->reads);
    out->pack_a = config->value[PACK_A] || f->bytes_a < f->bytes || out->reads.slopes_a;
    out->pack_b = out->reads.slopes_b || (config->value[PACK_B] && (!f->b_width || f->bytes_b < f->bytes));
    out->columns = config->value[ORDER];
    out->shares = config->value[SHARES];
    out->item_seconds = 2.0 * (double)f->m * (double)f->n * (double)f->k / hone_matmul_peak(request->device, out->tile);
    cut_up(out, config->value[MC], config->value[NC], config->value[KC], &out->cut);
    out->whole = out->cut;
    for (int s = 0; s < f->step_count; s++)
        if (f->step[s].kind == HONE_STEP_RESIDUAL && out->cut.k_blocks > 1 && !hone_matmul_narrows(f))
            cut_up(out, out->columns ? config->value[MC] * config->value[KC] / f->k : config->value[MC],
                   out->columns ? config->value[NC] : config->value[NC] * config->value[KC] / f->k, f->k, &out->whole);
    /* Where sums are cut shows in the bits; deterministic ones must not depend on where the residual lies. */
    if (request->flags & HONE_REQUEST_DETERMINISTIC) out->cut = out->whole;
}

/* A residual has everything cut twice, the second time by the values themselves; there each means itself. */
static bool cut_twice(const hone_matmul_frame *f)
{
    for (int s = 0; s < f->step_count && !hone_matmul_narrows(f); s++)
        if (f->step[s].kind == HONE_STEP_RESIDUAL) return true;
    return false;
}

/* Of values that cut `extent` units into equally many pieces, where a piece is value / unit of them: the standard one,
 * else the least. */
static int64_t cut_stands(const hone_matmul_frame *f, const hone_parameter *parameter, int64_t value, int64_t extent,
                          int64_t unit)
{
    const int64_t pieces = hone_divide_up(extent, hone_max(value / unit, 1));
    if (cut_twice(f)) return value;
    if (hone_divide_up(extent, hone_max(parameter->standard / unit, 1)) == pieces) return parameter->standard;
    for (int i = 0; i < parameter->count; i++)
        if (hone_divide_up(extent, hone_max(parameter->values[i] / unit, 1)) == pieces) return parameter->values[i];
    return value;
}

static int64_t mc_stands(const hone_request *request, const hone_config *config)
{
    const hone_matmul_tile *tile = hone_matmul_tile_of(request->device, request->problem, config->value[TILE]);
    hone_matmul_frame f;
    hone_matmul_frame_make(request->problem, &f);
    return cut_stands(&f, &parameters[MC], config->value[MC], strips_of(tile, f.m), tile->m);
}

static int64_t nc_stands(const hone_request *request, const hone_config *config)
{
    const hone_matmul_tile *tile = hone_matmul_tile_of(request->device, request->problem, config->value[TILE]);
    hone_matmul_frame f;
    hone_matmul_frame_make(request->problem, &f);
    return cut_stands(&f, &parameters[NC], config->value[NC], hone_divide_up(f.n, tile->n), tile->n);
}

static int64_t kc_stands(const hone_request *request, const hone_config *config)
{
    hone_matmul_frame f;
    hone_matmul_frame_make(request->problem, &f);
    return cut_stands(&f, &parameters[KC], config->value[KC], f.k, 1);
}

/* What is widened is copied, and what has slopes. */
static int64_t pack_a_stands(const hone_request *request, const hone_config *config)
{
    hone_matmul_frame f;
    hone_matmul_reads reads;
    hone_matmul_frame_make(request->problem, &f);
    hone_matmul_reads_make(&f, &reads);
    return f.bytes_a < f.bytes || reads.slopes_a ? 1 : config->value[PACK_A];
}

/* One strip reads each panel once, so none is kept; packed ones lie as they should, unless they are widened. */
static int64_t pack_b_stands(const hone_request *request, const hone_config *config)
{
    const hone_matmul_tile *tile = hone_matmul_tile_of(request->device, request->problem, config->value[TILE]);
    hone_matmul_frame f;
    hone_matmul_reads reads;
    hone_matmul_frame_make(request->problem, &f);
    hone_matmul_reads_make(&f, &reads);
    if (reads.slopes_b) return parameters[PACK_B].standard;
    const bool none = (f.b_width && f.bytes_b == f.bytes) || (f.b_n == 1 && strips_of(tile, f.m) <= 1);
    return none ? parameters[PACK_B].standard : config->value[PACK_B];
}

/* One strip is done in the same order either way. */
static int64_t order_stands(const hone_request *request, const hone_config *config)
{
    const hone_matmul_tile *tile = hone_matmul_tile_of(request->device, request->problem, config->value[TILE]);
    hone_matmul_frame f;
    hone_matmul_frame_make(request->problem, &f);
    return strips_of(tile, f.m) <= 1 ? parameters[ORDER].standard : config->value[ORDER];
}

/* Shares that make equally many pieces: the standard one, else the least. */
static int64_t shares_stands(const hone_request *request, const hone_config *config)
{
    packed_plan plan, other;
    hone_config alike = *config;
    plan_make(request, config, &plan);
    if (cut_twice(&plan.frame)) return config->value[SHARES];
    for (int i = -1; i < COUNT(share_values); i++) {
        alike.value[SHARES] = i < 0 ? parameters[SHARES].standard : share_values[i];
        plan_make(request, &alike, &other);
        if (plan.cut.m_pieces == other.cut.m_pieces && plan.cut.n_pieces == other.cut.n_pieces &&
            plan.cut.nc == other.cut.nc)
            return alike.value[SHARES];
    }
    return config->value[SHARES];
}

static hone_status packed_prepare(const hone_request *request, const hone_config *config, const hone_details *details,
                                  void **ready, hone_needs *needs)
{
    (void)details;
    packed_plan *plan = hone_alloc(1, sizeof *plan);
    if (!plan) return HONE_ERROR_MEMORY;
    plan_make(request, config, plan);
    const size_t cut = cut_bytes(&plan->cut), whole = cut_bytes(&plan->whole);
    needs->scratch_bytes = (size_t)plan->threads * (cut > whole ? cut : whole);
    *ready = plan;
    return HONE_OK;
}

static void packed_release(void *ready)
{
    hone_free(ready);
}

/* The time of the thread that does most: its tiles, what it copies, and what of its fetching shows behind them. The
 * shares of it that show were fitted to some thirty problems on one machine; they rank configurations, no more. */
static double packed_estimate(const hone_request *request, const hone_config *config)
{
    const hone_be_device *device = request->device;
    packed_plan plan;
    plan_make(request, config, &plan);
    const hone_matmul_frame *f = &plan.frame;
    const packed_cut *cut = &plan.cut;
    if (!f->m || !f->n || !f->items) return 0;

    const int64_t rows = hone_divide_up(f->m, cut->m_pieces), columns = hone_min(f->n, cut->nc);
    const double m = (double)rows, n = (double)columns, k = (double)f->k, kc = (double)cut->kc;
    const double a = f->bytes_a * m * k, b = f->bytes_b * k * n, c = f->bytes_c * m * n; /* bytes of a piece */
    const double pieces = (double)(f->items * cut->m_pieces * cut->n_pieces);
    const double strips = (double)strips_of(plan.tile, rows), panels = (double)hone_divide_up(columns, plan.tile->n);
    const double all = hone_matmul_footprint(f);
    const double  b_kept = f->bytes * kc * (plan.columns ? plan.tile->n : n),
                 a_kept = f->bytes * kc * (plan.columns ? m : plan.tile->m);

    double seconds = hone_matmul_tiles_seconds(device, plan.tile, rows, columns, f->k, cut->k_blocks);
    const double l1 =
        device->cpu.cache_bytes[HONE_LEVEL_L1] ? (double)device->cpu.cache_bytes[HONE_LEVEL_L1] : 32 << 10;
    if (!plan.pack_a && hone_matmul_lines_collide(hone_divide_up(rows, (int64_t)strips), f->a_m * f->bytes_a, l1))
        seconds *= 1.25;
    /* What comes once: b, line by line from afar, behind the first strip as far as that takes; a; c. Where it is kept,
     * it is asked for in advance. */
    const bool   kept = plan.pack_b && strips > 1, down = !kept && !f->b_width && k > 1;
    const double width = f->bytes_b * fmin(n, plan.tile->n), slow = f->b_n != 1 ? 4 : 1;
    const double b_read = f->b_n != 1 ? f->bytes * k * n : b; /* to be turned costs by elements */
    const double first = hone_matmul_tiles_seconds(device, plan.tile, (int64_t)(m / strips), columns, f->k, 0);
    const double come = slow * hone_matmul_near_seconds(device, b_read, all) *
                        (down ? hone_matmul_near_down(width) : 1);
    seconds += cbrt(first * first * first + come * come * come) - first;
    const double behind = plan.columns && strips >= AHEAD_STRIPS ? 0.6 : 1.3; /* the other strips, or not */
    seconds += slow * hone_matmul_far_seconds(device, b_read, all) * (down ? hone_matmul_far_down(width) : behind);
    if (f->bytes_b < f->bytes)
        seconds += hone_matmul_widen_seconds(device, plan.tile, k * n * (plan.pack_b ? 1 : strips));
    if (f->bytes_a < f->bytes) seconds += hone_matmul_widen_seconds(device, plan.tile, m * k);
    if (plan.pack_b && strips > 1) seconds += hone_matmul_read_seconds(device, f->bytes * k * n, b_kept);
    if (f->b_n != 1) { /* to be turned, in squares of vectors */
        const int64_t lanes = plan.tile->kit->lanes;
        seconds += (double)(hone_round_up(f->k, lanes) * hone_round_up(columns, lanes)) * 0.08e-9;
    }
    if (plan.pack_a) seconds += hone_matmul_read_seconds(device, a, all) * 2;
    if (plan.reads.slopes_a) seconds += hone_matmul_read_seconds(device, f->bytes * m * k, 0) * 4;
    if (plan.reads.slopes_b) seconds += hone_matmul_read_seconds(device, f->bytes * k * n, 0) * 4;
    if (!plan.pack_a) seconds += hone_matmul_far_seconds(device, a, all) * 0.6;
    seconds += hone_matmul_read_seconds(device, c, all) * (f->reads_c ? 2 : 1);
    if (f->k < 64) seconds += hone_matmul_write_seconds(device, c, all) * 2; /* nothing to hide it behind */
    /* What comes again: c for each further block of k, kept b for each strip, kept a for each panel. */
    const double c_again = f->bytes * m * n * 2 * (double)(cut->k_blocks - 1);
    seconds += hone_matmul_read_seconds(device, c_again, cut->c_bytes ? (double)cut->c_bytes : all) * 2;
    seconds += hone_matmul_read_seconds(device, (plan.pack_b ? f->bytes * k * n : b) * (strips - 1),
                                        plan.pack_b ? b_kept : b) * 0.05;
    seconds += hone_matmul_read_seconds(device, f->bytes * m * k * (panels - 1), a_kept) * 0.05;
    if (f->step_count || f->c_n != 1 || hone_matmul_narrows(f))
        seconds += hone_matmul_read_seconds(device, f->bytes * m * n, 0) * 4;

    const double threads =
        hone_deal_threads(plan.threads, (int64_t)pieces, plan.item_seconds * (double)f->items);
    const double rounds = (double)hone_divide_up((int64_t)pieces, (int64_t)threads);
    const double fork = hone_matmul_fork_seconds(device, threads);
    return rounds * seconds + fork + 100e-9;
}

/* The tiles of the widest vectors with the cuts worth a thought, in the order of their estimates: few rows want a kept
 * and the panels of b passing by, many rows the other way round; long blocks of k write c less often. Few lines of a
 * are read where they lie: copying them took 1 % to 3 % longer, even where they share one set of the first cache. */
static int packed_suggest(const hone_request *request, hone_config *configs, int cap)
{
    static const struct {
        int64_t mc, nc, kc, columns;
    } worth[] = {{1 << 20, 2048, 512, 0}, {1 << 20, 1024, 768, 0}, {1 << 20, 1024, 256, 0}, {1 << 20, 512, 512, 0},
                 {224, 1 << 20, 768, 1},  {448, 1 << 20, 1024, 1}, {448, 1 << 20, 512, 1},  {448, 1 << 20, 256, 1}};
    enum { FEW_LINES = 8 };
    double            seconds[COUNT(worth)];
    int               count = 0;
    hone_matmul_frame f;
    hone_matmul_frame_make(request->problem, &f);
    const bool along = f.a_k == 1 && f.bytes_a == f.bytes;
    /* Of the widest vectors that fit: the tile that is named best is the first of them. */
    const hone_matmul_tile *first = hone_matmul_tile_of(request->device, request->problem, 0);
    for (int64_t tile = 1; first && tile < HONE_MATMUL_TILE_CHOICES; tile++) {
        const hone_matmul_tile *it = hone_matmul_tile_of(request->device, request->problem, tile);
        if (!it || it->isa != first->isa) continue;
        for (int i = 0; i < COUNT(worth); i++) {
            hone_config config;
            hone_config_standard(&space, &config);
            config.value[TILE] = tile;
            config.value[MC] = worth[i].mc;
            config.value[NC] = worth[i].nc;
            config.value[KC] = it->type == HONE_F64 ? worth[i].kc / 2 : worth[i].kc;
            config.value[ORDER] = worth[i].columns;
            config.value[PACK_A] = it->m > FEW_LINES || !along;
            if (pack_b_refuses(request, &config)) continue;
            hone_matmul_config_rank(configs, seconds, &count, hone_min(cap, COUNT(worth)), &config,
                                    packed_estimate(request, &config));
        }
    }
    return count;
}

extern const hone_kernel hone_matmul_packed;
const hone_kernel        hone_matmul_packed = {
    .name = "cpu.packed",
    .op = "matmul",
    .op_version = 2,
    .problem_size = sizeof(hone_matmul_problem),
    .backend = "cpu",
    .version = 2,
    .properties = HONE_BITWISE_ALL,
    .refuses = packed_refuses,
    .space = &space,
    .suggest = packed_suggest,
    .layouts = hone_matmul_tile_layouts,
    .estimate = packed_estimate,
    .prepare = packed_prepare,
    .launch = packed_launch,
    .release = packed_release,
};
