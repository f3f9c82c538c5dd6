#include "services/dns-resolver/unbound.h"

#include "common/base/arena.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* The key signing keys of the root, from https://data.iana.org/root-anchors/. */
static const char *const root_anchors[] = {
    ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
    ". IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16",
};

/* What differs from the library's defaults; the sizes of its caches are set by option. */
static const struct {
    const char *name, *value;
} fixed_options[] = {
    /* A name server on this machine is a choice of the operator's. */
    {"do-not-query-localhost:", "no"},
    /* Small: mail asks few questions at a time. */
    {"outgoing-range:", "256"},
    {"num-queries-per-thread:", "256"},
    {"msg-cache-slabs:", "1"},
    {"rrset-cache-slabs:", "1"},
    {"infra-cache-slabs:", "1"},
    {"key-cache-slabs:", "1"},
    {"infra-cache-numhosts:", "2000"},
    /* Tell why a validation failed. */
    {"val-log-level:", "2"},
    /* Refuse what weakens validation, or could be forged. */
    {"harden-glue:", "yes"},
    {"harden-dnssec-stripped:", "yes"},
    {"harden-below-nxdomain:", "yes"},
    {"harden-algo-downgrade:", "no"}, /* RFC 6840 5.11 */
    {"qname-minimisation:", "yes"},
    {"aggressive-nsec:", "yes"},
    {"minimal-responses:", "yes"},
    /* Nothing goes to the system log: the library's own messages are not ours. */
    {"use-syslog:", "no"},
};

struct setup {
    struct ub_ctx *ub;
    struct arena arena;
};

static bool failed(struct err *err, const char *option, struct str value, int code)
{
    return err_set(err, ERR_SYNTAX, "dns_resolver.%s: \"%.*s\": %s", option, STR_ARG(value),
                   ub_strerror(code));
}

static bool set(struct setup *s, const char *name, const char *value, struct err *err)
{
    int code = ub_ctx_set_option(s->ub, name, value);
    if (!code)
        return true;
    return err_set(err, ERR_INTERNAL, "libunbound: %s %s: %s", name, value, ub_strerror(code));
}

static bool set_fixed(struct setup *s, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(fixed_options); i++)
        TRY(set(s, fixed_options[i].name, fixed_options[i].value, err));
    return true;
}

/* A fourth for keys and negative answers, the rest mostly for records. */
static bool set_cache(struct setup *s, uint64_t kib, struct err *err)
{
    static const struct {
        const char *name;
        unsigned share; /* of 16 */
    } caches[] = {{"rrset-cache-size:", 8},
                  {"msg-cache-size:", 4},
                  {"key-cache-size:", 2},
                  {"neg-cache-size:", 2}};
    for (size_t i = 0; i < ARRAY_LEN(caches); i++) {
        char size[32];
        snprintf(size, sizeof(size), "%" PRIu64, kib * 1024 / 16 * caches[i].share);
        TRY(set(s, caches[i].name, size, err));
    }
    return true;
}

static bool cstr(struct setup *s, const char *option, struct str value, const char **ret,
                 struct err *err)
{
    *ret = arena_cstr(&s->arena, value);
    return *ret ? true : err_set(err, ERR_SYNTAX, "dns_resolver.%s: not a text", option);
}

static bool set_forward(struct setup *s, const struct str_list *forward, struct err *err)
{
    for (size_t i = 0; i < forward->len; i++) {
        const char *address;
        TRY(cstr(s, "forward", forward->items[i], &address, err));
        int code = ub_ctx_set_fwd(s->ub, address);
        if (code)
            return failed(err, "forward", forward->items[i], code);
    }
    if (forward->len == 0)
        return true;
    /* A resolver of the network at hand knows the names of its private addresses. */
    TRY(set(s, "unblock-lan-zones:", "yes", err));
    return set(s, "insecure-lan-zones:", "yes", err);
}

/* "zone=address" */
static bool split_stub(struct setup *s, struct str value, const char **ret_zone,
                       const char **ret_address, struct err *err)
{
    struct str zone, address;
    if (!str_cut(value, '=', &zone, &address))
        return err_set(err, ERR_SYNTAX, "dns_resolver.stub_zones: \"%.*s\" has no \"=\"",
                       STR_ARG(value));
    return cstr(s, "stub_zones", zone, ret_zone, err) &&
           cstr(s, "stub_zones", address, ret_address, err);
}

static bool set_stub(struct setup *s, struct str value, struct err *err)
{
    const char *zone = NULL, *address = NULL;
    TRY(split_stub(s, value, &zone, &address, err));
    int code = ub_ctx_set_stub(s->ub, zone, address, 0);
    return code ? failed(err, "stub_zones", value, code) : true;
}

/* The library reads hints and anchors when it gets to work. That must be known at start, so it is
 * made to begin: by taking away a zone that it does not have. After this nothing can be set. */
static bool begin_work(struct setup *s, struct err *err)
{
    int code = ub_ctx_zone_remove(s->ub, "mailrail.invalid.");
    if (!code)
        return true;
    return err_set(err, ERR_SYNTAX, "dns_resolver.trust_anchors, root_anchor or root_hints: %s",
                   ub_strerror(code));
}

/* The library itself answers for zones such as "test" and 10.in-addr.arpa; not for those that have
 * servers. */
static bool let_stubs_answer(struct setup *s, const struct str_list *stubs, struct err *err)
{
    for (size_t i = 0; i < stubs->len; i++) {
        const char *zone = NULL, *address = NULL;
        TRY(split_stub(s, stubs->items[i], &zone, &address, err));
        int code = ub_ctx_zone_remove(s->ub, zone);
        if (code)
            return failed(err, "stub_zones", stubs->items[i], code);
    }
    return true;
}

static bool set_lists(struct setup *s, const struct dns_resolver_config *config, struct err *err)
{
    TRY(set_forward(s, &config->forward, err));
    for (size_t i = 0; i < config->stub_zones.len; i++)
        TRY(set_stub(s, config->stub_zones.items[i], err));
    for (size_t i = 0; i < config->insecure_zones.len; i++) {
        const char *zone;
        TRY(cstr(s, "insecure_zones", config->insecure_zones.items[i], &zone, err));
        TRY(set(s, "domain-insecure:", zone, err));
    }
    return true;
}

static bool add_anchor(struct setup *s, const char *option, const char *anchor, struct err *err)
{
    int code = ub_ctx_add_ta(s->ub, anchor);
    return code ? failed(err, option, str_from_cstr(anchor), code) : true;
}

static bool set_anchors(struct setup *s, const struct dns_resolver_config *config, struct err *err)
{
    const char *text;
    for (size_t i = 0; i < ARRAY_LEN(root_anchors) && config->root_anchor.len == 0; i++)
        TRY(add_anchor(s, "root_anchor", root_anchors[i], err));
    if (config->root_anchor.len > 0) {
        TRY(cstr(s, "root_anchor", config->root_anchor, &text, err));
        int code = ub_ctx_add_ta_file(s->ub, text);
        if (code)
            return failed(err, "root_anchor", config->root_anchor, code);
    }
    for (size_t i = 0; i < config->trust_anchors.len; i++) {
        TRY(cstr(s, "trust_anchors", config->trust_anchors.items[i], &text, err));
        TRY(add_anchor(s, "trust_anchors", text, err));
    }
    if (config->root_hints.len == 0)
        return true;
    TRY(cstr(s, "root_hints", config->root_hints, &text, err));
    return set(s, "root-hints:", text, err);
}

/* For an error that names option and file. */
static bool check_file(const char *option, struct str path, struct err *err)
{
    char text[1024];
    if (path.len == 0)
        return true;
    if (!str_copy_cstr(path, text, sizeof(text)))
        return err_set(err, ERR_SYNTAX, "dns_resolver.%s: the path is too long", option);
    FILE *f = fopen(text, "re");
    if (!f)
        return err_set_errno(err, errno, "dns_resolver.%s: %s", option, text);
    fclose(f);
    return true;
}

static bool set_up(struct setup *s, const struct dns_resolver_config *config, struct err *err)
{
    TRY(check_file("root_hints", config->root_hints, err));
    TRY(check_file("root_anchor", config->root_anchor, err));
    TRY(set_fixed(s, err));
    TRY(set_cache(s, config->cache_kib, err));
    TRY(set_lists(s, config, err));
    TRY(set_anchors(s, config, err));
    int code = ub_ctx_async(s->ub, 1);
    if (code)
        return err_set(err, ERR_INTERNAL, "libunbound: %s", ub_strerror(code));
    TRY(begin_work(s, err));
    return let_stubs_answer(s, &config->stub_zones, err);
}

struct ub_ctx *unbound_open(const struct dns_resolver_config *config, struct err *err)
{
    struct setup s = {.ub = ub_ctx_create()};
    if (!s.ub) {
        err_set(err, ERR_INTERNAL, "libunbound: cannot begin");
        return NULL;
    }
    arena_init(&s.arena, 1 << 20);
    bool ok = set_up(&s, config, err);
    arena_release(&s.arena);
    if (ok)
        return s.ub;
    ub_ctx_delete(s.ub);
    return NULL;
}
