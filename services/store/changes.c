#include "services/store/changes.h"

#include "services/store/flags.h"

static bool count_rows(struct db *db, enum account_statement statement, const struct mailbox *m,
                       uint64_t since, size_t *ret_count, struct err *err)
{
    struct db_query q = db_query(db, statement);
    db_bind_u64(&q, m->id);
    db_bind_u64(&q, since);
    *ret_count = db_step(&q) ? (size_t)db_column_u64(&q, 0) : 0;
    return db_done(&q, err);
}

static bool make_columns(struct changes *c, size_t capacity, struct arena *arena)
{
    c->uid = arena_new_array(arena, capacity, uint32_t);
    c->id = arena_new_array(arena, capacity, uint64_t);
    c->modseq = arena_new_array(arena, capacity, uint64_t);
    c->createseq = arena_new_array(arena, capacity, uint64_t);
    c->flags = arena_new_array(arena, capacity, uint32_t);
    c->size = arena_new_array(arena, capacity, uint64_t);
    c->prefix_size = arena_new_array(arena, capacity, uint32_t);
    c->received_s = arena_new_array(arena, capacity, int64_t);
    c->saved_s = arena_new_array(arena, capacity, int64_t);
    return !arena->exhausted;
}

/* A column that most mailboxes do not need begins with the first message that has it. */
static void add_zone(struct changes *c, uint32_t zone, size_t capacity, struct arena *arena)
{
    if (!c->zone && zone != ENTRY_ZONE_UTC) {
        c->zone = arena_new_array(arena, capacity, uint32_t);
        for (size_t i = 0; c->zone && i < c->count; i++)
            c->zone[i] = ENTRY_ZONE_UTC;
    }
    if (c->zone)
        c->zone[c->count] = zone;
}

typedef ARRAY_OF(uint32_t) keyword_column;

static void add_keywords(struct changes *c, struct str indexes, size_t capacity,
                         keyword_column *column, struct arena *arena)
{
    if (!c->keyword_end && indexes.len > 0)
        c->keyword_end = arena_new_array(arena, capacity, uint32_t); /* zeroed: none before */
    for (size_t i = 0; i < keywords_count(indexes); i++)
        array_push(column, keywords_at(indexes, i));
    if (c->keyword_end)
        c->keyword_end[c->count] = (uint32_t)column->len;
}

static void add_row(struct changes *c, const struct entry *e, size_t capacity,
                    keyword_column *column, struct arena *arena)
{
    size_t i = c->count;
    c->uid[i] = c->last_uid = e->uid;
    c->id[i] = e->id;
    c->modseq[i] = e->modseq;
    c->createseq[i] = e->createseq;
    c->flags[i] = e->flags;
    c->size[i] = e->size;
    c->prefix_size[i] = e->prefix_size;
    c->received_s[i] = e->received_s;
    c->saved_s[i] = e->saved_s;
    add_zone(c, e->zone, capacity, arena);
    add_keywords(c, e->keywords, capacity, column, arena);
    c->count++;
}

/* The columns while they are filled. */
struct filling {
    struct changes *changes;
    size_t capacity;
    struct arena *arena;
    keyword_column keywords;
};

/* False when it is one too many. */
static bool fill(struct filling *f, const struct entry *e)
{
    f->changes->more = f->changes->count == f->capacity;
    if (!f->changes->more)
        add_row(f->changes, e, f->capacity, &f->keywords, f->arena);
    return !f->changes->more && !f->arena->exhausted;
}

static struct db_query query_entries(struct db *db, const struct changes_request *r,
                                     const struct changes *c, size_t limit)
{
    struct db_query q = db_query(db, r->since_modseq == 0 ? ENTRY_FROM : ENTRY_CHANGED);
    db_bind_u64(&q, c->mailbox.id);
    if (r->since_modseq != 0)
        db_bind_u64(&q, r->since_modseq);
    db_bind_u64(&q, r->from_uid);
    db_bind_u64(&q, limit);
    return q;
}

static bool scan_entries(struct db *db, const struct changes_request *r, struct filling *f,
                         struct err *err)
{
    struct entry e;
    bool go_on = true;
    struct db_query q = query_entries(db, r, f->changes, f->capacity + 1);
    while (go_on && db_step(&q)) {
        entry_read(&q, &e);
        go_on = fill(f, &e);
    }
    return db_done(&q, err);
}

/* Those of `uids` that changed; what is not there any more has vanished. */
static bool read_some(struct db *db, const struct changes_request *r, const struct uids *uids,
                      struct filling *f, struct err *err)
{
    struct entry e;
    bool found, go_on = true;
    for (size_t i = 0; i < uids->len && go_on; i++) {
        if (uids->items[i] <= r->from_uid)
            continue;
        TRY(entry_get(db, f->changes->mailbox.id, uids->items[i], f->arena, &e, &found, err));
        if (found && e.modseq > r->since_modseq)
            go_on = fill(f, &e);
    }
    return true;
}

static bool keep_keywords(struct filling *f)
{
    struct changes *c = f->changes;
    c->keyword_count = f->keywords.len;
    c->keyword_index = arena_new_array(f->arena, f->keywords.len, uint32_t);
    for (size_t i = 0; c->keyword_index && i < f->keywords.len; i++)
        c->keyword_index[i] = f->keywords.items[i];
    return !f->arena->exhausted;
}

/* `uids` of messages that may have changed; NULL: any. */
static bool read_entries(struct db *db, const struct changes_request *r, const struct uids *uids,
                         size_t capacity, struct arena *arena, struct changes *c, struct err *err)
{
    struct filling f = {.changes = c, .capacity = capacity, .arena = arena};
    if (!make_columns(c, capacity, arena))
        return err_set(err, ERR_LIMIT, "no room for %zu messages", capacity);
    bool ok = uids ? read_some(db, r, uids, &f, err) : scan_entries(db, r, &f, err);
    bool has_room = keep_keywords(&f);
    array_release(&f.keywords);
    return ok && (has_room || err_set(err, ERR_LIMIT, "no room for the changes"));
}

/* What vanished after `since`; with VANISHED_KNOWN only of the messages that were there then. */
static bool read_vanished(struct db *db, enum account_statement statement, uint64_t since,
                          struct arena *arena, struct changes *c, struct err *err)
{
    size_t count;
    TRY(count_rows(db, VANISHED_COUNT_SINCE, &c->mailbox, since, &count, err));
    c->vanished_uid = arena_new_array(arena, count, uint32_t);
    c->vanished_modseq = arena_new_array(arena, count, uint64_t);
    if (!c->vanished_uid || !c->vanished_modseq)
        return err_set(err, ERR_LIMIT, "no room for %zu expunged messages", count);
    struct db_query q = db_query(db, statement);
    db_bind_u64(&q, c->mailbox.id);
    db_bind_u64(&q, since);
    while (c->vanished_count < count && db_step(&q)) {
        c->vanished_uid[c->vanished_count] = (uint32_t)db_column_u64(&q, 0);
        c->vanished_modseq[c->vanished_count++] = db_column_u64(&q, 1);
    }
    return db_done(&q, err);
}

static bool read_purged(struct db *db, uint64_t *ret, struct err *err)
{
    struct db_query q = db_query(db, ACCOUNT_PURGED);
    int64_t purged = db_step(&q) ? db_column_i64(&q, 0) : 0;
    *ret = purged > 0 ? (uint64_t)purged : 0;
    return db_done(&q, err);
}

static bool find_mailbox(struct db *db, const struct changes_request *r, struct arena *arena,
                         struct changes *c, struct err *err)
{
    if (r->mailbox_id == 0)
        return mailbox_by_name(db, r->name, arena, &c->mailbox, err);
    if (mailbox_by_id(db, r->mailbox_id, arena, &c->mailbox, err))
        return true;
    c->gone = err->kind == ERR_NOT_FOUND;
    return c->gone;
}

static size_t at_most(const struct changes_request *r, size_t count)
{
    size_t limit = r->limit == 0 || r->limit > CHANGES_LIMIT ? CHANGES_LIMIT : r->limit;
    return count < limit ? count : limit;
}

static bool read_all(struct db *db, const struct changes_request *r, struct arena *arena,
                     struct changes *c, struct err *err)
{
    size_t count = (size_t)(c->mailbox.total + c->mailbox.deleted);
    return count == 0 || read_entries(db, r, NULL, at_most(r, count), arena, c, err);
}

static bool read_changed(struct account *account, struct db *db, const struct changes_request *r,
                         struct arena *arena, struct changes *c, struct err *err)
{
    struct uids uids;
    size_t count;
    if (change_log_uids(&account->changes, c->mailbox.id, r->since_modseq, arena, &uids))
        return uids.len == 0 || read_entries(db, r, &uids, at_most(r, uids.len), arena, c, err);
    TRY(count_rows(db, ENTRY_COUNT_CHANGED, &c->mailbox, r->since_modseq, &count, err));
    return count == 0 || read_entries(db, r, NULL, at_most(r, count), arena, c, err);
}

static bool read_snapshot(struct account *account, struct db *db, const struct changes_request *r,
                          struct arena *arena, struct changes *c, struct err *err)
{
    TRY(find_mailbox(db, r, arena, c, err));
    if (r->expunged_only)
        TRY(read_purged(db, &c->purged_modseq, err));
    if (c->gone || r->since_modseq >= c->mailbox.modseq)
        return true;
    if (r->expunged_only)
        return r->since_modseq == 0 ||
               read_vanished(db, VANISHED_SINCE, r->since_modseq, arena, c, err);
    if (r->since_modseq == 0) {
        TRY(r->as_of_modseq == 0 ||
            read_vanished(db, VANISHED_KNOWN, r->as_of_modseq, arena, c, err));
        return read_all(db, r, arena, c, err);
    }
    TRY(r->from_uid != 0 || read_vanished(db, VANISHED_SINCE, r->since_modseq, arena, c, err));
    return read_changed(account, db, r, arena, c, err);
}

bool changes_read(struct account *account, const struct changes_request *request,
                  struct arena *arena, struct changes *ret, struct err *err)
{
    struct db *db;
    *ret = (struct changes){.last_uid = request->from_uid};
    TRY(account_read_begin(account, &db, err));
    bool ok = read_snapshot(account, db, request, arena, ret, err);
    account_read_end(account, db);
    return ok;
}
