#include "services/queue-deliverer/notify.h"

#include "common/base/clock.h"
#include "common/mail/dsn.h"
#include "common/mail/header.h"
#include "common/mail/structure.h"
#include "common/service/spool.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/sha.h>

bool recipient_has_failed(const struct job *job, const struct recipient *recipient)
{
    return recipient->verdict.kind == VERDICT_PERMANENT ||
           (recipient->verdict.kind == VERDICT_TEMPORARY &&
            job->attempt >= recipient->max_attempts);
}

static bool is_due(const struct job *job, const struct recipient *r)
{
    return recipient_has_failed(job, r) ||
           (r->verdict.kind == VERDICT_TEMPORARY && r->notify_delay);
}

/* ---- Composing */

static struct str original_header(struct job *job, struct str file)
{
    struct str header = str_slice(file, 0, header_size(file));
    if (str_ends_with(header, STR("\r\n\r\n")))
        header.len -= 2;
    return arena_printf(&job->arena, "%.*s%.*s", STR_ARG(job->prefix), STR_ARG(header));
}

static bool compose(const struct delivery *d, struct job *job, const struct recipient *r,
                    struct str file, struct buf *out, struct err *err)
{
    /* After the last attempt a temporary failure is one for good, in its own words. */
    struct verdict verdict = r->verdict;
    if (recipient_has_failed(job, r)) {
        verdict.kind = VERDICT_PERMANENT;
        if (verdict.enhanced[0] == 4)
            verdict.enhanced[0] = 5;
    }
    struct verdict_status status = verdict_status(&verdict);
    struct verdict_status said = verdict_status(&r->verdict); /* as the server said it */
    struct dsn dsn = {
        .action = recipient_has_failed(job, r) ? DSN_FAILED : DSN_DELAYED,
        .hostname = d->settings->hostname,
        .sender = job->mail_from,
        .recipient = r->address,
        .status = str_from_cstr(status.text),
        .text = str_from_cstr(verdict.text),
        .smtp_code = verdict.code,
        .smtp_enhanced = r->verdict.enhanced[0] != 0 ? str_from_cstr(said.text) : STR(""),
        .remote_host = r->remote_host,
        .remote_ip = r->remote_ip,
        .arrival_s = job->queued_ms / 1000,
        .last_attempt_s = job->started_ms / 1000,
        .will_retry_until_s = r->last_attempt_planned_ms / 1000,
        .attempts = job->attempt,
        .future_release = job->future_release,
        .message_id = job->message_id,
        .subject = job->subject,
        .header = original_header(job, file),
        .smtputf8 = job->smtputf8,
        .now = {.time_s = clock_wall_s()},
    };
    if (getrandom(dsn.random_id, sizeof(dsn.random_id), 0) < 0 ||
        getrandom(dsn.random_boundary, sizeof(dsn.random_boundary), 0) < 0)
        return err_set(err, ERR_INTERNAL, "no random bytes");
    dsn_compose(out, &dsn);
    return !out->overflow || err_set(err, ERR_LIMIT, "the DSN is too long");
}

/* ---- Delivering */

static void make_key(const struct job *job, const struct recipient *r, unsigned char key[16])
{
    char text[128];
    unsigned char digest[SHA256_DIGEST_LENGTH];
    int n = snprintf(text, sizeof(text), "dsn %" PRIu64 " %u %" PRId64, r->queue_id, job->attempt,
                     job->queued_ms);
    SHA256((const unsigned char *)text, (size_t)n, digest);
    memcpy(key, digest, 16);
}

static bool deliver_to(struct delivery *d, const struct job *job, struct local_delivery *delivery,
                       uint64_t account_id, struct err *err)
{
    struct local_recipient to = {
        .account_id = account_id,
        .mailbox = STR("Inbox"),
        .address = job->mail_from,
        .prefix = STR("Return-Path: <>\r\n"), /* RFC 3464 2 */
    };
    delivery->recipients = &to;
    delivery->recipient_count = 1;
    TRY(backend_deliver(d->backend, delivery, err));
    if (to.verdict.kind == VERDICT_DELIVERED)
        return true;
    bool elsewhere =
        to.account_gone || (to.verdict.enhanced[1] == 2 && to.verdict.enhanced[2] == 2);
    return err_set(err, elsewhere ? ERR_NOT_FOUND : ERR_TEMPORARY, "account %" PRIu64 ": %s",
                   account_id, to.verdict.text);
}

static bool deliver_to_postmaster(struct delivery *d, struct job *job,
                                  struct local_delivery *delivery, struct err *err)
{
    const struct address postmaster = {STR("postmaster"), STR("")};
    struct local_address to = {0};
    TRY(backend_resolve(d->backend, job->cid, postmaster, &job->arena, &to, err));
    if (to.class != LOCAL_ACCOUNT)
        return err_set(err, ERR_NOT_FOUND, "no account takes the postmaster's mail");
    return deliver_to(d, job, delivery, to.account_id, err);
}

static bool encode_structure(struct str message, struct buf *out, struct err *err)
{
    struct arena arena;
    arena_init(&arena, STRUCTURE_ARENA_SIZE);
    bool ok = structure_encode(structure_parse(message, &arena), &arena, out, err);
    arena_release(&arena);
    return ok;
}

static bool deliver_spooled(struct delivery *d, struct job *job, const struct recipient *r,
                            struct str message, struct str structure, struct spool_file *spool,
                            struct err *err)
{
    struct local_delivery delivery = {
        .cid = job->cid,
        .file_size = message.len,
        .structure = structure,
        .mail_from = {STR(""), STR("")},
        .hello = d->settings->hostname,
        .smtputf8 = job->smtputf8,
        .is_dsn = true,
    };
    make_key(job, r, delivery.key);
    TRY(spool_write(spool, message, err));
    TRY(spool_is_in_memory(spool) || spool_finish(spool, err));
    delivery.spool_name = str_from_cstr(spool->name);
    delivery.content = spool_content(spool);
    if (deliver_to(d, job, &delivery, job->account_id, err))
        return true;
    if (err->kind != ERR_NOT_FOUND)
        return false;
    log_warn(&d->log, "DSN goes to the postmaster", LOG_STR("account", job->account), LOG_ERR(err));
    return deliver_to_postmaster(d, job, &delivery, err);
}

static bool notify(struct delivery *d, struct job *job, const struct recipient *r, struct str file,
                   struct err *err)
{
    struct buf message, structure;
    struct spool_file spool;
    buf_init(&message, DSN_SIZE_MAX);
    buf_init(&structure, DSN_SIZE_MAX);
    spool_init(&spool, d->settings->data, "queue-deliverer");
    bool ok = compose(d, job, r, file, &message, err) &&
              encode_structure(buf_str(&message), &structure, err) &&
              deliver_spooled(d, job, r, buf_str(&message), buf_str(&structure), &spool, err);
    spool_discard(&spool);
    buf_release(&message);
    buf_release(&structure);
    return ok;
}

void notify_senders(struct delivery *d, struct job *job, struct str file)
{
    struct log_ctx log = log_child(&d->log, NULL, job->cid);
    struct err err;
    if (job->is_dsn) /* RFC 3464 2: never one for another */
        return;
    for (size_t i = 0; i < job->recipient_count; i++) {
        struct recipient *r = &job->recipients[i];
        if (!is_due(job, r))
            continue;
        if (notify(d, job, r, file, &err)) {
            metric_add(d->notices, 1);
            continue;
        }
        if (err.kind == ERR_NOT_FOUND) { /* nobody is left to be told */
            log_error(&log, "DSN for nobody", LOG_U64("queueid", r->queue_id), LOG_ERR(&err));
            continue;
        }
        log_warn(&log, "DSN cannot be delivered now", LOG_U64("queueid", r->queue_id),
                 LOG_ERR(&err));
        r->unreported = true;
    }
}
