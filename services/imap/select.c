#include "services/imap/select.h"

#include "services/imap/context.h"
#include "services/imap/fetch_run.h"
#include "services/imap/notify.h"
#include "services/imap/respond.h"
#include "services/imap/rights.h"

#define ROWS 256

void selected_close(struct imap *imap)
{
    struct selected *selected = &imap->selected;
    if (!selected->view)
        return;
    view_leave(selected->view, &selected->user);
    account_close_view(selected->account, selected->view);
    if (selected->account != imap->account)
        registry_leave(imap->server->registry, selected->account);
    buf_release(&selected->prefix);
    array_release(&selected->own);
    uid_set_release(&selected->saved);
    contexts_free(imap);
    fetch_run_free(imap->announcement.run);
    *selected = (struct selected){0};
    imap->announcement = (struct announcement){0};
}

enum session_next selected_opened(struct imap *imap)
{
    notify_listen(imap);
    return respond_ok(imap,
                      imap->selected.read_only ? "[READ-ONLY] examined" : "[READ-WRITE] selected");
}

#define REVOKED "your right to read this mailbox was withdrawn"

bool selected_fail_revoked(struct err *err)
{
    err_set(err, ERR_FORBIDDEN, "the right to read was withdrawn");
    return err_reply(err, REVOKED);
}

bool selected_check(struct imap *imap, struct err *err)
{
    if (imap->selected.revoked)
        return selected_fail_revoked(err);
    if (!view_info(imap->selected.view).gone)
        return true;
    err_set(err, ERR_NOT_FOUND, "the selected mailbox was deleted");
    return err_reply(err, "the selected mailbox was deleted");
}

/* What the event said is asked for: an event may be late, or lost with others. */
void selected_review(struct imap *imap)
{
    struct err err;
    struct arena arena;
    struct rights_list now = {0};
    struct selected *selected = &imap->selected;
    if (!selected->view || selected->account == imap->account)
        return;
    uint64_t events = account_rights_events(selected->account);
    if (events == selected->rights_events)
        return;
    arena_init(&arena, 64 * 1024);
    struct backend_call call = imap_call_on(imap, selected->view);
    struct rights_query query = {.mailbox_id = view_info(selected->view).mailbox_id};
    call.arena = &arena;
    if (backend_rights(imap->server->backend, &call, &query, &now, &err) ||
        !err_is_transient(err.kind)) {
        selected->rights = now.rights;
        selected->rights_events = events;
        bool was_revoked = selected->revoked;
        selected->revoked = !(now.rights & RIGHT_READ) && !view_info(selected->view).gone;
        if (selected->revoked && !was_revoked)
            respond_untagged(imap, "NO [NOPERM] " REVOKED);
    }
    arena_release(&arena);
}

bool selected_marks_seen(const struct imap *imap)
{
    return !imap->selected.read_only && (imap->selected.rights & RIGHT_SEEN);
}

uint32_t selected_exists(struct imap *imap)
{
    return view_exists(imap->selected.view, imap->selected.user.horizon);
}

struct view_place selected_place(const struct imap *imap)
{
    return (struct view_place){
        .view = imap->selected.view, .horizon = imap->selected.user.horizon, .is_selected = true};
}

static uint32_t uid_of(const struct view_place *place, uint32_t seq)
{
    return place->view ? view_uid_of(place->view, place->horizon, seq) : 0;
}

/* Entries of "$" that were expunged meanwhile are no longer visible, and so drop out by themselves
 * (RFC 9051 6.4.4.1). */
static void copy_saved(struct imap *imap, struct uid_set *ret)
{
    const struct uid_set *saved = &imap->selected.saved;
    for (size_t i = 0; i < saved->len; i++)
        uid_set_add_range(ret, saved->items[i].first, saved->items[i].last);
}

/* Numbers that do not exist name nothing in a mailbox of which the client does not know how many
 * messages it has. */
static bool add_numbers(const struct view_place *place, struct sequence_range range,
                        uint32_t exists, struct uid_set *set, struct err *err)
{
    uint32_t first = range.first ? range.first : exists, last = range.last ? range.last : exists;
    if (!place->is_selected) {
        uint32_t least = first < last ? first : last, most = first < last ? last : first;
        first = least;
        last = most < exists ? most : exists;
        if (first == 0 || first > last)
            return true;
    }
    if (first == 0 || last == 0 || first > exists || last > exists)
        return err_set(err, ERR_SYNTAX, "no such message number, there are %u", exists);
    uid_set_add_range(set, uid_of(place, first),
                      last == first ? uid_of(place, first) : uid_of(place, last));
    return true;
}

bool place_resolve(struct imap *imap, const struct view_place *place,
                   const struct sequence_set *set, bool uid, struct uid_set *ret, struct err *err)
{
    struct uid_set uids = {0};
    uint32_t exists = place->view ? view_exists(place->view, place->horizon) : 0;
    uint32_t last_uid = uid_of(place, 0);
    if (set->saved)
        copy_saved(imap, &uids);
    for (size_t i = 0; i < set->len; i++) {
        struct sequence_range range = set->ranges[i];
        if (!uid && !add_numbers(place, range, exists, &uids, err)) {
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

bool selected_resolve(struct imap *imap, const struct sequence_set *set, bool uid,
                      struct uid_set *ret, struct err *err)
{
    struct view_place place = selected_place(imap);
    return place_resolve(imap, &place, set, uid, ret, err);
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
