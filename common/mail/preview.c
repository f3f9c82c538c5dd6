#include "common/mail/preview.h"

#include "common/mail/content.h"
#include "common/mail/html_text.h"
#include "common/text/charset.h"
#include "common/text/utf8.h"

#define PREVIEW_BYTES 250      /* enough: no line is begun after so many */
#define PREVIEW_LINES_MAX 1000 /* looked at */
#define SIGNATURE_LINES_MAX 4
#define LOOK_MAX (1u << 20)

/* Text to preview. */

struct lines {
    struct str *items; /* trimmed */
    size_t count;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct str trim_line(struct str s)
{
    while (s.len > 0 && is_blank(s.ptr[0]))
        s = str_skip(s, 1);
    while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

static struct lines split_lines(struct str text, struct arena *arena)
{
    struct lines lines = {0};
    size_t count = 1;
    for (size_t i = 0; i < text.len && count < PREVIEW_LINES_MAX; i++)
        count += text.ptr[i] == '\n';
    lines.items = arena_new_array(arena, count, struct str);
    while (lines.items && lines.count < count && text.len > 0) {
        struct str line;
        str_cut(text, '\n', &line, &text);
        lines.items[lines.count++] = trim_line(line);
    }
    return lines;
}

static struct str line_at(const struct lines *lines, size_t at)
{
    return at < lines->count ? lines->items[at] : STR_NULL;
}

static bool is_quoted(struct str line)
{
    return str_starts_with(line, STR(">"));
}

static bool is_snip(struct str line)
{
    return str_eq(line, STR("[...]")) || str_eq(line, STR("[…]")) || str_eq(line, STR("..."));
}

static bool has_digit(struct str line)
{
    for (size_t i = 0; i < line.len; i++)
        if (line.ptr[i] >= '0' && line.ptr[i] <= '9')
            return true;
    return false;
}

/* Is the line at `at`, or the one after an empty line there, quoted? */
static bool quote_follows(const struct lines *lines, size_t at)
{
    if (at < lines->count && line_at(lines, at).len == 0)
        at++;
    return is_quoted(line_at(lines, at)) || is_snip(line_at(lines, at));
}

/* How many lines at `at` are an attribution ("On 1 January, Jane wrote:"): 0, 1, or 2. */
static size_t attribution_lines(const struct lines *lines, size_t at, bool first_text)
{
    struct str line = line_at(lines, at), second = line_at(lines, at + 1);
    if (str_ends_with(line, STR(":")) && (first_text || has_digit(line)) &&
        quote_follows(lines, at + 1))
        return 1;
    if (str_starts_with(line, STR("On ")) && str_ends_with(second, STR(":")) &&
        quote_follows(lines, at + 2))
        return 2;
    return 0;
}

/* Two or more dashes, then a few lines to the end with no empty one among them. */
static bool is_signature(const struct lines *lines, size_t at)
{
    struct str line = line_at(lines, at);
    for (size_t i = 0; i < line.len; i++)
        if (line.ptr[i] != '-')
            return false;
    if (line.len < 2)
        return false;
    size_t end = lines->count;
    while (end > at + 1 && line_at(lines, end - 1).len == 0)
        end--;
    if (end - at - 1 > SIGNATURE_LINES_MAX)
        return false;
    for (size_t i = at + 1; i < end; i++)
        if (line_at(lines, i).len == 0)
            return false;
    return true;
}

static void add_snip(struct buf *out, bool *after_snip)
{
    if (!*after_snip)
        buf_append(out, STR("[...]\n"));
    *after_snip = true;
}

/* Control characters have no place in a list of messages. */
static void add_line(struct buf *out, struct str line)
{
    for (size_t i = 0; i < line.len; i++) {
        unsigned char c = (unsigned char)line.ptr[i];
        buf_append_char(out, c < ' ' || c == 0x7f ? ' ' : line.ptr[i]);
    }
    buf_append_char(out, '\n');
}

static void write_preview(const struct lines *lines, struct buf *out)
{
    bool after_snip = false;
    for (size_t at = 0; at < lines->count && out->len < PREVIEW_BYTES; at++) {
        struct str line = line_at(lines, at);
        size_t attribution = attribution_lines(lines, at, out->len == 0);
        if (line.len == 0)
            continue;
        if (is_signature(lines, at))
            break;
        if (attribution > 0 || is_quoted(line) || is_snip(line)) {
            add_snip(out, &after_snip);
            at += attribution > 0 ? attribution - 1 : 0;
            continue;
        }
        add_line(out, utf8_truncate(line, STRUCTURE_PREVIEW_MAX));
        after_snip = false;
    }
}

struct str preview_of_text(struct str text, struct arena *arena)
{
    struct lines lines = split_lines(text, arena);
    struct buf out;
    buf_init(&out, 4096);
    write_preview(&lines, &out);
    struct str preview = arena_copy(arena, utf8_truncate(buf_str(&out), STRUCTURE_PREVIEW_MAX));
    buf_release(&out);
    return str_is_null(preview) ? STR("") : preview;
}

/* Part to text. */

static struct str decode_part(const struct part *part, struct str body, struct arena *arena)
{
    struct content_decoder d;
    struct buf bytes, utf8;
    buf_init(&bytes, 2 * LOOK_MAX + 64);
    buf_init(&utf8, 8 * LOOK_MAX);
    content_decoder_init(&d, part->encoding, false);
    content_decode(&d, body, &bytes);
    content_decode_end(&d, &bytes);
    struct charset_decoder *charset =
        charset_decoder_new(parameter_find(part->params, STR("charset")));
    struct str text = buf_str(&bytes);
    if (charset) {
        charset_decoder_feed(charset, text, &utf8);
        charset_decoder_end(charset, &utf8);
        charset_decoder_free(charset);
        text = buf_str(&utf8);
    }
    text = arena_copy(arena, text);
    buf_release(&bytes);
    buf_release(&utf8);
    return str_is_null(text) ? text : utf8_repair(text, arena);
}

static struct str preview_of_part(const struct part *part, struct str body, struct arena *arena)
{
    struct str text = decode_part(part, body, arena);
    if (part_is_text(part, STR("HTML")))
        text = html_to_text(text, arena);
    return preview_of_text(text, arena);
}

/* A part that may be shown: no attachment, no nested message, not encrypted. */
static const struct part *find_shown(const struct part *root)
{
    const struct part *part = root;
    while (part) {
        bool multipart = part_is_multipart(part);
        bool attached = str_eq(part->disposition, STR("ATTACHMENT"));
        if (!multipart && !attached &&
            (part_is_text(part, STR("PLAIN")) || part_is_text(part, STR("HTML"))))
            return part;
        if (multipart && !attached && !str_eq(part->subtype, STR("ENCRYPTED"))) {
            part = part->first;
            continue;
        }
        /* On to the next one beside it, or beside its parents; of multipart/signed, only the first
         * part is shown. */
        while (part && (!part->next || str_eq(part->parent->subtype, STR("SIGNED"))))
            part = part == root ? NULL : part->parent;
        part = part ? part->next : NULL;
    }
    return NULL;
}

/* Raw bytes of the part to look at: the first usually suffice, newsletters begin with styles. */
static const size_t looks[] = {4u << 10, 64u << 10, LOOK_MAX};

struct str preview_of(const struct part *root, struct str message, struct arena *arena)
{
    const struct part *part = find_shown(root);
    if (!part)
        return STR("");
    struct str body = str_slice(message, (size_t)part->body_offset, (size_t)part_body_size(part));
    struct str preview = STR("");
    for (size_t i = 0; i < ARRAY_LEN(looks); i++) {
        preview = preview_of_part(part, str_slice(body, 0, looks[i]), arena);
        if (preview.len >= PREVIEW_BYTES / 2 || body.len <= looks[i])
            break;
    }
    return preview;
}
