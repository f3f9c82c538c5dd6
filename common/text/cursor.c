#include "common/text/cursor.h"

struct cursor cursor_init(struct str input)
{
    static const char nothing[1] = "";
    const char *begin = input.ptr ? input.ptr : nothing;
    return (struct cursor){.begin = begin, .at = begin, .end = begin + input.len};
}

struct str cursor_rest(const struct cursor *c)
{
    return cursor_failed(c) ? str_make(c->at, 0) : str_make(c->at, (size_t)(c->end - c->at));
}

static void fail(struct cursor *c, const char *what, char ch, bool too_long)
{
    if (cursor_failed(c))
        return;
    c->failure = what;
    c->failure_char = ch;
    c->too_long = too_long;
}

void cursor_fail(struct cursor *c, const char *what)
{
    fail(c, what, '\0', false);
}

void cursor_fail_too_long(struct cursor *c, const char *what)
{
    fail(c, what, '\0', true);
}

bool cursor_check(struct cursor *c, struct err *err)
{
    if (!cursor_failed(c))
        return true;
    if (c->too_long)
        return err_set(err, ERR_LIMIT, "%s too long at offset %zu", c->failure, cursor_offset(c));
    if (c->failure_char)
        return err_set(err, ERR_SYNTAX, "expected \"%c\" at offset %zu", c->failure_char,
                       cursor_offset(c));
    return err_set(err, ERR_SYNTAX, "expected %s at offset %zu", c->failure, cursor_offset(c));
}

bool cursor_finish(struct cursor *c, struct err *err)
{
    if (!cursor_failed(c) && c->at != c->end)
        cursor_fail(c, "end of input");
    return cursor_check(c, err);
}

int cursor_peek(const struct cursor *c)
{
    return cursor_at_end(c) ? -1 : (unsigned char)*c->at;
}

bool cursor_next_is(const struct cursor *c, char ch)
{
    return !cursor_at_end(c) && *c->at == ch;
}

bool cursor_next_is_class(const struct cursor *c, charclass *is_member)
{
    return !cursor_at_end(c) && is_member((unsigned char)*c->at);
}

bool cursor_skip(struct cursor *c, char ch)
{
    if (!cursor_next_is(c, ch))
        return false;
    c->at++;
    return true;
}

bool cursor_skip_str(struct cursor *c, struct str s)
{
    if (cursor_failed(c) || !str_starts_with(cursor_rest(c), s))
        return false;
    c->at += s.len;
    return true;
}

bool cursor_skip_nocase(struct cursor *c, struct str s)
{
    if (cursor_failed(c) || !str_starts_with_nocase(cursor_rest(c), s))
        return false;
    c->at += s.len;
    return true;
}

size_t cursor_skip_while(struct cursor *c, charclass *is_member)
{
    const char *from = c->at;
    while (cursor_next_is_class(c, is_member))
        c->at++;
    return (size_t)(c->at - from);
}

void cursor_expect(struct cursor *c, char ch)
{
    if (!cursor_skip(c, ch))
        fail(c, "character", ch, false);
}

void cursor_expect_nocase(struct cursor *c, struct str s)
{
    if (!cursor_skip_nocase(c, s))
        cursor_fail(c, s.ptr);
}

struct str cursor_take_while0(struct cursor *c, charclass *is_member, size_t max, const char *what)
{
    const char *from = c->at;
    size_t len = cursor_skip_while(c, is_member);
    if (len <= max)
        return str_make(from, len);
    c->at = from;
    cursor_fail_too_long(c, what);
    return str_make(from, 0);
}

struct str cursor_take_while(struct cursor *c, charclass *is_member, size_t max, const char *what)
{
    struct str taken = cursor_take_while0(c, is_member, max, what);
    if (taken.len == 0)
        cursor_fail(c, what);
    return taken;
}

struct str cursor_take_until(struct cursor *c, char ch, size_t max, const char *what)
{
    ptrdiff_t len = str_find_char(cursor_rest(c), ch);
    if (len < 0)
        fail(c, "character", ch, false);
    else if ((size_t)len > max)
        cursor_fail_too_long(c, what);
    return cursor_take(c, cursor_failed(c) ? 0 : (size_t)len, what);
}

struct str cursor_take(struct cursor *c, size_t count, const char *what)
{
    if (!cursor_failed(c) && count > (size_t)(c->end - c->at))
        cursor_fail(c, what);
    if (cursor_failed(c))
        return str_make(c->at, 0);
    c->at += count;
    return str_make(c->at - count, count);
}

struct str cursor_take_rest(struct cursor *c, size_t max, const char *what)
{
    size_t left = cursor_rest(c).len;
    if (left > max) {
        cursor_fail_too_long(c, what);
        left = 0;
    }
    return cursor_take(c, left, what);
}

uint64_t cursor_take_number(struct cursor *c, uint64_t max, const char *what)
{
    struct cursor mark = cursor_mark(c);
    struct str digits = cursor_take_while(c, is_digit, 20, what);
    uint64_t value = 0;
    if (cursor_failed(c) || str_to_u64(digits, max, &value))
        return value;
    cursor_rewind(c, mark);
    cursor_fail(c, what);
    return 0;
}

struct cursor cursor_mark(const struct cursor *c)
{
    return *c;
}

void cursor_rewind(struct cursor *c, struct cursor mark)
{
    *c = mark;
}
