#include "common/smtpd/session.h"

#include "common/base/clock.h"
#include "common/mail/compose.h"
#include "common/smtpd/server.h"

#include <string.h>

/* Which states may follow; `smtpd_session_enter` checks it. STARTTLS and EHLO start over. */
#define TO(state) (1u << (state))
static const unsigned edges[SMTPD_STATE_COUNT] = {
    [SMTPD_GREETED] = TO(SMTPD_READY) | TO(SMTPD_GREETED),
    [SMTPD_READY] = TO(SMTPD_READY) | TO(SMTPD_GREETED) | TO(SMTPD_AUTH) | TO(SMTPD_MAIL),
    [SMTPD_AUTH] = TO(SMTPD_READY) | TO(SMTPD_AUTH),
    [SMTPD_MAIL] = TO(SMTPD_READY) | TO(SMTPD_RCPT),
    [SMTPD_RCPT] = TO(SMTPD_READY) | TO(SMTPD_RCPT) | TO(SMTPD_DATA),
    [SMTPD_DATA] = TO(SMTPD_READY),
};

/* What the protocol trace may show of lines in this state (spec 10 A30). */
static enum log_trace_kind trace_of(enum smtpd_state state)
{
    return state == SMTPD_DATA   ? LOG_TRACE_DATA
           : state == SMTPD_AUTH ? LOG_TRACE_AUTH
                                 : LOG_TRACE_LINE;
}

void smtpd_session_enter(struct smtpd_session *s, enum smtpd_state state)
{
    BUG_ON(!(edges[s->state] & TO(state)));
    if (trace_of(s->state) != trace_of(state))
        session_set_trace(s->conn, trace_of(state));
    s->state = state;
}

void smtpd_transaction_end(struct smtpd_session *s)
{
    if (s->state < SMTPD_MAIL)
        return;
    if (s->tx.refused > 0 && s->tx.recipients.len == 0)
        s->bad++; /* who only asks for names is no friend either */
    if (s->state == SMTPD_DATA) {
        spool_discard(&s->tx.spool);
        atomic_fetch_sub(&s->server->receiving, 1);
    }
    array_release(&s->tx.recipients);
    s->tx = (struct smtpd_transaction){0};
    arena_reset(&s->arena);
    smtpd_session_enter(s, SMTPD_READY);
}

void smtpd_exchange_end(struct smtpd_session *s)
{
    s->auth = (struct smtpd_exchange){0};
    arena_wipe(&s->auth_arena);
}

const struct smtpd_config *smtpd_config(const struct smtpd_session *s)
{
    return s->server->config;
}

void *smtpd_user(const struct smtpd_session *s)
{
    return s->server->user;
}

struct log_ctx *smtpd_log(const struct smtpd_session *s)
{
    return session_log(s->conn);
}

void smtpd_slow_down(struct smtpd_session *s)
{
    session_set_slow(s->conn, true);
}

/* "TLSv1.3" is written without its v: "TLS1.3 TLS_AES_128_GCM_SHA256". */
static struct str tls_text(const struct smtpd_session *s, char *text, size_t size)
{
    const char *version = session_tls_version(s->conn);
    if (strncmp(version, "TLSv", 4) == 0)
        snprintf(text, size, "TLS%s %s", version + 4, session_tls_cipher(s->conn));
    else
        snprintf(text, size, "%s %s", version, session_tls_cipher(s->conn));
    return str_from_cstr(text);
}

void smtpd_write_received(const struct smtpd_session *s, const struct address *recipient,
                          struct buf *out)
{
    const struct smtpd_config *config = s->server->config;
    const struct session_peer *peer = session_peer(s->conn);
    bool tls = session_is_tls(s->conn);
    char tls_buffer[128];
    /* Where a user sits is nobody's business: submission names itself. */
    bool hidden = config->submission;
    struct received received = {
        .hello = hidden ? config->hostname : s->hello.name,
        .remote_ip = hidden ? STR("") : str_from_cstr(peer->remote_ip),
        .by_host = config->hostname,
        .local_ip = hidden ? STR("") : str_from_cstr(peer->local_ip),
        .protocol =
            compose_received_protocol(s->extended, s->tx.mail.smtputf8, tls, s->identity != NULL),
        .requiretls = s->tx.mail.requiretls,
        .id = str_from_cstr(s->id),
        .tls = tls ? tls_text(s, tls_buffer, sizeof(tls_buffer)) : STR(""),
        .recipient = recipient,
        .date = {.time_s = clock_wall_s()},
        .smtputf8 = s->tx.mail.smtputf8,
    };
    compose_received(out, &received);
}

#define ENCODED_STRUCTURE_MAX (16u << 20)

bool smtpd_encode_structure(struct smtpd_session *s, const struct structure *structure,
                            struct str *ret, struct err *err)
{
    struct buf out;
    buf_init(&out, ENCODED_STRUCTURE_MAX);
    bool ok = structure_encode(structure, &s->arena, &out, err);
    if (ok)
        *ret = arena_copy(&s->arena, buf_str(&out));
    buf_release(&out);
    if (ok && str_is_null(*ret))
        return err_set(err, ERR_LIMIT, "structure too large");
    return ok;
}

struct smtp_reply smtpd_with_id(struct smtpd_session *s, struct smtp_reply reply)
{
    if (reply.code < 400)
        return reply;
    struct str text = arena_printf(&s->arena, "%.*s (%s)", STR_ARG(reply.text), s->id);
    if (!str_is_null(text))
        reply.text = text;
    return reply;
}

struct smtp_reply smtpd_failed(struct smtpd_session *s, const char *what, const struct err *err)
{
    bool passes = err_is_transient(err->kind) && err->kind != ERR_NO_SPACE;
    if (passes || err->kind == ERR_LIMIT || err->kind == ERR_NOT_FOUND)
        log_warn(smtpd_log(s), what, LOG_ERR(err));
    else
        log_error(smtpd_log(s), what, LOG_ERR(err));
    struct smtp_reply reply = smtp_reply_of_err(err);
    reply.text = arena_copy(&s->arena, reply.text);
    return reply;
}
