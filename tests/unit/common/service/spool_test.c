#include "common/service/spool.h"

#include "common/service/layout.h"
#include "common/sys/file.h"
#include "tests/unit/support/remove_tree.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char data_text[64];
static struct str data;

static void enter(void)
{
    struct err err;
    snprintf(data_text, sizeof(data_text), "/tmp/spool-test-XXXXXX");
    cr_assert(mkdtemp(data_text));
    data = str_from_cstr(data_text);
    cr_assert(directory_make(layout_spool_directory(data, STR("")).text, 0700, &err), "%s",
              err.detail);
}

static void leave(void)
{
    remove_tree(data_text);
}

static bool exists(const char *name)
{
    return access(layout_spool(data, str_from_cstr(name)).text, F_OK) == 0;
}

static void write_chunks(struct spool_file *f, char fill, size_t size, size_t times)
{
    struct err err;
    char *chunk = malloc(size);
    memset(chunk, fill, size);
    for (size_t i = 0; i < times; i++)
        cr_assert(spool_write(f, str_make(chunk, size), &err), "%s", err.detail);
    free(chunk);
}

Test(spool, what_was_written_is_in_the_file_whatever_its_size)
{
    static const size_t sizes[][2] = {{0, 0},     {1, 1},     {100, 40},   {1000, 70}, {65536, 1},
                                      {65537, 1}, {65535, 3}, {200000, 2}, {1, 65537}};
    enter();
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct spool_file f;
        struct err err;
        struct stat st;
        char byte = 0;
        cr_assert(spool_open(&f, data, "smtp-in", &err), "%s", err.detail);
        struct str service;
        cr_assert(layout_spool_name_is_valid(str_from_cstr(f.name), &service), "%s", f.name);
        cr_assert(str_eq(service, STR("smtp-in")));
        write_chunks(&f, 'a', 10, 1);
        write_chunks(&f, 'b', sizes[i][0], sizes[i][1]);
        write_chunks(&f, 'c', 1, 1);
        cr_assert(spool_finish(&f, &err), "%s", err.detail);
        cr_assert_eq(f.size, 11 + sizes[i][0] * sizes[i][1]);
        cr_assert_eq(stat(f.path, &st), 0);
        cr_assert_eq((uint64_t)st.st_size, f.size, "row %zu", i);
        cr_assert_eq(pread(f.fd, &byte, 1, 9), 1);
        cr_assert_eq(byte, 'a', "row %zu", i);
        cr_assert_eq(pread(f.fd, &byte, 1, st.st_size - 1), 1);
        cr_assert_eq(byte, 'c', "row %zu", i);
        spool_discard(&f);
        cr_assert_eq(access(f.path, F_OK), -1);
        spool_discard(&f);
    }
    leave();
}

static size_t count_files(void)
{
    size_t count = 0;
    DIR *dir = opendir(layout_spool_directory(data, STR("smtp-in")).text);
    for (struct dirent *e; dir && (e = readdir(dir));)
        count += e->d_name[0] != '.';
    if (dir)
        closedir(dir);
    return count;
}

Test(spool, a_small_message_makes_no_file_until_it_is_finished)
{
    static const struct {
        size_t first, second;
        bool in_memory;
    } rows[] = {{0, 0, true},     {1, 0, true},      {65535, 0, true},  {65535, 1, true},
                {65536, 0, true}, {65535, 2, false}, {65536, 1, false}, {65537, 0, false},
                {1, 65535, true}, {1, 65536, false}, {1, 200000, false}};
    enter();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct spool_file f;
        struct err err;
        struct stat st;
        spool_init(&f, data, "smtp-in");
        write_chunks(&f, 'a', rows[i].first, 1);
        write_chunks(&f, 'b', rows[i].second, 1);
        cr_expect_eq(spool_is_in_memory(&f), rows[i].in_memory, "row %zu", i);
        cr_expect_eq(count_files(), !rows[i].in_memory, "row %zu", i);
        if (rows[i].in_memory)
            cr_expect_eq(f.pending.len, rows[i].first + rows[i].second, "row %zu", i);
        cr_assert(spool_finish(&f, &err), "%s", err.detail);
        cr_assert_eq(stat(f.path, &st), 0);
        cr_expect_eq((size_t)st.st_size, rows[i].first + rows[i].second, "row %zu", i);
        spool_discard(&f);
        cr_expect_eq(count_files(), 0, "row %zu", i);
    }
    leave();
}

Test(spool, who_keeps_little_makes_the_file_early)
{
    enter();
    for (size_t size = 4095; size <= 70000; size = size * 4 + 1) {
        struct spool_file f;
        struct err err;
        struct stat st;
        spool_init(&f, data, "smtp-in");
        spool_keep_little(&f);
        write_chunks(&f, 'a', 1, 100);
        write_chunks(&f, 'b', size - 100, 1);
        cr_expect_eq(spool_is_in_memory(&f), size <= SPOOL_LITTLE, "%zu bytes", size);
        cr_expect_leq(f.pending.cap, SPOOL_LITTLE, "%zu bytes", size);
        cr_assert(spool_finish(&f, &err), "%s", err.detail);
        cr_assert_eq(stat(f.path, &st), 0);
        cr_expect_eq((size_t)st.st_size, size);
        spool_discard(&f);
    }
    leave();
}

Test(spool, what_was_never_written_leaves_nothing)
{
    struct spool_file f;
    enter();
    spool_init(&f, data, "smtp-in");
    write_chunks(&f, 'a', 100, 1);
    spool_discard(&f);
    spool_discard(&f);
    cr_expect_eq(count_files(), 0);
    leave();
}

Test(spool, names_are_stepped_over_when_they_are_taken)
{
    struct err err;
    struct spool_file a, b;
    char taken[64];
    enter();
    cr_assert(spool_open(&a, data, "imap", &err));
    unsigned long n = strtoul(strrchr(a.name, '-') + 1, NULL, 10);
    snprintf(taken, sizeof(taken), "imap/%ld-%lu", (long)getpid(), n + 1);
    cr_assert(file_replace(layout_spool(data, str_from_cstr(taken)).text, STR("x"), 0600, &err));
    cr_assert(spool_open(&b, data, "imap", &err), "%s", err.detail);
    cr_assert_str_neq(b.name, taken);
    spool_discard(&a);
    spool_discard(&b);
    cr_assert(exists(taken));
    leave();
}

Test(spool, a_missing_directory_is_named)
{
    struct spool_file f;
    struct err err;
    cr_assert_not(spool_open(&f, STR("/nonexistent"), "imap", &err));
    cr_assert(strstr(err.detail, "/nonexistent/spool"), "%s", err.detail);
    spool_discard(&f);
    spool_init(&f, STR("/nonexistent"), "imap");
    cr_assert(spool_write(&f, STR("x"), &err));
    cr_assert_not(spool_finish(&f, &err));
    cr_assert_eq(err.kind, ERR_TEMPORARY, "%s", err.detail);
    cr_assert(strstr(err.detail, "/nonexistent/spool"), "%s", err.detail);
    spool_discard(&f);
}

/* In a child: opens a file and dies with it. Returns its name. */
static void leave_behind(const char *service, char name[64])
{
    int pipe_fds[2];
    cr_assert_eq(pipe(pipe_fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct spool_file f;
        struct err err;
        if (spool_open(&f, data, service, &err) && write(pipe_fds[1], f.name, 64) == 64)
            _exit(0);
        _exit(1);
    }
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert_eq(status, 0);
    cr_assert_eq(read(pipe_fds[0], name, 64), 64);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

Test(spool, cleaning_takes_only_what_nobody_receives_any_more)
{
    struct spool_file mine;
    struct err err;
    char dead[64], other_service[64];
    enter();
    leave_behind("smtp", dead);
    leave_behind("smtp-in", other_service);
    cr_assert(spool_open(&mine, data, "smtp", &err));
    cr_assert(file_replace(layout_spool(data, STR("smtp/notes")).text, STR("x"), 0600, &err));
    spool_clean(data, "smtp");
    cr_assert_not(exists(dead), "left by a dead process");
    cr_assert(exists(other_service), "of another service");
    cr_assert(exists(mine.name), "being received");
    cr_assert(exists("smtp/notes"), "not of this form");
    spool_discard(&mine);
    leave();
}
