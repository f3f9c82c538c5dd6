#ifndef SERVICES_IMAP_SESSION_H
#define SERVICES_IMAP_SESSION_H

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
#define SELECTED_OWN_MAX 8
struct selected {
    struct view *view; /* NULL: none */
    struct view_user user;
    bool read_only;
    /* Modseqs of changes that this session made and whose result its client was told; up to
     * `own_until` there is nothing else beyond the horizon. */
    uint64_t own[SELECTED_OWN_MAX];
    unsigned own_next;
    uint64_t own_until;
    struct uid_set saved; /* RFC 5182: what "$" means */
};

/* Telling the client what changed (announce.h), in steps when there is much. */
struct announcement {
    enum announce_step {
        ANNOUNCE_NOTHING,
        ANNOUNCE_EXPUNGED,
        ANNOUNCE_EXISTS,
        ANNOUNCE_MESSAGES,
    } step;
    uint64_t target; /* the horizon when it is done */
    uint32_t after_uid;
    uint32_t expunged;
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
    struct buf token;
    int64_t token_expires_ms;
    struct buf login;                 /* the address */
    struct buf capabilities_disabled; /* " IDLE MOVE ", upper case */
    unsigned failures;
    bool is_admitted; /* admission_leave is due */

    /* ENABLE. */
    bool rev2;
    bool utf8; /* UTF8=ACCEPT or rev2: names and strings go out as UTF-8 */

    struct selected selected;
    struct announcement announcement;
};

extern const struct session_ops imap_ops; /* `user` of the listener: struct imap_server */

void imap_enter(struct imap *imap, enum imap_state state);
/* For RPCs on behalf of the session, results in the command's arena; renews the token when it is
 * about to end. */
struct backend_call imap_call(struct imap *imap);
struct backend_call imap_call_in(struct imap *imap, struct arena *arena);
/* Gives `work` to the session: freed when the command ends, however it ends. */
void imap_set_work(struct imap *imap, void *work, void (*work_free)(void *work));
/* From now on units are bytes of a literal, at most `size`, until they have all come. */
void imap_expect_bytes(struct imap *imap, uint64_t size);
/* Clears what belonged to the command. */
void imap_command_reset(struct imap *imap);
/* True when the capability is not hidden from this account. */
bool imap_has_capability(const struct imap *imap, struct str name);

static inline struct buf *imap_out(struct imap *imap)
{
    return session_out(imap->session);
}

#endif
