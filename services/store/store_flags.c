#include "services/store/store_flags.h"

#include "services/store/training.h"

#define RANGE_MIN 4   /* messages for which two statements are less than two for each */
#define BULK_MIN 1024 /* for which it is better not to look at each */

/* What one message has after the operation. */
static bool apply(const struct store_flags *op, const struct entry *e, struct str keywords,
                  struct arena *arena, uint32_t *ret_flags, struct str *ret_keywords,
                  struct err *err)
{
    switch (op->mode) {
    case STORE_ADD:
        *ret_flags = e->flags | op->flags;
        return keywords_union(e->keywords, keywords, arena, ret_keywords, err);
    case STORE_REMOVE:
        *ret_flags = e->flags & ~op->flags;
        *ret_keywords = keywords_without(e->keywords, keywords, arena);
        return true;
    case STORE_REPLACE:
        break;
    }
    *ret_flags = op->flags | (e->flags & op->kept_flags);
    *ret_keywords = op->keeps_keywords ? e->keywords : keywords;
    return true;
}

static bool store_one(struct change *c, struct mailbox *m, const struct store_flags *op,
                      const struct entry *e, bool *changed, struct err *err)
{
    uint32_t flags;
    struct str keywords;
    if (op->mode == STORE_REMOVE)
        keywords = keywords_find(op->keywords, m->keywords, c->arena);
    else
        TRY(keywords_resolve(op->keywords, op->is_by_other, &m->keywords, c->arena, &keywords,
                             err));
    TRY(apply(op, e, keywords, c->arena, &flags, &keywords, err));
    if (flags == e->flags && str_eq(keywords, e->keywords))
        return true;
    *changed = true;
    return entry_set_flags(c, m, e, flags, keywords, err) &&
           training_note(c, e->id, e->flags, flags, err);
}

/* The mailbox has new keywords even when no message may get them (spec 2.24). */
static bool join_keywords(struct change *c, struct mailbox *m, const struct store_flags *op,
                          bool *changed, struct err *err)
{
    struct str keywords, before = m->keywords;
    if (op->mode == STORE_REMOVE || op->keywords.len == 0)
        return true;
    TRY(keywords_resolve(op->keywords, op->is_by_other, &m->keywords, c->arena, &keywords, err));
    *changed = *changed || !str_eq(m->keywords, before);
    return true;
}

/* Since when a message may not have changed (RFC 7162 3.1.3). */
static uint64_t changed_at_most(const struct store_flags *op)
{
    return op->has_unchanged_since ? op->unchanged_since : INT64_MAX;
}

static bool store_each(struct change *c, struct mailbox *m, struct store_flags *op, size_t from,
                       size_t to, bool *changed, struct err *err)
{
    for (size_t i = from; i < to; i++) {
        struct entry e;
        bool found;
        TRY(entry_get(c->db, m->id, op->uids.items[i], c->arena, &e, &found, err));
        if (!found)
            continue;
        if (e.modseq > changed_at_most(op))
            op->modified.items[op->modified.len++] = e.uid;
        else
            TRY(store_one(c, m, op, &e, changed, err));
    }
    return true;
}

/* What changes are flags alone, by adding some or taking some away. */
static bool is_flags_alone(const struct store_flags *op)
{
    return op->mode != STORE_REPLACE && op->keywords.len == 0;
}

static uint32_t with_bits(const struct store_flags *op, uint32_t flags)
{
    return (flags | op->added) & ~op->removed;
}

static struct db_query query_between(struct change *c, enum account_statement statement,
                                     const struct mailbox *m, uint32_t first, uint32_t last)
{
    struct db_query q = db_query(c->db, statement);
    db_bind_u64(&q, m->id);
    db_bind_u64(&q, first);
    db_bind_u64(&q, last);
    return q;
}

static void recount(struct mailbox *m, const struct store_flags *op, uint32_t flags, int count)
{
    mailbox_count(m, flags, 0, -count);
    mailbox_count(m, with_bits(op, flags), 0, count);
}

static bool note_counted(struct change *c, struct mailbox *m, const struct store_flags *op,
                         uint32_t first, uint32_t last, bool *ret_changed, struct err *err)
{
    struct db_query q = query_between(c, ENTRY_COUNT_TO_CHANGE, m, first, last);
    db_bind_u64(&q, op->added);
    db_bind_u64(&q, op->removed);
    *ret_changed = db_step(&q) && db_column_u64(&q, 0) > 0;
    if (*ret_changed) {
        int all = (int)db_column_u64(&q, 0), seen = (int)db_column_u64(&q, 1);
        int deleted = (int)db_column_u64(&q, 2), both = (int)db_column_u64(&q, 3);
        recount(m, op, 0, all - seen - deleted + both);
        recount(m, op, FLAG_SEEN, seen - both);
        recount(m, op, FLAG_DELETED, deleted - both);
        recount(m, op, FLAG_SEEN | FLAG_DELETED, both);
    }
    return db_done(&q, err);
}

/* What note_range does, of so many messages that it counts to have no rows of them. Flags of which
 * nothing is counted are not counted. */
static bool note_bulk(struct change *c, struct mailbox *m, const struct store_flags *op,
                      uint32_t first, uint32_t last, bool *ret_changed, struct err *err)
{
    if ((op->added | op->removed) & (FLAG_SEEN | FLAG_DELETED))
        return note_counted(c, m, op, first, last, ret_changed, err);
    struct db_query q = query_between(c, ENTRY_HAS_TO_CHANGE, m, first, last);
    db_bind_u64(&q, op->added);
    db_bind_u64(&q, op->removed);
    *ret_changed = db_step(&q);
    return db_done(&q, err);
}

/* After note_bulk, and the change of `count` messages. */
static bool log_bulk(struct change *c, const struct mailbox *m, uint64_t count, uint32_t first,
                     uint32_t last, struct err *err)
{
    if (count > CHANGE_LOG_MAX) {
        change_log_forget(&c->account->changes, change_modseq(c));
        return true;
    }
    struct db_query q = query_between(c, ENTRY_CHANGED_BY, m, first, last);
    db_bind_u64(&q, change_modseq(c));
    while (db_step(&q))
        change_log_add(&c->account->changes, m->id, (uint32_t)db_column_u64(&q, 0),
                       change_modseq(c));
    return db_done(&q, err);
}

/* What happens to each message alone is known without looking at it. */
static bool is_bulk(const struct store_flags *op, uint32_t first, uint32_t last)
{
    return last - first >= BULK_MIN && !op->has_unchanged_since &&
           !((op->added | op->removed) & (FLAG_JUNK | FLAG_NOTJUNK)); /* training_note */
}

static bool note_range(struct change *c, struct mailbox *m, struct store_flags *op, uint32_t first,
                       uint32_t last, bool *ret_changed, struct err *err)
{
    struct entry e;
    struct err failure;
    bool ok = true;
    *ret_changed = false;
    struct db_query q = query_between(c, ENTRY_BETWEEN, m, first, last);
    while (ok && db_step(&q)) {
        entry_read(&q, &e);
        uint32_t flags = with_bits(op, e.flags);
        if (e.modseq > changed_at_most(op)) {
            op->modified.items[op->modified.len++] = e.uid;
        } else if (flags != e.flags) {
            entry_count_flags(c, m, &e, flags);
            ok = training_note(c, e.id, e.flags, flags, &failure);
            *ret_changed = true;
        }
    }
    TRY(db_done(&q, err));
    if (!ok)
        *err = failure;
    return ok;
}

/* Messages with UIDs in a row: one statement reads them, and one writes. */
static bool store_range(struct change *c, struct mailbox *m, struct store_flags *op, uint32_t first,
                        uint32_t last, bool *changed, struct err *err)
{
    bool some, bulk = is_bulk(op, first, last);
    TRY(bulk ? note_bulk(c, m, op, first, last, &some, err)
             : note_range(c, m, op, first, last, &some, err));
    if (!some)
        return true;
    *changed = true;
    struct db_query q = query_between(c, ENTRY_SET_FLAGS_BETWEEN, m, first, last);
    db_bind_u64(&q, op->added);
    db_bind_u64(&q, op->removed);
    db_bind_u64(&q, change_modseq(c));
    db_bind_u64(&q, changed_at_most(op));
    TRY(db_run(&q, err));
    return !bulk || log_bulk(c, m, db_changes(c->db), first, last, err);
}

/* The end of the UIDs from `i` on that follow each other without a gap. */
static size_t end_of_range(const struct uids *uids, size_t i)
{
    do
        i++;
    while (i < uids->len && uids->items[i] == uids->items[i - 1] + 1);
    return i;
}

static bool store_all(struct change *c, struct mailbox *m, struct store_flags *op, bool *changed,
                      struct err *err)
{
    bool flags_alone = is_flags_alone(op);
    for (size_t i = 0, end; i < op->uids.len; i = end) {
        end = end_of_range(&op->uids, i);
        if (flags_alone && end - i >= RANGE_MIN)
            TRY(store_range(c, m, op, op->uids.items[i], op->uids.items[end - 1], changed, err));
        else
            TRY(store_each(c, m, op, i, end, changed, err));
    }
    return true;
}

static bool run(struct change *c, void *ctx, struct err *err)
{
    struct store_flags *op = ctx;
    struct mailbox m;
    bool changed = false;
    TRY(mailbox_by_id(c->db, op->mailbox_id, c->arena, &m, err));
    op->modified = uids_new(c->arena, op->uids.len);
    if (!op->modified.items)
        return err_set(err, ERR_LIMIT, "too many messages for one call");
    op->added = op->mode == STORE_ADD ? op->flags : 0;
    op->removed = op->mode == STORE_REMOVE ? op->flags : 0;
    op->is_derived = is_flags_alone(op) && !op->has_unchanged_since && m.modseq <= op->since_modseq;
    TRY(store_all(c, &m, op, &changed, err));
    if (op->modified.len > 0)
        TRY(join_keywords(c, &m, op, &changed, err));
    if (changed)
        TRY(mailbox_save(c, &m, err));
    op->modseq = m.modseq;
    op->mailbox = m;
    return true;
}

static void save(const void *ctx, struct buf *out)
{
    const struct store_flags *op = ctx;
    wire_put_u64(out, op->modseq);
    uids_save(out, op->modified);
}

static void load(void *ctx, struct wire *w, struct arena *arena)
{
    struct store_flags *op = ctx;
    op->modseq = wire_take_u64(w, "modseq");
    op->modified = uids_load(w, arena);
}

bool store_flags(struct account *account, struct str key, struct store_flags *op,
                 struct arena *arena, struct err *err)
{
    static const struct change_type type = {.kind = 'f', .run = run, .save = save, .load = load};
    struct change_request request = {.type = &type, .op = op, .arena = arena, .key = key};
    return account_change(account, &request, err);
}
