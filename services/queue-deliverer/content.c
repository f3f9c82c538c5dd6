#include "services/queue-deliverer/content.h"

#include <string.h>

struct content content_begin(struct str prefix, struct str file)
{
    return (struct content){.texts = {prefix, file}};
}

/* Where the first line after the present one begins that starts with a dot; the end without one. */
static size_t next_dotted_line(struct str text, size_t at)
{
    const char *found = NULL;
    if (at < text.len)
        found = memmem(text.ptr + at, text.len - at, "\n.", 2);
    return found ? (size_t)(found - text.ptr) + 1 : text.len;
}

/* From the present line up to the next one that needs an extra dot. */
static struct str take_span(struct content *c)
{
    struct str text = c->texts[c->text];
    size_t from = c->at;
    if (text.ptr[from] == '.' && !c->stuffed) {
        c->stuffed = true;
        return STR(".");
    }
    c->stuffed = false;
    c->at = next_dotted_line(text, from);
    return str_slice(text, from, c->at - from);
}

bool content_next(struct content *c, struct str *ret_span)
{
    while (c->text < ARRAY_LEN(c->texts)) {
        if (c->at < c->texts[c->text].len) {
            *ret_span = take_span(c);
            return true;
        }
        c->text++;
        c->at = 0;
    }
    if (c->ended)
        return false;
    c->ended = true;
    *ret_span = STR(".\r\n");
    return true;
}

bool content_check(struct str text, struct err *err)
{
    const char *at = text.ptr, *end = text.ptr + text.len;
    while (at < end) {
        const char *lf = memchr(at, '\n', (size_t)(end - at));
        if (!lf)
            return err_set(err, ERR_CORRUPT, "the last line has no end");
        const char *cr = memchr(at, '\r', (size_t)(lf - at));
        if (!cr || cr + 1 != lf)
            return err_set(err, ERR_CORRUPT, "bare %s at byte %zu", cr ? "CR" : "LF",
                           (size_t)((cr ? cr : lf) - text.ptr));
        at = lf + 1;
    }
    return true;
}
