#include "common/mail/line_ends.h"

static struct str take(struct line_ends *l, struct str *rest, size_t len)
{
    struct str span = str_slice(*rest, 0, len);
    *rest = str_skip(*rest, len);
    if (len > 0) {
        l->after_cr = span.ptr[len - 1] == '\r';
        l->after_line = span.ptr[len - 1] == '\n';
    }
    return span;
}

bool line_ends_to_crlf(struct line_ends *l, struct str *rest, struct str *ret_span)
{
    if (rest->len == 0)
        return false;
    ptrdiff_t lf = str_find_char(*rest, '\n');
    if (lf < 0) {
        *ret_span = take(l, rest, rest->len);
        return true;
    }
    bool has_cr = lf > 0 ? rest->ptr[lf - 1] == '\r' : l->after_cr;
    if (has_cr) {
        *ret_span = take(l, rest, (size_t)lf + 1);
    } else if (lf > 0) {
        *ret_span = take(l, rest, (size_t)lf);
    } else {
        take(l, rest, 1);
        *ret_span = STR("\r\n");
    }
    return true;
}

bool line_ends_to_lf(struct line_ends *l, struct str *rest, struct str *ret_span)
{
    if (rest->len == 0)
        return false;
    if (l->after_cr) {
        l->after_cr = false;
        *ret_span = rest->ptr[0] == '\n' ? take(l, rest, 1) : STR("\r");
        return true;
    }
    ptrdiff_t cr = str_find_char(*rest, '\r');
    if (cr < 0) {
        *ret_span = take(l, rest, rest->len);
        return true;
    }
    *ret_span = take(l, rest, (size_t)cr);
    take(l, rest, 1);
    return true;
}

struct str line_ends_last(const struct line_ends *l)
{
    return l->after_cr ? STR("\r") : STR("");
}
