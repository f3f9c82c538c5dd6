#ifndef COMMON_SYS_LOG_H
#define COMMON_SYS_LOG_H

#include "common/base/err.h"
#include "common/base/str.h"

/*
 * Structured logging, one line per event in logfmt:
 *
 *     time=2026-01-02T03:04:05.678Z l=info m="message delivered" pkg=smtp-in cid=18c5f0 size=4096
 *
 * A `struct log` says where lines go and which levels are on; it is made once per process. Code
 * logs through a `struct log_ctx`, a small value that inherits from its parent (process -> session
 * -> message) the package, the cid and fixed fields:
 *
 *     struct log_ctx session = log_child(&process, "imap", cid);
 *     log_info(&session, "login", LOG_STR("user", user), LOG_BOOL("tls", true));
 *     log_error(&session, "cannot deliver", LOG_ERR(&err));
 *
 * The message is fixed text; what varies is a field. Values are quoted when they hold space, quote,
 * backslash, "=", control or non-ASCII bytes. One line per finished thing, with all one needs to
 * follow it; secrets and mail content never, except at the trace levels made for them:
 *
 *   error       an administrator must act        info   one per transaction
 *   warn        degraded                         debug  free
 *   trace       protocol lines; credentials are shown as ***, message data as ...
 *   traceauth   with credentials                 tracedata  with message data too
 *
 * Thread-safe. Libraries take no logger: services log.
 */

enum log_level {
    LOG_ERROR,
    LOG_WARN,
    LOG_INFO,
    LOG_DEBUG,
    LOG_TRACE,
    LOG_TRACEAUTH,
    LOG_TRACEDATA,
};

/* "error", ... ; false when `name` is none of them. */
const char *log_level_name(enum log_level level);
bool log_level_parse(struct str name, enum log_level *ret_level) MUST_USE;

struct log;

/* `fd` is not closed. The level applies to packages without a level of their own. */
struct log *log_new(int fd, enum log_level level);
void log_free(struct log *log);
/* May be called while others log. */
void log_set_level(struct log *log, enum log_level level);
/* `package` is copied; at most 32 packages have a level of their own. */
void log_set_package_level(struct log *log, struct str package, enum log_level level);
/* Lines written so far at error, warn and info, for metrics. */
uint64_t log_count(const struct log *log, enum log_level level);

struct log_ctx {
    struct log *log;
    const char *package; /* keeps */
    uint64_t cid;        /* 0: none */
    char user[64];       /* shown as user= when not empty */
};

/* A context at the root, and one that inherits. A NULL package or a zero cid inherits. */
struct log_ctx log_root(struct log *log, const char *package);
struct log_ctx log_child(const struct log_ctx *parent, const char *package, uint64_t cid);

struct log_field {
    const char *key; /* NULL ends the list */
    enum { LOG_VALUE_STR, LOG_VALUE_I64, LOG_VALUE_U64, LOG_VALUE_BOOL, LOG_VALUE_ERR } type;
    struct str text;
    int64_t number;
    const struct err *err;
};

#define LOG_STR(k, v) ((struct log_field){.key = (k), .type = LOG_VALUE_STR, .text = (v)})
#define LOG_CSTR(k, v) LOG_STR((k), str_from_cstr(v))
#define LOG_I64(k, v) ((struct log_field){.key = (k), .type = LOG_VALUE_I64, .number = (v)})
#define LOG_U64(k, v)                                                                              \
    ((struct log_field){.key = (k), .type = LOG_VALUE_U64, .number = (int64_t)(v)})
#define LOG_BOOL(k, v) ((struct log_field){.key = (k), .type = LOG_VALUE_BOOL, .number = (v)})
/* Writes err="detail" and kind=. */
#define LOG_ERR(e) ((struct log_field){.key = "err", .type = LOG_VALUE_ERR, .err = (e)})
#define LOG_END ((struct log_field){.key = NULL})

/* log_info(ctx, "message", fields...): arguments are evaluated only when the level is on. */
#define log_error(...) LOG_AT(LOG_ERROR, __VA_ARGS__, LOG_END)
#define log_warn(...) LOG_AT(LOG_WARN, __VA_ARGS__, LOG_END)
#define log_info(...) LOG_AT(LOG_INFO, __VA_ARGS__, LOG_END)
#define log_debug(...) LOG_AT(LOG_DEBUG, __VA_ARGS__, LOG_END)
#define LOG_AT(level, ctx, ...)                                                                    \
    (log_is_on((ctx), (level)) ? log_write((ctx), (level), __VA_ARGS__) : (void)0)

bool log_is_on(const struct log_ctx *ctx, enum log_level level);
/* The fields end with LOG_END; use the macros. */
void log_write(const struct log_ctx *ctx, enum log_level level, const char *message, ...);

/* One protocol line or chunk in one direction, '<' from the client or '>' to it, at trace level.
 * `kind` says what it holds; what the level does not show is masked, and its size logged. */
enum log_trace_kind { LOG_TRACE_LINE, LOG_TRACE_AUTH, LOG_TRACE_DATA };
void log_trace(const struct log_ctx *ctx, char direction, enum log_trace_kind kind,
               struct str text);

#endif
