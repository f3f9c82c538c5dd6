#include "common/mail/compose.h"

#include "common/base/bug.h"
#include "common/mail/encoded_word.h"
#include "common/text/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LONG_WORD 500       /* longer ones are encoded: RFC 5322 2.1.1 allows lines of 998 */
#define ENCODED_ROOM_MIN 24 /* with less left on a line, the first encoded word takes the next */

/* Words and folds. */

struct compose_field compose_field_begin(struct buf *out, const char *name)
{
    size_t from = out->len;
    buf_append_cstr(out, name);
    buf_append_char(out, ':');
    return (struct compose_field){.out = out, .column = out->len - from, .is_first = true};
}

static void append_clean(struct compose_field *f, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        buf_append_char(f->out, c < ' ' || c == 0x7f ? ' ' : text.ptr[i]);
    }
    f->column += text.len;
}

void compose_field_word(struct compose_field *f, struct str word)
{
    if (f->is_first || f->column + 1 + word.len <= COMPOSE_COLUMN_MAX) {
        buf_append_char(f->out, ' ');
        f->column++;
    } else {
        buf_append(f->out, STR("\r\n\t"));
        f->column = 1;
    }
    f->is_first = false;
    append_clean(f, word);
}

void compose_field_printf(struct compose_field *f, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    BUG_ON(len < 0);
    compose_field_word(f, str_from_cstr(text));
}

void compose_field_glue(struct compose_field *f, struct str text)
{
    append_clean(f, text);
}

void compose_field_end(struct compose_field *f)
{
    buf_append(f->out, STR("\r\n"));
}

/* Text outside ASCII. */

static void put_encoded(struct compose_field *f, struct str text)
{
    struct buf words;
    size_t room = f->column + 1 < COMPOSE_COLUMN_MAX ? COMPOSE_COLUMN_MAX - f->column - 1 : 0;
    buf_init(&words, text.len * 16 + 256);
    encoded_word_write(&words, text, room >= ENCODED_ROOM_MIN ? room : COMPOSE_COLUMN_MAX - 1);
    struct str word, rest = buf_str(&words);
    while (rest.len > 0) {
        str_cut(rest, ' ', &word, &rest);
        compose_field_word(f, word);
    }
    buf_release(&words);
}

/* ASCII that would be taken for an encoded word, or cannot be folded, is encoded too. */
static bool must_encode(struct str word, bool smtputf8)
{
    bool foreign = !smtputf8 && !str_is_ascii(word);
    return foreign || word.len > LONG_WORD || str_find(word, STR("=?")) >= 0;
}

/* The next word with the blanks in front of it; the first of them is where a line may be folded. */
static struct str take_word(struct str *rest, struct str *ret_blanks)
{
    size_t blanks = 0;
    while (blanks < rest->len && rest->ptr[blanks] == ' ')
        blanks++;
    *ret_blanks = str_slice(*rest, 0, blanks);
    *rest = str_skip(*rest, blanks);
    ptrdiff_t space = str_find_char(*rest, ' ');
    struct str word = str_slice(*rest, 0, space < 0 ? rest->len : (size_t)space);
    *rest = str_skip(*rest, word.len);
    return word;
}

/* A run of words that must be encoded goes together: readers drop the blanks between encoded
 * words, so those in the text have to be inside. */
static struct str take_encoded_run(struct str first, struct str *rest, bool smtputf8)
{
    struct str run = first;
    for (;;) {
        struct str blanks, after = *rest;
        struct str word = take_word(&after, &blanks);
        if (word.len == 0 || !must_encode(word, smtputf8))
            return run;
        run.len = (size_t)(word.ptr + word.len - run.ptr);
        *rest = after;
    }
}

static void put_text(struct compose_field *f, struct str text, bool smtputf8)
{
    struct str rest = text;
    while (rest.len > 0) {
        struct str blanks;
        struct str word = take_word(&rest, &blanks);
        if (word.len == 0)
            break;
        struct str extra = str_skip(blanks, 1);
        if (must_encode(word, smtputf8)) {
            compose_field_glue(f, extra);
            put_encoded(f, take_encoded_run(word, &rest, smtputf8));
        } else {
            word = str_make(word.ptr - extra.len, word.len + extra.len);
            compose_field_word(f, word);
        }
    }
}

/* A copy in which control characters are spaces and everything is UTF-8; released by the caller. */
static struct str clean_text(struct str text, struct arena *arena)
{
    struct str copy = arena_copy(arena, str_trim(text));
    char *bytes = (char *)(uintptr_t)copy.ptr; /* ours */
    for (size_t i = 0; i < copy.len; i++)
        if ((unsigned char)bytes[i] < ' ' || bytes[i] == 0x7f)
            bytes[i] = ' ';
    return utf8_repair(str_trim(copy), arena);
}

void compose_text_field(struct buf *out, const char *name, struct str text, bool smtputf8)
{
    struct arena arena;
    arena_init(&arena, text.len * 8 + 4096);
    struct compose_field f = compose_field_begin(out, name);
    put_text(&f, clean_text(text, &arena), smtputf8);
    compose_field_end(&f);
    arena_release(&arena);
}

/* Addresses. */

static bool is_phrase_char(unsigned char c)
{
    return is_atext_utf8(c) || c == ' ';
}

/* `before` and the text as a quoted string, as one word. */
static void put_quoted(struct compose_field *f, struct str before, struct str text)
{
    struct buf quoted;
    buf_init(&quoted, before.len + text.len * 2 + 2);
    buf_append(&quoted, before);
    buf_append_char(&quoted, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\')
            buf_append_char(&quoted, '\\');
        buf_append_char(&quoted, text.ptr[i]);
    }
    buf_append_char(&quoted, '"');
    compose_field_word(f, buf_str(&quoted));
    buf_release(&quoted);
}

/* display-name = phrase: atoms, a quoted string, or encoded words. */
static void put_name(struct compose_field *f, struct str name, bool smtputf8)
{
    struct arena arena;
    arena_init(&arena, name.len * 8 + 4096);
    struct str clean = clean_text(name, &arena);
    struct cursor c = cursor_init(clean);
    cursor_skip_while(&c, is_phrase_char);
    if (must_encode(clean, smtputf8))
        put_encoded(f, clean);
    else if (cursor_at_end(&c))
        put_text(f, clean, smtputf8);
    else
        put_quoted(f, STR(""), clean);
    arena_release(&arena);
}

static void put_mailbox(struct compose_field *f, const struct address_entry *e, bool smtputf8)
{
    struct buf text;
    buf_init(&text, 2048);
    if (e->name.len > 0)
        put_name(f, e->name, smtputf8);
    buf_append_cstr(&text, e->name.len > 0 ? "<" : "");
    if (e->address.domain.len > 0 && smtputf8)
        address_write_unicode(&text, e->address);
    else if (e->address.domain.len > 0)
        address_write(&text, e->address);
    buf_append_cstr(&text, e->name.len > 0 ? ">" : "");
    compose_field_word(f, buf_str(&text));
    buf_release(&text);
}

void compose_address_field(struct buf *out, const char *name, const struct address_entry *first,
                           bool smtputf8)
{
    struct compose_field f = compose_field_begin(out, name);
    bool needs_comma = false;
    for (const struct address_entry *e = first; e; e = e->next) {
        if (e->group_end) {
            compose_field_glue(&f, STR(";"));
            needs_comma = true;
            continue;
        }
        if (needs_comma)
            compose_field_glue(&f, STR(","));
        if (e->group_start) {
            put_name(&f, e->name, smtputf8);
            compose_field_glue(&f, STR(":"));
        } else {
            put_mailbox(&f, e, smtputf8);
        }
        needs_comma = !e->group_start;
    }
    compose_field_end(&f);
}

/* Other whole fields. */

void compose_date_field(struct buf *out, const char *name, struct date date)
{
    struct compose_field f = compose_field_begin(out, name);
    struct buf text;
    buf_init(&text, 64);
    date_write(&text, date);
    compose_field_word(&f, buf_str(&text));
    compose_field_end(&f);
    buf_release(&text);
}

void compose_ids_field(struct buf *out, const char *name, struct str ids)
{
    struct compose_field f = compose_field_begin(out, name);
    size_t from = 0;
    for (size_t i = 0; i <= ids.len; i++) {
        if (i < ids.len && (unsigned char)ids.ptr[i] > ' ')
            continue;
        if (i > from)
            compose_field_word(&f, str_slice(ids, from, i - from));
        from = i + 1;
    }
    compose_field_end(&f);
}

/* Parameters. */

static bool is_attribute_char(unsigned char c) /* RFC 2231 7 */
{
    return is_mime_token(c) && c != '*' && c != '\'' && c != '%';
}

static void put_extended(struct compose_field *f, const char *name, struct str value)
{
    struct buf text;
    buf_init(&text, value.len * 3 + 256);
    buf_printf(&text, "%s*=utf-8''", name);
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (is_attribute_char(c))
            buf_append_char(&text, value.ptr[i]);
        else
            buf_printf(&text, "%%%02X", c);
    }
    compose_field_word(f, buf_str(&text));
    buf_release(&text);
}

void compose_field_parameter(struct compose_field *f, const char *name, struct str value, bool last)
{
    struct cursor token = cursor_init(value), printable = token;
    char before[64];
    snprintf(before, sizeof(before), "%s=", name);
    cursor_skip_while(&token, is_mime_token);
    cursor_skip_while(&printable, is_printable);
    if (value.len > 0 && value.len < LONG_WORD && cursor_at_end(&token))
        compose_field_printf(f, "%s%.*s", before, STR_ARG(value));
    else if (cursor_at_end(&printable))
        put_quoted(f, str_from_cstr(before), value);
    else
        put_extended(f, name, value);
    if (!last)
        compose_field_glue(f, STR(";"));
}
