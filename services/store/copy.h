#ifndef SERVICES_STORE_COPY_H
#define SERVICES_STORE_COPY_H

#include "services/store/entry.h"
#include "services/store/uids.h"

/*
 * COPY and MOVE (spec 20 1.12, 2.25). A copy is a new message with an own link to the file. A moved
 * message stays the same message: its id, row and file are untouched, so whoever still shows the
 * old UID reads it as before (docs/decisions, "a move keeps the message").
 */

struct copy_files;

struct copy {
    /* Arguments. */
    uint64_t mailbox_id;
    struct uids uids;       /* ascending; those that are gone are left out */
    struct str to;          /* any form */
    uint64_t checked_to_id; /* mailbox_is_checked */
    bool move;
    uint64_t quota_bytes;
    uint32_t dropped_flags; /* that do not come along, */
    bool drops_keywords;    /* nor do keywords */
    bool is_by_other;       /* than the owner of the destination */
    /* Result. */
    uint32_t uidvalidity; /* of the destination */
    struct uids source;
    struct uids copied; /* parallel */
    uint64_t modseq;    /* of the change; the destination's when nothing changed */
    uint64_t first_id;  /* private */
    struct copy_files *files;
};

/* ERR_NOT_FOUND: no such mailbox or destination; ERR_CONFLICT: they are the same; ERR_LIMIT: over
 * quota. */
bool copy_messages(struct account *account, struct str key, struct copy *op, struct arena *arena,
                   struct err *err) MUST_USE;

/* Inside a change: moves everything from one mailbox to another; neither is saved yet. */
bool move_all(struct change *c, struct mailbox *from, struct mailbox *to, struct err *err) MUST_USE;

#endif
