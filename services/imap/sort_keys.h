#ifndef SERVICES_IMAP_SORT_KEYS_H
#define SERVICES_IMAP_SORT_KEYS_H

#include "services/imap/session.h"

/*
 * A walk over the messages of a set with what they are sorted and threaded by: rows are taken from
 * the view in batches, and keys asked for once for each batch, which is larger than that of rows.h,
 * because keys are short.
 *
 *     key_walk_init(&walk, &uids, SORT_KEY_DATE);
 *     while (key_walk_next(&walk, imap, &err))
 *         for (size_t i = 0; i < walk.len; i++)
 *             use(&walk.rows[i], walk.keys.sent_s[i]);
 *     if (err.kind != ERR_NONE) ...
 */

#define KEY_WALK_BATCH 4096

struct key_walk {
    struct uid_set uids;
    unsigned wanted;  /* bits of enum sort_key; 0: nothing is asked for */
    uint64_t horizon; /* 0: the session's; may be set after key_walk_init */
    uint32_t after_uid;
    uint64_t done; /* messages of the batches so far */
    /* The batch. */
    struct view_row *rows;
    size_t len;
    struct sort_keys keys; /* until the next one */
    struct arena arena;
};

/* Takes `uids`. */
void key_walk_init(struct key_walk *w, struct uid_set *uids, unsigned wanted);
void key_walk_release(struct key_walk *w);

/* The next batch. False at the end, with err->kind ERR_NONE, or after a failure. */
bool key_walk_next(struct key_walk *w, struct imap *imap, struct err *err) MUST_USE;

#endif
