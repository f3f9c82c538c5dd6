#include "services/imap/imap_url.h"

#include <criterion/criterion.h>

static const struct {
    const char *text;
    const char *mailbox; /* NULL: refused */
    const char *user;
    const char *host;
    uint32_t uidvalidity;
    uint32_t uid;
    const char *section;
    uint64_t offset, count;
} rows[] = {
    {"/Drafts;UIDVALIDITY=385759045/;UID=20/;section=HEADER", "Drafts", "", "", 385759045, 20,
     "[HEADER]", 0, 0},
    {"/a%2Fb/c%20d/;uid=7", "a/b/c d", "", "", 0, 7, "[]", 0, 0},
    {"/INBOX/;UID=7/;SECTION=1.2.MIME/;PARTIAL=10.20", "INBOX", "", "", 0, 7, "[1.2.MIME]", 10, 20},
    {"/INBOX/;UID=7/;PARTIAL=10", "INBOX", "", "", 0, 7, "[]", 10, UINT64_MAX},
    {"imap://ann%40example.org;AUTH=*@mail.example.org:143/INBOX/;UID=1", "INBOX",
     "ann@example.org", "mail.example.org", 0, 1, "[]", 0, 0},
    {"IMAP://mail.example.org/INBOX;UIDVALIDITY=3/;UID=1", "INBOX", "", "mail.example.org", 3, 1,
     "[]", 0, 0},
    {.text = ""},
    {.text = "/"},
    {.text = "/INBOX"},
    {.text = "/INBOX;UID=1"},
    {.text = "/INBOX/;UID=0"},
    {.text = "/INBOX/;UID=4294967296"},
    {.text = "/INBOX/;UID=1/"},
    {.text = "/INBOX/;UID=1/;SECTION="},
    {.text = "/INBOX/;UID=1/;SECTION=1]["},
    {.text = "/INBOX/;UID=1/;PARTIAL=1.2;x"},
    {.text = "/INBOX/;UID=1/;PARTIAL=10.0"},
    {.text = "/INBOX/;UID=1;URLAUTH=anonymous:internal:00"},
    {.text = "/IN%4/;UID=1"},
    {.text = "/IN BOX/;UID=1"},
    {.text = "http://mail.example.org/INBOX/;UID=1"},
    {.text = "imap:///INBOX/;UID=1"},
};

static void check(size_t i)
{
    struct err err;
    struct arena arena;
    struct imap_url url;
    struct buf section;
    arena_init(&arena, 1 << 20);
    buf_init(&section, 1024);
    bool ok = imap_url_parse(str_from_cstr(rows[i].text), &arena, &url, &err);
    cr_assert_eq(ok, rows[i].mailbox != NULL, "%s: %s", rows[i].text, ok ? "accepted" : err.detail);
    if (ok && *rows[i].section != '\0') {
        section_write(&url.section, &section);
        cr_assert(str_eq(url.mailbox, str_from_cstr(rows[i].mailbox)), "%s: mailbox %.*s",
                  rows[i].text, STR_ARG(url.mailbox));
        cr_assert(str_eq(url.user, str_from_cstr(rows[i].user)), "%s: user", rows[i].text);
        cr_assert(str_eq(url.host, str_from_cstr(rows[i].host)), "%s: host", rows[i].text);
        cr_assert_eq(url.uidvalidity, rows[i].uidvalidity, "%s", rows[i].text);
        cr_assert_eq(url.uid, rows[i].uid, "%s", rows[i].text);
        cr_assert_eq(url.offset, rows[i].offset, "%s", rows[i].text);
        cr_assert_eq(url.count, rows[i].count, "%s", rows[i].text);
        cr_assert(str_eq(buf_str(&section), str_from_cstr(rows[i].section)), "%s: section %.*s",
                  rows[i].text, STR_ARG(buf_str(&section)));
    }
    buf_release(&section);
    arena_release(&arena);
}

Test(imap_url, rfc_5092)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check(i);
}
