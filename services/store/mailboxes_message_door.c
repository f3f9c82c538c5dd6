#include "common/base/clock.h"
#include "services/store/append.h"
#include "services/store/copy.h"
#include "services/store/copy_across.h"
#include "services/store/directory.h"
#include "services/store/expunge.h"
#include "services/store/mailbox_name.h"
#include "services/store/mailboxes_handlers.h"
#include "services/store/mailboxes_reply.h"
#include "services/store/store_flags.h"

/* The methods of door `mailboxes` that change messages. */

static bool check_append(struct rpc_call *call, const struct access *access,
                         const Mailrail__CheckAppendRequest *request,
                         Mailrail__CheckAppendReply *reply, struct err *err)
{
    struct db *db;
    struct mailbox m;
    struct str name;
    uint64_t quota, used;
    struct granted granted;
    TRY(access_name(access, str_from_cstr(request->name), call->arena, &name, err));
    TRY(door_need_named(call, access, request->name, RIGHT_INSERT, &granted, err));
    TRY(directory_account_quota(call->user, account_id(access->account), &quota, err));
    TRY(account_used_bytes(access->account, &used, err));
    TRY(account_read_begin(access->account, &db, err));
    bool ok = mailbox_by_name(db, name, call->arena, &m, err);
    account_read_end(access->account, db);
    if (!ok)
        return false;
    reply->mailbox_id = m.id;
    reply->room = used < quota ? quota - used : 0;
    if (!access->is_own) /* how much there is, is the owner's to know */
        reply->room = reply->room >= request->size ? UINT64_MAX : 0;
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
                      struct new_message *message, struct err *err)
{
    static const char *const receivers[] = {"imap", NULL};
    int zone = from->received_zone_minutes;
    if (from->file_size == 0)
        return err_set(err, ERR_SYNTAX, "a message of no bytes");
    if (zone <= -ENTRY_ZONE_UTC || zone >= ENTRY_ZONE_UTC)
        return err_set(err, ERR_SYNTAX, "a time zone of %d minutes", zone);
    *message = (struct new_message){
        .text = {.spool_name = str_from_cstr(from->spool_name),
                 .content = bytes_of(from->content),
                 .size = from->file_size},
        .structure_bytes = bytes_of(from->structure),
        .flags = from->flags,
        .received_s = from->received_s != 0 ? from->received_s : clock_wall_s(),
        .zone = (uint32_t)(zone + ENTRY_ZONE_UTC),
    };
    TRY(message_text_check(&message->text, receivers, err));
    return check_flags(from->flags, err) && message_decode(message, call->arena, err) &&
           read_keywords(from->keywords, from->n_keywords, call->arena, &message->keywords, err);
}

static bool read_items(struct rpc_call *call, const Mailrail__AppendRequest *request,
                       struct append *op, struct err *err)
{
    if (request->n_items > APPEND_ITEMS_MAX)
        return err_set(err, ERR_LIMIT, "%zu messages in one call", request->n_items);
    op->count = request->n_items;
    op->messages = arena_new_array(call->arena, op->count, struct new_message);
    if (!op->messages)
        return reply_no_room(err);
    for (size_t i = 0; i < op->count; i++)
        TRY(read_item(call, request->items[i], &op->messages[i], err));
    return true;
}

/* RFC 4314 4: flags that the caller may not set are left out. Nor is he told, by \Seen, that a
 * conversation which he may not see is muted. */
static void limit_to_rights(struct new_message *m, const struct access *access, uint32_t rights)
{
    m->is_by_other = m->stays_unseen = !access->is_own;
    m->flags &= access_flags(rights);
    if (!(rights & RIGHT_WRITE))
        m->keywords.len = 0;
}

/* RFC 8508 3.5: replacing is storing \Deleted and expunging too. Who may not read the view any more
 * appends without being told of it. */
static bool check_view(struct rpc_call *call, const struct access *access, struct append *op,
                       struct err *err)
{
    uint32_t right = RIGHT_READ;
    if (op->view_mailbox_id == 0)
        return true;
    if (op->replace_uid != 0)
        right |= RIGHT_DELETE_MESSAGES | RIGHT_EXPUNGE;
    if (door_need(call, access, op->view_mailbox_id, right, err))
        return true;
    op->view_mailbox_id = 0;
    return op->replace_uid == 0 && (err->kind == ERR_FORBIDDEN || err->kind == ERR_NOT_FOUND);
}

/* Of all limits this is the one that deleting mail helps with: IMAP has a code for it. */
static bool tell_quota(bool ok, struct err *err)
{
    if (!ok && err->kind == ERR_LIMIT && str_eq(str_from_cstr(err->reply), STR(REPLY_OVER_QUOTA)))
        err_reply(err, "[OVERQUOTA] " REPLY_OVER_QUOTA);
    return ok;
}

static bool append_(struct rpc_call *call, const struct access *access,
                    const Mailrail__AppendRequest *request, Mailrail__AppendReply *reply,
                    struct err *err)
{
    struct append op = {.mailbox = str_from_cstr(request->name),
                        .view_mailbox_id = request->view_mailbox_id,
                        .replace_uid = request->replace_uid};
    struct granted granted;
    TRY(door_need_named(call, access, request->name, RIGHT_INSERT, &granted, err));
    op.checked_id = granted.mailbox_id;
    TRY(check_view(call, access, &op, err));
    TRY(door_check_key(request->key, err) && read_items(call, request, &op, err));
    for (size_t i = 0; i < op.count; i++)
        limit_to_rights(&op.messages[i], access, granted.rights);
    TRY(directory_account_quota(call->user, account_id(access->account), &op.quota_bytes, err));
    TRY(tell_quota(append(access->account, bytes_of(request->key), &op, call->arena, err), err));
    reply->uidvalidity = op.uidvalidity;
    reply->n_uid = op.uids.len;
    reply->uid = op.uids.items;
    reply->modseq = op.modseq;
    return door_add_changes(call, access->account, op.view_mailbox_id, request->since_modseq,
                            &reply->changes, err);
}
HANDLER(append_, Mailrail__AppendRequest, Mailrail__AppendReply, MAILRAIL__APPEND_REPLY__INIT)

/* RFC 4314 4: what the caller may not change stays; who may change nothing of it is refused. */
static bool may_store(struct rpc_call *call, const struct access *access, struct store_flags *op,
                      struct err *err)
{
    struct granted granted;
    struct access_place place = {.mailbox_id = op->mailbox_id};
    TRY(access_need(access, place, RIGHT_READ, call->arena, &granted, err));
    uint32_t named = op->flags, allowed = access_flags(granted.rights);
    bool words = op->keywords.len > 0, may_words = (granted.rights & RIGHT_WRITE) != 0;
    bool some =
        op->mode == STORE_REPLACE ? allowed != 0 : (named & allowed) != 0 || (words && may_words);
    if (!some && (named != 0 || words || op->mode == STORE_REPLACE))
        return access_need(access, place, RIGHT_SEEN | RIGHT_WRITE | RIGHT_DELETE_MESSAGES,
                           call->arena, &granted, err);
    op->is_by_other = !access->is_own;
    op->flags &= allowed;
    op->kept_flags = (uint32_t)FLAGS_ALL & ~allowed;
    op->keeps_keywords = !may_words;
    if (!may_words)
        op->keywords.len = 0;
    return true;
}

static bool reply_derived(struct rpc_call *call, const struct store_flags *op,
                          Mailrail__StoreFlagsReply *reply, struct err *err)
{
    struct changes changes = {.mailbox = op->mailbox};
    reply->derived = true;
    reply->added = op->added;
    reply->removed = op->removed;
    return door_reply_changes(call, &changes, &reply->changes, err);
}

static bool store_flags_(struct rpc_call *call, const struct access *access,
                         const Mailrail__StoreFlagsRequest *request,
                         Mailrail__StoreFlagsReply *reply, struct err *err)
{
    struct store_flags op = {.mailbox_id = request->mailbox_id,
                             .mode = (enum store_mode)request->mode,
                             .flags = request->flags,
                             .has_unchanged_since = request->has_unchanged_since,
                             .unchanged_since = request->unchanged_since,
                             .since_modseq = request->since_modseq};
    if ((int)request->mode < 0 || (int)request->mode > STORE_REMOVE)
        return err_set(err, ERR_SYNTAX, "unknown mode %d", (int)request->mode);
    TRY(door_check_key(request->key, err) && check_flags(request->flags, err));
    TRY(door_check_uids(request->uid, request->n_uid, &op.uids, err));
    TRY(read_keywords(request->keywords, request->n_keywords, call->arena, &op.keywords, err));
    TRY(may_store(call, access, &op, err));
    TRY(store_flags(access->account, bytes_of(request->key), &op, call->arena, err));
    reply->modseq = op.modseq;
    reply->n_modified_uid = op.modified.len;
    reply->modified_uid = op.modified.items;
    if (request->derives && op.is_derived)
        return reply_derived(call, &op, reply, err);
    return door_add_changes(call, access->account, op.mailbox_id, request->since_modseq,
                            &reply->changes, err);
}
HANDLER(store_flags_, Mailrail__StoreFlagsRequest, Mailrail__StoreFlagsReply,
        MAILRAIL__STORE_FLAGS_REPLY__INIT)

/* RFC 6851 4.1: a move is a copy, storing \Deleted, and an expunge. */
#define TO_MOVE (RIGHT_READ | RIGHT_DELETE_MESSAGES | RIGHT_EXPUNGE)

/* The destination is in an account of its own, perhaps. */
static bool copy_to(struct rpc_call *call, const struct access *access,
                    const Mailrail__CopyRequest *request, struct copy *op, struct err *err)
{
    struct access to;
    struct granted granted;
    bool ok = access_open(call->user, bytes_of(request->token), request->to_owner, &to, err) &&
              door_need_named(call, &to, request->to, RIGHT_INSERT, &granted, err) &&
              directory_account_quota(call->user, account_id(to.account), &op->quota_bytes, err);
    if (ok) {
        op->dropped_flags = (uint32_t)FLAGS_ALL & ~access_flags(granted.rights);
        op->drops_keywords = !(granted.rights & RIGHT_WRITE);
        op->checked_to_id = granted.mailbox_id;
        op->is_by_other = !to.is_own;
        ok = to.account == access->account
                 ? copy_messages(to.account, bytes_of(request->key), op, call->arena, err)
                 : copy_across(access->account, to.account, bytes_of(request->key), op, call->arena,
                               err);
    }
    access_close(&to);
    return tell_quota(ok, err);
}

static bool transfer(struct rpc_call *call, const struct access *access,
                     const Mailrail__CopyRequest *request, bool move, Mailrail__CopyReply *reply,
                     struct err *err)
{
    struct copy op = {
        .mailbox_id = request->mailbox_id, .to = str_from_cstr(request->to), .move = move};
    TRY(door_check_key(request->key, err));
    TRY(door_check_uids(request->uid, request->n_uid, &op.uids, err));
    TRY(door_need(call, access, request->mailbox_id, move ? TO_MOVE : RIGHT_READ, err));
    TRY(copy_to(call, access, request, &op, err));
    reply->uidvalidity = op.uidvalidity;
    reply->n_source_uid = op.source.len;
    reply->source_uid = op.source.items;
    reply->n_uid = op.copied.len;
    reply->uid = op.copied.items;
    reply->modseq = op.modseq;
    return door_add_changes(call, access->account, op.mailbox_id, request->since_modseq,
                            &reply->changes, err);
}

static bool copy(struct rpc_call *call, const struct access *access,
                 const Mailrail__CopyRequest *request, Mailrail__CopyReply *reply, struct err *err)
{
    return transfer(call, access, request, false, reply, err);
}
HANDLER(copy, Mailrail__CopyRequest, Mailrail__CopyReply, MAILRAIL__COPY_REPLY__INIT)

static bool move(struct rpc_call *call, const struct access *access,
                 const Mailrail__CopyRequest *request, Mailrail__CopyReply *reply, struct err *err)
{
    return transfer(call, access, request, true, reply, err);
}
HANDLER(move, Mailrail__CopyRequest, Mailrail__CopyReply, MAILRAIL__COPY_REPLY__INIT)

static bool expunge_(struct rpc_call *call, const struct access *access,
                     const Mailrail__ExpungeRequest *request, Mailrail__ExpungeReply *reply,
                     struct err *err)
{
    struct expunge op = {
        .mailbox_id = request->mailbox_id, .only = request->only, .below_uid = request->below_uid};
    uint32_t right = RIGHT_EXPUNGE;
    TRY(door_check_key(request->key, err));
    TRY(door_check_uids(request->uid, request->n_uid, &op.uids, err));
    if (request->since_modseq != 0) /* the changes tell of messages */
        right |= RIGHT_READ;
    TRY(door_need(call, access, request->mailbox_id, right, err));
    TRY(expunge(access->account, bytes_of(request->key), &op, call->arena, err));
    reply->n_uid = op.expunged.len;
    reply->uid = op.expunged.items;
    reply->modseq = op.modseq;
    return door_add_changes(call, access->account, op.mailbox_id, request->since_modseq,
                            &reply->changes, err);
}
HANDLER(expunge_, Mailrail__ExpungeRequest, Mailrail__ExpungeReply, MAILRAIL__EXPUNGE_REPLY__INIT)
