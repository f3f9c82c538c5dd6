#ifndef COMMON_MAIL_ENCODED_WORD_H
#define COMMON_MAIL_ENCODED_WORD_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/text/cursor.h"

/*
 * Text outside ASCII in header fields: encoded words, "=?charset?encoding?text?=" (RFC 2047).
 *
 *     encoded_word_decode(STR("=?iso-8859-15?q?=A4_5?= net"), &arena)          // "€ 5 net"
 */

/* Decodes the encoded words of unfolded text to UTF-8; blanks between two adjacent ones vanish, and
 * characters split over two of them are put together. Text around them stays. When a word is in a
 * charset that is not known, or cannot be decoded, the whole text stays as it was. In all cases the
 * result is valid UTF-8 without NUL: other bytes become U+FFFD. In arena, or `text` itself when
 * there is nothing to do; STR_NULL when the arena is full. */
struct str encoded_word_decode(struct str text, struct arena *arena);

/* Takes one encoded word, undecoded, when one stands here; otherwise takes nothing and is empty.
 * For parsers of structured fields. */
struct str encoded_word_take(struct cursor *c);

/* Appends UTF-8 `text` as encoded words (UTF-8; Q, which people can half read, unless B is less
 * than half as long), each at most 75 bytes, never splitting a character; the first one may take
 * `first_max` bytes. They are separated by one space, at which a header writer may fold. */
bool encoded_word_write(struct buf *out, struct str text, size_t first_max);

#endif
