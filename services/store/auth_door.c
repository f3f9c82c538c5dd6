#include "services/store/auth_door.h"

#include "common/bus/data.h"
#include "proto/auth.pb-c.h"
#include "services/store/auth.h"
#include "services/store/directory_keys.h"

#define BINDINGS_MAX 8

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
        bindings[i].data = bytes_of(in->bindings[i]->data);
    }
    *ret = (struct auth_step){
        .sasl = {.mechanism = str_from_cstr(in->mechanism),
                 .state = bytes_of(in->state),
                 .response = bytes_of(in->response),
                 .has_response = in->has_response,
                 .bindings = bindings,
                 .binding_count = in->n_bindings},
        .client_key = bytes_of(in->client_key),
        .protocol = in->peer ? str_from_cstr(in->peer->protocol) : STR_NULL,
        .deadline_ms = call->deadline_ms,
    };
    return true;
}

static char **write_capabilities(const struct directory_account *account, struct arena *arena,
                                 size_t *ret_count)
{
    char **names = arena_new_array(arena, account->capability_count, char *);
    *ret_count = names ? account->capability_count : 0;
    for (size_t i = 0; i < *ret_count; i++)
        names[i] = text_out(arena, account->capabilities_disabled[i]);
    return names;
}

static void write_session(const struct auth_reply *reply, struct arena *arena,
                          Mailrail__Session *out)
{
    const struct directory_account *account = &reply->account;
    out->token = data_of(reply->token);
    out->expires_ms = reply->expires_ms;
    out->account_id = account->id;
    out->account = text_out(arena, account->name);
    out->login = text_out(arena, reply->login);
    out->capabilities_disabled = write_capabilities(account, arena, &out->n_capabilities_disabled);
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
             LOG_BOOL("tls", in->peer && in->peer->tls),
             LOG_STR("tls_key", tls_fingerprint_text(bytes_of(in->client_key), call->arena)));
    if (reply->failure == SASL_NO_SECRET && reply->outcome == SASL_FAILURE)
        log_warn(&log, "no secret is stored for this mechanism: set the password again",
                 LOG_STR("login", reply->login), LOG_CSTR("mechanism", in->mechanism));
    struct metric_family *logins =
        metrics_counter(store->metrics, "mailrail_store_logins_total",
                        "Login attempts by mechanism and result", "mechanism", "result", NULL);
    metric_add(metric_with(logins, in->mechanism, result, NULL), 1);
}

/* What breaks the mechanism's grammar counts as well (spec 10 B3, B4). */
static void count_end(struct store *store, const Mailrail__AuthStepRequest *in,
                      const struct auth_reply *reply, const struct err *err)
{
    struct str remote_ip = in->peer ? str_from_cstr(in->peer->remote_ip) : STR("");
    if (!reply ? err->kind == ERR_SYNTAX : reply->outcome == SASL_FAILURE && reply->counts)
        auth_publish_end(store, remote_ip, false);
    else if (reply && reply->outcome == SASL_SUCCESS)
        auth_publish_end(store, remote_ip, true);
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
        count_end(call->user, in, NULL, &err);
        rpc_fail(call, &err);
        return;
    }
    note_end(call->user, call, in, &reply);
    count_end(call->user, in, &reply, NULL);
    Mailrail__AuthStepReply out = MAILRAIL__AUTH_STEP_REPLY__INIT;
    Mailrail__Session session = MAILRAIL__SESSION__INIT;
    out.outcome = (Mailrail__AuthOutcome)reply.outcome;
    out.challenge = data_of(reply.challenge);
    out.state = data_of(reply.state);
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

/* ---- Keys */

static void handle_find_key(Mailrail__Auth_Service *service UNUSED,
                            const Mailrail__FindKeyRequest *in,
                            Mailrail__FindKeyReply_Closure closure, void *closure_data)
{
    struct rpc_call *call = closure_data;
    struct directory_tls_key key;
    struct err err;
    if (!directory_find_tls_key(call->user, bytes_of(in->client_key), call->arena, &key, &err)) {
        rpc_fail(call, &err);
        return;
    }
    Mailrail__FindKeyReply out = MAILRAIL__FIND_KEY_REPLY__INIT;
    if (key.is_found) {
        out.known = true;
        out.imap_preauth = !key.no_imap_preauth;
        out.capabilities_disabled =
            write_capabilities(&key.account, call->arena, &out.n_capabilities_disabled);
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
    if (!auth_renew(call->user, bytes_of(in->token), call->arena, &reply, &err)) {
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
