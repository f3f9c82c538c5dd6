#include "common/smtp/data.h"

#include <string.h>

void smtp_data_init(struct smtp_data *d)
{
    *d = (struct smtp_data){.state = SMTP_DATA_LINE_START};
}

static bool has_high_bit(struct str s)
{
    uint64_t seen = 0;
    size_t i = 0;
    for (; i + sizeof(seen) <= s.len; i += sizeof(seen)) {
        uint64_t word;
        memcpy(&word, s.ptr + i, sizeof(word));
        seen |= word;
    }
    for (; i < s.len; i++)
        seen |= (unsigned char)s.ptr[i];
    return (seen & 0x8080808080808080u) != 0;
}

static void set_bad(struct smtp_data *d, const char *what)
{
    if (!d->bad)
        d->bad = what;
}

static bool at_line_start(const struct smtp_data *d)
{
    return d->state == SMTP_DATA_LINE_START || d->state == SMTP_DATA_LINE_START_LF;
}

/* Takes everything before `at` as text, and `skip` bytes more as nothing. */
static struct str take_before(struct str *input, const char *at, size_t skip)
{
    struct str text = str_make(input->ptr, (size_t)(at - input->ptr));
    *input = str_skip(*input, text.len + skip);
    return text;
}

/* A CR that is not followed by LF in this chunk: the LF may be the first byte of the next. */
static struct str take_before_cr(struct smtp_data *d, struct str *input, const char *line,
                                 const char *cr)
{
    if (cr + 1 < input->ptr + input->len) {
        set_bad(d, "a bare carriage return");
        d->state = SMTP_DATA_LINE;
    } else {
        d->state = at_line_start(d) && cr == line ? SMTP_DATA_EMPTY_CR : SMTP_DATA_CR;
    }
    return take_before(input, cr, 1);
}

/* A bare LF is given out as CRLF, in a span of its own. */
static struct str take_bare_lf(struct smtp_data *d, struct str *input, const char *lf)
{
    if (lf > input->ptr)
        return take_before(input, lf, 0);
    if (at_line_start(d))
        d->has_separator = true;
    d->state = SMTP_DATA_LINE_START_LF;
    *input = str_skip(*input, 1);
    return STR("\r\n");
}

static struct str take_before_dot(struct smtp_data *d, struct str *input, const char *dot)
{
    if (d->state == SMTP_DATA_LINE_START) {
        d->state = SMTP_DATA_DOT;
        return take_before(input, dot, 1); /* 4.5.2: this dot goes */
    }
    d->state = SMTP_DATA_DOT_LF;
    return take_before(input, dot + 1, 0);
}

/* In the three states of plain text: goes over as many lines as need no change. */
static struct str take_text(struct smtp_data *d, struct str *input)
{
    const char *end = input->ptr + input->len;
    const char *line = input->ptr;
    while (line < end) {
        if (*line == '.' && at_line_start(d))
            return take_before_dot(d, input, line);
        const char *lf = memchr(line, '\n', (size_t)(end - line));
        const char *stop = lf ? lf : end;
        const char *cr = memchr(line, '\r', (size_t)(stop - line));
        if (cr && (!lf || cr + 1 != lf))
            return take_before_cr(d, input, line, cr);
        if (lf && !cr) {
            if (lf > line)
                d->state = SMTP_DATA_LINE;
            return take_bare_lf(d, input, lf);
        }
        if (lf && cr == line && at_line_start(d))
            d->has_separator = true;
        d->state = lf ? SMTP_DATA_LINE_START : SMTP_DATA_LINE;
        line = lf ? lf + 1 : end;
    }
    return take_before(input, end, 0);
}

/* In the states that wait for the byte after a CR or a dot. */
static struct str take_held(struct smtp_data *d, struct str *input)
{
    static const struct {
        const char *bad; /* when an LF comes */
        enum smtp_data_state then;
        bool cr; /* a CR is waiting */
        enum smtp_data_state on_cr;
    } rows[] = {
        [SMTP_DATA_CR] = {NULL, SMTP_DATA_LINE_START, true, 0},
        [SMTP_DATA_EMPTY_CR] = {NULL, SMTP_DATA_LINE_START, true, 0},
        [SMTP_DATA_DOT] = {"CRLF . LF", SMTP_DATA_LINE_START_LF, false, SMTP_DATA_DOT_CR},
        [SMTP_DATA_DOT_CR] = {NULL, SMTP_DATA_LINE_START, true, 0},
        [SMTP_DATA_DOT_LF] = {"LF . LF", SMTP_DATA_LINE_START_LF, false, SMTP_DATA_DOT_LF_CR},
        [SMTP_DATA_DOT_LF_CR] = {"LF . CRLF", SMTP_DATA_LINE_START, true, 0},
    };
    enum smtp_data_state state = d->state;
    char c = input->ptr[0];
    if (c != '\n' && !(c == '\r' && !rows[state].cr)) {
        if (rows[state].cr)
            set_bad(d, "a bare carriage return");
        d->state = SMTP_DATA_LINE;
        return STR_NULL;
    }
    *input = str_skip(*input, 1);
    if (c == '\r') {
        d->state = rows[state].on_cr;
        return STR_NULL;
    }
    if (rows[state].bad)
        set_bad(d, rows[state].bad);
    d->ended = state == SMTP_DATA_DOT_CR;
    if (state == SMTP_DATA_EMPTY_CR)
        d->has_separator = true;
    d->state = rows[state].then;
    return state == SMTP_DATA_CR || state == SMTP_DATA_EMPTY_CR ? STR("\r\n") : STR_NULL;
}

bool smtp_data_next(struct smtp_data *d, struct str *input, struct str *ret_span)
{
    while (!d->ended && input->len > 0) {
        bool was_bad = d->bad != NULL;
        bool is_text = at_line_start(d) || d->state == SMTP_DATA_LINE;
        struct str span = is_text ? take_text(d, input) : take_held(d, input);
        if (span.len == 0 || was_bad)
            continue;
        d->size += span.len;
        if (!d->has_8bit)
            d->has_8bit = has_high_bit(span);
        *ret_span = span;
        return true;
    }
    return false;
}

size_t smtp_data_length(const struct smtp_data *d, struct str input)
{
    struct smtp_data ahead = *d;
    ahead.has_8bit = true; /* not asked here: saves looking */
    struct str rest = input, span;
    while (smtp_data_next(&ahead, &rest, &span))
        continue;
    return input.len - rest.len;
}
