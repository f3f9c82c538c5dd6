#include "services/imap/notify_internal.h"

#include "services/imap/respond.h"
#include "services/imap/rights.h"
#include "services/imap/select.h"

/*
 * Telling what changed in the account's mailboxes: the differences of the list that the client
 * knows and a new one (docs/decisions/0024-notify-by-comparison.md).
 */

/* ---- Own changes */

static bool covers(const struct own_change *own, struct str name)
{
    struct str top = str_from_cstr(own->name);
    if (str_eq(top, name))
        return true;
    return own->below && name.len > top.len && str_starts_with(name, top) &&
           name.ptr[top.len] == '/';
}

/* True when the name is there now (made), or is not there, by the session's own doing: that was its
 * last change. */
static bool is_own(const struct notify *n, enum notify_event event, bool made, struct str name)
{
    bool is_it = false;
    for (size_t i = 0; i < n->own_len; i++) {
        const struct own_change *own = &n->own.items[i];
        if ((own->events & event) && covers(own, name))
            is_it = own->made == made;
    }
    return is_it;
}

static bool is_last_of_its_name(const struct notify *n, size_t at)
{
    const struct own_change *own = &n->own.items[at];
    for (size_t i = at + 1; i < n->own.len; i++)
        if ((n->own.items[i].events & own->events) && strcmp(n->own.items[i].name, own->name) == 0)
            return false;
    return true;
}

/* ---- Lines */

static void write_number(struct buf *out, const char *item, uint64_t number)
{
    if (out->ptr[out->len - 1] != '(')
        buf_append_char(out, ' ');
    buf_printf(out, "%s %llu", item, (unsigned long long)number);
}

static void write_status(struct imap *imap, const struct mailbox_info *m, bool messages,
                         bool uidvalidity)
{
    struct buf *out = imap_out(imap);
    buf_append(out, STR("* STATUS "));
    respond_mailbox(imap, out, m->name);
    buf_append(out, STR(" ("));
    if (messages) {
        write_number(out, "UIDNEXT", m->uidnext);
        write_number(out, "MESSAGES", m->total + m->deleted);
    }
    if (imap->condstore)
        write_number(out, "HIGHESTMODSEQ", m->modseq);
    if (uidvalidity)
        write_number(out, "UIDVALIDITY", m->uidvalidity);
    write_number(out, "UNSEEN", m->unseen);
    buf_append(out, STR(")\r\n"));
}

/* \NonExistent and OLDNAME are words of IMAP4rev2: an older client would take the first for a new
 * mailbox. Who asked by NOTIFY knows them as well (RFC 5465 5.4). */
static bool knows_rev2_words(const struct imap *imap, const struct notify *n)
{
    return n->asked || imap->rev2;
}

static void write_list(struct imap *imap, const struct notify *n, struct str name,
                       struct str old_name)
{
    struct buf *out = imap_out(imap);
    bool exists = snapshot_find(n->now, name) != NULL;
    buf_append(out, exists ? STR("* LIST (") : STR("* LIST (\\NonExistent"));
    if (snapshot_has_subscription(n->now, name))
        buf_append(out, exists ? STR("\\Subscribed") : STR(" \\Subscribed"));
    buf_append(out, STR(") \"/\" "));
    respond_mailbox(imap, out, name);
    if (!str_is_null(old_name) && knows_rev2_words(imap, n)) { /* RFC 9051 6.3.9.8 */
        buf_append(out, STR(" (\"OLDNAME\" ("));
        respond_mailbox(imap, out, old_name);
        buf_append(out, STR("))"));
    }
    buf_append(out, STR("\r\n"));
}

/* ---- What changed */

static void tell_name(struct imap *imap, const struct notify *n, const struct mailbox_info *m,
                      struct str old_name)
{
    if (!is_own(n, NOTIFY_MAILBOX_NAME, true, m->name) &&
        notify_wants(n, n->now, m->name, NOTIFY_MAILBOX_NAME))
        write_list(imap, n, m->name, old_name);
}

/* A mailbox that took the name of one that has another now: to be told after that one's OLDNAME,
 * which would take it away again. */
static bool took_a_name(const struct notify *n, const struct mailbox_info *m)
{
    const struct mailbox_info *before = snapshot_find(n->known, m->name);
    return before && snapshot_find_same(n->now, before);
}

static void tell_new(struct imap *imap, const struct notify *n, size_t at)
{
    const struct mailbox_info *m = &n->now->list.mailboxes[at];
    if (!snapshot_find_same(n->known, m) && !took_a_name(n, m))
        tell_name(imap, n, m, STR_NULL);
}

/* Children first. */
static void tell_renamed(struct imap *imap, const struct notify *n, size_t at)
{
    const struct mailbox_info *m = &n->now->list.mailboxes[n->now->list.len - 1 - at];
    const struct mailbox_info *before = snapshot_find_same(n->known, m);
    if (before && !str_eq(before->name, m->name))
        tell_name(imap, n, m, before->name);
}

static void tell_new_again(struct imap *imap, const struct notify *n, size_t at)
{
    const struct mailbox_info *m = &n->now->list.mailboxes[at];
    if (!snapshot_find_same(n->known, m) && took_a_name(n, m))
        tell_name(imap, n, m, STR_NULL);
}

/* Mailboxes that could not be listed now are still there. */
static bool is_unread(const struct notify *n, const struct mailbox_info *before)
{
    for (size_t i = 0; i < n->now->list.unread_owner_count; i++)
        if (n->now->list.unread_owners[i] == before->owner)
            return true;
    return false;
}

static void tell_removed(struct imap *imap, const struct notify *n, size_t at)
{
    const struct mailbox_info *before = &n->known->list.mailboxes[at];
    if (!is_unread(n, before) && !snapshot_find_same(n->now, before) &&
        !snapshot_find(n->now, before->name) &&
        !is_own(n, NOTIFY_MAILBOX_NAME, false, before->name) && knows_rev2_words(imap, n) &&
        notify_wants(n, n->known, before->name, NOTIFY_MAILBOX_NAME))
        write_list(imap, n, before->name, STR_NULL);
}

/* What the session itself made, and others removed before there was a list that had it. */
static void tell_own_removed(struct imap *imap, const struct notify *n, size_t at)
{
    const struct own_change *own = &n->own.items[at];
    struct str name = str_from_cstr(own->name);
    if (own->made && (own->events & NOTIFY_MAILBOX_NAME) && is_last_of_its_name(n, at) &&
        !snapshot_find(n->known, name) && !snapshot_find(n->now, name) &&
        !is_own(n, NOTIFY_MAILBOX_NAME, false, name) && knows_rev2_words(imap, n) &&
        notify_wants(n, n->now, name, NOTIFY_MAILBOX_NAME))
        write_list(imap, n, name, STR_NULL);
}

/* Its line as a mailbox that is new or has a new name says it already. */
static bool is_told_by_name(const struct notify *n, struct str name)
{
    const struct mailbox_info *m = snapshot_find(n->now, name);
    const struct mailbox_info *before = m ? snapshot_find_same(n->known, m) : NULL;
    return m && !(before && str_eq(before->name, name)) &&
           notify_wants(n, n->now, name, NOTIFY_MAILBOX_NAME);
}

static void tell_subscribed(struct imap *imap, const struct notify *n, size_t at)
{
    struct str name = n->now->list.subscriptions[at];
    if (!snapshot_has_subscription(n->known, name) && !is_told_by_name(n, name) &&
        !is_own(n, NOTIFY_SUBSCRIPTION, true, name) &&
        notify_wants(n, n->now, name, NOTIFY_SUBSCRIPTION))
        write_list(imap, n, name, STR_NULL);
}

static void tell_unsubscribed(struct imap *imap, const struct notify *n, size_t at)
{
    struct str name = n->known->list.subscriptions[at];
    bool can_be_said = snapshot_find(n->now, name) || knows_rev2_words(imap, n);
    if (!snapshot_has_subscription(n->now, name) && !is_told_by_name(n, name) && can_be_said &&
        !is_own(n, NOTIFY_SUBSCRIPTION, false, name) &&
        notify_wants(n, n->known, name, NOTIFY_SUBSCRIPTION))
        write_list(imap, n, name, STR_NULL);
}

static bool is_selected(struct imap *imap, const struct mailbox_info *m)
{
    struct view *view = imap->selected.view;
    uint64_t owner = m->owner != 0 ? m->owner : account_id(imap->account);
    return view && view_owner(view) == owner && view_info(view).mailbox_id == m->id;
}

static void tell_messages(struct imap *imap, const struct notify *n, size_t at)
{
    static const struct mailbox_info nothing = {.uidnext = 1};
    const struct mailbox_info *m = &n->now->list.mailboxes[at];
    const struct mailbox_info *before = snapshot_find_same(n->known, m);
    if (is_selected(imap, m) || !(m->rights & RIGHT_READ))
        return;
    if (n->initial) {
        if (notify_wants(n, n->now, m->name, NOTIFY_MESSAGE_NEW))
            write_status(imap, m, true, true);
        return;
    }
    /* In a new mailbox no flags changed: it has nothing to compare them with. */
    bool flags = before && before->messages_modseq != m->messages_modseq;
    if (!before)
        before = &nothing;
    bool count =
        before->uidnext != m->uidnext || before->total + before->deleted != m->total + m->deleted;
    if (count && notify_wants(n, n->now, m->name, NOTIFY_MESSAGE_NEW))
        write_status(imap, m, true, false);
    else if (flags && !count && notify_wants(n, n->now, m->name, NOTIFY_FLAG_CHANGE))
        write_status(imap, m, false, true);
}

/* ---- The report */

static size_t count_mailboxes(const struct notify *n)
{
    return n->now->list.len;
}

static size_t count_known_mailboxes(const struct notify *n)
{
    return n->known->list.len;
}

static size_t count_own(const struct notify *n)
{
    return n->own_len;
}

static size_t count_subscriptions(const struct notify *n)
{
    return n->now->list.subscription_count;
}

static size_t count_known_subscriptions(const struct notify *n)
{
    return n->known->list.subscription_count;
}

/* The lists to go through, in this order (spec 2.12). */
static const struct {
    size_t (*count)(const struct notify *n);
    void (*tell)(struct imap *imap, const struct notify *n, size_t at);
} parts[] = {
    {count_mailboxes, tell_new},
    {count_mailboxes, tell_renamed},
    {count_mailboxes, tell_new_again},
    {count_known_mailboxes, tell_removed},
    {count_own, tell_own_removed},
    {count_subscriptions, tell_subscribed},
    {count_known_subscriptions, tell_unsubscribed},
    {count_mailboxes, tell_messages},
};

/* Was there an event since the list that the client knows? */
static bool is_due(struct imap *imap, const struct notify *n)
{
    if (!n->known || own_changes_are_many(n))
        return true;
    return n->asked ? n->known->events != notify_events(imap, n)
                    : n->known->mailbox_events != account_mailbox_events(imap->account);
}

static struct snapshot *list(struct imap *imap, struct notify *n, struct err *err)
{
    struct arena arena;
    arena_init(&arena, 64 * 1024);
    struct backend_call call = imap_call_in(imap, &arena);
    struct snapshot *s = notify_list(imap, n, &call, err);
    arena_release(&arena);
    return s;
}

/* When store is away, the next time tries again. */
static bool begin_report(struct imap *imap, struct notify *n)
{
    struct err err;
    if (n->initial)
        n->now = snapshot_ref(n->known);
    if (n->initial || !is_due(imap, n))
        return n->initial;
    n->own_len = n->own.len;
    n->now = list(imap, n, &err);
    if (!n->now) {
        imap->denied = err.kind == ERR_DENIED;
        log_debug(session_log(imap->session), "mailboxes not listed", LOG_ERR(&err));
        return false;
    }
    if (!n->known) /* the client has been told nothing yet */
        n->known = snapshot_ref(n->now);
    return true;
}

static void end_report(struct notify *n)
{
    snapshot_unref(n->known);
    n->known = n->now;
    n->now = NULL;
    n->part = 0;
    n->initial = false;
    notify_own_forget(n, n->own_len);
    n->own_len = 0;
}

static bool tell_differences(struct imap *imap, struct notify *n)
{
    if (!n->now && !begin_report(imap, n))
        return true;
    for (; n->part < ARRAY_LEN(parts); n->part++, n->at = 0) {
        size_t count =
            n->initial && parts[n->part].tell != tell_messages ? 0 : parts[n->part].count(n);
        for (; n->at < count; n->at++) {
            if (session_out_is_full(imap->session))
                return false;
            parts[n->part].tell(imap, n, n->at);
        }
    }
    end_report(n);
    return true;
}

bool notify_report(struct imap *imap)
{
    struct notify *n = notify_state(imap);
    if (!n || !n->others)
        return true;
    if (!tell_differences(imap, n))
        return false;
    notify_tell_notes(imap, n); /* with the names that were told now */
    return true;
}
