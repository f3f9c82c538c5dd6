#ifndef TESTS_IMAP_FAKE_BACKEND_H
#define TESTS_IMAP_FAKE_BACKEND_H

#include "services/imap/backend.h"

/*
 * Store in memory, linked in place of the files backend*.c: one account, 7, with the mailboxes
 * Inbox, Archive and Trash; the user is me@localhost with the password "secret". Message files lie
 * in a directory of the test, as they would on the volume. Events are delivered within the call.
 */

struct backend *fake_backend_new(struct str data);
/* Events go nowhere before this. */
void fake_backend_set_events(struct backend *b, const struct backend_events *events);
/* From now on every call fails with ERR_UNAVAILABLE, or works again. */
void fake_backend_set_away(struct backend *b, bool away);
/* The quota, 0 for none. */
void fake_backend_set_quota(struct backend *b, uint64_t bytes, uint64_t messages);
/* A capability that logins from now on do not have. */
void fake_backend_hide(struct backend *b, struct str capability);
/* The key of the user: EXTERNAL logs in whose client holds it; empty: nobody's. Borrows. */
void fake_backend_set_key(struct backend *b, struct str client_key, bool preauths);
/* Login is barred. */
void fake_backend_bar(struct backend *b, bool barred);
/* As a delivery: `prefix` is in the row, `text` in the file. Returns the UID. */
uint32_t fake_backend_deliver(struct backend *b, struct str mailbox, struct str prefix,
                              struct str text);

/* Whether there is a text index: of messages of Inbox, not of all, and often wrong. */
void fake_backend_set_indexed(struct backend *b, bool indexed);

/* Store was away, and is one with other data now: messages of Inbox have no flags, though nothing
 * has a new modseq. Events were interrupted. */
void fake_backend_replace(struct backend *b);

/* Runs once, when the next change of flags is stored and its answer is under way. */
void fake_backend_meanwhile(struct backend *b, void (*run)(void *user), void *user);

/* Runs once, when the answer to the next pull is under way; and makes that a failure. */
void fake_backend_during_pull(struct backend *b, void (*run)(void *user), void *user);
void fake_backend_fail_pull(struct backend *b, enum err_kind kind);

/* The answer about messages that is taken after so many others is lost. */
void fake_backend_lose(struct backend *b, unsigned others);

/* How often mailboxes were pulled. */
uint64_t fake_backend_pulls(const struct backend *b);

/* Another service gives the UID of Inbox a keyword: no view has that yet. */
void fake_backend_mark(struct backend *b, uint32_t uid, struct str keyword);

/* Another service expunges the UID of Inbox; its event is not here yet. */
void fake_backend_expunge(struct backend *b, uint32_t uid);

/* Forgets that the UID vanished from Inbox, as a store may that cleans up. */
void fake_backend_purge(struct backend *b, uint32_t uid);

/* The message of Inbox is damaged: its structure cannot be decoded, its file is cut, or its prefix
 * is, which the row says to be longer. */
void fake_backend_damage_structure(struct backend *b, uint32_t uid);
void fake_backend_damage_file(struct backend *b, uint32_t uid);
void fake_backend_damage_prefix(struct backend *b, uint32_t uid);

#endif
