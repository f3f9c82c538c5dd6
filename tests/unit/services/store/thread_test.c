#include "fixture.h"
#include "services/store/thread_marks.h"

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

Test(thread, ids_in_a_circle_are_one_thread)
{
    struct place c1 =
        deliver_to("Inbox", "Message-ID: <c1@x>\r\nReferences: <c2@x>\r\nSubject: t\r\n", T0);
    struct place c2 =
        deliver_to("Inbox", "Message-ID: <c2@x>\r\nReferences: <c1@x>\r\nSubject: t\r\n", T0);
    cr_expect(c1.thread_id == c1.id && c1.missing_link);
    cr_expect(c2.thread_id == c1.id && !c2.missing_link);
    fixture_close(&f);
}

Test(thread, a_host_in_unicode_is_not_the_one_in_ascii)
{
    deliver_to("Inbox",
               "Message-ID: <m@b\xc3\xbc"
               "cher.example>\r\nSubject: t\r\n",
               T0);
    struct place reply =
        deliver_to("Inbox", "References: <m@xn--bcher-kva.example>\r\nSubject: Re: t\r\n", T0);
    cr_expect(reply.thread_id == reply.id && reply.missing_link);
    fixture_close(&f);
}

/* ---- Marks */

static struct thread_marking mark(enum thread_mark which, bool on, uint64_t id)
{
    struct thread_marking op = {.mark = which, .on = on, .ids = &id, .count = 1};
    cr_assert(thread_mark(f.account, &op, &f.arena, &f.err), "%s", f.err.detail);
    return op;
}

static struct thread read_thread(uint64_t id)
{
    struct thread t;
    cr_assert(thread_read(f.account, id, &f.arena, &t, &f.err), "%s", f.err.detail);
    return t;
}

/* A root (0) with two answers (1 and 3), the first of which has an answer (2). */
static void deliver_tree(struct place places[4])
{
    places[0] = deliver_to("Inbox", "Message-ID: <m0@x>\r\nSubject: t\r\n", T0);
    places[1] =
        deliver_to("Inbox", "Message-ID: <m1@x>\r\nReferences: <m0@x>\r\nSubject: re: t\r\n", T0);
    places[2] = deliver_to("Archive",
                           "Message-ID: <m2@x>\r\nReferences: <m0@x> <m1@x>\r\nSubject: t\r\n", T0);
    places[3] =
        deliver_to("Inbox", "Message-ID: <m3@x>\r\nReferences: <m0@x>\r\nSubject: t\r\n", T0);
}

Test(thread, a_thread_is_read_across_mailboxes)
{
    struct place p[4];
    deliver_tree(p);
    deliver_to("Inbox", "Subject: other\r\n", T0);
    struct thread t = read_thread(p[0].id);
    cr_assert_eq(t.len, 4);
    for (size_t i = 0; i < 4; i++)
        cr_expect_eq(t.members[i].id, p[i].id);
    cr_expect(t.members[2].parent_count == 2 && t.members[2].parents[0] == p[1].id &&
              t.members[2].parents[1] == p[0].id);
    cr_expect(t.members[2].mailbox_id == fixture_pull(&f, "Archive", 0).mailbox.id);
    cr_expect_eq(t.members[3].uid, 3);
    cr_expect_eq(read_thread(p[1].id).len, 0, "no root");
    fixture_flag(&f, "Inbox", STORE_ADD, FLAG_DELETED, UIDS(&f, 1));
    fixture_expunge(&f, "Inbox");
    cr_expect_eq(read_thread(p[0].id).len, 3);
    fixture_close(&f);
}

Test(thread, marks_hold_for_all_answers)
{
    struct place p[4];
    deliver_tree(p);
    uint64_t modseq = fixture_pull(&f, "Inbox", 0).mailbox.modseq;
    cr_expect_eq(mark(THREAD_MUTED, true, p[1].id).changed, 2);
    cr_expect_eq(mark(THREAD_MUTED, true, p[1].id).changed, 0, "they are");
    struct thread t = read_thread(p[0].id);
    for (size_t i = 0; i < 4; i++) {
        bool want = i == 1 || i == 2;
        cr_expect(t.members[i].muted == want && t.members[i].collapsed == want, "member %zu", i);
    }
    cr_expect_eq(mark(THREAD_MUTED, false, p[0].id).changed, 2);
    cr_expect_eq(mark(THREAD_COLLAPSED, false, p[2].id).changed, 1);
    t = read_thread(p[0].id);
    cr_expect(!t.members[1].muted && t.members[1].collapsed && !t.members[2].collapsed);
    cr_expect_eq(mark(THREAD_COLLAPSED, true, p[0].id).changed, 3);
    cr_expect_eq(mark(THREAD_COLLAPSED, true, 4711).changed, 0);
    cr_expect_eq(fixture_pull(&f, "Inbox", 0).mailbox.modseq, modseq, "IMAP does not see it");
    fixture_close(&f);
}

Test(thread, a_reply_in_a_muted_thread_is_seen)
{
    struct place p[4];
    deliver_tree(p);
    mark(THREAD_MUTED, true, p[1].id);
    deliver_to("Inbox", "Message-ID: <m4@x>\r\nReferences: <m1@x>\r\nSubject: t\r\n", T0);
    deliver_to("Inbox", "References: <m4@x>\r\nSubject: t\r\n", T0);
    deliver_to("Inbox", "References: <m3@x>\r\nSubject: t\r\n", T0);
    struct changes inbox = fixture_pull(&f, "Inbox", 0);
    cr_expect_eq(inbox.flags[3], FLAG_SEEN);
    cr_expect_eq(inbox.flags[4], FLAG_SEEN, "and its answer");
    cr_expect_eq(inbox.flags[5], 0, "another branch");
    struct thread t = read_thread(p[0].id);
    cr_assert_eq(t.len, 7);
    cr_expect(t.members[5].muted && t.members[5].collapsed && !t.members[6].muted);
    struct copy copied;
    cr_assert(fixture_copy(&f, "Inbox", "Archive", false, UIDS(&f, 2), &copied));
    cr_expect(read_thread(p[0].id).members[7].muted, "a copy is as muted as its original");
    fixture_close(&f);
}
