#include "common/mail/parameter.h"

#include "common/mail/cfws.h"
#include "common/text/charset.h"
#include "common/text/utf8.h"

#include <string.h>

#define SECTION_NONE UINT32_MAX

/* One "name*section*=value" as it was written. */
struct segment {
    struct str name; /* lower case, without asterisks */
    struct str value;
    uint32_t section; /* SECTION_NONE for a parameter that is whole */
    bool extended;    /* percent-encoded; the first one carries charset and language */
};

struct segments {
    struct segment items[PARAMETERS_MAX];
    size_t count;
};

static bool is_not_semicolon(unsigned char c)
{
    return c != ';';
}

static bool is_value_char(unsigned char c)
{
    return c > ' ' && c != ';' && c != '"';
}

/* quoted-string with its quotes; escapes undone and folds dropped. In arena only when that changes
 * something. An unfinished one reaches to the end. */
static struct str take_quoted(struct cursor *c, struct arena *arena, bool *damaged)
{
    const char *from = c->at + 1;
    bool plain = true;
    cursor_expect(c, '"');
    while (!cursor_at_end(c) && !cursor_next_is(c, '"')) {
        plain &= *c->at != '\\' && *c->at != '\r' && *c->at != '\n';
        cursor_skip(c, '\\');
        if (!cursor_at_end(c))
            cursor_take(c, 1, "byte");
    }
    struct str raw = str_make(from, (size_t)(c->at - from));
    *damaged |= !cursor_skip(c, '"');
    char *text = plain ? NULL : arena_alloc(arena, raw.len);
    if (!text)
        return plain ? raw : STR_NULL;
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.ptr[i] == '\\' && i + 1 < raw.len)
            i++;
        if (raw.ptr[i] != '\r' && raw.ptr[i] != '\n')
            text[len++] = raw.ptr[i];
    }
    return str_make(text, len);
}

/* RFC 2231 7: attribute [section] ["*"] */
static struct segment split_name(struct str name, struct arena *arena)
{
    struct segment s = {.name = arena_lower(arena, name), .section = SECTION_NONE};
    struct str rest;
    uint64_t number;
    if (!str_cut(s.name, '*', &s.name, &rest))
        return s;
    s.extended = rest.len == 0 || rest.ptr[rest.len - 1] == '*';
    if (rest.len > 0 && s.extended)
        rest.len--;
    s.section = 0;
    if (rest.len > 0 && str_to_u64(rest, PARAMETERS_MAX, &number))
        s.section = (uint32_t)number;
    return s;
}

/* parameter = attribute "=" value; values that should have been quoted are taken up to a blank. */
static bool take_segment(struct cursor *c, struct arena *arena, struct segment *ret_segment,
                         bool *damaged)
{
    struct str ignored;
    struct str name = cursor_take_while0(c, is_mime_token, SIZE_MAX, "name");
    cfws_skip(c, &ignored);
    if (name.len == 0 || !cursor_skip(c, '='))
        return false;
    bool usable = name.len <= PARAMETER_NAME_LEN_MAX;
    cfws_skip(c, &ignored);
    *ret_segment = split_name(str_slice(name, 0, PARAMETER_NAME_LEN_MAX), arena);
    ret_segment->value = cursor_next_is(c, '"')
                             ? take_quoted(c, arena, damaged)
                             : cursor_take_while0(c, is_value_char, SIZE_MAX, "value");
    return usable;
}

static void take_segments(struct cursor *c, struct arena *arena, struct segments *segments,
                          bool *damaged)
{
    struct str ignored;
    for (;;) {
        cfws_skip(c, &ignored);
        if (cursor_at_end(c))
            break;
        if (!cursor_skip(c, ';')) {
            *damaged = true;
            cursor_skip_while(c, is_not_semicolon);
            continue;
        }
        cfws_skip(c, &ignored);
        if (cursor_at_end(c) || segments->count == PARAMETERS_MAX)
            break; /* a final semicolon is common and harmless */
        if (take_segment(c, arena, &segments->items[segments->count], damaged))
            segments->count++;
        else
            *damaged = true;
    }
    *damaged |= cursor_failed(c);
}

/* Decoding RFC 2231 values. */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void append_percent_decoded(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '%' && s.len - i > 2 && hex_value(s.ptr[i + 1]) >= 0 &&
            hex_value(s.ptr[i + 2]) >= 0) {
            c = (char)(hex_value(s.ptr[i + 1]) * 16 + hex_value(s.ptr[i + 2]));
            i += 2;
        }
        buf_append_char(out, c);
    }
}

static const struct segment *find_section(const struct segments *segments, struct str name,
                                          uint32_t section)
{
    for (size_t i = 0; i < segments->count; i++)
        if (segments->items[i].section == section && str_eq(segments->items[i].name, name))
            return &segments->items[i];
    return NULL;
}

/* charset "'" language "'" text; senders do leave out the first two. */
static struct str take_charset(struct str value, struct str *ret_charset)
{
    struct str charset, language, text;
    if (!str_cut(value, '\'', &charset, &text) || !str_cut(text, '\'', &language, &text))
        return value;
    *ret_charset = charset;
    return text;
}

/* All sections of `name` in order, up to the first gap. */
static struct str join_sections(const struct segments *segments, struct str name,
                                struct arena *arena)
{
    struct buf joined;
    struct str charset = STR_NULL, text;
    const struct segment *s;
    buf_init(&joined, 1 << 20);
    for (uint32_t n = 0; (s = find_section(segments, name, n)); n++) {
        struct str value = s->value;
        if (!s->extended) {
            buf_append(&joined, value);
            continue;
        }
        append_percent_decoded(&joined, n == 0 ? take_charset(value, &charset) : value);
    }
    struct str copy = arena_copy(arena, buf_str(&joined));
    buf_release(&joined);
    return !str_is_null(copy) && charset_decode(charset, copy, arena, &text) ? text : copy;
}

static struct parameter *append(struct parameter **list, struct str name, struct str value,
                                struct arena *arena)
{
    struct parameter *p = arena_new(arena, struct parameter);
    if (!p)
        return NULL;
    p->name = name;
    value = utf8_repair(str_slice(value, 0, PARAMETER_VALUE_LEN_MAX), arena);
    p->value = arena_copy(arena, value);
    while (*list)
        list = &(*list)->next;
    *list = p;
    return p;
}

struct parameter *parameters_take(struct cursor *c, struct arena *arena, bool *damaged)
{
    struct segments segments;
    struct parameter *first = NULL;
    segments.count = 0;
    take_segments(c, arena, &segments, damaged);
    /* Values in sections go first: they win over a plain one that old readers get. */
    for (size_t i = 0; i < segments.count; i++) {
        const struct segment *s = &segments.items[i];
        if (s->section == 0 && str_is_null(parameter_find(first, s->name)))
            append(&first, s->name, join_sections(&segments, s->name, arena), arena);
    }
    for (size_t i = 0; i < segments.count; i++) {
        const struct segment *s = &segments.items[i];
        if (s->section == SECTION_NONE && str_is_null(parameter_find(first, s->name)))
            append(&first, s->name, s->value, arena);
    }
    return first;
}

struct str parameter_find(const struct parameter *first, struct str name)
{
    for (; first; first = first->next)
        if (str_eq(first->name, name))
            return first->value.ptr ? first->value : STR("");
    return STR_NULL;
}
