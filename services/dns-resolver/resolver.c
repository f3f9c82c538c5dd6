#include "services/dns-resolver/resolver.h"

#include "common/base/bug.h"
#include "common/base/clock.h"
#include "common/base/map.h"
#include "services/dns-resolver/answer.h"
#include "services/dns-resolver/unbound.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define IN_FLIGHT_MAX 4096
#define KEY_MAX 300
#define CLASS_IN 1

/*
 * One question while somebody cares: those who wait for it, and the library while it works on it
 * (in the map). Whoever leaves last frees it. A question whose askers all gave up goes on, and
 * leaves its answer in the cache.
 */
struct question {
    struct resolver *resolver;
    struct str key; /* in the allocation of the question */
    unsigned users;
    bool is_done;
    int failure; /* of the library */
    struct ub_result *result;
    pthread_cond_t done;
};

struct resolver {
    struct ub_ctx *ub;
    pthread_t thread;
    bool has_thread;
    int wake_fd; /* readable: the thread is to end */
    pthread_mutex_t lock;
    struct map in_flight; /* by key */
    uint64_t asked;
    int64_t stop_ms; /* nobody waits any longer than until then */
};

/* ---- Questions; with the lock */

static struct question *question_new(struct resolver *r, struct str key)
{
    struct question *q = xcalloc(1, sizeof(*q) + key.len);
    char *copy = (char *)(q + 1);
    for (size_t i = 0; i < key.len; i++)
        copy[i] = key.ptr[i];
    q->key = str_make(copy, key.len);
    q->resolver = r;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&q->done, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return q;
}

static void question_leave(struct question *q)
{
    if (--q->users > 0)
        return;
    if (q->result)
        ub_resolve_free(q->result);
    pthread_cond_destroy(&q->done);
    free(q);
}

static void question_finish(struct question *q, int failure, struct ub_result *result)
{
    q->is_done = true;
    q->failure = failure;
    q->result = result;
    map_remove(&q->resolver->in_flight, q->key);
    pthread_cond_broadcast(&q->done);
}

/* Called by ub_process. */
static void take_result(void *user, int failure, struct ub_result *result)
{
    struct question *q = user;
    struct resolver *r = q->resolver;
    pthread_mutex_lock(&r->lock);
    question_finish(q, failure, result);
    question_leave(q);
    pthread_mutex_unlock(&r->lock);
}

/* The question with one more user; NULL when there are too many. `*ret_is_new`: it is still to be
 * asked. */
static struct question *question_join(struct resolver *r, const char *name, unsigned type,
                                      bool *ret_is_new)
{
    char text[KEY_MAX];
    int len = snprintf(text, sizeof(text), "%u %s", type, name);
    struct str key = str_make(text, (size_t)len);
    BUG_ON(len < 0 || key.len >= sizeof(text));
    struct question *q = map_get(&r->in_flight, key);
    *ret_is_new = !q;
    if (!q && r->in_flight.len >= IN_FLIGHT_MAX)
        return NULL;
    if (!q) {
        q = question_new(r, key);
        q->users = 1; /* the library */
        map_put(&r->in_flight, q->key, q);
        r->asked++;
    }
    q->users++;
    return q;
}

/* ---- Asking */

/* Without the lock. The library may answer from its cache at once, but always on its own thread. */
static void ask(struct question *q, const char *name, unsigned type)
{
    struct resolver *r = q->resolver;
    int failure = ub_resolve_async(r->ub, name, (int)type, CLASS_IN, q, take_result, NULL);
    if (!failure)
        return;
    pthread_mutex_lock(&r->lock);
    question_finish(q, failure, NULL);
    q->users--; /* the library; the caller is still there */
    pthread_mutex_unlock(&r->lock);
}

/* With the lock. False when the deadline has passed. */
static bool wait_for(struct question *q, int64_t deadline_ms)
{
    struct resolver *r = q->resolver;
    while (!q->is_done) {
        int64_t end_ms = deadline_ms < r->stop_ms ? deadline_ms : r->stop_ms;
        struct timespec until = clock_timespec(end_ms);
        if (pthread_cond_timedwait(&q->done, &r->lock, &until) == ETIMEDOUT)
            return q->is_done;
    }
    return true;
}

static struct question *begin(struct resolver *r, const char *name, unsigned type, struct err *err)
{
    bool is_new;
    pthread_mutex_lock(&r->lock);
    struct question *q = question_join(r, name, type, &is_new);
    pthread_mutex_unlock(&r->lock);
    if (!q)
        err_set(err, ERR_LIMIT, "more than %d DNS questions at a time", IN_FLIGHT_MAX);
    else if (is_new)
        ask(q, name, type);
    return q;
}

static bool end(struct question *q, struct str name, enum dns_type type, int64_t deadline_ms,
                struct arena *arena, struct lookup_answer *ret, struct err *err)
{
    struct resolver *r = q->resolver;
    pthread_mutex_lock(&r->lock);
    bool in_time = wait_for(q, deadline_ms);
    pthread_mutex_unlock(&r->lock);
    bool ok = true;
    if (!in_time)
        *ret = answer_timeout(name);
    else if (q->failure)
        *ret = answer_failure(name, str_from_cstr(ub_strerror(q->failure)));
    else
        ok = answer_read(q->result, name, type, arena, ret, err);
    pthread_mutex_lock(&r->lock);
    question_leave(q);
    pthread_mutex_unlock(&r->lock);
    return ok;
}

bool resolver_lookup(struct resolver *r, struct str name, enum dns_type type, int64_t deadline_ms,
                     struct arena *arena, struct lookup_answer *ret, struct err *err)
{
    const char *cname = arena_cstr(arena, name);
    if (!cname)
        return err_set(err, ERR_LIMIT, "no room for a DNS name");
    struct question *q = begin(r, cname, type, err);
    return q && end(q, name, type, deadline_ms, arena, ret, err);
}

bool resolver_lookup_ip(struct resolver *r, struct str name, int64_t deadline_ms,
                        struct arena *arena, struct lookup_answer *ret, struct err *err)
{
    const char *cname = arena_cstr(arena, name);
    if (!cname)
        return err_set(err, ERR_LIMIT, "no room for a DNS name");
    struct question *a = begin(r, cname, DNS_A, err);
    if (!a)
        return false;
    struct err second;
    struct question *aaaa = begin(r, cname, DNS_AAAA, &second);
    struct lookup_answer v4, v6;
    bool ok = end(a, name, DNS_A, deadline_ms, arena, &v4, err);
    if (!aaaa) {
        *err = second;
        return false;
    }
    ok = end(aaaa, name, DNS_AAAA, deadline_ms, arena, &v6, &second) && ok;
    if (!ok)
        return err_set(err, ERR_LIMIT, "no room for DNS records");
    return answer_join(&v4, &v6, arena, ret, err);
}

void resolver_stop_by(struct resolver *r, int64_t stop_ms)
{
    pthread_mutex_lock(&r->lock);
    r->stop_ms = stop_ms;
    size_t at = 0;
    struct map_entry *entry;
    while ((entry = map_next(&r->in_flight, &at))) {
        struct question *q = entry->value;
        pthread_cond_broadcast(&q->done);
    }
    pthread_mutex_unlock(&r->lock);
}

void resolver_counts(struct resolver *r, size_t *ret_in_flight, uint64_t *ret_asked)
{
    pthread_mutex_lock(&r->lock);
    *ret_in_flight = r->in_flight.len;
    *ret_asked = r->asked;
    pthread_mutex_unlock(&r->lock);
}

/* ---- Life */

static void *take_results(void *user)
{
    struct resolver *r = user;
    struct pollfd fds[2] = {{.fd = ub_fd(r->ub), .events = POLLIN},
                            {.fd = r->wake_fd, .events = POLLIN}};
    while (!(fds[1].revents & POLLIN)) {
        if (poll(fds, ARRAY_LEN(fds), -1) < 0 && errno != EINTR)
            BUG("poll: %d", errno);
        if (fds[0].revents & POLLIN)
            ub_process(r->ub);
    }
    return NULL;
}

struct resolver *resolver_new(const struct dns_resolver_config *config, struct err *err)
{
    struct resolver *r = xcalloc(1, sizeof(*r));
    r->stop_ms = CLOCK_NEVER;
    pthread_mutex_init(&r->lock, NULL);
    map_init(&r->in_flight);
    r->wake_fd = eventfd(0, EFD_CLOEXEC);
    if (r->wake_fd < 0)
        err_set_errno(err, errno, "eventfd");
    else
        r->ub = unbound_open(config, err);
    int errnum = r->ub ? pthread_create(&r->thread, NULL, take_results, r) : 0;
    if (errnum)
        err_set_errno(err, errnum, "cannot start a thread");
    r->has_thread = r->ub && !errnum;
    if (r->has_thread)
        return r;
    resolver_free(r);
    return NULL;
}

static void end_thread(struct resolver *r)
{
    if (!r->has_thread)
        return;
    uint64_t one = 1;
    if (write(r->wake_fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
        BUG("eventfd: %d", errno);
    pthread_join(r->thread, NULL);
}

void resolver_free(struct resolver *r)
{
    if (!r)
        return;
    end_thread(r);
    if (r->ub)
        ub_ctx_delete(r->ub);
    size_t at = 0;
    struct map_entry *entry;
    while ((entry = map_next(&r->in_flight, &at))) /* nobody waits, and the library is gone */
        question_leave(entry->value);
    map_release(&r->in_flight);
    if (r->wake_fd >= 0)
        close(r->wake_fd);
    pthread_mutex_destroy(&r->lock);
    free(r);
}
