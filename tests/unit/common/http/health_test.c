#include "common/http/health.h"

#include "common/sys/file.h"
#include "common/sys/net.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static bool ready_now;

static bool is_ready(void *user, struct err *err)
{
    (void)user;
    return ready_now || err_set(err, ERR_STATE, "still waking up");
}

static void write_metrics(void *user, struct buf *out)
{
    buf_append_cstr(out, user);
}

static char directory[64];
static char path[128];

static struct health_server *start_server(void)
{
    static const struct health_ops ops = {is_ready, write_metrics, "answers_total 42\n"};
    struct err err;
    struct health_server *server = health_server_new(path, &ops, &err);
    cr_assert(server, "%s", err.detail);
    return server;
}

static void make_directory(void)
{
    snprintf(directory, sizeof(directory), "/tmp/health-XXXXXX");
    cr_assert(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/x.health", directory);
}

static void remove_directory(void)
{
    unlink(path);
    rmdir(directory);
}

TestSuite(health, .init = make_directory, .fini = remove_directory);

static void check_page(const char *target, unsigned want_status, const char *want_body)
{
    struct buf body;
    struct err err;
    unsigned status;
    buf_init(&body, 1000);
    cr_assert(health_get(path, target, 5000, &status, &body, &err), "%s: %s", target, err.detail);
    cr_assert_eq(status, want_status, "%s: %u", target, status);
    cr_assert(str_eq(buf_str(&body), str_from_cstr(want_body)), "%s: %.*s", target,
              STR_ARG(buf_str(&body)));
    buf_release(&body);
}

Test(health, pages_answer)
{
    struct health_server *server = start_server();
    check_page("/healthz", 200, "ok\n");
    ready_now = false;
    check_page("/readyz", 503, "still waking up");
    ready_now = true;
    check_page("/readyz", 200, "ready\n");
    check_page("/metrics", 200, "answers_total 42\n");
    check_page("/", 404, "try /healthz, /readyz or /metrics\n");
    health_server_free(server);
    cr_assert_neq(access(path, F_OK), 0, "the socket is gone");
}

Test(health, a_living_server_is_not_pushed_aside_and_a_dead_one_is)
{
    struct health_server *server = start_server();
    const struct health_ops ops = {is_ready, write_metrics, ""};
    struct err err;
    cr_assert_null(health_server_new(path, &ops, &err));
    cr_assert_eq(err.kind, ERR_CONFLICT);
    check_page("/healthz", 200, "ok\n");
    health_server_free(server);

    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int dead = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(bind(dead, (struct sockaddr *)&address, sizeof(address)), 0);
    close(dead);
    health_server_free(start_server());
}

Test(health, nobody_answers_and_slow_answers_are_errors)
{
    struct buf body;
    struct err err;
    unsigned status;
    buf_init(&body, 100);
    cr_assert(!health_get(path, "/readyz", 1000, &status, &body, &err));
    cr_assert_eq(err.kind, ERR_UNAVAILABLE);

    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int silent = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(bind(silent, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(silent, 5), 0);
    cr_assert(!health_get(path, "/readyz", 50, &status, &body, &err));
    cr_assert_eq(err.kind, ERR_TIMEOUT, "%s", err.detail);
    close(silent);
}

Test(health, tcp_addresses_are_checked)
{
    static const char *const wrong[] = {"", "127.0.0.1", "localhost:80", "127.0.0.1:70000",
                                        "::1:x"};
    struct health_server *server = start_server();
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct err err;
        cr_assert(!health_server_listen(server, str_from_cstr(wrong[i]), &err), "%s", wrong[i]);
        cr_assert_eq(err.kind, ERR_SYNTAX, "%s: %s", wrong[i], err.detail);
    }
    struct err err;
    cr_assert(health_server_listen(server, STR("127.0.0.1:0"), &err), "%s", err.detail);
    health_server_free(server);
}
