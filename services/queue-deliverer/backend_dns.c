/* Door `dns`. */
#include "services/queue-deliverer/backend.h"

#include "proto/dns.pb-c.h"

#define LOOKUP_MS 30000 /* spec 10 C12 */

static enum dns_answer answer_of(const Mailrail__LookupReply *reply)
{
    if (reply->status == MAILRAIL__DNS_STATUS__DNS_STATUS_OK)
        return DNS_FOUND;
    if (reply->status == MAILRAIL__DNS_STATUS__DNS_STATUS_NOT_FOUND)
        return reply->nxdomain ? DNS_NO_NAME : DNS_NO_RECORD;
    return DNS_FAILED;
}

static enum dns_answer lookup(struct backend *b, uint64_t cid, struct str name,
                              Mailrail__DnsType type, struct arena *arena,
                              const Mailrail__LookupReply **ret, struct str *ret_detail)
{
    Mailrail__LookupRequest request = MAILRAIL__LOOKUP_REQUEST__INIT;
    ProtobufCMessage *message;
    struct err err;
    struct rpc_context context = rpc_context_ms(cid, LOOKUP_MS);
    request.type = type;
    request.name = arena_cstr(arena, arena_printf(arena, "%.*s.", STR_ARG(name)));
    if (!request.name) {
        *ret_detail = STR("bad domain name");
        return DNS_FAILED;
    }
    if (!rpc_call(b->dns, &context, "Lookup", &request.base, arena, &message, &err)) {
        *ret_detail = arena_copy(arena, str_from_cstr(err.detail));
        return err_is_transient(err.kind) ? DNS_AWAY : DNS_FAILED;
    }
    *ret = (const Mailrail__LookupReply *)message;
    *ret_detail = str_from_cstr((*ret)->detail);
    return answer_of(*ret);
}

static struct str without_dot(const char *name)
{
    struct str s = str_from_cstr(name);
    return str_ends_with(s, STR(".")) ? str_slice(s, 0, s.len - 1) : s;
}

enum dns_answer backend_lookup_mx(struct backend *b, uint64_t cid, struct str domain,
                                  struct arena *arena, struct dns_mx **ret, size_t *ret_count,
                                  struct str *ret_detail)
{
    const Mailrail__LookupReply *reply = NULL;
    *ret_count = 0;
    enum dns_answer answer =
        lookup(b, cid, domain, MAILRAIL__DNS_TYPE__DNS_TYPE_MX, arena, &reply, ret_detail);
    if (answer != DNS_FOUND)
        return answer;
    *ret = arena_new_array(arena, reply->n_records + 1, struct dns_mx);
    for (size_t i = 0; *ret && i < reply->n_records; i++)
        (*ret)[(*ret_count)++] = (struct dns_mx){.preference = reply->records[i]->preference,
                                                 .host = without_dot(reply->records[i]->text)};
    return DNS_FOUND;
}

enum dns_answer backend_lookup_ips(struct backend *b, uint64_t cid, struct str host,
                                   struct arena *arena, struct str **ret, size_t *ret_count,
                                   struct str *ret_detail)
{
    const Mailrail__LookupReply *reply = NULL;
    *ret_count = 0;
    enum dns_answer answer =
        lookup(b, cid, host, MAILRAIL__DNS_TYPE__DNS_TYPE_IP, arena, &reply, ret_detail);
    if (answer != DNS_FOUND)
        return answer;
    *ret = arena_new_array(arena, reply->n_records + 1, struct str);
    for (size_t i = 0; *ret && i < reply->n_records; i++)
        (*ret)[(*ret_count)++] = str_from_cstr(reply->records[i]->text);
    return DNS_FOUND;
}
