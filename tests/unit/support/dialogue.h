#ifndef TESTS_UNIT_SUPPORT_DIALOGUE_H
#define TESTS_UNIT_SUPPORT_DIALOGUE_H

#include "common/base/err.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Plays the client's side of a text protocol from a script, and checks what the server says.
 *
 *     # A4: an unknown verb before any known one      a comment
 *     SET pedantic true                               before the start: for the test
 *     S: 220 *                                        a line of the server; * matches anything
 *     C: EHLO a.example                               a line for the server, CRLF added
 *     S.. 250 *                                       lines of the server up to one that matches
 *     C> abc\r\n\x00                                  raw bytes for the server
 *     TLS                                             a TLS handshake
 *     CLOSED                                          the server has closed
 *     RECONNECT                                       drops the connection and makes a new one
 *     EXPECT delivered user@ours.example 1            for the test
 *
 * Lines for the server that follow each other leave in one write. Nothing may be left unread when
 * the script ends.
 */

struct dialogue_hooks {
    /* Makes the setting, starts the server (once, before the first line) and answers EXPECT. Each
     * returns false with the reason. */
    bool (*set)(void *user, struct str line, struct err *err);
    bool (*start)(void *user, uint16_t *ret_port, bool *ret_tls, struct err *err);
    bool (*expect)(void *user, struct str line, struct err *err);
    void *user;
};

/* False with file, line, and what was wrong. */
bool dialogue_play(const char *path, const struct dialogue_hooks *hooks, struct err *err) MUST_USE;

/* "*" in the pattern matches any run of bytes. */
bool dialogue_matches(struct str pattern, struct str text);

#endif
