#include "services/imap/uid_set.h"

void uid_set_add(struct uid_set *set, uint32_t number)
{
    if (set->len > 0 && array_last(set).last == number - 1) {
        array_last(set).last = number;
        return;
    }
    BUG_ON(set->len > 0 && array_last(set).last >= number);
    uid_set_add_range(set, number, number);
}

void uid_set_add_range(struct uid_set *set, uint32_t first, uint32_t last)
{
    struct uid_range range = {first < last ? first : last, first < last ? last : first};
    array_push(set, range);
}

static int by_first(const void *left, const void *right)
{
    const struct uid_range *a = left, *b = right;
    return (a->first > b->first) - (a->first < b->first);
}

void uid_set_normalise(struct uid_set *set)
{
    if (set->len < 2)
        return;
    qsort(set->items, set->len, sizeof(*set->items), by_first);
    size_t kept = 0;
    for (size_t i = 1; i < set->len; i++) {
        struct uid_range *last = &set->items[kept];
        const struct uid_range *next = &set->items[i];
        if (last->last == UINT32_MAX || next->first <= last->last + 1)
            last->last = next->last > last->last ? next->last : last->last;
        else
            set->items[++kept] = *next;
    }
    set->len = kept + 1;
}

void uid_set_subtract(struct uid_set *set, const struct uid_set *other)
{
    struct uid_set rest = {0};
    size_t at = 0;
    for (size_t i = 0; i < set->len; i++) {
        uint64_t first = set->items[i].first, last = set->items[i].last;
        while (at < other->len && other->items[at].last < first)
            at++;
        for (size_t k = at; k < other->len && other->items[k].first <= last; k++) {
            if (other->items[k].first > first)
                uid_set_add_range(&rest, (uint32_t)first, other->items[k].first - 1);
            first = (uint64_t)other->items[k].last + 1;
        }
        if (first <= last)
            uid_set_add_range(&rest, (uint32_t)first, (uint32_t)last);
    }
    uid_set_release(set);
    *set = rest;
}

void uid_set_release(struct uid_set *set)
{
    array_release(set);
}

bool uid_set_is_empty(const struct uid_set *set)
{
    return set->len == 0;
}

bool uid_set_has(const struct uid_set *set, uint32_t number)
{
    size_t low = 0, high = set->len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set->items[middle].last < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < set->len && set->items[low].first <= number;
}

uint64_t uid_set_count(const struct uid_set *set)
{
    uint64_t count = 0;
    for (size_t i = 0; i < set->len; i++)
        count += (uint64_t)set->items[i].last - set->items[i].first + 1;
    return count;
}

void uid_set_slice(const struct uid_set *set, uint64_t from, uint64_t to, struct uid_set *ret)
{
    uint64_t before = 0;
    for (size_t i = 0; i < set->len && before < to; i++) {
        struct uid_range range = set->items[i];
        uint64_t count = (uint64_t)range.last - range.first + 1;
        uint64_t first = from > before ? from - before : 0;
        uint64_t end = to - before < count ? to - before : count;
        if (first < end)
            uid_set_add_range(ret, range.first + (uint32_t)first, range.first + (uint32_t)end - 1);
        before += count;
    }
}

static void write_range(struct uid_range range, bool more, struct buf *out)
{
    if (more)
        buf_append_char(out, ',');
    buf_append_u64(out, range.first);
    if (range.last == range.first)
        return;
    buf_append_char(out, ':');
    buf_append_u64(out, range.last);
}

void uid_set_write(const struct uid_set *set, struct buf *out)
{
    for (size_t i = 0; i < set->len; i++)
        write_range(set->items[i], i > 0, out);
}

void number_list_end(struct number_list *list, struct buf *out)
{
    if (list->first == 0)
        return;
    write_range((struct uid_range){list->first, list->last}, list->written, out);
    list->written = true;
    list->first = 0;
}

void number_list_add(struct number_list *list, uint32_t number, struct buf *out)
{
    if (list->first > 0 && number == list->last + 1) {
        list->last = number;
        return;
    }
    number_list_end(list, out);
    list->first = list->last = number;
}
