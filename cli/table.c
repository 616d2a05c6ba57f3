/* Tables and paragraphs for people: plain letters, within the width of the stream. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

enum { COLUMNS_MAX = 16, GAP = 2, WRAPPED_LEAST = 16 };

struct cli_table {
    int    columns, rows, room;
    bool   right[COLUMNS_MAX], wraps[COLUMNS_MAX];
    char **cells; /* the heads are row 0 */
};

static char **cell(const cli_table *table, int row, int column)
{
    return &table->cells[row * table->columns + column];
}

static void add_row(cli_table *table, const char *const *cells)
{
    if (table->rows == table->room) {
        table->room = 2 * table->room + 8;
        table->cells = cli_grow(table->cells, (size_t)(table->room * table->columns), sizeof *table->cells);
    }
    int row = table->rows++;
    for (int i = 0; i < table->columns; i++) *cell(table, row, i) = cli_format("%s", cells[i] ? cells[i] : "");
}

cli_table *cli_table_new(const char *const *heads)
{
    cli_table  *table = cli_alloc(1, sizeof *table);
    const char *plain[COLUMNS_MAX];
    while (heads[table->columns] && table->columns < COLUMNS_MAX) {
        const char *head = heads[table->columns];
        table->right[table->columns] = *head == '>';
        table->wraps[table->columns] = *head == '~';
        plain[table->columns++] = head + (*head == '>' || *head == '~');
    }
    add_row(table, plain);
    return table;
}

void cli_table_row(cli_table *table, const char *const *cells)
{
    add_row(table, cells);
}

/* How many letters of `text` stand on a line of `width`: broken at the last blank that fits, or where there is none. */
static int line_of(const char *text, int width)
{
    int length = (int)strcspn(text, "\n");
    if (length <= width) return length;
    for (int at = width; at > 0; at--)
        if (text[at] == ' ') return at;
    return width;
}

static const char *after(const char *text, int length)
{
    text += length;
    if (*text == '\n') return text + 1;
    while (*text == ' ') text++;
    return text;
}

static void blanks(FILE *out, int count)
{
    for (int i = 0; i < count; i++) fputc(' ', out);
}

/* One row, over as many lines as its wrapped cells need. */
static void print_row(const cli_table *table, int row, const int *widths, int last, int indent, FILE *out)
{
    const char *rest[COLUMNS_MAX];
    bool        more = true;
    for (int i = 0; i < table->columns; i++) rest[i] = *cell(table, row, i);
    for (int line = 0; more; line++) {
        int pending = indent; /* blanks are printed only before letters: no line ends in one */
        more = false;
        for (int i = 0; i <= last; i++) {
            int length = line_of(rest[i], widths[i]), pad = widths[i] - length;
            if (length) {
                blanks(out, pending + (table->right[i] ? pad : 0));
                fwrite(rest[i], 1, (size_t)length, out);
                pending = table->right[i] ? 0 : pad;
            } else {
                pending += widths[i];
            }
            pending += GAP;
            rest[i] = after(rest[i], length);
            more |= *rest[i] != 0;
        }
        fputc('\n', out);
    }
}

void cli_table_print(cli_table *table, FILE *out, int indent)
{
    int  widths[COLUMNS_MAX] = {0}, total = indent, wrapped = -1, last = table->columns - 1;
    bool heads = false;
    for (int i = 0; i < table->columns; i++) {
        heads |= **cell(table, 0, i) != 0;
        for (int row = 0; row < table->rows; row++) {
            int length = (int)strlen(*cell(table, row, i));
            if (length > widths[i]) widths[i] = length;
        }
        total += widths[i] + (i ? GAP : 0);
        if (table->wraps[i]) wrapped = i;
    }
    int over = out ? total - cli_columns(out) : 0;
    if (over > 0 && wrapped >= 0) {
        widths[wrapped] -= over;
        if (widths[wrapped] < WRAPPED_LEAST) widths[wrapped] = WRAPPED_LEAST;
    }
    for (int row = heads ? 0 : 1; out && row < table->rows; row++) {
        if (row == 0) fputs(cli_painted(out, CLI_BOLD), out);
        print_row(table, row, widths, last, indent, out);
        if (row == 0) fputs(cli_painted(out, CLI_PLAIN), out);
    }
    for (int i = 0; i < table->rows * table->columns; i++) free(table->cells[i]);
    free(table->cells);
    free(table);
}

void cli_wrap(FILE *out, int indent, const char *text)
{
    int width = 80 - indent;
    while (*text) {
        int length = line_of(text, width);
        if (length) blanks(out, indent);
        fwrite(text, 1, (size_t)length, out);
        fputc('\n', out);
        text = after(text, length);
    }
}
