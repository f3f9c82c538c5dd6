#ifndef SERVICES_STORE_TEXT_WORKER_H
#define SERVICES_STORE_TEXT_WORKER_H

#include "services/store/account.h"

/*
 * Keeps the text indexes of all accounts up, in a thread of its own: new messages some seconds
 * after the last of them came, at the latest after a minute; a few accounts' worth of old ones over
 * time. It is polite: it runs at a low priority, and rests as long as it worked.
 *
 * What is to be done is in memory only. When an account is opened for the first time, its index is
 * compared with its messages once; from then on it is told of every change. So a process that was
 * killed leaves nothing behind that the next one does not find.
 */

/* Started before accounts are opened, stopped before they are closed, freed after. Accept NULL. */
struct text_worker *text_worker_start(struct store *store, struct err *err);
void text_worker_stop(struct text_worker *worker);
void text_worker_free(struct text_worker *worker);

/* From any thread, also after it was stopped. All of these do nothing in a store without a worker.
 */
void text_worker_note_open(struct account *account);
void text_worker_note_new(struct account *account, uint64_t first_id, size_t count);
void text_worker_note_gone(struct account *account);
/* Compares anew, soon: the index was switched on or off, or is damaged. `rebuild`: makes it anew.
 */
void text_worker_note_changed(struct account *account, bool rebuild);

#endif
