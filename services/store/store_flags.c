#include "services/store/store_flags.h"

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
    *ret_flags = op->flags;
    *ret_keywords = keywords;
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
        TRY(keywords_resolve(op->keywords, &m->keywords, c->arena, &keywords, err));
    TRY(apply(op, e, keywords, c->arena, &flags, &keywords, err));
    if (flags == e->flags && str_eq(keywords, e->keywords))
        return true;
    *changed = true;
    return entry_set_flags(c, m, e, flags, keywords, err);
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
    for (size_t i = 0; i < op->uids.len; i++) {
        struct entry e;
        bool found;
        TRY(entry_get(c->db, m.id, op->uids.items[i], c->arena, &e, &found, err));
        if (!found)
            continue;
        if (op->has_unchanged_since && e.modseq > op->unchanged_since)
            op->modified.items[op->modified.len++] = e.uid;
        else
            TRY(store_one(c, &m, op, &e, &changed, err));
    }
    if (changed)
        TRY(mailbox_save(c, &m, err));
    op->modseq = m.modseq;
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
