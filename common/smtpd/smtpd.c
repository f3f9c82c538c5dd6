#include "common/smtpd/smtpd.h"

#include "common/base/bug.h"
#include "common/base/clock.h"
#include "common/smtpd/command.h"
#include "common/smtpd/server.h"

#include <stdio.h>

#define COMMAND_MAX 2048       /* spec 10 A3; RFC 5321 4.5.3.1.4 says 512 */
#define CHUNK_MAX (256 * 1024) /* of message data at once */
#define SESSION_ARENA_MAX (64 * 1024)
#define AUTH_ARENA_MAX (64 * 1024)

/* ---- The session server's callbacks */

static void start_over(struct smtpd_session *s)
{
    s->hello = (struct smtp_hello){0};
    s->extended = false;
}

static void refuse(struct session *conn, const char *why)
{
    struct smtp_reply reply = {421, {4, 7, 0}, str_from_cstr(why)};
    smtp_reply_write(session_out(conn), &reply);
}

static enum session_next open_session(struct session *conn)
{
    struct smtpd_session *s = session_state(conn);
    s->conn = conn;
    s->server = session_user(conn);
    s->state = SMTPD_GREETED;
    arena_init(&s->session_arena, SESSION_ARENA_MAX);
    arena_init(&s->arena, SMTPD_ARENA_MAX);
    arena_init(&s->auth_arena, AUTH_ARENA_MAX);
    received_id_encode(&s->server->id_key, session_cid(conn), s->id);
    session_set_read_timeout(conn, s->server->config->read_timeout_ms);
    metric_add(s->server->connections, 1);
    log_debug(session_log(conn), "connection", LOG_CSTR("ip", session_peer(conn)->remote_ip),
              LOG_CSTR("id", s->id));
    buf_printf(session_out(conn), "220 %.*s ESMTP Mailrail\r\n",
               STR_ARG(s->server->config->hostname));
    return SESSION_READ;
}

static size_t frame(struct session *conn, struct str input)
{
    const struct smtpd_session *s = session_state(conn);
    if (s->state == SMTPD_DATA)
        return smtp_data_length(&s->tx.data, str_slice(input, 0, CHUNK_MAX));
    ptrdiff_t end = str_find_char(str_slice(input, 0, COMMAND_MAX), '\n');
    if (end >= 0)
        return (size_t)end + 1;
    return input.len >= COMMAND_MAX ? SESSION_FRAME_BAD : SESSION_FRAME_MORE;
}

/* Lines end in CRLF, or LF alone. */
static struct str without_line_end(struct str line)
{
    line.len--;
    if (str_ends_with(line, STR("\r")))
        line.len--;
    return line;
}

static enum session_next run_data(struct smtpd_session *s, struct str chunk)
{
    int64_t began_us = clock_monotonic_us();
    struct smtp_reply reply = smtpd_data_chunk(s, chunk);
    enum session_next next = smtpd_answer(s, SMTP_VERB_DATA, STR_NULL, reply, began_us);
    if (reply.code == 0)
        return next;
    session_send_now(s->conn); /* removing the spool file takes a moment */
    smtpd_transaction_end(s);
    return next;
}

static enum session_next run(struct session *conn, struct str unit)
{
    struct smtpd_session *s = session_state(conn);
    s->next = SESSION_READ;
    if (s->state == SMTPD_DATA)
        return run_data(s, unit);
    struct str line = without_line_end(unit);
    if (s->state != SMTPD_AUTH)
        return smtpd_command_run(s, line);
    int64_t began_us = clock_monotonic_us();
    return smtpd_answer(s, SMTP_VERB_AUTH, STR_NULL, smtpd_auth_line(s, line), began_us);
}

/* RFC 3207 4.2: everything learnt before TLS is forgotten. */
static enum session_next secured(struct session *conn)
{
    struct smtpd_session *s = session_state(conn);
    smtpd_session_enter(s, SMTPD_GREETED);
    start_over(s);
    return SESSION_READ;
}

static enum session_next last_words(struct session *conn, struct smtp_reply reply)
{
    struct smtpd_session *s = session_state(conn);
    smtpd_log_refusal(s, "", STR_NULL, &reply);
    reply = smtpd_with_id(s, reply);
    smtp_reply_write(session_out(conn), &reply);
    return SESSION_CLOSE;
}

static enum session_next overlong(struct session *conn)
{
    return last_words(conn, SMTP_REPLY(500, 5, 5, 0, "line too long"));
}

static enum session_next timed_out(struct session *conn)
{
    return last_words(conn, SMTP_REPLY(421, 4, 4, 2, "you said nothing for too long"));
}

/* A transaction in progress may end first: this is asked again after each of its commands. */
static enum session_next drain(struct session *conn, bool last)
{
    const struct smtpd_session *s = session_state(conn);
    if (s->state >= SMTPD_MAIL && !last)
        return SESSION_READ;
    return last_words(conn, SMTP_REPLY(421, 4, 3, 2, "shutting down, come again"));
}

static void close_session(struct session *conn)
{
    struct smtpd_session *s = session_state(conn);
    if (!s->server)
        return; /* never opened */
    smtpd_transaction_end(s);
    smtpd_exchange_end(s);
    arena_release(&s->auth_arena);
    arena_release(&s->arena);
    arena_wipe(&s->session_arena); /* session tokens */
    arena_release(&s->session_arena);
}

static const struct session_ops session_ops = {
    .state_size = sizeof(struct smtpd_session),
    .input_max = CHUNK_MAX,
    .refuse = refuse,
    .open = open_session,
    .frame = frame,
    .run = run,
    .secured = secured,
    .overlong = overlong,
    .timeout = timed_out,
    .drain = drain,
    .close = close_session,
};

/* ---- The server */

static void declare_metrics(struct smtpd *server)
{
    struct metrics *m = server->service->metrics;
    const char *name = server->config->name;
    server->command_durations = metrics_histogram(
        m, "mailrail_smtp_command_seconds", "Commands by service, verb, code and enhanced code",
        "service", "command", "code", "enhanced", NULL);
    server->messages =
        metrics_counter(m, "mailrail_smtp_messages_total",
                        "Messages received, by service and reply code", "service", "code", NULL);
    server->logins =
        metrics_counter(m, "mailrail_smtp_logins_total", "SASL exchanges by service and result",
                        "service", "result", NULL);
    server->message_bytes =
        metric_with(metrics_counter(m, "mailrail_smtp_message_bytes_total",
                                    "Bytes of accepted messages", "service", NULL),
                    name, NULL);
    server->connections = metric_with(metrics_counter(m, "mailrail_smtp_connections_total",
                                                      "Connections let in", "service", NULL),
                                      name, NULL);
}

struct smtpd *smtpd_new(const struct smtpd_config *config, const struct smtpd_policy *policy,
                        void *user, struct service *service, struct err *err)
{
    struct smtpd *server = xcalloc(1, sizeof(*server));
    *server = (struct smtpd){.config = config, .policy = policy, .user = user, .service = service};
    server->ops = session_ops;
    server->ops.protocol = config->name;
    if (!received_id_key_open(config->data, &server->id_key, err)) {
        free(server);
        return NULL;
    }
    spool_clean(config->data, config->name);
    declare_metrics(server);
    if (config->limit_connections)
        server->admission = admission_new();
    server->sessions = session_server_new(&(struct session_server_config){
        .log = &service->log,
        .metrics = service->metrics,
        .workers_max = config->workers_max,
        .sessions_max = config->sessions_max,
        .write_timeout_ms = config->read_timeout_ms,
        .next_cid = service_next_cid,
    });
    return server;
}

bool smtpd_use_tls(struct smtpd *server, struct str certificate, struct str key, struct err *err)
{
    struct tls_certificate files = {certificate, key};
    server->tls = tls_context_new_server(
        &(struct tls_server_config){
            .certificates = &files,
            .certificate_count = 1,
            /* Some large senders stumble over tickets (spec 10 A1). */
            .session_tickets = server->config->submission,
            .request_client_certificate = server->config->client_certificates,
        },
        err);
    return server->tls != NULL;
}

bool smtpd_reload_tls(struct smtpd *server, struct err *err)
{
    return !server->tls || tls_context_reload(server->tls, NULL, err);
}

bool smtpd_listen(struct smtpd *server, struct str address, uint16_t port,
                  enum smtpd_listen_mode mode, struct err *err)
{
    if (mode == SMTPD_TLS && !server->tls)
        return err_set(err, ERR_STATE, "port %u needs tls_certificate and tls_key", port);
    struct session_listener listener = {
        .ops = &server->ops,
        .address = address,
        .port = port,
        .tls = mode == SMTPD_PLAIN ? NULL : server->tls,
        .tls_implicit = mode == SMTPD_TLS,
        .proxy_networks = server->config->proxy_networks,
        .proxy_network_count = server->config->proxy_network_count,
        .admission = server->admission,
        .admission_logins = server->config->submission,
        .user = server,
    };
    return session_server_listen(server->sessions, &listener, err);
}

uint16_t smtpd_port(const struct smtpd *server, size_t listener)
{
    return session_server_port(server->sessions, listener);
}

void smtpd_login_ended(struct smtpd *server, const char *ip, bool succeeded)
{
    admission_login_ended(server->admission, ip, succeeded);
}

void smtpd_run(struct smtpd *server)
{
    session_server_run(server->sessions);
}

void smtpd_drain(struct smtpd *server, int64_t grace_ms)
{
    session_server_drain(server->sessions, grace_ms);
}

void smtpd_free(struct smtpd *server)
{
    if (!server)
        return;
    session_server_free(server->sessions);
    tls_context_free(server->tls);
    admission_free(server->admission);
    free(server);
}

/* ---- Counting */

void smtpd_count_command(struct smtpd *server, enum smtp_verb verb, const struct smtp_reply *reply,
                         int64_t duration_us)
{
    char code[8], enhanced[16] = "";
    snprintf(code, sizeof(code), "%u", reply->code);
    if (reply->enhanced[0] != 0)
        snprintf(enhanced, sizeof(enhanced), "%u.%u.%u", reply->enhanced[0], reply->enhanced[1],
                 reply->enhanced[2]);
    metric_observe_us(metric_with(server->command_durations, server->config->name,
                                  smtp_verb_name(verb), code, enhanced, NULL),
                      duration_us);
}

void smtpd_count_message(struct smtpd *server, const struct smtp_reply *reply, uint64_t size)
{
    char code[8];
    snprintf(code, sizeof(code), "%u", reply->code);
    metric_add(metric_with(server->messages, server->config->name, code, NULL), 1);
    if (smtp_reply_is_positive(reply))
        metric_add(server->message_bytes, (int64_t)size);
}
