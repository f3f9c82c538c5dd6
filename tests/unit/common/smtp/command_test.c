#include "common/smtp/command.h"

#include <criterion/criterion.h>

static const struct smtp_rules lenient = {
    .space_after_colon = true,
    .localpart_max = ADDRESS_LOCALPART_LEN_MAX,
    .size_max = 1000,
    .requiretls = true,
    .tls = true,
    .future_release = true,
};
static const struct smtp_rules strict = {
    .localpart_max = SMTP_LOCALPART_MAX_STRICT,
    .size_max = 200u << 20,
};

Test(command, verbs_ignore_case_and_leave_their_argument)
{
    static const struct {
        const char *line;
        enum smtp_verb verb;
        const char *argument;
    } rows[] = {
        {"EHLO a.example", SMTP_VERB_EHLO, "a.example"},
        {"quit", SMTP_VERB_QUIT, NULL},
        {"RSET ", SMTP_VERB_RSET, ""},
        {"MAIL FROM:<>", SMTP_VERB_MAIL, "FROM:<>"},
        {"MAIL\tFROM:<>", SMTP_VERB_UNKNOWN, NULL},
        {"GET / HTTP/1.1", SMTP_VERB_UNKNOWN, "/ HTTP/1.1"},
        {"unknown", SMTP_VERB_UNKNOWN, NULL},
        {"", SMTP_VERB_UNKNOWN, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str argument;
        cr_assert_eq(smtp_verb_take(str_from_cstr(rows[i].line), &argument), rows[i].verb, "%s",
                     rows[i].line);
        cr_assert_eq(str_is_null(argument), rows[i].argument == NULL, "%s", rows[i].line);
        if (rows[i].argument)
            cr_assert(str_eq(argument, str_from_cstr(rows[i].argument)), "%s", rows[i].line);
    }
}

Test(command, hello_is_a_domain_or_a_literal)
{
    static const struct {
        const char *in;
        bool literals;
        const char *want; /* NULL: refused with 501 5.5.2 */
    } rows[] = {
        {"Mail.Example.ORG", true, "mail.example.org"},
        {"localhost", false, "localhost"},
        {"[192.0.2.1]", true, "[192.0.2.1]"},
        {"[192.0.2.1] and free text", true, "[192.0.2.1]"},
        {"[IPv6:2001:db8::1]", true, "[IPv6:2001:db8::1]"},
        {"[2001:db8::1]", true, NULL},
        {"[IPv6:192.0.2.1]", true, NULL},
        {"[192.0.2.1]", false, NULL},
        {"[192.0.2.256]", true, NULL},
        {"[192.0.2.1", true, NULL},
        {"not_valid!!", true, NULL},
        {"a.example b", true, NULL},
        {"", true, NULL},
    };
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct smtp_hello hello;
        struct smtp_reply refusal;
        bool ok =
            smtp_hello_parse(str_from_cstr(rows[i].in), rows[i].literals, &arena, &hello, &refusal);
        cr_assert_eq(ok, rows[i].want != NULL, "%s", rows[i].in);
        if (ok)
            cr_assert(str_eq(hello.name, str_from_cstr(rows[i].want)), "%s", rows[i].in);
        else
            cr_assert_eq(refusal.code, 501, "%s", rows[i].in);
    }
    arena_release(&arena);
}

struct mail_row {
    const char *in;
    uint16_t code; /* of the refusal; 0: accepted */
    uint8_t enhanced[3];
    const char *localpart, *domain;
};

static void check_mail_rows(const struct smtp_rules *rules, const struct mail_row *rows,
                            size_t count)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < count; i++) {
        const struct mail_row *row = &rows[i];
        struct smtp_mail mail;
        struct smtp_reply refusal = {0};
        bool ok = smtp_mail_parse(str_from_cstr(row->in), rules, &arena, &mail, &refusal);
        cr_assert_eq(ok, row->code == 0, "%s: %u %.*s", row->in, refusal.code,
                     STR_ARG(refusal.text));
        if (ok) {
            cr_assert(str_eq(mail.from.address.localpart, str_from_cstr(row->localpart)), "%s",
                      row->in);
            cr_assert(str_eq(mail.from.address.domain, str_from_cstr(row->domain)), "%s", row->in);
        } else {
            cr_assert_eq(refusal.code, row->code, "%s: %u", row->in, refusal.code);
            cr_assert_arr_eq(refusal.enhanced, row->enhanced, 3, "%s", row->in);
        }
    }
    arena_release(&arena);
}

#define LOCAL_100                                                                                  \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"                                           \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

Test(command, mail_with_parameters)
{
    static const struct mail_row rows[] = {
        {"FROM:<a@x.example>", 0, {0}, "a", "x.example"},
        {"from: <a@X.Example>", 0, {0}, "a", "x.example"},
        {"FROM:<>", 0, {0}, "", ""},
        {"FROM:<\"a>b\\\" c\"@x.example>", 0, {0}, "a>b\" c", "x.example"},
        {"FROM:<\"\"@x.example>", 0, {0}, "", "x.example"},
        {"FROM:<@r.example,@s.example:a@x.example>", 0, {0}, "a", "x.example"},
        {"FROM:<a@[192.0.2.1]>", 0, {0}, "a", "[192.0.2.1]"},
        {"FROM:<" LOCAL_100 "@x.example>", 0, {0}, LOCAL_100, "x.example"},
        {"FROM:<\xc3\xbc@x.example> SMTPUTF8", 0, {0}, "\xc3\xbc", "x.example"},
        {"FROM:<u\xcc\x88@x.example> SMTPUTF8", 0, {0}, "\xc3\xbc", "x.example"},
        {"FROM:<a@m\xc3\xb6x.example> SMTPUTF8", 0, {0}, "a", "xn--mx-fka.example"},
        {"FROM:<a@x.example> SIZE=1000 BODY=8BITMIME AUTH=<> REQUIRETLS", 0, {0}, "a", "x.example"},
        {"FROM:<a@x.example> AUTH=a+2Bb@x.example", 0, {0}, "a", "x.example"},
        {"FROM:<a@x.example> HOLDFOR=60", 0, {0}, "a", "x.example"},
        {"FROM:<a@x.example> HOLDUNTIL=2100-01-02T03:04:05.6Z", 0, {0}, "a", "x.example"},

        {"FROM:<\xc3\xbc@x.example>", 550, {5, 6, 7}, 0, 0},
        {"FROM:<a@x.example> SIZE=1001", 552, {5, 2, 3}, 0, 0},
        {"FROM:<a@x.example> SIZE=999999999999", 552, {5, 3, 4}, 0, 0},
        {"FROM:<a@x.example> SIZE=99999999999999999999", 552, {5, 3, 4}, 0, 0},
        {"FROM:<a@x.example> SIZE=999999999999999999999", 501, {5, 5, 2}, 0, 0},
        {"FROM:<a@x.example> SIZE=1 SIZE=1", 501, {5, 5, 4}, 0, 0},
        {"FROM:<a@x.example> BODY=BINARYMIME", 555, {5, 5, 4}, 0, 0},
        {"FROM:<a@x.example> AUTH=a+2b", 501, {5, 5, 2}, 0, 0},
        {"FROM:<a@x.example> FOO=1", 555, {5, 3, 3}, 0, 0},
        {"FROM:<a@x.example> HOLDFOR=0", 501, {5, 5, 2}, 0, 0},
        {"FROM:<a@x.example> HOLDFOR=1000000000", 501, {5, 5, 2}, 0, 0},
        {"FROM:<a@x.example> HOLDFOR=0000000060", 501, {5, 5, 2}, 0, 0},
        {"FROM:<a@x.example> HOLDUNTIL=2100-01-02T03:04:05+00:00", 501, {5, 5, 2}, 0, 0},
        {"FROM:<a@x.example> HOLDUNTIL=2100-02-30T03:04:05Z", 501, {5, 5, 2}, 0, 0},
        {"FROM:<a@x.example> HOLDFOR=1 HOLDUNTIL=2100-01-02T03:04:05Z", 501, {5, 5, 4}, 0, 0},
        {"FROM:<a@x.example> ", 501, {5, 5, 2}, 0, 0},
        {"FROM:<a@x.example>SIZE=1", 501, {5, 5, 2}, 0, 0},
        {"FROM:<a@x.example", 501, {5, 5, 2}, 0, 0},
        {"FROM:a@x.example", 501, {5, 5, 2}, 0, 0},
        {"FROM:<postmaster>", 501, {5, 5, 2}, 0, 0},
        {"FROM:<a..b@x.example>", 501, {5, 5, 2}, 0, 0},
        {"TO:<a@x.example>", 501, {5, 5, 2}, 0, 0},
        {"", 501, {5, 5, 2}, 0, 0},
    };
    check_mail_rows(&lenient, rows, ARRAY_LEN(rows));
}

Test(command, mail_where_less_is_offered_and_tolerated)
{
    static const struct mail_row rows[] = {
        {"FROM: <a@x.example>", 501, {5, 5, 2}, 0, 0},
        {"FROM:<" LOCAL_100 "@x.example>", 501, {5, 5, 2}, 0, 0},
        {"FROM:<a@x.example> REQUIRETLS", 555, {5, 3, 3}, 0, 0},
        {"FROM:<a@x.example> HOLDFOR=60", 555, {5, 3, 3}, 0, 0},
        {"FROM:<a@x.example> SIZE=209715200", 0, {0}, "a", "x.example"},
    };
    check_mail_rows(&strict, rows, ARRAY_LEN(rows));
}

Test(command, requiretls_needs_tls)
{
    struct smtp_rules rules = lenient;
    rules.tls = false;
    static const struct mail_row rows[] = {
        {"FROM:<a@x.example> REQUIRETLS", 523, {5, 7, 10}, 0, 0},
    };
    check_mail_rows(&rules, rows, 1);
}

Test(command, a_hold_is_kept_as_it_was_asked_for)
{
    struct arena arena;
    arena_init(&arena, 1 << 16);
    struct smtp_mail mail;
    struct smtp_reply refusal;
    cr_assert(smtp_mail_parse(STR("FROM:<> HOLDFOR=60"), &lenient, &arena, &mail, &refusal));
    cr_assert_eq(mail.hold_for_s, 60);
    cr_assert(str_eq(mail.future_release, STR("for;60")));
    cr_assert(smtp_mail_parse(STR("FROM:<> HOLDUNTIL=2030-01-01T00:00:10Z SIZE=5"), &lenient,
                              &arena, &mail, &refusal));
    cr_assert_eq(mail.hold_until_ms, 1893456010000);
    cr_assert(str_eq(mail.future_release, STR("until;2030-01-01T00:00:10Z")));
    cr_assert_eq(mail.size, 5);
    arena_release(&arena);
}

Test(command, rcpt)
{
    static const struct mail_row rows[] = {
        {"TO:<a@x.example>", 0, {0}, "a", "x.example"},
        {"TO:<Postmaster>", 0, {0}, "postmaster", ""},
        {"TO:<a@x.example> NOTIFY=NEVER", 555, {5, 3, 3}, 0, 0},
        {"TO:<a@x.example> ", 501, {5, 5, 2}, 0, 0},
        {"TO:<>", 501, {5, 5, 2}, 0, 0},
        {"TO:<\xc3\xbc@x.example>", 553, {5, 6, 7}, 0, 0},
        {"TO:<" LOCAL_100 LOCAL_100 LOCAL_100 "@x.example>", 501, {5, 5, 2}, 0, 0},
    };
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct smtp_path path;
        struct smtp_reply refusal = {0};
        bool ok =
            smtp_rcpt_parse(str_from_cstr(rows[i].in), &lenient, false, &arena, &path, &refusal);
        cr_assert_eq(refusal.code, rows[i].code, "%s: %u", rows[i].in, refusal.code);
        if (ok)
            cr_assert(str_eq(path.address.domain, str_from_cstr(rows[i].domain)), "%s", rows[i].in);
    }
    arena_release(&arena);
}

Test(command, auth)
{
    static const struct {
        const char *in;
        bool lenient;
        const char *mechanism; /* NULL: refused */
        const char *initial;
    } rows[] = {
        {"PLAIN", false, "PLAIN", NULL},
        {"SCRAM-SHA-256-PLUS abc=", false, "SCRAM-SHA-256-PLUS", "abc="},
        {"PLAIN =", false, "PLAIN", "="},
        {"PLAIN  abc", true, "PLAIN", "abc"},
        {"PLAIN  abc", false, NULL, NULL},
        {"PLAIN ", false, NULL, NULL},
        {"plain abc", false, NULL, NULL},
        {"PLAIN abc def", true, NULL, NULL},
        {"A-MECHANISM-NAME-OF-22", false, NULL, NULL},
        {"", false, NULL, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str mechanism, initial;
        struct smtp_reply refusal;
        bool ok = smtp_auth_parse(str_from_cstr(rows[i].in), rows[i].lenient, &mechanism, &initial,
                                  &refusal);
        cr_assert_eq(ok, rows[i].mechanism != NULL, "%s", rows[i].in);
        if (!ok)
            continue;
        cr_assert(str_eq(mechanism, str_from_cstr(rows[i].mechanism)), "%s", rows[i].in);
        cr_assert_eq(str_is_null(initial), rows[i].initial == NULL, "%s", rows[i].in);
        if (rows[i].initial)
            cr_assert(str_eq(initial, str_from_cstr(rows[i].initial)), "%s", rows[i].in);
    }
}
