#ifndef COMMON_AUTH_SCRAM_H
#define COMMON_AUTH_SCRAM_H

#include "common/auth/hmac.h"
#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"

/*
 * SCRAM (RFC 5802, RFC 7677) as a server sees it: secrets, messages, and the arithmetic. The order
 * of the steps is in sasl_scram.c.
 */

#define SCRAM_SALT_MAX 64
#define SCRAM_SALT_SIZE 12 /* of secrets made here */
#define SCRAM_ITERATIONS_MAX 1000000
#define SCRAM_MESSAGE_MAX 2048
#define SCRAM_CLIENT_NONCE_MIN 8
#define SCRAM_NONCE_MAX 256

/* ---- Secrets: what is stored instead of the password */

struct scram_secret {
    enum digest_type type;
    unsigned iterations;
    unsigned char salt[SCRAM_SALT_MAX];
    size_t salt_len;
    struct digest stored_key;
    struct digest server_key;
};

/* How many iterations new secrets get: 8192 for SHA-1, 4096 for SHA-256 (RFC 7677 4). */
unsigned scram_iterations(enum digest_type type);

/* From a prepared password (password.h). `salt` is random, at most SCRAM_SALT_MAX bytes. */
struct scram_secret scram_secret_make(enum digest_type type, struct str password, struct str salt,
                                      unsigned iterations);
/* A secret for a user who has none: always the same for one `username`, with a salt that nobody
 * without `key` can tell from a real one, and keys that no password has. */
struct scram_secret scram_secret_fake(enum digest_type type, struct str key, struct str username);

/* As text, in the form of RFC 5803 2: "SCRAM-SHA-1$iterations:salt$StoredKey:ServerKey". */
bool scram_secret_write(const struct scram_secret *secret, struct buf *out);
bool scram_secret_parse(struct str text, struct scram_secret *ret, struct err *err) MUST_USE;

/* ---- Messages */

enum scram_binding_flag {
    SCRAM_BINDING_NONE,    /* "n": the client cannot bind */
    SCRAM_BINDING_UNKNOWN, /* "y": it can, and believes that the server cannot */
    SCRAM_BINDING_USED,    /* "p=name" */
};

struct scram_client_first {
    enum scram_binding_flag flag;
    struct str binding_type; /* of SCRAM_BINDING_USED */
    struct str authzid;      /* decoded; STR_NULL when absent */
    struct str username;     /* decoded; any bytes but NUL */
    struct str nonce;
    struct str gs2_header; /* with both commas */
    struct str bare;
    const char *refusal; /* why it is not accepted though it is well-formed; NULL: it is */
};

/* client-first-message. Strings borrow from `message` or are in arena. Mandatory extensions and
 * a short nonce are a refusal, other extensions are skipped. */
bool scram_parse_client_first(struct str message, struct arena *arena,
                              struct scram_client_first *ret, struct err *err) MUST_USE;

struct scram_client_final {
    struct str binding; /* decoded: gs2-header, and channel binding data behind it */
    struct str nonce;
    struct str proof; /* decoded */
    struct str without_proof;
};

bool scram_parse_client_final(struct str message, struct arena *arena,
                              struct scram_client_final *ret, struct err *err) MUST_USE;

/* server-first-message. Both nonces are printable without commas. */
bool scram_write_server_first(struct buf *out, struct str client_nonce, struct str server_nonce,
                              const struct scram_secret *secret);
/* server-final-message of a success. */
bool scram_write_server_final(struct buf *out, const struct scram_secret *secret,
                              struct str auth_message);

/* ---- Arithmetic */

/* RFC 5802 3: AuthMessage := client-first-message-bare + "," + server-first-message + "," +
 * client-final-message-without-proof. */
bool scram_write_auth_message(struct buf *out, struct str client_first_bare,
                              struct str server_first, struct str client_final_without_proof);
/* True when the proof shows that the client knows the password. */
bool scram_proof_is_right(const struct scram_secret *secret, struct str auth_message,
                          struct str proof);

#endif
