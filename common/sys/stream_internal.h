#ifndef COMMON_SYS_STREAM_INTERNAL_H
#define COMMON_SYS_STREAM_INTERNAL_H

#include "common/base/buf.h"
#include "common/base/openssl.h"
#include "common/sys/stream.h"

#include <openssl/ssl.h>

/* What stream.c and stream_tls.c share. */

#define STREAM_OUT_FLUSH ((size_t)64 * 1024)
#define STREAM_READ_SIZE ((size_t)16 * 1024)
#define STREAM_IN_MAX ((size_t)1024 * 1024)

struct stream {
    int fd;
    struct ip local_ip;
    struct buf in;
    size_t in_at; /* read by the caller up to here */
    struct buf out;
    SSL_CTX *ctx;
    SSL *ssl;
};

/* Waits for what OpenSSL asked for by the result `n`, or says why it failed. */
bool stream_tls_wait(struct stream *s, int n, const char *what, int64_t deadline_ms,
                     struct err *err);
/* At least one byte. */
bool stream_tls_read(struct stream *s, char *dst, size_t size, int64_t deadline_ms, size_t *ret_len,
                     struct err *err);
bool stream_tls_write_all(struct stream *s, struct str bytes, int64_t deadline_ms, struct err *err);
void stream_tls_end(struct stream *s);

#endif
