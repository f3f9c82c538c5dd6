#include "services/store/mailboxes_door.h"

#include "common/bus/call_key.h"
#include "common/mail/structure.h"
#include "services/store/copy.h"
#include "services/store/directory.h"
#include "services/store/mailbox_name.h"
#include "services/store/mailboxes_handlers.h"
#include "services/store/mailboxes_reply.h"
#include "services/store/shared_mailboxes.h"
#include "services/store/sort_keys.h"
#include "services/store/text_search.h"

/*
 * What only reads, what the files of the door share, and the door itself. Changes are in
 * mailboxes_change_door.c and mailboxes_message_door.c.
 */

#define UIDS_MAX 10000000

/* ---- Shared */

bool door_check_key(ProtobufCBinaryData key, struct err *err)
{
    return key.len == 0 || key.len == CALL_KEY_SIZE ||
           err_set(err, ERR_SYNTAX, "the key has %zu bytes", key.len);
}

bool door_check_uids(uint32_t *items, size_t len, struct uids *ret, struct err *err)
{
    if (len > UIDS_MAX)
        return err_set(err, ERR_LIMIT, "%zu UIDs in one call", len);
    if (!uids_are_ascending(items, len))
        return err_set(err, ERR_SYNTAX, "the UIDs do not ascend");
    *ret = (struct uids){items, len};
    return true;
}

bool door_need(struct rpc_call *call, const struct access *access, uint64_t mailbox_id,
               uint32_t right, struct err *err)
{
    struct granted granted;
    struct access_place place = {.mailbox_id = mailbox_id};
    return access->is_own || access_need(access, place, right, call->arena, &granted, err);
}

bool door_need_named(struct rpc_call *call, const struct access *access, const char *name,
                     uint32_t right, struct granted *ret, struct err *err)
{
    struct access_place place = {.name = str_from_cstr(name)};
    return access_need(access, place, right, call->arena, ret, err);
}

bool door_reply_changes(struct rpc_call *call, const struct changes *changes,
                        Mailrail__Changes **ret, struct err *err)
{
    *ret = arena_new(call->arena, Mailrail__Changes);
    if (!*ret)
        return reply_no_room(err);
    mailrail__changes__init(*ret);
    return reply_changes(changes, call->arena, *ret, err);
}

bool door_add_changes(struct rpc_call *call, struct account *account, uint64_t mailbox_id,
                      uint64_t since_modseq, Mailrail__Changes **ret, struct err *err)
{
    struct changes changes;
    struct changes_request request = {.mailbox_id = mailbox_id, .since_modseq = since_modseq};
    if (mailbox_id == 0 || since_modseq == 0)
        return true;
    TRY(changes_read(account, &request, call->arena, &changes, err));
    return door_reply_changes(call, &changes, ret, err);
}

/* ---- Reading */

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
    TRY(read_modseq(db, &reply->modseq, err) &&
        reply_subscriptions(db, arena, &reply->subscriptions, &reply->n_subscriptions, err));
    TRY(mailbox_list(db, arena, &list, err));
    for (size_t i = 0; i < list.mailboxes.len; i++)
        if (list.mailboxes.items[i].modseq > reply->modseq)
            reply->modseq = list.mailboxes.items[i].modseq;
    bool ok = reply_mailboxes(&list, arena, reply, err);
    mailbox_list_release(&list);
    return ok;
}

static bool list(struct rpc_call *call, const struct access *access,
                 const Mailrail__ListRequest *request, Mailrail__ListReply *reply, struct err *err)
{
    struct db *db;
    TRY(account_read_begin(access->account, &db, err));
    bool ok = list_snapshot(db, call->arena, reply, err);
    account_read_end(access->account, db);
    return ok && (!request->others || shared_list(access, call->arena, reply, err));
}
OWN_HANDLER(list, Mailrail__ListRequest, Mailrail__ListReply, MAILRAIL__LIST_REPLY__INIT)

static bool pull(struct rpc_call *call, const struct access *access,
                 const Mailrail__PullRequest *request, Mailrail__Changes *reply, struct err *err)
{
    struct changes changes;
    struct granted granted;
    struct changes_request r = {.mailbox_id = request->mailbox_id,
                                .since_modseq = request->since_modseq,
                                .from_uid = request->from_uid,
                                .limit = request->limit,
                                .expunged_only = request->expunged_only,
                                .as_of_modseq = request->as_of_modseq};
    if (r.mailbox_id == 0)
        TRY(access_name(access, str_from_cstr(request->name), call->arena, &r.name, err));
    /* Of others one that is gone answers as one that is hidden. */
    struct access_place place = {r.mailbox_id, r.name};
    TRY(access_need(access, place, RIGHT_READ, call->arena, &granted, err));
    if (granted.mailbox_id != 0)
        r.mailbox_id = granted.mailbox_id;
    TRY(changes_read(access->account, &r, call->arena, &changes, err));
    return reply_changes(&changes, call->arena, reply, err);
}
HANDLER(pull, Mailrail__PullRequest, Mailrail__Changes, MAILRAIL__CHANGES__INIT)

static uint32_t wanted_fields(const Mailrail__MessagesRequest *request)
{
    return request->structure_fields != 0 ? request->structure_fields : STRUCTURE_ALL;
}

/* Threads are of the whole account: of another's they would tell of other mailboxes. */
static bool read_message(struct db *db, uint64_t id, const Mailrail__MessagesRequest *request,
                         bool is_own, struct arena *arena, Mailrail__MessagesReply *reply,
                         struct err *err)
{
    struct db_query q = db_query(db, MESSAGE_CONTENT);
    db_bind_u64(&q, id);
    if (db_step(&q)) {
        Mailrail__MessageRow *row = arena_new(arena, Mailrail__MessageRow);
        struct str prefix = request->prefix ? db_column_copy(&q, 0, arena) : STR_NULL;
        struct str structure = STR_NULL;
        if (request->structure)
            structure = structure_pick(db_column_str(&q, 1), wanted_fields(request), arena);
        if (row) {
            mailrail__message_row__init(row);
            row->id = id;
            row->email_id = db_column_u64(&q, 2);
            row->thread_id = is_own ? db_column_u64(&q, 3) : 0;
            row->prefix = data_of(prefix);
            row->structure = data_of(structure);
            reply->rows[reply->n_rows++] = row;
        }
    }
    return db_done(&q, err) && (!arena->exhausted || reply_no_room(err));
}

/* By id alone: a message that moved, or was expunged a while ago, is still read by sessions that
 * show it. Of another's, what moved away is gone. */
static bool messages(struct rpc_call *call, const struct access *access,
                     const Mailrail__MessagesRequest *request, Mailrail__MessagesReply *reply,
                     struct err *err)
{
    struct db *db;
    if (request->n_id > IDS_MAX)
        return err_set(err, ERR_LIMIT, "%zu messages in one call", request->n_id);
    reply->rows = arena_new_array(call->arena, request->n_id, Mailrail__MessageRow *);
    if (!reply->rows)
        return reply_no_room(err);
    TRY(door_need(call, access, request->mailbox_id, RIGHT_READ, err));
    TRY(account_read_begin(access->account, &db, err));
    const uint64_t *ids;
    bool ok = access_hide(access, db, request->mailbox_id, request->id, request->n_id, call->arena,
                          &ids, err);
    for (size_t i = 0; ok && i < request->n_id; i++)
        ok = read_message(db, ids[i], request, access->is_own, call->arena, reply, err);
    account_read_end(access->account, db);
    return ok;
}
HANDLER(messages, Mailrail__MessagesRequest, Mailrail__MessagesReply,
        MAILRAIL__MESSAGES_REPLY__INIT)

static void log_damage(const struct account *account, const struct sort_keys *keys)
{
    if (keys->damaged > 0)
        log_error(&account->store->log, "structures cannot be decoded (see reparse)",
                  LOG_U64("account", account->id), LOG_U64("message", keys->damaged_id),
                  LOG_U64("messages", keys->damaged));
}

/* By id alone, as `messages`. */
static bool sort_keys(struct rpc_call *call, const struct access *access,
                      const Mailrail__SortKeysRequest *request, Mailrail__SortKeysReply *reply,
                      struct err *err)
{
    struct db *db;
    struct sort_keys keys;
    if (request->n_id > SORT_KEYS_IDS_MAX)
        return err_set(err, ERR_LIMIT, "%zu messages in one call", request->n_id);
    TRY(door_need(call, access, request->mailbox_id, RIGHT_READ, err));
    TRY(account_read_begin(access->account, &db, err));
    const uint64_t *ids;
    bool ok = access_hide(access, db, request->mailbox_id, request->id, request->n_id, call->arena,
                          &ids, err) &&
              sort_keys_read(db, ids, request->n_id, request->keys, call->arena, &keys, err);
    account_read_end(access->account, db);
    if (!ok)
        return false;
    log_damage(access->account, &keys);
    reply_sort_keys(&keys, request->n_id, reply);
    return true;
}
HANDLER(sort_keys, Mailrail__SortKeysRequest, Mailrail__SortKeysReply,
        MAILRAIL__SORT_KEYS_REPLY__INIT)

static bool search_text(struct rpc_call *call, const struct access *access,
                        const Mailrail__SearchTextRequest *request,
                        Mailrail__SearchTextReply *reply, struct err *err)
{
    return text_search(access->account, request, call->arena, reply, err);
}
OWN_HANDLER(search_text, Mailrail__SearchTextRequest, Mailrail__SearchTextReply,
            MAILRAIL__SEARCH_TEXT_REPLY__INIT)

static bool read_deleted_size(struct account *account, uint64_t mailbox_id, uint64_t *ret,
                              struct err *err)
{
    struct db *db;
    TRY(account_read_begin(account, &db, err));
    struct db_query q = db_query(db, MAILBOX_DELETED_SIZE);
    db_bind_u64(&q, mailbox_id);
    *ret = db_step(&q) ? db_column_u64(&q, 0) : 0;
    bool ok = db_done(&q, err);
    account_read_end(account, db);
    return ok;
}

static bool quota(struct rpc_call *call, const struct access *access,
                  const Mailrail__QuotaRequest *request, Mailrail__QuotaReply *reply,
                  struct err *err)
{
    const struct store *store = call->user;
    uint64_t bytes_max;
    if (!access->is_own) /* what the owner has is the owner's to know */
        return door_need(call, access, request->mailbox_id, RIGHT_READ, err) &&
               read_deleted_size(access->account, request->mailbox_id, &reply->deleted_bytes, err);
    TRY(directory_account_quota(call->user, account_id(access->account), &bytes_max, err));
    TRY(account_used_bytes(access->account, &reply->bytes, err));
    reply->bytes_max = bytes_max == INT64_MAX ? 0 : bytes_max;
    reply->messages = account_used_messages(access->account);
    reply->messages_max = store->config->quota_messages;
    return request->mailbox_id == 0 ||
           read_deleted_size(access->account, request->mailbox_id, &reply->deleted_bytes, err);
}
HANDLER(quota, Mailrail__QuotaRequest, Mailrail__QuotaReply, MAILRAIL__QUOTA_REPLY__INIT)

/* ---- Conversations */

static bool thread(struct rpc_call *call, const struct access *access,
                   const Mailrail__ThreadRequest *request, Mailrail__ThreadReply *reply,
                   struct err *err)
{
    struct thread thread;
    return thread_read(access->account, request->thread_id, call->arena, &thread, err) &&
           reply_thread(&thread, call->arena, reply, err);
}
OWN_HANDLER(thread, Mailrail__ThreadRequest, Mailrail__ThreadReply, MAILRAIL__THREAD_REPLY__INIT)

/* ---- The door */

bool mailboxes_door_open(struct store *store, struct service *service, struct err *err)
{
    static Mailrail__Mailboxes_Service handlers = {
        .base = MAILRAIL__MAILBOXES__BASE_INIT,
        .list = mailboxes_handle_list,
        .pull = mailboxes_handle_pull,
        .messages = mailboxes_handle_messages,
        .sort_keys = mailboxes_handle_sort_keys,
        .thread = mailboxes_handle_thread,
        .mark_thread = mailboxes_handle_mark_thread,
        .search_text = mailboxes_handle_search_text,
        .create = mailboxes_handle_create,
        .delete = mailboxes_handle_delete,
        .rename = mailboxes_handle_rename_,
        .subscribe = mailboxes_handle_subscribe,
        .check_append = mailboxes_handle_check_append,
        .annotations = mailboxes_handle_annotations,
        .annotate = mailboxes_handle_annotate_,
        .quota = mailboxes_handle_quota,
        .find_owner = mailboxes_handle_find_owner,
        .get_rights = mailboxes_handle_get_rights,
        .set_rights = mailboxes_handle_set_rights,
        .append = mailboxes_handle_append_,
        .store_flags = mailboxes_handle_store_flags_,
        .copy = mailboxes_handle_copy,
        .move = mailboxes_handle_move,
        .expunge = mailboxes_handle_expunge_,
    };
    return store_open_door(store, service, "mailboxes", &handlers.base,
                           (unsigned)store->config->mailboxes_workers, err);
}
