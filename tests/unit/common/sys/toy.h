#ifndef TESTS_UNIT_COMMON_SYS_TOY_H
#define TESTS_UNIT_COMMON_SYS_TOY_H

#include "common/sys/metrics.h"
#include "common/sys/session.h"
#include "common/sys/tls.h"

#include <pthread.h>
#include <stdatomic.h>

/*
 * A session server with a toy line protocol, running in a thread of the test, and a client for it.
 * toy_test.c says what the commands are.
 */

struct toy {
    struct log *log;
    struct log_ctx root;
    int log_fd; /* of a memory file with all that was logged */
    struct metrics *metrics;
    struct tls_context *tls;
    struct admission *admission;
    struct session_server *server;
    pthread_t thread;
    char directory[64];           /* with the certificate */
    struct session_handle handle; /* of the last session that said HANDLE */
    atomic_int closed;
    atomic_int blocked; /* sessions inside BLOCK now */
    atomic_bool unblock;
};

struct toy_options {
    bool tls;          /* STARTTLS is possible */
    bool tls_implicit; /* needs tls */
    const char *proxy; /* who must speak the PROXY protocol, as "127.0.0.0/8"; NULL: nobody */
    bool limits;       /* an admission judges */
    unsigned workers_max;
    unsigned sessions_max;
    int64_t write_timeout_ms;
    int64_t handshake_timeout_ms;
};

void toy_start(struct toy *toy, const struct toy_options *options);
/* Drains, waits for the end, and fails the test when a session is left open. */
void toy_stop(struct toy *toy);
uint16_t toy_port(const struct toy *toy);
/* The log so far, good until toy_stop of this or the next call. */
const char *toy_log(struct toy *toy);
void toy_wait_logged(struct toy *toy, const char *text);
/* Waits until so many sessions are left. */
void toy_wait_sessions(struct toy *toy, size_t count);

/* A client; every wait ends after 10 s, in failure of the test. */
struct toy_client {
    int fd;
    SSL_CTX *ctx;
    SSL *ssl;
    char line[2048];
};

void toy_connect(struct toy_client *c, const struct toy *toy);
/* From another address of this machine, "127.0.0.2". */
void toy_connect_from(struct toy_client *c, const struct toy *toy, const char *ip);
void toy_client_tls(struct toy_client *c, const char *sni, int max_version);
bool toy_client_tls_try(struct toy_client *c, const char *sni, int max_version);
void toy_send(struct toy_client *c, const char *text);
/* The next line without CRLF; "" at the end of the connection. */
const char *toy_line(struct toy_client *c);
/* Sends, and expects this line. */
void toy_ask(struct toy_client *c, const char *command, const char *want);
void toy_expect(struct toy_client *c, const char *want);
/* Reads up to `size` bytes; 0 at the end. */
size_t toy_read(struct toy_client *c, char *dst, size_t size);
void toy_close(struct toy_client *c);
int64_t toy_elapsed_ms(int64_t since_ms);

#endif
