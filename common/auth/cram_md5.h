#ifndef COMMON_AUTH_CRAM_MD5_H
#define COMMON_AUTH_CRAM_MD5_H

#include "common/base/err.h"

/*
 * CRAM-MD5 (RFC 2195) without keeping the password: what is stored are the two states of MD5 after
 * the inner and the outer key block of HMAC (RFC 2104 2).
 */

#define CRAM_MD5_SECRET_SIZE 32
#define CRAM_MD5_HEX_SIZE 32

struct cram_md5_secret {
    unsigned char bytes[CRAM_MD5_SECRET_SIZE]; /* inner state, outer state; little endian words */
};

/* From a prepared password. */
struct cram_md5_secret cram_md5_secret_make(struct str password);

/* The digest that a client with the password answers to `challenge`, in lower case hex. */
void cram_md5_digest(const struct cram_md5_secret *secret, struct str challenge,
                     char ret_hex[CRAM_MD5_HEX_SIZE + 1]);

struct cram_md5_response {
    struct str username;
    struct str digest; /* 32 hex digits, any case */
};

/* RFC 2195 2: response = username SP digest; the name may hold spaces itself. Borrows. */
bool cram_md5_parse(struct str response, struct cram_md5_response *ret, struct err *err) MUST_USE;

#endif
