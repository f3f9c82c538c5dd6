#include "common/mail/structure.h"

#include "proto/message.pb-c.h"

/*
 * Structures to the bytes of a mailrail.Structure. The generated structs are filled in an arena;
 * their strings need a terminator, so each is copied once. The tree is as deep as
 * STRUCTURE_DEPTH_MAX allows, which bounds the recursion here and in protobuf-c.
 */

/* A failed allocation leaves NULL behind and the arena exhausted, which is asked once at the end.
 */

static char *text(struct arena *arena, struct str s)
{
    static char empty[1];
    char *copy = s.len > 0 ? arena_cstr(arena, s) : empty;
    return copy ? copy : empty;
}

static size_t count_entries(const struct address_entry *first)
{
    size_t count = 0;
    for (; first; first = first->next)
        count++;
    return count;
}

static Mailrail__Address **fill_addresses(const struct address_entry *first, size_t *ret_count,
                                          struct arena *arena)
{
    size_t count = count_entries(first);
    *ret_count = 0;
    if (count == 0)
        return NULL;
    Mailrail__Address **list = arena_new_array(arena, count, Mailrail__Address *);
    Mailrail__Address *items = arena_new_array(arena, count, Mailrail__Address);
    if (!list || !items)
        return NULL;
    for (const struct address_entry *e = first; e; e = e->next) {
        Mailrail__Address *a = list[*ret_count] = &items[*ret_count];
        mailrail__address__init(a);
        a->name = text(arena, e->name);
        a->localpart = text(arena, e->address.localpart);
        a->domain = text(arena, e->address.domain);
        a->group_start = e->group_start;
        a->group_end = e->group_end;
        (*ret_count)++;
    }
    return list;
}

static void fill_date(Mailrail__Envelope *to, const struct envelope *from, struct arena *arena)
{
    struct buf out;
    if (!from->has_date)
        return;
    buf_init(&out, 64);
    date_write(&out, from->date);
    to->date = text(arena, buf_str(&out));
    to->date_s = from->date.time_s;
    to->date_zone_minutes = from->date.zone_minutes;
    buf_release(&out);
}

static Mailrail__Envelope *fill_envelope(const struct envelope *from, struct arena *arena)
{
    Mailrail__Envelope *to = from ? arena_new(arena, Mailrail__Envelope) : NULL;
    if (!to)
        return NULL;
    mailrail__envelope__init(to);
    fill_date(to, from, arena);
    to->subject = text(arena, from->subject);
    to->has_subject = !str_is_null(from->subject);
    to->from = fill_addresses(from->from, &to->n_from, arena);
    to->sender = fill_addresses(from->sender, &to->n_sender, arena);
    to->reply_to = fill_addresses(from->reply_to, &to->n_reply_to, arena);
    to->to = fill_addresses(from->to, &to->n_to, arena);
    to->cc = fill_addresses(from->cc, &to->n_cc, arena);
    to->bcc = fill_addresses(from->bcc, &to->n_bcc, arena);
    to->in_reply_to = text(arena, from->in_reply_to);
    to->message_id = text(arena, from->message_id);
    return to;
}

static Mailrail__Parameter **fill_parameters(const struct parameter *first, size_t *ret_count,
                                             struct arena *arena)
{
    size_t count = 0;
    *ret_count = 0;
    for (const struct parameter *p = first; p; p = p->next)
        count++;
    if (count == 0)
        return NULL;
    Mailrail__Parameter **list = arena_new_array(arena, count, Mailrail__Parameter *);
    Mailrail__Parameter *items = arena_new_array(arena, count, Mailrail__Parameter);
    if (!list || !items)
        return NULL;
    for (const struct parameter *p = first; p; p = p->next) {
        Mailrail__Parameter *to = list[*ret_count] = &items[*ret_count];
        mailrail__parameter__init(to);
        to->name = text(arena, p->name);
        to->value = text(arena, p->value);
        (*ret_count)++;
    }
    return list;
}

static char **fill_strings(const struct str *items, size_t count, size_t *ret_count,
                           struct arena *arena)
{
    char **list = count > 0 ? arena_new_array(arena, count, char *) : NULL;
    *ret_count = list ? count : 0;
    for (size_t i = 0; i < *ret_count; i++)
        list[i] = text(arena, items[i]);
    return list;
}

static void fill_fields(Mailrail__Part *to, const struct part *from, struct arena *arena)
{
    to->header_offset = from->header_offset;
    to->body_offset = from->body_offset;
    to->end_offset = from->end_offset;
    to->lines = from->lines;
    to->decoded_size = from->decoded_size;
    to->type = text(arena, from->type);
    to->subtype = text(arena, from->subtype);
    to->params = fill_parameters(from->params, &to->n_params, arena);
    to->id = text(arena, from->id);
    to->description = text(arena, from->description);
    to->encoding = text(arena, from->encoding);
    to->md5 = text(arena, from->md5);
    to->disposition = text(arena, from->disposition);
    to->disposition_params =
        fill_parameters(from->disposition_params, &to->n_disposition_params, arena);
    to->language = fill_strings(from->languages, from->language_count, &to->n_language, arena);
    to->location = text(arena, from->location);
    to->damaged = from->damaged;
}

static Mailrail__Part *fill_part(const struct part *from, struct arena *arena)
{
    Mailrail__Part *to = from ? arena_new(arena, Mailrail__Part) : NULL;
    if (!to)
        return NULL;
    mailrail__part__init(to);
    fill_fields(to, from, arena);
    to->envelope = fill_envelope(from->envelope, arena);
    to->message = fill_part(from->message, arena);
    size_t count = 0;
    for (const struct part *child = from->first; child; child = child->next)
        count++;
    to->parts = count > 0 ? arena_new_array(arena, count, Mailrail__Part *) : NULL;
    if (!to->parts)
        return to;
    for (const struct part *child = from->first; child; child = child->next)
        to->parts[to->n_parts++] = fill_part(child, arena);
    return to;
}

bool structure_encode(const struct structure *s, struct arena *arena, struct buf *out,
                      struct err *err)
{
    Mailrail__Structure to;
    mailrail__structure__init(&to);
    to.version = s->version;
    to.envelope = fill_envelope(s->envelope, arena);
    to.root = fill_part(s->root, arena);
    to.message_id_canonical = text(arena, s->message_id_canonical);
    to.references_canonical = fill_strings(s->references_canonical, s->reference_count,
                                           &to.n_references_canonical, arena);
    to.subject_base = text(arena, s->subject_base);
    to.subject_is_reply = s->subject_is_reply;
    to.is_dsn = s->is_dsn;
    to.preview = text(arena, s->preview);
    to.needs_smtputf8 = s->needs_smtputf8;
    if (arena->exhausted)
        return err_set(err, ERR_LIMIT, "structure: no memory to encode it");
    size_t size = mailrail__structure__get_packed_size(&to);
    char *bytes = buf_reserve(out, size);
    if (!bytes)
        return err_set(err, ERR_LIMIT, "structure: %zu bytes are too many", size);
    mailrail__structure__pack(&to, (uint8_t *)bytes);
    buf_commit(out, size);
    return true;
}
