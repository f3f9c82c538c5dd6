#include "services/store/repair.h"

#include "common/base/array.h"
#include "services/store/entry.h"
#include "services/store/message_files.h"
#include "services/store/upgrade.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>

#define BATCH 10000

/* A message whose recorded size is not that of its text. */
struct wrong {
    uint64_t id;
    uint64_t mailbox_id;
    uint32_t uid;
    bool is_erased;        /* it waits to be erased */
    uint64_t stored, size; /* what it is said to be, and is */
    uint32_t prefix_size;
};

struct batch {
    struct account *account;
    struct job *job;
    uint64_t after;
    size_t count;
    ARRAY_OF(struct wrong) wrong;
    uint64_t fixed;
};

/* ---- Looking */

static void look(struct batch *b, struct db_query *q)
{
    struct stat st;
    uint64_t prefix = db_column_u64(q, 3), stored = db_column_u64(q, 5);
    bool has_entry = db_column_u64(q, 4) != 0;
    b->after = db_column_u64(q, 0);
    b->count++;
    if (stat(account_message_path(b->account, b->after).text, &st) < 0) {
        if (has_entry)
            job_error(b->job, "message %" PRIu64 " has no file", b->after);
        return;
    }
    uint64_t right = prefix + (uint64_t)st.st_size;
    bool is_right = stored == right && (!has_entry || db_column_u64(q, 6) == prefix);
    if (is_right || db_column_is_null(q, 5))
        return;
    job_line(b->job, "message %" PRIu64 ": size was %" PRIu64 ", is %" PRIu64, b->after, stored,
             right);
    array_push(&b->wrong, ((struct wrong){.id = b->after,
                                          .mailbox_id = db_column_u64(q, 1),
                                          .uid = (uint32_t)db_column_u64(q, 2),
                                          .is_erased = !has_entry,
                                          .stored = stored,
                                          .size = right,
                                          .prefix_size = (uint32_t)prefix}));
}

static bool look_at_batch(struct batch *b, struct err *err)
{
    struct db *db;
    TRY(account_read_begin(b->account, &db, err));
    struct db_query q = db_query(db, MESSAGE_SIZES_AFTER);
    db_bind_u64(&q, b->after);
    db_bind_u64(&q, BATCH);
    while (db_step(&q))
        look(b, &q);
    bool ok = db_done(&q, err);
    account_read_end(b->account, db);
    return ok;
}

/* ---- Writing */

static void count_difference(struct change *c, uint64_t before, uint64_t after)
{
    int64_t by = (int64_t)after - (int64_t)before;
    atomic_fetch_add(&c->account->used, by);
    c->used += by;
}

static bool fix_erased(struct change *c, const struct wrong *w, struct err *err)
{
    struct db_query q = db_query(c->db, ERASE_SET_SIZE);
    db_bind_u64(&q, w->id);
    db_bind_u64(&q, w->size);
    int64_t by = (int64_t)w->size - (int64_t)w->stored;
    atomic_fetch_add(&c->account->kept, by);
    c->kept += by;
    return db_run(&q, err);
}

/* A message that moved meanwhile has the size that is recorded where it is now: the next run finds
 * it. */
static bool fix_entry(struct change *c, struct batch *b, const struct wrong *w, struct err *err)
{
    struct mailbox m;
    struct entry e;
    bool found;
    TRY(entry_get(c->db, w->mailbox_id, w->uid, c->arena, &e, &found, err));
    if (!found || e.id != w->id)
        return true;
    TRY(mailbox_by_id(c->db, w->mailbox_id, c->arena, &m, err));
    m.size += (int64_t)w->size - (int64_t)e.size;
    count_difference(c, e.size, w->size);
    change_log_add(&c->account->changes, m.id, e.uid, change_modseq(c));
    struct db_query q = db_query(c->db, ENTRY_SET_SIZE);
    db_bind_u64(&q, m.id);
    db_bind_u64(&q, e.uid);
    db_bind_u64(&q, w->size);
    db_bind_u64(&q, w->prefix_size);
    db_bind_u64(&q, change_modseq(c));
    b->fixed++;
    return db_run(&q, err) && mailbox_save(c, &m, err);
}

static bool run(struct change *c, void *op, struct err *err)
{
    struct batch *b = op;
    for (size_t i = 0; i < b->wrong.len; i++) {
        const struct wrong *w = &b->wrong.items[i];
        arena_reset(c->arena);
        TRY(w->is_erased ? fix_erased(c, w, err) : fix_entry(c, b, w, err));
    }
    return true;
}

static bool fix_batch(struct batch *b, struct err *err)
{
    static const struct change_type type = {.run = run};
    return b->wrong.len == 0 || account_change_once(b->account, &type, b, err);
}

bool repair_sizes(struct account *account, struct job *job, struct err *err)
{
    struct batch b = {.account = account, .job = job};
    bool ok = true;
    job_expect(job, account_all_messages(account));
    do {
        b.count = b.wrong.len = 0;
        ok = job_goes_on(job, err) && look_at_batch(&b, err) && fix_batch(&b, err);
        job_advance(job, b.count);
    } while (ok && b.count > 0);
    array_release(&b.wrong);
    if (!ok || b.fixed == 0)
        return ok;
    job_line(job, "clients may have the old sizes: see bump-uidvalidity");
    return upgrade_run(account, UPGRADE_STRUCTURE, true, job, err);
}
