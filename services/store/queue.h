#ifndef SERVICES_STORE_QUEUE_H
#define SERVICES_STORE_QUEUE_H

#include "services/store/message_text.h"
#include "services/store/store.h"

/*
 * The queue: messages on their way to others. Rows in queue.db; a small text is a row too, a larger
 * one a file in queue/msg/ (docs/decisions/0017).
 *
 * A submission is one message with one text; it has one row for each recipient. A row waits for its
 * next attempt, is leased to one deliverer, and leaves when that deliverer reports the end. With
 * the last row of a submission its text goes too.
 *
 *                 queue_enqueue                queue_lease
 *      (nothing) --------------> waiting, due ------------> leased, then confirmed
 *                                   ^  lease ran out, failed,  |
 *                                   |   released, postponed    | delivered, failed for good
 *                                   +--------------------------+-----------> (erased)
 *
 * Recipients of one submission in one domain are leased together, as one group. The domain has a
 * few lanes; a group goes into one of them, a lane belongs to one deliverer, and a deliverer works
 * on a lane with one connection: so the number of lanes bounds the connections to a domain over all
 * deliverers, while each can still be handed many messages at once.
 *
 * All functions are thread-safe. `now_ms` is wall time, given by the caller so that tests own the
 * clock. docs/decisions/ has a page on leases.
 */

struct queue;

/* Opens or creates queue.db and sets store->queue. */
bool queue_open(struct store *store, struct err *err) MUST_USE;
/* Accepts NULL. */
void queue_close(struct queue *queue);

struct queue_address {
    struct str localpart;
    struct str domain;
};

struct queue_submission {
    uint64_t account_id; /* of the sender */
    struct str account;
    struct queue_address mail_from; /* both empty: null reverse path */
    uint64_t file_size;             /* of the text, wherever it is */
    struct str prefix;              /* headers in front of the text */
    struct str structure; /* an encoded Structure (proto/message.proto), of the text alone */
    bool has_8bit;
    bool smtputf8;
    unsigned tls; /* enum TlsNeed of proto/submit.proto */
    struct str message_id;
    struct str subject;
    struct str future_release;
    uint64_t cid;
    int64_t queued_ms;
};

/* ---- Into the queue */

struct queue_limits {
    uint32_t max_outgoing;       /* recipients in 24 hours */
    uint32_t max_new_recipients; /* of these, to addresses that had no mail before */
};

struct queue_enqueue {
    struct str key;                  /* a repeated call with the same key returns the same ids */
    struct message_text text;        /* content becomes a row */
    struct queue_submission message; /* all but file_size and queued_ms */
    const struct queue_address *recipients;
    size_t recipient_count;
    int64_t hold_until_ms; /* 0: due at once */
    struct queue_limits limits;
};

/* Durable on return, all recipients or none. The rows get consecutive ids from `*ret_first_id`.
 * ERR_LIMIT with a reply that names the limit; ERR_SYNTAX when there is not exactly one text, of
 * the size that was announced; ERR_NOT_FOUND without the spool file; ERR_NO_SPACE when the disk is
 * full. */
bool queue_enqueue(struct queue *queue, const struct queue_enqueue *request, int64_t now_ms,
                   uint64_t *ret_first_id, struct err *err) MUST_USE;

/* ---- Out of the queue */

struct queue_leased {
    uint64_t queue_id;
    uint64_t lease;
    uint64_t base_id; /* of the submission */
    unsigned lane;
    const struct queue_submission *submission; /* the same pointer in all of a group */
    struct str content; /* with the first of a group: its text; null when it is a file */
    struct queue_address recipient;
    unsigned attempt; /* this one; 1 is the first */
    unsigned max_attempts;
    bool notify_delay;       /* a temporary failure of this attempt is told to the sender */
    int64_t next_attempt_ms; /* if this one fails for now */
    int64_t last_attempt_planned_ms;
    struct str dialed; /* lines "host ip", oldest first */
};

struct queue_lease_request {
    struct str deliverer; /* unique name of the process */
    unsigned max_messages;
    unsigned max_domains;
    unsigned lease_ms;
};

struct queue_lease_reply {
    struct queue_leased *messages; /* members of a group are neighbours */
    size_t count;
    int64_t next_due_ms; /* when to ask again, if nothing happens before; 0: no need */
    bool more;           /* due messages stayed behind */
};

/* Takes due messages. The attempt is counted and the next one set before anybody connects (spec 10
 * C2), in a transaction that is not synced: losing it when the power fails costs nothing but an
 * attempt that is not counted. A lease that nobody confirms before it runs out was not heard of:
 * then its messages are due again and the attempt has not been counted. Results in arena. */
bool queue_lease(struct queue *queue, const struct queue_lease_request *request, int64_t now_ms,
                 struct arena *arena, struct queue_lease_reply *ret, struct err *err) MUST_USE;

/* Before anything of a lease is begun. Repeating it changes nothing. Not synced: one that a power
 * failure takes back costs an attempt that is not counted. */
bool queue_confirm(struct queue *queue, uint64_t lease, struct err *err) MUST_USE;

/* A message and the lease that its deliverer believes to have; `lost` is a result: somebody else
 * has it, or may have it, by now. A message that is gone is not lost: its result was recorded. */
struct queue_hold {
    uint64_t queue_id;
    uint64_t lease;
    bool lost;
};

bool queue_extend(struct queue *queue, struct queue_hold *holds, size_t count, int64_t until_ms,
                  struct err *err) MUST_USE;

/* In the order of enum AttemptOutcome of proto/queue.proto. */
enum queue_outcome {
    QUEUE_RELEASED, /* not attempted: the attempt is not counted */
    QUEUE_DELIVERED,
    QUEUE_TEMPORARY, /* the last attempt makes it permanent */
    QUEUE_PERMANENT,
    QUEUE_POSTPONED, /* our own services were away: soon again, the attempt is not counted */
};

struct queue_result {
    struct queue_hold hold;
    enum queue_outcome outcome;
    struct str error;  /* what the operator sees as last error */
    struct str dialed; /* lines "host ip" of this attempt */
};

/* Records results, durably. Repeating it changes nothing. `results[i].hold.lost` tells those that
 * were not used. */
bool queue_finish(struct queue *queue, struct queue_result *results, size_t count, int64_t now_ms,
                  struct err *err) MUST_USE;

/* ---- For the operator */

struct queue_filter {
    const uint64_t *ids; /* when not NULL: only these */
    size_t id_count;
    bool all; /* needed to mean "everything", so that an empty filter matches nothing */
    struct str account;
    struct str sender_contains;
    struct str recipient_contains;
};

struct queue_entry {
    uint64_t queue_id;
    uint64_t base_id;
    struct str account;
    struct str sender;
    struct str recipient;
    unsigned attempts;
    unsigned max_attempts;
    int64_t queued_ms;
    int64_t next_attempt_ms;
    int64_t last_attempt_ms; /* 0: none yet */
    bool held;
    bool leased;
    uint64_t size;
    struct str message_id;
    struct str subject;
    struct str last_error;
};

/* At most `limit` entries by next attempt, behind the entry `after_id` (0: from the start);
 * `*ret_total` counts all that match. In arena. */
bool queue_list(struct queue *queue, const struct queue_filter *filter, size_t limit,
                uint64_t after_id, struct arena *arena, struct queue_entry **ret_entries,
                size_t *ret_count, uint64_t *ret_total, struct err *err) MUST_USE;
/* Sets the time of the next attempt, of messages that are not leased. */
bool queue_schedule(struct queue *queue, const struct queue_filter *filter, int64_t next_attempt_ms,
                    uint64_t *ret_changed, struct err *err) MUST_USE;
bool queue_set_held(struct queue *queue, const struct queue_filter *filter, bool held,
                    uint64_t *ret_changed, struct err *err) MUST_USE;
/* Removes without notice, leased ones too. */
bool queue_drop(struct queue *queue, const struct queue_filter *filter, uint64_t *ret_changed,
                struct err *err) MUST_USE;

/* ---- Upkeep */

/* Where the text of a submission should be: for the consistency check. */
struct queue_stored {
    uint64_t base_id;
    uint64_t size;
    bool has_content;
    uint64_t content_size;
};
/* At most `limit` submissions with ids from `first_id` on, in order. In arena. */
bool queue_list_stored(struct queue *queue, uint64_t first_id, size_t limit, struct arena *arena,
                       struct queue_stored **ret, size_t *ret_count, struct err *err) MUST_USE;
/* The highest id of a submission that is committed, or was; and whether one with this id is there,
 * or its file waits to be removed. */
/* While true, no file of a message is removed, so that a copy of the database finds them. */
void queue_keep_files(struct queue *queue, bool keep);
uint64_t queue_last_id(struct queue *queue);
bool queue_knows(struct queue *queue, uint64_t base_id, bool *ret, struct err *err) MUST_USE;

/* Recipients: all, and those that wait and are due. */
struct queue_length {
    int64_t all;
    int64_t due;
};
bool queue_count_due(struct queue *queue, int64_t now_ms, struct queue_length *ret,
                     struct err *err) MUST_USE;

/* Removes files whose last row is gone, and forgets keys and counts that nobody needs any more. A
 * thread of the queue calls it soon after each end of a message; tests call it themselves. */
bool queue_sweep(struct queue *queue, int64_t now_ms, struct err *err) MUST_USE;

#endif
