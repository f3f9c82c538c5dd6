#include "common/mail/compose.h"
#include "common/mail/encoded_word.h"
#include "common/mail/header.h"
#include "common/mail/structure.h"

#include <criterion/criterion.h>
#include <string.h>

static struct arena arena;
static struct buf out;

static void setup(void)
{
    arena_init(&arena, 1 << 20);
    buf_init(&out, 1 << 20);
}

static void teardown(void)
{
    arena_release(&arena);
    buf_release(&out);
}

TestSuite(compose, .init = setup, .fini = teardown);

static void check_lines(size_t max)
{
    struct str line, rest = buf_str(&out);
    cr_assert(str_ends_with(rest, STR("\r\n")));
    while (str_cut(rest, '\n', &line, &rest)) {
        cr_assert(line.len > 0 && line.ptr[line.len - 1] == '\r', "%.*s", STR_ARG(line));
        cr_assert(line.len - 1 <= max, "%zu: %.*s", line.len - 1, STR_ARG(line));
    }
}

static void check_output(const char *want, const char *name)
{
    cr_assert(str_eq(buf_str(&out), str_from_cstr(want)), "%s: got\n%.*s", name,
              STR_ARG(buf_str(&out)));
    buf_reset(&out);
}

Test(compose, unstructured_text_encodes_only_what_must_be)
{
    static const struct {
        const char *in;
        const char *want;
    } rows[] = {
        {"plain", "Subject: plain\r\n"},
        {"", "Subject:\r\n"},
        {"two  blanks", "Subject: two  blanks\r\n"},
        {"ein Wörtchen dazu", "Subject: ein =?utf-8?q?W=C3=B6rtchen?= dazu\r\n"},
        {"é è", "Subject: =?utf-8?q?=C3=A9_=C3=A8?=\r\n"},
        {"a =?b", "Subject: a =?utf-8?q?=3D=3Fb?=\r\n"},
        {"in\r\nBcc: x@example.org", "Subject: in  Bcc: x@example.org\r\n"},
        {"0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 012345 9",
         "Subject: 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789\r\n"
         "\t012345 9\r\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        compose_text_field(&out, "Subject", str_from_cstr(rows[i].in), false);
        check_output(rows[i].want, rows[i].in);
    }
    compose_text_field(&out, "Subject", STR("Größe"), true);
    check_output("Subject: Größe\r\n", "smtputf8");
}

Test(compose, unstructured_text_reads_back)
{
    static const char *rows[] = {
        "Ä Ö Ü ä ö ü ß Ä Ö Ü ä ö ü ß Ä Ö Ü ä ö ü ß Ä Ö Ü ä ö ü ß Ä Ö Ü ä ö ü ß Ä Ö Ü ä ö ü ß end",
        "日本語 と ascii words between 日本語 and a long tail of words that must be folded again "
        "語",
        "one very long word: "
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct header_field field;
        compose_text_field(&out, "Subject", str_from_cstr(rows[i]), false);
        check_lines(i == 2 ? 100 : 76);
        cr_assert(header_find(buf_str(&out), STR("subject"), &field));
        struct str value = header_unfold(field.raw_value, &arena);
        cr_assert(str_eq(encoded_word_decode(value, &arena), str_from_cstr(rows[i])), "%s: %.*s",
                  rows[i], STR_ARG(encoded_word_decode(value, &arena)));
        buf_reset(&out);
    }
}

Test(compose, address_lists)
{
    static const struct {
        const char *in;
        const char *want;
        bool smtputf8;
    } rows[] = {
        {"joe@example.org", "To: joe@example.org\r\n", false},
        {"Joe Doe <joe@example.org>", "To: Joe Doe <joe@example.org>\r\n", false},
        {"\"Doe, \\\"J\\\"\" <joe@example.org>", "To: \"Doe, \\\"J\\\"\" <joe@example.org>\r\n",
         false},
        {"Jörg <j@möx.example>", "To: =?utf-8?q?J=C3=B6rg?= <j@xn--mx-fka.example>\r\n", false},
        {"Jörg <j@möx.example>", "To: Jörg <j@möx.example>\r\n", true},
        {"G: a@example.org, B <b@example.org>;, c@example.org",
         "To: G: a@example.org, B <b@example.org>;, c@example.org\r\n", false},
        {"nobody:;", "To: nobody:;\r\n", false},
        {"aaaaaaaaaaaaaaaaaaaa@example.org, bbbbbbbbbbbbbbbbbbbb@example.org, "
         "cccccccccccccccccccc@example.org",
         "To: aaaaaaaaaaaaaaaaaaaa@example.org, bbbbbbbbbbbbbbbbbbbb@example.org,\r\n"
         "\tcccccccccccccccccccc@example.org\r\n",
         false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct address_entry *list;
        struct err err;
        cr_assert(address_list_parse(str_from_cstr(rows[i].in), 10, &arena, &list, &err), "%s",
                  err.detail);
        compose_address_field(&out, "To", list, rows[i].smtputf8);
        check_output(rows[i].want, rows[i].in);
    }
}

Test(compose, received_always_has_its_semicolon)
{
    struct address to = {STR("jane"), STR("xn--mx-fka.example")};
    struct received r = {
        .hello = STR("client.example"),
        .reverse_name = STR("host.example"),
        .remote_ip = STR("2001:db8::1"),
        .by_host = STR("mx.example.org"),
        .local_ip = STR("192.0.2.1"),
        .protocol = STR("ESMTPS"),
        .requiretls = true,
        .id = STR("abc"),
        .tls = STR("TLS1.3 TLS_AES_128_GCM_SHA256"),
        .recipient = &to,
        .date = {.time_s = 0},
    };
    compose_received(&out, &r);
    check_lines(76);
    check_output("Received: from client.example (host.example [IPv6:2001:db8::1])\r\n"
                 "\tby mx.example.org ([192.0.2.1]) via tcp with ESMTPS (requiretls) id abc\r\n"
                 "\t(TLS1.3 TLS_AES_128_GCM_SHA256) for <jane@xn--mx-fka.example>;\r\n"
                 "\tThu, 1 Jan 1970 00:00:00 +0000\r\n",
                 "all");
    r.recipient = NULL;
    r.requiretls = false;
    r.reverse_name = STR("Client.Example");
    r.tls = STR("");
    compose_received(&out, &r);
    check_output("Received: from client.example ([IPv6:2001:db8::1]) by mx.example.org\r\n"
                 "\t([192.0.2.1]) via tcp with ESMTPS id abc; Thu, 1 Jan 1970 00:00:00 +0000\r\n",
                 "no recipient");
    r.recipient = &to;
    r.smtputf8 = true;
    compose_received(&out, &r);
    cr_assert(str_find(buf_str(&out), STR("for <jane@möx.example>;")) > 0);
}

Test(compose, received_protocols)
{
    cr_assert(str_eq(compose_received_protocol(false, false, false, false), STR("SMTP")));
    cr_assert(str_eq(compose_received_protocol(true, false, true, false), STR("ESMTPS")));
    cr_assert(str_eq(compose_received_protocol(true, false, true, true), STR("ESMTPSA")));
    cr_assert(str_eq(compose_received_protocol(true, true, true, true), STR("UTF8SMTPSA")));
}

Test(compose, trace_and_identifiers)
{
    static const unsigned char random[16] = {0xff, 1, 2,  3,  4,  5,  6,  7,
                                             8,    9, 10, 11, 12, 13, 14, 15};
    struct address a = {STR("jane doe"), STR("example.org")};
    compose_return_path(&out, &a, false);
    check_output("Return-Path: <\"jane doe\"@example.org>\r\n", "address");
    compose_return_path(&out, NULL, false);
    check_output("Return-Path: <>\r\n", "null");
    compose_message_id(&out, random, STR("example.org"));
    check_output("<_wECAwQFBgcICQoLDA0ODw@example.org>", "message id");
    compose_boundary(&out, random);
    check_output("=__wECAwQFBgcICQoLDA0ODw", "boundary");
    compose_ids_field(&out, "References", STR("<a@x>\r\n <b@x>"));
    check_output("References: <a@x> <b@x>\r\n", "references");
    compose_date_field(&out, "Date", (struct date){.time_s = 0, .zone_minutes = -90});
    check_output("Date: Wed, 31 Dec 1969 22:30:00 -0130\r\n", "date");
}

Test(compose, parameters_read_back)
{
    static const char *rows[] = {"token", "two words", "q\"\\uote", "Größe €.txt", "", "(comment)"};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        buf_reset(&out);
        struct compose_field f = compose_field_begin(&out, "Content-Type");
        compose_field_word(&f, STR("text/plain;"));
        compose_field_parameter(&f, "name", str_from_cstr(rows[i]), false);
        compose_field_parameter(&f, "charset", STR("utf-8"), true);
        compose_field_end(&f);
        const struct structure *s = structure_parse(buf_str(&out), &arena);
        cr_assert_not(s->root->damaged, "%.*s", STR_ARG(buf_str(&out)));
        struct str name = parameter_find(s->root->params, STR("name"));
        cr_assert(str_eq(name, str_from_cstr(rows[i])), "%s: %.*s", rows[i], STR_ARG(name));
        cr_assert(str_eq(parameter_find(s->root->params, STR("charset")), STR("utf-8")));
    }
}

Test(compose, text_bodies_choose_their_encoding)
{
    char line[79];
    memset(line, 'x', sizeof(line));
    line[76] = '\n';
    compose_text_part(&out, STR("plain"), str_make(line, 77));
    cr_assert(str_find(buf_str(&out), STR("charset=us-ascii\r\n")) > 0);
    cr_assert(str_find(buf_str(&out), STR(": 7bit\r\n")) > 0, "spec 3.11: 76 bytes");
    buf_reset(&out);
    line[76] = 'x';
    line[77] = '\n';
    compose_text_part(&out, STR("plain"), str_make(line, 78));
    cr_assert(str_find(buf_str(&out), STR(": quoted-printable\r\n")) > 0, "spec 3.11: 77 bytes");
    check_lines(76);
    buf_reset(&out);
    compose_text_part(&out, STR("plain"), STR("é\nno end"));
    check_output("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
                 "\r\né\r\nno end\r\n",
                 "8bit");
    compose_text_part(&out, STR("plain"), STR("a\rb"));
    check_output("Content-Type: text/plain; charset=us-ascii\r\n"
                 "Content-Transfer-Encoding: quoted-printable\r\n\r\na=0Db\r\n",
                 "bare CR");
}

Test(compose, multiparts_parse_again)
{
    struct str boundary = STR("=_b");
    compose_text_field(&out, "Subject", STR("x"), false);
    compose_multipart_begin(&out, STR("report"), STR("; report-type=delivery-status"), boundary);
    compose_multipart_next(&out, boundary);
    compose_text_part(&out, STR("plain"), STR("one\n"));
    compose_multipart_next(&out, boundary);
    buf_append(&out, STR("Content-Type: image/png\r\n"));
    compose_base64_part(&out, STR("\x89PNG"));
    compose_multipart_end(&out, boundary);
    const struct structure *s = structure_parse(buf_str(&out), &arena);
    const struct part *one = s->root->first;
    cr_assert_not(structure_is_damaged(s));
    cr_assert(part_is_text(one, STR("PLAIN")));
    cr_assert_eq(one->decoded_size, 5);
    cr_assert(str_eq(one->next->subtype, STR("PNG")));
    cr_assert_eq(one->next->decoded_size, 4);
    cr_assert(one->next->next == NULL);
}
