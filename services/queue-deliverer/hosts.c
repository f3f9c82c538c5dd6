#include "services/queue-deliverer/hosts.h"

#include "common/mail/domain.h"
#include "common/text/cursor.h"

#include <stdlib.h>
#include <sys/random.h>

#define NAME_MAX_LEN 255

/* ---- Options */

static bool is_ipv6_text(unsigned char c)
{
    return is_hex_digit(c) || c == ':' || c == '.';
}

/* HOST = domain / IPv4 / "[" IPv6 "]", then optionally ":" port */
bool host_parse(struct str text, uint16_t default_port, struct arena *arena, struct host *ret,
                struct err *err)
{
    struct cursor c = cursor_init(text);
    struct str name;
    *ret = (struct host){.port = default_port};
    if (cursor_skip(&c, '[')) {
        name = cursor_take_while(&c, is_ipv6_text, NAME_MAX_LEN, "IPv6 address");
        cursor_expect(&c, ']');
    } else {
        name = cursor_take_while(&c, is_domain_text, NAME_MAX_LEN, "host");
    }
    if (cursor_skip(&c, ':'))
        ret->port = (uint16_t)cursor_take_number(&c, UINT16_MAX, "port");
    if (!cursor_finish(&c, err))
        return err_wrap(err, "\"%.*s\"", STR_ARG(text));
    ret->is_ip = ip_parse(name, &ret->ip);
    if (!ret->is_ip && !domain_parse(name, arena, &ret->name, err))
        return err_wrap(err, "\"%.*s\"", STR_ARG(text));
    if (ret->is_ip)
        ret->name = arena_copy(arena, name);
    return true;
}

/* "*.example" is all below example, "example" only itself. */
static bool pattern_fits(struct str pattern, struct str domain)
{
    if (!str_starts_with(pattern, STR("*.")))
        return str_eq_nocase(pattern, domain);
    struct str suffix = str_skip(pattern, 1);
    return domain.len > suffix.len && str_ends_with_nocase(domain, suffix);
}

static bool find_route(const struct deliverer_config *config, struct str domain,
                       struct str *ret_hop)
{
    for (size_t i = 0; i < config->route.len; i++) {
        struct str pattern;
        if (str_cut(config->route.items[i], '=', &pattern, ret_hop) &&
            pattern_fits(pattern, domain))
            return true;
    }
    return false;
}

bool hosts_has_route(const struct deliverer_config *config, struct str domain)
{
    struct str hop;
    return find_route(config, domain, &hop);
}

bool hosts_route(const struct deliverer_config *config, struct str domain, struct str *ret_hop)
{
    if (find_route(config, domain, ret_hop))
        return true;
    *ret_hop = config->relay;
    return config->relay.len > 0;
}

static void check_hop(struct str hop, const char *option, struct option_report *report)
{
    struct arena arena;
    struct host host;
    struct err why;
    arena_init(&arena, 65536);
    if (!host_parse(hop, 25, &arena, &host, &why))
        option_reject(report, option, "%s", why.detail);
    arena_release(&arena);
}

void hosts_check_config(const void *values, const struct settings *settings,
                        struct option_report *report)
{
    const struct deliverer_config *config = values;
    (void)settings;
    if (config->relay.len > 0)
        check_hop(config->relay, "relay", report);
    for (size_t i = 0; i < config->route.len; i++) {
        struct str hop;
        if (str_cut(config->route.items[i], '=', NULL, &hop))
            check_hop(hop, "route", report);
        else
            option_reject(report, "route", "\"%.*s\" is not DOMAIN=HOST[:PORT]",
                          STR_ARG(config->route.items[i]));
    }
}

/* ---- Hosts */

/* RFC 5321 4.1.3: "[192.0.2.1]", "[IPv6:2001:db8::1]". */
static bool parse_literal(struct str domain, struct ip *ret)
{
    if (!str_starts_with(domain, STR("[")) || !str_ends_with(domain, STR("]")))
        return false;
    struct str inside = str_slice(domain, 1, domain.len - 2);
    if (str_starts_with_nocase(inside, STR("IPv6:")))
        inside = str_skip(inside, 5);
    return ip_parse(inside, ret);
}

struct ranked {
    struct dns_mx mx;
    uint32_t random;
};

static int by_preference(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->mx.preference != y->mx.preference)
        return x->mx.preference < y->mx.preference ? -1 : 1;
    return (x->random > y->random) - (x->random < y->random);
}

/* RFC 5321 5.1: by preference, and in no particular order among equals. */
static bool rank(const struct dns_mx *mx, size_t count, uint16_t port, struct arena *arena,
                 struct host *hosts)
{
    struct ranked *ranked = arena_new_array(arena, count, struct ranked);
    if (!ranked)
        return false;
    for (size_t i = 0; i < count; i++) {
        ranked[i].mx = mx[i];
        if (getrandom(&ranked[i].random, sizeof(ranked[i].random), 0) < 0)
            ranked[i].random = (uint32_t)i;
    }
    qsort(ranked, count, sizeof(*ranked), by_preference);
    for (size_t i = 0; i < count; i++)
        hosts[i] = (struct host){.name = ranked[i].mx.host, .port = port};
    return true;
}

/* From the MX records, or the domain itself when there are none. */
static bool find_direct(struct backend *backend, uint16_t port, uint64_t cid, struct str domain,
                        struct arena *arena, struct host *one, struct host **ret, size_t *ret_count,
                        struct verdict *ret_verdict)
{
    struct dns_mx *mx = NULL;
    size_t count;
    struct str detail = STR("");
    switch (backend_lookup_mx(backend, cid, domain, arena, &mx, &count, &detail)) {
    case DNS_NO_NAME:
        *ret_verdict =
            verdict_make(VERDICT_PERMANENT, 1, 2, "domain %.*s does not exist", STR_ARG(domain));
        return false;
    case DNS_FAILED:
        *ret_verdict = verdict_make(VERDICT_TEMPORARY, 4, 3, "lookup of the servers of %.*s: %.*s",
                                    STR_ARG(domain), STR_ARG(detail));
        return false;
    case DNS_AWAY:
        *ret_verdict = verdict_make(VERDICT_POSTPONED, 3, 0, "%.*s", STR_ARG(detail));
        return false;
    case DNS_NO_RECORD:
        *one = (struct host){.name = domain, .port = port};
        return true;
    case DNS_FOUND:
        break;
    }
    if (count == 1 && mx[0].host.len == 0) { /* RFC 7505 */
        *ret_verdict =
            verdict_make(VERDICT_PERMANENT, 1, 10, "domain %.*s accepts no mail", STR_ARG(domain));
        return false;
    }
    *ret = arena_new_array(arena, count + 1, struct host);
    *ret_count = count;
    if (count > 0 && *ret && rank(mx, count, port, arena, *ret))
        return true;
    *ret_verdict =
        verdict_make(VERDICT_TEMPORARY, 4, 3, "no usable server of %.*s", STR_ARG(domain));
    return false;
}

bool hosts_find(struct backend *backend, const struct deliverer_config *config, uint64_t cid,
                struct str domain, struct arena *arena, struct host **ret, size_t *ret_count,
                struct verdict *ret_verdict)
{
    struct str hop;
    struct err err;
    struct host *one = arena_new(arena, struct host);
    *ret = one;
    *ret_count = 1;
    if (!one) {
        *ret_verdict = verdict_make(VERDICT_TEMPORARY, 3, 0, "out of memory");
        return false;
    }
    if (hosts_route(config, domain, &hop)) {
        if (host_parse(hop, 25, arena, one, &err))
            return true;
        *ret_verdict = verdict_of_err(&err);
        return false;
    }
    if (parse_literal(domain, &one->ip)) {
        one->is_ip = true;
        one->name = domain;
        one->port = (uint16_t)config->port;
        return true;
    }
    return find_direct(backend, (uint16_t)config->port, cid, domain, arena, one, ret, ret_count,
                       ret_verdict);
}

/* ---- Addresses */

static void move_to_front(struct ip *ips, size_t at)
{
    struct ip ip = ips[at];
    for (; at > 0; at--)
        ips[at] = ips[at - 1];
    ips[0] = ip;
}

static void family_first(struct ip *ips, size_t count, bool v6)
{
    size_t front = 0;
    for (size_t i = 0; i < count; i++) {
        if (ips[i].is_v6 != v6)
            continue;
        move_to_front(ips + front, i - front);
        front++;
    }
}

void hosts_order_addresses(struct ip *ips, size_t count, struct str host,
                           const struct dialed *dialed, size_t dialed_count)
{
    struct ip last = {0}, last_of[2] = {0};
    size_t times[2] = {0};
    bool any = false, dual = false;
    for (size_t i = 0; i < dialed_count; i++) {
        struct ip ip;
        if (!str_eq_nocase(dialed[i].host, host) || !ip_parse(dialed[i].ip, &ip))
            continue;
        any = true;
        last = last_of[ip.is_v6] = ip;
        times[ip.is_v6]++;
    }
    if (!any || count == 0)
        return;
    for (size_t i = 0; i < count; i++)
        dual |= ips[i].is_v6 != last.is_v6;
    bool family = dual ? !last.is_v6 : last.is_v6;
    family_first(ips, count, family);
    for (size_t i = 0; times[family] == 1 && i < count; i++)
        if (ip_eq(ips[i], last_of[family]))
            move_to_front(ips, i);
}

static bool lookup_addresses(struct backend *backend, const struct job *job,
                             const struct host *host, struct arena *arena, struct ip **ret,
                             size_t *ret_count, struct verdict *ret_verdict)
{
    struct str *texts = NULL, detail = STR("");
    size_t count;
    switch (backend_lookup_ips(backend, job->cid, host->name, arena, &texts, &count, &detail)) {
    case DNS_FOUND:
        break;
    case DNS_NO_NAME:
    case DNS_NO_RECORD:
        *ret_verdict =
            verdict_make(VERDICT_PERMANENT, 4, 4, "%.*s has no address", STR_ARG(host->name));
        return false;
    case DNS_FAILED:
        *ret_verdict = verdict_make(VERDICT_TEMPORARY, 4, 3, "lookup of %.*s: %.*s",
                                    STR_ARG(host->name), STR_ARG(detail));
        return false;
    case DNS_AWAY:
        *ret_verdict = verdict_make(VERDICT_POSTPONED, 3, 0, "%.*s", STR_ARG(detail));
        return false;
    }
    *ret = arena_new_array(arena, count + 1, struct ip);
    for (size_t i = 0; *ret && i < count; i++)
        if (ip_parse(texts[i], &(*ret)[*ret_count]))
            (*ret_count)++;
    *ret_verdict =
        verdict_make(VERDICT_TEMPORARY, 4, 4, "%.*s has no usable address", STR_ARG(host->name));
    return *ret_count > 0;
}

bool hosts_addresses(struct backend *backend, const struct job *job, const struct host *host,
                     struct arena *arena, struct ip **ret, size_t *ret_count,
                     struct verdict *ret_verdict)
{
    *ret_count = 0;
    if (host->is_ip) {
        *ret = arena_new(arena, struct ip);
        if (*ret) {
            **ret = host->ip;
            *ret_count = 1;
        }
        return *ret != NULL;
    }
    TRY(lookup_addresses(backend, job, host, arena, ret, ret_count, ret_verdict));
    hosts_order_addresses(*ret, *ret_count, host->name, job->dialed, job->dialed_before);
    return true;
}
