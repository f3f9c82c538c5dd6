#include "services/imap/imap_url.h"

/* achar and bchar of RFC 5092 11, without what ends the word. */
static bool is_user(unsigned char c)
{
    return is_visible(c) && c != ';' && c != '@' && c != '/' && c != ':';
}

static bool is_host(unsigned char c)
{
    return is_visible(c) && c != '/' && c != '@';
}

static bool is_word(unsigned char c)
{
    return is_visible(c) && c != ';';
}

static unsigned hex_value(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

/* "%20" and the like. */
static struct str decode(struct cursor *c, struct str text, struct arena *arena)
{
    size_t len = 0;
    char *out = arena_alloc(arena, text.len + 1);
    for (size_t i = 0; out && i < text.len; i++) {
        out[len] = text.ptr[i];
        if (text.ptr[i] == '%') {
            struct str digits = str_slice(text, i + 1, 2);
            if (digits.len < 2 || !is_hex_digit((unsigned char)digits.ptr[0]) ||
                !is_hex_digit((unsigned char)digits.ptr[1])) {
                cursor_fail(c, "two hexadecimal digits after %");
                return STR_NULL;
            }
            out[len] = (char)(hex_value(digits.ptr[0]) << 4 | hex_value(digits.ptr[1]));
            i += 2;
        }
        len++;
    }
    if (!out)
        cursor_fail_too_long(c, "URL");
    return out ? str_make(out, len) : STR_NULL;
}

/* iserver = [iuserinfo "@"] host [":" port], iuserinfo = enc-user [";AUTH=" ...] */
static void take_server(struct cursor *c, struct arena *arena, struct imap_url *url)
{
    struct cursor mark = cursor_mark(c);
    struct str user = cursor_take_while0(c, is_user, IMAP_URL_MAX, "user");
    if (cursor_skip_nocase(c, STR(";AUTH=")))
        cursor_take_while(c, is_user, IMAP_URL_MAX, "mechanism");
    if (cursor_skip(c, '@'))
        url->user = decode(c, user, arena);
    else
        cursor_rewind(c, mark);
    url->host = cursor_take_while(c, is_host, 255, "host");
    str_cut(url->host, ':', &url->host, NULL);
}

/* icommand: "/" enc-mailbox [";UIDVALIDITY=" nz-number] "/;UID=" nz-number */
static void take_message(struct cursor *c, struct arena *arena, struct imap_url *url)
{
    cursor_expect(c, '/');
    struct str mailbox = cursor_take_while(c, is_word, IMAP_URL_MAX, "mailbox");
    if (cursor_skip_nocase(c, STR(";UIDVALIDITY="))) {
        url->uidvalidity = (uint32_t)cursor_take_number(c, UINT32_MAX, "UIDVALIDITY");
        cursor_expect(c, '/');
    } else if (mailbox.len > 1 && mailbox.ptr[mailbox.len - 1] == '/') {
        mailbox.len--;
    } else {
        cursor_fail(c, "/;UID=");
    }
    url->mailbox = decode(c, mailbox, arena);
    cursor_expect_nocase(c, STR(";UID="));
    url->uid = (uint32_t)cursor_take_number(c, UINT32_MAX, "UID");
    if (url->uid == 0)
        cursor_fail(c, "UID above 0");
}

/* isection = "/;SECTION=" enc-section: what FETCH has in brackets */
static void take_section(struct cursor *c, struct arena *arena, struct imap_url *url)
{
    struct str text = decode(c, cursor_take_while(c, is_word, IMAP_URL_MAX, "section"), arena);
    if (str_ends_with(text, STR("/"))) /* ";PARTIAL=" follows */
        text.len--;
    struct str in_brackets = arena_printf(arena, "[%.*s]", STR_ARG(text));
    struct cursor inner = cursor_init(in_brackets);
    url->section = section_take(&inner, arena);
    if (cursor_failed(&inner) || !cursor_at_end(&inner))
        cursor_fail(c, "a section");
}

/* ipartial = "/;PARTIAL=" number ["." nz-number] */
static void take_partial(struct cursor *c, struct imap_url *url)
{
    url->partial = true;
    url->offset = cursor_take_number(c, INT64_MAX, "offset");
    url->count = UINT64_MAX;
    if (cursor_skip(c, '.'))
        url->count = cursor_take_number(c, INT64_MAX, "count");
    if (url->count == 0)
        cursor_fail(c, "a count above 0");
}

bool imap_url_parse(struct str text, struct arena *arena, struct imap_url *ret, struct err *err)
{
    struct imap_url url = {.user = STR_NULL, .host = STR_NULL};
    struct cursor c = cursor_init(text);
    if (text.len > IMAP_URL_MAX)
        return err_set(err, ERR_LIMIT, "URL of %zu bytes", text.len);
    if (cursor_skip_nocase(&c, STR("imap://")))
        take_server(&c, arena, &url);
    take_message(&c, arena, &url);
    bool slash = cursor_skip(&c, '/');
    if (slash && cursor_skip_nocase(&c, STR(";SECTION="))) {
        take_section(&c, arena, &url);
        slash = !cursor_at_end(&c);
    }
    if (slash) {
        cursor_expect_nocase(&c, STR(";PARTIAL="));
        take_partial(&c, &url);
    }
    TRY(cursor_finish(&c, err));
    *ret = url;
    return true;
}
