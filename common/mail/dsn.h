#ifndef COMMON_MAIL_DSN_H
#define COMMON_MAIL_DSN_H

#include "common/mail/address.h"
#include "common/mail/date.h"

/*
 * Delivery status notifications: telling a sender what became of a message (RFC 3464, RFC 6522,
 * and RFC 6533 for what is internationalised; spec 10 C20, C21).
 *
 * The result is a whole message with its headers: multipart/report with a text for people, the
 * status for programs, and the original's header. It is about one recipient. Nothing is read from
 * the machine: time and randomness are given.
 *
 *     struct buf out;
 *     buf_init(&out, DSN_SIZE_MAX);
 *     dsn_compose(&out, &dsn);
 *     if (out.overflow) ...
 */

#define DSN_HEADER_MAX (64 * 1024) /* of the original's header; the rest is cut at a line */
#define DSN_SIZE_MAX (512 * 1024)

enum dsn_action { DSN_FAILED, DSN_DELAYED };

struct dsn {
    enum dsn_action action;
    struct str hostname;      /* ours: From, Reporting-MTA, Message-ID */
    struct address sender;    /* of the original: who gets this */
    struct address recipient; /* that it is about */
    struct str status;        /* "5.1.1" */
    struct str text;          /* what went wrong, for people; lines end in LF */
    unsigned smtp_code;       /* of the remote's reply that `text` is; 0: it was no reply */
    struct str smtp_enhanced; /* its enhanced code, "5.1.1"; may be empty */
    struct str remote_host;   /* that was talked to last; may be empty */
    struct str remote_ip;
    int64_t arrival_s;
    int64_t last_attempt_s;
    int64_t will_retry_until_s; /* of DSN_DELAYED */
    unsigned attempts;
    struct str future_release; /* RFC 4865, may be empty */
    struct str message_id;     /* of the original, with brackets; may be empty */
    struct str subject;        /* of the original, decoded */
    struct str header;         /* of the original */
    /* The original was SMTPUTF8, and whoever gets this can read such mail. Otherwise nothing
     * outside ASCII is written as it is. */
    bool smtputf8;
    struct date now;
    unsigned char random_id[16];
    unsigned char random_boundary[16];
};

void dsn_compose(struct buf *out, const struct dsn *dsn);

#endif
