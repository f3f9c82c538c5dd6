#ifndef SERVICES_STORE_ACCOUNT_H
#define SERVICES_STORE_ACCOUNT_H

#include "common/base/array.h"
#include "common/base/list.h"
#include "common/text/wire.h"
#include "services/store/account_sql.h"
#include "services/store/accounts.h"
#include "services/store/junk_rules.h"
#include "services/store/message_text.h"
#include "services/store/ready_files.h"
#include "services/store/text_index.h"
#include "services/store/change_log.h"

#include <pthread.h>
#include <stdatomic.h>

/*
 * One open account: its connections, the values that it hands out, and how a change is made.
 *
 * Every change of an account's data is a function that runs in the group transaction of its
 * account, alone (db_group). It gets a `struct change`, through which it takes a modseq, says which
 * mailboxes changed, and adds files; account_change then commits, and publishes or cleans up:
 *
 *     struct expunge { uint64_t mailbox_id; ... };          // arguments and result
 *     static bool run(struct change *c, void *op, struct err *err) { ... }
 *     static const struct change_type expunge_type = {'e', run, save, load};
 *     struct change_request r = {.type = &expunge_type, .op = &expunge, .arena = arena, .key =
 * key}; if (!account_change(account, &r, err)) ...
 *
 * Reading needs no change: account_read_begin lends a connection with a snapshot.
 */

struct reader {
    struct db *db;
};

struct account {
    struct list_link link; /* in accounts, while nobody uses it */
    struct store *store;
    uint64_t id;
    struct accounts *accounts;
    /* Under the lock of accounts. */
    bool is_busy; /* being opened or closed */
    unsigned users;
    int64_t idle_since_ms;

    struct db_group *group;
    struct db *db; /* the writing connection: used by the group alone */
    struct junk_rules junk_rules;

    pthread_mutex_t readers_lock;
    ARRAY_OF(struct reader) readers; /* idle ones */

    /* Highest value handed out. A value that is lost in a failed change is no loss. */
    atomic_uint_fast64_t modseq;
    atomic_uint_fast64_t message_id;
    /* Bytes of the messages in mailboxes, of changes that are not committed yet too. */
    atomic_int_fast64_t used;
    atomic_int_fast64_t messages; /* the same, of their number */
    atomic_int_fast64_t kept;     /* bytes of those that wait to be erased: bounded by erase.h */
    atomic_int_fast64_t kept_messages;
    /* Held for reading while message files are added or removed, for writing by who compares the
     * files with the rows. */
    pthread_rwlock_t files_lock;
    /* Held for writing while messages move to another account (copy_across.h), for reading by who
     * else takes messages out of a mailbox (account_change_taking). Before files_lock. */
    pthread_rwlock_t move_lock;
    pthread_mutex_t prepare_lock;
    bool is_marked_unclean;     /* under prepare_lock: account.unclean_from is set */
    uint64_t ready_directories; /* under prepare_lock: those below this number exist */
    struct ready_files ready;
    pthread_mutex_t import_lock;  /* held by who works on an import (import.h) */
    pthread_mutex_t erase_lock;   /* held while files are erased; and by who wants them to stay */
    pthread_mutex_t upgrade_lock; /* held during a step (upgrade.h) */
    atomic_bool threads_pending;  /* threads are being assigned to what is there */
    pthread_mutex_t acl_lock;     /* held by who changes rights (acl.h) */
    int64_t acl_turns_s;          /* under acl_lock: when the index of shares was changed last, */
    int64_t acl_turns_taken;      /* and how often, less what time gave back */
    struct change_log changes;
    struct text_index text; /* written by text_worker.h alone */
};

/* ---- Changes */

struct change {
    struct account *account;
    struct db *db;
    struct arena *arena; /* of the caller: for results */
    uint64_t modseq;     /* 0 until taken */
    int64_t used;        /* by how many bytes it changes the account's use */
    int64_t messages;    /* and by how many messages */
    int64_t kept;        /* and the bytes that wait to be erased */
    int64_t kept_messages;
    bool mailboxes_changed;
    bool annotations_changed;
    bool training_changed; /* the junk filter has something to learn */
    bool rights_changed;
    ARRAY_OF(uint64_t) mailbox_ids; /* whose messages changed */
    ARRAY_OF(uint64_t) thread_ids;  /* whose marks changed */
};

struct change_type {
    uint8_t kind; /* tells apart what is kept under keys: 'd' for deliveries, ... */
    bool (*run)(struct change *c, void *op, struct err *err);
    /* The result as bytes that are kept under the key, and back (borrowing, or in arena). */
    void (*save)(const void *op, struct buf *out);
    void (*load)(void *op, struct wire *w, struct arena *arena);
};

#define CHANGE_KEY_MAX 64

struct change_request {
    const struct change_type *type;
    void *op;
    struct arena *arena;
    /* Not empty: the change is made once under this key (at most CHANGE_KEY_MAX bytes); a repeated
     * call loads the first result into `op`. */
    struct str key;
    /* From message_files.h, for changes that add message files. When the change fails, or was
     * made before, the files are removed. */
    uint64_t first_file;
    size_t file_count;
    size_t message_count; /* that it may add, move or remove: for many there is a larger cache */
    struct file_sync *file_sync; /* of such a file, under way; NULL: they are on disk */
};

/* Makes the change, durably, and publishes it. */
bool account_change(struct account *account, const struct change_request *request,
                    struct err *err) MUST_USE;

/* The same for a change that takes messages out of a mailbox: never between the two halves of a
 * move to another account, which would put them in both places. */
bool account_change_taking(struct account *account, const struct change_request *request,
                           struct err *err) MUST_USE;

/* account_change without a key, for a change whose results are in `op` itself, none of them in the
 * arena.
 */
bool account_change_once(struct account *account, const struct change_type *type, void *op,
                         struct err *err) MUST_USE;

/* The one modseq of this change. */
uint64_t change_modseq(struct change *c);
/* The messages of this mailbox changed. */
void change_mailbox(struct change *c, uint64_t mailbox_id);

/* ---- Reading */

/* A connection with a snapshot of the account; ended by account_read_end. */
bool account_read_begin(struct account *account, struct db **ret, struct err *err) MUST_USE;
void account_read_end(struct account *account, struct db *db);

/* Counts a new message of so many bytes against the quota: ERR_LIMIT with this reply when it would
 * pass it. */
#define REPLY_OVER_QUOTA "over quota"
bool change_use(struct change *c, uint64_t bytes, uint64_t quota_bytes, struct err *err) MUST_USE;
/* A message of so many bytes waits to be erased from now on: it leaves room for others. */
void change_unuse(struct change *c, uint64_t bytes);

/* Opening and closing, for accounts.c. */
bool account_start(struct account *account, struct err *err) MUST_USE;
void account_stop(struct account *account);

#endif
