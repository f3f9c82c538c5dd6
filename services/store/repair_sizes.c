#include "services/store/repair_walk.h"

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
    ARRAY_OF(struct wrong) wrong;
    uint64_t fixed;
};

/* ---- Looking */

static void look(void *ctx, const struct repair_message *m)
{
    struct batch *b = ctx;
    struct stat st;
    if (stat(account_message_path(b->account, m->id).text, &st) < 0) {
        if (m->has_entry)
            job_error(b->job, "message %" PRIu64 " has no file", m->id);
        return;
    }
    uint64_t right = m->prefix_size + (uint64_t)st.st_size;
    bool is_right = m->size == right && (!m->has_entry || m->size_of_prefix == m->prefix_size);
    if (is_right || !m->has_size)
        return;
    job_line(b->job, "message %" PRIu64 ": size was %" PRIu64 ", is %" PRIu64, m->id, m->size,
             right);
    array_push(&b->wrong, ((struct wrong){.id = m->id,
                                          .mailbox_id = m->mailbox_id,
                                          .uid = m->uid,
                                          .is_erased = !m->has_entry,
                                          .stored = m->size,
                                          .size = right,
                                          .prefix_size = (uint32_t)m->prefix_size}));
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

static bool fix_batch(void *ctx, struct err *err)
{
    static const struct change_type type = {.run = run};
    struct batch *b = ctx;
    bool ok = b->wrong.len == 0 || account_change_once(b->account, &type, b, err);
    b->wrong.len = 0;
    return ok;
}

bool repair_sizes(struct account *account, struct job *job, struct err *err)
{
    struct batch b = {.account = account, .job = job};
    const struct repair_walk walk = {
        .account = account, .job = job, .batch = BATCH, .look = look, .mend = fix_batch, .ctx = &b};
    bool ok = repair_walk(&walk, err);
    array_release(&b.wrong);
    if (!ok || b.fixed == 0)
        return ok;
    job_line(job, "clients may have the old sizes: see bump-uidvalidity");
    return upgrade_run(account, UPGRADE_STRUCTURE, true, job, err);
}
