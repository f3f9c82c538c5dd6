#include "services/store/transfer_door.h"

#include "common/base/clock.h"
#include "common/bus/data.h"
#include "common/mail/structure.h"
#include "proto/transfer.pb-c.h"
#include "services/store/directory.h"
#include "services/store/export.h"
#include "services/store/import.h"
#include "services/store/mailbox_name.h"
#include "services/store/mailbox_ops.h"
#include "services/store/mailboxes_reply.h"

#define WORKERS 4

/*
 * Each method is a function `METHOD(call, account, request, reply, err)` and a handler that the
 * macro HANDLER makes around it: account, function, answer.
 */

static bool open_account(struct rpc_call *call, const char *name, struct account **ret,
                         struct err *err)
{
    uint64_t id = 0;
    TRY(directory_account_id(call->user, str_from_cstr(name), &id, err));
    return account_open(call->user, id, ret, err);
}

static const char *account_of(const Mailrail__ImportKey *import)
{
    return import ? import->account : "";
}

static bool check_import(const Mailrail__ImportKey *import, struct err *err)
{
    return (import && import->key.len == CALL_KEY_SIZE) ||
           err_set(err, ERR_SYNTAX, "the key of an import has %d bytes", CALL_KEY_SIZE);
}

#define HANDLER(method, name, request_type, reply_type, reply_init)                                \
    static void handle_##method(Mailrail__Transfer_Service *service, const request_type *request,  \
                                reply_type##_Closure closure, void *closure_data)                  \
    {                                                                                              \
        (void)service;                                                                             \
        struct err err;                                                                            \
        struct account *account = NULL;                                                            \
        reply_type reply = reply_init;                                                             \
        bool ok = open_account(closure_data, name, &account, &err) &&                              \
                  method(closure_data, account, request, &reply, &err);                            \
        account_release(account);                                                                  \
        if (ok)                                                                                    \
            closure(&reply, closure_data);                                                         \
        else                                                                                       \
            rpc_fail(closure_data, &err);                                                          \
    }

/* ---- Import */

static void reply_state(const struct import_state *state, Mailrail__ImportState *reply)
{
    reply->messages = state->messages;
    reply->position = state->position;
    reply->bytes = state->bytes;
    reply->committed = state->is_committed;
}

static bool begin(struct rpc_call *call, struct account *account,
                  const Mailrail__ImportBegin *request, Mailrail__ImportState *reply,
                  struct err *err)
{
    struct import_state state;
    TRY(check_import(request->import, err));
    TRY(import_begin(account, bytes_of(request->import->key), call->arena, &state, err));
    reply_state(&state, reply);
    return true;
}
HANDLER(begin, account_of(request->import), Mailrail__ImportBegin, Mailrail__ImportState,
        MAILRAIL__IMPORT_STATE__INIT)

static bool add_text(struct rpc_call *call, struct account *account,
                     const Mailrail__ImportText *request, Mailrail__ImportState *reply,
                     struct err *err)
{
    (void)call, (void)reply;
    return check_import(request->import, err) &&
           import_add_text(account, bytes_of(request->import->key), request->sequence,
                           request->offset, bytes_of(request->bytes), err);
}
HANDLER(add_text, account_of(request->import), Mailrail__ImportText, Mailrail__ImportState,
        MAILRAIL__IMPORT_STATE__INIT)

static bool check_text(const struct message_text *text, struct err *err)
{
    if (text->size > MESSAGE_SIZE_MAX)
        return err_set(err, ERR_LIMIT, "a message of %llu bytes", (unsigned long long)text->size);
    uint64_t content = text->size <= MESSAGE_CONTENT_MAX ? text->size : 0;
    return text->content.len == content ||
           err_set(err, ERR_SYNTAX, "content of %zu bytes for a text of %llu", text->content.len,
                   (unsigned long long)text->size);
}

static bool read_keywords(char **words, size_t count, struct arena *arena, struct keywords *ret,
                          struct err *err)
{
    struct str *items = arena_new_array(arena, count, struct str);
    if (!items)
        return reply_no_room(err);
    for (size_t i = 0; i < count; i++)
        items[i] = str_from_cstr(words[i]);
    return keywords_check(items, count, arena, ret, err);
}

/* What is decoded is only looked at, so that no commit fails for it. */
static bool check_structure(struct str bytes, struct err *err)
{
    struct arena scratch;
    struct new_message message = {.structure_bytes = bytes};
    arena_init(&scratch, STRUCTURE_ARENA_SIZE);
    bool ok = message_decode(&message, &scratch, err);
    arena_release(&scratch);
    return ok;
}

/* Sessions would not find it there. */
static bool check_mailbox(const char *name, struct arena *arena, struct str *ret, struct err *err)
{
    if (!mailbox_name_check(str_from_cstr(name), arena, ret, err))
        return err_wrap(err, "\"%.200s\"", name);
    if (!mailbox_name_is_others(*ret))
        return true;
    err_set(err, ERR_SYNTAX, "mailbox %.*s in the namespace of others", STR_ARG(*ret));
    return err_reply(err, "\"" MAILBOX_OTHERS "\" is where mailboxes of others are shown");
}

static bool read_item(const Mailrail__ImportItem *from, struct arena *arena,
                      struct import_item *item, struct err *err)
{
    *item = (struct import_item){
        .text = {.content = bytes_of(from->content), .size = from->size},
        .structure_bytes = bytes_of(from->structure),
        .flags = from->flags,
        .received_s = from->received_s != 0 ? from->received_s : clock_wall_s(),
        .mail_from = {str_from_cstr(from->mail_from_localpart),
                      str_from_cstr(from->mail_from_domain)},
    };
    if ((from->flags & ~(uint32_t)FLAGS_ALL) != 0)
        return err_set(err, ERR_SYNTAX, "unknown flags %x", from->flags);
    return check_text(&item->text, err) && check_structure(item->structure_bytes, err) &&
           check_mailbox(from->mailbox, arena, &item->mailbox, err) &&
           read_keywords(from->keywords, from->n_keywords, arena, &item->keywords, err);
}

static bool add(struct rpc_call *call, struct account *account, const Mailrail__ImportAdd *request,
                Mailrail__ImportState *reply, struct err *err)
{
    struct import_add op = {
        .sequence = request->sequence, .count = request->n_items, .position = request->position};
    struct import_state state;
    if (request->n_items == 0 || request->n_items > IMPORT_ITEMS_MAX)
        return err_set(err, ERR_SYNTAX, "%zu messages in one call", request->n_items);
    struct import_item *items = arena_new_array(call->arena, op.count, struct import_item);
    if (!items)
        return reply_no_room(err);
    TRY(check_import(request->import, err));
    for (size_t i = 0; i < op.count; i++) {
        if (!read_item(request->items[i], call->arena, &items[i], err))
            return err_wrap(err, "message %llu", (unsigned long long)(request->sequence + i));
    }
    op.items = items;
    TRY(directory_account_quota(call->user, account_id(account), &op.quota_bytes, err));
    TRY(import_add(account, bytes_of(request->import->key), &op, &state, err));
    reply_state(&state, reply);
    return true;
}
HANDLER(add, account_of(request->import), Mailrail__ImportAdd, Mailrail__ImportState,
        MAILRAIL__IMPORT_STATE__INIT)

/* An annotation's mailbox may be none: it is the account's. */
static bool read_annotation(const Mailrail__Annotation *from, struct arena *arena,
                            struct annotation *a, struct err *err)
{
    *a = (struct annotation){.mailbox = STR(""),
                             .name = str_from_cstr(from->name),
                             .value = from->value.len > 0 ? bytes_of(from->value) : STR(""),
                             .binary = from->binary};
    if (from->mailbox[0] != '\0')
        TRY(check_mailbox(from->mailbox, arena, &a->mailbox, err));
    return (a->name.len > 0 && a->name.len <= ANNOTATION_NAME_MAX) ||
           err_set(err, ERR_SYNTAX, "name of an annotation of %zu bytes", a->name.len);
}

static bool read_special_use(const Mailrail__ImportSpecialUse *from, struct arena *arena,
                             struct import_special_use *use, struct err *err)
{
    use->special_use = str_from_cstr(from->special_use);
    return mailbox_check_special_use(use->special_use, err) &&
           check_mailbox(from->mailbox, arena, &use->mailbox, err);
}

static bool read_settings(const Mailrail__ImportSettings *from, struct arena *arena,
                          struct import_settings *ret, struct err *err)
{
    struct import_special_use *uses =
        arena_new_array(arena, from->n_special_uses, struct import_special_use);
    struct str *names = arena_new_array(arena, from->n_subscriptions, struct str);
    struct annotation *annotations = arena_new_array(arena, from->n_annotations, struct annotation);
    if (from->n_special_uses > IMPORT_SPECIAL_USES_MAX || from->n_annotations > ANNOTATIONS_MAX)
        return err_set(err, ERR_SYNTAX, "%zu special uses, %zu annotations", from->n_special_uses,
                       from->n_annotations);
    if (!uses || !names || !annotations)
        return reply_no_room(err);
    for (size_t i = 0; i < from->n_special_uses; i++)
        TRY(read_special_use(from->special_uses[i], arena, &uses[i], err));
    for (size_t i = 0; i < from->n_subscriptions; i++)
        TRY(mailbox_name_check(str_from_cstr(from->subscriptions[i]), arena, &names[i], err));
    for (size_t i = 0; i < from->n_annotations; i++)
        TRY(read_annotation(from->annotations[i], arena, &annotations[i], err));
    *ret = (struct import_settings){.special_uses = uses,
                                    .special_use_count = from->n_special_uses,
                                    .subscriptions = names,
                                    .subscription_count = from->n_subscriptions,
                                    .annotations = annotations,
                                    .annotation_count = from->n_annotations};
    return true;
}

static bool reply_refused(const struct import_settings *s, struct arena *arena,
                          Mailrail__ImportResult *reply)
{
    reply->annotations_left = s->annotations_left;
    reply->refused = arena_new_array(arena, s->refused_count, Mailrail__ImportSpecialUse *);
    for (size_t i = 0; reply->refused && i < s->refused_count; i++) {
        Mailrail__ImportSpecialUse *out = arena_new(arena, Mailrail__ImportSpecialUse);
        if (!out)
            return false;
        mailrail__import_special_use__init(out);
        out->mailbox = arena_cstr(arena, s->refused[i].mailbox);
        out->special_use = arena_cstr(arena, s->refused[i].special_use);
        out->holder = arena_cstr(arena, s->refused[i].holder);
        reply->refused[reply->n_refused++] = out;
    }
    return reply->refused && !arena->exhausted;
}

static bool commit(struct rpc_call *call, struct account *account,
                   const Mailrail__ImportCommit *request, Mailrail__ImportResult *reply,
                   struct err *err)
{
    struct str *mailboxes = arena_new_array(call->arena, request->n_mailboxes, struct str);
    struct import_commit op = {.messages = request->messages,
                               .mailboxes = mailboxes,
                               .mailbox_count = request->n_mailboxes,
                               .is_restore = request->settings != NULL,
                               .keeps_flags = request->keep_flags};
    if (!mailboxes)
        return reply_no_room(err);
    TRY(check_import(request->import, err));
    if (op.is_restore)
        TRY(read_settings(request->settings, call->arena, &op.settings, err));
    for (size_t i = 0; i < op.mailbox_count; i++)
        TRY(check_mailbox(request->mailboxes[i], call->arena, &mailboxes[i], err));
    TRY(directory_account_quota(call->user, account_id(account), &op.quota_bytes, err));
    TRY(import_commit(account, bytes_of(request->import->key), &op, call->arena, err));
    reply->messages = op.messages;
    reply->modseq = op.modseq;
    reply->created = reply_names(op.created.items, op.created.len, call->arena);
    reply->n_created = op.created.len;
    return (reply->created && reply_refused(&op.settings, call->arena, reply)) ||
           reply_no_room(err);
}
HANDLER(commit, account_of(request->import), Mailrail__ImportCommit, Mailrail__ImportResult,
        MAILRAIL__IMPORT_RESULT__INIT)

static bool abort_(struct rpc_call *call, struct account *account,
                   const Mailrail__ImportKey *request, Mailrail__ImportState *reply,
                   struct err *err)
{
    (void)reply;
    return check_import(request, err) &&
           import_abort(account, bytes_of(request->key), call->arena, err);
}
HANDLER(abort_, account_of(request), Mailrail__ImportKey, Mailrail__ImportState,
        MAILRAIL__IMPORT_STATE__INIT)

/* ---- Export */

static bool mailboxes(struct rpc_call *call, struct account *account,
                      const Mailrail__ExportMailboxes *request, Mailrail__ListReply *reply,
                      struct err *err)
{
    struct db *db;
    struct mailbox_list list;
    (void)request;
    TRY(account_read_begin(account, &db, err));
    bool ok = mailbox_list(db, call->arena, &list, err);
    account_read_end(account, db);
    if (!ok)
        return false;
    ok = reply_mailboxes(&list, call->arena, reply, err);
    mailbox_list_release(&list);
    return ok;
}
HANDLER(mailboxes, request->account, Mailrail__ExportMailboxes, Mailrail__ListReply,
        MAILRAIL__LIST_REPLY__INIT)

static bool reply_annotations(struct db *db, struct arena *arena,
                              Mailrail__ExportSettingsReply *reply, struct err *err)
{
    struct annotation_list list;
    TRY(annotations_read(db, 0, arena, &list, err));
    reply->annotations = arena_new_array(arena, list.items.len, Mailrail__Annotation *);
    for (size_t i = 0; reply->annotations && i < list.items.len; i++)
        reply->annotations[reply->n_annotations++] = reply_annotation(&list.items.items[i], arena);
    annotations_release(&list);
    return !arena->exhausted || reply_no_room(err);
}

static bool settings(struct rpc_call *call, struct account *account,
                     const Mailrail__ExportSettings *request, Mailrail__ExportSettingsReply *reply,
                     struct err *err)
{
    struct db *db;
    (void)request;
    TRY(account_read_begin(account, &db, err));
    bool ok =
        reply_subscriptions(db, call->arena, &reply->subscriptions, &reply->n_subscriptions, err) &&
        reply_annotations(db, call->arena, reply, err);
    account_read_end(account, db);
    return ok;
}
HANDLER(settings, request->account, Mailrail__ExportSettings, Mailrail__ExportSettingsReply,
        MAILRAIL__EXPORT_SETTINGS_REPLY__INIT)

static bool entries(struct rpc_call *call, struct account *account,
                    const Mailrail__ExportEntries *request, Mailrail__Changes *reply,
                    struct err *err)
{
    struct changes changes;
    struct changes_request r = {.mailbox_id = request->mailbox_id, .from_uid = request->from_uid};
    return changes_read(account, &r, call->arena, &changes, err) &&
           reply_changes(&changes, call->arena, reply, err);
}
HANDLER(entries, request->account, Mailrail__ExportEntries, Mailrail__Changes,
        MAILRAIL__CHANGES__INIT)

static Mailrail__ExportMessage *reply_message(const struct export_message *m, struct arena *arena)
{
    Mailrail__ExportMessage *out = arena_new(arena, Mailrail__ExportMessage);
    if (!out)
        return NULL;
    mailrail__export_message__init(out);
    out->id = m->id;
    out->found = m->is_found;
    out->prefix = data_of(m->prefix);
    out->mail_from = arena_cstr(arena, m->mail_from);
    out->file_size = m->file_size;
    out->content = data_of(m->content);
    out->error = arena_cstr(arena, m->error);
    return out;
}

static bool messages(struct rpc_call *call, struct account *account,
                     const Mailrail__ExportMessages *request, Mailrail__ExportMessagesReply *reply,
                     struct err *err)
{
    size_t count;
    if (request->n_id > EXPORT_IDS_MAX)
        return err_set(err, ERR_SYNTAX, "%zu messages in one call", request->n_id);
    struct export_message *found =
        arena_new_array(call->arena, request->n_id, struct export_message);
    reply->messages = arena_new_array(call->arena, request->n_id, Mailrail__ExportMessage *);
    if (!found || !reply->messages)
        return reply_no_room(err);
    TRY(export_messages(account, request->id, request->n_id, call->arena, found, &count, err));
    for (size_t i = 0; i < count; i++)
        reply->messages[reply->n_messages++] = reply_message(&found[i], call->arena);
    return !call->arena->exhausted || reply_no_room(err);
}
HANDLER(messages, request->account, Mailrail__ExportMessages, Mailrail__ExportMessagesReply,
        MAILRAIL__EXPORT_MESSAGES_REPLY__INIT)

static bool text(struct rpc_call *call, struct account *account,
                 const Mailrail__ExportText *request, Mailrail__ExportTextReply *reply,
                 struct err *err)
{
    struct str bytes;
    TRY(export_text(account, request->id, request->offset, call->arena, &bytes, err));
    reply->bytes = data_of(bytes);
    return true;
}
HANDLER(text, request->account, Mailrail__ExportText, Mailrail__ExportTextReply,
        MAILRAIL__EXPORT_TEXT_REPLY__INIT)

bool transfer_door_open(struct store *store, struct service *service, struct err *err)
{
    static Mailrail__Transfer_Service handlers = {
        .base = MAILRAIL__TRANSFER__BASE_INIT,
        .begin = handle_begin,
        .add_text = handle_add_text,
        .add = handle_add,
        .commit = handle_commit,
        .abort = handle_abort_,
        .mailboxes = handle_mailboxes,
        .settings = handle_settings,
        .entries = handle_entries,
        .messages = handle_messages,
        .text = handle_text,
    };
    return store_open_door(store, service, "transfer", &handlers.base, WORKERS, err);
}
