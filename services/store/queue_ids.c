/* Ids of submissions and messages: never used again, whatever happens. They are given from memory;
 * the sequence on disk is ahead of them, so that most submissions need not write it. */
#include "services/store/queue_private.h"

#include <errno.h>
#include <unistd.h>

#define RESERVED_AT_ONCE 1000

static bool load(struct db *db, struct queue_ids *ids, const char *table, struct err *err)
{
    *ids = (struct queue_ids){.table = table};
    struct db_query q = db_query(db, Q_SEQUENCE);
    db_bind_str(&q, str_from_cstr(table));
    if (db_step(&q))
        ids->reserved = db_column_u64(&q, 0);
    ids->next = ids->reserved + 1;
    return db_done(&q, err);
}

static bool set_sequence(struct db *db, unsigned statement, const struct queue_ids *ids,
                         uint64_t value, struct err *err)
{
    struct db_query q = db_query(db, statement);
    db_bind_u64(&q, value);
    db_bind_str(&q, str_from_cstr(ids->table));
    return db_run(&q, err);
}

/* When the transaction is taken back, SQLite itself raises the sequence with each row that is above
 * it (AUTOINCREMENT), until the next ids are reserved. */
static bool reserve(struct db *db, struct queue_ids *ids, uint64_t up_to, struct err *err)
{
    TRY(set_sequence(db, Q_SET_SEQUENCE, ids, up_to, err));
    if (db_changes(db) == 0)
        TRY(set_sequence(db, Q_BEGIN_SEQUENCE, ids, up_to, err));
    ids->reserved = up_to;
    return true;
}

bool queue_take_ids(struct db *db, struct queue_ids *ids, uint64_t count, uint64_t *ret_first,
                    struct err *err)
{
    uint64_t last = ids->next + count - 1;
    if (last > ids->reserved)
        TRY(reserve(db, ids, last + RESERVED_AT_ONCE, err));
    *ret_first = ids->next;
    ids->next += count;
    return true;
}

static bool remove_leftover(struct queue *queue, uint64_t base_id, struct err *err)
{
    struct layout_path path = layout_queue_message(queue->store->settings->data, base_id);
    bool is_known = true;
    if (access(path.text, F_OK) != 0)
        return errno == ENOENT || err_set_errno(err, errno, "look for %s", path.text);
    TRY(queue_knows(queue, base_id, &is_known, err));
    return is_known || unlink(path.text) == 0 || err_set_errno(err, errno, "remove %s", path.text);
}

/* Their ids were given after the sequence was raised last, or would have been with it. */
bool queue_remove_leftovers(struct queue *queue, struct err *err)
{
    uint64_t reserved = queue->submission_ids.reserved;
    uint64_t first = reserved > RESERVED_AT_ONCE ? reserved - RESERVED_AT_ONCE : 1;
    for (uint64_t id = first; id <= reserved + RESERVED_AT_ONCE; id++)
        TRY(remove_leftover(queue, id, err));
    return true;
}

bool queue_load_ids(struct queue *queue, struct err *err)
{
    TRY(load(queue->db, &queue->submission_ids, "submission", err));
    atomic_store(&queue->last_id, queue->submission_ids.reserved);
    return load(queue->db, &queue->message_ids, "message", err);
}

/* Changes are committed in the order of their ids, but their callers come here in any. */
void queue_has_committed(struct queue *queue, uint64_t base_id)
{
    uint64_t last = atomic_load(&queue->last_id);
    while (last < base_id && !atomic_compare_exchange_weak(&queue->last_id, &last, base_id))
        continue;
}

uint64_t queue_last_id(struct queue *queue)
{
    return atomic_load(&queue->last_id);
}
