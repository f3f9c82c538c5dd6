#include "common/mail/address.h"
#include "common/mail/cfws.h"
#include "common/mail/encoded_word.h"
#include "common/text/utf8.h"

#include <string.h>

/* RFC 5322 3.4 address-list, with the obsolete forms of 4.4. Words are collected twice: joined by
 * blanks as a display name, and without blanks as a local part; what follows decides which it was.
 */

#define PHRASE_LEN_MAX (64 * 1024)

struct list_parser {
    struct cursor c;
    struct arena *arena;
    struct address_entry *first;
    struct address_entry **next;
    size_t room;        /* entries that may still be added */
    size_t arena_end;   /* no entry is added when so much of the arena is used */
    bool keeps_first;   /* without room the list ends, instead of being refused */
    bool is_full;       /* it has ended so */
    struct buf name;    /* scratch */
    struct buf local;   /* scratch */
    struct str comment; /* the last one met in this mailbox */
    bool in_group;
};

/* For one more entry, and for the end of its group. */
static bool has_room(const struct list_parser *p, const struct address_entry *entry)
{
    bool is_end = entry->group_end;
    return p->room >= 1u + (p->in_group && !is_end) && (is_end || p->arena->used < p->arena_end);
}

static void add_entry(struct list_parser *p, struct address_entry entry)
{
    p->is_full = p->keeps_first && !has_room(p, &entry);
    if (p->is_full)
        return;
    struct address_entry *e = p->room > 0 ? arena_new(p->arena, struct address_entry) : NULL;
    if (!e) {
        cursor_fail_too_long(&p->c, "address list");
        return;
    }
    *e = entry;
    *p->next = e;
    p->next = &e->next;
    p->room--;
}

/* Decoded and unfolded, in arena. */
static struct str finish_name(struct list_parser *p, struct str raw)
{
    struct str name = encoded_word_decode(raw, p->arena);
    bool borrowed = name.ptr == raw.ptr;
    name = str_trim(name);
    if (borrowed && name.len > 0)
        name = arena_copy(p->arena, name);
    if (str_is_null(name) && raw.len > 0)
        cursor_fail_too_long(&p->c, "display name");
    return name;
}

/* quoted-string; the opening quote is taken already. Folds inside are dropped. */
static void take_quoted(struct list_parser *p)
{
    while (!cursor_at_end(&p->c) && !cursor_next_is(&p->c, '"')) {
        cursor_skip(&p->c, '\\');
        struct str byte = cursor_take(&p->c, 1, "end of quoted string");
        if (byte.len == 1 && byte.ptr[0] != '\r' && byte.ptr[0] != '\n') {
            buf_append(&p->name, byte);
            buf_append(&p->local, byte);
        }
    }
    cursor_expect(&p->c, '"');
}

/* An atom; encoded words are taken whole, because some hold characters that no atom may have. */
static bool take_atom(struct list_parser *p)
{
    const char *from = p->c.at;
    encoded_word_take(&p->c);
    cursor_skip_while(&p->c, is_atext_utf8);
    struct str atom = str_make(from, (size_t)(p->c.at - from));
    buf_append(&p->name, atom);
    buf_append(&p->local, atom);
    return atom.len > 0;
}

/* 1*( word / "." / CFWS ): everything up to a character that decides. Returns whether any was. */
static bool take_words(struct list_parser *p)
{
    bool any = false;
    buf_reset(&p->name);
    buf_reset(&p->local);
    for (;;) {
        bool blank = cfws_skip(&p->c, &p->comment);
        int next = cursor_peek(&p->c);
        if (next != '"' && next != '.' && (next < 0 || !is_atext_utf8((unsigned char)next)))
            return any;
        if (blank && any)
            buf_append_char(&p->name, ' ');
        any = true;
        if (cursor_skip(&p->c, '"')) {
            take_quoted(p);
        } else if (cursor_skip(&p->c, '.')) {
            buf_append_char(&p->name, '.');
            buf_append_char(&p->local, '.');
        } else if (!take_atom(p)) {
            cursor_fail(&p->c, "word");
        }
        if (p->name.overflow || p->local.overflow)
            cursor_fail_too_long(&p->c, "display name");
    }
}

static bool is_domain_word(unsigned char c)
{
    return is_atext_utf8(c) || c == '.';
}

static bool is_literal_char(unsigned char c)
{
    return c > ' ' && c != ']' && c != '[';
}

/* Appends "@domain" to the local part in p->local and judges the whole as an SMTP address. */
static struct address take_domain(struct list_parser *p)
{
    struct buf text;
    struct address address = {STR_NULL, STR_NULL};
    struct err err;
    buf_init(&text, 4 * 1024);
    /* Decoded by take_words: quote it again where needed, so that one parser judges. */
    address_write_localpart(&text, buf_str(&p->local));
    buf_append_char(&text, '@');
    cfws_skip(&p->c, &p->comment);
    if (cursor_skip(&p->c, '[')) {
        struct str literal = cursor_take_while0(&p->c, is_literal_char, 256, "address literal");
        cursor_expect(&p->c, ']');
        buf_printf(&text, "[%.*s]", STR_ARG(literal));
        cfws_skip(&p->c, &p->comment);
    } else {
        do {
            buf_append(&text, cursor_take_while(&p->c, is_domain_word, 1024, "domain"));
            cfws_skip(&p->c, &p->comment);
        } while (cursor_next_is_class(&p->c, is_domain_word));
    }
    if (cursor_failed(&p->c) || text.overflow ||
        !address_parse(buf_str(&text), p->arena, &address, &err))
        address = (struct address){STR_NULL, STR_NULL};
    buf_release(&text);
    return address;
}

static bool is_route_char(unsigned char c)
{
    return c != ':' && c != '>';
}

/* angle-addr = "<" [obs-route] addr-spec ">"; the bracket is taken already. "<>" and "<user>" occur
 * and give no address. */
static struct address take_angle(struct list_parser *p)
{
    struct address address = {STR_NULL, STR_NULL};
    cfws_skip(&p->c, &p->comment);
    if (cursor_next_is(&p->c, '@') || cursor_next_is(&p->c, ',')) {
        cursor_skip_while(&p->c, is_route_char);
        cursor_expect(&p->c, ':');
    }
    take_words(p);
    if (cursor_skip(&p->c, '@'))
        address = take_domain(p);
    cursor_expect(&p->c, '>');
    cfws_skip(&p->c, &p->comment);
    return address;
}

/* group = display-name ":" [group-list] ";" */
static void begin_group(struct list_parser *p)
{
    if (p->in_group)
        cursor_fail(&p->c, "no group inside a group");
    p->in_group = true;
    add_entry(
        p, (struct address_entry){.name = finish_name(p, buf_str(&p->name)), .group_start = true});
    p->in_group = !p->is_full;
}

static void end_group(struct list_parser *p)
{
    if (!p->in_group)
        cursor_fail(&p->c, "\";\" only after a group");
    p->in_group = false;
    add_entry(p, (struct address_entry){.group_end = true});
}

/* mailbox or the start of a group. A mailbox is followed by "," or ";" or the end. */
static void take_element(struct list_parser *p)
{
    struct address_entry entry = {.name = STR_NULL};
    p->comment = STR_NULL;
    bool any = take_words(p);
    if (any && cursor_skip(&p->c, ':')) {
        begin_group(p);
        return;
    }
    if (cursor_skip(&p->c, '<')) {
        entry.name = finish_name(p, buf_str(&p->name));
        entry.address = take_angle(p);
    } else if (any && cursor_skip(&p->c, '@')) {
        entry.address = take_domain(p);
    } else {
        cursor_fail(&p->c, any ? "\"@\"" : "address");
    }
    if (entry.name.len == 0 && p->comment.len > 0)
        entry.name = finish_name(p, p->comment);
    if (!cursor_at_end(&p->c) && !cursor_next_is(&p->c, ',') && !cursor_next_is(&p->c, ';'))
        cursor_fail(&p->c, "\",\" after an address");
    if (!cursor_failed(&p->c))
        add_entry(p, entry);
}

static void take_list(struct list_parser *p)
{
    struct str ignored;
    for (;;) {
        cfws_skip(&p->c, &ignored);
        if (cursor_at_end(&p->c) || p->is_full)
            break;
        if (cursor_skip(&p->c, ';'))
            end_group(p);
        else if (!cursor_skip(&p->c, ','))
            take_element(p);
    }
    if (p->in_group && !cursor_failed(&p->c)) /* senders do forget the ";" */
        end_group(p);
}

static bool parse_list(struct list_parser *p, struct address_entry **ret_first, struct err *err)
{
    p->next = &p->first;
    buf_init(&p->name, PHRASE_LEN_MAX);
    buf_init(&p->local, PHRASE_LEN_MAX);
    take_list(p);
    buf_release(&p->name);
    buf_release(&p->local);
    if (!cursor_check(&p->c, err))
        return err_wrap(err, "address list");
    *ret_first = p->first;
    return true;
}

bool address_list_parse(struct str value, size_t max, struct arena *arena,
                        struct address_entry **ret_first, struct err *err)
{
    struct list_parser p = {.c = cursor_init(value), .arena = arena, .room = max};
    return parse_list(&p, ret_first, err);
}

bool address_list_parse_first(struct str value, size_t max, struct arena *arena,
                              struct address_entry **ret_first, struct err *err)
{
    struct list_parser p = {
        .c = cursor_init(value), .arena = arena, .room = max, .keeps_first = true};
    p.arena_end = arena->used + (arena->limit - arena->used) / 2;
    return parse_list(&p, ret_first, err);
}

bool address_list_single(const struct address_entry *first, struct address *ret_address,
                         struct err *err)
{
    const struct address_entry *found = NULL;
    for (const struct address_entry *e = first; e; e = e->next) {
        if (e->group_start || e->group_end)
            continue;
        if (found)
            return err_set(err, ERR_SYNTAX, "more than one address");
        found = e;
    }
    if (!found)
        return err_set(err, ERR_SYNTAX, "no address");
    if (found->address.domain.len == 0)
        return err_set(err, ERR_SYNTAX, "address that is not valid");
    *ret_address = found->address;
    return true;
}
