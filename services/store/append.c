#include "services/store/append.h"

#include "services/store/expunge.h"
#include "services/store/mailbox_name.h"
#include "services/store/message_files.h"

/* Takes out the replaced message; `to` may be its mailbox. */
static bool replace(struct change *c, const struct append *op, struct mailbox *to, struct err *err)
{
    struct mailbox other, *view = to;
    struct entry old;
    bool found;
    if (op->view_mailbox_id != to->id) {
        TRY(mailbox_by_id(c->db, op->view_mailbox_id, c->arena, &other, err));
        view = &other;
    }
    TRY(entry_get(c->db, view->id, op->replace_uid, c->arena, &old, &found, err));
    if (!found) {
        err_set(err, ERR_STATE, "the message to replace is gone");
        return err_reply(err, "the message to replace is gone");
    }
    TRY(expunge_entry(c, view, &old, err));
    return view == to || mailbox_save(c, view, err);
}

static bool run(struct change *c, void *ctx, struct err *err)
{
    struct append *op = ctx;
    struct mailbox m;
    struct entry e;
    TRY(mailbox_by_name(c->db, op->mailbox, c->arena, &m, err) &&
        mailbox_is_checked(&m, op->checked_id, err));
    op->uids = uids_new(c->arena, op->count);
    if (!op->uids.items)
        return err_set(err, ERR_LIMIT, "too many messages for one call");
    for (size_t i = 0; i < op->count; i++) {
        TRY(message_add(c, &m, &op->messages[i], op->quota_bytes, &e, err));
        op->uids.items[op->uids.len++] = e.uid;
    }
    if (op->replace_uid != 0)
        TRY(replace(c, op, &m, err));
    TRY(mailbox_save(c, &m, err));
    op->uidvalidity = m.uidvalidity;
    op->modseq = m.modseq;
    return true;
}

static void save(const void *ctx, struct buf *out)
{
    const struct append *op = ctx;
    wire_put_u32(out, op->uidvalidity);
    wire_put_u64(out, op->modseq);
    uids_save(out, op->uids);
}

static void load(void *ctx, struct wire *w, struct arena *arena)
{
    struct append *op = ctx;
    op->uidvalidity = wire_take_u32(w, "uidvalidity");
    op->modseq = wire_take_u64(w, "modseq");
    op->uids = uids_load(w, arena);
}

static bool append_one(struct account *account, struct change_request *request, struct err *err)
{
    struct append *op = request->op;
    struct new_message *message = &op->messages[0];
    struct message_file file;
    TRY(message_file_make(account, &message->text, &file, err));
    message->id = request->first_file = file.id;
    message->is_named = file.is_ready;
    request->file_sync = &file.sync;
    bool ok = account_change(account, request, err);
    message_file_close(&file);
    return ok;
}

static bool append_many(struct account *account, struct change_request *request, struct err *err)
{
    struct append *op = request->op;
    TRY(account_take_ids(account, op->count, &request->first_file, err));
    if (account_place_texts(account, op->messages, op->count, request->first_file, err))
        return account_change(account, request, err);
    account_drop_ids(account, request->first_file, op->count);
    return false;
}

static bool append_all(struct account *account, struct change_request *request, struct err *err)
{
    const struct append *op = request->op;
    return op->count == 1 ? append_one(account, request, err) : append_many(account, request, err);
}

/* As account_change_taking; the lock comes before that of the files. */
static bool append_taking(struct account *account, struct change_request *request, struct err *err)
{
    pthread_rwlock_rdlock(&account->move_lock);
    bool ok = append_all(account, request, err);
    pthread_rwlock_unlock(&account->move_lock);
    return ok;
}

bool append(struct account *account, struct str key, struct append *op, struct arena *arena,
            struct err *err)
{
    static const struct change_type type = {.kind = 'a', .run = run, .save = save, .load = load};
    struct change_request request = {
        .type = &type, .op = op, .arena = arena, .key = key, .file_count = op->count};
    TRY(mailbox_name_check(op->mailbox, arena, &op->mailbox, err));
    if (op->count == 0 || op->count > APPEND_ITEMS_MAX)
        return err_set(err, ERR_SYNTAX, "%zu messages in one call", op->count);
    return op->replace_uid != 0 ? append_taking(account, &request, err)
                                : append_all(account, &request, err);
}
