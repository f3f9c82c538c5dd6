#include "services/store/deliver.h"

#include "services/store/mailbox_name.h"
#include "services/store/message_files.h"

#include <string.h>

static bool run(struct change *c, void *op, struct err *err)
{
    struct delivery *d = op;
    struct mailbox m;
    struct created created = {.len = 0};
    struct entry e;
    TRY(mailbox_ensure(c, d->mailbox, true, &created, &m, err));
    TRY(message_add(c, &m, &d->message, d->quota_bytes, &e, err));
    TRY(mailbox_save(c, &m, err));
    d->message_id = e.id;
    d->mailbox_id = m.id;
    d->uid = e.uid;
    d->modseq = e.modseq;
    return true;
}

static void save(const void *op, struct buf *out)
{
    const struct delivery *d = op;
    wire_put_u64(out, d->message_id);
    wire_put_u64(out, d->mailbox_id);
    wire_put_u64(out, d->uid);
    wire_put_u64(out, d->modseq);
}

static void load(void *op, struct wire *w, struct arena *arena)
{
    (void)arena;
    struct delivery *d = op;
    d->message_id = wire_take_u64(w, "message id");
    d->mailbox_id = wire_take_u64(w, "mailbox id");
    d->uid = (uint32_t)wire_take_u64(w, "uid");
    d->modseq = wire_take_u64(w, "modseq");
}

static const struct change_type delivery_type = {
    .kind = 'd', .run = run, .save = save, .load = load};

/* The call's key, and which of its recipients this is. */
static struct str delivery_key(const struct delivery *d, struct arena *arena)
{
    if (str_is_empty(d->key))
        return STR_NULL;
    const struct origin *o = d->message.origin;
    uint64_t hash = str_hash(d->mailbox);
    if (o)
        hash = hash * 31 + str_hash(o->rcpt_localpart) * 17 + str_hash(o->rcpt_domain);
    char *bytes = arena_alloc(arena, d->key.len + sizeof(hash));
    if (!bytes)
        return STR_NULL;
    memcpy(bytes, d->key.ptr, d->key.len);
    memcpy(bytes + d->key.len, &hash, sizeof(hash));
    return str_make(bytes, d->key.len + sizeof(hash));
}

bool deliver(struct account *account, struct delivery *d, struct arena *arena, struct err *err)
{
    TRY(mailbox_name_check(d->mailbox, arena, &d->mailbox, err));
    struct message_file file;
    TRY(message_file_make(account, &d->message.text, &file, err));
    d->message.id = file.id;
    d->message.is_named = file.is_ready;
    struct change_request request = {.type = &delivery_type,
                                     .op = d,
                                     .arena = arena,
                                     .key = delivery_key(d, arena),
                                     .first_file = file.id,
                                     .file_count = 1,
                                     .file_sync = &file.sync};
    bool ok = account_change(account, &request, err);
    message_file_close(&file);
    return ok;
}
