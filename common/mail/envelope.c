#include "common/mail/envelope.h"

#include "common/mail/encoded_word.h"

#include <stddef.h>

struct envelope_reader envelope_reader_init(struct envelope *envelope, struct arena *arena)
{
    return (struct envelope_reader){.envelope = envelope, .arena = arena};
}

static void take_date(struct envelope_reader *r, struct str value)
{
    struct err err;
    if (!r->envelope->has_date)
        r->envelope->has_date = date_parse(value, &r->envelope->date, &err);
}

static void take_subject(struct envelope_reader *r, struct str value)
{
    if (str_is_null(r->envelope->subject))
        r->envelope->subject = encoded_word_decode(header_text(value, r->arena), r->arena);
}

static void take_id(struct str *id, struct str value, struct arena *arena)
{
    if (str_is_null(*id))
        *id = header_text(value, arena);
}

static void take_message_id(struct envelope_reader *r, struct str value)
{
    take_id(&r->envelope->message_id, value, r->arena);
}

static void take_in_reply_to(struct envelope_reader *r, struct str value)
{
    take_id(&r->envelope->in_reply_to, value, r->arena);
}

static const struct {
    struct str name;
    void (*take)(struct envelope_reader *, struct str value);
} texts[] = {
    {STR_INIT("Date"), take_date},
    {STR_INIT("Subject"), take_subject},
    {STR_INIT("Message-ID"), take_message_id},
    {STR_INIT("In-Reply-To"), take_in_reply_to},
};

static const struct {
    struct str name;
    size_t offset;
} lists[ENVELOPE_LISTS] = {
    {STR_INIT("From"), offsetof(struct envelope, from)},
    {STR_INIT("Sender"), offsetof(struct envelope, sender)},
    {STR_INIT("Reply-To"), offsetof(struct envelope, reply_to)},
    {STR_INIT("To"), offsetof(struct envelope, to)},
    {STR_INIT("Cc"), offsetof(struct envelope, cc)},
    {STR_INIT("Bcc"), offsetof(struct envelope, bcc)},
};

static void take_list(struct envelope_reader *r, size_t index, struct str value)
{
    struct address_entry **list =
        (struct address_entry **)(void *)((char *)r->envelope + lists[index].offset);
    struct address_entry **end = r->ends[index] ? r->ends[index] : list;
    struct err err;
    if (r->bad_lists & 1u << index)
        return;
    size_t room = ENVELOPE_ADDRESSES_MAX - r->counts[index];
    if (!address_list_parse_first(value, room, r->arena, end, &err)) {
        r->bad_lists |= 1u << index;
        *list = NULL;
        return;
    }
    for (; *end; end = &(*end)->next)
        r->counts[index]++;
    r->ends[index] = end;
}

void envelope_reader_take(struct envelope_reader *r, const struct header_field *field)
{
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (str_eq_nocase(field->name, texts[i].name)) {
            texts[i].take(r, field->raw_value);
            return;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        if (str_eq_nocase(field->name, lists[i].name)) {
            take_list(r, i, field->raw_value);
            return;
        }
    }
}
