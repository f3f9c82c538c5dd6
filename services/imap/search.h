#ifndef SERVICES_IMAP_SEARCH_H
#define SERVICES_IMAP_SEARCH_H

#include "common/mail/search.h"
#include "common/text/cursor.h"
#include "services/imap/rows.h"
#include "services/imap/select.h"

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
    SEARCH_MODSEQ,   /* `min` and above */
    SEARCH_RECEIVED, /* from day `first` to day `last` */
    SEARCH_SENT,
    SEARCH_HEADER,  /* a field contains a text; the empty text: is there */
    SEARCH_WORDS,   /* BODY and TEXT */
    SEARCH_EMAILID, /* `min` is the number that it names */
    SEARCH_THREADID,
    SEARCH_AGE,       /* received from second `first` to second `last` (RFC 5032) */
    SEARCH_SAVED,     /* came into this mailbox from day `first` to day `last` (RFC 8514) */
    SEARCH_HAS_SAVED, /* when it did is known */
    SEARCH_FILTER,    /* a named search (RFC 5466); its keys take its place */
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
    uint64_t min, max;   /* of SEARCH_UIDS: `min` and above as well, if it is not 0 */
    int64_t first, last; /* days since 1970-01-01, or seconds */
    struct str word;     /* of HEADER and WORDS, as it was given */
    struct search *words;
    bool empty_text;
    struct search_hint *hint; /* what the text index says of it (search_index.h), or NULL */
    struct search_key *child; /* of AND and OR */
    struct search_key *next;  /* sibling */
};

/* A whole search program. */
struct search_program {
    struct view_place place; /* whose messages its sets name; set before it is taken */
    bool uses_saved;         /* "$" is in it */
    struct arena arena;      /* keys and words */
    struct search_key *keys; /* all must match; the cheap ones first */
    bool bad_charset;
    bool uses_filter;            /* FILTER is in it (RFC 5466) */
    struct str undefined_filter; /* null: all that it names are there */
    struct str broken_filter;    /* null: each of them is a search program */
    struct err filter_err;       /* they could not be looked up */
    bool uid_required;           /* it names message numbers, which UIDONLY forbids */
    struct search_index *index;  /* NULL: not asked, or it said nothing */
    bool modseq;                 /* some key is MODSEQ: the answer has one too (RFC 7162 3.1.5) */
    struct uid_set *owned[100];  /* sets of the keys, to be released */
    size_t owned_count;
};

/* [SP "CHARSET" SP astring] 1*(SP search-key), to the end of the command. Failures that are no
 * matter of syntax are in `err`, with the cursor failed as well. A MODSEQ key enables CONDSTORE. */
bool search_take(struct imap *imap, struct cursor *c, struct search_program *ret, struct err *err);
/* The same for SORT and THREAD (RFC 5256 5): SP charset 1*(SP search-key). */
bool search_take_in_charset(struct imap *imap, struct cursor *c, struct search_program *ret,
                            struct err *err);
void search_release(struct search_program *program);

/* A program that was taken, but cannot be run: the answer says why. */
bool search_is_refused(const struct search_program *program);
enum session_next search_refuse(struct imap *imap, const struct search_program *program);
/* Is the text a search program, wherever? Filters that it names need not be there. */
bool search_is_program(struct imap *imap, struct str text);

/* Does this key, which needs no more than the row? */
bool search_key_matches_row(const struct search_key *key, const struct view_row *row);
/* Do all match that need more than the row? */
bool search_message_matches(const struct search_program *program, struct message *message,
                            struct arena *scratch, bool *ret_matches, struct err *err) MUST_USE;
/* The same of a damaged message: it is one without header fields and text. The arena: for that. */
bool search_damaged_matches(const struct search_program *program, const struct message *message,
                            struct arena *arena, struct arena *scratch, bool *ret_matches,
                            struct err *err) MUST_USE;
/* The most expensive key. */
enum search_cost search_cost(const struct search_program *program);
/* Which pieces of structures its keys look at (structure.h); at least one, since a message without
 * a sound structure is gone or damaged. */
uint32_t search_pieces(const struct search_program *program);

#endif
