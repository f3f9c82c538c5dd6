#include "services/store/mailbox_ops.h"

#include "common/base/bug.h"
#include "services/store/acl.h"
#include "services/store/annotations.h"
#include "services/store/copy.h"
#include "services/store/erase.h"
#include "services/store/mailbox_name.h"

/* ---- What they share */

static bool run_u64(struct db *db, enum account_statement statement, uint64_t value,
                    struct err *err)
{
    struct db_query q = db_query(db, statement);
    db_bind_u64(&q, value);
    return db_run(&q, err);
}

/* The set of mailboxes or subscriptions changed. The account's own modseq counts when no mailbox
 * keeps that of the change. */
static bool mailboxes_changed(struct change *c, struct err *err)
{
    c->mailboxes_changed = true;
    return run_u64(c->db, ACCOUNT_RAISE_MODSEQ, change_modseq(c), err);
}

static void save(const void *ctx, struct buf *out)
{
    const struct mailbox_op *op = ctx;
    wire_put_u64(out, op->modseq);
    wire_put_u8(out, (uint8_t)op->created.len);
    for (size_t i = 0; i < op->created.len; i++)
        wire_put_str16(out, op->created.items[i]);
    wire_put_u64(out, op->mailbox_id);
}

static void load(void *ctx, struct wire *w, struct arena *arena)
{
    (void)arena;
    struct mailbox_op *op = ctx;
    op->modseq = wire_take_u64(w, "modseq");
    size_t count = wire_take_u8(w, "number of names");
    for (op->created.len = 0; op->created.len < count; op->created.len++) {
        if (op->created.len == ARRAY_LEN(op->created.items)) {
            wire_fail(w, "number of names");
            return;
        }
        op->created.items[op->created.len] = wire_take_str16(w, "name");
    }
    if (wire_left(w) > 0) /* results of earlier versions end here */
        op->mailbox_id = wire_take_u64(w, "mailbox id");
}

/* DELETE takes messages, as RENAME of Inbox does. */
static bool change(struct account *account, struct str key, const struct change_type *type,
                   struct mailbox_op *op, struct arena *arena, struct err *err)
{
    struct change_request request = {.type = type, .op = op, .arena = arena, .key = key};
    return account_change_taking(account, &request, err);
}

static bool refuse_inbox(struct str name, struct err *err)
{
    if (!mailbox_name_is_inbox(name))
        return true;
    err_set(err, ERR_STATE, "not with Inbox");
    return err_reply(err, "Inbox cannot be created, deleted or replaced");
}

static bool refuse_existing(struct change *c, const struct mailbox_op *op, struct str name,
                            struct err *err)
{
    struct mailbox m;
    uint32_t rights = RIGHTS_ALL;
    if (!mailbox_by_name(c->db, name, c->arena, &m, err))
        return err->kind == ERR_NOT_FOUND;
    if (op->by_other != 0)
        TRY(acl_rights(c->account->store, c->db, m.id, op->by_other, &rights, err));
    if (!(rights & RIGHT_LOOKUP))
        return err_set(err, ERR_NOT_FOUND, "no such mailbox");
    err_set(err, ERR_CONFLICT, "mailbox %.*s exists", STR_ARG(name));
    return err_reply(err, "the mailbox exists already");
}

/* Is the nearest mailbox above still the one with the right? */
static bool check_parent(struct change *c, struct str name, uint64_t checked_id, struct err *err)
{
    struct mailbox m;
    if (checked_id == 0)
        return true;
    while (!str_is_null(name = mailbox_name_parent(name))) {
        if (mailbox_by_name(c->db, name, c->arena, &m, err))
            return mailbox_is_checked(&m, checked_id, err);
        if (err->kind != ERR_NOT_FOUND)
            return false;
    }
    return err_set(err, ERR_NOT_FOUND, "no such mailbox any more");
}

static bool check_room(struct change *c, const struct mailbox_op *op, struct err *err)
{
    return op->checked_parent_id == 0 || acl_check_room(c, err);
}

/* There the mailboxes of others are shown. */
static bool refuse_others(struct str name, struct err *err)
{
    if (!mailbox_name_is_others(name))
        return true;
    err_set(err, ERR_SYNTAX, "mailbox %.*s in the namespace of others", STR_ARG(name));
    return err_reply(err, "mailboxes there belong to others");
}

/* ---- Create */

bool mailbox_check_special_use(struct str special_use, struct err *err)
{
    static const struct str known[] = {STR_INIT("\\Archive"), STR_INIT("\\Drafts"),
                                       STR_INIT("\\Junk"), STR_INIT("\\Sent"), STR_INIT("\\Trash")};
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (str_eq(special_use, known[i]))
            return true;
    }
    return str_is_empty(special_use) ||
           err_set(err, ERR_SYNTAX, "no such special use: %.*s", STR_ARG(special_use));
}

/* At most one mailbox has a role: the present holder gives it up. */
static bool take_special_use(struct change *c, const struct mailbox *m, struct str special_use,
                             struct err *err)
{
    struct db_query q = db_query(c->db, MAILBOX_CLEAR_SPECIAL_USE);
    db_bind_str(&q, special_use);
    db_bind_u64(&q, change_modseq(c));
    if (db_step(&q))
        change_mailbox(c, db_column_u64(&q, 0));
    TRY(db_done(&q, err));
    q = db_query(c->db, MAILBOX_SET_SPECIAL_USE);
    db_bind_u64(&q, m->id);
    db_bind_str(&q, special_use);
    return db_run(&q, err);
}

static bool run_create(struct change *c, void *ctx, struct err *err)
{
    struct mailbox_op *op = ctx;
    struct mailbox m;
    TRY(check_parent(c, op->name, op->checked_parent_id, err));
    TRY(refuse_existing(c, op, op->name, err));
    TRY(mailbox_ensure(c, op->name, op->by_other == 0, &op->created, &m, err));
    if (!str_is_empty(op->special_use) && !take_special_use(c, &m, op->special_use, err))
        return false;
    op->mailbox_id = m.id;
    TRY(check_room(c, op, err));
    op->modseq = change_modseq(c);
    return mailboxes_changed(c, err);
}

bool mailbox_create(struct account *account, struct str key, struct mailbox_op *op,
                    struct arena *arena, struct err *err)
{
    static const struct change_type type = {
        .kind = 'C', .run = run_create, .save = save, .load = load};
    TRY(mailbox_name_check(op->name, arena, &op->name, err) && refuse_inbox(op->name, err));
    TRY(refuse_others(op->name, err));
    TRY(mailbox_check_special_use(op->special_use, err));
    return change(account, key, &type, op, arena, err);
}

/* ---- Delete */

static bool erase_messages(struct change *c, const struct mailbox *m, struct err *err)
{
    ARRAY_OF(struct entry) all = {0};
    struct entry e;
    struct db_query q = db_query(c->db, ENTRY_ALL);
    db_bind_u64(&q, m->id);
    while (db_step(&q)) {
        entry_read(&q, &e);
        array_push(&all, e);
    }
    bool ok = db_done(&q, err);
    for (size_t i = 0; ok && i < all.len; i++)
        ok = erase_later(c, &all.items[i], err);
    array_release(&all);
    return ok && run_u64(c->db, ENTRY_REMOVE_ALL, m->id, err) &&
           run_u64(c->db, VANISHED_REMOVE_ALL, m->id, err);
}

static bool has_children(struct change *c, struct str name, bool *ret, struct err *err)
{
    struct db_query q = db_query(c->db, MAILBOX_HAS_CHILDREN);
    db_bind_str(&q, name);
    *ret = db_step(&q);
    return db_done(&q, err);
}

static bool leave_name(struct change *c, const struct mailbox *m, struct err *err)
{
    struct db_query q = db_query(c->db, FORMER_NAME_ADD);
    db_bind_str(&q, m->name);
    db_bind_u64(&q, m->uidvalidity);
    return db_run(&q, err);
}

static bool run_delete(struct change *c, void *ctx, struct err *err)
{
    struct mailbox_op *op = ctx;
    struct mailbox m;
    bool children;
    TRY(mailbox_by_name(c->db, op->name, c->arena, &m, err) &&
        mailbox_is_checked(&m, op->checked_id, err));
    TRY(has_children(c, op->name, &children, err));
    if (children) {
        err_set(err, ERR_CONFLICT, "mailbox %.*s has children", STR_ARG(op->name));
        return err_reply(err, "the mailbox has children");
    }
    TRY(erase_messages(c, &m, err) && leave_name(c, &m, err));
    TRY(annotations_remove(c, m.id, err) && acl_remove(c, m.id, err));
    TRY(run_u64(c->db, MAILBOX_REMOVE, m.id, err));
    change_mailbox(c, m.id);
    op->modseq = change_modseq(c);
    return mailboxes_changed(c, err);
}

bool mailbox_delete(struct account *account, struct str key, struct mailbox_op *op,
                    struct arena *arena, struct err *err)
{
    static const struct change_type type = {
        .kind = 'D', .run = run_delete, .save = save, .load = load};
    TRY(mailbox_name_check(op->name, arena, &op->name, err) && refuse_inbox(op->name, err));
    return change(account, key, &type, op, arena, err);
}

/* ---- Rename */

/* The UIDVALIDITY under the new name: its own, unless the name had one that is not lower
 * (RFC 9051 2.3.1.1). */
static bool fit_uidvalidity(struct change *c, struct str name, uint32_t *uidvalidity,
                            struct err *err)
{
    struct db_query q = db_query(c->db, FORMER_NAME_FIND);
    db_bind_str(&q, name);
    bool is_used_up = db_step(&q) && db_column_u64(&q, 0) >= *uidvalidity;
    TRY(db_done(&q, err));
    return !is_used_up || mailbox_take_uidvalidity(c->db, uidvalidity, err);
}

static bool rename_row(struct change *c, const struct mailbox *m, struct str name,
                       uint64_t parent_id, struct err *err)
{
    uint32_t uidvalidity = m->uidvalidity;
    TRY(leave_name(c, m, err) && fit_uidvalidity(c, name, &uidvalidity, err));
    change_mailbox(c, m->id);
    struct db_query q = db_query(c->db, MAILBOX_RENAME);
    db_bind_u64(&q, m->id);
    db_bind_str(&q, name);
    if (parent_id != 0)
        db_bind_u64(&q, parent_id);
    else
        db_bind_null(&q);
    db_bind_u64(&q, uidvalidity);
    db_bind_u64(&q, change_modseq(c));
    return db_run(&q, err);
}

static bool rename_children(struct change *c, const struct mailbox_op *op, struct err *err)
{
    struct mailbox_list below;
    TRY(mailbox_list_below(c->db, op->name, c->arena, &below, err));
    bool ok = true;
    for (size_t i = 0; ok && i < below.mailboxes.len; i++) {
        const struct mailbox *m = &below.mailboxes.items[i];
        struct str name = arena_printf(c->arena, "%.*s%.*s", STR_ARG(op->to),
                                       STR_ARG(str_skip(m->name, op->name.len)));
        /* The new name obeys the rules like any other. */
        ok = mailbox_name_check(name, c->arena, &name, err) &&
             rename_row(c, m, name, m->parent_id, err);
    }
    mailbox_list_release(&below);
    return ok;
}

/* Renamed first and put below its new parent then: that may be one of the names that it leaves
 * (`a` to `a/b`), which is made anew. */
static bool rename_mailbox(struct change *c, struct mailbox_op *op, const struct mailbox *m,
                           struct err *err)
{
    struct mailbox parent = {.id = 0};
    struct str parent_name = mailbox_name_parent(op->to);
    TRY(rename_children(c, op, err) && rename_row(c, m, op->to, 0, err));
    if (str_is_null(parent_name))
        return true;
    TRY(mailbox_ensure(c, parent_name, false, &op->created, &parent, err));
    struct db_query q = db_query(c->db, MAILBOX_SET_PARENT);
    db_bind_u64(&q, m->id);
    db_bind_u64(&q, parent.id);
    return db_run(&q, err);
}

static bool rename_inbox(struct change *c, struct mailbox_op *op, struct mailbox *inbox,
                         struct err *err)
{
    struct mailbox to;
    TRY(mailbox_ensure(c, op->to, false, &op->created, &to, err));
    c->annotations_changed = true;
    return annotations_copy(c, inbox->id, to.id, err) && move_all(c, inbox, &to, err) &&
           mailbox_save(c, &to, err) && mailbox_save(c, inbox, err);
}

static bool run_rename(struct change *c, void *ctx, struct err *err)
{
    struct mailbox_op *op = ctx;
    struct mailbox m;
    TRY(mailbox_by_name(c->db, op->name, c->arena, &m, err) &&
        mailbox_is_checked(&m, op->checked_id, err));
    TRY(check_parent(c, op->to, op->checked_parent_id, err));
    TRY(refuse_existing(c, op, op->to, err));
    if (mailbox_name_is_inbox(op->name))
        TRY(rename_inbox(c, op, &m, err));
    else
        TRY(rename_mailbox(c, op, &m, err));
    TRY(check_room(c, op, err));
    op->modseq = change_modseq(c);
    return mailboxes_changed(c, err);
}

/* A new mailbox comes in its place then, perhaps at the top level: that is for the owner. */
static bool refuse_below_itself(const struct mailbox_op *op, struct err *err)
{
    bool is_below = str_starts_with(op->to, op->name) && op->to.len > op->name.len &&
                    op->to.ptr[op->name.len] == '/';
    if (op->checked_id == 0 || !is_below)
        return true;
    err_set(err, ERR_FORBIDDEN, "renamed below itself by another");
    return err_reply(err, "only the owner may do that");
}

bool mailbox_rename(struct account *account, struct str key, struct mailbox_op *op,
                    struct arena *arena, struct err *err)
{
    static const struct change_type type = {
        .kind = 'R', .run = run_rename, .save = save, .load = load};
    TRY(mailbox_name_check(op->name, arena, &op->name, err));
    TRY(mailbox_name_check(op->to, arena, &op->to, err) && refuse_inbox(op->to, err));
    TRY(refuse_others(op->to, err) && refuse_below_itself(op, err));
    return change(account, key, &type, op, arena, err);
}

/* ---- Subscribe */

static bool run_subscribe(struct change *c, void *ctx, struct err *err)
{
    struct mailbox_op *op = ctx;
    struct mailbox m;
    struct db_query q = db_query(c->db, op->subscribe ? SUBSCRIPTION_ADD : SUBSCRIPTION_REMOVE);
    db_bind_str(&q, op->name);
    TRY(db_run(&q, err));
    if (db_changes(c->db) == 0)
        return op->subscribe || mailbox_by_name(c->db, op->name, c->arena, &m, err);
    op->modseq = change_modseq(c);
    return mailboxes_changed(c, err);
}

bool mailbox_subscribe(struct account *account, struct mailbox_op *op, struct arena *arena,
                       struct err *err)
{
    static const struct change_type type = {
        .kind = 'S', .run = run_subscribe, .save = save, .load = load};
    TRY(mailbox_name_check(op->name, arena, &op->name, err));
    return change(account, STR_NULL, &type, op, arena, err);
}
