#ifndef SERVICES_STORE_STORE_FLAGS_H
#define SERVICES_STORE_STORE_FLAGS_H

#include "services/store/entry.h"
#include "services/store/flags.h"
#include "services/store/uids.h"

/*
 * STORE: setting flags and keywords of many messages (spec 20 2.24). What is unchanged by it keeps
 * its modseq.
 */

/* As StoreMode of proto/mailboxes.proto. */
enum store_mode { STORE_REPLACE, STORE_ADD, STORE_REMOVE };

struct store_flags {
    /* Arguments. */
    uint64_t mailbox_id;
    struct uids uids; /* ascending; those that are gone are skipped */
    enum store_mode mode;
    uint32_t flags;
    struct keywords keywords;
    uint32_t kept_flags; /* of STORE_REPLACE: flags that stay as they are, */
    bool keeps_keywords; /* and keywords */
    bool is_by_other;    /* not by the owner: keywords_resolve */
    bool has_unchanged_since;
    uint64_t unchanged_since;
    uint64_t since_modseq; /* what the caller knows of the mailbox; 0: nothing */
    /* Result. */
    struct uids modified; /* left alone because of unchanged_since (RFC 7162 3.1.3) */
    uint64_t modseq;      /* of the mailbox, after */
    /* Who knew the mailbox at since_modseq knows what its messages have now: those of `uids` got
     * `added` and lost `removed`, and nothing else changed. */
    bool is_derived;
    uint32_t added;
    uint32_t removed;
    struct mailbox mailbox; /* then: after the change */
};

/* ERR_NOT_FOUND: no such mailbox; ERR_LIMIT: too many keywords. */
bool store_flags(struct account *account, struct str key, struct store_flags *op,
                 struct arena *arena, struct err *err) MUST_USE;

#endif
