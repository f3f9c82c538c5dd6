#ifndef SERVICES_QUEUE_DELIVERER_BACKEND_H
#define SERVICES_QUEUE_DELIVERER_BACKEND_H

#include "common/service/service.h"
#include "services/queue-deliverer/job.h"

/*
 * Every call that the deliverer makes, as plain functions: doors `queue` and `delivery` of store,
 * door `dns` of dns-resolver. Thread-safe.
 */

struct backend {
    struct rpc_client *queue;
    struct rpc_client *delivery;
    struct rpc_client *dns;
    char deliverer[128]; /* our unique name */
};

bool backend_open(struct backend *b, struct service *service, struct err *err) MUST_USE;
/* Harmless on a zeroed struct. */
void backend_close(struct backend *b);
/* False with the reason when a door has no connection. */
bool backend_is_ready(const struct backend *b, struct err *err) MUST_USE;
/* Whether a lease can be asked for without waiting for the door. */
bool backend_has_queue(const struct backend *b);

/* ---- The queue */

struct backend_lease {
    struct list_link jobs;  /* by `link` */
    uint64_t number;        /* for backend_confirm; 0 without jobs */
    bool more;              /* due messages stayed behind */
    int64_t next_due_in_ms; /* from now; -1: not known */
};

bool backend_lease(struct backend *b, unsigned max_messages, unsigned max_domains,
                   unsigned lease_ms, struct backend_lease *ret, struct err *err) MUST_USE;
/* That the lease came; before any of its jobs begins. */
bool backend_confirm(struct backend *b, uint64_t lease, struct err *err) MUST_USE;
/* For jobs on a list by `link`. Jobs of which a lease was lost become `lost`. */
bool backend_finish(struct backend *b, struct list_link *jobs, struct err *err) MUST_USE;

struct backend_hold {
    uint64_t queue_id;
    uint64_t lease;
    bool lost;
};
bool backend_extend(struct backend *b, struct backend_hold *holds, size_t count, unsigned lease_ms,
                    struct err *err) MUST_USE;

/* ---- Local delivery */

/* As enum AddressClass of proto/delivery.proto, in its order. */
enum local_class {
    LOCAL_NOT_OURS,
    LOCAL_UNKNOWN,
    LOCAL_ACCOUNT,
    LOCAL_DOMAIN_DISABLED,
    LOCAL_REFUSED,
};

struct local_address {
    enum local_class class;
    uint64_t account_id;
    struct str mailbox;
    unsigned error_code;
    struct str error_text;
};

bool backend_resolve(struct backend *b, uint64_t cid, struct address address, struct arena *arena,
                     struct local_address *ret, struct err *err) MUST_USE;

struct local_recipient {
    uint64_t account_id;
    struct str mailbox;
    struct address address;
    struct str prefix;
    struct verdict verdict; /* of the delivery: set when backend_deliver returns true */
    bool account_gone;
};

struct local_delivery {
    uint64_t cid;
    unsigned char key[16];
    struct str spool_name; /* empty: the text is `content` */
    struct str content;
    uint64_t file_size;
    struct str structure;
    struct address mail_from;
    struct str hello;
    bool smtputf8;
    bool is_dsn;
    struct local_recipient *recipients;
    size_t recipient_count;
};

bool backend_deliver(struct backend *b, const struct local_delivery *delivery,
                     struct err *err) MUST_USE;

/* ---- DNS: a status is a result, that nobody answers too. */

enum dns_answer {
    DNS_FOUND,
    DNS_NO_RECORD,
    DNS_NO_NAME, /* the name does not exist */
    DNS_FAILED,  /* for now, or forged: `detail` says what */
    DNS_AWAY,    /* our resolver did not answer: so with `detail` */
};

struct dns_mx {
    unsigned preference;
    struct str host; /* without the final dot; empty for the null MX */
};

enum dns_answer backend_lookup_mx(struct backend *b, uint64_t cid, struct str domain,
                                  struct arena *arena, struct dns_mx **ret, size_t *ret_count,
                                  struct str *ret_detail);
/* IPv4 and IPv6 addresses as text. */
enum dns_answer backend_lookup_ips(struct backend *b, uint64_t cid, struct str host,
                                   struct arena *arena, struct str **ret, size_t *ret_count,
                                   struct str *ret_detail);

#endif
