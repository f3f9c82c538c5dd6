#include "common/mail/compose.h"

#include "common/text/base64.h"

/* Trace fields and identifiers. */

/* RFC 5321 4.1.3: an IPv6 address in brackets has its tag. */
static const char *literal_tag(struct str ip)
{
    return str_find_char(ip, ':') >= 0 ? "IPv6:" : "";
}

/* From-domain: what the client said, and in a comment what is known of it (TCP-info). */
static void put_from(struct compose_field *f, const struct received *r)
{
    struct str hello = r->hello.len > 0 ? r->hello : STR("unknown");
    compose_field_printf(f, "from %.*s", STR_ARG(hello));
    if (r->remote_ip.len == 0)
        return;
    bool named = r->reverse_name.len > 0 && !str_eq_nocase(r->reverse_name, r->hello);
    if (named)
        compose_field_printf(f, "(%.*s", STR_ARG(r->reverse_name));
    compose_field_printf(f, "%s[%s%.*s])", named ? "" : "(", literal_tag(r->remote_ip),
                         STR_ARG(r->remote_ip));
}

static void put_by(struct compose_field *f, const struct received *r)
{
    compose_field_printf(f, "by %.*s", STR_ARG(r->by_host));
    if (r->local_ip.len > 0)
        compose_field_printf(f, "([%s%.*s])", literal_tag(r->local_ip), STR_ARG(r->local_ip));
}

static void put_with(struct compose_field *f, const struct received *r)
{
    if (r->protocol.len > 0) {
        compose_field_word(f, STR("via tcp"));
        compose_field_printf(f, "with %.*s", STR_ARG(r->protocol));
    }
    if (r->requiretls)
        compose_field_word(f, STR("(requiretls)")); /* RFC 8689 4.1 */
    if (r->id.len > 0)
        compose_field_printf(f, "id %.*s", STR_ARG(r->id));
    if (r->tls.len > 0)
        compose_field_printf(f, "(%.*s)", STR_ARG(r->tls));
}

static void put_for(struct compose_field *f, const struct address *recipient, bool smtputf8)
{
    struct buf text;
    buf_init(&text, 2048);
    buf_append(&text, STR("for <"));
    if (smtputf8)
        address_write_unicode(&text, *recipient);
    else
        address_write(&text, *recipient);
    buf_append_char(&text, '>');
    compose_field_word(f, buf_str(&text));
    buf_release(&text);
}

void compose_received(struct buf *out, const struct received *r)
{
    struct compose_field f = compose_field_begin(out, "Received");
    struct buf date;
    put_from(&f, r);
    put_by(&f, r);
    put_with(&f, r);
    if (r->recipient)
        put_for(&f, r->recipient, r->smtputf8);
    compose_field_glue(&f, STR(";"));
    buf_init(&date, 64);
    date_write(&date, r->date);
    compose_field_word(&f, buf_str(&date));
    buf_release(&date);
    compose_field_end(&f);
}

struct str compose_received_protocol(bool extended, bool smtputf8, bool tls, bool authenticated)
{
    static const struct str names[3][2][2] = {
        {{STR_INIT("SMTP"), STR_INIT("SMTPA")}, {STR_INIT("SMTPS"), STR_INIT("SMTPSA")}},
        {{STR_INIT("ESMTP"), STR_INIT("ESMTPA")}, {STR_INIT("ESMTPS"), STR_INIT("ESMTPSA")}},
        {{STR_INIT("UTF8SMTP"), STR_INIT("UTF8SMTPA")},
         {STR_INIT("UTF8SMTPS"), STR_INIT("UTF8SMTPSA")}},
    };
    return names[smtputf8 ? 2 : extended ? 1 : 0][tls][authenticated];
}

void compose_return_path(struct buf *out, const struct address *address, bool smtputf8)
{
    buf_append(out, STR("Return-Path: <"));
    if (address && smtputf8)
        address_write_unicode(out, *address);
    else if (address)
        address_write(out, *address);
    buf_append(out, STR(">\r\n"));
}

void compose_message_id(struct buf *out, const unsigned char random[16], struct str host)
{
    buf_append_char(out, '<');
    base64_url_encode(out, str_make(random, 16));
    buf_append_char(out, '@');
    buf_append(out, host);
    buf_append_char(out, '>');
}

void compose_boundary(struct buf *out, const unsigned char random[16])
{
    buf_append(out, STR("=_"));
    base64_url_encode(out, str_make(random, 16));
}
