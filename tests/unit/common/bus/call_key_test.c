#include "common/bus/call_key.h"

#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

Test(call_key, a_later_key_is_behind_an_earlier_one)
{
    unsigned char earlier[CALL_KEY_SIZE], later[CALL_KEY_SIZE];
    for (unsigned i = 0; i < 20; i++) {
        call_key_make(earlier);
        usleep(2000);
        call_key_make(later);
        cr_assert_lt(memcmp(earlier, later, CALL_KEY_SIZE), 0);
    }
}

Test(call_key, no_two_are_equal)
{
    static unsigned char keys[1000][CALL_KEY_SIZE];
    for (unsigned i = 0; i < 1000; i++)
        call_key_make(keys[i]);
    for (unsigned i = 0; i < 1000; i++)
        for (unsigned j = 0; j < i; j++)
            cr_assert_neq(memcmp(keys[i], keys[j], CALL_KEY_SIZE), 0);
}
