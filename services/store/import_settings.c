#include "services/store/import_settings.h"

/* ---- Special uses */

static bool refuse(struct change *c, struct import_settings *s, const struct mailbox *m,
                   struct str special_use, struct str holder, struct err *err)
{
    if (s->refused_count == IMPORT_SPECIAL_USES_MAX)
        return err_set(err, ERR_SYNTAX, "too many special uses");
    struct import_special_use *refused = &s->refused[s->refused_count++];
    *refused = (struct import_special_use){.mailbox = arena_copy(c->arena, m->name),
                                           .special_use = arena_copy(c->arena, special_use),
                                           .holder = holder};
    return !c->arena->exhausted || err_set(err, ERR_LIMIT, "too many mailboxes");
}

/* STR_NULL: nobody. */
static bool find_holder(struct change *c, struct str special_use, struct str *ret, struct err *err)
{
    struct db_query q = db_query(c->db, MAILBOX_BY_SPECIAL_USE);
    db_bind_str(&q, special_use);
    *ret = db_step(&q) ? db_column_copy(&q, 0, c->arena) : STR_NULL;
    return db_done(&q, err);
}

bool import_give_special_use(struct change *c, struct import_settings *s, struct mailbox *m,
                             struct str special_use, struct err *err)
{
    struct str holder;
    if (str_eq(m->special_use, special_use))
        return true;
    TRY(find_holder(c, special_use, &holder, err));
    if (!str_is_null(holder))
        return refuse(c, s, m, special_use, holder, err);
    if (!str_is_empty(m->special_use))
        return refuse(c, s, m, special_use, STR(""), err);
    m->special_use = arena_copy(c->arena, special_use);
    c->mailboxes_changed = true;
    struct db_query q = db_query(c->db, MAILBOX_SET_SPECIAL_USE);
    db_bind_u64(&q, m->id);
    db_bind_str(&q, special_use);
    return db_run(&q, err);
}

/* ---- Annotations */

bool import_annotate(struct change *c, struct import_settings *s, uint64_t mailbox_id,
                     const struct annotation *a, struct err *err)
{
    enum annotation_added added;
    TRY(annotation_add(c, mailbox_id, a, &added, err));
    s->annotations_left += added == ANNOTATION_NO_ROOM;
    if (added != ANNOTATION_ADDED || mailbox_id != 0)
        return true;
    struct db_query q = db_query(c->db, ACCOUNT_RAISE_MODSEQ);
    db_bind_u64(&q, change_modseq(c));
    return db_run(&q, err);
}

/* ---- Subscriptions */

static bool subscribe(struct change *c, struct str name, bool *is_changed, struct err *err)
{
    struct db_query q = db_query(c->db, SUBSCRIPTION_ADD);
    db_bind_str(&q, name);
    TRY(db_run(&q, err));
    *is_changed = *is_changed || db_changes(c->db) > 0;
    return true;
}

bool import_subscribe(struct change *c, const struct import_settings *s, struct err *err)
{
    bool is_changed = false;
    for (size_t i = 0; i < s->subscription_count; i++)
        TRY(subscribe(c, s->subscriptions[i], &is_changed, err));
    if (!is_changed)
        return true;
    c->mailboxes_changed = true;
    struct db_query q = db_query(c->db, ACCOUNT_RAISE_MODSEQ);
    db_bind_u64(&q, change_modseq(c));
    return db_run(&q, err);
}
