#include "services/store/message.h"

#include "common/base/clock.h"
#include "common/mail/structure.h"
#include "services/store/message_files.h"
#include "services/store/network.h"
#include "services/store/thread.h"
#include "services/store/training.h"
#include "services/store/upgrade.h"

bool message_decode(struct new_message *n, struct arena *arena, struct err *err)
{
    if (str_is_empty(n->structure_bytes))
        return err_set(err, ERR_SYNTAX, "the message has no structure");
    if (structure_decode(n->structure_bytes, arena, &n->structure, err))
        return true;
    err->kind = ERR_SYNTAX;
    return err_wrap(err, "structure of the message");
}

unsigned message_tls_version(bool tls, struct str name)
{
    static const struct {
        struct str name;
        unsigned version;
    } versions[] = {
        {STR_INIT("TLSv1"), 0x0301},
        {STR_INIT("TLSv1.1"), 0x0302},
        {STR_INIT("TLSv1.2"), 0x0303},
        {STR_INIT("TLSv1.3"), 0x0304},
    };
    if (!tls)
        return 1;
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        if (str_eq(name, versions[i].name))
            return versions[i].version;
    }
    return 0;
}

static struct thread_keys keys_of(const struct new_message *n, uint64_t mailbox_id)
{
    const struct structure *s = n->structure;
    return (struct thread_keys){
        .message_id = s->message_id_canonical,
        .references = s->references_canonical,
        .reference_count = s->reference_count,
        .subject_base = s->subject_base,
        .subject_is_reply = s->subject_is_reply,
        .is_dsn = s->is_dsn,
        .received_s = n->received_s,
        .origin_mailbox_id = mailbox_id,
    };
}

/* Empty texts are NULL in the table: that is shorter, and "not known". */
static void bind_text(struct db_query *q, struct str text)
{
    db_bind_str(q, str_is_empty(text) ? STR_NULL : text);
}

static void bind_text_and_hash(struct db_query *q, struct str text)
{
    bind_text(q, text);
    if (str_is_empty(text))
        db_bind_null(q);
    else
        db_bind_i64(q, thread_hash(text));
}

static void bind_origin(struct db_query *q, const struct origin *o,
                        const struct network_masks *masks)
{
    bind_text(q, o->remote_ip);
    for (int i = 0; i < 3; i++)
        bind_text(q, str_from_cstr(masks->text[i]));
    bind_text(q, o->hello);
    bind_text(q, o->mail_from_localpart);
    bind_text(q, o->mail_from_domain);
    bind_text(q, o->rcpt_localpart);
    bind_text(q, o->rcpt_domain);
    bind_text(q, o->from_localpart);
    bind_text(q, o->from_domain);
    db_bind_u64(q, o->tls_version);
    bind_text(q, o->tls_cipher);
    db_bind_u64(q, o->requiretls);
}

static bool insert_row(struct change *c, const struct mailbox *m, const struct new_message *n,
                       const struct entry *e, const struct thread_place *t, struct err *err)
{
    static const struct origin none;
    const struct origin *origin = n->origin ? n->origin : &none;
    struct network_masks masks = network_masks_of(origin->remote_ip);
    struct db_query q = db_query(c->db, MESSAGE_ADD);
    db_bind_u64(&q, n->id);
    db_bind_u64(&q, m->id);
    db_bind_u64(&q, e->uid);
    db_bind_i64(&q, n->received_s);
    db_bind_u64(&q, origin->cid);
    db_bind_u64(&q, m->id);
    db_bind_u64(&q, n->structure->is_dsn);
    bind_origin(&q, origin, &masks);
    bind_text_and_hash(&q, n->structure->message_id_canonical);
    bind_text_and_hash(&q, n->structure->subject_base);
    db_bind_u64(&q, t->thread_id);
    db_bind_blob(&q, t->parents);
    db_bind_u64(&q, t->missing_link);
    db_bind_u64(&q, t->muted);
    db_bind_u64(&q, t->collapsed);
    db_bind_str(&q, n->structure->preview);
    db_bind_blob(&q, n->prefix.len > 0 ? n->prefix : STR_NULL);
    db_bind_blob(&q, n->structure_bytes);
    return db_run(&q, err);
}

static bool add_recipients_of(struct change *c, const struct new_message *n,
                              const struct address_entry *list, struct err *err)
{
    const struct envelope *envelope = n->structure->envelope;
    for (const struct address_entry *a = list; a; a = a->next) {
        if (str_is_empty(a->address.localpart) || str_is_empty(a->address.domain))
            continue;
        struct db_query q = db_query(c->db, RECIPIENT_ADD);
        db_bind_u64(&q, n->id);
        db_bind_str(&q, a->address.domain);
        db_bind_str(&q, a->address.localpart);
        db_bind_i64(&q, envelope->has_date ? envelope->date.time_s : n->received_s);
        TRY(db_run(&q, err));
    }
    return true;
}

/* Whom the account wrote to is known to it from now on. */
static bool add_recipients(struct change *c, const struct mailbox *m, const struct new_message *n,
                           struct err *err)
{
    const struct envelope *envelope = n->structure->envelope;
    if (!str_eq(m->special_use, STR("\\Sent")) || !envelope)
        return true;
    return add_recipients_of(c, n, envelope->to, err) &&
           add_recipients_of(c, n, envelope->cc, err) &&
           add_recipients_of(c, n, envelope->bcc, err);
}

bool message_add(struct change *c, struct mailbox *m, const struct new_message *n,
                 uint64_t quota_bytes, struct entry *ret, struct err *err)
{
    struct thread_keys keys = keys_of(n, m->id);
    struct thread_place thread;
    struct entry e = {
        .id = n->id,
        .size = n->prefix.len + n->text.size,
        .prefix_size = (uint32_t)n->prefix.len,
        .received_s = n->received_s,
        .saved_s = clock_wall_s(),
        .zone = n->zone,
    };
    TRY(change_use(c, e.size, quota_bytes, err));
    TRY(keywords_resolve(n->keywords, n->is_by_other, &m->keywords, c->arena, &e.keywords, err));
    TRY(thread_assign(c, n->id, &keys, &thread, err));
    e.flags = n->keeps_flags
                  ? n->flags
                  : junk_rules_apply(&c->account->junk_rules, m->name, m->special_use, n->flags);
    e.flags |= thread.muted && !n->stays_unseen ? FLAG_SEEN : 0;
    TRY(entry_add(c, m, &e, err) && insert_row(c, m, n, &e, &thread, err));
    TRY(upgrade_note_thread(c, n->id, err));
    TRY(training_note(c, n->id, 0, e.flags, err) && add_recipients(c, m, n, err));
    if (!n->is_named)
        change_sync_file(c, n->id);
    *ret = e;
    return true;
}
