#ifndef COMMON_BASE_ERR_H
#define COMMON_BASE_ERR_H

#include "common/base/str.h"

/*
 * An error is a value that the caller owns. A function that can fail returns bool, must be checked,
 * and takes `struct err *err` as its last parameter; err is written only when it returns false.
 *
 *   kind    what to do about it; each protocol maps it to its codes in one table, and it crosses
 *           the bus unchanged
 *   reply   what a client may be told, optional
 *   detail  what the log says, built up on the way: err_wrap puts context in front
 *
 *     if (!mailbox_find(db, name, &mailbox, err))
 *         return err_wrap(err, "append to %.*s", STR_ARG(name));
 *
 * Both texts are cut, never overrun. Nothing is allocated and nothing needs clearing. Libraries
 * never log: the service logs a failure once, where it answers it.
 */

enum err_kind {
    ERR_NONE = 0,
    ERR_SYNTAX,      /* the input breaks a grammar */
    ERR_STATE,       /* not allowed now */
    ERR_LIMIT,       /* too large, too many, over quota */
    ERR_NOT_FOUND,   /* no such thing */
    ERR_DENIED,      /* not allowed to this one */
    ERR_CONFLICT,    /* exists already, or changed meanwhile */
    ERR_TEMPORARY,   /* may work later: locked, out of memory, try again */
    ERR_TIMEOUT,     /* the deadline passed; the outcome is unknown */
    ERR_UNAVAILABLE, /* a service that is needed does not answer; nothing was done */
    ERR_CORRUPT,     /* stored data is not what it must be */
    ERR_INTERNAL,    /* a failure of ours that fits nothing above */
    ERR_NO_SPACE,    /* the disk is full: may work when the administrator has made room */
    ERR_FORBIDDEN,   /* known and welcome, but lacking a right to this thing (RFC 4314) */
};

struct err {
    enum err_kind kind;
    char reply[128];
    char detail[384];
};

/* "syntax", "not_found", ...: for logs, metrics and the bus. */
const char *err_kind_name(enum err_kind kind);
/* True for kinds after which the same request may succeed later (temporary, timeout,
 * unavailable, no space). */
bool err_is_transient(enum err_kind kind);

/* Sets kind and detail, clears reply, returns false: `return err_set(err, ERR_LIMIT, "...")`. */
bool err_set(struct err *err, enum err_kind kind, const char *format, ...) PRINTF_LIKE(3, 4);
/* As err_set for a failed system call: appends ": " and the text of `errnum`. No space left and
 * quota are ERR_NO_SPACE; a missing file is ERR_NOT_FOUND; no permission is ERR_DENIED; the rest
 * is ERR_INTERNAL. */
bool err_set_errno(struct err *err, int errnum, const char *format, ...) PRINTF_LIKE(3, 4);
/* Says what a client may be told; the rest stays. Returns false. */
bool err_reply(struct err *err, const char *format, ...) PRINTF_LIKE(2, 3);
/* Puts "text: " in front of detail. Returns false. */
bool err_wrap(struct err *err, const char *format, ...) PRINTF_LIKE(2, 3);

#ifdef __clang_analyzer__
/* Static analysis does not look into err.c, and would follow paths on which these return true. */
#define err_set(...) ((void)err_set(__VA_ARGS__), false)
#define err_set_errno(...) ((void)err_set_errno(__VA_ARGS__), false)
#define err_reply(...) ((void)err_reply(__VA_ARGS__), false)
#define err_wrap(...) ((void)err_wrap(__VA_ARGS__), false)
#endif

/* Propagates a failure, in parsers and RPC glue: TRY(step(a, b, err)). */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        if (!(call))                                                                               \
            return false;                                                                          \
    } while (0)

#endif
