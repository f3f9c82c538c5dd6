#ifndef COMMON_SMTPD_SMTPD_H
#define COMMON_SMTPD_SMTPD_H

#include "common/smtp/command.h"
#include "common/service/service.h"
#include "common/sys/session.h"
#include "common/sys/tls.h"

/*
 * The SMTP server that smtp-in and submission share: the command loop, STARTTLS, AUTH, receiving
 * messages into the spool, limits, trace headers. What makes the two different is a policy: a
 * struct of functions that judge each step. Each answers with the reply that the client gets: 2xx
 * goes on, anything else refuses that step.
 *
 *     static const struct smtpd_policy policy = {
 *         .mail = check_sender, .recipient = check_recipient,
 *         .examine = examine_message, .accept = deliver_message,
 *     };
 *     struct smtpd *server = smtpd_new(&config, &policy, state, service, err);
 *     smtpd_listen(server, STR("192.0.2.1"), 25, SMTPD_STARTTLS, err);
 *     smtpd_run(server);                               // until smtpd_drain
 *     smtpd_free(server);
 *
 * Policy functions run on worker threads: one at a time for a session, many for a server. They may
 * wait for RPCs. What they need to know of the session is in session.h.
 */

struct smtpd;
struct smtpd_session;
struct smtpd_recipient;

struct smtpd_config {
    const char *name;         /* of the service: logs, metrics, spool files */
    struct str hostname;      /* in greetings and trace headers */
    struct str data;          /* directory */
    bool submission;          /* who sends must log in; what they send is completed by us */
    bool pedantic;            /* spec 10 A31 */
    bool space_after_colon;   /* "MAIL FROM: <a@b>" is tolerated */
    bool requiretls;          /* RFC 8689 is offered under TLS */
    bool tls_needed;          /* RCPT is refused without TLS */
    bool cleartext_auth;      /* passwords may be sent without TLS */
    bool steering;            /* local parts may ask for failures: steer.h */
    bool limit_connections;   /* per address (spec 10 A2) */
    bool client_certificates; /* clients are asked for one under TLS */
    uint64_t message_size_max;
    uint64_t recipients_max;
    int64_t read_timeout_ms;
    int64_t data_timeout_ms; /* for the whole message */
    unsigned workers_max;
    unsigned sessions_max;
    const struct str *proxy_networks; /* peers that speak the PROXY protocol */
    size_t proxy_network_count;
};

/* One step of a SASL exchange, as the policy judges it. */
struct smtpd_auth_step {
    struct str mechanism;
    struct str state;    /* from the last result; empty at first */
    struct str response; /* decoded; STR_NULL: there was none */
};

struct smtpd_auth_result {
    enum { SMTPD_AUTH_FAILURE, SMTPD_AUTH_CHALLENGE, SMTPD_AUTH_SUCCESS } outcome;
    struct str challenge;      /* not null: sent to the client, also before success or failure */
    struct str state;          /* for the next step */
    struct smtp_reply refusal; /* of a failure */
    bool counts;               /* a failure of the client's, not of ours */
    struct str login;          /* who tried, for the log */
    void *identity;            /* of a success; session lifetime, see smtpd_session.identity */
};

struct smtpd_policy {
    /* HELO or EHLO. May be NULL. */
    struct smtp_reply (*hello)(struct smtpd_session *s, const struct smtp_hello *hello,
                               bool extended);
    /* MAIL FROM, parsed into s->tx.mail. */
    struct smtp_reply (*mail)(struct smtpd_session *s);
    /* RCPT TO. May set `recipient->target`, in s->arena. */
    struct smtp_reply (*recipient)(struct smtpd_session *s, struct smtpd_recipient *recipient);
    /* The message is complete; `message` is good until the return. May keep results in
     * s->tx.examined, in s->arena. */
    struct smtp_reply (*examine)(struct smtpd_session *s, struct str message);
    /* After a 2xx of `examine`: hands the message over, from s->tx.spool, where a small one is in
     * memory (spool_is_in_memory), and a larger one a synced file. A 2xx must mean that it cannot
     * be lost any more. */
    struct smtp_reply (*accept)(struct smtpd_session *s);
    /* NULL where nobody logs in. Results are in s->auth_arena, `identity` in s->session_arena. */
    void (*auth)(struct smtpd_session *s, const struct smtpd_auth_step *step,
                 struct smtpd_auth_result *ret);
    /* Whether the key of a TLS client (tls_public_key.h) logs somebody in: then EXTERNAL is
     * offered, and tried at MAIL when nobody has logged in. May be NULL. */
    bool (*knows_key)(struct smtpd_session *s, struct str client_key);
};

enum smtpd_listen_mode {
    SMTPD_PLAIN,    /* no TLS */
    SMTPD_STARTTLS, /* TLS on request */
    SMTPD_TLS,      /* TLS from the first byte */
};

/* Keeps config, policy, user and service. */
struct smtpd *smtpd_new(const struct smtpd_config *config, const struct smtpd_policy *policy,
                        void *user, struct service *service, struct err *err);
/* Certificates for the listeners that have TLS. To be called before smtpd_listen. */
bool smtpd_use_tls(struct smtpd *server, struct str certificate, struct str key,
                   struct err *err) MUST_USE;
bool smtpd_reload_tls(struct smtpd *server, struct err *err) MUST_USE;
bool smtpd_listen(struct smtpd *server, struct str address, uint16_t port,
                  enum smtpd_listen_mode mode, struct err *err) MUST_USE;
/* The port of the n-th listener: tests listen on port 0. */
uint16_t smtpd_port(const struct smtpd *server, size_t listener);
/* A login from this address failed, here or at another door, or one succeeded that forgives it.
 * From any thread. */
void smtpd_login_ended(struct smtpd *server, const char *ip, bool succeeded);
/* Serves until drained. */
void smtpd_run(struct smtpd *server);
/* From any thread. */
void smtpd_drain(struct smtpd *server, int64_t grace_ms);
void smtpd_free(struct smtpd *server);

#endif
