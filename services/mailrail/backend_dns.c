#include "services/mailrail/backend_call.h"

#include "common/base/bug.h"
#include "proto/dns.pb-c.h"

#include <stdio.h>

static const struct {
    struct str name;
    Mailrail__DnsType type;
} types[] = {
    {STR_INIT("A"), MAILRAIL__DNS_TYPE__DNS_TYPE_A},
    {STR_INIT("AAAA"), MAILRAIL__DNS_TYPE__DNS_TYPE_AAAA},
    {STR_INIT("CAA"), MAILRAIL__DNS_TYPE__DNS_TYPE_CAA},
    {STR_INIT("CNAME"), MAILRAIL__DNS_TYPE__DNS_TYPE_CNAME},
    {STR_INIT("HTTPS"), MAILRAIL__DNS_TYPE__DNS_TYPE_HTTPS},
    {STR_INIT("IP"), MAILRAIL__DNS_TYPE__DNS_TYPE_IP},
    {STR_INIT("MX"), MAILRAIL__DNS_TYPE__DNS_TYPE_MX},
    {STR_INIT("NS"), MAILRAIL__DNS_TYPE__DNS_TYPE_NS},
    {STR_INIT("PTR"), MAILRAIL__DNS_TYPE__DNS_TYPE_PTR},
    {STR_INIT("SOA"), MAILRAIL__DNS_TYPE__DNS_TYPE_SOA},
    {STR_INIT("SRV"), MAILRAIL__DNS_TYPE__DNS_TYPE_SRV},
    {STR_INIT("SVCB"), MAILRAIL__DNS_TYPE__DNS_TYPE_SVCB},
    {STR_INIT("TLSA"), MAILRAIL__DNS_TYPE__DNS_TYPE_TLSA},
    {STR_INIT("TXT"), MAILRAIL__DNS_TYPE__DNS_TYPE_TXT},
};

static bool type_of(struct str name, Mailrail__DnsType *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (str_eq_nocase(name, types[i].name)) {
            *ret = types[i].type;
            return true;
        }
    }
    return false;
}

static struct str status_text(Mailrail__DnsStatus status)
{
    switch (status) {
    case MAILRAIL__DNS_STATUS__DNS_STATUS_OK:
        return STR("ok");
    case MAILRAIL__DNS_STATUS__DNS_STATUS_NOT_FOUND:
        return STR("not found");
    case MAILRAIL__DNS_STATUS__DNS_STATUS_TEMPORARY:
        return STR("temporary failure");
    case MAILRAIL__DNS_STATUS__DNS_STATUS_TIMEOUT:
        return STR("timeout");
    case MAILRAIL__DNS_STATUS__DNS_STATUS_BOGUS:
        return STR("bogus: DNSSEC validation failed");
    default:
        return STR("unknown");
    }
}

static struct str hex_text(struct arena *arena, const ProtobufCBinaryData *data)
{
    char *text = arena_alloc(arena, data->len * 2 + 1);
    BUG_ON(!text);
    for (size_t i = 0; i < data->len; i++)
        snprintf(text + 2 * i, 3, "%02x", data->data[i]);
    return str_make(text, data->len * 2);
}

/* In the presentation of zone files, as far as the fields go. */
static struct str record_text(struct arena *arena, const Mailrail__DnsRecord *r)
{
    struct str data = str_make(r->data.data, r->data.len);
    switch (r->type) {
    case MAILRAIL__DNS_TYPE__DNS_TYPE_MX:
        return arena_printf(arena, "%u %s", r->preference, r->text);
    case MAILRAIL__DNS_TYPE__DNS_TYPE_SRV:
        return arena_printf(arena, "%u %u %u %s", r->preference, r->weight, r->port, r->text);
    case MAILRAIL__DNS_TYPE__DNS_TYPE_TXT:
        return arena_copy(arena, data);
    case MAILRAIL__DNS_TYPE__DNS_TYPE_CAA:
        return arena_printf(arena, "%u %s \"%.*s\"", r->preference, r->text, STR_ARG(data));
    case MAILRAIL__DNS_TYPE__DNS_TYPE_TLSA:
        return arena_printf(arena, "%u %u %u %.*s", r->usage, r->selector, r->matching,
                            STR_ARG(hex_text(arena, &r->data)));
    default:
        if (r->text[0] == '\0')
            return hex_text(arena, &r->data);
        return str_from_cstr(r->text);
    }
}

bool backend_dns_has_type(struct str type)
{
    Mailrail__DnsType found;
    return type_of(type, &found);
}

bool backend_dns_lookup(struct backend *b, struct str type, struct str name, struct dns_answer *ret,
                        struct err *err)
{
    Mailrail__LookupRequest request = MAILRAIL__LOOKUP_REQUEST__INIT;
    BUG_ON(!type_of(type, &request.type));
    bool is_absolute =
        str_ends_with(name, STR(".")) || request.type == MAILRAIL__DNS_TYPE__DNS_TYPE_PTR;
    request.name =
        backend_text(b, is_absolute ? name : arena_printf(b->arena, "%.*s.", STR_ARG(name)));
    ProtobufCMessage *base;
    TRY(backend_call(b, "dns", &mailrail__dns__descriptor, "Lookup", &request.base, &base, err));
    const Mailrail__LookupReply *reply = (const Mailrail__LookupReply *)base;
    struct str *records = arena_new_array(b->arena, reply->n_records + 1, struct str);
    BUG_ON(!records);
    for (size_t i = 0; i < reply->n_records; i++)
        records[i] = record_text(b->arena, reply->records[i]);
    *ret = (struct dns_answer){
        .status = status_text(reply->status),
        .detail = str_from_cstr(reply->detail),
        .authentic = reply->authentic,
        .canonical_name = str_from_cstr(reply->canonical_name),
        .ttl_s = reply->ttl_s,
        .records = {records, reply->n_records},
    };
    return true;
}
