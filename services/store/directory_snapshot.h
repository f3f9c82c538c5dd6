#ifndef SERVICES_STORE_DIRECTORY_SNAPSHOT_H
#define SERVICES_STORE_DIRECTORY_SNAPSHOT_H

#include "common/base/map.h"
#include "services/store/directory_sql.h"

/*
 * The directory in memory, as it was at one version: made once, then only read, by any number of
 * threads. Results point into it.
 */

struct snapshot {
    uint64_t version;
    struct directory_rows rows;
    /* Private. */
    struct arena arena;
    struct map domains;      /* name -> struct domain_row */
    struct map domain_by_id; /* id -> struct domain_row */
    struct map accounts;     /* id -> struct directory_account */
    struct map names;        /* name -> struct directory_account */
    struct map called;       /* account id -> struct address_row: what others call it by */
    struct map addresses;    /* domain id in 8 bytes, canonical local part -> struct address_row */
    struct map tls_keys;     /* fingerprint -> struct tls_key_row */
    struct map tls_key_by_id;
};

struct snapshot *snapshot_load(struct db *db, struct err *err);
/* Accepts NULL. */
void snapshot_free(struct snapshot *s);

/* NULL when there is none. */
const struct domain_row *snapshot_domain(const struct snapshot *s, struct str name);
const struct domain_row *snapshot_domain_by_id(const struct snapshot *s, uint64_t id);
const struct directory_account *snapshot_account(const struct snapshot *s, uint64_t id);
const struct directory_account *snapshot_account_by_name(const struct snapshot *s, struct str name);
/* The account's first address that can be a level of a mailbox name. */
const struct address_row *snapshot_called(const struct snapshot *s, uint64_t account_id);
/* An empty `canonical` is the catch-all. */
const struct address_row *snapshot_address(const struct snapshot *s,
                                           const struct domain_row *domain, struct str canonical);

const struct tls_key_row *snapshot_tls_key(const struct snapshot *s, struct str fingerprint);
const struct tls_key_row *snapshot_tls_key_by_id(const struct snapshot *s, uint64_t id);

/* What the local part is at this domain: NFC, lower case unless the domain minds it, cut at each
 * separator. In arena; STR_NULL when it is no UTF-8 or the arena is full. */
struct str snapshot_canonical(const struct domain_row *domain, struct str localpart,
                              struct arena *arena);

#endif
