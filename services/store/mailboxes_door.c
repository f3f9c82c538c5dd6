#include "services/store/mailboxes_door.h"

#include "common/base/clock.h"
#include "services/store/append.h"
#include "services/store/copy.h"
#include "services/store/directory.h"
#include "services/store/expunge.h"
#include "services/store/mailbox_name.h"
#include "services/store/mailbox_ops.h"
#include "services/store/mailboxes_reply.h"
#include "services/store/store_flags.h"
#include "services/store/token.h"

#define KEY_SIZE 16
#define IDS_MAX 100000
#define UIDS_MAX 10000000

/*
 * Each method is a function `METHOD(call, account, request, reply, err)` and a handler that the
 * macro HANDLER makes around it: token, account, function, answer.
 */

static struct str bytes_of(ProtobufCBinaryData data)
{
    return str_make(data.data, data.len);
}

static bool open_session(struct rpc_call *call, ProtobufCBinaryData token,
                         struct account **ret_account, struct err *err)
{
    struct token_session session;
    TRY(token_check(call->user, bytes_of(token), TOKEN_MAILBOXES, &session, err));
    return account_open(call->user, session.account_id, ret_account, err);
}

#define HANDLER(method, request_type, reply_type, reply_init)                                      \
    static void handle_##method(Mailrail__Mailboxes_Service *service, const request_type *request, \
                                reply_type##_Closure closure, void *closure_data)                  \
    {                                                                                              \
        (void)service;                                                                             \
        struct err err;                                                                            \
        struct account *account = NULL;                                                            \
        reply_type reply = reply_init;                                                             \
        bool ok = open_session(closure_data, request->token, &account, &err) &&                    \
                  method(closure_data, account, request, &reply, &err);                            \
        account_release(account);                                                                  \
        if (ok)                                                                                    \
            closure(&reply, closure_data);                                                         \
        else                                                                                       \
            rpc_fail(closure_data, &err);                                                          \
    }

/* An empty key: the caller will not repeat the call. */
static bool check_key(ProtobufCBinaryData key, struct err *err)
{
    return key.len == 0 || key.len == KEY_SIZE ||
           err_set(err, ERR_SYNTAX, "the key has %zu bytes", key.len);
}

static bool check_uids(uint32_t *items, size_t len, struct uids *ret, struct err *err)
{
    if (len > UIDS_MAX)
        return err_set(err, ERR_LIMIT, "%zu UIDs in one call", len);
    if (!uids_are_ascending(items, len))
        return err_set(err, ERR_SYNTAX, "the UIDs do not ascend");
    *ret = (struct uids){items, len};
    return true;
}

static bool no_room(struct err *err)
{
    return err_set(err, ERR_LIMIT, "no room for the reply");
}

/* What the caller's view of a mailbox lacks; nothing when it has no view (`since_modseq` 0). */
static bool add_changes(struct rpc_call *call, struct account *account, uint64_t mailbox_id,
                        uint64_t since_modseq, Mailrail__Changes **ret, struct err *err)
{
    struct changes changes;
    struct changes_request request = {.mailbox_id = mailbox_id, .since_modseq = since_modseq};
    if (mailbox_id == 0 || since_modseq == 0)
        return true;
    TRY(changes_read(account, &request, call->arena, &changes, err));
    *ret = arena_new(call->arena, Mailrail__Changes);
    if (!*ret)
        return no_room(err);
    mailrail__changes__init(*ret);
    return reply_changes(&changes, call->arena, *ret, err);
}

/* ---- Reading */

static bool read_subscriptions(struct db *db, struct arena *arena, Mailrail__ListReply *reply,
                               struct err *err)
{
    ARRAY_OF(char *) names = {0};
    struct db_query q = db_query(db, SUBSCRIPTION_LIST);
    while (db_step(&q))
        array_push(&names, arena_cstr(arena, db_column_str(&q, 0)));
    bool ok = db_done(&q, err);
    reply->subscriptions = arena_new_array(arena, names.len, char *);
    reply->n_subscriptions = names.len;
    for (size_t i = 0; reply->subscriptions && i < names.len; i++)
        reply->subscriptions[i] = names.items[i];
    array_release(&names);
    return ok && (!arena->exhausted || no_room(err));
}

static bool read_modseq(struct db *db, uint64_t *ret, struct err *err)
{
    struct db_query q = db_query(db, ACCOUNT_READ);
    *ret = db_step(&q) ? db_column_u64(&q, 0) : 0;
    return db_done(&q, err);
}

static bool list_snapshot(struct db *db, struct arena *arena, Mailrail__ListReply *reply,
                          struct err *err)
{
    struct mailbox_list list;
    TRY(read_modseq(db, &reply->modseq, err) && read_subscriptions(db, arena, reply, err));
    TRY(mailbox_list(db, arena, &list, err));
    reply->mailboxes = arena_new_array(arena, list.mailboxes.len, Mailrail__MailboxInfo *);
    for (size_t i = 0; reply->mailboxes && i < list.mailboxes.len; i++) {
        const struct mailbox *m = &list.mailboxes.items[i];
        reply->mailboxes[reply->n_mailboxes++] = reply_mailbox(m, arena);
        if (m->modseq > reply->modseq)
            reply->modseq = m->modseq;
    }
    mailbox_list_release(&list);
    return !arena->exhausted || no_room(err);
}

static bool list(struct rpc_call *call, struct account *account,
                 const Mailrail__ListRequest *request, Mailrail__ListReply *reply, struct err *err)
{
    (void)request;
    struct db *db;
    TRY(account_read_begin(account, &db, err));
    bool ok = list_snapshot(db, call->arena, reply, err);
    account_read_end(account, db);
    return ok;
}
HANDLER(list, Mailrail__ListRequest, Mailrail__ListReply, MAILRAIL__LIST_REPLY__INIT)

static bool pull(struct rpc_call *call, struct account *account,
                 const Mailrail__PullRequest *request, Mailrail__Changes *reply, struct err *err)
{
    struct changes changes;
    struct changes_request r = {.mailbox_id = request->mailbox_id,
                                .since_modseq = request->since_modseq,
                                .from_uid = request->from_uid,
                                .limit = request->limit};
    if (r.mailbox_id == 0)
        TRY(mailbox_name_check(str_from_cstr(request->name), call->arena, &r.name, err));
    return changes_read(account, &r, call->arena, &changes, err) &&
           reply_changes(&changes, call->arena, reply, err);
}
HANDLER(pull, Mailrail__PullRequest, Mailrail__Changes, MAILRAIL__CHANGES__INIT)

static bool read_message(struct db *db, uint64_t id, const Mailrail__MessagesRequest *request,
                         struct arena *arena, Mailrail__MessagesReply *reply, struct err *err)
{
    struct db_query q = db_query(db, MESSAGE_CONTENT);
    db_bind_u64(&q, id);
    if (db_step(&q)) {
        Mailrail__MessageRow *row = arena_new(arena, Mailrail__MessageRow);
        struct str prefix = request->prefix ? db_column_copy(&q, 0, arena) : STR_NULL;
        struct str structure = request->structure ? db_column_copy(&q, 1, arena) : STR_NULL;
        if (row) {
            mailrail__message_row__init(row);
            row->id = id;
            row->prefix = (ProtobufCBinaryData){prefix.len, (uint8_t *)(uintptr_t)prefix.ptr};
            row->structure =
                (ProtobufCBinaryData){structure.len, (uint8_t *)(uintptr_t)structure.ptr};
            if (request->structure)
                row->preview = arena_cstr(arena, db_column_str(&q, 2));
            reply->rows[reply->n_rows++] = row;
        }
    }
    return db_done(&q, err) && (!arena->exhausted || no_room(err));
}

/* By id alone: a message that moved, or was expunged a while ago, is still read by sessions that
 * show it. */
static bool messages(struct rpc_call *call, struct account *account,
                     const Mailrail__MessagesRequest *request, Mailrail__MessagesReply *reply,
                     struct err *err)
{
    struct db *db;
    if (request->n_id > IDS_MAX)
        return err_set(err, ERR_LIMIT, "%zu messages in one call", request->n_id);
    reply->rows = arena_new_array(call->arena, request->n_id, Mailrail__MessageRow *);
    if (!reply->rows)
        return no_room(err);
    TRY(account_read_begin(account, &db, err));
    bool ok = true;
    for (size_t i = 0; ok && i < request->n_id; i++)
        ok = read_message(db, request->id[i], request, call->arena, reply, err);
    account_read_end(account, db);
    return ok;
}
HANDLER(messages, Mailrail__MessagesRequest, Mailrail__MessagesReply,
        MAILRAIL__MESSAGES_REPLY__INIT)

/* ---- Mailboxes */

static bool reply_mailbox_op(const struct mailbox_op *op, struct arena *arena,
                             Mailrail__MailboxReply *reply, struct err *err)
{
    reply->modseq = op->modseq;
    reply->created = reply_names(op->created.items, op->created.len, arena);
    reply->n_created = op->created.len;
    return reply->created || no_room(err);
}

static bool create(struct rpc_call *call, struct account *account,
                   const Mailrail__CreateRequest *request, Mailrail__MailboxReply *reply,
                   struct err *err)
{
    struct mailbox_op op = {.name = str_from_cstr(request->name),
                            .special_use = str_from_cstr(request->special_use)};
    return check_key(request->key, err) &&
           mailbox_create(account, bytes_of(request->key), &op, call->arena, err) &&
           reply_mailbox_op(&op, call->arena, reply, err);
}
HANDLER(create, Mailrail__CreateRequest, Mailrail__MailboxReply, MAILRAIL__MAILBOX_REPLY__INIT)

static bool delete (struct rpc_call *call, struct account *account,
                    const Mailrail__DeleteRequest *request, Mailrail__MailboxReply *reply,
                    struct err *err)
{
    struct mailbox_op op = {.name = str_from_cstr(request->name)};
    return check_key(request->key, err) &&
           mailbox_delete(account, bytes_of(request->key), &op, call->arena, err) &&
           reply_mailbox_op(&op, call->arena, reply, err);
}
HANDLER(delete, Mailrail__DeleteRequest, Mailrail__MailboxReply, MAILRAIL__MAILBOX_REPLY__INIT)

static bool rename_(struct rpc_call *call, struct account *account,
                    const Mailrail__RenameRequest *request, Mailrail__MailboxReply *reply,
                    struct err *err)
{
    struct mailbox_op op = {.name = str_from_cstr(request->from), .to = str_from_cstr(request->to)};
    return check_key(request->key, err) &&
           mailbox_rename(account, bytes_of(request->key), &op, call->arena, err) &&
           reply_mailbox_op(&op, call->arena, reply, err);
}
HANDLER(rename_, Mailrail__RenameRequest, Mailrail__MailboxReply, MAILRAIL__MAILBOX_REPLY__INIT)

static bool subscribe(struct rpc_call *call, struct account *account,
                      const Mailrail__SubscribeRequest *request, Mailrail__MailboxReply *reply,
                      struct err *err)
{
    struct mailbox_op op = {.name = str_from_cstr(request->name), .subscribe = request->subscribe};
    return mailbox_subscribe(account, &op, call->arena, err) &&
           reply_mailbox_op(&op, call->arena, reply, err);
}
HANDLER(subscribe, Mailrail__SubscribeRequest, Mailrail__MailboxReply,
        MAILRAIL__MAILBOX_REPLY__INIT)

/* ---- Messages */

static bool check_append(struct rpc_call *call, struct account *account,
                         const Mailrail__CheckAppendRequest *request,
                         Mailrail__CheckAppendReply *reply, struct err *err)
{
    struct db *db;
    struct mailbox m;
    struct str name;
    uint64_t quota, used;
    TRY(mailbox_name_check(str_from_cstr(request->name), call->arena, &name, err));
    TRY(directory_account_quota(call->user, account_id(account), &quota, err));
    TRY(account_used_bytes(account, &used, err));
    TRY(account_read_begin(account, &db, err));
    bool ok = mailbox_by_name(db, name, call->arena, &m, err);
    account_read_end(account, db);
    if (!ok)
        return false;
    reply->mailbox_id = m.id;
    reply->room = used < quota ? quota - used : 0;
    return true;
}
HANDLER(check_append, Mailrail__CheckAppendRequest, Mailrail__CheckAppendReply,
        MAILRAIL__CHECK_APPEND_REPLY__INIT)

static bool read_keywords(char *const *words, size_t count, struct arena *arena,
                          struct keywords *ret, struct err *err)
{
    if (count > KEYWORDS_PER_MESSAGE_MAX)
        return err_set(err, ERR_LIMIT, "%zu keywords", count);
    struct str copies[KEYWORDS_PER_MESSAGE_MAX];
    for (size_t i = 0; i < count; i++)
        copies[i] = str_from_cstr(words[i]);
    return keywords_check(copies, count, arena, ret, err);
}

static bool check_flags(uint32_t flags, struct err *err)
{
    return (flags & ~(uint32_t)FLAGS_ALL) == 0 ||
           err_set(err, ERR_SYNTAX, "unknown flag bits %x", flags);
}

static bool read_item(struct rpc_call *call, const Mailrail__AppendItem *from,
                      struct append_item *item, struct err *err)
{
    int zone = from->received_zone_minutes;
    item->spool_name = str_from_cstr(from->spool_name);
    if (!layout_spool_name_is_valid(item->spool_name))
        return err_set(err, ERR_SYNTAX, "bad spool file name");
    if (from->file_size == 0 || from->file_size > MESSAGE_SIZE_MAX)
        return err_set(err, ERR_SYNTAX, "a message of %llu bytes",
                       (unsigned long long)from->file_size);
    if (zone <= -ENTRY_ZONE_UTC || zone >= ENTRY_ZONE_UTC)
        return err_set(err, ERR_SYNTAX, "a time zone of %d minutes", zone);
    item->message = (struct new_message){
        .file_size = from->file_size,
        .structure_bytes = bytes_of(from->structure),
        .flags = from->flags,
        .received_s = from->received_s != 0 ? from->received_s : clock_wall_s(),
        .zone = (uint32_t)(zone + ENTRY_ZONE_UTC),
    };
    return check_flags(from->flags, err) && message_decode(&item->message, call->arena, err) &&
           read_keywords(from->keywords, from->n_keywords, call->arena, &item->message.keywords,
                         err);
}

static bool read_items(struct rpc_call *call, const Mailrail__AppendRequest *request,
                       struct append *op, struct err *err)
{
    if (request->n_items > APPEND_ITEMS_MAX)
        return err_set(err, ERR_LIMIT, "%zu messages in one call", request->n_items);
    op->count = request->n_items;
    op->items = arena_new_array(call->arena, op->count, struct append_item);
    if (!op->items)
        return no_room(err);
    for (size_t i = 0; i < op->count; i++)
        TRY(read_item(call, request->items[i], &op->items[i], err));
    return true;
}

static bool append_(struct rpc_call *call, struct account *account,
                    const Mailrail__AppendRequest *request, Mailrail__AppendReply *reply,
                    struct err *err)
{
    struct append op = {.mailbox = str_from_cstr(request->name),
                        .view_mailbox_id = request->view_mailbox_id,
                        .replace_uid = request->replace_uid};
    TRY(check_key(request->key, err) && read_items(call, request, &op, err));
    TRY(directory_account_quota(call->user, account_id(account), &op.quota_bytes, err));
    TRY(append(account, bytes_of(request->key), &op, call->arena, err));
    reply->uidvalidity = op.uidvalidity;
    reply->n_uid = op.uids.len;
    reply->uid = op.uids.items;
    reply->modseq = op.modseq;
    return add_changes(call, account, op.view_mailbox_id, request->since_modseq, &reply->changes,
                       err);
}
HANDLER(append_, Mailrail__AppendRequest, Mailrail__AppendReply, MAILRAIL__APPEND_REPLY__INIT)

static bool store_flags_(struct rpc_call *call, struct account *account,
                         const Mailrail__StoreFlagsRequest *request,
                         Mailrail__StoreFlagsReply *reply, struct err *err)
{
    struct store_flags op = {.mailbox_id = request->mailbox_id,
                             .mode = (enum store_mode)request->mode,
                             .flags = request->flags,
                             .has_unchanged_since = request->has_unchanged_since,
                             .unchanged_since = request->unchanged_since};
    if ((int)request->mode < 0 || (int)request->mode > STORE_REMOVE)
        return err_set(err, ERR_SYNTAX, "unknown mode %d", (int)request->mode);
    TRY(check_key(request->key, err) && check_flags(request->flags, err));
    TRY(check_uids(request->uid, request->n_uid, &op.uids, err));
    TRY(read_keywords(request->keywords, request->n_keywords, call->arena, &op.keywords, err));
    TRY(store_flags(account, bytes_of(request->key), &op, call->arena, err));
    reply->modseq = op.modseq;
    reply->n_modified_uid = op.modified.len;
    reply->modified_uid = op.modified.items;
    return add_changes(call, account, op.mailbox_id, request->since_modseq, &reply->changes, err);
}
HANDLER(store_flags_, Mailrail__StoreFlagsRequest, Mailrail__StoreFlagsReply,
        MAILRAIL__STORE_FLAGS_REPLY__INIT)

static bool transfer(struct rpc_call *call, struct account *account,
                     const Mailrail__CopyRequest *request, bool move, Mailrail__CopyReply *reply,
                     struct err *err)
{
    struct copy op = {
        .mailbox_id = request->mailbox_id, .to = str_from_cstr(request->to), .move = move};
    TRY(check_key(request->key, err));
    TRY(check_uids(request->uid, request->n_uid, &op.uids, err));
    TRY(directory_account_quota(call->user, account_id(account), &op.quota_bytes, err));
    TRY(copy_messages(account, bytes_of(request->key), &op, call->arena, err));
    reply->uidvalidity = op.uidvalidity;
    reply->n_source_uid = op.source.len;
    reply->source_uid = op.source.items;
    reply->n_uid = op.copied.len;
    reply->uid = op.copied.items;
    reply->modseq = op.modseq;
    return add_changes(call, account, op.mailbox_id, request->since_modseq, &reply->changes, err);
}

static bool copy(struct rpc_call *call, struct account *account,
                 const Mailrail__CopyRequest *request, Mailrail__CopyReply *reply, struct err *err)
{
    return transfer(call, account, request, false, reply, err);
}
HANDLER(copy, Mailrail__CopyRequest, Mailrail__CopyReply, MAILRAIL__COPY_REPLY__INIT)

static bool move(struct rpc_call *call, struct account *account,
                 const Mailrail__CopyRequest *request, Mailrail__CopyReply *reply, struct err *err)
{
    return transfer(call, account, request, true, reply, err);
}
HANDLER(move, Mailrail__CopyRequest, Mailrail__CopyReply, MAILRAIL__COPY_REPLY__INIT)

static bool expunge_(struct rpc_call *call, struct account *account,
                     const Mailrail__ExpungeRequest *request, Mailrail__ExpungeReply *reply,
                     struct err *err)
{
    struct expunge op = {
        .mailbox_id = request->mailbox_id, .only = request->only, .below_uid = request->below_uid};
    TRY(check_key(request->key, err));
    TRY(check_uids(request->uid, request->n_uid, &op.uids, err));
    TRY(expunge(account, bytes_of(request->key), &op, call->arena, err));
    reply->n_uid = op.expunged.len;
    reply->uid = op.expunged.items;
    reply->modseq = op.modseq;
    return add_changes(call, account, op.mailbox_id, request->since_modseq, &reply->changes, err);
}
HANDLER(expunge_, Mailrail__ExpungeRequest, Mailrail__ExpungeReply, MAILRAIL__EXPUNGE_REPLY__INIT)

bool mailboxes_door_open(struct store *store, struct service *service, struct err *err)
{
    static Mailrail__Mailboxes_Service handlers = {
        .base = MAILRAIL__MAILBOXES__BASE_INIT,
        .list = handle_list,
        .pull = handle_pull,
        .messages = handle_messages,
        .create = handle_create,
        .delete = handle_delete,
        .rename = handle_rename_,
        .subscribe = handle_subscribe,
        .check_append = handle_check_append,
        .append = handle_append_,
        .store_flags = handle_store_flags_,
        .copy = handle_copy,
        .move = handle_move,
        .expunge = handle_expunge_,
    };
    return store_open_door(store, service, "mailboxes", &handlers.base,
                           (unsigned)store->config->mailboxes_workers, err);
}
