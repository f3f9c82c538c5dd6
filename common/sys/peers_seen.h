#ifndef COMMON_SYS_PEERS_SEEN_H
#define COMMON_SYS_PEERS_SEEN_H

#include "common/sys/ip.h"

#include <stdatomic.h>

/*
 * Which classes of address clients have had so far. The session server logs the first of each: an
 * operator then sees whether the addresses of clients arrive, or only that of a proxy or translator
 * in front, behind which all clients would share one limit. No class is trusted more than another.
 *
 * Zeroed is ready. Thread-safe.
 */

struct peers_seen {
    atomic_uint classes;
};

/* True, with the name of the address's class ("loopback", "private", "public"), when it is the
 * first of it. */
bool peers_seen_note(struct peers_seen *seen, const char *ip, const char **ret_class);

#endif
