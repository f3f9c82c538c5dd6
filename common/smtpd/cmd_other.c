#include "common/smtpd/command.h"

struct smtp_reply smtpd_cmd_rset(struct smtpd_session *s, struct str argument UNUSED)
{
    smtpd_transaction_end(s);
    return SMTP_REPLY(250, 2, 0, 0, "forgotten");
}

struct smtp_reply smtpd_cmd_noop(struct smtpd_session *s UNUSED, struct str argument UNUSED)
{
    return SMTP_REPLY(250, 2, 0, 0, "ok");
}

struct smtp_reply smtpd_cmd_help(struct smtpd_session *s UNUSED, struct str argument UNUSED)
{
    return SMTP_REPLY(214, 2, 0, 0, "see RFC 5321");
}

/* VRFY and EXPN: nothing is told about anybody (RFC 5321 7.3). */
struct smtp_reply smtpd_cmd_vrfy(struct smtpd_session *s UNUSED, struct str argument UNUSED)
{
    return SMTP_REPLY(252, 2, 7, 0, "send it and see");
}

struct smtp_reply smtpd_cmd_quit(struct smtpd_session *s, struct str argument UNUSED)
{
    s->next = SESSION_CLOSE;
    return SMTP_REPLY(221, 2, 0, 0, "bye");
}
