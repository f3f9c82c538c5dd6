#ifndef SERVICES_IMAP_FLAGS_H
#define SERVICES_IMAP_FLAGS_H

#include "common/base/arena.h"
#include "common/base/buf.h"

/*
 * Message flags (spec 1.8): ten with a name of their own, as bits in the order in which FLAGS shows
 * them, and keywords.
 */

enum flag {
    FLAG_SEEN = 1,
    FLAG_ANSWERED = 2,
    FLAG_FLAGGED = 4,
    FLAG_DELETED = 8,
    FLAG_DRAFT = 16,
    FLAG_FORWARDED = 32,
    FLAG_JUNK = 64,
    FLAG_NOTJUNK = 128,
    FLAG_PHISHING = 256,
    FLAG_MDNSENT = 512,
};
#define FLAG_ALL 1023u

/* In one command: as many as a mailbox can have. How many a message can have, store says. */
#define FLAG_KEYWORDS_MAX 1024
#define FLAG_KEYWORD_LEN_MAX 255 /* bytes of one, as in store */

struct flag_list {
    uint32_t flags;       /* enum flag */
    struct str *keywords; /* lower case, each once */
    size_t keyword_count;
    size_t keyword_room; /* in `keywords` */
};

/* The bit of a flag by name in any case, 0 for none. */
uint32_t flag_from_name(struct str name);

/* Appends the names of the bits, separated by spaces. */
void flags_write(uint32_t flags, struct buf *out);

#endif
