#include "common/bus/call_key.h"
#include "services/submission/policy.h"

static const struct address *recipients_of(struct smtpd_session *s)
{
    struct address *all = arena_new_array(&s->arena, s->tx.recipients.len, struct address);
    for (size_t i = 0; all && i < s->tx.recipients.len; i++)
        all[i] = s->tx.recipients.items[i].path.address;
    return all;
}

static struct backend_message message_of(struct smtpd_session *s)
{
    const struct draft *draft = s->tx.examined;
    const struct backend_login *login = s->identity;
    const struct spool_file *spool = &s->tx.spool;
    struct backend_message message = {
        .token = login->token,
        .spool_name = str_from_cstr(spool->name),
        .content = spool_content(spool),
        .size = spool->size,
        .prefix = draft->prefix,
        .mail_from = s->tx.mail.from.address,
        .recipients = recipients_of(s),
        .recipient_count = s->tx.recipients.len,
        .has_8bit = s->tx.data.has_8bit,
        .smtputf8 = s->tx.mail.smtputf8,
        .tls = draft->tls,
        .message_id = draft->message_id,
        .subject = draft->subject,
        .hold_until_ms = s->tx.mail.hold_until_ms,
        .future_release = s->tx.mail.future_release,
        .structure = draft->structure,
    };
    call_key_make(message.key);
    return message;
}

struct smtp_reply submission_enqueue(struct smtpd_session *s)
{
    struct submission *submission = smtpd_user(s);
    struct backend_message message = message_of(s);
    struct err err;
    if (!message.recipients)
        return SMTP_REPLY(452, 4, 5, 3, "too many recipients");
    if (backend_enqueue(submission->backend, session_cid(s->conn), &message, &s->arena, &err))
        return SMTP_REPLY(250, 2, 2, 0, "it is on its way");
    struct smtp_reply reply = submission_failed(s, "cannot queue a message", &err);
    if (err.kind != ERR_LIMIT)
        return reply;
    /* Which limit, and who can raise it, is said in store's text. */
    return (struct smtp_reply){451, {4, 7, 1}, reply.text};
}
