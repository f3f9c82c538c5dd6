#include "common/mail/html_text.h"

#include "common/base/buf.h"
#include "common/text/cursor.h"
#include "common/text/utf8.h"

#include <string.h>

#define TAG_NAME_MAX 32
#define QUOTE_DEPTH_MAX 8

struct html_text {
    struct cursor c;
    struct buf out;
    struct str hidden;  /* name of the element whose content is left out, or empty */
    unsigned quotes;    /* open blockquotes */
    bool line_begun;    /* something stands on the line already */
    bool blank_pending; /* a blank goes before the next character of the line */
};

/* Writing text. */

static void end_line(struct html_text *h)
{
    if (h->line_begun)
        buf_append_char(&h->out, '\n');
    h->line_begun = h->blank_pending = false;
}

/* Blanks, no-break spaces, and what has no width: senders pad with runs of them. */
static bool is_invisible(uint32_t c)
{
    return c <= ' ' || c == 0x7f || c == 0xa0 || c == 0xad || c == 0x34f || c == 0x61c ||
           (c >= 0x2000 && c <= 0x200f) || (c >= 0x2028 && c <= 0x202f) ||
           (c >= 0x205f && c <= 0x206f) || c == 0x3000 || c == 0xfeff;
}

static void put_character(struct html_text *h, uint32_t character)
{
    char bytes[4];
    if (is_invisible(character)) {
        h->blank_pending |= h->line_begun;
        return;
    }
    for (unsigned i = 0; !h->line_begun && i < h->quotes; i++)
        buf_append(&h->out, STR("> "));
    if (h->blank_pending)
        buf_append_char(&h->out, ' ');
    buf_append(&h->out, str_make(bytes, utf8_encode(character, bytes)));
    h->line_begun = true;
    h->blank_pending = false;
}

/* Tags. */

static bool is_one_of(struct str name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq_nocase(name, str_from_cstr(names[i])))
            return true;
    return false;
}

static bool is_hidden_element(struct str name)
{
    static const char *const names[] = {"head", "script", "style", "template", "title",
                                        "svg",  "math",   "map",   "dialog"};
    return is_one_of(name, names, ARRAY_LEN(names));
}

static bool is_block_element(struct str name)
{
    static const char *const names[] = {
        "address", "article", "aside", "blockquote", "body",     "br",     "center", "dd",
        "details", "div",     "dl",    "dt",         "fieldset", "figure", "footer", "form",
        "h1",      "h2",      "h3",    "h4",         "h5",       "h6",     "header", "hr",
        "html",    "li",      "main",  "nav",        "ol",       "p",      "pre",    "section",
        "table",   "tbody",   "tfoot", "thead",      "tr",       "ul"};
    return is_one_of(name, names, ARRAY_LEN(names));
}

static bool is_not_tag_end(unsigned char c)
{
    return c != '>' && c != '"' && c != '\'';
}

/* Attributes, up to and with ">"; quoted values may contain it. */
static void skip_attributes(struct html_text *h)
{
    while (!cursor_at_end(&h->c) && !cursor_skip(&h->c, '>')) {
        cursor_skip_while(&h->c, is_not_tag_end);
        int quote = cursor_peek(&h->c);
        if (quote != '"' && quote != '\'')
            continue;
        cursor_take(&h->c, 1, "quote");
        ptrdiff_t len = str_find_char(cursor_rest(&h->c), (char)quote);
        cursor_take(&h->c, len < 0 ? cursor_rest(&h->c).len : (size_t)len + 1, "value");
    }
}

static void open_element(struct html_text *h, struct str name)
{
    if (is_hidden_element(name)) {
        h->hidden = name;
        return;
    }
    if (is_block_element(name))
        end_line(h);
    if (str_eq_nocase(name, STR("blockquote")) && h->quotes < QUOTE_DEPTH_MAX)
        h->quotes++;
}

static void close_element(struct html_text *h, struct str name)
{
    if (is_block_element(name))
        end_line(h);
    if (str_eq_nocase(name, STR("blockquote")) && h->quotes > 0)
        h->quotes--;
    if (str_eq_nocase(name, STR("td")) || str_eq_nocase(name, STR("th")))
        h->blank_pending |= h->line_begun;
}

/* After "<!": a comment, or a declaration. */
static void skip_declaration(struct html_text *h)
{
    struct str end = cursor_skip_str(&h->c, STR("--")) ? STR("-->") : STR(">");
    ptrdiff_t at = str_find(cursor_rest(&h->c), end);
    cursor_take(&h->c, at < 0 ? cursor_rest(&h->c).len : (size_t)at + end.len, "declaration");
}

/* After "<". */
static void take_tag(struct html_text *h)
{
    if (cursor_skip(&h->c, '!') || cursor_skip(&h->c, '?')) {
        skip_declaration(h);
        return;
    }
    bool closing = cursor_skip(&h->c, '/');
    if (!cursor_next_is_class(&h->c, is_alpha)) {
        if (!closing && h->hidden.len == 0)
            put_character(h, '<');
        return;
    }
    struct str name = str_slice(cursor_rest(&h->c), 0, 0);
    name.len = cursor_skip_while(&h->c, is_alnum);
    if (h->hidden.len > 0) { /* only its own end tag counts */
        if (closing && str_eq_nocase(name, h->hidden))
            h->hidden.len = 0;
        else if (!closing && str_eq_nocase(name, STR("body")))
            h->hidden.len = 0; /* a head that nobody closed */
        else
            return;
    }
    skip_attributes(h);
    if (closing)
        close_element(h, name);
    else
        open_element(h, name);
}

/* Character references. */

static uint32_t named_character(struct str name)
{
    static const struct {
        struct str name;
        uint32_t character;
    } names[] = {
        {STR_INIT("amp"), '&'},       {STR_INIT("lt"), '<'},       {STR_INIT("gt"), '>'},
        {STR_INIT("quot"), '"'},      {STR_INIT("apos"), '\''},    {STR_INIT("nbsp"), 0xa0},
        {STR_INIT("copy"), 0xa9},     {STR_INIT("reg"), 0xae},     {STR_INIT("shy"), 0xad},
        {STR_INIT("laquo"), 0xab},    {STR_INIT("raquo"), 0xbb},   {STR_INIT("middot"), 0xb7},
        {STR_INIT("auml"), 0xe4},     {STR_INIT("ouml"), 0xf6},    {STR_INIT("uuml"), 0xfc},
        {STR_INIT("Auml"), 0xc4},     {STR_INIT("Ouml"), 0xd6},    {STR_INIT("Uuml"), 0xdc},
        {STR_INIT("szlig"), 0xdf},    {STR_INIT("eacute"), 0xe9},  {STR_INIT("egrave"), 0xe8},
        {STR_INIT("agrave"), 0xe0},   {STR_INIT("ccedil"), 0xe7},  {STR_INIT("ndash"), 0x2013},
        {STR_INIT("mdash"), 0x2014},  {STR_INIT("lsquo"), 0x2018}, {STR_INIT("rsquo"), 0x2019},
        {STR_INIT("ldquo"), 0x201c},  {STR_INIT("rdquo"), 0x201d}, {STR_INIT("bull"), 0x2022},
        {STR_INIT("hellip"), 0x2026}, {STR_INIT("euro"), 0x20ac},  {STR_INIT("trade"), 0x2122},
        {STR_INIT("zwnj"), 0x200c},   {STR_INIT("zwj"), 0x200d},   {STR_INIT("times"), 0xd7},
        {STR_INIT("emsp"), 0x2003},   {STR_INIT("ensp"), 0x2002},  {STR_INIT("thinsp"), 0x2009},
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq(name, names[i].name))
            return names[i].character;
    return 0;
}

static uint32_t digit_value(unsigned char c)
{
    return is_digit(c) ? c - (uint32_t)'0' : (c | 0x20u) - 'a' + 10;
}

static uint32_t numbered_character(struct str digits)
{
    bool hex = digits.len > 0 && (digits.ptr[0] == 'x' || digits.ptr[0] == 'X');
    uint32_t value = 0;
    for (size_t i = hex; i < digits.len && value <= 0x10ffff; i++) {
        unsigned char c = (unsigned char)digits.ptr[i];
        if (hex ? !is_hex_digit(c) : !is_digit(c))
            return 0;
        value = value * (hex ? 16 : 10) + digit_value(c);
    }
    bool scalar = value <= 0x10ffff && (value < 0xd800 || value > 0xdfff);
    return scalar ? value : 0;
}

/* After "&": name or number and ";". What is none stays text. */
static void take_reference(struct html_text *h)
{
    struct cursor mark = cursor_mark(&h->c);
    bool numbered = cursor_skip(&h->c, '#');
    struct str name = cursor_take_while0(&h->c, is_alnum, TAG_NAME_MAX, "reference");
    uint32_t character = numbered ? numbered_character(name) : named_character(name);
    if (!cursor_failed(&h->c) && character != 0) {
        cursor_skip(&h->c, ';');
        put_character(h, character);
    } else {
        cursor_rewind(&h->c, mark);
        put_character(h, '&');
    }
}

static bool is_not_tag(unsigned char c)
{
    return c != '<';
}

struct str html_to_text(struct str html, struct arena *arena)
{
    struct html_text h = {.c = cursor_init(html)};
    buf_init(&h.out, HTML_TEXT_MAX);
    while (!cursor_at_end(&h.c) && !h.out.overflow) {
        uint32_t character;
        if (cursor_skip(&h.c, '<')) {
            take_tag(&h);
        } else if (h.hidden.len > 0) {
            cursor_skip_while(&h.c, is_not_tag);
        } else if (cursor_skip(&h.c, '&')) {
            take_reference(&h);
        } else {
            cursor_take(&h.c, utf8_decode(cursor_rest(&h.c), &character), "character");
            put_character(&h, character);
        }
    }
    end_line(&h);
    struct str text = arena_copy(arena, utf8_truncate_bytes(buf_str(&h.out), HTML_TEXT_MAX));
    buf_release(&h.out);
    return text;
}
