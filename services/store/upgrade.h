#ifndef SERVICES_STORE_UPGRADE_H
#define SERVICES_STORE_UPGRADE_H

#include "services/store/account.h"
#include "services/store/job.h"

/*
 * Stored data that must be brought up to date when Mailrail learns more (spec 20 1.22): structures
 * when the parser has a new version, threads of accounts that have none. Tables change at once,
 * when an account is opened (account_sql.c); this is about what needs the messages one by one.
 *
 * Each account remembers, per kind, the version that all of its messages have, and how far the way
 * to the next one is. A step is a batch of messages in one change, which also writes how far it
 * came: whatever ends the process, the next one goes on. Accounts that lack something are found
 * when they are opened, which at start all are, and work on them is done on one thread in the
 * background; deliveries and clients go on meanwhile.
 *
 * The repairs `reparse` and `reassign-threads` are the same steps, from the beginning.
 */

enum upgrade_kind {
    UPGRADE_STRUCTURE = 1, /* versions: STRUCTURE_VERSION */
    UPGRADE_THREADS = 2,   /* UPGRADE_THREADS_NONE, ... */
};

enum { UPGRADE_THREADS_NONE, UPGRADE_THREADS_KEYS, UPGRADE_THREADS_DONE };

#define UPGRADE_BATCH 500 /* messages in one change */

/* How far an account is. */
struct upgrade_state {
    uint64_t version;
    uint64_t at; /* messages up to this id are done */
};

/* One step from `from`. Writes the new state (upgrade_save) in its change, into *ret too. */
struct upgrade_step {
    struct upgrade_state state;
    uint64_t messages; /* that were looked at */
    uint64_t failed;   /* of these, that could not be read: they stay as they are */
};
typedef bool upgrade_function(struct account *account, struct upgrade_step *step, struct job *job,
                              struct err *err);
upgrade_function upgrade_structures; /* reparse.c */
upgrade_function upgrade_threads;    /* rethread.c */

/* In a change. */
bool upgrade_save(struct db *db, enum upgrade_kind kind, const struct upgrade_state *state,
                  struct err *err) MUST_USE;

/* Called by store_open and store_close. Stopping waits for the step that is under way; accounts may
 * be opened until upgrades_free. Both accept NULL. */
bool upgrades_open(struct store *store, struct err *err) MUST_USE;
void upgrades_stop(struct upgrades *upgrades);
void upgrades_free(struct upgrades *upgrades);

/* When an account is opened: sees what it lacks, and has it done in the background. */
bool upgrade_look(struct account *account, struct err *err) MUST_USE;
/* Nothing of this kind is old. */
bool upgrade_is_done(struct account *account, enum upgrade_kind kind, bool *ret,
                     struct err *err) MUST_USE;
/* All steps of this kind; with `again` from the beginning, though nothing is old. */
bool upgrade_run(struct account *account, enum upgrade_kind kind, bool again, struct job *job,
                 struct err *err) MUST_USE;

/* The messages of an import, from `first_id`: who missed something that it refers to looks for it
 * again, with its thread, for it may have come behind. In the change that added them, so that
 * nobody sees another thread than the final one. */
bool rethread_since(struct change *c, uint64_t first_id, struct err *err) MUST_USE;

/* Threads are being assigned: a message that comes meanwhile is looked at again. */
bool upgrade_note_thread(struct change *c, uint64_t message_id, struct err *err) MUST_USE;

#endif
