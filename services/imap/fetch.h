#ifndef SERVICES_IMAP_FETCH_H
#define SERVICES_IMAP_FETCH_H

#include "services/imap/partial.h"
#include "services/imap/section.h"
#include "services/imap/session.h"

/*
 * What FETCH can be asked for (RFC 9051 6.4.5).
 */

enum fetch_kind {
    FETCH_FLAGS,
    FETCH_INTERNALDATE,
    FETCH_SAVEDATE, /* RFC 8514 */
    FETCH_SIZE,
    FETCH_ENVELOPE,
    FETCH_BODY,          /* the structure without extension data */
    FETCH_BODYSTRUCTURE, /* with it */
    FETCH_SECTION,       /* BODY[...], and what RFC822 is short for */
    FETCH_BINARY,
    FETCH_BINARY_SIZE,
    FETCH_PREVIEW, /* RFC 8970 */
    FETCH_EMAILID, /* RFC 8474 */
    FETCH_THREADID,
    FETCH_MODSEQ, /* RFC 7162 3.1.5 */
    FETCH_UID,    /* given always, asked for or not, except with UIDONLY */
};

struct fetch_item {
    enum fetch_kind kind;
    struct str label; /* " BODY[1]<0> ": in front of the value */
    struct section section;
    bool sets_seen;
    bool partial;
    uint64_t offset;
    uint64_t count;
};

#define FETCH_ITEMS_MAX 200

struct fetch_items {
    struct fetch_item *items;
    size_t len;
    bool sets_seen;
    uint32_t structure; /* which pieces of the stored structure items need */
    bool prefix;        /* some item needs the prefix, where there is one */
    bool ids;           /* EMAILID or THREADID */
    bool modseq;        /* MODSEQ is among them */
    bool uid;           /* UID is */
};

/* fetch-att list or macro, in arena. */
struct fetch_items fetch_take_items(struct cursor *c, struct arena *arena);
/* Adds MODSEQ, unless it is there. */
void fetch_add_modseq(struct fetch_items *items);

/* [SP "(" fetch-modifier *(SP fetch-modifier) ")"] */
struct fetch_modifiers {
    bool has_changed_since;
    uint64_t changed_since; /* RFC 7162 3.1.4.1 */
    bool has_partial;
    struct partial partial; /* of UID FETCH: only that page of the messages (RFC 9394 3.3) */
    bool vanished;          /* RFC 7162 3.2.6 */
};
struct fetch_modifiers fetch_take_modifiers(struct imap *imap, struct cursor *c);

/* Values made of the structure (RFC 9051 7.5.2). */
void fetch_write_envelope(struct buf *out, const struct envelope *envelope, bool utf8);
void fetch_write_body(struct buf *out, const struct part *part, bool extended, bool utf8);

#endif
