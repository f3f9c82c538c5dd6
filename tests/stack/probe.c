/* Tries, from inside a container, what its service may or may not do. Each argument is one attempt;
 * for each a line is printed: the argument, and "ok" or the name of the error.
 *
 *   connect:PATH   knocks at a door          tcp:ADDRESS:PORT  connects
 *   list:PATH      reads a directory         write:PATH        makes a file, and removes it
 *   call:NAME      makes a system call, in a way that every kernel would allow or answer with
 *                  something other than EPERM */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static long try_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd < 0 ? -1 : connect(fd, (struct sockaddr *)&address, sizeof(address));
}

static long try_tcp(const char *text)
{
    char host[64] = "";
    struct sockaddr_in address = {.sin_family = AF_INET};
    const char *colon = strrchr(text, ':');
    memcpy(host, text, (size_t)(colon - text));
    address.sin_port = htons((uint16_t)atoi(colon + 1));
    inet_pton(AF_INET, host, &address.sin_addr);
    const struct timeval patience = {.tv_sec = 3};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) != 0)
        return -1;
    return connect(fd, (struct sockaddr *)&address, sizeof(address));
}

static long try_list(const char *path)
{
    DIR *directory = opendir(path);
    return directory && readdir(directory) ? 0 : -1;
}

static long try_write(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, "x", 1) != 1)
        return -1;
    return unlink(path);
}

static long try_clone(unsigned long flags)
{
    long pid = syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);
    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid((pid_t)pid, NULL, 0);
    return pid;
}

/* NOLINTBEGIN(readability-function-size): a table */
static long try_call(const char *name)
{
    const struct {
        const char *name;
        long number, a, b, c;
    } calls[] = {
        {"ptrace", SYS_ptrace, 0, 0, 0},
        {"mount", SYS_mount, 0, 0, 0},
        {"umount2", SYS_umount2, 0, 0, 0},
        {"unshare", SYS_unshare, 0, 0, 0},
        {"setns", SYS_setns, -1, 0, 0},
        {"chroot", SYS_chroot, 0, 0, 0},
        {"pivot_root", SYS_pivot_root, 0, 0, 0},
        {"keyctl", SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1},
        {"add_key", SYS_add_key, 0, 0, 0},
        {"bpf", SYS_bpf, -1, 0, 0},
        {"perf_event_open", SYS_perf_event_open, 0, 0, 0},
        {"io_uring_setup", SYS_io_uring_setup, 1, 0, 0},
        {"userfaultfd", SYS_userfaultfd, -1, 0, 0},
        {"personality", SYS_personality, 0xffffffffL, 0, 0},
        {"process_vm_readv", SYS_process_vm_readv, 0, 0, 0},
        {"open_by_handle_at", SYS_open_by_handle_at, -1, 0, 0},
        {"memfd_create", SYS_memfd_create, (long)"probe", 0, 0},
        {"kill", SYS_kill, getpid(), 0, 0},
        {"setuid", SYS_setuid, 10000, 0, 0},
        {"clone3", SYS_clone3, 0, 0, 0},
        {"mknodat", SYS_mknodat, -1, (long)"probe", 0},
        {"AF_INET", SYS_socket, AF_INET, SOCK_STREAM, 0},
        {"AF_INET6", SYS_socket, AF_INET6, SOCK_STREAM, 0},
        {"AF_PACKET", SYS_socket, AF_PACKET, SOCK_RAW, 0},
        {"AF_NETLINK", SYS_socket, AF_NETLINK, SOCK_RAW, 0},
        {"AF_VSOCK", SYS_socket, AF_VSOCK, SOCK_STREAM, 0},
        {"AF_ALG", SYS_socket, AF_ALG, SOCK_SEQPACKET, 0},
        {"getpid", SYS_getpid, 0, 0, 0},
        {"AF_UNIX", SYS_socket, AF_UNIX, SOCK_STREAM, 0},
    };
    if (strcmp(name, "fork") == 0)
        return try_clone(0);
    if (strcmp(name, "CLONE_NEWUSER") == 0)
        return try_clone(CLONE_NEWUSER);
    for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
        if (strcmp(name, calls[i].name) == 0)
            return syscall(calls[i].number, calls[i].a, calls[i].b, calls[i].c, 0, 0);
    fprintf(stderr, "unknown call %s\n", name);
    exit(2);
}
/* NOLINTEND(readability-function-size) */

int main(int argc, char **argv)
{
    const struct {
        const char *name;
        long (*attempt)(const char *operand);
    } kinds[] = {
        {"connect:", try_connect}, {"tcp:", try_tcp},   {"list:", try_list},
        {"write:", try_write},     {"call:", try_call},
    };
    for (int i = 1; i < argc; i++)
        for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++)
            if (strncmp(argv[i], kinds[k].name, strlen(kinds[k].name)) == 0) {
                long result = kinds[k].attempt(argv[i] + strlen(kinds[k].name));
                printf("%s %s\n", argv[i],
                       result >= 0            ? "ok"
                       : errno == EINPROGRESS ? "timeout"
                                              : strerrorname_np(errno));
            }
    return 0;
}
