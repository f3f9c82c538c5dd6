#include "common/smtp/path.h"

#include <arpa/inet.h>

/* Goes over a quoted string; the quote is next. */
static void skip_quoted(struct cursor *c)
{
    cursor_expect(c, '"');
    while (!cursor_at_end(c) && !cursor_next_is(c, '"'))
        cursor_take(c, cursor_next_is(c, '\\') ? 2 : 1, "quoted character");
    cursor_expect(c, '"');
}

struct str smtp_path_take(struct cursor *c)
{
    cursor_expect(c, '<');
    const char *inside = c->at;
    while (!cursor_at_end(c) && !cursor_next_is(c, '>')) {
        if (cursor_next_is(c, '"'))
            skip_quoted(c);
        else
            cursor_take(c, 1, "path");
    }
    struct str taken = str_make(inside, (size_t)(c->at - inside));
    cursor_expect(c, '>');
    if (taken.len + 2 > SMTP_PATH_MAX)
        cursor_fail_too_long(c, "path");
    return cursor_failed(c) ? STR_NULL : taken;
}

/* A-d-l = At-domain *( "," At-domain ), then ":"; it is obsolete, and ignored (RFC 5321 C). */
static void skip_source_route(struct cursor *c)
{
    if (!cursor_next_is(c, '@'))
        return;
    do {
        cursor_expect(c, '@');
        cursor_take_while(c, is_domain_text, 255, "domain of source route");
    } while (cursor_skip(c, ','));
    cursor_expect(c, ':');
}

static bool is_outside_ascii(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] >= 0x80)
            return true;
    return false;
}

/* Path = "<" [ A-d-l ":" ] Mailbox ">" */
static bool parse_mailbox(struct str inside, size_t localpart_max, struct arena *arena,
                          struct smtp_path *ret, struct err *err)
{
    struct cursor c = cursor_init(inside);
    struct smtp_path path = {.is_utf8 = is_outside_ascii(inside)};
    skip_source_route(&c);
    address_take(&c, arena, &path.address);
    TRY(cursor_finish(&c, err));
    if (path.address.localpart.len > localpart_max)
        return err_set(err, ERR_LIMIT, "local part of more than %zu bytes", localpart_max);
    *ret = path;
    return true;
}

bool smtp_reverse_path_parse(struct str inside, size_t localpart_max, struct arena *arena,
                             struct smtp_path *ret, struct err *err)
{
    if (inside.len > 0)
        return parse_mailbox(inside, localpart_max, arena, ret, err);
    *ret = (struct smtp_path){.address = {STR(""), STR("")}};
    return true;
}

bool smtp_forward_path_parse(struct str inside, size_t localpart_max, struct arena *arena,
                             struct smtp_path *ret, struct err *err)
{
    if (!str_eq_nocase(inside, STR("postmaster"))) /* 4.5.1 */
        return parse_mailbox(inside, localpart_max, arena, ret, err);
    *ret = (struct smtp_path){.address = {STR("postmaster"), STR("")}};
    return true;
}

bool smtp_path_is_null(const struct smtp_path *path)
{
    return path->address.localpart.len == 0 && path->address.domain.len == 0;
}

bool smtp_path_is_bare_postmaster(const struct smtp_path *path)
{
    return path->address.localpart.len > 0 && path->address.domain.len == 0;
}

void smtp_path_write(struct buf *out, const struct smtp_path *path)
{
    if (smtp_path_is_bare_postmaster(path))
        buf_append(out, path->address.localpart);
    else if (!smtp_path_is_null(path))
        address_write(out, path->address);
}

static bool is_literal_text(unsigned char c)
{
    return is_hex_digit(c) || c == '.' || c == ':';
}

struct str smtp_address_literal_take(struct cursor *c)
{
    const char *begin = c->at;
    cursor_expect(c, '[');
    bool v6 = cursor_skip_nocase(c, STR("IPv6:"));
    struct cursor mark = cursor_mark(c);
    struct str text = cursor_take_while(c, is_literal_text, INET6_ADDRSTRLEN - 1, "IP address");
    cursor_expect(c, ']');
    char address[INET6_ADDRSTRLEN];
    unsigned char bytes[16];
    if (cursor_failed(c))
        return STR_NULL;
    if (!str_copy_cstr(text, address, sizeof(address)) ||
        inet_pton(v6 ? AF_INET6 : AF_INET, address, bytes) != 1) {
        cursor_rewind(c, mark);
        cursor_fail(c, v6 ? "IPv6 address" : "IPv4 address");
        return STR_NULL;
    }
    return str_make(begin, (size_t)(c->at - begin));
}
