#ifndef SERVICES_IMAP_VIEW_H
#define SERVICES_IMAP_VIEW_H

#include "common/base/list.h"
#include "common/sys/session.h"
#include "services/imap/backend.h"
#include "services/imap/uid_set.h"

/*
 * A mailbox as this process knows it: one packed array of messages, ascending by UID, shared by all
 * sessions that have the mailbox selected, and kept current by pulling changes from store.
 *
 * What a session may see of it is decided by one number, its horizon: the modseq up to which it has
 * told its client everything. A message is visible at horizon h when it was added at or before h,
 * and not expunged at or before h. Since new messages only come at the end, and expunged ones stay
 * in the array (as graves) until every session's horizon has passed them, message numbers of a
 * session are
 *
 *     index in the array + 1 - graves before it that the session knows of
 *
 * and with no graves, the usual case, just index + 1. docs/decisions/0012 says more.
 *
 *     view_join(view, &user);                          // horizon = now
 *     ... view_apply(view, &changes) ...               // by anybody
 *     view_exists(view, user.horizon)                  // still the old number
 *     view_set_horizon(view, &user, view_modseq(view)) // after EXPUNGE, EXISTS, FETCH are sent
 *
 * Thread-safe: readers copy rows out under a lock that is never held while a client or store is
 * waited for.
 */

struct view;

/* Keywords of a message, as one shared text: "a b new", sorted. Lives as long as its view. */
struct keyword_set {
    struct str text;
};

struct view_message {
    uint32_t uid;
    uint32_t flags;       /* enum flag */
    uint32_t prefix_size; /* of `size` */
    int16_t zone_minutes; /* of received_s */
    uint64_t id;
    uint64_t size;
    uint64_t modseq;
    uint64_t createseq; /* never falls from one message to the next */
    uint64_t expunged;  /* modseq of the expunge; 0: is there */
    int64_t received_s;
    int64_t saved_s;                    /* into this mailbox (RFC 8514); 0: not known */
    const struct keyword_set *keywords; /* NULL: none */
};

/* A message as one session sees it. */
struct view_row {
    struct view_message message;
    uint32_t seq;
};

/* A session on a view. */
struct view_user {
    struct list_link link;
    uint64_t horizon;
    bool waiting;                 /* wants session_wake when something is beyond the horizon */
    uint64_t failed_nudge;        /* after which its pull failed */
    struct session_handle handle; /* set before view_join */
};

/* Life cycle: counted references; the caller of view_new has the first. */
struct view *view_new(uint64_t owner, uint64_t mailbox_id);
struct view *view_ref(struct view *v);
void view_unref(struct view *v);

/* Keeping it current. */

/* Brings in what `changes` says, which was asked for with `since`: nothing happens when the view
 * knows it already. When a new view is told of only some of its messages (`more`), it has no rows
 * for now, but knows how many there are: see view_load. */
void view_apply(struct view *v, uint64_t since, const struct changes *changes);
/* Store has a newer modseq than `modseq`, or may have (UINT64_MAX): the next refresh will pull, and
 * waiting sessions are woken. */
void view_nudge(struct view *v, uint64_t modseq);
/* Pulls when the view was nudged, or always with `force`. One pull at a time; others wait and use
 * its result. */
bool view_refresh(struct view *v, struct backend *b, const struct backend_call *call, bool force,
                  struct err *err) MUST_USE;
/* For a session that waits (view_set_waiting): while another one pulls it does nothing, for it is
 * woken when the view is current. When a pull fails, one that has not failed is woken to try. */
bool view_refresh_waiting(struct view *v, struct view_user *user, struct backend *b,
                          const struct backend_call *call, struct err *err) MUST_USE;
/* True when a refresh would pull. */
bool view_is_stale(const struct view *v);
/* True when only the number of its messages is known. */
bool view_is_counted(const struct view *v);
/* Reads the rows when only their number is known, which all that reads at a horizon wants: they are
 * those of the view's modseq, in their order, and what happened since is to be told. */
bool view_load(struct view *v, struct backend *b, const struct backend_call *call,
               struct err *err) MUST_USE;

/* Users. */

/* The user's horizon becomes the view's modseq, and the messages of that moment are counted. */
void view_join(struct view *v, struct view_user *user);
void view_leave(struct view *v, struct view_user *user);
void view_set_horizon(struct view *v, struct view_user *user, uint64_t horizon);
/* From now on, or no longer, wake this session. True when there is something to tell at once. */
bool view_set_waiting(struct view *v, struct view_user *user, bool waiting);

/* The mailbox. */

struct view_info {
    uint64_t mailbox_id;
    uint32_t uidvalidity;
    uint32_t uidnext;
    uint64_t highest_modseq; /* of the mailbox */
    bool gone;               /* deleted */
};
struct view_info view_info(struct view *v);
/* How many messages it holds, with those that are still in it for somebody. */
size_t view_size(struct view *v);
/* The modseq up to which the view is current: where a horizon goes next. */
uint64_t view_modseq(const struct view *v);
/* Appends the mailbox's keywords, each with a space in front. */
void view_write_keywords(struct view *v, struct buf *out);
/* The account that the mailbox is in. */
uint64_t view_owner(const struct view *v);
/* The name that its owner uses, in arena. */
struct str view_name(struct view *v, struct arena *arena);

/* Reading at a horizon. Messages that vanished before they were read have a number, and are not
 * among what view_read gives. */

uint32_t view_exists(struct view *v, uint64_t horizon);
/* The number of the first message without \Seen; 0 when there is none, or when it is not known of a
 * view without rows. */
uint32_t view_first_unseen(struct view *v, uint64_t horizon);
/* The UID of message number `seq`, 0 when there is none; 0 asks for the last one. */
uint32_t view_uid_of(struct view *v, uint64_t horizon, uint32_t seq);
/* Above every UID that the session has seen or may have seen vanish. */
uint32_t view_uidnext(struct view *v, uint64_t horizon);
/* Copies up to `max` visible rows of `set`, those with a UID above `after_uid`. */
size_t view_read(struct view *v, uint64_t horizon, const struct uid_set *set, uint32_t after_uid,
                 struct view_row *rows, size_t max);
/* The same, without messages of which `skip` says so, asked by their ids in the order of the view:
 * it must be quick, for the view is locked meanwhile. */
typedef bool view_skip(void *user, uint64_t id);
size_t view_read_without(struct view *v, uint64_t horizon, const struct uid_set *set,
                         view_skip *skip, void *user, uint32_t after_uid, struct view_row *rows,
                         size_t max);
/* The same, of rows with a modseq above `since` only. */
size_t view_read_since(struct view *v, uint64_t horizon, const struct uid_set *set, uint64_t since,
                       uint32_t after_uid, struct view_row *rows, size_t max);

/* What a session has to tell when it goes from one horizon to a later one. */

/* Messages visible at `from` and expunged up to `to`: their numbers at `from`, ascending. */
size_t view_read_expunged(struct view *v, uint64_t from, uint64_t to, uint32_t after_uid,
                          struct view_row *rows, size_t max);
/* Messages visible at `to` that were added or changed after `from`, with numbers at `to`. */
size_t view_read_changed(struct view *v, uint64_t from, uint64_t to, uint32_t after_uid,
                         struct view_row *rows, size_t max);

#endif
