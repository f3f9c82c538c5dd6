#include "common/base/buf.h"
#include "common/mail/header.h"

#include <criterion/criterion.h>

static struct arena arena;

static void setup(void)
{
    arena_init(&arena, 1 << 20);
}

static void teardown(void)
{
    arena_release(&arena);
}

TestSuite(header, .init = setup, .fini = teardown);

/* "Name=value|Name=value|" with values unfolded. */
static struct str walk_all(struct str text, struct header_walk *ret_walk)
{
    struct buf out;
    buf_init(&out, 4096);
    struct header_walk walk = header_walk_init(text);
    struct header_field field;
    while (header_next(&walk, &field)) {
        struct str value = header_unfold(field.raw_value, &arena);
        buf_printf(&out, "%.*s=%.*s|", STR_ARG(field.name), STR_ARG(value));
        cr_assert(field.offset + field.size <= walk.at);
    }
    *ret_walk = walk;
    struct str copy = arena_copy(&arena, buf_str(&out));
    buf_release(&out);
    return copy;
}

Test(header, sections_end_at_the_empty_line_and_survive_bad_lines)
{
    static const struct {
        const char *name;
        const char *in;
        const char *fields;
        size_t body_offset;
        bool has_end;
        bool malformed;
    } rows[] = {
        {"simple", "A: b\r\nC:d\r\n\r\nbody", "A=b|C=d|", 13, true, false},
        {"spec 3.2: empty section", "\r\nx", "", 2, true, false},
        {"spec 3.2: header only", "a: b\r\n", "a=b|", 6, false, false},
        {"spec 3.2: unterminated line", "a: b", "a=b|", 4, false, true},
        {"empty", "", "", 0, false, false},
        {"folded", "A: b\r\n c\r\n\t d\r\n\r\n", "A=b c d|", 17, true, false},
        {"fold of blanks only", "A: b\r\n  \r\n c\r\n\r\n", "A=b c|", 16, true, false},
        {"empty value", "A:\r\n\r\n", "A=|", 6, true, false},
        {"blank before colon", "A : b\r\n\r\n", "A=b|", 9, true, false},
        {"bare LF", "A: b\nC: d\n\nbody", "A=b|C=d|", 11, true, false},
        {"no colon", "A: b\r\nnonsense\r\nC: d\r\n\r\n", "A=b|C=d|", 24, true, true},
        {"starts with a blank", " x\r\nC: d\r\n\r\n", "C=d|", 12, true, true},
        {"no name", ": x\r\nC: d\r\n\r\n", "C=d|", 13, true, true},
        {"name with blank inside", "a b: x\r\nC: d\r\n\r\n", "C=d|", 16, true, true},
        {"mbox separator", "From a@b Mon\r\nC: d\r\n\r\n", "C=d|", 22, true, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct header_walk walk;
        struct str fields = walk_all(str_from_cstr(rows[i].in), &walk);
        cr_assert(str_eq(fields, str_from_cstr(rows[i].fields)), "%s: %.*s", rows[i].name,
                  STR_ARG(fields));
        cr_assert_eq(walk.body_offset, rows[i].body_offset, "%s: %zu", rows[i].name,
                     walk.body_offset);
        cr_assert_eq(walk.has_end, rows[i].has_end, "%s", rows[i].name);
        cr_assert_eq(walk.malformed, rows[i].malformed, "%s", rows[i].name);
    }
}

Test(header, lookup_ignores_case)
{
    struct str header = STR("To: a\r\nsubject: first\r\nSUBJECT: second\r\n\r\nSubject: body");
    struct header_field field;
    cr_assert(header_find(header, STR("Subject"), &field));
    cr_assert(str_eq(header_unfold(field.raw_value, &arena), STR("first")));
    cr_assert_eq(field.offset, 7);
    cr_assert_eq(field.size, 16);
    cr_assert_eq(header_count(header, STR("subject")), 2);
    cr_assert_not(header_find(header, STR("Cc"), &field));
    cr_assert_eq(header_size(header), header.len - 13);
}

Test(header, eight_bit_bytes_are_noticed_in_the_section_only)
{
    struct header_walk walk;
    walk_all(STR("A: \xc3\xbc\r\n\r\n"), &walk);
    cr_assert(walk.has_8bit);
    walk_all(STR("A: u\r\n\r\n\xc3\xbc"), &walk);
    cr_assert_not(walk.has_8bit);
}
