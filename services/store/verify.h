#ifndef SERVICES_STORE_VERIFY_H
#define SERVICES_STORE_VERIFY_H

#include "services/store/account.h"

/*
 * The consistency check (spec 20 1.23) of an account and of the queue: do rows, counts and files
 * agree? Nothing is changed, but that stray files are moved away when that is asked for. Deliveries
 * to the account wait while it runs. Each finding says what to do about it.
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
    FINDING_SEQUENCE, /* UIDs, UIDVALIDITY */
    FINDING_MODSEQ,
    FINDING_TOMBSTONE,
    FINDING_MAILBOX, /* names and parents */
    FINDING_ROW,     /* entries and messages that do not fit each other */
    FINDING_THREAD,
    FINDING_TRAINING,  /* what the junk filter is to learn */
    FINDING_SHARE,     /* rights of others */
    FINDING_USE,       /* the account's total */
    FINDING_STRUCTURE, /* what is stored of a message's parts */
    FINDING_FILE_MISSING,
    FINDING_FILE_SIZE,
    FINDING_FILE_STRAY,
    FINDING_QUEUE,  /* texts of submissions */
    FINDING_DAMAGE, /* of a database */
    FINDING_KINDS
};

#define FINDINGS_PER_KIND 20

typedef ARRAY_OF(struct str) finding_lines;

struct findings {
    /* Settings. */
    struct arena *arena;
    bool fix;      /* move stray message files to moved/ in the data directory */
    bool no_sizes; /* do not look at the sizes of files */
    /* Results. */
    finding_lines lines;
    finding_lines warnings; /* unknown files that are no messages */
    finding_lines moved;
    size_t count[FINDING_KINDS];
};

/* Settings are off. */
void findings_init(struct findings *f, struct arena *arena);
void findings_release(struct findings *f);

bool verify_account(struct account *account, struct findings *f, struct err *err) MUST_USE;
/* Each queued message has its text, once, and each file its message. */
bool verify_queue(struct store *store, struct findings *f, struct err *err) MUST_USE;
/* What lies in the data directory that nobody knows, and what receivers left in spool/. */
bool verify_tree(struct store *store, struct findings *f, struct err *err) MUST_USE;

#endif
