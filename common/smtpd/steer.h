#ifndef COMMON_SMTPD_STEER_H
#define COMMON_SMTPD_STEER_H

#include "common/smtpd/session.h"

/*
 * Replies on request, for people who develop programs that send mail: the end of a local part says
 * which failure the server is to play. Only on a laptop, when the option `steering` is on.
 *
 *     steer     = [where] *any what
 *     where     = "mailfrom" / "rcptto" / "queue"   ; without: at the end of the data
 *     what      = "temperror" / "permerror" / "timeout" / code
 *     code      = ("4" / "5") 2DIGIT
 *
 *     x550@any.example          550 after the message
 *     rcptto451@any.example     451 to RCPT TO
 *     mailfromtimeout@any.example  as sender: no answer to MAIL FROM for an hour
 *     queue421@any.example      submission takes it; 421 when the queue delivers it
 *
 * Case does not matter. The session goes on as after any such reply.
 */

enum steer_where { STEER_NOWHERE, STEER_MAIL, STEER_RCPT, STEER_DATA, STEER_QUEUE };

struct steer {
    enum steer_where where; /* STEER_NOWHERE: the local part asks for nothing */
    unsigned code;          /* 0: a timeout */
};

struct steer steer_parse(struct str localpart);

/* What to answer at each place; code 0: nothing was asked for, go on. */
struct smtp_reply steer_mail(struct smtpd_session *s);
struct smtp_reply steer_recipient(struct smtpd_session *s, struct address address);
/* Any recipient may ask. */
struct smtp_reply steer_data(struct smtpd_session *s);

#endif
