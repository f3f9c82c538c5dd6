#include "tests/unit/services/imap/dialogue.h"

#include <criterion/criterion.h>

/* FILTERS (RFC 5466): searches that are kept as annotations of the account. */

#define SET(name, text)                                                                            \
    "C: s SETMETADATA \"\" (/private/filters/values/" name " \"" text "\")", "S: s OK %"

Test(filter, stands_for_its_text_rfc_5466_3_1)
{
    DIALOGUE("D: apple", "D: banana", "D: cherry", SELECT_INBOX("3"),
             SET("on-the-road", "OR SMALLER 5000 FROM \\\"boss@example.com\\\""),
             "C: a SEARCH UID 2:900 FILTER on-the-road SINCE \"3-Dec-2002\"", "S: * SEARCH 2 3",
             "S: a OK %", SET("fruit", "BODY apple"), "C: b SEARCH FILTER Fruit", "S: * SEARCH 1",
             "S: b OK %", "C: c SEARCH NOT FILTER fruit", "S: * SEARCH 2 3", "S: c OK %",
             /* Word for word: NOT is about the first key. */
             SET("two", "BODY apple UID 2:3"), "C: d SEARCH NOT FILTER two", "S: * SEARCH 2 3",
             "S: d OK %", "C: e SEARCH NOT (FILTER two)", "S: * SEARCH 1 2 3", "S: e OK %",
             "C: f UID SORT (REVERSE SUBJECT) UTF-8 FILTER on-the-road (FILTER fruit)",
             "S: * SORT 1", "S: f OK %", "C: g ESEARCH IN (personal) FILTER fruit",
             "S: * ESEARCH (TAG \"g\" MAILBOX Inbox UIDVALIDITY 1001) UID ALL 1", "S: g OK %",
             "C: h THREAD ORDEREDSUBJECT UTF-8 FILTER fruit", "S: * THREAD (1)", "S: h OK %",
             "C: i SEARCH RETURN (UPDATE COUNT) FILTER fruit", "S: * ESEARCH (TAG \"i\") COUNT 1",
             "S: i OK %", "D: apple", "C: j NOOP", "S: * 4 EXISTS", "S: * 4 FETCH %",
             "S: * ESEARCH (TAG \"i\") ADDTO (0 4)", "S: j OK %");
}

Test(filter, private_before_shared_rfc_5466_3_2)
{
    DIALOGUE("D: apple", "D: banana", SELECT_INBOX("2"),
             "C: a SETMETADATA \"\" (/shared/filters/values/x \"BODY banana\")", "S: a OK %",
             "C: b SEARCH FILTER x", "S: * SEARCH 2", "S: b OK %", SET("x", "BODY apple"),
             "C: c SEARCH FILTER x", "S: * SEARCH 1", "S: c OK %",
             "C: d SETMETADATA \"\" (/private/filters/values/x NIL)", "S: d OK %",
             "C: e SEARCH FILTER x", "S: * SEARCH 2", "S: e OK %",
             "C: f SETMETADATA \"\" (/shared/filters/values/x NIL)", "S: f OK %",
             "C: g SEARCH FILTER x", "S: g NO [UNDEFINED-FILTER x] %");
}

Test(filter, that_name_others)
{
    DIALOGUE("D: apple", "D: banana", SELECT_INBOX("2"), SET("a", "FILTER b UNSEEN"),
             SET("b", "(FILTER c)"), SET("c", "OR FILTER d BODY z"), SET("d", "BODY apple"),
             "C: a SEARCH FILTER a", "S: * SEARCH 1", "S: a OK %",
             /* In circles. */
             SET("d", "FILTER a"), "C: b SEARCH FILTER a", "S: b NO [UNDEFINED-FILTER %",
             SET("self", "SEEN FILTER self"), "C: c SEARCH FILTER self",
             "S: c NO [UNDEFINED-FILTER self] %", SET("to-none", "FILTER none"),
             "C: d SEARCH RETURN (SAVE) ALL", "S: d OK %",
             "C: e SEARCH RETURN (SAVE) FILTER to-none", "S: e NO [UNDEFINED-FILTER none] %",
             "C: f SEARCH $", "S: * SEARCH", "S: f OK %");
}

Test(filter, what_is_none)
{
    DIALOGUE("D: 1", SELECT_INBOX("1"),
             "C: a SETMETADATA \"\" (/private/filters/values/x \"OR SMALLER\")",
             "S: a NO [CANNOT] %", "C: b SETMETADATA \"\" (/private/filters/values/x \"SEEN (\")",
             "S: b NO [CANNOT] %", "C: c SETMETADATA \"\" (/private/filters/descriptions/x \"OR\")",
             "S: c OK %", "C: d SETMETADATA INBOX (/private/filters/values/x \"OR\")", "S: d OK %",
             "C: e SEARCH FILTER x", "S: e NO [UNDEFINED-FILTER x] %", "C: f SEARCH FILTER a/b",
             "S: f BAD %", "C: g SEARCH FILTER", "S: g BAD %", "C: h SEARCH FILTER \"x\"",
             "S: h BAD %", "C: i SEARCH CHARSET KOI8-R FILTER x", "S: i BAD [BADCHARSET %",
             "C: j SEARCH CHARSET KOI8-R ALL", "S: j NO [BADCHARSET %",
             /* One that is a program elsewhere, but not here. */
             SET("seventh", "7"), "C: k SEARCH FILTER seventh", "S: k NO the filter seventh %",
             "A:", "C: l SEARCH FILTER x", "S: l NO [UNAVAILABLE] %");
}

Test(filter, hidden)
{
    STRANGER("S: * OK [CAPABILITY % FILTERS %", "H: FILTERS", "C: l LOGIN me@localhost secret",
             "S: l OK %", SELECT_EMPTY(""), "C: a SEARCH FILTER x", "S: a BAD %",
             "C: b SETMETADATA \"\" (/private/filters/values/x \"OR\")", "S: b OK %");
    STRANGER("S: * OK [CAPABILITY % FILTERS %", "H: METADATA", "C: l LOGIN me@localhost secret",
             "S: l OK %", SELECT_EMPTY(""), "C: a SEARCH FILTER x", "S: a BAD %");
}
