#include "services/store/thread_marks.h"

#include "common/base/map.h"
#include "services/store/thread.h"

/* ---- Reading */

static bool read_parents(struct str bytes, struct arena *arena, struct thread_member *m)
{
    m->parent_count = bytes.len / 8;
    uint64_t *ids = arena_new_array(arena, m->parent_count, uint64_t);
    for (size_t i = 0; ids && i < m->parent_count; i++)
        ids[i] = thread_parent_at(bytes, i);
    m->parents = ids;
    return ids || m->parent_count == 0;
}

/* The message that a query for THREAD_MEMBERS stands on. */
static bool read_member(struct db_query *q, struct arena *arena, struct thread_member *ret)
{
    *ret = (struct thread_member){.id = db_column_u64(q, 0),
                                  .muted = db_column_u64(q, 2) != 0,
                                  .collapsed = db_column_u64(q, 3) != 0,
                                  .missing_link = db_column_u64(q, 4) != 0,
                                  .mailbox_id = db_column_u64(q, 5),
                                  .uid = (uint32_t)db_column_u64(q, 6)};
    return read_parents(db_column_str(q, 1), arena, ret);
}

static bool read_members(struct db *db, uint64_t thread_id, struct arena *arena, struct thread *ret,
                         struct err *err)
{
    ARRAY_OF(struct thread_member) members = {0};
    struct thread_member member;
    bool fits = true;
    struct db_query q = db_query(db, THREAD_MEMBERS);
    db_bind_u64(&q, thread_id);
    while (fits && db_step(&q)) {
        fits = members.len < THREAD_MEMBERS_MAX && read_member(&q, arena, &member);
        array_push(&members, member);
    }
    bool ok = db_done(&q, err);
    ret->len = members.len;
    ret->members = arena_new_array(arena, members.len, struct thread_member);
    for (size_t i = 0; ret->members && i < members.len; i++)
        ret->members[i] = members.items[i];
    array_release(&members);
    return ok && ((fits && !arena->exhausted) ||
                  err_set(err, ERR_LIMIT, "the thread has too many messages"));
}

bool thread_read(struct account *account, uint64_t thread_id, struct arena *arena,
                 struct thread *ret, struct err *err)
{
    struct db *db;
    TRY(account_read_begin(account, &db, err));
    bool ok = read_members(db, thread_id, arena, ret, err);
    account_read_end(account, db);
    return ok;
}

/* ---- Marking */

struct marking {
    struct thread_marking *op;
    struct map named;   /* the messages of the call */
    struct map threads; /* that are done */
};

struct marks {
    uint64_t id; /* of the message */
    bool muted;
    bool collapsed;
};

/* Sets or takes away the mark. False: it is so already. */
static bool apply_mark(const struct thread_marking *op, struct marks *marks)
{
    struct marks old = *marks;
    if (op->mark == THREAD_MUTED)
        marks->muted = op->on;
    if (op->mark == THREAD_COLLAPSED || op->on)
        marks->collapsed = op->on;
    return marks->muted != old.muted || marks->collapsed != old.collapsed;
}

/* The message or an ancestor is among those of the call. */
static bool is_meant(const struct marking *m, struct db_query *row)
{
    struct str parents = db_column_str(row, 1);
    bool meant = map_get_u64(&m->named, db_column_u64(row, 0)) != NULL;
    for (size_t i = 0; !meant && i < parents.len / 8; i++)
        meant = map_get_u64(&m->named, thread_parent_at(parents, i)) != NULL;
    return meant;
}

static bool write_marks(struct change *c, const struct marks *marks, struct err *err)
{
    struct db_query q = db_query(c->db, THREAD_SET_MARKS);
    db_bind_u64(&q, marks->id);
    db_bind_u64(&q, marks->muted);
    db_bind_u64(&q, marks->collapsed);
    return db_run(&q, err);
}

static bool mark_thread(struct change *c, struct marking *m, uint64_t thread_id, struct err *err)
{
    ARRAY_OF(struct marks) changed = {0};
    struct db_query q = db_query(c->db, THREAD_MEMBERS);
    db_bind_u64(&q, thread_id);
    while (db_step(&q)) {
        struct marks marks = {.id = db_column_u64(&q, 0),
                              .muted = db_column_u64(&q, 2) != 0,
                              .collapsed = db_column_u64(&q, 3) != 0};
        if (is_meant(m, &q) && apply_mark(m->op, &marks))
            array_push(&changed, marks);
    }
    bool ok = db_done(&q, err);
    for (size_t i = 0; ok && i < changed.len; i++)
        ok = write_marks(c, &changed.items[i], err);
    if (changed.len > 0)
        array_push(&c->thread_ids, thread_id);
    m->op->changed += changed.len;
    array_release(&changed);
    return ok;
}

static bool mark_thread_of(struct change *c, struct marking *m, uint64_t id, struct err *err)
{
    struct db_query q = db_query(c->db, MESSAGE_THREAD);
    db_bind_u64(&q, id);
    uint64_t thread_id = db_step(&q) ? db_column_u64(&q, 1) : 0;
    TRY(db_done(&q, err));
    if (thread_id == 0 || map_put_u64(&m->threads, thread_id, m))
        return true;
    return mark_thread(c, m, thread_id, err);
}

static bool run(struct change *c, void *ctx, struct err *err)
{
    struct marking m = {.op = ctx};
    bool ok = true;
    map_init(&m.named);
    map_init(&m.threads);
    for (size_t i = 0; i < m.op->count; i++)
        map_put_u64(&m.named, m.op->ids[i], &m);
    m.op->changed = 0;
    for (size_t i = 0; ok && i < m.op->count; i++)
        ok = mark_thread_of(c, &m, m.op->ids[i], err);
    map_release(&m.named);
    map_release(&m.threads);
    return ok;
}

bool thread_mark(struct account *account, struct thread_marking *op, struct arena *arena,
                 struct err *err)
{
    static const struct change_type type = {.kind = 'T', .run = run};
    struct change_request request = {.type = &type, .op = op, .arena = arena};
    return account_change(account, &request, err);
}
