#ifndef SERVICES_SUBMISSION_POLICY_H
#define SERVICES_SUBMISSION_POLICY_H

#include "common/mail/structure.h"
#include "common/smtpd/session.h"
#include "services/submission/backend.h"
#include "services/submission/config.h"

/*
 * What this service says to each step of a session. The replies are those of spec 10, appendix B.
 * smtpd_session.identity is a struct backend_login.
 */

struct submission {
    const struct submission_config *config;
    const struct settings *settings;
    struct backend *backend;
    struct smtpd_config server_config;
    struct smtpd *server;
};

/* What is known of a complete message: smtpd_transaction.examined. In s->arena. */
struct draft {
    struct str prefix; /* the headers that we add */
    struct str message_id;
    struct str subject;
    struct str structure; /* encoded */
    enum backend_tls_need tls;
};

/* auth.c */
void submission_auth(struct smtpd_session *s, const struct smtpd_auth_step *step,
                     struct smtpd_auth_result *ret);
bool submission_knows_key(struct smtpd_session *s, struct str client_key);
/* senders.c: may this user send as that? */
struct smtp_reply submission_check_mail(struct smtpd_session *s);
struct smtp_reply submission_check_from(struct smtpd_session *s, struct str header,
                                        const struct structure *structure);
/* recipient.c */
struct smtp_reply submission_check_recipient(struct smtpd_session *s,
                                             struct smtpd_recipient *recipient);
/* complete.c: what a message must have, and what it gets from us. */
struct smtp_reply submission_examine(struct smtpd_session *s, struct str message);
/* enqueue.c */
struct smtp_reply submission_enqueue(struct smtpd_session *s);

/* policy.c: as smtpd_failed; a login that store no longer takes ends the session, for another. */
struct smtp_reply submission_failed(struct smtpd_session *s, const char *what,
                                    const struct err *err);

extern const struct smtpd_policy submission_policy;

#endif
