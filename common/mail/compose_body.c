#include "common/mail/compose.h"

#include "common/text/base64.h"
#include "common/text/quoted_printable.h"
#include "common/text/utf8.h"

#define TEXT_LINE_LEN_MAX 76

static struct str take_line(struct str *text)
{
    struct str line;
    bool ended = str_cut(*text, '\n', &line, text);
    if (ended && line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    return line;
}

static bool has_control(struct str line)
{
    for (size_t i = 0; i < line.len; i++) {
        unsigned char c = (unsigned char)line.ptr[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return true;
    }
    return false;
}

static bool needs_quoted_printable(struct str text)
{
    while (text.len > 0) {
        struct str line = take_line(&text);
        if (line.len > TEXT_LINE_LEN_MAX || has_control(line))
            return true;
    }
    return false;
}

static void append_lines(struct buf *out, struct str text)
{
    while (text.len > 0) {
        buf_append(out, take_line(&text));
        buf_append(out, STR("\r\n"));
    }
}

/* The last line gets its end here: quoted-printable would only write a soft one. */
static void append_quoted_printable(struct buf *out, struct str text)
{
    if (str_ends_with(text, STR("\n"))) {
        quoted_printable_encode(out, text);
        return;
    }
    ptrdiff_t last = str_rfind_char(text, '\n');
    struct str line = str_skip(text, (size_t)(last + 1));
    struct buf ended;
    buf_init(&ended, line.len + 2);
    buf_append(&ended, line);
    buf_append(&ended, STR("\r\n"));
    quoted_printable_encode(out, str_slice(text, 0, (size_t)(last + 1)));
    quoted_printable_encode(out, buf_str(&ended));
    buf_release(&ended);
}

void compose_text_part(struct buf *out, struct str subtype, struct str text)
{
    bool ascii = str_is_ascii(text), quoted = needs_quoted_printable(text);
    buf_printf(out, "Content-Type: text/%.*s; charset=%s\r\n", STR_ARG(subtype),
               ascii ? "us-ascii" : "utf-8");
    buf_printf(out, "Content-Transfer-Encoding: %s\r\n\r\n",
               quoted  ? "quoted-printable"
               : ascii ? "7bit"
                       : "8bit");
    if (quoted)
        append_quoted_printable(out, text);
    else
        append_lines(out, text);
}

void compose_base64_part(struct buf *out, struct str data)
{
    buf_append(out, STR("Content-Transfer-Encoding: base64\r\n\r\n"));
    base64_encode_lines(out, data);
}

void compose_multipart_begin(struct buf *out, struct str subtype, struct str parameters,
                             struct str boundary)
{
    buf_printf(out, "Content-Type: multipart/%.*s;\r\n\tboundary=\"%.*s\"%.*s\r\n\r\n",
               STR_ARG(subtype), STR_ARG(boundary), STR_ARG(parameters));
}

void compose_multipart_next(struct buf *out, struct str boundary)
{
    buf_printf(out, "\r\n--%.*s\r\n", STR_ARG(boundary));
}

void compose_multipart_end(struct buf *out, struct str boundary)
{
    buf_printf(out, "\r\n--%.*s--\r\n", STR_ARG(boundary));
}
