#ifndef COMMON_SMTPD_COMMAND_H
#define COMMON_SMTPD_COMMAND_H

#include "common/smtpd/session.h"

/*
 * The table of commands, and the functions behind its rows. A function runs one command in the
 * states that its row allows, and returns the reply; code 0 means none. It may set s->next to end
 * the connection or begin TLS.
 */

/* Runs one line, without its line end; for the states of commands. Appends the reply. */
enum session_next smtpd_command_run(struct smtpd_session *s, struct str line);
/* Appends the reply, counts it under `verb`, logs it when it refuses, and returns what follows.
 * `argument`: of the command, where that is no secret and tells who is meant. */
enum session_next smtpd_answer(struct smtpd_session *s, enum smtp_verb verb, struct str argument,
                               struct smtp_reply reply, int64_t began_us);
/* Refusals bear the connection's id: whoever quotes it is found in the log, once for each of the
 * first refusals. `what` was refused. */
void smtpd_log_refusal(struct smtpd_session *s, const char *what, struct str argument,
                       const struct smtp_reply *reply);

/* cmd_hello.c */
struct smtp_reply smtpd_cmd_helo(struct smtpd_session *s, struct str argument);
struct smtp_reply smtpd_cmd_ehlo(struct smtpd_session *s, struct str argument);
struct smtp_reply smtpd_cmd_starttls(struct smtpd_session *s, struct str argument);
/* cmd_auth.c */
struct smtp_reply smtpd_cmd_auth(struct smtpd_session *s, struct str argument);
/* A line in state AUTH. */
struct smtp_reply smtpd_auth_line(struct smtpd_session *s, struct str line);
/* The names for EHLO, separated by spaces; empty when none may be used now. */
struct str smtpd_auth_mechanisms(struct smtpd_session *s);
/* Logs in who has proven a registered key and said no AUTH (spec 10 B6). False: nobody is. */
bool smtpd_log_in_by_key(struct smtpd_session *s);
/* cmd_mail.c */
struct smtp_reply smtpd_cmd_mail(struct smtpd_session *s, struct str argument);
struct smtp_reply smtpd_cmd_rcpt(struct smtpd_session *s, struct str argument);
/* cmd_data.c */
struct smtp_reply smtpd_cmd_data(struct smtpd_session *s, struct str argument);
/* A chunk in state DATA; code 0 until the end. */
struct smtp_reply smtpd_data_chunk(struct smtpd_session *s, struct str chunk);
/* cmd_other.c */
struct smtp_reply smtpd_cmd_rset(struct smtpd_session *s, struct str argument);
struct smtp_reply smtpd_cmd_noop(struct smtpd_session *s, struct str argument);
struct smtp_reply smtpd_cmd_help(struct smtpd_session *s, struct str argument);
struct smtp_reply smtpd_cmd_vrfy(struct smtpd_session *s, struct str argument);
struct smtp_reply smtpd_cmd_quit(struct smtpd_session *s, struct str argument);

#endif
