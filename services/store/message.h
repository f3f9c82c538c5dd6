#ifndef SERVICES_STORE_MESSAGE_H
#define SERVICES_STORE_MESSAGE_H

#include "services/store/entry.h"
#include "services/store/flags.h"
#include "services/store/message_text.h"

/*
 * Adding a message to a mailbox (spec 20 1.10), for deliveries and APPEND alike.
 */

/* Where a message came from by SMTP; all empty for APPEND. */
struct origin {
    struct str remote_ip;
    struct str hello;
    struct str mail_from_localpart;
    struct str mail_from_domain;
    struct str rcpt_localpart;
    struct str rcpt_domain;
    struct str from_localpart;
    struct str from_domain;
    unsigned tls_version; /* 0 unknown, 1 none, 0x0304 TLS 1.3, ... */
    struct str tls_cipher;
    bool requiretls;
    uint64_t cid;
};

struct new_message {
    uint64_t id;   /* its file is in place, */
    bool is_named; /* and its directory needs no sync */
    struct message_text text;
    struct str prefix;
    struct str structure_bytes;
    /* The same decoded: message_decode. */
    const struct structure *structure;
    const struct origin *origin; /* NULL: not by SMTP */
    uint32_t flags;
    bool stays_unseen; /* in a muted thread too */
    bool keeps_flags;  /* junk_rules_apply has no say */
    struct keywords keywords;
    bool is_by_other; /* not by the owner: keywords_resolve */
    int64_t received_s;
    uint32_t zone;
};

#define MESSAGE_PREFIX_MAX (1u << 20)

/* Decodes n->structure_bytes, in arena, outside of the change. ERR_SYNTAX when the caller sent
 * none. */
bool message_decode(struct new_message *n, struct arena *arena, struct err *err) MUST_USE;

/* Adds it to `m`, which is not saved yet. ERR_LIMIT: over quota, or no UIDs left. */
bool message_add(struct change *c, struct mailbox *m, const struct new_message *n,
                 uint64_t quota_bytes, struct entry *ret, struct err *err) MUST_USE;

/* "TLSv1.3" as its number on the wire; 1 for none. */
unsigned message_tls_version(bool tls, struct str name);

#endif
