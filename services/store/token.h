#ifndef SERVICES_STORE_TOKEN_H
#define SERVICES_STORE_TOKEN_H

#include "services/store/store.h"

/*
 * Session tokens: what Auth hands out at login and every call on a mailbox carries.
 *
 * A token names an account, what may be done with it and until when, the password of that time and
 * the TLS key that it was given for, if it was one, sealed with HMAC-SHA256 and the store's key: it
 * needs no table and outlives a restart. Checking one costs microseconds.
 */

#define TOKEN_LIFETIME_MS (24 * 3600 * 1000LL)
#define TOKEN_LOGIN_MAX 320

enum token_rights {
    TOKEN_MAILBOXES = 1, /* calls on the door `mailboxes` */
    TOKEN_SUBMIT = 2,    /* calls on the door `submit` */
};

struct token_session {
    uint64_t account_id;
    uint64_t credential_version; /* of the account's password when it was made */
    uint64_t tls_key_id;         /* the key that logged in; 0: a password did */
    unsigned rights;
    int64_t expires_ms;          /* wall clock */
    char login[TOKEN_LOGIN_MAX]; /* the address that logged in */
};

/* Part of opening and closing the store, when its key is known. */
void token_open(struct store *store);
void token_close(struct store *store);

/* In arena; STR_NULL when that is full. */
struct str token_seal(const struct store *store, const struct token_session *session,
                      struct arena *arena);

/* ERR_DENIED when the token is not ours, has expired, lacks one of `rights`, or its account,
 * password or key is gone. */
bool token_check(struct store *store, struct str token, unsigned rights, struct token_session *ret,
                 struct err *err) MUST_USE;

#endif
