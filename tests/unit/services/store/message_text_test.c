#include "common/sys/file.h"
#include "services/store/message_text.h"
#include "tests/unit/services/store/fixture.h"

#include <criterion/criterion.h>
#include <sys/stat.h>
#include <unistd.h>

static char bytes[MESSAGE_CONTENT_MAX + 1];

Test(message_text, there_is_one_of_two_with_the_announced_size)
{
    static const struct {
        const char *name;
        const char *spool_name;
        size_t content;
        uint64_t size;
        enum err_kind kind;
    } rows[] = {
        {"a file", "smtp-in/1-1", 0, 5, ERR_NONE},
        {"content", "", 5, 5, ERR_NONE},
        {"no bytes", "", 0, 0, ERR_NONE},
        {"as much as fits", "", MESSAGE_CONTENT_MAX, MESSAGE_CONTENT_MAX, ERR_NONE},
        {"too much", "", MESSAGE_CONTENT_MAX + 1, MESSAGE_CONTENT_MAX + 1, ERR_SYNTAX},
        {"less than announced", "", 4, 5, ERR_SYNTAX},
        {"nothing", "", 0, 5, ERR_SYNTAX},
        {"both", "smtp-in/1-1", 5, 5, ERR_SYNTAX},
        {"a name that leads out", "../directory.db", 0, 5, ERR_SYNTAX},
        {"a name without a service", "1-1", 0, 5, ERR_SYNTAX},
        {"a name of three parts", "smtp-in/1/1", 0, 5, ERR_SYNTAX},
        {"a hidden file", "smtp-in/.1", 0, 5, ERR_SYNTAX},
        {"another's file", "imap/1-1", 0, 5, ERR_DENIED},
        {"larger than any", "smtp-in/1-1", 0, MESSAGE_SIZE_MAX + 1, ERR_LIMIT},
    };
    static const char *const receivers[] = {"smtp-in", "queue-deliverer", NULL};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err = {.kind = ERR_NONE};
        struct message_text text = {.spool_name = str_from_cstr(rows[i].spool_name),
                                    .content = str_make(bytes, rows[i].content),
                                    .size = rows[i].size};
        bool ok = message_text_check(&text, receivers, &err);
        cr_expect_eq(ok, rows[i].kind == ERR_NONE, "%s: %s", rows[i].name, err.detail);
        cr_expect_eq(err.kind, rows[i].kind, "%s: %s", rows[i].name, err.detail);
    }
}

Test(message_text, content_becomes_a_file_once)
{
    struct fixture f;
    fixture_open(&f);
    struct layout_path path = account_message_path(f.account, 77);
    cr_assert(directory_make(layout_message_directory(f.settings.data, f.account->id, 77).text,
                             0770, &f.err));
    struct message_text text = {.content = STR("a\0b\r\n"), .size = 5};
    cr_assert(message_text_place(&text, f.settings.data, path.text, &f.err), "%s", f.err.detail);
    struct str read;
    cr_assert(file_read(path.text, 100, &f.arena, &read, &f.err));
    cr_expect(str_eq(read, text.content));
    cr_expect(!message_text_place(&text, f.settings.data, path.text, &f.err));
    cr_expect_eq(f.err.kind, ERR_CONFLICT, "%s", f.err.detail);
    cr_expect_eq(unlink(path.text), 0);
    fixture_close(&f);
}

/* Whoever can write to its spool directory may try to reach what only store can. */
Test(message_text, only_a_regular_file_is_taken)
{
    struct fixture f;
    fixture_open(&f);
    static const char *const names[] = {"symlink", "directory", "fifo", "shorter", "dangling"};
    struct delivery other = fixture_deliver(&f, "Inbox", TEXT);
    struct layout_path target = account_message_path(f.account, other.message_id);
    struct str spool = arena_printf(&f.arena, "%s/spool/imap", f.data);
    cr_assert_eq(chdir(arena_cstr(&f.arena, spool)), 0);
    cr_assert(symlink(target.text, "symlink") == 0 && symlink("/nowhere", "dangling") == 0);
    cr_assert(mkdir("directory", 0700) == 0 && mkfifo("fifo", 0600) == 0);
    cr_assert(file_replace("./shorter", STR("x"), 0600, &f.err), "%s", f.err.detail);
    struct layout_path path = account_message_path(f.account, 77);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct message_text text = {.spool_name = arena_printf(&f.arena, "imap/%s", names[i]),
                                    .size = sizeof(TEXT) - 1};
        cr_expect(!message_text_place(&text, f.settings.data, path.text, &f.err), "%s", names[i]);
        cr_expect_eq(access(path.text, F_OK), -1, "%s", names[i]);
    }
    fixture_close(&f);
}
