#ifndef SERVICES_IMAP_ANNOUNCE_H
#define SERVICES_IMAP_ANNOUNCE_H

#include "services/imap/session.h"

/*
 * Telling the client what changed in the selected mailbox since its horizon: EXPUNGE lines, one
 * EXISTS, then FETCH (UID FLAGS) of every message that is new or whose flags changed (spec 2.18;
 * the FETCH of new ones helps clients that miss EXISTS).
 */

/* Appends what fits. False when the output is full and there is more: call again after it has
 * drained. When true, the session's horizon has reached the view's modseq of the first call. */
bool announce(struct imap *imap);

/* There is something beyond the horizon that the client has not been told of: what others did. */
bool announce_is_due(const struct imap *imap);

/* The session itself made the change with this modseq, and its client is told the result by the
 * command's answer. `nothing_else`: beyond the horizon there is no other change up to it that the
 * client does not know. */
void announce_skip(struct imap *imap, uint64_t modseq, bool nothing_else);

/* The client knows the change with this modseq. */
bool announce_is_told(const struct imap *imap, uint64_t modseq);

/* Appends "* n FETCH (UID u"; with UIDONLY "* u UIDFETCH (" and, with `uid`, "UID u". The caller
 * goes on with items and ")". True when there is an item already, so that the next needs a space.
 */
bool announce_fetch_start(struct imap *imap, const struct view_row *row, bool uid);
/* A whole line with the UID, with `flags` these too, and the modseq for who has CONDSTORE. */
void announce_fetch(struct imap *imap, const struct view_row *row, bool flags);

#endif
