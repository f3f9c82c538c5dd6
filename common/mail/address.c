#include "common/mail/address.h"

#include "common/mail/domain.h"
#include "common/text/utf8.h"

#include <arpa/inet.h>
#include <string.h>

/* RFC 5321 4.1.2: quoted-pairSMTP is a backslash and any printable ASCII; RFC 6531 3.3 adds UTF-8
 * to qtext. Blanks of the obsolete syntax are not accepted in the envelope. */
static bool is_quoted_text(unsigned char c)
{
    return c == ' ' || (is_qtext_utf8(c) && c != '\t');
}

/* QcontentSMTP: a run of quoted text, or one escaped character. */
static struct str take_quoted_run(struct cursor *c)
{
    if (!cursor_skip(c, '\\'))
        return cursor_take_while(c, is_quoted_text, SIZE_MAX, "quoted text");
    if (!cursor_next_is_class(c, is_printable))
        cursor_fail(c, "printable character after backslash");
    return cursor_take(c, 1, "escaped character");
}

/* Quoted-string = DQUOTE *QcontentSMTP DQUOTE; the opening quote is taken already. */
static struct str take_quoted(struct cursor *c, struct arena *arena)
{
    char text[ADDRESS_LOCALPART_LEN_MAX];
    size_t len = 0;
    while (!cursor_at_end(c) && !cursor_next_is(c, '"')) {
        struct str run = take_quoted_run(c);
        if (run.len > sizeof(text) - len)
            cursor_fail_too_long(c, "local part");
        if (cursor_failed(c))
            return STR_NULL;
        memcpy(text + len, run.ptr, run.len);
        len += run.len;
    }
    cursor_expect(c, '"');
    return cursor_failed(c) ? STR_NULL : arena_copy(arena, str_make(text, len));
}

/* Dot-string = Atom *("." Atom) */
static struct str take_dot_string(struct cursor *c)
{
    const char *from = c->at;
    do
        cursor_take_while(c, is_atext_utf8, ADDRESS_LOCALPART_LEN_MAX, "local part");
    while (cursor_skip(c, '.'));
    struct str taken = str_make(from, (size_t)(c->at - from));
    if (taken.len > ADDRESS_LOCALPART_LEN_MAX)
        cursor_fail_too_long(c, "local part");
    return taken;
}

struct str address_take_localpart(struct cursor *c, struct arena *arena)
{
    struct cursor mark = cursor_mark(c);
    struct str local = cursor_skip(c, '"') ? take_quoted(c, arena) : take_dot_string(c);
    if (cursor_failed(c))
        return STR_NULL;
    if (!utf8_is_valid(local)) {
        cursor_rewind(c, mark);
        cursor_fail(c, "valid UTF-8 in the local part");
        return STR_NULL;
    }
    struct str nfc = utf8_nfc(local, arena);
    struct str copy = nfc.ptr == local.ptr ? arena_copy(arena, local) : nfc;
    if (str_is_null(copy))
        cursor_fail_too_long(c, "local part");
    return copy;
}

static bool is_literal_text(unsigned char c)
{
    return is_visible(c) && c != '[' && c != ']' && c != '\\';
}

/* address-literal = "[" ( IPv4-address-literal / IPv6-address-literal ) "]"; general literals have
 * no registered tag but IPv6. Canonical by the C library's rules. */
static struct str take_literal(struct cursor *c, struct arena *arena)
{
    struct cursor mark = cursor_mark(c);
    cursor_expect(c, '[');
    bool v6 = cursor_skip_nocase(c, STR("IPv6:"));
    struct str text = cursor_take_while(c, is_literal_text, INET6_ADDRSTRLEN, "IP address");
    cursor_expect(c, ']');
    unsigned char address[16];
    char cstr[INET6_ADDRSTRLEN + 1];
    int family = v6 ? AF_INET6 : AF_INET;
    if (cursor_failed(c))
        return STR_NULL;
    if (!str_copy_cstr(text, cstr, sizeof(cstr)) || inet_pton(family, cstr, address) != 1 ||
        !inet_ntop(family, address, cstr, sizeof(cstr))) {
        cursor_rewind(c, mark);
        cursor_fail(c, "IP address in brackets");
        return STR_NULL;
    }
    return arena_printf(arena, v6 ? "[IPv6:%s]" : "[%s]", cstr);
}

static struct str take_domain(struct cursor *c, struct arena *arena)
{
    if (cursor_next_is(c, '['))
        return take_literal(c, arena);
    struct cursor mark = cursor_mark(c);
    struct str text = cursor_take_while(c, is_domain_text, 4 * DOMAIN_LEN_MAX, "domain");
    struct str domain = STR_NULL;
    struct err err;
    /* A final dot is no part of RFC 5321's Domain. */
    bool dotted = text.len > 0 && text.ptr[text.len - 1] == '.';
    if (cursor_failed(c) || (!dotted && domain_parse(text, arena, &domain, &err)))
        return domain;
    cursor_rewind(c, mark);
    cursor_fail(c, "valid domain");
    return STR_NULL;
}

void address_take(struct cursor *c, struct arena *arena, struct address *ret_address)
{
    struct str localpart = address_take_localpart(c, arena);
    cursor_expect(c, '@');
    struct str domain = take_domain(c, arena);
    if (!cursor_failed(c) && str_is_null(domain))
        cursor_fail_too_long(c, "address");
    if (!cursor_failed(c))
        *ret_address = (struct address){.localpart = localpart, .domain = domain};
}

bool address_parse(struct str text, struct arena *arena, struct address *ret_address,
                   struct err *err)
{
    struct cursor c = cursor_init(text);
    struct address address;
    address_take(&c, arena, &address);
    if (!cursor_finish(&c, err))
        return err_wrap(err, "address \"%.*s\"", (int)(text.len > 100 ? 100 : text.len),
                        text.ptr ? text.ptr : "");
    *ret_address = address;
    return true;
}

/* Writing. */

static bool is_dot_string(struct str localpart)
{
    struct str atom, rest = localpart;
    do {
        str_cut(rest, '.', &atom, &rest);
        struct cursor c = cursor_init(atom);
        if (cursor_skip_while(&c, is_atext_utf8) != atom.len || atom.len == 0)
            return false;
    } while (!str_is_null(rest));
    return true;
}

bool address_write_localpart(struct buf *out, struct str localpart)
{
    if (is_dot_string(localpart))
        return buf_append(out, localpart);
    TRY(buf_append_char(out, '"'));
    for (size_t i = 0; i < localpart.len; i++) {
        char c = localpart.ptr[i];
        if (c == '"' || c == '\\')
            TRY(buf_append_char(out, '\\'));
        TRY(buf_append_char(out, c));
    }
    return buf_append_char(out, '"');
}

bool address_write(struct buf *out, struct address address)
{
    return address_write_localpart(out, address.localpart) && buf_append_char(out, '@') &&
           buf_append(out, address.domain);
}

bool address_write_unicode(struct buf *out, struct address address)
{
    struct arena scratch;
    arena_init(&scratch, 8 * 1024);
    address.domain = domain_to_unicode(address.domain, &scratch);
    bool ok = address_write(out, address);
    arena_release(&scratch);
    return ok;
}

bool address_eq(struct address a, struct address b)
{
    return str_eq(a.localpart, b.localpart) && str_eq(a.domain, b.domain);
}

bool address_is_literal(struct address address)
{
    return address.domain.len > 0 && address.domain.ptr[0] == '[';
}

bool address_needs_smtputf8(struct address address)
{
    return !str_is_ascii(address.localpart);
}
