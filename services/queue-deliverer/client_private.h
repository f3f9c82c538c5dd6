#ifndef SERVICES_QUEUE_DELIVERER_CLIENT_PRIVATE_H
#define SERVICES_QUEUE_DELIVERER_CLIENT_PRIVATE_H

#include "services/queue-deliverer/client.h"

/* Shared by client.c (the session) and transaction.c (messages on it). */

struct client {
    struct stream *stream;
    struct log_ctx log;
    struct arena arena; /* of one exchange */
    struct buf command;
    char host[256];
    char ip[IP_TEXT_SIZE];
    char hostname[256];
    int64_t answer_ms;
    int64_t end_ms; /* of the whole session, monotonic */
    bool broken;    /* nothing more can be said */
    bool wants_rset;
    unsigned messages;
    /* Announced by the server. */
    bool pipelining;
    bool eightbit;
    bool smtputf8;
    bool starttls;
    uint64_t size_max; /* 0: not said */
    bool size;
    unsigned rcpt_max;
};

/* Appends a command line to what goes out with the next wait for an answer. */
bool client_write(struct client *c, struct err *err, const char *format, ...)
    PRINTF_LIKE(3, 4) MUST_USE;
/* Waits for a reply; its text is in the client's arena. A reply of 421 ends the session. On failure
 * the client is broken. */
bool client_read(struct client *c, int64_t wait_ms, struct smtp_reply *ret_reply,
                 struct err *err) MUST_USE;
/* Monotonic time until which a wait of `ms` may last. */
int64_t client_deadline(const struct client *c, int64_t ms);

#endif
