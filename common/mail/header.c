#include "common/mail/header.h"

#include "common/text/charclass.h"
#include "common/text/utf8.h"

#include <string.h>

struct header_walk header_walk_init(struct str text)
{
    return (struct header_walk){.text = text};
}

/* Length of the line at the start of `text`, line end included. */
static size_t line_size(struct str text)
{
    ptrdiff_t lf = str_find_char(text, '\n');
    return lf < 0 ? text.len : (size_t)lf + 1;
}

static struct str without_line_end(struct str line)
{
    if (line.len > 0 && line.ptr[line.len - 1] == '\n')
        line.len--;
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    return line;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* One line and those that continue it (RFC 5322 2.2.3: they start with a blank). */
static struct str take_folded(struct header_walk *walk)
{
    struct str rest = str_skip(walk->text, walk->at);
    size_t size = 0;
    do {
        size_t line = line_size(str_skip(rest, size));
        walk->malformed |= line > HEADER_LINE_LEN_MAX;
        size += line;
    } while (size < rest.len && is_blank(rest.ptr[size]));
    walk->malformed |= rest.ptr[size - 1] != '\n';
    walk->at += size;
    return str_make(rest.ptr, size);
}

/* field = field-name ":" unstructured; blanks before the colon are obsolete (RFC 5322 4.5). */
static bool split_field(struct str text, struct header_field *field)
{
    size_t name = 0;
    while (name < text.len && is_ftext((unsigned char)text.ptr[name]))
        name++;
    size_t colon = name;
    while (colon < text.len && is_blank(text.ptr[colon]))
        colon++;
    if (name == 0 || colon == text.len || text.ptr[colon] != ':')
        return false;
    field->name = str_make(text.ptr, name);
    field->raw_value = without_line_end(str_skip(text, colon + 1));
    field->size = text.len;
    return true;
}

static bool at_empty_line(const struct header_walk *walk, size_t *ret_size)
{
    struct str rest = str_skip(walk->text, walk->at);
    *ret_size = str_starts_with(rest, STR("\r\n")) ? 2 : str_starts_with(rest, STR("\n")) ? 1 : 0;
    return *ret_size > 0;
}

static void end_walk(struct header_walk *walk, size_t empty_line_size)
{
    walk->has_end = empty_line_size > 0;
    walk->at += empty_line_size;
    walk->body_offset = walk->at;
    walk->has_8bit = !str_is_ascii(str_make(walk->text.ptr, walk->at));
}

bool header_next(struct header_walk *walk, struct header_field *ret_field)
{
    if (walk->has_end)
        return false;
    for (;;) {
        size_t empty_line_size;
        if (at_empty_line(walk, &empty_line_size) || walk->at == walk->text.len) {
            end_walk(walk, empty_line_size);
            return false;
        }
        ret_field->offset = walk->at;
        if (split_field(take_folded(walk), ret_field))
            return true;
        walk->malformed = true;
    }
}

bool header_find(struct str header, struct str name, struct header_field *ret_field)
{
    struct header_walk walk = header_walk_init(header);
    struct header_field field;
    while (header_next(&walk, &field)) {
        if (str_eq_nocase(field.name, name)) {
            *ret_field = field;
            return true;
        }
    }
    return false;
}

size_t header_count(struct str header, struct str name)
{
    struct header_walk walk = header_walk_init(header);
    struct header_field field;
    size_t count = 0;
    while (header_next(&walk, &field))
        count += str_eq_nocase(field.name, name);
    return count;
}

size_t header_size(struct str message)
{
    struct header_walk walk = header_walk_init(message);
    struct header_field field;
    while (header_next(&walk, &field))
        ;
    return walk.body_offset;
}

struct str header_unfold(struct str raw_value, struct arena *arena)
{
    raw_value = str_trim(raw_value);
    if (str_find_char(raw_value, '\n') < 0)
        return raw_value;
    char *begin = arena_alloc(arena, raw_value.len);
    if (!begin)
        return STR_NULL;
    size_t len = 0;
    while (raw_value.len > 0) {
        struct str line;
        str_cut(raw_value, '\n', &line, &raw_value);
        line = str_trim(line);
        if (line.len == 0)
            continue;
        if (len > 0)
            begin[len++] = ' ';
        memcpy(begin + len, line.ptr, line.len);
        len += line.len;
    }
    return str_make(begin, len);
}

struct str header_text(struct str raw_value, struct arena *arena)
{
    raw_value = str_slice(raw_value, 0, HEADER_TEXT_LEN_MAX);
    struct str value = header_unfold(raw_value, arena);
    if (str_is_null(value))
        return value;
    struct str text = utf8_repair(value, arena);
    return text.ptr == raw_value.ptr || text.ptr == value.ptr ? arena_copy(arena, text) : text;
}
