#include "common/mail/structure.h"

#include <stddef.h>
#include <string.h>

/*
 * Structures from the bytes of a mailrail.Structure (proto/message.proto), read field by field: a
 * FETCH of a whole mailbox decodes one for each message. Texts borrow from the bytes. What
 * structure.h promises of a tree is checked, because readers cut slices by its offsets.
 */

/* ---- The fields of an encoded message (protobuf's encoding, without its groups) */

enum wire_type { WIRE_VARINT = 0, WIRE_64BIT = 1, WIRE_BYTES = 2, WIRE_32BIT = 5 };

struct fields {
    struct str rest;
    bool damaged;
    /* The present one: */
    uint64_t number;
    enum wire_type type;
    uint64_t value;
    struct str bytes;
};

static uint64_t take_long_varint(struct fields *f)
{
    uint64_t value = 0;
    for (size_t i = 0; i < 10 && i < f->rest.len; i++) {
        unsigned char byte = (unsigned char)f->rest.ptr[i];
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            f->rest = str_skip(f->rest, i + 1);
            return value;
        }
    }
    f->damaged = true;
    return 0;
}

/* Most have one byte. */
static inline uint64_t take_varint(struct fields *f)
{
    unsigned char first = f->rest.len > 0 ? (unsigned char)f->rest.ptr[0] : 0xff;
    if (first >= 0x80)
        return take_long_varint(f);
    f->rest = str_skip(f->rest, 1);
    return first;
}

static struct str take_bytes(struct fields *f, uint64_t len)
{
    f->damaged |= len > f->rest.len;
    struct str bytes = f->damaged ? STR_NULL : str_make(f->rest.ptr, (size_t)len);
    f->rest = str_skip(f->rest, bytes.len);
    return bytes;
}

/* False after the last one, or at damage. */
static bool next_field(struct fields *f)
{
    if (f->rest.len == 0 || f->damaged)
        return false;
    uint64_t tag = take_varint(f);
    f->number = tag >> 3;
    f->type = (enum wire_type)(tag & 7);
    f->damaged |= f->number == 0;
    switch (f->type) {
    case WIRE_VARINT:
        f->value = take_varint(f);
        break;
    case WIRE_BYTES:
        f->bytes = take_bytes(f, take_varint(f));
        break;
    case WIRE_64BIT:
        take_bytes(f, 8);
        break;
    case WIRE_32BIT:
        take_bytes(f, 4);
        break;
    default:
        f->damaged = true;
    }
    return !f->damaged;
}

static uint64_t number(struct fields *f)
{
    f->damaged |= f->type != WIRE_VARINT;
    return f->value;
}

static struct str bytes(struct fields *f)
{
    f->damaged |= f->type != WIRE_BYTES;
    return f->damaged ? STR("") : f->bytes;
}

static struct str text(struct fields *f)
{
    struct str s = bytes(f);
    f->damaged |= str_find_char(s, '\0') >= 0;
    return s;
}

/* The empty string stands for an absent one. */
static struct str text_or_null(struct fields *f)
{
    struct str s = text(f);
    return s.len > 0 ? s : STR_NULL;
}

/* Appends to a list of texts; when it begins, room is made for all fields of its number. */
static void add_text(struct fields *f, struct arena *arena, struct str **items, size_t *count)
{
    if (!*items) {
        size_t room = 1;
        for (struct fields later = *f; next_field(&later);)
            room += later.number == f->number;
        *items = arena_new_array(arena, room, struct str);
    }
    if (*items)
        (*items)[(*count)++] = text(f);
}

/* ---- Envelopes */

static bool take_address(struct str from, struct address_entry *to)
{
    struct fields f = {.rest = from};
    while (next_field(&f)) {
        switch (f.number) {
        case 1:
            to->name = text_or_null(&f);
            break;
        case 2:
            to->address.localpart = text_or_null(&f);
            break;
        case 3:
            to->address.domain = text_or_null(&f);
            break;
        case 4:
            to->group_start = number(&f) != 0;
            break;
        case 5:
            to->group_end = number(&f) != 0;
            break;
        default:
            break;
        }
    }
    return !f.damaged;
}

/* `end`: where the list goes on. */
static void add_address(struct fields *f, struct arena *arena, struct address_entry ***end)
{
    struct address_entry *entry = arena_new(arena, struct address_entry);
    if (!entry)
        return;
    f->damaged |= !take_address(bytes(f), entry);
    **end = entry;
    *end = &entry->next;
}

static bool take_envelope(struct str from, struct arena *arena, struct envelope **ret)
{
    struct envelope *to = arena_new(arena, struct envelope);
    if (!to)
        return false;
    enum { FIRST_LIST = 6 };
    struct address_entry **ends[] = {&to->from, &to->sender, &to->reply_to,
                                     &to->to,   &to->cc,     &to->bcc};
    struct str subject = STR("");
    bool has_subject = false;
    struct fields f = {.rest = from};
    while (next_field(&f)) {
        switch (f.number) {
        case 1: /* the text itself is made of the next two */
            to->has_date = text(&f).len > 0;
            break;
        case 2:
            to->date.time_s = (int64_t)number(&f);
            break;
        case 3:
            to->date.zone_minutes = (int32_t)number(&f);
            break;
        case 4:
            subject = text(&f);
            break;
        case 5:
            has_subject = number(&f) != 0;
            break;
        case 12:
            to->in_reply_to = text_or_null(&f);
            break;
        case 13:
            to->message_id = text_or_null(&f);
            break;
        default:
            if (f.number >= FIRST_LIST && f.number < FIRST_LIST + ARRAY_LEN(ends))
                add_address(&f, arena, &ends[f.number - FIRST_LIST]);
        }
    }
    to->subject = has_subject ? subject : STR_NULL;
    *ret = to;
    return !f.damaged;
}

/* ---- Parts */

static void add_parameter(struct fields *f, struct arena *arena, struct parameter ***end)
{
    struct parameter *parameter = arena_new(arena, struct parameter);
    if (!parameter)
        return;
    *parameter = (struct parameter){.name = STR(""), .value = STR("")};
    struct fields inner = {.rest = bytes(f)};
    while (next_field(&inner)) {
        if (inner.number == 1)
            parameter->name = text(&inner);
        else if (inner.number == 2)
            parameter->value = text(&inner);
    }
    f->damaged |= inner.damaged;
    **end = parameter;
    *end = &parameter->next;
}

/* The promises of structure.h: places in order and inside the parent's body, and the right children
 * for the type. */
static bool is_sound(const struct part *p)
{
    uint64_t at = p->body_offset;
    bool sound = p->header_offset <= p->body_offset && p->body_offset <= p->end_offset;
    sound = sound && part_is_multipart(p) == (p->first != NULL) &&
            part_is_message(p) == (p->message != NULL) && (!p->message || p->envelope);
    for (const struct part *child = p->message ? p->message : p->first; sound && child;
         child = child->next) {
        sound = child->header_offset >= at && child->end_offset <= p->end_offset;
        at = child->end_offset;
    }
    return sound;
}

static bool take_part(struct str from, struct part *parent, size_t depth, struct arena *arena,
                      struct part **ret);

/* What a part has once, by the number of the field. */
static void take_value(struct fields *f, struct part *p)
{
    static const size_t numbers[] = {
        [1] = offsetof(struct part, header_offset), [2] = offsetof(struct part, body_offset),
        [3] = offsetof(struct part, end_offset),    [4] = offsetof(struct part, lines),
        [5] = offsetof(struct part, decoded_size),
    };
    static const size_t texts[] = {
        [6] = offsetof(struct part, type),         [7] = offsetof(struct part, subtype),
        [9] = offsetof(struct part, id),           [10] = offsetof(struct part, description),
        [11] = offsetof(struct part, encoding),    [12] = offsetof(struct part, md5),
        [13] = offsetof(struct part, disposition), [16] = offsetof(struct part, location),
    };
    char *base = (char *)p;
    if (f->number == 17)
        p->damaged = number(f) != 0;
    else if (f->number < ARRAY_LEN(numbers))
        *(uint64_t *)(void *)(base + numbers[f->number]) = number(f);
    else if (f->number < ARRAY_LEN(texts) && texts[f->number] > 0)
        *(struct str *)(void *)(base + texts[f->number]) = text_or_null(f);
}

static void take_part_fields(struct fields *f, struct part *p, size_t depth, struct arena *arena)
{
    struct parameter **params_end = &p->params, **disposition_end = &p->disposition_params;
    struct part **children_end = &p->first;
    while (next_field(f) && !arena->exhausted) {
        switch (f->number) {
        case 8:
            add_parameter(f, arena, &params_end);
            break;
        case 14:
            add_parameter(f, arena, &disposition_end);
            break;
        case 15:
            add_text(f, arena, &p->languages, &p->language_count);
            break;
        case 18:
            f->damaged |= !take_part(bytes(f), p, depth + 1, arena, children_end);
            if (!f->damaged)
                children_end = &(*children_end)->next;
            break;
        case 19:
            f->damaged |= !take_envelope(bytes(f), arena, &p->envelope);
            break;
        case 20:
            f->damaged |= !take_part(bytes(f), p, depth + 1, arena, &p->message);
            break;
        default:
            take_value(f, p);
        }
    }
}

static bool take_part(struct str from, struct part *parent, size_t depth, struct arena *arena,
                      struct part **ret)
{
    struct part *p = depth <= STRUCTURE_DEPTH_MAX ? arena_new(arena, struct part) : NULL;
    if (!p)
        return false;
    p->parent = parent;
    struct fields f = {.rest = from};
    take_part_fields(&f, p, depth, arena);
    *ret = p;
    return !f.damaged && !arena->exhausted && is_sound(p);
}

/* ---- The whole */

static void take_field(struct fields *f, struct structure *s, struct arena *arena)
{
    switch (f->number) {
    case 1:
        s->version = (uint32_t)number(f);
        break;
    case 2:
        f->damaged |= !take_envelope(bytes(f), arena, &s->envelope);
        break;
    case 3:
        f->damaged |= !take_part(bytes(f), NULL, 1, arena, &s->root);
        break;
    case 4:
        s->message_id_canonical = text_or_null(f);
        break;
    case 5:
        add_text(f, arena, &s->references_canonical, &s->reference_count);
        break;
    case 6:
        s->subject_base = text(f);
        break;
    case 7:
        s->subject_is_reply = number(f) != 0;
        break;
    case 8:
        s->is_dsn = number(f) != 0;
        break;
    case 9:
        s->preview = text(f);
        break;
    case 10:
        s->needs_smtputf8 = number(f) != 0;
        break;
    default:
        break;
    }
}

static bool is_among(const struct fields *f, uint32_t pieces)
{
    return f->number < 32 && (pieces >> f->number & 1);
}

bool structure_decode_pieces(struct str bytes, uint32_t pieces, struct arena *arena,
                             const struct structure **ret_structure, struct err *err)
{
    struct structure *s = arena_new(arena, struct structure);
    struct fields f = {.rest = bytes};
    if (s)
        s->subject_base = s->preview = STR("");
    while (s && next_field(&f) && !arena->exhausted)
        if (is_among(&f, pieces))
            take_field(&f, s, arena);
    if (arena->exhausted)
        return err_set(err, ERR_LIMIT, "structure: no memory to decode it");
    bool is_whole = ((pieces & STRUCTURE_ENVELOPE) == 0 || s->envelope) &&
                    ((pieces & STRUCTURE_PARTS) == 0 || s->root);
    if (f.damaged || !is_whole)
        return err_set(err, ERR_CORRUPT, "structure: %zu bytes that are none", bytes.len);
    *ret_structure = s;
    return true;
}

bool structure_decode(struct str bytes, struct arena *arena, const struct structure **ret_structure,
                      struct err *err)
{
    return structure_decode_pieces(bytes, STRUCTURE_ALL, arena, ret_structure, err);
}

/* The size of the pieces that are wanted; they go to `picked` unless it is NULL. */
static size_t pick(struct fields *f, uint32_t pieces, char *picked)
{
    size_t len = 0;
    for (const char *begin = f->rest.ptr; next_field(f); begin = f->rest.ptr) {
        size_t size = (size_t)(f->rest.ptr - begin);
        if (!is_among(f, pieces))
            continue;
        if (picked)
            memcpy(picked + len, begin, size);
        len += size;
    }
    return len;
}

struct str structure_pick(struct str bytes, uint32_t pieces, struct arena *arena)
{
    struct fields measured = {.rest = bytes}, copied = {.rest = bytes};
    size_t len = pick(&measured, pieces, NULL);
    if (measured.damaged || len == bytes.len)
        return arena_copy(arena, bytes);
    char *picked = arena_alloc_raw(arena, len);
    if (!picked)
        return STR_NULL;
    pick(&copied, pieces, picked);
    return str_make(picked, len);
}
