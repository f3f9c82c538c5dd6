#include "services/mailrail/mail_source.h"

#include "common/base/buf.h"
#include "common/sys/file.h"
#include "tests/unit/support/remove_tree.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char directory[32];
static struct arena arena;
static struct err err;

static void write_file(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    cr_assert(file && fputs(text, file) >= 0 && fclose(file) == 0, "%s", path);
}

static void make_directory(const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    cr_assert(directory_make(path, 0700, &err), "%s", err.detail);
}

static void setup(void)
{
    strcpy(directory, "/tmp/mailrail-test-XXXXXX");
    cr_assert(mkdtemp(directory) != NULL);
    arena_init(&arena, 64 << 20);
}

static void teardown(void)
{
    arena_release(&arena);
    remove_tree(directory);
}

TestSuite(mail_source, .init = setup, .fini = teardown);

/* A bit of everything. */
static void make_tree(void)
{
    static const char *const directories[] = {
        "cur", "new", "tmp", ".Sent.2019/cur", ".cache", "Work/cur", "Work/Old/new", "nothing"};
    for (size_t i = 0; i < ARRAY_LEN(directories); i++)
        make_directory(directories[i]);
    write_file("new/1.a", "A: 1\n\n");
    write_file("cur/2.b:2,FS", "A: 2\n\nlast line");
    write_file("cur/3.c:2,", "");
    write_file("cur/.hidden", "no message");
    write_file("tmp/4.d", "no message");
    write_file(".Sent.2019/cur/5.e:2,S", "A: 5\n\n");
    write_file(".cache/cur", "no directory");
    write_file("Work/Old/new/7.g", "A: 7\n\n");
    write_file("Two.mbox", "From x Sun Jan 23 19:41:55 2022\nA: 8\n\nFrom y\nno date\n\n"
                           "From y Sun Jan 23 19:41:56 2022\nStatus: R\n\n>From z\n");
    write_file("Empty.mbox", "");
    write_file("notes.txt", "no mail");
}

/* What was read: "MAILBOX:first line of text" for each. */
struct seen {
    struct buf text;
    uint64_t positions[32];
    size_t lengths[32]; /* of `text` at each */
    size_t count;
};

static bool note(void *ctx, const struct incoming *m, struct err *ignored)
{
    struct seen *s = ctx;
    struct str line;
    (void)ignored;
    str_cut(m->text, '\r', &line, NULL);
    buf_printf(&s->text, "%.*s:%.*s:%x:%zu\n", STR_ARG(m->source->mailbox), STR_ARG(line),
               m->flags->bits, m->text.len);
    cr_assert(m->structure.len > 0);
    cr_assert(s->count < ARRAY_LEN(s->positions));
    s->positions[s->count] = m->position;
    s->lengths[s->count++] = s->text.len;
    return true;
}

static void read_from(const struct mail_sources *sources, uint64_t position, struct seen *ret)
{
    *ret = (struct seen){.count = 0};
    buf_init(&ret->text, 1 << 16);
    cr_assert(mail_sources_read(sources, position, note, ret, &err), "%s", err.detail);
}

static struct mail_sources find(const char *name, struct str mailbox)
{
    char path[256];
    struct mail_sources sources;
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    cr_assert(mail_sources_find(path, mailbox, &arena, &sources, &err), "%s", err.detail);
    return sources;
}

Test(mail_source, a_tree_has_mailboxes_by_its_names)
{
    make_tree();
    struct mail_sources sources = find("", STR(""));
    struct seen all;
    read_from(&sources, 0, &all);
    cr_assert(str_eq(buf_str(&all.text), STR("Inbox:A: 1:0:8\n"
                                             "Inbox:A: 2:5:19\n"
                                             "Inbox::0:0\n"
                                             "Sent/2019:A: 5:1:8\n"
                                             "Two:A: 8:0:6\n"
                                             "Two:no date:0:9\n"
                                             "Two:Status: R:1:21\n"
                                             "Work/Old:A: 7:0:8\n")),
              "%.*s", STR_ARG(buf_str(&all.text)));
    cr_assert_eq(sources.items.len, 6, "with Empty and Work: %zu", sources.items.len);
    cr_assert_eq(all.positions[all.count - 1], sources.size);

    /* Behind each message, reading goes on with the next. */
    for (size_t i = 0; i < all.count; i++) {
        struct seen rest;
        read_from(&sources, all.positions[i], &rest);
        cr_assert(str_eq(buf_str(&rest.text), str_skip(buf_str(&all.text), all.lengths[i])),
                  "after message %zu: %.*s", i, STR_ARG(buf_str(&rest.text)));
        buf_release(&rest.text);
    }
    buf_release(&all.text);
    mail_sources_release(&sources);

    sources = find("Work", STR("Old/Job"));
    cr_assert(sources.items.len == 2 && str_eq(sources.items.items[1].mailbox, STR("Old/Job/Old")));
    mail_sources_release(&sources);
    sources = find("Two.mbox", STR(""));
    cr_assert(sources.items.len == 1 && str_eq(sources.items.items[0].mailbox, STR("Two")));
    mail_sources_release(&sources);
}

static bool note_sender(void *ctx, const struct incoming *m, struct err *ignored)
{
    struct buf *out = ctx;
    (void)ignored;
    buf_printf(out, "%.*s@%.*s\n", STR_ARG(m->mail_from.localpart), STR_ARG(m->mail_from.domain));
    return true;
}

/* What is no address is none. */
Test(mail_source, the_sender_of_the_envelope_is_that_of_the_from_line_or_return_path)
{
    struct buf senders;
    write_file("a.mbox", "From joe@Far.example Sun Jan 23 19:41:55 2022\nA: 1\n\n"
                         "From \"a b\"@x.example Sun Jan 23 19:41:55 2022\nA: 2\n\n"
                         "From MAILER-DAEMON Sun Jan 23 19:41:55 2022\n"
                         "Return-Path: <eve@x.example>\n\n"
                         "From - Sun Jan 23 19:41:55 2022\nA: 4\n\n"
                         "From ann@x.example\nA: without a date\n\n");
    make_directory("cur");
    write_file("cur/1:2,", "A: b\nReturn-Path:\n <jane@x.example> (late)\n"
                           "Return-Path: <eve@x.example>\n\nReturn-Path: <eve@x.example>\n");
    write_file("cur/2:2,", "Return-Path: <>\n\n");
    write_file("cur/3:2,", "Return-Path: nonsense\n\n");
    write_file("cur/4:2,", "A: b\n\nReturn-Path: <eve@x.example>\n");
    buf_init(&senders, 4096);
    struct mail_sources sources = find("", STR(""));
    cr_assert(mail_sources_read(&sources, 0, note_sender, &senders, &err), "%s", err.detail);
    cr_expect(str_eq(buf_str(&senders), STR("jane@x.example\n@\n@\n@\n"
                                            "joe@far.example\na b@x.example\n@\n@\n"
                                            "ann@x.example\n")),
              "%.*s", STR_ARG(buf_str(&senders)));
    buf_release(&senders);
    mail_sources_release(&sources);
}

static struct str fingerprint(struct str mailbox)
{
    struct mail_sources sources = find("", mailbox);
    mail_sources_release(&sources);
    return arena_copy(&arena, digest_str(&sources.fingerprint));
}

Test(mail_source, the_fingerprint_is_that_of_the_files)
{
    make_tree();
    struct str first = fingerprint(STR(""));
    cr_assert(str_eq(first, fingerprint(STR(""))));
    cr_assert(!str_eq(first, fingerprint(STR("Other"))));
    write_file("Work/Old/new/8.h", "A: 8\n\n");
    struct str more = fingerprint(STR(""));
    cr_assert(!str_eq(first, more));
    write_file("Two.mbox", "From x\n");
    cr_assert(!str_eq(more, fingerprint(STR(""))));
}

Test(mail_source, what_is_no_mail_is_refused)
{
    struct mail_sources sources;
    char path[64];
    make_directory("empty");
    snprintf(path, sizeof(path), "%s/empty", directory);
    cr_assert(!mail_sources_find(path, STR(""), &arena, &sources, &err));
    cr_assert_eq(err.kind, ERR_NOT_FOUND);
    cr_assert(!mail_sources_find("/nowhere", STR(""), &arena, &sources, &err));
    cr_assert(!mail_sources_find("/dev/null", STR(""), &arena, &sources, &err));
    cr_assert_eq(err.kind, ERR_SYNTAX);
    make_directory("m/cur/directory");
    snprintf(path, sizeof(path), "%s/m", directory);
    cr_assert(!mail_sources_find(path, STR(""), &arena, &sources, &err));
    cr_assert_eq(err.kind, ERR_SYNTAX, "%s", err.detail);
    mail_sources_release(&sources);
}
