#ifndef SERVICES_STORE_COPY_ACROSS_H
#define SERVICES_STORE_COPY_ACROSS_H

#include "services/store/copy.h"

/*
 * COPY and MOVE from one account to another. The messages are new ones there: with the same text,
 * flags and date, but without what is known of how they came.
 *
 * A move expunges what it has copied. When the process is killed in between, it is ended when the
 * account is opened next (leaving.h), and a call that is repeated under its key finds the copies.
 */

#define COPY_ACROSS_MAX 10000 /* messages in one call */

/* As copy_messages (copy.h); `op->modseq` is of the destination. A move needs a key;
 * ERR_STATE: while a backup is between the two accounts (backup_cut.h). */
bool copy_across(struct account *from, struct account *to, struct str key, struct copy *op,
                 struct arena *arena, struct err *err) MUST_USE;

#endif
