#include "services/imap/partial.h"

static uint32_t take_number(struct cursor *c, bool from_end)
{
    if (from_end)
        cursor_expect(c, '-');
    uint64_t number = cursor_take_number(c, UINT32_MAX, "number of a result");
    if (number == 0)
        cursor_fail(c, "number above 0");
    return (uint32_t)number;
}

struct partial partial_take(struct cursor *c)
{
    struct str start = cursor_rest(c);
    struct partial p = {.from_end = cursor_next_is(c, '-')};
    p.first = take_number(c, p.from_end);
    cursor_expect(c, ':');
    p.last = take_number(c, p.from_end);
    if (p.first > p.last) { /* "500:400 is the same as 400:500" */
        uint32_t last = p.first;
        p.first = p.last;
        p.last = last;
    }
    p.text = str_slice(start, 0, start.len - cursor_rest(c).len);
    return p;
}

struct partial_range partial_of(const struct partial *p, size_t count)
{
    size_t first = p->first - 1 < count ? p->first - 1 : count;
    size_t last = p->last < count ? p->last : count;
    return p->from_end ? (struct partial_range){count - last, count - first}
                       : (struct partial_range){first, last};
}

void partial_of_set(const struct partial *p, const struct uid_set *set, struct uid_set *ret)
{
    struct partial_range page = partial_of(p, (size_t)uid_set_count(set));
    uid_set_slice(set, page.from, page.to, ret);
}
