#ifndef SERVICES_IMAP_MAILBOX_FILTER_H
#define SERVICES_IMAP_MAILBOX_FILTER_H

#include "common/text/cursor.h"
#include "services/imap/session.h"

/*
 * Which mailboxes a command is about: filter-mailboxes of RFC 5465 8, which NOTIFY and ESEARCH
 * have.
 */

enum filter_scope {
    FILTER_SELECTED,
    FILTER_SELECTED_DELAYED,
    FILTER_PERSONAL, /* all own mailboxes are; "inboxes" too, since filters may deliver anywhere */
    FILTER_SUBSCRIBED,
    FILTER_SUBTREE,
    FILTER_SUBTREE_ONE,
    FILTER_MAILBOXES,
};

struct mailbox_filter {
    enum filter_scope scope;
    const struct str *names; /* of the last three */
    size_t name_count;
};

/* In arena. */
struct mailbox_filter mailbox_filter_take(struct imap *imap, struct cursor *c, struct arena *arena);
/* FILTER_SELECTED or FILTER_SELECTED_DELAYED: about no mailbox by its name. */
bool mailbox_filter_is_selected(const struct mailbox_filter *filter);
/* Can it be about mailboxes of others? */
bool mailbox_filter_may_cover_others(const struct mailbox_filter *filter);
bool mailbox_filter_covers(const struct mailbox_filter *filter, struct str name, bool subscribed);

#endif
