#include "services/store/upgrade.h"

#include "common/base/array.h"
#include "common/mail/structure.h"
#include "services/store/thread.h"

#include <inttypes.h>
#include <stdlib.h>

/*
 * Threads of messages that are there already (spec 20 1.18, bulk assignment), in two rounds:
 *
 *   NONE -> KEYS   message-ids and subjects, by which messages find each other, from structures
 *   KEYS -> DONE   each message that is listed in `unthreaded` finds its thread, as at delivery
 *
 * A parent that is itself listed goes first, so the order does not matter. Where parents go round
 * in a circle, the message at which the circle was entered becomes a root with a missing link.
 *
 * An import does the second round for its own messages, in its change (rethread_since).
 */

#define SCRATCH_MAX (32u << 20)
#define DEPTH_MAX                                                                                  \
    1000 /* parents that wait for their parents; beyond, they are taken as they are                \
          */

/* ---- Keys */

struct key_row {
    uint64_t id;
    struct str message_id;
    struct str subject;
    bool is_dsn;
};

struct key_step {
    struct upgrade_step *step;
    struct key_row rows[UPGRADE_BATCH];
    size_t count;
    struct arena arena;
};

static bool read_keys(struct account *account, struct db_query *q, struct key_step *s,
                      struct job *job)
{
    struct err err;
    struct arena scratch;
    const struct structure *structure;
    struct key_row *row = &s->rows[s->count++];
    *row = (struct key_row){.id = db_column_u64(q, 0)};
    arena_init(&scratch, STRUCTURE_ARENA_SIZE);
    if (structure_decode(db_column_str(q, 1), &scratch, &structure, &err)) {
        row->message_id = arena_copy(&s->arena, structure->message_id_canonical);
        row->subject = arena_copy(&s->arena, structure->subject_base);
        row->is_dsn = structure->is_dsn;
    } else {
        s->step->failed++;
        job_error(job, "account %" PRIu64 ": message %" PRIu64 ": %s", account->id, row->id,
                  err.detail);
    }
    arena_release(&scratch);
    return s->arena.used < SCRATCH_MAX / 2;
}

static bool list_keys(struct account *account, struct key_step *s, struct job *job, struct err *err)
{
    struct db *db;
    TRY(account_read_begin(account, &db, err));
    struct db_query q = db_query(db, MESSAGE_STRUCTURES_AFTER);
    db_bind_u64(&q, s->step->state.at);
    db_bind_u64(&q, UPGRADE_BATCH);
    bool has_room = true;
    while (has_room && s->count < UPGRADE_BATCH && db_step(&q))
        has_room = read_keys(account, &q, s, job);
    bool ok = db_done(&q, err);
    account_read_end(account, db);
    return ok;
}

/* Empty texts are NULL in the table. */
static void bind_key(struct db_query *q, struct str text)
{
    db_bind_str(q, str_is_empty(text) ? STR_NULL : text);
    if (str_is_empty(text))
        db_bind_null(q);
    else
        db_bind_i64(q, thread_hash(text));
}

static bool write_keys(struct change *c, void *ctx, struct err *err)
{
    struct key_step *s = ctx;
    for (size_t i = 0; i < s->count; i++) {
        struct db_query q = db_query(c->db, MESSAGE_SET_KEYS);
        db_bind_u64(&q, s->rows[i].id);
        bind_key(&q, s->rows[i].message_id);
        bind_key(&q, s->rows[i].subject);
        db_bind_u64(&q, s->rows[i].is_dsn);
        TRY(db_run(&q, err));
    }
    struct upgrade_state next = {UPGRADE_THREADS_KEYS, 0};
    if (s->count > 0) {
        next = (struct upgrade_state){UPGRADE_THREADS_NONE, s->rows[s->count - 1].id};
    } else {
        struct db_query q = db_query(c->db, UNTHREADED_FILL);
        TRY(db_run(&q, err));
    }
    return upgrade_save(c->db, UPGRADE_THREADS, &next, err);
}

static bool find_keys(struct account *account, struct upgrade_step *step, struct job *job,
                      struct err *err)
{
    static const struct change_type type = {.run = write_keys};
    struct key_step *s = xcalloc(1, sizeof(*s));
    s->step = step;
    arena_init(&s->arena, SCRATCH_MAX);
    struct change_request request = {.type = &type, .op = s, .arena = &s->arena};
    bool ok = list_keys(account, s, job, err) && account_change(account, &request, err);
    arena_release(&s->arena);
    free(s);
    return ok;
}

/* ---- Threads */

/* A message whose thread is being looked for. */
struct pending {
    uint64_t id;
    bool is_root; /* one that waits for it has it as its parent */
};

struct walk {
    uint64_t done;                 /* messages that have their thread */
    ARRAY_OF(struct pending) path; /* each waits for the next */
};

static bool save_place(struct change *c, uint64_t id, const struct thread_place *place,
                       struct err *err)
{
    struct db_query q = db_query(c->db, MESSAGE_SET_THREAD);
    db_bind_u64(&q, id);
    db_bind_u64(&q, place->thread_id);
    db_bind_blob(&q, place->parents);
    db_bind_u64(&q, place->missing_link);
    return db_run(&q, err);
}

static bool is_unthreaded(struct change *c, uint64_t id, bool *ret, struct err *err)
{
    struct db_query q = db_query(c->db, UNTHREADED_HAS);
    db_bind_u64(&q, id);
    *ret = db_step(&q);
    return db_done(&q, err);
}

/* As at delivery, when only older messages were there; but those that it names may have come later.
 * A message without row was erased meanwhile, and has no thread. */
static bool find_place(struct change *c, uint64_t id, struct thread_place *ret, struct err *err)
{
    struct str bytes = STR_NULL;
    const struct structure *s = NULL;
    struct thread_keys keys = {.before_id = id};
    struct db_query q = db_query(c->db, MESSAGE_TO_THREAD);
    db_bind_u64(&q, id);
    *ret = (struct thread_place){.thread_id = id};
    if (db_step(&q)) {
        bytes = db_column_copy(&q, 0, c->arena);
        keys.is_dsn = db_column_u64(&q, 1) != 0;
        keys.received_s = db_column_i64(&q, 2);
        keys.origin_mailbox_id = db_column_u64(&q, 3);
    }
    TRY(db_done(&q, err));
    if (str_is_null(bytes) || !structure_decode_pieces(bytes, STRUCTURE_HEAD, c->arena, &s, err))
        return true; /* it stays alone; the first round said why */
    keys.message_id = s->message_id_canonical;
    keys.references = s->references_canonical;
    keys.reference_count = s->reference_count;
    keys.subject_base = s->subject_base;
    keys.subject_is_reply = s->subject_is_reply;
    return thread_assign(c, id, &keys, ret, err);
}

static struct pending *find_on_path(struct walk *w, uint64_t id)
{
    for (size_t i = 0; i < w->path.len; i++) {
        if (w->path.items[i].id == id)
            return &w->path.items[i];
    }
    return NULL;
}

/* The last of the path gets its place, unless its parent must get one before. */
static bool advance(struct change *c, struct walk *w, struct err *err)
{
    struct pending last = w->path.items[w->path.len - 1];
    struct thread_place place;
    bool waits = false;
    if (!last.is_root) {
        TRY(find_place(c, last.id, &place, err));
        uint64_t parent = str_is_empty(place.parents) ? 0 : thread_parent_at(place.parents, 0);
        struct pending *on_path = parent != 0 ? find_on_path(w, parent) : NULL;
        if (on_path && !on_path->is_root) {
            struct thread_place root = {.thread_id = parent, .missing_link = true};
            on_path->is_root = true;
            return save_place(c, parent, &root, err);
        }
        if (parent != 0 && !on_path && w->path.len < DEPTH_MAX)
            TRY(is_unthreaded(c, parent, &waits, err));
        if (waits) {
            array_push(&w->path, ((struct pending){.id = parent}));
            return true;
        }
        TRY(save_place(c, last.id, &place, err));
    }
    w->path.len--;
    w->done++;
    struct db_query q = db_query(c->db, UNTHREADED_REMOVE);
    db_bind_u64(&q, last.id);
    return db_run(&q, err);
}

static bool next_unthreaded(struct change *c, uint64_t *ret_id, struct err *err)
{
    struct db_query q = db_query(c->db, UNTHREADED_NEXT);
    *ret_id = db_step(&q) ? db_column_u64(&q, 0) : 0;
    return db_done(&q, err);
}

/* At least so many, if there are, and whoever waits then. The change's arena is of one message. */
static bool assign_some(struct change *c, uint64_t count, uint64_t *ret_done, struct err *err)
{
    struct walk w = {.done = 0};
    uint64_t id = 1;
    bool ok = true;
    while (ok && id != 0 && w.done < count) {
        ok = next_unthreaded(c, &id, err);
        if (ok && id != 0)
            array_push(&w.path, ((struct pending){.id = id}));
        while (ok && w.path.len > 0) {
            arena_reset(c->arena);
            ok = advance(c, &w, err);
        }
    }
    array_release(&w.path);
    *ret_done = w.done;
    return ok;
}

static bool assign(struct change *c, void *ctx, struct err *err)
{
    struct upgrade_step *step = ctx;
    struct upgrade_state done = {UPGRADE_THREADS_DONE, 0};
    return assign_some(c, UPGRADE_BATCH, &step->messages, err) &&
           (step->messages >= UPGRADE_BATCH || upgrade_save(c->db, UPGRADE_THREADS, &done, err));
}

bool upgrade_threads(struct account *account, struct upgrade_step *step, struct job *job,
                     struct err *err)
{
    static const struct change_type type = {.run = assign};
    struct arena arena;
    if (step->state.version == UPGRADE_THREADS_NONE)
        return find_keys(account, step, job, err);
    arena_init(&arena, SCRATCH_MAX);
    struct change_request request = {.type = &type, .op = step, .arena = &arena};
    bool ok = account_change(account, &request, err);
    arena_release(&arena);
    return ok;
}

bool rethread_since(struct change *c, uint64_t first_id, struct err *err)
{
    if (atomic_load(&c->account->threads_pending)) /* all are listed */
        return true;
    struct db_query q = db_query(c->db, UNTHREADED_FILL_SINCE);
    db_bind_u64(&q, first_id);
    TRY(db_run(&q, err));
    struct arena scratch, *arena = c->arena;
    uint64_t done;
    arena_init(&scratch, SCRATCH_MAX);
    c->arena = &scratch;
    bool ok = assign_some(c, UINT64_MAX, &done, err);
    c->arena = arena;
    arena_release(&scratch);
    return ok;
}
