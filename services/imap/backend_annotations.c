#include "services/imap/backend_internal.h"

bool backend_annotations(struct backend *b, const struct backend_call *call,
                         const struct annotation_query *query, const struct annotation **ret,
                         size_t *ret_count, uint64_t *ret_modseq, struct err *err)
{
    Mailrail__AnnotationsRequest request = MAILRAIL__ANNOTATIONS_REQUEST__INIT;
    request.token = data_of(call->token);
    request.owner = call->owner;
    request.one_mailbox = query->one_mailbox;
    request.since_modseq = query->since_modseq;
    TRY(wire_text(call->arena, query->mailbox, &request.name, err));
    ProtobufCMessage *message;
    TRY(backend_ask(b, call, "Annotations", &request.base, &message, err));
    const Mailrail__AnnotationsReply *reply = (const Mailrail__AnnotationsReply *)message;
    struct annotation *all =
        arena_new_array(call->arena, reply->n_annotations + 1, struct annotation);
    if (!all)
        return err_set(err, ERR_LIMIT, "too many annotations");
    for (size_t i = 0; i < reply->n_annotations; i++) {
        const Mailrail__Annotation *a = reply->annotations[i];
        struct str value = a->value.len > 0 ? bytes_of(a->value) : STR("");
        all[i] = (struct annotation){.mailbox_id = a->mailbox_id,
                                     .mailbox = str_from_cstr(a->mailbox),
                                     .name = str_from_cstr(a->name),
                                     .value = a->removed ? STR_NULL : value,
                                     .binary = a->binary,
                                     .modseq = a->modseq};
    }
    *ret = all;
    *ret_count = reply->n_annotations;
    *ret_modseq = reply->modseq;
    return true;
}

bool backend_annotate(struct backend *b, const struct backend_call *call, struct str mailbox,
                      const struct annotation *items, size_t count, uint64_t *ret_modseq,
                      struct err *err)
{
    struct wire_key key;
    Mailrail__AnnotateRequest request = MAILRAIL__ANNOTATE_REQUEST__INIT;
    request.token = data_of(call->token);
    request.owner = call->owner;
    request.key = wire_key(&key);
    TRY(wire_text(call->arena, mailbox, &request.mailbox, err));
    Mailrail__Annotation *all = arena_new_array(call->arena, count, Mailrail__Annotation);
    request.annotations = arena_new_array(call->arena, count, Mailrail__Annotation *);
    if (!all || !request.annotations)
        return err_set(err, ERR_LIMIT, "too many annotations");
    for (size_t i = 0; i < count; i++) {
        mailrail__annotation__init(&all[i]);
        TRY(wire_text(call->arena, items[i].name, &all[i].name, err));
        all[i].value = data_of(items[i].value);
        all[i].removed = str_is_null(items[i].value);
        all[i].binary = items[i].binary;
        request.annotations[request.n_annotations++] = &all[i];
    }
    ProtobufCMessage *message;
    TRY(backend_change(b, call, "Annotate", &request.base, &message, err));
    *ret_modseq = ((const Mailrail__AnnotateReply *)message)->modseq;
    return true;
}
