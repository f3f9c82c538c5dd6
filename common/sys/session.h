#ifndef COMMON_SYS_SESSION_H
#define COMMON_SYS_SESSION_H

#include "common/base/buf.h"
#include "common/sys/log.h"
#include "common/sys/metrics.h"

/*
 * Thousands of mostly idle connections, and protocol code that reads from top to bottom.
 *
 * A session server owns listening sockets, one epoll loop and a pool of workers. A session (one
 * connection) belongs to exactly one thread at a time. While it waits for its client it is parked:
 * it costs its struct, its TLS state and unread bytes, no thread. When bytes arrive a worker takes
 * it, reads what is there without blocking, and asks the protocol's `frame` whether a whole unit (a
 * command line, a literal, a chunk of message data) has come. If so, `run` handles that unit in
 * straight-line code: it may block on RPCs, appends its answer to `session_out`, and says what is
 * next. The worker then writes what the socket takes; what is left is written when the client
 * reads. Units already received are run before the worker lets go, and their answers leave in one
 * write (RFC 2920). A client that reads or writes slowly never holds a worker.
 *
 *        accept, admission  open()      frame()/run()
 *     (new) ----> TLS? ------> PARKED <---------------> WORKING
 *                                 |  wake(), timeout()     | SESSION_MORE: run again when the
 *                                 v                        v output has drained
 *                              CLOSED <------------- FLUSHING (output, then close)
 *
 * Callbacks of one session never overlap. Only session_wake may be called from other threads.
 * docs/decisions/0002-sessions.md says why it is this shape.
 *
 * Strangers are kept cheap. The admission is asked as soon as the client's address is known, before
 * anything is spent on it. A client with a TLS handshake before it has no TLS state until its first
 * byte comes, ten seconds in all, and a place among a limited number of handshakes: when too many
 * are under way, the oldest gives its place to the newest (docs/decisions/0020-strangers.md).
 */

struct admission;
struct session;
struct session_server;
struct tls_context;

enum session_next {
    SESSION_READ,     /* flush, then wait for the next unit */
    SESSION_MORE,     /* flush below the low-water mark, then call `more` */
    SESSION_STARTTLS, /* flush, then a TLS handshake; unread plain bytes fail it; then `secured` */
    SESSION_COMPRESS, /* flush, then deflate in both directions (RFC 4978), unread bytes included */
    SESSION_CLOSE,    /* flush, then close */
    SESSION_ABORT,    /* close at once */
};

#define SESSION_FRAME_MORE 0       /* from `frame`: no whole unit yet */
#define SESSION_FRAME_BAD SIZE_MAX /* from `frame`: too long; `overlong` is called */

struct session_ops {
    const char *protocol; /* "imap", "smtp", ...: logs and metrics */
    size_t state_size;    /* zeroed memory for session_state() */
    size_t input_max;     /* a unit is at most this long */

    /* Instead of all others, on a plain connection: a limit keeps this client out. Append what it
     * is told. Uses nothing of the state. NULL: nothing is said. */
    void (*refuse)(struct session *s, const char *why);
    /* The connection stands (after the handshake on a TLS port): append the greeting. */
    enum session_next (*open)(struct session *s);
    /* Length of the first whole unit in `input` (never empty), or one of the above. Pure: looks at
     * bytes and protocol state, changes nothing. While message data streams in it returns what is
     * there. */
    size_t (*frame)(struct session *s, struct str input);
    /* Runs one unit. `unit` is good until the return. */
    enum session_next (*run)(struct session *s, struct str unit);
    /* After SESSION_MORE. */
    enum session_next (*more)(struct session *s);
    /* The handshake after SESSION_STARTTLS succeeded. */
    enum session_next (*secured)(struct session *s);
    /* Somebody called session_wake while, or before, the session was parked. */
    enum session_next (*wake)(struct session *s);
    /* Input was too long, or nothing came within the read timeout. Append a last word or not; or,
     * after a timeout, something, and return SESSION_READ to wait as long again. */
    enum session_next (*overlong)(struct session *s);
    enum session_next (*timeout)(struct session *s);
    /* The server is shutting down and the session is at a safe point (parked). Append a goodbye; or
     * return SESSION_READ to be asked again after the next unit. `last`: the time is up, and the
     * connection is closed whatever is returned. */
    enum session_next (*drain)(struct session *s, bool last);
    /* The connection is gone: free what the state owns. Called once for each `open`. */
    void (*close)(struct session *s);
};

/* For protocol code: valid inside callbacks. */

void *session_state(struct session *s);
/* What `session_server_listen` was given as `user`. */
void *session_user(struct session *s);
/* Answers go here. A command with much to say returns SESSION_MORE when session_out_is_full; the
 * maximum, 64 MiB above that mark, is only a backstop, and passing it ends the session. */
struct buf *session_out(struct session *s);
bool session_out_is_full(const struct session *s); /* above the high-water mark, 256 KiB */
/* Sends what is there before the callback returns, for an answer behind which work is left that the
 * client need not wait for. What cannot be sent yet, or is held back, goes out as usual. */
void session_send_now(struct session *s);
struct log_ctx *session_log(struct session *s);
uint64_t session_cid(const struct session *s);
/* Bytes received after the current unit: true when more input is waiting. */
bool session_has_input(const struct session *s);

/* How long the client may be silent before `timeout`. Applies from the next wait on. */
void session_set_read_timeout(struct session *s, int64_t timeout_ms);
/* How long a unit may take from its first byte on, however its bytes drip. 0, as at first: no
 * limit. */
void session_set_unit_timeout(struct session *s, int64_t timeout_ms);
/* Until when (clock_monotonic_ms) the client has time, whatever units it sends; then `timeout` is
 * called. For what comes in several, as a literal does. 0, as at first: no limit. */
void session_set_read_deadline(struct session *s, int64_t deadline_ms);
/* For peers that misbehave: a pause of 1 s before each read, output one byte per second, all of it
 * at once when 30 s are nearly over (spec 10 A3). */
void session_set_slow(struct session *s, bool slow);
/* Holds back the answer of this callback, and the next read, for so long. */
void session_delay(struct session *s, int64_t delay_ms);
/* The trace kind of what is received and sent from now on (log.h). LOG_TRACE_AUTH covers the unit
 * being run too, when it is set before anything is answered: "AUTH PLAIN credentials". */
void session_set_trace(struct session *s, enum log_trace_kind kind);

/* The peer, as the PROXY protocol says when the listener trusts it. Numeric text, "192.0.2.1" or
 * "2001:db8::1". */
struct session_peer {
    char remote_ip[46];
    char local_ip[46];
    uint16_t remote_port;
    uint16_t local_port;
};
const struct session_peer *session_peer(const struct session *s);

/* TLS, when it is active. */
bool session_is_tls(const struct session *s);
const char *session_tls_version(const struct session *s); /* "TLSv1.3" */
const char *session_tls_cipher(const struct session *s);
bool session_can_starttls(const struct session *s); /* the listener has TLS, and it is not active */
/* Since SESSION_COMPRESS. */
bool session_is_compressed(const struct session *s);
/* RFC 5929, RFC 9266: data for "tls-exporter" (TLS 1.3), "tls-unique" (below 1.3) and
 * "tls-server-end-point", appended to `out`; false when the connection has none of that type. */
bool session_channel_binding(struct session *s, struct str type, struct buf *out);
/* The fingerprint of the client's key (tls_public_key.h), appended to `out`; false when it has
 * presented no certificate. It stays the same until the connection ends. */
bool session_client_key(struct session *s, struct buf *out);

/* From any thread: makes `wake` run soon. A session that must be woken later is named by a handle,
 * since it may be gone by then; waking a session that is gone does nothing. */
struct session_handle {
    struct session_server *server;
    uint64_t id;
};
struct session_handle session_handle(struct session *s);
void session_wake(struct session_handle handle);

/* The server. */

struct session_server_config {
    const struct log_ctx *log;
    struct metrics *metrics;
    unsigned workers_max; /* threads are started when needed and end when idle */
    unsigned sessions_max;
    int64_t write_timeout_ms;     /* a client that takes nothing for so long is dropped */
    int64_t handshake_timeout_ms; /* for TLS, or the PROXY header; 0: 10 s */
    uint64_t (*next_cid)(void);   /* NULL: counts from the wall clock on */
};

struct session_listener {
    const struct session_ops *ops;
    struct str address;               /* "127.0.0.1", "::", ...: bound to its family only */
    uint16_t port;                    /* 0: any; see session_server_port */
    struct tls_context *tls;          /* NULL: none. Keeps. */
    bool tls_implicit;                /* handshake first; else STARTTLS is possible */
    const struct str *proxy_networks; /* peers that must speak the PROXY protocol, "10.0.0.0/8" */
    size_t proxy_network_count;
    unsigned keepalive_s;        /* net_set_keepalive; 0: as usual */
    struct admission *admission; /* who may connect; NULL: everybody. Keeps. */
    bool admission_logins;       /* not those with too many failed logins */
    void *user;
};

struct session_server *session_server_new(const struct session_server_config *config);
/* Before the server runs: binds and listens at once; accepts when run. Errors name address, port
 * and reason. */
bool session_server_listen(struct session_server *server, const struct session_listener *listener,
                           struct err *err) MUST_USE;
/* The port that the n-th listener is bound to. */
uint16_t session_server_port(const struct session_server *server, size_t listener);
/* Accepts and serves until session_server_drain has finished. Blocks. */
void session_server_run(struct session_server *server);
/* From any thread: stops listening, says goodbye to parked sessions, lets working ones finish their
 * unit, and closes what is left after `grace_ms`. */
void session_server_drain(struct session_server *server, int64_t grace_ms);
size_t session_server_count(const struct session_server *server);
void session_server_free(struct session_server *server);

#endif
