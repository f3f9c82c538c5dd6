#ifndef COMMON_AUTH_SASL_H
#define COMMON_AUTH_SASL_H

#include "common/auth/cram_md5.h"
#include "common/auth/scram.h"

/*
 * SASL exchanges (RFC 4422) as a server: EXTERNAL, SCRAM-SHA-256(-PLUS), SCRAM-SHA-1(-PLUS),
 * CRAM-MD5, PLAIN and LOGIN.
 *
 * An exchange is a number of sasl_step calls. What must be remembered between them is a string, so
 * that another process can take the next step; whoever keeps it must keep it from being changed.
 * Users are asked for through callbacks; nothing here waits, stores or logs.
 *
 *     struct sasl_step step = {.mechanism = STR("PLAIN"), .response = line, .has_response = true,
 *                              .users = &users, ...};
 *     struct sasl_reply reply;
 *     if (!sasl_step(&step, arena, &reply, err)) ...          // bad syntax, or users cannot be
 * asked switch (reply.outcome) ...
 */

#define SASL_NONCE_SIZE 24

enum sasl_outcome {
    SASL_FAILURE,  /* see failure and text */
    SASL_CONTINUE, /* send the challenge, and call again with state and the client's response */
    SASL_SUCCESS,  /* login is who it is */
};

/* In the order of AuthFailure in proto/auth.proto. */
enum sasl_failure {
    SASL_CREDENTIALS,     /* wrong user or password, or key */
    SASL_AUTHORIZATION,   /* authorisation identity is somebody else */
    SASL_CHANNEL_BINDING, /* somebody may be in the middle */
    SASL_PROTOCOL,        /* the exchange breaks the mechanism's rules */
    SASL_NO_SECRET,       /* nothing is stored for this mechanism */
    SASL_DISABLED,        /* never from here: for the caller, after success */
    SASL_ENCODING,        /* bytes that cannot be a user name or password */
};

enum sasl_user {
    SASL_USER_UNKNOWN,
    SASL_USER_NO_SECRET, /* known, but nothing is stored for this mechanism */
    SASL_USER_FOUND,
};

/* What the mechanisms ask about users. `login` is valid UTF-8 in NFC. Failures are those of the
 * database; that nobody has this name is no failure, and must take as long as if somebody had. */
struct sasl_users {
    /* `password` as the client sent it. ERR_SYNTAX: bytes that cannot be a password. */
    bool (*check_password)(void *user, struct str login, struct str password, bool *ret_right,
                           struct err *err);
    /* `*ret` is filled in each case: scram_secret_fake when there is no real one. */
    bool (*find_scram)(void *user, struct str login, enum digest_type type,
                       struct scram_secret *ret, enum sasl_user *ret_user, struct err *err);
    bool (*find_cram_md5)(void *user, struct str login, struct cram_md5_secret *ret,
                          enum sasl_user *ret_user, struct err *err);
    /* EXTERNAL: does the key that TLS has proven the client to hold let it act as `identity`, or
     * as somebody at all when that is empty? `*ret_login` is who that is; else it stays. */
    bool (*check_key)(void *user, struct str identity, struct str *ret_login, bool *ret_right,
                      struct err *err);
    void *user;
};

/* RFC 5056 channel binding that the connection has. */
struct sasl_binding {
    struct str type; /* "tls-exporter", "tls-unique", "tls-server-end-point" */
    struct str data;
};

struct sasl_step {
    struct str mechanism; /* upper case */
    struct str state;     /* of the last reply; empty at the first step */
    struct str response;  /* decoded */
    bool has_response;    /* false: the client sent no initial response, not even an empty one */
    const struct sasl_binding *bindings;
    size_t binding_count;
    struct str nonce; /* SASL_NONCE_SIZE fresh unpredictable characters out of A-Z a-z 0-9 - _ */
    int64_t now_ms;   /* wall clock */
    struct str hostname;
    const struct sasl_users *users;
};

struct sasl_reply {
    enum sasl_outcome outcome;
    struct str challenge; /* of SASL_CONTINUE */
    struct str state;
    enum sasl_failure failure; /* of SASL_FAILURE */
    const char *text;          /* of SASL_FAILURE: for the log and the client */
    struct str login;          /* who the client says it is; empty while it has not said */
};

/* Takes one step; strings of the reply are in arena. ERR_NOT_FOUND: unknown mechanism. ERR_SYNTAX,
 * ERR_LIMIT: the response does not follow the mechanism's grammar. Others: from the callbacks. */
bool sasl_step(const struct sasl_step *step, struct arena *arena, struct sasl_reply *ret,
               struct err *err) MUST_USE;

/* The mechanisms, best first: NULL past the end. */
const char *sasl_mechanism_name(size_t index);

#endif
