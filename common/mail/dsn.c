#include "common/mail/dsn.h"

#include "common/mail/compose.h"
#include "common/mail/header.h"

#include <string.h>

/* ---- Small pieces */

static void write_address(struct buf *out, const struct dsn *dsn, struct address address)
{
    if (dsn->smtputf8)
        address_write_unicode(out, address);
    else
        address_write(out, address);
}

/* RFC 6533 3: "utf-8-addr-xtext", for readers without UTF-8: what is not plain ASCII, and what the
 * form itself needs, is \x{hex}. Our strings are UTF-8; what is not, is written byte by byte. */
static void write_xtext(struct buf *out, struct str text)
{
    size_t i = 0;
    while (i < text.len) {
        unsigned char c = (unsigned char)text.ptr[i];
        uint32_t code = c;
        size_t len = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
        if (len > text.len - i)
            len = 1;
        if (len > 1)
            code = c & (0xffu >> (len + 1));
        for (size_t k = 1; k < len; k++)
            code = code << 6 | ((unsigned char)text.ptr[i + k] & 0x3fu);
        if (c < 0x80 && c > 0x20 && c != '\\' && c != '+' && c != '=' && c != 0x7f)
            buf_append_char(out, (char)c);
        else
            buf_printf(out, "\\x{%X}", code);
        i += len;
    }
}

/* RFC 6533 3: "utf-8; address", in the form that the reader understands. */
static void write_typed_address(struct buf *out, const char *field, const struct dsn *dsn,
                                struct address address)
{
    buf_printf(out, "%s: ", field);
    if (!address_needs_smtputf8(address)) {
        buf_append_cstr(out, "rfc822; ");
        write_address(out, dsn, address);
    } else {
        buf_append_cstr(out, "utf-8; ");
        if (dsn->smtputf8) {
            address_write_unicode(out, address);
        } else {
            write_xtext(out, address.localpart);
            buf_printf(out, "@%.*s", STR_ARG(address.domain));
        }
    }
    buf_append_cstr(out, "\r\n");
}

static void write_date(struct buf *out, const char *field, int64_t time_s)
{
    buf_printf(out, "%s: ", field);
    date_write(out, (struct date){.time_s = time_s});
    buf_append_cstr(out, "\r\n");
}

static bool is_ascii(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] >= 0x80)
            return false;
    return true;
}

/* The value of a field of the status part: no line ends, and ASCII unless it may be UTF-8. */
static void write_value(struct buf *out, const struct dsn *dsn, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool shown = (c >= 0x20 && c < 0x7f) || (c >= 0x80 && dsn->smtputf8);
        buf_append_char(out, shown ? (char)c : c >= 0x80 ? '?' : ' ');
    }
}

/* "550 5.1.1 ", as the server had said it. */
static void write_codes(struct buf *out, const struct dsn *dsn)
{
    if (dsn->smtp_code == 0)
        return;
    buf_printf(out, "%u ", dsn->smtp_code);
    if (dsn->smtp_enhanced.len > 0)
        buf_printf(out, "%.*s ", STR_ARG(dsn->smtp_enhanced));
}

/* ---- The header */

static void write_header(struct buf *out, const struct dsn *dsn)
{
    const struct address_entry from = {.name = STR("Mail delivery system"),
                                       .address = {STR("postmaster"), dsn->hostname}};
    const struct address_entry to = {.address = dsn->sender};
    compose_date_field(out, "Date", dsn->now);
    compose_address_field(out, "From", &from, dsn->smtputf8);
    compose_address_field(out, "To", &to, dsn->smtputf8);
    compose_text_field(out, "Subject",
                       dsn->action == DSN_FAILED ? STR("Your message could not be delivered")
                                                 : STR("Your message is delayed"),
                       dsn->smtputf8);
    buf_append_cstr(out, "Message-ID: ");
    compose_message_id(out, dsn->random_id, dsn->hostname);
    buf_append_cstr(out, "\r\n");
    if (dsn->message_id.len > 0 && is_ascii(dsn->message_id)) {
        compose_ids_field(out, "In-Reply-To", dsn->message_id);
        compose_ids_field(out, "References", dsn->message_id);
    }
    buf_append_cstr(out, "Auto-Submitted: auto-replied\r\n"); /* RFC 3834 */
    buf_append_cstr(out, "MIME-Version: 1.0\r\n");
}

/* ---- For people */

static void write_text(struct buf *out, const struct dsn *dsn)
{
    struct buf text;
    buf_init(&text, 64 * 1024);
    buf_append_cstr(&text, dsn->action == DSN_FAILED
                               ? "Your message could not be delivered, and no further attempt "
                                 "will be made.\n\n"
                               : "Your message has not been delivered yet. You need not do "
                                 "anything: more attempts will follow.\n\n");
    if (dsn->subject.len > 0)
        buf_printf(&text, "Subject:   %.*s\n", STR_ARG(dsn->subject));
    buf_append_cstr(&text, "Recipient: ");
    address_write_unicode(&text, dsn->recipient);
    buf_printf(&text, "\nAttempts:  %u\n", dsn->attempts);
    if (dsn->action == DSN_DELAYED) {
        buf_append_cstr(&text, "Last try:  ");
        date_write(&text, (struct date){.time_s = dsn->will_retry_until_s});
        buf_append_char(&text, '\n');
    }
    if (dsn->smtp_code != 0 && dsn->remote_host.len > 0)
        buf_printf(&text, "\nThe server %.*s answered:\n\n", STR_ARG(dsn->remote_host));
    else
        buf_append_cstr(&text, "\nWhat went wrong:\n\n");
    struct str rest = dsn->text, line;
    while (rest.len > 0) {
        str_cut(rest, '\n', &line, &rest);
        buf_append_cstr(&text, "    ");
        write_codes(&text, dsn);
        buf_printf(&text, "%.*s\n", STR_ARG(line));
    }
    compose_text_part(out, STR("plain"), buf_str(&text));
    buf_release(&text);
}

/* ---- For programs */

static void write_remote(struct buf *out, const struct dsn *dsn)
{
    if (dsn->remote_host.len == 0)
        return;
    buf_printf(out, "Remote-MTA: dns; %.*s", STR_ARG(dsn->remote_host));
    if (dsn->remote_ip.len > 0 && !str_eq(dsn->remote_ip, dsn->remote_host))
        buf_printf(out, " (%.*s)", STR_ARG(dsn->remote_ip));
    buf_append_cstr(out, "\r\n");
}

/* RFC 3464 2.3.6: only what a server really said. */
static void write_diagnostic(struct buf *out, const struct dsn *dsn)
{
    if (dsn->smtp_code == 0)
        return;
    buf_append_cstr(out, "Diagnostic-Code: smtp; ");
    write_codes(out, dsn);
    write_value(out, dsn, dsn->text);
    buf_append_cstr(out, "\r\n");
}

static void write_status(struct buf *out, const struct dsn *dsn)
{
    buf_printf(out, "Content-Type: message/%sdelivery-status\r\n", dsn->smtputf8 ? "global-" : "");
    if (dsn->smtputf8)
        buf_append_cstr(out, "Content-Transfer-Encoding: 8bit\r\n");
    buf_printf(out, "\r\nReporting-MTA: dns; %.*s\r\n", STR_ARG(dsn->hostname));
    write_date(out, "Arrival-Date", dsn->arrival_s);
    buf_append_cstr(out, "\r\n");
    write_typed_address(out, "Final-Recipient", dsn, dsn->recipient);
    buf_printf(out, "Action: %s\r\n", dsn->action == DSN_FAILED ? "failed" : "delayed");
    buf_printf(out, "Status: %.*s", STR_ARG(dsn->status));
    if (dsn->smtp_code == 0 && dsn->text.len > 0 && dsn->text.len < 400) {
        /* RFC 3464 2.3.4 allows a comment, and a comment allows no bare parenthesis. */
        buf_append_cstr(out, " (");
        for (size_t i = 0; i < dsn->text.len; i++) {
            char c = dsn->text.ptr[i];
            write_value(out, dsn, c == '(' || c == ')' || c == '\\' ? STR(" ") : str_make(&c, 1));
        }
        buf_append_cstr(out, ")");
    }
    buf_append_cstr(out, "\r\n");
    write_remote(out, dsn);
    write_diagnostic(out, dsn);
    write_date(out, "Last-Attempt-Date", dsn->last_attempt_s);
    if (dsn->action == DSN_DELAYED)
        write_date(out, "Will-Retry-Until", dsn->will_retry_until_s);
    if (dsn->future_release.len > 0) {
        buf_append_cstr(out, "Future-Release-Request: ");
        write_value(out, dsn, dsn->future_release);
        buf_append_cstr(out, "\r\n");
    }
}

/* ---- The original */

/* At most DSN_HEADER_MAX bytes, whole lines. */
static struct str cut_header(struct str header)
{
    if (header.len <= DSN_HEADER_MAX)
        return header;
    struct str cut = str_slice(header, 0, DSN_HEADER_MAX);
    return str_slice(cut, 0, (size_t)(str_rfind_char(cut, '\n') + 1));
}

static void write_original(struct buf *out, const struct dsn *dsn)
{
    struct str header = cut_header(dsn->header);
    if (dsn->smtputf8) {
        buf_append_cstr(out, "Content-Type: message/global-headers\r\n"
                             "Content-Transfer-Encoding: 8bit\r\n\r\n");
        buf_append(out, header);
    } else if (is_ascii(header)) {
        buf_append_cstr(out, "Content-Type: text/rfc822-headers\r\n\r\n");
        buf_append(out, header);
    } else {
        buf_append_cstr(out, "Content-Type: text/rfc822-headers; charset=utf-8\r\n");
        compose_base64_part(out, header);
    }
}

void dsn_compose(struct buf *out, const struct dsn *dsn)
{
    struct buf boundary;
    buf_init(&boundary, 128);
    compose_boundary(&boundary, dsn->random_boundary);
    write_header(out, dsn);
    compose_multipart_begin(out, STR("report"), STR("; report-type=delivery-status"),
                            buf_str(&boundary));
    compose_multipart_next(out, buf_str(&boundary));
    write_text(out, dsn);
    compose_multipart_next(out, buf_str(&boundary));
    write_status(out, dsn);
    compose_multipart_next(out, buf_str(&boundary));
    write_original(out, dsn);
    compose_multipart_end(out, buf_str(&boundary));
    buf_release(&boundary);
}
