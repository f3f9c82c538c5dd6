#ifndef SERVICES_IMAP_COMMAND_H
#define SERVICES_IMAP_COMMAND_H

#include "common/text/cursor.h"
#include "services/imap/session.h"

/*
 * The commands, in one table: where each may be used, what it does to message numbers, and its
 * function. The dispatcher is here, and nothing else knows a verb.
 */

/* Runs the command. `args` stands behind the verb, before the space of the first argument; the end
 * of the command is the end of the cursor. Handlers end with a function of respond.h, or return
 * SESSION_MORE with `imap->more` set, or take over `imap->input`. */
typedef enum session_next command_handler(struct imap *imap, struct cursor *args);

enum command_flag {
    /* With message numbers, no EXPUNGE may come while it runs (RFC 9051 7.5.1). */
    COMMAND_NUMBERS = 1,
    /* May be preceded by UID. */
    COMMAND_UID = 2,
    /* Although UID may precede it, it names no messages without. */
    COMMAND_WHOLE = 128,
    /* What was removed is its answer, also for who wants to hear of nothing. */
    COMMAND_REMOVES = 256,
    /* Refused in a mailbox opened by EXAMINE. */
    COMMAND_WRITES = 4,
    /* Its answer says nothing about other changes: SELECT starts afresh. */
    COMMAND_SILENT = 8,
    /* The last literal of a line may be a message, which is not collected. */
    COMMAND_APPENDS = 16,
    /* With COMMAND_APPENDS: a message number comes first (RFC 8508). */
    COMMAND_REPLACES = 64,
    /* Although it is for the selected state only, it does without the rows of the mailbox. */
    COMMAND_COUNTS = 512,
    /* About names of mailboxes: what others did to names waits, lest it be taken for the answer. */
    COMMAND_NAMES = 1024,
    /* Its arguments are credentials: masked in traces, overwritten in memory. */
    COMMAND_SECRET = 32,
};

struct command_row {
    struct str verb;
    unsigned states; /* enum imap_state */
    unsigned flags;  /* enum command_flag */
    command_handler *run;
};

/* NULL when there is none of that name. */
const struct command_row *command_find(struct str verb);

/* True for a command of an extension that this account does not have. */
bool command_is_hidden(const struct imap *imap, const struct command_row *row);

/* The start of a command: tag, and its row. */
struct command_start {
    struct str tag;
    const struct command_row *row; /* NULL: unknown */
    bool uid;
    struct cursor args;
};
/* False when there is not even a tag. */
bool command_parse_start(struct str text, struct command_start *ret);

/* The session's state and UIDONLY allow it. */
bool command_is_allowed(const struct imap *imap, const struct command_start *start);

/* Runs a complete command, literals included, without its last line end. */
enum session_next command_run(struct imap *imap, struct str text);

/* Handlers, one file for each group. */
command_handler cmd_capability, cmd_noop, cmd_logout, cmd_id; /* cmd_any.c */
command_handler cmd_starttls, cmd_authenticate, cmd_login;    /* cmd_auth.c */
command_handler cmd_enable, cmd_namespace, cmd_compress;      /* cmd_any.c */
command_handler cmd_idle, cmd_notify;
command_handler cmd_select, cmd_examine, cmd_close, cmd_unselect, cmd_check; /* cmd_select.c */
command_handler cmd_create, cmd_delete, cmd_rename, cmd_subscribe, cmd_unsubscribe;
command_handler cmd_list, cmd_lsub, cmd_status;
command_handler cmd_cancelupdate;
command_handler cmd_esearch;
command_handler cmd_append;
command_handler cmd_getmetadata, cmd_setmetadata;
command_handler cmd_setacl, cmd_deleteacl, cmd_getacl, cmd_listrights, cmd_myrights; /* cmd_acl.c */
command_handler cmd_getquota, cmd_getquotaroot; /* cmd_quota.c */
command_handler cmd_fetch, cmd_store, cmd_copy, cmd_move, cmd_expunge, cmd_search, cmd_sort,
    cmd_thread;

#endif
