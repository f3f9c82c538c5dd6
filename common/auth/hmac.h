#ifndef COMMON_AUTH_HMAC_H
#define COMMON_AUTH_HMAC_H

#include "common/base/str.h"

/*
 * Keyed and plain digests, over strings. They cannot fail: the sizes are fixed, and libcrypto has
 * these algorithms or the program does not start.
 */

#define SHA1_SIZE 20
#define SHA256_SIZE 32
#define DIGEST_SIZE_MAX 32

struct digest {
    unsigned char bytes[DIGEST_SIZE_MAX];
    size_t len;
};

static inline struct str digest_str(const struct digest *digest)
{
    return str_make(digest->bytes, digest->len);
}

enum digest_type { DIGEST_SHA1, DIGEST_SHA256 };

size_t digest_size(enum digest_type type);
struct digest digest_of(enum digest_type type, struct str data);
/* RFC 2104. */
struct digest hmac(enum digest_type type, struct str key, struct str data);

/* A key made ready once, for many digests: each then costs a fifth. Thread-safe after hmac_key_new.
 */
struct hmac_key;

struct hmac_key *hmac_key_new(enum digest_type type, struct str key);
void hmac_key_free(struct hmac_key *key);
struct digest hmac_with(const struct hmac_key *key, struct str data);

/* RFC 8018 PBKDF2 with HMAC, one digest long: the Hi() of RFC 5802. `iterations` is at least 1. */
struct digest pbkdf2(enum digest_type type, struct str password, struct str salt,
                     unsigned iterations);

#endif
