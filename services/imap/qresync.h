#ifndef SERVICES_IMAP_QRESYNC_H
#define SERVICES_IMAP_QRESYNC_H

#include "services/imap/parse.h"
#include "services/imap/session.h"

/*
 * QRESYNC (RFC 7162 3.2): a client that was away learns with SELECT, or UID FETCH, what vanished
 * and what changed since the modseq that it knows. Whatever is told here is as of the session's
 * horizon: later news come as usual.
 */

/* "(" uidvalidity SP mod-sequence-value [SP known-uids] [SP "(" numbers SP uids ")"] ")" */
struct qresync_parameters {
    uint64_t uidvalidity;
    uint64_t modseq;
    bool has_known; /* else: all UIDs */
    struct sequence_set known;
    /* Message numbers and the UIDs that the client had for them. */
    struct sequence_set numbers;
    struct sequence_set uids;
};
struct qresync_parameters qresync_take(struct cursor *c, struct arena *arena);
/* False when numbers or UIDs do not ascend strictly: a NO, not a BAD (spec 2.30). */
bool qresync_ascends(const struct qresync_parameters *p);

/* The answer to SELECT after the mailbox was described: VANISHED, FETCH, and the tagged OK. */
enum session_next qresync_select(struct imap *imap, const struct qresync_parameters *p);

/* UIDs of `set` that vanished after `since`; where store has forgotten what, all that are not
 * there. The caller releases `ret`. */
bool qresync_find_vanished(struct imap *imap, const struct sequence_set *set, uint64_t since,
                           struct uid_set *ret, struct err *err) MUST_USE;

/* Appends "* VANISHED [(EARLIER) ]set" with the ranges from `*at` on that fit into one line. */
void qresync_write_line(struct buf *out, const struct uid_set *set, size_t *at, bool earlier);
/* Such lines to the end of the set. False when the output is full and there is more. */
bool qresync_write_vanished(struct imap *imap, const struct uid_set *set, size_t *at, bool earlier);

#endif
