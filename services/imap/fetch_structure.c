#include "services/imap/fetch.h"
#include "services/imap/respond.h"

#include <stdlib.h>

#define PARAMETERS_MAX 100

/* ---- ENVELOPE */

/* address = "(" addr-name SP addr-adl SP addr-mailbox SP addr-host ")"; groups as RFC 9051 7.5.2
 * says: a NIL host with the group's name begins one, all NIL ends it. */
static void write_address(struct buf *out, const struct address_entry *a, bool utf8)
{
    struct str nothing = STR_NULL;
    bool group = a->group_start || a->group_end;
    struct str name = group || a->name.len == 0 ? nothing : a->name;
    struct str mailbox = a->group_start ? a->name : a->group_end ? nothing : a->address.localpart;
    struct str host = group ? nothing : a->address.domain;
    if (!group && str_is_null(mailbox))
        mailbox = STR("");
    if (!group && str_is_null(host))
        host = STR("");
    buf_append_char(out, '(');
    respond_nstring(out, name, utf8);
    buf_append(out, STR(" NIL "));
    respond_nstring(out, mailbox, utf8);
    buf_append_char(out, ' ');
    respond_nstring(out, host, utf8);
    buf_append_char(out, ')');
}

static void write_addresses(struct buf *out, const struct address_entry *first, bool utf8)
{
    if (!first) {
        buf_append(out, STR(" NIL"));
        return;
    }
    buf_append(out, STR(" ("));
    for (const struct address_entry *a = first; a; a = a->next)
        write_address(out, a, utf8);
    buf_append_char(out, ')');
}

void fetch_write_envelope(struct buf *out, const struct envelope *e, bool utf8)
{
    if (e->has_date) {
        buf_append(out, STR("(\""));
        date_write(out, e->date);
        buf_append(out, STR("\" "));
    } else {
        buf_append(out, STR("(NIL "));
    }
    respond_nstring(out, e->subject, utf8);
    write_addresses(out, e->from, utf8);
    write_addresses(out, e->sender ? e->sender : e->from, utf8);
    write_addresses(out, e->reply_to ? e->reply_to : e->from, utf8);
    write_addresses(out, e->to, utf8);
    write_addresses(out, e->cc, utf8);
    write_addresses(out, e->bcc, utf8);
    buf_append_char(out, ' ');
    respond_nstring(out, e->in_reply_to, utf8);
    buf_append_char(out, ' ');
    respond_nstring(out, e->message_id, utf8);
    buf_append_char(out, ')');
}

/* ---- BODY and BODYSTRUCTURE */

static int by_name(const void *left, const void *right)
{
    const struct parameter *const *a = left, *const *b = right;
    return str_cmp((*a)->name, (*b)->name);
}

static void write_upper(struct buf *out, struct str text)
{
    char *begin = buf_reserve(out, text.len + 2), *at = begin;
    if (!begin)
        return;
    *at++ = '"';
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] != '"' && text.ptr[i] != '\\')
            *at++ = ascii_upper(text.ptr[i]);
    *at++ = '"';
    buf_commit(out, (size_t)(at - begin));
}

/* body-fld-param, names in upper case and sorted */
static void write_parameters(struct buf *out, const struct parameter *first, bool utf8)
{
    const struct parameter *sorted[PARAMETERS_MAX];
    size_t count = 0;
    for (const struct parameter *p = first; p && count < PARAMETERS_MAX; p = p->next)
        sorted[count++] = p;
    if (count == 0) {
        buf_append(out, STR("NIL"));
        return;
    }
    if (count > 1)
        qsort(sorted, count, sizeof(sorted[0]), by_name);
    for (size_t i = 0; i < count; i++) {
        buf_append(out, i == 0 ? STR("(") : STR(" "));
        write_upper(out, sorted[i]->name);
        buf_append_char(out, ' ');
        respond_string(out, sorted[i]->value, utf8);
    }
    buf_append_char(out, ')');
}

/* body-ext after the md5 or the multipart's parameters: disposition, language, location */
static void write_extension(struct buf *out, const struct part *p, bool utf8)
{
    buf_append_char(out, ' ');
    if (str_is_null(p->disposition)) {
        buf_append(out, STR("NIL"));
    } else {
        buf_append_char(out, '(');
        respond_string(out, p->disposition, utf8);
        buf_append_char(out, ' ');
        write_parameters(out, p->disposition_params, utf8);
        buf_append_char(out, ')');
    }
    if (p->language_count == 0)
        buf_append(out, STR(" NIL"));
    for (size_t i = 0; i < p->language_count; i++) {
        buf_append(out, i == 0 ? STR(" (") : STR(" "));
        respond_string(out, p->languages[i], utf8);
    }
    if (p->language_count > 0)
        buf_append_char(out, ')');
    buf_append_char(out, ' ');
    respond_nstring(out, p->location, utf8);
}

/* body-fields: parameters, id, description, encoding, octets. What is absent is what RFC 2045 5.2
 * and 6.1 say it then is. */
static void write_fields(struct buf *out, const struct part *p, bool utf8)
{
    if (p->type.len == 0)
        buf_append(out, STR("(\"CHARSET\" \"US-ASCII\")"));
    else
        write_parameters(out, p->params, utf8);
    buf_append_char(out, ' ');
    respond_nstring(out, p->id, utf8);
    buf_append_char(out, ' ');
    respond_nstring(out, p->description, utf8);
    buf_append_char(out, ' ');
    respond_string(out, p->encoding.len > 0 ? p->encoding : STR("7BIT"), utf8);
    buf_append_char(out, ' ');
    buf_append_u64(out, part_body_size(p));
}

static void write_single(struct buf *out, const struct part *p, bool extended, bool utf8)
{
    bool text = str_eq(p->type, STR("TEXT")) || p->type.len == 0;
    respond_string(out, p->type.len > 0 ? p->type : STR("TEXT"), utf8);
    buf_append_char(out, ' ');
    respond_string(out, p->type.len > 0 ? p->subtype : STR("PLAIN"), utf8);
    buf_append_char(out, ' ');
    write_fields(out, p, utf8);
    if (part_is_message(p)) {
        buf_append_char(out, ' ');
        fetch_write_envelope(out, p->envelope, utf8);
        buf_append_char(out, ' ');
        fetch_write_body(out, p->message, extended, utf8);
    }
    if (text || part_is_message(p)) {
        buf_append_char(out, ' ');
        buf_append_u64(out, p->lines);
    }
    if (!extended)
        return;
    buf_append_char(out, ' ');
    respond_nstring(out, p->md5, utf8);
    write_extension(out, p, utf8);
}

/* Depth is limited by the structure (STRUCTURE_DEPTH_MAX). */
void fetch_write_body(struct buf *out, const struct part *p, bool extended, bool utf8)
{
    buf_append_char(out, '(');
    if (!part_is_multipart(p)) {
        write_single(out, p, extended, utf8);
        buf_append_char(out, ')');
        return;
    }
    for (const struct part *child = p->first; child; child = child->next)
        fetch_write_body(out, child, extended, utf8);
    buf_append_char(out, ' ');
    respond_string(out, p->subtype, utf8);
    if (extended) {
        buf_append_char(out, ' ');
        write_parameters(out, p->params, utf8);
        write_extension(out, p, utf8);
    }
    buf_append_char(out, ')');
}
