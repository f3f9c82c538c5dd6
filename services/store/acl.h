#ifndef SERVICES_STORE_ACL_H
#define SERVICES_STORE_ACL_H

#include "common/mail/mailbox_rights.h"
#include "services/store/mailbox.h"

/*
 * What others may do with a mailbox (RFC 4314). The owner of the account may do everything, always,
 * and has no row. An identifier is an account, or anyone who has one; a negative entry takes away
 * what another one grants. docs/decisions/0027 says how sharing works as a whole.
 */

#define ACL_ENTRIES_MAX 1000 /* of a mailbox */
#define ACL_ANYONE 0         /* as account id */

struct acl_entry {
    uint64_t account_id;
    bool negative;
    struct str identifier; /* as it was given, without "-" */
    uint32_t rights;
};

struct acl {
    ARRAY_OF(struct acl_entry) entries; /* strings in arena */
};
bool acl_read(struct db *db, uint64_t mailbox_id, struct arena *arena, struct acl *ret,
              struct err *err) MUST_USE;
void acl_release(struct acl *acl);

/* What the account may do, who is not the owner. While the option forbid_anyone is set, what is
 * granted to anyone does not count; what is denied does. */
bool acl_rights(const struct store *store, struct db *db, uint64_t mailbox_id, uint64_t account_id,
                uint32_t *ret, struct err *err) MUST_USE;

/* As RightsMode of proto/mailboxes.proto. */
enum acl_mode { ACL_MODE_REPLACE, ACL_MODE_ADD, ACL_MODE_REMOVE };

struct acl_set {
    struct str mailbox;  /* any form */
    uint64_t checked_id; /* mailbox_is_checked */
    struct acl_entry entry;
    enum acl_mode mode;
};

/* An entry without rights is removed. Keeps the index of shares in step. ERR_LIMIT: too many
 * entries; ERR_STATE: too many new readers in a short time. */
bool acl_set(struct account *account, const struct acl_set *op, struct arena *arena,
             struct err *err) MUST_USE;

/* Who grants rights to nobody asks who exists. A guess takes as much of what an account may do in a
 * short time as a new reader does: ERR_STATE when none is left. */
bool acl_take_guess(struct account *account, struct err *err) MUST_USE;

/* Inside changes, after others have made mailboxes: ERR_LIMIT when there are more than the owner
 * can be told of in one answer. */
bool acl_check_room(struct change *c, struct err *err) MUST_USE;
/* Inside changes: a new mailbox gets the rights of its parent, a deleted one loses them. */
bool acl_copy(struct change *c, uint64_t from, uint64_t to, struct err *err) MUST_USE;
bool acl_remove(struct change *c, uint64_t mailbox_id, struct err *err) MUST_USE;

/* Whoever has entries in any list of the account, and whether one of them grants something. */
struct acl_account {
    uint64_t id; /* ACL_ANYONE too */
    bool is_reader;
};
struct acl_accounts {
    ARRAY_OF(struct acl_account) list;
};
bool acl_accounts_read(struct db *db, struct acl_accounts *ret, struct err *err) MUST_USE;
void acl_accounts_release(struct acl_accounts *accounts);

/* Takes what an account that was removed has left in the lists of others. What cannot be read is
 * passed over: nobody can use it, and `recalculate` takes it. */
void acl_forget_account(struct store *store, uint64_t account_id);

/* A repair: entries of accounts that are gone, and readers whom the index of shares lacks. `job`
 * may be NULL. */
struct job;
bool acl_repair(struct account *account, struct job *job, struct err *err) MUST_USE;

#endif
