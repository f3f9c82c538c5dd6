#include "services/imap/search_filter.h"

#include "common/text/charclass.h"
#include "services/imap/metadata.h"

static const struct str folders[] = {
    STR_INIT("/private/filters/values/"),
    STR_INIT("/shared/filters/values/"),
};

static bool is_name(unsigned char c)
{
    return is_imap_atom(c) && c != '/';
}

struct str search_filter_take_name(struct cursor *c)
{
    struct str name = cursor_take_while0(c, is_name, FILTER_NAME_MAX, "filter name");
    bool ends = cursor_at_end(c) || cursor_next_is(c, ' ') || cursor_next_is(c, ')');
    if (name.len == 0 || !ends)
        cursor_fail(c, "filter name");
    return name;
}

bool search_filter_find(struct imap *imap, struct str name, struct str *ret, struct err *err)
{
    struct annotations all;
    struct annotation_query query = {.one_mailbox = true, .mailbox = STR("")};
    struct backend_call call = imap_call(imap);
    TRY(backend_annotations(imap->server->backend, &call, &query, &all.items, &all.len, &all.modseq,
                            err));
    struct str lower = arena_lower(&imap->arena, name);
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        struct str entry =
            arena_printf(&imap->arena, "%.*s%.*s", STR_ARG(folders[i]), STR_ARG(lower));
        const struct annotation *a = metadata_find(&all, 0, entry);
        if (a) {
            *ret = a->value;
            return true;
        }
    }
    return err_set(err, ERR_NOT_FOUND, "no filter %.*s", STR_ARG(name));
}

bool search_filter_is_entry(struct str entry)
{
    for (size_t i = 0; i < ARRAY_LEN(folders); i++)
        if (str_starts_with(entry, folders[i]))
            return true;
    return false;
}
