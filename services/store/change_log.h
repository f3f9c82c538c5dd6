#ifndef SERVICES_STORE_CHANGE_LOG_H
#define SERVICES_STORE_CHANGE_LOG_H

#include "common/base/array.h"
#include "services/store/uids.h"

#include <pthread.h>

/*
 * Which messages of an open account changed lately, in memory: what sessions ask after every
 * change. It stands in for an index by modseq, which would cost every delivery and every flag a
 * page on disk; who asks for more than is kept here scans the mailbox, narrow rows in their order.
 */

#define CHANGE_LOG_MAX 4096 /* changes */

struct logged_change {
    uint64_t modseq;
    uint64_t mailbox_id;
    uint32_t uid;
};

struct change_log {
    pthread_mutex_t lock;
    uint64_t complete_above;                /* all changes with a greater modseq are here */
    ARRAY_OF(struct logged_change) changes; /* modseqs ascend */
};

/* Knows of no change, until `complete_above` is set to the account's highest modseq. */
void change_log_init(struct change_log *r);
void change_log_release(struct change_log *r);

/* Before the change is committed, so that nobody sees it who does not find it here. One that fails
 * afterwards is too much, and harms nobody. */
void change_log_add(struct change_log *r, uint64_t mailbox_id, uint32_t uid, uint64_t modseq);

/* Instead of so many changes that they would not fit: nothing up to this modseq is known any more.
 */
void change_log_forget(struct change_log *r, uint64_t modseq);

/* Ascending UIDs of messages of the mailbox that changed after `since`, among them all that a
 * snapshot shows that was begun before; in arena. False: not all are known any more, or there is no
 * room. */
bool change_log_uids(struct change_log *r, uint64_t mailbox_id, uint64_t since, struct arena *arena,
                     struct uids *ret);

#endif
