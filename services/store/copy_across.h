#ifndef SERVICES_STORE_COPY_ACROSS_H
#define SERVICES_STORE_COPY_ACROSS_H

#include "services/store/copy.h"

/*
 * COPY and MOVE from one account to another. The messages are new ones there: with the same text,
 * flags and date, but without what is known of how they came.
 *
 * Two databases do not commit together. A move expunges what it has copied; when the process is
 * killed in between, a call that is repeated under its key finds the copies and goes on.
 */

#define COPY_ACROSS_MAX 10000 /* messages in one call */

/* As copy_messages (copy.h); `op->modseq` is of the destination. */
bool copy_across(struct account *from, struct account *to, struct str key, struct copy *op,
                 struct arena *arena, struct err *err) MUST_USE;

#endif
