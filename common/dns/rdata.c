#include "common/dns/rdata.h"

#include "common/dns/name.h"

#include <arpa/inet.h>
#include <string.h>

typedef void rdata_rule(struct wire *w, struct arena *arena, struct dns_record *r);

static void take_address(struct wire *w, int family, size_t size, struct arena *arena,
                         struct dns_record *r)
{
    struct str bytes = wire_take(w, size, "address");
    char text[INET6_ADDRSTRLEN];
    if (!wire_failed(w) && inet_ntop(family, bytes.ptr, text, sizeof(text)))
        r->text = arena_copy(arena, str_from_cstr(text));
}

/* RFC 1035 3.4.1 */
static void take_a(struct wire *w, struct arena *arena, struct dns_record *r)
{
    take_address(w, AF_INET, 4, arena, r);
}

/* RFC 3596 2.2 */
static void take_aaaa(struct wire *w, struct arena *arena, struct dns_record *r)
{
    take_address(w, AF_INET6, 16, arena, r);
}

/* RFC 1035 3.3.1 CNAME, 3.3.11 NS, 3.3.12 PTR */
static void take_name(struct wire *w, struct arena *arena, struct dns_record *r)
{
    r->text = dns_name_take(w, arena);
}

/* RFC 1035 3.3.13: only the primary server is kept. */
static void take_soa(struct wire *w, struct arena *arena, struct dns_record *r)
{
    r->text = dns_name_take(w, arena);
    dns_name_take(w, arena);
    wire_take(w, 5 * sizeof(uint32_t), "numbers of SOA");
}

/* RFC 1035 3.3.9 */
static void take_mx(struct wire *w, struct arena *arena, struct dns_record *r)
{
    r->preference = wire_take_u16(w, "preference");
    r->text = dns_name_take(w, arena);
}

/* RFC 1035 3.3.14: one or more strings, joined (RFC 7208 3.3 and others). */
static void take_txt(struct wire *w, struct arena *arena, struct dns_record *r)
{
    size_t size = wire_left(w);
    char *joined = arena_alloc(arena, size);
    size_t len = 0;
    do {
        struct str part = wire_take_str8(w, "string");
        if (joined && part.len > 0)
            memcpy(joined + len, part.ptr, part.len);
        len += part.len;
    } while (wire_left(w) > 0);
    r->data = str_make(joined, joined ? len : 0);
}

/* RFC 2782 */
static void take_srv(struct wire *w, struct arena *arena, struct dns_record *r)
{
    r->preference = wire_take_u16(w, "priority");
    r->weight = wire_take_u16(w, "weight");
    r->port = wire_take_u16(w, "port");
    r->text = dns_name_take(w, arena);
}

/* RFC 6698 2.1 */
static void take_tlsa(struct wire *w, struct arena *arena UNUSED, struct dns_record *r)
{
    r->usage = wire_take_u8(w, "usage");
    r->selector = wire_take_u8(w, "selector");
    r->matching = wire_take_u8(w, "matching type");
    r->data = wire_take_rest(w);
}

/* RFC 9460 2.2: the parameters stay as they are. */
static void take_svcb(struct wire *w, struct arena *arena, struct dns_record *r)
{
    r->preference = wire_take_u16(w, "priority");
    r->text = dns_name_take(w, arena);
    r->data = wire_take_rest(w);
}

/* RFC 8659 4.1 */
static void take_caa(struct wire *w, struct arena *arena, struct dns_record *r)
{
    r->preference = wire_take_u8(w, "flags");
    struct str tag = wire_take_str8(w, "tag");
    if (!wire_failed(w) && tag.len == 0)
        wire_fail(w, "tag");
    r->text = arena_lower(arena, tag);
    r->data = wire_take_rest(w);
}

static const struct {
    enum dns_type type;
    const char *name;
    rdata_rule *take;
} types[] = {
    {DNS_A, "A", take_a},          {DNS_NS, "NS", take_name},     {DNS_CNAME, "CNAME", take_name},
    {DNS_SOA, "SOA", take_soa},    {DNS_PTR, "PTR", take_name},   {DNS_MX, "MX", take_mx},
    {DNS_TXT, "TXT", take_txt},    {DNS_AAAA, "AAAA", take_aaaa}, {DNS_SRV, "SRV", take_srv},
    {DNS_TLSA, "TLSA", take_tlsa}, {DNS_SVCB, "SVCB", take_svcb}, {DNS_HTTPS, "HTTPS", take_svcb},
    {DNS_CAA, "CAA", take_caa},
};

const char *dns_type_name(unsigned type)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (types[i].type == type)
            return types[i].name;
    return NULL;
}

bool dns_rdata_parse(enum dns_type type, struct str rdata, struct arena *arena,
                     struct dns_record *ret, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (types[i].type != type)
            continue;
        struct wire w = wire_init(rdata);
        *ret = (struct dns_record){.type = type};
        types[i].take(&w, arena, ret);
        if (!wire_finish(&w, err))
            return err_wrap(err, "%s record", types[i].name);
        return arena->exhausted ? err_set(err, ERR_LIMIT, "%s record: no room", types[i].name)
                                : true;
    }
    return err_set(err, ERR_SYNTAX, "record of unknown type %d", (int)type);
}
