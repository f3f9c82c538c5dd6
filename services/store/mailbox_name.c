#include "services/store/mailbox_name.h"

#include <stdlib.h>
#include <uninorm.h>
#include <unistr.h>

static bool refuse(struct err *err, const char *why)
{
    err_set(err, ERR_SYNTAX, "mailbox name: %s", why);
    return err_reply(err, "mailbox name %s", why);
}

static bool is_control(ucs4_t c)
{
    return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x2028 || c == 0x2029;
}

static bool check_characters(struct str name, struct err *err)
{
    const uint8_t *at = (const uint8_t *)name.ptr;
    const uint8_t *end = at + name.len;
    while (at < end) {
        ucs4_t c;
        int len = u8_mbtoucr(&c, at, (size_t)(end - at));
        if (len < 0)
            return refuse(err, "is not valid UTF-8");
        if (is_control(c))
            return refuse(err, "has a control character");
        at += len;
    }
    return true;
}

static bool check_normal_form(struct str name, struct err *err)
{
    size_t len = 0;
    uint8_t *normal = u8_normalize(UNINORM_NFC, (const uint8_t *)name.ptr, name.len, NULL, &len);
    bool same = normal && str_eq(str_make(normal, len), name);
    free(normal);
    return same || refuse(err, "is not in Unicode normal form C");
}

static bool check_levels(struct str name, struct err *err)
{
    unsigned levels = 0;
    for (bool more = true; more; levels++) {
        struct str level;
        more = str_cut(name, '/', &level, &name);
        if (str_is_empty(level))
            return refuse(err, "has an empty level");
        if (str_eq(level, STR(".")) || str_eq(level, STR("..")))
            return refuse(err, "has a level \".\" or \"..\"");
    }
    return levels <= MAILBOX_LEVELS_MAX || refuse(err, "has too many levels");
}

bool mailbox_name_check(struct str name, struct arena *arena, struct str *ret, struct err *err)
{
    if (str_is_empty(name))
        return refuse(err, "is empty");
    if (name.len > MAILBOX_NAME_MAX)
        return refuse(err, "is too long");
    if (name.ptr[0] == '#')
        return refuse(err, "starts with \"#\"");
    TRY(check_characters(name, err) && check_levels(name, err) && check_normal_form(name, err));
    struct str first, rest;
    bool has_children = str_cut(name, '/', &first, &rest);
    if (!str_eq_nocase(first, STR("Inbox")))
        *ret = arena_copy(arena, name);
    else
        *ret = arena_printf(arena, "Inbox%s%.*s", has_children ? "/" : "", STR_ARG(rest));
    return !str_is_null(*ret) || err_set(err, ERR_LIMIT, "no room for a mailbox name");
}

bool mailbox_name_is_inbox(struct str canonical)
{
    return str_eq(canonical, STR("Inbox"));
}

bool mailbox_name_is_others(struct str canonical)
{
    struct str first, rest;
    str_cut(canonical, '/', &first, &rest);
    return str_eq(first, STR(MAILBOX_OTHERS));
}

struct str mailbox_name_parent(struct str name)
{
    ptrdiff_t slash = str_rfind_char(name, '/');
    return slash < 0 ? STR_NULL : str_slice(name, 0, (size_t)slash);
}
