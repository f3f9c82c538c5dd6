#include "common/text/utf7.h"

#include <criterion/criterion.h>
#include <string.h>

Test(utf7, names_have_one_spelling_rfc_3501_5_1_3)
{
    static const struct {
        const char *in;
        const char *want; /* NULL: refused */
    } rows[] = {
        {"", ""},
        {"INBOX", "INBOX"},
        {"&Jjo-", "☺"},
        {"Entw&APw-rfe", "Entwürfe"},
        {"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"},
        {"a&-b", "a&b"},
        {"&-&-", "&&"},
        {"&-&Jjo-", "&☺"},
        {"&2D3eAA-", "😀"},
        {"&AAE-", "\x01"},
        {"&Jjo-a&Jjo-", "☺a☺"},
        /* spec 20 2.4 */
        {"&", NULL}, /* unfinished shift */
        {"&Jjo", NULL},
        {"&AGE-", NULL},      /* printable ASCII encoded */
        {"&ACY-", NULL},      /* "&" encoded the long way */
        {"&Jjo-&Jjo-", NULL}, /* back-to-back shifts */
        {"&Jj-", NULL},       /* odd length */
        {"&J-", NULL},
        {"&Jjp-", NULL}, /* left-over bits */
        {"&Jjoa-", NULL},
        {"&Jj!-", NULL}, /* bad base64 */
        {"&Jj/-", NULL},
        {"&2D0-", NULL}, /* broken surrogates */
        {"&3gA-", NULL},
        {"&2D0AYQ-", NULL},
        {"&3gDYPQ-", NULL},
        {"&AAA-", NULL},    /* NUL */
        {"\xc3\xa9", NULL}, /* not ASCII */
        {"a\x01", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena;
        struct err err;
        struct str got, in = str_from_cstr(rows[i].in);
        arena_init(&arena, 4096);
        bool ok = utf7_decode(in, &arena, &got, &err);
        cr_assert_eq(ok, rows[i].want != NULL, "%s", rows[i].in);
        if (ok) {
            cr_assert(str_eq(got, str_from_cstr(rows[i].want)), "%s: %.*s", rows[i].in,
                      STR_ARG(got));
            cr_assert(str_eq(utf7_encode(got, &arena), in), "%s", rows[i].in);
        } else {
            cr_assert_eq(err.kind, ERR_SYNTAX, "%s", rows[i].in);
            cr_assert(strstr(err.detail, "modified UTF-7: "), "%s", err.detail);
        }
        arena_release(&arena);
    }
}
