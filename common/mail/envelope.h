#ifndef COMMON_MAIL_ENVELOPE_H
#define COMMON_MAIL_ENVELOPE_H

#include "common/mail/address.h"
#include "common/mail/date.h"
#include "common/mail/header.h"

/*
 * The envelope of a message in the sense of IMAP: who, whom, when, about what (RFC 9051 7.5.2),
 * gathered from its header fields one by one.
 *
 *     struct envelope_reader reader = envelope_reader_init(envelope, &arena);
 *     while (header_next(&walk, &field))
 *         envelope_reader_take(&reader, &field);
 */

#define ENVELOPE_ADDRESSES_MAX 10000 /* in one list; of a longer one the first are kept */
#define ENVELOPE_LISTS 6             /* From to Bcc */

/* Absent fields are STR_NULL or NULL. All texts are valid UTF-8 without NUL. */
struct envelope {
    bool has_date;
    struct date date;
    struct str subject; /* decoded */
    struct address_entry *from;
    struct address_entry *sender;   /* not defaulted: readers fall back to `from` */
    struct address_entry *reply_to; /* not defaulted */
    struct address_entry *to;
    struct address_entry *cc;
    struct address_entry *bcc;
    struct str in_reply_to; /* raw, unfolded */
    struct str message_id;  /* raw, unfolded, with brackets */
};

struct envelope_reader {
    struct envelope *envelope;
    struct arena *arena;
    unsigned bad_lists; /* bits of the lists that had a field which is no list */
    struct address_entry **ends[ENVELOPE_LISTS]; /* where the next field of that name goes on */
    size_t counts[ENVELOPE_LISTS];               /* of their entries */
};

/* The envelope must be zeroed. */
struct envelope_reader envelope_reader_init(struct envelope *envelope, struct arena *arena);

/* Uses the field when it belongs to an envelope. Of Date, Subject and the identifiers the first one
 * counts; address lists of one name are joined, and one that cannot be parsed empties them all. */
void envelope_reader_take(struct envelope_reader *reader, const struct header_field *field);

#endif
