#ifndef SERVICES_MAILRAIL_BACKEND_H
#define SERVICES_MAILRAIL_BACKEND_H

#include "common/service/settings.h"

/*
 * Every RPC that the command makes, as plain functions. Doors: `directory`, `queueadmin` and
 * `maintenance` of store (proto/directory.proto), `dns` of dns-resolver (proto/dns.proto).
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
};

struct account_list {
    struct account_entry *items;
    size_t len;
};

/* `password` may be empty: nobody can log in yet. */
bool backend_account_add(struct backend *b, const struct account_entry *account, struct str address,
                         struct str password, struct err *err);
bool backend_account_remove(struct backend *b, struct str name, struct err *err);
bool backend_account_list(struct backend *b, struct account_list *ret, struct err *err);
bool backend_password_set(struct backend *b, struct str account, struct str password,
                          struct err *err);

/* ---- Addresses */

struct address_entry {
    struct str address;
    struct str account;
    struct str mailbox;
    uint64_t error_code; /* 0: delivered */
    struct str error_text;
};

struct address_entry_list {
    struct address_entry *items;
    size_t len;
};

bool backend_address_add(struct backend *b, const struct address_entry *address, struct err *err);
bool backend_address_remove(struct backend *b, struct str address, struct err *err);
bool backend_address_list(struct backend *b, struct str account, struct str domain,
                          struct address_entry_list *ret, struct err *err);

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

/* ---- The consistency check */

struct verify_step {
    struct str checked;
    struct str_list findings;
    struct str next; /* empty: done */
};

bool backend_verify(struct backend *b, struct str account, struct str after,
                    struct verify_step *ret, struct err *err);

/* ---- DNS (backend_dns.c) */

struct dns_answer {
    struct str status; /* "ok", "not found", ... */
    struct str detail;
    bool authentic;
    struct str canonical_name;
    uint64_t ttl_s;
    struct str_list records; /* as text: "10 mx.example.org." */
};

/* `type` as "MX", any case; ERR_SYNTAX for an unknown one. */
bool backend_dns_lookup(struct backend *b, struct str type, struct str name, struct dns_answer *ret,
                        struct err *err);

#endif
