/* cpu.inner: the matmul kernel for bytes, and for bf16 where the CPU has an instruction that multiplies pairs of it: a
 * group of neighbours along k at a time (inner.h).
 *
 *     c is cut into pieces of mc x nc, dealt out to the threads; each piece is done by one, alone:
 *
 *     for each block of at most kc of k
 *         for each strip of rows of the piece
 *             put the strip of a into words, at most a tile's rows, kc long
 *             for each panel of b, a tile's n wide
 *                 multiply: the first strip makes the panel's words and keeps them for the others
 *                 after the last block of k: zero points, alpha, the steps, while the tile is at hand
 *
 * With order=columns the two inner loops change places. Few rows and a short kc follow the lines of b, and each of
 * its elements is fetched once, beside others. Sums between blocks of k wait in c where they fit there, else in
 * scratch.
 *
 * Sums of whole numbers are exact, modulo 2^32. Those of bf16 run over k in order, a pair at a time, whatever the
 * blocks, tiles and threads: so results are the same, bit for bit. Those of f16 do so in runs of words, from the
 * beginning of a block of k on: whatever the tiles and threads. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/size.h"
#include "base/status.h"
#include "kernels/common/deal.h"
#include "kernels/matmul/frame.h"
#include "kernels/matmul/inner.h"

enum { TILE, MC, NC, KC, PACK_B, ORDER, SHARES, PARAMETER_COUNT };
enum { LINE = 64, ONES = LINE }; /* of a cache; bytes of ones that rows and columns are summed by */
enum { FOLLOWS = 64 };           /* so short a block of k is over soon: b is read along its lines */

static const int64_t mc_values[] = {48, 96, 192, 384, 768, 1536, 1 << 20};
static const int64_t nc_values[] = {64, 96, 192, 288, 384, 512, 768, 1024, 2048, 4096, 1 << 20};
static const int64_t kc_values[] = {16, 32, 64, 128, 256, 384, 512, 768, 1024, 1536, 2048, 4096};
static const int64_t yes_or_no[] = {0, 1};
static const int64_t share_values[] = {1, 2, 3, 4, 8};
static const char *const order_names[] = {"rows", "columns"};
#define COUNT(values) ((int)(sizeof(values) / sizeof((values)[0])))

const hone_matmul_inner hone_matmul_inners[] = {
#define NAME_PREFIX (sizeof "hone_matmul_inner_" - 1)
#define HONE_INNER(function, isa, needs, m, n, kit) {&#function[NAME_PREFIX], isa, needs, m, n, function, &kit},
#include "kernels/matmul/inners.def"
#undef HONE_INNER
};
const int hone_matmul_inner_count = COUNT(hone_matmul_inners);

static const char *const tile_names[] = {
    "best",
#define HONE_INNER(function, isa, needs, m, n, kit) &#function[NAME_PREFIX],
#include "kernels/matmul/inners.def"
#undef HONE_INNER
};
static const int64_t tile_values[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
enum { TILE_CHOICES = COUNT(tile_names) };
_Static_assert(TILE_CHOICES <= COUNT(tile_values), "a value for each tile");

static const hone_parameter parameters[PARAMETER_COUNT] = {
    [TILE] = {"tile", 0, TILE_CHOICES, tile_values, tile_names, "the micro-kernel: how much of c its registers hold"},
    [MC] = {"mc", 1 << 20, COUNT(mc_values), mc_values, NULL, "rows of a piece, at most"},
    [NC] = {"nc", 1024, COUNT(nc_values), nc_values, NULL, "columns of a piece, at most"},
    [KC] = {"kc", 768, COUNT(kc_values), kc_values, NULL, "how much of k is done at a time, at most"},
    [PACK_B] = {"pack_b", 1, 2, yes_or_no, NULL, "keep the words of b where more than one strip reads them"},
    [ORDER] = {"order", 0, 2, yes_or_no, order_names,
               "whose tiles follow each other: those of a strip of rows, or of a panel of columns"},
    [SHARES] = {"shares", 1, COUNT(share_values), share_values, NULL,
                "pieces for each thread where there are several, at least, as far as there are tiles"},
};

/* --- what fits -------------------------------------------------------------------------------------------------- */

static bool is_byte(int type)
{
    return type == HONE_S8 || type == HONE_U8;
}

/* Does the tile multiply these types, on this device? */
static bool fits(const hone_matmul_inner *tile, const hone_request *request)
{
    const hone_matmul_problem *p = request->problem;
    const hone_cpu_facts *cpu = &request->device->cpu;
    bool typed = is_byte(p->type_a) && is_byte(p->type_b);
    if (tile->kit->word == HONE_WORD_BF16) typed = p->type_a == HONE_BF16 && p->type_b == HONE_BF16;
    if (tile->kit->word == HONE_WORD_F16)
        typed = p->type_a == HONE_F16 && p->type_b == HONE_F16 && p->accuracy & HONE_ACCURACY_F16_ACCUMULATE;
    if (hone_matmul_packed_b(p) &&
        (hone_matmul_layout_group(p->b_layout) != hone_matmul_word_group(tile->kit->word) ||
         hone_matmul_layout_width(p->b_layout) % tile->n || tile->kit->word == HONE_WORD_S16))
        return false;
    return typed && tile->isa <= cpu->isa && !(tile->needs & ~cpu->extensions);
}

/* Of the tile parameter's value; NULL: it does not fit. 0 is the first that does. */
static const hone_matmul_inner *tile_of(const hone_request *request, int64_t value)
{
    for (int64_t i = value ? value - 1 : 0; i < (value ? value : hone_matmul_inner_count); i++)
        if (fits(&hone_matmul_inners[i], request)) return &hone_matmul_inners[i];
    return NULL;
}

static const char *tile_refuses(const hone_request *request, const hone_config *config)
{
    return tile_of(request, config->value[TILE]) ? NULL : HONE_MATMUL_TILE_REFUSED;
}

static int64_t tile_stands(const hone_request *request, const hone_config *config)
{
    return tile_of(request, config->value[TILE]) - hone_matmul_inners + 1;
}

static int64_t mc_stands(const hone_request *request, const hone_config *config);
static int64_t nc_stands(const hone_request *request, const hone_config *config);
static int64_t kc_stands(const hone_request *request, const hone_config *config);
static int64_t pack_b_stands(const hone_request *request, const hone_config *config);
static int64_t order_stands(const hone_request *request, const hone_config *config);
static int64_t shares_stands(const hone_request *request, const hone_config *config);

static const hone_constraint constraint = {1u << TILE, tile_refuses};
static const hone_sameness same[] = {{TILE, 0, tile_stands},
                                     {MC, 1u << TILE, mc_stands},
                                     {NC, 1u << TILE, nc_stands},
                                     {KC, 0, kc_stands},
                                     {PACK_B, 1u << TILE, pack_b_stands},
                                     {ORDER, 1u << TILE, order_stands},
                                     {SHARES, 0, shares_stands}};
static const hone_space space = {PARAMETER_COUNT, parameters, 1, &constraint, COUNT(same), same};

static const char *inner_refuses(const hone_request *request)
{
    const hone_matmul_problem *p = request->problem;
    const bool bytes = is_byte(p->type_a) && is_byte(p->type_b);
    if (hone_matmul_operand_steps(p)) return HONE_MATMUL_OPERAND_STEPS_REFUSED;
    const bool half = p->type_a == HONE_F16 && p->type_b == HONE_F16;
    if (!bytes && !half && (p->type_a != HONE_BF16 || p->type_b != HONE_BF16))
        return "a and b are neither bytes, nor bf16, nor f16";
    if (half && !(p->accuracy & HONE_ACCURACY_F16_ACCUMULATE))
        return "it would sum f16 in f16 for a while, and accuracy=f16_accumulate does not allow it";
    if (tile_of(request, 0)) return NULL;
    if (half && !hone_matmul_packed_b(p)) return "the device has no arithmetic in f16";
    return hone_matmul_packed_b(p) ? "b is packed, in no panels of words that a tile reads here"
                                   : "the device has no instruction that multiplies pairs of bf16";
}

/* --- the plan --------------------------------------------------------------------------------------------------- */

/* How a problem is cut: the sizes of a configuration, evened out. Bytes are those of a room of scratch. */
typedef struct inner_plan {
    hone_matmul_frame        frame;
    const hone_matmul_inner *tile;
    hone_matmul_finish_fn   *finish;
    bool    bytes, widened;                 /* a and b are whole numbers; of 16 bits in words */
    bool    pack_b, columns;
    bool    sums_in_c;                      /* sums wait in c itself */
    int     group, threads;
    int64_t shares;
    int64_t m_pieces, n_pieces, mc, nc;     /* pieces of one matrix; rows and columns of one, at most: whole panels */
    int64_t k_blocks, kc;
    int64_t strip_line, strip_words;        /* words from one row of a strip to the next; of a strip */
    size_t  strip_bytes, panel_bytes, sums_bytes, sides_bytes, room_bytes;
    double  item_seconds;                   /* about: of one matrix, on one thread */
} inner_plan;

static int64_t strips_of(const hone_matmul_inner *tile, int64_t rows)
{
    return hone_divide_up(rows, tile->m);
}

/* Words that a multiplication takes, as a rate of two operations each for every element: of one thread. */
static double rate_of(const hone_be_device *device, const hone_matmul_inner *tile)
{
    const int lanes = tile->kit->lanes;
    switch (tile->kit->word) {
    case HONE_WORD_U8S8: return hone_matmul_peak_of(device, tile->isa, HONE_S8, 4 * lanes);
    case HONE_WORD_BF16: return hone_matmul_peak_of(device, tile->isa, HONE_BF16, 2 * lanes);
    case HONE_WORD_F16: /* six instructions a sum at the end of each run */
        return hone_matmul_peak_of(device, tile->isa, HONE_F16, 2 * lanes) * HONE_ACCURACY_F16_RUN /
               (HONE_ACCURACY_F16_RUN + 6);
    default: return 1.2 * hone_matmul_peak_of(device, tile->isa, HONE_F32, lanes); /* two instructions for two */
    }
}

/* More pieces, for several threads: rows first where there are many of them, as each piece copies its part of b. */
static void share_out(inner_plan *plan, int64_t strips, int64_t panels)
{
    enum { ROWS_WORTH = 128 }; /* of a piece, for b to be copied once more */
    const hone_matmul_frame *f = &plan->frame;
    const int64_t wanted = plan->threads * plan->shares;
    const int64_t missing = hone_divide_up(wanted, hone_max(plan->m_pieces * plan->n_pieces * f->items, 1));
    const bool rows = f->m > f->n || (f->m >= ROWS_WORTH * plan->m_pieces * missing && f->m >= f->n / 2);
    int64_t   *first = rows ? &plan->m_pieces : &plan->n_pieces, *second = rows ? &plan->n_pieces : &plan->m_pieces;
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

/* May sums wait in c? It has room for them, nobody reads what was there, and nothing else lies there. */
static bool sums_fit_c(const hone_matmul_frame *f)
{
    if ((f->type_c != HONE_S32 && f->type_c != HONE_F32) || f->c_n != 1 || f->reads_c) return false;
    for (int s = 0; s < f->step_count; s++)
        if (f->step[s].kind == HONE_STEP_RESIDUAL) return false;
    return true;
}

static size_t whole_lines(int64_t bytes)
{
    return (size_t)hone_round_up(bytes, LINE);
}

static void plan_make(const hone_request *request, const hone_config *config, inner_plan *out)
{
    enum { SUMS_MAX = 1 << 20 }; /* of scratch for sums between blocks of k, about: what the second cache holds */
    memset(out, 0, sizeof *out);
    hone_matmul_frame_make(request->problem, &out->frame);
    const hone_matmul_frame *f = &out->frame;
    const hone_matmul_inner *tile = out->tile = tile_of(request, config->value[TILE]);
    out->finish = hone_matmul_tile_for(request->device, HONE_F32)->kit->finish;
    out->bytes = hone_matmul_word_whole(tile->kit->word);
    out->widened = tile->kit->word == HONE_WORD_S16;
    out->group = hone_matmul_word_group(tile->kit->word);
    out->threads = request->threads;
    out->shares = config->value[SHARES];
    out->pack_b = config->value[PACK_B];
    out->columns = config->value[ORDER];
    out->sums_in_c = sums_fit_c(f);

    const int64_t strips = hone_max(strips_of(tile, f->m), 1), panels = hone_max(hone_divide_up(f->n, tile->n), 1);
    out->k_blocks = hone_max(hone_divide_up(f->k, config->value[KC]), 1);
    out->kc = hone_max(hone_round_up(hone_divide_up(f->k, out->k_blocks), 4), 4);
    out->k_blocks = hone_max(hone_divide_up(f->k, out->kc), 1);
    out->n_pieces = hone_divide_up(panels, hone_max(config->value[NC] / tile->n, 1));
    int64_t mc = config->value[MC];
    const int64_t nc_most = hone_divide_up(panels, out->n_pieces) * tile->n;
    if (out->k_blocks > 1 && !out->sums_in_c) mc = hone_min(mc, hone_max(SUMS_MAX / 4 / nc_most, tile->m));
    out->m_pieces = hone_divide_up(strips, hone_max(mc / tile->m, 1));
    if (out->threads > 1) share_out(out, strips, panels);
    out->nc = hone_divide_up(panels, out->n_pieces) * tile->n;
    out->mc = hone_divide_up(f->m, out->m_pieces);

    /* A row of words and a cache line more, so that rows spread over the cache's sets; or rows across, side by side. */
    const int64_t words = hone_divide_up(out->kc, out->group), across = hone_round_up(tile->m, tile->kit->lanes);
    out->strip_line = hone_round_up(words, LINE / 4) + LINE / 4;
    out->strip_words = hone_max(out->strip_line * tile->m, across * words);
    out->strip_bytes = whole_lines(4 * out->strip_words * (out->columns ? strips_of(tile, out->mc) : 1));
    const bool keeps = !f->b_width && (f->b_n != 1 || (out->pack_b && strips_of(tile, out->mc) > 1));
    out->panel_bytes = keeps ? whole_lines(4 * words * (out->columns ? tile->n : out->nc)) : 0;
    out->sums_bytes = out->k_blocks > 1 && !out->sums_in_c ? whole_lines(4 * out->mc * out->nc) : 0;
    out->sides_bytes = out->bytes ? whole_lines(4 * out->nc) + whole_lines(4 * out->mc) : 0;
    out->room_bytes = out->strip_bytes + out->panel_bytes + out->sums_bytes + out->sides_bytes;
    out->item_seconds = 2.0 * (double)f->m * (double)f->n * (double)f->k / rate_of(request->device, tile);
}

/* --- one launch ------------------------------------------------------------------------------------------------- */

typedef struct inner_work {
    const inner_plan     *plan;
    const hone_arguments *arguments;
    double                alpha, beta;
    hone_matmul_change    change_a, change_b;
    int32_t               zero_a, zero_b; /* of what is in words */
    bool                  as_is, ends;    /* the sums are c; a tile makes c of them */
    int                   steps;          /* that a tile does */
    int                   scales, bias;   /* which of them; -1: none */
    int8_t                ones[ONES] __attribute__((aligned(LINE)));
} inner_work;

/* One piece of c as its thread sees it, and what of one block of k is copied by now. */
typedef struct inner_piece {
    const inner_work *work;
    hone_matmul_item  item;
    int64_t  i, j, m, n; /* where it begins, and how large it is */
    char    *strip, *panel, *sums;
    int32_t *column, *row; /* the sums of b's columns and of a's rows, then what they add to those of c */
    int64_t  k, kc, words;
    int64_t  strips, panels;
    int64_t  rows, longer; /* of a strip; the first `longer` strips have one more */
    bool     first, last;  /* of the blocks of k */
    char     room[HONE_MATMUL_INNER_BYTES_MAX] __attribute__((aligned(LINE)));
} inner_piece;

static int32_t times(int32_t x, int32_t y)
{
    return (int32_t)((uint32_t)x * (uint32_t)y);
}

/* A strip of a: rows x kc words. The first time it is read, it is made. */
static void strip_take(const inner_piece *piece, int64_t row, int64_t rows, void *to, bool first,
                       hone_matmul_inner_job *job)
{
    const inner_work *work = piece->work;
    const inner_plan *plan = work->plan;
    const hone_matmul_frame *f = &plan->frame;
    const hone_matmul_inner_kit *kit = plan->tile->kit;
    const char *from = piece->item.a + ((piece->i + row) * f->a_m + piece->k * f->a_k) * f->bytes_a;
    /* Whole words that need no change are read where they lie. */
    if (f->a_k == 1 && !work->change_a.flip && !plan->widened && piece->kc % plan->group == 0 &&
        (f->m == 1 || f->a_m * f->bytes_a % 4 == 0)) {
        job->a = from;
        job->a_m = f->m == 1 ? 0 : f->a_m * f->bytes_a / 4;
        job->a_k = 1;
        return;
    }
    hone_matmul_inner_pack pack = {.lines = rows, .length = piece->kc, .from = from, .from_line = f->a_m,
                                   .from_at = f->a_k, .change = work->change_a, .to = to};
    job->a = to;
    if (f->a_m == 1 && f->a_k != 1) {
        pack.width = job->a_k = hone_round_up(rows, kit->lanes);
        job->a_m = 1;
        if (first) kit->panels(&pack);
    } else {
        pack.to_line = job->a_m = plan->strip_line;
        job->a_k = 1;
        if (first) kit->lines(&pack);
    }
}

/* Where the words of a packed b stand, from row k and this column on. */
static const char *words_at(const hone_matmul_frame *f, const char *b, int64_t k, int64_t column)
{
    return b + f->bytes_b * hone_matmul_layout_at(f->b_width, f->b_group, f->k, k, column);
}

/* The panel of b that the job multiplies: as it lies, kept on the way, or made before. With zero points of a its
 * columns are summed the first time it is read. */
static void panel_take(inner_piece *piece, int64_t p, bool first, hone_matmul_inner_job *job)
{
    const inner_work *work = piece->work;
    const inner_plan *plan = work->plan;
    const hone_matmul_frame *f = &plan->frame;
    const hone_matmul_inner *tile = plan->tile;
    const int64_t column = p * tile->n;
    const char *from = f->b_width ? words_at(f, piece->item.b, piece->k, piece->j + column)
                                  : hone_matmul_b_at(f, piece->item.b, piece->k, piece->j + column);
    char       *panel = piece->panel + (plan->columns ? 0 : 4 * p * tile->n * piece->words);
    const bool  kept = !f->b_width && (f->b_n != 1 || (plan->pack_b && piece->strips > 1));

    job->b = panel;
    job->b_k = tile->n;
    if (f->b_width) {
        job->b = from;
        job->b_k = f->b_width;
        if (first && p + 1 < piece->panels)
            hone_matmul_pages_ahead(words_at(f, piece->item.b, piece->k, piece->j + column + tile->n),
                                    4 * piece->words * tile->n);
    } else if (f->b_n != 1) {
        if (first)
            tile->kit->panels(&(hone_matmul_inner_pack){.lines = job->n, .length = piece->kc, .from = from,
                                                        .from_line = f->b_n, .from_at = f->b_k,
                                                        .change = work->change_b, .to = panel, .width = tile->n});
    } else if (first || !kept) {
        job->b = from;
        job->b_k = f->b_k * f->bytes_b;
        job->lines = piece->kc;
        job->change = work->change_b;
        job->panel = kept ? panel : NULL;
        /* The CPU's own fetching ahead ends with each short piece of a line. */
        if (p + 1 < piece->panels) job->ahead = tile->n * f->b_n * f->bytes_b * (piece->kc <= FOLLOWS ? 2 : 1);
    }
    if (!work->zero_a || !first) return;

    hone_matmul_inner_job sum = *job;
    int32_t *sums = piece->column + column;
    sum.m = 1;
    sum.a = work->ones;
    sum.a_m = sum.a_k = 0;
    sum.adds = !piece->first;
    sum.c = sums;
    tile->multiply(&sum);
    if (kept) {
        job->b = panel;
        job->b_k = tile->n;
        job->lines = 0;
        job->panel = NULL;
    }
    if (piece->last)
        for (int64_t j = 0; j < job->n; j++)
            sums[j] = times(-work->zero_a, sums[j]) + times((int32_t)(uint32_t)f->k, times(work->zero_a, work->zero_b));
}

/* With zero points of b the rows of a are summed. */
static void rows_sum(inner_piece *piece, int64_t row, const hone_matmul_inner_job *job)
{
    const inner_work *work = piece->work;
    hone_matmul_inner_job sum = {.m = job->m, .n = 1, .words = piece->words, .a = job->a, .a_m = job->a_m,
                                 .a_k = job->a_k, .b = work->ones, .adds = !piece->first, .c = piece->row + row,
                                 .c_m = 1};
    work->plan->tile->multiply(&sum);
    if (piece->last)
        for (int64_t i = 0; i < job->m; i++) piece->row[row + i] = times(-work->zero_b, piece->row[row + i]);
}

enum { WIDEST = 64 }; /* columns of a tile */
static const float zeros[WIDEST], one_each[WIDEST] = {
#define EIGHT 1, 1, 1, 1, 1, 1, 1, 1
    EIGHT, EIGHT, EIGHT, EIGHT, EIGHT, EIGHT, EIGHT, EIGHT
#undef EIGHT
};

/* The operand of step `step` from this column on; -1: none, but `instead`. */
static const float *vector_of(const inner_piece *piece, int step, int64_t column, const float *instead)
{
    return step < 0 ? instead : (const float *)piece->item.step[step].at + column;
}

/* One tile: strip s, panel p. */
static void tile_run(inner_piece *piece, int64_t s, int64_t p)
{
    const inner_work *work = piece->work;
    const inner_plan *plan = work->plan;
    const hone_matmul_frame *f = &plan->frame;
    const hone_matmul_inner *tile = plan->tile;
    const int64_t row = s * piece->rows + hone_min(s, piece->longer), column = p * tile->n;
    hone_matmul_inner_job job = {.m = piece->rows + (s < piece->longer), .n = hone_min(piece->n - column, tile->n),
                                 .words = piece->words, .adds = !piece->first};

    strip_take(piece, row, job.m, piece->strip + (plan->columns ? 4 * s * plan->strip_words : 0), p == 0, &job);
    panel_take(piece, p, s == 0, &job);
    if (work->zero_b && p == 0) rows_sum(piece, row, &job);

    const int64_t row_c = piece->i + row, column_c = piece->j + column;
    char *c = piece->item.c + (row_c * f->c_m + column_c * f->c_n) * f->bytes_c;
    job.c = plan->sums_in_c ? c : plan->sums_bytes ? piece->sums + 4 * (row * plan->nc + column) : piece->room;
    job.c_m = plan->sums_in_c ? f->c_m : plan->sums_bytes ? plan->nc : tile->n;
    if (piece->last && work->zero_a) job.column = piece->column + column;
    if (piece->last && work->zero_b) job.row = piece->row + row;
    /* What ends as the tile can end it is done then; of whole numbers floats are made there for what follows. */
    if (piece->last && !work->as_is && (plan->bytes || work->ends)) {
        job.end = plan->bytes ? HONE_INNER_FLOATS : HONE_INNER_NARROW;
        job.alpha = (float)work->alpha;
        job.times = vector_of(piece, work->scales, column_c, one_each);
        job.plus = vector_of(piece, work->bias, column_c, zeros);
        job.out = work->ends ? c : job.c;
        job.out_bytes = work->ends ? f->c_m * f->bytes_c : 4 * job.c_m;
    }
    tile->multiply(&job);
    if (!piece->last || work->ends || (work->as_is && plan->sums_in_c)) return;

    if (work->as_is) { /* c lies otherwise */
        for (int64_t i = 0; i < job.m; i++)
            for (int64_t j = 0; j < job.n; j++)
                memcpy(c + (i * f->c_m + j * f->c_n) * 4, (char *)job.c + 4 * (i * job.c_m + j), 4);
        return;
    }
    if (!plan->bytes && work->alpha != 1) tile->kit->scale(job.c, job.m, job.n, job.c_m, work->alpha);
    plan->finish(&(hone_matmul_finish_job){job.m, job.n, job.c, job.c_m, c, f->c_m, f->c_n, work->beta, row_c, column_c,
                                           f->step_count - work->steps, piece->item.step + work->steps, f->type_c});
}

static void piece_run(const inner_work *work, int64_t index, char *scratch)
{
    const inner_plan *plan = work->plan;
    const hone_matmul_frame *f = &plan->frame;
    const int64_t of_item = index % (plan->m_pieces * plan->n_pieces), i = of_item % plan->m_pieces,
                  j = of_item / plan->m_pieces, panels = hone_divide_up(f->n, plan->tile->n);
    inner_piece piece;
    piece.work = work;
    piece.strip = scratch;
    piece.panel = piece.strip + plan->strip_bytes;
    piece.sums = piece.panel + plan->panel_bytes;
    piece.column = (int32_t *)(void *)(piece.sums + plan->sums_bytes);
    piece.row = plan->bytes ? piece.column + whole_lines(4 * plan->nc) / 4 : NULL;
    hone_matmul_item_at(f, work->arguments, index / (plan->m_pieces * plan->n_pieces), &piece.item);
    piece.i = i * f->m / plan->m_pieces;
    piece.m = (i + 1) * f->m / plan->m_pieces - piece.i;
    piece.j = j * panels / plan->n_pieces * plan->tile->n;
    piece.n = hone_min(f->n, (j + 1) * panels / plan->n_pieces * plan->tile->n) - piece.j;
    piece.strips = strips_of(plan->tile, piece.m);
    piece.panels = hone_divide_up(piece.n, plan->tile->n);
    piece.rows = piece.m / piece.strips;
    piece.longer = piece.m % piece.strips;

    for (int64_t block = 0; block < plan->k_blocks; block++) {
        piece.k = block * plan->kc;
        piece.kc = hone_min(f->k - piece.k, plan->kc);
        piece.words = hone_divide_up(piece.kc, plan->group);
        piece.first = block == 0;
        piece.last = block + 1 == plan->k_blocks;
        if (plan->columns)
            for (int64_t p = 0; p < piece.panels; p++)
                for (int64_t s = 0; s < piece.strips; s++) tile_run(&piece, s, p);
        else
            for (int64_t s = 0; s < piece.strips; s++)
                for (int64_t p = 0; p < piece.panels; p++) tile_run(&piece, s, p);
    }
}

static void pieces_run(void *work, int64_t begin, int64_t end, char *scratch)
{
    for (int64_t piece = begin; piece < end; piece++) piece_run(work, piece, scratch);
}

/* Which of the first steps tiles of whole numbers do: scales and then a bias along the columns, of floats. */
static void steps_take(const inner_plan *plan, inner_work *work)
{
    static const hone_step_kind kinds[] = {HONE_STEP_SCALE_COLUMNS, HONE_STEP_BIAS};
    const hone_matmul_frame *f = &plan->frame;
    work->scales = work->bias = -1;
    if (!plan->bytes || work->beta != 0) return;
    for (int i = 0; i < COUNT(kinds) && work->steps < f->step_count; i++) {
        const hone_epilogue_step *step = &f->step[work->steps];
        if (step->kind != (int32_t)kinds[i] || step->type != HONE_F32 || step->row_stride ||
            (step->column_stride != 1 && f->n > 1))
            continue;
        *(i ? &work->bias : &work->scales) = work->steps++;
    }
}

/* How bytes become words, and which zero points are left in there. */
static void changes_make(const inner_plan *plan, int zero_a, int zero_b, inner_work *work)
{
    enum { HALF = 0x80 };
    const hone_matmul_frame *f = &plan->frame;
    const bool flip_a = (f->type_a == HONE_U8) == plan->widened, flip_b = f->type_b == HONE_U8;
    work->change_a.flip = flip_a ? HALF : 0;
    work->change_b.flip = flip_b ? HALF : 0;
    work->zero_a = zero_a + (!flip_a ? 0 : plan->widened ? -HALF : HALF);
    work->zero_b = zero_b - (flip_b ? HALF : 0);
    if (!plan->widened) return;
    work->change_a.less = work->zero_a;
    work->change_b.less = work->zero_b;
    work->zero_a = work->zero_b = 0;
}

static hone_status inner_launch(void *ready, hone_be_stream *stream, const hone_arguments *arguments, hone_span scratch)
{
    const inner_plan *plan = ready;
    const hone_matmul_frame *f = &plan->frame;
    if (!f->m || !f->n) return HONE_OK;

    inner_work work = {.plan = plan, .arguments = arguments, .alpha = hone_matmul_alpha(arguments),
                       .beta = hone_matmul_beta(f, arguments)};
    work.as_is = f->type_c == (plan->bytes ? HONE_S32 : HONE_F32) && !f->step_count && work.alpha == 1 &&
                 work.beta == 0;
    steps_take(plan, &work);
    work.ends = !work.as_is && work.steps == f->step_count && work.beta == 0 && f->c_n == 1 &&
                (plan->bytes ? f->type_c == HONE_F32
                             : f->type_c == HONE_BF16 && work.alpha == 1 && plan->tile->kit->word == HONE_WORD_BF16);
    memset(work.ones, 1, sizeof work.ones);
    if (plan->bytes)
        changes_make(plan, hone_matmul_a_zero(f, arguments), hone_matmul_b_zero(f, arguments), &work);
    const int64_t items = hone_matmul_items(f, arguments);
    hone_deal_out(stream, &(hone_deal){plan->threads, items * plan->m_pieces * plan->n_pieces,
                                       plan->item_seconds * (double)items, hone_span_host(&scratch), plan->room_bytes,
                                       false, pieces_run, &work});
    return HONE_OK;
}

/* --- before it --------------------------------------------------------------------------------------------------- */

static hone_status inner_prepare(const hone_request *request, const hone_config *config, const hone_details *details,
                                 void **ready, hone_needs *needs)
{
    (void)details;
    inner_plan *plan = hone_alloc(1, sizeof *plan);
    if (!plan) return HONE_ERROR_MEMORY;
    plan_make(request, config, plan);
    needs->scratch_bytes = (size_t)plan->threads * plan->room_bytes;
    *ready = plan;
    return HONE_OK;
}

static void inner_release(void *ready)
{
    hone_free(ready);
}

/* Of values that cut `extent` units into equally many pieces, where a piece is value / unit of them: the standard one,
 * else the least. */
static int64_t cut_stands(const hone_parameter *parameter, int64_t value, int64_t extent, int64_t unit)
{
    const int64_t pieces = hone_divide_up(extent, hone_max(value / unit, 1));
    if (hone_divide_up(extent, hone_max(parameter->standard / unit, 1)) == pieces) return parameter->standard;
    for (int i = 0; i < parameter->count; i++)
        if (hone_divide_up(extent, hone_max(parameter->values[i] / unit, 1)) == pieces) return parameter->values[i];
    return value;
}

/* Where scratch for sums is bounded, pieces have fewer rows than they may: then each value means itself. */
static int64_t mc_stands(const hone_request *request, const hone_config *config)
{
    const hone_matmul_inner *tile = tile_of(request, config->value[TILE]);
    hone_matmul_frame f;
    hone_matmul_frame_make(request->problem, &f);
    if (!sums_fit_c(&f)) return config->value[MC];
    return cut_stands(&parameters[MC], config->value[MC], strips_of(tile, f.m), tile->m);
}

static int64_t nc_stands(const hone_request *request, const hone_config *config)
{
    const hone_matmul_inner *tile = tile_of(request, config->value[TILE]);
    hone_matmul_frame f;
    hone_matmul_frame_make(request->problem, &f);
    return cut_stands(&parameters[NC], config->value[NC], hone_divide_up(f.n, tile->n), tile->n);
}

static int64_t kc_stands(const hone_request *request, const hone_config *config)
{
    hone_matmul_frame f;
    hone_matmul_frame_make(request->problem, &f);
    const hone_parameter *kc = &parameters[KC];
    const int64_t blocks = hone_divide_up(f.k, config->value[KC]);
    if (hone_divide_up(f.k, kc->standard) == blocks) return kc->standard;
    for (int i = 0; i < kc->count; i++)
        if (hone_divide_up(f.k, kc->values[i]) == blocks) return kc->values[i];
    return config->value[KC];
}

/* One strip reads each panel once, so none is kept; and is done in the same order either way. */
static int64_t pack_b_stands(const hone_request *request, const hone_config *config)
{
    const hone_matmul_inner *tile = tile_of(request, config->value[TILE]);
    hone_matmul_frame f;
    hone_matmul_frame_make(request->problem, &f);
    return f.b_width || f.b_n != 1 || strips_of(tile, f.m) <= 1 ? parameters[PACK_B].standard : config->value[PACK_B];
}

static int64_t order_stands(const hone_request *request, const hone_config *config)
{
    const hone_matmul_inner *tile = tile_of(request, config->value[TILE]);
    hone_matmul_frame f;
    hone_matmul_frame_make(request->problem, &f);
    return strips_of(tile, f.m) <= 1 ? parameters[ORDER].standard : config->value[ORDER];
}

static int64_t shares_stands(const hone_request *request, const hone_config *config)
{
    return request->threads < 2 ? parameters[SHARES].standard : config->value[SHARES];
}

/* Seconds that the tiles of one m x n x k product take whose operands are at hand. Each step of k takes as long as its
 * multiplications, or as an addition; words of a plain b are made by 13 instructions a group of lines, beside them. */
static double tiles_seconds(const inner_plan *plan, const hone_be_device *device, int64_t m, int64_t n, bool plain)
{
    enum { IN_FLIGHT = 5, MAKE = 13 };
    const double load = 0.1, around = 12e-9;
    const hone_matmul_inner *tile = plan->tile;
    const int lanes = tile->kit->lanes;
    const double cycle = 2.0 * lanes * plan->group / rate_of(device, tile);
    const double strips = (double)strips_of(tile, m), rows = (double)m / strips;
    const double k = (double)hone_divide_up(plan->frame.k, plan->group);
    double steps = 0;
    for (int whole = 0; whole < 2; whole++) {
        const double count = whole ? (double)(n / tile->n) : n % tile->n ? 1 : 0;
        const double vectors = (double)(whole ? tile->n / lanes : hone_divide_up(n % tile->n, lanes));
        const double multiply = fmax(0.98 * rows * vectors + load * (rows + vectors), IN_FLIGHT);
        const double make = MAKE * ceil(vectors / plan->group);
        steps += count * (plain ? fmax(multiply, make) + fmin(multiply, make) * 0.2 : multiply);
    }
    return strips * (steps * k * cycle + (double)hone_divide_up(n, tile->n) * (double)plan->k_blocks * around);
}

/* The time of the thread that does most: its tiles, what it copies, and what of its fetching shows behind them. The
 * shares that show were fitted to some problems on one machine; they rank configurations, no more. */
static double inner_estimate(const hone_request *request, const hone_config *config)
{
    const hone_be_device *device = request->device;
    inner_plan plan;
    plan_make(request, config, &plan);
    const hone_matmul_frame *f = &plan.frame;
    const hone_matmul_inner *tile = plan.tile;
    if (!f->m || !f->n || !f->items) return 0;

    const int64_t rows = plan.mc, columns = hone_min(f->n, plan.nc);
    const double m = (double)rows, n = (double)columns, k = (double)f->k, a_bytes = f->bytes_a, b_bytes = f->bytes_b;
    const double pieces = (double)(f->items * plan.m_pieces * plan.n_pieces), wide = plan.widened ? 2 : 1;
    const double strips = (double)strips_of(tile, rows), panels = (double)hone_divide_up(columns, tile->n);
    const double c_bytes = f->bytes_c;
    const double all = (double)f->items * ((double)f->m * k * a_bytes + k * (double)f->n * b_bytes +
                                           (double)f->m * (double)f->n * c_bytes);
    const bool   kept = plan.panel_bytes > 0, plain = f->b_n == 1 && !f->b_width;
    const int64_t first_rows = (int64_t)(m / strips);

    /* The first strip makes words, the others read them, or all make them. */
    double seconds = kept && plain ? tiles_seconds(&plan, device, first_rows, columns, true) +
                                         tiles_seconds(&plan, device, rows - first_rows, columns, false)
                                   : tiles_seconds(&plan, device, rows, columns, plain);
    const double first = tiles_seconds(&plan, device, first_rows, columns, plain);
    const double panel = b_bytes * wide * (double)plan.kc * (plan.columns ? tile->n : n);
    /* Lines of b are fetched in pieces as wide as a panel, unless the next panel follows soon. */
    const bool   follows = plan.kc <= FOLLOWS && !plan.columns;
    const int64_t piece = tile->n * f->bytes_b; /* of a line: where it is no whole lines of a cache, more are touched */
    const double  slow = f->b_width                ? 1
                         : !plain                  ? 4
                         : piece % LINE            ? 1 + 32 / (double)piece
                         : follows && piece > LINE ? 1.4
                                                   : 1;
    const double  width = b_bytes * (follows ? n : fmin(n, tile->n));
    const double come =
        slow * hone_matmul_near_seconds(device, b_bytes * k * n, all) * (plain ? hone_matmul_near_down(width) : 1);
    seconds += come > first ? come - first : 0;
    seconds +=
        slow * hone_matmul_far_seconds(device, b_bytes * k * n, all) * (plain ? hone_matmul_far_down(width) : 1.3);
    if (!plain && !f->b_width) seconds += b_bytes * k * n * (f->b_k == 1 ? 0.05e-9 : 1e-9);
    if (kept) seconds += hone_matmul_read_seconds(device, b_bytes * wide * k * n, panel);
    if (kept) seconds += hone_matmul_read_seconds(device, b_bytes * wide * k * n * (strips - 1), panel) * 0.1;
    seconds += hone_matmul_read_seconds(device, a_bytes * m * k, all) * (f->a_k == 1 ? 1.5 : 4);
    seconds += hone_matmul_read_seconds(device, a_bytes * wide * m * (double)plan.kc * (panels - 1),
                                        a_bytes * wide * (double)plan.kc * (plan.columns ? m : tile->m)) * 0.05;
    seconds += hone_matmul_read_seconds(device, c_bytes * m * n, all) * (f->reads_c ? 2 : 1);
    /* Sums between blocks of k, and the end: some instructions for each vector. */
    seconds += hone_matmul_read_seconds(device, 8 * m * n * (double)(plan.k_blocks - 1), 4 * m * n);
    if (f->type_c != (plan.bytes ? HONE_S32 : HONE_F32) || f->step_count || f->reads_c || f->c_n != 1)
        seconds += m * n / tile->kit->lanes * (4 + 2 * f->step_count) * 1e-9;

    const double threads = hone_deal_threads(plan.threads, (int64_t)pieces, plan.item_seconds * (double)f->items);
    const double rounds = (double)hone_divide_up((int64_t)pieces, (int64_t)threads);
    return rounds * seconds + hone_matmul_fork_seconds(device, threads) + 60e-9;
}

/* The tiles of the widest vectors with the cuts worth a thought, in the order of their estimates. */
static int inner_suggest(const hone_request *request, hone_config *configs, int cap)
{
    static const struct {
        int64_t nc, kc, pack_b, columns;
    } worth[] = {{1024, 768, 1, 0}, {512, 1024, 1, 0}, {384, 2048, 1, 0}, {1024, 256, 1, 0}, {1 << 20, 1024, 1, 1},
                 {1 << 20, 256, 1, 1}, {1 << 20, 512, 0, 0}, {4096, 32, 1, 0}, {4096, 64, 1, 0}};
    double seconds[COUNT(worth)];
    int    count = 0;
    const hone_matmul_inner *first = tile_of(request, 0);
    for (int64_t tile = 1; first && tile < TILE_CHOICES; tile++) {
        const hone_matmul_inner *it = tile_of(request, tile);
        if (!it || it->isa != first->isa || it->kit != first->kit) continue;
        for (int i = 0; i < COUNT(worth); i++) {
            hone_config config;
            hone_config_standard(&space, &config);
            config.value[TILE] = tile;
            config.value[NC] = worth[i].nc;
            config.value[KC] = worth[i].kc;
            config.value[PACK_B] = worth[i].pack_b;
            config.value[ORDER] = worth[i].columns;
            hone_matmul_config_rank(configs, seconds, &count, hone_min(cap, COUNT(worth)), &config,
                                    inner_estimate(request, &config));
        }
    }
    return count;
}

/* Panels of words as wide as each tile that fits, that of the first guess first. */
static int inner_layouts(const hone_request *request, int role, hone_layout *out, int cap)
{
    const hone_matmul_problem *p = request->problem;
    hone_config                best;
    int                        count = 0;
    if (hone_matmul_is_scaled(p)) return 0;
    if (role != HONE_MATMUL_B || hone_matmul_packed_b(p) || !inner_suggest(request, &best, 1)) return 0;
    for (int64_t i = 0; i < TILE_CHOICES && count < cap; i++) {
        const hone_matmul_inner *tile = tile_of(request, i ? i : best.value[TILE]);
        hone_layout              layout;
        bool                     known = false;
        if (!tile || tile->kit->word == HONE_WORD_S16) continue;
        const int group = hone_matmul_word_group(tile->kit->word);
        memset(&layout, 0, sizeof layout);
        snprintf(layout.name, sizeof layout.name, "n%dk%d", tile->n, group);
        for (int j = 0; j < count; j++) known |= !strcmp(out[j].name, layout.name);
        if (known || !hone_matmul_layout_bytes(tile->n, group, 32 / group, p->k, p->n, &layout.bytes)) continue;
        out[count++] = layout;
    }
    return count;
}

extern const hone_kernel hone_matmul_inner_groups;
const hone_kernel        hone_matmul_inner_groups = {
    .name = "cpu.inner",
    .op = "matmul",
    .op_version = 2,
    .problem_size = sizeof(hone_matmul_problem),
    .backend = "cpu",
    .version = 3,
    .properties = HONE_BITWISE_ALL,
    .refuses = inner_refuses,
    .space = &space,
    .suggest = inner_suggest,
    .layouts = inner_layouts,
    .estimate = inner_estimate,
    .prepare = inner_prepare,
    .launch = inner_launch,
    .release = inner_release,
};
