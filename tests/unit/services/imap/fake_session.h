#ifndef TESTS_IMAP_FAKE_SESSION_H
#define TESTS_IMAP_FAKE_SESSION_H

#include "common/sys/session.h"

/*
 * A session without a socket, linked in place of the session server: bytes are put in, what is sent
 * is collected, all in the calling thread. `full_at` is the high-water mark of the output, so that
 * tests see commands stop and go on anywhere.
 */

struct session *fake_session_open(const struct session_ops *ops, void *user, size_t full_at);
/* Everything that comes of these bytes; `step` at a time, 0 for all at once. */
void fake_session_feed(struct session *s, struct str bytes, size_t step);
/* Runs `wake` if somebody called session_wake. */
void fake_session_wake(struct session *s);
/* What was sent since the last call; good until the next one. */
struct str fake_session_sent(struct session *s);
/* How often something was sent before its command ended. */
unsigned fake_session_sent_now(const struct session *s);
bool fake_session_is_closed(const struct session *s);
bool fake_session_is_slow(const struct session *s);
/* The last pause that was asked for, in ms; 0: none was. */
int64_t fake_session_delay(const struct session *s);
/* What was set last: for a unit, and until when whatever comes; 0: no limit. */
int64_t fake_session_unit_timeout(const struct session *s);
int64_t fake_session_read_deadline(const struct session *s);
enum log_trace_kind fake_session_trace(const struct session *s);
/* STARTTLS is possible, or TLS is active. */
void fake_session_set_tls(struct session *s, bool can, bool active);
/* The same under TLS from the start, for a client that holds this key; empty: none. Borrows. */
struct session *fake_session_open_tls(const struct session_ops *ops, void *user, size_t full_at,
                                      struct str client_key);
/* What STARTTLS will prove. Borrows. */
void fake_session_set_client_key(struct session *s, struct str client_key);
void fake_session_free(struct session *s);

#endif
