#ifndef SERVICES_IMAP_NOTIFY_INTERNAL_H
#define SERVICES_IMAP_NOTIFY_INTERNAL_H

#include "common/base/array.h"
#include "services/imap/notify.h"

/*
 * What notify.c (what a session wants to hear, its life cycle) and notify_tell.c (comparing the
 * account's mailboxes, telling the differences) share.
 */

/* What the session did itself, and its client need not hear again. */
struct own_change {
    char *name;
    unsigned events; /* NOTIFY_MAILBOX_NAME, NOTIFY_SUBSCRIPTION */
    bool made;       /* else: removed */
    bool below;      /* what is below the name as well */
};

struct notify {
    struct arena arena; /* of the request */
    struct notify_request request;
    bool asked;  /* for by NOTIFY; else what every session hears */
    bool others; /* it is about other mailboxes than the selected one */
    struct account_watch watch;
    bool watching;
    struct snapshot *known;          /* what the client was told; NULL when store did not tell */
    struct snapshot *now;            /* what it is compared with, while that is told */
    bool initial;                    /* the STATUS lines of SET STATUS are to be told */
    size_t part;                     /* of the report */
    size_t at;                       /* in the part's list */
    ARRAY_OF(struct own_change) own; /* since `known`, in their order */
    size_t own_len;                  /* how many of them `now` has: those from before it */
    bool names_others;               /* mailboxes of others are asked for by their names, */
    bool subscribed;                 /* or are, when they are subscribed to */
    bool shared;                     /* so they are in the lists */
    ARRAY_OF(struct followed *) followed; /* then, and as long: whoever may share something */
};

/* Another account, of which the session hears. */
struct followed {
    struct account *account;
    struct account_watch watch;
    uint64_t annotation_events; /* of what was told */
    uint64_t annotation_modseq;
};

/* ---- Mailboxes of others (notify_shared.c) */

/* How many events there were about the account and those that it follows. */
uint64_t notify_events(struct imap *imap, const struct notify *n);
/* All that the session may hear of, with mailboxes of others when these are asked for, and with all
 * that the session did itself. The caller gets a reference; NULL when store does not tell. */
struct snapshot *notify_list(struct imap *imap, struct notify *n, const struct backend_call *call,
                             struct err *err) MUST_USE;
/* Tells of annotations in mailboxes of others that the client knows. */
void notify_tell_notes(struct imap *imap, struct notify *n);
void notify_unfollow(struct imap *imap, struct notify *n);

/* ---- Both */

/* Does the session hear of such an event of this mailbox? */
bool notify_wants(const struct notify *n, const struct snapshot *s, struct str name,
                  enum notify_event event);
/* The session's state for other mailboxes: what NOTIFY asked for, or the usual. NULL before login.
 */
struct notify *notify_state(struct imap *imap);
/* Then a new list is wanted, so that they can be forgotten. */
#define OWN_CHANGES_MAX 256
static inline bool own_changes_are_many(const struct notify *n)
{
    return n->own.len >= OWN_CHANGES_MAX;
}

/* Forgets the first `count` own changes. */
void notify_own_forget(struct notify *n, size_t count);

#endif
