#include "tests/unit/support/relay.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAIRS_MAX 128

/* A connection: two sockets, each read for the other. */
struct pair {
    int ends[2];
    bool is_dead; /* still open, and nothing passes */
};

struct relay {
    int listener, to_port;
    pthread_t thread;
    pthread_mutex_t lock; /* of pairs */
    struct pair pairs[PAIRS_MAX];
    size_t pair_count;
    atomic_uint count;
    atomic_bool is_stopping;
};

static struct sockaddr_in local(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr = {htonl(INADDR_LOOPBACK)}};
}

/* -1: somebody has the port. */
static int listen_at(int port)
{
    struct sockaddr_in address = local(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, PAIRS_MAX) == 0)
        return fd;
    close(fd);
    return -1;
}

/* At a port below those that the kernel gives to connections, one of which could take a port just
 * before its server, or meet itself there. */
static int listen_somewhere(int *ret_port)
{
    static int tried;
    for (;;) {
        *ret_port = 11000 + (getpid() * 7 + tried++) % 20000;
        int fd = listen_at(*ret_port);
        if (fd >= 0)
            return fd;
        if (tried > 20000)
            abort();
    }
}

int relay_free_port(void)
{
    int port;
    close(listen_somewhere(&port));
    return port;
}

static void close_pair(struct pair *p)
{
    close(p->ends[0]);
    close(p->ends[1]);
}

static void accept_one(struct relay *r)
{
    struct sockaddr_in to = local(r->to_port);
    struct pair p = {
        .ends = {accept(r->listener, NULL, NULL), socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)}};
    r->count++;
    if (p.ends[0] >= 0 && r->pair_count < PAIRS_MAX &&
        connect(p.ends[1], (struct sockaddr *)&to, sizeof(to)) == 0)
        r->pairs[r->pair_count++] = p;
    else
        close_pair(&p);
}

/* False when the connection has ended. */
static bool pass_on(int from, int to)
{
    char bytes[65536];
    ssize_t len = recv(from, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (len <= 0)
        return false;
    for (ssize_t sent = 0; sent < len;) {
        ssize_t more = send(to, bytes + sent, (size_t)(len - sent), MSG_NOSIGNAL);
        if (more <= 0)
            return false;
        sent += more;
    }
    return true;
}

static void pass_all(struct relay *r)
{
    for (size_t i = r->pair_count; i-- > 0;) {
        struct pair *p = &r->pairs[i];
        bool lives = true;
        for (int end = 0; end < 2 && lives && !p->is_dead; end++) {
            struct pollfd ready = {.fd = p->ends[end], .events = POLLIN};
            if (poll(&ready, 1, 0) > 0)
                lives = pass_on(p->ends[end], p->ends[1 - end]);
        }
        if (!lives) {
            close_pair(p);
            *p = r->pairs[--r->pair_count];
        }
    }
}

static void *run(void *relay)
{
    struct relay *r = relay;
    while (!r->is_stopping) {
        struct pollfd ready = {.fd = r->listener, .events = POLLIN};
        bool comes = poll(&ready, 1, 1) > 0;
        pthread_mutex_lock(&r->lock);
        if (comes)
            accept_one(r);
        pass_all(r);
        pthread_mutex_unlock(&r->lock);
    }
    return NULL;
}

struct relay *relay_new(int to_port)
{
    struct relay *r = calloc(1, sizeof(*r));
    int port;
    if (!r)
        abort();
    r->to_port = to_port;
    r->listener = listen_somewhere(&port);
    pthread_mutex_init(&r->lock, NULL);
    if (pthread_create(&r->thread, NULL, run, r) != 0)
        abort();
    return r;
}

void relay_free(struct relay *r)
{
    r->is_stopping = true;
    pthread_join(r->thread, NULL);
    relay_cut(r);
    close(r->listener);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

int relay_port(const struct relay *r)
{
    struct sockaddr_in address;
    socklen_t size = sizeof(address);
    if (getsockname(r->listener, (struct sockaddr *)&address, &size) != 0)
        abort();
    return ntohs(address.sin_port);
}

void relay_die(struct relay *r)
{
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < r->pair_count; i++)
        r->pairs[i].is_dead = true;
    pthread_mutex_unlock(&r->lock);
}

void relay_cut(struct relay *r)
{
    pthread_mutex_lock(&r->lock);
    while (r->pair_count > 0)
        close_pair(&r->pairs[--r->pair_count]);
    pthread_mutex_unlock(&r->lock);
}

unsigned relay_count(const struct relay *r)
{
    return r->count;
}
