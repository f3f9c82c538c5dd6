#ifndef COMMON_SYS_SESSION_INTERNAL_H
#define COMMON_SYS_SESSION_INTERNAL_H

#include "common/base/array.h"
#include "common/base/list.h"
#include "common/sys/ip.h"
#include "common/sys/peers_seen.h"
#include "common/sys/session.h"
#include "common/sys/session_table.h"
#include "common/sys/tls.h"

/*
 * What the files of the session server share, and nobody else includes:
 *
 *   session.c         what protocol code calls
 *   session_table.c   ownership: who works on which session
 *   session_work.c    the life of a session: phases, callbacks, waiting
 *   session_buffers.c what workers lend to sessions
 *   session_io.c      bytes in and out, plain or TLS, at full or slow speed
 *   session_compress.c  deflate, for protocols that can turn it on
 *   session_tls.c     handshakes and why they fail; TLS information
 *   session_accept.c  listeners, new connections, the PROXY header
 *   session_door.c    who is let in, and how many handshakes are under way
 *   session_worker.c  threads, and the queue of sessions that need one
 *   session_server.c  life of the server: deadlines, draining
 */

/* Output: above HIGH no further unit is run, and `more` is called when it is below LOW. The room
 * above HIGH is for the answer of one callback. */
#define SESSION_OUT_LOW ((size_t)64 * 1024)
#define SESSION_OUT_HIGH ((size_t)256 * 1024)
#define SESSION_OUT_MAX (SESSION_OUT_HIGH + (size_t)64 * 1024 * 1024)
/* Input: so much is read at once, and a unit is never longer than MAX. */
#define SESSION_READ_SIZE ((size_t)64 * 1024)
#define SESSION_INPUT_MAX ((size_t)64 * 1024 * 1024)

/* Handshakes at a time, which cost 50 KiB each (200 MiB in all, when malloc has been kept busy): so
 * many, and at most half of all sessions. */
#define SESSION_HANDSHAKES_MAX 1000

struct session_listening {
    struct session_listener config; /* `address` and `proxy_networks` are not kept */
    int fd;
    bool is_wildcard;
    char address[IP_TEXT_SIZE];
    uint16_t port;
    ARRAY_OF(struct ip_network) proxy_networks;
    struct metric *connections;
    struct metric *refused;
    struct metric *open;
    struct metric *handshakes;
    struct metric_family *handshake_failures;
};

struct session_server {
    struct session_server_config config;
    struct log_ctx log;
    ARRAY_OF(struct session_listening *) listeners;
    struct session_table table;
    struct peers_seen peers_seen;
    _Atomic uint64_t next_cid;
    BIO_METHOD *bio_method;

    /* Sessions that wait for their handshake, in the order in which they began. */
    pthread_mutex_t handshakes_lock;
    struct list_link handshakes;
    size_t handshakes_count;
    size_t handshakes_max;

    /* Workers wait on `epoll_fd`: sockets of parked sessions (edge-triggered), `ready_fd` (its
     * edge: `ready` has a session), `stop_fd` (readable: end). */
    int epoll_fd;
    int ready_fd;
    int stop_fd;
    pthread_mutex_t ready_lock;
    struct list_link ready; /* sessions that are owned and wait for a worker */
    bool ready_called;      /* a worker was called for them, and is on its way */
    atomic_uint workers_idle;
    unsigned workers; /* this and the next: guarded by workers_lock */
    bool has_ended;
    pthread_t ended; /* the thread that ended last, not joined yet */
    pthread_mutex_t workers_lock;
    pthread_cond_t workers_ended;
    struct metric *workers_gauge;

    /* The loop. */
    int loop_fd;                  /* eventfd that makes the loop look around */
    _Atomic int64_t next_scan_ms; /* no deadline is earlier */
    int64_t accept_after_ms;      /* no accepting before, after an error */
    atomic_bool draining;
    _Atomic int64_t drain_until_ms;
};

enum session_phase {
    PHASE_PROXY,     /* waits for the PROXY header */
    PHASE_HANDSHAKE, /* waits for the TLS handshake */
    PHASE_OPEN,      /* nothing was said yet */
    PHASE_READ,      /* the next unit */
    PHASE_MORE,      /* the output is to drain, then `more` */
    PHASE_STARTTLS,  /* the output is to drain, then the handshake */
    PHASE_COMPRESS,  /* the output is to drain, then both directions are compressed */
    PHASE_CLOSE,     /* the output is to drain, then the end */
    PHASE_LINGER,    /* our side is closed; the peer is still sending */
};

struct session {
    struct session_server *server;
    const struct session_listening *listening;
    const struct session_ops *ops;
    uint64_t id;
    int fd;
    enum session_phase phase;

    /* What the socket may be asked for without hearing "try again". */
    bool can_receive;
    bool unanswered; /* something came, and nothing was sent since */
    bool can_send;
    bool hangup;      /* reads must go on until the end shows */
    bool tls_drained; /* SSL_read has given all */
    bool ended;       /* the peer has sent its last byte */

    bool is_admitted; /* admission_leave is due */
    bool is_open;     /* `open` was called, so `close` must be */
    bool in_handshake;
    bool ousted; /* from among the handshakes */
    bool wake_due;
    bool drain_due;
    bool killed;
    bool is_starttls; /* the handshake follows a command */
    bool slow;
    bool slow_pausing; /* the pause before this read has begun */
    bool flushing;     /* flush_started_ms counts */
    bool unit_untraced;
    enum log_trace_kind trace;

    SSL *ssl;
    struct session_compression *compression; /* NULL: none */
    struct buf in;
    size_t in_at; /* handled up to here */
    struct buf out;
    size_t out_at;     /* sent up to here */
    size_t out_traced; /* traced up to here */
    struct str unit;   /* in a callback of `run` */

    int64_t now_ms;      /* when this turn began */
    int64_t deadline_ms; /* when the session wants to be looked at, while it waits */
    int64_t read_timeout_ms;
    int64_t unit_timeout_ms;  /* 0: none */
    int64_t unit_since_ms;    /* a part of a unit is there; 0: none is */
    int64_t read_deadline_ms; /* 0: none */
    int64_t active_ms;        /* the client sent something, or has been told everything */
    int64_t hold_until_ms;
    int64_t read_after_ms;
    int64_t handshake_until_ms;
    int64_t flush_started_ms;
    int64_t sent_ms; /* the client last took something */
    int64_t next_byte_ms;

    struct list_link ready_link;
    struct list_link handshake_link;
    struct session_peer peer;
    struct log_ctx log;
    max_align_t state[];
};

/* session_work.c: works on a session that the caller owns until it waits, yields or is gone. */
struct session_worker;
void session_work(struct session *s, struct session_worker *worker, unsigned signals);

/* session_buffers.c */
struct session_worker {
    struct buf in;
    struct buf out;
    bool has_predecessor; /* once it ends: the thread to be joined */
    pthread_t predecessor;
};
void session_worker_init(struct session_worker *worker);
void session_worker_release(struct session_worker *worker);
void session_borrow_buffers(struct session *s, struct session_worker *worker);
void session_return_buffers(struct session *s, struct session_worker *worker);

/* session_io.c */
enum session_flush { FLUSH_DONE, FLUSH_BLOCKED, FLUSH_FAILED };
enum session_fill { FILL_GOT, FILL_NONE, FILL_END };
static inline size_t session_out_pending(const struct session *s)
{
    return s->out.len - s->out_at;
}
/* Is all of it sent? */
bool session_has_output(const struct session *s);
static inline struct str session_in_pending(const struct session *s)
{
    return str_skip(buf_str(&s->in), s->in_at);
}
enum session_flush session_flush(struct session *s);
enum session_fill session_fill(struct session *s);
void session_out_compact(struct session *s);
BIO_METHOD *session_bio_method(void);
/* Throws away what the peer sends. */
enum session_fill session_discard_input(struct session *s);

/* session_compress.c */
struct session_compression *session_compression_new(void); /* NULL: no memory */
void session_compression_free(struct session_compression *z);
/* Compressed bytes that are to be sent next. When all are sent, they are made of `plain`, of which
 * `*ret_taken` bytes are in them. */
struct str session_compression_output(struct session_compression *z, struct str plain,
                                      size_t *ret_taken);
void session_compression_sent(struct session_compression *z, size_t count);
bool session_compression_has_output(const struct session_compression *z);
/* From now on output is the end of the stream. */
void session_compression_finish(struct session_compression *z);
/* What came from the client, and what it means: at most `size` bytes. FILL_NONE: all of it is
 * known; FILL_END: it has ended, or is no deflate. */
void session_compression_put(struct session_compression *z, struct str compressed);
enum session_fill session_compression_get(struct session_compression *z, char *dst, size_t size,
                                          size_t *ret_len);
bool session_compression_has_input(const struct session_compression *z);

/* session_tls.c */
enum session_handshake { HANDSHAKE_DONE, HANDSHAKE_WAITS, HANDSHAKE_FAILED };
enum session_handshake session_tls_handshake(struct session *s);
void session_tls_count_failure(struct session *s, const char *reason);
void session_tls_end(struct session *s);

/* session_accept.c */
void session_accept_all(struct session_server *server, struct session_listening *listening);
bool session_read_proxy_header(struct session *s, bool *ret_complete, struct err *err);
void session_listening_free(struct session_listening *listening);
void session_destroy(struct session *s);

/* session_door.c */
/* Once the client's address is known. False: it was told so, if it can be, and the session is to be
 * destroyed. */
bool session_admit(struct session *s);
void session_leave(struct session *s);
/* Counts a refusal, and tells the client on a plain connection. */
void session_turn_away(struct session *s, const char *why);
/* A place among the handshakes; when there is none, that of the oldest. */
void session_handshake_begin(struct session *s);
void session_handshake_end(struct session *s);

/* session_worker.c */
bool session_workers_start(struct session_server *server, struct err *err);
void session_workers_stop(struct session_server *server);
/* Hands a session that the caller owns to a worker. */
void session_make_ready(struct session *s);

/* session_server.c */
void session_signal(struct session_server *server, uint64_t id, unsigned signals);
void session_poke_loop(struct session_server *server);
/* The loop looks at deadlines no later than this. */
void session_note_deadline(struct session_server *server, int64_t deadline_ms);

/* session.c */
void session_trace_unit(struct session *s);
void session_trace_output(struct session *s);

#endif
