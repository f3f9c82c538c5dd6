#include "services/store/sort_keys.h"

#include "common/base/array.h"
#include "common/mail/structure.h"
#include "common/text/utf8.h"

/* A reading under way. */
struct key_reader {
    struct sort_keys *keys;
    struct arena *arena;  /* of the result */
    struct arena scratch; /* of one message */
    ARRAY_OF(char *) references;
};

static char empty[1];

/* ---- Columns */

static char **text_column(struct arena *arena, size_t count, bool wanted)
{
    char **column = wanted ? arena_new_array(arena, count, char *) : NULL;
    for (size_t i = 0; column && i < count; i++)
        column[i] = empty;
    return column;
}

static bool make_columns(struct sort_keys *k, size_t count, unsigned wanted, struct arena *arena)
{
    bool thread = wanted & SORT_KEY_THREAD;
    *k = (struct sort_keys){
        .sent_s = wanted & SORT_KEY_DATE ? arena_new_array(arena, count, int64_t) : NULL,
        .subject = text_column(arena, count, wanted & SORT_KEY_SUBJECT),
        .from = text_column(arena, count, wanted & SORT_KEY_FROM),
        .to = text_column(arena, count, wanted & SORT_KEY_TO),
        .cc = text_column(arena, count, wanted & SORT_KEY_CC),
        .display_from = text_column(arena, count, wanted & SORT_KEY_DISPLAY_FROM),
        .display_to = text_column(arena, count, wanted & SORT_KEY_DISPLAY_TO),
        .is_reply = thread ? arena_new_array(arena, count, int) : NULL,
        .message_id = text_column(arena, count, thread),
        .reference_end = thread ? arena_new_array(arena, count, uint32_t) : NULL,
    };
    for (size_t i = 0; k->sent_s && i < count; i++)
        k->sent_s[i] = SORT_KEYS_NO_DATE;
    return !arena->exhausted;
}

/* ---- Values */

static void set_text(char **column, size_t at, struct str value, struct arena *arena)
{
    if (!column || value.len == 0)
        return;
    char *copy = arena_cstr(arena, utf8_truncate_bytes(value, SORT_KEYS_TEXT_MAX));
    if (copy)
        column[at] = copy;
}

/* RFC 5256 3: addr-mailbox of the first address; in ENVELOPE that of a group is its name. */
static struct str mailbox_of(const struct address_entry *first)
{
    if (!first)
        return STR_NULL;
    return first->group_start ? first->name : first->address.localpart;
}

/* RFC 5957 3: the name that is shown, else the address. */
static struct str display_of(const struct address_entry *first, struct arena *scratch)
{
    if (!first)
        return STR_NULL;
    if (first->name.len > 0 || first->group_start)
        return first->name;
    const struct str parts[] = {first->address.localpart, first->address.domain};
    return arena_join(scratch, parts, ARRAY_LEN(parts), '@');
}

/* From the last one on as many as have room. */
static size_t first_reference(const struct structure *s)
{
    size_t at = s->reference_count, bytes = 0;
    while (at > 0 && s->reference_count - at < SORT_KEYS_REFERENCES_MAX) {
        bytes += s->references_canonical[at - 1].len;
        if (bytes > SORT_KEYS_REFERENCE_BYTES_MAX)
            break;
        at--;
    }
    return at;
}

static void set_thread(struct key_reader *r, size_t at, const struct structure *s)
{
    struct sort_keys *k = r->keys;
    k->is_reply[at] = s->subject_is_reply;
    set_text(k->message_id, at, s->message_id_canonical, r->arena);
    for (size_t i = first_reference(s); i < s->reference_count; i++) {
        char *copy = arena_cstr(r->arena, s->references_canonical[i]);
        if (copy)
            array_push(&r->references, copy);
    }
}

static void set_values(struct key_reader *r, size_t at, const struct structure *s)
{
    struct sort_keys *k = r->keys;
    const struct envelope *e = s->envelope;
    if (k->sent_s && e->has_date)
        k->sent_s[at] = e->date.time_s;
    set_text(k->subject, at, s->subject_base, r->arena);
    set_text(k->from, at, mailbox_of(e->from), r->arena);
    set_text(k->to, at, mailbox_of(e->to), r->arena);
    set_text(k->cc, at, mailbox_of(e->cc), r->arena);
    if (k->display_from)
        set_text(k->display_from, at, display_of(e->from, &r->scratch), r->arena);
    if (k->display_to)
        set_text(k->display_to, at, display_of(e->to, &r->scratch), r->arena);
    if (k->is_reply)
        set_thread(r, at, s);
}

/* ---- Reading */

static void note_damage(struct sort_keys *k, uint64_t id)
{
    if (k->damaged++ == 0)
        k->damaged_id = id;
}

static bool read_message(struct key_reader *r, struct db *db, uint64_t id, size_t at,
                         struct err *err)
{
    struct err damage;
    struct db_query q = db_query(db, MESSAGE_STRUCTURE);
    db_bind_u64(&q, id);
    if (db_step(&q)) {
        const struct structure *s;
        arena_reset(&r->scratch);
        if (structure_decode_pieces(db_column_str(&q, 0), STRUCTURE_HEAD, &r->scratch, &s, &damage))
            set_values(r, at, s);
        else
            note_damage(r->keys, id);
    }
    if (r->keys->reference_end)
        r->keys->reference_end[at] = (uint32_t)r->references.len;
    return db_done(&q, err);
}

static bool take_references(struct key_reader *r)
{
    struct sort_keys *k = r->keys;
    k->reference_count = r->references.len;
    k->references = arena_new_array(r->arena, k->reference_count + 1, char *);
    for (size_t i = 0; k->references && i < k->reference_count; i++)
        k->references[i] = r->references.items[i];
    return !r->arena->exhausted;
}

bool sort_keys_read(struct db *db, const uint64_t *ids, size_t count, unsigned wanted,
                    struct arena *arena, struct sort_keys *ret, struct err *err)
{
    struct key_reader r = {.keys = ret, .arena = arena};
    if (!make_columns(ret, count, wanted, arena))
        return err_set(err, ERR_LIMIT, "no room for the reply");
    arena_init(&r.scratch, STRUCTURE_ARENA_SIZE);
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++)
        ok = read_message(&r, db, ids[i], i, err);
    if (ok && !take_references(&r))
        ok = err_set(err, ERR_LIMIT, "no room for the reply");
    array_release(&r.references);
    arena_release(&r.scratch);
    return ok;
}
