#include "services/store/upgrade.h"

#include "common/mail/structure.h"
#include "common/sys/file.h"
#include "services/store/message_files.h"
#include "services/store/text_worker.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>

/*
 * Structures, from the text of messages: what delivery stored, made again by this version of the
 * parser. Texts are read and parsed before the change, which so takes the account for little.
 */

#define STRUCTURES_MAX (64u << 20) /* bytes of those of one step */

struct parsed {
    uint64_t id;
    struct str structure; /* STR_NULL: it could not be read */
    struct str preview;
};

struct step {
    struct upgrade_step *step;
    struct parsed messages[UPGRADE_BATCH];
    struct str prefixes[UPGRADE_BATCH];
    size_t count;
    struct arena arena;
};

/* ---- Reading */

static bool list(struct account *account, struct step *s, struct err *err)
{
    struct db *db;
    TRY(account_read_begin(account, &db, err));
    struct db_query q = db_query(db, MESSAGE_TEXTS_AFTER);
    db_bind_u64(&q, s->step->state.at);
    db_bind_u64(&q, UPGRADE_BATCH);
    while (s->count < UPGRADE_BATCH && s->arena.used < STRUCTURES_MAX / 4 && db_step(&q)) {
        s->messages[s->count].id = db_column_u64(&q, 0);
        s->prefixes[s->count++] = db_column_copy(&q, 1, &s->arena);
    }
    bool ok = db_done(&q, err);
    account_read_end(account, db);
    return ok;
}

static bool parse_text(struct str prefix, struct str text, struct arena *arena, struct parsed *ret,
                       struct err *err)
{
    struct arena scratch;
    struct buf out;
    arena_init(&scratch, STRUCTURE_ARENA_SIZE);
    buf_init(&out, STRUCTURE_ARENA_SIZE);
    const struct structure *structure = structure_parse_prefixed(prefix, text, &scratch);
    bool ok = structure_encode(structure, &scratch, &out, err);
    if (ok) {
        ret->structure = arena_copy(arena, buf_str(&out));
        ret->preview = arena_copy(arena, structure->preview);
    }
    buf_release(&out);
    arena_release(&scratch);
    return ok;
}

static bool parse_file(struct account *account, struct str prefix, struct arena *arena,
                       struct parsed *m, struct err *err)
{
    struct file_map map;
    struct layout_path path = account_message_path(account, m->id);
    CLEANUP(fd_cleanup) int fd = open(path.text, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, errno, "%s", path.text);
    TRY(file_map_open(fd, &map, err));
    bool ok = parse_text(str_is_null(prefix) ? STR("") : prefix, map.bytes, arena, m, err);
    file_map_close(&map);
    return ok;
}

/* As many as fit, at least one. */
static void parse_all(struct account *account, struct step *s, struct job *job)
{
    struct err err;
    size_t i = 0;
    while (i < s->count && (i == 0 || s->arena.used < STRUCTURES_MAX / 2)) {
        struct parsed *m = &s->messages[i];
        if (!parse_file(account, s->prefixes[i], &s->arena, m, &err)) {
            s->step->failed++;
            job_error(job, "message %" PRIu64 " cannot be read: %s", m->id, err.detail);
        }
        i++;
    }
    s->count = i;
}

/* ---- Writing */

static bool run(struct change *c, void *ctx, struct err *err)
{
    struct step *s = ctx;
    struct upgrade_state next = {STRUCTURE_VERSION, 0};
    for (size_t i = 0; i < s->count; i++) {
        const struct parsed *m = &s->messages[i];
        if (str_is_null(m->structure))
            continue;
        struct db_query q = db_query(c->db, MESSAGE_SET_STRUCTURE);
        db_bind_u64(&q, m->id);
        db_bind_blob(&q, m->structure);
        db_bind_str(&q, m->preview);
        TRY(db_run(&q, err));
    }
    if (s->count > 0)
        next = (struct upgrade_state){s->step->state.version, s->messages[s->count - 1].id};
    return upgrade_save(c->db, UPGRADE_STRUCTURE, &next, err);
}

static bool make_step(struct account *account, struct step *s, struct job *job, struct err *err)
{
    static const struct change_type type = {.run = run};
    struct change_request request = {.type = &type, .op = s, .arena = &s->arena};
    TRY(list(account, s, err));
    parse_all(account, s, job);
    s->step->messages = s->count;
    if (s->count == 0)
        return account_change(account, &request, err);
    /* What is searched of a message depends on its structure. */
    text_index_distrust(&account->text);
    bool ok = account_change(account, &request, err);
    text_index_distrust(&account->text);
    text_worker_note_changed(account, true);
    return ok;
}

bool upgrade_structures(struct account *account, struct upgrade_step *step, struct job *job,
                        struct err *err)
{
    struct step *s = xcalloc(1, sizeof(*s));
    s->step = step;
    arena_init(&s->arena, STRUCTURES_MAX);
    bool ok = make_step(account, s, job, err);
    arena_release(&s->arena);
    free(s);
    return ok;
}
