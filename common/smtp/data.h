#ifndef COMMON_SMTP_DATA_H
#define COMMON_SMTP_DATA_H

#include "common/base/str.h"

/*
 * Message data as it comes after DATA (RFC 5321 4.1.1.4, 4.5.2): finds its end, takes the stuffed
 * dots out, and repairs line ends. Input may be cut into chunks anywhere; the result is the same.
 *
 *     struct smtp_data d;
 *     smtp_data_init(&d);
 *     for each chunk:
 *         while (smtp_data_next(&d, &chunk, &span))
 *             spool_write(&file, span, err);
 *         if (d.ended) ...                 // what is left of `chunk` are commands
 *
 * Only CRLF "." CRLF ends it. Servers and clients that disagree about line ends can be made to
 * disagree about where a message ends ("SMTP smuggling"), so a CR alone, and a lone dot between
 * line ends of which one is a bare LF, make the message `bad`: it is read to its true end, gives no
 * more text, and is to be refused. A bare LF elsewhere becomes CRLF; a dot after it is text.
 *
 * Spans are as long as the input allows: whole chunks when no byte has to go or come.
 */

struct smtp_data {
    enum smtp_data_state {
        SMTP_DATA_LINE_START,    /* after CRLF, or at the very start */
        SMTP_DATA_LINE_START_LF, /* after a bare LF */
        SMTP_DATA_LINE,
        SMTP_DATA_CR,       /* a CR that is not given out yet */
        SMTP_DATA_EMPTY_CR, /* the same, at the start of a line */
        SMTP_DATA_DOT,
        SMTP_DATA_DOT_CR,
        SMTP_DATA_DOT_LF, /* a dot after a bare LF */
        SMTP_DATA_DOT_LF_CR,
    } state;
    bool ended;
    const char *bad;    /* NULL: fine; else what was found, for the reply */
    bool has_8bit;      /* a byte from 0x80 up */
    bool has_separator; /* an empty line: the header section ends */
    uint64_t size;      /* bytes given out */
};

void smtp_data_init(struct smtp_data *d);
/* Takes the next piece of text from the front of `*input`. False when the chunk is used up, or the
 * data ended: `*input` then begins behind its last line. The span borrows from the input or is
 * constant. */
bool smtp_data_next(struct smtp_data *d, struct str *input, struct str *ret_span);
/* How many bytes of `input` belong to the data; changes nothing. For framing. */
size_t smtp_data_length(const struct smtp_data *d, struct str input);

#endif
