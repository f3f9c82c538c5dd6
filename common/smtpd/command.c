#include "common/smtpd/command.h"

#include "common/base/clock.h"
#include "common/smtpd/server.h"

#include <stdio.h>

#define REFUSALS_LOGGED_MAX 20 /* of a session: a stranger does not fill the log */

#define IN(state) (1u << (state))
#define ANY_STATE (IN(SMTPD_GREETED) | IN(SMTPD_READY) | IN(SMTPD_MAIL) | IN(SMTPD_RCPT))

enum command_flags {
    NO_ARGUMENT = 1,
    NEEDS_ARGUMENT = 2,
    NEEDS_LOGIN = 4, /* where logging in is possible */
};

static const struct command {
    unsigned states; /* in which it is legal */
    unsigned flags;
    struct smtp_reply (*run)(struct smtpd_session *s, struct str argument);
} commands[SMTP_VERB_COUNT] = {
    [SMTP_VERB_HELO] = {ANY_STATE, NEEDS_ARGUMENT, smtpd_cmd_helo},
    [SMTP_VERB_EHLO] = {ANY_STATE, NEEDS_ARGUMENT, smtpd_cmd_ehlo},
    [SMTP_VERB_STARTTLS] = {IN(SMTPD_READY), NO_ARGUMENT, smtpd_cmd_starttls},
    [SMTP_VERB_AUTH] = {IN(SMTPD_READY), NEEDS_ARGUMENT, smtpd_cmd_auth},
    [SMTP_VERB_MAIL] = {IN(SMTPD_READY), NEEDS_ARGUMENT | NEEDS_LOGIN, smtpd_cmd_mail},
    [SMTP_VERB_RCPT] = {IN(SMTPD_MAIL) | IN(SMTPD_RCPT), NEEDS_ARGUMENT, smtpd_cmd_rcpt},
    [SMTP_VERB_DATA] = {IN(SMTPD_RCPT), NO_ARGUMENT, smtpd_cmd_data},
    [SMTP_VERB_RSET] = {ANY_STATE, NO_ARGUMENT, smtpd_cmd_rset},
    [SMTP_VERB_VRFY] = {ANY_STATE, NEEDS_ARGUMENT, smtpd_cmd_vrfy},
    [SMTP_VERB_EXPN] = {ANY_STATE, NEEDS_ARGUMENT, smtpd_cmd_vrfy},
    [SMTP_VERB_HELP] = {ANY_STATE, 0, smtpd_cmd_help},
    [SMTP_VERB_NOOP] = {ANY_STATE, 0, smtpd_cmd_noop},
    [SMTP_VERB_QUIT] = {ANY_STATE, NO_ARGUMENT, smtpd_cmd_quit},
};

/* Why a command may not come now. */
static struct smtp_reply out_of_order(const struct smtpd_session *s, enum smtp_verb verb)
{
    if (s->state == SMTPD_GREETED)
        return SMTP_REPLY(503, 5, 5, 1, "say EHLO first");
    if (verb == SMTP_VERB_DATA && s->state == SMTPD_MAIL)
        return SMTP_REPLY(503, 5, 5, 1, "no recipients");
    if (verb == SMTP_VERB_RCPT || verb == SMTP_VERB_DATA)
        return SMTP_REPLY(503, 5, 5, 1, "MAIL comes first");
    return SMTP_REPLY(503, 5, 5, 1, "not during a mail transaction");
}

static struct smtp_reply unknown_command(struct smtpd_session *s)
{
    if (s->talks_smtp)
        return SMTP_REPLY(500, 5, 5, 1, "unknown command");
    s->next = SESSION_CLOSE; /* some other protocol */
    return SMTP_REPLY(500, 5, 5, 2, "this is an SMTP server");
}

static struct smtp_reply run_command(struct smtpd_session *s, enum smtp_verb verb,
                                     struct str argument)
{
    const struct command *command = &commands[verb];
    if (verb == SMTP_VERB_UNKNOWN)
        return unknown_command(s);
    s->talks_smtp = true;
    if ((command->flags & NO_ARGUMENT) && !str_is_null(argument))
        return SMTP_REPLY(501, 5, 5, 2, "no argument expected");
    if ((command->flags & NEEDS_ARGUMENT) && argument.len == 0)
        return SMTP_REPLY(501, 5, 5, 2, "an argument is missing");
    if (!(command->states & IN(s->state)))
        return out_of_order(s, verb);
    if ((command->flags & NEEDS_LOGIN) && s->server->policy->auth && !s->identity &&
        !smtpd_log_in_by_key(s))
        return SMTP_REPLY(530, 5, 7, 0, "log in first");
    return command->run(s, argument);
}

/* Trailing blanks are an error (RFC 5321 4.1.1) that strangers are forgiven. */
static struct str without_trailing_blanks(struct str line)
{
    while (line.len > 0 && is_space_or_tab((unsigned char)line.ptr[line.len - 1]))
        line.len--;
    return line;
}

enum session_next smtpd_command_run(struct smtpd_session *s, struct str line)
{
    int64_t began_us = clock_monotonic_us();
    if (!s->server->config->submission)
        line = without_trailing_blanks(line);
    struct str argument;
    enum smtp_verb verb = smtp_verb_take(line, &argument);
    s->next = SESSION_READ;
    struct smtp_reply reply = run_command(s, verb, argument);
    bool names_somebody = verb == SMTP_VERB_MAIL || verb == SMTP_VERB_RCPT;
    return smtpd_answer(s, verb, names_somebody ? argument : STR_NULL, reply, began_us);
}

/* Senders, recipients and refusals of one transaction stay in its arena: somebody who never comes
 * to the message would fill it, and the message needs the rest. */
static bool says_too_much(const struct smtpd_session *s)
{
    return (s->state == SMTPD_MAIL || s->state == SMTPD_RCPT) && s->arena.used > SMTPD_ENVELOPE_MAX;
}

void smtpd_log_refusal(struct smtpd_session *s, const char *what, struct str argument,
                       const struct smtp_reply *reply)
{
    if (reply->code < 400 || s->refusals++ >= REFUSALS_LOGGED_MAX)
        return;
    log_info(smtpd_log(s), "refused", LOG_CSTR("command", what), LOG_STR("argument", argument),
             LOG_U64("code", reply->code), LOG_STR("reply", reply->text),
             LOG_CSTR("ip", session_peer(s->conn)->remote_ip), LOG_CSTR("id", s->id));
}

enum session_next smtpd_answer(struct smtpd_session *s, enum smtp_verb verb, struct str argument,
                               struct smtp_reply reply, int64_t began_us)
{
    if (reply.code == 0)
        return s->next;
    if (says_too_much(s))
        reply = SMTP_REPLY(421, 4, 7, 0, "too much in one transaction");
    if (s->state != SMTPD_DATA) /* the end of a transaction has a line of its own */
        smtpd_log_refusal(s, smtp_verb_name(verb), argument, &reply);
    reply = smtpd_with_id(s, reply);
    smtp_reply_write(session_out(s->conn), &reply);
    smtpd_count_command(s->server, verb, &reply, clock_monotonic_us() - began_us);
    log_debug(smtpd_log(s), "command", LOG_CSTR("verb", smtp_verb_name(verb)),
              LOG_U64("code", reply.code), LOG_STR("text", reply.text));
    if (reply.code == 421)
        s->next = SESSION_CLOSE;
    /* Outside a transaction the arena holds nothing but this reply. */
    if (s->state == SMTPD_GREETED || s->state == SMTPD_READY)
        arena_reset(&s->arena);
    return s->next;
}
