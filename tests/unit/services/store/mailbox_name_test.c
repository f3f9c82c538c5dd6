#include "services/store/mailbox_name.h"

#include <criterion/criterion.h>

Test(mailbox_name, rules)
{
    static const struct {
        const char *in, *out; /* NULL: refused */
    } rows[] = {
        {"Inbox", "Inbox"},
        {"INBOX/a", "Inbox/a"},
        {"inbox/a/c", "Inbox/a/c"},
        {"Inboxes", "Inboxes"},
        {"a/INBOX", "a/INBOX"},
        {"test#", "test#"},
        {"...", "..."},
        {"a b%*&", "a b%*&"},
        {"\xc3\xa9", "\xc3\xa9"},
        {"", NULL},
        {"/x", NULL},
        {"x/", NULL},
        {"a//b", NULL},
        {"Inbox/", NULL},
        {".", NULL},
        {"a/../b", NULL},
        {"#x", NULL},
        {"e\xcc\x81", NULL},
        {"a\x01", NULL},
        {"a\x7f", NULL},
        {"a\xc2\x85", NULL},
        {"a\xe2\x80\xa8", NULL},
        {"\xff", NULL},
        {"a\xc3", NULL},
        {"\xed\xa0\x80", NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena arena;
        struct str name;
        struct err err;
        arena_init(&arena, 1 << 16);
        bool ok = mailbox_name_check(str_from_cstr(rows[i].in), &arena, &name, &err);
        cr_expect(ok == (rows[i].out != NULL), "\"%s\" was %s", rows[i].in,
                  ok ? "accepted" : "refused");
        if (ok && rows[i].out)
            cr_expect(str_eq(name, str_from_cstr(rows[i].out)), "\"%s\" gave \"%.*s\"", rows[i].in,
                      STR_ARG(name));
        if (!ok)
            cr_expect(err.kind == ERR_SYNTAX && err.reply[0], "\"%s\": no reply", rows[i].in);
        arena_release(&arena);
    }
}

Test(mailbox_name, parents)
{
    cr_expect(str_eq(mailbox_name_parent(STR("a/b/c")), STR("a/b")));
    cr_expect(str_is_null(mailbox_name_parent(STR("a"))));
}
