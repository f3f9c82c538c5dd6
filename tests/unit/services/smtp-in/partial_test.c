#include "services/smtp-in/partial.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const struct address sender = {STR_INIT("a"), STR_INIT("far.example")};
static const struct address other_sender = {STR_INIT("b"), STR_INIT("far.example")};
static const struct address recipient = {STR_INIT("user"), STR_INIT("ours.example")};
static const unsigned char key[CALL_KEY_SIZE] = "0123456789abcde";

Test(partial, finds_the_key_of_the_same_message_of_the_same_sender)
{
    struct partial *p = partial_new();
    unsigned char found[CALL_KEY_SIZE];
    cr_assert(partial_is_empty(p));
    cr_assert(!partial_find_key(p, sender, STR("text"), found));
    partial_remember_key(p, sender, STR("text"), key);
    cr_assert(!partial_is_empty(p));
    cr_assert(partial_find_key(p, sender, STR("text"), found));
    cr_assert_arr_eq(found, key, CALL_KEY_SIZE);
    cr_assert(!partial_find_key(p, sender, STR("other text"), found));
    cr_assert(!partial_find_key(p, other_sender, STR("text"), found));
    partial_forget_key(p, key);
    cr_assert(!partial_find_key(p, sender, STR("text"), found));
    cr_assert(partial_is_empty(p));
    partial_free(p);
}

Test(partial, a_deferral_is_taken_once)
{
    struct partial *p = partial_new();
    cr_assert(!partial_take_deferral(p, sender, recipient));
    partial_defer(p, sender, recipient);
    cr_assert(!partial_take_deferral(p, other_sender, recipient));
    cr_assert(partial_take_deferral(p, sender, recipient));
    cr_assert(!partial_take_deferral(p, sender, recipient));
    cr_assert(partial_is_empty(p));
    partial_free(p);
}

Test(partial, keeps_a_fixed_number)
{
    struct partial *p = partial_new();
    unsigned char found[CALL_KEY_SIZE];
    char text[32];
    for (int i = 0; i < 3000; i++) {
        snprintf(text, sizeof(text), "message %d", i);
        partial_remember_key(p, sender, str_from_cstr(text), key);
    }
    cr_assert(partial_find_key(p, sender, str_from_cstr(text), found));
    cr_assert(!partial_find_key(p, sender, STR("message 0"), found));
    partial_free(p);
}
