#ifndef COMMON_MAIL_SEARCH_H
#define COMMON_MAIL_SEARCH_H

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/mail/structure.h"

/*
 * Searching the text of a message for words: IMAP's BODY and TEXT, and filters.
 *
 * Words are substrings. Case is ignored by the rules of Unicode (full case folding), on text whose
 * transfer encoding is undone and whose charset is converted to UTF-8. Text parts are searched
 * (HTML as source), nested messages are descended into, other media types skipped. Bytes that are
 * not valid in their charset match nothing.
 *
 *     struct search *s = search_new(words, 2, NULL, 0, SEARCH_BODY, &arena);
 *     if (search_matches(s, prefix, message, structure)) ...
 *
 * A search is made once for a command and used for many messages; it is changed by matching, so it
 * belongs to one thread at a time.
 */

enum search_scope {
    SEARCH_BODY, /* text parts */
    SEARCH_TEXT, /* and the header section of every part, raw */
};

struct search;

/* In arena (some 100 KiB). All `required` words must occur, and none of the `forbidden`. The empty
 * word occurs in everything. Words are UTF-8, kept folded. NULL when the arena is full. */
struct search *search_new(const struct str *required, size_t required_count,
                          const struct str *forbidden, size_t forbidden_count,
                          enum search_scope scope, struct arena *arena);

/* `prefix` is the header part that stands in front of `message` (may be empty), `structure` that of
 * `message`. Reads only as much of it as the answer needs. */
bool search_matches(struct search *s, struct str prefix, struct str message,
                    const struct structure *structure);

/* One folded comparison without a message: does `word` occur in `text`? For SUBJECT, FROM and the
 * like. Both UTF-8; invalid bytes match nothing. */
bool search_text_contains(struct search *s, struct str text);

#endif
