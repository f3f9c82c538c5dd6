#ifndef SERVICES_STORE_FLAGS_H
#define SERVICES_STORE_FLAGS_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"

/*
 * Flags and keywords (spec 20 1.8). Well-known flags are bits; anything else is a keyword, kept as
 * an index into the list of its mailbox, which only grows.
 */

/* As MessageFlag of proto/mailboxes.proto. */
enum message_flag {
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
    FLAGS_ALL = 1023,
};

#define KEYWORD_LEN_MAX 255
#define KEYWORDS_PER_MESSAGE_MAX 128
#define KEYWORDS_PER_MAILBOX_MAX 1024
#define KEYWORDS_BY_OTHERS_MAX 512 /* in the mailbox, when another than the owner adds one */

struct keywords {
    const struct str *items;
    size_t len;
};

/* Splits flags as a client writes them ("\Seen", "$Junk", "work") into bits and keywords (lower
 * case, in arena, without repeats). ERR_SYNTAX names one that is neither. */
bool flags_parse(const struct str *words, size_t count, struct arena *arena, uint32_t *ret_flags,
                 struct keywords *ret_keywords, struct err *err) MUST_USE;

/* Keywords alone, as a peer sends them: checks each, lower-cases, drops repeats. In arena. */
bool keywords_check(const struct str *words, size_t count, struct arena *arena,
                    struct keywords *ret, struct err *err) MUST_USE;

/* Where each keyword stands in a mailbox's list `*list` (separated by spaces), which is extended
 * (in arena) by those that are missing. The result is what an entry holds: 16-bit indexes,
 * ascending; STR_NULL when there are none. ERR_LIMIT: too many in the mailbox; others than its
 * owner can fill half of the list, since a keyword never leaves it. */
bool keywords_resolve(struct keywords keywords, bool is_by_other, struct str *list,
                      struct arena *arena, struct str *ret_indexes, struct err *err) MUST_USE;

/* The same without extending the list: keywords that are not in it are left out. */
struct str keywords_find(struct keywords keywords, struct str list, struct arena *arena);

/* Set operations on such indexes, in arena; ERR_LIMIT above KEYWORDS_PER_MESSAGE_MAX. */
bool keywords_union(struct str a, struct str b, struct arena *arena, struct str *ret,
                    struct err *err) MUST_USE;
struct str keywords_without(struct str a, struct str b, struct arena *arena);
/* The names behind indexes, borrowing from `list`. In arena. */
struct keywords keywords_names(struct str indexes, struct str list, struct arena *arena);

size_t keywords_count(struct str indexes);
uint32_t keywords_at(struct str indexes, size_t i);

#endif
