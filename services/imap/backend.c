#include "services/imap/backend_bus.h"

#include "common/base/bug.h"
#include "common/base/clock.h"
#include "common/bus/events.h"
#include "common/bus/rpc.h"
#include "proto/auth.pb-c.h"
#include "proto/events.pb-c.h"
#include "proto/mailboxes.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

/* Deadlines as the contracts state them. */
#define AUTH_MS 10000
#define CALL_MS 30000
#define KEY_SIZE 16

struct backend {
    struct rpc_client *auth;
    struct rpc_client *mailboxes;
    struct event_subscriber *events;
    struct backend_events handler;
};

/* ---- Life cycle and events */

static void on_event(void *user, struct str topic, struct str payload)
{
    struct backend *b = user;
    (void)topic;
    Mailrail__AccountChanged *event = mailrail__account_changed__unpack(
        NULL, payload.len, (const uint8_t *)(const void *)payload.ptr);
    if (!event)
        return;
    struct backend_event changed = {.account_id = event->account_id,
                                    .modseq = event->modseq,
                                    .mailbox_ids = event->mailbox_ids,
                                    .mailbox_count = event->n_mailbox_ids};
    b->handler.changed(b->handler.user, &changed);
    mailrail__account_changed__free_unpacked(event, NULL);
}

static void on_reconnected(void *user)
{
    struct backend *b = user;
    b->handler.reconnected(b->handler.user);
}

struct backend *backend_open(struct service *service, struct err *err)
{
    struct backend *b = xcalloc(1, sizeof(*b));
    b->auth = service_connect(service, "auth", &mailrail__auth__descriptor, err);
    if (b->auth)
        b->mailboxes = service_connect(service, "mailboxes", &mailrail__mailboxes__descriptor, err);
    if (b->mailboxes)
        return b;
    backend_free(b);
    return NULL;
}

bool backend_listen(struct backend *b, struct service *service, const struct backend_events *events,
                    struct err *err)
{
    b->handler = *events;
    const struct event_handler handler = {
        .event = on_event, .reconnected = on_reconnected, .user = b};
    const char *url = settings_door_url(service->settings, "events", &service->arena);
    b->events = event_subscriber_new(url, &handler, err);
    return b->events != NULL;
}

void backend_free(struct backend *b)
{
    if (!b)
        return;
    event_subscriber_free(b->events);
    rpc_client_free(b->auth);
    rpc_client_free(b->mailboxes);
    free(b);
}

bool backend_is_connected(const struct backend *b)
{
    return rpc_client_is_connected(b->auth) && rpc_client_is_connected(b->mailboxes);
}

static void topic_of(uint64_t account_id, char *topic, size_t size)
{
    snprintf(topic, size, "account/%llu/", (unsigned long long)account_id);
}

void backend_subscribe(struct backend *b, uint64_t account_id)
{
    char topic[64];
    topic_of(account_id, topic, sizeof(topic));
    event_subscribe(b->events, topic);
}

void backend_unsubscribe(struct backend *b, uint64_t account_id)
{
    char topic[64];
    topic_of(account_id, topic, sizeof(topic));
    event_unsubscribe(b->events, topic);
}

/* ---- Types of the bus */

static ProtobufCBinaryData bytes(struct str s)
{
    return (ProtobufCBinaryData){s.len, (uint8_t *)(uintptr_t)s.ptr};
}

static struct str str_of_bytes(ProtobufCBinaryData data)
{
    return str_make(data.data, data.len);
}

/* protobuf wants NUL-terminated text: a NUL in it is refused as no text that store could know. */
static bool text(struct arena *arena, struct str s, char **ret, struct err *err)
{
    *ret = arena_cstr(arena, s);
    return *ret || err_set(err, ERR_SYNTAX, "NUL in text");
}

static bool texts(struct arena *arena, const struct str *list, size_t count, char ***ret,
                  struct err *err)
{
    *ret = arena_new_array(arena, count + 1, char *);
    if (!*ret)
        return err_set(err, ERR_LIMIT, "request too large");
    for (size_t i = 0; i < count; i++)
        TRY(text(arena, list[i], &(*ret)[i], err));
    return true;
}

static const struct str *strs(struct arena *arena, char *const *list, size_t count)
{
    struct str *ret = arena_new_array(arena, count + 1, struct str);
    for (size_t i = 0; ret && i < count; i++)
        ret[i] = str_from_cstr(list[i]);
    return ret;
}

struct key {
    uint8_t bytes[KEY_SIZE];
};

static ProtobufCBinaryData new_key(struct key *key)
{
    if (getrandom(key->bytes, sizeof(key->bytes), 0) != (ssize_t)sizeof(key->bytes))
        BUG("no randomness");
    return (ProtobufCBinaryData){sizeof(key->bytes), key->bytes};
}

static bool ask(struct backend *b, const struct backend_call *call, const char *method,
                const ProtobufCMessage *request, ProtobufCMessage **ret_reply, struct err *err)
{
    struct rpc_context context = rpc_context_ms(call->cid, CALL_MS);
    return rpc_call(b->mailboxes, &context, method, request, call->arena, ret_reply, err) ||
           err_wrap(err, "%s", method);
}

/* For calls that change something: when the answer was lost, asking again with the same key gives
 * it, and does nothing twice. */
static bool change(struct backend *b, const struct backend_call *call, const char *method,
                   const ProtobufCMessage *request, ProtobufCMessage **ret_reply, struct err *err)
{
    return ask(b, call, method, request, ret_reply, err) ||
           (err_is_transient(err->kind) && err->kind != ERR_TEMPORARY &&
            ask(b, call, method, request, ret_reply, err));
}

/* ---- Logging in */

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
        TRY(text(arena, auth->bindings[i].type, &all[i].type, err));
        all[i].data = bytes(auth->bindings[i].data);
        request->bindings[i] = &all[i];
    }
    request->n_bindings = count;
    return true;
}

static struct backend_login login_of(const Mailrail__Session *session, struct arena *arena)
{
    return (struct backend_login){
        .token = str_of_bytes(session->token),
        .expires_ms = session->expires_ms,
        .account_id = session->account_id,
        .account = str_from_cstr(session->account),
        .login = str_from_cstr(session->login),
        .capabilities_disabled =
            strs(arena, session->capabilities_disabled, session->n_capabilities_disabled),
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
    TRY(text(arena, from->remote_ip, &peer->remote_ip, err));
    TRY(text(arena, from->local_ip, &peer->local_ip, err));
    TRY(text(arena, from->tls_version, &peer->tls_version, err));
    return text(arena, from->tls_cipher, &peer->tls_cipher, err);
}

bool backend_auth(struct backend *b, const struct backend_call *call,
                  const struct backend_auth *auth, struct backend_auth_result *ret, struct err *err)
{
    Mailrail__Peer peer;
    Mailrail__AuthStepRequest request = MAILRAIL__AUTH_STEP_REQUEST__INIT;
    TRY(peer_of(&auth->peer, call->arena, &peer, err));
    TRY(text(call->arena, auth->mechanism, &request.mechanism, err));
    request.state = bytes(auth->state);
    request.response = bytes(auth->response);
    request.has_response = auth->has_response;
    request.peer = &peer;
    TRY(fill_bindings(&request, auth, call->arena, err));
    struct rpc_context context = rpc_context_ms(call->cid, AUTH_MS);
    ProtobufCMessage *message;
    TRY(rpc_call(b->auth, &context, "Step", &request.base, call->arena, &message, err));
    const Mailrail__AuthStepReply *reply = (const Mailrail__AuthStepReply *)message;
    *ret = (struct backend_auth_result){
        .outcome = outcome_of(reply),
        .challenge = str_of_bytes(reply->challenge),
        .state = str_of_bytes(reply->state),
        .counts = reply->counts,
        .text = str_from_cstr(reply->text),
        .login_tried = str_from_cstr(reply->login),
    };
    if (ret->outcome == AUTH_SUCCESS)
        ret->login = login_of(reply->session, call->arena);
    return true;
}

bool backend_renew(struct backend *b, const struct backend_call *call, struct backend_login *ret,
                   struct err *err)
{
    Mailrail__AuthRenewRequest request = MAILRAIL__AUTH_RENEW_REQUEST__INIT;
    request.token = bytes(call->token);
    struct rpc_context context = rpc_context_ms(call->cid, AUTH_MS);
    ProtobufCMessage *message;
    TRY(rpc_call(b->auth, &context, "Renew", &request.base, call->arena, &message, err));
    const Mailrail__AuthRenewReply *reply = (const Mailrail__AuthRenewReply *)message;
    if (!reply->session)
        return err_set(err, ERR_CORRUPT, "renewal without a session");
    *ret = login_of(reply->session, call->arena);
    return true;
}

/* ---- Mailboxes */

static struct mailbox_info mailbox_of(const Mailrail__MailboxInfo *m, struct arena *arena)
{
    return (struct mailbox_info){
        .id = m->id,
        .name = str_from_cstr(m->name),
        .uidvalidity = m->uidvalidity,
        .uidnext = m->uidnext,
        .modseq = m->modseq,
        .total = m->total,
        .deleted = m->deleted,
        .unseen = m->unseen,
        .size = m->size,
        .special_use = str_from_cstr(m->special_use),
        .keywords = strs(arena, m->keywords, m->n_keywords),
        .keyword_count = m->n_keywords,
    };
}

bool backend_list(struct backend *b, const struct backend_call *call, struct mailbox_list *ret,
                  struct err *err)
{
    Mailrail__ListRequest request = MAILRAIL__LIST_REQUEST__INIT;
    request.token = bytes(call->token);
    ProtobufCMessage *message;
    TRY(ask(b, call, "List", &request.base, &message, err));
    const Mailrail__ListReply *reply = (const Mailrail__ListReply *)message;
    *ret = (struct mailbox_list){
        .mailboxes = arena_new_array(call->arena, reply->n_mailboxes + 1, struct mailbox_info),
        .subscriptions = strs(call->arena, reply->subscriptions, reply->n_subscriptions),
        .subscription_count = reply->n_subscriptions,
    };
    if (!ret->mailboxes || !ret->subscriptions)
        return err_set(err, ERR_LIMIT, "too many mailboxes");
    for (size_t i = 0; i < reply->n_mailboxes; i++)
        ret->mailboxes[ret->len++] = mailbox_of(reply->mailboxes[i], call->arena);
    return true;
}

bool backend_create(struct backend *b, const struct backend_call *call, struct str name,
                    struct str special_use, struct name_list *ret_created, struct err *err)
{
    struct key key;
    Mailrail__CreateRequest request = MAILRAIL__CREATE_REQUEST__INIT;
    request.token = bytes(call->token);
    request.key = new_key(&key);
    TRY(text(call->arena, name, &request.name, err));
    TRY(text(call->arena, special_use, &request.special_use, err));
    ProtobufCMessage *message;
    TRY(change(b, call, "Create", &request.base, &message, err));
    const Mailrail__MailboxReply *reply = (const Mailrail__MailboxReply *)message;
    *ret_created =
        (struct name_list){strs(call->arena, reply->created, reply->n_created), reply->n_created};
    return ret_created->names || err_set(err, ERR_LIMIT, "too many mailboxes");
}

bool backend_delete(struct backend *b, const struct backend_call *call, struct str name,
                    struct err *err)
{
    struct key key;
    Mailrail__DeleteRequest request = MAILRAIL__DELETE_REQUEST__INIT;
    request.token = bytes(call->token);
    request.key = new_key(&key);
    TRY(text(call->arena, name, &request.name, err));
    ProtobufCMessage *message;
    return change(b, call, "Delete", &request.base, &message, err);
}

bool backend_rename(struct backend *b, const struct backend_call *call, struct str from,
                    struct str to, struct err *err)
{
    struct key key;
    Mailrail__RenameRequest request = MAILRAIL__RENAME_REQUEST__INIT;
    request.token = bytes(call->token);
    request.key = new_key(&key);
    TRY(text(call->arena, from, &request.from, err));
    TRY(text(call->arena, to, &request.to, err));
    ProtobufCMessage *message;
    return change(b, call, "Rename", &request.base, &message, err);
}

bool backend_set_subscribed(struct backend *b, const struct backend_call *call, struct str name,
                            bool subscribed, struct err *err)
{
    Mailrail__SubscribeRequest request = MAILRAIL__SUBSCRIBE_REQUEST__INIT;
    request.token = bytes(call->token);
    request.subscribe = subscribed;
    TRY(text(call->arena, name, &request.name, err));
    ProtobufCMessage *message;
    return ask(b, call, "Subscribe", &request.base, &message, err);
}

/* ---- Views */

/* Readers index the columns without looking: they must be as long as they claim. */
static bool columns_agree(const Mailrail__Changes *c)
{
    size_t n = c->n_uid;
    if (c->n_id != n || c->n_modseq != n || c->n_createseq != n || c->n_flags != n ||
        c->n_size != n || c->n_prefix_size != n || c->n_received_s != n ||
        c->n_vanished_uid != c->n_vanished_modseq)
        return false;
    if ((c->n_received_zone != 0 && c->n_received_zone != n) ||
        (c->n_keyword_end != 0 && c->n_keyword_end != n))
        return false;
    uint32_t before = 0;
    for (size_t i = 0; i < c->n_keyword_end; i++) {
        if (c->keyword_end[i] < before || c->keyword_end[i] > c->n_keyword_index)
            return false;
        before = c->keyword_end[i];
    }
    for (size_t i = 0; i < c->n_keyword_index; i++)
        if (c->keyword_index[i] >= c->mailbox->n_keywords)
            return false;
    return true;
}

static bool changes_of(const Mailrail__Changes *c, struct arena *arena, struct changes *ret,
                       struct err *err)
{
    *ret = (struct changes){.gone = c && c->gone};
    if (!c || c->gone)
        return true;
    if (!c->mailbox || !columns_agree(c))
        return err_set(err, ERR_CORRUPT, "changes whose columns do not fit together");
    ret->mailbox = mailbox_of(c->mailbox, arena);
    if (!ret->mailbox.keywords)
        return err_set(err, ERR_LIMIT, "too many keywords");
    ret->len = c->n_uid;
    ret->uid = c->uid;
    ret->id = c->id;
    ret->modseq = c->modseq;
    ret->createseq = c->createseq;
    ret->flags = c->flags;
    ret->size = c->size;
    ret->prefix_size = c->prefix_size;
    ret->received_s = c->received_s;
    ret->saved_s = c->n_saved_s == c->n_uid ? c->saved_s : NULL;
    ret->received_zone = c->n_received_zone > 0 ? c->received_zone : NULL;
    ret->keyword_end = c->n_keyword_end > 0 ? c->keyword_end : NULL;
    ret->keyword_index = c->keyword_index;
    ret->vanished_len = c->n_vanished_uid;
    ret->vanished_uid = c->vanished_uid;
    ret->vanished_modseq = c->vanished_modseq;
    ret->more = c->more;
    ret->last_uid = c->last_uid;
    ret->modseq_seen = c->modseq_seen;
    return true;
}

bool backend_pull(struct backend *b, const struct backend_call *call, const struct pull *pull,
                  struct changes *ret, struct err *err)
{
    Mailrail__PullRequest request = MAILRAIL__PULL_REQUEST__INIT;
    request.token = bytes(call->token);
    request.mailbox_id = pull->mailbox_id;
    request.since_modseq = pull->since_modseq;
    request.from_uid = pull->from_uid;
    TRY(text(call->arena, pull->name, &request.name, err));
    ProtobufCMessage *message;
    TRY(ask(b, call, "Pull", &request.base, &message, err));
    return changes_of((const Mailrail__Changes *)message, call->arena, ret, err);
}

bool backend_messages(struct backend *b, const struct backend_call *call, uint64_t mailbox_id,
                      const uint64_t *ids, size_t count, bool prefix, bool structure,
                      struct message_row **ret_rows, size_t *ret_count, struct err *err)
{
    Mailrail__MessagesRequest request = MAILRAIL__MESSAGES_REQUEST__INIT;
    request.token = bytes(call->token);
    request.mailbox_id = mailbox_id;
    request.id = (uint64_t *)(uintptr_t)ids;
    request.n_id = count;
    request.prefix = prefix;
    request.structure = structure;
    ProtobufCMessage *message;
    TRY(ask(b, call, "Messages", &request.base, &message, err));
    const Mailrail__MessagesReply *reply = (const Mailrail__MessagesReply *)message;
    struct message_row *rows = arena_new_array(call->arena, reply->n_rows + 1, struct message_row);
    if (!rows)
        return err_set(err, ERR_LIMIT, "too many messages");
    for (size_t i = 0; i < reply->n_rows; i++)
        rows[i] = (struct message_row){reply->rows[i]->id, str_of_bytes(reply->rows[i]->prefix),
                                       str_of_bytes(reply->rows[i]->structure)};
    *ret_rows = rows;
    *ret_count = reply->n_rows;
    return true;
}

/* ---- Messages */

bool backend_check_append(struct backend *b, const struct backend_call *call, struct str name,
                          uint64_t *ret_room, struct err *err)
{
    Mailrail__CheckAppendRequest request = MAILRAIL__CHECK_APPEND_REQUEST__INIT;
    request.token = bytes(call->token);
    TRY(text(call->arena, name, &request.name, err));
    ProtobufCMessage *message;
    TRY(ask(b, call, "CheckAppend", &request.base, &message, err));
    *ret_room = ((const Mailrail__CheckAppendReply *)message)->room;
    return true;
}

static bool item_of(const struct append_item *from, struct arena *arena, Mailrail__AppendItem *item,
                    struct err *err)
{
    mailrail__append_item__init(item);
    item->file_size = from->file_size;
    item->structure = bytes(from->structure);
    item->flags = from->flags;
    item->n_keywords = from->keyword_count;
    item->received_s = from->has_received ? from->received.time_s : 0;
    item->received_zone_minutes = from->has_received ? from->received.zone_minutes : 0;
    TRY(texts(arena, from->keywords, from->keyword_count, &item->keywords, err));
    return text(arena, from->spool_name, &item->spool_name, err);
}

bool backend_append(struct backend *b, const struct backend_call *call, const struct append *append,
                    struct append_result *ret, struct err *err)
{
    struct key key;
    Mailrail__AppendRequest request = MAILRAIL__APPEND_REQUEST__INIT;
    request.token = bytes(call->token);
    request.key = new_key(&key);
    request.view_mailbox_id = append->view_mailbox_id;
    request.since_modseq = append->since_modseq;
    TRY(text(call->arena, append->name, &request.name, err));
    Mailrail__AppendItem *items = arena_new_array(call->arena, append->len, Mailrail__AppendItem);
    request.items = arena_new_array(call->arena, append->len, Mailrail__AppendItem *);
    if (!items || !request.items)
        return err_set(err, ERR_LIMIT, "too many messages");
    for (size_t i = 0; i < append->len; i++) {
        TRY(item_of(&append->items[i], call->arena, &items[i], err));
        request.items[request.n_items++] = &items[i];
    }
    ProtobufCMessage *message;
    TRY(change(b, call, "Append", &request.base, &message, err));
    const Mailrail__AppendReply *reply = (const Mailrail__AppendReply *)message;
    *ret = (struct append_result){.uidvalidity = reply->uidvalidity,
                                  .uids = reply->uid,
                                  .len = reply->n_uid,
                                  .has_changes = reply->changes != NULL};
    return changes_of(reply->changes, call->arena, &ret->changes, err);
}

bool backend_store_flags(struct backend *b, const struct backend_call *call,
                         const struct store_flags *store, uint64_t *ret_modseq,
                         struct changes *ret_changes, struct err *err)
{
    static const Mailrail__StoreMode modes[] = {
        [STORE_REPLACE] = MAILRAIL__STORE_MODE__STORE_MODE_REPLACE,
        [STORE_ADD] = MAILRAIL__STORE_MODE__STORE_MODE_ADD,
        [STORE_REMOVE] = MAILRAIL__STORE_MODE__STORE_MODE_REMOVE,
    };
    struct key key;
    Mailrail__StoreFlagsRequest request = MAILRAIL__STORE_FLAGS_REQUEST__INIT;
    request.token = bytes(call->token);
    request.key = new_key(&key);
    request.mailbox_id = store->mailbox_id;
    request.uid = (uint32_t *)(uintptr_t)store->uids.uids;
    request.n_uid = store->uids.len;
    request.mode = modes[store->mode];
    request.flags = store->flags;
    request.n_keywords = store->keyword_count;
    request.since_modseq = store->since_modseq;
    TRY(texts(call->arena, store->keywords, store->keyword_count, &request.keywords, err));
    ProtobufCMessage *message;
    TRY(change(b, call, "StoreFlags", &request.base, &message, err));
    const Mailrail__StoreFlagsReply *reply = (const Mailrail__StoreFlagsReply *)message;
    *ret_modseq = reply->modseq;
    return changes_of(reply->changes, call->arena, ret_changes, err);
}

bool backend_copy(struct backend *b, const struct backend_call *call, const struct copy *copy,
                  struct copy_result *ret, struct err *err)
{
    struct key key;
    Mailrail__CopyRequest request = MAILRAIL__COPY_REQUEST__INIT;
    request.token = bytes(call->token);
    request.key = new_key(&key);
    request.mailbox_id = copy->mailbox_id;
    request.uid = (uint32_t *)(uintptr_t)copy->uids.uids;
    request.n_uid = copy->uids.len;
    request.since_modseq = copy->since_modseq;
    TRY(text(call->arena, copy->to, &request.to, err));
    ProtobufCMessage *message;
    TRY(change(b, call, copy->move ? "Move" : "Copy", &request.base, &message, err));
    const Mailrail__CopyReply *reply = (const Mailrail__CopyReply *)message;
    *ret = (struct copy_result){.uidvalidity = reply->uidvalidity,
                                .source = {reply->source_uid, reply->n_source_uid},
                                .target = {reply->uid, reply->n_uid}};
    return changes_of(reply->changes, call->arena, &ret->changes, err);
}

bool backend_expunge(struct backend *b, const struct backend_call *call,
                     const struct expunge *expunge, struct changes *ret_changes, struct err *err)
{
    struct key key;
    Mailrail__ExpungeRequest request = MAILRAIL__EXPUNGE_REQUEST__INIT;
    request.token = bytes(call->token);
    request.key = new_key(&key);
    request.mailbox_id = expunge->mailbox_id;
    request.only = expunge->only != NULL;
    request.below_uid = expunge->below_uid;
    request.since_modseq = expunge->since_modseq;
    if (expunge->only) {
        request.uid = (uint32_t *)(uintptr_t)expunge->only->uids;
        request.n_uid = expunge->only->len;
    }
    ProtobufCMessage *message;
    TRY(change(b, call, "Expunge", &request.base, &message, err));
    const Mailrail__ExpungeReply *reply = (const Mailrail__ExpungeReply *)message;
    return changes_of(reply->changes, call->arena, ret_changes, err);
}
