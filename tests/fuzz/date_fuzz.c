/* Target functions: date_*. Property: a date that was accepted is the same after writing and
 * parsing again. */
#include "common/base/bug.h"
#include "common/mail/date.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct date date, again;
    struct err err;
    struct buf out;
    buf_init(&out, 64);
    if (date_parse(str_make(data, size), &date, &err)) {
        struct date_fields f = date_to_fields(date);
        BUG_ON(!date_write(&out, date));
        /* The year may leave 1 to 9999 by the zone, or look like an obsolete short one. */
        if (f.year >= 1000 && f.year <= 9999) {
            BUG_ON(!date_parse(buf_str(&out), &again, &err));
            BUG_ON(again.time_s != date.time_s || again.zone_minutes != date.zone_minutes);
        }
    }
    buf_release(&out);
    return 0;
}
