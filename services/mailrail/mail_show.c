#include "services/mailrail/mail_show.h"

#include "common/base/buf.h"
#include "common/mail/structure.h"
#include "services/mailrail/table.h"

#include <inttypes.h>
#include <stdio.h>

#define FIELD_MAX (1u << 20)

/* ---- The header */

static void show(struct table *table, const char *name, struct str value)
{
    if (str_is_empty(value))
        return;
    table_text(table, str_from_cstr(name));
    table_text(table, value);
}

static struct str date_text(const struct envelope *envelope, struct arena *arena)
{
    struct buf out;
    buf_init(&out, 64);
    bool ok = envelope->has_date && date_write(&out, envelope->date);
    struct str copy = ok ? arena_copy(arena, buf_str(&out)) : STR_NULL;
    buf_release(&out);
    return copy;
}

static void write_entry(struct buf *out, const struct address_entry *entry)
{
    buf_append(out, entry->name);
    if (entry->group_start)
        buf_append_cstr(out, ":");
    if (entry->group_start)
        return;
    buf_append_cstr(out, entry->name.len > 0 ? " <" : "<");
    if (entry->address.localpart.len > 0 || entry->address.domain.len > 0)
        address_write_unicode(out, entry->address);
    else
        buf_append_cstr(out, "no valid address");
    buf_append_cstr(out, ">");
}

static void show_addresses(struct table *table, const char *name, const struct address_entry *first,
                           struct arena *arena)
{
    struct buf out;
    buf_init(&out, FIELD_MAX);
    for (const struct address_entry *entry = first; entry; entry = entry->next) {
        if (entry->group_end)
            continue;
        buf_append_cstr(&out, entry == first ? "" : ", ");
        write_entry(&out, entry);
    }
    show(table, name, out.len > 0 ? arena_copy(arena, buf_str(&out)) : STR_NULL);
    buf_release(&out);
}

static void show_references(struct table *table, const struct structure *s, struct arena *arena)
{
    struct buf out;
    buf_init(&out, FIELD_MAX);
    for (size_t i = 0; i < s->reference_count; i++) {
        buf_append_cstr(&out, i > 0 ? " " : "");
        buf_append(&out, s->references_canonical[i]);
    }
    show(table, "references, canonical", out.len > 0 ? arena_copy(arena, buf_str(&out)) : STR_NULL);
    buf_release(&out);
}

static void show_header(const struct structure *s, struct arena *arena)
{
    static const struct column columns[] = {{"field", COLUMN_TEXT}, {"value", COLUMN_TEXT}};
    const struct envelope *e = s->envelope;
    struct table table = table_init(columns, ARRAY_LEN(columns), arena);
    show(&table, "date", date_text(e, arena));
    show_addresses(&table, "from", e->from, arena);
    show_addresses(&table, "sender", e->sender, arena);
    show_addresses(&table, "reply-to", e->reply_to, arena);
    show_addresses(&table, "to", e->to, arena);
    show_addresses(&table, "cc", e->cc, arena);
    show_addresses(&table, "bcc", e->bcc, arena);
    show(&table, "subject", e->subject);
    show(&table, "message-id", e->message_id);
    show(&table, "in-reply-to", e->in_reply_to);
    show(&table, "message-id, canonical", s->message_id_canonical);
    show_references(&table, s, arena);
    show(&table, "base of the subject", s->subject_base);
    show(&table, "subject is an answer", s->subject_is_reply ? STR("yes") : STR("no"));
    show(&table, "delivery report", s->is_dsn ? STR("yes") : STR("no"));
    show(&table, "needs SMTPUTF8", s->needs_smtputf8 ? STR("yes") : STR("no"));
    show(&table, "preview", s->preview);
    table_print(&table, false);
    table_release(&table);
}

/* ---- The parts */

static bool is_top(const struct part *p)
{
    return !p->parent || p->parent->message == p;
}

/* Among the parts of a multipart; what is no part of one is part 1 of its message. */
static unsigned number_of(const struct part *p)
{
    unsigned number = 1;
    for (const struct part *one = p->parent ? p->parent->first : NULL; one && one != p;
         one = one->next)
        number++;
    return number;
}

/* The numbers that lead to a part, or of a multipart at the top, those in front of its parts'. */
static void write_numbers(struct buf *out, const struct part *p)
{
    if (p->parent)
        write_numbers(out, p->parent);
    if (is_top(p) && part_is_multipart(p))
        return;
    buf_printf(out, "%s%u", out->len > 0 ? "." : "", number_of(p));
}

/* RFC 9051 6.4.5.1. */
static struct str section_of(const struct part *p, struct arena *arena)
{
    struct buf out;
    buf_init(&out, 12 * (STRUCTURE_DEPTH_MAX + 1));
    write_numbers(&out, p);
    if (is_top(p) && part_is_multipart(p))
        buf_append_cstr(&out, out.len > 0 ? ".TEXT" : "TEXT");
    struct str section = arena_copy(arena, buf_str(&out));
    buf_release(&out);
    return section;
}

/* What a part without Content-Type is (RFC 2045 5.2). */
static struct str type_of(const struct part *p, struct arena *arena)
{
    if (p->type.len == 0)
        return STR("(TEXT/PLAIN)");
    return arena_printf(arena, "%.*s/%.*s", STR_ARG(p->type), STR_ARG(p->subtype));
}

static struct str text_or_empty(struct str s)
{
    return str_is_null(s) ? STR("") : s;
}

static void show_part(struct table *table, const struct part *p, struct arena *arena)
{
    table_text(table, section_of(p, arena));
    table_text(table, type_of(p, arena));
    table_text(table, text_or_empty(parameter_find(p->params, STR("charset"))));
    table_text(table, text_or_empty(p->encoding));
    table_number(table, p->header_offset);
    table_number(table, p->body_offset);
    table_number(table, part_body_size(p));
    table_number(table, p->decoded_size);
    table_number(table, p->lines);
    table_text(table, text_or_empty(p->disposition));
    table_text(table, text_or_empty(part_filename(p, arena)));
    table_bool(table, p->damaged);
}

static void show_parts(const struct structure *s, bool as_json, struct arena *arena)
{
    static const struct column columns[] = {
        {"section", COLUMN_TEXT},     {"type", COLUMN_TEXT},      {"charset", COLUMN_TEXT},
        {"encoding", COLUMN_TEXT},    {"header", COLUMN_NUMBER},  {"body", COLUMN_NUMBER},
        {"size", COLUMN_NUMBER},      {"decoded", COLUMN_NUMBER}, {"lines", COLUMN_NUMBER},
        {"disposition", COLUMN_TEXT}, {"filename", COLUMN_TEXT},  {"damaged", COLUMN_BOOL},
    };
    struct table table = table_init(columns, ARRAY_LEN(columns), arena);
    for (const struct part *p = s->root; p; p = part_next(p))
        show_part(&table, p, arena);
    table_print(&table, as_json);
    table_release(&table);
}

void mail_show(struct str text, bool as_json, struct arena *arena)
{
    const struct structure *s = structure_parse(text, arena);
    if (!as_json) {
        show_header(s, arena);
        printf("\n");
    }
    show_parts(s, as_json, arena);
}
