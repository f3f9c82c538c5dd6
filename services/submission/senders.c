#include "common/mail/header.h"
#include "services/submission/policy.h"

static struct smtp_reply check_owner(struct smtpd_session *s, struct address address,
                                     const char *refusal)
{
    struct submission *submission = smtpd_user(s);
    struct smtp_reply reply = {550, {5, 7, 1}, str_from_cstr(refusal)};
    if (address_is_literal(address))
        return reply;
    enum backend_sender verdict;
    struct err err;
    if (!backend_check_sender(submission->backend, session_cid(s->conn), s->identity, address,
                              &s->arena, &verdict, &err))
        return submission_failed(s, "cannot check a sender", &err);
    switch (verdict) {
    case BACKEND_SENDER_ALLOWED:
        return SMTP_REPLY(250, 2, 1, 0, "sender ok");
    case BACKEND_SENDER_DOMAIN_DISABLED:
        return SMTP_REPLY(451, 4, 3, 0, "your domain is switched off for now");
    case BACKEND_SENDER_FOREIGN:
        break;
    }
    return reply;
}

struct smtp_reply submission_check_mail(struct smtpd_session *s)
{
    const struct smtp_path *from = &s->tx.mail.from;
    if (smtp_path_is_null(from))
        return SMTP_REPLY(250, 2, 1, 0, "sender ok");
    return check_owner(s, from->address, "this is not your address");
}

/* RFC 6409 8.1: one From header with one address, and that the user's own. Sender is not looked at;
 * MAIL FROM may be another address of the same user. */
struct smtp_reply submission_check_from(struct smtpd_session *s, struct str header,
                                        const struct structure *structure)
{
    struct address from;
    struct err err;
    if (header_count(header, STR("From")) != 1 ||
        !address_list_single(structure->envelope->from, &from, &err))
        return SMTP_REPLY(550, 5, 6, 0, "one From header with one address is needed");
    if (address_eq(from, s->tx.mail.from.address))
        return SMTP_REPLY(250, 2, 1, 0, "sender ok"); /* was asked for at MAIL */
    return check_owner(s, from, "the address in From is not yours");
}
