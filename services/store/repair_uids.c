#include "services/store/repair.h"

#include "services/store/mailbox.h"

#include <inttypes.h>

#define ARENA_MAX (64u << 20)

/* ---- Mailboxes made anew */

struct renew {
    uint64_t mailbox_id;
    bool renumber;
    struct mailbox was;
    uint32_t uidvalidity;
    uint64_t uidnext;
};

static bool take_id(struct db *db, uint64_t *ret, struct err *err)
{
    struct db_query q = db_query(db, MAILBOX_TAKE_ID);
    bool any = db_step(&q);
    *ret = any ? db_column_u64(&q, 0) : 0;
    TRY(db_done(&q, err));
    return any || err_set(err, ERR_CORRUPT, "mailboxes have no next id");
}

static bool run_two(struct db *db, enum account_statement statement, uint64_t from, uint64_t to,
                    struct err *err)
{
    struct db_query q = db_query(db, statement);
    db_bind_u64(&q, from);
    db_bind_u64(&q, to);
    return db_run(&q, err);
}

static bool run_one(struct db *db, enum account_statement statement, uint64_t id, struct err *err)
{
    struct db_query q = db_query(db, statement);
    db_bind_u64(&q, id);
    return db_run(&q, err);
}

static bool move_entries(struct change *c, const struct renew *r, uint64_t to, struct err *err)
{
    struct db_query q = db_query(c->db, ENTRY_COPY_ALL);
    db_bind_u64(&q, r->was.id);
    db_bind_u64(&q, to);
    db_bind_u64(&q, r->renumber);
    db_bind_u64(&q, change_modseq(c));
    return db_run(&q, err) && run_one(c->db, ENTRY_REMOVE_ALL, r->was.id, err) &&
           run_one(c->db, MESSAGE_SET_MAILBOX, to, err);
}

static bool highest_uid(struct db *db, uint64_t mailbox_id, uint64_t *ret, struct err *err)
{
    struct db_query q = db_query(db, MAILBOX_HIGHEST_UID);
    db_bind_u64(&q, mailbox_id);
    *ret = db_step(&q) ? db_column_u64(&q, 0) : 0;
    return db_done(&q, err);
}

static bool move_mailbox(struct change *c, struct renew *r, uint64_t to, struct err *err)
{
    uint64_t highest = 0;
    r->uidnext = r->was.uidnext;
    if (r->renumber)
        TRY(highest_uid(c->db, to, &highest, err));
    if (r->renumber)
        r->uidnext = highest + 1;
    struct db_query q = db_query(c->db, MAILBOX_SET_ID);
    db_bind_u64(&q, r->was.id);
    db_bind_u64(&q, to);
    db_bind_u64(&q, r->uidvalidity);
    db_bind_u64(&q, r->uidnext);
    db_bind_u64(&q, change_modseq(c));
    return db_run(&q, err) && run_two(c->db, MAILBOX_SET_PARENTS, r->was.id, to, err) &&
           run_two(c->db, MESSAGE_SET_ORIGIN, r->was.id, to, err) &&
           run_two(c->db, ANNOTATION_SET_MAILBOX, r->was.id, to, err) &&
           run_two(c->db, ACL_SET_MAILBOX, r->was.id, to, err);
}

static bool run_renew(struct change *c, void *op, struct err *err)
{
    struct renew *r = op;
    uint64_t to = 0;
    TRY(mailbox_by_id(c->db, r->mailbox_id, c->arena, &r->was, err));
    TRY(mailbox_take_uidvalidity(c->db, &r->uidvalidity, err) && take_id(c->db, &to, err));
    TRY(move_entries(c, r, to, err));
    TRY(r->renumber ? run_one(c->db, VANISHED_REMOVE_ALL, r->was.id, err)
                    : run_two(c->db, VANISHED_SET_MAILBOX, r->was.id, to, err));
    c->mailboxes_changed = true;
    change_mailbox(c, r->was.id);
    return move_mailbox(c, r, to, err);
}

static bool renew_one(struct account *account, const struct mailbox *m, bool renumber,
                      struct job *job, struct err *err)
{
    static const struct change_type type = {.run = run_renew};
    struct renew r = {.mailbox_id = m->id, .renumber = renumber};
    bool ok = account_change_once(account, &type, &r, err);
    if (ok)
        job_line(job,
                 "mailbox %.*s: UIDVALIDITY was %u, is %u; next UID was %" PRIu64 ", is %" PRIu64,
                 STR_ARG(m->name), m->uidvalidity, r.uidvalidity, m->uidnext, r.uidnext);
    else if (err->kind == ERR_NOT_FOUND)
        ok = true; /* deleted meanwhile */
    job_advance(job, (uint64_t)(m->total + m->deleted));
    return ok || err_wrap(err, "mailbox %.*s", STR_ARG(m->name));
}

/* The mailbox, or all. */
static bool list(struct account *account, struct str name, struct arena *arena,
                 struct mailbox_list *ret, struct err *err)
{
    struct db *db;
    struct mailbox m;
    *ret = (struct mailbox_list){0};
    TRY(account_read_begin(account, &db, err));
    bool ok;
    if (str_is_empty(name)) {
        ok = mailbox_list(db, arena, ret, err);
    } else {
        ok = mailbox_by_name(db, name, arena, &m, err);
        if (ok)
            array_push(&ret->mailboxes, m);
    }
    account_read_end(account, db);
    return ok;
}

bool repair_renew(struct account *account, struct str mailbox, bool renumber, struct job *job,
                  struct err *err)
{
    struct arena arena;
    struct mailbox_list mailboxes;
    arena_init(&arena, ARENA_MAX);
    bool ok = list(account, mailbox, &arena, &mailboxes, err);
    if (ok)
        job_expect(job, account_all_messages(account));
    for (size_t i = 0; ok && i < mailboxes.mailboxes.len; i++)
        ok = job_goes_on(job, err) &&
             renew_one(account, &mailboxes.mailboxes.items[i], renumber, job, err);
    mailbox_list_release(&mailboxes);
    arena_release(&arena);
    return ok;
}

/* ---- What comes next */

static bool fix_uidnext(struct change *c, struct job *job, struct mailbox *m, struct err *err)
{
    uint64_t highest;
    TRY(highest_uid(c->db, m->id, &highest, err));
    if (m->uidnext > highest)
        return true;
    job_line(job, "mailbox %.*s: next UID was %" PRIu64 ", is %" PRIu64, STR_ARG(m->name),
             m->uidnext, highest + 1);
    m->uidnext = highest + 1;
    return mailbox_save(c, m, err);
}

static bool fix_uidvalidity(struct change *c, struct job *job, struct err *err)
{
    struct db_query q = db_query(c->db, ACCOUNT_RAISE_UIDVALIDITY);
    if (db_step(&q))
        job_line(job, "account: next UIDVALIDITY is %" PRIu64, db_column_u64(&q, 0));
    return db_done(&q, err);
}

static bool run_fix(struct change *c, void *op, struct err *err)
{
    struct job *job = op;
    struct mailbox_list all;
    TRY(mailbox_list(c->db, c->arena, &all, err));
    bool ok = true;
    for (size_t i = 0; ok && i < all.mailboxes.len; i++)
        ok = fix_uidnext(c, job, &all.mailboxes.items[i], err);
    mailbox_list_release(&all);
    return ok && fix_uidvalidity(c, job, err);
}

bool repair_uids(struct account *account, struct job *job, struct err *err)
{
    static const struct change_type type = {.run = run_fix};
    return account_change_once(account, &type, job, err);
}
