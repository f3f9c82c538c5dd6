#ifndef COMMON_SYS_STREAM_H
#define COMMON_SYS_STREAM_H

#include "common/base/err.h"
#include "common/sys/ip.h"

/*
 * A connection that we open, for code that waits in straight lines (a delivery to another mail
 * server). Every call that may wait takes an absolute deadline (clock_monotonic_ms).
 *
 * Writes are collected and leave with stream_flush, or by themselves when a read has to wait or
 * much has gathered: commands written one after the other travel together (RFC 2920).
 *
 *     struct stream *s;
 *     if (!stream_connect(&(struct stream_target){.ip = ip, .port = 25}, deadline, &s, err)) ...
 *     stream_write(s, STR("MAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\n"), deadline, err);
 *     stream_read_line(s, 1000, deadline, &line, err);      // flushes first
 *     stream_close(s);
 *
 * After a failure the stream can only be closed. Not thread-safe. Needs SIGPIPE to be ignored when
 * TLS is used.
 */

struct stream;

struct stream_target {
    struct ip ip;
    uint16_t port;
    const struct ip *local; /* to connect from; NULL: the system chooses */
};

bool stream_connect(const struct stream_target *target, int64_t deadline_ms,
                    struct stream **ret_stream, struct err *err) MUST_USE;
/* Says goodbye in TLS, closes, frees; what was written and not flushed is lost. NULL is fine. */
void stream_close(struct stream *s);

/* Collects; what has gathered leaves when it is more than 64 KiB, and only then there is waiting.
 */
bool stream_write(struct stream *s, struct str bytes, int64_t deadline_ms,
                  struct err *err) MUST_USE;
bool stream_flush(struct stream *s, int64_t deadline_ms, struct err *err) MUST_USE;

/* The next line without its CRLF or LF; it borrows from the stream until the next read. ERR_LIMIT
 * when it is longer than `max`, ERR_UNAVAILABLE when the peer closed. */
bool stream_read_line(struct stream *s, size_t max, int64_t deadline_ms, struct str *ret_line,
                      struct err *err) MUST_USE;
/* What there is, at least one byte and at most `max`; waits when there is nothing. */
bool stream_read(struct stream *s, size_t max, int64_t deadline_ms, struct str *ret_bytes,
                 struct err *err) MUST_USE;
/* Received and not read yet: an answer that nobody asked for. */
bool stream_has_input(const struct stream *s);

struct ip stream_local_ip(const struct stream *s);

/* TLS. */

struct stream_tls {
    struct str host;     /* sent as SNI and compared with the certificate; not sent if an IP */
    bool verify;         /* fail when the certificate is not trusted or not for the host */
    const char *ca_file; /* PEM; NULL: the system's */
    int min_version;     /* TLS1_2_VERSION when 0 */
};

/* A handshake on a plain stream. Fails with ERR_STATE when plain bytes were received and not read
 * yet: they must not be taken for what the peer says under TLS. */
bool stream_starttls(struct stream *s, const struct stream_tls *tls, int64_t deadline_ms,
                     struct err *err) MUST_USE;
bool stream_is_tls(const struct stream *s);
/* True when the peer's certificate is trusted and names the host, also when `verify` is false. */
bool stream_is_verified(const struct stream *s);
/* Why not, "self-signed certificate"; "" when verified or without TLS. */
const char *stream_verify_error(const struct stream *s);
const char *stream_tls_version(const struct stream *s); /* "TLSv1.3" */
const char *stream_tls_cipher(const struct stream *s);

#endif
