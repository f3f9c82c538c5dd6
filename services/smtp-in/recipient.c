#include "services/smtp-in/policy.h"

void smtp_in_log_unknown(const struct smtpd_session *s, struct address address)
{
    struct buf text;
    buf_init(&text, 1024);
    address_write(&text, address);
    log_info(smtpd_log(s), "unknown recipient", LOG_STR("recipient", buf_str(&text)),
             LOG_CSTR("ip", session_peer(s->conn)->remote_ip));
    buf_release(&text);
}

/* What the class of an address means here (spec 10 A9). */
static struct smtp_reply judge(const struct smtpd_session *s, struct address address,
                               const struct backend_target *target)
{
    const struct smtp_in *in = smtpd_user(s);
    switch (target->class) {
    case BACKEND_ACCOUNT:
        return SMTP_REPLY(250, 2, 1, 5, "recipient ok");
    case BACKEND_NOT_LOCAL:
        return SMTP_REPLY(550, 5, 1, 1, "no mail for that domain here");
    case BACKEND_DOMAIN_DISABLED:
        return SMTP_REPLY(450, 4, 2, 1, "the domain is switched off for now");
    case BACKEND_REFUSED:
        return (struct smtp_reply){
            target->error_code, {(uint8_t)(target->error_code / 100), 7, 1}, target->error_text};
    case BACKEND_UNKNOWN:
        break;
    }
    if (in->config->hide_unknown)
        return SMTP_REPLY(250, 2, 1, 5, "recipient ok"); /* until the message is there */
    smtp_in_log_unknown(s, address);
    return SMTP_REPLY(550, 5, 1, 1, "no such user");
}

/* Whose mailbox an address means. Mail for others is no business of ours, unless a laptop catches
 * it. */
static bool find_target(struct smtpd_session *s, struct address address, struct backend_target *ret,
                        struct err *err)
{
    struct smtp_in *in = smtpd_user(s);
    uint64_t cid = session_cid(s->conn);
    *ret = (struct backend_target){.class = BACKEND_NOT_LOCAL};
    TRY(address_is_literal(address) ||
        backend_resolve(in->backend, cid, address, &s->arena, ret, err));
    return ret->class != BACKEND_NOT_LOCAL || in->catch_all.domain.len == 0 ||
           backend_resolve(in->backend, cid, in->catch_all, &s->arena, ret, err);
}

struct smtp_reply smtp_in_check_recipient(struct smtpd_session *s,
                                          struct smtpd_recipient *recipient)
{
    struct smtp_in *in = smtpd_user(s);
    struct address address = recipient->path.address;
    if (address_is_literal(address) && in->catch_all.domain.len == 0)
        return SMTP_REPLY(550, 5, 1, 1, "no mail for IP addresses here");
    /* What is hidden cannot be refused later for one recipient and not for another. */
    if (in->config->hide_unknown && s->tx.recipients.len > 0)
        return SMTP_REPLY(452, 4, 5, 3, "one recipient a message");
    struct backend_target *target = arena_new(&s->arena, struct backend_target);
    if (!target)
        return SMTP_REPLY(452, 4, 5, 3, "too many recipients");
    struct err err;
    if (!find_target(s, address, target, &err))
        return smtpd_failed(s, "cannot look up a recipient", &err);
    struct smtp_reply reply = judge(s, address, target);
    if (smtp_reply_is_positive(&reply) &&
        partial_take_deferral(in->partial, s->tx.mail.from.address, address))
        return SMTP_REPLY(452, 4, 2, 2, "the mailbox could not take this message, try again later");
    recipient->target = target;
    return reply;
}
