#include "tests/unit/services/imap/world.h"

#include "common/base/clock.h"

#include <criterion/criterion.h>

/* What a client may take for a line or a literal, however its bytes drip (spec 2.1). That this ends
 * a session is a matter of the session server, and tested there. */

#define LOGIN_MS 7000
#define LINE_MS 30000

static struct world w;
static struct session *s;

static void setup(void)
{
    world_init(&w, 1 << 18);
    w.config.login_timeout_s = LOGIN_MS / 1000;
    s = world_session(&w, 0);
}

static void teardown(void)
{
    world_release(&w);
}

TestSuite(timeout, .init = setup, .fini = teardown);

static void log_in(void)
{
    fake_session_feed(s, STR("l LOGIN me@localhost secret\r\n"), 0);
    cr_assert(str_find(fake_session_sent(s), STR("l OK ")) >= 0);
}

Test(timeout, a_line_has_the_time_of_a_login_and_later_its_own)
{
    cr_expect_eq(fake_session_unit_timeout(s), LOGIN_MS);
    fake_session_feed(s, STR("l LOGIN me@localhost wrong\r\n"), 0);
    cr_expect_eq(fake_session_unit_timeout(s), LOGIN_MS);
    log_in();
    cr_expect_eq(fake_session_unit_timeout(s), LINE_MS);
    fake_session_feed(s, STR("s SELECT INBOX\r\nn NOOP\r\n"), 0);
    cr_expect_eq(fake_session_unit_timeout(s), LINE_MS);
}

/* A line that ends in a literal, and the bytes of it one by one: the time is that from its
 * announcement on. */
static void check_literal(const char *line, const char *literal, int64_t want_ms)
{
    int64_t before_ms = clock_monotonic_ms();
    cr_assert_eq(fake_session_read_deadline(s), 0);
    fake_session_feed(s, str_from_cstr(line), 0);
    int64_t deadline_ms = fake_session_read_deadline(s);
    cr_expect_geq(deadline_ms, before_ms + want_ms, "%s", line);
    cr_expect_leq(deadline_ms, clock_monotonic_ms() + want_ms, "%s", line);
    fake_session_feed(s, str_from_cstr(literal), 1);
    cr_expect_eq(fake_session_read_deadline(s), deadline_ms, "%s", line);
    fake_session_feed(s, STR("\r\n"), 0);
    cr_expect_eq(fake_session_read_deadline(s), 0, "%s", line);
}

Test(timeout, a_literal_has_as_long_from_its_announcement_on)
{
    check_literal("a LOGIN me@localhost {5}\r\n", "wrong", LOGIN_MS);
    log_in();
    check_literal("b SELECT {5}\r\n", "INBOX", LINE_MS);
    check_literal("c STATUS INBOX (MESSAGES) {5+}\r\n", "INBOX", LINE_MS);
}

/* Each of them. */
Test(timeout, every_literal_of_a_command_has_its_time)
{
    fake_session_feed(s, STR("a LOGIN {12+}\r\nme@localhost {6}\r\n"), 0);
    cr_expect_geq(fake_session_read_deadline(s), clock_monotonic_ms() + LOGIN_MS - 1000);
    fake_session_feed(s, STR("secret\r\n"), 0);
    cr_expect_eq(fake_session_read_deadline(s), 0);
    cr_expect(str_find(fake_session_sent(s), STR("a OK ")) >= 0);
}
