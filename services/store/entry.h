#ifndef SERVICES_STORE_ENTRY_H
#define SERVICES_STORE_ENTRY_H

#include "services/store/mailbox.h"

/*
 * Entries: the messages of a mailbox as its views show them.
 */

struct entry {
    uint32_t uid;
    uint64_t id; /* of the message: its file and its row in `message` */
    uint64_t modseq;
    uint64_t createseq;
    uint32_t flags;
    struct str keywords; /* see flags.h */
    uint64_t size;
    uint32_t prefix_size;
    int64_t received_s;
    int64_t saved_s;
    uint32_t zone; /* of received_s, minutes + 1440 */
};

#define ENTRY_ZONE_UTC 1440

/* The row that a query on ENTRY_COLUMNS stands on; keywords borrow from it. */
void entry_read(struct db_query *q, struct entry *ret);
/* Sets *ret_found instead of failing when it is gone; keywords in arena. */
bool entry_get(struct db *db, uint64_t mailbox_id, uint32_t uid, struct arena *arena,
               struct entry *ret, bool *ret_found, struct err *err) MUST_USE;

/* Puts it into the mailbox: sets uid, modseq and createseq, counts it in `m` (not saved yet). */
bool entry_add(struct change *c, struct mailbox *m, struct entry *e, struct err *err) MUST_USE;
/* Takes it out, leaving a tombstone; counts it in `m` (not saved yet). */
bool entry_remove(struct change *c, struct mailbox *m, const struct entry *e,
                  struct err *err) MUST_USE;
/* Counts other flags, and that it changed; whoever calls writes them. */
void entry_count_flags(struct change *c, struct mailbox *m, const struct entry *e, uint32_t flags);
/* Writes other flags and keywords, and counts them. */
bool entry_set_flags(struct change *c, struct mailbox *m, const struct entry *e, uint32_t flags,
                     struct str keywords, struct err *err) MUST_USE;

#endif
