#include "common/smtpd/command.h"

#include "common/base/clock.h"
#include "common/smtpd/server.h"
#include "common/smtpd/steer.h"

#define BAD_TRANSACTIONS_MAX 10

static struct smtp_rules rules_of(const struct smtpd_session *s)
{
    const struct smtpd_config *config = s->server->config;
    return (struct smtp_rules){
        .space_after_colon = config->space_after_colon && !config->pedantic,
        .localpart_max = config->pedantic ? SMTP_LOCALPART_MAX_STRICT : ADDRESS_LOCALPART_LEN_MAX,
        .size_max = config->message_size_max,
        .requiretls = config->requiretls,
        .tls = session_is_tls(s->conn),
        .future_release = config->submission,
    };
}

/* RFC 4865 4: turns both forms of hold into a time, and refuses what has passed or is too far. */
static bool judge_hold(struct smtp_mail *mail, int64_t now_ms)
{
    if (mail->hold_for_s > 0)
        mail->hold_until_ms = now_ms + (int64_t)mail->hold_for_s * 1000;
    return mail->hold_until_ms == 0 ||
           (mail->hold_until_ms > now_ms &&
            mail->hold_until_ms <= now_ms + (int64_t)SMTPD_HOLD_MAX_S * 1000);
}

struct smtp_reply smtpd_cmd_mail(struct smtpd_session *s, struct str argument)
{
    if (s->bad > BAD_TRANSACTIONS_MAX && s->good == 0) {
        s->next = SESSION_CLOSE;
        return SMTP_REPLY(550, 5, 1, 0, "too many failures");
    }
    struct smtp_rules rules = rules_of(s);
    struct smtp_reply reply;
    if (!smtp_mail_parse(argument, &rules, &s->arena, &s->tx.mail, &reply))
        return reply;
    if (!judge_hold(&s->tx.mail, clock_wall_ms()))
        return SMTP_REPLY(554, 5, 5, 4, "hold time is past or too far away");
    reply = steer_mail(s);
    if (reply.code == 0)
        reply = s->server->policy->mail(s);
    if (!smtp_reply_is_positive(&reply))
        return reply;
    s->tx.began_us = clock_monotonic_us();
    smtpd_session_enter(s, SMTPD_MAIL);
    return reply;
}

static struct smtp_reply check_limits(const struct smtpd_session *s)
{
    const struct smtpd_config *config = s->server->config;
    if (config->tls_needed && !session_is_tls(s->conn))
        return SMTP_REPLY(530, 5, 7, 0, "TLS is needed");
    if (s->tx.recipients.len >= config->recipients_max)
        return SMTP_REPLY(452, 4, 5, 3, "too many recipients");
    /* RFC 5321 4.5.5: what has no sender is a notice, and goes to one. */
    if (!config->submission && s->tx.recipients.len > 0 && smtp_path_is_null(&s->tx.mail.from))
        return SMTP_REPLY(452, 4, 5, 3, "one recipient only without a sender");
    return SMTP_REPLY(250, 2, 0, 0, "");
}

/* Who is named twice gets one copy, and nobody is asked twice. */
static bool is_repeated(const struct smtpd_session *s, struct address address)
{
    for (size_t i = 0; i < s->tx.recipients.len; i++)
        if (address_eq(s->tx.recipients.items[i].path.address, address))
            return true;
    return false;
}

struct smtp_reply smtpd_cmd_rcpt(struct smtpd_session *s, struct str argument)
{
    struct smtp_rules rules = rules_of(s);
    struct smtpd_recipient recipient = {0};
    struct smtp_reply reply = check_limits(s);
    if (!smtp_reply_is_positive(&reply) ||
        !smtp_rcpt_parse(argument, &rules, s->tx.mail.smtputf8, &s->arena, &recipient.path, &reply))
        return reply;
    if (is_repeated(s, recipient.path.address))
        return SMTP_REPLY(250, 2, 1, 5, "recipient ok, again");
    reply = steer_recipient(s, recipient.path.address);
    if (reply.code == 0)
        reply = s->server->policy->recipient(s, &recipient);
    if (!smtp_reply_is_positive(&reply)) {
        s->tx.refused++;
        return reply;
    }
    array_push(&s->tx.recipients, recipient);
    smtpd_session_enter(s, SMTPD_RCPT);
    return reply;
}
