#include "services/smtp-in/backend.h"

#include "common/base/bug.h"
#include "common/base/clock.h"
#include "common/bus/data.h"
#include "common/bus/events.h"
#include "common/bus/rpc.h"
#include "proto/delivery.pb-c.h"
#include "proto/dns.pb-c.h"
#include "services/smtp-in/resolve_cache.h"

#include <stdlib.h>

/* Deadlines as the contracts state them. */
#define RESOLVE_MS 10000
#define DELIVER_MS 60000
#define LOOKUP_MS 60000

struct backend {
    struct rpc_client *delivery;
    struct rpc_client *dns;
    struct recent *resolved;
    struct event_subscriber *notices;
};

static void on_directory(void *user)
{
    struct backend *b = user;
    recent_forget(b->resolved, clock_monotonic_ms());
}

static void on_notice(void *user, struct str topic, struct str payload)
{
    (void)topic;
    (void)payload;
    on_directory(user);
}

static bool hear_notices(struct backend *b, struct service *service, struct err *err)
{
    const struct event_handler handler = {
        .event = on_notice, .reconnected = on_directory, .user = b};
    b->notices = service_subscribe(service, "notices", &handler, err);
    if (b->notices)
        event_subscribe(b->notices, "directory");
    return b->notices != NULL;
}

struct backend *backend_open(struct service *service, struct err *err)
{
    struct backend *b = xcalloc(1, sizeof(*b));
    b->resolved = resolve_cache_new();
    b->delivery = service_connect(service, "delivery", &mailrail__delivery__descriptor, err);
    if (b->delivery)
        b->dns = service_connect(service, "dns", &mailrail__dns__descriptor, err);
    if (b->dns && hear_notices(b, service, err))
        return b;
    backend_close(b);
    return NULL;
}

void backend_close(struct backend *b)
{
    if (!b)
        return;
    event_subscriber_free(b->notices);
    recent_free(b->resolved);
    rpc_client_free(b->delivery);
    rpc_client_free(b->dns);
    free(b);
}

/* Mail can be received as long as store answers: dns-resolver is asked about some senders only. */
bool backend_is_ready(struct backend *b, struct err *err)
{
    return rpc_client_is_connected(b->delivery) ||
           err_set(err, ERR_UNAVAILABLE, "store does not answer (door delivery)");
}

/* ---- Types of the bus */

/* protobuf wants NUL-terminated text: an embedded NUL cannot come from a parsed address. */
static char *text(struct arena *arena, struct str s)
{
    char *copy = arena_cstr(arena, s);
    return copy ? copy : (char *)"";
}

static struct err error_of(const Mailrail__Error *error)
{
    struct err err = {.kind = ERR_NONE};
    if (!error || error->kind == MAILRAIL__ERROR_KIND__ERROR_KIND_NONE)
        return err;
    err_set(&err, (enum err_kind)error->kind, "%s", error->detail);
    err_reply(&err, "%s", error->reply);
    return err;
}

/* ---- Resolve */

static enum backend_address_class class_of(Mailrail__AddressClass class)
{
    switch (class) {
    case MAILRAIL__ADDRESS_CLASS__ADDRESS_CLASS_NOT_LOCAL:
        return BACKEND_NOT_LOCAL;
    case MAILRAIL__ADDRESS_CLASS__ADDRESS_CLASS_ACCOUNT:
        return BACKEND_ACCOUNT;
    case MAILRAIL__ADDRESS_CLASS__ADDRESS_CLASS_DOMAIN_DISABLED:
        return BACKEND_DOMAIN_DISABLED;
    case MAILRAIL__ADDRESS_CLASS__ADDRESS_CLASS_REFUSED:
        return BACKEND_REFUSED;
    default:
        return BACKEND_UNKNOWN;
    }
}

static bool ask_store(struct backend *b, uint64_t cid, struct address address, struct arena *arena,
                      struct backend_target *ret, struct err *err)
{
    Mailrail__ResolveRequest request = MAILRAIL__RESOLVE_REQUEST__INIT;
    request.localpart = text(arena, address.localpart);
    request.domain = text(arena, address.domain);
    struct rpc_context context = rpc_context_ms(cid, RESOLVE_MS);
    ProtobufCMessage *message;
    TRY(rpc_call(b->delivery, &context, "Resolve", &request.base, arena, &message, err));
    const Mailrail__ResolveReply *reply = (const Mailrail__ResolveReply *)message;
    *ret = (struct backend_target){
        .class = class_of(reply->class_),
        .account_id = reply->account_id,
        .mailbox = str_from_cstr(reply->mailbox),
        .error_code = reply->error_code == 421 ? 421 : 550,
        .error_text = str_from_cstr(reply->error_text),
    };
    return true;
}

bool backend_resolve(struct backend *b, uint64_t cid, struct address address, struct arena *arena,
                     struct backend_target *ret, struct err *err)
{
    int64_t now_ms = clock_monotonic_ms();
    if (resolve_cache_find(b->resolved, address, now_ms, arena, ret))
        return true;
    TRY(ask_store(b, cid, address, arena, ret, err));
    resolve_cache_add(b->resolved, address, ret, now_ms, arena);
    return true;
}

/* ---- Deliver */

static Mailrail__Origin origin_of(const struct backend_message *message, uint64_t cid,
                                  struct arena *arena)
{
    Mailrail__Origin origin = MAILRAIL__ORIGIN__INIT;
    origin.hello = text(arena, message->hello);
    origin.mail_from_localpart = text(arena, message->mail_from.localpart);
    origin.mail_from_domain = text(arena, message->mail_from.domain);
    origin.requiretls = message->requiretls;
    origin.smtputf8 = message->smtputf8;
    origin.from_localpart = text(arena, message->from.localpart);
    origin.from_domain = text(arena, message->from.domain);
    origin.cid = cid;
    return origin;
}

static Mailrail__Peer peer_of(const struct backend_message *message, struct arena *arena)
{
    Mailrail__Peer peer = MAILRAIL__PEER__INIT;
    peer.remote_ip = (char *)(uintptr_t)message->peer->remote_ip;
    peer.local_ip = (char *)(uintptr_t)message->peer->local_ip;
    peer.protocol = (char *)(uintptr_t) "smtp";
    peer.tls = message->tls_version.len > 0;
    peer.tls_version = text(arena, message->tls_version);
    peer.tls_cipher = text(arena, message->tls_cipher);
    return peer;
}

static bool fill_recipients(Mailrail__DeliverRequest *request,
                            const struct backend_message *message, struct arena *arena)
{
    size_t count = message->recipient_count;
    Mailrail__Recipient *all = arena_new_array(arena, count, Mailrail__Recipient);
    request->recipients = arena_new_array(arena, count, Mailrail__Recipient *);
    if (!all || !request->recipients)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct backend_recipient *from = &message->recipients[i];
        mailrail__recipient__init(&all[i]);
        all[i].account_id = from->target->account_id;
        all[i].mailbox = text(arena, from->target->mailbox);
        all[i].rcpt_localpart = text(arena, from->address.localpart);
        all[i].rcpt_domain = text(arena, from->address.domain);
        all[i].prefix = data_of(from->prefix);
        request->recipients[i] = &all[i];
    }
    request->n_recipients = count;
    return true;
}

bool backend_deliver(struct backend *b, uint64_t cid, const struct backend_message *message,
                     struct arena *arena, struct err *ret_errors, struct err *err)
{
    Mailrail__Peer peer = peer_of(message, arena);
    Mailrail__Origin origin = origin_of(message, cid, arena);
    origin.peer = &peer;
    Mailrail__DeliverRequest request = MAILRAIL__DELIVER_REQUEST__INIT;
    request.key = data_of(str_make(message->key, CALL_KEY_SIZE));
    request.spool_name = text(arena, message->spool_name);
    request.content = data_of(message->content);
    request.file_size = message->size;
    request.received_ms = message->received_ms;
    request.structure = data_of(message->structure);
    request.origin = &origin;
    if (!fill_recipients(&request, message, arena))
        return err_set(err, ERR_LIMIT, "too many recipients");
    struct rpc_context context = rpc_context_ms(cid, DELIVER_MS);
    ProtobufCMessage *answer;
    TRY(rpc_call(b->delivery, &context, "Deliver", &request.base, arena, &answer, err));
    const Mailrail__DeliverReply *reply = (const Mailrail__DeliverReply *)answer;
    if (reply->n_results != message->recipient_count)
        return err_set(err, ERR_TIMEOUT, "store answered for %zu of %zu recipients",
                       reply->n_results, message->recipient_count);
    for (size_t i = 0; i < reply->n_results; i++)
        ret_errors[i] = error_of(reply->results[i]->error);
    return true;
}

/* ---- DNS */

static bool lookup(struct backend *b, uint64_t cid, struct str name, Mailrail__DnsType type,
                   struct arena *arena, enum backend_dns_status *ret_status,
                   const Mailrail__LookupReply **ret_reply, struct err *err)
{
    Mailrail__LookupRequest request = MAILRAIL__LOOKUP_REQUEST__INIT;
    bool absolute = str_ends_with(name, STR("."));
    request.name = text(arena, arena_printf(arena, "%.*s%s", STR_ARG(name), absolute ? "" : "."));
    request.type = type;
    struct rpc_context context = rpc_context_ms(cid, LOOKUP_MS);
    ProtobufCMessage *message;
    TRY(rpc_call(b->dns, &context, "Lookup", &request.base, arena, &message, err));
    const Mailrail__LookupReply *reply = (const Mailrail__LookupReply *)message;
    *ret_status = reply->status == MAILRAIL__DNS_STATUS__DNS_STATUS_OK ? BACKEND_DNS_FOUND
                  : reply->status == MAILRAIL__DNS_STATUS__DNS_STATUS_NOT_FOUND
                      ? BACKEND_DNS_NOT_FOUND
                      : BACKEND_DNS_FAILED;
    *ret_reply = reply;
    return true;
}

bool backend_lookup_mx(struct backend *b, uint64_t cid, struct str domain, struct arena *arena,
                       struct backend_mx_list *ret, struct err *err)
{
    const Mailrail__LookupReply *reply;
    struct backend_mx_list list = {0};
    TRY(lookup(b, cid, domain, MAILRAIL__DNS_TYPE__DNS_TYPE_MX, arena, &list.status, &reply, err));
    struct str *hosts = arena_new_array(arena, reply->n_records + 1, struct str);
    if (!hosts)
        return err_set(err, ERR_LIMIT, "too many mail hosts");
    for (size_t i = 0; i < reply->n_records; i++)
        hosts[list.count++] = str_from_cstr(reply->records[i]->text);
    list.hosts = hosts;
    *ret = list;
    return true;
}

bool backend_lookup_ip(struct backend *b, uint64_t cid, struct str name, struct arena *arena,
                       enum backend_dns_status *ret, struct err *err)
{
    const Mailrail__LookupReply *reply;
    return lookup(b, cid, name, MAILRAIL__DNS_TYPE__DNS_TYPE_IP, arena, ret, &reply, err);
}
