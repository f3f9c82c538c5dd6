#ifndef SERVICES_QUEUE_DELIVERER_VERDICT_H
#define SERVICES_QUEUE_DELIVERER_VERDICT_H

#include "common/base/err.h"
#include "common/smtp/reply.h"

/*
 * What became of a recipient: in the words of the server that judged it, or in ours. A value; texts
 * are cut, never overrun.
 */

/* In the order of enum AttemptOutcome of proto/queue.proto; the first means "not decided yet", and
 * "not attempted" when it is reported. The last one says nothing of the recipient: a service of our
 * own was away. */
enum verdict_kind {
    VERDICT_OPEN,
    VERDICT_DELIVERED,
    VERDICT_TEMPORARY,
    VERDICT_PERMANENT,
    VERDICT_POSTPONED,
};

struct verdict {
    enum verdict_kind kind;
    unsigned code;       /* of an SMTP reply; 0: there was none */
    uint8_t enhanced[3]; /* RFC 3463; all zero: none */
    char text[512];      /* the reply without its codes, or what went wrong; lines end in LF */
};

/* 2xx is delivered, 5xx permanent, anything else temporary. */
struct verdict verdict_of_reply(const struct smtp_reply *reply);
/* A failure on our side of the protocol: temporary. */
struct verdict verdict_of_err(const struct err *err);
/* A failed call of a service of our own: postponed when it may pass soon, else temporary. */
struct verdict verdict_of_call(const struct err *err);
/* Our own judgement, with the enhanced code "class.subject.detail". */
struct verdict verdict_make(enum verdict_kind kind, unsigned subject, unsigned detail,
                            const char *format, ...) PRINTF_LIKE(4, 5);

/* "5.1.1": the enhanced code, or that of the kind alone ("4.0.0"). */
struct verdict_status {
    char text[16];
};
struct verdict_status verdict_status(const struct verdict *v);

#endif
