#include "tests/unit/services/imap/world.h"

#include <criterion/criterion.h>

/*
 * Sessions that wait for news of one mailbox (RFC 2177): one of them asks store, and all are told.
 */

struct waiting {
    struct world w;
    struct session *first, *second;
};

static void deliver(struct world *w)
{
    fake_backend_deliver(w->server.backend, STR("Inbox"), STR(""), STR("a: b\r\n\r\n"));
}

static void set_up(struct waiting *waiting)
{
    world_init(&waiting->w, 1 << 18);
    waiting->first = world_session(&waiting->w, 0);
    waiting->second = world_session(&waiting->w, 1);
    struct str idle = STR("l LOGIN me@localhost secret\r\ns SELECT INBOX\r\ni IDLE\r\n");
    fake_session_feed(waiting->first, idle, 0);
    fake_session_feed(waiting->second, idle, 0);
    fake_session_sent(waiting->first);
    fake_session_sent(waiting->second);
}

static void expect_sent(struct session *s, const char *expected)
{
    struct str sent = fake_session_sent(s);
    cr_expect(str_starts_with(sent, str_from_cstr(expected)) &&
                  (expected[0] != '\0' || sent.len == 0),
              "%s", expected[0] ? expected : "nothing");
}

/* It comes while the other one asks: there is nothing for it to wait for, and nothing to say. */
static void wake_second(void *user)
{
    struct waiting *waiting = user;
    fake_session_wake(waiting->second);
    expect_sent(waiting->second, "");
}

Test(idle, one_asks_for_all_who_wait)
{
    struct waiting waiting;
    set_up(&waiting);
    uint64_t pulls = fake_backend_pulls(waiting.w.server.backend);
    fake_backend_during_pull(waiting.w.server.backend, wake_second, &waiting);
    deliver(&waiting.w);
    fake_session_wake(waiting.first);
    expect_sent(waiting.first, "* 1 EXISTS\r\n");
    fake_session_wake(waiting.second);
    expect_sent(waiting.second, "* 1 EXISTS\r\n");
    cr_expect_eq(fake_backend_pulls(waiting.w.server.backend), pulls + 1);
    world_release(&waiting.w);
}

static void wake_second_and_refuse(void *user)
{
    struct waiting *waiting = user;
    wake_second(user);
    fake_backend_fail_pull(waiting->w.server.backend, ERR_DENIED);
}

/* The login of who asked is not valid any more: the others ask for themselves. */
Test(idle, a_refusal_of_one_is_not_for_all)
{
    struct waiting waiting;
    set_up(&waiting);
    fake_backend_during_pull(waiting.w.server.backend, wake_second_and_refuse, &waiting);
    deliver(&waiting.w);
    fake_session_wake(waiting.first);
    expect_sent(waiting.first, "* BYE ");
    fake_session_wake(waiting.second);
    expect_sent(waiting.second, "* 1 EXISTS\r\n");
    world_release(&waiting.w);
}

static void wake_second_and_lose_answer(void *user)
{
    struct waiting *waiting = user;
    wake_second(user);
    fake_backend_fail_pull(waiting->w.server.backend, ERR_TIMEOUT);
}

/* It is the turn of the next one; when all have failed, nobody asks until there is news. */
Test(idle, when_one_fails_another_asks)
{
    struct waiting waiting;
    set_up(&waiting);
    struct backend *b = waiting.w.server.backend;
    fake_backend_during_pull(b, wake_second_and_lose_answer, &waiting);
    deliver(&waiting.w);
    fake_session_wake(waiting.first);
    expect_sent(waiting.first, "");
    fake_backend_fail_pull(b, ERR_TIMEOUT);
    fake_session_wake(waiting.second);
    expect_sent(waiting.second, "");
    uint64_t pulls = fake_backend_pulls(b);
    fake_session_wake(waiting.first);
    fake_session_wake(waiting.second);
    cr_expect_eq(fake_backend_pulls(b), pulls);
    deliver(&waiting.w);
    fake_session_wake(waiting.second);
    expect_sent(waiting.second, "* 2 EXISTS\r\n");
    fake_session_wake(waiting.first);
    expect_sent(waiting.first, "* 2 EXISTS\r\n");
    world_release(&waiting.w);
}

static void wake_second_and_deliver(void *user)
{
    struct waiting *waiting = user;
    wake_second(user);
    deliver(&waiting->w);
}

/* What came too late for that answer is asked for again. */
Test(idle, what_comes_while_one_asks_is_told)
{
    struct waiting waiting;
    set_up(&waiting);
    fake_backend_during_pull(waiting.w.server.backend, wake_second_and_deliver, &waiting);
    deliver(&waiting.w);
    fake_session_wake(waiting.first);
    expect_sent(waiting.first, "* 1 EXISTS\r\n");
    fake_session_wake(waiting.second);
    expect_sent(waiting.second, "* 2 EXISTS\r\n");
    fake_session_wake(waiting.first);
    expect_sent(waiting.first, "* 2 EXISTS\r\n");
    world_release(&waiting.w);
}
