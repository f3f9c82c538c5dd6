/* Into the queue: the text, the rows, and the sender's limits, in one change. */
#include "services/store/queue_private.h"

#include "common/sys/file.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Limits (spec 10 B10, 20 1.17) */

static bool count_total(struct db *db, uint64_t account_id, int64_t now_ms, uint64_t *ret,
                        struct err *err)
{
    struct db_query q = db_query(db, Q_COUNT_OUTGOING);
    db_bind_u64(&q, account_id);
    db_bind_i64(&q, (now_ms - QUEUE_DAY_MS) / QUEUE_MINUTE_MS);
    *ret = db_step(&q) ? db_column_u64(&q, 0) : 0;
    return db_done(&q, err);
}

/* First-time recipients of the last day; no need to count further than `limit`. */
static bool count_new(struct db *db, uint64_t account_id, int64_t now_ms, uint64_t limit,
                      uint64_t *ret, struct err *err)
{
    struct db_query q = db_query(db, Q_COUNT_NEW);
    db_bind_u64(&q, account_id);
    db_bind_i64(&q, now_ms - QUEUE_DAY_MS);
    db_bind_u64(&q, limit);
    *ret = db_step(&q) ? db_column_u64(&q, 0) : 0;
    return db_done(&q, err);
}

static struct str write_address(const struct queue_address *address, char *text, size_t size)
{
    int n =
        snprintf(text, size, "%.*s@%.*s", STR_ARG(address->localpart), STR_ARG(address->domain));
    return str_make(text, n > 0 && (size_t)n < size ? (size_t)n : size - 1);
}

/* Adds the recipients to those that the account ever wrote to, and counts how many are new. */
static bool add_correspondents(struct db *db, const struct queue_enqueue *request, int64_t now_ms,
                               uint64_t *ret_new, struct err *err)
{
    *ret_new = 0;
    for (size_t i = 0; i < request->recipient_count; i++) {
        char text[512];
        struct db_query q = db_query(db, Q_ADD_CORRESPONDENT);
        db_bind_u64(&q, request->message.account_id);
        db_bind_str(&q, write_address(&request->recipients[i], text, sizeof(text)));
        db_bind_i64(&q, now_ms);
        TRY(db_run(&q, err));
        *ret_new += db_changes(db);
    }
    return true;
}

static bool add_outgoing(struct db *db, const struct queue_enqueue *request, int64_t now_ms,
                         struct err *err)
{
    struct db_query q = db_query(db, Q_ADD_OUTGOING);
    db_bind_u64(&q, request->message.account_id);
    db_bind_i64(&q, now_ms / QUEUE_MINUTE_MS);
    db_bind_u64(&q, request->recipient_count);
    return db_run(&q, err);
}

bool queue_count_outgoing(struct db *db, const struct queue_enqueue *request, int64_t now_ms,
                          struct err *err)
{
    const struct queue_limits *limits = &request->limits;
    uint64_t account_id = request->message.account_id;
    uint64_t total, fresh;
    TRY(count_total(db, account_id, now_ms, &total, err));
    total += request->recipient_count;
    if (total > limits->max_outgoing) {
        err_set(err, ERR_LIMIT, "account %.*s: %u recipients in 24 hours",
                STR_ARG(request->message.account), limits->max_outgoing);
        return err_reply(err,
                         "more than %u recipients in 24 hours; administrators: mailrail account "
                         "set NAME --outgoing-per-day N",
                         limits->max_outgoing);
    }
    TRY(add_correspondents(db, request, now_ms, &fresh, err));
    if (fresh > 0 && total >= limits->max_new_recipients) {
        TRY(count_new(db, account_id, now_ms, (uint64_t)limits->max_new_recipients + 1, &fresh,
                      err));
        if (fresh > limits->max_new_recipients) {
            err_set(err, ERR_LIMIT, "account %.*s: %u first-time recipients in 24 hours",
                    STR_ARG(request->message.account), limits->max_new_recipients);
            return err_reply(err,
                             "more than %u first-time recipients in 24 hours; administrators: "
                             "mailrail account set NAME --new-recipients-per-day N",
                             limits->max_new_recipients);
        }
    }
    return add_outgoing(db, request, now_ms, err);
}

/* ---- Rows */

struct enqueue {
    struct queue *queue;
    const struct queue_enqueue *request;
    int64_t now_ms;
    uint64_t base_id; /* 0: the call was made before */
    uint64_t first_id;
};

static bool find_key(struct db *db, struct enqueue *e, struct err *err)
{
    struct db_query q = db_query(db, Q_FIND_KEY);
    db_bind_blob(&q, e->request->key);
    db_bind_i64(&q, e->now_ms / QUEUE_HOUR_MS);
    e->first_id = db_step(&q) ? db_column_u64(&q, 0) : 0;
    return db_done(&q, err);
}

static bool add_key(struct db *db, const struct enqueue *e, struct err *err)
{
    struct db_query q = db_query(db, Q_ADD_KEY);
    db_bind_blob(&q, e->request->key);
    db_bind_i64(&q, e->now_ms / QUEUE_HOUR_MS);
    db_bind_u64(&q, e->first_id);
    return db_run(&q, err);
}

static bool add_submission(struct db *db, const struct queue_enqueue *request, int64_t now_ms,
                           uint64_t base_id, struct err *err)
{
    const struct queue_submission *s = &request->message;
    struct db_query q = db_query(db, Q_ADD_SUBMISSION);
    db_bind_u64(&q, base_id);
    db_bind_u64(&q, s->account_id);
    db_bind_str(&q, queue_text(s->account));
    db_bind_str(&q, queue_text(s->mail_from.localpart));
    db_bind_str(&q, queue_text(s->mail_from.domain));
    db_bind_u64(&q, request->text.size);
    db_bind_blob(&q, queue_text(s->prefix));
    db_bind_blob(&q, queue_text(s->structure));
    db_bind_u64(&q, s->has_8bit);
    db_bind_u64(&q, s->smtputf8);
    db_bind_u64(&q, s->tls);
    db_bind_str(&q, queue_text(s->message_id));
    db_bind_str(&q, queue_text(s->subject));
    db_bind_str(&q, queue_text(s->future_release));
    db_bind_u64(&q, s->cid);
    db_bind_i64(&q, now_ms);
    db_bind_u64(&q, request->recipient_count);
    return db_run(&q, err);
}

static bool add_message(struct db *db, struct enqueue *e, uint64_t id,
                        const struct queue_address *to, struct err *err)
{
    int64_t due_ms = e->request->hold_until_ms > 0 ? e->request->hold_until_ms : e->now_ms;
    struct db_query q = db_query(db, Q_ADD_MESSAGE);
    db_bind_u64(&q, id);
    db_bind_u64(&q, e->base_id);
    db_bind_str(&q, queue_text(to->localpart));
    db_bind_str(&q, queue_text(to->domain));
    db_bind_u64(&q, e->queue->store->config->queue_max_attempts);
    db_bind_i64(&q, due_ms);
    TRY(db_run(&q, err));
    return queue_destination_due(db, queue_text(to->domain), due_ms, err);
}

/* ---- The text */

static bool add_content(struct db *db, struct str content, uint64_t base_id, struct err *err)
{
    struct db_query q = db_query(db, Q_ADD_CONTENT);
    db_bind_u64(&q, base_id);
    db_bind_blob(&q, queue_text(content));
    return db_run(&q, err);
}

static bool prepare_directory(struct queue *queue, uint64_t base_id, struct err *err)
{
    uint64_t number = base_id / LAYOUT_FILES_PER_DIRECTORY;
    struct layout_path path = layout_queue_message_directory(queue->store->settings->data, base_id);
    if (number != queue->made_directory) {
        TRY(directory_make_durable(path.text, 0770, 3, err)); /* msg/, queue/ and the data's */
        queue->made_directory = number;
    }
    db_group_sync_directory(queue->group, path.text);
    return true;
}

static bool link_file(struct queue *queue, const struct queue_enqueue *request, uint64_t base_id,
                      struct err *err)
{
    struct str data = queue->store->settings->data;
    struct layout_path to = layout_queue_message(data, base_id);
    TRY(prepare_directory(queue, base_id, err));
    return message_text_place(&request->text, data, to.text, err);
}

static bool enqueue(struct db *db, void *ctx, struct err *err)
{
    struct enqueue *e = ctx;
    const struct queue_enqueue *request = e->request;
    TRY(find_key(db, e, err));
    if (e->first_id != 0)
        return true;
    TRY(queue_count_outgoing(db, request, e->now_ms, err));
    TRY(queue_take_ids(db, &e->queue->submission_ids, 1, &e->base_id, err));
    TRY(queue_take_ids(db, &e->queue->message_ids, request->recipient_count, &e->first_id, err));
    TRY(add_submission(db, request, e->now_ms, e->base_id, err));
    for (size_t i = 0; i < request->recipient_count; i++)
        TRY(add_message(db, e, e->first_id + i, &request->recipients[i], err));
    TRY(add_key(db, e, err));
    return request->text.spool_name.len > 0
               ? link_file(e->queue, request, e->base_id, err)
               : add_content(db, request->text.content, e->base_id, err);
}

/* Of a transaction that was taken back; on a full disk nothing else would make room again. */
static void remove_placed(const struct enqueue *e)
{
    if (e->base_id > 0 && e->request->text.spool_name.len > 0)
        unlink(layout_queue_message(e->queue->store->settings->data, e->base_id).text);
}

bool queue_enqueue(struct queue *queue, const struct queue_enqueue *request, int64_t now_ms,
                   uint64_t *ret_first_id, struct err *err)
{
    struct enqueue e = {.queue = queue, .request = request, .now_ms = now_ms};
    static const char *const receivers[] = {"submission", NULL};
    TRY(message_text_check(&request->text, receivers, err));
    if (request->recipient_count == 0)
        return err_set(err, ERR_SYNTAX, "no recipients");
    if (!db_group_run(queue->group, enqueue, &e, DB_DURABLE, err)) {
        remove_placed(&e);
        return err_wrap(err, "enqueue");
    }
    queue_has_committed(queue, e.base_id);
    *ret_first_id = e.first_id;
    queue_nudge(queue, request->hold_until_ms > 0 ? request->hold_until_ms : now_ms);
    return true;
}
