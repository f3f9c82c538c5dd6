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
 * A search is made once for a command and used for many messages; matching changes it, so it
 * belongs to one thread at a time.
 */

enum search_scope {
    SEARCH_BODY, /* text parts */
    SEARCH_TEXT, /* and the header sections of all parts, both raw and with encoded words decoded */
};

struct search;

/* In arena, with copies of the words (UTF-8). All `required` words must occur, and none of the
 * `forbidden`. The empty word occurs in everything, one that is not valid UTF-8 in nothing. NULL
 * when the arena is full. */
struct search *search_new(const struct str *required, size_t required_count,
                          const struct str *forbidden, size_t forbidden_count,
                          enum search_scope scope, struct arena *arena);

/* `prefix` is the header part that stands in front of `message` (may be empty), `structure` that of
 * `message`. Reads only as much of it as the answer needs; time is linear in that, for each word.
 */
bool search_matches(struct search *s, struct str prefix, struct str message,
                    const struct structure *structure);

/* The same rule for one piece of UTF-8 text, whatever the scope: header values and the like. */
bool search_text_contains(struct search *s, struct str text);
/* The value of a header field as it is searched: unfolded, encoded words undone. A piece of it, or
 * in arena; STR_NULL when the arena is full. */
struct str search_field_value(struct str raw_value, struct arena *arena);

/* For an index: the very text that words are looked for in, folded as they are. It comes in runs
 * without gaps, which `at_end` ends: no word reaches from one run into the next. What is not valid
 * is one byte 0xff, which is in no word. */
typedef void search_sink(void *user, struct str folded, bool at_end);
/* All that SEARCH_TEXT looks through. */
void search_walk_message(struct str prefix, struct str message, const struct structure *structure,
                         search_sink *sink, void *user);
/* What search_text_contains looks through. */
void search_walk_text(struct str text, search_sink *sink, void *user);

#endif
