#ifndef SERVICES_STORE_DIRECTORY_H
#define SERVICES_STORE_DIRECTORY_H

#include "services/store/store.h"

/*
 * Who is who: domains, accounts, addresses, credentials. Data in directory.db; what every delivery
 * asks is answered from memory.
 */

struct directory;

/* Opens or creates directory.db and sets store->directory. */
bool directory_open(struct store *store, struct err *err) MUST_USE;
void directory_close(struct directory *directory);

/* As enum AddressClass of proto/delivery.proto, in its order. */
enum address_class {
    ADDRESS_NOT_LOCAL,
    ADDRESS_UNKNOWN,
    ADDRESS_ACCOUNT,
    ADDRESS_DOMAIN_DISABLED,
    ADDRESS_REFUSED,
};

struct resolved_address {
    enum address_class class;
    uint64_t account_id;
    struct str account;
    struct str mailbox;
    struct str canonical_localpart;
    unsigned error_code; /* 421 or 550 */
    struct str error_text;
};

/* What an address is here (spec 10 A10); strings in arena. */
bool directory_resolve(struct store *store, struct str localpart, struct str domain,
                       struct arena *arena, struct resolved_address *ret, struct err *err) MUST_USE;

/* The most bytes of messages that the account may hold, its own limit or the default; INT64_MAX
 * when there is none. ERR_NOT_FOUND: no such account. Asked at each delivery: answered from
 * memory. */
bool directory_account_quota(struct store *store, uint64_t account_id, uint64_t *ret_bytes,
                             struct err *err) MUST_USE;

/* The account with the smallest id above `after`; false when there is none. `ret_name` in arena. */
bool directory_account_next(struct store *store, uint64_t after, struct arena *arena,
                            uint64_t *ret_account_id, struct str *ret_name);

#endif
