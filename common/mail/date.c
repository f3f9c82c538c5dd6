#include "common/mail/date.h"

#include "common/base/bug.h"
#include "common/mail/cfws.h"

#include <string.h>

#define SECONDS_PER_DAY 86400
#define ZONE_MINUTES_END 1440

static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char weekday_names[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

/* The calendar. Years are counted from March, so that the leap day is the last of its year; an era
 * is 400 years, 146097 days. */

static int64_t days_from_civil(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void civil_from_days(int64_t days, struct date_fields *f)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    f->day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
    f->month = (int)(month < 10 ? month + 3 : month - 9);
    f->year = (int)(year_of_era + era * 400 + (f->month <= 2));
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

int64_t date_day_number(struct date date)
{
    return floor_div(date.time_s + (int64_t)date.zone_minutes * 60, SECONDS_PER_DAY);
}

struct date_fields date_to_fields(struct date date)
{
    struct date_fields f;
    int64_t days = date_day_number(date);
    int64_t second = date.time_s + (int64_t)date.zone_minutes * 60 - days * SECONDS_PER_DAY;
    civil_from_days(days, &f);
    f.hour = (int)(second / 3600);
    f.minute = (int)(second / 60 % 60);
    f.second = (int)(second % 60);
    f.weekday = (int)(((days + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
    return f;
}

static int days_in_month(int year, int month)
{
    static const int days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

static bool check_range(const char *what, int value, int low, int high, struct err *err)
{
    if (value >= low && value <= high)
        return true;
    return err_set(err, ERR_SYNTAX, "date: %s %d is not in %d to %d", what, value, low, high);
}

bool date_from_fields(struct date_fields f, int32_t zone_minutes, struct date *ret_date,
                      struct err *err)
{
    TRY(check_range("year", f.year, 1, 9999, err));
    TRY(check_range("month", f.month, 1, 12, err));
    TRY(check_range("day", f.day, 1, days_in_month(f.year, f.month), err));
    TRY(check_range("hour", f.hour, 0, 23, err));
    TRY(check_range("minute", f.minute, 0, 59, err));
    TRY(check_range("second", f.second, 0, 60, err));
    TRY(check_range("zone", zone_minutes, 1 - ZONE_MINUTES_END, ZONE_MINUTES_END - 1, err));
    ret_date->time_s = days_from_civil(f.year, f.month, f.day) * SECONDS_PER_DAY + f.hour * 3600 +
                       f.minute * 60 + f.second - (int64_t)zone_minutes * 60;
    ret_date->zone_minutes = zone_minutes;
    const struct date in_utc = {.time_s = ret_date->time_s};
    return check_range("year in UTC", date_to_fields(in_utc).year, 1, 9999, err);
}

const char *date_month_name(int month)
{
    BUG_ON(month < 1 || month > 12);
    return month_names[month - 1];
}

int date_month_number(struct str name)
{
    for (int i = 0; i < 12; i++)
        if (str_eq_nocase(name, str_make(month_names[i], 3)))
            return i + 1;
    return 0;
}

/* RFC 5322 3.3, 4.3. */

static void skip_cfws(struct cursor *c)
{
    struct str ignored;
    cfws_skip(c, &ignored);
}

static int take_int(struct cursor *c, uint64_t max, const char *what)
{
    int value = (int)cursor_take_number(c, max, what);
    skip_cfws(c);
    return value;
}

/* year = 4*DIGIT; obs-year = 2*DIGIT: 00 to 49 are 2000 to 2049, three digits count from 1900. */
static int take_year(struct cursor *c)
{
    size_t from = cursor_offset(c);
    int year = (int)cursor_take_number(c, 9999, "year");
    size_t digits = cursor_offset(c) - from;
    skip_cfws(c);
    if (digits == 2)
        return year + (year < 50 ? 2000 : 1900);
    return digits == 3 ? year + 1900 : year;
}

static int take_month(struct cursor *c)
{
    struct cursor mark = cursor_mark(c);
    struct str name = cursor_take_while(c, is_alpha, 16, "month");
    /* Full names do occur; their first three letters decide. */
    int month = date_month_number(str_slice(name, 0, 3));
    if (month == 0) {
        cursor_rewind(c, mark);
        cursor_fail(c, "month");
    }
    skip_cfws(c);
    return month;
}

/* obs-zone: the names of RFC 5322 4.3; all others, military letters included, are UTC. */
static int32_t zone_from_name(struct str name)
{
    static const struct {
        struct str name;
        int32_t hours;
    } zones[] = {
        {STR_INIT("EST"), -5}, {STR_INIT("EDT"), -4}, {STR_INIT("CST"), -6}, {STR_INIT("CDT"), -5},
        {STR_INIT("MST"), -7}, {STR_INIT("MDT"), -6}, {STR_INIT("PST"), -8}, {STR_INIT("PDT"), -7},
    };
    for (size_t i = 0; i < ARRAY_LEN(zones); i++)
        if (str_eq_nocase(name, zones[i].name))
            return zones[i].hours * 60;
    return 0;
}

/* zone = ( "+" / "-" ) 4DIGIT / obs-zone. Missing zones are UTC. */
static int32_t take_zone(struct cursor *c)
{
    bool minus = cursor_next_is(c, '-');
    if (!cursor_skip(c, '+') && !cursor_skip(c, '-'))
        return zone_from_name(cursor_take_while0(c, is_alpha, 16, "zone"));
    struct str digits = cursor_take_while(c, is_digit, 4, "zone of four digits");
    uint64_t number = 0;
    if (digits.len != 4 || !str_to_u64(digits, 9999, &number))
        cursor_fail(c, "zone of four digits");
    int32_t minutes = (int32_t)(number / 100 * 60 + number % 100);
    return minus ? -minutes : minutes;
}

/* time-of-day = hour ":" minute [ ":" second ] */
static void take_time(struct cursor *c, struct date_fields *f)
{
    f->hour = take_int(c, 99, "hour");
    cursor_expect(c, ':');
    skip_cfws(c);
    f->minute = take_int(c, 99, "minute");
    f->second = 0;
    if (cursor_skip(c, ':')) {
        skip_cfws(c);
        f->second = take_int(c, 99, "second");
    }
}

bool date_parse(struct str value, struct date *ret_date, struct err *err)
{
    struct cursor c = cursor_init(value);
    struct date_fields f = {0};
    skip_cfws(&c);
    if (cursor_next_is_class(&c, is_alpha)) { /* day-of-week "," */
        cursor_skip_while(&c, is_alpha);
        skip_cfws(&c);
        cursor_skip(&c, ',');
        skip_cfws(&c);
    }
    f.day = take_int(&c, 99, "day");
    f.month = take_month(&c);
    f.year = take_year(&c);
    take_time(&c, &f);
    int32_t zone = take_zone(&c);
    skip_cfws(&c);
    if (!cursor_finish(&c, err))
        return err_wrap(err, "date");
    bool shown_in_utc = zone <= -ZONE_MINUTES_END || zone >= ZONE_MINUTES_END;
    struct date date;
    TRY(date_from_fields(f, shown_in_utc ? 0 : zone, &date, err));
    if (shown_in_utc)
        date.time_s -= (int64_t)zone * 60;
    *ret_date = date;
    return true;
}

static char *put_text(char *at, const char *text, size_t len)
{
    memcpy(at, text, len);
    return at + len;
}

static char *put_digits(char *at, int value, int count)
{
    for (int i = count - 1; i >= 0; i--, value /= 10)
        at[i] = (char)('0' + value % 10);
    return at + count;
}

static char *put_time(char *at, const struct date_fields *f)
{
    at = put_digits(at, f->hour, 2);
    *at++ = ':';
    at = put_digits(at, f->minute, 2);
    *at++ = ':';
    return put_digits(at, f->second, 2);
}

static char *put_zone(char *at, int32_t zone_minutes)
{
    int minutes = zone_minutes < 0 ? -zone_minutes : zone_minutes;
    *at++ = zone_minutes < 0 ? '-' : '+';
    return put_digits(put_digits(at, minutes / 60, 2), minutes % 60, 2);
}

/* Both by hand: IMAP writes them for each message of a mailbox that a client looks at. */

bool date_write(struct buf *out, struct date date)
{
    struct date_fields f = date_to_fields(date);
    char text[] = "Day, dd Mon yyyy hh:mm:ss +zzzz";
    char *at = put_text(text, weekday_names[f.weekday], 3);
    at = put_text(at, ", ", 2);
    at = put_digits(at, f.day, f.day < 10 ? 1 : 2);
    *at++ = ' ';
    at = put_text(at, month_names[f.month - 1], 3);
    *at++ = ' ';
    at = put_digits(at, f.year, 4);
    *at++ = ' ';
    at = put_time(at, &f);
    *at++ = ' ';
    at = put_zone(at, date.zone_minutes);
    return buf_append(out, str_make(text, (size_t)(at - text)));
}

bool date_write_imap(struct buf *out, struct date date)
{
    struct date_fields f = date_to_fields(date);
    char text[] = "\"dd-Mon-yyyy hh:mm:ss +zzzz\"";
    put_digits(text + 1, f.day, 2);
    if (f.day < 10)
        text[1] = ' ';
    put_text(text + 4, month_names[f.month - 1], 3);
    put_digits(text + 8, f.year, 4);
    put_time(text + 13, &f);
    put_zone(text + 22, date.zone_minutes);
    return buf_append(out, str_make(text, sizeof(text) - 1));
}
