#ifndef SERVICES_STORE_MAILBOXES_REPLY_H
#define SERVICES_STORE_MAILBOXES_REPLY_H

#include "proto/mailboxes.pb-c.h"
#include "services/store/annotations.h"
#include "services/store/changes.h"
#include "services/store/sort_keys.h"
#include "services/store/thread_marks.h"

/*
 * Domain values as replies of the doors `mailboxes` and `transfer`. Everything in arena, or
 * borrowing from it; NULL when that is full.
 */

/* What a caller says when that happened. Returns false. */
bool reply_no_room(struct err *err);

Mailrail__MailboxInfo *reply_mailbox(const struct mailbox *m, struct arena *arena);
/* Fills the mailboxes of `out`, which is initialised. */
bool reply_mailboxes(const struct mailbox_list *list, struct arena *arena, Mailrail__ListReply *out,
                     struct err *err) MUST_USE;
/* Reads the names that the owner subscribed, by name. */
bool reply_subscriptions(struct db *db, struct arena *arena, char ***ret, size_t *ret_count,
                         struct err *err) MUST_USE;
Mailrail__Annotation *reply_annotation(const struct annotation *a, struct arena *arena);
/* Fills `out`, which is initialised. */
bool reply_changes(const struct changes *c, struct arena *arena, Mailrail__Changes *out,
                   struct err *err) MUST_USE;
/* Fills `out`, which is initialised, for `count` messages. */
void reply_sort_keys(const struct sort_keys *keys, size_t count, Mailrail__SortKeysReply *out);
/* Fills `out`, which is initialised; parents borrow from the thread. */
bool reply_thread(const struct thread *thread, struct arena *arena, Mailrail__ThreadReply *out,
                  struct err *err) MUST_USE;
/* NULL-terminated copies of names. */
char **reply_names(const struct str *names, size_t count, struct arena *arena);

#endif
