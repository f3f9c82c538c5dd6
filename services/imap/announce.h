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

/* The session itself made the change with this modseq, and its client was told the result. */
void announce_skip(struct imap *imap, uint64_t modseq);

/* Appends "* n FETCH (UID u FLAGS (...)". The caller goes on with " ITEM" or ")". */
void announce_fetch_start(struct buf *out, const struct view_row *row, bool flags);

#endif
