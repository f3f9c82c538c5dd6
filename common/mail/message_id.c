#include "common/mail/message_id.h"

#include "common/mail/address.h"
#include "common/mail/domain.h"
#include "common/text/cursor.h"
#include "common/text/utf8.h"

static bool is_blank(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Without needless quoting, when `id` is localpart@domain; else `id` as it is. */
static struct str unquote(struct str id, struct arena *arena)
{
    if (str_find_char(id, '"') < 0)
        return id;
    struct cursor c = cursor_init(id);
    struct str localpart = address_take_localpart(&c, arena);
    cursor_expect(&c, '@');
    struct str host = cursor_take_rest(&c, SIZE_MAX, "host"), domain;
    struct err err;
    if (cursor_failed(&c) || !domain_parse(host, arena, &domain, &err))
        return id;
    struct buf out;
    buf_init(&out, id.len * 2);
    address_write_localpart(&out, localpart);
    buf_append_char(&out, '@');
    buf_append(&out, host);
    struct str result = out.overflow ? id : arena_copy(arena, buf_str(&out));
    buf_release(&out);
    return result;
}

/* What stands between the brackets, made canonical. */
static struct str canonical(struct str id, struct arena *arena)
{
    if (id.len == 0)
        return STR_NULL;
    struct str text = utf8_repair(id, arena);
    if (str_is_null(text))
        return STR_NULL;
    struct str lower = utf8_lower(text, arena);
    return str_is_null(lower) ? STR_NULL : unquote(lower, arena);
}

struct str message_id_canonical(struct str value, struct arena *arena)
{
    struct str id, after;
    value = str_trim(value);
    if (!str_starts_with(value, STR("<")) || !str_cut(str_skip(value, 1), '>', &id, &after))
        return STR_NULL;
    if (after.len > 0 && !is_blank((unsigned char)after.ptr[0]))
        return STR_NULL;
    return canonical(id, arena);
}

/* Without the blanks and folds that long identifiers get on their way. */
static struct str remove_blanks(struct str id, struct arena *arena)
{
    struct cursor c = cursor_init(id);
    while (!cursor_at_end(&c) && !cursor_next_is_class(&c, is_blank))
        cursor_take(&c, 1, "byte");
    if (cursor_at_end(&c))
        return id;
    char *text = arena_alloc(arena, id.len);
    if (!text)
        return STR_NULL;
    size_t len = 0;
    for (size_t i = 0; i < id.len; i++)
        if (!is_blank((unsigned char)id.ptr[i]))
            text[len++] = id.ptr[i];
    return str_make(text, len);
}

static bool is_id_char(unsigned char c)
{
    return c != '<' && c != '>';
}

static bool is_skipped(unsigned char c)
{
    return c != '>' && !is_blank(c);
}

void message_id_references(struct str value, struct arena *arena, struct str *ids, size_t max,
                           size_t *count)
{
    struct cursor c = cursor_init(value);
    while (!cursor_at_end(&c) && *count < max) {
        cursor_skip_while(&c, is_blank);
        if (!cursor_skip(&c, '<')) {
            cursor_skip_while(&c, is_skipped);
            cursor_skip(&c, '>');
            continue;
        }
        struct str id = cursor_take_while0(&c, is_id_char, SIZE_MAX, "id");
        if (!cursor_skip(&c, '>'))
            continue; /* broken off by another "<", or by the end */
        id = canonical(remove_blanks(id, arena), arena);
        if (id.len > 0)
            ids[(*count)++] = id;
    }
}
