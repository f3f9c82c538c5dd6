#ifndef SERVICES_STORE_CHANGES_H
#define SERVICES_STORE_CHANGES_H

#include "services/store/entry.h"

/*
 * What a view of a mailbox needs: everything, or what changed since a modseq, in columns
 * (proto/mailboxes.proto, Changes). The same code opens a mailbox, keeps it current, and tells a
 * caller what its own command changed.
 */

#define CHANGES_LIMIT 131072 /* messages in one reply */

struct changes {
    bool gone; /* the mailbox was deleted; nothing else is set */
    struct mailbox mailbox;
    size_t count;
    /* Columns, ascending by UID; in arena. */
    uint32_t *uid;
    uint64_t *id;
    uint64_t *modseq;
    uint64_t *createseq;
    uint32_t *flags;
    uint64_t *size;
    uint32_t *prefix_size;
    int64_t *received_s;
    int64_t *saved_s;
    uint32_t *zone;        /* NULL: all UTC */
    uint32_t *keyword_end; /* NULL: no keywords at all */
    uint32_t *keyword_index;
    size_t keyword_count;
    uint32_t *vanished_uid;
    uint64_t *vanished_modseq;
    size_t vanished_count;
    uint64_t purged_modseq; /* with expunged_only: 0 when nothing is forgotten */
    bool more;
    uint32_t last_uid;
};

struct changes_request {
    uint64_t mailbox_id;   /* or */
    struct str name;       /* canonical, when the id is 0 */
    uint64_t since_modseq; /* 0: everything */
    uint32_t from_uid;     /* messages above it */
    uint32_t limit;        /* 0: CHANGES_LIMIT */
    bool expunged_only;    /* no messages */
    uint64_t
        as_of_modseq; /* with everything: also what was there then and vanished since; 0: not */
};

/* A mailbox that is asked for by id and does not exist is `gone`; by name it is ERR_NOT_FOUND.
 * What vanished comes with the first chunk (from_uid 0). In arena. */
bool changes_read(struct account *account, const struct changes_request *request,
                  struct arena *arena, struct changes *ret, struct err *err) MUST_USE;

#endif
