#ifndef SERVICES_SMTP_IN_RESOLVE_CACHE_H
#define SERVICES_SMTP_IN_RESOLVE_CACHE_H

#include "services/smtp-in/backend.h"

/*
 * Addresses that were found to be accounts, for half a second: a burst of mail for the same people
 * asks once. Longer would need the events of the directory, and those come with an event for every
 * delivery, which cost this service more than the calls they save (measured: 17 of 35 futex calls a
 * message). Nothing but accounts is kept: who is unknown now may exist in a moment, while mail for
 * somebody who was removed is refused by store all the same.
 *
 * Thread-safe.
 */

struct resolve_cache;

struct resolve_cache *resolve_cache_new(void);
void resolve_cache_free(struct resolve_cache *cache);

/* The target's texts are in arena. */
bool resolve_cache_find(struct resolve_cache *cache, struct address address, int64_t now_ms,
                        struct arena *arena, struct backend_target *ret) MUST_USE;
/* Keeps a copy, when it is an account. */
void resolve_cache_add(struct resolve_cache *cache, struct address address,
                       const struct backend_target *target, int64_t now_ms);

#endif
