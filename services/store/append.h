#ifndef SERVICES_STORE_APPEND_H
#define SERVICES_STORE_APPEND_H

#include "services/store/message.h"
#include "services/store/uids.h"

/*
 * APPEND of one or more messages, all or none; with `replace_uid` also REPLACE (RFC 8508).
 */

#define APPEND_ITEMS_MAX 1000

struct append {
    /* Arguments. */
    struct str mailbox;           /* any form; must exist */
    uint64_t checked_id;          /* mailbox_is_checked */
    struct new_message *messages; /* all but the ids; the texts are checked */
    size_t count;
    uint64_t quota_bytes;
    uint64_t view_mailbox_id; /* with replace_uid */
    uint32_t replace_uid;     /* 0: none */
    /* Result. */
    uint32_t uidvalidity;
    struct uids uids;
    uint64_t modseq;
};

/* ERR_NOT_FOUND: no such mailbox, spool file; ERR_STATE: the message to replace is gone;
 * ERR_LIMIT: over quota. */
bool append(struct account *account, struct str key, struct append *op, struct arena *arena,
            struct err *err) MUST_USE;

#endif
