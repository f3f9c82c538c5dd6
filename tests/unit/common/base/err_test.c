#include "common/base/err.h"

#include <criterion/criterion.h>
#include <errno.h>

Test(err, context_is_put_in_front_and_the_reply_stays)
{
    struct err err;
    cr_assert_not(err_set(&err, ERR_LIMIT, "quota of %d bytes", 100));
    err_reply(&err, "mailbox is full");
    cr_assert_not(err_wrap(&err, "append to %s", "Inbox"));
    cr_assert_not(err_wrap(&err, "deliver"));
    cr_assert_eq(err.kind, ERR_LIMIT);
    cr_assert_str_eq(err.detail, "deliver: append to Inbox: quota of 100 bytes");
    cr_assert_str_eq(err.reply, "mailbox is full");
}

Test(err, long_texts_are_cut)
{
    struct err err;
    char text[1000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    err_set(&err, ERR_INTERNAL, "%s", text);
    err_wrap(&err, "%s", text);
    err_reply(&err, "%s", text);
    cr_assert_eq(strlen(err.detail), sizeof(err.detail) - 1);
    cr_assert_eq(strlen(err.reply), sizeof(err.reply) - 1);
}

Test(err, system_errors_have_the_kind_that_says_what_to_do)
{
    static const struct {
        int errnum;
        enum err_kind kind;
    } rows[] = {
        {ENOSPC, ERR_NO_SPACE}, {EDQUOT, ERR_NO_SPACE},          {ENOENT, ERR_NOT_FOUND},
        {EACCES, ERR_DENIED},   {ECONNREFUSED, ERR_UNAVAILABLE}, {EEXIST, ERR_CONFLICT},
        {EIO, ERR_INTERNAL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err;
        err_set_errno(&err, rows[i].errnum, "open %s", "/x");
        cr_assert_eq(err.kind, rows[i].kind, "%s", strerror(rows[i].errnum));
        cr_assert(strstr(err.detail, strerror(rows[i].errnum)), "%s", err.detail);
    }
}
