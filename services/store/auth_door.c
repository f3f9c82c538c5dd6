#include "services/store/auth_door.h"

#include "proto/auth.pb-c.h"
#include "services/store/auth.h"

#define BINDINGS_MAX 8

static struct str bytes_in(ProtobufCBinaryData bytes)
{
    return str_make(bytes.data, bytes.len);
}

static ProtobufCBinaryData bytes_out(struct str bytes)
{
    return (ProtobufCBinaryData){.len = bytes.len, .data = (uint8_t *)bytes.ptr};
}

static char *text_out(struct arena *arena, struct str text)
{
    char *copy = arena_cstr(arena, text);
    return copy ? copy : (char *)protobuf_c_empty_string;
}

/* ---- Step */

static bool read_step(const Mailrail__AuthStepRequest *in, const struct rpc_call *call,
                      struct auth_step *ret, struct err *err)
{
    if (in->n_bindings > BINDINGS_MAX)
        return err_set(err, ERR_LIMIT, "%zu channel bindings", in->n_bindings);
    struct sasl_binding *bindings = arena_new_array(call->arena, BINDINGS_MAX, struct sasl_binding);
    if (!bindings)
        return err_set(err, ERR_LIMIT, "no room for channel bindings");
    for (size_t i = 0; i < in->n_bindings; i++) {
        bindings[i].type = str_from_cstr(in->bindings[i]->type);
        bindings[i].data = bytes_in(in->bindings[i]->data);
    }
    *ret = (struct auth_step){
        .sasl = {.mechanism = str_from_cstr(in->mechanism),
                 .state = bytes_in(in->state),
                 .response = bytes_in(in->response),
                 .has_response = in->has_response,
                 .bindings = bindings,
                 .binding_count = in->n_bindings},
        .protocol = in->peer ? str_from_cstr(in->peer->protocol) : STR_NULL,
        .deadline_ms = call->deadline_ms,
    };
    return true;
}

static void write_session(const struct auth_reply *reply, struct arena *arena,
                          Mailrail__Session *out)
{
    const struct directory_account *account = &reply->account;
    out->token = bytes_out(reply->token);
    out->expires_ms = reply->expires_ms;
    out->account_id = account->id;
    out->account = text_out(arena, account->name);
    out->login = text_out(arena, reply->login);
    out->capabilities_disabled = arena_new_array(arena, account->capability_count, char *);
    for (size_t i = 0; out->capabilities_disabled && i < account->capability_count; i++)
        out->capabilities_disabled[out->n_capabilities_disabled++] =
            text_out(arena, account->capabilities_disabled[i]);
}

static const char *result_name(const struct auth_reply *reply)
{
    static const char *const failures[] = {
        [SASL_CREDENTIALS] = "badcreds",        [SASL_AUTHORIZATION] = "badauthzid",
        [SASL_CHANNEL_BINDING] = "badchanbind", [SASL_PROTOCOL] = "badprotocol",
        [SASL_NO_SECRET] = "nosecret",          [SASL_DISABLED] = "logindisabled",
        [SASL_ENCODING] = "badencoding",
    };
    return reply->outcome == SASL_SUCCESS ? "ok" : failures[reply->failure];
}

/* One line and one count for each attempt that has come to its end; address and result are what
 * tools that ban clients look for. */
static void note_end(struct store *store, const struct rpc_call *call,
                     const Mailrail__AuthStepRequest *in, const struct auth_reply *reply)
{
    if (reply->outcome == SASL_CONTINUE)
        return;
    const char *result = result_name(reply);
    struct log_ctx log = log_child(&store->log, "auth", call->cid);
    log_info(&log, "login", LOG_CSTR("result", result), LOG_STR("login", reply->login),
             LOG_CSTR("mechanism", in->mechanism),
             LOG_CSTR("protocol", in->peer ? in->peer->protocol : ""),
             LOG_CSTR("remote_ip", in->peer ? in->peer->remote_ip : ""),
             LOG_BOOL("tls", in->peer && in->peer->tls));
    if (reply->failure == SASL_NO_SECRET && reply->outcome == SASL_FAILURE)
        log_warn(&log, "no secret is stored for this mechanism: set the password again",
                 LOG_STR("login", reply->login), LOG_CSTR("mechanism", in->mechanism));
    struct metric_family *logins =
        metrics_counter(store->metrics, "mailrail_store_logins_total",
                        "Login attempts by mechanism and result", "mechanism", "result", NULL);
    metric_add(metric_with(logins, in->mechanism, result, NULL), 1);
}

static void handle_step(Mailrail__Auth_Service *service UNUSED, const Mailrail__AuthStepRequest *in,
                        Mailrail__AuthStepReply_Closure closure, void *closure_data)
{
    struct rpc_call *call = closure_data;
    struct auth_step step;
    struct auth_reply reply;
    struct err err;
    if (!read_step(in, call, &step, &err) ||
        !auth_take_step(call->user, &step, call->arena, &reply, &err)) {
        rpc_fail(call, &err);
        return;
    }
    note_end(call->user, call, in, &reply);
    Mailrail__AuthStepReply out = MAILRAIL__AUTH_STEP_REPLY__INIT;
    Mailrail__Session session = MAILRAIL__SESSION__INIT;
    out.outcome = (Mailrail__AuthOutcome)reply.outcome;
    out.challenge = bytes_out(reply.challenge);
    out.state = bytes_out(reply.state);
    out.failure = (Mailrail__AuthFailure)reply.failure;
    out.counts = reply.counts;
    out.text = text_out(call->arena, reply.text);
    out.login = text_out(call->arena, reply.login);
    if (reply.outcome == SASL_SUCCESS) {
        write_session(&reply, call->arena, &session);
        out.session = &session;
    }
    closure(&out, closure_data);
}

/* ---- Renew */

static void handle_renew(Mailrail__Auth_Service *service UNUSED,
                         const Mailrail__AuthRenewRequest *in,
                         Mailrail__AuthRenewReply_Closure closure, void *closure_data)
{
    struct rpc_call *call = closure_data;
    struct auth_reply reply;
    struct err err;
    if (!auth_renew(call->user, bytes_in(in->token), call->arena, &reply, &err)) {
        rpc_fail(call, &err);
        return;
    }
    Mailrail__AuthRenewReply out = MAILRAIL__AUTH_RENEW_REPLY__INIT;
    Mailrail__Session session = MAILRAIL__SESSION__INIT;
    write_session(&reply, call->arena, &session);
    out.session = &session;
    closure(&out, closure_data);
}

static Mailrail__Auth_Service handlers = MAILRAIL__AUTH__INIT(handle_);

bool auth_door_open(struct store *store, struct service *service, struct err *err)
{
    return store_open_door(store, service, "auth", &handlers.base,
                           (unsigned)store->config->auth_workers, err);
}
