#ifndef SERVICES_IMAP_REGISTRY_H
#define SERVICES_IMAP_REGISTRY_H

#include "services/imap/snapshot.h"
#include "services/imap/view.h"

/*
 * Who of this process is logged in where: accounts with sessions, and the views that those sessions
 * share. An event of store finds the views that it concerns here.
 *
 *     struct account *a = registry_enter(registry, account_id);     // at login
 *     if (!account_open_view(a, &call, name, &view, err)) ...       // SELECT
 *     account_close_view(a, view);
 *     registry_leave(registry, a);
 *
 * Thread-safe.
 */

struct registry;
struct account;

/* Keeps the backend. */
struct registry *registry_new(struct backend *b);
void registry_free(struct registry *r);

/* For `struct backend_events`; `user` is the registry. */
void registry_changed(void *user, const struct backend_event *event);
void registry_reconnected(void *user);

/* For who is logged in, and for who has a mailbox of the account open that is shared with him.
 * Counted; the first session of an account subscribes to its events. */
struct account *registry_enter(struct registry *r, uint64_t account_id);
void registry_leave(struct registry *r, struct account *a);
uint64_t account_id(const struct account *a);
/* Changes when annotations of the account may have changed. */
uint64_t account_annotation_events(struct account *a);
/* Changes when rights of others to mailboxes of the account may have changed. */
uint64_t account_rights_events(struct account *a);
/* How many events about it have come. */
uint64_t account_events(struct account *a);
/* How many of them were about names or subscriptions. Costs no lock. */
uint64_t account_mailbox_events(const struct account *a);

/* The account's mailboxes, as current as the events that came, all of them or (`names_only`) those
 * about names; and with every change that account_renamed told of. Shared: of sessions that want it
 * after the same event, one asks store, and the others wait for it. The caller gets a reference;
 * NULL when store does not tell. */
struct snapshot *account_list(struct account *a, const struct backend_call *call, bool names_only,
                              struct err *err) MUST_USE;
/* A session has changed names or subscriptions of the account, with this modseq (0: it found them
 * so). The event of that may come later. */
void account_renamed(struct account *a, uint64_t modseq);

/* Wakes a session whenever something in the account changed, until account_unwatch. */
struct account_watch {
    struct list_link link;
    struct session_handle handle; /* set before */
    bool names_only;              /* set before: only names and subscriptions count */
};
void account_watch(struct account *a, struct account_watch *watch);
void account_unwatch(struct account *a, struct account_watch *watch);

/* The current view of the mailbox, shared when some session has it already: one RPC then too, since
 * the name must still mean that mailbox and the view be current. Of a large mailbox that is new it
 * knows only how many messages there are (view_load). The caller gets a reference. */
bool account_open_view(struct account *a, const struct backend_call *call, struct str name,
                       struct view **ret_view, struct err *err) MUST_USE;
/* Gives the reference back; the last one ends the view. */
void account_close_view(struct account *a, struct view *view);

#endif
