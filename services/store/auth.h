#ifndef SERVICES_STORE_AUTH_H
#define SERVICES_STORE_AUTH_H

#include "common/auth/sasl.h"
#include "services/store/directory.h"

/*
 * Logins: SASL exchanges (common/auth/sasl.h) judged with the directory's credentials.
 *
 * Checking a password costs some 20 ms and 16 MiB, so few run at a time, equal checks that come
 * together share one, and a password that was right is remembered, as a keyed hash, for 15 minutes
 * or until it is changed.
 */

struct auth;

bool auth_open(struct store *store, struct err *err) MUST_USE;
/* Accepts NULL. */
void auth_close(struct auth *auth);

/* One step of an exchange. */
struct auth_step {
    struct sasl_step sasl; /* without nonce, now_ms, hostname and users, which auth_step fills in */
    struct str protocol;   /* of the door: says what the session may do */
    struct str client_key; /* fingerprint of the key that TLS has proven; empty: none */
    int64_t deadline_ms;   /* monotonic */
};

struct auth_reply {
    enum sasl_outcome outcome;
    struct str challenge;
    struct str state; /* sealed */
    enum sasl_failure failure;
    bool counts; /* against the client's address */
    struct str text;
    struct str login;
    /* Of a success. */
    struct directory_account account;
    struct str token;
    int64_t expires_ms;
};

/* Strings of the reply are in arena. Errors: those of sasl_step; ERR_STATE for a state that is not
 * ours or too old; ERR_TIMEOUT when it takes too long until a password can be checked. */
bool auth_take_step(struct store *store, const struct auth_step *step, struct arena *arena,
                    struct auth_reply *ret, struct err *err) MUST_USE;

/* A fresh token for the session of a good one. ERR_DENIED: the account or its password is gone, or
 * login is barred now. */
bool auth_renew(struct store *store, struct str token, struct arena *arena, struct auth_reply *ret,
                struct err *err) MUST_USE;

/* Tells the doors (topic "login") that a login from this address failed and counts, or succeeded;
 * the latter only when there is something to forgive. */
void auth_publish_end(struct store *store, struct str remote_ip, bool succeeded);

/* How many passwords were hashed so far, for metrics and tests. */
uint64_t auth_hash_count(struct auth *auth);

#endif
