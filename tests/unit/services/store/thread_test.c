#include "fixture.h"

static struct fixture f;

static void setup(void)
{
    fixture_open(&f);
}
TestSuite(thread, .init = setup);

struct place {
    uint64_t id, thread_id;
    bool missing_link;
};

static struct place deliver_to(const char *mailbox, const char *headers, int64_t received_s)
{
    char text[512];
    struct delivery d = {.message = {.received_s = received_s}};
    snprintf(text, sizeof(text), "%s\r\nbody\r\n", headers);
    cr_assert(fixture_try_deliver(&f, mailbox, &d, text), "%s", f.err.detail);
    struct place p = {.id = d.message_id};
    snprintf(text, sizeof(text), "SELECT thread_id FROM message WHERE id = %d", (int)p.id);
    p.thread_id = (uint64_t)fixture_number(&f, text);
    snprintf(text, sizeof(text), "SELECT missing_link FROM message WHERE id = %d", (int)p.id);
    p.missing_link = fixture_number(&f, text) != 0;
    return p;
}

#define DAY 86400
#define T0 1700000000

/* Spec 20 1.18. */
Test(thread, references_join_when_the_subject_is_the_same)
{
    struct place m0 = deliver_to("Inbox", "Message-ID: <m0@x>\r\nSubject: test\r\n", T0);
    struct place m1 = deliver_to(
        "Inbox", "Message-ID: <m1@x>\r\nReferences: <m0@x>\r\nSubject: Re: test\r\n", T0);
    struct place m2 = deliver_to(
        "Inbox", "Message-ID: <m2@x>\r\nReferences: <m0@x> <m1@x>\r\nSubject: re: test\r\n", T0);
    struct place other =
        deliver_to("Inbox", "Message-ID: <m3@x>\r\nReferences: <m0@x>\r\nSubject: other\r\n", T0);
    cr_expect(m0.thread_id == m0.id && !m0.missing_link);
    cr_expect(m1.thread_id == m0.id && !m1.missing_link);
    cr_expect(m2.thread_id == m0.id && !m2.missing_link);
    cr_expect(other.thread_id == other.id && other.missing_link);
    fixture_close(&f);
}

Test(thread, a_dsn_joins_under_another_subject)
{
    struct place m0 = deliver_to("Inbox", "Message-ID: <m0@x>\r\nSubject: test\r\n", T0);
    struct place dsn =
        deliver_to("Inbox",
                   "References: <m0@x>\r\nSubject: failed\r\nMIME-Version: 1.0\r\n"
                   "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
                   "--b\r\n\r\nhuman\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
                   "Reporting-MTA: dns; x\r\n--b--\r\n",
                   T0);
    cr_expect(dsn.thread_id == m0.id);
    fixture_close(&f);
}

Test(thread, a_duplicate_is_a_child_of_the_first)
{
    struct place m0 = deliver_to("Inbox", "Message-ID: <m0@x>\r\nSubject: test\r\n", T0);
    struct place copy = deliver_to("Archive", "Message-ID: <m0@x>\r\nSubject: test\r\n", T0);
    cr_expect(copy.thread_id == m0.id && copy.missing_link);
    fixture_close(&f);
}

Test(thread, replies_without_references_join_by_subject_for_four_weeks)
{
    struct place m0 = deliver_to("Inbox", "Subject: test\r\n", T0);
    struct place soon = deliver_to("Inbox", "Subject: Re: test\r\n", T0 + 27 * DAY);
    struct place elsewhere = deliver_to("Archive", "Subject: Re: test\r\n", T0 + 1);
    struct place plain = deliver_to("Inbox", "Subject: test\r\n", T0 + 1);
    struct place late = deliver_to("Inbox", "Subject: Re: test\r\n", T0 + 27 * DAY + 29 * DAY);
    cr_expect(soon.thread_id == m0.id && soon.missing_link);
    cr_expect(elsewhere.thread_id == elsewhere.id);
    cr_expect(plain.thread_id == plain.id && !plain.missing_link);
    cr_expect(late.thread_id == late.id && late.missing_link);
    fixture_close(&f);
}

Test(thread, an_expunged_message_is_no_parent)
{
    deliver_to("Inbox", "Message-ID: <m0@x>\r\nSubject: test\r\n", T0);
    fixture_flag(&f, "Inbox", STORE_ADD, FLAG_DELETED, UIDS(&f, 1));
    fixture_expunge(&f, "Inbox");
    struct place m1 = deliver_to("Inbox", "References: <m0@x>\r\nSubject: test\r\n", T0);
    cr_expect(m1.thread_id == m1.id && m1.missing_link);
    fixture_close(&f);
}

Test(thread, a_reply_in_a_muted_thread_is_seen)
{
    deliver_to("Inbox", "Message-ID: <m0@x>\r\nSubject: test\r\n", T0);
    fixture_sql(&f, "UPDATE message SET muted = 1");
    deliver_to("Inbox", "References: <m0@x>\r\nSubject: Re: test\r\n", T0);
    cr_expect(fixture_pull(&f, "Inbox", 0).flags[1] == FLAG_SEEN);
    fixture_close(&f);
}
