/* The session: connecting, greeting, EHLO, STARTTLS, QUIT. */
#include "services/queue-deliverer/client_private.h"

#include "common/base/bug.h"
#include "common/base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MS 30000
#define HANDSHAKE_MS 60000
#define SESSION_MS (30 * 60000LL)
#define QUIT_MS 5000
#define COMMAND_MAX 4096

int64_t client_deadline(const struct client *c, int64_t ms)
{
    int64_t deadline_ms = clock_monotonic_ms() + ms;
    return deadline_ms < c->end_ms ? deadline_ms : c->end_ms;
}

bool client_write(struct client *c, struct err *err, const char *format, ...)
{
    va_list args;
    char *line = buf_reserve(&c->command, COMMAND_MAX);
    BUG_ON(!line);
    va_start(args, format);
    int n = vsnprintf(line, COMMAND_MAX, format, args);
    va_end(args);
    if (n < 0 || n >= COMMAND_MAX - 2)
        return err_set(err, ERR_LIMIT, "command of %d bytes", n);
    log_trace(&c->log, '>', LOG_TRACE_LINE, str_make(line, (size_t)n));
    memcpy(line + n, "\r\n", 2);
    bool ok = stream_write(c->stream, str_make(line, (size_t)n + 2),
                           client_deadline(c, c->answer_ms), err);
    c->broken |= !ok;
    return ok;
}

bool client_read(struct client *c, int64_t wait_ms, struct smtp_reply *ret_reply, struct err *err)
{
    struct smtp_reply_reader reader;
    int64_t deadline_ms = client_deadline(c, wait_ms);
    bool done = false;
    smtp_reply_reader_init(&reader, &c->arena);
    while (!done) {
        struct str line;
        if (!stream_read_line(c->stream, SMTP_REPLY_LINE_MAX, deadline_ms, &line, err) ||
            !smtp_reply_reader_add(&reader, line, &done, err)) {
            c->broken = true;
            return false;
        }
        log_trace(&c->log, '<', LOG_TRACE_LINE, line);
    }
    *ret_reply = reader.reply;
    c->broken |= reader.reply.code == 421;
    return true;
}

static bool ask(struct client *c, const char *command, struct smtp_reply *ret_reply,
                struct err *err)
{
    return client_write(c, err, "%s", command) && client_read(c, c->answer_ms, ret_reply, err);
}

/* ---- Capabilities */

/* RFC 9422 3: words "NAME=value". One bad or doubled word makes the whole announcement void. */
static unsigned parse_rcpt_max(struct str limits)
{
    uint64_t rcpt_max = 0;
    bool seen = false;
    while (limits.len > 0) {
        struct str word, name, value;
        uint64_t number;
        str_cut(limits, ' ', &word, &limits);
        if (word.len == 0)
            continue;
        if (!str_cut(word, '=', &name, &value) || name.len == 0 || value.len > 6 ||
            !str_to_u64(value, 999999, &number) || number == 0)
            return 0;
        if (!str_eq_nocase(name, STR("RCPTMAX")))
            continue;
        if (seen)
            return 0;
        seen = true;
        rcpt_max = number;
    }
    return (unsigned)rcpt_max;
}

static void read_capabilities(struct client *c, const struct smtp_reply *ehlo)
{
    struct str parameters = STR_NULL;
    c->pipelining = smtp_reply_has_keyword(ehlo, STR("PIPELINING"), NULL);
    c->eightbit = smtp_reply_has_keyword(ehlo, STR("8BITMIME"), NULL);
    c->smtputf8 = smtp_reply_has_keyword(ehlo, STR("SMTPUTF8"), NULL);
    c->starttls = smtp_reply_has_keyword(ehlo, STR("STARTTLS"), NULL);
    c->size = smtp_reply_has_keyword(ehlo, STR("SIZE"), &parameters);
    c->size_max = 0;
    if (c->size && !str_to_u64(str_trim(parameters), INT64_MAX, &c->size_max))
        c->size_max = 0;
    c->rcpt_max = 0;
    if (smtp_reply_has_keyword(ehlo, STR("LIMITS"), &parameters))
        c->rcpt_max = parse_rcpt_max(parameters);
    if (c->rcpt_max == 0 || c->rcpt_max > CLIENT_RECIPIENTS_MAX)
        c->rcpt_max = CLIENT_RECIPIENTS_MAX;
}

static void forget_capabilities(struct client *c)
{
    struct smtp_reply nothing = {0};
    read_capabilities(c, &nothing);
}

/* ---- Setting up */

/* RFC 5321 4.1.1.1. A server that does not know EHLO gets HELO, but not under TLS, which it cannot
 * have learnt without. */
static bool say_hello(struct client *c, struct smtp_reply *reply, struct err *err)
{
    TRY(client_write(c, err, "EHLO %s", c->hostname));
    TRY(client_read(c, c->answer_ms, reply, err));
    if (reply->code == 250) {
        read_capabilities(c, reply);
        return true;
    }
    forget_capabilities(c);
    if (reply->code < 500 || reply->code > 504 || stream_is_tls(c->stream) || c->broken)
        return true;
    TRY(client_write(c, err, "HELO %s", c->hostname));
    return client_read(c, c->answer_ms, reply, err);
}

enum step { STEP_OK, STEP_REFUSED, STEP_FAILED };

/* From the greeting on, without TLS. */
static enum step set_up(struct client *c, struct smtp_reply *reply, struct err *err)
{
    if (!client_read(c, c->answer_ms, reply, err))
        return STEP_FAILED;
    if (reply->code != 220)
        return STEP_REFUSED;
    if (!say_hello(c, reply, err))
        return STEP_FAILED;
    return reply->code == 250 ? STEP_OK : STEP_REFUSED;
}

/* RFC 3207, opportunistic (RFC 7435): any certificate will do, and a server that offers TLS but
 * does not give it is talked to without. */
static enum step secure(struct client *c, struct smtp_reply *reply, struct err *err)
{
    struct stream_tls tls = {.host = str_from_cstr(c->host)};
    if (!ask(c, "STARTTLS", reply, err))
        return STEP_FAILED;
    if (reply->code != 220)
        return c->broken ? STEP_REFUSED : STEP_OK;
    if (!stream_starttls(c->stream, &tls, client_deadline(c, HANDSHAKE_MS), err)) {
        c->broken = true;
        err_wrap(err, "STARTTLS");
        return STEP_FAILED;
    }
    if (!say_hello(c, reply, err))
        return STEP_FAILED;
    return reply->code == 250 ? STEP_OK : STEP_REFUSED;
}

static bool fail(struct client *c, enum step step, const struct smtp_reply *reply, struct err *err,
                 struct client_failure *ret)
{
    char where[sizeof(c->host) + IP_TEXT_SIZE + 4];
    snprintf(where, sizeof(where), "%s (%s)", c->host, c->ip);
    if (step == STEP_REFUSED) {
        ret->verdict = verdict_of_reply(reply);
        /* A greeting or EHLO reply that is positive and yet not what it must be. */
        if (ret->verdict.kind == VERDICT_DELIVERED)
            ret->verdict.kind = VERDICT_TEMPORARY;
    } else {
        err_wrap(err, "%s", where);
        ret->verdict = verdict_of_err(err);
    }
    client_close(c);
    return false;
}

static struct client *new_client(const struct client_target *target, const struct log_ctx *log)
{
    struct client *c = xcalloc(1, sizeof(*c));
    c->log = *log;
    arena_init(&c->arena, 1 << 20);
    buf_init(&c->command, COMMAND_MAX);
    snprintf(c->host, sizeof(c->host), "%.*s", STR_ARG(target->host));
    snprintf(c->hostname, sizeof(c->hostname), "%.*s", STR_ARG(target->hostname));
    ip_format(target->ip, c->ip);
    c->answer_ms = target->answer_ms > 0 ? target->answer_ms : ANSWER_MS;
    c->end_ms = clock_monotonic_ms() + SESSION_MS;
    return c;
}

bool client_open(const struct client_target *target, const struct log_ctx *log,
                 struct client **ret_client, struct client_failure *ret_failure)
{
    struct err err = {0};
    struct smtp_reply reply = {0};
    struct client *c = new_client(target, log);
    *ret_failure = (struct client_failure){0};
    const struct stream_target to = {.ip = target->ip, .port = target->port};
    if (!stream_connect(&to, target->connect_by_ms, &c->stream, &err)) {
        c->broken = true;
        return fail(c, STEP_FAILED, &reply, &err, ret_failure);
    }
    ret_failure->connected = true;
    enum step step = set_up(c, &reply, &err);
    if (step == STEP_OK && target->tls && c->starttls) {
        step = secure(c, &reply, &err);
        ret_failure->tls_failed = step != STEP_OK;
    }
    if (step != STEP_OK)
        return fail(c, step, &reply, &err, ret_failure);
    arena_reset(&c->arena);
    *ret_client = c;
    return true;
}

void client_close(struct client *client)
{
    if (!client)
        return;
    struct err err;
    struct smtp_reply reply;
    if (!client->broken) {
        client->end_ms = client_deadline(client, QUIT_MS);
        if (!ask(client, "QUIT", &reply, &err))
            log_debug(&client->log, "no answer to QUIT", LOG_ERR(&err));
    }
    stream_close(client->stream);
    buf_release(&client->command);
    arena_release(&client->arena);
    free(client);
}

/* ---- Questions */

bool client_is_usable(const struct client *client)
{
    return !client->broken && clock_monotonic_ms() < client->end_ms;
}

unsigned client_messages(const struct client *client)
{
    return client->messages;
}

struct str client_host(const struct client *client)
{
    return str_from_cstr(client->host);
}

const char *client_ip(const struct client *client)
{
    return client->ip;
}

bool client_is_tls(const struct client *client)
{
    return stream_is_tls(client->stream);
}
