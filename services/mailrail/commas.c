#include "services/mailrail/commas.h"

#include "common/base/bug.h"

struct str_list commas_split(struct str text, struct arena *arena)
{
    struct str *items = arena_new_array(arena, text.len + 1, struct str);
    BUG_ON(!items); /* the arena is larger than any command line */
    size_t len = 0;
    while (!str_is_empty(text)) {
        struct str item;
        str_cut(text, ',', &item, &text);
        if (item.len > 0)
            items[len++] = item;
    }
    return (struct str_list){items, len};
}

bool commas_have_empty(struct str text)
{
    struct str item;
    bool any = false;
    for (bool more = !str_is_empty(text); more;) {
        more = str_cut(text, ',', &item, &text);
        any = any || str_is_empty(item);
    }
    return any;
}

struct str commas_join(const struct str_list *list, struct arena *arena)
{
    struct str joined = STR("");
    for (size_t i = 0; i < list->len; i++)
        joined = arena_printf(arena, "%.*s%s%.*s", STR_ARG(joined), i > 0 ? "," : "",
                              STR_ARG(list->items[i]));
    return joined;
}
