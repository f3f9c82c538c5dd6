#include "services/store/leaving.h"

#include "common/base/clock.h"
#include "services/store/erase.h"
#include "services/store/expunge.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#define NOTES_ARENA_MAX (64u << 20)
#define UIDS_BYTES_MAX (1u << 20)
#define READER_CACHE_KIB 64
#define AGAIN_S 60

/* ---- Changes; none is kept under a key: what has left has left. */

static bool run_note(struct change *c, void *ctx, struct err *err)
{
    const struct leaving *leaving = ctx;
    struct buf uids;
    buf_init(&uids, UIDS_BYTES_MAX);
    uids_save(&uids, leaving->uids);
    bool ok = !uids.overflow || err_set(err, ERR_LIMIT, "too many messages for one call");
    if (ok) {
        struct db_query q = db_query(c->db, LEAVING_ADD);
        db_bind_blob(&q, leaving->key);
        db_bind_u64(&q, leaving->to_account_id);
        db_bind_u64(&q, leaving->mailbox_id);
        db_bind_blob(&q, buf_str(&uids));
        ok = db_run(&q, err);
    }
    buf_release(&uids);
    return ok;
}

bool leaving_note(struct account *from, struct leaving *leaving, struct err *err)
{
    static const struct change_type type = {.run = run_note};
    if (str_is_empty(leaving->key))
        return err_set(err, ERR_SYNTAX, "a move to another account needs a key");
    return account_change_once(from, &type, leaving, err);
}

static bool remove_note(struct db *db, struct str key, struct err *err)
{
    struct db_query q = db_query(db, LEAVING_REMOVE);
    db_bind_blob(&q, key);
    return db_run(&q, err);
}

static bool expunge_found(struct change *c, const struct leaving *leaving, struct mailbox *m,
                          struct err *err)
{
    bool any = false;
    for (size_t i = 0; i < leaving->uids.len; i++) {
        struct entry e;
        bool found;
        TRY(entry_get(c->db, m->id, leaving->uids.items[i], c->arena, &e, &found, err));
        if (found)
            TRY(expunge_entry(c, m, &e, err));
        any = any || found;
    }
    return !any || mailbox_save(c, m, err);
}

static bool run_end(struct change *c, void *ctx, struct err *err)
{
    const struct leaving *leaving = ctx;
    struct mailbox m;
    if (mailbox_by_id(c->db, leaving->mailbox_id, c->arena, &m, err))
        TRY(expunge_found(c, leaving, &m, err));
    else if (err->kind != ERR_NOT_FOUND) /* with its mailbox it has left too */
        return false;
    return remove_note(c->db, leaving->key, err);
}

bool leaving_end(struct account *from, struct leaving *leaving, struct err *err)
{
    static const struct change_type type = {.run = run_end};
    return account_change_once(from, &type, leaving, err);
}

static bool run_forget(struct db *db, void *ctx, struct err *err)
{
    return remove_note(db, ((const struct leaving *)ctx)->key, err);
}

/* ---- After a process was killed, or a disk was full */

/* The other account is read beside whoever uses it: opening it here might wait for this one. */
static bool have_arrived(struct account *from, const struct leaving *leaving, bool *ret,
                         struct err *err)
{
    struct layout_path path =
        layout_account_db(from->store->settings->data, leaving->to_account_id);
    *ret = false;
    if (access(path.text, F_OK) < 0 && errno == ENOENT)
        return true; /* it was removed */
    struct db *db = db_open(path.text, &account_schema, DB_READ_ONLY, READER_CACHE_KIB, err);
    if (!db)
        return false;
    struct db_query q = db_query(db, DONE_FIND);
    db_bind_blob(&q, leaving->key);
    *ret = db_step(&q);
    bool ok = db_done(&q, err);
    db_close(db);
    return ok;
}

static bool settle_one(struct account *from, struct leaving *leaving, struct err *err)
{
    bool arrived;
    TRY(have_arrived(from, leaving, &arrived, err));
    bool ok = arrived ? leaving_end(from, leaving, err)
                      : db_group_run(from->group, run_forget, leaving, DB_DURABLE, err);
    if (ok)
        log_info(&from->store->log, "settled a move to another account that was cut off",
                 LOG_U64("account", from->id), LOG_U64("to", leaving->to_account_id),
                 LOG_U64("messages", leaving->uids.len), LOG_BOOL("arrived", arrived));
    return ok;
}

struct notes {
    ARRAY_OF(struct leaving) all;
};

static bool read_note(struct db_query *q, struct arena *arena, struct leaving *ret, struct err *err)
{
    struct wire uids = wire_init(db_column_str(q, 3));
    *ret = (struct leaving){.key = db_column_copy(q, 0, arena),
                            .to_account_id = db_column_u64(q, 1),
                            .mailbox_id = db_column_u64(q, 2),
                            .uids = uids_load(&uids, arena)};
    return wire_finish(&uids, err);
}

static bool read_notes(struct account *from, struct arena *arena, struct notes *notes,
                       struct err *err)
{
    struct db *db;
    struct err unreadable;
    bool ok = true;
    TRY(account_read_begin(from, &db, err));
    struct db_query q = db_query(db, LEAVING_LIST);
    while (ok && db_step(&q)) {
        struct leaving leaving;
        ok = read_note(&q, arena, &leaving, &unreadable);
        if (ok)
            array_push(&notes->all, leaving);
    }
    bool is_read = db_done(&q, err);
    account_read_end(from, db);
    if (is_read && !ok)
        *err = unreadable;
    return is_read && ok;
}

bool leaving_settle(struct account *from, struct err *err)
{
    struct arena arena;
    struct notes notes = {.all.len = 0};
    struct err failure;
    arena_init(&arena, NOTES_ARENA_MAX);
    bool ok = read_notes(from, &arena, &notes, err);
    for (size_t i = 0; i < notes.all.len; i++) {
        if (settle_one(from, &notes.all.items[i], &failure))
            continue;
        ok = false;
        *err = failure;
    }
    array_release(&notes.all);
    arena_release(&arena);
    return ok;
}

void leaving_try_settle(struct account *from)
{
    struct err err;
    if (leaving_settle(from, &err))
        return;
    log_warn(&from->store->log, "a move to another account is not settled yet",
             LOG_U64("account", from->id), LOG_ERR(&err));
    accounts_schedule_erase(from->accounts, from->id, clock_wall_s() + AGAIN_S);
}
