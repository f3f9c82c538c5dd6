#ifndef SERVICES_STORE_THREAD_MARKS_H
#define SERVICES_STORE_THREAD_MARKS_H

#include "services/store/account.h"

/*
 * A conversation as web clients show it: its messages, and which branches are muted or collapsed
 * (spec 20 1.18). Marks are on messages and hold for all their answers, those that come later too;
 * they are no flags, so no modseq changes, and IMAP does not show them.
 */

struct thread_member {
    uint64_t id;
    uint64_t mailbox_id;
    uint32_t uid;
    const uint64_t *parents; /* message ids, closest first */
    size_t parent_count;
    bool missing_link; /* its place was guessed, or an ancestor is missing */
    bool muted;
    bool collapsed;
};

struct thread {
    struct thread_member *members; /* by id; those that were expunged are left out */
    size_t len;
};

#define THREAD_MEMBERS_MAX 10000

/* In arena. No member: there is no such thread (any more). ERR_LIMIT: it is too large. */
bool thread_read(struct account *account, uint64_t thread_id, struct arena *arena,
                 struct thread *ret, struct err *err) MUST_USE;

enum thread_mark { THREAD_MUTED, THREAD_COLLAPSED };

struct thread_marking {
    enum thread_mark mark;
    bool on; /* muting collapses too; unmuting does not expand */
    /* Messages; ids that are not known are passed over. The mark is set on their answers too. */
    const uint64_t *ids;
    size_t count;
    uint64_t changed; /* result: how many messages */
};

bool thread_mark(struct account *account, struct thread_marking *op, struct arena *arena,
                 struct err *err) MUST_USE;

#endif
