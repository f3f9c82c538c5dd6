#include "services/submission/policy.h"

static struct smtp_reply judge(const struct backend_recipient *recipient)
{
    switch (recipient->class) {
    case BACKEND_RECIPIENT_REMOTE:
    case BACKEND_RECIPIENT_LOCAL:
        break;
    case BACKEND_RECIPIENT_UNKNOWN:
        return SMTP_REPLY(550, 5, 1, 1, "no such user");
    case BACKEND_RECIPIENT_DOMAIN_DISABLED:
        return SMTP_REPLY(450, 4, 2, 1, "the domain is switched off for now");
    case BACKEND_RECIPIENT_REFUSED:
        return (struct smtp_reply){recipient->error_code,
                                   {(uint8_t)(recipient->error_code / 100), 7, 1},
                                   recipient->error_text};
    }
    return SMTP_REPLY(250, 2, 1, 5, "recipient ok");
}

/* Mail for others is queued, mail for our own users too; only who surely is not there is refused at
 * once, while the user still looks. */
struct smtp_reply submission_check_recipient(struct smtpd_session *s,
                                             struct smtpd_recipient *recipient)
{
    struct submission *submission = smtpd_user(s);
    const struct backend_login *login = s->identity;
    struct address address = recipient->path.address;
    if (address_is_literal(address))
        return SMTP_REPLY(250, 2, 1, 5, "recipient ok");
    struct backend_recipient found;
    struct err err;
    if (!backend_check_recipient(submission->backend, session_cid(s->conn), login->token, address,
                                 &s->arena, &found, &err))
        return submission_failed(s, "cannot look up a recipient", &err);
    return judge(&found);
}
