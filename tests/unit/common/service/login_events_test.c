#include "common/service/login_events.h"

#include "proto/events.pb-c.h"

#include <criterion/criterion.h>
#include <string.h>

static unsigned failed, succeeded;

static void count(void *user, const char *ip, bool has_succeeded)
{
    cr_assert_str_eq(ip, user);
    ++*(has_succeeded ? &succeeded : &failed);
}

static void tell(bool has_succeeded)
{
    char ip[] = "192.0.2.7";
    uint8_t bytes[64];
    Mailrail__LoginEnded event = MAILRAIL__LOGIN_ENDED__INIT;
    event.remote_ip = ip;
    event.succeeded = has_succeeded;
    size_t size = mailrail__login_ended__pack(&event, bytes);
    login_events_tell(str_make((const char *)bytes, size), count, ip);
}

Test(login_events, say_who_failed_and_who_succeeded)
{
    tell(false);
    cr_assert(failed == 1 && succeeded == 0);
    tell(true);
    cr_assert(failed == 1 && succeeded == 1);
}

Test(login_events, one_that_cannot_be_read_is_left_out)
{
    login_events_tell(STR("\x0a\x40"
                          "1"),
                      count, NULL);
    cr_assert(failed == 0 && succeeded == 0);
}
