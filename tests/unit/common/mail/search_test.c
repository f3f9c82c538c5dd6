#include "common/mail/search.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct arena arena;

static void setup(void)
{
    arena_init(&arena, 32 << 20);
}

static void teardown(void)
{
    arena_release(&arena);
}

TestSuite(search, .init = setup, .fini = teardown);

static bool matches(struct str message, const char *required, const char *forbidden,
                    enum search_scope scope)
{
    struct str yes = str_from_cstr(required), no = str_from_cstr(forbidden);
    struct search *s = search_new(&yes, required ? 1 : 0, &no, forbidden ? 1 : 0, scope, &arena);
    return search_matches(s, STR("X-Prefix: In front\r\n"), message,
                          structure_parse(message, &arena));
}

Test(search, words_are_found_in_decoded_folded_text)
{
    static const struct {
        const char *name;
        const char *message;
        const char *required;
        const char *forbidden;
        enum search_scope scope;
        bool want;
    } rows[] = {
        {"plain", "A: b\r\n\r\nHello World\r\n", "o wOR", NULL, SEARCH_BODY, true},
        {"absent", "A: b\r\n\r\nHello World\r\n", "worlds", NULL, SEARCH_BODY, false},
        {"empty word", "A: b\r\n\r\n", "", NULL, SEARCH_BODY, true},
        {"spec 1.25: over a base64 line",
         "Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nSGVsbG8gV2\r\n"
         "9ybGQ=\r\n",
         "world", NULL, SEARCH_BODY, true},
        {"spec 1.25: latin-1",
         "Content-Type: text/plain; charset=iso-8859-1\r\n"
         "Content-Transfer-Encoding: quoted-printable\r\n\r\ncaf=E9\r\n",
         "CAFÉ", NULL, SEARCH_BODY, true},
        {"spec 1.25: required and forbidden", "\r\nHello World\r\n", "hello", "world", SEARCH_BODY,
         false},
        {"forbidden absent", "\r\nHello\r\n", "hello", "world", SEARCH_BODY, true},
        {"only forbidden", "\r\nHello\r\n", NULL, "hello", SEARCH_BODY, false},
        {"sharp s folds to ss", "\r\nSTRASSE\r\n", "Straße", NULL, SEARCH_BODY, true},
        {"final sigma", "\r\nΟΔΥΣΣΕΥΣ\r\n", "οδυσσευς", NULL, SEARCH_BODY, true},
        {"soft line break", "Content-Transfer-Encoding: quoted-printable\r\n\r\nHel=\r\nlo\r\n",
         "hello", NULL, SEARCH_BODY, true},
        {"header is not body", "Subject: needle\r\n\r\nhay\r\n", "needle", NULL, SEARCH_BODY,
         false},
        {"header in TEXT", "Subject: Needle\r\n\r\nhay\r\n", "needle", NULL, SEARCH_TEXT, true},
        {"encoded word in TEXT", "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nhay\r\n", "GRÜSSE",
         NULL, SEARCH_TEXT, true},
        {"raw encoded word in TEXT", "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nhay\r\n",
         "=c3=9F", NULL, SEARCH_TEXT, true},
        {"prefix in TEXT", "\r\nhay\r\n", "in front", NULL, SEARCH_TEXT, true},
        {"not across pieces", "A: nee\r\n\r\ndle\r\n", "nee\r\n\r\ndle", NULL, SEARCH_TEXT, false},
        {"html is source", "Content-Type: text/html\r\n\r\n<b>x</b>\r\n", "<B>X", NULL, SEARCH_BODY,
         true},
        {"other types are skipped", "Content-Type: image/png\r\n\r\nneedle\r\n", "needle", NULL,
         SEARCH_BODY, false},
        {"nested message", "Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nneedle\r\n",
         "needle", NULL, SEARCH_BODY, true},
        {"nested header", "Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nx\r\n",
         "inner", NULL, SEARCH_TEXT, true},
        {"second part",
         "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\none\r\n--x\r\n\r\ntwo\r\n"
         "--x--\r\n",
         "two", NULL, SEARCH_BODY, true},
        {"invalid bytes match nothing",
         "\r\na\xff"
         "b\r\n",
         "ab", NULL, SEARCH_BODY, false},
        {"text beside invalid bytes",
         "\r\na\xff"
         "b\xc3\r\n",
         "b", NULL, SEARCH_BODY, true},
        {"invalid word",
         "\r\na\xff"
         "b\r\n",
         "a\xff", NULL, SEARCH_BODY, false},
        {"unknown charset", "Content-Type: text/plain; charset=x-nope\r\n\r\nHello\r\n", "hello",
         NULL, SEARCH_BODY, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        cr_assert_eq(matches(str_from_cstr(rows[i].message), rows[i].required, rows[i].forbidden,
                             rows[i].scope),
                     rows[i].want, "%s", rows[i].name);
}

Test(search, words_over_chunk_borders_are_found)
{
    char *text = malloc(20000);
    for (size_t at = 8180; at < 8200; at++) {
        memset(text, 'x', 20000);
        memcpy(text, "\r\n", 2);
        memcpy(text + at,
               "n\xc3\xa9"
               "edle",
               7);
        cr_assert(matches(str_make(text, 20000), "NÉEDLE", NULL, SEARCH_BODY), "at %zu", at);
    }
    free(text);
}

Test(search, several_words_in_one_pass)
{
    struct str required[] = {STR("one"), STR("TWO")}, forbidden[] = {STR("three")};
    struct search *s = search_new(required, 2, forbidden, 1, SEARCH_BODY, &arena);
    cr_assert(search_text_contains(s, STR("two and One")));
    cr_assert_not(search_text_contains(s, STR("one")));
    cr_assert_not(search_text_contains(s, STR("one two three")));
    cr_assert(search_text_contains(s, STR("one two")), "a search can be used again");
}
