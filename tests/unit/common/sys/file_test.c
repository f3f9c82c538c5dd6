#include "common/sys/file.h"
#include "tests/unit/support/remove_tree.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A directory for one test, removed by leave(). */
static char directory[64];
static char path_text[3][128];

static void enter(void)
{
    snprintf(directory, sizeof(directory), "/tmp/file-test-XXXXXX");
    cr_assert(mkdtemp(directory));
}

static void leave(void)
{
    remove_tree(directory);
}

/* Up to three paths at a time. */
static const char *in_directory(const char *name)
{
    static unsigned next;
    char *path = path_text[next++ % ARRAY_LEN(path_text)];
    snprintf(path, sizeof(path_text[0]), "%s/%s", directory, name);
    return path;
}

static void check_content(const char *path, struct str want)
{
    struct arena arena;
    struct str got;
    struct err err;
    arena_init(&arena, 1 << 20);
    cr_assert(file_read(path, 1 << 19, &arena, &got, &err), "%s", err.detail);
    cr_assert(str_eq(got, want), "%s: \"%.*s\"", path, STR_ARG(got));
    arena_release(&arena);
}

static void put(const char *path, struct str bytes)
{
    struct err err;
    cr_assert(file_replace(path, bytes, 0644, &err), "%s", err.detail);
}

static unsigned count_entries(void)
{
    char command[128];
    unsigned count = 0;
    snprintf(command, sizeof(command), "ls -A %s | wc -l", directory);
    FILE *pipe = popen(command, "r");
    cr_assert_eq(fscanf(pipe, "%u", &count), 1);
    pclose(pipe);
    return count;
}

Test(file, replaced_content_is_complete_and_leaves_nothing_beside_it)
{
    enter();
    struct stat st;
    put(in_directory("a"), STR("first"));
    struct err err;
    cr_assert(file_replace(in_directory("a"), STR("second\0with NUL"), 0600, &err));
    check_content(in_directory("a"), STR("second\0with NUL"));
    cr_assert_eq(stat(in_directory("a"), &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0600);
    cr_assert_eq(count_entries(), 1);
    put(in_directory("a"), STR(""));
    check_content(in_directory("a"), STR(""));
    leave();
}

/* In a container every process has the number 1. */
Test(file, what_a_killed_process_of_the_same_number_left_is_not_in_the_way)
{
    struct err err;
    enter();
    for (unsigned i = 0; i < 100; i++) {
        char name[64];
        snprintf(name, sizeof(name), "a.tmp-%ld-%u", (long)getpid(), i);
        int fd = open(in_directory(name), O_WRONLY | O_CREAT | O_EXCL, 0600);
        cr_assert_geq(fd, 0);
        close(fd);
    }
    cr_assert(file_replace(in_directory("a"), STR("text"), 0600, &err), "%s", err.detail);
    check_content(in_directory("a"), STR("text"));
    leave();
}

Test(file, a_file_that_cannot_be_replaced_stays)
{
    struct err err;
    enter();
    cr_assert_not(file_replace(in_directory("missing/a"), STR("x"), 0600, &err));
    cr_assert_eq(err.kind, ERR_NOT_FOUND, "%s", err.detail);
    cr_assert_eq(mkdir(in_directory("d"), 0755), 0);
    cr_assert_not(file_replace(in_directory("d"), STR("x"), 0600, &err));
    cr_assert(strstr(err.detail, "rename"), "%s", err.detail);
    cr_assert_eq(count_entries(), 1, "the temporary file is gone");
    leave();
}

Test(file, reading_is_limited_and_errors_name_the_file)
{
    struct arena arena;
    struct str text;
    struct err err;
    enter();
    arena_init(&arena, 1000);
    put(in_directory("a"), STR("12345"));
    cr_assert(file_read(in_directory("a"), 5, &arena, &text, &err));
    cr_assert_not(file_read(in_directory("a"), 4, &arena, &text, &err));
    cr_assert_eq(err.kind, ERR_LIMIT);
    cr_assert(strstr(err.detail, "/a: 5 bytes, at most 4 are allowed"), "%s", err.detail);
    cr_assert_not(file_read(in_directory("b"), 5, &arena, &text, &err));
    cr_assert_eq(err.kind, ERR_NOT_FOUND);
    cr_assert(strstr(err.detail, "/b: No such file"), "%s", err.detail);
    cr_assert_not(file_read(directory, 5, &arena, &text, &err));
    cr_assert_eq(err.kind, ERR_STATE);
    arena_release(&arena);
    leave();
}

Test(file, directories_are_made_with_their_parents)
{
    struct err err;
    struct stat st;
    enter();
    cr_assert(directory_make(in_directory("a/b/c"), 0750, &err), "%s", err.detail);
    cr_assert(directory_make(in_directory("a/b/c"), 0750, &err), "%s", err.detail);
    cr_assert_eq(stat(in_directory("a/b/c"), &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0750);
    cr_assert(directory_sync(in_directory("a/b"), &err), "%s", err.detail);
    put(in_directory("file"), STR("x"));
    cr_assert_not(directory_make(in_directory("file"), 0750, &err));
    cr_assert(strstr(err.detail, "exists and is not a directory"), "%s", err.detail);
    cr_assert_not(directory_make(in_directory("file/sub"), 0750, &err));
    cr_assert_not(directory_sync(in_directory("none"), &err));
    leave();
}

Test(file, links_share_and_never_overwrite)
{
    struct err err;
    struct stat st;
    enter();
    put(in_directory("a"), STR("message"));
    cr_assert(file_link_or_copy(in_directory("a"), in_directory("b"), &err), "%s", err.detail);
    cr_assert_eq(stat(in_directory("b"), &st), 0);
    cr_assert_eq(st.st_nlink, 2);
    put(in_directory("c"), STR("untouched"));
    cr_assert_not(file_link_or_copy(in_directory("a"), in_directory("c"), &err));
    cr_assert_eq(err.kind, ERR_CONFLICT);
    check_content(in_directory("c"), STR("untouched"));
    leave();
}

/* Spec 10 D2: the queue on another file system than the spool. */
Test(file, across_file_systems_there_is_a_copy)
{
    struct err err;
    struct stat here, there;
    enter();
    const char *other = "/dev/shm/file-test-copy";
    if (stat(directory, &here) < 0 || stat("/dev/shm", &there) < 0 || here.st_dev == there.st_dev)
        cr_skip_test("no second file system");
    char *big = calloc(1, 300000);
    memset(big, 'x', 300000);
    put(in_directory("a"), str_make(big, 300000));
    unlink(other);
    cr_assert(file_link_or_copy(in_directory("a"), other, &err), "%s", err.detail);
    check_content(other, str_make(big, 300000));
    cr_assert_not(file_link_or_copy(in_directory("a"), other, &err));
    cr_assert_eq(err.kind, ERR_CONFLICT);
    unlink(other);
    free(big);
    leave();
}

Test(file, maps_show_the_bytes)
{
    struct file_map map;
    struct err err;
    enter();
    put(in_directory("a"), STR("hello"));
    put(in_directory("empty"), STR(""));
    CLEANUP(fd_cleanup) int fd = open(in_directory("a"), O_RDONLY);
    CLEANUP(fd_cleanup) int empty = open(in_directory("empty"), O_RDONLY);
    cr_assert(file_map_open(fd, &map, &err), "%s", err.detail);
    cr_assert(str_eq(map.bytes, STR("hello")));
    file_map_close(&map);
    file_map_close(&map);
    cr_assert(file_map_open(empty, &map, &err), "%s", err.detail);
    cr_assert_eq(map.bytes.len, 0);
    file_map_close(&map);
    leave();
}

/* Small files are copied, large ones mapped, and nobody sees which; where the descriptor stands
 * does not matter. */
Test(file, maps_of_all_sizes_show_all_bytes)
{
    static char text[100 * 1024];
    static const size_t sizes[] = {1, 4096, 32 * 1024, 32 * 1024 + 1, sizeof(text)};
    struct file_map map;
    struct err err;
    enter();
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)(i * 31 + i / 256);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct str bytes = str_make(text, sizes[i]);
        put(in_directory("sized"), bytes);
        CLEANUP(fd_cleanup) int fd = open(in_directory("sized"), O_RDONLY);
        cr_assert_eq(lseek(fd, 1, SEEK_SET), 1);
        cr_assert(file_map_open(fd, &map, &err), "%s", err.detail);
        cr_assert(str_eq(map.bytes, bytes), "%zu bytes", sizes[i]);
        file_map_close(&map);
        cr_assert(str_is_null(map.bytes));
    }
    leave();
}

Test(file, a_full_disk_is_a_temporary_failure)
{
    struct err err;
    CLEANUP(fd_cleanup) int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    cr_assert(fd >= 0);
    cr_assert_not(file_write_all(fd, STR("x"), &err));
    cr_assert_eq(err.kind, ERR_NO_SPACE, "%s", err.detail);
}
