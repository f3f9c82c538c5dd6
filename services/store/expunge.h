#ifndef SERVICES_STORE_EXPUNGE_H
#define SERVICES_STORE_EXPUNGE_H

#include "services/store/entry.h"
#include "services/store/uids.h"

/*
 * EXPUNGE: messages with \Deleted leave the mailbox (spec 20 2.19, 1.9).
 */

struct expunge {
    /* Arguments. */
    uint64_t mailbox_id;
    bool only;          /* of `uids` */
    struct uids uids;   /* ascending */
    uint32_t below_uid; /* only smaller UIDs; 0: all */
    /* Result. */
    struct uids expunged;
    uint64_t modseq; /* of the mailbox, after */
};

/* ERR_NOT_FOUND: no such mailbox. */
bool expunge(struct account *account, struct str key, struct expunge *op, struct arena *arena,
             struct err *err) MUST_USE;

/* Inside a change: this message leaves `m` (not saved yet) for good. */
bool expunge_entry(struct change *c, struct mailbox *m, const struct entry *e,
                   struct err *err) MUST_USE;

#endif
