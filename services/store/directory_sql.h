#ifndef SERVICES_STORE_DIRECTORY_SQL_H
#define SERVICES_STORE_DIRECTORY_SQL_H

#include "common/base/array.h"
#include "common/db/db.h"
#include "services/store/directory.h"

/*
 * directory.db: all its SQL, and rows as structs. No rules live here; they are in
 * directory_admin.c. The caller sees to it that one thread at a time uses the database.
 */

struct domain_row {
    uint64_t id;
    struct str name; /* A-label form */
    struct str description;
    bool disabled;
    bool case_sensitive;
    const struct str *separators;
    size_t separator_count;
    bool accept_any;
    uint64_t any_account_id; /* 0: none */
};

struct address_row {
    uint64_t id;
    uint64_t domain_id;
    struct str localpart; /* as it was given; empty: the catch-all */
    struct str canonical; /* by the domain's rules: what lookups compare */
    uint64_t account_id;
    struct str mailbox;
    unsigned error_code;
    struct str error_text;
};

/* What is stored instead of a password. Absent parts are STR_NULL. */
struct credential_row {
    uint64_t account_id;
    uint64_t version;
    struct str hash;                     /* password.h */
    struct str cram_md5;                 /* bytes of struct cram_md5_secret */
    struct str scram_sha1, scram_sha256; /* scram_secret_write */
};

/* The public key of a TLS client certificate. */
struct tls_key_row {
    uint64_t id; /* never used for another key, also after removal */
    uint64_t account_id;
    struct str fingerprint; /* bytes, TLS_FINGERPRINT_SIZE */
    struct str algorithm;
    struct str name;
    struct str login; /* canonical address */
    bool no_imap_preauth;
    int64_t created_ms;
};

struct share_row {
    uint64_t reader_id; /* 0: anyone */
    uint64_t owner_id;
};

struct directory_rows {
    ARRAY_OF(struct domain_row) domains;
    ARRAY_OF(struct address_row) addresses;
    ARRAY_OF(struct directory_account) accounts; /* by id */
    ARRAY_OF(struct tls_key_row) tls_keys;       /* by account and id */
    ARRAY_OF(struct share_row) shares;           /* by reader and owner */
};

struct db *directory_sql_open(const char *path, struct err *err);

/* Everything but credentials; strings in arena. Release with directory_rows_release. */
bool directory_sql_load(struct db *db, struct arena *arena, struct directory_rows *ret,
                        struct err *err) MUST_USE;
void directory_rows_release(struct directory_rows *rows);

bool directory_sql_version(struct db *db, uint64_t *ret, struct err *err) MUST_USE;
/* ERR_NOT_FOUND when the account has no password. Strings in arena. */
bool directory_sql_find_credential(struct db *db, uint64_t account_id, struct arena *arena,
                                   struct credential_row *ret, struct err *err) MUST_USE;
/* The largest id that an account ever had; 0: none yet. */
bool directory_sql_last_account_id(struct db *db, uint64_t *ret, struct err *err) MUST_USE;
/* Ids of accounts that were removed and whose mail is still to be erased; at most `max`. */
bool directory_sql_removed(struct db *db, uint64_t *ids, size_t max, size_t *ret_count,
                           struct err *err) MUST_USE;

/* Changes, inside a transaction. ERR_CONFLICT: a name or address exists twice. */

bool directory_sql_next_version(struct db *db, uint64_t *ret, struct err *err) MUST_USE;
bool directory_sql_add_domain(struct db *db, const struct domain_row *row,
                              struct err *err) MUST_USE;
bool directory_sql_set_domain(struct db *db, const struct domain_row *row,
                              struct err *err) MUST_USE;
bool directory_sql_remove_domain(struct db *db, uint64_t id, struct err *err) MUST_USE;
bool directory_sql_add_account(struct db *db, const struct directory_account *account,
                               uint64_t *ret_id, struct err *err) MUST_USE;
/* Gives no id up to `last` to a new account. */
bool directory_sql_keep_account_ids(struct db *db, uint64_t last, struct err *err) MUST_USE;
/* All but its name, credential and id, which says which account it is. */
bool directory_sql_set_account(struct db *db, const struct directory_account *account,
                               struct err *err) MUST_USE;
/* Also removes its addresses, credential and what it shares, and remembers that its mail is to be
 * erased. */
bool directory_sql_remove_account(struct db *db, uint64_t id, struct err *err) MUST_USE;
bool directory_sql_set_share(struct db *db, struct share_row share, bool is_there,
                             struct err *err) MUST_USE;
/* Its mail is erased, and so are the rights that others gave it. */
bool directory_sql_forget_removed(struct db *db, uint64_t id, struct err *err) MUST_USE;
bool directory_sql_add_address(struct db *db, const struct address_row *row,
                               struct err *err) MUST_USE;
bool directory_sql_set_canonical(struct db *db, uint64_t address_id, struct str canonical,
                                 struct err *err) MUST_USE;
bool directory_sql_remove_address(struct db *db, uint64_t id, struct err *err) MUST_USE;
bool directory_sql_set_credential(struct db *db, const struct credential_row *row,
                                  struct err *err) MUST_USE;
bool directory_sql_add_tls_key(struct db *db, const struct tls_key_row *row,
                               struct err *err) MUST_USE;
/* Name, login and no_imap_preauth. */
bool directory_sql_set_tls_key(struct db *db, const struct tls_key_row *row,
                               struct err *err) MUST_USE;
bool directory_sql_remove_tls_key(struct db *db, uint64_t id, struct err *err) MUST_USE;

#endif
