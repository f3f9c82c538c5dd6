#ifndef COMMON_AUTH_PASSWORD_H
#define COMMON_AUTH_PASSWORD_H

#include "common/base/arena.h"
#include "common/base/err.h"

/*
 * Passwords as text and as hash.
 *
 * A password is prepared once (password_prepare), and everything below and in scram.h and
 * cram_md5.h works on the prepared form. Prepared passwords are secrets: use an arena that is
 * wiped.
 *
 * The hash is yescrypt of libcrypt: memory-hard (16 MiB and some 20 ms for each), with salt and
 * cost inside its text. Whoever verifies for strangers bounds how many run at a time.
 */

#define PASSWORD_SIZE_MIN 8
#define PASSWORD_SIZE_MAX 511 /* libcrypt refuses more */
#define PASSWORD_HASH_SIZE 384

/* Prepares what somebody typed (RFC 8265 OpaqueString). In arena. ERR_SYNTAX: not a possible
 * password; ERR_LIMIT: longer than PASSWORD_SIZE_MAX. `reply` never holds the password. */
bool password_prepare(struct str typed, struct arena *arena, struct str *ret,
                      struct err *err) MUST_USE;
/* As password_prepare for a password that is about to be set: ERR_LIMIT too when it is shorter than
 * PASSWORD_SIZE_MIN. */
bool password_prepare_new(struct str typed, struct arena *arena, struct str *ret,
                          struct err *err) MUST_USE;

struct password_hash {
    char text[PASSWORD_HASH_SIZE];
};

/* Hashes with a fresh salt. Slow on purpose. */
bool password_hash(struct str prepared, struct password_hash *ret, struct err *err) MUST_USE;

/* Does the password have this hash? As slow as password_hash. ERR_CORRUPT when `hash` is none. */
bool password_verify(struct str prepared, const char *hash, bool *ret_matches,
                     struct err *err) MUST_USE;

/* A hash that no password has, as costly to verify as a real one: checked when there is no such
 * user, so that the answer takes as long. */
const char *password_hash_of_nobody(void);

#endif
