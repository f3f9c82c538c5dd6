#include "common/sys/log.h"

#include "common/base/buf.h"
#include "common/base/bug.h"
#include "common/base/clock.h"
#include "common/sys/logfmt.h"
#include "common/sys/throttle.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES (128 * 1024)
#define TRACE_TEXT_MAX (16 * 1024)
#define PACKAGES_MAX 32

/* A level of its own for one package. Entries are added and never removed, so that reading them
 * needs no lock: `package_count` is raised after the entry is complete. */
struct package_level {
    char name[32];
    atomic_int level;
};

struct log {
    int fd;
    atomic_int level;
    struct package_level packages[PACKAGES_MAX];
    atomic_uint package_count;
    atomic_uint_fast64_t counts[LOG_TRACEDATA + 1];
    pthread_mutex_t lock; /* for adding packages and for the throttle */
    struct throttle throttle;
};

static const char *const level_names[] = {
    [LOG_ERROR] = "error",         [LOG_WARN] = "warn",   [LOG_INFO] = "info",
    [LOG_DEBUG] = "debug",         [LOG_TRACE] = "trace", [LOG_TRACEAUTH] = "traceauth",
    [LOG_TRACEDATA] = "tracedata",
};

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

bool log_level_parse(struct str name, enum log_level *ret_level)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
        if (str_eq_nocase(name, str_from_cstr(level_names[i]))) {
            *ret_level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

struct log *log_new(int fd, enum log_level level)
{
    struct log *log = xcalloc(1, sizeof(*log));
    log->fd = fd;
    atomic_init(&log->level, (int)level);
    pthread_mutex_init(&log->lock, NULL);
    return log;
}

void log_free(struct log *log)
{
    if (!log)
        return;
    pthread_mutex_destroy(&log->lock);
    free(log);
}

void log_set_level(struct log *log, enum log_level level)
{
    atomic_store(&log->level, (int)level);
}

/* ---- Levels of packages */

static struct package_level *find_package(struct log *log, struct str name)
{
    unsigned count = atomic_load_explicit(&log->package_count, memory_order_acquire);
    for (unsigned i = 0; i < count; i++) {
        if (str_eq(name, str_from_cstr(log->packages[i].name)))
            return &log->packages[i];
    }
    return NULL;
}

static void add_package(struct log *log, struct str name, enum log_level level)
{
    unsigned count = atomic_load(&log->package_count);
    struct package_level *package = &log->packages[count];
    if (count == PACKAGES_MAX || !str_copy_cstr(name, package->name, sizeof(package->name)))
        return;
    atomic_store(&package->level, (int)level);
    atomic_store_explicit(&log->package_count, count + 1, memory_order_release);
}

void log_set_package_level(struct log *log, struct str package, enum log_level level)
{
    pthread_mutex_lock(&log->lock);
    struct package_level *known = find_package(log, package);
    if (known)
        atomic_store(&known->level, (int)level);
    else
        add_package(log, package, level);
    pthread_mutex_unlock(&log->lock);
}

uint64_t log_count(const struct log *log, enum log_level level)
{
    return atomic_load_explicit(&log->counts[level], memory_order_relaxed);
}

/* ---- Contexts */

struct log_ctx log_root(struct log *log, const char *package)
{
    return (struct log_ctx){.log = log, .package = package};
}

struct log_ctx log_child(const struct log_ctx *parent, const char *package, uint64_t cid)
{
    struct log_ctx child = *parent;
    if (package)
        child.package = package;
    if (cid != 0)
        child.cid = cid;
    return child;
}

bool log_is_on(const struct log_ctx *ctx, enum log_level level)
{
    struct log *log = ctx->log;
    if (atomic_load_explicit(&log->package_count, memory_order_acquire) > 0) {
        struct package_level *own = find_package(log, str_from_cstr(ctx->package));
        if (own)
            return (int)level <= atomic_load_explicit(&own->level, memory_order_relaxed);
    }
    return (int)level <= atomic_load_explicit(&log->level, memory_order_relaxed);
}

/* ---- Lines */

static void begin_line(struct buf *line, enum log_level level)
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    buf_init(line, LINE_MAX_BYTES);
    buf_printf(line, "time=%04d-%02d-%02dT%02d:%02d:%02d.%03dZ l=%s", utc.tm_year + 1900,
               utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
               (int)(now.tv_nsec / 1000000), log_level_name(level));
}

/* Writes the line with one system call, so that lines of several processes never mix. A log that
 * cannot be written is no reason to stop mail: the result is not looked at. */
static void end_line(struct log *log, enum log_level level, struct buf *line)
{
    atomic_fetch_add_explicit(&log->counts[level], 1, memory_order_relaxed);
    line->max = LINE_MAX_BYTES + 1;
    buf_append_char(line, '\n');
    ssize_t written = write(log->fd, line->ptr, line->len);
    (void)written;
    buf_release(line);
}

static void append_u64(struct buf *out, const char *key, uint64_t number)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "%" PRIu64, number);
    logfmt_pair(out, key, str_make(text, (size_t)len));
}

static void append_i64(struct buf *out, const char *key, int64_t number)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "%" PRId64, number);
    logfmt_pair(out, key, str_make(text, (size_t)len));
}

static void append_field(struct buf *out, const struct log_field *field)
{
    switch (field->type) {
    case LOG_VALUE_STR:
        logfmt_pair(out, field->key, field->text);
        break;
    case LOG_VALUE_I64:
        append_i64(out, field->key, field->number);
        break;
    case LOG_VALUE_U64:
        append_u64(out, field->key, (uint64_t)field->number);
        break;
    case LOG_VALUE_BOOL:
        logfmt_pair(out, field->key, field->number ? STR("true") : STR("false"));
        break;
    case LOG_VALUE_ERR:
        logfmt_pair(out, field->key, str_from_cstr(field->err->detail));
        logfmt_pair(out, "kind", str_from_cstr(err_kind_name(field->err->kind)));
        break;
    }
}

static void append_cid(struct buf *line, const struct log_ctx *ctx)
{
    if (ctx->cid != 0)
        buf_printf(line, " cid=%" PRIx64, ctx->cid);
}

/* Errors and warnings are throttled: what an outage says again and again, in every session, must
 * not hide the rest. Lines count as equal whatever their time and cid. Info is one line per
 * transaction, and always written. */
static bool passes_throttle(struct log *log, enum log_level level, struct str said,
                            uint64_t *ret_held_back)
{
    *ret_held_back = 0;
    if (level > LOG_WARN)
        return true;
    pthread_mutex_lock(&log->lock);
    bool pass = throttle_pass(&log->throttle, str_hash(said), clock_monotonic_ms(), ret_held_back);
    pthread_mutex_unlock(&log->lock);
    return pass;
}

void log_write(const struct log_ctx *ctx, enum log_level level, const char *message, ...)
{
    struct buf said, line;
    buf_init(&said, LINE_MAX_BYTES - 256);
    logfmt_pair(&said, "m", str_from_cstr(message));
    logfmt_pair(&said, "pkg", str_from_cstr(ctx->package));
    size_t cid_at = said.len;
    if (ctx->user[0] != '\0')
        logfmt_pair(&said, "user", str_from_cstr(ctx->user));
    va_list args;
    va_start(args, message);
    for (;;) {
        struct log_field field = va_arg(args, struct log_field);
        if (!field.key)
            break;
        append_field(&said, &field);
    }
    va_end(args);

    uint64_t held_back;
    if (passes_throttle(ctx->log, level, buf_str(&said), &held_back)) {
        begin_line(&line, level);
        buf_append_char(&line, ' ');
        buf_append(&line, str_slice(buf_str(&said), 0, cid_at));
        append_cid(&line, ctx);
        buf_append(&line, str_skip(buf_str(&said), cid_at));
        if (held_back > 0)
            append_u64(&line, "held_back", held_back);
        end_line(ctx->log, level, &line);
    }
    buf_release(&said);
}

/* ---- Protocol traces */

static enum log_level level_that_shows(enum log_trace_kind kind)
{
    switch (kind) {
    case LOG_TRACE_AUTH:
        return LOG_TRACEAUTH;
    case LOG_TRACE_DATA:
        return LOG_TRACEDATA;
    default:
        return LOG_TRACE;
    }
}

void log_trace(const struct log_ctx *ctx, char direction, enum log_trace_kind kind, struct str text)
{
    if (!log_is_on(ctx, LOG_TRACE))
        return;
    struct buf line;
    begin_line(&line, LOG_TRACE);
    logfmt_pair(&line, "m", direction == '<' ? STR("received") : STR("sent"));
    logfmt_pair(&line, "pkg", str_from_cstr(ctx->package));
    append_cid(&line, ctx);
    if (log_is_on(ctx, level_that_shows(kind)))
        logfmt_pair_max(&line, "text", text, TRACE_TEXT_MAX);
    else
        logfmt_pair(&line, "text", kind == LOG_TRACE_AUTH ? STR("***") : STR("..."));
    append_u64(&line, "size", text.len);
    end_line(ctx->log, LOG_TRACE, &line);
}
