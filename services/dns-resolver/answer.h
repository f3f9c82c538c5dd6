#ifndef SERVICES_DNS_RESOLVER_ANSWER_H
#define SERVICES_DNS_RESOLVER_ANSWER_H

#include "services/dns-resolver/resolver.h"

#include <unbound.h>

/*
 * From what libunbound found to what our callers are told (spec 30 4.2 to 4.4).
 */

/* ERR_LIMIT when the arena is full. Records whose data cannot be read are left out; when none is
 * left, the answer is a temporary failure. */
bool answer_read(const struct ub_result *result, struct str name, enum dns_type type,
                 struct arena *arena, struct lookup_answer *ret, struct err *err) MUST_USE;

struct lookup_answer answer_timeout(struct str name);
/* A failure of the library itself. */
struct lookup_answer answer_failure(struct str name, struct str detail);

/* A and AAAA of the same name as one answer. */
bool answer_join(const struct lookup_answer *a, const struct lookup_answer *aaaa,
                 struct arena *arena, struct lookup_answer *ret, struct err *err) MUST_USE;

#endif
