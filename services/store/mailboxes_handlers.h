#ifndef SERVICES_STORE_MAILBOXES_HANDLERS_H
#define SERVICES_STORE_MAILBOXES_HANDLERS_H

#include "common/bus/data.h"
#include "common/bus/rpc.h"
#include "proto/mailboxes.pb-c.h"
#include "services/store/access.h"
#include "services/store/changes.h"
#include "services/store/uids.h"

/*
 * What the files of the door `mailboxes` share. Each method is a function `METHOD(call, access,
 * request, reply, err)` and a handler that the macro HANDLER makes around it: token, account,
 * function, answer. What the caller may do is asked by the function.
 */

#define OWN_HANDLER(method, request_type, reply_type, reply_init)                                  \
    HANDLER_OF(method, 0, request_type, reply_type, reply_init)
#define HANDLER(method, request_type, reply_type, reply_init)                                      \
    HANDLER_OF(method, request->owner, request_type, reply_type, reply_init)
#define HANDLER_OF(method, owner, request_type, reply_type, ...)                                   \
    HANDLER_HEAD(method, request_type, reply_type)                                                 \
    {                                                                                              \
        (void)service;                                                                             \
        struct err err;                                                                            \
        struct access access;                                                                      \
        struct rpc_call *call = closure_data;                                                      \
        reply_type reply = __VA_ARGS__;                                                            \
        bool ok = access_open(call->user, bytes_of(request->token), owner, &access, &err) &&       \
                  method(call, &access, request, &reply, &err);                                    \
        access_close(&access);                                                                     \
        if (ok)                                                                                    \
            closure(&reply, closure_data);                                                         \
        else                                                                                       \
            rpc_fail(closure_data, &err);                                                          \
    }
#define HANDLER_HEAD(method, request_type, reply_type)                                             \
    void mailboxes_handle_##method(Mailrail__Mailboxes_Service *service,                           \
                                   const request_type *request, reply_type##_Closure closure,      \
                                   void *closure_data)

/* mailboxes_door.c */
HANDLER_HEAD(list, Mailrail__ListRequest, Mailrail__ListReply);
HANDLER_HEAD(pull, Mailrail__PullRequest, Mailrail__Changes);
HANDLER_HEAD(messages, Mailrail__MessagesRequest, Mailrail__MessagesReply);
HANDLER_HEAD(sort_keys, Mailrail__SortKeysRequest, Mailrail__SortKeysReply);
HANDLER_HEAD(search_text, Mailrail__SearchTextRequest, Mailrail__SearchTextReply);
HANDLER_HEAD(quota, Mailrail__QuotaRequest, Mailrail__QuotaReply);
HANDLER_HEAD(thread, Mailrail__ThreadRequest, Mailrail__ThreadReply);

/* mailboxes_change_door.c */
HANDLER_HEAD(create, Mailrail__CreateRequest, Mailrail__MailboxReply);
HANDLER_HEAD(delete, Mailrail__DeleteRequest, Mailrail__MailboxReply);
HANDLER_HEAD(rename_, Mailrail__RenameRequest, Mailrail__MailboxReply);
HANDLER_HEAD(subscribe, Mailrail__SubscribeRequest, Mailrail__MailboxReply);
HANDLER_HEAD(find_owner, Mailrail__FindOwnerRequest, Mailrail__FindOwnerReply);
HANDLER_HEAD(get_rights, Mailrail__GetRightsRequest, Mailrail__GetRightsReply);
HANDLER_HEAD(set_rights, Mailrail__SetRightsRequest, Mailrail__Empty);
HANDLER_HEAD(annotate_, Mailrail__AnnotateRequest, Mailrail__AnnotateReply);
HANDLER_HEAD(mark_thread, Mailrail__MarkThreadRequest, Mailrail__MarkThreadReply);
HANDLER_HEAD(annotations, Mailrail__AnnotationsRequest, Mailrail__AnnotationsReply);

/* mailboxes_message_door.c */
HANDLER_HEAD(check_append, Mailrail__CheckAppendRequest, Mailrail__CheckAppendReply);
HANDLER_HEAD(append_, Mailrail__AppendRequest, Mailrail__AppendReply);
HANDLER_HEAD(store_flags_, Mailrail__StoreFlagsRequest, Mailrail__StoreFlagsReply);
HANDLER_HEAD(copy, Mailrail__CopyRequest, Mailrail__CopyReply);
HANDLER_HEAD(move, Mailrail__CopyRequest, Mailrail__CopyReply);
HANDLER_HEAD(expunge_, Mailrail__ExpungeRequest, Mailrail__ExpungeReply);

/* ---- Checks and answers of more than one method */

#define IDS_MAX 100000

/* An empty key: the caller will not repeat the call. */
bool door_check_key(ProtobufCBinaryData key, struct err *err) MUST_USE;
bool door_check_uids(uint32_t *items, size_t len, struct uids *ret, struct err *err) MUST_USE;
/* Has the caller this right to the mailbox? */
bool door_need(struct rpc_call *call, const struct access *access, uint64_t mailbox_id,
               uint32_t right, struct err *err) MUST_USE;
/* The same of a mailbox that is named: which it is, and what else he may do with it. */
bool door_need_named(struct rpc_call *call, const struct access *access, const char *name,
                     uint32_t right, struct granted *ret, struct err *err) MUST_USE;
/* As a part of a reply. */
bool door_reply_changes(struct rpc_call *call, const struct changes *changes,
                        Mailrail__Changes **ret, struct err *err) MUST_USE;
/* What the caller's view of a mailbox lacks; nothing when it has no view (`since_modseq` 0). */
bool door_add_changes(struct rpc_call *call, struct account *account, uint64_t mailbox_id,
                      uint64_t since_modseq, Mailrail__Changes **ret, struct err *err) MUST_USE;

#endif
