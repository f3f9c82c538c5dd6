#ifndef SERVICES_SMTP_IN_POLICY_H
#define SERVICES_SMTP_IN_POLICY_H

#include "common/smtpd/session.h"
#include "services/smtp-in/backend.h"
#include "services/smtp-in/config.h"
#include "services/smtp-in/partial.h"

/*
 * What this service says to each step of a session: one function a step, each in a file of its own.
 * The replies are those of spec 10, appendix B.
 */

struct smtp_in {
    const struct smtp_in_config *config;
    const struct settings *settings;
    struct backend *backend;
    struct partial *partial;
    struct address catch_all; /* gets the mail for others; empty: nobody does */
    struct smtpd_config server_config;
    struct smtpd *server;
};

/* sender_domain.c: does mail from there make sense? */
struct smtp_reply smtp_in_check_hello(struct smtpd_session *s, const struct smtp_hello *hello,
                                      bool extended);
struct smtp_reply smtp_in_check_mail(struct smtpd_session *s);
/* recipient.c: is it one of ours? Sets recipient->target to a struct backend_target. */
struct smtp_reply smtp_in_check_recipient(struct smtpd_session *s,
                                          struct smtpd_recipient *recipient);
/* One fixed phrase, with address and IP, for tools that watch for address harvesting. */
void smtp_in_log_unknown(const struct smtpd_session *s, struct address address);
/* deliver.c: reads the message and asks decide.h, then delivers. */
struct smtp_reply smtp_in_examine(struct smtpd_session *s, struct str message);
struct smtp_reply smtp_in_deliver(struct smtpd_session *s);

extern const struct smtpd_policy smtp_in_policy;

#endif
