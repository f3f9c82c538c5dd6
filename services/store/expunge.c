#include "services/store/expunge.h"

#include "services/store/erase.h"
#include "services/store/flags.h"

bool expunge_entry(struct change *c, struct mailbox *m, const struct entry *e, struct err *err)
{
    return entry_remove(c, m, e, err) && erase_later(c, e, err);
}

typedef ARRAY_OF(struct entry) entry_list;

static bool find_named(struct change *c, const struct expunge *op, uint32_t below,
                       entry_list *found, struct err *err)
{
    for (size_t i = 0; i < op->uids.len && op->uids.items[i] < below; i++) {
        struct entry e;
        bool exists;
        TRY(entry_get(c->db, op->mailbox_id, op->uids.items[i], c->arena, &e, &exists, err));
        if (exists && (e.flags & FLAG_DELETED) != 0)
            array_push(found, e);
    }
    return true;
}

static bool find_all(struct change *c, const struct expunge *op, uint32_t below, entry_list *found,
                     struct err *err)
{
    struct entry e;
    struct db_query q = db_query(c->db, ENTRY_DELETED_BELOW);
    db_bind_u64(&q, op->mailbox_id);
    db_bind_u64(&q, below);
    while (db_step(&q)) {
        entry_read(&q, &e);
        e.keywords = STR_NULL; /* borrowed from the row, and not needed */
        array_push(found, e);
    }
    return db_done(&q, err);
}

static bool expunge_all(struct change *c, struct mailbox *m, const entry_list *found,
                        struct expunge *op, struct err *err)
{
    op->expunged = uids_new(c->arena, found->len);
    if (!op->expunged.items)
        return err_set(err, ERR_LIMIT, "too many messages for one call");
    for (size_t i = 0; i < found->len; i++) {
        TRY(expunge_entry(c, m, &found->items[i], err));
        op->expunged.items[op->expunged.len++] = found->items[i].uid;
    }
    return found->len == 0 || mailbox_save(c, m, err);
}

static bool run(struct change *c, void *ctx, struct err *err)
{
    struct expunge *op = ctx;
    struct mailbox m;
    entry_list found = {0};
    uint32_t below = op->below_uid == 0 ? UINT32_MAX : op->below_uid;
    TRY(mailbox_by_id(c->db, op->mailbox_id, c->arena, &m, err));
    bool ok = true;
    if (m.deleted > 0)
        ok = op->only ? find_named(c, op, below, &found, err) : find_all(c, op, below, &found, err);
    ok = ok && expunge_all(c, &m, &found, op, err);
    array_release(&found);
    op->modseq = m.modseq;
    return ok;
}

static void save(const void *ctx, struct buf *out)
{
    const struct expunge *op = ctx;
    wire_put_u64(out, op->modseq);
    uids_save(out, op->expunged);
}

static void load(void *ctx, struct wire *w, struct arena *arena)
{
    struct expunge *op = ctx;
    op->modseq = wire_take_u64(w, "modseq");
    op->expunged = uids_load(w, arena);
}

bool expunge(struct account *account, struct str key, struct expunge *op, struct arena *arena,
             struct err *err)
{
    static const struct change_type type = {.kind = 'e', .run = run, .save = save, .load = load};
    struct change_request request = {.type = &type, .op = op, .arena = arena, .key = key};
    return account_change_taking(account, &request, err);
}
