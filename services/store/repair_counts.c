#include "services/store/repair.h"

#include "services/store/mailbox.h"
#include "services/store/verify_files.h"

#include <inttypes.h>

#define ARENA_MAX (64u << 20)

struct recount {
    struct job *job;
    struct mailbox_list wrong; /* as they were */
    struct mailbox_list right;
    int64_t used_by; /* what the account's totals were wrong by */
    int64_t messages_by;
};

static bool is_same(const struct mailbox *a, const struct mailbox *b)
{
    return a->total == b->total && a->deleted == b->deleted && a->unread == b->unread &&
           a->unseen == b->unseen && a->size == b->size;
}

static bool recount_mailbox(struct change *c, struct recount *r, const struct mailbox *m,
                            struct err *err)
{
    struct mailbox right, fixed = *m;
    TRY(verify_count_mailbox(c->db, m, &right, err));
    if (is_same(m, &right))
        return true;
    fixed.total = right.total;
    fixed.deleted = right.deleted;
    fixed.unread = right.unread;
    fixed.unseen = right.unseen;
    fixed.size = right.size;
    array_push(&r->wrong.mailboxes, *m);
    array_push(&r->right.mailboxes, fixed);
    return mailbox_save(c, &fixed, err);
}

static bool recount_account(struct change *c, struct recount *r, struct err *err)
{
    struct db_query q = db_query(c->db, ACCOUNT_HIGHEST);
    if (db_step(&q)) {
        r->used_by = db_column_i64(&q, 2) - atomic_load(&c->account->used);
        r->messages_by = db_column_i64(&q, 3) - atomic_load(&c->account->messages);
    }
    TRY(db_done(&q, err));
    c->used = r->used_by;
    c->messages = r->messages_by;
    atomic_fetch_add(&c->account->used, r->used_by);
    atomic_fetch_add(&c->account->messages, r->messages_by);
    return true;
}

static bool run(struct change *c, void *op, struct err *err)
{
    struct recount *r = op;
    struct mailbox_list all;
    TRY(mailbox_list(c->db, c->arena, &all, err));
    bool ok = true;
    for (size_t i = 0; ok && i < all.mailboxes.len; i++)
        ok = recount_mailbox(c, r, &all.mailboxes.items[i], err);
    mailbox_list_release(&all);
    return ok && recount_account(c, r, err);
}

static void say_one(struct job *job, struct str name, const char *what, int64_t was, int64_t is)
{
    if (was != is)
        job_line(job, "mailbox %.*s: %s was %" PRId64 ", is %" PRId64, STR_ARG(name), what, was,
                 is);
}

static void say(const struct recount *r)
{
    for (size_t i = 0; i < r->wrong.mailboxes.len; i++) {
        const struct mailbox *was = &r->wrong.mailboxes.items[i];
        const struct mailbox *is = &r->right.mailboxes.items[i];
        say_one(r->job, was->name, "total", was->total, is->total);
        say_one(r->job, was->name, "deleted", was->deleted, is->deleted);
        say_one(r->job, was->name, "unread", was->unread, is->unread);
        say_one(r->job, was->name, "unseen", was->unseen, is->unseen);
        say_one(r->job, was->name, "size", was->size, is->size);
    }
    if (r->used_by != 0 || r->messages_by != 0)
        job_line(r->job,
                 "account: the total was wrong by %" PRId64 " bytes and %" PRId64 " messages",
                 r->used_by, r->messages_by);
}

/* Nothing that adds or erases messages is half done meanwhile: the totals in memory are those of
 * the rows. */
bool repair_counts(struct account *account, struct job *job, struct err *err)
{
    static const struct change_type type = {.run = run};
    struct recount r = {.job = job};
    struct arena arena;
    arena_init(&arena, ARENA_MAX);
    struct change_request request = {.type = &type, .op = &r, .arena = &arena};
    job_expect(job, account_used_messages(account));
    pthread_rwlock_wrlock(&account->files_lock);
    bool ok = account_change(account, &request, err);
    pthread_rwlock_unlock(&account->files_lock);
    if (ok)
        say(&r);
    job_advance(job, account_used_messages(account));
    mailbox_list_release(&r.wrong);
    mailbox_list_release(&r.right);
    arena_release(&arena);
    return ok;
}
