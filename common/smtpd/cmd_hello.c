#include "common/smtpd/command.h"

#include "common/base/clock.h"
#include "common/smtpd/server.h"

#include <stdio.h>
#include <time.h>

static bool has_starttls(const struct smtpd_session *s)
{
    return session_can_starttls(s->conn);
}

static bool has_requiretls(const struct smtpd_session *s)
{
    /* RFC 8689 2: announced under TLS only. */
    return s->server->config->requiretls && session_is_tls(s->conn);
}

static bool has_login(const struct smtpd_session *s)
{
    return s->server->policy->auth != NULL;
}

static void write_size(struct smtpd_session *s, struct buf *out)
{
    buf_append_char(out, ' ');
    buf_append_u64(out, s->server->config->message_size_max);
}

static void write_mechanisms(struct smtpd_session *s, struct buf *out)
{
    struct str names = smtpd_auth_mechanisms(s);
    if (names.len > 0)
        buf_append_char(out, ' ');
    buf_append(out, names);
}

/* RFC 4865 3: how long, and until when. */
static void write_future_release(struct smtpd_session *s UNUSED, struct buf *out)
{
    time_t until = (time_t)(clock_wall_s() + SMTPD_HOLD_MAX_S);
    struct tm tm;
    char text[32];
    if (gmtime_r(&until, &tm) && strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) > 0)
        buf_printf(out, " %d %s", SMTPD_HOLD_MAX_S, text);
}

static void write_limits(struct smtpd_session *s, struct buf *out)
{
    buf_printf(out, " RCPTMAX=%u", (unsigned)s->server->config->recipients_max);
}

/* What EHLO announces, in this order. */
static const struct extension {
    const char *keyword;
    bool (*is_offered)(const struct smtpd_session *s); /* NULL: always */
    void (*write_parameters)(struct smtpd_session *s, struct buf *out);
} extensions[] = {
    {"PIPELINING", NULL, NULL},                         /* RFC 2920 */
    {"SIZE", NULL, write_size},                         /* RFC 1870 */
    {"STARTTLS", has_starttls, NULL},                   /* RFC 3207 */
    {"REQUIRETLS", has_requiretls, NULL},               /* RFC 8689 */
    {"AUTH", has_login, write_mechanisms},              /* RFC 4954 */
    {"FUTURERELEASE", has_login, write_future_release}, /* RFC 4865 */
    {"ENHANCEDSTATUSCODES", NULL, NULL},                /* RFC 2034 */
    {"8BITMIME", NULL, NULL},                           /* RFC 6152 */
    {"LIMITS", NULL, write_limits},                     /* RFC 9422 */
    {"SMTPUTF8", NULL, NULL},                           /* RFC 6531 */
};

static struct smtp_reply capabilities(struct smtpd_session *s)
{
    struct buf out;
    buf_init(&out, 2048);
    buf_append(&out, s->server->config->hostname);
    for (size_t i = 0; i < ARRAY_LEN(extensions); i++) {
        if (extensions[i].is_offered && !extensions[i].is_offered(s))
            continue;
        buf_printf(&out, "\n%s", extensions[i].keyword);
        if (extensions[i].write_parameters)
            extensions[i].write_parameters(s, &out);
    }
    struct smtp_reply reply = {.code = 250, .text = arena_copy(&s->arena, buf_str(&out))};
    buf_release(&out);
    return reply;
}

/* Mail programs say anything here, and who logs in is known by that: unless pedantic, submission
 * takes the address of the peer instead. */
static struct smtp_hello hello_of_peer(struct smtpd_session *s)
{
    const char *ip = session_peer(s->conn)->remote_ip;
    bool v6 = str_find_char(str_from_cstr(ip), ':') >= 0;
    return (struct smtp_hello){arena_printf(&s->arena, "[%s%s]", v6 ? "IPv6:" : "", ip), true};
}

static struct smtp_reply say_hello(struct smtpd_session *s, struct str argument, bool extended)
{
    const struct smtpd_config *config = s->server->config;
    struct smtp_hello hello;
    struct smtp_reply reply = SMTP_REPLY_PLAIN(250, "");
    if (config->submission && !config->pedantic)
        hello = hello_of_peer(s);
    else if (!smtp_hello_parse(argument, extended, &s->arena, &hello, &reply))
        return reply;
    if (s->server->policy->hello) {
        reply = s->server->policy->hello(s, &hello, extended);
        if (!smtp_reply_is_positive(&reply))
            return reply;
    }
    /* The name outlives the transaction, and the session arena may be limited: a client that says
     * hello again and again fills neither. */
    if (hello.name.len >= sizeof(s->hello_name))
        return SMTP_REPLY(501, 5, 5, 2, "name too long");
    snprintf(s->hello_name, sizeof(s->hello_name), "%.*s", STR_ARG(hello.name));
    s->hello = (struct smtp_hello){str_from_cstr(s->hello_name), hello.is_literal};
    s->extended = extended;
    smtpd_transaction_end(s);
    smtpd_session_enter(s, SMTPD_READY);
    reply = SMTP_REPLY_PLAIN(250, "");
    reply.text = config->hostname;
    return extended ? capabilities(s) : reply;
}

struct smtp_reply smtpd_cmd_helo(struct smtpd_session *s, struct str argument)
{
    return say_hello(s, argument, false);
}

struct smtp_reply smtpd_cmd_ehlo(struct smtpd_session *s, struct str argument)
{
    return say_hello(s, argument, true);
}

/* RFC 3207 */
struct smtp_reply smtpd_cmd_starttls(struct smtpd_session *s, struct str argument UNUSED)
{
    if (session_is_tls(s->conn))
        return SMTP_REPLY(503, 5, 5, 1, "TLS is active already");
    if (s->identity)
        return SMTP_REPLY(503, 5, 5, 1, "logged in already");
    if (!session_can_starttls(s->conn))
        return SMTP_REPLY(503, 5, 5, 1, "no TLS here");
    s->next = SESSION_STARTTLS;
    return SMTP_REPLY(220, 2, 0, 0, "go ahead");
}
