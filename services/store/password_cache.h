#ifndef SERVICES_STORE_PASSWORD_CACHE_H
#define SERVICES_STORE_PASSWORD_CACHE_H

#include "common/base/err.h"

/*
 * Password checks, made bearable: each costs some 20 ms and 16 MiB, so
 *   - few run at a time, the others wait until their deadline,
 *   - equal checks that come together share one,
 *   - what was right is remembered for 15 minutes, under a key that holds the version of the
 *     credential, so that a new password makes it forgotten.
 * Passwords are kept as keyed hashes only, with a key made at start. Thread-safe.
 */

struct password_cache;

struct password_cache *password_cache_new(unsigned concurrency_max);
void password_cache_free(struct password_cache *cache);

struct password_question {
    uint64_t account_id; /* 0: nobody */
    uint64_t version;    /* of the credential */
    struct str password; /* prepared */
    /* Finds the hash to check against, when the answer is not remembered. */
    bool (*find_hash)(void *user, const char **ret_hash, struct err *err);
    void *user;
    int64_t deadline_ms; /* monotonic */
};

/* ERR_TIMEOUT: the deadline passed before it was this one's turn. */
bool password_cache_check(struct password_cache *cache, const struct password_question *question,
                          bool *ret_right, struct err *err) MUST_USE;

/* How many passwords were hashed so far. */
uint64_t password_cache_hash_count(struct password_cache *cache);

#endif
