#include "services/store/repair.h"

#include "services/store/acl.h"
#include "services/store/directory.h"
#include "services/store/mailbox_name.h"
#include "services/store/upgrade.h"

#include <inttypes.h>

/*
 * What the kinds of jobs do: one account, or each in turn, of which one that fails does not keep
 * the others from their repair.
 */

typedef bool account_repair(struct account *account, struct job *job, struct err *err);

static bool repair_account(struct job *job, uint64_t id, struct str name, account_repair *repair,
                           struct err *err)
{
    struct account *account = NULL;
    job_doing(job, "account %.*s", STR_ARG(name));
    bool ok = account_open(job_store(job), id, &account, err) && repair(account, job, err);
    account_release(account);
    return ok;
}

static bool repair_one(struct job *job, struct str name, account_repair *repair, struct err *err)
{
    uint64_t id = 0;
    return directory_account_id(job_store(job), name, &id, err) &&
           repair_account(job, id, name, repair, err);
}

static bool repair_each(struct job *job, account_repair *repair, struct arena *arena,
                        struct err *err)
{
    uint64_t id = 0;
    struct str name;
    while (directory_account_next(job_store(job), id, arena, &id, &name)) {
        struct err failure;
        TRY(job_goes_on(job, err));
        if (!repair_account(job, id, name, repair, &failure) && job_goes_on(job, err))
            job_error(job, "account %.*s: %s", STR_ARG(name), failure.detail);
        arena_reset(arena);
    }
    return job_goes_on(job, err);
}

static bool repair_accounts(struct job *job, account_repair *repair, struct err *err)
{
    struct arena arena;
    struct str account = job_request(job)->account;
    if (!str_is_empty(account))
        return repair_one(job, account, repair, err);
    arena_init(&arena, 64 << 10);
    bool ok = repair_each(job, repair, &arena, err);
    arena_release(&arena);
    return ok;
}

/* ---- The kinds */

static bool recalculate(struct account *account, struct job *job, struct err *err)
{
    return repair_counts(account, job, err) && acl_repair(account, job, err);
}

bool job_recalculate(struct job *job, struct err *err)
{
    return repair_accounts(job, recalculate, err);
}

bool job_fix_sizes(struct job *job, struct err *err)
{
    return repair_accounts(job, repair_sizes, err);
}

bool job_fix_uids(struct job *job, struct err *err)
{
    return repair_accounts(job, repair_uids, err);
}

bool job_remove_lost(struct job *job, struct err *err)
{
    return repair_accounts(job, repair_lost, err);
}

static bool reparse_account(struct account *account, struct job *job, struct err *err)
{
    job_expect(job, account_all_messages(account));
    return upgrade_run(account, UPGRADE_STRUCTURE, true, job, err);
}

bool job_reparse(struct job *job, struct err *err)
{
    return repair_accounts(job, reparse_account, err);
}

static bool rethread_account(struct account *account, struct job *job, struct err *err)
{
    job_expect(job, 2 * account_all_messages(account)); /* two rounds */
    return upgrade_run(account, UPGRADE_THREADS, true, job, err);
}

bool job_reassign_threads(struct job *job, struct err *err)
{
    return repair_accounts(job, rethread_account, err);
}

static bool renew_mailboxes(struct account *account, struct job *job, bool renumber,
                            struct err *err)
{
    struct arena arena;
    struct str name = job_request(job)->mailbox;
    arena_init(&arena, 64 << 10);
    bool ok = (str_is_empty(name) || mailbox_name_check(name, &arena, &name, err)) &&
              repair_renew(account, name, renumber, job, err);
    arena_release(&arena);
    return ok;
}

static bool bump_account(struct account *account, struct job *job, struct err *err)
{
    return renew_mailboxes(account, job, false, err);
}

bool job_bump_uidvalidity(struct job *job, struct err *err)
{
    return repair_accounts(job, bump_account, err);
}

static bool renumber_account(struct account *account, struct job *job, struct err *err)
{
    return renew_mailboxes(account, job, true, err);
}

bool job_reassign_uids(struct job *job, struct err *err)
{
    return repair_accounts(job, renumber_account, err);
}
