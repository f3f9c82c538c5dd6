#include "services/store/password_cache.h"

#include "common/auth/hmac.h"
#include "common/auth/password.h"
#include "common/base/bug.h"
#include "common/base/clock.h"
#include "common/base/list.h"
#include "common/base/map.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define REMEMBER_MS (15 * 60 * 1000)
#define REMEMBER_MAX 20000

/*
 *            --begin-->  RUNNING  --right-->  RIGHT, in the map until it is too old
 *                                 --else--->  WRONG or FAILED, out of the map
 *
 * Whoever uses a check counts in `users`; out of the map and without users it is freed.
 */
enum check_state { RUNNING, RIGHT, WRONG, FAILED };

struct check {
    struct list_link link; /* of RIGHT, oldest first */
    struct digest key;
    enum check_state state;
    unsigned users;
    bool in_map;
    enum err_kind failure; /* of FAILED */
    int64_t expires_ms;
};

struct password_cache {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct map checks;
    struct list_link remembered;
    size_t remembered_count;
    unsigned running, running_max;
    uint64_t hash_count;
    unsigned char key[SHA256_SIZE];
};

struct password_cache *password_cache_new(unsigned concurrency_max)
{
    struct password_cache *cache = xcalloc(1, sizeof(*cache));
    if (getrandom(cache->key, sizeof(cache->key), 0) != (ssize_t)sizeof(cache->key))
        BUG("no random numbers");
    pthread_mutex_init(&cache->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&cache->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    map_init(&cache->checks);
    list_init(&cache->remembered);
    cache->running_max = concurrency_max;
    return cache;
}

static void leave_map(struct password_cache *cache, struct check *check)
{
    if (!check->in_map)
        return;
    check->in_map = false;
    map_remove(&cache->checks, digest_str(&check->key));
    if (check->state != RIGHT)
        return;
    list_remove(&check->link);
    cache->remembered_count--;
}

static void free_unused(struct check *check)
{
    if (check->users == 0 && !check->in_map)
        free(check);
}

static void forget(struct password_cache *cache, struct check *check)
{
    leave_map(cache, check);
    free_unused(check);
}

void password_cache_free(struct password_cache *cache)
{
    if (!cache)
        return;
    size_t at = 0;
    for (struct map_entry *entry; (entry = map_next(&cache->checks, &at));)
        free(entry->value);
    map_release(&cache->checks);
    pthread_cond_destroy(&cache->changed);
    pthread_mutex_destroy(&cache->lock);
    explicit_bzero(cache->key, sizeof(cache->key));
    free(cache);
}

static struct digest question_key(const struct password_cache *cache,
                                  const struct password_question *question)
{
    struct str key = str_make(cache->key, sizeof(cache->key));
    uint64_t whose[2] = {question->account_id, question->version};
    struct digest own = hmac(DIGEST_SHA256, key, str_make(whose, sizeof(whose)));
    struct digest digest = hmac(DIGEST_SHA256, digest_str(&own), question->password);
    explicit_bzero(&own, sizeof(own));
    return digest;
}

/* Waits for a change; false when the deadline has passed. With the lock. */
static bool wait_for_change(struct password_cache *cache, int64_t deadline_ms, struct err *err)
{
    if (deadline_ms <= clock_monotonic_ms())
        return err_set(err, ERR_TIMEOUT, "too many passwords are being checked");
    struct timespec until = clock_timespec(deadline_ms);
    pthread_cond_timedwait(&cache->changed, &cache->lock, &until);
    return true;
}

static void remember(struct password_cache *cache, struct check *check)
{
    check->expires_ms = clock_monotonic_ms() + REMEMBER_MS;
    list_append(&cache->remembered, &check->link);
    cache->remembered_count++;
    struct check *oldest = CONTAINER_OF(cache->remembered.next, struct check, link);
    if (cache->remembered_count > REMEMBER_MAX || oldest->expires_ms <= clock_monotonic_ms())
        forget(cache, oldest);
}

/* The hashing itself. With the lock, which is given up meanwhile. */
static bool hash(struct password_cache *cache, const struct password_question *question,
                 bool *ret_right, struct err *err)
{
    while (cache->running >= cache->running_max)
        TRY(wait_for_change(cache, question->deadline_ms, err));
    cache->running++;
    pthread_mutex_unlock(&cache->lock);
    const char *stored;
    bool ok = question->find_hash(question->user, &stored, err) &&
              password_verify(question->password, stored, ret_right, err);
    pthread_mutex_lock(&cache->lock);
    cache->running--;
    cache->hash_count++;
    return ok;
}

/* With the lock. */
static struct check *begin(struct password_cache *cache, const struct digest *key)
{
    struct check *check = xcalloc(1, sizeof(*check));
    list_init(&check->link);
    check->key = *key;
    check->state = RUNNING;
    check->in_map = true;
    map_put(&cache->checks, digest_str(&check->key), check);
    return check;
}

/* With the lock. */
static void run(struct password_cache *cache, const struct password_question *question,
                struct check *check, struct err *err)
{
    bool right = false;
    bool ok = hash(cache, question, &right, err);
    if (ok && right) {
        check->state = RIGHT;
        remember(cache, check);
    } else {
        check->state = ok ? WRONG : FAILED;
        check->failure = ok ? ERR_NONE : err->kind;
        leave_map(cache, check);
    }
    pthread_cond_broadcast(&cache->changed);
}

/* With the lock: the check for this question, run by us or by somebody else. */
static struct check *join(struct password_cache *cache, const struct password_question *question,
                          struct err *err)
{
    struct digest key = question_key(cache, question);
    struct check *check = map_get(&cache->checks, digest_str(&key));
    if (check && check->state == RIGHT && check->expires_ms <= clock_monotonic_ms()) {
        forget(cache, check);
        check = NULL;
    }
    bool is_ours = !check;
    if (is_ours)
        check = begin(cache, &key);
    check->users++;
    if (is_ours)
        run(cache, question, check, err);
    return check;
}

bool password_cache_check(struct password_cache *cache, const struct password_question *question,
                          bool *ret_right, struct err *err)
{
    pthread_mutex_lock(&cache->lock);
    struct err own = {0};
    struct check *check = join(cache, question, &own);
    bool ok = true;
    while (ok && check->state == RUNNING)
        ok = wait_for_change(cache, question->deadline_ms, err);
    if (ok && check->state == FAILED) {
        if (own.kind == ERR_NONE) /* somebody else's */
            err_set(&own, check->failure, "the password could not be checked");
        *err = own;
        ok = false;
    }
    *ret_right = ok && check->state == RIGHT;
    check->users--;
    free_unused(check);
    pthread_mutex_unlock(&cache->lock);
    return ok;
}

uint64_t password_cache_hash_count(struct password_cache *cache)
{
    pthread_mutex_lock(&cache->lock);
    uint64_t count = cache->hash_count;
    pthread_mutex_unlock(&cache->lock);
    return count;
}
