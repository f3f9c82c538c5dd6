#include "services/imap/parse.h"

#include <string.h>

#define TAG_MAX 200
#define ATOM_MAX 1000
#define RANGES_MAX 8192
#define KEYWORDS_FIRST 16

void parse_space(struct cursor *c)
{
    cursor_expect(c, ' ');
}

struct str parse_tag(struct cursor *c)
{
    return cursor_take_while(c, is_imap_tag, TAG_MAX, "tag");
}

struct str parse_atom(struct cursor *c, const char *what)
{
    return cursor_take_while(c, is_imap_atom, ATOM_MAX, what);
}

static bool is_quoted_plain(unsigned char ch)
{
    return ch != '"' && ch != '\\' && ch != '\r' && ch != '\n' && ch != '\0';
}

/* quoted = DQUOTE *QUOTED-CHAR DQUOTE, after the first DQUOTE. Most have no escape and borrow. */
static struct str quoted_rest(struct cursor *c, struct arena *arena)
{
    struct str plain = cursor_take_while0(c, is_quoted_plain, PARSE_STRING_MAX, "quoted string");
    if (cursor_skip(c, '"'))
        return plain;
    struct str rest = cursor_rest(c);
    ptrdiff_t line_end = str_find_char(rest, '\n');
    size_t room = plain.len + (line_end < 0 ? rest.len : (size_t)line_end);
    char *text = arena_alloc(arena, room + 1);
    if (!text) {
        cursor_fail_too_long(c, "quoted string");
        return STR_NULL;
    }
    if (plain.len > 0)
        memcpy(text, plain.ptr, plain.len);
    size_t len = plain.len;
    while (!cursor_failed(c) && !cursor_skip(c, '"')) {
        if (cursor_skip(c, '\\') && !cursor_next_is(c, '\\') && !cursor_next_is(c, '"'))
            cursor_fail(c, "\\\\ or \\\" in quoted string");
        struct str next = cursor_take(c, 1, "end of quoted string");
        if (next.len > 0 && strchr("\r\n", next.ptr[0])) /* NUL too: strchr finds it */
            cursor_fail(c, "end of quoted string");
        if (next.len > 0 && len < room)
            text[len++] = next.ptr[0];
    }
    return str_make(text, len);
}

/* "{" number64 ["+"] "}" CRLF *OCTET */
static struct str literal_bytes(struct cursor *c)
{
    cursor_expect(c, '{');
    uint64_t size = cursor_take_number(c, PARSE_STRING_MAX, "literal size");
    cursor_skip(c, '+');
    cursor_expect(c, '}');
    cursor_skip(c, '\r');
    cursor_expect(c, '\n');
    return cursor_take(c, (size_t)size, "literal");
}

/* literal8 = "~{" ...: any bytes */
struct str parse_literal8(struct cursor *c)
{
    cursor_expect(c, '~');
    return literal_bytes(c);
}

/* literal: without NUL */
static struct str literal(struct cursor *c)
{
    struct str bytes = literal_bytes(c);
    if (str_find_char(bytes, '\0') >= 0)
        cursor_fail(c, "literal without NUL");
    return bytes;
}

struct str parse_string(struct cursor *c, struct arena *arena)
{
    if (cursor_skip(c, '"'))
        return quoted_rest(c, arena);
    if (cursor_next_is(c, '{'))
        return literal(c);
    cursor_fail(c, "string");
    return STR_NULL;
}

static bool is_astring_utf8(unsigned char ch)
{
    return is_imap_astring(ch) || ch >= 0x80;
}

static bool is_list_utf8(unsigned char ch)
{
    return is_imap_list(ch) || ch >= 0x80;
}

struct str parse_astring(struct cursor *c, struct arena *arena)
{
    if (cursor_next_is(c, '"') || cursor_next_is(c, '{'))
        return parse_string(c, arena);
    return cursor_take_while(c, is_astring_utf8, PARSE_STRING_MAX, "string or atom");
}

struct str parse_nstring(struct cursor *c, struct arena *arena)
{
    if (cursor_skip_nocase(c, STR("NIL")))
        return STR_NULL;
    return parse_string(c, arena);
}

struct str parse_list_mailbox(struct cursor *c, struct arena *arena)
{
    if (cursor_next_is(c, '"') || cursor_next_is(c, '{'))
        return parse_string(c, arena);
    return cursor_take_while(c, is_list_utf8, PARSE_STRING_MAX, "mailbox pattern");
}

/* seq-number = nz-number / "*" */
static uint32_t sequence_number(struct cursor *c)
{
    if (cursor_skip(c, '*'))
        return 0;
    uint64_t number = cursor_take_number(c, UINT32_MAX, "message number");
    if (number == 0)
        cursor_fail(c, "message number above 0");
    return (uint32_t)number;
}

bool parse_at_sequence_set(const struct cursor *c)
{
    return cursor_next_is_class(c, is_digit) || cursor_next_is(c, '*') || cursor_next_is(c, '$');
}

static size_t count_commas(struct str text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len && text.ptr[i] != ' ' && text.ptr[i] != '\r'; i++)
        count += text.ptr[i] == ',';
    return count;
}

struct sequence_set parse_sequence_set(struct cursor *c, struct arena *arena)
{
    struct sequence_set set = {0};
    if (cursor_skip(c, '$')) {
        set.saved = true;
        return set;
    }
    size_t max = count_commas(cursor_rest(c)) + 1;
    struct sequence_range *ranges =
        max > RANGES_MAX ? NULL : arena_new_array(arena, max, struct sequence_range);
    if (!ranges) {
        cursor_fail_too_long(c, "sequence set");
        return set;
    }
    do {
        uint32_t first = sequence_number(c);
        uint32_t last = cursor_skip(c, ':') ? sequence_number(c) : first;
        if (cursor_failed(c))
            break;
        ranges[set.len++] = (struct sequence_range){first, last};
    } while (cursor_skip(c, ',') && set.len < max);
    set.ranges = ranges;
    return set;
}

static bool has_keyword(const struct flag_list *list, struct str keyword)
{
    for (size_t i = 0; i < list->keyword_count; i++)
        if (str_eq(list->keywords[i], keyword))
            return true;
    return false;
}

static bool make_room(struct arena *arena, struct flag_list *list)
{
    size_t room = list->keyword_room > 0 ? 2 * list->keyword_room : KEYWORDS_FIRST;
    if (list->keyword_count < list->keyword_room)
        return true;
    if (list->keyword_count == FLAG_KEYWORDS_MAX)
        return false;
    struct str *keywords = arena_new_array(arena, room, struct str);
    if (keywords && list->keyword_count > 0)
        memcpy(keywords, list->keywords, list->keyword_count * sizeof(*keywords));
    list->keywords = keywords;
    list->keyword_room = room;
    return keywords != NULL;
}

static void add_keyword(struct cursor *c, struct arena *arena, struct flag_list *list,
                        struct str name)
{
    struct str keyword = arena_lower(arena, name);
    if (!str_is_null(keyword) && has_keyword(list, keyword))
        return;
    if (str_is_null(keyword) || !make_room(arena, list))
        cursor_fail_too_long(c, "list of keywords");
    else
        list->keywords[list->keyword_count++] = keyword;
}

/* flag = "\Answered" / ... / flag-keyword. An unknown flag with a backslash is an error, and there
 * is no \Recent (spec 1.8). */
void parse_flag(struct cursor *c, struct arena *arena, struct flag_list *list)
{
    struct cursor start = cursor_mark(c);
    bool system = cursor_skip(c, '\\');
    struct str name = cursor_take_while(c, is_imap_atom, FLAG_KEYWORD_LEN_MAX, "flag");
    if (cursor_failed(c))
        return;
    uint32_t flag = flag_from_name(str_make(name.ptr - system, name.len + system));
    list->flags |= flag;
    if (flag == 0 && system) {
        cursor_rewind(c, start);
        cursor_fail(c, "a known flag");
    } else if (flag == 0) {
        add_keyword(c, arena, list, name);
    }
}

struct flag_list parse_flag_list(struct cursor *c, struct arena *arena)
{
    struct flag_list list = {0};
    cursor_expect(c, '(');
    if (cursor_skip(c, ')'))
        return list;
    do
        parse_flag(c, arena, &list);
    while (cursor_skip(c, ' '));
    cursor_expect(c, ')');
    return list;
}

/* date-month, as 1 to 12 */
static int month(struct cursor *c)
{
    struct str name = cursor_take(c, 3, "month");
    int number = name.len == 3 ? date_month_number(name) : 0;
    if (number == 0)
        cursor_fail(c, "month");
    return number;
}

/* Digits, exactly so many. */
static int digits(struct cursor *c, size_t count, const char *what)
{
    struct str text = cursor_take(c, count, what);
    uint64_t value = 0;
    if (!str_to_u64(text, 9999, &value))
        cursor_fail(c, what);
    return (int)value;
}

/* date-text = date-day "-" date-month "-" date-year */
int64_t parse_date(struct cursor *c)
{
    bool quoted = cursor_skip(c, '"');
    struct date_fields fields = {0};
    fields.day = (int)cursor_take_number(c, 31, "day");
    cursor_expect(c, '-');
    fields.month = month(c);
    cursor_expect(c, '-');
    fields.year = digits(c, 4, "year");
    if (quoted)
        cursor_expect(c, '"');
    struct date date = {0};
    struct err err;
    if (!cursor_failed(c) && !date_from_fields(fields, 0, &date, &err))
        cursor_fail(c, "a date of the calendar");
    return date_day_number(date);
}

/* time SP zone of date-time */
static int32_t time_and_zone(struct cursor *c, struct date_fields *fields)
{
    fields->hour = digits(c, 2, "hour");
    cursor_expect(c, ':');
    fields->minute = digits(c, 2, "minute");
    cursor_expect(c, ':');
    fields->second = digits(c, 2, "second");
    parse_space(c);
    int sign = cursor_skip(c, '-') ? -1 : 1;
    if (sign > 0)
        cursor_expect(c, '+');
    int zone = digits(c, 2, "zone") * 60;
    int minutes = digits(c, 2, "zone");
    if (minutes > 59 || zone + minutes > 1439)
        cursor_fail(c, "zone");
    return sign * (zone + minutes);
}

struct date parse_date_time(struct cursor *c)
{
    struct date date = {0};
    struct date_fields fields = {0};
    cursor_expect(c, '"');
    fields.day = digits(c, cursor_skip(c, ' ') ? 1 : 2, "day");
    cursor_expect(c, '-');
    fields.month = month(c);
    cursor_expect(c, '-');
    fields.year = digits(c, 4, "year");
    parse_space(c);
    int32_t zone = time_and_zone(c, &fields);
    cursor_expect(c, '"');
    struct err err;
    if (!cursor_failed(c) && !date_from_fields(fields, zone, &date, &err))
        cursor_fail(c, "a date of the calendar");
    return date;
}
