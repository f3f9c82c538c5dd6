#ifndef SERVICES_STORE_LEAVING_H
#define SERVICES_STORE_LEAVING_H

#include "services/store/account.h"
#include "services/store/uids.h"

/*
 * Moves to another account that have begun (copy_across.h). Two databases do not commit together:
 *
 *     leaving_note      here: what will leave, where to, and under which key
 *     ...               there: the copies, whose change is kept under that key
 *     leaving_end       here: the messages leave, and the note with them
 *
 * A process that is killed in between leaves the note. When the account is opened next, before
 * anybody sees it, messages whose copies have arrived leave, and others stay: they are never in
 * both accounts. Each account is opened soon after the start of store (accounts.h), long before the
 * other one forgets the key (erase.c).
 */

struct leaving {
    struct str key; /* CALL_KEY_SIZE bytes */
    uint64_t to_account_id;
    uint64_t mailbox_id;
    struct uids uids; /* ascending; those that are gone are left out */
};

/* ERR_SYNTAX: the key is empty. Replaces what is noted under the same key. */
bool leaving_note(struct account *from, struct leaving *leaving, struct err *err) MUST_USE;
/* Nothing happens to what was never noted, or has left. */
bool leaving_end(struct account *from, struct leaving *leaving, struct err *err) MUST_USE;

/* Ends what is noted, or forgets it when no copies have arrived. The caller sees to it that no move
 * to another account is under way (account.move_lock). What cannot be settled now, with the error
 * of the last such note, stays noted, and its messages where they are. */
bool leaving_settle(struct account *from, struct err *err) MUST_USE;
/* The same; what cannot be settled is logged, and looked at again in a minute (account_tend). */
void leaving_try_settle(struct account *from);

#endif
