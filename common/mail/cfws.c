#include "common/mail/cfws.h"

static bool is_white(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_comment_text(unsigned char c)
{
    return c != '(' && c != ')' && c != '\\';
}

/* comment = "(" *([FWS] ccontent) [FWS] ")"; nesting is counted, not recursed into. */
static struct str take_comment(struct cursor *c)
{
    unsigned depth = 0;
    const char *from = c->at + 1;
    do {
        if (cursor_skip(c, '(')) {
            depth++;
        } else if (cursor_skip(c, ')')) {
            depth--;
        } else if (cursor_skip(c, '\\')) {
            cursor_take(c, 1, "end of comment");
        } else if (cursor_skip_while(c, is_comment_text) == 0) {
            cursor_fail(c, "end of comment");
        }
    } while (depth > 0 && !cursor_failed(c));
    return cursor_failed(c) ? STR_NULL : str_make(from, (size_t)(c->at - 1 - from));
}

bool cfws_skip(struct cursor *c, struct str *comment)
{
    const char *from = c->at;
    for (;;) {
        cursor_skip_while(c, is_white);
        if (!cursor_next_is(c, '('))
            return c->at > from;
        *comment = take_comment(c);
    }
}
