#ifndef SERVICES_MAILRAIL_TABLE_H
#define SERVICES_MAILRAIL_TABLE_H

#include "common/base/arena.h"
#include "common/base/array.h"

/*
 * A list for people (aligned columns) or for programs (an array of JSON objects).
 *
 *     static const struct column columns[] = {{"name", COLUMN_TEXT}, {"used", COLUMN_NUMBER}};
 *     struct table table = table_init(columns, 2, &inv->arena);
 *     table_text(&table, name);
 *     table_number(&table, used);
 *     table_print(&table, invocation_has(inv, "--json"));
 *     table_release(&table);
 *
 * Cells fill rows from left to right. Text is borrowed until the release.
 */

enum column_type { COLUMN_TEXT, COLUMN_NUMBER, COLUMN_BOOL };

struct column {
    const char *name; /* in JSON as it is, in the heading in upper case */
    enum column_type type;
};

struct table {
    const struct column *columns;
    size_t column_count;
    struct arena *arena;
    ARRAY_OF(struct str) cells;
};

struct table table_init(const struct column *columns, size_t count, struct arena *arena);
void table_release(struct table *table);
void table_text(struct table *table, struct str text);
void table_number(struct table *table, uint64_t number);
void table_bool(struct table *table, bool value); /* "yes" and "no", true and false */
/* To standard output. Control characters are shown as "?" to people, and escaped in JSON. */
void table_print(const struct table *table, bool as_json);

#endif
