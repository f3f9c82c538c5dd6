#ifndef SERVICES_STORE_MAILBOX_OPS_H
#define SERVICES_STORE_MAILBOX_OPS_H

#include "services/store/mailbox.h"

/*
 * CREATE, DELETE, RENAME and SUBSCRIBE (spec 20 1.3, 2.10 to 2.13). Names in any form: each
 * operation checks them. Errors: ERR_SYNTAX bad name, ERR_STATE not with Inbox, ERR_CONFLICT exists
 * or has children, ERR_NOT_FOUND.
 */

struct mailbox_op {
    /* Arguments. */
    struct str name;
    struct str to;          /* of rename */
    struct str special_use; /* of create: for the leaf, "\Sent"; empty for none */
    bool subscribe;         /* of subscribe; false: unsubscribe */
    /* Of one who is not the owner (else 0): his account id, and to which mailboxes he has the
     * right, `name` and the nearest one above what is made. */
    uint64_t by_other;
    uint64_t checked_id;
    uint64_t checked_parent_id;
    /* Result. */
    struct created created;
    uint64_t mailbox_id; /* of create */
    uint64_t modseq;     /* of the account with the change; 0: nothing changed */
};

/* Is it a role that a mailbox can have, or empty? */
bool mailbox_check_special_use(struct str special_use, struct err *err) MUST_USE;

/* Makes missing parents too, and subscribes the owner, if he calls, to all that is made. Another
 * gets ERR_NOT_FOUND for the name of a mailbox that he may not look up, as for one that he may not
 * make (RFC 4314 6); so for the new name of a rename. Not in the namespace of others
 * (mailbox_name_is_others): ERR_SYNTAX; so for that
 * name too. */
bool mailbox_create(struct account *account, struct str key, struct mailbox_op *op,
                    struct arena *arena, struct err *err) MUST_USE;
/* Expunges its messages. The subscription stays. */
bool mailbox_delete(struct account *account, struct str key, struct mailbox_op *op,
                    struct arena *arena, struct err *err) MUST_USE;
/* Its children come along; subscriptions stay. Of Inbox the messages move (RFC 9051 6.3.6). */
bool mailbox_rename(struct account *account, struct str key, struct mailbox_op *op,
                    struct arena *arena, struct err *err) MUST_USE;
bool mailbox_subscribe(struct account *account, struct mailbox_op *op, struct arena *arena,
                       struct err *err) MUST_USE;

#endif
