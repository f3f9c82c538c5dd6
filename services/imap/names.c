#include "services/imap/names.h"

#include "common/text/utf7.h"
#include "common/text/utf8.h"
#include "services/imap/parse.h"

/* Names with control characters are well-formed, and for store to refuse (RFC 9051 5.1). */
static bool is_all_printable(struct str raw)
{
    struct cursor c = cursor_init(raw);
    return cursor_skip_while(&c, is_printable) == raw.len;
}

static struct str decode(struct imap *imap, struct cursor *c, struct str raw)
{
    if (cursor_failed(c) || imap->utf8 || !str_is_ascii(raw) || !is_all_printable(raw))
        return raw;
    struct err err;
    struct str name = STR_NULL;
    if (!utf7_decode(raw, &imap->arena, &name, &err))
        cursor_fail(c, "mailbox name in modified UTF-7");
    return name;
}

struct str name_take(struct imap *imap, struct cursor *c)
{
    return decode(imap, c, parse_astring(c, &imap->arena));
}

struct str name_take_pattern(struct imap *imap, struct cursor *c)
{
    return decode(imap, c, parse_list_mailbox(c, &imap->arena));
}

struct str name_fix_inbox(struct str name, struct arena *arena)
{
    struct str first, rest;
    bool has_rest = str_cut(name, '/', &first, &rest);
    if (!str_eq_nocase(first, STR("Inbox")))
        return name;
    return has_rest ? arena_printf(arena, "Inbox/%.*s", STR_ARG(rest)) : STR("Inbox");
}

/* Two places to go back to, one for each kind of wildcard: time is at most pattern times name. A
 * "*" that comes later makes earlier ones settled. */
bool name_matches(struct str pattern, struct str name)
{
    size_t p = 0, n = 0;
    size_t star = SIZE_MAX, star_name = 0, percent = SIZE_MAX, percent_name = 0;
    while (n < name.len || p < pattern.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = ++p;
            star_name = n;
            percent = SIZE_MAX;
        } else if (p < pattern.len && pattern.ptr[p] == '%') {
            percent = ++p;
            percent_name = n;
        } else if (p < pattern.len && n < name.len && pattern.ptr[p] == name.ptr[n]) {
            p++;
            n++;
        } else if (percent != SIZE_MAX && percent_name < name.len &&
                   name.ptr[percent_name] != '/') {
            n = ++percent_name;
            p = percent;
        } else if (star != SIZE_MAX && star_name < name.len) {
            n = ++star_name;
            p = star;
            percent = SIZE_MAX;
        } else {
            return false;
        }
    }
    return true;
}
