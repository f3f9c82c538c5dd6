#ifndef SERVICES_STORE_QUEUE_PRIVATE_H
#define SERVICES_STORE_QUEUE_PRIVATE_H

#include "common/db/group.h"
#include "services/store/queue.h"
#include "services/store/queue_sql.h"

#include <pthread.h>
#include <stdatomic.h>

/*
 * Shared by the queue's own files only: queue.c (opening, sweeping), queue_ids.c, queue_enqueue.c,
 * queue_lease.c, queue_finish.c, queue_admin.c.
 *
 * Everything that writes is a db_group_change, so that concurrent submissions, leases and results
 * share a commit. Changes run one at a time, which is why they need no locks.
 */

/* The next id of a table, and the last that its sequence on disk allows. Of changes only. */
struct queue_ids {
    const char *table;
    uint64_t next;
    uint64_t reserved;
};

struct queue {
    struct store *store;
    struct db *db;
    struct db_group *group;
    struct metric_family *messages; /* by state; NULL without metrics (tests) */
    uint64_t made_directory;        /* the last of queue/msg/ known to exist; of changes only */
    struct queue_ids submission_ids, message_ids;
    _Atomic uint64_t last_id; /* of a submission that is committed, or was */

    pthread_mutex_t files_lock; /* held while files are removed, or must not be */
    pthread_mutex_t reader_lock;
    struct db *reader; /* for queue_list */

    atomic_bool nudged; /* deliverers were told of work and have not come since */
    atomic_bool behind; /* a lease left due messages behind: results make room for them */

    _Atomic int64_t forget_ms; /* when queue_sweep looks for old keys and counts again */
    pthread_t sweeper;
    bool has_sweeper;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t wake;
    bool is_stopping;
    bool wants_sweep;
};

/* An absent string is empty here: no column is NULL. */
struct str queue_text(struct str s);

/* Before anything else happens. */
bool queue_load_ids(struct queue *queue, struct err *err) MUST_USE;
/* In a change: `count` ids in a row from `*ret_first`. They are not given again, also when the
 * change is taken back. */
bool queue_take_ids(struct db *db, struct queue_ids *ids, uint64_t count, uint64_t *ret_first,
                    struct err *err) MUST_USE;
/* For queue_last_id: the submission is committed. */
void queue_has_committed(struct queue *queue, uint64_t base_id);
/* At opening: removes files of submissions that did not come to their commit. */
bool queue_remove_leftovers(struct queue *queue, struct err *err) MUST_USE;

/* Publishes QueueHasWork, once for all that happens before the next lease. */
void queue_nudge(struct queue *queue, int64_t due_ms);
/* Makes the sweeper run soon. */
void queue_want_sweep(struct queue *queue);

/* In a change: a message of `domain` waits for `due_ms`. Must be told whenever one begins to wait,
 * or will be due earlier. */
bool queue_destination_due(struct db *db, struct str domain, int64_t due_ms,
                           struct err *err) MUST_USE;
/* In a change: sets the domain's time to that of its earliest waiting message. */
bool queue_refresh_destination(struct db *db, struct str domain, struct err *err) MUST_USE;
/* In a change: removes the row of a message and, with the last one, its submission. */
bool queue_remove_message(struct db *db, uint64_t id, uint64_t base_id, struct err *err) MUST_USE;
/* In a change: refuses (ERR_LIMIT) what passes the sender's limits, and counts what does not. */
bool queue_count_outgoing(struct db *db, const struct queue_enqueue *request, int64_t now_ms,
                          struct err *err) MUST_USE;

#endif
