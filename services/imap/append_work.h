#ifndef SERVICES_IMAP_APPEND_WORK_H
#define SERVICES_IMAP_APPEND_WORK_H

#include "common/service/spool.h"
#include "services/imap/session.h"

/*
 * The messages of one APPEND or REPLACE on their way: what cmd_append.c and append_message.c share.
 */

#define APPEND_MESSAGES_MAX 100

struct append_message {
    struct spool_file spool;
    struct append_item item;
};

struct append_work {
    struct str name;
    struct arena arena;
    struct append_message *messages[APPEND_MESSAGES_MAX];
    size_t len;
    size_t in_memory;     /* bytes */
    uint32_t replace_uid; /* of REPLACE (RFC 8508); 0: APPEND */
    size_t begun;         /* messages, also those that failed */
    bool checked;         /* the mailbox, and `room` */
    uint64_t room;        /* bytes that fit into the quota */
    bool utf8_form;       /* "UTF8 (" literal ")": the parenthesis is still to come */
    bool in_parts;        /* "CATENATE (" is open */
    bool at_first_part;

    struct buf url;    /* of at most IMAP_URL_MAX bytes */
    bool after_cr;     /* the last byte written was CR */
    bool failed;       /* read on, drop everything, then answer `err` */
    bool wrong;        /* `err` is about the command's syntax */
    bool zero;         /* a message of no bytes: RFC 3502 cancels the command */
    struct str badurl; /* RFC 4469: the URL that failed */
    struct err err;
};

struct append_work *append_work_new(void);
void append_work_free(void *work);

/* The first failure counts. */
void append_fail(struct append_work *work, const struct err *err);

/* These do nothing once the work has failed, and make it fail. */

/* The next message, of which a literal of `size` bytes is the first. */
void append_open_message(struct imap *imap, struct append_work *work,
                         const struct append_item *item, uint64_t size);
/* Bytes of the last message. Bare LF becomes CRLF. */
void append_write(struct append_work *work, struct str bytes);
/* All of them are here: it is parsed. */
void append_finish_message(struct append_work *work);

/* The message that is being received. */
static inline struct append_message *append_last(const struct append_work *work)
{
    return work->messages[work->len - 1];
}

#endif
