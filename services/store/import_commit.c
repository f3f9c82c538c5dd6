#include "services/store/import.h"

#include "common/base/map.h"
#include "common/sys/file.h"
#include "services/store/import_sql.h"
#include "services/store/message_files.h"
#include "services/store/upgrade.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The commit of an import: links all files to the message tree, outside of the change, and writes
 * all rows inside. Memory does not grow with the number of messages but for a number each.
 */

#define SCRATCH_MAX (64u << 20)

struct committing {
    struct import_commit *op;
    struct db *staging;
    uint64_t *order; /* sequence numbers; message i gets id first_id + i */
    uint64_t first_id;
    /* In the change. */
    struct map targets;   /* name -> struct mailbox, in the change's arena; saved at the end */
    struct arena scratch; /* of one message */
};

/* ---- The result */

static void save_settings(const struct import_settings *s, struct buf *out)
{
    wire_put_u64(out, s->annotations_left);
    wire_put_u8(out, (uint8_t)s->refused_count);
    for (size_t i = 0; i < s->refused_count; i++) {
        wire_put_str16(out, s->refused[i].mailbox);
        wire_put_str16(out, s->refused[i].special_use);
        wire_put_str16(out, s->refused[i].holder);
    }
}

static void load_settings(struct import_settings *s, struct wire *w)
{
    s->annotations_left = wire_take_u64(w, "annotations");
    size_t count = wire_take_u8(w, "number of special uses");
    if (count > IMPORT_SPECIAL_USES_MAX)
        wire_fail(w, "number of special uses");
    for (s->refused_count = 0; !wire_failed(w) && s->refused_count < count; s->refused_count++) {
        struct import_special_use *refused = &s->refused[s->refused_count];
        refused->mailbox = wire_take_str16(w, "mailbox");
        refused->special_use = wire_take_str16(w, "special use");
        refused->holder = wire_take_str16(w, "mailbox");
    }
}

static void save(const void *ctx, struct buf *out)
{
    const struct committing *m = ctx;
    wire_put_u64(out, m->op->messages);
    wire_put_u64(out, m->op->modseq);
    wire_put_u8(out, (uint8_t)m->op->created.len);
    for (size_t i = 0; i < m->op->created.len; i++)
        wire_put_str16(out, m->op->created.items[i]);
    save_settings(&m->op->settings, out);
}

static void load_result(struct import_commit *op, struct wire *w)
{
    op->messages = wire_take_u64(w, "messages");
    op->modseq = wire_take_u64(w, "modseq");
    size_t count = wire_take_u8(w, "number of names");
    if (count > ARRAY_LEN(op->created.items))
        wire_fail(w, "number of names");
    for (op->created.len = 0; !wire_failed(w) && op->created.len < count; op->created.len++)
        op->created.items[op->created.len] = wire_take_str16(w, "name");
    if (wire_left(w) > 0) /* results of earlier versions end here */
        load_settings(&op->settings, w);
}

static void load(void *ctx, struct wire *w, struct arena *arena)
{
    (void)arena;
    struct committing *m = ctx;
    load_result(m->op, w);
}

#define KIND 'I'

bool import_find_result(struct account *account, struct str key, struct arena *arena,
                        struct import_commit *op, bool *ret_found, struct err *err)
{
    struct db *db;
    struct str saved = STR_NULL;
    TRY(account_read_begin(account, &db, err));
    struct db_query q = db_query(db, DONE_FIND);
    db_bind_blob(&q, key);
    if (db_step(&q))
        saved = db_column_copy(&q, 0, arena);
    bool ok = db_done(&q, err);
    account_read_end(account, db);
    *ret_found = ok && !str_is_null(saved);
    if (!*ret_found)
        return ok;
    struct wire w = wire_init(saved);
    if (wire_take_u8(&w, "kind of call") != KIND)
        return err_set(err, ERR_CONFLICT, "the key was used for another kind of call");
    load_result(op, &w);
    return wire_finish(&w, err);
}

/* ---- Rows */

static void note_created(struct import_commit *op, const struct created *created)
{
    for (size_t i = 0; i < created->len && op->created.len < ARRAY_LEN(op->created.items); i++)
        op->created.items[op->created.len++] = created->items[i];
}

static bool find_target(struct change *c, struct committing *m, struct str name,
                        struct mailbox **ret, struct err *err)
{
    struct created created = {.len = 0};
    *ret = map_get(&m->targets, name);
    if (*ret)
        return true;
    struct str copy = arena_copy(c->arena, name);
    struct mailbox *target = arena_new(c->arena, struct mailbox);
    if (str_is_null(copy) || !target)
        return err_set(err, ERR_LIMIT, "too many mailboxes");
    TRY(mailbox_ensure(c, copy, !m->op->is_restore, &created, target, err));
    note_created(m->op, &created);
    map_put(&m->targets, copy, target);
    *ret = target;
    return true;
}

static bool split_keywords(struct str text, struct arena *arena, struct keywords *ret,
                           struct err *err)
{
    struct str *items = arena_new_array(arena, KEYWORDS_PER_MESSAGE_MAX, struct str);
    size_t len = 0;
    if (!items)
        return err_set(err, ERR_LIMIT, "no room for keywords");
    while (!str_is_empty(text) && len < KEYWORDS_PER_MESSAGE_MAX)
        str_cut(text, ' ', &items[len++], &text);
    *ret = (struct keywords){items, len};
    return true;
}

/* In scratch. */
static bool read_item(struct committing *m, uint64_t sequence, struct new_message *ret,
                      struct str *ret_mailbox, struct err *err)
{
    struct str keywords = STR_NULL;
    struct origin *origin = arena_new(&m->scratch, struct origin);
    if (!origin)
        return err_set(err, ERR_LIMIT, "no room for a message");
    struct db_query q = db_query(m->staging, ITEM_READ);
    db_bind_u64(&q, sequence);
    *ret = (struct new_message){.zone = ENTRY_ZONE_UTC,
                                .stays_unseen = true,
                                .keeps_flags = m->op->keeps_flags,
                                .origin = origin};
    *ret_mailbox = STR_NULL;
    if (db_step(&q)) {
        *ret_mailbox = db_column_copy(&q, 0, &m->scratch);
        ret->text.size = db_column_u64(&q, 1);
        ret->flags = (uint32_t)db_column_u64(&q, 2);
        keywords = db_column_copy(&q, 3, &m->scratch);
        ret->received_s = db_column_i64(&q, 4);
        ret->structure_bytes = db_column_copy(&q, 5, &m->scratch);
        origin->mail_from_localpart = db_column_copy(&q, 6, &m->scratch);
        origin->mail_from_domain = db_column_copy(&q, 7, &m->scratch);
    }
    TRY(db_done(&q, err));
    if (str_is_null(*ret_mailbox))
        return err_set(err, ERR_CORRUPT, "message %" PRIu64 " of the import has no row", sequence);
    return split_keywords(keywords, &m->scratch, &ret->keywords, err) &&
           message_decode(ret, &m->scratch, err);
}

/* What message_add puts into the change's arena is of one message, but for the mailbox's list of
 * keywords. */
static bool add_message(struct change *c, struct committing *m, size_t i, struct err *err)
{
    struct new_message message;
    struct str mailbox;
    struct mailbox *target;
    struct entry entry;
    arena_reset(&m->scratch);
    TRY(read_item(m, m->order[i], &message, &mailbox, err));
    TRY(find_target(c, m, mailbox, &target, err));
    message.id = m->first_id + i;
    struct arena *arena = c->arena;
    const char *keywords = target->keywords.ptr;
    c->arena = &m->scratch;
    bool ok = message_add(c, target, &message, m->op->quota_bytes, &entry, err);
    c->arena = arena;
    if (target->keywords.ptr != keywords)
        target->keywords = arena_copy(arena, target->keywords);
    if (ok && arena->exhausted)
        ok = err_set(err, ERR_LIMIT, "too many keywords");
    return ok || err_wrap(err, "message %" PRIu64, m->order[i]);
}

static bool save_targets(struct change *c, struct committing *m, struct err *err)
{
    size_t at = 0;
    for (struct map_entry *e; (e = map_next(&m->targets, &at));)
        TRY(mailbox_save(c, e->value, err));
    return true;
}

/* Before the messages: some of them are marked by the use of their mailbox. */
static bool give_special_uses(struct change *c, struct committing *m, struct err *err)
{
    struct import_settings *s = &m->op->settings;
    struct mailbox *target;
    s->refused_count = 0;
    for (size_t i = 0; i < s->special_use_count; i++) {
        TRY(find_target(c, m, s->special_uses[i].mailbox, &target, err));
        TRY(import_give_special_use(c, s, target, s->special_uses[i].special_use, err));
    }
    return true;
}

static bool add_annotations(struct change *c, struct committing *m, struct err *err)
{
    struct import_settings *s = &m->op->settings;
    struct mailbox account = {.id = 0};
    struct mailbox *target = &account;
    s->annotations_left = 0;
    for (size_t i = 0; i < s->annotation_count; i++) {
        const struct annotation *a = &s->annotations[i];
        if (str_is_empty(a->mailbox))
            target = &account;
        else
            TRY(find_target(c, m, a->mailbox, &target, err));
        TRY(import_annotate(c, s, target->id, a, err));
    }
    return true;
}

static bool add_all(struct change *c, struct committing *m, struct err *err)
{
    struct mailbox *target;
    for (size_t i = 0; i < m->op->mailbox_count; i++)
        TRY(find_target(c, m, m->op->mailboxes[i], &target, err));
    TRY(give_special_uses(c, m, err));
    for (size_t i = 0; i < m->op->messages; i++)
        TRY(add_message(c, m, i, err));
    TRY(add_annotations(c, m, err) && import_subscribe(c, &m->op->settings, err));
    return (m->op->messages == 0 || rethread_since(c, m->first_id, err)) && save_targets(c, m, err);
}

static bool run(struct change *c, void *ctx, struct err *err)
{
    struct committing *m = ctx;
    m->op->created.len = 0;
    map_init(&m->targets);
    arena_init(&m->scratch, SCRATCH_MAX);
    bool ok = add_all(c, m, err);
    m->op->modseq = c->modseq;
    arena_release(&m->scratch);
    map_release(&m->targets);
    return ok;
}

/* ---- Files */

static bool read_order(struct committing *m, struct err *err)
{
    size_t len = 0;
    struct db_query q = db_query(m->staging, ITEM_ORDER);
    m->order = xcalloc(m->op->messages + 1, sizeof(*m->order));
    while (db_step(&q) && len < m->op->messages)
        m->order[len++] = db_column_u64(&q, 0);
    TRY(db_done(&q, err));
    return len == m->op->messages || err_set(err, ERR_CORRUPT, "rows of the import are missing");
}

static bool link_files(struct account *account, struct str key, const struct committing *m,
                       struct err *err)
{
    struct layout_path directory = import_path(account, key);
    char from[LAYOUT_PATH_MAX + 32];
    for (size_t i = 0; i < m->op->messages; i++) {
        snprintf(from, sizeof(from), "%s/%" PRIu64, directory.text, m->order[i]);
        TRY(file_link_or_copy(from, account_message_path(account, m->first_id + i).text, err));
    }
    return true;
}

static bool change_account(struct account *account, struct str key, struct committing *m,
                           struct arena *arena, struct err *err)
{
    static const struct change_type type = {.kind = KIND, .run = run, .save = save, .load = load};
    struct change_request request = {.type = &type, .op = m, .arena = arena, .key = key};
    if (m->op->messages == 0)
        return account_change(account, &request, err);
    TRY(account_take_ids(account, m->op->messages, &m->first_id, err));
    request.first_file = m->first_id;
    request.file_count = m->op->messages;
    if (link_files(account, key, m, err))
        return account_change(account, &request, err);
    account_drop_ids(account, m->first_id, m->op->messages);
    return false;
}

static bool commit_staged(struct account *account, struct str key, struct import_commit *op,
                          struct arena *arena, struct err *err)
{
    struct committing m = {.op = op, .staging = import_open(account, key, err)};
    struct import_state state;
    bool ok = m.staging && import_read_state(m.staging, &state, err);
    if (ok && state.messages != op->messages)
        ok = err_set(err, ERR_STATE, "%" PRIu64 " messages are here, not %" PRIu64, state.messages,
                     op->messages);
    ok = ok && read_order(&m, err) && change_account(account, key, &m, arena, err);
    free(m.order);
    db_close(m.staging);
    return ok;
}

/* The messages are there: what cannot be removed now goes when nobody touched it for a day. */
static void clear(struct account *account, struct str key)
{
    struct err err;
    if (!import_remove(import_path(account, key).text, &err))
        log_warn(&account->store->log, "cannot remove a finished import",
                 LOG_U64("account", account->id), LOG_ERR(&err));
}

bool import_commit(struct account *account, struct str key, struct import_commit *op,
                   struct arena *arena, struct err *err)
{
    bool is_done = false;
    pthread_mutex_lock(&account->import_lock);
    bool ok = import_find_result(account, key, arena, op, &is_done, err) &&
              (is_done || commit_staged(account, key, op, arena, err));
    if (ok)
        clear(account, key);
    pthread_mutex_unlock(&account->import_lock);
    return ok;
}
