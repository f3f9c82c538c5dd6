#include "common/sys/admission.h"

#include "common/base/bug.h"
#include "common/base/clock.h"
#include "common/sys/rate_limit.h"

#include <stdlib.h>

#define MINUTE_MS 60000
#define DAY_MS 86400000
#define NETWORKS_MAX 100000

/* For an address, and the two networks around it. */
static const struct rate_window rate[] = {{MINUTE_MS, {300, 900, 2700}}};
static const struct rate_window open_connections[] = {{RATE_FOREVER, {30, 90, 270}}};
static const struct rate_window failed_logins[] = {
    {MINUTE_MS, {10, 30, 90}},
    {DAY_MS, {50, 150, 450}},
};

struct admission {
    struct rate_limit *rate;
    struct rate_limit *open;
    struct rate_limit *failed_logins;
};

struct admission *admission_new(void)
{
    struct admission *a = xcalloc(1, sizeof(*a));
    a->rate = rate_limit_new(rate, ARRAY_LEN(rate), NETWORKS_MAX);
    a->open = rate_limit_new(open_connections, ARRAY_LEN(open_connections), NETWORKS_MAX);
    a->failed_logins = rate_limit_new(failed_logins, ARRAY_LEN(failed_logins), NETWORKS_MAX);
    return a;
}

void admission_free(struct admission *a)
{
    if (!a)
        return;
    rate_limit_free(a->rate);
    rate_limit_free(a->open);
    rate_limit_free(a->failed_logins);
    free(a);
}

const char *admission_enter(struct admission *a, const char *text, bool logins)
{
    struct ip ip;
    if (!a || !ip_parse(str_from_cstr(text), &ip))
        return NULL;
    int64_t now_ms = clock_wall_ms();
    if (!rate_limit_add(a->rate, ip, 1, now_ms))
        return "too many connections in a minute";
    if (logins && !rate_limit_has_room(a->failed_logins, ip, 1, now_ms))
        return "too many failed logins";
    if (!rate_limit_add(a->open, ip, 1, now_ms))
        return "too many open connections";
    return NULL;
}

void admission_leave(struct admission *a, const char *text)
{
    struct ip ip;
    if (a && ip_parse(str_from_cstr(text), &ip))
        rate_limit_release(a->open, ip, 1, clock_wall_ms());
}

void admission_login_ended(struct admission *a, const char *text, bool succeeded)
{
    struct ip ip;
    if (!a || !ip_parse(str_from_cstr(text), &ip))
        return;
    if (succeeded)
        rate_limit_reset(a->failed_logins, ip, clock_wall_ms());
    else /* a full count stays full: the refusal comes with the next connection */
        (void)!rate_limit_add(a->failed_logins, ip, 1, clock_wall_ms());
}
