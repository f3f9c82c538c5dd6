#include "common/smtp/reply.h"

#include "common/text/cursor.h"

#include <stdio.h>
#include <string.h>

#define LINE_MAX_TEXT 510 /* RFC 5321 4.5.3.1.5, without CRLF */
#define WRAP_FROM 400

bool smtp_reply_is_positive(const struct smtp_reply *reply)
{
    return reply->code / 100 == 2;
}

bool smtp_reply_is_transient(const struct smtp_reply *reply)
{
    return reply->code / 100 == 4;
}

bool smtp_reply_is_permanent(const struct smtp_reply *reply)
{
    return reply->code / 100 == 5;
}

/* How much of `text` goes into a line with room for `room` bytes. */
static size_t line_length(struct str text, size_t room)
{
    if (text.len <= room)
        return text.len;
    ptrdiff_t space = str_rfind_char(str_slice(text, 0, room), ' ');
    return space > WRAP_FROM ? (size_t)space : room;
}

static void append_text(struct buf *out, struct str text)
{
    size_t begin = out->len;
    if (!buf_append(out, text))
        return;
    for (char *p = out->ptr + begin; p < out->ptr + out->len; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
}

static void append_line(struct buf *out, const struct smtp_reply *reply, struct str text, bool last)
{
    buf_append_u64(out, reply->code);
    buf_append_char(out, last ? ' ' : '-');
    if (reply->enhanced[0] != 0)
        buf_printf(out, "%u.%u.%u ", reply->enhanced[0], reply->enhanced[1], reply->enhanced[2]);
    append_text(out, text);
    buf_append_cstr(out, "\r\n");
}

void smtp_reply_write(struct buf *out, const struct smtp_reply *reply)
{
    const size_t room = LINE_MAX_TEXT - strlen("250-2.255.255 ");
    struct str rest = reply->text, line;
    bool more = true;
    while (more) {
        more = str_cut(rest, '\n', &line, &rest);
        for (size_t len; (len = line_length(line, room)) < line.len; line = str_skip(line, len)) {
            append_line(out, reply, str_slice(line, 0, len), false);
            if (line.ptr[len] == ' ')
                len++;
        }
        append_line(out, reply, line, !more);
    }
}

struct smtp_reply smtp_reply_of_err(const struct err *err)
{
    static const struct smtp_reply replies[] = {
        [ERR_NONE] = {451, {4, 3, 0}, STR_INIT("error processing")},
        [ERR_SYNTAX] = {501, {5, 5, 2}, STR_INIT("syntax error")},
        [ERR_STATE] = {503, {5, 5, 1}, STR_INIT("not now")},
        [ERR_LIMIT] = {452, {4, 2, 2}, STR_INIT("limit reached")},
        [ERR_NOT_FOUND] = {550, {5, 1, 1}, STR_INIT("no such user")},
        [ERR_DENIED] = {550, {5, 7, 1}, STR_INIT("not allowed")},
        [ERR_CONFLICT] = {451, {4, 3, 0}, STR_INIT("changed meanwhile, try again")},
        [ERR_TEMPORARY] = {451, {4, 3, 0}, STR_INIT("temporary problem, try again later")},
        [ERR_TIMEOUT] = {451, {4, 3, 0}, STR_INIT("took too long, try again later")},
        [ERR_UNAVAILABLE] = {451, {4, 3, 0}, STR_INIT("temporarily unavailable, try again later")},
        [ERR_CORRUPT] = {451, {4, 3, 0}, STR_INIT("internal problem, try again later")},
        [ERR_INTERNAL] = {451, {4, 3, 0}, STR_INIT("internal problem, try again later")},
        [ERR_NO_SPACE] = {452, {4, 3, 1}, STR_INIT("no space, try again later")},
        [ERR_FORBIDDEN] = {550, {5, 7, 1}, STR_INIT("not allowed")},
    };
    size_t kind = (size_t)err->kind < ARRAY_LEN(replies) ? (size_t)err->kind : ERR_INTERNAL;
    struct smtp_reply reply = replies[kind];
    if (err->reply[0] != '\0')
        reply.text = str_from_cstr(err->reply);
    return reply;
}

/* The reader. Lines are kept as a list in the arena and joined when the last one is there. */
struct smtp_reply_text {
    struct smtp_reply_text *before;
    struct str text;
};

void smtp_reply_reader_init(struct smtp_reply_reader *r, struct arena *arena)
{
    *r = (struct smtp_reply_reader){.arena = arena};
}

/* RFC 2034 4: status-code ::= class "." subject "." detail. Taken only when the class fits. */
static void take_enhanced(struct cursor *c, uint16_t code, uint8_t enhanced[3])
{
    struct cursor mark = cursor_mark(c);
    uint64_t class = cursor_take_number(c, 5, "class");
    cursor_expect(c, '.');
    uint64_t subject = cursor_take_number(c, 255, "subject");
    cursor_expect(c, '.');
    uint64_t detail = cursor_take_number(c, 255, "detail");
    if (!cursor_at_end(c))
        cursor_expect(c, ' ');
    if (cursor_failed(c) || class != code / 100u) {
        cursor_rewind(c, mark);
        return;
    }
    if (enhanced[0] == 0) {
        enhanced[0] = (uint8_t) class;
        enhanced[1] = (uint8_t)subject;
        enhanced[2] = (uint8_t)detail;
    }
}

static bool join_lines(struct smtp_reply_reader *r, struct err *err)
{
    size_t len = 0;
    for (struct smtp_reply_text *t = r->last; t; t = t->before)
        len += t->text.len + (t->before ? 1 : 0);
    char *text = arena_alloc(r->arena, len + 1);
    if (!text)
        return err_set(err, ERR_LIMIT, "reply too long");
    char *at = text + len;
    for (struct smtp_reply_text *t = r->last; t; t = t->before) {
        at -= t->text.len;
        if (t->text.len > 0)
            memcpy(at, t->text.ptr, t->text.len);
        if (t->before)
            *--at = '\n';
    }
    r->reply.text = str_make(text, len);
    return true;
}

static struct str without_line_end(struct str line)
{
    if (str_ends_with(line, STR("\n")))
        line.len--;
    if (str_ends_with(line, STR("\r")))
        line.len--;
    return line;
}

/* RFC 5321 4.2: Reply-line = Reply-code [ ("-" / SP) textstring ] */
bool smtp_reply_reader_add(struct smtp_reply_reader *r, struct str line, bool *ret_done,
                           struct err *err)
{
    if (line.len > SMTP_REPLY_LINE_MAX || r->lines >= SMTP_REPLY_LINES_MAX)
        return err_set(err, ERR_LIMIT, "reply of more than %u lines or %u bytes a line",
                       SMTP_REPLY_LINES_MAX, SMTP_REPLY_LINE_MAX);
    struct cursor c = cursor_init(without_line_end(line));
    struct cursor digits = cursor_init(cursor_take(&c, 3, "reply code"));
    uint64_t code = cursor_take_number(&digits, 599, "reply code");
    bool more = cursor_skip(&c, '-');
    if (!more && !cursor_at_end(&c))
        cursor_expect(&c, ' ');
    if (!cursor_finish(&digits, err) || !cursor_check(&c, err))
        return err_wrap(err, "not an SMTP reply");
    if (code < 200 || (r->lines > 0 && code != r->reply.code))
        return err_set(err, ERR_SYNTAX, "unexpected reply code %u", (unsigned)code);
    r->reply.code = (uint16_t)code;
    take_enhanced(&c, r->reply.code, r->reply.enhanced);

    struct smtp_reply_text *text = arena_new(r->arena, struct smtp_reply_text);
    if (!text)
        return err_set(err, ERR_LIMIT, "reply too long");
    *text = (struct smtp_reply_text){r->last, arena_copy(r->arena, cursor_rest(&c))};
    r->last = text;
    r->lines++;
    *ret_done = !more;
    return more || join_lines(r, err);
}

/* 4.1.1.1: ehlo-line = ehlo-keyword *( SP ehlo-param ); the first line is the greeting. */
bool smtp_reply_has_keyword(const struct smtp_reply *ehlo, struct str keyword,
                            struct str *ret_parameters)
{
    struct str rest, line, name, parameters;
    str_cut(ehlo->text, '\n', NULL, &rest);
    while (!str_is_null(rest)) {
        str_cut(rest, '\n', &line, &rest);
        str_cut(line, ' ', &name, &parameters);
        if (!str_eq_nocase(name, keyword))
            continue;
        if (ret_parameters)
            *ret_parameters = str_trim(parameters);
        return true;
    }
    return false;
}
