/* What the operator sees and changes. */
#include "services/store/queue_private.h"

#include "common/base/array.h"

#define CHANGED_MAX 100000 /* messages in one change */

/* Parameters 1 to 4 of MATCHES in queue_sql.c. */
static void bind_filter(struct db_query *q, const struct queue_filter *filter)
{
    db_bind_u64(q, filter->all);
    db_bind_str(q, queue_text(filter->account));
    db_bind_str(q, queue_text(filter->sender_contains));
    db_bind_str(q, queue_text(filter->recipient_contains));
}

static struct str copy_address(struct db_query *q, int column, struct arena *arena)
{
    struct str localpart = db_column_copy(q, column, arena);
    struct str domain = db_column_str(q, column + 1);
    if (localpart.len == 0 && domain.len == 0)
        return STR("");
    return arena_printf(arena, "%.*s@%.*s", STR_ARG(localpart), STR_ARG(domain));
}

/* The columns of ENTRY in queue_sql.c. */
static struct queue_entry read_entry(struct db_query *q, struct arena *arena)
{
    return (struct queue_entry){
        .queue_id = db_column_u64(q, 0),
        .base_id = db_column_u64(q, 1),
        .account = db_column_copy(q, 2, arena),
        .sender = copy_address(q, 3, arena),
        .recipient = copy_address(q, 5, arena),
        .attempts = (unsigned)db_column_u64(q, 7),
        .max_attempts = (unsigned)db_column_u64(q, 8),
        .queued_ms = db_column_i64(q, 9),
        .next_attempt_ms = db_column_i64(q, 10),
        .last_attempt_ms = db_column_i64(q, 11),
        .held = db_column_u64(q, 12) != 0,
        .leased = db_column_u64(q, 13) != 0,
        .size = db_column_u64(q, 14),
        .message_id = db_column_copy(q, 15, arena),
        .subject = db_column_copy(q, 16, arena),
        .last_error = db_column_copy(q, 17, arena),
    };
}

static bool matches(const struct queue_filter *filter, const struct queue_entry *entry)
{
    return (filter->account.len == 0 || str_eq(filter->account, entry->account)) &&
           (filter->sender_contains.len == 0 ||
            str_find(entry->sender, filter->sender_contains) >= 0) &&
           (filter->recipient_contains.len == 0 ||
            str_find(entry->recipient, filter->recipient_contains) >= 0);
}

typedef ARRAY_OF(struct queue_entry) entry_array;

static bool list_ids(struct db *db, const struct queue_filter *filter, struct arena *arena,
                     entry_array *entries, struct err *err)
{
    for (size_t i = 0; i < filter->id_count; i++) {
        struct db_query q = db_query(db, Q_LIST_BY_ID);
        db_bind_u64(&q, filter->ids[i]);
        if (db_step(&q)) {
            struct queue_entry entry = read_entry(&q, arena);
            if (matches(filter, &entry))
                array_push(entries, entry);
        }
        TRY(db_done(&q, err));
    }
    return true;
}

static bool list_matching(struct db *db, const struct queue_filter *filter, size_t limit,
                          uint64_t after_id, struct arena *arena, entry_array *entries,
                          struct err *err)
{
    int64_t after_ms = INT64_MIN;
    if (after_id != 0) {
        struct db_query place = db_query(db, Q_PLACE);
        db_bind_u64(&place, after_id);
        if (db_step(&place))
            after_ms = db_column_i64(&place, 0);
        TRY(db_done(&place, err));
    }
    struct db_query q = db_query(db, Q_LIST);
    bind_filter(&q, filter);
    db_bind_i64(&q, after_ms);
    db_bind_u64(&q, after_id);
    db_bind_u64(&q, limit);
    while (db_step(&q))
        array_push(entries, read_entry(&q, arena));
    return db_done(&q, err);
}

static bool list(struct db *db, const struct queue_filter *filter, size_t limit, uint64_t after_id,
                 struct arena *arena, entry_array *entries, struct err *err)
{
    bool ok = filter->ids ? list_ids(db, filter, arena, entries, err)
                          : list_matching(db, filter, limit, after_id, arena, entries, err);
    if (ok && arena->exhausted)
        ok = err_set(err, ERR_LIMIT, "too many messages at once");
    return ok;
}

static bool count(struct db *db, const struct queue_filter *filter, uint64_t *ret, struct err *err)
{
    struct db_query q = db_query(db, Q_COUNT);
    bind_filter(&q, filter);
    *ret = db_step(&q) ? db_column_u64(&q, 0) : 0;
    return db_done(&q, err);
}

bool queue_list(struct queue *queue, const struct queue_filter *filter, size_t limit,
                uint64_t after_id, struct arena *arena, struct queue_entry **ret_entries,
                size_t *ret_count, uint64_t *ret_total, struct err *err)
{
    entry_array entries = {0};
    pthread_mutex_lock(&queue->reader_lock);
    bool ok = list(queue->reader, filter, limit, after_id, arena, &entries, err);
    *ret_total = entries.len;
    if (ok && !filter->ids)
        ok = count(queue->reader, filter, ret_total, err);
    pthread_mutex_unlock(&queue->reader_lock);
    *ret_count = entries.len;
    *ret_entries = arena_new_array(arena, entries.len + 1, struct queue_entry);
    if (ok && !*ret_entries) {
        err_set(err, ERR_LIMIT, "too many messages at once");
        ok = false;
    }
    for (size_t i = 0; ok && i < entries.len; i++)
        (*ret_entries)[i] = entries.items[i];
    array_release(&entries);
    return ok;
}

static bool read_stored(struct db *db, uint64_t first_id, size_t limit, struct queue_stored *ret,
                        size_t *ret_count, struct err *err)
{
    struct db_query q = db_query(db, Q_LIST_STORED);
    db_bind_u64(&q, first_id);
    db_bind_u64(&q, limit);
    for (*ret_count = 0; *ret_count < limit && db_step(&q); (*ret_count)++)
        ret[*ret_count] = (struct queue_stored){
            .base_id = db_column_u64(&q, 0),
            .size = db_column_u64(&q, 1),
            .has_content = !db_column_is_null(&q, 2),
            .content_size = db_column_u64(&q, 2),
        };
    return db_done(&q, err);
}

bool queue_list_stored(struct queue *queue, uint64_t first_id, size_t limit, struct arena *arena,
                       struct queue_stored **ret, size_t *ret_count, struct err *err)
{
    *ret = arena_new_array(arena, limit, struct queue_stored);
    if (!*ret)
        return err_set(err, ERR_LIMIT, "too many messages at once");
    pthread_mutex_lock(&queue->reader_lock);
    bool ok = read_stored(queue->reader, first_id, limit, *ret, ret_count, err);
    pthread_mutex_unlock(&queue->reader_lock);
    return ok;
}

static bool ask_number(struct queue *queue, struct db_query q, uint64_t *ret, struct err *err)
{
    *ret = db_step(&q) ? db_column_u64(&q, 0) : 0;
    bool ok = db_done(&q, err);
    pthread_mutex_unlock(&queue->reader_lock);
    return ok;
}

bool queue_knows(struct queue *queue, uint64_t base_id, bool *ret, struct err *err)
{
    uint64_t known = 0;
    pthread_mutex_lock(&queue->reader_lock);
    struct db_query q = db_query(queue->reader, Q_KNOWS);
    db_bind_u64(&q, base_id);
    bool ok = ask_number(queue, q, &known, err);
    *ret = known != 0;
    return ok;
}

/* ---- Changes */

struct change {
    const struct queue_filter *filter;
    /* Changes one entry; *ret_changed false when there was nothing to change. */
    bool (*apply)(struct db *db, const struct change *change, const struct queue_entry *entry,
                  bool *ret_changed, struct err *err);
    int64_t next_attempt_ms;
    bool held;
    struct arena *arena;
    uint64_t changed;
};

static bool set_time(struct db *db, const struct change *change, const struct queue_entry *entry,
                     bool *ret_changed, struct err *err)
{
    struct db_query q = db_query(db, Q_SET_TIME);
    db_bind_i64(&q, change->next_attempt_ms);
    db_bind_u64(&q, entry->queue_id);
    TRY(db_run(&q, err));
    *ret_changed = db_changes(db) > 0;
    return true;
}

static bool set_held(struct db *db, const struct change *change, const struct queue_entry *entry,
                     bool *ret_changed, struct err *err)
{
    struct db_query q = db_query(db, Q_SET_HELD);
    db_bind_u64(&q, change->held);
    db_bind_u64(&q, entry->queue_id);
    TRY(db_run(&q, err));
    *ret_changed = db_changes(db) > 0;
    return true;
}

static bool drop(struct db *db, const struct change *change, const struct queue_entry *entry,
                 bool *ret_changed, struct err *err)
{
    (void)change;
    *ret_changed = true;
    return queue_remove_message(db, entry->queue_id, entry->base_id, err);
}

static bool change_all(struct db *db, void *ctx, struct err *err)
{
    struct change *change = ctx;
    entry_array entries = {0};
    bool ok = list(db, change->filter, CHANGED_MAX, 0, change->arena, &entries, err);
    for (size_t i = 0; ok && i < entries.len; i++) {
        struct str to = entries.items[i].recipient;
        struct str domain = str_skip(to, (size_t)(str_rfind_char(to, '@') + 1));
        bool changed = false;
        ok = change->apply(db, change, &entries.items[i], &changed, err) &&
             queue_refresh_destination(db, domain, err);
        change->changed += changed;
    }
    array_release(&entries);
    return ok;
}

static bool run(struct queue *queue, struct change *change, uint64_t *ret_changed, struct err *err)
{
    struct arena arena;
    arena_init(&arena, 64 << 20);
    change->arena = &arena;
    bool ok = db_group_run(queue->group, change_all, change, DB_DURABLE, err);
    arena_release(&arena);
    *ret_changed = change->changed;
    if (ok && change->changed > 0)
        queue_nudge(queue, 0);
    return ok;
}

bool queue_schedule(struct queue *queue, const struct queue_filter *filter, int64_t next_attempt_ms,
                    uint64_t *ret_changed, struct err *err)
{
    struct change change = {
        .filter = filter, .apply = set_time, .next_attempt_ms = next_attempt_ms};
    return run(queue, &change, ret_changed, err);
}

bool queue_set_held(struct queue *queue, const struct queue_filter *filter, bool held,
                    uint64_t *ret_changed, struct err *err)
{
    struct change change = {.filter = filter, .apply = set_held, .held = held};
    return run(queue, &change, ret_changed, err);
}

bool queue_drop(struct queue *queue, const struct queue_filter *filter, uint64_t *ret_changed,
                struct err *err)
{
    struct change change = {.filter = filter, .apply = drop};
    bool ok = run(queue, &change, ret_changed, err);
    if (ok)
        queue_want_sweep(queue);
    return ok;
}
