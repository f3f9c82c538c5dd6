#include "tests/unit/support/dialogue.h"

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/openssl.h"
#include "common/sys/file.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 20000

struct player {
    const struct dialogue_hooks *hooks;
    uint16_t port;
    bool started;
    int fd;
    SSL_CTX *context;
    SSL *ssl;
    struct buf out; /* for the server, not yet sent */
    struct buf in;  /* from the server, not yet looked at */
};

bool dialogue_matches(struct str pattern, struct str text)
{
    while (pattern.len > 0) {
        if (pattern.ptr[0] == '*') {
            pattern = str_skip(pattern, 1);
            for (size_t i = 0; i <= text.len; i++)
                if (dialogue_matches(pattern, str_skip(text, i)))
                    return true;
            return false;
        }
        if (text.len == 0 || text.ptr[0] != pattern.ptr[0])
            return false;
        pattern = str_skip(pattern, 1);
        text = str_skip(text, 1);
    }
    return text.len == 0;
}

static void disconnect(struct player *p)
{
    SSL_free(p->ssl);
    p->ssl = NULL;
    fd_cleanup(&p->fd);
    p->fd = -1;
    buf_reset(&p->in);
    buf_reset(&p->out);
}

static bool shake_hands(struct player *p, struct err *err)
{
    if (!p->context)
        p->context = SSL_CTX_new(TLS_client_method());
    p->ssl = SSL_new(p->context);
    SSL_set_fd(p->ssl, p->fd);
    return SSL_connect(p->ssl) == 1 || err_set(err, ERR_STATE, "TLS handshake failed");
}

static bool reconnect(struct player *p, bool tls, struct err *err)
{
    disconnect(p);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(p->port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(p->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return err_set(err, ERR_UNAVAILABLE, "cannot connect to port %u", p->port);
    return !tls || shake_hands(p, err);
}

static bool send_pending(struct player *p, struct err *err)
{
    struct str rest = buf_str(&p->out);
    while (rest.len > 0) {
        ssize_t n = p->ssl ? SSL_write(p->ssl, rest.ptr, (int)rest.len)
                           : send(p->fd, rest.ptr, rest.len, MSG_NOSIGNAL);
        if (n <= 0)
            return err_set(err, ERR_UNAVAILABLE, "cannot send");
        rest = str_skip(rest, (size_t)n);
    }
    buf_reset(&p->out);
    return true;
}

/* More of what the server says; false with `*ret_closed` at its end. */
static bool receive(struct player *p, bool *ret_closed, struct err *err)
{
    *ret_closed = false;
    struct pollfd poll_fd = {.fd = p->fd, .events = POLLIN};
    if ((!p->ssl || SSL_pending(p->ssl) == 0) && poll(&poll_fd, 1, PATIENCE_MS) <= 0)
        return err_set(err, ERR_TIMEOUT, "the server says nothing");
    char *room = buf_reserve(&p->in, 16384);
    ssize_t n = p->ssl ? SSL_read(p->ssl, room, 16384) : recv(p->fd, room, 16384, 0);
    if (n <= 0) {
        *ret_closed = true;
        return err_set(err, ERR_UNAVAILABLE, "the server has closed");
    }
    buf_commit(&p->in, (size_t)n);
    return true;
}

static bool read_line(struct player *p, struct arena *arena, struct str *ret, struct err *err)
{
    bool closed;
    while (str_find_char(buf_str(&p->in), '\n') < 0)
        if (!receive(p, &closed, err))
            return false;
    size_t len = (size_t)str_find_char(buf_str(&p->in), '\n') + 1;
    *ret = str_trim(arena_copy(arena, str_slice(buf_str(&p->in), 0, len)));
    buf_consume(&p->in, len);
    return true;
}

static bool hear(struct player *p, struct str pattern, bool skip, struct arena *arena,
                 struct err *err)
{
    struct str line;
    if (!send_pending(p, err))
        return false;
    do {
        if (!read_line(p, arena, &line, err))
            return false;
    } while (skip && !dialogue_matches(pattern, line));
    return dialogue_matches(pattern, line) ||
           err_set(err, ERR_STATE, "the server says \"%.*s\"", STR_ARG(line));
}

static bool hear_end(struct player *p, struct err *err)
{
    bool closed = false;
    if (!send_pending(p, err))
        return false;
    if (p->in.len > 0 || receive(p, &closed, err))
        return err_set(err, ERR_STATE, "the server says \"%.*s\"", STR_ARG(buf_str(&p->in)));
    return closed;
}

/* \r \n \t \\ \xHH */
static void append_raw(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] != '\\' || i + 1 == s.len) {
            buf_append_char(out, s.ptr[i]);
            continue;
        }
        char c = s.ptr[++i];
        if (c == 'x' && i + 2 < s.len) {
            char hex[3] = {s.ptr[i + 1], s.ptr[i + 2], '\0'};
            buf_append_char(out, (char)strtoul(hex, NULL, 16));
            i += 2;
        } else {
            buf_append_char(out, c == 'r' ? '\r' : c == 'n' ? '\n' : c == 't' ? '\t' : c);
        }
    }
}

static bool ensure_started(struct player *p, struct err *err)
{
    bool tls;
    if (p->started)
        return true;
    p->started = true;
    return p->hooks->start(p->hooks->user, &p->port, &tls, err) && reconnect(p, tls, err);
}

static bool play_line(struct player *p, struct str line, struct arena *arena, struct err *err)
{
    if (line.len == 0 || line.ptr[0] == '#')
        return true;
    struct str argument = str_skip(line, 3);
    if (str_starts_with(line, STR("SET ")))
        return p->hooks->set(p->hooks->user, str_skip(line, 4), err);
    if (!ensure_started(p, err))
        return false;
    if (str_starts_with(line, STR("EXPECT ")))
        return p->hooks->expect(p->hooks->user, str_skip(line, 7), err);
    if (str_starts_with(line, STR("S: ")))
        return hear(p, argument, false, arena, err);
    if (str_starts_with(line, STR("S.. ")))
        return hear(p, str_skip(line, 4), true, arena, err);
    if (str_eq(line, STR("TLS")))
        return shake_hands(p, err);
    if (str_eq(line, STR("CLOSED")))
        return hear_end(p, err);
    if (str_eq(line, STR("RECONNECT")))
        return reconnect(p, false, err);
    if (str_starts_with(line, STR("C:"))) {
        buf_append(&p->out, argument);
        buf_append_cstr(&p->out, "\r\n");
        return true;
    }
    if (str_starts_with(line, STR("C> "))) {
        append_raw(&p->out, argument);
        return true;
    }
    return err_set(err, ERR_SYNTAX, "not a line of a dialogue");
}

static bool play(struct player *p, struct str script, const char *path, struct err *err)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct str line;
    bool ok = true;
    for (unsigned number = 1; ok && script.len > 0; number++) {
        str_cut(script, '\n', &line, &script);
        ok = play_line(p, line, &arena, err);
        if (!ok)
            err_wrap(err, "%s:%u: %.*s", path, number, STR_ARG(line));
    }
    if (ok && p->in.len > 0)
        ok = err_set(err, ERR_STATE, "%s: left unread: \"%.*s\"", path, STR_ARG(buf_str(&p->in)));
    arena_release(&arena);
    return ok;
}

bool dialogue_play(const char *path, const struct dialogue_hooks *hooks, struct err *err)
{
    struct player p = {.hooks = hooks, .fd = -1};
    struct arena arena;
    struct str script;
    arena_init(&arena, 1 << 20);
    buf_init(&p.in, 1 << 20);
    buf_init(&p.out, 1 << 20);
    bool ok = file_read(path, 1 << 20, &arena, &script, err) && play(&p, script, path, err);
    disconnect(&p);
    SSL_CTX_free(p.context);
    buf_release(&p.in);
    buf_release(&p.out);
    arena_release(&arena);
    return ok;
}
