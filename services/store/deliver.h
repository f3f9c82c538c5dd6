#ifndef SERVICES_STORE_DELIVER_H
#define SERVICES_STORE_DELIVER_H

#include "services/store/message.h"

/*
 * Putting a received message into a mailbox: the hot path of the whole system.
 *
 * The file of the text is put into its place before the rows that make it visible are committed;
 * when deliver returns true, file, directory and rows are on disk.
 */

struct delivery {
    /* Arguments. */
    struct str key;     /* of the call; with the recipient it makes the delivery happen once */
    struct str mailbox; /* any form; made when missing */
    struct new_message message; /* all but the id; the text is checked */
    uint64_t quota_bytes;
    /* Result. */
    uint64_t message_id;
    uint64_t mailbox_id;
    uint32_t uid;
    uint64_t modseq;
};

/* ERR_NOT_FOUND: no such spool file; ERR_LIMIT: over quota; ERR_SYNTAX: bad mailbox name. */
bool deliver(struct account *account, struct delivery *d, struct arena *arena,
             struct err *err) MUST_USE;

#endif
