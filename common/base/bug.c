#include "common/base/bug.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bug_abort(const char *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "BUG at %s:%d: ", file, line);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    abort();
}

void *xmalloc(unsigned long size)
{
    void *p = malloc(size > 0 ? size : 1);
    if (!p)
        BUG("out of memory: %lu bytes", size);
    return p;
}

void *xcalloc(unsigned long count, unsigned long size)
{
    void *p = calloc(count > 0 ? count : 1, size > 0 ? size : 1);
    if (!p)
        BUG("out of memory: %lu times %lu bytes", count, size);
    return p;
}

void *xrealloc(void *old, unsigned long size)
{
    void *p = realloc(old, size > 0 ? size : 1);
    if (!p)
        BUG("out of memory: %lu bytes", size);
    return p;
}

char *xstrdup(const char *s)
{
    size_t size = strlen(s) + 1;
    return memcpy(xmalloc(size), s, size);
}
