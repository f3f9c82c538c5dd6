#ifndef SERVICES_IMAP_SELECT_H
#define SERVICES_IMAP_SELECT_H

#include "services/imap/parse.h"
#include "services/imap/session.h"

/* The selected mailbox of a session. */

/* Gives up the view; harmless when there is none. The state stays. */
void selected_close(struct imap *imap);

/* The tagged OK of SELECT and EXAMINE. */
enum session_next selected_opened(struct imap *imap);

/* Asks again what the session may do with a mailbox of another account, when that may have changed.
 */
void selected_review(struct imap *imap);

/* True when the mailbox is still there and may be read; else the answer for the client is in `err`.
 */
bool selected_check(struct imap *imap, struct err *err) MUST_USE;
/* Fails with the answer for a mailbox that the user may not read any more. */
bool selected_fail_revoked(struct err *err);

/* The UIDs of the messages that a command names, by number or (`uid`) by UID: ranges in which every
 * visible message is meant. Fails as a syntax error for numbers that do not exist (spec 2.20). The
 * caller releases the set. */
bool selected_resolve(struct imap *imap, const struct sequence_set *set, bool uid,
                      struct uid_set *ret, struct err *err) MUST_USE;

/* Where a command looks for messages: the selected mailbox, or another one (RFC 7377). */
struct view_place {
    struct view *view; /* NULL: nowhere, which has no messages */
    uint64_t horizon;
    bool is_selected;
};
struct view_place selected_place(const struct imap *imap);
/* The same in any place. */
bool place_resolve(struct imap *imap, const struct view_place *place,
                   const struct sequence_set *set, bool uid, struct uid_set *ret,
                   struct err *err) MUST_USE;

/* All visible messages of the set, as a list of UIDs in the command's arena. */
bool selected_list_uids(struct imap *imap, const struct uid_set *set, struct uid_list *ret,
                        struct err *err) MUST_USE;

/* Does reading a message here set \\Seen? */
bool selected_marks_seen(const struct imap *imap);

/* Number of messages that the client knows of. */
uint32_t selected_exists(struct imap *imap);

#endif
