#include "services/store/repair_walk.h"

static void read_row(struct db_query *q, struct repair_message *ret)
{
    *ret = (struct repair_message){
        .id = db_column_u64(q, 0),
        .mailbox_id = db_column_u64(q, 1),
        .uid = (uint32_t)db_column_u64(q, 2),
        .prefix_size = db_column_u64(q, 3),
        .has_entry = db_column_u64(q, 4) != 0,
        .has_size = !db_column_is_null(q, 5),
        .size = db_column_u64(q, 5),
        .size_of_prefix = db_column_u64(q, 6),
    };
}

static bool look_at_batch(const struct repair_walk *w, uint64_t *after, size_t *ret_count,
                          struct err *err)
{
    struct db *db;
    struct repair_message m;
    TRY(account_read_begin(w->account, &db, err));
    struct db_query q = db_query(db, MESSAGE_SIZES_AFTER);
    db_bind_u64(&q, *after);
    db_bind_u64(&q, w->batch);
    for (*ret_count = 0; db_step(&q); (*ret_count)++) {
        read_row(&q, &m);
        *after = m.id;
        w->look(w->ctx, &m);
    }
    bool ok = db_done(&q, err);
    account_read_end(w->account, db);
    return ok;
}

bool repair_walk(const struct repair_walk *w, struct err *err)
{
    uint64_t after = 0;
    size_t count;
    job_expect(w->job, account_all_messages(w->account));
    do {
        TRY(job_goes_on(w->job, err) && look_at_batch(w, &after, &count, err) &&
            w->mend(w->ctx, err));
        job_advance(w->job, count);
    } while (count > 0);
    return true;
}
