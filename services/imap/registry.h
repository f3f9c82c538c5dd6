#ifndef SERVICES_IMAP_REGISTRY_H
#define SERVICES_IMAP_REGISTRY_H

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

/* Counted; the first session of an account subscribes to its events. */
struct account *registry_enter(struct registry *r, uint64_t account_id);
void registry_leave(struct registry *r, struct account *a);
uint64_t account_id(const struct account *a);

/* The current view of the mailbox, shared when some session has it already: one RPC then too, since
 * the name must still mean that mailbox and the view be current. The caller gets a reference. */
bool account_open_view(struct account *a, const struct backend_call *call, struct str name,
                       struct view **ret_view, struct err *err) MUST_USE;
/* Gives the reference back; the last one ends the view. */
void account_close_view(struct account *a, struct view *view);

#endif
