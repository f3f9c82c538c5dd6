#include "common/sys/rate_limit.h"

#include "common/base/bug.h"
#include "common/base/map.h"

#include <pthread.h>
#include <stdlib.h>

static const unsigned prefix_v4[RATE_CLASSES] = {32, 26, 21};
static const unsigned prefix_v6[RATE_CLASSES] = {64, 48, 32};

/* The counters of one window as it is now. The maps hold numbers, not pointers: a network that is
 * not there counts 0. */
struct window {
    struct rate_window config;
    int64_t index;
    struct map counts[RATE_CLASSES];
};

struct rate_limit {
    pthread_mutex_t lock;
    size_t networks_max;
    size_t window_count;
    struct window windows[RATE_WINDOWS_MAX];
};

struct key {
    char bytes[17];
};

static struct key key_of(struct ip ip, size_t class)
{
    struct key key;
    struct ip network = ip_truncate(ip, ip.is_v6 ? prefix_v6[class] : prefix_v4[class]);
    key.bytes[0] = network.is_v6;
    for (size_t i = 0; i < sizeof(network.bytes); i++)
        key.bytes[i + 1] = (char)network.bytes[i];
    return key;
}

static struct str key_str(const struct key *key)
{
    return str_make(key->bytes, sizeof(key->bytes));
}

static uint64_t get_count(const struct window *w, struct ip ip, size_t class)
{
    struct key key = key_of(ip, class);
    return (uintptr_t)map_get(&w->counts[class], key_str(&key));
}

static void set_count(struct window *w, struct ip ip, size_t class, uint64_t count,
                      size_t networks_max)
{
    struct key key = key_of(ip, class);
    struct map *counts = &w->counts[class];
    if (count == 0)
        map_remove(counts, key_str(&key));
    else if (counts->len < networks_max || map_get(counts, key_str(&key)))
        map_put(counts, key_str(&key), (void *)(uintptr_t)count);
}

static void subtract(struct window *w, struct ip ip, uint64_t n, size_t networks_max)
{
    for (size_t class = 0; class < RATE_CLASSES; class ++) {
        uint64_t count = get_count(w, ip, class);
        set_count(w, ip, class, count > n ? count - n : 0, networks_max);
    }
}

static void clear(struct window *w)
{
    for (size_t class = 0; class < RATE_CLASSES; class ++) {
        map_release(&w->counts[class]);
        map_init(&w->counts[class]);
    }
}

struct rate_limit *rate_limit_new(const struct rate_window *windows, size_t window_count,
                                  size_t networks_max)
{
    BUG_ON(window_count == 0 || window_count > RATE_WINDOWS_MAX);
    struct rate_limit *limit = xcalloc(1, sizeof(*limit));
    pthread_mutex_init(&limit->lock, NULL);
    limit->networks_max = networks_max;
    limit->window_count = window_count;
    for (size_t i = 0; i < window_count; i++) {
        limit->windows[i].config = windows[i];
        clear(&limit->windows[i]);
    }
    return limit;
}

void rate_limit_free(struct rate_limit *limit)
{
    if (!limit)
        return;
    for (size_t i = 0; i < limit->window_count; i++)
        clear(&limit->windows[i]);
    pthread_mutex_destroy(&limit->lock);
    free(limit);
}

/* With the counters of windows that are over cleared. */
static void lock_at(struct rate_limit *limit, int64_t now_ms)
{
    pthread_mutex_lock(&limit->lock);
    for (size_t i = 0; i < limit->window_count; i++) {
        struct window *w = &limit->windows[i];
        int64_t index = now_ms / w->config.length_ms;
        if (index != w->index)
            clear(w);
        w->index = index;
    }
}

static bool fits(const struct window *w, struct ip ip, uint32_t n)
{
    for (size_t class = 0; class < RATE_CLASSES; class ++)
        if (get_count(w, ip, class) + n > w->config.limits[class])
            return false;
    return true;
}

static bool fits_all(const struct rate_limit *limit, struct ip ip, uint32_t n)
{
    for (size_t i = 0; i < limit->window_count; i++)
        if (!fits(&limit->windows[i], ip, n))
            return false;
    return true;
}

bool rate_limit_add(struct rate_limit *limit, struct ip ip, uint32_t n, int64_t now_ms)
{
    lock_at(limit, now_ms);
    bool ok = fits_all(limit, ip, n);
    for (size_t i = 0; ok && i < limit->window_count; i++)
        for (size_t class = 0; class < RATE_CLASSES; class ++)
            set_count(&limit->windows[i], ip, class, get_count(&limit->windows[i], ip, class) + n,
                      limit->networks_max);
    pthread_mutex_unlock(&limit->lock);
    return ok;
}

bool rate_limit_has_room(struct rate_limit *limit, struct ip ip, uint32_t n, int64_t now_ms)
{
    lock_at(limit, now_ms);
    bool ok = fits_all(limit, ip, n);
    pthread_mutex_unlock(&limit->lock);
    return ok;
}

void rate_limit_release(struct rate_limit *limit, struct ip ip, uint32_t n, int64_t now_ms)
{
    lock_at(limit, now_ms);
    for (size_t i = 0; i < limit->window_count; i++)
        subtract(&limit->windows[i], ip, n, limit->networks_max);
    pthread_mutex_unlock(&limit->lock);
}

void rate_limit_reset(struct rate_limit *limit, struct ip ip, int64_t now_ms)
{
    lock_at(limit, now_ms);
    for (size_t i = 0; i < limit->window_count; i++)
        subtract(&limit->windows[i], ip, get_count(&limit->windows[i], ip, 0), limit->networks_max);
    pthread_mutex_unlock(&limit->lock);
}
