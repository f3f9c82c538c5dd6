#include "services/store/mailbox.h"

#include "common/base/bug.h"
#include "services/store/acl.h"
#include "services/store/flags.h"
#include "services/store/mailbox_name.h"

#define UID_MAX (UINT32_MAX - 1) /* uidnext must fit too */

static void read_row(struct db_query *q, struct arena *arena, struct mailbox *m)
{
    *m = (struct mailbox){
        .id = db_column_u64(q, 0),
        .name = db_column_copy(q, 1, arena),
        .parent_id = db_column_u64(q, 2),
        .uidvalidity = (uint32_t)db_column_u64(q, 3),
        .uidnext = db_column_u64(q, 4),
        .special_use = db_column_copy(q, 5, arena),
        .keywords = db_column_copy(q, 6, arena),
        .total = db_column_i64(q, 7),
        .deleted = db_column_i64(q, 8),
        .unread = db_column_i64(q, 9),
        .unseen = db_column_i64(q, 10),
        .size = db_column_i64(q, 11),
        .createseq = db_column_u64(q, 12),
        .modseq = db_column_u64(q, 13),
        .messages_modseq = db_column_u64(q, 14),
    };
}

static bool read_one(struct db_query *q, struct arena *arena, struct mailbox *ret, struct err *err)
{
    bool found = db_step(q);
    if (found)
        read_row(q, arena, ret);
    TRY(db_done(q, err));
    return found || err_set(err, ERR_NOT_FOUND, "no such mailbox");
}

bool mailbox_by_id(struct db *db, uint64_t id, struct arena *arena, struct mailbox *ret,
                   struct err *err)
{
    struct db_query q = db_query(db, MAILBOX_BY_ID);
    db_bind_u64(&q, id);
    return read_one(&q, arena, ret, err);
}

bool mailbox_by_name(struct db *db, struct str name, struct arena *arena, struct mailbox *ret,
                     struct err *err)
{
    struct db_query q = db_query(db, MAILBOX_BY_NAME);
    db_bind_str(&q, name);
    return read_one(&q, arena, ret, err);
}

bool mailbox_is_checked(const struct mailbox *m, uint64_t checked_id, struct err *err)
{
    return checked_id == 0 || m->id == checked_id ||
           err_set(err, ERR_NOT_FOUND, "no such mailbox any more");
}

static bool read_list(struct db_query *q, struct arena *arena, struct mailbox_list *ret,
                      struct err *err)
{
    struct mailbox m;
    *ret = (struct mailbox_list){0};
    while (db_step(q)) {
        read_row(q, arena, &m);
        array_push(&ret->mailboxes, m);
    }
    if (db_done(q, err))
        return true;
    mailbox_list_release(ret);
    return false;
}

bool mailbox_list(struct db *db, struct arena *arena, struct mailbox_list *ret, struct err *err)
{
    struct db_query q = db_query(db, MAILBOX_LIST);
    return read_list(&q, arena, ret, err);
}

bool mailbox_list_shared(const struct store *store, struct db *db, uint64_t reader, size_t max,
                         struct arena *arena, struct mailbox_list *ret, struct err *err)
{
    struct db_query q = db_query(db, MAILBOX_SHARED);
    db_bind_u64(&q, reader);
    db_bind_u64(&q, max);
    db_bind_u64(&q, store->config->forbid_anyone ? reader : 0);
    return read_list(&q, arena, ret, err);
}

bool mailbox_list_below(struct db *db, struct str name, struct arena *arena,
                        struct mailbox_list *ret, struct err *err)
{
    struct db_query q = db_query(db, MAILBOX_BELOW);
    db_bind_str(&q, name);
    return read_list(&q, arena, ret, err);
}

void mailbox_list_release(struct mailbox_list *list)
{
    array_release(&list->mailboxes);
}

void mailbox_count(struct mailbox *m, uint32_t flags, uint64_t size, int sign)
{
    bool is_seen = (flags & FLAG_SEEN) != 0, is_deleted = (flags & FLAG_DELETED) != 0;
    m->total += is_deleted ? 0 : sign;
    m->deleted += is_deleted ? sign : 0;
    m->unread += is_seen || is_deleted ? 0 : sign;
    m->unseen += is_seen ? 0 : sign;
    m->size += sign * (int64_t)size;
}

bool mailbox_take_uid(struct mailbox *m, uint32_t *ret_uid, struct err *err)
{
    if (m->uidnext > UID_MAX) {
        err_set(err, ERR_LIMIT, "mailbox %.*s has used up its UIDs", STR_ARG(m->name));
        return err_reply(err, "the mailbox has used up its UIDs; create a new one");
    }
    *ret_uid = (uint32_t)m->uidnext++;
    return true;
}

bool mailbox_save(struct change *c, struct mailbox *m, struct err *err)
{
    m->modseq = m->messages_modseq = change_modseq(c);
    change_mailbox(c, m->id);
    struct db_query q = db_query(c->db, MAILBOX_SAVE);
    db_bind_u64(&q, m->id);
    db_bind_u64(&q, m->uidnext);
    db_bind_str(&q, m->keywords);
    db_bind_i64(&q, m->total);
    db_bind_i64(&q, m->deleted);
    db_bind_i64(&q, m->unread);
    db_bind_i64(&q, m->unseen);
    db_bind_i64(&q, m->size);
    db_bind_u64(&q, m->modseq);
    return db_run(&q, err);
}

bool mailbox_touch(struct change *c, struct mailbox *m, struct err *err)
{
    m->modseq = change_modseq(c);
    change_mailbox(c, m->id);
    struct db_query q = db_query(c->db, MAILBOX_TOUCH);
    db_bind_u64(&q, m->id);
    db_bind_u64(&q, m->modseq);
    return db_run(&q, err);
}

/* ---- Making */

static bool add_row(struct db *db, struct str name, uint64_t parent_id, uint32_t uidvalidity,
                    struct str special_use, uint64_t modseq, struct err *err)
{
    struct db_query q = db_query(db, MAILBOX_ADD);
    db_bind_str(&q, name);
    if (parent_id != 0)
        db_bind_u64(&q, parent_id);
    else
        db_bind_null(&q);
    db_bind_u64(&q, uidvalidity);
    db_bind_str(&q, special_use);
    db_bind_u64(&q, modseq);
    return db_run(&q, err);
}

static bool subscribe_to(struct db *db, struct str name, struct err *err)
{
    struct db_query q = db_query(db, SUBSCRIPTION_ADD);
    db_bind_str(&q, name);
    return db_run(&q, err);
}

bool mailbox_add_first(struct db *db, struct str name, uint64_t parent_id, uint32_t uidvalidity,
                       struct str special_use, struct err *err)
{
    return add_row(db, name, parent_id, uidvalidity, special_use, MAILBOX_FIRST_MODSEQ, err) &&
           subscribe_to(db, name, err);
}

bool mailbox_take_uidvalidity(struct db *db, uint32_t *ret, struct err *err)
{
    struct db_query q = db_query(db, ACCOUNT_TAKE_UIDVALIDITY);
    uint64_t value = db_step(&q) ? db_column_u64(&q, 0) : 0;
    TRY(db_done(&q, err));
    if (value == 0 || value > UINT32_MAX)
        return err_set(err, ERR_LIMIT, "the account has used up its UIDVALIDITY values");
    *ret = (uint32_t)value;
    return true;
}

static bool make_one(struct change *c, struct str name, uint64_t parent_id, bool subscribe,
                     struct created *created, struct mailbox *ret, struct err *err)
{
    uint32_t uidvalidity = 0;
    TRY(mailbox_take_uidvalidity(c->db, &uidvalidity, err));
    TRY(add_row(c->db, name, parent_id, uidvalidity, STR_NULL, change_modseq(c), err));
    if (subscribe && !subscribe_to(c->db, name, err))
        return false;
    BUG_ON(created->len == ARRAY_LEN(created->items)); /* MAILBOX_LEVELS_MAX is less */
    created->items[created->len++] = name;
    c->mailboxes_changed = true;
    TRY(mailbox_by_name(c->db, name, c->arena, ret, err));
    return parent_id == 0 || acl_copy(c, parent_id, ret->id, err);
}

bool mailbox_ensure(struct change *c, struct str name, bool subscribe, struct created *created,
                    struct mailbox *ret, struct err *err)
{
    if (mailbox_by_name(c->db, name, c->arena, ret, err))
        return true;
    if (err->kind != ERR_NOT_FOUND)
        return false;
    /* Level by level from the top. */
    uint64_t parent_id = 0;
    for (size_t at = 0; at < name.len; at++) {
        ptrdiff_t slash = str_find_char(str_skip(name, at), '/');
        at = slash < 0 ? name.len : at + (size_t)slash;
        struct str level = str_slice(name, 0, at);
        if (!mailbox_by_name(c->db, level, c->arena, ret, err) &&
            (err->kind != ERR_NOT_FOUND ||
             !make_one(c, level, parent_id, subscribe, created, ret, err)))
            return false;
        parent_id = ret->id;
    }
    return true;
}
