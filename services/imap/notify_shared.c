#include "services/imap/notify_internal.h"

#include "services/imap/metadata.h"
#include "services/imap/shared.h"

#include <stdlib.h>

/*
 * NOTIFY for mailboxes of others (RFC 4314): they are in the lists that notify_tell.c compares, as
 * far as the session may see them, and the accounts that share something are listened to.
 */

#define EVERYBODY 0 /* as an account: events of it are about what is shared with anyone */
#define SCRATCH (64u << 10)
#define NOTES_ARENA_MAX (4u << 20)

/* ---- Whom to listen to */

static bool read_notes(struct imap *imap, const struct followed *f, uint64_t since,
                       struct arena *arena, struct annotations *ret, struct err *err)
{
    struct backend_call call = imap_call_in(imap, arena);
    struct annotation_query query = {.since_modseq = since};
    call.owner = account_id(f->account);
    return backend_annotations(imap->server->backend, &call, &query, &ret->items, &ret->len,
                               &ret->modseq, err);
}

/* From now on. When store does not tell what there is, everything counts as new. */
static void follow_notes(struct imap *imap, struct followed *f)
{
    struct err err;
    struct arena arena;
    struct annotations none = {.modseq = 0};
    arena_init(&arena, SCRATCH);
    f->annotation_events = account_annotation_events(f->account);
    if (!read_notes(imap, f, INT64_MAX, &arena, &none, &err))
        log_debug(session_log(imap->session), "annotations not read", LOG_ERR(&err));
    f->annotation_modseq = none.modseq;
    arena_release(&arena);
}

static bool is_followed(const struct notify *n, uint64_t id)
{
    for (size_t i = 0; i < n->followed.len; i++)
        if (account_id(n->followed.items[i]->account) == id)
            return true;
    return false;
}

/* True when it is a new one. */
static bool follow(struct imap *imap, struct notify *n, uint64_t id)
{
    if (is_followed(n, id))
        return false;
    struct followed *f = xcalloc(1, sizeof(*f));
    f->account = registry_enter(imap->server->registry, id);
    f->watch.handle = session_handle(imap->session);
    account_watch(f->account, &f->watch);
    if (id != EVERYBODY && notify_has_metadata(&n->request))
        follow_notes(imap, f);
    array_push(&n->followed, f);
    return true;
}

static bool follow_owners(struct imap *imap, struct notify *n, const struct snapshot *s)
{
    bool any = false;
    for (size_t i = 0; i < s->list.owner_count; i++)
        any = follow(imap, n, s->list.owners[i]) || any;
    return any;
}

void notify_unfollow(struct imap *imap, struct notify *n)
{
    for (size_t i = 0; i < n->followed.len; i++) {
        struct followed *f = n->followed.items[i];
        account_unwatch(f->account, &f->watch);
        registry_leave(imap->server->registry, f->account);
        free(f);
    }
    array_release(&n->followed);
}

uint64_t notify_events(struct imap *imap, const struct notify *n)
{
    uint64_t events = account_events(imap->account);
    for (size_t i = 0; i < n->followed.len; i++)
        events += account_events(n->followed.items[i]->account);
    return events;
}

/* ---- The lists */

/* Of the session's own: no other one is told quite the same. What happens in an account before it
 * is listened to must be in the list, so there is another list after that. */
static struct snapshot *list_shared(struct imap *imap, struct notify *n,
                                    const struct backend_call *call, struct err *err)
{
    for (;;) {
        uint64_t events = notify_events(imap, n);
        uint64_t mailbox_events = account_mailbox_events(imap->account);
        struct snapshot *s = snapshot_read(imap->server->backend, call, true, err);
        if (!s)
            return NULL;
        s->events = events;
        s->mailbox_events = mailbox_events;
        if (!follow_owners(imap, n, s))
            return s;
        snapshot_unref(s);
    }
}

static bool has_subscriptions_to_others(const struct snapshot *s)
{
    for (size_t i = 0; i < s->list.subscription_count; i++)
        if (shared_is_name(s->list.subscriptions[i]))
            return true;
    return false;
}

/* Once mailboxes of others are in the lists they stay there: a list without them would say that
 * they are gone. */
struct snapshot *notify_list(struct imap *imap, struct notify *n, const struct backend_call *call,
                             struct err *err)
{
    if (!n->shared && !n->names_others) {
        struct snapshot *s = account_list(imap->account, call, !n->asked, err);
        if (!s || !n->subscribed || !has_subscriptions_to_others(s))
            return s;
        snapshot_unref(s);
    }
    n->shared = true;
    follow(imap, n, EVERYBODY);
    return list_shared(imap, n, call, err);
}

/* ---- Annotations */

static bool is_own_note(const struct imap *imap, const struct followed *f,
                        const struct annotation *a)
{
    return a->modseq == imap->metadata_own && imap->metadata_own_owner == account_id(f->account);
}

static void tell_note(struct imap *imap, const struct notify *n, const struct followed *f,
                      const struct annotation *a)
{
    const struct mailbox_info *m =
        snapshot_find_id(n->known, account_id(f->account), a->mailbox_id);
    if (m && !is_own_note(imap, f, a) &&
        notify_wants(n, n->known, m->name, NOTIFY_MAILBOX_METADATA))
        metadata_write_change(imap, m->name, a);
}

/* What store does not tell now is asked for again, unless the account shares nothing any more. */
static void tell_notes_of(struct imap *imap, const struct notify *n, struct followed *f)
{
    struct err err;
    struct arena arena;
    struct annotations news = {.modseq = f->annotation_modseq};
    uint64_t events = account_annotation_events(f->account);
    if (events == f->annotation_events)
        return;
    arena_init(&arena, NOTES_ARENA_MAX);
    bool ok = read_notes(imap, f, f->annotation_modseq, &arena, &news, &err);
    for (size_t i = 0; ok && i < news.len; i++)
        tell_note(imap, n, f, &news.items[i]);
    if (ok || !err_is_transient(err.kind)) {
        f->annotation_events = events;
        f->annotation_modseq = news.modseq;
    }
    arena_release(&arena);
}

void notify_tell_notes(struct imap *imap, struct notify *n)
{
    if (!n->known || !notify_has_metadata(&n->request))
        return;
    for (size_t i = 0; i < n->followed.len; i++)
        if (account_id(n->followed.items[i]->account) != EVERYBODY)
            tell_notes_of(imap, n, n->followed.items[i]);
}
