#include "services/mailrail/siblings.h"

#include "common/base/bug.h"
#include "common/service/layout.h"
#include "common/sys/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PREFIX "mailrail-"

extern char **environ;

bool siblings_directory(struct arena *arena, struct str *ret, struct err *err)
{
    char path[LAYOUT_PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", path, sizeof(path));
    if (len < 0 || (size_t)len == sizeof(path))
        return err_set_errno(err, len < 0 ? errno : ENAMETOOLONG, "/proc/self/exe");
    struct str program = str_make(path, (size_t)len);
    *ret = arena_copy(arena, str_slice(program, 0, (size_t)str_rfind_char(program, '/')));
    return true;
}

static int is_service(const struct dirent *entry)
{
    struct str name = str_from_cstr(entry->d_name);
    return str_starts_with(name, STR(PREFIX)) && str_find_char(name, '.') < 0;
}

bool siblings_list(struct arena *arena, struct str_list *ret, struct err *err)
{
    struct str directory = STR_NULL;
    struct dirent **entries;
    TRY(siblings_directory(arena, &directory, err));
    int count = scandir(arena_cstr(arena, directory), &entries, is_service, alphasort);
    if (count < 0)
        return err_set_errno(err, errno, "%.*s", STR_ARG(directory));
    struct str *names = arena_new_array(arena, (size_t)count + 1, struct str);
    BUG_ON(!names);
    for (int i = 0; i < count; i++) {
        names[i] = arena_copy(arena, str_skip(str_from_cstr(entries[i]->d_name), strlen(PREFIX)));
        free(entries[i]);
    }
    free(entries);
    *ret = (struct str_list){names, (size_t)count};
    return true;
}

static void read_to_end(int fd, struct buf *out)
{
    ssize_t n = 1;
    for (char *at; n > 0 && (at = buf_reserve(out, 4096));) {
        n = read(fd, at, 4096);
        if (n > 0)
            buf_commit(out, (size_t)n);
    }
}

static bool spawn_to_pipe(char **argv, int *ret_fd, pid_t *ret_pid, struct err *err)
{
    int fds[2];
    posix_spawn_file_actions_t actions;
    if (pipe2(fds, O_CLOEXEC) < 0)
        return err_set_errno(err, errno, "pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
    int failed = posix_spawn(ret_pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    if (failed != 0) {
        close(fds[0]);
        return err_set_errno(err, failed, "%s", argv[0]);
    }
    *ret_fd = fds[0];
    return true;
}

bool siblings_ask(struct arena *arena, struct str service, const char *argument,
                  const char *config_path, struct buf *out, int *ret_status, struct err *err)
{
    struct str directory = STR_NULL;
    TRY(siblings_directory(arena, &directory, err));
    struct str program =
        arena_printf(arena, "%.*s/" PREFIX "%.*s", STR_ARG(directory), STR_ARG(service));
    char *argv[] = {arena_cstr(arena, program), arena_cstr(arena, str_from_cstr(argument)), NULL,
                    NULL, NULL};
    if (config_path) {
        argv[2] = arena_cstr(arena, STR("--config"));
        argv[3] = arena_cstr(arena, str_from_cstr(config_path));
    }
    int fd = -1, status = 0;
    pid_t pid = -1;
    TRY(spawn_to_pipe(argv, &fd, &pid, err));
    read_to_end(fd, out);
    close(fd);
    if (waitpid(pid, &status, 0) < 0)
        return err_set_errno(err, errno, "%s", argv[0]);
    *ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return true;
}
