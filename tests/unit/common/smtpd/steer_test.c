#include "common/smtpd/steer.h"

#include <criterion/criterion.h>

Test(steer, what_local_parts_ask_for)
{
    static const struct {
        const char *localpart;
        enum steer_where where;
        unsigned code;
    } rows[] = {
        /* Spec 10 C24: the end says what. */
        {"x550", STEER_DATA, 550},
        {"400", STEER_DATA, 400},
        {"a599", STEER_DATA, 599},
        {"temperror", STEER_DATA, 451},
        {"me+permerror", STEER_DATA, 550},
        {"TempError", STEER_DATA, 451},
        {"timeout", STEER_DATA, 0},
        /* The beginning says where. */
        {"rcptto451", STEER_RCPT, 451},
        {"RcptTo-permerror", STEER_RCPT, 550},
        {"mailfromtimeout", STEER_MAIL, 0},
        {"queue421", STEER_QUEUE, 421},
        {"queue-timeout", STEER_QUEUE, 0},
        /* The last three characters count. */
        {"user1450", STEER_DATA, 450},
        {"a.mailfrom451", STEER_DATA, 451},
        /* Nothing is asked for. */
        {"me", STEER_NOWHERE, 0},
        {"", STEER_NOWHERE, 0},
        {"50", STEER_NOWHERE, 0},
        {"x399", STEER_NOWHERE, 0},
        {"x600", STEER_NOWHERE, 0},
        {"x250", STEER_NOWHERE, 0},
        {"550x", STEER_NOWHERE, 0},
        {"x4 50", STEER_NOWHERE, 0},
        {"x+50", STEER_NOWHERE, 0},
        {"temperror2", STEER_NOWHERE, 0},
        {"rcptto", STEER_NOWHERE, 0},
        {"queue", STEER_NOWHERE, 0},
        {"mailfrom45", STEER_NOWHERE, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct steer steer = steer_parse(str_from_cstr(rows[i].localpart));
        cr_expect_eq(steer.where, rows[i].where, "%s: place %d", rows[i].localpart,
                     (int)steer.where);
        cr_expect_eq(steer.code, rows[i].code, "%s: code %u", rows[i].localpart, steer.code);
    }
    cr_expect_eq(steer_parse(STR_NULL).where, STEER_NOWHERE);
}
