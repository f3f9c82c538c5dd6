#include "tests/unit/services/imap/fake_backend_internal.h"

bool backend_annotations(struct backend *b, const struct backend_call *call,
                         const struct annotation_query *query, const struct annotation **ret,
                         size_t *ret_count, uint64_t *ret_modseq, struct err *err)
{
    struct fake_mailbox *only = query->mailbox.len > 0 ? fake_find(b, query->mailbox) : NULL;
    struct annotation *all =
        arena_new_array(call->arena, b->annotations.len + 1, struct annotation);
    if (!fake_is_here(b, call, err) || (query->mailbox.len > 0 && !fake_exists(only, err)))
        return false;
    *ret = all;
    *ret_count = 0;
    *ret_modseq = b->modseq;
    for (size_t i = 0; i < b->annotations.len; i++) {
        const struct fake_annotation *a = &b->annotations.items[i];
        if ((query->one_mailbox && a->mailbox_id != (only ? only->id : 0)) ||
            a->modseq <= query->since_modseq || (a->removed && query->since_modseq == 0))
            continue;
        const struct fake_mailbox *m = fake_find_id(b, a->mailbox_id);
        all[(*ret_count)++] =
            (struct annotation){.mailbox_id = a->mailbox_id,
                                .mailbox = m ? str_from_cstr(m->name) : STR(""),
                                .name = str_from_cstr(a->name),
                                .value = a->removed ? STR_NULL : str_make(a->value, a->size),
                                .binary = a->binary,
                                .modseq = a->modseq};
    }
    return true;
}

static struct fake_annotation *find_annotation(struct backend *b, uint64_t mailbox_id,
                                               struct str name)
{
    for (size_t i = 0; i < b->annotations.len; i++)
        if (b->annotations.items[i].mailbox_id == mailbox_id &&
            str_eq(str_from_cstr(b->annotations.items[i].name), name))
            return &b->annotations.items[i];
    struct fake_annotation new = {.mailbox_id = mailbox_id};
    BUG_ON(!str_copy_cstr(name, new.name, sizeof(new.name)));
    array_push(&b->annotations, new);
    return &array_last(&b->annotations);
}

bool backend_annotate(struct backend *b, const struct backend_call *call, struct str mailbox,
                      const struct annotation *items, size_t count, uint64_t *ret_modseq,
                      struct err *err)
{
    struct fake_mailbox *m = mailbox.len > 0 ? fake_find(b, mailbox) : NULL;
    if (!fake_is_here(b, call, err) || (mailbox.len > 0 && !fake_exists(m, err)))
        return false;
    if (count > 0 && items[0].value.len > sizeof(b->annotations.items->value))
        return err_set(err, ERR_LIMIT, "too large");
    b->modseq++;
    for (size_t i = 0; i < count; i++) {
        struct fake_annotation *a = find_annotation(b, m ? m->id : 0, items[i].name);
        a->removed = str_is_null(items[i].value);
        a->binary = items[i].binary;
        a->size = items[i].value.len;
        if (a->size > 0)
            memcpy(a->value, items[i].value.ptr, a->size);
        a->modseq = b->modseq;
    }
    *ret_modseq = b->modseq;
    if (m)
        m->modseq = b->modseq;
    struct backend_event event = {ACCOUNT, b->modseq, m ? &m->id : NULL, m ? 1 : 0,
                                  .annotations_changed = true};
    if (b->events.changed)
        b->events.changed(b->events.user, &event);
    return true;
}
