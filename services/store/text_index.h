#ifndef SERVICES_STORE_TEXT_INDEX_H
#define SERVICES_STORE_TEXT_INDEX_H

#include "common/service/layout.h"
#include "services/store/text_block.h"

#include <pthread.h>
#include <stdatomic.h>

/* Which messages an index knows: runs of ascending ids, first and count by turns. */
struct text_known {
    struct message_ids runs;
    uint64_t version; /* of the database; 0: not known */
};

/*
 * The text index of one account: accounts/<id>/text.db (docs/decisions/0029-text-index.md).
 *
 * It knows which messages a word cannot be in, so that a search need not read them. A message's
 * text never changes and its id is never used again: an index that lacks messages, or has some that
 * are gone, is right all the same. So it is written behind the messages (text_worker.h), without
 * waiting for the disk, and when it is damaged it is made anew.
 *
 * One thread at a time writes; text_index_find may be called by any.
 */
struct text_index {
    struct layout_path path;
    struct db *writer; /* NULL until it is needed */
    pthread_mutex_t reader_lock;
    struct db *reader;       /* under it; likewise */
    struct text_known known; /* under it; what the reader saw last */
    atomic_bool is_on;
    atomic_bool is_damaged;    /* text_index_compare makes it anew; until then it knows nothing */
    atomic_bool is_distrusted; /* the damage is what text_index_distrust has done: no news */
};

void text_index_init(struct text_index *index, struct layout_path path);
void text_index_release(struct text_index *index);

/* ---- Writing */

/* Adds a message. In a transaction, begun and committed with these. ERR_CORRUPT also sets
 * is_damaged, here and below. */
bool text_index_begin(struct text_index *index, struct err *err) MUST_USE;
bool text_index_add(struct text_index *index, uint64_t id, const struct text_digest *digest,
                    struct err *err) MUST_USE;
/* Packs what waits, when it is enough for a block. */
bool text_index_commit(struct text_index *index, struct err *err) MUST_USE;
void text_index_undo(struct text_index *index);

/* Compares the index with the messages that there are. Drops what is gone: a message that waits at
 * once, those of a block when they are half of it. Adds to `ret_missing` what is not indexed.
 * `entries` are ascending; `expunged` too: these are not erased yet, but need not be added.
 * `highest` is the last id that was given away: an index that knows of a higher one is made anew,
 * for it belongs to other messages. */
bool text_index_compare(struct text_index *index, const struct message_ids *entries,
                        const struct message_ids *expunged, uint64_t highest,
                        struct message_ids *ret_missing, struct err *err) MUST_USE;

/* Of blocks that stay: takes out what erased messages said, a few blocks at a time. With `more`,
 * call it again. */
bool text_index_forget(struct text_index *index, const struct message_ids *entries,
                       const struct message_ids *expunged, bool *ret_more,
                       struct err *err) MUST_USE;

/* For the writer: removes the files, and forgets the damage. */
bool text_index_discard(struct text_index *index, struct err *err) MUST_USE;

/* From any thread: what it knows of the messages is about to change, or has (they are parsed anew).
 * It is as if it were damaged; its files are gone at once, so that no later process believes them.
 */
void text_index_distrust(struct text_index *index);

/* ---- Reading */

struct text_found {
    struct message_ids indexed; /* about these it knows: runs, first and count by turns */
    struct message_ids *hits;   /* for each needle: the ids that may match, ascending */
};

/* An index that is off, or not there, knows of
 * nothing. Release *ret in all cases. */
bool text_index_find(struct text_index *index, const struct text_needle *needles, size_t count,
                     struct text_found *ret, struct err *err) MUST_USE;
void text_found_release(struct text_found *found, size_t count);

struct text_counts {
    uint64_t indexed;
    uint64_t unfit; /* is always read */
    uint64_t bytes; /* of the files */
};
bool text_index_counts(struct text_index *index, struct text_counts *ret, struct err *err) MUST_USE;

#endif
