#include "services/submission/backend.h"

#include "common/base/bug.h"
#include "common/base/clock.h"
#include "common/bus/data.h"
#include "common/bus/events.h"
#include "common/bus/rpc.h"
#include "common/service/login_events.h"
#include "proto/auth.pb-c.h"
#include "proto/submit.pb-c.h"
#include "services/submission/check_cache.h"

#include <stdlib.h>

/* Deadlines as the contracts state them. */
#define AUTH_MS 10000
#define CHECK_MS 10000
#define ENQUEUE_MS 60000

struct backend {
    struct rpc_client *auth;
    struct rpc_client *submit;
    struct recent *checked;
    struct event_subscriber *events;
    void (*login_ended)(void *user, const char *ip, bool succeeded); /* may be NULL */
    void *login_user;
};

struct backend *backend_open(struct service *service, struct err *err)
{
    struct backend *b = xcalloc(1, sizeof(*b));
    b->checked = check_cache_new();
    b->auth = service_connect(service, "auth", &mailrail__auth__descriptor, err);
    if (b->auth)
        b->submit = service_connect(service, "submit", &mailrail__submit__descriptor, err);
    if (b->submit)
        return b;
    backend_close(b);
    return NULL;
}

void backend_close(struct backend *b)
{
    if (!b)
        return;
    backend_unlisten(b);
    recent_free(b->checked);
    rpc_client_free(b->auth);
    rpc_client_free(b->submit);
    free(b);
}

static void on_directory(void *user)
{
    struct backend *b = user;
    recent_forget(b->checked, clock_monotonic_ms());
}

static void on_event(void *user, struct str topic, struct str payload)
{
    struct backend *b = user;
    if (str_eq(topic, STR("login")))
        login_events_tell(payload, b->login_ended, b->login_user);
    else
        on_directory(b);
}

bool backend_listen(struct backend *b, struct service *service,
                    void (*login_ended)(void *user, const char *ip, bool succeeded), void *user,
                    struct err *err)
{
    b->login_ended = login_ended;
    b->login_user = user;
    const struct event_handler handler = {
        .event = on_event, .reconnected = on_directory, .user = b};
    b->events = service_subscribe(service, "notices", &handler, err);
    if (!b->events)
        return false;
    event_subscribe(b->events, "directory");
    if (login_ended)
        event_subscribe(b->events, "login");
    return true;
}

void backend_unlisten(struct backend *b)
{
    event_subscriber_free(b->events);
    b->events = NULL;
}

bool backend_is_ready(struct backend *b, struct err *err)
{
    if (!rpc_client_is_connected(b->auth))
        return err_set(err, ERR_UNAVAILABLE, "store does not answer (door auth)");
    return rpc_client_is_connected(b->submit) ||
           err_set(err, ERR_UNAVAILABLE, "store does not answer (door submit)");
}

/* ---- Types of the bus */

/* protobuf wants NUL-terminated text; what was parsed holds no NUL. */
static char *text(struct arena *arena, struct str s)
{
    char *copy = arena_cstr(arena, s);
    return copy ? copy : (char *)"";
}

static Mailrail__MailAddress address_of(struct address address, struct arena *arena)
{
    Mailrail__MailAddress out = MAILRAIL__MAIL_ADDRESS__INIT;
    out.localpart = text(arena, address.localpart);
    out.domain = text(arena, address.domain);
    return out;
}

/* ---- Auth */

static bool fill_bindings(Mailrail__AuthStepRequest *request, const struct backend_auth_step *step,
                          struct arena *arena)
{
    size_t count = step->binding_count;
    Mailrail__ChannelBinding *all = arena_new_array(arena, count, Mailrail__ChannelBinding);
    request->bindings = arena_new_array(arena, count, Mailrail__ChannelBinding *);
    if (!all || !request->bindings)
        return count == 0;
    for (size_t i = 0; i < count; i++) {
        mailrail__channel_binding__init(&all[i]);
        all[i].type = text(arena, step->bindings[i].type);
        all[i].data = data_of(step->bindings[i].data);
        request->bindings[i] = &all[i];
    }
    request->n_bindings = count;
    return true;
}

static void read_auth_reply(const Mailrail__AuthStepReply *reply, struct backend_auth_result *ret)
{
    *ret = (struct backend_auth_result){
        .outcome = BACKEND_AUTH_FAILURE,
        .challenge = reply->challenge.len > 0 ? bytes_of(reply->challenge) : STR_NULL,
        .state = bytes_of(reply->state),
        .failure = (enum backend_auth_failure)reply->failure,
        .counts = reply->counts,
        .text = str_from_cstr(reply->text),
        .login = str_from_cstr(reply->login),
    };
    if (reply->outcome == MAILRAIL__AUTH_OUTCOME__AUTH_OUTCOME_CONTINUE) {
        ret->outcome = BACKEND_AUTH_CONTINUE;
        ret->challenge = bytes_of(reply->challenge); /* may be empty: "334 " */
    } else if (reply->outcome == MAILRAIL__AUTH_OUTCOME__AUTH_OUTCOME_SUCCESS && reply->session) {
        ret->outcome = BACKEND_AUTH_SUCCESS;
        ret->session.account_id = reply->session->account_id;
        ret->session.token = bytes_of(reply->session->token);
        ret->login = str_from_cstr(reply->session->login);
    }
}

bool backend_auth(struct backend *b, uint64_t cid, const struct backend_auth_step *step,
                  struct arena *arena, struct backend_auth_result *ret, struct err *err)
{
    Mailrail__Peer peer = MAILRAIL__PEER__INIT;
    peer.remote_ip = (char *)(uintptr_t)step->peer->remote_ip;
    peer.local_ip = (char *)(uintptr_t)step->peer->local_ip;
    peer.protocol = (char *)(uintptr_t) "submission";
    peer.tls = step->tls_version.len > 0;
    peer.tls_version = text(arena, step->tls_version);
    peer.tls_cipher = text(arena, step->tls_cipher);
    Mailrail__AuthStepRequest request = MAILRAIL__AUTH_STEP_REQUEST__INIT;
    request.mechanism = text(arena, step->mechanism);
    request.state = data_of(step->state);
    request.response = data_of(step->response);
    request.has_response = !str_is_null(step->response);
    request.peer = &peer;
    request.client_key = data_of(step->client_key);
    if (!fill_bindings(&request, step, arena))
        return err_set(err, ERR_LIMIT, "login too large");
    struct rpc_context context = rpc_context_ms(cid, AUTH_MS);
    ProtobufCMessage *message;
    TRY(rpc_call(b->auth, &context, "Step", &request.base, arena, &message, err));
    read_auth_reply((const Mailrail__AuthStepReply *)message, ret);
    return true;
}

bool backend_find_key(struct backend *b, uint64_t cid, struct str client_key, struct arena *arena,
                      bool *ret_known, struct err *err)
{
    Mailrail__FindKeyRequest request = MAILRAIL__FIND_KEY_REQUEST__INIT;
    request.client_key = data_of(client_key);
    struct rpc_context context = rpc_context_ms(cid, AUTH_MS);
    ProtobufCMessage *message;
    TRY(rpc_call(b->auth, &context, "FindKey", &request.base, arena, &message, err));
    *ret_known = ((const Mailrail__FindKeyReply *)message)->known;
    return true;
}

/* ---- Submit */

static bool ask_about_sender(struct backend *b, uint64_t cid, struct str token,
                             struct address address, struct arena *arena, enum backend_sender *ret,
                             struct err *err)
{
    Mailrail__MailAddress sender = address_of(address, arena);
    Mailrail__MailAddress *senders[] = {&sender};
    Mailrail__CheckSendersRequest request = MAILRAIL__CHECK_SENDERS_REQUEST__INIT;
    request.token = data_of(token);
    request.addresses = senders;
    request.n_addresses = 1;
    struct rpc_context context = rpc_context_ms(cid, CHECK_MS);
    ProtobufCMessage *message;
    TRY(rpc_call(b->submit, &context, "CheckSenders", &request.base, arena, &message, err));
    const Mailrail__CheckSendersReply *reply = (const Mailrail__CheckSendersReply *)message;
    if (reply->n_verdicts != 1)
        return err_set(err, ERR_INTERNAL, "store gave %zu verdicts for one sender",
                       reply->n_verdicts);
    switch (reply->verdicts[0]) {
    case MAILRAIL__SENDER_VERDICT__SENDER_VERDICT_ALLOWED:
        *ret = BACKEND_SENDER_ALLOWED;
        break;
    case MAILRAIL__SENDER_VERDICT__SENDER_VERDICT_DOMAIN_DISABLED:
        *ret = BACKEND_SENDER_DOMAIN_DISABLED;
        break;
    default:
        *ret = BACKEND_SENDER_FOREIGN;
    }
    return true;
}

bool backend_check_sender(struct backend *b, uint64_t cid, const struct backend_login *login,
                          struct address address, struct arena *arena, enum backend_sender *ret,
                          struct err *err)
{
    int64_t now_ms = clock_monotonic_ms();
    *ret = BACKEND_SENDER_ALLOWED;
    if (check_cache_has_sender(b->checked, login->account_id, address, now_ms, arena))
        return true;
    TRY(ask_about_sender(b, cid, login->token, address, arena, ret, err));
    if (*ret == BACKEND_SENDER_ALLOWED)
        check_cache_add_sender(b->checked, login->account_id, address, now_ms, arena);
    return true;
}

static enum backend_recipient_class class_of(Mailrail__AddressClass class)
{
    switch (class) {
    case MAILRAIL__ADDRESS_CLASS__ADDRESS_CLASS_NOT_LOCAL:
        return BACKEND_RECIPIENT_REMOTE;
    case MAILRAIL__ADDRESS_CLASS__ADDRESS_CLASS_ACCOUNT:
        return BACKEND_RECIPIENT_LOCAL;
    case MAILRAIL__ADDRESS_CLASS__ADDRESS_CLASS_DOMAIN_DISABLED:
        return BACKEND_RECIPIENT_DOMAIN_DISABLED;
    case MAILRAIL__ADDRESS_CLASS__ADDRESS_CLASS_REFUSED:
        return BACKEND_RECIPIENT_REFUSED;
    default:
        return BACKEND_RECIPIENT_UNKNOWN;
    }
}

static bool ask_about_recipient(struct backend *b, uint64_t cid, struct str token,
                                struct address address, struct arena *arena,
                                struct backend_recipient *ret, struct err *err)
{
    Mailrail__MailAddress recipient = address_of(address, arena);
    Mailrail__CheckRecipientRequest request = MAILRAIL__CHECK_RECIPIENT_REQUEST__INIT;
    request.token = data_of(token);
    request.address = &recipient;
    struct rpc_context context = rpc_context_ms(cid, CHECK_MS);
    ProtobufCMessage *message;
    TRY(rpc_call(b->submit, &context, "CheckRecipient", &request.base, arena, &message, err));
    const Mailrail__ResolveReply *reply = (const Mailrail__ResolveReply *)message;
    *ret = (struct backend_recipient){
        .class = class_of(reply->class_),
        .error_code = reply->error_code == 421 ? 421 : 550,
        .error_text = str_from_cstr(reply->error_text),
    };
    return true;
}

bool backend_check_recipient(struct backend *b, uint64_t cid, struct str token,
                             struct address address, struct arena *arena,
                             struct backend_recipient *ret, struct err *err)
{
    int64_t now_ms = clock_monotonic_ms();
    *ret = (struct backend_recipient){.class = BACKEND_RECIPIENT_REMOTE};
    if (check_cache_is_remote(b->checked, address.domain, now_ms, arena))
        return true;
    TRY(ask_about_recipient(b, cid, token, address, arena, ret, err));
    if (ret->class == BACKEND_RECIPIENT_REMOTE)
        check_cache_add_remote(b->checked, address.domain, now_ms, arena);
    return true;
}

static bool fill_recipients(Mailrail__EnqueueRequest *request,
                            const struct backend_message *message, struct arena *arena)
{
    size_t count = message->recipient_count;
    Mailrail__MailAddress *all = arena_new_array(arena, count, Mailrail__MailAddress);
    request->recipients = arena_new_array(arena, count, Mailrail__MailAddress *);
    if (!all || !request->recipients)
        return false;
    for (size_t i = 0; i < count; i++) {
        all[i] = address_of(message->recipients[i], arena);
        request->recipients[i] = &all[i];
    }
    request->n_recipients = count;
    return true;
}

bool backend_enqueue(struct backend *b, uint64_t cid, const struct backend_message *message,
                     struct arena *arena, struct err *err)
{
    static const Mailrail__TlsNeed tls_needs[] = {
        [BACKEND_TLS_DEFAULT] = MAILRAIL__TLS_NEED__TLS_NEED_DEFAULT,
        [BACKEND_TLS_REQUIRED] = MAILRAIL__TLS_NEED__TLS_NEED_REQUIRED,
        [BACKEND_TLS_NOT_REQUIRED] = MAILRAIL__TLS_NEED__TLS_NEED_NOT_REQUIRED,
    };
    Mailrail__MailAddress mail_from = address_of(message->mail_from, arena);
    Mailrail__EnqueueRequest request = MAILRAIL__ENQUEUE_REQUEST__INIT;
    request.token = data_of(message->token);
    request.key = data_of(str_make(message->key, CALL_KEY_SIZE));
    request.spool_name = text(arena, message->spool_name);
    request.content = data_of(message->content);
    request.file_size = message->size;
    request.prefix = data_of(message->prefix);
    request.mail_from = &mail_from;
    request.has_8bit = message->has_8bit;
    request.smtputf8 = message->smtputf8;
    request.tls = tls_needs[message->tls];
    request.message_id = text(arena, message->message_id);
    request.subject = text(arena, message->subject);
    request.hold_until_ms = message->hold_until_ms;
    request.future_release = text(arena, message->future_release);
    request.cid = cid;
    request.structure = data_of(message->structure);
    if (!fill_recipients(&request, message, arena))
        return err_set(err, ERR_LIMIT, "too many recipients");
    struct rpc_context context = rpc_context_ms(cid, ENQUEUE_MS);
    ProtobufCMessage *reply;
    return rpc_call(b->submit, &context, "Enqueue", &request.base, arena, &reply, err);
}
