#include "services/store/copy.h"

#include "common/base/clock.h"
#include "services/store/copy_files.h"
#include "services/store/flags.h"
#include "services/store/mailbox_name.h"
#include "services/store/message_files.h"
#include "services/store/thread.h"
#include "services/store/training.h"
#include "services/store/upgrade.h"

#include <inttypes.h>

/* The entry as it will be in the destination: keywords by that mailbox's list, and its junk rules.
 */
static bool prepare_entry(struct change *c, const struct copy *op, const struct mailbox *from,
                          struct mailbox *to, const struct entry *e, struct entry *ret,
                          struct err *err)
{
    *ret = *e;
    struct str indexes = op->drops_keywords ? STR_NULL : e->keywords;
    struct keywords names = keywords_names(indexes, from->keywords, c->arena);
    TRY(keywords_resolve(names, op->is_by_other, &to->keywords, c->arena, &ret->keywords, err));
    ret->flags = junk_rules_apply(&c->account->junk_rules, to->name, to->special_use,
                                  e->flags & ~op->dropped_flags);
    ret->saved_s = clock_wall_s();
    return true;
}

static bool move_one(struct change *c, const struct copy *op, struct mailbox *from,
                     struct mailbox *to, const struct entry *e, struct entry *moved,
                     struct err *err)
{
    TRY(prepare_entry(c, op, from, to, e, moved, err));
    TRY(entry_remove(c, from, e, err) && entry_add(c, to, moved, err));
    TRY(training_note(c, e->id, e->flags, moved->flags, err));
    struct db_query q = db_query(c->db, MESSAGE_MOVE);
    db_bind_u64(&q, moved->id);
    db_bind_u64(&q, to->id);
    db_bind_u64(&q, moved->uid);
    return db_run(&q, err);
}

/* From the columns of MESSAGE_TO_COPY. */
static bool add_copy(struct change *c, struct db_query *original, const struct mailbox *to,
                     const struct entry *copy, struct err *err)
{
    struct thread_place thread;
    TRY(thread_place_copy(original, c->arena, &thread, err));
    struct db_query q = db_query(c->db, MESSAGE_COPY);
    db_bind_u64(&q, copy->id);
    db_bind_u64(&q, to->id);
    db_bind_u64(&q, copy->uid);
    db_bind_blob(&q, thread.parents);
    db_bind_columns(&q, original, 6);
    return db_run(&q, err);
}

static bool copy_recipients(struct change *c, uint64_t from_id, uint64_t to_id, struct err *err)
{
    struct db_query q = db_query(c->db, RECIPIENT_COPY);
    db_bind_u64(&q, from_id);
    db_bind_u64(&q, to_id);
    return db_run(&q, err);
}

static bool copy_row(struct change *c, uint64_t from_id, const struct mailbox *to,
                     const struct entry *copy, struct err *err)
{
    struct err failure;
    struct db_query q = db_query(c->db, MESSAGE_TO_COPY);
    db_bind_u64(&q, from_id);
    bool found = db_step(&q);
    bool has_recipients = found && db_column_u64(&q, 5) != 0;
    bool ok = found && add_copy(c, &q, to, copy, &failure);
    TRY(db_done(&q, err));
    if (!found)
        return err_set(err, ERR_CORRUPT, "message %" PRIu64 " has no row", from_id);
    if (!ok)
        *err = failure;
    return ok && upgrade_note_thread(c, copy->id, err) &&
           (!has_recipients || copy_recipients(c, from_id, copy->id, err));
}

static bool copy_one(struct change *c, const struct copy *op, struct mailbox *from,
                     struct mailbox *to, const struct entry *e, struct entry *copy, struct err *err)
{
    TRY(change_use(c, e->size, op->quota_bytes, err));
    TRY(prepare_entry(c, op, from, to, e, copy, err));
    copy->id = op->first_id + op->copied.len;
    copy_files_add(op->files, e->id, copy->id);
    change_sync_file(c, copy->id);
    return entry_add(c, to, copy, err) && copy_row(c, e->id, to, copy, err) &&
           training_note(c, copy->id, 0, copy->flags, err);
}

static bool transfer(struct change *c, struct copy *op, struct mailbox *from, struct mailbox *to,
                     struct err *err)
{
    for (size_t i = 0; i < op->uids.len; i++) {
        struct entry e, result;
        bool found;
        TRY(entry_get(c->db, from->id, op->uids.items[i], c->arena, &e, &found, err));
        if (!found)
            continue;
        if (op->move)
            TRY(move_one(c, op, from, to, &e, &result, err));
        else
            TRY(copy_one(c, op, from, to, &e, &result, err));
        op->source.items[op->source.len++] = e.uid;
        op->copied.items[op->copied.len++] = result.uid;
    }
    return true;
}

/* All or nothing: what a failure leaves is taken back with the change. */
static bool transfer_all(struct change *c, struct copy *op, struct mailbox *from,
                         struct mailbox *to, struct err *err)
{
    op->source = uids_new(c->arena, op->uids.len);
    op->copied = uids_new(c->arena, op->uids.len);
    op->files = op->move ? NULL : copy_files_new(c->account, op->uids.len, c->arena);
    if (!op->source.items || !op->copied.items || (!op->move && !op->files))
        return err_set(err, ERR_LIMIT, "too many messages for one call");
    bool ok = transfer(c, op, from, to, err);
    if (ok && op->files)
        return copy_files_end(op->files, err);
    if (op->files)
        copy_files_drop(op->files);
    return ok;
}

static bool run(struct change *c, void *ctx, struct err *err)
{
    struct copy *op = ctx;
    struct mailbox from, to;
    TRY(mailbox_by_id(c->db, op->mailbox_id, c->arena, &from, err));
    if (!mailbox_by_name(c->db, op->to, c->arena, &to, err) ||
        !mailbox_is_checked(&to, op->checked_to_id, err))
        return err_wrap(err, "destination %.*s", STR_ARG(op->to));
    if (from.id == to.id)
        return err_set(err, ERR_CONFLICT, "source and destination are the same mailbox");
    TRY(transfer_all(c, op, &from, &to, err));
    op->uidvalidity = to.uidvalidity;
    op->modseq = to.modseq;
    if (op->copied.len == 0)
        return true;
    op->modseq = change_modseq(c);
    return mailbox_save(c, &to, err) && (!op->move || mailbox_save(c, &from, err));
}

static void save(const void *ctx, struct buf *out)
{
    const struct copy *op = ctx;
    wire_put_u32(out, op->uidvalidity);
    wire_put_u64(out, op->modseq);
    uids_save(out, op->source);
    uids_save(out, op->copied);
}

static void load(void *ctx, struct wire *w, struct arena *arena)
{
    struct copy *op = ctx;
    op->uidvalidity = wire_take_u32(w, "uidvalidity");
    op->modseq = wire_take_u64(w, "modseq");
    op->source = uids_load(w, arena);
    op->copied = uids_load(w, arena);
}

bool copy_messages(struct account *account, struct str key, struct copy *op, struct arena *arena,
                   struct err *err)
{
    static const struct change_type type = {.kind = 'c', .run = run, .save = save, .load = load};
    struct change_request request = {
        .type = &type, .op = op, .arena = arena, .key = key, .message_count = op->uids.len};
    TRY(mailbox_name_check(op->to, arena, &op->to, err));
    if (!op->move && op->uids.len > 0) {
        request.file_count = op->uids.len;
        TRY(account_take_ids(account, request.file_count, &request.first_file, err));
        op->first_id = request.first_file;
    }
    return op->move ? account_change_taking(account, &request, err)
                    : account_change(account, &request, err);
}

bool move_all(struct change *c, struct mailbox *from, struct mailbox *to, struct err *err)
{
    ARRAY_OF(struct entry) all = {0};
    static const struct copy as_they_are;
    struct entry e;
    struct db_query q = db_query(c->db, ENTRY_ALL);
    db_bind_u64(&q, from->id);
    while (db_step(&q)) {
        entry_read(&q, &e);
        if (e.keywords.len > 0)
            e.keywords = arena_copy(c->arena, e.keywords);
        array_push(&all, e);
    }
    bool ok = db_done(&q, err);
    for (size_t i = 0; ok && i < all.len; i++) {
        struct entry moved;
        ok = move_one(c, &as_they_are, from, to, &all.items[i], &moved, err);
    }
    array_release(&all);
    return ok;
}
