#include "common/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#ifdef __clang_analyzer__ /* see err.h */
#undef err_set
#undef err_set_errno
#undef err_reply
#undef err_wrap
#endif

static const char *const kind_names[] = {
    [ERR_NONE] = "none",           [ERR_SYNTAX] = "syntax",
    [ERR_STATE] = "state",         [ERR_LIMIT] = "limit",
    [ERR_NOT_FOUND] = "not_found", [ERR_DENIED] = "denied",
    [ERR_CONFLICT] = "conflict",   [ERR_TEMPORARY] = "temporary",
    [ERR_TIMEOUT] = "timeout",     [ERR_UNAVAILABLE] = "unavailable",
    [ERR_CORRUPT] = "corrupt",     [ERR_INTERNAL] = "internal",
    [ERR_NO_SPACE] = "no_space",   [ERR_FORBIDDEN] = "forbidden",
};

const char *err_kind_name(enum err_kind kind)
{
    return (size_t)kind < ARRAY_LEN(kind_names) ? kind_names[kind] : "unknown";
}

bool err_is_transient(enum err_kind kind)
{
    return kind == ERR_TEMPORARY || kind == ERR_TIMEOUT || kind == ERR_UNAVAILABLE ||
           kind == ERR_NO_SPACE;
}

bool err_set(struct err *err, enum err_kind kind, const char *format, ...)
{
    err->kind = kind;
    err->reply[0] = '\0';
    va_list args;
    va_start(args, format);
    vsnprintf(err->detail, sizeof(err->detail), format, args);
    va_end(args);
    return false;
}

static enum err_kind kind_of_errno(int errnum)
{
    switch (errnum) {
    case ENOENT:
    case ENOTDIR:
        return ERR_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS:
        return ERR_DENIED;
    case EEXIST:
        return ERR_CONFLICT;
    case ENOSPC:
    case EDQUOT:
        return ERR_NO_SPACE;
    case EMFILE:
    case ENFILE:
    case EAGAIN:
        return ERR_TEMPORARY;
    case ETIMEDOUT:
        return ERR_TIMEOUT;
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return ERR_UNAVAILABLE;
    default:
        return ERR_INTERNAL;
    }
}

bool err_set_errno(struct err *err, int errnum, const char *format, ...)
{
    char reason[128];
    err->kind = kind_of_errno(errnum);
    err->reply[0] = '\0';
    va_list args;
    va_start(args, format);
    int n = vsnprintf(err->detail, sizeof(err->detail), format, args);
    va_end(args);
    size_t used = n < 0 ? 0 : (size_t)n;
    if (used < sizeof(err->detail))
        snprintf(err->detail + used, sizeof(err->detail) - used, ": %s",
                 strerror_r(errnum, reason, sizeof(reason)));
    return false;
}

bool err_reply(struct err *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(err->reply, sizeof(err->reply), format, args);
    va_end(args);
    return false;
}

bool err_wrap(struct err *err, const char *format, ...)
{
    char inner[sizeof(err->detail)];
    memcpy(inner, err->detail, sizeof(inner));
    va_list args;
    va_start(args, format);
    int n = vsnprintf(err->detail, sizeof(err->detail), format, args);
    va_end(args);
    size_t used = n < 0 ? 0 : (size_t)n;
    if (used < sizeof(err->detail))
        snprintf(err->detail + used, sizeof(err->detail) - used, ": %s", inner);
    return false;
}
