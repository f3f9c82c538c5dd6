#ifndef SERVICES_STORE_ACCOUNT_H
#define SERVICES_STORE_ACCOUNT_H

#include "common/base/array.h"
#include "common/base/list.h"
#include "common/text/wire.h"
#include "services/store/account_sql.h"
#include "services/store/accounts.h"
#include "services/store/junk_rules.h"

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
    /* Bytes of messages, of changes that are not committed yet too. */
    atomic_int_fast64_t used;
    /* Held for reading while message files are added or removed, for writing by who compares the
     * files with the rows. */
    pthread_rwlock_t files_lock;
    pthread_mutex_t prepare_lock;
    bool is_marked_unclean;     /* under prepare_lock: account.unclean_from is set */
    uint64_t ready_directories; /* under prepare_lock: those below this number exist */
};

/* ---- Changes */

struct change {
    struct account *account;
    struct db *db;
    struct arena *arena; /* of the caller: for results */
    uint64_t modseq;     /* 0 until taken */
    int64_t used;        /* by how many bytes it changes the account's use */
    bool mailboxes_changed;
    ARRAY_OF(uint64_t) mailbox_ids; /* whose messages changed */
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
    /* From account_take_ids, for changes that add message files. When the change fails, or was
     * made before, the files are removed. */
    uint64_t first_file;
    size_t file_count;
};

/* Makes the change, durably, and publishes it. */
bool account_change(struct account *account, const struct change_request *request,
                    struct err *err) MUST_USE;

/* The one modseq of this change. */
uint64_t change_modseq(struct change *c);
/* The messages of this mailbox changed. */
void change_mailbox(struct change *c, uint64_t mailbox_id);

/* ---- Reading */

/* A connection with a snapshot of the account; ended by account_read_end. */
bool account_read_begin(struct account *account, struct db **ret, struct err *err) MUST_USE;
void account_read_end(struct account *account, struct db *db);

/* Counts bytes of messages against the quota: ERR_LIMIT when `bytes` more would pass it. */
bool change_use(struct change *c, int64_t bytes, uint64_t quota_bytes, struct err *err) MUST_USE;

/* ---- Files */

/* Hands out `count` message ids in a row, makes sure that their directories exist, and holds
 * files_lock until they are given to account_change or back to account_drop_ids. */
bool account_take_ids(struct account *account, size_t count, uint64_t *ret_first,
                      struct err *err) MUST_USE;
/* Removes their files, as far as they exist. */
void account_drop_ids(struct account *account, uint64_t first, size_t count);

struct layout_path account_message_path(const struct account *account, uint64_t id);
/* Inside a change: the directory of this message's file is synced before the commit. */
void change_sync_file(struct change *c, uint64_t id);

/* Opening and closing, for accounts.c. */
bool account_start(struct account *account, struct err *err) MUST_USE;
void account_stop(struct account *account);

#endif
