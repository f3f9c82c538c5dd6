#include "common/base/clock.h"
#include "common/bus/call_key.h"
#include "common/mail/compose.h"
#include "common/mail/header.h"
#include "common/mail/structure.h"
#include "services/smtp-in/decide.h"
#include "services/smtp-in/policy.h"

#include <stdlib.h>

#define PREFIX_MAX 8192
#define HIDING_DELAY_MS 5000

/* What `examine` found out, for `deliver`. */
struct draft {
    struct str structure;
    struct address from;
};

/* The one address of From; left empty when there are none or several (spec 10 A12). */
static void find_from(struct draft *draft, const struct structure *structure)
{
    struct err none;
    if (!address_list_single(structure->envelope->from, &draft->from, &none))
        draft->from = (struct address){STR(""), STR("")};
}

/* All recipients at once: hiding takes one a message. */
static struct smtp_reply refuse_hidden(struct smtpd_session *s)
{
    session_delay(s->conn, HIDING_DELAY_MS);
    smtp_in_log_unknown(s, s->tx.recipients.items[0].path.address);
    return SMTP_REPLY(550, 5, 1, 1, "no such user");
}

struct smtp_reply smtp_in_examine(struct smtpd_session *s, struct str message)
{
    const struct backend_target *first = s->tx.recipients.items[0].target;
    if (first->class != BACKEND_ACCOUNT)
        return refuse_hidden(s);
    struct evidence evidence = {.header = str_slice(message, 0, header_size(message))};
    struct verdict verdict = decide(&evidence);
    log_debug(smtpd_log(s), "decision", LOG_CSTR("reason", verdict.reason));
    if (verdict.decision == DECISION_REFUSE)
        return verdict.reply;

    struct draft *draft = arena_new(&s->arena, struct draft);
    if (!draft)
        return SMTP_REPLY(452, 4, 3, 1, "too much at once");
    struct err err;
    const struct structure *structure = structure_parse(message, &s->arena);
    find_from(draft, structure);
    if (!smtpd_encode_structure(s, structure, &draft->structure, &err))
        return smtpd_failed(s, "cannot encode the structure of a message", &err);
    s->tx.examined = draft;
    return SMTP_REPLY(250, 2, 0, 0, "fine");
}

/* RFC 5321 4.4, RFC 9228: one copy for each recipient, and each says whose it is. */
static struct str trace_headers(struct smtpd_session *s, struct address recipient)
{
    const struct smtp_path *from = &s->tx.mail.from;
    struct buf out;
    buf_init(&out, PREFIX_MAX);
    compose_return_path(&out, smtp_path_is_null(from) ? NULL : &from->address, s->tx.mail.smtputf8);
    buf_append_cstr(&out, "Delivered-To: ");
    address_write(&out, recipient);
    buf_append_cstr(&out, "\r\n");
    smtpd_write_received(s, &recipient, &out);
    struct str prefix = out.overflow ? STR_NULL : arena_copy(&s->arena, buf_str(&out));
    buf_release(&out);
    return prefix;
}

static bool address_recipients(struct smtpd_session *s, struct backend_message *message)
{
    size_t count = s->tx.recipients.len;
    struct backend_recipient *recipients =
        arena_new_array(&s->arena, count, struct backend_recipient);
    for (size_t i = 0; recipients && i < count; i++) {
        const struct smtpd_recipient *recipient = &s->tx.recipients.items[i];
        struct address address = recipient->path.address;
        if (smtp_path_is_bare_postmaster(&recipient->path))
            address.domain = smtpd_config(s)->hostname;
        recipients[i] = (struct backend_recipient){
            .target = recipient->target,
            .address = recipient->path.address,
            .prefix = trace_headers(s, address),
        };
        if (str_is_null(recipients[i].prefix))
            return false;
    }
    message->recipients = recipients;
    message->recipient_count = count;
    return recipients != NULL;
}

static void fill_message(struct smtpd_session *s, struct backend_message *message)
{
    const struct draft *draft = s->tx.examined;
    bool tls = session_is_tls(s->conn);
    const struct spool_file *spool = &s->tx.spool;
    *message = (struct backend_message){
        .spool_name = str_from_cstr(spool->name),
        .content = spool_content(spool),
        .size = spool->size,
        .received_ms = clock_wall_ms(),
        .structure = draft->structure,
        .peer = session_peer(s->conn),
        .tls_version = tls ? str_from_cstr(session_tls_version(s->conn)) : STR(""),
        .tls_cipher = tls ? str_from_cstr(session_tls_cipher(s->conn)) : STR(""),
        .hello = s->hello.name,
        .mail_from = s->tx.mail.from.address,
        .from = draft->from,
        .requiretls = s->tx.mail.requiretls,
        .smtputf8 = s->tx.mail.smtputf8,
    };
}

/* A fresh key, or that of an earlier attempt that some recipients have already. */
static void choose_key(struct smtpd_session *s, unsigned char key[CALL_KEY_SIZE])
{
    struct smtp_in *in = smtpd_user(s);
    struct spool_text text;
    struct err err;
    if (!partial_is_empty(in->partial) && spool_text_open(&s->tx.spool, &text, &err)) {
        bool found = partial_find_key(in->partial, s->tx.mail.from.address, text.bytes, key);
        spool_text_close(&text);
        if (found)
            return;
    }
    call_key_make(key);
}

static void remember_key(struct smtpd_session *s, const unsigned char key[CALL_KEY_SIZE])
{
    struct smtp_in *in = smtpd_user(s);
    struct spool_text text;
    struct err err;
    if (!spool_text_open(&s->tx.spool, &text, &err))
        return;
    partial_remember_key(in->partial, s->tx.mail.from.address, text.bytes, key);
    spool_text_close(&text);
}

static struct smtp_reply reply_of_failure(struct smtpd_session *s, const struct err *err)
{
    if (err->kind == ERR_LIMIT)
        return SMTP_REPLY(452, 4, 2, 2, "the mailbox is full");
    return smtpd_failed(s, "cannot deliver", err);
}

/* One answer for all recipients. When some have the message and others do not, the sender is to
 * come again: see partial.h. */
static struct smtp_reply conclude(struct smtpd_session *s, const struct backend_message *message,
                                  const struct err *errors)
{
    struct smtp_in *in = smtpd_user(s);
    struct smtp_reply reply = {0};
    size_t failed = 0;
    for (size_t i = 0; i < message->recipient_count; i++) {
        if (errors[i].kind == ERR_NONE)
            continue;
        struct smtp_reply one = reply_of_failure(s, &errors[i]);
        if (failed++ > 0 && one.code != reply.code)
            one = SMTP_REPLY(451, 4, 3, 0, "cannot deliver now");
        reply = one;
    }
    if (failed == 0) {
        partial_forget_key(in->partial, message->key);
        return SMTP_REPLY(250, 2, 2, 0, "it is in the mailbox");
    }
    if (failed == message->recipient_count)
        return reply;
    remember_key(s, message->key);
    for (size_t i = 0; i < message->recipient_count; i++)
        if (errors[i].kind != ERR_NONE)
            partial_defer(in->partial, message->mail_from, message->recipients[i].address);
    return SMTP_REPLY(451, 4, 3, 0, "some mailboxes could not take it, send it again");
}

struct smtp_reply smtp_in_deliver(struct smtpd_session *s)
{
    struct smtp_in *in = smtpd_user(s);
    struct backend_message message;
    struct err err;
    /* Recipients share a file; one alone takes a small message faster out of the call. */
    if (s->tx.recipients.len > 1 && spool_is_in_memory(&s->tx.spool) &&
        !spool_finish(&s->tx.spool, &err))
        return smtpd_storage_failed(s, &err);
    fill_message(s, &message);
    choose_key(s, message.key);
    struct err *errors = arena_new_array(&s->arena, s->tx.recipients.len, struct err);
    if (!errors || !address_recipients(s, &message))
        return SMTP_REPLY(451, 4, 3, 0, "too large to deliver now");
    if (backend_deliver(in->backend, session_cid(s->conn), &message, &s->arena, errors, &err))
        return conclude(s, &message, errors);
    if (err.kind == ERR_TIMEOUT)
        remember_key(s, message.key); /* perhaps they have it */
    struct smtp_reply reply = smtpd_failed(s, "cannot deliver", &err);
    return smtp_reply_is_transient(&reply) ? reply : SMTP_REPLY(451, 4, 3, 0, "cannot deliver now");
}
