#ifndef SERVICES_IMAP_ROWS_H
#define SERVICES_IMAP_ROWS_H

#include "services/imap/message.h"
#include "services/imap/session.h"

/*
 * A walk over the messages of a set, for commands that read them: rows are taken from the view in
 * batches, and what is not in the view (prefixes, structures) is asked for once for each batch,
 * while the one before it is used.
 *
 *     rows_init(&rows, imap, &uids, STRUCTURE_ALL, true);
 *     for (; rows_load(&rows, imap, &err); rows_next(&rows))
 *         use(&rows.row, &rows.message);
 *     if (err.kind != ERR_NONE) ...
 */

#define ROWS_BATCH 256

struct rows_batch {
    struct view_row rows[ROWS_BATCH];
    size_t len;
    struct message_row *texts[ROWS_BATCH]; /* of the rows; NULL: none asked for, or gone */
    struct messages_asked *asked;          /* for the texts; NULL: nothing is under way */
    struct arena arena;
};

struct rows {
    struct view *view; /* the selected one, unless set after rows_init */
    uint64_t horizon;  /* the session's, likewise */
    struct uid_set uids;
    uint64_t changed_since; /* only messages with a modseq above it; may be set after rows_init */
    uint32_t after_uid;     /* the last UID that was read from the view */
    uint32_t structure;     /* which pieces of it (structure.h) */
    bool prefix;
    bool ids;       /* set it after rows_init, for email_id and thread_id of each message */
    bool is_others; /* the view is of another account; known after rows_load */
    struct rows_batch batches[2]; /* the current one, and the next, read ahead */
    size_t current;
    size_t at; /* in the current one */
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
/* Has the view known, when the message was read from it, that it is expunged? Also after a failure
 * of rows_load. */
bool rows_is_known_expunged(const struct rows *r);
/* Logs what is wrong with the current message, for the admin. */
void rows_log_damage(const struct rows *r, struct imap *imap, const struct err *damage);
/* Closes the current message. */
void rows_next(struct rows *r);

#endif
