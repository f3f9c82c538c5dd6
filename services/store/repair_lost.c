#include "services/store/repair_walk.h"

#include "common/base/array.h"
#include "services/store/expunge.h"
#include "services/store/message_files.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define BATCH 1000

/* A message whose file is gone. */
struct lost {
    uint64_t id;
    uint64_t mailbox_id;
    uint32_t uid;
};

struct batch {
    struct account *account;
    struct job *job;
    ARRAY_OF(struct lost) lost;
};

/* ---- Looking */

static void look(void *ctx, const struct repair_message *m)
{
    struct batch *b = ctx;
    struct stat st;
    if (!m->has_entry || stat(account_message_path(b->account, m->id).text, &st) == 0)
        return;
    if (errno == ENOENT)
        array_push(&b->lost, ((struct lost){m->id, m->mailbox_id, m->uid}));
    else
        job_error(b->job, "message %" PRIu64 ": its file cannot be looked at", m->id);
}

/* ---- Writing */

/* One that moved meanwhile is found by the next run. */
static bool expunge_lost(struct change *c, struct batch *b, const struct lost *lost,
                         struct err *err)
{
    struct mailbox m;
    struct entry e;
    bool found;
    TRY(entry_get(c->db, lost->mailbox_id, lost->uid, c->arena, &e, &found, err));
    if (!found || e.id != lost->id)
        return true;
    TRY(mailbox_by_id(c->db, lost->mailbox_id, c->arena, &m, err));
    TRY(expunge_entry(c, &m, &e, err) && mailbox_save(c, &m, err));
    job_line(b->job, "mailbox %.*s: UID %u (message %" PRIu64 ") had no file, and is expunged",
             STR_ARG(m.name), lost->uid, lost->id);
    return true;
}

static bool run(struct change *c, void *op, struct err *err)
{
    struct batch *b = op;
    for (size_t i = 0; i < b->lost.len; i++)
        TRY(expunge_lost(c, b, &b->lost.items[i], err));
    return true;
}

static bool expunge_batch(void *ctx, struct err *err)
{
    static const struct change_type type = {.run = run};
    struct batch *b = ctx;
    bool ok = b->lost.len == 0 || account_change_once(b->account, &type, b, err);
    b->lost.len = 0;
    return ok;
}

/* A volume that is not mounted is no reason to expunge everything. */
static bool has_files(struct account *account, struct err *err)
{
    char path[LAYOUT_PATH_MAX + 8];
    snprintf(path, sizeof(path), "%s/msg",
             layout_account(account->store->settings->data, account->id).text);
    return access(path, X_OK) == 0 || account_all_messages(account) == 0 ||
           err_set_errno(err, errno, "%s: no file of the account is there; nothing is expunged",
                         path);
}

bool repair_lost(struct account *account, struct job *job, struct err *err)
{
    struct batch b = {.account = account, .job = job};
    const struct repair_walk walk = {.account = account,
                                     .job = job,
                                     .batch = BATCH,
                                     .look = look,
                                     .mend = expunge_batch,
                                     .ctx = &b};
    bool ok = has_files(account, err) && repair_walk(&walk, err);
    array_release(&b.lost);
    return ok;
}
