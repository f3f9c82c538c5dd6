#ifndef SERVICES_STORE_TEXT_DIGEST_H
#define SERVICES_STORE_TEXT_DIGEST_H

#include "common/base/buf.h"
#include "common/mail/structure.h"

/*
 * What the text index keeps of a message: which grams its text has, and the values of some header
 * fields.
 *
 * A gram is three bytes of text in a row, folded as a search folds it (common/mail/search.h), as a
 * hash of 16 bits. A text that contains a word has all grams of the word; so a message without one
 * of them does not match. The values are whole, and answer for themselves.
 *
 *     struct text_digest digest;
 *     text_digest_init(&digest);
 *     text_digest_take(&digest, prefix, file, structure);
 *     if (!digest.is_unfit) use(digest.grams, digest.values);
 *     text_digest_release(&digest);
 */

#define TEXT_GRAMS 65536
#define TEXT_GRAM_SIZE 3
#define TEXT_SEPARATOR 0xff /* between values: no word has it */

/* TEXT_ANYWHERE: body and header. The others have values. */
enum text_field {
    TEXT_ANYWHERE,
    TEXT_FROM,
    TEXT_TO,
    TEXT_CC,
    TEXT_BCC,
    TEXT_SUBJECT,
    TEXT_FIELD_COUNT
};

/* A set of grams, one bit each. */
struct gram_set {
    uint64_t bits[TEXT_GRAMS / 64];
};

struct text_digest {
    struct gram_set grams;
    struct buf values[TEXT_FIELD_COUNT]; /* those of a field, separated; of TEXT_ANYWHERE: none */
    bool is_unfit;                       /* too much text for an index to be of use */
    /* Private: the run that is being read. */
    uint32_t last;
    unsigned run_len;
    struct buf *copy_to;
};

void text_digest_init(struct text_digest *d);
void text_digest_release(struct text_digest *d);
/* Starts anew with a message. `prefix` is the header part in front of `file`. */
void text_digest_take(struct text_digest *d, struct str prefix, struct str file,
                      const struct structure *structure);

static inline bool gram_set_has(const struct gram_set *set, uint16_t gram)
{
    return set->bits[gram / 64] >> (gram % 64) & 1;
}
size_t gram_set_count(const struct gram_set *set);
/* The grams of a folded word, without repetitions, at most `max`; returns how many. */
size_t text_grams_of(struct str word, uint16_t *grams, size_t max);

#endif
