#include "tests/unit/services/imap/fake_backend_internal.h"

#include "common/mail/structure.h"
#include "common/service/layout.h"

#include <unistd.h>

/* What lies in a message, and damage done to it. */

bool backend_messages(struct backend *b, const struct backend_call *call,
                      const struct messages_query *query, struct message_row **ret_rows,
                      size_t *ret_count, struct err *err)
{
    struct fake_mailbox *m = fake_find_id(b, query->mailbox_id);
    if (!fake_is_here(b, call, err) || !fake_exists(m, err))
        return false;
    *ret_rows = arena_new_array(call->arena, query->count, struct message_row);
    *ret_count = 0;
    for (size_t i = 0; i < query->count; i++) {
        for (size_t k = 0; k < m->messages.len; k++) {
            const struct fake_message *from = &m->messages.items[k];
            if (from->id != query->ids[i])
                continue;
            struct message_row *row = &(*ret_rows)[(*ret_count)++];
            row->id = from->id;
            row->email_id = row->thread_id = from->email_id;
            if (query->prefix)
                row->prefix =
                    arena_copy(call->arena,
                               str_make(from->prefix, strlen(from->prefix) - from->prefix_is_cut));
            if (query->structure)
                row->structure =
                    structure_pick(buf_str(&from->structure), query->structure, call->arena);
        }
    }
    return true;
}

void fake_backend_lose(struct backend *b, unsigned others)
{
    b->takes_till_loss = others + 1;
}

/* What was asked is answered at once, and kept until somebody takes it. */
struct messages_asked {
    struct backend *backend;
    bool ok;
    struct err err;
    struct message_row *rows;
    size_t count;
};

struct messages_asked *backend_messages_ask(struct backend *b, const struct backend_call *call,
                                            const struct messages_query *query, struct err *err)
{
    (void)err;
    struct messages_asked *asked = xcalloc(1, sizeof(*asked));
    asked->backend = b;
    asked->ok = backend_messages(b, call, query, &asked->rows, &asked->count, &asked->err);
    return asked;
}

bool backend_messages_take(struct messages_asked *asked, struct arena *arena,
                           struct message_row **ret_rows, size_t *ret_count, struct err *err)
{
    (void)arena;
    bool ok = asked->ok;
    if (asked->backend->takes_till_loss > 0 && --asked->backend->takes_till_loss == 0)
        ok = err_set(&asked->err, ERR_TIMEOUT, "store is another one now");
    *ret_rows = asked->rows;
    *ret_count = asked->count;
    if (!ok)
        *err = asked->err;
    free(asked);
    return ok;
}

void backend_messages_abandon(struct messages_asked *asked)
{
    free(asked);
}

void fake_backend_damage_structure(struct backend *b, uint32_t uid)
{
    struct fake_message *m = fake_in_inbox(b, uid);
    buf_reset(&m->structure);
    buf_append(&m->structure, str_make("\xff\xff\xff\0", 4));
}

void fake_backend_damage_file(struct backend *b, uint32_t uid)
{
    const struct fake_message *m = fake_in_inbox(b, uid);
    struct layout_path path = layout_message(str_from_cstr(b->data), ACCOUNT, m->id);
    BUG_ON(truncate(path.text, (off_t)m->file_size - 1) < 0);
}

void fake_backend_damage_prefix(struct backend *b, uint32_t uid)
{
    struct fake_message *m = fake_in_inbox(b, uid);
    BUG_ON(m->prefix[0] == '\0');
    m->prefix_is_cut = true;
}
