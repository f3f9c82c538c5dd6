#include "common/base/clock.h"
#include "services/store/annotations.h"
#include "services/store/mailbox_name.h"
#include "services/store/mailbox_ops.h"
#include "services/store/mailboxes_handlers.h"
#include "services/store/mailboxes_reply.h"
#include "services/store/shared_mailboxes.h"

/* The methods of door `mailboxes` about mailboxes as a whole: their names, rights and annotations.
 */

/* ---- Mailboxes */

static bool reply_mailbox_op(const struct mailbox_op *op, struct arena *arena,
                             Mailrail__MailboxReply *reply, struct err *err)
{
    reply->modseq = op->modseq;
    reply->mailbox_id = op->mailbox_id;
    reply->created = reply_names(op->created.items, op->created.len, arena);
    reply->n_created = op->created.len;
    return reply->created || reply_no_room(err);
}

static bool create(struct rpc_call *call, const struct access *access,
                   const Mailrail__CreateRequest *request, Mailrail__MailboxReply *reply,
                   struct err *err)
{
    struct mailbox_op op = {.name = str_from_cstr(request->name),
                            .special_use = str_from_cstr(request->special_use),
                            .by_other = access->is_own ? 0 : access->caller_id};
    struct granted parent;
    TRY(access_need_parent(access, op.name, call->arena, &parent, err));
    if (op.special_use.len > 0)
        TRY(access_need_own(access, err));
    op.checked_parent_id = parent.mailbox_id;
    return door_check_key(request->key, err) &&
           mailbox_create(access->account, bytes_of(request->key), &op, call->arena, err) &&
           reply_mailbox_op(&op, call->arena, reply, err);
}
HANDLER(create, Mailrail__CreateRequest, Mailrail__MailboxReply, MAILRAIL__MAILBOX_REPLY__INIT)

static bool delete (struct rpc_call *call, const struct access *access,
                    const Mailrail__DeleteRequest *request, Mailrail__MailboxReply *reply,
                    struct err *err)
{
    struct mailbox_op op = {.name = str_from_cstr(request->name)};
    struct granted granted;
    TRY(door_need_named(call, access, request->name, RIGHT_DELETE, &granted, err));
    op.checked_id = granted.mailbox_id;
    return door_check_key(request->key, err) &&
           mailbox_delete(access->account, bytes_of(request->key), &op, call->arena, err) &&
           reply_mailbox_op(&op, call->arena, reply, err);
}
HANDLER(delete, Mailrail__DeleteRequest, Mailrail__MailboxReply, MAILRAIL__MAILBOX_REPLY__INIT)

static bool rename_(struct rpc_call *call, const struct access *access,
                    const Mailrail__RenameRequest *request, Mailrail__MailboxReply *reply,
                    struct err *err)
{
    struct mailbox_op op = {.name = str_from_cstr(request->from),
                            .to = str_from_cstr(request->to),
                            .by_other = access->is_own ? 0 : access->caller_id};
    struct granted granted, parent;
    TRY(door_need_named(call, access, request->from, RIGHT_DELETE, &granted, err) &&
        access_need_parent(access, op.to, call->arena, &parent, err));
    if (str_eq_nocase(op.name, STR("Inbox"))) /* which would give away its messages */
        TRY(access_need_own(access, err));
    op.checked_id = granted.mailbox_id;
    op.checked_parent_id = parent.mailbox_id;
    return door_check_key(request->key, err) &&
           mailbox_rename(access->account, bytes_of(request->key), &op, call->arena, err) &&
           reply_mailbox_op(&op, call->arena, reply, err);
}
HANDLER(rename_, Mailrail__RenameRequest, Mailrail__MailboxReply, MAILRAIL__MAILBOX_REPLY__INIT)

static bool subscribe(struct rpc_call *call, const struct access *access,
                      const Mailrail__SubscribeRequest *request, Mailrail__MailboxReply *reply,
                      struct err *err)
{
    struct mailbox_op op = {.name = str_from_cstr(request->name), .subscribe = request->subscribe};
    return mailbox_subscribe(access->account, &op, call->arena, err) &&
           reply_mailbox_op(&op, call->arena, reply, err);
}
OWN_HANDLER(subscribe, Mailrail__SubscribeRequest, Mailrail__MailboxReply,
            MAILRAIL__MAILBOX_REPLY__INIT)

/* ---- Rights */

OWN_HANDLER(find_owner, Mailrail__FindOwnerRequest, Mailrail__FindOwnerReply,
            MAILRAIL__FIND_OWNER_REPLY__INIT)
HANDLER(get_rights, Mailrail__GetRightsRequest, Mailrail__GetRightsReply,
        MAILRAIL__GET_RIGHTS_REPLY__INIT)
HANDLER(set_rights, Mailrail__SetRightsRequest, Mailrail__Empty, MAILRAIL__EMPTY__INIT)

/* ---- Annotations */

/* RFC 5464 3: whose right it is to read annotations of another's mailbox. To set them takes the
 * right to write. */
#define NOTED_BY (RIGHT_READ | RIGHT_SEEN | RIGHT_WRITE | RIGHT_INSERT | RIGHT_POST)

/* Which annotations a caller is shown. */
struct noted {
    const struct access *access;
    bool one_mailbox;
    uint64_t mailbox_id; /* then; 0: the account */
    uint64_t of_mailbox; /* the last one that was looked at, */
    bool of_mailbox_ok;  /* and whether the caller may read its annotations */
};

static bool may_read_notes(struct noted *n, struct db *db, uint64_t mailbox_id, struct err *err)
{
    uint32_t rights;
    if (n->of_mailbox == mailbox_id)
        return true;
    TRY(acl_rights(n->access->account->store, db, mailbox_id, n->access->caller_id, &rights, err));
    n->of_mailbox = mailbox_id;
    n->of_mailbox_ok = (rights & RIGHT_LOOKUP) && (rights & NOTED_BY);
    return true;
}

/* Of another's only what is shared, and of no account. */
static bool is_shown(struct noted *n, struct db *db, const struct annotation *a, bool *ret,
                     struct err *err)
{
    *ret = !n->one_mailbox || a->mailbox_id == n->mailbox_id;
    if (!*ret || n->access->is_own)
        return true;
    *ret = a->mailbox_id != 0 && str_starts_with(a->name, STR("/shared/"));
    if (!*ret)
        return true;
    TRY(may_read_notes(n, db, a->mailbox_id, err));
    *ret = n->of_mailbox_ok;
    return true;
}

static bool add_notes(struct noted *n, struct db *db, const struct annotation_list *list,
                      struct arena *arena, Mailrail__AnnotationsReply *reply, struct err *err)
{
    reply->annotations = arena_new_array(arena, list->items.len, Mailrail__Annotation *);
    if (!reply->annotations)
        return reply_no_room(err);
    for (size_t i = 0; i < list->items.len; i++) {
        bool shown;
        TRY(is_shown(n, db, &list->items.items[i], &shown, err));
        if (!shown)
            continue;
        Mailrail__Annotation *a = reply_annotation(&list->items.items[i], arena);
        if (!a)
            return reply_no_room(err);
        reply->annotations[reply->n_annotations++] = a;
    }
    return true;
}

static bool annotations_snapshot(struct noted *n, struct db *db,
                                 const Mailrail__AnnotationsRequest *request,
                                 const struct granted *granted, struct arena *arena,
                                 Mailrail__AnnotationsReply *reply, struct err *err)
{
    struct mailbox m = {.id = 0};
    struct annotation_list list;
    struct str name = str_from_cstr(request->name);
    if (n->one_mailbox && !str_is_empty(name))
        TRY(mailbox_name_check(name, arena, &name, err) &&
            mailbox_by_name(db, name, arena, &m, err) &&
            mailbox_is_checked(&m, granted->mailbox_id, err));
    n->mailbox_id = m.id;
    TRY(annotations_read(db, request->since_modseq, arena, &list, err));
    reply->modseq = list.modseq;
    bool ok = add_notes(n, db, &list, arena, reply, err);
    annotations_release(&list);
    return ok;
}

static bool may_annotate(struct rpc_call *call, const struct access *access, const char *mailbox,
                         uint32_t some, struct granted *ret, struct err *err)
{
    *ret = (struct granted){.rights = RIGHTS_ALL};
    struct access_place place = {.name = str_from_cstr(mailbox)};
    if (place.name.len == 0) /* the account */
        return access_need_own(access, err);
    return access_need_any(access, place, some, call->arena, ret, err);
}

static bool annotations(struct rpc_call *call, const struct access *access,
                        const Mailrail__AnnotationsRequest *request,
                        Mailrail__AnnotationsReply *reply, struct err *err)
{
    struct db *db;
    struct granted granted = {.rights = RIGHTS_ALL};
    struct noted noted = {.access = access, .one_mailbox = request->one_mailbox};
    if (request->one_mailbox)
        TRY(may_annotate(call, access, request->name, NOTED_BY, &granted, err));
    TRY(account_read_begin(access->account, &db, err));
    bool ok = annotations_snapshot(&noted, db, request, &granted, call->arena, reply, err);
    account_read_end(access->account, db);
    return ok;
}
HANDLER(annotations, Mailrail__AnnotationsRequest, Mailrail__AnnotationsReply,
        MAILRAIL__ANNOTATIONS_REPLY__INIT)

static bool annotate_(struct rpc_call *call, const struct access *access,
                      const Mailrail__AnnotateRequest *request, Mailrail__AnnotateReply *reply,
                      struct err *err)
{
    struct granted granted;
    struct annotate op = {
        .mailbox = str_from_cstr(request->mailbox),
        .is_by_other = !access->is_own,
        .items = arena_new_array(call->arena, request->n_annotations, struct annotation)};
    if (!op.items)
        return reply_no_room(err);
    TRY(may_annotate(call, access, request->mailbox, RIGHT_WRITE, &granted, err));
    op.checked_id = granted.mailbox_id;
    for (size_t i = 0; i < request->n_annotations; i++) {
        const Mailrail__Annotation *in = request->annotations[i];
        if (!str_starts_with(str_from_cstr(in->name), STR("/shared/")))
            TRY(access_need_own(access, err));
        struct str value = in->value.len > 0 ? bytes_of(in->value) : STR("");
        op.items[op.count++] = (struct annotation){.name = str_from_cstr(in->name),
                                                   .value = in->removed ? STR_NULL : value,
                                                   .binary = in->binary};
    }
    TRY(door_check_key(request->key, err) &&
        annotate(access->account, bytes_of(request->key), &op, call->arena, err));
    reply->modseq = op.modseq;
    return true;
}
HANDLER(annotate_, Mailrail__AnnotateRequest, Mailrail__AnnotateReply,
        MAILRAIL__ANNOTATE_REPLY__INIT)

/* ---- Conversations */

static bool mark_thread(struct rpc_call *call, const struct access *access,
                        const Mailrail__MarkThreadRequest *request,
                        Mailrail__MarkThreadReply *reply, struct err *err)
{
    struct thread_marking op = {.mark = (enum thread_mark)request->mark,
                                .on = request->on,
                                .ids = request->id,
                                .count = request->n_id};
    if ((int)request->mark < 0 || (int)request->mark > THREAD_COLLAPSED)
        return err_set(err, ERR_SYNTAX, "unknown mark %d", (int)request->mark);
    if (op.count > IDS_MAX)
        return err_set(err, ERR_LIMIT, "%zu messages in one call", op.count);
    TRY(thread_mark(access->account, &op, call->arena, err));
    reply->changed = op.changed;
    return true;
}
OWN_HANDLER(mark_thread, Mailrail__MarkThreadRequest, Mailrail__MarkThreadReply,
            MAILRAIL__MARK_THREAD_REPLY__INIT)
