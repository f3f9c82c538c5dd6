#ifndef SERVICES_IMAP_SEARCH_H
#define SERVICES_IMAP_SEARCH_H

#include "common/mail/search.h"
#include "common/text/cursor.h"
#include "services/imap/rows.h"

/*
 * Search keys (RFC 9051 6.4.4) as a tree. What a key needs to know of a message decides when it is
 * asked: keys that a row of the view answers go over all messages first, and only what is left is
 * read.
 */

enum search_kind {
    SEARCH_ALL,
    SEARCH_FLAG,     /* a flag that has a bit */
    SEARCH_KEYWORD,  /* one that has none */
    SEARCH_UIDS,     /* a set, also one of message numbers */
    SEARCH_SIZE,     /* from `min` to `max` bytes */
    SEARCH_RECEIVED, /* from day `first` to day `last` */
    SEARCH_SENT,
    SEARCH_HEADER, /* a field contains a text; the empty text: is there */
    SEARCH_WORDS,  /* BODY and TEXT */
    SEARCH_AND,
    SEARCH_OR,
};

enum search_cost {
    SEARCH_COST_ROW,       /* the view knows */
    SEARCH_COST_STRUCTURE, /* the stored structure knows */
    SEARCH_COST_TEXT,      /* the message's file must be read */
};

struct search_key {
    enum search_kind kind;
    enum search_cost cost;
    bool negated;
    uint32_t flag;
    struct str text; /* the keyword, or the name of the field */
    struct uid_set uids;
    uint64_t min, max;
    int64_t first, last; /* days since 1970-01-01 */
    struct search *words;
    bool empty_text;
    struct search_key *child; /* of AND and OR */
    struct search_key *next;  /* sibling */
};

/* A whole search program. */
struct search_program {
    struct arena arena;      /* keys and words */
    struct search_key *keys; /* all must match; the cheap ones first */
    bool bad_charset;
    struct uid_set *owned[100]; /* sets of the keys, to be released */
    size_t owned_count;
};

/* [SP "CHARSET" SP astring] 1*(SP search-key), to the end of the command. Failures that are no
 * matter of syntax are in `err`, with the cursor failed as well. */
bool search_take(struct imap *imap, struct cursor *c, struct search_program *ret, struct err *err);
void search_release(struct search_program *program);

/* Do all keys of at most this cost match? Others are skipped. */
bool search_row_matches(const struct search_program *program, const struct view_row *row);
/* Do the remaining ones? */
bool search_message_matches(const struct search_program *program, struct message *message,
                            struct arena *scratch, bool *ret_matches, struct err *err) MUST_USE;
/* The most expensive key. */
enum search_cost search_cost(const struct search_program *program);

#endif
