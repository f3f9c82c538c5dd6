#include "common/mail/date.h"

#include <criterion/criterion.h>

Test(date, rfc_5322_dates_in_all_their_forms)
{
    static const struct {
        const char *in;
        int64_t time_s; /* -1: refused */
        int zone_minutes;
        const char *written; /* NULL: as `in` */
    } rows[] = {
        {"Mon, 7 Feb 1994 21:52:25 -0800", 760686745, -480, NULL},
        {"Fri, 21 Nov 1997 09:55:06 -0600", 880127706, -360, NULL},
        {"Thu, 1 Jan 1970 00:00:00 +0000", 0, 0, NULL},
        {"Sat, 29 Feb 2020 23:59:59 +0545", 1583020799 - 345 * 60, 345, NULL},
        {"21 Nov 1997 09:55:06 -0600", 880127706, -360, "Fri, 21 Nov 1997 09:55:06 -0600"},
        {"Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", 880127706, -360,
         "Fri, 21 Nov 1997 09:55:06 -0600"},
        {"Fri,\r\n 21 Nov\r\n\t1997 09:55:06\r\n -0600 (a (nested) \\) one)", 880127706, -360,
         "Fri, 21 Nov 1997 09:55:06 -0600"},
        {"21 Nov 97 09:55:06 GMT", 880106106, 0, "Fri, 21 Nov 1997 09:55:06 +0000"},
        {"21 Nov 97 09:55:06 EST", 880106106 + 5 * 3600, -300, "Fri, 21 Nov 1997 09:55:06 -0500"},
        {"21 nov 1997 9:55 Z", 880106100, 0, "Fri, 21 Nov 1997 09:55:00 +0000"},
        {"21 November 1997 09:55:06", 880106106, 0, "Fri, 21 Nov 1997 09:55:06 +0000"},
        {"Wed, 21 Nov 1997 09:55:06 +0000", 880106106, 0, "Fri, 21 Nov 1997 09:55:06 +0000"},
        {"1 Jan 105 00:00:00 +0000", 1104537600, 0, "Sat, 1 Jan 2005 00:00:00 +0000"},
        {"1 Jan 49 00:00:00 +0000", 2493072000, 0, "Fri, 1 Jan 2049 00:00:00 +0000"},
        {"30 Jun 2012 23:59:60 +0000", 1341100800, 0, "Sun, 1 Jul 2012 00:00:00 +0000"},
        {"21 Nov 1997 09:55:06 +2400", 880106106 - 86400, 0, "Thu, 20 Nov 1997 09:55:06 +0000"},
        {"Mon, 31 Dec 9999 00:00:00 +0000", 253402214400, 0, "Fri, 31 Dec 9999 00:00:00 +0000"},
        {"Fri, 31 Dec 9999 23:59:59 -1200", -1, 0, NULL},
        {"Fri, 31 Dec 9999 23:59:60 +0000", -1, 0, NULL},
        {"", -1, 0, NULL},
        {"now", -1, 0, NULL},
        {"Mon, 7 Feb 10000 21:52:25 -0800", -1, 0, NULL},
        {"31 Apr 2020 00:00:00 +0000", -1, 0, NULL},
        {"29 Feb 2019 00:00:00 +0000", -1, 0, NULL},
        {"29 Feb 1900 00:00:00 +0000", -1, 0, NULL},
        {"0 Feb 2020 00:00:00 +0000", -1, 0, NULL},
        {"1 Foo 2020 00:00:00 +0000", -1, 0, NULL},
        {"1 Feb 2020 24:00:00 +0000", -1, 0, NULL},
        {"1 Feb 2020 00:60:00 +0000", -1, 0, NULL},
        {"1 Feb 2020 00:00:61 +0000", -1, 0, NULL},
        {"1 Feb 2020 00:00:00 +000", -1, 0, NULL},
        {"1 Feb 2020 00:00:00 +00000", -1, 0, NULL},
        {"1 Feb 2020 00:00:00 +0000 (open", -1, 0, NULL},
        {"1 Feb 2020 00:00:00 +0000 more", -1, 0, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct date d;
        struct err err;
        bool ok = date_parse(str_from_cstr(rows[i].in), &d, &err);
        cr_assert_eq(ok, rows[i].time_s != -1, "%s", rows[i].in);
        if (!ok)
            continue;
        cr_assert_eq(d.time_s, rows[i].time_s, "%s: %ld", rows[i].in, (long)d.time_s);
        cr_assert_eq(d.zone_minutes, rows[i].zone_minutes, "%s: %d", rows[i].in, d.zone_minutes);
        struct buf out;
        buf_init(&out, 64);
        cr_assert(date_write(&out, d));
        const char *want = rows[i].written ? rows[i].written : rows[i].in;
        cr_assert(str_eq(buf_str(&out), str_from_cstr(want)), "%s: %.*s", rows[i].in,
                  STR_ARG(buf_str(&out)));
        buf_release(&out);
    }
}

Test(date, imap_writes_the_same_otherwise)
{
    static const struct {
        struct date date;
        const char *want;
    } rows[] = {{{760686745, -480}, "\" 7-Feb-1994 21:52:25 -0800\""},
                {{880106106, 345}, "\"21-Nov-1997 15:40:06 +0545\""}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf out;
        buf_init(&out, 64);
        cr_assert(date_write_imap(&out, rows[i].date));
        cr_expect(str_eq(buf_str(&out), str_from_cstr(rows[i].want)), "%.*s",
                  STR_ARG(buf_str(&out)));
        buf_release(&out);
    }
}

Test(date, fields_and_instants_agree_over_all_years)
{
    for (int64_t time_s = -62135596800; time_s < 253402300800; time_s += 86400 * 97 + 12345) {
        struct date d = {.time_s = time_s, .zone_minutes = 0}, back;
        struct err err;
        cr_assert(date_from_fields(date_to_fields(d), 0, &back, &err), "%s", err.detail);
        cr_assert_eq(back.time_s, time_s, "%ld", (long)time_s);
    }
}

Test(date, days_are_those_of_the_zone)
{
    struct date d;
    struct err err;
    cr_assert(date_parse(STR("Mon, 7 Feb 1994 21:52:25 -0800"), &d, &err));
    cr_assert_eq(date_day_number(d), 760579200 / 86400);
    struct date_fields f = date_to_fields(d);
    cr_assert(f.year == 1994 && f.month == 2 && f.day == 7 && f.hour == 21 && f.weekday == 1);
    cr_assert_eq(date_day_number((struct date){.time_s = -1}), -1);
}

Test(date, month_names)
{
    cr_assert_eq(date_month_number(STR("feb")), 2);
    cr_assert_eq(date_month_number(STR("DEC")), 12);
    cr_assert_eq(date_month_number(STR("Febr")), 0);
    cr_assert_str_eq(date_month_name(12), "Dec");
}
