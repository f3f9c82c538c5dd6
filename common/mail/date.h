#ifndef COMMON_MAIL_DATE_H
#define COMMON_MAIL_DATE_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/text/cursor.h"

/*
 * Dates of messages: an instant and the zone it was written in.
 *
 * Zones are minutes east of UTC, from -1439 to 1439. All arithmetic is on the proleptic Gregorian
 * calendar, years 1 to 9999; nothing reads the time zone of the machine.
 *
 *     struct date d;
 *     if (date_parse(STR("Mon, 7 Feb 1994 21:52:25 -0800"), &d, err))
 *         date_write(&out, d);
 */

struct date {
    int64_t time_s;       /* since 1970-01-01 UTC, leap seconds not counted */
    int32_t zone_minutes; /* for showing; the instant does not depend on it */
};

/* The same taken apart, as seen in the zone. */
struct date_fields {
    int year;
    int month; /* 1 to 12 */
    int day;   /* 1 to 31 */
    int hour;
    int minute;
    int second;  /* 0 to 60 */
    int weekday; /* 0 is Sunday; ignored by date_from_fields */
};

/* RFC 5322 3.3 with the obsolete forms of 4.3: comments and folds, missing day name and seconds,
 * two- and three-digit years, zones by name (unknown ones are UTC). A wrong day name is forgiven. A
 * zone of 24 hours or more is taken as written and the result shown in UTC. `value` is the raw
 * value of a header field. */
bool date_parse(struct str value, struct date *ret_date, struct err *err) MUST_USE;

/* Appends "Mon, 7 Feb 1994 21:52:25 -0800". */
bool date_write(struct buf *out, struct date date);
/* Appends " 7-Feb-1994 21:52:25 -0800" with its quotes: date-time of RFC 9051. */
bool date_write_imap(struct buf *out, struct date date);

struct date_fields date_to_fields(struct date date);
/* ERR_SYNTAX names the field that is out of range (31 April, hour 24). */
bool date_from_fields(struct date_fields fields, int32_t zone_minutes, struct date *ret_date,
                      struct err *err) MUST_USE;

/* "Jan" to "Dec" for 1 to 12. */
const char *date_month_name(int month);
/* 1 to 12 for "jan" to "dec" in any case, 0 for anything else. */
int date_month_number(struct str name);

/* Days since 1970-01-01 of the calendar day in the date's own zone: IMAP compares days (RFC 9051
 * 6.4.4: "disregarding time and timezone"). */
int64_t date_day_number(struct date date);

#endif
