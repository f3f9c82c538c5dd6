#include "common/smtpd/command.h"

#include "common/base/clock.h"
#include "common/smtpd/server.h"
#include "common/smtpd/steer.h"

#define LARGE (100u << 20)
/* So many messages are collected in memory at a time, in all 64 MiB; more of them become files. */
#define RECEIVING_IN_MEMORY_MAX 1024

struct smtp_reply smtpd_storage_failed(struct smtpd_session *s, const struct err *err)
{
    struct smtp_reply reply = smtpd_failed(s, "cannot spool", err);
    if (!smtp_reply_is_transient(&reply))
        return SMTP_REPLY(451, 4, 3, 0, "internal problem, try again later");
    return reply;
}

struct smtp_reply smtpd_cmd_data(struct smtpd_session *s, struct str argument UNUSED)
{
    const struct smtpd_config *config = s->server->config;
    spool_init(&s->tx.spool, config->data, config->name);
    if (atomic_fetch_add(&s->server->receiving, 1) >= RECEIVING_IN_MEMORY_MAX)
        spool_keep_little(&s->tx.spool);
    smtp_data_init(&s->tx.data);
    s->tx.deadline_ms = clock_monotonic_ms() + config->data_timeout_ms;
    smtpd_session_enter(s, SMTPD_DATA);
    return SMTP_REPLY_PLAIN(354, "go on, end with a dot");
}

/* The connection cannot be used further: what is still coming would be taken for commands. */
static struct smtp_reply give_up(struct smtpd_session *s, struct smtp_reply reply)
{
    s->next = SESSION_CLOSE;
    s->bad++;
    smtpd_transaction_end(s);
    return reply;
}

static struct smtp_reply too_large(struct smtpd_session *s)
{
    return give_up(s, s->server->config->message_size_max >= LARGE
                          ? SMTP_REPLY(451, 4, 3, 4, "message too large for this server")
                          : SMTP_REPLY(451, 4, 2, 3, "message too large"));
}

static struct smtp_reply examine(struct smtpd_session *s, struct str message)
{
    struct smtp_reply reply = s->server->policy->examine(s, message);
    struct smtp_reply steered = {0};
    if (smtp_reply_is_positive(&reply))
        steered = steer_data(s);
    return steered.code != 0 ? steered : reply;
}

/* Judges and hands over a message that came whole: a small one from memory, a larger one from its
 * file, mapped. */
static struct smtp_reply hand_over(struct smtpd_session *s)
{
    struct spool_file *spool = &s->tx.spool;
    struct spool_text text;
    struct err err;
    if (!spool_is_in_memory(spool) && !spool_finish(spool, &err))
        return smtpd_storage_failed(s, &err);
    if (!spool_text_open(spool, &text, &err))
        return smtpd_storage_failed(s, &err);
    struct smtp_reply reply = examine(s, text.bytes);
    spool_text_close(&text);
    return smtp_reply_is_positive(&reply) ? s->server->policy->accept(s) : reply;
}

static void log_transaction(const struct smtpd_session *s, const struct smtp_reply *reply)
{
    struct buf from;
    buf_init(&from, 1024);
    smtp_path_write(&from, &s->tx.mail.from);
    log_info(smtpd_log(s), smtp_reply_is_positive(reply) ? "message accepted" : "message refused",
             LOG_STR("from", buf_str(&from)), LOG_U64("recipients", s->tx.recipients.len),
             LOG_U64("size", s->tx.data.size), LOG_U64("code", reply->code),
             LOG_STR("reply", reply->text), LOG_CSTR("ip", session_peer(s->conn)->remote_ip),
             LOG_STR("hello", s->hello.name), LOG_CSTR("id", s->id),
             LOG_I64("duration_us", clock_monotonic_us() - s->tx.began_us));
    buf_release(&from);
}

/* The end of the data: the transaction is over, whatever the answer (RFC 5321 4.1.1.4). */
static struct smtp_reply finish(struct smtpd_session *s)
{
    struct smtp_reply reply = s->tx.failure;
    if (reply.code == 0 && s->tx.data.bad) {
        reply = SMTP_REPLY(500, 5, 5, 2, "");
        reply.text = arena_printf(&s->arena, "%s in the message: this looks like SMTP smuggling",
                                  s->tx.data.bad);
    }
    if (reply.code == 0)
        reply = hand_over(s);
    if (smtp_reply_is_positive(&reply))
        s->good++;
    else
        s->bad++;
    log_transaction(s, &reply);
    smtpd_count_message(s->server, &reply, s->tx.data.size);
    return reply;
}

struct smtp_reply smtpd_data_chunk(struct smtpd_session *s, struct str chunk)
{
    struct smtpd_transaction *tx = &s->tx;
    struct str span;
    struct err err;
    while (smtp_data_next(&tx->data, &chunk, &span)) {
        if (tx->data.size > s->server->config->message_size_max)
            return too_large(s);
        if (tx->failure.code == 0 && !spool_write(&tx->spool, span, &err))
            tx->failure = smtpd_storage_failed(s, &err); /* the rest is read and dropped */
    }
    if (tx->data.ended)
        return finish(s);
    if (clock_monotonic_ms() > tx->deadline_ms)
        return give_up(s, SMTP_REPLY(421, 4, 4, 2, "the message took too long"));
    return (struct smtp_reply){0};
}
