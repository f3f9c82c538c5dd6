#ifndef SERVICES_STORE_QUEUE_SQL_H
#define SERVICES_STORE_QUEUE_SQL_H

#include "common/db/db.h"

/*
 * All SQL of the queue: the schema of queue.db and its statements, by name. The texts, with the
 * order of their parameters and columns, are in queue_sql.c.
 */

enum queue_statement {
    /* Ids. */
    Q_SEQUENCE,
    Q_SET_SEQUENCE,
    Q_BEGIN_SEQUENCE,
    /* Enqueueing. */
    Q_FIND_KEY,
    Q_ADD_KEY,
    Q_ADD_SUBMISSION,
    Q_ADD_CONTENT,
    Q_ADD_MESSAGE,
    Q_DESTINATION_DUE,
    /* Outgoing limits. */
    Q_COUNT_OUTGOING,
    Q_COUNT_NEW,
    Q_ADD_OUTGOING,
    Q_ADD_CORRESPONDENT,
    /* Leases. */
    Q_EXPIRED,
    Q_RETURN_EXPIRED,
    Q_RETURN_UNHEARD,
    Q_ADD_UNCONFIRMED,
    Q_CONFIRM,
    Q_FORGET_UNCONFIRMED,
    Q_DUE_DESTINATIONS,
    Q_NEXT_DESTINATION,
    Q_LANES,
    Q_WAITING,
    Q_READ_SUBMISSION,
    Q_READ_CONTENT,
    Q_TAKE,
    Q_NEXT_EXPIRY,
    Q_EXTEND,
    /* Results. */
    Q_STATE,
    Q_RETRY,
    Q_REMOVE,
    Q_REMOVE_LAST,
    Q_COUNT_DOWN,
    Q_REMOVE_CONTENT,
    Q_ADD_ERASE,
    Q_FIRST_WAITING,
    Q_SET_DESTINATION,
    Q_REMOVE_DESTINATION,
    /* Upkeep. */
    Q_ERASES,
    Q_KNOWS,
    Q_REMOVE_ERASE,
    Q_FORGET_KEYS,
    Q_FORGET_OUTGOING,
    Q_LIST_STORED,
    /* The operator. */
    Q_LIST,
    Q_COUNT,
    Q_COUNT_DUE,
    Q_LIST_BY_ID,
    Q_PLACE,
    Q_SET_TIME,
    Q_SET_HELD,
    Q_STATEMENT_COUNT
};

extern const struct db_schema queue_schema;
/* Makes what is derived from the rows, in memory, for one connection: the one that writes. */
extern const char queue_derived_sql[];

#define QUEUE_DAY_MS (24 * 3600 * 1000LL)
#define QUEUE_HOUR_MS (3600 * 1000LL)
#define QUEUE_MINUTE_MS 60000LL

#endif
