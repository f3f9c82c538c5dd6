#include "common/mail/mbox.h"

#include "common/mail/header.h"

#include <stdio.h>
#include <string.h>

static const struct str from_space = STR_INIT("From ");

void mbox_reader_init(struct mbox_reader *r, uint64_t offset)
{
    *r = (struct mbox_reader){.offset = offset, .line_offset = offset, .is_first = true};
}

struct str mbox_reader_last(const struct mbox_reader *r)
{
    return r->offset == r->line_offset ? STR("") : STR("\n");
}

/* ---- Text that was held back */

static void hold(struct mbox_reader *r, struct str text)
{
    memcpy(r->held + r->held_len, text.ptr, text.len);
    r->held_len += text.len;
}

/* The line is no separator: the empty line before it was text. */
static void hold_blank(struct mbox_reader *r)
{
    if (r->owes_blank)
        hold(r, STR("\r\n"));
    r->owes_blank = false;
}

static void skip(struct mbox_reader *r, struct str *piece, size_t count)
{
    *piece = str_skip(*piece, count);
    r->offset += count;
}

/* ---- Lines */

static void begin_line(struct mbox_reader *r)
{
    r->state = MBOX_LINE_START;
    r->line_offset = r->offset;
    r->matched = 0;
    r->is_quoted = r->has_cr = false;
}

/* It begins like any other line. */
static void enter_line(struct mbox_reader *r)
{
    hold_blank(r);
    if (r->is_quoted)
        hold(r, STR(">"));
    hold(r, str_slice(from_space, 0, r->matched));
    if (r->has_cr)
        hold(r, STR("\r"));
    r->state = MBOX_IN_LINE;
}

/* "From ", perhaps behind ">"s, is complete. */
static void enter_from(struct mbox_reader *r)
{
    if (!r->is_quoted && (r->is_first || r->owes_blank)) {
        r->is_first = r->owes_blank = false;
        r->state = MBOX_FROM_LINE;
        r->from_len = 0;
        r->message_offset = r->line_offset;
        return;
    }
    r->is_quoted = false; /* one less than there was */
    enter_line(r);
}

static void end_blank_line(struct mbox_reader *r)
{
    hold_blank(r);
    r->owes_blank = true;
    begin_line(r);
}

/* Looks at one byte at the start of a line; takes it, or finds the line to be text. */
static enum mbox_event start_line(struct mbox_reader *r, struct str *piece)
{
    char c = piece->ptr[0];
    bool is_empty = r->matched == 0 && !r->is_quoted;
    if (r->is_first && c != from_space.ptr[r->matched])
        return MBOX_BAD;
    if (is_empty && c == '\n') {
        skip(r, piece, 1);
        end_blank_line(r);
    } else if (r->has_cr) {
        enter_line(r);
    } else if (is_empty && c == '\r') {
        r->has_cr = true;
        skip(r, piece, 1);
    } else if (r->matched == 0 && c == '>') {
        hold_blank(r);
        if (r->is_quoted) /* all ">" are alike: which of them is held back does not matter */
            hold(r, STR(">"));
        r->is_quoted = true;
        skip(r, piece, 1);
    } else if (c == from_space.ptr[r->matched]) {
        skip(r, piece, 1);
        if (++r->matched == from_space.len)
            enter_from(r);
    } else {
        enter_line(r);
    }
    return r->held_len > 0 ? MBOX_TEXT : MBOX_NEEDS_INPUT;
}

/* Up to the line end, or the end of the piece. */
static void read_line(struct mbox_reader *r, struct str *piece, struct str *ret_text)
{
    ptrdiff_t lf = str_find_char(*piece, '\n');
    size_t len = lf < 0 ? piece->len : (size_t)lf;
    bool has_cr = len > 0 ? piece->ptr[len - 1] == '\r' : r->has_cr;
    *ret_text = str_slice(*piece, 0, len);
    skip(r, piece, len);
    r->has_cr = has_cr;
    if (lf < 0)
        return;
    skip(r, piece, 1);
    hold(r, has_cr ? STR("\n") : STR("\r\n"));
    begin_line(r);
}

static enum mbox_event read_from_line(struct mbox_reader *r, struct str *piece)
{
    ptrdiff_t lf = str_find_char(*piece, '\n');
    struct str part = lf < 0 ? *piece : str_slice(*piece, 0, (size_t)lf);
    struct str kept = str_slice(part, 0, sizeof(r->from_line) - r->from_len);
    if (kept.len > 0)
        memcpy(r->from_line + r->from_len, kept.ptr, kept.len);
    r->from_len += kept.len;
    skip(r, piece, lf < 0 ? part.len : part.len + 1);
    if (lf < 0)
        return MBOX_NEEDS_INPUT;
    r->has_date = mbox_parse_from_line(str_make(r->from_line, r->from_len), &r->sender, &r->date);
    begin_line(r);
    return MBOX_MESSAGE;
}

enum mbox_event mbox_read(struct mbox_reader *r, struct str *piece, struct str *ret_text)
{
    enum mbox_event event = MBOX_NEEDS_INPUT;
    if (r->held_len > 0) {
        *ret_text = str_make(r->held, r->held_len);
        r->held_len = 0;
        return MBOX_TEXT;
    }
    while (event == MBOX_NEEDS_INPUT && piece->len > 0) {
        if (r->state == MBOX_LINE_START) {
            event = start_line(r, piece);
        } else if (r->state == MBOX_FROM_LINE) {
            event = read_from_line(r, piece);
        } else {
            read_line(r, piece, ret_text);
            return MBOX_TEXT;
        }
    }
    if (event == MBOX_TEXT) {
        *ret_text = str_make(r->held, r->held_len);
        r->held_len = 0;
    }
    return event;
}

/* ---- "From " lines */

/* Mon Jan  2 15:04:05 2006, with a zone before or after the year: the same words in another order
 * are a date of a message. */
static bool parse_date(struct str text, struct date *ret)
{
    struct str words[8];
    size_t count = 0;
    struct err err;
    char rearranged[64];
    for (struct str rest = text; !str_is_null(rest) && count < ARRAY_LEN(words);) {
        str_cut(rest, ' ', &words[count], &rest);
        count += words[count].len > 0;
    }
    if (count < 5 || count > 6 || date_month_number(words[1]) == 0)
        return false;
    uint64_t number;
    bool zone_first = count == 6 && !(words[4].len == 4 && str_to_u64(words[4], 9999, &number));
    struct str year = zone_first ? words[5] : words[4];
    struct str zone = count == 5 ? STR("+0000") : zone_first ? words[4] : words[5];
    int len =
        snprintf(rearranged, sizeof(rearranged), "%.*s %.*s %.*s %.*s %.*s", STR_ARG(words[2]),
                 STR_ARG(words[1]), STR_ARG(year), STR_ARG(words[3]), STR_ARG(zone));
    return year.len == 4 && len > 0 && (size_t)len < sizeof(rearranged) &&
           date_parse(str_make(rearranged, (size_t)len), ret, &err);
}

bool mbox_parse_from_line(struct str line, struct str *ret_sender, struct date *ret_date)
{
    line = str_trim(line);
    str_cut(line, ' ', ret_sender, NULL);
    /* A quoted sender may hold blanks. */
    for (size_t at = 0; at < line.len; at++) {
        if (line.ptr[at] != ' ' || !parse_date(str_skip(line, at), ret_date))
            continue;
        *ret_sender = str_trim(str_slice(line, 0, at));
        return true;
    }
    return false;
}

/* ---- Flags */

static void read_letters(struct str letters, const char *known, const uint32_t *bits,
                         struct mail_flags *flags)
{
    for (size_t i = 0; i < letters.len; i++) {
        const char *at = letters.ptr[i] != '\0' ? strchr(known, letters.ptr[i]) : NULL;
        if (at)
            flags->bits |= bits[at - known];
    }
}

static void read_words(struct str value, struct mail_flags *flags, struct arena *arena)
{
    struct str word, rest = header_unfold(value, arena);
    while (!str_is_empty(rest)) {
        str_cut(rest, ',', &word, &rest);
        mail_flags_add_word(flags, str_trim(word), arena);
    }
}

void mbox_read_flags(struct str header, struct mail_flags *flags, struct arena *arena)
{
    static const uint32_t status[] = {MAIL_SEEN};
    static const uint32_t x_status[] = {MAIL_ANSWERED, MAIL_FLAGGED, MAIL_DRAFT, MAIL_DELETED};
    struct header_walk walk = header_walk_init(header);
    struct header_field field;
    while (header_next(&walk, &field)) {
        if (str_eq_nocase(field.name, STR("Status")))
            read_letters(field.raw_value, "R", status, flags);
        else if (str_eq_nocase(field.name, STR("X-Status")))
            read_letters(field.raw_value, "AFTD", x_status, flags);
        else if (str_eq_nocase(field.name, STR("X-Keywords")))
            read_words(field.raw_value, flags, arena);
    }
}
