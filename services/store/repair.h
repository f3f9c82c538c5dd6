#ifndef SERVICES_STORE_REPAIR_H
#define SERVICES_STORE_REPAIR_H

#include "services/store/account.h"
#include "services/store/job.h"

/*
 * Repairs of one account (spec 20 4.8). Each says what it changed in lines of the job, makes its
 * changes in batches beside everything else, and nudges clients as every change does. `job` may be
 * NULL. `reparse` and `reassign-threads` are in upgrade.h.
 */

/* Counts of all mailboxes, and the account's total, from the messages. */
bool repair_counts(struct account *account, struct job *job, struct err *err) MUST_USE;
/* Sizes of messages from prefix and file; those that were wrong are parsed again. */
bool repair_sizes(struct account *account, struct job *job, struct err *err) MUST_USE;

/* A mailbox by its canonical name, or all when that is empty, as if it had been deleted and made
 * again with the same messages: a new UIDVALIDITY, and a new id, so that no session confuses it
 * with what it has in view. With `renumber` UIDs begin at 1, without gaps; what was known of
 * expunged messages goes. */
bool repair_renew(struct account *account, struct str mailbox, bool renumber, struct job *job,
                  struct err *err) MUST_USE;
/* Next UIDs above those in use, and the account's next UIDVALIDITY above its mailboxes'. */
bool repair_uids(struct account *account, struct job *job, struct err *err) MUST_USE;
/* Messages without a file are expunged. ERR_STATE when the directory of files is gone with them. */
bool repair_lost(struct account *account, struct job *job, struct err *err) MUST_USE;

/* The same as jobs: of the account and mailbox of the request, or of all (repair_jobs.c). */
job_function job_recalculate;
job_function job_fix_sizes;
job_function job_reparse;
job_function job_reassign_threads;
job_function job_bump_uidvalidity;
job_function job_reassign_uids;
job_function job_fix_uids;
job_function job_remove_lost;

#endif
