#ifndef SERVICES_DNS_RESOLVER_RESOLVER_H
#define SERVICES_DNS_RESOLVER_RESOLVER_H

#include "common/dns/rdata.h"
#include "services/dns-resolver/config.h"

/*
 * Validated lookups with libunbound.
 *
 * The library works in a thread of its own and keeps the cache; one thread of ours takes its
 * results. Callers wait, each on its own thread. Equal questions that are asked at the same time
 * are one question.
 *
 *     struct lookup_answer answer;
 *     if (!resolver_lookup(r, STR("example.org."), DNS_MX, deadline, arena, &answer, err)) ...
 */

struct resolver;

/* A failure names the option that is wrong. Keeps nothing of `config`. */
struct resolver *resolver_new(const struct dns_resolver_config *config, struct err *err);
/* Nobody may be waiting. Accepts NULL. */
void resolver_free(struct resolver *r);

/* Numbers as in DnsStatus of proto/dns.proto. */
enum lookup_status {
    LOOKUP_OK,
    LOOKUP_NOT_FOUND,
    LOOKUP_TEMPORARY,
    LOOKUP_TIMEOUT,
    LOOKUP_BOGUS,
};

struct lookup_answer {
    enum lookup_status status;
    bool authentic; /* validated from the trust anchor on, each alias included */
    bool nxdomain;
    struct str canonical_name;
    const struct dns_record *records;
    size_t record_count;
    uint32_t ttl_s;
    int extended_error; /* RFC 8914; -1: none */
    struct str extended_text;
    struct str detail;
};

/* Looks up records of one type, following aliases unless the type is CNAME. `name` is as
 * dns_name_parse gives it. Everything that the DNS can answer is an answer; it fails only with
 * ERR_LIMIT (too many questions, or the arena is full). In arena. */
bool resolver_lookup(struct resolver *r, struct str name, enum dns_type type, int64_t deadline_ms,
                     struct arena *arena, struct lookup_answer *ret, struct err *err) MUST_USE;

/* A and AAAA together: a failure of either is one of both (spec 30 4.2). */
bool resolver_lookup_ip(struct resolver *r, struct str name, int64_t deadline_ms,
                        struct arena *arena, struct lookup_answer *ret, struct err *err) MUST_USE;

/* Before the end: lookups that wait now, and later ones, wait no longer than until `stop_ms`. */
void resolver_stop_by(struct resolver *r, int64_t stop_ms);

/* Questions that the library is working on now, and those asked of it so far. */
void resolver_counts(struct resolver *r, size_t *ret_in_flight, uint64_t *ret_asked);

#endif
