#include "services/store/thread.h"

#include <string.h>

#define DAY_S 86400
#define REFERENCES_MAX 100 /* looked up, from the last */

int64_t thread_hash(struct str text)
{
    uint64_t hash = str_hash(text);
    int64_t value;
    memcpy(&value, &hash, sizeof(value));
    return value;
}

static void write_id(char *to, uint64_t id)
{
    for (int i = 0; i < 8; i++)
        to[i] = (char)(id >> 8 * i & 0xff);
}

uint64_t thread_parent_at(struct str parents, size_t i)
{
    uint64_t id = 0;
    for (size_t k = 8; k > 0; k--)
        id = id << 8 | (unsigned char)parents.ptr[8 * i + k - 1];
    return id;
}

/* The place of a child of the message that the query stands on. */
static bool become_child(struct db_query *q, uint64_t id, struct arena *arena,
                         struct thread_place *place, struct err *err)
{
    char own[8], parent[8];
    write_id(own, id);
    write_id(parent, db_column_u64(q, 0));
    struct str ancestors = str_slice(db_column_str(q, 2), 0, 8 * (THREAD_PARENTS_MAX - 1));
    for (size_t i = 0; i < ancestors.len; i += 8) {
        if (memcmp(ancestors.ptr + i, own, 8) == 0)
            ancestors = STR_NULL; /* a cycle */
    }
    char *bytes = arena_alloc(arena, 8 + ancestors.len);
    if (!bytes)
        return err_set(err, ERR_LIMIT, "no room for a thread");
    memcpy(bytes, parent, 8);
    if (ancestors.len > 0)
        memcpy(bytes + 8, ancestors.ptr, ancestors.len);
    place->thread_id = db_column_u64(q, 1);
    place->parents = str_make(bytes, 8 + ancestors.len);
    place->muted = db_column_u64(q, 3) != 0;
    place->collapsed = db_column_u64(q, 4) != 0;
    return true;
}

/* Runs a query for at most one parent. */
static bool find_parent(struct db_query *q, uint64_t id, struct arena *arena,
                        struct thread_place *place, bool *ret_found, struct err *err)
{
    struct err failure = {.kind = ERR_NONE};
    bool ok = true;
    *ret_found = db_step(q);
    if (*ret_found)
        ok = become_child(q, id, arena, place, &failure);
    TRY(db_done(q, err));
    if (!ok)
        *err = failure;
    return ok;
}

static uint64_t before(const struct thread_keys *keys)
{
    return keys->before_id > 0 ? keys->before_id : INT64_MAX;
}

/* `subject` STR_NULL: any. */
static bool find_by_message_id(struct change *c, uint64_t id, struct str message_id,
                               struct str subject, uint64_t before_id, struct thread_place *place,
                               bool *ret_found, struct err *err)
{
    struct db_query q = db_query(c->db, MESSAGE_THREAD_BY_ID);
    db_bind_i64(&q, thread_hash(message_id));
    db_bind_str(&q, message_id);
    db_bind_str(&q, subject);
    db_bind_u64(&q, before_id);
    return find_parent(&q, id, c->arena, place, ret_found, err);
}

static bool find_by_subject(struct change *c, uint64_t id, const struct thread_keys *keys,
                            struct thread_place *place, bool *ret_found, struct err *err)
{
    struct db_query q = db_query(c->db, MESSAGE_THREAD_BY_SUBJECT);
    db_bind_i64(&q, thread_hash(keys->subject_base));
    db_bind_str(&q, keys->subject_base);
    db_bind_u64(&q, keys->origin_mailbox_id);
    db_bind_i64(&q, keys->received_s - 28 * DAY_S);
    db_bind_i64(&q, keys->received_s + DAY_S);
    db_bind_u64(&q, before(keys));
    return find_parent(&q, id, c->arena, place, ret_found, err);
}

/* From the last reference, which is the closest, to the first. */
static bool find_by_references(struct change *c, uint64_t id, const struct thread_keys *keys,
                               struct thread_place *place, bool *ret_found, struct err *err)
{
    struct str subject = str_is_null(keys->subject_base) ? STR("") : keys->subject_base;
    *ret_found = false;
    size_t first =
        keys->reference_count > REFERENCES_MAX ? keys->reference_count - REFERENCES_MAX : 0;
    for (size_t i = keys->reference_count; !*ret_found && i > first; i--) {
        struct str reference = keys->references[i - 1];
        if (str_eq(reference, keys->message_id))
            continue;
        TRY(find_by_message_id(c, id, reference, keys->is_dsn ? STR_NULL : subject, INT64_MAX,
                               place, ret_found, err));
        place->missing_link |= !*ret_found;
    }
    return true;
}

bool thread_assign(struct change *c, uint64_t id, const struct thread_keys *keys,
                   struct thread_place *ret, struct err *err)
{
    bool found = false;
    *ret = (struct thread_place){.thread_id = id};
    if (!str_is_empty(keys->message_id)) {
        TRY(find_by_message_id(c, id, keys->message_id, STR_NULL, before(keys), ret, &found, err));
        ret->missing_link = found;
    }
    if (!found)
        TRY(find_by_references(c, id, keys, ret, &found, err));
    if (!found && keys->reference_count == 0 && keys->subject_is_reply &&
        !str_is_empty(keys->subject_base)) {
        TRY(find_by_subject(c, id, keys, ret, &found, err));
        ret->missing_link = true;
    }
    return true;
}

bool thread_place_copy(struct db_query *original, struct arena *arena, struct thread_place *ret,
                       struct err *err)
{
    *ret = (struct thread_place){.missing_link = true};
    return become_child(original, 0, arena, ret, err);
}
