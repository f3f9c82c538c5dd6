#ifndef SERVICES_IMAP_FETCH_RUN_H
#define SERVICES_IMAP_FETCH_RUN_H

#include "services/imap/fetch.h"
#include "services/imap/rows.h"

/*
 * FETCH lines on their way to the client: for the command, and for new messages of which NOTIFY
 * tells. Rows come from the view in batches, prefixes and structures of a batch with one RPC, text
 * straight from the message's file into the output. Whenever the output is full the run stops,
 * wherever it is, and goes on there.
 *
 *     struct fetch_run *run = fetch_run_new(imap, &items, &uids);
 *     while (fetch_run_go(imap, run) == FETCH_FULL) ... wait until the output has drained ...
 *     fetch_run_free(run);
 */

enum fetch_step {
    FETCH_DONE,
    FETCH_FULL,   /* of output: go on when it has drained */
    FETCH_BROKEN, /* a promised literal cannot be completed: the connection must end */
};

struct fetch_run {
    struct fetch_items items;
    struct rows rows; /* its `ids`, `changed_since` and `horizon` may be set before the start */
    size_t item;      /* of the row; 0 also before its line began */
    bool in_row;      /* its line has begun */
    bool has_item;    /* and has an item */
    struct content content; /* of the item that is being written */
    bool in_content;
    struct buf scratch;   /* bytes that `content` borrows */
    struct uid_set seen;  /* messages that were read and are to be marked so */
    bool expunge_issued;  /* some were expunged by others meanwhile */
    bool refreshed;       /* the view, because some are gone */
    bool failed;          /* an item could not be made: `err` says why, and the run is over */
    bool row_damaged;     /* items of the row were left out, because what is stored is damaged */
    uint32_t damaged_uid; /* of the first such message */
    uint64_t damaged;     /* how many there are */
    struct err err;
};

/* Takes `uids`; keeps what the items point to. */
struct fetch_run *fetch_run_new(struct imap *imap, const struct fetch_items *items,
                                struct uid_set *uids);
void fetch_run_free(struct fetch_run *run);
enum fetch_step fetch_run_go(struct imap *imap, struct fetch_run *run);
/* The same for new messages that are told of unasked: one that has not what was asked for is told
 * with what it has. Is done with `failed` when they cannot be read at all. */
enum fetch_step fetch_run_tell(struct imap *imap, struct fetch_run *run);

#endif
