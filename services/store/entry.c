#include "services/store/entry.h"

void entry_read(struct db_query *q, struct entry *ret)
{
    *ret = (struct entry){
        .uid = (uint32_t)db_column_u64(q, 0),
        .id = db_column_u64(q, 1),
        .modseq = db_column_u64(q, 2),
        .createseq = db_column_u64(q, 3),
        .flags = (uint32_t)db_column_u64(q, 4),
        .keywords = db_column_str(q, 5),
        .size = db_column_u64(q, 6),
        .prefix_size = (uint32_t)db_column_u64(q, 7),
        .received_s = db_column_i64(q, 8),
        .saved_s = db_column_i64(q, 9),
        .zone = (uint32_t)db_column_u64(q, 10),
    };
}

bool entry_get(struct db *db, uint64_t mailbox_id, uint32_t uid, struct arena *arena,
               struct entry *ret, bool *ret_found, struct err *err)
{
    struct db_query q = db_query(db, ENTRY_GET);
    db_bind_u64(&q, mailbox_id);
    db_bind_u64(&q, uid);
    *ret_found = db_step(&q);
    if (*ret_found) {
        entry_read(&q, ret);
        if (!str_is_null(ret->keywords))
            ret->keywords = arena_copy(arena, ret->keywords);
    }
    return db_done(&q, err);
}

bool entry_add(struct change *c, struct mailbox *m, struct entry *e, struct err *err)
{
    TRY(mailbox_take_uid(m, &e->uid, err));
    e->modseq = e->createseq = change_modseq(c);
    mailbox_count(m, e->flags, e->size, +1);
    change_log_add(&c->account->changes, m->id, e->uid, e->modseq);
    struct db_query q = db_query(c->db, ENTRY_ADD);
    db_bind_u64(&q, m->id);
    db_bind_u64(&q, e->uid);
    db_bind_u64(&q, e->id);
    db_bind_u64(&q, e->modseq);
    db_bind_u64(&q, e->createseq);
    db_bind_u64(&q, e->flags);
    db_bind_blob(&q, e->keywords);
    db_bind_u64(&q, e->size);
    db_bind_u64(&q, e->prefix_size);
    db_bind_i64(&q, e->received_s);
    db_bind_i64(&q, e->saved_s);
    db_bind_u64(&q, e->zone);
    return db_run(&q, err);
}

bool entry_remove(struct change *c, struct mailbox *m, const struct entry *e, struct err *err)
{
    mailbox_count(m, e->flags, e->size, -1);
    struct db_query q = db_query(c->db, ENTRY_REMOVE);
    db_bind_u64(&q, m->id);
    db_bind_u64(&q, e->uid);
    TRY(db_run(&q, err));
    q = db_query(c->db, VANISHED_ADD);
    db_bind_u64(&q, m->id);
    db_bind_u64(&q, change_modseq(c));
    db_bind_u64(&q, e->uid);
    db_bind_u64(&q, e->createseq);
    db_bind_u64(&q, e->id);
    return db_run(&q, err);
}

void entry_count_flags(struct change *c, struct mailbox *m, const struct entry *e, uint32_t flags)
{
    mailbox_count(m, e->flags, e->size, -1);
    mailbox_count(m, flags, e->size, +1);
    change_log_add(&c->account->changes, m->id, e->uid, change_modseq(c));
}

bool entry_set_flags(struct change *c, struct mailbox *m, const struct entry *e, uint32_t flags,
                     struct str keywords, struct err *err)
{
    entry_count_flags(c, m, e, flags);
    struct db_query q = db_query(c->db, ENTRY_SET_FLAGS);
    db_bind_u64(&q, m->id);
    db_bind_u64(&q, e->uid);
    db_bind_u64(&q, flags);
    db_bind_blob(&q, keywords);
    db_bind_u64(&q, change_modseq(c));
    return db_run(&q, err);
}
