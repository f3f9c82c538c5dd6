#ifndef SERVICES_IMAP_SESSION_H
#define SERVICES_IMAP_SESSION_H

#include "common/base/array.h"
#include "common/sys/session.h"
#include "services/imap/frame.h"
#include "services/imap/server.h"

/*
 * One IMAP connection.
 *
 *                  LOGIN, AUTHENTICATE                SELECT, EXAMINE
 *   NOT_AUTHENTICATED ------------> AUTHENTICATED <--------------------> SELECTED
 *          |                             |        CLOSE, UNSELECT,          |
 *          |          LOGOUT, errors     |        a SELECT that fails       |
 *          +---------------------------> LOGOUT <---------------------------+
 *
 * Input is a sequence of units (frame.h). A unit belongs to whoever has taken over `input`, for the
 * commands that are a dialogue (AUTHENTICATE, IDLE, the messages of APPEND); else it is collected
 * into `command`, and a complete command is handed to its row of the table in command.c.
 *
 * A command ends through one of the functions of respond.h, which queue the tagged answer, tell the
 * client what else has changed, and clear what belonged to the command: arena, `work`, `command`.
 */

enum imap_state {
    STATE_NOT_AUTHENTICATED = 1,
    STATE_AUTHENTICATED = 2,
    STATE_SELECTED = 4,
    STATE_LOGOUT = 8,
};

/* The selected mailbox. */
struct selected {
    struct view *view; /* NULL: none */
    struct view_user user;
    bool read_only;
    struct buf prefix;       /* in front of the owner's name of it: "Other Users/<who>/" */
    struct account *account; /* whose mailbox it is */
    unsigned rights;         /* enum right; in an own account all */
    uint64_t rights_events;  /* account_rights_events when they were asked for */
    bool revoked;            /* the right to read is gone: there is nothing more to see */
    /* Modseqs of changes that this session made and whose result its client was told; up to
     * `own_until` there is nothing else beyond the horizon. */
    ARRAY_OF(uint64_t) own; /* ascending */
    uint64_t own_until;
    size_t keywords_len;      /* bytes of the mailbox's keywords that its client was told of */
    struct uid_set saved;     /* RFC 5182: what "$" means */
    struct context *contexts; /* RFC 5267: searches whose changes are told */
};

/* Telling the client what changed (announce.h), in steps when there is much. */
struct announcement {
    enum announce_step {
        ANNOUNCE_NOTHING,
        ANNOUNCE_EXPUNGED,
        ANNOUNCE_EXISTS,
        ANNOUNCE_MESSAGES,
        ANNOUNCE_NEW, /* with the items that NOTIFY asked for */
        ANNOUNCE_CONTEXTS,
    } step;
    uint64_t target; /* the horizon when it is done */
    uint32_t after_uid;
    uint32_t expunged;
    struct fetch_run *run;           /* of ANNOUNCE_NEW */
    bool plain;                      /* after it failed: new messages as usual */
    struct context_update *contexts; /* of ANNOUNCE_CONTEXTS */
    bool broken;                     /* the connection must end */
};

struct imap {
    struct session *session;
    struct imap_server *server;
    enum imap_state state;
    bool spoke_imap; /* a command of ours has come */

    /* Input. */
    struct frame frame;
    struct buf command; /* what has come of it, literals included */
    unsigned literals;
    uint64_t literal_bytes;
    enum session_next (*input)(struct imap *imap, struct str unit); /* NULL: commands */

    /* The command that runs. */
    struct arena arena;
    struct str tag;
    const struct command_row *row;
    bool uid; /* "UID FETCH": numbers are UIDs */
    int64_t started_us;
    enum session_next (*more)(struct imap *imap); /* after SESSION_MORE */
    void *work;                                   /* of a command that spans callbacks */
    void (*work_free)(void *work);
    struct str final; /* the tagged line */
    enum session_next final_next;

    /* The account, from login on. */
    struct account *account;
    uint64_t reviewed_events; /* account_rights_events when store took the token last */
    struct buf token;
    int64_t token_expires_ms;
    struct buf login;                 /* the address */
    struct buf capabilities_disabled; /* " IDLE MOVE ", upper case; with a key before login */
    unsigned failures;
    bool has_key;      /* TLS has proven a registered key: EXTERNAL will do */
    bool key_preauths; /* its owner need not even ask */

    /* ENABLE. */
    bool rev2;
    bool utf8;      /* UTF8=ACCEPT or rev2: names and strings go out as UTF-8 */
    bool condstore; /* RFC 7162: modseqs are told; also without ENABLE */
    bool qresync;   /* RFC 7162: VANISHED instead of EXPUNGE */
    bool uid_only;  /* RFC 9586: message numbers are never used */

    bool metadata; /* METADATA was enabled: changes of annotations are told */
    struct account_watch metadata_watch;
    uint64_t metadata_events;    /* account_annotation_events of what was told */
    uint64_t metadata_modseq;    /* and the modseq */
    uint64_t metadata_own;       /* the modseq of an own change, */
    uint64_t metadata_own_owner; /* in whose mailbox; 0: an own one */

    struct selected selected;
    struct announcement announcement;
    struct notify *notify;  /* NULL: NOTIFY was not used */
    struct notify *unasked; /* then, from login on: what every session hears of */
    bool denied;            /* store knows the account no more */
    int64_t idle_until_ms;  /* IDLE in which notices come: no longer than that */
    bool woken_too_early;   /* while a command came in: again after it */
};

extern const struct session_ops imap_ops; /* `user` of the listener: struct imap_server */

void imap_enter(struct imap *imap, enum imap_state state);
/* Asks store whether it still takes the session's token, if there was an event by which that may
 * have ended: for who would ask store nothing otherwise, or have another session of the account
 * ask. False: it does not. */
bool imap_review(struct imap *imap) MUST_USE;
/* For RPCs on behalf of the session, results in the command's arena; renews the token when it is
 * about to end. */
struct backend_call imap_call(struct imap *imap);
struct backend_call imap_call_in(struct imap *imap, struct arena *arena);
/* For RPCs about the mailbox of a view. */
struct backend_call imap_call_on(struct imap *imap, const struct view *view);
/* Gives `work` to the session: freed when the command ends, however it ends. */
void imap_set_work(struct imap *imap, void *work, void (*work_free)(void *work));
/* From now on units are bytes of a literal, at most `size`, until they have all come. */
void imap_expect_bytes(struct imap *imap, uint64_t size);
/* Clears what belonged to the command. */
void imap_command_reset(struct imap *imap);
/* True when the capability is not hidden from this account. */
bool imap_has_capability(const struct imap *imap, struct str name);
/* Is the literal small enough to be sent without waiting (RFC 7888)? */
bool imap_may_come_unasked(const struct imap *imap, const struct frame_literal *literal);

static inline struct buf *imap_out(struct imap *imap)
{
    return session_out(imap->session);
}

#endif
