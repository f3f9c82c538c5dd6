#ifndef SERVICES_QUEUE_DELIVERER_CLIENT_H
#define SERVICES_QUEUE_DELIVERER_CLIENT_H

#include "common/mail/address.h"
#include "common/sys/log.h"
#include "common/sys/stream.h"
#include "services/queue-deliverer/verdict.h"

/*
 * The SMTP client (RFC 5321, spec 10 C19): a session with one server, and transactions on it.
 *
 *     if (!client_open(&target, &log, &client, &failure)) ...      // greeting, EHLO, STARTTLS
 *     client_send(client, &letter, verdicts);                      // as often as needed
 *     client_close(client);                                        // QUIT
 *
 * Straight-line, blocking code with deadlines: 30 s for an answer, ten minutes for the one after
 * the message (RFC 5321 4.5.3.2.6), 30 minutes for all. One thread at a time.
 */

struct client;

struct client_target {
    struct str host; /* for SNI, logs and DSNs; the IP's text form when there is no name */
    struct ip ip;
    uint16_t port;
    struct str hostname;   /* ours, for EHLO */
    bool tls;              /* STARTTLS when it is offered */
    int64_t connect_by_ms; /* monotonic */
    int64_t answer_ms;     /* longest wait for an answer; 0: 30 s */
};

struct client_failure {
    struct verdict verdict;
    bool connected;  /* the server was reached: TCP stood */
    bool tls_failed; /* the handshake, or the first words after it: plain text may work */
};

bool client_open(const struct client_target *target, const struct log_ctx *log,
                 struct client **ret_client, struct client_failure *ret_failure) MUST_USE;
/* Says QUIT when the session is in a state for it; waits at most 5 s. NULL is fine. */
void client_close(struct client *client);

#define CLIENT_RECIPIENTS_MAX 100 /* RFC 5321 4.5.3.1.8: every server takes so many */

/* Asked just before what cannot be taken back: the end of a message for those `recipients` (indexes
 * into the letter's) that the server accepted. False breaks the session off instead. `answered` is
 * called when the server said what became of it. At most CLIENT_RECIPIENTS_MAX at a time. */
struct letter_gate {
    bool (*commit)(void *user, const size_t *recipients, size_t count);
    void (*answered)(void *user, const size_t *recipients, size_t count, bool taken);
    void *user;
};

/* What is sent to several recipients at once. */
struct letter {
    struct address mail_from; /* both empty: null reverse path */
    const struct address *recipients;
    size_t recipient_count;
    struct str prefix; /* goes before the file */
    struct str file;
    bool has_8bit;
    bool smtputf8;
    struct letter_gate gate; /* all NULL: none */
};

/* Gives a verdict to each recipient that has none (VERDICT_OPEN), in one or more transactions
 * (RFC 9422 RCPTMAX; servers that take only some recipients at once). A recipient that stays open
 * was not attempted: the session had ended before the server said a word about it, which happens to
 * sessions that were idle. Then, and after other failures of the connection, client_is_usable is
 * false. */
void client_send(struct client *client, const struct letter *letter, struct verdict *verdicts);

bool client_is_usable(const struct client *client);
/* Messages accepted so far. */
unsigned client_messages(const struct client *client);
/* "mx.far.example" and "192.0.2.1". */
struct str client_host(const struct client *client);
const char *client_ip(const struct client *client);
bool client_is_tls(const struct client *client);

#endif
