#ifndef SERVICES_MAILRAIL_BACKEND_H
#define SERVICES_MAILRAIL_BACKEND_H

#include "common/service/settings.h"

/*
 * Every RPC that the command makes, as plain functions. Doors: `directory`, `queueadmin` and
 * `maintenance` of store (proto/directory.proto), `delivery` of store (proto/delivery.proto), `dns`
 * of dns-resolver (proto/dns.proto).
 *
 * `transfer` has a file of its own (backend_transfer.h), because its calls share a connection.
 *
 * Results are in the backend's arena. ERR_UNAVAILABLE when the service does not run.
 */

struct backend {
    const struct settings *settings;
    struct arena *arena;
};

/* ---- Domains (backend_directory.c) */

struct domain_entry {
    struct str name;
    struct str description;
    bool disabled;
    bool case_sensitive;
    struct str_list separators;
    bool accept_any;
    struct str any_account;
};

struct domain_list {
    struct domain_entry *items;
    size_t len;
};

bool backend_domain_add(struct backend *b, const struct domain_entry *domain, struct err *err);
bool backend_domain_set(struct backend *b, const struct domain_entry *domain, struct err *err);
bool backend_domain_remove(struct backend *b, struct str name, struct err *err);
bool backend_domain_list(struct backend *b, struct domain_list *ret, struct err *err);

/* ---- Accounts and passwords */

struct account_entry {
    uint64_t id;
    struct str name;
    struct str description;
    struct str login_disabled; /* why; empty: it is not */
    int64_t quota_bytes;
    uint64_t used_bytes;
    uint64_t outgoing_per_day;       /* 0: the default */
    uint64_t new_recipients_per_day; /* 0: the default */
    struct str_list capabilities_disabled;
    bool no_cram_md5;
};

struct account_list {
    struct account_entry *items;
    size_t len;
};

/* `password` may be empty: nobody can log in yet. */
bool backend_account_add(struct backend *b, const struct account_entry *account, struct str address,
                         struct str password, struct err *err);
/* ERR_NOT_FOUND when there is no such account. */
bool backend_account_get(struct backend *b, struct str name, struct account_entry *ret,
                         struct err *err);
bool backend_account_set(struct backend *b, const struct account_entry *account, struct err *err);
bool backend_account_remove(struct backend *b, struct str name, struct err *err);
bool backend_account_list(struct backend *b, struct account_list *ret, struct err *err);
bool backend_password_set(struct backend *b, struct str account, struct str password,
                          struct err *err);

/* ---- Keys of TLS clients */

struct tls_key_entry {
    struct str fingerprint;
    struct str account;
    struct str name;
    struct str algorithm;
    struct str login;
    bool no_imap_preauth;
    int64_t created_ms;
};

struct tls_key_list {
    struct tls_key_entry *items;
    size_t len;
};

/* `pem` holds the certificate. `*ret` is the key as it is kept now. */
bool backend_tls_key_add(struct backend *b, const struct tls_key_entry *key, struct str pem,
                         struct tls_key_entry *ret, struct err *err);
bool backend_tls_key_set(struct backend *b, const struct tls_key_entry *key, struct err *err);
bool backend_tls_key_remove(struct backend *b, struct str fingerprint, struct err *err);
/* Of all accounts when `account` is empty. */
bool backend_tls_key_list(struct backend *b, struct str account, struct tls_key_list *ret,
                          struct err *err);

/* ---- Addresses */

struct directory_address {
    struct str address;
    struct str account;
    struct str mailbox;
    uint64_t error_code; /* 0: delivered */
    struct str error_text;
};

struct directory_address_list {
    struct directory_address *items;
    size_t len;
};

bool backend_address_add(struct backend *b, const struct directory_address *address,
                         struct err *err);
bool backend_address_remove(struct backend *b, struct str address, struct err *err);
bool backend_address_list(struct backend *b, struct str account, struct str domain,
                          struct directory_address_list *ret, struct err *err);

/* ---- The queue (backend_queue.c) */

struct queue_filter {
    uint64_t *ids;
    size_t id_count;
    bool all; /* those that match the rest, instead of ids */
    struct str account;
    struct str sender_contains;
    struct str recipient_contains;
};

struct queued_entry {
    uint64_t id;
    struct str account;
    struct str sender;
    struct str recipient;
    uint64_t attempts;
    uint64_t max_attempts;
    int64_t next_attempt_ms;
    bool held;
    bool leased;
    uint64_t size;
    struct str subject;
    struct str last_error;
};

struct queued_list {
    struct queued_entry *items;
    size_t len;
    uint64_t total;
};

enum queue_change { QUEUE_KICK, QUEUE_HOLD, QUEUE_RELEASE, QUEUE_DROP };

bool backend_queue_list(struct backend *b, const struct queue_filter *filter,
                        struct queued_list *ret, struct err *err);
bool backend_queue_change(struct backend *b, const struct queue_filter *filter,
                          enum queue_change change, uint64_t *ret_changed, struct err *err);

/* ---- The consistency check (backend_maintenance.c) */

struct verify_order {
    struct str account; /* empty: all */
    bool fix;
    bool no_sizes;
};

struct verify_step {
    struct str checked;
    struct str_list findings;
    struct str_list warnings;
    struct str_list moved;
    struct str next; /* empty: done */
};

bool backend_verify(struct backend *b, const struct verify_order *order, struct str after,
                    struct verify_step *ret, struct err *err);

/* ---- Repairs and backups: one at a time, in store */

enum job_order_kind {
    ORDER_RECALCULATE,
    ORDER_FIX_SIZES,
    ORDER_REPARSE,
    ORDER_REASSIGN_THREADS,
    ORDER_BUMP_UIDVALIDITY,
    ORDER_REASSIGN_UIDS,
    ORDER_FIX_UIDS,
    ORDER_REMOVE_LOST,
    ORDER_BACKUP,
};

struct job_order {
    enum job_order_kind kind;
    struct str account; /* empty: all */
    struct str mailbox;
    struct str destination; /* of a backup */
};

struct job_news {
    uint64_t id;
    struct str doing;
    uint64_t done; /* messages */
    uint64_t all;
    struct str_list lines; /* from the asked one on */
    uint64_t errors;
    bool is_ended;
    struct str failure; /* empty: none */
};

/* ERR_STATE while another one is under way. */
bool backend_job_start(struct backend *b, const struct job_order *order, struct job_news *ret,
                       struct err *err);
bool backend_job_watch(struct backend *b, uint64_t id, uint64_t line, struct job_news *ret,
                       struct err *err);
bool backend_job_stop(struct backend *b, uint64_t id, uint64_t line, struct job_news *ret,
                      struct err *err);

/* ---- The text index of an account */

enum text_index_action {
    TEXT_INDEX_STATUS,
    TEXT_INDEX_ON,
    TEXT_INDEX_OFF,
    TEXT_INDEX_REBUILD,
};

struct text_index_state {
    bool on;
    uint64_t indexed;
    uint64_t unfit;
    uint64_t messages;
    uint64_t bytes;
};

bool backend_text_index(struct backend *b, struct str account, enum text_index_action action,
                        struct text_index_state *ret, struct err *err);

/* ---- The junk rules of an account */

struct junk_rules_entry {
    bool on;
    struct str junk; /* regular expressions; empty: none */
    struct str neutral;
    struct str not_junk;
    struct str problem; /* why none is followed; empty: they are */
};

bool backend_junk_rules_get(struct backend *b, struct str account, struct junk_rules_entry *ret,
                            struct err *err);
bool backend_junk_rules_set(struct backend *b, struct str account,
                            const struct junk_rules_entry *rules, struct err *err);

/* ---- DNS (backend_dns.c) */

struct dns_answer {
    struct str status; /* "ok", "not found", ... */
    struct str detail;
    bool authentic;
    struct str canonical_name;
    uint64_t ttl_s;
    struct str_list records; /* as text: "10 mx.example.org." */
};

/* `type` as "MX", any case, is one that can be looked up. */
bool backend_dns_has_type(struct str type);
bool backend_dns_lookup(struct backend *b, struct str type, struct str name, struct dns_answer *ret,
                        struct err *err);

/* ---- Delivery (backend_delivery.c) */

struct delivery_target {
    uint64_t account_id;
    struct str account;
    struct str mailbox;
};

/* Addresses are decoded, domains in A-label form; both parts of a sender empty: none. */
struct delivery_message {
    struct str key; /* 16 bytes: a repeated delivery is none */
    struct str sender_localpart, sender_domain;
    struct str recipient_localpart, recipient_domain;
    struct str from_localpart, from_domain; /* of the From field, when it has one address */
    bool smtputf8;
    struct str prefix;     /* trace headers */
    struct str structure;  /* encoded, of the text alone */
    struct str spool_name; /* of the text; empty: it is `content` */
    struct str content;
    uint64_t size;
};

/* Where an address leads. ERR_NOT_FOUND, ERR_STATE: it is none of ours, or takes no mail; the
 * detail says which. */
bool backend_resolve(struct backend *b, struct str localpart, struct str domain,
                     struct delivery_target *ret, struct err *err);
/* On disk when it returns. */
bool backend_deliver(struct backend *b, const struct delivery_message *message,
                     const struct delivery_target *to, uint32_t *ret_uid, struct err *err);

#endif
