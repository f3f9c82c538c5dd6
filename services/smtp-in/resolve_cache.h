#ifndef SERVICES_SMTP_IN_RESOLVE_CACHE_H
#define SERVICES_SMTP_IN_RESOLVE_CACHE_H

#include "common/base/recent.h"
#include "services/smtp-in/backend.h"

/*
 * Addresses that were found to be accounts, for ten seconds (common/base/recent.h), or until the
 * directory changes. Nothing but accounts is kept: who is unknown now may exist in a moment, while
 * mail for an account that was removed is refused by store all the same.
 */

struct recent *resolve_cache_new(void);

/* The target's texts are in arena. */
bool resolve_cache_find(struct recent *cache, struct address address, int64_t now_ms,
                        struct arena *arena, struct backend_target *ret) MUST_USE;
/* Keeps a copy, when it is an account. */
void resolve_cache_add(struct recent *cache, struct address address,
                       const struct backend_target *target, int64_t now_ms, struct arena *arena);

#endif
