#ifndef SERVICES_IMAP_FETCH_H
#define SERVICES_IMAP_FETCH_H

#include "services/imap/section.h"

/*
 * What FETCH can be asked for (RFC 9051 6.4.5).
 */

enum fetch_kind {
    FETCH_FLAGS,
    FETCH_INTERNALDATE,
    FETCH_SIZE,
    FETCH_ENVELOPE,
    FETCH_BODY,          /* the structure without extension data */
    FETCH_BODYSTRUCTURE, /* with it */
    FETCH_SECTION,       /* BODY[...], and what RFC822 is short for */
    FETCH_BINARY,
    FETCH_BINARY_SIZE,
    FETCH_UID, /* given always, asked for or not */
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
    bool structure; /* some item needs the stored structure */
    bool prefix;    /* some item needs the prefix, where there is one */
};

/* fetch-att list or macro, in arena. */
struct fetch_items fetch_take_items(struct cursor *c, struct arena *arena);

/* Values made of the structure (RFC 9051 7.5.2). */
void fetch_write_envelope(struct buf *out, const struct envelope *envelope, bool utf8);
void fetch_write_body(struct buf *out, const struct part *part, bool extended, bool utf8);

#endif
