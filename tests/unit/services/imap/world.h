#ifndef TESTS_IMAP_WORLD_H
#define TESTS_IMAP_WORLD_H

#include "services/imap/server.h"
#include "services/imap/session.h"
#include "tests/unit/services/imap/fake_backend.h"
#include "tests/unit/services/imap/fake_session.h"

/*
 * The whole service in one process: a store in memory, a directory of its own, and up to three
 * sessions without sockets.
 */

#define WORLD_SESSIONS 3

struct world {
    char data[64];
    bool keep_data;
    struct settings settings;
    struct imap_config config;
    struct imap_server server;
    struct session *sessions[WORLD_SESSIONS];
    size_t full_at;
};

/* `full_at`: when sessions think that their output is full. Plain login is allowed. */
void world_init(struct world *w, size_t full_at);
/* The same in a directory that stays: for many worlds one after the other. */
void world_init_in(struct world *w, size_t full_at, const char *data);
/* Closes the sessions and removes the directory, if it was made. */
void world_release(struct world *w);
void world_remove_data(const char *data);
/* The n-th session, opened when it is first asked for. */
struct session *world_session(struct world *w, size_t n);

#endif
