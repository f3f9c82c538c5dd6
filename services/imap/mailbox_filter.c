#include "services/imap/mailbox_filter.h"

#include "services/imap/names.h"
#include "services/imap/parse.h"
#include "services/imap/shared.h"

#define NAMES_MAX 1000 /* in one filter */

static const struct {
    struct str word;
    enum filter_scope scope;
} scopes[] = {
    {STR_INIT("selected"), FILTER_SELECTED},
    {STR_INIT("selected-delayed"), FILTER_SELECTED_DELAYED},
    {STR_INIT("inboxes"), FILTER_PERSONAL},
    {STR_INIT("personal"), FILTER_PERSONAL},
    {STR_INIT("subscribed"), FILTER_SUBSCRIBED},
    {STR_INIT("subtree"), FILTER_SUBTREE},
    {STR_INIT("subtree-one"), FILTER_SUBTREE_ONE},
    {STR_INIT("mailboxes"), FILTER_MAILBOXES},
};

/* one-or-more-mailbox = mailbox / "(" mailbox *(SP mailbox) ")" */
static void take_names(struct imap *imap, struct cursor *c, struct arena *arena,
                       struct mailbox_filter *filter)
{
    struct str *names = arena_new_array(arena, NAMES_MAX, struct str);
    bool many = cursor_skip(c, '(');
    filter->names = names;
    do {
        struct str name = name_take(imap, c);
        if (!names || filter->name_count == NAMES_MAX) {
            cursor_fail_too_long(c, "list of mailboxes");
            return;
        }
        names[filter->name_count++] = name_fix_inbox(arena_copy(arena, name), arena);
    } while (many && cursor_skip(c, ' '));
    if (many)
        cursor_expect(c, ')');
}

struct mailbox_filter mailbox_filter_take(struct imap *imap, struct cursor *c, struct arena *arena)
{
    struct mailbox_filter filter = {.scope = FILTER_SELECTED};
    size_t row = 0;
    struct str word = parse_atom(c, "mailbox filter");
    while (row < ARRAY_LEN(scopes) && !str_eq_nocase(scopes[row].word, word))
        row++;
    if (row == ARRAY_LEN(scopes)) {
        cursor_fail(c, "a known mailbox filter");
        return filter;
    }
    filter.scope = scopes[row].scope;
    if (filter.scope < FILTER_SUBTREE)
        return filter;
    parse_space(c);
    take_names(imap, c, arena, &filter);
    return filter;
}

bool mailbox_filter_is_selected(const struct mailbox_filter *filter)
{
    return filter->scope == FILTER_SELECTED || filter->scope == FILTER_SELECTED_DELAYED;
}

static bool is_below(struct str name, struct str parent, bool one_level)
{
    if (!str_starts_with(name, parent) || name.len <= parent.len || name.ptr[parent.len] != '/')
        return false;
    return !one_level || str_find_char(str_skip(name, parent.len + 1), '/') < 0;
}

static bool is_named(const struct mailbox_filter *filter, struct str name)
{
    for (size_t i = 0; i < filter->name_count; i++) {
        struct str given = filter->names[i];
        if (str_eq(given, name) ||
            (filter->scope == FILTER_SUBTREE && is_below(name, given, false)) ||
            (filter->scope == FILTER_SUBTREE_ONE && is_below(name, given, true)))
            return true;
    }
    return false;
}

bool mailbox_filter_may_cover_others(const struct mailbox_filter *filter)
{
    for (size_t i = 0; i < filter->name_count; i++)
        if (str_eq(filter->names[i], STR(SHARED_NAMESPACE)) || shared_is_name(filter->names[i]))
            return true;
    return filter->scope == FILTER_SUBSCRIBED;
}

bool mailbox_filter_covers(const struct mailbox_filter *filter, struct str name, bool subscribed)
{
    switch (filter->scope) {
    case FILTER_SELECTED:
    case FILTER_SELECTED_DELAYED:
        return false;
    case FILTER_PERSONAL:
        return !shared_is_name(name);
    case FILTER_SUBSCRIBED:
        return subscribed;
    case FILTER_SUBTREE:
    case FILTER_SUBTREE_ONE:
    case FILTER_MAILBOXES:
        return is_named(filter, name);
    }
    BUG("filter scope");
}
