#include "common/mail/content.h"
#include "common/mail/html_text.h"
#include "common/mail/preview.h"
#include "common/mail/structure.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct arena arena;

static void setup(void)
{
    arena_init(&arena, STRUCTURE_ARENA_SIZE);
}

static void teardown(void)
{
    arena_release(&arena);
}

TestSuite(structure, .init = setup, .fini = teardown);

static const char nested[] =
    "Content-Type: multipart/mixed; boundary=x\r\n\r\n"
    "--x\r\n\r\none\r\n"
    "--x\r\nContent-Type: message/rfc822\r\n\r\n"
    "Content-Type: multipart/mixed; boundary=y\r\n\r\n"
    "--y\r\nContent-Type: text/html\r\n\r\ntwo\r\n--y--\r\n"
    "--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: s\r\n\r\nthree\r\n"
    "--x--\r\n";

Test(structure, sections_are_found_by_number_rfc_9051_6_4_5)
{
    static const struct {
        const char *message;
        uint32_t path[4];
        size_t len;
        const char *want; /* start of the body; NULL: no such part */
    } rows[] = {
        {nested, {0}, 0, "--x\r\n\r\none"},
        {nested, {1}, 1, "one"},
        {nested, {1, 1}, 2, NULL},
        {nested, {2}, 1, "Content-Type: multipart/mixed; boundary=y"},
        {nested, {2, 1}, 2, "two"},
        {nested, {2, 2}, 2, NULL},
        {nested, {3}, 1, "Subject: s"},
        {nested, {3, 1}, 2, "three"},
        {nested, {3, 1, 1}, 3, NULL},
        {nested, {4}, 1, NULL},
        {nested, {0}, 1, NULL},
        {"A: b\r\n\r\ntext", {1}, 1, "text"},
        {"A: b\r\n\r\ntext", {2}, 1, NULL},
        {"A: b\r\n\r\ntext", {1, 1}, 2, NULL},
        {"Content-Type: message/rfc822\r\n\r\nA: b\r\n\r\ntext", {1}, 1, "A: b"},
        {"Content-Type: message/rfc822\r\n\r\nA: b\r\n\r\ntext", {1, 1}, 2, "text"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str message = str_from_cstr(rows[i].message);
        const struct structure *s = structure_parse(message, &arena);
        const struct part *p = structure_find(s, rows[i].path, rows[i].len);
        cr_assert_eq(p != NULL, rows[i].want != NULL, "row %zu", i);
        if (p)
            cr_assert(str_starts_with(str_skip(message, (size_t)p->body_offset),
                                      str_from_cstr(rows[i].want)),
                      "row %zu", i);
    }
}

Test(structure, a_prefix_counts_for_the_envelope_and_not_for_offsets)
{
    struct str message = STR("From: a@example.org\r\n\r\ntext");
    const struct structure *s = structure_parse_prefixed(
        STR("Message-ID: <X@example.org>\r\nDate: Thu, 1 Jan 1970 00:00:01 +0000\r\n"), message,
        &arena);
    cr_assert_eq(s->root->body_offset, 23);
    cr_assert(str_eq(s->message_id_canonical, STR("x@example.org")));
    cr_assert(s->envelope->has_date && s->envelope->date.time_s == 1);
    cr_assert(s->envelope->from != NULL);
}

/* `count` times `piece`, after `begin`. */
static struct str repeat(const char *begin, const char *piece, size_t count)
{
    size_t head = strlen(begin), len = strlen(piece);
    char *text = malloc(head + len * count);
    memcpy(text, begin, head);
    for (size_t i = 0; i < count; i++)
        memcpy(text + head + i * len, piece, len);
    return str_make(text, head + len * count);
}

static size_t count_parts(const struct structure *s, size_t *ret_depth)
{
    size_t count = 0;
    *ret_depth = 0;
    for (const struct part *p = s->root; p; p = part_next(p)) {
        size_t depth = 0;
        for (const struct part *up = p; up; up = up->parent)
            depth++;
        *ret_depth = depth > *ret_depth ? depth : *ret_depth;
        count++;
    }
    return count;
}

Test(structure, limits_make_the_rest_opaque)
{
    static const struct {
        const char *name;
        const char *begin;
        const char *piece;
        size_t count;
        size_t parts;
        size_t depth;
    } rows[] = {
        {"100,000 nested multiparts", "",
         "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n", 100000, 10000, 100},
        {"100,000 nested messages", "", "Content-Type: message/rfc822\r\n\r\n", 100000, 100, 100},
        {"100,000 parts", "Content-Type: multipart/mixed; boundary=x\r\n\r\n", "--x\r\n\r\na\r\n",
         100000, 10000, 2},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str message = repeat(rows[i].begin, rows[i].piece, rows[i].count);
        const struct structure *s = structure_parse(message, &arena);
        size_t depth, parts = count_parts(s, &depth);
        cr_assert_eq(parts, rows[i].parts, "%s: %zu parts", rows[i].name, parts);
        cr_assert_eq(depth, rows[i].depth, "%s: depth %zu", rows[i].name, depth);
        cr_assert_eq(s->root->end_offset, message.len);
        cr_assert(structure_is_damaged(s));
        free((void *)(uintptr_t)message.ptr);
        arena_reset(&arena);
    }
}

/* RFC 5322 knows no limit; what is stored of such a message has one. */
Test(structure, of_very_many_addresses_the_first_are_kept)
{
    struct str message = repeat("To: ", "a.name@addressee.example.org,\r\n ", 50000);
    const struct structure *s = structure_parse_prefixed(
        STR("Message-ID: <X@example.org>\r\nCc: b@example.org\r\n"), message, &arena);
    size_t count = 0;
    for (const struct address_entry *a = s->envelope->to; a; a = a->next)
        count++;
    cr_expect_eq(count, ENVELOPE_ADDRESSES_MAX, "%zu", count);
    cr_expect(s->envelope->cc && !str_is_null(s->message_id_canonical));
    free((void *)(uintptr_t)message.ptr);
}

Test(structure, a_small_arena_makes_the_rest_opaque_and_stays_usable)
{
    struct str message =
        repeat("Content-Type: multipart/mixed; boundary=x\r\n\r\n", "--x\r\n\r\na\r\n", 10000);
    struct arena small;
    arena_init(&small, 200 * 1024);
    const struct structure *s = structure_parse(message, &small);
    size_t depth;
    cr_assert(s);
    cr_assert(count_parts(s, &depth) > 10);
    cr_assert(structure_is_damaged(s));
    cr_assert(arena_alloc(&small, 1024) != NULL);
    arena_release(&small);
    arena_init(&small, 1024);
    cr_assert(structure_parse(message, &small) == NULL);
    arena_release(&small);
    free((void *)(uintptr_t)message.ptr);
}

Test(structure, decoding_refuses_what_breaks_the_promises)
{
    const struct structure *s = structure_parse(str_from_cstr(nested), &arena), *back;
    struct buf bytes;
    struct err err;
    buf_init(&bytes, 1 << 20);
    struct part *text = (struct part *)(uintptr_t)s->root->first;
    text->end_offset = 100000; /* past its parent */
    cr_assert(structure_encode(s, &arena, &bytes, &err));
    cr_assert_not(structure_decode(buf_str(&bytes), &arena, &back, &err));
    cr_assert_eq(err.kind, ERR_CORRUPT);
    cr_assert_not(structure_decode(STR("nonsense"), &arena, &back, &err));
    struct buf deep; /* 1000 parts in each other: from the inside, each in a field 18 */
    buf_init(&deep, 1 << 20);
    for (int i = 0; i < 1000; i++) {
        size_t len = deep.len;
        char head[4] = {(char)0x92, 0x01, (char)(0x80 | (len & 0x7f)), (char)(len >> 7)};
        struct str inner = arena_copy(&arena, buf_str(&deep));
        buf_reset(&deep);
        buf_append(&deep, str_make(head, 4));
        buf_append(&deep, inner);
    }
    buf_reset(&bytes);
    buf_printf(&bytes, "\x1a%c%c", (char)(0x80 | (deep.len & 0x7f)), (char)(deep.len >> 7));
    buf_append(&bytes, buf_str(&deep));
    cr_assert_not(structure_decode(buf_str(&bytes), &arena, &back, &err));
    cr_assert_eq(err.kind, ERR_CORRUPT);
    buf_release(&deep);
    cr_assert_not(structure_decode(STR(""), &arena, &back, &err));
    buf_release(&bytes);
}

Test(structure, encoding_into_a_small_buffer_is_a_limit)
{
    const struct structure *s = structure_parse(str_from_cstr(nested), &arena);
    struct buf bytes;
    struct err err;
    buf_init(&bytes, 10);
    cr_assert_not(structure_encode(s, &arena, &bytes, &err));
    cr_assert_eq(err.kind, ERR_LIMIT);
    buf_release(&bytes);
}

Test(structure, previews_of_text_spec_3_10)
{
    static const struct {
        const char *in;
        const char *want;
    } rows[] = {
        {"> a\nreply\n-- \nsig", "[...]\nreply\n"},
        {"", ""},
        {"  one  \n\n\ntwo\n", "one\ntwo\n"},
        {"On 1 May Jane wrote:\n> x\nyes\n", "[...]\nyes\n"},
        {"On 1 May\nJane Doe wrote:\n\n> x\nyes\n", "[...]\nyes\n"},
        {"hi\nfirst point:\nsecond\n", "hi\nfirst point:\nsecond\n"},
        {"a\n[...]\n> b\n…\nc\n", "a\n[...]\n…\nc\n"},
        {"a\n---\nb\n\nc\n", "a\n---\nb\nc\n"},
        {"a\n--\n1\n2\n3\n4\n5\n", "a\n--\n1\n2\n3\n4\n5\n"},
        {"a\n--\n1\n2\n3\n4\n", "a\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str got = preview_of_text(str_from_cstr(rows[i].in), &arena);
        cr_assert(str_eq(got, str_from_cstr(rows[i].want)), "%s: %.*s", rows[i].in, STR_ARG(got));
    }
    struct str lines = repeat("", "0123456789 0123456789\n", 30);
    struct str got = preview_of_text(lines, &arena);
    cr_assert(got.len >= 250 && got.len <= 256, "%zu", got.len);
    free((void *)(uintptr_t)lines.ptr);
}

Test(structure, text_of_html)
{
    static const struct {
        const char *in;
        const char *want;
    } rows[] = {
        {"<div>a</div><script>x</script><div>b</div>", "a\nb\n"},
        {"a<br>b", "a\nb\n"},
        {"a  <b>b</b>\r\n c", "a b c\n"},
        {"&lt;a&gt; &amp;&nbsp;&#233;&#xe9;&bogus; &", "<a> & éé&bogus; &\n"},
        {"<blockquote>q<blockquote>r</blockquote></blockquote>s", "> q\n> > r\ns\n"},
        {"<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc\n"},
        {"<head><title>t</title><style>s</style></head>x", "x\n"},
        {"<head><title>t<body>x", "x\n"},
        {"a<!-- <b> -->b<!doctype html>c", "abc\n"},
        {"<a href=\"x>y\" title='>'>z</a>", "z\n"},
        {"a &#8203;&zwnj;&#847; b", "a b\n"},
        {"1 < 2", "1 < 2\n"},
        {"<div", ""},
        {"", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str got = html_to_text(str_from_cstr(rows[i].in), &arena);
        cr_assert(str_eq(got, str_from_cstr(rows[i].want)), "%s: %.*s", rows[i].in, STR_ARG(got));
    }
}

Test(structure, content_of_text_has_crlf_and_its_announced_size)
{
    static const struct {
        const char *encoding;
        const char *in;
        bool text;
        const char *want;
        bool damaged;
    } rows[] = {
        {"7BIT", "a\nb\r\nc", true, "a\r\nb\r\nc", false},
        {"", "a\nb", false, "a\nb", false},
        {"base64", "YQpiDQpj\r\n", true, "a\r\nb\r\nc", false},
        {"BASE64", "YQpi", false, "a\nb", false},
        {"base64", "YQ!pi", false, "a\nb", true},
        {"Quoted-Printable", "a=0Ab=\r\nc \r\n", true, "a\r\nbc\r\n", false},
        {"quoted-printable", "a=0D\nb", true, "a\r\nb", false},
        {"quoted-printable", "a=XX", true, "a=XX", true},
        {"x-unknown", "=41", true, "=41", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str in = str_from_cstr(rows[i].in);
        for (size_t split = 0; split <= in.len; split++) {
            struct content_decoder d;
            struct buf out;
            bool damaged;
            buf_init(&out, 1024);
            bool known = content_decoder_init(&d, str_from_cstr(rows[i].encoding), rows[i].text);
            cr_assert_eq(known, i != 8);
            cr_assert(content_decode(&d, str_slice(in, 0, split), &out));
            cr_assert(content_decode(&d, str_skip(in, split), &out));
            cr_assert(content_decode_end(&d, &out));
            cr_assert(str_eq(buf_str(&out), str_from_cstr(rows[i].want)), "row %zu split %zu: %.*s",
                      i, split, STR_ARG(buf_str(&out)));
            cr_assert_eq(content_is_damaged(&d), rows[i].damaged, "row %zu split %zu", i, split);
            cr_assert_eq(
                content_decoded_size(in, str_from_cstr(rows[i].encoding), rows[i].text, &damaged),
                out.len, "row %zu", i);
            cr_assert_eq(damaged, rows[i].damaged, "row %zu", i);
            buf_release(&out);
        }
    }
}

Test(structure, pieces_are_picked_whole_and_damage_is_left_to_who_decodes)
{
    struct err err;
    const struct structure *whole, *part;
    const char *message = "Subject: s\r\nFrom: a@b\r\nMessage-ID: <1@x>\r\n\r\ntext";
    struct buf encoded;
    buf_init(&encoded, 1 << 16);
    const struct structure *parsed = structure_parse(str_from_cstr(message), &arena);
    cr_assert(structure_encode(parsed, &arena, &encoded, &err), "%s", err.detail);
    struct str bytes = buf_str(&encoded), picked;
    cr_assert(structure_decode(bytes, &arena, &whole, &err), "%s", err.detail);

    picked = structure_pick(bytes, STRUCTURE_ENVELOPE, &arena);
    cr_expect_lt(picked.len, bytes.len);
    cr_assert(structure_decode_pieces(picked, STRUCTURE_ENVELOPE, &arena, &part, &err), "%s",
              err.detail);
    cr_expect(str_eq(part->envelope->subject, whole->envelope->subject));
    cr_expect(str_eq(structure_pick(bytes, STRUCTURE_ALL, &arena), bytes));

    /* What cannot be gone through is given as it is, and found to be damaged. */
    struct str cut = str_slice(bytes, 0, bytes.len - 1);
    picked = structure_pick(cut, STRUCTURE_ENVELOPE, &arena);
    cr_expect(str_eq(picked, cut));
    cr_expect_not(structure_decode_pieces(picked, STRUCTURE_ENVELOPE, &arena, &part, &err));
    buf_release(&encoded);
}
