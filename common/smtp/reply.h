#ifndef COMMON_SMTP_REPLY_H
#define COMMON_SMTP_REPLY_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"

/*
 * A reply of an SMTP server (RFC 5321 4.2, RFC 2034, RFC 3463), for both ends of a connection.
 *
 *     smtp_reply_write(out, &SMTP_REPLY(250, 2, 1, 0, "sender ok"));     // 250 2.1.0 sender ok
 *     smtp_reply_write(out, &SMTP_REPLY_PLAIN(354, "go on"));            // 354 go on
 *
 * Functions that judge a command return a reply: 2xx goes on, anything else refuses.
 */

struct smtp_reply {
    uint16_t code;       /* 200 to 599; 0: no reply yet */
    uint8_t enhanced[3]; /* all zero: none. The first equals the first digit of `code`. */
    struct str text;     /* borrowed; lines are separated by "\n" */
};

#define SMTP_REPLY(reply_code, class, subject, detail, literal)                                    \
    ((struct smtp_reply){(reply_code), {(class), (subject), (detail)}, STR(literal)})
#define SMTP_REPLY_PLAIN(reply_code, literal)                                                      \
    ((struct smtp_reply){(reply_code), {0, 0, 0}, STR(literal)})

bool smtp_reply_is_positive(const struct smtp_reply *reply);  /* 2xx */
bool smtp_reply_is_transient(const struct smtp_reply *reply); /* 4xx */
bool smtp_reply_is_permanent(const struct smtp_reply *reply); /* 5xx */

/* Server side. */

/* Appends the reply. Lines are at most 510 bytes and CRLF: longer text is wrapped, where possible
 * at a space after byte 400; each line repeats the codes. Control characters become "?". */
void smtp_reply_write(struct buf *out, const struct smtp_reply *reply);

/* What a client hears of a failure inside: the one table from error kinds to replies. The text is
 * err->reply when there is one (borrowed), else the table's. */
struct smtp_reply smtp_reply_of_err(const struct err *err);

/* Client side. */

/*
 * Collects a reply line by line:
 *
 *     struct smtp_reply_reader r;
 *     smtp_reply_reader_init(&r, arena);
 *     do {
 *         if (!stream_read_line(stream, &line, err)) ...
 *         if (!smtp_reply_reader_add(&r, line, &done, err)) ...
 *     } while (!done);
 *     use(r.reply);
 *
 * The text of all lines is joined by "\n", without the codes. A line's enhanced code counts when
 * its class fits the reply code; the first one found is the reply's.
 */
struct smtp_reply_reader {
    struct smtp_reply reply; /* complete when done; text in arena */
    unsigned lines;
    /* Private. */
    struct arena *arena;
    struct smtp_reply_text *last;
};

#define SMTP_REPLY_LINES_MAX 512
#define SMTP_REPLY_LINE_MAX 4096 /* RFC 5321 4.5.3.1.5 says 512; some servers send more */

void smtp_reply_reader_init(struct smtp_reply_reader *r, struct arena *arena);
/* Adds one line, with or without its line end. ERR_SYNTAX: this is not SMTP. ERR_LIMIT: more than
 * any server has to say. */
bool smtp_reply_reader_add(struct smtp_reply_reader *r, struct str line, bool *ret_done,
                           struct err *err) MUST_USE;

/* RFC 5321 4.1.1.1: looks for a keyword ("STARTTLS") in the text of an EHLO reply; its parameters
 * ("10240000" of SIZE) are stored when `ret_parameters` is not NULL. */
bool smtp_reply_has_keyword(const struct smtp_reply *ehlo, struct str keyword,
                            struct str *ret_parameters);

#endif
