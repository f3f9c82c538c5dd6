#ifndef SERVICES_IMAP_SEARCH_RETURN_H
#define SERVICES_IMAP_SEARCH_RETURN_H

#include "services/imap/partial.h"
#include "services/imap/select.h"

/*
 * What a search is to answer, and to remember (RFC 4731, 5182, 9394): its RETURN options, the
 * ESEARCH line, and the saved result.
 */

enum search_return {
    RETURN_MIN = 1,
    RETURN_MAX = 2,
    RETURN_ALL = 4,
    RETURN_COUNT = 8,
    RETURN_SAVE = 16,
    RETURN_PARTIAL = 32,
};

struct search_returns {
    bool asked;   /* RETURN was there */
    bool context; /* CONTEXT was among the options, which is a hint (RFC 5267 4.2) */
    bool update;  /* UPDATE was: changes of the result are to be told (RFC 5267 4.3) */
    struct str
        items;     /* "(UID FLAGS)": of new messages then; null: none; borrows from the command */
    bool extended; /* the answer is ESEARCH */
    unsigned options; /* enum search_return */
    struct partial partial;
    struct view *mailbox; /* named in the answer (RFC 7377); NULL: it is not */
    struct str prefix;    /* in front of its name: of a mailbox of another */
};

/* [SP "RETURN" SP "(" [return-option *(SP return-option)] ")"]. `context` is the capability that
 * CONTEXT and UPDATE need: CONTEXT=SEARCH or CONTEXT=SORT. */
struct search_returns search_returns_take(struct imap *imap, struct cursor *c, struct str context);
/* How many hits suffice, counted from the first message; UINT64_MAX: all are needed. */
uint64_t search_returns_enough(const struct search_returns *returns);

/* The hits that the answer names, which are also those that SAVE saves: with only MIN, MAX and
 * PARTIAL, what these show (RFC 9394 3.2), else all. */
void search_returns_named(const struct search_returns *returns, const struct uid_set *hits,
                          struct uid_set *ret);
bool search_returns_name_all(const struct search_returns *returns);
/* The highest modseq of messages (RFC 7162 3.1.10); 0: there are none. */
uint64_t search_returns_modseq(const struct view_place *place, const struct uid_set *named);

/* Appends the ESEARCH line for hits, in numbers or UIDs as the command has them. `modseq` is for a
 * search by MODSEQ; 0: is not told. */
void search_returns_write(struct imap *imap, const struct search_returns *returns,
                          const struct uid_set *hits, uint64_t modseq);

/* The start of such a line: "* ESEARCH (TAG "a") UID"; the mailbox is named when
 * `returns` has one. */
void search_returns_write_start(struct imap *imap, struct str tag,
                                const struct search_returns *returns, bool uid);

/* The same in pieces, for hits in an order of their own. The beginning, "* ESEARCH (TAG "a") UID";
 * false when there is no line to be written. */
bool search_returns_begin(struct imap *imap, const struct search_returns *returns);
/* MIN, MAX, COUNT. */
struct search_ends {
    uint64_t count;
    uint32_t first, last; /* when there are any */
};
void search_returns_write_ends(struct imap *imap, const struct search_returns *returns,
                               const struct search_ends *ends);
void search_returns_end(struct imap *imap, uint64_t modseq);

/* Remembers UIDs for "$", when SAVE was asked for: takes them. */
void search_returns_save(struct imap *imap, const struct search_returns *returns,
                         struct uid_set *named);
/* A failed search with SAVE leaves nothing saved (RFC 5182 2.1). */
void search_returns_fail(struct imap *imap, const struct search_returns *returns);

#endif
