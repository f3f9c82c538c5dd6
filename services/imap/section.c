#include "services/imap/section.h"

#include "common/mail/content.h"
#include "common/mail/header.h"
#include "services/imap/parse.h"
#include "services/imap/respond.h"

#include <string.h>

#define DEPTH_MAX 100
#define FIELDS_MAX 200
#define SCRATCH_SLACK (64 * 1024)
#define OWN_HEADER_READ (8 * 1024)

/* ---- Grammar (RFC 9051 9) */

/* section-part = nz-number *("." nz-number), up to what is no number */
static void take_path(struct cursor *c, struct arena *arena, struct section *section)
{
    uint32_t *path = NULL;
    while (cursor_next_is_class(c, is_digit)) {
        uint64_t number = cursor_take_number(c, UINT32_MAX, "part number");
        if (!path)
            path = arena_new_array(arena, DEPTH_MAX, uint32_t);
        if (number == 0)
            cursor_fail(c, "part number above 0");
        if (!path || section->depth == DEPTH_MAX)
            cursor_fail_too_long(c, "section");
        if (cursor_failed(c))
            return;
        path[section->depth++] = (uint32_t)number;
        section->path = path;
        if (!cursor_skip(c, '.'))
            return;
    }
    if (cursor_next_is(c, ']'))
        cursor_fail(c, "part number or section text");
}

/* header-list = "(" header-fld-name *(SP header-fld-name) ")" */
static void take_fields(struct cursor *c, struct arena *arena, struct section *section)
{
    struct str *fields = arena_new_array(arena, FIELDS_MAX, struct str);
    cursor_expect(c, ' ');
    cursor_expect(c, '(');
    do {
        struct str name = parse_astring(c, arena);
        if (!fields || section->field_count == FIELDS_MAX)
            cursor_fail_too_long(c, "list of fields");
        if (cursor_failed(c))
            return;
        fields[section->field_count++] = name;
    } while (cursor_skip(c, ' '));
    cursor_expect(c, ')');
    section->fields = fields;
}

static const struct {
    struct str word;
    enum section_text text;
} texts[] = {
    {STR_INIT("HEADER.FIELDS.NOT"), SECTION_FIELDS_NOT},
    {STR_INIT("HEADER.FIELDS"), SECTION_FIELDS},
    {STR_INIT("HEADER"), SECTION_HEADER},
    {STR_INIT("TEXT"), SECTION_TEXT},
    {STR_INIT("MIME"), SECTION_MIME},
};

/* section-spec = section-msgtext / (section-part ["." section-text]) */
struct section section_take(struct cursor *c, struct arena *arena)
{
    struct section section = {0};
    cursor_expect(c, '[');
    if (cursor_skip(c, ']'))
        return section;
    take_path(c, arena, &section);
    for (size_t i = 0; i < ARRAY_LEN(texts) && section.text == SECTION_ALL; i++)
        if (cursor_skip_nocase(c, texts[i].word))
            section.text = texts[i].text;
    if (section.text == SECTION_MIME && section.depth == 0)
        cursor_fail(c, "part number before MIME");
    if (section.text == SECTION_FIELDS || section.text == SECTION_FIELDS_NOT)
        take_fields(c, arena, &section);
    cursor_expect(c, ']');
    return section;
}

struct section section_take_binary(struct cursor *c, struct arena *arena)
{
    struct section section = {0};
    cursor_expect(c, '[');
    if (!cursor_next_is(c, ']'))
        take_path(c, arena, &section);
    cursor_expect(c, ']');
    return section;
}

static void write_fields(const struct section *section, struct buf *out)
{
    for (size_t i = 0; i < section->field_count; i++) {
        struct str name = section->fields[i];
        bool atom = name.len > 0;
        for (size_t k = 0; atom && k < name.len; k++)
            atom = is_imap_astring((unsigned char)name.ptr[k]);
        buf_append(out, i == 0 ? STR(" (") : STR(" "));
        if (atom)
            buf_append(out, name);
        else
            respond_string(out, name, false);
    }
    buf_append_char(out, ')');
}

void section_write(const struct section *section, struct buf *out)
{
    buf_append_char(out, '[');
    for (size_t i = 0; i < section->depth; i++) {
        if (i > 0)
            buf_append_char(out, '.');
        buf_append_u64(out, section->path[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (texts[i].text != section->text)
            continue;
        if (section->depth > 0)
            buf_append_char(out, '.');
        buf_append(out, texts[i].word);
    }
    if (section->field_count > 0)
        write_fields(section, out);
    buf_append_char(out, ']');
}

bool section_needs_structure(const struct section *section)
{
    return section->depth > 0;
}

/* ---- Content */

void content_slice(struct content *content, uint64_t offset, uint64_t count)
{
    uint64_t in_head = offset < content->head.len ? offset : content->head.len;
    content->head =
        str_slice(content->head, (size_t)in_head, count < SIZE_MAX ? (size_t)count : SIZE_MAX);
    count -= content->head.len;
    offset -= in_head;
    uint64_t skip = offset < content->len ? offset : content->len;
    content->offset += skip;
    content->len -= skip;
    if (content->len > count)
        content->len = count;
}

static struct content piece(uint64_t begin, uint64_t end)
{
    return (struct content){.offset = begin, .len = end > begin ? end - begin : 0};
}

/* Structures of foreign bytes stay within the file. */
static struct content file_piece(const struct message *m, uint64_t begin, uint64_t end)
{
    uint64_t size = message_file_size(m);
    return piece(begin < size ? begin : size, end < size ? end : size);
}

static bool not_there(struct err *err)
{
    err_set(err, ERR_NOT_FOUND, "no such section");
    return err_reply(err, "the message has no such section");
}

/* The part whose header or text is asked for: the one itself, or the message inside. */
static const struct part *wanted_part(const struct section *section, const struct message *m)
{
    const struct part *part = structure_find(m->structure, section->path, section->depth);
    if (section->text == SECTION_ALL || section->text == SECTION_MIME)
        return part;
    return part && part_is_message(part) ? part->message : NULL;
}

static bool is_listed(const struct section *section, struct str name)
{
    for (size_t i = 0; i < section->field_count; i++)
        if (str_eq_nocase(section->fields[i], name))
            return true;
    return false;
}

static bool is_wanted(const struct section *section, struct str name)
{
    switch (section->text) {
    case SECTION_FIELDS:
        return is_listed(section, name);
    case SECTION_FIELDS_NOT:
        return !is_listed(section, name);
    default: /* MIME: what describes the part */
        return str_starts_with_nocase(name, STR("Content-"));
    }
}

/* The wanted fields of a header section, and the empty line. `header` may be in scratch. */
static bool filter_header(const struct section *section, struct message *m, struct content header,
                          struct buf *scratch, struct content *ret, struct err *err)
{
    struct buf whole;
    buf_init(&whole, (size_t)content_size(&header) + 1);
    buf_append(&whole, header.head);
    bool ok = header.len == 0 || message_read(m, header.offset, (size_t)header.len, &whole, err);
    struct header_walk walk = header_walk_init(buf_str(&whole));
    struct header_field field;
    buf_reset(scratch);
    while (ok && header_next(&walk, &field))
        if (is_wanted(section, field.name))
            buf_append(scratch, str_slice(buf_str(&whole), field.offset, field.size));
    buf_append(scratch, STR("\r\n"));
    buf_release(&whole);
    *ret = (struct content){.head = buf_str(scratch)};
    return ok;
}

/* The prefix and the file's header section. Where that ends is seen in the file, which is quicker
 * than asking for the structure. Nearly always the file's first bytes have it all. */
static bool find_own_header(struct message *m, struct buf *scratch, struct content *ret,
                            struct err *err)
{
    struct str file;
    uint64_t size = message_file_size(m);
    size_t first = size < OWN_HEADER_READ ? (size_t)size : OWN_HEADER_READ;
    buf_append(scratch, m->prefix);
    TRY(message_read(m, 0, first, scratch, err));
    size_t end = header_size(str_skip(buf_str(scratch), m->prefix.len));
    *ret = (struct content){.head = str_slice(buf_str(scratch), 0, m->prefix.len + end)};
    if (end < first || first == size)
        return true;
    TRY(message_map(m, &file, err));
    *ret = piece(0, header_size(file));
    ret->head = m->prefix;
    return true;
}

/* Of the message itself. */
static bool find_own(const struct section *section, struct message *m, struct buf *scratch,
                     struct content *ret, struct err *err)
{
    if (section->text == SECTION_ALL) {
        *ret = piece(0, message_file_size(m));
        ret->head = m->prefix;
        return true;
    }
    struct content header;
    TRY(find_own_header(m, scratch, &header, err));
    if (section->text == SECTION_TEXT)
        *ret = piece(content_size(&header) - m->prefix.len, message_file_size(m));
    else if (section->text == SECTION_HEADER)
        *ret = header;
    else
        return filter_header(section, m, header, scratch, ret, err);
    return true;
}

bool section_find(const struct section *section, struct message *m, struct buf *scratch,
                  struct content *ret, struct err *err)
{
    if (section->depth == 0)
        return find_own(section, m, scratch, ret, err);
    const struct part *part = wanted_part(section, m);
    if (!part)
        return not_there(err);
    struct content header = file_piece(m, part->header_offset, part->body_offset);
    switch (section->text) {
    case SECTION_HEADER:
        *ret = header;
        return true;
    case SECTION_TEXT:
    case SECTION_ALL:
        *ret = file_piece(m, part->body_offset, part->end_offset);
        return true;
    default:
        return filter_header(section, m, header, scratch, ret, err);
    }
}

/* ---- BINARY (RFC 3516) */

static void decode_part(const struct part *part, struct str encoded, struct buf *out)
{
    struct content_decoder decoder;
    content_decoder_init(&decoder, part->encoding, part_is_text(part, STR("")));
    content_decode(&decoder, encoded, out);
    content_decode_end(&decoder, out);
}

static const struct part *leaf(const struct section *section, const struct message *m,
                               struct err *err)
{
    const struct part *part = structure_find(m->structure, section->path, section->depth);
    if (!part || !part_is_leaf(part)) {
        not_there(err);
        return NULL;
    }
    if (content_encoding_from(part->encoding) != CONTENT_ENCODING_UNKNOWN)
        return part;
    err_set(err, ERR_STATE, "unknown transfer encoding");
    return NULL;
}

/* BINARY[] of a single part: the header without its transfer encoding, and the decoded body. */
static void append_header(struct message *m, const struct part *root, struct str file,
                          struct buf *out)
{
    struct header_walk walk;
    struct header_field field;
    struct str texts_of_header[] = {m->prefix, str_slice(file, 0, (size_t)root->body_offset)};
    for (size_t i = 0; i < ARRAY_LEN(texts_of_header); i++) {
        walk = header_walk_init(texts_of_header[i]);
        while (header_next(&walk, &field))
            if (!str_eq_nocase(field.name, STR("Content-Transfer-Encoding")))
                buf_append(out, str_slice(texts_of_header[i], field.offset, field.size));
    }
    buf_append(out, STR("\r\n"));
}

bool section_find_decoded(const struct section *section, struct message *m, struct buf *scratch,
                          struct content *ret, struct err *err)
{
    struct str file;
    bool whole = section->depth == 0;
    if (whole && !part_is_leaf(m->structure->root)) {
        const struct section all = {0};
        return section_find(&all, m, scratch, ret, err);
    }
    const struct part *part = whole ? m->structure->root : leaf(section, m, err);
    if (!part)
        return false;
    if (content_encoding_from(part->encoding) == CONTENT_ENCODING_UNKNOWN)
        return err_set(err, ERR_STATE, "unknown transfer encoding");
    TRY(message_map(m, &file, err));
    if (whole)
        append_header(m, part, file, scratch);
    struct content body = file_piece(m, part->body_offset, part->end_offset);
    decode_part(part, str_slice(file, (size_t)body.offset, (size_t)body.len), scratch);
    if (scratch->overflow)
        return err_set(err, ERR_LIMIT, "decoded part too large");
    *ret = (struct content){.head = buf_str(scratch)};
    ret->has_nul = str_find_char(ret->head, '\0') >= 0;
    return true;
}

bool section_decoded_size(const struct section *section, struct message *m, uint64_t *ret,
                          struct err *err)
{
    if (section->depth == 0) {
        struct buf scratch;
        struct content content;
        buf_init(&scratch, (size_t)m->row->size * 2 + SCRATCH_SLACK);
        bool ok = section_find_decoded(section, m, &scratch, &content, err);
        *ret = ok ? content_size(&content) : 0;
        buf_release(&scratch);
        return ok;
    }
    const struct part *part = leaf(section, m, err);
    if (!part)
        return false;
    *ret = part->decoded_size;
    return true;
}
