#ifndef SERVICES_IMAP_ROWS_H
#define SERVICES_IMAP_ROWS_H

#include "services/imap/message.h"
#include "services/imap/session.h"

/*
 * A walk over the messages of a set, for commands that read them: rows are taken from the view in
 * batches, and what is not in the view (prefixes, structures) is asked for once for each batch.
 *
 *     rows_init(&rows, imap, &uids, STRUCTURE_ALL, true);
 *     for (; rows_load(&rows, imap, &err); rows_next(&rows))
 *         use(&rows.row, &rows.message);
 *     if (err.kind != ERR_NONE) ...
 */

#define ROWS_BATCH 256

struct rows {
    struct view *view; /* the selected one, unless set after rows_init */
    uint64_t horizon;  /* the session's, likewise */
    struct uid_set uids;
    uint64_t changed_since; /* only messages with a modseq above it; may be set after rows_init */
    uint32_t after_uid;     /* the last UID of the batch */
    uint32_t structure;     /* which pieces of it (structure.h) */
    bool prefix;
    bool ids;       /* set it after rows_init, for email_id and thread_id of each message */
    bool is_others; /* the view is of another account; known after rows_load */
    struct view_row batch[ROWS_BATCH];
    struct message_row *texts[ROWS_BATCH]; /* of the rows; NULL: none asked for, or gone */
    size_t len;
    size_t at;
    struct arena batch_arena;
    struct arena row_arena;
    /* The current one, after rows_load. */
    bool loaded;
    struct view_row row;
    struct message message;
};

/* Takes `uids`. */
void rows_init(struct rows *r, struct imap *imap, struct uid_set *uids, uint32_t structure,
               bool prefix);
void rows_release(struct rows *r);

/* Makes the next message the current one; does nothing when there is one. False at the end, with
 * err->kind ERR_NONE, or after a failure. A damaged message is none (message.h). */
bool rows_load(struct rows *r, struct imap *imap, struct err *err) MUST_USE;
/* Logs what is wrong with the current message, for the admin. */
void rows_log_damage(const struct rows *r, struct imap *imap, const struct err *damage);
/* Closes the current message. */
void rows_next(struct rows *r);

#endif
