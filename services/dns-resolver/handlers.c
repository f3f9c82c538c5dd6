#include "services/dns-resolver/handlers.h"

#include "common/base/clock.h"
#include "common/dns/name.h"
#include "proto/dns.pb-c.h"

#define TYPE_IP MAILRAIL__DNS_TYPE__DNS_TYPE_IP
/* So that a caller hears of a timeout before it gives up itself. */
#define REPLY_MARGIN_MS 100

/* ---- Question */

static bool read_name(const Mailrail__LookupRequest *in, struct arena *arena, struct str *ret,
                      struct err *err)
{
    struct str name = str_from_cstr(in->name);
    if (in->type == MAILRAIL__DNS_TYPE__DNS_TYPE_PTR && dns_name_of_address(name, arena, ret))
        return true;
    return dns_name_parse(name, arena, ret, err);
}

static bool look_up(struct dns_resolver *dns, const Mailrail__LookupRequest *in,
                    const struct rpc_call *call, struct lookup_answer *ret, struct err *err)
{
    struct str name;
    if (in->type != TYPE_IP && !dns_type_name(in->type))
        return err_set(err, ERR_SYNTAX, "DNS type %d is not one that we look up", (int)in->type);
    TRY(read_name(in, call->arena, &name, err));
    int64_t deadline_ms = clock_monotonic_ms() + (int64_t)dns->config->timeout_ms;
    if (deadline_ms > call->deadline_ms - REPLY_MARGIN_MS)
        deadline_ms = call->deadline_ms - REPLY_MARGIN_MS;
    if (in->type == TYPE_IP)
        return resolver_lookup_ip(dns->resolver, name, deadline_ms, call->arena, ret, err);
    return resolver_lookup(dns->resolver, name, (enum dns_type)in->type, deadline_ms, call->arena,
                           ret, err);
}

/* ---- Answer */

static char *text(struct arena *arena, struct str s)
{
    char *copy = arena_cstr(arena, s);
    return copy ? copy : (char *)protobuf_c_empty_string;
}

static Mailrail__DnsRecord *write_record(const struct dns_record *record, struct arena *arena)
{
    Mailrail__DnsRecord *out = arena_new(arena, Mailrail__DnsRecord);
    if (!out)
        return NULL;
    mailrail__dns_record__init(out);
    out->type = (Mailrail__DnsType)record->type;
    out->text = text(arena, record->text);
    out->preference = record->preference;
    out->weight = record->weight;
    out->port = record->port;
    out->data.data = (uint8_t *)record->data.ptr;
    out->data.len = record->data.len;
    out->usage = record->usage;
    out->selector = record->selector;
    out->matching = record->matching;
    return out;
}

static void write_answer(const struct lookup_answer *answer, struct arena *arena,
                         Mailrail__LookupReply *out)
{
    out->status = (Mailrail__DnsStatus)answer->status;
    out->authentic = answer->authentic;
    out->nxdomain = answer->nxdomain;
    out->canonical_name = text(arena, answer->canonical_name);
    out->ttl_s = answer->ttl_s;
    out->extended_error = answer->extended_error;
    out->extended_text = text(arena, answer->extended_text);
    out->detail = text(arena, answer->detail);
    out->records = arena_new_array(arena, answer->record_count, Mailrail__DnsRecord *);
    for (size_t i = 0; out->records && i < answer->record_count; i++)
        out->records[out->n_records++] = write_record(&answer->records[i], arena);
}

static void count(struct dns_resolver *dns, unsigned type, const char *result, int64_t from_us)
{
    const char *name = type == TYPE_IP ? "IP" : dns_type_name(type);
    metric_add(metric_with(dns->lookups, name ? name : "other", result, NULL), 1);
    metric_observe_us(dns->duration, clock_monotonic_us() - from_us);
}

static const char *result_name(const struct lookup_answer *answer)
{
    static const char *const names[] = {
        [LOOKUP_OK] = "ok",
        [LOOKUP_NOT_FOUND] = "nodata",
        [LOOKUP_TEMPORARY] = "temporary",
        [LOOKUP_TIMEOUT] = "timeout",
        [LOOKUP_BOGUS] = "bogus",
    };
    return answer->nxdomain ? "nxdomain" : names[answer->status];
}

static void handle_lookup(Mailrail__Dns_Service *service UNUSED, const Mailrail__LookupRequest *in,
                          Mailrail__LookupReply_Closure closure, void *closure_data)
{
    struct rpc_call *call = closure_data;
    struct dns_resolver *dns = call->user;
    struct lookup_answer answer = {0};
    struct err err;
    int64_t from_us = clock_monotonic_us();
    bool ok = look_up(dns, in, call, &answer, &err);
    Mailrail__LookupReply reply = MAILRAIL__LOOKUP_REPLY__INIT;
    if (ok)
        write_answer(&answer, call->arena, &reply);
    if (ok && call->arena->exhausted)
        ok = err_set(&err, ERR_LIMIT, "the answer is too large");
    count(dns, in->type, ok ? result_name(&answer) : "error", from_us);
    if (ok)
        closure(&reply, closure_data);
    else
        rpc_fail(call, &err);
}

static Mailrail__Dns_Service handlers = MAILRAIL__DNS__INIT(handle_);

bool dns_door_open(struct dns_resolver *dns, struct service *service, struct err *err)
{
    dns->lookups = metrics_counter(service->metrics, "mailrail_dns_lookups_total",
                                   "Lookups by record type and result", "type", "result", NULL);
    dns->duration = metric_with(
        metrics_histogram(service->metrics, "mailrail_dns_lookup_seconds", "Time of lookups", NULL),
        NULL);
    dns->door =
        service_open_door(service, "dns", &handlers.base, (unsigned)dns->config->workers, dns, err);
    return dns->door != NULL;
}
