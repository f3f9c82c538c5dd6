#include "services/imap/notify_internal.h"

#include "services/imap/select.h"
#include "services/imap/shared.h"

#include <stdlib.h>
#include <string.h>

#define REQUEST_ARENA_MAX (4u << 20)

/* ---- Who wants what */

/* What a session hears that did not say what it wants (spec 2.18). */
#define USUAL_EVENTS (NOTIFY_MAILBOX_NAME | NOTIFY_SUBSCRIPTION)

/* RFC 5465 8: the first group that covers the mailbox and has the event; NONE ends the search. */
bool notify_wants(const struct notify *n, const struct snapshot *s, struct str name,
                  enum notify_event event)
{
    if (!n->asked)
        return (event & USUAL_EVENTS) != 0;
    bool subscribed = snapshot_has_subscription(s, name);
    for (size_t i = 0; i < n->request.len; i++) {
        const struct notify_group *group = &n->request.groups[i];
        if (!mailbox_filter_covers(&group->filter, name, subscribed))
            continue;
        if (group->events == 0 || (group->events & event))
            return group->events != 0;
    }
    return false;
}

bool notify_follows_metadata(const struct imap *imap)
{
    return imap->notify && notify_has_metadata(&imap->notify->request);
}

bool notify_tells_metadata(const struct imap *imap, struct str mailbox)
{
    const struct notify *n = imap->notify;
    if (!n || !str_is_null(mailbox))
        return n && n->others && notify_wants(n, n->known, mailbox, NOTIFY_MAILBOX_METADATA);
    for (size_t i = 0; i < n->request.len; i++)
        if (n->request.groups[i].events & NOTIFY_SERVER_METADATA)
            return true;
    return false;
}

/* ---- The selected mailbox */

static const struct notify_group *selected_group(const struct imap *imap)
{
    return imap->notify ? imap->notify->request.selected : NULL;
}

bool notify_tells_messages(const struct imap *imap)
{
    const struct notify_group *group = selected_group(imap);
    return !imap->notify || (group && (group->events & NOTIFY_MESSAGE_NEW));
}

bool notify_tells_flags(const struct imap *imap)
{
    const struct notify_group *group = selected_group(imap);
    return !imap->notify || (group && (group->events & NOTIFY_FLAG_CHANGE));
}

const struct fetch_items *notify_new_items(const struct imap *imap)
{
    const struct notify_group *group = selected_group(imap);
    return group && group->items.items ? &group->items : NULL;
}

bool notify_is_immediate(const struct imap *imap)
{
    const struct notify_group *group = selected_group(imap);
    return group && group->filter.scope == FILTER_SELECTED && group->events != 0;
}

void notify_listen(struct imap *imap)
{
    struct selected *selected = &imap->selected;
    if (selected->view &&
        view_set_waiting(selected->view, &selected->user, notify_is_immediate(imap)))
        session_wake(selected->user.handle);
}

/* ---- Own changes */

/* Mailboxes of others are in the lists only for who looks at them; one's own subscriptions to them
 * always are. */
static unsigned events_in_lists(const struct notify *n, unsigned events, struct str name)
{
    return n->shared || !shared_is_name(name) ? events : events & NOTIFY_SUBSCRIPTION;
}

void notify_own(struct imap *imap, unsigned events, bool made, bool below, struct str name)
{
    struct notify *n = notify_state(imap);
    events = n && n->others ? events_in_lists(n, events, name) : 0;
    if (events == 0)
        return;
    if (own_changes_are_many(n))
        notify_report(imap);
    char *copy = xmalloc(name.len + 1);
    if (name.len > 0)
        memcpy(copy, name.ptr, name.len);
    copy[name.len] = '\0';
    const struct own_change own = {copy, events, made, below};
    array_push(&n->own, own);
}

void notify_own_forget(struct notify *n, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(n->own.items[i].name);
    if (count > 0)
        array_remove(&n->own, 0, count);
}

/* ---- Life cycle */

static void watch(struct imap *imap, struct notify *n)
{
    if (!n->watching)
        account_watch(imap->account, &n->watch);
    n->watching = true;
}

static void unwatch(struct imap *imap, struct notify *n)
{
    if (n->watching)
        account_unwatch(imap->account, &n->watch);
    n->watching = false;
}

struct notify *notify_new(struct imap *imap)
{
    struct notify *n = xcalloc(1, sizeof(*n));
    arena_init(&n->arena, REQUEST_ARENA_MAX);
    n->watch.handle = session_handle(imap->session);
    n->asked = true;
    return n;
}

struct arena *notify_arena(struct notify *n)
{
    return &n->arena;
}

static void note_scope(struct notify *n, const struct mailbox_filter *filter)
{
    bool subscribed = filter->scope == FILTER_SUBSCRIBED;
    n->subscribed = n->subscribed || subscribed;
    n->names_others = n->names_others || (!subscribed && mailbox_filter_may_cover_others(filter));
}

bool notify_start(struct imap *imap, struct notify *n, const struct notify_request *request,
                  struct err *err)
{
    n->request = *request;
    n->initial = request->status;
    if (request->len == (request->selected ? 1u : 0u))
        return true;
    n->others = true;
    for (size_t i = 0; i < request->len && shared_is_shown(imap); i++)
        note_scope(n, &request->groups[i].filter);
    watch(imap, n);
    struct backend_call call = imap_call(imap);
    n->known = notify_list(imap, n, &call, err);
    return n->known != NULL;
}

void notify_install(struct imap *imap, struct notify *n)
{
    notify_free(imap, imap->notify);
    notify_free(imap, imap->unasked);
    imap->unasked = NULL;
    imap->notify = n;
}

struct notify *notify_state(struct imap *imap)
{
    if (imap->notify || imap->unasked || !imap->account)
        return imap->notify ? imap->notify : imap->unasked;
    imap->unasked = notify_new(imap);
    imap->unasked->asked = false;
    imap->unasked->others = true;
    imap->unasked->watch.names_only = true;
    return imap->unasked;
}

void notify_wake_for_names(struct imap *imap, bool wanted)
{
    struct notify *n = notify_state(imap);
    if (n->asked && n->others)
        return;
    n->watch.names_only = true;
    if (wanted)
        watch(imap, n);
    else
        unwatch(imap, n);
}

void notify_free(struct imap *imap, struct notify *n)
{
    if (!n)
        return;
    unwatch(imap, n);
    notify_unfollow(imap, n);
    notify_own_forget(n, n->own.len);
    array_release(&n->own);
    snapshot_unref(n->known);
    snapshot_unref(n->now);
    arena_release(&n->arena);
    free(n);
}
