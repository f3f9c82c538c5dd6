#include "common/mail/structure.h"

#include "common/mail/content.h"
#include "common/mail/envelope.h"
#include "common/mail/header.h"
#include "common/mail/message_id.h"
#include "common/mail/part_header.h"
#include "common/mail/preview.h"
#include "common/mail/subject.h"

#include <string.h>

/*
 * The message is read line by line, once. At any time one part is growing, `current`, and with it
 * its parents; a delimiter line of an open multipart ends all parts below that multipart. Nothing
 * recurses: the tree is walked by `parent`.
 *
 * Cost: a line that starts with "--" is compared with at most STRUCTURE_DEPTH_MAX boundaries, for
 * no more bytes than it has; every other line is only looked for its end.
 */

#define ARENA_MIN (64u << 10)
#define MEMORY_MAX (STRUCTURE_ARENA_SIZE / 4)

struct open_multipart {
    struct part *part;
    struct part *last; /* child */
    struct str boundary;
};

struct parser {
    struct str text;
    size_t at; /* start of the next line */
    struct arena *arena;
    struct structure *structure;
    struct str prefix; /* header fields that stand before the text */
    uint64_t lines;    /* complete lines before `at` */
    struct part *current;
    bool in_header; /* of `current` */
    size_t depth;   /* of `current` */
    size_t part_count;
    size_t reference_room;
    struct open_multipart open[STRUCTURE_DEPTH_MAX]; /* outermost first */
    size_t open_count;
};

/* Parts begin. */

static struct part *begin_part(struct parser *p, struct part *parent, size_t offset)
{
    struct part *part = arena_new(p->arena, struct part);
    if (!part)
        return NULL;
    part->parent = parent;
    part->header_offset = part->body_offset = offset;
    p->current = part;
    p->in_header = true;
    p->depth++;
    p->part_count++;
    return part;
}

/* Beyond the limits nothing is taken apart any more: delimiters are text from here on. */
static void stop_splitting(struct parser *p)
{
    for (size_t i = 0; i < p->open_count; i++)
        p->open[i].part->damaged = true;
    p->open_count = 0;
}

static bool has_room(const struct parser *p)
{
    return p->depth < STRUCTURE_DEPTH_MAX && p->part_count + 1 < STRUCTURE_PARTS_MAX;
}

/* RFC 2046 5.1. */
static void open_multipart(struct parser *p, struct part *part)
{
    struct str boundary = str_trim(parameter_find(part->params, STR("boundary")));
    if (boundary.len == 0 || !has_room(p) || p->open_count == STRUCTURE_DEPTH_MAX) {
        part_make_opaque(part);
        return;
    }
    p->open[p->open_count++] = (struct open_multipart){.part = part, .boundary = boundary};
}

/* RFC 2046 5.2.1. A nested message in base64 or quoted-printable, which RFC 2046 forbids and only
 * RFC 6532 3.7 allows, has no place of its own in the bytes: it stays one piece. */
static void open_message(struct parser *p, struct part *part)
{
    struct envelope *envelope = arena_new(p->arena, struct envelope);
    bool plain = content_encoding_from(part->encoding) == CONTENT_ENCODING_IDENTITY;
    if (!plain || !has_room(p) || !envelope) {
        bool damaged = part->damaged || plain;
        part_make_opaque(part);
        part->damaged = damaged;
        return;
    }
    part->message = begin_part(p, part, (size_t)part->body_offset);
    if (part->message)
        part->envelope = envelope;
    else
        part_make_opaque(part);
}

/* Header sections. */

static bool is_in_digest(const struct part *part)
{
    const struct part *parent = part->parent;
    return parent && part_is_multipart(parent) && str_eq(parent->subtype, STR("DIGEST"));
}

/* The envelope that the part's header fills: only messages have one. */
static struct envelope *envelope_of(const struct parser *p, const struct part *part)
{
    if (!part->parent)
        return p->structure->envelope;
    return part->parent->envelope;
}

/* Room for `need` identifiers; grown by doubling, for messages with very many such fields. */
static bool reserve_references(struct parser *p, size_t need)
{
    struct structure *s = p->structure;
    if (need <= p->reference_room)
        return true;
    size_t room = need > 2 * p->reference_room ? need : 2 * p->reference_room;
    struct str *ids = arena_new_array(p->arena, room, struct str);
    if (!ids)
        return false;
    for (size_t i = 0; i < s->reference_count; i++)
        ids[i] = s->references_canonical[i];
    s->references_canonical = ids;
    p->reference_room = room;
    return true;
}

/* Adds the identifiers of one field to those of the message. */
static void add_references(struct parser *p, struct str value)
{
    struct structure *s = p->structure;
    size_t max = s->reference_count;
    for (size_t i = 0; i < value.len && max < MESSAGE_ID_REFERENCES_MAX; i++)
        max += value.ptr[i] == '<';
    if (reserve_references(p, max))
        message_id_references(value, p->arena, s->references_canonical, max, &s->reference_count);
}

static void read_fields(struct parser *p, struct str header, struct part *part,
                        struct envelope_reader *reader)
{
    struct header_walk walk = header_walk_init(header);
    struct header_field field;
    while (header_next(&walk, &field)) {
        part_header_take(part, &field, p->arena);
        if (reader->envelope)
            envelope_reader_take(reader, &field);
        if (!part->parent && str_eq_nocase(field.name, STR("References")))
            add_references(p, field.raw_value);
    }
    part->damaged |= walk.malformed;
    p->structure->needs_smtputf8 |= walk.has_8bit;
}

static void end_header(struct parser *p, size_t body_offset)
{
    struct part *part = p->current;
    size_t from = (size_t)part->header_offset;
    struct envelope_reader reader = envelope_reader_init(envelope_of(p, part), p->arena);
    if (!part->parent)
        read_fields(p, p->prefix, part, &reader);
    read_fields(p, str_slice(p->text, from, body_offset - from), part, &reader);
    part->body_offset = body_offset;
    part->lines = p->lines; /* until end_part: where it began */
    p->in_header = false;
    if (str_is_null(part->type) && is_in_digest(part)) { /* RFC 2046 5.1.5 */
        part->type = STR("MESSAGE");
        part->subtype = STR("RFC822");
    }
    if (part_is_multipart(part))
        open_multipart(p, part);
    else if (part_is_message(part))
        open_message(p, part);
}

/* Parts end. */

static void measure_leaf(struct parser *p, struct part *part)
{
    bool damaged;
    struct str body = str_slice(p->text, (size_t)part->body_offset, (size_t)part_body_size(part));
    part->decoded_size =
        content_decoded_size(body, part->encoding, part_is_text(part, STR("")), &damaged);
    part->damaged |= damaged;
}

/* Ends the growing part at `end`, or where its child ended when that is later (an empty body leaves
 * the line end before the delimiter to the header). Returns its end; its parent grows on. */
static size_t end_part(struct parser *p, size_t end)
{
    struct part *part = p->current;
    if (end < part->body_offset)
        end = (size_t)part->body_offset;
    part->end_offset = end;
    part->lines = end > part->body_offset ? p->lines - part->lines : 0;
    if (part_is_multipart(part) && !part->first)
        part_make_opaque(part);
    if (part_is_leaf(part))
        measure_leaf(p, part);
    p->current = part->parent;
    p->depth--;
    return end;
}

static size_t before_line_end(struct str text, size_t at)
{
    if (at > 0 && text.ptr[at - 1] == '\n')
        at--;
    if (at > 0 && text.ptr[at - 1] == '\r')
        at--;
    return at;
}

/* A header section may end by a delimiter, or with the message. What it opens ends there too. */
static void end_headers(struct parser *p, size_t at)
{
    while (p->in_header)
        end_header(p, at);
}

/* Delimiters. */

struct delimiter {
    size_t level; /* index in `open` */
    bool closing;
};

/* delimiter := "--" boundary, then transport padding; close-delimiter := delimiter "--". Any other
 * text behind the boundary makes it another one: some senders lengthen an outer boundary for inner
 * parts. */
static bool find_delimiter(const struct parser *p, struct str line, struct delimiter *ret_delimiter)
{
    if (p->open_count == 0 || line.len < 2 || line.ptr[0] != '-' || line.ptr[1] != '-')
        return false;
    line = str_skip(line, 2);
    for (size_t i = p->open_count; i-- > 0;) {
        struct str rest = str_skip(line, p->open[i].boundary.len);
        bool closing = str_starts_with(rest, STR("--"));
        bool ended = rest.len == 0 || closing || str_find_char(STR(" \t\r\n"), rest.ptr[0]) >= 0;
        if (!ended || !str_starts_with(line, p->open[i].boundary))
            continue;
        *ret_delimiter = (struct delimiter){.level = i, .closing = closing};
        return true;
    }
    return false;
}

static void begin_child(struct parser *p, struct open_multipart *multipart)
{
    bool has_more_room = has_room(p);
    struct part *child = begin_part(p, multipart->part, p->at);
    if (!child) {
        stop_splitting(p);
        return;
    }
    if (multipart->last)
        multipart->last->next = child;
    else
        multipart->part->first = child;
    multipart->last = child;
    if (!has_more_room) { /* the last part that there may be holds the rest */
        stop_splitting(p);
        part_make_opaque(child);
        child->lines = p->lines;
        p->in_header = false;
    }
}

static void take_delimiter(struct parser *p, size_t line_start, struct delimiter delimiter)
{
    struct open_multipart *multipart = &p->open[delimiter.level];
    size_t end = before_line_end(p->text, line_start);
    end_headers(p, line_start);
    while (p->current != multipart->part)
        end = end_part(p, end);
    for (size_t i = delimiter.level + 1; i < p->open_count; i++)
        p->open[i].part->damaged = true; /* never closed */
    p->open_count = delimiter.level + (delimiter.closing ? 0 : 1);
    p->lines++;
    if (!delimiter.closing)
        begin_child(p, multipart);
}

/* The whole message. */

static bool is_empty_line(struct str line)
{
    return str_eq(line, STR("\r\n")) || str_eq(line, STR("\n"));
}

static void take_lines(struct parser *p)
{
    while (p->at < p->text.len) {
        size_t line_start = p->at;
        struct str rest = str_skip(p->text, line_start);
        const char *lf = memchr(rest.ptr, '\n', rest.len);
        struct str line = str_make(rest.ptr, lf ? (size_t)(lf + 1 - rest.ptr) : rest.len);
        struct delimiter delimiter;
        p->at += line.len;
        if (find_delimiter(p, line, &delimiter)) {
            take_delimiter(p, line_start, delimiter);
            continue;
        }
        p->lines++;
        if (p->in_header && is_empty_line(line))
            end_header(p, p->at);
    }
}

static void take_message(struct parser *p)
{
    take_lines(p);
    end_headers(p, p->text.len);
    stop_splitting(p); /* what is still open was never closed */
    while (p->current)
        end_part(p, p->text.len);
}

/* What threads and lists need. */

/* When References gave nothing, the first identifier of In-Reply-To counts. */
static void fill_threads(struct parser *p)
{
    struct structure *s = p->structure;
    s->message_id_canonical = message_id_canonical(s->envelope->message_id, p->arena);
    if (s->reference_count > 0)
        return;
    add_references(p, s->envelope->in_reply_to);
    s->reference_count = s->reference_count > 0 ? 1 : 0;
}

/* RFC 3462, RFC 3464, RFC 6533. */
static bool is_dsn(const struct part *root)
{
    const struct part *second = root->first ? root->first->next : NULL;
    return part_is_multipart(root) && str_eq(root->subtype, STR("REPORT")) && second &&
           str_eq(second->type, STR("MESSAGE")) &&
           (str_eq(second->subtype, STR("DELIVERY-STATUS")) ||
            str_eq(second->subtype, STR("GLOBAL-DELIVERY-STATUS")));
}

static struct structure *new_structure(struct parser *p)
{
    struct structure *s = arena_new(p->arena, struct structure);
    struct envelope *envelope = arena_new(p->arena, struct envelope);
    struct part *root = begin_part(p, NULL, 0);
    if (!s || !envelope || !root)
        return NULL;
    *s = (struct structure){.version = STRUCTURE_VERSION, .envelope = envelope, .root = root};
    return s;
}

static struct structure *parse(struct str prefix, struct str message, struct arena *arena)
{
    struct parser p;
    memset(&p, 0, offsetof(struct parser, open));
    p.open_count = 0;
    p.text = message;
    p.prefix = prefix;
    p.arena = arena;
    struct structure *s = p.structure = new_structure(&p);
    if (!s)
        return NULL;
    take_message(&p);
    fill_threads(&p);
    s->subject_base = subject_base(s->envelope->subject, arena, &s->subject_is_reply);
    s->is_dsn = is_dsn(s->root);
    s->preview = preview_of(s->root, message, arena);
    return s;
}

const struct structure *structure_parse_prefixed(struct str prefix, struct str message,
                                                 struct arena *arena)
{
    size_t left = arena->limit - arena->used, quarter = left / 4;
    if (arena->exhausted || left < ARENA_MIN)
        return NULL;
    /* The caller needs room too, and a message must not exhaust its arena. The same limit for
     * everybody keeps what one process encodes small enough for another to decode. */
    size_t limit = arena->limit;
    arena->limit = arena->used + (quarter < MEMORY_MAX ? quarter : MEMORY_MAX);
    struct structure *s = parse(prefix, message, arena);
    arena->limit = limit;
    arena->exhausted = false;
    return s;
}

const struct structure *structure_parse(struct str message, struct arena *arena)
{
    return structure_parse_prefixed(STR(""), message, arena);
}
