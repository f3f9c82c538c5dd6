#include "services/submission/policy.h"

const struct smtpd_policy submission_policy = {
    .auth = submission_auth,
    .knows_key = submission_knows_key,
    .mail = submission_check_mail,
    .recipient = submission_check_recipient,
    .examine = submission_examine,
    .accept = submission_enqueue,
};

struct smtp_reply submission_failed(struct smtpd_session *s, const char *what,
                                    const struct err *err)
{
    if (err->kind == ERR_DENIED)
        return SMTP_REPLY(421, 4, 7, 0, "your login has ended, log in again");
    struct smtp_reply reply = smtpd_failed(s, what, err);
    return smtp_reply_is_transient(&reply)
               ? reply
               : SMTP_REPLY(451, 4, 3, 0, "internal problem, try again later");
}
