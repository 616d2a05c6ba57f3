/* The machine as one SVG document that needs nothing else: no script, no font, no other file.
 *
 * Sizes are found from the inside out: a core is a tile, a box is as large as its title and the rows of what is in it,
 * and of all numbers of columns the one is taken whose shape is nearest to the box's own. Then places are given from
 * the outside in, and boxes of one row grow to one height and to the width that there is. Large machines get smaller
 * tiles; very large ones show parts that are alike once, with their number. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backends/cpu/cpu.h"
#include "cli/draw.h"

enum { EACH_CORES_MAX = 512, BIG_CORES_MAX = 16, MIDDLE_CORES_MAX = 96 };

static const double margin = 28, padding = 12, gap = 8, title_height = 24, page_least = 760;

static const char style[] =
    "text{font-family:'Inter','Segoe UI','Helvetica Neue',Helvetica,Arial,sans-serif;fill:#22303c}"
    ".page{fill:#fbfaf7}.h1{font-size:21px;font-weight:600}.sub{font-size:13px;fill:#5d6b78}"
    ".name{font-size:12.5px;font-weight:600}.note{font-size:12px;fill:#5d6b78}"
    ".package{fill:#f1f3f0;stroke:#b9c1b4}.die{fill:#f5f4ee;stroke:#c9c3ae}.group{fill:#f8f4ea;stroke:#d2c6a5}"
    ".cache{fill:#e9eff3;stroke:#b7c6d1}.strong{fill:#2f6b86}.weak{fill:#7fb0a8}.shut{fill:#dcdfe0}"
    ".core{font-size:11.5px;font-weight:600;fill:#fff}.own{font-size:10.5px;fill:#fff;fill-opacity:.85}"
    ".shutcore{font-size:11.5px;font-weight:600;fill:#8a949c}.shutown{font-size:10.5px;fill:#8a949c}"
    ".thread{fill:#fff}.dim{fill:#fff;fill-opacity:.28}.shutthread{fill:#b9c0c5}"
    ".count{font-size:15px;font-weight:600;fill:#22303c}"
    ".axis{stroke:#8c979f;stroke-width:1}.grid{stroke:#e4e3dc;stroke-width:1}.tick{font-size:11px;fill:#5d6b78}"
    ".roof{fill:none;stroke-width:2.2;stroke-linecap:round}.label{font-size:11.5px;font-weight:600}"
    ".head{font-size:12px;font-weight:600;fill:#5d6b78}.cell{font-size:12.5px}.rule{stroke:#d9d8d0;stroke-width:1}";

/* --- pieces ---------------------------------------------------------------------------------------------------- */

struct box {
    double x, y, w, h;
    int    columns;
};

struct canvas {
    FILE               *out;
    const hone_machine *machine;
    struct box         *boxes; /* one a part */
    double              tile_w, tile_h;
    bool                each, each_core; /* boxes that are alike are all drawn; such cores are */
    bool                words;           /* tiles are large enough for words */
};

static bool next_run(const struct canvas *c, cli_run *run)
{
    bool core = run->at >= 0 && c->machine->parts[run->at].kind == HONE_PART_CORE;
    return cli_run_next(c->machine, run, core ? c->each_core : c->each);
}

/* The most cores that stand in one box. */
static int most_cores(const hone_machine *m)
{
    int most = 0;
    for (int i = 0; i < m->part_count; i++) {
        int cores = 0;
        for (int child = m->parts[i].child; child >= 0; child = m->parts[child].next)
            cores += m->parts[child].kind == HONE_PART_CORE;
        if (cores > most) most = cores;
    }
    return most;
}

/* Text with what XML gives a meaning written out. Bytes that are no UTF-8 of printable letters become '?'. */
static void put_text(FILE *out, const char *text)
{
    for (; *text; text++) switch (*text) {
        case '<': fputs("&lt;", out); break;
        case '>': fputs("&gt;", out); break;
        case '&': fputs("&amp;", out); break;
        case '"': fputs("&quot;", out); break;
        default: fputc((unsigned char)*text < 32 || (unsigned char)*text > 126 ? '?' : *text, out);
        }
}

static void text_at(FILE *out, double x, double y, const char *class, const char *anchor, const char *text)
{
    fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\" text-anchor=\"%s\">", x, y, class, anchor);
    put_text(out, text);
    fputs("</text>\n", out);
}

static void rectangle(FILE *out, double x, double y, double w, double h, double round, const char *class)
{
    fprintf(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"%.1f\" class=\"%s\"/>\n", x, y, w, h,
            round, class);
}

static void line(FILE *out, double x0, double y0, double x1, double y1, const char *class)
{
    fprintf(out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"%s\"/>\n", x0, y0, x1, y1, class);
}

/* About how wide that is in letters of a size: no font is asked. */
static double text_width(const char *text, double size)
{
    return 0.58 * size * (double)strlen(text);
}

/* How many tiles are drawn: the fewer, the larger they may be. */
static int count_tiles(const struct canvas *c, int parent)
{
    int     count = 0;
    cli_run run = {.at = c->machine->parts[parent].child};
    while (next_run(c, &run))
        count += c->machine->parts[run.first].kind == HONE_PART_CORE ? 1 : count_tiles(c, run.first);
    return count;
}

/* --- sizes ----------------------------------------------------------------------------------------------------- */

static double widest(double a, double b)
{
    return a > b ? a : b;
}

/* Children stand in sections of one kind, cores of one kind or boxes: where the next section begins; -1: nowhere. */
static int section_end(const hone_machine *m, int at)
{
    const hone_part *first = &m->parts[at];
    bool             core = first->kind == HONE_PART_CORE;
    for (at = first->next; at >= 0; at = m->parts[at].next)
        if (core != (m->parts[at].kind == HONE_PART_CORE) || m->parts[at].core_kind != first->core_kind) break;
    return at;
}

/* The size of a section in rows of so many columns. */
static void rows(const struct canvas *c, int from, int end, int columns, double *w, double *h)
{
    cli_run run = {.at = from};
    double  row_w = 0, row_h = 0;
    *w = *h = 0;
    for (int at = 0; run.at != end && next_run(c, &run); at++) {
        const struct box *box = &c->boxes[run.first];
        if (at % columns == 0) {
            *h += at ? row_h + gap : 0;
            row_w = row_h = 0;
        }
        row_w += box->w + (at % columns ? gap : 0);
        row_h = widest(row_h, box->h);
        *w = widest(*w, row_w);
    }
    *h += row_h;
}

/* Finds the columns of a section whose shape is nearest to that of boxes that look well; no core's row is half empty.
 */
static void choose_columns(struct canvas *c, int from, int end, double shape, double *best_w, double *best_h)
{
    cli_run run = {.at = from};
    int     count = 0;
    double  best = INFINITY;
    while (run.at != end && next_run(c, &run)) count++;
    for (int columns = 1; columns <= count; columns++) {
        double w, h, left = (double)((columns - count % columns) % columns) / columns; /* of the last row, empty */
        rows(c, from, end, columns, &w, &h);
        double far = fabs(log(w / h / shape)) + 1.5 * left + (w > 1500 ? 4 : 0);
        if (far >= best) continue;
        best = far;
        c->boxes[from].columns = columns;
        *best_w = w;
        *best_h = h;
    }
}

/* Boxes of one kind that differ a little, by the width of a number, get one size: rows then stand in columns. */
static void even_out(struct canvas *c, int parent)
{
    const hone_machine *m = c->machine;
    double              w[HONE_PART_CORE + 1] = {0}, h[HONE_PART_CORE + 1] = {0};
    for (int pass = 0; pass < 2; pass++) {
        cli_run run = {.at = m->parts[parent].child};
        while (next_run(c, &run)) {
            hone_part_kind kind = m->parts[run.first].kind;
            struct box    *box = &c->boxes[run.first];
            if (pass == 0) w[kind] = widest(w[kind], box->w), h[kind] = widest(h[kind], box->h);
            else if (box->w > 0.75 * w[kind] && box->h > 0.75 * h[kind]) box->w = w[kind], box->h = h[kind];
        }
    }
}

static void measure(struct canvas *c, int at)
{
    const hone_machine *m = c->machine;
    const hone_part    *part = &m->parts[at];
    struct box         *box = &c->boxes[at];
    if (part->kind == HONE_PART_CORE) {
        *box = (struct box){.w = c->tile_w, .h = c->tile_h};
        return;
    }
    cli_run run = {.at = part->child};
    while (next_run(c, &run)) measure(c, run.first);
    even_out(c, at);
    *box = (struct box){0};
    for (int from = part->child, end; from >= 0; from = end) {
        /* cores like wide boxes, boxes of boxes squarer ones */
        bool   cores = m->parts[from].kind == HONE_PART_CORE;
        double shape = part->kind == HONE_PART_MACHINE ? 1.5 : cores ? 2.0 : 1.4, w = 0, h = 0;
        end = section_end(m, from);
        choose_columns(c, from, end, shape, &w, &h);
        box->w = widest(box->w, w);
        box->h += h + (from == part->child ? 0 : gap);
    }
    if (part->kind == HONE_PART_MACHINE) return;
    char   *left, *right;
    cli_run one = {.first = at, .count = 1};
    cli_part_titles(m, &one, &left, &right);
    double title = text_width(left, 13.5) + (*right ? text_width(right, 12) + 18 : 0);
    box->w = widest(box->w, title) + 2 * padding;
    box->h += title_height + padding + 4;
    free(left);
    free(right);
}

/* Rows from x, y on, as wide as w: what is in a row grows with it, and in a last one that is not full as in the others.
 */
static void set_places(struct canvas *c, int parent, double x, double y, double w)
{
    const hone_machine *m = c->machine;
    double              more = 0;
    int                 columns = 0, end = -1;
    cli_run             run = {.at = m->parts[parent].child};
    while (run.at >= 0) {
        cli_run row = run;
        double  used = 0, tallest = 0, at = x;
        int     count = 0;
        if (!columns || run.at == end) {
            columns = c->boxes[run.at].columns;
            end = section_end(m, run.at);
        }
        while (count < columns && row.at != end && next_run(c, &row)) {
            used += c->boxes[row.first].w + (count++ ? gap : 0);
            tallest = widest(tallest, c->boxes[row.first].h);
        }
        if (count == columns) more = (w - used) / count;
        for (int i = 0; i < count && next_run(c, &run); i++) {
            struct box *box = &c->boxes[run.first];
            box->x = at;
            box->y = y;
            box->w += more;
            if (m->parts[run.first].kind != HONE_PART_CORE) {
                box->h = tallest;
                set_places(c, run.first, box->x + padding, y + title_height + 4, box->w - 2 * padding);
            }
            at += box->w + gap;
        }
        y += tallest + gap;
    }
}

/* --- the machine ----------------------------------------------------------------------------------------------- */

static void draw_core(const struct canvas *c, const hone_part *core, const struct box *box, int count)
{
    bool        shut = !core->usable_threads;
    double      dot = c->words ? 9 : c->tile_w > 30 ? 7 : 5, step = dot + 3, x = box->x, y = box->y;
    int         shown = core->threads < 16 ? core->threads : 16, across = (int)((c->tile_w - 6) / step);
    if (across > shown) across = shown;
    rectangle(c->out, x, y, box->w, box->h, c->words ? 6 : 4, shut ? "shut" : core->core_kind ? "weak" : "strong");
    if (c->words) {
        char  name[32], *caches = cli_core_caches(core, "\n"), *rest = caches;
        snprintf(name, sizeof name, core->number >= 0 && count == 1 ? "core %d" : "core", core->number);
        text_at(c->out, x + 9, y + 18, shut ? "shutcore" : "core", "start", name);
        for (double at = y + 34; *rest; at += 14) {
            char *end = rest + strcspn(rest, "\n");
            char  kept = *end;
            *end = 0;
            text_at(c->out, x + 9, at, shut ? "shutown" : "own", "start", rest);
            rest = kept ? end + 1 : end;
        }
        free(caches);
    }
    double dots = across * step - 3, left = c->words ? x + 9 : x + (box->w - dots) / 2;
    int    lines = (shown + across - 1) / across;
    double over = c->words ? y + box->h - 8 - lines * step + 3 : y + (box->h - (lines * step - 3)) / 2;
    for (int thread = 0; thread < shown; thread++)
        rectangle(c->out, left + thread % across * step, over + thread / across * step, dot, dot, 2,
                  shut ? "shutthread" : core->usable >> thread & 1 ? "thread" : "dim");
    if (count > 1) {
        char times[24];
        snprintf(times, sizeof times, "%d x", count);
        text_at(c->out, x + box->w / 2, y - 3, "note", "middle", times);
    }
}

static void draw_part(const struct canvas *c, const cli_run *run)
{
    static const char *const classes[] = {"page", "package", "die", "group", "cache", "strong"};
    const hone_part         *part = &c->machine->parts[run->first];
    const struct box        *box = &c->boxes[run->first];
    if (part->kind == HONE_PART_CORE) {
        draw_core(c, part, box, run->count);
        return;
    }
    if (part->kind != HONE_PART_MACHINE) {
        char *left, *right;
        rectangle(c->out, box->x, box->y, box->w, box->h, 8, classes[part->kind]);
        cli_part_titles(c->machine, run, &left, &right);
        text_at(c->out, box->x + padding, box->y + 18, "name", "start", left);
        text_at(c->out, box->x + box->w - padding, box->y + 18, "note", "end", right);
        free(left);
        free(right);
    }
    cli_run inside = {.at = part->child};
    while (next_run(c, &inside)) draw_part(c, &inside);
}

/* What the colours say, as far as they are there; gives the y below. */
static double draw_legend(const struct canvas *c, double x, double y)
{
    const hone_part *root = &c->machine->parts[0];
    struct {
        const char *class, *text;
        bool        there;
    } keys[] = {
        {"strong", c->machine->kinds > 1 ? "strong core" : "core", true},
        {"weak", "weaker core", c->machine->kinds > 1},
        {"shut", "not for this process", root->usable_cores < root->cores},
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (!keys[i].there) continue;
        rectangle(c->out, x, y - 10, 12, 12, 3, keys[i].class);
        text_at(c->out, x + 18, y, "note", "start", keys[i].text);
        x += 18 + text_width(keys[i].text, 12) + 22;
    }
    char *own = NULL;
    for (int i = 0; i < c->machine->part_count && !own && !c->words; i++)
        if (c->machine->parts[i].kind == HONE_PART_CORE) {
            char *caches = cli_core_caches(&c->machine->parts[i], ", ");
            if (*caches) own = cli_format("each%s core: %s", c->machine->kinds > 1 ? " strong" : "", caches);
            free(caches);
            break;
        }
    text_at(c->out, x, y, "note", "start", own ? own : "");
    free(own);
    return y + 14;
}

/* --- ceilings: a roofline and the figures behind it ------------------------------------------------------------- */

struct plot {
    FILE  *out;
    double x, y, w, h, x0, x1, y0, y1; /* the last four: logarithms of what the edges mean */
};

static double plot_x(const struct plot *p, double intensity)
{
    return p->x + p->w * (log2(intensity) - p->x0) / (p->x1 - p->x0);
}

static double plot_y(const struct plot *p, double rate)
{
    return p->y + p->h * (1 - (log10(rate) - p->y0) / (p->y1 - p->y0));
}

static const struct {
    hone_dtype  type;
    const char *name, *colour;
} rates[] = {{HONE_S8, "int8", "#8c5a86"}, {HONE_BF16, "bf16", "#2f6b86"}, {HONE_F16, "fp16", "#3d8a7d"},
             {HONE_F32, "fp32", "#b8622f"}, {HONE_F64, "fp64", "#6d7a34"}};
static const char *const level_titles[HONE_LEVEL_COUNT] = {"L1", "L2", "L3", "memory"};

/* The best rate of a type by all threads, over the instruction sets. */
static double best_rate(const hone_ceilings *c, hone_dtype type)
{
    double best = 0;
    for (int isa = 0; isa < HONE_ISA_COUNT; isa++) best = widest(best, c->flops[isa][type][HONE_WIDTH_ALL]);
    return best;
}

static void draw_axes(const struct plot *p)
{
    for (int power = (int)p->x0; power <= (int)p->x1; power++) {
        char tick[16];
        line(p->out, plot_x(p, exp2(power)), p->y, plot_x(p, exp2(power)), p->y + p->h, "grid");
        if (power < 0) snprintf(tick, sizeof tick, "1/%d", 1 << -power);
        else snprintf(tick, sizeof tick, "%d", 1 << power);
        if (power % 2 == 0) text_at(p->out, plot_x(p, exp2(power)), p->y + p->h + 16, "tick", "middle", tick);
    }
    for (int power = (int)ceil(p->y0); power <= (int)p->y1; power++) {
        line(p->out, p->x, plot_y(p, pow(10, power)), p->x + p->w, plot_y(p, pow(10, power)), "grid");
        text_at(p->out, p->x - 7, plot_y(p, pow(10, power)) + 4, "tick", "end", cli_rate(pow(10, power), "").text);
    }
    line(p->out, p->x, p->y + p->h, p->x + p->w, p->y + p->h, "axis");
    line(p->out, p->x, p->y, p->x, p->y + p->h, "axis");
    text_at(p->out, p->x + p->w, p->y + p->h + 33, "tick", "end", "operations a byte");
    text_at(p->out, p->x - 40, p->y - 12, "tick", "start", "operations a second, all threads");
}

/* Slopes are what a level of memory feeds, flats are what the arithmetic takes. */
static void draw_roofline(FILE *out, const hone_ceilings *c, double x, double y, double w, double h)
{
    static const char *const slopes[HONE_LEVEL_COUNT] = {"#c9a24b", "#c08f5a", "#a98467", "#7c6a5d"};
    static const double      along[HONE_LEVEL_COUNT] = {0.04, 0.32, 0.14, 0.2}; /* neighbours may lie close */
    static const double      side[HONE_LEVEL_COUNT][2] = {{-4, -3}, {-4, -3}, {9, 7}, {-4, -3}}; /* L3's stands below */
    double                   top = 0, least = INFINITY, feed = 0;
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        double rate = best_rate(c, rates[i].type);
        top = widest(top, rate);
        if (rate > 0 && rate < least) least = rate;
    }
    for (int level = 0; level < HONE_LEVEL_COUNT; level++) feed = widest(feed, c->read[level][HONE_WIDTH_ALL]);
    struct plot p = {out, x, y, w, h, 0, 0, 0, 0};
    double      slowest = c->read[HONE_LEVEL_MEMORY][HONE_WIDTH_ALL];
    if (!(top > 0) || !(feed > 0)) return;
    if (!(slowest > 0)) slowest = feed;
    p.x0 = floor(log2(least / feed)) - 2;
    p.x1 = ceil(log2(top / slowest)) + 3;
    p.y0 = floor(log10(slowest * exp2(p.x0)) * 4) / 4;
    p.y1 = ceil(log10(top * 1.15) * 4) / 4;
    draw_axes(&p);
    fprintf(out, "<clipPath id=\"plot\"><rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/></clipPath>\n", x,
            y - 1, w, h + 1);
    for (int level = HONE_LEVEL_COUNT - 1; level >= 0; level--) {
        double rate = c->read[level][HONE_WIDTH_ALL];
        if (!(rate > 0)) continue;
        double from = exp2(p.x0), to = top / rate;
        double angle = -atan2(plot_y(&p, 1) - plot_y(&p, 2), plot_x(&p, 2) - plot_x(&p, 1)) * 45 / atan(1);
        double first = widest(log2(from), log2(pow(10, p.y0) / rate)); /* where it comes into view */
        double at = exp2(first + along[level] * (log2(to) - first));
        char   label[64];
        fprintf(out, "<path clip-path=\"url(#plot)\" class=\"roof\" stroke=\"%s\" d=\"M%.1f %.1fL%.1f %.1f\"/>\n",
                slopes[level], plot_x(&p, from), plot_y(&p, from * rate), plot_x(&p, to), plot_y(&p, top));
        snprintf(label, sizeof label, "%s %s", level_titles[level], cli_rate(rate, "B/s").text);
        fprintf(out,
                "<text class=\"label\" style=\"fill:%s\" transform=\"translate(%.1f %.1f) rotate(%.1f)\">%s</text>\n",
                slopes[level], plot_x(&p, at) + side[level][0], plot_y(&p, at * rate) + side[level][1], angle, label);
    }
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        double rate = best_rate(c, rates[i].type);
        char   label[64];
        if (!(rate > 0)) continue;
        fprintf(out, "<path class=\"roof\" stroke=\"%s\" d=\"M%.1f %.1fL%.1f %.1f\"/>\n", rates[i].colour,
                plot_x(&p, rate / feed), plot_y(&p, rate), x + w, plot_y(&p, rate));
        snprintf(label, sizeof label, "%s %s", rates[i].name,
                 cli_rate(rate, rates[i].type == HONE_S8 ? "OP/s" : "FLOP/s").text);
        fprintf(out, "<text class=\"label\" style=\"fill:%s\" text-anchor=\"end\" x=\"%.1f\" y=\"%.1f\">%s</text>\n",
                rates[i].colour, x + w - 2, plot_y(&p, rate) - 5, label);
    }
}

struct sheet {
    FILE  *out;
    double x, y, column[4]; /* where the columns begin or, but for the first two, end */
};

static void sheet_row(struct sheet *s, const char *class, const char *a, const char *b, const char *c, const char *d)
{
    text_at(s->out, s->x + s->column[0], s->y, class, "start", a);
    text_at(s->out, s->x + s->column[1], s->y, class, "start", b);
    text_at(s->out, s->x + s->column[2], s->y, class, "end", c);
    text_at(s->out, s->x + s->column[3], s->y, class, "end", d);
    s->y += 18;
}

static void sheet_head(struct sheet *s, const char *a, const char *b, const char *c, const char *d)
{
    sheet_row(s, "head", a, b, c, d);
    line(s->out, s->x, s->y - 12, s->x + s->column[3], s->y - 12, "rule");
    s->y += 5;
}

static double draw_sheet(FILE *out, const hone_be_device *device, double x, double y)
{
    const hone_ceilings *c = &device->ceilings;
    struct sheet         s = {out, x, y, {0, 60, 218, 330}};
    char                 all[32];
    snprintf(all, sizeof all, "%d thread%s", device->threads, device->threads == 1 ? "" : "s");
    sheet_head(&s, "arithmetic", "", "1 thread", all);
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++)
        for (int isa = HONE_ISA_COUNT - 1; isa >= 0; isa--) {
            const double *rate = c->flops[isa][rates[i].type];
            const char   *unit = rates[i].type == HONE_S8 ? "OP/s" : "FLOP/s";
            if (!(rate[HONE_WIDTH_ONE] > 0)) continue;
            sheet_row(&s, "cell", rates[i].name, hone_cpu_isa_name((hone_isa)isa),
                      cli_rate(rate[HONE_WIDTH_ONE], unit).text, cli_rate(rate[HONE_WIDTH_ALL], unit).text);
        }
    s.y += 12;
    sheet_head(&s, "bandwidth", "", "1 thread", all);
    for (int level = 0; level < HONE_LEVEL_COUNT; level++) {
        if (!(c->read[level][HONE_WIDTH_ONE] > 0)) continue;
        sheet_row(&s, "cell", level_titles[level], "read", cli_rate(c->read[level][HONE_WIDTH_ONE], "B/s").text,
                  cli_rate(c->read[level][HONE_WIDTH_ALL], "B/s").text);
        sheet_row(&s, "cell", "", "copy", cli_rate(c->copy[level][HONE_WIDTH_ONE], "B/s").text,
                  cli_rate(c->copy[level][HONE_WIDTH_ALL], "B/s").text);
    }
    s.y += 12;
    sheet_head(&s, "costs", "", "", "");
    char *fork = cli_format("to %s and back", all);
    text_at(out, x, s.y, "cell", "start", "an empty launch");
    text_at(out, x + s.column[3], s.y, "cell", "end", cli_time(c->launch_seconds).text);
    s.y += 18;
    text_at(out, x, s.y, "cell", "start", fork);
    text_at(out, x + s.column[3], s.y, "cell", "end", cli_time(c->fork_seconds).text);
    free(fork);
    return s.y + 8;
}

static double sheet_height(const hone_ceilings *c)
{
    int rows = 3;
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++)
        for (int isa = 0; isa < HONE_ISA_COUNT; isa++) rows += c->flops[isa][rates[i].type][HONE_WIDTH_ONE] > 0;
    for (int level = 0; level < HONE_LEVEL_COUNT; level++) rows += 2 * (c->read[level][HONE_WIDTH_ONE] > 0);
    return 18 * (rows + 3) + 3 * 23 + 30;
}

/* --- the page -------------------------------------------------------------------------------------------------- */

char *cli_draw_svg(const hone_machine *machine, const char *label, const hone_be_device *device, size_t *bytes)
{
    struct canvas c = {.machine = machine,
                       .each = machine->cores <= EACH_CORES_MAX,
                       .each_core = most_cores(machine) <= EACH_CORES_MAX};
    int           tiles = count_tiles(&c, 0);
    char         *text = NULL, *summary = cli_machine_line(machine);
    bool          measured = device && device->ceilings_known;
    c.words = tiles <= BIG_CORES_MAX;
    c.tile_w = c.words ? 92 : tiles <= MIDDLE_CORES_MAX ? 40 : 22;
    c.tile_h = c.words ? 84 : tiles <= MIDDLE_CORES_MAX ? 30 : 18;
    c.boxes = cli_alloc((size_t)machine->part_count, sizeof *c.boxes);
    measure(&c, 0);
    double above = 92, inner = widest(c.boxes[0].w, page_least), sheet = 330, between = 56;
    double below = measured ? widest(sheet_height(&device->ceilings), 330) + 60 : 0;
    double w = inner + 2 * margin, machine_end = above + c.boxes[0].h, h = machine_end + 34 + below + margin / 2;
    set_places(&c, 0, margin, above, inner);

    c.out = open_memstream(&text, bytes);
    if (!c.out) c.out = cli_alloc(0, 0); /* says that there is no memory, and ends */
    fprintf(c.out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" "
            "role=\"img\">\n<title>",
            w, h, w, h);
    put_text(c.out, label);
    fprintf(c.out, "</title>\n<style>%s</style>\n", style);
    rectangle(c.out, 0, 0, w, h, 0, "page");
    text_at(c.out, margin, 44, "h1", "start", label);
    text_at(c.out, margin, 68, "sub", "start", summary);
    cli_run root = {.first = 0, .count = 1};
    draw_part(&c, &root);
    draw_legend(&c, margin, machine_end + 24);
    if (measured) {
        double y = machine_end + 84;
        line(c.out, margin, y - 40, w - margin, y - 40, "rule");
        draw_roofline(c.out, &device->ceilings, margin + 44, y + 8, inner - 44 - sheet - between, below - 130);
        draw_sheet(c.out, device, w - margin - sheet, y);
    }
    fputs("</svg>\n", c.out);
    fclose(c.out);
    free(c.boxes);
    free(summary);
    return text;
}
