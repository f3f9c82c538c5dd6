#ifndef COMMON_BASE_BUG_H
#define COMMON_BASE_BUG_H

#include "common/base/attr.h"

/*
 * Programming errors end the process with one line on standard error that names the place.
 *
 * Only for what no input can cause: a broken invariant, a wrong call. Bad input, a full disk or a
 * peer that is away are errors (common/base/err.h). Memory that cannot be had is treated as a bug
 * too: the supervisor restarts the service, and nothing accepted is lost.
 */

#define BUG(...) bug_abort(__FILE__, __LINE__, __VA_ARGS__)
#define BUG_ON(condition)                                                                          \
    do {                                                                                           \
        if (condition)                                                                             \
            bug_abort(__FILE__, __LINE__, "%s", #condition);                                       \
    } while (0)

/* Prints "BUG at file:line: message" and aborts. */
NORETURN PRINTF_LIKE(3, 4) void bug_abort(const char *file, int line, const char *format, ...);

/* malloc, calloc and realloc that never return NULL. Sizes that a stranger controls must be checked
 * against a limit before the call. */
void *xmalloc(unsigned long size);
void *xcalloc(unsigned long count, unsigned long size);
void *xrealloc(void *old, unsigned long size);
char *xstrdup(const char *s);

#endif
