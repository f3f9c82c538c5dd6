#include "common/text/nearest.h"

#include <criterion/criterion.h>

Test(nearest, a_typo_finds_its_word)
{
    static const char *const known[] = {"hostname", "data", "run", "log_level", "log_levels"};
    static const struct {
        const char *in;
        const char *want; /* empty: nothing */
    } rows[] = {
        {"hostnmae", "hostname"},
        {"HOSTNAME", "hostname"},
        {"log-level", "log_level"},
        {"loglevels", "log_levels"},
        {"dat", "data"},
        {"rnu", "run"},
        {"xyzzy", ""},
        {"", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct nearest n = nearest_to(str_from_cstr(rows[i].in));
        for (size_t j = 0; j < ARRAY_LEN(known); j++)
            nearest_consider(&n, str_from_cstr(known[j]));
        cr_assert(str_eq(n.best, str_from_cstr(rows[i].want)), "%s: want \"%s\", have \"%.*s\"",
                  rows[i].in, rows[i].want, STR_ARG(n.best));
    }
}
