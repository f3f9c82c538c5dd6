#include "services/smtp-in/policy.h"

const struct smtpd_policy smtp_in_policy = {
    .hello = smtp_in_check_hello,
    .mail = smtp_in_check_mail,
    .recipient = smtp_in_check_recipient,
    .examine = smtp_in_examine,
    .accept = smtp_in_deliver,
};
