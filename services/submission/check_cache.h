#ifndef SERVICES_SUBMISSION_CHECK_CACHE_H
#define SERVICES_SUBMISSION_CHECK_CACHE_H

#include "common/base/recent.h"
#include "services/submission/backend.h"

/*
 * Good news about senders and recipients, for ten seconds (common/base/recent.h), or until the
 * directory changes: an account that sends many messages asks once for its own address, and once
 * for each domain that is not ours. Refusals are not kept: what they name may be put right in a
 * moment.
 */

struct recent *check_cache_new(void);

/* May this account send as `address`? True when that was so. */
bool check_cache_has_sender(struct recent *cache, uint64_t account_id, struct address address,
                            int64_t now_ms, struct arena *arena) MUST_USE;
void check_cache_add_sender(struct recent *cache, uint64_t account_id, struct address address,
                            int64_t now_ms, struct arena *arena);

/* Is the domain one that others serve? True when it was so. */
bool check_cache_is_remote(struct recent *cache, struct str domain, int64_t now_ms,
                           struct arena *arena) MUST_USE;
void check_cache_add_remote(struct recent *cache, struct str domain, int64_t now_ms,
                            struct arena *arena);

#endif
