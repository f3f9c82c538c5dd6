#include "services/store/copy_across.h"

#include "services/store/backup_cut.h"
#include "services/store/leaving.h"
#include "services/store/mailbox_name.h"
#include "services/store/message.h"
#include "services/store/message_files.h"

struct across {
    struct copy *copy;
    struct new_message *messages;
    size_t count;
};

/* ---- What is copied */

static bool read_content(struct db *db, uint64_t id, struct arena *arena, struct new_message *ret,
                         struct err *err)
{
    struct db_query q = db_query(db, MESSAGE_CONTENT);
    db_bind_u64(&q, id);
    bool found = db_step(&q);
    if (found) {
        ret->prefix = db_column_copy(&q, 0, arena);
        ret->structure_bytes = db_column_copy(&q, 1, arena);
    }
    TRY(db_done(&q, err));
    if (!found)
        return err_set(err, ERR_CORRUPT, "message %llu has no row", (unsigned long long)id);
    return message_decode(ret, arena, err);
}

static bool read_message(struct account *from, struct db *db, const struct mailbox *m,
                         const struct copy *op, const struct entry *e, struct arena *arena,
                         struct new_message *ret, struct err *err)
{
    struct layout_path path = account_message_path(from, e->id);
    *ret = (struct new_message){
        .text = {.path = arena_printf(arena, "%s", path.text), .size = e->size - e->prefix_size},
        .flags = e->flags & ~op->dropped_flags,
        .stays_unseen = op->is_by_other, /* as APPEND of others */
        .is_by_other = op->is_by_other,
        .received_s = e->received_s,
        .zone = e->zone};
    if (!op->drops_keywords)
        ret->keywords = keywords_names(e->keywords, m->keywords, arena);
    TRY(account_need_file(from, e->id, err));
    return read_content(db, e->id, arena, ret, err);
}

static bool read_all(struct account *from, struct db *db, struct across *a, struct arena *arena,
                     struct err *err)
{
    struct mailbox m;
    struct copy *op = a->copy;
    TRY(mailbox_by_id(db, op->mailbox_id, arena, &m, err));
    for (size_t i = 0; i < op->uids.len; i++) {
        struct entry e;
        bool found;
        TRY(entry_get(db, m.id, op->uids.items[i], arena, &e, &found, err));
        if (!found)
            continue;
        TRY(read_message(from, db, &m, op, &e, arena, &a->messages[a->count++], err));
        op->source.items[op->source.len++] = e.uid;
    }
    return !arena->exhausted || err_set(err, ERR_LIMIT, "too many messages for one call");
}

static bool read_source(struct account *from, struct across *a, struct arena *arena,
                        struct err *err)
{
    struct db *db;
    struct copy *op = a->copy;
    if (op->uids.len > COPY_ACROSS_MAX) { /* no limit that deleting mail would help with */
        err_set(err, ERR_STATE, "too many messages for one call");
        return err_reply(err, "[LIMIT] at most 10000 messages go to another account at once");
    }
    a->messages = arena_new_array(arena, op->uids.len, struct new_message);
    op->source = uids_new(arena, op->uids.len);
    if (!a->messages || !op->source.items)
        return err_set(err, ERR_LIMIT, "too many messages for one call");
    TRY(account_read_begin(from, &db, err));
    bool ok = read_all(from, db, a, arena, err);
    account_read_end(from, db);
    return ok;
}

/* ---- Where it goes */

static bool run_add(struct change *c, void *ctx, struct err *err)
{
    struct across *a = ctx;
    struct copy *op = a->copy;
    struct mailbox to;
    struct entry e;
    if (!mailbox_by_name(c->db, op->to, c->arena, &to, err) ||
        !mailbox_is_checked(&to, op->checked_to_id, err))
        return err_wrap(err, "destination %.*s", STR_ARG(op->to));
    op->copied = uids_new(c->arena, a->count);
    if (!op->copied.items)
        return err_set(err, ERR_LIMIT, "too many messages for one call");
    for (size_t i = 0; i < a->count; i++) {
        TRY(message_add(c, &to, &a->messages[i], op->quota_bytes, &e, err));
        op->copied.items[op->copied.len++] = e.uid;
    }
    op->uidvalidity = to.uidvalidity;
    if (a->count > 0)
        TRY(mailbox_save(c, &to, err));
    op->modseq = to.modseq;
    return true;
}

/* The source is kept too: what has moved is no longer there when the call is repeated. */
static void save(const void *ctx, struct buf *out)
{
    const struct copy *op = ((const struct across *)ctx)->copy;
    wire_put_u32(out, op->uidvalidity);
    wire_put_u64(out, op->modseq);
    uids_save(out, op->source);
    uids_save(out, op->copied);
}

static void load(void *ctx, struct wire *w, struct arena *arena)
{
    struct copy *op = ((struct across *)ctx)->copy;
    op->uidvalidity = wire_take_u32(w, "uidvalidity");
    op->modseq = wire_take_u64(w, "modseq");
    op->source = uids_load(w, arena);
    op->copied = uids_load(w, arena);
}

static bool add_messages(struct account *to, struct str key, struct across *a, struct arena *arena,
                         struct err *err)
{
    static const struct change_type type = {
        .kind = 'x', .run = run_add, .save = save, .load = load};
    struct change_request request = {
        .type = &type, .op = a, .arena = arena, .key = key, .file_count = a->count};
    if (a->count == 0)
        return account_change(to, &request, err);
    TRY(account_take_ids(to, a->count, &request.first_file, err));
    if (account_place_texts(to, a->messages, a->count, request.first_file, err))
        return account_change(to, &request, err);
    account_drop_ids(to, request.first_file, a->count);
    return false;
}

/* ---- And leaves */

static bool move_all_across(struct account *from, struct account *to, struct str key,
                            struct across *a, struct arena *arena, struct err *err)
{
    struct leaving leaving = {
        .key = key, .to_account_id = to->id, .mailbox_id = a->copy->mailbox_id};
    TRY(leaving_settle(from, err) && read_source(from, a, arena, err));
    leaving.uids = a->copy->source;
    if (a->count > 0)
        TRY(leaving_note(from, &leaving, err));
    bool ok = add_messages(to, key, a, arena, err) && leaving_end(from, &leaving, err);
    if (!ok)
        leaving_try_settle(from);
    return ok;
}

/* Nobody else takes messages out of the account meanwhile: what two take along at the same time
 * would be there twice. */
static bool move_across(struct account *from, struct account *to, struct str key, struct across *a,
                        struct arena *arena, struct err *err)
{
    struct backup_cut *cut = from->store->backup_cut;
    TRY(backup_cut_move_begin(cut, from->id, to->id, err));
    pthread_rwlock_wrlock(&from->move_lock);
    bool ok = move_all_across(from, to, key, a, arena, err);
    pthread_rwlock_unlock(&from->move_lock);
    backup_cut_move_end(cut);
    return ok;
}

bool copy_across(struct account *from, struct account *to, struct str key, struct copy *op,
                 struct arena *arena, struct err *err)
{
    struct across a = {.copy = op};
    TRY(mailbox_name_check(op->to, arena, &op->to, err));
    if (op->move)
        return move_across(from, to, key, &a, arena, err);
    return read_source(from, &a, arena, err) && add_messages(to, key, &a, arena, err);
}
