#ifndef SERVICES_MAILRAIL_PLURAL_H
#define SERVICES_MAILRAIL_PLURAL_H

#include <stdint.h>

/*
 * Numbers of things in what people read:
 *
 *     printf("%" PRIu64 " message%s\n", n, plural(n, "s"));
 */

/* `ending`, or "" for just one. */
static inline const char *plural(uint64_t n, const char *ending)
{
    return n == 1 ? "" : ending;
}

#endif
