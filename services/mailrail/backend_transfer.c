#include "services/mailrail/backend_transfer.h"

#include "common/base/array.h"
#include "common/base/clock.h"
#include "common/bus/data.h"
#include "common/bus/rpc.h"
#include "common/service/door.h"
#include "proto/transfer.pb-c.h"
#include "services/mailrail/backend_call.h"

#include <stdlib.h>
#include <time.h>

#define CALL_MS 60000
#define COMMIT_MS 600000 /* of a hundred thousand messages on a slow disk */
#define WAIT_MS 60000    /* for a store that is away */
#define RETRY_MS 200
#define REPLY_ARENA_MAX (256u << 20)

struct transfer {
    struct rpc_client *client;
    const char *url;
    struct str account;
    bool (*should_stop)(void);
    struct arena arena; /* of the connection */
    struct arena call;  /* of one call */
};

bool transfer_open(const struct settings *settings, struct str account, bool (*should_stop)(void),
                   struct transfer **ret, struct err *err)
{
    struct transfer *t = xcalloc(1, sizeof(*t));
    arena_init(&t->arena, 1 << 20);
    arena_init(&t->call, REPLY_ARENA_MAX);
    t->account = account;
    t->should_stop = should_stop;
    struct bus_address at = door_address(settings, "mailrail", "transfer", &t->arena);
    t->url = at.url;
    t->client = rpc_client_new(at, &mailrail__transfer__descriptor, err);
    *ret = t;
    if (t->client)
        return true;
    transfer_close(t);
    return false;
}

void transfer_close(struct transfer *t)
{
    if (!t)
        return;
    rpc_client_free(t->client);
    arena_release(&t->call);
    arena_release(&t->arena);
    free(t);
}

/* ---- Calls */

static bool stops(const struct transfer *t)
{
    return t->should_stop && t->should_stop();
}

/* Perhaps it was done, perhaps not: all calls of this door may be repeated. */
static bool is_worth_repeating(enum err_kind kind)
{
    return kind == ERR_UNAVAILABLE || kind == ERR_TIMEOUT || kind == ERR_TEMPORARY;
}

static bool call(struct transfer *t, const char *method, const ProtobufCMessage *request,
                 struct arena *arena, ProtobufCMessage **ret_reply, struct err *err)
{
    int64_t call_ms =
        request->descriptor == &mailrail__import_commit__descriptor ? COMMIT_MS : CALL_MS;
    int64_t give_up_ms = clock_monotonic_ms() + WAIT_MS;
    for (;;) {
        struct rpc_context context = rpc_context_ms((uint64_t)clock_wall_ms(), call_ms);
        if (rpc_call(t->client, &context, method, request, arena, ret_reply, err))
            return true;
        if (!is_worth_repeating(err->kind) || stops(t) || clock_monotonic_ms() > give_up_ms)
            break;
        nanosleep(&(struct timespec){.tv_nsec = RETRY_MS * 1000000L}, NULL);
    }
    if (err->kind == ERR_UNAVAILABLE || err->kind == ERR_TIMEOUT)
        err_set(err, err->kind, "no answer from %s: is Mailrail running?", t->url);
    else
        backend_drop_method(err, method);
    return false;
}

static bool call_and_forget(struct transfer *t, const char *method, const ProtobufCMessage *request,
                            struct err *err)
{
    ProtobufCMessage *reply;
    bool ok = call(t, method, request, &t->call, &reply, err);
    arena_reset(&t->call);
    return ok;
}

/* For fields of requests. */
static char *text_of(struct str s, struct arena *arena)
{
    static char none[] = "";
    char *text = arena_cstr(arena, s);
    return text ? text : none;
}

static bool no_room(struct err *err)
{
    return err_set(err, ERR_LIMIT, "not enough memory for one call");
}

/* ---- Import */

static Mailrail__ImportKey key_message(struct transfer *t, struct str key)
{
    Mailrail__ImportKey message = MAILRAIL__IMPORT_KEY__INIT;
    message.account = text_of(t->account, &t->call);
    message.key = data_of(key);
    return message;
}

bool transfer_begin(struct transfer *t, struct str key, struct import_state *ret, struct err *err)
{
    Mailrail__ImportKey import = key_message(t, key);
    Mailrail__ImportBegin request = MAILRAIL__IMPORT_BEGIN__INIT;
    ProtobufCMessage *base;
    request.import = &import;
    bool ok = call(t, "Begin", &request.base, &t->call, &base, err);
    if (ok) {
        const Mailrail__ImportState *reply = (const Mailrail__ImportState *)base;
        *ret = (struct import_state){reply->messages, reply->position, reply->committed};
    }
    arena_reset(&t->call);
    return ok;
}

bool transfer_add_text(struct transfer *t, struct str key, uint64_t sequence, uint64_t offset,
                       struct str bytes, struct err *err)
{
    Mailrail__ImportKey import = key_message(t, key);
    Mailrail__ImportText request = MAILRAIL__IMPORT_TEXT__INIT;
    request.import = &import;
    request.sequence = sequence;
    request.offset = offset;
    request.bytes = data_of(bytes);
    return call_and_forget(t, "AddText", &request.base, err);
}

static Mailrail__ImportItem *item_message(const struct import_item *item, struct arena *arena)
{
    Mailrail__ImportItem *message = arena_new(arena, Mailrail__ImportItem);
    if (!message)
        return NULL;
    mailrail__import_item__init(message);
    message->mailbox = text_of(item->mailbox, arena);
    message->content = data_of(item->content);
    message->size = item->size;
    message->structure = data_of(item->structure);
    message->flags = item->flags->bits;
    message->received_s = item->received_s;
    message->mail_from_localpart = text_of(item->mail_from.localpart, arena);
    message->mail_from_domain = text_of(item->mail_from.domain, arena);
    message->keywords = arena_new_array(arena, item->flags->keyword_count, char *);
    for (size_t i = 0; message->keywords && i < item->flags->keyword_count; i++)
        message->keywords[message->n_keywords++] = text_of(item->flags->keywords[i], arena);
    return message;
}

bool transfer_add(struct transfer *t, struct str key, uint64_t sequence,
                  const struct import_item *items, size_t count, uint64_t position, struct err *err)
{
    Mailrail__ImportKey import = key_message(t, key);
    Mailrail__ImportAdd request = MAILRAIL__IMPORT_ADD__INIT;
    request.import = &import;
    request.sequence = sequence;
    request.position = position;
    request.items = arena_new_array(&t->call, count, Mailrail__ImportItem *);
    for (size_t i = 0; request.items && i < count; i++)
        request.items[request.n_items++] = item_message(&items[i], &t->call);
    if (t->call.exhausted) {
        arena_reset(&t->call);
        return no_room(err);
    }
    return call_and_forget(t, "Add", &request.base, err);
}

static char **texts_of(const struct str *names, size_t count, struct arena *arena)
{
    char **texts = arena_new_array(arena, count, char *);
    for (size_t i = 0; texts && i < count; i++)
        texts[i] = text_of(names[i], arena);
    return texts;
}

static void fill_commit(struct transfer *t, const struct str *mailboxes, size_t count,
                        Mailrail__ImportCommit *request)
{
    request->mailboxes = texts_of(mailboxes, count, &t->call);
    request->n_mailboxes = request->mailboxes ? count : 0;
}

bool transfer_commit(struct transfer *t, struct str key, uint64_t messages, bool keep_flags,
                     const struct str *mailboxes, size_t count, struct err *err)
{
    Mailrail__ImportKey import = key_message(t, key);
    Mailrail__ImportCommit request = MAILRAIL__IMPORT_COMMIT__INIT;
    request.import = &import;
    request.messages = messages;
    request.keep_flags = keep_flags;
    fill_commit(t, mailboxes, count, &request);
    return call_and_forget(t, "Commit", &request.base, err);
}

static Mailrail__ImportSpecialUse *special_use_message(const struct transfer_special_use *use,
                                                       struct arena *arena)
{
    Mailrail__ImportSpecialUse *message = arena_new(arena, Mailrail__ImportSpecialUse);
    if (!message)
        return NULL;
    mailrail__import_special_use__init(message);
    message->mailbox = text_of(use->mailbox, arena);
    message->special_use = text_of(use->special_use, arena);
    return message;
}

static Mailrail__Annotation *annotation_message(const struct transfer_annotation *a,
                                                struct arena *arena)
{
    Mailrail__Annotation *message = arena_new(arena, Mailrail__Annotation);
    if (!message)
        return NULL;
    mailrail__annotation__init(message);
    message->mailbox = text_of(a->mailbox, arena);
    message->name = text_of(a->name, arena);
    message->value = data_of(a->value);
    message->binary = a->is_binary;
    return message;
}

static void fill_settings(const struct transfer_settings *from, struct arena *arena,
                          Mailrail__ImportSettings *to)
{
    to->subscriptions = texts_of(from->subscriptions, from->subscription_count, arena);
    to->n_subscriptions = to->subscriptions ? from->subscription_count : 0;
    to->special_uses =
        arena_new_array(arena, from->special_use_count, Mailrail__ImportSpecialUse *);
    for (size_t i = 0; to->special_uses && i < from->special_use_count; i++)
        to->special_uses[to->n_special_uses++] = special_use_message(&from->special_uses[i], arena);
    to->annotations = arena_new_array(arena, from->annotation_count, Mailrail__Annotation *);
    for (size_t i = 0; to->annotations && i < from->annotation_count; i++)
        to->annotations[to->n_annotations++] = annotation_message(&from->annotations[i], arena);
}

static bool read_refused(const Mailrail__ImportResult *reply, struct arena *arena,
                         struct transfer_refused *ret, struct err *err)
{
    *ret = (struct transfer_refused){.annotations = reply->annotations_left};
    ret->special_uses = arena_new_array(arena, reply->n_refused, struct transfer_special_use);
    if (!ret->special_uses)
        return no_room(err);
    for (size_t i = 0; i < reply->n_refused; i++)
        ret->special_uses[ret->special_use_count++] = (struct transfer_special_use){
            .mailbox = str_from_cstr(reply->refused[i]->mailbox),
            .special_use = str_from_cstr(reply->refused[i]->special_use),
            .holder = str_from_cstr(reply->refused[i]->holder)};
    return true;
}

bool transfer_commit_restore(struct transfer *t, struct str key, uint64_t messages,
                             const struct str *mailboxes, size_t count,
                             const struct transfer_settings *settings, struct arena *arena,
                             struct transfer_refused *ret, struct err *err)
{
    Mailrail__ImportKey import = key_message(t, key);
    Mailrail__ImportSettings message = MAILRAIL__IMPORT_SETTINGS__INIT;
    Mailrail__ImportCommit request = MAILRAIL__IMPORT_COMMIT__INIT;
    ProtobufCMessage *base;
    request.import = &import;
    request.messages = messages;
    request.settings = &message;
    request.keep_flags = true;
    fill_commit(t, mailboxes, count, &request);
    fill_settings(settings, &t->call, &message);
    bool ok = t->call.exhausted
                  ? no_room(err)
                  : call(t, "Commit", &request.base, arena, &base, err) &&
                        read_refused((const Mailrail__ImportResult *)base, arena, ret, err);
    arena_reset(&t->call);
    return ok;
}

bool transfer_abort(struct transfer *t, struct str key, struct err *err)
{
    Mailrail__ImportKey import = key_message(t, key);
    return call_and_forget(t, "Abort", &import.base, err);
}

/* ---- Export */

bool transfer_mailboxes(struct transfer *t, struct arena *arena, struct export_mailbox **ret,
                        size_t *ret_count, struct err *err)
{
    Mailrail__ExportMailboxes request = MAILRAIL__EXPORT_MAILBOXES__INIT;
    ProtobufCMessage *base;
    request.account = text_of(t->account, arena);
    TRY(call(t, "Mailboxes", &request.base, arena, &base, err));
    const Mailrail__ListReply *reply = (const Mailrail__ListReply *)base;
    struct export_mailbox *list = arena_new_array(arena, reply->n_mailboxes, struct export_mailbox);
    if (!list)
        return no_room(err);
    for (size_t i = 0; i < reply->n_mailboxes; i++) {
        const Mailrail__MailboxInfo *m = reply->mailboxes[i];
        list[i] = (struct export_mailbox){.id = m->id,
                                          .name = str_from_cstr(m->name),
                                          .special_use = str_from_cstr(m->special_use),
                                          .messages = m->total + m->deleted,
                                          .bytes = m->size};
    }
    *ret = list;
    *ret_count = reply->n_mailboxes;
    return true;
}

static bool read_annotations(const Mailrail__ExportSettingsReply *reply, struct arena *arena,
                             struct transfer_settings *ret, struct err *err)
{
    ret->annotations = arena_new_array(arena, reply->n_annotations, struct transfer_annotation);
    if (!ret->annotations)
        return no_room(err);
    for (size_t i = 0; i < reply->n_annotations; i++) {
        const Mailrail__Annotation *a = reply->annotations[i];
        ret->annotations[ret->annotation_count++] =
            (struct transfer_annotation){.mailbox = str_from_cstr(a->mailbox),
                                         .name = str_from_cstr(a->name),
                                         .value = bytes_of(a->value),
                                         .is_binary = a->binary};
    }
    return true;
}

bool transfer_settings(struct transfer *t, struct arena *arena, struct transfer_settings *ret,
                       struct err *err)
{
    Mailrail__ExportSettings request = MAILRAIL__EXPORT_SETTINGS__INIT;
    ProtobufCMessage *base;
    request.account = text_of(t->account, arena);
    TRY(call(t, "Settings", &request.base, arena, &base, err));
    const Mailrail__ExportSettingsReply *reply = (const Mailrail__ExportSettingsReply *)base;
    *ret = (struct transfer_settings){.subscription_count = reply->n_subscriptions};
    ret->subscriptions = arena_new_array(arena, reply->n_subscriptions, struct str);
    if (!ret->subscriptions)
        return no_room(err);
    for (size_t i = 0; i < reply->n_subscriptions; i++)
        ret->subscriptions[i] = str_from_cstr(reply->subscriptions[i]);
    return read_annotations(reply, arena, ret, err);
}

/* Flags alone are of few kinds: one struct for each is enough. */
static struct mail_flags *shared_flags(struct mail_flags **by_bits, uint32_t bits,
                                       struct arena *arena)
{
    bits &= 1023;
    if (!by_bits[bits]) {
        by_bits[bits] = arena_new(arena, struct mail_flags);
        if (by_bits[bits])
            by_bits[bits]->bits = bits;
    }
    return by_bits[bits];
}

static struct mail_flags *flags_of(const Mailrail__Changes *c, size_t i,
                                   struct mail_flags **by_bits, struct arena *arena)
{
    size_t from = c->n_keyword_end > 0 && i > 0 ? c->keyword_end[i - 1] : 0;
    size_t to = c->n_keyword_end > i ? c->keyword_end[i] : 0;
    if (from >= to)
        return shared_flags(by_bits, c->flags[i], arena);
    struct mail_flags *flags = arena_new(arena, struct mail_flags);
    if (!flags)
        return NULL;
    flags->bits = c->flags[i];
    for (size_t k = from; k < to && k < c->n_keyword_index; k++) {
        if (c->keyword_index[k] < c->mailbox->n_keywords &&
            flags->keyword_count < MAIL_KEYWORDS_MAX)
            flags->keywords[flags->keyword_count++] =
                arena_copy(arena, str_from_cstr(c->mailbox->keywords[c->keyword_index[k]]));
    }
    return flags;
}

typedef ARRAY_OF(struct export_entry) entry_list;

static bool add_entries(const Mailrail__Changes *c, struct mail_flags **by_bits, entry_list *list,
                        struct arena *arena, struct err *err)
{
    for (size_t i = 0; i < c->n_id; i++) {
        struct export_entry entry = {.id = c->id[i],
                                     .uid = c->uid[i],
                                     .received_s = c->received_s[i],
                                     .size = c->size[i],
                                     .flags = flags_of(c, i, by_bits, arena)};
        if (!entry.flags)
            return no_room(err);
        array_push(list, entry);
    }
    return true;
}

static bool read_entries(struct transfer *t, struct arena *arena, uint64_t mailbox_id,
                         entry_list *list, struct err *err)
{
    static const size_t kinds = 1024;
    struct mail_flags **by_bits = arena_new_array(arena, kinds, struct mail_flags *);
    Mailrail__ExportEntries request = MAILRAIL__EXPORT_ENTRIES__INIT;
    bool more = true;
    if (!by_bits)
        return no_room(err);
    while (more) {
        ProtobufCMessage *base;
        request.account = text_of(t->account, &t->call);
        request.mailbox_id = mailbox_id;
        bool ok = call(t, "Entries", &request.base, &t->call, &base, err);
        const Mailrail__Changes *reply = ok ? (const Mailrail__Changes *)base : NULL;
        if (ok && reply->gone)
            ok = err_set(err, ERR_NOT_FOUND, "the mailbox was deleted meanwhile");
        ok = ok && add_entries(reply, by_bits, list, arena, err);
        more = ok && reply->more;
        request.from_uid = ok ? reply->last_uid : 0;
        arena_reset(&t->call);
        TRY(ok);
    }
    return true;
}

bool transfer_entries(struct transfer *t, struct arena *arena, uint64_t mailbox_id,
                      struct export_entry **ret, size_t *ret_count, struct err *err)
{
    entry_list list = {0};
    bool ok = read_entries(t, arena, mailbox_id, &list, err);
    *ret_count = list.len;
    *ret = ok ? arena_new_array(arena, list.len, struct export_entry) : NULL;
    for (size_t i = 0; *ret && i < list.len; i++)
        (*ret)[i] = list.items[i];
    array_release(&list);
    return ok && (*ret || no_room(err));
}

bool transfer_messages(struct transfer *t, struct arena *arena, const uint64_t *ids, size_t count,
                       struct export_message *ret, size_t *ret_count, struct err *err)
{
    Mailrail__ExportMessages request = MAILRAIL__EXPORT_MESSAGES__INIT;
    ProtobufCMessage *base;
    request.account = text_of(t->account, arena);
    request.n_id = count;
    request.id = (uint64_t *)(uintptr_t)ids;
    TRY(call(t, "Messages", &request.base, arena, &base, err));
    const Mailrail__ExportMessagesReply *reply = (const Mailrail__ExportMessagesReply *)base;
    if (reply->n_messages == 0 || reply->n_messages > count)
        return err_set(err, ERR_INTERNAL, "store answered with %zu of %zu messages",
                       reply->n_messages, count);
    for (size_t i = 0; i < reply->n_messages; i++) {
        const Mailrail__ExportMessage *m = reply->messages[i];
        ret[i] = (struct export_message){.id = m->id,
                                         .is_found = m->found,
                                         .prefix = bytes_of(m->prefix),
                                         .mail_from = str_from_cstr(m->mail_from),
                                         .file_size = m->file_size,
                                         .content = bytes_of(m->content),
                                         .error = str_from_cstr(m->error)};
    }
    *ret_count = reply->n_messages;
    return true;
}

bool transfer_text(struct transfer *t, struct arena *arena, uint64_t id, uint64_t offset,
                   struct str *ret, struct err *err)
{
    Mailrail__ExportText request = MAILRAIL__EXPORT_TEXT__INIT;
    ProtobufCMessage *base;
    request.account = text_of(t->account, arena);
    request.id = id;
    request.offset = offset;
    TRY(call(t, "Text", &request.base, arena, &base, err));
    *ret = bytes_of(((const Mailrail__ExportTextReply *)base)->bytes);
    return true;
}
