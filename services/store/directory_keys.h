#ifndef SERVICES_STORE_DIRECTORY_KEYS_H
#define SERVICES_STORE_DIRECTORY_KEYS_H

#include "services/store/directory_sql.h"

/*
 * Public keys of TLS client certificates in the directory: who holds one is the account that it is
 * registered for (spec 40 C-05, docs/decisions/0030-client-certificates.md).
 */

/* ---- Looking up, from memory */

struct directory_tls_key {
    bool is_found;
    uint64_t id;
    struct directory_account account; /* when it is found */
    struct str login;                 /* canonical address */
    bool no_imap_preauth;
};

/* Whose key is this? `fingerprint` is in bytes. A key whose login address has left its account is
 * nobody's. Strings of the result are in arena. */
bool directory_find_tls_key(struct store *store, struct str fingerprint, struct arena *arena,
                            struct directory_tls_key *ret, struct err *err) MUST_USE;

/* Whether the key is, still, one of the account. */
bool directory_has_tls_key(struct store *store, uint64_t account_id, uint64_t key_id, bool *ret,
                           struct err *err) MUST_USE;

/* ---- Changing, each call a durable change (directory_admin.h) */

struct tls_key_settings {
    struct str account; /* of a new key */
    struct str name;    /* empty: the certificate's CommonName, or else its serial number */
    struct str login;   /* empty: the account's first address that is not a catch-all */
    bool no_imap_preauth;
};

/* Of the key in a certificate: PEM, this one block. Strings of the new row are in arena, or
 * those of `settings`. ERR_CONFLICT: it is registered, for whomever. */
bool directory_add_tls_key(struct store *store, const struct tls_key_settings *settings,
                           struct str pem, struct arena *arena, struct tls_key_row *ret,
                           struct err *err) MUST_USE;
/* Replaces name, login and no_imap_preauth, none of them empty, of the key with that fingerprint as
 * text. Its sessions go on. */
bool directory_set_tls_key(struct store *store, struct str fingerprint,
                           const struct tls_key_settings *settings, struct err *err) MUST_USE;
/* Ends its sessions. */
bool directory_remove_tls_key(struct store *store, struct str fingerprint,
                              struct err *err) MUST_USE;

/* URL base64 without padding, in arena. */
struct str tls_fingerprint_text(struct str fingerprint, struct arena *arena);

#endif
