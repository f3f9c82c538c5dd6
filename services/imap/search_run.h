#ifndef SERVICES_IMAP_SEARCH_RUN_H
#define SERVICES_IMAP_SEARCH_RUN_H

#include "services/imap/progress.h"
#include "services/imap/search.h"

/*
 * A search under way, for the commands that search: SEARCH, SORT, THREAD. Rows of the view are
 * asked first, and the text index (search_index.h); the messages that remain are read in turns, so
 * that a long search does not keep its worker from others.
 *
 *     search_run_init(&run, imap);
 *     search_take(imap, args, &run.program, &err);
 *     while (search_run_step(imap, &run, &err) == SEARCH_MORE) ...
 *     use(&run.uids);
 *     search_run_release(&run);
 */

enum search_step {
    SEARCH_DONE,
    SEARCH_MORE, /* this turn is over: call again */
    SEARCH_FAILED,
};

struct search_run {
    struct search_program program;
    const struct uid_set *within; /* only messages of these; NULL: of all */
    uint64_t enough;        /* hits, counted from the first message; the search ends with them */
    struct uid_set uids;    /* the hits */
    struct uid_set numbers; /* of the same messages */
    uint64_t hits;          /* how many */
    struct uid_set sure;    /* hits that need not be read; added to the others at the end */
    struct uid_set sure_numbers;
    uint64_t candidates; /* to be read, and how many of them were */
    uint64_t read;
    bool reading;
    struct rows rows;
    struct arena scratch;
    struct progress progress;
};

/* Of zeroed memory, in the selected mailbox. */
void search_run_init(struct search_run *run, const struct imap *imap);
/* Of zeroed memory, anywhere. */
void search_run_init_in(struct search_run *run, const struct imap *imap,
                        const struct view_place *place);
void search_run_release(struct search_run *run);

enum search_step search_run_step(struct imap *imap, struct search_run *run, struct err *err);

#endif
