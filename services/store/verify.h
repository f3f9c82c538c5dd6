#ifndef SERVICES_STORE_VERIFY_H
#define SERVICES_STORE_VERIFY_H

#include "services/store/account.h"

/*
 * The consistency check (spec 20 1.23) of an account and of the queue: do rows, counts and files
 * agree? Nothing is changed. Deliveries to the account wait while it runs.
 *
 *     struct findings f;
 *     findings_init(&f, arena);
 *     if (!verify_account(account, &f, err)) ...      // could not look
 *     for (size_t i = 0; i < f.len; i++) print(f.lines[i]);
 *     findings_release(&f);
 */

/* The kinds of findings; at most FINDINGS_PER_KIND lines of each are kept. */
enum finding_kind {
    FINDING_COUNT,    /* a mailbox's counts */
    FINDING_SEQUENCE, /* UIDs, UIDVALIDITY, modseqs */
    FINDING_MAILBOX,  /* names and parents */
    FINDING_ROW,      /* entries, tombstones and messages that do not fit each other */
    FINDING_THREAD,
    FINDING_USE, /* the account's total */
    FINDING_FILE_MISSING,
    FINDING_FILE_SIZE,
    FINDING_FILE_STRAY,
    FINDING_KINDS
};

#define FINDINGS_PER_KIND 20

struct findings {
    struct arena *arena;
    ARRAY_OF(struct str) lines;
    size_t count[FINDING_KINDS];
};

void findings_init(struct findings *f, struct arena *arena);
void findings_release(struct findings *f);

bool verify_account(struct account *account, struct findings *f, struct err *err) MUST_USE;
/* Each queued message has its file. */
bool verify_queue(struct store *store, struct findings *f, struct err *err) MUST_USE;

#endif
