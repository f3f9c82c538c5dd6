#ifndef COMMON_SMTPD_SESSION_H
#define COMMON_SMTPD_SESSION_H

#include "common/base/array.h"
#include "common/mail/structure.h"
#include "common/service/spool.h"
#include "common/smtp/data.h"
#include "common/smtpd/smtpd.h"

/*
 * One SMTP connection, as the server and the policies see it.
 *
 *                EHLO/HELO               AUTH: 334
 *     (open) --> GREETED ------> READY <----------> AUTH
 *                   ^            ^ | ^   235, 5xx
 *        STARTTLS   |    RSET,   | | | MAIL 250
 *        (secured)  +-- EHLO  ---+ | v            RCPT 250          DATA 354
 *                   |              | MAIL ---------------> RCPT ----------------> DATA
 *                   |              |  |                      |                     |
 *                   +--------------+  +------ RSET, EHLO ----+    end of data      |
 *                                  ^-----------------------------------------------+
 *
 * smtpd_session_enter is the one place where `state` changes. A transaction (RFC 5321 3.3) lives
 * from MAIL to the end of its data, whatever the outcome, or to RSET, EHLO and STARTTLS.
 */

enum smtpd_state {
    SMTPD_GREETED, /* nobody said hello yet */
    SMTPD_READY,
    SMTPD_AUTH, /* the next line answers a challenge */
    SMTPD_MAIL, /* a sender, no recipient */
    SMTPD_RCPT, /* a sender and recipients */
    SMTPD_DATA, /* message text comes */
    SMTPD_STATE_COUNT,
};

struct smtpd_recipient {
    struct smtp_path path;
    void *target; /* of the policy, in s->arena */
};

struct smtpd_transaction {
    struct smtp_mail mail;
    ARRAY_OF(struct smtpd_recipient) recipients;
    unsigned refused; /* recipients */
    struct smtp_data data;
    struct spool_file spool;
    int64_t began_us;          /* of MAIL */
    int64_t deadline_ms;       /* of DATA */
    struct smtp_reply failure; /* known before the end of the data; code 0: none */
    void *examined;            /* of the policy, in s->arena */
};

/* A SASL exchange between its lines. */
struct smtpd_exchange {
    struct str mechanism;
    struct str state; /* of the policy, in auth_arena */
    bool concluding;  /* `result` is final, but the client has one more line to send */
    struct smtpd_auth_result result;
};

struct smtpd_session {
    struct session *conn;
    struct smtpd *server;
    enum smtpd_state state;
    enum session_next next; /* what follows the reply of the current command */

    struct smtp_hello hello; /* in hello_name */
    char hello_name[256];
    bool extended;   /* EHLO, not HELO */
    void *identity;  /* who is logged in: what the policy's `auth` returned; NULL: nobody */
    char login[256]; /* the address that logged in; empty: nobody */

    struct smtpd_transaction tx;
    struct smtpd_exchange auth;

    struct arena session_arena; /* until the connection ends */
    struct arena arena;         /* until the transaction ends */
    struct arena auth_arena;    /* until the exchange ends; wiped */

    bool talks_smtp;   /* a known command was seen */
    unsigned refusals; /* of commands */
    unsigned login_failures;
    unsigned good, bad; /* transactions */
    char id[24];        /* spec 10 A15: the connection as strangers may see it */
};

/* For policies. */

const struct smtpd_config *smtpd_config(const struct smtpd_session *s);
/* What smtpd_new was given. */
void *smtpd_user(const struct smtpd_session *s);
struct log_ctx *smtpd_log(const struct smtpd_session *s);
/* Appends a Received field (RFC 5321 4.4); `recipient` NULL: no `for`. */
void smtpd_write_received(const struct smtpd_session *s, const struct address *recipient,
                          struct buf *out);
/* The encoded form, in s->arena. */
bool smtpd_encode_structure(struct smtpd_session *s, const struct structure *structure,
                            struct str *ret, struct err *err) MUST_USE;
/* A refusal with the connection's id behind its text: users quote it, and admins find the log of
 * the connection by it. Others as they are. */
struct smtp_reply smtpd_with_id(struct smtpd_session *s, struct smtp_reply reply);
/* Answers a failure inside: logs it, once, and gives the reply for its kind, with err->reply as
 * text (copied) when there is one. */
struct smtp_reply smtpd_failed(struct smtpd_session *s, const char *what, const struct err *err);
/* The same of the spool: always for now, the sender's message is not to blame. */
struct smtp_reply smtpd_storage_failed(struct smtpd_session *s, const struct err *err);
/* The rest of the session is slow (spec 10 A3): for who was refused for what they are. */
void smtpd_slow_down(struct smtpd_session *s);

/* For the server. */

void smtpd_session_enter(struct smtpd_session *s, enum smtpd_state state);
/* Ends the transaction, if there is one: removes the spool file, forgets senders and recipients. */
void smtpd_transaction_end(struct smtpd_session *s);
/* Forgets the exchange, and overwrites what it saw. */
void smtpd_exchange_end(struct smtpd_session *s);

#endif
