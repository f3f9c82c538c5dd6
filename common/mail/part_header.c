#include "common/mail/part_header.h"

#include "common/mail/cfws.h"
#include "common/mail/content.h"

#include <string.h>

#define LANGUAGES_MAX 100
#define TOKEN_LEN_MAX 256

static struct str arena_upper(struct arena *arena, struct str s)
{
    char *text = arena_alloc(arena, s.len);
    if (!text)
        return STR_NULL;
    for (size_t i = 0; i < s.len; i++)
        text[i] = ascii_upper(s.ptr[i]);
    return str_make(text, s.len);
}

void part_make_opaque(struct part *part)
{
    part->type = STR("APPLICATION");
    part->subtype = STR("OCTET-STREAM");
    part->params = NULL;
    part->damaged = true;
}

/* content := type "/" subtype *(";" parameter)  (RFC 2045 5.1) */
static void take_type(struct part *part, struct str value, struct arena *arena)
{
    struct str ignored;
    struct cursor c = cursor_init(value);
    cfws_skip(&c, &ignored);
    struct str type = cursor_take_while(&c, is_mime_token, TOKEN_LEN_MAX, "media type");
    cfws_skip(&c, &ignored);
    cursor_expect(&c, '/');
    cfws_skip(&c, &ignored);
    struct str subtype = cursor_take_while(&c, is_mime_token, TOKEN_LEN_MAX, "media subtype");
    cfws_skip(&c, &ignored);
    if (!cursor_at_end(&c) && !cursor_next_is(&c, ';'))
        cursor_fail(&c, "\";\"");
    part->type = arena_upper(arena, type);
    part->subtype = arena_upper(arena, subtype);
    if (cursor_failed(&c) || str_is_null(part->type) || str_is_null(part->subtype))
        part_make_opaque(part);
    else
        part->params = parameters_take(&c, arena, &part->damaged);
}

static void take_disposition(struct part *part, struct str value, struct arena *arena)
{
    struct str ignored;
    struct cursor c = cursor_init(value);
    cfws_skip(&c, &ignored);
    struct str type = cursor_take_while(&c, is_mime_token, TOKEN_LEN_MAX, "disposition");
    if (cursor_failed(&c)) {
        part->damaged = true;
        return;
    }
    part->disposition = arena_upper(arena, type);
    part->disposition_params = parameters_take(&c, arena, &part->damaged);
}

/* mechanism, a token (RFC 2045 6.1); comments do occur behind it. */
static void take_encoding(struct part *part, struct str value, struct arena *arena)
{
    struct str ignored;
    struct cursor c = cursor_init(value);
    cfws_skip(&c, &ignored);
    struct str name = cursor_take_while0(&c, is_mime_token, TOKEN_LEN_MAX, "encoding");
    if (name.len > 0)
        part->encoding = arena_upper(arena, name);
    part->damaged |= content_encoding_from(name) == CONTENT_ENCODING_UNKNOWN;
}

/* Language tags separated by commas (RFC 3282). */
static void take_languages(struct part *part, struct str value, struct arena *arena)
{
    struct str tag, rest = header_text(value, arena);
    size_t count = 1;
    for (size_t i = 0; i < rest.len; i++)
        count += rest.ptr[i] == ',';
    if (count > LANGUAGES_MAX)
        count = LANGUAGES_MAX;
    part->languages = arena_new_array(arena, count, struct str);
    if (!part->languages)
        return;
    while (!str_is_null(rest) && part->language_count < count) {
        str_cut(rest, ',', &tag, &rest);
        tag = str_trim(tag);
        if (tag.len > 0)
            part->languages[part->language_count++] = tag;
    }
}

static void take_id(struct part *part, struct str value, struct arena *arena)
{
    part->id = header_text(value, arena);
}

static void take_description(struct part *part, struct str value, struct arena *arena)
{
    part->description = header_text(value, arena);
}

static void take_md5(struct part *part, struct str value, struct arena *arena)
{
    part->md5 = header_text(value, arena);
}

static void take_location(struct part *part, struct str value, struct arena *arena)
{
    part->location = header_text(value, arena);
}

static const struct {
    struct str name; /* after "Content-" */
    size_t offset;   /* of what is NULL while the field was not seen */
    void (*take)(struct part *part, struct str value, struct arena *arena);
} fields[] = {
    {STR_INIT("Type"), offsetof(struct part, type.ptr), take_type},
    {STR_INIT("Transfer-Encoding"), offsetof(struct part, encoding.ptr), take_encoding},
    {STR_INIT("Disposition"), offsetof(struct part, disposition.ptr), take_disposition},
    {STR_INIT("ID"), offsetof(struct part, id.ptr), take_id},
    {STR_INIT("Description"), offsetof(struct part, description.ptr), take_description},
    {STR_INIT("MD5"), offsetof(struct part, md5.ptr), take_md5},
    {STR_INIT("Language"), offsetof(struct part, languages), take_languages},
    {STR_INIT("Location"), offsetof(struct part, location.ptr), take_location},
};

void part_header_take(struct part *part, const struct header_field *field, struct arena *arena)
{
    const struct str prefix = STR("Content-");
    if (!str_starts_with_nocase(field->name, prefix))
        return;
    struct str name = str_skip(field->name, prefix.len);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (!str_eq_nocase(name, fields[i].name))
            continue;
        const void *seen; /* all data pointers look alike */
        memcpy(&seen, (const char *)part + fields[i].offset, sizeof(seen));
        if (!seen)
            fields[i].take(part, field->raw_value, arena);
        return;
    }
}
