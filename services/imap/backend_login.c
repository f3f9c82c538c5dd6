#include "services/imap/backend_internal.h"

/* Deadline as the contract states it. */
#define AUTH_MS 10000

static bool fill_bindings(Mailrail__AuthStepRequest *request, const struct backend_auth *auth,
                          struct arena *arena, struct err *err)
{
    size_t count = auth->binding_count;
    Mailrail__ChannelBinding *all = arena_new_array(arena, count + 1, Mailrail__ChannelBinding);
    request->bindings = arena_new_array(arena, count + 1, Mailrail__ChannelBinding *);
    if (!all || !request->bindings)
        return err_set(err, ERR_LIMIT, "login too large");
    for (size_t i = 0; i < count; i++) {
        mailrail__channel_binding__init(&all[i]);
        TRY(wire_text(arena, auth->bindings[i].type, &all[i].type, err));
        all[i].data = data_of(auth->bindings[i].data);
        request->bindings[i] = &all[i];
    }
    request->n_bindings = count;
    return true;
}

static struct backend_login login_of(const Mailrail__Session *session, struct arena *arena)
{
    return (struct backend_login){
        .token = bytes_of(session->token),
        .expires_ms = session->expires_ms,
        .account_id = session->account_id,
        .account = str_from_cstr(session->account),
        .login = str_from_cstr(session->login),
        .capabilities_disabled =
            wire_strs(arena, session->capabilities_disabled, session->n_capabilities_disabled),
        .capabilities_disabled_count = session->n_capabilities_disabled,
    };
}

static enum auth_outcome outcome_of(const Mailrail__AuthStepReply *reply)
{
    static const enum auth_outcome failures[] = {
        [MAILRAIL__AUTH_FAILURE__AUTH_FAILURE_CREDENTIALS] = AUTH_WRONG,
        [MAILRAIL__AUTH_FAILURE__AUTH_FAILURE_AUTHORIZATION] = AUTH_AUTHORIZATION,
        [MAILRAIL__AUTH_FAILURE__AUTH_FAILURE_CHANNEL_BINDING] = AUTH_BINDING,
        [MAILRAIL__AUTH_FAILURE__AUTH_FAILURE_PROTOCOL] = AUTH_PROTOCOL,
        [MAILRAIL__AUTH_FAILURE__AUTH_FAILURE_NO_SECRET] = AUTH_NO_SECRET,
        [MAILRAIL__AUTH_FAILURE__AUTH_FAILURE_DISABLED] = AUTH_DISABLED,
        [MAILRAIL__AUTH_FAILURE__AUTH_FAILURE_ENCODING] = AUTH_ENCODING,
    };
    if (reply->outcome == MAILRAIL__AUTH_OUTCOME__AUTH_OUTCOME_CONTINUE)
        return AUTH_CONTINUE;
    if (reply->outcome == MAILRAIL__AUTH_OUTCOME__AUTH_OUTCOME_SUCCESS && reply->session)
        return AUTH_SUCCESS;
    return (size_t)reply->failure < ARRAY_LEN(failures) ? failures[reply->failure] : AUTH_WRONG;
}

static bool peer_of(const struct backend_peer *from, struct arena *arena, Mailrail__Peer *peer,
                    struct err *err)
{
    mailrail__peer__init(peer);
    peer->protocol = (char *)(uintptr_t) "imap";
    peer->tls = from->tls;
    TRY(wire_text(arena, from->remote_ip, &peer->remote_ip, err));
    TRY(wire_text(arena, from->local_ip, &peer->local_ip, err));
    TRY(wire_text(arena, from->tls_version, &peer->tls_version, err));
    return wire_text(arena, from->tls_cipher, &peer->tls_cipher, err);
}

bool backend_auth(struct backend *b, const struct backend_call *call,
                  const struct backend_auth *auth, struct backend_auth_result *ret, struct err *err)
{
    Mailrail__Peer peer;
    Mailrail__AuthStepRequest request = MAILRAIL__AUTH_STEP_REQUEST__INIT;
    TRY(peer_of(&auth->peer, call->arena, &peer, err));
    TRY(wire_text(call->arena, auth->mechanism, &request.mechanism, err));
    request.state = data_of(auth->state);
    request.response = data_of(auth->response);
    request.has_response = auth->has_response;
    request.peer = &peer;
    request.client_key = data_of(auth->client_key);
    TRY(fill_bindings(&request, auth, call->arena, err));
    struct rpc_context context = rpc_context_ms(call->cid, AUTH_MS);
    ProtobufCMessage *message;
    TRY(rpc_call(b->auth, &context, "Step", &request.base, call->arena, &message, err));
    const Mailrail__AuthStepReply *reply = (const Mailrail__AuthStepReply *)message;
    *ret = (struct backend_auth_result){
        .outcome = outcome_of(reply),
        .challenge = bytes_of(reply->challenge),
        .state = bytes_of(reply->state),
        .counts = reply->counts,
        .text = str_from_cstr(reply->text),
        .login_tried = str_from_cstr(reply->login),
    };
    if (ret->outcome == AUTH_SUCCESS)
        ret->login = login_of(reply->session, call->arena);
    return true;
}

bool backend_find_key(struct backend *b, const struct backend_call *call, struct str client_key,
                      struct backend_key *ret, struct err *err)
{
    Mailrail__FindKeyRequest request = MAILRAIL__FIND_KEY_REQUEST__INIT;
    request.client_key = data_of(client_key);
    struct rpc_context context = rpc_context_ms(call->cid, AUTH_MS);
    ProtobufCMessage *message;
    TRY(rpc_call(b->auth, &context, "FindKey", &request.base, call->arena, &message, err));
    const Mailrail__FindKeyReply *reply = (const Mailrail__FindKeyReply *)message;
    *ret = (struct backend_key){
        .is_known = reply->known,
        .preauths = reply->imap_preauth,
        .capabilities_disabled =
            wire_strs(call->arena, reply->capabilities_disabled, reply->n_capabilities_disabled),
        .capabilities_disabled_count = reply->n_capabilities_disabled,
    };
    return true;
}

bool backend_renew(struct backend *b, const struct backend_call *call, struct backend_login *ret,
                   struct err *err)
{
    Mailrail__AuthRenewRequest request = MAILRAIL__AUTH_RENEW_REQUEST__INIT;
    request.token = data_of(call->token);
    struct rpc_context context = rpc_context_ms(call->cid, AUTH_MS);
    ProtobufCMessage *message;
    TRY(rpc_call(b->auth, &context, "Renew", &request.base, call->arena, &message, err));
    const Mailrail__AuthRenewReply *reply = (const Mailrail__AuthRenewReply *)message;
    if (!reply->session)
        return err_set(err, ERR_CORRUPT, "renewal without a session");
    *ret = login_of(reply->session, call->arena);
    return true;
}
