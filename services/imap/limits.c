#include "services/imap/limits.h"

#include "common/base/clock.h"
#include "common/sys/rate_limit.h"

#define MINUTE_MS 60000
#define DAY_MS 86400000
#define NETWORKS_MAX 100000

static const struct rate_window connections[] = {{MINUTE_MS, {300, 900, 2700}}};
static const struct rate_window open_connections[] = {{RATE_FOREVER, {30, 90, 270}}};
static const struct rate_window failed_logins[] = {{MINUTE_MS, {10, 30, 90}},
                                                   {DAY_MS, {50, 150, 450}}};

struct limits {
    struct rate_limit *connections;
    struct rate_limit *open;
    struct rate_limit *failed_logins;
};

struct limits *limits_new(void)
{
    struct limits *l = xcalloc(1, sizeof(*l));
    l->connections = rate_limit_new(connections, ARRAY_LEN(connections), NETWORKS_MAX);
    l->open = rate_limit_new(open_connections, ARRAY_LEN(open_connections), NETWORKS_MAX);
    l->failed_logins = rate_limit_new(failed_logins, ARRAY_LEN(failed_logins), NETWORKS_MAX);
    return l;
}

void limits_free(struct limits *l)
{
    if (!l)
        return;
    rate_limit_free(l->connections);
    rate_limit_free(l->open);
    rate_limit_free(l->failed_logins);
    free(l);
}

/* False when there is nothing to limit. */
static bool peer_of(struct imap *imap, struct ip *ret)
{
    return imap->server->limits &&
           ip_parse(str_from_cstr(session_peer(imap->session)->remote_ip), ret);
}

bool limits_connect(struct imap *imap)
{
    struct ip ip;
    struct limits *l = imap->server->limits;
    if (!peer_of(imap, &ip))
        return true;
    int64_t now_ms = clock_wall_ms();
    if (!rate_limit_add(l->connections, ip, 1, now_ms) ||
        !rate_limit_has_room(l->failed_logins, ip, 1, now_ms))
        return false;
    imap->counted = rate_limit_add(l->open, ip, 1, now_ms);
    return imap->counted;
}

void limits_disconnect(struct imap *imap)
{
    struct ip ip;
    if (imap->counted && peer_of(imap, &ip))
        rate_limit_release(imap->server->limits->open, ip, 1, clock_wall_ms());
    imap->counted = false;
}

void limits_login_failed(struct imap *imap)
{
    struct ip ip;
    if (peer_of(imap, &ip) &&
        !rate_limit_add(imap->server->limits->failed_logins, ip, 1, clock_wall_ms()))
        log_debug(session_log(imap->session), "too many failed logins from this address");
}

void limits_login_worked(struct imap *imap)
{
    struct ip ip;
    if (peer_of(imap, &ip))
        rate_limit_reset(imap->server->limits->failed_logins, ip, clock_wall_ms());
}
