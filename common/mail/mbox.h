#ifndef COMMON_MAIL_MBOX_H
#define COMMON_MAIL_MBOX_H

#include "common/base/buf.h"
#include "common/mail/date.h"
#include "common/mail/mail_flags.h"

/*
 * Mbox files (RFC 4155, spec 20 4.1, 4.5): the variant mboxrd, which gives back what was written.
 *
 * Both directions work on pieces of any size and hold no more than the beginning of a line, so that
 * a message may be as large as the disk.
 *
 *     struct mbox_reader r;
 *     mbox_reader_init(&r, 0);
 *     while ((piece = next piece of the file).len > 0 || (piece = mbox_reader_last(&r)).len > 0)
 *         while ((event = mbox_read(&r, &piece, &text)) != MBOX_NEEDS_INPUT)
 *             MBOX_MESSAGE: a message begins; MBOX_TEXT: `text` belongs to it; MBOX_BAD: give up
 *
 * A message begins at a line "From " after an empty line, which belongs to the format and not to
 * the message before (spec 20 5). One ">" is taken off lines of ">"s and "From ". LF becomes CRLF.
 * A last line without line end gets one.
 */

#define MBOX_FROM_LINE_MAX 1024 /* what is longer is cut: only sender and date are of interest */

enum mbox_event {
    MBOX_NEEDS_INPUT, /* the piece is used up */
    MBOX_MESSAGE,
    MBOX_TEXT,
    MBOX_BAD, /* the first line of the file is no "From " line: at `offset` */
};

struct mbox_reader {
    uint64_t offset;         /* in the file, of the next byte */
    uint64_t message_offset; /* of the "From " line of this message */
    /* Of the message that MBOX_MESSAGE began. */
    struct str sender; /* good until the next call */
    bool has_date;
    struct date date;
    /* Private. */
    enum { MBOX_LINE_START, MBOX_IN_LINE, MBOX_FROM_LINE } state;
    uint64_t line_offset;
    bool is_first;   /* nothing but a "From " line may come */
    bool owes_blank; /* an empty line that may be the separator */
    bool is_quoted;  /* the line begins with ">", the first of which is held back */
    bool has_cr;     /* the line begins with CR, or: the last byte was one */
    size_t matched;  /* bytes of "From " at the start of the line */
    char held[16];
    size_t held_len;
    char from_line[MBOX_FROM_LINE_MAX];
    size_t from_len;
};

/* `offset` is the place in the file of what will be read: that of a "From " line. */
void mbox_reader_init(struct mbox_reader *r, uint64_t offset);
/* The next event, taking from the front of `*piece`. `*ret_text` borrows from both. */
enum mbox_event mbox_read(struct mbox_reader *r, struct str *piece, struct str *ret_text);
/* What to read after the last piece of the file: the missing line end, once; or nothing. */
struct str mbox_reader_last(const struct mbox_reader *r);

/* "MAIL-FROM Mon Jan  2 15:04:05 2006", the rest of a "From " line; a zone, by name or numeric, may
 * stand before or after the year, else it is UTC. Returns whether there is a date. */
bool mbox_parse_from_line(struct str line, struct str *ret_sender, struct date *ret_date);

/* Flags that the header says (spec 20 4.1): Status, X-Status, X-Keywords. Keywords in arena. */
void mbox_read_flags(struct str header, struct mail_flags *flags, struct arena *arena);

/* ---- Writing */

struct mbox_writer {
    const struct mail_flags *flags;
    /* Private. */
    bool in_header;
    bool drops_field; /* in the header: of a field that is left out */
    bool has_cr;      /* held back */
    bool in_line;     /* what follows is no line start any more */
    bool is_quoted;   /* the line begins with ">"s, which are out */
    char start[16];   /* of the line, held back until it is clear what it is */
    size_t start_len;
};

/* Appends the "From " line (an empty sender is "MAILER-DAEMON"), and begins a message with these
 * flags, which are kept. */
bool mbox_write_begin(struct mbox_writer *w, struct str sender, int64_t received_s,
                      const struct mail_flags *flags, struct buf *out) MUST_USE;
/* Appends a piece of the message as it is in the file. False when `out` is full; it needs at most
 * twice the piece and MBOX_WRITE_MORE. */
bool mbox_write(struct mbox_writer *w, struct str piece, struct buf *out) MUST_USE;
/* Ends the message, with the empty line. */
bool mbox_write_end(struct mbox_writer *w, struct buf *out) MUST_USE;

#define MBOX_WRITE_MORE (64u << 10) /* for the flags' header fields */

#endif
