#include "services/mailrail/level_name.h"

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

TestSuite(level_name, .init = setup, .fini = teardown);

Test(level_name, what_is_escaped_comes_back)
{
    static const struct {
        struct str level, name;
    } rows[] = {
        {STR_INIT(".hidden"), STR_INIT(".&AC4-hidden")},
        {STR_INIT("..."), STR_INIT(".&AC4-&AC4-&AC4-")},
        {STR_INIT("cur"), STR_INIT(".cur")},
        {STR_INIT(".\xc3\xa9.&"), STR_INIT(".&AC4-&AOk-&AC4-&-")},
        {STR_INIT(".&AC4-"), STR_INIT(".&AC4-&-AC4-")},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str name = level_name_escape(rows[i].level, &arena);
        cr_expect(str_eq(name, rows[i].name), "%.*s", STR_ARG(name));
        struct str level = level_name_of_folder(name, &arena);
        cr_expect(str_eq(level, rows[i].level), "%.*s", STR_ARG(level));
    }
}

Test(level_name, a_folder_has_levels)
{
    cr_expect(str_eq(level_name_of_folder(STR(".Old.2019"), &arena), STR("Old/2019")));
    cr_expect(str_eq(level_name_of_folder(STR(".a&b.c"), &arena), STR("a&b/c")));
}
