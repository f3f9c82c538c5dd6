#ifndef SERVICES_STORE_ACCESS_H
#define SERVICES_STORE_ACCESS_H

#include "services/store/acl.h"

/*
 * Whose mailboxes a call is about, and what its caller may do with them. In an own account
 * everything is allowed, and nothing is looked up.
 *
 * A right that is missing is ERR_FORBIDDEN; who may not even know that there is such a mailbox gets
 * the ERR_NOT_FOUND of one that does not exist (RFC 4314 6).
 */

struct access {
    struct account *account; /* of the owner */
    uint64_t caller_id;
    bool is_own;
};

/* `owner`: account id; 0 is the caller. To be closed in any case. */
bool access_open(struct store *store, struct str token, uint64_t owner, struct access *ret,
                 struct err *err) MUST_USE;
void access_close(struct access *a);

/* Which mailbox: by id, or by name in any form. */
struct access_place {
    uint64_t mailbox_id;
    struct str name;
};

/* As mailbox_name_check. Of others a name that none can have is one that none has: what is wrong
 * with it would tell that there is such an account. */
bool access_name(const struct access *a, struct str name, struct arena *arena, struct str *ret,
                 struct err *err) MUST_USE;

/* What was found. A change by name is given the id too: it fails when the name has become that of
 * another mailbox meanwhile. */
struct granted {
    uint32_t rights;
    uint64_t mailbox_id; /* 0: an own account, of which nothing is asked */
};

/* The caller's rights: 0 to a mailbox that does not exist, unless it is an own account. */
bool access_rights(const struct access *a, struct access_place place, struct arena *arena,
                   struct granted *ret, struct err *err) MUST_USE;
/* The same; fails without all of `needed`. */
bool access_need(const struct access *a, struct access_place place, uint32_t needed,
                 struct arena *arena, struct granted *ret, struct err *err) MUST_USE;
/* Fails without any of `some`, or without RIGHT_LOOKUP. */
bool access_need_any(const struct access *a, struct access_place place, uint32_t some,
                     struct arena *arena, struct granted *ret, struct err *err) MUST_USE;
/* May a mailbox be made with this name? RIGHT_CREATE to the nearest one above it that there is,
 * which is the one found. Without such a one the answer is that for one who may not know of it. */
bool access_need_parent(const struct access *a, struct str name, struct arena *arena,
                        struct granted *ret, struct err *err) MUST_USE;
/* For what nobody but the owner does. */
bool access_need_own(const struct access *a, struct err *err) MUST_USE;

/* The flags (enum message_flag) that these rights let one set or take away. */
uint32_t access_flags(uint32_t rights);

/* Ids of messages that are not in the mailbox become 0, in a copy in arena: a reader of one mailbox
 * reads no other. */
bool access_hide(const struct access *a, struct db *db, uint64_t mailbox_id, const uint64_t *ids,
                 size_t count, struct arena *arena, const uint64_t **ret, struct err *err) MUST_USE;

#endif
