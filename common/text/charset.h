#ifndef COMMON_TEXT_CHARSET_H
#define COMMON_TEXT_CHARSET_H

#include "common/base/arena.h"
#include "common/base/buf.h"

/*
 * Text in other charsets, converted to UTF-8 by iconv(3).
 *
 * Known are the charsets that mail is written in, by their IANA names and some common aliases. The
 * empty label, US-ASCII and UTF-8 are "plain": no conversion is needed, and bytes that are not
 * valid pass as they are; so do those of unknown labels.
 */

/* True for labels whose bytes are (meant to be) UTF-8 already. */
bool charset_is_plain(struct str label);
bool charset_is_known(struct str label);

/* A conversion in pieces. */

struct charset_decoder;

/* NULL when the label is plain or unknown: use the bytes as they are. Freed by
 * charset_decoder_free, which accepts NULL. */
struct charset_decoder *charset_decoder_new(struct str label);
void charset_decoder_free(struct charset_decoder *d);
/* Appends `chunk` as UTF-8; bytes that are not valid become U+FFFD. A character cut off at the end
 * of a chunk waits for the next. False only when `out` is full. */
bool charset_decoder_feed(struct charset_decoder *d, struct str chunk, struct buf *out);
bool charset_decoder_end(struct charset_decoder *d, struct buf *out);

/* Whole strings. */

/* To UTF-8, in arena; plain labels give `text` itself. False when the label is unknown, the text is
 * not valid in it, or the arena is full. */
bool charset_decode(struct str label, struct str text, struct arena *arena,
                    struct str *ret_utf8) MUST_USE;

#endif
