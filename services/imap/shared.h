#ifndef SERVICES_IMAP_SHARED_H
#define SERVICES_IMAP_SHARED_H

#include "services/imap/session.h"

/*
 * Mailboxes of others (RFC 4314), which clients see as "Other Users/<address>/<mailbox>" (RFC
 * 2342). Everything behind a command speaks of an owner and the name that he uses.
 */

#define SHARED_NAMESPACE "Other Users"

/* Finds out whose mailbox `name` is: sets call->owner, and gives the owner's name for it, in the
 * call's arena or `name` itself. An own mailbox costs nothing. ERR_NOT_FOUND when there is nobody
 * of that address. */
bool shared_find(struct imap *imap, struct str name, struct backend_call *call, struct str *ret,
                 struct err *err) MUST_USE;

/* Is it a name in their namespace? Nobody has an own mailbox there. */
static inline bool shared_is_name(struct str name)
{
    return str_starts_with(name, STR(SHARED_NAMESPACE "/"));
}

/* Are names of others shown to this account? */
bool shared_is_shown(const struct imap *imap);

/* The account id behind call->owner. */
uint64_t shared_owner(const struct imap *imap, const struct backend_call *call);

#endif
