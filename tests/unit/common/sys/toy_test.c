#include "tests/unit/common/sys/toy.h"

#include "common/base/bug.h"
#include "common/base/clock.h"
#include "common/sys/admission.h"
#include "common/sys/net.h"
#include "tests/unit/support/remove_tree.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * The toy protocol: lines, each answered by one line unless said otherwise.
 *
 *   ECHO text     the text                    PEER          "ip port local-ip local-port"
 *   BIG n         n lines of 1000 "x"         TLS           version, or "none"
 *   LINE n        one line of n "x"
 *   STARTTLS      "go", then TLS              BIND type     channel binding in hex, or "none"
 *   HANDLE        "ok"; toy.handle is this session
 *   DELAY ms      "late", after so long       BLOCK         runs until toy.unblock, "unblocked"
 *   TIMEOUT ms    "ok"; read timeout          SLOW          "slow", slowly from now on
 *   UNIT ms       "ok"; unit timeout          UNTIL ms      "ok"; read deadline in so long, 0: none
 *   TRACE kind    "ok"; 0, 1 or 2             LOGIN secret  "in", traced as credentials
 *   MORE?         whether input is waiting    QUIT          "bye", and the end
 *   ABORT         the end                     CID           the session's cid
 *   COMPRESS      "squeezed", then deflate
 *   KEEP          "kept"; stays when drained, until the last moment
 */

struct toy_session {
    unsigned lines_left;
    bool keep;
    char *memory; /* LeakSanitizer finds out when `close` was not called */
};

static void toy_refuse(struct session *s, const char *why)
{
    buf_printf(session_out(s), "%s\r\n", why);
}

static enum session_next toy_open(struct session *s)
{
    struct toy_session *state = session_state(s);
    state->memory = xmalloc(16);
    session_set_read_timeout(s, 30000);
    buf_append_cstr(session_out(s), "hello\r\n");
    return SESSION_READ;
}

static size_t toy_frame(struct session *s, struct str input)
{
    (void)s;
    ptrdiff_t end = str_find_char(input, '\n');
    return end < 0 ? SESSION_FRAME_MORE : end > 1000 ? SESSION_FRAME_BAD : (size_t)end + 1;
}

static enum session_next toy_more(struct session *s)
{
    struct toy_session *state = session_state(s);
    char line[1003];
    memset(line, 'x', 1000);
    memcpy(line + 1000, "\r\n", 3);
    while (state->lines_left > 0 && !session_out_is_full(s)) {
        buf_append(session_out(s), str_make(line, 1002));
        state->lines_left--;
    }
    return state->lines_left > 0 ? SESSION_MORE : SESSION_READ;
}

static void toy_bind(struct session *s, struct str type)
{
    struct buf data;
    buf_init(&data, 256);
    if (!session_channel_binding(s, type, &data))
        buf_append_cstr(session_out(s), "none");
    for (size_t i = 0; i < data.len; i++)
        buf_printf(session_out(s), "%02x", (unsigned char)data.ptr[i]);
    buf_release(&data);
}

static void toy_block(struct toy *toy)
{
    atomic_fetch_add(&toy->blocked, 1);
    while (!atomic_load(&toy->unblock))
        usleep(1000);
    atomic_fetch_sub(&toy->blocked, 1);
}

static int64_t number_of(struct str text)
{
    uint64_t value = 0;
    cr_assert(str_to_u64(text, 1000000000, &value), "%.*s", STR_ARG(text));
    return (int64_t)value;
}

static enum session_next toy_run(struct session *s, struct str unit)
{
    struct toy *toy = session_user(s);
    struct toy_session *state = session_state(s);
    struct buf *out = session_out(s);
    const struct session_peer *peer = session_peer(s);
    struct str verb, rest;
    str_cut(str_trim(unit), ' ', &verb, &rest);
    enum session_next next = SESSION_READ;
    if (str_eq(verb, STR("ECHO"))) {
        buf_append(out, rest);
    } else if (str_eq(verb, STR("BIG"))) {
        state->lines_left = (unsigned)number_of(rest);
        return toy_more(s);
    } else if (str_eq(verb, STR("LINE"))) {
        for (int64_t i = number_of(rest); i > 0; i--)
            buf_append_char(out, 'x');
    } else if (str_eq(verb, STR("STARTTLS"))) {
        buf_append_cstr(out, "go");
        next = SESSION_STARTTLS;
    } else if (str_eq(verb, STR("COMPRESS"))) {
        buf_append_cstr(out, session_is_compressed(s) ? "already" : "squeezed");
        next = session_is_compressed(s) ? SESSION_READ : SESSION_COMPRESS;
    } else if (str_eq(verb, STR("DELAY"))) {
        session_delay(s, number_of(rest));
        buf_append_cstr(out, "late");
    } else if (str_eq(verb, STR("TIMEOUT"))) {
        session_set_read_timeout(s, number_of(rest));
        buf_append_cstr(out, "ok");
    } else if (str_eq(verb, STR("UNIT"))) {
        session_set_unit_timeout(s, number_of(rest));
        buf_append_cstr(out, "ok");
    } else if (str_eq(verb, STR("UNTIL"))) {
        int64_t wait_ms = number_of(rest);
        session_set_read_deadline(s, wait_ms > 0 ? clock_monotonic_ms() + wait_ms : 0);
        buf_append_cstr(out, "ok");
    } else if (str_eq(verb, STR("TRACE"))) {
        session_set_trace(s, (enum log_trace_kind)number_of(rest));
        buf_append_cstr(out, "ok");
    } else if (str_eq(verb, STR("LOGIN"))) {
        session_set_trace(s, LOG_TRACE_AUTH);
        session_set_trace(s, LOG_TRACE_LINE);
        buf_append_cstr(out, "in");
    } else if (str_eq(verb, STR("PEER"))) {
        buf_printf(out, "%s %u %s %u", peer->remote_ip, peer->remote_port, peer->local_ip,
                   peer->local_port);
    } else if (str_eq(verb, STR("TLS"))) {
        buf_append_cstr(out, session_is_tls(s) ? session_tls_version(s) : "none");
    } else if (str_eq(verb, STR("BIND"))) {
        toy_bind(s, rest);
    } else if (str_eq(verb, STR("HANDLE"))) {
        toy->handle = session_handle(s);
        buf_append_cstr(out, "ok");
    } else if (str_eq(verb, STR("BLOCK"))) {
        toy_block(toy);
        buf_append_cstr(out, "unblocked");
    } else if (str_eq(verb, STR("SLOW"))) {
        session_set_slow(s, true);
        buf_append_cstr(out, "slow");
    } else if (str_eq(verb, STR("MORE?"))) {
        buf_append_cstr(out, session_has_input(s) ? "yes" : "no");
    } else if (str_eq(verb, STR("CID"))) {
        buf_append_u64(out, session_cid(s));
    } else if (str_eq(verb, STR("KEEP"))) {
        state->keep = true;
        buf_append_cstr(out, "kept");
    } else if (str_eq(verb, STR("ABORT"))) {
        return SESSION_ABORT;
    } else if (str_eq(verb, STR("QUIT"))) {
        buf_append_cstr(out, "bye");
        next = SESSION_CLOSE;
    } else {
        buf_append_cstr(out, "what?");
    }
    buf_append_cstr(out, "\r\n");
    return next;
}

static enum session_next toy_secured(struct session *s)
{
    (void)s;
    return SESSION_READ;
}

static enum session_next toy_wake(struct session *s)
{
    buf_append_cstr(session_out(s), "woken\r\n");
    return SESSION_READ;
}

static enum session_next toy_overlong(struct session *s)
{
    buf_append_cstr(session_out(s), "too long\r\n");
    return SESSION_CLOSE;
}

static enum session_next toy_timeout(struct session *s)
{
    buf_append_cstr(session_out(s), "timeout\r\n");
    return SESSION_CLOSE;
}

static enum session_next toy_drain(struct session *s, bool last)
{
    const struct toy_session *state = session_state(s);
    if (state->keep && !last)
        return SESSION_READ;
    buf_append_cstr(session_out(s), "going down\r\n");
    return SESSION_CLOSE;
}

static void toy_closed(struct session *s)
{
    struct toy_session *state = session_state(s);
    struct toy *toy = session_user(s);
    free(state->memory);
    atomic_fetch_add(&toy->closed, 1);
}

static const struct session_ops toy_ops = {
    .protocol = "toy",
    .state_size = sizeof(struct toy_session),
    .input_max = 2048,
    .refuse = toy_refuse,
    .open = toy_open,
    .frame = toy_frame,
    .run = toy_run,
    .more = toy_more,
    .secured = toy_secured,
    .wake = toy_wake,
    .overlong = toy_overlong,
    .timeout = toy_timeout,
    .drain = toy_drain,
    .close = toy_closed,
};

/* ---- Server */

static void make_tls(struct toy *toy)
{
    struct err err;
    char chain[128];
    char key[128];
    snprintf(chain, sizeof(chain), "%s/chain.pem", toy->directory);
    snprintf(key, sizeof(key), "%s/key.pem", toy->directory);
    struct tls_certificate certificate = {str_from_cstr(chain), str_from_cstr(key)};
    cr_assert(
        tls_make_self_signed(STR("localhost"), certificate.chain_file, certificate.key_file, &err),
        "%s", err.detail);
    toy->tls = tls_context_new_server(
        &(struct tls_server_config){.certificates = &certificate, .certificate_count = 1}, &err);
    cr_assert(toy->tls, "%s", err.detail);
}

static void *run_server(void *server)
{
    session_server_run(server);
    return NULL;
}

void toy_start(struct toy *toy, const struct toy_options *options)
{
    struct err err;
    const struct str proxies = str_from_cstr(options->proxy ? options->proxy : "");
    memset(toy, 0, sizeof(*toy));
    signal(SIGPIPE, SIG_IGN); /* as service_main does */
    snprintf(toy->directory, sizeof(toy->directory), "/tmp/toy-XXXXXX");
    cr_assert(mkdtemp(toy->directory));
    toy->log_fd = memfd_create("log", MFD_CLOEXEC);
    toy->log = log_new(toy->log_fd, LOG_TRACE);
    toy->root = log_root(toy->log, "test");
    toy->metrics = metrics_new();
    if (options->tls)
        make_tls(toy);
    toy->server = session_server_new(&(struct session_server_config){
        .log = &toy->root,
        .metrics = toy->metrics,
        .workers_max = options->workers_max ? options->workers_max : 4,
        .sessions_max = options->sessions_max ? options->sessions_max : 100,
        .write_timeout_ms = options->write_timeout_ms ? options->write_timeout_ms : 30000,
        .handshake_timeout_ms =
            options->handshake_timeout_ms ? options->handshake_timeout_ms : 30000});
    toy->admission = options->limits ? admission_new() : NULL;
    struct session_listener listener = {.ops = &toy_ops,
                                        .address = STR("127.0.0.1"),
                                        .tls = toy->tls,
                                        .tls_implicit = options->tls_implicit,
                                        .proxy_networks = &proxies,
                                        .proxy_network_count = options->proxy ? 1 : 0,
                                        .admission = toy->admission,
                                        .user = toy};
    cr_assert(session_server_listen(toy->server, &listener, &err), "%s", err.detail);
    cr_assert_eq(pthread_create(&toy->thread, NULL, run_server, toy->server), 0);
}

void toy_stop(struct toy *toy)
{
    session_server_drain(toy->server, 2000);
    pthread_join(toy->thread, NULL);
    cr_assert_eq(session_server_count(toy->server), 0);
    session_server_free(toy->server);
    tls_context_free(toy->tls);
    admission_free(toy->admission);
    metrics_free(toy->metrics);
    log_free(toy->log);
    close(toy->log_fd);
    remove_tree(toy->directory);
}

uint16_t toy_port(const struct toy *toy)
{
    return session_server_port(toy->server, 0);
}

const char *toy_log(struct toy *toy)
{
    static char text[1 << 20];
    ssize_t n = pread(toy->log_fd, text, sizeof(text) - 1, 0);
    cr_assert(n >= 0);
    text[n] = '\0';
    return text;
}

void toy_wait_logged(struct toy *toy, const char *text)
{
    int64_t start_ms = clock_monotonic_ms();
    while (!strstr(toy_log(toy), text)) {
        cr_assert(toy_elapsed_ms(start_ms) < 30000, "\"%s\" is not logged", text);
        usleep(1000);
    }
}

void toy_wait_sessions(struct toy *toy, size_t count)
{
    int64_t start_ms = clock_monotonic_ms();
    while (session_server_count(toy->server) > count) {
        cr_assert(toy_elapsed_ms(start_ms) < 30000, "%zu sessions stay",
                  session_server_count(toy->server));
        usleep(1000);
    }
}

/* ---- Client */

void toy_connect(struct toy_client *c, const struct toy *toy)
{
    toy_connect_from(c, toy, "127.0.0.1");
}

void toy_connect_from(struct toy_client *c, const struct toy *toy, const char *from)
{
    struct ip ip, local;
    struct err err;
    memset(c, 0, sizeof(*c));
    cr_assert(ip_parse(STR("127.0.0.1"), &ip));
    cr_assert(ip_parse(str_from_cstr(from), &local));
    cr_assert(net_connect(ip, toy_port(toy), &local, clock_monotonic_ms() + 30000, &c->fd, &err),
              "%s", err.detail);
}

static void wait_for(struct toy_client *c, short events)
{
    struct err err;
    cr_assert(net_wait(c->fd, events, clock_monotonic_ms() + 30000, &err), "%s", err.detail);
}

bool toy_client_tls_try(struct toy_client *c, const char *sni, int max_version)
{
    c->ctx = SSL_CTX_new(TLS_client_method());
    if (max_version)
        SSL_CTX_set_max_proto_version(c->ctx, max_version);
    c->ssl = SSL_new(c->ctx);
    SSL_set_fd(c->ssl, c->fd);
    if (sni)
        SSL_set_tlsext_host_name(c->ssl, sni);
    for (;;) {
        int n = SSL_connect(c->ssl);
        if (n == 1)
            return true;
        int reason = SSL_get_error(c->ssl, n);
        if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE)
            return false;
        wait_for(c, reason == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT);
    }
}

void toy_client_tls(struct toy_client *c, const char *sni, int max_version)
{
    cr_assert(toy_client_tls_try(c, sni, max_version), "TLS handshake");
}

void toy_send(struct toy_client *c, const char *text)
{
    size_t len = strlen(text);
    while (len > 0) {
        ssize_t n =
            c->ssl ? SSL_write(c->ssl, text, (int)len) : send(c->fd, text, len, MSG_NOSIGNAL);
        if (n <= 0) {
            wait_for(c, POLLOUT);
            continue;
        }
        text += n;
        len -= (size_t)n;
    }
}

size_t toy_read(struct toy_client *c, char *dst, size_t size)
{
    for (;;) {
        ssize_t n = c->ssl ? SSL_read(c->ssl, dst, (int)size) : recv(c->fd, dst, size, 0);
        if (n > 0)
            return (size_t)n;
        if (n == 0 || (c->ssl && SSL_get_error(c->ssl, (int)n) != SSL_ERROR_WANT_READ))
            return 0;
        if (!c->ssl && errno != EAGAIN)
            return 0;
        wait_for(c, POLLIN);
    }
}

const char *toy_line(struct toy_client *c)
{
    size_t len = 0;
    char byte;
    while (len < sizeof(c->line) - 1 && toy_read(c, &byte, 1) == 1) {
        if (byte == '\n')
            break;
        c->line[len++] = byte;
    }
    c->line[len > 0 && c->line[len - 1] == '\r' ? len - 1 : len] = '\0';
    return c->line;
}

void toy_expect(struct toy_client *c, const char *want)
{
    const char *got = toy_line(c);
    cr_assert_str_eq(got, want, "got \"%s\", want \"%s\"", got, want);
}

void toy_ask(struct toy_client *c, const char *command, const char *want)
{
    toy_send(c, command);
    toy_send(c, "\r\n");
    toy_expect(c, want);
}

void toy_close(struct toy_client *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->ctx);
    close(c->fd);
}

int64_t toy_elapsed_ms(int64_t since_ms)
{
    return clock_monotonic_ms() - since_ms;
}
