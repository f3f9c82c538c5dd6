#include "services/store/flags.h"

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
TestSuite(flags, .init = setup, .fini = teardown);

Test(flags, well_known_flags_are_bits_and_the_rest_keywords)
{
    struct str words[] = {STR("New"),    STR("new"), STR("$NOTJUNK"),
                          STR("\\seen"), STR("b"),   STR("A")};
    uint32_t flags;
    struct keywords keywords;
    struct err err;
    cr_assert(flags_parse(words, 6, &arena, &flags, &keywords, &err));
    cr_expect(flags == (FLAG_NOTJUNK | FLAG_SEEN));
    cr_assert(keywords.len == 3);
    cr_expect(str_eq(keywords.items[0], STR("new")));
    cr_expect(str_eq(keywords.items[2], STR("a")));
}

Test(flags, bad_keywords_are_refused)
{
    static const char *const bad[] = {"\\foo", "", "a b", "a(", "a]", "a\"", "\xc3\xa9", "a%"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct str word = str_from_cstr(bad[i]);
        uint32_t flags;
        struct keywords keywords;
        struct err err;
        cr_expect(!flags_parse(&word, 1, &arena, &flags, &keywords, &err), "%s", bad[i]);
    }
}

Test(flags, keywords_become_indexes_of_a_growing_list)
{
    struct str ab[] = {STR("a"), STR("b")}, ba[] = {STR("c"), STR("a")};
    struct str list = STR(""), one, two, both;
    struct err err;
    cr_assert(keywords_resolve((struct keywords){ab, 2}, false, &list, &arena, &one, &err));
    cr_assert(keywords_resolve((struct keywords){ba, 2}, false, &list, &arena, &two, &err));
    cr_expect(str_eq(list, STR("a b c")));
    cr_expect(keywords_count(two) == 2 && keywords_at(two, 0) == 0 && keywords_at(two, 1) == 2);
    cr_assert(keywords_union(one, two, &arena, &both, &err));
    cr_expect(keywords_count(both) == 3);
    struct str rest = keywords_without(both, one, &arena);
    struct keywords names = keywords_names(rest, list, &arena);
    cr_expect(names.len == 1 && str_eq(names.items[0], STR("c")));
    cr_expect(str_is_null(keywords_without(one, both, &arena)));
}

Test(flags, a_keyword_that_the_mailbox_lacks_is_not_found)
{
    struct str words[] = {STR("x"), STR("b")};
    struct str found = keywords_find((struct keywords){words, 2}, STR("a b"), &arena);
    cr_expect(keywords_count(found) == 1 && keywords_at(found, 0) == 1);
}

Test(flags, a_mailbox_has_a_limit_of_keywords)
{
    struct str list = STR(""), indexes;
    struct err err;
    for (int i = 0; i < KEYWORDS_PER_MAILBOX_MAX; i++) {
        struct str word = arena_printf(&arena, "k%d", i);
        arena.limit = SIZE_MAX;
        cr_expect(i < KEYWORDS_BY_OTHERS_MAX || !keywords_resolve((struct keywords){&word, 1}, true,
                                                                  &list, &arena, &indexes, &err));
        cr_assert(
            keywords_resolve((struct keywords){&word, 1}, false, &list, &arena, &indexes, &err));
    }
    struct str word = STR("more");
    cr_expect(!keywords_resolve((struct keywords){&word, 1}, false, &list, &arena, &indexes, &err));
    cr_expect(err.kind == ERR_LIMIT);
}
