/* The machine in letters. A part is a box over the whole width, what is in it stands inside; of neighbours that are
 * alike one is drawn, and their number said. Cores have no boxes: [##] is one with two threads, (#) one of a weaker
 * kind. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/draw.h"

enum { WIDTH = 78, INDENT = 2, GRID_LINES = 4 };

/* --- shared ---------------------------------------------------------------------------------------------------- */

bool cli_run_next(const hone_machine *machine, cli_run *run, bool each)
{
    if (run->at < 0) return false;
    run->first = run->at;
    run->count = 1;
    int next = machine->parts[run->first].next;
    while (!each && next >= 0 && hone_part_alike(machine, run->first, next)) {
        run->count++;
        next = machine->parts[next].next;
    }
    run->at = next;
    return true;
}

static const char *const level_names[HONE_LEVEL_MEMORY] = {"L1", "L2", "L3"};

static char *nodes_text(const hone_part *part, int count)
{
    const char *each = count > 1 ? " each" : "";
    if (!part->nodes) return cli_format("%s", "");
    char *bytes = part->memory_bytes ? cli_format(", %s%s", cli_bytes((double)part->memory_bytes).text, each)
                                     : cli_format("%s", part->nodes > 1 ? each : "");
    char *text = part->nodes > 1   ? cli_format("%d NUMA nodes%s", part->nodes, bytes)
                 : count > 1       ? cli_format("a NUMA node%s", bytes)
                                   : cli_format("NUMA node %d%s", part->node, bytes);
    free(bytes);
    return text;
}

void cli_part_titles(const hone_machine *machine, const cli_run *run, char **left, char **right)
{
    const hone_part *part = &machine->parts[run->first];
    static const char *const names[] = {"machine", "package", "die", "group", "cache", "core"};
    char *name = part->kind == HONE_PART_CACHE ? cli_format("%s %s", level_names[part->level],
                                                            cli_bytes((double)part->cache_bytes[part->level]).text)
                 : part->kind == HONE_PART_PACKAGE && part->number >= 0 && run->count == 1
                     ? cli_format("package %d", part->number)
                     : cli_format("%s", names[part->kind]);
    *left = run->count > 1 ? cli_format("%d x %s", run->count, name) : cli_format("%s", name);
    *right = nodes_text(part, run->count);
    if (part->kind == HONE_PART_GROUP && part->nodes == 1) { /* the cores that are near one node: that is its name */
        free(*left);
        *left = run->count > 1 ? cli_format("%d x NUMA node", run->count) : cli_format("NUMA node %d", part->node);
        free(*right);
        *right = part->memory_bytes ? cli_format("%s%s", cli_bytes((double)part->memory_bytes).text,
                                                 run->count > 1 ? " each" : "")
                                    : cli_format("%s", "");
    }
    free(name);
}

char *cli_core_caches(const hone_part *core, const char *between)
{
    char *text = cli_format("%s", "");
    for (int level = HONE_LEVEL_MEMORY - 1; level >= 0; level--) {
        if (!core->cache_bytes[level]) continue;
        char *longer = cli_format("%s%s%s %s", text, *text ? between : "", level_names[level],
                                  cli_bytes((double)core->cache_bytes[level]).text);
        free(text);
        text = longer;
    }
    return text;
}

static char *counted(char *text, int count, const char *one, const char *many)
{
    char *longer = cli_format("%s%s%d %s", text, *text ? ", " : "", count, count == 1 ? one : many);
    free(text);
    return longer;
}

char *cli_machine_line(const hone_machine *machine)
{
    char *text = cli_format("%s", "");
    if (machine->packages) text = counted(text, machine->packages, "package", "packages");
    if (machine->nodes > 1) text = counted(text, machine->nodes, "NUMA node", "NUMA nodes");
    text = counted(text, machine->cores, "core", "cores");
    if (machine->kinds > 1) {
        char *kinds = cli_format("%s", "");
        for (int kind = 0; kind < machine->kinds; kind++) {
            char *longer = cli_format("%s%s%d", kinds, *kinds ? " + " : "", machine->kind_cores[kind]);
            free(kinds);
            kinds = longer;
        }
        char *longer = cli_format("%s (%s)", text, kinds);
        free(kinds);
        free(text);
        text = longer;
    }
    if (machine->threads != machine->cores) text = counted(text, machine->threads, "thread", "threads");
    if (machine->memory_bytes) {
        char *longer = cli_format("%s, %s", text, cli_bytes((double)machine->memory_bytes).text);
        free(text);
        text = longer;
    }
    return text;
}

/* --- lines and boxes ------------------------------------------------------------------------------------------- */

struct lines {
    const char *left_top, *right_top, *left_end, *right_end, *across, *down;
};
static const struct lines plain_lines = {"+", "+", "+", "+", "-", "|"};
static const struct lines drawn_lines = {"┌", "┐", "└", "┘", "─", "│"};

struct page {
    FILE               *out;
    const hone_machine *machine;
    const struct lines *lines;
    int                 depth;
    bool                weak, unusable, folded; /* what the last line must explain */
};

static const struct lines *lines_for(FILE *out)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"}; /* the first one that is set decides */
    const char              *terminal = getenv("TERM");
    if (!isatty(fileno(out)) || !terminal || !strcmp(terminal, "dumb")) return &plain_lines;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value && *value)
            return strstr(value, "UTF-8") || strstr(value, "utf8") || strstr(value, "UTF8") ? &drawn_lines
                                                                                            : &plain_lines;
    }
    return &plain_lines;
}

static int inner(const struct page *page)
{
    return WIDTH - INDENT - 4 * page->depth;
}

static void begin_line(const struct page *page)
{
    fprintf(page->out, "%*s", INDENT, "");
    for (int i = 0; i < page->depth; i++) fprintf(page->out, "%s ", page->lines->down);
}

static void end_line(const struct page *page)
{
    for (int i = 0; i < page->depth; i++) fprintf(page->out, " %s", page->lines->down);
    fputc('\n', page->out);
}

static void across(const struct page *page, int count)
{
    while (count-- > 0) fputs(page->lines->across, page->out);
}

static void text_line(const struct page *page, const char *text)
{
    begin_line(page);
    if (page->depth)
        fprintf(page->out, "%-*s", inner(page), text);
    else
        fputs(text, page->out);
    end_line(page);
}

static void top(const struct page *page, const char *left, const char *right)
{
    int used = (int)strlen(left) + (*right ? (int)strlen(right) + 2 : 0);
    begin_line(page);
    fputs(page->lines->left_top, page->out);
    across(page, 1);
    fprintf(page->out, " %s ", left);
    across(page, inner(page) - used - 6);
    if (*right) fprintf(page->out, " %s ", right);
    across(page, 1);
    fputs(page->lines->right_top, page->out);
    end_line(page);
}

static void bottom(const struct page *page)
{
    begin_line(page);
    fputs(page->lines->left_end, page->out);
    across(page, inner(page) - 2);
    fputs(page->lines->right_end, page->out);
    end_line(page);
}

/* --- cores ----------------------------------------------------------------------------------------------------- */

/* Cores that one caption can stand for: which of them may be used is seen below it. */
static bool same_cores(const hone_part *a, const hone_part *b)
{
    return b->kind == HONE_PART_CORE && a->core_kind == b->core_kind && a->threads == b->threads &&
           !memcmp(a->cache_bytes, b->cache_bytes, sizeof a->cache_bytes);
}

static void mark_core(struct page *page, const hone_part *core, char *out)
{
    *out++ = core->core_kind ? '(' : '[';
    for (int thread = 0; thread < core->threads; thread++) *out++ = core->usable >> (thread % 64) & 1 ? '#' : '.';
    *out++ = core->core_kind ? ')' : ']';
    *out = 0;
    page->weak |= core->core_kind > 0;
    page->unusable |= core->usable_threads < core->threads;
}

/* The cores from `at` on that are the same; gives the next part. */
static int draw_cores(struct page *page, int at)
{
    const hone_machine *m = page->machine;
    const hone_part    *first = &m->parts[at];
    int                 count = 0, usable = 0, width = inner(page), wide = first->threads + 3, end = at;
    char                marks[160], *caches = cli_core_caches(first, ", ");
    for (; end >= 0 && same_cores(first, &m->parts[end]); end = m->parts[end].next, count++)
        usable += m->parts[end].usable_cores;
    char *threads = first->threads > 1 ? cli_format(" of %d threads", first->threads) : cli_format("%s", "");
    char *caption = cli_format("%d %score%s%s%s%s%s", count, first->core_kind ? "weaker " : "", count == 1 ? "" : "s",
                               threads, *caches ? ", " : "", caches, *caches && count > 1 ? " each" : "");
    text_line(page, caption);
    if (first->threads > 40 || count * wide > GRID_LINES * width) {
        free(caption);
        caption = usable == count ? cli_format("all usable") : cli_format("%d of them usable", usable);
        text_line(page, caption);
    } else {
        char *line = cli_alloc((size_t)width + 160, 1);
        int   row = (width + 1) / wide, on_line = 0;
        if (row > 8 && count > row) row -= row % 8; /* several lines: of 8, 16, ... */
        for (int core = at; core != end; core = m->parts[core].next) {
            mark_core(page, &m->parts[core], marks);
            if (on_line++ == row) {
                on_line = 1;
                text_line(page, line);
                *line = 0;
            }
            if (*line) strcat(line, " ");
            strcat(line, marks);
        }
        text_line(page, line);
        free(line);
    }
    free(caption);
    free(threads);
    free(caches);
    return end;
}

/* --- parts ----------------------------------------------------------------------------------------------------- */

static void draw_children(struct page *page, int parent)
{
    const hone_machine *m = page->machine;
    cli_run             run = {.at = m->parts[parent].child};
    while (run.at >= 0) {
        if (m->parts[run.at].kind == HONE_PART_CORE) {
            run.at = draw_cores(page, run.at);
            continue;
        }
        char *left, *right;
        cli_run_next(m, &run, false);
        cli_part_titles(m, &run, &left, &right);
        page->folded |= run.count > 1;
        top(page, left, right);
        page->depth++;
        draw_children(page, run.first);
        page->depth--;
        bottom(page);
        free(left);
        free(right);
    }
}

void cli_draw_text(FILE *out, const hone_machine *machine)
{
    struct page page = {.out = out, .machine = machine, .lines = lines_for(out)};
    char       *line = cli_machine_line(machine);
    text_line(&page, line);
    free(line);
    const hone_part *root = &machine->parts[0];
    if (root->nodes > 0 && machine->packages > 0) {
        line = nodes_text(root, 1);
        if (machine->nodes > 1) fprintf(out, "%*snear to none or all of it: %s\n", INDENT, "", line);
        free(line);
    }
    draw_children(&page, 0);
    fprintf(out, "%*s[#] a core, # a thread of it%s%s\n", INDENT, "",
            page.weak ? ", (#) a weaker core" : "",
            page.unusable ? ", . a thread that this process may not use" : "");
}

/* --- JSON ------------------------------------------------------------------------------------------------------ */

static json_t *part_json(const hone_machine *machine, int at)
{
    static const char *const names[] = {"machine", "package", "die", "group", "cache", "core"};
    const hone_part         *part = &machine->parts[at];
    json_t                  *it = cli_object();
    cli_set(it, "kind", cli_string(names[part->kind]));
    if (part->number >= 0) cli_set(it, "number", json_integer(part->number));
    if (part->kind == HONE_PART_CORE) {
        json_t *caches = cli_object();
        for (int level = 0; level < HONE_LEVEL_MEMORY; level++)
            if (part->cache_bytes[level])
                cli_set(caches, level_names[level], json_integer((json_int_t)part->cache_bytes[level]));
        cli_set(it, "caches", caches);
        cli_set(it, "core_kind", json_integer(part->core_kind));
    } else {
        cli_set(it, "cores", json_integer(part->cores));
        cli_set(it, "usable_cores", json_integer(part->usable_cores));
    }
    if (part->kind == HONE_PART_CACHE) {
        cli_set(it, "level", json_integer(part->level + 1));
        cli_set(it, "bytes", json_integer((json_int_t)part->cache_bytes[part->level]));
    }
    cli_set(it, "threads", json_integer(part->threads));
    cli_set(it, "usable_threads", json_integer(part->usable_threads));
    if (part->nodes) {
        cli_set(it, "numa_nodes", json_integer(part->nodes));
        cli_set(it, "numa_node", json_integer(part->node));
        cli_set(it, "memory_bytes", json_integer((json_int_t)part->memory_bytes));
    }
    if (part->child >= 0) {
        json_t *parts = cli_array();
        for (int child = part->child; child >= 0; child = machine->parts[child].next)
            cli_append(parts, part_json(machine, child));
        cli_set(it, "parts", parts);
    }
    return it;
}

json_t *cli_machine_json(const hone_machine *machine)
{
    json_t *it = part_json(machine, 0), *kinds = cli_array();
    cli_set(it, "model", cli_string(*machine->model ? machine->model : NULL));
    cli_set(it, "packages", json_integer(machine->packages));
    cli_set(it, "all_numa_nodes", json_integer(machine->nodes));
    cli_set(it, "all_memory_bytes", json_integer((json_int_t)machine->memory_bytes));
    for (int kind = 0; kind < machine->kinds; kind++) cli_append(kinds, json_integer(machine->kind_cores[kind]));
    cli_set(it, "kind_cores", kinds);
    return it;
}
