#ifndef SERVICES_STORE_DIRECTORY_H
#define SERVICES_STORE_DIRECTORY_H

#include "services/store/store.h"

/*
 * Who is who: domains, accounts, addresses, credentials, in directory.db.
 *
 * Lookups are answered from a snapshot in memory (microseconds, no SQL). A change is written to the
 * database, takes the next version number, is announced by DirectoryChanged, and makes the next
 * lookup build a new snapshot. All functions are thread-safe; strings in results are in the
 * caller's arena.
 *
 *     struct resolved_address to;
 *     if (!directory_resolve(store, STR("You+shop"), STR("example.org"), arena, &to, err)) ...
 *     if (to.class == ADDRESS_ACCOUNT) deliver(to.account_id, to.mailbox);
 */

struct directory;

/* Opens or creates directory.db and sets store->directory. */
bool directory_open(struct store *store, struct err *err) MUST_USE;
/* Accepts NULL. */
void directory_close(struct directory *directory);

/* ---- Addresses */

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
    uint64_t account_id; /* of ADDRESS_ACCOUNT and ADDRESS_REFUSED; else 0 */
    struct str account;
    struct str mailbox;             /* "Inbox" unless the address names another */
    struct str canonical_localpart; /* by the domain's rules for case and separators */
    unsigned error_code;            /* 421 or 550 */
    struct str error_text;
};

/* What an address is here (spec 10 A10). `localpart` is decoded, as the client wrote it; `domain`
 * is in A-label form and lower case, or empty for bare <postmaster>. An unknown address is a
 * result: this fails only when the database does. */
bool directory_resolve(struct store *store, struct str localpart, struct str domain,
                       struct arena *arena, struct resolved_address *ret, struct err *err) MUST_USE;

/* As enum SenderVerdict of proto/submit.proto, in its order. */
enum sender_verdict {
    SENDER_FOREIGN,
    SENDER_ALLOWED,
    SENDER_DOMAIN_DISABLED,
};

/* May the account send as this address (spec 10 B8)? Yes when the address is the account's, also
 * through separators and catch-all. */
bool directory_check_sender(struct store *store, uint64_t account_id, struct str localpart,
                            struct str domain, enum sender_verdict *ret, struct err *err) MUST_USE;

/* ---- Accounts */

/* The most bytes of messages that the account may hold, its own limit or the default; INT64_MAX
 * when there is none. ERR_NOT_FOUND: no such account. Asked at each delivery: answered from
 * memory. */
bool directory_account_quota(struct store *store, uint64_t account_id, uint64_t *ret_bytes,
                             struct err *err) MUST_USE;

/* The account with the smallest id above `after`; false when there is none. `ret_name` in arena. */
bool directory_account_next(struct store *store, uint64_t after, struct arena *arena,
                            uint64_t *ret_account_id, struct str *ret_name);

/* The largest id that an account ever had; 0: none yet. */
bool directory_last_account_id(struct store *store, uint64_t *ret, struct err *err) MUST_USE;

struct directory_account {
    uint64_t id; /* never used for another account, also after removal */
    struct str name;
    struct str description;
    struct str login_disabled;   /* why login is barred; empty: it is not */
    int64_t quota_bytes;         /* 0: the default; -1: none */
    uint32_t max_outgoing;       /* recipients a day; never 0: the default is filled in */
    uint32_t max_new_recipients; /* of these, first-time ones; likewise */
    const struct str *capabilities_disabled;
    size_t capability_count;
    bool no_cram_md5;
    uint64_t credential_version; /* another with each password; 0: there is none */
};

/* ERR_NOT_FOUND when there is no such account. From memory. */
bool directory_account(struct store *store, uint64_t account_id, struct arena *arena,
                       struct directory_account *ret, struct err *err) MUST_USE;

/* The id behind an account's name, as administrators give it. ERR_NOT_FOUND when there is none. */
bool directory_account_id(struct store *store, struct str name, uint64_t *ret_account_id,
                          struct err *err) MUST_USE;

/* Of what a client gives as user name. */
struct directory_login {
    bool is_found;
    struct directory_account account; /* when it is found */
    struct str address; /* canonical "local@domain"; also when nobody has it, as far as it goes */
};

/* Whose login is this (spec 20 1.19)? Any address of an account will do, catch-all and separators
 * included; an account's name, or the postmaster that belongs to nobody, will not. An unknown login
 * is a result, not a failure. */
bool directory_find_login(struct store *store, struct str login, struct arena *arena,
                          struct directory_login *ret, struct err *err) MUST_USE;

/* As directory_account, for the one number that each call of a session asks for. */
bool directory_credential_version(struct store *store, uint64_t account_id, uint64_t *ret_version,
                                  struct err *err) MUST_USE;

/* Removes the mail of accounts that have left the directory, as far as nobody uses it now: to be
 * called now and then. Failures are logged. */
void directory_erase_removed(struct store *store);

#endif
