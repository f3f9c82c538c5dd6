#include "tests/unit/services/imap/fake_backend_internal.h"

#include "common/mail/header.h"
#include "common/mail/structure.h"
#include "common/service/layout.h"
#include "common/sys/file.h"
#include "common/text/utf8.h"

static const struct structure *structure_of(struct backend *b, uint64_t id, struct arena *arena)
{
    struct err err;
    const struct structure *s = NULL;
    for (size_t i = 0; i < b->mailboxes.len; i++) {
        const struct fake_mailbox *m = b->mailboxes.items[i];
        for (size_t k = 0; k < m->messages.len; k++)
            if (m->messages.items[k].id == id &&
                !structure_decode(buf_str(&m->messages.items[k].structure), arena, &s, &err))
                BUG("%s", err.detail);
    }
    BUG_ON(!s);
    return s;
}

/* ---- The text index: knows two messages of three, and is wrong about one in two where it may. */

void fake_backend_set_indexed(struct backend *b, bool indexed)
{
    b->indexed = indexed;
}

static bool contains(struct str text, struct str word, struct arena *arena)
{
    return str_find(utf8_casefold(text, arena), utf8_casefold(word, arena)) >= 0;
}

static bool has_word_in_field(struct str text, struct str name, struct str word,
                              struct arena *arena)
{
    struct header_walk walk = header_walk_init(text);
    struct header_field field;
    while (header_next(&walk, &field))
        if (str_eq_nocase(field.name, name) && contains(field.raw_value, word, arena))
            return true;
    return false;
}

static bool may_match(const struct fake_message *m, struct str text,
                      const struct text_needle *needle, struct arena *arena)
{
    static const struct str names[] = {STR_INIT(""),   STR_INIT("From"), STR_INIT("To"),
                                       STR_INIT("Cc"), STR_INIT("Bcc"),  STR_INIT("Subject")};
    if (needle->field != TEXT_ANYWHERE)
        return has_word_in_field(str_from_cstr(m->prefix), names[needle->field], needle->word,
                                 arena) ||
               has_word_in_field(text, names[needle->field], needle->word, arena);
    return m->id % 2 == 0 || contains(text, needle->word, arena) ||
           contains(str_from_cstr(m->prefix), needle->word, arena);
}

static struct str text_of(struct backend *b, const struct fake_message *m, struct arena *arena)
{
    struct err err;
    struct str text;
    struct layout_path path = layout_message(str_from_cstr(b->data), ACCOUNT, m->id);
    BUG_ON(!file_read(path.text, 1 << 20, arena, &text, &err));
    return text;
}

bool backend_search_text(struct backend *b, const struct backend_call *call,
                         const struct text_needle *needles, size_t count, struct text_found *ret,
                         struct err *err)
{
    const size_t max = 10000;
    struct arena *a = call->arena;
    struct text_hits *hits = arena_new_array(a, count, struct text_hits);
    struct id_run *indexed = arena_new_array(a, max, struct id_run);
    *ret = (struct text_found){.indexed = {.items = indexed}, .hits = hits};
    for (uint64_t id = 0; b->indexed && id < b->next_id; id++)
        if (id % 3 != 0)
            indexed[ret->indexed.len++] = (struct id_run){id, id + 1};
    for (size_t n = 0; n < count; n++) {
        struct id_run *runs = arena_new_array(a, max, struct id_run);
        hits[n] = (struct text_hits){true, needles[n].field != TEXT_ANYWHERE, {runs, 0}};
        const struct fake_mailbox *m = b->mailboxes.items[0];
        for (size_t i = 0; i < m->messages.len; i++) {
            const struct fake_message *message = &m->messages.items[i];
            if (message->id % 3 != 0 && may_match(message, text_of(b, message, a), &needles[n], a))
                runs[hits[n].ids.len++] = (struct id_run){message->id, message->id + 1};
        }
    }
    return fake_is_here(b, call, err);
}

static struct str mailbox_of(const struct address_entry *first)
{
    return !first ? STR_NULL : first->group_start ? first->name : first->address.localpart;
}

static struct str display_of(const struct address_entry *first, struct arena *arena)
{
    if (!first || first->name.len > 0)
        return first ? first->name : STR_NULL;
    const struct str parts[] = {first->address.localpart, first->address.domain};
    return arena_join(arena, parts, 2, '@');
}

/* All columns, whatever was asked for. */
bool backend_sort_keys(struct backend *b, const struct backend_call *call,
                       uint64_t mailbox_id UNUSED, const uint64_t *ids, size_t count, unsigned keys,
                       struct sort_keys *ret, struct err *err)
{
    (void)keys;
    struct arena *a = call->arena;
    int64_t *sent_s = arena_new_array(a, count, int64_t);
    struct str *texts = arena_new_array(a, count * 7, struct str);
    struct str *references = arena_new_array(a, count * WORDS_MAX, struct str);
    int *is_reply = arena_new_array(a, count, int);
    uint32_t *end = arena_new_array(a, count, uint32_t), total = 0;
    *ret = (struct sort_keys){sent_s,
                              texts,
                              texts + count,
                              texts + 2 * count,
                              texts + 3 * count,
                              texts + 4 * count,
                              texts + 5 * count,
                              is_reply,
                              texts + 6 * count,
                              end,
                              references};
    for (size_t i = 0; i < count; i++) {
        const struct structure *s = structure_of(b, ids[i], a);
        const struct envelope *e = s->envelope;
        const struct str values[] = {
            s->subject_base,        mailbox_of(e->from),  mailbox_of(e->to),      mailbox_of(e->cc),
            display_of(e->from, a), display_of(e->to, a), s->message_id_canonical};
        sent_s[i] = e->has_date ? e->date.time_s : SORT_KEYS_NO_DATE;
        for (size_t k = 0; k < 7; k++)
            texts[k * count + i] = values[k];
        is_reply[i] = s->subject_is_reply;
        for (size_t k = 0; k < s->reference_count && k < WORDS_MAX; k++)
            references[total++] = s->references_canonical[k];
        end[i] = total;
    }
    return fake_is_here(b, call, err);
}
