#include "tests/unit/services/imap/world.h"

#include <criterion/criterion.h>

/* TLS client certificates: EXTERNAL (RFC 4422 A) and PREAUTH (RFC 9051 7.1.4). */

#define KEY "the key of me@localhost"
#define OTHER_KEY "a key of nobody"

static struct world w;
static struct session *s;

static void setup(void)
{
    world_init(&w, 1 << 18);
}

static void teardown(void)
{
    fake_session_free(s);
    world_release(&w);
}

TestSuite(client_key, .init = setup, .fini = teardown);

/* The greeting of a connection under TLS by who holds that key. */
static struct str greeting(const char *key)
{
    fake_session_free(s);
    s = fake_session_open_tls(&imap_ops, &w.server, 1 << 18, str_from_cstr(key));
    return fake_session_sent(s);
}

static struct str answer(const char *line)
{
    fake_session_feed(s, str_from_cstr(line), 0);
    return fake_session_sent(s);
}

static bool holds(struct str text, const char *part)
{
    return str_find(text, str_from_cstr(part)) >= 0;
}

static bool begins(struct str text, const char *part)
{
    return str_starts_with(text, str_from_cstr(part));
}

Test(client_key, a_known_key_is_greeted_as_logged_in)
{
    fake_backend_set_key(w.server.backend, STR(KEY), true);
    struct str text = greeting(KEY);
    cr_assert(begins(text, "* PREAUTH [CAPABILITY IMAP4rev2 "), "%.*s", STR_ARG(text));
    cr_assert_not(holds(text, "AUTH="));
    cr_assert(holds(answer("a SELECT INBOX\r\n"), "a OK"));
    cr_assert(begins(answer("b LOGIN me@localhost secret\r\n"), "b NO"));
    cr_assert(begins(answer("c UNSELECT\r\nd AUTHENTICATE EXTERNAL =\r\n"), "c OK"));
}

Test(client_key, external_is_announced_to_who_need_ask)
{
    fake_backend_set_key(w.server.backend, STR(KEY), false);
    cr_assert(begins(greeting(KEY), "* OK [CAPABILITY "));
    cr_assert(holds(answer("a CAPABILITY\r\n"), " AUTH=EXTERNAL AUTH=SCRAM-SHA-256-PLUS "));
    cr_assert(begins(answer("b AUTHENTICATE EXTERNAL\r\n"), "+ \r\n"));
    struct str text = answer("\r\n");
    cr_assert(begins(text, "b OK [CAPABILITY "), "%.*s", STR_ARG(text));
    cr_assert_not(holds(text, "AUTH="));

    greeting(KEY);
    cr_assert(begins(answer("a AUTHENTICATE EXTERNAL =\r\n"), "a OK"));
    greeting(KEY); /* me@localhost */
    cr_assert(begins(answer("a AUTHENTICATE EXTERNAL bWVAbG9jYWxob3N0\r\n"), "a OK"));
    greeting(KEY); /* you@localhost, then a password */
    cr_assert(begins(answer("a AUTHENTICATE EXTERNAL eW91QGxvY2FsaG9zdA==\r\n"),
                     "a NO [AUTHENTICATIONFAILED]"));
    cr_assert(begins(answer("b LOGIN me@localhost secret\r\n"), "b OK"));
}

Test(client_key, an_unknown_key_is_as_none)
{
    static const char *const keys[] = {"", OTHER_KEY};
    fake_backend_set_key(w.server.backend, STR(KEY), true);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        struct str text = greeting(keys[i]);
        cr_assert(begins(text, "* OK [CAPABILITY ") && !holds(text, "EXTERNAL"), "\"%s\"", keys[i]);
        cr_assert(begins(answer("a AUTHENTICATE EXTERNAL =\r\n"), "a NO [AUTHENTICATIONFAILED]"));
        cr_assert(begins(answer("b LOGIN me@localhost secret\r\n"), "b OK"), "\"%s\"", keys[i]);
    }
}

Test(client_key, starttls_proves_a_key_too)
{
    fake_backend_set_key(w.server.backend, STR(KEY), true);
    s = fake_session_open(&imap_ops, &w.server, 1 << 18);
    fake_session_set_tls(s, true, false);
    fake_session_set_client_key(s, STR(KEY));
    struct str text = fake_session_sent(s);
    cr_assert(begins(text, "* OK ") && !holds(text, "EXTERNAL"));
    cr_assert(begins(answer("a AUTHENTICATE EXTERNAL =\r\n"), "a NO [PRIVACYREQUIRED]"));
    cr_assert(begins(answer("b STARTTLS\r\n"), "b OK"));
    cr_assert(holds(answer("c CAPABILITY\r\n"), " AUTH=EXTERNAL "));
    cr_assert(begins(answer("d AUTHENTICATE EXTERNAL =\r\n"), "d OK"));
}

Test(client_key, who_has_it_hidden_logs_in_by_password)
{
    fake_backend_set_key(w.server.backend, STR(KEY), true);
    fake_backend_hide(w.server.backend, STR("AUTH=EXTERNAL"));
    struct str text = greeting(KEY);
    cr_assert(begins(text, "* OK ") && !holds(text, "EXTERNAL"));
    cr_assert(begins(answer("a AUTHENTICATE EXTERNAL =\r\n"), "a NO [CANNOT]"));
    cr_assert(begins(answer("b LOGIN me@localhost secret\r\n"), "b OK"));

    fake_backend_hide(w.server.backend, STR("IDLE"));
    text = greeting(KEY);
    cr_assert(begins(text, "* PREAUTH ") && !holds(text, " IDLE "));
}

Test(client_key, a_barred_account_hears_why_when_it_asks)
{
    fake_backend_set_key(w.server.backend, STR(KEY), true);
    fake_backend_bar(w.server.backend, true);
    struct str text = greeting(KEY);
    cr_assert(begins(text, "* OK ") && holds(text, " AUTH=EXTERNAL "));
    cr_assert(begins(answer("a AUTHENTICATE EXTERNAL =\r\n"), "a NO call us"));
}

Test(client_key, a_store_that_is_away_says_nothing_about_keys)
{
    fake_backend_set_key(w.server.backend, STR(KEY), true);
    fake_backend_set_away(w.server.backend, true);
    struct str text = greeting(KEY);
    cr_assert(begins(text, "* OK ") && !holds(text, "EXTERNAL"));
    cr_assert(holds(answer("a AUTHENTICATE EXTERNAL =\r\n"), "a NO [UNAVAILABLE]"));
    fake_backend_set_away(w.server.backend, false);
    cr_assert(begins(answer("b AUTHENTICATE EXTERNAL =\r\n"), "b OK"));
}
