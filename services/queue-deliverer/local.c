#include "services/queue-deliverer/local.h"

#include "common/base/clock.h"
#include "common/mail/compose.h"
#include "common/service/spool.h"
#include "common/sys/file.h"
#include "services/queue-deliverer/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include <openssl/sha.h>

#define PREFIX_MAX (512 * 1024)

/* What each class of address means for a message in hand; spec 10 A9, A10. */
static bool judge(const struct local_address *to, struct verdict *ret)
{
    switch (to->class) {
    case LOCAL_ACCOUNT:
        return false;
    case LOCAL_UNKNOWN:
        *ret = verdict_make(VERDICT_PERMANENT, 1, 1, "no such address here");
        break;
    case LOCAL_DOMAIN_DISABLED:
        *ret = verdict_make(VERDICT_TEMPORARY, 2, 1, "the domain is switched off for now");
        break;
    case LOCAL_REFUSED:
        *ret = verdict_make(to->error_code >= 500 ? VERDICT_PERMANENT : VERDICT_TEMPORARY, 7, 1,
                            "%.*s", STR_ARG(to->error_text));
        break;
    case LOCAL_NOT_OURS:
        *ret = verdict_make(VERDICT_TEMPORARY, 3, 5, "the domain has just left this server");
        break;
    }
    return true;
}

/* Delivered-To (RFC 9228), Return-Path (RFC 5321 4.4), Received, and what submission had put in
 * front. */
static struct str make_prefix(const struct delivery *d, struct job *job, struct address to)
{
    struct buf out;
    buf_init(&out, PREFIX_MAX);
    bool null_path = job->mail_from.localpart.len == 0 && job->mail_from.domain.len == 0;
    const struct received received = {
        .hello = d->settings->hostname,
        .by_host = d->settings->hostname,
        .id = arena_printf(&job->arena, "%" PRIx64, job->cid),
        .recipient = &to,
        .date = {.time_s = clock_wall_s()},
        .smtputf8 = job->smtputf8,
    };
    buf_append_cstr(&out, "Delivered-To: ");
    address_write(&out, to);
    buf_append_cstr(&out, "\r\n");
    compose_return_path(&out, null_path ? NULL : &job->mail_from, job->smtputf8);
    compose_received(&out, &received);
    buf_append(&out, job->prefix);
    struct str prefix = out.overflow ? STR_NULL : arena_copy(&job->arena, buf_str(&out));
    buf_release(&out);
    return prefix;
}

/* The same for each repetition of the call, and for no other message of any queue. */
static void make_key(const struct job *job, unsigned char key[16])
{
    char text[96];
    unsigned char digest[SHA256_DIGEST_LENGTH];
    int n =
        snprintf(text, sizeof(text), "local %" PRIu64 " %" PRId64, job->base_id, job->queued_ms);
    SHA256((const unsigned char *)text, (size_t)n, digest);
    memcpy(key, digest, 16);
}

/* A link to the queue's file in spool/, where store takes it from. Its number is random, because
 * deliverers in other containers may have our process id; the lock keeps a deliverer that starts
 * from taking it for something left behind. */
struct spool_link {
    char name[64];
    struct layout_path path;
    int fd;
};

static bool link_to_spool(const struct delivery *d, const struct job *job, struct spool_link *ret,
                          struct err *err)
{
    struct layout_path from = layout_queue_message(d->settings->data, job->base_id);
    uint64_t number;
    if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
        return err_set_errno(err, errno, "random number for a file name");
    snprintf(ret->name, sizeof(ret->name), "queue-deliverer/%ld-%" PRIu64, (long)getpid(), number);
    ret->path = layout_spool(d->settings->data, str_from_cstr(ret->name));
    TRY(spool_make_directory(d->settings->data, "queue-deliverer", err));
    TRY(file_link_or_copy(from.text, ret->path.text, err)); /* a copy between two mounts */
    ret->fd = open(ret->path.text, O_RDONLY | O_CLOEXEC);
    if (ret->fd >= 0 && flock(ret->fd, LOCK_SH | LOCK_NB) != 0)
        log_debug(&d->log, "its receiver still has the file", LOG_CSTR("name", ret->name));
    return true;
}

static void unlink_from_spool(struct spool_link *link)
{
    unlink(link->path.text);
    fd_cleanup(&link->fd);
}

/* Store takes the text from a file in spool/, or from the call. */
static bool hand_over(struct delivery *d, struct job *job, struct str spool_name,
                      struct str content, struct local_recipient *to, size_t count, struct err *err)
{
    struct local_delivery delivery = {
        .cid = job->cid,
        .spool_name = spool_name,
        .content = content,
        .file_size = job->file_size,
        .structure = job->structure,
        .mail_from = job->mail_from,
        .hello = d->settings->hostname,
        .smtputf8 = job->smtputf8,
        .recipients = to,
        .recipient_count = count,
    };
    make_key(job, delivery.key);
    return backend_deliver(d->backend, &delivery, err);
}

static bool deliver_file(struct delivery *d, struct job *job, struct local_recipient *to,
                         size_t count, struct err *err)
{
    struct spool_link link;
    TRY(link_to_spool(d, job, &link, err));
    bool ok = hand_over(d, job, str_from_cstr(link.name), STR(""), to, count, err);
    unlink_from_spool(&link);
    return ok;
}

/* Several recipients share a file. */
static bool deliver_content(struct delivery *d, struct job *job, struct local_recipient *to,
                            size_t count, struct err *err)
{
    if (count == 1)
        return hand_over(d, job, STR(""), job->content, to, count, err);
    struct spool_file spool;
    spool_init(&spool, d->settings->data, "queue-deliverer");
    bool ok = spool_write(&spool, job->content, err) && spool_finish(&spool, err) &&
              hand_over(d, job, str_from_cstr(spool.name), STR(""), to, count, err);
    spool_discard(&spool);
    return ok;
}

static bool deliver(struct delivery *d, struct job *job, struct local_recipient *to,
                    const size_t *index, size_t count, struct err *err)
{
    if (!handover_commit(job, index, count))
        return err_set(err, ERR_STATE, "given back before it was delivered");
    bool ok = job->in_file ? deliver_file(d, job, to, count, err)
                           : deliver_content(d, job, to, count, err);
    for (size_t i = 0; ok && i < count; i++) {
        job->recipients[index[i]].verdict = to[i].verdict;
        handover_answered(job, &index[i], 1, to[i].verdict.kind == VERDICT_DELIVERED);
    }
    return ok;
}

bool local_deliver(struct delivery *d, struct job *job, bool *ret_local, struct err *err)
{
    struct local_recipient *to =
        arena_new_array(&job->arena, job->recipient_count, struct local_recipient);
    size_t *index = arena_new_array(&job->arena, job->recipient_count, size_t);
    size_t count = 0;
    if (!to || !index)
        return err_set(err, ERR_LIMIT, "too many recipients");
    for (size_t i = 0; i < job->recipient_count; i++) {
        struct recipient *r = &job->recipients[i];
        struct local_address address = {0};
        TRY(backend_resolve(d->backend, job->cid, r->address, &job->arena, &address, err));
        *ret_local = address.class != LOCAL_NOT_OURS;
        if (i == 0 && !*ret_local)
            return true;
        if (judge(&address, &r->verdict))
            continue;
        index[count] = i;
        to[count++] = (struct local_recipient){
            .account_id = address.account_id,
            .mailbox = address.mailbox,
            .address = r->address,
            .prefix = make_prefix(d, job, r->address),
        };
    }
    *ret_local = true;
    if (job->arena.exhausted)
        return err_set(err, ERR_LIMIT, "too many recipients");
    return count == 0 || deliver(d, job, to, index, count, err);
}
