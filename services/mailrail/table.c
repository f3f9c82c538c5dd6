#include "services/mailrail/table.h"

#include "common/base/bug.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistr.h>
#include <uniwidth.h>

#define COLUMNS_MAX 20

struct table table_init(const struct column *columns, size_t count, struct arena *arena)
{
    BUG_ON(count > COLUMNS_MAX);
    return (struct table){.columns = columns, .column_count = count, .arena = arena};
}

void table_release(struct table *table)
{
    array_release(&table->cells);
}

static void add_cell(struct table *table, enum column_type type, struct str text)
{
    BUG_ON(table->columns[table->cells.len % table->column_count].type != type);
    array_push(&table->cells, text);
}

void table_text(struct table *table, struct str text)
{
    add_cell(table, COLUMN_TEXT, text);
}

void table_number(struct table *table, uint64_t number)
{
    add_cell(table, COLUMN_NUMBER, arena_printf(table->arena, "%" PRIu64, number));
}

void table_bool(struct table *table, bool value)
{
    add_cell(table, COLUMN_BOOL, value ? STR("yes") : STR("no"));
}

/* ---- For people */

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

/* Columns on a terminal, of which a character may take none or two; a control character is shown as
 * one. */
static size_t width_of(struct str s)
{
    int width = u8_width((const uint8_t *)s.ptr, s.len, "UTF-8");
    for (size_t i = 0; i < s.len; i++)
        width += is_control(s.ptr[i]);
    return width > 0 ? (size_t)width : 0;
}

static void print_padded(struct str text, size_t width, bool right)
{
    size_t padding = width > width_of(text) ? width - width_of(text) : 0;
    if (right)
        printf("%*s", (int)padding, "");
    for (size_t i = 0; i < text.len; i++)
        putchar(is_control(text.ptr[i]) ? '?' : text.ptr[i]);
    if (!right)
        printf("%*s", (int)padding, "");
}

static void print_heading(const struct table *t, const size_t *widths)
{
    for (size_t column = 0; column < t->column_count; column++) {
        char name[32];
        size_t len = 0;
        for (const char *c = t->columns[column].name; *c != '\0' && len < sizeof(name); c++)
            name[len++] = *c == '_' ? ' ' : ascii_upper(*c);
        print_padded(str_make(name, len), widths[column], t->columns[column].type == COLUMN_NUMBER);
        printf(column + 1 < t->column_count ? "  " : "\n");
    }
}

static void print_for_people(const struct table *t)
{
    size_t widths[COLUMNS_MAX] = {0};
    for (size_t column = 0; column < t->column_count; column++)
        widths[column] = str_from_cstr(t->columns[column].name).len;
    for (size_t i = 0; i < t->cells.len; i++) {
        size_t width = width_of(t->cells.items[i]);
        if (width > widths[i % t->column_count])
            widths[i % t->column_count] = width;
    }
    print_heading(t, widths);
    for (size_t i = 0; i < t->cells.len; i++) {
        size_t column = i % t->column_count;
        bool is_last = column + 1 == t->column_count;
        bool right = t->columns[column].type == COLUMN_NUMBER;
        print_padded(t->cells.items[i], is_last && !right ? 0 : widths[column], right);
        printf(is_last ? "\n" : "  ");
    }
}

/* ---- For programs: RFC 8259 */

static void print_json_string(struct str s)
{
    putchar('"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c < 0x20)
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

static void print_json_cell(const struct column *column, struct str cell)
{
    switch (column->type) {
    case COLUMN_TEXT:
        print_json_string(cell);
        break;
    case COLUMN_NUMBER:
        printf("%.*s", STR_ARG(cell));
        break;
    case COLUMN_BOOL:
        printf("%s", str_eq(cell, STR("yes")) ? "true" : "false");
        break;
    }
}

static void print_json(const struct table *t)
{
    printf("[");
    for (size_t i = 0; i < t->cells.len; i++) {
        size_t column = i % t->column_count;
        if (column == 0)
            printf(i > 0 ? "},\n {" : "{");
        else
            printf(", ");
        printf("\"%s\": ", t->columns[column].name);
        print_json_cell(&t->columns[column], t->cells.items[i]);
    }
    printf(t->cells.len > 0 ? "}]\n" : "]\n");
}

void table_print(const struct table *table, bool as_json)
{
    BUG_ON(table->cells.len % table->column_count != 0);
    if (as_json)
        print_json(table);
    else
        print_for_people(table);
}
