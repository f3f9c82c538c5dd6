#include "common/mail/structure.h"

#include "proto/message.pb-c.h"

/*
 * Structures from the bytes of a mailrail.Structure. protobuf-c unpacks into the arena; our structs
 * borrow its strings. What structure.h promises of a tree is checked, because readers cut slices by
 * its offsets.
 */

static void *allocate(void *arena, size_t size)
{
    return arena_alloc(arena, size);
}

static void ignore_free(void *arena, void *pointer)
{
    (void)arena, (void)pointer; /* all goes with the arena */
}

/* The empty string stands for an absent one. */
static struct str text(const char *cstr)
{
    struct str s = str_from_cstr(cstr);
    return s.len > 0 ? s : STR_NULL;
}

static bool take_addresses(Mailrail__Address *const *list, size_t count, struct arena *arena,
                           struct address_entry **ret_first)
{
    struct address_entry *items =
        count > 0 ? arena_new_array(arena, count, struct address_entry) : NULL;
    *ret_first = items;
    if (count > 0 && !items)
        return false;
    for (size_t i = 0; i < count; i++) {
        items[i] = (struct address_entry){
            .name = text(list[i]->name),
            .address = {text(list[i]->localpart), text(list[i]->domain)},
            .group_start = list[i]->group_start,
            .group_end = list[i]->group_end,
            .next = i + 1 < count ? &items[i + 1] : NULL,
        };
    }
    return true;
}

static bool take_envelope(const Mailrail__Envelope *from, struct arena *arena,
                          struct envelope **ret_envelope)
{
    struct envelope *to = from ? arena_new(arena, struct envelope) : NULL;
    if (!to)
        return false;
    to->has_date = from->date[0] != '\0';
    to->date = (struct date){.time_s = from->date_s, .zone_minutes = from->date_zone_minutes};
    to->subject = from->has_subject ? str_from_cstr(from->subject) : STR_NULL;
    to->in_reply_to = text(from->in_reply_to);
    to->message_id = text(from->message_id);
    *ret_envelope = to;
    return take_addresses(from->from, from->n_from, arena, &to->from) &&
           take_addresses(from->sender, from->n_sender, arena, &to->sender) &&
           take_addresses(from->reply_to, from->n_reply_to, arena, &to->reply_to) &&
           take_addresses(from->to, from->n_to, arena, &to->to) &&
           take_addresses(from->cc, from->n_cc, arena, &to->cc) &&
           take_addresses(from->bcc, from->n_bcc, arena, &to->bcc);
}

static bool take_parameters(Mailrail__Parameter *const *list, size_t count, struct arena *arena,
                            struct parameter **ret_first)
{
    struct parameter *items = count > 0 ? arena_new_array(arena, count, struct parameter) : NULL;
    *ret_first = items;
    if (count > 0 && !items)
        return false;
    for (size_t i = 0; i < count; i++)
        items[i] = (struct parameter){.name = str_from_cstr(list[i]->name),
                                      .value = str_from_cstr(list[i]->value),
                                      .next = i + 1 < count ? &items[i + 1] : NULL};
    return true;
}

static bool take_strings(char *const *list, size_t count, struct arena *arena,
                         struct str **ret_items, size_t *ret_count)
{
    *ret_items = count > 0 ? arena_new_array(arena, count, struct str) : NULL;
    *ret_count = *ret_items ? count : 0;
    for (size_t i = 0; i < *ret_count; i++)
        (*ret_items)[i] = str_from_cstr(list[i]);
    return *ret_count == count;
}

static bool take_fields(const Mailrail__Part *from, struct arena *arena, struct part *to)
{
    to->header_offset = from->header_offset;
    to->body_offset = from->body_offset;
    to->end_offset = from->end_offset;
    to->lines = from->lines;
    to->decoded_size = from->decoded_size;
    to->type = text(from->type);
    to->subtype = text(from->subtype);
    to->id = text(from->id);
    to->description = text(from->description);
    to->encoding = text(from->encoding);
    to->md5 = text(from->md5);
    to->disposition = text(from->disposition);
    to->location = text(from->location);
    to->damaged = from->damaged;
    return take_parameters(from->params, from->n_params, arena, &to->params) &&
           take_parameters(from->disposition_params, from->n_disposition_params, arena,
                           &to->disposition_params) &&
           take_strings(from->language, from->n_language, arena, &to->languages,
                        &to->language_count);
}

/* The promises of structure.h: places in order and inside the parent's body, and the right children
 * for the type. */
static bool is_sound(const struct part *p, const Mailrail__Part *from, size_t depth)
{
    bool inside = !p->parent || (p->header_offset >= p->parent->body_offset &&
                                 p->end_offset <= p->parent->end_offset);
    bool ordered = p->header_offset <= p->body_offset && p->body_offset <= p->end_offset;
    bool children = part_is_multipart(p) == (from->n_parts > 0) &&
                    part_is_message(p) == (from->message != NULL);
    return inside && ordered && children && depth <= STRUCTURE_DEPTH_MAX;
}

static struct part *take_part(const Mailrail__Part *from, struct part *parent, size_t depth,
                              struct arena *arena)
{
    struct part *p = from ? arena_new(arena, struct part) : NULL;
    if (!p)
        return NULL;
    p->parent = parent;
    if (!take_fields(from, arena, p) || !is_sound(p, from, depth))
        return NULL;
    if (from->message) {
        p->message = take_part(from->message, p, depth + 1, arena);
        if (!p->message || !take_envelope(from->envelope, arena, &p->envelope))
            return NULL;
    }
    uint64_t at = p->body_offset;
    struct part **next = &p->first;
    for (size_t i = 0; i < from->n_parts; i++) {
        struct part *child = take_part(from->parts[i], p, depth + 1, arena);
        if (!child || child->header_offset < at)
            return NULL;
        at = child->end_offset;
        *next = child;
        next = &child->next;
    }
    return p;
}

/* protobuf-c recurses as deep as the bytes say, so their depth is looked at first: of
 * Structure.root (field 3), Part.parts (18) and Part.message (20), in the encoding of protobuf
 * messages. */

static bool take_varint(struct str *s, uint64_t *ret_value)
{
    *ret_value = 0;
    for (unsigned shift = 0; shift < 64 && s->len > 0; shift += 7) {
        unsigned char byte = (unsigned char)s->ptr[0];
        *s = str_skip(*s, 1);
        *ret_value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

/* The bytes of a field behind its tag; only those of a length-delimited one are of interest. */
static bool take_field(struct str *s, uint64_t wire_type, struct str *ret_bytes)
{
    uint64_t len = 0;
    *ret_bytes = STR_NULL;
    if (wire_type == PROTOBUF_C_WIRE_TYPE_VARINT)
        return take_varint(s, &len);
    if (wire_type == PROTOBUF_C_WIRE_TYPE_64BIT)
        len = 8;
    else if (wire_type == PROTOBUF_C_WIRE_TYPE_32BIT)
        len = 4;
    else if (wire_type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED || !take_varint(s, &len))
        return false;
    if (len > s->len)
        return false;
    *ret_bytes = str_slice(*s, 0, (size_t)len);
    *s = str_skip(*s, (size_t)len);
    return true;
}

static bool is_shallow(struct str message, bool is_part, size_t depth)
{
    while (message.len > 0) {
        uint64_t tag;
        struct str bytes;
        if (!take_varint(&message, &tag) || !take_field(&message, tag & 7, &bytes))
            return false;
        uint64_t field = tag >> 3;
        bool nested = is_part ? field == 18 || field == 20 : field == 3;
        if (nested && (depth == STRUCTURE_DEPTH_MAX || !is_shallow(bytes, true, depth + 1)))
            return false;
    }
    return true;
}

bool structure_decode(struct str bytes, struct arena *arena, const struct structure **ret_structure,
                      struct err *err)
{
    ProtobufCAllocator allocator = {allocate, ignore_free, arena};
    const Mailrail__Structure *from = NULL;
    if (is_shallow(bytes, false, 0))
        from = mailrail__structure__unpack(&allocator, bytes.len, (const uint8_t *)bytes.ptr);
    struct structure *s = from ? arena_new(arena, struct structure) : NULL;
    bool ok = s && take_envelope(from->envelope, arena, &s->envelope) &&
              (s->root = take_part(from->root, NULL, 1, arena)) &&
              take_strings(from->references_canonical, from->n_references_canonical, arena,
                           &s->references_canonical, &s->reference_count);
    if (arena->exhausted)
        return err_set(err, ERR_LIMIT, "structure: no memory to decode it");
    if (!ok)
        return err_set(err, ERR_CORRUPT, "structure: %zu bytes that are none", bytes.len);
    s->version = from->version;
    s->message_id_canonical = text(from->message_id_canonical);
    s->subject_base = str_from_cstr(from->subject_base);
    s->subject_is_reply = from->subject_is_reply;
    s->is_dsn = from->is_dsn;
    s->preview = str_from_cstr(from->preview);
    s->needs_smtputf8 = from->needs_smtputf8;
    *ret_structure = s;
    return true;
}
