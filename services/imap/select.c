#include "services/imap/select.h"

#define ROWS 256

void selected_close(struct imap *imap)
{
    struct selected *selected = &imap->selected;
    if (!selected->view)
        return;
    view_leave(selected->view, &selected->user);
    account_close_view(imap->account, selected->view);
    uid_set_release(&selected->saved);
    *selected = (struct selected){0};
    imap->announcement = (struct announcement){0};
}

bool selected_check(struct imap *imap, struct err *err)
{
    if (!view_info(imap->selected.view).gone)
        return true;
    err_set(err, ERR_NOT_FOUND, "the selected mailbox was deleted");
    return err_reply(err, "the selected mailbox was deleted");
}

uint32_t selected_exists(struct imap *imap)
{
    return view_exists(imap->selected.view, imap->selected.user.horizon);
}

static uint32_t uid_of(struct imap *imap, uint32_t seq)
{
    return view_uid_of(imap->selected.view, imap->selected.user.horizon, seq);
}

/* Entries of "$" that were expunged meanwhile are no longer visible, and so drop out by themselves
 * (RFC 9051 6.4.4.1). */
static void copy_saved(struct imap *imap, struct uid_set *ret)
{
    const struct uid_set *saved = &imap->selected.saved;
    for (size_t i = 0; i < saved->len; i++)
        uid_set_add_range(ret, saved->items[i].first, saved->items[i].last);
}

static bool add_numbers(struct imap *imap, struct sequence_range range, uint32_t exists,
                        struct uid_set *set, struct err *err)
{
    uint32_t first = range.first ? range.first : exists, last = range.last ? range.last : exists;
    if (first == 0 || last == 0 || first > exists || last > exists)
        return err_set(err, ERR_SYNTAX, "no such message number, there are %u", exists);
    uid_set_add_range(set, uid_of(imap, first),
                      last == first ? uid_of(imap, first) : uid_of(imap, last));
    return true;
}

bool selected_resolve(struct imap *imap, const struct sequence_set *set, bool uid,
                      struct uid_set *ret, struct err *err)
{
    struct uid_set uids = {0};
    uint32_t exists = selected_exists(imap), last_uid = uid_of(imap, 0);
    if (set->saved)
        copy_saved(imap, &uids);
    for (size_t i = 0; i < set->len; i++) {
        struct sequence_range range = set->ranges[i];
        if (!uid && !add_numbers(imap, range, exists, &uids, err)) {
            uid_set_release(&uids);
            return false;
        }
        if (!uid || ((range.first == 0 || range.last == 0) && last_uid == 0))
            continue;
        uid_set_add_range(&uids, range.first ? range.first : last_uid,
                          range.last ? range.last : last_uid);
    }
    uid_set_normalise(&uids);
    *ret = uids;
    return true;
}

bool selected_list_uids(struct imap *imap, const struct uid_set *set, struct uid_list *ret,
                        struct err *err)
{
    struct view_row rows[ROWS];
    uint32_t exists = selected_exists(imap), after = 0;
    uint64_t named = uid_set_count(set);
    uint32_t *uids =
        arena_new_array(&imap->arena, named < exists ? (size_t)named : exists, uint32_t);
    if (!uids)
        return err_set(err, ERR_LIMIT, "too many messages");
    size_t len = 0, count;
    do {
        count = view_read(imap->selected.view, imap->selected.user.horizon, set, after, rows, ROWS);
        for (size_t i = 0; i < count; i++)
            uids[len++] = after = rows[i].message.uid;
    } while (count == ROWS);
    *ret = (struct uid_list){uids, len};
    return true;
}
