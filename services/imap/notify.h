#ifndef SERVICES_IMAP_NOTIFY_H
#define SERVICES_IMAP_NOTIFY_H

#include "common/text/cursor.h"
#include "services/imap/fetch.h"
#include "services/imap/mailbox_filter.h"
#include "services/imap/session.h"

/*
 * NOTIFY (RFC 5465): of what the client wants to hear unasked. What concerns the selected mailbox
 * decides over announcements (announce.h). For the others, the account's list of mailboxes is kept
 * as the client knows it; when an event says that something changed, a new list is compared with
 * it, and the differences are told.
 *
 * docs/decisions/0024-notify-by-comparison.md says why.
 *
 * A session that does not use NOTIFY hears, when a command ends and in IDLE, of its selected
 * mailbox (announce.h), and in the same way as above of names and subscriptions that others
 * changed.
 */

enum notify_event {
    NOTIFY_MESSAGE_NEW = 1,
    NOTIFY_MESSAGE_EXPUNGE = 2,
    NOTIFY_FLAG_CHANGE = 4,
    NOTIFY_MAILBOX_NAME = 8,
    NOTIFY_SUBSCRIPTION = 16,
    NOTIFY_MAILBOX_METADATA = 32,
    NOTIFY_SERVER_METADATA = 64,
};

struct notify_group {
    struct mailbox_filter filter;
    unsigned events;          /* enum notify_event; 0: NONE */
    struct fetch_items items; /* of MessageNew; none: the usual ones */
};

#define NOTIFY_GROUPS_MAX 100

/* The command, in arena. */
struct notify_request {
    bool none;
    bool status;                         /* first a STATUS of each mailbox */
    const struct notify_group *selected; /* one of `groups`; NULL: none */
    struct notify_group *groups;
    size_t len;
    bool bad_event; /* an event that is not known: NO [BADEVENT], not BAD */
};

/* "NONE" / "SET" [SP "STATUS"] 1*(SP event-group) */
struct notify_request notify_take(struct imap *imap, struct cursor *c, struct arena *arena);
/* "MessageNew MessageExpunge ..." */
void notify_write_events(const struct imap *imap, struct buf *out);

/* ---- The session's state */

struct notify *notify_new(struct imap *imap);
/* For its request. */
struct arena *notify_arena(struct notify *n);
/* Reads the account's mailboxes when some group is about others than the selected one. */
bool notify_start(struct imap *imap, struct notify *n, const struct notify_request *request,
                  struct err *err) MUST_USE;
/* Takes `n`. */
void notify_install(struct imap *imap, struct notify *n);
void notify_free(struct imap *imap, struct notify *n);

/* Are changes of annotations asked for (RFC 5465 5.6, 5.7)? */
bool notify_has_metadata(const struct notify_request *request);
bool notify_follows_metadata(const struct imap *imap);
/* Those of this mailbox; with a null name, of the account? */
bool notify_tells_metadata(const struct imap *imap, struct str mailbox);

/* Of the selected mailbox. */
bool notify_tells_messages(const struct imap *imap);
bool notify_tells_flags(const struct imap *imap);
/* NULL: the usual FLAGS. */
const struct fetch_items *notify_new_items(const struct imap *imap);

/* May the session tell of its selected mailbox between commands? */
bool notify_is_immediate(const struct imap *imap);
/* After SELECT, IDLE and NOTIFY: has the session woken when it is to speak. */
void notify_listen(struct imap *imap);
/* Tells what changed in other mailboxes. False when the output is full and there is more. For who
 * does not use NOTIFY the first call, at login, only notes what there is. */
bool notify_report(struct imap *imap);
/* In IDLE: has the session woken when names or subscriptions change, or its login may have ended,
 * unless NOTIFY has it woken for more. */
void notify_wake_for_names(struct imap *imap, bool wanted);

/* The session itself made or removed (`made`) this name, and all that is below it (`below`), as a
 * mailbox, a subscription or both (`events`): its client knows. */
void notify_own(struct imap *imap, unsigned events, bool made, bool below, struct str name);

#endif
