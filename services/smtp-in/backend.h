#ifndef SERVICES_SMTP_IN_BACKEND_H
#define SERVICES_SMTP_IN_BACKEND_H

#include "common/bus/call_key.h"
#include "common/mail/address.h"
#include "common/service/service.h"
#include "common/sys/session.h"

/*
 * Every call that this service makes to others, as plain functions: the doors `delivery` of store
 * and `dns` of dns-resolver. Tests link an implementation in memory instead.
 *
 * Failures are those of the bus: ERR_UNAVAILABLE and ERR_TIMEOUT while a peer is away. Results are
 * in arena.
 */

struct backend;

struct backend *backend_open(struct service *service, struct err *err);
void backend_close(struct backend *backend);
/* False with the name of the door that does not answer. */
bool backend_is_ready(struct backend *backend, struct err *err) MUST_USE;

/* Who is this? (spec 10 A10) */
enum backend_address_class {
    BACKEND_NOT_LOCAL,
    BACKEND_UNKNOWN,
    BACKEND_ACCOUNT,
    BACKEND_DOMAIN_DISABLED,
    BACKEND_REFUSED,
};

struct backend_target {
    enum backend_address_class class;
    uint64_t account_id; /* of BACKEND_ACCOUNT */
    struct str mailbox;
    uint16_t error_code; /* of BACKEND_REFUSED: 421 or 550 */
    struct str error_text;
};

bool backend_resolve(struct backend *backend, uint64_t cid, struct address address,
                     struct arena *arena, struct backend_target *ret, struct err *err) MUST_USE;

/* Delivering. */

struct backend_recipient {
    const struct backend_target *target;
    struct address address; /* as in RCPT TO */
    struct str prefix;      /* trace headers of this copy */
};

struct backend_message {
    unsigned char key[CALL_KEY_SIZE]; /* repeated with the same key, nothing is doubled */
    struct str spool_name;            /* empty: the text is `content` */
    struct str content;
    uint64_t size;
    int64_t received_ms;
    struct str structure; /* encoded, common/mail/structure.h */
    const struct session_peer *peer;
    struct str tls_version; /* empty without TLS */
    struct str tls_cipher;
    struct str hello;
    struct address mail_from; /* both parts empty: the null path */
    struct address from;      /* of the header; both parts empty: none, or several */
    bool requiretls;
    bool smtputf8;
    const struct backend_recipient *recipients;
    size_t recipient_count;
};

/* `ret_errors[i]` says what became of recipient i: ERR_NONE, it is delivered and durable;
 * ERR_LIMIT, over quota. The result is false when nothing is known of any recipient. */
bool backend_deliver(struct backend *backend, uint64_t cid, const struct backend_message *message,
                     struct arena *arena, struct err *ret_errors, struct err *err) MUST_USE;

/* DNS. */
enum backend_dns_status {
    BACKEND_DNS_FOUND,
    BACKEND_DNS_NOT_FOUND, /* surely: no such name, or no such record */
    BACKEND_DNS_FAILED,    /* for now */
};

struct backend_mx_list {
    enum backend_dns_status status;
    const struct str *hosts; /* with final dot; a null MX (RFC 7505) is "." */
    size_t count;
};

/* `domain` without final dot. */
bool backend_lookup_mx(struct backend *backend, uint64_t cid, struct str domain,
                       struct arena *arena, struct backend_mx_list *ret, struct err *err) MUST_USE;
/* Has the name an A or AAAA record? With or without final dot. */
bool backend_lookup_ip(struct backend *backend, uint64_t cid, struct str name, struct arena *arena,
                       enum backend_dns_status *ret, struct err *err) MUST_USE;

#endif
