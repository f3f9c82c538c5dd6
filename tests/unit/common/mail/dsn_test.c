#include "common/mail/dsn.h"

#include "common/mail/header.h"
#include "common/mail/structure.h"

#include <criterion/criterion.h>
#include <string.h>

static struct dsn make_dsn(void)
{
    return (struct dsn){
        .action = DSN_FAILED,
        .hostname = STR("mail.home.example"),
        .sender = {STR("ann"), STR("home.example")},
        .recipient = {STR("joe"), STR("far.example")},
        .status = STR("5.1.1"),
        .text = STR("no such user\nreally (none)"),
        .smtp_code = 550,
        .smtp_enhanced = STR("5.1.1"),
        .remote_host = STR("mx.far.example"),
        .remote_ip = STR("192.0.2.1"),
        .arrival_s = 1000000000,
        .last_attempt_s = 1000000060,
        .will_retry_until_s = 1000003600,
        .attempts = 1,
        .message_id = STR("<1@home.example>"),
        .subject = STR("hello"),
        .header = STR("From: ann@home.example\r\nSubject: hello\r\n"),
        .now = {.time_s = 1000000061},
    };
}

static struct str compose(const struct dsn *dsn, struct arena *arena)
{
    struct buf out;
    buf_init(&out, DSN_SIZE_MAX);
    dsn_compose(&out, dsn);
    cr_assert_not(out.overflow);
    struct str text = arena_copy(arena, buf_str(&out));
    buf_release(&out);
    return text;
}

/* The body of the n-th part. */
static struct str part_text(struct str message, unsigned number, struct arena *arena,
                            const struct part **ret_part)
{
    const struct structure *s = structure_parse(message, arena);
    const uint32_t path[] = {number};
    cr_expect(s->is_dsn);
    cr_expect_not(structure_is_damaged(s));
    *ret_part = structure_find(s, path, 1);
    cr_assert(*ret_part, "part %u", number);
    return str_slice(message, (*ret_part)->body_offset,
                     (size_t)((*ret_part)->end_offset - (*ret_part)->body_offset));
}

static void expect_line(struct str text, const char *line)
{
    cr_expect(str_find(text, str_from_cstr(line)) >= 0, "\"%s\" is missing in\n%.*s", line,
              STR_ARG(text));
}

/* RFC 3464 2. */
Test(dsn, a_failure)
{
    struct arena arena;
    const struct part *part;
    arena_init(&arena, STRUCTURE_ARENA_SIZE);
    struct dsn dsn = make_dsn();
    struct str message = compose(&dsn, &arena);
    expect_line(message, "To: ann@home.example\r\n");
    expect_line(message, "References: <1@home.example>\r\n");
    expect_line(message, "Auto-Submitted: auto-replied\r\n");

    struct str people = part_text(message, 1, &arena, &part);
    cr_expect(str_eq(part->type, STR("TEXT")));
    expect_line(people, "    550 5.1.1 no such user\r\n    550 5.1.1 really (none)\r\n");

    struct str status = part_text(message, 2, &arena, &part);
    cr_expect(str_eq(part->subtype, STR("DELIVERY-STATUS")));
    expect_line(status, "Reporting-MTA: dns; mail.home.example\r\n");
    expect_line(status, "Final-Recipient: rfc822; joe@far.example\r\n");
    expect_line(status, "Action: failed\r\nStatus: 5.1.1\r\n");
    expect_line(status, "Remote-MTA: dns; mx.far.example (192.0.2.1)\r\n");
    expect_line(status, "Diagnostic-Code: smtp; 550 5.1.1 no such user really (none)\r\n");
    expect_line(status, "Last-Attempt-Date: Sun, 9 Sep 2001 01:47:40 +0000\r\n");
    cr_expect(str_find(status, STR("Will-Retry-Until")) < 0);

    struct str header = part_text(message, 3, &arena, &part);
    cr_expect(str_eq(part->subtype, STR("RFC822-HEADERS")));
    cr_expect(str_starts_with(header, dsn.header), "%.*s", STR_ARG(header));
    arena_release(&arena);
}

/* Spec 10 C20: no reply, no Diagnostic-Code; the reason is a comment. */
Test(dsn, a_delay_without_a_reply)
{
    struct arena arena;
    const struct part *part;
    arena_init(&arena, STRUCTURE_ARENA_SIZE);
    struct dsn dsn = make_dsn();
    dsn.action = DSN_DELAYED;
    dsn.status = STR("4.4.1");
    dsn.smtp_code = 0;
    dsn.text = STR("connection (refused)");
    dsn.future_release = STR("for;60");
    struct str status = part_text(compose(&dsn, &arena), 2, &arena, &part);
    expect_line(status, "Action: delayed\r\nStatus: 4.4.1 (connection  refused )\r\n");
    expect_line(status, "Will-Retry-Until: Sun, 9 Sep 2001 02:46:40 +0000\r\n");
    expect_line(status, "Future-Release-Request: for;60\r\n");
    cr_expect(str_find(status, STR("Diagnostic-Code")) < 0);
    arena_release(&arena);
}

/* RFC 6533: never bytes outside ASCII unless the original was SMTPUTF8. */
Test(dsn, internationalised)
{
    static const struct {
        const char *name;
        bool smtputf8;
        const char *recipient, *status_type, *header_type;
    } rows[] = {
        {"reader without UTF-8", false, "Final-Recipient: utf-8; j\\x{F6}\\x{2B}rg@far.example\r\n",
         "DELIVERY-STATUS", "RFC822-HEADERS"},
        {"reader with UTF-8", true, "Final-Recipient: utf-8; j\xc3\xb6+rg@far.example\r\n",
         "GLOBAL-DELIVERY-STATUS", "GLOBAL-HEADERS"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena;
        const struct part *part;
        arena_init(&arena, STRUCTURE_ARENA_SIZE);
        struct dsn dsn = make_dsn();
        dsn.smtputf8 = rows[i].smtputf8;
        dsn.recipient.localpart = STR("j\xc3\xb6+rg");
        dsn.header = STR("Subject: gr\xc3\xbc\xc3\x9f\r\n");
        struct str message = compose(&dsn, &arena);
        struct str status = part_text(message, 2, &arena, &part);
        expect_line(status, rows[i].recipient);
        cr_expect(str_eq(part->subtype, str_from_cstr(rows[i].status_type)), "%s", rows[i].name);
        part_text(message, 3, &arena, &part);
        cr_expect(str_eq(part->subtype, str_from_cstr(rows[i].header_type)), "%s", rows[i].name);
        for (size_t at = 0; !rows[i].smtputf8 && at < status.len; at++)
            cr_assert((unsigned char)status.ptr[at] < 0x80, "%s: byte %zu", rows[i].name, at);
        arena_release(&arena);
    }
}

Test(dsn, a_hostile_original_stays_small_and_in_its_part)
{
    struct arena arena;
    const struct part *part;
    struct buf header;
    arena_init(&arena, STRUCTURE_ARENA_SIZE);
    buf_init(&header, 1 << 20);
    while (header.len < 2 * DSN_HEADER_MAX)
        buf_append_cstr(&header, "X-Long: --=_boundary\r\n");
    struct dsn dsn = make_dsn();
    dsn.header = buf_str(&header);
    dsn.text = STR("evil\r\nAction: delivered");
    struct str message = compose(&dsn, &arena);
    cr_expect(message.len < DSN_HEADER_MAX + 4096);
    struct str status = part_text(message, 2, &arena, &part);
    cr_expect(str_find(status, STR("\r\nAction: delivered")) < 0);
    buf_release(&header);
    arena_release(&arena);
}
