#include "common/sys/admission.h"

#include <criterion/criterion.h>
#include <stdio.h>

Test(admission, the_31st_open_connection_of_an_address_is_refused_until_one_ends)
{
    struct admission *a = admission_new();
    for (int i = 0; i < 30; i++)
        cr_assert_null(admission_enter(a, "192.0.2.1", false), "connection %d", i);
    cr_assert_str_eq(admission_enter(a, "192.0.2.1", false), "too many open connections");
    cr_assert_null(admission_enter(a, "192.0.2.2", false));
    admission_leave(a, "192.0.2.1");
    cr_assert_null(admission_enter(a, "192.0.2.1", false));
    admission_free(a);
}

Test(admission, the_91st_of_a_network_too)
{
    struct admission *a = admission_new();
    char ip[32];
    for (int i = 0; i < 90; i++) {
        snprintf(ip, sizeof(ip), "192.0.2.%d", i % 60);
        cr_assert_null(admission_enter(a, ip, false), "connection %d", i);
    }
    cr_assert_not_null(admission_enter(a, "192.0.2.61", false));
    cr_assert_null(admission_enter(a, "192.0.2.64", false)); /* the next /26 */
    admission_free(a);
}

Test(admission, the_301st_connection_in_a_minute_is_refused)
{
    struct admission *a = admission_new();
    int let_in = 0;
    for (int i = 0; i < 900; i++) /* the minute may end in between */
        if (!admission_enter(a, "2001:db8::1", false)) {
            let_in++;
            admission_leave(a, "2001:db8::1");
        }
    cr_assert(let_in == 300 || let_in == 600, "%d", let_in);
    admission_free(a);
}

Test(admission, failed_logins_close_submission_only_and_a_success_forgives)
{
    struct admission *a = admission_new();
    for (int i = 0; i < 60; i++) /* above the day's limit, should the minute end in between */
        admission_login_ended(a, "192.0.2.1", false);
    cr_assert_str_eq(admission_enter(a, "192.0.2.1", true), "too many failed logins");
    cr_assert_null(admission_enter(a, "192.0.2.1", false));
    cr_assert_null(admission_enter(a, "192.0.2.2", true));
    admission_login_ended(a, "192.0.2.1", true);
    cr_assert_null(admission_enter(a, "192.0.2.1", true));
    admission_free(a);
}

Test(admission, without_limits_everybody_may_come)
{
    for (int i = 0; i < 1000; i++)
        cr_assert_null(admission_enter(NULL, "192.0.2.1", true));
    admission_leave(NULL, "192.0.2.1");
    admission_login_ended(NULL, "192.0.2.1", false);
}
