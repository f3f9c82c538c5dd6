#include "services/store/annotations.h"

#include "services/store/mailbox_name.h"

static bool set_one(struct change *c, uint64_t mailbox_id, const struct annotation *a,
                    struct err *err)
{
    struct db_query q = db_query(c->db, ANNOTATION_SET);
    db_bind_u64(&q, mailbox_id);
    db_bind_str(&q, a->name);
    db_bind_blob(&q, a->value);
    db_bind_i64(&q, a->binary);
    db_bind_u64(&q, change_modseq(c));
    return db_run(&q, err);
}

/* What all annotations of the account take. */
struct room {
    uint64_t count;
    uint64_t bytes;
};

static bool read_room(struct db *db, struct room *ret, struct err *err)
{
    struct db_query q = db_query(db, ANNOTATION_SUM);
    bool any = db_step(&q);
    *ret = (struct room){any ? db_column_u64(&q, 0) : 0, any ? db_column_u64(&q, 1) : 0};
    return db_done(&q, err);
}

static bool check_limits(struct change *c, struct err *err)
{
    struct room room;
    TRY(read_room(c->db, &room, err));
    if (room.count > ANNOTATIONS_MAX)
        return err_set(err, ERR_STATE, "more than %d annotations", ANNOTATIONS_MAX);
    return room.bytes <= ANNOTATIONS_BYTES_MAX ||
           err_set(err, ERR_LIMIT, "annotations of more than %d bytes", ANNOTATIONS_BYTES_MAX);
}

/* What does not grow is allowed above the bound too: the owner may have gone beyond it. */
static bool check_others(struct change *c, const struct room *before, struct err *err)
{
    struct room room;
    TRY(read_room(c->db, &room, err));
    bool too_many = room.count > before->count && room.count > ANNOTATIONS_BY_OTHERS_MAX;
    bool too_large = room.bytes > before->bytes && room.bytes > ANNOTATIONS_BYTES_BY_OTHERS_MAX;
    return !(too_many || too_large) ||
           err_set(err, ERR_STATE, "more annotations than others may add");
}

static bool raise_modseq(struct change *c, struct err *err)
{
    struct db_query q = db_query(c->db, ACCOUNT_RAISE_MODSEQ);
    db_bind_u64(&q, change_modseq(c));
    return db_run(&q, err);
}

static bool run(struct change *c, void *ctx, struct err *err)
{
    struct annotate *op = ctx;
    struct mailbox m = {.id = 0};
    struct room before;
    if (!str_is_empty(op->mailbox))
        TRY(mailbox_by_name(c->db, op->mailbox, c->arena, &m, err) &&
            mailbox_is_checked(&m, op->checked_id, err));
    TRY(read_room(c->db, &before, err));
    for (size_t i = 0; i < op->count; i++)
        TRY(set_one(c, m.id, &op->items[i], err));
    TRY(check_limits(c, err) && (!op->is_by_other || check_others(c, &before, err)));
    struct db_query q = db_query(c->db, ANNOTATION_FORGET);
    TRY(db_run(&q, err));
    c->annotations_changed = true;
    op->modseq = change_modseq(c);
    return m.id != 0 ? mailbox_touch(c, &m, err) : raise_modseq(c, err);
}

static void save(const void *ctx, struct buf *out)
{
    const struct annotate *op = ctx;
    wire_put_u64(out, op->modseq);
}

static void load(void *ctx, struct wire *w, struct arena *arena)
{
    (void)arena;
    struct annotate *op = ctx;
    op->modseq = wire_take_u64(w, "modseq");
}

static bool check_items(const struct annotate *op, struct err *err)
{
    if (op->count == 0 || op->count > ANNOTATIONS_MAX)
        return err_set(err, ERR_STATE, "%zu annotations in one call", op->count);
    for (size_t i = 0; i < op->count; i++)
        if (str_is_empty(op->items[i].name) || op->items[i].name.len > ANNOTATION_NAME_MAX)
            return err_set(err, ERR_SYNTAX, "name of %zu bytes", op->items[i].name.len);
    return true;
}

bool annotate(struct account *account, struct str key, struct annotate *op, struct arena *arena,
              struct err *err)
{
    static const struct change_type type = {.kind = 'n', .run = run, .save = save, .load = load};
    struct change_request request = {.type = &type, .op = op, .arena = arena, .key = key};
    TRY(check_items(op, err));
    if (!str_is_empty(op->mailbox))
        TRY(mailbox_name_check(op->mailbox, arena, &op->mailbox, err));
    return account_change(account, &request, err);
}

static bool read_highest(struct db *db, uint64_t *ret, struct err *err)
{
    struct db_query q = db_query(db, ANNOTATION_HIGHEST);
    *ret = db_step(&q) ? db_column_u64(&q, 0) : 0;
    return db_done(&q, err);
}

bool annotations_read(struct db *db, uint64_t since_modseq, struct arena *arena,
                      struct annotation_list *ret, struct err *err)
{
    *ret = (struct annotation_list){0};
    TRY(read_highest(db, &ret->modseq, err));
    struct db_query q = db_query(db, ANNOTATION_SINCE);
    db_bind_u64(&q, since_modseq);
    while (!arena->exhausted && db_step(&q)) {
        bool removed = db_column_is_null(&q, 3);
        struct annotation a = {.mailbox_id = db_column_u64(&q, 0),
                               .mailbox = db_column_copy(&q, 1, arena),
                               .name = db_column_copy(&q, 2, arena),
                               .value = removed ? STR_NULL : db_column_copy(&q, 3, arena),
                               .binary = db_column_i64(&q, 4) != 0,
                               .modseq = db_column_u64(&q, 5)};
        if (!removed && str_is_null(a.value))
            a.value = STR("");
        array_push(&ret->items, a);
    }
    if (db_done(&q, err) && !arena->exhausted)
        return true;
    if (arena->exhausted)
        err_set(err, ERR_LIMIT, "no room for the annotations");
    annotations_release(ret);
    return false;
}

void annotations_release(struct annotation_list *list)
{
    array_release(&list->items);
}

static bool is_noted(struct change *c, uint64_t mailbox_id, struct str name, bool *ret,
                     struct err *err)
{
    struct db_query q = db_query(c->db, ANNOTATION_HAS);
    db_bind_u64(&q, mailbox_id);
    db_bind_str(&q, name);
    *ret = db_step(&q);
    return db_done(&q, err);
}

bool annotation_add(struct change *c, uint64_t mailbox_id, const struct annotation *a,
                    enum annotation_added *ret, struct err *err)
{
    struct room room;
    bool is_there;
    *ret = ANNOTATION_IS_THERE;
    TRY(is_noted(c, mailbox_id, a->name, &is_there, err));
    if (is_there)
        return true;
    TRY(read_room(c->db, &room, err));
    *ret = ANNOTATION_NO_ROOM;
    if (room.count >= ANNOTATIONS_MAX ||
        room.bytes + a->name.len + a->value.len > ANNOTATIONS_BYTES_MAX)
        return true;
    *ret = ANNOTATION_ADDED;
    c->annotations_changed = true;
    return set_one(c, mailbox_id, a, err);
}

bool annotations_copy(struct change *c, uint64_t from, uint64_t to, struct err *err)
{
    struct db_query q = db_query(c->db, ANNOTATION_COPY);
    db_bind_u64(&q, from);
    db_bind_u64(&q, to);
    db_bind_u64(&q, change_modseq(c));
    TRY(db_run(&q, err));
    if (check_limits(c, err))
        return true;
    if (err->kind == ERR_STATE) /* which is said of the annotations of a call, not of its mailbox */
        err->kind = ERR_LIMIT;
    return false;
}

bool annotations_remove(struct change *c, uint64_t mailbox_id, struct err *err)
{
    struct db_query q = db_query(c->db, ANNOTATION_REMOVE_ALL);
    db_bind_u64(&q, mailbox_id);
    return db_run(&q, err);
}
