#ifndef SERVICES_SUBMISSION_BACKEND_H
#define SERVICES_SUBMISSION_BACKEND_H

#include "common/bus/call_key.h"
#include "common/mail/address.h"
#include "common/service/service.h"
#include "common/sys/session.h"

/*
 * Every call that this service makes to others, as plain functions: the doors `auth` and `submit`
 * of store. Tests link an implementation in memory instead.
 *
 * Failures are those of the bus: ERR_UNAVAILABLE and ERR_TIMEOUT while store is away. Results are
 * in arena.
 */

struct backend;

struct backend *backend_open(struct service *service, struct err *err);
void backend_close(struct backend *backend);
/* From now on it hears of changes to the directory, and `login_ended` (may be NULL) is called, from
 * another thread, for each login at any door that counts against an address or forgives it. */
bool backend_listen(struct backend *backend, struct service *service,
                    void (*login_ended)(void *user, const char *ip, bool succeeded), void *user,
                    struct err *err) MUST_USE;
/* After this, not any more. */
void backend_unlisten(struct backend *backend);
/* False with the name of the door that does not answer. */
bool backend_is_ready(struct backend *backend, struct err *err) MUST_USE;

/* Who is logged in. */
struct backend_login {
    uint64_t account_id;
    struct str token; /* goes into the calls below */
};

/* One step of a SASL exchange (proto/auth.proto). Secrets never come here: store judges. */
struct backend_channel_binding {
    struct str type; /* "tls-exporter" */
    struct str data;
};

struct backend_auth_step {
    struct str mechanism;
    struct str state;
    struct str response; /* STR_NULL: none */
    const struct session_peer *peer;
    struct str tls_version; /* empty without TLS */
    struct str tls_cipher;
    const struct backend_channel_binding *bindings;
    size_t binding_count;
    struct str client_key; /* fingerprint of what TLS has proven; empty: nothing */
};

enum backend_auth_outcome {
    BACKEND_AUTH_FAILURE,
    BACKEND_AUTH_CONTINUE,
    BACKEND_AUTH_SUCCESS,
};

/* The order is that of AuthFailure. */
enum backend_auth_failure {
    BACKEND_AUTH_CREDENTIALS,
    BACKEND_AUTH_AUTHORIZATION,
    BACKEND_AUTH_CHANNEL_BINDING,
    BACKEND_AUTH_PROTOCOL,
    BACKEND_AUTH_NO_SECRET,
    BACKEND_AUTH_DISABLED,
    BACKEND_AUTH_ENCODING,
};

struct backend_auth_result {
    enum backend_auth_outcome outcome;
    struct str challenge; /* STR_NULL: none */
    struct str state;
    enum backend_auth_failure failure;
    bool counts;
    struct str text;              /* for the client */
    struct str login;             /* the address tried, or that logged in */
    struct backend_login session; /* of a success */
};

bool backend_auth(struct backend *backend, uint64_t cid, const struct backend_auth_step *step,
                  struct arena *arena, struct backend_auth_result *ret, struct err *err) MUST_USE;

/* Whether the key of a TLS client logs somebody in. */
bool backend_find_key(struct backend *backend, uint64_t cid, struct str client_key,
                      struct arena *arena, bool *ret_known, struct err *err) MUST_USE;

/* May this login send as that address? (spec 10 B8) */
enum backend_sender {
    BACKEND_SENDER_FOREIGN,
    BACKEND_SENDER_ALLOWED,
    BACKEND_SENDER_DOMAIN_DISABLED,
};

bool backend_check_sender(struct backend *backend, uint64_t cid, const struct backend_login *login,
                          struct address address, struct arena *arena, enum backend_sender *ret,
                          struct err *err) MUST_USE;

/* What is this recipient? */
enum backend_recipient_class {
    BACKEND_RECIPIENT_REMOTE,
    BACKEND_RECIPIENT_LOCAL,
    BACKEND_RECIPIENT_UNKNOWN, /* our domain, nobody there */
    BACKEND_RECIPIENT_DOMAIN_DISABLED,
    BACKEND_RECIPIENT_REFUSED,
};

struct backend_recipient {
    enum backend_recipient_class class;
    uint16_t error_code; /* of BACKEND_RECIPIENT_REFUSED: 421 or 550 */
    struct str error_text;
};

bool backend_check_recipient(struct backend *backend, uint64_t cid, struct str token,
                             struct address address, struct arena *arena,
                             struct backend_recipient *ret, struct err *err) MUST_USE;

/* Puts the message into the queue: all recipients or none, durable when it returns. */

enum backend_tls_need {
    BACKEND_TLS_DEFAULT,
    BACKEND_TLS_REQUIRED,
    BACKEND_TLS_NOT_REQUIRED,
};

struct backend_message {
    struct str token;
    unsigned char key[CALL_KEY_SIZE];
    struct str spool_name; /* of the synced file; empty: the message is `content` */
    struct str content;
    uint64_t size;
    struct str prefix;
    struct address mail_from; /* both parts empty: the null path */
    const struct address *recipients;
    size_t recipient_count;
    bool has_8bit;
    bool smtputf8;
    enum backend_tls_need tls;
    struct str message_id; /* with brackets */
    struct str subject;
    int64_t hold_until_ms;     /* 0: now */
    struct str future_release; /* "for;60" */
    struct str structure;      /* encoded, common/mail/structure.h */
};

bool backend_enqueue(struct backend *backend, uint64_t cid, const struct backend_message *message,
                     struct arena *arena, struct err *err) MUST_USE;

#endif
