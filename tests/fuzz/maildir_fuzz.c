/* Target functions: maildir_*. The first line is a file's name, the rest a keyword file. Property:
 * what the name says is written as a name that says the same. */
#include "common/base/bug.h"
#include "common/mail/maildir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str line, rest;
    struct arena arena;
    struct err err;
    struct buf out;
    struct maildir_keywords k = {.words = {STR_NULL}};
    struct mail_flags flags = {.bits = 0};
    arena_init(&arena, 1 << 20);
    buf_init(&out, 1 << 16);
    str_cut(str_make(data, size), '\n', &line, &rest);
    struct maildir_name name = maildir_parse_name(line), again;
    while (!str_is_null(rest)) {
        str_cut(rest, '\n', &line, &rest);
        (void)!maildir_keywords_line(&k, line, &arena, &err);
    }
    maildir_flags(&name, &k, &flags, &arena);
    BUG_ON(!maildir_write_name(&out, name.time_s, size, name.bits, name.letters));
    again = maildir_parse_name(buf_str(&out));
    BUG_ON(again.bits != name.bits || again.letters != name.letters);
    BUG_ON(!again.has_time || again.time_s != name.time_s);
    struct maildir_keywords fresh = {.words = {STR_NULL}};
    uint32_t letters = maildir_letters(&fresh, &flags, &arena);
    struct maildir_name written = {.bits = flags.bits & 31, .letters = letters};
    struct mail_flags back = {.bits = 0};
    maildir_flags(&written, &fresh, &back, &arena);
    BUG_ON(back.keyword_count != flags.keyword_count);
    BUG_ON((back.bits | MAIL_JUNK | MAIL_NOTJUNK) != (flags.bits | MAIL_JUNK | MAIL_NOTJUNK));
    arena_release(&arena);
    buf_release(&out);
    return 0;
}
