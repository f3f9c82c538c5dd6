#include "common/mail/mbox.h"

/*
 * Writing mbox files. A line is held back until it is clear whether it is a field that is left out,
 * or begins with "From ": that takes the length of the longest name.
 */

#define WHEN_CLEAR sizeof(((struct mbox_writer *)NULL)->start)

static bool write_asctime(int64_t time_s, struct buf *out)
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    struct date_fields f = date_to_fields((struct date){time_s, 0});
    return buf_printf(out, "%s %s %2d %02d:%02d:%02d %04d\n", days[f.weekday],
                      date_month_name(f.month), f.day, f.hour, f.minute, f.second, f.year);
}

/* One word for every reader: what would end it is left out. */
static void write_sender(struct str sender, struct buf *out)
{
    size_t before = out->len;
    for (size_t i = 0; i < sender.len && i < MBOX_FROM_LINE_MAX / 2; i++) {
        if ((unsigned char)sender.ptr[i] > ' ' && sender.ptr[i] != 0x7f)
            buf_append_char(out, sender.ptr[i]);
    }
    if (out->len == before)
        buf_append(out, STR("MAILER-DAEMON"));
}

bool mbox_write_begin(struct mbox_writer *w, struct str sender, int64_t received_s,
                      const struct mail_flags *flags, struct buf *out)
{
    *w = (struct mbox_writer){.flags = flags, .in_header = true};
    buf_append(out, STR("From "));
    write_sender(sender, out);
    buf_append_char(out, ' ');
    return write_asctime(received_s, out);
}

/* ---- The flags as header fields */

static void write_letters(const char *name, uint32_t bits, const char *letters,
                          const uint32_t *of_letter, struct buf *out)
{
    bool any = false;
    for (size_t i = 0; letters[i]; i++) {
        if ((bits & of_letter[i]) == 0)
            continue;
        if (!any)
            buf_printf(out, "%s: ", name);
        any = true;
        buf_append_char(out, letters[i]);
    }
    if (any)
        buf_append_char(out, '\n');
}

static void write_word(struct str word, bool *any, struct buf *out)
{
    if (str_find_char(word, ',') >= 0) /* it would be two */
        return;
    buf_append_cstr(out, *any ? "," : "X-Keywords: ");
    buf_append(out, word);
    *any = true;
}

static void write_flags(const struct mail_flags *flags, struct buf *out)
{
    static const uint32_t status[] = {MAIL_SEEN};
    static const uint32_t x_status[] = {MAIL_ANSWERED, MAIL_FLAGGED, MAIL_DRAFT, MAIL_DELETED};
    write_letters("Status", flags->bits, "R", status, out);
    write_letters("X-Status", flags->bits, "AFTD", x_status, out);
    bool any = false;
    uint32_t bit;
    struct str word;
    for (size_t i = 0; !str_is_null(word = mail_flags_word(i, &bit)); i++) {
        if (mail_flags_words_of(flags->bits) & bit)
            write_word(word, &any, out);
    }
    for (size_t i = 0; i < flags->keyword_count; i++)
        write_word(flags->keywords[i], &any, out);
    if (any)
        buf_append_char(out, '\n');
}

static void end_header(struct mbox_writer *w, struct buf *out)
{
    w->in_header = w->drops_field = false;
    write_flags(w->flags, out);
}

/* ---- Lines */

/* Status lines are ours to write, and a length would be wrong. */
static bool is_left_out(struct str start)
{
    static const struct str names[] = {STR_INIT("Status"), STR_INIT("X-Status"),
                                       STR_INIT("X-Keywords"), STR_INIT("Content-Length")};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (!str_starts_with_nocase(start, names[i]))
            continue;
        struct str rest = str_trim(str_skip(start, names[i].len));
        if (str_starts_with(rest, STR(":")))
            return true;
    }
    return false;
}

static bool is_fold(struct str start)
{
    return start.len > 0 && (start.ptr[0] == ' ' || start.ptr[0] == '\t');
}

/* It is clear what the line is: writes what was held back. */
static void decide(struct mbox_writer *w, struct buf *out)
{
    struct str start = str_make(w->start, w->start_len);
    if (w->in_header && str_eq(start, STR("\n")) && !w->is_quoted)
        end_header(w, out);
    else if (w->in_header && !w->is_quoted && !is_fold(start))
        w->drops_field = is_left_out(start);
    else if (w->in_header && w->is_quoted)
        w->drops_field = false;
    if (!w->drops_field && str_starts_with(start, STR("From ")))
        buf_append_char(out, '>');
    if (!w->drops_field)
        buf_append(out, start);
    w->start_len = 0;
    w->in_line = true;
}

static void begin_line(struct mbox_writer *w)
{
    w->in_line = w->is_quoted = false;
}

static void write_char(struct mbox_writer *w, char c, struct buf *out)
{
    if (w->in_line) {
        if (!w->drops_field)
            buf_append_char(out, c);
    } else if (c == '>' && w->start_len == 0) {
        w->is_quoted = true;
        w->drops_field = false;
        buf_append_char(out, c);
        return;
    } else {
        w->start[w->start_len++] = c;
        if (c == '\n' || w->start_len == WHEN_CLEAR)
            decide(w, out);
    }
    if (c == '\n')
        begin_line(w);
}

/* The usual case: bytes up to the end of the line, or before a CR. */
static size_t write_run(const struct mbox_writer *w, struct str text, struct buf *out)
{
    size_t len = 0;
    while (len < text.len && text.ptr[len] != '\n' && text.ptr[len] != '\r')
        len++;
    if (!w->drops_field)
        buf_append(out, str_slice(text, 0, len));
    return len;
}

bool mbox_write(struct mbox_writer *w, struct str piece, struct buf *out)
{
    while (piece.len > 0) {
        char c = piece.ptr[0];
        if (w->has_cr && c != '\n')
            write_char(w, '\r', out);
        w->has_cr = c == '\r';
        size_t run = w->in_line ? write_run(w, piece, out) : 0;
        if (run == 0 && c != '\r')
            write_char(w, c, out);
        piece = str_skip(piece, run > 0 ? run : 1);
    }
    return !out->overflow;
}

bool mbox_write_end(struct mbox_writer *w, struct buf *out)
{
    if (w->has_cr)
        write_char(w, '\r', out);
    if (w->in_line || w->start_len > 0 || w->is_quoted)
        write_char(w, '\n', out);
    if (w->in_header)
        end_header(w, out);
    buf_append_char(out, '\n');
    return !out->overflow;
}
